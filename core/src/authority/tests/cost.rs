//! What judging costs.

use std::time::{Duration, Instant};

use super::world::{GRAPH, NOON, Replica, grant_of, removal_of};
use crate::{
    authority::{Act, ActBody, ActSet, Content, Grant, Verdict},
    ids::{ActId, PeerId},
    limits::MAX_ENDS_HEARD,
    record::Role,
    time::Timestamp,
};

fn member(number: u64) -> PeerId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    PeerId::from_bytes(bytes)
}

/// 10,000 members, granted by 100 admins in turn, and 100 removals.
fn large() -> (ActSet, Vec<Act>) {
    let mut set = ActSet::new(GRAPH, member(0), 8);
    let mut acts = Vec::new();
    let mut by = Vec::new();
    for number in 1..=10_100_u64 {
        let (author, grant, content) = match number {
            1..=100 => (0, None, Content::Grant(grant_of(member(number), Role::Admin, 4))),
            101..=10_000 => {
                let admin = number % 100 + 1;
                let granted = Content::Grant(grant_of(member(number), Role::Member, 0));
                (admin, Some(by[admin as usize - 1]), granted)
            }
            _ => (0, None, Content::Remove(removal_of(member(number - 10_000 + 500)))),
        };
        let at = Timestamp(NOON + number);
        let body = ActBody { author: member(author), by: grant, after: set.heads(), at, content };
        let act = Act::unsigned(body);
        if number <= 100 {
            by.push(act.id());
        }
        assert_eq!(set.insert(act.clone()).accepted.len(), 1);
        acts.push(act);
    }
    (set, acts)
}

/// A thousand join a group of 10,000, one after another: each is judged alone, and as if all were judged anew.
#[test]
fn h3_a_new_act_costs_the_same_in_a_large_group() {
    let (mut set, acts) = large();
    let mut verdict = Verdict::of(&set);
    let by = acts[0].id();
    let mut spent = Duration::ZERO;
    let mut most = Duration::ZERO;
    let mut add = |set: &mut ActSet, verdict: &mut Verdict, number: u64, content: Content| {
        let at = Timestamp(NOON + number);
        let body = ActBody { author: member(1), by: Some(by), after: set.heads(), at, content };
        let accepted = set.insert(Act::unsigned(body)).accepted;
        assert!(verdict.steps(set, &accepted).is_some(), "it is judged alone");
        let begun = Instant::now();
        verdict.update(set, &accepted);
        spent += begun.elapsed();
        most = most.max(begun.elapsed());
        accepted[0]
    };
    let invite = Content::Invite(super::world::invite_by(0, Role::Member, 1000));
    let invite = add(&mut set, &mut verdict, 20_000, invite);
    for number in 20_001..21_001 {
        let who = member(number);
        let admission = (number % 2 == 0).then(|| super::world::use_of(0, invite, who));
        let joins = Content::Grant(Grant { admission, ..grant_of(who, Role::Member, 0) });
        add(&mut set, &mut verdict, number, joins);
    }
    for number in 20_001..20_101 {
        let removal = Content::Remove(removal_of(member(number)));
        add(&mut set, &mut verdict, number + 5000, removal);
    }
    println!("1,000 joined and 100 were removed one by one: {spent:?}, one at most {most:?}");
    assert_eq!(verdict.identities().count(), 10_000 - 100 + 1000 - 100);
    assert_eq!(verdict, Verdict::of(&set));
}

/// One inviter removes one identity a thousand times at once, and lets it in a thousand times at once.
#[test]
fn h3_removals_without_number_cost_a_look_at_each() {
    let mut set = ActSet::new(GRAPH, member(0), 8);
    let mut insert = |author: u64, by: Option<ActId>, after: Vec<ActId>, at: u64, content: Content| {
        let at = Timestamp(NOON + at);
        let act = Act::unsigned(ActBody { author: member(author), by, after, at, content });
        assert_eq!(set.insert(act.clone()).accepted.len(), 1);
        act.id()
    };
    let inviter = insert(0, None, Vec::new(), 0, Content::Grant(grant_of(member(1), Role::Inviter, 4)));
    for at in 0..1000 {
        let lets_in = Content::Grant(grant_of(member(2), Role::Member, 0));
        insert(1, Some(inviter), vec![inviter], at, lets_in);
        insert(1, Some(inviter), vec![inviter], at, Content::Remove(removal_of(member(2))));
    }
    let begun = Instant::now();
    let verdict = Verdict::of(&set);
    println!("1,000 grants and 1,000 removals of one identity: judged in {:?}", begun.elapsed());
    assert_eq!(verdict.identities().count(), 1);
    let all = set.ids();
    let held = all.iter().filter_map(|id| verdict.grant(id)).map(|grant| grant.ended_by.len()).max();
    assert_eq!(held, Some(MAX_ENDS_HEARD));
}

/// What a removal of somebody with guests costs, or any act that may touch earlier ones: the least of ten times, since the machine
/// may be busy.
#[test]
fn i19_what_touches_earlier_acts_judges_all() {
    let (set, acts) = large();
    for count in [1_000, acts.len()] {
        let mut part = ActSet::new(GRAPH, member(0), 8);
        acts.iter().take(count).for_each(|act| drop(part.insert(act.clone())));
        let times = (0..10).map(|_| {
            let begun = Instant::now();
            assert_eq!(Verdict::of(&part).acts.len(), count);
            begun.elapsed()
        });
        println!("{count} acts are judged in {:?}", times.min());
    }
    assert_eq!(set.ids().len(), acts.len());
}

#[test]
fn a_large_group_is_judged_whole() {
    let begun = Instant::now();
    let (set, acts) = large();
    let inserted = begun.elapsed();
    let verdict = Verdict::of(&set);
    let judged = begun.elapsed() - inserted;
    println!("{} acts: inserted in {inserted:?}, judged in {judged:?}", acts.len());
    assert_eq!(verdict.identities().count(), 10_000 - 100);
    let mut turned = Replica::of(ActSet::new(GRAPH, member(0), 8));
    for act in acts.iter().take(300).rev().chain(acts.iter().skip(300)) {
        turned.hear(act.clone());
    }
    assert_eq!(Verdict::of(&turned.set), verdict);
}
