//! The set of acts: what was accepted, and the act graph between them. It decides nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Act, ActBody, Content, Fault, Grant, Invite, Unfit,
    ancestry::Past,
    first::FirstLeave,
    keep::{KeepChunk, KeepKey},
    seniority::Rank,
};
use crate::{
    ids::{ActId, GraphId, PeerId},
    limits::{MAX_ACT_HEADS, MAX_KEEP_CHUNKS, MAX_LEAVES, MAX_REVOKED_DEVICES},
};

/// All acts of a group that are here, with their pasts.
///
/// An act is accepted once its past is complete, and stays. Two sets that accepted the same acts and lists answer every
/// question alike, whatever the order.
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
    /// Of those that gave way to others of their author, what was heard first here.
    pub(super) first_gone: BTreeMap<PeerId, Vec<FirstLeave>>,
    leaf_ids: BTreeMap<ActId, PeerId>,
    pub(super) chunks: BTreeMap<[u8; 32], Slot>,
    /// By author: how many chunks its leave acts name together.
    leave_chunks: BTreeMap<PeerId, usize>,
    /// Acts by their authors, and refusals of devices by the identities that they name.
    pub(super) acts_of: BTreeMap<PeerId, Vec<u32>>,
    pub(super) refusals_of: BTreeMap<PeerId, Vec<u32>>,
    /// Invitations with more uses than they allow.
    pub(super) contested: BTreeSet<u32>,
    /// Counts what came at once; see [`next_moment`](Self::next_moment).
    pub(super) moment: u64,
    /// Acts that are named as heads in the cut of a removal, and those removals.
    pub(super) cut_at: BTreeMap<ActId, Vec<u32>>,
    /// Counts all that was accepted.
    pub(super) revision: u64,
    /// Counts the leaves that gave way to others of their author, and what these named.
    pub(super) gave_way: u64,
    pub(super) freed: BTreeSet<u32>,
}

/// The place of an act among those of its author: what it builds on comes before it.
pub(super) type Order = (u32, ActId);

/// A chunk that acts name.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// How many acts.
    named: u32,
    pub(super) chunk: Option<KeepChunk>,
    /// True if it is here for nobody: see [`ActSet::hear_chunk`].
    pub(super) unheard: bool,
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
    /// The act, if it was accepted. Empty if it was known, lacks a parent, or was refused.
    pub accepted: Vec<ActId>,
    /// The act, if it was refused for good, and what is wrong with it.
    pub refused: Vec<(ActId, Fault)>,
    /// The act that a bound keeps out: this one, or another of its kind that was accepted before. It need not be stored.
    pub dropped: Vec<ActId>,
    /// The other act that gave way.
    pub gave_way: Option<Act>,
    /// An act that must be here first. Nothing is kept of an act that lacks one.
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
            first_gone: BTreeMap::new(),
            leaf_ids: BTreeMap::new(),
            chunks: BTreeMap::new(),
            leave_chunks: BTreeMap::new(),
            acts_of: BTreeMap::new(),
            refusals_of: BTreeMap::new(),
            contested: BTreeSet::new(),
            moment: 0,
            cut_at: BTreeMap::new(),
            revision: 0,
            gave_way: 0,
            freed: BTreeSet::new(),
        }
    }

    /// Adds an act whose signature is good.
    pub fn insert(&mut self, act: Act) -> Insertion {
        let (mut result, id) = (Insertion::default(), act.id());
        if self.contains(&id) {
            return result;
        }
        match self.fit(act) {
            Err(Unfit::Missing(parent)) => result.waits_for = Some(parent),
            Err(Unfit::Fault(fault)) => result.refused.push((id, fault)),
            Err(Unfit::Crowded) => result.dropped.push(id),
            Ok(entry) => {
                result.gave_way = self.add(entry);
                result.dropped.extend(result.gave_way.as_ref().map(Act::id));
                result.accepted.push(id);
            }
        }
        result
    }

    /// Checks an act that is not here.
    pub(super) fn fit(&self, act: Act) -> Result<Entry, Unfit> {
        let missing = |parent: &&ActId| !self.places.contains_key(*parent);
        let parents: Vec<&ActId> = act.body().parents().filter(missing).collect();
        if parents.iter().any(|parent| self.is_leaf(parent)) {
            return Err(Unfit::Fault(Fault::NamesLeaf));
        }
        if let Some(parent) = parents.first() {
            return Err(Unfit::Missing(**parent));
        }
        let (id, author) = (act.id(), act.body().author);
        let (of, most) = match act.body().content {
            Content::Leave(_) => (&self.leaves, MAX_LEAVES),
            _ => (&self.own_devices, MAX_REVOKED_DEVICES),
        };
        let is_leaf = act.body().is_leaf();
        let entry = self.entry_of(act).map_err(Unfit::Fault)?;
        let full = |acts: &BTreeMap<ActId, Arc<Leaf>>| {
            acts.len() >= most && acts.last_key_value().is_some_and(|(last, _)| *last < id)
        };
        let crowded = is_leaf && of.get(&author).is_some_and(full);
        if crowded { Err(Unfit::Crowded) } else { Ok(entry) }
    }

    /// Adds a chunk of a list of records to keep; false if no accepted act names it, or it is here.
    pub fn insert_chunk(&mut self, chunk: KeepChunk) -> bool {
        match self.chunks.get_mut(&chunk.hash()) {
            Some(slot) if slot.chunk.is_none() => {
                (slot.chunk, slot.unheard) = (Some(chunk), false);
                true
            }
            _ => false,
        }
    }

    /// Says whether a chunk counts that is here; true if that is new. One that is not heard is missing, whoever names it.
    pub fn hear_chunk(&mut self, hash: &[u8; 32], heard: bool) -> bool {
        let slot = self.chunks.get_mut(hash).filter(|slot| slot.chunk.is_some() && slot.unheard == heard);
        slot.map(|slot| slot.unheard = !heard).is_some()
    }

    /// Chunks that accepted acts name and that are not here. Those to ask for are
    /// [`Verdict::wanted_chunks`](super::Verdict::wanted_chunks).
    pub fn wanted_chunks(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.chunks.iter().filter(|(_, slot)| slot.chunk.is_none()).map(|(hash, _)| hash)
    }

    /// True if the leave acts of an identity name so many chunks together that they keep no record, whichever they are.
    pub(super) fn leaves_keep_nothing(&self, identity: &PeerId) -> bool {
        self.leave_chunks.get(identity).is_some_and(|count| *count > MAX_KEEP_CHUNKS)
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
        self.leaf(id).map(|leaf| leaf.act.body())
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

    /// Adds an act; gives the one that a bound keeps out for it.
    fn add(&mut self, entry: Entry) -> Option<Act> {
        let (id, body) = (entry.act.id(), entry.act.body());
        self.revision += 1;
        for chunk in body.content.keep().into_iter().flat_map(|keep| &keep.chunks) {
            self.chunks.entry(*chunk).or_default().named += 1;
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
        for head in self.body(at).content.cut_heads().copied().collect::<Vec<_>>() {
            self.cut_at.entry(head).or_default().push(at);
        }
        if let Some(subject) = ends {
            let mut all = self.removals_of.remove(&subject).unwrap_or_default();
            all.insert(all.partition_point(|other| self.order(*other) < order), at);
            self.removals_of.insert(subject, all);
        }
        self.contested.extend(used.filter(|invite| self.is_contested(*invite)));
        None
    }

    /// Adds an act that no other may name; gives the one that the bound keeps out.
    fn add_leaf(&mut self, entry: Entry) -> Option<Act> {
        let (id, author) = (entry.act.id(), entry.act.body().author);
        let is_leave = matches!(entry.act.body().content, Content::Leave(_));
        self.leaf_ids.insert(id, author);
        *self.leave_chunks.entry(author).or_default() += entry.act.body().chunks().len();
        let leaf = Arc::new(Leaf { act: entry.act, past: entry.past, heard: self.moment });
        let of = if is_leave { &mut self.leaves } else { &mut self.own_devices }.entry(author).or_default();
        of.insert(id, leaf);
        let most = if is_leave { MAX_LEAVES } else { MAX_REVOKED_DEVICES };
        let last = *of.last_key_value().filter(|_| of.len() > most)?.0;
        if is_leave {
            self.note_first(author, last);
        }
        let of = if is_leave { &mut self.leaves } else { &mut self.own_devices };
        let (dropped, leaf) = of.get_mut(&author)?.pop_last()?;
        self.leaf_ids.remove(&dropped);
        self.gave_way += 1;
        self.freed.extend(leaf.act.body().parents().filter_map(|id| self.places.get(id)));
        self.forget_chunks(&leaf.act);
        Some(leaf.act.clone())
    }

    /// Drops the chunks that nothing names any more but a leaf that was dropped.
    fn forget_chunks(&mut self, dropped: &Act) {
        let named = dropped.body().chunks();
        if let Some(count) = self.leave_chunks.get_mut(&dropped.body().author) {
            *count -= named.len();
        }
        for hash in named {
            if let Some(slot) = self.chunks.get_mut(hash) {
                slot.named -= 1;
                if slot.named == 0 {
                    self.chunks.remove(hash);
                }
            }
        }
    }

    /// The author of an act that no other may name.
    pub(super) fn leaf_author(&self, id: &ActId) -> Option<PeerId> {
        self.leaf_ids.get(id).copied()
    }

    pub(super) fn is_leaf(&self, id: &ActId) -> bool {
        self.leaf_ids.contains_key(id)
    }

    /// An act that no other may name.
    pub(super) fn leaf(&self, id: &ActId) -> Option<&Arc<Leaf>> {
        let author = self.leaf_ids.get(id)?;
        let leave = self.leaves.get(author).and_then(|acts| acts.get(id));
        leave.or_else(|| self.own_devices.get(author)?.get(id))
    }

    /// The place of an act among those of its author.
    pub(super) fn order(&self, at: u32) -> Order {
        (self.entries[at as usize].height, self.id(at))
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
            match self.chunk(hash) {
                Some(chunk) if chunk.contains(key) => return Some(true),
                Some(_) => {}
                None => complete = false,
            }
        }
        complete.then_some(false)
    }
}
