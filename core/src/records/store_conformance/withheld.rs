//! Versions that are withheld, and released.

use super::*;
use crate::records::{ConflictQuery, KeptLoser};

fn withheld(store: &dyn Store) -> Vec<RecordKey> {
    store.withheld(&Filter::All, RecordKey::MIN, usize::MAX).unwrap()
}

fn exported(store: &dyn Store) -> usize {
    let mut count = 0;
    store
        .reader()
        .snapshot(&mut |_| {
            count += 1;
            true
        })
        .unwrap();
    count
}

fn losers(store: &dyn Store) -> Vec<RecordKey> {
    let page = store.reader().conflicts(&ConflictQuery::default(), EARLY).unwrap();
    page.items.iter().map(|conflict| conflict.loser.key).collect()
}

#[test]
fn w5_a_withheld_record_is_in_the_file_and_nowhere_else() {
    each_store(|store| {
        let records = put_all(store, [spec(1, 10), spec(2, 11).padded(100), spec(3, 12).of("note")]);
        commit(store);
        let (reader, second) = (store.reader(), &records[1]);
        let gone = store.withhold(&second.key()).unwrap().expect("a change");
        assert_eq!((gone.lsn, gone.kind, gone.record.id), (Lsn(4), ChangeKind::Deleted, second.id()));
        assert!(gone.record.deleted && gone.record.body.is_empty() && gone.record.attributes.is_empty());
        assert_eq!(store.withhold(&second.key()).unwrap(), None, "once");
        commit(store);

        let left = [records[0].key(), records[2].key()];
        assert_eq!((all_keys(store), store.root(), store.count()), (left.to_vec(), naive(&left), 2));
        let of_type = Filter::Only(kind("chat.message"));
        let first = store.fingerprint(&of_type, RecordKey::MIN, None).unwrap();
        assert_eq!(first, naive(&left[..1]), "nor in the fingerprint of its type");
        assert_eq!((store.get(&second.id()).unwrap(), store.fetch(&second.key()).unwrap()), (None, None));
        assert_eq!(store.envelopes(&Filter::All, RecordKey::MIN, None, usize::MAX).unwrap().0.len(), 2);
        assert!(store.contains(&second.key()).unwrap(), "it is not to be fetched");
        assert_eq!(withheld(store), [second.key()]);
        assert_eq!(store.withheld(&of_type, RecordKey::MIN, 9).unwrap(), [second.key()]);
        assert_eq!(store.withheld(&Filter::Only(kind("note")), RecordKey::MIN, 9).unwrap(), []);
        assert_eq!(store.fetch_withheld(&second.key()).unwrap().as_ref(), Some(second), "whole");
        assert_eq!(store.fetch_withheld(&records[0].key()).unwrap(), None);

        assert_eq!((read(&reader, second), exported(store)), (None, 2));
        let all = reader.list(&ListQuery { include_deleted: true, ..query() }, EARLY).unwrap();
        assert_eq!((all.items.len(), all.total), (2, Some(2)));
        assert_eq!(changes(&reader, 3).entries, [gone]);
    });
}

#[test]
fn w5_a_released_record_is_as_it_was_and_new_to_readers() {
    each_store(|store| {
        let records = put_all(store, [spec(1, 10), spec(2, 11).deleted(), spec(3, 12)]);
        commit(store);
        let before = (all_keys(store), store.root());
        for record in &records {
            store.withhold(&record.key()).unwrap();
        }
        assert_eq!((store.root(), withheld(store)), (naive(&[]), before.0.clone()));
        commit(store);
        for record in &records {
            let (released, put) = store.release(&record.key()).unwrap().expect("it is here");
            assert_eq!(released.signed(), record);
            assert_eq!(put, Put::Inserted { lsn: store.last_lsn() });
            assert!(store.release(&record.key()).unwrap().is_none(), "once");
        }
        commit(store);
        assert_eq!(((all_keys(store), store.root()), withheld(store)), (before, vec![]));
        let kinds: Vec<_> = changes(&store.reader(), 5).entries.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::Added, ChangeKind::Deleted, ChangeKind::Added]);
        assert_eq!(read(&store.reader(), &records[0]).unwrap(), records[0].to_record());
    });
}

#[test]
fn w5_any_version_takes_the_place_of_a_withheld_one_which_contends_when_released() {
    each_store(|store| {
        let [older, newer] = [10, 20].map(|at| spec(1, at).make());
        for (mine, theirs) in [(&newer, &older), (&older, &newer)] {
            store.put(mine).unwrap();
            store.withhold(&mine.signed().key()).unwrap();
            assert!(matches!(store.put(theirs).unwrap(), Put::Inserted { .. }));
            assert_eq!(store.root(), naive(&[theirs.signed().key()]));
            let (_, put) = store.release(&mine.signed().key()).unwrap().expect("it is here");
            match put {
                Put::Replaced { older: lost, .. } => assert_eq!(&lost, older.signed()),
                put => assert_eq!(put, Put::Older { newer: newer.signed().clone() }),
            }
            assert_eq!((all_keys(store), withheld(store)), (vec![newer.signed().key()], vec![]));
            store.rollback().unwrap();
        }
        // The very version comes in by another way: it is no longer withheld.
        store.put(&newer).unwrap();
        store.withhold(&newer.signed().key()).unwrap();
        assert!(matches!(store.put(&newer).unwrap(), Put::Inserted { .. }));
        assert_eq!((withheld(store), store.root()), (vec![], naive(&[newer.signed().key()])));
    });
}

#[test]
fn w5_a_loser_of_a_conflict_is_withheld_and_becomes_one_again() {
    each_store(|store| {
        let [lost, won] = [spec(1, 10).edited(1), spec(1, 20)].map(Spec::make);
        store.put(&won).unwrap();
        let key = lost.signed().key();
        let told = |kept: Option<KeptLoser>| kept.map(|kept| kept.lsn);
        assert_eq!(told(store.keep_loser(lost.signed(), None, EARLY).unwrap()), Some(Lsn(2)));
        commit(store);
        assert_eq!(losers(store), [key]);
        assert_eq!(store.withhold(&key).unwrap(), None);
        commit(store);
        assert_eq!((losers(store), store.losers(), withheld(store)), (vec![], vec![], vec![key]));
        assert!(store.contains(&key).unwrap() && !store.knows_loser(&key));
        assert_eq!(read(&store.reader(), won.signed()).unwrap().key, won.signed().key(), "the winner stays");

        let (released, put) = store.release(&key).unwrap().expect("it is here");
        assert_eq!(put, Put::Older { newer: won.signed().clone() });
        assert_eq!(told(store.keep_loser(released.signed(), None, EARLY).unwrap()), Some(Lsn(3)));
        commit(store);
        assert_eq!((losers(store), withheld(store)), (vec![key], vec![]));
    });
}

#[test]
fn w5_withheld_versions_expire_are_collected_and_dropped() {
    each_store(|store| {
        let specs = [spec(1, 10).expiring(100), spec(2, 11).deleted(), spec(3, 12), spec(4, 13).expiring(90)];
        let records = put_all(store, specs);
        let keys: Vec<_> = records.iter().map(SignedRecord::key).collect();
        keys.iter().for_each(|key| drop(store.withhold(key).unwrap()));
        commit(store);
        assert_eq!(store.next_expiry().unwrap(), Some(Timestamp(90)));
        assert_eq!(store.expire(Timestamp(89), 9).unwrap(), []);
        assert_eq!(store.expire(Timestamp(100), 1).unwrap(), [], "without a word: they were gone");
        assert_eq!(
            (withheld(store), store.next_expiry().unwrap()),
            (keys[..3].to_vec(), Some(Timestamp(100)))
        );
        store.expire(Timestamp(100), 1).unwrap();
        assert_eq!((withheld(store), store.next_expiry().unwrap()), (keys[1..3].to_vec(), None));
        // What is left of the four in the feed, and the tombstone.
        assert_eq!(store.collect(Timestamp(50)).unwrap(), 5);
        assert_eq!(withheld(store), keys[2..3], "what was no tombstone stays");
        assert!(matches!(store.release(&keys[2]).unwrap(), Some((_, Put::Inserted { .. }))));
        commit(store);
        for withdrawn in [false, true] {
            store.withhold(&keys[2]).unwrap();
            match withdrawn {
                true => assert_eq!(store.withdraw(&keys[2]).unwrap(), None),
                false => store.discard(&keys[2]).unwrap(),
            }
            assert_eq!((withheld(store), store.contains(&keys[2]).unwrap()), (vec![], false));
            store.rollback().unwrap();
        }
    });
}

#[test]
fn w5_withholding_is_part_of_the_transaction() {
    each_store(|store| {
        let records = put_all(store, (0..4).map(|n| spec(n, 10 + n)));
        store.withhold(&records[0].key()).unwrap();
        commit(store);
        let before = observe(store);
        store.withhold(&records[1].key()).unwrap();
        store.release(&records[0].key()).unwrap();
        store.withhold(&records[0].key()).unwrap();
        store.discard(&records[0].key()).unwrap();
        assert_ne!(observe(store), before);
        store.rollback().unwrap();
        assert_eq!(observe(store), before);
        store.withhold(&records[1].key()).unwrap();
        assert_eq!(exported(store), 3, "a reader sees what was committed");
        commit(store);
        assert_eq!(exported(store), 2);
    });
}

#[test]
fn x11_what_a_tombstone_beats_goes_with_it_and_does_not_come_back_when_released() {
    each_store(|store| {
        let [old, stays] = [spec(1, 10), spec(2, 11)].map(|spec| spec.make());
        let (deleted, later) = (spec(1, 20).deleted().make(), spec(2, 21).make());
        for record in [&old, &stays] {
            store.put(record).unwrap();
            store.withhold(&record.signed().key()).unwrap();
        }
        store.put(&deleted).unwrap();
        store.put(&later).unwrap();
        commit(store);
        assert_eq!(withheld(store).len(), 2);
        store.collect(Timestamp(30)).unwrap();
        commit(store);
        assert_eq!(withheld(store), [stays.signed().key()], "nothing is left that beats the first");
        assert!(store.release(&old.signed().key()).unwrap().is_none());
        assert_eq!(store.get(&old.signed().id()).unwrap(), None);
        // It is gone for good only with its transaction.
        let another = spec(3, 12).make();
        store.put(&another).unwrap();
        store.withhold(&another.signed().key()).unwrap();
        store.put(&spec(3, 22).deleted().make()).unwrap();
        commit(store);
        store.collect(Timestamp(30)).unwrap();
        store.rollback().unwrap();
        assert_eq!(withheld(store).len(), 2);
    });
}
