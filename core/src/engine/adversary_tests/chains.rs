//! Chains of grants: every one that is not exactly what its issuers may say is worth nothing.

use super::*;
use crate::{
    engine::{PublishError, Removal},
    group::CredentialFault,
    record::RecordDraft,
};

/// A change to a grant, its envelope or its chain, and whether anybody honest could have said the outcome.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    Subject,
    Role,
    Period,
    Depth,
    Backwards,
    OtherGroup,
    DroppedLink,
    AnothersSignature,
    Bits,
}

const MUTATIONS: [Mutation; 9] = [
    Mutation::Subject,
    Mutation::Role,
    Mutation::Period,
    Mutation::Depth,
    Mutation::Backwards,
    Mutation::OtherGroup,
    Mutation::DroppedLink,
    Mutation::AnothersSignature,
    Mutation::Bits,
];

/// A chain that would make the stranger a member if anybody believed it; encoded, for some do not decode.
fn mutated(village: &mut Village, mutation: Mutation) -> Vec<Bytes> {
    let (first, _) = grant_of(village, 0, 1);
    let (second, ben) = grant_of(village, 0, 2);
    let (graph, hlc) = (village.graph(), second.header().hlc);
    let (ada, eve) = (village.keys[1].clone(), village.keys[3].clone());
    let parent = Some(act_id(&first));
    let evil = Grant { subject: eve.peer(), ..ben };
    let by = |key: &SecretKey, grant: Grant| {
        sign(&graph, ada.peer(), key, &Content::Grant(grant), (parent, hlc)).bytes().clone()
    };
    // What the admin's own key could be made to sign: only the rules are in the way.
    let rogue = |change: &dyn Fn(&mut Grant)| {
        let mut grant = evil.clone();
        change(&mut grant);
        by(&ada, grant)
    };
    let last = match mutation {
        Mutation::Subject => {
            // The admin's signature over another subject, and the stranger's own in the admin's name.
            let forged = by(&eve, evil);
            if village.rng.random() { forged } else { spliced(&forged, &second) }
        }
        Mutation::Role => rogue(&|grant| grant.role = Role::Owner),
        Mutation::Period => rogue(&|grant| grant.not_after = None),
        Mutation::Depth => rogue(&|grant| grant.depth = u8::MAX),
        Mutation::Backwards => rogue(&|grant| grant.not_after = Some(Timestamp(grant.not_before.0 - 1))),
        Mutation::OtherGroup => {
            let other = GraphId::from_bytes(village.rng.random());
            let grant = Content::Grant(evil);
            sign(&other, ada.peer(), &ada, &grant, (parent, hlc)).bytes().clone()
        }
        Mutation::DroppedLink => {
            // Below a grant that nobody shows, or below none at all.
            let above = [None, Some(ActId::from_bytes(village.rng.random()))][village.rng.random_range(0..2)];
            sign(&graph, ada.peer(), &ada, &Content::Grant(evil), (above, hlc)).bytes().clone()
        }
        Mutation::AnothersSignature => {
            // A member's own signature, by the member's own grant: it may not let in.
            let (ben, own) = (village.keys[2].clone(), Some(act_id(&second)));
            sign(&graph, ben.peer(), &ben, &Content::Grant(evil), (own, hlc)).bytes().clone()
        }
        Mutation::Bits => {
            let mut bytes = by(&ada, evil).to_vec();
            for _ in 0..village.rng.random_range(1..4) {
                let at = village.rng.random_range(0..bytes.len());
                bytes[at] ^= village.rng.random_range(1..=255);
            }
            bytes.into()
        }
    };
    vec![first.bytes().clone(), second.bytes().clone(), last]
}

/// A forged envelope with the signature of a true one.
fn spliced(forged: &Bytes, truth: &SignedRecord) -> Bytes {
    let signature = truth.claim().signature;
    let body = SignedRecord::decode(&GraphId::from_bytes([0; 32]), forged.clone(), 1 << 20).unwrap().body();
    let at = forged.len() - body.len() - signature.len();
    let mut bytes = forged.to_vec();
    bytes[at..at + signature.len()].copy_from_slice(signature);
    bytes.into()
}

fn membership(village: &Village, at: usize) -> Vec<(PeerId, Role)> {
    let engine = &village.engines[at];
    engine.members(village.now()).into_iter().map(|m| (m.peer, m.role.unwrap())).collect()
}

#[test]
fn s1_s10_a_thousand_mutated_chains_and_none_opens_a_link_or_is_kept() {
    let seed = 0x51;
    let mut village = generations(seed);
    let before = (membership(&village, 0), village.engines[0].fingerprint());
    let eve = village.keys[3].clone();
    let (mut accepted, mut kept) = (0, 0);
    for round in 0..1000 {
        let mutation = MUTATIONS[round % MUTATIONS.len()];
        let chain = mutated(&mut village, mutation);
        // At the door: shown when connecting.
        let caller = Caller::new(&mut village, eve.clone());
        let purpose = [Purpose::Neighbor, Purpose::Direct, Purpose::Probe][round % 3];
        let answer = caller.connect(&mut village, 0, purpose, chain.clone());
        if !is_turned_away(answer.as_ref()) {
            accepted += 1;
            eprintln!("seed {seed}, round {round}, {mutation:?}: {answer:?}");
        }
        caller.hang_up(&mut village, 0);
        // And as records that flood in from a neighbor.
        let records =
            chain.iter().filter_map(|b| SignedRecord::decode(&village.graph(), b.clone(), 1 << 20).ok());
        let last: Vec<SignedRecord> = records.skip(2).collect();
        village.give(0, last.clone());
        kept += last.iter().filter(|r| village.engines[0].store.contains(&r.key()).unwrap()).count();
    }
    assert_eq!((accepted, kept), (0, 0), "seed {seed}");
    assert_eq!((membership(&village, 0), village.engines[0].fingerprint()), before);
    // The same door opens for the true chain: the test can tell.
    let chain = [1, 2].map(|who| grant_of(&village, 0, who).0.bytes().clone()).to_vec();
    let ben = village.keys[2].clone();
    let ben = Caller::new(&mut village, ben);
    let answer = ben.connect(&mut village, 0, Purpose::Neighbor, chain);
    assert!(matches!(answer, Some(Message::Welcome(_))), "{answer:?}");
}

#[test]
fn s10_periods_and_depths_hold_to_the_last_unit() {
    let mut village = generations(0x510);
    let (first, ada) = grant_of(&village, 0, 1);
    let (graph, key, parent) = (village.graph(), village.keys[1].clone(), Some(act_id(&first)));
    let (begin, end) = (ada.not_before, ada.not_after.unwrap());
    let now = Hlc::at(village.engines[0].peer_time(village.now()));
    let eve = village.peer(3);
    let base = Grant {
        not_before: begin,
        not_after: Some(end),
        depth: ada.depth - 1,
        ..plain_grant(eve, Role::Admin)
    };
    let beyond = Timestamp(end.0 + 1);
    // What is said when; and whether it is good, which is only so where all of it lies within the issuer's own.
    let cases = [
        (base.clone(), now, true),
        (Grant { not_after: Some(beyond), ..base.clone() }, now, false),
        (Grant { not_after: None, ..base.clone() }, now, false),
        (Grant { depth: ada.depth, ..base.clone() }, now, false),
        (Grant { role: Role::Owner, ..base.clone() }, now, false),
        (Grant { subject: village.peer(0), ..base.clone() }, now, false),
        (Grant { subject: village.peer(1), ..base.clone() }, now, false),
        (base.clone(), Hlc::at(begin), true),
        (base.clone(), Hlc::at(Timestamp(begin.0 - 1)), false),
    ];
    for (number, (grant, hlc, good)) in cases.into_iter().enumerate() {
        let record = sign(&graph, key.peer(), &key, &Content::Grant(grant), (parent, hlc));
        village.give(4, vec![first.clone(), record.clone()]);
        assert_eq!(village.engines[4].store.contains(&record.key()).unwrap(), good, "case {number}");
    }
}

#[test]
fn s28_a_stolen_device_is_let_in_no_more_and_another_of_the_same_identity_is() {
    let mut village = generations(0x528);
    let ben = village.keys[2].clone();
    let (stolen, other) = (Caller::new(&mut village, ben.clone()), Caller::new(&mut village, ben));
    let answer = stolen.connect(&mut village, 0, Purpose::Neighbor, Vec::new());
    assert!(matches!(answer, Some(Message::Welcome(_))), "{answer:?}");
    let (peer, node) = (stolen.identity.peer(), stolen.node);
    village.act(0, |engine, now| engine.revoke_device(now, peer, node)).unwrap();
    assert!(village.engines[0].overlay.peer_of(stolen.link).is_none(), "its link ends at once");
    // As it is everywhere the word has come to.
    village.converge(0x528);
    village.act(1, |engine, now| engine.listen(now)).unwrap();
    for at in [0, 1] {
        let again = Caller { link: LinkId(5), identity: stolen.identity.clone(), ..stolen };
        let answer = again.connect(&mut village, at, Purpose::Neighbor, Vec::new());
        assert!(is_turned_away(answer.as_ref()), "at {at}: {answer:?}");
    }
    let answer = other.connect(&mut village, 0, Purpose::Neighbor, Vec::new());
    assert!(matches!(answer, Some(Message::Welcome(_))), "{answer:?}");
}

#[test]
fn s10_when_a_membership_ends_so_do_its_links_records_and_grants() {
    let mut village = generations(0x1010);
    let chain = [1, 2].map(|who| grant_of(&village, 0, who).0.bytes().clone()).to_vec();
    let ben = village.keys[2].clone();
    village.pass(2 * 3600);
    // His admin's is still good, his own is over: for whoever knows the chain and for whoever sees it first.
    let caller = Caller::new(&mut village, ben.clone());
    let answer = caller.connect(&mut village, 0, Purpose::Neighbor, chain);
    assert!(is_turned_away(answer.as_ref()), "{answer:?}");
    let own = Some(act_id(&grant_of(&village, 0, 2).0));
    let now = Hlc::at(village.engines[0].peer_time(village.now()));
    let late = Header {
        grant: own.map(|own| *own.as_bytes()),
        ..header(ben.peer(), RecordType::new("test.note").unwrap(), now, [7; 16])
    };
    let late = SignedRecord::sign(&village.graph(), &ben, late, b"late");
    village.give(0, vec![late.clone()]);
    assert!(!village.engines[0].store.contains(&late.key()).unwrap());
}

#[test]
fn whoever_was_removed_hears_so_at_every_write() {
    let mut village = generations(0x66);
    let ben = village.peer(2);
    let draft = || RecordDraft::new("test.note", "more").unwrap();
    let now = village.now();
    let early = village.engines[2].stamper().stamp(now.wall, [7; 16], draft()).unwrap();
    village
        .act(0, |engine, now| {
            engine.remove(now, ben, "", Removal { keep_records: true, with_branch: false, undo: false })
        })
        .unwrap();
    village.copy(0, 2);
    let removed = |result: Result<_, PublishError>| match result {
        Err(error) => assert!(matches!(error, PublishError::Credential(CredentialFault::Removed)), "{error}"),
        Ok(_) => panic!("it was taken"),
    };
    removed(village.act(2, |engine, now| engine.publish_stamped(now, early)));
    for _ in 0..2 {
        removed(village.act(2, |engine, now| engine.publish(now, draft())));
    }
}

#[test]
fn s1_what_a_stranger_shows_is_weighed_and_leaves_no_trace() {
    let mut village = generations(0x67);
    let (admin, stranger) = (village.peer(1), village.peer(3));
    let day = Some(Duration::from_secs(3600));
    village.act(1, |engine, now| engine.grant(now, stranger, "Cid", Role::Member, day)).unwrap();
    let (grant, _) = grant_of(&village, 1, 3);
    let time = village.engines[0].peer_time(village.now());
    let members = village.engines[0].group.members.as_ref().unwrap();
    let (before, shown) = (format!("{members:?}"), [Act::of(&grant).unwrap()]);
    let standing = members.vouched(stranger, &shown, Some(time)).unwrap();
    assert_eq!((standing.role, standing.grant), (Role::Member, Some(shown[0].id())));
    let ended = time + Duration::from_secs(1 << 40);
    assert_eq!(members.vouched(stranger, &shown, Some(ended)), None);
    assert_eq!(members.vouched(admin, &shown, Some(time)), None, "of somebody else");
    assert!(members.member(stranger, time).is_none());
    assert_eq!(format!("{members:?}"), before);
}
