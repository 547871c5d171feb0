//! Comparing ranges of keys: pure functions of a message and a store.

use crate::{
    ids::ElementId,
    limits::{FETCH_WINDOW, MAX_RANGES, SYNC_BRANCH, SYNC_LEAF},
    record::RecordKey,
    records::{Fingerprint, Store, StoreError},
    wire::{Digest, Filter, Range, RangeState},
};

/// The database is first cut where the newest so many begin: recent differences are found in one round.
const RECENT: [u64; 8] = [1 << 4, 1 << 6, 1 << 8, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18];
/// Cut to parts of about this many keys, if [`SYNC_BRANCH`] parts are enough.
const PART: u64 = SYNC_LEAF as u64 / 4;
/// Up to this many keys between two keys of the other side are listed; more are left to be pulled by range.
const LISTED: u64 = 8;

/// A range to be sent.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Span {
    pub(super) from: RecordKey,
    pub(super) to: Option<RecordKey>,
    pub(super) state: RangeState,
}

/// A range that the other side has and this one has not.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Gap {
    pub(super) from: RecordKey,
    pub(super) to: Option<RecordKey>,
    /// How many keys, as the other side claims.
    pub(super) count: u64,
}

/// What the ranges of one message brought up.
#[derive(Default, Debug)]
pub(super) struct Findings {
    /// To be sent, ascending.
    pub(super) replies: Vec<Span>,
    /// Keys to fetch.
    pub(super) lacking: Vec<RecordKey>,
    /// Keys to tell.
    pub(super) extra: Vec<RecordKey>,
    /// Ranges to pull, ascending.
    pub(super) gaps: Vec<Gap>,
}

impl From<Fingerprint> for Digest {
    fn from(of: Fingerprint) -> Self {
        Self { count: of.count, hash: of.hash }
    }
}

impl Digest {
    /// True if both are of one set.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.count == other.count && (self.count == 0 || self.hash == other.hash)
    }
}

/// A look at one phase's part of the store.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) filter: &'a Filter,
}

impl View<'_> {
    /// The whole, cut at the boundaries of the newest.
    pub(super) fn first_flight(&self) -> Result<Vec<Span>, StoreError> {
        let cuts = self.store.newest(self.filter, &RECENT)?;
        self.cut(RecordKey::MIN, None, cuts)
    }

    /// Compares what the other side says with what is here. Keys beyond `room` for telling are left to be pulled.
    pub(super) fn compare(&self, ranges: Vec<Range>, room: usize) -> Result<Findings, StoreError> {
        let mut found = Findings::default();
        let mut from = RecordKey::MIN;
        for Range { to, state } in ranges {
            match state {
                RangeState::Skip => {}
                RangeState::Ask if from == RecordKey::MIN && to.is_none() => {
                    found.replies.extend(self.first_flight()?);
                }
                RangeState::Ask => found.replies.push(self.describe(from, to)?),
                RangeState::Fingerprint(theirs) => self.compare_digest(from, to, theirs, &mut found)?,
                RangeState::Keys(keys) => self.compare_keys(from, to, &keys, room, &mut found)?,
            }
            let Some(next) = to else { break };
            from = next;
        }
        Ok(found)
    }

    fn compare_digest(
        &self,
        from: RecordKey,
        to: Option<RecordKey>,
        theirs: Digest,
        found: &mut Findings,
    ) -> Result<(), StoreError> {
        let ours: Digest = self.store.fingerprint(self.filter, from, to)?.into();
        if ours.same(&theirs) {
            return Ok(());
        }
        if ours.count == 0 {
            found.gaps.push(Gap { from, to, count: theirs.count });
        } else if theirs.count == 0 {
            // They will see that they have nothing here, and pull.
            found.replies.push(Span { from, to, state: RangeState::Fingerprint(ours) });
        } else if ours.count <= SYNC_LEAF as u64 {
            let keys = self.store.keys(self.filter, from, to, SYNC_LEAF)?;
            found.replies.push(Span { from, to, state: RangeState::Keys(keys) });
        } else {
            found.replies.extend(self.split(from, to, ours.count)?);
        }
        Ok(())
    }

    fn compare_keys(
        &self,
        from: RecordKey,
        to: Option<RecordKey>,
        theirs: &[RecordKey],
        room: usize,
        found: &mut Findings,
    ) -> Result<(), StoreError> {
        let most = theirs.len().saturating_add(2 * SYNC_LEAF);
        let ours = self.store.keys(self.filter, from, to, most.saturating_add(1))?;
        if ours.len() <= most && found.extra.len() < room {
            for key in theirs.iter().filter(|key| ours.binary_search(key).is_err()) {
                // What is withheld is here, though it is not compared.
                if !self.store.contains(key)? {
                    found.lacking.push(*key);
                }
            }
            found.extra.extend(ours.iter().filter(|k| theirs.binary_search(k).is_err()));
            return Ok(());
        }
        // We have far more than they: between their keys lie ranges that they can pull without hearing each key.
        let mut low = from;
        for key in theirs {
            if !self.store.contains(key)? {
                found.lacking.push(*key);
            }
            self.between(low, Some(*key), room, found)?;
            match successor(key) {
                Some(next) => low = next,
                None => return Ok(()),
            }
        }
        self.between(low, to, room, found)
    }

    /// Tells of our keys in a range where they have none.
    fn between(
        &self,
        from: RecordKey,
        to: Option<RecordKey>,
        room: usize,
        found: &mut Findings,
    ) -> Result<(), StoreError> {
        if to.is_some_and(|to| from >= to) {
            return Ok(());
        }
        let span = self.describe(from, to)?;
        match span.state {
            RangeState::Fingerprint(Digest { count: 0, .. }) => {}
            RangeState::Fingerprint(Digest { count, .. }) if count <= LISTED && found.extra.len() < room => {
                found.extra.extend(self.store.keys(self.filter, from, to, LISTED as usize)?);
            }
            _ => found.replies.push(span),
        }
        Ok(())
    }

    fn split(&self, from: RecordKey, to: Option<RecordKey>, count: u64) -> Result<Vec<Span>, StoreError> {
        let parts = usize::try_from(count / PART).unwrap_or(usize::MAX).clamp(2, SYNC_BRANCH);
        let mut spans = self.cut(from, to, self.store.split(self.filter, from, to, parts)?)?;
        if spans.len() == 1 {
            // A store that finds no cut must not keep us from getting on.
            let keys = self.store.keys(self.filter, from, to, SYNC_LEAF / 2 + 1)?;
            spans = self.cut(from, to, keys.last().copied().into_iter().collect())?;
        }
        Ok(spans)
    }

    /// Fingerprints of what lies between the cuts. A cut is shortened to its clock reading where that still cuts.
    fn cut(
        &self,
        mut from: RecordKey,
        to: Option<RecordKey>,
        cuts: Vec<RecordKey>,
    ) -> Result<Vec<Span>, StoreError> {
        let mut spans = Vec::with_capacity(cuts.len().saturating_add(1));
        for key in cuts {
            let short = RecordKey { element: ElementId::from_bytes([0; ElementId::LEN]), ..key };
            let at = if short > from { short } else { key };
            if at > from && to.is_none_or(|to| at < to) {
                spans.push(self.describe(from, Some(at))?);
                from = at;
            }
        }
        spans.push(self.describe(from, to)?);
        Ok(spans)
    }

    fn describe(&self, from: RecordKey, to: Option<RecordKey>) -> Result<Span, StoreError> {
        let digest = self.store.fingerprint(self.filter, from, to)?.into();
        Ok(Span { from, to, state: RangeState::Fingerprint(digest) })
    }
}

/// The next key; `None` after the last.
fn successor(key: &RecordKey) -> Option<RecordKey> {
    let mut bytes = key.to_bytes();
    for byte in bytes.iter_mut().rev() {
        let (next, overflow) = byte.overflowing_add(1);
        *byte = next;
        if !overflow {
            return Some(RecordKey::from_bytes(&bytes));
        }
    }
    None
}

/// Takes the spans that were put in last, as many as one message holds, and fills what lies between with `Skip`.
///
/// The last first: depth before breadth bounds how many are open.
pub(super) fn take_message(open: &mut Vec<Span>) -> Vec<Range> {
    let mut chosen = open.split_off(open.len().saturating_sub(MAX_RANGES - 1));
    chosen.sort_by_key(|span| span.from);
    let mut ranges: Vec<Range> = Vec::with_capacity(MAX_RANGES);
    let mut end = Some(RecordKey::MIN);
    let mut left = Vec::new();
    for span in chosen {
        // What overlaps (a liar asked for it) or has no room waits for the next message. One place stays free for
        // the `Skip` before and one for that at the end.
        match end.filter(|end| span.from >= *end && ranges.len() <= MAX_RANGES - 3) {
            None => left.push(span),
            Some(low) => {
                if span.from > low {
                    ranges.push(Range { to: Some(span.from), state: RangeState::Skip });
                }
                end = span.to;
                ranges.push(Range { to: span.to, state: span.state });
            }
        }
    }
    if end.is_some() {
        ranges.push(Range { to: None, state: RangeState::Skip });
    }
    open.extend(left);
    ranges
}

/// How many keys may wait to be told.
pub(super) const MAX_TELLING: usize = 2 * FETCH_WINDOW;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Hlc;

    fn key(hlc: u64) -> RecordKey {
        RecordKey { hlc: Hlc(hlc), element: ElementId::from_bytes([0; 16]) }
    }

    fn span(from: u64, to: Option<u64>) -> Span {
        Span { from: key(from), to: to.map(key), state: RangeState::Ask }
    }

    #[test]
    fn the_successor_carries() {
        let low = RecordKey { hlc: Hlc(4), element: ElementId::from_bytes([0xff; 16]) };
        assert_eq!(successor(&low), Some(key(5)));
        assert_eq!(successor(&RecordKey::MAX), None);
    }

    #[test]
    fn a_message_covers_everything_and_leaves_the_rest() {
        let mut open: Vec<_> = (0..100).map(|i| span(1 + 2 * i, Some(2 + 2 * i))).collect();
        open.push(span(200, None));
        open.push(span(0, Some(3)));
        let mut asked = 0;
        let mut messages = 0;
        while !open.is_empty() {
            let ranges = take_message(&mut open);
            assert!(ranges.len() <= MAX_RANGES);
            assert_eq!(ranges.last().unwrap().to, None);
            assert!(ranges.windows(2).all(|w| w[1].to.is_none_or(|to| w[0].to.unwrap() < to)));
            asked += ranges.iter().filter(|r| r.state == RangeState::Ask).count();
            messages += 1;
        }
        assert_eq!(asked, 102);
        assert!(messages <= 5, "{messages}");
    }
}
