//! Who keeps whom out, and by what the removed come back.

use super::{
    joining::{ask_with, fresh, link_by, outcome},
    *,
};
use crate::{
    authority::Password,
    crypto::{PasswordProof, PasswordVerifier},
    engine::Removal,
    wire::{JoinDenied, JoinMessage},
};

const WORD: &str = "correct horse battery";

/// Comes by the password.
pub(super) fn ask_by_password(
    village: &mut Village,
    to: usize,
    identity: &SecretKey,
) -> Result<(), Option<JoinDenied>> {
    match prove_password(village, to, identity) {
        (caller, Ok(last)) => {
            let answers = caller.say(village, to, &Message::Join(Box::new(JoinMessage::Proof(last.into()))));
            caller.hang_up(village, to);
            outcome(&answers)
        }
        (caller, Err(answers)) => {
            caller.hang_up(village, to);
            outcome(&answers)
        }
    }
}

/// The same up to the last word, which is not said yet; what is answered if there is no challenge.
pub(super) fn prove_password(
    village: &mut Village,
    to: usize,
    identity: &SecretKey,
) -> (Caller, Result<Vec<u8>, Vec<Message>>) {
    let caller = Caller::new(village, identity.clone());
    let welcome = caller.connect(village, to, Purpose::Join, Vec::new());
    assert!(matches!(welcome, Some(Message::Welcome(_))), "{welcome:?}");
    let (proof, request) = PasswordProof::start(zeroize::Zeroizing::new(WORD.into()), village.rng.random());
    let message = JoinMessage::Password { request: request.into(), name: String::new() };
    let answers = caller.say(village, to, &Message::Join(Box::new(message)));
    let challenge = answers.iter().find_map(|answer| match answer {
        Message::Join(said) => match &**said {
            JoinMessage::Challenge(challenge) => Some(challenge.clone()),
            _ => None,
        },
        _ => None,
    });
    let Some(challenge) = challenge else { return (caller, Err(answers)) };
    let (me, reached) = ((identity.peer(), caller.node), village.engines[to].device.node);
    let context = crate::engine::password::proof_context(&village.graph(), &me, &reached, &caller.exporter);
    let last = proof.finish(&challenge, &context, village.rng.random()).expect("the password is right");
    (caller, Ok(last))
}

/// Ann, two inviters by her, and a guest of the first; all listen.
fn town(seed: u64) -> Village {
    let mut village = Village::new(seed, 4);
    assert!(village.grant(0, 1, Role::Inviter) && village.grant(0, 2, Role::Inviter));
    village.converge(seed);
    assert!(village.grant(1, 3, Role::Inviter));
    village.converge(seed);
    for at in 0..4 {
        village.act(at, |engine, now| engine.listen(now)).unwrap();
    }
    village
}

#[test]
fn r10_an_inviter_keeps_no_stranger_out_but_of_its_own_branch() {
    let mut village = town(0x10);
    let verifier = PasswordVerifier::new(WORD, village.rng.random());
    village.act(0, |e, now| e.set_password(now, Some(&verifier), Role::Member, None)).unwrap();
    let (hers, his) = (link_by(&mut village, 0, 99), link_by(&mut village, 1, 99));
    let strangers: Vec<SecretKey> = (0..5).map(|_| fresh(&mut village)).collect();
    village.converge(0x10);
    // It grants and removes whoever asks.
    for stranger in &strangers {
        let peer = stranger.peer();
        village.act(1, |e, now| e.grant(now, peer, "", Role::Member, None)).unwrap();
        village.act(1, |e, now| e.remove(now, peer, "", Removal::default())).unwrap();
    }
    village.converge(0x10);
    let removed = Err(Some(JoinDenied::Removed));
    assert_eq!(ask_with(&mut village, 1, &strangers[0], &hers), removed, "at that inviter");
    assert_eq!(ask_with(&mut village, 0, &strangers[0], &his), removed, "by a link of that inviter");
    assert_eq!(ask_by_password(&mut village, 3, &strangers[0]), removed, "by a guest of that inviter");
    assert_eq!(ask_with(&mut village, 2, &strangers[0], &hers), Ok(()), "by an equal");
    assert_eq!(ask_with(&mut village, 0, &strangers[1], &hers), Ok(()));
    assert_eq!(ask_with(&mut village, 3, &strangers[2], &hers), Ok(()), "its guest by another's link");
    assert_eq!(ask_by_password(&mut village, 2, &strangers[3]), Ok(()));
    assert_eq!(ask_by_password(&mut village, 0, &strangers[4]), Ok(()));
    village.converge(0x10);
    let now = village.engines[1].peer_time(village.now());
    for stranger in &strangers {
        let members = village.engines[1].membership().unwrap();
        assert!(members.is_member(stranger.peer(), now), "{:?}", stranger.peer());
    }
}

#[test]
fn r10_what_the_removed_sign_keeps_nobody_out_and_a_removal_by_a_senior_does() {
    let mut village = town(0x110);
    let verifier = PasswordVerifier::new(WORD, village.rng.random());
    village.act(0, |e, now| e.set_password(now, Some(&verifier), Role::Member, None)).unwrap();
    let link = link_by(&mut village, 0, 99);
    village.converge(0x110);
    let (stranger, removed) = (fresh(&mut village), fresh(&mut village));
    assert_eq!(ask_with(&mut village, 2, &removed, &link), Ok(()));
    village.converge(0x110);
    // Ann removes the inviter with all below; it grants and removes a stranger without knowing.
    let branch = Removal { with_branch: true, ..Removal::default() };
    let (first, second, peer) = (village.peer(1), stranger.peer(), removed.peer());
    village.act(0, |e, now| e.remove(now, first, "", branch)).unwrap();
    village.act(0, |e, now| e.remove(now, peer, "", Removal::default())).unwrap();
    village.act(1, |e, now| e.grant(now, second, "", Role::Member, None)).unwrap();
    village.act(1, |e, now| e.remove(now, second, "", Removal::default())).unwrap();
    village.converge(0x110);
    for at in [0, 2] {
        assert_eq!(ask_with(&mut village, at, &removed, &link), Err(Some(JoinDenied::Removed)), "{at}");
        assert_eq!(ask_by_password(&mut village, at, &removed), Err(Some(JoinDenied::Removed)), "{at}");
    }
    assert_eq!(ask_with(&mut village, 2, &stranger, &link), Ok(()));
    // Whoever knows of the removal lets it in again, by a new link or password.
    let new = link_by(&mut village, 0, 9);
    village.converge(0x110);
    assert_eq!(ask_with(&mut village, 2, &removed, &new), Ok(()));
}

#[test]
fn r11_a_readmitted_inviter_lets_in_by_links_made_before() {
    let mut village = town(0x11);
    let link = link_by(&mut village, 0, 99);
    village.converge(0x11);
    let (branch, ben) = (Removal { with_branch: true, ..Removal::default() }, village.peer(1));
    village.act(0, |e, now| e.remove(now, ben, "", branch)).unwrap();
    village.act(0, |e, now| e.grant(now, ben, "Ben", Role::Inviter, None)).unwrap();
    village.converge(0x11);
    let guest = fresh(&mut village);
    assert_eq!(ask_with(&mut village, 1, &guest, &link), Ok(()));
    village.converge(0x11);
    for at in [0, 1, 2] {
        let now = village.engines[at].peer_time(village.now());
        assert!(village.engines[at].membership().unwrap().is_member(guest.peer(), now), "{at}");
    }
}

#[test]
fn r6_a_password_set_after_a_leave_holds_without_a_removal() {
    let mut village = Village::new(0x6, 3);
    assert!(village.grant(0, 1, Role::Admin));
    village.converge(0x6);
    let verifier = PasswordVerifier::new(WORD, village.rng.random());
    village.act(0, |e, now| e.set_password(now, Some(&verifier), Role::Member, None)).unwrap();
    village.act(0, |engine, now| engine.listen(now)).unwrap();
    village.converge(0x6);
    let admin = village.engines[1].group.own_grant();
    village.act(1, |engine, now| engine.resign(now)).unwrap();
    village.converge(0x6);
    // It clears the password by the grant that it left; whatever it knows is in the past of that.
    let clear = |village: &mut Village| {
        let after = village.engines[0].membership().unwrap().acts().heads();
        let at = village.engines[0].peer_time(village.now());
        let (role, verifiers, despite) = (Role::Member, Vec::new(), Vec::new());
        let content = Content::Password(Password { role, lifetime_ms: 1, verifiers, despite });
        let body = ActBody { author: village.peer(1), by: admin.map(ActId::from_bytes), after, at, content };
        let record = village.sign_as(1, body);
        village.give(0, vec![record.clone()]);
        assert!(village.engines[0].store.contains(&record.key()).unwrap(), "it is taken");
    };
    clear(&mut village);
    let (first, second) = (fresh(&mut village), fresh(&mut village));
    assert_eq!(ask_by_password(&mut village, 0, &first), Err(Some(JoinDenied::NoPassword)));
    village.act(0, |e, now| e.set_password(now, Some(&verifier), Role::Member, None)).unwrap();
    for guest in [first, second] {
        clear(&mut village);
        assert_eq!(ask_by_password(&mut village, 0, &guest), Ok(()));
    }
}
