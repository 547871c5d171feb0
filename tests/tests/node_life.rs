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

/// A port that is free now.
fn free_port() -> std::net::SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn c20_shutdown_lets_go_of_the_port_and_the_directory_while_handles_live() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let config = || NodeConfig { bind: vec![port], ..NodeConfig::loopback() }.at(dir.path());
    let other = peergraph_tests::node().await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let node = Node::start(config()).await.unwrap();
        assert_eq!(node.bound(), [port]);
        let graph = node.create_graph("graph").await.unwrap();
        graph.listen().await.unwrap();
        let joined = other.join(graph.ticket().await.unwrap()).await.unwrap();
        let group = node.create_group("group").await.unwrap();
        let stream = graph.events(peergraph::EventFilter::all()).unwrap();
        let direct = joined.open_direct(node.addr()).await.unwrap();
        let theirs = async || graph.direct_connections().await.unwrap();
        peergraph_tests::eventually("the direct connection is there", async || theirs().await.len() == 1)
            .await;
        let theirs = graph.direct_connection(theirs().await[0].connection).await.unwrap();
        node.shutdown().await;
        assert!(node.bound().is_empty());
        // Nothing else may have it meanwhile, so at once.
        drop(UdpSocket::bind(port).expect("the port is free, whatever handles there are"));
        kept.push((node, graph, group, stream, direct, theirs, joined));
    }
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c22_a_start_that_is_given_up_leaves_nothing_and_the_next_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let config = || NodeConfig { bind: vec![port], ..NodeConfig::loopback() }.at(dir.path());
    node_at(dir.path()).await.shutdown().await;
    for round in 0..20 {
        let started =
            tokio::time::timeout(std::time::Duration::from_millis(round), Node::start(config())).await;
        if let Ok(node) = started {
            node.unwrap().shutdown().await;
        }
    }
    for _ in 0..5 {
        // Begun, and given up at once.
        let mut start = Box::pin(Node::start(config()));
        assert!(futures_poll(start.as_mut()).is_pending());
        drop(start);
        let node = Node::start(config()).await.expect("the directory and the port are free again");
        drop(node);
    }
    Node::start(config()).await.expect("a dropped node is waited for").shutdown().await;
    assert!(UdpSocket::bind(port).is_ok());
}

/// Polls once.
fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test(flavor = "multi_thread")]
async fn c23_what_nobody_has_a_handle_of_closes_and_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let nothing = async || {
        let census = node.census();
        census.open == 0 && census.registered == 0
    };
    let group = node.create_group("group").await.unwrap();
    let graph = node.create_graph("graph").await.unwrap();
    let (group_id, graph_id) = (group.id(), graph.id());
    assert_eq!(node.open_graphs().len(), 2);
    // Who waits for events, or has a clone, keeps it open.
    let stream = group.events(peergraph::EventFilter::all()).unwrap();
    let clone = graph.clone();
    drop((group, graph));
    // Comes after whatever would close them.
    node.network_changed().await.unwrap();
    assert_eq!(node.census().open, 2);
    assert!(clone.status().await.is_ok());
    drop((stream, clone));
    peergraph_tests::eventually("both are closed", nothing).await;

    // At once again, before the last has closed.
    for _ in 0..5 {
        let group = node.open_group(group_id).await.unwrap();
        let graph = node.open_graph(graph_id, peergraph::OpenGraph::default()).await.unwrap();
        group.members().await.unwrap();
        graph.status().await.unwrap();
    }
    peergraph_tests::eventually("both are closed again", nothing).await;

    // Two parts of a program: one drops its handle, the other closes.
    let first = node.open_group(group_id).await.unwrap();
    let second = node.open_group(group_id).await.unwrap();
    drop(first);
    second.members().await.unwrap();
    second.close().await;
    assert!(nothing().await);

    // Opening that is given up.
    for _ in 0..5 {
        let mut opening = Box::pin(node.open_group(group_id));
        assert!(futures_poll(opening.as_mut()).is_pending());
    }
    peergraph_tests::eventually("none stays open", nothing).await;
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c21_a_cancelled_create_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let seed = peergraph::CreateGraph { seed: Some([7; 32]), ..peergraph::CreateGraph::from("graph") };
    for round in 0..30u64 {
        let wait = std::time::Duration::from_micros(round * 700);
        let group = tokio::time::timeout(wait, node.create_group("group")).await;
        let graph = tokio::time::timeout(wait, node.create_graph(seed.clone())).await;
        if let Ok(graph) = graph {
            let graph = graph.expect("the one before is gone");
            graph.close().await;
            node.delete_graph(graph.id()).await.unwrap();
        }
        if let Ok(group) = group {
            group.unwrap().close().await;
        }
        for id in node.stored_groups().unwrap() {
            let group = node.open_group(id).await.unwrap();
            assert_eq!(group.properties().await.expect("a whole group").name, "group");
            group.close().await;
            node.delete_graph(id).await.unwrap();
        }
        assert!(node.stored_graphs().is_empty(), "{:?}", node.stored_graphs());
    }
    // The same graph can be made, whatever was given up before.
    node.create_graph(seed).await.unwrap();
    node.shutdown().await;
    let left: Vec<_> =
        fs::read_dir(dir.path().join("graphs")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c21_what_an_earlier_version_left_half_made_is_removed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = dir.path().join("graphs");
    let node = node_at(dir.path()).await;
    let whole = node.create_group("whole").await.unwrap().id();
    let plain = node.create_graph("plain").await.unwrap();
    let other = peergraph_tests::node().await;
    let foreign = other.create_graph("never met").await.unwrap();
    let ticket = foreign.ticket().await.unwrap();
    let waiting = node.open_graph(ticket, peergraph::OpenGraph::default()).await.unwrap().id();
    let empty = node.create_group("cancelled").await.unwrap().id();
    let marked = node.create_group("killed").await.unwrap().id();
    let own = node.create_graph("cancelled too").await.unwrap().id();
    let plain = plain.id();
    node.shutdown().await;
    // As creating left them when it broke off after the first of its two commits.
    for id in [empty, own] {
        let database = rusqlite::Connection::open(graphs.join(format!("{id}.db"))).unwrap();
        database
            .execute_batch(
                "DELETE FROM records; DELETE FROM buckets; DELETE FROM meta WHERE name = 'marked';
                PRAGMA wal_checkpoint(TRUNCATE)",
            )
            .unwrap();
    }
    fs::write(graphs.join(format!("{marked}.undone")), b"").unwrap();
    let nothing = peergraph::GraphId::from_bytes([3; 32]);
    fs::write(graphs.join(format!("{nothing}.db")), b"").unwrap();

    let node = node_at(dir.path()).await;
    let mut kept = vec![whole, plain, waiting];
    kept.sort();
    assert_eq!(node.stored_graphs(), kept);
    assert_eq!(node.stored_groups().unwrap(), [whole]);
    assert_eq!(node.open_group(whole).await.unwrap().properties().await.unwrap().name, "whole");
    node.shutdown().await;
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c33_a_failed_open_leaves_nothing_registered() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let graph = node.create_graph("graph").await.unwrap();
    let id = graph.id();
    graph.close().await;
    let database = dir.path().join("graphs").join(format!("{id}.db"));
    let good = fs::read(&database).unwrap();
    // Damage that the engine finds, after the database was opened.
    let broken = rusqlite::Connection::open(&database).unwrap();
    broken
        .execute_batch(
            "UPDATE meta SET value = x'00' WHERE name IN ('clock', 'synced', 'genesis', 'properties')",
        )
        .unwrap();
    broken.execute_batch("UPDATE records SET envelope = x'00', key = x'00'").unwrap();
    drop(broken);
    for _ in 0..3 {
        if node.open_graph(id, peergraph::OpenGraph::default()).await.is_ok() {
            panic!("a damaged database opens");
        }
        assert_eq!(node.census(), peergraph::Census { open: 0, registered: 0, connections: 0 });
    }
    fs::write(&database, good).unwrap();
    node.open_graph(id, peergraph::OpenGraph::default()).await.unwrap();
    node.shutdown().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn c25_a_volume_of_another_user_that_is_open_to_a_group_will_do() {
    use std::os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    };
    let dir = tempfile::tempdir().unwrap();
    let volume = dir.path().join("volume");
    fs::create_dir(&volume).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    const SOMEBODY: u32 = 65_534;
    if chown(&volume, Some(0), Some(SOMEBODY)).is_err() {
        eprintln!("only root can give folders to others: not tried");
        return;
    }
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o2770)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_publisher"))
        .arg(&volume)
        .uid(SOMEBODY)
        .gid(SOMEBODY)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("open "), "{line:?}");
    assert_eq!(fs::metadata(&volume).unwrap().permissions().mode() & 0o7777, 0o2770);
    for (name, mode) in [("node.key", 0o600), ("identity.key", 0o600), ("graphs", 0o700)] {
        assert_eq!(fs::metadata(volume.join(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
}
