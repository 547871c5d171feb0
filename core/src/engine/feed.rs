//! The database's feed, as subscriptions read it.

use std::sync::Arc;

use bytes::Bytes;

use super::{Engine, Stamper};
use crate::{
    events::{ChangeBatch, ChangeSource, FeedEntry, FeedError, FeedPosition},
    group::KeyRing,
    ids::{Lsn, PeerId, RecordId},
    record::{Record, RecordType},
    records::{Changes, Conflict, ConflictQuery, ListQuery, Page, Reader, StoreError},
    time::Timestamp,
};

/// Gives subscriptions the changes that did not fit in their memory.
#[derive(Debug, Clone)]
pub struct Feed(pub Arc<dyn Reader>);

impl ChangeSource for Feed {
    fn changes(
        &self,
        after: Lsn,
        types: &[RecordType],
        authors: &[PeerId],
        max: usize,
    ) -> Result<ChangeBatch, FeedError> {
        let changes = self.0.changes(after, types, authors, max).map_err(FeedError::new)?;
        let entries = changes
            .entries
            .into_iter()
            .map(|c| FeedEntry { lsn: c.lsn, change: c.kind, record: c.record, conflict: c.conflict })
            .collect();
        Ok(ChangeBatch { entries, through: changes.through })
    }

    fn position(&self) -> Result<FeedPosition, FeedError> {
        let lsn = self.0.last_lsn().map_err(FeedError::new)?;
        let check = self.0.check_at(lsn).map_err(FeedError::new)?;
        Ok(FeedPosition { incarnation: self.0.incarnation(), lsn, check })
    }

    fn check_at(&self, lsn: Lsn) -> Result<u64, FeedError> {
        self.0.check_at(lsn).map_err(FeedError::new)
    }
}

/// Reads committed data as applications see it: bodies decrypted, as far as their keys are here, and what others cannot
/// accept yet marked.
#[derive(Debug)]
pub struct OpenReader {
    reader: Arc<dyn Reader>,
    ring: Arc<KeyRing>,
    stamper: Arc<Stamper>,
}

impl OpenReader {
    /// Over the database of an engine.
    pub fn new(reader: Arc<dyn Reader>, engine: &Engine) -> Self {
        Self { reader, ring: engine.key_ring().clone(), stamper: engine.stamper() }
    }

    fn open(&self, record: Record) -> Record {
        self.stamper.mark_held(self.ring.open(record))
    }
}

impl Reader for OpenReader {
    fn get(&self, id: &RecordId, now: Timestamp) -> Result<Option<Record>, StoreError> {
        Ok(self.reader.get(id, now)?.map(|record| self.open(record)))
    }

    fn list(&self, query: &ListQuery, now: Timestamp) -> Result<Page<Record>, StoreError> {
        let page = self.reader.list(query, now)?;
        Ok(Page { items: page.items.into_iter().map(|record| self.open(record)).collect(), ..page })
    }

    fn conflicts(&self, query: &ConflictQuery, now: Timestamp) -> Result<Page<Conflict>, StoreError> {
        let page = self.reader.conflicts(query, now)?;
        let open = |Conflict { winner, loser, noticed }| Conflict {
            winner: self.open(winner),
            loser: self.open(loser),
            noticed,
        };
        Ok(Page { items: page.items.into_iter().map(open).collect(), ..page })
    }

    fn changes(
        &self,
        after: Lsn,
        types: &[RecordType],
        authors: &[PeerId],
        max: usize,
    ) -> Result<Changes, StoreError> {
        let mut changes = self.reader.changes(after, types, authors, max)?;
        let differs = |record: &Record| self.ring.overhead() > 0 || self.stamper.is_held(record);
        for change in changes.entries.iter_mut().filter(|change| differs(&change.record)) {
            change.record = Arc::new(self.open(Record::clone(&change.record)));
            let conflict = change.conflict.take();
            change.conflict = conflict.map(|loser| Arc::new(self.open(Record::clone(&loser))));
        }
        Ok(changes)
    }

    /// As they travel: encrypted.
    fn snapshot(&self, each: &mut dyn FnMut(Bytes) -> bool) -> Result<(), StoreError> {
        self.reader.snapshot(each)
    }

    fn incarnation(&self) -> u64 {
        self.reader.incarnation()
    }

    fn last_lsn(&self) -> Result<Lsn, StoreError> {
        self.reader.last_lsn()
    }

    fn check_at(&self, lsn: Lsn) -> Result<u64, StoreError> {
        self.reader.check_at(lsn)
    }
}
