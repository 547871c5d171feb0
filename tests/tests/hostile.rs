//! Those who mean harm or are broken: strangers, insiders, altered databases, listeners on the wire.

use std::time::Duration;

use peergraph::{
    ErrorKind, Graph, GraphSecret, ListQuery, NodeAddr, NodeId, OpenGraph, RecordDraft, RecordType,
    SecretKey, Timestamp,
    record::{Header, SignedRecord},
    time::Hlc,
    wire::{Mark, Message, Ping},
};
use peergraph_tests::{
    converge, eventually, founder, insider::Insider, joiner, node, node_at, note, tap::tap,
};

const CONTROL: u8 = 0;
const RECORDS: u8 = 1;
const BULK: u8 = 2;
const DATA: u8 = 3;
const ACKS: u8 = 4;

/// A frame as it travels.
fn framed(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
}

/// A record by an insider that expires never; `fault` may spoil the header.
async fn forged(graph: &Graph, key: &SecretKey, fault: impl FnOnce(&mut Header)) -> SignedRecord {
    let now = graph.peer_time().await.unwrap();
    let mut header = Header::first(RecordType::new("test.note").unwrap(), [9; 16], key.peer(), Hlc::at(now));
    fault(&mut header);
    SignedRecord::sign(&graph.id(), key, header, b"from an insider")
}

fn push(records: &[SignedRecord]) -> Vec<u8> {
    let records = records.iter().map(|record| record.bytes().clone()).collect();
    framed(&Message::Push { origin: 1, records }.encode())
}

/// What ends a link, on which stream.
async fn malformed(graph: &Graph, key: &SecretKey) -> Vec<(&'static str, u8, Vec<u8>)> {
    let good = forged(graph, key, |_| {}).await;
    let mut altered = good.bytes().to_vec();
    // In the signature, before the body.
    let at = altered.len() - b"from an insider".len() - 1;
    altered[at] ^= 1;
    let altered = framed(&Message::Push { origin: 1, records: vec![altered.into(); 3] }.encode());
    let other = SecretKey::from_bytes(&[3; 32]).peer();
    let in_anothers_name = [1, 2, 3].map(|n| {
        let mut header = good.header().clone();
        header.creator = other;
        header.nonce = [n; 16];
        SignedRecord::sign(&graph.id(), key, header, b"x")
    });
    vec![
        ("a frame longer than any", CONTROL, u32::MAX.to_le_bytes().to_vec()),
        ("bytes that are no message", CONTROL, framed(&[0xff; 40])),
        ("an unknown message", CONTROL, framed(&[0x60])),
        ("a message cut short", CONTROL, framed(&ping()[..5])),
        ("a message and more", CONTROL, framed(&[&ping()[..], &[0]].concat())),
        ("a message on the wrong stream", RECORDS, framed(&ping())),
        ("an empty frame that is no end", RECORDS, framed(&[])),
        ("records on the control stream", CONTROL, push(std::slice::from_ref(&good))),
        ("bytes that are no records", RECORDS, framed(&[7; 100])),
        ("altered records", RECORDS, altered),
        ("records in another's name", RECORDS, push(&in_anothers_name)),
        ("a bulk frame longer than any", BULK, u32::MAX.to_le_bytes().to_vec()),
        ("data of no form", DATA, vec![9; 64]),
        ("data with an endless name", DATA, vec![255; 4]),
        ("an acknowledgement of what was not sent", ACKS, vec![5, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("a stream of no kind", 9, vec![0; 16]),
    ]
}

/// What honest nodes with other clocks or versions might send: of no effect, but no reason to part.
async fn unwanted(graph: &Graph, key: &SecretKey) -> Vec<(&'static str, SignedRecord)> {
    let now = graph.peer_time().await.unwrap();
    let kind = |name: &str| RecordType::new(name).unwrap();
    let expire = |header: &mut Header| {
        header.created = now - Duration::from_secs(10);
        header.hlc = Hlc::at(header.created);
        header.expires = Some(now - Duration::from_secs(5));
    };
    vec![
        ("a reserved record", forged(graph, key, |h| h.record_type = kind("peergraph.properties")).await),
        ("an unknown reserved record", forged(graph, key, |h| h.record_type = kind("peergraph.later")).await),
        ("an absurd version", forged(graph, key, |h| h.version = u64::MAX).await),
        ("an expired record", forged(graph, key, expire).await),
        (
            "a record from far ahead",
            forged(graph, key, |h| h.hlc = Hlc::at(now + Duration::from_secs(3600))).await,
        ),
    ]
}

fn ping() -> Vec<u8> {
    let mark = Mark { node: NodeId::from_bytes([255; 32]), beat: 1 };
    Message::Ping(Ping { seq: 1, peer_time: Timestamp(0), mark }).encode().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn g47_malformed_input_of_every_kind_ends_the_link_and_nothing_else() {
    let (first, graph) = founder("g47").await;
    let (second, joined) = joiner(&graph).await;
    graph.publish(note("before")).await.unwrap();
    converge(&[&graph, &joined]).await;
    let ticket = graph.ticket().await.unwrap();
    let print = graph.fingerprint().await.unwrap();

    let kinds = malformed(&graph, &SecretKey::from_bytes(&[1; 32])).await.len();
    for kind in 0..kinds {
        let mut insider = Insider::neighbor(&ticket).await;
        let (what, stream, bytes) = malformed(&graph, &insider.key).await.swap_remove(kind);
        if stream == CONTROL {
            insider.raw(&bytes).await;
        } else {
            insider.stream(stream, &bytes).await;
        }
        assert!(insider.is_thrown_out().await, "{what}");
        assert_eq!(graph.fingerprint().await.unwrap(), print, "{what}");
    }
    for kind in 0..unwanted(&graph, &SecretKey::from_bytes(&[1; 32])).await.len() {
        let mut insider = Insider::neighbor(&ticket).await;
        let (what, record) = unwanted(&graph, &insider.key).await.swap_remove(kind);
        insider.stream(RECORDS, &push(&[record])).await;
        assert!(insider.is_tolerated().await, "{what}");
        assert_eq!(graph.fingerprint().await.unwrap(), print, "{what}");
    }

    // An insider who keeps to the rules is heard; so are the others, still.
    let mut insider = Insider::neighbor(&ticket).await;
    let good = forged(&graph, &insider.key, |_| {}).await;
    insider.stream(RECORDS, &push(std::slice::from_ref(&good))).await;
    eventually("a good record", || async { joined.get(good.id()).await.unwrap().is_some() }).await;
    assert!(insider.is_tolerated().await);
    joined.publish(note("after")).await.unwrap();
    converge(&[&graph, &joined]).await;
    assert_eq!(joined.neighbors().await.unwrap().iter().filter(|n| n.node == first.id()).count(), 1);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g46_s3_without_the_secret_nothing_is_said() {
    let (first, graph) = founder("g46").await;
    let mut ticket = graph.ticket().await.unwrap();
    assert!(Insider::dial(&ticket).await.is_some());
    ticket.secret = GraphSecret::from_bytes([8; 32]);
    // Not one byte comes back: the stream is reset.
    assert!(Insider::dial(&ticket).await.is_none());
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g46_a_graph_without_a_policy_is_encrypted_on_the_wire() {
    let (first, graph) = founder("a telling name").await;
    let secret = b"nobody else may read this sentence";
    for _ in 0..64 {
        graph.publish(RecordDraft::new("test.secret", secret.repeat(100)).unwrap()).await.unwrap();
    }
    let (relay, heard) = tap(first.bound()[0]).await;
    let mut ticket = graph.ticket().await.unwrap();
    ticket.nodes = vec![NodeAddr::at(first.id(), [relay])];
    let second = node().await;
    let joined = second.join(ticket.clone()).await.unwrap();
    converge(&[&graph, &joined]).await;
    let heard = heard.lock().unwrap().concat();
    assert!(heard.len() > 1000, "the listener heard {} bytes", heard.len());
    let peer = first.peer_id();
    let plain: [&[u8]; 5] =
        [secret, b"test.secret", b"a telling name", ticket.secret.as_bytes(), peer.as_bytes()];
    for part in plain.map(|p| p.to_vec()) {
        assert!(
            !heard.windows(part.len()).any(|window| window == part),
            "{}",
            String::from_utf8_lossy(&part)
        );
    }
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_stored_records_are_checked_again_and_presence_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let first = node_at(dir.path()).await;
    let graph = first.create_graph("r20").await.unwrap();
    graph.listen().await.unwrap();
    let (second, joined) = joiner(&graph).await;
    let mut records = Vec::new();
    for n in 0..20 {
        records.push(graph.publish(note(&format!("number {n:02}"))).await.unwrap());
    }
    converge(&[&graph, &joined]).await;
    eventually("both listed", || async { graph.nodes().await.unwrap().len() == 2 }).await;
    let id = graph.id();
    first.shutdown().await;

    // Somebody edits the file: one body, and one signature.
    let file = dir.path().join("graphs").join(format!("{id}.db"));
    let database = rusqlite::Connection::open(&file).unwrap();
    for (record, from_end) in [(&records[4], 1), (&records[11], 9 + 5)] {
        let (lsn, mut envelope): (i64, Vec<u8>) = database
            .query_row(
                "SELECT lsn, envelope FROM records WHERE id = ?1",
                [&record.id.as_bytes()[..]],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        let at = envelope.len() - from_end;
        envelope[at] ^= 1;
        database.execute("UPDATE records SET envelope = ?1 WHERE lsn = ?2", (envelope, lsn)).unwrap();
    }
    database.close().unwrap();

    let first = node_at(dir.path()).await;
    let graph = first.open_graph(id, OpenGraph::default()).await.unwrap();
    // Who was here then need not be here now.
    let listed = graph.nodes().await.unwrap();
    assert!(listed.iter().all(|info| info.node == first.id()), "{listed:?}");
    eventually("the altered records are thrown out", || async {
        graph.list(ListQuery::default()).await.unwrap().items.len() == 18
    })
    .await;
    for altered in [4, 11] {
        assert_eq!(graph.get(records[altered].id).await.unwrap(), None);
    }
    // It finds its old neighbor by itself, and reconciliation brings back what was lost.
    graph.listen().await.unwrap();
    converge(&[&graph, &joined]).await;
    assert_eq!(graph.get(records[4].id).await.unwrap(), Some(records[4].clone()));

    // Another file's graph is not opened as this one.
    let other = first.create_graph("another").await.unwrap().id();
    first.shutdown().await;
    std::fs::copy(dir.path().join("graphs").join(format!("{other}.db")), &file).unwrap();
    let first = node_at(dir.path()).await;
    let error = first.open_graph(id, OpenGraph::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    first.shutdown().await;
    second.shutdown().await;
}
