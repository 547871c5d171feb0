//! Versions that are withheld: kept whole in a table of their own, and in no other.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::{
    SqliteStore, columns,
    db::{Db, limit},
    intern,
    sealer::Place,
    sql,
};
use crate::{
    ids::RecordId,
    record::{RecordKey, SignedRecord},
    records::{Change, Put, Store, StoreError, VerifiedRecord, rank, stored::forgotten_at},
    time::Timestamp,
    wire::Filter,
};

/// Keys looked at at once.
const PAGE: usize = 256;

impl Db {
    /// True if any version is withheld.
    pub(super) fn has_withheld(&self) -> rusqlite::Result<bool> {
        self.conn().query_row("SELECT EXISTS (SELECT 1 FROM withheld)", [], |row| row.get(0))
    }

    fn insert_withheld(&self, record: &SignedRecord, interned: [i64; 3]) -> rusqlite::Result<()> {
        let (key, [record_type, creator, author]) = (record.key(), interned);
        self.conn()
            .prepare_cached(
                "INSERT OR REPLACE INTO withheld (key, type, expires, gone, envelope, creator, author)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                key.to_bytes(),
                record_type,
                record.header().expires.map(|at| columns::ordered(at.0)),
                forgotten_at(record).map(|at| columns::ordered(at.0)),
                &self.values().kept(Place::Withheld(&key), record.bytes())[..],
                creator,
                author,
            ])
            .map(drop)
    }

    pub(super) fn delete_withheld(&self, key: &RecordKey) -> rusqlite::Result<bool> {
        let mut delete = self.conn().prepare_cached("DELETE FROM withheld WHERE key = ?1")?;
        Ok(delete.execute([key.to_bytes()])? > 0)
    }

    pub(super) fn is_withheld(&self, key: &RecordKey) -> rusqlite::Result<bool> {
        self.conn().prepare_cached("SELECT 1 FROM withheld WHERE key = ?1")?.exists([key.to_bytes()])
    }

    fn fetch_withheld(&self, key: &RecordKey) -> rusqlite::Result<Option<SignedRecord>> {
        let found = self
            .conn()
            .prepare_cached("SELECT envelope FROM withheld WHERE key = ?1")?
            .query_row([key.to_bytes()], |row| {
                let bytes = self.values().opened(row, 0, Place::Withheld(key))?;
                let decoded = SignedRecord::decode_stored(self.graph(), bytes);
                decoded.map_err(|error| columns::damaged(0, error))
            })
            .optional();
        match found {
            Err(error @ rusqlite::Error::FromSqlConversionFailure(..)) => {
                tracing::warn!(%error, element = %key.element.short(), "a withheld record is damaged");
                Ok(None)
            }
            found => Ok(found?.filter(|record| record.key() == *key)),
        }
    }

    fn withheld(&self, filter: &Filter, from: RecordKey, max: usize) -> rusqlite::Result<Vec<RecordKey>> {
        let only = match filter {
            Filter::All => None,
            Filter::Only(name) => match intern::find_type(self.conn(), name)? {
                Some(only) => Some(only),
                None => return Ok(Vec::new()),
            },
        };
        let and = only.map_or("", |_| "type = ?3 AND");
        let mut statement = self.conn().prepare_cached(&format!(
            "SELECT key FROM withheld WHERE {and} key >= ?1 ORDER BY key LIMIT ?2"
        ))?;
        let (from, max) = (from.to_bytes(), limit(max));
        let mut rows = match only {
            Some(only) => statement.query(params![from, max, only])?,
            None => statement.query(params![from, max])?,
        };
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            keys.push(columns::key(row, 0)?);
        }
        Ok(keys)
    }

    /// When the next withheld version expires.
    pub(super) fn next_withheld_expiry(&self) -> rusqlite::Result<Option<Timestamp>> {
        self.conn()
            .prepare_cached("SELECT min(expires) FROM withheld WHERE expires IS NOT NULL")?
            .query_row([], |row| row.get::<_, Option<i64>>(0))
            .map(|found| found.map(|at| Timestamp(columns::unordered(at))))
    }

    fn expire_withheld(&self, now: Timestamp, max: usize) -> rusqlite::Result<usize> {
        self.conn()
            .prepare_cached(
                "DELETE FROM withheld WHERE key IN (SELECT key FROM withheld
                 WHERE expires IS NOT NULL AND expires <= ?1 ORDER BY expires, key LIMIT ?2)",
            )?
            .execute(params![columns::ordered(now.0), limit(max)])
    }

    fn collect_withheld(&self, before: Timestamp) -> rusqlite::Result<usize> {
        self.conn()
            .prepare_cached("DELETE FROM withheld WHERE gone IS NOT NULL AND gone < ?1")?
            .execute([columns::ordered(before.0)])
    }
}

/// The parts of [`Store`] that deal with withheld versions. Cheap as long as there never were any.
impl SqliteStore {
    pub(super) fn keep_back(&mut self, key: &RecordKey) -> Result<Option<Change>, StoreError> {
        let current = self.db.fetch(key).map_err(sql)?;
        let Some(record) = current.clone().map_or_else(|| self.loser(key), |record| Ok(Some(record)))? else {
            return Ok(None);
        };
        self.begin()?;
        let interned = self.intern(&record)?;
        let change = match current {
            Some(_) => self.withdraw(key)?,
            None => {
                self.discard_loser(&key.element)?;
                None
            }
        };
        self.db.insert_withheld(&record, interned).map_err(sql)?;
        (self.has_withheld, self.changed) = (true, true);
        Ok(change)
    }

    pub(super) fn put_back(&mut self, key: &RecordKey) -> Result<Option<(VerifiedRecord, Put)>, StoreError> {
        // It was verified before it was first put.
        let Some(record) = self.kept_back(key)?.map(VerifiedRecord) else { return Ok(None) };
        let put = self.put(&record)?;
        Ok(Some((record, put)))
    }

    pub(super) fn kept_back(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError> {
        if self.has_withheld { self.db.fetch_withheld(key).map_err(sql) } else { Ok(None) }
    }

    pub(super) fn all_kept_back(
        &self,
        filter: &Filter,
        from: RecordKey,
        max: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        if self.has_withheld { self.db.withheld(filter, from, max).map_err(sql) } else { Ok(Vec::new()) }
    }

    /// Forgets that a version was withheld. True if it was.
    pub(super) fn drop_withheld(&mut self, key: &RecordKey) -> Result<bool, StoreError> {
        if !self.has_withheld {
            return Ok(false);
        }
        self.begin()?;
        let dropped = self.db.delete_withheld(key).map_err(sql)?;
        self.changed |= dropped;
        Ok(dropped)
    }

    /// Drops those that lose against one of these versions, which are about to be forgotten: nothing would be left that beats
    /// them. A walk over all that is withheld, which is seldom anything.
    pub(super) fn drop_beaten_withheld(&mut self, by: &[&SignedRecord]) -> Result<(), StoreError> {
        if !self.has_withheld || by.is_empty() {
            return Ok(());
        }
        let by: BTreeMap<RecordId, &SignedRecord> = by.iter().map(|record| (record.id(), *record)).collect();
        let mut from = RecordKey::MIN;
        loop {
            let keys = self.all_kept_back(&Filter::All, from, PAGE)?;
            for key in &keys {
                let Some(record) = self.kept_back(key)? else { continue };
                if by.get(&record.id()).is_some_and(|by| rank(&record) < rank(by)) {
                    self.drop_withheld(key)?;
                }
            }
            match keys.last() {
                Some(last) if keys.len() == PAGE => from = last.next(),
                _ => return Ok(()),
            }
        }
    }

    /// Drops those whose time is over, at most `max`.
    pub(super) fn drop_expired_withheld(&mut self, now: Timestamp, max: usize) -> Result<(), StoreError> {
        if self.has_withheld && self.db.next_withheld_expiry().map_err(sql)?.is_some_and(|at| at <= now) {
            self.begin()?;
            self.db.expire_withheld(now, max).map_err(sql)?;
            self.changed = true;
        }
        Ok(())
    }

    /// Drops tombstones that were written before a moment. Returns how many.
    pub(super) fn drop_old_withheld(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        if !self.has_withheld {
            return Ok(0);
        }
        self.begin()?;
        let dropped = self.db.collect_withheld(before).map_err(sql)?;
        self.changed |= dropped > 0;
        Ok(dropped)
    }
}
