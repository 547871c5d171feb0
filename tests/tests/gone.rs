//! C41: what was deleted, replaced, expired or acknowledged is in no file once the node is off.

use std::{path::PathBuf, time::Duration};

use peergraph::{
    ConflictQuery, EventFilter, EventKind, Graph, Node, RecordDraft, RecordId, RecordUpdate,
    events::{Start, SubscribeOptions},
};
use peergraph_tests::{converge, eventually, identities::holders, node_at, offline};

/// Small ones share a page of the file with others, large ones have pages of their own.
const SIZES: [usize; 4] = [40, 900, 5_000, 70_000];

fn text(what: &str, size: usize) -> String {
    format!("{what} of {size} ").repeat(size / 20 + 1)
}

async fn publish(graph: &Graph, what: &str) -> Vec<RecordId> {
    let mut ids = Vec::new();
    for size in SIZES {
        let draft =
            RecordDraft::new("note", text(what, size)).unwrap().with("about", format!("{what} {size}"));
        ids.push(graph.publish(draft).await.unwrap().id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn c41_what_is_gone_is_in_no_file_after_shutdown_even_while_a_stream_lives() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let graph = node.create_graph("gone").await.unwrap();
    // A reader that never gets on, and holds the database's reader as long as it lives.
    let all = EventFilter::kinds([EventKind::RecordChanged]);
    let options =
        SubscribeOptions { start: Start::Snapshot, capacity: Some(1), ..SubscribeOptions::new(all) };
    let stream = graph.subscribe(options).unwrap();
    let mut gone = Vec::new();
    for round in 0..40 {
        let word = format!("deleted-{round}");
        for id in publish(&graph, &word).await {
            graph.delete(id).await.unwrap();
        }
        gone.push(word);
        let word = format!("replaced-{round}");
        for id in publish(&graph, &word).await {
            graph
                .update(id, RecordUpdate { attributes: Some([("a", 1)].into()), ..RecordUpdate::body("new") })
                .await
                .unwrap();
        }
        gone.push(word);
        publish(&graph, &format!("kept-{round}")).await;
    }
    let at = graph.peer_time().await.unwrap() + Duration::from_millis(300);
    let brief = RecordDraft::new("note", text("expired", 900)).unwrap().expiring(at);
    let brief = graph.publish(brief).await.unwrap();
    gone.push("expired".into());
    let listed =
        || async { graph.list(Default::default()).await.unwrap().items.iter().any(|r| r.id == brief.id) };
    eventually("expired", || async { !listed().await }).await;
    graph.publish(RecordDraft::new("note", "one more batch, with what expired").unwrap()).await.unwrap();
    node.shutdown().await;

    for word in gone {
        assert_eq!(holders(dir.path(), format!("{word} ").as_bytes()), Vec::<PathBuf>::new(), "{word}");
    }
    assert_eq!(holders(dir.path(), b"kept-7 ").len(), 1, "this is how it would be found");
    let logs = peergraph_tests::identities::files(dir.path());
    assert!(logs.iter().all(|(path, bytes)| !path.to_string_lossy().ends_with("-wal") || bytes.is_empty()));
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn c41_an_acknowledged_loser_is_in_no_file_after_shutdown() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = node_at(dirs[0].path()).await;
    let graph = first.create_graph("gone").await.unwrap();
    graph.listen().await.unwrap();
    let second = node_at(dirs[1].path()).await;
    let joined = second.join(graph.ticket().await.unwrap()).await.unwrap();
    let id = graph.id();
    let record = graph.publish(RecordDraft::new("note", "base").unwrap()).await.unwrap();
    converge(&[&graph, &joined]).await;
    first.shutdown().await;
    let lost = joined.update(record.id, RecordUpdate::body(text("the loser", 5_000))).await.unwrap();
    second.shutdown().await;

    let open = |at: usize| {
        let dir = dirs[at].path().to_owned();
        async move {
            let node: Node = node_at(&dir).await;
            let graph = node.open_graph(id, offline()).await.unwrap();
            (node, graph)
        }
    };
    let (first, graph) = open(0).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    graph.update(record.id, RecordUpdate::body("the winner")).await.unwrap();
    graph.listen().await.unwrap();
    let (second, joined) = open(1).await;
    joined.listen().await.unwrap();
    let _ = joined.connect(first.addr()).await;
    for graph in [&graph, &joined] {
        eventually("the conflict", || async {
            !graph.conflicts(ConflictQuery::default()).await.unwrap().items.is_empty()
        })
        .await;
    }
    assert!(joined.acknowledge_conflict(lost.key.element).await.unwrap());
    first.shutdown().await;
    second.shutdown().await;
    assert_eq!(holders(dirs[0].path(), b"the loser").len(), 1, "not acknowledged there");
    assert_eq!(holders(dirs[1].path(), b"the loser"), Vec::<PathBuf>::new());
}
