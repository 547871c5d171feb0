//! The hard cases of `AUTHORITY.md` by name.

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, admission, demotion, grant, leave, removal},
    world::{NOON, grant_of, invite_by, peer, removal_of},
};
use crate::{
    authority::{Content, Fault, Grant, Password, Remove, Void},
    record::Role,
    time::Timestamp,
};

fn password() -> Content {
    Content::Password(Password {
        role: Role::Member,
        lifetime_ms: 1,
        verifiers: Vec::new(),
        despite: Vec::new(),
    })
}

#[test]
fn of_two_who_remove_each_other_the_senior_holds() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Owner);
    let cat = scene.founded(CAT, Role::Admin);
    let by_ben = scene.act(BEN, Some(ben), &[cat], removal(CAT));
    let by_cat = scene.act(CAT, Some(cat), &[cat], removal(BEN));
    assert_eq!((scene.role(BEN), scene.role(CAT)), (Some(Role::Owner), None));
    assert_eq!(scene.void(by_cat), Some(Void::Removed(scene.id(by_ben))));
}

#[test]
fn equals_cannot_remove_each_other() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.founded(CAT, Role::Admin);
    scene.act(BEN, Some(ben), &[cat], removal(CAT));
    scene.act(CAT, Some(cat), &[cat], removal(BEN));
    assert_eq!((scene.role(BEN), scene.role(CAT)), (Some(Role::Admin), Some(Role::Admin)));
}

#[test]
fn who_is_promoted_at_the_moment_of_a_removal_by_a_junior_stays() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.founded(CAT, Role::Member);
    scene.act(ANN, None, &[cat], grant(CAT, Role::Admin, 4));
    scene.act(BEN, Some(ben), &[cat], removal(CAT));
    assert_eq!((scene.role(BEN), scene.role(CAT)), (Some(Role::Admin), Some(Role::Admin)));
}

#[test]
fn a_remover_who_is_removed_at_once_removes_nobody() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.founded(CAT, Role::Member);
    let by_ann = scene.act(ANN, None, &[cat], removal(BEN));
    let by_ben = scene.act(BEN, Some(ben), &[cat], removal(CAT));
    assert_eq!(scene.void(by_ben), Some(Void::Removed(scene.id(by_ann))));
    assert_eq!((scene.role(BEN), scene.role(CAT)), (None, Some(Role::Member)));
}

#[test]
fn a_remover_who_is_demoted_at_once_removes_its_own_guests_only() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.founded(CAT, Role::Member);
    let dan = scene.act(BEN, Some(ben), &[cat], grant(DAN, Role::Member, 2));
    scene.act(ANN, None, &[dan], demotion(BEN, Role::Inviter, 4));
    scene.act(BEN, Some(ben), &[dan], removal(CAT));
    scene.act(BEN, Some(ben), &[dan], removal(DAN));
    assert_eq!((scene.role(CAT), scene.role(DAN)), (Some(Role::Member), None));
    assert_eq!(scene.role(BEN), Some(Role::Inviter));
}

/// Promotions by a member who stands below those whom it promotes: with a rank that a promotion could raise above its
/// giver's, each of two removals would count exactly if the other does not.
#[test]
fn promotions_by_a_junior_make_no_circle() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let cat = scene.act(BEN, Some(ben), &[], grant(CAT, Role::Inviter, 5));
    let dan = scene.act(CAT, Some(cat), &[], grant(DAN, Role::Member, 4));
    let dan_admin = scene.act(ANN, None, &[dan], grant(DAN, Role::Admin, 4));
    let ben_admin = scene.act(DAN, Some(dan_admin), &[dan], grant(BEN, Role::Admin, 2));
    let cat_admin = scene.act(DAN, Some(dan_admin), &[dan], grant(CAT, Role::Admin, 2));
    let by_ben = scene.act(BEN, Some(ben_admin), &[], removal(DAN));
    let by_cat = scene.act(CAT, Some(cat_admin), &[], removal(DAN));
    // Both stand below Dan now: neither removal takes its membership as admin, and nothing of Dan's falls.
    for act in [ben_admin, cat_admin, by_ben, by_cat] {
        assert!(scene.counts(act));
    }
    assert_eq!(scene.role(DAN), Some(Role::Admin));
}

#[test]
fn of_uses_at_two_admitters_at_once_the_senior_admitters_counts() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let invite = scene.act(ANN, None, &[ben], Content::Invite(invite_by(0, Role::Member, 1)));
    let by_ben = scene.act(BEN, Some(ben), &[invite], admission(&scene, invite, CAT, 1));
    assert!(scene.counts(by_ben));
    let by_ann = scene.act(ANN, None, &[invite], admission(&scene, invite, DAN, 1));
    assert_eq!(scene.void(by_ben), Some(Void::UsedUp(scene.id(invite))));
    assert!(scene.counts(by_ann));
    assert_eq!(scene.verdict().invitation(&scene.id(invite)).unwrap().admitted.len(), 1);
}

#[test]
fn h4_a_guest_whom_a_senior_saw_is_not_displaced_later() {
    let mut scene = Scene::new();
    let (ben, cat) = (scene.founded(BEN, Role::Admin), scene.founded(CAT, Role::Inviter));
    let invite = scene.act(ANN, None, &[ben, cat], Content::Invite(invite_by(0, Role::Member, 1)));
    let guest = scene.act(CAT, Some(cat), &[invite], admission(&scene, invite, DAN, 1));
    // Nobody else has seen it: of two at once, the senior admitter's counts.
    let at_once = scene.act(BEN, Some(ben), &[invite], admission(&scene, invite, EVE, 1));
    assert!(scene.counts(at_once) && !scene.counts(guest));
    // By what the owner saw first, it is the other.
    let saw = scene.act(ANN, None, &[guest], password());
    assert!(scene.counts(guest) && !scene.counts(at_once));
    // Nor does a use that has the guest's in its past displace it, whoever makes it, nor one that is dated back by another.
    let knows = scene.act(ANN, None, &[guest], admission(&scene, invite, 7, 1));
    let hidden = scene.act_at((BEN, 1), Some(ben), &[invite], admission(&scene, invite, 8, 1));
    assert!(scene.counts(guest));
    assert!(!scene.counts(knows) && !scene.counts(hidden));
    // What the owner sees later, with both, changes nothing.
    scene.act(ANN, None, &[saw, at_once, hidden], password());
    assert!(scene.counts(guest) && !scene.counts(at_once) && !scene.counts(hidden));
}

#[test]
fn h4_juniors_together_displace_no_seniors_guest() {
    let mut scene = Scene::new();
    let (ben, cat) = (scene.founded(BEN, Role::Admin), scene.founded(CAT, Role::Inviter));
    let dan = scene.founded(DAN, Role::Inviter);
    let invite = scene.act(ANN, None, &[ben, cat, dan], Content::Invite(invite_by(0, Role::Member, 1)));
    let guest = scene.act(BEN, Some(ben), &[invite], admission(&scene, invite, EVE, 1));
    let by_cat = scene.act(CAT, Some(cat), &[invite], admission(&scene, invite, 7, 1));
    scene.act(DAN, Some(dan), &[by_cat], Content::Invite(invite_by(1, Role::Member, 1)));
    assert!(scene.counts(guest) && !scene.counts(by_cat));
    // Nor does a senior whose removal had not seen what it signs.
    scene.act(ANN, None, &[guest], removal(BEN));
    scene.act(BEN, Some(ben), &[by_cat], Content::Invite(invite_by(1, Role::Member, 1)));
    assert!(scene.counts(guest) && !scene.counts(by_cat));
}

#[test]
fn one_joiner_at_two_admitters_is_one_use() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let invite = scene.act(ANN, None, &[ben], Content::Invite(invite_by(0, Role::Member, 1)));
    let by_ben = scene.act(BEN, Some(ben), &[invite], admission(&scene, invite, CAT, 1));
    let by_ann = scene.act(ANN, None, &[invite], admission(&scene, invite, CAT, 1));
    assert!(scene.counts(by_ben) && scene.counts(by_ann));
}

#[test]
fn uses_by_an_admitter_removed_at_once_are_free_again() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.founded(CAT, Role::Inviter);
    let invite = scene.act(CAT, Some(cat), &[], Content::Invite(invite_by(0, Role::Member, 1)));
    let by_ben = scene.act(BEN, Some(ben), &[invite], admission(&scene, invite, DAN, 1));
    let by_cat = scene.act(CAT, Some(cat), &[invite], admission(&scene, invite, EVE, 1));
    assert!(scene.counts(by_ben) && !scene.counts(by_cat));
    let removed = scene.act(ANN, None, &[invite], removal(BEN));
    assert_eq!(scene.void(by_ben), Some(Void::Removed(scene.id(removed))));
    assert!(scene.counts(by_cat));
}

#[test]
fn the_removed_let_nobody_in_by_an_invitation_they_made_before() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let invite = scene.act(BEN, Some(ben), &[], Content::Invite(invite_by(0, Role::Member, 5)));
    let before = scene.act(ANN, None, &[invite], admission(&scene, invite, CAT, 1));
    let removed = scene.act(ANN, None, &[before], removal(BEN));
    let after = scene.act(ANN, None, &[removed], admission(&scene, invite, DAN, 1));
    assert!(scene.counts(invite) && scene.counts(before));
    assert_eq!(scene.void(after), Some(Void::Invitation(scene.id(invite))));
    assert!(scene.verdict().invitation(&scene.id(invite)).unwrap().void.is_some());
}

#[test]
fn of_two_demotions_at_once_the_lower_role_holds() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Owner);
    let cat = scene.founded(CAT, Role::Admin);
    scene.act(ANN, None, &[cat], demotion(CAT, Role::Member, 4));
    scene.act(BEN, Some(ben), &[cat], demotion(CAT, Role::Inviter, 4));
    assert_eq!(scene.role(CAT), Some(Role::Member));
}

#[test]
fn a_branch_goes_with_whoever_let_it_in() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let invite = scene.act(BEN, Some(ben), &[], Content::Invite(invite_by(0, Role::Member, 5)));
    scene.act(ANN, None, &[invite], admission(&scene, invite, CAT, 1));
    let dan = scene.act(BEN, Some(ben), &[invite], grant(DAN, Role::Inviter, 3));
    let eve = scene.act(DAN, Some(dan), &[], grant(EVE, Role::Member, 1));
    let branch = Content::Remove(Remove { branch: true, ..removal_of(peer(BEN)) });
    scene.act(ANN, None, &[eve], branch);
    // Cat was admitted by the creator's node, and yet by Ben's word.
    for who in [BEN, CAT, DAN, EVE] {
        assert_eq!(scene.role(who), None);
    }
}

#[test]
fn a_hostile_member_with_several_grants_gains_nothing_by_choosing() {
    let mut scene = Scene::new();
    let as_member = scene.founded(BEN, Role::Member);
    let as_admin = scene.founded(BEN, Role::Admin);
    let cat = scene.founded(CAT, Role::Admin);
    // Cat is senior to Ben as a member only: that grant goes, and Ben stays an admin.
    scene.act(CAT, Some(cat), &[], removal(BEN));
    assert_eq!(scene.role(BEN), Some(Role::Admin));
    scene.act(ANN, None, &[cat], removal(BEN));
    for by in [as_member, as_admin] {
        let verdict = scene.verdict();
        assert!(!verdict.grant(&scene.id(by)).unwrap().ended_by.is_empty());
    }
    let later = scene.act(BEN, Some(as_admin), &[], grant(DAN, Role::Admin, 2));
    assert!(!scene.counts(later));
    assert_eq!(scene.refused(BEN, Some(as_member), &[], grant(DAN, Role::Member, 1)), Fault::Role);
    assert_eq!(scene.refused(DAN, Some(as_admin), &[], grant(EVE, Role::Member, 1)), Fault::NotYours);
}

#[test]
fn acts_outside_the_authors_rights_are_refused_for_good() {
    let mut scene = Scene::new();
    let end = Some(Timestamp(NOON + 500));
    let limited = Grant { not_after: end, ..grant_of(peer(BEN), Role::Inviter, 1) };
    let ben = scene.act(ANN, None, &[], Content::Grant(limited));
    let cat = Content::Grant(Grant { not_after: end, ..grant_of(peer(CAT), Role::Inviter, 0) });
    let cat = scene.act(BEN, Some(ben), &[], cat);
    let refused = |scene: &Scene, content| scene.refused(BEN, Some(ben), &[], content);
    assert_eq!(refused(&scene, grant(DAN, Role::Admin, 0)), Fault::RoleTooHigh);
    assert_eq!(refused(&scene, grant(DAN, Role::Member, 0)), Fault::OutlivesIssuer);
    assert_eq!(refused(&scene, grant(DAN, Role::Member, 1)), Fault::ChainTooLong);
    assert_eq!(refused(&scene, grant(BEN, Role::Member, 0)), Fault::OutlivesIssuer);
    let own = Content::Grant(Grant { not_after: end, ..grant_of(peer(BEN), Role::Member, 0) });
    assert_eq!(refused(&scene, own), Fault::Circular);
    assert_eq!(refused(&scene, removal(ANN)), Fault::NotAllowed);
    let below = Content::Grant(Grant { not_after: end, ..grant_of(peer(DAN), Role::Member, 0) });
    assert_eq!(scene.refused(CAT, Some(cat), &[], below), Fault::ChainTooLong);
    assert_eq!(scene.refused(ANN, None, &[], leave()), Fault::NotAllowed);
}

#[test]
fn an_automatic_act_falls_with_the_act_that_it_serves() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let end = Some(Timestamp(NOON + 500));
    let limited = Grant { not_after: end, renew: true, ..grant_of(peer(CAT), Role::Member, 2) };
    let cat = scene.act(BEN, Some(ben), &[], Content::Grant(limited));
    let not_after = Timestamp(NOON + 900);
    let renewal = scene.act(ANN, None, &[cat], Content::Renew { grant: scene.id(cat), not_after });
    assert!(scene.counts(renewal));
    let removed = scene.act(ANN, None, &[ben], removal(BEN));
    assert_eq!(scene.void(cat), Some(Void::Removed(scene.id(removed))));
    assert_eq!(scene.void(renewal), Some(Void::Serves(scene.id(cat))));
    assert_eq!(scene.role(CAT), None);
}
