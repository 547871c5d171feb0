//! Lists of records that outlast the removal of their author.
//!
//! A removal names the hashes of chunks; the chunks travel beside the acts, once. A back-dated record is in no list of
//! anybody who had not seen it, whatever time or past it claims.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{ActSet, Content, Cut, Fault, Grant, Keep, set::Leaf};
use crate::{
    crypto,
    ids::{ActId, ElementId, PeerId, RecordId},
    limits::{KEEP_CHUNK, MAX_CUTS},
};

/// Names a version that the removed wrote ([`ElementId`]), or a record that they made ([`RecordId`]).
pub type KeepKey = [u8; 16];

/// A part of a list: keys, ascending, 1 to 1,000.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<KeepKey>")]
pub struct KeepChunk(Vec<KeepKey>);

impl TryFrom<Vec<KeepKey>> for KeepChunk {
    type Error = Fault;

    fn try_from(keys: Vec<KeepKey>) -> Result<Self, Fault> {
        Self::new(keys)
    }
}

impl KeepChunk {
    /// Checks keys that were received.
    ///
    /// # Errors
    /// [`Fault::Malformed`] if they are not 1 to 1,000 keys in ascending order.
    pub fn new(keys: Vec<KeepKey>) -> Result<Self, Fault> {
        let sound = (1..=KEEP_CHUNK).contains(&keys.len()) && keys.is_sorted_by(|a, b| a < b);
        if sound { Ok(Self(keys)) } else { Err(Fault::Malformed) }
    }

    /// The keys, ascending.
    pub fn keys(&self) -> &[KeepKey] {
        &self.0
    }

    /// The name of this chunk.
    pub fn hash(&self) -> [u8; 32] {
        crypto::hash("peergraph v1 kept records", &[self.0.as_flattened()])
    }

    pub(super) fn contains(&self, key: &KeepKey) -> bool {
        self.0.binary_search(key).is_ok()
    }
}

impl Keep {
    /// The list that keeps these versions, and records that the subject made, with its chunks. It says nothing of acts:
    /// see [`ActSet::cuts`].
    pub fn list(
        versions: impl IntoIterator<Item = ElementId>,
        made: impl IntoIterator<Item = RecordId>,
    ) -> (Self, Vec<KeepChunk>) {
        let versions = versions.into_iter().map(|element| *element.as_bytes());
        let mut keys: Vec<KeepKey> = versions.chain(made.into_iter().map(|id| *id.as_bytes())).collect();
        keys.sort_unstable();
        keys.dedup();
        let chunks: Vec<KeepChunk> = keys.chunks(KEEP_CHUNK).map(|keys| KeepChunk(keys.to_vec())).collect();
        (Self { chunks: chunks.iter().map(KeepChunk::hash).collect(), cuts: Vec::new() }, chunks)
    }
}

impl Content {
    /// The list that an act keeps.
    pub(super) const fn keep(&self) -> Option<&Keep> {
        match self {
            Self::Remove(remove) => Some(&remove.keep),
            Self::Leave(keep) => Some(keep),
            Self::Grant(grant) => grant.demotes.as_ref(),
            _ => None,
        }
    }
}

impl ActSet {
    /// What a removal or demotion of an identity says in [`Keep::cuts`]: how far the acts of those stand who had left, the
    /// identity first. `branch`: of those below it as well. Without it, what a leaver dated back comes to count by the removal.
    ///
    /// Of the leave acts that concern a grant, it is the one that was heard first here: whatever its author signs after that,
    /// also another leave act, changes nothing. So this is the one answer that depends on the order of arrival.
    pub fn cuts(&self, subject: PeerId, branch: bool) -> Vec<Cut> {
        let is_below = |who: &PeerId| {
            let mut grants = self.grants_of.get(who).into_iter().flatten();
            branch && *who != subject && grants.any(|at| self.is_sponsor(subject, *at))
        };
        let below = self.leaves.keys().filter(|who| is_below(who));
        let mut cuts: Vec<Cut> =
            [&subject].into_iter().chain(below).flat_map(|who| self.cuts_of(*who)).collect();
        cuts.truncate(MAX_CUTS);
        cuts
    }

    /// The identities with several leave acts, of which one was heard first.
    pub fn left_again(&self) -> Vec<PeerId> {
        self.leaves.iter().filter(|(_, acts)| acts.len() > 1).map(|(who, _)| *who).collect()
    }

    /// Says in which order the leave acts of an identity were heard, if not in the one in which they were inserted.
    pub fn heard_in_order(&mut self, who: PeerId, order: &[ActId]) {
        for (id, leaf) in self.leaves.get_mut(&who).into_iter().flatten() {
            if let Some(place) = order.iter().position(|other| other == id) {
                Arc::make_mut(leaf).heard = place as u64;
            }
        }
    }

    /// Of what somebody did who left, what the leaves had that were heard first. A later leave may have made it void.
    pub(super) fn known_when_left(&self, who: PeerId) -> Vec<u32> {
        let leaves = self.first_leaves(who);
        let known = |at: &u32| leaves.iter().any(|leaf| leaf.past.contains(*at));
        self.done_by(who).filter(known).collect()
    }

    /// The cuts of one identity, if anything that it did is beyond one of them.
    fn cuts_of(&self, who: PeerId) -> Vec<Cut> {
        let leaves = self.first_leaves(who);
        if self.done_by(who).all(|at| leaves.iter().all(|leaf| leaf.past.contains(at))) {
            return Vec::new();
        }
        let cut = |leaf: &Arc<Leaf>| {
            let mut heads: Vec<ActId> = leaf.act.body().parents().copied().collect();
            heads.sort_unstable();
            heads.dedup();
            Cut { who, leave: leaf.act.id(), heads }
        };
        leaves.into_iter().map(cut).collect()
    }

    /// The leave acts that were the first to cover some grant of an identity, in the order in which they were heard.
    fn first_leaves(&self, who: PeerId) -> Vec<&Arc<Leaf>> {
        let mut leaves: Vec<&Arc<Leaf>> =
            self.leaves.get(&who).into_iter().flat_map(BTreeMap::values).collect();
        leaves.sort_unstable_by_key(|leaf| leaf.heard);
        let grants = self.grants_of.get(&who).into_iter().flatten();
        let mut open: Vec<&Grant> = grants.filter_map(|at| self.grant(*at)).collect();
        leaves.retain(|leaf| {
            let before = open.len();
            open.retain(|grant| grant.despite.contains(&leaf.act.id()));
            open.len() < before
        });
        leaves
    }

    /// The acts of an identity, and the uses of its invitations.
    fn done_by(&self, who: PeerId) -> impl Iterator<Item = u32> {
        let acts = self.acts_of.get(&who).into_iter().flatten().copied();
        acts.flat_map(|at| self.uses_of.get(&at).into_iter().flatten().copied().chain([at]))
    }

    /// Leave acts that cover a grant.
    pub(super) fn leaves_on(&self, at: u32) -> Vec<Arc<Leaf>> {
        let Some(grant) = self.grant(at) else { return Vec::new() };
        let leaves = self.leaves.get(&grant.subject).into_iter().flatten();
        leaves
            .filter(|(id, _)| grant.despite.binary_search(id).is_err())
            .map(|(_, leaf)| leaf.clone())
            .collect()
    }

    /// True if a removal or demotion keeps an act under a grant: it knew it, and does not cut it off.
    pub(super) fn keeps_act(&self, removal: u32, act: u32, grant: u32) -> bool {
        let cuts = self.body(removal).content.keep().map_or(&[][..], |keep| &keep.cuts);
        let inside = |head: &ActId| self.place(head).is_some_and(|at| at == act || self.precedes(act, at));
        let concerns =
            |cut: &&Cut, grant: &Grant| grant.subject == cut.who && !grant.despite.contains(&cut.leave);
        let cut = self.grant(grant).and_then(|grant| cuts.iter().find(|cut| concerns(cut, grant)));
        self.precedes(act, removal) && cut.is_none_or(|cut| cut.heads.iter().any(inside))
    }
}
