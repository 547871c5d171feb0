//! The record database: what is let in, who wins, what is kept, how two databases become equal.
//!
//! [`admit`] is the only maker of [`VerifiedRecord`]; a [`Store`] takes nothing else. [`sync`] compares two stores
//! without knowing how they are connected. Knows nothing of links, events or sockets.

mod store;

pub use store::{Change, Changes, Durability, Fingerprint, ListQuery, Page, Put, Reader, Store, StoreError};

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
