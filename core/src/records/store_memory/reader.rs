//! [`Reader`] of a database in memory: a copy of the rows, as of the last commit.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;

use super::Row;
use crate::{
    ids::{Lsn, PeerId, RecordId},
    limits::{EVENT_BATCH_BYTES, MAX_PAGE_BYTES},
    record::{Record, RecordType},
    records::{
        Change, Changes, Conflict, ConflictQuery, ListQuery, Page, Reader, StoreError,
        conflicts::Losers,
        merge::shown_version,
        stored::{State, change, check_value, page_limit},
    },
    time::Timestamp,
};

/// What readers see.
pub(super) struct Shared {
    pub(super) incarnation: u64,
    pub(super) committed: RwLock<Committed>,
}

/// The feed as of the last commit.
#[derive(Default)]
pub(super) struct Committed {
    by_id: BTreeMap<RecordId, Arc<Row>>,
    by_lsn: BTreeMap<Lsn, Arc<Row>>,
    pub(super) losers: Losers,
    pub(super) last: Lsn,
}

impl Committed {
    pub(super) fn replace(&mut self, id: RecordId, row: Option<Arc<Row>>) {
        let old = match &row {
            Some(row) => self.by_id.insert(id, row.clone()),
            None => self.by_id.remove(&id),
        };
        if let Some(old) = old {
            self.by_lsn.remove(&old.lsn);
        }
        if let Some(row) = row {
            self.by_lsn.insert(row.lsn, row);
        }
    }
}

impl Committed {
    fn loser_to_tell(&self, row: &Row, after: Lsn) -> Option<Arc<Record>> {
        let loser = self.losers.to_tell(&row.record.id(), after).filter(|_| row.state != State::Stub)?;
        loser.record.as_ref().map(|record| Arc::new(record.to_record()))
    }
}

impl Shared {
    fn read<T>(&self, read: impl FnOnce(&Committed) -> T) -> Result<T, StoreError> {
        Ok(read(&self.committed.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Reader for Shared {
    fn get(&self, id: &RecordId, now: Timestamp) -> Result<Option<Record>, StoreError> {
        self.read(|committed| {
            let row = committed.by_id.get(id).filter(|row| row.state == State::Live);
            row.map(|row| row.record.to_record()).filter(|record| !record.is_expired(now))
        })
    }

    fn list(&self, query: &ListQuery, now: Timestamp) -> Result<Page<Record>, StoreError> {
        self.read(|committed| {
            let through = query.through.unwrap_or(committed.last);
            let limit = page_limit(query.limit);
            let matching = |after: Lsn| {
                // An empty range must not begin behind its end.
                let from = Lsn(after.0.saturating_add(1)).min(Lsn(through.0.saturating_add(1)));
                let snapshot = committed.by_lsn.range(from..).map(|(_, row)| row);
                snapshot.take_while(|row| row.lsn <= through).filter(|row| row.is_listed(query, now))
            };
            let total = query.count.then(|| matching(Lsn(0)).count() as u64);
            let mut page = Page { items: Vec::new(), next: None, through, total };
            let (mut last, mut bytes) = (None, 0);
            for row in matching(query.after.unwrap_or_default()) {
                let size = row.record.bytes().len();
                if page.items.len() == limit || (bytes + size > MAX_PAGE_BYTES && last.is_some()) {
                    page.next = last;
                    break;
                }
                bytes += size;
                last = Some(row.lsn);
                page.items.push(row.readable());
            }
            page
        })
    }

    fn conflicts(&self, query: &ConflictQuery, now: Timestamp) -> Result<Page<Conflict>, StoreError> {
        self.read(|committed| {
            let (after, limit) = (query.after.unwrap_or_default().0, page_limit(query.limit));
            let mut page = Page { items: Vec::new(), next: None, through: committed.last, total: None };
            let (mut last, mut bytes) = (None, 0);
            for (number, kept) in committed.losers.rows().range(after.saturating_add(1)..) {
                let wanted = query.record.is_none_or(|id| id == kept.id) && !kept.is_expired(now);
                let winner = committed.by_id.get(&kept.id).filter(|row| row.has_conflicts(now));
                let (Some(row), Some(loser), true) = (winner, &kept.record, wanted) else { continue };
                let size = row.record.bytes().len() + loser.bytes().len();
                if page.items.len() == limit || (bytes + size > MAX_PAGE_BYTES && last.is_some()) {
                    page.next = last;
                    break;
                }
                bytes += size;
                last = Some(Lsn(*number));
                let winner = change(Lsn(0), row.lsn, row.born, row.state, (&row.record, row.version)).record;
                page.items.push(Conflict {
                    winner: Record::clone(&winner),
                    loser: loser.to_record(),
                    noticed: kept.noticed,
                });
            }
            page
        })
    }

    fn changes(
        &self,
        after: Lsn,
        types: &[RecordType],
        authors: &[PeerId],
        max: usize,
    ) -> Result<Changes, StoreError> {
        self.read(|committed| {
            let wanted = |row: &&Arc<Row>| {
                let header = row.record.header();
                let of_type = match types {
                    [] => !header.record_type.is_reserved(),
                    types => types.contains(&header.record_type),
                };
                of_type && (authors.is_empty() || authors.contains(&header.author()))
            };
            let later = committed.by_lsn.range(Lsn(after.0.saturating_add(1))..).map(|(_, row)| row);
            let (mut bytes, mut cut) = (0, false);
            let within = |change: &Change| {
                let first = bytes == 0;
                bytes += change.body_bytes();
                cut = bytes > EVENT_BATCH_BYTES && !first;
                !cut
            };
            let tell = |row: &Arc<Row>| Change {
                conflict: committed.loser_to_tell(row, after),
                ..change(after, row.lsn, row.born, row.state, (&row.record, row.version))
            };
            let entries: Vec<_> = later.filter(wanted).take(max).map(tell).take_while(within).collect();
            let through = match entries.last() {
                Some(last) if cut || entries.len() == max => last.lsn,
                _ if max == 0 => after,
                _ => committed.last.max(after),
            };
            Changes { entries, through }
        })
    }

    fn snapshot(&self, each: &mut dyn FnMut(Bytes) -> bool) -> Result<(), StoreError> {
        // Copied, which is cheap, for no write shall wait for `each`.
        let (credentials, others): (Vec<_>, Vec<_>) = self.read(|committed| {
            let current = committed.by_lsn.values().filter(|row| row.state.is_current());
            let told =
                current.map(|row| (row.record.header().record_type.clone(), row.record.bytes().clone()));
            told.filter(|(record_type, _)| record_type != RecordType::PRESENCE)
                .partition(|(record_type, _)| record_type == RecordType::CREDENTIAL)
        })?;
        let _ = credentials.into_iter().chain(others).all(|(_, bytes)| each(bytes));
        Ok(())
    }

    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn last_lsn(&self) -> Result<Lsn, StoreError> {
        self.read(|committed| committed.last)
    }

    fn check_at(&self, lsn: Lsn) -> Result<u64, StoreError> {
        self.read(|committed| committed.by_lsn.get(&lsn).map_or(0, |row| check_value(row.record.key())))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReader").field("incarnation", &self.incarnation).finish_non_exhaustive()
    }
}

impl Row {
    fn readable(&self) -> Record {
        Record { version: shown_version(&self.record, self.version), ..self.record.to_record() }
    }

    fn has_conflicts(&self, now: Timestamp) -> bool {
        self.state != State::Stub && self.record.header().expires.is_none_or(|at| at > now)
    }

    fn is_listed(&self, query: &ListQuery, now: Timestamp) -> bool {
        let header = self.record.header();
        let of_type = match &query.record_type {
            Some(wanted) => header.record_type == *wanted,
            None => query.include_reserved || !header.record_type.is_reserved(),
        };
        of_type
            && query.creator.is_none_or(|creator| header.creator == creator)
            && (self.state == State::Live || query.include_deleted && self.state == State::Tombstone)
            && header.expires.is_none_or(|at| at > now)
    }
}
