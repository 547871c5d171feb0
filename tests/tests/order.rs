//! C43: calls take effect in the order in which an application makes them, however it waits for them.

use std::time::Duration;

use bytes::Bytes;
use peergraph::{
    Attributes, CreateGraph, CreateGroup, ErrorKind, Event, InviteLink, InviteMember, JoinGroup, Node,
    NodeConfig, OpenGraph, PropertiesUpdate, RecordDraft, RecordUpdate, Role,
    events::{EventFilter, EventKind, Start, SubscribeOptions},
    link::ConnectionKind,
    records::ListQuery,
};
use peergraph_tests::{PATIENCE, eventually, founder, joiner, member, node_at, note};

const PUBLISHED: u32 = 100;
const SENT: u32 = 200;

fn number(n: u32) -> RecordDraft {
    RecordDraft::new("test.number", n.to_le_bytes().to_vec()).unwrap()
}

fn read(bytes: &Bytes) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().unwrap())
}

fn changes() -> SubscribeOptions {
    SubscribeOptions::new(EventFilter::kinds([EventKind::RecordChanged]))
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_two_updates_are_two_versions_in_the_order_of_the_calls() {
    let (node, graph) = founder("updates").await;
    for round in 0..50i64 {
        let id = graph.publish(note("first")).await.unwrap().id;
        let body = graph.update(id, RecordUpdate::body("second"));
        let mut attributes = Attributes::new();
        attributes.insert("round", round);
        let attributes =
            graph.update(id, RecordUpdate { attributes: Some(attributes), ..RecordUpdate::default() });
        let deleted = graph.delete(id);
        // Awaited the other way round, on other tasks.
        let deleted = tokio::spawn(deleted);
        let attributes = tokio::spawn(attributes).await.unwrap().unwrap();
        let body = tokio::spawn(body).await.unwrap().unwrap();
        assert_eq!((body.version, attributes.version), (2, 3), "round {round}");
        assert_eq!(&attributes.body[..], b"second", "the later update has what the earlier wrote");
        assert_eq!(deleted.await.unwrap().unwrap().version, 4);
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c43_records_come_in_the_order_of_the_calls_whoever_awaits_them() {
    let (node, graph) = founder("records").await;
    let events = graph.subscribe(changes()).unwrap();
    for round in 0..20 {
        let calls: Vec<_> = (0..PUBLISHED).map(|n| graph.publish(number(n))).collect();
        let mut dates = Vec::new();
        if round % 2 == 0 {
            // As tasks, which run on several threads and in no order.
            let tasks: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
            for task in tasks {
                dates.push(task.await.unwrap().unwrap().modified);
            }
        } else {
            // The last first: the others are never looked at before.
            for call in calls.into_iter().rev() {
                dates.push(call.await.unwrap().modified);
            }
            dates.reverse();
        }
        assert!(dates.is_sorted(), "dated in the order of the calls");
        let mut heard = Vec::new();
        while heard.len() < PUBLISHED as usize {
            let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap();
            let Event::RecordChanged(change) = event else { panic!("{event:?}") };
            heard.push(read(&change.record.body));
        }
        assert!(heard.iter().copied().eq(0..PUBLISHED), "round {round}: {heard:?}");
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_properties_that_are_set_one_after_another_are_all_set() {
    let (node, graph) = founder("properties").await;
    for round in 0..20 {
        let (name, comment) = (format!("name {round}"), format!("comment {round}"));
        let named = graph
            .set_properties(PropertiesUpdate { name: Some(name.clone()), ..PropertiesUpdate::default() });
        let commented = graph.set_properties(PropertiesUpdate {
            comment: Some(comment.clone()),
            ..PropertiesUpdate::default()
        });
        let read = graph.properties();
        for found in [read.await.unwrap(), commented.await.unwrap(), graph.properties().await.unwrap()] {
            assert_eq!((&found.name, &found.comment), (&name, &comment));
        }
        named.await.unwrap();
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_what_was_called_before_a_read_can_be_read() {
    let (node, graph) = founder("reads").await;
    for round in 1..=50 {
        let written = graph.publish(number(round));
        let page = graph
            .list(ListQuery { record_type: Some("test.number".parse().unwrap()), ..ListQuery::default() });
        assert_eq!(page.await.unwrap().items.len(), round as usize);
        let id = written.await.unwrap().id;
        let (updated, found) = (graph.update(id, RecordUpdate::body("new")), graph.get(id));
        assert_eq!(&found.await.unwrap().unwrap().body[..], b"new");
        updated.await.unwrap();
    }
    node.shutdown().await;
}

/// Publishes and closes in one breath; gives what is there after the next start, in the order of the feed.
async fn reopened(end: impl AsyncFn(&Node, &peergraph::Graph)) -> Vec<u32> {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let graph = node.create_graph("closing").await.unwrap();
    let id = graph.id();
    let calls: Vec<_> = (0..PUBLISHED).map(|n| graph.publish(number(n))).collect();
    end(&node, &graph).await;
    assert_eq!(graph.publish(number(0)).await.unwrap_err().kind(), ErrorKind::Closed);
    for call in calls {
        call.await.unwrap();
    }
    node.shutdown().await;
    let node = node_at(dir.path()).await;
    let graph = node.open_graph(id, OpenGraph::default()).await.unwrap();
    let events = graph.subscribe(SubscribeOptions { start: Start::Snapshot, ..changes() }).unwrap();
    let mut found = Vec::new();
    while found.len() < PUBLISHED as usize {
        match tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap() {
            Event::RecordChanged(change) => found.push(read(&change.record.body)),
            Event::CaughtUp(_) => break,
            _ => {}
        }
    }
    node.shutdown().await;
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_close_and_shutdown_carry_out_first_what_was_called_before() {
    let closed = reopened(async |_, graph| graph.close().await).await;
    assert!(closed.iter().copied().eq(0..PUBLISHED), "{closed:?}");
    let shut = reopened(async |node, _| node.shutdown().await).await;
    assert!(shut.iter().copied().eq(0..PUBLISHED), "{shut:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c43_data_is_received_in_the_order_of_the_sends_before_a_close_and_a_shutdown() {
    for large in [false, true] {
        let (first, graph) = founder("data").await;
        let (second, joined) = joiner(&graph).await;
        let kinds = [EventKind::IncomingData, EventKind::DirectConnection];
        let heard = joined.events(EventFilter::kinds(kinds)).unwrap();
        let direct = graph.open_direct(second.id()).await.unwrap();
        let neighbor = graph.neighbors().await.unwrap()[0].connection;
        // So much that most wait for room.
        let filler = if large { 64 * 1024 } else { 0 };
        let body = |n: u32| [&n.to_le_bytes()[..], &vec![7; filler]].concat();
        let mut sends = Vec::new();
        for n in 0..SENT {
            sends.push(tokio::spawn(direct.send("n", body(n))));
            sends.push(tokio::spawn(graph.send(neighbor, "n", body(n))));
        }
        let closed = direct.close();
        let refused = direct.send("n", body(SENT)).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotConnected, "after the close");
        // A reader that takes everything in time.
        let reading = tokio::spawn(async move {
            let (mut near, mut far) = (Vec::new(), Vec::new());
            while near.len() + far.len() < 2 * SENT as usize {
                let event = tokio::time::timeout(PATIENCE, heard.next()).await.unwrap().unwrap();
                if let Event::IncomingData(data) = event {
                    let to = if data.kind == ConnectionKind::Direct { &mut far } else { &mut near };
                    to.push(read(&data.data));
                }
            }
            (near, far)
        });
        closed.await.unwrap();
        first.shutdown().await;
        for send in sends {
            send.await.unwrap().unwrap();
        }
        let (near, far) = reading.await.unwrap();
        assert!(far.iter().copied().eq(0..SENT), "direct, large {large}: {far:?}");
        assert!(near.iter().copied().eq(0..SENT), "neighbor, large {large}: {near:?}");
        second.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_a_call_that_is_dropped_disturbs_none_after_it() {
    let (node, graph) = founder("dropped").await;
    let mut kept = Vec::new();
    for n in 0..PUBLISHED {
        let call = graph.publish(number(n));
        if n % 3 == 0 { drop(call) } else { kept.push(call) }
    }
    // Never looked at, and not dropped either.
    let _unpolled = graph.publish(number(PUBLISHED));
    let last = graph.publish(number(PUBLISHED + 1));
    let mut lsn = Vec::new();
    for call in kept {
        lsn.push(call.await.unwrap().modified);
    }
    last.await.unwrap();
    assert!(lsn.is_sorted());
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_calls_of_members_come_in_order_too() {
    let node = Node::start(NodeConfig::loopback()).await.unwrap();
    let group = node.create_group("members").await.unwrap();
    let (other, theirs) = member(&group, Role::Member, "Ada").await;
    let peer = other.peer_id();
    eventually("a member", || async { group.member(peer).await.is_ok() }).await;
    let (up, down) = (group.set_role(peer, Role::Admin), group.set_role(peer, Role::Reader));
    let known = group.member(peer);
    let removed = group.remove(peer, Default::default());
    let gone = group.member(peer);
    let invited = group.invite_peer(peer, "again", InviteMember::default());
    let listed = group.member(peer);
    assert_eq!(listed.await.unwrap().role, Some(Role::Member));
    invited.await.unwrap();
    assert_eq!(gone.await.unwrap_err().kind(), ErrorKind::NotFound);
    removed.await.unwrap();
    assert_eq!(known.await.unwrap().role, Some(Role::Reader));
    down.await.unwrap();
    up.await.unwrap();
    drop(theirs);
    tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(node.shutdown(), other.shutdown()) })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_calls_of_a_node_come_in_order_and_shutdown_after_them() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let (made, group) = (node.create_graph("first"), node.create_group("second"));
    let named = node.identities().create("Ada");
    let shut = node.shutdown();
    let (late, too_late) = (node.create_graph("third"), node.identities().create("Ben"));
    shut.await;
    // None of them was awaited before, and each was carried out before the end.
    let (made, group, named) = (made.await.unwrap(), group.await.unwrap(), named.await.unwrap());
    assert_eq!(made.status().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(late.await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(too_late.await.unwrap_err().kind(), ErrorKind::Closed);

    let node = node_at(dir.path()).await;
    let mut stored = node.stored_graphs();
    let mut expected = vec![made.id(), group.id()];
    stored.sort_unstable();
    expected.sort_unstable();
    assert_eq!(stored, expected);
    assert!(node.identities().list().iter().any(|identity| identity.peer_id() == named.peer_id()));

    // A place that nobody looks at holds back nobody, and one that is given up neither.
    let opened = node.open_graph(made.id(), OpenGraph::default());
    drop(node.create_graph("dropped"));
    let deleted = node.delete_graph(made.id());
    assert_eq!(deleted.await.unwrap_err().kind(), ErrorKind::GraphInUse, "opened before");
    opened.await.unwrap().close().await;
    node.delete_graph(made.id()).await.unwrap();
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_an_open_after_a_close_opens_anew_and_a_delete_after_a_close_deletes() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let mut group = node.create_group("again and again").await.unwrap();
    let mut graph = node.create_graph("as well").await.unwrap();
    for round in 0..20 {
        let published = group.publish(number(round));
        let also = graph.publish(number(round));
        let (closed, shut) = (group.close(), graph.close());
        let options = || OpenGraph { offline: round % 2 == 0, ..OpenGraph::default() };
        let opened = node.open_group_with(group.id(), options());
        let reopened = node.open_graph(graph.id(), options());
        let (opened, reopened) = (opened.await.unwrap(), reopened.await.unwrap());
        for open in [opened.graph(), &reopened] {
            assert!(open.status().await.is_ok(), "round {round}");
            assert_eq!(open.list(ListQuery::default()).await.unwrap().items.len(), round as usize + 1);
        }
        assert_eq!(group.status().await.unwrap_err().kind(), ErrorKind::Closed, "the handle that was closed");
        assert_eq!(node.open_graphs().len(), 2, "round {round}");
        published.await.unwrap();
        also.await.unwrap();
        closed.await;
        shut.await;
        (group, graph) = (opened, reopened);
    }
    drop(group.close());
    let deleted = node.delete_graph(group.id());
    drop(graph.close());
    let also = node.delete_graph(graph.id());
    deleted.await.unwrap();
    also.await.unwrap();
    assert!(node.stored_graphs().is_empty());
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_a_graph_in_memory_is_gone_for_the_calls_after_its_close() {
    let node = peergraph_tests::node().await;
    let options = || CreateGraph { seed: Some([9; 32]), ..CreateGraph::from("made twice") };
    let identity = node.identities().create("to be deleted").await.unwrap();
    for _ in 0..10 {
        let graph = node.create_graph(options()).await.unwrap();
        drop(graph.close());
        let again = node.create_graph(options()).await.unwrap();
        drop(again.close());
        assert_eq!(
            node.open_graph(again.id(), OpenGraph::default()).await.unwrap_err().kind(),
            ErrorKind::UnknownGraph
        );
        let owned = CreateGroup { identity: Some(identity.clone()), ..CreateGroup::from("theirs") };
        let group = node.create_group(owned).await.unwrap();
        drop(group.close());
        assert_eq!(identity.groups().await.unwrap(), []);
    }
    let owned = CreateGroup { identity: Some(identity.clone()), ..CreateGroup::from("theirs") };
    drop(node.create_group(owned).await.unwrap().close());
    identity.delete().await.unwrap();
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_a_close_comes_after_the_opens_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let group = node.create_group("shared").await.unwrap();
    let graph = node.create_graph("closed").await.unwrap();
    // Of a graph there is one close for all who have it.
    let opened = node.open_graph(graph.id(), OpenGraph::default());
    let closed = graph.close();
    let opened = opened.await.unwrap();
    closed.await;
    assert_eq!(opened.status().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(node.open_graphs().len(), 1);
    node.delete_graph(graph.id()).await.unwrap();
    // Of a group each who opened it has one, and whoever asked before counts.
    let mut first = group;
    for round in 0..20 {
        let second = node.open_group(first.id());
        let closed = first.close();
        if round % 2 == 0 {
            closed.await;
        }
        let second = second.await.unwrap();
        second.publish(number(round)).await.unwrap();
        first = second;
    }
    // One that asked and does not wait for it keeps nothing open.
    let unwanted = node.open_group(first.id());
    let closed = first.close();
    drop(unwanted);
    closed.await;
    eventually("it is closed", || async { node.census().open == 0 }).await;
    node.delete_graph(first.id()).await.unwrap();
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_who_left_has_closed_for_the_calls_after_it() {
    let (first, group) = peergraph_tests::group("left").await;
    let (second, theirs) = member(&group, Role::Member, "Ada").await;
    drop(theirs.leave());
    // In memory nothing is left of it.
    let error = second.delete_graph(theirs.id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownGraph);
    assert_eq!(second.census().open, 0);
    first.shutdown().await;
    second.shutdown().await;
}

/// What a call came to, if that is known already.
async fn known<T>(call: &mut peergraph::Call<T>) -> Option<T> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut *call).poll(cx) {
        std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_a_close_of_one_of_several_returns_when_what_was_called_before_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let group = node.create_group("shared").await.unwrap();
    for round in 0..20 {
        let part = node.open_group(group.id()).await.unwrap();
        let mut calls: Vec<_> = (0..PUBLISHED).map(|n| part.publish(number(n))).collect();
        // Every second time another part opens it meanwhile.
        let opening = (round % 2 == 0).then(|| node.open_group(group.id()));
        part.close().await;
        for call in &mut calls {
            let stored = known(call).await.unwrap_or_else(|| panic!("round {round}: not stored yet"));
            stored.unwrap();
        }
        // Closing it again waits too.
        let mut late = group.publish(number(0));
        part.clone().close().await;
        known(&mut late).await.expect("stored as well").unwrap();
        if let Some(opening) = opening {
            opening.await.unwrap().close().await;
        }
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_a_second_close_waits_for_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    for round in 0..10 {
        let group = node.create_group("closed twice").await.unwrap();
        let mut calls: Vec<_> = (0..PUBLISHED).map(|n| group.publish(number(n))).collect();
        let first = group.close();
        group.clone().close().await;
        assert_eq!(node.census().open, 0, "round {round}");
        for call in &mut calls {
            known(call).await.expect("stored").unwrap();
        }
        let graph = node.create_graph("closed twice").await.unwrap();
        let also = graph.close();
        graph.close().await;
        assert_eq!(node.census().open, 0, "round {round}");
        first.await;
        also.await;
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_a_close_counts_when_the_call_that_kept_the_group_open_comes_to_nothing() {
    let (host, group) = peergraph_tests::group("joined").await;
    let link = group.invite_link(InviteLink { uses: 9, ..InviteLink::default() }).await.unwrap();
    for round in 0..9 {
        // Joined, which once counted as a join under way for ever.
        let (node, own) = member(&group, Role::Member, "Ada").await;
        match round % 3 {
            0 => {
                let joining = node.join_group(link.clone());
                own.close().await;
                assert_eq!(node.census().open, 1, "round {round}: it is joined meanwhile");
                drop(joining);
            }
            1 => {
                let joining = node.join_group(JoinGroup::from(link.clone()).named("\n"));
                own.close().await;
                joining.await.unwrap_err();
            }
            _ => {
                let (opening, closed) = (node.open_group(own.id()), own.close());
                drop(opening);
                closed.await;
            }
        }
        eventually("it is closed", || async { node.census().open == 0 }).await;
        node.shutdown().await;
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_a_close_that_another_part_outlived_is_forgotten() {
    let (node, mut group) = peergraph_tests::group("outlived").await;
    for round in 0..10 {
        let opening = node.open_group(group.id());
        // So that the other part has it before it is the turn of the close.
        let between = node.identities().create("between");
        let closed = group.close();
        let second = opening.await.unwrap();
        closed.await;
        between.await.unwrap();
        let kept = second.graph().clone();
        drop(second);
        // Called, and given up once it was carried out.
        let unwanted = node.open_group(kept.id());
        node.identities().create("carried out").await.unwrap();
        drop(unwanted);
        node.identities().create("undone").await.unwrap();
        assert!(kept.status().await.is_ok(), "round {round}: a handle of it is held");
        group = node.open_group(kept.id()).await.unwrap();
    }
    node.shutdown().await;
}
