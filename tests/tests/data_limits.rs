//! What application data may cost the node that it comes to.

use peergraph::{
    Graph,
    events::{EventFilter, EventKind},
    limits::MAX_DATA,
    wire::Message,
};
use peergraph_tests::{PATIENCE, founder, insider::Insider, joiner};
use tokio::time::timeout;

const DATA: u8 = 3;

/// `type length ‖ type ‖ length` of a message of type `t`.
fn head(len: usize) -> Vec<u8> {
    [&[1][..], b"t", &u32::try_from(len).unwrap().to_le_bytes()].concat()
}

/// Answers the other end's pings for as long as the link lasts.
async fn stays(mut insider: Insider) {
    while let Some(message) = insider.next().await {
        if let Message::Ping(ping) = message {
            insider.say(&Message::Pong(ping)).await;
        }
    }
}

fn data_of(graph: &Graph) -> peergraph::EventStream {
    graph.events(EventFilter::kinds([EventKind::IncomingData])).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_who_does_not_read_what_became_of_its_messages_is_held_back() {
    let (node, graph) = founder("b2").await;
    let insider = Insider::neighbor(&graph.ticket().await.unwrap()).await;
    let mut stream = insider.open(DATA).await;
    let reading = tokio::spawn(stays(insider));
    // Nobody subscribes, so each is told back with 8 bytes for its 6: what waits here is bounded, and so is what is taken.
    let some = head(0).repeat(10_000);
    let (mut sent, all) = (0, 64 << 20);
    while sent < all
        && timeout(PATIENCE / 10, stream.write_all(&some)).await.is_ok_and(|written| written.is_ok())
    {
        sent += some.len();
    }
    assert!(sent < all, "{sent} bytes were taken, and none of what was told read");
    reading.abort();
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_large_messages_that_stall_do_not_keep_others_from_sending() {
    let (node, graph) = founder("b2").await;
    let events = data_of(&graph);
    let (other, joined) = joiner(&graph).await;
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let insider = Insider::neighbor(&graph.ticket().await.unwrap()).await;
        let mut stream = insider.open(DATA).await;
        stream.write_all(&head(MAX_DATA)).await.unwrap();
        // So much is in flight at most: when this has gone, the message has its place.
        stream.write_all(&vec![7; 4 << 20]).await.unwrap();
        stalled.push((stream, tokio::spawn(stays(insider))));
    }
    let neighbors = joined.neighbors().await.unwrap();
    let to = neighbors.iter().find(|neighbor| neighbor.node == node.id()).unwrap().connection;
    let receipt = joined.send(to, "t", vec![1; 1 << 20]).await.unwrap();
    let delivered = timeout(2 * PATIENCE, receipt.delivered()).await.expect("a place in time").unwrap();
    assert!(delivered);
    assert!(events.next().await.is_some());
    assert!(stalled.iter().all(|(_, link)| !link.is_finished()), "who is slow is told, and stays");
    for (_, link) in stalled {
        link.abort();
    }
    node.shutdown().await;
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_large_messages_that_nobody_wants_are_skipped_and_told() {
    let (node, graph) = founder("b2").await;
    let (other, joined) = joiner(&graph).await;
    let to = joined.neighbors().await.unwrap()[0].connection;
    let mut receipts = Vec::new();
    for n in 0..8u8 {
        receipts.push(joined.send(to, "t", vec![n; 4 << 20]).await.unwrap());
        receipts.push(joined.send(to, "t", vec![n]).await.unwrap());
    }
    for receipt in receipts {
        assert!(!receipt.delivered().await.unwrap(), "nobody subscribes");
    }
    // What follows is cut and counted as before.
    let events = data_of(&graph);
    for len in [4 << 20, 1, 64 * 1024, 64 * 1024 + 1, MAX_DATA] {
        assert!(joined.send(to, "t", vec![5; len]).await.unwrap().delivered().await.unwrap());
        let Some(peergraph::Event::IncomingData(data)) = events.next().await else { panic!("data") };
        assert!(data.data.len() == len && data.data.iter().all(|byte| *byte == 5));
    }
    node.shutdown().await;
    other.shutdown().await;
}
