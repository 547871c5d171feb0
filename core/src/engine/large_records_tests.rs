//! Walks over a database of few large records, and over one of which a record cannot be read.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use super::{Notice, PublishError, Removal, group_tests::Village, load::Unchecked};
use crate::{
    crypto::SecretKey,
    ids::RecordId,
    limits::STEP_BYTES,
    record::{RecordDraft, RecordKey, Role},
    records::{MemoryStore, Watch},
};

const LARGE: usize = 1_000_000;

/// Member 1 wrote so many records of this size; 0 has them in a database that is watched.
fn written(seed: u64, count: usize, size: usize) -> (Village, Arc<Watch>, Vec<RecordId>) {
    let mut village = Village::new(seed, 2);
    assert!(village.grant(0, 1, Role::Member));
    village.converge(seed);
    let records = village.act(1, |engine, now| {
        let draft = |number: usize| RecordDraft::new("test.note", vec![number as u8; size]).unwrap();
        (0..count).map(|number| engine.publish(now, draft(number)).unwrap().id).collect()
    });
    village.copy(0, 1);
    let store = MemoryStore::new(village.graph(), 1);
    let watch = store.watch.clone();
    village.engines[0] = village.engine_on(0, Box::new(store));
    village.copy(1, 0);
    village.engines[0].unchecked = Some(Unchecked::Current(RecordKey::MIN));
    (village, watch, records)
}

/// Turns of one engine until nothing is due; the most bytes that were read in one, and how many turns.
fn turns(village: &mut Village, watch: &Watch) -> (usize, usize) {
    let (mut most, mut count) = (0, 0);
    loop {
        let engine = &village.engines[0];
        if engine.group.sweep.is_over() && engine.unchecked.is_none() && !engine.group.listings.is_due() {
            return (most, count);
        }
        count += 1;
        assert!(count < 1000, "it never ends");
        watch.bytes.store(0, Ordering::Relaxed);
        village.act(0, |engine, now| engine.handle_timeout(now));
        most = most.max(watch.bytes.load(Ordering::Relaxed));
    }
}

fn all_here(village: &Village, records: &[RecordId]) -> bool {
    records.iter().all(|id| village.engines[0].current(id).unwrap().is_some())
}

fn told(village: &mut Village) -> Vec<Result<(), PublishError>> {
    let notices = std::iter::from_fn(|| village.engines[0].poll_notice());
    let results = notices.filter_map(|notice| match notice {
        Notice::Listed { result, .. } => Some(result),
        _ => None,
    });
    results.collect()
}

#[test]
fn x12_a_step_of_a_walk_reads_a_few_mebibytes_at_most() {
    let (mut village, watch, records) = written(0x12, 40, LARGE);
    let enough = STEP_BYTES + 2 * LARGE;
    // The check at a start, which holds what it read.
    let (most, count) = turns(&mut village, &watch);
    assert!(most <= enough && count >= 10, "{most} bytes at once, in {count} steps");
    // A removal that keeps them lists them, and sweeps.
    let peer = village.peer(1);
    village.act(0, |engine, now| engine.remove(now, peer, "", Removal::default())).unwrap();
    let (most, count) = turns(&mut village, &watch);
    assert!(most <= 2 * enough && count >= 10, "{most} bytes at once, in {count} steps");
    assert!(matches!(told(&mut village)[..], [Ok(())]));
    assert!(all_here(&village, &records));
    village.converge(0x12);
}

#[test]
fn x15_one_record_that_cannot_be_read_fails_no_removal() {
    let (mut village, watch, mut records) = written(0x15, 20, 100);
    turns(&mut village, &watch);
    let bad = records.remove(7);
    let key = village.engines[0].current(&bad).unwrap().unwrap().key();
    *watch.damaged.lock().unwrap() = Some(key);
    let peer = village.peer(1);
    village.act(0, |engine, now| engine.remove(now, peer, "", Removal::default())).unwrap();
    assert!(village.role(0, 1).is_none(), "it is carried out");
    turns(&mut village, &watch);
    assert!(all_here(&village, &records), "all others are kept");
    *watch.damaged.lock().unwrap() = None;
    assert!(!village.engines[0].store.contains(&key).unwrap(), "it was thrown out");
}

#[test]
fn x14_a_restart_does_not_begin_anew_the_day_that_a_neighbor_has_to_lack_most_of_a_database() {
    let (mut village, _, records) = written(0x14, 1100, 8);
    let node = SecretKey::from_bytes(&[5; 32]).node();
    let lacked: BTreeSet<RecordKey> =
        records.iter().map(|id| village.engines[0].current(id).unwrap().unwrap().key()).collect();
    for hours in [0, 10, 10, 10] {
        assert!(all_here(&village, &records), "it is kept for a day");
        village.pass(hours * 3600);
        village.act(0, |engine, now| engine.drop_lacked(now, node, &lacked, true));
        village.restart(0);
    }
    assert!(records.iter().all(|id| village.engines[0].current(id).unwrap().is_none()));
}
