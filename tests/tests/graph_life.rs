//! A graph's life on one node and between few: making, opening, listening, properties, presence, closing.

use std::time::Duration;

use peergraph::{
    ApiVersion, CreateGraph, ErrorKind, GraphProperties, ListQuery, ListenOutcome, Node, NodeConfig,
    OpenGraph, OpenOutcome, PropertiesUpdate, SecretKey, Ticket,
    events::{Event, EventFilter, EventKind, NodeChange},
};
use peergraph_tests::{converge, eventually, expect, founder, joiner, node, node_at, note};

#[tokio::test(flavor = "multi_thread")]
async fn g1_start_checks_the_version_and_the_last_handle_closes_everything() {
    let config = NodeConfig { version: ApiVersion { major: 9, minor: 0 }, ..NodeConfig::loopback() };
    assert_eq!(Node::start(config).await.unwrap_err().kind(), ErrorKind::UnsupportedVersion);

    let (first, graph) = founder("g1").await;
    let second = first.clone();
    let events = graph.events(EventFilter::all()).unwrap();
    drop(first);
    graph.publish(note("the second handle keeps the node")).await.unwrap();
    drop(second);
    while events.next().await.is_some() {}
    assert!(events.is_finished());
    eventually("the graph is closed", || async { graph.status().await.is_err() }).await;
    assert_eq!(graph.publish(note("x")).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn g2_create_sets_all_properties_enforces_limits_and_makes_no_traffic() {
    let node = node().await;
    let properties = GraphProperties {
        name: "Book club".into(),
        comment: "Thursdays".into(),
        presence_lifetime: Duration::from_secs(600),
        presence_max: Some(20),
        defer_expiration: true,
    };
    let options = CreateGraph { properties: properties.clone(), max_record: 2048, ..Default::default() };
    let graph = node.create_graph(options).await.unwrap();
    assert_eq!(graph.properties().await.unwrap(), properties);
    let genesis = graph.genesis().await.unwrap();
    assert_eq!((genesis.creator, genesis.max_record), (node.peer_id(), 2048));
    assert_eq!(genesis.id(), graph.id());
    assert!(graph.neighbors().await.unwrap().is_empty());

    let with = |change: fn(&mut CreateGraph)| {
        let mut options = CreateGraph::default();
        change(&mut options);
        node.create_graph(options)
    };
    assert_eq!(with(|o| o.max_record = 1023).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(with(|o| o.max_record = 62_914_561).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(with(|o| o.properties.name = "x".repeat(256)).await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(
        with(|o| o.properties.comment = "x".repeat(513)).await.unwrap_err().kind(),
        ErrorKind::TooLarge
    );
    let brief = with(|o| o.properties.presence_lifetime = Duration::from_secs(299)).await;
    assert_eq!(brief.unwrap_err().kind(), ErrorKind::InvalidArgument);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g3_g4_g5_databases_are_found_made_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let options = CreateGraph { seed: Some([7; 32]), ..CreateGraph::from("g3") };
    let graph = node.create_graph(options.clone()).await.unwrap();
    assert_eq!(graph.open_outcome(), OpenOutcome::Created);
    let (id, ticket) = (graph.id(), graph.ticket().await.unwrap());
    assert_eq!(node.create_graph(options.clone()).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    graph.close().await;
    assert_eq!(node.create_graph(options).await.unwrap_err().kind(), ErrorKind::AlreadyExists);

    let again = node.open_graph(id, OpenGraph::default()).await.unwrap();
    assert_eq!(again.open_outcome(), OpenOutcome::Existing);
    assert_eq!(again.properties().await.unwrap().name, "g3");
    again.close().await;

    let elsewhere = tempfile::tempdir().unwrap();
    let other = node_at(elsewhere.path()).await;
    let unknown = other.open_graph(id, OpenGraph::default()).await;
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::UnknownGraph);
    let empty = other.open_graph(ticket.clone(), OpenGraph::default()).await.unwrap();
    assert_eq!(empty.open_outcome(), OpenOutcome::Created);

    // Another secret, and a file of another graph under this one's name.
    let forged = Ticket { secret: peergraph::GraphSecret::from_bytes([1; 32]), ..ticket.clone() };
    assert_eq!(
        node.open_graph(forged, OpenGraph::default()).await.unwrap_err().kind(),
        ErrorKind::InvalidTicket
    );
    let foreign = node.create_graph("another").await.unwrap();
    let (from, to) = (foreign.id(), id);
    foreign.close().await;
    node.delete_graph(id).await.unwrap();
    let file = |graph| dir.path().join("graphs").join(format!("{graph}.db"));
    std::fs::copy(file(from), file(to)).unwrap();
    assert_eq!(node.open_graph(id, OpenGraph::default()).await.unwrap_err().kind(), ErrorKind::Damaged);
    node.shutdown().await;
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g6_node_ids_differ_and_peer_ids_stay() {
    let identity = SecretKey::from_bytes(&[5; 32]);
    let start = || Node::start(NodeConfig { identity: Some(identity.clone()), ..NodeConfig::loopback() });
    let (one, two) = (start().await.unwrap(), start().await.unwrap());
    assert_eq!(one.peer_id(), two.peer_id());
    assert_ne!(one.id(), two.id());
    // Several nodes of one identity coexist in one graph.
    let graph = one.create_graph("g6").await.unwrap();
    graph.listen().await.unwrap();
    let joined = two.join(graph.ticket().await.unwrap()).await.unwrap();
    eventually("both nodes of the peer are listed", || async {
        joined.nodes_of(one.peer_id()).await.unwrap().len() == 2
    })
    .await;
    one.shutdown().await;
    two.shutdown().await;

    let dir = tempfile::tempdir().unwrap();
    let kept = node_at(dir.path()).await;
    let ids = (kept.id(), kept.peer_id());
    kept.shutdown().await;
    let again = node_at(dir.path()).await;
    assert_eq!(
        (again.id(), again.peer_id()),
        ids,
        "others dial a node by its id, so it stays with its directory"
    );
    again.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g7_a_node_that_never_synchronised_says_so() {
    let (first, graph) = founder("g7").await;
    let second = node().await;
    let fresh = second.open_graph(graph.ticket().await.unwrap(), OpenGraph::default()).await.unwrap();
    let kinds = [
        fresh.listen().await.unwrap_err().kind(),
        fresh.publish(note("x")).await.unwrap_err().kind(),
        fresh.properties().await.unwrap_err().kind(),
        fresh.genesis().await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::NeverSynchronized; 4]);
    fresh.connect(first.addr()).await.unwrap();
    eventually("it can publish", || async { fresh.publish(note("x")).await.is_ok() }).await;
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g8_the_creator_listens_at_once_on_a_port_that_can_be_read() {
    let node = node().await;
    assert!(node.bound().iter().all(|at| at.ip().is_loopback() && at.port() != 0));
    let graph = node.create_graph("g8").await.unwrap();
    assert_eq!(graph.listen().await.unwrap(), ListenOutcome::Started);
    assert_eq!(graph.listen().await.unwrap(), ListenOutcome::AlreadyListening);
    let entry = graph.ticket().await.unwrap().nodes;
    assert_eq!(entry[0].node, node.id());
    assert!(entry[0].addrs.iter().any(|at| at.port() == node.bound()[0].port()));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g9_several_graphs_share_one_port_and_know_nothing_of_each_other() {
    let (first, red) = founder("red").await;
    let blue = first.create_graph("blue").await.unwrap();
    blue.listen().await.unwrap();
    let second = node().await;
    let red2 = second.join(red.ticket().await.unwrap()).await.unwrap();
    let blue2 = second.join(blue.ticket().await.unwrap()).await.unwrap();
    red.publish(note("red")).await.unwrap();
    blue2.publish(note("blue")).await.unwrap();
    converge(&[&red, &red2]).await;
    converge(&[&blue, &blue2]).await;
    let texts = |graph: &peergraph::Graph| {
        let pages = graph.records(ListQuery::default());
        async {
            pages
                .collect()
                .await
                .unwrap()
                .iter()
                .map(|r| r.body_text().unwrap().to_owned())
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(texts(&red2).await, ["red"]);
    assert_eq!(texts(&blue).await, ["blue"]);
    assert_eq!(first.bound().len(), 1);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g34_g35_nodes_are_listed_with_attributes_and_changes_arrive() {
    let (first, graph) = founder("g34").await;
    let events = graph.events(EventFilter::kinds([EventKind::NodeChanged])).unwrap();
    let (second, joined) = joiner(&graph).await;
    let arrived = expect(&events, "the joiner is here", |event| match event {
        Event::NodeChanged { change: NodeChange::Connected, node } => Some(node.clone()),
        _ => None,
    })
    .await;
    assert_eq!((arrived.node, arrived.peer), (second.id(), second.peer_id()));
    assert_eq!(graph.nodes().await.unwrap()[0].node, first.id(), "self first");
    assert_eq!(graph.nodes_of(second.peer_id()).await.unwrap().len(), 1);
    assert_eq!(graph.node_info(second.id()).await.unwrap().peer, second.peer_id());
    let stranger = peergraph::NodeId::from_bytes([9; 32]);
    assert_eq!(graph.node_info(stranger).await.unwrap_err().kind(), ErrorKind::NotFound);

    let updated = |wanted: &'static str| {
        expect(&events, "new attributes", move |event| match event {
            Event::NodeChanged { change: NodeChange::Updated, node } if node.attributes == wanted => Some(()),
            _ => None,
        })
    };
    joined.set_node_attributes(Some("away")).await.unwrap();
    updated("away").await;
    joined.set_node_attributes(None).await.unwrap();
    updated("").await;
    let long = "x".repeat(1025);
    assert_eq!(joined.set_node_attributes(Some(&long)).await.unwrap_err().kind(), ErrorKind::TooLarge);
    second.shutdown().await;
    expect(&events, "the joiner has left", |event| {
        matches!(event, Event::NodeChanged { change: NodeChange::Disconnected, .. }).then_some(())
    })
    .await;
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g36_e8_properties_change_everywhere_and_the_event_says_which() {
    let (first, graph) = founder("before").await;
    let (second, joined) = joiner(&graph).await;
    let events = joined.events(EventFilter::kinds([EventKind::PropertyChanged])).unwrap();
    let update = PropertiesUpdate { name: Some("after".into()), ..Default::default() };
    let now = graph.set_properties(update).await.unwrap();
    assert_eq!(now.name, "after");
    let (changed, properties) = expect(&events, "the new name", |event| match event {
        Event::PropertyChanged { changed, properties } => Some((changed.clone(), properties.clone())),
        _ => None,
    })
    .await;
    assert_eq!(changed.into_iter().collect::<Vec<_>>(), ["name"]);
    assert_eq!(properties, now);
    assert_eq!(joined.properties().await.unwrap(), now);

    // The other side may too, and the same value again is no event.
    let same = PropertiesUpdate { name: Some("after".into()), ..Default::default() };
    joined.set_properties(same).await.unwrap();
    let update = PropertiesUpdate { comment: Some("new".into()), ..Default::default() };
    joined.set_properties(update).await.unwrap();
    let changed = expect(&events, "the comment, and nothing before it", |event| match event {
        Event::PropertyChanged { changed, .. } => Some(changed.clone()),
        _ => None,
    })
    .await;
    assert_eq!(changed.into_iter().collect::<Vec<_>>(), ["comment"]);
    let long = PropertiesUpdate { name: Some("x".repeat(256)), ..Default::default() };
    assert_eq!(graph.set_properties(long).await.unwrap_err().kind(), ErrorKind::TooLarge);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g37_peer_time_converts_both_ways_and_agrees() {
    let (first, graph) = founder("g37").await;
    let (second, joined) = joiner(&graph).await;
    let (here, there) = (graph.peer_time().await.unwrap(), joined.peer_time().await.unwrap());
    let apart = here.0.abs_diff(there.0);
    assert!(apart < 500, "peer times {apart} ms apart");
    let local = joined.to_local_time(there).await.unwrap();
    assert_eq!(joined.to_peer_time(local).await.unwrap(), there);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g39_close_keeps_the_database_and_delete_wants_it_closed() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let graph = node.create_graph("g39").await.unwrap();
    let record = graph.publish(note("kept")).await.unwrap();
    let (id, root) = (graph.id(), graph.fingerprint().await.unwrap());
    assert_eq!(node.delete_graph(id).await.unwrap_err().kind(), ErrorKind::GraphInUse);
    node.shutdown().await;

    let node = node_at(dir.path()).await;
    assert_eq!(node.stored_graphs(), [id]);
    let graph = node.open_graph(id, peergraph_tests::offline()).await.unwrap();
    assert_eq!(graph.get(record.id).await.unwrap(), Some(record));
    assert_eq!(graph.fingerprint().await.unwrap(), root);
    graph.close().await;
    node.delete_graph(id).await.unwrap();
    assert!(node.stored_graphs().is_empty());
    assert_eq!(node.delete_graph(id).await.unwrap_err().kind(), ErrorKind::UnknownGraph);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g40_e7_status_reports_three_things_and_each_transition() {
    let first = node().await;
    let graph = first.create_graph("g40").await.unwrap();
    let events = graph.events(EventFilter::kinds([EventKind::StatusChanged])).unwrap();
    let status = graph.status().await.unwrap();
    assert_eq!((status.listening, status.has_connections, status.synchronized), (false, false, true));
    graph.listen().await.unwrap();
    let seen = |what, fits: fn(peergraph::events::Status) -> bool| {
        expect(&events, what, move |event| match event {
            Event::StatusChanged(status) if fits(*status) => Some(*status),
            _ => None,
        })
    };
    assert!(!seen("listening", |s| s.listening).await.has_connections);
    let (second, joined) = joiner(&graph).await;
    seen("connected", |s| s.has_connections).await;
    assert!(joined.status().await.unwrap().synchronized);
    second.shutdown().await;
    seen("alone again", |s| !s.has_connections).await;
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_owner_at_a_time_and_shutdown_lets_go() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let second = Node::start(NodeConfig::loopback().at(dir.path())).await;
    assert_eq!(second.unwrap_err().kind(), ErrorKind::DirectoryInUse);
    node.shutdown().await;
    node_at(dir.path()).await.shutdown().await;
}
