//! Joining with what is not one's own, is no longer good, or is guessed.

use zeroize::Zeroizing;

use super::*;
use crate::{
    authority::{Invite, issuer_proof, use_message},
    crypto::{Domain, PasswordProof, PasswordVerifier, SignatureBytes},
    engine::{JoinFailure, PublishError, Removal, authority_tests::is_here},
    group::CredentialFault,
    limits::{JOIN_SILENCE, KEPT_JOINS, MAX_JOINS, MAX_REVOKED_DEVICES, SKEW_HOLD},
    wire::{JoinDenied, JoinMessage, join_proof},
};

const WEEK: (Duration, Option<Duration>) = (Duration::from_secs(7 * 86_400), None);

/// A link for several that a member made; its secret key.
pub(super) fn link_by(village: &mut Village, who: usize, uses: u32) -> SecretKey {
    let key = SecretKey::from_bytes(&village.rng.random());
    let made = village.act(who, |e, now| e.invite(now, &key, Role::Member, uses, WEEK, Vec::new()));
    made.unwrap();
    key
}

/// Comes by a link: the proof is over what is given.
pub(super) fn prove(village: &Village, caller: &Caller, key: &SecretKey) -> Message {
    let said = join_proof(&caller.exporter, &caller.identity.peer(), &caller.node);
    let signature = key.sign(Domain::Join, village.graph().as_bytes(), &said);
    invite(key.peer(), issuer_of(village, key.peer()), signature)
}

/// Who issued a link first, as its text says.
fn issuer_of(village: &Village, key: PeerId) -> PeerId {
    let acts = village.engines.iter().flat_map(|engine| engine.credentials().unwrap());
    let issued = acts.filter_map(|record| Act::of(&record)).filter_map(|act| match &act.body().content {
        Content::Invite(invite) if invite.key == key => Some((act.body().at, act.body().author)),
        _ => None,
    });
    issued.min().map_or_else(|| village.peer(0), |(_, issuer)| issuer)
}

pub(super) fn invite(key: PeerId, issuer: PeerId, signature: [u8; 64]) -> Message {
    Message::Join(Box::new(JoinMessage::Invite { key, issuer, signature, name: "Eve".into() }))
}

/// The outcome of asking; `Ok` if let in.
pub(super) fn outcome(answers: &[Message]) -> Result<(), Option<JoinDenied>> {
    answers
        .iter()
        .find_map(|answer| match answer {
            Message::Join(join) => match &**join {
                JoinMessage::Granted { .. } => Some(Ok(())),
                JoinMessage::Denied { reason, .. } => Some(Err(Some(*reason))),
                _ => None,
            },
            _ => None,
        })
        .unwrap_or(Err(None))
}

pub(super) fn ask_with(
    village: &mut Village,
    to: usize,
    identity: &SecretKey,
    key: &SecretKey,
) -> Result<(), Option<JoinDenied>> {
    let caller = Caller::new(village, identity.clone());
    let welcome = caller.connect(village, to, Purpose::Join, Vec::new());
    assert!(matches!(welcome, Some(Message::Welcome(_))), "{welcome:?}");
    let message = prove(village, &caller, key);
    let mut answers = caller.say(village, to, &message);
    if let Some(Message::Join(asked)) = answers.first()
        && let JoinMessage::Use(invite) = **asked
    {
        let said = use_message(&invite, &identity.peer());
        let used = key.sign(Domain::InvitationUse, village.graph().as_bytes(), &said);
        answers = caller.say(village, to, &Message::Join(Box::new(JoinMessage::Used(used))));
    }
    caller.hang_up(village, to);
    outcome(&answers)
}

pub(super) fn fresh(village: &mut Village) -> SecretKey {
    SecretKey::from_bytes(&village.rng.random())
}

#[test]
fn s2_s6_a_proof_of_another_link_node_or_identity_is_worth_nothing() {
    let mut village = generations(0x52);
    let key = link_by(&mut village, 0, 9);
    let (eve, victim) = (fresh(&mut village), fresh(&mut village));
    let theirs = Caller::new(&mut village, victim);
    let Message::Join(overheard) = prove(&village, &theirs, &key) else { unreachable!() };
    let JoinMessage::Invite { signature: overheard, .. } = *overheard else { unreachable!() };
    let caller = Caller::new(&mut village, eve.clone());
    let me = eve.peer();
    let sign = |by: &SecretKey, domain, said: &[u8]| by.sign(domain, village.graph().as_bytes(), said);
    let own = join_proof(&caller.exporter, &me, &caller.node);
    let tries = [
        overheard,
        sign(&eve, Domain::Join, &own),
        sign(&key, Domain::Record, &own),
        sign(&key, Domain::Join, &join_proof(&[7; 32], &me, &caller.node)),
        sign(&key, Domain::Join, &join_proof(&caller.exporter, &theirs.identity.peer(), &caller.node)),
        sign(&key, Domain::Join, &join_proof(&caller.exporter, &me, &theirs.node)),
        [0; 64],
    ];
    let issuer = issuer_of(&village, key.peer());
    for (number, signature) in tries.into_iter().enumerate() {
        let caller = Caller { identity: eve.clone(), link: LinkId(number as u64), ..caller };
        caller.connect(&mut village, 0, Purpose::Join, Vec::new());
        let answers = caller.say(&mut village, 0, &invite(key.peer(), issuer, signature));
        assert_eq!(outcome(&answers), Err(Some(JoinDenied::WrongProof)), "try {number}");
        caller.hang_up(&mut village, 0);
    }
    assert_eq!(ask_with(&mut village, 0, &eve, &key), Ok(()), "the holder of the link comes in");
}

#[test]
fn s27_links_made_by_the_removed_and_shown_to_the_removed_let_nobody_in() {
    let mut village = Village::new(0x27, 3);
    assert!(village.grant(0, 1, Role::Inviter) && village.grant(0, 2, Role::Member));
    village.converge(0x27);
    village.act(0, |engine, now| engine.listen(now)).unwrap();
    let (his, hers) = (link_by(&mut village, 1, 9), link_by(&mut village, 0, 9));
    village.converge(0x27);
    let friend = fresh(&mut village);
    assert_eq!(ask_with(&mut village, 0, &friend, &his), Ok(()));
    let (removed, demoted) = (village.keys[1].clone(), village.keys[2].clone());
    village.act(0, |engine, now| engine.remove(now, removed.peer(), "", Removal::default())).unwrap();
    // The one who was removed, with the link another made; and with his own, under another identity.
    assert_eq!(ask_with(&mut village, 0, &removed, &hers), Err(Some(JoinDenied::Removed)));
    let again = fresh(&mut village);
    let refused = ask_with(&mut village, 0, &again, &his);
    assert!(matches!(refused, Err(Some(JoinDenied::Revoked | JoinDenied::Unknown))), "{refused:?}");
    let open: Vec<PeerId> = {
        let now = village.engines[0].peer_time(village.now());
        village.engines[0]
            .membership()
            .unwrap()
            .open_invites(now)
            .into_iter()
            .map(|open| open.invite.key)
            .collect()
    };
    assert_eq!(open, [hers.peer()], "nor is it listed as open");
    // Who may not let in any more has no links either.
    village.act(0, |engine, now| engine.set_role(now, demoted.peer(), Role::Inviter)).unwrap();
    village.copy(0, 2);
    let link = link_by(&mut village, 2, 9);
    village.copy(2, 0);
    village.pass(1);
    village.act(0, |engine, now| engine.set_role(now, demoted.peer(), Role::Member)).unwrap();
    let (friend, other) = (fresh(&mut village), fresh(&mut village));
    assert!(ask_with(&mut village, 0, &friend, &link).is_err());
    assert_eq!(ask_with(&mut village, 0, &other, &hers), Ok(()), "other links are as good as before");
}

#[test]
fn s27_nobody_spoils_anothers_link_by_claiming_its_key() {
    for seed in 0..8 {
        let mut village = Village::new(seed, 2);
        assert!(village.grant(0, 1, Role::Inviter));
        village.converge(seed);
        village.act(0, |engine, now| engine.listen(now)).unwrap();
        let link = link_by(&mut village, 0, 3);
        village.converge(seed);
        village.pass(1);
        // Who came by it has its secret key.
        let soon = (Duration::from_secs(1), None);
        village.act(1, |e, now| e.invite(now, &link, Role::Reader, 1, soon, Vec::new())).unwrap();
        village.converge(seed);
        village.pass(10);
        let joiner = fresh(&mut village);
        assert_eq!(ask_with(&mut village, 0, &joiner, &link), Ok(()), "seed {seed}");
        let now = village.engines[0].peer_time(village.now());
        let standing = village.engines[0].membership().unwrap().member(joiner.peer(), now).unwrap();
        assert_eq!(standing.role, Role::Member, "seed {seed}");
    }
}

#[test]
fn w15_who_claims_the_key_of_anothers_link_gets_none_of_its_guests() {
    let mut village = Village::new(0x15, 3);
    assert!(village.grant(0, 1, Role::Inviter));
    village.converge(0x15);
    for at in [0, 1] {
        village.act(at, |engine, now| engine.listen(now)).unwrap();
    }
    let link = link_by(&mut village, 0, 3);
    village.converge(0x15);
    village.pass(1);
    // A higher role under the same key: its guests would be inviters by the claimer's word, and stay when the link is taken back.
    village.act(1, |e, now| e.invite(now, &link, Role::Inviter, 9, WEEK, Vec::new())).unwrap();
    village.converge(0x15);
    for at in [0, 1] {
        let joiner = fresh(&mut village);
        assert_eq!(ask_with(&mut village, at, &joiner, &link), Ok(()));
        let now = village.engines[at].peer_time(village.now());
        let members = village.engines[at].membership().unwrap();
        let standing = members.member(joiner.peer(), now).unwrap();
        assert_eq!(standing.role, Role::Member);
        assert_eq!(inviter_of(&village, at, joiner.peer()), village.peer(0));
    }
    let theirs = village.engines[0].membership().unwrap().invite_ids(link.peer()).into_iter();
    let members = village.engines[0].membership().unwrap();
    let own: Vec<_> =
        theirs.filter(|id| members.acts().get(id).is_some_and(|act| act.author == village.peer(0))).collect();
    village.act(0, |engine, now| engine.issue(now, Content::RevokeInvite(own[0]))).unwrap();
    village.converge(0x15);
    for at in [0, 1] {
        let late = fresh(&mut village);
        assert_eq!(ask_with(&mut village, at, &late, &link), Err(Some(JoinDenied::Revoked)));
    }
}

/// An inviter's claim of the key of a link.
fn claim(village: &Village, by: usize, link: &SecretKey, proof: SignatureBytes) -> SignedRecord {
    let not_after = village.engines[by].peer_time(village.now()) + WEEK.0;
    let (key, role, lifetime_ms, admitters) = (link.peer(), Role::Inviter, None, Vec::new());
    let invite = Invite { key, role, uses: 1000, not_after, lifetime_ms, admitters, proof };
    village.sign(by, village.heads(by), Content::Invite(invite))
}

/// Whose invitation somebody came by.
fn inviter_of(village: &Village, at: usize, guest: PeerId) -> PeerId {
    let now = village.engines[at].peer_time(village.now());
    let members = village.engines[at].membership().unwrap();
    let grant = members.grant_of(&members.member(guest, now).unwrap()).unwrap();
    members.acts().get(&grant.admission.as_ref().unwrap().invite).unwrap().author
}

#[test]
fn t3_who_has_not_the_key_of_a_link_offers_nothing_under_it() {
    const ANN: usize = 0;
    const BEN: usize = 1;
    const HAL: usize = 2;
    let mut village = Village::new(0x73, 3);
    assert!(village.grant(ANN, BEN, Role::Inviter) && village.grant(ANN, HAL, Role::Inviter));
    village.converge(0x73);
    let links = [link_by(&mut village, ANN, 9), link_by(&mut village, BEN, 9)];
    village.converge(0x73);
    // The true issuer's proof, one for another group, Hal's own, one of the use of the link, and none.
    let (graph, hal) = (village.graph(), village.keys[HAL].clone());
    let elsewhere = GraphId::from_bytes([7; 32]);
    let claims: Vec<SignedRecord> = [ANN, BEN]
        .into_iter()
        .zip(&links)
        .flat_map(|(issuer, link)| {
            let proofs = [
                issuer_proof(link, &graph, &village.peer(issuer)),
                issuer_proof(link, &elsewhere, &hal.peer()),
                issuer_proof(&hal, &graph, &hal.peer()),
                link.sign(Domain::Join, graph.as_bytes(), hal.peer().as_bytes()),
                [0; 64],
            ];
            proofs.map(|proof| claim(&village, HAL, link, proof))
        })
        .collect();
    for at in [ANN, BEN, HAL] {
        village.give(at, claims.clone());
        assert!(claims.iter().all(|claim| !is_here(&village, at, claim)), "at {at}");
        village.act(at, |engine, now| engine.listen(now)).unwrap();
    }
    // Newcomers are the true issuer's guests, wherever they come; Hal has no power over them.
    for at in [ANN, HAL] {
        let guest = fresh(&mut village);
        assert_eq!(ask_with(&mut village, at, &guest, &links[0]), Ok(()));
        village.converge(0x73);
        assert_eq!(inviter_of(&village, BEN, guest.peer()), village.peer(ANN));
        if at == ANN {
            let removal = |engine: &mut Engine, now| engine.remove(now, guest.peer(), "", Removal::default());
            assert!(village.act(HAL, removal).is_err());
        }
    }
    village.pass(1);
    // Who takes a link back has closed it, also if somebody who came by it claims its key.
    let holders = claim(&village, HAL, &links[1], issuer_proof(&links[1], &graph, &hal.peer()));
    village.give(HAL, vec![holders.clone()]);
    assert!(is_here(&village, HAL, &holders));
    village.converge(0x73);
    let key = links[1].peer();
    village.act(BEN, |engine, now| engine.revoke_invite(now, key)).unwrap();
    village.converge(0x73);
    for at in [ANN, BEN, HAL] {
        let late = fresh(&mut village);
        let asked = ask_with(&mut village, at, &late, &links[1]);
        assert_eq!(asked, Err(Some(JoinDenied::Revoked)), "at {at}");
    }
}

#[test]
fn w15_the_sixty_fifth_refusal_of_an_own_device_says_why_and_undoes_none() {
    let mut village = Village::new(0x65, 2);
    assert!(village.grant(0, 1, Role::Member));
    village.converge(0x65);
    let me = village.peer(1);
    let node = |number: u8| NodeId::from_bytes([number; 32]);
    for number in 0..MAX_REVOKED_DEVICES as u8 {
        village.act(1, |engine, now| engine.revoke_device(now, me, node(number))).unwrap();
    }
    for number in 200..210 {
        let refused = village.act(1, |engine, now| engine.revoke_device(now, me, node(number))).unwrap_err();
        let PublishError::Credential(CredentialFault::TooManyRefusals) = refused else { panic!("{refused}") };
    }
    let members = village.engines[1].membership().unwrap();
    assert!((0..MAX_REVOKED_DEVICES as u8).all(|number| members.is_device_revoked(me, node(number))));
}

#[test]
fn s25_ten_thousand_guesses_over_links_and_twenty_an_hour_are_heard() {
    let mut village = Village::new(0x25, 1);
    village.act(0, |engine, now| engine.listen(now)).unwrap();
    let verifier = PasswordVerifier::new("correct horse battery", village.rng.random());
    village.act(0, |e, now| e.set_password(now, Some(&verifier), Role::Member, None)).unwrap();
    // Every guess by another identity on another node, one a second.
    let (_, request) = PasswordProof::start(Zeroizing::new("a guess".into()), [4; 32]);
    let (mut heard, mut lengths) = (Vec::new(), std::collections::BTreeSet::new());
    for second in 0..10_000u64 {
        let eve = SecretKey::from_bytes(&[(second % 251) as u8; 32]);
        let caller = Caller::new(&mut village, eve);
        caller.connect(&mut village, 0, Purpose::Join, Vec::new());
        let message = JoinMessage::Password { request: request.clone().into(), name: String::new() };
        let answers = caller.say(&mut village, 0, &Message::Join(Box::new(message)));
        for answer in answers {
            match answer {
                Message::Join(join) => match *join {
                    JoinMessage::Challenge(bytes) => {
                        heard.push(second);
                        lengths.insert(bytes.len());
                    }
                    JoinMessage::Denied { reason: JoinDenied::Throttled(_), .. } => {}
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
        caller.hang_up(&mut village, 0);
        village.pass(1);
    }
    for hour in 0..3u64 {
        let count = heard.iter().filter(|at| (hour * 3600..(hour + 1) * 3600).contains(*at)).count();
        assert!(count <= 20, "{count} in hour {hour}");
    }
    assert!(heard.len() >= 20, "nor is the door shut for good: {}", heard.len());
    assert_eq!(lengths.len(), 1, "all answers look alike");
    assert_eq!(village.engines[0].members(village.now()).len(), 1);
}

/// 64 links that say nothing, or stay after a no, shut no door.
#[test]
fn v_i_who_says_nothing_or_was_told_no_makes_room_for_others_who_join() {
    let mut village = generations(0x51a);
    for says in [false, true] {
        let asks = |village: &mut Village| {
            let eve = fresh(village);
            let caller = Caller::new(village, eve);
            let answer = caller.connect(village, 0, Purpose::Join, Vec::new());
            let is_in = matches!(answer, Some(Message::Welcome(_)));
            if is_in && says {
                let unknown = JoinMessage::Password { request: vec![1; 32].into(), name: String::new() };
                let answers = caller.say(village, 0, &Message::Join(Box::new(unknown)));
                assert!(matches!(outcome(&answers), Err(Some(_))), "{answers:?}");
            }
            is_in
        };
        for _ in 0..MAX_JOINS - KEPT_JOINS {
            assert!(asks(&mut village));
        }
        assert!(!asks(&mut village), "they have just come");
        village.pass(JOIN_SILENCE.as_secs());
        for _ in 0..MAX_JOINS - KEPT_JOINS {
            assert!(asks(&mut village), "the oldest makes room");
        }
        assert!(!asks(&mut village), "one goes for one that comes: all have just come");
        village.pass(31);
        village.act(0, |engine, now| engine.handle_timeout(now));
    }
}

#[test]
fn s16_those_who_ask_to_join_are_so_many_at_once_and_in_nobodys_way() {
    let mut village = generations(0x516);
    let chain = [1, 2].map(|who| grant_of(&village, 0, who).0.bytes().clone()).to_vec();
    let mut welcome = 0;
    for _ in 0..200 {
        let eve = fresh(&mut village);
        let caller = Caller::new(&mut village, eve);
        match caller.connect(&mut village, 0, Purpose::Join, Vec::new()) {
            Some(Message::Welcome(_)) => welcome += 1,
            Some(Message::Refuse(refuse)) => assert!(refuse.referrals.is_empty(), "{refuse:?}"),
            other => panic!("{other:?}"),
        }
    }
    // The rest is kept for those who come from elsewhere.
    assert_eq!(welcome, MAX_JOINS - KEPT_JOINS);
    let ben = village.keys[2].clone();
    let ben = Caller::new(&mut village, ben);
    let answer = ben.connect(&mut village, 0, Purpose::Neighbor, chain);
    assert!(matches!(answer, Some(Message::Welcome(_))), "{answer:?}");
    // They have half a minute each.
    village.pass(31);
    village.act(0, |engine, now| engine.handle_timeout(now));
    let eve = fresh(&mut village);
    let late = Caller::new(&mut village, eve);
    let answer = late.connect(&mut village, 0, Purpose::Join, Vec::new());
    assert!(matches!(answer, Some(Message::Welcome(_))), "{answer:?}");
}

#[test]
fn s7_a_membership_from_the_future_is_not_taken_and_leads_no_clock_astray() {
    let mut village = Village::new(0x77, 3);
    assert!(village.grant(0, 1, Role::Owner));
    village.converge(0x77);
    let (first, _) = grant_of(&village, 0, 1);
    let (admin, joiner) = (village.keys[1].clone(), village.peer(2));
    let (graph, parent) = (village.graph(), Some(act_id(&first)));
    let now = village.engines[2].peer_time(village.now());
    for ahead in [SKEW_HOLD + Duration::from_secs(60), Duration::from_secs(365 * 86_400)] {
        let grant = Grant {
            not_before: Timestamp(0),
            not_after: None,
            depth: 0,
            ..plain_grant(joiner, Role::Member)
        };
        let hlc = Hlc::at(now + ahead);
        let last = sign(&graph, admin.peer(), &admin, &Content::Grant(grant), (parent, hlc));
        let chain = vec![first.bytes().clone(), last.bytes().clone()];
        let taken = village.act(2, |engine, now| engine.accept_chain(now, chain));
        assert_eq!(taken, Err(JoinFailure::BadGrant), "{ahead:?} ahead");
        let next = village.engines[2].stamper.tick(now);
        assert!(next.timestamp() <= now + Duration::from_secs(1), "{next:?}");
    }
}

#[test]
fn s3_s29_who_may_only_ask_to_join_learns_no_addresses_and_changes_nothing() {
    let mut village = generations(0x29);
    // A neighbor whose address a referral could tell.
    let chain = [1, 2].map(|who| grant_of(&village, 0, who).0.bytes().clone()).to_vec();
    let ben = village.keys[2].clone();
    let ben = Caller::new(&mut village, ben);
    assert!(matches!(ben.connect(&mut village, 0, Purpose::Neighbor, chain), Some(Message::Welcome(_))));
    let (mark, contacts) = (village.engines[0].overlay.mark(), village.engines[0].overlay.contacts().count());

    let eve = fresh(&mut village);
    let caller = Caller::new(&mut village, eve);
    let Some(Message::Welcome(welcome)) = caller.connect(&mut village, 0, Purpose::Join, Vec::new()) else {
        panic!("a joiner is heard");
    };
    assert!(welcome.referrals.is_empty(), "{:?}", welcome.referrals);
    let low = Mark { node: NodeId::from_bytes([0; 32]), beat: u64::MAX };
    let ping = crate::wire::Ping { seq: 1, peer_time: Timestamp(u64::MAX), mark: low };
    caller.say(&mut village, 0, &Message::Ping(ping));
    let goodbye = crate::wire::Goodbye {
        reason: crate::wire::GoodbyeReason::Asked,
        referrals: vec![NodeAddr::at(NodeId::from_bytes([9; 32]), ["127.0.0.1:9".parse().unwrap()])],
    };
    caller.say(&mut village, 0, &Message::Goodbye(goodbye));
    assert_eq!(village.engines[0].overlay.mark().node, mark.node);
    assert_eq!(village.engines[0].overlay.contacts().count(), contacts);

    // Records, announcements, comparisons: the link ends before any is looked at.
    let note = village.publish(1, "secret").unwrap();
    village.copy(1, 0);
    let session = 1;
    let digest = crate::wire::Digest { count: 0, hash: [0; 16] };
    for message in [
        Message::Graft { origin: 1, keys: vec![note.key()] },
        Message::Push { origin: 1, records: vec![note.bytes().clone()] },
        Message::Sync(crate::wire::SyncMessage::Open {
            session,
            digest,
            types: Vec::new(),
            fresh: Default::default(),
        }),
        Message::Sync(crate::wire::SyncMessage::Fetch {
            session,
            initiator: true,
            request: 1,
            keys: vec![note.key()],
        }),
    ] {
        let eve = fresh(&mut village);
        let caller = Caller::new(&mut village, eve);
        caller.connect(&mut village, 0, Purpose::Join, Vec::new());
        let answers = caller.say(&mut village, 0, &message);
        assert!(answers.is_empty(), "{message:?}: {answers:?}");
        assert!(village.engines[0].overlay.peer_of(caller.link).is_none(), "{message:?}");
    }
}
