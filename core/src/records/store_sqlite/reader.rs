//! [`Reader`]: committed data, over a few connections of its own.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::{
    columns::{self, Values},
    conflicts,
    db::limit,
    file, intern, sql,
};
use crate::{
    ids::{Lsn, PeerId, RecordId},
    limits::{EVENT_BATCH_BYTES, MAX_IDLE_READERS, MAX_PAGE_BYTES},
    record::{Record, RecordType},
    records::{
        Change, Changes, Conflict, ConflictQuery, ListQuery, Page, Reader, StoreError,
        merge::shown_version,
        stored::{State, change, check_value, page_limit},
    },
    time::Timestamp,
};

/// Hands each call a connection and one state of the database.
pub(super) struct SqliteReader {
    path: PathBuf,
    values: Values,
    incarnation: u64,
    /// `None` once the store is closed: then every reader tidies up after itself.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl SqliteReader {
    pub(super) fn new(path: &Path, values: Values, incarnation: u64) -> Self {
        Self { path: path.into(), values, incarnation, idle: Mutex::new(Some(Vec::new())) }
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().as_mut().and_then(Vec::pop);
        let conn = match taken {
            Some(conn) => conn,
            None => file::open_reader(&self.path)?,
        };
        let snapshot = conn.unchecked_transaction().map_err(sql)?;
        let result = read(&snapshot).map_err(sql);
        let finished = snapshot.finish().map_err(sql);
        let mut idle = idle();
        match &mut *idle {
            Some(idle) if idle.len() < MAX_IDLE_READERS && result.is_ok() => idle.push(conn),
            Some(_) => {}
            None => {
                drop(conn);
                if let Ok(conn) = file::open_existing(&self.path) {
                    file::empty_log(&conn);
                }
            }
        }
        finished.and(result)
    }

    /// The store is closed: no connection stays open but those that read right now.
    pub(super) fn close(&self) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn page(&self, conn: &Connection, query: &ListQuery, now: Timestamp) -> rusqlite::Result<Page<Record>> {
        let through = match query.through {
            Some(through) => through,
            None => last_lsn(conn)?,
        };
        let empty = Page { items: Vec::new(), next: None, through, total: query.count.then_some(0) };
        let Some(selection) = Selection::new(conn, query)? else { return Ok(empty) };
        let states = if query.include_deleted { State::Tombstone } else { State::Live } as i64;
        let max = page_limit(query.limit);
        let mut values = vec![columns::row_of(through), columns::ordered(now.0), states];
        values.extend(&selection.values);
        let count = || {
            conn.prepare_cached(&selection.count_sql())?
                .query_row(params_from_iter(&values), |row| row.get::<_, i64>(0))
        };
        let total = query.count.then(count).transpose()?.map(i64::cast_unsigned);
        values.push(columns::row_of(query.after.unwrap_or_default()));
        values.push(limit(max + 1));
        let mut statement = conn.prepare_cached(&selection.list_sql())?;
        let mut rows = statement.query(params_from_iter(&values))?;
        let mut page = Page { total, ..empty };
        let (mut last, mut bytes) = (None, 0);
        while let Some(row) = rows.next()? {
            let size = row.get_ref(1)?.as_blob()?.len();
            if page.items.len() == max || (bytes + size > MAX_PAGE_BYTES && last.is_some()) {
                page.next = last;
                break;
            }
            bytes += size;
            let lsn = columns::lsn(row, 0)?;
            last = Some(lsn);
            let (record, highest) =
                (self.values.envelope(row, 1, lsn)?, row.get::<_, i64>(2)?.cast_unsigned());
            page.items.push(Record { version: shown_version(&record, highest), ..record.to_record() });
        }
        Ok(page)
    }

    /// The page, and how many steps SQLite's machine took for it.
    #[cfg(test)]
    pub(super) fn page_in_steps(&self, query: &ListQuery) -> (Page<Record>, i32) {
        let conn = file::open_reader(&self.path).unwrap();
        let page = self.page(&conn, query, Timestamp(1)).unwrap();
        let selection = Selection::new(&conn, query).unwrap().unwrap();
        // The statements that were run come out of the cache with what they counted.
        let steps =
            |sql: &str| conn.prepare_cached(sql).unwrap().get_status(rusqlite::StatementStatus::VmStep);
        (page, steps(&selection.count_sql()) + steps(&selection.list_sql()))
    }

    fn change(
        &self,
        conn: &Connection,
        after: Lsn,
        lsn: Lsn,
        conflicting: &BTreeSet<RecordId>,
    ) -> rusqlite::Result<Change> {
        let select = "SELECT state, born, envelope, version FROM records WHERE lsn = ?1";
        let (entry, state, id) = conn.prepare_cached(select)?.query_row([columns::row_of(lsn)], |row| {
            let record = self.values.envelope(row, 2, lsn)?;
            let (state, version) = (columns::state(row, 0)?, row.get::<_, i64>(3)?.cast_unsigned());
            Ok((change(after, lsn, columns::lsn(row, 1)?, state, (&record, version)), state, record.id()))
        })?;
        let conflict = match state {
            State::Stub => None,
            _ if !conflicting.contains(&id) => None,
            _ => conflicts::to_tell(conn, &self.values, id.as_bytes(), after)?,
        };
        Ok(Change { conflict: conflict.map(Arc::new), ..entry })
    }
}

impl Reader for SqliteReader {
    fn get(&self, id: &RecordId, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let found = self.read(|conn| {
            conn.prepare_cached("SELECT lsn, envelope FROM records WHERE id = ?1 AND state = 0")?
                .query_row([id.as_bytes()], |row| self.values.envelope(row, 1, columns::lsn(row, 0)?))
                .optional()
        })?;
        Ok(found.map(|record| record.to_record()).filter(|record| !record.is_expired(now)))
    }

    fn list(&self, query: &ListQuery, now: Timestamp) -> Result<Page<Record>, StoreError> {
        self.read(|conn| self.page(conn, query, now))
    }

    fn conflicts(&self, query: &ConflictQuery, now: Timestamp) -> Result<Page<Conflict>, StoreError> {
        self.read(|conn| conflicts::page(conn, &self.values, query, now, last_lsn(conn)?))
    }

    fn changes(
        &self,
        after: Lsn,
        types: &[RecordType],
        authors: &[PeerId],
        max: usize,
    ) -> Result<Changes, StoreError> {
        if max == 0 {
            return Ok(Changes { entries: Vec::new(), through: after });
        }
        self.read(|conn| {
            let places = places(conn, after, types, authors, max)?;
            let through = match places.last() {
                Some(last) if places.len() == max => *last,
                _ => last_lsn(conn)?.max(after),
            };
            let conflicting = conflicts::with_news(conn, after)?;
            let (mut entries, mut bytes) = (Vec::new(), 0);
            for lsn in places {
                let change = self.change(conn, after, lsn, &conflicting)?;
                bytes += change.body_bytes();
                if bytes > EVENT_BATCH_BYTES
                    && let Some(last) = entries.last().map(|last: &Change| last.lsn)
                {
                    return Ok(Changes { entries, through: last });
                }
                entries.push(change);
            }
            Ok(Changes { entries, through })
        })
    }

    fn snapshot(&self, each: &mut dyn FnMut(Bytes) -> bool) -> Result<(), StoreError> {
        self.read(|conn| {
            // No type has the number zero.
            let number = |name| intern::find_type(conn, &name).map(Option::unwrap_or_default);
            let (credential, presence) = (number(RecordType::credential())?, number(RecordType::presence())?);
            for rest in ["type = ?1 AND type != ?2", "type NOT IN (?1, ?2)"] {
                let sql =
                    format!("SELECT lsn, envelope FROM records WHERE state < 2 AND {rest} ORDER BY lsn");
                let mut statement = conn.prepare_cached(&sql)?;
                let mut rows = statement.query([credential, presence])?;
                while let Some(row) = rows.next()? {
                    if !each(self.values.envelope_bytes(row, 1, columns::lsn(row, 0)?)?) {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }

    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn last_lsn(&self) -> Result<Lsn, StoreError> {
        self.read(last_lsn)
    }

    fn check_at(&self, lsn: Lsn) -> Result<u64, StoreError> {
        let key = self.read(|conn| {
            conn.prepare_cached("SELECT key FROM records WHERE lsn = ?1")?
                .query_row([columns::row_of(lsn)], |row| columns::key(row, 0))
                .optional()
        })?;
        Ok(key.map_or(0, check_value))
    }
}

impl fmt::Debug for SqliteReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteReader").field("incarnation", &self.incarnation).finish_non_exhaustive()
    }
}

/// The part of a list's conditions that decides which index serves it.
struct Selection {
    conditions: &'static str,
    /// Values from the fourth parameter on.
    values: Vec<i64>,
    /// How rows are found, and how they are counted: without reading any, from what the indices hold.
    listed: &'static str,
    counted: &'static str,
}

impl Selection {
    /// `None` if nothing can match.
    fn new(conn: &Connection, query: &ListQuery) -> rusqlite::Result<Option<Self>> {
        let record_type = match &query.record_type {
            None if query.include_reserved => i64::MIN,
            None => 0,
            Some(name) => match intern::find_type(conn, name)? {
                Some(number) => number,
                None => return Ok(None),
            },
        };
        let mut values = vec![record_type];
        if let Some(creator) = &query.creator {
            let Some(number) = intern::find_peer(conn, creator)? else { return Ok(None) };
            values.push(number);
        }
        let (by_type, by_creator) = ("INDEXED BY records_type", "INDEXED BY records_creator");
        let (conditions, listed, counted) = match (&query.record_type, &query.creator) {
            (Some(_), Some(_)) => ("type = ?4 AND creator = ?5", by_creator, by_creator),
            (None, Some(_)) => ("type > ?4 AND creator = ?5", by_creator, by_creator),
            (Some(_), None) => ("type = ?4", by_type, by_type),
            (None, None) => ("type > ?4", "NOT INDEXED", by_type),
        };
        Ok(Some(Self { conditions, values, listed, counted }))
    }

    fn count_sql(&self) -> String {
        self.sql("count(*)", self.counted, "")
    }

    /// Goes on after a place in the feed, by an index: never counts its way there.
    fn list_sql(&self) -> String {
        let after = 4 + self.values.len();
        let rest = format!("AND lsn > ?{after} ORDER BY lsn LIMIT ?{}", after + 1);
        self.sql("lsn, envelope, version", self.listed, &rest)
    }

    fn sql(&self, selected: &str, index: &str, rest: &str) -> String {
        format!(
            "SELECT {selected} FROM records {index} WHERE {} AND lsn <= ?1 AND state <= ?3
             AND (expires IS NULL OR expires > ?2) {rest}",
            self.conditions
        )
    }
}

/// Where the first `max` changes after a place are.
fn places(
    conn: &Connection,
    after: Lsn,
    types: &[RecordType],
    authors: &[PeerId],
    max: usize,
) -> rusqlite::Result<Vec<Lsn>> {
    let mut of_author = String::new();
    if !authors.is_empty() {
        let known: Result<Vec<_>, _> =
            authors.iter().filter_map(|author| intern::find_peer(conn, author).transpose()).collect();
        let known: Vec<_> = known?.iter().map(i64::to_string).collect();
        of_author = format!("AND author IN ({})", known.join(","));
    }
    let find = |index, of_type, number: i64| {
        let sql = format!(
            "SELECT lsn FROM records {index} WHERE lsn > ?1 AND {of_type} ?2 {of_author} ORDER BY lsn LIMIT ?3"
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let rows = statement
            .query_map(params![columns::row_of(after), number, limit(max)], |row| columns::lsn(row, 0))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    if types.is_empty() {
        return find("NOT INDEXED", "type >", 0);
    }
    let mut found = Vec::new();
    for name in types {
        if let Some(number) = intern::find_type(conn, name)? {
            found.extend(find("INDEXED BY records_type", "type =", number)?);
        }
    }
    found.sort_unstable();
    found.dedup();
    found.truncate(max);
    Ok(found)
}

fn last_lsn(conn: &Connection) -> rusqlite::Result<Lsn> {
    conn.prepare_cached("SELECT last_lsn FROM state")?.query_row([], |row| columns::lsn(row, 0))
}
