//! Under which of its grants an identity acts: one notion for all that it asks and signs.

use std::cmp::Reverse;

use super::{
    CredentialFault, Membership, Standing,
    turns::{Had, in_turns},
};
use crate::{
    authority::{Content, GrantVerdict},
    ids::{ActId, PeerId},
    limits::OWN_GRANTS,
    record::Role,
    time::Timestamp,
};

impl Membership {
    /// What an identity is at `now` by each of its grants, in the order in which its acts try them: an act names the first that
    /// carries it, and one against another member the first that is senior to that member.
    ///
    /// A grant by somebody who is not senior to another one of the identity's goes after that: it is used for what it alone
    /// allows, so that whoever gives it and takes it back takes nothing else. Otherwise the higher rank goes first. Of those of
    /// whose givers neither is senior to the other grant, the one under which the identity acted first.
    pub fn standings(&self, peer: PeerId, now: Timestamp) -> Vec<Standing> {
        if peer == self.creator {
            return vec![self.creators()];
        }
        let mut alive = self.verdict.alive(peer, now);
        if alive.len() > 1 {
            self.put_in_order(peer, &mut alive);
        }
        alive.into_iter().map(|(id, facts)| self.standing(id, facts)).collect()
    }

    /// Of many, those that were used are put in order, and of the others a few of each giver; the rest stays behind them, the highest
    /// rank first.
    fn put_in_order(&self, peer: PeerId, alive: &mut Vec<(ActId, &GrantVerdict)>) {
        let used = self.acts.first_acts(peer);
        let age = |id: &ActId| (used.get(id).copied().unwrap_or(u32::MAX), self.acts.arrival(id));
        let mut rest = Vec::new();
        if alive.len() > OWN_GRANTS {
            let (mut first, unused): (Vec<ActId>, Vec<ActId>) =
                alive.iter().map(|(id, _)| *id).partition(|id| used.contains_key(id));
            first.sort_by_cached_key(age);
            first.extend(self.in_turns_of_givers(peer, unused));
            first.truncate(OWN_GRANTS);
            (*alive, rest) = std::mem::take(alive).into_iter().partition(|(id, _)| first.contains(id));
        }
        let mut left = std::mem::take(alive);
        while !left.is_empty() {
            let goes_before = |x: &ActId, y: &ActId| self.verdict.is_given_by_seniors(&self.acts, x, y);
            let is_behind = |x: &ActId| left.iter().any(|(y, _)| goes_before(y, x) && !goes_before(x, y));
            let mut first: Vec<usize> = (0..left.len()).filter(|at| !is_behind(&left[*at].0)).collect();
            if first.is_empty() {
                first.extend(0..left.len());
            }
            let over_all =
                |at: &&usize| left.iter().all(|(y, _)| *y == left[**at].0 || goes_before(&left[**at].0, y));
            let oldest = || first.iter().min_by_key(|at| age(&left[**at].0));
            let next = first.iter().find(over_all).or_else(oldest).copied().unwrap_or_default();
            alive.push(left.remove(next));
        }
        alive.extend(rest);
    }

    /// Grants of an identity in turns of those who gave them, and of those above these, the highest giver first; of one giver, the
    /// first that came.
    fn in_turns_of_givers(&self, peer: PeerId, mut grants: Vec<ActId>) -> impl Iterator<Item = ActId> {
        grants.sort_by_cached_key(|id| (Reverse(self.acts.rank_of_giver(id)), self.acts.arrival(id)));
        let with_lines = grants.into_iter().map(|id| (self.line(peer, &id), id));
        in_turns(with_lines.collect(), &Had::default()).into_iter().map(|(_, id)| id)
    }

    /// Of an identity's own grants, the one by which it lets `joiner` in as `role`: the first that allows it. `None`: it may not.
    pub fn admitting<'a>(&self, own: &'a [Standing], joiner: PeerId, role: Role) -> Option<&'a Standing> {
        own.iter().find(|own| self.may_admit(own, joiner, role))
    }

    /// True if this standing allows to let `joiner` in as `role`.
    pub fn may_admit(&self, own: &Standing, joiner: PeerId, role: Role) -> bool {
        let is_below = |grant: &ActId| self.acts.sponsors(grant).contains(&joiner);
        own.may_give(role) && !own.grant.as_ref().is_some_and(is_below)
    }

    /// Whether an act by `me` with this standing has a right to what it does to others. Whether the standing carries it is
    /// another question, which [`may_sign`](Self::may_sign) answers.
    ///
    /// # Errors
    /// As [`may_end`](Self::may_end), [`may_undo`](Self::may_undo), [`may_refuse_device`](Self::may_refuse_device) and
    /// [`may_restore`](Self::may_restore).
    pub fn has_right(&self, me: PeerId, own: &Standing, content: &Content) -> Result<(), CredentialFault> {
        match content {
            Content::Remove(remove) if remove.undo => self.may_undo(own, remove.subject),
            Content::Remove(remove) => self.may_end(own, remove.subject, None),
            Content::Grant(grant) if grant.demotes.is_some() => {
                self.may_end(own, grant.subject, Some(grant.role))
            }
            Content::RevokeDevice { identity, .. } if *identity != me => {
                self.may_refuse_device(own, *identity)
            }
            Content::RestoreDevice(refusal) if !self.may_take_back(me, own, refusal) => {
                Err(CredentialFault::NotRefuser)
            }
            _ => Ok(()),
        }
    }

    /// True if `me` with this standing may take this refusal of a device back.
    pub fn may_take_back(&self, me: PeerId, own: &Standing, refusal: &ActId) -> bool {
        own.role >= Role::Admin && self.verdict.may_restore(&self.acts, me, own.grant.as_ref(), refusal)
    }
}

impl Standing {
    /// True if it allows to give a role, whoever gets it.
    pub fn may_give(&self, role: Role) -> bool {
        self.role.may_grant(role) && self.depth > 0
    }
}
