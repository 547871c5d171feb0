//! [`Store`] over the statements of [`Db`](super::db::Db): who wins, and what happens to the loser.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;

use super::{
    SqliteStore,
    db::{Found, NewRow, Unreadable},
    sql,
};
use crate::{
    ids::{ElementId, Lsn, PeerId, RecordId},
    record::{RecordKey, RecordType, SignedRecord},
    records::{
        Change, Durability, Fingerprint, KeptLoser, Put, Reader, Store, StoreError, VerifiedRecord,
        conflicts::Loser,
        merge::{highest_version, rank, shown_version},
        stored::{State, change, damaged, without_body},
        summaries::KeySource,
    },
    time::{Hlc, Timestamp},
    wire::Filter,
};

impl SqliteStore {
    /// The numbers of a record's type, creator and author.
    pub(super) fn intern(&mut self, record: &SignedRecord) -> Result<[i64; 3], StoreError> {
        let (header, conn) = (record.header(), self.db.conn());
        let record_type = self.interned.record_type(conn, &header.record_type).map_err(sql)?;
        let creator = self.interned.peer(conn, &header.creator).map_err(sql)?;
        let author = match &header.editor {
            Some(editor) => self.interned.peer(conn, editor).map_err(sql)?,
            None => creator,
        };
        Ok([record_type, creator, author])
    }

    fn add_key(&mut self, record: &SignedRecord) -> Result<(), StoreError> {
        self.summaries.get_mut().add(&record.header().record_type, record.key(), &self.db)
    }

    /// Throws out what cannot be read and whose time is over in any case: it is not to hold up the others.
    fn drop_unreadable(&mut self, Unreadable { lsn, key }: &Unreadable) -> Result<(), StoreError> {
        tracing::warn!(element = %key.element.short(), "a stored record is damaged; it is thrown out");
        self.discard(key)?;
        self.db.delete(*lsn).map_err(sql)?;
        self.changed = true;
        Ok(())
    }

    fn drop_losers(&mut self) -> Result<(), StoreError> {
        self.begin()?;
        self.changed = true;
        self.db.drop_losers(&self.losers).map_err(sql)
    }

    /// Deletes a row with its key.
    fn remove(&mut self, found: &Found) -> Result<(), StoreError> {
        self.db.delete(found.lsn).map_err(sql)?;
        if found.state.is_current() {
            self.summaries.get_mut().remove(&found.record.header().record_type, found.record.key());
        }
        self.changed = true;
        Ok(())
    }
}

impl Store for SqliteStore {
    fn put(&mut self, record: &VerifiedRecord) -> Result<Put, StoreError> {
        self.begin()?;
        let record = record.signed();
        self.drop_withheld(&record.key())?;
        let interned = self.intern(record)?;
        let lsn = self.next_lsn();
        let version = highest_version(record, None);
        let mut row = NewRow { lsn, born: lsn, state: State::of(record), version, record, interned };
        // Most records are new, so that is tried without looking.
        if self.db.insert(&row).map_err(sql)? {
            self.advance(record.header().hlc);
            self.add_key(record)?;
            return Ok(Put::Inserted { lsn });
        }
        let found = self.db.find_any(&record.id()).map_err(sql)?;
        let old = match found.ok_or_else(|| StoreError::Damaged("the index of ids".into()))? {
            Ok(old) => old,
            Err(unreadable) => {
                // What cannot be read is as good as absent.
                self.drop_unreadable(&unreadable)?;
                self.db.insert(&row).map_err(sql)?;
                self.advance(record.header().hlc);
                self.add_key(record)?;
                return Ok(Put::Inserted { lsn });
            }
        };
        if old.state != State::Void {
            if old.record.key() == record.key() && old.state != State::Stub {
                return Ok(Put::Same);
            }
            if rank(&old.record) > rank(record) {
                return Ok(match old.state.is_current() {
                    true => Put::Older { newer: old.record },
                    false => Put::Expired { left: old.record },
                });
            }
        }
        self.remove(&old)?;
        // What expired by a clock that was wrong is back.
        let back = old.record.key() == record.key();
        if old.state == State::Live {
            row.born = old.born;
        }
        if old.state != State::Void {
            row.version = highest_version(record, Some(old.version));
        }
        self.db.insert(&row).map_err(sql)?;
        self.advance(record.header().hlc);
        self.add_key(record)?;
        Ok(match old.state {
            State::Void => Put::Inserted { lsn },
            _ if back => Put::Inserted { lsn },
            _ => Put::Replaced { lsn, older: old.record, version: shown_version(record, row.version) },
        })
    }

    fn put_expired(&mut self, record: &VerifiedRecord) -> Result<Option<Change>, StoreError> {
        let Some(Ok(old)) = self.db.find_any(&record.signed().id()).map_err(sql)? else { return Ok(None) };
        if !old.state.is_current() || rank(&old.record) >= rank(record.signed()) {
            return Ok(None);
        }
        self.begin()?;
        let record = without_body(self.db.graph(), record.signed()).map_err(damaged)?;
        let interned = self.intern(&record)?;
        let version = highest_version(&record, Some(old.version));
        self.remove(&old)?;
        let told = old.state == State::Tombstone;
        let lsn = if told { old.lsn } else { self.advance(record.header().hlc) };
        let row = NewRow { lsn, born: old.born, state: State::Stub, version, record: &record, interned };
        self.db.insert(&row).map_err(sql)?;
        self.losers.forget_record(&record.id());
        self.db.drop_losers(&self.losers).map_err(sql)?;
        Ok((!told).then(|| change(lsn, lsn, old.born, State::Stub, (&record, version))))
    }

    fn expire(&mut self, now: Timestamp, max: usize) -> Result<Vec<Change>, StoreError> {
        self.drop_expired_withheld(now, max)?;
        let due = self.db.due(now, max).map_err(sql)?;
        if due.is_empty() && self.losers.next_expiry().is_none_or(|at| at > now) {
            return Ok(Vec::new());
        }
        self.begin()?;
        let mut changes = Vec::new();
        for old in due {
            let old = match old {
                Ok(old) => old,
                Err(unreadable) => {
                    self.drop_unreadable(&unreadable)?;
                    continue;
                }
            };
            let record = without_body(self.db.graph(), &old.record).map_err(damaged)?;
            let interned = self.intern(&record)?;
            self.remove(&old)?;
            // The feed has told of a tombstone already.
            let told = old.state == State::Tombstone;
            let lsn = if told { old.lsn } else { self.advance(record.header().hlc) };
            let (born, version) = (old.born, old.version);
            let row = NewRow { lsn, born, state: State::Stub, version, record: &record, interned };
            self.db.insert(&row).map_err(sql)?;
            if !told {
                changes.push(change(lsn, lsn, born, State::Stub, (&record, version)));
            }
            self.losers.forget_record(&record.id());
        }
        self.losers.forget(|loser| loser.is_expired(now));
        self.db.drop_losers(&self.losers).map_err(sql)?;
        Ok(changes)
    }

    fn collect(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        let gone = self.db.gone(before).map_err(sql)?;
        if !gone.is_empty() {
            self.begin()?;
        }
        let beats = |state| matches!(state, State::Tombstone | State::Stub);
        let wins = gone.iter().filter_map(|old| old.as_ref().ok()).filter(|old| beats(old.state));
        self.drop_beaten_withheld(&wins.map(|old| &old.record).collect::<Vec<_>>())?;
        for old in &gone {
            match old {
                Ok(old) => {
                    self.remove(old)?;
                    self.losers.forget_record(&old.record.id());
                }
                Err(unreadable) => self.drop_unreadable(unreadable)?,
            }
        }
        self.db.drop_losers(&self.losers).map_err(sql)?;
        Ok(gone.len() + self.drop_old_withheld(before)?)
    }

    fn discard(&mut self, key: &RecordKey) -> Result<(), StoreError> {
        self.begin()?;
        self.drop_withheld(key)?;
        if let Some(name) = self.db.discard(key).map_err(sql)? {
            let record_type =
                RecordType::new(&name).map_err(|_| StoreError::Damaged("a type's name".into()))?;
            self.summaries.get_mut().remove(&record_type, *key);
            self.changed = true;
        }
        Ok(())
    }

    fn left(&self, after: Lsn, max: usize) -> Result<Vec<(Lsn, Option<SignedRecord>)>, StoreError> {
        self.db.left(after, max).map_err(sql)
    }

    fn discard_left(&mut self, lsn: Lsn) -> Result<(), StoreError> {
        self.begin()?;
        self.db.delete(lsn).map_err(sql)?;
        self.changed = true;
        Ok(())
    }

    fn withdraw(&mut self, key: &RecordKey) -> Result<Option<Change>, StoreError> {
        let Some(record) = self.db.fetch(key).map_err(sql)? else {
            self.drop_withheld(key)?;
            return Ok(None);
        };
        let Some(old) = self.db.find(&record.id()).map_err(sql)? else { return Ok(None) };
        self.begin()?;
        let record = without_body(self.db.graph(), &old.record).map_err(damaged)?;
        let interned = self.intern(&record)?;
        self.remove(&old)?;
        // The feed has told of a tombstone already.
        let told = old.state == State::Tombstone;
        let lsn = if told { old.lsn } else { self.advance(record.header().hlc) };
        let (born, version) = (old.born, old.version);
        let row = NewRow { lsn, born, state: State::Void, version, record: &record, interned };
        self.db.insert(&row).map_err(sql)?;
        Ok((!told).then(|| change(lsn, lsn, born, State::Void, (&record, version))))
    }

    fn withhold(&mut self, key: &RecordKey) -> Result<Option<Change>, StoreError> {
        self.keep_back(key)
    }

    fn release(&mut self, key: &RecordKey) -> Result<Option<(VerifiedRecord, Put)>, StoreError> {
        self.put_back(key)
    }

    fn withheld(&self, filter: &Filter, from: RecordKey, max: usize) -> Result<Vec<RecordKey>, StoreError> {
        self.all_kept_back(filter, from, max)
    }

    fn fetch_withheld(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError> {
        self.kept_back(key)
    }

    fn keep_loser(
        &mut self,
        loser: &SignedRecord,
        told: Option<Lsn>,
        now: Timestamp,
    ) -> Result<Option<KeptLoser>, StoreError> {
        if self.losers.knows(&loser.key().element) || !self.losers.wants(loser) {
            return Ok(None);
        }
        let Some(winner) = self.db.find(&loser.id()).map_err(sql)? else { return Ok(None) };
        self.begin()?;
        let version = highest_version(&winner.record, Some(loser.header().version)).max(winner.version);
        let lsn = match told.or_else(|| self.losers.told_before(loser, &winner.record)) {
            Some(lsn) => lsn,
            None => {
                let interned = self.intern(&winner.record)?;
                self.remove(&winner)?;
                let lsn = self.advance(loser.header().hlc);
                let Found { born, state, record, .. } = &winner;
                let row = NewRow { lsn, born: *born, state: *state, version, record, interned };
                self.db.insert(&row).map_err(sql)?;
                if state.is_current() {
                    self.add_key(record)?;
                }
                lsn
            }
        };
        let kept = Loser::new(loser, lsn, now);
        let number = self.losers.keep(kept.clone());
        self.db.insert_loser(number, &kept, loser).map_err(sql)?;
        self.db.drop_losers(&self.losers).map_err(sql)?;
        self.changed = true;
        Ok(Some(KeptLoser { lsn, version: shown_version(&winner.record, version) }))
    }

    fn acknowledge_loser(&mut self, element: &ElementId) -> Result<bool, StoreError> {
        let found = self.losers.acknowledge(element);
        if found {
            self.drop_losers()?;
        }
        Ok(found)
    }

    fn forget_losers(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        let gone = self.losers.forget(|loser| loser.noticed < before);
        if gone > 0 {
            self.drop_losers()?;
        }
        Ok(gone)
    }

    fn discard_loser(&mut self, element: &ElementId) -> Result<(), StoreError> {
        self.losers.forget(|loser| loser.key.element == *element);
        self.drop_losers()
    }

    fn knows_loser(&self, key: &RecordKey) -> bool {
        self.losers.knows(&key.element)
    }

    fn loser(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError> {
        match self.losers.number_of(&key.element) {
            Some(number) => self.db.loser(number, key).map_err(sql),
            None => Ok(None),
        }
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
        self.db.current_by(peer, after, through, max).map_err(sql)
    }

    fn withheld_by(&self, peer: &PeerId, from: RecordKey, max: usize) -> Result<Vec<RecordKey>, StoreError> {
        if self.has_withheld { self.db.withheld_by(peer, from, max).map_err(sql) } else { Ok(Vec::new()) }
    }

    fn set_meta(&mut self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.begin()?;
        self.changed = true;
        self.db.set_meta(name, value).map_err(sql)
    }

    fn commit(&mut self, durability: Durability) -> Result<(), StoreError> {
        self.finish(durability).inspect_err(|error| {
            tracing::warn!(%error, "nothing since the last commit was kept");
            // The error that counts is the first one.
            let _ = self.undo();
        })
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        self.undo()
    }

    fn get(&self, id: &RecordId) -> Result<Option<SignedRecord>, StoreError> {
        let found = self.db.find(id).map_err(sql)?;
        Ok(found.filter(|found| found.state.is_current()).map(|found| found.record))
    }

    fn fetch(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError> {
        self.db.fetch(key).map_err(sql)
    }

    fn contains(&self, key: &RecordKey) -> Result<bool, StoreError> {
        Ok(self.db.contains(key).map_err(sql)?
            || (self.has_withheld && self.db.is_withheld(key).map_err(sql)?))
    }

    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.meta(name).map_err(sql)
    }

    fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        let records = self.db.next_expiry().map_err(sql)?;
        let withheld = if self.has_withheld { self.db.next_withheld_expiry().map_err(sql)? } else { None };
        Ok(records.into_iter().chain(withheld).chain(self.losers.next_expiry()).min())
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
        self.summaries.borrow_mut().fingerprint(filter, from, to, &self.db)
    }

    fn split(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        parts: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        self.summaries.borrow_mut().split(filter, from, to, parts, &self.db)
    }

    fn newest(&self, filter: &Filter, sizes: &[u64]) -> Result<Vec<RecordKey>, StoreError> {
        self.summaries.borrow_mut().newest(filter, sizes, &self.db)
    }

    fn keys(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        self.db.scan(filter, from, to, max)
    }

    fn envelopes(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max_bytes: usize,
    ) -> Result<(Vec<Bytes>, Option<RecordKey>), StoreError> {
        self.db.envelopes(filter, from, to, max_bytes).map_err(sql)
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.reader.clone()
    }
}
