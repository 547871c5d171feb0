//! How nodes begin and end: whose the data directory is, what is made in it, what errors of the system say.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::UdpSocket,
    process::{Child, Command, Stdio},
};

use peergraph::{ErrorKind, Node, NodeConfig};
use peergraph_tests::{PATIENCE, node_at};

/// Another process with a node on this directory, and the child once it is open.
fn other_process(dir: &std::path::Path) -> Child {
    let mut child =
        Command::new(env!("CARGO_BIN_EXE_publisher")).arg(dir).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (opened, is_open) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            let _ = opened.send(line);
        }
    });
    let first = is_open.recv_timeout(PATIENCE).expect("the other process opens its node");
    assert!(first.starts_with("open "), "{first}");
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn k1_a_directory_has_one_node_in_all_processes_and_a_killed_one_lets_go() {
    let dir = tempfile::tempdir().unwrap();
    let in_use = |error: peergraph::Error| {
        assert_eq!(error.kind(), ErrorKind::DirectoryInUse, "{error:?}");
        assert_eq!(error.path(), Some(dir.path()));
    };
    let first = node_at(dir.path()).await;
    in_use(Node::open(dir.path()).await.unwrap_err());
    first.shutdown().await;

    let mut child = other_process(dir.path());
    in_use(Node::open(dir.path()).await.unwrap_err());
    child.kill().unwrap();
    child.wait().unwrap();
    node_at(dir.path()).await.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c28_a_port_that_is_taken_is_named_with_the_systems_reason() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let free = "127.0.0.1:0".parse().unwrap();
    let in_use = UdpSocket::bind(address).unwrap_err();
    for bind in [vec![address], vec![free, address]] {
        let error = Node::start(NodeConfig { bind, ..NodeConfig::loopback() }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network);
        assert_eq!(error.address(), Some(address), "{error:?}");
        assert_eq!(error.os_error(), in_use.raw_os_error());
        assert!(error.message().contains(&address.to_string()), "{error}");
        assert!(error.message().contains(&in_use.to_string()), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
    drop(taken);
    let node = Node::start(NodeConfig { bind: vec![address], ..NodeConfig::loopback() }).await.unwrap();
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c28_a_directory_that_cannot_be_used_is_named_with_the_systems_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"no folder").unwrap();
    let inside = file.join("data");
    let error = Node::open(&inside).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert_eq!(error.path(), Some(inside.as_path()));
    let expected = fs::create_dir(&inside).unwrap_err();
    assert_eq!(error.os_error(), expected.raw_os_error(), "{error:?}");
    assert!(error.message().contains(&expected.to_string()), "{error}");

    // A folder where a file of keys should be.
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("node.key");
    fs::create_dir(&key).unwrap();
    let error = Node::open(dir.path()).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Storage, Some(key.as_path())), "{error:?}");
    assert!(error.os_error().is_some(), "{error:?}");

    // A folder where a database should be.
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let graph = node.create_graph("graph").await.unwrap();
    let id = graph.id();
    graph.close().await;
    let database = dir.path().join("graphs").join(format!("{id}.db"));
    fs::remove_file(&database).unwrap();
    fs::create_dir(&database).unwrap();
    let error = node.open_graph(id, peergraph::OpenGraph::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Storage, Some(database.as_path())), "{error:?}");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c28_exports_and_imports_name_their_file_and_the_systems_reason() {
    let dir = tempfile::tempdir().unwrap();
    let node = peergraph_tests::node().await;
    let graph = node.create_graph("graph").await.unwrap();
    let nowhere = dir.path().join("no folder").join("backup");
    let missing = fs::File::open(&nowhere).unwrap_err();
    let error = graph.export_database(&nowhere, None).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Storage, Some(nowhere.as_path())), "{error:?}");
    assert_eq!(error.os_error(), missing.raw_os_error());
    let error = graph.import_database(&nowhere, Default::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::NotFound, Some(nowhere.as_path())), "{error:?}");
    assert_eq!(error.os_error(), missing.raw_os_error());
    node.shutdown().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn c47_an_export_follows_no_link_and_replaces_nothing() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let node = peergraph_tests::node().await;
    let graph = node.create_graph("graph").await.unwrap();
    fs::write(at("victim"), b"precious").unwrap();
    fs::set_permissions(at("victim"), fs::Permissions::from_mode(0o666)).unwrap();
    symlink(at("victim"), at("backup.part")).unwrap();
    graph.export_database(at("backup"), None).await.unwrap();
    assert_eq!(fs::read(at("victim")).unwrap(), b"precious");
    assert_eq!(fs::metadata(at("backup")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(at("backup").symlink_metadata().unwrap().is_file());

    symlink(at("nowhere"), at("dangling")).unwrap();
    for there in ["backup", "victim", "dangling"] {
        let error = graph.export_database(at(there), None).await.unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::AlreadyExists, Some(at(there).as_path())));
    }
    assert!(!at("nowhere").exists());
    assert_eq!(fs::read(at("victim")).unwrap(), b"precious");
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["backup", "backup.part", "dangling", "victim"], "nothing is left beside it");
    node.shutdown().await;
}
