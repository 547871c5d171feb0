//! The two traits a database offers: [`Store`] to the engine, which writes; [`Reader`] to everybody else.
//!
//! Versions that are gone stay in the feed as what they became: a tombstone, or the stub of an expired record. So
//! the feed is an index on the sequence number over the record table, needs no second log, and is never compacted
//! away before [`Store::collect`] reaches its horizon.

use std::{collections::BTreeSet, fmt, sync::Arc};

use bytes::Bytes;

use crate::{
    ids::{ElementId, Lsn, PeerId, RecordId},
    record::{ChangeKind, Record, RecordKey, RecordType, SignedRecord},
    records::{Conflict, ConflictQuery, KeptLoser, VerifiedRecord},
    time::{Hlc, Timestamp},
    wire::Filter,
};

/// When a commit counts as done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// When it is on the disk: survives a power failure. The default.
    #[default]
    Synced,
    /// When the operating system has it: survives a crash of the process, not one of the machine.
    Relaxed,
}

/// What became of a record given to [`Store::put`].
#[derive(Clone, PartialEq, Debug)]
pub enum Put {
    /// Nothing had this id.
    Inserted {
        /// Its place in the feed.
        lsn: Lsn,
    },
    /// It won over the version that was there.
    Replaced {
        /// Its place in the feed.
        lsn: Lsn,
        /// What was there: a version, a tombstone, or what an expired record left (that has no body).
        older: SignedRecord,
        /// The version number under which the record is read now: that of the new version; of a tombstone at least one more
        /// than what was read before.
        version: u64,
    },
    /// The version that is there wins.
    Older {
        /// What is there.
        newer: SignedRecord,
    },
    /// A version that has expired wins.
    Expired {
        /// What it left. Whoever has an older version is to hear of it.
        left: SignedRecord,
    },
    /// This very version is there.
    Same,
}

/// How many keys a set has, and their LtHash fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fingerprint {
    /// How many.
    pub count: u64,
    /// [`LtHash::fingerprint`](crate::crypto::LtHash::fingerprint) of the keys' byte forms.
    pub hash: [u8; 16],
}

/// One entry of the feed: the latest state of one record.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// Its place.
    pub lsn: Lsn,
    /// What happened since the cursor: added, if the record came into being (for the first time, or again after it
    /// was deleted or had expired) since then.
    pub kind: ChangeKind,
    /// The record as it is now; without attributes and body when deleted or expired.
    pub record: Arc<Record>,
    /// The last version that lost against it since the cursor, if nobody has acknowledged that.
    pub conflict: Option<Arc<Record>>,
}

impl Change {
    /// Bytes of bodies it holds.
    pub(crate) fn body_bytes(&self) -> usize {
        let lost = self.conflict.as_ref().map_or(0, |loser| loser.body.len());
        self.record.body.len().saturating_add(lost)
    }
}

/// A stretch of the feed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Changes {
    /// Matching entries in order.
    pub entries: Vec<Change>,
    /// Everything up to here has been looked at, matching or not. Beyond the last entry: there are no more.
    pub through: Lsn,
}

/// Which records to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListQuery {
    /// Of this type.
    pub record_type: Option<RecordType>,
    /// Made by this identity.
    pub creator: Option<PeerId>,
    /// Tombstones too.
    pub include_deleted: bool,
    /// Reserved types too. They are left out of a list that names no type.
    pub include_reserved: bool,
    /// After this place: the `next` of the page before.
    pub after: Option<Lsn>,
    /// As the feed stood here: later changes are left out. The first page sets it.
    pub through: Option<Lsn>,
    /// At most so many; 0 and anything above [`MAX_PAGE`](crate::limits::MAX_PAGE) mean that. A page also ends at
    /// [`MAX_PAGE_BYTES`](crate::limits::MAX_PAGE_BYTES).
    pub limit: usize,
    /// Count the items of all pages together: [`Page::total`]. Takes time in proportion to their number. Default: false.
    pub count: bool,
}

/// One page of a list.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T> {
    /// What is on it, oldest change first.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Lsn>,
    /// The feed's end when the first page was made.
    pub through: Lsn,
    /// How many items all pages have together, counted when this page was made; `None` unless
    /// [`ListQuery::count`] asked for it.
    pub total: Option<u64>,
}

/// The database failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, the file cannot be written, or the system says no.
    #[error("the database cannot be read or written")]
    Io(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The file is not a database of this kind, or is damaged.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// It was written by a later version, or by a build before the first release that kept records in another form.
    #[error(
        "the database was written by {} version of the library (schema {found}; this one reads {known})",
        if found > known { "a newer" } else { "an earlier" }
    )]
    Schema {
        /// What the file says.
        found: u32,
        /// The newest that this version reads.
        known: u32,
    },
    /// It belongs to another graph.
    #[error("the database belongs to another graph")]
    WrongGraph,
    /// It is sealed with a key that was not given, or another one.
    #[error("the database is sealed with a key that is not here")]
    Locked,
}

/// The database as the engine sees it. Synchronous: the driver gives the engine a thread of its own.
///
/// Changes are visible to this trait's reads at once, and durable and visible to [`Reader`]s after
/// [`commit`](Self::commit).
pub trait Store: Send + fmt::Debug {
    /// Stores a version unless a better one is there. Winner: greatest [`rank`](super::rank). One that had expired comes
    /// back: whoever puts it has seen that its time is not over, so the clock was wrong by which it expired.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn put(&mut self, record: &VerifiedRecord) -> Result<Put, StoreError>;

    /// Ends a record by a version whose time is over: what is left of that takes the place of a current version that loses
    /// against it. Nothing happens if there is none. Returns what the feed tells; nothing of a tombstone, which was
    /// told of before.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn put_expired(&mut self, record: &VerifiedRecord) -> Result<Option<Change>, StoreError>;

    /// Turns at most `max` records whose time is over at `now` into stubs: absent but for the feed. Drops at most as many
    /// withheld ones, of which nothing is left.
    ///
    /// Tombstones can expire too. They were gone before, so nothing is returned for them, but they count for `max`.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn expire(&mut self, now: Timestamp, max: usize) -> Result<Vec<Change>, StoreError>;

    /// Forgets tombstones and stubs whose last change is older than `before`, withheld tombstones too. Returns how many.
    ///
    /// That is when a tombstone was written and a stub expired: the same moment on every node.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn collect(&mut self, before: Timestamp) -> Result<usize, StoreError>;

    /// Throws out the version with this key, without a trace: for one that turned out to be damaged. Also one that is
    /// withheld.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn discard(&mut self, key: &RecordKey) -> Result<(), StoreError>;

    /// What expired and void versions left, at most `max` after a place in the feed: the place, and the envelope without
    /// its body, or `None` if it is damaged or not what it is kept as. Stores in memory have none to check.
    ///
    /// # Errors
    /// [`StoreError`].
    fn left(&self, after: Lsn, max: usize) -> Result<Vec<(Lsn, Option<SignedRecord>)>, StoreError> {
        let _ = (after, max);
        Ok(Vec::new())
    }

    /// Throws out one of [`left`](Self::left) that turned out to be damaged.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn discard_left(&mut self, lsn: Lsn) -> Result<(), StoreError> {
        let _ = lsn;
        Ok(())
    }

    /// Makes the version with this key void: absent but for the feed, where it reads as deleted, and any version wins
    /// over it. `None` if there is no such version, it was withheld, or it was a tombstone.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn withdraw(&mut self, key: &RecordKey) -> Result<Option<Change>, StoreError>;

    /// Takes a version out of everything but the file, until it is [released](Self::release): it is in no fingerprint,
    /// range, list, feed or export, [`fetch`](Self::fetch) and [`get`](Self::get) do not find it, and it is never sent.
    /// [`contains`](Self::contains) stays true, so that it is not fetched from a neighbor that offers it. The version is the current one of its
    /// record, of any type, or a kept loser, which is no conflict any more.
    ///
    /// Readers see what [`withdraw`](Self::withdraw) shows: the record reads as deleted, and any other version takes its
    /// place. Returns the same: `None` if there is no such version, it is withheld already, or it was a tombstone or a
    /// loser. Other losers of its record stay.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn withhold(&mut self, key: &RecordKey) -> Result<Option<Change>, StoreError>;

    /// Ends [`withhold`](Self::withhold): the version is put again, and contends with the one that is there now. Returns it and what became
    /// of it, as [`put`](Self::put) does; readers see a new record, or an updated one. `None` if no such version is withheld, or if it cannot be
    /// read. The caller checks beforehand whether its time is over.
    ///
    /// [`put`](Self::put) of the same version ends it too; [`discard`](Self::discard) and [`withdraw`](Self::withdraw)
    /// drop a version that is withheld.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn release(&mut self, key: &RecordKey) -> Result<Option<(VerifiedRecord, Put)>, StoreError>;

    /// The first `max` keys of withheld versions that match, from `from` on, ascending. They survive a restart, but for
    /// those whose time is over ([`expire`](Self::expire)) and old tombstones ([`collect`](Self::collect)).
    ///
    /// # Errors
    /// [`StoreError`].
    fn withheld(&self, filter: &Filter, from: RecordKey, max: usize) -> Result<Vec<RecordKey>, StoreError>;

    /// The withheld version with this key; `None` also if it cannot be read.
    ///
    /// # Errors
    /// [`StoreError`].
    fn fetch_withheld(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError>;

    /// Keeps a version that lost against the current one of its record, until it is acknowledged or forgotten; and tells
    /// of it in the feed: at `told` if the winner was just put there, else at a new place, to which the winner moves.
    /// `None` if it is nothing new: it was kept before, or a later one of the same author was. Bounded, see
    /// [`MAX_CONFLICT_BYTES`](crate::limits::MAX_CONFLICT_BYTES).
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn keep_loser(
        &mut self,
        loser: &SignedRecord,
        told: Option<Lsn>,
        now: Timestamp,
    ) -> Result<Option<KeptLoser>, StoreError>;

    /// Drops the content of a loser; its name stays, so that it is not told of again. False if it is not here.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn acknowledge_loser(&mut self, element: &ElementId) -> Result<bool, StoreError>;

    /// Forgets losers that were noticed before a moment. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn forget_losers(&mut self, before: Timestamp) -> Result<usize, StoreError>;

    /// Forgets one loser without a trace: for one that its author had no right to write.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn discard_loser(&mut self, element: &ElementId) -> Result<(), StoreError>;

    /// True if this version is kept as a loser, or was and is acknowledged.
    fn knows_loser(&self, key: &RecordKey) -> bool;

    /// A loser that is kept.
    fn loser(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError>;

    /// The keys of the losers of one record that are kept.
    fn losers_of(&self, id: &RecordId) -> Vec<RecordKey>;

    /// The keys of all losers that are kept.
    fn losers(&self) -> Vec<RecordKey>;

    /// Of those, the ones that one of these identities wrote, or of a record that it made. What an earlier schema kept is among them in
    /// any case.
    fn losers_by(&self, peers: &BTreeSet<PeerId>) -> Vec<RecordKey>;

    /// Current versions that this identity wrote, or of records that it made, acts and lists left out: the first `max` behind a
    /// place in the feed and not beyond another one, in feed order. Costs nothing for those of others.
    ///
    /// # Errors
    /// [`StoreError`].
    fn current_by(
        &self,
        peer: &PeerId,
        after: Lsn,
        through: Lsn,
        max: usize,
    ) -> Result<Vec<(Lsn, RecordKey)>, StoreError>;

    /// The same of withheld versions, the first `max` keys from `from` on, ascending. What an earlier schema kept is among
    /// them in any case.
    ///
    /// # Errors
    /// [`StoreError`].
    fn withheld_by(&self, peer: &PeerId, from: RecordKey, max: usize) -> Result<Vec<RecordKey>, StoreError>;

    /// Keeps a small value under a name, in the same transaction as records.
    ///
    /// # Errors
    /// [`StoreError`]; call [`rollback`](Self::rollback) then.
    fn set_meta(&mut self, name: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Makes everything since the last commit durable, all or nothing.
    ///
    /// # Errors
    /// [`StoreError`]: nothing since the last commit was kept, and none of it may be acknowledged.
    fn commit(&mut self, durability: Durability) -> Result<(), StoreError>;

    /// Drops everything since the last commit.
    ///
    /// # Errors
    /// [`StoreError`] if the database can no longer be used.
    fn rollback(&mut self) -> Result<(), StoreError>;

    /// The current version under an id; tombstones too, expired records not.
    fn get(&self, id: &RecordId) -> Result<Option<SignedRecord>, StoreError>;

    /// The version with this key, if it is the current one.
    fn fetch(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError>;

    /// True if the version with this key is the current one of its record, or [withheld](Self::withhold).
    fn contains(&self, key: &RecordKey) -> Result<bool, StoreError>;

    /// A value kept by [`set_meta`](Self::set_meta).
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// When the next record expires.
    fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError>;

    /// The greatest clock reading of any record that was ever put: where the clock goes on after a restart.
    fn last_hlc(&self) -> Result<Hlc, StoreError>;

    /// The end of the feed.
    fn last_lsn(&self) -> Lsn;

    /// Count and fingerprint of all current keys (tombstones included), from memory.
    fn root(&self) -> Fingerprint;

    /// The count alone, which costs no hash.
    fn count(&self) -> u64;

    /// Count and fingerprint of the keys in `from..to`.
    fn fingerprint(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
    ) -> Result<Fingerprint, StoreError>;

    /// Keys that cut `from..to` into at most `parts` parts of about equal size: ascending, inside the range.
    fn split(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        parts: usize,
    ) -> Result<Vec<RecordKey>, StoreError>;

    /// For each of `sizes`, the key behind which the newest so many (or a little more) lie; ascending, without
    /// repeats. Sizes beyond the count are left out.
    fn newest(&self, filter: &Filter, sizes: &[u64]) -> Result<Vec<RecordKey>, StoreError>;

    /// The first `max` keys in `from..to`.
    fn keys(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max: usize,
    ) -> Result<Vec<RecordKey>, StoreError>;

    /// Envelopes with bodies of the records in `from..to` in key order, as many as fit in `max_bytes` but at least
    /// one, and the key where the rest begins.
    fn envelopes(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max_bytes: usize,
    ) -> Result<(Vec<Bytes>, Option<RecordKey>), StoreError>;

    /// A handle for reading committed data from any thread, never waiting for writes.
    fn reader(&self) -> Arc<dyn Reader>;
}

/// Committed data, for any thread.
pub trait Reader: Send + Sync + fmt::Debug {
    /// The current version under an id, unless it is deleted or expired at `now`.
    fn get(&self, id: &RecordId, now: Timestamp) -> Result<Option<Record>, StoreError>;

    /// A page of records that are not expired at `now`, in feed order. A snapshot: what changes between two pages
    /// is left out of the later ones, never repeated.
    fn list(&self, query: &ListQuery, now: Timestamp) -> Result<Page<Record>, StoreError>;

    /// A page of conflicts that nobody has acknowledged, in the order in which they were noticed; those whose record has
    /// expired at `now` are left out.
    fn conflicts(&self, query: &ConflictQuery, now: Timestamp) -> Result<Page<Conflict>, StoreError>;

    /// At most `max` changes after a place, of these types and authors (empty: all but reserved types); fewer if their
    /// bodies have more than [`EVENT_BATCH_BYTES`](crate::limits::EVENT_BATCH_BYTES) together, but one at least. If the
    /// end was reached, `through` is the end of the feed.
    fn changes(
        &self,
        after: Lsn,
        types: &[RecordType],
        authors: &[PeerId],
        max: usize,
    ) -> Result<Changes, StoreError>;

    /// Gives all current versions as of one moment, tombstones too, as they travel: credentials first, presence not at
    /// all. Ends early when `each` says false.
    fn snapshot(&self, each: &mut dyn FnMut(Bytes) -> bool) -> Result<(), StoreError>;

    /// A number drawn when the database was made: another one means that cursors are void.
    fn incarnation(&self) -> u64;

    /// The end of the feed.
    fn last_lsn(&self) -> Result<Lsn, StoreError>;

    /// A check value for a cursor at this place: eight bytes of the element there, zero if it moved on since.
    fn check_at(&self, lsn: Lsn) -> Result<u64, StoreError>;
}
