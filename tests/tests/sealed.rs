//! What lies on the disk when databases are sealed.

use std::{fs, path::Path};

use peergraph::{ErrorKind, KeyProtection, ListQuery, Node, NodeConfig, RecordDraft, Result, Role};
use peergraph_tests::{
    converge, group,
    identities::{files, holders, phrase},
    member, node_at, note,
};

/// In bodies, attributes and names.
const TEXT: &str = "a recognisable sentence";
const PASSPHRASE: &str = "open sesame";

fn config(dir: &Path, keys: KeyProtection) -> NodeConfig {
    NodeConfig { encrypt_database: true, ..NodeConfig::loopback().at(dir).keys(keys) }
}

async fn sealed(dir: &Path) -> Node {
    Node::start(config(dir, phrase(PASSPHRASE))).await.unwrap()
}

fn telling() -> RecordDraft {
    note(TEXT).with("subject", TEXT)
}

/// A sealed database with a record, closed.
async fn a_closed_one(dir: &Path) -> peergraph::GraphId {
    let node = sealed(dir).await;
    let graph = node.create_graph("sealed").await.unwrap();
    graph.publish(telling()).await.unwrap();
    let id = graph.id();
    node.shutdown().await;
    id
}

async fn open(dir: &Path, id: peergraph::GraphId) -> Result<Vec<String>> {
    let node = sealed(dir).await;
    let result = async {
        let graph = node.open_graph(id, Default::default()).await?;
        let items = graph.list(ListQuery::default()).await?.items;
        Ok(items.iter().map(|record| record.body_text().unwrap().to_owned()).collect())
    };
    let result = result.await;
    node.shutdown().await;
    result
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_a_sealed_group_leaves_nothing_readable_and_comes_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let node = sealed(dir.path()).await;
    let club = node.create_group(TEXT).await.unwrap();
    let (_ben, bens) = member(&club, Role::Member, TEXT).await;
    let mine = club.publish(telling()).await.unwrap();
    bens.publish(telling()).await.unwrap();
    club.delete(club.publish(telling()).await.unwrap().id).await.unwrap();
    converge(&[&club, &bens]).await;
    let secret = *club.ticket().await.unwrap().secret.as_bytes();
    let before = club.fingerprint().await.unwrap();
    assert_eq!(holders(dir.path(), TEXT.as_bytes()), Vec::<std::path::PathBuf>::new(), "while it is open");
    assert!(holders(dir.path(), &secret).is_empty(), "while it is open");
    let id = club.id();
    node.shutdown().await;
    assert!(holders(dir.path(), TEXT.as_bytes()).is_empty() && holders(dir.path(), &secret).is_empty());
    assert!(
        files(dir.path())
            .iter()
            .any(|(path, content)| { path.extension().is_some_and(|e| e == "db") && content.len() > 10_000 })
    );

    let node = sealed(dir.path()).await;
    assert_eq!(node.stored_groups().unwrap(), [id]);
    let club = node.open_group(id).await.unwrap();
    assert_eq!(club.role().await.unwrap(), Some(Role::Owner));
    assert_eq!(club.properties().await.unwrap().name, TEXT);
    let found = club.get(mine.id).await.unwrap().unwrap();
    assert_eq!((found.body_text(), found.attributes.get("subject")), (Some(TEXT), Some(&TEXT.into())));
    assert_eq!(club.list(ListQuery::default()).await.unwrap().items.len(), 2);
    // Presence, which this node withdrew, is all that may differ.
    assert!(club.fingerprint().await.unwrap().count <= before.count + 1);
    club.publish(telling()).await.unwrap();
    assert!(holders(dir.path(), TEXT.as_bytes()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_the_same_in_the_clear_is_found_and_sealed_when_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let graph = node.create_graph("plain").await.unwrap();
    for _ in 0..300 {
        graph.publish(telling()).await.unwrap();
    }
    let (id, secret) = (graph.id(), *graph.ticket().await.unwrap().secret.as_bytes());
    node.shutdown().await;
    assert!(!holders(dir.path(), TEXT.as_bytes()).is_empty() && !holders(dir.path(), &secret).is_empty());

    assert_eq!(open(dir.path(), id).await.unwrap(), vec![TEXT; 300]);
    assert!(holders(dir.path(), TEXT.as_bytes()).is_empty() && holders(dir.path(), &secret).is_empty());
    // Whoever forgets the option does not write it all out in the clear again.
    let node = Node::start(NodeConfig::loopback().at(dir.path()).keys(phrase(PASSPHRASE))).await.unwrap();
    let graph = node.open_graph(id, Default::default()).await.unwrap();
    graph.publish(telling()).await.unwrap();
    assert_eq!(graph.list(ListQuery::default()).await.unwrap().total, 301);
    assert!(holders(dir.path(), TEXT.as_bytes()).is_empty());
    // A new one is as the option says.
    let other = node.create_graph("other").await.unwrap();
    other.publish(telling()).await.unwrap();
    node.shutdown().await;
    assert_eq!(holders(dir.path(), TEXT.as_bytes()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_without_the_right_key_a_sealed_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let id = a_closed_one(dir.path()).await;
    for wrong in [phrase("open"), KeyProtection::Key([1; 32])] {
        let refused = Node::start(config(dir.path(), wrong)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::KeyAccess, "{refused}");
    }
    let refused = Node::start(NodeConfig::loopback().at(dir.path())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::KeyAccess, "{refused}");
    // Nothing could seal the key.
    let empty = tempfile::tempdir().unwrap();
    let refused = Node::start(config(empty.path(), KeyProtection::Plain)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{refused}");
    assert!(refused.message().contains("NodeConfig::keys"), "{refused}");
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);

    // The file alone, in another's directory: whether keys are protected there or not.
    let name = format!("graphs/{id}.db");
    for keys in [KeyProtection::Plain, phrase(PASSPHRASE)] {
        let thief = tempfile::tempdir().unwrap();
        fs::create_dir(thief.path().join("graphs")).unwrap();
        fs::copy(dir.path().join(&name), thief.path().join(&name)).unwrap();
        let node = Node::start(NodeConfig::loopback().at(thief.path()).keys(keys)).await.unwrap();
        let refused = node.open_graph(id, Default::default()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::KeyAccess, "{refused}");
        assert_eq!(node.stored_groups().unwrap_err().kind(), ErrorKind::KeyAccess);
        node.delete_graph(id).await.unwrap();
    }
    assert_eq!(open(dir.path(), id).await.unwrap(), [TEXT], "none of that did harm");
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_flipped_bytes_are_an_error_or_cost_what_they_hit() {
    let dir = tempfile::tempdir().unwrap();
    let id = a_closed_one(dir.path()).await;
    let path = dir.path().join(format!("graphs/{id}.db"));
    let good = fs::read(&path).unwrap();
    let (mut refused, mut whole) = (0, 0);
    for at in (0..good.len()).step_by(good.len() / 120).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        fs::write(&path, bad).unwrap();
        match open(dir.path(), id).await {
            Ok(found) if found == [TEXT] => whole += 1,
            Ok(found) => assert!(found.is_empty(), "byte {at} made it {found:?}"),
            Err(error) => {
                let known = [
                    ErrorKind::Damaged,
                    ErrorKind::Storage,
                    ErrorKind::NewerSchema,
                    ErrorKind::KeyAccess,
                    ErrorKind::InvalidArgument,
                ];
                assert!(known.contains(&error.kind()), "byte {at}: {error:?}");
                refused += 1;
            }
        }
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(path.with_file_name(format!("{id}.db{suffix}")));
        }
    }
    assert!(refused > 0 && whole > 0, "{refused} refused, {whole} unharmed");
    fs::write(&path, good).unwrap();
    assert_eq!(open(dir.path(), id).await.unwrap(), [TEXT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_in_memory_there_is_nothing_to_seal() {
    let node = Node::start(NodeConfig { encrypt_database: true, ..NodeConfig::loopback() }).await.unwrap();
    let (_ada, club) = group("memory").await;
    assert!(club.status().await.unwrap().listening);
    let graph = node.create_graph("memory").await.unwrap();
    graph.publish(telling()).await.unwrap();
}
