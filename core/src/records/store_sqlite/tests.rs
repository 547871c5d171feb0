use std::{fs, path::Path};

use super::*;
use crate::records::{
    ListQuery, Store,
    store_conformance::{EARLY, GRAPH, Spec, all_keys, commit, naive, observe, peer, put_all, spec},
};
use crate::{ids::Lsn, time::Timestamp};

mod sealing;

fn open(path: &Path) -> (SqliteStore, Opened) {
    SqliteStore::open(path, GRAPH, 42).unwrap()
}

fn failure(path: &Path) -> StoreError {
    SqliteStore::open(path, GRAPH, 42).unwrap_err()
}

/// The database as the disk has it now, elsewhere: what a killed process leaves.
fn killed(path: &Path) -> (tempfile::TempDir, SqliteStore) {
    let dir = tempfile::tempdir().unwrap();
    for file in ["db", "db-wal"] {
        if path.with_file_name(file).exists() {
            fs::copy(path.with_file_name(file), dir.path().join(file)).unwrap();
        }
    }
    let (store, opened) = open(&dir.path().join("db"));
    assert_eq!(opened, Opened::Existing);
    (dir, store)
}

#[test]
fn g4_g39_a_database_is_found_again_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, opened) = open(&path);
    assert_eq!((opened, store.reader().incarnation()), (Opened::Created, 42));
    put_all(&mut store, (0..700).map(|n| spec(n, 10 + n)));
    put_all(&mut store, [spec(1, 2000).deleted(), spec(2, 2001).expiring(3000)]);
    store.expire(Timestamp(3000), 9).unwrap();
    store.collect(Timestamp(2500)).unwrap();
    store.set_meta("name", b"value").unwrap();
    store.commit(Durability::Synced).unwrap();
    let before = observe(&store);
    put_all(&mut store, [spec(3, 4000)]);
    drop(store);
    let (store, opened) = SqliteStore::open(&path, GRAPH, 43).unwrap();
    assert_eq!((opened, store.reader().incarnation()), (Opened::Existing, 42));
    assert_eq!(observe(&store), before, "what was not committed is gone");
}

#[test]
fn r23_a_crash_leaves_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = open(&path);
    let mut committed = observe(&store);
    for round in 0..6u64 {
        put_all(&mut store, (0..150).map(|n| spec(n * 5 % (40 * (round + 1)), 1000 * round + 10 + n)));
        put_all(&mut store, [spec(round, 1000 * round + 900).deleted()]);
        let (_dir, found) = killed(&path);
        assert_eq!(observe(&found), committed, "in the middle of transaction {round}");
        let durability = if round % 2 == 0 { Durability::Synced } else { Durability::Relaxed };
        store.commit(durability).unwrap();
        committed = observe(&store);
        let (_dir, found) = killed(&path);
        assert_eq!(observe(&found), committed, "after transaction {round}");
    }
}

#[test]
fn r23_a_log_that_is_cut_anywhere_leaves_a_state_that_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = open(&path);
    let mut states = vec![observe(&store)];
    for round in 0..4u64 {
        put_all(&mut store, (0..10).map(|n| spec(n + 5 * round, 100 * round + 10 + n)));
        commit(&mut store);
        states.push(observe(&store));
    }
    let log = fs::read(path.with_file_name("db-wal")).unwrap();
    let mut found = std::collections::BTreeSet::new();
    for cut in (0..=log.len()).step_by(log.len() / 40) {
        let dir = tempfile::tempdir().unwrap();
        fs::copy(&path, dir.path().join("db")).unwrap();
        fs::write(dir.path().join("db-wal"), &log[..cut]).unwrap();
        let seen = observe(&open(&dir.path().join("db")).0);
        let state = states.iter().position(|state| *state == seen);
        found.insert(state.unwrap_or_else(|| panic!("cut at {cut} of {}", log.len())));
    }
    assert!(found.len() >= 4, "{found:?}");
}

#[test]
fn b9_numbers_in_a_file_that_no_database_reaches_stop_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = open(&path);
    put_all(&mut store, (0..700).map(|n| spec(n, 10 + n)));
    commit(&mut store);
    let (whole, end) = (observe(&store), store.last.0.0);
    drop(store);
    let change = |sql: &str, number: i64| {
        rusqlite::Connection::open(&path).unwrap().execute(sql, [number]).unwrap();
    };
    // A feed that cannot go on: damaged.
    for lsn in [-1, i64::MIN, i64::MAX] {
        change("UPDATE state SET last_lsn = ?1", lsn);
        assert!(matches!(failure(&path), StoreError::Damaged(_)), "{lsn}");
    }
    change("UPDATE state SET last_lsn = ?1", end.cast_signed());
    // Sums that do not fit, of keys and of losers: as any wrong ones, they are made anew or do not matter.
    for number in [-1, i64::MIN, i64::MAX] {
        change("UPDATE buckets SET count = ?1", number);
        change("UPDATE buckets SET slot = ?1 WHERE slot = (SELECT max(slot) FROM buckets)", number);
        for place in [number, 5, 6] {
            let sql = "INSERT OR REPLACE INTO conflicts VALUES (?1, randomblob(16), randomblob(24), zeroblob(32), 1, 1, NULL, ?1, NULL, zeroblob(32))";
            change(sql, place);
            change("UPDATE conflicts SET bytes = ?1", number);
        }
        let (mut store, _) = open(&path);
        assert_eq!(observe(&store), whole, "{number}");
        put_all(&mut store, [spec(1000, 5000)]);
        drop(store);
    }
}

#[test]
fn files_that_are_not_ours_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    drop(open(&path));
    assert!(matches!(SqliteStore::open(&path, GraphId::from_bytes([4; 32]), 1), Err(StoreError::WrongGraph)));
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(failure(&path), StoreError::Schema { found: 99, known: 6 }));
    // Of a build before the first release: refused with a word that says so, and not touched.
    raw.pragma_update(None, "user_version", 3).unwrap();
    let (whole, early) = (fs::read(&path).unwrap(), failure(&path));
    assert!(early.to_string().contains("an earlier version of the library (schema 3; this one reads 6)"));
    assert_eq!(fs::read(&path).unwrap(), whole);
    raw.pragma_update(None, "user_version", 6).unwrap();
    drop(raw);
    open(&path);

    let garbage = dir.path().join("garbage");
    fs::write(&garbage, [0x5a; 5000]).unwrap();
    assert!(matches!(failure(&garbage), StoreError::Damaged(_)));
    assert_eq!(fs::read(&garbage).unwrap(), [0x5a; 5000]);
    let foreign = dir.path().join("foreign");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(failure(&foreign), StoreError::Damaged(_)));
    assert!(matches!(failure(&dir.path().join("missing/db")), StoreError::Io(_)));
    let empty = dir.path().join("empty");
    fs::write(&empty, []).unwrap();
    assert_eq!(open(&empty).1, Opened::Created);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = open(&path);
    put_all(&mut store, [spec(1, 10)]);
    commit(&mut store);
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3);
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[test]
fn wrong_summaries_are_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = open(&path);
    put_all(&mut store, (0..600).map(|n| spec(n, 10 + n)));
    commit(&mut store);
    let expected = naive(&all_keys(&store));
    drop(store);
    for wrong in [
        "UPDATE buckets SET count = count + 1 WHERE slot = 0",
        "UPDATE buckets SET hash = zeroblob(2048)",
        "UPDATE buckets SET hash = x'00', start = x'00'",
        "DELETE FROM buckets",
    ] {
        rusqlite::Connection::open(&path).unwrap().execute(wrong, []).unwrap();
        assert_eq!(open(&path).0.root(), expected, "{wrong}");
        let buckets = rusqlite::Connection::open(&path).unwrap();
        let sum: i64 = buckets.query_row("SELECT sum(count) FROM buckets", [], |row| row.get(0)).unwrap();
        assert_eq!(sum, 600);
    }
}

#[test]
fn a_damaged_envelope_is_an_error_and_not_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = open(&path);
    let records = put_all(&mut store, [spec(1, 10)]);
    commit(&mut store);
    rusqlite::Connection::open(&path).unwrap().execute("UPDATE records SET envelope = x'ffff'", []).unwrap();
    assert!(matches!(store.get(&records[0].id()), Err(StoreError::Damaged(_))));
    assert!(matches!(store.reader().get(&records[0].id(), Timestamp(1)), Err(StoreError::Damaged(_))));
    assert!(matches!(store.put(&spec(1, 20).make()), Ok(crate::records::Put::Inserted { .. })), "replaced");
    store.rollback().unwrap();
}

#[test]
fn a_damaged_envelope_does_not_hold_up_what_expires_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = open(&path);
    put_all(&mut store, (0..6).map(|n| spec(n, 10 + n).expiring(100)));
    put_all(&mut store, (10..14).map(|n| spec(n, 10 + n).deleted()));
    commit(&mut store);
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE records SET envelope = x'ffff' WHERE lsn IN (2, 8)", []).unwrap();
    assert_eq!(store.expire(Timestamp(100), 99).unwrap().len(), 5);
    commit(&mut store);
    assert_eq!(store.root(), naive(&all_keys(&store)));
    assert_eq!((store.root().count, store.next_expiry().unwrap()), (4, None));
    raw.execute("UPDATE records SET envelope = x'ffff' WHERE lsn = 11", []).unwrap();
    assert_eq!(store.collect(Timestamp(1000)).unwrap(), 9, "five expired, four deleted");
    commit(&mut store);
    assert_eq!((store.root(), store.root().count), (naive(&[]), 0));
}

#[test]
fn a_full_disk_keeps_nothing_of_the_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(&dir.path().join("db"));
    put_all(&mut store, (0..20).map(|n| spec(n, 10 + n)));
    commit(&mut store);
    let before = observe(&store);
    let pages: i64 = store.db.conn().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    store.db.conn().query_row(&format!("PRAGMA max_page_count = {}", pages + 4), [], |_| Ok(())).unwrap();
    let more: Vec<_> = (100..400).map(|n| spec(n, 10 + n)).map(Spec::make).collect();
    let failed = more.iter().find_map(|record| store.put(record).err());
    assert!(matches!(failed, Some(StoreError::Io(_))), "{failed:?}");
    store.rollback().unwrap();
    assert_eq!(observe(&store), before);
    store.db.conn().query_row("PRAGMA max_page_count = 100000", [], |_| Ok(())).unwrap();
    put_all(&mut store, [spec(100, 110)]);
    commit(&mut store);
    assert_eq!(store.root(), naive(&all_keys(&store)));
}

#[test]
fn more_readers_than_idle_connections_are_served_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(&dir.path().join("db"));
    let records = put_all(&mut store, (0..50).map(|n| spec(n, 10 + n)));
    commit(&mut store);
    let threads: Vec<_> = (0..12)
        .map(|_| {
            let (reader, id) = (store.reader(), records[7].id());
            std::thread::spawn(move || (0..20).all(|_| reader.get(&id, Timestamp(1)).unwrap().is_some()))
        })
        .collect();
    put_all(&mut store, [spec(60, 80)]);
    commit(&mut store);
    assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
}

#[test]
fn the_buckets_on_disk_are_those_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(&dir.path().join("db"));
    let check = |store: &SqliteStore| {
        let mut kept = store.db.buckets().unwrap();
        kept.sort_unstable_by_key(|(start, _)| *start);
        let summaries = store.summaries.borrow();
        assert!(kept.iter().map(|(start, bucket)| (*start, bucket)).eq(summaries.all().buckets()));
        kept.len()
    };
    put_all(&mut store, (0..1200).rev().map(|n| spec(n, 10 + n)));
    commit(&mut store);
    assert_eq!(check(&store), 2, "one was split");
    put_all(&mut store, (0..1000).map(|n| spec(n, 2000 + n)));
    commit(&mut store);
    assert_eq!(check(&store), 3, "two were appended, and one that was emptied is gone");
    assert_eq!(store.root(), naive(&all_keys(&store)));
}

#[test]
fn one_value_is_read_without_opening_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let peek = |name: &str| SqliteStore::peek_meta(&path, GRAPH, name, None);
    assert!(matches!(peek("name"), Err(StoreError::Io(_))), "it is not there, and is not made");
    assert!(!path.exists());
    fs::write(&path, b"").unwrap();
    assert_eq!(peek("name").unwrap(), None);
    let (mut store, _) = open(&path);
    store.set_meta("name", b"value").unwrap();
    store.commit(Durability::Synced).unwrap();
    // What a killed process left is still in the log beside the file.
    let (crashed, _store) = killed(&path);
    let crashed = crashed.path().join("db");
    assert_eq!(SqliteStore::peek_meta(&crashed, GRAPH, "name", None).unwrap().unwrap(), b"value");
    drop(store);
    assert_eq!((peek("name").unwrap().unwrap(), peek("other").unwrap()), (b"value".to_vec(), None));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    fs::write(&path, [7; 4096]).unwrap();
    assert!(matches!(peek("name"), Err(StoreError::Damaged(_))));
}

#[test]
fn r20_s30_a_damaged_version_is_replaced_and_holds_up_no_batch() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = open(&path);
    put_all(&mut store, (0..4).map(|n| spec(n, 10 + n)));
    store.commit(Durability::Synced).unwrap();
    drop(store);
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE records SET envelope = x'ffff' WHERE lsn = 2", []).unwrap();
    drop(raw);
    let (mut store, _) = open(&path);
    // The second record's next version, amid others.
    put_all(&mut store, [spec(0, 100), spec(1, 101), spec(7, 102)]);
    store.commit(Durability::Synced).unwrap();
    assert_eq!(store.root().count, 5);
    for key in all_keys(&store) {
        assert!(store.fetch(&key).unwrap().is_some(), "{key:?}");
    }
}

#[test]
fn r20_s30_what_is_left_of_records_is_found_out_when_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = open(&path);
    put_all(&mut store, (0..4).map(|n| spec(n, 10 + n).expiring(1000)));
    store.expire(Timestamp(2000), 9).unwrap();
    store.commit(Durability::Synced).unwrap();
    let sound = store.left(Lsn(0), 9).unwrap();
    assert_eq!(sound.iter().filter(|(_, record)| record.is_some()).count(), 4);
    let (damaged, swapped, other) = (sound[0].0, sound[1].0, sound[2].0);
    drop(store);
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE records SET envelope = x'ffff' WHERE lsn = ?1", [damaged.0 as i64]).unwrap();
    let sql = "UPDATE records SET envelope = (SELECT envelope FROM records WHERE lsn = ?1) WHERE lsn = ?2";
    raw.execute(sql, [other.0 as i64, swapped.0 as i64]).unwrap();
    drop(raw);
    let (mut store, _) = open(&path);
    let bad: Vec<Lsn> =
        store.left(Lsn(0), 9).unwrap().into_iter().filter(|(_, r)| r.is_none()).map(|(lsn, _)| lsn).collect();
    assert_eq!(bad, [damaged, swapped]);
    for lsn in bad {
        store.discard_left(lsn).unwrap();
    }
    store.commit(Durability::Synced).unwrap();
    assert!(store.left(Lsn(0), 9).unwrap().iter().all(|(_, record)| record.is_some()));
}

#[test]
fn c6_a_page_takes_the_same_steps_at_any_size_unless_its_records_are_counted() {
    let steps = |size: u64| {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = open(&dir.path().join("db"));
        put_all(
            &mut store,
            (0..size).map(|n| {
                let kind = if n % 2 == 0 { "note" } else { "chat.message" };
                spec(n, 10 + n).of(kind).by(usize::try_from(n % 3).unwrap())
            }),
        );
        commit(&mut store);
        let (notes, ann) = (Some("note".parse().unwrap()), Some(peer(1)));
        let middle = Some(Lsn(size / 2));
        let plain = ListQuery { limit: 20, ..ListQuery::default() };
        let queries = [
            plain.clone(),
            ListQuery { record_type: notes.clone(), ..plain.clone() },
            ListQuery { creator: ann, ..plain.clone() },
            ListQuery { record_type: notes, creator: ann, ..plain.clone() },
            ListQuery { include_deleted: true, include_reserved: true, ..plain.clone() },
            ListQuery { after: middle, through: Some(Lsn(size)), ..plain.clone() },
            ListQuery { count: true, ..plain },
        ];
        queries.map(|query| {
            let (page, steps) = store.reader.page_in_steps(&query);
            assert_eq!((page.items.len(), page.total), (20, query.count.then_some(size)), "{query:?}");
            steps
        })
    };
    let (small, large) = (steps(200), steps(4000));
    let counted = small.len() - 1;
    assert_eq!(small[..counted], large[..counted]);
    assert!(
        large[counted] > 10 * small[counted],
        "only who asks for the total pays for it: {small:?} {large:?}"
    );
}

#[test]
fn w5_withheld_versions_are_found_again_and_files_without_such_a_table_get_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = open(&path);
    let records = put_all(&mut store, (0..3).map(|n| spec(n, 10 + n)));
    store.withhold(&records[1].key()).unwrap();
    commit(&mut store);
    store.withhold(&records[2].key()).unwrap();
    drop(store);
    let (store, _) = open(&path);
    assert_eq!(store.withheld(&Filter::All, RecordKey::MIN, 9).unwrap(), [records[1].key()]);
    assert_eq!(store.root(), naive(&[records[0].key(), records[2].key()]));
    let before = observe(&store);
    let (_dir, killed) = killed(&path);
    assert_eq!(observe(&killed), before);
    drop(store);
    // One that is altered is as good as absent.
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE withheld SET envelope = x'00'", []).unwrap();
    let (mut store, _) = open(&path);
    assert_eq!(store.fetch_withheld(&records[1].key()).unwrap(), None);
    assert!(store.release(&records[1].key()).unwrap().is_none());
    store.discard(&records[1].key()).unwrap();
    assert!(!store.contains(&records[1].key()).unwrap());
    drop(store);
    raw.execute_batch("DELETE FROM records; DELETE FROM buckets").unwrap();
    assert_eq!(SqliteStore::peek_is_empty(&path).unwrap(), Some(false), "withheld ones are something");
    raw.execute_batch(
        "DROP TABLE withheld; DROP INDEX records_editor; ALTER TABLE conflicts DROP COLUMN creator;
         PRAGMA user_version = 4",
    )
    .unwrap();
    assert_eq!(SqliteStore::peek_is_empty(&path).unwrap(), Some(true));
    drop(raw);
    let (mut store, _) = open(&path);
    put_all(&mut store, [spec(1, 11)]);
    assert!(store.withhold(&records[1].key()).unwrap().is_some());
}

#[test]
fn x17_what_is_found_by_author_costs_nothing_for_the_others_and_is_found_in_older_files_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = open(&path);
    let records = put_all(&mut store, (0..40).map(|n| spec(n, 10 + n).by(n as usize % 2)));
    store.withhold(&records[1].key()).unwrap();
    put_all(&mut store, [spec(0, 90).edited(3)]);
    store.keep_loser(spec(0, 80).edited(2).make().signed(), None, EARLY).unwrap();
    store.commit(Durability::Relaxed).unwrap();
    drop(store);
    let raw = rusqlite::Connection::open(&path).unwrap();
    let plan = |query: &str| {
        let mut plan = raw.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let (mut walks, mut lines) = (0, plan.raw_query());
        while let Some(line) = lines.next().unwrap() {
            let line: String = line.get(3).unwrap();
            walks += usize::from(line.contains("SCAN") || line.contains("TEMP"));
        }
        walks
    };
    assert_eq!(plan("SELECT key FROM records WHERE version = 1"), 1, "what a walk over all looks like");
    assert_eq!(plan(of_peer::CURRENT), 0);
    assert_eq!(plan(of_peer::WITHHELD), 0);

    // What schema 5 kept says of nobody whose it is.
    raw.execute_batch(
        "DROP INDEX records_editor; DROP INDEX withheld_creator; DROP INDEX withheld_author;
         ALTER TABLE conflicts DROP COLUMN creator; ALTER TABLE withheld DROP COLUMN creator;
         ALTER TABLE withheld DROP COLUMN author; PRAGMA user_version = 5",
    )
    .unwrap();
    drop(raw);
    let (store, _) = open(&path);
    for who in [1, 2] {
        assert_eq!(store.withheld_by(&peer(who), RecordKey::MIN, 9).unwrap(), [records[1].key()]);
        assert_eq!(store.losers_by(&[peer(who)].into()).len(), 1);
    }
    assert_eq!(store.current_by(&peer(3), Lsn(0), Lsn(u64::MAX), 9).unwrap().len(), 1);
}
