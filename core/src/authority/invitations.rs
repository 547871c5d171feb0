//! Invitations: who was admitted by them, and whether more can be.

use std::collections::BTreeSet;

use super::{
    ActSet, Content, Remove, Verdict, Void,
    judge::{Judge, Standing},
    order::Witnesses,
};
use crate::{ids::PeerId, record::Role};

/// An invitation while the grants by it are judged.
#[derive(Clone, Debug, Default)]
pub(super) struct InviteState {
    /// The earliest acts that withdraw it.
    pub(super) revokers: Vec<u32>,
    /// Its uses in the order in which they count; see [`Judge::uses_in_order`].
    queue: Vec<u32>,
    next: usize,
    /// Who saw them, if there are more than it allows.
    pub(super) witnesses: Witnesses,
    /// The identities that were admitted.
    pub(super) admitted: BTreeSet<PeerId>,
    /// True if a use does not count by the number of uses alone: then their order matters.
    pub(super) has_losers: bool,
}

impl InviteState {
    /// Adds a use; see [`Verdict::may_displace`].
    pub(super) fn push(&mut self, at: u32) {
        self.queue.push(at);
    }
}

impl ActSet {
    /// True if more identities came by an invitation than it allows, with uses that do not count.
    pub(super) fn is_contested(&self, invite: u32) -> bool {
        let uses = self.uses_of.get(&invite).map_or(&[][..], |uses| uses);
        let most = self.invite(invite).map_or(0, |invite| invite.uses as usize);
        // Few invitations have many uses, and fewer have more than they allow.
        uses.len() > most
            && uses.iter().filter_map(|at| self.subject(*at)).collect::<BTreeSet<_>>().len() > most
    }
}

impl ActSet {
    /// True if a removal names the admitter of a use, and neither its subject nor anybody by whose word the invitation is.
    pub(super) fn is_by_admitter(&self, removal: u32, at: u32, invite: u32) -> bool {
        let Content::Remove(Remove { subject, .. }) = &self.body(removal).content else { return false };
        let issuer = self.entries[invite as usize].under;
        let is_issuers = |at: u32| self.subject(at) == Some(*subject) || self.is_sponsor(*subject, at);
        self.subject(at) != Some(*subject) && !issuer.is_some_and(is_issuers)
    }
}

impl Verdict {
    /// True if a new use of an invitation may take the place of another, or come too late. Void uses take no place: whoever holds
    /// a link's key and was removed signs as many as it likes.
    pub(super) fn may_displace(&self, set: &ActSet, invite: u32, subject: &PeerId) -> bool {
        let most = set.invite(invite).map_or(0, |invite| invite.uses as usize);
        set.is_contested(invite)
            && self
                .work
                .invites
                .get(&invite)
                .is_some_and(|state| state.admitted.len() >= most && !state.admitted.contains(subject))
    }
}

impl Judge<'_> {
    /// Why a grant by an invitation does not count, its admitter having had the right.
    pub(super) fn admission_fault(&mut self, at: u32) -> Option<Void> {
        let invite = self.set.entries[at as usize].serves?;
        let subject = self.set.subject(at)?;
        let mut state = match self.invites.remove(&invite) {
            Some(state) => state,
            None => self.invite_state(invite),
        };
        let fault = self.use_fault(&state, invite, at);
        if fault.is_none() {
            self.admit_until(&mut state, invite, at);
        }
        let used_up = !state.admitted.contains(&subject);
        state.has_losers |= used_up && fault.is_none();
        self.invites.insert(invite, state);
        fault.or_else(|| used_up.then(|| Void::UsedUp(self.set.id(invite))))
    }

    /// Counts the uses up to and with this one. All of their admitters' grants rank at least as high as this one's, so
    /// they are judged.
    fn admit_until(&self, state: &mut InviteState, invite: u32, at: u32) {
        let uses = self.set.invite(invite).map_or(0, |invite| invite.uses as usize);
        let last = state.queue.iter().position(|other| *other == at).map_or(0, |last| last + 1);
        while state.next < last {
            let other = state.queue[state.next];
            state.next += 1;
            let counts = self.giver_fault(other).is_none() && self.use_fault(state, invite, other).is_none();
            if counts && state.admitted.len() < uses {
                state.admitted.extend(self.set.subject(other));
            }
        }
    }

    /// What is wrong with a use apart from the number of uses: its issuer must have the right as the admitter must.
    fn use_fault(&self, state: &InviteState, invite: u32, at: u32) -> Option<Void> {
        let id = self.set.id(invite);
        let issuer = self.set.entries[invite as usize].under;
        let bound = self.set.rank_of_uses(invite);
        for act in [invite, at] {
            match self.standing_by(invite, act, issuer, Some((bound, bound))) {
                Standing::Under(grant) if self.set.may_give(grant, at) => {}
                _ => return Some(Void::Invitation(id)),
            }
        }
        let revokers = &state.revokers;
        let seen = revokers.is_empty() || revokers.iter().any(|revoker| self.set.precedes(at, *revoker));
        if seen {
            return None;
        }
        revokers.iter().map(|at| self.set.id(*at)).min().map(Void::InvitationRevoked)
    }

    pub(super) fn invite_state(&self, invite: u32) -> InviteState {
        let (queue, witnesses) = self.uses_in_order(invite);
        let revokers = self.set.revokers_of.get(&invite).cloned().unwrap_or_default();
        let holding = revokers.into_iter().filter(|at| self.withdraws(*at, invite)).collect();
        let revokers = self.earliest(holding);
        InviteState { revokers, queue, witnesses, ..InviteState::default() }
    }

    /// True if an act that withdraws an invitation counts. Its author's grant outranks every grant by the invitation.
    pub(super) fn withdraws(&self, at: u32, invite: u32) -> bool {
        let least = self.set.rank_of_uses(invite);
        let own = self.set.body(at).author == self.set.body(invite).author;
        match self.standing(at, self.set.entries[at as usize].under, Some((least, least))) {
            Standing::Under(grant) => own || self.set.rank(grant).0 >= Role::Admin,
            Standing::Below(_) | Standing::Void(_) => false,
        }
    }
}
