//! Versions that are withheld, in memory.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ids::PeerId,
    record::{RecordKey, RecordType, SignedRecord},
    records::{rank, stored::forgotten_at},
    time::Timestamp,
    wire::Filter,
};

/// The withheld versions of one database. Rolls back with its store.
#[derive(Default)]
pub(super) struct Withheld {
    rows: BTreeMap<RecordKey, SignedRecord>,
    /// Of acts nothing.
    by_peer: BTreeSet<(PeerId, RecordKey)>,
    /// What was under each key changed since the last commit.
    undo: Vec<(RecordKey, Option<SignedRecord>)>,
}

impl Withheld {
    pub(super) fn get(&self, key: &RecordKey) -> Option<&SignedRecord> {
        self.rows.get(key)
    }

    pub(super) fn keep(&mut self, record: SignedRecord) {
        let key = record.key();
        let old = self.set(key, Some(record));
        self.undo.push((key, old));
    }

    pub(super) fn remove(&mut self, key: &RecordKey) {
        if let Some(old) = self.set(*key, None) {
            self.undo.push((*key, Some(old)));
        }
    }

    pub(super) fn keys(&self, filter: &Filter, from: RecordKey, max: usize) -> Vec<RecordKey> {
        let matches = |record: &SignedRecord| match filter {
            Filter::All => true,
            Filter::Only(only) => record.header().record_type == *only,
        };
        let later = self.rows.range(from..).filter(|(_, record)| matches(record));
        later.map(|(key, _)| *key).take(max).collect()
    }

    pub(super) fn keys_by(&self, peer: &PeerId, from: RecordKey, max: usize) -> Vec<RecordKey> {
        let later = self.by_peer.range((*peer, from)..).take_while(|(who, _)| who == peer);
        later.map(|(_, key)| *key).take(max).collect()
    }

    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.rows.values().filter_map(|record| record.header().expires).min()
    }

    /// Drops at most `max` versions whose time is over, the longest first.
    pub(super) fn expire(&mut self, now: Timestamp, max: usize) {
        let ends = |(key, record): (&RecordKey, &SignedRecord)| Some((record.header().expires?, *key));
        let mut over: Vec<_> = self.rows.iter().filter_map(ends).filter(|(at, _)| *at <= now).collect();
        over.sort_unstable();
        over.iter().take(max).for_each(|(_, key)| self.remove(key));
    }

    /// Drops those that lose against a version that is about to be forgotten: nothing would be left that beats them.
    pub(super) fn drop_beaten(&mut self, by: &SignedRecord) {
        let is_beaten = |record: &SignedRecord| record.id() == by.id() && rank(record) < rank(by);
        let beaten: Vec<RecordKey> =
            self.rows.iter().filter(|(_, record)| is_beaten(record)).map(|(key, _)| *key).collect();
        beaten.iter().for_each(|key| self.remove(key));
    }

    /// Drops tombstones that were written before a moment. Returns how many.
    pub(super) fn collect(&mut self, before: Timestamp) -> usize {
        let is_old = |record: &SignedRecord| forgotten_at(record).is_some_and(|at| at < before);
        let old: Vec<RecordKey> =
            self.rows.iter().filter(|(_, record)| is_old(record)).map(|(key, _)| *key).collect();
        old.iter().for_each(|key| self.remove(key));
        old.len()
    }

    pub(super) fn commit(&mut self) {
        self.undo.clear();
    }

    pub(super) fn rollback(&mut self) {
        for (key, old) in std::mem::take(&mut self.undo).into_iter().rev() {
            self.set(key, old);
        }
    }

    fn set(&mut self, key: RecordKey, record: Option<SignedRecord>) -> Option<SignedRecord> {
        let whose = |record: &SignedRecord| [record.header().creator, record.header().author()];
        if let Some(record) = record.as_ref().filter(|r| r.header().record_type != RecordType::CREDENTIAL) {
            self.by_peer.extend(whose(record).map(|peer| (peer, key)));
        }
        let is_gone = record.is_none();
        let old = match record {
            Some(record) => self.rows.insert(key, record),
            None => self.rows.remove(&key),
        };
        for peer in old.as_ref().filter(|_| is_gone).map(whose).into_iter().flatten() {
            self.by_peer.remove(&(peer, key));
        }
        old
    }
}
