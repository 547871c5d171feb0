//! Taking memberships back: what the removed wrote stays only if it is listed.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Engine, PublishError,
    listing::{Deed, ListingId},
};
use crate::{
    authority::{Content, Invite, Keep, Remove, issuer_proof},
    crypto::SecretKey,
    group::{CredentialFault, Standing},
    ids::PeerId,
    record::{RecordKey, RecordType, Role, SignedRecord},
    records::StoreError,
    time::Now,
    wire::Filter,
};

/// What becomes of what a removed member left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Removal {
    /// True to keep the records that are here; otherwise all of theirs go.
    pub keep_records: bool,
    /// True to remove those as well who are members by their word.
    pub with_branch: bool,
    /// True to undo all that they did as members, not only what this node had not seen.
    pub undo: bool,
}

impl Default for Removal {
    /// Records stay, and so do those whom they let in and all else that they did.
    fn default() -> Self {
        Self { keep_records: true, with_branch: false, undo: false }
    }
}

impl Engine {
    /// Removes a member. `None`: acknowledge after [`flush`](Engine::flush) succeeds. Otherwise listing what stays takes
    /// more steps, and [`Notice::Listed`](super::Notice::Listed) tells what came of it.
    ///
    /// # Errors
    /// [`PublishError::RemovesItself`], [`PublishError::TooManyToKeep`], and as [`issue`](Engine::issue); nothing was
    /// removed if the member itself could not be.
    pub fn remove(
        &mut self,
        now: Now,
        peer: PeerId,
        reason: &str,
        removal: Removal,
    ) -> Result<Option<ListingId>, PublishError> {
        self.check_standing()?;
        if peer == self.device.peer {
            return Err(PublishError::RemovesItself);
        }
        let (members, _) = self.own_with(|members, own| match removal.undo {
            true => members.may_undo(own, peer),
            false => members.may_end(own, peer, None),
        })?;
        let Removal { with_branch: branch, undo, .. } = removal;
        let reason = reason.into();
        if removal.keep_records {
            let mut of: BTreeSet<PeerId> = BTreeSet::from([peer]);
            of.extend(branch.then(|| members.branch_of(peer)).into_iter().flatten());
            return self.end_listing(now, Deed::Remove { peer, reason, branch, undo }, of);
        }
        let remove = Remove { subject: peer, reason, keep: Keep::default(), branch, undo };
        self.issue(now, Content::Remove(remove))?;
        self.pass_on_verifier(now);
        self.hasten_epochs();
        Ok(None)
    }

    /// True while a removal of several steps is under way, and no pause holds it up.
    pub fn is_listing(&self) -> bool {
        self.group.listings.is_due()
    }

    /// Leaves the group for good: everything written so far stays, and nothing can be written any more. `None`: acknowledge
    /// after [`flush`](Engine::flush) succeeds. Otherwise as for [`remove`](Self::remove).
    ///
    /// # Errors
    /// As [`issue`](Engine::issue); the creator cannot leave.
    pub fn resign(&mut self, now: Now) -> Result<Option<ListingId>, PublishError> {
        self.check_standing()?;
        self.own_standing()?;
        let me = self.device.peer;
        if self.genesis.as_ref().is_some_and(|genesis| genesis.creator == me) {
            return Err(CredentialFault::NotSenior.into());
        }
        self.end_listing(now, Deed::Leave, BTreeSet::from([me]))
    }

    /// Takes an invitation back. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`PublishError::Credential`] if it is not known, and as [`issue`](Engine::issue).
    pub fn revoke_invite(&mut self, now: Now, key: PeerId) -> Result<(), PublishError> {
        self.check_standing()?;
        let members = self.group.members.as_ref().ok_or(CredentialFault::NotAMember)?;
        let mut result = Err(CredentialFault::Malformed.into());
        for id in members.invite_ids(key) {
            let revoked = self.issue(now, Content::RevokeInvite(id));
            // Another's invitation that claims the same key may stand in the way of nothing.
            result = if result.is_ok() { result } else { revoked.map(drop) };
        }
        result
    }

    /// Gives a member another role. A higher one is granted beside the old; a lower one takes the place of the higher, and
    /// what was written by right stays. `None`: acknowledge after [`flush`](Engine::flush) succeeds. Otherwise as for
    /// [`remove`](Self::remove).
    ///
    /// # Errors
    /// As [`issue`](Engine::issue); [`CredentialFault::NotAMember`] if it is none, [`PublishError::TooManyToKeep`].
    pub fn set_role(
        &mut self,
        now: Now,
        peer: PeerId,
        role: Role,
    ) -> Result<Option<ListingId>, PublishError> {
        self.check_standing()?;
        match self.demoted_from(now, peer, role)? {
            Some(old) => {
                self.draft_role(now, &old, role)?;
                self.end_listing(now, Deed::Demote { peer, role }, BTreeSet::from([peer]))
            }
            None => self.raise_role(now, peer, role).map(|()| None),
        }
    }

    /// What a demotion to this role takes the place of; `None` if the member has no higher one.
    pub(super) fn demoted_from(
        &self,
        now: Now,
        peer: PeerId,
        role: Role,
    ) -> Result<Option<Standing>, PublishError> {
        let members = self.own_standing()?.0;
        let theirs = members.member(peer, self.peer_time(now)).ok_or(CredentialFault::NotAMember)?;
        if role >= theirs.role {
            return Ok(None);
        }
        self.own_with(|members, own| members.may_end(own, peer, Some(role)))?;
        Ok(Some(theirs))
    }

    /// Gives a member a higher role, if it has it not yet.
    pub(super) fn raise_role(&mut self, now: Now, peer: PeerId, role: Role) -> Result<(), PublishError> {
        let members = self.own_standing()?.0;
        let theirs = members.member(peer, self.peer_time(now)).ok_or(CredentialFault::NotAMember)?;
        if theirs.role == role {
            return Ok(());
        }
        let grant = self.draft_role(now, &theirs, role)?;
        self.give(now, grant).map(drop)
    }

    /// Makes an invitation known for whoever has this key. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// As [`issue`](Engine::issue).
    pub fn invite(
        &mut self,
        now: Now,
        key: &SecretKey,
        role: Role,
        uses: u32,
        (valid, lifetime): (Duration, Option<Duration>),
        admitters: Vec<PeerId>,
    ) -> Result<Invite, PublishError> {
        self.check_standing()?;
        let first = self.own_standing()?.1;
        let own = self.group.standings.iter().find(|own| own.may_give(role)).unwrap_or(first);
        let end = self.peer_time(now) + valid;
        let not_after = own.not_after.map_or(end, |limit| limit.min(end));
        let lifetime_ms = lifetime.map(|l| u64::try_from(l.as_millis()).unwrap_or(u64::MAX));
        let proof = issuer_proof(key, &self.graph, &self.device.peer);
        let invite = Invite { key: key.peer(), role, uses, not_after, lifetime_ms, admitters, proof };
        self.issue(now, Content::Invite(invite.clone()))?;
        Ok(invite)
    }

    /// All acts as signed records, for keeping elsewhere: who let whom in, and who removed whom.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn credentials(&self) -> Result<Vec<SignedRecord>, StoreError> {
        let only = Filter::Only(RecordType::credential());
        let (envelopes, _) = self.store.envelopes(&only, RecordKey::MIN, None, usize::MAX)?;
        Ok(envelopes.into_iter().filter_map(|b| SignedRecord::decode_stored(&self.graph, b).ok()).collect())
    }
}
