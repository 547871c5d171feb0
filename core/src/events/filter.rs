//! Which events a subscription wants, and from where on.

use std::collections::BTreeSet;

use super::{Cursor, Event, EventKind, IncomingData};
use crate::{
    ids::PeerId,
    record::{Record, RecordType},
};

/// What a subscription lets through. Everything left empty lets all through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[doc(alias = "PEER_GRAPH_EVENT_REGISTRATION")]
pub struct EventFilter {
    kinds: BTreeSet<EventKind>,
    record_types: BTreeSet<RecordType>,
    authors: BTreeSet<PeerId>,
    data_types: BTreeSet<RecordType>,
}

impl EventFilter {
    /// All kinds; this also accepts direct connections from others.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only these kinds.
    pub fn kinds(kinds: impl IntoIterator<Item = EventKind>) -> Self {
        Self { kinds: kinds.into_iter().collect(), ..Self::default() }
    }

    /// Of record changes, only those of these types.
    #[must_use]
    pub fn record_types(mut self, types: impl IntoIterator<Item = RecordType>) -> Self {
        self.record_types.extend(types);
        self
    }

    /// Of record changes, only those whose latest version is by these authors.
    #[must_use]
    pub fn authors(mut self, authors: impl IntoIterator<Item = PeerId>) -> Self {
        self.authors.extend(authors);
        self
    }

    /// Of incoming data, only that of these types.
    #[must_use]
    pub fn data_types(mut self, types: impl IntoIterator<Item = RecordType>) -> Self {
        self.data_types.extend(types);
        self
    }

    /// True if events of this kind can pass.
    pub fn wants(&self, kind: EventKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// True if changes of this record pass.
    pub fn wants_record(&self, record: &Record) -> bool {
        self.wants(EventKind::RecordChanged)
            && (self.record_types.is_empty() || self.record_types.contains(&record.record_type))
            && (self.authors.is_empty() || self.authors.contains(&record.author))
    }

    /// True if this data passes.
    pub fn wants_data(&self, data: &IncomingData) -> bool {
        self.wants(EventKind::IncomingData)
            && (self.data_types.is_empty() || self.data_types.contains(&data.data_type))
    }

    pub(super) fn wants_event(&self, event: &Event) -> bool {
        event.kind().is_none_or(|kind| self.wants(kind))
    }

    pub(super) fn types(&self) -> Vec<RecordType> {
        self.record_types.iter().cloned().collect()
    }

    pub(super) fn author_list(&self) -> Vec<PeerId> {
        self.authors.iter().copied().collect()
    }
}

/// Where a subscription begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Start {
    /// With what happens from now on.
    #[default]
    Now,
    /// With the records that are there, each as added; then `CaughtUp`, then what happens, without gap or repeat.
    Snapshot,
    /// With what changed since a cursor; then `CaughtUp`, then what happens. A cursor that does not fit this database
    /// gives `Reset`, and then as `Snapshot`.
    After(Cursor),
}

/// How to subscribe.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubscribeOptions {
    /// What to let through.
    pub filter: EventFilter,
    /// Where to begin.
    pub start: Start,
    /// Record changes kept in memory for this subscription: default and at most 1,024, at least 1. Beyond, they are
    /// read from the database when the reader is ready for them.
    pub capacity: Option<usize>,
}

impl SubscribeOptions {
    /// What a filter lets through, from now on.
    pub fn new(filter: EventFilter) -> Self {
        Self { filter, ..Self::default() }
    }

    /// The same from another place.
    #[must_use]
    pub const fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// The same with another number of record changes in memory.
    #[must_use]
    pub const fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = Some(capacity);
        self
    }
}
