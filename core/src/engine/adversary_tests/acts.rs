//! What members do with records of the library to acts, and with keys to those who are no members any more.

use std::time::Duration;

use super::*;
use crate::{
    authority::{Epoch, Grant, Keep},
    engine::{
        Removal,
        authority_tests::{is_here, remove},
    },
    group::{epoch_id, seal_epoch_key},
    record::{GroupRules, RecordType},
    time::{Hlc, Timestamp},
};

#[test]
fn a8_nobody_takes_an_act_back_by_ending_a_presence_under_its_id() {
    let mut village = Village::new(0xa8f, 4);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Member));
    village.converge(0xa8f);
    remove(&mut village, 1, 2, Removal::default());
    village.converge(0xa8f);
    let removed = village.peer(2);
    let is_removal = |act: &Act| matches!(&act.body().content, Content::Remove(r) if r.subject == removed);
    let mut acts = village.records(1).into_iter();
    let act = acts.find(|record| Act::of(record).is_some_and(|act| is_removal(&act))).expect("the removal");
    let hlc = Hlc::at(village.engines[0].peer_time(village.now()) + Duration::from_secs(1));
    let over = Header {
        version: 2,
        grant: act.header().grant,
        ..Header::first(RecordType::presence(), act.header().nonce, village.peer(1), hlc)
    };
    let sign = |header| SignedRecord::sign(&village.graph(), &village.keys[1], header, b"");
    let tombstone = sign(Header { deleted: true, ..over.clone() });
    let brief = sign(Header { expires: Some(hlc.timestamp()), ..over });
    assert_eq!((tombstone.id(), brief.id()), (act.id(), act.id()), "one id");
    // Before the act as well: node 3 has heard of nothing.
    for record in [tombstone, brief] {
        for at in [0, 1, 3] {
            village.give(at, vec![record.clone()]);
        }
    }
    village.pass(100);
    village.converge(0xa8f);
    for at in [0, 1, 3] {
        village.copy(0, at);
        assert!(is_here(&village, at, &act), "at {at}");
        assert_eq!(village.role(at, 2), None, "at {at}");
    }
    village.restart(0);
    assert_eq!(village.role(0, 2), None);
}

#[test]
fn r9_a_restart_forgets_not_which_leave_was_heard_first() {
    for restarts in [false, true] {
        let mut village = Village::new(0x9, 5);
        assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Member));
        village.converge(0x9);
        remove(&mut village, 1, 2, Removal::default());
        assert!(village.grant(1, 3, Role::Member));
        village.converge(0x9);
        let left = village.sign(1, village.heads(1), Content::Leave(Keep::default()));
        village.give(0, vec![left]);
        assert_eq!([1, 2, 3, 4].map(|who| village.role(0, who).is_some()), [false, false, true, false]);
        // Later, and by its time before.
        let dated_back = |village: &Village, content| {
            let by = village.engines[1].group.own_grant().map(ActId::from_bytes);
            let at = village.engines[1].peer_time(village.now()) - Duration::from_millis(1);
            let body = ActBody { author: village.peer(1), by, after: Vec::new(), at, content };
            village.sign_as(1, body)
        };
        let stranger = Grant {
            subject: village.peer(4),
            name: String::new(),
            role: Role::Admin,
            not_before: Timestamp(0),
            not_after: None,
            depth: 1,
            renew: false,
            admission: None,
            demotes: None,
            despite: Vec::new(),
        };
        let again = dated_back(&village, Content::Grant(stranger));
        let second = dated_back(&village, Content::Leave(Keep::default()));
        village.give(0, vec![again]);
        village.give(0, vec![second]);
        assert_eq!(
            [2, 3].map(|who| village.role(0, who).is_some()),
            [true, false],
            "its own acts are its own"
        );
        if restarts {
            village.restart(0);
        }
        remove(&mut village, 0, 1, Removal::default());
        assert_eq!(
            [2, 3, 4].map(|who| village.role(0, who).is_some()),
            [false, true, false],
            "restart: {restarts}"
        );
    }
}

#[test]
fn h11_an_admin_that_named_itself_in_no_list_of_keys_does_not_read_on_after_its_removal() {
    let rules = GroupRules { encrypted_bodies: true, ..GroupRules::default() };
    let mut village = Village::with_rules(0xa11, 3, rules);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Member));
    village.converge(0xa11);
    // It begins an epoch whose key it gives to all but itself, and knows.
    let key = zeroize::Zeroizing::new([77; 32]);
    let id = epoch_id(&key);
    let seal = |peer: PeerId| (peer, seal_epoch_key(&village.graph(), &peer, [5; 32], &key).unwrap());
    let keys = vec![seal(village.peer(0)), seal(village.peer(2))];
    let epoch =
        village.sign(1, village.heads(1), Content::Epoch(Epoch { key_id: id, keys, older: Vec::new() }));
    village.give(0, vec![epoch]);
    village.converge(0xa11);
    let current =
        |village: &Village| village.engines[0].membership().unwrap().current_epoch().map(|epoch| epoch.id);
    assert_eq!(current(&village), Some(id));
    remove(&mut village, 0, 1, Removal::default());
    assert!(current(&village).is_some_and(|now| now != id), "a new one begins with the removal");
    let after = village.publish(0, "after").unwrap();
    village.converge(0xa11);
    let record = village.engines[2].key_ring().open(after.to_record());
    assert_eq!(record.body_text(), Some("after"));
}
