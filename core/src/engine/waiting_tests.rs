//! The bounds of what waits: which one goes at the edge, and what somebody hostile can push out.

use std::{cell::Cell, time::Duration};

use super::*;
use crate::{
    authority::{ActBody, Content},
    crypto::SecretKey,
    ids::GraphId,
    record::{Header, RecordType},
    time::{Hlc, Timestamp},
};

const GRAPH: GraphId = GraphId::from_bytes([3; 32]);
const MISSING: Option<[u8; 32]> = Some([9; 32]);
const START: Mono = Mono(0);

fn key(number: u64) -> SecretKey {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    SecretKey::from_bytes(&bytes)
}

/// A Merge of which only author and time differ.
fn act_after(key: &SecretKey, number: u64, after: Vec<ActId>) -> SignedRecord {
    let (author, at) = (key.peer(), Timestamp(1000 + number));
    let body = ActBody { author, by: Some(ActId::from_bytes([1; 32])), after, at, content: Content::Merge };
    let (header, body) = Act::draft(body).to_record();
    SignedRecord::sign(&GRAPH, key, header, &body)
}

fn act(key: &SecretKey, number: u64) -> SignedRecord {
    act_after(key, number, Vec::new())
}

/// What no act is, of this size: as a chunk.
fn chunk(key: &SecretKey, number: u64, size: usize) -> SignedRecord {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    let header = Header::first(RecordType::credential(), nonce, key.peer(), Hlc::at(Timestamp(1000)));
    SignedRecord::sign(&GRAPH, key, header, &vec![1; size])
}

fn id(record: &SignedRecord) -> ActId {
    Act::of(record).unwrap().id()
}

/// Which of these still wait.
fn left(waiting: &WaitingActs, records: &[SignedRecord]) -> Vec<bool> {
    records.iter().map(|record| waiting.contains(&record.key())).collect()
}

/// What the table says of itself is what is in it.
fn check(waiting: &WaitingActs) {
    let WaitingActs { records, by_missing, set_aside, acts, keys, of_members, of_strangers, .. } = waiting;
    let WaitingActs { about, deciding, roots, fresh, .. } = waiting;
    let of = |named: bool| {
        acts.values()
            .filter(move |number| {
                waiting
                    .act(**number)
                    .is_some_and(|act| if named { named_by(act).is_some() } else { decides(act) })
            })
            .count()
    };
    assert_eq!((about.values().map(BTreeSet::len).sum::<usize>(), deciding.len()), (of(true), of(false)));
    assert!(roots.iter().chain(fresh).all(|number| waiting.act(*number).is_some()));
    assert_eq!(keys.len(), records.len());
    assert_eq!(acts.len(), records.values().filter(|w| w.act.is_some()).count());
    assert_eq!(by_missing.values().map(BTreeSet::len).sum::<usize>() + set_aside.len(), records.len());
    assert!(by_missing.values().all(|numbers| !numbers.is_empty()));
    for (pool, is_stranger) in [(of_members, false), (of_strangers, true)] {
        let of: Vec<&Waiting> = records.values().filter(|w| w.is_stranger == is_stranger).collect();
        let bytes: usize = of.iter().map(|w| w.record.bytes().len()).sum();
        assert_eq!((pool.count, pool.bytes), (of.len(), bytes));
        assert_eq!(pool.shares.values().map(|share| share.bytes).sum::<usize>(), bytes);
        assert_eq!(pool.shares.values().map(|share| share.numbers.len()).sum::<usize>(), of.len());
        assert!(pool.shares.values().all(|share| !share.numbers.is_empty()));
    }
}

#[test]
fn w4_a_record_waits_once_and_comes_out_once() {
    let mut waiting = WaitingActs::default();
    let (author, other) = (key(1), key(2));
    let first = act(&author, 1);
    for record in [&first, &first, &act(&author, 1), &act(&other, 1)] {
        waiting.add(START, record.clone(), MISSING, false);
    }
    let set_aside = act(&author, 2);
    waiting.add(START, set_aside.clone(), None, false);
    check(&waiting);
    assert_eq!(waiting.records.len(), 3);
    assert_eq!(waiting.release(&[8; 32]).len(), 0);
    assert_eq!(waiting.release(&[9; 32]).len(), 2);
    assert!(waiting.release(&[9; 32]).is_empty() && waiting.has_set_aside());
    let all = waiting.look(&mut BTreeSet::new(), |_| false, |_| false);
    assert_eq!(waiting.take_set_aside(&all, |_| false).len(), 0);
    assert_eq!(waiting.take_set_aside(&all, |act| act.id() == id(&set_aside)).len(), 1);
    assert!(!waiting.has_set_aside() && waiting.next_due().is_none());
    check(&waiting);
}

#[test]
fn w4_what_waited_ten_minutes_goes_and_nothing_that_came_later() {
    let mut waiting = WaitingActs::default();
    let author = key(1);
    let records: Vec<SignedRecord> = (0..4).map(|number| act(&author, number)).collect();
    for (number, record) in records.iter().enumerate() {
        let missing = (number % 2 == 0).then_some([9; 32]);
        waiting.add(START + Duration::from_secs(number as u64), record.clone(), missing, number > 1);
    }
    assert_eq!(waiting.next_due(), Some(START + DEFERRED_LIFETIME));
    waiting.expire(START + DEFERRED_LIFETIME + Duration::from_secs(1));
    assert_eq!(left(&waiting, &records), [false, false, true, true]);
    assert_eq!(waiting.next_due(), Some(START + DEFERRED_LIFETIME + Duration::from_secs(2)));
    check(&waiting);
    waiting.expire(START + 2 * DEFERRED_LIFETIME);
    assert_eq!((waiting.next_due(), waiting.records.len()), (None, 0));
    check(&waiting);
}

#[test]
fn w4_who_floods_loses_its_own_the_oldest_first() {
    let mut waiting = WaitingActs::default();
    let (honest, hostile) = (key(1), key(2));
    let theirs: Vec<SignedRecord> = (0..50).map(|number| act(&honest, number)).collect();
    theirs.iter().for_each(|record| waiting.add(START, record.clone(), MISSING, false));
    let flood: Vec<SignedRecord> = (0..MAX_WAITING_ACTS as u64 + 10).map(|n| act(&hostile, n)).collect();
    flood.iter().for_each(|record| waiting.add(START, record.clone(), None, false));
    assert_eq!(waiting.records.len(), MAX_WAITING_ACTS);
    assert_eq!(left(&waiting, &theirs), [true; 50]);
    assert!(left(&waiting, &flood[..60]).iter().all(|left| !left), "its oldest went");
    assert!(left(&waiting, &flood[60..]).iter().all(|left| *left));
    check(&waiting);
    // Whoever comes then finds room, at the cost of the same.
    let late = act(&key(3), 0);
    waiting.add(START, late.clone(), MISSING, false);
    assert_eq!(left(&waiting, &[late, flood[60].clone(), flood[61].clone()]), [true, false, true]);
    check(&waiting);
}

#[test]
fn w4_few_that_are_large_push_out_none_of_many_that_are_small() {
    const LARGE: usize = crate::limits::MAX_ACT - 1024;
    let mut waiting = WaitingActs::default();
    let (honest, hostile) = (key(1), key(2));
    let theirs: Vec<SignedRecord> = (0..1000).map(|number| act(&honest, number)).collect();
    theirs.iter().for_each(|record| waiting.add(START, record.clone(), MISSING, false));
    let count = MAX_WAITING_BYTES / LARGE;
    for number in 0..count as u64 + 20 {
        waiting.add(START, chunk(&hostile, number, LARGE), MISSING, false);
        assert!(waiting.of_members.bytes <= MAX_WAITING_BYTES);
    }
    assert_eq!(left(&waiting, &theirs), [true; 1000]);
    assert!(waiting.records.len() >= 1000 + count - 10, "not more went than had to");
    check(&waiting);
}

#[test]
fn w4_throwaway_keys_push_out_nothing_of_a_member_by_number_or_size() {
    const LARGE: usize = crate::limits::MAX_ACT - 1024;
    let mut waiting = WaitingActs::default();
    let theirs: Vec<SignedRecord> = (0..1000).map(|number| chunk(&key(1), number, 16_000)).collect();
    theirs.iter().for_each(|record| waiting.add(START, record.clone(), MISSING, false));
    for number in 0..1000 {
        let size = if number % 2 == 0 { LARGE } else { 100 };
        waiting.add(START, chunk(&key(100 + number), number, size), MISSING, true);
        assert!(waiting.of_strangers.count <= MAX_WAITING_OF_STRANGERS);
        assert!(waiting.of_strangers.bytes <= MAX_WAITING_BYTES_OF_STRANGERS);
    }
    assert_eq!(left(&waiting, &theirs), [true; 1000]);
    check(&waiting);
    // And a member's flood nothing of theirs.
    let before = waiting.of_strangers.count;
    assert!(before > 30);
    for number in 2000..4000 {
        waiting.add(START, chunk(&key(1), number, 16_000), MISSING, false);
    }
    assert_eq!(waiting.of_strangers.count, before);
    check(&waiting);
}

#[test]
fn w4_of_equals_the_one_that_came_first_goes_so_nobody_sits_on_the_places() {
    let mut waiting = WaitingActs::default();
    let mut keys: Vec<SecretKey> = (0..MAX_WAITING_OF_STRANGERS as u64 + 2).map(key).collect();
    // The squatters have the smallest ids, or the largest.
    keys.sort_by_key(SecretKey::peer);
    for turned in [false, true] {
        if turned {
            keys.reverse();
            waiting = WaitingActs::default();
        }
        let records: Vec<SignedRecord> = keys.iter().map(|key| act(key, 0)).collect();
        records.iter().for_each(|record| waiting.add(START, record.clone(), MISSING, true));
        assert_eq!(left(&waiting, &records[..3]), [false, false, true]);
        assert!(left(&waiting, &records[2..]).iter().all(|left| *left));
        check(&waiting);
    }
}

#[test]
fn r17_a_full_table_is_looked_through_once_and_what_is_needed_found_through_any_chain() {
    let mut waiting = WaitingActs::default();
    let (removed, member) = (key(1), key(2));
    let mut chain: Vec<SignedRecord> = Vec::new();
    for number in 0..MAX_WAITING_ACTS as u64 {
        let after = chain.last().map(id).into_iter().collect();
        chain.push(act_after(&removed, number, after));
    }
    chain.iter().for_each(|record| waiting.add(START, record.clone(), None, false));
    let asked = Cell::new(0);
    let may_act = |act: &Act| {
        asked.set(asked.get() + 1);
        act.body().author == member.peer()
    };
    let mut needed = BTreeSet::new();
    let all = waiting.look(&mut needed, may_act, |_| false);
    assert_eq!((needed.len(), all.len()), (0, MAX_WAITING_ACTS), "they need each other only");
    assert_eq!(asked.take(), MAX_WAITING_ACTS);
    // A record names one.
    let named = id(&chain[10]);
    waiting.again.look_at(*named.as_bytes());
    let looked = waiting.look(&mut needed, may_act, |id| *id == named);
    let grant = ActId::from_bytes([1; 32]);
    let all_to = |last: usize| chain[..=last].iter().map(id).chain([grant]).collect::<BTreeSet<_>>();
    assert_eq!(needed, all_to(10));
    assert_eq!((asked.take(), looked.len()), (1, 11));
    // A member's act names another; it displaced the first of the chain.
    let names = act_after(&member, 0, vec![id(&chain[20])]);
    waiting.add(START, names.clone(), Some(*id(&chain[20]).as_bytes()), false);
    let looked = waiting.look(&mut needed, may_act, |_| false);
    assert_eq!(needed, all_to(20));
    assert_eq!((asked.take(), looked.len()), (1, 11), "what is needed already is not looked at again");
    let tried = Cell::new(0);
    let fits = |act: &Act| {
        tried.set(tried.get() + 1);
        needed.contains(&act.id())
    };
    assert_eq!(waiting.take_set_aside(&all, fits).len(), 20);
    assert_eq!(tried.take(), MAX_WAITING_ACTS - 1);
    assert_eq!(waiting.release(id(&chain[20]).as_bytes()), [names]);
    check(&waiting);
}

#[test]
fn x8_what_waits_is_looked_at_once_and_again_only_if_something_changed_for_it() {
    let mut waiting = WaitingActs::default();
    let (one, other, stranger) = (key(1), key(2), key(3));
    let acts = |key: &SecretKey, count| (0..count).map(|number| act(key, number)).collect::<Vec<_>>();
    acts(&one, 3000).into_iter().for_each(|record| waiting.add(START, record, None, false));
    acts(&other, 40).into_iter().for_each(|record| waiting.add(START, record, MISSING, false));
    acts(&stranger, 5).into_iter().for_each(|record| waiting.add(START, record, None, true));
    let asked = Cell::new(0);
    let mut needed = BTreeSet::new();
    let mut look = |waiting: &mut WaitingActs, again: Again| {
        waiting.look_again(again);
        let needs_past = |act: &Act| {
            asked.set(asked.get() + 1);
            act.body().author == other.peer()
        };
        let looked = waiting.look(&mut needed, needs_past, |_| false);
        check(waiting);
        assert_eq!(asked.get(), looked.len());
        asked.take()
    };
    let of = |id: [u8; 32]| Again { of: BTreeSet::from([id]), ..Again::default() };
    assert_eq!(look(&mut waiting, Again::default()), 3045);
    assert_eq!(look(&mut waiting, Again::default()), 0);
    waiting.add(START, act(&one, 3000), None, false);
    assert_eq!(look(&mut waiting, Again::default()), 1);
    assert_eq!(look(&mut waiting, of(*other.peer().as_bytes())), 40);
    assert_eq!(look(&mut waiting, of(*id(&act(&one, 7)).as_bytes())), 1);
    assert_eq!(look(&mut waiting, of([77; 32])), 0);
    assert_eq!(look(&mut waiting, Again { strangers: true, ..Again::default() }), 5);
    assert_eq!(look(&mut waiting, Again { deciding: true, ..Again::default() }), 0);
    assert_eq!(look(&mut waiting, Again { all: true, ..Again::default() }), 3046);
    // What is gone is looked at no more.
    waiting.expire(START + DEFERRED_LIFETIME);
    assert_eq!(look(&mut waiting, Again { all: true, ..Again::default() }), 0);
    assert!(waiting.roots.is_empty() && waiting.fresh.is_empty());
}

/// What an act needed that is gone is forgotten, at a cost of a few acts for each that goes.
#[test]
fn x8_acts_that_come_and_go_leave_nothing_needed() {
    let (mut waiting, member) = (WaitingActs::default(), key(1));
    let (mut needed, mut most) = (BTreeSet::new(), 0);
    waiting.add(START, act(&key(2), 0), None, false);
    for number in 0..2000 {
        let missing = ActId::from_bytes([(number % 251) as u8; 32]);
        let names = act_after(&member, number, vec![id(&act(&member, number)), missing]);
        waiting.add(START, names, Some(*missing.as_bytes()), false);
        waiting.look(&mut needed, |act| act.body().author == member.peer(), |_| false);
        if number % 3 == 2 {
            waiting.release(missing.as_bytes());
        }
        if number % 200 == 199 {
            (0..251).for_each(|byte| drop(waiting.release(&[byte; 32])));
        }
        most = most.max(needed.len());
    }
    waiting.look(&mut needed, |_| false, |_| false);
    assert!(needed.is_empty() && most <= 3 * 200 + 10, "{} of {most}", needed.len());
    check(&waiting);
}
