//! The leave acts that were heard first, though their author signs more than are kept (hole 1 of the third attack).

use super::{
    attacks::removal_with,
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, grant, leave},
    world::{GRAPH, MAX_CHAIN, NOON, peer},
};
use crate::{
    authority::{Act, ActBody, ActSet, Cut, Keep, Void, keep::whole},
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
    let verdict = crate::authority::Verdict::of(&other);
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
        let named = crate::authority::Verdict::of(&set).heads_before(&set, peer(BEN), false);
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
        (0..count).map(|n| Cut { who: peer(who), leave: leave(n), heads: vec![leave(200)] }).collect()
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
    let crate::authority::Content::Grant(again) = grant(BEN, Role::Inviter, 4) else { unreachable!() };
    let again = crate::authority::Content::Grant(crate::authority::Grant { despite, ..again });
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
