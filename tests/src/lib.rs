//! Helpers for the tests that need real nodes: opening them on loopback, waiting for conditions with a deadline.

pub mod apart;
pub mod calls;
pub mod files;
pub mod hostile;
pub mod identities;
pub mod insider;
pub mod killed;
pub mod leaks;
pub mod lookup;
pub mod tap;
pub mod throttle;
pub mod tls;
pub mod two_sides;

use std::{future::Future, time::Duration};

use peergraph::{
    EventStream, Graph, Group, InviteLink, Node, NodeConfig, OpenGraph, PeerId, RecordDraft, Role, SecretKey,
    authority::{Act, Content},
    events::Event,
    record::SignedRecord,
};

/// How long a condition may take on a busy machine before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Opening without any traffic.
pub fn offline() -> OpenGraph {
    OpenGraph { offline: true, ..OpenGraph::default() }
}

/// A node in memory on loopback.
///
/// # Panics
/// If the system gives no socket.
pub async fn node() -> Node {
    Node::start(NodeConfig::loopback()).await.expect("a loopback socket")
}

/// A node on a data directory, on loopback.
///
/// # Panics
/// If it cannot be opened.
pub async fn node_at(dir: &std::path::Path) -> Node {
    Node::start(NodeConfig::loopback().at(dir)).await.expect("a data directory and a loopback socket")
}

/// A node in memory on loopback that acts for this identity.
///
/// # Panics
/// If the system gives no socket.
pub async fn node_as(identity: &SecretKey) -> Node {
    let config = NodeConfig { identity: Some(identity.clone()), ..NodeConfig::loopback() };
    Node::start(config).await.expect("a loopback socket")
}

/// On loopback, with three neighbors at most: in a group of seven such nodes, nobody is everybody's neighbor.
pub fn few_neighbors() -> NodeConfig {
    NodeConfig { target_neighbors: 2, max_neighbors: 3, min_neighbors: 1, ..NodeConfig::loopback() }
}

/// The grant that makes somebody a member by the creator's own word: what they show when they connect.
///
/// # Panics
/// If there is none.
pub async fn grant_of(group: &Group, peer: PeerId) -> SignedRecord {
    let credentials = group.credentials().await.expect("an open group");
    let names = |record: &SignedRecord| matches!(said(record), Some(Content::Grant(g)) if g.subject == peer);
    credentials.into_iter().find(names).expect("a grant")
}

/// What the act in a record says; `None` if there is none.
pub fn said(record: &SignedRecord) -> Option<Content> {
    Act::of(record).map(|act| act.body().content.clone())
}

/// A graph that listens on a new node in memory.
///
/// # Panics
/// If that fails.
pub async fn founder(name: &str) -> (Node, Graph) {
    let node = node().await;
    let graph = node.create_graph(name).await.expect("a new graph");
    graph.listen().await.expect("a founder can listen");
    (node, graph)
}

/// A new node in memory that joined a graph.
///
/// # Panics
/// If that fails.
pub async fn joiner(graph: &Graph) -> (Node, Graph) {
    let node = node().await;
    let ticket = graph.ticket().await.expect("an open graph");
    let joined = node.join(ticket).await.expect("to join");
    (node, joined)
}

/// A group that a new node in memory made.
///
/// # Panics
/// If that fails.
pub async fn group(name: &str) -> (Node, Group) {
    let node = node().await;
    let group = node.create_group(name).await.expect("a new group");
    (node, group)
}

/// A new node in memory that came into a group by a link of its own.
///
/// # Panics
/// If that fails.
pub async fn member(group: &Group, role: Role, name: &str) -> (Node, Group) {
    let link = group.invite_link(InviteLink { role, ..InviteLink::default() }).await.expect("a link");
    let node = node().await;
    let joined = node.join_group(peergraph::JoinGroup::from(link).named(name)).await.expect("to join");
    (node, joined)
}

/// The node in which a graph is open.
///
/// # Panics
/// If the graph is closed.
pub async fn node_of(graph: &Graph) -> peergraph::NodeId {
    graph.nodes().await.expect("an open graph")[0].node
}

/// Waits until a condition holds, looking every few milliseconds.
///
/// # Panics
/// If it does not hold in time; `what` is in the message.
pub async fn eventually<F, Fut>(what: &str, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Takes events until one fits; returns what the closure made of it.
///
/// # Panics
/// If none comes in time, or the stream ends.
pub async fn expect<T>(events: &EventStream, what: &str, mut fits: impl FnMut(&Event) -> Option<T>) -> T {
    let search = async {
        loop {
            let event = events.next().await.unwrap_or_else(|| panic!("the stream ended before: {what}"));
            if let Some(found) = fits(&event) {
                return found;
            }
        }
    };
    match tokio::time::timeout(PATIENCE, search).await {
        Ok(found) => found,
        Err(_) => panic!("no event in time: {what}"),
    }
}

/// Waits until two graphs have equal databases.
///
/// # Panics
/// If they do not become equal in time.
pub async fn converge(graphs: &[&Graph]) {
    eventually("equal databases", || async {
        let mut roots = Vec::new();
        for graph in graphs {
            roots.push(graph.fingerprint().await.expect("an open graph"));
        }
        roots.windows(2).all(|pair| pair[0] == pair[1])
    })
    .await;
}

/// A small text record.
///
/// # Panics
/// Never: the type is a good one.
pub fn note(text: &str) -> RecordDraft {
    RecordDraft::new("test.note", text.to_owned()).expect("a good type")
}

/// Copies a folder with all that is in it.
///
/// # Panics
/// If that fails.
pub fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy_all(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}
