//! Holes that a second attack on this model found, by their number in its report.

use super::{
    attacks::removal_with,
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, admission, demotion, grant, leave, removal},
    world::{GRAPH, MAX_CHAIN, invite_by, peer, removal_of},
};
use crate::{
    authority::{Act, ActSet, Content, Cut, Keep, Remove, Verdict, Void},
    ids::ActId,
    limits::MAX_CUTS,
    record::Role,
};

impl Scene {
    /// A removal by Ann, as her node makes it.
    fn removes(&mut self, after: &[usize], whom: usize) -> usize {
        let cuts = self.set().cuts(peer(whom), false);
        self.act(ANN, None, after, removal_with(whom, Keep { cuts, ..Keep::default() }))
    }

    fn demotes(&mut self, after: &[usize], whom: usize, role: Role) -> usize {
        let Content::Grant(mut lower) = demotion(whom, role, 4) else { unreachable!() };
        lower.demotes = Some(Keep { cuts: self.set().cuts(peer(whom), false), ..Keep::default() });
        self.act(ANN, None, after, Content::Grant(lower))
    }
}

#[test]
fn r1_a_removal_brings_back_nothing_that_a_leaver_dated_back() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.founded(CAT, Role::Inviter);
    let guest = scene.act(BEN, Some(ben), &[cat], grant(EVE, Role::Member, 1));
    let left = scene.act(BEN, Some(ben), &[guest], leave());
    let dated_back = scene.act(BEN, Some(ben), &[ben], grant(DAN, Role::Admin, 2));
    assert_eq!(scene.void(dated_back), Some(Void::Left(scene.id(left))));
    let merged = scene.act(CAT, Some(cat), &[cat, dated_back], Content::Merge);
    let removed = scene.removes(&[guest, merged], BEN);
    assert_eq!(scene.void(dated_back), Some(Void::Removed(scene.id(removed))));
    assert!(scene.counts(guest));
    assert_eq!((scene.role(DAN), scene.role(EVE)), (None, Some(Role::Member)));
}

#[test]
fn r1_a_cut_holds_whatever_grant_an_act_falls_to() {
    // To a demotion, or to another grant; an act of the leaver, or a use of its invitation.
    for (second, used) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut scene = Scene::new();
        let ben = scene.founded(BEN, if second { Role::Inviter } else { Role::Admin });
        let gift = scene.founded(BEN, if second { Role::Inviter } else { Role::Admin });
        let named = if second { gift } else { ben };
        let invite = scene.act(BEN, Some(named), &[gift], Content::Invite(invite_by(0, Role::Member, 2)));
        let known = scene.act(BEN, Some(named), &[invite], grant(EVE, Role::Member, 1));
        let before = scene.act(ANN, None, &[known], admission(&scene, invite, CAT, 1));
        let lower = if second { before } else { scene.demotes(&[before], BEN, Role::Inviter) };
        let left = scene.act(BEN, Some(named), &[lower], leave());
        let dated_back = if used {
            scene.act(ANN, None, &[invite], admission(&scene, invite, DAN, 1))
        } else {
            scene.act(BEN, Some(named), &[gift], grant(DAN, Role::Member, 2))
        };
        assert!(!scene.counts(dated_back), "{left} has it not");
        let removed = scene.removes(&[lower, dated_back], BEN);
        assert!(!scene.counts(dated_back), "by {removed}; second grant: {second}, a use: {used}");
        assert_eq!([DAN, EVE, CAT].map(|who| scene.role(who).is_some()), [false, true, true]);
    }
}

#[test]
fn r1_who_has_many_grants_is_cut_too_and_who_was_let_in_again_only_before() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    for _ in 0..40 {
        scene.founded(BEN, Role::Inviter);
    }
    let left = scene.act(BEN, Some(ben), &[ben], leave());
    let dated_back = scene.act(BEN, Some(ben), &[], grant(DAN, Role::Member, 2));
    let Content::Grant(mut again) = grant(BEN, Role::Inviter, 4) else { unreachable!() };
    again.despite = vec![scene.id(left)];
    let again = scene.act(ANN, None, &[ben], Content::Grant(again));
    let guest = scene.act(BEN, Some(again), &[again], grant(EVE, Role::Member, 2));
    let cuts = scene.set().cuts(peer(BEN), false);
    assert_eq!(
        cuts.iter().map(|cut| (cut.who, cut.leave)).collect::<Vec<_>>(),
        [(peer(BEN), scene.id(left))]
    );
    scene.removes(&[dated_back, guest], BEN);
    assert_eq!((scene.role(DAN), scene.role(EVE)), (None, Some(Role::Member)));
}

#[test]
fn r1_many_leavers_hide_none() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let guest = scene.act(BEN, Some(ben), &[ben], grant(EVE, Role::Member, 1));
    let left = scene.act(BEN, Some(ben), &[guest], leave());
    let dated_back = scene.act(BEN, Some(ben), &[ben], grant(DAN, Role::Member, 1));
    // As many cuts as fit, of others: by the removal of somebody above, with its branch.
    let other = |who: usize| Cut {
        who: peer(who % 30 + 5),
        leave: scene.id(left),
        heads: Vec::new(),
        spares: Vec::new(),
    };
    let cuts: Vec<Cut> = (0..MAX_CUTS).map(other).collect();
    let keep = |cuts: &[Cut]| Keep { cuts: cuts.to_vec(), ..Keep::default() };
    let mut fewer = Scene(scene.0.clone());
    fewer.act(ANN, None, &[guest, dated_back], removal_with(BEN, keep(&cuts[1..])));
    assert!(fewer.counts(dated_back), "what a removal does not cut it keeps");
    scene.act(ANN, None, &[guest, dated_back], removal_with(BEN, keep(&cuts)));
    assert!(!scene.counts(dated_back) && scene.counts(guest));
}

#[test]
fn r9_a_later_leave_makes_nothing_final() {
    for number in 0..8 {
        let mut scene = Scene::new();
        let ben = scene.founded(BEN, Role::Admin);
        let cat = scene.founded(CAT, Role::Member);
        let removes = scene.act(BEN, Some(ben), &[cat], removal(CAT));
        let guest = scene.act(BEN, Some(ben), &[removes], grant(DAN, Role::Member, 1));
        let first = scene.act(BEN, Some(ben), &[guest], leave());
        assert_eq!((scene.role(CAT), scene.role(DAN)), (None, Some(Role::Member)));
        // Which of the two has the smaller id is by chance.
        let later = scene.act_at((BEN, number), Some(ben), &[], leave());
        assert_eq!(
            (scene.role(CAT), scene.role(DAN)),
            (Some(Role::Member), None),
            "its own acts are its own"
        );
        assert_eq!(
            scene.set().cuts(peer(BEN), false),
            [],
            "the first leave, and not {later}, has all of them"
        );
        let dated_back = scene.act(BEN, Some(ben), &[cat], grant(EVE, Role::Admin, 1));
        let cuts = scene.set().cuts(peer(BEN), false);
        assert_eq!(cuts.iter().map(|cut| cut.leave).collect::<Vec<_>>(), [scene.id(first)]);
        scene.removes(&[guest, dated_back], BEN);
        assert_eq!((scene.role(CAT), scene.role(DAN)), (None, Some(Role::Member)));
        assert_eq!(scene.role(EVE), None);
    }
}

#[test]
fn r9_of_leaves_that_come_at_once_none_is_first() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let guest = scene.act(BEN, Some(ben), &[ben], grant(DAN, Role::Member, 1));
    let left = scene.act(BEN, Some(ben), &[guest], leave());
    let dated_back = scene.act(BEN, Some(ben), &[guest], grant(EVE, Role::Admin, 1));
    let knows_it = scene.act_at((BEN, 1), Some(ben), &[dated_back], leave());
    let acts: Vec<Act> = scene.0.infos.iter().map(|info| info.act.clone()).collect();
    for order in [[0, 1, 2, 3, 4], [0, 1, 3, 4, 2]] {
        let mut set = ActSet::new(GRAPH, peer(ANN), MAX_CHAIN);
        for at in order {
            set.insert(acts[at].clone());
        }
        let cuts = set.cuts(peer(BEN), false);
        let mut leaves: Vec<ActId> = cuts.iter().map(|cut| cut.leave).collect();
        leaves.sort_unstable();
        assert_eq!(leaves, scene.0.ids([left, knows_it]));
        assert!(cuts.iter().all(|cut| cut.heads == [scene.id(guest)]), "{cuts:?}");
        let named = Verdict::of(&set).heads_before(&set, peer(BEN), false);
        assert!(!named.contains(&scene.id(dated_back)));
        let keep = Keep { cuts, ..Keep::default() };
        let mut scene = Scene(scene.0.clone());
        scene.act(ANN, None, &[guest, dated_back], removal_with(BEN, keep));
        assert_eq!((scene.role(DAN), scene.role(EVE)), (Some(Role::Member), None));
    }
    // What came first is known after the set was filled anew.
    let mut set = ActSet::new(GRAPH, peer(ANN), MAX_CHAIN);
    acts.iter().for_each(|act| drop(set.insert(act.clone())));
    set.remember(scene.set().heard_leaves());
    assert_eq!(set.cuts(peer(BEN), false), scene.set().cuts(peer(BEN), false));
    assert_eq!(set.cuts(peer(BEN), false).len(), 1);
}

#[test]
fn r4_a_friend_gives_a_removed_member_no_power_over_its_guests() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let friend = scene.founded(5, Role::Inviter);
    let cat = scene.act(BEN, Some(ben), &[friend], grant(CAT, Role::Member, 2));
    let dan = scene.act(BEN, Some(ben), &[cat], grant(DAN, Role::Inviter, 2));
    let eve = scene.act(DAN, Some(dan), &[dan], grant(EVE, Role::Member, 1));
    let removed = scene.act(ANN, None, &[eve], removal(BEN));
    // The friend does not name the removal: the grant is covered, but it counts, and the friend's own removal would keep
    // what was done under it.
    let gift = scene.act(5, Some(friend), &[eve], grant(BEN, Role::Inviter, 3));
    let by_gift = scene.act(BEN, Some(gift), &[gift], removal(CAT));
    let also = scene.act(BEN, Some(gift), &[by_gift], grant(6, Role::Member, 1));
    let out = scene.act(5, Some(friend), &[also], removal(BEN));
    assert!(!scene.counts(by_gift) && !scene.counts(also));
    assert_eq!([BEN, CAT, 6].map(|who| scene.role(who).is_some()), [false, true, false]);
    // Or it lets it in again: then it is a member by the friend's word.
    let again = scene.act(5, Some(friend), &[removed, out], grant(BEN, Role::Inviter, 3));
    let branch = Content::Remove(Remove { branch: true, ..removal_of(peer(DAN)) });
    let takes = scene.act(BEN, Some(again), &[again, eve], branch);
    scene.act(BEN, Some(again), &[takes, cat], removal(CAT));
    assert_eq!([BEN, CAT, DAN, EVE].map(|who| scene.role(who).is_some()), [true; 4]);
    // Ann is senior to its guests, and so is whoever she lets in again.
    let back = scene.act(ANN, None, &[removed, out], grant(BEN, Role::Inviter, 4));
    scene.act(BEN, Some(back), &[back, cat], removal(CAT));
    assert_eq!(scene.role(CAT), None);
}

#[test]
fn r4_who_is_demoted_keeps_the_power_over_its_guests() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.act(BEN, Some(ben), &[ben], grant(CAT, Role::Member, 2));
    let lower = scene.demotes(&[cat], BEN, Role::Inviter);
    scene.act(BEN, Some(lower), &[lower], removal(CAT));
    assert_eq!(scene.role(CAT), None);
}

#[test]
fn r4_a_removal_by_a_lower_role_keeps_nothing_beside_a_higher_one() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let cat = scene.act(BEN, Some(ben), &[], grant(CAT, Role::Inviter, 3));
    let known = scene.act(CAT, Some(cat), &[cat], grant(EVE, Role::Member, 1));
    scene.act(ANN, None, &[known], removal(CAT));
    let after = scene.act(CAT, Some(cat), &[cat], grant(DAN, Role::Member, 1));
    scene.act(BEN, Some(ben), &[known, after], removal(CAT));
    assert!(matches!(scene.void(after), Some(Void::Removed(_))));
    assert!(scene.counts(known));
    // By the same role, each keeps what it knew; and a demotion bars nothing.
    let others = [scene.founded(5, Role::Admin), scene.founded(6, Role::Admin)];
    let dan = scene.act(BEN, Some(ben), &others, grant(7, Role::Inviter, 3));
    let guest = scene.act(7, Some(dan), &[dan], grant(8, Role::Member, 1));
    scene.act(5, Some(others[0]), &[dan], removal(7));
    assert!(!scene.counts(guest));
    scene.act(6, Some(others[1]), &[guest], removal(7));
    assert!(scene.counts(guest));
    let eve = scene.act(BEN, Some(ben), &[], grant(9, Role::Inviter, 3));
    let guest = scene.act(9, Some(eve), &[eve], grant(10, Role::Member, 1));
    scene.demotes(&[eve], 9, Role::Member);
    assert!(!scene.counts(guest));
    scene.act(BEN, Some(ben), &[guest], removal(9));
    assert!(scene.counts(guest));
}

#[test]
fn r7_a_gift_that_is_demoted_takes_nothing_with_it() {
    for whole in [false, true] {
        let mut scene = Scene::new();
        let ben = scene.founded(BEN, Role::Inviter);
        let cat = scene.founded(CAT, Role::Inviter);
        let dan = scene.act(CAT, Some(cat), &[ben, cat], grant(DAN, Role::Member, 1));
        let eve = scene.act(CAT, Some(cat), &[dan], grant(EVE, Role::Member, 1));
        let gift = scene.act(BEN, Some(ben), &[eve], grant(CAT, Role::Inviter, 3));
        let guest = scene.act(CAT, Some(gift), &[gift], grant(5, Role::Member, 1));
        // The gift gives no power over those whom it let in before; the grant that has it does.
        scene.act(CAT, Some(cat), &[guest], removal(EVE));
        assert_eq!(scene.role(EVE), None);
        // Ben takes the gift back, dating that back.
        let lower = Content::Grant(crate::authority::Grant {
            demotes: Some(Keep::default()),
            ..super::world::grant_of(peer(CAT), Role::Reader, 1)
        });
        let undo = Content::Remove(Remove { undo: true, ..removal_of(peer(CAT)) });
        scene.act(BEN, Some(ben), &[gift], if whole { undo } else { lower });
        assert!(scene.counts(guest), "it stands under the grant by the creator");
        assert_eq!([DAN, EVE, 5].map(|who| scene.role(who).is_some()), [true, false, true]);
    }
}

#[test]
fn r7_a_gift_that_is_undone_takes_no_use_of_a_link_for_inviters_with_it() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let cat = scene.founded(CAT, Role::Inviter);
    let offer = Content::Invite(invite_by(0, Role::Inviter, 2));
    let invite = scene.act(ANN, None, &[ben, cat], offer);
    let gift = scene.act(BEN, Some(ben), &[invite], grant(CAT, Role::Inviter, 3));
    let Content::Grant(used) = admission(&scene, invite, EVE, 1) else { unreachable!() };
    let used = Content::Grant(crate::authority::Grant { role: Role::Inviter, ..used });
    let used = scene.act(CAT, Some(gift), &[gift], used);
    let guest = scene.act(EVE, Some(used), &[used], grant(DAN, Role::Member, 0));
    let undo = Content::Remove(Remove { undo: true, ..removal_of(peer(CAT)) });
    scene.act(BEN, Some(ben), &[gift], undo);
    assert!(scene.counts(used) && scene.counts(guest), "by the grant that the creator gave");
}
