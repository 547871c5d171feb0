//! The summary of all keys, and those of single types that were asked for.
//!
//! Only the first one is persisted. A type's own is made when it is first asked for, and kept up from then on.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Fingerprint, StoreError,
    summary::{Summary, key_hash},
};
use crate::{
    limits::MAX_TYPE_SUMMARIES,
    record::{RecordKey, RecordType},
    wire::Filter,
};

/// What summaries are made from.
pub(super) trait KeySource {
    /// The first `max` keys in `from..to` that match, ascending.
    fn scan(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max: usize,
    ) -> Result<Vec<RecordKey>, StoreError>;
}

#[derive(Debug, Default)]
pub(super) struct Summaries {
    all: Summary,
    types: BTreeMap<RecordType, Summary>,
    /// Made since the last commit, so possibly of what is not committed.
    fresh: BTreeSet<RecordType>,
}

impl Summaries {
    /// With the summary of all keys as it was persisted or rebuilt.
    #[cfg(feature = "sqlite")]
    pub(super) fn new(all: Summary) -> Self {
        Self { all, ..Self::default() }
    }

    /// The summary of all keys.
    pub(super) const fn all(&self) -> &Summary {
        &self.all
    }

    /// Adds a key that `source` already has.
    pub(super) fn add(
        &mut self,
        record_type: &RecordType,
        key: RecordKey,
        source: &dyn KeySource,
    ) -> Result<(), StoreError> {
        let hash = key_hash(key);
        self.all.add(key, &hash, &|from, to, max| source.scan(&Filter::All, from, to, max))?;
        if let Some(summary) = self.types.get_mut(record_type) {
            let filter = Filter::Only(record_type.clone());
            summary.add(key, &hash, &|from, to, max| source.scan(&filter, from, to, max))?;
        }
        Ok(())
    }

    /// Takes out a key.
    pub(super) fn remove(&mut self, record_type: &RecordType, key: RecordKey) {
        let hash = key_hash(key);
        self.all.remove(key, &hash);
        if let Some(summary) = self.types.get_mut(record_type) {
            summary.remove(key, &hash);
        }
    }

    /// Forgets how to undo.
    pub(super) fn commit(&mut self) {
        self.fresh.clear();
        self.all.commit();
        self.types.values_mut().for_each(Summary::commit);
    }

    /// Undoes everything since the last commit.
    pub(super) fn rollback(&mut self) {
        for made in std::mem::take(&mut self.fresh) {
            self.types.remove(&made);
        }
        self.all.rollback();
        self.types.values_mut().for_each(Summary::rollback);
    }

    /// Count and fingerprint of the keys in `from..to` that match.
    pub(super) fn fingerprint(
        &mut self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        source: &dyn KeySource,
    ) -> Result<Fingerprint, StoreError> {
        self.of(filter, source)?.fingerprint(from, to, &|from, to, max| source.scan(filter, from, to, max))
    }

    /// See [`Store::split`](super::Store::split).
    pub(super) fn split(
        &mut self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        parts: usize,
        source: &dyn KeySource,
    ) -> Result<Vec<RecordKey>, StoreError> {
        self.of(filter, source)?.split(from, to, parts, &|from, to, max| source.scan(filter, from, to, max))
    }

    /// See [`Store::newest`](super::Store::newest).
    pub(super) fn newest(
        &mut self,
        filter: &Filter,
        sizes: &[u64],
        source: &dyn KeySource,
    ) -> Result<Vec<RecordKey>, StoreError> {
        self.of(filter, source)?.newest(sizes, &|from, to, max| source.scan(filter, from, to, max))
    }

    fn of(&mut self, filter: &Filter, source: &dyn KeySource) -> Result<&Summary, StoreError> {
        let Filter::Only(record_type) = filter else {
            return Ok(&self.all);
        };
        if !self.types.contains_key(record_type) {
            let built = Summary::build(&|from, to, max| source.scan(filter, from, to, max))?;
            if self.types.len() >= MAX_TYPE_SUMMARIES {
                // The smallest is the cheapest to make again.
                let least = self.types.iter().min_by_key(|(_, s)| s.count()).map(|(t, _)| t.clone());
                if let Some(least) = least {
                    self.types.remove(&least);
                    self.fresh.remove(&least);
                }
            }
            self.types.insert(record_type.clone(), built);
            self.fresh.insert(record_type.clone());
        }
        Ok(&self.types[record_type])
    }
}
