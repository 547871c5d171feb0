//! What lies on the disk when databases, and exports of them, are sealed.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use peergraph::{
    ErrorKind, ImportCount, ImportDatabase, KeyProtection, ListQuery, Node, NodeConfig, RecordDraft, Result,
    Role,
};
use peergraph_tests::{
    converge, group,
    identities::{files, holders, phrase},
    member, node, node_at, note,
};

/// In bodies, attributes and names.
const TEXT: &str = "a recognisable sentence";
const PASSPHRASE: &str = "open sesame";
const PASSWORD: &str = "correct horse";
/// What stands in an exported database before its content, or what seals that.
const EXPORT_START: usize = 9;

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
    let counted = ListQuery { count: true, ..ListQuery::default() };
    assert_eq!(graph.list(counted).await.unwrap().total, Some(301));
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
    assert!(refused.message().contains("open the node with"), "{refused}");
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
async fn r24_a_key_that_is_asked_for_seals_as_one_that_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let source = KeyProtection::source(move || {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, std::io::Error>([7; 32]) }
    });
    let node = Node::start(config(dir.path(), source.clone())).await.unwrap();
    let peer = node.peer_id();
    node.shutdown().await;
    let given = Node::start(config(dir.path(), KeyProtection::Key([7; 32]))).await.unwrap();
    assert_eq!(given.peer_id(), peer);
    given.shutdown().await;
    let again = Node::start(config(dir.path(), source.clone())).await.unwrap();
    assert_eq!(again.peer_id(), peer);
    again.shutdown().await;
    assert_eq!(asked.load(Ordering::Relaxed), 2, "once for each start");

    let other = KeyProtection::source(|| async { Ok::<_, std::io::Error>([8; 32]) });
    let locked = KeyProtection::source(|| async { Err(std::io::Error::other("the screen is locked")) });
    for (wrong, why) in [(other, "sealed with another"), (locked, "the screen is locked")] {
        let refused = Node::start(config(dir.path(), wrong)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::KeyAccess, "{refused}");
        assert!(refused.message().contains(why), "{refused}");
    }
    // In memory nothing is sealed.
    Node::start(NodeConfig::loopback().keys(source)).await.unwrap().shutdown().await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
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

#[tokio::test(flavor = "multi_thread")]
async fn r24_a_sealed_export_opens_with_its_password_and_unaltered() {
    let dir = tempfile::tempdir().unwrap();
    let (_ada, club) = group(TEXT).await;
    for n in 0..200 {
        club.publish(note(&format!("{TEXT} {n} {}", "x".repeat(1000)))).await.unwrap();
    }
    let (plain, sealed) = (dir.path().join("plain"), dir.path().join("sealed"));
    let short = club.export_database(&sealed, Some("1234567")).await.unwrap_err();
    assert_eq!(short.kind(), ErrorKind::InvalidArgument, "{short}");
    let count = club.export_database(&plain, None).await.unwrap();
    assert_eq!(club.export_database(&sealed, Some(PASSWORD)).await.unwrap(), count);
    let (shown, good) = (fs::read(&plain).unwrap(), fs::read(&sealed).unwrap());
    assert!(contains(&shown, TEXT.as_bytes()) && !contains(&good, TEXT.as_bytes()));
    for part in [club.id().as_bytes(), club.ticket().await.unwrap().secret.as_bytes()] {
        assert!(!contains(&good, part));
    }
    #[cfg(unix)]
    for path in [&plain, &sealed] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    let new = node().await;
    let text = club.export_membership(PASSWORD).await.unwrap();
    let moved = new.import_membership(&text, PASSWORD).await.unwrap();
    let refused = async |path: &Path, options: ImportDatabase| {
        moved.import_database(path, options).await.unwrap_err().kind()
    };
    let with = |password: &str| ImportDatabase::default().password(password);
    assert_eq!(refused(&sealed, with("correct hors")).await, ErrorKind::WrongPassword);
    assert_eq!(refused(&sealed, ImportDatabase::default()).await, ErrorKind::InvalidArgument);
    assert_eq!(refused(&plain, with(PASSWORD)).await, ErrorKind::InvalidArgument);
    let bad = dir.path().join("bad");
    let piece = 64 * 1024 + 16;
    let start = EXPORT_START + 47;
    assert!(good.len() > start + 3 * piece);
    let cuts = [
        EXPORT_START,
        EXPORT_START + 20,
        start,
        start + 100,
        start + piece,
        start + 3 * piece,
        good.len() - 1,
    ];
    let swapped = [
        &good[..start],
        &good[start + piece..][..piece],
        &good[start..][..piece],
        &good[start + 2 * piece..],
    ];
    let mut spoilt: Vec<Vec<u8>> = cuts.iter().map(|cut| good[..*cut].to_vec()).collect();
    spoilt.push(swapped.concat());
    spoilt.push([&good[..], &good[start + piece..]].concat());
    for at in (EXPORT_START..good.len()).step_by(good.len() / 20) {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        spoilt.push(flipped);
    }
    for (n, bytes) in spoilt.into_iter().enumerate() {
        fs::write(&bad, bytes).unwrap();
        assert_eq!(refused(&bad, with(PASSWORD)).await, ErrorKind::Damaged, "number {n}");
    }
    // One in the clear as well, as far as that can be told.
    for at in (EXPORT_START..shown.len()).step_by(shown.len() / 20) {
        let mut flipped = shown.clone();
        flipped[at] ^= 1;
        fs::write(&bad, flipped).unwrap();
        let kind = refused(&bad, ImportDatabase::default()).await;
        assert!(
            matches!(kind, ErrorKind::Damaged | ErrorKind::WrongGraph | ErrorKind::WrongPeer),
            "{at}: {kind:?}"
        );
    }
    assert_eq!(moved.fingerprint().await.unwrap().count, 0, "nothing was taken from any of them");
    let done = moved.import_database(&sealed, with(PASSWORD)).await.unwrap();
    assert_eq!(done, ImportCount { added: count, ..ImportCount::default() });
    let counted = ListQuery { count: true, ..ListQuery::default() };
    assert_eq!(moved.list(counted).await.unwrap().total, Some(200));
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
