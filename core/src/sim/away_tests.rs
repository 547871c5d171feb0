//! Nodes that were away for longer than tombstones live, over links under virtual time.

use std::time::Duration;

use super::World;
use crate::{graph::OverlayConfig, ids::RecordId, record::RecordUpdate};

const MINUTE: Duration = Duration::from_secs(60);
const LIFE: Duration = Duration::from_secs(10 * 60);

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
