//! Identities: making, naming, listing and describing them, and signing with them.

use peergraph::{
    CreateIdentity, ErrorKind, Identity, IdentityDescription, Node, NodeConfig, OpenGraph, PeerName,
    crypto::{self, Domain},
    group::IdentityTextError,
};
use peergraph_tests::{
    founder,
    identities::{holders, key, names, with_key},
    node, node_at,
};

#[tokio::test(flavor = "multi_thread")]
async fn i1_identities_are_made_with_what_is_given_and_stored_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let options =
        CreateIdentity { name: Some("Ada".into()), classifier: Some("work".into()), key: Some(key(7)) };
    let ada = node.identities().create(options).await.unwrap();
    assert_eq!((ada.peer_id(), ada.name()), (key(7).peer(), "Ada".into()));
    assert_eq!(ada.peer_name(), PeerName::secured(key(7).peer(), Some("work")).unwrap());
    // On the disk before anything is closed.
    assert_eq!(holders(dir.path(), &[7; 32]).len(), 1);
    let fresh = node.identities().create("Eve").await.unwrap();
    let other = node.identities().create(CreateIdentity::default()).await.unwrap();
    assert_ne!(fresh.peer_id(), other.peer_id());
    let before = names(&node);
    assert_eq!(before.len(), 4, "three and the node's own");
    node.shutdown().await;
    let closed = node.identities().create("late").await;
    assert_eq!(closed.unwrap_err().kind(), ErrorKind::Closed);

    let node = node_at(dir.path()).await;
    assert_eq!(names(&node), before);
    let again = node.identities().get(&ada.peer_name()).unwrap();
    assert!(key(7).peer().verify(b"x", &again.sign(b"x").unwrap()), "with its key");
    node.shutdown().await;

    // A node in memory keeps them in memory.
    let node = peergraph_tests::node().await;
    let ada = node.identities().create(with_key(7, None)).await.unwrap();
    assert_eq!(node.identities().get(&ada.peer_name()).unwrap().peer_id(), key(7).peer());
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_names_are_authority_and_classifier_and_case_counts() {
    let node = node().await;
    let identities = node.identities();
    let longest = "ä".repeat(149);
    for classifier in [None, Some("work"), Some("Work"), Some("a.b"), Some(&*longest)] {
        let identity = identities.create(with_key(7, classifier)).await.unwrap();
        let text = match classifier {
            Some(classifier) => format!("{}.{classifier}", key(7).peer()),
            None => key(7).peer().to_string(),
        };
        assert_eq!(identity.peer_name().to_string(), text);
        assert_eq!(identities.get(&text.parse().unwrap()).unwrap().peer_name(), identity.peer_name());
    }
    let upper = PeerName::secured(key(7).peer(), Some("WORK")).unwrap();
    assert_eq!(identities.get(&upper).unwrap_err().kind(), ErrorKind::NotFound);

    let kind = |classifier: String| {
        let options = with_key(8, Some(&classifier));
        let identities = identities.clone();
        async move { identities.create(options).await.unwrap_err().kind() }
    };
    assert_eq!(kind("x".repeat(150)).await, ErrorKind::TooLarge);
    assert_eq!(kind("a\0b".into()).await, ErrorKind::InvalidArgument);
    assert_eq!(kind("a\nb".into()).await, ErrorKind::InvalidArgument);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_the_same_key_and_classifier_twice_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let twice = |node: &Node, classifier: Option<&'static str>| {
        let identities = node.identities();
        async move { identities.create(with_key(7, classifier)).await.unwrap_err().kind() }
    };
    for classifier in [None, Some("work")] {
        node.identities().create(with_key(7, classifier)).await.unwrap();
        assert_eq!(twice(&node, classifier).await, ErrorKind::AlreadyExists);
    }
    node.shutdown().await;
    let node = node_at(dir.path()).await;
    assert_eq!(twice(&node, Some("work")).await, ErrorKind::AlreadyExists);
    // Two at the same time: one is first.
    let (one, two) = (node.identities(), node.identities());
    let (one, two) = tokio::join!(one.create(with_key(8, None)), two.create(with_key(8, None)));
    assert!(one.is_ok() != two.is_ok());
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_friendly_names_are_set_and_reset() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let one = node.identities().create(with_key(7, Some("work"))).await.unwrap();
    let two = node.identities().create(with_key(8, None)).await.unwrap();
    let own = node.identities().default().await.unwrap();
    assert_eq!(one.name(), one.peer_name().to_string());
    for identity in [&one, &two, &own] {
        identity.rename(Some("Same")).await.unwrap();
    }
    one.rename(Some(&"ä".repeat(255))).await.unwrap();
    assert_eq!(one.rename(Some(&"x".repeat(256))).await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(one.rename(Some("a\0")).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    let options = CreateIdentity::from(&*"x".repeat(256));
    assert_eq!(node.identities().create(options).await.unwrap_err().kind(), ErrorKind::TooLarge);
    let before = names(&node);
    node.shutdown().await;
    assert_eq!(one.rename(Some("late")).await.unwrap_err().kind(), ErrorKind::Closed);

    let node = node_at(dir.path()).await;
    assert_eq!(names(&node), before);
    let get = |of: &Identity| node.identities().get(&of.peer_name()).unwrap();
    assert_eq!((get(&one).name(), get(&two).name()), ("ä".repeat(255), "Same".into()));
    assert_eq!(get(&own).name(), "Same");
    for (identity, none) in [(get(&one), None), (get(&two), Some("")), (get(&own), None)] {
        identity.rename(none).await.unwrap();
        assert_eq!(identity.name(), identity.peer_name().to_string());
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_a_default_identity_exists_on_demand() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let own = node.identities().default().await.unwrap();
    assert_eq!(own.peer_id(), node.peer_id());
    let unknown = PeerName::secured(key(9).peer(), None).unwrap();
    assert_eq!(node.identities().set_default(&unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
    let other = node.identities().create(with_key(7, Some("work"))).await.unwrap();
    assert_eq!(node.identities().default().await.unwrap().peer_id(), own.peer_id());
    node.identities().set_default(&other.peer_name()).await.unwrap();
    node.shutdown().await;

    let node = node_at(dir.path()).await;
    let chosen = node.identities().default().await.unwrap();
    assert_eq!(chosen.peer_name(), other.peer_name(), "the choice is kept");
    assert_eq!(node.peer_id(), own.peer_id(), "graphs still use the node's own");
    chosen.delete().await.unwrap();
    assert_eq!(node.identities().default().await.unwrap().peer_id(), own.peer_id());

    // Without any, one is made, which the node then acts for; until then it makes no graphs.
    node.identities().get(&own.peer_name()).unwrap().delete().await.unwrap();
    assert!(node.identities().list().is_empty());
    assert_eq!(node.create_graph("i5").await.unwrap_err().kind(), ErrorKind::IdentityDeleted);
    let fresh = node.identities().default().await.unwrap();
    assert_ne!(fresh.peer_id(), own.peer_id());
    assert_eq!(node.peer_id(), fresh.peer_id());
    node.create_graph("i5").await.unwrap();
    node.shutdown().await;
    let node = node_at(dir.path()).await;
    assert_eq!(node.peer_id(), fresh.peer_id());
    node.shutdown().await;

    // One that the configuration gives comes first, and is not written down.
    let config = || NodeConfig { identity: Some(key(5)), ..NodeConfig::loopback().at(dir.path()) };
    let node = Node::start(config()).await.unwrap();
    let given = node.identities().default().await.unwrap();
    assert_eq!((given.peer_id(), node.peer_id()), (key(5).peer(), key(5).peer()));
    assert_eq!(node.identities().list().len(), 2);
    given.rename(Some("for now")).await.unwrap();
    node.shutdown().await;
    assert!(holders(dir.path(), &[5; 32]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_identities_and_their_graphs_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let own = node.identities().default().await.unwrap();
    own.rename(Some("Own")).await.unwrap();
    let other = node.identities().create("Other").await.unwrap();
    let mut expected = vec![(own.peer_name(), "Own".into()), (other.peer_name(), "Other".into())];
    expected.sort();
    assert_eq!(names(&node), expected);

    let (open, closed) =
        (node.create_graph("open").await.unwrap(), node.create_graph("closed").await.unwrap());
    closed.close().await;
    let mut graphs = vec![open.id(), closed.id()];
    graphs.sort();
    assert_eq!(own.groups().await.unwrap(), graphs);
    assert!(other.groups().await.unwrap().is_empty());
    // A snapshot: what was handed out does not change.
    let list = node.identities().list();
    other.delete().await.unwrap();
    assert_eq!((list.len(), node.identities().list().len()), (2, 1));
    node.shutdown().await;

    // Whose graph it is stays with the database.
    let config = NodeConfig { identity: Some(key(5)), ..NodeConfig::loopback().at(dir.path()) };
    let node = Node::start(config).await.unwrap();
    let given = node.identities().default().await.unwrap();
    assert!(given.groups().await.unwrap().is_empty());
    let own = node.identities().get(&own.peer_name()).unwrap();
    assert_eq!(own.groups().await.unwrap(), graphs);
    let error = node.open_graph(closed.id(), OpenGraph::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains(&own.peer_id().to_string()), "{error}");
    node.shutdown().await;

    // In memory, those that are open.
    let (node, graph) = founder("i6").await;
    let own = node.identities().default().await.unwrap();
    assert_eq!(own.groups().await.unwrap(), [graph.id()]);
    graph.close().await;
    assert!(own.groups().await.unwrap().is_empty());
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_further_names_derive_from_an_identity_and_unsecured_ones_have_authority_0() {
    let node = node().await;
    let identity = node.identities().create(with_key(7, Some("work"))).await.unwrap();
    let derived = identity.peer_name().derive(Some("chat")).unwrap();
    assert_eq!(derived.to_string(), format!("{}.chat", identity.peer_id()));
    assert!(derived.is_secured());
    assert_eq!(node.identities().get(&derived).unwrap_err().kind(), ErrorKind::NotFound, "only a name");
    let open = PeerName::unsecured("chat").unwrap();
    assert_eq!((open.to_string(), open.peer(), open.is_secured()), ("0.chat".into(), None, false));
    assert_eq!(node.identities().get(&open).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(PeerName::unsecured("").is_err());
    assert!(derived.derive(Some(&"x".repeat(150))).is_err());
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_the_description_is_public_and_every_alteration_is_detected() {
    let node = node().await;
    let options = CreateIdentity { name: Some("Ada".into()), ..with_key(7, Some("work")) };
    let identity = node.identities().create(options).await.unwrap();
    let description = identity.describe().unwrap();
    let text = description.to_string();
    let read: IdentityDescription = text.parse().unwrap();
    assert_eq!(read, description);
    assert_eq!((read.peer_id(), read.name()), (key(7).peer(), "Ada"));
    assert_eq!(*read.peer_name(), identity.peer_name());

    let bytes = data_encoding::BASE32_NOPAD_NOCASE
        .decode(text.strip_prefix("peergraph-identity:").unwrap().as_bytes())
        .unwrap();
    assert!(bytes.windows(32).any(|part| part == key(7).peer().as_bytes()));
    assert!(!bytes.windows(32).any(|part| part == [7; 32]), "the private key is not in it");

    for at in 0..text.len() {
        for to in [b'a', b'z', b'Z', b'2', b'9', b':', b' '] {
            let mut altered = text.clone().into_bytes();
            if altered[at] == to {
                continue;
            }
            altered[at] = to;
            let altered = String::from_utf8(altered).unwrap();
            assert!(altered.parse::<IdentityDescription>().is_err(), "character {at} is {to}");
        }
    }
    assert_eq!(text[1..].parse::<IdentityDescription>(), Err(IdentityTextError::Prefix));
    assert_eq!(text[..50].parse::<IdentityDescription>(), Err(IdentityTextError::Checksum));
    // What it says changes with the identity, and what was said stays true.
    identity.rename(None).await.unwrap();
    assert_eq!(identity.describe().unwrap().name(), identity.peer_name().to_string());
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_applications_sign_and_verify_without_the_key() {
    let node = node().await;
    let identity = node.identities().create(with_key(7, None)).await.unwrap();
    let signature = identity.sign(b"hello").unwrap();
    let peer = identity.peer_id();
    assert!(peer.verify(b"hello", &signature));
    assert!(!peer.verify(b"hellO", &signature));
    assert!(!key(8).peer().verify(b"hello", &signature));
    assert!(!peer.verify(b"hello", &signature[1..]));
    for at in 0..signature.len() {
        let mut altered = signature;
        altered[at] ^= 1;
        assert!(!peer.verify(b"hello", &altered), "byte {at}");
    }
    // Nobody can have the identity sign a record, certificate or description this way.
    for domain in [Domain::Record, Domain::Device, Domain::Identity] {
        let message = crypto::signed_message(domain, peer.as_bytes(), b"hello");
        let signature = identity.sign(&message).unwrap();
        assert!(!crypto::verify(peer.as_bytes(), domain, peer.as_bytes(), b"hello", &signature));
        assert!(!crypto::verify(peer.as_bytes(), domain, peer.as_bytes(), &message, &signature));
    }
    node.shutdown().await;
}
