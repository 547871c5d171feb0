//! Versions that expire before older ones do, shown to some nodes and not to others (A12).

use std::{collections::BTreeSet, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::World;
use crate::{
    crypto::SecretKey,
    graph::OverlayConfig,
    ids::RecordId,
    record::{Header, RecordType, SignedRecord},
    time::{Hlc, Timestamp},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const LIFE: Duration = Duration::from_secs(10 * 60);
/// Records of a random history.
const RECORDS: u64 = 40;

/// An author who signs what it likes. It has no node: what it shows to a node is simply there.
struct Author {
    key: SecretKey,
    body: usize,
}

/// One version: when it was written against now, in seconds, and when it expires against now.
#[derive(Clone, Copy)]
struct Version {
    number: u64,
    written: i64,
    expires: Option<i64>,
    deleted: bool,
}

const fn version(number: u64, written: i64, expires: Option<i64>) -> Version {
    Version { number, written, expires, deleted: false }
}

impl Author {
    fn new() -> Self {
        Self { key: SecretKey::from_bytes(&[0xa1; 32]), body: 1000 }
    }

    fn nonce(record: u64) -> [u8; 16] {
        let mut nonce = [9; 16];
        nonce[..8].copy_from_slice(&record.to_le_bytes());
        nonce
    }

    fn id(&self, world: &World, record: u64) -> RecordId {
        crate::record::record_id(&world.engine(0).graph_id(), &self.key.peer(), &Self::nonce(record))
    }

    fn sign(&self, world: &World, now: Timestamp, record: u64, version: Version) -> SignedRecord {
        let at = |seconds: i64| now.offset_by(seconds * 1000);
        let note = RecordType::new("sim.note").unwrap();
        let hlc = Hlc::at(at(version.written));
        let header = Header {
            version: version.number,
            created: at(-1_000_000),
            expires: version.expires.map(at),
            deleted: version.deleted,
            ..Header::first(note, Self::nonce(record), self.key.peer(), hlc)
        };
        let body = if version.deleted { Vec::new() } else { vec![version.number as u8; self.body] };
        SignedRecord::sign(&world.engine(0).graph_id(), &self.key, header, &body)
    }

    /// Shows a version to one node.
    fn show(&self, world: &mut World, node: usize, record: u64, version: Version) {
        let now = world.with(node, |engine, now| engine.peer_time(now));
        let signed = self.sign(world, now, record, version);
        world.with(node, |engine, _| engine.take_in(signed));
    }
}

fn world(seed: u64, nodes: usize, life: Duration) -> World {
    let config = OverlayConfig { ping_interval: 20 * SECOND, ..OverlayConfig::default() };
    let mut world = World::new(seed).config(config).tombstones(life).nodes(nodes);
    settle(&mut world);
    world.run(MINUTE);
    world
}

fn settle(world: &mut World) {
    settle_within(world, 10 * MINUTE);
}

fn settle_within(world: &mut World, limit: Duration) {
    let rested = world.run_until(limit, |w| w.components() == 1 && w.all_databases_equal());
    let headers = |node: usize| -> Vec<_> {
        let others: BTreeSet<_> = (0..world.len()).flat_map(|other| world.engine(other).keys()).collect();
        let here: BTreeSet<_> = world.engine(node).keys().into_iter().collect();
        let lacks = others.difference(&here);
        lacks
            .filter_map(|key| (0..world.len()).find_map(|n| world.engine(n).fetch(key)))
            .map(|r| r.header().clone())
            .collect()
    };
    let lacks = || (0..world.len()).map(headers).collect::<Vec<_>>();
    assert!(rested, "seed {}: each node lacks {:?}", world.seed(), lacks());
}

fn lives(world: &World, node: usize, id: &RecordId) -> bool {
    world.engine(node).current(id).unwrap().is_some_and(|record| !record.header().deleted)
}

/// Bytes of comparisons, and of records that came by them, per minute.
fn compared(world: &mut World, minutes: u32) -> u64 {
    let bytes = |world: &World| -> u64 {
        let traffic = world.traffic();
        let of = |(kind, (_, bytes)): (&&str, &(u64, u64))| {
            (kind.starts_with("Sync") || *kind == "Records").then_some(*bytes)
        };
        traffic.iter().filter_map(of).sum()
    };
    let before = bytes(world);
    world.run(minutes * MINUTE);
    (bytes(world) - before) / u64::from(minutes)
}

/// 500 records of 1 KB; a second version with another end is shown to node 1 while node 2 is away. Gives the bytes of
/// comparisons a minute once all is over.
fn shown_while_away(seed: u64, second: Option<Version>, away: Duration) -> (World, u64) {
    let (mut world, author) = (world(seed, 3, LIFE), Author::new());
    (0..500).for_each(|record| author.show(&mut world, 0, record, version(1, -1, None)));
    settle(&mut world);
    world.run(2 * MINUTE);
    world.leave(2);
    world.run(SECOND);
    if let Some(second) = second {
        (0..500).for_each(|record| author.show(&mut world, 1, record, second));
    }
    world.run(away);
    world.wake(2);
    settle(&mut world);
    world.run(2 * MINUTE);
    // Comparisons come at random: so long that a tenth more is no chance.
    let bytes = compared(&mut world, 40);
    (world, bytes)
}

#[test]
fn a12_a_version_that_expired_while_a_node_was_away_ends_the_record_there_too() {
    let (control, idle) = shown_while_away(1, None, MINUTE);
    let author = Author::new();
    assert!((0..500).all(|record| lives(&control, 2, &author.id(&control, record))));
    for (away, what) in
        [(MINUTE, "a minute"), (LIFE - MINUTE, "less than a tombstone's life"), (3 * LIFE, "longer")]
    {
        let (mut world, bytes) = shown_while_away(1, Some(version(2, 0, Some(3))), away);
        println!("away {what}: {bytes} bytes of comparisons a minute; {idle} without");
        assert!(
            bytes <= idle + idle / 10,
            "away {what}: {bytes} bytes a minute, {idle} when nothing happened"
        );
        // Nor does it come back when the stubs are forgotten.
        world.run(4 * LIFE);
        settle(&mut world);
        for (node, record) in (0..3).flat_map(|node| [0, 250, 499].map(|record| (node, record))) {
            assert!(
                !lives(&world, node, &author.id(&world, record)),
                "{record} is back at {node}, away {what}"
            );
        }
        assert!(compared(&mut world, 40) <= idle + idle / 10);
    }
}

#[test]
fn a12_what_was_shown_while_away_crosses_once() {
    let (mut world, author) = (world(2, 3, LIFE), Author::new());
    (0..100).for_each(|record| author.show(&mut world, 0, record, version(1, -1, None)));
    settle(&mut world);
    world.run(2 * MINUTE);
    world.leave(2);
    (0..100).for_each(|record| author.show(&mut world, 1, record, version(2, 0, Some(3))));
    world.run(MINUTE);
    let before = world.traffic().get("Records").map_or(0, |(_, bytes)| *bytes);
    world.wake(2);
    settle(&mut world);
    world.run(10 * MINUTE);
    let crossed = world.traffic().get("Records").map_or(0, |(_, bytes)| *bytes) - before;
    // Both neighbors may ask at the same moment.
    assert!(crossed <= 2 * 100 * 1400, "{crossed} bytes of records for 100 of 1,000 bytes");
}

#[test]
fn a12_an_author_who_shows_each_node_another_end_is_understood_the_same_way_everywhere() {
    // What each of three nodes is shown while it is apart from the others; whether the record lives in the end.
    let no_end = version(2, 0, None);
    let cases: [(&str, [Version; 3], bool); 8] = [
        ("the newest ends", [version(2, 0, None), version(2, 1, Some(3)), version(2, -1, Some(500))], false),
        ("the newest lives", [version(2, 2, None), version(2, 1, Some(3)), version(2, 0, Some(4))], true),
        ("written in the past, ended in the past", [version(2, -100, Some(-50)), no_end, no_end], true),
        ("ended before it was written", [version(2, 5, Some(4)), no_end, no_end], true),
        ("ended at once", [version(2, 1, Some(2)), version(2, 0, None), version(2, -1, None)], false),
        (
            "an edit of what expired",
            [version(2, 1, Some(3)), version(3, 20, None), version(2, 0, None)],
            true,
        ),
        (
            "a delete that ends",
            [
                Version { deleted: true, ..version(2, 0, Some(3)) },
                version(3, 9, None),
                version(2, 5, Some(900)),
            ],
            false,
        ),
        ("all end", [version(2, 0, Some(2)), version(2, 1, Some(3)), version(2, 2, Some(4))], false),
    ];
    for (seed, (what, shown, lives_on)) in cases.into_iter().enumerate() {
        let (mut world, author) = (world(seed as u64, 3, LIFE), Author::new());
        author.show(&mut world, 0, 1, version(1, -1, None));
        settle(&mut world);
        world.run(MINUTE);
        (0..3).for_each(|node| world.leave(node));
        for (node, version) in shown.into_iter().enumerate() {
            author.show(&mut world, node, 1, version);
        }
        world.run(30 * SECOND);
        (0..3).for_each(|node| world.wake(node));
        settle(&mut world);
        world.run(2 * MINUTE);
        settle(&mut world);
        let id = author.id(&world, 1);
        for node in 0..3 {
            assert_eq!(lives(&world, node, &id), lives_on, "{what}, at {node}");
        }
        world.run(3 * LIFE);
        settle(&mut world);
        assert!((0..3).all(|node| lives(&world, node, &id) == lives_on), "{what}, later");
    }
}

/// Versions, edits, deletes, absences, partitions and time in any order.
fn something_happens(world: &mut World, rng: &mut StdRng, author: &Author, asleep: &mut BTreeSet<usize>) {
    let nodes = world.len();
    for _ in 0..rng.random_range(1..8) {
        let node = rng.random_range(0..nodes);
        let (record, number) = (rng.random_range(0..RECORDS), rng.random_range(2..20));
        let written = rng.random_range(-120..30);
        let expires = rng.random_bool(0.7).then(|| written + rng.random_range(-5..400));
        let deleted = rng.random_bool(0.05);
        author.show(world, node, record, Version { number, written, expires, deleted });
    }
    match rng.random_range(0..6) {
        0 | 1 if asleep.len() + 2 < nodes => {
            let node = rng.random_range(0..nodes);
            if asleep.insert(node) {
                world.leave(node);
            }
        }
        2 => {
            if let Some(node) = asleep.pop_first() {
                world.wake(node);
            }
        }
        3 => world.split([rng.random_range(0..nodes)]),
        4 => world.heal(),
        _ => {}
    }
    world.run(SECOND * rng.random_range(0..200));
}

#[test]
fn a12_any_order_of_versions_expiry_deletes_and_absence_converges_and_stays_quiet() {
    for seed in 0..8 {
        // Absences are short against a tombstone's life, or long: then what a node has may be taken to be gone.
        let life = if seed % 2 == 0 { 9 * LIFE } else { LIFE };
        let (mut world, mut rng) = (world(seed, 4, life), StdRng::seed_from_u64(seed));
        let (author, mut asleep) = (Author { body: 100, ..Author::new() }, BTreeSet::new());
        (0..RECORDS).for_each(|record| author.show(&mut world, 0, record, version(1, -1, None)));
        settle(&mut world);
        for _ in 0..20 {
            something_happens(&mut world, &mut rng, &author, &mut asleep);
        }
        world.heal();
        asleep.into_iter().for_each(|node| world.wake(node));
        world.run(2 * MINUTE);
        settle(&mut world);
        world.run(3 * MINUTE);
        settle(&mut world);
        let ids: Vec<RecordId> = (0..RECORDS).map(|record| author.id(&world, record)).collect();
        let gone: Vec<&RecordId> = ids.iter().filter(|id| !lives(&world, 0, id)).collect();
        // Nothing is told that is not new, and nothing comes back, not even once all stubs are forgotten.
        for _ in 0..5 {
            // Tombstones are forgotten at moments that lie so far apart at most.
            world.run(life / 4);
            settle_within(&mut world, 10 * MINUTE + life / 4);
            let back: Vec<_> = gone.iter().filter(|id| (0..4).any(|node| lives(&world, node, id))).collect();
            assert!(back.is_empty(), "seed {seed}: back {back:?}");
        }
        let bytes = compared(&mut world, 10);
        assert!(bytes < 4_000, "seed {seed}: {bytes} bytes a minute when nothing happens");
    }
}
