//! Records that wait, and sweeps that are cut off, on real engines.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use super::{
    Removal,
    authority_tests::{is_here, plain_removal, remove},
    group_tests::{Village, plain_grant},
    load::Unchecked,
};
use crate::{
    authority::{Act, Content, Keep},
    limits::LIST_PATIENCE,
    record::{GroupRules, RecordKey, RecordType, RecordUpdate, Role, SignedRecord, TypeRule, Who},
    records::{Conflict, ConflictQuery, ListQuery, MemoryStore, Verdict},
    time::Timestamp,
    wire::Filter,
};

/// Notes of which every member may change every one.
pub(super) fn shared(seed: u64, count: usize) -> Village {
    let rule = TypeRule {
        record_type: RecordType::new("test.note").unwrap(),
        publish: Role::Member,
        edit: Who::Role(Role::Member),
    };
    Village::with_rules(seed, count, GroupRules { types: vec![rule], ..GroupRules::default() })
}

/// A member leaves and keeps some records. The list is kept back: the records of its chunks.
pub(super) fn leave(village: &mut Village, who: usize, kept: &[SignedRecord]) -> Vec<SignedRecord> {
    let versions = kept.iter().map(|record| record.key().element);
    let (keep, chunks) = Keep::list(versions, kept.iter().map(SignedRecord::id));
    let Ok(signed) = village.act(who, |engine, now| engine.issue(now, Content::Leave(keep))) else {
        return Vec::new();
    };
    let act = Act::of(&signed).unwrap();
    let signed = chunks.iter().map(|chunk| {
        let (header, body) = chunk.to_record(act.body());
        SignedRecord::sign(&village.graph(), &village.keys[who], header, &body)
    });
    signed.collect()
}

/// Lets an engine do what is due until nothing is left to be judged.
pub(super) fn rest(village: &mut Village, at: usize) {
    for _ in 0..1000 {
        let engine = &village.engines[at];
        if engine.group.sweep.is_over() && engine.unchecked.is_none() {
            return;
        }
        village.act(at, |engine, now| engine.handle_timeout(now));
    }
    panic!("never done: {:?}", village.engines[at].group.sweep);
}

pub(super) fn let_patience_end(village: &mut Village) {
    village.pass(1 + LIST_PATIENCE.as_secs());
    for at in 0..village.engines.len() {
        village.act(at, |engine, now| engine.handle_timeout(now));
        rest(village, at);
    }
}

/// What readers are shown: notes, and conflicts.
pub(super) fn shown(village: &Village, at: usize) -> (BTreeSet<RecordKey>, BTreeSet<RecordKey>) {
    let reader = village.engines[at].store.reader();
    let mut notes = BTreeSet::new();
    let mut query = ListQuery { include_deleted: true, ..ListQuery::default() };
    loop {
        let page = reader.list(&query, Timestamp(1)).unwrap();
        notes.extend(page.items.iter().map(|record| record.key));
        (query.after, query.through) = (page.next, Some(page.through));
        if page.next.is_none() {
            break;
        }
    }
    let conflicts: Vec<Conflict> = reader.conflicts(&ConflictQuery::default(), Timestamp(1)).unwrap().items;
    (notes, conflicts.iter().map(|conflict| conflict.loser.key).collect())
}

pub(super) fn withheld(village: &Village, at: usize) -> Vec<RecordKey> {
    village.engines[at].store.withheld(&Filter::All, RecordKey::MIN, usize::MAX).unwrap()
}

pub(super) fn keys(records: &[SignedRecord]) -> BTreeSet<RecordKey> {
    records.iter().map(SignedRecord::key).collect()
}

/// Starts an engine anew: it must come to the same.
pub(super) fn restarts_alike(village: &mut Village, at: usize, why: &str) {
    let state =
        |village: &Village| (village.engines[at].fingerprint(), shown(village, at), withheld(village, at));
    let before = state(village);
    village.restart(at);
    rest(village, at);
    assert_eq!(state(village), before, "{why}: engine {at} says something else after a restart");
}

fn a_leaver_with_600_notes(seed: u64) -> (Village, Vec<SignedRecord>, Vec<SignedRecord>) {
    let mut village = Village::new(seed, 4);
    assert!(village.grant(0, 1, Role::Member));
    village.converge(seed);
    let theirs: Vec<SignedRecord> =
        (0..600).map(|number| village.publish(1, &format!("{number}")).unwrap()).collect();
    village.copy(1, 0);
    let list = leave(&mut village, 1, &theirs);
    assert_eq!(list.len(), 2);
    village.copy(1, 0);
    (village, theirs, list)
}

#[test]
fn w5_records_that_wait_are_shown_to_nobody_and_not_compared_whether_they_are_stored_or_not() {
    let (mut village, theirs, list) = a_leaver_with_600_notes(0x501);
    assert_eq!(shown(&village, 0).0, keys(&theirs), "the list may be on its way");
    assert!(village.engines[0].group.sweep.is_over());
    village.pass(1 + LIST_PATIENCE.as_secs());
    let before = village.engines[0].store.last_lsn();
    village.act(0, |engine, now| engine.handle_timeout(now));
    let first = withheld(&village, 0).len();
    assert!(first > 0 && first <= 256, "a step withholds {first}");
    // Killed between two steps, which the check of stored records makes good.
    village.restart(0);
    rest(&mut village, 0);
    let_patience_end(&mut village);
    assert_eq!(withheld(&village, 0), Vec::from_iter(keys(&theirs)));
    assert_eq!(shown(&village, 0), Default::default());
    let told = village.engines[0].store.reader().changes(before, &[], &[], 1000).unwrap().entries;
    assert!(told.len() == 600 && told.iter().all(|change| change.record.deleted), "readers hear of it");

    // A newcomer hears of the leave and is given the records: neither has anything the other lacks.
    let acts: Vec<SignedRecord> = village.engines[0].credentials().unwrap();
    village.give(2, acts);
    village.give(2, theirs.clone());
    assert_eq!(shown(&village, 2), Default::default());
    assert_eq!(village.engines[0].fingerprint(), village.engines[2].fingerprint());
    assert!(theirs.iter().all(|record| is_here(&village, 0, record)), "and is not fetched again");

    // The list comes, here and there, in two parts.
    for (number, chunk) in list.iter().enumerate() {
        for at in [0, 2] {
            village.give(at, vec![chunk.clone()]);
            rest(&mut village, at);
            let all = shown(&village, at).0;
            assert!((number == 0) == (all.len() < 600) && !all.is_empty(), "{} at {at}", all.len());
        }
    }
    for at in [0, 2] {
        assert_eq!((shown(&village, at).0, withheld(&village, at)), (keys(&theirs), vec![]), "at {at}");
        restarts_alike(&mut village, at, "with the list");
    }
    assert_eq!(village.engines[0].fingerprint(), village.engines[2].fingerprint());
}

#[test]
fn w5_a_removal_decides_about_records_that_wait() {
    for keep_records in [true, false] {
        let (mut village, theirs, _) = a_leaver_with_600_notes(0x502);
        let_patience_end(&mut village);
        assert_eq!(withheld(&village, 0).len(), 600);
        restarts_alike(&mut village, 0, "while they wait");
        remove(&mut village, 0, 1, Removal { keep_records, ..Removal::default() });
        rest(&mut village, 0);
        assert_eq!(withheld(&village, 0), [], "decided");
        let all = if keep_records { keys(&theirs) } else { BTreeSet::new() };
        assert_eq!(shown(&village, 0).0, all);
        assert_eq!(is_here(&village, 0, &theirs[0]), keep_records);
        restarts_alike(&mut village, 0, "after the removal");
    }
}

#[test]
fn w5_a_list_that_comes_in_time_hides_nothing() {
    let (mut village, theirs, list) = a_leaver_with_600_notes(0x503);
    let before = village.engines[0].store.last_lsn();
    village.pass(LIST_PATIENCE.as_secs() - 1);
    village.give(0, list);
    let_patience_end(&mut village);
    assert_eq!(shown(&village, 0).0, keys(&theirs));
    let told = village.engines[0].store.reader().changes(before, &[], &[], 1000).unwrap().entries;
    assert_eq!(told, [], "nobody hears of records that are gone and come back");
    assert!(village.engines[0].group.sweep.next(village.now().mono).is_none(), "and nothing is left to do");
}

/// Engine 0 has two versions of a note beside each other, by members 1 and 2: the one by `winner` counts.
pub(super) fn a_conflict(village: &mut Village, winner: usize) -> [SignedRecord; 2] {
    for to in [1, 2] {
        assert!(village.grant(0, to, Role::Member));
    }
    village.converge(5);
    let note = village.publish(0, "by the owner").unwrap();
    village.converge(5);
    let mut versions = Vec::new();
    for editor in [3 - winner, winner] {
        village.pass(5);
        let update = RecordUpdate::body(format!("by {editor}"));
        village.act(editor, |engine, now| engine.update(now, &note.id(), update)).unwrap();
        versions.push(village.engines[editor].current(&note.id()).unwrap().unwrap());
    }
    for version in &versions {
        village.give(0, vec![version.clone()]);
    }
    let [lost, won] = versions.try_into().unwrap();
    assert_eq!(shown(village, 0), (BTreeSet::from([won.key()]), BTreeSet::from([lost.key()])));
    [lost, won]
}

#[test]
fn w5_the_loser_of_a_conflict_is_withheld_and_comes_back_and_takes_the_place_of_a_withheld_winner() {
    for leaver in [1, 2] {
        let mut village = shared(0x504, 4);
        let [lost, won] = a_conflict(&mut village, 2);
        let (theirs, other) = if leaver == 1 { (&lost, &won) } else { (&won, &lost) };
        let list = leave(&mut village, leaver, std::slice::from_ref(theirs));
        let acts = village.engines[leaver].credentials().unwrap();
        village.give(0, acts);
        let_patience_end(&mut village);
        assert_eq!(withheld(&village, 0), [theirs.key()]);
        assert_eq!(shown(&village, 0), (BTreeSet::from([other.key()]), BTreeSet::new()), "leaver {leaver}");
        restarts_alike(&mut village, 0, "while it waits");
        village.give(0, list);
        rest(&mut village, 0);
        assert_eq!(shown(&village, 0), (BTreeSet::from([won.key()]), BTreeSet::from([lost.key()])));
    }
}

#[test]
fn w5_records_of_guests_whose_grant_is_not_here_are_withheld_until_it_comes() {
    let mut village = Village::new(0x505, 4);
    assert!(village.grant(0, 1, Role::Inviter));
    village.converge(0x505);
    assert!(village.grant(1, 2, Role::Member));
    village.copy(1, 2);
    let note = village.publish(2, "by a guest").unwrap();
    village.copy(2, 0);
    // The guest's grant is lost, as by a damaged file.
    let grant = village.engines[2].group.own_grant().unwrap();
    let members = village.engines[0].membership().unwrap();
    let key = members.key_of(&crate::ids::ActId::from_bytes(grant)).unwrap();
    let lost = village.engines[0].store.fetch(&key).unwrap().unwrap();
    village.act(0, |engine, _| {
        engine.store.discard(&key).unwrap();
        engine.meta_written = true;
    });
    village.restart(0);
    rest(&mut village, 0);
    assert_eq!((shown(&village, 0).0.len(), withheld(&village, 0)), (0, vec![note.key()]));
    // To one who never had it, it waits as well.
    let acts = village.engines[0].credentials().unwrap();
    village.give(3, acts);
    village.give(3, vec![note.clone()]);
    assert_eq!(village.engines[0].fingerprint(), village.engines[3].fingerprint());
    for at in [0, 3] {
        village.give(at, vec![lost.clone()]);
        rest(&mut village, at);
        assert_eq!(shown(&village, at).0, BTreeSet::from([note.key()]), "at {at}");
    }
}

#[test]
fn w12_a_commit_that_fails_ends_no_sweep() {
    let mut village = Village::new(0x120, 3);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Member));
    village.converge(0x120);
    (0..600).for_each(|number| drop(village.publish(2, &format!("{number}")).unwrap()));
    let store = MemoryStore::new(village.graph(), 1);
    let fails = store.fails.clone();
    village.engines[1] = village.engine_on(1, Box::new(store));
    village.copy(2, 1);
    village.copy(0, 1);
    rest(&mut village, 1);
    assert_eq!(shown(&village, 1).0.len(), 600);
    remove(&mut village, 0, 2, Removal { keep_records: false, ..Removal::default() });
    let acts = village.engines[0].credentials().unwrap();
    village.give(1, acts);
    // Each step fails once, the last one too.
    let mut steps = 0;
    while !village.engines[1].group.sweep.is_over() {
        steps += 1;
        assert!(steps < 100, "it never ends");
        let now = village.now();
        fails.store(true, Ordering::Relaxed);
        village.engines[1].handle_timeout(now);
        let failed = village.engines[1].flush(now).is_err();
        fails.store(false, Ordering::Relaxed);
        assert!(!failed || !village.engines[1].group.sweep.is_over(), "what was not kept is not forgotten");
        // One that failed begins anew, so two steps must succeed for each that fails.
        for _ in 0..steps {
            village.pass(60);
            village.act(1, |engine, now| engine.handle_timeout(now));
        }
    }
    assert!(steps > 1 && shown(&village, 1).0.is_empty(), "{} left", shown(&village, 1).0.len());
    restarts_alike(&mut village, 1, "after the sweep");
}

#[test]
fn w12_a_check_whose_commit_fails_is_made_again() {
    let mut village = Village::new(0x121, 3);
    assert!(village.grant(0, 2, Role::Member));
    village.converge(0x121);
    let theirs: Vec<SignedRecord> =
        (0..20).map(|number| village.publish(2, &format!("{number}")).unwrap()).collect();
    let store = MemoryStore::new(village.graph(), 1);
    let fails = store.fails.clone();
    village.engines[1] = village.engine_on(1, Box::new(store));
    village.copy(2, 1);
    rest(&mut village, 1);
    remove(&mut village, 0, 2, Removal { keep_records: false, ..Removal::default() });
    let acts = village.engines[0].credentials().unwrap();
    // The sweep is cut off before its first step.
    village.engines[1].failing.due = Some(village.now().mono);
    village.give(1, acts);
    village.engines[1].group.sweep = super::sweep::Sweep::default();
    village.engines[1].failing.due = None;
    assert_eq!(shown(&village, 1).0, keys(&theirs));
    village.engines[1].unchecked = Some(Unchecked::Current(RecordKey::MIN));
    fails.store(true, Ordering::Relaxed);
    for _ in 0..5 {
        let now = village.now();
        village.engines[1].handle_timeout(now);
        let _ = village.engines[1].flush(now);
    }
    fails.store(false, Ordering::Relaxed);
    assert_eq!(shown(&village, 1).0, keys(&theirs), "nothing was kept");
    for _ in 0..10 {
        village.pass(60);
        village.act(1, |engine, now| engine.handle_timeout(now));
    }
    assert!(village.engines[1].unchecked.is_none());
    assert_eq!(shown(&village, 1).0, BTreeSet::new());
}

#[test]
fn w12_a_void_loser_of_a_sweep_that_was_cut_off_is_found_when_the_database_is_checked() {
    let mut village = shared(0x122, 4);
    let [lost, won] = a_conflict(&mut village, 2);
    let removal = plain_removal(village.peer(1));
    let signed = village.sign(0, village.heads(0), removal);
    village.engines[0].failing.due = Some(village.now().mono);
    village.give(0, vec![signed]);
    village.engines[0].group.sweep = super::sweep::Sweep::default();
    village.engines[0].failing.due = None;
    assert_eq!(shown(&village, 0).1, BTreeSet::from([lost.key()]), "cut off");
    village.restart(0);
    rest(&mut village, 0);
    assert_eq!(shown(&village, 0), (BTreeSet::from([won.key()]), BTreeSet::new()));
}

#[test]
fn w6_records_beyond_the_end_of_a_membership_go_with_the_renewal_that_falls() {
    let mut village = Village::new(0x60, 4);
    assert!(village.grant(0, 1, Role::Admin));
    village.converge(0x60);
    let end = village.engines[0].peer_time(village.now()) + std::time::Duration::from_secs(100);
    let grant = crate::authority::Grant {
        not_after: Some(end),
        renew: true,
        ..plain_grant(village.peer(2), Role::Member)
    };
    village.act(0, |engine, now| engine.issue(now, Content::Grant(grant))).unwrap();
    village.converge(0x60);
    let early = village.publish(2, "within").unwrap();
    let of_two = crate::ids::ActId::from_bytes(village.engines[2].group.own_grant().unwrap());
    let until = end + std::time::Duration::from_secs(10_000);
    let heads = village.heads(0);
    village
        .act(1, |engine, now| engine.issue(now, Content::Renew { grant: of_two, not_after: until }))
        .unwrap();
    village.copy(1, 2);
    village.pass(200);
    let late = village.publish(2, "beyond").unwrap();
    // The owner removes the admin and has not seen the renewal. Engine 3 hears of it last, engine 0 first.
    let removal = plain_removal(village.peer(1));
    let removal = village.sign(0, heads, removal);
    village.copy(2, 3);
    assert!(is_here(&village, 3, &late) && is_here(&village, 3, &early));
    village.give(0, vec![removal.clone()]);
    for at in [2, 3] {
        village.give(at, vec![removal.clone()]);
    }
    village.copy(2, 0);
    for at in [0, 2, 3] {
        rest(&mut village, at);
        assert!(is_here(&village, at, &early) && !is_here(&village, at, &late), "at {at}");
        restarts_alike(&mut village, at, "after the renewal fell");
    }
}

/// One random act of a random member; lists that were kept back are in `lists`.
fn something_odd(village: &mut Village, step: usize, lists: &mut Vec<SignedRecord>) {
    use rand::RngExt;
    let count = village.engines.len();
    let (who, whom) = (village.rng.random_range(0..count), village.rng.random_range(0..count));
    let role = Role::ALL[village.rng.random_range(0..5)];
    let peer = village.peer(whom);
    let removal = Removal {
        keep_records: village.rng.random_bool(0.7),
        with_branch: village.rng.random_bool(0.3),
        undo: village.rng.random_bool(0.1),
    };
    let short = std::time::Duration::from_secs(village.rng.random_range(5..60));
    match village.rng.random_range(0..16) {
        0..=1 => drop(village.grant(who, whom, role)),
        2 => drop(village.act(who, |engine, now| engine.grant(now, peer, "", role, Some(short)))),
        3..=4 => drop(village.publish(who, &format!("{step}"))),
        5..=7 => {
            let notes = village.records(who);
            let mut notes = notes.iter().filter(|r| r.header().record_type.as_str() == "test.note");
            if let Some(note) = notes.nth(step % 2) {
                let update = RecordUpdate::body(format!("{step} by {who}"));
                drop(village.act(who, |engine, now| engine.update(now, &note.id(), update)));
            }
        }
        8 => drop(village.act(who, |engine, now| engine.remove(now, peer, "", removal))),
        9 => drop(village.act(who, |engine, now| engine.set_role(now, peer, role))),
        10 if who != 0 => {
            let author = village.peer(who);
            let own = |record: &&SignedRecord| {
                record.header().author() == author && record.header().record_type.as_str() == "test.note"
            };
            let kept: Vec<SignedRecord> = village.records(who).iter().filter(own).cloned().collect();
            lists.extend(leave(village, who, &kept));
        }
        11 => {
            let grant = village.engines[who].membership().unwrap().acts().grants_of(peer).last();
            if let Some(grant) = grant {
                let not_after = village.engines[who].peer_time(village.now()) + 10 * short;
                drop(village.act(who, |engine, now| engine.issue(now, Content::Renew { grant, not_after })));
            }
        }
        12 if !lists.is_empty() => {
            let chunk = lists[village.rng.random_range(0..lists.len())].clone();
            village.give(whom, vec![chunk]);
        }
        _ => village.copy(who, whom),
    }
    let seconds = village.rng.random_range(1..20);
    village.pass(seconds);
}

#[test]
fn w6_a_running_node_and_a_restarted_one_have_and_show_the_same() {
    let (mut waited, mut conflicts) = (0, 0);
    for seed in 0..150 {
        let mut village = shared(0x6000 + seed, 5);
        // Nobody renews anything by itself, which would go on for ever.
        village.engines[0].group.compared = false;
        for to in 1..5 {
            village.grant(to / 3, to, [Role::Admin, Role::Inviter, Role::Member, Role::Admin][to - 1]);
            village.copy(to / 3, to);
            village.copy(0, to);
        }
        let mut lists = Vec::new();
        for step in 0..25 {
            something_odd(&mut village, step, &mut lists);
        }
        for _ in 0..3 {
            let_patience_end(&mut village);
            for (from, to) in (0..5).flat_map(|from| (0..5).map(move |to| (from, to))) {
                if from != to {
                    village.copy(from, to);
                }
            }
        }
        let_patience_end(&mut village);
        let first = village.engines[0].fingerprint();
        for at in 0..5 {
            let why = format!("seed {seed}");
            assert_eq!(village.engines[at].fingerprint(), first, "{why}: engines 0 and {at} differ");
            assert_eq!(shown(&village, at).0, shown(&village, 0).0, "{why}: readers of 0 and {at}");
            restarts_alike(&mut village, at, &why);
            let engine = &village.engines[at];
            for record in village.records(at) {
                assert_eq!(engine.policy().check(&record, None), Verdict::Accept, "{why} at {at}");
            }
            for key in withheld(&village, at) {
                let record = engine.store.fetch_withheld(&key).unwrap().unwrap();
                if let Some(act) = Act::of(&record) {
                    let members = engine.membership().unwrap();
                    assert!(members.verdict().is_idle(members.acts(), &act.id()), "{why} at {at}: {act:?}");
                }
                if record.header().record_type == RecordType::CREDENTIAL {
                    continue;
                }
                let verdict = engine.policy().check(&record, None);
                assert!(matches!(verdict, Verdict::Defer { .. }), "{why} at {at}: {verdict:?}");
                waited += 1;
            }
            for key in shown(&village, at).1 {
                let loser = engine.store.loser(&key).unwrap().unwrap();
                assert_eq!(engine.policy().check(&loser, None), Verdict::Accept, "{why} at {at}");
                conflicts += 1;
            }
        }
    }
    assert!(waited > 10 && conflicts > 5, "{waited} records waited, {conflicts} conflicts");
}
