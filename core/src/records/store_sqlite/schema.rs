//! The tables, and how older files become what this version knows.
//!
//! `records` is the feed: a row's number is its `lsn`. `born` is the lsn at which the record came into being or last
//! came back, `state` 0 for live, 1 for a tombstone, 2 for what an expired one left, 3 for one that does not count,
//! `gone` when (1) and (3) were written or (2) expired. `envelope` holds the signed bytes as they travel, without body in state 2; the other columns repeat
//! what queries need. Types of the library have negative numbers. `buckets` are the summaries of all keys in states
//! 0 and 1.
//!
//! `version` is the highest number under which the record was read. `conflicts` holds the versions that lost in a conflict, until
//! they are acknowledged: then without their envelope, `bytes` 0. `told` is where the feed tells of it.
//!
//! `withheld` holds versions that are in no other table, whole, until they count or are dropped; `expires` and `gone` say when they go by
//! themselves. Whose versions are, `records_creator` tells, and `records_editor` of those by others than the creator; in `withheld` and
//! `conflicts`, `creator` is null in what schema 5 wrote.
//!
//! In a sealed database `state.seal` holds its key, sealed itself, and the columns `envelope`, in every table, and `meta.value` are sealed under it;
//! `scrub` is 1 while the file may still hold what was in the clear before.

use rusqlite::{Connection, TransactionBehavior, params};

use super::{Opened, sql};
use crate::{ids::GraphId, records::StoreError};

/// "pgrf": tells our files from those of other programs.
const APPLICATION_ID: i64 = 0x7067_7266;

/// Whether a file has no records; `None` if it has no tables.
pub(super) fn is_empty(conn: &Connection) -> rusqlite::Result<Option<bool>> {
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(None);
    }
    let first = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, bool>(0));
    // Files of earlier schemas have no table of withheld versions.
    let withheld = first("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'withheld')")?
        && first("SELECT EXISTS (SELECT 1 FROM withheld)")?;
    Ok(Some(!withheld && first("SELECT NOT EXISTS (SELECT 1 FROM records)")?))
}

/// What takes a file from each schema to the next. Schema n is the first n steps; steps are only ever appended.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE state (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        graph BLOB NOT NULL,
        incarnation INTEGER NOT NULL,
        last_lsn INTEGER NOT NULL,
        last_hlc INTEGER NOT NULL
    );
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE types (type INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE peers (peer INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE);
    CREATE TABLE buckets (
        slot INTEGER PRIMARY KEY,
        start BLOB NOT NULL,
        count INTEGER NOT NULL,
        hash BLOB NOT NULL
    );
    CREATE TABLE records (
        lsn INTEGER PRIMARY KEY,
        born INTEGER NOT NULL,
        state INTEGER NOT NULL,
        type INTEGER NOT NULL,
        creator INTEGER NOT NULL,
        author INTEGER NOT NULL,
        version INTEGER NOT NULL,
        expires INTEGER,
        gone INTEGER,
        id BLOB NOT NULL,
        key BLOB NOT NULL,
        envelope BLOB NOT NULL
    );
    CREATE UNIQUE INDEX records_id ON records (id);
    CREATE INDEX records_key ON records (key) WHERE state < 2;
    CREATE INDEX records_type_key ON records (type, key) WHERE state < 2;
    CREATE INDEX records_type ON records (type, lsn, state, expires);
    CREATE INDEX records_creator ON records (creator, lsn, state, expires, type);
    CREATE INDEX records_expires ON records (expires) WHERE expires IS NOT NULL AND state < 2;
    CREATE INDEX records_gone ON records (gone) WHERE gone IS NOT NULL;
",
    "
    ALTER TABLE state ADD COLUMN seal BLOB;
    ALTER TABLE state ADD COLUMN scrub INTEGER NOT NULL DEFAULT 0;
",
    "
    CREATE TABLE conflicts (
        number INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        key BLOB NOT NULL,
        author BLOB NOT NULL,
        noticed INTEGER NOT NULL,
        told INTEGER NOT NULL,
        expires INTEGER,
        bytes INTEGER NOT NULL,
        envelope BLOB
    );
    CREATE INDEX conflicts_id ON conflicts (id, number);
",
    // Headers say where records of groups come from, and membership is acts: what earlier builds wrote does not decode.
    "",
    "
    CREATE TABLE withheld (
        key BLOB PRIMARY KEY,
        type INTEGER NOT NULL,
        expires INTEGER,
        gone INTEGER,
        envelope BLOB NOT NULL
    );
    CREATE INDEX withheld_type ON withheld (type, key);
    CREATE INDEX withheld_expires ON withheld (expires) WHERE expires IS NOT NULL;
    CREATE INDEX withheld_gone ON withheld (gone) WHERE gone IS NOT NULL;
",
    "
    ALTER TABLE conflicts ADD COLUMN creator BLOB;
    ALTER TABLE withheld ADD COLUMN creator INTEGER;
    ALTER TABLE withheld ADD COLUMN author INTEGER;
    CREATE INDEX withheld_creator ON withheld (creator, key, type);
    CREATE INDEX withheld_author ON withheld (author, key, type) WHERE author <> creator;
    CREATE INDEX records_editor ON records (author, lsn) WHERE author <> creator AND state < 2;
",
];

/// The first schema that this version reads. Files before it are refused, and stay as they are.
const LEAST: usize = 4;

/// Makes the tables in an empty file, or checks whose they are and brings them up to date.
pub(super) fn prepare(
    conn: &mut Connection,
    graph: &GraphId,
    incarnation: u64,
) -> Result<Opened, StoreError> {
    let number = |pragma| conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
    let application = number("application_id").map_err(sql)?;
    let version = number("user_version").map_err(sql)?;
    let tables =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map_err(sql)?;
    if (application, version, tables) == (0, 0, 0) {
        create(conn, graph, incarnation).map_err(sql)?;
        return Ok(Opened::Created);
    }
    let known = MIGRATIONS.len();
    let version = match usize::try_from(version) {
        Ok(version) if application == APPLICATION_ID && version > 0 => version,
        _ => {
            return Err(StoreError::Damaged("the file belongs to another program".into()));
        }
    };
    if version > known || version < LEAST {
        return Err(StoreError::Schema { found: version as u32, known: known as u32 });
    }
    let owner: Vec<u8> =
        conn.query_row("SELECT graph FROM state", [], |row| row.get(0)).map_err(|error| match error {
            rusqlite::Error::QueryReturnedNoRows => StoreError::Damaged("it names no graph".into()),
            error => sql(error),
        })?;
    if owner != graph.as_bytes() {
        return Err(StoreError::WrongGraph);
    }
    if version < known {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        migrate(&tx, version).map_err(sql)?;
        crate::fault::point();
        tx.commit().map_err(sql)?;
    }
    Ok(Opened::Existing)
}

fn create(conn: &mut Connection, graph: &GraphId, incarnation: u64) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    migrate(&tx, 0)?;
    tx.execute(
        "INSERT INTO state (only, graph, incarnation, last_lsn, last_hlc) VALUES (1, ?1, ?2, 0, ?3)",
        params![graph.as_bytes(), incarnation.cast_signed(), super::columns::ordered(0)],
    )?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    crate::fault::point();
    tx.commit()
}

fn migrate(conn: &Connection, from: usize) -> rusqlite::Result<()> {
    for step in &MIGRATIONS[from..] {
        conn.execute_batch(step)?;
    }
    conn.pragma_update(None, "user_version", MIGRATIONS.len() as i64)
}
