//! Holes that an attack on this model found, by their number in the list that was section 11 of `AUTHORITY.md`.

use super::{
    scene::{ANN, BEN, CAT, DAN, EVE, Scene, admission, demotion, grant, leave, removal},
    world::{NOON, grant_of, invite_by, peer, removal_of},
};
use crate::{
    authority::{
        Act, ActBody, Authorship, Content, Cut, Fault, Grant, Keep, KeepChunk, RecordClaim, RecordFault,
        RecordVerdict, Remove, Verdict, Void,
    },
    ids::{ElementId, RecordId},
    record::{RecordType, Role},
    time::Timestamp,
};

const fn element(number: u8) -> ElementId {
    ElementId::from_bytes([number; 16])
}

/// What is said of a note of this number.
pub(super) fn note(scene: &Scene, number: u8, version: Authorship) -> RecordVerdict {
    let record_type = &RecordType::new("note").unwrap();
    let record = RecordId::from_bytes([100 + number; 16]);
    let claim = RecordClaim { record, element: element(number), record_type, version, made: None };
    scene.verdict().record(scene.set(), &Scene::rules(), &claim)
}

impl Scene {
    pub(super) fn note_by(&self, number: u8, author: usize, grant: usize) -> RecordVerdict {
        let grant = Some(self.id(grant));
        note(self, number, Authorship { author: peer(author), grant, at: Timestamp(NOON) })
    }
}

/// A list of these notes, whose chunks are here.
pub(super) fn listing(
    scene: &mut Scene,
    act: impl FnOnce(&mut Scene, Keep) -> usize,
    numbers: &[u8],
) -> usize {
    let (keep, chunks) = Keep::list(numbers.iter().map(|number| element(*number)), []);
    let at = act(scene, keep);
    for chunk in chunks {
        scene.0.nodes[0].set.insert_chunk(chunk);
    }
    at
}

pub(super) fn removal_with(subject: usize, keep: Keep) -> Content {
    Content::Remove(Remove { keep, ..removal_of(peer(subject)) })
}

fn void(reason: Void) -> RecordVerdict {
    RecordVerdict::Void(RecordFault::Void(reason))
}

#[test]
fn h1_a_leave_after_a_removal_undoes_nothing() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.founded(CAT, Role::Member);
    let dan = scene.act(BEN, Some(ben), &[cat], grant(DAN, Role::Member, 2));
    let by_ben = scene.act(BEN, Some(ben), &[dan], removal(CAT));
    let removed = scene.act(ANN, None, &[by_ben], removal(BEN));
    let before = scene.verdict();
    scene.act(BEN, Some(ben), &[], leave());
    assert!(scene.counts(by_ben) && scene.counts(dan));
    assert_eq!((scene.role(CAT), scene.role(DAN)), (None, Some(Role::Member)));
    // Nor does one by somebody who was demoted take what it did before.
    assert_eq!(scene.verdict().act(&scene.id(dan)), before.act(&scene.id(dan)));
    let eve = scene.act(ANN, None, &[removed], grant(EVE, Role::Admin, 4));
    let guest = scene.act(EVE, Some(eve), &[eve], grant(5, Role::Admin, 2));
    scene.act(ANN, None, &[guest], demotion(EVE, Role::Member, 2));
    scene.act(EVE, Some(eve), &[], leave());
    assert_eq!((scene.role(5), scene.role(EVE)), (Some(Role::Admin), None));
}

#[test]
fn h1_a_removal_of_somebody_who_left_brings_nothing_back() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Admin);
    let cat = scene.founded(CAT, Role::Member);
    let dan = scene.act(BEN, Some(ben), &[cat], grant(DAN, Role::Member, 2));
    assert_eq!(scene.set().cuts(peer(BEN), true), []);
    let left = scene.act(BEN, Some(ben), &[dan], leave());
    assert_eq!(scene.set().cuts(peer(BEN), true), [], "an honest leaver is cut nowhere");
    let dated_back = scene.act_at((BEN, 1), Some(ben), &[cat], removal(CAT));
    assert_eq!(scene.void(dated_back), Some(Void::Left(scene.id(left))));
    let cuts = scene.set().cuts(peer(BEN), false);
    let mut heads = vec![scene.id(ben), scene.id(dan)];
    heads.sort_unstable();
    assert_eq!(cuts, [Cut { who: peer(BEN), leave: scene.id(left), heads, spares: Vec::new() }]);
    // The remover's node knows of it, as everything that it has heard.
    let removed =
        scene.act(ANN, None, &[dan, dated_back], removal_with(BEN, Keep { cuts, ..Keep::default() }));
    assert_eq!(scene.void(dated_back), Some(Void::Removed(scene.id(removed))));
    assert!(scene.counts(dan));
    // More leaves, until they displace the first, change neither.
    let mut set = scene.set().clone();
    for at in 0..100 {
        let by = Some(scene.id(ben));
        let body =
            ActBody { author: peer(BEN), by, after: Vec::new(), at: Timestamp(NOON + at), content: leave() };
        set.insert(Act::unsigned(body));
    }
    assert!(!set.contains(&scene.id(left)));
    let verdict = Verdict::of(&set);
    assert_eq!(verdict.act(&scene.id(dan)), Some(None));
    assert!(verdict.act(&scene.id(dated_back)).flatten().is_some());
}

#[test]
fn h2_a_leave_hides_no_record_that_a_removal_decides() {
    let mut scene = Scene::new();
    let cat = scene.founded(CAT, Role::Member);
    let never = Keep { chunks: vec![[7; 32]], ..Keep::default() };
    let left = scene.act(CAT, Some(cat), &[cat], Content::Leave(never));
    assert_eq!(scene.note_by(1, CAT, cat), RecordVerdict::Waits(scene.id(left)), "by its own word");
    let removed =
        listing(&mut scene, |scene, keep| scene.act(ANN, None, &[cat], removal_with(CAT, keep)), &[1]);
    assert_eq!(scene.note_by(1, CAT, cat), RecordVerdict::Counts);
    assert_eq!(scene.note_by(2, CAT, cat), void(Void::Removed(scene.id(removed))));
}

#[test]
fn h2_undo_takes_records_too() {
    let mut scene = Scene::new();
    let cat = scene.founded(CAT, Role::Member);
    let first =
        listing(&mut scene, |scene, keep| scene.act(ANN, None, &[cat], removal_with(CAT, keep)), &[1, 2]);
    let undo = |scene: &mut Scene, keep: Keep| {
        scene.act(ANN, None, &[first], Content::Remove(Remove { undo: true, keep, ..removal_of(peer(CAT)) }))
    };
    let undone = listing(&mut scene, undo, &[1, 3]);
    assert_eq!(scene.note_by(1, CAT, cat), RecordVerdict::Counts, "both list it");
    assert_eq!(scene.note_by(2, CAT, cat), void(Void::Undone(scene.id(undone))));
    assert_eq!(scene.note_by(3, CAT, cat), void(Void::Removed(scene.id(first))));
}

#[test]
fn h2_a_list_overrules_no_removal_by_a_higher_role() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let cat = scene.act(BEN, Some(ben), &[], grant(CAT, Role::Member, 2));
    listing(&mut scene, |scene, keep| scene.act(BEN, Some(ben), &[cat], removal_with(CAT, keep)), &[1, 2]);
    assert_eq!(scene.note_by(2, CAT, cat), RecordVerdict::Counts);
    listing(&mut scene, |scene, keep| scene.act(ANN, None, &[cat], removal_with(CAT, keep)), &[1]);
    assert_eq!(scene.note_by(1, CAT, cat), RecordVerdict::Counts);
    assert!(matches!(scene.note_by(2, CAT, cat), RecordVerdict::Void(_)));
    // A demotion says nothing of what the lower role allows, and bars no list.
    let eve = scene.founded(EVE, Role::Admin);
    let dan = scene.act(BEN, Some(ben), &[], grant(DAN, Role::Member, 2));
    scene.act(EVE, Some(eve), &[dan], demotion(DAN, Role::Reader, 1));
    listing(&mut scene, |scene, keep| scene.act(BEN, Some(ben), &[dan], removal_with(DAN, keep)), &[4]);
    assert_eq!(scene.note_by(4, DAN, dan), RecordVerdict::Counts);
}

#[test]
fn h8_an_old_invitation_brings_no_removed_member_back() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let offer = |scene: &mut Scene, after| {
        scene.act(ANN, None, &[after], Content::Invite(invite_by(0, Role::Member, 1)))
    };
    let invite = offer(&mut scene, ben);
    let used = scene.act(BEN, Some(ben), &[invite], admission(&scene, invite, CAT, 1));
    let removed = scene.act(ANN, None, &[used], removal(CAT));
    let again = scene.act(BEN, Some(ben), &[removed], admission(&scene, invite, CAT, 1));
    assert_eq!(scene.role(CAT), None);
    assert_eq!(scene.verdict().grant(&scene.id(again)).unwrap().ended_by, [scene.id(removed)]);
    // An invitation made after the removal admits.
    let new = offer(&mut scene, removed);
    scene.act(BEN, Some(ben), &[new], admission(&scene, new, CAT, 1));
    assert_eq!(scene.role(CAT), Some(Role::Member));
}

#[test]
fn h8_an_old_invitation_raises_no_demoted_member() {
    let mut scene = Scene::new();
    let ben = scene.founded(BEN, Role::Inviter);
    let cat = scene.founded(CAT, Role::Member);
    let invite = scene.act(ANN, None, &[ben, cat], Content::Invite(invite_by(0, Role::Member, 1)));
    let demoted = scene.act(ANN, None, &[invite], demotion(CAT, Role::Reader, 1));
    scene.act(BEN, Some(ben), &[demoted], admission(&scene, invite, CAT, 1));
    assert_eq!(scene.role(CAT), Some(Role::Reader));
}

#[test]
fn h14_no_guest_outlasts_the_issuer_of_its_invitation() {
    let mut scene = Scene::new();
    let limited = Grant { not_after: Some(Timestamp(NOON + 500)), ..grant_of(peer(BEN), Role::Inviter, 4) };
    let ben = scene.act(ANN, None, &[], Content::Grant(limited));
    let offer =
        crate::authority::Invite { not_after: Timestamp(NOON + 400), ..invite_by(0, Role::Member, 1) };
    let invite = scene.act(BEN, Some(ben), &[], Content::Invite(offer));
    let without_end = admission(&scene, invite, CAT, 1);
    assert_eq!(scene.refused(ANN, None, &[invite], without_end.clone()), Fault::OutlivesIssuer);
    let Content::Grant(guest) = without_end else { unreachable!() };
    let guest = Grant { not_after: Some(Timestamp(NOON + 500)), ..guest };
    let guest = scene.act(ANN, None, &[invite], Content::Grant(guest));
    assert!(scene.counts(guest));
}

#[test]
fn h14_a_record_that_names_an_act_which_is_no_grant_counts_nowhere() {
    let mut scene = Scene::new();
    let cat = scene.founded(CAT, Role::Member);
    let removed = scene.act(ANN, None, &[cat], removal(CAT));
    let left = scene.act(CAT, Some(cat), &[cat], leave());
    for act in [removed, left] {
        assert_eq!(scene.note_by(1, CAT, act), RecordVerdict::Void(RecordFault::NotAMember));
    }
}

#[test]
fn h14_a_chunk_is_not_read_past_its_checks() {
    let bytes = |keys: &[[u8; 16]]| postcard::to_stdvec(keys).unwrap();
    let read = |keys: &[[u8; 16]]| postcard::from_bytes::<KeepChunk>(&bytes(keys));
    let chunk = KeepChunk::new(vec![[1; 16], [2; 16]]).unwrap();
    assert_eq!(read(&[[1; 16], [2; 16]]).unwrap(), chunk);
    assert_eq!(postcard::to_stdvec(&chunk).unwrap(), bytes(&[[1; 16], [2; 16]]));
    for keys in [&[[2; 16], [1; 16]][..], &[[1; 16], [1; 16]], &[]] {
        assert!(read(keys).is_err());
    }
}

#[test]
fn h14_two_removals_that_do_not_name_each_other_keep_both_lists() {
    let mut scene = Scene::new();
    let cat = scene.founded(CAT, Role::Member);
    for numbers in [[1, 2], [3, 4]] {
        listing(&mut scene, |scene, keep| scene.act(ANN, None, &[cat], removal_with(CAT, keep)), &numbers);
    }
    assert_eq!([1, 2, 3, 4].map(|number| scene.note_by(number, CAT, cat)), [RecordVerdict::Counts; 4]);
}
