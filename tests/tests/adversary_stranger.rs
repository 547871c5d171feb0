//! What those see and reach who have not the group's secret, or only hear the wire.

use std::time::Duration;

use peergraph::{
    GraphSecret, InviteLink, InvitePassword, JoinGroup, NodeAddr, Role,
    group::Way,
    wire::{HELLO_LEN, Hello, Mark, Message, Ping, Purpose, VERSION},
};
use peergraph_tests::{
    converge, grant_of,
    identities::key,
    insider::{Answer, Impostor},
    leaks::{access_mut, access_of},
    member, node, node_as, note,
    tap::tap,
};

type Greeting = Box<dyn FnOnce(&[u8; 32]) -> Vec<u8> + Send>;

fn hello(secret: GraphSecret, spoil: impl FnOnce(&mut Hello) + Send + 'static) -> Greeting {
    Box::new(move |exporter| {
        let mut hello = Hello::new(&secret, exporter, 7, VERSION, true);
        spoil(&mut hello);
        hello.to_bytes().to_vec()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn m29_s3_all_strangers_get_one_answer_whatever_the_reason() {
    let ada = node_as(&key(1)).await;
    let club = ada.create_group("Book club").await.unwrap();
    let secret = access_of(&club.invite_link(InviteLink::default()).await.unwrap()).secret;
    let closed = ada.create_group("closed").await.unwrap();
    let old = access_of(&closed.invite_link(InviteLink::default()).await.unwrap()).secret;
    closed.close().await;
    let nobody = node().await; // has no graph at all
    let wrong = GraphSecret::from_bytes([8; 32]);

    let reasons: Vec<(&str, NodeAddr, Greeting)> = vec![
        ("no graph there", nobody.addr(), hello(secret, |_| {})),
        ("another secret", ada.addr(), hello(wrong, |_| {})),
        ("another secret and version", ada.addr(), hello(wrong, |h| h.version = 9)),
        ("the id for a secret", ada.addr(), hello(GraphSecret::from_bytes(*club.id().as_bytes()), |_| {})),
        ("the secret of a closed group", ada.addr(), hello(old, |_| {})),
        ("a tag for another version", ada.addr(), hello(secret, |h| h.version += 1)),
        ("a tag for another link", ada.addr(), hello(secret, |h| h.link += 1)),
        ("one bit off", ada.addr(), hello(secret, |h| h.tag[31] ^= 1)),
        ("a tag of another connection", ada.addr(), {
            Box::new(move |_| Hello::new(&secret, &[0; 32], 7, VERSION, true).to_bytes().to_vec())
        }),
        ("the acceptor's own tag", ada.addr(), {
            Box::new(move |exporter| Hello::new(&secret, exporter, 7, VERSION, false).to_bytes().to_vec())
        }),
        ("nothing", ada.addr(), Box::new(|_| Vec::new())),
        ("too little", ada.addr(), Box::new(|_| vec![1; HELLO_LEN - 1])),
        ("noise", ada.addr(), Box::new(|_| (0..=255).collect())),
    ];
    let mut first: Option<Answer> = None;
    for (why, addr, greeting) in reasons {
        let stranger = Impostor::new(key(9)).await;
        let answer = stranger.greet(&addr, greeting).await;
        assert!(answer.bytes.is_empty(), "{why}: {answer:?}");
        assert_eq!(
            first.get_or_insert_with(|| Answer { bytes: Vec::new(), end: answer.end.clone() }),
            &answer,
            "{why}"
        );
    }
    // Who knows the secret is answered, and an older version learns no more than ours.
    for (version, what) in [(VERSION, "ours"), (VERSION - 1, "older"), (VERSION + 1, "newer")] {
        let stranger = Impostor::new(key(9)).await;
        let greeting = move |exporter: &[u8; 32]| {
            let mut bytes = Hello::new(&secret, exporter, 7, version, true).to_bytes().to_vec();
            // Goes on at once as if it had been let in.
            let ping =
                Ping { seq: 1, peer_time: Default::default(), mark: Mark { node: key(9).node(), beat: 1 } };
            let ping = Message::Ping(ping).encode();
            bytes.extend_from_slice(&u32::try_from(ping.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(&ping);
            bytes
        };
        let answer = stranger.greet(&ada.addr(), greeting).await;
        let whole = answer.bytes.first_chunk::<HELLO_LEN>().copied();
        if version == VERSION {
            assert!(whole.is_some(), "{what}: {answer:?}");
        }
        // S33: an offer of another version ends with the hello, if it comes before the reset.
        if version != VERSION {
            assert!(answer.bytes.len() <= HELLO_LEN, "{what}: {answer:?}");
        }
        if let Some(whole) = whole {
            assert_eq!(Hello::from_bytes(&whole).version, VERSION, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s6_a_captured_handshake_is_of_no_use_on_another_connection() {
    let ada = node_as(&key(1)).await;
    let club = ada.create_group("s6").await.unwrap();
    let link = club.invite_link(InviteLink { uses: 5, ..InviteLink::default() }).await.unwrap();
    let (captured, keep) = (std::sync::Mutex::new(Vec::new()), access_of(&link).secret);
    let first = Impostor::new(key(2)).await;
    let answer = first
        .greet(&ada.addr(), |exporter| {
            let bytes = Hello::new(&keep, exporter, 7, VERSION, true).to_bytes().to_vec();
            captured.lock().unwrap().clone_from(&bytes);
            bytes
        })
        .await;
    assert!(answer.bytes.len() >= HELLO_LEN, "the true one is answered");
    // By the same node and by another: each connection has an exporter of its own.
    for replayer in [&first, &Impostor::new(key(3)).await] {
        for _ in 0..3 {
            let again = captured.lock().unwrap().clone();
            let answer = replayer.greet(&ada.addr(), |_| again).await;
            assert!(answer.bytes.is_empty(), "{answer:?}");
        }
    }
    // The node's own answer, sent back to it, proves nothing either.
    let echo = answer.bytes[..HELLO_LEN].to_vec();
    assert!(first.greet(&ada.addr(), |_| echo).await.bytes.is_empty());
    assert_eq!(club.members().await.unwrap().len(), 1);
}

/// How a secret could be written: as it is, in hexadecimal digits, base32, base64, and as `Debug` shows bytes.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    peergraph_tests::leaks::spellings(secret)
        .into_iter()
        .map(String::into_bytes)
        .chain([secret.to_vec()])
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn m29_s29_the_wire_of_a_group_tells_nothing_of_it() {
    let ada = node_as(&key(1)).await;
    let club = ada.create_group("a telling name").await.unwrap();
    club.set_password("correct horse battery", InvitePassword::default()).await.unwrap();
    let (_ben, bens) = member(&club, Role::Inviter, "Benjamin the member").await;
    bens.publish(note("nobody else may read this sentence").with("subject", "a telling attribute"))
        .await
        .unwrap();
    converge(&[&club, &bens]).await;

    let (relay, heard) = tap(ada.bound()[0]).await;
    let mut link = club.invite_link(InviteLink::default()).await.unwrap();
    access_mut(&mut link).nodes = vec![NodeAddr::at(ada.id(), [relay])];
    let link = link.signed(&key(1));
    let cyd = node().await;
    let cyds = cyd.join_group(JoinGroup::from(link.clone()).named("Cydney the joiner")).await.unwrap();
    cyds.publish(note("nor this one")).await.unwrap();
    converge(&[&club, &cyds]).await;

    let heard = heard.lock().unwrap().concat();
    assert!(heard.len() > 4000, "the listener heard {} bytes", heard.len());
    let Way::Link { key: link_key, .. } = &link.way else { panic!("a link") };
    let grant = grant_of(&club, cyd.peer_id()).await;
    let mut private: Vec<Vec<u8>> =
        ["a telling name", "Benjamin", "Cydney", "nobody else", "nor this one", "test.note"]
            .map(|text| text.as_bytes().to_vec())
            .to_vec();
    let ids: [[u8; 32]; 6] = [
        *access_of(&link).secret.as_bytes(),
        *link_key,
        *club.id().as_bytes(),
        *ada.peer_id().as_bytes(),
        *cyd.peer_id().as_bytes(),
        *grant.bytes().first_chunk().unwrap(),
    ];
    private.extend(ids.iter().flat_map(|id| spellings(id)));
    for part in private {
        let found = heard.windows(part.len()).any(|window| window == part);
        assert!(!found, "{}", String::from_utf8_lossy(&part));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m13_m27_s1_s3_who_has_the_secret_alone_is_no_member_and_hears_no_names() {
    let ada = node_as(&key(1)).await;
    let club = ada.create_group("Book club").await.unwrap();
    let (ben, _bens) = member(&club, Role::Member, "Benjamin").await;
    let secret = access_of(&club.invite_link(InviteLink::default()).await.unwrap()).secret;
    let bens_grant = grant_of(&club, ben.peer_id()).await.bytes().clone();
    for shown in [Vec::new(), vec![bens_grant]] {
        for purpose in [Purpose::Neighbor, Purpose::Direct, Purpose::Probe] {
            let eve = Impostor::new(key(9)).await;
            let mut link = eve.dial(&ada.addr(), &secret).await.expect("the secret is known");
            link.say(&eve.connect(purpose, shown.clone())).await;
            let Some(Message::Refuse(refuse)) = link.next().await else { panic!("{purpose:?}") };
            assert!(refuse.referrals.is_empty(), "{refuse:?}");
            assert_eq!(link.next().await, None);
        }
    }
    assert_eq!(club.neighbors().await.unwrap().len(), 1, "Ben alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_stranger_opens_few_streams_and_leaves_little_unread() {
    const SHORT: Duration = Duration::from_millis(300);
    let ada = node_as(&key(1)).await;
    let club = ada.create_group("Book club").await.unwrap();
    let stranger = Impostor::new(key(9)).await;
    let connection = stranger.connection(&ada.addr()).await;
    assert_eq!(connection.max_datagram_size(), None, "nobody would read them");
    // Streams of a link that does not exist, each filled until nothing more is taken.
    let (mut streams, mut taken) = (Vec::new(), 0);
    while let Ok(Ok(mut stream)) = tokio::time::timeout(SHORT, connection.open_uni()).await {
        while let Ok(Ok(written)) = tokio::time::timeout(SHORT, stream.write(&[1; 16 * 1024])).await {
            taken += written;
        }
        streams.push(stream);
        assert!(streams.len() <= 8, "{} streams", streams.len());
    }
    // The few bytes that name kind and link were read, and may be sent again.
    assert!((1..65 * 1024).contains(&taken), "{taken} bytes");
    // Members are not held to that: a megabyte crosses.
    let (_bea, bea) = member(&club, Role::Member, "Bea").await;
    let large = "x".repeat(900 * 1024);
    club.publish(note(&large)).await.unwrap();
    converge(&[&club, &bea]).await;
}
