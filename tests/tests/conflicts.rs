//! Deletes against edits, and conflicts that can be read until they are acknowledged, on real nodes.

use std::{path::Path, time::Duration};

use peergraph::{
    Conflict, ConflictQuery, CreateGroup, EventFilter, EventKind, Graph, Group, GroupRules, InviteLink,
    JoinGroup, ListQuery, Node, NodeConfig, Record, RecordId, RecordUpdate,
    events::{ChangeKind, Cursor, Event, RecordChanged, Start, SubscribeOptions},
};
use peergraph_tests::{
    converge, eventually,
    identities::{holders, phrase},
    joiner, node_at, note, offline,
};

async fn conflicts(graph: &Graph) -> Vec<Conflict> {
    let page = graph.conflicts(ConflictQuery::default()).await.unwrap();
    assert_eq!((page.next, page.total), (None, None));
    page.items
}

/// What a subscription from some place tells of one record before it has caught up.
async fn told(graph: &Graph, start: Start, id: RecordId) -> Vec<RecordChanged> {
    let filter = EventFilter::kinds([EventKind::RecordChanged]);
    let events = graph.subscribe(SubscribeOptions { start, ..SubscribeOptions::new(filter) }).unwrap();
    let mut found = Vec::new();
    loop {
        match events.next().await.expect("an open graph") {
            Event::RecordChanged(change) if change.record.id == id => found.push(change),
            Event::CaughtUp(_) => return found,
            _ => {}
        }
    }
}

async fn end_of_feed(graph: &Graph) -> Cursor {
    let filter = EventFilter::kinds([EventKind::RecordChanged]);
    let start = Start::Snapshot;
    let events = graph.subscribe(SubscribeOptions { start, ..SubscribeOptions::new(filter) }).unwrap();
    loop {
        if let Event::CaughtUp(cursor) = events.next().await.expect("an open graph") {
            return cursor;
        }
    }
}

/// Opens a graph without linking it to anybody.
async fn alone(dir: &Path, id: peergraph::GraphId) -> (Node, Graph) {
    let node = node_at(dir).await;
    let graph = node.open_graph(id, offline()).await.unwrap();
    (node, graph)
}

/// Two nodes with one record, both of them off: their folders, the graph and the record.
async fn two_apart(dirs: [&Path; 2]) -> (peergraph::GraphId, Record) {
    let first = node_at(dirs[0]).await;
    let graph = first.create_graph("apart").await.unwrap();
    graph.listen().await.unwrap();
    let second = node_at(dirs[1]).await;
    let joined = second.join(graph.ticket().await.unwrap()).await.unwrap();
    let record = graph.publish(note("base")).await.unwrap();
    converge(&[&graph, &joined]).await;
    second.shutdown().await;
    first.shutdown().await;
    (graph.id(), record)
}

/// Links two graphs and waits until their databases are equal.
async fn meet(nodes: [&Node; 2], graphs: [&Graph; 2]) {
    for graph in graphs {
        graph.listen().await.unwrap();
    }
    let _ = graphs[0].connect(nodes[1].addr()).await;
    converge(&graphs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c40_a_delete_wins_over_a_later_edit_that_had_not_seen_it_and_the_edit_is_reported() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let paths = [dirs[0].path(), dirs[1].path()];
    let (id, record) = two_apart(paths).await;

    let (first, graph) = alone(paths[0], id).await;
    assert_eq!(graph.delete(record.id).await.unwrap().version, 2);
    first.shutdown().await;
    let (second, joined) = alone(paths[1], id).await;
    joined.update(record.id, RecordUpdate::body("one more line")).await.unwrap();
    let edit = joined.update(record.id, RecordUpdate::body("and another")).await.unwrap();
    assert_eq!(edit.version, 3);

    let (first, graph) = alone(paths[0], id).await;
    meet([&first, &second], [&graph, &joined]).await;
    for (graph, node) in [(&graph, "deleted it"), (&joined, "edited it")] {
        assert_eq!(graph.get(record.id).await.unwrap(), None, "at the node that {node}");
        eventually("the conflict", || async { !conflicts(graph).await.is_empty() }).await;
        let listed = graph.list(ListQuery { include_deleted: true, ..ListQuery::default() }).await.unwrap();
        let [tombstone] = &listed.items[..] else { panic!("{listed:?}") };
        assert!(tombstone.deleted && tombstone.version == 4, "the version does not go down: {tombstone:?}");
        let [conflict] = &conflicts(graph).await[..] else { panic!("at the node that {node}") };
        assert_eq!((conflict.loser.body_text(), conflict.loser.version), (Some("and another"), 3));
        assert!(conflict.winner.deleted && conflict.winner.id == record.id);
        assert_eq!(conflict.winner.version, 4);
        let kind = graph.update(record.id, RecordUpdate::body("again")).await.unwrap_err().kind();
        assert_eq!(kind, peergraph::ErrorKind::Deleted);
    }
    // A third node that comes later takes over the delete.
    let (third, late) = joiner(&graph).await;
    converge(&[&graph, &late]).await;
    assert_eq!(late.get(record.id).await.unwrap(), None);
    for node in [first, second, third] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c42_a_conflict_is_read_after_a_restart_by_cursor_snapshot_and_call_until_acknowledged() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let paths = [dirs[0].path(), dirs[1].path()];
    let (id, record) = two_apart(paths).await;
    let (first, graph) = alone(paths[0], id).await;
    let before = end_of_feed(&graph).await;
    let lost = graph.update(record.id, RecordUpdate::body("lost")).await.unwrap();
    let (second, joined) = alone(paths[1], id).await;
    let before_there = end_of_feed(&joined).await;
    // Written later by the clock of both.
    eventually("a later moment", || async { graph.peer_time().await.unwrap() > lost.modified }).await;
    let won = joined.update(record.id, RecordUpdate::body("won")).await.unwrap();
    assert!(won.key > lost.key);
    meet([&first, &second], [&graph, &joined]).await;
    eventually("both know", || async {
        !conflicts(&graph).await.is_empty() && !conflicts(&joined).await.is_empty()
    })
    .await;
    first.shutdown().await;
    second.shutdown().await;

    // Whichever version came first at a node, and whoever was listening: after a restart it is all there.
    for (path, before) in [(paths[0], before), (paths[1], before_there)] {
        let (node, graph) = alone(path, id).await;
        let found = conflicts(&graph).await;
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].winner, &found[0].loser), (&won, &lost));
        for (start, kind) in
            [(Start::After(before), ChangeKind::Updated), (Start::Snapshot, ChangeKind::Added)]
        {
            let changes = told(&graph, start, record.id).await;
            let last = changes.last().unwrap();
            assert_eq!((last.change, &*last.record), (kind, &won));
            assert_eq!(last.conflict.as_deref(), Some(&lost));
        }
        node.shutdown().await;
    }

    // Acknowledged here, for good; not there.
    let (first, graph) = alone(paths[0], id).await;
    assert!(graph.acknowledge_conflict(lost.key.element).await.unwrap());
    assert!(!graph.acknowledge_conflict(lost.key.element).await.unwrap());
    assert!(conflicts(&graph).await.is_empty());
    first.shutdown().await;
    let (first, graph) = alone(paths[0], id).await;
    let (second, joined) = alone(paths[1], id).await;
    meet([&first, &second], [&graph, &joined]).await;
    assert!(conflicts(&graph).await.is_empty());
    assert!(told(&graph, Start::Snapshot, record.id).await[0].conflict.is_none());
    assert_eq!(conflicts(&joined).await.len(), 1);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c42_a_node_that_had_the_winner_first_is_told_while_it_listens() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let paths = [dirs[0].path(), dirs[1].path()];
    let (id, record) = two_apart(paths).await;
    let (first, graph) = alone(paths[0], id).await;
    let lost = graph.update(record.id, RecordUpdate::body("lost")).await.unwrap();
    let (second, joined) = alone(paths[1], id).await;
    eventually("a later moment", || async { graph.peer_time().await.unwrap() > lost.modified }).await;
    let won = joined.update(record.id, RecordUpdate::body("won")).await.unwrap();
    let filter = EventFilter::kinds([EventKind::RecordChanged]);
    let streams = [graph.events(filter.clone()).unwrap(), joined.events(filter).unwrap()];
    meet([&first, &second], [&graph, &joined]).await;
    for events in &streams {
        let conflict = peergraph_tests::expect(events, "the conflict", |event| match event {
            Event::RecordChanged(change) => Some((change.record.clone(), change.conflict.clone()?)),
            _ => None,
        });
        let (winner, loser) = conflict.await;
        assert_eq!((&*winner, &*loser), (&won, &lost));
    }
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c42_neighbors_that_met_neither_side_hear_of_the_conflict_as_well() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let paths = [dirs[0].path(), dirs[1].path()];
    let (id, record) = two_apart(paths).await;
    let (first, graph) = alone(paths[0], id).await;
    let lost = graph.update(record.id, RecordUpdate::body("lost")).await.unwrap();
    let (second, joined) = alone(paths[1], id).await;
    eventually("a later moment", || async { graph.peer_time().await.unwrap() > lost.modified }).await;
    joined.update(record.id, RecordUpdate::body("won")).await.unwrap();
    joined.listen().await.unwrap();
    // It hears of the winner only, from the second, before the first is there.
    let (third, bystander) = joiner(&joined).await;
    converge(&[&joined, &bystander]).await;
    meet([&first, &second], [&graph, &joined]).await;
    eventually("the third knows", || async { !conflicts(&bystander).await.is_empty() }).await;
    assert_eq!(conflicts(&bystander).await[0].loser, lost);
    for node in [first, second, third] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c42_one_edit_against_several_is_a_conflict_and_a_late_ancestor_is_none() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let paths = [dirs[0].path(), dirs[1].path()];
    let (id, record) = two_apart(paths).await;
    let (first, graph) = alone(paths[0], id).await;
    let quiet = graph.publish(note("only the first changes it")).await.unwrap();
    let (second, joined) = alone(paths[1], id).await;
    meet([&first, &second], [&graph, &joined]).await;
    second.shutdown().await;
    first.shutdown().await;
    let (first, graph) = alone(paths[0], id).await;
    let (second, joined) = alone(paths[1], id).await;
    let lost = joined.update(record.id, RecordUpdate::body("once")).await.unwrap();
    eventually("a later moment", || async { graph.peer_time().await.unwrap() > lost.modified }).await;
    for n in 0..9 {
        graph.update(record.id, RecordUpdate::body(format!("edit {n}"))).await.unwrap();
        graph.update(quiet.id, RecordUpdate::body(format!("edit {n}"))).await.unwrap();
    }
    meet([&first, &second], [&graph, &joined]).await;
    for graph in [&graph, &joined] {
        eventually("the conflict", || async { !conflicts(graph).await.is_empty() }).await;
        let found = conflicts(graph).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((&found[0].loser, found[0].winner.version), (&lost, 10));
    }
    first.shutdown().await;
    second.shutdown().await;
}

fn sealed(dir: &Path) -> NodeConfig {
    NodeConfig { encrypt_database: true, ..NodeConfig::loopback().at(dir).keys(phrase("open sesame")) }
}

async fn open_group(dir: &Path, id: peergraph::GraphId) -> (Node, Group) {
    let node = Node::start(sealed(dir)).await.unwrap();
    let group = node.open_group_with(id, offline()).await.unwrap();
    (node, group)
}

#[tokio::test(flavor = "multi_thread")]
async fn c42_losers_with_encrypted_bodies_in_sealed_databases_can_be_read() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = Node::start(sealed(dirs[0].path())).await.unwrap();
    let rules = GroupRules { encrypted_bodies: true, ..GroupRules::default() };
    let club = first.create_group(CreateGroup { rules, ..CreateGroup::from("club") }).await.unwrap();
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let second = Node::start(sealed(dirs[1].path())).await.unwrap();
    let bens = second.join_group(JoinGroup::from(link).named("Ben")).await.unwrap();
    let record = bens.publish(note("base")).await.unwrap();
    converge(&[&club, &bens]).await;
    let id = club.id();
    second.shutdown().await;
    club.update(record.id, RecordUpdate::body("the losing words")).await.unwrap();
    first.shutdown().await;

    let (second, bens) = open_group(dirs[1].path(), id).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    bens.update(record.id, RecordUpdate::body("the winning words")).await.unwrap();
    let (first, club) = open_group(dirs[0].path(), id).await;
    meet([&first, &second], [&club, &bens]).await;
    for group in [&club, &bens] {
        eventually("the conflict", || async { !conflicts(group).await.is_empty() }).await;
        let found = conflicts(group).await;
        assert_eq!(found[0].loser.body_text(), Some("the losing words"));
        assert_eq!(found[0].winner.body_text(), Some("the winning words"));
        let told = told(group, Start::Snapshot, record.id).await;
        assert_eq!(told[0].conflict.as_ref().unwrap().body_text(), Some("the losing words"));
    }
    assert_eq!(club.get(record.id).await.unwrap().unwrap().body_text(), Some("the winning words"));
    first.shutdown().await;
    second.shutdown().await;
    for dir in &dirs {
        assert_eq!(holders(dir.path(), b"losing words"), Vec::<std::path::PathBuf>::new());
    }
}
