//! Records whose author's credential is not here yet.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    limits::{DEFERRED_LIFETIME, MAX_DEFERRED, MAX_DEFERRED_BYTES},
    record::{RecordKey, SignedRecord},
    time::Mono,
};

/// Holds them, invisible, for a while; reconciliation brings again what is dropped here.
#[derive(Default, Debug)]
pub struct DeferQueue {
    /// In order of arrival.
    records: BTreeMap<u64, Deferred>,
    by_missing: BTreeMap<[u8; 32], BTreeSet<u64>>,
    keys: BTreeSet<RecordKey>,
    bytes: usize,
    next: u64,
}

#[derive(Debug)]
struct Deferred {
    record: SignedRecord,
    missing: [u8; 32],
    until: Mono,
}

impl DeferQueue {
    /// Keeps a record until the credential with this hash comes. The oldest make room.
    pub fn defer(&mut self, now: Mono, record: SignedRecord, missing: [u8; 32]) {
        if !self.keys.insert(record.key()) {
            return;
        }
        self.bytes = self.bytes.saturating_add(record.bytes().len());
        let until = now + DEFERRED_LIFETIME;
        self.records.insert(self.next, Deferred { record, missing, until });
        self.by_missing.entry(missing).or_default().insert(self.next);
        self.next = self.next.saturating_add(1);
        while self.records.len() > MAX_DEFERRED || self.bytes > MAX_DEFERRED_BYTES {
            let Some(oldest) = self.records.first_key_value().map(|(number, _)| *number) else { break };
            self.take(oldest);
        }
    }

    /// True if this version waits here.
    pub fn contains(&self, key: &RecordKey) -> bool {
        self.keys.contains(key)
    }

    /// Takes out what waited for this credential, to be admitted again.
    pub fn release(&mut self, arrived: &[u8; 32]) -> Vec<SignedRecord> {
        let numbers = self.by_missing.remove(arrived).unwrap_or_default();
        numbers.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// Takes out those of which a test holds, to be admitted again.
    pub fn release_if(&mut self, wanted: impl Fn(&SignedRecord) -> bool) -> Vec<SignedRecord> {
        let found = self.records.iter().filter(|(_, deferred)| wanted(&deferred.record));
        let numbers: Vec<u64> = found.map(|(number, _)| *number).collect();
        numbers.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// The records that wait for this credential.
    pub fn waiting_for(&self, missing: &[u8; 32]) -> impl Iterator<Item = &SignedRecord> {
        let numbers = self.by_missing.get(missing).into_iter().flatten();
        numbers.filter_map(|number| self.records.get(number)).map(|deferred| &deferred.record)
    }

    /// Takes out everything, to be admitted again.
    pub fn release_all(&mut self) -> Vec<SignedRecord> {
        let all: Vec<u64> = self.records.keys().copied().collect();
        all.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// Drops what has waited too long.
    pub fn expire(&mut self, now: Mono) {
        while let Some((number, _)) = self.records.first_key_value().filter(|(_, d)| d.until <= now) {
            let number = *number;
            self.take(number);
        }
    }

    /// When [`expire`](Self::expire) is due.
    pub fn next_due(&self) -> Option<Mono> {
        self.records.first_key_value().map(|(_, deferred)| deferred.until)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True if none do.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn take(&mut self, number: u64) -> Option<SignedRecord> {
        let Deferred { record, missing, .. } = self.records.remove(&number)?;
        self.keys.remove(&record.key());
        self.bytes = self.bytes.saturating_sub(record.bytes().len());
        if let Some(numbers) = self.by_missing.get_mut(&missing) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_missing.remove(&missing);
            }
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        crypto::SecretKey,
        ids::GraphId,
        record::{Header, RecordType},
        time::{Hlc, Timestamp},
    };

    fn record(number: u8) -> SignedRecord {
        let key = SecretKey::from_bytes(&[1; 32]);
        let header = Header {
            grant: Some([number % 2; 32]),
            ..Header::first(RecordType::new("t").unwrap(), [number; 16], key.peer(), Hlc::at(Timestamp(1000)))
        };
        SignedRecord::sign(&GraphId::from_bytes([3; 32]), &key, header, &[number; 10])
    }

    #[test]
    fn r18_deferred_records_are_bounded_expire_and_come_back() {
        let mut queue = DeferQueue::default();
        let start = Mono(0);
        for number in 0..10 {
            queue.defer(start, record(number), [number % 2; 32]);
            queue.defer(start, record(number), [number % 2; 32]);
        }
        assert_eq!(queue.len(), 10, "each once");
        assert!(queue.contains(&record(3).key()));
        let odd = queue.release(&[1; 32]);
        assert_eq!(odd.len(), 5);
        assert!(!queue.contains(&record(3).key()) && queue.release(&[1; 32]).is_empty());
        queue.defer(start + Duration::from_secs(60), record(3), [1; 32]);
        queue.expire(start + DEFERRED_LIFETIME);
        assert_eq!(queue.release_all(), [record(3)]);
        assert!(queue.is_empty() && queue.bytes == 0 && queue.next_due().is_none());
        for round in 0..=(MAX_DEFERRED / 256) {
            for number in 0..=255 {
                queue.defer(start, record(number), [round as u8; 32]);
            }
            assert!(queue.len() <= MAX_DEFERRED);
        }
    }
}
