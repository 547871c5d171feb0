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
    io::frame_cost,
    limits::MAX_LEAVES,
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
fn t1_seventeen_leaves_do_not_hide_the_first_one_and_a_restart_does_not_either() {
    for restarts in [false, true] {
        let mut village = Village::new(0x17, 5);
        assert!(village.grant(0, 1, Role::Admin));
        village.converge(0x17);
        assert!(village.grant(1, 3, Role::Member));
        village.converge(0x17);
        let by = village.engines[1].group.own_grant().map(ActId::from_bytes);
        let (author, known) = (village.peer(1), village.heads(1));
        let sign = |village: &Village, after: &[ActId], at: u64, content| {
            let at = Timestamp(village.engines[1].peer_time(village.now()).0 - at);
            village.sign_as(1, ActBody { author, by, after: after.to_vec(), at, content })
        };
        let left = sign(&village, &known, 0, Content::Leave(Keep::default()));
        let first = Act::of(&left).unwrap().id();
        village.give(0, vec![left]);
        let stranger = plain_grant(village.peer(4), Role::Admin);
        let again = sign(&village, &known, 1, Content::Grant(stranger));
        let after = vec![Act::of(&again).unwrap().id()];
        village.give(0, vec![again]);
        // Their times are chosen so that their ids push out the first one's.
        let more = (2..).map(|at| sign(&village, &after, at, Content::Leave(Keep::default())));
        let more = more.filter(|act| Act::of(act).unwrap().id() < first).take(MAX_LEAVES);
        for act in more.collect::<Vec<_>>() {
            village.give(0, vec![act]);
        }
        assert!(!village.engines[0].membership().unwrap().has(&first));
        assert_eq!(
            [3, 4].map(|who| village.role(0, who).is_some()),
            [false, false],
            "nothing it did is kept"
        );
        if restarts {
            village.restart(0);
        }
        remove(&mut village, 0, 1, Removal::default());
        village.converge(0x17);
        for at in [0, 2] {
            assert_eq!(
                [3, 4].map(|who| village.role(at, who).is_some()),
                [true, false],
                "at {at}, restarts: {restarts}: the guest stays, and what was dated back does not count"
            );
        }
    }
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

/// All that an engine pushed to a neighbor, and the bytes that the network is to take of it.
fn pushed(village: &mut Village, at: usize, to: &Caller) -> (Vec<SignedRecord>, Vec<(Stream, usize)>) {
    let (mut records, mut taken) = (Vec::new(), Vec::new());
    while let Some(output) = village.engines[at].poll_output() {
        let Output::Send { link, stream, frame, .. } = output else { continue };
        if link != to.link {
            continue;
        }
        taken.push((stream, frame_cost(&frame)));
        if let Ok(Message::Push { records: some, .. }) = Message::decode(&frame) {
            records.extend(
                some.into_iter().map(|b| SignedRecord::decode(&village.graph(), b, 1 << 20).unwrap()),
            );
        }
    }
    (records, taken)
}

#[test]
fn w5_who_leaves_has_more_to_say_until_its_neighbors_have_the_list_and_then_the_act() {
    let mut village = Village::new(0xa50, 3);
    assert!(village.grant(0, 1, Role::Member) && village.grant(0, 2, Role::Member));
    village.converge(0xa50);
    village.act(1, |engine, now| engine.listen(now)).unwrap();
    let identity = village.keys[0].clone();
    let caller = Caller::new(&mut village, identity);
    let answer = caller.connect(&mut village, 1, Purpose::Neighbor, Vec::new());
    assert!(matches!(answer, Some(Message::Welcome(_))), "{answer:?}");
    village.act(1, |engine, now| {
        for number in 0..15_000_u32 {
            let draft = crate::record::RecordDraft::new("test.note", number.to_le_bytes().to_vec()).unwrap();
            engine.publish(now, draft).unwrap();
        }
    });
    let take = |village: &mut Village, heard: &mut Vec<SignedRecord>| {
        let (records, taken) = pushed(village, 1, &caller);
        heard.extend(records);
        for (stream, bytes) in taken {
            let written = Input::Written { link: caller.link, stream, bytes };
            village.act(1, |engine, now| engine.handle_input(now, written));
        }
    };
    let mut heard = Vec::new();
    for _ in 0..1000 {
        take(&mut village, &mut heard);
    }
    assert_eq!(village.engines[1].parting_words(), 0, "it is a member");
    heard.clear();
    village.act(1, |engine, now| engine.resign(now)).unwrap();
    for _ in 0..1000 {
        village.act(1, |_, _| ());
    }
    let queued = village.engines[1].parting_words();
    assert!(queued > 5, "{queued} wait for the network");
    let mut rounds = 0;
    while village.engines[1].parting_words() > 0 {
        take(&mut village, &mut heard);
        rounds += 1;
        assert!(rounds < 1000);
    }
    take(&mut village, &mut heard);
    let acts: Vec<&SignedRecord> =
        heard.iter().filter(|record| record.header().record_type == RecordType::CREDENTIAL).collect();
    assert_eq!(acts.iter().position(|record| Act::of(record).is_some()), Some(30), "after its chunks");
    assert_eq!(acts.len(), 31);
}
