//! Honest nodes with one another.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    store::TestStore,
    world::{GRAPH, POOL, World, record},
};
use crate::{
    crypto::SecretKey,
    ids::LinkId,
    limits::FETCH_PATIENCE,
    record::{RecordType, SignedRecord},
    records::{
        Store, VerifiedRecord,
        sync::{SyncAbort, SyncOutcome, SyncOutput},
    },
    time::{Hlc, Timestamp},
};

fn pool(range: std::ops::Range<usize>) -> impl Iterator<Item = SignedRecord> {
    POOL[range].iter().cloned()
}

fn every(n: usize, keep: impl Fn(usize) -> bool) -> impl Iterator<Item = SignedRecord> {
    POOL[..n].iter().enumerate().filter(move |(i, _)| keep(*i)).map(|(_, record)| record.clone())
}

/// Runs one session from node 0; both must end with the union, each record sent once.
fn reconcile(mut world: World) -> World {
    let mut union = TestStore::of([]);
    for node in &world.nodes {
        for key in node.store.all() {
            let record = node.store.fetch(&key).unwrap().unwrap();
            union.put(&VerifiedRecord::unchecked(record)).unwrap();
        }
    }
    let lacking: usize = world.nodes.iter().map(|n| union.all().len() - n.store.all().len()).sum();
    assert!(world.open(1, 0));
    assert!(!world.open(1, 0));
    world.run();
    assert!(world.nodes.iter().all(|n| n.store == union));
    assert_eq!(world.records, lacking);
    for at in [0, 1] {
        let sent: u64 = world.nodes[1 - at].came.len() as u64;
        let received = world.nodes[at].came.len() as u64;
        let outcome = SyncOutcome::Reconciled { received, sent_keys: sent };
        assert_eq!(world.outcomes(at), [if lacking > 0 { outcome } else { SyncOutcome::Equal }]);
        assert!(world.nodes[at].syncs.progress().is_empty());
        assert_eq!(world.nodes[at].syncs.poll_timeout(), None);
    }
    world
}

#[test]
fn g22_equal_databases_exchange_only_digests() {
    let world = reconcile(World::pair(pool(0..20_000), pool(0..20_000)));
    assert_eq!((world.messages, world.records), (2, 0));
    assert!(world.bytes <= 128, "{} bytes", world.bytes);
    let world = reconcile(World::pair([], []));
    assert_eq!(world.messages, 2);
}

#[test]
fn an_empty_node_joins_a_full_one_by_either_side_opening() {
    for full_opens in [false, true] {
        let (a, b) = if full_opens { (20_000, 0) } else { (0, 20_000) };
        let world = reconcile(World::pair(pool(0..a), pool(0..b)));
        assert!(world.bytes <= 5_000, "{} bytes", world.bytes);
    }
}

#[test]
fn records_slower_than_messages_change_nothing() {
    for delay in [0, 5, 40] {
        let mut world = World::pair(every(3000, |i| i % 3 != 0), every(3000, |i| i % 3 != 1));
        world.bulk_delay = delay;
        reconcile(world);
    }
}

#[test]
fn disjoint_halves() {
    let world = reconcile(World::pair(pool(0..10_000), pool(10_000..20_000)));
    assert!(world.bytes <= 10_000, "{} bytes", world.bytes);
    let world = reconcile(World::pair(every(4000, |i| i % 2 == 0), every(4000, |i| i % 2 == 1)));
    assert!(world.bytes <= 4000 * 45, "{} bytes", world.bytes);
}

#[test]
fn a_recent_tail_is_cheap() {
    for (a, b) in [(20_000, 19_900), (19_900, 20_000)] {
        let world = reconcile(World::pair(pool(0..a), pool(0..b)));
        assert!(world.bytes <= 2_500, "{} bytes", world.bytes);
        assert!(world.rounds <= 14, "{} rounds", world.rounds);
    }
    let both = |mine: usize| every(20_000, move |i| i < 19_900 || i % 2 == mine);
    let world = reconcile(World::pair(both(0), both(1)));
    assert!(world.bytes <= 8_000, "{} bytes", world.bytes);
}

#[test]
fn scattered_differences() {
    let world = reconcile(World::pair(every(20_000, |i| i % 400 != 7), every(20_000, |i| i % 400 != 107)));
    assert_eq!(world.records, 100);
    assert!(world.bytes <= 65_000, "{} bytes", world.bytes);
    assert!(world.rounds <= 30, "{} rounds", world.rounds);
}

#[test]
fn one_sided_supersets() {
    for step in [2, 50, 1000] {
        let few = || every(5000, |i| i % step == 0);
        let world = reconcile(World::pair(few(), pool(0..5000)));
        assert!(world.bytes <= 5000 * 45, "{} bytes", world.bytes);
        reconcile(World::pair(pool(0..5000), few()));
    }
}

#[test]
fn sessions_in_both_directions_at_once_send_each_record_once() {
    for (a, b) in [(0..0, 0..5000), (0..3000, 2000..5000)] {
        let mut world = World::pair(pool(a), pool(b));
        let lacking = 10_000 - world.nodes.iter().map(|n| n.store.all().len()).sum::<usize>();
        assert!(world.open(1, 0) && world.open(1, 1));
        world.run();
        assert!(world.equal());
        assert_eq!(world.records, lacking);
        for at in [0, 1] {
            assert_eq!(world.outcomes(at).len(), 2);
            assert_eq!(world.aborted(at), []);
        }
    }
}

#[test]
fn two_links_bring_each_record_once() {
    let stores = [TestStore::of([]), TestStore::of(pool(0..4000)), TestStore::of(pool(0..4000))];
    let mut world = World::new(stores, &[]);
    world.link(1, 0, 1);
    world.link(2, 0, 2);
    assert!(world.open(1, 0) && world.open(2, 0));
    world.run();
    assert!(world.equal());
    assert_eq!(world.records, 4000);
    assert_eq!(world.aborted(0), []);
}

#[test]
fn c7_slow_links_share_what_is_missing_and_bring_each_record_once() {
    let lacking = every(2000, |i| i % 2 == 0).count();
    for per_round in [1, 16] {
        let stores = [
            TestStore::of(every(2000, |i| i % 2 == 1)),
            TestStore::of(pool(0..2000)),
            TestStore::of(pool(0..2000)),
        ];
        let mut world = World::new(stores, &[]);
        world.room = per_round * pool(0..1).map(|record| record.bytes().len()).sum::<usize>();
        // 1,000 records take longer than anyone waits for one that was asked for.
        world.round = Duration::from_millis(50);
        world.link(1, 0, 1);
        world.link(2, 0, 2);
        assert!(world.open(1, 0) && world.open(2, 0));
        world.run();
        assert!(world.equal());
        assert_eq!(world.records, lacking, "each once");
        assert_eq!(world.aborted(0), []);
    }
}

#[test]
fn a_session_goes_on_after_the_link_broke() {
    let mut world = World::pair(pool(0..2000), pool(0..20_000));
    let mut sent = 0;
    for round in 1.. {
        world.open(1, 0);
        for _ in 0..10 {
            if !world.step() {
                break;
            }
        }
        if world.equal() {
            break;
        }
        assert!(world.records > sent, "session {round} brought nothing");
        sent = world.records;
        world.cut(1);
        assert_eq!(world.aborted(0).last(), Some(&SyncAbort::LinkClosed));
        world.link(1, 0, 1);
    }
    assert!(world.nodes[0].came.values().all(|times| *times <= 2));
    assert!(world.records <= 18_000 + 10 * 4000, "{}", world.records);
}

#[test]
fn a_key_that_does_not_come_is_asked_for_elsewhere() {
    let stores = [TestStore::of(pool(1..40)), TestStore::of(pool(0..40)), TestStore::of(pool(0..40))];
    let mut world = World::new(stores, &[]);
    world.link(1, 0, 1);
    world.link(2, 0, 2);
    world.nodes[1].mute = true;
    assert!(world.open(1, 0));
    world.run();
    assert!(world.open(2, 0));
    world.run();
    assert_eq!(world.records, 0);
    world.wait(FETCH_PATIENCE);
    world.run();
    assert!(world.equal());
    assert_eq!(world.outcomes(2), [SyncOutcome::Reconciled { received: 0, sent_keys: 1 }]);
}

#[test]
fn a_node_answers_few_sessions_at_once() {
    let mut world = World::new((0..6).map(|i| TestStore::of(pool(0..200 - 10 * i))), &[]);
    world.nodes[0].mute = true;
    for other in 1..6 {
        world.link(other, 0, other as usize);
        world.open(other, other as usize);
    }
    world.run();
    let refused = (1..6).filter(|at| world.aborted(*at) == [SyncAbort::ByPeer]).count();
    assert_eq!(refused, 1);
    assert_eq!(world.nodes[0].syncs.progress().len(), 4);
}

fn of_type(record_type: &str, numbers: std::ops::Range<u64>) -> Vec<SignedRecord> {
    numbers.map(|i| record(record_type, i, Timestamp::from_secs(1_600_000_000 + i))).collect()
}

/// The types that a joiner is told of as done, and how many records of each it had when told.
fn done_types(world: &World, at: usize) -> Vec<String> {
    let name = |event: &SyncOutput| match event {
        SyncOutput::TypeDone { record_type, .. } => Some(record_type.to_string()),
        _ => None,
    };
    world.nodes[at].events.iter().filter_map(name).collect()
}

#[test]
fn e16_g20_types_with_precedence_come_first_and_in_order() {
    let full = [
        of_type("app.rest", 0..3000),
        of_type("app.second", 3000..3200),
        of_type("app.first", 3200..3400),
        of_type(RecordType::PRESENCE, 3400..3440),
        of_type(RecordType::PROPERTIES, 3440..3441),
    ];
    let order = [RecordType::PROPERTIES, RecordType::PRESENCE, "app.first", "app.second", "app.absent"];
    let stores = [TestStore::of([]), TestStore::of(full.concat())];
    let mut world = World::new(stores, &order[2..]);
    world.link(1, 0, 1);
    world.open(1, 0);
    let mut told = 0;
    loop {
        let more = world.step();
        // When a type is done, all of it is there, and nothing of what comes later.
        for done in &done_types(&world, 0)[told..] {
            let count = |name: &str| {
                let filter = crate::wire::Filter::Only(RecordType::new(name).unwrap());
                let whole = |n: usize| {
                    let store = &world.nodes[n].store;
                    store.fingerprint(&filter, crate::record::RecordKey::MIN, None).unwrap().count
                };
                (whole(0), whole(1))
            };
            let (here, there) = count(done);
            assert_eq!(here, there, "{done}");
            assert_eq!(count("app.rest").0, 0, "{done}");
            told += 1;
        }
        if !more {
            break;
        }
    }
    assert!(world.equal());
    assert_eq!(done_types(&world, 0), order);
    assert_eq!(done_types(&world, 1), order);
    assert!(matches!(world.nodes[0].events.last(), Some(SyncOutput::Finished { .. })));
    assert_eq!(world.records, 3441);
    // Once more: nothing to do, but each type is reported.
    world.open(1, 1);
    world.run();
    assert_eq!(done_types(&world, 1), [order, order].concat());
    assert_eq!(world.outcomes(1).last(), Some(&SyncOutcome::Equal));
}

#[test]
fn versions_of_one_record_end_with_the_newest() {
    let key = SecretKey::from_bytes(&[1; 32]);
    let older: Vec<_> = pool(0..500).collect();
    let newer = older.iter().enumerate().map(|(i, record)| {
        let mut header = record.header().clone();
        if i % 7 == 0 {
            header.version = 2;
            header.hlc = Hlc::at(Timestamp::from_secs(1_800_000_000 + i as u64));
        }
        SignedRecord::sign(&GRAPH, &key, header, b"new")
    });
    let newer: Vec<_> = newer
        .zip(&older)
        .map(|(new, old)| if new.header().version == 2 { new } else { old.clone() })
        .collect();
    let mut world = World::pair(older, newer.clone());
    world.open(1, 0);
    world.run();
    assert!(world.equal());
    assert_eq!(world.nodes[0].store, TestStore::of(newer));
    assert_eq!(world.aborted(0), []);
}

#[test]
fn what_is_written_meanwhile_does_no_harm() {
    let mut world = World::pair(pool(0..3000), pool(2000..5000));
    world.open(1, 0);
    let mut late = 10_000;
    while world.step() {
        if late < 10_400 {
            for at in [0, 1] {
                let record = VerifiedRecord::unchecked(POOL[late].clone());
                world.nodes[at].store.put(&record).unwrap();
                late += 1;
            }
        }
    }
    assert_eq!((world.aborted(0), world.aborted(1)), (vec![], vec![]));
    world.open(1, 1);
    world.run();
    assert!(world.equal());
}

#[test]
fn progress_is_told() {
    let mut world = World::pair([], pool(0..5000));
    world.bulk_delay = 3;
    world.open(1, 0);
    let mut last = 0;
    while world.step() {
        for progress in world.nodes[0].syncs.progress() {
            assert_eq!(progress.link, LinkId(1));
            assert!(progress.received >= last && progress.received <= progress.expected);
            last = progress.received;
        }
    }
    assert!(last >= 4000, "{last}");
    world.wait(Duration::from_secs(60));
    assert_eq!(world.nodes[0].syncs.progress(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_two_sets_end_as_their_union(
        have in proptest::collection::vec(0u8..8, 0..700),
        start in 0usize..15_000,
        delay in 0u32..6,
        opens in 1u8..4,
        spread in 1usize..6,
    ) {
        let of = |side: u8| {
            have.iter()
                .enumerate()
                .filter(|(_, have)| match **have {
                    0 => side == 0,
                    1 => side == 1,
                    2 => false,
                    _ => true,
                })
                .map(|(i, _)| POOL[start + i * spread].clone())
                .collect::<Vec<_>>()
        };
        let mut world = World::pair(of(0), of(1));
        world.bulk_delay = delay;
        for at in [0, 1] {
            if opens & (1 << at) != 0 {
                world.open(1, at);
            }
        }
        world.run();
        prop_assert!(world.equal());
        let union = have.iter().filter(|have| **have != 2).count();
        prop_assert_eq!(world.nodes[0].store.all().len(), union);
        // Only what differs is sent; where both sides opened at once, the session that gives way may have sent some.
        let differing = have.iter().filter(|have| **have < 2).count();
        let most = if opens == 3 { 2 * differing } else { differing };
        prop_assert!((differing..=most).contains(&world.records), "{} of {differing}", world.records);
        prop_assert_eq!((world.aborted(0), world.aborted(1)), (vec![], vec![]));
    }
}

#[test]
fn w5_what_one_side_withholds_is_not_sent_to_it() {
    for (count, opens) in [(40, 0), (40, 1), (5000, 0), (5000, 1)] {
        let mut world = World::pair(pool(0..count), pool(0..count));
        for record in every(count, |i| i % 13 == 5) {
            world.nodes[0].store.withhold(&record.key()).unwrap();
        }
        assert!(world.open(1, opens));
        world.run();
        let sent = [0, 1].map(|at| world.nodes[at].came.len());
        assert_eq!((world.records, sent), (0, [0, 0]), "{count} records");
    }
}
