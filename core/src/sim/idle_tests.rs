//! What a graph costs in which nobody writes.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use super::World;
use crate::record::RecordType;

const SECOND: Duration = Duration::from_secs(1);

/// What each node received per second, and what the whole graph stored.
struct Cost {
    nodes: usize,
    frames: f64,
    bytes: f64,
    /// Frames and bytes per second of each message kind.
    kinds: Vec<(String, f64, f64)>,
    /// Presence records stored at a node in 10 s.
    presence: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, frames, bytes, kinds, presence } = self;
        writeln!(f, "{nodes:5} {frames:8.1} {bytes:7.0} {presence:14.2}")?;
        for (kind, frames, bytes) in kinds.iter().filter(|(_, _, bytes)| *bytes >= 1.0) {
            writeln!(f, "      {frames:8.2} {bytes:7.0}                 {kind}")?;
        }
        Ok(())
    }
}

/// Presence records that node 0 has stored so far: each is a version of its node's record.
fn presence_stored(world: &World) -> u64 {
    let engine = world.engine(0);
    let records = engine.keys().into_iter().filter_map(|key| engine.fetch(&key));
    let presence = records.filter(|record| record.header().record_type == RecordType::PRESENCE);
    presence.map(|record| record.header().version).sum()
}

/// Measures during `window`, once all nodes have joined and `rest` has passed.
fn idle_cost(nodes: usize, rest: Duration, window: Duration) -> Cost {
    let mut world = World::new(11).nodes(nodes);
    let settled = world
        .run_until(120 * SECOND, |w| w.all_synchronized() && w.components() == 1 && w.all_databases_equal());
    assert!(settled, "seed {}: {:?}", world.seed(), world.fingerprints());
    world.run(rest);
    let (frames, bytes, presence) = (world.frames, world.bytes, presence_stored(&world));
    let before: Vec<_> =
        world.traffic().into_iter().map(|(kind, counts)| (kind.to_owned(), counts)).collect();
    world.run(window);
    let share = |count: u64| count as f64 / (nodes as f64 * window.as_secs_f64());
    let kinds = world.traffic().into_iter().map(|(kind, (frames, bytes))| {
        let (old_frames, old_bytes) =
            before.iter().find(|(old, _)| old == kind).map_or((0, 0), |(_, counts)| *counts);
        (kind.to_owned(), share(frames - old_frames), share(bytes - old_bytes))
    });
    Cost {
        nodes,
        frames: share(world.frames - frames),
        bytes: share(world.bytes - bytes),
        kinds: kinds.collect(),
        presence: (presence_stored(&world) - presence) as f64 * 10.0 / window.as_secs_f64(),
    }
}

fn costs(sizes: &[usize], rest: Duration, window: Duration) -> (Vec<Cost>, String) {
    let costs: Vec<Cost> = sizes.iter().map(|nodes| idle_cost(*nodes, rest, window)).collect();
    let mut table = String::from("nodes frames/s bytes/s presence/10 s\n");
    costs.iter().for_each(|cost| write!(table, "{cost}").unwrap());
    (costs, table)
}

/// True if the last size costs at most a quarter more than the first, in frames and in bytes.
fn is_constant(costs: &[Cost]) -> bool {
    let (first, last) = (&costs[0], &costs[costs.len() - 1]);
    last.frames < first.frames * 1.25 && last.bytes < first.bytes * 1.25
}

#[test]
fn c1_the_cost_of_idling_does_not_depend_on_the_number_of_nodes() {
    // Ten nodes have fewer neighbors each than thirty, so that is where the comparison begins.
    let (costs, table) = costs(&[30, 90], 60 * SECOND, 120 * SECOND);
    assert!(is_constant(&costs), "the cost grows with the number of nodes\n{table}");
    // Those that joined first knew of few others: their records are renewed in these minutes, beside what is due.
    assert!(costs.iter().all(|cost| cost.presence <= 2.0), "too many presence records\n{table}");
}

#[test]
#[ignore = "takes minutes; prints the table: cargo test --release -p peergraph --no-default-features --features sim --lib c1_table -- --ignored --nocapture"]
fn c1_table_of_what_idling_costs() {
    for rest in [60, 600] {
        let (costs, table) = costs(&[10, 40, 100, 200], rest * SECOND, 300 * SECOND);
        println!("{rest} s after all had joined, for 300 s:\n{table}");
        assert!(is_constant(&costs[1..]), "the cost grows with the number of nodes\n{table}");
        let most = if rest < 300 { 1.5 } else { 1.0 };
        assert!(costs.iter().all(|cost| cost.presence <= most), "too many presence records\n{table}");
    }
}
