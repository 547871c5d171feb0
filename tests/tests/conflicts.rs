//! Deletes against edits, and conflicts that can be read until they are acknowledged, on real nodes.

use std::path::Path;

use peergraph::{
    Conflict, ConflictQuery, CreateGroup, EventFilter, EventKind, Graph, GraphId, Group, GroupRules,
    InviteLink, JoinGroup, ListQuery, Node, NodeConfig, Record, RecordId, RecordUpdate,
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

/// A graph with one record on two nodes that are off, each in a folder of its own.
struct Apart {
    dirs: [tempfile::TempDir; 2],
    graph: GraphId,
    record: Record,
}

impl Apart {
    async fn new() -> Self {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let first = node_at(dirs[0].path()).await;
        let graph = first.create_graph("apart").await.unwrap();
        graph.listen().await.unwrap();
        let second = node_at(dirs[1].path()).await;
        let joined = second.join(graph.ticket().await.unwrap()).await.unwrap();
        let record = graph.publish(note("base")).await.unwrap();
        converge(&[&graph, &joined]).await;
        shutdown([second, first]).await;
        Self { dirs, graph: graph.id(), record }
    }

    /// Starts one of the nodes, and opens the graph without linking it to anybody.
    async fn alone(&self, which: usize) -> (Node, Graph) {
        let node = node_at(self.dirs[which].path()).await;
        let graph = node.open_graph(self.graph, offline()).await.unwrap();
        (node, graph)
    }

    async fn both(&self) -> ([Node; 2], [Graph; 2]) {
        let (first, graph) = self.alone(0).await;
        let (second, joined) = self.alone(1).await;
        ([first, second], [graph, joined])
    }

    /// Updates the record on both, without either knowing of the other's version: the one that loses, the one that wins.
    async fn edit_both(&self, graphs: &[Graph; 2]) -> (Record, Record) {
        let lost = graphs[0].update(self.record.id, RecordUpdate::body("lost")).await.unwrap();
        later_than(&graphs[0], &lost).await;
        let won = graphs[1].update(self.record.id, RecordUpdate::body("won")).await.unwrap();
        assert!(won.key > lost.key);
        (lost, won)
    }
}

/// Waits until what is written next is later by the clock of both.
async fn later_than(graph: &Graph, record: &Record) {
    eventually("a later moment", || async { graph.peer_time().await.unwrap() > record.modified }).await;
}

async fn conflict_at(graph: &Graph) -> Vec<Conflict> {
    eventually("the conflict", || async { !conflicts(graph).await.is_empty() }).await;
    conflicts(graph).await
}

async fn shutdown(nodes: impl IntoIterator<Item = Node>) {
    for node in nodes {
        node.shutdown().await;
    }
}

/// Links two graphs and waits until their databases are equal.
async fn meet(nodes: &[Node; 2], graphs: [&Graph; 2]) {
    for graph in graphs {
        graph.listen().await.unwrap();
    }
    let _ = graphs[0].connect(nodes[1].addr()).await;
    converge(&graphs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c40_a_delete_wins_over_a_later_edit_that_had_not_seen_it_and_the_edit_is_reported() {
    let apart = Apart::new().await;
    let id = apart.record.id;
    let (first, graph) = apart.alone(0).await;
    assert_eq!(graph.delete(id).await.unwrap().version, 2);
    first.shutdown().await;
    let (second, joined) = apart.alone(1).await;
    joined.update(id, RecordUpdate::body("one more line")).await.unwrap();
    let edit = joined.update(id, RecordUpdate::body("and another")).await.unwrap();
    assert_eq!(edit.version, 3);

    let (first, graph) = apart.alone(0).await;
    let nodes = [first, second];
    meet(&nodes, [&graph, &joined]).await;
    for (graph, node) in [(&graph, "deleted it"), (&joined, "edited it")] {
        assert_eq!(graph.get(id).await.unwrap(), None, "at the node that {node}");
        let found = conflict_at(graph).await;
        let listed = graph.list(ListQuery { include_deleted: true, ..ListQuery::default() }).await.unwrap();
        let [tombstone] = &listed.items[..] else { panic!("{listed:?}") };
        assert!(tombstone.deleted && tombstone.version == 4, "the version does not go down: {tombstone:?}");
        let [conflict] = &found[..] else { panic!("at the node that {node}") };
        assert_eq!((conflict.loser.body_text(), conflict.loser.version), (Some("and another"), 3));
        assert!(conflict.winner.deleted && conflict.winner.id == id);
        assert_eq!(conflict.winner.version, 4);
        let kind = graph.update(id, RecordUpdate::body("again")).await.unwrap_err().kind();
        assert_eq!(kind, peergraph::ErrorKind::Deleted);
    }
    // A third node that comes later takes over the delete.
    let (third, late) = joiner(&graph).await;
    converge(&[&graph, &late]).await;
    assert_eq!(late.get(id).await.unwrap(), None);
    shutdown(nodes.into_iter().chain([third])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c42_a_conflict_is_read_after_a_restart_by_cursor_snapshot_and_call_until_acknowledged() {
    let apart = Apart::new().await;
    let (nodes, graphs) = apart.both().await;
    let before = [end_of_feed(&graphs[0]).await, end_of_feed(&graphs[1]).await];
    let (lost, won) = apart.edit_both(&graphs).await;
    meet(&nodes, graphs.each_ref()).await;
    for graph in &graphs {
        conflict_at(graph).await;
    }
    shutdown(nodes).await;

    // Whichever version came first at a node, and whoever was listening: after a restart it is all there.
    for (which, before) in before.into_iter().enumerate() {
        let (node, graph) = apart.alone(which).await;
        let found = conflicts(&graph).await;
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].winner, &found[0].loser), (&won, &lost));
        for (start, kind) in
            [(Start::After(before), ChangeKind::Updated), (Start::Snapshot, ChangeKind::Added)]
        {
            let changes = told(&graph, start, won.id).await;
            let last = changes.last().unwrap();
            assert_eq!((last.change, &*last.record), (kind, &won));
            assert_eq!(last.conflict.as_deref(), Some(&lost));
        }
        node.shutdown().await;
    }

    // Acknowledged here, for good; not there.
    let (first, graph) = apart.alone(0).await;
    assert!(graph.acknowledge_conflict(lost.key.element).await.unwrap());
    assert!(!graph.acknowledge_conflict(lost.key.element).await.unwrap());
    assert!(conflicts(&graph).await.is_empty());
    first.shutdown().await;
    let (nodes, [graph, joined]) = apart.both().await;
    meet(&nodes, [&graph, &joined]).await;
    assert!(conflicts(&graph).await.is_empty());
    assert!(told(&graph, Start::Snapshot, won.id).await[0].conflict.is_none());
    assert_eq!(conflicts(&joined).await.len(), 1);
    shutdown(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c42_a_node_that_had_the_winner_first_is_told_while_it_listens() {
    let apart = Apart::new().await;
    let (nodes, graphs) = apart.both().await;
    let (lost, won) = apart.edit_both(&graphs).await;
    let filter = EventFilter::kinds([EventKind::RecordChanged]);
    let streams = graphs.each_ref().map(|graph| graph.events(filter.clone()).unwrap());
    meet(&nodes, graphs.each_ref()).await;
    for events in &streams {
        let conflict = peergraph_tests::expect(events, "the conflict", |event| match event {
            Event::RecordChanged(change) => Some((change.record.clone(), change.conflict.clone()?)),
            _ => None,
        });
        let (winner, loser) = conflict.await;
        assert_eq!((&*winner, &*loser), (&won, &lost));
    }
    shutdown(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c42_neighbors_that_met_neither_side_hear_of_the_conflict_as_well() {
    let apart = Apart::new().await;
    let (nodes, graphs) = apart.both().await;
    let (lost, _) = apart.edit_both(&graphs).await;
    graphs[1].listen().await.unwrap();
    // It hears of the winner only, from the second, before the first is there.
    let (third, bystander) = joiner(&graphs[1]).await;
    converge(&[&graphs[1], &bystander]).await;
    meet(&nodes, graphs.each_ref()).await;
    assert_eq!(conflict_at(&bystander).await[0].loser, lost);
    shutdown(nodes.into_iter().chain([third])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c42_one_edit_against_several_is_a_conflict_and_a_late_ancestor_is_none() {
    let apart = Apart::new().await;
    let (nodes, [graph, joined]) = apart.both().await;
    let quiet = graph.publish(note("only the first changes it")).await.unwrap();
    meet(&nodes, [&graph, &joined]).await;
    shutdown(nodes).await;
    let (nodes, [graph, joined]) = apart.both().await;
    let lost = joined.update(apart.record.id, RecordUpdate::body("once")).await.unwrap();
    later_than(&graph, &lost).await;
    for n in 0..9 {
        graph.update(apart.record.id, RecordUpdate::body(format!("edit {n}"))).await.unwrap();
        graph.update(quiet.id, RecordUpdate::body(format!("edit {n}"))).await.unwrap();
    }
    meet(&nodes, [&graph, &joined]).await;
    for graph in [&graph, &joined] {
        let found = conflict_at(graph).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((&found[0].loser, found[0].winner.version), (&lost, 10));
    }
    shutdown(nodes).await;
}

fn sealed(dir: &Path) -> NodeConfig {
    NodeConfig { encrypt_database: true, ..NodeConfig::loopback().at(dir).keys(phrase("open sesame")) }
}

async fn open_group(dir: &Path, id: GraphId) -> (Node, Group) {
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
    let lost = club.update(record.id, RecordUpdate::body("the losing words")).await.unwrap();
    first.shutdown().await;

    let (second, bens) = open_group(dirs[1].path(), id).await;
    later_than(&bens, &lost).await;
    bens.update(record.id, RecordUpdate::body("the winning words")).await.unwrap();
    let (first, club) = open_group(dirs[0].path(), id).await;
    let nodes = [first, second];
    meet(&nodes, [&club, &bens]).await;
    for group in [&club, &bens] {
        let found = conflict_at(group).await;
        assert_eq!(found[0].loser.body_text(), Some("the losing words"));
        assert_eq!(found[0].winner.body_text(), Some("the winning words"));
        let told = told(group, Start::Snapshot, record.id).await;
        assert_eq!(told[0].conflict.as_ref().unwrap().body_text(), Some("the losing words"));
    }
    assert_eq!(club.get(record.id).await.unwrap().unwrap().body_text(), Some("the winning words"));
    shutdown(nodes).await;
    for dir in &dirs {
        assert_eq!(holders(dir.path(), b"losing words"), Vec::<std::path::PathBuf>::new());
    }
}
