//! What a stored version is beside its envelope, and how it looks in the feed. Shared by the stores.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::sync::Arc;

use bytes::Bytes;

use super::{Change, StoreError, merge::shown_version};
use crate::{
    ids::{GraphId, Lsn},
    limits::MAX_PAGE,
    record::{Attributes, ChangeKind, DecodeError, Record, RecordKey, SignedRecord},
    time::Timestamp,
};

/// What a row of the feed stands for. The first two are current keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// A record that can be read.
    Live = 0,
    /// What a delete left.
    Tombstone = 1,
    /// What an expired record or tombstone left: an envelope without body, for the feed and for who wins.
    Stub = 2,
    /// What was left of a version that turned out not to count: for the feed alone, any version wins over it.
    Void = 3,
}

impl State {
    /// The state of a version that is put.
    pub(super) const fn of(record: &SignedRecord) -> Self {
        if record.header().deleted { Self::Tombstone } else { Self::Live }
    }

    /// True if its key counts in fingerprints.
    pub(super) const fn is_current(self) -> bool {
        matches!(self, Self::Live | Self::Tombstone)
    }
}

/// When something in this state last changed: the same on every node. `None` while it is live.
pub(super) fn gone_at(record: &SignedRecord, state: State) -> Option<Timestamp> {
    let written = record.header().hlc.timestamp();
    match state {
        State::Live => None,
        State::Tombstone | State::Void => Some(written),
        State::Stub => Some(written.max(record.header().expires.unwrap_or_default())),
    }
}

/// When a withheld version is forgotten beside the tombstones of its time; `None` if it is none.
pub(super) fn forgotten_at(record: &SignedRecord) -> Option<Timestamp> {
    gone_at(record, State::of(record))
}

/// The same version without its body.
pub(super) fn without_body(graph: &GraphId, record: &SignedRecord) -> Result<SignedRecord, DecodeError> {
    let envelope = record.bytes().len().saturating_sub(record.body().len());
    SignedRecord::decode_stored(graph, Bytes::copy_from_slice(&record.bytes()[..envelope]))
}

/// The feed's entry of a version, as a cursor at `after` sees it. `born`: when the record last came into being.
/// `highest`: the highest version number it was read under.
pub(super) fn change(
    after: Lsn,
    lsn: Lsn,
    born: Lsn,
    state: State,
    (record, highest): (&SignedRecord, u64),
) -> Change {
    let kind = match state {
        _ if record.header().deleted => ChangeKind::Deleted,
        State::Void => ChangeKind::Deleted,
        State::Stub => ChangeKind::Expired,
        _ if born > after => ChangeKind::Added,
        _ => ChangeKind::Updated,
    };
    let shown = shown_version(record, highest);
    let mut record: Record = record.to_record();
    record.version = shown;
    record.deleted |= state == State::Void;
    if !state.is_current() {
        record.attributes = Attributes::new();
        record.body = Bytes::new();
    }
    Change { lsn, kind, record: Arc::new(record), conflict: None }
}

/// How many items a page has at most.
pub(super) fn page_limit(asked: usize) -> usize {
    if asked == 0 { MAX_PAGE } else { asked.min(MAX_PAGE) }
}

/// What a cursor keeps of the entry it stands at.
pub(super) fn check_value(key: RecordKey) -> u64 {
    u64::from_be_bytes(key.element.as_bytes()[..8].try_into().expect("an element id has 16 bytes"))
}

/// A stored envelope cannot be read.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn damaged(error: DecodeError) -> StoreError {
    StoreError::Damaged(format!("a stored envelope: {error}"))
}
