//! Others' records: from bytes to stored, and what their senders have earned.

use bytes::Bytes;

use super::{Engine, refused::Because};
use crate::{
    ids::{ActId, LinkId},
    limits::MAX_STRIKES,
    record::{RecordKey, RecordType, SignedRecord},
    records::{
        Admission, AdmitContext, KeptLoser, OpenPolicy, Put, RejectReason, StoreError, Verdict,
        VerifiedRecord, admit, is_conflict,
    },
    time::{Now, Timestamp},
};

/// Where a record came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// Written here.
    Local,
    /// Written here while the clock was wrong, and signed anew.
    Restamped,
    /// Pushed by a neighbor.
    Flood {
        /// On this link.
        link: LinkId,
        /// Where it entered the graph.
        origin: u64,
    },
    /// Sent by a neighbor on our request.
    Sync {
        /// On this link.
        link: LinkId,
        /// In this session.
        session: u32,
    },
    /// Held until its time came.
    Held,
    /// From an exported database.
    Import,
    /// Stored here before, and not counted until now.
    Released,
}

impl Source {
    pub(super) const fn link(self) -> Option<LinkId> {
        match self {
            Self::Flood { link, .. } | Self::Sync { link, .. } => Some(link),
            Self::Local | Self::Restamped | Self::Held | Self::Import | Self::Released => None,
        }
    }

    fn arrival(self, key: RecordKey) -> Option<(LinkId, u32, RecordKey)> {
        match self {
            Self::Sync { link, session } => Some((link, session, key)),
            _ => None,
        }
    }
}

/// Records of sessions that arrived, whatever became of them: link, session, version.
pub(super) type Arrived = Vec<(LinkId, u32, RecordKey)>;

/// By what records are judged.
#[derive(Clone, Copy)]
enum Judge {
    /// By all rules.
    All,
    /// By those that need no acts.
    Form,
}

/// A record that waits for its signature to be checked.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) record: SignedRecord,
    pub(super) source: Source,
}

/// A record given to the store; what follows waits for the commit.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) record: VerifiedRecord,
    pub(super) put: Put,
    pub(super) source: Source,
    /// The version that lost, or won, was kept as one of a conflict.
    pub(super) kept: Option<KeptLoser>,
}

impl Candidate {
    pub(super) const fn held(record: SignedRecord) -> Self {
        Self { record, source: Source::Held }
    }
}

impl Engine {
    pub(super) fn on_pushed(&mut self, now: Now, link: LinkId, origin: u64, records: Vec<Bytes>) {
        for bytes in records {
            let Ok(record) = SignedRecord::decode_or_stub(&self.graph, bytes, self.max_record()) else {
                return self.close_for_protocol(now, link);
            };
            let key = record.key();
            if self.ends_stored(now, &record) {
                self.incoming_keys.insert(key);
                self.incoming.push(Candidate { record, source: Source::Flood { link, origin } });
            } else if record.is_stub() {
                // There is nothing here that it could end, or it has not expired by this clock. Nobody is at fault, and
                // its key is that of a whole version: it is not noted.
            } else if self.is_known(now, &key) || self.store.knows_loser(&key) {
                self.overlay.duplicate(now, link, origin, key);
                if self.refused.is_forged(&key) {
                    self.strike(now, link);
                }
            } else {
                self.incoming_keys.insert(key);
                self.incoming.push(Candidate { record, source: Source::Flood { link, origin } });
            }
        }
    }

    pub(super) fn on_sync_records(&mut self, now: Now, link: LinkId, session: u32, records: Vec<Bytes>) {
        let mut done = Vec::new();
        for bytes in records {
            let size = bytes.len() as u64;
            let Ok(record) = SignedRecord::decode(&self.graph, bytes, self.max_record()) else {
                return self.close_for_protocol(now, link);
            };
            let key = record.key();
            let known = self.is_known(now, &key) && !self.ends_stored(now, &record);
            if known || self.is_left_over(link, session, &record) {
                done.push(key);
                if self.refused.is_forged(&key) {
                    self.strike(now, link);
                }
            } else {
                self.weigh(now, link, session, &record);
                self.progress.received(link, size);
                self.incoming_keys.insert(key);
                self.incoming.push(Candidate { record, source: Source::Sync { link, session } });
            }
        }
        self.progress.frame_over(link);
        self.syncs.arrived(now, link, session, &done, false);
    }

    /// Stores what arrived and what is due, commits, and lets the consequences follow.
    pub(super) fn flush_store(&mut self, now: Now) -> Result<(), StoreError> {
        if let Some(error) = self.failing.broken.take() {
            return Err(error);
        }
        self.admit_incoming(now)?;
        self.sweep(now)?;
        self.step_listing(now)?;
        self.state_kept_name(now)?;
        self.mend_stamps(now)?;
        self.maintain_epochs(now)?;
        self.expire_due(now)?;
        self.collect_old(now)?;
        self.keep_contacts(now)?;
        let committing = !self.staged.is_empty() || !self.expired.is_empty() || self.meta_written;
        self.keep_freshness(committing)?;
        if !self.staged.is_empty() || !self.expired.is_empty() || self.meta_written {
            self.store.commit(self.durability)?;
            self.meta_written = false;
            self.store_works(now);
        }
        self.group.sweep.committed(now.mono);
        self.checked_from = None;
        self.next_expiry = self.store.next_expiry()?;
        self.apply_effects(now);
        Ok(())
    }

    pub(super) fn release_held(&mut self, now: Now) {
        let due = self.held.release(self.peer_time(now));
        self.incoming.extend(due.into_iter().map(Candidate::held));
    }

    /// Takes in a record as if it had waited here until now.
    #[cfg(test)]
    pub(crate) fn take_in(&mut self, record: SignedRecord) {
        self.incoming_keys.insert(record.key());
        self.incoming.push(Candidate::held(record));
    }

    /// True for a version that is here, waits for something, or was looked at and refused.
    pub(super) fn is_known(&self, now: Now, key: &RecordKey) -> bool {
        self.refused.contains(now.mono, key) || self.has(key)
    }

    /// True for a version that is here or waits for something.
    pub(super) fn has(&self, key: &RecordKey) -> bool {
        // An error means the store is failing; the flush at the end of this batch reports it.
        self.incoming_keys.contains(key)
            || self.deferred.contains(key)
            || self.waiting.contains(key)
            || self.held.contains(key)
            || self.store.contains(key).unwrap_or(false)
    }

    /// Admits what arrived: acts first, for they decide about the rest. What they release is admitted as well.
    pub(super) fn admit_incoming(&mut self, now: Now) -> Result<(), StoreError> {
        if self.genesis.is_none() {
            self.incoming.clear();
            self.incoming_keys.clear();
            return Ok(());
        }
        while !self.incoming.is_empty() {
            let batch = std::mem::take(&mut self.incoming);
            let is_act = |c: &Candidate| c.record.header().record_type == RecordType::CREDENTIAL;
            let (acts, others) = match &self.group.members {
                Some(_) => batch.into_iter().partition(is_act),
                None => (Vec::new(), batch),
            };
            let mut arrived = Vec::new();
            self.admit_acts(now, acts, &mut arrived)?;
            let deferred = self.admit_batch(now, others, &mut arrived)?;
            self.defer(now, deferred, &mut arrived);
            for (link, session, key) in arrived {
                self.syncs.arrived(now, link, session, &[key], true);
            }
        }
        self.incoming_keys.clear();
        Ok(())
    }

    /// Admits some records and stores those that are good. Gives what waits for an act.
    fn admit_batch(
        &mut self,
        now: Now,
        batch: Vec<Candidate>,
        arrived: &mut Arrived,
    ) -> Result<Vec<Candidate>, StoreError> {
        let mut deferred = Vec::new();
        self.in_parts(batch, |engine, part| {
            let admitted = engine.judge_part(now, part, Judge::All)?;
            engine.admit_some(now, admitted, arrived, &mut deferred)
        })?;
        Ok(deferred)
    }

    /// Admits records as far as signature, form and time go; what is left to judge is whether they fit among the acts.
    pub(super) fn admit_signed(
        &mut self,
        now: Now,
        batch: Vec<Candidate>,
        arrived: &mut Arrived,
    ) -> Result<Vec<(VerifiedRecord, Source)>, StoreError> {
        let mut signed = Vec::new();
        self.in_parts(batch, |engine, part| {
            for (admission, source) in engine.judge_part(now, part, Judge::Form)? {
                arrived.extend(source.arrival(admission.key()));
                match admission {
                    Admission::Verified(record) => signed.push((record, source)),
                    other => engine.turn_away(now, other, source),
                }
            }
            Ok(())
        })?;
        Ok(signed)
    }

    /// Goes through a batch in parts, without those of senders that were thrown out meanwhile.
    fn in_parts(
        &mut self,
        mut batch: Vec<Candidate>,
        mut each: impl FnMut(&mut Self, Vec<Candidate>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        while !batch.is_empty() {
            let rest = batch.split_off(batch.len().min(CHECKED_AT_ONCE));
            each(self, batch)?;
            batch = rest;
            // Whoever was thrown out meanwhile costs no further signature.
            let out = |link| self.strikes.get(&link).is_some_and(|strikes| *strikes >= MAX_STRIKES);
            batch.retain(|candidate| !candidate.source.link().is_some_and(out));
        }
        Ok(())
    }

    fn judge_part(
        &mut self,
        now: Now,
        part: Vec<Candidate>,
        judge: Judge,
    ) -> Result<Vec<(Admission, Source)>, StoreError> {
        let (records, sources): (Vec<_>, Vec<_>) = part.into_iter().map(|c| (c.record, c.source)).unzip();
        let Some(genesis) = &self.genesis else { return Ok(Vec::new()) };
        let seed = rand::RngExt::random(&mut self.rng);
        let policy = match judge {
            Judge::All => self.policy(),
            Judge::Form => &OpenPolicy,
        };
        let peer_time = self.peer_time(now);
        let context = AdmitContext { genesis, peer_time, policy, seed, parallel: self.parallel };
        let store = &self.store;
        let admissions = admit(&self.graph, records, &context, |id| store.get(id))?;
        Ok(admissions.into_iter().zip(sources).collect())
    }

    fn admit_some(
        &mut self,
        now: Now,
        admitted: Vec<(Admission, Source)>,
        arrived: &mut Arrived,
        deferred: &mut Vec<Candidate>,
    ) -> Result<(), StoreError> {
        for (admission, source) in admitted {
            if !matches!(admission, Admission::Deferred { .. }) {
                arrived.extend(source.arrival(admission.key()));
            }
            match admission {
                Admission::Verified(record) if self.is_spent(now, record.signed())? => {
                    self.refused.note(now.mono, record.signed().key(), Because::Time);
                }
                Admission::Verified(record) => {
                    let mut put = self.store.put(&record)?;
                    let ahead = self.overruled(now, &put);
                    if let Some(ahead) = &ahead {
                        put = self.overrule(&record, ahead)?;
                    }
                    let kept = self.keep_loser(now, record.signed(), &put)?;
                    self.stamper.observe(record.signed().header().hlc);
                    let over = record.signed().clone();
                    self.staged.push(Staged { record, put, source, kept });
                    if let Some(ahead) = ahead.filter(|old| old.header().author() == self.device.peer) {
                        self.restamp(now, &ahead, Some(&over))?;
                    }
                }
                Admission::Expired(record) => self.end_record(&record, source)?,
                Admission::Deferred { record, .. } => deferred.push(Candidate { record, source }),
                other => self.turn_away(now, other, source),
            }
        }
        Ok(())
    }

    /// What is not stored: held until its time comes, or refused.
    fn turn_away(&mut self, now: Now, admission: Admission, source: Source) {
        match admission {
            Admission::Held { record, until } => {
                tracing::warn!(
                    author = %record.header().author().short(),
                    ahead_ms = until.since(self.overlay.peer_time(now)).as_millis(),
                    "a record from the future is held; its author's clock is ahead"
                );
                if !self.held.hold(record, until) {
                    tracing::warn!("too many records from the future; one is dropped");
                }
            }
            Admission::Rejected { key, reason } => self.on_rejected(now, source, key, &reason),
            Admission::Verified(_) | Admission::Expired(_) | Admission::Deferred { .. } => {}
        }
    }

    /// Keeps what lost, if neither of the two versions was written in knowledge of the other.
    pub(super) fn keep_loser(
        &mut self,
        now: Now,
        record: &SignedRecord,
        put: &Put,
    ) -> Result<Option<KeptLoser>, StoreError> {
        let (loser, winner, told) = match put {
            Put::Replaced { lsn, older, .. } => (older, record, Some(*lsn)),
            Put::Older { newer } => (record, newer, None),
            _ => return Ok(None),
        };
        let peer_now = self.peer_time(now);
        if !is_conflict(loser, winner) || loser.header().expires.is_some_and(|at| at <= peer_now) {
            return Ok(None);
        }
        self.store.keep_loser(loser, told, peer_now)
    }

    /// Keeps what waits for an act, invisible.
    fn defer(&mut self, now: Now, waiting: Vec<Candidate>, arrived: &mut Arrived) {
        let mut needs = false;
        for Candidate { record, source } in waiting {
            arrived.extend(source.arrival(record.key()));
            let Verdict::Defer { missing } = self.policy().check(&record, None) else {
                // Meanwhile it can be judged: the next copy is.
                continue;
            };
            tracing::debug!(record = %record.id().short(), "a record waits for an act");
            if self.waiting.has_act(&ActId::from_bytes(missing)) {
                self.waiting.again.look_at(missing);
                needs = true;
            }
            self.deferred.defer(now.mono, record, missing);
        }
        if needs {
            self.take_needed();
        }
    }

    pub(super) fn on_rejected(&mut self, now: Now, source: Source, key: RecordKey, reason: &RejectReason) {
        tracing::debug!(element = %key.element.short(), %reason, "a record is refused");
        self.refused.note(now.mono, key, reason.into());
        let Some(link) = source.link() else { return };
        if let Source::Flood { origin, .. } = source {
            self.overlay.duplicate(now, link, origin, key);
        }
        if reason.is_strike() {
            self.strike(now, link);
        }
    }

    /// Counts what no honest node does: see the section on misbehaviour in `PROTOCOL.md`.
    fn strike(&mut self, now: Now, link: LinkId) {
        let strikes = self.strikes.entry(link).or_insert(0);
        *strikes += 1;
        if *strikes >= MAX_STRIKES {
            self.close_for_protocol(now, link);
        }
    }

    /// True if what is overdue stays for now.
    pub(super) fn defers_expiration(&self) -> bool {
        self.is_clock_off() || (self.properties.defer_expiration && !self.overlay.has_neighbors())
    }

    /// By which readers tell what has expired: no record has at the beginning of time.
    pub fn expiry_time(&self, now: Now) -> Timestamp {
        if self.defers_expiration() { Timestamp(0) } else { self.peer_time(now) }
    }

    pub(super) fn expire_due(&mut self, now: Now) -> Result<(), StoreError> {
        if self.defers_expiration() || self.holds_unsent(now) {
            return Ok(());
        }
        let peer_now = self.peer_time(now);
        while self.next_expiry.is_some_and(|at| at <= peer_now) {
            let gone = self.store.expire(peer_now, EXPIRE_BATCH)?;
            let more = gone.len() == EXPIRE_BATCH;
            // Versions that lost in a conflict expire too, without an event.
            self.meta_written = true;
            self.expired.extend(gone);
            if !more {
                break;
            }
        }
        Ok(())
    }
}

/// Signatures checked before the verdict on their senders: what a thrown-out node can cost. Two threads share so many.
const CHECKED_AT_ONCE: usize = 512;
/// Records turned into stubs in one step.
const EXPIRE_BATCH: usize = 1024;
