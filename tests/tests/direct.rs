//! Direct connections, and data on them and on neighbor links.

use peergraph::{
    ErrorKind, Event, OpenGraph,
    events::{ConnectionChange, EventFilter, EventKind, FailureReason},
    link::ConnectionKind,
};
use peergraph_tests::{PATIENCE, eventually, expect, founder, joiner, node, note};

fn accepting() -> EventFilter {
    EventFilter::kinds([EventKind::DirectConnection, EventKind::IncomingData])
}

#[tokio::test(flavor = "multi_thread")]
async fn g41_only_those_who_opted_in_are_reached_and_data_is_never_flooded() {
    let (first, graph) = founder("g41").await;
    let (second, joined) = joiner(&graph).await;
    let (third, last) = joiner(&graph).await;
    let refused = graph.open_direct(second.id()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::DirectNotAccepted);

    let events = joined.events(accepting()).unwrap();
    let others = last.events(accepting()).unwrap();
    // Between any two nodes of the graph, by node or by peer, neighbors or not.
    eventually("known", || async { graph.nodes().await.unwrap().len() == 3 }).await;
    let direct = graph.open_direct(second.peer_id()).await.unwrap();
    assert!(direct.send("t", "only you").await.unwrap().delivered().await.unwrap());
    let got = expect(&events, "the data", |event| match event {
        Event::IncomingData(data) => Some(data.clone()),
        _ => None,
    })
    .await;
    assert_eq!((&got.data[..], got.node, got.peer), (&b"only you"[..], first.id(), first.peer_id()));
    assert_eq!((got.kind, got.data_type.as_str()), (ConnectionKind::Direct, "t"));
    let root = graph.fingerprint().await.unwrap();
    assert!(others.try_next().is_none());
    assert_eq!(last.fingerprint().await.unwrap().count, root.count, "data is no record");

    // Opting out again closes the door.
    events.close();
    eventually("no longer accepting", || async {
        graph.open_direct(second.id()).await.is_err_and(|e| e.kind() == ErrorKind::DirectNotAccepted)
    })
    .await;
    for node in [first, second, third] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g42_e13_e22_data_travels_both_ways_in_order_on_direct_and_neighbor_links() {
    let (first, graph) = founder("g42").await;
    let (second, joined) = joiner(&graph).await;
    let (here, there) = (graph.events(accepting()).unwrap(), joined.events(accepting()).unwrap());
    let direct = graph.open_direct(second.id()).await.unwrap();
    let far_id = expect(&there, "connected", |event| match event {
        Event::DirectConnection(e) if e.change == ConnectionChange::Connected => Some(e.connection),
        _ => None,
    })
    .await;
    let neighbor = joined.neighbors().await.unwrap()[0].connection;
    for n in 0..200u32 {
        direct.send("count", n.to_le_bytes().to_vec()).await.unwrap();
        joined.send(far_id, "count", n.to_le_bytes().to_vec()).await.unwrap();
        joined.send(neighbor, "near", n.to_le_bytes().to_vec()).await.unwrap();
    }
    let numbers = |events, kind: &'static str| async move {
        let mut numbers = Vec::new();
        while numbers.len() < 200 {
            numbers.push(
                expect(events, "a number", |event| match event {
                    Event::IncomingData(d) if d.data_type == kind => {
                        Some(u32::from_le_bytes(d.data[..].try_into().unwrap()))
                    }
                    _ => None,
                })
                .await,
            );
        }
        numbers
    };
    let all: Vec<u32> = (0..200).collect();
    assert_eq!(numbers(&there, "count").await, all);
    // Two connections into one queue: each keeps its own order.
    let (mut counts, mut nears) = (Vec::new(), Vec::new());
    while counts.len() < 200 || nears.len() < 200 {
        let data = expect(&here, "data", |event| match event {
            Event::IncomingData(data) => Some(data.clone()),
            _ => None,
        })
        .await;
        let number = u32::from_le_bytes(data.data[..].try_into().unwrap());
        match data.kind {
            ConnectionKind::Direct => counts.push(number),
            ConnectionKind::Neighbor => nears.push(number),
        }
    }
    assert_eq!((counts, nears), (all.clone(), all));
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g43_unknown_connections_are_errors_and_delivery_is_told() {
    let (first, graph) = founder("g43").await;
    let (second, joined) = joiner(&graph).await;
    let nowhere = peergraph::ConnectionId(999_999);
    assert_eq!(graph.send(nowhere, "t", "x").await.unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(graph.disconnect(nowhere).await.unwrap_err().kind(), ErrorKind::NotConnected);

    let neighbor = graph.neighbors().await.unwrap()[0].connection;
    let unheard = graph.send(neighbor, "t", "nobody subscribes").await.unwrap();
    assert!(!unheard.delivered().await.unwrap());
    let events = joined
        .events(EventFilter::kinds([EventKind::IncomingData]).data_types(["t".parse().unwrap()]))
        .unwrap();
    assert!(graph.send(neighbor, "t", "heard").await.unwrap().delivered().await.unwrap());
    assert!(!graph.send(neighbor, "u", "another type").await.unwrap().delivered().await.unwrap());
    assert!(matches!(events.next().await, Some(Event::IncomingData(_))));
    assert_eq!(graph.send(neighbor, "no name", "x").await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    let huge = vec![0; 16 * 1024 * 1024 + 1];
    assert_eq!(graph.send(neighbor, "t", huge).await.unwrap_err().kind(), ErrorKind::TooLarge);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g44_connections_are_enumerated_with_peer_node_and_address() {
    let (first, graph) = founder("g44").await;
    let (second, joined) = joiner(&graph).await;
    let _events = joined.events(accepting()).unwrap();
    let direct = graph.open_direct(second.id()).await.unwrap();
    let (neighbors, directs) = (graph.neighbors().await.unwrap(), graph.direct_connections().await.unwrap());
    assert_eq!((neighbors.len(), directs.len()), (1, 1));
    for info in neighbors.iter().chain(&directs) {
        assert_eq!((info.node, info.peer), (second.id(), second.peer_id()));
    }
    assert_eq!((neighbors[0].kind, directs[0].kind), (ConnectionKind::Neighbor, ConnectionKind::Direct));
    assert_ne!(neighbors[0].connection, directs[0].connection);
    assert_eq!(directs[0].connection, direct.id());
    assert!(!neighbors[0].addr.addrs.is_empty());
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e12_both_ends_are_told_of_up_and_down_and_the_opener_of_failure() {
    let (first, graph) = founder("e12").await;
    let (second, joined) = joiner(&graph).await;
    let (here, there) = (graph.events(accepting()).unwrap(), joined.events(accepting()).unwrap());
    let change = |events| {
        expect(events, "a direct connection's event", |event| match event {
            Event::DirectConnection(e) => Some(e.clone()),
            _ => None,
        })
    };
    let direct = graph.open_direct(second.id()).await.unwrap();
    let (up_here, up_there) = (change(&here).await, change(&there).await);
    assert_eq!((up_here.change, up_there.change), (ConnectionChange::Connected, ConnectionChange::Connected));
    assert_eq!((up_here.node, up_there.node), (Some(second.id()), Some(first.id())));
    direct.close().await.unwrap();
    assert_eq!(change(&here).await.change, ConnectionChange::Disconnected { reason: FailureReason::Closed });
    assert_eq!(
        change(&there).await.change,
        ConnectionChange::Disconnected { reason: FailureReason::ClosedByPeer }
    );
    assert_eq!(direct.send("t", "x").await.unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(direct.close().await.unwrap_err().kind(), ErrorKind::NotConnected);

    there.close();
    eventually("refused", || async { graph.open_direct(second.id()).await.is_err() }).await;
    let failed = change(&here).await;
    assert_eq!(failed.change, ConnectionChange::Failed { reason: FailureReason::Refused });
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_slows_its_sender_and_nothing_is_dropped() {
    let (first, graph) = founder("slow").await;
    let (second, joined) = joiner(&graph).await;
    let events = joined.events(accepting()).unwrap();
    let direct = graph.open_direct(second.id()).await.unwrap();
    const MESSAGES: usize = 400;
    let sender = tokio::spawn(async move {
        for n in 0..MESSAGES {
            let mut body = vec![0u8; 64 * 1024];
            body[..8].copy_from_slice(&n.to_le_bytes());
            direct.send("bulk", body).await.unwrap();
        }
        direct
    });
    // 25 MB do not fit into the queues: without reading, the sender cannot finish.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(!sender.is_finished(), "the sender is held back");
    for n in 0..MESSAGES {
        let got = expect(&events, "each message", |event| match event {
            Event::IncomingData(d) => Some(usize::from_le_bytes(d.data[..8].try_into().unwrap())),
            _ => None,
        })
        .await;
        assert_eq!(got, n);
    }
    sender.await.unwrap();
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_flow_while_direct_data_is_stuck() {
    let (first, graph) = founder("stuck").await;
    let second = node().await;
    let joined = second.open_graph(graph.ticket().await.unwrap(), OpenGraph::default()).await.unwrap();
    let _never_read = joined.events(accepting()).unwrap();
    joined.connect(first.addr()).await.unwrap();
    let direct = graph.open_direct(second.addr()).await.unwrap();
    let stuck = tokio::spawn(async move {
        loop {
            if direct.send("bulk", vec![0; 64 * 1024]).await.is_err() {
                break;
            }
        }
    });
    let record = graph.publish(note("past the jam")).await.unwrap();
    eventually("the record arrives", || async { joined.get(record.id).await.unwrap().is_some() }).await;
    first.shutdown().await;
    second.shutdown().await;
    stuck.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_does_not_wait_behind_data_that_nobody_reads() {
    let (first, graph) = founder("acks").await;
    let (second, joined) = joiner(&graph).await;
    let (_never_read, there) = (graph.events(accepting()).unwrap(), joined.events(accepting()).unwrap());
    let direct = graph.open_direct(second.id()).await.unwrap();
    let back = expect(&there, "connected", |event| match event {
        Event::DirectConnection(e) if e.change == ConnectionChange::Connected => Some(e.connection),
        _ => None,
    })
    .await;
    let flood = {
        let joined = joined.clone();
        tokio::spawn(async move { while joined.send(back, "bulk", vec![0; 64 * 1024]).await.is_ok() {} })
    };
    for _ in 0..20 {
        let receipt = direct.send("t", "a question").await.unwrap();
        assert!(tokio::time::timeout(PATIENCE, receipt.delivered()).await.expect("told in time").unwrap());
    }
    first.shutdown().await;
    second.shutdown().await;
    flood.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_closing_still_arrives() {
    let (first, graph) = founder("close").await;
    let (second, joined) = joiner(&graph).await;
    let there = joined.events(accepting()).unwrap();
    let direct = graph.open_direct(second.id()).await.unwrap();
    for n in 0..100u32 {
        let body = [&n.to_le_bytes()[..], &[0; 2000]].concat();
        direct.send("t", body).await.unwrap();
    }
    direct.close().await.unwrap();
    let mut seen = Vec::new();
    let reason = loop {
        match there.next().await.expect("an open stream") {
            Event::IncomingData(d) => seen.push(u32::from_le_bytes(d.data[..4].try_into().unwrap())),
            Event::DirectConnection(e) => {
                if let ConnectionChange::Disconnected { reason } = e.change {
                    break reason;
                }
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
    assert_eq!(reason, FailureReason::ClosedByPeer);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_arrives_and_nothing_is_after_a_close() {
    let (first, graph) = founder("closed").await;
    let (second, joined) = joiner(&graph).await;
    let events = joined.events(accepting()).unwrap();
    for _ in 0..50 {
        let direct = graph.open_direct(second.id()).await.unwrap();
        let receipt = direct.send("t", "before").await.unwrap();
        direct.close().await.unwrap();
        // At once: the link itself is not gone yet.
        assert_eq!(direct.send("t", "after").await.unwrap_err().kind(), ErrorKind::NotConnected);
        let got = expect(&events, "the data", |event| match event {
            Event::IncomingData(data) => Some(data.data.clone()),
            _ => None,
        });
        assert_eq!(&got.await[..], b"before");
        drop(receipt);
    }
    first.shutdown().await;
    second.shutdown().await;
}
