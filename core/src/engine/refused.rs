//! Which versions were looked at and not stored, so that no further copy is looked at, asked for or passed on.
//!
//! Nothing here is a judgement for ever: what depends on the clock or on credentials is forgotten when these change,
//! and the oldest make room. A version's key covers its signature, so nobody can have another's version refused.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    limits::{MAX_REFUSED, REFUSED_FOR_TIME},
    record::RecordKey,
    records::RejectReason,
    time::Mono,
};

/// Why a version was not stored, as far as that can change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Because {
    /// Nobody signed it: who sends it did not check it either.
    Forged,
    /// It never will be.
    Form,
    /// Of the time: another look later.
    Time,
    /// Of the credentials that are known.
    Members,
}

impl From<&RejectReason> for Because {
    fn from(reason: &RejectReason) -> Self {
        match reason {
            RejectReason::BadSignature => Self::Forged,
            RejectReason::TooLarge { .. }
            | RejectReason::Version(_)
            | RejectReason::ReservedType
            | RejectReason::Rule(_) => Self::Form,
            RejectReason::Expired | RejectReason::FarFuture { .. } => Self::Time,
            RejectReason::NotAuthorized(_) => Self::Members,
        }
    }
}

/// The versions that were refused lately.
#[derive(Debug, Default)]
pub(super) struct Refused {
    keys: BTreeMap<RecordKey, (Because, Mono)>,
    /// In order of refusal; some were forgotten meanwhile.
    order: VecDeque<RecordKey>,
}

impl Refused {
    pub(super) fn note(&mut self, now: Mono, key: RecordKey, because: Because) {
        if self.keys.insert(key, (because, now)).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > MAX_REFUSED {
            if let Some(oldest) = self.order.pop_front() {
                self.keys.remove(&oldest);
            }
        }
    }

    pub(super) fn contains(&self, now: Mono, key: &RecordKey) -> bool {
        self.keys.get(key).is_some_and(|(because, at)| match because {
            Because::Time => now.since(*at) < REFUSED_FOR_TIME,
            Because::Forged | Because::Form | Because::Members => true,
        })
    }

    /// True if it was refused for another reason than its time.
    pub(super) fn is_final(&self, key: &RecordKey) -> bool {
        self.keys.get(key).is_some_and(|(because, _)| *because != Because::Time)
    }

    pub(super) fn is_forged(&self, key: &RecordKey) -> bool {
        matches!(self.keys.get(key), Some((Because::Forged, _)))
    }

    /// The reason is gone: these are judged anew when they come again.
    pub(super) fn forget(&mut self, because: Because) {
        self.keys.retain(|_, (other, _)| *other != because);
        self.order.retain(|key| self.keys.contains_key(key));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::time::Hlc;

    fn key(n: u64) -> RecordKey {
        RecordKey { hlc: Hlc(n), ..RecordKey::MIN }
    }

    #[test]
    fn c27_what_was_refused_is_known_in_bounds_until_the_reason_is_gone() {
        let (mut refused, start) = (Refused::default(), Mono(0));
        for (n, because) in [Because::Form, Because::Time, Because::Members].into_iter().enumerate() {
            refused.note(start, key(n as u64), because);
        }
        let known = |refused: &Refused, at: Mono| [0, 1, 2].map(|n| refused.contains(at, &key(n)));
        assert_eq!(known(&refused, start), [true; 3]);
        assert_eq!(known(&refused, start + REFUSED_FOR_TIME), [true, false, true]);
        refused.forget(Because::Time);
        assert_eq!(known(&refused, start), [true, false, true]);
        refused.forget(Because::Members);
        assert_eq!(known(&refused, start + Duration::from_secs(1)), [true, false, false]);
        for n in 0..2 * MAX_REFUSED as u64 {
            refused.note(start, key(100 + n), Because::Form);
        }
        assert!((refused.keys.len(), refused.order.len()) == (MAX_REFUSED, MAX_REFUSED));
        assert!(
            !refused.contains(start, &key(0)) && refused.contains(start, &key(99 + 2 * MAX_REFUSED as u64))
        );
    }
}
