//! Who renews what, when, and how much at once.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{
    Removal,
    group_tests::{Village, plain_grant},
    ingest::Candidate,
};
use crate::{
    authority::{Act, ActBody, Content, Grant, Keep, Remove},
    crypto::SecretKey,
    ids::{ActId, PeerId},
    limits::{ISSUED_AT_ONCE, RENEWED_OF_MEMBER},
    record::{Role, SignedRecord},
    records::MemoryStore,
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How often each grant was renewed by an identity, by what an engine has.
fn renewals(village: &Village, at: usize, by: usize) -> BTreeMap<ActId, usize> {
    let author = village.peer(by);
    let mut found = BTreeMap::new();
    for act in village.engines[at].credentials().unwrap().iter().filter_map(Act::of) {
        if let Content::Renew { grant, .. } = &act.body().content
            && act.body().author == author
        {
            *found.entry(*grant).or_default() += 1;
        }
    }
    found
}

/// The grants of an identity, by who gave them.
fn grants_of(village: &Village, at: usize, subject: usize, by: usize) -> Vec<ActId> {
    let members = village.engines[at].membership().unwrap();
    let by_them = |id: &ActId| members.acts().get(id).is_some_and(|act| act.author == village.peer(by));
    members.acts().grants_of(village.peer(subject)).filter(by_them).collect()
}

/// Ann, and two inviters by her: 1 without end, 2 for a day that is renewed.
fn two_inviters(seed: u64) -> Village {
    let mut village = Village::new(seed, 5);
    let cat = village.peer(2);
    assert!(village.grant(0, 1, Role::Inviter));
    village.act(0, |engine, now| engine.grant(now, cat, "", Role::Inviter, Some(DAY))).unwrap();
    village.converge(seed);
    village.engines[0].group.compared = true;
    village
}

/// A round of renewals at one engine, whatever the time since the last one.
fn renew(village: &mut Village, at: usize) {
    village.pass(100);
    village.act(at, |engine, now| engine.handle_timeout(now));
}

#[test]
fn r7_an_equals_gift_takes_no_right_and_no_renewal_from_its_holder() {
    let mut village = two_inviters(0x47);
    let hers = grants_of(&village, 0, 2, 0);
    // Without end, and without the right to let anybody in.
    let gift = Content::Grant(plain_grant(village.peer(2), Role::Inviter));
    village.act(1, |engine, now| engine.issue(now, gift)).unwrap();
    village.converge(0x47);
    let guest = village.peer(3);
    village.act(2, |engine, now| engine.grant(now, guest, "", Role::Member, None)).unwrap();
    let let_in = grants_of(&village, 2, 3, 2);
    let members = village.engines[2].membership().unwrap();
    assert_eq!(members.acts().get(&let_in[0]).unwrap().by, Some(hers[0]), "by what Ann gave");
    village.converge(0x47);
    village.pass(60_000);
    renew(&mut village, 0);
    assert_eq!(renewals(&village, 0, 0), BTreeMap::from([(hers[0], 1)]));
    village.converge(0x47);
    // What it does beyond its own grant's first end names the renewal.
    village.pass(36_000);
    village.act(2, |engine, now| engine.handle_timeout(now));
    let another = village.peer(4);
    village.act(2, |engine, now| engine.grant(now, another, "", Role::Reader, None)).unwrap();
    // The giver takes back its own gift, and nothing else.
    let (cat, plain) = (village.peer(2), Removal { keep_records: true, with_branch: false, undo: false });
    village.act(1, |engine, now| engine.remove(now, cat, "", plain)).unwrap_err();
    village.act(2, |engine, now| engine.remove(now, guest, "", plain)).unwrap();
    village.converge(0x47);
    for at in 0..3 {
        assert_eq!(village.role(at, 2), Some(Role::Inviter));
        assert_eq!((village.role(at, 3), village.role(at, 4)), (None, Some(Role::Reader)));
    }
}

#[test]
fn r7_a_grant_that_adds_nothing_is_left_to_end() {
    let mut village = two_inviters(0x48);
    let first = grants_of(&village, 0, 2, 0);
    // A gift of an equal that is to be renewed adds nothing as long as Ann's is renewed; nor does a lower role by Ann.
    let end = Some(village.engines[0].peer_time(village.now()) + DAY);
    let renewed = |role, peer| Grant { not_after: end, renew: true, ..plain_grant(peer, role) };
    for (by, role) in [(1, Role::Inviter), (0, Role::Member)] {
        let content = Content::Grant(renewed(role, village.peer(2)));
        village.act(by, |engine, now| engine.issue(now, content)).unwrap();
    }
    village.converge(0x48);
    village.pass(60_000);
    renew(&mut village, 0);
    renew(&mut village, 0);
    assert_eq!(renewals(&village, 0, 0), BTreeMap::from([(first[0], 1)]));
    // Nor does a grant with an end beside one of the same rank without.
    let mut village = two_inviters(0x49);
    let (cat, depth) = (village.peer(2), village.engines[0].membership().unwrap().rules().max_chain - 1);
    let endless = Content::Grant(Grant { depth, ..plain_grant(cat, Role::Inviter) });
    village.act(0, |engine, now| engine.issue(now, endless)).unwrap();
    village.pass(60_000);
    renew(&mut village, 0);
    assert_eq!(renewals(&village, 0, 0), BTreeMap::new());
}

/// Ann's admin 1 let 3 in, for a day that is renewed; the inviter 2 has no right over it. It gives 3 as much without an end, so that nobody
/// renews what the admin gave; and takes its gift back when that has lapsed.
#[test]
fn t2_a_gift_that_can_be_taken_back_stops_no_renewal() {
    let (mut village, given) = guest_of_an_admin(0x2a);
    let (guest, depth) = (village.peer(3), depth_of(&village, given));
    let gift = Content::Grant(Grant { depth, ..plain_grant(guest, Role::Member) });
    village.act(2, |engine, now| engine.issue(now, gift)).unwrap();
    village.converge(0x2a);
    village.pass(60_000);
    renew(&mut village, 1);
    assert_eq!(renewals(&village, 1, 1), BTreeMap::from([(given, 1)]));
    village.converge(0x2a);
    let removal = Content::Remove(Remove {
        subject: guest,
        reason: String::new(),
        keep: Keep::default(),
        branch: false,
        undo: false,
    });
    village.act(2, |engine, now| engine.issue(now, removal)).unwrap();
    village.converge(0x2a);
    village.pass(36_000);
    assert_eq!(grants_of(&village, 0, 3, 2).len(), 1);
    assert_eq!(village.role(0, 3), Some(Role::Member), "by the admin's word");
}

/// The same inviter gives 3 many grants of a higher rank, each with less depth and a later end, all due at once. Few of one member
/// are renewed in one step: those of one giver do not take all places.
#[test]
fn t2_many_gifts_leave_a_place_for_what_another_gave() {
    let (mut village, given) = guest_of_an_admin(0x2b);
    let (guest, now) = (village.peer(3), village.engines[2].peer_time(village.now()));
    for number in 0..=RENEWED_OF_MEMBER as u8 {
        let end = Some(now + DAY + Duration::from_secs(60) * u32::from(number));
        let depth = 6 - number;
        let gift = Grant { depth, not_after: end, renew: true, ..plain_grant(guest, Role::Inviter) };
        village.act(2, |engine, now| engine.issue(now, Content::Grant(gift))).unwrap();
    }
    village.converge(0x2b);
    village.pass(60_000);
    renew(&mut village, 0);
    let renewed = renewals(&village, 0, 0);
    assert_eq!((renewed.len(), renewed.get(&given)), (RENEWED_OF_MEMBER, Some(&1)));
}

/// Ann, her admin 1 and her inviter 2, and 3 by the admin, for a day that is renewed; the grant of that.
fn guest_of_an_admin(seed: u64) -> (Village, ActId) {
    let mut village = Village::new(seed, 4);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Inviter));
    village.converge(seed);
    let guest = village.peer(3);
    village.act(1, |engine, now| engine.grant(now, guest, "", Role::Member, Some(DAY))).unwrap();
    village.converge(seed);
    for at in 0..2 {
        village.engines[at].group.compared = true;
    }
    let given = grants_of(&village, 0, 3, 1)[0];
    (village, given)
}

fn depth_of(village: &Village, grant: ActId) -> u8 {
    let members = village.engines[0].membership().unwrap();
    match &members.acts().get(&grant).unwrap().content {
        Content::Grant(grant) => grant.depth,
        _ => unreachable!("it is a grant"),
    }
}

#[test]
fn w15_a_membership_of_less_than_a_day_ends_and_stays_as_short_by_another_role() {
    let mut village = Village::new(0x15, 2);
    village.engines[0].group.compared = true;
    let (peer, short) = (village.peer(1), Duration::from_secs(300));
    village.act(0, |engine, now| engine.grant(now, peer, "", Role::Member, Some(short))).unwrap();
    let end = village.engines[0].peer_time(village.now()) + short;
    renew(&mut village, 0);
    village.act(0, |engine, now| engine.set_role(now, peer, Role::Inviter)).unwrap();
    let now = village.engines[0].peer_time(village.now());
    let member = village.engines[0].membership().unwrap().member(peer, now).unwrap();
    assert_eq!((member.role, member.not_after), (Role::Inviter, Some(end)));
    renew(&mut village, 0);
    renew(&mut village, 0);
    assert_eq!((renewals(&village, 0, 0), village.role(0, 1)), (BTreeMap::new(), None), "it is over");
}

fn enter(village: &mut Village, at: usize, records: &[SignedRecord]) {
    village.engines[at].incoming.extend(records.iter().cloned().map(Candidate::held));
    village.act(at, |_, _| ());
}

/// So many whom the creator lets in at once, for an hour that is renewed; the grants.
pub(super) fn crowd(village: &mut Village, count: usize) -> Vec<ActId> {
    let mut after = village.heads(0);
    let at = village.engines[0].peer_time(village.now());
    let mut records = Vec::new();
    for number in 0..count {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let subject: PeerId = SecretKey::from_bytes(&bytes).peer();
        let grant = Grant { not_after: Some(at + HOUR), renew: true, ..plain_grant(subject, Role::Member) };
        let body = ActBody { author: village.peer(0), by: None, after, at, content: Content::Grant(grant) };
        let record = village.sign_as(0, body);
        after = vec![Act::of(&record).unwrap().id()];
        records.push(record);
    }
    for at in 0..village.engines.len() {
        enter(village, at, &records);
    }
    records.iter().map(|record| Act::of(record).unwrap().id()).collect()
}

/// Acts of one engine that another lacks.
fn news(village: &Village, from: usize, to: usize) -> Vec<SignedRecord> {
    let all = village.engines[from].credentials().unwrap();
    let members = village.engines[to].membership().unwrap();
    all.into_iter().filter(|record| !members.has(&Act::of(record).unwrap().id())).collect()
}

#[test]
fn w8_those_who_came_together_are_renewed_in_steps_and_once() {
    let mut village = Village::new(0x28, 2);
    assert!(village.grant(0, 1, Role::Admin));
    village.converge(0x28);
    let crowd = crowd(&mut village, 2000);
    for at in 0..2 {
        village.engines[at].group.compared = true;
    }
    // Each node has its own moments for them, between a half and two fifths of the time.
    village.pass(1820);
    village.act(0, |engine, now| engine.handle_timeout(now));
    let early = renewals(&village, 0, 0).len();
    assert!((1..=ISSUED_AT_ONCE).contains(&early), "{early}");
    // Both were off when those moments came: all are due.
    village.pass(600);
    let (mut done, mut steps) = (early, 0);
    while done < crowd.len() && steps < 200 {
        for at in 0..2 {
            let before = renewals(&village, at, at).values().sum::<usize>();
            village.act(at, |engine, now| engine.handle_timeout(now));
            let signed = renewals(&village, at, at).values().sum::<usize>() - before;
            assert!(signed <= ISSUED_AT_ONCE, "{signed} in one step");
            // The rest follows at once.
            let due = village.engines[at].poll_timeout(village.now());
            assert!(
                signed < ISSUED_AT_ONCE || due <= Some(village.now().mono) || done + signed >= crowd.len()
            );
            let heard = news(&village, at, 1 - at);
            enter(&mut village, 1 - at, &heard);
        }
        steps += 1;
        done = renewals(&village, 0, 0).len() + renewals(&village, 0, 1).len();
    }
    let (first, second) = (renewals(&village, 0, 0), renewals(&village, 0, 1));
    assert!(crowd.iter().all(|grant| first.contains_key(grant) || second.contains_key(grant)));
    assert!(first.values().chain(second.values()).all(|count| *count == 1), "nobody twice by one node");
    let twice = first.keys().filter(|grant| second.contains_key(*grant)).count();
    assert_eq!(twice, 0, "nor by both");
    assert!(second.len() > 500, "they share it: {} and {}", first.len(), second.len());
    // They leave one head, or a few: whoever acts next has nothing to merge.
    assert!(village.heads(0).len() <= 2);
}

#[test]
fn w7_to_list_members_does_not_ask_all_renewals_for_each() {
    let mut village = Village::new(0x7, 1);
    let crowd = crowd(&mut village, 1000);
    let list = |village: &Village| {
        let now = village.engines[0].peer_time(village.now());
        let members = village.engines[0].membership().unwrap();
        let once = || {
            let begun = Instant::now();
            assert_eq!(members.list(now).len(), 1001);
            begun.elapsed()
        };
        (0..5).map(|_| once()).min().unwrap()
    };
    let before = list(&village);
    let mut after = village.heads(0);
    let at = village.engines[0].peer_time(village.now());
    for round in 1..=4 {
        let records: Vec<SignedRecord> = crowd
            .iter()
            .map(|grant| {
                let not_after = at + HOUR * (round + 1);
                let content = Content::Renew { grant: *grant, not_after };
                let body = ActBody { author: village.peer(0), by: None, after: after.clone(), at, content };
                let record = village.sign_as(0, body);
                after = vec![Act::of(&record).unwrap().id()];
                record
            })
            .collect();
        enter(&mut village, 0, &records);
    }
    let with_renewals = list(&village);
    println!("1,001 members: {before:?}, with 4,000 renewals {with_renewals:?}");
    assert!(with_renewals < before * 10, "{before:?}, with renewals {with_renewals:?}");
    let now = village.engines[0].peer_time(village.now());
    let members = village.engines[0].membership().unwrap();
    let listed = members.list(now);
    assert!(listed.iter().filter(|(_, it)| it.grant.is_some()).all(|(_, it)| it.named != it.grant));
}

#[test]
fn x9_nothing_is_signed_again_and_again_while_the_disk_is_full() {
    let mut village = Village::new(0x9, 2);
    let crowd = crowd(&mut village, 3 * ISSUED_AT_ONCE);
    village.converge(0x9);
    let store = MemoryStore::new(village.graph(), 1);
    let fails = store.fails.clone();
    village.engines[0] = village.engine_on(0, Box::new(store));
    village.copy(1, 0);
    village.engines[0].group.compared = true;
    village.pass(2500);
    fails.store(true, Ordering::Relaxed);
    let turns = |village: &mut Village, seconds: u64| {
        let mut turns = 0;
        for _ in 0..seconds {
            let now = village.now();
            while turns < 1000 && village.engines[0].poll_timeout(now).is_some_and(|due| due <= now.mono) {
                village.engines[0].handle_timeout(now);
                let _ = village.engines[0].flush(now);
                turns += 1;
            }
            village.pass(1);
        }
        turns
    };
    let failing = turns(&mut village, 300);
    assert!(failing < 300, "{failing} turns in 300 s, in each of which all acts are read again");
    assert_eq!(renewals(&village, 0, 0).len(), 0);
    fails.store(false, Ordering::Relaxed);
    turns(&mut village, 300);
    assert_eq!(renewals(&village, 0, 0).len(), crowd.len());
}

#[path = "renewal_bound_tests.rs"]
mod bounds;
