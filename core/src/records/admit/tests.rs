use proptest::prelude::*;

use super::*;
use crate::{
    crypto::SecretKey,
    ids::NodeId,
    record::{
        Attributes, DeviceCertificate, GraphProperties, GroupRules, MemberName, NodeAddr, Presence,
        RecordType, RecordUpdate,
    },
    records::{
        MEMBER_NAME_NONCE, OpenPolicy, PROPERTIES_NONCE, Store, presence_nonce, sync::tests::store::TestStore,
    },
    time::Hlc,
};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32])
}

fn genesis() -> Genesis {
    Genesis { max_record: 2048, ..Genesis::new(key(1).peer(), [7; 16]) }
}

fn header(creator: &SecretKey, nonce: u8) -> Header {
    Header::first(RecordType::new("chat.message").unwrap(), [nonce; 16], creator.peer(), Hlc::at(NOW))
}

fn sign(by: &SecretKey, header: Header, body: &[u8]) -> SignedRecord {
    SignedRecord::sign(&genesis().id(), by, header, body)
}

fn judge_at(peer_time: Timestamp, candidates: Vec<SignedRecord>) -> Vec<Admission> {
    let genesis = genesis();
    let context =
        AdmitContext { genesis: &genesis, peer_time, policy: &OpenPolicy, seed: 1, parallel: false };
    admit(&genesis.id(), candidates, &context, |_| Ok(None)).unwrap()
}

/// The verdict on what a stranger sent: by the decoder, then by the door.
fn judge(record: &SignedRecord) -> Result<(), Option<RejectReason>> {
    let genesis = genesis();
    let decoded = SignedRecord::decode(&genesis.id(), record.bytes().clone(), genesis.max_record as usize);
    let Ok(record) = decoded else { return Err(None) };
    match judge_at(NOW, vec![record]).remove(0) {
        Admission::Verified(_) => Ok(()),
        Admission::Rejected { reason, .. } => Err(Some(reason)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn r17_a_sound_record_is_admitted() {
    let admissions = judge_at(NOW, vec![sign(&key(2), header(&key(2), 1), b"hello")]);
    let [Admission::Verified(record)] = &admissions[..] else { panic!("{admissions:?}") };
    assert_eq!(&record.signed().body()[..], b"hello");
}

#[test]
fn r17_records_that_break_a_rule_are_dropped_even_when_well_signed() {
    let author = key(2);
    let base = || header(&author, 1);
    let later = Hlc::at(NOW + Duration::from_secs(1));
    let other = Some(key(3).peer());
    let bad: Vec<(&str, Header)> = vec![
        ("expires before it was written", Header { expires: Some(NOW), ..base() }),
        ("modified before creation", Header { created: NOW + HOUR, ..base() }),
        ("a tombstone with a body", Header { version: 2, deleted: true, hlc: later, ..base() }),
        ("a first version by another", Header { editor: other, ..base() }),
        ("an editor who is the creator", Header { version: 2, editor: Some(author.peer()), ..base() }),
        ("version 0", Header { version: 0, ..base() }),
        ("a malformed attribute", Header { attributes: Attributes::from([("a b", 1)]), ..base() }),
        ("a reserved attribute", Header { attributes: Attributes::from([("peergraph.x", 1)]), ..base() }),
        ("an unknown reserved type", Header { record_type: "peergraph.x".try_into().unwrap(), ..base() }),
    ];
    for (what, header) in bad {
        let signer = if header.editor == other { key(3) } else { key(2) };
        assert!(judge(&sign(&signer, header, b"body")).is_err(), "{what}");
    }
    assert_eq!(judge(&sign(&author, base(), &[0; 3000])), Err(None), "larger than the graph allows");
    let admissions = judge_at(NOW, vec![sign(&author, base(), &[0; 3000])]);
    let too_large = RejectReason::TooLarge { len: 3000, max: 2048 };
    assert!(matches!(&admissions[..], [Admission::Rejected { reason, .. }] if *reason == too_large));
    assert!(!too_large.is_strike());
}

#[test]
fn r17_another_graph_and_another_author_are_bad_signatures() {
    let foreign = SignedRecord::sign(&GraphId::from_bytes([5; 32]), &key(2), header(&key(2), 1), b"x");
    assert_eq!(judge(&foreign), Err(Some(RejectReason::BadSignature)));
    let forged = sign(&key(3), header(&key(2), 1), b"x");
    assert_eq!(judge(&forged), Err(Some(RejectReason::BadSignature)));
    assert!(RejectReason::BadSignature.is_strike());
    let edit = Header { version: 2, editor: Some(key(3).peer()), ..header(&key(2), 1) };
    assert_eq!(judge(&sign(&key(3), edit.clone(), b"x")), Ok(()));
    assert_eq!(judge(&sign(&key(2), edit, b"x")), Err(Some(RejectReason::BadSignature)));
}

#[test]
fn a11_r17_presence_is_of_its_creators_own_node() {
    let (peer, node) = (key(2), key(9).node());
    let signed_by = |node_key: &SecretKey, graph: &GraphId, by: &SecretKey, addr: NodeAddr| {
        let device = DeviceCertificate::issue(by, node);
        Presence::sign(graph, node_key, device, addr, (String::new(), NOW))
    };
    let presence = |by: &SecretKey, addr: NodeAddr| signed_by(&key(9), &genesis().id(), by, addr);
    let base = || Header {
        record_type: RecordType::presence(),
        nonce: presence_nonce(&node),
        expires: Some(NOW + HOUR),
        ..header(&peer, 0)
    };
    let told = |by: &SecretKey, header: Header, presence: &Presence| {
        judge(&sign(by, header, &postcard::to_stdvec(presence).unwrap()))
    };
    let sound = presence(&peer, NodeAddr::new(node));
    assert_eq!(told(&peer, base(), &sound), Ok(()));
    // A11: the node has a say. Its identity alone, another node, another graph, another identity's: all worth nothing.
    let addr = || NodeAddr::new(node);
    for forged in [
        Presence { signature: [0; 64], ..sound.clone() },
        Presence { signature: peer.sign(Domain::Presence, &[0; 32], b""), ..sound.clone() },
        signed_by(&peer, &genesis().id(), &peer, addr()),
        signed_by(&key(8), &genesis().id(), &peer, addr()),
        signed_by(&key(9), &GraphId::from_bytes([5; 32]), &peer, addr()),
        Presence { signature: presence(&key(3), addr()).signature, ..sound.clone() },
        Presence { attributes: "changed".into(), ..sound.clone() },
        Presence { since: NOW + HOUR, ..sound.clone() },
        Presence { addr: NodeAddr::at(node, [([10, 0, 0, 1], 9).into()]), ..sound.clone() },
    ] {
        assert!(told(&peer, base(), &forged).is_err(), "{forged:?}");
    }
    assert!(told(&peer, Header { nonce: [1; 16], ..base() }, &sound).is_err());
    assert!(told(&peer, Header { expires: None, ..base() }, &sound).is_err());
    assert!(told(&peer, base(), &presence(&key(3), NodeAddr::new(node))).is_err());
    assert!(told(&peer, base(), &presence(&peer, NodeAddr::new(NodeId::from_bytes([4; 32])))).is_err());
    // Of too many addresses the first are told; who tells more is refused.
    let addrs = (1..40).map(|port| ([127, 0, 0, 1], port).into()).collect();
    let many = presence(&peer, NodeAddr { node, addrs, relay: None });
    assert_eq!(told(&peer, base(), &many), Ok(()));
    let mut body = postcard::to_stdvec(&many).unwrap();
    let list = [16, 0, 127, 0, 0, 1, 1];
    let at = body.windows(list.len()).position(|bytes| bytes == list).expect("the list of addresses");
    body.splice(at..=at, [17, 0, 127, 0, 0, 1, 99]);
    assert!(judge(&sign(&peer, base(), &body)).is_err());
    let editor = Some(key(3).peer());
    let later = Hlc::at(NOW + Duration::from_secs(1));
    assert!(told(&key(3), Header { version: 2, editor, hlc: later, ..base() }, &sound).is_err());
    let gone = Header { version: 2, deleted: true, hlc: later, ..base() };
    assert_eq!(judge(&sign(&peer, gone, b"")), Ok(()));
}

#[test]
fn c46_a_member_names_itself_once_and_nobody_else() {
    let genesis = Genesis { rules: Some(GroupRules::default()), ..genesis() };
    let told = |by: &SecretKey, header: Header, body: &[u8]| {
        let record = SignedRecord::sign(&genesis.id(), by, header, body);
        let policy = &OpenPolicy;
        let context = AdmitContext { genesis: &genesis, peer_time: NOW, policy, seed: 1, parallel: false };
        let judged = admit(&genesis.id(), vec![record], &context, |_| unreachable!()).unwrap().remove(0);
        matches!(judged, Admission::Verified(_))
    };
    let named = |name: &str| postcard::to_stdvec(&MemberName { name: name.into() }).unwrap();
    let ben = key(2);
    let base =
        || Header { record_type: RecordType::member_name(), nonce: MEMBER_NAME_NONCE, ..header(&ben, 0) };
    assert!(told(&ben, base(), &named("Ben")) && told(&ben, base(), &named("")));
    assert!(told(&ben, Header { version: 2, ..base() }, &named(&"x".repeat(255))));
    for bad in [named(&"x".repeat(256)), named("a\nb"), b"x".to_vec(), [&named("Ben")[..], b"x"].concat()] {
        assert!(!told(&ben, base(), &bad), "{bad:?}");
    }
    assert!(!told(&ben, Header { nonce: [2; 16], ..base() }, &named("Ben")), "a second one");
    assert!(!told(&ben, Header { expires: Some(NOW + HOUR), ..base() }, &named("Ben")));
    assert!(!told(&ben, Header { version: 2, deleted: true, ..base() }, b""));
    let attributes = Attributes::from([("a", 1)]);
    assert!(!told(&ben, Header { attributes, ..base() }, &named("Ben")));
    let eve = key(3);
    let editor = Some(eve.peer());
    assert!(!told(&eve, Header { version: 2, editor, ..base() }, &named("Fool")), "another's");
    assert!(!told(&eve, base(), &named("Fool")), "in another's name");
    let taken = Header { record_type: "chat.message".try_into().unwrap(), version: 2, ..base() };
    assert!(!told(&ben, taken, b""), "replaced by another type");
    // In a graph without members nobody has one.
    assert!(judge(&sign(&ben, base(), &named("Ben"))).is_err());
}

#[test]
fn r17_properties_belong_to_the_graphs_creator() {
    let creator = key(1);
    let base =
        || Header { record_type: RecordType::properties(), nonce: PROPERTIES_NONCE, ..header(&creator, 0) };
    let body = |properties: &GraphProperties| postcard::to_stdvec(properties).unwrap();
    let sound = GraphProperties { name: "Book club".into(), ..GraphProperties::default() };
    assert_eq!(judge(&sign(&creator, base(), &body(&sound))), Ok(()));
    let long = GraphProperties { name: "x".repeat(256), ..sound.clone() };
    assert!(judge(&sign(&creator, base(), &body(&long))).is_err());
    assert!(judge(&sign(&creator, base(), b"x")).is_err());
    let elsewhere = Header { nonce: [1; 16], ..base() };
    assert!(judge(&sign(&creator, elsewhere, &body(&sound))).is_err());
    let stranger = Header { creator: key(2).peer(), ..base() };
    assert!(judge(&sign(&key(2), stranger, &body(&sound))).is_err());
    let replaced = Header { record_type: "chat.message".try_into().unwrap(), version: 2, ..base() };
    assert!(judge(&sign(&creator, replaced, b"")).is_err());
    let deleted = Header { version: 2, deleted: true, ..base() };
    assert!(judge(&sign(&creator, deleted, b"")).is_err());
}

#[test]
fn r21_the_future_is_held_or_refused() {
    let written = |ahead: Duration| {
        let header = Header { hlc: Hlc::at(NOW + ahead), ..header(&key(2), 1) };
        sign(&key(2), header, b"x")
    };
    let verdict = |ahead| judge_at(NOW, vec![written(ahead)]).remove(0);
    let second = Duration::from_secs(1);
    assert!(matches!(verdict(SKEW_ADMIT), Admission::Verified(_)));
    let Admission::Held { record, until } = verdict(SKEW_ADMIT + second) else { panic!() };
    assert_eq!(until, NOW + second);
    assert!(matches!(verdict(SKEW_HOLD), Admission::Held { .. }));
    let ahead = SKEW_HOLD + second;
    let far = RejectReason::FarFuture { ahead };
    assert!(matches!(verdict(ahead), Admission::Rejected { reason, .. } if reason == far));
    // In time it is let in like any other.
    assert!(matches!(judge_at(until, vec![record])[..], [Admission::Verified(_)]));
    // What is not even signed does not take up room while it waits.
    let unsigned = sign(&key(3), Header { hlc: Hlc::at(NOW + SKEW_HOLD), ..header(&key(2), 1) }, b"x");
    let refused = judge_at(NOW, vec![unsigned]);
    assert!(matches!(refused[..], [Admission::Rejected { reason: RejectReason::BadSignature, .. }]));
}

#[test]
fn r21_held_records_are_bounded_and_come_out_in_time() {
    let mut queue = HoldQueue::default();
    let record = |n: u64| {
        let hlc = Hlc::at(NOW + SKEW_ADMIT + Duration::from_millis(n));
        sign(&key(2), Header { hlc, ..header(&key(2), 1) }, b"x")
    };
    for n in 0..MAX_HELD as u64 {
        assert!(queue.hold(record(n), NOW + Duration::from_millis(n)));
    }
    assert!(!queue.hold(record(5000), NOW));
    assert_eq!(queue.next_due(), Some(NOW));
    assert_eq!(queue.release(NOW + Duration::from_millis(9)).len(), 10);
    assert_eq!(queue.len(), MAX_HELD - 10);
    assert!(!queue.hold(record(20), NOW + Duration::from_millis(20)), "held already");
    assert_eq!(queue.release(NOW + HOUR).len(), MAX_HELD - 10);
    assert!(queue.is_empty() && queue.next_due().is_none());
    assert_eq!(queue.bytes, 0);
}

#[test]
fn r21_absurd_versions_are_refused_by_every_node_alike() {
    let with = |version, age: Duration| {
        let hlc = Hlc::at(NOW);
        let header = Header { version, hlc, created: NOW - age, ..header(&key(2), 1) };
        judge(&sign(&key(2), header, b"x"))
    };
    assert_eq!(with(MAX_VERSION_JUMP, Duration::ZERO), Ok(()));
    let absurd = MAX_VERSION_JUMP + 1;
    assert_eq!(with(absurd, Duration::ZERO), Err(Some(RejectReason::Version(absurd))));
    assert_eq!(with(absurd, HOUR), Ok(()));
    let oldest = NOW.since(Timestamp(0));
    assert_eq!(with(u64::MAX / 2, oldest), Err(Some(RejectReason::Version(u64::MAX / 2))));
}

#[test]
fn g23_expired_records_are_not_admitted() {
    let expires = Some(NOW + HOUR);
    let record = sign(&key(2), Header { expires, ..header(&key(2), 1) }, b"x");
    let before = NOW + HOUR - Duration::from_millis(1);
    assert!(matches!(judge_at(before, vec![record.clone()])[..], [Admission::Verified(_)]));
    let refused = judge_at(NOW + HOUR, vec![record]);
    assert!(matches!(refused[..], [Admission::Rejected { reason: RejectReason::Expired, .. }]));
    assert!(!RejectReason::Expired.is_strike());
}

#[test]
fn r2_r5_an_update_of_our_own_keeps_what_must_stay() {
    let first = Header { expires: Some(NOW + HOUR), ..header(&key(2), 1) };
    let next = || Header { version: 2, hlc: Hlc(first.hlc.0 + 1), ..first.clone() };
    assert_eq!(check_update(&first, &next()), Ok(()));
    let longer = Header { expires: Some(NOW + 2 * HOUR), ..next() };
    assert_eq!(check_update(&first, &longer), Ok(()));
    assert_eq!(check_update(&first, &Header { expires: None, ..next() }), Ok(()));
    let deleted = Header { deleted: true, ..next() };
    assert_eq!(check_update(&first, &deleted), Ok(()));
    let bad = [
        Header { expires: Some(NOW + HOUR / 2), ..next() },
        Header { record_type: "other".try_into().unwrap(), ..next() },
        Header { created: NOW - HOUR, ..next() },
        Header { creator: key(3).peer(), ..next() },
        Header { version: 3, ..next() },
        Header { hlc: first.hlc, ..next() },
    ];
    for header in bad {
        assert!(matches!(check_update(&first, &header), Err(RejectReason::Rule(_))), "{header:?}");
    }
    let forever = Header { expires: None, ..first.clone() };
    assert!(check_update(&forever, &next()).is_err());
    assert!(check_update(&deleted, &Header { version: 3, ..next() }).is_err());
    assert_eq!(RecordUpdate::default().expires, None);
}

#[test]
fn a_policy_is_asked_last_and_hears_of_the_version_before() {
    #[derive(Debug)]
    struct Once;
    impl RecordPolicy for Once {
        fn check(&self, record: &SignedRecord, previous: Option<&SignedRecord>) -> Verdict {
            match previous {
                Some(_) => Verdict::Reject(RejectReason::NotAuthorized("once")),
                None if record.header().grant.is_none() => Verdict::Defer { missing: [1; 32] },
                None => Verdict::Accept,
            }
        }

        fn needs_previous(&self) -> bool {
            true
        }
    }
    let genesis = genesis();
    let context = AdmitContext { genesis: &genesis, peer_time: NOW, policy: &Once, seed: 1, parallel: false };
    let grant = Some([2; 32]);
    let known = sign(&key(2), Header { grant, ..header(&key(2), 1) }, b"x");
    let new = sign(&key(2), Header { grant, ..header(&key(2), 2) }, b"x");
    let bare = sign(&key(2), header(&key(2), 3), b"x");
    let forged = sign(&key(3), header(&key(2), 4), b"x");
    let mut asked = Vec::new();
    let admissions = admit(&genesis.id(), vec![known.clone(), new, bare, forged], &context, |id| {
        asked.push(*id);
        Ok((*id == known.id()).then(|| known.clone()))
    })
    .unwrap();
    assert!(matches!(
        admissions[..],
        [
            Admission::Rejected { reason: RejectReason::NotAuthorized("once"), .. },
            Admission::Verified(_),
            Admission::Deferred { missing: [1, ..], .. },
            Admission::Rejected { reason: RejectReason::BadSignature, .. },
        ]
    ));
    assert_eq!(asked.len(), 3);
}

#[test]
fn large_batches_are_judged_alike_by_one_thread_and_two() {
    let mut candidates: Vec<_> = (0..=255).map(|n| sign(&key(2), header(&key(2), n), b"x")).collect();
    candidates.extend((0..60).map(|n| sign(&key(if n % 20 == 3 { 4 } else { 3 }), header(&key(3), n), b"y")));
    let genesis = genesis();
    let judge = |parallel| {
        let context =
            AdmitContext { genesis: &genesis, peer_time: NOW, policy: &OpenPolicy, seed: 1, parallel };
        admit(&genesis.id(), candidates.clone(), &context, |_| Ok(None)).unwrap()
    };
    let alone = judge(false);
    assert_eq!(alone, judge(true));
    assert_eq!(alone.iter().filter(|a| matches!(a, Admission::Rejected { .. })).count(), 3);
}

/// A version of one of three records, good or bad in one of several ways.
fn version(at: (u8, u8, u8, u8)) -> SignedRecord {
    let (record, author, time, flaw) = at;
    let (creator, author) = (key(2 + record % 3), key(2 + author % 3));
    let mut header = header(&creator, record % 3);
    header.version = 1 + u64::from(time % 5);
    header.hlc = Hlc::at(NOW + Duration::from_secs(u64::from(time % 16)));
    header.editor = Some(author.peer()).filter(|peer| *peer != creator.peer());
    header.expires = (flaw % 16 == 1).then(|| NOW + HOUR);
    header.deleted = flaw % 16 == 2;
    match flaw % 16 {
        3 => header.version = u64::MAX,
        4 => header.created = NOW + HOUR,
        5 => header.record_type = RecordType::new("other.type").unwrap(),
        6 => header.hlc = Hlc::at(NOW + HOUR),
        7 => header.created = NOW - HOUR,
        _ => {}
    }
    let signer = if flaw % 16 == 8 { key(9) } else { author };
    let body: &[u8] = if header.deleted { b"" } else { &[flaw] };
    sign(&signer, header, body)
}

fn replica(batches: Vec<Vec<SignedRecord>>) -> TestStore {
    let mut store = TestStore::of([]);
    for batch in batches {
        for admission in judge_at(NOW + Duration::from_secs(20), batch) {
            if let Admission::Verified(record) = admission {
                store.put(&record).unwrap();
            }
        }
    }
    store
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn r6_any_order_duplication_and_split_gives_equal_databases(
        versions in proptest::collection::vec(any::<(u8, u8, u8, u8)>(), 1..24),
        order in proptest::collection::vec(any::<u16>(), 24),
        again in proptest::collection::vec(0usize..24, 0..12),
        split in 1usize..9,
    ) {
        let records: Vec<_> = versions.into_iter().map(version).collect();
        let mut shuffled: Vec<_> = records.iter().cloned().zip(order).collect();
        shuffled.sort_by_key(|(_, place)| *place);
        let mut shuffled: Vec<_> = shuffled.into_iter().map(|(record, _)| record).collect();
        for at in again {
            shuffled.push(records[at % records.len()].clone());
        }
        let here = replica(vec![records]);
        let there = replica(shuffled.chunks(split).map(<[_]>::to_vec).collect());
        prop_assert_eq!(here, there);
    }
}
