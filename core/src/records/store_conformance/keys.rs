//! What reconciliation asks for.

use super::*;

/// More than one bucket, in an order that makes buckets split; every fifth of another type.
fn filled(store: &mut dyn Store) -> Vec<SignedRecord> {
    let specs = (0..1300u64).map(|n| n * 7 % 1300).map(|n| match n % 5 {
        0 => spec(n, 10 + n).of("note"),
        _ => spec(n, 10 + n),
    });
    let mut records = put_all(store, specs);
    records.sort_by_key(SignedRecord::key);
    records
}

#[test]
fn ranges_are_what_their_keys_say() {
    each_store(|store| {
        let records = filled(store);
        let keys: Vec<_> = records.iter().map(SignedRecord::key).collect();
        let notes: Vec<_> = keys.iter().copied().step_by(5).collect();
        let only = Filter::Only(kind("note"));
        assert_eq!((all_keys(store), store.root()), (keys.clone(), naive(&keys)));
        assert_eq!(store.count(), keys.len() as u64);
        let filters = [(Filter::All, keys.clone()), (only.clone(), notes.clone())];
        for (filter, keys) in filters.iter().chain(&[(Filter::Only(kind("unknown")), Vec::new())]) {
            for (from, to) in [(0, 1300), (0, 40), (3, 1299), (600, 700), (700, 600), (1299, 1300)] {
                let (from, to) = (records[from].key(), records.get(to).map(SignedRecord::key));
                let inside = |key: &&RecordKey| **key >= from && to.is_none_or(|to| **key < to);
                let inside: Vec<_> = keys.iter().filter(inside).copied().collect();
                assert_eq!(store.keys(filter, from, to, usize::MAX).unwrap(), inside);
                assert_eq!(store.keys(filter, from, to, 3).unwrap(), inside[..inside.len().min(3)]);
                assert_eq!(store.fingerprint(filter, from, to).unwrap(), naive(&inside));
                let cuts = store.split(filter, from, to, 4).unwrap();
                assert!(cuts.len() <= 3 && cuts.is_sorted_by(|a, b| a < b), "{cuts:?}");
                assert_eq!(cuts.len(), inside.len().min(4).saturating_sub(1));
                assert!(cuts.iter().all(|cut| *cut > from && to.is_none_or(|to| *cut < to)));
            }
            let newest = store.newest(filter, &[16, 64, 256, 4096]).unwrap();
            let behind = newest.iter().map(|from| keys.iter().filter(|key| *key >= from).count());
            let expected: Vec<_> = [256, 64, 16].into_iter().filter(|n| *n <= keys.len()).collect();
            assert_eq!(behind.collect::<Vec<_>>(), expected);
        }
        // A type's summary is kept up once it was made.
        let more =
            put_all(store, [spec(9000, 5).of("note"), spec(5, 9000).of("note"), spec(10, 9001).deleted()]);
        let notes: Vec<_> = notes.into_iter().filter(|key| ![keys[5], keys[10]].contains(key)).collect();
        let notes = [&[more[0].key()], &notes[..], &[more[1].key()]].concat();
        assert_eq!(store.fingerprint(&only, RecordKey::MIN, None).unwrap(), naive(&notes));
        store.rollback().unwrap();
        assert_eq!(store.fingerprint(&only, RecordKey::MIN, None).unwrap(), naive(&[]));
    });
}

#[test]
fn envelopes_come_in_key_order_and_go_on_where_they_ended() {
    each_store(|store| {
        let specs =
            (0..20).rev().map(|n| if n % 2 == 0 { spec(n, 10 + n).of("note") } else { spec(n, 10 + n) });
        let mut records = put_all(store, specs);
        put_all(store, [spec(100, 500).expiring(600)]);
        store.expire(Timestamp(600), 1).unwrap();
        records.reverse();
        let one = records[0].bytes().len();
        for (filter, step) in [(Filter::All, 1), (Filter::Only(kind("note")), 2)] {
            let expected: Vec<_> = records.iter().step_by(step).map(|r| r.bytes().clone()).collect();
            for max in [0, one, 3 * one + 60, 1 << 20] {
                let (mut all, mut from) = (Vec::new(), Some(RecordKey::MIN));
                while let Some(start) = from {
                    let (some, next) = store.envelopes(&filter, start, None, max).unwrap();
                    assert!(some.len() == 1 || some.iter().map(|b| b.len()).sum::<usize>() <= max);
                    all.extend(some);
                    from = next;
                }
                assert_eq!(all, expected);
            }
        }
        let to = records[3].key();
        let (some, next) = store.envelopes(&Filter::All, records[1].key(), Some(to), 1 << 20).unwrap();
        assert_eq!((some.len(), next), (2, None));
        assert_eq!(store.envelopes(&Filter::All, to, Some(to), 9).unwrap(), (Vec::new(), None));
        let unknown = Filter::Only(kind("unknown"));
        assert_eq!(store.envelopes(&unknown, RecordKey::MIN, None, 9).unwrap(), (Vec::new(), None));
    });
}
