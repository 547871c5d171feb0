//! What a step of a sweep costs among many records, and what is left of one if the node is killed between two steps.

use std::sync::{Arc, atomic::Ordering};

use super::super::{
    Removal,
    adversary_tests::header,
    group_tests::Village,
    ingest::Candidate,
    sweep_tests::{rest, shared},
};
use crate::{
    record::{Header, RecordType, RecordUpdate, Role, SignedRecord},
    records::{MemoryStore, Watch},
    time::{Hlc, Timestamp},
};

/// What one step may look at, and how many chunks it may store.
const READ: usize = 512;
const CHUNKS: usize = 8;

/// A note by a member, so many milliseconds after now.
pub(in super::super) fn note(village: &Village, who: usize, number: u64, millis: u64) -> SignedRecord {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    let hlc = Hlc::at(Timestamp(village.engines[0].peer_time(village.now()).0 + millis));
    let header = header(village.peer(who), RecordType::new("test.note").unwrap(), hlc, nonce);
    let header = Header { grant: village.engines[who].group.own_grant(), ..header };
    SignedRecord::sign(&village.graph(), &village.keys[who], header, &[1; 8])
}

/// An owner with a watched database, in which a member and somebody else wrote so many notes by turns.
pub(in super::super) fn many(seed: u64, count: u64) -> (Village, Arc<Watch>) {
    let mut village = Village::new(seed, 4);
    let store = MemoryStore::new(village.graph(), 1);
    let watch = store.watch.clone();
    for who in [1, 2] {
        assert!(village.grant(0, who, Role::Member));
    }
    village.converge(seed);
    let known = village.records(0);
    village.engines[0] = village.engine_on(0, Box::new(store));
    village.give(0, known);
    for some in 0..count / 1000 {
        let notes = (0..1000).map(|at| some * 1000 + at);
        let notes: Vec<SignedRecord> =
            notes.map(|number| note(&village, 1 + number as usize % 2, number, number / 1000)).collect();
        village.act(0, |engine, _| engine.incoming.extend(notes.into_iter().map(Candidate::held)));
    }
    assert_eq!(village.engines[0].fingerprint().count, village.records(1).len() as u64 + count);
    rest(&mut village, 0);
    (village, watch)
}

/// Lets an engine go on until nothing is left to do, and looks at what each turn costs. How many turns there were.
fn costs_little(village: &mut Village, watch: &Watch) -> usize {
    for turn in 1.. {
        watch.read.store(0, Ordering::Relaxed);
        watch.put.store(0, Ordering::Relaxed);
        village.act(0, |engine, now| engine.handle_timeout(now));
        let (read, put) = (watch.read.load(Ordering::Relaxed), watch.put.load(Ordering::Relaxed));
        assert!(read <= READ && put <= CHUNKS + 1, "turn {turn} read {read} and put {put}");
        let engine = &village.engines[0];
        if engine.group.sweep.is_over() && !engine.group.listings.is_due() {
            return turn;
        }
    }
    unreachable!()
}

fn a_removal_among(count: u64) {
    for keep_records in [true, false] {
        let (mut village, watch) = many(0x1209, count);
        let peer = village.peer(1);
        watch.read.store(0, Ordering::Relaxed);
        let removal = Removal { keep_records, ..Removal::default() };
        village.act(0, |engine, now| engine.remove(now, peer, "", removal)).unwrap();
        // That call does a step of both.
        assert!(watch.read.load(Ordering::Relaxed) <= 2 * READ);
        let turns = costs_little(&mut village, &watch);
        assert!(turns as u64 >= count / READ as u64, "{turns} turns");
        let left = village.engines[0].fingerprint().count;
        let acts = village.engines[0].credentials().unwrap().len() as u64;
        let stay = if keep_records { count } else { count / 2 };
        assert!(left - acts >= stay && left - acts < stay + 10, "{left} with {acts} acts: {keep_records}");
        assert_eq!(village.role(0, 1), None);
    }
}

#[test]
fn w12_a_removal_among_many_records_looks_at_a_few_in_each_step() {
    a_removal_among(20_000);
}

/// Half of them are by the one who is removed: as many as a removal can keep.
#[test]
#[ignore = "takes some minutes"]
fn w12_a_removal_among_a_million_records_looks_at_a_few_in_each_step() {
    a_removal_among(1_000_000);
}

#[test]
fn w12_many_that_lost_in_conflicts_are_judged_some_at_a_time() {
    let mut village = shared(0x12a, 4);
    for who in [1, 2] {
        assert!(village.grant(0, who, Role::Member));
    }
    village.converge(1);
    let notes: Vec<SignedRecord> =
        (0..1200).map(|number| village.publish(0, &number.to_string()).unwrap()).collect();
    for editor in [1, 2] {
        village.copy(0, editor);
    }
    village.pass(5);
    for editor in [1, 2] {
        for note in &notes {
            let update = RecordUpdate::body(format!("by {editor}"));
            village.act(editor, |engine, now| engine.update(now, &note.id(), update)).unwrap();
        }
        village.pass(5);
    }
    let store = MemoryStore::new(village.graph(), 1);
    let watch = store.watch.clone();
    village.engines[0] = village.engine_on(0, Box::new(store));
    for editor in [1, 2] {
        village.copy(editor, 0);
    }
    rest(&mut village, 0);
    let losers = village.engines[0].store.losers().len();
    assert_eq!(losers, notes.len());
    let peer = village.peer(1);
    let removal = Removal { keep_records: false, ..Removal::default() };
    village.act(0, |engine, now| engine.remove(now, peer, "", removal)).unwrap();
    costs_little(&mut village, &watch);
    assert_eq!(village.engines[0].store.losers().len(), 0);
}

/// A database in a file, as a kill at this moment leaves it.
#[cfg(feature = "sqlite")]
mod killed {
    use std::{fs, path::Path};

    use super::{
        super::super::sweep_tests::{a_conflict, leave, shown, withheld},
        *,
    };
    use crate::{
        limits::LIST_PATIENCE,
        records::{Fingerprint, SqliteStore},
    };

    type State = (
        Fingerprint,
        [std::collections::BTreeSet<crate::record::RecordKey>; 2],
        Vec<crate::record::RecordKey>,
    );

    fn open(village: &Village, path: &Path) -> SqliteStore {
        SqliteStore::open(path, village.graph(), 42).unwrap().0
    }

    fn state(village: &Village, at: usize) -> State {
        let (notes, conflicts) = shown(village, at);
        (village.engines[at].fingerprint(), [notes, conflicts], withheld(village, at))
    }

    /// Keeps what a kill would leave now.
    fn keep(path: &Path, left: &mut Vec<tempfile::TempDir>) {
        let dir = tempfile::tempdir().unwrap();
        for file in ["db", "db-wal"] {
            if path.with_file_name(file).exists() {
                fs::copy(path.with_file_name(file), dir.path().join(file)).unwrap();
            }
        }
        left.push(dir);
    }

    /// Takes the steps of a sweep that `begin` brings about, and a kill before and after each of their commits.
    fn ends_alike(village: &mut Village, path: &Path, begin: impl FnOnce(&mut Village)) -> usize {
        let mut left = Vec::new();
        begin(village);
        keep(path, &mut left);
        while !village.engines[0].group.sweep.is_over() {
            let now = village.now();
            village.engines[0].handle_timeout(now);
            keep(path, &mut left);
            village.engines[0].flush(now).unwrap();
            keep(path, &mut left);
        }
        rest(village, 0);
        let expected = state(village, 0);
        let other = village.engine_on(0, Box::new(MemoryStore::new(village.graph(), 1)));
        let whole = std::mem::replace(&mut village.engines[0], other);
        for (number, dir) in left.iter().enumerate() {
            let store = open(village, &dir.path().join("db"));
            village.engines[0] = village.engine_on(0, Box::new(store));
            rest(village, 0);
            // What waits for a list has its time after a start as well.
            village.pass(1 + LIST_PATIENCE.as_secs());
            village.act(0, |engine, now| engine.handle_timeout(now));
            rest(village, 0);
            assert!(state(village, 0) == expected, "killed at {number} of {}", left.len());
        }
        village.engines[0] = whole;
        left.len()
    }

    #[test]
    fn w12_a_node_that_is_killed_at_any_commit_of_a_sweep_ends_equal_to_one_that_was_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let mut village = shared(0x12c, 4);
        let store = open(&village, &path);
        let known = village.records(0);
        village.engines[0] = village.engine_on(0, Box::new(store));
        village.give(0, known);
        a_conflict(&mut village, 2);
        // Of both members notes, and edits of each other's that lost.
        for number in 0..1600 {
            village.publish(1 + number % 2, &number.to_string()).unwrap();
        }
        for who in [1, 2] {
            village.copy(who, 0);
            village.copy(who, 3 - who);
        }
        village.pass(5);
        for editor in [1, 2] {
            let by_two = village.peer(2);
            let notes = village.records(0).into_iter().filter(|note| note.header().creator == by_two);
            let notes: Vec<SignedRecord> = notes.take(100).collect();
            for note in &notes {
                let update = RecordUpdate::body(format!("by {editor}"));
                let _ = village.act(editor, |engine, now| engine.update(now, &note.id(), update));
            }
            village.pass(5);
        }
        for who in [1, 2] {
            village.copy(who, 0);
        }
        rest(&mut village, 0);
        assert!(village.engines[0].store.losers().len() > 50);
        // Member 1 leaves, and its list does not come: what it wrote is withheld.
        let theirs: Vec<SignedRecord> = village
            .records(1)
            .into_iter()
            .filter(|record| {
                record.header().author() == village.peer(1)
                    && record.header().record_type.as_str() == "test.note"
            })
            .collect();
        let list = leave(&mut village, 1, &theirs);
        let acts = village.engines[1].credentials().unwrap();
        village.give(0, acts);
        village.pass(1 + LIST_PATIENCE.as_secs());
        let steps = ends_alike(&mut village, &path, |village| {
            village.act(0, |engine, now| engine.handle_timeout(now));
        });
        assert!(steps > 6 && withheld(&village, 0).len() > 300, "{steps} steps");
        // The list comes: they are released.
        let steps = ends_alike(&mut village, &path, |village| village.give(0, list));
        assert!(steps > 4 && withheld(&village, 0).is_empty(), "{steps} steps");
        // Member 2 is removed with all that it wrote.
        let peer = village.peer(2);
        let removal = Removal { keep_records: false, ..Removal::default() };
        let steps = ends_alike(&mut village, &path, |village| {
            village.act(0, |engine, now| engine.remove(now, peer, "", removal)).unwrap();
        });
        assert!(steps > 4 && shown(&village, 0).0.len() > 300, "{steps} steps");
        assert!(!village.records(0).iter().any(|record| {
            record.header().author() == peer && record.header().record_type.as_str() == "test.note"
        }));
    }
}
