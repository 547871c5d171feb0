//! Holes found by a third attack on this model, by their number in its report.

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, grant, removal},
    world::peer,
};
use crate::{
    authority::{Content, Void},
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
