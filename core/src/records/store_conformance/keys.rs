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

#[test]
fn x17_what_one_identity_made_or_wrote_is_found_whoever_else_had_a_part_in_it() {
    each_store(|store| {
        // Peer 1 made the first, and changed the second of peer 2; the third is an act of its own, the fourth is deleted.
        let act = spec(3, 12).by(1).of("peergraph.credential");
        let first = spec(1, 10).by(1).edited(2);
        let records = put_all(
            store,
            [first, spec(2, 11).by(2).edited(1), act, spec(4, 13).by(1).deleted(), spec(5, 14)],
        );
        let by = |store: &dyn Store, who, after, through, max| {
            store.current_by(&peer(who), Lsn(after), Lsn(through), max).unwrap()
        };
        let keys: Vec<_> = records.iter().map(SignedRecord::key).collect();
        let all = [(Lsn(1), keys[0]), (Lsn(2), keys[1]), (Lsn(4), keys[3])];
        assert_eq!(by(store, 1, 0, u64::MAX, 9), all, "acts are left out");
        assert_eq!(by(store, 2, 0, u64::MAX, 9), all[..2]);
        assert_eq!(by(store, 0, 0, u64::MAX, 9), [(Lsn(5), keys[4])]);
        assert_eq!(by(store, 3, 0, u64::MAX, 9), []);
        assert_eq!((by(store, 1, 1, 2, 9), by(store, 1, 0, 4, 2)), (all[1..2].to_vec(), all[..2].to_vec()));
        commit(store);

        let withheld = |store: &dyn Store, who, from| store.withheld_by(&peer(who), from, 9).unwrap();
        for record in &records {
            store.withhold(&record.key()).unwrap();
        }
        assert_eq!(by(store, 1, 0, u64::MAX, 9), []);
        assert_eq!(withheld(store, 1, RecordKey::MIN), [keys[0], keys[1], keys[3]]);
        assert_eq!(withheld(store, 2, keys[0].next()), [keys[1]]);
        assert_eq!(withheld(store, 3, RecordKey::MIN), []);
        store.release(&keys[1]).unwrap();
        assert_eq!(
            (withheld(store, 2, RecordKey::MIN), by(store, 1, 0, u64::MAX, 9).len()),
            (vec![keys[0]], 1)
        );
        store.rollback().unwrap();
        assert_eq!(
            (withheld(store, 1, RecordKey::MIN), by(store, 1, 0, u64::MAX, 9)),
            (vec![], all.to_vec())
        );

        // Of a conflict, whoever made the record and whoever lost.
        put_all(store, [spec(9, 20).by(2)]);
        put_all(store, [spec(9, 30).by(2).edited(1)]);
        let lost = spec(9, 25).by(2).edited(3).make();
        store.keep_loser(lost.signed(), None, EARLY).unwrap();
        let losers = |who: &[usize]| store.losers_by(&who.iter().map(|n| peer(*n)).collect());
        let key = lost.signed().key();
        assert_eq!([losers(&[2]), losers(&[3]), losers(&[0, 3])], [[key], [key], [key]]);
        assert_eq!(losers(&[0, 1]), []);
    });
}
