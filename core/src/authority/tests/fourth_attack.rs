//! Holes found by a fourth attack on this model, by their number in its report; the first is in [`super::leaves`].

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, demotion, grant, leave, removal},
    third_attack::refusal,
    world::peer,
};
use crate::{
    authority::{Content, Grant, Void},
    record::Role,
};

/// Dan's membership ends, and Ann, who knows all of this, makes it an admin once more.
fn end_and_return(scene: &mut Scene, ending: &str, grants: &[usize], knows: usize) {
    let Content::Grant(again) = grant(DAN, Role::Admin, 4) else { unreachable!() };
    match ending {
        "left" => {
            let last = *grants.last().unwrap();
            let left = scene.act(DAN, Some(last), grants, leave());
            let despite = vec![scene.id(left)];
            scene.act(ANN, None, &[knows], Content::Grant(Grant { despite, ..again }));
        }
        "removed" => {
            let removed = scene.act(ANN, None, &[knows], removal(DAN));
            scene.act(ANN, None, &[removed], Content::Grant(again));
        }
        _ => {
            let lower = scene.act(ANN, None, &[knows], demotion(DAN, Role::Reader, 1));
            scene.act(ANN, None, &[lower], Content::Grant(again));
        }
    }
}

/// The admin Cat made Dan an admin. Its equal Ben refuses Dan's device, and knows by what it says only of a small grant: one that it
/// gave Dan itself, or one that Dan had before. Cat may be as near to the creator as Ben is, or below it.
#[test]
fn u2_a_small_grant_gives_no_right_over_the_devices_of_an_equal() {
    for (own_gift, below) in [(true, false), (true, true), (false, false), (false, true)] {
        for ending in ["left", "removed", "demoted"] {
            let mut scene = Scene::new();
            let early = scene.founded(DAN, Role::Reader);
            let ben = scene.founded(BEN, Role::Admin);
            let eve = scene.founded(EVE, Role::Admin);
            let (giver, by) = if below { (EVE, Some(eve)) } else { (ANN, None) };
            let cat = scene.act(giver, by, &[eve], grant(CAT, Role::Admin, 4));
            let dan = scene.act(CAT, Some(cat), &[cat], grant(DAN, Role::Admin, 3));
            let known = match own_gift {
                true => scene.act(BEN, Some(ben), &[ben], grant(DAN, Role::Reader, 1)),
                false => early,
            };
            let by_ben = scene.act(BEN, Some(ben), &[known], refusal(DAN));
            let what = format!("a gift: {own_gift}, below: {below}, {ending}");
            assert_eq!(scene.void(by_ben), Some(Void::NotAllowed), "{what}");
            let merged = scene.act(BEN, Some(ben), &[by_ben, dan], Content::Merge);
            assert!(scene.counts(merged));
            end_and_return(&mut scene, ending, &[early, dan], merged);
            assert_eq!(scene.role(DAN), Some(Role::Admin), "{what}");
            assert!(!scene.counts(by_ben) && !scene.refuses(DAN), "{what}");
            // Somebody above both has the right.
            let by_ann = scene.act(ANN, None, &[merged], refusal(DAN));
            assert!(scene.counts(by_ann) && scene.refuses(DAN), "{what}");
        }
    }
}

/// A refusal that was right falls by a grant that an equal gives at once, or dates back: no rule can tell that from a refusal that
/// leaves out what it knew. Whom the author is senior to protects nothing.
#[test]
fn u2_what_equals_give_is_overruled_by_their_seniors_alone() {
    for (who, role, falls) in [(CAT, Role::Admin, true), (CAT, Role::Inviter, false), (5, Role::Admin, false)]
    {
        let mut scene = Scene::new();
        let ben = scene.founded(BEN, Role::Admin);
        let cat = scene.founded(CAT, Role::Admin);
        let below = scene.act(BEN, Some(ben), &[ben], grant(5, Role::Admin, 4));
        let dan = scene.founded(DAN, Role::Member);
        let refused = scene.act(BEN, Some(ben), &[dan, below], refusal(DAN));
        assert!(scene.counts(refused) && scene.refuses(DAN));
        let by = if who == CAT { cat } else { below };
        let shield = scene.act(who, Some(by), &[by], grant(DAN, role, 2));
        assert!(scene.counts(shield));
        assert_eq!([scene.counts(refused), scene.refuses(DAN)], [!falls; 2], "{who} gives {role}");
        if falls {
            let mut other = Scene(scene.0.clone());
            let by_ann = scene.act(ANN, None, &[refused], refusal(DAN));
            assert!(scene.counts(by_ann) && scene.refuses(DAN));
            other.act(DAN, Some(dan), &[], refusal(DAN));
            assert!(other.refuses(DAN), "its own");
        }
    }
}

/// Dan is an inviter, and then also an admin. Ben, an admin, refuses its device as if it knew only of the inviter, and waits.
#[test]
fn u3_a_refusal_that_a_grant_bars_counts_no_more_when_that_ends() {
    for ending in ["left", "removed", "demoted"] {
        let mut scene = Scene::new();
        let ben = scene.founded(BEN, Role::Admin);
        let first = scene.founded(DAN, Role::Inviter);
        let second = scene.act(ANN, None, &[first], grant(DAN, Role::Admin, 4));
        let by_ben = scene.act(BEN, Some(ben), &[first], refusal(DAN));
        assert_eq!(scene.void(by_ben), Some(Void::NotAllowed), "{ending}");
        let merged = scene.act(BEN, Some(ben), &[by_ben, second], Content::Merge);
        end_and_return(&mut scene, ending, &[first, second], merged);
        assert_eq!(scene.role(DAN), Some(Role::Admin), "{ending}");
        assert_eq!(scene.void(by_ben), Some(Void::NotAllowed), "{ending}");
        assert!(!scene.refuses(DAN), "{ending}");
    }
    // Whoever knew that it had ended has the right.
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let first = scene.founded(DAN, Role::Inviter);
    let second = scene.act(ANN, None, &[first], grant(DAN, Role::Admin, 4));
    let lower = scene.act(ANN, None, &[second], demotion(DAN, Role::Inviter, 1));
    let by_ben = scene.act(BEN, Some(ben), &[lower], refusal(DAN));
    assert!(scene.counts(by_ben) && scene.refuses(DAN));
    assert!(scene.verdict().may_refuse_device(scene.set(), Some(&scene.id(ben)), peer(DAN)));
}
