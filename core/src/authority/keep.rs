//! Lists of records that outlast the removal of their author.
//!
//! A removal names the hashes of chunks; the chunks travel beside the acts, once. A back-dated record is in no list of
//! anybody who had not seen it, whatever time or past it claims.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ActSet, Content, Fault, Keep, set::Leaf};
use crate::{
    crypto,
    ids::{ActId, ElementId, PeerId, RecordId},
    limits::{KEEP_CHUNK, MAX_CUT_GRANTS, MAX_CUT_HEADS, MAX_LEAVES},
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
    /// What a removal or demotion of an identity says in [`Keep::cuts`]: how far acts stand under grants that were left.
    /// `branch`: of the grants below the identity as well. Without it, what a leaver dated back comes to count by the
    /// removal.
    pub fn cuts(&self, subject: PeerId, branch: bool) -> Vec<(ActId, Vec<ActId>)> {
        let mut cuts = Vec::new();
        for (holder, grants) in &self.grants_of {
            if !self.leaves.contains_key(holder) {
                continue;
            }
            let named = |at: &&u32| *holder == subject || (branch && self.is_sponsor(subject, **at));
            for at in grants.iter().filter(named) {
                let leaves = self.leaves_on(*at);
                let keeps =
                    |act: u32| leaves.len() < MAX_LEAVES && leaves.iter().all(|l| l.past.contains(act));
                if (0..self.entries.len() as u32).any(|act| self.stands_by(act, *at) && !keeps(act)) {
                    cuts.push((self.id(*at), self.latest(keeps)));
                }
            }
        }
        cuts.sort_unstable();
        cuts.truncate(MAX_CUT_GRANTS);
        cuts
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

    /// True if an act, or the invitation that it uses, was made under a grant.
    fn stands_by(&self, act: u32, grant: u32) -> bool {
        let entry = &self.entries[act as usize];
        entry.under == Some(grant)
            || entry.invitation().is_some_and(|at| self.entries[at as usize].under == Some(grant))
    }

    /// Of some acts, those that are before no other of them.
    fn latest(&self, is_one: impl Fn(u32) -> bool) -> Vec<ActId> {
        let mut latest: Vec<u32> = Vec::new();
        for at in (0..self.entries.len() as u32).rev() {
            if latest.len() < MAX_CUT_HEADS && is_one(at) && !latest.iter().any(|l| self.precedes(at, *l)) {
                latest.push(at);
            }
        }
        let mut ids: Vec<ActId> = latest.into_iter().map(|at| self.id(at)).collect();
        ids.sort_unstable();
        ids
    }

    /// True if a removal or demotion keeps an act under a grant: it knew it, and does not cut it off.
    pub(super) fn keeps_act(&self, removal: u32, act: u32, grant: u32) -> bool {
        let cuts = self.body(removal).content.keep().map_or(&[][..], |keep| &keep.cuts);
        let cut = cuts.binary_search_by_key(&self.id(grant), |(grant, _)| *grant).ok();
        let inside = |head: &ActId| self.place(head).is_some_and(|at| at == act || self.precedes(act, at));
        self.precedes(act, removal) && cut.is_none_or(|at| cuts[at].1.iter().any(inside))
    }
}
