//! Removals that list what stays, among more records than one step looks at: what goes on between the steps, and what is
//! left if they are cut off.

use std::collections::BTreeSet;

use super::{Engine, Notice, PublishError, Removal, group_tests::Village, listing::Listings};
use crate::{
    authority::{Act, Content, Credential},
    group::{CredentialFault, Ending},
    ids::RecordId,
    limits::{KEEP_CHUNK, MAX_KEEP_CHUNKS},
    record::{GroupRules, RecordDraft, RecordType, Role, SignedRecord, TypeRule, Who},
    records::StoreError,
};

/// More than one step looks at, and more than a few chunks hold.
const MANY: usize = 4200;

type Outcome = Result<(), PublishError>;

fn publish_many(village: &mut Village, who: usize, count: usize) -> Vec<RecordId> {
    village.act(who, |engine, now| {
        let draft = |number: usize| RecordDraft::new("test.note", number.to_string()).unwrap();
        (0..count).map(|number| engine.publish(now, draft(number)).unwrap().id).collect()
    })
}

/// Member 1 has written much, 0 has it all.
fn busy(seed: u64, roles: &[Role]) -> (Village, Vec<RecordId>) {
    let mut village = Village::new(seed, roles.len() + 1);
    for (place, role) in roles.iter().enumerate() {
        assert!(village.grant(0, place + 1, *role));
    }
    village.converge(seed);
    let records = publish_many(&mut village, 1, MANY);
    village.copy(1, 0);
    (village, records)
}

fn remove(village: &mut Village, by: usize, whom: usize) -> Result<bool, PublishError> {
    let peer = village.peer(whom);
    village.act(by, |engine, now| engine.remove(now, peer, "", Removal::default())).map(|id| id.is_some())
}

/// All that one has and another lacks, in one batch, with which one step is done.
fn hand(village: &mut Village, from: usize, to: usize) {
    let lacks = |record: &SignedRecord| !village.engines[to].store.contains(&record.key()).unwrap();
    let records: Vec<SignedRecord> = village.records(from).into_iter().filter(lacks).collect();
    village.act(to, |engine, _| records.into_iter().for_each(|record| engine.take_in(record)));
}

fn is_under_way(village: &Village, at: usize) -> bool {
    village.engines[at].group.listings.is_due()
}

fn outcomes(village: &mut Village, at: usize) -> Vec<Outcome> {
    std::iter::from_fn(|| village.engines[at].poll_notice())
        .filter_map(|notice| match notice {
            Notice::Listed { result, .. } => Some(result),
            _ => None,
        })
        .collect()
}

/// Goes on to the end, and tells what came of all that was under way.
fn finish(village: &mut Village, at: usize) -> Vec<Outcome> {
    while is_under_way(village, at) {
        let now = village.now();
        assert_eq!(village.engines[at].poll_timeout(now), Some(now.mono), "the next step is due at once");
        village.act(at, |_, _| ());
    }
    outcomes(village, at)
}

fn ends(village: &Village, at: usize) -> usize {
    let is_end = |record: &SignedRecord| match Act::of(record).map(|act| act.body().content.clone()) {
        Some(Content::Remove(_) | Content::Leave(_)) => true,
        Some(Content::Grant(grant)) => grant.demotes.is_some(),
        _ => false,
    };
    village.records(at).iter().filter(|record| is_end(record)).count()
}

fn chunks(village: &Village, at: usize) -> usize {
    let all = village.records(at);
    all.iter().filter(|record| matches!(Credential::of(record), Ok(Credential::Chunk(_)))).count()
}

fn has_all(village: &Village, at: usize, records: &[RecordId]) -> bool {
    records.iter().all(|id| village.engines[at].current(id).unwrap().is_some())
}

#[test]
fn i19_a_removal_among_many_records_goes_in_steps_and_others_are_answered_between_them() {
    let (mut village, mut records) = busy(1, &[Role::Member, Role::Member]);
    // Both are written before and come in the middle, one behind what was looked at by then.
    let late = publish_many(&mut village, 1, 1);
    let change = crate::record::RecordUpdate::body("changed in the middle");
    village.pass(1);
    village.act(1, |engine, now| engine.update(now, &records[0], change)).unwrap();

    assert!(remove(&mut village, 0, 1).unwrap(), "it takes more steps");
    for step in 0..7 {
        assert!(is_under_way(&village, 0) && outcomes(&mut village, 0).is_empty());
        assert_eq!(ends(&village, 0), 0);
        // A call is answered between any two steps.
        let own = village.publish(0, &format!("{step}")).unwrap();
        assert!(village.engines[0].current(&own.id()).unwrap().is_some());
        if step == 5 {
            hand(&mut village, 1, 0);
        }
    }
    records.extend(late);
    let told = finish(&mut village, 0);
    assert!(matches!(told[..], [Ok(())]), "{told:?}");
    assert_eq!((ends(&village, 0), chunks(&village, 0)), (1, (2 * records.len() + 1).div_ceil(KEEP_CHUNK)));
    assert!(has_all(&village, 0, &records), "what came in the middle stays as well");
    // What was not here is not kept, and the others see it alike.
    let unseen = publish_many(&mut village, 1, 1);
    village.converge(1);
    for at in 0..3 {
        assert!(has_all(&village, at, &records));
        assert!(!has_all(&village, at, &unseen));
    }
}

#[test]
fn i19_a_removal_that_is_cut_off_leaves_nothing_at_whatever_step() {
    let (mut village, records) = busy(2, &[Role::Member]);
    let before = village.engines[0].fingerprint();
    for steps in 0.. {
        assert!(remove(&mut village, 0, 1).unwrap());
        for _ in 0..steps {
            village.act(0, |_, _| ());
        }
        if !is_under_way(&village, 0) {
            assert!(steps > 5);
            break;
        }
        village.restart(0);
        village.act(0, |_, _| ());
        assert_eq!((ends(&village, 0), chunks(&village, 0)), (0, 0), "after {steps} steps");
        assert_eq!(village.engines[0].fingerprint(), before, "after {steps} steps");
    }
    village.restart(0);
    assert_eq!(ends(&village, 0), 1);
    assert!(has_all(&village, 0, &records));
}

#[test]
fn i19_a_removal_fails_as_a_whole_if_the_database_does_and_can_be_called_again() {
    let (mut village, _) = busy(3, &[Role::Member]);
    let before = village.engines[0].fingerprint();
    assert!(remove(&mut village, 0, 1).unwrap());
    while chunks(&village, 0) == 0 {
        village.act(0, |_, _| ());
    }
    // As a failing commit does.
    let now = village.now();
    let engine = &mut village.engines[0];
    engine.group.listings.fail(&StoreError::Damaged("a test".into()));
    engine.tell_listings();
    engine.reload_members(now).unwrap();
    village.act(0, |_, _| ());
    let told = outcomes(&mut village, 0);
    assert!(matches!(told[..], [Err(PublishError::Store(_))]), "{told:?}");
    assert_eq!((chunks(&village, 0), village.engines[0].fingerprint()), (0, before));
    assert!(remove(&mut village, 0, 1).unwrap());
    assert!(matches!(finish(&mut village, 0)[..], [Ok(())]));
}

#[test]
fn i19_what_becomes_of_the_member_meanwhile_is_told() {
    // Removed twice: the second finds it removed.
    let (mut village, _) = busy(4, &[Role::Member, Role::Admin]);
    assert!(remove(&mut village, 0, 1).unwrap() && remove(&mut village, 0, 1).unwrap());
    let told = finish(&mut village, 0);
    let not_a_member =
        |result: &Outcome| matches!(result, Err(PublishError::Credential(CredentialFault::NotAMember)));
    assert!(told.len() == 2 && told[0].is_ok() && not_a_member(&told[1]), "{told:?}");
    assert_eq!(ends(&village, 0), 1);

    // Another removes it first.
    let (mut village, _) = busy(5, &[Role::Member, Role::Admin]);
    let peer = village.peer(1);
    let at_once = Removal { keep_records: false, ..Removal::default() };
    village.act(2, |engine, now| engine.remove(now, peer, "", at_once)).unwrap();
    assert!(remove(&mut village, 0, 1).unwrap());
    hand(&mut village, 2, 0);
    let told = finish(&mut village, 0);
    assert!(told.len() == 1 && not_a_member(&told[0]), "{told:?}");

    // It leaves: that is no reason not to remove it.
    let (mut village, records) = busy(6, &[Role::Member]);
    assert!(remove(&mut village, 0, 1).unwrap());
    village.act(1, |engine, now| engine.resign(now)).unwrap();
    finish(&mut village, 1);
    hand(&mut village, 1, 0);
    assert!(is_under_way(&village, 0));
    assert!(matches!(finish(&mut village, 0)[..], [Ok(())]));
    assert_eq!(village.engines[0].membership().unwrap().ending(village.peer(1)), Some(Ending::Removed));
    assert!(has_all(&village, 0, &records));
}

#[test]
fn i19_who_loses_the_right_in_the_middle_removes_nobody() {
    let (mut village, _) = busy(7, &[Role::Member, Role::Admin]);
    village.copy(0, 2);
    assert!(remove(&mut village, 2, 1).unwrap());
    while chunks(&village, 2) == 0 {
        village.act(2, |_, _| ());
    }
    assert!(is_under_way(&village, 2));
    let peer = village.peer(2);
    village.act(0, |engine, now| engine.remove(now, peer, "", Removal::default())).unwrap();
    finish(&mut village, 0);
    hand(&mut village, 0, 2);
    let told = finish(&mut village, 2);
    let removed =
        |result: &Outcome| matches!(result, Err(PublishError::Credential(CredentialFault::Removed)));
    assert!(told.len() == 1 && removed(&told[0]), "{told:?}");
    village.converge(7);
    assert_eq!(village.role(0, 1), Some(Role::Member));
}

#[test]
fn i19_a_demotion_goes_in_steps_and_lists_what_needs_the_higher_role() {
    let news = RecordType::new("test.note").unwrap();
    let rule = TypeRule { record_type: news, publish: Role::Admin, edit: Who::Author };
    let mut village = Village::with_rules(8, 3, GroupRules { types: vec![rule], ..GroupRules::default() });
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Member));
    village.converge(8);
    let records = publish_many(&mut village, 1, MANY);
    village.copy(1, 0);
    let peer = village.peer(1);
    let demote = |village: &mut Village, role| {
        village.act(0, |engine, now| engine.set_role(now, peer, role)).unwrap().is_some()
    };
    assert!(demote(&mut village, Role::Member));
    assert!(matches!(finish(&mut village, 0)[..], [Ok(())]));
    assert_eq!(
        (village.role(0, 1), chunks(&village, 0)),
        (Some(Role::Member), (2 * MANY).div_ceil(KEEP_CHUNK))
    );
    village.converge(8);
    assert!(has_all(&village, 2, &records));
    assert!(village.publish(1, "news").is_none());
    // Asked for twice, and for two roles: one after the other.
    assert!(demote(&mut village, Role::Reader) && demote(&mut village, Role::Reader));
    assert!(!demote(&mut village, Role::Admin), "given at once");
    let told = finish(&mut village, 0);
    assert!(told.len() == 2 && told.iter().all(Result::is_ok), "{told:?}");
    assert_eq!(village.role(0, 1), Some(Role::Reader));
}

#[test]
fn i19_who_leaves_writes_nothing_in_the_middle_and_a_close_carries_it_out() {
    let (mut village, records) = busy(9, &[Role::Member]);
    let resigned = village.act(1, |engine, now| engine.resign(now)).unwrap();
    assert!(resigned.is_some() && is_under_way(&village, 1));
    let draft = RecordDraft::new("test.note", "still").unwrap();
    let refused = village.act(1, |engine, now| engine.publish(now, draft));
    assert!(matches!(refused, Err(PublishError::Credential(CredentialFault::NotAMember))), "{refused:?}");
    village.act(1, Engine::leave);
    assert!(matches!(outcomes(&mut village, 1)[..], [Ok(())]));
    village.copy(1, 0);
    assert_eq!((village.role(0, 1), has_all(&village, 0, &records)), (None, true));
}

#[test]
fn i19_a_removal_waits_for_the_end_of_a_pause_that_came_later() {
    let (mut village, _) = busy(10, &[Role::Member, Role::Member]);
    assert!(remove(&mut village, 0, 1).unwrap());
    assert!(village.act(0, Engine::pause));
    let (now, before) = (village.now(), format!("{:?}", village.engines[0].group.listings).len());
    assert_eq!(village.engines[0].poll_timeout(now), None);
    village.act(0, |_, _| ());
    assert_eq!(format!("{:?}", village.engines[0].group.listings).len(), before, "nothing goes on");
    assert!(village.act(0, Engine::resume));
    assert!(matches!(finish(&mut village, 0)[..], [Ok(())]));
    // One that is called in a pause is carried out in it.
    publish_many(&mut village, 2, MANY);
    village.copy(2, 0);
    assert!(village.act(0, Engine::pause));
    assert!(remove(&mut village, 0, 2).unwrap());
    assert!(matches!(finish(&mut village, 0)[..], [Ok(())]));
}

#[test]
fn i19_with_its_branch_what_all_of_them_wrote_is_listed_and_who_comes_meanwhile_too() {
    let mut village = Village::new(11, 5);
    assert!(village.grant(0, 1, Role::Inviter));
    village.converge(11);
    assert!(village.grant(1, 2, Role::Member));
    village.converge(11);
    let mut records = publish_many(&mut village, 2, MANY);
    village.copy(2, 0);
    // A guest who comes in the middle.
    assert!(village.grant(1, 3, Role::Member));
    village.copy(1, 3);
    records.extend(publish_many(&mut village, 3, 20));
    let peer = village.peer(1);
    let removal = Removal { with_branch: true, ..Removal::default() };
    let id = village.act(0, |engine, now| engine.remove(now, peer, "", removal)).unwrap();
    assert!(id.is_some());
    village.act(0, |_, _| ());
    hand(&mut village, 3, 0);
    assert!(matches!(finish(&mut village, 0)[..], [Ok(())]));
    let members: BTreeSet<usize> = (0..4).filter(|who| village.role(0, *who).is_some()).collect();
    assert_eq!(members, BTreeSet::from([0]));
    assert!(village.grant(0, 4, Role::Member));
    village.converge(11);
    for at in [0, 4] {
        assert!(has_all(&village, at, &records));
    }
}

#[test]
fn i19_more_than_a_list_can_name_is_an_error_of_its_own() {
    let (mut village, _) = busy(12, &[Role::Member]);
    assert!(remove(&mut village, 0, 1).unwrap());
    let list = |listings: &mut Listings, count: usize| {
        listings.fill_for_test((0..count).map(|number| (number as u128).to_be_bytes()));
    };
    list(&mut village.engines[0].group.listings, MAX_KEEP_CHUNKS * KEEP_CHUNK);
    let told = finish(&mut village, 0);
    assert!(matches!(told[..], [Err(PublishError::TooManyToKeep)]), "{told:?}");
    assert_eq!((ends(&village, 0), chunks(&village, 0)), (0, 0));
    // Without a list it is removed all the same.
    let (peer, all_goes) = (village.peer(1), Removal { keep_records: false, ..Removal::default() });
    assert!(village.act(0, |engine, now| engine.remove(now, peer, "", all_goes)).unwrap().is_none());
}

#[test]
fn v_c_a_removal_with_its_branch_keeps_the_records_of_guests_who_had_left() {
    let mut village = Village::new(13, 4);
    assert!(village.grant(0, 1, Role::Inviter) && village.grant(0, 3, Role::Member));
    village.converge(13);
    assert!(village.grant(1, 2, Role::Member));
    village.converge(13);
    let records = publish_many(&mut village, 2, 20);
    village.act(2, |engine, now| engine.resign(now)).unwrap();
    village.converge(13);
    assert!(village.role(0, 2).is_none() && has_all(&village, 0, &records));
    let (peer, removal) = (village.peer(1), Removal { with_branch: true, ..Removal::default() });
    village.act(0, |engine, now| engine.remove(now, peer, "", removal)).unwrap();
    finish(&mut village, 0);
    village.converge(13);
    for at in [0, 3] {
        assert!(has_all(&village, at, &records), "at {at}");
    }
}

#[test]
fn v_g_what_the_demoted_made_and_others_edited_stays() {
    let news = RecordType::new("test.note").unwrap();
    for edit in [Who::Role(Role::Member), Who::Author, Who::Role(Role::Admin)] {
        let rule = TypeRule { record_type: news.clone(), publish: Role::Admin, edit };
        let mut village =
            Village::with_rules(14, 4, GroupRules { types: vec![rule], ..GroupRules::default() });
        assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Member));
        assert!(village.grant(0, 3, Role::Admin));
        village.converge(14);
        let records = publish_many(&mut village, 1, 4);
        village.converge(14);
        // One stays as it was made; others are edited by a member, if the rule lets it, and by an admin.
        let change = || crate::record::RecordUpdate::body("edited");
        let edited = village.act(2, |engine, now| engine.update(now, &records[1], change()));
        assert_eq!(edited.is_ok(), edit == Who::Role(Role::Member));
        village.act(3, |engine, now| engine.update(now, &records[2], change())).unwrap();
        village.converge(14);
        // And the demoted edited what another admin made.
        let others = publish_many(&mut village, 3, 1);
        village.converge(14);
        village.act(1, |engine, now| engine.update(now, &others[0], change())).unwrap();
        village.converge(14);
        let peer = village.peer(1);
        village.act(0, |engine, now| engine.set_role(now, peer, Role::Member)).unwrap();
        finish(&mut village, 0);
        village.converge(14);
        assert_eq!(village.role(2, 1), Some(Role::Member));
        for at in 0..4 {
            assert!(has_all(&village, at, &records) && has_all(&village, at, &others), "{edit:?}, at {at}");
            let body = |id| village.engines[at].current(id).unwrap().unwrap().body().to_vec();
            assert_eq!(body(&others[0]), b"edited", "{edit:?}, at {at}");
        }
    }
}

#[test]
fn v_what_comes_while_a_list_is_stored_is_on_it() {
    let (mut village, mut records) = busy(15, &[Role::Member, Role::Member]);
    let late = publish_many(&mut village, 1, 1);
    assert!(remove(&mut village, 0, 1).unwrap());
    while chunks(&village, 0) == 0 {
        village.act(0, |_, _| ());
    }
    assert!(is_under_way(&village, 0), "some chunks are stored, and the act is not");
    hand(&mut village, 1, 0);
    assert!(has_all(&village, 0, &late));
    records.extend(late);
    assert!(matches!(finish(&mut village, 0)[..], [Ok(())]));
    village.converge(15);
    for at in [0, 2] {
        assert!(has_all(&village, at, &records));
    }
}
