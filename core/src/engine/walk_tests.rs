//! What a walk costs for what others wrote, and that nobody outruns one.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use super::super::{
    Engine, Removal,
    group_tests::Village,
    ingest::Candidate,
    sweep::steps_tests::{many, note},
    sweep_tests::{keys, leave, rest, shared, shown, withheld},
};
use crate::{
    ids::PeerId,
    limits::LIST_PATIENCE,
    record::{RecordUpdate, Role, SignedRecord},
    records::{MemoryStore, Watch},
};

/// Notes that come with each step, many more than one looks at: by turns among those that are there, and behind them.
const FLOOD: u64 = 1000;

fn removal(keep_records: bool) -> Removal {
    Removal { keep_records, ..Removal::default() }
}

fn notes_by(village: &Village, who: usize) -> Vec<SignedRecord> {
    let is_theirs = |record: &SignedRecord| {
        record.header().author() == village.peer(who) && record.header().record_type.as_str() == "test.note"
    };
    village.records(0).into_iter().filter(is_theirs).collect()
}

/// Lets the owner's engine go on while somebody floods it. In how many steps something was done.
fn done_in_a_flood(village: &mut Village, who: usize, done: impl Fn(&Engine) -> bool) -> u64 {
    for turn in 1..50 {
        let numbers = (0..FLOOD).map(|at| 1_000_000 + turn * FLOOD + at);
        let flood: Vec<SignedRecord> =
            numbers.map(|number| note(village, who, number, [2, 50][number as usize % 2])).collect();
        village.act(0, |engine, now| {
            engine.incoming.extend(flood.into_iter().map(Candidate::held));
            engine.handle_timeout(now);
        });
        if done(&village.engines[0]) {
            return turn;
        }
    }
    panic!("it was outrun");
}

#[test]
fn x16_a_member_who_floods_a_node_does_not_outrun_the_list_of_its_removal() {
    let (mut village, _) = many(0x1600, 4000);
    let peer = village.peer(1);
    village.act(0, |engine, now| engine.remove(now, peer, "", removal(true))).unwrap();
    let turns = done_in_a_flood(&mut village, 1, |engine| !engine.group.listings.is_due());
    assert_eq!(village.role(0, 1), None, "it was removed");
    assert!(turns < 30, "{turns} turns");
    // What came before the act was signed is listed, and stays.
    rest(&mut village, 0);
    let left = notes_by(&village, 1).len() as u64;
    assert!(left >= 2000 && left < 2000 + turns * FLOOD, "{left} notes are left");
    let all = village.records(0);
    village.restart(0);
    rest(&mut village, 0);
    assert!(village.records(0) == all, "and after a restart");
}

#[test]
fn x16_what_others_write_meanwhile_is_no_part_of_a_sweep() {
    let (mut village, _) = many(0x1601, 4000);
    let peer = village.peer(1);
    village.act(0, |engine, now| engine.remove(now, peer, "", removal(false))).unwrap();
    let turns = done_in_a_flood(&mut village, 2, |engine| engine.group.sweep.is_over());
    assert!(turns <= 2000 / 256 + 3, "{turns} turns");
    assert!(notes_by(&village, 1).is_empty());
    assert_eq!(notes_by(&village, 2).len() as u64, 2000 + turns * FLOOD);
}

/// What is read while somebody does something, and until nothing is left to be judged.
fn reads(village: &mut Village, watch: &Arc<Watch>, act: impl FnOnce(&mut Village)) -> usize {
    watch.read.store(0, Ordering::Relaxed);
    act(village);
    rest(village, 0);
    watch.read.load(Ordering::Relaxed)
}

#[test]
fn x17_the_grant_and_removal_of_somebody_who_wrote_nothing_read_nothing() {
    let (mut village, watch) = many(0x1700, 4000);
    let guest = village.peer(3);
    for keep_records in [true, false] {
        let read = reads(&mut village, &watch, |village| {
            assert!(village.grant(0, 3, Role::Member));
            village.act(0, |engine, now| engine.remove(now, guest, "", removal(keep_records))).unwrap();
        });
        assert!(read < 10, "{read} versions were read");
        assert!(village.engines[0].group.listings.is_empty(), "and it is done");
    }
    // Nor while the records of somebody else are withheld.
    let theirs = notes_by(&village, 1);
    leave(&mut village, 1, &theirs);
    let acts = village.engines[1].credentials().unwrap();
    village.give(0, acts);
    village.pass(1 + LIST_PATIENCE.as_secs());
    let read = reads(&mut village, &watch, |village| {
        village.act(0, |engine, now| engine.handle_timeout(now));
    });
    assert_eq!(withheld(&village, 0).len(), 2000);
    assert!(read >= 4000, "each of them, current and then withheld: {read}");
    let read = reads(&mut village, &watch, |village| {
        for role in [Role::Member, Role::Inviter] {
            assert!(village.grant(0, 3, role));
        }
        village.act(0, |engine, now| engine.remove(now, guest, "", removal(true))).unwrap();
    });
    assert!(read < 10, "{read} versions were read");
}

/// A version moves to the end of the feed, beyond what a sweep under way looks at, when a loser of a conflict is kept.
#[test]
fn x16_a_version_that_moves_in_the_feed_during_a_sweep_or_a_list_is_judged_and_listed() {
    for keep_records in [true, false] {
        let mut village = shared(0x1602, 4);
        for who in [1, 2] {
            assert!(village.grant(0, who, Role::Member));
        }
        village.converge(1);
        let notes: Vec<SignedRecord> =
            (0..1200).map(|number| village.publish(0, &number.to_string()).unwrap()).collect();
        for editor in [2, 1] {
            village.copy(0, editor);
            village.pass(5);
            for note in &notes {
                let update = RecordUpdate::body(format!("by {editor}"));
                village.act(editor, |engine, now| engine.update(now, &note.id(), update)).unwrap();
            }
        }
        let store = MemoryStore::new(village.graph(), 1);
        village.engines[0] = village.engine_on(0, Box::new(store));
        village.copy(1, 0);
        rest(&mut village, 0);
        let theirs = keys(&notes_by(&village, 1));
        assert_eq!(theirs.len(), 1200, "the later ones");
        let peer: PeerId = village.peer(1);
        village.act(0, |engine, now| engine.remove(now, peer, "", removal(keep_records))).unwrap();
        // The last of them lose no more: they move before they are looked at.
        let moved: BTreeSet<_> = notes[1000..].iter().map(SignedRecord::id).collect();
        let losers = village.records(2).into_iter().filter(|record| moved.contains(&record.id())).collect();
        let before = village.engines[0].store.last_lsn();
        village.give(0, losers);
        assert!(village.engines[0].store.last_lsn() > before);
        for _ in 0..20 {
            village.act(0, |engine, now| engine.handle_timeout(now));
        }
        rest(&mut village, 0);
        let left = keys(&notes_by(&village, 1));
        match keep_records {
            true => assert!(left == theirs, "all are listed"),
            false => assert!(left.is_empty(), "all were judged"),
        }
        assert!(!shown(&village, 0).0.is_empty());
    }
}
