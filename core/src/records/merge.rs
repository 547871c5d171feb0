//! Which of two versions of one record stays, and whether the loser was written without knowledge of the winner. The one
//! place that decides, for every store and every way in which a version can come.
//!
//! A tombstone of an application's record beats every other version: nothing can follow a delete, so whatever was written
//! beside it had not seen it. Records of the library's own types, which come back on purpose, follow the clock alone; they
//! also beat versions of other types under their id, so that nobody can end another's presence by deleting it. Credentials
//! beat everything: their ids leave out the type, and nobody may take an act of their own back, as by ending a presence under its id. The order
//! is total and depends on the two versions only, so every node comes to the same result in whatever order they arrive.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use crate::{
    ids::{ElementId, PeerId},
    record::{RecordType, SignedRecord},
    time::Hlc,
};

/// The order of versions: class of the type, tombstone, clock, author, element.
pub type Rank = (Class, bool, Hlc, PeerId, ElementId);

/// Types of which one beats another under the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Class {
    /// Of an application.
    Application,
    /// Of the library.
    Library,
    /// What rights rest on.
    Credential,
}

/// What decides between two versions of one record: the greater stays.
pub fn rank(record: &SignedRecord) -> Rank {
    let header = record.header();
    let class = match header.record_type.as_str() {
        RecordType::CREDENTIAL => Class::Credential,
        _ if header.record_type.is_reserved() => Class::Library,
        _ => Class::Application,
    };
    (class, is_final(record), header.hlc, header.author(), record.key().element)
}

/// True if the loser has content and neither of the two was written in knowledge of the other.
///
/// Every version names the one that it replaced and up to [`MAX_LINEAGE`](crate::limits::MAX_LINEAGE) before that. Of
/// versions further back nothing is known: they count as known to the winner.
pub fn is_conflict(loser: &SignedRecord, winner: &SignedRecord) -> bool {
    let (lost, won) = (loser.header(), winner.header());
    if lost.deleted || lost.record_type.is_reserved() || won.record_type.is_reserved() {
        return false;
    }
    let element = loser.key().element;
    if won.replaced == Some(element) || won.earlier.contains(&element.prefix()) {
        return false;
    }
    won.version.saturating_sub(lost.version) <= (won.earlier.len() as u64).saturating_add(1)
}

/// The highest version number that a record has been read under, or lost with, once `record` is its version and `before`
/// was the highest. A tombstone of an application's record goes one beyond.
pub(super) fn highest_version(record: &SignedRecord, before: Option<u64>) -> u64 {
    let before = before.map_or(0, |before| before.saturating_add(u64::from(is_final(record))));
    record.header().version.max(before)
}

/// The version number under which a record is read: that of its header; of a tombstone the highest, so that the number
/// does not go down when a record ends.
pub(super) fn shown_version(record: &SignedRecord, highest: u64) -> u64 {
    if is_final(record) { highest } else { record.header().version }
}

fn is_final(record: &SignedRecord) -> bool {
    record.header().deleted && !record.header().record_type.is_reserved()
}
