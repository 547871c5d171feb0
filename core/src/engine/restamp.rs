//! What a clock that was ahead has stamped: signed anew once the clock is right.
//!
//! A version stamped too far ahead was accepted by no node whose clock is right. As soon as the neighbors' clocks agree
//! with this machine's, and the database was compared with one of theirs, this node signs its own such versions again,
//! with the time of now, and sends them. Each step is one transaction, and what is done is not ahead any more: a crash
//! in between leaves the rest to the next start. Others' versions that are ahead stay until their authors do the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Engine, PublishError,
    ingest::{Source, Staged},
    unsent::Unsent,
};
use crate::{
    authority::{Act, Content, KeepChunk},
    ids::{ActId, LinkId},
    limits::{SKEW_ADMIT, SKEW_HOLD},
    record::{Header, Origin, RecordKey, RecordType, SignedRecord},
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
            let record = match self.store.fetch(key) {
                Err(StoreError::Damaged(_)) => {
                    self.check_all_again();
                    None
                }
                found => found?,
            };
            own.extend(record.filter(|record| record.header().author() == self.device.peer));
        }
        if !own.is_empty() {
            tracing::warn!(
                graph = %self.graph.short(),
                count = own.len(),
                "written while this machine's clock was ahead: signed anew and sent now"
            );
        }
        let (acts, others): (Vec<_>, Vec<_>) =
            own.into_iter().partition(|record| record.header().record_type == RecordType::CREDENTIAL);
        for record in others {
            self.restamp(now, &record, None)?;
        }
        self.reissue(now, &acts)?;
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
        let version = over.map_or(0, |over| over.header().version.saturating_add(1)).max(header.version);
        let (created, grant, origin) = self.origin_again(old, version, at);
        let next = Header { hlc, expires, created, version, grant, origin, ..header.clone() };
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

    /// When the record was made, by which grant its next version is signed, and what ties that to the first one.
    fn origin_again(
        &self,
        old: &SignedRecord,
        version: u64,
        at: Timestamp,
    ) -> (Timestamp, Option<[u8; 32]>, Option<Origin>) {
        let header = old.header();
        let (created, own_grant) = (header.created.min(at), self.group.own_grant().or(header.grant));
        match &header.origin {
            // The record's id derives from it.
            Some(Origin::First) if version == 1 => (at, header.grant, header.origin.clone()),
            Some(Origin::First) => (created, own_grant, old.next_origin(self.device.peer)),
            origin => (created, own_grant, origin.clone()),
        }
    }

    /// Signs acts of our own anew that are from ahead of time, their periods moved with them, and those that follow them. Nobody
    /// else can have any of these but a guest with the same wrong clock, who signs its own anew by what it is given now.
    fn reissue(&mut self, now: Now, ahead: &[SignedRecord]) -> Result<(), StoreError> {
        let Some(members) = self.group.members.as_ref().filter(|_| !ahead.is_empty()) else { return Ok(()) };
        let dated: Vec<ActId> = ahead.iter().filter_map(|record| Some(Act::of(record)?.id())).collect();
        let follows = |act: &Act| dated.iter().any(|id| members.acts().reaches(&act.body().after, id));
        let own = members.acts().acts().filter(|act| act.body().author == self.device.peer);
        let pending: Vec<Act> =
            own.filter(|act| dated.contains(&act.id()) || follows(act)).cloned().collect();
        let chunks: Vec<KeepChunk> = pending.iter().flat_map(|act| members.chunks_of(act.body())).collect();
        let mut gone: BTreeSet<RecordKey> = ahead.iter().map(SignedRecord::key).collect();
        gone.extend(pending.iter().filter_map(|act| members.key_of(&act.id())));
        // Out of the way, so that an invitation is not used up twice.
        for key in &gone {
            self.store.discard(key)?;
        }
        self.staged.retain(|staged| !gone.contains(&staged.record.signed().key()));
        self.meta_written = true;
        self.reload_members(now)?;
        self.sign_again(now, pending, &dated, &chunks)
    }

    fn sign_again(
        &mut self,
        now: Now,
        mut pending: Vec<Act>,
        dated: &[ActId],
        chunks: &[KeepChunk],
    ) -> Result<(), StoreError> {
        let mut renamed = BTreeMap::new();
        while !pending.is_empty() {
            let left: BTreeSet<ActId> = pending.iter().map(Act::id).collect();
            let named_is_left = |act: &Act| act.body().content.named().is_some_and(|id| left.contains(id));
            let at = pending.iter().position(|act| !named_is_left(act)).unwrap_or(0);
            let act = pending.remove(at);
            let at = self.peer_time(now);
            let moved = if dated.contains(&act.id()) { act.body().at.since(at) } else { Duration::ZERO };
            let content = moved_earlier(act.body().content.clone(), moved, &renamed);
            let names: Vec<KeepChunk> =
                chunks.iter().filter(|chunk| act.body().chunks().contains(&chunk.hash())).cloned().collect();
            match self.issue_keeping(now, content, &names) {
                Ok(record) => renamed.extend(Act::of(&record).map(|again| (act.id(), again.id()))),
                Err(PublishError::Store(error)) => return Err(error),
                Err(error) => tracing::warn!(%error, "an act from ahead of time could not be signed anew"),
            }
        }
        Ok(())
    }
}

/// What an act says, its times moved, and acts that were signed anew under their new ids.
fn moved_earlier(mut content: Content, by: Duration, renamed: &BTreeMap<ActId, ActId>) -> Content {
    let current = |id: &mut ActId| *id = renamed.get(id).copied().unwrap_or(*id);
    match &mut content {
        Content::Grant(grant) => {
            grant.not_before = grant.not_before - by;
            grant.not_after = grant.not_after.map(|end| end - by);
            grant.despite.iter_mut().for_each(current);
            grant.despite.sort_unstable();
            // Its proof names the invitation as it was, which was this identity's own: the guest is let in by its word.
            grant.admission = grant.admission.take().filter(|used| !renamed.contains_key(&used.invite));
        }
        Content::Invite(invite) => invite.not_after = invite.not_after - by,
        Content::RevokeInvite(id)
        | Content::RestoreDevice(id)
        | Content::PassOn { password: id, .. }
        | Content::EpochKeys { epoch: id, .. } => current(id),
        Content::Renew { grant, not_after } => {
            current(grant);
            *not_after = *not_after - by;
        }
        _ => {}
    }
    content
}

#[cfg(test)]
#[path = "restamp_tests.rs"]
mod tests;
