//! Events through the public interface, on real nodes.

use std::{sync::Arc, time::Duration};

use peergraph::{
    ListQuery, OpenGraph, RecordDraft, RecordUpdate,
    events::{ChangeKind, ChangeOrigin, Event, EventFilter, EventKind, NodeChange, Start, SubscribeOptions},
    limits::EVENT_BATCH_BYTES,
};
use peergraph_tests::{PATIENCE, converge, eventually, expect, founder, joiner, node, node_at, note};

fn records() -> EventFilter {
    EventFilter::kinds([EventKind::RecordChanged])
}

fn text(event: &Event) -> Option<String> {
    match event {
        Event::RecordChanged(change) => change.record.body_text().map(str::to_owned),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e1_only_registered_kinds_are_delivered() {
    let (first, graph) = founder("e1").await;
    let only_status = graph.events(EventFilter::kinds([EventKind::StatusChanged])).unwrap();
    let all = graph.events(EventFilter::all()).unwrap();
    let (second, joined) = joiner(&graph).await;
    joined.publish(note("x")).await.unwrap();
    expect(&all, "the record", text).await;
    expect(&only_status, "a change of status", |e| matches!(e, Event::StatusChanged(_)).then_some(())).await;
    while let Some(event) = only_status.try_next() {
        assert!(matches!(event, Event::StatusChanged(_)), "{event:?}");
    }
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e3_e4_filters_by_type_and_author_and_independent_registrations() {
    let (first, graph) = founder("e3").await;
    let (second, joined) = joiner(&graph).await;
    let by_type = graph.events(records().record_types(["b.b".parse().unwrap()])).unwrap();
    let by_author = graph.events(records().authors([second.peer_id()])).unwrap();
    let (one, two) = (graph.events(records()).unwrap(), graph.events(records()).unwrap());
    for (graph, kind, body) in
        [(&graph, "a.a", "1"), (&graph, "b.b", "2"), (&joined, "a.a", "3"), (&joined, "b.b", "4")]
    {
        graph.publish(RecordDraft::new(kind, body).unwrap()).await.unwrap();
    }
    let mut taken = Vec::new();
    for (events, count) in [(&by_type, 2), (&by_author, 2), (&one, 4), (&two, 4)] {
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(expect(events, "a match", text).await);
        }
        assert!(events.try_next().is_none());
        texts.sort();
        taken.push(texts.concat());
    }
    assert_eq!(taken, ["24", "34", "1234", "1234"]);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e5_e6_one_wake_up_many_events_empty_ends_and_unregistering_is_final() {
    let (node, graph) = founder("e5").await;
    let events = graph.events(records()).unwrap();
    let wakes = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = wakes.clone();
    events.set_wake_hook(Some(Arc::new(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    })));
    for n in 0..10 {
        graph.publish(note(&format!("{n}"))).await.unwrap();
    }
    assert!(events.ready().await);
    assert!(wakes.load(std::sync::atomic::Ordering::SeqCst) >= 1);
    let mut taken = 0;
    while events.try_next().is_some() {
        taken += 1;
    }
    assert_eq!(taken, 10);
    assert!(events.try_next().is_none(), "empty is said, and saying it again is harmless");
    graph.publish(note("again")).await.unwrap();
    eventually("a new wake-up", || async { wakes.load(std::sync::atomic::Ordering::SeqCst) >= 2 }).await;
    events.close();
    let before = wakes.load(std::sync::atomic::Ordering::SeqCst);
    assert!(events.try_next().is_none(), "pending events are dropped");
    graph.publish(note("unheard")).await.unwrap();
    assert_eq!(wakes.load(std::sync::atomic::Ordering::SeqCst), before);
    assert!(events.is_finished() && !events.ready().await && events.next().await.is_none());
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e9_e10_changes_carry_the_record_for_local_flooded_and_synchronised() {
    let (first, graph) = founder("e9").await;
    let local = graph.events(records()).unwrap();
    let record = graph.publish(note("one")).await.unwrap();
    let change = |events, what| {
        expect(events, what, |event| match event {
            Event::RecordChanged(change) => Some(change.clone()),
            _ => None,
        })
    };
    let seen = change(&local, "added here").await;
    assert_eq!((seen.change, seen.origin), (ChangeKind::Added, ChangeOrigin::Local));
    assert_eq!(*seen.record, record);

    let second = node().await;
    let joined = second.open_graph(graph.ticket().await.unwrap(), OpenGraph::default()).await.unwrap();
    let remote = joined.events(records()).unwrap();
    joined.connect(first.addr()).await.unwrap();
    let seen = change(&remote, "added by comparing").await;
    assert_eq!((seen.change, seen.origin, &*seen.record), (ChangeKind::Added, ChangeOrigin::Sync, &record));
    eventually("synchronised", || async { joined.status().await.unwrap().synchronized }).await;

    graph.update(record.id, RecordUpdate::body("two")).await.unwrap();
    graph.delete(record.id).await.unwrap();
    let seen = change(&remote, "updated").await;
    assert_eq!((seen.change, seen.origin), (ChangeKind::Updated, ChangeOrigin::Flood));
    assert_eq!(seen.record.body_text(), Some("two"));
    let seen = change(&remote, "deleted").await;
    assert_eq!((seen.change, seen.record.id), (ChangeKind::Deleted, record.id));
    assert_eq!(seen.record.record_type, "test.note");
    assert!(seen.record.deleted && seen.record.body.is_empty());
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e14_an_isolated_node_asks_for_a_connection() {
    let dir = tempfile::tempdir().unwrap();
    let first = node_at(dir.path()).await;
    let graph = first.create_graph("e14").await.unwrap();
    let events = graph.events(EventFilter::kinds([EventKind::ConnectionRequired])).unwrap();
    graph.listen().await.unwrap();
    let reason = expect(&events, "a connection is wanted", |event| match event {
        Event::ConnectionRequired(reason) => Some(*reason),
        _ => None,
    })
    .await;
    assert_eq!(reason, peergraph::events::RequiredReason::Isolated);
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e15_node_events_name_node_and_peer() {
    let (first, graph) = founder("e15").await;
    let events = graph.events(EventFilter::kinds([EventKind::NodeChanged])).unwrap();
    let (second, joined) = joiner(&graph).await;
    let mut changes = Vec::new();
    joined.set_node_attributes(Some("x")).await.unwrap();
    for wanted in [NodeChange::Connected, NodeChange::Updated, NodeChange::Disconnected] {
        if wanted == NodeChange::Disconnected {
            second.shutdown().await;
        }
        changes.push(
            expect(&events, "the next change", |event| match event {
                Event::NodeChanged { change, node } if *change == wanted => Some((node.node, node.peer)),
                _ => None,
            })
            .await,
        );
    }
    assert_eq!(changes, [(second.id(), second.peer_id()); 3]);
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e16_g20_types_with_precedence_come_first_then_everything() {
    let (first, graph) = founder("e16").await;
    for n in 0..300 {
        let kind = if n % 2 == 0 { "later" } else { "sooner" };
        graph.publish(RecordDraft::new(kind, format!("{n}")).unwrap()).await.unwrap();
    }
    let second = node().await;
    let options = OpenGraph { precedence: vec!["sooner".parse().unwrap()], ..OpenGraph::default() };
    let joined = second.open_graph(graph.ticket().await.unwrap(), options).await.unwrap();
    let events = joined
        .events(EventFilter::kinds([
            EventKind::RecordChanged,
            EventKind::Synchronized,
            EventKind::PropertyChanged,
        ]))
        .unwrap();
    joined.connect(first.addr()).await.unwrap();
    let mut order = Vec::new();
    loop {
        match expect(&events, "synchronised", |event| Some(event.clone())).await {
            Event::PropertyChanged { .. } => order.push("properties".to_owned()),
            Event::RecordChanged(change) => order.push(change.record.record_type.to_string()),
            Event::Synchronized(Some(kind)) => order.push(format!("all {kind}")),
            Event::Synchronized(None) => break,
            other => panic!("{other:?}"),
        }
    }
    let at = |what: &str| order.iter().position(|o| o == what).unwrap_or_else(|| panic!("no {what}"));
    let last = |what: &str| order.iter().rposition(|o| o == what).unwrap();
    assert_eq!(order[0], "properties");
    assert!(last("sooner") < at("all sooner"), "the type is told when it is complete");
    assert!(at("all sooner") < at("later"));
    assert_eq!(order.iter().filter(|o| *o == "sooner").count(), 150);
    assert_eq!(order.iter().filter(|o| *o == "later").count(), 150);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e19_registering_before_connect_misses_nothing() {
    let (first, graph) = founder("e19").await;
    for n in 0..100 {
        graph.publish(note(&format!("{n}"))).await.unwrap();
    }
    let second = node().await;
    let joined = second.open_graph(graph.ticket().await.unwrap(), OpenGraph::default()).await.unwrap();
    let events = joined.events(EventFilter::all()).unwrap();
    joined.connect(first.addr()).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let (mut connected, mut synchronized) = (false, false);
    while seen.len() < 100 || !connected || !synchronized {
        match expect(&events, "everything", |event| Some(event.clone())).await {
            Event::RecordChanged(change) => assert!(seen.insert(change.record.id), "told twice"),
            Event::NeighborConnection(_) => connected = true,
            Event::Synchronized(None) => synchronized = true,
            _ => {}
        }
    }
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e20_snapshot_then_live_without_gap_or_repeat() {
    let (node, graph) = founder("e20").await;
    for n in 0..50 {
        graph.publish(note(&format!("{n}"))).await.unwrap();
    }
    let writer = graph.clone();
    let writing = tokio::spawn(async move {
        for n in 50..150 {
            writer.publish(note(&format!("{n}"))).await.unwrap();
        }
    });
    let events = graph.subscribe(SubscribeOptions::new(records()).start(Start::Snapshot)).unwrap();
    let (mut seen, mut caught_up) = (std::collections::BTreeSet::new(), false);
    while seen.len() < 150 {
        match expect(&events, "all 150", |event| Some(event.clone())).await {
            Event::RecordChanged(change) => {
                assert!(seen.insert(change.record.body_text().unwrap().to_owned()), "told twice");
            }
            Event::CaughtUp(_) => caught_up = true,
            other => panic!("{other:?}"),
        }
    }
    writing.await.unwrap();
    assert!(caught_up);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e21_a_slow_consumer_loses_no_record_in_bounded_memory() {
    let (node, graph) = founder("e21").await;
    let events = graph.subscribe(SubscribeOptions::new(records()).capacity(16)).unwrap();
    let mut ids = Vec::new();
    for n in 0..500 {
        ids.push(graph.publish(note(&format!("{n}"))).await.unwrap().id);
    }
    let mut seen = Vec::new();
    while seen.len() < 500 {
        seen.push(
            expect(&events, "all 500", |event| match event {
                Event::RecordChanged(change) => Some(change.record.id),
                _ => None,
            })
            .await,
        );
    }
    assert_eq!(seen, ids, "in the order of the feed");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_survive_restarts_and_reset_where_they_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let first = node_at(dir.path()).await;
    let graph = first.create_graph("cursor").await.unwrap();
    let events = graph.events(records()).unwrap();
    let kept = graph.publish(note("seen")).await.unwrap();
    expect(&events, "seen", text).await;
    graph.save_cursor("reader", events.cursor()).await.unwrap();
    let id = graph.id();
    graph.publish(note("missed")).await.unwrap();
    graph.update(kept.id, RecordUpdate::body("changed")).await.unwrap();
    first.shutdown().await;

    let first = node_at(dir.path()).await;
    let graph = first.open_graph(id, OpenGraph::default()).await.unwrap();
    let cursor = graph.load_cursor("reader").await.unwrap().expect("it was saved");
    assert_eq!(graph.load_cursor("nobody").await.unwrap(), None);
    let resume =
        |cursor| graph.subscribe(SubscribeOptions::new(records()).start(Start::After(cursor))).unwrap();
    let events = resume(cursor);
    let mut seen = Vec::new();
    loop {
        match expect(&events, "what was missed", |event| Some(event.clone())).await {
            Event::RecordChanged(change) => {
                seen.push((change.change, change.record.body_text().unwrap().to_owned()))
            }
            Event::CaughtUp(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, [(ChangeKind::Added, "missed".into()), (ChangeKind::Updated, "changed".into())]);

    let foreign = resume(peergraph::events::Cursor::from_bytes(&[9; 24]));
    assert_eq!(expect(&foreign, "reset", |event| Some(event.clone())).await, Event::Reset);
    let mut full = 0;
    while !matches!(expect(&foreign, "the full set", |event| Some(event.clone())).await, Event::CaughtUp(_)) {
        full += 1;
    }
    assert_eq!(full, graph.records(ListQuery::default()).collect().await.unwrap().len());
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e24_the_seed_scenario_registers_five_kinds_waits_drains_and_unregisters() {
    let (first, graph) = founder("e24").await;
    let second = node().await;
    let joined = second.open_graph(graph.ticket().await.unwrap(), OpenGraph::default()).await.unwrap();
    let five = [
        EventKind::RecordChanged,
        EventKind::NodeChanged,
        EventKind::StatusChanged,
        EventKind::DirectConnection,
        EventKind::IncomingData,
    ];
    let events = joined.events(EventFilter::kinds(five)).unwrap();
    joined.connect(first.addr()).await.unwrap();
    graph.publish(note("hello")).await.unwrap();
    let direct = graph.open_direct(second.addr()).await.unwrap();
    assert!(direct.send("seed.data", "bytes").await.unwrap().delivered().await.unwrap());
    let mut kinds = std::collections::BTreeSet::new();
    while kinds.len() < 5 {
        let waited = tokio::time::timeout(Duration::from_secs(20), events.ready()).await;
        assert_eq!(waited, Ok(true), "only {kinds:?}");
        while let Some(event) = events.try_next() {
            kinds.insert(event.kind().expect("nothing is lost in so little"));
        }
    }
    events.close();
    converge(&[&graph, &joined]).await;
    // The referral workaround is not needed, and still works: the status tells.
    assert!(joined.status().await.unwrap().has_connections);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn k9_a_batch_of_events_is_bounded_in_bytes() {
    const RECORDS: usize = 24;
    const SIZE: usize = 1000 * 1000;
    let dir = tempfile::tempdir().unwrap();
    let node = node_at(dir.path()).await;
    let graph = node.create_graph("large").await.unwrap();
    let wanted = || SubscribeOptions::new(EventFilter::kinds([EventKind::RecordChanged]));
    let live = graph.subscribe(wanted()).unwrap();
    for n in 0..RECORDS {
        graph.publish(RecordDraft::new("test.large", vec![n as u8; SIZE]).unwrap()).await.unwrap();
    }
    // From memory, and from the database.
    let stored = graph.subscribe(SubscribeOptions { start: Start::Snapshot, ..wanted() }).unwrap();
    for events in [live, stored] {
        let mut found = Vec::new();
        while found.len() < RECORDS {
            let batch = tokio::time::timeout(PATIENCE, events.next_batch(512)).await.unwrap();
            let bodies = batch.iter().filter_map(|event| match event {
                Event::RecordChanged(change) => Some(change.record.body.clone()),
                _ => None,
            });
            let bodies: Vec<_> = bodies.collect();
            let bytes: usize = bodies.iter().map(bytes::Bytes::len).sum();
            assert!(!batch.is_empty() && bytes <= EVENT_BATCH_BYTES, "{bytes} bytes in one batch");
            found.extend(bodies.iter().map(|body| usize::from(body[0])));
        }
        assert!(found.iter().copied().eq(0..RECORDS), "{found:?}");
    }
    node.shutdown().await;
}
