//! What follows from all acts that count together: the password, the epochs, the refused devices, the ends of memberships.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    ActSet, Content, GrantVerdict, Verdict,
    ancestry::Past,
    epochs::EpochHolders,
    judge::{Judge, Standing},
    seniority::Rank,
};
use crate::{
    ids::{ActId, NodeId, PeerId},
    limits::MAX_LEAVERS,
    record::Role,
};

/// What is collected over all acts before it can be settled.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Those that count, and the rank by which they do.
    pub(super) passwords: Vec<(u32, Rank)>,
    /// Those that do not, and whose authors knew of nothing that took their right; of a chain by one grant the last.
    pub(super) fallen_passwords: BTreeSet<u32>,
    /// All of them.
    pub(super) fallen: Vec<u32>,
    /// By the grant that they name: the last of them, and the union of their pasts.
    fallen_pasts: BTreeMap<u32, (u32, Past)>,
    pub(super) epochs: Vec<(u32, Rank)>,
    /// By the epoch that they serve.
    pub(super) epoch_keys: Vec<(Option<u32>, u32)>,
    /// Those that do not count, and others that gave no key because somebody had left: which is true.
    pub(super) fallen_keys: Vec<(u32, bool)>,
    pub(super) passed_on: Vec<(Option<u32>, ActId)>,
    /// Refusals of others' devices.
    pub(super) devices: Vec<u32>,
    /// Those of them that were taken back.
    pub(super) restored: Vec<u32>,
    pub(super) keys: EpochHolders,
}

impl Found {
    /// Notes a password that fell. However many somebody signs, each costs the same.
    pub(super) fn add_fallen(&mut self, set: &ActSet, at: u32) {
        let entry = &set.entries[at as usize];
        let Some(by) = entry.under else { return };
        for before in entry.act.body().parents().filter_map(|id| set.place(id)) {
            if set.entries[before as usize].under == Some(by) {
                self.fallen_passwords.remove(&before);
            }
        }
        self.fallen_passwords.insert(at);
        self.fallen.push(at);
        let before = self.fallen_pasts.remove(&by);
        let pasts = before.iter().map(|(last, past)| (*last, past)).chain([(at, &entry.past)]);
        let past = Past::of(pasts);
        self.fallen_pasts.insert(by, (at, past));
    }
}

impl Verdict {
    pub(super) fn settle(&mut self, set: &ActSet, found: &mut Found) {
        self.settle_password(set, found);
        self.settle_devices(set, found);
        self.settle_epochs(set, found);
    }

    /// The identities whose void passwords a new one withstands, as it says: those that left and are admins no more, and that nobody
    /// removed. At most 64, ascending; first those that ever set a password.
    pub fn leavers(&self, set: &ActSet) -> Vec<PeerId> {
        let is_admin = |grant: &&GrantVerdict| grant.role >= Role::Admin && grant.ended_by.is_empty();
        let admins = |who: &PeerId| {
            let grants = set.grants_of.get(who).into_iter().flatten();
            grants.filter_map(|at| self.grant(&set.id(*at))).filter(is_admin).collect::<Vec<_>>()
        };
        let has_left = |who: &&PeerId| {
            let grants = admins(who);
            let acts = |grant: &&GrantVerdict| grant.void.is_none() && grant.left.is_empty();
            // Of grants that never counted anybody could have made any number.
            let left = |grant: &&GrantVerdict| grant.void.is_none() && !grant.left.is_empty();
            grants.iter().any(left) && !grants.iter().any(acts)
        };
        let is_password = |at: &u32| matches!(set.body(*at).content, Content::Password(_));
        let all: BTreeSet<PeerId> = set.leaves.keys().filter(has_left).copied().collect();
        // Whoever stands below another one is meant with that.
        let is_below = |at: &u32| {
            let above = set.facts(*at).map_or(&[][..], |facts| &facts.sponsors);
            let is_one = |at: &u32| set.subject(*at).is_some_and(|who| all.contains(&who));
            above.iter().any(|at| is_one(at) && !set.leaves_on(*at).is_empty())
        };
        let counted = |at: &&u32| self.grant(&set.id(**at)).is_some_and(|grant| grant.void.is_none());
        let is_meant =
            |who: &PeerId| set.grants_of.get(who).into_iter().flatten().filter(counted).all(is_below);
        let mut leavers: Vec<PeerId> = all.iter().filter(|who| !is_meant(who)).copied().collect();
        leavers.sort_by_key(|who| !set.acts_of.get(who).is_some_and(|acts| acts.iter().any(is_password)));
        leavers.truncate(MAX_LEAVERS);
        leavers.sort_unstable();
        leavers
    }

    /// A password is ended by each that follows it, also by one that fell: then there is none until a person sets one. But for
    /// those by whoever left, of whom it says so.
    pub(super) fn settle_password(&mut self, set: &ActSet, found: &Found) {
        let ends = |by: u32, past: &Past, at: u32| past.contains(at) && !set.withstands(at, by);
        let ended = |at: u32| found.fallen_pasts.iter().any(|(by, (_, past))| ends(*by, past, at));
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

    /// The same of one identity that refused a device of its own.
    pub(super) fn settle_devices_of(&mut self, set: &ActSet, identity: PeerId, found: &Found) {
        let of_it = (identity, NodeId::from_bytes([0; 32]))..=(identity, NodeId::from_bytes([0xff; 32]));
        let of_it: Vec<_> = self.devices.range(of_it).copied().collect();
        for pair in of_it {
            self.devices.remove(&pair);
        }
        let by_others = set.refusals_of.get(&identity).into_iter().flatten();
        let by_others = by_others.filter(|at| found.devices.contains(at) && !found.restored.contains(at));
        let own = set.own_devices.get(&identity).into_iter().flat_map(BTreeMap::values);
        let refusals = by_others.map(|at| set.body(*at)).chain(own.map(|leaf| leaf.act.body()));
        for body in refusals {
            if let Content::RevokeDevice { node, .. } = body.content {
                self.devices.insert((identity, node));
            }
        }
    }

    /// The epochs that count, and who has the key of the current one.
    pub(super) fn settle_epochs(&mut self, set: &ActSet, found: &mut Found) {
        let mut epochs: Vec<u32> = found.epochs.iter().map(|(at, _)| *at).collect();
        epochs.sort_by_key(|at| (set.entries[*at as usize].height, set.id(*at)));
        let current = highest(set, &latest(set, &found.epochs));
        epochs.retain(|at| Some(*at) != current);
        epochs.extend(current);
        self.epochs = epochs.into_iter().map(|at| set.id(at)).collect();
        self.settle_holders(set, found, current);
    }
}

impl ActSet {
    /// True if a password says that no void one by a grant ends it: it names the holder of the grant, or of one above it, who had
    /// left. It knew that grant: who is let in again may end it.
    pub(super) fn withstands(&self, password: u32, by: u32) -> bool {
        let Content::Password(rule) = &self.body(password).content else { return false };
        let named = |at: u32| {
            self.subject(at).is_some_and(|holder| rule.despite.binary_search(&holder).is_ok())
                && self.precedes(at, password)
                && !self.leaves_on(at).is_empty()
        };
        let above = self.facts(by).map_or(&[][..], |facts| &facts.sponsors);
        !rule.despite.is_empty() && above.iter().copied().chain([by]).any(named)
    }
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

    /// True if the author of an act left, and nobody removed it; or, if its grant does not count, somebody who gave it the right.
    /// A leave of somebody who was removed changes nothing.
    pub(super) fn has_left(&self, at: u32) -> bool {
        let mut act = at;
        while let Some(by) = self.set.entries[act as usize].under {
            match &self.grants[by as usize] {
                Some(state) if !state.leaves.is_empty() && state.removals.is_empty() => return true,
                Some(state) if state.void.is_none() => return false,
                Some(_) => {}
                None => return true,
            }
            act = by;
        }
        false
    }

    /// True if an act (`None`: one after everything) may refuse devices of an identity. `by`: the grants that it names and that it
    /// stands under; both must be senior, since seniority does not follow from rank.
    ///
    /// They are senior to all grants that the identity had, as far as the act says: also to those of which it does not speak, so
    /// its author gains nothing by what it leaves out, nor by ends that come later.
    pub(super) fn may_refuse_devices(&self, act: Option<u32>, by: &[Option<u32>], identity: PeerId) -> bool {
        let is_senior = |at: &u32| by.iter().all(|by| self.is_senior(*by, *at));
        let held = self.held_grants(act, identity);
        let knew = |at: &u32| act.is_none_or(|act| self.set.precedes(*at, act));
        held.iter().any(knew) && held.iter().all(is_senior)
    }

    /// The grants of an identity that count, that do not have an act in their past, and of which nothing in the past of that says
    /// that they ended: no removal or demotion, and no grant in spite of a leave that ends them.
    fn held_grants(&self, act: Option<u32>, identity: PeerId) -> Vec<u32> {
        let set = self.set;
        let knew = |at: u32| act.is_none_or(|act| set.precedes(at, act));
        let state = |at: u32| self.grants.get(at as usize)?.as_ref().filter(|state| state.void.is_none());
        let grants = set.grants_of.get(&identity).into_iter().flatten().copied();
        let counting: Vec<u32> = grants.filter(|at| state(*at).is_some()).collect();
        let known = counting.iter().filter(|at| knew(**at)).filter_map(|at| set.grant(*at));
        let answered: BTreeSet<ActId> = known.flat_map(|grant| grant.despite.clone()).collect();
        let is_held = |at: &u32| {
            let state = state(*at).expect("it counts");
            let left = state.leaves.iter().any(|leaf| answered.contains(&leaf.act.id()));
            let is_later = act.is_some_and(|act| set.precedes(act, *at));
            !left && !is_later && !state.removals.iter().any(|removal| knew(*removal))
        };
        counting.into_iter().filter(is_held).collect()
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
pub(super) fn latest(set: &ActSet, acts: &[(u32, Rank)]) -> Vec<(u32, Rank)> {
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
