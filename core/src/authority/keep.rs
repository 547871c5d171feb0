//! Lists of records that outlast the removal of their author.
//!
//! A removal names the hashes of chunks; the chunks travel beside the acts, once. A back-dated record is in no list of
//! anybody who had not seen it, whatever time or past it claims.

use std::{cmp::Reverse, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{ActSet, Content, Cut, Fault, Grant, Keep, first::FirstLeave, set::Leaf};
use crate::{
    crypto,
    ids::{ActId, ElementId, PeerId, RecordId},
    limits::{KEEP_CHUNK, MAX_CUT_HEADS, MAX_CUTS},
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
        // The chunks of one list are ranges, as a rule: most are passed over by their ends.
        let [first, .., last] = &self.0[..] else { return self.0.first() == Some(key) };
        first <= key && key <= last && self.0.binary_search(key).is_ok()
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

    /// The acts up to which others stand by what this one says.
    pub fn cut_heads(&self) -> impl Iterator<Item = &ActId> {
        self.keep().into_iter().flat_map(|keep| &keep.cuts).flat_map(|cut| &cut.heads)
    }
}

impl ActSet {
    /// What a removal or demotion of an identity says in [`Keep::cuts`]: how far the acts of those stand who had left, the
    /// identity first. `branch`: of those below it as well. Without it, what a leaver dated back comes to count by the removal.
    ///
    /// Of the leave acts that concern a grant, it is the one that was heard first here, or what all have in common that came at the same
    /// [moment](Self::next_moment): whatever its author signs after that, also another leave act, changes nothing. So this is
    /// the one answer that depends on the order of arrival.
    pub fn cuts(&self, subject: PeerId, branch: bool) -> Vec<Cut> {
        let is_below = |who: &PeerId| {
            let mut grants = self.grants_of.get(who).into_iter().flatten();
            branch && *who != subject && grants.any(|at| self.is_sponsor(subject, *at))
        };
        let below = self.leaves.keys().filter(|who| is_below(who));
        whole([&subject].into_iter().chain(below).map(|who| self.cuts_of(*who)))
    }

    /// What is inserted from now on was heard later than what was inserted before. What comes at once has no order: its author
    /// may have chosen that in which it is inserted.
    pub const fn next_moment(&mut self) {
        self.moment += 1;
    }

    /// True if one of these acts is a leave of somebody who has others.
    pub fn has_left_again(&self, acts: &[ActId]) -> bool {
        let leaves = acts.iter().filter_map(|id| self.leaves.get(&self.leaf_author(id)?));
        leaves.into_iter().any(|leaves| leaves.len() > 1)
    }

    /// Of what somebody did who left, what the leaves had that were heard first. A later leave may have made it void.
    pub(super) fn known_when_left(&self, who: PeerId) -> Vec<u32> {
        let leaves = self.first_leaves(who);
        let known = |at: &u32| leaves.iter().any(|same| same.iter().all(|leaf| self.has(leaf, *at)));
        self.done_by(who).filter(known).collect()
    }

    /// The cuts of one identity, if anything that it did is beyond one of them.
    fn cuts_of(&self, who: PeerId) -> Vec<Cut> {
        let leaves = self.first_leaves(who);
        if self.done_by(who).all(|at| leaves.iter().flatten().all(|leaf| self.has(leaf, at))) {
            return Vec::new();
        }
        let mut cuts = Vec::new();
        for same in leaves {
            let heads = self.heads_in_all(who, &same);
            cuts.extend(same.iter().map(|leaf| {
                let spares = self.given_after(who, leaf, MAX_CUT_HEADS.saturating_sub(heads.len()));
                Cut { who, leave: leaf.id, heads: heads.clone(), spares }
            }));
        }
        cuts
    }

    /// The acts up to which all of these leaves keep what an identity did.
    fn heads_in_all(&self, who: PeerId, leaves: &[FirstLeave]) -> Vec<ActId> {
        let mut heads: Vec<ActId> = match leaves {
            [leaf] => leaf.heads.clone(),
            _ => {
                let mut kept: Vec<u32> =
                    self.done_by(who).filter(|at| leaves.iter().all(|leaf| self.has(leaf, *at))).collect();
                kept.sort_unstable_by_key(|at| Reverse(self.order(*at)));
                let mut latest: Vec<u32> = Vec::new();
                for at in kept {
                    if latest.len() < MAX_CUT_HEADS && !latest.iter().any(|later| self.precedes(at, *later)) {
                        latest.push(at);
                    }
                }
                latest.into_iter().map(|at| self.id(at)).collect()
            }
        };
        heads.sort_unstable();
        heads.dedup();
        heads
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
        let (id, given) = (self.id(grant), self.grant(grant));
        let concerns = |cut: &&Cut, given: &Grant| {
            let is_later = || given.despite.contains(&cut.leave) || cut.spares.binary_search(&id).is_ok();
            given.subject == cut.who && !is_later()
        };
        let cut = given.and_then(|given| cuts.iter().find(|cut| concerns(cut, given)));
        self.precedes(act, removal) && cut.is_none_or(|cut| cut.heads.iter().any(inside))
    }

    /// True if an act names as many cuts as it can, and none of the holder of a grant: then the leave acts of that say what is
    /// kept. Otherwise many leavers below somebody would hide one.
    pub(super) fn is_cut_short(&self, removal: u32, grant: u32) -> bool {
        let cuts = self.body(removal).content.keep().map_or(&[][..], |keep| &keep.cuts);
        let holder = self.subject(grant);
        cuts.len() >= MAX_CUTS && !cuts.iter().any(|cut| Some(cut.who) == holder)
    }
}

/// As many cuts as fit, those of one identity all or none. A list that leaves somebody out is full, see
/// [`ActSet::is_cut_short`]: copies of its last cut fill it, which say nothing.
pub(super) fn whole(identities: impl Iterator<Item = Vec<Cut>>) -> Vec<Cut> {
    let (mut cuts, mut short) = (Vec::new(), false);
    for of_one in identities {
        short |= cuts.len() + of_one.len() > MAX_CUTS;
        if short {
            break;
        }
        cuts.extend(of_one);
    }
    if let Some(last) = cuts.last().filter(|_| short).cloned() {
        cuts.resize(MAX_CUTS, Cut { heads: Vec::new(), ..last });
    }
    cuts
}
