//! The losers of conflicts as the file keeps them. What stays and what goes, [`Losers`] decides.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    columns::{self, Values},
    db::{Db, limit},
    sealer::Place,
};
use crate::{
    ids::{Lsn, PeerId, RecordId},
    limits::MAX_PAGE_BYTES,
    record::{Record, RecordKey, SignedRecord},
    records::{
        Conflict, ConflictQuery, Page,
        conflicts::{Loser, Losers},
        stored::{change, page_limit},
    },
    time::Timestamp,
};

impl Db {
    /// What is known of each loser.
    pub(super) fn load_losers(&self) -> rusqlite::Result<Vec<(u64, Loser)>> {
        self.conn()
            .prepare("SELECT number, id, key, author, noticed, told, expires, bytes, creator FROM conflicts")?
            .query_map([], |row| {
                let loser = Loser {
                    id: RecordId::from_bytes(row.get(1)?),
                    key: columns::key(row, 2)?,
                    author: PeerId::from_bytes(row.get(3)?),
                    creator: row.get::<_, Option<[u8; 32]>>(8)?.map(PeerId::from_bytes),
                    noticed: Timestamp(columns::unordered(row.get(4)?)),
                    told: columns::lsn(row, 5)?,
                    expires: row.get::<_, Option<i64>>(6)?.map(|at| Timestamp(columns::unordered(at))),
                    bytes: row.get::<_, i64>(7)?.cast_unsigned(),
                    record: None,
                };
                Ok((row.get::<_, i64>(0)?.cast_unsigned(), loser))
            })?
            .collect()
    }

    pub(super) fn insert_loser(
        &self,
        number: u64,
        loser: &Loser,
        record: &SignedRecord,
    ) -> rusqlite::Result<()> {
        self.conn()
            .prepare_cached(
                "INSERT INTO conflicts (number, id, key, author, noticed, told, expires, bytes, envelope, creator)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                number.cast_signed(),
                loser.id.as_bytes(),
                loser.key.to_bytes(),
                loser.author.as_bytes(),
                columns::ordered(loser.noticed.0),
                columns::row_of(loser.told),
                loser.expires.map(|at| columns::ordered(at.0)),
                loser.bytes.cast_signed(),
                &self.values().kept(Place::Loser(&loser.key), record.bytes())[..],
                loser.creator.as_ref().map(PeerId::as_bytes),
            ])
            .map(drop)
    }

    /// Carries out what was dropped or acknowledged since the last commit.
    pub(super) fn drop_losers(&self, losers: &Losers) -> rusqlite::Result<()> {
        for number in losers.changed() {
            let sql = match losers.rows().get(&number) {
                None => "DELETE FROM conflicts WHERE number = ?1",
                Some(loser) if loser.is_acknowledged() => {
                    "UPDATE conflicts SET bytes = 0, envelope = NULL WHERE number = ?1"
                }
                Some(_) => continue,
            };
            self.conn().prepare_cached(sql)?.execute([number.cast_signed()])?;
        }
        Ok(())
    }

    pub(super) fn loser(&self, number: u64, key: &RecordKey) -> rusqlite::Result<Option<SignedRecord>> {
        self.conn()
            .prepare_cached("SELECT envelope FROM conflicts WHERE number = ?1 AND envelope IS NOT NULL")?
            .query_row([number.cast_signed()], |row| self.values().loser(row, 0, key))
            .optional()
    }
}

/// The records that a version has lost against behind a place in the feed. Few, as a rule: asking for each record of the
/// feed whether it is one of them takes several times as long as reading it.
pub(super) fn with_news(conn: &Connection, after: Lsn) -> rusqlite::Result<BTreeSet<RecordId>> {
    conn.prepare_cached("SELECT id FROM conflicts WHERE told > ?1 AND envelope IS NOT NULL")?
        .query_map([columns::row_of(after)], |row| Ok(RecordId::from_bytes(row.get(0)?)))?
        .collect()
}

/// The last version that lost against a record behind a place in the feed. One that cannot be read is as good as none.
pub(super) fn to_tell(
    conn: &Connection,
    values: &Values,
    id: &[u8],
    after: Lsn,
) -> rusqlite::Result<Option<Record>> {
    let found = conn
        .prepare_cached(
            "SELECT key, envelope FROM conflicts WHERE id = ?1 AND told > ?2 AND envelope IS NOT NULL
             ORDER BY number DESC LIMIT 1",
        )?
        .query_row(params![id, columns::row_of(after)], |row| values.loser(row, 1, &columns::key(row, 0)?))
        .optional();
    readable(found.transpose()).map(|found| found.map(|record| record.to_record()))
}

/// A page of conflicts; those with a version that cannot be read are left out.
pub(super) fn page(
    conn: &Connection,
    values: &Values,
    query: &ConflictQuery,
    now: Timestamp,
    through: Lsn,
) -> rusqlite::Result<Page<Conflict>> {
    let max = page_limit(query.limit);
    let of = query.record.map_or("", |_| "AND c.id = ?4");
    let mut statement = conn.prepare_cached(&format!(
        "SELECT c.number, c.key, c.envelope, c.noticed, r.lsn, r.state, r.born, r.version, r.envelope
         FROM conflicts c JOIN records r ON r.id = c.id
         WHERE c.number > ?1 AND c.envelope IS NOT NULL AND r.state != 2
           AND (c.expires IS NULL OR c.expires > ?2) AND (r.expires IS NULL OR r.expires > ?2) {of}
         ORDER BY c.number LIMIT ?3"
    ))?;
    let (after, at) = (columns::row_of(query.after.unwrap_or_default()), columns::ordered(now.0));
    let mut rows = match &query.record {
        Some(id) => statement.query(params![after, at, limit(max + 1), id.as_bytes()])?,
        None => statement.query(params![after, at, limit(max + 1)])?,
    };
    let mut page = Page { items: Vec::new(), next: None, through, total: None };
    let (mut last, mut bytes, mut seen) = (None, 0, 0);
    while let Some(row) = rows.next()? {
        let size = row.get_ref(2)?.as_blob()?.len() + row.get_ref(8)?.as_blob()?.len();
        if seen == max || (bytes + size > MAX_PAGE_BYTES && last.is_some()) {
            page.next = last;
            break;
        }
        seen += 1;
        bytes += size;
        last = Some(columns::lsn(row, 0)?);
        page.items.extend(readable(conflict(values, row).map(Some).transpose())?);
    }
    Ok(page)
}

fn conflict(values: &Values, row: &Row<'_>) -> rusqlite::Result<Conflict> {
    let (lsn, state, born) = (columns::lsn(row, 4)?, columns::state(row, 5)?, columns::lsn(row, 6)?);
    let version = row.get::<_, i64>(7)?.cast_unsigned();
    let winner = change(Lsn(0), lsn, born, state, (&values.envelope(row, 8, lsn)?, version)).record;
    Ok(Conflict {
        winner: Record::clone(&winner),
        loser: values.loser(row, 2, &columns::key(row, 1)?)?.to_record(),
        noticed: Timestamp(columns::unordered(row.get(3)?)),
    })
}

fn readable<T>(found: Option<rusqlite::Result<T>>) -> rusqlite::Result<Option<T>> {
    match found {
        Some(Err(error @ rusqlite::Error::FromSqlConversionFailure(..))) => {
            tracing::warn!(%error, "a kept version that lost in a conflict is damaged");
            Ok(None)
        }
        other => other.transpose(),
    }
}

impl Values {
    fn loser(&self, row: &Row<'_>, column: usize, key: &RecordKey) -> rusqlite::Result<SignedRecord> {
        let bytes = self.opened(row, column, Place::Loser(key))?;
        SignedRecord::decode_stored(&self.graph, bytes).map_err(|error| columns::damaged(column, error))
    }
}
