//! What one author who writes a thousand records each second does to the delay of another's (S14).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use peergraph::{Event, EventFilter, EventKind, EventStream, Graph, Node, NodeConfig, RecordDraft};

use crate::{
    heard::body,
    ours::founder,
    report::{Report, nanos},
};

/// Records each second.
const FLOOD: u32 = 1000;
const HONEST: u32 = 20;
const WARMUP: u32 = 40;
const MEASURED: u32 = 400;

/// From one honest node to another, without and beside the flood of a third.
pub async fn flood(report: &mut Report) -> Result<()> {
    let (_node, graph) = founder(NodeConfig::loopback()).await?;
    let reader = Node::start(NodeConfig::loopback()).await?;
    let reads = reader.join(graph.ticket().await?).await?;
    let flooder = Node::start(NodeConfig::loopback()).await?;
    let floods = flooder.join(graph.ticket().await?).await?;
    let filter = EventFilter::kinds([EventKind::RecordChanged]).record_types(["bench.note".parse()?]);
    let events = reads.events(filter)?;
    let calm = delays(&graph, &events).await?;
    let written = Arc::new(AtomicU64::new(0));
    let counter = written.clone();
    let flood = tokio::spawn(async move {
        let start = Instant::now();
        for number in 0u32.. {
            paced(start, number, FLOOD).await;
            floods.publish(RecordDraft::new("bench.flood", vec![1; 300])?).await?;
            counter.fetch_add(1, Ordering::Relaxed);
        }
        anyhow::Ok(())
    });
    let start = Instant::now();
    let beside = delays(&graph, &events).await?;
    ensure!(!flood.is_finished(), "the flood went on");
    report.put("flood, records/s", written.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64());
    let p99 = |sorted: &[u64]| sorted[(sorted.len() - 1) * 99 / 100] as f64;
    let ratio = p99(&beside) / p99(&calm);
    report.put_ms("without a flood", calm);
    report.put_ms("beside it", beside);
    report.put("p99, times as long", ratio);
    Ok(())
}

async fn paced(start: Instant, number: u32, rate: u32) {
    tokio::time::sleep_until((start + Duration::from_secs(1) * number / rate).into()).await;
}

/// Nanoseconds from publish to event, sorted.
async fn delays(graph: &Graph, events: &EventStream) -> Result<Vec<u64>> {
    let start = Instant::now();
    let mut taken = Vec::new();
    for number in 0..WARMUP + MEASURED {
        paced(start, number, HONEST).await;
        let sent = nanos();
        graph.publish(RecordDraft::new("bench.note", body(number as usize, 100))?).await?;
        let heard = events.next().await.context("the stream ended")?;
        ensure!(matches!(heard, Event::RecordChanged(_)), "{heard:?}");
        if number >= WARMUP {
            taken.push(nanos() - sent);
        }
    }
    taken.sort_unstable();
    Ok(taken)
}
