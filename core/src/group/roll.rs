//! Questions about members: who there is, what one may issue, what one shows others.

use super::{
    Credential, CredentialFault, CredentialId, Grant, Invite, Membership, Revoked, Standing, credential_id,
    membership::Entry,
    revocation::{Revocations, is_senior},
};
use crate::{
    ids::{ElementId, PeerId},
    record::{RecordKey, Role, SignedRecord},
    time::Timestamp,
};

/// Why somebody cannot come by an invitation.
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
    /// As many came as may.
    #[error("the invitation was used up")]
    UsedUp,
    /// Others are named to let people in by it.
    #[error("this node may not admit anyone by this invitation")]
    NotAdmitter,
}

impl Membership {
    /// Checks what somebody is about to issue, by what they are now.
    ///
    /// # Errors
    /// [`CredentialFault`].
    pub fn may_issue(
        &self,
        issuer: PeerId,
        standing: &Standing,
        credential: &Credential,
    ) -> Result<(), CredentialFault> {
        self.vet_content(issuer, standing, credential)?;
        let Credential::Revoke(revoke) = credential else { return Ok(()) };
        match revoke.target {
            Revoked::Peer(peer) if peer == issuer => Ok(()),
            Revoked::Peer(peer) => {
                let mut grants = self.grants(peer).filter(|entry| self.is_standing(entry)).peekable();
                if grants.peek().is_none() && peer != self.creator {
                    return Err(CredentialFault::NotAMember);
                }
                // A removal that leaves a grant standing would be none.
                let all = grants.peek().is_some() && grants.all(|e| is_senior(self, issuer, standing, e));
                if all { Ok(()) } else { Err(CredentialFault::NotSenior) }
            }
            Revoked::Grant(id) => match self.entries.get(&id) {
                Some(entry) if is_senior(self, issuer, standing, entry) => Ok(()),
                _ => Err(CredentialFault::NotSenior),
            },
            Revoked::Invite(id) => {
                let own = self.entries.get(&id).is_some_and(|entry| entry.issuer == issuer);
                if own || standing.role >= Role::Admin { Ok(()) } else { Err(CredentialFault::NotSenior) }
            }
            Revoked::Device(peer, _) => {
                let may = peer == issuer || (standing.role >= Role::Admin && peer != self.creator);
                if may { Ok(()) } else { Err(CredentialFault::NotSenior) }
            }
        }
    }

    /// Everybody who is a member now: identity, name, standing, who let them in.
    pub fn list(&self, now: Timestamp) -> Vec<(PeerId, String, Standing, Option<PeerId>)> {
        let listed = self.peers().into_iter().filter_map(|peer| {
            let standing = self.member(peer, now)?;
            let entry = standing.grant.and_then(|id| self.entries.get(&id));
            let name = self.name_of(&standing).to_owned();
            Some((peer, name, standing, entry.map(|entry| entry.issuer)))
        });
        listed.collect()
    }

    /// The latest of an identity's grants that was not taken back, though it may have ended.
    pub fn last_standing(&self, peer: PeerId) -> Option<Standing> {
        let standing = self.grants(peer).filter(|entry| self.is_standing(entry));
        let latest = standing.max_by_key(|entry| (entry.hlc, entry.element))?;
        Some(Standing::of(latest, latest.grant()?))
    }

    /// When the latest credential was issued that is not by this identity: it is not earlier now, whatever a clock shows.
    pub fn latest_word(&self, except: PeerId) -> Timestamp {
        let others = self.entries.values().filter(|entry| entry.issuer != except);
        others.map(|entry| entry.hlc.timestamp()).max().unwrap_or_default()
    }

    /// The grant behind a standing.
    pub fn grant_of(&self, standing: &Standing) -> Option<&Grant> {
        self.entries.get(&standing.grant?)?.grant()
    }

    /// The name that a member's issuer gave it; empty if none.
    pub fn name_of(&self, standing: &Standing) -> &str {
        self.grant_of(standing).map_or(&self.rules.creator_name, |grant| &grant.name)
    }

    /// The records that show a standing: the grants from the creator's down.
    pub fn chain_keys(&self, standing: &Standing) -> Vec<RecordKey> {
        let entries = standing.chain.iter().filter_map(|id| self.entries.get(id));
        entries.map(|entry| RecordKey { hlc: entry.hlc, element: entry.element }).collect()
    }

    /// When time alone next makes or ends a membership.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let grants = self.entries.values().filter_map(Entry::grant);
        grants
            .flat_map(|grant| [Some(grant.not_before), grant.not_after])
            .flatten()
            .filter(|at| *at > now)
            .min()
    }

    /// True if an identity were a member with these grants as well. Their signatures are good. Leaves everything as
    /// it was, at the cost of the grants shown, not of the group's size: strangers may ask.
    pub fn would_be_member(&mut self, peer: PeerId, more: &[&SignedRecord], now: Timestamp) -> bool {
        let mut added = Vec::new();
        let mut by_invitation = false;
        let fit = more.iter().all(|record| match self.vet(record) {
            Ok(Credential::Grant(grant)) => {
                by_invitation |= grant.invite.is_some();
                let id = credential_id(record);
                if !self.has(&id) {
                    self.enter(record);
                    added.push(id);
                }
                true
            }
            // Nothing else makes anybody a member.
            _ => false,
        });
        // How many came by an invitation is the one thing about revocations that a grant changes.
        let anew = (fit && by_invitation).then(|| Revocations::of(self));
        let before = anew.map(|anew| std::mem::replace(&mut self.revocations, anew));
        let good = fit && self.member(peer, now).is_some();
        for id in &added {
            self.remove(id);
        }
        if let Some(before) = before {
            self.revocations = before;
        }
        good
    }

    /// True if an identity is or was a member.
    pub fn knows(&self, peer: PeerId) -> bool {
        peer == self.creator || self.grants(peer).next().is_some()
    }

    /// Who took an identity's membership back; `None` if nobody did.
    pub fn end_of(&self, peer: PeerId) -> Option<PeerId> {
        let latest = self.grants(peer).max_by_key(|entry| (entry.hlc, entry.element))?;
        self.revoker(latest)
    }

    /// True if an identity was removed by somebody else, and not let in again.
    pub fn was_removed(&self, peer: PeerId) -> bool {
        self.end_of(peer).is_some_and(|by| by != peer)
    }

    /// The invitation of this key, if somebody can come by it now with the help of `admitter`.
    ///
    /// # Errors
    /// [`InviteFault`].
    pub fn usable_invite(
        &self,
        key: PeerId,
        admitter: PeerId,
        now: Timestamp,
    ) -> Result<(CredentialId, &Invite), InviteFault> {
        let mut fault = None;
        for (entry, invite) in self.invites(key) {
            match self.check_invite(entry, invite, admitter, now) {
                Ok(()) => return Ok((entry.id, invite)),
                Err(why) => fault = fault.or(Some(why)),
            }
        }
        Err(fault.unwrap_or(InviteFault::Unknown))
    }

    fn check_invite(
        &self,
        entry: &Entry,
        invite: &Invite,
        admitter: PeerId,
        now: Timestamp,
    ) -> Result<(), InviteFault> {
        if !self.is_backed(entry, invite, now) {
            return Err(InviteFault::Revoked);
        }
        if invite.not_after <= now {
            return Err(InviteFault::Expired);
        }
        if self.uses(&entry.id) >= invite.uses as usize {
            return Err(InviteFault::UsedUp);
        }
        if !invite.admitters.is_empty() && !invite.admitters.contains(&admitter) {
            return Err(InviteFault::NotAdmitter);
        }
        Ok(())
    }

    /// True if an invitation was not taken back, and whoever made it may still give what it gives: the removed must
    /// not come in again by a link they kept.
    fn is_backed(&self, entry: &Entry, invite: &Invite, now: Timestamp) -> bool {
        let may = |standing: Standing| standing.role.may_grant(invite.role);
        !self.is_invite_revoked(&entry.id) && self.member(entry.issuer, now).is_some_and(may)
    }

    /// The ids of the invitations of this key.
    pub fn invite_ids(&self, key: PeerId) -> Vec<CredentialId> {
        self.invites(key).into_iter().map(|(entry, _)| entry.id).collect()
    }

    /// The invitations that can still be used: key, invitation, issuer, and how many came by it.
    pub fn open_invites(&self, now: Timestamp) -> Vec<(PeerId, Invite, PeerId, usize)> {
        let invites = self.entries.values().filter_map(|entry| Some((entry, entry.invite()?)));
        let open = invites.filter(|(entry, invite)| {
            let uses = self.uses(&entry.id);
            self.is_backed(entry, invite, now) && invite.not_after > now && uses < invite.uses as usize
        });
        open.map(|(entry, invite)| (invite.key, invite.clone(), entry.issuer, self.uses(&entry.id))).collect()
    }

    /// Who is named to let people in by an invitation; empty: whoever may let in.
    pub fn admitters_of(&self, key: PeerId) -> &[PeerId] {
        self.invites(key).first().map_or(&[], |(_, invite)| &invite.admitters)
    }

    /// Those who may let others in now.
    pub fn admitters(&self, now: Timestamp) -> Vec<PeerId> {
        let may = |peer: &PeerId| self.member(*peer, now).is_some_and(|s| s.role >= Role::Inviter);
        self.peers().into_iter().filter(may).collect()
    }

    /// Those whom somebody of this standing removes together with a member, because they came by it.
    pub fn branch_of(&self, peer: PeerId) -> Vec<PeerId> {
        let below = self.entries.values().filter(|entry| self.is_standing(entry)).filter(|entry| {
            let above = entry.chain.split_last().map_or(&[][..], |(_, above)| above);
            above.iter().filter_map(|id| self.entries.get(id)?.grant()).any(|grant| grant.subject == peer)
        });
        let mut found: Vec<PeerId> = below.filter_map(|entry| Some(entry.grant()?.subject)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The credentials that an identity issued.
    pub fn issued_by(&self, peer: PeerId) -> Vec<ElementId> {
        self.entries.values().filter(|entry| entry.issuer == peer).map(|entry| entry.element).collect()
    }

    /// Memberships that whoever has this standing should renew now: past half of their time, and still standing.
    pub fn due_for_renewal(&self, me: PeerId, standing: &Standing, now: Timestamp, at: f64) -> Vec<Grant> {
        let due = self.peers().into_iter().filter_map(|peer| {
            let theirs = self.member(peer, now)?;
            let grant = self.grant_of(&theirs)?;
            let end = grant.not_after?;
            let whole = end.since(grant.not_before);
            let left = end.since(now);
            let due =
                grant.renew && left < whole.mul_f64(at) && peer != me && standing.role.may_grant(grant.role);
            due.then(|| grant.clone())
        });
        due.collect()
    }
}
