//! Newcomers whose admitter is away, under virtual time: those whose acts come are kept, those whose acts stay out are not.

use std::time::Duration;

use super::World;
use crate::authority::Content;

const SECOND: Duration = Duration::from_secs(1);

/// Five nodes that know the same, and the second cut off from the rest.
fn without_the_second(seed: u64) -> World {
    let mut world = World::new(seed).group().nodes(5);
    let settled = |w: &World| w.components() == 1 && w.all_synchronized() && w.all_databases_equal();
    assert!(world.run_until(120 * SECOND, settled), "seed {seed}");
    world.split([1]);
    world.run(20 * SECOND);
    world
}

fn is_listed(world: &World, at: usize, who: usize) -> bool {
    let (peer, now) = (world.engine(who).nodes()[0].peer, crate::time::Timestamp::from_secs(1_800_001_000));
    world.engine(at).membership().unwrap().is_member(peer, now)
}

/// Links of the others with a node.
fn links_with(world: &World, who: usize) -> usize {
    let node = world.actors[who].node;
    let neighbors = |at: usize| world.engine(at).neighbors().iter().filter(|n| n.node == node).count();
    world.living().map(|(at, _)| at).filter(|at| *at != who && *at != 1).map(neighbors).sum()
}

#[test]
fn w3_a_newcomer_whose_admitter_is_away_becomes_a_member_everywhere() {
    for seed in 0..5 {
        let mut world = without_the_second(seed);
        let guest = world.add_with_papers(1, 3);
        let everywhere = |w: &World| [0, 2, 3, 4, guest].iter().all(|at| is_listed(w, *at, guest));
        assert!(world.run_until(30 * SECOND, everywhere), "seed {seed}");
        for _ in 0..20 {
            world.run(10 * SECOND);
            assert!(links_with(&world, guest) > 0, "seed {seed}: it is kept");
        }
        world.heal();
        assert!(world.run_until(120 * SECOND, World::all_databases_equal), "seed {seed}");
    }
}

#[test]
fn w3_who_is_in_no_list_is_nobodys_neighbor_for_long_until_its_acts_come() {
    for seed in 0..5 {
        let mut world = without_the_second(seed);
        // What its admitter did before is known to nobody else.
        world.with(1, |engine, now| engine.issue(now, Content::Merge)).unwrap();
        let guest = world.add_with_papers(1, 3);
        let mut linked = 0;
        for _ in 0..900 {
            world.run(SECOND);
            linked += usize::from(links_with(&world, guest) > 0);
        }
        assert!(linked < 90, "seed {seed}: {linked} of 900 s");
        assert!([0, 2, 3, 4].iter().all(|at| !is_listed(&world, *at, guest)));
        assert_eq!(world.accusations(), 0, "seed {seed}: nobody is blamed for it");
        world.heal();
        let settled =
            |w: &World| is_listed(w, 3, guest) && links_with(w, guest) > 0 && w.all_databases_equal();
        assert!(world.run_until(900 * SECOND, settled), "seed {seed}");
    }
}
