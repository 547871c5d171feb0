//! What a neighbor costs that asks, and reads none of the answers; and that one who reads slowly is no such neighbor.

use std::time::Duration;

use peergraph::{
    Durability, Event, Graph, Node, NodeConfig, NodeId, RecordDraft, RecordType, Ticket, Timestamp,
    events::{ConnectionChange, EventFilter, EventKind},
    record::{Header, SignedRecord},
    time::Hlc,
    wire::{Mark, Message, Ping},
};
use peergraph_tests::{
    PATIENCE, converge, eventually, founder,
    insider::Insider,
    joiner, node, note,
    throttle::{Throttle, behind, through},
};
use tokio::time::{Instant, sleep};

const RECORDS: u8 = 1;

/// What the flooder may cost, in MiB: windows and queues of one link at both of its ends, which are in this process, and what
/// allocators keep.
const MOST: usize = 128;

/// Resident memory of this process in MiB.
#[cfg(target_os = "linux")]
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a field of the status");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number") / 1024
}

/// Elsewhere only what is seen from outside is tested.
#[cfg(not(target_os = "linux"))]
fn memory() -> usize {
    0
}

fn ping(seq: u32) -> Message {
    let mark = Mark { node: NodeId::from_bytes([255; 32]), beat: 1 };
    Message::Ping(Ping { seq, peer_time: Timestamp(0), mark })
}

fn framed(message: &Message) -> Vec<u8> {
    let bytes = message.encode();
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], &bytes].concat()
}

async fn is_neighbor(graph: &Graph, node: NodeId) -> bool {
    graph.neighbors().await.unwrap().iter().any(|neighbor| neighbor.node == node)
}

/// Publishes at the node under attack, and waits until another honest one has it.
async fn goes_on(victim: &Graph, honest: &Graph) {
    let record = victim.publish(note("goes on")).await.unwrap();
    eventually("a record reaches the honest", || async { honest.get(record.id).await.unwrap().is_some() })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_who_asks_and_reads_nothing_is_parted_with() {
    let (ada, graph) = founder("b2").await;
    let (ben, joined) = joiner(&graph).await;
    let mut insider = Insider::neighbor(&graph.ticket().await.unwrap()).await;
    let node = insider.key.node();
    assert!(is_neighbor(&graph, node).await);
    // More answers than the flooder's end of the stream holds unread.
    for seq in 0..60_000 {
        insider.say(&ping(seq)).await;
    }
    let began = Instant::now();
    // It goes on saying that it lives, to which it would owe the link otherwise.
    let mut seq = 60_000;
    while is_neighbor(&graph, node).await {
        assert!(began.elapsed() < 10 * PATIENCE, "it reads nothing and stays");
        goes_on(&graph, &joined).await;
        insider.say(&ping(seq)).await;
        seq += 1;
        sleep(Duration::from_millis(200)).await;
    }
    // Nobody else is: the honest one had the link all the time.
    assert!(is_neighbor(&graph, ben.id()).await);
    converge(&[&graph, &joined]).await;
    ada.shutdown().await;
    ben.shutdown().await;
}

/// Two versions of one record by an insider, the second of this many bytes.
async fn versions(graph: &Graph, insider: &Insider, len: usize) -> [SignedRecord; 2] {
    let now = graph.peer_time().await.unwrap();
    let kind = RecordType::new("test.note").unwrap();
    let header = Header::first(kind, [9; 16], insider.key.peer(), Hlc::at(now));
    let old = SignedRecord::sign(&graph.id(), &insider.key, header, b"small");
    let mut header = old.header().clone();
    header.version = 2;
    header.hlc = Hlc::at(now + Duration::from_millis(1));
    header.replaced = Some(old.key().element);
    let new = SignedRecord::sign(&graph.id(), &insider.key, header, &vec![7; len]);
    [old, new]
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_b4_what_a_flooder_asks_for_and_does_not_read_costs_bounded_memory() {
    let (ada, graph) = founder("b2").await;
    let (ben, joined) = joiner(&graph).await;
    let mut insider = Insider::neighbor(&graph.ticket().await.unwrap()).await;
    let [old, new] = versions(&graph, &insider, 60_000).await;
    let push =
        |record: &SignedRecord| framed(&Message::Push { origin: 1, records: vec![record.bytes().clone()] });
    let mut records = insider.open(RECORDS).await;
    records.write_all(&push(&new)).await.unwrap();
    eventually("the newer version is there", || async {
        graph.get(new.id()).await.unwrap().is_some_and(|record| record.version == 2)
    })
    .await;
    converge(&[&graph, &joined]).await;

    let before = memory();
    let mut most = before;
    // Without a bound: 2.4 GB of what it asks for, and 1.2 GB of what beats its old version.
    let keys = vec![new.key(); 2000];
    let olds = push(&old).repeat(1000);
    for round in 0..20 {
        insider.say(&Message::Graft { origin: 1, keys: keys.clone() }).await;
        let _ = records.write_all(&olds).await;
        insider.say(&ping(round)).await;
        goes_on(&graph, &joined).await;
        most = most.max(memory());
    }
    assert!(most.saturating_sub(before) < MOST, "from {before} MiB to {most} MiB");
    assert!(is_neighbor(&graph, ben.id()).await);
    converge(&[&graph, &joined]).await;
    ada.shutdown().await;
    ben.shutdown().await;
}

/// A node that is reached through so narrow a way alone.
async fn through_a_narrow_way(bytes_per_second: u64) -> (Node, Graph, Throttle, Ticket) {
    let ada = behind(NodeConfig { durability: Durability::Relaxed, ..NodeConfig::loopback() }).await;
    let graph = ada.create_graph("narrow").await.unwrap();
    graph.listen().await.unwrap();
    let throttle = Throttle::new(ada.bound()[0], bytes_per_second).await;
    let ticket = Ticket { nodes: vec![through(&ada, &throttle)], ..graph.ticket().await.unwrap() };
    (ada, graph, throttle, ticket)
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_phone_with_one_megabit_is_not_parted_with_while_more_is_written_than_it_can_read() {
    let (ada, graph, _throttle, ticket) = through_a_narrow_way(125_000).await;
    let phone = node().await;
    let joined = phone.join(ticket).await.unwrap();
    converge(&[&graph, &joined]).await;
    let events = graph.events(EventFilter::kinds([EventKind::NeighborConnection])).unwrap();
    // Six megabytes at once: some fifty seconds, which is longer than one may read nothing.
    for _ in 0..300 {
        graph.publish(RecordDraft::new("test.note", vec![7; 20_000]).unwrap()).await.unwrap();
    }
    let deadline = Instant::now() + 10 * PATIENCE;
    while joined.fingerprint().await.unwrap() != graph.fingerprint().await.unwrap() {
        assert!(Instant::now() < deadline, "all of it arrives");
        sleep(Duration::from_millis(200)).await;
    }
    while let Some(event) = events.try_next() {
        let Event::NeighborConnection(event) = event else { continue };
        assert!(!matches!(event.change, ConnectionChange::Disconnected { .. }), "{event:?}");
    }
    ada.shutdown().await;
    phone.shutdown().await;
}
