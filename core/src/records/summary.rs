//! LtHash sums of buckets of neighboring keys, so that the fingerprint of any range costs few scans.
//!
//! A bucket reaches from its start to the next one's. Buckets are built to [`BUCKET`] keys, split at twice that and
//! merged under a quarter; a key after all others opens a new bucket rather than splitting a full one. What changed
//! since [`Summary::commit`] is known, to be persisted or undone.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::{cell::RefCell, collections::BTreeMap};

use super::{Fingerprint, StoreError};
use crate::{crypto::LtHash, limits::BUCKET, record::RecordKey};

/// A bucket with so many keys is split.
const TWO_BUCKETS: u64 = 2 * BUCKET as u64;

/// The first so many keys in `from..to`, ascending.
pub(super) type Scan<'a> =
    dyn Fn(RecordKey, Option<RecordKey>, usize) -> Result<Vec<RecordKey>, StoreError> + 'a;

/// The sum of some neighboring keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Bucket {
    /// Names the bucket as long as it exists.
    pub(super) slot: u64,
    /// How many keys.
    pub(super) count: u64,
    /// Their sum.
    pub(super) hash: LtHash,
}

/// The buckets of one set of keys, and their total.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// By start. The first one starts at [`RecordKey::MIN`].
    buckets: BTreeMap<RecordKey, Bucket>,
    total: Totals,
    next_slot: u64,
    /// Buckets as they were at the last commit, where they changed since.
    before: BTreeMap<RecordKey, Option<Bucket>>,
    total_before: Option<Totals>,
}

#[derive(Clone, Debug)]
struct Totals {
    hash: LtHash,
    count: u64,
    /// No key is greater.
    last: RecordKey,
}

impl Default for Totals {
    fn default() -> Self {
        Self { hash: LtHash::new(), count: 0, last: RecordKey::MIN }
    }
}

/// The hash of one key, computed once for all the sums it goes into.
pub(super) fn key_hash(key: RecordKey) -> LtHash {
    let mut hash = LtHash::new();
    hash.add(&key.to_bytes());
    hash
}

/// The least key greater than this one.
pub(super) fn successor(key: RecordKey) -> Option<RecordKey> {
    let mut bytes = key.to_bytes();
    let at = bytes.iter().rposition(|b| *b != 0xff)?;
    let (kept, rest) = bytes.split_at_mut(at.saturating_add(1));
    kept[at] = kept[at].saturating_add(1);
    rest.fill(0);
    Some(RecordKey::from_bytes(&bytes))
}

/// The sum of keys one by one.
pub(super) fn sum(keys: &[RecordKey]) -> LtHash {
    let mut hash = LtHash::new();
    keys.iter().for_each(|key| hash.add(&key.to_bytes()));
    hash
}

impl Summary {
    /// Sums up all keys there are.
    pub(super) fn build(scan: &Scan<'_>) -> Result<Self, StoreError> {
        let mut built = Self::default();
        let mut from = Some(RecordKey::MIN);
        while let Some(start) = from {
            let keys = scan(start, None, BUCKET)?;
            let (Some(first), Some(last)) = (keys.first(), keys.last()) else { break };
            let bucket = Bucket { slot: built.next_slot, count: keys.len() as u64, hash: sum(&keys) };
            built.total.hash.merge(&bucket.hash);
            built.total.count = built.total.count.saturating_add(bucket.count);
            built.total.last = *last;
            built.next_slot = built.next_slot.saturating_add(1);
            built.buckets.insert(if start == RecordKey::MIN { start } else { *first }, bucket);
            from = successor(built.total.last);
        }
        Ok(built)
    }

    /// Adds a key that `scan` already finds.
    pub(super) fn add(&mut self, key: RecordKey, hash: &LtHash, scan: &Scan<'_>) -> Result<(), StoreError> {
        let start = match self.buckets.range(..=key).next_back() {
            None => RecordKey::MIN,
            Some((_, bucket)) if key > self.total.last && bucket.count >= BUCKET as u64 => key,
            Some((start, _)) => *start,
        };
        self.touch(start);
        let slot = self.next_slot;
        let bucket =
            self.buckets.entry(start).or_insert_with(|| Bucket { slot, count: 0, hash: LtHash::new() });
        self.next_slot = slot.saturating_add(u64::from(bucket.slot == slot));
        bucket.hash.merge(hash);
        bucket.count = bucket.count.saturating_add(1);
        let full = bucket.count >= TWO_BUCKETS;
        self.total.hash.merge(hash);
        self.total.count = self.total.count.saturating_add(1);
        self.total.last = self.total.last.max(key);
        if full { self.halve(start, scan) } else { Ok(()) }
    }

    /// Takes out a key that was added.
    pub(super) fn remove(&mut self, key: RecordKey, hash: &LtHash) {
        let Some(start) = self.buckets.range(..=key).next_back().map(|(start, _)| *start) else { return };
        self.touch(start);
        let bucket = self.buckets.get_mut(&start).expect("found above");
        bucket.hash.subtract(hash);
        bucket.count = bucket.count.saturating_sub(1);
        let count = bucket.count;
        self.total.hash.subtract(hash);
        self.total.count = self.total.count.saturating_sub(1);
        if count < BUCKET as u64 / 4 {
            self.merge(start, count);
        }
    }

    /// Forgets how to undo.
    pub(super) fn commit(&mut self) {
        self.before.clear();
        self.total_before = None;
    }

    /// Undoes everything since the last commit.
    pub(super) fn rollback(&mut self) {
        for (start, bucket) in std::mem::take(&mut self.before) {
            match bucket {
                Some(bucket) => self.buckets.insert(start, bucket),
                None => self.buckets.remove(&start),
            };
        }
        if let Some(total) = self.total_before.take() {
            self.total = total;
        }
    }

    /// How many keys there are.
    pub(super) const fn count(&self) -> u64 {
        self.total.count
    }

    /// Count and fingerprint of everything.
    pub(super) fn root(&self) -> Fingerprint {
        fingerprint(self.total.count, &self.total.hash)
    }

    /// Count and fingerprint of the keys in `from..to`.
    pub(super) fn fingerprint(
        &self,
        from: RecordKey,
        to: Option<RecordKey>,
        scan: &Scan<'_>,
    ) -> Result<Fingerprint, StoreError> {
        // Of everything up to some key, the shorter side is summed up.
        if let (RecordKey::MIN, Some(to)) = (from, to)
            && self.buckets.range(to..).count() < self.buckets.len().div_ceil(2)
        {
            let newer = self.sum(to, None, scan)?;
            let mut hash = self.total.hash.clone();
            hash.subtract(&newer.1);
            return Ok(fingerprint(self.total.count.saturating_sub(newer.0), &hash));
        }
        let (count, hash) = self.sum(from, to, scan)?;
        Ok(fingerprint(count, &hash))
    }

    /// See [`Store::split`](super::Store::split).
    pub(super) fn split(
        &self,
        from: RecordKey,
        to: Option<RecordKey>,
        parts: usize,
        scan: &Scan<'_>,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let segments = self.segments(from, to, scan)?;
        let count: u64 = segments.iter().map(|s| s.count).sum();
        let parts = (parts as u64).min(count);
        // Where parts are large, the next bucket's start is near enough and spares scans, now and later.
        let snap = count.checked_div(parts).is_some_and(|part| part >= 2 * TWO_BUCKETS);
        let mut cuts = Vec::new();
        for part in 1..parts {
            let rank = u128::from(count).saturating_mul(part.into()).checked_div(parts.into());
            let rank = rank.and_then(|rank| u64::try_from(rank).ok()).unwrap_or(count);
            let Some((segment, rank)) = locate(&segments, rank) else { continue };
            let near = if rank < segment.count.div_ceil(2) { Some(segment.start) } else { segment.end };
            let cut = match near {
                Some(near) if snap && segment.keys.borrow().is_none() => near,
                _ => segment.key(rank, scan)?,
            };
            if cut > *cuts.last().unwrap_or(&from) && to.is_none_or(|to| cut < to) {
                cuts.push(cut);
            }
        }
        Ok(cuts)
    }

    /// See [`Store::newest`](super::Store::newest).
    pub(super) fn newest(&self, sizes: &[u64], scan: &Scan<'_>) -> Result<Vec<RecordKey>, StoreError> {
        let segments = self.segments(RecordKey::MIN, None, scan)?;
        let mut keys = Vec::new();
        for size in sizes.iter().copied().filter(|size| (1..=self.total.count).contains(size)) {
            let Some((segment, rank)) = locate(&segments, self.total.count.saturating_sub(size)) else {
                continue;
            };
            let snap = size >= 4 * TWO_BUCKETS && segment.start > RecordKey::MIN;
            keys.push(if snap { segment.start } else { segment.key(rank, scan)? });
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    fn touch(&mut self, start: RecordKey) {
        self.total_before.get_or_insert_with(|| self.total.clone());
        self.before.entry(start).or_insert_with(|| self.buckets.get(&start).cloned());
    }

    fn end(&self, start: RecordKey) -> Option<RecordKey> {
        let after = successor(start)?;
        self.buckets.range(after..).next().map(|(end, _)| *end)
    }

    fn halve(&mut self, start: RecordKey, scan: &Scan<'_>) -> Result<(), StoreError> {
        let keys = scan(start, self.end(start), 2 * BUCKET + 1)?;
        let bucket = self.buckets.get_mut(&start).expect("the caller found it full");
        if keys.len() as u64 != bucket.count {
            return Err(StoreError::Damaged("the key summaries do not match the keys".into()));
        }
        let (_, upper) = keys.split_at(keys.len() / 2);
        let upper = (upper[0], Bucket { slot: self.next_slot, count: upper.len() as u64, hash: sum(upper) });
        bucket.count = bucket.count.saturating_sub(upper.1.count);
        bucket.hash.subtract(&upper.1.hash);
        self.next_slot = self.next_slot.saturating_add(1);
        self.touch(upper.0);
        self.buckets.insert(upper.0, upper.1);
        Ok(())
    }

    /// Joins a small bucket with its smaller neighbor. The last one is still being built, and is left alone.
    fn merge(&mut self, start: RecordKey, count: u64) {
        let left = self.buckets.range(..start).next_back().map(|(at, b)| (b.count, *at, start));
        let right = self.end(start).map(|end| (self.buckets[&end].count, start, end));
        let limit = if count == 0 { 2 * BUCKET } else { BUCKET + BUCKET / 2 } as u64;
        let fits = |found: &(u64, RecordKey, RecordKey)| found.0.saturating_add(count) < limit;
        let (left, right) = match (left, right) {
            (_, None) if count > 0 => return,
            (left, right) => (left.filter(fits), right.filter(fits)),
        };
        let smaller = match (left, right) {
            (Some(left), Some(right)) => Some(if left.0 <= right.0 { left } else { right }),
            (left, right) => left.or(right),
        };
        let Some((_, keep, gone)) = smaller else { return };
        self.touch(keep);
        self.touch(gone);
        let gone = self.buckets.remove(&gone).expect("found above");
        let keep = self.buckets.get_mut(&keep).expect("found above");
        keep.hash.merge(&gone.hash);
        keep.count = keep.count.saturating_add(gone.count);
    }

    /// The buckets that `from..to` touches, each with its end.
    fn overlapping(
        &self,
        from: RecordKey,
        to: Option<RecordKey>,
    ) -> impl Iterator<Item = (RecordKey, Option<RecordKey>, &Bucket)> + '_ {
        let first = self.buckets.range(..=from).next_back().map_or(from, |(start, _)| *start);
        let ends = self.buckets.range(first..).skip(1).map(|(end, _)| Some(*end)).chain([None]);
        self.buckets
            .range(first..)
            .zip(ends)
            .take_while(move |((start, _), _)| to.is_none_or(|to| **start < to && from < to))
            .map(|((start, bucket), end)| (*start, end, bucket))
            .filter(|(_, _, bucket)| bucket.count > 0)
    }

    fn covers(
        &self,
        from: RecordKey,
        to: Option<RecordKey>,
        start: RecordKey,
        end: Option<RecordKey>,
    ) -> bool {
        from <= start && to.is_none_or(|to| end.map_or(to > self.total.last, |end| end <= to))
    }

    fn sum(
        &self,
        from: RecordKey,
        to: Option<RecordKey>,
        scan: &Scan<'_>,
    ) -> Result<(u64, LtHash), StoreError> {
        let (mut count, mut hash) = (0, LtHash::new());
        for (start, end, bucket) in self.overlapping(from, to) {
            if self.covers(from, to, start, end) {
                count = bucket.count.saturating_add(count);
                hash.merge(&bucket.hash);
            } else {
                let keys = scan(from.max(start), earlier(to, end), 2 * BUCKET)?;
                count = (keys.len() as u64).saturating_add(count);
                keys.iter().for_each(|key| hash.add(&key.to_bytes()));
            }
        }
        Ok((count, hash))
    }

    fn segments(
        &self,
        from: RecordKey,
        to: Option<RecordKey>,
        scan: &Scan<'_>,
    ) -> Result<Vec<Segment>, StoreError> {
        self.overlapping(from, to)
            .map(|(start, end, bucket)| {
                let whole = self.covers(from, to, start, end);
                let (start, end) = (from.max(start), earlier(to, end));
                let keys = if whole { None } else { Some(scan(start, end, 2 * BUCKET)?) };
                let count = keys.as_ref().map_or(bucket.count, |keys| keys.len() as u64);
                Ok(Segment { start, end, count, keys: RefCell::new(keys) })
            })
            .collect()
    }
}

/// What a store that persists the buckets needs.
#[cfg(any(feature = "sqlite", test))]
impl Summary {
    /// Takes up buckets that were persisted. `last`: the greatest key there is.
    pub(super) fn load(buckets: impl IntoIterator<Item = (RecordKey, Bucket)>, last: RecordKey) -> Self {
        let mut loaded = Self::default();
        for (start, bucket) in buckets {
            loaded.total.hash.merge(&bucket.hash);
            loaded.total.count = loaded.total.count.saturating_add(bucket.count);
            loaded.next_slot = loaded.next_slot.max(bucket.slot.saturating_add(1));
            loaded.buckets.insert(start, bucket);
        }
        loaded.total.last = last;
        loaded
    }

    /// The slots of buckets that are gone since the last commit.
    pub(super) fn dropped(&self) -> impl Iterator<Item = u64> + '_ {
        self.before.iter().filter_map(|(start, before)| {
            let slot = before.as_ref()?.slot;
            self.buckets.get(start).is_none_or(|now| now.slot != slot).then_some(slot)
        })
    }

    /// The buckets that are new or changed since the last commit.
    pub(super) fn changed(&self) -> impl Iterator<Item = (RecordKey, &Bucket)> + '_ {
        self.before.keys().filter_map(|start| Some((*start, self.buckets.get(start)?)))
    }

    /// All buckets by start.
    pub(super) fn buckets(&self) -> impl ExactSizeIterator<Item = (RecordKey, &Bucket)> + '_ {
        self.buckets.iter().map(|(start, bucket)| (*start, bucket))
    }

    /// True if the bucket with this start is what the keys sum up to.
    pub(super) fn verify(&self, start: RecordKey, scan: &Scan<'_>) -> Result<bool, StoreError> {
        let Some(bucket) = self.buckets.get(&start) else { return Ok(false) };
        let keys = scan(start, self.end(start), 2 * BUCKET)?;
        Ok(keys.len() as u64 == bucket.count && sum(&keys) == bucket.hash)
    }
}

/// A bucket, or the part of it that lies in a range.
struct Segment {
    start: RecordKey,
    end: Option<RecordKey>,
    count: u64,
    keys: RefCell<Option<Vec<RecordKey>>>,
}

impl Segment {
    fn key(&self, rank: u64, scan: &Scan<'_>) -> Result<RecordKey, StoreError> {
        let mut keys = self.keys.borrow_mut();
        let keys = match &mut *keys {
            Some(keys) => keys,
            none => none.insert(scan(self.start, self.end, 2 * BUCKET)?),
        };
        usize::try_from(rank)
            .ok()
            .and_then(|rank| keys.get(rank).copied())
            .ok_or_else(|| StoreError::Damaged("the key summaries do not match the keys".into()))
    }
}

/// The segment that holds the key of this rank, and the rank inside it.
fn locate(segments: &[Segment], mut rank: u64) -> Option<(&Segment, u64)> {
    for segment in segments {
        if rank < segment.count {
            return Some((segment, rank));
        }
        rank = rank.saturating_sub(segment.count);
    }
    None
}

fn earlier(a: Option<RecordKey>, b: Option<RecordKey>) -> Option<RecordKey> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn fingerprint(count: u64, hash: &LtHash) -> Fingerprint {
    Fingerprint { count, hash: hash.fingerprint(count) }
}

#[cfg(test)]
mod tests;
