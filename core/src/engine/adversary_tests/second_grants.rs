//! Members with two grants, one of them by somebody who means them no good.

use zeroize::Zeroizing;

use super::{
    joining::{fresh, outcome},
    *,
};
use crate::{
    crypto::{PasswordProof, PasswordVerifier},
    engine::{Removal, authority_tests::remove, group_tests::plain_grant, password::proof_context},
    wire::{JoinDenied, JoinMessage},
};

const PASSWORD: &str = "correct horse battery";

/// Asks to join by the password.
fn ask_by_password(village: &mut Village, to: usize, identity: &SecretKey) -> Result<(), Option<JoinDenied>> {
    let caller = Caller::new(village, identity.clone());
    caller.connect(village, to, Purpose::Join, Vec::new());
    let (proof, request) = PasswordProof::start(Zeroizing::new(PASSWORD.into()), [4; 32]);
    let message = JoinMessage::Password { request: request.into(), name: String::new() };
    let mut answers = caller.say(village, to, &Message::Join(Box::new(message)));
    if let Some(Message::Join(first)) = answers.first()
        && let JoinMessage::Challenge(challenge) = &**first
    {
        let (joiner, reached) = ((identity.peer(), caller.node), village.engines[to].device.node);
        let context = proof_context(&village.graph(), &joiner, &reached, &caller.exporter);
        let last = proof.finish(challenge, &context, [5; 32]).unwrap();
        answers = caller.say(village, to, &Message::Join(Box::new(JoinMessage::Proof(last.into()))));
    }
    caller.hang_up(village, to);
    outcome(&answers)
}

#[test]
fn t8_who_is_let_in_by_a_password_is_asked_for_the_grant_that_lets_in() {
    const ANN: usize = 0;
    const SAM: usize = 1;
    const BEN: usize = 2;
    const EVE: usize = 3;
    let mut village = Village::new(0x78, 4);
    assert!(village.grant(ANN, SAM, Role::Inviter));
    village.converge(0x78);
    // Ben is an inviter by Sam for a month; Ann gives him the same, nearer to her and for good, and nobody may follow below.
    let (ben, month) = (village.peer(BEN), Some(Duration::from_secs(30 * 86_400)));
    village.act(SAM, |engine, now| engine.grant(now, ben, "", Role::Inviter, month)).unwrap();
    village.converge(0x78);
    let shallow = Grant { depth: 0, ..plain_grant(village.peer(BEN), Role::Inviter) };
    village.act(ANN, |engine, now| engine.issue(now, Content::Grant(shallow))).unwrap();
    let verifier = PasswordVerifier::new(PASSWORD, village.rng.random());
    village.act(ANN, |e, now| e.set_password(now, Some(&verifier), Role::Member, None)).unwrap();
    village.converge(0x78);
    village.act(BEN, |engine, now| engine.listen(now)).unwrap();
    let welcome = fresh(&mut village);
    assert_eq!(ask_by_password(&mut village, BEN, &welcome), Ok(()), "the password is good");
    // Sam removed Eve, who was his guest: below Sam she does not come back by a word from before.
    assert!(village.grant(SAM, EVE, Role::Member));
    remove(&mut village, SAM, EVE, Removal::default());
    village.converge(0x78);
    let eve = village.keys[EVE].clone();
    assert_eq!(ask_by_password(&mut village, BEN, &eve), Err(Some(JoinDenied::Removed)));
    village.converge(0x78);
    for at in 0..4 {
        assert_eq!(village.role(at, EVE), None, "at {at}");
    }
    // A word that knows of the removal is another matter.
    village.act(ANN, |e, now| e.set_password(now, Some(&verifier), Role::Member, None)).unwrap();
    village.converge(0x78);
    assert_eq!(ask_by_password(&mut village, BEN, &eve), Ok(()));
    village.converge(0x78);
    for at in 0..4 {
        assert_eq!(village.role(at, EVE), Some(Role::Member), "at {at}");
    }
}
