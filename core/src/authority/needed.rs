//! What is needed of the void acts of the removed, and what is taken in beyond a bound.
//!
//! Each rule that says what is needed of the acts that are here has its other half, for an act that is not here yet: whatever one
//! node needs, and so offers, another takes in.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Act, ActBody, ActSet, Charge, Charged, Content, Verdict,
    idle::wake,
    set::{Entry, Order},
    settle::latest,
};
use crate::{
    ids::{ActId, PeerId},
    limits::{MAX_IDLE_ACTS, MAX_IDLE_OF_STRANGERS, MAX_LEAVES, MAX_NAMED_ACTS, MAX_NEEDED_ACTS},
    record::Role,
};

/// Of the fallen acts that decide something, those by which it is decided. Of those that decide the same, one is enough: the
/// first in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Witnesses {
    /// By password that none follows: one that ends it.
    passwords: BTreeMap<u32, u32>,
    /// Keys of the current epoch that were passed on; and of these the first by somebody who did not leave.
    keys: Option<u32>,
    gives: Option<u32>,
}

impl Witnesses {
    pub(super) fn all(&self) -> impl Iterator<Item = u32> {
        self.passwords.values().copied().chain(self.keys).chain(self.gives)
    }
}

impl Verdict {
    /// True if an act that fits would be idle, and enough acts of its author were kept that nobody needs and that never
    /// counted here: 256 of one identity, and 1,024 of all those together none of whose grants ever counted here.
    ///
    /// A bound of this node alone: others may hold other idle acts. `since`: what was accepted since the set was judged, by
    /// [`charge`](Self::charge).
    pub fn is_crowded(&self, set: &ActSet, act: &Act, since: &Charged) -> bool {
        #[cfg(test)]
        super::work::vet();
        let Some(charge) = self.charge(set, act.body()) else { return false };
        let most = match charge {
            Charge::Own(_) => MAX_IDLE_ACTS,
            Charge::Strangers => MAX_IDLE_OF_STRANGERS,
        };
        let charged = self.work.idle.charged.of(charge) + since.of(charge);
        charged >= most && !self.would_be_needed(set, act, charged)
    }

    /// True for an act that is needed as soon as it is here.
    fn would_be_needed(&self, set: &ActSet, act: &Act, charged: usize) -> bool {
        let body = act.body();
        self.is_cut_head(set, &act.id())
            || (body.is_leave() && self.leaf_decides(set, &body.author, body))
            || (charged < MAX_NEEDED_ACTS && (self.would_decide(set, act) || self.would_be_named(set, act)))
    }

    /// True if what an act names is needed for its sake, once it is here. Of one whose past is not here yet this may be more
    /// than needed.
    pub fn needs_past(&self, set: &ActSet, act: &Act) -> bool {
        #[cfg(test)]
        super::work::vet();
        let body = act.body();
        let author = &body.author;
        if self.is_cut_head(set, &act.id()) {
            return true;
        }
        if !self.is_gone(author) {
            return *author == self.creator
                || (self.members.contains_key(author) && self.may_admit_by(set, body));
        }
        if body.is_leaf() {
            return body.is_leave()
                && set.has_room_for_leave(author, &act.id())
                && (self.has_room(set, author) || !self.is_removed(author))
                && self.leaf_decides(set, author, body);
        }
        let decides = match &body.content {
            Content::Password(_) | Content::EpochKeys { .. } => self.comes_first(set, act, |_| true),
            _ => self.would_be_named(set, act),
        };
        decides && self.has_room(set, author)
    }

    /// True for a leaf, and for an act by a grant of a role that may sign others, or by one that is not known: if its author has
    /// such a grant.
    fn may_admit_by(&self, set: &ActSet, body: &ActBody) -> bool {
        let may = |grant: &ActId| self.grants.get(grant).is_some_and(|grant| grant.role >= Role::Inviter);
        body.is_leaf()
            || match body.by.and_then(|by| set.grant_named(&by)) {
                Some(grant) => may(&grant),
                None => self.held.get(&body.author).into_iter().flatten().any(may),
            }
    }

    /// True unless so many acts of somebody are kept that nothing else is taken in for its own sake.
    fn has_room(&self, set: &ActSet, author: &PeerId) -> bool {
        let counted = self.work.idle.has_counted(set, author);
        let charge = if counted { Charge::Own(*author) } else { Charge::Strangers };
        self.work.idle.charged.of(charge) < MAX_NEEDED_ACTS
    }

    /// True if every grant of an identity that counts was ended by others.
    fn is_removed(&self, identity: &PeerId) -> bool {
        let held = self.held.get(identity).into_iter().flatten().filter_map(|id| self.grants.get(id));
        held.filter(|grant| grant.void.is_none()).all(|grant| !grant.ended_by.is_empty())
    }

    /// True if a grant of an identity counts or did before it ended.
    fn has_grant_that_counts(&self, identity: &PeerId) -> bool {
        let mut held = self.held.get(identity).into_iter().flatten();
        held.any(|id| self.grants.get(id).is_some_and(|grant| grant.void.is_none()))
    }

    /// True if a removal that is needed names an act as the head of a cut: what is kept depends on it.
    pub(super) fn is_cut_head(&self, set: &ActSet, id: &ActId) -> bool {
        set.cut_at.get(id).into_iter().flatten().any(|at| !self.work.idle.acts.contains(at))
    }

    /// True if a leave or a refusal of an own device is needed: by somebody with a grant in force, or a leave that may decide
    /// about a grant that is needed.
    pub(super) fn leaf_decides(&self, set: &ActSet, author: &PeerId, leaf: &ActBody) -> bool {
        let mut grants = set.grants_of.get(author).into_iter().flatten();
        !self.is_gone(author) || (leaf.is_leave() && grants.any(|at| !self.work.idle.acts.contains(at)))
    }

    /// True for a grant or a renewal that records may name which count: of somebody with a grant that counts, by somebody who
    /// had one. (Of those who never had one there may be any number.)
    pub(super) fn is_nameable(&self, set: &ActSet, at: u32) -> bool {
        self.names_member(set, set.body(at))
    }

    fn names_member(&self, set: &ActSet, body: &ActBody) -> bool {
        let subject = match &body.content {
            Content::Grant(grant) => Some(grant.subject),
            Content::Renew { grant, .. } => set.place(grant).and_then(|at| set.subject(at)),
            _ => None,
        };
        subject.is_some_and(|subject| self.has_grant_that_counts(&subject))
            && self.has_grant_that_counts(&body.author)
    }

    /// Takes what records may name, and its past, out of a set of idle acts, and gives it. Of one author, as many in their order as
    /// with their pasts come to 4,096: nodes that have different ones agree once each has what the other offers.
    pub(super) fn may_be_named(&mut self, set: &ActSet, idle: &mut BTreeSet<u32>) -> BTreeSet<u32> {
        let mut of: BTreeMap<PeerId, Vec<u32>> = BTreeMap::new();
        for at in self.work.idle.spare.iter().filter(|at| self.is_nameable(set, **at)) {
            of.entry(set.body(*at).author).or_default().push(*at);
        }
        let mut named = BTreeSet::new();
        self.work.idle.named_until.clear();
        for (author, mut acts) in of {
            acts.sort_by_key(|at| set.order(*at));
            let mut woken = Vec::new();
            for at in acts {
                if woken.len() >= MAX_NAMED_ACTS {
                    break;
                }
                woken.extend(wake(set, idle, vec![at]));
                if woken.len() >= MAX_NAMED_ACTS {
                    self.work.idle.named_until.insert(author, set.order(at));
                }
            }
            // Each author's are counted apart from others'.
            idle.extend(woken.iter().copied());
            named.extend(woken);
        }
        named
    }

    fn would_be_named(&self, set: &ActSet, act: &Act) -> bool {
        let until = self.work.idle.named_until.get(&act.body().author);
        self.names_member(set, act.body()) && until.is_none_or(|until| least_order(set, act) < *until)
    }

    /// Passwords that end a later one, and keys that were passed on and make an epoch stale.
    pub(super) fn witnesses(&self, set: &ActSet) -> Witnesses {
        let found = &self.work.found;
        let idle = |at: &u32| self.may_be_idle(set, *at);
        let first = |of: &mut dyn Iterator<Item = u32>| of.min_by_key(|at| set.order(*at));
        let mut passwords = BTreeMap::new();
        let fallen: Vec<u32> = found.fallen.iter().copied().filter(idle).collect();
        if !fallen.is_empty() {
            for (password, _) in latest(set, &found.passwords) {
                let ends = |at: &u32| ends_password(set, &set.entries[*at as usize], password);
                let witness = first(&mut fallen.iter().copied().filter(ends));
                passwords.extend(witness.map(|at| (password, at)));
            }
        }
        let current = self.epochs.last().and_then(|epoch| set.place(epoch));
        let keys = || found.fallen_keys.iter().filter(|(at, _)| set.entries[*at as usize].serves == current);
        Witnesses {
            passwords,
            keys: first(&mut keys().map(|(at, _)| *at).filter(idle)),
            gives: first(&mut keys().filter(|(_, gives)| *gives).map(|(at, _)| *at).filter(idle)),
        }
    }

    /// True if a new act of somebody without a grant in force would be one of the [`witnesses`](Self::witnesses).
    fn would_decide(&self, set: &ActSet, act: &Act) -> bool {
        let decides = |entry: &Entry| self.comes_first(set, act, |at| ends_password(set, entry, at));
        matches!(act.body().content, Content::Password(_) | Content::EpochKeys { .. })
            && set
                .entry_of(act.clone())
                .is_ok_and(|entry| decides(&entry) && self.knew_of_no_end(set, &entry))
    }

    /// True if a password or keys would come before the witness that there is, or there is none. `ends`: whether a password
    /// would end this one.
    fn comes_first(&self, set: &ActSet, act: &Act, ends: impl Fn(u32) -> bool) -> bool {
        let witnesses = &self.work.idle.witnesses;
        let first = |at: Option<&u32>| at.is_none_or(|at| least_order(set, act) < set.order(*at));
        match &act.body().content {
            Content::Password(_) => {
                let mut last = latest(set, &self.work.found.passwords).into_iter();
                last.any(|(at, _)| ends(at) && first(witnesses.passwords.get(&at)))
            }
            Content::EpochKeys { epoch, .. } => {
                let of_current = self.epochs.last() == Some(epoch);
                of_current && (first(witnesses.keys.as_ref()) || first(witnesses.gives.as_ref()))
            }
            _ => false,
        }
    }

    /// True if nothing that counts and took the grant of an author, or one that gave it, is in the past of its act.
    fn knew_of_no_end(&self, set: &ActSet, entry: &Entry) -> bool {
        let mut by = entry.under;
        while let Some(at) = by {
            let Some(grant) = self.grants.get(&set.id(at)) else { return false };
            let mut ends = grant.ended_by.iter().filter_map(|id| set.place(id));
            if ends.any(|end| entry.past.contains(end)) {
                return false;
            }
            if grant.void.is_none() {
                break;
            }
            by = set.entries[at as usize].under;
        }
        true
    }
}

/// True if a void password ends another one.
fn ends_password(set: &ActSet, entry: &Entry, password: u32) -> bool {
    entry.past.contains(password) && entry.under.is_some_and(|by| !set.withstands(password, by))
}

/// The order of an act that is not here; no later than that if some of what it names is missing.
fn least_order(set: &ActSet, act: &Act) -> Order {
    let parents = act.body().parents().filter_map(|id| set.place(id));
    (parents.map(|at| set.entries[at as usize].height + 1).max().unwrap_or(0), act.id())
}

impl ActSet {
    fn has_room_for_leave(&self, author: &PeerId, id: &ActId) -> bool {
        self.leaves.get(author).is_none_or(|leaves| {
            leaves.len() < MAX_LEAVES || leaves.last_key_value().is_some_and(|(last, _)| id < last)
        })
    }
}
