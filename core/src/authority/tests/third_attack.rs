//! Holes found by a third attack on this model, by their number in its report.

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, demotion, grant, removal},
    world::{grant_of, invite_by, peer, use_of},
};
use crate::{
    authority::{Content, Grant, Void},
    ids::NodeId,
    record::Role,
};

fn refusal(whom: usize) -> Content {
    Content::RevokeDevice { identity: peer(whom), node: NodeId::from_bytes([7; 32]) }
}

impl Scene {
    fn refuses(&self, whom: usize) -> bool {
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
