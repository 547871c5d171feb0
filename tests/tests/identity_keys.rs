//! Where an identity's private key goes: to the disk, to another machine, away.

use std::{fs, path::PathBuf};

use peergraph::{CreateIdentity, ErrorKind, Identity, KeyProtection, NodeConfig};
use peergraph_tests::{
    identities::{files, holders, key, names, phrase, start, with_key},
    node_at, note,
};

const PASSWORD: &str = "correct horse";

#[tokio::test(flavor = "multi_thread")]
async fn i9_delete_waits_for_the_graphs_and_removes_all_keys() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let own = node.identities().default().await.unwrap();
    let own_key = fs::read(dir.path().join("identity.key")).unwrap();
    let graph = node.create_graph("i9").await.unwrap();
    graph.publish(note("x")).await.unwrap();
    let id = graph.id();
    assert_eq!(own.delete().await.unwrap_err().kind(), ErrorKind::GroupsExist);
    graph.close().await;
    assert_eq!(own.delete().await.unwrap_err().kind(), ErrorKind::GroupsExist);
    node.shutdown().await;
    let node = node_at(dir.path()).await;
    let own = node.identities().default().await.unwrap();
    assert_eq!(own.delete().await.unwrap_err().kind(), ErrorKind::GroupsExist, "also after a restart");
    let other = node.identities().create(with_key(7, None)).await.unwrap();
    let handle = node.identities().get(&other.peer_name()).unwrap();
    other.delete().await.unwrap();
    assert!(holders(dir.path(), &[7; 32]).is_empty());

    // Every handle knows, and says which identity it was.
    let deleted = ErrorKind::IdentityDeleted;
    for identity in [&other, &handle] {
        assert_eq!(identity.sign(b"x").unwrap_err().kind(), deleted);
        assert_eq!(identity.describe().unwrap_err().kind(), deleted);
        assert_eq!(identity.export(PASSWORD).await.unwrap_err().kind(), deleted);
        assert_eq!(identity.rename(Some("x")).await.unwrap_err().kind(), deleted);
        assert_eq!(identity.groups().await.unwrap_err().kind(), deleted);
        assert_eq!(identity.delete().await.unwrap_err().kind(), deleted);
        assert_eq!((identity.peer_id(), identity.name()), (key(7).peer(), key(7).peer().to_string()));
    }
    assert_eq!(node.identities().get(&other.peer_name()).unwrap_err().kind(), ErrorKind::NotFound);
    // The same key again is another identity; the old handles stay dead.
    node.identities().create(with_key(7, None)).await.unwrap();
    assert_eq!(other.sign(b"x").unwrap_err().kind(), deleted);

    node.delete_graph(id).await.unwrap();
    own.delete().await.unwrap();
    assert!(holders(dir.path(), &own_key).is_empty());
    node.shutdown().await;
    let node = node_at(dir.path()).await;
    assert_ne!(node.peer_id(), own.peer_id());
    assert_eq!(node.identities().list().len(), 2, "the one made again, and a new one of the node's own");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_an_export_wants_its_password_and_every_character() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let options = CreateIdentity { name: Some("Ada".into()), ..with_key(7, Some("work")) };
    let ada = node.identities().create(options).await.unwrap();
    for weak in ["", "1234567", "äöüß"] {
        assert_eq!(ada.export(weak).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    let text = ada.export(PASSWORD).await.unwrap();
    assert!(text.starts_with("peergraph-identity-secret:"));
    assert_ne!(text, ada.export(PASSWORD).await.unwrap(), "salted");
    let here = node.identities().import(&text, PASSWORD).await;
    assert_eq!(here.unwrap_err().kind(), ErrorKind::AlreadyExists);
    // A copy, not a move; and without memberships.
    assert!(ada.sign(b"x").is_ok());
    let own = node.identities().default().await.unwrap();
    node.create_graph("i10").await.unwrap();
    let own_text = own.export(PASSWORD).await.unwrap();
    node.shutdown().await;

    let elsewhere = tempfile::tempdir().unwrap();
    let other = node_at(elsewhere.path()).await;
    let import = |text: String, password: &'static str| {
        let identities = other.identities();
        async move { identities.import(&text, password).await }
    };
    let error = |result: peergraph::Result<Identity>| result.unwrap_err().kind();
    assert_eq!(error(import(text.clone(), "Correct horse").await), ErrorKind::WrongPassword);
    assert_eq!(error(import(text.clone(), "").await), ErrorKind::WrongPassword);
    let invalid = ErrorKind::InvalidArgument;
    for altered in [text[1..].into(), format!("{text}a")] {
        assert_eq!(error(import(altered, PASSWORD).await), invalid);
    }
    for at in 0..text.len() {
        let mut altered = text.clone().into_bytes();
        altered[at] = if altered[at] == b'a' { b'b' } else { b'a' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(error(import(altered, PASSWORD).await), invalid, "character {at}");
        assert_eq!(error(import(text[..at].into(), PASSWORD).await), invalid, "cut at {at}");
    }
    assert_eq!(error(import(ada.describe().unwrap().to_string(), PASSWORD).await), invalid);
    assert_eq!(other.identities().list().len(), 1, "none of these left anything");

    let moved = import(text, PASSWORD).await.unwrap();
    assert_eq!((moved.peer_name(), moved.name()), (ada.peer_name(), "Ada".into()));
    assert_eq!(moved.sign(b"x").unwrap(), key(7).sign_application(b"x"), "with the private key");
    let own = import(own_text, PASSWORD).await.unwrap();
    assert!(own.groups().await.unwrap().is_empty());
    other.shutdown().await;
    let other = node_at(elsewhere.path()).await;
    assert_eq!(other.identities().get(&ada.peer_name()).unwrap().name(), "Ada");
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_protected_keys_want_their_passphrase_and_the_error_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(dir.path(), phrase("open sesame")).await.unwrap();
    let (id, peer) = (node.id(), node.peer_id());
    node.identities().create(with_key(7, Some("work"))).await.unwrap();
    node.shutdown().await;
    for wrong in [KeyProtection::Plain, phrase("open"), KeyProtection::Key([1; 32])] {
        let error = start(dir.path(), wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyAccess);
        assert!(error.message().contains("open the node with"), "it says what to do: {error}");
    }
    let node = start(dir.path(), phrase("open sesame")).await.unwrap();
    assert_eq!((node.id(), node.peer_id()), (id, peer));
    assert_eq!(node.identities().list().len(), 2);
    node.shutdown().await;

    // A damaged file is another matter.
    let identities = dir.path().join("identities");
    let file = files(&identities).into_iter().find(|(path, _)| path.extension().is_some()).unwrap();
    fs::write(&file.0, &file.1[1..]).unwrap();
    let error = start(dir.path(), phrase("open sesame")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.message().contains(file.0.to_str().unwrap()), "it says which: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s28_keys_are_sealed_at_rest_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    node.identities().create(with_key(0x5a, Some("work"))).await.unwrap();
    let (id, before) = (node.id(), names(&node));
    node.shutdown().await;
    let mut secrets = vec![vec![0x5a; 32]];
    secrets.extend(["identity.key", "node.key"].map(|name| fs::read(dir.path().join(name)).unwrap()));
    for secret in &secrets {
        assert_eq!(holders(dir.path(), secret).len(), 1, "plain until asked otherwise");
    }

    // What was plain is sealed on the next start, and what is new from the beginning.
    let protection = KeyProtection::Key([0x6b; 32]);
    for _ in 0..2 {
        let node = start(dir.path(), protection.clone()).await.unwrap();
        assert_eq!(node.id(), id);
        let own = node.identities().default().await.unwrap();
        own.rename(Some("Own")).await.unwrap();
        own.rename(None).await.unwrap();
        assert_eq!(names(&node), before);
        let fresh = node.identities().create(with_key(0x5b, None)).await.unwrap();
        node.create_graph("s28").await.unwrap().publish(note("x")).await.unwrap();
        for secret in secrets.iter().map(Vec::as_slice).chain([&[0x5b; 32][..], &[0x6b; 32]]) {
            assert_eq!(holders(dir.path(), secret), [] as [PathBuf; 0]);
        }
        fresh.delete().await.unwrap();
        node.shutdown().await;
    }

    let config =
        NodeConfig { identity: Some(key(0x5a)), ..NodeConfig::loopback() }.keys(phrase("open sesame"));
    let node = peergraph_tests::node().await;
    let identity = node.identities().create(with_key(0x5a, None)).await.unwrap();
    let shown = format!(
        "{config:?} {protection:?} {:?} {:?} {identity:?} {node:?}",
        with_key(0x5a, None),
        node.identities()
    );
    for secret in ["sesame", "90, 90", "5a5a", "107, 107", "6b6b"] {
        assert!(!shown.to_lowercase().contains(secret), "{secret} in {shown}");
    }
    node.shutdown().await;
}
