//! Messages of range-based set reconciliation (Meyer, arXiv 2212.13567).

use serde::{Deserialize, Serialize};

use crate::{
    limits::{FETCH_WINDOW, MAX_RANGES},
    record::{RecordKey, RecordType},
};

/// Which records a phase of reconciliation is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Filter {
    /// All.
    All,
    /// Those of one type.
    Only(RecordType),
}

/// What one side knows of the keys between the previous range's bound and this one's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Range {
    /// Exclusive upper bound; `None`: to the end.
    pub to: Option<RecordKey>,
    /// What is said about it.
    pub state: RangeState,
}

/// What is said about a range.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RangeState {
    /// Nothing, or it is settled.
    Skip,
    /// How many keys there are and their LtHash fingerprint.
    Fingerprint {
        /// How many.
        count: u64,
        /// Of their set.
        hash: [u8; 16],
    },
    /// All keys there.
    Keys(Vec<RecordKey>),
}

/// One message of a session. A session's number is chosen by its initiator, per link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SyncMessage {
    /// Ranges, from the first key to the last. The first one opens the session or a phase of it.
    Ranges {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
        /// What it is about.
        filter: Filter,
        /// In ascending order, together covering everything.
        ranges: Vec<Range>,
    },
    /// Keys that the sender has and the receiver lacks, found by comparing.
    Have {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
        /// The keys.
        keys: Vec<RecordKey>,
    },
    /// Asks for records by key.
    Fetch {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
        /// The keys.
        keys: Vec<RecordKey>,
    },
    /// Asks for all records of a range, in key order, at most `max_bytes` of them.
    Pull {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
        /// Which of them.
        filter: Filter,
        /// Inclusive lower bound.
        from: RecordKey,
        /// Exclusive upper bound.
        to: Option<RecordKey>,
        /// How many bytes at most; one record is always sent.
        max_bytes: u32,
    },
    /// The answer to one `Fetch` or `Pull` is complete.
    Sent {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
        /// Where a pull goes on, if the range was not exhausted.
        next: Option<RecordKey>,
    },
    /// The sender has nothing more to say in this phase.
    Done {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
        /// The phase that is done.
        filter: Filter,
    },
    /// The sender gives the session up: busy, or out of patience.
    Abort {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
    },
}

impl SyncMessage {
    /// The session and whether its initiator speaks.
    pub const fn session(&self) -> (u32, bool) {
        match self {
            Self::Ranges { session, initiator, .. }
            | Self::Have { session, initiator, .. }
            | Self::Fetch { session, initiator, .. }
            | Self::Pull { session, initiator, .. }
            | Self::Sent { session, initiator, .. }
            | Self::Done { session, initiator, .. }
            | Self::Abort { session, initiator } => (*session, *initiator),
        }
    }

    pub(super) fn in_bounds(&self) -> bool {
        match self {
            Self::Ranges { ranges, .. } => {
                let ascending = ranges.windows(2).all(|pair| match (pair[0].to, pair[1].to) {
                    (Some(a), Some(b)) => a < b,
                    (Some(_), None) => true,
                    (None, _) => false,
                });
                let inside = ranges.iter().zip([None].into_iter().chain(ranges.iter().map(|r| r.to))).all(
                    |(range, from)| match &range.state {
                        RangeState::Keys(keys) => {
                            keys.len() <= FETCH_WINDOW
                                && keys.is_sorted_by(|a, b| a < b)
                                && keys.first().is_none_or(|k| from.is_none_or(|from| *k >= from))
                                && keys.last().is_none_or(|k| range.to.is_none_or(|to| *k < to))
                        }
                        _ => true,
                    },
                );
                !ranges.is_empty()
                    && ranges.len() <= MAX_RANGES
                    && ranges.last().is_some_and(|last| last.to.is_none())
                    && ascending
                    && inside
            }
            Self::Have { keys, .. } | Self::Fetch { keys, .. } => {
                !keys.is_empty() && keys.len() <= FETCH_WINDOW
            }
            Self::Pull { from, to, .. } => to.is_none_or(|to| *from < to),
            _ => true,
        }
    }
}
