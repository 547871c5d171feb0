//! Acts that wait for their past, that are set aside because nobody needs them, and that were read again without it.

use std::collections::BTreeSet;

use super::super::{
    Removal,
    adversary_tests::header,
    authority_tests::{is_here, remove},
    group_tests::{Village, plain_grant},
    ingest::Candidate,
};
use crate::{
    authority::{Act, ActBody, Content, Invite, Keep, Remove, issuer_proof},
    crypto::SecretKey,
    ids::{ActId, RecordId},
    limits::{DEFERRED_LIFETIME, MAX_IDLE_ACTS},
    record::{RecordKey, RecordType, Role, SignedRecord},
    records::{OpenPolicy, admit_own},
    time::Hlc,
    wire::Filter,
};

#[path = "aside_tests.rs"]
mod aside;

const OWNER: usize = 0;
const REMOVED: usize = 1;
const MEMBER: usize = 2;
const INVITER: usize = 3;

fn id(record: &SignedRecord) -> ActId {
    Act::of(record).unwrap().id()
}

fn has(village: &Village, at: usize, record: &SignedRecord) -> bool {
    village.engines[at].membership().unwrap().has(&id(record))
}

/// An act by one grant, after these, at this place of a millisecond's.
fn act(village: &Village, who: usize, by: ActId, after: Vec<ActId>, content: Content) -> SignedRecord {
    let at = village.engines[OWNER].peer_time(village.now());
    village.sign_as(who, ActBody { author: village.peer(who), by: Some(by), after, at, content })
}

fn grant_of(village: &Village, at: usize, whom: usize) -> ActId {
    village.engines[at].membership().unwrap().acts().grants_of(village.peer(whom)).next().unwrap()
}

/// An invitation that nobody has any use of.
fn invitation(village: &Village, by: usize, number: u32) -> Content {
    let mut key = [9; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    let key = SecretKey::from_bytes(&key);
    let proof = issuer_proof(&key, &village.graph(), &village.peer(by));
    let not_after = village.engines[OWNER].peer_time(village.now()) + std::time::Duration::from_secs(3600);
    let (role, lifetime_ms, admitters) = (Role::Member, None, Vec::new());
    Content::Invite(Invite { key: key.peer(), role, uses: 1, not_after, lifetime_ms, admitters, proof })
}

/// An owner, an inviter that was removed, a member and an inviter by the owner, and one who heard of nothing yet.
fn removed(seed: u64) -> (Village, ActId) {
    let mut village = Village::new(seed, 5);
    for (who, role) in [(REMOVED, Role::Inviter), (MEMBER, Role::Member), (INVITER, Role::Inviter)] {
        assert!(village.grant(OWNER, who, role));
    }
    village.converge(seed);
    let by = grant_of(&village, OWNER, REMOVED);
    remove(&mut village, OWNER, REMOVED, Removal::default());
    village.copy(OWNER, INVITER);
    (village, by)
}

/// The removed member signs as many acts as are taken in that nobody needs.
fn fill(village: &mut Village, at: usize, by: ActId) {
    let flood: Vec<SignedRecord> = (0..MAX_IDLE_ACTS as u32)
        .map(|number| act(village, REMOVED, by, vec![by], invitation(village, REMOVED, number)))
        .collect();
    village.give(at, flood.clone());
    assert!(flood.iter().all(|record| has(village, at, record)));
}

fn is_set_aside(village: &Village, at: usize, record: &SignedRecord) -> bool {
    village.engines[at].waiting.contains(&record.key()) && !has(village, at, record)
}

/// One batch of records, as they are.
fn give_at_once(village: &mut Village, to: usize, records: &[&SignedRecord]) {
    let records: Vec<SignedRecord> = records.iter().map(|record| (*record).clone()).collect();
    village.act(to, |engine, _| engine.incoming.extend(records.into_iter().map(Candidate::held)));
}

fn withheld(village: &Village, at: usize) -> BTreeSet<RecordKey> {
    let withheld = village.engines[at].store.withheld(&Filter::All, RecordKey::MIN, usize::MAX).unwrap();
    withheld.into_iter().collect()
}

/// True if it is here, and others are offered it.
fn is_offered(village: &Village, at: usize, record: &SignedRecord) -> bool {
    has(village, at, record)
        && is_here(village, at, record)
        && !withheld(village, at).contains(&record.key())
        && village.records(at).iter().any(|other| other.key() == record.key())
}

fn loses(village: &mut Village, at: usize, lost: &[&SignedRecord]) {
    village.act(at, |engine, _| {
        for record in lost {
            engine.store.discard(&record.key()).unwrap();
        }
        engine.meta_written = true;
    });
    village.restart(at);
}

/// Lets everything that waits go.
fn wait_in_vain(village: &mut Village, at: usize) {
    village.pass(DEFERRED_LIFETIME.as_secs() + 1);
    village.act(at, |engine, now| engine.handle_timeout(now));
    assert_eq!(village.engines[at].waiting.next_due(), None);
}

#[test]
fn w4_what_waited_in_vain_counts_for_nothing_when_its_past_comes() {
    for pushed_out in [false, true] {
        let mut village = Village::new(0x40, 4);
        assert!(village.grant(OWNER, 1, Role::Admin) && village.grant(OWNER, MEMBER, Role::Member));
        village.converge(0x40);
        let by = grant_of(&village, OWNER, 1);
        let hidden = act(&village, 1, by, vec![by], invitation(&village, REMOVED, 1));
        let subject = village.peer(MEMBER);
        let keep = Keep::default();
        let remove = Remove { subject, reason: String::new(), keep, branch: false, undo: false };
        let removal = act(&village, 1, by, vec![id(&hidden)], Content::Remove(remove));
        give_at_once(&mut village, OWNER, &[&removal]);
        assert!(is_set_aside(&village, OWNER, &removal));
        // What no act names may be signed by anybody: it pushes out nothing of a member.
        for number in 0..600_u64 {
            let key = SecretKey::from_bytes(
                &[(number / 250) as u8, (number % 250) as u8].repeat(16).try_into().unwrap(),
            );
            let header = header(
                key.peer(),
                RecordType::credential(),
                Hlc::at(village.engines[OWNER].peer_time(village.now())),
                [1; 16],
            );
            let chunk = crate::authority::KeepChunk::new(vec![[3; 16]]).unwrap();
            let (_, body) = chunk.to_record(Act::of(&hidden).unwrap().body());
            let record = SignedRecord::sign(&village.graph(), &key, header, &body);
            give_at_once(&mut village, OWNER, &[&record]);
        }
        assert!(is_set_aside(&village, OWNER, &removal));
        if pushed_out {
            village.engines[OWNER].waiting = Default::default();
        } else {
            wait_in_vain(&mut village, OWNER);
        }
        give_at_once(&mut village, OWNER, &[&hidden]);
        assert!(has(&village, OWNER, &hidden) && !has(&village, OWNER, &removal));
        assert_eq!(village.role(OWNER, MEMBER), Some(Role::Member), "nobody can show who removed it");
        let before = village.engines[OWNER].fingerprint();
        village.restart(OWNER);
        assert_eq!(village.engines[OWNER].fingerprint(), before);
        assert_eq!(village.role(OWNER, MEMBER), Some(Role::Member));
        // Whoever has it brings it again.
        give_at_once(&mut village, OWNER, &[&removal]);
        assert_eq!(village.role(OWNER, MEMBER), None);
    }
}

#[test]
fn w14_what_is_needed_in_the_batch_in_which_it_comes_is_taken_in_at_once() {
    // Sent in all orders, in one batch, in two, and in three, into a group in which nothing else happens.
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for cuts in [vec![3], vec![1, 2], vec![2, 1], vec![1, 1, 1]] {
            let (mut village, by) = removed(0x14);
            fill(&mut village, OWNER, by);
            let first = act(&village, REMOVED, by, vec![by], invitation(&village, REMOVED, 1000));
            let second = act(&village, REMOVED, by, vec![id(&first)], invitation(&village, REMOVED, 1001));
            let inviter = grant_of(&village, OWNER, INVITER);
            let names = act(&village, INVITER, inviter, vec![id(&second)], Content::Merge);
            let all = [&first, &second, &names];
            let mut sent = order.iter().map(|at| all[*at]);
            for cut in &cuts {
                let part: Vec<&SignedRecord> = sent.by_ref().take(*cut).collect();
                give_at_once(&mut village, OWNER, &part);
            }
            let why = format!("{order:?} in {cuts:?}");
            assert!(all.iter().all(|record| is_offered(&village, OWNER, record)), "{why}");
            assert_eq!(village.engines[OWNER].waiting.next_due(), None, "{why}: nothing is left over");
        }
    }
}

#[test]
fn r20_what_is_set_aside_comes_in_as_soon_as_an_act_of_a_member_needs_it_and_not_before() {
    let (mut village, by) = removed(0x20);
    fill(&mut village, OWNER, by);
    let before = village.engines[OWNER].fingerprint();
    let crowded: Vec<SignedRecord> = (1000..1010)
        .map(|number| act(&village, REMOVED, by, vec![by], invitation(&village, REMOVED, number)))
        .collect();
    for record in &crowded {
        give_at_once(&mut village, OWNER, &[record]);
        assert!(is_set_aside(&village, OWNER, record));
    }
    // Neither another act of the removed nor a stranger's makes it needed.
    let friend = village.peer(4);
    let strangers = act(&village, REMOVED, by, vec![by], Content::Grant(plain_grant(friend, Role::Inviter)));
    for names in [
        act(&village, REMOVED, by, vec![id(&crowded[0])], Content::Merge),
        strangers.clone(),
        act(&village, 4, id(&strangers), vec![id(&crowded[0])], Content::Merge),
    ] {
        give_at_once(&mut village, OWNER, &[&names]);
        assert!(!is_here(&village, OWNER, &names) && !has(&village, OWNER, &crowded[0]));
    }
    assert_eq!(village.engines[OWNER].fingerprint(), before);
    // A member's does, for it alone.
    let inviter = grant_of(&village, OWNER, INVITER);
    let names = act(&village, INVITER, inviter, vec![id(&crowded[3])], Content::Merge);
    give_at_once(&mut village, OWNER, &[&names]);
    assert!(is_offered(&village, OWNER, &names) && is_offered(&village, OWNER, &crowded[3]));
    let aside = crowded.iter().filter(|record| is_set_aside(&village, OWNER, record)).count();
    assert_eq!(aside, crowded.len() - 1);
    wait_in_vain(&mut village, OWNER);
    assert!(!has(&village, OWNER, &crowded[0]));
}

#[test]
fn r20_a_record_of_a_member_brings_the_grant_that_it_names_whichever_comes_first() {
    for record_first in [false, true] {
        let (mut village, by) = removed(0x21);
        fill(&mut village, OWNER, by);
        // The removed gives a member a second grant, which the member's node names.
        let old = grant_of(&village, OWNER, MEMBER);
        let subject = village.peer(MEMBER);
        let mut after = vec![old, by];
        after.sort_unstable();
        let gift = act(&village, REMOVED, by, after, Content::Grant(plain_grant(subject, Role::Member)));
        let hlc = Hlc::at(village.engines[OWNER].peer_time(village.now()));
        let note = header(subject, RecordType::new("test.note").unwrap(), hlc, [4; 16]);
        let note = crate::record::Header { grant: Some(*id(&gift).as_bytes()), ..note };
        let note = SignedRecord::sign(&village.graph(), &village.keys[MEMBER], note, b"by a gift");
        for record in if record_first { [&note, &gift] } else { [&gift, &note] } {
            give_at_once(&mut village, OWNER, &[record]);
        }
        assert!(has(&village, OWNER, &gift), "record first: {record_first}");
        assert!(is_here(&village, OWNER, &note), "record first: {record_first}");
    }
}

#[test]
fn w10_a_list_of_a_removal_that_is_void_for_a_moment_is_kept_and_comes_back() {
    for restarts in [false, true] {
        let mut village = Village::new(0x10, 5);
        for (who, role) in [(1, Role::Admin), (3, Role::Owner), (MEMBER, Role::Member)] {
            assert!(village.grant(OWNER, who, role));
        }
        village.converge(0x10);
        let kept = village.publish(MEMBER, "kept").unwrap();
        village.copy(MEMBER, 1);
        let unseen = village.publish(MEMBER, "unseen").unwrap();
        let heads = village.heads(OWNER);
        remove(&mut village, 1, MEMBER, Removal::default());
        for at in [OWNER, 3] {
            village.copy(1, at);
            village.copy(MEMBER, at);
        }
        let is_chunk = |record: &&SignedRecord| {
            record.header().record_type == RecordType::CREDENTIAL && Act::of(record).is_none()
        };
        let chunk = village.records(OWNER).iter().find(is_chunk).cloned().expect("a list");
        assert!(is_here(&village, OWNER, &kept) && !is_here(&village, OWNER, &unseen));
        // Another admin removes that one and has not seen the removal.
        let subject = village.peer(1);
        let keep = Keep::default();
        let second = Remove { subject, reason: String::new(), keep, branch: false, undo: false };
        let second = village.sign(3, heads.clone(), Content::Remove(second));
        for at in [OWNER, 3] {
            village.give(at, vec![second.clone()]);
            assert_eq!(village.role(at, MEMBER), Some(Role::Member), "at {at}");
            assert!(withheld(&village, at).contains(&chunk.key()), "kept, and not offered, at {at}");
            assert!(!village.records(at).iter().any(|record| record.key() == chunk.key()));
            if restarts {
                village.restart(at);
                assert!(withheld(&village, at).contains(&chunk.key()), "nor thrown away at a start, at {at}");
            }
        }
        // The owner takes that back, by one that has not seen it either.
        let subject = village.peer(3);
        let third =
            Remove { subject, reason: String::new(), keep: Keep::default(), branch: false, undo: true };
        let third = village.sign_as(
            OWNER,
            ActBody {
                author: village.peer(OWNER),
                by: None,
                after: heads,
                at: village.engines[OWNER].peer_time(village.now()),
                content: Content::Remove(third),
            },
        );
        for at in [OWNER, 3] {
            village.give(at, vec![third.clone()]);
            assert_eq!((village.role(at, 1), village.role(at, MEMBER)), (Some(Role::Admin), None), "at {at}");
            assert!(!withheld(&village, at).contains(&chunk.key()), "at {at}");
            assert!(village.records(at).iter().any(|record| record.key() == chunk.key()), "at {at}");
            for _ in 0..20 {
                village.act(at, |engine, now| engine.handle_timeout(now));
            }
            village.copy(MEMBER, at);
            assert!(is_here(&village, at, &kept) && !is_here(&village, at, &unseen), "at {at}");
        }
        // One who hears of it only now has the same.
        village.copy(OWNER, 4);
        assert_eq!(village.engines[4].fingerprint(), village.engines[OWNER].fingerprint());
    }
}

#[test]
fn w13_what_never_fits_goes_at_a_start_and_what_lacks_its_past_stays_unoffered() {
    let (mut village, by) = removed(0x13);
    let member = grant_of(&village, OWNER, MEMBER);
    // A member of the lowest role cannot merge. A list of an act that never came, as of a removal that was cut off.
    let no_right = act(&village, MEMBER, member, vec![by], Content::Merge);
    let (keep, chunks) = Keep::list([], [RecordId::from_bytes([8; 16])]);
    let body = Act::of(&act(&village, MEMBER, member, vec![by], Content::Leave(keep))).unwrap();
    let (header, body) = chunks[0].to_record(body.body());
    let of_nothing = SignedRecord::sign(&village.graph(), &village.keys[MEMBER], header, &body);
    let before = village.engines[OWNER].fingerprint();
    let genesis = village.genesis.clone();
    village.act(OWNER, |engine, _| {
        for record in [&no_right, &of_nothing] {
            let record = admit_own(record.clone(), None, &genesis, &OpenPolicy).unwrap();
            engine.store.put(&record).unwrap();
        }
        engine.meta_written = true;
    });
    assert_ne!(village.engines[OWNER].fingerprint(), before);
    village.restart(OWNER);
    assert_eq!(village.engines[OWNER].fingerprint(), before, "what nobody takes is not offered");
    assert!(!is_here(&village, OWNER, &no_right) && !is_here(&village, OWNER, &of_nothing));
}

#[test]
fn w13_an_act_whose_past_was_lost_comes_back_when_all_of_it_is_here() {
    let (mut village, _) = removed(0x131);
    let inviter = grant_of(&village, OWNER, INVITER);
    let mut parents: Vec<SignedRecord> = (0..3)
        .map(|n| act(&village, INVITER, inviter, vec![inviter], invitation(&village, INVITER, n)))
        .collect();
    parents.sort_by_key(id);
    let after = parents.iter().map(id).collect();
    let names = act(&village, INVITER, inviter, after, invitation(&village, INVITER, 3));
    let last = act(&village, INVITER, inviter, vec![id(&names)], invitation(&village, INVITER, 4));
    village.give(OWNER, [parents.clone(), vec![names.clone(), last.clone()]].concat());
    let whole = village.engines[OWNER].fingerprint();
    loses(&mut village, OWNER, &parents.iter().collect::<Vec<_>>());
    let orphans = BTreeSet::from([names.key(), last.key()]);
    assert_eq!(withheld(&village, OWNER), orphans);
    assert!(!has(&village, OWNER, &names) && !has(&village, OWNER, &last));
    // Its past comes a part at a time, and it takes longer than anything waits elsewhere.
    for (number, parent) in parents.iter().enumerate() {
        assert_eq!(withheld(&village, OWNER), orphans, "{number} came");
        wait_in_vain(&mut village, OWNER);
        village.give(OWNER, vec![parent.clone()]);
    }
    assert!(is_offered(&village, OWNER, &names) && is_offered(&village, OWNER, &last));
    assert_eq!(village.engines[OWNER].fingerprint(), whole);
    assert!(village.engines[OWNER].group.orphans.is_empty());
}

#[test]
fn w13_a_crowded_act_in_the_database_comes_back_when_its_past_is_here() {
    let (mut village, by) = removed(0x132);
    let first = act(&village, REMOVED, by, vec![by], invitation(&village, REMOVED, 1000));
    let second = act(&village, REMOVED, by, vec![id(&first)], invitation(&village, REMOVED, 1001));
    village.give(OWNER, vec![first.clone(), second.clone()]);
    assert!(has(&village, OWNER, &second));
    loses(&mut village, OWNER, &[&first]);
    fill(&mut village, OWNER, by);
    assert!(!has(&village, OWNER, &second));
    // It is in the database, so it costs nothing more; and what it lacks is needed for it.
    give_at_once(&mut village, OWNER, &[&first]);
    assert!(has(&village, OWNER, &first) && has(&village, OWNER, &second));
    wait_in_vain(&mut village, OWNER);
    let inviter = grant_of(&village, OWNER, INVITER);
    let names = act(&village, INVITER, inviter, vec![id(&second)], Content::Merge);
    give_at_once(&mut village, OWNER, &[&names]);
    assert!([&first, &second, &names].iter().all(|record| is_offered(&village, OWNER, record)));
}

#[test]
fn r17_a_crowded_act_costs_no_judging() {
    let (mut village, by) = removed(0x17);
    fill(&mut village, OWNER, by);
    let before = (village.engines[OWNER].fingerprint(), village.engines[OWNER].store.last_lsn());
    let acts: Vec<SignedRecord> = (1000..1300)
        .map(|number| act(&village, REMOVED, by, vec![by], invitation(&village, REMOVED, number)))
        .collect();
    // Anything that is judged, or dropped, would make what depends on acts be looked at again.
    let key = acts[0].key();
    village.engines[OWNER].group.changed = false;
    let now = village.now();
    let refused = RecordKey { element: crate::ids::ElementId::from_bytes([6; 16]), ..key };
    village.engines[OWNER].refused.note(now.mono, refused, super::Because::Members);
    for record in &acts {
        give_at_once(&mut village, OWNER, &[record]);
        assert!(is_set_aside(&village, OWNER, record));
    }
    let engine = &village.engines[OWNER];
    assert!(engine.refused.contains(now.mono, &refused) && !engine.group.changed);
    assert_eq!((engine.fingerprint(), engine.store.last_lsn()), before);
}
