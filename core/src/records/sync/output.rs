//! What reconciliation is told at the start, and what it gives: messages, records, and how sessions ended.

use bytes::Bytes;

use crate::{
    ids::LinkId,
    record::{RecordKey, RecordType},
    records::StoreError,
    time::Timestamp,
    wire::{Freshness, SyncMessage},
};

/// What is to be done differently from the default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SyncConfig {
    /// Types that are made equal first, in order, after the graph's properties and presence. At most 62 are used.
    pub precedence: Vec<RecordType>,
    /// True in a group: what others are judged by comes before everything else.
    pub credentials: bool,
}

/// What the machine wants done.
#[derive(Clone, PartialEq, Debug)]
pub enum SyncOutput {
    /// Send a message.
    Send {
        /// On which link.
        link: LinkId,
        /// What.
        message: SyncMessage,
    },
    /// Send records that were asked for.
    SendRecords {
        /// On which link.
        link: LinkId,
        /// In which session.
        session: u32,
        /// Envelopes with bodies.
        records: Vec<Bytes>,
    },
    /// Records that the other side lacks and asked for, and that were not sent: see [`Footing`](super::Footing).
    Withheld {
        /// On which link.
        link: LinkId,
        /// Their keys.
        keys: Vec<RecordKey>,
    },
    /// All records of a type that comes first are equal on both sides.
    TypeDone {
        /// With the node on this link.
        link: LinkId,
        /// The type.
        record_type: RecordType,
    },
    /// A session is over.
    Finished {
        /// On which link.
        link: LinkId,
        /// True if this side opened it.
        initiator: bool,
        /// How it ended.
        outcome: SyncOutcome,
        /// What the other side said of its database when it began.
        theirs: Freshness,
        /// When that was, in peer time.
        began: Timestamp,
    },
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncOutcome {
    /// The databases were equal.
    Equal,
    /// They are equal now, but for what changed meanwhile.
    Reconciled {
        /// Records received that were asked for.
        received: u64,
        /// Records sent that the other side asked for.
        sent_keys: u64,
    },
    /// It broke off. What was received stays; another session goes on from there.
    Aborted(SyncAbort),
}

/// Why a session broke off.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SyncAbort {
    /// The other side gave it up, is busy, or ended it too early.
    ByPeer,
    /// No progress for [`SYNC_TIMEOUT`](crate::limits::SYNC_TIMEOUT).
    TimedOut,
    /// The other side says and asks more than the databases warrant.
    TooMuch,
    /// The other side opened another one.
    Replaced,
    /// The link closed.
    LinkClosed,
    /// What was received could not be stored.
    StoreFailed,
}

/// A message could not be handled.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SyncFault {
    /// The other side broke the protocol; close the link.
    #[error("reconciliation: {0}")]
    Protocol(&'static str),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionProgress {
    /// On which link.
    pub link: LinkId,
    /// Records received.
    pub received: u64,
    /// Records known to be missing so far, received ones included. The other side's word; grows while comparing.
    pub expected: u64,
}
