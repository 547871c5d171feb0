//! What holds between the nodes of a group: who is a member, whose record is whose, clocks, and the wire.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use peergraph::{
    Attributes, ErrorKind, Group, InviteLink, InviteMember, ListQuery, Node, NodeAddr, RecordDraft,
    RecordType, RemoveMember, Role, SecretKey, Timestamp,
    authority::{Act, ActBody, Content, Remove},
    events::{EventFilter, EventKind},
    record::{DeviceCertificate, Header, Origin, Presence, SignedRecord},
    time::Hlc,
    wire::{Message, Purpose, RefuseReason, VERSION},
};
use peergraph_tests::{
    PATIENCE, converge, eventually, grant_of,
    identities::key,
    insider::{Impostor, Insider},
    leaks::{access_mut, access_of},
    member, node, node_as, note,
    tap::tap,
    tls::server_hellos,
};

const RECORDS: u8 = 1;

/// A group of the first key, and a member of it with the second, who runs a program of his own.
struct Scene {
    ada: Node,
    club: Group,
    rogue: SecretKey,
    grant: SignedRecord,
}

async fn scene(name: &str) -> Scene {
    let (ada, rogue) = (node_as(&key(1)).await, key(2));
    let club = ada.create_group(name).await.unwrap();
    club.invite_peer(rogue.peer(), "Mallory", InviteMember::default()).await.unwrap();
    let grant = grant_of(&club, rogue.peer()).await;
    Scene { ada, club, rogue, grant }
}

impl Scene {
    /// The rogue as a neighbor, on a new node; if need be once those before it are gone.
    async fn neighbor(&self) -> Insider {
        let link = self.club.invite_link(InviteLink::default()).await.unwrap();
        let secret = access_of(&link).secret;
        let trying = async {
            loop {
                let rogue = Impostor::new(self.rogue.clone()).await;
                let mut link = rogue.dial(&self.ada.addr(), &secret).await.expect("the secret is known");
                link.say(&rogue.connect(Purpose::Neighbor, vec![self.grant.bytes().clone()])).await;
                match link.message().await {
                    Message::Welcome(_) => return link,
                    Message::Refuse(refuse) if refuse.reason == RefuseReason::Busy => {}
                    other => panic!("{other:?}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, trying).await.expect("a place in time")
    }

    /// The rogue's record number so many, written at this time.
    fn record(&self, number: u64, at: Timestamp) -> SignedRecord {
        written(&self.club, &self.rogue, &self.grant, number, at)
    }
}

fn written(group: &Group, key: &SecretKey, grant: &SignedRecord, number: u64, at: Timestamp) -> SignedRecord {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    let header = Header {
        expires: Some(at + Duration::from_secs(86_400)),
        grant: Act::of(grant).map(|act| *act.id().as_bytes()),
        origin: Some(Origin::First),
        attributes: Attributes::from_iter([("room", "main")]),
        ..Header::first(RecordType::new("test.note").unwrap(), nonce, key.peer(), Hlc::at(at))
    };
    SignedRecord::sign(&group.id(), key, header, b"word for word")
}

/// One frame for each record.
fn push(records: &[Bytes]) -> Vec<u8> {
    let frame = |record: &Bytes| {
        let message = Message::Push { origin: 1, records: vec![record.clone()] }.encode();
        [&u32::try_from(message.len()).unwrap().to_le_bytes()[..], &message].concat()
    };
    records.iter().flat_map(frame).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn m13_both_ends_show_their_key_and_a_chain_of_this_very_group() {
    let scene = scene("m13").await;
    let Scene { ada, club, rogue, grant } = &scene;
    let (_ben, bens) = member(club, Role::Member, "Ben").await;
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let secret = access_of(&link).secret;
    // A member of another group, even of one that the same identity made.
    let eve = key(9);
    let other = ada.create_group("another").await.unwrap();
    other.invite_peer(eve.peer(), "Eve", InviteMember::default()).await.unwrap();
    let foreign = vec![grant_of(&other, eve.peer()).await.bytes().clone()];
    let good = vec![grant.bytes().clone()];
    // Who dials: another's chain, a foreign one, none; and a device that another identity did not certify.
    let node = Impostor::new(eve.clone()).await;
    let mut forged = node.connect(Purpose::Neighbor, good.clone());
    if let Message::Connect(connect) = &mut forged {
        let own = DeviceCertificate::issue(&eve, node.node);
        connect.device = DeviceCertificate { peer: rogue.peer(), ..own };
    }
    let chains = [good.clone(), foreign.clone(), Vec::new()];
    let said = chains.map(|chain| node.connect(Purpose::Neighbor, chain)).into_iter().chain([forged]);
    for connect in said {
        let mut link = node.dial(&ada.addr(), &secret).await.expect("the secret is known");
        link.say(&connect).await;
        match link.next().await {
            Some(Message::Refuse(refuse)) => assert_eq!(refuse.reason, RefuseReason::NotAuthorized),
            None => {}
            other => panic!("{other:?}"),
        }
    }
    // Who is dialled: the same.
    for chain in [good.clone(), foreign, Vec::new()] {
        let host = Impostor::new(eve.clone()).await;
        let dialling = tokio::spawn({
            let (bens, addr) = (bens.clone(), host.addr());
            async move { bens.connect(addr).await }
        });
        let mut from_ben = host.accept(&secret, VERSION).await;
        let Message::Connect(_) = from_ben.message().await else { panic!("a connect") };
        let now = club.peer_time().await.unwrap();
        from_ben.say(&host.welcome(club.genesis().await.unwrap(), now, chain)).await;
        assert_eq!(dialling.await.unwrap().unwrap_err().kind(), ErrorKind::NotAuthorized);
    }
    // And with both, he is in.
    let mallory = scene.neighbor().await;
    eventually("a neighbor", || async {
        club.neighbors().await.unwrap().iter().any(|neighbor| neighbor.peer == mallory.key.peer())
    })
    .await;
    assert!(club.neighbors().await.unwrap().iter().all(|neighbor| neighbor.peer != eve.peer()));
}

#[tokio::test(flavor = "multi_thread")]
async fn m16_a_changed_byte_in_any_field_is_detected() {
    let scene = scene("m16").await;
    let club = &scene.club;
    let now = club.peer_time().await.unwrap();
    let good = scene.record(0, now);
    let mut marks = 0;
    for at in (0..good.bytes().len()).step_by(5) {
        let mut altered = good.bytes().to_vec();
        altered[at] ^= 1 << (at % 8);
        marks += 1;
        let mark = scene.record(marks, now);
        let mut link = scene.neighbor().await;
        link.stream(RECORDS, &push(&[altered.into(), mark.bytes().clone()])).await;
        // Either the link ends there, or what follows is heard.
        let heard = eventually("it was looked at", || async { club.get(mark.id()).await.unwrap().is_some() });
        tokio::select! {
            () = heard => {}
            thrown_out = link.is_thrown_out() => assert!(thrown_out),
        }
    }
    assert!(marks > 40, "{marks} positions");
    let listed = club.list(ListQuery { limit: 1000, ..ListQuery::default() }).await.unwrap().items;
    assert!(listed.len() <= marks as usize);
    assert!(
        listed.iter().all(|record| (1..=marks).any(|number| scene.record(number, now).id() == record.id))
    );
    assert!(club.get(good.id()).await.unwrap().is_none());
    // As it was signed, it is taken.
    let link = scene.neighbor().await;
    link.stream(RECORDS, &push(&[good.bytes().clone()])).await;
    eventually("the true one", || async { club.get(good.id()).await.unwrap().is_some() }).await;
    let record = club.get(good.id()).await.unwrap().unwrap();
    assert_eq!((record.author, record.body_text()), (scene.rogue.peer(), Some("word for word")));
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_authors_who_are_not_known_yet_wait_and_then_count() {
    let scene = scene("m19").await;
    let Scene { ada, club, .. } = &scene;
    let (_ben, bens) = member(club, Role::Member, "Ben").await;
    // Fay was let in on another machine of the owner's, of which nobody here has heard.
    let exported = club.export_membership("a good long password").await.unwrap();
    let away = node().await;
    let same = away.import_membership(&exported, "a good long password").await.unwrap();
    let fay = key(5);
    same.invite_peer(fay.peer(), "Fay", InviteMember::default()).await.unwrap();
    let grant = grant_of(&same, fay.peer()).await;
    let now = club.peer_time().await.unwrap();
    let hers = written(club, &fay, &grant, 1, now);
    let mark = scene.record(1, now);
    let link = scene.neighbor().await;
    link.stream(RECORDS, &push(&[hers.bytes().clone(), mark.bytes().clone()])).await;
    eventually("what came after it is here", || async { bens.get(mark.id()).await.unwrap().is_some() }).await;
    for group in [club, &bens] {
        assert!(group.get(hers.id()).await.unwrap().is_none(), "her word cannot be judged");
        assert!(group.member(fay.peer()).await.is_err());
    }
    // Her grant comes: she is a member, and what waited is there, everywhere.
    let (_again, link) = (link, scene.neighbor().await);
    link.stream(RECORDS, &push(&[grant.bytes().clone()])).await;
    for group in [club, &bens] {
        eventually("what waited", || async { group.get(hers.id()).await.unwrap().is_some() }).await;
        assert_eq!(group.member(fay.peer()).await.unwrap().issuer, Some(ada.peer_id()));
    }
    // One who comes when its authors are gone judges them all the same.
    let (_cyd, cyds) = member(club, Role::Reader, "Cyd").await;
    eventually("by their records", || async { cyds.get(hers.id()).await.unwrap().is_some() }).await;
    for reserved in ["peergraph.credential", "peergraph.anything"] {
        let refused = match RecordDraft::new(reserved, "x") {
            Ok(draft) => bens.publish(draft).await.map(drop).unwrap_err(),
            Err(error) => error.into(),
        };
        assert_eq!(refused.kind(), ErrorKind::Reserved);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m27_direct_connections_are_for_members() {
    let scene = scene("m27").await;
    let Scene { ada, club, .. } = &scene;
    let (ben, bens) = member(club, Role::Member, "Ben").await;
    converge(&[club, &bens]).await;
    let accepting = EventFilter::kinds([EventKind::DirectConnection, EventKind::IncomingData]);
    let (_hers, _his) = (club.events(accepting.clone()).unwrap(), bens.events(accepting).unwrap());
    let direct = bens.open_direct(ada.peer_id()).await.unwrap();
    assert_eq!((direct.info().peer, direct.info().node), (ada.peer_id(), ada.id()));
    eventually("both know who it is", || async {
        club.direct_connections().await.unwrap().first().is_some_and(|info| info.peer == ben.peer_id())
    })
    .await;
    // Somebody who knows the secret and is no member, dialled and dialling.
    let secret = access_of(&club.invite_link(InviteLink::default()).await.unwrap()).secret;
    let stranger = Impostor::new(key(9)).await;
    let dialling = tokio::spawn({
        let (bens, addr) = (bens.clone(), stranger.addr());
        async move { bens.open_direct(addr).await.map(drop) }
    });
    let mut from_ben = stranger.accept(&secret, VERSION).await;
    let Message::Connect(_) = from_ben.message().await else { panic!("a connect") };
    let now = club.peer_time().await.unwrap();
    from_ben.say(&stranger.welcome(club.genesis().await.unwrap(), now, Vec::new())).await;
    assert_eq!(dialling.await.unwrap().unwrap_err().kind(), ErrorKind::NotAuthorized);
    let mut link = stranger.dial(&ada.addr(), &secret).await.unwrap();
    link.say(&stranger.connect(Purpose::Direct, vec![scene.grant.bytes().clone()])).await;
    assert!(matches!(link.next().await, Some(Message::Refuse(r)) if r.reason == RefuseReason::NotAuthorized));
    // Who is removed loses what he has, and gets no other.
    club.remove(ben.peer_id(), Default::default()).await.unwrap();
    eventually("it ends", || async { club.direct_connections().await.unwrap().is_empty() }).await;
    eventually("at both ends", || async { bens.direct_connections().await.unwrap().is_empty() }).await;
    let refused = bens.open_direct(ada.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotAuthorized, "{refused}");
    assert!(direct.send("test", "x").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn m30_clocks_that_are_off_are_borne_or_named() {
    let scene = scene("m30").await;
    let Scene { club, .. } = &scene;
    let (now, minute) = (Timestamp::from(SystemTime::now()), Duration::from_secs(60));
    // The inviter's clock, or the joiner's, is five minutes off: it joins.
    let link = club.invite_link(InviteLink { uses: 9, ..InviteLink::default() }).await.unwrap();
    let mut early = link.clone();
    early.not_before = now + 5 * minute;
    let mut late = link.clone();
    late.not_after = Some(now - 5 * minute);
    for off in [early, late] {
        let ben = node().await;
        let joined = ben.join_group(off.signed(&key(1))).await.unwrap();
        // It goes by the group's clock.
        let (theirs, its) = (club.peer_time().await.unwrap(), joined.peer_time().await.unwrap());
        assert!(its.since(theirs).max(theirs.since(its)) < minute);
        joined.publish(note("x")).await.unwrap();
    }
    // An hour: it is told what may be the matter.
    let mut hour = link;
    hour.not_before = now + 60 * minute;
    let refused = node().await.join_group(hour.signed(&key(1))).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvitationNotYetValid);
    assert!(refused.message().contains("clock"), "{refused}");
    // A member's records from a clock a minute ahead count at once; from one a day ahead never, and in nobody's way.
    let now = club.peer_time().await.unwrap();
    let (ahead, absurd) = (scene.record(1, now + minute), scene.record(2, now + 1440 * minute));
    let mut rogue = scene.neighbor().await;
    rogue.stream(RECORDS, &push(&[absurd.bytes().clone(), ahead.bytes().clone()])).await;
    eventually("a minute ahead", || async { club.get(ahead.id()).await.unwrap().is_some() }).await;
    assert!(club.get(absurd.id()).await.unwrap().is_none());
    assert!(rogue.is_tolerated().await);
    // Nor does it take the others along.
    assert!(club.peer_time().await.unwrap().since(now) < minute);
    let mine = club.publish(note("after")).await.unwrap();
    assert!(mine.created.since(now) < 3 * minute, "{:?}", mine.created.since(now));
}

#[tokio::test(flavor = "multi_thread")]
async fn m31_every_connection_has_fresh_keys_of_its_own() {
    let owner = key(1);
    let ada = node_as(&owner).await;
    let club = ada.create_group("m31").await.unwrap();
    let (relay, heard) = tap(ada.bound()[0]).await;
    let mut link = club.invite_link(InviteLink { uses: 9, ..InviteLink::default() }).await.unwrap();
    access_mut(&mut link).nodes = vec![NodeAddr::at(ada.id(), [relay])];
    let link = link.signed(&owner);
    let ben = node_as(&key(2)).await;
    let mut bens = ben.join_group(link.clone()).await.unwrap();
    converge(&[&club, &bens]).await;
    // The same two nodes again: nothing is taken over from before that would open both.
    bens.close().await;
    eventually("they are apart", || async { club.neighbors().await.unwrap().is_empty() }).await;
    ben.shutdown().await;
    let ben = node_as(&key(2)).await;
    bens = ben.join_group(link).await.unwrap();
    converge(&[&club, &bens]).await;
    assert!(bens.neighbors().await.unwrap().iter().any(|n| n.node == ada.id()));

    let hellos = server_hellos(&heard.lock().unwrap());
    assert!(hellos.len() >= 2, "{} handshakes were heard", hellos.len());
    let mut shares = Vec::new();
    for hello in hellos {
        assert_eq!(hello.version, Some(0x0304), "TLS 1.3");
        assert!((0x1301..=0x1303).contains(&hello.suite), "AES-GCM or ChaCha20-Poly1305: {:#x}", hello.suite);
        let (group, share) =
            hello.share.expect("a share of a Diffie-Hellman exchange, made for this connection");
        // X25519, P-256, P-384, and X25519 with ML-KEM-768.
        assert!([0x001d, 0x0017, 0x0018, 0x11ec].contains(&group), "{group:#x}");
        assert!(!hello.resumed, "no key of an earlier connection");
        assert!(!shares.contains(&share), "never the same twice");
        shares.push(share);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c27_what_is_void_or_refused_sets_off_no_storm() {
    // A storm was 300 kB/s from each node; nodes that are idle send 1 kB/s, and Ada acknowledges 5 MB.
    const WINDOW: Duration = Duration::from_secs(5);
    const COPIES: usize = 400;
    const MOST: u64 = 50_000;
    let (ada, rogue) = (node_as(&key(1)).await, key(2));
    let club = ada.create_group("c27").await.unwrap();
    let admin = InviteMember { role: Role::Admin, ..InviteMember::default() };
    club.invite_peer(rogue.peer(), "Mallory", admin).await.unwrap();
    let grant = grant_of(&club, rogue.peer()).await;
    let by = Act::of(&grant).map(|act| act.id());
    let scene = Scene { ada: ada.clone(), club: club.clone(), rogue: rogue.clone(), grant };
    let (mut nodes, mut groups) = (vec![ada.clone()], vec![club.clone()]);
    for name in ["Ben", "Cyd", "Dan"] {
        let (node, group) = member(&club, Role::Member, name).await;
        nodes.push(node);
        groups.push(group);
    }
    for group in &groups {
        eventually("all are linked", || async { group.neighbors().await.unwrap().len() >= 3 }).await;
    }
    converge(&groups.iter().map(|group| &**group).collect::<Vec<_>>()).await;

    let insider = scene.neighbor().await;
    let now = club.peer_time().await.unwrap();
    let mut records = Vec::new();
    for number in 0..20 {
        // Nobody removes itself.
        let (subject, reason, keep) = (rogue.peer(), format!("{number:0>200}"), Default::default());
        let content = Content::Remove(Remove { subject, reason, keep, branch: false, undo: false });
        let body = ActBody { author: rogue.peer(), by, after: Vec::new(), at: now, content };
        let (header, body) = Act::draft(body).to_record();
        records.push(SignedRecord::sign(&club.id(), &rogue, header, &body));
    }
    records.push(scene.record(1, now + Duration::from_secs(3600)));
    records.push(scene.record(2, now - Duration::from_secs(2 * 86_400)));
    let count = club.fingerprint().await.unwrap().count;
    let marker = scene.record(3, now);
    // Each copy of what was sent on would be sent on again.
    let bytes: Vec<Bytes> = records.iter().map(|record| record.bytes().clone()).collect();
    let mut copies = vec![bytes; COPIES].concat();
    copies.push(marker.bytes().clone());
    let sent = || nodes.iter().map(|node| node.metrics().bytes_sent).collect::<Vec<_>>();
    let before = sent();
    insider.stream(RECORDS, &push(&copies)).await;
    for group in &groups {
        eventually("all was heard", || async { group.get(marker.id()).await.unwrap().is_some() }).await;
    }
    tokio::time::sleep(WINDOW).await;
    let sent: Vec<u64> = sent().iter().zip(&before).map(|(after, before)| after - before).collect();
    println!("bytes sent by each node: {sent:?}");
    assert!(sent.iter().all(|sent| *sent < MOST), "{sent:?} bytes");
    for group in &groups {
        assert_eq!(group.fingerprint().await.unwrap().count, count + 1, "the marker alone was stored");
        assert!(group.member(rogue.peer()).await.unwrap().role.is_some(), "nobody was removed");
    }
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_s1_nobody_takes_over_anothers_node_over_links() {
    let scene = scene("a11").await;
    let club = &scene.club;
    let (ben, bens) = member(club, Role::Member, "Ben").await;
    let node = ben.addr().node;
    let as_ben = || async {
        let listed = club.node_info(node).await.ok()?;
        (listed.peer == ben.peer_id() && listed.addr.addrs == ben.addr().addrs).then_some(())
    };
    eventually("Ben is listed", || async { as_ben().await.is_some() }).await;
    // The rogue's certificate for Ben's node, and another address; signed by every key that it has.
    let now = club.peer_time().await.unwrap();
    let evil = || NodeAddr::at(node, ["203.0.113.9:9".parse().unwrap()]);
    let presence = |by: &SecretKey| {
        let device = DeviceCertificate::issue(&scene.rogue, node);
        let since = now + Duration::from_secs(9);
        Presence::sign(&club.id(), by, device, evil(), ("mine".into(), since))
    };
    let mut forged = vec![scene.record(1, now).bytes().clone()];
    for (number, by) in [scene.rogue.clone(), key(7)].iter().enumerate() {
        let hlc = Hlc::at(now + Duration::from_millis(number as u64));
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&node.as_bytes()[..16]);
        let header = Header {
            expires: Some(now + Duration::from_secs(600)),
            grant: Act::of(&scene.grant).map(|act| *act.id().as_bytes()),
            ..Header::first(RecordType::new("peergraph.presence").unwrap(), nonce, scene.rogue.peer(), hlc)
        };
        let body = postcard::to_stdvec(&presence(by)).unwrap();
        forged.push(SignedRecord::sign(&club.id(), &scene.rogue, header, &body).bytes().clone());
    }
    let mark = scene.record(2, now);
    forged.push(mark.bytes().clone());
    let link = scene.neighbor().await;
    link.stream(RECORDS, &push(&forged)).await;
    eventually("all was looked at", || async { bens.get(mark.id()).await.unwrap().is_some() }).await;
    assert!(as_ben().await.is_some(), "{:?}", club.node_info(node).await);
    club.remove(scene.rogue.peer(), RemoveMember::default()).await.unwrap();
    eventually("the rogue's link ends", || async {
        club.neighbors().await.unwrap().iter().all(|neighbor| neighbor.peer != scene.rogue.peer())
    })
    .await;
    assert!(as_ben().await.is_some());
    let contacts = club.contacts().await.unwrap();
    let known = contacts.iter().find(|addr| addr.node == node).expect("Ben is not forgotten");
    assert_eq!(known.addrs, ben.addr().addrs);
    assert!(bens.nodes().await.unwrap().iter().all(|info| info.peer != scene.rogue.peer()));
}
