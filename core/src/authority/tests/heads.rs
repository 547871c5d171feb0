//! What honest acts name as their past, whatever others sign.

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, grant, removal},
    world::{NOON, invite_by, peer},
};
use crate::{
    authority::{Content, Verdict},
    ids::ActId,
    limits::MAX_ACT_HEADS,
    record::Role,
    time::Timestamp,
};

fn places(scene: &Scene, ids: &[ActId]) -> Vec<usize> {
    ids.iter().map(|id| scene.0.places[id]).collect()
}

fn invite(role: Role) -> Content {
    Content::Invite(invite_by(0, role, 1))
}

#[test]
fn h9_void_acts_of_the_removed_take_no_place_in_what_an_honest_act_names() {
    let mut scene = Scene::new();
    let (ben, cat) = (scene.founded(BEN, Role::Admin), scene.founded(CAT, Role::Admin));
    let dan = scene.act(CAT, Some(cat), &[ben], grant(DAN, Role::Inviter, 3));
    let removed = scene.act(ANN, None, &[dan], removal(BEN));
    let eve = scene.act(DAN, Some(dan), &[removed], grant(EVE, Role::Member, 1));
    // 30 heads of a higher rank, one of which also hides the last act that counts.
    for number in 0..30 {
        let after = if number == 0 { vec![eve] } else { vec![ben] };
        let void = scene.act(BEN, Some(ben), &after, invite(Role::Member));
        assert!(!scene.counts(void));
    }
    let heads = places(&scene, &scene.verdict().heads(scene.set()));
    assert_eq!(heads, [eve]);
    assert!(scene.verdict().merge(scene.set(), peer(ANN), None, Timestamp(NOON)).is_none());
    let gone = scene.act(CAT, Some(cat), &heads, removal(DAN));
    assert!(scene.counts(gone) && scene.counts(eve), "what the remover had seen stands");
}

#[test]
fn h9_a_removal_reaches_what_the_removed_did_through_any_number_of_heads() {
    let mut scene = Scene::new();
    let (ben, cat) = (scene.founded(BEN, Role::Admin), scene.founded(CAT, Role::Admin));
    let dan = scene.act(BEN, Some(ben), &[cat], grant(DAN, Role::Inviter, 3));
    let mut own = Vec::new();
    for _ in 0..8 {
        scene.act(CAT, Some(cat), &[cat], invite(Role::Member));
        own.push(scene.act(DAN, Some(dan), &[dan], invite(Role::Member)));
        scene.act(BEN, Some(ben), &[cat], invite(Role::Member));
    }
    let named = scene.verdict().heads_before(scene.set(), peer(DAN), false);
    let named = places(&scene, &named);
    assert_eq!(named.len(), MAX_ACT_HEADS);
    assert!(own.iter().all(|at| named.contains(at)), "first what the removed did");
    let branch = places(&scene, &scene.verdict().heads_before(scene.set(), peer(BEN), true));
    assert!(branch.iter().all(|at| peer(CAT) != scene.0.body(*at).author), "and those below it");
    // With merges, everything.
    let mut merges = 0;
    while let Some(body) = scene.verdict().merge(scene.set(), peer(ANN), None, Timestamp(NOON + merges)) {
        scene.0.make(0, body).expect("a merge is accepted");
        merges += 1;
    }
    assert_eq!(merges, 1);
    let heads = places(&scene, &Verdict::of(scene.set()).heads(scene.set()));
    let gone = scene.act(ANN, None, &heads, removal(BEN));
    assert!((0..gone).all(|at| scene.counts(at)));
}
