//! Who is listed as present when nodes die, and what of refused records goes round, under virtual time.

use std::time::Duration;

use super::World;
use crate::{
    authority::{Content, Keep, Remove},
    graph::OverlayConfig,
    limits::{LOST_KEPT, MAX_LOST_TOLD},
    record::GraphProperties,
    wire::{Lost, Message},
};

const SECOND: Duration = Duration::from_secs(1);

fn settle(world: &mut World) {
    let rested = world
        .run_until(120 * SECOND, |w| w.components() == 1 && w.all_synchronized() && w.all_databases_equal());
    assert!(rested, "seed {}: {} parts, {:?}", world.seed(), world.components(), world.fingerprints());
}

/// True if every living node of `all` lists `number`, or none does.
fn listed(world: &World, all: usize, number: usize, wanted: bool) -> bool {
    let node = world.actors[number].node;
    let lists = |at: usize| world.engine(at).nodes().iter().any(|info| info.node == node);
    (0..all).filter(|at| *at != number && world.actors[*at].alive).all(|at| lists(at) == wanted)
}

#[test]
fn c31_a_killed_node_is_present_to_nobody_within_seconds_and_again_when_it_speaks() {
    for seed in 0..3 {
        let mut world = World::new(seed).nodes(20);
        settle(&mut world);
        world.run(20 * SECOND);
        assert!(listed(&world, 20, 7, true));
        world.kill(7);
        let gone = world.run_until(12 * SECOND, |w| listed(w, 20, 7, false));
        assert!(gone, "seed {seed}: it is still listed");
        assert!((0..20).filter(|n| *n != 7).all(|n| listed(&world, 20, n, true)), "the others stay");
        world.wake(7);
        let back = world.run_until(10 * SECOND, |w| listed(w, 20, 7, true));
        assert!(back, "seed {seed}: it is not listed again");
    }
}

#[test]
fn c31_who_was_cut_off_is_listed_again_soon_after() {
    let mut world = World::new(5).nodes(10);
    settle(&mut world);
    world.run(20 * SECOND);
    world.split([2, 4]);
    assert!(world.run_until(30 * SECOND, |w| {
        let node = w.actors[2].node;
        !w.engine(0).nodes().iter().any(|info| info.node == node)
    }));
    world.heal();
    let back = world.run_until(120 * SECOND, |w| (0..10).all(|number| listed(w, 10, number, true)));
    assert!(back, "seed {}", world.seed());
}

#[test]
fn c31_who_joins_later_does_not_list_who_died_long_before() {
    // Few pings, since an hour passes.
    let config = OverlayConfig { ping_interval: 10 * SECOND, ..OverlayConfig::default() };
    let mut world = World::new(8).config(config).nodes(8);
    settle(&mut world);
    let hour = GraphProperties { presence_lifetime: 3600 * SECOND, ..GraphProperties::default() };
    world.with(0, |engine, now| engine.put_properties(now, &hour)).unwrap();
    // Until all have published presence that lives that long.
    world.run(300 * SECOND);
    world.kill(3);
    world.run(LOST_KEPT + 60 * SECOND);
    assert!(listed(&world, 8, 3, false));
    let dead = world.engine(3).nodes()[0].clone();
    let nonce: [u8; 16] = dead.node.as_bytes()[..16].try_into().unwrap();
    let id = crate::record::record_id(&world.engine(0).graph_id(), &dead.peer, &nonce);
    assert!(world.engine(0).current(&id).unwrap().is_some(), "its presence lives on");
    world.add_node();
    settle(&mut world);
    world.run(10 * SECOND);
    assert!(listed(&world, 9, 3, false), "the newcomer lists it");
    world.wake(3);
    assert!(world.run_until(60 * SECOND, |w| listed(w, 9, 3, true)), "it is not listed again");
}

#[test]
fn c31_nobody_can_have_a_living_node_taken_off_the_list() {
    let mut world = World::new(6).nodes(10);
    settle(&mut world);
    world.run(20 * SECOND);
    let victim = world.actors[3].node;
    let nonce: [u8; 16] = victim.as_bytes()[..16].try_into().unwrap();
    let peer = world.engine(3).nodes()[0].peer;
    let id = crate::record::record_id(&world.engine(0).graph_id(), &peer, &nonce);
    for _ in 0..20 {
        let seen = world.engine(0).current(&id).unwrap().unwrap().header().hlc;
        let lie = Message::Lost(vec![Lost { node: victim, seen }]).encode().to_vec();
        // Told the same a thousand times at once, it answers once, and the next time again.
        let flood = Message::Lost(vec![Lost { node: victim, seen }; MAX_LOST_TOLD]).encode().to_vec();
        for _ in 0..16 {
            world.inject(3, 0, 0, flood.clone());
        }
        for liar in (0..10).filter(|number| *number != 3) {
            world.inject(liar, 0, 0, lie.clone());
        }
        for _ in 0..20 {
            world.run(SECOND / 10);
            assert!(listed(&world, 10, 3, true));
        }
    }
    assert_eq!(world.accusations(), 0);
}

#[test]
fn c27_removals_that_do_not_count_set_off_no_storm() {
    let mut world = World::new(27).group().nodes(5);
    settle(&mut world);
    world.run(20 * SECOND);
    let traffic = |world: &mut World| {
        let before = world.bytes;
        world.run(20 * SECOND);
        world.bytes - before
    };
    let quiet = traffic(&mut world);
    let peers = [2, 3].map(|node| world.engine(node).nodes()[0].peer);
    for (node, subject) in [(2, peers[1]), (3, peers[0])] {
        let (reason, keep) = (String::new(), Keep::default());
        let remove = Remove { subject, reason, keep, branch: false, undo: false };
        // Signed by hand: `remove` refuses it, for neither is senior to the other.
        world.with(node, |engine, now| engine.issue(now, Content::Remove(remove))).unwrap();
    }
    world.run(10 * SECOND);
    let after = traffic(&mut world);
    assert!(after < quiet * 2, "{after} bytes instead of {quiet}");
    assert!(world.all_databases_equal(), "{:?}", world.fingerprints());
}
