//! Connecting: one operation, one outcome; referrals, crossing dials, leaving, dying.

use std::time::{Duration, Instant};

use peergraph::{
    ConnectOptions, ErrorKind, Graph, Node, NodeAddr, NodeConfig, NodeId, OpenGraph, SecretKey,
    events::{ConnectionChange, Event, EventFilter, EventKind, FailureReason, NodeChange},
};
use peergraph_tests::{PATIENCE, converge, eventually, expect, founder, joiner, node, note};

fn neighbors() -> EventFilter {
    EventFilter::kinds([EventKind::NeighborConnection])
}

/// A node that keeps few neighbors and accepts few.
async fn narrow(max: usize) -> Node {
    let config =
        NodeConfig { target_neighbors: 1, min_neighbors: 1, max_neighbors: max, ..NodeConfig::loopback() };
    Node::start(config).await.unwrap()
}

async fn opened(node: &Node, graph: &Graph) -> Graph {
    node.open_graph(graph.ticket().await.unwrap(), OpenGraph::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn g10_g15_e11_connect_returns_at_once_and_has_one_outcome_as_event_and_result() {
    let (first, graph) = founder("g10").await;
    let second = node().await;
    let joined = opened(&second, &graph).await;
    let events = joined.events(neighbors()).unwrap();
    let started = Instant::now();
    let connecting = joined.connect(first.addr());
    assert!(started.elapsed() < Duration::from_millis(100));
    let info = connecting.await.unwrap();
    let event = expect(&events, "connected", |event| match event {
        Event::NeighborConnection(e) => Some(e.clone()),
        _ => None,
    })
    .await;
    assert_eq!(event.change, ConnectionChange::Connected);
    assert_eq!((event.connection, event.node), (info.connection, Some(first.id())));
    assert_eq!(event.peer, Some(first.peer_id()));

    // A detached connect reports by event alone; a failed one says why, once.
    let nobody = NodeAddr::at(NodeId::from_bytes([7; 32]), ["127.0.0.1:9".parse().unwrap()]);
    joined.connect(nobody).detach();
    let event = expect(&events, "failed", |event| match event {
        Event::NeighborConnection(e) => Some(e.clone()),
        _ => None,
    })
    .await;
    assert!(
        matches!(event.change, ConnectionChange::Failed { reason: FailureReason::Unreachable }),
        "{event:?}"
    );
    assert_eq!(event.node, Some(NodeId::from_bytes([7; 32])), "whom it was to reach");
    tokio::time::timeout(Duration::from_millis(300), events.next()).await.expect_err("one outcome only");
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g11_wrong_peer_and_wrong_graph_are_told_apart_and_leak_nothing() {
    let (first, graph) = founder("g11").await;
    let (third, other) = founder("another").await;
    let secret_record = graph.publish(note("secret")).await.unwrap();
    let second = node().await;
    let joined = opened(&second, &graph).await;
    let options = ConnectOptions { expected_peer: Some(third.peer_id()), ..Default::default() };
    let error = joined.connect_with(first.addr(), options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongPeer);
    let options = ConnectOptions { expected_peer: Some(first.peer_id()), ..Default::default() };

    // A node that does not have this graph; and one that has, but not with this secret.
    assert_eq!(joined.connect(third.addr()).await.unwrap_err().kind(), ErrorKind::WrongGraph);
    let mut forged = graph.ticket().await.unwrap();
    forged.secret = peergraph::GraphSecret::from_bytes([1; 32]);
    let fourth = node().await;
    let outsider = fourth.open_graph(forged, OpenGraph::default()).await.unwrap();
    assert_eq!(outsider.connect(first.addr()).await.unwrap_err().kind(), ErrorKind::WrongGraph);
    assert_eq!(outsider.get(secret_record.id).await.unwrap(), None);
    assert_eq!(outsider.genesis().await.unwrap_err().kind(), ErrorKind::NeverSynchronized);

    joined.connect_with(first.addr(), options).await.unwrap();
    drop(other);
    for node in [first, second, third, fourth] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g12_self_and_neighbors_are_refused() {
    let (first, graph) = founder("g12").await;
    let (second, joined) = joiner(&graph).await;
    assert_eq!(graph.connect(first.addr()).await.unwrap_err().kind(), ErrorKind::ConnectToSelf);
    assert_eq!(joined.connect(first.addr()).await.unwrap_err().kind(), ErrorKind::AlreadyNeighbor);
    assert_eq!(graph.connect(second.id()).await.unwrap_err().kind(), ErrorKind::AlreadyNeighbor);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g13_g14_a_full_node_refuses_with_referrals_and_they_are_followed() {
    let hub = narrow(1).await;
    let graph = hub.create_graph("g13").await.unwrap();
    graph.listen().await.unwrap();
    let spoke = narrow(4).await;
    let spoke_graph = spoke.join(graph.ticket().await.unwrap()).await.unwrap();
    eventually("the hub is full", || async { graph.neighbors().await.unwrap().len() == 1 }).await;

    let late = narrow(4).await;
    let joined = late.open_graph(graph.ticket().await.unwrap(), OpenGraph::default()).await.unwrap();
    let events = joined.events(neighbors()).unwrap();
    let mut connecting = joined.connect(hub.addr());
    let hop = connecting.progress().await.expect("a referral is reported while the connect goes on");
    assert_eq!((hop.hop, hop.next), (1, spoke.id()));
    let info = connecting.await.unwrap();
    assert_eq!(info.node, spoke.id());
    let mut changes = Vec::new();
    for _ in 0..2 {
        changes.push(
            expect(&events, "a referral, then connected", |event| match event {
                Event::NeighborConnection(e) => Some(e.change.clone()),
                _ => None,
            })
            .await,
        );
    }
    assert_eq!(changes[0], ConnectionChange::Referred { hop: 1, next: spoke.id() });
    assert_eq!(changes[1], ConnectionChange::Connected);
    assert_eq!(graph.neighbors().await.unwrap().len(), 1);
    drop(spoke_graph);
    for node in [hub, spoke, late] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g14_referrals_that_lead_nowhere_end_as_refused() {
    let hub = narrow(1).await;
    let graph = hub.create_graph("g14").await.unwrap();
    graph.listen().await.unwrap();
    let spoke = narrow(1).await;
    let spoke_graph = spoke.join(graph.ticket().await.unwrap()).await.unwrap();
    eventually("both are full", || async {
        graph.neighbors().await.unwrap().len() == 1 && spoke_graph.neighbors().await.unwrap().len() == 1
    })
    .await;
    let late = narrow(1).await;
    let joined = late.open_graph(graph.ticket().await.unwrap(), OpenGraph::default()).await.unwrap();
    // Each refers to the other; each is tried once.
    assert_eq!(joined.connect(hub.addr()).await.unwrap_err().kind(), ErrorKind::Refused);
    for node in [hub, spoke, late] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g16_x2_connect_honours_its_deadline_and_can_be_cancelled() {
    let (first, graph) = founder("g16").await;
    // A socket that never answers.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = NodeAddr::at(SecretKey::from_bytes(&[7; 32]).node(), [silent.local_addr().unwrap()]);
    let started = Instant::now();
    let options = ConnectOptions { deadline: Duration::from_millis(300), ..Default::default() };
    let error = graph.connect_with(target.clone(), options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());

    let mut connecting = graph.connect(target);
    connecting.cancel();
    assert_eq!(connecting.await.unwrap_err().kind(), ErrorKind::Cancelled);
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g17_two_dials_crossing_end_as_one_link() {
    for _ in 0..5 {
        let (first, graph) = founder("g17").await;
        let (second, joined) = joiner(&graph).await;
        joined.listen().await.unwrap();
        let link = joined.neighbors().await.unwrap()[0].connection;
        joined.disconnect(link).await.unwrap();
        eventually("parted", || async { graph.neighbors().await.unwrap().is_empty() }).await;
        let (there, here) = tokio::join!(async { joined.connect(first.addr()).await }, async {
            graph.connect(second.addr()).await
        },);
        for outcome in [there, here] {
            let fine = outcome.as_ref().is_ok()
                || outcome.as_ref().is_err_and(|e| e.kind() == ErrorKind::AlreadyNeighbor);
            assert!(fine, "{outcome:?}");
        }
        eventually("one link on both sides", || async {
            graph.neighbors().await.unwrap().len() == 1 && joined.neighbors().await.unwrap().len() == 1
        })
        .await;
        graph.publish(note("over the one link")).await.unwrap();
        converge(&[&graph, &joined]).await;
        first.shutdown().await;
        second.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g18_a_node_that_starts_listening_tells_where() {
    let (first, graph) = founder("g18").await;
    let second = node().await;
    let joined = opened(&second, &graph).await;
    joined.connect(first.addr()).await.unwrap();
    eventually("synchronised", || async { joined.status().await.unwrap().synchronized }).await;
    let bare = |infos: Vec<peergraph::ConnectionInfo>| infos.iter().all(|info| info.addr.addrs.is_empty());
    assert!(bare(graph.neighbors().await.unwrap()), "a node that does not listen gives no address");
    joined.listen().await.unwrap();
    eventually("the address is told", || async { !bare(graph.neighbors().await.unwrap()) }).await;

    // A third learns of the second from the first.
    let (third, last) = joiner(&graph).await;
    eventually("introduced", || async {
        last.neighbors().await.unwrap().iter().any(|info| info.node == second.id())
    })
    .await;
    for node in [first, second, third] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g28_leaving_says_goodbye_and_withdraws_presence() {
    let (first, graph) = founder("g28").await;
    let (second, joined) = joiner(&graph).await;
    eventually("listed", || async { graph.nodes().await.unwrap().len() == 2 }).await;
    let events =
        graph.events(EventFilter::kinds([EventKind::NeighborConnection, EventKind::NodeChanged])).unwrap();
    joined.close().await;
    let (mut gone, mut withdrawn) = (None, false);
    while gone.is_none() || !withdrawn {
        match expect(&events, "goodbye and withdrawal", |event| Some(event.clone())).await {
            Event::NeighborConnection(e) => match e.change {
                ConnectionChange::Disconnected { reason } => gone = Some(reason),
                other => panic!("{other:?}"),
            },
            Event::NodeChanged { change: NodeChange::Disconnected, node } => {
                withdrawn = node.node == second.id()
            }
            _ => {}
        }
    }
    assert_eq!(gone, Some(FailureReason::ClosedByPeer));
    assert_eq!(graph.nodes().await.unwrap().len(), 1);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g24_a_record_reaches_every_node_over_several_hops() {
    let first = narrow(2).await;
    let graph = first.create_graph("g24").await.unwrap();
    graph.listen().await.unwrap();
    let mut nodes = vec![first];
    let mut graphs = vec![graph];
    for _ in 0..4 {
        let next = narrow(2).await;
        let ticket = graphs.last().unwrap().ticket().await.unwrap();
        graphs.push(next.join(ticket).await.unwrap());
        nodes.push(next);
    }
    for (i, graph) in graphs.iter().enumerate() {
        graph.publish(note(&format!("from {i}"))).await.unwrap();
    }
    converge(&graphs.iter().collect::<Vec<_>>()).await;
    let all = graphs[4].records(Default::default()).collect().await.unwrap();
    assert_eq!(all.len(), 5);
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c26_shutdown_waits_for_no_dial_that_nobody_answers() {
    let (first, graph) = founder("c26").await;
    let (second, joined) = joiner(&graph).await;
    // A former neighbor that vanished: its port is there, and nobody answers.
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let gone = SecretKey::from_bytes(&[9; 32]).node();
    graph.connect(NodeAddr::at(gone, [silent.local_addr().unwrap()])).detach();
    let mut packet = [0; 2048];
    tokio::time::timeout(PATIENCE, silent.recv_from(&mut packet)).await.expect("a dial").unwrap();
    let begun = Instant::now();
    first.shutdown().await;
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(1500), "{took:?}");
    // The neighbor that is there has heard the goodbye.
    eventually("no neighbors", || async { joined.neighbors().await.unwrap().is_empty() }).await;
    second.shutdown().await;
}
