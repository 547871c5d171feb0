//! peergraph: the same questions, put to the library as an application would use it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use peergraph::{
    Event, EventFilter, EventKind, Graph, Node, NodeConfig, OpenGraph, RecordDraft,
    events::{Start, SubscribeOptions},
};

use crate::{
    heard::{Heard, body},
    report::{Report, Watch, nanos, rss_mib},
};

/// Bytes of a record where records are stored, and where they flow.
pub const RECORD: usize = 300;
pub const SIZE: usize = 100;
/// Records that are there before a sync, and those that differ.
pub const SYNCED: usize = 100_000;
pub const DIFFERING: usize = 100;
/// Direct data.
pub const ROUNDS: usize = 5_000;
pub const MESSAGES: usize = 200_000;
pub const DATA: usize = 1024;

const PATIENCE: Duration = Duration::from_secs(120);

pub async fn founder(config: NodeConfig) -> Result<(Node, Graph)> {
    let node = Node::start(config).await?;
    let graph = node.create_graph("bench").await?;
    graph.listen().await?;
    Ok((node, graph))
}

pub async fn fill(graph: &Graph, from: usize, count: usize, size: usize, in_flight: usize) -> Result<()> {
    stream::iter(from..from + count)
        .map(|n| async move {
            graph.publish(RecordDraft::new("bench.note", body(n, size))?).await?;
            anyhow::Ok(())
        })
        .buffer_unordered(in_flight)
        .try_for_each(|()| async { Ok(()) })
        .await
}

fn records() -> EventFilter {
    EventFilter::kinds([EventKind::RecordChanged])
}

pub async fn publish(report: &mut Report) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_node, graph) = founder(NodeConfig::loopback().at(dir.path())).await?;
    fill(&graph, 0, 2_000, RECORD, 64).await?;
    let watch = Watch::start();
    fill(&graph, 0, 50_000, RECORD, 64).await?;
    report.put("durable publish/s, 64 in flight", 50_000.0 / watch.seconds());
    report.put("CPU us a publish, 64 in flight", watch.cpu() * 1e6 / 50_000.0);
    let watch = Watch::start();
    fill(&graph, 0, 5_000, RECORD, 1).await?;
    report.put("durable publish/s, one at a time", 5_000.0 / watch.seconds());
    Ok(())
}

/// Waits until the second has what the first has.
pub async fn equal(one: &Graph, two: &Graph) -> Result<()> {
    let start = Instant::now();
    // Both may still publish their presence.
    while two.fingerprint().await? != one.fingerprint().await? {
        ensure!(start.elapsed() < PATIENCE, "the databases do not become equal");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

pub async fn sync(report: &mut Report, on_disk: bool) -> Result<()> {
    let (a, b) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let config = |dir: &tempfile::TempDir| match on_disk {
        true => NodeConfig::loopback().at(dir.path()),
        false => NodeConfig::loopback(),
    };
    let (one, graph) = founder(config(&a)).await?;
    let two = Node::start(config(&b)).await?;
    let sent = || one.metrics().bytes_sent + two.metrics().bytes_sent;
    fill(&graph, 0, SYNCED, RECORD, 64).await?;
    let (watch, before) = (Watch::start(), sent());
    let copy = two.join(graph.ticket().await?).await?;
    equal(&graph, &copy).await?;
    report.put("100,000 into an empty node: records/s", SYNCED as f64 / watch.seconds());
    report.put("100,000 into an empty node: CPU us a record", watch.cpu() * 1e6 / SYNCED as f64);
    tokio::time::sleep(Duration::from_millis(300)).await;
    report.put("100,000 into an empty node: bytes a record", (sent() - before) as f64 / SYNCED as f64);

    // Apart, and together again: nothing has changed, then a hundred records.
    for (name, differing) in [("100,000 equal", 0), ("100 of 100,000 newer", DIFFERING)] {
        for info in copy.neighbors().await? {
            copy.disconnect(info.connection).await?;
        }
        while !graph.neighbors().await?.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        fill(&graph, SYNCED, differing, RECORD, 64).await?;
        let (start, before) = (Instant::now(), sent());
        copy.connect(one.addr()).await?;
        let linked = start.elapsed();
        while !copy.status().await?.synchronized {
            ensure!(start.elapsed() < PATIENCE, "not synchronised");
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        equal(&graph, &copy).await?;
        report.put(&format!("{name}: ms with the connecting"), start.elapsed().as_secs_f64() * 1e3);
        report.put(&format!("{name}: ms after it"), (start.elapsed() - linked).as_secs_f64() * 1e3);
        report.put(&format!("{name}: kB with the connecting"), (sent() - before) as f64 / 1e3);
    }
    Ok(())
}

/// A graph in this process whose nodes all hear the first one.
async fn overlay(count: usize, heard: &Arc<Heard>) -> Result<(Vec<Node>, Graph)> {
    let (first, graph) = founder(NodeConfig::loopback()).await?;
    let mut nodes = vec![first];
    for _ in 1..count {
        let node = Node::start(NodeConfig::loopback()).await?;
        let joined = node.join(graph.ticket().await?).await?;
        let (events, heard) = (joined.events(records())?, heard.clone());
        tokio::spawn(async move {
            let _kept = joined;
            while let Some(event) = events.next().await {
                if let Event::RecordChanged(change) = event {
                    heard.note(&change.record.body);
                }
            }
        });
        nodes.push(node);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    Ok((nodes, graph))
}

pub async fn live(report: &mut Report) -> Result<()> {
    let heard = Heard::for_live();
    let (_nodes, graph) = overlay(16, &heard).await?;
    let idle = Watch::start();
    tokio::time::sleep(Duration::from_secs(5)).await;
    report.put("CPU of 16 idle nodes: ms/s", idle.cpu() * 1e3 / idle.seconds());
    let publish = async |number: usize| {
        graph.publish(RecordDraft::new("bench.note", body(number, 100))?).await?;
        Ok(())
    };
    heard.live(report, 15, publish).await
}

pub async fn flow(report: &mut Report, nodes: usize, messages: usize) -> Result<()> {
    let heard = Heard::new(messages);
    let (_nodes, graph) = overlay(nodes, &heard).await?;
    let watch = Watch::start();
    fill(&graph, 0, messages, SIZE, 64).await?;
    report.put("publish/s", messages as f64 / watch.seconds());
    heard.wait_all(nodes - 1, Duration::from_secs(30)).await;
    heard.report_flow(report, &watch, nodes - 1);
    Ok(())
}

pub async fn direct(report: &mut Report) -> Result<()> {
    let (_one, graph) = founder(NodeConfig::loopback()).await?;
    let two = Node::start(NodeConfig::loopback()).await?;
    let joined = two.join(graph.ticket().await?).await?;
    let data = || EventFilter::kinds([EventKind::IncomingData, EventKind::DirectConnection]);
    let of =
        |name: &str| anyhow::Ok(EventFilter::kinds([EventKind::IncomingData]).data_types([name.parse()?]));
    let (here, there, counted) =
        (graph.events(of("pong")?)?, joined.events(of("ping")?)?, joined.events(of("flow")?)?);
    let _accepting = joined.events(data().data_types(["none".parse()?]))?;
    let connection = graph.open_direct(two.id()).await?;
    tokio::spawn(async move {
        while let Some(Event::IncomingData(data)) = there.next().await {
            if joined.send(data.connection, "pong", data.data).await.is_err() {
                break;
            }
        }
    });
    let mut trips = Vec::new();
    for _ in 0..ROUNDS {
        let at = nanos();
        connection.send("ping", vec![7; 100]).await?;
        here.next().await.context("an answer")?;
        trips.push(nanos() - at);
    }
    report.put_ms("round trip of 100 B", trips);

    let watch = Watch::start();
    let sender = tokio::spawn(async move {
        let message = bytes::Bytes::from(vec![7; DATA]);
        for _ in 0..MESSAGES {
            connection.send("flow", message.clone()).await?;
        }
        anyhow::Ok(connection)
    });
    let mut count = 0;
    while count < MESSAGES {
        let batch = counted.next_batch(1024).await;
        ensure!(!batch.is_empty(), "the stream ended");
        count += batch.len();
    }
    report.put("1 KiB messages/s", MESSAGES as f64 / watch.seconds());
    report.put("CPU us a message", watch.cpu() * 1e6 / MESSAGES as f64);
    sender.await??;
    Ok(())
}

pub async fn events(report: &mut Report) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_node, graph) = founder(NodeConfig::loopback().at(dir.path())).await?;
    fill(&graph, 0, SYNCED, SIZE, 64).await?;
    for (name, batch) in [("one by one", 1), ("1,024 at once", 1024)] {
        let events = graph.subscribe(SubscribeOptions::new(records()).start(Start::Snapshot))?;
        let (watch, mut seen) = (Watch::start(), 0);
        while seen < SYNCED {
            let more: Vec<Event> = match batch {
                1 => events.next().await.into_iter().collect(),
                _ => events.next_batch(batch).await,
            };
            if more.is_empty() {
                bail!("the stream ended after {seen}");
            }
            seen += more.iter().filter(|event| matches!(event, Event::RecordChanged(_))).count();
        }
        report.put(&format!("from the database, {name}: events/s"), SYNCED as f64 / watch.seconds());
    }
    // As they happen: a thousand wait in memory, again and again.
    for (name, batch) in [("one by one", 1), ("drained", 1024)] {
        let events = graph.events(records())?;
        let (mut seen, mut seconds) = (0, 0.0);
        for _ in 0..50 {
            fill(&graph, 0, 1_000, SIZE, 64).await?;
            let start = Instant::now();
            loop {
                let more =
                    if batch == 1 { events.try_next().into_iter().collect() } else { events.drain(batch) };
                if more.is_empty() {
                    break;
                }
                seen += more.len();
            }
            seconds += start.elapsed().as_secs_f64();
        }
        ensure!(seen == 50_000, "{seen} events");
        report.put(&format!("from memory, {name}: events/s"), seen as f64 / seconds);
    }
    Ok(())
}

pub async fn memory(report: &mut Report) -> Result<()> {
    let bare = rss_mib();
    let dir = tempfile::tempdir()?;
    let (_node, graph) = founder(NodeConfig::loopback().at(dir.path())).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    report.put("the process before: MiB", bare);
    report.put("an idle node with one graph: MiB", rss_mib() - bare);
    let (before, mut others) = (rss_mib(), Vec::new());
    for _ in 0..15 {
        let node = Node::start(NodeConfig::loopback()).await?;
        let graph = node.open_graph(graph.ticket().await?, OpenGraph::default()).await?;
        others.push((node, graph));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    report.put("each further node, not connected: MiB", (rss_mib() - before) / 15.0);
    drop(others);
    let before = rss_mib();
    fill(&graph, 0, SYNCED, RECORD, 64).await?;
    report.put("100,000 records of 300 B on disk: MiB of memory", rss_mib() - before);
    let (_other, graph) = founder(NodeConfig::loopback()).await?;
    let before = rss_mib();
    fill(&graph, 0, SYNCED, RECORD, 64).await?;
    report.put("100,000 records of 300 B in memory: MiB", rss_mib() - before);
    Ok(())
}
