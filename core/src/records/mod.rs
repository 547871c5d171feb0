//! The record database: what is let in, who wins, what is kept, how two databases become equal.
//!
//! [`admit`] is the only maker of [`VerifiedRecord`]; a [`Store`] takes nothing else. [`sync`] compares two stores
//! without knowing how they are connected. Knows nothing of links, events or sockets.

mod admit;
mod conflicts;
mod deferred;
mod export;
mod merge;
mod policy;
mod store;
#[cfg(test)]
mod store_conformance;
mod store_memory;
#[cfg(feature = "sqlite")]
mod store_sqlite;
mod stored;
mod summaries;
mod summary;
pub mod sync;

pub use admit::{
    Admission, AdmitContext, HoldQueue, RejectReason, admit, admit_own, check_update, find_unsound,
};
pub use conflicts::{Conflict, ConflictQuery, KeptLoser};
pub use deferred::DeferQueue;
pub use export::{ExportError, ExportHead, ExportReader, ExportWriter};
pub use merge::{Rank, is_conflict, rank};
pub use policy::{MEMBER_NAME_NONCE, OpenPolicy, PROPERTIES_NONCE, RecordPolicy, Verdict, presence_nonce};
pub use store::{Change, Changes, Durability, Fingerprint, ListQuery, Page, Put, Reader, Store, StoreError};
pub use store_memory::MemoryStore;
#[cfg(test)]
pub(crate) use store_memory::Watch;
#[cfg(feature = "sqlite")]
pub use store_sqlite::{Opened as StoreOpened, Sealer, SqliteStore};

use crate::record::SignedRecord;

/// A record that passed every check of [`admit`]. Nothing else can be stored or sent on.
#[derive(Clone, PartialEq, Debug)]
pub struct VerifiedRecord(SignedRecord);

impl VerifiedRecord {
    /// For tests of the stores, which do not care about signatures.
    #[cfg(test)]
    pub(crate) const fn unchecked(record: SignedRecord) -> Self {
        Self(record)
    }

    /// The record.
    pub const fn signed(&self) -> &SignedRecord {
        &self.0
    }
}
