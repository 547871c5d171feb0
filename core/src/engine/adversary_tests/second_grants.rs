//! Members with two grants, one of them by somebody who means them no good.

use zeroize::Zeroizing;

use super::{
    joining::{fresh, outcome},
    *,
};
use crate::{
    authority::{Keep, Remove},
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

const ANN: usize = 0;
/// An admin by Ann.
const AMY: usize = 1;
/// One more, by Amy.
const ADA: usize = 2;
/// Whom Ada let in.
const BEN: usize = 3;
/// Nearer to Ann than Ada's guests, and above none of them.
const IDA: usize = 4;
/// Ben's guests, before he gets a second grant and after.
const EARLY: usize = 5;
const LATE: usize = 6;
const COUNT: usize = 7;

/// Ben and Ida have this role; Ben has a guest.
fn with_ben(seed: u64, role: Role, guest: Role) -> Village {
    let mut village = Village::new(seed, COUNT);
    for (by, to, role) in [
        (ANN, AMY, Role::Admin),
        (AMY, ADA, Role::Admin),
        (ANN, IDA, role),
        (ADA, BEN, role),
        (BEN, EARLY, guest),
    ] {
        assert!(village.grant(by, to, role));
        village.converge(seed);
    }
    village
}

fn roles(village: &Village, of: usize) -> Vec<Option<Role>> {
    (0..COUNT).map(|at| village.role(at, of)).collect()
}

/// A removal that undoes, of a member with a grant that its author is not above: no honest node signs it.
fn take_back(village: &mut Village, by: usize, whom: usize) {
    let (subject, reason, keep) = (village.peer(whom), String::new(), Keep::default());
    let remove = Content::Remove(Remove { subject, reason, keep, branch: false, undo: true });
    village.act(by, |engine, now| engine.issue(now, remove)).unwrap();
}

#[test]
fn t5_a_gift_takes_no_power_over_ones_guests_and_goes_alone() {
    for role in [Role::Inviter, Role::Admin] {
        let mut village = with_ben(0x75, role, Role::Member);
        assert!(village.grant(IDA, BEN, role), "a gift of a higher rank than Ben's own grant");
        village.converge(0x75);
        assert!(village.grant(BEN, LATE, Role::Member));
        let gone = village.peer(EARLY);
        village.act(BEN, |engine, now| engine.remove(now, gone, "", Removal::default())).unwrap();
        village.converge(0x75);
        assert_eq!(roles(&village, EARLY), [None; COUNT], "he is still above his guests");
        take_back(&mut village, IDA, BEN);
        village.converge(0x75);
        assert_eq!(roles(&village, BEN), [Some(role); COUNT], "the gift is gone alone");
        assert_eq!(roles(&village, LATE), [Some(Role::Member); COUNT]);
        assert_eq!(roles(&village, EARLY), [None; COUNT], "and what he did stays");
    }
}

#[test]
fn t5_what_is_done_to_others_is_by_the_grant_that_is_senior() {
    let mut village = with_ben(0x751, Role::Admin, Role::Admin);
    assert!(village.grant(IDA, BEN, Role::Admin));
    village.converge(0x751);
    // One guest is Ben's by his own grant, one by the gift; by neither is he above both.
    let gift = village.engines[BEN].group.standings.last().unwrap().grant;
    assert_eq!(givers(&village), [Some(village.peer(ADA)), Some(village.peer(IDA))]);
    let (author, at) = (village.peer(BEN), village.engines[BEN].peer_time(village.now()));
    let content = Content::Grant(plain_grant(village.peer(LATE), Role::Admin));
    let guest = village.sign_as(BEN, ActBody { author, by: gift, after: village.heads(BEN), at, content });
    village.give(BEN, vec![guest]);
    village.converge(0x751);
    for guest in [EARLY, LATE] {
        let (peer, node) = (village.peer(guest), NodeId::from_bytes([7; 32]));
        let refused = |village: &Village| -> Vec<bool> {
            let here = |engine: &Engine| engine.membership().unwrap().is_device_revoked(peer, node);
            village.engines.iter().map(here).collect()
        };
        village.act(BEN, |engine, now| engine.revoke_device(now, peer, node)).unwrap();
        village.converge(0x751);
        assert_eq!(refused(&village), [true; COUNT], "of {guest}");
        village.act(BEN, |engine, now| engine.restore_device(now, peer, node)).unwrap();
        village.converge(0x751);
        assert_eq!(refused(&village), [false; COUNT], "of {guest}");
        village.act(BEN, |engine, now| engine.set_role(now, peer, Role::Inviter)).unwrap();
        village.converge(0x751);
        assert_eq!(roles(&village, guest), [Some(Role::Inviter); COUNT]);
        remove(&mut village, BEN, guest, Removal::default());
        village.converge(0x751);
        assert_eq!(roles(&village, guest), [None; COUNT]);
    }
    // Whom he is not above by any grant, he does nothing to.
    let (ida, node) = (village.peer(IDA), NodeId::from_bytes([7; 32]));
    village.act(BEN, |engine, now| engine.set_role(now, ida, Role::Reader)).unwrap_err();
    village.act(BEN, |engine, now| engine.revoke_device(now, ida, node)).unwrap_err();
    village.act(BEN, |engine, now| engine.remove(now, ida, "", Removal::default())).unwrap_err();
}

/// The grants that Ben's acts try, in this order, by who gave them.
fn givers(village: &Village) -> Vec<Option<PeerId>> {
    village.engines[BEN].group.standings.iter().map(|own| own.issuer).collect()
}

#[test]
fn t5_of_two_grants_by_equals_the_one_acted_under_first_goes_first() {
    const SAM: usize = AMY;
    const TOM: usize = ADA;
    let mut village = Village::new(0x752, COUNT);
    // Tom is farther from Ann than Ida, and nobody is above anybody else's guests.
    assert!(village.grant(ANN, SAM, Role::Inviter) && village.grant(ANN, IDA, Role::Inviter));
    village.converge(0x752);
    assert!(village.grant(SAM, TOM, Role::Inviter));
    village.converge(0x752);
    assert!(village.grant(TOM, BEN, Role::Inviter));
    village.converge(0x752);
    assert!(village.grant(BEN, EARLY, Role::Member));
    // A gift that names no past, and one of a lower rank and no use.
    let gift = Grant { depth: 5, ..plain_grant(village.peer(BEN), Role::Inviter) };
    let by = village.engines[IDA].group.own_grant().map(ActId::from_bytes).unwrap();
    let gift = village.sign(IDA, vec![by], Content::Grant(gift));
    village.give(BEN, vec![gift]);
    village.converge(0x752);
    let tom = village.peer(TOM);
    for _ in 0..2 {
        assert_eq!(givers(&village), [Some(tom), Some(village.peer(IDA))]);
        village.restart(BEN);
    }
    village.engines[BEN].usable = true;
    assert!(village.grant(BEN, LATE, Role::Member));
    village.converge(0x752);
    take_back(&mut village, IDA, BEN);
    village.converge(0x752);
    for (who, role) in [(BEN, Role::Inviter), (EARLY, Role::Member), (LATE, Role::Member)] {
        assert_eq!(roles(&village, who), [Some(role); COUNT]);
    }
    // What a grant by somebody senior allows goes first, whenever it comes.
    assert!(village.grant(ANN, BEN, Role::Inviter));
    village.converge(0x752);
    assert_eq!(givers(&village), [Some(village.peer(ANN)), Some(tom)]);
}

#[test]
fn t5_a_gift_is_used_for_what_it_alone_allows() {
    let mut village = with_ben(0x753, Role::Inviter, Role::Member);
    // Ida makes Ben's guest, who may let nobody in, an inviter.
    assert!(village.grant(IDA, EARLY, Role::Inviter));
    village.converge(0x753);
    assert!(village.grant(EARLY, LATE, Role::Member));
    village.converge(0x753);
    assert_eq!(roles(&village, LATE), [Some(Role::Member); COUNT]);
    // The power over those is of it as well, though Ben's grant goes first for all else.
    remove(&mut village, EARLY, LATE, Removal::default());
    village.converge(0x753);
    assert_eq!(roles(&village, LATE), [None; COUNT]);
    assert!(village.grant(EARLY, LATE, Role::Member));
    village.converge(0x753);
    assert_eq!(roles(&village, LATE), [Some(Role::Member); COUNT]);
    take_back(&mut village, IDA, EARLY);
    village.converge(0x753);
    assert_eq!(
        (roles(&village, EARLY), roles(&village, LATE)),
        (vec![Some(Role::Member); COUNT], vec![None; COUNT])
    );
}

#[test]
fn t5_however_many_gifts_there_are_they_stand_in_nobodys_way() {
    let mut village = with_ben(0x754, Role::Inviter, Role::Member);
    let by = village.engines[IDA].group.own_grant().map(ActId::from_bytes).unwrap();
    let gifts: Vec<SignedRecord> = (0..200)
        .map(|number| {
            let gift = Grant {
                depth: 5,
                name: format!("{number}"),
                ..plain_grant(village.peer(BEN), Role::Inviter)
            };
            village.sign(IDA, vec![by], Content::Grant(gift))
        })
        .collect();
    village.give(BEN, gifts);
    for _ in 0..2 {
        let givers = givers(&village);
        assert_eq!((givers.len(), givers[0]), (201, Some(village.peer(ADA))));
        village.restart(BEN);
    }
    village.engines[BEN].usable = true;
    remove(&mut village, BEN, EARLY, Removal::default());
    assert_eq!(village.role(BEN, EARLY), None);
}

#[test]
fn i19_a_change_of_role_lengthens_no_membership_that_ends_for_good() {
    let mut village = Village::new(0x19, 3);
    let end = village.engines[ANN].peer_time(village.now()) + Duration::from_secs(3600);
    let short = Grant { not_after: Some(end), ..plain_grant(village.peer(1), Role::Member) };
    village.act(ANN, |engine, now| engine.issue(now, Content::Grant(short))).unwrap();
    village.converge(0x19);
    let peer = village.peer(1);
    for role in [Role::Inviter, Role::Reader, Role::Admin, Role::Member] {
        village.pass(60);
        village.act(ANN, |engine, now| engine.set_role(now, peer, role)).unwrap();
        village.converge(0x19);
        let now = village.engines[ANN].peer_time(village.now());
        let standing = village.engines[2].membership().unwrap().member(peer, now).unwrap();
        assert_eq!((standing.role, standing.not_after), (role, Some(end)), "neither longer nor shorter");
    }
}

/// An admin gives an equal a small role and refuses its device as if it knew of nothing else. No node hears it before the others, and
/// the equal goes on.
#[test]
fn u2_no_admin_locks_an_equal_out_by_a_small_gift() {
    const ANN: usize = 0;
    const BEN: usize = 1;
    const CAT: usize = 2;
    const DAN: usize = 3;
    let mut village = Village::new(0xd2, 4);
    assert!(village.grant(ANN, BEN, Role::Admin) && village.grant(ANN, CAT, Role::Admin));
    village.converge(0xd2);
    assert!(village.grant(CAT, DAN, Role::Admin));
    village.converge(0xd2);
    let (dan, node) = (village.peer(DAN), village.engines[DAN].device.node);
    village.act(BEN, |engine, now| engine.revoke_device(now, dan, node)).unwrap_err();
    let gift = village.sign(BEN, Vec::new(), Content::Grant(plain_grant(dan, Role::Reader)));
    let after = vec![Act::of(&gift).unwrap().id()];
    let refusal = village.sign(BEN, after, Content::RevokeDevice { identity: dan, node });
    for at in [ANN, CAT, DAN] {
        village.give(at, vec![gift.clone(), refusal.clone()]);
    }
    village.converge(0xd2);
    let refused = |village: &Village| -> Vec<bool> {
        let here = |engine: &Engine| engine.membership().unwrap().is_device_revoked(dan, node);
        village.engines.iter().map(here).collect()
    };
    assert_eq!(refused(&village), [false; 4]);
    let note = village.publish(DAN, "still here").unwrap();
    village.converge(0xd2);
    assert!((0..4).all(|at| village.engines[at].store.contains(&note.key()).unwrap()));
    for at in 0..4 {
        village.restart(at);
    }
    assert_eq!(refused(&village), [false; 4]);
    // Somebody above both does it, and takes it back.
    village.act(ANN, |engine, now| engine.revoke_device(now, dan, node)).unwrap();
    village.converge(0xd2);
    assert_eq!(refused(&village), [true; 4]);
    village.act(ANN, |engine, now| engine.restore_device(now, dan, node)).unwrap();
    village.converge(0xd2);
    assert_eq!(refused(&village), [false; 4]);
}

/// Ida and her guests know who is going to come, and give her many grants before anybody else does.
#[test]
fn u6_gifts_that_come_first_stand_before_no_grant_by_a_higher_member() {
    const GUEST: usize = COUNT;
    let mut village = Village::new(0x756, COUNT + 1);
    let admin = Role::Admin;
    for (by, to, role) in [(ANN, AMY, admin), (AMY, ADA, admin), (ANN, IDA, Role::Inviter)] {
        assert!(village.grant(by, to, role));
        village.converge(0x756);
    }
    for puppet in [EARLY, LATE] {
        assert!(village.grant(IDA, puppet, Role::Inviter));
    }
    village.converge(0x756);
    for by in [IDA, EARLY, LATE] {
        let own = village.engines[by].group.own_grant().map(ActId::from_bytes).unwrap();
        let gifts: Vec<SignedRecord> = (0..20)
            .map(|number| {
                let gift =
                    Grant { name: format!("{number}"), ..plain_grant(village.peer(BEN), Role::Inviter) };
                village.sign(by, vec![own], Content::Grant(Grant { depth: 4, ..gift }))
            })
            .collect();
        village.give(BEN, gifts);
    }
    village.converge(0x756);
    assert!(village.grant(ADA, BEN, Role::Inviter));
    village.converge(0x756);
    let ada = Some(village.peer(ADA));
    for _ in 0..2 {
        assert_eq!(givers(&village)[0], ada, "of 61");
        village.restart(BEN);
    }
    village.engines[BEN].usable = true;
    assert!(village.grant(BEN, GUEST, Role::Member));
    village.converge(0x756);
    take_back(&mut village, IDA, BEN);
    village.converge(0x756);
    assert_eq!(roles(&village, BEN), [Some(Role::Inviter); COUNT]);
    assert_eq!(roles(&village, GUEST), [Some(Role::Member); COUNT]);
}
