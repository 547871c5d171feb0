//! Two nodes that have different void acts of the removed: what they offer each other.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{
    idle::{Keeper, removed, sign},
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, grant, removal},
    world::{NOON, grant_of, invite_by, peer},
};
use crate::{
    authority::{Act, ActBody, Content, Epoch, Keep, Password, Verdict},
    ids::{ActId, NodeId},
    limits::MAX_REVOKED_DEVICES,
    record::Role,
    time::Timestamp,
};

/// Each hears what the other offers, as engines do: what waits for others is looked at together.
fn exchange(nodes: &mut [Keeper; 2]) {
    loop {
        let mut came = 0;
        for (from, to) in [(0, 1), (1, 0)] {
            let sender = &nodes[from];
            let offered: Vec<Act> = sender.set.acts().filter(|act| !sender.is_idle(act)).cloned().collect();
            let receiver = &mut nodes[to];
            let new: Vec<Act> = offered.into_iter().filter(|act| !receiver.set.contains(&act.id())).collect();
            let by_id: BTreeMap<ActId, &Act> = new.iter().map(|act| (act.id(), act)).collect();
            let roots = new.iter().filter(|act| receiver.verdict.needs_past(&receiver.set, act));
            let mut next: Vec<ActId> = roots.flat_map(|act| act.body().parents().copied()).collect();
            let mut needed = BTreeSet::new();
            while let Some(id) = next.pop() {
                if let Some(act) = by_id.get(&id).filter(|_| needed.insert(id)) {
                    next.extend(act.body().parents());
                }
            }
            for act in &new {
                let here = if needed.contains(&act.id()) {
                    receiver.take(act);
                    receiver.set.contains(&act.id())
                } else {
                    receiver.hear(act)
                };
                came += usize::from(here);
            }
        }
        if came == 0 {
            return;
        }
    }
}

/// What Cat may sign once she is out: each names some of what she signed before.
fn void_acts(
    scene: &Scene,
    cat: usize,
    (eve, dan, epoch): (usize, usize, usize),
    rng: &mut StdRng,
) -> Vec<Act> {
    let base = scene.id(epoch);
    let mut acts: Vec<Act> = Vec::new();
    for number in 0..700_u32 {
        let other = (!acts.is_empty() && rng.random_bool(0.4)).then(|| acts.choose(rng).unwrap().id());
        let other = other.filter(|id| !acts.iter().any(|act| act.id() == *id && act.body().is_leaf()));
        let after = [other.unwrap_or(base)];
        let content = match rng.random_range(0..16) {
            0 => Content::Leave(Keep::default()),
            1 => Content::RevokeDevice {
                identity: peer(CAT),
                node: NodeId::from_bytes([number.to_be_bytes(); 8].concat().try_into().unwrap()),
            },
            2 => Content::Password(Password {
                role: Role::Member,
                lifetime_ms: u64::from(number),
                verifiers: Vec::new(),
                despite: Vec::new(),
            }),
            3 => Content::EpochKeys {
                epoch: scene.id(epoch),
                keys: vec![(peer(CAT + 20), vec![number as u8])],
            },
            4 | 5 => Content::Renew {
                grant: scene.id(if rng.random() { eve } else { dan }),
                not_after: Timestamp(NOON + 1_000_000 + u64::from(number)),
            },
            6 => Content::Grant(grant_of(peer(EVE), Role::Member, 1)),
            7 => Content::Grant(grant_of(peer(30 + number as usize % 8), Role::Member, 1)),
            _ => Content::Invite(invite_by(0, Role::Member, 1 + number)),
        };
        let after =
            if matches!(content, Content::Leave(_)) && other.is_none() { vec![base] } else { after.to_vec() };
        let act = Act::unsigned(ActBody {
            author: peer(CAT),
            by: Some(scene.id(cat)),
            after,
            at: Timestamp(NOON + 10),
            content,
        });
        acts.push(act);
    }
    acts
}

/// Two nodes that have their fill of different acts offer the same once each has what the other offers.
#[test]
fn x1_x2_x5_what_one_node_offers_another_takes_in() {
    let mut apart = 0;
    for seed in 0..24 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut scene = Scene::new();
        let (ben, cat) = (scene.founded(BEN, Role::Admin), scene.founded(CAT, Role::Admin));
        let (dan, eve) = (scene.founded(DAN, Role::Inviter), scene.founded(EVE, Role::Member));
        let password = scene.act(
            ANN,
            None,
            &[eve],
            Content::Password(Password {
                role: Role::Member,
                lifetime_ms: 1,
                verifiers: Vec::new(),
                despite: Vec::new(),
            }),
        );
        let keys = vec![(peer(ANN), vec![1]), (peer(CAT), vec![1])];
        let epoch = Content::Epoch(Epoch { key_id: [1; 32], keys, older: Vec::new() });
        let epoch = scene.act(ANN, None, &[password], epoch);
        let before = scene.set().clone();
        let mut base = Keeper::of(&before);
        // Removed, or gone by her own word.
        let gone = if seed % 2 == 0 {
            sign(&scene, BEN, ben, &[scene.id(epoch)], removal(CAT))
        } else {
            sign(&scene, CAT, cat, &[scene.id(epoch)], Content::Leave(Keep::default()))
        };
        base.take(&gone);
        let acts = void_acts(&scene, cat, (eve, dan, epoch), &mut rng);
        let mut nodes = [base.clone(), base];
        for node in &mut nodes {
            let share = rng.random_range(0.3..0.95);
            acts.iter().filter(|_| rng.random_bool(share)).for_each(|act| {
                node.hear(act);
            });
        }
        apart += usize::from(nodes[0].offered() != nodes[1].offered());
        exchange(&mut nodes);
        assert_eq!(nodes[0].offered(), nodes[1].offered(), "seed {seed}");
        let [one, other] = &nodes;
        assert_eq!(one.verdict.members, other.verdict.members, "seed {seed}");
        assert_eq!(one.verdict.password(), other.verdict.password(), "seed {seed}");
        assert_eq!(one.verdict.epoch_is_stale(), other.verdict.epoch_is_stale(), "seed {seed}");
        for node in &nodes {
            let whole = Verdict::of(&node.set);
            let differs = node
                .set
                .ids()
                .into_iter()
                .find(|id| node.verdict.is_idle(&node.set, id) != whole.is_idle(&node.set, id));
            assert_eq!(
                differs.map(|id| node.set.get(&id)),
                None,
                "seed {seed}: judged one by one and all at once"
            );
        }
    }
    assert!(apart > 12, "{apart}");
}

/// Of one node's refusals the bound keeps those that name a void act, of another's it keeps others.
#[test]
fn x4_refusals_of_own_devices_by_the_removed_part_no_two_nodes() {
    let (scene, removed) = removed();
    let void = sign(&scene, CAT, 1, &[scene.id(1)], Content::Invite(invite_by(0, Role::Member, 7)));
    let refusal = |number: u32, after: ActId| {
        let node = NodeId::from_bytes([number.to_be_bytes(); 8].concat().try_into().unwrap());
        sign(&scene, CAT, 1, &[after], Content::RevokeDevice { identity: peer(CAT), node })
    };
    // By the smaller ids what names the void act, by the larger ones what does not.
    let mut naming: Vec<Act> = (0..1000).map(|number| refusal(number, void.id())).collect();
    let mut others: Vec<Act> = (1000..2000).map(|number| refusal(number, scene.id(1))).collect();
    naming.sort_by_key(Act::id);
    naming.truncate(MAX_REVOKED_DEVICES);
    others.sort_by_key(Act::id);
    let others = others.split_off(others.len() - MAX_REVOKED_DEVICES);
    let mut nodes = [Keeper::of(scene.set()), Keeper::of(scene.set())];
    assert!(others.iter().all(|act| nodes.iter_mut().all(|node| node.hear(act))));
    nodes[0].hear(&void);
    naming.iter().for_each(|act| nodes[0].take(act));
    assert!(naming.iter().all(|act| nodes[0].set.contains(&act.id()) && nodes[0].is_idle(act)));
    assert!(others.iter().all(|act| nodes[1].set.contains(&act.id()) && nodes[1].is_idle(act)));
    exchange(&mut nodes);
    assert_eq!(nodes[0].offered(), nodes[1].offered());
    // Once Cat is let in again, they are offered and both come to have the same.
    let mut scene = scene;
    let again = scene.act(ANN, None, &[removed], grant(CAT, Role::Inviter, 3));
    for node in &mut nodes {
        node.take(&scene.0.infos[again].act.clone());
    }
    exchange(&mut nodes);
    assert_eq!(nodes[0].offered(), nodes[1].offered());
    assert!(
        naming.iter().all(|act| nodes.iter().all(|node| node.set.contains(&act.id()) && !node.is_idle(act)))
    );
    assert_eq!(nodes[0].verdict.to_bytes(), nodes[1].verdict.to_bytes());
}
