//! Coming back to a graph or group after a restart: online at once, waiting for nobody.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use peergraph::{InviteLink, Node, NodeConfig, OpenGraph};
use peergraph_tests::{converge, eventually, node_at, note, offline};

/// A node that is reached where it was before.
async fn again_at(dir: &std::path::Path, bound: &[SocketAddr]) -> Node {
    Node::start(NodeConfig { bind: bound.to_vec(), ..NodeConfig::loopback().at(dir) }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn c34_an_opened_group_is_online_and_finds_the_others_when_they_come() {
    let (hers, his) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ada = node_at(hers.path()).await;
    let club = ada.create_group("c34").await.unwrap();
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let ben = node_at(his.path()).await;
    let bens = ben.join_group(link).await.unwrap();
    converge(&[&club, &bens]).await;
    let (id, bound) = (club.id(), ada.bound());
    ben.shutdown().await;
    ada.shutdown().await;
    // With the last of these the socket is free.
    drop((ada, club, ben, bens));

    // Nobody is there.
    let ben = node_at(his.path()).await;
    let begun = Instant::now();
    let bens = ben.open_group(id).await.unwrap();
    let status = bens.status().await.unwrap();
    assert!(status.listening && !status.has_connections, "{status:?}");
    bens.publish(note("alone")).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody is waited for: {:?}", begun.elapsed());
    // Nor by those who ask to enter.
    let begun = Instant::now();
    bens.enter(bens.contacts().await.unwrap()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());

    // She comes back, to where she was; nobody tells him.
    let ada = again_at(hers.path(), &bound).await;
    let club = ada.open_group_with(id, offline()).await.unwrap();
    club.listen().await.unwrap();
    converge(&[&club, &bens]).await;
    // The records are there a moment before the session ends.
    eventually("he is synchronized", || async { bens.status().await.unwrap().synchronized }).await;

    // Through a pause, too; and for one that is opened meanwhile.
    bens.close().await;
    ben.pause().await.unwrap();
    let bens = ben.open_group(id).await.unwrap();
    assert!(!bens.status().await.unwrap().has_connections);
    club.publish(note("meanwhile")).await.unwrap();
    ben.resume().await.unwrap();
    converge(&[&club, &bens]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c34_an_opened_graph_is_online_unless_it_is_to_be_offline() {
    let (hers, his) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ada = node_at(hers.path()).await;
    let graph = ada.create_graph("c34").await.unwrap();
    graph.listen().await.unwrap();
    let ben = node_at(his.path()).await;
    let joined = ben.join(graph.ticket().await.unwrap()).await.unwrap();
    converge(&[&graph, &joined]).await;
    ben.shutdown().await;
    let ben = node_at(his.path()).await;
    let quiet = ben.open_graph(graph.id(), offline()).await.unwrap();
    let status = quiet.status().await.unwrap();
    assert!(!status.listening && !status.has_connections);
    // Opened again, by another part of the program: now it is online.
    let joined = ben.open_graph(graph.id(), OpenGraph::default()).await.unwrap();
    assert!(joined.status().await.unwrap().listening);
    eventually("it connects by itself", || async { joined.status().await.unwrap().synchronized }).await;
    graph.publish(note("to all")).await.unwrap();
    converge(&[&graph, &joined]).await;
}
