//! Epochs of large groups, and of hostile admins: what one step does, and what an act costs.

use std::{collections::BTreeSet, time::Duration};

use rand::RngExt;

use super::{
    Engine, Removal,
    epoch_tests::{acts, current, epochs, read, remove, village},
    group_tests::Village,
};
use crate::{
    authority::{Act, Content, Epoch, Verdict},
    crypto::{self, SecretKey},
    group::{EpochId, epoch_id, seal_epoch_key},
    ids::{ActId, PeerId, RecordId},
    limits::{MAX_EPOCH_KEYS, MAX_OLDER_EPOCHS, MIN_GROUP_RECORD},
    record::{Role, SignedRecord},
    records::MemoryStore,
};

/// More than one act holds keys for.
const MANY: usize = MAX_EPOCH_KEYS + 20;

/// The creator lets in so many.
fn crowd(village: &mut Village) -> Vec<PeerId> {
    let peers: Vec<PeerId> = (0..MANY).map(|_| SecretKey::from_bytes(&village.rng.random()).peer()).collect();
    village.act(0, |engine, now| {
        for peer in &peers {
            engine.grant(now, *peer, "", Role::Member, None).unwrap();
        }
    });
    peers
}

/// In how many acts the key of the current epoch was given, and to how many.
fn given(village: &Village, at: usize) -> (usize, usize) {
    let members = village.engines[at].membership().unwrap();
    let id = current(village, at).unwrap();
    let of: Vec<_> = acts(village, at).iter().filter_map(|act| members.keys_of(&act.id())).collect();
    let parts: Vec<_> = of.iter().filter(|of| of.id == id).map(|of| of.keys).collect();
    let held: BTreeSet<PeerId> = parts.iter().flat_map(|keys| keys.iter().map(|(peer, _)| *peer)).collect();
    (parts.len(), held.len())
}

/// Goes on until nothing is left to seal; how many steps that took.
fn seal(village: &mut Village, at: usize) -> usize {
    let mut steps = 0;
    let now = village.now();
    while village.engines[at].group.epochs.next(now.mono, false).is_some_and(|due| due <= now.mono) {
        village.act(at, |_, _| ());
        steps += 1;
    }
    steps
}

#[test]
fn keys_for_many_members_are_several_records_that_fit_any_group() {
    let mut village = village(8, 1);
    crowd(&mut village);
    seal(&mut village, 0);
    // The creator's own, and those of all that came in one batch.
    assert_eq!(given(&village, 0), (3, MANY + 1));
    village.act(0, Engine::begin_epoch).unwrap();
    seal(&mut village, 0);
    assert_eq!(given(&village, 0), (2, MANY + 1));
    for record in village.engines[0].credentials().unwrap() {
        assert!(record.body().len() <= MIN_GROUP_RECORD as usize);
    }
}

#[test]
fn w9_an_epoch_for_many_members_is_sealed_in_steps_and_goes_on_if_it_was_cut_off() {
    let mut village = village(9, 3);
    assert!(village.grant(0, 1, Role::Inviter) && village.grant(0, 2, Role::Member));
    crowd(&mut village);
    seal(&mut village, 0);
    village.copy(0, 1);
    remove(&mut village, 0, 2);
    // What is written meanwhile is under the new key.
    let first = given(&village, 0);
    assert!(first.0 == 1 && first.1 < 100, "{first:?}");
    let written = village.publish(0, "after").unwrap();
    village.copy(0, 1);
    // It is cut off; in the meantime nobody else begins.
    village.restart(0);
    assert_eq!(given(&village, 0), first);
    village.pass(7);
    village.act(1, Engine::handle_timeout);
    let steps = seal(&mut village, 1);
    if read(&village, 1, written.id()).is_err() {
        // It has no key to give: the creator goes on, by itself.
        village.pass(7);
        village.act(0, Engine::handle_timeout);
        assert!(seal(&mut village, 0) > 4);
        village.copy(0, 1);
    } else {
        assert!(steps > 4);
    }
    assert_eq!(given(&village, 1).1, MANY + 2);
    assert_eq!(read(&village, 1, written.id()).unwrap(), "after");
    assert_eq!(epochs(&village, 1), 2);
}

#[test]
fn w9_whoever_sees_another_seal_waits_for_it() {
    let mut village = village(10, 2);
    assert!(village.grant(0, 1, Role::Inviter));
    village.converge(10);
    let peers = crowd(&mut village);
    let is_grant = |record: &SignedRecord| {
        Act::of(record).is_some_and(|act| matches!(act.body().content, Content::Grant(_)))
    };
    let grants = village.records(0).into_iter().filter(is_grant).collect();
    village.give(1, grants);
    // The creator gives the key to some each second: longer than others wait for it to begin.
    let epoch = village.engines[1].membership().unwrap().current_epoch().unwrap().act;
    for some in peers.chunks(30) {
        let keys = some.iter().map(|peer| (*peer, vec![1; 80])).collect();
        let act = village.sign(0, vec![epoch], Content::EpochKeys { epoch, keys });
        village.give(1, vec![act]);
        village.pass(1);
        village.act(1, Engine::handle_timeout);
    }
    let by_other = acts(&village, 1).iter().filter(|act| act.body().author == village.peer(1)).count();
    assert_eq!((by_other, given(&village, 1).1), (0, MANY + 2));
}

#[test]
fn w9_keys_that_do_not_open_are_tried_once_and_hide_no_epoch() {
    let mut village = village(11, 4);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Member));
    village.converge(11);
    let written = village.publish(2, "before").unwrap();
    village.converge(11);
    let first = current(&village, 0).unwrap();
    // Epochs that claim to carry what they do not, the one before them among it; and one whose own key nobody has.
    for number in 0..5_u8 {
        let key = zeroize::Zeroizing::new([100 + number; 32]);
        let sealed = |peer: PeerId| seal_epoch_key(&village.graph(), &peer, [5; 32], &key).unwrap();
        let worthless = (0..MAX_OLDER_EPOCHS as u8).map(|other| ([other; 32], vec![1; 72]));
        let older = [(first, vec![2; 72])].into_iter().chain(worthless).take(MAX_OLDER_EPOCHS).collect();
        let keys: Vec<_> = [0, 1, 2].map(|who| (village.peer(who), sealed(village.peer(who)))).into();
        let epoch = Epoch { key_id: epoch_id(&key), keys, older };
        let act = village.sign(1, village.heads(1), Content::Epoch(epoch));
        village.give(0, vec![act]);
        village.converge(11);
    }
    for at in 0..3 {
        assert!(village.engines[at].group.epochs.is_read(), "nothing is tried again at {at}");
    }
    // So a newcomer is given the key that nobody carries, and reads everything.
    assert!(village.grant(0, 3, Role::Member));
    for _ in 0..4 {
        village.act(0, |_, _| ());
    }
    village.converge(11);
    assert_eq!(read(&village, 3, written.id()).unwrap(), "before");
}

/// The group's first epoch, under which something was written; 1 is an admin, 2 a member, and 3 somebody who comes later.
fn written_before(seed: u64) -> (Village, RecordId, EpochId) {
    let mut village = village(seed, 4);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Member));
    village.converge(seed);
    let written = village.publish(2, "before").unwrap().id();
    village.converge(seed);
    let first = current(&village, 0).unwrap();
    (village, written, first)
}

/// 3 joins with an empty database, and is given what others offer.
fn joins_late(village: &mut Village, seed: u64) {
    let empty = Box::new(MemoryStore::new(village.graph(), 1));
    village.engines[3] = village.engine_on(3, empty);
    assert!(village.grant(0, 3, Role::Member));
    for _ in 0..4 {
        village.pass(100);
        village.act(0, |engine, now| engine.handle_timeout(now));
    }
    village.converge(seed);
}

#[test]
fn x3_an_epoch_whose_key_nobody_has_hides_nothing_from_who_joins_later() {
    let plain = Removal { keep_records: true, with_branch: false, undo: false };
    for removed in [false, true] {
        let (mut village, written, first) = written_before(0x3);
        let older = vec![(first, vec![2; 72])];
        let epoch = Epoch { key_id: [9; 32], keys: Vec::new(), older };
        let act = village.sign(1, village.heads(1), Content::Epoch(epoch));
        village.give(0, vec![act]);
        village.converge(0x3);
        if removed {
            let peer = village.peer(1);
            village.act(0, |engine, now| engine.remove(now, peer, "", plain)).unwrap();
        } else {
            // Its key is lost: an admin begins another.
            village.pass(200);
            village.act(0, |engine, now| engine.handle_timeout(now));
            village.pass(200);
            village.act(0, |engine, now| engine.handle_timeout(now));
        }
        assert!(current(&village, 0).is_some_and(|epoch| epoch != [9; 32] && epoch != first));
        joins_late(&mut village, 0x3);
        assert_eq!(read(&village, 3, written).unwrap(), "before", "removed: {removed}");
    }
}

#[test]
fn x3_who_joins_after_an_admin_was_undone_reads_what_its_epoch_carried() {
    let (mut village, written, first) = written_before(0x33);
    village.act(1, |engine, now| engine.begin_epoch(now)).unwrap();
    village.converge(0x33);
    assert_ne!(current(&village, 0), Some(first));
    let (peer, undo) = (village.peer(1), Removal { keep_records: false, with_branch: false, undo: true });
    village.act(0, |engine, now| engine.remove(now, peer, "", undo)).unwrap();
    joins_late(&mut village, 0x33);
    assert_eq!(read(&village, 3, written).unwrap(), "before");
}

#[test]
fn x19_members_whose_identities_are_no_keys_are_tried_once() {
    let mut village = village(0x19, 2);
    let no_key = |number: u16| {
        let mut bytes = [3; 32];
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        Some(PeerId::from_bytes(bytes)).filter(|peer| !crypto::is_key(peer))
    };
    let nobody: Vec<PeerId> = (0..u16::MAX).filter_map(no_key).take(300).collect();
    village.act(0, |engine, now| {
        for peer in &nobody {
            engine.grant(now, *peer, "", Role::Member, None).unwrap();
        }
    });
    village.pass(100);
    village.act(0, |engine, now| engine.handle_timeout(now));
    assert!(seal(&mut village, 0) < 10);
    assert_eq!(village.engines[0].group.epochs.no_keys.len(), nobody.len());
    village.pass(100);
    village.act(0, |engine, now| engine.handle_timeout(now));
    assert_eq!(village.engines[0].group.epochs.next(village.now().mono, false), None, "and never again");
    assert!(village.grant(0, 1, Role::Member));
    village.pass(100);
    village.act(0, |engine, now| engine.handle_timeout(now));
    village.converge(0x19);
    let written = village.publish(0, "for members").unwrap().id();
    village.converge(0x19);
    assert_eq!(read(&village, 1, written).unwrap(), "for members");
}

/// What is followed act by act is what a walk over all of it says.
fn check_followed(village: &Village, at: usize) {
    let members = village.engines[at].membership().unwrap();
    let whole = Verdict::of(members.acts());
    let verdict = members.verdict();
    assert_eq!(verdict.to_bytes(), whole.to_bytes());
    assert_eq!(verdict.epoch_holders(), whole.epoch_holders());
    assert_eq!(verdict.epoch_lacks(), whole.epoch_lacks());
    let begun: Vec<ActId> = verdict.epochs().to_vec();
    if let Some(current) = begun.last() {
        let given = members.acts_of_keys().filter(|act| verdict.act(act) == Some(None));
        let of = given.filter(|act| {
            let served = match &members.acts().get(act).unwrap().content {
                Content::EpochKeys { epoch, .. } => *epoch,
                _ => *act,
            };
            served == *current
        });
        let given: BTreeSet<PeerId> =
            of.flat_map(|act| members.keys_of(&act).unwrap().keys.iter().map(|(peer, _)| *peer)).collect();
        let all = verdict.identities().copied().chain([members.creator()]);
        let lacking: BTreeSet<PeerId> = all.filter(|peer| !given.contains(peer)).collect();
        assert_eq!(*verdict.epoch_lacks(), lacking);
    }
    let now = village.engines[at].peer_time(village.now());
    let in_force = verdict
        .grants()
        .map(|(_, grant)| grant)
        .filter(|grant| grant.void.is_none() && grant.left.is_empty() && grant.ended_by.is_empty());
    let times = in_force.flat_map(|grant| [Some(grant.not_before), grant.not_after]).flatten();
    assert_eq!(members.next_change(now), times.filter(|time| *time > now).min());
    let expired = verdict.epoch_holders().iter().any(|peer| {
        let has_grant = *peer == members.creator() || verdict.identities().any(|other| other == peer);
        has_grant && !members.is_member(*peer, now)
    });
    assert_eq!(verdict.holder_expired(now), expired);
}

#[test]
fn w9_holders_of_keys_and_ends_of_memberships_are_followed_act_by_act() {
    for seed in 200..206 {
        let mut village = village(seed, 6);
        assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Inviter));
        village.converge(seed);
        for _ in 0..40 {
            let who = village.rng.random_range(0..village.engines.len());
            let other = village.rng.random_range(2..village.engines.len());
            let peer = village.peer(other);
            match village.rng.random_range(0..7) {
                0 | 1 => {
                    let lifetime = village.rng.random_bool(0.5).then(|| Duration::from_secs(60));
                    // Who may not, does not.
                    let by = village.rng.random_range(0..3);
                    let grant =
                        |engine: &mut Engine, now| engine.grant(now, peer, "", Role::Member, lifetime);
                    let _ = village.act(by, grant);
                }
                2 => {
                    let by = village.rng.random_range(0..2);
                    let nothing = Removal::default();
                    let _ = village.act(by, |engine, now| engine.remove(now, peer, "", nothing));
                }
                3 => drop(village.act(who, Engine::begin_epoch)),
                4 | 5 => village.copy(who, (who + other) % 6),
                _ => village.act(who, Engine::handle_timeout),
            }
            village.pass(5);
            for at in 0..village.engines.len() {
                check_followed(&village, at);
            }
        }
    }
}
