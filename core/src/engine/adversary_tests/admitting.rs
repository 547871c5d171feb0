//! Who can keep joiners out, and by what they come in that is no longer good.

use std::collections::BTreeMap;

use super::{
    joining::{ask_with, fresh, link_by, outcome, prove},
    readmission::{ask_by_password, prove_password},
    *,
};
use crate::{
    crypto::PasswordVerifier,
    engine::Removal,
    events::NodeInfo,
    limits::{MAX_VERIFIERS, NODES_OF_ONE, REFERRALS},
    wire::{JoinDenied, JoinMessage},
};

const WORD: &str = "correct horse battery";

fn set_password(village: &mut Village, who: usize) {
    let verifier = PasswordVerifier::new(WORD, village.rng.random());
    village.act(who, |e, now| e.set_password(now, Some(&verifier), Role::Member, None)).unwrap();
}

/// Identities that nobody has, lower than all others.
fn puppets(village: &mut Village, number: u16) -> Vec<PeerId> {
    let mut keys = Vec::new();
    while keys.len() < usize::from(number) {
        let key = SecretKey::from_bytes(&village.rng.random()).peer();
        if key.as_bytes()[0] < 0x40 {
            keys.push(key);
        }
    }
    keys
}

#[test]
fn v_a_no_inviter_takes_the_password_from_the_others() {
    let mut village = Village::new(0xa, 3);
    assert!(village.grant(0, 1, Role::Inviter) && village.grant(0, 2, Role::Admin));
    village.converge(0xa);
    for puppet in puppets(&mut village, MAX_VERIFIERS as u16) {
        let granted = village.act(1, |e, now| e.grant(now, puppet, "", Role::Inviter, None));
        granted.unwrap();
    }
    village.copy(1, 0);
    village.copy(1, 2);
    set_password(&mut village, 0);
    for at in 0..3 {
        village.copy(0, at);
        village.act(at, |engine, now| engine.listen(now)).unwrap();
        let joiner = fresh(&mut village);
        assert_eq!(ask_by_password(&mut village, at, &joiner), Ok(()), "at {at}");
    }
    let members = village.engines[0].membership().unwrap();
    let have: std::collections::BTreeSet<PeerId> = members.verifiers().map(|(peer, _)| *peer).collect();
    let now = village.engines[0].peer_time(village.now());
    assert!(members.admitters(now).iter().all(|admitter| have.contains(admitter)), "each has it in the end");
}

/// Nobody can see what an admin sealed to an inviter: nonsense, or another password.
#[test]
fn v_f_what_an_admin_passed_on_goes_when_it_goes() {
    let mut village = Village::new(0xf, 4);
    assert!(village.grant(0, 2, Role::Admin));
    village.converge(0xf);
    set_password(&mut village, 0);
    village.converge(0xf);
    let password = village.engines[0].membership().unwrap().password().unwrap().0;
    // Somebody becomes an inviter, and the hostile admin is the first to pass the password on to it: another one.
    let inviter = Grant { depth: 3, ..plain_grant(village.peer(1), Role::Inviter) };
    let grant = village.sign(0, village.heads(0), Content::Grant(inviter));
    let other = PasswordVerifier::new("of the admin's choice", village.rng.random());
    let graph = village.graph();
    let mut seal = |bytes: &[u8]| {
        let secret = village.rng.random();
        crate::crypto::seal_to(&village.keys[1].peer(), secret, graph.as_bytes(), bytes).unwrap()
    };
    let sealed = [seal(&other.to_bytes()), vec![7; 80]];
    let after = vec![Act::of(&grant).unwrap().id()];
    let acts = sealed.map(|sealed| {
        let verifiers = vec![(village.peer(1), sealed)];
        village.sign(2, after.clone(), Content::PassOn { password, verifiers })
    });
    for at in 0..3 {
        village.give(at, vec![grant.clone()]);
        village.give(at, acts.clone().to_vec());
    }
    village.act(1, |engine, now| engine.listen(now)).unwrap();
    let given = |village: &Village, at: usize| {
        let members = village.engines[at].membership().unwrap();
        members.verifiers().filter(|(peer, _)| **peer == village.peer(1)).count()
    };
    assert_eq!(given(&village, 1), 2, "nobody gives it another one");
    // The remover had seen what it passed on: it counts, and is asked no more.
    let hostile = village.peer(2);
    village.act(0, |engine, now| engine.remove(now, hostile, "", Removal::default())).unwrap();
    village.converge(0xf);
    assert_eq!(given(&village, 1), 1);
    let joiner = fresh(&mut village);
    assert_eq!(ask_by_password(&mut village, 1, &joiner), Ok(()));
}

#[test]
fn v_d_a_proof_by_the_old_password_lets_nobody_in_after_the_new() {
    let mut village = Village::new(0xd, 3);
    assert!(village.grant(0, 1, Role::Inviter) && village.grant(0, 2, Role::Member));
    village.converge(0xd);
    set_password(&mut village, 0);
    village.converge(0xd);
    village.act(1, |engine, now| engine.listen(now)).unwrap();
    let (removed, stranger) = (village.keys[2].clone(), fresh(&mut village));
    // The one who lets in has heard neither of the removal nor of the new password.
    village.act(0, |e, now| e.remove(now, removed.peer(), "", Removal::default())).unwrap();
    let callers: Vec<_> =
        [removed, stranger].map(|who| prove_password(&mut village, 1, &who)).into_iter().collect();
    village.pass(1);
    set_password(&mut village, 0);
    village.copy(0, 1);
    for (caller, last) in callers {
        let last = last.expect("a challenge");
        let answers = caller.say(&mut village, 1, &Message::Join(Box::new(JoinMessage::Proof(last.into()))));
        assert_eq!(outcome(&answers), Err(Some(JoinDenied::WrongProof)));
        let now = village.engines[1].peer_time(village.now());
        assert!(!village.engines[1].membership().unwrap().is_member(caller.identity.peer(), now));
    }
    let joiner = fresh(&mut village);
    assert_eq!(ask_by_password(&mut village, 1, &joiner), Ok(()), "the new one is good");
}

#[test]
fn v_h_one_identity_with_many_nodes_takes_few_places_where_joiners_are_sent() {
    let mut village = Village::new(0x8, 6);
    for (who, role) in
        [(1, Role::Inviter), (2, Role::Inviter), (3, Role::Admin), (4, Role::Inviter), (5, Role::Member)]
    {
        assert!(village.grant(0, who, role));
    }
    village.converge(0x8);
    for at in [0, 5] {
        let now = village.now();
        let engine = &mut village.engines[at];
        for (who, nodes) in [(1, 40u8), (2, 1), (3, 1), (4, 1)] {
            for number in 0..nodes {
                // The nodes of the first are the lowest.
                let node = NodeId::from_bytes([who * 50 + number; 32]);
                let peer = village.keys[usize::from(who)].peer();
                let addr = NodeAddr::at(node, ["127.0.0.1:9".parse().unwrap()]);
                let info = NodeInfo { node, peer, addr, attributes: String::new(), since: Timestamp(0) };
                engine.nodes.insert(node, info);
            }
        }
        let owners: BTreeMap<NodeId, PeerId> = engine.nodes.values().map(|i| (i.node, i.peer)).collect();
        for named in [engine.invitation_nodes(now, &[]), engine.admitting_nodes(now, Vec::new())] {
            let mut counts: BTreeMap<PeerId, usize> = BTreeMap::new();
            for addr in &named {
                if let Some(peer) = owners.get(&addr.node) {
                    *counts.entry(*peer).or_default() += 1;
                }
            }
            assert!(named.len() <= REFERRALS);
            assert_eq!(counts.len(), 4, "everybody is named");
            assert!(counts.values().all(|count| *count <= NODES_OF_ONE), "{counts:?}");
        }
    }
}

#[test]
fn v_small_nobody_is_let_in_by_a_commit_that_failed() {
    let mut village = Village::new(0x5, 1);
    let store = crate::records::MemoryStore::new(village.graph(), 7);
    let fails = store.fails.clone();
    let mut engine = village.engine_on(0, Box::new(store));
    engine.listen(village.now()).unwrap();
    engine.flush(village.now()).unwrap();
    village.engines[0] = engine;
    let link = link_by(&mut village, 0, 2);
    let joiner = fresh(&mut village);
    let caller = Caller::new(&mut village, joiner.clone());
    caller.connect(&mut village, 0, Purpose::Join, Vec::new());
    let proof = prove(&village, &caller, &link);
    let asked = caller.say(&mut village, 0, &proof);
    let Some(Message::Join(asked)) = asked.first() else { panic!("{asked:?}") };
    let JoinMessage::Use(invite) = **asked else { panic!("{asked:?}") };
    let said = crate::authority::use_message(&invite, &joiner.peer());
    let graph: GraphId = village.graph();
    let used = link.sign(crate::crypto::Domain::InvitationUse, graph.as_bytes(), &said);
    let message = Message::Join(Box::new(JoinMessage::Used(used)));
    let now = village.now();
    let engine = &mut village.engines[0];
    fails.store(true, std::sync::atomic::Ordering::Relaxed);
    let frame = Input::Frame { link: caller.link, stream: message.stream(), bytes: message.encode() };
    engine.handle_input(now, frame);
    assert!(engine.flush(now).is_err());
    let answers = caller.heard(engine);
    assert_eq!(outcome(&answers), Err(Some(JoinDenied::NotAdmitter)), "{answers:?}");
    fails.store(false, std::sync::atomic::Ordering::Relaxed);
    village.pass(60);
    assert_eq!(ask_with(&mut village, 0, &joiner, &link), Ok(()), "and later on it is");
}
