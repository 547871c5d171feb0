#![no_main]
//! Sequences: two nodes of three are fed arbitrary frames in the name of the third, between bursts of normal life. They
//! may part with it; they may not crash, nor lose each other, nor come to differ.

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use peergraph::sim::World;

const LIAR: usize = 2;

fuzz_target!(|frames: Vec<(bool, u8, Vec<u8>)>| {
    let mut world = World::new(1).nodes(3);
    world.run(Duration::from_secs(5));
    for (victim, stream, bytes) in frames.into_iter().take(16) {
        world.inject(LIAR, usize::from(victim), usize::from(stream), bytes);
        world.run(Duration::from_millis(20));
    }
    world.publish(0, "still here");
    world.publish(1, "and here");
    let honest = |world: &World| (world.engine(0).fingerprint(), world.engine(1).fingerprint());
    let equal = world.run_until(Duration::from_secs(30), |world| honest(world).0 == honest(world).1);
    assert!(equal, "{:?}", honest(&world));
});
