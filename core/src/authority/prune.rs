//! What the removed sign is kept in bounds.
//!
//! Void acts stay, marked. Those of an identity that was removed are bounded: they cost it nothing, and nobody whose acts count
//! can be asked to name them.

use std::collections::BTreeSet;

use super::{
    ActSet, GrantVerdict, Verdict,
    set::{Entry, Leaf},
};
use crate::{
    ids::{ActId, PeerId},
    limits::MAX_VOID_ACTS,
};

/// The place of an act among those of its author: what it builds on comes before it.
pub(super) type Order = (u32, ActId);

impl Verdict {
    /// Drops acts of identities that were removed and hold no grant: of the void ones that are in the past of no act that
    /// counts, all but the 256 that come first, by the longest path behind them, then by id; and what names a dropped one. Gives the
    /// ids: they need not be stored, and the set takes them no more while the removal stands, unless an act of somebody else
    /// names them.
    ///
    /// To be called whenever a verdict was made or updated. It costs nothing if nobody has so many.
    pub fn prune(&mut self, set: &mut ActSet) -> Vec<ActId> {
        let all = std::mem::take(&mut self.work.is_whole);
        let touched = std::mem::take(&mut self.work.touched);
        let mut full = std::mem::take(&mut set.full);
        full.retain(|author, _| self.is_gone(set, author));
        set.full = full;
        let many = |author: &PeerId| set.acts_of.get(author).is_some_and(|acts| acts.len() > MAX_VOID_ACTS);
        let authors: Vec<PeerId> =
            if all { set.acts_of.keys().copied().collect() } else { touched.into_iter().collect() };
        let mut dropped = BTreeSet::new();
        for author in authors.into_iter().filter(|author| many(author)) {
            if !self.is_gone(set, &author) {
                continue;
            }
            let mut void = self.dangling(set, &author);
            if let Some((last, _)) = void.get(MAX_VOID_ACTS - 1) {
                set.full.insert(author, *last);
                dropped.extend(void.drain(MAX_VOID_ACTS..).map(|(_, at)| at));
            }
        }
        if dropped.is_empty() {
            return Vec::new();
        }
        let ids = set.drop_acts(&mut dropped);
        *self = Self::of(set);
        self.work.is_whole = false;
        ids
    }

    /// The chunks that the lists of acts that count name and that are not here. Others are not asked for.
    pub fn wanted_chunks<'a>(&self, set: &'a ActSet) -> BTreeSet<&'a [u8; 32]> {
        let counting = set.removals_of.values().flatten().filter(|at| self.act(&set.id(**at)) == Some(None));
        let removals = counting.map(|at| set.body(*at));
        let leaves = set.leaves.values().flat_map(|acts| acts.values()).map(|leaf| leaf.act.body());
        let named =
            removals.chain(leaves).filter_map(|body| body.content.keep()).flat_map(|keep| &keep.chunks);
        named.filter(|hash| matches!(set.chunks.get(*hash), Some(None))).collect()
    }

    /// True if an identity had grants, and each is void or was ended by a removal.
    fn is_gone(&self, set: &ActSet, author: &PeerId) -> bool {
        let grants = set.grants_of.get(author).into_iter().flatten();
        let mut grants = grants.filter_map(|at| self.grant(&set.id(*at)));
        let removed = |grant: &GrantVerdict| !grant.ended_by.is_empty() && grant.demoted_to.is_none();
        *author != self.creator && grants.all(|grant| grant.void.is_some() || removed(grant))
    }

    /// The void acts of an author that nothing needs, in their order.
    fn dangling(&self, set: &ActSet, author: &PeerId) -> Vec<(Order, u32)> {
        let counts = |at: u32| self.act(&set.id(at)) == Some(None);
        let ends = self.work.found.fallen_passwords.iter().copied();
        // A leave, or a refusal of an own device, stands without an act that counts after it.
        let leaves = set.leaves.iter().chain(&set.own_devices).filter(|(of, _)| !self.is_gone(set, of));
        let named = leaves.flat_map(|(_, acts)| acts.values()).flat_map(|leaf| leaf.act.body().parents());
        let named = named.filter_map(|id| set.place(id));
        let heads: Vec<u32> = self.counting_heads(set).into_iter().chain(ends).chain(named).collect();
        let needed = |at: u32| heads.iter().any(|head| *head == at || set.precedes(at, *head));
        let own = set.acts_of.get(author).into_iter().flatten().copied();
        let void = own.filter(|at| !counts(*at) && !needed(*at));
        let mut void: Vec<(Order, u32)> = void.map(|at| (set.order(at), at)).collect();
        void.sort_unstable();
        void
    }
}

impl ActSet {
    /// The place of an act among those of its author.
    pub(super) fn order(&self, at: u32) -> Order {
        (self.entries[at as usize].height, self.id(at))
    }

    /// Takes acts out, and those that have one of them in their past.
    fn drop_acts(&mut self, dropped: &mut BTreeSet<u32>) -> Vec<ActId> {
        for at in 0..self.entries.len() as u32 {
            if self.body(at).parents().filter_map(|id| self.place(id)).any(|parent| dropped.contains(&parent))
            {
                dropped.insert(at);
            }
        }
        let mut ids: Vec<ActId> = dropped.iter().map(|at| self.id(*at)).collect();
        let mut kept = Self::new(self.graph, self.creator, self.max_chain);
        let places = Places::without(dropped, self.entries.len());
        for (at, entry) in std::mem::take(&mut self.entries).into_iter().enumerate() {
            if !dropped.contains(&(at as u32)) {
                kept.add(places.moved(entry));
            }
        }
        let leaves = self.leaves.values().chain(self.own_devices.values()).flat_map(|acts| acts.values());
        for leaf in leaves {
            if leaf.act.body().parents().all(|id| kept.place(id).is_some()) {
                kept.moment = leaf.heard;
                kept.add(places.leaf(leaf));
            } else {
                ids.push(leaf.act.id());
            }
        }
        for (hash, chunk) in std::mem::take(&mut self.chunks) {
            kept.chunks.entry(hash).and_modify(|place| *place = chunk);
        }
        (kept.pending, kept.full) = (std::mem::take(&mut self.pending), std::mem::take(&mut self.full));
        kept.moment = self.moment;
        kept.revision = self.revision + ids.len() as u64;
        *self = kept;
        ids
    }
}

/// Where acts are when others were taken out: by old position, how many before it stay. What stays keeps its order.
struct Places(Vec<u32>);

impl Places {
    fn without(dropped: &BTreeSet<u32>, count: usize) -> Self {
        let mut kept = 0;
        let before = (0..count as u32).map(|at| {
            let before = kept;
            kept += u32::from(!dropped.contains(&at));
            before
        });
        let mut places: Vec<u32> = before.collect();
        places.push(kept);
        Self(places)
    }

    /// `None`: it was taken out.
    fn of(&self, at: u32) -> Option<u32> {
        let at = at as usize;
        (self.0[at] < self.0[at + 1]).then_some(self.0[at])
    }

    fn moved(&self, mut entry: Entry) -> Entry {
        entry.past = entry.past.moved(&self.0);
        entry.under = entry.under.and_then(|at| self.of(at));
        entry.serves = entry.serves.and_then(|at| self.of(at));
        if let Some(facts) = &mut entry.facts {
            facts.sponsors = facts.sponsors.iter().filter_map(|at| self.of(*at)).collect();
        }
        entry
    }

    fn leaf(&self, leaf: &Leaf) -> Entry {
        let past = leaf.past.moved(&self.0);
        Entry { act: leaf.act.clone(), past, height: 0, under: None, serves: None, facts: None }
    }
}
