//! What acts that are set aside or wait cost, and whose bound they share.

use super::*;
use crate::authority::work::vetted;

/// Looks at everything that waits: nothing of it may be left that fits.
fn nothing_fits(village: &mut Village, at: usize, why: &str) {
    let engine = &mut village.engines[at];
    engine.waiting.again.all = true;
    engine.take_needed();
    assert!(engine.incoming.is_empty(), "{why}: {:?} was left", engine.incoming.len());
}

#[test]
fn x8_acts_that_are_set_aside_cost_nothing_with_each_act_of_others() {
    let (mut village, by) = removed(0x8);
    fill(&mut village, OWNER, by);
    let aside: Vec<SignedRecord> = (1000..1400)
        .map(|number| {
            let content = match number % 4 {
                // Grants to those who are no members, as invented ones.
                0 => Content::Grant(plain_grant(village.peer(4), Role::Member)),
                _ => invitation(&village, REMOVED, number),
            };
            act(&village, REMOVED, by, vec![by], content)
        })
        .collect();
    give_at_once(&mut village, OWNER, &aside.iter().collect::<Vec<_>>());
    assert!(aside.iter().all(|record| !has(&village, OWNER, record)));
    let inviter = grant_of(&village, OWNER, INVITER);
    let stranger = SecretKey::from_bytes(&[5; 32]);
    let costs = |village: &mut Village, records: &[&SignedRecord]| {
        vetted();
        give_at_once(village, OWNER, records);
        let looks = vetted();
        nothing_fits(village, OWNER, "after a batch");
        looks
    };
    // An act that is refused, one that waits, one that is taken in, and another of the removed.
    let refused = act(&village, MEMBER, grant_of(&village, OWNER, MEMBER), vec![by], Content::Merge);
    let body = |after| ActBody {
        author: stranger.peer(),
        by: Some(by),
        after: vec![after],
        at: village.engines[OWNER].peer_time(village.now()),
        content: Content::Merge,
    };
    let (header, body) = Act::draft(body(ActId::from_bytes([9; 32]))).to_record();
    let waits = SignedRecord::sign(&village.graph(), &stranger, header, &body);
    let taken = act(&village, INVITER, inviter, vec![inviter], invitation(&village, INVITER, 1));
    let another = act(&village, REMOVED, by, vec![by], invitation(&village, REMOVED, 2000));
    for (record, why) in
        [(&refused, "refused"), (&waits, "waits"), (&taken, "taken in"), (&another, "set aside")]
    {
        let looks = costs(&mut village, &[record]);
        assert!(looks <= 8, "{why}: {looks}");
    }
    assert!(has(&village, OWNER, &taken) && is_set_aside(&village, OWNER, &another));
    // Somebody joins: what was said of it before is looked at again, and nothing else.
    let newcomer = SecretKey::from_bytes(&[6; 32]).peer();
    let joins =
        act(&village, INVITER, inviter, vec![inviter], Content::Grant(plain_grant(newcomer, Role::Member)));
    let looks = costs(&mut village, &[&joins]);
    assert!(has(&village, OWNER, &joins) && looks <= 8, "{looks}");
}

#[test]
fn x8_one_comes_in_for_each_that_is_needed_since_and_all_that_a_grant_lets_in() {
    let (mut village, by) = removed(0x81);
    fill(&mut village, OWNER, by);
    let aside: Vec<SignedRecord> = (1000..1010)
        .map(|number| act(&village, REMOVED, by, vec![by], invitation(&village, REMOVED, number)))
        .collect();
    give_at_once(&mut village, OWNER, &aside.iter().collect::<Vec<_>>());
    let count = |village: &Village| aside.iter().filter(|record| has(village, OWNER, record)).count();
    assert_eq!(count(&village), 0);
    // A member names one of those that are here: it is charged to nobody any more.
    let members = village.engines[OWNER].membership().unwrap();
    let idle = members.acts().ids().into_iter().find(|id| members.verdict().is_idle(members.acts(), id));
    let inviter = grant_of(&village, OWNER, INVITER);
    let names = act(&village, INVITER, inviter, vec![idle.unwrap()], Content::Merge);
    give_at_once(&mut village, OWNER, &[&names]);
    assert_eq!(count(&village), 1);
    nothing_fits(&mut village, OWNER, "one more");
    // A second grant to the removed by somebody else, and all that it signs is taken in.
    let again = village.peer(REMOVED);
    village.act(OWNER, |engine, now| engine.grant(now, again, "", Role::Inviter, None)).unwrap();
    assert_eq!(count(&village), aside.len());
    nothing_fits(&mut village, OWNER, "let in again");
}

#[test]
fn x18_who_holds_only_void_grants_is_a_stranger_whose_acts_wait_apart() {
    let (mut village, by) = removed(0x18);
    let invented: Vec<SecretKey> = (0..20).map(|number| SecretKey::from_bytes(&[100 + number; 32])).collect();
    let grants: Vec<SignedRecord> = invented
        .iter()
        .map(|key| {
            act(&village, REMOVED, by, vec![by], Content::Grant(plain_grant(key.peer(), Role::Inviter)))
        })
        .collect();
    give_at_once(&mut village, OWNER, &grants.iter().collect::<Vec<_>>());
    assert!(grants.iter().all(|record| has(&village, OWNER, record)), "taken in, and void");
    let at = village.engines[OWNER].peer_time(village.now());
    let waits = |village: &Village, key: &SecretKey, by: ActId| {
        let missing = ActId::from_bytes([9; 32]);
        let body =
            ActBody { author: key.peer(), by: Some(by), after: vec![missing], at, content: Content::Merge };
        let (header, body) = Act::draft(body).to_record();
        SignedRecord::sign(&village.graph(), key, header, &body)
    };
    for (key, grant) in invented.iter().zip(&grants) {
        let record = waits(&village, key, id(grant));
        give_at_once(&mut village, OWNER, &[&record]);
    }
    assert_eq!(village.engines[OWNER].waiting.counts(), (0, 20));
    // Not so whoever was a member once, or is.
    let inviter = grant_of(&village, OWNER, INVITER);
    for (who, by) in [(REMOVED, by), (INVITER, inviter)] {
        let record = waits(&village, &village.keys[who].clone(), by);
        give_at_once(&mut village, OWNER, &[&record]);
    }
    assert_eq!(village.engines[OWNER].waiting.counts(), (2, 20));
}
