//! Holes found by a third attack on this model, by their number in its report.

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, demotion, grant, leave, removal},
    world::{grant_of, invite_by, peer, use_of},
};
use crate::{
    authority::{Content, Epoch, Grant, Void},
    ids::NodeId,
    record::Role,
};

pub(super) fn refusal(whom: usize) -> Content {
    Content::RevokeDevice { identity: peer(whom), node: NodeId::from_bytes([7; 32]) }
}

impl Scene {
    pub(super) fn refuses(&self, whom: usize) -> bool {
        self.verdict().is_device_revoked(peer(whom), NodeId::from_bytes([7; 32]))
    }
}

/// Ben made Cat an admin, and Cat made Dan one. Ann removes Cat, and the admin Eve lets it in again as an admin: nearer to the
/// creator than before, but without power over Dan. Cat names its first grant to refuse Dan's device. The act falls to the
/// second, higher grant, and the first was the only one asked.
#[test]
fn t6_a_grant_that_was_taken_refuses_no_devices() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let eve = scene.founded(EVE, Role::Admin);
    let made = scene.act(BEN, Some(ben), &[eve], grant(5, Role::Admin, 5));
    let cat = scene.act(5, Some(made), &[made], grant(CAT, Role::Admin, 4));
    let dan = scene.act(CAT, Some(cat), &[cat], grant(DAN, Role::Admin, 3));
    let removed = scene.act(ANN, None, &[dan], removal(CAT));
    let again = scene.act(EVE, Some(eve), &[removed], grant(CAT, Role::Admin, 4));
    let by_old = scene.act(CAT, Some(cat), &[again], refusal(DAN));
    let by_new = scene.act(CAT, Some(again), &[again], refusal(DAN));
    assert_eq!([by_old, by_new].map(|at| scene.void(at)), [Some(Void::NotAllowed); 2]);
    assert!(!scene.refuses(DAN));
    // By a grant that gives the power again, both are asked and both are senior.
    let by_ann = scene.act(ANN, None, &[again], grant(CAT, Role::Owner, 5));
    let refused = scene.act(CAT, Some(cat), &[by_ann], refusal(DAN));
    assert!(scene.counts(refused) && scene.refuses(DAN));
}

/// Cat, an inviter, let Dan in, and Ann removed Cat. The former admin Ben, who is an inviter now (demoted, or removed and let in
/// again by the inviter Eve), lets Cat in by the grant that it had as an admin, directly or by a link. Cat removes Dan by
/// that: nobody whose word stands had a right over Dan.
#[test]
fn t4_who_lost_a_grant_lends_nobody_its_power() {
    for (demoted, linked) in [(true, false), (true, true), (false, false)] {
        let mut scene = Scene::new();
        let first = scene.founded(5, Role::Admin);
        let ben = scene.act(5, Some(first), &[first], grant(BEN, Role::Admin, 5));
        let eve = scene.founded(EVE, Role::Inviter);
        let cat = scene.founded(CAT, Role::Inviter);
        let dan = scene.act(CAT, Some(cat), &[cat, eve, ben], grant(DAN, Role::Member, 1));
        let removed = scene.act(ANN, None, &[dan], removal(CAT));
        let lower = if demoted {
            scene.act(ANN, None, &[removed], demotion(BEN, Role::Inviter, 5))
        } else {
            let out = scene.act(ANN, None, &[removed], removal(BEN));
            scene.act(EVE, Some(eve), &[out], grant(BEN, Role::Inviter, 5))
        };
        let again = if linked {
            let offer = Content::Invite(invite_by(0, Role::Inviter, 1));
            let offer = scene.act(BEN, Some(ben), &[lower], offer);
            let admission = Some(use_of(0, scene.id(offer), peer(CAT)));
            let by_link = Grant { admission, ..grant_of(peer(CAT), Role::Inviter, 1) };
            scene.act(ANN, None, &[offer], Content::Grant(by_link))
        } else {
            scene.act(BEN, Some(ben), &[lower], grant(CAT, Role::Inviter, 3))
        };
        assert!(scene.counts(again), "it stands under the lower grant");
        let taken = scene.act(CAT, Some(again), &[again], removal(DAN));
        assert_eq!(scene.role(DAN), Some(Role::Member), "demoted: {demoted}, by a link: {linked}");
        let id = |at: usize| scene.id(at);
        assert!(!scene.verdict().is_senior_to(scene.set(), Some(&id(again)), &id(dan)));
        // Whoever has the power gives it.
        let by_ann = scene.act(ANN, None, &[taken], grant(CAT, Role::Inviter, 3));
        scene.act(CAT, Some(by_ann), &[by_ann], removal(DAN));
        assert_eq!(scene.role(DAN), None);
    }
}

/// Ben, an admin, sees a device of Dan, who is about to join or an equal of Ben's, and refuses it. That is void. Then it signs
/// something that counts, so that everybody has the refusal in their past, and waits until Dan's grant ends: Dan leaves and comes
/// back, is removed by mistake and let in again, or is demoted. No grant in force that does not know of the refusal is left
/// to bar it.
#[test]
fn t9_a_refusal_without_a_right_never_comes_to_count() {
    for ending in ["none", "left", "removed", "demoted"] {
        let mut scene = Scene::new();
        let ben = scene.founded(BEN, Role::Admin);
        let mut known = ben;
        if ending != "none" {
            // A member at first: Ben outranks the old grant, and not the one beside it.
            let member = scene.founded(DAN, Role::Member);
            known = scene.act(ANN, None, &[member], grant(DAN, Role::Admin, 4));
        }
        let by_ben = scene.act(BEN, Some(ben), &[known], refusal(DAN));
        assert_eq!(scene.void(by_ben), Some(Void::NotAllowed), "{ending}");
        let merged = scene.act(BEN, Some(ben), &[by_ben], Content::Merge);
        assert!(scene.counts(merged));
        let Content::Grant(again) = grant(DAN, Role::Owner, 4) else { unreachable!() };
        match ending {
            "left" => {
                let left = scene.act(DAN, Some(known), &[known], leave());
                let despite = vec![scene.id(left)];
                scene.act(ANN, None, &[merged], Content::Grant(Grant { despite, ..again }));
            }
            "removed" => {
                let removed = scene.act(ANN, None, &[merged], removal(DAN));
                scene.act(ANN, None, &[removed], Content::Grant(again));
            }
            "demoted" => drop(scene.act(ANN, None, &[merged], demotion(DAN, Role::Member, 1))),
            _ => drop(scene.act(ANN, None, &[merged], Content::Grant(again))),
        }
        assert_eq!(scene.void(by_ben), Some(Void::NotAllowed), "{ending}");
        assert!(!scene.refuses(DAN), "{ending}");
    }
}

#[test]
fn t9_what_an_admin_knows_to_be_over_bars_no_refusal() {
    for ending in ["left", "removed", "demoted"] {
        let mut scene = Scene::new();
        let ben = scene.founded(BEN, Role::Admin);
        let dan = scene.founded(DAN, Role::Admin);
        let Content::Grant(again) = grant(DAN, Role::Member, 1) else { unreachable!() };
        let now = match ending {
            "left" => {
                let left = scene.act(DAN, Some(dan), &[dan], leave());
                let despite = vec![scene.id(left)];
                scene.act(ANN, None, &[dan], Content::Grant(Grant { despite, ..again }))
            }
            "removed" => {
                let removed = scene.act(ANN, None, &[dan], removal(DAN));
                scene.act(ANN, None, &[removed], Content::Grant(again))
            }
            _ => scene.act(ANN, None, &[dan], demotion(DAN, Role::Member, 1)),
        };
        let verdict = scene.verdict();
        assert!(verdict.may_refuse_device(scene.set(), Some(&scene.id(ben)), peer(DAN)), "{ending}");
        let refused = scene.act(BEN, Some(ben), &[now], refusal(DAN));
        assert!(scene.counts(refused) && scene.refuses(DAN), "{ending}");
        // Nobody refuses a device of the creator, or of somebody who is no member.
        for whom in [ANN, EVE] {
            assert!(!scene.verdict().may_refuse_device(scene.set(), Some(&scene.id(ben)), peer(whom)));
        }
        let void = scene.act(BEN, Some(ben), &[now], refusal(EVE));
        assert!(!scene.counts(void) && !scene.refuses(EVE));
    }
}

/// Who takes a refusal back gives no reason to begin an epoch.
#[test]
fn t9_a_refusal_that_was_taken_back_makes_no_epoch_stale() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Member);
    let epoch = Epoch { key_id: [1; 32], keys: vec![(peer(BEN), vec![1])], older: Vec::new() };
    let epoch = scene.act(ANN, None, &[ben], Content::Epoch(epoch));
    let refused = scene.act(ANN, None, &[epoch], refusal(BEN));
    assert!(scene.verdict().epoch_is_stale());
    let back = Content::RestoreDevice(scene.id(refused));
    scene.act(ANN, None, &[refused], back);
    assert!(!scene.refuses(BEN) && !scene.verdict().epoch_is_stale());
}

/// Ben gave Cat a right and left; Ben's grant of Cat stands. Cat, removed, had given the key to Dan before it knew.
#[test]
fn t9_an_epochs_key_was_given_though_somebody_above_left_long_ago() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.act(BEN, Some(ben), &[ben], grant(CAT, Role::Inviter, 3));
    scene.act(BEN, Some(ben), &[cat], leave());
    let epoch = Epoch { key_id: [1; 32], keys: vec![(peer(ANN), vec![1])], older: Vec::new() };
    let epoch = scene.act(ANN, None, &[cat], Content::Epoch(epoch));
    scene.act(ANN, None, &[epoch], demotion(CAT, Role::Member, 1));
    let (keys, id) = (vec![(peer(DAN), vec![1])], scene.id(epoch));
    let given = scene.act(CAT, Some(cat), &[epoch], Content::EpochKeys { epoch: id, keys });
    assert!(!scene.counts(given) && scene.verdict().epoch_is_stale(), "Dan has the key");
}
