//! Phones: how soon a node is back after a pause.

use anyhow::{Context, Result};
use peergraph::{Event, EventFilter, EventKind, ListQuery, Node, NodeConfig, RecordDraft};

use crate::report::{Report, nanos};

const PAUSES: usize = 20;

/// A member of a group of four, on disk, that is paused while another writes; from `resume` until it has that, and is
/// synchronised.
pub async fn pause(report: &mut Report) -> Result<()> {
    let host = Node::start(NodeConfig::loopback()).await?;
    let group = host.create_group("bench").await?;
    let dir = tempfile::tempdir()?;
    let phone = Node::start(NodeConfig::loopback().low_power().at(dir.path())).await?;
    let joined = phone.join_group(group.invite_link(Default::default()).await?).await?;
    let mut others = Vec::new();
    for _ in 0..2 {
        let node = Node::start(NodeConfig::loopback()).await?;
        let joined = node.join_group(group.invite_link(Default::default()).await?).await?;
        others.push((node, joined));
    }
    let (mut pausing, mut resuming) = (Vec::new(), Vec::new());
    for number in 0..PAUSES {
        let start = nanos();
        phone.pause().await?;
        pausing.push(nanos() - start);
        group.publish(RecordDraft::new("bench.note", format!("{number}"))?).await?;
        let changes = joined.events(EventFilter::kinds([EventKind::StatusChanged]))?;
        let start = nanos();
        phone.resume().await?;
        loop {
            match changes.next().await.context("the stream ended")? {
                Event::StatusChanged(status) if status.synchronized => break,
                _ => {}
            }
        }
        let page = joined.list(ListQuery::default()).await?;
        anyhow::ensure!(page.items.len() == number + 1, "the record is here");
        resuming.push(nanos() - start);
    }
    report.put_ms("to pause", pausing);
    report.put_ms("from resume until synchronised", resuming);
    Ok(())
}
