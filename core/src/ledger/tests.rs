//! Places, paces, and who is at the door.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{
    limits::{KEPT_VISITORS, MAX_VISITORS, UNPROVEN_HANDSHAKES, VISIT_CROWDED, VISIT_FLOOR, VISIT_TIME},
    time::Mono,
};

const CROWD: Source = Source::V4([192, 0, 2]);
const OTHER: Source = Source::V4([198, 51, 100]);

fn at(millis: u64) -> Mono {
    Mono(millis * 1000)
}

fn comes(door: &mut Door<u64>, now: Mono, source: Source, name: u64) -> Entry<u64> {
    let entry = door.enter(now, source, true, name);
    if let Entry::In { number, .. } = entry {
        door.shaken(number);
    }
    entry
}

/// As many of one source as get in at once.
fn crowd(door: &mut Door<u64>, now: Mono) -> usize {
    let places = MAX_VISITORS - KEPT_VISITORS;
    for name in 0..places {
        assert!(
            matches!(comes(door, now, CROWD, name as u64), Entry::In { ref instead, .. } if instead.is_empty())
        );
    }
    places
}

#[test]
fn who_is_behind_one_router_is_from_nowhere() {
    let public = |ip: &str| Source::from(ip.parse::<std::net::IpAddr>().unwrap()).public();
    let local = [
        "127.0.0.1",
        "10.9.8.7",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.1.1",
        "100.64.0.1",
        "100.127.9.9",
        "0.0.0.0",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fdff::1",
        "::ffff:192.168.1.1",
    ];
    assert!(local.iter().all(|ip| public(ip).is_none()));
    assert!(Source::Relay.public().is_none());
    let far = [
        "8.8.8.8",
        "172.32.0.1",
        "172.15.0.1",
        "100.128.0.1",
        "100.63.0.1",
        "192.169.1.1",
        "2001:db8::1",
        "::ffff:8.8.4.4",
    ];
    assert!(far.iter().all(|ip| public(ip).is_some()));
    assert_eq!(public("8.8.8.8"), public("::ffff:8.8.8.1"));
}

#[test]
fn b1_a_crowd_leaves_places_for_those_who_come_from_elsewhere() {
    let mut door = Door::default();
    crowd(&mut door, at(0));
    assert_eq!(
        comes(&mut door, at(1), CROWD, 99),
        Entry::Wait(at(0) + VISIT_FLOOR),
        "one of the crowd waits"
    );
    for other in 0..KEPT_VISITORS {
        let source = Source::V4([10, 0, other as u8]);
        assert!(matches!(comes(&mut door, at(1), source, 100), Entry::In { .. }), "{other}");
    }
    assert_eq!(door.len(), MAX_VISITORS);
    // All are taken: the crowd makes room, and nobody else.
    let entry = comes(&mut door, at(1001), OTHER, 101);
    assert!(matches!(entry, Entry::In { ref instead, .. } if *instead == [0]), "{entry:?}");
    assert_eq!(door.len(), MAX_VISITORS);
}

#[test]
fn b1_the_oldest_of_a_crowd_makes_room_for_one_of_the_crowd() {
    let mut door = Door::default();
    let places = crowd(&mut door, at(0));
    for later in 0..200 {
        let entry = comes(&mut door, at(1000), CROWD, 1000 + later);
        if later < places as u64 {
            assert!(matches!(entry, Entry::In { ref instead, .. } if *instead == [later]), "{entry:?}");
        } else {
            assert_eq!(entry, Entry::Wait(at(2000)), "all had their second");
        }
    }
    assert_eq!(door.len(), places);
}

#[test]
fn b1_who_proves_nothing_goes_sooner_in_a_crowd() {
    let mut door = Door::default();
    comes(&mut door, at(0), CROWD, 7);
    assert_eq!(door.patience(), VISIT_TIME);
    let late = at(0) + VISIT_CROWDED;
    assert!(matches!(comes(&mut door, late, OTHER, 8), Entry::In { ref instead, .. } if instead.is_empty()));
    for other in 2..=MAX_VISITORS / 2 {
        comes(&mut door, late, Source::V4([10, 0, other as u8]), 9);
    }
    assert_eq!(door.patience(), VISIT_CROWDED);
    assert!(matches!(comes(&mut door, late, OTHER, 10), Entry::In { ref instead, .. } if *instead == [7]));
}

#[test]
fn b1_many_handshakes_make_newcomers_prove_their_address() {
    let mut door = Door::default();
    for name in 0..UNPROVEN_HANDSHAKES {
        assert!(matches!(door.enter(at(0), CROWD, false, name), Entry::In { .. }));
    }
    assert_eq!(door.enter(at(0), OTHER, false, 99), Entry::Prove);
    let Entry::In { number, .. } = door.enter(at(0), OTHER, true, 99) else { panic!("it has proven it") };
    door.shaken(number);
    assert_eq!(door.enter(at(0), OTHER, false, 99), Entry::Prove);
    door.shaken(0);
    assert!(matches!(door.enter(at(0), OTHER, false, 99), Entry::In { .. }));
}

#[test]
fn b1_a_pace_lets_a_burst_pass_and_then_one_in_each_interval() {
    let interval = Duration::from_millis(100);
    let mut pace = Pace::new(interval, 3);
    let waits: Vec<_> = (0..5).map(|_| pace.take(at(50_000))).collect();
    assert_eq!(waits, [0, 0, 0, 1, 2].map(|n| interval * n));
    assert_eq!(pace.take(at(51_000)), Duration::ZERO, "saved up again");
}

proptest! {
    /// Places are neither lost nor made, and those kept are there for whoever holds none.
    #[test]
    fn b1_shares_add_up(steps in proptest::collection::vec((any::<bool>(), 0u8..6), 1..200)) {
        let (all, kept) = (8, 3);
        let mut shares = Shares::new(all, kept);
        let mut model: BTreeMap<u8, usize> = BTreeMap::new();
        for (takes, who) in steps {
            let (taken, held) = (model.values().sum::<usize>(), model.get(&who).copied().unwrap_or(0));
            if takes {
                let may = taken < all && (held == 0 || taken < all - kept);
                prop_assert_eq!(shares.take(who), may);
                if may {
                    *model.entry(who).or_default() += 1;
                }
            } else {
                shares.give_back(who);
                model.insert(who, held.saturating_sub(1));
            }
            prop_assert_eq!(shares.taken(), model.values().sum::<usize>());
            prop_assert!(model.iter().all(|(who, held)| shares.held(*who) == *held));
        }
    }

    /// However they come and go: bounded, nobody out before a second, those in the door's books are those who are in it, and
    /// whoever comes waits a second at most.
    #[test]
    fn b1_the_door_holds(
        steps in proptest::collection::vec((0u64..400, 0u8..5, 0u8..4), 1..400),
    ) {
        let mut door = Door::default();
        let (mut inside, mut now): (BTreeMap<u64, u64>, u64) = (BTreeMap::new(), 0);
        let mut numbers = BTreeMap::new();
        for (name, (wait, source, kind)) in steps.into_iter().enumerate() {
            let name = name as u64;
            now += wait / 4;
            let oldest = inside.keys().next().copied();
            if kind == 0 && let Some(gone) = oldest {
                inside.remove(&gone);
                prop_assert_eq!(door.leave(numbers[&gone]), Some(gone));
                continue;
            }
            match comes(&mut door, at(now), Source::V4([10, 0, source]), name) {
                Entry::In { number, instead } => {
                    for gone in instead {
                        let since = inside.remove(&gone);
                        prop_assert!(since.is_some_and(|since| at(now).since(at(since)) >= VISIT_FLOOR));
                    }
                    inside.insert(name, now);
                    numbers.insert(name, number);
                }
                Entry::Prove => prop_assert!(false, "all have"),
                Entry::Wait(until) => {
                    prop_assert!(until > at(now) && until.since(at(now)) <= VISIT_FLOOR);
                    prop_assert!(inside.len() >= MAX_VISITORS - KEPT_VISITORS, "there was a place");
                }
            }
            prop_assert!(door.len() <= MAX_VISITORS);
            prop_assert_eq!(door.len(), inside.len());
        }
        for (name, _) in inside {
            door.leave(numbers[&name]);
        }
        prop_assert!(door.is_empty());
    }
}
