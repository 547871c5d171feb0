//! Machines whose clocks are wrong, or were, under virtual time.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::World;
use crate::{
    ids::RecordId,
    record::{RecordDraft, RecordKey, RecordUpdate},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR_MS: i64 = 3_600_000;

/// 25 minutes, 3 hours and 2 days ahead; one hour and two days behind.
const OFF: [i64; 5] = [25 * 60_000, 3 * HOUR_MS, 48 * HOUR_MS, -HOUR_MS, -48 * HOUR_MS];

fn settle(world: &mut World, limit: Duration) {
    let rested =
        world.run_until(limit, |w| w.components() == 1 && w.all_synchronized() && w.all_databases_equal());
    assert!(rested, "seed {}: {} parts, {}", world.seed(), world.components(), differences(world));
}

/// The records that not all nodes have, and which have them.
fn differences(world: &World) -> String {
    let mut all: BTreeMap<RecordKey, Vec<usize>> = BTreeMap::new();
    for node in 0..world.len() {
        for key in world.engine(node).keys() {
            all.entry(key).or_default().push(node);
        }
    }
    let mut text = String::new();
    for (key, nodes) in all.into_iter().filter(|(_, nodes)| nodes.len() < world.len()) {
        let header = world.engine(nodes[0]).fetch(&key).map(|record| record.header().clone());
        writeln!(text, "at {nodes:?}: {header:?}").unwrap();
    }
    text
}

fn body(world: &World, node: usize, id: &RecordId) -> Option<String> {
    let record = world.engine(node).current(id).unwrap().filter(|record| !record.header().deleted)?;
    Some(String::from_utf8(record.body().to_vec()).unwrap())
}

/// What the last node of four wrote while its clock was wrong.
struct Written {
    new: RecordId,
    changed: RecordId,
    deleted: RecordId,
}

/// Three nodes whose clocks are right, and a fourth whose clock is `off` from its first start; it writes.
fn world_with_one_off(seed: u64, off: i64, group: bool) -> (World, Written) {
    let empty = World::new(seed);
    let mut world = if group { empty.group() } else { empty }.nodes(3);
    settle(&mut world, 60 * SECOND);
    let changed = world.publish(0, "as it was");
    let deleted = world.publish(1, "to be deleted");
    world.run(5 * SECOND);
    // It has the database from before its clock went wrong: otherwise who is behind would have nothing to change.
    world.add_node();
    settle(&mut world, 60 * SECOND);
    world.leave(3);
    world.skew(3, off);
    world.wake(3);
    world.run(30 * SECOND);
    let told = world.engine(3).status().clock_skew_ms.expect("it is told");
    assert!(told.abs_diff(off) < 1_000, "told of {told} instead of {off}");
    assert!((0..3).all(|node| world.engine(node).status().clock_skew_ms.is_none()), "the others are right");
    assert_eq!(world.engine(3).status().synchronized, off > 0, "who is behind misses what others write");
    let draft = RecordDraft::new("sim.note", "new").unwrap();
    let new = world.with(3, |engine, now| engine.publish(now, draft).unwrap());
    assert_eq!(new.held, off > 0, "others cannot accept what comes from ahead of time");
    world.with(3, |engine, now| engine.update(now, &changed, RecordUpdate::body("changed")).unwrap());
    world.with(3, |engine, now| engine.delete(now, &deleted, None).unwrap());
    world.run(2 * MINUTE);
    assert_eq!(body(&world, 0, &new.id).is_some(), off < 0, "what is ahead reaches nobody");
    assert_eq!(world.accusations(), 0, "nobody is taken for an attacker");
    assert!(!world.engine(3).neighbors().is_empty(), "nor shut out");
    (world, Written { new: new.id, changed, deleted })
}

fn all_arrives(world: &mut World, written: &Written, off: i64) {
    let arrived = world.run_until(3 * MINUTE, |w| {
        (0..4).all(|node| {
            body(w, node, &written.new).as_deref() == Some("new")
                && body(w, node, &written.changed).as_deref() == Some("changed")
                && body(w, node, &written.deleted).is_none()
        }) && w.all_synchronized()
            && w.all_databases_equal()
    });
    assert!(arrived, "seed {}, {off} ms: {:?}", world.seed(), world.fingerprints());
    assert_eq!(world.engine(3).status().clock_skew_ms, None);
    let draft = RecordDraft::new("sim.note", "afterwards").unwrap();
    let next = world.with(3, |engine, now| engine.publish(now, draft).unwrap());
    assert!(!next.held, "{off} ms");
    assert!(world.run_until(5 * SECOND, |w| (0..4).all(|node| body(w, node, &next.id).is_some())));
    assert_eq!(world.accusations(), 0);
    let listed = world.run_until(10 * SECOND, |w| (0..4).all(|node| w.engine(node).nodes().len() == 4));
    assert!(listed, "everybody is present to everybody");
}

#[test]
fn c10_c11_what_was_written_by_a_wrong_clock_arrives_once_it_is_set() {
    for (seed, off) in OFF.into_iter().enumerate() {
        let (mut world, written) = world_with_one_off(seed as u64, off, seed % 2 == 0);
        world.skew(3, 0);
        all_arrives(&mut world, &written, off);
    }
}

#[test]
fn c10_c11_or_after_a_restart_with_the_right_clock() {
    for (seed, off) in OFF.into_iter().enumerate() {
        let (mut world, written) = world_with_one_off(10 + seed as u64, off, seed % 2 == 1);
        if seed % 2 == 0 {
            world.kill(3)
        } else {
            world.leave(3)
        }
        world.run(20 * SECOND);
        world.skew(3, 0);
        world.wake(3);
        all_arrives(&mut world, &written, off);
    }
}

#[test]
fn c10_what_others_changed_meanwhile_is_not_undone_with_an_older_version() {
    let (mut world, written) = world_with_one_off(21, 48 * HOUR_MS, false);
    for text in ["by another", "by another, twice", "by another, thrice"] {
        world.with(1, |engine, now| engine.update(now, &written.changed, RecordUpdate::body(text)).unwrap());
        world.run(SECOND);
    }
    let version =
        |w: &World, node| w.engine(node).current(&written.changed).unwrap().unwrap().header().version;
    assert_eq!((version(&world, 0), version(&world, 3)), (4, 2));
    world.skew(3, 0);
    settle_equal(&mut world);
    assert_eq!(version(&world, 0), 5, "the version does not go down");
    assert_eq!(body(&world, 0, &written.changed).as_deref(), Some("changed"), "the later one wins");
}

fn settle_equal(world: &mut World) {
    world.run(2 * MINUTE);
    settle(world, 3 * MINUTE);
}

#[test]
fn c12_a_clock_that_was_a_little_behind_is_right_after_it_was_set() {
    for restarts in [true, false] {
        let mut world = World::new(31).nodes(3);
        let number = world.add_skewed(-15 * 60_000);
        settle(&mut world, 60 * SECOND);
        world.run(2 * MINUTE);
        if restarts {
            world.leave(number);
            world.skew(number, 0);
            world.run(10 * SECOND);
            world.wake(number);
        } else {
            world.skew(number, 0);
        }
        world.run(SECOND);
        let id = world.publish(number, "now");
        let stamp = world.engine(number).current(&id).unwrap().unwrap().header().hlc.timestamp();
        let right = world.with(0, |engine, now| engine.peer_time(now));
        assert!(stamp <= right + 5 * SECOND, "{stamp:?} at {right:?}");
        assert!(world.run_until(5 * SECOND, |w| (0..3).all(|node| body(w, node, &id).is_some())));
    }
}

#[test]
fn c10_a_wrong_clock_lets_nothing_expire() {
    let mut world = World::new(41).nodes(4);
    settle(&mut world, 60 * SECOND);
    let end = world.with(0, |engine, now| engine.peer_time(now)) + 30 * MINUTE;
    let draft = RecordDraft { expires: Some(end), ..RecordDraft::new("sim.note", "for a while").unwrap() };
    let id = world.with(0, |engine, now| engine.publish(now, draft).unwrap()).id;
    world.run(5 * SECOND);
    for off in [48 * HOUR_MS, 0] {
        world.skew(3, off);
        world.run(3 * MINUTE);
        assert!(body(&world, 3, &id).is_some(), "{off} ms off, it is there");
    }
    settle(&mut world, 3 * MINUTE);
    assert!((0..4).all(|node| body(&world, node, &id).is_some()));
    world.run(30 * MINUTE);
    assert!((0..4).all(|node| body(&world, node, &id).is_none()), "and goes when its time has come");
}

#[test]
fn c10_clocks_that_jump_accuse_nobody_and_lose_nothing() {
    for seed in 0..3 {
        let mut rng = StdRng::seed_from_u64(seed);
        let empty = World::new(0xc10 + seed);
        let mut world = if seed % 2 == 0 { empty } else { empty.group() }.nodes(5);
        settle(&mut world, 60 * SECOND);
        let mut written = Vec::new();
        for round in 0..12 {
            let node = rng.random_range(0..5);
            let hours = [0, 0, 1, -1, 48, -48][rng.random_range(0..6)];
            world.skew(node, hours * HOUR_MS);
            world.run(SECOND * rng.random_range(1..60));
            let (writer, text) = (rng.random_range(0..5), format!("round {round}"));
            let draft = RecordDraft::new("sim.note", text.clone()).unwrap();
            if let Ok(record) = world.with(writer, |engine, now| engine.publish(now, draft)) {
                written.push((record.id, text));
            }
            world.run(SECOND * rng.random_range(1..60));
            assert_eq!(world.accusations(), 0, "seed {seed}, round {round}");
        }
        for node in 0..5 {
            world.skew(node, 0);
        }
        let arrived = world.run_until(10 * MINUTE, |w| {
            (0..5).all(|node| written.iter().all(|(id, text)| body(w, node, id).as_ref() == Some(text)))
        });
        assert!(arrived, "seed {seed}: {:?}", world.fingerprints());
        settle(&mut world, 5 * MINUTE);
        assert_eq!(world.accusations(), 0, "seed {seed}");
    }
}

/// A node of three writes a record that lives an hour, unheard of, and starts again when nobody is there.
fn unsent_and_alone(seed: u64, skew: i64, away: Duration) -> (World, RecordId) {
    let mut world = World::new(seed).nodes(3);
    settle(&mut world, 60 * SECOND);
    world.run(2 * MINUTE);
    (0..3).for_each(|node| world.leave(node));
    let expires = world.with(2, |engine, now| engine.peer_time(now)) + HOUR;
    let draft = RecordDraft { expires: Some(expires), ..RecordDraft::new("sim.note", "unsent").unwrap() };
    let id = world.with(2, |engine, now| engine.publish(now, draft).unwrap()).id;
    world.run(away);
    world.skew(2, skew);
    world.wake(2);
    world.run(10 * MINUTE);
    let shown = world.with(2, |engine, now| {
        let reader = engine.reader();
        reader.get(&id, engine.expiry_time(now)).unwrap().is_some()
    });
    assert!(!shown, "by its clock it has expired");
    (world, id)
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn c12_a_clock_that_nobody_confirmed_drops_nothing_that_nobody_else_has() {
    for (seed, ahead) in [3 * HOUR_MS, 48 * HOUR_MS].into_iter().enumerate() {
        // The clock is set before, or after, the others are back; or the node starts again.
        for order in 0..3 {
            let (mut world, id) = unsent_and_alone(seed as u64, ahead, MINUTE);
            match order {
                0 => {
                    world.skew(2, 0);
                    world.run(MINUTE);
                    (0..2).for_each(|node| world.wake(node));
                }
                1 => {
                    (0..2).for_each(|node| world.wake(node));
                    world.run(3 * MINUTE);
                    world.skew(2, 0);
                }
                _ => {
                    world.leave(2);
                    world.skew(2, 0);
                    (0..3).for_each(|node| world.wake(node));
                }
            }
            let arrived = world.run_until(5 * MINUTE, |w| {
                (0..3).all(|node| body(w, node, &id).as_deref() == Some("unsent"))
            });
            assert!(arrived, "seed {seed}, order {order}: it is lost");
        }
    }
}

#[test]
fn c12_what_has_expired_goes_once_the_clock_is_confirmed_or_enough_time_has_passed() {
    // The clock is right.
    let (mut world, id) = unsent_and_alone(7, 0, 2 * HOUR);
    assert!(body(&world, 2, &id).is_some(), "kept, though nobody sees it");
    (0..2).for_each(|node| world.wake(node));
    settle(&mut world, 5 * MINUTE);
    assert!((0..3).all(|node| body(&world, node, &id).is_none()));
    // It is ahead, and nobody ever comes: an hour here is an hour.
    let (mut world, id) = unsent_and_alone(8, 48 * HOUR_MS, MINUTE);
    world.run(HOUR / 2);
    assert!(body(&world, 2, &id).is_some());
    world.run(HOUR);
    assert!(body(&world, 2, &id).is_none());
}
