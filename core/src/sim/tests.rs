//! The first world: few nodes, everything that can befall them.

use std::time::Duration;

use super::World;
use crate::{record::RecordUpdate, wire::Message};

const SECOND: Duration = Duration::from_secs(1);

fn settle(world: &mut World, limit: Duration) {
    let rested =
        world.run_until(limit, |w| w.components() == 1 && w.all_synchronized() && w.all_databases_equal());
    assert!(rested, "seed {}: {} parts, {:?}", world.seed(), world.components(), world.fingerprints());
}

#[test]
fn x6_g24_records_reach_everybody_in_a_lossy_world() {
    for seed in 0..5 {
        let mut world = World::new(seed).loss(0.05).nodes(20);
        settle(&mut world, 60 * SECOND);
        for node in 0..20 {
            world.publish(node, format!("from {node}"));
        }
        settle(&mut world, 10 * SECOND);
        assert!(world.fingerprints()[0].count >= 20);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut world = World::new(9).loss(0.1).nodes(8);
        world.run(20 * SECOND);
        world.publish(3, "x");
        world.run(5 * SECOND);
        (world.frames, world.bytes, world.fingerprints())
    };
    assert_eq!(run(), run());
}

#[test]
fn g29_a_killed_neighbor_is_noticed_and_replaced() {
    let mut world = World::new(1).nodes(12);
    settle(&mut world, 60 * SECOND);
    for victim in [0, 5, 7] {
        world.kill(victim);
    }
    world.run(8 * SECOND);
    world.assert_connected();
    for node in (0..12).filter(|n| ![0, 5, 7].contains(n)) {
        assert!(world.engine(node).neighbors().len() >= 3, "node {node} found new neighbors");
    }
    world.publish(3, "still here");
    settle(&mut world, 10 * SECOND);
}

#[test]
fn g21_a_partition_heals_and_both_sides_keep_their_records() {
    let mut world = World::new(2).nodes(10);
    settle(&mut world, 60 * SECOND);
    let before = world.fingerprints()[0].count;
    world.split(0..5);
    world.run(120 * SECOND);
    for node in 0..10 {
        world.publish(node, format!("apart {node}"));
    }
    world.run(20 * SECOND);
    assert!(world.components() >= 2, "the parts hear nothing of each other");
    world.heal();
    settle(&mut world, 180 * SECOND);
    assert!(world.fingerprints()[0].count >= before + 10);
}

/// All of them, and each of another identity, which costs nothing in a graph that is no group.
#[test]
fn b5_a_partition_heals_though_every_address_book_was_flooded_with_invented_nodes() {
    for seed in 0..3 {
        let mut world = World::new(200 + seed).nodes(10);
        settle(&mut world, 60 * SECOND);
        world.split(0..5);
        world.run(30 * SECOND);
        for node in 0..10 {
            world.with(node, |engine, now| engine.flood_contacts(now, 20_000));
        }
        world.run(60 * SECOND);
        assert!(world.components() >= 2, "the parts hear nothing of each other");
        world.heal();
        settle(&mut world, 300 * SECOND);
    }
}

#[test]
fn a_node_that_was_away_comes_back() {
    let mut world = World::new(3).nodes(6);
    settle(&mut world, 60 * SECOND);
    world.kill(4);
    world.run(10 * SECOND);
    for n in 0..50 {
        world.publish(n % 4, format!("while away {n}"));
    }
    world.restart(4);
    settle(&mut world, 60 * SECOND);
    world.leave(2);
    world.run(5 * SECOND);
    world.assert_connected();
}

#[test]
fn g25_an_older_version_is_answered_with_the_newer_and_acks_drive_utility() {
    let mut world = World::new(4).nodes(2);
    settle(&mut world, 60 * SECOND);
    let utility = |world: &World| world.engine(1).neighbors()[0].utility;
    let before = utility(&world);
    let id = world.publish(1, "first");
    world.run(2 * SECOND);
    let told_useful = utility(&world);
    assert!(told_useful > before, "{before} -> {told_useful}");
    let old = world.engine(1).current(&id).unwrap().unwrap();

    // Node 0 writes the next version while nothing gets through; the link itself survives.
    world.split([0]);
    world.with(0, |engine, now| engine.update(now, &id, RecordUpdate::body("second")).unwrap());
    world.run(SECOND);
    world.heal();
    let version = |world: &World| world.engine(1).current(&id).unwrap().unwrap().header().version;
    assert_eq!(version(&world), 1);

    // The old version comes to node 0 once more: it sends back what beats it.
    let origin = world.engine(1).neighbors()[0].node.tag();
    let push = Message::Push { origin, records: vec![old.bytes().clone()] };
    world.inject(1, 0, 1, push.encode().to_vec());
    world.run(SECOND);
    assert_eq!(version(&world), 2);

    // And again: nothing of use to anybody, which node 1 is told.
    let told_useful = utility(&world);
    let push = Message::Push {
        origin,
        records: vec![world.engine(1).current(&id).unwrap().unwrap().bytes().clone()],
    };
    world.inject(1, 0, 1, push.encode().to_vec());
    world.run(2 * SECOND);
    assert!(utility(&world) < told_useful, "{} of {told_useful}", utility(&world));
}

#[test]
fn g37_peer_time_agrees_though_clocks_do_not() {
    let mut world = World::new(5).nodes(1);
    for minutes in [-8, 3, 9] {
        world.add_skewed(minutes * 60_000);
        world.run(SECOND);
    }
    settle(&mut world, 60 * SECOND);
    let times: Vec<u64> = (0..4).map(|n| world.with(n, |engine, now| engine.peer_time(now)).0).collect();
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(most - least < 500, "{times:?}");
}

#[test]
fn a_restarted_lowest_node_is_believed_again() {
    let mut world = World::new(6).nodes(5);
    settle(&mut world, 60 * SECOND);
    world.run(30 * SECOND);
    let lowest = (0..5).min_by_key(|n| world.actors[*n].node).unwrap();
    let id = world.actors[lowest].node;
    assert!((0..5).all(|n| world.engine(n).mark().node == id));
    world.kill(lowest);
    world.run(60 * SECOND);
    assert!((0..5).filter(|n| *n != lowest).all(|n| world.engine(n).mark().node != id));
    world.restart(lowest);
    world.run(20 * SECOND);
    assert!((0..5).all(|n| world.engine(n).mark().node == id));
}

#[test]
fn a_restarted_node_is_let_in_before_its_death_was_noticed() {
    for seed in 0..6 {
        let mut world = World::new(seed).nodes(2);
        settle(&mut world, 60 * SECOND);
        world.kill(1);
        world.restart(1);
        world.run(SECOND);
        assert_eq!(world.engine(1).neighbors().len(), 1, "seed {seed}");
        assert!(world.all_synchronized() && world.all_databases_equal());
    }
}

#[test]
fn forty_eight_nodes_that_join_at_once_through_one_all_hear_everything() {
    let mut world = World::new(7).nodes(1);
    for _ in 1..48 {
        world.add_node();
    }
    settle(&mut world, 60 * SECOND);
    world.publish(0, "from the first");
    world.publish(47, "from the last");
    settle(&mut world, 10 * SECOND);
    // Dials that cross may make one more for a moment.
    let neighbors = |w: &World| (0..48).map(|node| w.engine(node).neighbors().len()).collect::<Vec<_>>();
    let few = world.run_until(90 * SECOND, |w| neighbors(w).iter().all(|count| (1..=8).contains(count)));
    assert!(few, "{:?}", neighbors(&world));
}
