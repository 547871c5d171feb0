//! Stored records judged again, in steps, when acts have changed what counts.
//!
//! A record that does not count is withdrawn. One of which that cannot be said yet, because a list or a grant is missing, is
//! withheld: no neighbor takes it in, so it must not be in what is compared, nor shown. It is released, or dropped, once
//! that is known. What a pass did is forgotten only when it is durable; a pass that was cut off is made good by the check of
//! stored records.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Engine,
    ingest::{Candidate, Source, Staged},
    refused::Because,
    walk::{Step, Walk},
};
use crate::{
    authority::Content,
    ids::{ActId, PeerId, RecordId},
    limits::{LIST_PATIENCE, STEP_BYTES},
    record::{RecordKey, RecordType, SignedRecord},
    records::{Change, Put, RecordPolicy, StoreError, Verdict, rank},
    time::{Mono, Now},
};

/// Records looked at in one step of a sweep: a few milliseconds.
const SWEEP_BATCH: usize = 256;

/// Records that are judged again, some at a time.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Whose stored, lost and withheld records are, in the pass under way.
    authors: BTreeSet<PeerId>,
    /// Whose withheld records alone are.
    waiting: BTreeSet<PeerId>,
    /// Those of the authors whose records waited long enough: what waits is withheld.
    overdue: BTreeSet<PeerId>,
    /// `None`: no pass is under way.
    stage: Option<Stage>,
    /// Both kinds for the next pass.
    next: (BTreeSet<PeerId>, BTreeSet<PeerId>),
    /// Until when the records of an identity stay that wait: the list may be on its way.
    patience: BTreeMap<PeerId, Mono>,
}

/// What a pass looks at next.
#[derive(PartialEq, Eq, Debug)]
enum Stage {
    /// Current versions.
    Stored(Walk),
    /// Losers of conflicts: these are left.
    Losers(Vec<RecordKey>),
    /// Withheld versions.
    Withheld(Walk),
    /// Nothing, once the last step is durable.
    Over,
}

impl Sweep {
    /// True if no pass is under way.
    pub(super) const fn is_over(&self) -> bool {
        self.stage.is_none()
    }

    /// When the next step is due.
    pub(super) fn next(&self, now: Mono) -> Option<Mono> {
        if self.is_over() { self.patience.values().min().copied() } else { Some(now) }
    }

    /// Begins the pass anew: what it did was not kept.
    pub(super) fn restart(&mut self) {
        if !self.is_over() {
            self.stage = Some(self.first_stage());
        }
    }

    /// What was done is durable.
    pub(super) fn committed(&mut self, now: Mono) {
        if self.stage == Some(Stage::Over) {
            self.patience.retain(|who, _| !self.overdue.contains(who));
            self.stage = None;
            self.begin(now);
        }
    }

    fn first_stage(&self) -> Stage {
        if self.authors.is_empty() {
            self.last_stage()
        } else {
            Stage::Stored(Walk::current(self.authors.clone()))
        }
    }

    fn last_stage(&self) -> Stage {
        Stage::Withheld(Walk::withheld(self.authors.union(&self.waiting).copied().collect()))
    }

    /// Begins the next pass, if there is reason for one and none is under way.
    fn begin(&mut self, now: Mono) {
        let over = self.patience.iter().filter(|(who, until)| **until <= now && !self.overdue.contains(*who));
        self.next.0.extend(over.map(|(who, _)| *who));
        if !self.is_over() {
            return;
        }
        (self.authors, self.waiting) = std::mem::take(&mut self.next);
        let expired = |who: &&PeerId| self.patience.get(*who).is_some_and(|until| *until <= now);
        self.overdue = self.authors.iter().filter(expired).copied().collect();
        if !self.authors.is_empty() || !self.waiting.is_empty() {
            self.stage = Some(self.first_stage());
        }
    }

    /// True if a record that waits stays where it is for now.
    fn is_patient(&mut self, now: Mono, record: &SignedRecord) -> bool {
        let (author, creator) = (record.header().author(), record.header().creator);
        let who = if self.authors.contains(&author) { author } else { creator };
        self.patience.entry(who).or_insert(now + LIST_PATIENCE);
        !self.overdue.contains(&who)
    }
}

impl Engine {
    /// What was stored in this batch and does not count is neither told nor sent on.
    pub(super) fn drop_void_staged(
        &mut self,
        now: Now,
        affected: &BTreeSet<PeerId>,
    ) -> Result<(), StoreError> {
        let Some(members) = &self.group.members else { return Ok(()) };
        let counts = |record: &SignedRecord| {
            !is_by(record, affected) || members.check(record, None) == Verdict::Accept
        };
        let (kept, others): (Vec<_>, Vec<Staged>) =
            std::mem::take(&mut self.staged).into_iter().partition(|s| counts(s.record.signed()));
        self.staged = kept;
        for Staged { record, put, .. } in others {
            let (key, told) = (record.signed().key(), matches!(put, Put::Replaced { .. }));
            if matches!(put, Put::Older { .. }) {
                self.judge_loser(&key)?;
                continue;
            }
            let gone = self.take_away(now, record.signed())?;
            self.expired.extend(gone.filter(|_| told));
            self.revive(now, &record.signed().id())?;
        }
        Ok(())
    }

    /// Judges the records of these identities again, a little at a time.
    pub(super) fn sweep_later(&mut self, now: Now, authors: BTreeSet<PeerId>) {
        let waiting = self.deferred.release_if(|record| is_by(record, &authors));
        self.incoming.extend(waiting.into_iter().map(Candidate::held));
        self.group.sweep.next.0.extend(authors);
        self.group.sweep.begin(now.mono);
    }

    /// Judges what waits again, of those of whom a grant or a renewal came.
    pub(super) fn sweep_waiting(&mut self, now: Now, arrived: &[[u8; 32]]) -> Result<(), StoreError> {
        let Some(members) = &self.group.members else { return Ok(()) };
        let content = |id: &ActId| members.acts().get(id).map(|act| &act.content);
        let subject = |id: &[u8; 32]| match content(&ActId::from_bytes(*id))? {
            Content::Grant(grant) => Some(grant.subject),
            Content::Renew { grant, .. } => match content(grant)? {
                Content::Grant(grant) => Some(grant.subject),
                _ => None,
            },
            _ => None,
        };
        let subjects: BTreeSet<PeerId> = arrived.iter().filter_map(subject).collect();
        for subject in subjects {
            if !self.store.withheld_by(&subject, RecordKey::MIN, 1)?.is_empty() {
                self.group.sweep.next.1.insert(subject);
            }
        }
        self.group.sweep.begin(now.mono);
        Ok(())
    }

    /// Takes the next step, if there is one: part of the batch that is about to be committed.
    pub(super) fn sweep(&mut self, now: Now) -> Result<(), StoreError> {
        if self.failing.due.is_some() {
            return Ok(()); // once the database can be written again
        }
        self.group.sweep.begin(now.mono);
        let Some(mut stage) = self.group.sweep.stage.take() else { return Ok(()) };
        let stepped = self.sweep_some(now, &mut stage);
        self.group.sweep.stage = Some(stage);
        stepped
    }

    fn sweep_some(&mut self, now: Now, stage: &mut Stage) -> Result<(), StoreError> {
        if matches!(stage, Stage::Stored(_)) {
            self.sweep_moved(now)?;
        }
        let (mut looked, mut bytes) = (0, 0);
        while looked < SWEEP_BATCH && bytes <= STEP_BYTES && *stage != Stage::Over {
            looked += 1;
            bytes += self.sweep_one(now, stage)?;
        }
        Ok(())
    }

    /// How many bytes were read.
    fn sweep_one(&mut self, now: Now, stage: &mut Stage) -> Result<usize, StoreError> {
        match stage {
            Stage::Stored(walk) => match walk.step(&*self.store)? {
                Step::Version(key) => return self.sweep_stored(now, &key),
                Step::Read => {}
                Step::Over => *stage = Stage::Losers(self.store.losers_by(&self.group.sweep.authors)),
            },
            Stage::Losers(keys) => match keys.pop() {
                Some(key) => return self.sweep_loser(&key),
                None => *stage = self.group.sweep.last_stage(),
            },
            Stage::Withheld(walk) => match walk.step(&*self.store)? {
                Step::Version(key) => return self.sweep_withheld(now, &key),
                Step::Read => {}
                Step::Over => *stage = Stage::Over,
            },
            Stage::Over => {}
        }
        Ok(0)
    }

    /// A version moves to the feed's end, behind what a walk looks at, when one is kept that lost against it.
    fn sweep_moved(&mut self, now: Now) -> Result<(), StoreError> {
        let winner = |staged: &Staged| match &staged.put {
            Put::Older { newer } => staged.kept.map(|_| newer.key()),
            _ => None,
        };
        let moved: Vec<RecordKey> = self.staged.iter().filter_map(winner).collect();
        for key in moved {
            self.sweep_stored(now, &key)?;
        }
        Ok(())
    }

    /// True if a stored record stays for now, though it waits for an act or a list: that may be on its way.
    pub(super) fn waits_patiently(&mut self, now: Now, record: &SignedRecord, missing: &[u8; 32]) -> bool {
        self.membership().is_some_and(|members| members.may_come(missing))
            && self.group.sweep.is_patient(now.mono, record)
    }

    /// How many bytes were read.
    fn sweep_stored(&mut self, now: Now, key: &RecordKey) -> Result<usize, StoreError> {
        let Some(record) = readable(self.store.fetch(key))? else { return Ok(0) };
        if is_by(&record, &self.group.sweep.authors) {
            match self.standing_of(&record) {
                Verdict::Accept => {}
                Verdict::Defer { missing } if self.waits_patiently(now, &record, &missing) => {}
                _ => self.judge_stored(now, &record)?,
            }
        }
        Ok(record.bytes().len())
    }

    fn sweep_loser(&mut self, key: &RecordKey) -> Result<usize, StoreError> {
        let Some(loser) = readable(self.store.loser(key))? else { return Ok(0) };
        if is_by(&loser, &self.group.sweep.authors) {
            self.judge_loser(key)?;
        }
        Ok(loser.bytes().len())
    }

    fn sweep_withheld(&mut self, now: Now, key: &RecordKey) -> Result<usize, StoreError> {
        let Some(record) = self.store.fetch_withheld(key)? else {
            if self.store.contains(key)? && self.store.fetch(key)?.is_none() {
                self.drop_damaged(key)?;
            }
            return Ok(0);
        };
        let sweep = &self.group.sweep;
        if is_by(&record, &sweep.authors) || is_by(&record, &sweep.waiting) {
            self.judge_withheld(now, &record)?;
        }
        Ok(record.bytes().len())
    }

    /// What the acts say of a record now.
    fn standing_of(&self, record: &SignedRecord) -> Verdict {
        self.policy().check(record, None)
    }

    /// Takes a current version away that does not count, or not yet.
    pub(super) fn judge_stored(&mut self, now: Now, record: &SignedRecord) -> Result<(), StoreError> {
        if self.standing_of(record) == Verdict::Accept {
            return Ok(());
        }
        let gone = self.take_away(now, record)?;
        self.expired.extend(gone);
        self.revive(now, &record.id())
    }

    fn take_away(&mut self, now: Now, record: &SignedRecord) -> Result<Option<Change>, StoreError> {
        let key = record.key();
        self.meta_written = true;
        if matches!(self.standing_of(record), Verdict::Defer { .. }) {
            return self.store.withhold(&key);
        }
        self.refused.note(now.mono, key, Because::Members);
        self.store.withdraw(&key)
    }

    /// Drops the loser of a conflict that does not count; withholds it if that is not known yet.
    pub(super) fn judge_loser(&mut self, key: &RecordKey) -> Result<(), StoreError> {
        let Some(loser) = readable(self.store.loser(key))? else { return Ok(()) };
        match self.standing_of(&loser) {
            Verdict::Accept => return Ok(()),
            Verdict::Defer { .. } => drop(self.store.withhold(key)?),
            Verdict::Reject(_) => self.store.discard_loser(&key.element)?,
        }
        self.meta_written = true;
        Ok(())
    }

    /// Releases a withheld version that counts; drops one that does not.
    pub(super) fn judge_withheld(&mut self, now: Now, record: &SignedRecord) -> Result<(), StoreError> {
        let key = record.key();
        match self.standing_of(record) {
            Verdict::Defer { .. } => Ok(()),
            Verdict::Accept if !self.is_spent(now, record)? => {
                self.note_old(now, record);
                self.release(now, &key)
            }
            verdict => {
                if verdict != Verdict::Accept {
                    self.refused.note(now.mono, key, Because::Members);
                }
                self.store.discard(&key)?;
                self.meta_written = true;
                Ok(())
            }
        }
    }

    fn release(&mut self, now: Now, key: &RecordKey) -> Result<(), StoreError> {
        let Some((record, put)) = self.store.release(key)? else { return Ok(()) };
        let kept = self.keep_loser(now, record.signed(), &put)?;
        self.staged.push(Staged { record, put, source: Source::Released, kept });
        Ok(())
    }

    /// Of versions that lost against one that is gone, the best takes its place: other nodes, which never had that one, have it
    /// too.
    fn revive(&mut self, now: Now, id: &RecordId) -> Result<(), StoreError> {
        if readable(self.store.get(id))?.is_some() {
            return Ok(());
        }
        let mut losers = Vec::new();
        for key in self.store.losers_of(id) {
            let loser = readable(self.store.loser(&key))?;
            losers.extend(loser.filter(|loser| self.standing_of(loser) == Verdict::Accept));
        }
        losers.sort_by_key(|loser| std::cmp::Reverse(rank(loser)));
        for loser in &losers {
            // Out of the losers, and in as any version.
            self.store.withhold(&loser.key())?;
        }
        for loser in &losers {
            self.release(now, &loser.key())?;
        }
        Ok(())
    }

    pub(super) fn drop_damaged(&mut self, key: &RecordKey) -> Result<(), StoreError> {
        tracing::warn!(element = %key.element.short(), "a withheld record does not hold; it is thrown out");
        self.store.discard(key)?;
        self.meta_written = true;
        Ok(())
    }
}

/// Where a walk goes on of whose page of so many keys some were looked at; `None`: it is over.
pub(super) fn goes_on(keys: &[RecordKey], looked: usize, page: usize) -> Option<RecordKey> {
    let last = keys.get(..looked)?.last()?;
    (looked < keys.len() || keys.len() == page).then(|| last.next())
}

/// A damaged record is as good as absent: the check of stored records throws it out.
pub(super) fn readable<T>(found: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match found {
        Err(StoreError::Damaged(_)) => Ok(None),
        found => found,
    }
}

/// True if one of these identities made a record or wrote this version; acts are nobody's records.
fn is_by(record: &SignedRecord, authors: &BTreeSet<PeerId>) -> bool {
    let header = record.header();
    header.record_type != RecordType::CREDENTIAL
        && (authors.contains(&header.creator) || authors.contains(&header.author()))
}

#[cfg(test)]
#[path = "sweep_steps_tests.rs"]
pub(super) mod steps_tests;
