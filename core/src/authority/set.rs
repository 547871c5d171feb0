//! The set of acts: what was accepted, what waits, and the act graph between them. It decides nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Act, ActBody, Content, Fault, Grant, Invite,
    ancestry::Past,
    keep::{KeepChunk, KeepKey},
    pending::Pending,
    prune::Order,
    seniority::Rank,
};
use crate::{
    ids::{ActId, GraphId, PeerId},
    limits::{MAX_ACT_HEADS, MAX_LEAVES, MAX_REVOKED_DEVICES},
};

/// All acts of a group that are here, with their pasts.
///
/// Acts are accepted in any order; one whose past is incomplete waits. Two sets that accepted the same acts and lists
/// answer every question alike, whatever the order.
#[derive(Clone, Debug)]
pub struct ActSet {
    pub(super) graph: GraphId,
    pub(super) creator: PeerId,
    pub(super) max_chain: u8,
    pub(super) entries: Vec<Entry>,
    places: BTreeMap<ActId, u32>,
    /// Acts that no accepted one names.
    pub(super) heads: BTreeSet<u32>,
    pub(super) grants_of: BTreeMap<PeerId, Vec<u32>>,
    /// Removals and demotions, by the identity that they name, in their order.
    pub(super) removals_of: BTreeMap<PeerId, Vec<u32>>,
    /// By invitation: its uses, and the acts that withdraw it.
    pub(super) uses_of: BTreeMap<u32, Vec<u32>>,
    pub(super) revokers_of: BTreeMap<u32, Vec<u32>>,
    /// By grant: its renewals.
    pub(super) renewals_of: BTreeMap<u32, Vec<u32>>,
    /// Leave acts, by author.
    pub(super) leaves: BTreeMap<PeerId, BTreeMap<ActId, Arc<Leaf>>>,
    /// Revocations of the author's own devices, by author.
    pub(super) own_devices: BTreeMap<PeerId, BTreeMap<ActId, Arc<Leaf>>>,
    leaf_ids: BTreeMap<ActId, PeerId>,
    pub(super) chunks: BTreeMap<[u8; 32], Option<KeepChunk>>,
    /// Acts by their authors, and refusals of devices by the identities that they name.
    pub(super) acts_of: BTreeMap<PeerId, Vec<u32>>,
    pub(super) refusals_of: BTreeMap<PeerId, Vec<u32>>,
    /// Invitations with more uses than they allow.
    pub(super) contested: BTreeSet<u32>,
    /// Counts what came at once; see [`next_moment`](Self::next_moment).
    pub(super) moment: u64,
    /// Counts all that was accepted and dropped.
    pub(super) revision: u64,
    /// Removed identities with as many void acts as are kept, and the last of these; see [`Verdict::prune`](super::Verdict::prune).
    pub(super) full: BTreeMap<PeerId, Order>,
    pub(super) pending: Pending,
}

/// An accepted act, and what follows from it and its past alone.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) act: Act,
    pub(super) past: Past,
    /// Length of the longest path to an act without parents.
    pub(super) height: u32,
    /// The grant that the author acts under; `None`: the creator's.
    pub(super) under: Option<u32>,
    /// The act that it answers, serves, extends or withdraws.
    pub(super) serves: Option<u32>,
    /// Of a grant.
    pub(super) facts: Option<GrantFacts>,
}

impl Entry {
    /// Of a grant by an invitation: the invitation.
    pub(super) fn invitation(&self) -> Option<u32> {
        self.serves.filter(|_| self.facts.is_some())
    }
}

/// What a grant and its past say.
#[derive(Clone, Debug)]
pub(super) struct GrantFacts {
    pub(super) rank: Rank,
    /// The grants that stand between it and the creator. By an invitation: those of its issuer, and the admitter's own.
    pub(super) sponsors: Vec<u32>,
}

/// An accepted act that no other may name.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) act: Act,
    pub(super) past: Past,
    /// When it was heard: see [`ActSet::next_moment`].
    pub(super) heard: u64,
}

/// What became of an inserted act.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Insertion {
    /// Acts that were accepted: this one, and those that waited for it. Empty if it was known, waits, or was refused.
    pub accepted: Vec<ActId>,
    /// Acts that were refused, for good: what is wrong with them, and those that waited for one of them.
    pub refused: Vec<(ActId, Fault)>,
    /// Acts that a bound keeps out: this one, or others that were accepted before. They need not be stored.
    pub dropped: Vec<ActId>,
    /// An act that must be here first.
    pub waits_for: Option<ActId>,
}

impl ActSet {
    /// A group that has only its creator. `max_chain`: grants in a row, 1 to 24.
    pub fn new(graph: GraphId, creator: PeerId, max_chain: u8) -> Self {
        Self {
            graph,
            creator,
            max_chain,
            entries: Vec::new(),
            places: BTreeMap::new(),
            heads: BTreeSet::new(),
            grants_of: BTreeMap::new(),
            removals_of: BTreeMap::new(),
            uses_of: BTreeMap::new(),
            revokers_of: BTreeMap::new(),
            renewals_of: BTreeMap::new(),
            leaves: BTreeMap::new(),
            own_devices: BTreeMap::new(),
            leaf_ids: BTreeMap::new(),
            chunks: BTreeMap::new(),
            acts_of: BTreeMap::new(),
            refusals_of: BTreeMap::new(),
            contested: BTreeSet::new(),
            moment: 0,
            revision: 0,
            full: BTreeMap::new(),
            pending: Pending::default(),
        }
    }

    /// Adds an act whose signature is good.
    pub fn insert(&mut self, act: Act) -> Insertion {
        let mut result = Insertion::default();
        let mut incoming = vec![act];
        while let Some(act) = incoming.pop() {
            let id = act.id();
            if self.contains(&id) || self.pending.has(&id) {
                continue;
            }
            let names = |is: &dyn Fn(&ActId) -> bool| act.body().parents().any(is);
            let fault = names(&|parent| self.is_leaf(parent)).then_some(Fault::NamesLeaf);
            let refused = || names(&|parent| self.pending.is_refused(parent)).then_some(Fault::NamesRefused);
            if let Some(fault) = fault.or_else(refused) {
                self.refuse(id, fault, &mut result);
                continue;
            }
            let missing = act.body().parents().find(|parent| !self.places.contains_key(*parent)).copied();
            if let Some(missing) = missing {
                result.waits_for.get_or_insert(missing);
                let (creator, grants) = (self.creator, &self.grants_of);
                self.pending.add(act, missing, |author| *author == creator || grants.contains_key(author));
                continue;
            }
            match self.entry_of(act) {
                Err(fault) => self.refuse(id, fault, &mut result),
                Ok(entry) if self.is_full_for(&entry) => self.drop_with_waiting(id, &mut result),
                Ok(entry) => {
                    let dropped = self.add(entry);
                    if let Some(dropped) = dropped {
                        result.dropped.push(dropped);
                        self.refuse_waiting(dropped, &mut result);
                    }
                    if dropped != Some(id) {
                        result.accepted.push(id);
                    }
                    incoming.extend(self.pending.release(&id));
                }
            }
        }
        result
    }

    /// True if the author of a new act was removed, enough of its void acts are kept, and no member waits for this one.
    pub(super) fn is_full_for(&self, entry: &Entry) -> bool {
        let (id, author) = (entry.act.id(), entry.act.body().author);
        let is_last = self.full.get(&author).is_some_and(|last| (entry.height, id) > *last);
        is_last && !self.pending.is_wanted_by(&id, |author| !self.full.contains_key(author))
    }

    fn refuse(&mut self, id: ActId, fault: Fault, result: &mut Insertion) {
        result.refused.push((id, fault));
        self.refuse_waiting(id, result);
    }

    /// Drops an act and what waits for it, so that it is not asked for again.
    fn drop_with_waiting(&mut self, id: ActId, result: &mut Insertion) {
        let mut gone = vec![id];
        while let Some(id) = gone.pop() {
            result.dropped.push(id);
            gone.extend(self.pending.release(&id).iter().map(Act::id));
        }
    }

    /// Refuses what waits for an act that never comes.
    fn refuse_waiting(&mut self, id: ActId, result: &mut Insertion) {
        let mut gone = vec![id];
        while let Some(id) = gone.pop() {
            let waiting = self.pending.refuse(id);
            result.refused.extend(waiting.iter().map(|act| (act.id(), Fault::NamesRefused)));
            gone.extend(waiting.iter().map(Act::id));
        }
    }

    /// Adds a chunk of a list of records to keep; false if no accepted act names it, or it is here.
    pub fn insert_chunk(&mut self, chunk: KeepChunk) -> bool {
        match self.chunks.get_mut(&chunk.hash()) {
            Some(place @ None) => {
                *place = Some(chunk);
                true
            }
            _ => false,
        }
    }

    /// Chunks that accepted acts name and that are not here. Those to ask for are
    /// [`Verdict::wanted_chunks`](super::Verdict::wanted_chunks).
    pub fn wanted_chunks(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.chunks.iter().filter(|(_, chunk)| chunk.is_none()).map(|(hash, _)| hash)
    }

    /// Acts that others wait for.
    pub fn wanted_acts(&self) -> impl Iterator<Item = &ActId> {
        self.pending.wanted()
    }

    /// True if this act was accepted.
    pub fn contains(&self, id: &ActId) -> bool {
        self.places.contains_key(id) || self.is_leaf(id)
    }

    /// An accepted act.
    pub fn get(&self, id: &ActId) -> Option<&ActBody> {
        if let Some(at) = self.place(id) {
            return Some(self.body(at));
        }
        let author = self.leaf_ids.get(id)?;
        let leaf = self.leaves.get(author).and_then(|acts| acts.get(id));
        let leaf = leaf.or_else(|| self.own_devices.get(author)?.get(id));
        leaf.map(|leaf| leaf.act.body())
    }

    /// The ids of all accepted acts, ascending.
    pub fn ids(&self) -> BTreeSet<ActId> {
        self.places.keys().chain(self.leaf_ids.keys()).copied().collect()
    }

    /// The heads of the act graph, void acts among them, ascending: at most 16, those of the most senior authors. What a new
    /// act names is [`Verdict::heads`](super::Verdict::heads).
    pub fn heads(&self) -> Vec<ActId> {
        let mut heads: Vec<u32> = self.heads.iter().copied().collect();
        heads.sort_by_key(|at| (std::cmp::Reverse(self.rank(self.entries[*at as usize].under)), *at));
        heads.truncate(MAX_ACT_HEADS);
        let mut ids: Vec<ActId> = heads.into_iter().map(|at| self.id(at)).collect();
        ids.sort_unstable();
        ids
    }

    /// True if one act is in the past of another; both accepted.
    pub fn is_before(&self, earlier: &ActId, later: &ActId) -> bool {
        let later = self.place(later).map(|at| &self.entries[at as usize].past);
        self.place(earlier).zip(later).is_some_and(|(at, past)| past.contains(at))
    }

    /// Adds an act; gives the one that a bound keeps out for it, or of it.
    pub(super) fn add(&mut self, entry: Entry) -> Option<ActId> {
        let (id, body) = (entry.act.id(), entry.act.body());
        self.revision += 1;
        for chunk in body.content.keep().into_iter().flat_map(|keep| &keep.chunks) {
            self.chunks.entry(*chunk).or_default();
        }
        if body.is_leaf() {
            return self.add_leaf(entry);
        }
        let at = u32::try_from(self.entries.len()).expect("fewer acts than memory holds");
        let mut ends = None;
        match &body.content {
            Content::Grant(grant) => {
                self.grants_of.entry(grant.subject).or_default().push(at);
                if let Some(invite) = entry.serves {
                    self.uses_of.entry(invite).or_default().push(at);
                }
                if grant.demotes.is_some() {
                    ends = Some(grant.subject);
                }
            }
            Content::Remove(remove) => ends = Some(remove.subject),
            Content::Renew { .. } => {
                if let Some(grant) = entry.serves {
                    self.renewals_of.entry(grant).or_default().push(at);
                }
            }
            Content::RevokeInvite(_) => {
                if let Some(invite) = entry.serves {
                    self.revokers_of.entry(invite).or_default().push(at);
                }
            }
            Content::RevokeDevice { identity, .. } => {
                self.refusals_of.entry(*identity).or_default().push(at);
            }
            _ => {}
        }
        self.acts_of.entry(body.author).or_default().push(at);
        for parent in body.parents() {
            if let Some(place) = self.places.get(parent) {
                self.heads.remove(place);
            }
        }
        self.heads.insert(at);
        self.places.insert(id, at);
        let used = entry.invitation();
        let order = (entry.height, id);
        self.entries.push(entry);
        if let Some(subject) = ends {
            let mut all = self.removals_of.remove(&subject).unwrap_or_default();
            all.insert(all.partition_point(|other| self.order(*other) < order), at);
            self.removals_of.insert(subject, all);
        }
        self.contested.extend(used.filter(|invite| self.is_contested(*invite)));
        None
    }

    /// Adds an act that no other may name; gives the one that the bound keeps out.
    fn add_leaf(&mut self, entry: Entry) -> Option<ActId> {
        let (id, author) = (entry.act.id(), entry.act.body().author);
        let (of, most) = match entry.act.body().content {
            Content::Leave(_) => (&mut self.leaves, MAX_LEAVES),
            _ => (&mut self.own_devices, MAX_REVOKED_DEVICES),
        };
        let of = of.entry(author).or_default();
        self.leaf_ids.insert(id, author);
        of.insert(id, Arc::new(Leaf { act: entry.act, past: entry.past, heard: self.moment }));
        let (dropped, leaf) = (of.len() > most).then(|| of.pop_last()).flatten()?;
        self.leaf_ids.remove(&dropped);
        self.revision += 1;
        self.forget_chunks(&leaf.act);
        Some(dropped)
    }

    /// Drops the chunks that nothing names any more but a leaf that was dropped.
    fn forget_chunks(&mut self, dropped: &Act) {
        let Some(keep) = dropped.body().content.keep().filter(|keep| !keep.chunks.is_empty()) else { return };
        let leaves = self.leaves.values().flat_map(|acts| acts.values()).map(|leaf| leaf.act.body());
        let removals = self.removals_of.values().flatten().map(|at| self.body(*at));
        let lists = leaves.chain(removals).filter_map(|body| body.content.keep());
        let named: BTreeSet<[u8; 32]> = lists.flat_map(|keep| &keep.chunks).copied().collect();
        for hash in keep.chunks.iter().filter(|hash| !named.contains(*hash)) {
            self.chunks.remove(hash);
        }
    }

    /// The author of an act that no other may name.
    pub(super) fn leaf_author(&self, id: &ActId) -> Option<PeerId> {
        self.leaf_ids.get(id).copied()
    }

    fn is_leaf(&self, id: &ActId) -> bool {
        self.leaf_ids.contains_key(id)
    }

    pub(super) fn place(&self, id: &ActId) -> Option<u32> {
        self.places.get(id).copied()
    }

    pub(super) fn id(&self, at: u32) -> ActId {
        self.entries[at as usize].act.id()
    }

    pub(super) fn body(&self, at: u32) -> &ActBody {
        self.entries[at as usize].act.body()
    }

    pub(super) fn facts(&self, at: u32) -> Option<&GrantFacts> {
        self.entries[at as usize].facts.as_ref()
    }

    pub(super) fn grant(&self, at: u32) -> Option<&Grant> {
        match &self.body(at).content {
            Content::Grant(grant) => Some(grant),
            _ => None,
        }
    }

    pub(super) fn invite(&self, at: u32) -> Option<&Invite> {
        match &self.body(at).content {
            Content::Invite(invite) => Some(invite),
            _ => None,
        }
    }

    pub(super) fn subject(&self, grant: u32) -> Option<PeerId> {
        self.grant(grant).map(|grant| grant.subject)
    }

    /// True if an identity stands between a grant and the creator.
    pub(super) fn is_sponsor(&self, identity: PeerId, grant: u32) -> bool {
        let sponsors = self.facts(grant).map_or(&[][..], |facts| &facts.sponsors);
        sponsors.iter().any(|at| self.subject(*at) == Some(identity))
    }

    /// True if the act at one position is in the past of that at another.
    pub(super) fn precedes(&self, earlier: u32, later: u32) -> bool {
        self.entries[later as usize].past.contains(earlier)
    }

    /// True if a list that an act names has this key; `None` if it may be in a chunk that is not here.
    pub(super) fn keeps(&self, content: &Content, key: &KeepKey) -> Option<bool> {
        let mut complete = true;
        for hash in content.keep().into_iter().flat_map(|keep| &keep.chunks) {
            match self.chunks.get(hash) {
                Some(Some(chunk)) if chunk.contains(key) => return Some(true),
                Some(Some(_)) => {}
                _ => complete = false,
            }
        }
        complete.then_some(false)
    }
}
