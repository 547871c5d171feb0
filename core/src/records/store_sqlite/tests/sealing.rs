use std::{fs, path::Path};

use rusqlite::Connection;

use super::super::*;
use crate::{
    records::{
        Store,
        store_conformance::{GRAPH, commit, observe, put_all, spec},
    },
    time::Timestamp,
};

const SECRET: &[u8] = b"a value that nobody shall read";

fn sealer(key: u8) -> Sealer {
    Sealer::new([key; 32].into(), vec![key; 40], rand::random())
}

fn open_sealed(path: &Path) -> SqliteStore {
    SqliteStore::open_sealed(path, GRAPH, 42, sealer(1)).unwrap().0
}

/// Writes what the tests look for.
fn fill(store: &mut SqliteStore) {
    put_all(store, (0..600).map(|n| spec(n, 10 + n)));
    put_all(store, [spec(1, 2000).deleted(), spec(2, 2001).expiring(3000)]);
    store.expire(Timestamp(3000), 9).unwrap();
    store.set_meta("secret", SECRET).unwrap();
    for n in 50..60 {
        store.withhold(&spec(n, 10 + n).make().signed().key()).unwrap();
    }
    commit(store);
}

/// How often bodies or the secret occur in the database and what lies beside it.
fn hits(dir: &Path) -> usize {
    let mut found = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let content = fs::read(entry.unwrap().path()).unwrap();
        for needle in [&b"body 5"[..], SECRET] {
            found += content.windows(needle.len()).filter(|part| *part == needle).count();
        }
    }
    found
}

#[test]
fn r24_no_content_is_in_the_files_of_a_sealed_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut store = open_sealed(&path);
    fill(&mut store);
    assert!(dir.path().join("db-wal").exists());
    assert_eq!(hits(dir.path()), 0, "while it is open");
    let before = observe(&store);
    drop(store);
    assert_eq!(hits(dir.path()), 0, "when it is closed");
    let store = open_sealed(&path);
    assert_eq!(observe(&store), before);
    assert_eq!(store.meta("secret").unwrap().unwrap(), SECRET);
    // The same in the clear, to show that the search finds what is there.
    let plain = tempfile::tempdir().unwrap();
    fill(&mut SqliteStore::open(&plain.path().join("db"), GRAPH, 42).unwrap().0);
    assert!(hits(plain.path()) > 100);
}

#[test]
fn r24_a_plain_database_is_sealed_with_nothing_left_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = SqliteStore::open(&path, GRAPH, 42).unwrap();
    fill(&mut store);
    // Free pages with content.
    put_all(&mut store, (0..400).map(|n| spec(n, 5000 + n).deleted()));
    commit(&mut store);
    let before = observe(&store);
    drop(store);
    assert!(hits(dir.path()) > 0);
    let store = open_sealed(&path);
    assert_eq!(hits(dir.path()), 0);
    assert_eq!(observe(&store), before);
    drop(store);
    assert_eq!(hits(dir.path()), 0);
    assert_eq!(observe(&open_sealed(&path)), before);
}

#[test]
fn r24_sealing_that_was_broken_off_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut store, _) = SqliteStore::open(&path, GRAPH, 42).unwrap();
    fill(&mut store);
    let before = observe(&store);
    drop(store);
    // Sealed, and killed before the rest of the file was cleaned.
    let mut conn = file::open_existing(&path).unwrap();
    file::configure_writer(&path, &conn).unwrap();
    sealing::seal(&mut conn, &sealer(1)).unwrap();
    let killed = tempfile::tempdir().unwrap();
    for name in ["db", "db-wal"] {
        fs::copy(dir.path().join(name), killed.path().join(name)).unwrap();
    }
    drop(conn);
    assert!(hits(killed.path()) > 0);
    let store = open_sealed(&killed.path().join("db"));
    assert_eq!((hits(killed.path()), observe(&store)), (0, before));
}

#[test]
fn r24_a_sealed_database_opens_with_its_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    fill(&mut open_sealed(&path));
    let locked = |result: Result<_, StoreError>| matches!(result, Err(StoreError::Locked));
    assert!(locked(SqliteStore::open(&path, GRAPH, 42).map(drop)));
    assert!(locked(SqliteStore::open_sealed(&path, GRAPH, 42, sealer(2)).map(drop)));
    assert!(locked(SqliteStore::peek_meta(&path, GRAPH, "secret", None).map(drop)));
    assert_eq!(SqliteStore::peek_wrapped_key(&path).unwrap(), Some(vec![1; 40]));
    let peeked = SqliteStore::peek_meta(&path, GRAPH, "secret", Some(sealer(1))).unwrap();
    assert_eq!(peeked.as_deref(), Some(SECRET));
    // The right name for the wrong key opens nothing.
    let liar = Sealer::new([2; 32].into(), vec![1; 40], [0; 32]);
    let (store, _) = SqliteStore::open_sealed(&path, GRAPH, 42, liar).unwrap();
    assert!(matches!(store.meta("secret"), Err(StoreError::Damaged(_))));
}

#[test]
fn r24_altered_values_are_found_out_and_do_not_hide_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut store = open_sealed(&path);
    let records = put_all(&mut store, (0..5).map(|n| spec(n, 10 + n)));
    store.set_meta("secret", SECRET).unwrap();
    commit(&mut store);
    let raw = Connection::open(&path).unwrap();
    let sealed: Vec<u8> =
        raw.query_row("SELECT envelope FROM records WHERE lsn = 2", [], |r| r.get(0)).unwrap();
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        raw.execute("UPDATE records SET envelope = ?1 WHERE lsn = 2", [altered]).unwrap();
        assert!(matches!(store.get(&records[1].id()), Err(StoreError::Damaged(_))), "byte {at}");
    }
    // One row in the place of another is as bad.
    raw.execute(
        "UPDATE records SET envelope = (SELECT envelope FROM records WHERE lsn = 3) WHERE lsn = 2",
        [],
    )
    .unwrap();
    assert!(matches!(store.reader().get(&records[1].id(), Timestamp(1)), Err(StoreError::Damaged(_))));
    let (found, next) = store.envelopes(&Filter::All, RecordKey::MIN, None, usize::MAX).unwrap();
    assert_eq!((found.len(), next), (4, None));
    store.discard(&records[1].key()).unwrap();
    commit(&mut store);
    assert_eq!(store.root().count, 4);
    raw.execute("UPDATE meta SET value = zeroblob(60) WHERE name = 'secret'", []).unwrap();
    assert!(matches!(store.meta("secret"), Err(StoreError::Damaged(_))));
}
