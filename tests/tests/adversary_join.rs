//! Between a joiner and those who may let it in: relays, guessers, other versions.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use peergraph::{
    CreateGroup, ErrorKind, GraphSecret, Group, GroupRules, Invitation, InviteLink, InviteMember,
    InvitePassword, JoinGroup, JoinOutcome, Node, NodeAddr, PeerId, RemoveMember, Role, SecretKey, Timestamp,
    authority::{Act, ActBody, Content, Grant, InvitationUse},
    crypto::PasswordProof,
    group::{Access, Way},
    ids::ActId,
    record::{Genesis, SignedRecord},
    wire::{JoinDenied, JoinMessage, Message, Purpose, VERSION},
};
use peergraph_tests::{
    converge, eventually, grant_of,
    identities::key,
    insider::{Impostor, Insider},
    leaks::{access_mut, access_of},
    node, node_as,
};

const PASSWORD: &str = "correct horse battery";

/// A group; and a member of it who would like others' invitations and passwords.
struct Scene {
    owner: SecretKey,
    ada: Node,
    club: Group,
    mallory: Impostor,
    shown: Vec<Bytes>,
}

async fn scene(name: &str) -> Scene {
    scene_as(name, Role::Member).await
}

/// The same; what Mallory may.
async fn scene_as(name: &str, role: Role) -> Scene {
    let (owner, identity) = (key(1), key(2));
    let ada = node_as(&owner).await;
    let club = ada.create_group(name).await.unwrap();
    let options = InviteMember { role, ..InviteMember::default() };
    club.invite_peer(identity.peer(), "Mallory", options).await.unwrap();
    let shown = vec![grant_of(&club, identity.peer()).await.bytes().clone()];
    Scene { mallory: Impostor::new(identity).await, owner, ada, club, shown }
}

/// The same invitation with this node to enter by, as its issuer might have given it.
fn by_way_of(invitation: &Invitation, addr: NodeAddr, issuer: &SecretKey) -> Invitation {
    let mut other = invitation.clone();
    access_mut(&mut other).nodes = vec![addr];
    other.signed(issuer)
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_a_relay_cannot_come_in_by_anothers_link() {
    let Scene { owner, ada, club, mallory, shown } = scene("s2 link").await;
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let secret = access_of(&link).secret;
    let victim = node().await;
    let trap = by_way_of(&link, mallory.addr(), &owner);
    let joining = tokio::spawn(async move { (victim.join_group(trap).await, victim) });

    // Mallory is a member: the victim shows it the link.
    let mut from_victim = mallory.accept(&secret, VERSION).await;
    let Message::Connect(connect) = from_victim.message().await else { panic!("a connect") };
    assert_eq!(connect.purpose, Purpose::Join);
    let genesis = club.genesis().await.unwrap();
    from_victim.say(&mallory.welcome(genesis, now(), shown)).await;
    let message = from_victim.join_message().await.expect("the victim's proof");
    let JoinMessage::Invite { key, .. } = &message else { panic!("{message:?}") };
    let Way::Link { key: link_key, .. } = &link.way else { panic!("a link") };
    assert_eq!(*key, SecretKey::from_bytes(link_key).peer(), "the public half; never the secret one");

    // Under an identity of its own, it passes the proof on.
    let eve = Impostor::new(SecretKey::from_bytes(&[3; 32])).await;
    let mut to_ada = eve.dial(&ada.addr(), &secret).await.expect("the secret is known");
    to_ada.say(&eve.connect(Purpose::Join, Vec::new())).await;
    assert!(matches!(to_ada.message().await, Message::Welcome(_)));
    to_ada.say(&Message::Join(Box::new(message.clone()))).await;
    let answer = to_ada.join_message().await.expect("an answer");
    assert!(matches!(answer, JoinMessage::Denied { reason: JoinDenied::WrongProof, .. }), "{answer:?}");

    // Under the victim's, it has no such certificate for its own node.
    let mut to_ada = eve.dial(&ada.addr(), &secret).await.unwrap();
    to_ada.say(&Message::Connect(connect)).await;
    assert!(to_ada.next().await.is_none(), "thrown out");

    from_victim.say(&Message::Join(Box::new(answer))).await;
    let (failed, victim) = joining.await.unwrap();
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::WrongPassword);
    assert_eq!(club.members().await.unwrap().len(), 2, "Ada and Mallory");
    assert_eq!(club.invitations().await.unwrap()[0].used, 0);
    victim.join_group(link).await.expect("the link is as good as before");
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_a_relay_learns_no_password_and_comes_in_by_none() {
    let Scene { owner, ada, club, mallory, shown } = scene("s2 password").await;
    let invitation = club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
    let secret = access_of(&invitation).secret;
    let victim = node().await;
    let trap = JoinGroup::from(by_way_of(&invitation, mallory.addr(), &owner)).password(PASSWORD);
    let joining = tokio::spawn(async move { victim.join_group(trap).await });

    let mut from_victim = mallory.accept(&secret, VERSION).await;
    let Message::Connect(_) = from_victim.message().await else { panic!("a connect") };
    from_victim.say(&mallory.welcome(club.genesis().await.unwrap(), now(), shown)).await;
    let request = from_victim.join_message().await.expect("the victim's request");

    let eve = Impostor::new(SecretKey::from_bytes(&[3; 32])).await;
    let mut to_ada = eve.dial(&ada.addr(), &secret).await.unwrap();
    to_ada.say(&eve.connect(Purpose::Join, Vec::new())).await;
    assert!(matches!(to_ada.message().await, Message::Welcome(_)));
    to_ada.say(&Message::Join(Box::new(request))).await;
    let challenge = to_ada.join_message().await.expect("a challenge");
    assert!(matches!(challenge, JoinMessage::Challenge(_)), "{challenge:?}");
    from_victim.say(&Message::Join(Box::new(challenge))).await;

    // The challenge is for another connection: the victim gives away no proof, not even a wrong one.
    assert_eq!(from_victim.join_message().await, None);
    assert_eq!(joining.await.unwrap().unwrap_err().kind(), ErrorKind::WrongPassword);
    to_ada.say(&Message::Join(Box::new(JoinMessage::Proof(vec![0; 64].into())))).await;
    let answer = to_ada.join_message().await.expect("an answer");
    assert!(matches!(answer, JoinMessage::Denied { reason: JoinDenied::WrongProof, .. }), "{answer:?}");
    assert_eq!(club.members().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn m13_s2_to_one_who_is_no_member_a_joiner_says_nothing() {
    let Scene { owner, ada: _ada, club, shown, .. } = scene("s2 stranger").await;
    // Knows the secret and the group, as somebody who was removed might; shows a member's grant, or nothing.
    for shown in [Vec::new(), shown] {
        let invitation = club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
        let stranger = Impostor::new(SecretKey::from_bytes(&[4; 32])).await;
        let trap = JoinGroup::from(by_way_of(&invitation, stranger.addr(), &owner)).password(PASSWORD);
        let victim = node().await;
        let joining = tokio::spawn(async move { victim.join_group(trap).await });
        let mut from_victim = stranger.accept(&access_of(&invitation).secret, VERSION).await;
        let Message::Connect(_) = from_victim.message().await else { panic!("a connect") };
        from_victim.say(&stranger.welcome(club.genesis().await.unwrap(), now(), shown)).await;
        assert_eq!(from_victim.join_message().await, None);
        assert_eq!(joining.await.unwrap().unwrap_err().kind(), ErrorKind::NotAuthorized);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m8_s25_guesses_from_many_nodes_are_throttled_together() {
    let Scene { ada, club, .. } = scene("s25").await;
    let invitation = club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
    let (mut heard, mut throttled) = (0, 0);
    for number in 10..30 {
        let eve = Impostor::new(SecretKey::from_bytes(&[number; 32])).await;
        let mut link = eve.dial(&ada.addr(), &access_of(&invitation).secret).await.unwrap();
        link.say(&eve.connect(Purpose::Join, Vec::new())).await;
        let guess = format!("guess {number}");
        let (_, request) = PasswordProof::start(guess.into(), [number; 32]);
        let message = JoinMessage::Password { request: request.into(), name: String::new() };
        link.say(&Message::Join(Box::new(message))).await;
        match link.join_message().await.expect("an answer") {
            JoinMessage::Challenge(_) => heard += 1,
            JoinMessage::Denied { reason: JoinDenied::Throttled(_), .. } => throttled += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(heard <= 5 && throttled >= 15, "{heard} heard, {throttled} throttled");
    let late = JoinGroup::from(invitation).password(PASSWORD);
    assert_eq!(node().await.join_group(late).await.unwrap_err().kind(), ErrorKind::Throttled);
}

#[tokio::test(flavor = "multi_thread")]
async fn m28_s33_other_versions_are_refused_in_clear_words() {
    // A group that wants more than we speak: not made, not joined, neither by its own word nor by an invitation's.
    let (owner, secret) = (key(1), GraphSecret::from_bytes([5; 32]));
    let rules = GroupRules { min_version: VERSION + 1, ..GroupRules::default() };
    let ada = node_as(&owner).await;
    let made = ada.create_group(CreateGroup { rules: rules.clone(), ..CreateGroup::default() }).await;
    assert_eq!(made.unwrap_err().kind(), ErrorKind::UnsupportedVersion);

    let genesis = Genesis { rules: Some(rules), ..Genesis::new(owner.peer(), [6; 16]) };
    let host = Impostor::new(owner.clone()).await;
    let ben = node().await;
    let invitation = |host: &Impostor| {
        let (name, period) = (String::from("later"), (Timestamp(0), None));
        let way = Way::Link { key: [7; 32], uses: 1, access: Access { secret, nodes: vec![host.addr()] } };
        let who = (owner.peer(), name.clone());
        Invitation::unsigned(genesis.id(), name, who, Role::Member, period, way).signed(&owner)
    };
    let (joiner, link) = (ben.clone(), invitation(&host));
    let joining = tokio::spawn(async move { joiner.join_group(link).await });
    let mut from_ben = host.accept(&secret, VERSION).await;
    let Message::Connect(_) = from_ben.message().await else { panic!("a connect") };
    from_ben.say(&host.welcome(genesis.clone(), now(), Vec::new())).await;
    assert_eq!(from_ben.join_message().await, None);
    let refused = joining.await.unwrap().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::UnsupportedVersion, "{refused}");

    // A node that answers with another version, older or newer: refused before a word.
    for version in [VERSION - 1, VERSION + 1] {
        let host = Impostor::new(owner.clone()).await;
        let (joiner, link) = (ben.clone(), invitation(&host));
        let joining = tokio::spawn(async move { joiner.join_group(link).await });
        let mut from_ben = host.accept(&secret, version).await;
        assert_eq!(from_ben.next().await, None, "not even a connect");
        let refused = joining.await.unwrap().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::UnsupportedVersion, "{refused}");
    }
    assert!(ben.stored_graphs().is_empty() && ben.open_graphs().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn c30_a_link_that_dies_before_the_answer_does_not_hold_up_the_next_node() {
    let Scene { owner, ada, club, mallory, shown } = scene("c30").await;
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let secret = access_of(&link).secret;
    let mut both = link.clone();
    access_mut(&mut both).nodes = vec![mallory.addr(), ada.addr()];
    let both = both.signed(&owner);
    let ben = node().await;
    let begun = std::time::Instant::now();
    let joining = tokio::spawn({
        let ben = ben.clone();
        async move { ben.join_group(both).await }
    });
    let mut from_ben = mallory.accept(&secret, VERSION).await;
    let Message::Connect(connect) = from_ben.message().await else { panic!("a connect") };
    assert_eq!(connect.purpose, Purpose::Join);
    from_ben.say(&mallory.welcome(club.genesis().await.unwrap(), now(), shown)).await;
    from_ben.join_message().await.expect("a wish to join");
    // Gone, without a word.
    drop(from_ben);
    let joined = joining.await.unwrap().expect("the next one lets him in");
    assert!(begun.elapsed() < peergraph::limits::JOIN_TIMEOUT / 2, "{:?}", begun.elapsed());
    assert_eq!(joined.role().await.unwrap(), Some(Role::Member));
    // And if there is no next, it is said at once.
    let begun = std::time::Instant::now();
    let cyd = node().await;
    let trap = by_way_of(&link, mallory.addr(), &owner);
    let joining = tokio::spawn(async move { (cyd.join_group(trap).await.map(drop), cyd) });
    let mut from_cyd = mallory.accept(&secret, VERSION).await;
    from_cyd.message().await;
    let shown = vec![grant_of(&club, mallory.identity.peer()).await.bytes().clone()];
    from_cyd.say(&mallory.welcome(club.genesis().await.unwrap(), now(), shown)).await;
    from_cyd.join_message().await.expect("a wish to join");
    drop(from_cyd);
    let (refused, cyd) = joining.await.unwrap();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unreachable);
    assert!(begun.elapsed() < peergraph::limits::JOIN_TIMEOUT / 2, "{:?}", begun.elapsed());
    assert!(cyd.open_graphs().is_empty());
}

/// A grant by Mallory for somebody, by whatever right.
async fn granted(
    scene: &Scene,
    subject: PeerId,
    admission: Option<InvitationUse>,
    after: Vec<ActId>,
) -> Bytes {
    let own = Act::of(&grant_of(&scene.club, scene.mallory.identity.peer()).await).map(|act| act.id());
    let at = scene.club.peer_time().await.unwrap();
    let grant = Grant {
        subject,
        name: "Vic".into(),
        role: Role::Member,
        not_before: at - Duration::from_secs(60),
        not_after: admission.is_none().then(|| at + Duration::from_secs(60)),
        depth: 0,
        renew: false,
        admission,
        demotes: None,
        despite: Vec::new(),
    };
    let author = scene.mallory.identity.peer();
    let body = ActBody { author, by: own, after, at, content: Content::Grant(grant) };
    let (header, body) = Act::draft(body).to_record();
    SignedRecord::sign(&scene.club.id(), &scene.mallory.identity, header, &body).bytes().clone()
}

/// Waits for a joiner; gives the link with it and its first message.
async fn first_message(scene: &Scene, secret: &GraphSecret) -> (Insider, JoinMessage) {
    let mut from_victim = scene.mallory.accept(secret, VERSION).await;
    let Message::Connect(connect) = from_victim.message().await else { panic!("a connect") };
    assert_eq!(connect.purpose, Purpose::Join);
    let genesis = scene.club.genesis().await.unwrap();
    from_victim.say(&scene.mallory.welcome(genesis, now(), scene.shown.clone())).await;
    let asked = from_victim.join_message().await.expect("a request");
    (from_victim, asked)
}

/// The invitation with Mallory's node first and then the issuer's.
fn mallory_first(scene: &Scene, invitation: &Invitation) -> Invitation {
    let mut other = invitation.clone();
    access_mut(&mut other).nodes = vec![scene.mallory.addr(), scene.ada.addr()];
    other.signed(&scene.owner)
}

#[tokio::test(flavor = "multi_thread")]
async fn v_e_a_joiner_takes_no_membership_that_it_did_not_ask_for() {
    let scene = scene_as("v_e asked", Role::Inviter).await;
    let by_password = scene.club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
    let link = scene.club.invite_link(InviteLink { uses: 9, ..InviteLink::default() }).await.unwrap();
    for (invitation, again) in [(&by_password, false), (&by_password, true), (&link, false), (&link, true)] {
        let victim = node().await;
        let peer = victim.peer_id();
        let join = JoinGroup::from(mallory_first(&scene, invitation)).password(PASSWORD);
        let joining = tokio::spawn(async move { (victim.join_group(join).await, victim) });
        let (mut from_victim, _) = first_message(&scene, &access_of(invitation).secret).await;
        // Nothing was proven to the victim, and nothing is by its invitation.
        let mut chain = scene.shown.clone();
        chain.push(granted(&scene, peer, None, Vec::new()).await);
        from_victim.say(&Message::Join(Box::new(JoinMessage::Granted { chain, again }))).await;
        let (joined, _victim) = joining.await.unwrap();
        let joined = joined.expect("Ada lets it in");
        assert_eq!(joined.join_outcome(), JoinOutcome::Joined);
        let known = scene.club.member(peer).await.unwrap();
        assert_eq!((known.role, known.issuer), (Some(Role::Member), Some(scene.ada.peer_id())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v_e_a_grant_that_never_counts_shuts_no_joiner_out() {
    let scene = scene_as("v_e dangling", Role::Inviter).await;
    let link = scene.club.invite_link(InviteLink { uses: 9, ..InviteLink::default() }).await.unwrap();
    let secret = access_of(&link).secret;
    let victim = node().await;
    let (peer, joiner) = (victim.peer_id(), victim.clone());
    let mut trap = link.clone();
    access_mut(&mut trap).nodes = vec![scene.mallory.addr()];
    let trap = trap.signed(&scene.owner);
    let joining = tokio::spawn(async move { joiner.join_group(trap).await.map(drop) });
    let (mut from_victim, _) = first_message(&scene, &secret).await;
    // The use is asked for as it should be; the grant names an act that nobody has.
    let invite = invite_of(&scene.club, &link).await;
    from_victim.say(&Message::Join(Box::new(JoinMessage::Use(invite)))).await;
    let Some(JoinMessage::Used(proof)) = from_victim.join_message().await else { panic!("a use") };
    let admission = Some(InvitationUse { invite, proof });
    let mut chain = scene.shown.clone();
    chain.push(granted(&scene, peer, admission, vec![ActId::from_bytes([7; 32])]).await);
    from_victim.say(&Message::Join(Box::new(JoinMessage::Granted { chain, again: false }))).await;
    drop(from_victim);
    assert!(joining.await.unwrap().is_err(), "Mallory is nobody's neighbor");
    // What it was given is kept, and is worth nothing. Each way in is open to it.
    let joined = victim.join_group(link).await.expect("by the same link, from Ada");
    eventually("it is a member by Ada's word", || async {
        scene.club.member(peer).await.is_ok_and(|known| known.role == Some(Role::Member))
    })
    .await;
    assert_eq!(joined.role().await.unwrap(), Some(Role::Member));
    converge(&[&*scene.club, &*joined]).await;
}

/// The id of a link's act.
async fn invite_of(club: &Group, link: &Invitation) -> ActId {
    let Way::Link { key, .. } = &link.way else { panic!("a link") };
    let key = SecretKey::from_bytes(key).peer();
    let acts = club.credentials().await.unwrap();
    let found = acts
        .iter()
        .filter_map(Act::of)
        .find(|act| matches!(&act.body().content, Content::Invite(invite) if invite.key == key));
    found.expect("the act").id()
}

#[tokio::test(flavor = "multi_thread")]
async fn v_e_who_was_let_in_by_somebody_removed_unheard_comes_in_by_another_link() {
    let (owner, identity) = (key(1), key(2));
    let (ada, vic) = (node_as(&owner).await, node_as(&identity).await);
    let club = ada.create_group("v_e removed").await.unwrap();
    let options = InviteLink { role: Role::Inviter, ..InviteLink::default() };
    let vics = vic.join_group(club.invite_link(options).await.unwrap()).await.unwrap();
    converge(&[&*club, &*vics]).await;
    // They do not hear of each other any more.
    ada.pause().await.unwrap();
    let mut by_vic = vics.invite_link(InviteLink::default()).await.unwrap();
    access_mut(&mut by_vic).nodes = vec![vic.addr()];
    let jo = node().await;
    let peer = jo.peer_id();
    let joined = jo.join_group(by_vic.signed(&identity)).await.expect("Vic lets it in");
    assert_eq!(joined.role().await.unwrap(), Some(Role::Member));
    vic.shutdown().await;
    ada.resume().await.unwrap();
    club.remove(vic.peer_id(), RemoveMember::default()).await.unwrap();
    let mut link = club.invite_link(InviteLink::default()).await.unwrap();
    access_mut(&mut link).nodes = vec![ada.addr()];
    let again = jo.join_group(link.signed(&owner)).await.expect("Ada lets it in");
    assert_eq!(again.role().await.unwrap(), Some(Role::Member));
    let known = club.member(peer).await.unwrap();
    assert_eq!((known.role, known.issuer), (Some(Role::Member), Some(ada.peer_id())));
    converge(&[&*club, &*again]).await;
    assert_eq!(again.role().await.unwrap(), Some(Role::Member), "after it heard of the removal as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn v_b_one_member_keeps_nobody_out_with_a_false_reason() {
    let scene = scene("v_b").await;
    let by_password = scene.club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
    let link = scene.club.invite_link(InviteLink { uses: 9, ..InviteLink::default() }).await.unwrap();
    let reasons = [
        JoinDenied::UsedUp,
        JoinDenied::Revoked,
        JoinDenied::Removed,
        JoinDenied::Throttled(3600),
        JoinDenied::Throttled(1),
    ];
    let by_link = reasons.into_iter().map(|reason| (&link, reason));
    let wrong = [(&by_password, JoinDenied::WrongProof), (&by_password, JoinDenied::NoPassword)];
    for (invitation, reason) in by_link.chain(wrong) {
        let victim = node().await;
        let peer = victim.peer_id();
        let join = JoinGroup::from(mallory_first(&scene, invitation)).password(PASSWORD);
        let joining = tokio::spawn(async move { (victim.join_group(join).await, victim) });
        let (mut from_victim, _) = first_message(&scene, &access_of(invitation).secret).await;
        let denied = JoinMessage::Denied { reason, referrals: Vec::new() };
        from_victim.say(&Message::Join(Box::new(denied))).await;
        let (joined, _victim) = joining.await.unwrap();
        joined.unwrap_or_else(|error| panic!("after {reason:?}: {error}"));
        assert_eq!(scene.club.member(peer).await.unwrap().issuer, Some(scene.ada.peer_id()));
    }
    // With nobody else to ask, what it says is told.
    let cyd = node().await;
    let trap = by_way_of(&link, scene.mallory.addr(), &scene.owner);
    let joining = tokio::spawn(async move { cyd.join_group(trap).await.map(drop) });
    let (mut from_cyd, _) = first_message(&scene, &access_of(&link).secret).await;
    let denied = JoinMessage::Denied { reason: JoinDenied::UsedUp, referrals: Vec::new() };
    from_cyd.say(&Message::Join(Box::new(denied))).await;
    assert_eq!(joining.await.unwrap().unwrap_err().kind(), ErrorKind::InvitationUsedUp);
}
