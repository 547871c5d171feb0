//! Holes that an attack on this model found, in demotions, renewals and second grants; see [`super::attacks`].

use super::{
    attacks::{listing, note, removal_with},
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, admission, demotion, grant, removal},
    world::{NOON, grant_of, invite_by, peer, removal_of},
};
use crate::{
    authority::{Authorship, Content, Fault, Grant, Invite, Keep, RecordFault, RecordVerdict, Remove, Void},
    record::Role,
    time::Timestamp,
};

fn until(subject: usize, role: Role, end: u64) -> Grant {
    Grant { not_after: Some(Timestamp(NOON + end)), renew: true, ..grant_of(peer(subject), role, 4) }
}

fn renewal(scene: &Scene, of: usize, end: u64) -> Content {
    Content::Renew { grant: scene.id(of), not_after: Timestamp(NOON + end) }
}

#[test]
fn h5_a_demotion_binds_by_its_depth_whoever_names_the_old_grant() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let demoted = scene.act(ANN, None, &[ben], demotion(BEN, Role::Inviter, 1));
    for (past, depth, counts) in [(ben, 2, false), (ben, 0, true), (demoted, 2, false), (demoted, 0, true)] {
        let guest = scene.act(BEN, Some(ben), &[past], grant(CAT, Role::Member, depth));
        assert_eq!(scene.counts(guest), counts, "depth {depth}");
    }
    let deep = scene.act(BEN, Some(ben), &[ben], grant(DAN, Role::Inviter, 4));
    assert_eq!(scene.void(deep), Some(Void::Demoted(scene.id(demoted))));
    // Nor does an invitation admit deeper than a demotion of its issuer allows.
    let eve = scene.founded(EVE, Role::Admin);
    let offer = scene.act(EVE, Some(eve), &[eve], Content::Invite(invite_by(0, Role::Member, 5)));
    scene.act(ANN, None, &[eve], demotion(EVE, Role::Inviter, 0));
    let guest = scene.act(ANN, None, &[offer], admission(&scene, offer, 5, 1));
    assert!(!scene.counts(offer) && !scene.counts(guest));
}

#[test]
fn h5_a_demotion_binds_by_its_end() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let lower = Grant { demotes: Some(Keep::default()), ..until(BEN, Role::Inviter, 500) };
    let demoted = scene.act(ANN, None, &[ben], Content::Grant(lower));
    let at = |time: u64| (BEN, NOON + time);
    let in_time = scene.act_at(
        at(400),
        Some(ben),
        &[ben],
        Content::Grant(Grant { depth: 1, ..until(CAT, Role::Member, 500) }),
    );
    let late = scene.act_at(at(600), Some(ben), &[ben], removal(CAT));
    let outlasts = scene.act_at(at(400), Some(ben), &[ben], grant(DAN, Role::Member, 0));
    assert!(scene.counts(in_time));
    for act in [late, outlasts] {
        assert_eq!(scene.void(act), Some(Void::Demoted(scene.id(demoted))));
    }
    // A record as well.
    let claim = |time: u64| {
        let grant = Some(scene.id(ben));
        Authorship { author: peer(BEN), grant, at: Timestamp(NOON + time) }
    };
    assert_eq!(note(&scene, 1, claim(400)), RecordVerdict::Counts);
    assert_eq!(note(&scene, 1, claim(600)), RecordVerdict::Void(RecordFault::OutsidePeriod));
}

#[test]
fn h6_a_void_renewal_lengthens_no_rights() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.act(ANN, None, &[ben], Content::Grant(until(CAT, Role::Inviter, 500)));
    let removed = scene.act(ANN, None, &[cat], removal(BEN));
    let forged = scene.act(BEN, Some(ben), &[cat], renewal(&scene, cat, 900));
    assert_eq!(scene.void(forged), Some(Void::Removed(scene.id(removed))));
    let offer = |link: usize| {
        Content::Invite(Invite { not_after: Timestamp(NOON + 900), ..invite_by(link, Role::Member, 1) })
    };
    let late = scene.act_at((CAT, NOON + 600), Some(forged), &[forged], removal(DAN));
    let lasting = scene.act_at((CAT, NOON + 100), Some(forged), &[forged], offer(0));
    let content = Content::Grant(Grant { depth: 1, ..until(DAN, Role::Member, 500) });
    let in_time = scene.act_at((CAT, NOON + 100), Some(forged), &[forged], content);
    for act in [late, lasting] {
        assert_eq!(scene.void(act), Some(Void::Grant(scene.id(forged))));
    }
    assert!(scene.counts(in_time));
    let by = |grant: usize| Authorship {
        author: peer(CAT),
        grant: Some(scene.id(grant)),
        at: Timestamp(NOON + 600),
    };
    assert_eq!(note(&scene, 1, by(forged)), RecordVerdict::Void(RecordFault::OutsidePeriod));
    // Any renewal that counts is enough.
    scene.act(ANN, None, &[cat], renewal(&scene, cat, 900));
    assert!(scene.counts(late) && scene.counts(lasting));
}

/// Two inviters could otherwise each hold a renewal that counts exactly if the other's removal of its author does not.
#[test]
fn h6_a_renewal_comes_from_a_higher_rank() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let cat = scene.act(ANN, None, &[ben], Content::Grant(until(CAT, Role::Inviter, 500)));
    let of_cat = renewal(&scene, cat, 900);
    assert_eq!(scene.refused(BEN, Some(ben), &[cat], of_cat.clone()), Fault::NotAllowed);
    let eve = scene.act(ANN, None, &[cat], grant(EVE, Role::Admin, 4));
    let renewed = scene.act(EVE, Some(eve), &[eve], of_cat);
    assert!(scene.counts(renewed));
    // A renewer who is demoted at once to the same rank or a lower one renews nothing.
    scene.act(ANN, None, &[eve], demotion(EVE, Role::Inviter, 2));
    assert!(!scene.counts(renewed));
}

#[test]
fn h7_a_gift_that_is_taken_back_takes_nothing_with_it() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let cat = scene.founded(CAT, Role::Inviter);
    let gift = scene.act(BEN, Some(ben), &[cat], grant(CAT, Role::Inviter, 4));
    let guest = scene.act(CAT, Some(gift), &[gift], grant(DAN, Role::Member, 2));
    let offer = scene.act(CAT, Some(gift), &[gift], Content::Invite(invite_by(0, Role::Member, 5)));
    let used = scene.act(ANN, None, &[offer], admission(&scene, offer, EVE, 1));
    assert_eq!(scene.note_by(1, CAT, gift), RecordVerdict::Counts);
    let undo = Content::Remove(Remove { undo: true, ..removal_of(peer(CAT)) });
    scene.act(BEN, Some(ben), &[used, guest], undo);
    assert!(scene.counts(guest) && scene.counts(offer) && scene.counts(used));
    assert_eq!([CAT, DAN, EVE].map(|who| scene.role(who).is_some()), [true; 3]);
    assert!(scene.verdict().invitation(&scene.id(offer)).unwrap().void.is_none());
    assert_eq!(scene.note_by(1, CAT, gift), RecordVerdict::Counts);
    // Whoever is senior to both takes both.
    let removed = listing(&mut scene, |s, keep| s.act(ANN, None, &[cat], removal_with(CAT, keep)), &[1]);
    assert!(!scene.counts(guest) && !scene.counts(offer));
    assert_eq!(scene.note_by(1, CAT, gift), RecordVerdict::Counts, "listed by the one over the other grant");
    assert!(matches!(scene.note_by(2, CAT, gift), RecordVerdict::Void(_)));
    // And nothing comes back by a grant that follows.
    scene.act(ANN, None, &[removed], grant(CAT, Role::Inviter, 4));
    assert!(!scene.counts(guest));
    assert!(matches!(scene.note_by(2, CAT, gift), RecordVerdict::Void(_)));
}

#[test]
fn h7_another_grant_carries_only_what_it_allows() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.act(ANN, None, &[ben], grant(CAT, Role::Inviter, 1));
    let gift = scene.act(BEN, Some(ben), &[cat], grant(CAT, Role::Admin, 4));
    let admin = scene.act(CAT, Some(gift), &[gift], grant(DAN, Role::Admin, 1));
    let deep = scene.act(CAT, Some(gift), &[gift], grant(EVE, Role::Member, 2));
    let flat = scene.act(CAT, Some(gift), &[gift], grant(5, Role::Member, 0));
    let other = scene.act(ANN, None, &[ben], grant(6, Role::Member, 1));
    let removes = scene.act(CAT, Some(gift), &[gift, other], removal(6));
    assert_eq!(scene.role(6), None);
    let taken = scene.act(ANN, None, &[ben], Content::Remove(Remove { undo: true, ..removal_of(peer(BEN)) }));
    assert_eq!(scene.void(gift), Some(Void::Undone(scene.id(taken))));
    assert!(!scene.counts(admin) && !scene.counts(deep) && scene.counts(flat));
    assert!(scene.counts(removes));
    assert_eq!(scene.role(6), Some(Role::Member), "an inviter that did not let it in removes nobody");
}

/// Found by the model checker: a leave made the leaver's removal fall from a grant by which it removed nobody to one by
/// which it would have.
#[test]
fn h7_an_act_that_falls_to_a_higher_grant_does_no_more_than_before() {
    let mut scene = Scene::new();
    let eve = scene.founded(EVE, Role::Admin);
    let as_admin = scene.act(EVE, Some(eve), &[eve], grant(BEN, Role::Admin, 4));
    let as_inviter = scene.act(ANN, None, &[as_admin], grant(BEN, Role::Inviter, 4));
    let dan = scene.act(ANN, None, &[as_inviter], grant(DAN, Role::Inviter, 4));
    let removed = scene.act(BEN, Some(as_inviter), &[dan], removal(DAN));
    assert_eq!(scene.role(DAN), Some(Role::Inviter));
    scene.act(ANN, None, &[removed], demotion(BEN, Role::Inviter, 4));
    scene.act(BEN, Some(as_admin), &[], super::scene::leave());
    assert!(scene.counts(removed), "it stands under the grant as admin");
    assert_eq!(scene.role(DAN), Some(Role::Inviter));
}
