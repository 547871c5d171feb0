//! Opening the file: who may read it, and how SQLite is to treat it.

use std::{fs, io::ErrorKind, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::{io, sql};
use crate::records::{Durability, StoreError};

/// Opens the file for reading and writing; makes an empty one if there is none. Changes nothing in it yet.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    // SQLite gives the files beside it the same permissions, so they must be right before it sees this one.
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => crate::fault::point(),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io(error)),
    }
    open_existing(path)
}

/// Opens a file that is there. For writing too, even to read it: only such a connection tidies up after a crash.
pub(super) fn open_existing(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|error| {
        // SQLite does not say why.
        match fs::OpenOptions::new().read(true).write(true).open(path) {
            Ok(_) => sql(error),
            Err(reason) => io(reason),
        }
    })?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(sql)?;
    Ok(conn)
}

/// Prepares the connection of a file that was found to be ours.
pub(super) fn configure_writer(path: &Path, conn: &Connection) -> Result<(), StoreError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Not everywhere can this be said, as on memory cards: then it is as it is.
        if let Err(error) = fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
            tracing::warn!(%error, "the permissions of the database {} cannot be set", path.display());
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    crate::fault::point();
    let mode: String = conn.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0)).map_err(sql)?;
    if mode != "wal" {
        return Err(io("the file system does not support what the database needs (WAL)"));
    }
    set_durability(conn, Durability::Synced).map_err(sql)?;
    // Without fullfsync, macOS syncs to the drive's cache only. Elsewhere it does nothing.
    conn.execute_batch(
        "PRAGMA fullfsync = on;
         PRAGMA checkpoint_fullfsync = on;
         PRAGMA trusted_schema = off;
         PRAGMA secure_delete = on;
         PRAGMA temp_store = memory;
         PRAGMA cache_size = -16384;
         PRAGMA wal_autocheckpoint = 4096;
         PRAGMA journal_size_limit = 67108864;",
    )
    .map_err(sql)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Writes the log back into the file and empties it. What cannot be emptied now, because somebody reads, is when they
/// have finished.
pub(super) fn empty_log(conn: &Connection) {
    // Closing waits for nobody who reads for long, such as an export.
    let _ = conn.busy_timeout(CLOSING_TIMEOUT);
    let busy = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    if !matches!(busy, Ok(false)) {
        tracing::debug!(?busy, "the log of the database is not empty yet");
    }
}

/// Opens one more connection for reading.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(sql)?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(sql)?;
    conn.execute_batch("PRAGMA trusted_schema = off; PRAGMA temp_store = memory;").map_err(sql)?;
    conn.set_prepared_statement_cache_capacity(32);
    Ok(conn)
}

/// Chooses what commits wait for from now on. Not inside a transaction.
pub(super) fn set_durability(conn: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let level = match durability {
        Durability::Synced => "FULL",
        Durability::Relaxed => "NORMAL",
    };
    conn.pragma_update(None, "synchronous", level)
}

/// How long to wait for readers when the log is emptied.
const CLOSING_TIMEOUT: Duration = Duration::from_millis(50);
/// How long to wait for another process, such as a backup, that holds a lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
