//! A database on disk: one SQLite file a graph.
//!
//! One connection writes, in transactions that begin with the first write and end with a commit; readers have
//! connections of their own and see what is committed (WAL). A row's number is its place in the feed, so an update
//! deletes the old row and appends a new one, and the table is the feed. The columns: [`schema`].

use std::{cell::RefCell, error::Error, fmt, path::Path, sync::Arc};

use self::{columns::Values, db::Db, intern::Interned, reader::SqliteReader};
use super::{
    Durability, StoreError,
    conflicts::Losers,
    summaries::{KeySource, Summaries},
    summary::Summary,
};
use crate::{
    ids::{GraphId, Lsn},
    record::RecordKey,
    time::Hlc,
    wire::Filter,
};

mod columns;
mod conflicts;
mod db;
mod file;
mod intern;
mod of_peer;
mod reader;
mod schema;
mod sealer;
mod sealing;
mod store;
#[cfg(test)]
mod tests;
mod withheld;

pub use sealer::Sealer;

/// What [`SqliteStore::open`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened {
    /// Nothing; an empty database was made.
    Created,
    /// A database.
    Existing,
}

/// A [`Store`](super::Store) in a file.
pub struct SqliteStore {
    /// First, and so closed first: the last connection to close tidies up, which one that only reads cannot.
    reader: Arc<SqliteReader>,
    db: Db,
    interned: Interned,
    summaries: RefCell<Summaries>,
    losers: Losers,
    /// False as long as no version can be withheld, which saves looking.
    has_withheld: bool,
    /// The feed's end and the greatest clock reading, as written and as committed.
    last: (Lsn, Hlc),
    committed: (Lsn, Hlc),
    /// From the first write to the end of the transaction; and whether anything was changed in it.
    in_transaction: bool,
    changed: bool,
    /// What the next transaction is begun with.
    durability: Durability,
}

impl SqliteStore {
    /// Opens the database of a graph, or makes it, readable for this user alone.
    ///
    /// `incarnation_seed`: random; becomes the [incarnation](super::Reader::incarnation) of a new database.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the file is not such a database, [`StoreError::WrongGraph`] if it is another
    /// graph's, [`StoreError::Schema`] if another version wrote it that this one does not read, [`StoreError::Locked`] if it is sealed,
    /// [`StoreError::Io`] for everything else.
    pub fn open(path: &Path, graph: GraphId, incarnation_seed: u64) -> Result<(Self, Opened), StoreError> {
        Self::open_with(path, graph, incarnation_seed, None)
    }

    /// As [`open`](Self::open), for a database that is sealed, or is to be: what is in the clear is sealed at once,
    /// which takes about as long as reading and writing all of it.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`StoreError::Locked`] if it is sealed with another key.
    pub fn open_sealed(
        path: &Path,
        graph: GraphId,
        incarnation_seed: u64,
        sealer: Sealer,
    ) -> Result<(Self, Opened), StoreError> {
        Self::open_with(path, graph, incarnation_seed, Some(Arc::new(sealer)))
    }

    fn open_with(
        path: &Path,
        graph: GraphId,
        incarnation_seed: u64,
        sealer: Option<Arc<Sealer>>,
    ) -> Result<(Self, Opened), StoreError> {
        // Readers open it again later, when the current directory may be another one.
        let path = std::path::absolute(path).map_err(io)?;
        let mut conn = file::open_writer(&path)?;
        let opened = schema::prepare(&mut conn, &graph, incarnation_seed)?;
        let sealed = sealing::check(&conn, sealer.as_deref())?;
        file::configure_writer(&path, &conn)?;
        if let Some(sealer) = &sealer {
            if !sealed {
                sealing::seal(&mut conn, sealer)?;
            }
            sealing::scrub(&conn)?;
        }
        let values = Values { graph, sealer };
        let db = Db::new(conn, values.clone());
        let (incarnation, lsn, hlc) = db.state().map_err(sql)?;
        let summary = load_summary(&db, incarnation_seed)?;
        let losers = Losers::load(db.load_losers().map_err(sql)?);
        let has_withheld = db.has_withheld().map_err(sql)?;
        let store = Self {
            db,
            interned: Interned::default(),
            summaries: RefCell::new(Summaries::new(summary)),
            losers,
            has_withheld,
            last: (lsn, hlc),
            committed: (lsn, hlc),
            in_transaction: false,
            changed: false,
            durability: Durability::Synced,
            reader: Arc::new(SqliteReader::new(&path, values, incarnation)),
        };
        Ok((store, opened))
    }

    /// One value kept by [`set_meta`](super::Store::set_meta) in a database that is not open, without reading the rest.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the file is not such a database, [`StoreError::Locked`] if it is sealed, and not with
    /// this key, [`StoreError::Io`] if it cannot be read.
    pub fn peek_meta(
        path: &Path,
        graph: GraphId,
        name: &str,
        sealer: Option<Sealer>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let conn = file::open_existing(path)?;
        let sealed = sealing::check(&conn, sealer.as_ref())?;
        let db = Db::new(conn, Values { graph, sealer: sealer.filter(|_| sealed).map(Arc::new) });
        // A crash may have left an empty file: there the database was about to be.
        if db.has_meta().map_err(sql)? { db.meta(name).map_err(sql) } else { Ok(None) }
    }

    /// Whether a database that is not open holds no records at all, not even what is left of some; `None` if there never
    /// was a database in the file.
    ///
    /// # Errors
    /// As [`peek_meta`](Self::peek_meta).
    pub fn peek_is_empty(path: &Path) -> Result<Option<bool>, StoreError> {
        schema::is_empty(&file::open_existing(path)?).map_err(sql)
    }

    /// The key of a sealed database that is not open, as its [`Sealer`] was given it; `None` if it is plain.
    ///
    /// # Errors
    /// As [`peek_meta`](Self::peek_meta).
    pub fn peek_wrapped_key(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        sealing::peek_wrapped_key(path)
    }

    /// Begins a transaction unless one is open.
    fn begin(&mut self) -> Result<(), StoreError> {
        if !self.in_transaction {
            self.db.begin().map_err(sql)?;
            self.in_transaction = true;
        } else if !self.db.in_transaction() {
            // SQLite rolls back on its own when the disk is full; what follows must not be written without it.
            return Err(io("an earlier error ended the transaction"));
        }
        Ok(())
    }

    /// Takes the next place in the feed.
    fn advance(&mut self, hlc: Hlc) -> Lsn {
        self.last = (self.next_lsn(), self.last.1.max(hlc));
        self.changed = true;
        self.last.0
    }

    const fn next_lsn(&self) -> Lsn {
        Lsn(self.last.0.0.saturating_add(1))
    }

    fn finish(&mut self, durability: Durability) -> Result<(), StoreError> {
        if !self.in_transaction {
            return Ok(());
        }
        self.begin()?;
        if self.changed {
            self.db.write_buckets(self.summaries.get_mut().all()).map_err(sql)?;
            self.db.write_last(self.last).map_err(sql)?;
        }
        self.db.commit().map_err(sql)?;
        self.summaries.get_mut().commit();
        self.interned.commit();
        self.losers.commit();
        self.committed = self.last;
        self.in_transaction = false;
        let changed = std::mem::take(&mut self.changed);
        if changed && durability != self.durability { self.switch(durability) } else { Ok(()) }
    }

    /// SQLite cannot switch inside a transaction. So the first relaxed commit is synced all the same, and the first
    /// synced one is followed by another without changes, which takes both to the disk.
    fn switch(&mut self, durability: Durability) -> Result<(), StoreError> {
        self.db.set_durability(durability).map_err(sql)?;
        self.durability = durability;
        if durability == Durability::Synced {
            self.db.begin().map_err(sql)?;
            self.db.write_last(self.last).map_err(sql)?;
            self.db.commit().map_err(sql)?;
        }
        Ok(())
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        self.summaries.get_mut().rollback();
        self.interned.rollback();
        self.losers.rollback();
        self.last = self.committed;
        (self.in_transaction, self.changed) = (false, false);
        self.db.rollback().map_err(sql)
    }
}

/// What was deleted leaves the files with the store: the log is emptied, which holds pages as they were.
impl Drop for SqliteStore {
    fn drop(&mut self) {
        if let Err(error) = self.undo() {
            tracing::warn!(%error, "the last transaction was not undone before closing");
        }
        self.reader.close();
        file::empty_log(self.db.conn());
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteStore({} keys, {:?})", self.summaries.borrow().all().count(), self.last.0)
    }
}

/// Reads the buckets, checks their number and some of them, and makes them anew if they are wrong.
fn load_summary(db: &Db, seed: u64) -> Result<Summary, StoreError> {
    let keys = |from, to, max| db.scan(&Filter::All, from, to, max);
    let last = db.last_key().map_err(sql)?;
    let loaded = Summary::load(db.buckets().map_err(sql)?, last);
    let starts: Vec<_> = loaded.buckets().map(|(start, _)| start).collect();
    let mut sound = loaded.count() == db.count_keys().map_err(sql)?
        && starts.first().is_none_or(|first| *first == RecordKey::MIN);
    // Some anywhere, and the last one, which is written the most.
    let step = (starts.len() / SAMPLES).max(1);
    let offset = usize::try_from(seed % step as u64).unwrap_or_default();
    for start in starts.iter().skip(offset).step_by(step).chain(starts.last()) {
        sound = sound && loaded.verify(*start, &keys)?;
    }
    if sound {
        return Ok(loaded);
    }
    tracing::warn!(buckets = starts.len(), "key summaries were wrong and are made anew");
    let built = Summary::build(&keys)?;
    db.begin().and_then(|()| db.replace_buckets(&built)).and_then(|()| db.commit()).map_err(sql)?;
    Ok(built)
}

/// Buckets that are checked when a database is opened.
const SAMPLES: usize = 8;

/// What an error of SQLite means.
fn sql(error: rusqlite::Error) -> StoreError {
    use rusqlite::{Error, ErrorCode};
    match &error {
        Error::SqliteFailure(cause, _)
            if matches!(cause.code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) =>
        {
            StoreError::Damaged(error.to_string())
        }
        Error::SqliteFailure(cause, _) if cause.code == ErrorCode::DiskFull => {
            // The one number of the system that SQLite has a word of its own for.
            io(std::io::Error::from_raw_os_error(if cfg!(windows) { 112 } else { 28 }))
        }
        Error::FromSqlConversionFailure(..)
        | Error::InvalidColumnType(..)
        | Error::IntegralValueOutOfRange(..) => StoreError::Damaged(error.to_string()),
        _ => io(error),
    }
}

fn io(cause: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::Io(cause.into().into())
}
