//! What members can make others keep, by the holes of it that were closed.

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, grant, removal},
    world::{NOON, invite_by, peer, removal_of},
};
use crate::{
    authority::{Act, ActBody, ActSet, Content, Fault, Keep, Remove, Verdict},
    ids::{ActId, NodeId, PeerId},
    limits::{MAX_LEAVES, MAX_PENDING_OF_STRANGERS, MAX_REVOKED_DEVICES, MAX_VOID_ACTS},
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

/// A node that judges and prunes with each act.
struct Keeper {
    set: ActSet,
    verdict: Verdict,
}

impl Keeper {
    fn of(set: &ActSet) -> Self {
        Self { set: set.clone(), verdict: Verdict::of(set) }
    }

    fn hear(&mut self, act: &Act) {
        let accepted = self.set.insert(act.clone()).accepted;
        self.verdict.update(&self.set, &accepted);
        self.verdict.prune(&mut self.set);
        if !accepted.is_empty() && self.set.ids().len().is_multiple_of(50) {
            assert_eq!(self.verdict, Verdict::of(&self.set));
        }
    }
}

/// Cat, an inviter, is removed by Ben, an admin; Dan is an inviter too. What Cat then signs: chains of 1 to 3 acts.
fn flood() -> (Scene, usize, Vec<Act>) {
    let mut scene = Scene::new();
    let (ben, cat) = (scene.founded(BEN, Role::Admin), scene.founded(CAT, Role::Inviter));
    scene.founded(DAN, Role::Inviter);
    let eve = scene.act(CAT, Some(cat), &[cat], grant(EVE, Role::Member, 1));
    let removed = scene.act(BEN, Some(ben), &[eve], removal(CAT));
    let mut flood: Vec<Act> = Vec::new();
    for number in 0..900 {
        let last = flood.last().filter(|_| number % 3 > 0).map(Act::id);
        let content = Content::Invite(invite_by(0, Role::Member, 1));
        let (by, at) = (Some(scene.id(cat)), Timestamp(NOON + number));
        let after = vec![last.unwrap_or_else(|| scene.id(cat))];
        flood.push(Act::unsigned(ActBody { author: peer(CAT), by, after, at, content }));
    }
    (scene, removed, flood)
}

#[test]
fn h3_void_acts_of_the_removed_are_bounded_and_alike_in_every_order() {
    let (scene, _, mut acts) = flood();
    let mut rng = StdRng::seed_from_u64(1);
    let mut seen = None;
    for _ in 0..4 {
        let mut node = Keeper::of(scene.set());
        // What waits for one that was not taken comes again when it is offered again.
        for _ in 0..2 {
            acts.iter().for_each(|act| node.hear(act));
        }
        assert_eq!(node.set.ids().len(), scene.set().ids().len() + MAX_VOID_ACTS);
        assert_eq!(node.verdict.to_bytes(), Verdict::of(&node.set).to_bytes());
        let ids = node.set.ids();
        assert_eq!(seen.get_or_insert_with(|| ids.clone()), &ids, "whatever the order");
        assert!(node.verdict.member(peer(EVE), Timestamp(NOON)).is_some(), "what stood before stands");
        acts.shuffle(&mut rng);
    }
}

#[test]
fn h3_an_act_that_was_dropped_is_taken_when_a_member_builds_on_it_or_the_removal_falls() {
    let (scene, removed, acts) = flood();
    let mut node = Keeper::of(scene.set());
    acts.iter().for_each(|act| node.hear(act));
    let lost = acts.iter().rfind(|act| !node.set.contains(&act.id())).unwrap().clone();
    node.hear(&lost);
    assert!(!node.set.contains(&lost.id()));
    // Dan had not heard of the removal.
    let (by, at) = (Some(scene.id(2)), Timestamp(NOON));
    let after = vec![lost.id()];
    let built = Act::unsigned(ActBody { author: peer(DAN), by, after, at, content: Content::Merge });
    node.hear(&built);
    // It and what it builds on are asked for.
    let wanted =
        |node: &Keeper| acts.iter().find(|act| node.set.wanted_acts().any(|id| *id == act.id())).cloned();
    while let Some(act) = wanted(&node) {
        node.hear(&act);
    }
    assert!(node.set.contains(&lost.id()) && node.verdict.act(&built.id()) == Some(None));
    // Ben is removed, and what he did undone: what Cat signed counts, and comes again.
    let undo = Content::Remove(Remove { undo: true, ..removal_of(peer(BEN)) });
    let after = vec![scene.id(removed)];
    let undone = ActBody { author: peer(ANN), by: None, after, at, content: undo };
    node.hear(&Act::unsigned(undone));
    acts.iter().for_each(|act| node.hear(act));
    assert!(acts.iter().all(|act| node.verdict.act(&act.id()) == Some(None)));
    assert_eq!(node.verdict, Verdict::of(&node.set));
}

#[test]
fn h3_what_a_member_left_or_refused_by_stays_when_acts_of_the_removed_are_dropped() {
    let (scene, _, acts) = flood();
    // Dan had not heard of the removal: what he names last is void, and beyond the bound.
    let by_dan = |after: &Act, content| {
        let (by, at, after) = (Some(scene.id(2)), Timestamp(NOON), vec![after.id()]);
        Act::unsigned(ActBody { author: peer(DAN), by, after, at, content })
    };
    let (last, before) = acts.split_last().unwrap();
    let leave = by_dan(last, Content::Leave(Keep::default()));
    let (identity, node) = (peer(DAN), NodeId::from_bytes([7; 32]));
    let refusal = by_dan(before.last().unwrap(), Content::RevokeDevice { identity, node });
    // Both come while what they name is here.
    let mut set = scene.set().clone();
    acts.iter().chain([&leave, &refusal]).for_each(|act| drop(set.insert(act.clone())));
    let mut verdict = Verdict::of(&set);
    verdict.prune(&mut set);
    assert!(set.ids().len() < scene.set().ids().len() + acts.len(), "others were dropped");
    assert!(set.contains(&leave.id()) && set.contains(&refusal.id()));
    assert!(
        verdict.member(peer(DAN), Timestamp(NOON)).is_none() && verdict.is_device_revoked(identity, node)
    );
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
    let wanted = |set: &ActSet| Verdict::of(set).wanted_chunks(set).into_iter().copied().collect::<Vec<_>>();
    assert_eq!(wanted(scene.set()), [chunks[0].hash()]);
    // Lists of leave acts beyond the bound are forgotten with them.
    let mut set = scene.set().clone();
    for number in 0..MAX_LEAVES as u64 + 20 {
        let (by, at) = (Some(scene.id(cat)), Timestamp(NOON + number));
        let content = Content::Leave(list(100 + number as u8).0);
        set.insert(Act::unsigned(ActBody { author: peer(CAT), by, after: Vec::new(), at, content }));
    }
    assert_eq!(wanted(&set).len(), 1 + MAX_LEAVES);
    assert_eq!(set.wanted_chunks().count(), 2 + MAX_LEAVES);
    assert!(set.insert_chunk(chunks[0].clone()));
    assert_eq!(wanted(&set).len(), MAX_LEAVES);
}
