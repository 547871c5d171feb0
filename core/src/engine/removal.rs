//! Taking memberships back: what the removed wrote stays only if it is listed.

use std::time::Duration;

use super::{Engine, PublishError};
use crate::{
    group::{Credential, CredentialFault, CredentialId, Invite, Keep, Revoke, Revoked, credential_id},
    ids::{ElementId, NodeId, PeerId},
    limits::MAX_KEEP,
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
}

impl Default for Removal {
    /// Records stay, and so do those whom they let in.
    fn default() -> Self {
        Self { keep_records: true, with_branch: false }
    }
}

impl Engine {
    /// Removes a member. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`PublishError::RemovesItself`], and as [`issue`](Engine::issue); nothing was removed if the member itself could
    /// not be.
    pub fn remove(
        &mut self,
        now: Now,
        peer: PeerId,
        reason: &str,
        removal: Removal,
    ) -> Result<(), PublishError> {
        self.check_standing()?;
        let members = self.group.members.as_ref().ok_or(CredentialFault::NotAMember)?;
        let branch = if removal.with_branch { members.branch_of(peer) } else { Vec::new() };
        self.remove_one(now, peer, reason, removal)?;
        for below in branch {
            // Removed with the first already, if nobody else let them in; this keeps what they wrote.
            if let Err(error) = self.remove_one(now, below, reason, Removal { with_branch: false, ..removal })
            {
                tracing::debug!(%error, peer = %below.short(), "not removed with their branch");
            }
        }
        self.pass_on_verifier(now);
        self.hasten_epochs();
        Ok(())
    }

    fn remove_one(
        &mut self,
        now: Now,
        peer: PeerId,
        reason: &str,
        removal: Removal,
    ) -> Result<(), PublishError> {
        if peer == self.device.peer {
            return Err(PublishError::RemovesItself);
        }
        let mut kept = self.written_by(peer, removal)?;
        kept.sort_unstable();
        let target = Revoked::Peer(peer);
        // Checked before lists are published for nothing.
        self.may_issue(&Credential::Revoke(Revoke {
            target,
            reason: reason.into(),
            keep: Keep::List { elements: Vec::new(), more: Vec::new() },
        }))?;
        let mut more: Vec<CredentialId> = Vec::new();
        while kept.len() > MAX_KEEP {
            let rest = kept.split_off(MAX_KEEP);
            let list = self.issue(now, &Credential::Keep(std::mem::replace(&mut kept, rest)))?;
            more.push(credential_id(&list));
        }
        let keep = Keep::List { elements: kept, more };
        self.issue(now, &Credential::Revoke(Revoke { target, reason: reason.into(), keep }))?;
        Ok(())
    }

    fn may_issue(&self, credential: &Credential) -> Result<(), CredentialFault> {
        let members = self.group.members.as_ref().ok_or(CredentialFault::NotAMember)?;
        let own = self.group.own.as_ref().ok_or(CredentialFault::NotAMember)?;
        members.may_issue(self.device.peer, own, credential)
    }

    /// The records and credentials of an identity that are to stay.
    fn written_by(&self, peer: PeerId, removal: Removal) -> Result<Vec<ElementId>, StoreError> {
        let (mut from, mut found) = (RecordKey::MIN, Vec::new());
        loop {
            let keys = self.store.keys(&Filter::All, from, None, BATCH)?;
            for key in &keys {
                let Some(record) = self.store.fetch(key)?.filter(|r| r.header().author() == peer) else {
                    continue;
                };
                let stays = match record.header().record_type.as_str() {
                    RecordType::PRESENCE => false,
                    // They open what others wrote.
                    RecordType::CREDENTIAL if carries_keys(&record) => true,
                    // What they let in falls with them, or is taken back one by one with what it wrote kept.
                    RecordType::CREDENTIAL => !removal.with_branch || removal.keep_records,
                    _ => removal.keep_records,
                };
                if stays {
                    found.push(key.element);
                }
            }
            match keys.last() {
                Some(last) if keys.len() == BATCH => from = last.next(),
                _ => return Ok(found),
            }
        }
    }

    /// Leaves the group for good: everything written so far stays. Acknowledge only after
    /// [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// As [`issue`](Engine::issue); the creator cannot leave.
    pub fn resign(&mut self, now: Now) -> Result<(), PublishError> {
        self.check_standing()?;
        let me = self.device.peer;
        if self.genesis.as_ref().is_some_and(|genesis| genesis.creator == me) {
            return Err(CredentialFault::NotSenior.into());
        }
        self.withdraw_presence(now)?;
        let revoke = Revoke { target: Revoked::Peer(me), reason: String::new(), keep: Keep::Earlier };
        self.issue(now, &Credential::Revoke(revoke))?;
        Ok(())
    }

    /// Takes one device back. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// As [`issue`](Engine::issue).
    pub fn revoke_device(&mut self, now: Now, peer: PeerId, node: NodeId) -> Result<(), PublishError> {
        self.revoke(now, Revoked::Device(peer, node))
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
            let revoked = self.revoke(now, Revoked::Invite(id));
            // Another's invitation that claims the same key may stand in the way of nothing.
            result = if result.is_ok() { result } else { revoked };
        }
        result
    }

    fn revoke(&mut self, now: Now, target: Revoked) -> Result<(), PublishError> {
        let keep = Keep::List { elements: Vec::new(), more: Vec::new() };
        self.issue(now, &Credential::Revoke(Revoke { target, reason: String::new(), keep }))?;
        Ok(())
    }

    /// Gives a member another role. A higher one is granted beside the old; for a lower one the old is taken back,
    /// which keeps what was written. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// As [`issue`](Engine::issue); [`CredentialFault::NotAMember`] if it is none.
    pub fn set_role(&mut self, now: Now, peer: PeerId, role: Role) -> Result<(), PublishError> {
        self.check_standing()?;
        let peer_now = self.peer_time(now);
        let members = self.group.members.as_ref().ok_or(CredentialFault::NotAMember)?;
        let theirs = members.member(peer, peer_now).ok_or(CredentialFault::NotAMember)?;
        if theirs.role == role {
            return Ok(());
        }
        let old = members.grant_of(&theirs).cloned().ok_or(CredentialFault::NotSenior)?;
        if role < theirs.role {
            self.remove_one(now, peer, "another role", Removal::default())?;
        }
        let lifetime = old.not_after.map(|end| end.since(old.not_before)).filter(|_| old.renew);
        self.grant(now, peer, &old.name, role, lifetime)?;
        Ok(())
    }

    /// Makes an invitation known for whoever has its key. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// As [`issue`](Engine::issue).
    pub fn invite(
        &mut self,
        now: Now,
        key: PeerId,
        role: Role,
        uses: u32,
        (valid, lifetime): (Duration, Option<Duration>),
        admitters: Vec<PeerId>,
    ) -> Result<Invite, PublishError> {
        self.check_standing()?;
        let own = self.group.own.as_ref().ok_or(CredentialFault::NotAMember)?;
        let end = self.peer_time(now) + valid;
        let not_after = own.not_after.map_or(end, |limit| limit.min(end));
        let lifetime_ms = lifetime.map(|l| u64::try_from(l.as_millis()).unwrap_or(u64::MAX));
        let invite = Invite { key, role, uses, not_after, lifetime_ms, admitters };
        self.issue(now, &Credential::Invite(invite.clone()))?;
        Ok(invite)
    }

    /// All credentials as signed records, for keeping elsewhere: who let whom in, and who removed whom.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn credentials(&self) -> Result<Vec<SignedRecord>, StoreError> {
        let only = Filter::Only(RecordType::credential());
        let (envelopes, _) = self.store.envelopes(&only, RecordKey::MIN, None, usize::MAX)?;
        Ok(envelopes.into_iter().filter_map(|b| SignedRecord::decode_stored(&self.graph, b).ok()).collect())
    }
}

fn carries_keys(record: &SignedRecord) -> bool {
    matches!(Credential::of(record), Some(Credential::Epoch(_) | Credential::EpochKeys(_)))
}

/// Records looked at in one step.
const BATCH: usize = 1024;
