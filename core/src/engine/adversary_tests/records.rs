//! Records that are old, from the future, out of bounds, or badly signed.

use std::collections::BTreeSet;

use super::*;
use crate::{
    crypto::SIGNATURE_LEN,
    engine::Removal,
    limits::{DEFAULT_TOMBSTONE_LIFETIME, MAX_HELD},
    record::{Made, RecordUpdate},
};

fn note(village: &Village, by: usize, hlc: Hlc, nonce: u64) -> Header {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&nonce.to_le_bytes());
    let own = village.engines[by].group.own_grant();
    Header { grant: own, ..header(village.peer(by), RecordType::new("test.note").unwrap(), hlc, bytes) }
}

fn signed(village: &Village, by: usize, header: Header) -> SignedRecord {
    SignedRecord::sign(&village.graph(), &village.keys[by], header, b"from an adversary")
}

/// A member of the first engine's group on a link of its own, as a neighbor.
fn neighbor(village: &mut Village, who: usize) -> Caller {
    let identity = village.keys[who].clone();
    let caller = Caller::new(village, identity);
    let answer = caller.connect(village, 0, Purpose::Neighbor, Vec::new());
    assert!(matches!(answer, Some(Message::Welcome(_))), "{answer:?}");
    caller
}

fn push(records: &[SignedRecord]) -> Message {
    Message::Push { origin: 1, records: records.iter().map(|record| record.bytes().clone()).collect() }
}

#[test]
fn s5_everything_that_was_ever_heard_is_replayed_and_nothing_changes() {
    let mut village = generations(0x55);
    let mut heard: Vec<SignedRecord> = Vec::new();
    let mut ids = Vec::new();
    for number in 0..20 {
        let record = village.publish([0, 1, 2][number % 3], &format!("{number}")).unwrap();
        ids.push(record.id());
        village.pass(1);
    }
    village.converge(0x55);
    heard.extend(village.records(0));
    for (number, id) in ids.iter().enumerate() {
        let by = [0, 1, 2][number % 3];
        if number % 2 == 0 {
            let update = RecordUpdate::body("changed");
            village.act(by, |engine, now| engine.update(now, id, update)).unwrap();
            village.copy(by, 0);
            heard.extend(village.records(0));
        }
        village.act(by, |engine, now| engine.delete(now, id, None)).unwrap();
        village.pass(1);
    }
    village.converge(0x55);
    heard.extend(village.records(2));
    // And one of them is removed with all that was hers.
    let ben = village.peer(2);
    let removal = Removal { keep_records: false, with_branch: false, undo: false };
    village.act(0, |engine, now| engine.remove(now, ben, "", removal)).unwrap();
    village.converge(0x55);
    let before: Vec<_> =
        (0..5).map(|n| (village.engines[n].fingerprint(), membership(&village, n))).collect();
    for _ in 0..3 {
        for number in 0..5 {
            village.give(number, heard.clone());
        }
        village.pass(60);
    }
    let after: Vec<_> = (0..5).map(|n| (village.engines[n].fingerprint(), membership(&village, n))).collect();
    assert_eq!(before, after);
    for id in &ids {
        let here = village.engines[0].store.get(id).unwrap();
        assert!(here.is_none_or(|record| record.header().deleted), "{id:?} lives");
    }
}

fn membership(village: &Village, at: usize) -> BTreeSet<(PeerId, Role)> {
    let members = village.engines[at].members(village.now()).into_iter();
    members.map(|member| (member.peer, member.role.unwrap())).collect()
}

#[test]
fn s7_records_from_the_future_are_held_in_bounds_or_refused_and_no_clock_follows() {
    let mut village = generations(0x57);
    let caller = neighbor(&mut village, 2);
    let before = village.engines[0].fingerprint();
    let now = village.engines[0].peer_time(village.now());
    let ahead = |minutes: u64| Hlc::at(now + Duration::from_secs(60 * minutes));
    for batch in 0..15u64 {
        let records: Vec<SignedRecord> = (0..100)
            .map(|number| signed(&village, 2, note(&village, 2, ahead(5), 100 * batch + number)))
            .collect();
        caller.say(&mut village, 0, &push(&records));
    }
    assert_eq!(village.engines[0].held.len(), MAX_HELD, "1,500 came");
    for minutes in [11, 60, 60 * 24 * 365 * 1000] {
        let far = signed(&village, 2, note(&village, 2, ahead(minutes), 9000 + minutes));
        caller.say(&mut village, 0, &push(&[far]));
    }
    assert_eq!(village.engines[0].fingerprint(), before);
    assert!(village.engines[0].overlay.peer_of(caller.link).is_some(), "clocks differ: no reason to part");
    let honest = village.publish(0, "now").unwrap();
    assert!(honest.header().hlc < ahead(1), "{:?}", honest.header().hlc);
    // Their time comes, and they with it.
    village.pass(4 * 60);
    village.act(0, |engine, now| engine.handle_timeout(now));
    assert_eq!(village.engines[0].held.len(), 0);
    assert_eq!(village.engines[0].fingerprint().count, before.count + 1 + MAX_HELD as u64);
}

#[test]
fn s8_numbers_at_their_ends_neither_overflow_nor_get_in() {
    let mut village = generations(0x58);
    let now = village.engines[0].peer_time(village.now());
    let times = [0, 1, now.0 - 1, now.0, now.0 + 1, (1 << 48) - 1, 1 << 48, u64::MAX - 1, u64::MAX];
    let hlcs = [0, 1, Hlc::at(now).0, Hlc::at(now).0 | 0xffff, u64::MAX - 1, u64::MAX];
    let versions = [0, 1, 2, 1 << 16, (1 << 16) + 1, u64::MAX - 1, u64::MAX];
    let mut nonce = 0;
    let mut records = Vec::new();
    for created in times {
        for hlc in hlcs {
            for version in versions {
                for expires in [None, Some(Timestamp(0)), Some(Timestamp(u64::MAX))] {
                    nonce += 1;
                    let header = note(&village, 1, Hlc(hlc), nonce);
                    let created = Timestamp(created);
                    let later = Made { grant: header.grant, content: [7; 16], proof: None };
                    let origin = Some(if version == 1 { Origin::First } else { Origin::Later(later) });
                    records.push(signed(&village, 1, Header { created, version, expires, origin, ..header }));
                }
            }
        }
    }
    assert!(records.len() > 1000);
    // As they come from a neighbor: what contradicts itself is not even decoded.
    let decodable: Vec<SignedRecord> = records
        .into_iter()
        .filter(|r| SignedRecord::decode(&village.graph(), r.bytes().clone(), 1 << 20).is_ok())
        .collect();
    village.give(0, decodable);
    for record in village.records(0) {
        let header = record.header();
        let age = header.hlc.timestamp().0.saturating_sub(header.created.0);
        assert!(header.hlc.timestamp() <= now + Duration::from_secs(1), "{header:?}");
        assert!(header.version <= (1 << 16) + age * 1000, "{header:?}");
    }
    // The database still takes what is honest, and its clock is where it was.
    let honest = village.publish(0, "still here").unwrap();
    assert!(honest.header().hlc.timestamp() <= now + Duration::from_secs(1));
    let id = honest.id();
    let update = RecordUpdate::body("and here");
    assert!(village.act(0, |engine, now| engine.update(now, &id, update)).is_ok());
}

#[test]
fn s13_within_its_time_a_tombstone_holds_against_whoever_was_away() {
    let mut village = generations(0x5d);
    let record = village.publish(1, "short-lived").unwrap();
    village.converge(0x5d);
    village.act(1, |engine, now| engine.delete(now, &record.id(), None)).unwrap();
    village.copy(1, 0);
    // Engine 2 was away all the while and still has it.
    village.pass(DEFAULT_TOMBSTONE_LIFETIME.as_secs() - 3600);
    for number in [0, 1, 2] {
        village.act(number, |engine, now| engine.handle_timeout(now));
    }
    assert!(village.engines[2].store.get(&record.id()).unwrap().is_some_and(|r| !r.header().deleted));
    village.copy(2, 0);
    village.copy(0, 2);
    for number in [0, 2] {
        let here = village.engines[number].store.get(&record.id()).unwrap();
        assert!(here.is_some_and(|record| record.header().deleted), "at {number}");
    }
}

#[test]
fn s15_bad_signatures_end_the_link_at_once_and_what_follows_them_is_not_looked_at() {
    let mut village = generations(0x5f);
    let before = village.engines[0].fingerprint().count;
    let caller = neighbor(&mut village, 2);
    let now = Hlc::at(village.engines[0].peer_time(village.now()));
    let mut records: Vec<SignedRecord> =
        (0..4000).map(|number| signed(&village, 2, note(&village, 2, now, number))).collect();
    for record in &mut records[..3] {
        let mut bytes = record.bytes().to_vec();
        let at = bytes.len() - record.body().len() - SIGNATURE_LEN;
        bytes[at] ^= 1;
        *record = SignedRecord::decode(&village.graph(), bytes.into(), 1 << 20).unwrap();
    }
    caller.say(&mut village, 0, &push(&records));
    assert!(village.engines[0].overlay.peer_of(caller.link).is_none(), "the link is over");
    let taken = village.engines[0].fingerprint().count - before;
    assert!(taken < 600, "{taken} of 4,000 were still checked");
    // The node is shunned for ten minutes, then for twenty.
    for minutes in [10u64, 20] {
        let again = Caller { link: LinkId(minutes), identity: caller.identity.clone(), ..caller };
        assert!(is_turned_away(again.connect(&mut village, 0, Purpose::Neighbor, Vec::new()).as_ref()));
        village.pass(60 * minutes + 1);
        let again = Caller { link: LinkId(minutes + 1), ..again };
        let answer = again.connect(&mut village, 0, Purpose::Neighbor, Vec::new());
        assert!(matches!(answer, Some(Message::Welcome(_))), "{answer:?}");
        again.say(&mut village, 0, &push(&records[..3]));
        assert!(village.engines[0].overlay.peer_of(again.link).is_none());
    }
}

#[test]
fn c29_links_that_are_refused_leave_nothing_behind() {
    let mut village = generations(0x29);
    for number in 0..1000 {
        let identity = SecretKey::from_bytes(&village.rng.random());
        let caller = Caller::new(&mut village, identity);
        let purpose = [Purpose::Neighbor, Purpose::Direct, Purpose::Probe][number % 3];
        let _ = caller.connect(&mut village, 0, purpose, Vec::new());
        caller.heard(&mut village.engines[0]);
    }
    let engine = &village.engines[0];
    assert_eq!((engine.links.len(), engine.group.exporters.len(), engine.strikes.len()), (0, 0, 0));
}
