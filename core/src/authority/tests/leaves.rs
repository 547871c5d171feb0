//! The leave acts that were heard first, though their author signs more than are kept (hole 1 of the third attack).

use super::{
    attacks::removal_with,
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, grant, leave},
    world::{GRAPH, MAX_CHAIN, NOON, peer},
};
use crate::{
    authority::{Act, ActBody, ActSet, Content, Cut, Grant, Keep, Verdict, Void, keep::whole},
    ids::ActId,
    limits::{MAX_CUTS, MAX_FIRST_LEAVES_OF_MEMBER, MAX_LEAVES},
    record::Role,
    time::Timestamp,
};

/// Ben, an admin, let Dan in and left; then made Eve an admin, dated back, and left again in many ways that name that, all
/// with smaller ids than the first.
struct Flood {
    scene: Scene,
    guest: usize,
    left: ActId,
    dated_back: usize,
    leaves: Vec<Act>,
}

impl Flood {
    fn new(count: usize) -> Self {
        let mut scene = Scene::new();
        let ben = scene.founded(BEN, Role::Admin);
        let guest = scene.act(BEN, Some(ben), &[ben], grant(DAN, Role::Member, 1));
        let left = scene.act(BEN, Some(ben), &[guest], leave());
        let dated_back = scene.act(BEN, Some(ben), &[ben], grant(EVE, Role::Admin, 1));
        let (left, by) = (scene.id(left), Some(scene.id(ben)));
        let after = scene.0.ids([guest, dated_back]);
        let sign = |number: u64| ActBody {
            author: peer(BEN),
            by,
            after: after.clone(),
            at: Timestamp(NOON + number),
            content: leave(),
        };
        let mut leaves: Vec<Act> =
            (0..).map(|n| Act::unsigned(sign(n))).filter(|act| act.id() < left).take(count).collect();
        leaves.sort_by_key(|act| std::cmp::Reverse(act.id()));
        Self { scene, guest, left, dated_back, leaves }
    }

    fn set(&mut self) -> &mut ActSet {
        &mut self.scene.0.nodes[0].set
    }

    /// Each at a moment of its own.
    fn hear(&mut self) {
        for act in self.leaves.clone() {
            assert_eq!(self.set().insert(act.clone()).accepted, [act.id()]);
            self.set().next_moment();
        }
        self.scene.0.nodes[0].judged.take();
    }

    /// A set with all that somebody gets who hears of it only now.
    fn newcomer(&self) -> ActSet {
        let mut set = ActSet::new(GRAPH, peer(ANN), MAX_CHAIN);
        self.scene.set().acts().for_each(|act| drop(set.insert(act.clone())));
        set
    }
}

#[test]
fn t1_leaves_push_out_the_first_one_and_the_removal_keeps_what_that_kept() {
    let mut flood = Flood::new(MAX_LEAVES + 3);
    flood.hear();
    assert!(!flood.scene.set().contains(&flood.left));
    let (guest, dated_back) = (flood.guest, flood.dated_back);
    let named = flood.scene.verdict().heads_before(flood.scene.set(), peer(BEN), false);
    assert!(named.contains(&flood.scene.id(guest)) && !named.contains(&flood.scene.id(dated_back)));
    let cuts = flood.scene.set().cuts(peer(BEN), false);
    assert_eq!(cuts.iter().map(|cut| cut.leave).collect::<Vec<_>>(), [flood.left]);
    // Who never heard the first one takes the removal as well.
    let mut other = flood.newcomer();
    let removed =
        flood.scene.act(ANN, None, &[guest, dated_back], removal_with(BEN, Keep { cuts, ..Keep::default() }));
    assert_eq!(flood.scene.void(dated_back), Some(Void::Removed(flood.scene.id(removed))));
    assert_eq!([DAN, EVE].map(|who| flood.scene.role(who)), [Some(Role::Member), None]);
    let act = flood.scene.0.infos[removed].act.clone();
    assert_eq!(other.insert(act.clone()).accepted, [act.id()]);
    let verdict = Verdict::of(&other);
    assert_eq!(verdict.act(&flood.scene.id(guest)), Some(None));
    assert!(matches!(verdict.act(&flood.scene.id(dated_back)), Some(Some(Void::Removed(_)))));
}

#[test]
fn t1_what_was_heard_first_is_known_after_the_set_was_filled_anew() {
    let mut flood = Flood::new(MAX_LEAVES + 3);
    flood.hear();
    let kept = postcard::to_stdvec(&flood.scene.set().heard_leaves()).unwrap();
    let mut set = flood.newcomer();
    assert!(set.cuts(peer(BEN), false).iter().all(|cut| cut.heads.is_empty()));
    set.remember(postcard::from_bytes(&kept).unwrap());
    assert_eq!(set.cuts(peer(BEN), false), flood.scene.set().cuts(peer(BEN), false));
    assert_eq!(set.heard_leaves(), flood.scene.set().heard_leaves());
    // It goes on to be bounded by what is of use: another flood adds nothing.
    let more = Flood::new(3 * MAX_LEAVES);
    for act in more.leaves {
        set.next_moment();
        set.insert(act);
    }
    assert_eq!(set.cuts(peer(BEN), false), flood.scene.set().cuts(peer(BEN), false));
    assert_eq!(postcard::to_stdvec(&set.heard_leaves()).unwrap().len(), kept.len());
}

#[test]
fn t1_a_newcomer_with_as_many_leaves_as_are_kept_cuts_at_nothing() {
    for count in [MAX_LEAVES, MAX_LEAVES + 20] {
        let flood = Flood::new(count);
        // Without the first one: it was pushed out wherever this comes from. And of more that come at once, none is the first.
        let mut set = ActSet::new(GRAPH, peer(ANN), MAX_CHAIN);
        flood
            .scene
            .set()
            .acts()
            .filter(|act| act.id() != flood.left)
            .for_each(|act| drop(set.insert(act.clone())));
        flood.leaves.iter().for_each(|act| drop(set.insert(act.clone())));
        set.next_moment();
        let cuts = set.cuts(peer(BEN), false);
        assert!(!cuts.is_empty() && cuts.iter().all(|cut| cut.heads.is_empty()));
        let named = Verdict::of(&set).heads_before(&set, peer(BEN), false);
        assert!(![flood.guest, flood.dated_back].iter().any(|at| named.contains(&flood.scene.id(*at))));
        // More at later moments give nothing back, and are not kept.
        for act in Flood::new(count + 40).leaves {
            set.insert(act);
            set.next_moment();
        }
        assert!(set.cuts(peer(BEN), false).iter().all(|cut| cut.heads.is_empty()));
        let kept = postcard::to_stdvec(&set.heard_leaves()).unwrap();
        assert!(kept.len() < 150 * (MAX_LEAVES + MAX_FIRST_LEAVES_OF_MEMBER), "{} bytes", kept.len());
    }
}

#[test]
fn t1_a_list_of_cuts_ends_at_whole_identities_and_says_so() {
    let leave = |number: usize| ActId::from_bytes([number as u8; 32]);
    let of = |who: usize, count: usize| -> Vec<Cut> {
        (0..count)
            .map(|n| Cut { who: peer(who), leave: leave(n), heads: vec![leave(200)], spares: vec![] })
            .collect()
    };
    let cuts = whole([of(1, 20), of(2, 20), of(3, 20), of(4, 3)].into_iter());
    assert_eq!(cuts.len(), MAX_CUTS, "it is full, since one is left out");
    let count = |who: usize| cuts.iter().filter(|cut| cut.who == peer(who) && !cut.heads.is_empty()).count();
    assert_eq!([1, 2, 3, 4].map(count), [20, 20, 0, 0]);
    // What fills it names no leave act that has no cut.
    assert_eq!(cuts.iter().position(|cut| cut.heads.is_empty()), Some(40));
    assert!(cuts[40..].iter().all(|cut| (cut.who, cut.leave) == (cuts[39].who, cuts[39].leave)));
    assert_eq!(whole([of(1, 20), of(2, 20)].into_iter()).len(), 40);
}

#[test]
fn t1_whoever_is_let_in_again_has_a_first_leave_of_each_membership() {
    let mut flood = Flood::new(MAX_LEAVES + 3);
    flood.hear();
    let despite: Vec<ActId> = flood.scene.set().leaves_of(peer(BEN));
    let Content::Grant(again) = grant(BEN, Role::Inviter, 4) else { unreachable!() };
    let again = Content::Grant(Grant { despite, ..again });
    let again = flood.scene.act(ANN, None, &[flood.guest], again);
    let cat = flood.scene.act(BEN, Some(again), &[again], grant(CAT, Role::Member, 1));
    assert_eq!(flood.scene.role(CAT), Some(Role::Member));
    let cuts = flood.scene.set().cuts(peer(BEN), false);
    let (guest, dated_back) = (flood.guest, flood.dated_back);
    flood.scene.act(
        ANN,
        None,
        &[cat, guest, dated_back],
        removal_with(BEN, Keep { cuts, ..Keep::default() }),
    );
    assert_eq!([CAT, DAN, EVE].map(|who| flood.scene.role(who).is_some()), [true, true, false]);
}

/// Leave acts of Ben's after these acts, with ids below one, so that they push out what is above.
fn leaves_below(below: ActId, by: ActId, after: &[ActId], count: usize) -> Vec<Act> {
    let sign = |number: u64| {
        let at = Timestamp(NOON + 1_000_000 + number);
        Act::unsigned(ActBody {
            author: peer(BEN),
            by: Some(by),
            after: after.to_vec(),
            at,
            content: leave(),
        })
    };
    (0..).map(sign).filter(|act| act.id() < below).take(count).collect()
}

/// Ben, let in again in spite of 16 leaves or of as many as are kept, lets Cat in and leaves once more. That leave is the first of
/// its membership, and is pushed out like the others, by leaves that name an admin of Ben's choice, dated back.
#[test]
fn u1_the_first_leave_of_a_later_membership_is_remembered_too() {
    for count in [MAX_LEAVES - 2, MAX_LEAVES - 1, MAX_LEAVES + 3] {
        let mut flood = Flood::new(count);
        flood.hear();
        let despite: Vec<ActId> = flood.scene.set().leaves_of(peer(BEN));
        assert_eq!(despite.len(), MAX_LEAVES.min(count + 1));
        let Content::Grant(again) = grant(BEN, Role::Admin, 4) else { unreachable!() };
        let again = Content::Grant(Grant { despite: despite.clone(), ..again });
        let again = flood.scene.act(ANN, None, &[flood.guest], again);
        let cat = flood.scene.act(BEN, Some(again), &[again], grant(CAT, Role::Member, 1));
        let by = flood.scene.id(again);
        let first = leaves_below(despite[despite.len() - 1], by, &flood.scene.0.ids([cat]), 1);
        let dated_back = flood.scene.act(BEN, Some(again), &[again], grant(EVE, Role::Admin, 1));
        let (left, after) = (first[0].id(), flood.scene.0.ids([cat, dated_back]));
        let later = leaves_below(despite[0].min(left), by, &after, MAX_LEAVES);
        flood.leaves = first.into_iter().chain(later).collect();
        flood.hear();
        assert!(!flood.scene.set().contains(&left));
        let cuts = flood.scene.set().cuts(peer(BEN), false);
        let kept = postcard::to_stdvec(&flood.scene.set().heard_leaves()).unwrap();
        let mut started = flood.newcomer();
        started.remember(postcard::from_bytes(&kept).unwrap());
        assert_eq!(started.cuts(peer(BEN), false), cuts, "after a start as before");
        let after = [cat, flood.guest, dated_back, flood.dated_back];
        flood.scene.act(ANN, None, &after, removal_with(BEN, Keep { cuts, ..Keep::default() }));
        let members = [CAT, DAN, EVE].map(|who| flood.scene.role(who).is_some());
        assert_eq!(members, [true, true, false], "{count} leaves and one");
    }
}

/// Ben left more often than leaves are kept, as honest people do. What it did in its last membership is no matter of the old leaves.
#[test]
fn u1_an_old_leave_cuts_no_membership_that_could_not_name_it() {
    let mut scene = Scene::new();
    let (mut last, mut guests) = (0, Vec::new());
    for number in 0..MAX_LEAVES + 6 {
        let despite: Vec<ActId> = scene.set().leaves_of(peer(BEN));
        let Content::Grant(again) = grant(BEN, Role::Admin, 4) else { unreachable!() };
        let again = Grant { despite: despite.clone(), ..again };
        let after: Vec<usize> = if number == 0 { Vec::new() } else { vec![last] };
        let by = scene.act(ANN, None, &after, Content::Grant(again));
        last = scene.act(BEN, Some(by), &[by], grant(5 + number % 2, Role::Member, 1));
        guests.push(last);
        let most = despite.last().filter(|_| despite.len() == MAX_LEAVES).copied();
        if number < MAX_LEAVES + 5 {
            let most = most.unwrap_or(ActId::from_bytes([0xff; 32]));
            let left = leaves_below(most, scene.id(by), &scene.0.ids([last]), 1).remove(0);
            let set = &mut scene.0.nodes[0].set;
            assert_eq!(set.insert(left.clone()).accepted, [left.id()]);
            set.next_moment();
            scene.0.nodes[0].judged.take();
        }
    }
    let set = scene.set();
    assert_eq!(set.leaves_of(peer(BEN)).len(), MAX_LEAVES, "others gave way");
    let cuts = set.cuts(peer(BEN), false);
    assert!(cuts.iter().any(|cut| !cut.spares.is_empty()));
    scene.act(ANN, None, &[last], removal_with(BEN, Keep { cuts, ..Keep::default() }));
    for guest in guests {
        assert!(scene.counts(guest), "#{guest}");
    }
}
