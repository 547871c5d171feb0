//! Acts and chunks that cannot be taken in yet: each is kept once, with its record, for a while.
//!
//! An act waits for one that it names; or it is set aside, because nobody needs it yet and enough such acts are here. What
//! was set aside is taken in when an act or a record needs it whose author may act.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    authority::Act,
    ids::{ActId, PeerId},
    limits::{
        DEFERRED_LIFETIME, MAX_WAITING_ACTS, MAX_WAITING_BYTES, MAX_WAITING_BYTES_OF_STRANGERS,
        MAX_WAITING_OF_STRANGERS,
    },
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
    of_members: Pool,
    of_strangers: Pool,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    record: SignedRecord,
    /// `None`: a chunk.
    act: Option<Act>,
    /// `None`: it was set aside.
    missing: Option<[u8; 32]>,
    is_stranger: bool,
    until: Mono,
}

/// What shares one bound.
#[derive(Debug, Default)]
struct Pool {
    /// Of each author.
    shares: BTreeMap<PeerId, Share>,
    count: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Share {
    numbers: BTreeSet<u64>,
    bytes: usize,
}

impl Pool {
    fn add(&mut self, author: PeerId, number: u64, bytes: usize) {
        let share = self.shares.entry(author).or_default();
        share.numbers.insert(number);
        share.bytes += bytes;
        self.count += 1;
        self.bytes += bytes;
    }

    fn take(&mut self, author: &PeerId, number: u64, bytes: usize) {
        let Some(share) = self.shares.get_mut(author) else { return };
        share.numbers.remove(&number);
        share.bytes -= bytes;
        if share.numbers.is_empty() {
            self.shares.remove(author);
        }
        self.count -= 1;
        self.bytes -= bytes;
    }

    /// What goes first if there is more than this: the oldest of the author that has most, in number or in bytes, whichever is
    /// too much. Of equals the one that came first.
    fn excess(&self, most: usize, most_bytes: usize) -> Option<u64> {
        let size = |share: &Share| if self.count > most { share.numbers.len() } else { share.bytes };
        let shares = self.shares.values().filter(|_| self.count > most || self.bytes > most_bytes);
        let largest = shares.max_by_key(|share| (size(share), Reverse(share.numbers.first().copied())));
        largest.and_then(|share| share.numbers.first().copied())
    }
}

impl WaitingActs {
    /// Keeps a record until `missing` is here (`None`: until somebody needs it). With too many, the author that has most loses its
    /// oldest: whoever floods displaces its own. Keys cost nothing, so strangers have a bound of their own.
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
        self.acts.extend(id.map(|id| (id, number)));
        match missing {
            Some(missing) => drop(self.by_missing.entry(missing).or_default().insert(number)),
            None => drop(self.set_aside.insert(number)),
        }
        self.pool(is_stranger).add(author, number, record.bytes().len());
        let until = now + DEFERRED_LIFETIME;
        self.records.insert(number, Waiting { record, act, missing, is_stranger, until });
        self.make_room();
    }

    const fn pool(&mut self, is_stranger: bool) -> &mut Pool {
        if is_stranger { &mut self.of_strangers } else { &mut self.of_members }
    }

    fn make_room(&mut self) {
        while let Some(number) = self
            .of_members
            .excess(MAX_WAITING_ACTS, MAX_WAITING_BYTES)
            .or_else(|| self.of_strangers.excess(MAX_WAITING_OF_STRANGERS, MAX_WAITING_BYTES_OF_STRANGERS))
        {
            self.take(number);
        }
    }

    /// True if this version waits here.
    pub(super) fn contains(&self, key: &RecordKey) -> bool {
        self.keys.contains(key)
    }

    /// True if this act waits here.
    pub(super) fn has_act(&self, id: &ActId) -> bool {
        self.acts.contains_key(id)
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
    pub(super) fn take_set_aside(&mut self, mut fits: impl FnMut(&Act) -> bool) -> Vec<SignedRecord> {
        let act = |number: &u64| self.records.get(number).and_then(|waiting| waiting.act.as_ref());
        let fitting = self.set_aside.iter().copied().filter(|number| act(number).is_some_and(&mut fits));
        let numbers: Vec<u64> = fitting.collect();
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
        let Waiting { record, act, missing, is_stranger, .. } = self.records.remove(&number)?;
        self.keys.remove(&record.key());
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
        self.pool(is_stranger).take(&record.header().creator, number, record.bytes().len());
        Some(record)
    }
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;
