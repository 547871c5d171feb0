//! What members can make others keep, by the holes of it that were closed.

use super::{
    scene::{ANN, BEN, CAT, Scene, removal},
    world::{GRAPH, MAX_CHAIN, NOON, Replica, peer, removal_of},
};
use crate::{
    authority::{Act, ActBody, ActSet, Content, Fault, Keep, Remove, Verdict, ancestry::Past},
    ids::{ActId, NodeId},
    limits::{MAX_LEAVES, MAX_REVOKED_DEVICES},
    record::Role,
    time::Timestamp,
};

fn missing(number: u64) -> ActId {
    let mut bytes = [0xee; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    ActId::from_bytes(bytes)
}

#[test]
fn h12_what_names_a_refused_act_never_counts_whichever_comes_first() {
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
        let mut replica = Replica::of(scene.set().clone());
        assert!(order.into_iter().all(|act| replica.hear(act.clone()).is_empty()));
        assert_eq!(replica.set.insert(bad.clone()).refused, [(bad.id(), Fault::Role)]);
        assert_eq!(replica.set.ids(), scene.set().ids());
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
        // Nothing may build on it.
        let body =
            ActBody { after: vec![largest.id()], by: None, author: peer(ANN), ..leaf(0, removal(BEN)) };
        assert_eq!(set.insert(Act::unsigned(body)).waits_for, Some(largest.id()));
    }
}

#[test]
fn h3_only_lists_of_acts_that_count_are_asked_for() {
    let mut scene = Scene::new();
    let (ben, cat) = (scene.founded(BEN, Role::Admin), scene.founded(CAT, Role::Member));
    let list = |number: u8| Keep::list([crate::ids::ElementId::from_bytes([number; 16])], []);
    let (good, chunks) = list(1);
    let remove = Remove { keep: good, ..removal_of(peer(CAT)) };
    let removed = scene.act(ANN, None, &[cat], Content::Remove(remove));
    let remove = Remove { keep: list(2).0, ..removal_of(peer(CAT)) };
    scene.act(ANN, None, &[removed], removal(BEN));
    scene.act(BEN, Some(ben), &[cat], Content::Remove(remove));
    let least = Role::Member;
    let wanted =
        |set: &ActSet| Verdict::of(set).wanted_chunks(set, least).into_iter().copied().collect::<Vec<_>>();
    assert_eq!(wanted(scene.set()), [chunks[0].hash()]);
    // Lists of leave acts beyond the bound are forgotten with them.
    let mut set = scene.set().clone();
    for number in 0..MAX_LEAVES as u64 + 20 {
        let (by, at) = (Some(scene.id(cat)), Timestamp(NOON + number));
        let content = Content::Leave(list(100 + number as u8).0);
        set.insert(Act::unsigned(ActBody { author: peer(CAT), by, after: Vec::new(), at, content }));
    }
    // The removal is asked first.
    assert_eq!(wanted(&set), [chunks[0].hash()]);
    assert_eq!(set.wanted_chunks().count(), 2 + MAX_LEAVES);
    assert!(set.insert_chunk(chunks[0].clone()));
    assert_eq!(wanted(&set).len(), 0);
}

/// The numbers that a past takes.
fn size(past: &Past) -> usize {
    match past {
        Past::Runs(runs) => runs.len(),
        Past::Bits(words) => words.len(),
    }
}

#[test]
fn r18_a_past_that_was_scattered_becomes_a_few_runs_again() {
    let mut set = ActSet::new(GRAPH, peer(ANN), MAX_CHAIN);
    let mut number = 0;
    let mut insert = |author: usize, by: Option<ActId>, mut after: Vec<ActId>, content: Content| {
        after.sort_unstable();
        number += 1;
        let at = Timestamp(NOON + number);
        let act = Act::unsigned(ActBody { author: peer(author), by, after, at, content });
        assert_eq!(set.insert(act.clone()).accepted.len(), 1);
        (act.id(), set.entries.last().unwrap().past.clone())
    };
    let grant = super::world::grant_of(peer(BEN), Role::Inviter, 4);
    let ben = insert(ANN, None, Vec::new(), Content::Grant(grant)).0;
    // Ben signs a thousand acts at once; between any two of them Ann signs one that has none of his in its past.
    let (mut scattered, mut last, mut most) = (Vec::new(), ben, 0);
    for _ in 0..1000 {
        scattered.push(insert(BEN, Some(ben), vec![ben], Content::Merge).0);
        let (act, past) = insert(ANN, None, vec![last], Content::Merge);
        (last, most) = (act, most.max(size(&past)));
        // Never more than one bit for each act, nor than one number for each run.
        assert!(size(&past) <= 2 * 1000 / 64 + 1);
    }
    assert!(most > 20, "a bit set of {most} words");
    // They are named, sixteen at a time, and all is in the past of everything that follows.
    for some in scattered.chunks(15) {
        let after = some.iter().copied().chain([last]).collect();
        last = insert(ANN, None, after, Content::Merge).0;
    }
    for _ in 0..100 {
        let (act, past) = insert(ANN, None, vec![last], Content::Merge);
        last = act;
        assert_eq!(size(&past), 1, "{past:?}");
        assert!(matches!(past, Past::Runs(_)));
    }
}
