//! Records on real nodes: rules, versions, winners, deletes, expiry.

use std::time::Duration;

use peergraph::{
    CreateGraph, ErrorKind, Graph, ListQuery, Node, RecordDraft, RecordUpdate, Timestamp, Value,
    events::{ChangeKind, Event, EventFilter, EventKind},
};
use peergraph_tests::{converge, eventually, expect, founder, joiner, node_at, note};

fn records() -> EventFilter {
    EventFilter::kinds([EventKind::RecordChanged])
}

async fn soon(graph: &Graph, wait: Duration) -> Timestamp {
    graph.peer_time().await.unwrap() + wait
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_publishing_gives_an_id_bound_to_the_creator() {
    let (node, graph) = founder("r1").await;
    let draft = note("hello").with("room", "main").with("n", 3);
    let record = graph.publish(draft).await.unwrap();
    assert_eq!((record.creator, record.author, record.version), (node.peer_id(), node.peer_id(), 1));
    assert_eq!(record.body_text(), Some("hello"));
    assert_eq!(record.attributes.text("room"), Some("main"));
    assert_eq!(record.attributes.get("n"), Some(&Value::Integer(3)));
    assert_eq!(graph.get(record.id).await.unwrap(), Some(record.clone()));
    // The same draft again is another record.
    assert_ne!(graph.publish(note("hello")).await.unwrap().id, record.id);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_expiration_lies_ahead_and_is_never_brought_forward() {
    let (node, graph) = founder("r2").await;
    let past = note("x").expiring(Timestamp(1));
    assert_eq!(graph.publish(past).await.unwrap_err().kind(), ErrorKind::InvalidExpiration);
    let at = soon(&graph, Duration::from_secs(100)).await;
    let record = graph.publish(note("x").expiring(at)).await.unwrap();
    let until = |at| RecordUpdate { expires: Some(at), ..Default::default() };
    let sooner = graph.update(record.id, until(at - Duration::from_secs(1))).await;
    assert_eq!(sooner.unwrap_err().kind(), ErrorKind::InvalidExpiration);
    let later = at + Duration::from_secs(1);
    assert_eq!(graph.update(record.id, until(later)).await.unwrap().expires, Some(later));
    let endless = graph.publish(note("for ever")).await.unwrap();
    assert_eq!(graph.update(endless.id, until(at)).await.unwrap_err().kind(), ErrorKind::InvalidExpiration);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_reserved_types_and_names_are_refused() {
    let (node, graph) = founder("r3").await;
    let reserved = RecordDraft::new("peergraph.presence", "x").unwrap();
    assert_eq!(graph.publish(reserved).await.unwrap_err().kind(), ErrorKind::Reserved);
    let name = note("x").with("peergraph.author", "me");
    assert_eq!(graph.publish(name).await.unwrap_err().kind(), ErrorKind::Reserved);
    assert!(RecordDraft::new("no spaces", "x").is_err());
    let bad = note("x").with("no spaces", 1);
    assert_eq!(graph.publish(bad).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_size_counts_body_and_attributes() {
    let node = peergraph_tests::node().await;
    let graph = node.create_graph(CreateGraph { max_record: 1024, ..CreateGraph::from("r4") }).await.unwrap();
    graph.publish(RecordDraft::new("t", vec![0; 1024]).unwrap()).await.unwrap();
    let over = graph.publish(RecordDraft::new("t", vec![0; 1025]).unwrap()).await;
    assert_eq!(over.unwrap_err().kind(), ErrorKind::TooLarge);
    let together = RecordDraft::new("t", vec![0; 1000]).unwrap().with("a", "x".repeat(100));
    assert_eq!(graph.publish(together).await.unwrap_err().kind(), ErrorKind::TooLarge);
    let record = graph.publish(RecordDraft::new("t", "small").unwrap()).await.unwrap();
    let update = graph.update(record.id, RecordUpdate::body(vec![0; 1025])).await;
    assert_eq!(update.unwrap_err().kind(), ErrorKind::TooLarge);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_updates_count_versions_and_keep_what_they_must() {
    let (first, graph) = founder("r5").await;
    let (second, joined) = joiner(&graph).await;
    let made = graph.publish(note("one").with("k", 1)).await.unwrap();
    converge(&[&graph, &joined]).await;
    let update = RecordUpdate { expected_version: Some(1), ..RecordUpdate::body("two") };
    let changed = joined.update(made.id, update.clone()).await.unwrap();
    assert_eq!((changed.version, changed.id), (2, made.id));
    assert_eq!((changed.creator, changed.author), (first.peer_id(), second.peer_id()));
    assert_eq!((changed.created, &changed.record_type), (made.created, &made.record_type));
    assert_eq!(changed.attributes, made.attributes, "what is not given stays");
    assert!(changed.key.hlc > made.key.hlc);
    assert_eq!(joined.update(made.id, update).await.unwrap_err().kind(), ErrorKind::VersionMismatch);
    let missing = peergraph::RecordId::from_bytes([1; 16]);
    let error = graph.update(missing, RecordUpdate::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // Not at once with the update, or the two would be a conflict.
    converge(&[&graph, &joined]).await;
    graph.delete(made.id).await.unwrap();
    let error = graph.update(made.id, RecordUpdate::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deleted);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_r7_two_edits_at_once_agree_on_a_winner_and_are_reported() {
    let (first, graph) = founder("r7").await;
    let (second, joined) = joiner(&graph).await;
    let made = graph.publish(note("base")).await.unwrap();
    converge(&[&graph, &joined]).await;
    let (here, there) = (graph.events(records()).unwrap(), joined.events(records()).unwrap());
    let link = joined.neighbors().await.unwrap()[0].connection;
    // Apart, both edit the same version.
    first_leaves(&joined, link).await;
    let a = graph.update(made.id, RecordUpdate::body("a")).await.unwrap();
    let b = joined.update(made.id, RecordUpdate::body("b")).await.unwrap();
    assert_eq!((a.version, b.version), (2, 2));
    // Maintenance may have linked them again by itself.
    let _ = joined.connect(first.addr()).await;
    converge(&[&graph, &joined]).await;
    let (winner, loser) = if (a.key.hlc, a.author) > (b.key.hlc, b.author) { ("a", "b") } else { ("b", "a") };
    for graph in [&graph, &joined] {
        assert_eq!(graph.get(made.id).await.unwrap().unwrap().body_text(), Some(winner));
    }
    let loser_side = if loser == "a" { &here } else { &there };
    let (won, lost) = expect(loser_side, "the conflict", |event| match event {
        Event::RecordChanged(change) => {
            Some((change.record.body_text()?.to_owned(), change.conflict.as_ref()?.body_text()?.to_owned()))
        }
        _ => None,
    })
    .await;
    assert_eq!((won.as_str(), lost.as_str()), (winner, loser));
    first.shutdown().await;
    second.shutdown().await;
}

async fn first_leaves(graph: &Graph, link: peergraph::ConnectionId) {
    graph.disconnect(link).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_deletes_leave_an_empty_tombstone_that_a_stale_node_cannot_undo() {
    let dir = tempfile::tempdir().unwrap();
    let (first, graph) = founder("r8").await;
    let stale = node_at(dir.path()).await;
    let joined = stale.join(graph.ticket().await.unwrap()).await.unwrap();
    let record = graph.publish(note("secret").with("k", 1)).await.unwrap();
    converge(&[&graph, &joined]).await;
    stale.shutdown().await;

    graph.delete(record.id).await.unwrap();
    assert_eq!(graph.get(record.id).await.unwrap(), None);
    assert!(graph.records(ListQuery::default()).collect().await.unwrap().is_empty());
    let query = ListQuery { include_deleted: true, ..Default::default() };
    let tombstones = graph.records(query).collect().await.unwrap();
    assert_eq!((tombstones.len(), tombstones[0].deleted, tombstones[0].version), (1, true, 2));
    assert!(tombstones[0].body.is_empty() && tombstones[0].attributes.is_empty());
    assert_eq!(graph.delete(record.id).await.unwrap_err().kind(), ErrorKind::Deleted);

    let stale = node_at(dir.path()).await;
    let joined = stale.open_graph(graph.id(), peergraph_tests::offline()).await.unwrap();
    assert!(joined.get(record.id).await.unwrap().is_some(), "it was away");
    let _ = joined.connect(first.addr()).await;
    converge(&[&graph, &joined]).await;
    assert_eq!(joined.get(record.id).await.unwrap(), None);
    assert_eq!(graph.get(record.id).await.unwrap(), None);
    first.shutdown().await;
    stale.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_e9_expiry_removes_everywhere_and_is_told() {
    let (first, graph) = founder("r10").await;
    let (second, joined) = joiner(&graph).await;
    let streams = [graph.events(records()).unwrap(), joined.events(records()).unwrap()];
    let at = soon(&graph, Duration::from_millis(700)).await;
    let record = graph.publish(note("brief").expiring(at)).await.unwrap();
    for events in &streams {
        for wanted in [ChangeKind::Added, ChangeKind::Expired] {
            let id = expect(events, "added, then expired", |event| match event {
                Event::RecordChanged(change) if change.change == wanted => Some(change.record.id),
                _ => None,
            })
            .await;
            assert_eq!(id, record.id);
        }
    }
    assert_eq!(joined.get(record.id).await.unwrap(), None);
    assert!(joined.records(ListQuery::default()).collect().await.unwrap().is_empty());
    converge(&[&graph, &joined]).await;
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g23_an_expired_record_is_never_transferred() {
    let (first, graph) = founder("g23").await;
    let at = soon(&graph, Duration::from_millis(200)).await;
    let record = graph.publish(note("brief").expiring(at)).await.unwrap();
    eventually("expired here", || async { graph.get(record.id).await.unwrap().is_none() }).await;
    let kept = graph.publish(note("kept")).await.unwrap();
    let (second, joined) = joiner(&graph).await;
    converge(&[&graph, &joined]).await;
    let all =
        joined.records(ListQuery { include_deleted: true, ..Default::default() }).collect().await.unwrap();
    assert_eq!(all.iter().map(|r| r.id).collect::<Vec<_>>(), [kept.id]);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x3_enumerations_are_snapshots_paged_sized_and_end() {
    let (node, graph) = founder("x3").await;
    for n in 0..25 {
        graph.publish(note(&format!("{n}"))).await.unwrap();
    }
    let query = ListQuery { limit: 10, count: true, ..Default::default() };
    let page = graph.list(query.clone()).await.unwrap();
    assert_eq!((page.items.len(), page.total), (10, Some(25)));
    let mut pages = graph.records(query);
    let first = pages.next().await.unwrap().unwrap();
    // What comes or changes between two pages is not in the later ones, and nothing is there twice.
    graph.publish(note("late")).await.unwrap();
    graph.update(first[0].id, RecordUpdate::body("changed")).await.unwrap();
    let mut seen: Vec<_> = first.iter().map(|r| r.id).collect();
    while let Some(page) = pages.next().await.unwrap() {
        seen.extend(page.iter().map(|r| r.id));
    }
    assert!(pages.next().await.unwrap().is_none());
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((count, seen.len()), (25, 25));
    assert!(
        graph
            .records(ListQuery { record_type: Some("none".parse().unwrap()), ..Default::default() })
            .collect()
            .await
            .unwrap()
            .is_empty()
    );
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_lists_by_type_and_creator() {
    let (first, graph) = founder("list").await;
    let (second, joined) = joiner(&graph).await;
    graph.publish(note("a")).await.unwrap();
    joined.publish(note("b")).await.unwrap();
    joined.publish(RecordDraft::new("other", "c").unwrap()).await.unwrap();
    converge(&[&graph, &joined]).await;
    let count = |record_type: Option<&str>, creator: Option<&Node>| {
        let query = ListQuery {
            record_type: record_type.map(|t| t.parse().unwrap()),
            creator: creator.map(Node::peer_id),
            ..Default::default()
        };
        let pages = graph.records(query);
        async { pages.collect().await.unwrap().len() }
    };
    assert_eq!(count(None, None).await, 3);
    assert_eq!(count(Some("test.note"), None).await, 2);
    assert_eq!(count(None, Some(&second)).await, 2);
    assert_eq!(count(Some("test.note"), Some(&second)).await, 1);
    first.shutdown().await;
    second.shutdown().await;
}
