//! Acts that a wrong clock stamped, and what becomes of those who were let in by them.

use super::super::group_tests::{Village, plain_grant};
use super::*;
use crate::{
    authority::{Grant, InvitationUse, Invite, issuer_proof, use_message},
    crypto::{Domain, SecretKey},
    record::Role,
};

const DAYS: Duration = Duration::from_secs(2 * 24 * 3600);

/// An inviter whose clock is ahead makes an invitation and lets a guest in by it. Once its clock is right, the invitation is another
/// act, and the proof of the guest names the old one.
#[test]
fn x20_a_guest_by_an_invitation_that_is_signed_anew_stays_a_member() {
    let mut village = Village::new(0x20, 4);
    assert!(village.grant(0, 1, Role::Inviter));
    village.copy(0, 1);
    let right = village.now();
    let ahead = Now { wall: right.wall + DAYS, ..right };
    let key = SecretKey::from_bytes(&[8; 32]);
    let (graph, guest, issuer) = (village.graph(), village.peer(2), village.peer(1));
    let proof = issuer_proof(&key, &graph, &issuer);
    let (role, lifetime_ms, admitters) = (Role::Member, None, Vec::new());
    let not_after = ahead.wall + Duration::from_secs(3600);
    let invite = Invite { key: key.peer(), role, uses: 1, not_after, lifetime_ms, admitters, proof };
    let engine = &mut village.engines[1];
    let issue = |engine: &mut Engine, content| engine.issue(ahead, content).unwrap();
    let invite = Act::of(&issue(engine, Content::Invite(invite))).unwrap().id();
    let proof = key.sign(Domain::InvitationUse, graph.as_bytes(), &use_message(&invite, &guest));
    let admission = Some(InvitationUse { invite, proof });
    let admitted = Grant { admission, not_before: ahead.wall, ..plain_grant(guest, Role::Member) };
    let admitted = issue(engine, Content::Grant(admitted));
    engine.flush(ahead).unwrap();
    assert_eq!(engine.membership().unwrap().role(guest, ahead.wall), Some(Role::Member));

    engine.clock.confirmed = Some(right.wall);
    engine.clock.compared = true;
    engine.clock.look_again();
    engine.flush(right).unwrap();
    assert!(!engine.store.contains(&admitted.key()).unwrap(), "signed anew");
    let members = engine.membership().unwrap();
    assert!(members.acts().acts().all(|act| act.body().at <= right.wall + SKEW_ADMIT));
    assert_eq!(village.role(1, 2), Some(Role::Member));
    village.copy(1, 0);
    assert_eq!(village.role(0, 2), Some(Role::Member), "and to others");
    assert_eq!(village.engines[0].fingerprint(), village.engines[1].fingerprint());
}
