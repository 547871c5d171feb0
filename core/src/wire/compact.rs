//! Short forms of keys and ranges. Differences wrap, so that decoding never fails on them; what comes out is checked
//! afterwards.

use serde::{Deserialize, Serialize};

use super::sync::Digest;
use crate::{bounded::list, ids::ElementId, limits::SYNC_LEAF, record::RecordKey, time::Hlc};

#[derive(Serialize, Deserialize)]
struct Key(u64, ElementId);

#[derive(Serialize, Deserialize)]
struct Bound(u64, #[serde(deserialize_with = "list::<_, _, { ElementId::LEN }>")] Vec<u8>);

#[derive(Serialize, Deserialize)]
enum State {
    Skip,
    Ask,
    Fingerprint(Digest),
    Keys(#[serde(deserialize_with = "list::<_, _, SYNC_LEAF>")] Vec<Key>),
}

fn shorten(keys: &[RecordKey], mut last: u64) -> Vec<Key> {
    keys.iter()
        .map(|key| {
            let step = key.hlc.0.wrapping_sub(last);
            last = key.hlc.0;
            Key(step, key.element)
        })
        .collect()
}

fn restore(keys: Vec<Key>, mut last: u64) -> Vec<RecordKey> {
    keys.into_iter()
        .map(|Key(step, element)| {
            last = last.wrapping_add(step);
            RecordKey { hlc: Hlc(last), element }
        })
        .collect()
}

pub(super) mod keys {
    use serde::{Deserializer, Serialize, Serializer};

    use crate::{bounded::list, limits::FETCH_WINDOW, record::RecordKey};

    pub(in crate::wire) fn serialize<S: Serializer>(keys: &[RecordKey], s: S) -> Result<S::Ok, S::Error> {
        super::shorten(keys, 0).serialize(s)
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<RecordKey>, D::Error> {
        Ok(super::restore(list::<_, _, FETCH_WINDOW>(d)?, 0))
    }
}

pub(super) mod ranges {
    use serde::{Deserializer, Serialize, Serializer, de};

    use super::{
        super::{Range, RangeState},
        Bound, State, restore, shorten,
    };
    use crate::{bounded::list, ids::ElementId, limits::MAX_RANGES, record::RecordKey, time::Hlc};

    pub(in crate::wire) fn serialize<S: Serializer>(ranges: &[Range], s: S) -> Result<S::Ok, S::Error> {
        let mut last = 0;
        let mut short = Vec::with_capacity(ranges.len());
        for range in ranges {
            let state = match &range.state {
                RangeState::Skip => State::Skip,
                RangeState::Ask => State::Ask,
                RangeState::Fingerprint(digest) => State::Fingerprint(*digest),
                RangeState::Keys(keys) => State::Keys(shorten(keys, last)),
            };
            let bound = range.to.map_or(Bound(0, Vec::new()), |to| {
                let step = to.hlc.0.wrapping_sub(last);
                last = to.hlc.0;
                let element = to.element.as_bytes();
                let len = element.iter().rposition(|b| *b != 0).map_or(0, |at| at.saturating_add(1));
                Bound(step, element[..len].to_vec())
            });
            short.push((bound, state));
        }
        short.serialize(s)
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Range>, D::Error> {
        let short = list::<(Bound, State), _, MAX_RANGES>(d)?;
        let mut last = 0u64;
        let mut left = short.len();
        let mut ranges = Vec::with_capacity(left);
        for (Bound(step, prefix), state) in short {
            let state = match state {
                State::Skip => RangeState::Skip,
                State::Ask => RangeState::Ask,
                State::Fingerprint(digest) => RangeState::Fingerprint(digest),
                State::Keys(keys) => RangeState::Keys(restore(keys, last)),
            };
            last = last.wrapping_add(step);
            left = left.saturating_sub(1);
            let mut element = [0; ElementId::LEN];
            element
                .get_mut(..prefix.len())
                .ok_or_else(|| de::Error::custom("bound too long"))?
                .copy_from_slice(&prefix);
            let to = RecordKey { hlc: Hlc(last), element: ElementId::from_bytes(element) };
            ranges.push(Range { to: (left > 0).then_some(to), state });
        }
        Ok(ranges)
    }
}
