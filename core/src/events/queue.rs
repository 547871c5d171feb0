//! What waits for one subscriber: one queue in order of arrival, with a bound for each class of events.

use std::{collections::VecDeque, sync::Arc};

use super::{ChangeOrigin, Cursor, Event, IncomingData, RecordChanged};
use crate::{
    ids::{ConnectionId, Lsn, NodeId},
    limits::{DATA_RING, DATA_RING_BYTES, EVENT_RING, RECORD_RING_BYTES},
    record::{ChangeKind, Record, RecordType},
};

/// A record change as the engine reports it after a commit; the subscription adds its cursor.
#[derive(Clone, PartialEq, Debug)]
pub struct NewChange {
    /// Its place in the feed.
    pub lsn: Lsn,
    /// What happened.
    pub change: ChangeKind,
    /// The record as it is now.
    pub record: Arc<Record>,
    /// Where the change came from.
    pub origin: ChangeOrigin,
    /// The version that lost, if the two were written without knowledge of each other.
    pub conflict: Option<Arc<Record>>,
}

#[derive(Debug)]
enum Waiting {
    Change(NewChange),
    Data(IncomingData),
    Reset,
    CaughtUp(Lsn, u64),
    Other(Event),
}

/// Two events with one key: the later says all.
#[derive(PartialEq, Eq)]
enum Key<'a> {
    Status,
    Properties,
    Connection(ConnectionId),
    Required,
    Node(NodeId),
    Synchronized(Option<&'a RecordType>),
    Progress,
}

/// The queue. Knows nothing of threads.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    capacity: usize,
    records: usize,
    record_bytes: usize,
    data: usize,
    data_bytes: usize,
    others: usize,
    dropped: u64,
}

impl Queue {
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            capacity,
            records: 0,
            record_bytes: 0,
            data: 0,
            data_bytes: 0,
            others: 0,
            dropped: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped == 0
    }

    /// Record changes that still fit.
    pub(super) const fn record_room(&self) -> usize {
        if self.record_bytes < RECORD_RING_BYTES { self.capacity.saturating_sub(self.records) } else { 0 }
    }

    /// True if so few record changes wait that it is worth reading more.
    pub(super) const fn wants_refill(&self) -> bool {
        self.records <= self.capacity / 2 && self.record_bytes <= RECORD_RING_BYTES / 2
    }

    pub(super) fn push_change(&mut self, change: NewChange) {
        self.records = self.records.saturating_add(1);
        self.record_bytes = self.record_bytes.saturating_add(bytes_of(&change));
        self.waiting.push_back(Waiting::Change(change));
    }

    pub(super) fn push_reset(&mut self) {
        self.waiting.push_back(Waiting::Reset);
    }

    pub(super) fn push_caught_up(&mut self, lsn: Lsn, check: u64) {
        self.waiting.push_back(Waiting::CaughtUp(lsn, check));
    }

    pub(super) fn has_data_room(&self, len: usize) -> bool {
        self.data == 0 || (self.data < DATA_RING && self.data_bytes.saturating_add(len) <= DATA_RING_BYTES)
    }

    pub(super) fn push_data(&mut self, data: IncomingData) {
        self.data = self.data.saturating_add(1);
        self.data_bytes = self.data_bytes.saturating_add(data.data.len());
        self.waiting.push_back(Waiting::Data(data));
    }

    /// Adds a connection or presence event; when there are too many, one that it makes obsolete goes, or else the
    /// oldest, which is counted.
    pub(super) fn push_other(&mut self, event: Event) {
        if self.others >= EVENT_RING {
            let obsolete = self.waiting.iter().position(|w| match w {
                Waiting::Other(old) => key(old).is_some() && key(old) == key(&event),
                _ => false,
            });
            let oldest = || self.waiting.iter().position(|w| matches!(w, Waiting::Other(_)));
            if obsolete.is_none() {
                self.dropped = self.dropped.saturating_add(1);
            }
            if let Some(at) = obsolete.or_else(oldest) {
                self.waiting.remove(at);
                self.others = self.others.saturating_sub(1);
            }
        }
        self.others = self.others.saturating_add(1);
        self.waiting.push_back(Waiting::Other(event));
    }

    /// Bytes of body or data of the next event.
    pub(super) fn next_bytes(&self) -> usize {
        match self.waiting.front() {
            Some(Waiting::Change(change)) if self.dropped == 0 => bytes_of(change),
            Some(Waiting::Data(data)) if self.dropped == 0 => data.data.len(),
            _ => 0,
        }
    }

    /// Takes the next event; the place in the feed up to which everything is taken follows along.
    pub(super) fn pop(&mut self, incarnation: u64, taken: &mut (Lsn, u64)) -> Option<Event> {
        if self.dropped > 0 {
            return Some(Event::Lagged { dropped: std::mem::take(&mut self.dropped) });
        }
        Some(match self.waiting.pop_front()? {
            Waiting::Change(taken_out) => {
                self.records = self.records.saturating_sub(1);
                self.record_bytes = self.record_bytes.saturating_sub(bytes_of(&taken_out));
                let NewChange { lsn, change, record, origin, conflict } = taken_out;
                *taken = (lsn, check_of(&record));
                let cursor = Cursor { incarnation, lsn, check: taken.1 };
                Event::RecordChanged(RecordChanged { change, record, origin, conflict, cursor })
            }
            Waiting::Data(data) => {
                self.data = self.data.saturating_sub(1);
                self.data_bytes = self.data_bytes.saturating_sub(data.data.len());
                Event::IncomingData(data)
            }
            Waiting::Reset => Event::Reset,
            Waiting::CaughtUp(lsn, check) => {
                *taken = (lsn, check);
                Event::CaughtUp(Cursor { incarnation, lsn, check })
            }
            Waiting::Other(event) => {
                self.others = self.others.saturating_sub(1);
                event
            }
        })
    }

    pub(super) const fn data_waiting(&self) -> usize {
        self.data
    }

    pub(super) const fn records_waiting(&self) -> usize {
        self.records
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }
}

/// Bytes of a change's bodies.
fn bytes_of(change: &NewChange) -> usize {
    let lost = change.conflict.as_ref().map_or(0, |loser| loser.body.len());
    change.record.body.len().saturating_add(lost)
}

/// Eight bytes of the version's element: tells whether the same version is still at its place.
pub(super) fn check_of(record: &Record) -> u64 {
    let element = record.key.element;
    u64::from_be_bytes(element.as_bytes()[..8].try_into().expect("an element has 16 bytes"))
}

fn key(event: &Event) -> Option<Key<'_>> {
    Some(match event {
        Event::StatusChanged(_) => Key::Status,
        Event::PropertyChanged { .. } => Key::Properties,
        Event::DirectConnection(e) | Event::NeighborConnection(e) => Key::Connection(e.connection),
        Event::ConnectionRequired(_) => Key::Required,
        Event::NodeChanged { node, .. } => Key::Node(node.node),
        Event::Synchronized(record_type) => Key::Synchronized(record_type.as_ref()),
        Event::SyncProgress(_) => Key::Progress,
        Event::RecordChanged(_)
        | Event::MemberChanged { .. }
        | Event::ConnectionFailed(_)
        | Event::IncomingData(_)
        | Event::Lagged { .. }
        | Event::Reset
        | Event::CaughtUp(_) => return None,
    })
}
