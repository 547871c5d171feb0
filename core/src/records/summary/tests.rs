use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::{ids::ElementId, time::Hlc};

/// A set of keys and its summary, which are to agree.
#[derive(Default)]
struct Pair {
    keys: BTreeSet<RecordKey>,
    summary: Summary,
}

fn key(n: u64) -> RecordKey {
    RecordKey { hlc: Hlc(n), element: ElementId::from_bytes([(n % 251) as u8; 16]) }
}

fn scan(keys: &BTreeSet<RecordKey>) -> impl Fn(RecordKey, Option<RecordKey>, usize) -> Scanned + '_ {
    |from, to, max| {
        Ok(keys.range(from..).take_while(|k| to.is_none_or(|to| **k < to)).take(max).copied().collect())
    }
}

type Scanned = Result<Vec<RecordKey>, StoreError>;

impl Pair {
    fn add(&mut self, key: RecordKey) {
        if self.keys.insert(key) {
            self.summary.add(key, &key_hash(key), &scan(&self.keys)).unwrap();
        }
    }

    fn remove(&mut self, key: RecordKey) {
        if self.keys.remove(&key) {
            self.summary.remove(key, &key_hash(key));
        }
    }

    fn naive(&self, from: RecordKey, to: Option<RecordKey>) -> Fingerprint {
        let inside = scan(&self.keys)(from, to, usize::MAX).unwrap();
        fingerprint(inside.len() as u64, &sum(&inside))
    }

    fn check(&self) {
        let scan = scan(&self.keys);
        assert_eq!(self.summary.root(), self.naive(RecordKey::MIN, None));
        assert!(self.summary.buckets().next().is_none_or(|(start, _)| start == RecordKey::MIN));
        let buckets = self.summary.buckets().len();
        for (at, (start, bucket)) in self.summary.buckets().enumerate() {
            assert!(self.summary.verify(start, &scan).unwrap(), "bucket {at} of {buckets}");
            assert!(bucket.count < 2 * BUCKET as u64, "bucket {at} has {}", bucket.count);
            assert!(bucket.count > 0 || at == 0, "bucket {at} is empty");
        }
        let slots: BTreeSet<_> = self.summary.buckets().map(|(_, bucket)| bucket.slot).collect();
        assert_eq!(slots.len(), buckets);
    }
}

#[test]
fn appending_fills_buckets_and_never_splits() {
    let mut pair = Pair::default();
    (0..2000).for_each(|n| pair.add(key(n)));
    let counts: Vec<_> = pair.summary.buckets().map(|(_, bucket)| bucket.count).collect();
    assert_eq!(counts, [512, 512, 512, 464]);
    pair.check();
}

#[test]
fn inserting_splits_and_removing_merges() {
    let mut pair = Pair::default();
    (0..1400).rev().for_each(|n| pair.add(key(n)));
    pair.check();
    let full = pair.summary.buckets().len();
    assert!((2..=3).contains(&full), "{full}");
    (0..1390).for_each(|n| pair.remove(key(n)));
    pair.check();
    assert_eq!(pair.summary.buckets().len(), 1);
    (1390..1400).for_each(|n| pair.remove(key(n)));
    assert_eq!(pair.summary.root(), Summary::default().root());
}

#[test]
fn a_split_reports_a_summary_that_is_wrong() {
    let mut pair = Pair::default();
    (0..1023).rev().for_each(|n| pair.add(key(n + 1)));
    let lost = BTreeSet::new();
    let error = pair.summary.add(key(0), &key_hash(key(0)), &scan(&lost)).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
}

#[test]
fn what_changed_is_known_and_can_be_undone() {
    let mut pair = Pair::default();
    (0..1200).for_each(|n| pair.add(key(10 * n)));
    pair.summary.commit();
    assert_eq!(pair.summary.changed().count() + pair.summary.dropped().count(), 0);
    let (kept, keys) = (Summary::load(owned(&pair.summary), key(11_990)), pair.keys.clone());

    pair.add(key(12_000));
    assert_eq!(pair.summary.changed().count(), 1, "only the last bucket");
    (0..600).for_each(|n| pair.add(key(10 * n + 1)));
    (0..500).for_each(|n| pair.remove(key(10 * n + 6000)));
    pair.check();
    let mut persisted: BTreeMap<u64, (RecordKey, Bucket)> =
        kept.buckets().map(|(start, b)| (b.slot, (start, b.clone()))).collect();
    for slot in pair.summary.dropped() {
        assert!(persisted.remove(&slot).is_some());
    }
    for (start, bucket) in pair.summary.changed() {
        persisted.insert(bucket.slot, (start, bucket.clone()));
    }
    let mut persisted: Vec<_> = persisted.into_values().collect();
    persisted.sort_unstable_by_key(|(start, _)| *start);
    assert_eq!(persisted, owned(&pair.summary));

    pair.summary.rollback();
    assert_eq!(owned(&pair.summary), owned(&kept));
    pair.keys = keys;
    pair.check();
}

#[test]
fn large_sets_are_split_at_buckets_and_small_ones_between_keys() {
    let keys: BTreeSet<_> = (0..9000).map(|n| key(2 * n)).collect();
    let summary = Summary::build(&scan(&keys)).unwrap();
    let sizes = |cuts: &[RecordKey], from: RecordKey, to: Option<RecordKey>| -> Vec<usize> {
        let bounds = [&[from], cuts].concat();
        let ends = cuts.iter().copied().map(Some).chain([to]);
        bounds.iter().zip(ends).map(|(a, b)| scan(&keys)(*a, b, usize::MAX).unwrap().len()).collect()
    };
    let coarse = summary.split(RecordKey::MIN, None, 4, &scan(&keys)).unwrap();
    assert!(coarse.iter().all(|cut| summary.buckets.contains_key(cut)));
    assert!(sizes(&coarse, RecordKey::MIN, None).iter().all(|n| (1700..=2800).contains(n)), "{coarse:?}");
    let (from, to) = (key(1001), Some(key(9001)));
    let fine = summary.split(from, to, 7, &scan(&keys)).unwrap();
    assert_eq!(fine.len(), 6);
    assert!(sizes(&fine, from, to).iter().all(|n| (571..=572).contains(n)), "{fine:?}");
    assert_eq!(summary.split(from, Some(key(1005)), 16, &scan(&keys)).unwrap(), [key(1004)]);
    assert_eq!(summary.split(key(1), Some(key(2)), 16, &scan(&keys)).unwrap(), []);
    assert_eq!(summary.split(from, Some(from), 16, &scan(&keys)).unwrap(), []);

    let newest = summary.newest(&[16, 64, 1024, 4096, 9000, 9001, 16, 0], &scan(&keys)).unwrap();
    let behind: Vec<_> = newest.iter().map(|from| keys.range(from..).count()).collect();
    assert_eq!((behind[0], &behind[2..]), (9000, &[1024, 64, 16][..]));
    assert!((4096..4096 + 512).contains(&behind[1]), "{behind:?}");
}

#[test]
fn successors_follow_without_a_gap() {
    let mut bytes = [0; 24];
    bytes[20..].fill(0xff);
    let next = successor(RecordKey::from_bytes(&bytes)).unwrap().to_bytes();
    assert_eq!((next[19], &next[20..]), (1, &[0; 4][..]));
    assert_eq!(successor(RecordKey::MAX), None);
}

fn owned(summary: &Summary) -> Vec<(RecordKey, Bucket)> {
    summary.buckets().map(|(start, bucket)| (start, bucket.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_history_sums_up_to_its_keys(seed: u64, steps in 1..12u32) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut pair = Pair::default();
        let mut committed = BTreeSet::new();
        for _ in 0..steps {
            let (at, width, count) = (rng.random_range(0..4000), rng.random_range(1..1000), rng.random_range(0..500));
            let removing = rng.random_bool(0.4);
            for _ in 0..count {
                let key = key(at + rng.random_range(0..width));
                if removing { pair.remove(key) } else { pair.add(key) }
            }
            match rng.random_range(0..3) {
                0 => {
                    pair.summary.commit();
                    committed = pair.keys.clone();
                }
                1 => {
                    pair.summary.rollback();
                    pair.keys = committed.clone();
                }
                _ => {}
            }
            let (from, to) = (key(rng.random_range(0..5000)), Some(key(rng.random_range(0..5000))));
            for (from, to) in [(from, to), (from, None), (RecordKey::MIN, to)] {
                let found = pair.summary.fingerprint(from, to, &scan(&pair.keys)).unwrap();
                prop_assert_eq!(found, pair.naive(from, to));
            }
        }
        pair.check();
        let built = Summary::build(&scan(&pair.keys)).unwrap();
        prop_assert_eq!(built.root(), pair.summary.root());
    }
}
