//! Acts and chunks that cannot be taken in yet: each is kept once, with its record, for a while.
//!
//! An act waits for one that it names; or it is set aside, because nobody needs it yet and enough such acts are here. What
//! was set aside is taken in when an act or a record needs it whose author may act.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    authority::Act,
    ids::{ActId, PeerId},
    limits::{DEFERRED_LIFETIME, MAX_WAITING_ACTS, MAX_WAITING_BYTES, MAX_WAITING_OF_STRANGERS},
    record::{RecordKey, SignedRecord},
    time::Mono,
};

/// Acts and chunks that wait.
#[derive(Debug, Default)]
pub(super) struct WaitingActs {
    /// In order of arrival.
    records: BTreeMap<u64, Waiting>,
    by_missing: BTreeMap<[u8; 32], BTreeSet<u64>>,
    set_aside: BTreeSet<u64>,
    acts: BTreeMap<ActId, u64>,
    keys: BTreeSet<RecordKey>,
    /// Of each author.
    shares: BTreeMap<PeerId, Share>,
    bytes: usize,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    record: SignedRecord,
    /// `None`: a chunk.
    act: Option<Act>,
    /// `None`: it was set aside.
    missing: Option<[u8; 32]>,
    until: Mono,
}

#[derive(Debug, Default)]
struct Share {
    numbers: BTreeSet<u64>,
    is_stranger: bool,
}

impl WaitingActs {
    /// Keeps a record until `missing` is here (`None`: until somebody needs it). With too many, the author that has most loses its
    /// oldest: whoever floods displaces its own. Keys cost nothing, so strangers displace each other only.
    pub(super) fn add(
        &mut self,
        now: Mono,
        record: SignedRecord,
        missing: Option<[u8; 32]>,
        is_stranger: bool,
    ) {
        let (act, author) = (Act::of(&record), record.header().creator);
        let id = act.as_ref().map(Act::id);
        if id.is_some_and(|id| self.acts.contains_key(&id)) || !self.keys.insert(record.key()) {
            return;
        }
        let number = self.next;
        self.next += 1;
        self.bytes += record.bytes().len();
        self.acts.extend(id.map(|id| (id, number)));
        match missing {
            Some(missing) => drop(self.by_missing.entry(missing).or_default().insert(number)),
            None => drop(self.set_aside.insert(number)),
        }
        let share = self.shares.entry(author).or_default();
        (share.is_stranger, _) = (is_stranger, share.numbers.insert(number));
        self.records.insert(number, Waiting { record, act, missing, until: now + DEFERRED_LIFETIME });
        self.make_room();
    }

    fn make_room(&mut self) {
        let most = |shares: &mut dyn Iterator<Item = &Share>| {
            let share = shares.max_by_key(|share| share.numbers.len())?;
            share.numbers.first().copied()
        };
        while self.records.len() > MAX_WAITING_ACTS || self.bytes > MAX_WAITING_BYTES {
            let Some(oldest) = most(&mut self.shares.values()) else { return };
            self.take(oldest);
        }
        let strangers = || self.shares.values().filter(|share| share.is_stranger);
        if self.records.len() > MAX_WAITING_OF_STRANGERS
            && strangers().map(|share| share.numbers.len()).sum::<usize>() > MAX_WAITING_OF_STRANGERS
        {
            let oldest = most(&mut strangers());
            oldest.map(|oldest| self.take(oldest));
        }
    }

    /// True if this version waits here.
    pub(super) fn contains(&self, key: &RecordKey) -> bool {
        self.keys.contains(key)
    }

    /// Takes out what waited for an act or a list, to be looked at again.
    pub(super) fn release(&mut self, arrived: &[u8; 32]) -> Vec<SignedRecord> {
        let numbers = self.by_missing.remove(arrived).unwrap_or_default();
        numbers.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// True if any were set aside.
    pub(super) fn has_set_aside(&self) -> bool {
        !self.set_aside.is_empty()
    }

    /// The waiting acts that others of them need whose authors may act, or that are needed by `is_named` otherwise; and what
    /// these need.
    pub(super) fn needed(
        &self,
        may_act: impl Fn(&Act) -> bool,
        is_named: impl Fn(&ActId) -> bool,
    ) -> BTreeSet<ActId> {
        let mut next: Vec<ActId> = self.acts.keys().filter(|id| is_named(id)).copied().collect();
        let acts = self.records.values().filter_map(|waiting| waiting.act.as_ref());
        next.extend(acts.filter(|act| may_act(act)).flat_map(|act| act.body().parents().copied()));
        let mut needed = BTreeSet::new();
        while let Some(id) = next.pop() {
            let waiting = self.acts.get(&id).and_then(|number| self.records.get(number));
            if let Some(act) = waiting.and_then(|waiting| waiting.act.as_ref())
                && needed.insert(id)
            {
                next.extend(act.body().parents());
            }
        }
        needed
    }

    /// Takes out of those that were set aside what fits now.
    pub(super) fn take_set_aside(&mut self, fits: impl Fn(&SignedRecord) -> bool) -> Vec<SignedRecord> {
        let fits = |number: &u64| self.records.get(number).is_some_and(|waiting| fits(&waiting.record));
        let numbers: Vec<u64> = self.set_aside.iter().copied().filter(fits).collect();
        numbers.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// Drops what has waited too long; a comparison brings it again if others have it.
    pub(super) fn expire(&mut self, now: Mono) {
        while let Some((number, _)) = self.records.first_key_value().filter(|(_, w)| w.until <= now) {
            let number = *number;
            self.take(number);
        }
    }

    /// When [`expire`](Self::expire) is due.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.records.first_key_value().map(|(_, waiting)| waiting.until)
    }

    fn take(&mut self, number: u64) -> Option<SignedRecord> {
        let Waiting { record, act, missing, .. } = self.records.remove(&number)?;
        self.keys.remove(&record.key());
        self.bytes -= record.bytes().len();
        act.map(|act| self.acts.remove(&act.id()));
        self.set_aside.remove(&number);
        if let Some(missing) = missing
            && let Some(numbers) = self.by_missing.get_mut(&missing)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_missing.remove(&missing);
            }
        }
        let author = record.header().creator;
        if let Some(share) = self.shares.get_mut(&author) {
            share.numbers.remove(&number);
            if share.numbers.is_empty() {
                self.shares.remove(&author);
            }
        }
        Some(record)
    }
}
