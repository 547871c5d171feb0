//! How memberships ended: what their former holders are told.

use std::collections::BTreeSet;

use super::{CredentialFault, Ending, Membership};
use crate::{
    authority::{Content, Void},
    ids::{ActId, PeerId},
    limits::MAX_ENDING_ACTS,
};

impl Membership {
    /// Why an identity that is no member is none: what its own calls fail with.
    pub fn why_no_member(&self, peer: PeerId) -> CredentialFault {
        let displaced = |void| matches!(void, Some(Void::UsedUp(_)));
        match self.ending(peer) {
            Some(Ending::Left) => CredentialFault::Left,
            Some(Ending::Removed) if self.grants(peer).all(|(_, grant)| displaced(grant.void)) => {
                CredentialFault::Displaced
            }
            Some(Ending::Removed) => CredentialFault::Removed,
            None if self.grants_in_force(peer).next().is_some() => CredentialFault::Expired,
            None => CredentialFault::NotAMember,
        }
    }

    /// The acts by which the grants of an identity ended or do not count, and those before them, the latest first: each before
    /// those that it names.
    pub fn what_ended(&self, peer: PeerId) -> impl Iterator<Item = ActId> {
        let (mut causes, mut seen) = (Vec::new(), BTreeSet::new());
        let mut todo: Vec<ActId> = self.grants(peer).map(|(id, _)| id).collect();
        while let Some(id) = todo.pop().filter(|_| seen.len() < MAX_ENDING_ACTS) {
            if !seen.insert(id) {
                continue;
            }
            if let Some(grant) = self.verdict.grant(&id) {
                causes.extend(grant.ended_by.iter().chain(&grant.undoes));
            }
            match self.verdict.act(&id).flatten() {
                // Of somebody above, or of the invitation.
                Some(Void::Grant(on) | Void::Invitation(on) | Void::Serves(on)) => todo.push(on),
                Some(Void::UsedUp(invite)) => causes.extend(self.uses_that_count(&invite)),
                Some(
                    Void::Removed(by)
                    | Void::Undone(by)
                    | Void::Left(by)
                    | Void::Demoted(by)
                    | Void::InvitationRevoked(by),
                ) => causes.push(by),
                Some(Void::NotAllowed) | None => {}
            }
        }
        // Nothing names a leave.
        let leaves: Vec<ActId> = causes.iter().filter(|id| self.acts.is_leave(id)).copied().collect();
        leaves.into_iter().chain(self.acts.with_past(causes))
    }

    fn uses_that_count(&self, invite: &ActId) -> impl Iterator<Item = ActId> {
        let admitted = self.verdict.invitation(invite).into_iter().flat_map(|found| &found.admitted);
        let grants = admitted.flat_map(|peer| self.grants_in_force(*peer)).map(|(id, _)| id);
        grants.filter(|id| match self.acts.get(id).map(|body| &body.content) {
            Some(Content::Grant(grant)) => {
                grant.admission.as_ref().is_some_and(|admission| admission.invite == *invite)
            }
            _ => false,
        })
    }
}
