//! Between a joiner and those who may let it in: relays, guessers, other versions.

use std::time::SystemTime;

use peergraph::{
    CreateGroup, ErrorKind, GraphSecret, Group, GroupRules, Invitation, InviteLink, InviteMember,
    InvitePassword, JoinGroup, Node, NodeAddr, Role, SecretKey, Timestamp,
    crypto::PasswordProof,
    group::{Access, Way},
    record::Genesis,
    wire::{JoinDenied, JoinMessage, Message, Purpose, VERSION},
};
use peergraph_tests::{
    grant_of,
    identities::key,
    insider::Impostor,
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
    shown: Vec<bytes::Bytes>,
}

async fn scene(name: &str) -> Scene {
    let (owner, identity) = (key(1), key(2));
    let ada = node_as(&owner).await;
    let club = ada.create_group(name).await.unwrap();
    club.invite_peer(identity.peer(), "Mallory", InviteMember::default()).await.unwrap();
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
