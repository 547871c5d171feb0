//! Links for inviters, the readmitted, and devices of members whom an equal raises: holes of the second attack.

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, admission, grant, removal},
    world::{grant_of, invite_by, peer, removal_of, use_of},
};
use crate::{
    authority::{Content, Grant, Password, Remove, Void},
    ids::NodeId,
    record::Role,
};

fn link(role: Role, uses: u32) -> Content {
    Content::Invite(invite_by(0, role, uses))
}

/// A use of the invitation of link 0, as an inviter.
fn admitted(scene: &Scene, invite: usize, joiner: usize) -> Content {
    let admission = Some(use_of(0, scene.id(invite), peer(joiner)));
    Content::Grant(Grant { admission, ..grant_of(peer(joiner), Role::Inviter, 1) })
}

fn word() -> Content {
    let (role, verifiers, despite) = (Role::Member, Vec::new(), Vec::new());
    Content::Password(Password { role, lifetime_ms: 1, verifiers, despite })
}

#[test]
fn r8_an_equal_inviter_displaces_no_guest_by_a_link_for_inviters_whom_a_senior_saw() {
    for (first, second) in [(BEN, CAT), (CAT, BEN)] {
        let mut scene = Scene::new();
        let mut grants = [0; 3];
        for who in [BEN, CAT] {
            grants[who] = scene.founded(who, Role::Inviter);
        }
        let invite = scene.act(ANN, None, &[grants[BEN], grants[CAT]], link(Role::Inviter, 1));
        let guest = scene.act(first, Some(grants[first]), &[invite], admitted(&scene, invite, DAN));
        let by_guest = scene.act(DAN, Some(guest), &[guest], grant(10, Role::Member, 0));
        scene.act(ANN, None, &[by_guest], word());
        let late = scene.act(second, Some(grants[second]), &[], admitted(&scene, invite, EVE));
        assert!(scene.counts(guest) && scene.counts(by_guest), "seen by Ann, {first} first");
        assert_eq!(scene.void(late), Some(Void::UsedUp(scene.id(invite))));
    }
}

#[test]
fn r8_a_senior_inviters_guest_comes_before_a_juniors_by_a_link_for_inviters() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let cat = scene.act(BEN, Some(ben), &[ben], grant(CAT, Role::Inviter, 5));
    let invite = scene.act(ANN, None, &[cat], link(Role::Inviter, 1));
    let juniors = scene.act(CAT, Some(cat), &[invite], admitted(&scene, invite, DAN));
    scene.act(ANN, None, &[juniors], word());
    let seniors = scene.act(BEN, Some(ben), &[invite], admitted(&scene, invite, EVE));
    // What decides about the junior's right is judged before its uses: the senior's guest may be one of those.
    assert!(scene.counts(seniors) && !scene.counts(juniors));
}

#[test]
fn r11_a_removal_of_the_admitter_is_held_against_the_use_and_one_of_the_subject_against_the_link() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let invite = scene.act(ANN, None, &[ben], link(Role::Member, 9));
    let by_ben = scene.act(BEN, Some(ben), &[invite], Content::Invite(invite_by(0, Role::Member, 9)));
    let branch = Content::Remove(Remove { branch: true, ..removal_of(peer(BEN)) });
    let removed = scene.act(ANN, None, &[by_ben], branch);
    let again = scene.act(ANN, None, &[removed], grant(BEN, Role::Inviter, 5));
    let cat = scene.act(BEN, Some(again), &[again], admission(&scene, invite, CAT, 1));
    assert_eq!(scene.role(CAT), Some(Role::Member), "{:?}", scene.void(cat));
    // By its own link of before, nobody comes.
    scene.act(BEN, Some(again), &[again], admission(&scene, by_ben, DAN, 1));
    assert_eq!(scene.role(DAN), None);
    // Without knowing of the removal it lets in nobody, by whatever grant.
    scene.act(BEN, Some(ben), &[invite], admission(&scene, invite, DAN, 1));
    assert_eq!(scene.role(DAN), None);
    // And who was removed itself comes back by no older link.
    let gone = scene.act(ANN, None, &[cat], removal(CAT));
    scene.act(BEN, Some(again), &[gone], admission(&scene, invite, CAT, 1));
    assert_eq!(scene.role(CAT), None);
}

#[test]
fn r10_only_a_senior_to_the_membership_that_would_be_given_keeps_somebody_out() {
    let mut scene = Scene::new();
    let (ben, cat) = (scene.founded(BEN, Role::Inviter), scene.founded(CAT, Role::Inviter));
    let invite = scene.act(ANN, None, &[ben, cat], link(Role::Member, 9));
    let secret = scene.act(ANN, None, &[invite], word());
    let his = scene.act(BEN, Some(ben), &[secret], Content::Invite(invite_by(1, Role::Member, 9)));
    let dan = scene.act(BEN, Some(ben), &[his], grant(DAN, Role::Member, 0));
    let by_ben = scene.act(BEN, Some(ben), &[dan], removal(DAN));
    let kept_out = |scene: &Scene, by: Option<usize>, word: usize| {
        let (verdict, by) = (scene.verdict(), by.map(|by| scene.id(by)));
        let found = verdict.kept_out(scene.set(), peer(DAN), by.as_ref(), &scene.id(word));
        found.map(|id| scene.0.places[&id])
    };
    assert!(scene.verdict().was_removed(peer(DAN)));
    for (by, word, expected) in [
        (None, invite, None),
        (Some(cat), invite, None),
        (Some(ben), invite, Some(by_ben)),
        (Some(cat), his, Some(by_ben)),
        (None, secret, None),
        (Some(cat), secret, None),
        (Some(ben), secret, Some(by_ben)),
    ] {
        assert_eq!(kept_out(&scene, by, word), expected, "{by:?} {word}");
        // It is what judging says of the use.
        if word != secret {
            let mut tried = Scene(scene.0.clone());
            let (who, at) = [(ANN, None), (BEN, Some(ben)), (CAT, Some(cat))]
                .into_iter()
                .find(|(_, grant)| *grant == by)
                .unwrap();
            let number = usize::from(word == his);
            let admission = Some(use_of(number, scene.id(word), peer(DAN)));
            let given = Content::Grant(Grant { admission, ..grant_of(peer(DAN), Role::Member, 0) });
            tried.act(who, at, &[by_ben], given);
            assert_eq!(tried.role(DAN).is_none(), expected.is_some(), "{by:?} {word}");
        }
    }
    // A removal by Ann keeps it out everywhere, and not by what was given after that.
    let by_ann = scene.act(ANN, None, &[by_ben], removal(DAN));
    let (link, next) = (scene.act(ANN, None, &[by_ann], link(Role::Member, 9)), word());
    let next = scene.act(ANN, None, &[by_ann], next);
    for by in [None, Some(cat)] {
        assert_eq!(kept_out(&scene, by, invite), Some(by_ann));
        assert_eq!(kept_out(&scene, by, secret), Some(by_ann));
        assert_eq!(kept_out(&scene, by, link), None);
        assert_eq!(kept_out(&scene, by, next), None);
    }
}

fn refusal(identity: usize, number: u8) -> Content {
    Content::RevokeDevice { identity: peer(identity), node: NodeId::from_bytes([number; 32]) }
}

fn is_refused(scene: &Scene, identity: usize, number: u8) -> bool {
    scene.verdict().is_device_revoked(peer(identity), NodeId::from_bytes([number; 32]))
}

/// A gift that an equal dates back ends a refusal: with the same acts the refuser may have left out what it knew (`u2_…`). Taking a
/// refusal back is for those above, and so is refusing the device then.
#[test]
fn r12_a_stolen_device_that_an_equals_gift_brings_back_is_refused_by_somebody_above() {
    let mut scene = Scene::new();
    let (cat, dan) = (scene.founded(CAT, Role::Admin), scene.founded(DAN, Role::Admin));
    let eve = scene.founded(EVE, Role::Inviter);
    let refused = scene.act(CAT, Some(cat), &[eve], refusal(EVE, 1));
    let back = Content::RestoreDevice(scene.id(refused));
    let equal = scene.act(DAN, Some(dan), &[refused], back);
    assert!(scene.void(equal) == Some(Void::NotAllowed) && is_refused(&scene, EVE, 1));
    let gift = scene.act(DAN, Some(dan), &[eve], grant(EVE, Role::Admin, 1));
    assert!(scene.counts(gift) && !scene.counts(refused) && !is_refused(&scene, EVE, 1));
    let by_ann = scene.act(ANN, None, &[eve], refusal(EVE, 1));
    assert!(scene.counts(by_ann) && is_refused(&scene, EVE, 1));
    // Whom the refuser knows as an equal's admin, and who is an admin by an equal alone, is refused nothing.
    let known = scene.act(CAT, Some(cat), &[gift, refused], refusal(EVE, 2));
    assert_eq!(scene.void(known), Some(Void::NotAllowed));
    let fay = scene.act(DAN, Some(dan), &[dan], grant(5, Role::Admin, 1));
    let hidden = scene.act(CAT, Some(cat), &[cat], refusal(5, 1));
    assert!(scene.counts(fay) && !scene.counts(hidden));
    // What somebody gives who outranks the refuser, protects as well.
    let guest = scene.founded(7, Role::Inviter);
    let at_once = scene.act(CAT, Some(cat), &[guest], refusal(7, 3));
    assert!(is_refused(&scene, 7, 3));
    scene.act(ANN, None, &[guest], grant(7, Role::Admin, 1));
    assert!(!scene.counts(at_once) && !is_refused(&scene, 7, 3));
}

#[test]
fn r12_what_a_removed_admin_refused_stays_until_somebody_above_takes_it_back() {
    for who in [ANN, BEN] {
        let mut scene = Scene::new();
        let ben = scene.founded(BEN, Role::Owner);
        let (cat, dan) = (scene.founded(CAT, Role::Admin), scene.founded(DAN, Role::Admin));
        let eve = scene.founded(EVE, Role::Member);
        let refused = scene.act(CAT, Some(cat), &[eve], refusal(EVE, 1));
        let removed = scene.act(ANN, None, &[refused], removal(CAT));
        assert!(is_refused(&scene, EVE, 1), "the removal keeps it");
        let back = || Content::RestoreDevice(scene.id(refused));
        let (equal, above) = (back(), back());
        scene.act(DAN, Some(dan), &[removed], equal);
        assert!(is_refused(&scene, EVE, 1), "an equal of the removed admin");
        let by = (who == BEN).then_some(ben);
        let restored = scene.act(who, by, &[removed], above);
        assert!(scene.counts(restored) && !is_refused(&scene, EVE, 1));
    }
}
