//! Holes that were found in the rules before, as cases of the model, by their number (A1 to A13).

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, admission, demotion, grant, leave, removal},
    world::{GRAPH, NOON, grant_of, invite_by, peer, removal_of, use_of},
};
use crate::{
    authority::{Act, ActBody, Content, Fault, Grant, Password, Remove, Void},
    crypto::SecretKey,
    ids::{GraphId, NodeId, PeerId},
    limits::{MAX_LEAVES, MAX_REVOKED_DEVICES},
    record::{Header, Role, SignedRecord},
    time::{Hlc, Timestamp},
};

fn password(lifetime_ms: u64, set: bool) -> Content {
    let verifiers = if set { vec![(peer(ANN), vec![1])] } else { Vec::new() };
    Content::Password(Password { role: Role::Member, lifetime_ms, verifiers, despite: Vec::new() })
}

#[test]
fn a2_model_a_use_needs_the_joiners_proof_and_a_junior_displaces_no_seniors_guest() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let invite = scene.act(ANN, None, &[ben], Content::Invite(invite_by(0, Role::Member, 1)));
    let guest = scene.act(ANN, None, &[invite], admission(&scene, invite, CAT, 1));
    let other_link = Some(use_of(1, scene.id(invite), peer(DAN)));
    let forged = Content::Grant(Grant { admission: other_link, ..grant_of(peer(DAN), Role::Member, 1) });
    assert_eq!(scene.refused(BEN, Some(ben), &[invite], forged), Fault::WrongProof);
    let of_another = Some(use_of(0, scene.id(invite), peer(EVE)));
    let stolen = Content::Grant(Grant { admission: of_another, ..grant_of(peer(DAN), Role::Member, 1) });
    assert_eq!(scene.refused(BEN, Some(ben), &[invite], stolen), Fault::WrongProof);
    // Even with the link's key, dated back to the beginning.
    let use_ = admission(&scene, invite, DAN, 1);
    let dated_back = scene.act_at((BEN, 1), Some(ben), &[invite], use_);
    assert!(scene.counts(guest) && !scene.counts(dated_back));
}

#[test]
fn a3_model_who_leaves_keeps_no_powers() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.founded(CAT, Role::Member);
    let left = scene.act(BEN, Some(ben), &[cat], leave());
    let dated_back = scene.act_at((BEN, 1), Some(ben), &[], grant(DAN, Role::Admin, 2));
    let removes = scene.act_at((BEN, 1), Some(ben), &[], removal(CAT));
    for act in [dated_back, removes] {
        assert_eq!(scene.void(act), Some(Void::Left(scene.id(left))));
    }
    // A second leave act, which knows them, brings nothing back.
    scene.act(BEN, Some(ben), &[cat, dated_back, removes], leave());
    assert!(!scene.counts(dated_back) && !scene.counts(removes));
    assert_eq!((scene.role(BEN), scene.role(CAT), scene.role(DAN)), (None, Some(Role::Member), None));
    // Who left can be removed, and let in again.
    scene.act(ANN, None, &[cat], removal(BEN));
    assert!(scene.verdict().was_removed(peer(BEN)));
}

#[test]
fn who_left_is_back_by_a_grant_that_knows_of_it() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Member);
    let left = scene.act(BEN, Some(ben), &[], leave());
    scene.act(ANN, None, &[ben], grant(BEN, Role::Admin, 2));
    assert_eq!(scene.role(BEN), None, "the grant had not heard of the leave");
    let despite = vec![scene.id(left)];
    scene.act(ANN, None, &[ben], Content::Grant(Grant { despite, ..grant_of(peer(BEN), Role::Member, 2) }));
    assert_eq!(scene.role(BEN), Some(Role::Member));
}

#[test]
fn many_leave_acts_are_as_good_as_one_that_keeps_nothing() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let before = scene.act(BEN, Some(ben), &[], grant(CAT, Role::Member, 2));
    for _ in 0..MAX_LEAVES - 1 {
        scene.act(BEN, Some(ben), &[before], leave());
    }
    assert!(scene.counts(before));
    for _ in 0..3 {
        scene.act(BEN, Some(ben), &[before], leave());
    }
    assert!(!scene.counts(before));
    assert_eq!(scene.set().ids().len(), 2 + MAX_LEAVES);
}

#[test]
fn a4_model_a_renewal_brings_nobody_back_and_a_grant_at_once_neither() {
    let mut scene = Scene::new();
    let end = Some(Timestamp(NOON + 500));
    let inviter = scene.founded(BEN, Role::Inviter);
    let limited = Grant { not_after: end, renew: true, ..grant_of(peer(CAT), Role::Member, 2) };
    let cat = scene.act(ANN, None, &[inviter], Content::Grant(limited));
    let not_after = Timestamp(NOON + 900);
    let renewed = scene.act(BEN, Some(inviter), &[cat], Content::Renew { grant: scene.id(cat), not_after });
    assert_eq!(scene.verdict().grant(&scene.id(cat)).unwrap().not_after, Some(not_after));
    let removed = scene.act(ANN, None, &[cat], removal(CAT));
    scene.act(BEN, Some(inviter), &[cat], grant(CAT, Role::Member, 2));
    assert!(scene.counts(renewed));
    assert_eq!(scene.role(CAT), None);
    // A later act of a person does.
    scene.act(BEN, Some(inviter), &[removed], grant(CAT, Role::Member, 2));
    assert_eq!(scene.role(CAT), Some(Role::Member));
}

#[test]
fn a5_model_one_act_has_one_form_and_an_incomplete_past_waits() {
    let key = SecretKey::from_bytes(&[1; 32]);
    let body = |at: u64, content| ActBody {
        author: key.peer(),
        by: None,
        after: Vec::new(),
        at: Timestamp(at),
        content,
    };
    let sign = |graph: &GraphId, body: ActBody| {
        let (header, content) = Act::draft(body).to_record();
        SignedRecord::sign(graph, &key, header, &content)
    };
    let decode = |bytes: Vec<u8>| SignedRecord::decode(&GRAPH, bytes.into(), 1 << 20).ok();
    let record = sign(&GRAPH, body(NOON, grant(BEN, Role::Member, 2)));
    let act = Act::of(&record).unwrap();
    assert_eq!((act.body(), act.id()), (&body(NOON, grant(BEN, Role::Member, 2)), act.id()));
    // A twin with another time is another act and another record, judged by itself.
    let twin = sign(&GRAPH, body(NOON + 1, grant(BEN, Role::Member, 2)));
    assert_ne!((Act::of(&twin).unwrap().id(), twin.id()), (act.id(), record.id()));
    // Every other form of the same bytes is refused, or is not signed.
    for at in 0..record.bytes().len() {
        let mut changed = record.bytes().to_vec();
        changed[at] ^= 0x80;
        assert!(decode(changed).is_none_or(|other| !other.verify(&GRAPH)), "byte {at}");
    }
    assert!(decode([&record.bytes()[..], &[0]].concat()).is_none_or(|longer| !longer.verify(&GRAPH)));
    assert!(!record.verify(&GraphId::from_bytes([8; 32])));
    // Nor can the author sign another record of it.
    let (header, content) = act.to_record();
    for header in [
        Header { nonce: [7; 16], ..header.clone() },
        Header { version: 2, ..header.clone() },
        Header { hlc: Hlc(header.hlc.0 + 1), ..header.clone() },
        Header { created: Timestamp(NOON - 1), ..header.clone() },
        Header { expires: Some(Timestamp(NOON + 9)), ..header.clone() },
        Header { grant: Some([1; 32]), ..header.clone() },
    ] {
        assert_eq!(Act::of(&SignedRecord::sign(&GRAPH, &key, header, &content)), None);
    }
    // What follows an act waits for it, and counts for nothing meanwhile.
    let later = Act::draft(ActBody { after: vec![act.id()], ..body(NOON, grant(CAT, Role::Member, 2)) });
    let mut set = crate::authority::ActSet::new(GRAPH, key.peer(), 8);
    assert_eq!(set.insert(later.clone()).waits_for, Some(act.id()));
    assert!(set.ids().is_empty());
    let accepted = [act.clone(), later.clone()].map(|act| set.insert(act).accepted);
    assert_eq!(accepted, [[act.id()], [later.id()]]);
}

#[test]
fn a6_model_a_demotion_keeps_what_the_lower_role_allows() {
    let mut scene = Scene::new();
    let eve = scene.founded(EVE, Role::Admin);
    let ben = scene.founded(BEN, Role::Admin);
    let demoted = scene.act(ANN, None, &[ben], demotion(BEN, Role::Inviter, 4));
    // Offline, at the same time.
    let guest = scene.act(BEN, Some(ben), &[ben], grant(CAT, Role::Member, 2));
    let admin = scene.act(BEN, Some(ben), &[ben], grant(DAN, Role::Admin, 2));
    assert!(scene.counts(guest));
    assert_eq!(scene.void(admin), Some(Void::Demoted(scene.id(demoted))));
    assert_eq!(scene.role(BEN), Some(Role::Inviter));
    // Whoever removes the demoted later takes the rest as well, without seniority over what it was.
    scene.act(EVE, Some(eve), &[demoted], removal(BEN));
    assert_eq!(scene.role(BEN), None);
    assert!(!scene.counts(guest), "what the demoted signs under the old grant falls with the new one");
}

#[test]
fn a7_model_removals_at_once_keep_what_either_had_seen() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Owner);
    let cat = scene.founded(CAT, Role::Admin);
    let seen_by_ann = scene.act(CAT, Some(cat), &[], grant(DAN, Role::Member, 2));
    let seen_by_ben = scene.act(CAT, Some(cat), &[], grant(EVE, Role::Member, 2));
    let unseen = scene.act(CAT, Some(cat), &[], grant(5, Role::Member, 2));
    let first = scene.act(ANN, None, &[seen_by_ann], removal(CAT));
    scene.act(BEN, Some(ben), &[seen_by_ben], removal(CAT));
    assert!(scene.counts(seen_by_ann) && scene.counts(seen_by_ben));
    assert!(!scene.counts(unseen));
    // A removal that knew of the first adds nothing.
    scene.act(BEN, Some(ben), &[first, unseen], removal(CAT));
    assert!(!scene.counts(unseen));
}

#[test]
fn a8_model_acts_of_a_removed_admin_stand_unless_the_remover_says_otherwise() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.founded(CAT, Role::Member);
    let by_ben = scene.act(BEN, Some(ben), &[cat], removal(CAT));
    let branch = Content::Remove(Remove { branch: true, ..removal_of(peer(BEN)) });
    scene.act(ANN, None, &[by_ben], branch);
    assert_eq!(scene.role(CAT), None, "a branch goes, but nobody whom it removed comes back");
    let undo = Content::Remove(Remove { undo: true, ..removal_of(peer(BEN)) });
    let undone = scene.act(ANN, None, &[by_ben], undo);
    assert_eq!(scene.void(by_ben), Some(Void::Undone(scene.id(undone))));
    assert_eq!(scene.role(CAT), Some(Role::Member));
}

#[test]
fn a9_model_an_old_password_does_not_come_back() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let old = scene.act(ANN, None, &[ben], password(1, true));
    let cleared = scene.act(ANN, None, &[old], password(2, false));
    let verifiers = vec![(peer(CAT), vec![1])];
    let on = |scene: &Scene, at: usize, verifiers: &[(PeerId, Vec<u8>)]| Content::PassOn {
        password: scene.id(at),
        verifiers: verifiers.to_vec(),
    };
    let content = on(&scene, old, &verifiers);
    scene.act_at((BEN, NOON + 900), Some(ben), &[old], content);
    assert_eq!(scene.verdict().password(), Some(&scene.id(cleared)));
    assert!(scene.verdict().passed_on().is_empty());
    let content = on(&scene, cleared, &verifiers);
    assert_eq!(scene.refused(BEN, Some(ben), &[old], content), Fault::WrongKind);
    // At once, the senior's holds; and what a removed admin sets at once is nothing.
    let by_ben = scene.act(BEN, Some(ben), &[cleared], password(3, true));
    let by_ann = scene.act(ANN, None, &[cleared], password(4, true));
    assert_eq!(scene.verdict().password(), Some(&scene.id(by_ann)));
    scene.act(ANN, None, &[by_ann], removal(BEN));
    assert!(!scene.counts(by_ben));
}

#[test]
fn a13_model_members_without_rights_cannot_grow_the_graph() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Reader);
    let device = |node: u64, identity: usize| {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&node.to_be_bytes());
        Content::RevokeDevice { identity: peer(identity), node: NodeId::from_bytes(bytes) }
    };
    let mut acts = Vec::new();
    for node in 0..MAX_REVOKED_DEVICES as u64 + 40 {
        let by = Some(scene.id(ben));
        let at = Timestamp(NOON);
        let body = ActBody { author: peer(BEN), by, after: Vec::new(), at, content: device(node, BEN) };
        acts.push(Act::unsigned(body));
    }
    let mut set = scene.set().clone();
    let mut turned = set.clone();
    acts.iter().for_each(|act| drop(set.insert(act.clone())));
    acts.iter().rev().for_each(|act| drop(turned.insert(act.clone())));
    assert_eq!(set.ids().len(), 1 + MAX_REVOKED_DEVICES);
    assert_eq!(set.ids(), turned.ids(), "which are kept does not depend on the order");
    assert_eq!(set.heads(), [scene.id(ben)]);
    assert_eq!(scene.refused(BEN, Some(ben), &[], device(1, CAT)), Fault::Role);
    assert_eq!(scene.refused(BEN, Some(ben), &[], Content::Merge), Fault::Role);
    // Nothing may build on them.
    let after = vec![*set.ids().iter().find(|id| **id != scene.id(ben)).unwrap()];
    let at = Timestamp(NOON);
    let body = ActBody { author: peer(ANN), by: None, after, at, content: removal(BEN) };
    assert_eq!(set.insert(Act::unsigned(body)).refused[0].1, Fault::NamesLeaf);
}
