//! What a hostile member can make others renew, and whom it can keep from being renewed.

use super::*;
use crate::{
    limits::{RENEWALS_COUNTED, RENEWED_OF_GIVER},
    time::Timestamp,
};

/// An identity that has no node.
fn stranger(number: u64) -> PeerId {
    let mut bytes = [11; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    SecretKey::from_bytes(&bytes).peer()
}

/// Grants signed by `by`, each after the one before, heard at all.
fn give_all(village: &mut Village, by: usize, grants: Vec<Grant>) -> Vec<ActId> {
    let own = village.engines[by].group.own_grant().map(ActId::from_bytes);
    let (mut after, at) = (village.heads(by), village.engines[by].peer_time(village.now()));
    let mut records = Vec::new();
    for grant in grants {
        let body = ActBody { author: village.peer(by), by: own, after, at, content: Content::Grant(grant) };
        let record = village.sign_as(by, body);
        after = vec![Act::of(&record).unwrap().id()];
        records.push(record);
    }
    for at in 0..village.engines.len() {
        enter(village, at, &records);
    }
    records.iter().map(|record| Act::of(record).unwrap().id()).collect()
}

fn ending(subject: PeerId, role: Role, end: Timestamp, depth: u8) -> Grant {
    Grant { not_after: Some(end), renew: true, depth, ..plain_grant(subject, role) }
}

fn peer_time(village: &Village) -> Timestamp {
    village.engines[0].peer_time(village.now())
}

/// The honest give no such grants; who gives memberships of five minutes that are to be renewed makes others sign a few times a day.
#[test]
fn u4_what_was_given_for_minutes_is_renewed_for_a_day_each_time() {
    const GUESTS: usize = 20;
    let mut village = Village::new(0xa4, 2);
    assert!(village.grant(0, 1, Role::Inviter));
    village.converge(0xa4);
    village.engines[0].group.compared = true;
    let end = peer_time(&village) + Duration::from_secs(300);
    let guests = (0..GUESTS as u64).map(|number| ending(stranger(number), Role::Member, end, 0)).collect();
    let given = give_all(&mut village, 1, guests);
    // It goes; a node above stays on for two days.
    let mut most = 0;
    for minute in 0..2 * 24 * 60_u64 {
        village.pass(if minute < 20 { 20 } else { 60 });
        let engine = &village.engines[0];
        if engine.poll_timeout(village.now()).is_some_and(|due| due <= village.now().mono) {
            let before = village.engines[0].membership().unwrap().acts().acts().count();
            village.act(0, |engine, now| engine.handle_timeout(now));
            most = most.max(village.engines[0].membership().unwrap().acts().acts().count() - before);
        }
    }
    let renewed = renewals(&village, 0, 0);
    assert!(given.iter().all(|grant| matches!(renewed.get(grant), Some(1..=5))), "{renewed:?}");
    assert!(most <= ISSUED_AT_ONCE, "{most} in one step");
    let members = village.engines[0].membership().unwrap();
    assert!((0..GUESTS as u64).all(|number| members.is_member(stranger(number), peer_time(&village))));
}

/// Of one who lets many in, and of all below that one, an identity renews so many in a day, also after a start. That is nobody
/// else's bound, and over when the day is.
#[test]
fn u4_the_renewals_of_one_givers_guests_are_bounded_in_a_day() {
    let mut village = Village::new(0xa5, 4);
    assert!(village.grant(0, 1, Role::Inviter) && village.grant(0, 2, Role::Inviter));
    village.converge(0xa5);
    assert!(village.grant(1, 3, Role::Inviter));
    village.converge(0xa5);
    let end = peer_time(&village) + DAY * 2;
    let old = give_all(&mut village, 1, vec![ending(stranger(0), Role::Member, end, 0)])[0];
    // Ann renewed all but one of those that she may.
    let (mut after, at) = (village.heads(0), peer_time(&village));
    let mut records = Vec::new();
    for number in 1..RENEWED_OF_GIVER as u64 {
        let content = Content::Renew { grant: old, not_after: end + DAY + Duration::from_millis(number) };
        let body = ActBody { author: village.peer(0), by: None, after, at, content };
        let record = village.sign_as(0, body);
        after = vec![Act::of(&record).unwrap().id()];
        records.push(record);
    }
    for some in records.chunks(1000) {
        enter(&mut village, 0, some);
    }
    assert_eq!(renewals(&village, 0, 0)[&old], RENEWED_OF_GIVER - 1);
    let soon = peer_time(&village) + DAY;
    let his = |number| ending(stranger(number), Role::Member, soon, 0);
    // By 1, and by its guest 3; by 2; and by Ann herself.
    let mut ones = give_all(&mut village, 1, vec![his(1), his(2)]);
    ones.extend(give_all(&mut village, 3, vec![his(3), his(4)]));
    let others = [give_all(&mut village, 2, vec![his(5)])[0], give_all(&mut village, 0, vec![his(6)])[0]];
    village.restart(0);
    village.engines[0].usable = true;
    village.engines[0].group.compared = true;
    village.pass(60_000);
    for _ in 0..3 {
        renew(&mut village, 0);
    }
    let renewed = renewals(&village, 0, 0);
    assert!(others.iter().all(|grant| renewed.get(grant) == Some(&1)), "others' guests are renewed");
    assert_eq!(ones.iter().filter(|grant| renewed.contains_key(*grant)).count(), 1);
    village.pass(RENEWALS_COUNTED.as_secs() - 60_000);
    for _ in 0..3 {
        renew(&mut village, 0);
    }
    // What ended meanwhile is over.
    let again = give_all(&mut village, 1, vec![ending(stranger(7), Role::Member, soon + DAY, 0)])[0];
    village.pass(70_000);
    renew(&mut village, 0);
    assert_eq!(renewals(&village, 0, 0).get(&again), Some(&1), "a day later");
}

/// Ann; her inviters 1 (hostile) and 2; 3 by 2; 4 by 3; and the guest 5, who is 4's for a day. Hostile inviters are below 1.
fn far_guest(seed: u64, puppets: usize) -> (Village, ActId) {
    let mut village = Village::new(seed, 6 + puppets);
    for (by, to) in [(0, 1), (0, 2), (2, 3), (3, 4)] {
        assert!(village.grant(by, to, Role::Inviter));
        village.converge(seed);
    }
    for puppet in 6..6 + puppets {
        assert!(village.grant(1, puppet, Role::Inviter));
    }
    village.converge(seed);
    village.engines[0].group.compared = true;
    let end = peer_time(&village) + DAY;
    let guest = ending(village.peer(5), Role::Member, end, 0);
    let given = give_all(&mut village, 4, vec![guest])[0];
    (village, given)
}

/// Gifts to 5 that no other grant makes needless: each lasts longer than the one before, with less depth.
fn gifts(village: &mut Village, by: usize, count: u8, role: Role) -> Vec<ActId> {
    let (guest, end) = (village.peer(5), peer_time(village) + DAY);
    let gift =
        |number: u8| ending(guest, role, end + Duration::from_secs(60) * u32::from(number), 4 - number);
    give_all(village, by, (0..count).map(gift).collect())
}

#[test]
fn u5_puppets_of_one_member_push_nobody_out() {
    let (mut village, given) = far_guest(0xa6, 8);
    // Each of them higher than who gave the guest's membership.
    for puppet in 6..14 {
        gifts(&mut village, puppet, 1, Role::Member);
    }
    gifts(&mut village, 1, 5, Role::Inviter);
    village.pass(60_000);
    renew(&mut village, 0);
    let renewed = renewals(&village, 0, 0);
    assert_eq!((renewed.len(), renewed.get(&given)), (RENEWED_OF_MEMBER, Some(&1)));
}

#[test]
fn u5_nor_do_those_below_the_giver_that_it_shares_with_them() {
    // 2 let in 3, by whose word the guest is, and a hostile one with many below. To Ann, all are below 2.
    const HOSTILE: usize = 6;
    let mut village = Village::new(0xa7, 14);
    for (by, to) in [(0, 2), (2, 3), (3, 4), (2, HOSTILE)] {
        assert!(village.grant(by, to, Role::Inviter));
        village.converge(0xa7);
    }
    for puppet in 7..14 {
        assert!(village.grant(HOSTILE, puppet, Role::Inviter));
    }
    village.converge(0xa7);
    village.engines[0].group.compared = true;
    let guest = ending(village.peer(5), Role::Member, peer_time(&village) + DAY, 0);
    let given = give_all(&mut village, 4, vec![guest])[0];
    for puppet in 7..14 {
        gifts(&mut village, puppet, 2, Role::Member);
    }
    village.pass(60_000);
    renew(&mut village, 0);
    let renewed = renewals(&village, 0, 0);
    assert_eq!((renewed.len(), renewed.get(&given)), (RENEWED_OF_MEMBER, Some(&1)));
}

/// Six whom Ann herself made inviters fill the places of the first look; who had one then comes after those that had none.
#[test]
fn u5_t2_many_givers_together_push_nobody_out_for_longer_than_a_look_or_two() {
    let mut village = Village::new(0xa8, 12);
    for (by, to) in [(0, 2), (2, 3), (3, 4), (0, 6), (0, 7), (0, 8), (0, 9), (0, 10), (0, 11)] {
        assert!(village.grant(by, to, Role::Inviter));
        village.converge(0xa8);
    }
    village.engines[0].group.compared = true;
    let guest = ending(village.peer(5), Role::Member, peer_time(&village) + DAY, 0);
    let given = give_all(&mut village, 4, vec![guest])[0];
    for hostile in 6..12 {
        gifts(&mut village, hostile, 5, Role::Inviter);
    }
    village.pass(60_000);
    renew(&mut village, 0);
    let first = renewals(&village, 0, 0);
    assert_eq!((first.len(), first.get(&given)), (RENEWED_OF_MEMBER, None));
    renew(&mut village, 0);
    assert_eq!(renewals(&village, 0, 0).get(&given), Some(&1));
}
