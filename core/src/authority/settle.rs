//! What follows from all acts that count together: the password, the epochs, the refused devices, the ends of memberships.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    ActSet, Content, Verdict,
    judge::{Judge, Standing},
    seniority::Rank,
};
use crate::{
    ids::{ActId, PeerId},
    record::Role,
};

/// What is collected over all acts before it can be settled.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Those that count, and the rank by which they do.
    pub(super) passwords: Vec<(u32, Rank)>,
    /// Those that do not, and whose authors knew of nothing that took their right.
    pub(super) fallen_passwords: Vec<u32>,
    pub(super) epochs: Vec<(u32, Rank)>,
    /// By the epoch that they serve.
    pub(super) epoch_keys: Vec<(Option<u32>, u32)>,
    pub(super) passed_on: Vec<(Option<u32>, ActId)>,
    /// Refusals of others' devices.
    pub(super) devices: Vec<u32>,
    /// Those of them that were taken back.
    pub(super) restored: Vec<u32>,
    /// Who was given the key of the current epoch, and is no member; and who else.
    pub(super) lost: BTreeSet<PeerId>,
    pub(super) holders: BTreeSet<PeerId>,
    /// True if a device of one of them was refused since.
    pub(super) refused: bool,
}

impl Verdict {
    pub(super) fn settle(&mut self, set: &ActSet, found: &mut Found) {
        self.settle_password(set, found);
        self.settle_devices(set, found);
        self.settle_epochs(set, found);
    }

    /// A password is ended by each that follows it, also by one that fell: then there is none until a person sets one.
    pub(super) fn settle_password(&mut self, set: &ActSet, found: &Found) {
        let ended = |at: u32| found.fallen_passwords.iter().any(|fallen| set.precedes(at, *fallen));
        let mut last = latest(set, &found.passwords);
        last.retain(|(at, _)| !ended(*at));
        let password = highest(set, &last);
        self.password = password.map(|at| set.id(at));
        let serves = found.passed_on.iter().filter(|(serves, _)| password.is_some() && *serves == password);
        self.passed_on = serves.map(|(_, id)| *id).collect();
        self.passed_on.sort_unstable();
    }

    pub(super) fn settle_devices(&mut self, set: &ActSet, found: &Found) {
        self.devices.clear();
        let restored: BTreeSet<u32> = found.restored.iter().copied().collect();
        for at in found.devices.iter().filter(|at| !restored.contains(at)) {
            if let Content::RevokeDevice { identity, node } = set.body(*at).content {
                self.devices.insert((identity, node));
            }
        }
        for (identity, acts) in &set.own_devices {
            for leaf in acts.values() {
                if let Content::RevokeDevice { node, .. } = leaf.act.body().content {
                    self.devices.insert((*identity, node));
                }
            }
        }
    }

    /// Those who have the key of the current epoch are held against those who are members.
    pub(super) fn settle_epochs(&mut self, set: &ActSet, found: &mut Found) {
        let mut epochs: Vec<u32> = found.epochs.iter().map(|(at, _)| *at).collect();
        epochs.sort_by_key(|at| (set.entries[*at as usize].height, set.id(*at)));
        let current = highest(set, &latest(set, &found.epochs));
        epochs.retain(|at| Some(*at) != current);
        epochs.extend(current);
        self.epochs = epochs.into_iter().map(|at| set.id(at)).collect();
        found.holders = current.map(|current| holders(set, found, current)).unwrap_or_default();
        found.lost = found.holders.iter().filter(|holder| !self.has_grant(holder)).copied().collect();
        let refused = |at: u32| match set.body(at).content {
            Content::RevokeDevice { identity, .. } => {
                found.holders.contains(&identity) && current.is_some_and(|current| !set.precedes(at, current))
            }
            _ => false,
        };
        found.refused = found.devices.iter().any(|at| refused(*at));
        self.epoch_is_stale = found.refused || !found.lost.is_empty();
    }

    /// The same, if nothing changed but the membership of one identity.
    pub(super) fn settle_holder(&mut self, identity: PeerId, found: &mut Found) {
        if self.has_grant(&identity) {
            found.lost.remove(&identity);
        } else if found.holders.contains(&identity) {
            found.lost.insert(identity);
        }
        self.epoch_is_stale = found.refused || !found.lost.is_empty();
    }

    fn has_grant(&self, identity: &PeerId) -> bool {
        *identity == self.creator || self.members.contains_key(identity)
    }
}

/// The identities that were given the key of an epoch.
fn holders(set: &ActSet, found: &Found, epoch: u32) -> BTreeSet<PeerId> {
    let given = found.epoch_keys.iter().filter(|(serves, _)| *serves == Some(epoch)).map(|(_, at)| *at);
    let mut holders = BTreeSet::new();
    for at in given.chain([epoch]) {
        let body = set.body(at);
        holders.insert(body.author);
        let keys = match &body.content {
            Content::Epoch(epoch) => &epoch.keys[..],
            Content::EpochKeys { keys, .. } => keys,
            _ => &[],
        };
        holders.extend(keys.iter().map(|(holder, _)| *holder));
    }
    holders
}

impl Judge<'_> {
    /// True if nothing that counts and took the grant of an act's author, or one that gave it, is in the past of the act:
    /// the author had the right by all that it knew.
    pub(super) fn knew_of_no_end(&self, at: u32) -> bool {
        let mut act = at;
        while let Some(by) = self.set.entries[act as usize].under {
            let Some(state) = &self.grants[by as usize] else { return false };
            if state.removals.iter().any(|removal| self.set.precedes(*removal, at)) {
                return false;
            }
            if state.void.is_none() {
                break;
            }
            act = by;
        }
        true
    }

    /// True if the author of an act, or of a grant that gave it the right, left.
    pub(super) fn has_left(&self, at: u32) -> bool {
        let mut act = at;
        while let Some(by) = self.set.entries[act as usize].under {
            match &self.grants[by as usize] {
                Some(state) if state.leaves.is_empty() => {}
                _ => return true,
            }
            act = by;
        }
        false
    }

    /// True if the holder of a grant may refuse devices of an identity: it is senior to all grants of the identity that
    /// are in force, apart from later ones.
    pub(super) fn may_refuse_devices(&self, act: u32, by: Option<u32>, identity: PeerId) -> bool {
        let grants = self.set.grants_of.get(&identity).into_iter().flatten();
        let mut in_force = grants.filter(|at| {
            let state = self.grants[**at as usize].as_ref();
            state.is_some_and(|s| s.void.is_none() && s.leaves.is_empty() && s.removals.is_empty())
        });
        in_force.all(|at| self.set.precedes(act, *at) || self.set.is_senior(by, *at))
    }

    /// True if `author`, by a grant, may take back that a device was refused: it refused it itself, or ranks above who did.
    pub(super) fn may_restore(&self, author: PeerId, by: Option<u32>, refusal: u32) -> bool {
        let own = author == self.set.body(refusal).author;
        match self.standing(refusal, self.set.entries[refusal as usize].under, None) {
            Standing::Under(grant) => {
                own || (self.set.rank(by).0 >= Role::Admin && self.set.rank(by) > self.set.rank(grant))
            }
            _ => true,
        }
    }
}

/// Of acts that each replace the earlier ones, those that no other follows.
fn latest(set: &ActSet, acts: &[(u32, Rank)]) -> Vec<(u32, Rank)> {
    let mut acts: Vec<(u32, Rank)> = acts.to_vec();
    acts.sort_by_key(|(at, _)| Reverse(set.entries[*at as usize].height));
    let mut last: Vec<(u32, Rank)> = Vec::new();
    for (at, rank) in acts {
        if !last.iter().any(|(later, _)| set.precedes(at, *later)) {
            last.push((at, rank));
        }
    }
    last
}

/// Of these, the one by the highest rank, then with the smallest id.
fn highest(set: &ActSet, acts: &[(u32, Rank)]) -> Option<u32> {
    acts.iter().max_by_key(|(at, rank)| (*rank, Reverse(set.id(*at)))).map(|(at, _)| *at)
}
