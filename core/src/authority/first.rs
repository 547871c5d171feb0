//! Which leave acts of an identity this node heard first.
//!
//! The set keeps those with the smallest ids, whatever came first: so its author chooses which it keeps. What was heard first
//! is the node's own memory, beside the set. No verdict depends on it, only what this node writes into a removal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ActSet, Grant, set::Leaf};
use crate::{
    ids::{ActId, PeerId},
    limits::{MAX_ENDED_NAMED, MAX_FIRST_LEAVES, MAX_FIRST_LEAVES_OF_MEMBER, MAX_LEAVES},
};

/// A leave act that was the first to cover some grant of its author.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct FirstLeave {
    pub(super) id: ActId,
    /// What it names; of so many at once that the set cannot hold them, nothing.
    pub(super) heads: Vec<ActId>,
    heard: u64,
    /// Of one that gave way to others in the set: the grants that it ended though they name as many leaves as they can. Another such
    /// grant came later, in spite of it, and could not name it.
    gave_way: Option<Vec<ActId>>,
}

impl FirstLeave {
    fn of(leaf: &Leaf) -> Self {
        let heads = leaf.act.body().parents().copied().collect();
        Self { id: leaf.act.id(), heads, heard: leaf.heard, gave_way: None }
    }

    fn covers(&self, (id, grant): &(ActId, &Grant)) -> bool {
        let ended = |before: &Vec<ActId>| !names_all(grant) || before.contains(id);
        self.gave_way.as_ref().is_none_or(ended) && !grant.despite.contains(&self.id)
    }
}

/// True for a grant that names as many leaves as there can be.
fn names_all(grant: &Grant) -> bool {
    grant.despite.len() >= MAX_LEAVES
}

/// When the leave acts were heard of identities that have several, and what was heard first of those that gave way.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HeardLeaves {
    moments: Vec<(ActId, u64)>,
    gave_way: Vec<(PeerId, FirstLeave)>,
}

impl ActSet {
    /// When the leave acts were heard of identities that left several times: [`remember`](Self::remember) takes it.
    pub fn heard_leaves(&self) -> HeardLeaves {
        let several = self.leaves.values().filter(|acts| acts.len() > 1);
        let gave_way = self.first_gone.iter();
        HeardLeaves {
            moments: several.flatten().map(|(id, leaf)| (*id, leaf.heard)).collect(),
            gave_way: gave_way.flat_map(|(who, all)| all.iter().map(|leaf| (*who, leaf.clone()))).collect(),
        }
    }

    /// Says when leave acts were heard that were inserted anew, all at once.
    pub fn remember(&mut self, heard: HeardLeaves) {
        for (id, moment) in heard.moments {
            let leaf = self.leaf_author(&id).and_then(|author| self.leaves.get_mut(&author)?.get_mut(&id));
            if let Some(leaf) = leaf {
                std::sync::Arc::make_mut(leaf).heard = moment;
            }
            self.moment = self.moment.max(moment);
        }
        self.first_gone.clear();
        for (who, leaf) in heard.gave_way {
            self.moment = self.moment.max(leaf.heard);
            self.first_gone.entry(who).or_default().push(leaf);
        }
    }

    /// Notes a leave act that is about to give way, if it was heard first.
    pub(super) fn note_first(&mut self, who: PeerId, id: ActId) {
        let first = self.first_of(who);
        let Some(same) = first.iter().find(|same| same.iter().any(|leaf| leaf.id == id)) else { return };
        let at_once = same.len() >= MAX_LEAVES;
        let Some(leaf) = same.iter().find(|leaf| leaf.id == id) else { return };
        let ended = self.grants_held(who).filter(|held| names_all(held.1) && leaf.covers(held));
        let ended: Vec<ActId> = ended.map(|(id, _)| id).take(MAX_ENDED_NAMED + 1).collect();
        let too_many = ended.len() > MAX_ENDED_NAMED;
        let mut leaf = FirstLeave { gave_way: Some(ended), ..leaf.clone() };
        if at_once || too_many {
            leaf.heads.clear();
        }
        let all: usize = self.first_gone.values().map(Vec::len).sum();
        let of = self.first_gone.entry(who).or_default();
        if of.iter().any(|known| known.id == id) {
            return; // it came once more
        }
        if at_once && let Some(known) = of.iter_mut().find(|known| known.heard == leaf.heard) {
            known.heads.clear();
        } else if of.len() < MAX_FIRST_LEAVES_OF_MEMBER && all < MAX_FIRST_LEAVES {
            of.push(leaf);
        }
    }

    /// The leave acts that were the first to cover some grant of an identity, by the moments at which they were heard.
    ///
    /// If there are as many as the set holds, and nothing is known of one that gave way, the first one may never have come
    /// here: then they name nothing.
    pub(super) fn first_leaves(&self, who: PeerId) -> Vec<Vec<FirstLeave>> {
        let mut first = self.first_of(who);
        let gone = self.first_gone.get(&who).map_or(0, Vec::len);
        let all: usize = self.first_gone.values().map(Vec::len).sum();
        let unsure = gone == 0 || gone >= MAX_FIRST_LEAVES_OF_MEMBER || all >= MAX_FIRST_LEAVES;
        if unsure && self.leaves.get(&who).is_some_and(|leaves| leaves.len() >= MAX_LEAVES) {
            let unknown = first.iter_mut().filter(|same| !same.iter().any(|leaf| leaf.gave_way.is_some()));
            unknown.flatten().for_each(|leaf| leaf.heads.clear());
        }
        first
    }

    fn first_of(&self, who: PeerId) -> Vec<Vec<FirstLeave>> {
        let here = self.leaves.get(&who).into_iter().flat_map(BTreeMap::values);
        let gone = self.first_gone.get(&who).into_iter().flatten().cloned();
        let mut moments: BTreeMap<u64, Vec<FirstLeave>> = BTreeMap::new();
        for leaf in here.map(|leaf| FirstLeave::of(leaf)).chain(gone) {
            moments.entry(leaf.heard).or_default().push(leaf);
        }
        let mut open: Vec<(ActId, &Grant)> = self.grants_held(who).collect();
        let mut first: Vec<Vec<FirstLeave>> = moments.into_values().collect();
        first.retain_mut(|same| {
            same.retain(|leaf| open.iter().any(|grant| leaf.covers(grant)));
            open.retain(|grant| !same.iter().any(|leaf| leaf.covers(grant)));
            !same.is_empty()
        });
        first
    }

    fn grants_held(&self, who: PeerId) -> impl Iterator<Item = (ActId, &Grant)> {
        let grants = self.grants_of.get(&who).into_iter().flatten();
        grants.filter_map(|at| Some((self.id(*at), self.grant(*at)?)))
    }

    /// True if a leave act has an act in its past.
    pub(super) fn has(&self, leaf: &FirstLeave, at: u32) -> bool {
        let reaches =
            |head: &ActId| self.place(head).is_some_and(|head| head == at || self.precedes(at, head));
        leaf.heads.iter().any(reaches)
    }

    /// The grants of an identity that were given in spite of a leave and do not name it: that had given way, and they name as many as
    /// they can. Ascending.
    pub(super) fn given_after(&self, who: PeerId, leaf: &FirstLeave, most: usize) -> Vec<ActId> {
        let after = |held: &(ActId, &Grant)| !leaf.covers(held) && !held.1.despite.contains(&leaf.id);
        let mut after: Vec<ActId> = self.grants_held(who).filter(after).map(|(id, _)| id).collect();
        after.sort_unstable();
        after.truncate(most);
        after
    }
}
