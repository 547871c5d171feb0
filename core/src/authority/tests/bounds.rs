//! What members can make others keep, by the holes of it that were closed.

use super::{
    scene::{ANN, BEN, Scene, grant, removal},
    world::{NOON, peer},
};
use crate::{
    authority::{Act, ActBody, Content, Fault},
    ids::{ActId, NodeId, PeerId},
    limits::{MAX_LEAVES, MAX_PENDING_OF_STRANGERS, MAX_REVOKED_DEVICES},
    record::Role,
    time::Timestamp,
};

fn missing(number: u64) -> ActId {
    let mut bytes = [0xee; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    ActId::from_bytes(bytes)
}

fn stranger(number: u64) -> PeerId {
    PeerId::from_bytes(*missing(number).as_bytes())
}

#[test]
fn h12_acts_of_throwaway_keys_displace_no_waiting_act_of_a_member() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let mut set = scene.set().clone();
    let by = |author: PeerId, by: ActId, after: u64| ActBody {
        author,
        by: Some(by),
        after: vec![missing(after)],
        at: Timestamp(NOON),
        content: Content::Merge,
    };
    set.insert(Act::unsigned(by(peer(BEN), scene.id(ben), 0)));
    for number in 1..5000 {
        set.insert(Act::unsigned(by(stranger(number), missing(number), number)));
    }
    assert!(set.wanted_acts().any(|id| *id == missing(0)), "the member's act still waits");
    assert_eq!(set.wanted_acts().count(), 1 + MAX_PENDING_OF_STRANGERS);
}

#[test]
fn h12_what_names_a_refused_act_is_refused_whichever_comes_first() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Reader);
    let by = Some(scene.id(ben));
    let body = |after: Vec<ActId>, author: usize, content| {
        let by = by.filter(|_| author == BEN);
        Act::unsigned(ActBody { author: peer(author), by, after, at: Timestamp(NOON), content })
    };
    let bad = body(Vec::new(), BEN, Content::Merge);
    let next = body(vec![bad.id()], ANN, Content::Merge);
    let last = body(vec![next.id()], ANN, removal(BEN));
    let orders = [[&bad, &next, &last], [&last, &next, &bad], [&next, &bad, &last], [&last, &bad, &next]];
    for order in orders {
        let mut set = scene.set().clone();
        let refused: Vec<_> = order.into_iter().flat_map(|act| set.insert(act.clone()).refused).collect();
        assert_eq!(refused.len(), 3);
        assert!(refused.contains(&(bad.id(), Fault::Role)));
        assert!(refused.contains(&(last.id(), Fault::NamesRefused)));
        assert_eq!(set.wanted_acts().count(), 0, "nothing waits for ever");
        assert_eq!(set.ids(), scene.set().ids());
    }
}

#[test]
fn h12_a_leaf_beyond_the_bound_is_dropped_each_time_it_comes() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Reader);
    let mut set = scene.set().clone();
    let leaf = |number: u64, content| ActBody {
        author: peer(BEN),
        by: Some(scene.id(ben)),
        after: Vec::new(),
        at: Timestamp(NOON + number),
        content,
    };
    let mut kinds: Vec<(usize, Vec<Act>)> = Vec::new();
    let leaves = (0..MAX_LEAVES as u64 + 1).map(|n| leaf(n, super::scene::leave()));
    kinds.push((MAX_LEAVES, leaves.map(Act::unsigned).collect()));
    let device = |n: u64| Content::RevokeDevice {
        identity: peer(BEN),
        node: NodeId::from_bytes(*missing(n).as_bytes()),
    };
    let devices = (0..MAX_REVOKED_DEVICES as u64 + 1).map(|n| leaf(n, device(n)));
    kinds.push((MAX_REVOKED_DEVICES, devices.map(Act::unsigned).collect()));
    for (most, mut acts) in kinds {
        acts.sort_by_key(Act::id);
        let largest = acts.last().unwrap().clone();
        // The one with the largest id is here first, and goes when the last comes.
        assert_eq!(set.insert(largest.clone()).accepted, [largest.id()]);
        let inserted: Vec<_> = acts[..most].iter().map(|act| set.insert(act.clone())).collect();
        assert_eq!(inserted.last().unwrap().dropped, [largest.id()]);
        for _ in 0..3 {
            let again = set.insert(largest.clone());
            assert_eq!((again.accepted, again.dropped), (vec![], vec![largest.id()]));
        }
        // Nothing may build on it, and nothing waits for it.
        let body =
            ActBody { after: vec![largest.id()], by: None, author: peer(ANN), ..leaf(0, removal(BEN)) };
        assert_eq!(set.insert(Act::unsigned(body)).refused[0].1, Fault::NamesRefused);
    }
    assert!(
        set.insert(Act::unsigned(ActBody {
            by: None,
            author: peer(ANN),
            ..leaf(9, grant(BEN, Role::Member, 1))
        }))
        .waits_for
        .is_none()
    );
}
