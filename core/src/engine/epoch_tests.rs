//! Groups with encrypted bodies, over real engines without links: who can read what, whatever records they are handed.

use std::{collections::BTreeSet, sync::Arc};

use rand::RngExt;

use super::{Engine, OpenReader, PublishError, Removal, group_tests::Village};
use crate::{
    authority::{Act, Content},
    group::{BODY_OVERHEAD, CredentialFault},
    ids::{Lsn, PeerId, RecordId},
    record::{
        BodyState, DraftError, GroupRules, Header, Origin, RecordDraft, RecordType, RecordUpdate, Role,
        SignedRecord,
    },
    records::{Reader, RejectReason, Verdict},
};

pub(super) fn village(seed: u64, count: usize) -> Village {
    Village::with_rules(seed, count, GroupRules { encrypted_bodies: true, ..GroupRules::default() })
}

/// What one engine reads.
pub(super) fn read(village: &Village, number: usize, id: RecordId) -> Result<String, BodyState> {
    let engine = &village.engines[number];
    let record = engine.key_ring().open(engine.store.get(&id).unwrap().expect("the record").to_record());
    match record.body_state {
        BodyState::Clear => Ok(String::from_utf8(record.body.to_vec()).unwrap()),
        state => {
            assert!(record.body.is_empty());
            Err(state)
        }
    }
}

pub(super) fn remove(village: &mut Village, by: usize, whom: usize) {
    let peer = village.peer(whom);
    village.act(by, |engine, now| engine.remove(now, peer, "", Removal::default())).unwrap();
}

/// Time passes until nobody has anything to do.
fn settle(village: &mut Village, seed: u64) {
    for _ in 0..4 {
        village.pass(70);
        for number in 0..village.engines.len() {
            village.act(number, Engine::handle_timeout);
        }
        village.converge(seed);
    }
}

pub(super) fn current(village: &Village, number: usize) -> Option<[u8; 32]> {
    village.engines[number].membership().unwrap().current_epoch().map(|epoch| epoch.id)
}

pub(super) fn acts(village: &Village, number: usize) -> Vec<Act> {
    village.engines[number].credentials().unwrap().iter().filter_map(Act::of).collect()
}

#[test]
fn a_removed_member_reads_what_was_before_and_nothing_after() {
    let mut village = village(1, 3);
    assert!(village.grant(0, 1, Role::Member) && village.grant(0, 2, Role::Inviter));
    village.converge(1);
    let before = village.publish(2, "before").unwrap();
    village.converge(1);
    remove(&mut village, 0, 2);
    let after = village.publish(0, "after").unwrap();
    village.copy(0, 1);
    let others = village.publish(1, "by another").unwrap();
    let update = RecordUpdate::body("changed");
    village.act(0, |engine, now| engine.update(now, &before.id(), update)).unwrap();
    village.converge(1);

    for reader in [0, 1] {
        assert_eq!(read(&village, reader, after.id()).unwrap(), "after");
        assert_eq!(read(&village, reader, others.id()).unwrap(), "by another");
        assert_eq!(read(&village, reader, before.id()).unwrap(), "changed");
    }
    for later in [&after, &others, &before] {
        assert_eq!(read(&village, 2, later.id()), Err(BodyState::KeyMissing));
    }
    // What she had seen, she still can.
    let seen = village.engines[2].key_ring().open(before.to_record());
    assert_eq!(seen.body_text(), Some("before"));
    assert!(village.publish(2, "once more").is_none());
    // Nor does she get the new key by what she holds: it is sealed to others.
    let held: BTreeSet<PeerId> = acts(&village, 2)
        .into_iter()
        .filter_map(|act| match &act.body().content {
            Content::Epoch(epoch) if Some(epoch.key_id) == current(&village, 2) => Some(epoch.keys.clone()),
            _ => None,
        })
        .flatten()
        .map(|(peer, _)| peer)
        .collect();
    assert_eq!(held, BTreeSet::from([village.peer(0), village.peer(1)]));
}

#[test]
fn one_key_gives_a_joiner_everything_from_before_and_after() {
    let mut village = village(2, 6);
    assert!(village.grant(0, 1, Role::Inviter));
    let mut written = Vec::new();
    for number in 2..5 {
        assert!(village.grant(0, number, Role::Member));
        village.converge(2);
        written.push((village.publish(number, &format!("with {number}")).unwrap().id(), number));
        village.converge(2);
        remove(&mut village, 0, number);
        village.pass(1);
    }
    village.converge(2);
    // An inviter passes on what it has.
    assert!(village.grant(1, 5, Role::Reader));
    village.converge(2);
    for (id, number) in &written {
        assert_eq!(read(&village, 5, *id).unwrap(), format!("with {number}"));
    }
    let later = village.publish(0, "later").unwrap();
    village.converge(2);
    assert_eq!(read(&village, 5, later.id()).unwrap(), "later");
    let joiner = village.peer(5);
    let members = village.engines[5].membership().unwrap();
    let keys: Vec<_> = members.acts_of_keys().filter_map(|act| members.keys_of(&act)).collect();
    let sealed = keys.iter().filter(|of| of.sealed_to(joiner).is_some()).count();
    assert_eq!(sealed, 1, "whatever the number of epochs");
    assert_eq!(keys.iter().map(|of| of.older.len()).sum::<usize>(), 3);
}

#[test]
fn epochs_that_two_admins_begin_at_once_are_one_order_everywhere() {
    let mut village = village(3, 7);
    assert!(village.grant(0, 1, Role::Admin));
    for number in 2..6 {
        assert!(village.grant(0, number, Role::Member));
    }
    village.converge(3);
    // Apart, each removes another member and goes on.
    remove(&mut village, 0, 4);
    remove(&mut village, 1, 5);
    village.copy(0, 2);
    village.copy(1, 3);
    let written: Vec<_> =
        [0, 1, 2, 3].map(|by| village.publish(by, &format!("by {by}")).unwrap().id()).into();
    assert_ne!(current(&village, 2), current(&village, 3));
    village.converge(3);
    let now = current(&village, 0);
    for reader in 0..4 {
        assert_eq!(current(&village, reader), now);
        for (by, id) in written.iter().enumerate() {
            assert_eq!(read(&village, reader, *id).unwrap(), format!("by {by}"));
        }
    }
    // Each of the removed got the key of the other side; what follows they cannot read either.
    settle(&mut village, 3);
    let later = village.publish(2, "later").unwrap();
    assert!(village.grant(1, 6, Role::Member));
    village.converge(3);
    for reader in [0, 1, 2, 3, 6] {
        assert_eq!(read(&village, reader, later.id()).unwrap(), "later");
    }
    for (by, id) in written.iter().enumerate() {
        assert_eq!(read(&village, 6, *id).unwrap(), format!("by {by}"));
    }
    for removed in [4, 5] {
        assert_eq!(read(&village, removed, later.id()), Err(BodyState::KeyMissing));
    }
}

/// A record with any body, signed as it is.
fn forged(village: &Village, by: usize, nonce: [u8; 16], body: &[u8]) -> SignedRecord {
    let now = village.now();
    let engine = &village.engines[by];
    let hlc = engine.stamper.tick(engine.peer_time(now));
    let first = Header::first(RecordType::new("test.note").unwrap(), nonce, engine.device.peer, hlc);
    let header = Header { grant: engine.group.own_grant(), origin: Some(Origin::First), ..first };
    engine.stamper.sign(header, body)
}

fn no_altered_body_is_read(village: &Village, good: &SignedRecord) {
    let ring = village.engines[0].key_ring().clone();
    let with = |body: &[u8]| {
        let record = ring.open(crate::record::Record { body: body.to_vec().into(), ..good.to_record() });
        assert!(record.body.is_empty() || record.body_state == BodyState::Clear);
        (record.body_state, record.body)
    };
    let body = good.body();
    assert_eq!(with(&body), (BodyState::Clear, "a secret".into()));
    for at in 0..body.len() {
        let mut altered = body.to_vec();
        altered[at] ^= 0x80;
        let missing = (1..33).contains(&at);
        let expected = if missing { BodyState::KeyMissing } else { BodyState::Unreadable };
        assert_eq!(with(&altered).0, expected, "byte {at}");
        if at > 0 {
            let expected = if at < BODY_OVERHEAD { BodyState::Unreadable } else { with(&body[..at]).0 };
            assert_eq!(with(&body[..at]).0, expected, "cut at {at}");
            assert_ne!(with(&body[..at]).0, BodyState::Clear, "cut at {at}");
        }
    }
}

#[test]
fn bodies_that_are_none_are_refused_or_told_apart() {
    let mut village = village(4, 2);
    assert!(village.grant(0, 1, Role::Member));
    let good = village.publish(0, "a secret").unwrap();
    village.converge(4);
    let plain =
        b"in the clear, and long enough for an encrypted body to have its place: that takes some words more";
    assert!(plain.len() > BODY_OVERHEAD);
    let body = good.body();
    // In the clear; and another record's body, which is bound to that record.
    for none in [&plain[..], &body] {
        let none = forged(&village, 1, [7; 16], none);
        let clear = RejectReason::NotAuthorized(CredentialFault::NotEncrypted.text());
        assert_eq!(village.engines[0].policy().check(&none, None), Verdict::Reject(clear));
        village.give(0, vec![none.clone()]);
        assert!(village.engines[0].store.get(&none.id()).unwrap().is_none());
    }
    // Nor does it help to alter what it is bound by, or to take the same seed: the creator is another.
    let mut rebound = body.to_vec();
    rebound[33..49].copy_from_slice(&[8; 16]);
    for (nonce, body) in [([8; 16], &rebound[..]), (good.header().nonce, &body)] {
        let copied = forged(&village, 1, nonce, body);
        village.give(0, vec![copied.clone()]);
        assert_eq!(read(&village, 0, copied.id()), Err(BodyState::Unreadable));
    }
    let copied = forged(&village, 1, good.header().nonce, &body);
    village.give(0, vec![copied.clone()]);
    let mut unknown = body.to_vec();
    unknown[1] ^= 1;
    let unknown = forged(&village, 1, good.header().nonce, &unknown);
    village.give(0, vec![unknown.clone()]);
    assert_eq!(read(&village, 0, unknown.id()), Err(BodyState::KeyMissing));
    no_altered_body_is_read(&village, &good);
    // Its attributes can be changed only with a new body.
    let update = RecordUpdate { attributes: Some(Default::default()), ..RecordUpdate::default() };
    let refused = village.act(0, |engine, now| engine.update(now, &copied.id(), update.clone()));
    assert!(matches!(refused, Err(PublishError::Unreadable(id)) if id == copied.id()));
    let refused = village.act(0, |engine, now| engine.update(now, &unknown.id(), update.clone()));
    assert!(matches!(refused, Err(PublishError::NoKey(_))));
    village.act(0, |engine, now| engine.update(now, &copied.id(), RecordUpdate::body("mended"))).unwrap();
    assert_eq!(read(&village, 0, copied.id()).unwrap(), "mended");
    // And a good one keeps its content, encrypted anew.
    village.act(0, |engine, now| engine.update(now, &good.id(), update)).unwrap();
    assert_eq!(read(&village, 0, good.id()).unwrap(), "a secret");
    assert_ne!(village.engines[0].current(&good.id()).unwrap().unwrap().body(), body);
}

#[test]
fn without_its_key_a_member_waits_and_what_it_was_told_can_be_read_later() {
    let mut village = village(5, 2);
    let written = village.publish(0, "a secret").unwrap();
    assert!(village.grant(0, 1, Role::Member));
    let is_key = |record: &SignedRecord| {
        let act = Act::of(record);
        act.is_some_and(|a| matches!(a.body().content, Content::Epoch(_) | Content::EpochKeys { .. }))
    };
    let (keys, rest): (Vec<_>, Vec<_>) = village.records(0).into_iter().partition(is_key);
    assert_eq!(keys.len(), 2);
    village.give(1, rest);
    let draft = RecordDraft::new("test.note", "x").unwrap();
    let refused = village.act(1, |engine, now| engine.publish(now, draft.clone()));
    assert!(matches!(refused, Err(PublishError::NoKey(_))), "{refused:?}");
    let engine = &village.engines[1];
    let reader = OpenReader::new(engine.store.reader(), engine);
    let told = |reader: &OpenReader| {
        let changes = reader.changes(Lsn(0), &[], &[], 9).unwrap().entries;
        let record = Arc::clone(&changes[0].record);
        assert_eq!((changes.len(), record.id), (1, written.id()));
        (record.body_state, record.body.clone())
    };
    assert_eq!(told(&reader), (BodyState::KeyMissing, Default::default()));
    village.give(1, keys);
    assert_eq!(told(&reader), (BodyState::Clear, "a secret".into()));
    village.act(1, |engine, now| engine.publish(now, draft)).unwrap();
    assert!(!format!("{:?} {:?}", village.engines[1].key_ring(), reader).contains("Zeroizing"));
}

#[test]
fn the_limit_of_a_record_counts_what_encryption_adds() {
    let mut village = village(6, 1);
    let max = village.genesis.max_record as usize - BODY_OVERHEAD;
    let empty = RecordDraft::new("test.note", "").unwrap().attributes.encoded_len();
    let draft = |len: usize| RecordDraft::new("test.note", vec![0; len - empty]).unwrap();
    let published = village.act(0, |engine, now| engine.publish(now, draft(max))).unwrap();
    assert_eq!(published.body.len(), max - empty, "the author is given what it wrote");
    let stored = village.engines[0].current(&published.id).unwrap().unwrap();
    assert_eq!(stored.body().len(), max - empty + BODY_OVERHEAD);
    let refused = village.act(0, |engine, now| engine.publish(now, draft(max + 1)));
    let Err(PublishError::Draft(DraftError::TooLarge { len, max: told })) = refused else { panic!() };
    assert_eq!((len, told), (max + 1, max));
    let update = RecordUpdate::body(vec![0; max + 1 - empty]);
    let refused = village.act(0, |engine, now| engine.update(now, &published.id, update));
    assert!(matches!(refused, Err(PublishError::Draft(DraftError::TooLarge { .. }))));
}

#[test]
fn who_may_not_begins_no_epoch_and_plain_groups_have_none() {
    let mut village = village(7, 3);
    assert!(village.grant(0, 1, Role::Inviter) && village.grant(0, 2, Role::Admin));
    village.converge(7);
    let refused = village.act(1, Engine::begin_epoch);
    assert!(matches!(refused, Err(PublishError::Credential(CredentialFault::Role))), "{refused:?}");
    let before = current(&village, 0);
    village.act(2, Engine::begin_epoch).unwrap();
    village.converge(7);
    assert_ne!(current(&village, 0), before);
    assert_eq!(current(&village, 0), current(&village, 1));
    let mut plain = Village::new(7, 1);
    assert!(matches!(
        plain.act(0, Engine::begin_epoch),
        Err(PublishError::Credential(CredentialFault::Malformed))
    ));
    let record = plain.publish(0, "in the clear").unwrap();
    assert_eq!(record.body(), "in the clear");
    assert!(acts(&plain, 0).is_empty());
}

/// Random histories: members come, go and come again, by two admins and an inviter, apart and together.
#[test]
fn whatever_happened_members_read_everything_and_nobody_else_what_follows() {
    for seed in 100..112 {
        let mut village = village(seed, 7);
        assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Inviter));
        village.converge(seed);
        let mut written = Vec::new();
        for step in 0..40 {
            let who = village.rng.random_range(0..village.engines.len());
            let other = village.rng.random_range(3..village.engines.len());
            match village.rng.random_range(0..6) {
                0 => {
                    let by = village.rng.random_range(0..3);
                    village.grant(by, other, Role::Member);
                }
                1 => {
                    let (by, peer) = (village.rng.random_range(0..2), village.peer(other));
                    // Whoever is no member there cannot be removed there.
                    let _ = village.act(by, |engine, now| engine.remove(now, peer, "", Removal::default()));
                }
                2 | 3 => {
                    let text = format!("{step}");
                    written.extend(village.publish(who, &text).map(|record| (record.id(), text)));
                }
                4 => {
                    let to = village.rng.random_range(0..village.engines.len());
                    village.copy(who, to);
                }
                _ => village.act(who, Engine::handle_timeout),
            }
            village.pass(3);
        }
        village.converge(seed);
        settle(&mut village, seed);
        let last = village.publish(0, "the last").unwrap();
        village.converge(seed);
        for number in 0..village.engines.len() {
            let (engine, now) = (&village.engines[number], village.now());
            let is_member =
                engine.membership().unwrap().member(village.peer(number), engine.peer_time(now)).is_some();
            let expected = if is_member { Ok("the last".to_owned()) } else { Err(BodyState::KeyMissing) };
            assert_eq!(read(&village, number, last.id()), expected, "seed {seed}, {number}");
            assert_eq!(current(&village, number), current(&village, 0));
            for (id, text) in written.iter().filter(|_| is_member) {
                // Some were withdrawn with a removal that did not know them.
                if engine.store.get(id).unwrap().is_some() {
                    assert_eq!(read(&village, number, *id).as_ref(), Ok(text), "seed {seed}, {number}");
                }
            }
        }
    }
}

pub(super) fn epochs(village: &Village, number: usize) -> usize {
    acts(village, number).iter().filter(|act| matches!(act.body().content, Content::Epoch(_))).count()
}

#[test]
fn when_an_inviter_removes_one_admin_begins_the_epoch_and_the_others_see_it() {
    let mut village = village(9, 4);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Inviter));
    village.converge(9);
    assert!(village.grant(2, 3, Role::Member));
    village.converge(9);
    village.pass(100);
    remove(&mut village, 2, 3);
    assert_eq!(epochs(&village, 2), 1, "it is not an inviter's to begin one");
    village.copy(2, 0);
    village.copy(2, 1);
    assert_eq!((epochs(&village, 0), epochs(&village, 1)), (1, 1), "the others may be faster");
    village.pass(7);
    village.act(0, Engine::handle_timeout);
    assert_eq!(epochs(&village, 0), 2);
    village.copy(0, 1);
    village.act(1, Engine::handle_timeout);
    village.converge(9);
    settle(&mut village, 9);
    assert_eq!(epochs(&village, 1), 2);
    let later = village.publish(2, "later").unwrap();
    village.converge(9);
    assert_eq!(read(&village, 1, later.id()).unwrap(), "later");
    assert_eq!(read(&village, 3, later.id()), Err(BodyState::KeyMissing));
}

#[test]
fn who_is_not_renewed_reads_nothing_later_and_who_comes_again_everything() {
    let mut village = village(10, 2);
    let guest = village.peer(1);
    let lifetime = Some(std::time::Duration::from_secs(100));
    village.act(0, |engine, now| engine.grant(now, guest, "", Role::Member, lifetime)).unwrap();
    village.converge(10);
    village.pass(200);
    settle(&mut village, 10);
    let later = village.publish(0, "later").unwrap();
    village.converge(10);
    assert_eq!(epochs(&village, 0), 2);
    assert_eq!(read(&village, 1, later.id()), Err(BodyState::KeyMissing));
    assert!(village.grant(0, 1, Role::Member));
    village.converge(10);
    assert_eq!(read(&village, 1, later.id()).unwrap(), "later");
    settle(&mut village, 10);
    assert_eq!(epochs(&village, 0), 2, "nobody left");
}

#[test]
fn what_a_removed_admin_began_still_opens_what_others_wrote() {
    let mut village = village(11, 4);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Member));
    village.converge(11);
    village.act(1, Engine::begin_epoch).unwrap();
    village.converge(11);
    let written = village.publish(2, "under another's key").unwrap();
    village.converge(11);
    let (peer, nothing_stays) =
        (village.peer(1), Removal { keep_records: false, with_branch: true, undo: false });
    village.act(0, |engine, now| engine.remove(now, peer, "", nothing_stays)).unwrap();
    assert!(village.grant(0, 3, Role::Member));
    village.converge(11);
    assert_eq!(epochs(&village, 3), 3);
    assert_eq!(read(&village, 3, written.id()).unwrap(), "under another's key");
}

#[test]
fn c43_what_is_published_after_a_removal_is_under_the_new_key_without_waiting() {
    let mut village = village(9, 2);
    assert!(village.grant(0, 1, Role::Member));
    village.converge(9);
    let before = village.publish(0, "before").unwrap().id();
    let removed = village.peer(1);
    let after = village.act(0, |engine, now| -> Result<_, PublishError> {
        let draft = RecordDraft::new("test.note", "after").unwrap();
        // Signed before the removal is carried out, as on another thread, and in one batch with it.
        let stamped = engine.stamper().stamp(now.wall, [9; 16], draft)?;
        engine.remove(now, removed, "", Removal::default())?;
        engine.publish_stamped(now, stamped)
    });
    let after = after.unwrap();
    assert_eq!(after.body_text(), Some("after"));
    let epoch = |id| village.engines[0].current(&id).unwrap().unwrap().body()[1..33].to_vec();
    assert_ne!(epoch(before), epoch(after.id));
    assert_eq!(read(&village, 0, after.id).unwrap(), "after");
}
