//! Deletes and edits in parts of a graph that do not hear each other, over links under virtual time.

use std::{collections::BTreeSet, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::World;
use crate::{
    ids::RecordId,
    record::RecordUpdate,
    records::{Conflict, ConflictQuery},
};

const MINUTE: Duration = Duration::from_secs(60);
const NODES: usize = 12;

fn settle(world: &mut World) {
    let rested = world.run_until(10 * MINUTE, |w| w.components() == 1 && w.all_databases_equal());
    assert!(rested, "seed {}: {:?}", world.seed(), world.fingerprints());
}

fn conflicts(world: &World, node: usize, id: RecordId) -> Vec<Conflict> {
    let query = ConflictQuery { record: Some(id), ..ConflictQuery::default() };
    let engine = world.engine(node);
    engine.reader().conflicts(&query, crate::time::Timestamp(0)).unwrap().items
}

fn is_deleted(world: &World, node: usize, id: RecordId) -> bool {
    world.engine(node).current(&id).unwrap().is_some_and(|record| record.header().deleted)
}

#[test]
fn c40_c42_a_delete_wins_at_every_node_and_every_node_learns_what_lost() {
    for seed in [0x40, 0x41, 0x42] {
        let mut world = World::new(seed).nodes(NODES);
        settle(&mut world);
        let (edited, deleted) =
            (world.publish(0, "edited on both sides"), world.publish(1, "deleted on one side"));
        settle(&mut world);
        world.split(NODES / 2..NODES);
        world.run(MINUTE);
        world.with(0, |engine, now| engine.delete(now, &deleted, None).unwrap());
        world.with(2, |engine, now| engine.update(now, &edited, RecordUpdate::body("lost")).unwrap());
        world.run(MINUTE);
        for n in 0..3 {
            let update = |body: &str| RecordUpdate::body(format!("{body} {n}"));
            world.with(7, |engine, now| engine.update(now, &deleted, update("in vain")).unwrap());
            world.with(8, |engine, now| engine.update(now, &edited, update("won")).unwrap());
        }
        world.run(MINUTE);
        world.heal();
        settle(&mut world);
        world.run(MINUTE);
        for node in 0..NODES {
            assert!(is_deleted(&world, node, deleted), "seed {seed}: it came back at {node}");
            let body = world.engine(node).current(&edited).unwrap().unwrap().body();
            assert_eq!(&body[..], b"won 2", "seed {seed}: at {node}");
            for (id, lost) in [(deleted, "in vain 2"), (edited, "lost")] {
                let found = conflicts(&world, node, id);
                let losers: Vec<_> = found.iter().map(|c| c.loser.body_text().unwrap()).collect();
                assert_eq!(losers, [lost], "seed {seed}: at {node}");
                let (winner, loser) = (&found[0].winner, &found[0].loser);
                assert!(winner.version > loser.version, "seed {seed}: the version went down at {node}");
            }
        }
    }
}

#[test]
fn c40_whatever_is_deleted_anywhere_stays_deleted_everywhere() {
    for seed in 0..8 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = World::new(0x400 + seed).loss(0.02).nodes(6);
        settle(&mut world);
        world.run(MINUTE);
        let ids: Vec<RecordId> = (0..8).map(|n| world.publish(n % 6, format!("record {n}"))).collect();
        settle(&mut world);
        let mut deleted = BTreeSet::new();
        for _ in 0..3 {
            let apart: Vec<usize> = (0..6).filter(|_| rng.random()).collect();
            world.split(apart);
            for _ in 0..12 {
                let (node, id) = (rng.random_range(0..6), ids[rng.random_range(0..ids.len())]);
                if is_deleted(&world, node, id) {
                    continue;
                }
                if rng.random_range(0..4) == 0 {
                    world.with(node, |engine, now| engine.delete(now, &id, None).unwrap());
                    deleted.insert(id);
                } else {
                    world.with(node, |engine, now| {
                        engine.update(now, &id, RecordUpdate::body("more")).unwrap()
                    });
                }
                world.run(Duration::from_secs(rng.random_range(0..20)));
            }
            world.heal();
            settle(&mut world);
        }
        for (node, id) in (0..6).flat_map(|node| ids.iter().map(move |id| (node, *id))) {
            assert_eq!(is_deleted(&world, node, id), deleted.contains(&id), "seed {seed}: {id} at {node}");
        }
    }
}
