//! The statements of the writing connection.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    columns::{self, Values},
    file, intern,
    sealer::Place,
    sql,
};
use crate::{
    crypto::LtHash,
    fault,
    ids::{GraphId, Lsn, RecordId},
    record::{RecordKey, SignedRecord},
    records::{
        Durability, StoreError,
        stored::{State, gone_at},
        summaries::KeySource,
        summary::{Bucket, Summary},
    },
    time::{Hlc, Timestamp},
    wire::Filter,
};

/// The writing connection. Knows rows and values, not rules.
pub(super) struct Db {
    conn: Connection,
    values: Values,
}

/// A row that was found.
pub(super) struct Found {
    pub(super) lsn: Lsn,
    pub(super) state: State,
    pub(super) born: Lsn,
    /// The highest version number it was read under.
    pub(super) version: u64,
    pub(super) record: SignedRecord,
}

/// A row whose envelope is damaged.
pub(super) struct Unreadable {
    pub(super) lsn: Lsn,
    pub(super) key: RecordKey,
}

/// A row to be written.
pub(super) struct NewRow<'a> {
    pub(super) lsn: Lsn,
    pub(super) born: Lsn,
    pub(super) state: State,
    pub(super) version: u64,
    pub(super) record: &'a SignedRecord,
    /// The numbers of type, creator and author.
    pub(super) interned: [i64; 3],
}

impl Db {
    pub(super) const fn new(conn: Connection, values: Values) -> Self {
        Self { conn, values }
    }

    pub(super) const fn conn(&self) -> &Connection {
        &self.conn
    }

    pub(super) const fn values(&self) -> &Values {
        &self.values
    }

    pub(super) const fn graph(&self) -> &GraphId {
        &self.values.graph
    }

    pub(super) fn in_transaction(&self) -> bool {
        !self.conn.is_autocommit()
    }

    pub(super) fn begin(&self) -> rusqlite::Result<()> {
        self.run("BEGIN IMMEDIATE")
    }

    pub(super) fn commit(&self) -> rusqlite::Result<()> {
        fault::point();
        let committed = self.run("COMMIT");
        fault::point();
        committed
    }

    pub(super) fn rollback(&self) -> rusqlite::Result<()> {
        if self.in_transaction() { self.run("ROLLBACK") } else { Ok(()) }
    }

    pub(super) fn set_durability(&self, durability: Durability) -> rusqlite::Result<()> {
        file::set_durability(&self.conn, durability)
    }

    /// The incarnation, the feed's end and the greatest clock reading.
    pub(super) fn state(&self) -> rusqlite::Result<(u64, Lsn, Hlc)> {
        self.conn.query_row("SELECT incarnation, last_lsn, last_hlc FROM state", [], |row| {
            let hlc = Hlc(columns::unordered(row.get(2)?));
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), columns::lsn(row, 1)?, hlc))
        })
    }

    pub(super) fn write_last(&self, (lsn, hlc): (Lsn, Hlc)) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached("UPDATE state SET last_lsn = ?1, last_hlc = ?2")?
            .execute([columns::row_of(lsn), columns::ordered(hlc.0)])
            .map(drop)
    }

    /// Writes a row unless the record has one. True if it was written.
    pub(super) fn insert(&self, row: &NewRow<'_>) -> rusqlite::Result<bool> {
        let (record, header) = (row.record, row.record.header());
        let [record_type, creator, author] = row.interned;
        let written = self
            .conn
            .prepare_cached(
                "INSERT INTO records (lsn, born, state, type, creator, author, version, expires, gone, id, key,
                                      envelope)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![
                columns::row_of(row.lsn),
                columns::row_of(row.born),
                row.state as i64,
                record_type,
                creator,
                author,
                i64::try_from(row.version).unwrap_or(i64::MAX),
                header.expires.map(|at| columns::ordered(at.0)),
                gone_at(record, row.state).map(|at| columns::ordered(at.0)),
                record.id().as_bytes(),
                record.key().to_bytes(),
                &self.values.kept(Place::Row(row.lsn), record.bytes())[..],
            ])?;
        Ok(written == 1)
    }

    pub(super) fn delete(&self, lsn: Lsn) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached("DELETE FROM records WHERE lsn = ?1")?
            .execute([columns::row_of(lsn)])
            .map(drop)
    }

    pub(super) fn find(&self, id: &RecordId) -> rusqlite::Result<Option<Found>> {
        self.conn
            .prepare_cached("SELECT lsn, state, born, envelope, version FROM records WHERE id = ?1")?
            .query_row([id.as_bytes()], |row| self.found(row))
            .optional()
    }

    /// As [`find`](Self::find), but a damaged envelope is no error.
    pub(super) fn find_any(&self, id: &RecordId) -> rusqlite::Result<Option<Result<Found, Unreadable>>> {
        self.conn
            .prepare_cached("SELECT lsn, state, born, envelope, version, key FROM records WHERE id = ?1")?
            .query_row([id.as_bytes()], |row| self.found_or_key(row))
            .optional()
    }

    /// What expired and void versions left, from a place in the feed on; each with its place, and with the id and key
    /// it is kept under if its envelope is what they say.
    pub(super) fn left(&self, after: Lsn, max: usize) -> rusqlite::Result<Vec<(Lsn, Option<SignedRecord>)>> {
        self.conn
            .prepare_cached(
                "SELECT lsn, state, born, envelope, version, key, id FROM records
                 WHERE lsn > ?1 AND state > 1 ORDER BY lsn LIMIT ?2",
            )?
            .query_map([columns::row_of(after), limit(max)], |row| {
                let kept: Vec<u8> = row.get(6)?;
                let found = self.found_or_key(row)?.ok().map(|found| found.record);
                let key: Vec<u8> = row.get(5)?;
                let same =
                    |r: &SignedRecord| r.id().as_bytes()[..] == kept[..] && r.key().to_bytes()[..] == key[..];
                Ok((columns::lsn(row, 0)?, found.filter(same)))
            })?
            .collect()
    }

    pub(super) fn fetch(&self, key: &RecordKey) -> rusqlite::Result<Option<SignedRecord>> {
        self.conn
            .prepare_cached("SELECT lsn, envelope FROM records WHERE state < 2 AND key = ?1")?
            .query_row([key.to_bytes()], |row| self.values.envelope(row, 1, columns::lsn(row, 0)?))
            .optional()
    }

    /// Deletes a row by its key without reading its envelope; gives the type it had.
    pub(super) fn discard(&self, key: &RecordKey) -> rusqlite::Result<Option<String>> {
        let name = self
            .conn
            .prepare_cached(
                "SELECT name FROM records JOIN types ON types.type = records.type WHERE state < 2 AND key = ?1",
            )?
            .query_row([key.to_bytes()], |row| row.get(0))
            .optional()?;
        self.conn
            .prepare_cached("DELETE FROM records WHERE state < 2 AND key = ?1")?
            .execute([key.to_bytes()])?;
        Ok(name)
    }

    pub(super) fn contains(&self, key: &RecordKey) -> rusqlite::Result<bool> {
        self.conn
            .prepare_cached("SELECT 1 FROM records WHERE state < 2 AND key = ?1")?
            .exists([key.to_bytes()])
    }

    /// Rows whose time is over, the longest first.
    pub(super) fn due(&self, now: Timestamp, max: usize) -> rusqlite::Result<Vec<Result<Found, Unreadable>>> {
        self.conn
            .prepare_cached(
                "SELECT lsn, state, born, envelope, version, key FROM records INDEXED BY records_expires
                 WHERE expires IS NOT NULL AND state < 2 AND expires <= ?1 ORDER BY expires, lsn LIMIT ?2",
            )?
            .query_map([columns::ordered(now.0), limit(max)], |row| self.found_or_key(row))?
            .collect()
    }

    pub(super) fn next_expiry(&self) -> rusqlite::Result<Option<Timestamp>> {
        self.conn
            .prepare_cached(
                "SELECT expires FROM records INDEXED BY records_expires
                 WHERE expires IS NOT NULL AND state < 2 ORDER BY expires LIMIT 1",
            )?
            .query_row([], |row| Ok(Timestamp(columns::unordered(row.get(0)?))))
            .optional()
    }

    /// Tombstones and stubs that are gone since before a moment.
    pub(super) fn gone(&self, before: Timestamp) -> rusqlite::Result<Vec<Result<Found, Unreadable>>> {
        self.conn
            .prepare_cached(
                "SELECT lsn, state, born, envelope, version, key FROM records INDEXED BY records_gone
                 WHERE gone IS NOT NULL AND gone < ?1",
            )?
            .query_map([columns::ordered(before.0)], |row| self.found_or_key(row))?
            .collect()
    }

    /// True unless the file is still empty.
    pub(super) fn has_meta(&self) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta')";
        self.conn.query_row(sql, [], |row| row.get(0))
    }

    pub(super) fn meta(&self, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
        self.conn
            .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
            .query_row([name], |row| self.values.meta(row, 0, name))
            .optional()
    }

    pub(super) fn set_meta(&self, name: &str, value: &[u8]) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?
            .execute(params![name, &self.values.kept(Place::Meta(name), value)[..]])
            .map(drop)
    }

    /// Envelopes in key order, as many as fit but one at least, and the key of the first that did not.
    pub(super) fn envelopes(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max_bytes: usize,
    ) -> rusqlite::Result<(Vec<Bytes>, Option<RecordKey>)> {
        let (mut found, mut total) = (Vec::new(), 0);
        let next = self.range(filter, "key, envelope, lsn", from, to, -1, |row| {
            let bytes = match self.values.envelope_bytes(row, 1, columns::lsn(row, 2)?) {
                Ok(bytes) => bytes,
                // One that does not open is not in the way of the others; the check of stored records throws it out.
                Err(rusqlite::Error::FromSqlConversionFailure(..)) => return Ok(None),
                Err(error) => return Err(error),
            };
            if !found.is_empty() && total + bytes.len() > max_bytes {
                return columns::key(row, 0).map(Some);
            }
            total += bytes.len();
            found.push(bytes);
            Ok(None)
        })?;
        Ok((found, next))
    }

    /// The greatest key.
    pub(super) fn last_key(&self) -> rusqlite::Result<RecordKey> {
        let last = "SELECT key FROM records INDEXED BY records_key WHERE state < 2 ORDER BY key DESC LIMIT 1";
        let found = self.conn.query_row(last, [], |row| columns::key(row, 0)).optional()?;
        Ok(found.unwrap_or(RecordKey::MIN))
    }

    pub(super) fn count_keys(&self) -> rusqlite::Result<u64> {
        let count = "SELECT count(*) FROM records INDEXED BY records_key WHERE state < 2";
        self.conn.query_row(count, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    }

    /// The persisted buckets. One that cannot be read is left out; then the count is wrong.
    pub(super) fn buckets(&self) -> rusqlite::Result<Vec<(RecordKey, Bucket)>> {
        let mut statement = self.conn.prepare("SELECT slot, start, count, hash FROM buckets")?;
        let rows = statement.query_map([], |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            let (slot, count) = (number(0)?, number(2)?);
            let hash = LtHash::from_bytes(row.get_ref(3)?.as_blob()?);
            Ok(columns::key(row, 1).ok().zip(hash).map(|(start, hash)| (start, Bucket { slot, count, hash })))
        })?;
        rows.filter_map(Result::transpose).collect()
    }

    /// Writes the buckets that changed since the last commit.
    pub(super) fn write_buckets(&self, summary: &Summary) -> rusqlite::Result<()> {
        let mut delete = self.conn.prepare_cached("DELETE FROM buckets WHERE slot = ?1")?;
        for slot in summary.dropped() {
            delete.execute([slot.cast_signed()])?;
        }
        self.insert_buckets(summary.changed())
    }

    /// Writes all buckets in place of what is there.
    pub(super) fn replace_buckets(&self, summary: &Summary) -> rusqlite::Result<()> {
        self.conn.execute("DELETE FROM buckets", [])?;
        self.insert_buckets(summary.buckets())
    }

    fn insert_buckets<'a>(
        &self,
        buckets: impl Iterator<Item = (RecordKey, &'a Bucket)>,
    ) -> rusqlite::Result<()> {
        let mut insert = self.conn.prepare_cached(
            "INSERT OR REPLACE INTO buckets (slot, start, count, hash) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for (start, bucket) in buckets {
            let (slot, count) = (bucket.slot.cast_signed(), bucket.count.cast_signed());
            insert.execute(params![slot, start.to_bytes(), count, bucket.hash.to_bytes()])?;
        }
        Ok(())
    }

    fn found_or_key(&self, row: &Row<'_>) -> rusqlite::Result<Result<Found, Unreadable>> {
        match self.found(row) {
            Err(rusqlite::Error::FromSqlConversionFailure(..)) => {
                Ok(Err(Unreadable { lsn: columns::lsn(row, 0)?, key: columns::key(row, 5)? }))
            }
            found => found.map(Ok),
        }
    }

    fn found(&self, row: &Row<'_>) -> rusqlite::Result<Found> {
        let lsn = columns::lsn(row, 0)?;
        Ok(Found {
            lsn,
            state: columns::state(row, 1)?,
            born: columns::lsn(row, 2)?,
            version: row.get::<_, i64>(4)?.cast_unsigned(),
            record: self.values.envelope(row, 3, lsn)?,
        })
    }

    /// Goes through current rows in key order until `each` has a result.
    fn range<T>(
        &self,
        filter: &Filter,
        selected: &str,
        from: RecordKey,
        to: Option<RecordKey>,
        max: i64,
        mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<Option<T>>,
    ) -> rusqlite::Result<Option<T>> {
        let (index, only) = match filter {
            Filter::All => ("records_key", None),
            Filter::Only(only) => match intern::find_type(&self.conn, only)? {
                Some(only) => ("records_type_key", Some(only)),
                None => return Ok(None),
            },
        };
        let and = only.map_or("", |_| "type = ?4 AND");
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {selected} FROM records INDEXED BY {index}
             WHERE state < 2 AND {and} key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3"
        ))?;
        let (from, to) = (from.to_bytes(), columns::upper(to));
        let mut rows = match only {
            Some(only) => statement.query(params![from, to, max, only])?,
            None => statement.query(params![from, to, max])?,
        };
        while let Some(row) = rows.next()? {
            if let Some(result) = each(row)? {
                return Ok(Some(result));
            }
        }
        Ok(None)
    }

    fn run(&self, statement: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(statement)?.execute([]).map(drop)
    }
}

impl KeySource for Db {
    fn scan(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let mut keys = Vec::new();
        self.range(filter, "key", from, to, limit(max), |row| {
            keys.push(columns::key(row, 0)?);
            Ok(None::<()>)
        })
        .map_err(sql)?;
        Ok(keys)
    }
}

pub(super) fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}
