//! What questions, a join and a pass of renewals cost in a group of 10,000: looks at grants, and acts that are judged.

use std::time::Duration;

use super::super::{Engine, group_tests::Village, renewal_tests::crowd};
use crate::{
    authority::work::done,
    crypto::SecretKey,
    group::Membership,
    ids::PeerId,
    limits::ISSUED_AT_ONCE,
    record::{RecordType, Role, SignedRecord},
    records::Verdict,
    time::Timestamp,
};

const MEMBERS: usize = 10_000;

fn stranger(number: u64) -> PeerId {
    let mut bytes = [9; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    SecretKey::from_bytes(&bytes).peer()
}

/// What an answer costs, in looks at grants; nothing is judged for any.
fn looks<T>(ask: impl FnOnce() -> T) -> (T, usize) {
    done();
    let answer = ask();
    let (looked, judged) = done();
    assert_eq!(judged, 0);
    (answer, looked)
}

fn members(engine: &Engine) -> &Membership {
    engine.membership().unwrap()
}

fn group() -> (Village, SignedRecord, Timestamp) {
    let mut village = Village::new(0x10_000, 2);
    assert!(village.grant(0, 1, Role::Member));
    village.copy(0, 1);
    let note = village.publish(1, "a note").unwrap();
    village.copy(1, 0);
    let other = village.engines.pop().unwrap();
    crowd(&mut village, MEMBERS);
    village.engines.push(other);
    let now = village.engines[0].peer_time(village.now());
    (village, note, now)
}

#[test]
fn h3_a_question_costs_the_same_in_a_group_of_ten_thousand_and_a_list_a_few_looks_at_each() {
    let (village, note, now) = group();
    let engine = &village.engines[0];
    let (it, nobody) = (village.peer(1), stranger(1));
    for peer in [it, nobody, village.peer(0)] {
        let of = members(engine);
        let asked = [
            looks(|| of.is_member(peer, now)).1,
            looks(|| of.role(peer, now)).1,
            looks(|| of.member(peer, now)).1,
            looks(|| of.standings(peer, now)).1,
            looks(|| of.last_standing(peer)).1,
            looks(|| of.ending(peer)).1,
            looks(|| of.was_removed(peer)).1,
            looks(|| of.knows(peer)).1,
            looks(|| of.is_stranger(&peer)).1,
            looks(|| of.why_no_member(peer)).1,
            looks(|| of.next_change(now)).1,
        ];
        assert!(asked.iter().all(|looked| *looked <= 6), "{asked:?}");
    }
    let (verdict, looked) = looks(|| engine.policy().check(&note, None));
    assert!(verdict == Verdict::Accept && looked <= 4, "{looked}");
    // A list looks at each a few times.
    let of = members(engine);
    let (listed, looked) = looks(|| of.list(now));
    assert_eq!(listed.len(), MEMBERS + 2);
    assert!(looked <= 3 * MEMBERS, "{looked}");
    let (admitters, looked) = looks(|| of.admitters(now));
    assert!(admitters.len() == 1 && looked <= 3 * MEMBERS, "{looked}");
}

#[test]
fn h3_a_join_in_a_group_of_ten_thousand_is_judged_alone() {
    let (mut village, ..) = group();
    done();
    for number in 0..5 {
        let peer = stranger(number);
        village.act(0, |engine, now| engine.grant(now, peer, "", Role::Member, None)).unwrap();
        let (looked, judged) = done();
        // Whoever is told of members hears who joined: that is found in one list of all.
        assert!(judged == 1 && looked <= 2 * MEMBERS + 100, "{judged} judged, {looked} looks");
    }
    // A note of a member, and a minute without news.
    let note = village.publish(0, "a note").unwrap();
    assert_eq!(village.engines[0].current(&note.id()).unwrap(), Some(note));
    let (looked, judged) = done();
    assert!(judged == 0 && looked <= 4, "{judged} judged, {looked} looks");
}

#[test]
fn h3_a_pass_of_renewals_looks_at_each_member_a_few_times_and_judges_what_it_signs() {
    let (mut village, ..) = group();
    village.engines[0].group.compared = true;
    let pass = |village: &mut Village| {
        done();
        village.act(0, |engine, now| {
            engine.group.next_check = Some(now.mono);
            engine.group.next_renewal = now.mono;
            engine.handle_timeout(now);
        });
        done()
    };
    let (looked, judged) = pass(&mut village);
    assert!(judged == 0 && looked <= 4 * MEMBERS + 100, "none is due: {judged} judged, {looked} looks");
    village.pass(1900);
    for round in 0..4 {
        let (looked, judged) = pass(&mut village);
        assert!(judged == ISSUED_AT_ONCE, "round {round}: {judged} judged");
        assert!(looked <= 4 * MEMBERS + 100, "round {round}: {looked} looks");
    }
    let _ = (Duration::ZERO, RecordType::credential());
}
