//! Records that wait for a list which never comes, over links under virtual time.

use std::time::Duration;

use super::World;
use crate::{
    authority::{Content, Keep},
    engine::Removal,
    ids::PeerId,
    limits::LIST_PATIENCE,
    record::RecordType,
    records::ListQuery,
    time::Timestamp,
};

const MINUTE: Duration = Duration::from_secs(60);
const NOTES: usize = 300;

fn settle(world: &mut World) {
    let rested = world.run_until(10 * MINUTE, |w| w.components() == 1 && w.all_databases_equal());
    assert!(rested, "seed {}: {:?}", world.seed(), world.fingerprints());
}

/// Notes of an identity that a node shows to its readers.
fn shown(world: &World, node: usize, author: PeerId) -> usize {
    let note = Some(RecordType::new("sim.note").unwrap());
    let query = ListQuery { record_type: note, creator: Some(author), count: true, ..ListQuery::default() };
    let page = world.engine(node).reader().list(&query, Timestamp(1)).unwrap();
    usize::try_from(page.total.unwrap()).unwrap()
}

/// Bytes of records that answered comparisons so far; presence is among them now and then.
fn fetched(world: &World) -> u64 {
    world.traffic().get("Sync Sent").map_or(0, |(_, bytes)| *bytes)
}

#[test]
fn w5_a_leave_whose_list_never_comes_costs_no_fetching_and_hides_the_same_everywhere() {
    for seed in [0x51, 0x52] {
        let mut world = World::new(seed).group().nodes(4);
        settle(&mut world);
        // Equal databases do not mean yet that each node knows so.
        assert!(world.run_until(MINUTE, |w| w.all_synchronized()), "seed {seed}");
        let first = world.publish(3, "0");
        let leaver = world.engine(3).current(&first).unwrap().unwrap().header().creator;
        for number in 1..NOTES {
            world.publish(3, format!("{number}"));
        }
        settle(&mut world);
        // It leaves with a list that nobody has, and its node is gone.
        let keep = Keep { chunks: vec![[9; 32]], cuts: Vec::new() };
        world.with(3, |engine, now| engine.issue(now, Content::Leave(keep)).unwrap());
        world.run(MINUTE / 4);
        world.leave(3);
        // One comes that never had the records.
        let newcomer = world.add_node();
        world.run(LIST_PATIENCE + MINUTE);
        settle(&mut world);
        let nodes = [0, 1, 2, newcomer];
        assert_eq!(nodes.map(|node| shown(&world, node, leaver)), [0; 4], "seed {seed}");
        let before = fetched(&world);
        world.run(30 * MINUTE);
        assert!(world.all_databases_equal(), "seed {seed}: {:?}", world.fingerprints());
        let sent = fetched(&world) - before;
        assert!(sent < 10 * NOTES as u64, "seed {seed}: {sent} bytes sent, and nothing is missing anywhere");
        assert_eq!(nodes.map(|node| shown(&world, node, leaver)), [0; 4]);

        // A removal decides, and the newcomer gets what it never had.
        let removal = Removal { keep_records: true, ..Removal::default() };
        world.with(0, |engine, now| engine.remove(now, leaver, "", removal).unwrap());
        world.run(5 * MINUTE);
        settle(&mut world);
        assert_eq!(nodes.map(|node| shown(&world, node, leaver)), [NOTES; 4], "seed {seed}");
        assert_eq!(world.accusations(), 0);
    }
}
