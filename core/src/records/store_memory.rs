//! A database in memory: for tests, for the simulator, and for graphs that leave nothing behind.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;

use self::{reader::Shared, tables::Tables, withheld::Withheld};
use super::{
    Change, Durability, Fingerprint, KeptLoser, Put, Reader, Store, StoreError, VerifiedRecord,
    conflicts::{Loser, Losers},
    merge::{highest_version, rank, shown_version},
    stored::{State, change, damaged, without_body},
    summaries::{KeySource, Summaries},
};
use crate::{
    ids::{ElementId, GraphId, Lsn, PeerId, RecordId},
    record::{RecordKey, SignedRecord},
    time::{Hlc, Timestamp},
    wire::Filter,
};

mod reader;
mod tables;
mod withheld;

/// A [`Store`] that is gone when it is dropped.
pub struct MemoryStore {
    graph: GraphId,
    tables: Tables,
    summaries: RefCell<Summaries>,
    meta: BTreeMap<String, Vec<u8>>,
    losers: Losers,
    withheld: Withheld,
    last: (Lsn, Hlc),
    undo: Undo,
    shared: Arc<Shared>,
    /// While it is set, commits fail, as on a full disk.
    #[cfg(test)]
    pub(crate) fails: Arc<std::sync::atomic::AtomicBool>,
    #[cfg(test)]
    pub(crate) watch: Arc<Watch>,
}

/// What is read of versions, and which of them cannot be, as if a sector had gone bad.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) bytes: std::sync::atomic::AtomicUsize,
    /// How many versions were read, of whatever kind.
    pub(crate) read: std::sync::atomic::AtomicUsize,
    /// How many were put.
    pub(crate) put: std::sync::atomic::AtomicUsize,
    pub(crate) damaged: std::sync::Mutex<Option<RecordKey>>,
}

/// One version, or what is left of it.
struct Row {
    record: SignedRecord,
    state: State,
    lsn: Lsn,
    /// When the record came into being, or last came back.
    born: Lsn,
    /// The highest version number it was read under.
    version: u64,
}

/// How to go back to the last commit, and what to tell the readers at the next.
#[derive(Default)]
struct Undo {
    rows: Vec<(RecordId, Option<Arc<Row>>)>,
    meta: Vec<(String, Option<Vec<u8>>)>,
    last: Option<(Lsn, Hlc)>,
}

impl MemoryStore {
    /// An empty database. `incarnation`: random, so that cursors of another one are recognised.
    pub fn new(graph: GraphId, incarnation: u64) -> Self {
        Self {
            graph,
            tables: Tables::default(),
            summaries: RefCell::default(),
            meta: BTreeMap::new(),
            losers: Losers::default(),
            withheld: Withheld::default(),
            last: (Lsn(0), Hlc(0)),
            undo: Undo::default(),
            shared: Arc::new(Shared { incarnation, committed: RwLock::default() }),
            #[cfg(test)]
            fails: Arc::default(),
            #[cfg(test)]
            watch: Arc::default(),
        }
    }

    /// The next place in the feed. All changes come through here, so it also keeps where to go back to.
    fn advance(&mut self, hlc: Hlc) -> Lsn {
        self.undo.last.get_or_insert(self.last);
        self.last = (Lsn(self.last.0.0.saturating_add(1)), self.last.1.max(hlc));
        self.last.0
    }

    /// Puts a row in the place of what is there, all indices and summaries included.
    fn replace(&mut self, id: RecordId, row: Option<Arc<Row>>) -> Result<(), StoreError> {
        let old = self.tables.replace(id, row.clone());
        let summaries = self.summaries.get_mut();
        if let Some(old) = old.as_ref().filter(|row| row.state.is_current()) {
            summaries.remove(&old.record.header().record_type, old.record.key());
        }
        self.undo.rows.push((id, old));
        match row.filter(|row| row.state.is_current()) {
            Some(row) => summaries.add(&row.record.header().record_type, row.record.key(), &self.tables),
            None => Ok(()),
        }
    }
}

impl Store for MemoryStore {
    fn put(&mut self, record: &VerifiedRecord) -> Result<Put, StoreError> {
        #[cfg(test)]
        self.watch.put.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let record = record.signed();
        self.withheld.remove(&record.key());
        let old = self.tables.by_id.get(&record.id()).cloned();
        if let Some(old) = old.as_ref().filter(|old| old.state != State::Void) {
            if old.record.key() == record.key() && old.state != State::Stub {
                return Ok(Put::Same);
            }
            if rank(&old.record) > rank(record) {
                let there = old.record.clone();
                return Ok(match old.state.is_current() {
                    true => Put::Older { newer: there },
                    false => Put::Expired { left: there },
                });
            }
        }
        let lsn = self.advance(record.header().hlc);
        let born = old.as_ref().filter(|old| old.state == State::Live).map_or(lsn, |old| old.born);
        let before = old.as_ref().filter(|old| old.state != State::Void).map(|old| old.version);
        let version = highest_version(record, before);
        let row = Row { record: record.clone(), state: State::of(record), lsn, born, version };
        self.replace(record.id(), Some(Arc::new(row)))?;
        Ok(match old {
            None => Put::Inserted { lsn },
            // What expired by a clock that was wrong is back.
            Some(old) if old.state == State::Void || old.record.key() == record.key() => {
                Put::Inserted { lsn }
            }
            Some(old) => {
                Put::Replaced { lsn, older: old.record.clone(), version: shown_version(record, version) }
            }
        })
    }

    fn put_expired(&mut self, record: &VerifiedRecord) -> Result<Option<Change>, StoreError> {
        let id = record.signed().id();
        let Some(old) = self.tables.by_id.get(&id).cloned() else { return Ok(None) };
        if !old.state.is_current() || rank(&old.record) >= rank(record.signed()) {
            return Ok(None);
        }
        let record = without_body(&self.graph, record.signed()).map_err(damaged)?;
        let version = highest_version(&record, Some(old.version));
        let told = old.state == State::Tombstone;
        let lsn = if told { old.lsn } else { self.advance(record.header().hlc) };
        let change = (!told).then(|| change(lsn, lsn, old.born, State::Stub, (&record, version)));
        self.replace(id, Some(Arc::new(Row { record, state: State::Stub, lsn, born: old.born, version })))?;
        self.losers.forget_record(&id);
        Ok(change)
    }

    fn expire(&mut self, now: Timestamp, max: usize) -> Result<Vec<Change>, StoreError> {
        let due = self.tables.by_expiry.iter().take_while(|(at, ..)| *at <= now).take(max);
        let due: Vec<_> = due.map(|(.., id)| *id).collect();
        let mut changes = Vec::new();
        for id in due {
            let old = self.tables.by_id[&id].clone();
            let record = without_body(&self.graph, &old.record).map_err(damaged)?;
            // The feed has told of a tombstone already.
            let told = old.state == State::Tombstone;
            let lsn = if told { old.lsn } else { self.advance(record.header().hlc) };
            if !told {
                changes.push(change(lsn, lsn, old.born, State::Stub, (&record, old.version)));
            }
            let row = Row { record, state: State::Stub, lsn, born: old.born, version: old.version };
            self.replace(id, Some(Arc::new(row)))?;
            self.losers.forget_record(&id);
        }
        self.losers.forget(|loser| loser.expires.is_some_and(|at| at <= now));
        self.withheld.expire(now, max);
        Ok(changes)
    }

    fn collect(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        let old: Vec<_> = self.tables.gone.iter().take_while(|(at, _)| *at < before).map(|g| g.1).collect();
        for id in &old {
            let row =
                self.tables.by_id.get(id).filter(|row| matches!(row.state, State::Tombstone | State::Stub));
            if let Some(row) = row {
                self.withheld.drop_beaten(&row.record);
            }
            self.replace(*id, None)?;
            self.losers.forget_record(id);
        }
        Ok(old.len() + self.withheld.collect(before))
    }

    fn discard(&mut self, key: &RecordKey) -> Result<(), StoreError> {
        self.withheld.remove(key);
        match self.tables.by_key.get(key).map(|row| row.record.id()) {
            Some(id) => self.replace(id, None),
            None => Ok(()),
        }
    }

    fn withdraw(&mut self, key: &RecordKey) -> Result<Option<Change>, StoreError> {
        let Some(old) = self.tables.by_key.get(key).cloned() else {
            self.withheld.remove(key);
            return Ok(None);
        };
        let record = without_body(&self.graph, &old.record).map_err(damaged)?;
        // The feed has told of a tombstone already.
        let told = old.state == State::Tombstone;
        let lsn = if told { old.lsn } else { self.advance(record.header().hlc) };
        let told = (!told).then(|| change(lsn, lsn, old.born, State::Void, (&record, old.version)));
        let row = Row { state: State::Void, lsn, born: old.born, version: old.version, record };
        self.replace(row.record.id(), Some(Arc::new(row)))?;
        Ok(told)
    }

    fn withhold(&mut self, key: &RecordKey) -> Result<Option<Change>, StoreError> {
        let current = self.fetch(key)?;
        let Some(record) = current.clone().map_or_else(|| self.loser(key), |record| Ok(Some(record)))? else {
            return Ok(None);
        };
        let change = match current {
            Some(_) => self.withdraw(key)?,
            None => {
                self.discard_loser(&key.element)?;
                None
            }
        };
        self.withheld.keep(record);
        Ok(change)
    }

    fn release(&mut self, key: &RecordKey) -> Result<Option<(VerifiedRecord, Put)>, StoreError> {
        // It was verified before it was first put.
        let Some(record) = self.withheld.get(key).cloned().map(VerifiedRecord) else { return Ok(None) };
        let put = self.put(&record)?;
        Ok(Some((record, put)))
    }

    fn withheld(&self, filter: &Filter, from: RecordKey, max: usize) -> Result<Vec<RecordKey>, StoreError> {
        Ok(self.withheld.keys(filter, from, max))
    }

    fn fetch_withheld(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError> {
        #[cfg(test)]
        self.watch.read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(self.withheld.get(key).cloned())
    }

    fn keep_loser(
        &mut self,
        loser: &SignedRecord,
        told: Option<Lsn>,
        now: Timestamp,
    ) -> Result<Option<KeptLoser>, StoreError> {
        let Some(winner) = self.tables.by_id.get(&loser.id()).cloned() else { return Ok(None) };
        if self.losers.knows(&loser.key().element) || !self.losers.wants(loser) {
            return Ok(None);
        }
        let version = highest_version(&winner.record, Some(loser.header().version)).max(winner.version);
        let lsn = match told.or_else(|| self.losers.told_before(loser, &winner.record)) {
            Some(lsn) => lsn,
            None => {
                let lsn = self.advance(loser.header().hlc);
                let (record, state, born) = (winner.record.clone(), winner.state, winner.born);
                self.replace(loser.id(), Some(Arc::new(Row { record, state, lsn, born, version })))?;
                lsn
            }
        };
        let record = Some(Arc::new(loser.clone()));
        self.losers.keep(Loser { record, ..Loser::new(loser, lsn, now) });
        Ok(Some(KeptLoser { lsn, version: shown_version(&winner.record, version) }))
    }

    fn acknowledge_loser(&mut self, element: &ElementId) -> Result<bool, StoreError> {
        Ok(self.losers.acknowledge(element))
    }

    fn forget_losers(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        Ok(self.losers.forget(|loser| loser.noticed < before))
    }

    fn discard_loser(&mut self, element: &ElementId) -> Result<(), StoreError> {
        self.losers.forget(|loser| loser.key.element == *element);
        Ok(())
    }

    fn knows_loser(&self, key: &RecordKey) -> bool {
        self.losers.knows(&key.element)
    }

    fn loser(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError> {
        #[cfg(test)]
        self.watch.read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let number = self.losers.number_of(&key.element);
        let loser = number.and_then(|number| self.losers.rows().get(&number));
        Ok(loser.and_then(|loser| loser.record.as_deref().cloned()))
    }

    fn losers_of(&self, id: &RecordId) -> Vec<RecordKey> {
        self.losers.kept_of(id)
    }

    fn losers(&self) -> Vec<RecordKey> {
        self.losers.kept()
    }

    fn losers_by(&self, peers: &BTreeSet<PeerId>) -> Vec<RecordKey> {
        self.losers.kept_by(peers)
    }

    fn current_by(
        &self,
        peer: &PeerId,
        after: Lsn,
        through: Lsn,
        max: usize,
    ) -> Result<Vec<(Lsn, RecordKey)>, StoreError> {
        Ok(self.tables.current_by(peer, after, through, max))
    }

    fn withheld_by(&self, peer: &PeerId, from: RecordKey, max: usize) -> Result<Vec<RecordKey>, StoreError> {
        Ok(self.withheld.keys_by(peer, from, max))
    }

    fn set_meta(&mut self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let old = self.meta.insert(name.into(), value.into());
        self.undo.meta.push((name.into(), old));
        Ok(())
    }

    fn commit(&mut self, _: Durability) -> Result<(), StoreError> {
        #[cfg(test)]
        if self.fails.load(std::sync::atomic::Ordering::Relaxed) {
            self.rollback()?;
            return Err(StoreError::Io(Arc::new(std::io::Error::from(std::io::ErrorKind::StorageFull))));
        }
        let undo = std::mem::take(&mut self.undo);
        self.summaries.get_mut().commit();
        self.withheld.commit();
        let mut committed = self.shared.committed.write().unwrap_or_else(PoisonError::into_inner);
        for (id, _) in undo.rows {
            committed.replace(id, self.tables.by_id.get(&id).cloned());
        }
        for number in self.losers.changed() {
            committed.losers.restore(number, self.losers.rows().get(&number).cloned());
        }
        self.losers.commit();
        committed.last = self.last.0;
        Ok(())
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        let undo = std::mem::take(&mut self.undo);
        for (id, old) in undo.rows.into_iter().rev() {
            self.tables.replace(id, old);
        }
        for (name, old) in undo.meta.into_iter().rev() {
            match old {
                Some(value) => self.meta.insert(name, value),
                None => self.meta.remove(&name),
            };
        }
        self.withheld.rollback();
        self.losers.rollback();
        self.last = undo.last.unwrap_or(self.last);
        self.summaries.get_mut().rollback();
        Ok(())
    }

    fn get(&self, id: &RecordId) -> Result<Option<SignedRecord>, StoreError> {
        let row = self.tables.by_id.get(id).filter(|row| row.state.is_current());
        Ok(row.map(|row| row.record.clone()))
    }

    fn fetch(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError> {
        let found = self.tables.by_key.get(key).map(|row| row.record.clone());
        #[cfg(test)]
        {
            let bytes = found.as_ref().map_or(0, |record| record.bytes().len());
            self.watch.bytes.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            self.watch.read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if self.watch.damaged.lock().is_ok_and(|damaged| *damaged == Some(*key)) {
                return Err(StoreError::Damaged("a test".into()));
            }
        }
        Ok(found)
    }

    fn contains(&self, key: &RecordKey) -> Result<bool, StoreError> {
        Ok(self.tables.by_key.contains_key(key) || self.withheld.get(key).is_some())
    }

    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.meta.get(name).cloned())
    }

    fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        let records = self.tables.by_expiry.first().map(|(at, ..)| *at);
        Ok(records.into_iter().chain(self.withheld.next_expiry()).chain(self.losers.next_expiry()).min())
    }

    fn last_hlc(&self) -> Result<Hlc, StoreError> {
        Ok(self.last.1)
    }

    fn last_lsn(&self) -> Lsn {
        self.last.0
    }

    fn root(&self) -> Fingerprint {
        self.summaries.borrow().all().root()
    }

    fn count(&self) -> u64 {
        self.summaries.borrow().all().count()
    }

    fn fingerprint(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
    ) -> Result<Fingerprint, StoreError> {
        self.summaries.borrow_mut().fingerprint(filter, from, to, &self.tables)
    }

    fn split(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        parts: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        self.summaries.borrow_mut().split(filter, from, to, parts, &self.tables)
    }

    fn newest(&self, filter: &Filter, sizes: &[u64]) -> Result<Vec<RecordKey>, StoreError> {
        self.summaries.borrow_mut().newest(filter, sizes, &self.tables)
    }

    fn keys(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        self.tables.scan(filter, from, to, max)
    }

    fn envelopes(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max_bytes: usize,
    ) -> Result<(Vec<Bytes>, Option<RecordKey>), StoreError> {
        let (mut found, mut total) = (Vec::new(), 0);
        for key in self.tables.range(filter, from, to) {
            let bytes = self.tables.by_key[&key].record.bytes();
            if !found.is_empty() && total + bytes.len() > max_bytes {
                return Ok((found, Some(key)));
            }
            total += bytes.len();
            found.push(bytes.clone());
        }
        Ok((found, None))
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.shared.clone()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} rows, {:?})", self.tables.by_id.len(), self.last.0)
    }
}
