//! Passwords, epochs and devices, by the holes of them that were closed.

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, demotion, grant, leave, removal},
    world::peer,
};
use crate::{
    authority::{Content, Epoch, Fault, Grant, Password, Void},
    ids::NodeId,
    record::Role,
};

fn password(number: u8) -> Content {
    let verifiers = if number == 0 { Vec::new() } else { vec![(peer(ANN), vec![number])] };
    Content::Password(Password { role: Role::Member, lifetime_ms: 1, verifiers, despite: Vec::new() })
}

#[test]
fn h13_no_password_comes_back_when_what_ended_it_falls() {
    for next in [0, 2] {
        let mut scene = Scene::new();
        let ben = scene.founded(BEN, Role::Admin);
        let old = scene.act(ANN, None, &[ben], password(1));
        let by_ben = scene.act(BEN, Some(ben), &[old], password(next));
        let removed = scene.act(ANN, None, &[old], removal(BEN));
        assert_eq!(scene.void(by_ben), Some(Void::Removed(scene.id(removed))));
        assert_eq!(scene.verdict().password(), None, "a person sets the next");
        let new = scene.act(ANN, None, &[removed], password(3));
        assert_eq!(scene.verdict().password(), Some(&scene.id(new)));
        // The removed ends no password that was set after it was removed.
        scene.act(BEN, Some(ben), &[new], password(0));
        assert_eq!(scene.verdict().password(), Some(&scene.id(new)));
    }
}

#[test]
fn h13_who_never_had_the_right_by_what_it_knew_ends_no_password() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Owner);
    let cat = scene.act(BEN, Some(ben), &[], grant(CAT, Role::Admin, 3));
    let lower = scene.act(ANN, None, &[cat], demotion(CAT, Role::Inviter, 3));
    let set = scene.act(ANN, None, &[lower], password(1));
    assert_eq!(scene.refused(CAT, Some(lower), &[set], password(0)), Fault::Role);
    scene.act(CAT, Some(cat), &[set], password(0));
    assert_eq!(scene.verdict().password(), Some(&scene.id(set)));
    // Nor does who came by a grant of the removed.
    let dan = scene.act(BEN, Some(ben), &[cat], grant(DAN, Role::Admin, 3));
    let removed = scene.act(ANN, None, &[set], removal(BEN));
    let set = scene.act(ANN, None, &[removed], password(2));
    scene.act(DAN, Some(dan), &[set], password(0));
    assert_eq!(scene.verdict().password(), Some(&scene.id(set)));
}

/// A new password that names those of whom a node with this verdict knows that they left.
fn next_password(scene: &Scene, number: u8) -> Content {
    let Content::Password(rule) = password(number) else { unreachable!() };
    Content::Password(Password { despite: scene.verdict().leavers(scene.set()), ..rule })
}

#[test]
fn r6_who_left_ends_no_password_that_was_set_after_that() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.act(BEN, Some(ben), &[ben], grant(CAT, Role::Admin, 3));
    let old = scene.act(ANN, None, &[cat], password(1));
    scene.act(BEN, Some(ben), &[old], leave());
    scene.act(CAT, Some(cat), &[old], leave());
    // It was not known who left: this one is ended.
    scene.act(BEN, Some(ben), &[old], password(0));
    assert_eq!(scene.verdict().password(), None);
    let next = next_password(&scene, 2);
    let new = scene.act(ANN, None, &[old], next);
    assert_eq!(scene.verdict().password(), Some(&scene.id(new)));
    // However often both try, and whoever they make an admin.
    let by_ben = scene.act(BEN, Some(ben), &[new], password(0));
    let again = scene.act(BEN, Some(ben), &[by_ben], password(3));
    scene.act(CAT, Some(cat), &[new], password(0));
    let dan = scene.act(CAT, Some(cat), &[new], grant(DAN, Role::Admin, 2));
    scene.act(DAN, Some(dan), &[dan], password(0));
    assert_eq!(scene.verdict().password(), Some(&scene.id(new)));
    // Seventeen leave acts displace those that Ann knew, and change nothing.
    for number in 0..17 {
        scene.act_at((BEN, super::world::NOON + 500 + number), Some(ben), &[], leave());
    }
    scene.act(BEN, Some(ben), &[again], password(0));
    assert_eq!(scene.verdict().password(), Some(&scene.id(new)));
    // One more is set without a removal, as each.
    let next = next_password(&scene, 4);
    let last = scene.act(ANN, None, &[new], next);
    scene.act(BEN, Some(ben), &[last], password(0));
    assert_eq!(scene.verdict().password(), Some(&scene.id(last)));
}

#[test]
fn t7_puppets_of_who_left_push_it_from_no_list() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    // One that it made while it was an admin, and one dated back to then. Both leave.
    let cat = scene.act(BEN, Some(ben), &[ben], grant(CAT, Role::Admin, 3));
    scene.act(CAT, Some(cat), &[cat], leave());
    scene.act(BEN, Some(ben), &[cat], leave());
    let dan = scene.act(BEN, Some(ben), &[ben], grant(DAN, Role::Admin, 3));
    scene.act(DAN, Some(dan), &[dan], leave());
    assert!(!scene.counts(dan));
    // Somebody who was removed gives one a void grant that is below nobody who left.
    let eve = scene.founded(EVE, Role::Admin);
    scene.act(ANN, None, &[eve], removal(EVE));
    let void = scene.act(EVE, Some(eve), &[eve], grant(CAT, Role::Admin, 3));
    assert!(!scene.counts(void));
    let next = next_password(&scene, 1);
    let Content::Password(rule) = &next else { unreachable!() };
    assert_eq!(rule.despite, [peer(BEN)], "who is below it is meant with it");
    let set = scene.act(ANN, None, &[cat], next);
    scene.act(CAT, Some(cat), &[set], password(0));
    scene.act(DAN, Some(dan), &[set, dan], password(0));
    scene.act(BEN, Some(ben), &[set], password(0));
    assert_eq!(scene.verdict().password(), Some(&scene.id(set)));
}

#[test]
fn r6_who_left_and_was_let_in_again_ends_passwords_as_any_admin() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    scene.act(BEN, Some(ben), &[ben], leave());
    let next = next_password(&scene, 1);
    let Content::Password(rule) = &next else { unreachable!() };
    assert_eq!(rule.despite, [peer(BEN)]);
    let set = scene.act(ANN, None, &[ben], next);
    let despite = scene.set().leaves_of(peer(BEN));
    let again = Grant { despite, ..super::world::grant_of(peer(BEN), Role::Admin, 3) };
    let again = scene.act(ANN, None, &[set], Content::Grant(again));
    let Content::Password(rule) = next_password(&scene, 1) else { unreachable!() };
    assert_eq!(rule.despite, [], "it is an admin");
    // It clears the password, and falls by another leave act: the old one does not come back.
    let cleared = scene.act(BEN, Some(again), &[again], password(0));
    assert_eq!(scene.verdict().password(), Some(&scene.id(cleared)));
    scene.act(BEN, Some(again), &[], leave());
    assert!(!scene.counts(cleared));
    assert_eq!(scene.verdict().password(), None);
}

#[test]
fn r15_many_void_passwords_cost_what_one_does() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let first = scene.act(ANN, None, &[ben], password(1));
    let second = scene.act(ANN, None, &[ben], password(2));
    scene.act(ANN, None, &[ben], removal(BEN));
    let mut last = first;
    for number in 0..20 {
        last = scene.act(BEN, Some(ben), &[last], password(number));
    }
    assert_eq!(scene.verdict().work.found.fallen_passwords.len(), 1);
    assert_eq!(scene.verdict().password(), Some(&scene.id(second)), "the first is ended");
    scene.act(BEN, Some(ben), &[last, second], password(0));
    assert_eq!(scene.verdict().password(), None);
}

fn epoch(number: u8, to: &[usize]) -> Content {
    let keys = to.iter().map(|who| (peer(*who), vec![number])).collect();
    Content::Epoch(Epoch { key_id: [number; 32], keys, older: Vec::new() })
}

fn keys(scene: &Scene, epoch: usize, to: &[usize]) -> Content {
    Content::EpochKeys { epoch: scene.id(epoch), keys: to.iter().map(|who| (peer(*who), vec![1])).collect() }
}

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn refusal(identity: usize, number: u8) -> Content {
    Content::RevokeDevice { identity: peer(identity), node: node(number) }
}

#[test]
fn h11_an_epoch_is_stale_if_somebody_has_its_key_who_is_no_member() {
    let mut scene = Scene::new();
    let (ben, cat) = (scene.founded(BEN, Role::Admin), scene.founded(CAT, Role::Member));
    let dan = scene.founded(DAN, Role::Member);
    let first = scene.act(ANN, None, &[dan], epoch(1, &[ANN, BEN, CAT]));
    // Dan never had the key.
    let removed = scene.act(ANN, None, &[first], removal(DAN));
    assert!(!scene.verdict().epoch_is_stale());
    // Cat had, and leaves.
    scene.act(CAT, Some(cat), &[first], leave());
    assert!(scene.verdict().epoch_is_stale());
    let second = scene.act(ANN, None, &[removed], epoch(2, &[ANN, BEN]));
    assert!(!scene.verdict().epoch_is_stale());
    // Eve is let in by Ben, has the key passed on, and falls with Ben, who is let in again.
    let eve = scene.act(BEN, Some(ben), &[second], grant(EVE, Role::Member, 1));
    let passed = keys(&scene, second, &[EVE]);
    scene.act(ANN, None, &[eve], passed);
    assert!(!scene.verdict().epoch_is_stale());
    let gone = scene.act(ANN, None, &[second], removal(BEN));
    scene.act(ANN, None, &[gone], grant(BEN, Role::Admin, 3));
    assert_eq!(scene.role(EVE), None);
    assert!(scene.verdict().epoch_is_stale(), "the guest has the key");
    let third = scene.act(ANN, None, &[gone], epoch(3, &[ANN, BEN]));
    assert!(!scene.verdict().epoch_is_stale());
    // What the removed gives to strangers makes nobody begin epochs without end.
    let given = keys(&scene, third, &[30]);
    scene.act(BEN, Some(ben), &[third], given);
    assert!(!scene.verdict().epoch_is_stale());
}

#[test]
fn h11_an_epoch_is_stale_if_a_node_that_may_have_its_key_was_refused_since() {
    let mut scene = Scene::new();
    let (ben, cat) = (scene.founded(BEN, Role::Admin), scene.founded(CAT, Role::Member));
    let first = scene.act(ANN, None, &[ben, cat], epoch(1, &[BEN]));
    let other = scene.act(ANN, None, &[first], refusal(CAT, 1));
    assert!(!scene.verdict().epoch_is_stale());
    let refused = scene.act(ANN, None, &[other], refusal(BEN, 2));
    assert!(scene.verdict().epoch_is_stale());
    scene.act(ANN, None, &[refused], epoch(2, &[BEN]));
    assert!(!scene.verdict().epoch_is_stale());
}

#[test]
fn h10_devices_are_refused_by_seniors_alone_and_that_can_be_taken_back() {
    let mut scene = Scene::new();
    let owner = scene.founded(BEN, Role::Owner);
    let (cat, dan) = (scene.founded(CAT, Role::Admin), scene.founded(DAN, Role::Admin));
    let eve = scene.founded(EVE, Role::Member);
    for (who, by, on) in [(CAT, cat, DAN), (CAT, cat, BEN)] {
        let void = scene.act(who, Some(by), &[eve], refusal(on, 1));
        assert_eq!(scene.void(void), Some(Void::NotAllowed), "an equal or a senior");
        assert!(!scene.verdict().is_device_revoked(peer(on), node(1)));
    }
    let refused = scene.act(CAT, Some(cat), &[eve], refusal(EVE, 1));
    assert!(scene.verdict().is_device_revoked(peer(EVE), node(1)));
    let back = Content::RestoreDevice(scene.id(refused));
    let equal = scene.act(DAN, Some(dan), &[refused], back.clone());
    assert_eq!(scene.void(equal), Some(Void::NotAllowed));
    assert_eq!(scene.refused(EVE, Some(eve), &[refused], back.clone()), Fault::Role);
    let restored = scene.act(BEN, Some(owner), &[refused], back.clone());
    assert!(!scene.verdict().is_device_revoked(peer(EVE), node(1)));
    // Another act refuses it again, and who did may take it back.
    let again = scene.act(CAT, Some(cat), &[restored], refusal(EVE, 1));
    assert!(scene.verdict().is_device_revoked(peer(EVE), node(1)));
    let own = Content::RestoreDevice(scene.id(again));
    scene.act(CAT, Some(cat), &[again], own);
    assert!(!scene.verdict().is_device_revoked(peer(EVE), node(1)));
    // A later promotion gives no refused device back, and one at once is not outranked.
    let last = scene.act(CAT, Some(cat), &[again], refusal(EVE, 2));
    scene.act(BEN, Some(owner), &[last], grant(EVE, Role::Admin, 1));
    assert!(scene.verdict().is_device_revoked(peer(EVE), node(2)));
    let at_once = scene.act(CAT, Some(cat), &[again], refusal(EVE, 3));
    assert_eq!(scene.void(at_once), Some(Void::NotAllowed));
    assert_eq!(scene.refused(ANN, None, &[], Content::RestoreDevice(scene.id(eve))), Fault::WrongKind);
}
