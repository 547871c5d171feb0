//! Who wins, what is left, what a transaction is.

use super::*;

#[test]
fn a_put_says_what_became_of_it() {
    each_store(|store| {
        let (first, second) = (spec(1, 10).make(), spec(1, 20).make());
        assert_eq!(store.put(&first).unwrap(), Put::Inserted { lsn: Lsn(1) });
        assert_eq!(store.put(&first).unwrap(), Put::Same);
        let replaced = Put::Replaced { lsn: Lsn(2), older: first.signed().clone(), version: 21 };
        assert_eq!(store.put(&second).unwrap(), replaced);
        assert_eq!(store.put(&first).unwrap(), Put::Older { newer: second.signed().clone() });
        assert_eq!(store.get(&second.signed().id()).unwrap().as_ref(), Some(second.signed()));
        assert_eq!(store.fetch(&second.signed().key()).unwrap().as_ref(), Some(second.signed()));
        assert_eq!(store.fetch(&first.signed().key()).unwrap(), None);
        assert!(store.contains(&second.signed().key()).unwrap());
        assert!(!store.contains(&first.signed().key()).unwrap());
        assert_eq!((store.last_lsn(), store.last_hlc().unwrap()), (Lsn(2), Hlc::at(Timestamp(20))));
        assert_eq!(all_keys(store), [second.signed().key()]);
        assert_eq!(store.root(), naive(&[second.signed().key()]));
    });
}

#[test]
fn r6_of_versions_written_at_one_moment_the_greater_author_wins() {
    let by_author = [spec(1, 10), spec(1, 10).edited(1), spec(1, 10).edited(2)].map(Spec::make);
    let best = by_author.iter().max_by_key(|record| rank(record.signed())).unwrap();
    each_store(|store| {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            order.iter().for_each(|at| drop(store.put(&by_author[*at]).unwrap()));
            assert_eq!(store.get(&best.signed().id()).unwrap().as_ref(), Some(best.signed()));
            assert_eq!(store.root(), naive(&[best.signed().key()]));
            store.rollback().unwrap();
        }
    });
}

#[test]
fn r8_a_tombstone_is_found_by_the_engine_and_nobody_else() {
    each_store(|store| {
        let [old] = &put_all(store, [spec(1, 10)])[..] else { unreachable!() };
        let grave = spec(1, 20).deleted().make();
        store.put(&grave).unwrap();
        commit(store);
        let reader = store.reader();
        assert_eq!(store.get(&old.id()).unwrap().as_ref(), Some(grave.signed()));
        assert_eq!(all_keys(store), [grave.signed().key()]);
        assert_eq!(read(&reader, old), None);
        let list = |include_deleted| {
            let page = reader.list(&ListQuery { include_deleted, ..query() }, EARLY).unwrap();
            (page.items.len(), page.total)
        };
        assert_eq!((list(false), list(true)), ((0, Some(0)), (1, Some(1))));
        assert_eq!(told(&changes(&reader, 0).entries), [(2, ChangeKind::Deleted, old.id())]);
        let stale = spec(1, 15).make();
        assert_eq!(store.put(&stale).unwrap(), Put::Older { newer: grave.signed().clone() });
        // Nor does one written later: whoever wrote it had not heard of the delete.
        let again = spec(1, 30).make();
        assert_eq!(store.put(&again).unwrap(), Put::Older { newer: grave.signed().clone() });
        commit(store);
        assert_eq!(told(&changes(&reader, 2).entries), []);
    });
}

#[test]
fn r10_g23_an_expired_record_is_gone_from_everything_but_the_feed() {
    each_store(|store| {
        let specs =
            [spec(1, 10).expiring(100), spec(2, 11).expiring(90), spec(3, 12), spec(4, 13).expiring(101)];
        let records = put_all(store, specs);
        commit(store);
        let reader = store.reader();
        assert_eq!(reader.get(&records[0].id(), Timestamp(99)).unwrap().unwrap(), records[0].to_record());
        assert_eq!(reader.get(&records[0].id(), Timestamp(100)).unwrap(), None, "at once, whatever was done");
        assert_eq!(reader.list(&query(), Timestamp(100)).unwrap().total, Some(2));
        assert_eq!(store.next_expiry().unwrap(), Some(Timestamp(90)));

        assert_eq!(store.expire(Timestamp(89), 10).unwrap(), []);
        let first = store.expire(Timestamp(100), 1).unwrap();
        assert_eq!(told(&first), [(5, ChangeKind::Expired, records[1].id())]);
        let second = store.expire(Timestamp(100), 10).unwrap();
        assert_eq!(told(&second), [(6, ChangeKind::Expired, records[0].id())]);
        assert_eq!(store.next_expiry().unwrap(), Some(Timestamp(101)));
        commit(store);

        let left = [records[2].key(), records[3].key()];
        assert_eq!(all_keys(store), left);
        assert_eq!(store.root(), naive(&left));
        assert_eq!(store.get(&records[0].id()).unwrap(), None);
        assert_eq!(store.fetch(&records[0].key()).unwrap(), None);
        assert!(!store.contains(&records[0].key()).unwrap());
        let feed = changes(&reader, 4).entries;
        assert_eq!(feed, [first, second].concat());
        let told_of = &feed[1].record;
        assert_eq!((told_of.version, told_of.author, told_of.key), (11, peer(0), records[0].key()));
        assert!(told_of.body.is_empty() && told_of.attributes.is_empty() && !told_of.deleted);
        let all = reader.list(&ListQuery { include_deleted: true, ..query() }, EARLY).unwrap();
        assert_eq!(all.total, Some(2));
    });
}

#[test]
fn r10_what_an_expired_record_left_still_decides_who_wins() {
    each_store(|store| {
        let expired = spec(1, 10).expiring(100).make();
        store.put(&expired).unwrap();
        store.expire(Timestamp(100), 10).unwrap();
        // Admitted again, so the clock by which it expired was wrong: it is back.
        assert_eq!(store.put(&expired).unwrap(), Put::Inserted { lsn: Lsn(3) });
        assert_eq!(store.put(&expired).unwrap(), Put::Same);
        store.expire(Timestamp(100), 10).unwrap();
        let Put::Expired { left } = store.put(&spec(1, 5).make()).unwrap() else { panic!("not told") };
        assert_eq!((left.key(), left.is_stub()), (expired.signed().key(), true));
        let Put::Replaced { lsn: Lsn(5), older, .. } = store.put(&spec(1, 20).expiring(200).make()).unwrap()
        else {
            panic!("not replaced");
        };
        assert_eq!((older.key(), older.header()), (expired.signed().key(), expired.signed().header()));
        assert!(older.body().is_empty());
        commit(store);
        assert_eq!(told(&changes(&store.reader(), 2).entries), [(5, ChangeKind::Added, older.id())]);
    });
}

#[test]
fn a12_what_has_expired_ends_an_older_version_that_lives_on() {
    each_store(|store| {
        let records = put_all(store, [spec(1, 10), spec(2, 10).deleted(), spec(3, 30)]);
        // Older, or of a record that is not here: nothing happens.
        for other in [spec(3, 20).expiring(40), spec(4, 20).expiring(40)] {
            assert_eq!(store.put_expired(&other.make()).unwrap(), None);
        }
        let ending = spec(1, 20).expiring(40).make();
        let told_of = store.put_expired(&ending).unwrap().expect("a change");
        assert_eq!(
            (told_of.lsn, told_of.kind, told_of.record.key),
            (Lsn(4), ChangeKind::Expired, ending.signed().key())
        );
        assert!(told_of.record.body.is_empty());
        assert_eq!(store.put_expired(&ending).unwrap(), None, "once");
        // A tombstone with an end, over one without: the feed has told of the delete.
        let grave = spec(2, 20).deleted().expiring(40).make();
        assert_eq!(store.put_expired(&grave).unwrap(), None);
        commit(store);
        assert_eq!(all_keys(store), [records[2].key()]);
        assert_eq!(store.root(), naive(&[records[2].key()]));
        for (old, ending) in [(spec(1, 10), &ending), (spec(2, 10).deleted(), &grave)] {
            let Put::Expired { left } = store.put(&old.make()).unwrap() else { panic!("not told") };
            assert_eq!(left.key(), ending.signed().key());
        }
        assert_eq!(store.collect(Timestamp(41)).unwrap(), 2);
        store.put_expired(&spec(3, 35).expiring(50).make()).unwrap().expect("a change");
        store.rollback().unwrap();
        assert_eq!(all_keys(store), [records[2].key()]);
    });
}

#[test]
fn a_tombstone_expires_in_silence() {
    each_store(|store| {
        let records = put_all(store, [spec(1, 10).deleted().expiring(100), spec(2, 11).expiring(100)]);
        let changed = store.expire(Timestamp(100), 10).unwrap();
        assert_eq!(told(&changed), [(3, ChangeKind::Expired, records[1].id())]);
        commit(store);
        assert_eq!(store.root(), naive(&[]));
        let feed = changes(&store.reader(), 0).entries;
        let kinds = [(1, ChangeKind::Deleted, records[0].id()), (3, ChangeKind::Expired, records[1].id())];
        assert_eq!(told(&feed), kinds);
    });
}

#[test]
fn what_is_gone_for_long_is_forgotten_and_its_place_not_used_again() {
    each_store(|store| {
        let specs = [spec(1, 10).deleted(), spec(2, 50).deleted(), spec(3, 12).expiring(40), spec(4, 13)];
        let records = put_all(store, specs);
        store.expire(Timestamp(45), 10).unwrap();
        commit(store);
        assert_eq!(store.collect(Timestamp(10)).unwrap(), 0);
        assert_eq!(store.collect(Timestamp(41)).unwrap(), 2);
        assert_eq!(all_keys(store), [records[3].key(), records[1].key()]);
        assert_eq!(store.collect(Timestamp(60)).unwrap(), 1);
        commit(store);
        assert_eq!(store.root(), naive(&[records[3].key()]));
        assert_eq!(told(&changes(&store.reader(), 0).entries), [(4, ChangeKind::Added, records[3].id())]);
        assert_eq!(store.last_lsn(), Lsn(5));
        assert_eq!(store.put(&spec(5, 14).make()).unwrap(), Put::Inserted { lsn: Lsn(6) });
        assert_eq!(store.last_hlc().unwrap(), Hlc::at(Timestamp(50)));
    });
}

#[test]
fn a_rollback_restores_everything() {
    each_store(|store| {
        put_all(
            store,
            [spec(1, 10).expiring(60), spec(2, 11), spec(3, 12).deleted(), spec(4, 13).expiring(50)],
        );
        store.set_meta("name", b"before").unwrap();
        store.expire(Timestamp(50), 10).unwrap();
        commit(store);
        let before = observe(store);
        for _ in 0..2 {
            put_all(
                store,
                [spec(2, 20), spec(5, 21).of("new.type").by(3), spec(4, 22), spec(1, 23).deleted()],
            );
            store.expire(Timestamp(70), 10).unwrap();
            assert_eq!(store.collect(Timestamp(20)).unwrap(), 1);
            store.set_meta("name", b"after").unwrap();
            store.set_meta("other", b"after").unwrap();
            assert_ne!(store.root().count, 2);
            assert_eq!(store.meta("name").unwrap().as_deref(), Some(&b"after"[..]));
            store.rollback().unwrap();
            assert_eq!(observe(store), before);
            assert_eq!(store.meta("other").unwrap(), None);
        }
        put_all(store, [spec(5, 21).of("new.type").by(3)]);
        commit(store);
        let page = store.reader().list(&ListQuery { creator: Some(peer(3)), ..query() }, EARLY);
        assert_eq!(page.unwrap().total, Some(1));
    });
}

#[test]
fn readers_see_what_is_committed_while_a_transaction_is_open() {
    each_store(|store| {
        let reader = store.reader();
        let records = put_all(store, [spec(1, 10), spec(2, 11)]);
        assert_eq!((read(&reader, &records[0]), reader.last_lsn().unwrap()), (None, Lsn(0)));
        commit(store);
        let before = (changes(&reader, 0), reader.list(&query(), EARLY).unwrap());
        put_all(store, [spec(1, 20), spec(3, 21)]);
        store.expire(Timestamp(1), 1).unwrap();
        let from_another_thread = std::thread::spawn({
            let (reader, id) = (reader.clone(), records[0].id());
            move || reader.get(&id, EARLY).unwrap()
        });
        assert_eq!(from_another_thread.join().unwrap(), Some(records[0].to_record()));
        assert_eq!((changes(&reader, 0), reader.list(&query(), EARLY).unwrap()), before);
        commit(store);
        assert_eq!(told(&changes(&reader, 2).entries).len(), 2);
    });
}
