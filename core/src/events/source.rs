//! Where subscriptions read what did not fit in their memory.

use std::sync::Arc;

use crate::{
    ids::{Lsn, PeerId},
    record::{ChangeKind, Record, RecordType},
};

/// One entry of the database's feed.
#[derive(Clone, PartialEq, Debug)]
pub struct FeedEntry {
    /// Its place.
    pub lsn: Lsn,
    /// What happened since the place that was asked from.
    pub change: ChangeKind,
    /// The record as it is now.
    pub record: Arc<Record>,
    /// The last version that lost against it since the place that was asked from, if that was not acknowledged.
    pub conflict: Option<Arc<Record>>,
}

/// A stretch of the feed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ChangeBatch {
    /// Matching entries in order.
    pub entries: Vec<FeedEntry>,
    /// Everything up to here has been looked at. Beyond the last entry, or without any: there were no more.
    pub through: Lsn,
}

/// The end of the feed, and which database it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FeedPosition {
    /// Drawn when the database was made.
    pub incarnation: u64,
    /// The last place.
    pub lsn: Lsn,
    /// Check value of that place.
    pub check: u64,
}

/// The feed cannot be read: the database failed. The subscription ends.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the feed of changes cannot be read")]
pub struct FeedError(#[source] Arc<dyn std::error::Error + Send + Sync>);

impl FeedError {
    /// Wraps the cause.
    pub fn new(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(cause))
    }
}

/// The feed of one database.
pub trait ChangeSource: Send + Sync {
    /// At most `max` changes after a place, of these types and authors (empty: all). It may be fewer, to keep their bytes
    /// within bounds; without any, there are none.
    ///
    /// # Errors
    /// [`FeedError`] if the database failed.
    fn changes(
        &self,
        after: Lsn,
        types: &[RecordType],
        authors: &[PeerId],
        max: usize,
    ) -> Result<ChangeBatch, FeedError>;

    /// The end of the feed.
    ///
    /// # Errors
    /// [`FeedError`] if the database failed.
    fn position(&self) -> Result<FeedPosition, FeedError>;

    /// The check value of a place; zero if the record that was there has moved on.
    ///
    /// # Errors
    /// [`FeedError`] if the database failed.
    fn check_at(&self, lsn: Lsn) -> Result<u64, FeedError>;
}
