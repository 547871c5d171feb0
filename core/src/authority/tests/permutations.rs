//! The verdict does not depend on the order of arrival: all orders of small sets, some of large ones.

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{
    story::{Story, play, real},
    world::{GRAPH, MAX_CHAIN, Replica, World, peer},
};
use crate::authority::{ActSet, Verdict};

fn verdict_in(world: &World, order: &[usize]) -> (usize, Vec<u8>) {
    let mut replica = Replica::of(ActSet::new(GRAPH, peer(0), MAX_CHAIN));
    for at in order {
        replica.hear(world.infos[*at].act.clone());
    }
    (replica.set.ids().len(), Verdict::of(&replica.set).to_bytes())
}

fn worlds(seeds: std::ops::Range<u64>) -> impl Iterator<Item = World> {
    seeds.filter_map(|seed| play(&Story::random(seed), &real).ok()).filter(|world| !world.infos.is_empty())
}

/// Calls `visit` with every order (Heap's algorithm).
fn orders(items: &mut [usize], size: usize, visit: &mut impl FnMut(&[usize])) {
    if size <= 1 {
        return visit(items);
    }
    for at in 0..size {
        orders(items, size - 1, visit);
        items.swap(if size.is_multiple_of(2) { at } else { 0 }, size - 1);
    }
}

#[test]
fn all_orders_of_small_sets_give_the_same_bytes() {
    let mut tried = 0;
    for world in worlds(2_000_000..2_010_000).filter(|world| world.infos.len() == 6).take(6) {
        let mut order: Vec<usize> = (0..world.infos.len()).collect();
        let expected = verdict_in(&world, &order);
        orders(&mut order.clone(), world.infos.len(), &mut |order| {
            assert_eq!(verdict_in(&world, order), expected, "{order:?}");
            tried += 1;
        });
        order.reverse();
        assert_eq!(verdict_in(&world, &order), expected);
    }
    assert_eq!(tried, 6 * 720);
}

#[test]
fn many_orders_of_large_sets_give_the_same_bytes() {
    let mut rng = StdRng::seed_from_u64(19);
    let mut largest = 0;
    for world in worlds(3_000_000..3_000_150) {
        let mut order: Vec<usize> = (0..world.infos.len()).collect();
        largest = largest.max(order.len());
        let expected = verdict_in(&world, &order);
        for _ in 0..10 {
            order.shuffle(&mut rng);
            assert_eq!(verdict_in(&world, &order), expected, "{order:?}");
        }
    }
    assert!(largest >= 12, "{largest} acts");
}
