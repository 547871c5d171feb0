//! Void acts of the removed: what is idle, what is needed, and what is taken in.

use std::collections::BTreeSet;

use rand::{
    RngExt, SeedableRng,
    rngs::StdRng,
    seq::{IndexedRandom, SliceRandom},
};

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, grant, removal},
    story::{Story, play, real},
    update::other_by,
    world::{GRAPH, MAX_CHAIN, NOON, Replica, grant_of, invite_by, peer, removal_of},
};
use crate::{
    authority::{Act, ActBody, ActSet, Charged, Content, Keep, Password, Remove, Verdict},
    ids::{ActId, NodeId, PeerId},
    limits::{MAX_IDLE_ACTS, MAX_IDLE_OF_STRANGERS},
    record::Role,
    time::Timestamp,
};

/// A node that judges with each act, and takes in no more idle ones than it must.
#[derive(Clone)]
pub(super) struct Keeper {
    pub(super) set: ActSet,
    pub(super) verdict: Verdict,
}

impl Keeper {
    pub(super) fn of(set: &ActSet) -> Self {
        Self { set: set.clone(), verdict: Verdict::of(set) }
    }

    /// True if the act is here afterwards.
    pub(super) fn hear(&mut self, act: &Act) -> bool {
        let crowded = self.set.check(act).is_ok()
            && self.verdict.is_crowded(&self.set, act, &Charged::default())
            && !self.set.contains(&act.id());
        if !crowded {
            self.take(act);
        }
        self.set.contains(&act.id())
    }

    pub(super) fn take(&mut self, act: &Act) {
        let accepted = self.set.insert(act.clone()).accepted;
        self.verdict.update(&self.set, &accepted);
        if !accepted.is_empty() && self.set.ids().len().is_multiple_of(50) {
            assert_eq!(self.verdict, Verdict::of(&self.set));
        }
    }

    pub(super) fn is_idle(&self, act: &Act) -> bool {
        self.verdict.is_idle(&self.set, &act.id())
    }

    /// What it offers to others.
    pub(super) fn offered(&self) -> BTreeSet<ActId> {
        self.set.ids().into_iter().filter(|id| !self.verdict.is_idle(&self.set, id)).collect()
    }
}

/// An act that nobody heard of yet.
pub(super) fn sign(scene: &Scene, who: usize, by: usize, after: &[ActId], content: Content) -> Act {
    let mut after = after.to_vec();
    after.sort_unstable();
    let by = (who != ANN).then(|| scene.id(by));
    Act::unsigned(ActBody { author: peer(who), by, after, at: Timestamp(NOON), content })
}

/// Cat, an inviter, is removed by Ben, an admin; Dan is an inviter too.
pub(super) fn removed() -> (Scene, usize) {
    let mut scene = Scene::new();
    let (ben, cat) = (scene.founded(BEN, Role::Admin), scene.founded(CAT, Role::Inviter));
    scene.founded(DAN, Role::Inviter);
    let eve = scene.act(CAT, Some(cat), &[cat], grant(EVE, Role::Member, 1));
    let removed = scene.act(BEN, Some(ben), &[eve], removal(CAT));
    (scene, removed)
}

/// What Cat signs after that, in chains of `length` acts.
fn flood(scene: &Scene, count: u32, length: u32) -> Vec<Act> {
    let mut acts: Vec<Act> = Vec::new();
    for number in 0..count {
        let last = acts.last().filter(|_| number % length > 0).map(Act::id);
        let content = Content::Invite(invite_by(0, Role::Member, length * 1000 + number));
        let act = sign(scene, CAT, 1, &[last.unwrap_or_else(|| scene.id(1))], content);
        acts.push(act);
    }
    acts
}

#[test]
fn r3_nothing_that_counted_is_lost_by_a_wrong_removal() {
    // Cat admitted many while nobody else signed anything; Ben had not seen them when he removed her.
    let mut scene = Scene::new();
    let (ben, cat) = (scene.founded(BEN, Role::Admin), scene.founded(CAT, Role::Inviter));
    let mut node = Keeper::of(scene.set());
    let admissions: Vec<Act> = (0..400_u32)
        .map(|number| {
            let guest = PeerId::from_bytes([number.to_be_bytes(); 8].concat().try_into().unwrap());
            sign(&scene, CAT, cat, &[scene.id(cat)], Content::Grant(grant_of(guest, Role::Member, 1)))
        })
        .collect();
    assert!(admissions.iter().all(|act| node.hear(act)));
    let removal = sign(&scene, BEN, ben, &[scene.id(cat)], removal(CAT));
    node.hear(&removal);
    assert!(admissions.iter().all(|act| node.set.contains(&act.id()) && node.is_idle(act)));
    // Another node hears the removal first: it takes in its fill, and so does not matter to the others.
    let mut late = Keeper::of(scene.set());
    late.hear(&removal);
    assert_eq!(admissions.iter().filter(|act| late.hear(act)).count(), MAX_IDLE_ACTS);
    assert_eq!(late.offered(), node.offered());
    // Ann takes the removal back: all are members again here, and everywhere once they are offered again.
    let undo = Content::Remove(Remove { undo: true, ..removal_of(peer(BEN)) });
    let undone = sign(&scene, ANN, 0, &[removal.id()], undo);
    for node in [&mut node, &mut late] {
        node.hear(&undone);
    }
    assert!(admissions.iter().all(|act| node.verdict.act(&act.id()) == Some(None)));
    assert!(admissions.iter().all(|act| late.hear(act)));
    assert_eq!((late.verdict.to_bytes(), late.offered()), (node.verdict.to_bytes(), node.offered()));
}

#[test]
fn r14_who_has_more_idle_acts_offers_the_same() {
    let (scene, _) = removed();
    let mut acts = flood(&scene, 300, 1);
    let chain = flood(&scene, 100, 100);
    let mut rng = StdRng::seed_from_u64(14);
    let built = sign(&scene, DAN, 2, &[chain[99].id()], Content::Merge);
    for _ in 0..3 {
        let mut nodes = [Keeper::of(scene.set()), Keeper::of(scene.set())];
        // One hears the flood first, the other what Dan builds on.
        for act in &acts {
            nodes[0].hear(act);
        }
        acts.shuffle(&mut rng);
        for act in chain.iter().chain([&built]) {
            nodes[1].hear(act);
        }
        for act in &acts {
            nodes[1].hear(act);
        }
        // Dan's act waits at the first, so what it needs is taken in.
        chain.iter().for_each(|act| nodes[0].take(act));
        nodes[0].take(&built);
        assert_eq!(nodes[0].offered(), nodes[1].offered());
        assert!(
            chain.iter().all(|act| !nodes[0].is_idle(act))
                && acts.iter().all(|act| { !nodes[0].set.contains(&act.id()) || nodes[0].is_idle(act) })
        );
        assert_eq!(nodes[0].set.ids().len(), scene.set().ids().len() + MAX_IDLE_ACTS + 101);
        assert_eq!(nodes[0].verdict, Verdict::of(&nodes[0].set));
    }
}

#[test]
fn r2_what_a_member_left_or_refused_by_stays_however_much_the_removed_sign() {
    let (scene, _) = removed();
    let acts = flood(&scene, 600, 3);
    let mut node = Keeper::of(scene.set());
    let (last, before) = (&acts[200], &acts[201]);
    acts[..202].iter().for_each(|act| assert!(node.hear(act)));
    // Dan had not heard of the removal.
    let leave = sign(&scene, DAN, 2, &[last.id()], Content::Leave(Keep::default()));
    let (identity, device) = (peer(DAN), NodeId::from_bytes([7; 32]));
    let refusal = sign(&scene, DAN, 2, &[before.id()], Content::RevokeDevice { identity, node: device });
    node.hear(&refusal);
    assert!(!node.is_idle(before), "a refusal of a member needs its past");
    node.hear(&leave);
    for act in &acts {
        node.hear(act);
    }
    assert!(node.set.contains(&leave.id()) && node.set.contains(&refusal.id()));
    assert!(node.verdict.member(identity, Timestamp(NOON)).is_none());
    assert!(node.verdict.is_device_revoked(identity, device));
    assert!(!node.is_idle(&leave) && !node.is_idle(last), "a leave that decides needs its past");
    assert_eq!(node.verdict, Verdict::of(&node.set));
}

#[test]
fn r3_heads_of_a_cut_are_needed() {
    let mut scene = Scene::new();
    let cat = scene.founded(CAT, Role::Admin);
    let dan = scene.founded(DAN, Role::Inviter);
    let eve = scene.act(CAT, Some(cat), &[cat], grant(EVE, Role::Member, 1));
    // Dan's act is void, and Cat's leave names it as what she knew.
    let void = scene.act(DAN, Some(dan), &[dan, eve], Content::Merge);
    scene.act(ANN, None, &[dan], removal(DAN));
    scene.act(CAT, Some(cat), &[void], super::scene::leave());
    let after = scene.act(CAT, Some(cat), &[cat], grant(BEN, Role::Member, 1));
    let keep = Keep { cuts: scene.set().cuts(peer(CAT), false), ..Keep::default() };
    scene.act(ANN, None, &[after, eve], Content::Remove(Remove { keep, ..removal_of(peer(CAT)) }));
    assert_eq!((scene.role(EVE), scene.role(BEN)), (Some(Role::Member), None));
    let verdict = scene.verdict();
    assert!(verdict.act(&scene.id(void)).flatten().is_some());
    assert!(!verdict.is_idle(scene.set(), &scene.id(void)), "without it Eve would be out");
}

#[test]
fn r15_a_demotion_before_the_removal_frees_nobody_from_the_bound() {
    let mut scene = Scene::new();
    let cat = scene.founded(CAT, Role::Admin);
    let lower = scene.act(ANN, None, &[cat], super::scene::demotion(CAT, Role::Inviter, 5));
    scene.act(ANN, None, &[lower], removal(CAT));
    let mut node = Keeper::of(scene.set());
    let taken = (0..400).filter(|number| {
        let content = Content::Invite(invite_by(0, Role::Member, 1 + number));
        node.hear(&sign(&scene, CAT, cat, &[scene.id(cat)], content))
    });
    assert_eq!(taken.count(), MAX_IDLE_ACTS);
}

#[test]
fn r15_of_fallen_passwords_one_that_ends_another_is_needed() {
    let mut scene = Scene::new();
    let cat = scene.founded(CAT, Role::Admin);
    let password = |number| {
        let verifiers = vec![(peer(ANN), vec![number])];
        Content::Password(Password { role: Role::Member, lifetime_ms: 1, verifiers, despite: Vec::new() })
    };
    let set = scene.act(ANN, None, &[cat], password(1));
    scene.act(ANN, None, &[set], removal(CAT));
    let mut node = Keeper::of(scene.set());
    assert_eq!(node.verdict.password(), Some(&scene.id(set)));
    let fallen: Vec<Act> = (0..400_u32)
        .map(|number| {
            let content = Content::Password(Password {
                role: Role::Member,
                lifetime_ms: u64::from(number),
                verifiers: Vec::new(),
                despite: Vec::new(),
            });
            sign(&scene, CAT, cat, &[scene.id(set)], content)
        })
        .collect();
    let taken: Vec<&Act> = fallen.iter().filter(|act| node.hear(act)).collect();
    assert_eq!(node.verdict.password(), None);
    // Beyond the bound only what takes the place of the one that ends the password.
    let beyond = &taken[MAX_IDLE_ACTS..];
    assert!(beyond.is_sorted_by(|one, other| one.id() > other.id()) && beyond.len() < 16);
    let needed: Vec<ActId> = taken.iter().filter(|act| !node.is_idle(act)).map(|act| act.id()).collect();
    let first = fallen.iter().map(Act::id).min().unwrap();
    assert_eq!(needed, [first]);
    // One that takes a password away is taken in by whoever has its fill of others.
    let later = scene.act(ANN, None, &[set], password(2));
    node.take(&scene.0.infos[later].act.clone());
    assert_eq!(node.verdict.password(), Some(&scene.id(later)));
    let last = sign(&scene, CAT, cat, &[scene.id(later)], password(3));
    assert!(node.hear(&last) && !node.is_idle(&last) && node.verdict.password().is_none());
    assert_eq!(node.verdict, Verdict::of(&node.set));
}

#[test]
fn r15_invented_holders_of_void_grants_share_one_bound() {
    let (scene, _) = removed();
    let mut node = Keeper::of(scene.set());
    let holder = |number: u32| PeerId::from_bytes([number.to_be_bytes(); 8].concat().try_into().unwrap());
    let give = |author: PeerId, by: ActId, number: u32| {
        let depth = if number < 1000 { 3 } else { 2 };
        let content = Content::Grant(grant_of(holder(number), Role::Inviter, depth));
        Act::unsigned(ActBody { author, by: Some(by), after: vec![by], at: Timestamp(NOON), content })
    };
    let first: Vec<Act> = (0..300).map(|number| give(peer(CAT), scene.id(1), number)).collect();
    let mut holders: Vec<&Act> = first.iter().filter(|act| node.hear(act)).collect();
    assert_eq!(holders.len(), MAX_IDLE_ACTS);
    holders.truncate(40);
    let mut taken = 0;
    for (at, by) in holders.into_iter().enumerate() {
        for number in 0..40 {
            let Content::Grant(held) = &by.body().content else { unreachable!() };
            let number = 1000 + 100 * at as u32 + number;
            taken += usize::from(node.hear(&give(held.subject, by.id(), number)));
        }
        // Nor do leaves help.
        let Content::Grant(held) = &by.body().content else { unreachable!() };
        let content = Content::Leave(Keep::default());
        let (author, by, after) = (held.subject, Some(by.id()), Vec::new());
        let leave = Act::unsigned(ActBody { author, by, after, at: Timestamp(NOON), content });
        taken += usize::from(node.hear(&leave));
        assert!(!node.set.contains(&leave.id()) || node.is_idle(&leave));
    }
    assert_eq!(taken, MAX_IDLE_OF_STRANGERS);
    assert_eq!(node.offered(), scene.set().ids(), "and nobody is offered any of it");
}

#[test]
fn r14_who_is_let_in_again_is_not_crowded() {
    let (mut scene, removed) = removed();
    let mut node = Keeper::of(scene.set());
    let acts = flood(&scene, 300, 1);
    let kept: Vec<&Act> = acts.iter().filter(|act| node.hear(act)).collect();
    let again = scene.act(ANN, None, &[removed], grant(CAT, Role::Inviter, 3));
    node.take(&scene.0.infos[again].act.clone());
    assert!(kept.iter().all(|act| !node.is_idle(act)));
    let first = sign(&scene, CAT, again, &[scene.id(again)], grant(BEN + 5, Role::Member, 1));
    assert!(node.hear(&first) && node.verdict.act(&first.id()) == Some(None));
    assert!(acts.iter().all(|act| node.hear(act)));
    assert_eq!(node.verdict, Verdict::of(&node.set));
}

/// Everything that is said of acts, but for those of `without`.
fn said(set: &ActSet, verdict: &Verdict, without: &BTreeSet<ActId>) -> Verdict {
    let mut said = verdict.clone();
    said.acts.retain(|id, _| !without.contains(id));
    said.grants.retain(|id, _| !without.contains(id));
    said.renewals.retain(|id, _| !without.contains(id));
    said.invitations.retain(|id, _| !without.contains(id));
    for held in said.held.values_mut() {
        held.retain(|id| !without.contains(id));
    }
    said.held.retain(|_, held| !held.is_empty());
    for grant in said.grants.values_mut() {
        grant.left.retain(|id| !without.contains(id));
    }
    // What somebody refused who is no member shows only once it is one again.
    said.devices
        .retain(|(identity, _)| !verdict.is_gone(identity) && set.grants_of(*identity).next().is_some());
    said
}

/// Two sets that differ in idle acts only say the same of all others, and of all records.
#[test]
fn r14_verdicts_do_not_depend_on_idle_acts() {
    let mut rng = StdRng::seed_from_u64(4);
    let (mut found, mut left_out) = (0, 0);
    for seed in 6_000_000..6_001_500 {
        let Ok(mut world) = play(&Story::random(seed), &real) else { continue };
        for number in 0..24 {
            let verdict = Verdict::of(&world.nodes[0].set);
            let gone: Vec<usize> = (0..8).filter(|who| verdict.is_gone(&peer(*who))).collect();
            let who =
                if number % 2 == 0 { gone.choose(&mut rng).copied() } else { Some(rng.random_range(0..8)) };
            let act = who.and_then(|who| other_by(&world, &mut rng, who));
            act.map(|act| world.make(0, act.body().clone()));
        }
        let set = &world.nodes[0].set;
        let verdict = Verdict::of(set);
        let idle: Vec<usize> =
            (0..world.infos.len()).filter(|at| verdict.is_idle(set, &world.id(*at))).collect();
        found += idle.len();
        for _ in 0..3 {
            let mut without: BTreeSet<ActId> =
                idle.iter().filter(|_| rng.random_bool(0.4)).map(|at| world.id(*at)).collect();
            for info in &world.infos {
                if info.act.body().parents().any(|parent| without.contains(parent)) {
                    without.insert(info.act.id());
                }
            }
            let names = |id: &ActId| idle.iter().any(|at| world.id(*at) == *id);
            assert!(without.iter().all(names), "what is needed needs no idle act");
            let mut less = Replica::of(ActSet::new(GRAPH, peer(0), MAX_CHAIN));
            for info in world.infos.iter().filter(|info| !without.contains(&info.act.id())) {
                less.hear(info.act.clone());
            }
            left_out += without.len();
            let of_less = Verdict::of(&less.set);
            let (all, some) = (said(set, &verdict, &without), said(&less.set, &of_less, &without));
            assert_eq!(all, some, "without {without:?} in\n{}", super::story::tell(&world));
            for id in less.set.ids() {
                let same = verdict.is_idle(set, &id) == of_less.is_idle(&less.set, &id);
                assert!(same, "{:?} in\n{}", set.get(&id), super::story::tell(&world));
            }
        }
    }
    println!("{found} idle acts, {left_out} left out");
    assert!(left_out > 1000, "{left_out}");
}
