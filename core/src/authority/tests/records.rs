//! Which records count: rights on a record's whole history, and what a removal keeps.

use super::{
    scene::{ANN, BEN, CAT, DAN, Scene, demotion},
    world::{NOON, grant_of, peer, removal_of},
};
use crate::{
    authority::{Authorship, Content, Grant, Keep, RecordClaim, RecordFault, RecordVerdict, Remove, Void},
    ids::{ElementId, RecordId},
    record::{GroupRules, RecordType, Role, TypeRule, Who},
    time::Timestamp,
};

const fn element(number: u8) -> ElementId {
    ElementId::from_bytes([number; 16])
}

const fn record(number: u8) -> RecordId {
    RecordId::from_bytes([100 + number; 16])
}

struct Desk {
    scene: Scene,
    rules: GroupRules,
}

impl Desk {
    fn by(&self, who: usize, grant: Option<usize>) -> Authorship {
        Authorship { author: peer(who), grant: grant.map(|at| self.scene.id(at)), at: Timestamp(NOON) }
    }

    fn made(&self, number: u8, of: &str, by: Authorship) -> RecordVerdict {
        self.judge(number, of, by, None)
    }

    fn judge(&self, number: u8, of: &str, version: Authorship, made: Option<Authorship>) -> RecordVerdict {
        let record_type = &RecordType::new(of).unwrap();
        let claim =
            RecordClaim { record: record(number), element: element(number), record_type, version, made };
        self.scene.verdict().record(self.scene.set(), &self.rules, &claim)
    }
}

fn rule(name: &str, publish: Role, edit: Who) -> TypeRule {
    TypeRule { record_type: RecordType::new(name).unwrap(), publish, edit }
}

const ROLE: RecordVerdict = RecordVerdict::Void(RecordFault::Role);

#[test]
fn a1_model_making_and_changing_ask_for_their_own_rights() {
    let mut scene = Scene::new();
    let (admin, member) = (scene.founded(BEN, Role::Admin), scene.founded(CAT, Role::Member));
    let types = vec![
        rule("announcement", Role::Admin, Who::Author),
        rule("vote", Role::Member, Who::Role(Role::Admin)),
    ];
    let desk = Desk { scene, rules: GroupRules { types, ..Scene::rules() } };
    let (ben, cat) = (desk.by(BEN, Some(admin)), desk.by(CAT, Some(member)));
    // A member's announcement is none, whichever version it calls itself.
    assert_eq!(desk.made(1, "announcement", cat), ROLE);
    assert_eq!(desk.judge(1, "announcement", cat, Some(cat)), ROLE);
    assert_eq!(desk.judge(1, "announcement", ben, Some(cat)), ROLE, "nor does an admin's change make it one");
    assert_eq!(desk.made(1, "announcement", ben), RecordVerdict::Counts);
    // A vote is given once.
    assert_eq!(desk.made(2, "vote", cat), RecordVerdict::Counts);
    assert_eq!(desk.judge(2, "vote", cat, Some(cat)), ROLE);
    assert_eq!(desk.judge(2, "vote", ben, Some(cat)), RecordVerdict::Counts);
    // Others' records.
    assert_eq!(desk.judge(3, "note", cat, Some(ben)), ROLE);
    assert_eq!(desk.judge(3, "note", ben, Some(cat)), RecordVerdict::Counts);
    let reader = Authorship { author: peer(DAN), ..cat };
    assert_eq!(desk.made(3, "note", reader), RecordVerdict::Void(RecordFault::NotAMember));
}

#[test]
fn a_removal_keeps_what_its_list_names_and_nothing_that_is_dated_back() {
    let mut scene = Scene::new();
    let member = scene.founded(CAT, Role::Member);
    let (keep, chunks) = Keep::list([element(1), element(2)], [record(1)]);
    let remove = Remove { keep, ..removal_of(peer(CAT)) };
    let removed = scene.act(ANN, None, &[member], Content::Remove(remove));
    let mut desk = Desk { scene, rules: Scene::rules() };
    let cat = desk.by(CAT, Some(member));
    let waits = RecordVerdict::Waits(desk.scene.id(removed));
    assert_eq!(desk.made(1, "note", cat), waits, "until the list is here, nothing is decided");
    for chunk in chunks {
        assert!(desk.scene.0.nodes[0].set.insert_chunk(chunk.clone()));
        assert!(!desk.scene.0.nodes[0].set.insert_chunk(chunk));
    }
    let void = RecordVerdict::Void(RecordFault::Void(Void::Removed(desk.scene.id(removed))));
    assert_eq!(desk.made(1, "note", cat), RecordVerdict::Counts);
    assert_eq!(desk.made(3, "note", Authorship { at: Timestamp(1), ..cat }), void);
    // A change of a kept record that the remover had not seen is not kept; one by another member is.
    assert_eq!(desk.judge(3, "note", cat, Some(cat)), void);
    let ann = desk.by(ANN, None);
    assert_eq!(desk.judge(1, "note", ann, Some(cat)), RecordVerdict::Counts);
    assert_eq!(
        desk.judge(2, "note", ann, Some(cat)),
        void,
        "a record that was not kept is not kept by a change"
    );
}

#[test]
fn a7_model_removals_at_once_keep_the_records_that_either_names() {
    let mut scene = Scene::new();
    let owner = scene.founded(BEN, Role::Owner);
    let member = scene.founded(CAT, Role::Member);
    let mut first = 0;
    for (who, by, number) in [(ANN, None, 1), (BEN, Some(owner), 2)] {
        let (keep, chunks) = Keep::list([element(number)], []);
        let remove = Remove { keep, ..removal_of(peer(CAT)) };
        first = scene.act(who, by, &[member], Content::Remove(remove));
        chunks.into_iter().for_each(|chunk| assert!(scene.0.nodes[0].set.insert_chunk(chunk)));
    }
    // A later one adds nothing.
    let (keep, chunks) = Keep::list([element(3)], []);
    scene.act(ANN, None, &[first], Content::Remove(Remove { keep, ..removal_of(peer(CAT)) }));
    chunks.into_iter().for_each(|chunk| assert!(scene.0.nodes[0].set.insert_chunk(chunk)));
    let desk = Desk { scene, rules: Scene::rules() };
    let cat = desk.by(CAT, Some(member));
    assert_eq!(desk.made(1, "note", cat), RecordVerdict::Counts);
    assert_eq!(desk.made(2, "note", cat), RecordVerdict::Counts);
    assert_ne!(desk.made(3, "note", cat), RecordVerdict::Counts);
}

#[test]
fn a3_model_who_leaves_keeps_its_list_and_every_leave_act_must_have_it() {
    let mut scene = Scene::new();
    let member = scene.founded(CAT, Role::Member);
    for numbers in [[1, 2], [2, 3]] {
        let (keep, chunks) = Keep::list(numbers.map(element), []);
        scene.act(CAT, Some(member), &[member], Content::Leave(keep));
        chunks.into_iter().for_each(|chunk| assert!(scene.0.nodes[0].set.insert_chunk(chunk)));
    }
    let desk = Desk { scene, rules: Scene::rules() };
    let cat = desk.by(CAT, Some(member));
    let counts = [1, 2, 3, 4].map(|number| desk.made(number, "note", cat) == RecordVerdict::Counts);
    assert_eq!(counts, [false, true, false, false]);
}

#[test]
fn a6_model_what_a_demoted_member_wrote_offline_stays_if_the_new_role_allows_it() {
    let mut scene = Scene::new();
    let admin = scene.founded(BEN, Role::Admin);
    let (keep, chunks) = Keep::list([element(1)], []);
    let Content::Grant(lower) = demotion(BEN, Role::Member, 4) else { unreachable!() };
    scene.act(ANN, None, &[admin], Content::Grant(Grant { demotes: Some(keep), ..lower }));
    chunks.into_iter().for_each(|chunk| assert!(scene.0.nodes[0].set.insert_chunk(chunk)));
    let types = vec![rule("announcement", Role::Admin, Who::Author)];
    let desk = Desk { scene, rules: GroupRules { types, ..Scene::rules() } };
    let ben = desk.by(BEN, Some(admin));
    assert_eq!(desk.made(1, "announcement", ben), RecordVerdict::Counts);
    assert_eq!(desk.made(2, "announcement", ben), ROLE);
    assert_eq!(desk.made(2, "note", ben), RecordVerdict::Counts);
}

#[test]
fn records_lie_in_the_period_of_the_grant_or_renewal_that_they_name() {
    let mut scene = Scene::new();
    let end = Some(Timestamp(NOON + 500));
    let limited = Grant { not_after: end, renew: true, ..grant_of(peer(CAT), Role::Member, 2) };
    let member = scene.act(ANN, None, &[], Content::Grant(limited));
    let until = Timestamp(NOON + 900);
    let renew = Content::Renew { grant: scene.id(member), not_after: until };
    let renewal = scene.act(ANN, None, &[member], renew);
    let desk = Desk { scene, rules: Scene::rules() };
    let late = |grant| Authorship { at: Timestamp(NOON + 600), ..desk.by(CAT, Some(grant)) };
    assert_eq!(desk.made(1, "note", late(member)), RecordVerdict::Void(RecordFault::OutsidePeriod));
    assert_eq!(desk.made(1, "note", late(renewal)), RecordVerdict::Counts);
}
