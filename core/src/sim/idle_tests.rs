//! What a graph costs in which nobody writes.

use std::{fmt::Write, time::Duration};

use super::World;

const SECOND: Duration = Duration::from_secs(1);
/// Two whole rounds of presence at the default lifetime.
const WINDOW: Duration = Duration::from_secs(300);

/// Frames and bytes received per node and second.
fn idle_cost(nodes: usize) -> (f64, f64) {
    let mut world = World::new(11).nodes(nodes);
    let settled = world
        .run_until(120 * SECOND, |w| w.components() == 1 && w.all_synchronized() && w.all_databases_equal());
    assert!(settled, "seed {}: {:?}", world.seed(), world.fingerprints());
    world.run(60 * SECOND);
    let (frames, bytes) = (world.frames, world.bytes);
    world.run(WINDOW);
    let share = nodes as f64 * WINDOW.as_secs_f64();
    ((world.frames - frames) as f64 / share, (world.bytes - bytes) as f64 / share)
}

#[test]
fn c1_the_cost_of_idling_does_not_depend_on_the_number_of_nodes() {
    let mut table = String::from("nodes frames/s bytes/s, received by each node\n");
    let costs: Vec<(f64, f64)> = [10, 40, 100, 200]
        .into_iter()
        .map(|nodes| {
            let (frames, bytes) = idle_cost(nodes);
            eprintln!("{nodes} {frames} {bytes}");
            writeln!(table, "{nodes:5} {frames:8.1} {bytes:7.0}").unwrap();
            (frames, bytes)
        })
        .collect();
    println!("{table}");
    let most = |cost: fn(&(f64, f64)) -> f64| costs.iter().map(cost).fold(0.0, f64::max);
    // The smallest world is not the cheapest one in each respect: five neighbors each, as everywhere.
    assert!(most(|c| c.0) < costs[0].0 * 1.25, "frames grow with the number of nodes\n{table}");
    assert!(most(|c| c.1) < costs[0].1 * 1.25, "bytes grow with the number of nodes\n{table}");
}
