//! Taking memberships back: what the removed wrote stays only if it is listed.

use std::{collections::BTreeSet, time::Duration};

use super::{Engine, PublishError};
use crate::{
    authority::{Content, Invite, Keep, KeepChunk, Remove},
    group::CredentialFault,
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
        if peer == self.device.peer {
            return Err(PublishError::RemovesItself);
        }
        let (members, own) = self.own_standing()?;
        if removal.undo {
            members.may_undo(own, peer)?
        } else {
            members.may_end(own, peer, None)?
        }
        let mut of = if removal.with_branch { members.branch_of(peer) } else { Vec::new() };
        of.push(peer);
        let (keep, chunks) = match removal.keep_records {
            true => self.records_of(&of.into_iter().collect(), |_, _| true)?,
            false => (Keep::default(), Vec::new()),
        };
        let Removal { with_branch: branch, undo, .. } = removal;
        let remove = Remove { subject: peer, reason: reason.into(), keep, branch, undo };
        self.issue_keeping(now, Content::Remove(remove), &chunks)?;
        self.pass_on_verifier(now);
        self.hasten_epochs();
        Ok(())
    }

    /// The list of what identities wrote and made, as far as it `stays`.
    fn records_of(
        &self,
        of: &BTreeSet<PeerId>,
        stays: impl Fn(&Self, &SignedRecord) -> bool,
    ) -> Result<(Keep, Vec<KeepChunk>), StoreError> {
        let (mut versions, mut made) = (Vec::new(), Vec::new());
        let mut add = |record: &SignedRecord| {
            let header = record.header();
            // Acts stand by their past, and presence ends with the membership.
            let counts =
                ![RecordType::CREDENTIAL, RecordType::PRESENCE].contains(&header.record_type.as_str());
            if !counts || !stays(self, record) {
                return;
            }
            if of.contains(&header.author()) {
                versions.push(record.key().element);
            }
            if of.contains(&header.creator) {
                made.push(record.id());
            }
        };
        for key in self.store.losers() {
            self.store.loser(&key)?.iter().for_each(&mut add);
        }
        let mut from = RecordKey::MIN;
        loop {
            let keys = self.store.keys(&Filter::All, from, None, BATCH)?;
            for key in &keys {
                self.store.fetch(key)?.iter().for_each(&mut add);
            }
            match keys.last() {
                Some(last) if keys.len() == BATCH => from = last.next(),
                _ => return Ok(Keep::list(versions, made)),
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
        let (keep, chunks) = self.records_of(&BTreeSet::from([me]), |_, _| true)?;
        self.issue_keeping(now, Content::Leave(keep), &chunks)?;
        Ok(())
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
    /// what was written by right stays. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// As [`issue`](Engine::issue); [`CredentialFault::NotAMember`] if it is none.
    pub fn set_role(&mut self, now: Now, peer: PeerId, role: Role) -> Result<(), PublishError> {
        self.check_standing()?;
        let (members, own) = self.own_standing()?;
        let theirs = members.member(peer, self.peer_time(now)).ok_or(CredentialFault::NotAMember)?;
        if theirs.role == role {
            return Ok(());
        }
        let old = members.grant_of(&theirs).cloned().ok_or(CredentialFault::NotSenior)?;
        let mut chunks = Vec::new();
        let mut grant = self.draft_role(now, &old, role)?;
        if role < theirs.role {
            members.may_end(own, peer, Some(role))?;
            let needs_more = |engine: &Self, record: &SignedRecord| {
                engine.membership().is_some_and(|members| members.needs_more_than(record, role))
            };
            let (keep, listed) = self.records_of(&BTreeSet::from([peer]), needs_more)?;
            (grant.demotes, chunks) = (Some(keep), listed);
        }
        self.give(now, grant, &chunks)?;
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
        let own = self.own_standing()?.1;
        let end = self.peer_time(now) + valid;
        let not_after = own.not_after.map_or(end, |limit| limit.min(end));
        let lifetime_ms = lifetime.map(|l| u64::try_from(l.as_millis()).unwrap_or(u64::MAX));
        let invite = Invite { key, role, uses, not_after, lifetime_ms, admitters };
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

/// Records looked at in one step.
const BATCH: usize = 1024;
