//! Messages of range-based set reconciliation (Meyer, arXiv 2212.13567).
//!
//! Keys and bounds travel as differences to their predecessors; a bound without its trailing zeros. All ranges of a
//! message together cover everything, so the last bound is not sent.

use serde::{Deserialize, Serialize};

use crate::{
    limits::MAX_RANGES,
    record::{RecordKey, RecordType},
    time::Timestamp,
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
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// Exclusive upper bound; `None`: to the end, in the last range and only there.
    pub to: Option<RecordKey>,
    /// What is said about it.
    pub state: RangeState,
}

/// What is said about a range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RangeState {
    /// Nothing, or it is settled.
    Skip,
    /// The receiver is to say what it has.
    Ask,
    /// How many keys there are and their LtHash fingerprint.
    Fingerprint(Digest),
    /// All keys there, at most `SYNC_LEAF`.
    Keys(Vec<RecordKey>),
}

/// A set of keys in short.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Digest {
    /// How many.
    pub count: u64,
    /// Of their set.
    pub hash: [u8; 16],
}

/// The records of one type in short.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TypeDigest {
    /// The type.
    pub record_type: RecordType,
    /// Its keys.
    pub digest: Digest,
}

/// How far a database can be trusted about what is gone. Each side says so when a session begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Freshness {
    /// When it last was equal to one that was current, in peer time; zero if never.
    pub synced: Timestamp,
    /// Tombstones from before then may have been forgotten; zero if none were.
    pub collected: Timestamp,
}

/// One message of a session. A session's number is chosen by its initiator, per link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SyncMessage {
    /// Opens a session: the whole database in short, and the types that come first, in order.
    Open {
        /// The session.
        session: u32,
        /// Of all keys.
        digest: Digest,
        /// The types that have a phase of their own.
        #[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_RANGES>")]
        types: Vec<TypeDigest>,
        /// The sender's database.
        fresh: Freshness,
    },
    /// The answer to `Open`.
    Compared {
        /// The session.
        session: u32,
        /// Both databases are equal and the session is over.
        equal: bool,
        /// Which of the types differ, ascending. One phase each, then one for all records.
        #[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_RANGES>")]
        differing: Vec<u8>,
        /// How many records the sender has.
        count: u64,
        /// The sender's database.
        fresh: Freshness,
    },
    /// Ranges, from the first key to the last. The initiator's first one with another filter begins that phase.
    Ranges {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
        /// How many `Ranges` and `Have` of this phase the sender has taken in.
        seen: u32,
        /// The sender has nothing more to say and waits for nothing, but answers to this.
        idle: bool,
        /// What it is about.
        filter: Filter,
        /// In ascending order, together covering everything.
        #[serde(with = "super::compact::ranges")]
        ranges: Vec<Range>,
    },
    /// Keys that the sender has and the receiver lacks, found by comparing.
    Have {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
        /// As in `Ranges`.
        seen: u32,
        /// As in `Ranges`.
        idle: bool,
        /// The keys, ascending.
        #[serde(with = "super::compact::keys")]
        keys: Vec<RecordKey>,
    },
    /// What `Ranges` and `Have` tell on the way, when there are none to send.
    Status {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
        /// As in `Ranges`.
        seen: u32,
        /// As in `Ranges`.
        idle: bool,
    },
    /// Asks for records by key.
    Fetch {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
        /// Repeated in the answer.
        request: u32,
        /// The keys, ascending.
        #[serde(with = "super::compact::keys")]
        keys: Vec<RecordKey>,
    },
    /// Asks for all records of a range, in key order, at most `max_bytes` of them.
    Pull {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
        /// Repeated in the answer.
        request: u32,
        /// Which of them.
        filter: Filter,
        /// Inclusive lower bound.
        from: RecordKey,
        /// Exclusive upper bound.
        to: Option<RecordKey>,
        /// How many bytes at most; one record is always sent.
        max_bytes: u32,
    },
    /// The answer to one `Fetch` or `Pull` is complete. It may overtake the records, which have their own stream.
    Sent {
        /// The session.
        session: u32,
        /// True if sent by the side that opened the session.
        initiator: bool,
        /// What is answered.
        request: u32,
        /// How many records were sent for it.
        records: u32,
        /// Where a pull goes on, if the range was not exhausted.
        next: Option<RecordKey>,
    },
    /// The initiator ends the session: both sides have all.
    Done {
        /// The session.
        session: u32,
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
            Self::Open { session, .. } | Self::Done { session } => (*session, true),
            Self::Compared { session, .. } => (*session, false),
            Self::Ranges { session, initiator, .. }
            | Self::Have { session, initiator, .. }
            | Self::Status { session, initiator, .. }
            | Self::Fetch { session, initiator, .. }
            | Self::Pull { session, initiator, .. }
            | Self::Sent { session, initiator, .. }
            | Self::Abort { session, initiator } => (*session, *initiator),
        }
    }

    /// As that of a message: lists are bounded where they are decoded, and every field is named.
    pub(super) fn in_bounds(&self) -> bool {
        match self {
            Self::Open { session: _, digest: _, types: _, fresh: _ } => true,
            Self::Compared { session: _, equal, differing, count: _, fresh: _ } => {
                differing.is_sorted_by(|a, b| a < b) && (!*equal || differing.is_empty())
            }
            Self::Ranges { session: _, initiator: _, seen: _, idle: _, filter: _, ranges } => {
                ranges.last().is_some_and(|last| last.to.is_none()) && {
                    let lower = [Some(RecordKey::MIN)].into_iter().chain(ranges.iter().map(|r| r.to));
                    ranges.iter().zip(lower).all(|(range, from)| range.in_bounds(from))
                }
            }
            Self::Have { session: _, initiator: _, seen: _, idle: _, keys }
            | Self::Fetch { session: _, initiator: _, request: _, keys } => {
                !keys.is_empty() && keys.is_sorted_by(|a, b| a < b)
            }
            Self::Pull { session: _, initiator: _, request: _, filter: _, from, to, max_bytes: _ } => {
                to.is_none_or(|to| *from < to)
            }
            // Of fixed size, and true in any case.
            Self::Status { session: _, initiator: _, seen: _, idle: _ }
            | Self::Sent { session: _, initiator: _, request: _, records: _, next: _ }
            | Self::Done { session: _ }
            | Self::Abort { session: _, initiator: _ } => true,
        }
    }
}

impl Range {
    /// False if it is empty, if a range to the end came before, or if its keys are out of place.
    fn in_bounds(&self, from: Option<RecordKey>) -> bool {
        let Some(from) = from else { return false };
        let keys_fit = match &self.state {
            RangeState::Keys(keys) => {
                keys.is_sorted_by(|a, b| a < b)
                    && keys.first().is_none_or(|k| *k >= from)
                    && keys.last().is_none_or(|k| self.to.is_none_or(|to| *k < to))
            }
            RangeState::Skip | RangeState::Ask | RangeState::Fingerprint(_) => true,
        };
        keys_fit && self.to.is_none_or(|to| from < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::ElementId, limits::SYNC_LEAF, time::Hlc, wire::Message};

    fn key(hlc: u64, element: u8) -> RecordKey {
        RecordKey { hlc: Hlc(hlc), element: ElementId::from_bytes([element; 16]) }
    }

    fn ranges(ranges: Vec<Range>) -> Message {
        let filter = Filter::Only(RecordType::new("a.b").unwrap());
        Message::Sync(SyncMessage::Ranges {
            session: 7,
            initiator: true,
            seen: 3,
            idle: false,
            filter,
            ranges,
        })
    }

    #[test]
    fn ranges_round_trip_and_are_short() {
        let digest = Digest { count: 9, hash: [8; 16] };
        let bound = RecordKey { hlc: Hlc(1 << 58), element: ElementId::from_bytes([0; 16]) };
        let message = ranges(vec![
            Range { to: Some(key(5, 7)), state: RangeState::Fingerprint(digest) },
            Range { to: Some(bound), state: RangeState::Keys(vec![key(5, 8), key(6, 1), key(6, 2)]) },
            Range { to: Some(RecordKey::MAX), state: RangeState::Skip },
            Range { to: None, state: RangeState::Ask },
        ]);
        assert_eq!(Message::decode(&message.encode()), Ok(message));
        let one = |hlc| Range {
            to: Some(RecordKey { hlc: Hlc(hlc), ..bound }),
            state: RangeState::Fingerprint(digest),
        };
        let few = |n: u64| {
            let mut list: Vec<_> = (1..=n).map(|i| one((1 << 57) + (i << 26))).collect();
            list.push(Range { to: None, state: RangeState::Skip });
            ranges(list).encode().len()
        };
        assert!((few(40) - few(20)) / 20 <= 24);
    }

    #[test]
    fn ranges_out_of_order_are_refused() {
        let skip = |to| Range { to, state: RangeState::Skip };
        let keys = |to, keys: &[RecordKey]| Range { to, state: RangeState::Keys(keys.to_vec()) };
        let bad = [
            vec![],
            vec![skip(Some(key(5, 1))), skip(Some(key(5, 1))), skip(None)],
            vec![skip(Some(key(5, 1))), skip(Some(key(4, 1))), skip(None)],
            vec![skip(Some(RecordKey::MIN)), skip(None)],
            vec![keys(Some(key(5, 1)), &[key(5, 1)]), skip(None)],
            vec![skip(Some(key(5, 1))), keys(None, &[key(4, 1)])],
            vec![keys(None, &[key(4, 1), key(4, 1)])],
            vec![keys(None, &(0..=SYNC_LEAF as u64).map(|i| key(i, 1)).collect::<Vec<_>>())],
            (0..=MAX_RANGES as u64).map(|i| skip(Some(key(i, 1)))).chain([skip(None)]).collect(),
        ];
        for list in bad {
            assert!(Message::decode(&ranges(list.clone()).encode()).is_err(), "{list:?}");
        }
    }

    #[test]
    fn no_message_of_a_session_exceeds_64_kib() {
        let full = |i: u64| (0..SYNC_LEAF as u64).map(|k| key((i << 56) + (k << 50), 0xff)).collect();
        let list: Vec<_> = (0..MAX_RANGES as u64)
            .map(|i| Range {
                to: (i + 1 < MAX_RANGES as u64).then(|| key(((i + 1) << 56) - 1, 0xff)),
                state: RangeState::Keys(full(i)),
            })
            .collect();
        let message = ranges(list);
        assert!(message.encode().len() <= 64 * 1024);
        assert!(Message::decode(&message.encode()).is_ok());
    }
}
