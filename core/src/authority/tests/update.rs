//! Judging what is new gives what judging everything gives.

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, admission, removal},
    story::{Story, play, real},
    world::{GRAPH, MAX_CHAIN, NOON, Replica, World, grant_of, invite_by, peer},
};
use crate::{
    authority::{Act, ActBody, ActSet, Content, Epoch, Grant, GrantVerdict, Password, Verdict},
    ids::{ActId, NodeId},
    record::Role,
    time::Timestamp,
};

/// Acts of kinds that histories lack: epochs and their keys, passwords passed on, devices, merges. `None`: not possible now.
fn other(world: &World, rng: &mut StdRng) -> Option<Act> {
    let who = rng.random_range(0..8);
    other_by(world, rng, who)
}

/// The same by one identity.
pub(super) fn other_by(world: &World, rng: &mut StdRng, who: usize) -> Option<Act> {
    let names = world.names_of(0, peer(who));
    let by = if who == 0 { None } else { Some(*names.get(rng.random_range(0..names.len().max(1)))?) };
    let pick = |rng: &mut StdRng, is: fn(&Content) -> bool| {
        let found: Vec<usize> = (0..world.infos.len()).filter(|at| is(&world.body(*at).content)).collect();
        Some(world.id(*found.get(rng.random_range(0..found.len().max(1)))?))
    };
    let keys = |rng: &mut StdRng| (0..3).map(|_| (peer(rng.random_range(0..9)), vec![1])).collect::<Vec<_>>();
    let content = match rng.random_range(0..9) {
        0 => Content::Epoch(Epoch { key_id: rng.random(), keys: keys(rng), older: Vec::new() }),
        1 => {
            let epoch = pick(rng, |content| matches!(content, Content::Epoch(_)))?;
            Content::EpochKeys { epoch, keys: keys(rng) }
        }
        2 => {
            let is_set =
                |content: &Content| matches!(content, Content::Password(rule) if !rule.verifiers.is_empty());
            Content::PassOn { password: pick(rng, is_set)?, verifiers: keys(rng) }
        }
        3 | 4 => {
            let identity = peer(rng.random_range(1..8));
            Content::RevokeDevice { identity, node: NodeId::from_bytes([rng.random_range(0..4); 32]) }
        }
        6 | 7 => Content::Password(Password {
            role: Role::Member,
            lifetime_ms: 1,
            verifiers: keys(rng),
            despite: Vec::new(),
        }),
        5 => Content::RestoreDevice(pick(rng, |content| matches!(content, Content::RevokeDevice { .. }))?),
        _ => Content::Merge,
    };
    let known: Vec<usize> =
        (0..world.infos.len()).filter(|at| !world.body(*at).is_leaf() && rng.random_bool(0.2)).collect();
    let after = world.ids(known.into_iter().take(16));
    let at = Timestamp(NOON + rng.random_range(0..300));
    Some(Act::unsigned(ActBody { author: peer(who), by: by.map(|at| world.id(at)), after, at, content }))
}

/// Inserts acts in one order and judges them as they come, up to `most` at once; gives the acts that were judged alone.
fn judge_each(acts: &[Act], most: usize, rng: &mut StdRng) -> usize {
    let mut replica = Replica::of(ActSet::new(GRAPH, peer(0), MAX_CHAIN));
    let mut verdict = Verdict::of(&replica.set);
    let (mut alone, mut rest) = (0, acts);
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(rng.random_range(1..=most.min(rest.len())));
        rest = later;
        let accepted: Vec<ActId> = batch.iter().flat_map(|act| replica.hear(act.clone())).collect();
        let set = &replica.set;
        alone += verdict.steps(set, &accepted).map_or(0, |steps| steps.len());
        let before = verdict.clone();
        let affected = verdict.advance(set, &accepted);
        let whole = Verdict::of(set);
        assert_eq!(verdict, whole, "after {batch:?}");
        for id in set.ids() {
            assert_eq!(
                verdict.is_idle(set, &id),
                whole.is_idle(set, &id),
                "{:?} after {batch:?}",
                set.get(&id)
            );
        }
        for (id, was) in before.grants() {
            let is = whole.grant(id).expect("grants stay");
            let same = |grant: &GrantVerdict| {
                (grant.void, grant.ended_by.clone(), grant.left.clone(), grant.undone_by)
            };
            let shorter = is.not_after.is_some_and(|end| was.not_after.is_none_or(|before| end < before));
            let told = affected.contains(&is.subject);
            assert!(told || (same(was) == same(is) && !shorter), "{was:?} became {is:?} by {batch:?}");
        }
        assert_eq!(verdict.to_bytes(), whole.to_bytes());
    }
    alone
}

#[test]
fn judging_what_is_new_is_judging_everything_in_every_order() {
    let mut rng = StdRng::seed_from_u64(3);
    let (mut alone, mut all) = (0, 0);
    for seed in 5_000_000..5_000_250 {
        let Ok(mut world) = play(&Story::random(seed), &real) else { continue };
        for _ in 0..12 {
            let act = other(&world, &mut rng);
            act.map(|act| world.make(0, act.body().clone()));
        }
        let mut acts: Vec<Act> = world.infos.iter().map(|info| info.act.clone()).collect();
        for _ in 0..4 {
            alone += judge_each(&acts, 1, &mut rng);
            judge_each(&acts, 6, &mut rng);
            all += acts.len();
            acts.shuffle(&mut rng);
        }
    }
    println!("{alone} of {all} acts judged alone");
    assert!(alone * 3 > all, "{alone} of {all} acts");
}

#[test]
fn uses_that_come_at_once_with_the_grant_of_their_admitter_count_as_one_by_one() {
    for number in 0..16 {
        let mut scene = Scene::new();
        let ben = scene.founded(BEN, Role::Inviter);
        let invite = scene.act(ANN, None, &[ben], Content::Invite(invite_by(0, Role::Member, 2)));
        let known = scene.0.infos.len();
        scene.act(BEN, Some(ben), &[invite], admission(&scene, invite, CAT, 1));
        // The order of uses follows from ids too.
        let named = Grant { name: number.to_string(), ..grant_of(peer(DAN), Role::Inviter, 3) };
        let dan = scene.act(ANN, None, &[invite], Content::Grant(named));
        scene.act(DAN, Some(dan), &[dan], admission(&scene, invite, EVE, 1));
        let acts: Vec<Act> = scene.0.infos.iter().map(|info| info.act.clone()).collect();
        let mut set = ActSet::new(GRAPH, peer(ANN), MAX_CHAIN);
        acts[..known].iter().for_each(|act| drop(set.insert(act.clone())));
        let mut verdict = Verdict::of(&set);
        let accepted: Vec<ActId> =
            acts[known..].iter().flat_map(|act| set.insert(act.clone()).accepted).collect();
        verdict.update(&set, &accepted);
        assert_eq!(verdict.to_bytes(), Verdict::of(&set).to_bytes());
        assert!(verdict.member(peer(EVE), Timestamp(NOON + 100)).is_some());
    }
}

#[test]
fn r19_void_uses_make_no_honest_join_judge_all() {
    let mut scene = Scene::new();
    let (ben, cat) = (scene.founded(BEN, Role::Inviter), scene.founded(CAT, Role::Inviter));
    let invite = scene.act(ANN, None, &[ben, cat], Content::Invite(invite_by(0, Role::Member, 3)));
    let gone = scene.act(ANN, None, &[invite], removal(BEN));
    for joiner in 20..30 {
        scene.act(BEN, Some(ben), &[invite], admission(&scene, invite, joiner, 1));
    }
    assert!(scene.set().is_contested(scene.set().place(&scene.id(invite)).unwrap()));
    let mut set = scene.set().clone();
    let mut verdict = Verdict::of(&set);
    let mut last = gone;
    let mut join = |scene: &mut Scene, verdict: &mut Verdict, joiner: usize| {
        let set = &mut set;
        let at = scene.act(CAT, Some(cat), &[last], admission(scene, invite, joiner, 1));
        last = at;
        let accepted = set.insert(scene.0.infos[at].act.clone()).accepted;
        let alone = verdict.steps(set, &accepted).is_some();
        verdict.update(set, &accepted);
        assert_eq!(verdict.to_bytes(), Verdict::of(set).to_bytes());
        alone
    };
    for joiner in [DAN, EVE, 10] {
        assert!(join(&mut scene, &mut verdict, joiner), "{joiner} joins");
    }
    assert!(!join(&mut scene, &mut verdict, 11), "one too many");
    assert!(verdict.member(peer(10), Timestamp(NOON + 100)).is_some());
    assert!(verdict.member(peer(11), Timestamp(NOON + 100)).is_none());
}
