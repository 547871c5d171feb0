//! Nodes that were away for longer than tombstones live, over links under virtual time.

use std::{collections::BTreeSet, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::World;
use crate::{graph::OverlayConfig, ids::RecordId, record::RecordUpdate};

const MINUTE: Duration = Duration::from_secs(60);
const LIFE: Duration = Duration::from_secs(10 * 60);
const NODES: usize = 4;

fn world(seed: u64, nodes: usize) -> World {
    let config = OverlayConfig { ping_interval: Duration::from_secs(20), ..OverlayConfig::default() };
    let mut world = World::new(seed).config(config).tombstones(LIFE).nodes(nodes);
    settle(&mut world);
    world.run(3 * MINUTE);
    world
}

fn settle(world: &mut World) {
    let rested = world.run_until(10 * MINUTE, |w| w.components() == 1 && w.all_databases_equal());
    assert!(rested, "seed {}: {:?}", world.seed(), world.fingerprints());
}

fn lives(world: &World, node: usize, id: &RecordId) -> bool {
    world.engine(node).current(id).unwrap().is_some_and(|record| !record.header().deleted)
}

#[test]
fn s13_a_node_away_longer_than_tombstones_live_brings_nothing_back() {
    let mut world = world(0x13, 3);
    let (gone, stays) = (world.publish(1, "deleted meanwhile"), world.publish(1, "stays"));
    let own = world.publish(2, "its own, deleted by it, unheard of");
    world.run(3 * MINUTE);
    settle(&mut world);
    world.leave(2);
    world.with(1, |engine, now| engine.delete(now, &gone, None).unwrap());
    world.with(2, |engine, now| engine.delete(now, &own, None).unwrap());
    let new = world.publish(2, "written while away");
    world
        .with(2, |engine, now| engine.update(now, &stays, RecordUpdate::body("changed while away")).unwrap());
    world.run(4 * LIFE);
    assert!(world.engine(0).current(&gone).unwrap().is_none(), "its tombstone is forgotten");
    assert!(lives(&world, 2, &gone));
    world.wake(2);
    settle(&mut world);
    for node in 0..3 {
        assert!(!lives(&world, node, &gone), "it came back at {node}");
        assert!(!lives(&world, node, &own), "a delete made while away is lost at {node}");
        assert!(lives(&world, node, &new) && lives(&world, node, &stays), "something is lost at {node}");
        let body = world.engine(node).current(&stays).unwrap().unwrap().body();
        assert_eq!(&body[..], b"changed while away", "at {node}");
    }
}

#[test]
fn s13_nodes_that_were_all_away_destroy_nothing() {
    let mut world = world(0x14, 3);
    let ids: Vec<RecordId> = (0..30).map(|n| world.publish(n % 3, format!("{n}"))).collect();
    world.run(3 * MINUTE);
    settle(&mut world);
    (0..3).for_each(|node| world.leave(node));
    let unsent = world.publish(1, "unsent");
    world.run(6 * LIFE);
    (0..3).for_each(|node| world.wake(node));
    settle(&mut world);
    world.run(3 * MINUTE);
    for node in 0..3 {
        assert!(ids.iter().chain([&unsent]).all(|id| lives(&world, node, id)), "something is lost at {node}");
    }
}

#[test]
fn x6_that_nobody_was_current_once_says_nothing_of_later() {
    let mut world = world(0x16, 4);
    for round in 0..2 {
        let gone = world.publish(1, format!("deleted in round {round}"));
        world.run(3 * MINUTE);
        settle(&mut world);
        [2, 3].into_iter().for_each(|node| world.leave(node));
        world.with(0, |engine, now| engine.delete(now, &gone, None).unwrap());
        world.run(4 * LIFE);
        assert!(world.engine(0).current(&gone).unwrap().is_none(), "its tombstone is forgotten");
        [0, 1].into_iter().for_each(|node| world.leave(node));
        // Two who were both away meet, and nobody who is current, for much less than a tombstone's life.
        [2, 3].into_iter().for_each(|node| world.wake(node));
        world.run(3 * MINUTE);
        assert!(lives(&world, 2, &gone));
        [0, 1].into_iter().for_each(|node| world.wake(node));
        settle(&mut world);
        world.run(3 * MINUTE);
        assert!((0..4).all(|node| !lives(&world, node, &gone)), "round {round}: it came back");
    }
}

/// What one random history has made of each record.
#[derive(Default)]
struct Story {
    live: Vec<RecordId>,
    deleted: Vec<RecordId>,
    asleep: BTreeSet<usize>,
}

#[test]
fn s13_random_absences_bring_nothing_back_and_lose_nothing() {
    // In 48, two come back at once and meet in the middle of it.
    for seed in (0..15).chain([48]) {
        let mut world = world(seed, NODES);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut story = Story::default();
        for step in 0..8 {
            something_happens(&mut world, &mut rng, &mut story, step);
        }
        for node in story.asleep {
            world.wake(node);
        }
        settle(&mut world);
        world.run(3 * MINUTE);
        settle(&mut world);
        for node in 0..NODES {
            let back: Vec<_> = story.deleted.iter().filter(|id| lives(&world, node, id)).collect();
            let lost: Vec<_> = story.live.iter().filter(|id| !lives(&world, node, id)).collect();
            assert!(back.is_empty() && lost.is_empty(), "seed {seed}, {node}: back {back:?}, lost {lost:?}");
        }
    }
}

fn something_happens(world: &mut World, rng: &mut StdRng, story: &mut Story, step: usize) {
    let node = rng.random_range(0..NODES);
    for number in 0..4 {
        let id = world.publish(node, format!("{step} {number}"));
        story.live.push(id);
    }
    let awake: Vec<usize> = (0..NODES).filter(|node| !story.asleep.contains(node)).collect();
    settle(world);
    world.run(3 * MINUTE);
    // Deletes, by those who are awake and by those who are not.
    for _ in 0..3 {
        let by = rng.random_range(0..NODES);
        let at = rng.random_range(0..story.live.len());
        let id = story.live[at];
        if lives(world, by, &id) {
            world.with(by, |engine, now| engine.delete(now, &id, None).unwrap());
            story.deleted.push(story.live.swap_remove(at));
        }
    }
    settle(world);
    world.run(2 * MINUTE);
    if awake.len() > 1 && rng.random_bool(0.6) {
        let node = awake[rng.random_range(0..awake.len())];
        world.leave(node);
        story.asleep.insert(node);
    }
    world.run(MINUTE * rng.random_range(1..20));
    if let Some(node) = story.asleep.first().copied().filter(|_| rng.random_bool(0.4)) {
        story.asleep.remove(&node);
        world.wake(node);
        settle(world);
    }
}
