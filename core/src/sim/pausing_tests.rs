//! Applications in the background, phones, and networks that change, under virtual time.

use std::time::Duration;

use super::World;
use crate::{
    engine::Engine,
    graph::{ConnectFailure, ConnectOptions, OverlayConfig},
};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn settle(world: &mut World) {
    let rested = world.run_until(10 * MINUTE, |w| w.components() == 1 && w.all_databases_equal());
    assert!(rested, "seed {}: {:?}", world.seed(), world.fingerprints());
}

fn neighbors(world: &World, node: usize) -> usize {
    world.engine(node).neighbors().len()
}

#[test]
fn a_paused_node_is_quiet_and_is_back_within_a_second() {
    for seed in 0..20 {
        let mut world = World::new(seed).nodes(6);
        settle(&mut world);
        world.run(2 * MINUTE);
        assert!(world.with(3, Engine::pause));
        assert!(!world.with(3, Engine::pause), "once");
        assert_eq!(neighbors(&world, 3), 0);
        let gone = world.run_until(SECOND, |w| w.engine(0).nodes().len() == 5 && neighbors(w, 0) == 4);
        assert!(gone, "seed {seed}: the others know that it is away");
        let node = world.engine(3).nodes()[0].clone();
        for number in 0..50 {
            world.publish(number % 3, format!("meanwhile {number}"));
        }
        let own = world.publish(3, "written while paused");
        world.run(10 * MINUTE);
        assert!(world.with(3, |engine, now| engine.poll_timeout(now)).is_none(), "nothing is due");
        assert_eq!(neighbors(&world, 3), 0, "nobody is let in");
        let target = world.engine(0).nodes()[0].addr.clone();
        let refused = world.with(3, |engine, now| {
            engine.connect(now, vec![target], ConnectOptions::default());
            engine.poll_notice()
        });
        assert!(
            matches!(
                &refused,
                Some(crate::engine::Notice::Connect { result: Err(ConnectFailure::Paused), .. })
            ),
            "{refused:?}"
        );
        assert!(world.with(3, Engine::resume));
        assert!(!world.with(3, Engine::resume), "once");
        let back = world.run_until(SECOND, |w| {
            w.all_databases_equal()
                && w.engine(3).status().synchronized
                && w.engine(1).current(&own).unwrap().is_some()
        });
        assert!(back, "seed {seed}: {:?}", world.fingerprints());
        let seen = world.run_until(SECOND, |w| w.engine(0).nodes().iter().any(|n| n.node == node.node));
        assert!(seen, "seed {seed}: the others know that it is back");
    }
}

#[test]
fn who_was_cut_off_by_the_network_dials_when_told_of_another_one() {
    let mut world = World::new(5).nodes(4);
    settle(&mut world);
    world.split([2]);
    // Long enough for waits of minutes between dials.
    world.run(30 * MINUTE);
    assert_eq!(neighbors(&world, 2), 0);
    world.heal();
    world.with(2, Engine::network_changed);
    assert!(world.run_until(5 * SECOND, |w| neighbors(w, 2) > 0 && w.engine(2).status().synchronized));
}

fn low_power() -> OverlayConfig {
    OverlayConfig { ping_interval: 15 * SECOND, ..OverlayConfig::default() }
}

fn frames_of_a_quiet_hour(world: &mut World) -> u64 {
    settle(world);
    world.run(MINUTE);
    let before = world.frames;
    world.run(60 * MINUTE);
    world.frames - before
}

#[test]
fn one_who_saves_power_is_pinged_as_seldom_as_it_pings() {
    let busy = frames_of_a_quiet_hour(&mut World::new(7).nodes(2));
    let mut mixed = World::new(7).nodes(1).config(low_power()).nodes(1);
    let saving = frames_of_a_quiet_hour(&mut mixed);
    assert!(saving * 8 < busy, "{saving} frames instead of {busy}");
    assert_eq!(neighbors(&mixed, 0), 1, "and it is still there");
    mixed.kill(1);
    let noticed = mixed.run_until(90 * SECOND, |w| neighbors(w, 0) == 0);
    assert!(noticed, "its death is noticed after about a minute");
}
