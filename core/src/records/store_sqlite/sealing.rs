//! Whether a file is sealed, and sealing one that was plain.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::{Sealer, columns, file, io, sealer::Place, sql};
use crate::{ids::Lsn, record::RecordKey, records::StoreError};

/// The schema from which on files say whether they are sealed.
const SEAL_SCHEMA: i64 = 2;
/// Rows sealed with one look: bounds what is in memory.
const STEP: i64 = 256;

/// The key of a sealed database as the file keeps it; `None` if it is plain, or still empty.
pub(super) fn wrapped_key(conn: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version < SEAL_SCHEMA {
        return Ok(None);
    }
    conn.query_row("SELECT seal FROM state", [], |row| row.get(0)).optional().map(Option::flatten)
}

/// As [`wrapped_key`], of a file that is not open.
pub(super) fn peek_wrapped_key(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    wrapped_key(&file::open_existing(path)?).map_err(sql)
}

/// True if the sealer is this file's. A plain file has none.
pub(super) fn check(conn: &Connection, sealer: Option<&Sealer>) -> Result<bool, StoreError> {
    match (wrapped_key(conn).map_err(sql)?, sealer) {
        (None, _) => Ok(false),
        (Some(kept), Some(sealer)) if kept == sealer.wrapped() => Ok(true),
        (Some(_), _) => Err(StoreError::Locked),
    }
}

/// Seals a plain file: all of it or nothing.
pub(super) fn seal(conn: &mut Connection, sealer: &Sealer) -> Result<(), StoreError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
    seal_values(&tx, sealer).map_err(sql)?;
    crate::fault::point();
    tx.commit().map_err(sql)?;
    crate::fault::point();
    Ok(())
}

fn seal_values(conn: &Connection, sealer: &Sealer) -> rusqlite::Result<()> {
    let mut names = conn.prepare("SELECT name, value FROM meta")?;
    let kept: Vec<(String, Vec<u8>)> =
        names.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut update = conn.prepare("UPDATE meta SET value = ?2 WHERE name = ?1")?;
    for (name, value) in kept {
        update.execute(params![name, sealer.seal(Place::Meta(&name), &value)])?;
    }
    let mut rows = conn.prepare("SELECT lsn, envelope FROM records WHERE lsn > ?1 ORDER BY lsn LIMIT ?2")?;
    let mut update = conn.prepare("UPDATE records SET envelope = ?2 WHERE lsn = ?1")?;
    let mut last = Lsn(0);
    loop {
        let step: Vec<(Lsn, Vec<u8>)> = rows
            .query_map(params![columns::row_of(last), STEP], |row| Ok((columns::lsn(row, 0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let Some((end, _)) = step.last() else { break };
        last = *end;
        for (lsn, envelope) in step {
            update.execute(params![columns::row_of(lsn), sealer.seal(Place::Row(lsn), &envelope)])?;
        }
    }
    seal_withheld(conn, sealer)?;
    let mut losers =
        conn.prepare("SELECT number, key, envelope FROM conflicts WHERE envelope IS NOT NULL")?;
    let kept: Vec<(i64, RecordKey, Vec<u8>)> = losers
        .query_map([], |row| Ok((row.get(0)?, columns::key(row, 1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut update = conn.prepare("UPDATE conflicts SET envelope = ?2 WHERE number = ?1")?;
    for (number, key, envelope) in kept {
        update.execute(params![number, sealer.seal(Place::Loser(&key), &envelope)])?;
    }
    conn.execute("UPDATE state SET seal = ?1, scrub = 1", [sealer.wrapped()]).map(drop)
}

fn seal_withheld(conn: &Connection, sealer: &Sealer) -> rusqlite::Result<()> {
    let mut rows = conn.prepare("SELECT key, envelope FROM withheld WHERE key > ?1 ORDER BY key LIMIT ?2")?;
    let mut update = conn.prepare("UPDATE withheld SET envelope = ?2 WHERE key = ?1")?;
    let mut last = Vec::new();
    loop {
        let step: Vec<(RecordKey, Vec<u8>)> = rows
            .query_map(params![last, STEP], |row| Ok((columns::key(row, 0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let Some((end, _)) = step.last() else { return Ok(()) };
        last = end.to_bytes().to_vec();
        for (key, envelope) in step {
            update.execute(params![key.to_bytes(), sealer.seal(Place::Withheld(&key), &envelope)])?;
        }
    }
}

/// Takes out of the file, and of the log beside it, what was left in the clear when it was sealed. Goes on where a
/// crash broke it off.
pub(super) fn scrub(conn: &Connection) -> Result<(), StoreError> {
    let due = conn.query_row("SELECT scrub FROM state", [], |row| row.get::<_, bool>(0)).map_err(sql)?;
    if !due {
        return Ok(());
    }
    // Not in memory: the copy is as large as the database, and sealed.
    conn.execute_batch("PRAGMA temp_store = file; VACUUM; PRAGMA temp_store = memory;").map_err(sql)?;
    let busy = || conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    if busy().map_err(sql)? {
        return Err(io("another process reads the database that is to be sealed"));
    }
    crate::fault::point();
    conn.execute("UPDATE state SET scrub = 0", []).map(drop).map_err(sql)
}
