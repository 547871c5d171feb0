//! What a clock that was ahead has stamped: signed anew once the clock is right.
//!
//! A version stamped too far ahead was accepted by no node whose clock is right. As soon as the neighbors' clocks agree
//! with this machine's, and the database was compared with one of theirs, this node signs its own such versions again,
//! with the time of now, and sends them. Each step is one transaction, and what is done is not ahead any more: a crash
//! in between leaves the rest to the next start. Others' versions that are ahead stay until their authors do the same.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Engine,
    ingest::{Source, Staged},
    unsent::Unsent,
};
use crate::{
    group::{Credential, CredentialId, Keep, Revoked, credential_id},
    ids::LinkId,
    limits::{SKEW_ADMIT, SKEW_HOLD},
    record::{Header, RecordKey, RecordType, SignedRecord},
    records::{Put, StoreError, VerifiedRecord, admit_own},
    time::{Hlc, Mono, Now, Timestamp},
    wire::Filter,
};

/// Records looked at in one step.
const BATCH: usize = 256;
/// How long the neighbors have to confirm a clock that was set.
const UNSURE: Duration = Duration::from_secs(10);

/// How far the engine is in mending what a wrong clock stamped.
#[derive(Debug)]
pub(super) struct ClockState {
    /// Since when the neighbors' clocks have agreed with this machine's, in peer time.
    confirmed: Option<Timestamp>,
    /// True once a comparison that began after that is over.
    compared: bool,
    /// Where to look for versions from ahead of time, if there may be any.
    from: Option<RecordKey>,
    /// True if databases are to be compared again once the clock is confirmed: what was refused by it may fit now.
    compare: bool,
    /// Until then the clock counts as wrong, unless a neighbor confirms it: it has just been set.
    unsure: Option<Mono>,
    /// What nobody else may have yet, until the clock is confirmed.
    pub(super) unsent: Option<Unsent>,
}

impl Default for ClockState {
    fn default() -> Self {
        let from = Some(RecordKey::MIN);
        Self { confirmed: None, compared: false, from, compare: false, unsure: None, unsent: None }
    }
}

impl ClockState {
    /// Versions from ahead of time may be here.
    pub(super) const fn look_again(&mut self) {
        self.from = Some(RecordKey::MIN);
        self.compare = true;
    }

    /// The clock was set, to what may be right or wrong.
    pub(super) fn was_set(&mut self, now: Mono) {
        self.look_again();
        self.unsure = Some(now + UNSURE);
    }

    pub(super) const fn is_unsure(&self) -> bool {
        self.unsure.is_some()
    }

    pub(super) const fn next(&self) -> Option<Mono> {
        self.unsure
    }

    /// A whole comparison is over that began then.
    pub(super) fn compared(&mut self, began: Timestamp) {
        self.compared |= self.confirmed.is_some_and(|since| began >= since);
    }
}

impl Engine {
    /// True if no node with the right clock can have accepted a version of this time. Two minutes are left for what the
    /// nodes' clocks differ.
    pub(super) fn is_far_ahead(&self, now: Now, hlc: Hlc) -> bool {
        hlc.timestamp() > self.graph_time(now) + SKEW_HOLD + SKEW_ADMIT
    }

    /// Follows whether this machine's clock is known to be right.
    pub(super) fn confirm_clock(&mut self, now: Now) {
        let confirmed = self.overlay.is_clock_confirmed();
        if confirmed || self.clock.unsure.is_some_and(|until| until <= now.mono) {
            self.clock.unsure = None;
        }
        if confirmed == self.clock.confirmed.is_some() {
            return;
        }
        self.clock.confirmed = confirmed.then(|| self.peer_time(now));
        self.clock.compared = false;
        if confirmed {
            self.clock.unsent = None;
            self.correct_freshness(now);
        }
        let ahead = self.next_ahead(now).is_ok_and(|keys| !keys.is_empty());
        if confirmed && (std::mem::take(&mut self.clock.compare) || ahead) {
            // What others wrote meanwhile must be known before anything is signed anew.
            let links: Vec<LinkId> = self.links.keys().copied().collect();
            links.into_iter().for_each(|link| self.overlay.compare_again(now, link));
        }
    }

    /// The next versions from ahead of time.
    fn next_ahead(&self, now: Now) -> Result<Vec<RecordKey>, StoreError> {
        let Some(from) = self.clock.from else { return Ok(Vec::new()) };
        let ahead =
            RecordKey { hlc: Hlc::at(self.graph_time(now) + SKEW_HOLD + SKEW_ADMIT), ..RecordKey::MIN };
        self.store.keys(&Filter::All, from.max(ahead), None, BATCH)
    }

    /// Signs anew what is from ahead of time, if the clock is known to be right.
    pub(super) fn mend_stamps(&mut self, now: Now) -> Result<(), StoreError> {
        let ready = self.clock.from.is_some() && self.clock.confirmed.is_some() && self.clock.compared;
        if !ready || self.genesis.is_none() || self.leaving {
            return Ok(());
        }
        let keys = self.next_ahead(now)?;
        let mut own = Vec::new();
        for key in &keys {
            let record = self.store.fetch(key)?;
            own.extend(record.filter(|record| record.header().author() == self.device.peer));
        }
        if !own.is_empty() {
            tracing::warn!(
                graph = %self.graph.short(),
                count = own.len(),
                "written while this machine's clock was ahead: signed anew and sent now"
            );
        }
        let mut renamed = BTreeMap::new();
        for record in own {
            if record.header().record_type == RecordType::CREDENTIAL {
                self.reissue(now, &record, &mut renamed)?;
            } else {
                self.restamp(now, &record, None)?;
            }
        }
        self.clock.from = keys.last().filter(|_| keys.len() == BATCH).map(RecordKey::next);
        Ok(())
    }

    /// The version from ahead of time, which others cannot have, against which alone another one lost.
    pub(super) fn overruled(&self, now: Now, put: &Put) -> Option<SignedRecord> {
        let Put::Older { newer } = put else { return None };
        let ahead = self.clock.confirmed.is_some() && self.is_far_ahead(now, newer.header().hlc);
        ahead.then(|| newer.clone())
    }

    /// Puts that other one in its place. If the one from ahead of time is our own, it is then [signed
    /// anew](Self::restamp) as the next version.
    pub(super) fn overrule(
        &mut self,
        record: &VerifiedRecord,
        ahead: &SignedRecord,
    ) -> Result<Put, StoreError> {
        self.store.discard(&ahead.key())?;
        self.store.put(record)
    }

    /// Signs a version of our own anew. `over`: a version of another that has taken its place meanwhile.
    pub(super) fn restamp(
        &mut self,
        now: Now,
        old: &SignedRecord,
        over: Option<&SignedRecord>,
    ) -> Result<(), StoreError> {
        let header = old.header();
        if header.record_type == RecordType::PRESENCE {
            self.store.discard(&old.key())?;
            self.meta_written = true;
            self.presence.touch(now);
            return Ok(());
        }
        let hlc = self.stamper.tick(self.peer_time(now));
        let at = hlc.timestamp();
        // What begins with this version keeps the length of its life.
        let moved = header.hlc.timestamp().since(at);
        let expires = header.expires.map(|end| if header.version == 1 { end - moved } else { end });
        if expires.is_some_and(|end| end <= at) {
            // Its time is over, though by the wrong clock it is not.
            self.expired.extend(self.store.withdraw(&old.key())?);
            self.meta_written = true;
            return Ok(());
        }
        let next = Header {
            hlc,
            expires,
            created: header.created.min(at),
            version: over.map_or(0, |over| over.header().version.saturating_add(1)).max(header.version),
            grant: self.group.own_grant().or(header.grant),
            ..header.clone()
        };
        let signed = self.stamper.sign(next, &old.body());
        let Some(genesis) = &self.genesis else { return Ok(()) };
        let verified = match admit_own(signed, None, genesis, self.policy()) {
            Ok(verified) => verified,
            Err(reason) => {
                tracing::warn!(record = %old.id().short(), %reason, "not signed anew: it would not hold");
                return Ok(());
            }
        };
        if over.is_none() {
            self.store.discard(&old.key())?;
        }
        let put = self.store.put(&verified)?;
        let kept = match over {
            Some(_) => self.keep_loser(now, verified.signed(), &put)?,
            None => None,
        };
        self.own_write(hlc);
        let (put, source) = match (put, over) {
            // To subscribers it is another version of what was here, and to nobody a conflict.
            (Put::Inserted { lsn }, None) => {
                let version = verified.signed().header().version;
                (Put::Replaced { lsn, older: old.clone(), version }, Source::Restamped)
            }
            (put, _) => (put, Source::Local),
        };
        self.staged.push(Staged { record: verified, put, source, kept });
        Ok(())
    }

    /// Issues a credential of our own anew, its period moved with it. Others of ours that name it follow.
    fn reissue(
        &mut self,
        now: Now,
        old: &SignedRecord,
        renamed: &mut BTreeMap<CredentialId, CredentialId>,
    ) -> Result<(), StoreError> {
        let Some(mut credential) = Credential::of(old) else { return Ok(()) };
        let hlc = self.stamper.tick(self.peer_time(now));
        let moved = old.header().hlc.timestamp().since(hlc.timestamp());
        let current = |id: &mut CredentialId| *id = renamed.get(id).copied().unwrap_or(*id);
        match &mut credential {
            Credential::Grant(grant) => {
                grant.not_before = grant.not_before - moved;
                grant.not_after = grant.not_after.map(|end| end - moved);
                grant.invite.as_mut().map(current);
            }
            Credential::Invite(invite) => invite.not_after = invite.not_after - moved,
            Credential::Revoke(revoke) => {
                if let Keep::List { more, .. } = &mut revoke.keep {
                    more.iter_mut().for_each(current);
                }
                match &mut revoke.target {
                    Revoked::Grant(id) | Revoked::Invite(id) => current(id),
                    Revoked::Peer(_) | Revoked::Device(..) => {}
                }
            }
            Credential::Keep(_)
            | Credential::Password(_)
            | Credential::Epoch(_)
            | Credential::EpochKeys(_) => {}
        }
        let me = self.device.peer;
        let grant = self.group.own_grant().or_else(|| old.header().grant);
        let nonce = credential.nonce(hlc, grant);
        let header = Header { grant, ..Header::first(RecordType::credential(), nonce, me, hlc) };
        let signed = self.stamper.sign(header, &credential.encode());
        let id = credential_id(old);
        // Out of the way, so that an invitation is not used up twice.
        self.store.discard(&old.key())?;
        if let Some(members) = &mut self.group.members {
            members.forget(&[id]);
        }
        renamed.insert(id, credential_id(&signed));
        match self.put_credential(now, signed, Source::Local) {
            Ok(()) => Ok(()),
            Err(super::PublishError::Store(error)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "a credential from ahead of time could not be issued anew");
                Ok(())
            }
        }
    }
}
