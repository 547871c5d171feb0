//! Who is given a key that was sealed wrongly to it, and by whom, over real engines without links.

use super::super::{
    Engine,
    epoch_tests::{current, read, remove, village},
    group_tests::{Village, plain_grant},
};
use crate::{
    authority::{Act, Content},
    group::EpochId,
    record::{BodyState, Role},
    wire::GivenKey,
};

/// A group in which a hostile inviter let somebody in, the fourth, with a key that does not open; and a note.
fn spoiled(seed: u64) -> (Village, crate::ids::RecordId) {
    let mut village = village(seed, 6);
    assert!(village.grant(0, 1, Role::Inviter) && village.grant(0, 2, Role::Member));
    village.converge(seed);
    let written = village.publish(0, "written").unwrap().id();
    village.converge(seed);
    let epoch = village.engines[0].membership().unwrap().current_epoch().unwrap().act;
    let grant = village.sign(1, village.heads(1), Content::Grant(plain_grant(village.peer(3), Role::Member)));
    let keys = vec![(village.peer(3), vec![7; 80])];
    let after = vec![Act::of(&grant).unwrap().id()];
    let wrong = village.sign(1, after, Content::EpochKeys { epoch, keys });
    village.give(0, vec![grant, wrong]);
    for to in [2, 3] {
        village.copy(0, to);
    }
    for _ in 0..3 {
        village.pass(70);
        for at in [0, 2, 3] {
            village.act(at, Engine::handle_timeout);
        }
        village.copy(0, 3);
    }
    (village, written)
}

fn wanted(village: &mut Village, who: usize) -> Vec<EpochId> {
    let epochs = &mut village.engines[who].group.epochs;
    epochs.spoiled.still_wanted(&epochs.ring)
}

fn answer(village: &mut Village, by: usize, to: usize, wanted: &[EpochId]) -> Vec<GivenKey> {
    let peer = village.peer(to);
    village.act(by, |engine, now| engine.keys_for(now, peer, wanted))
}

#[test]
fn x10_a_plain_member_gives_a_key_that_proves_itself_and_stays() {
    let (mut village, written) = spoiled(0x1010);
    assert_eq!(read(&village, 3, written), Err(BodyState::KeyMissing), "nobody gives it again");
    let asked = wanted(&mut village, 3);
    assert_eq!(asked, [current(&village, 3).unwrap()]);
    assert_eq!(wanted(&mut village, 2), [] as [EpochId; 0]);
    let given = answer(&mut village, 2, 3, &asked);
    assert_eq!(given.len(), 1);

    // Lies are nothing: another key, another epoch, one sealed to somebody else.
    let others = answer(&mut village, 2, 0, &asked);
    let lies = [
        GivenKey { sealed: vec![7; 80].into(), ..given[0].clone() },
        GivenKey { epoch: [5; 32], ..given[0].clone() },
        others[0].clone(),
    ];
    village.act(3, |engine, _| engine.on_keys_given(lies.into()));
    assert_eq!(read(&village, 3, written), Err(BodyState::KeyMissing));
    village.act(3, |engine, _| engine.on_keys_given(given));
    assert_eq!(read(&village, 3, written).unwrap(), "written");
    assert_eq!(wanted(&mut village, 3), [] as [EpochId; 0]);
    village.restart(3);
    assert_eq!(read(&village, 3, written).unwrap(), "written", "it was kept");
    village.act(3, Engine::handle_timeout);
    assert!(village.publish(3, "by the guest").is_some());
}

#[test]
fn x10_nobody_is_given_a_key_that_no_act_says_it_has() {
    let (mut village, _) = spoiled(0x1011);
    let asked = wanted(&mut village, 3);
    // No member; and one of whom the acts do not say that it has the key, or its removal would begin no epoch.
    assert_eq!(answer(&mut village, 2, 5, &asked), []);
    let grant = village.sign(0, village.heads(0), Content::Grant(plain_grant(village.peer(4), Role::Member)));
    village.give(2, vec![grant]);
    assert_eq!(answer(&mut village, 2, 4, &asked), []);
    // Whoever was given it by a neighbor counts as one who has it.
    let given = answer(&mut village, 2, 3, &asked);
    village.act(3, |engine, _| engine.on_keys_given(given));
    remove(&mut village, 0, 3);
    let later = village.publish(0, "later").unwrap().id();
    for to in [2, 3] {
        village.copy(0, to);
    }
    assert_eq!(read(&village, 2, later).unwrap(), "later");
    assert_eq!(read(&village, 3, later), Err(BodyState::KeyMissing));
    let asked = [current(&village, 2).unwrap()];
    assert_eq!(answer(&mut village, 2, 3, &asked), []);
}
