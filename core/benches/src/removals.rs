//! Removal of a member who wrote much: how long it takes, and how long other calls of the group wait meanwhile.
//!
//! By the public API alone, so that the same file measures other versions of the library.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use peergraph::{Durability, Group, InviteLink, Node, NodeConfig, RecordDraft, RemoveMember};

use crate::report::Report;

const RECORDS: usize = 100_000;
const IN_FLIGHT: usize = 256;
/// Time between two of the other calls.
const PAUSE: Duration = Duration::from_millis(1);

/// All records, the group's own among them.
async fn count(group: &Group) -> Result<u64> {
    Ok(group.fingerprint().await?.count)
}

/// One of two members wrote a hundred thousand records, and is removed by the creator, who keeps them.
pub async fn among_many(report: &mut Report) -> Result<()> {
    let (dir, theirs) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let on = |dir: &tempfile::TempDir| NodeConfig {
        durability: Durability::Relaxed,
        ..NodeConfig::loopback().at(dir.path())
    };
    let host = Node::start(on(&dir)).await?;
    let group = host.create_group("bench").await?;
    let link = group.invite_link(InviteLink { uses: 2, ..InviteLink::default() }).await?;
    let writer = Node::start(on(&theirs)).await?;
    let joined = writer.join_group(link.clone()).await?;
    let other = Node::start(NodeConfig::loopback()).await?;
    let others = other.join_group(link).await?;
    stream::iter(0..RECORDS)
        .map(|number| {
            let joined = &joined;
            async move { anyhow::Ok(joined.publish(RecordDraft::new("bench.note", number.to_string())?).await?) }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    for group in [&group, &others] {
        while count(group).await? < RECORDS as u64 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let (start, done, longest) = (Instant::now(), Cell::new(false), Cell::new(Duration::ZERO));
    let removal = async {
        let removed = group.remove(writer.peer_id(), RemoveMember::default()).await;
        done.set(true);
        removed
    };
    let calls = async {
        while !done.get() {
            let asked = Instant::now();
            group.status().await?;
            longest.set(longest.get().max(asked.elapsed()));
            tokio::time::sleep(PAUSE).await;
        }
        anyhow::Ok(())
    };
    let (removed, called) = tokio::join!(removal, calls);
    removed?;
    called?;
    report.put("until it is answered, ms", start.elapsed().as_secs_f64() * 1e3);
    report.put("longest wait of another call meanwhile, ms", longest.get().as_secs_f64() * 1e3);
    while others.members().await?.len() > 2 {
        tokio::time::sleep(PAUSE).await;
    }
    report.put("until another member has heard, ms", start.elapsed().as_secs_f64() * 1e3);
    for group in [&group, &others] {
        ensure!(count(group).await? >= RECORDS as u64, "all of it stays");
    }
    Ok(())
}
