//! A fault of the library in one graph: it is told, and nothing else suffers.

use std::time::Duration;

use peergraph::{
    Error, ErrorKind, Graph, ListQuery, OpenGraph,
    events::{EventFilter, EventKind},
    fault::{Place, arm_panic},
};
use peergraph_tests::{converge, eventually, joiner, node_at, note};

fn assert_told(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    assert!(error.to_string().contains("close and open it again"), "{error}");
}

async fn has(graph: &Graph, text: &str) -> bool {
    let records = graph.list(ListQuery::default()).await.unwrap().items;
    records.iter().any(|record| record.body_text() == Some(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_a_panic_ends_one_graph_tells_all_who_wait_and_spares_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let (mut graph, other) =
        (node.create_graph("panics").await.unwrap(), node.create_graph("stays").await.unwrap());
    for graph in [&graph, &other] {
        graph.listen().await.unwrap();
    }
    let (_elsewhere, copy) = joiner(&graph).await;
    let (_beside, other_copy) = joiner(&other).await;
    for (round, place) in [Place::Call, Place::Round].into_iter().enumerate() {
        let kept = format!("kept {round}");
        graph.publish(note(&kept)).await.unwrap();
        let events = graph.events(EventFilter::all()).unwrap();
        // The other end is the same graph: it would panic instead while it takes that in.
        eventually("the other end is at rest", || async { has(&copy, &kept).await }).await;
        arm_panic(place, graph.id());
        // Called one after the other: the first or its round panics, the rest wait behind it.
        let calls: Vec<_> = (0..20).map(|n| graph.publish(note(&format!("lost {round} {n}")))).collect();
        let mut failed = 0;
        for call in calls {
            if let Err(error) = call.await {
                assert_told(&error);
                failed += 1;
            }
        }
        assert!(failed > 0, "{place:?}");
        assert_told(&graph.publish(note("later")).await.unwrap_err());
        assert_told(&graph.status().await.unwrap_err());
        assert_told(&graph.events(EventFilter::all()).unwrap_err());
        while events.next().await.is_some() {}

        // Its links are gone, and the other graph of the same node goes on.
        eventually("the link has ended", || async { copy.neighbors().await.unwrap().is_empty() }).await;
        let text = format!("meanwhile {round}");
        other.publish(note(&text)).await.unwrap();
        eventually("the other graph goes on", || async { has(&other_copy, &text).await }).await;

        // Closed and opened again it has what was acknowledged, and meets the others.
        let id = graph.id();
        graph.close().await;
        graph = node.open_graph(id, OpenGraph::default()).await.unwrap();
        assert!(has(&graph, &kept).await);
        let text = format!("again {round}");
        graph.publish(note(&text)).await.unwrap();
        eventually("it is back", || async { has(&copy, &text).await }).await;
    }
    converge(&[&graph, &copy]).await;
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_a_panic_of_a_reader_ends_its_link_and_not_the_graph() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let graph = node.create_graph("reads").await.unwrap();
    graph.listen().await.unwrap();
    let (_elsewhere, copy) = joiner(&graph).await;
    let before = copy.neighbors().await.unwrap()[0].connection;
    let events = copy.events(EventFilter::kinds([EventKind::NeighborConnection])).unwrap();
    arm_panic(Place::Read, graph.id());
    let another = || async {
        let neighbors = copy.neighbors().await.unwrap();
        neighbors.first().is_some_and(|neighbor| neighbor.connection != before)
    };
    eventually("another link in its place", another).await;
    let told = tokio::time::timeout(Duration::from_secs(30), events.next()).await.unwrap();
    assert!(told.is_some(), "the end of the link is told");
    graph.publish(note("after")).await.unwrap();
    eventually("the graph goes on", || async { has(&copy, "after").await }).await;
    node.shutdown().await;
}
