//! A data directory is where it was when the node was started. Alone in its process: the current directory is all of its.

use peergraph::{ErrorKind, ImportDatabase, Node, NodeConfig, OpenGraph};

#[tokio::test(flavor = "multi_thread")]
async fn c24_a_relative_directory_stays_where_it_was() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::env::set_current_dir(first.path()).unwrap();
    let starting = Node::start(NodeConfig::loopback().at("data"));
    // Settled by the call, before anything is waited for.
    std::env::set_current_dir(second.path()).unwrap();
    let node = starting.await.unwrap();
    let graph = node.create_graph("graph").await.unwrap();
    let id = graph.id();
    graph.export_database("backup", None).await.unwrap();
    graph.close().await;
    assert_eq!(node.stored_graphs(), [id]);
    node.open_graph(id, OpenGraph::default()).await.unwrap().close().await;
    node.create_group("group").await.unwrap();
    node.shutdown().await;
    assert!(first.path().join("data/graphs").join(format!("{id}.db")).exists());
    assert!(second.path().join("backup").exists() && !second.path().join("data").exists());
    // So is a file to be imported, and one to be exported to.
    let node = Node::start(NodeConfig::loopback()).await.unwrap();
    let other = node.create_graph("other").await.unwrap();
    let imported = other.import_database("backup", ImportDatabase::default());
    let exported = other.export_database("other", None);
    std::env::set_current_dir(first.path()).unwrap();
    let error = imported.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongGraph, "it is found: {error}");
    exported.await.unwrap();
    assert!(second.path().join("other").exists());
    node.shutdown().await;
}
