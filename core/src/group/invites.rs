//! Invitations and the password: by what others come in.

use std::cmp::Reverse;

use super::{Membership, Standing};
use crate::{
    authority::{Content, InvitationVerdict, Invite, Password, Sealed},
    ids::{ActId, PeerId},
    record::Role,
    time::Timestamp,
};

/// Why an invitation cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InviteFault {
    /// It is not known here.
    #[error("this invitation is not known here")]
    Unknown,
    /// It was taken back.
    #[error("the invitation was taken back")]
    Revoked,
    /// Its time is over.
    #[error("the invitation has expired")]
    Expired,
    /// It has reached its maximum number of uses.
    #[error("the invitation was used up")]
    UsedUp,
    /// It names other admitters.
    #[error("this node may not admit anyone by this invitation")]
    NotAdmitter,
}

/// An invitation that can still be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenInvite {
    /// What it says.
    pub invite: Invite,
    /// Its issuer.
    pub issuer: PeerId,
    /// Identities that were admitted by it.
    pub used: usize,
}

impl Membership {
    fn invite(&self, id: &ActId) -> Option<(&Invite, PeerId)> {
        let act = self.acts.get(id)?;
        match &act.content {
            Content::Invite(invite) => Some((invite, act.author)),
            _ => None,
        }
    }

    /// The invitations with this key, by their issuers: one, unless somebody claims another's key.
    fn invites(&self, key: PeerId) -> impl Iterator<Item = (ActId, PeerId, &Invite)> {
        let all = self.verdict.invitations().filter_map(|(id, _)| {
            let (invite, issuer) = self.invite(id)?;
            Some((*id, issuer, invite))
        });
        all.filter(move |(_, _, invite)| invite.key == key)
    }

    /// The same by one issuer: nobody else's guests.
    pub fn invites_by(&self, key: PeerId, issuer: PeerId) -> impl Iterator<Item = (ActId, &Invite)> {
        self.invites(key).filter(move |(_, by, _)| *by == issuer).map(|(id, _, invite)| (id, invite))
    }

    /// The invitation of this key, and by the issuer that its text names, by which `admitter` can admit somebody now.
    ///
    /// # Errors
    /// [`InviteFault`].
    pub fn usable_invite(
        &self,
        (key, issuer): (PeerId, PeerId),
        admitter: PeerId,
        now: Timestamp,
    ) -> Result<(ActId, &Invite), InviteFault> {
        let mut fault = None;
        for (id, invite) in self.invites_by(key, issuer) {
            match self.check_invite(&id, invite, admitter, now) {
                Ok(()) => return Ok((id, invite)),
                Err(why) => fault = fault.or(Some(why)),
            }
        }
        Err(fault.unwrap_or(InviteFault::Unknown))
    }

    fn check_invite(
        &self,
        id: &ActId,
        invite: &Invite,
        admitter: PeerId,
        now: Timestamp,
    ) -> Result<(), InviteFault> {
        let Some(verdict) = self.verdict.invitation(id).filter(|verdict| self.is_backed(id, verdict, now))
        else {
            return Err(InviteFault::Revoked);
        };
        if invite.not_after <= now {
            return Err(InviteFault::Expired);
        }
        if verdict.admitted.len() >= invite.uses as usize {
            return Err(InviteFault::UsedUp);
        }
        if !invite.admitters.is_empty() && !invite.admitters.contains(&admitter) {
            return Err(InviteFault::NotAdmitter);
        }
        Ok(())
    }

    /// True if an invitation was not taken back, and its issuer may still give what it gives.
    fn is_backed(&self, id: &ActId, verdict: &InvitationVerdict, now: Timestamp) -> bool {
        let Some((invite, issuer)) = self.invite(id) else { return false };
        verdict.void.is_none() && self.role(issuer, now).is_some_and(|role| role.may_grant(invite.role))
    }

    /// True if somebody who was removed does not come back by a word that was given before, an Invite or a Password, if
    /// `admitter` lets it in.
    pub fn is_kept_out(&self, joiner: PeerId, admitter: &Standing, word: &ActId) -> bool {
        self.verdict.kept_out(&self.acts, joiner, admitter.grant.as_ref(), word).is_some()
    }

    /// True if an invitation of this key is in force. Who came by it may be as many as may: a use that is found not to count is
    /// free again.
    pub fn may_let_in(&self, key: PeerId, now: Timestamp) -> bool {
        let backed =
            |id: &ActId| self.verdict.invitation(id).is_some_and(|verdict| self.is_backed(id, verdict, now));
        self.invites(key).any(|(id, _, invite)| invite.not_after > now && backed(&id))
    }

    /// The ids of the invitations of this key.
    pub fn invite_ids(&self, key: PeerId) -> Vec<ActId> {
        self.invites(key).map(|(id, ..)| id).collect()
    }

    /// The invitations that can be used at `now`.
    pub fn open_invites(&self, now: Timestamp) -> Vec<OpenInvite> {
        let backed = self.verdict.invitations().filter(|(id, verdict)| self.is_backed(id, verdict, now));
        let open = backed.filter_map(|(id, verdict)| {
            let (invite, issuer) = self.invite(id)?;
            let used = verdict.admitted.len();
            let open = invite.not_after > now && used < invite.uses as usize;
            open.then(|| OpenInvite { invite: invite.clone(), issuer, used })
        });
        open.collect()
    }

    /// The identities that an invitation names as admitters; empty: every admitter.
    pub fn admitters_of(&self, key: PeerId, issuer: PeerId) -> &[PeerId] {
        self.invites_by(key, issuer).next().map_or(&[], |(_, invite)| &invite.admitters)
    }

    /// What a guest by an invitation can be given beside its role: the depth, and the end.
    pub fn limits_of_guests(&self, own: &Standing, invite: &ActId) -> (u8, Option<Timestamp>) {
        let issued = self.acts.get(invite).and_then(|act| act.by);
        let grant = issued.and_then(|by| self.verdict.grant(&self.acts.grant_named(&by)?));
        let depth = grant.map_or(self.rules.max_chain, |grant| grant.depth).min(own.depth);
        (depth.saturating_sub(1), issued.and_then(|by| self.verdict.end_of(&by)))
    }

    /// The password rule in force and its act; `None`: there is no password.
    pub fn password(&self) -> Option<(ActId, &Password)> {
        let id = self.verdict.password()?;
        match &self.acts.get(id)?.content {
            Content::Password(rule) if !rule.verifiers.is_empty() => Some((*id, rule)),
            _ => None,
        }
    }

    /// The verifiers of the password in force: by whom each can be opened. Of those that were passed on, by admins as far as they are
    /// still admins, the highest first: nobody can see what somebody sealed to another, so it goes when its author goes.
    pub fn verifiers(&self) -> impl Iterator<Item = (&PeerId, &[u8])> {
        let rule = self.password().map(|(_, rule)| &rule.verifiers);
        let mut passed_on: Vec<(Reverse<Role>, &Sealed)> = Vec::new();
        for act in self.verdict.passed_on().iter().filter_map(|id| self.acts.get(id)) {
            if let (Content::PassOn { verifiers, .. }, Some(role)) =
                (&act.content, self.highest_role(act.author))
                && role >= Role::Admin
            {
                passed_on.push((Reverse(role), verifiers));
            }
        }
        passed_on.sort_by_key(|(role, _)| *role);
        let all = rule.into_iter().chain(passed_on.into_iter().map(|(_, verifiers)| verifiers));
        all.flatten().map(|(peer, sealed)| (peer, sealed.as_slice()))
    }

    /// The highest role that an identity has by a grant in force, whatever the time is.
    fn highest_role(&self, peer: PeerId) -> Option<Role> {
        let granted = self.grants_in_force(peer).map(|(_, grant)| grant.role).max();
        if peer == self.creator { Some(Role::Owner) } else { granted }
    }
}
