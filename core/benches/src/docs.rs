//! iroh-docs with its defaults: signed and stored, in memory but for the inserts.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use iroh::{Endpoint, address_lookup::memory::MemoryLookup, protocol::Router};
use iroh_blobs::{
    BlobsProtocol,
    store::{fs::FsStore, mem::MemStore},
};
use iroh_docs::{
    AuthorId,
    api::{
        Doc,
        protocol::{AddrInfoOptions, ShareMode},
    },
    engine::LiveEvent,
    protocol::Docs,
    store::DownloadPolicy,
};
use iroh_gossip::net::Gossip;

use crate::{
    heard::{Heard, body},
    ours::{DIFFERING, RECORD, SYNCED},
    report::{Report, Watch},
    wires,
};

struct Node {
    endpoint: Endpoint,
    docs: Docs,
    _router: Router,
    _dir: Option<tempfile::TempDir>,
}

impl Node {
    async fn start(lookup: &MemoryLookup, on_disk: bool) -> Result<Self> {
        let endpoint = wires::endpoint(lookup).await?;
        let gossip = Gossip::builder().spawn(endpoint.clone());
        let dir = on_disk.then(tempfile::tempdir).transpose()?;
        let (blobs, builder): (iroh_blobs::api::Store, _) = match &dir {
            Some(dir) => {
                let docs = dir.path().join("docs");
                std::fs::create_dir_all(&docs)?;
                (FsStore::load(dir.path().join("blobs")).await?.into(), Docs::persistent(docs))
            }
            None => ((*MemStore::new()).clone(), Docs::memory()),
        };
        let docs = builder.spawn(endpoint.clone(), blobs.clone(), gossip.clone()).await?;
        let router = Router::builder(endpoint.clone())
            .accept(iroh_blobs::ALPN, BlobsProtocol::new(&blobs, None))
            .accept(iroh_gossip::ALPN, gossip)
            .accept(iroh_docs::ALPN, docs.clone())
            .spawn();
        Ok(Self { endpoint, docs, _router: router, _dir: dir })
    }
}

async fn fill(doc: &Doc, author: AuthorId, from: usize, count: usize, in_flight: usize) -> Result<()> {
    stream::iter(from..from + count)
        .map(|n| doc.set_bytes(author, format!("key/{n:08}"), body(n, RECORD)))
        .buffer_unordered(in_flight)
        .try_for_each(|_| async { Ok(()) })
        .await
}

pub async fn insert(report: &mut Report) -> Result<()> {
    let node = Node::start(&MemoryLookup::new(), true).await?;
    let (doc, author) = (node.docs.create().await?, node.docs.author_create().await?);
    let watch = Watch::start();
    fill(&doc, author, 0, 10_000, 64).await?;
    report.put("inserts/s, 64 in flight", 10_000.0 / watch.seconds());
    let watch = Watch::start();
    fill(&doc, author, 10_000, 2_000, 1).await?;
    report.put("inserts/s, one at a time", 2_000.0 / watch.seconds());
    Ok(())
}

/// Waits until so many entries have come.
async fn received(events: &mut (impl Stream<Item = Result<LiveEvent>> + Unpin), want: usize) -> Result<()> {
    let mut have = 0;
    while have < want {
        match tokio::time::timeout(Duration::from_secs(60), events.next()).await {
            Ok(Some(event)) => have += usize::from(matches!(event?, LiveEvent::InsertRemote { .. })),
            _ => bail!("{have} of {want} entries came"),
        }
    }
    Ok(())
}

pub async fn sync(report: &mut Report) -> Result<()> {
    let lookup = MemoryLookup::new();
    let (one, two) = (Node::start(&lookup, false).await?, Node::start(&lookup, false).await?);
    let sent = || wires::bytes_sent(&one.endpoint) + wires::bytes_sent(&two.endpoint);
    let (doc, author) = (one.docs.create().await?, one.docs.author_create().await?);
    fill(&doc, author, 0, SYNCED, 64).await?;
    doc.start_sync(vec![]).await?;
    let ticket = doc.share(ShareMode::Write, AddrInfoOptions::Addresses).await?;
    let copy = two.docs.import_namespace(ticket.capability).await?;
    // Entries only: values would be fetched besides.
    copy.set_download_policy(DownloadPolicy::NothingExcept(vec![])).await?;
    let peer = wires::address(&one.endpoint)?;
    let mut events = copy.subscribe().await?;
    let (watch, before) = (Watch::start(), sent());
    copy.start_sync(vec![peer.clone()]).await?;
    received(&mut events, SYNCED).await.context("the first sync")?;
    report.put("100,000 into an empty node: records/s, no values", SYNCED as f64 / watch.seconds());
    report.put("100,000 into an empty node: CPU us a record", watch.cpu() * 1e6 / SYNCED as f64);
    tokio::time::sleep(Duration::from_millis(300)).await;
    report.put("100,000 into an empty node: bytes a record", (sent() - before) as f64 / SYNCED as f64);

    copy.leave().await?;
    doc.leave().await?;
    drop(events);
    tokio::time::sleep(Duration::from_millis(500)).await;
    fill(&doc, author, SYNCED, DIFFERING, 64).await?;
    doc.start_sync(vec![]).await?;
    let mut events = copy.subscribe().await?;
    let (start, before) = (Instant::now(), sent());
    copy.start_sync(vec![peer]).await?;
    received(&mut events, DIFFERING).await.context("the second sync")?;
    report.put("100 of 100,000 newer: ms", start.elapsed().as_secs_f64() * 1e3);
    tokio::time::sleep(Duration::from_millis(300)).await;
    report.put("100 of 100,000 newer: kB", (sent() - before) as f64 / 1e3);
    Ok(())
}

pub async fn live(report: &mut Report) -> Result<()> {
    let lookup = MemoryLookup::new();
    let heard = Heard::for_live();
    let mut nodes = vec![Node::start(&lookup, false).await?];
    let (doc, author) = (nodes[0].docs.create().await?, nodes[0].docs.author_create().await?);
    doc.start_sync(vec![]).await?;
    let ticket = doc.share(ShareMode::Write, AddrInfoOptions::Addresses).await?;
    let peer = wires::address(&nodes[0].endpoint)?;
    for _ in 1..16 {
        let node = Node::start(&lookup, false).await?;
        let copy = node.docs.import_namespace(ticket.capability.clone()).await?;
        let mut events = copy.subscribe().await?;
        copy.start_sync(vec![peer.clone()]).await?;
        let heard = heard.clone();
        tokio::spawn(async move {
            let _kept = copy;
            while let Some(Ok(event)) = events.next().await {
                if let LiveEvent::InsertRemote { entry, .. } = event
                    && let Some(number) = std::str::from_utf8(entry.key()).ok().and_then(|k| k.parse().ok())
                {
                    heard.note_number(number);
                }
            }
        });
        nodes.push(node);
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    let publish = async |number: usize| {
        doc.set_bytes(author, number.to_string(), body(number, 100)).await?;
        Ok(())
    };
    heard.live(report, 15, publish).await
}
