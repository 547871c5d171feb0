//! iroh-gossip with its defaults: neither signed nor stored.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use bytes::Bytes;
use futures::StreamExt;
use iroh::{address_lookup::memory::MemoryLookup, protocol::Router};
use iroh_gossip::{
    api::{Event, GossipReceiver, GossipSender},
    net::{GOSSIP_ALPN, Gossip},
    proto::TopicId,
};

use crate::{
    heard::{Heard, body},
    ours::SIZE,
    report::{Report, Watch},
    wires,
};

struct Overlay {
    senders: Vec<GossipSender>,
    // Kept: a node ends with them.
    _routers: Vec<Router>,
}

impl Overlay {
    async fn start(count: usize, heard: &Arc<Heard>) -> Result<Self> {
        let lookup = MemoryLookup::new();
        let (mut senders, mut routers, mut first) = (Vec::new(), Vec::new(), None);
        for node in 0..count {
            let endpoint = wires::endpoint(&lookup).await?;
            let gossip = Gossip::builder().spawn(endpoint.clone());
            let bootstrap = first.iter().copied().collect();
            first.get_or_insert(endpoint.id());
            routers.push(Router::builder(endpoint).accept(GOSSIP_ALPN, gossip.clone()).spawn());
            let (sender, receiver) = gossip.subscribe(TopicId::from_bytes([7; 32]), bootstrap).await?.split();
            senders.push(sender);
            if node > 0 {
                tokio::spawn(read(receiver, heard.clone()));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
        Ok(Self { senders, _routers: routers })
    }

    async fn publish(&self, number: usize, size: usize) -> Result<()> {
        Ok(self.senders[0].broadcast(Bytes::from(body(number, size))).await?)
    }
}

async fn read(mut receiver: GossipReceiver, heard: Arc<Heard>) {
    while let Some(Ok(event)) = receiver.next().await {
        if let Event::Received(message) = event {
            heard.note(&message.content);
        }
    }
}

pub async fn live(report: &mut Report) -> Result<()> {
    let heard = Heard::for_live();
    let overlay = Overlay::start(16, &heard).await?;
    heard.live(report, 15, async |number| overlay.publish(number, 100).await).await
}

pub async fn flow(report: &mut Report, nodes: usize, messages: usize) -> Result<()> {
    let heard = Heard::new(messages);
    let overlay = Overlay::start(nodes, &heard).await?;
    let watch = Watch::start();
    for number in 0..messages {
        overlay.publish(number, SIZE).await?;
    }
    heard.wait_all(nodes - 1, Duration::from_secs(5)).await;
    heard.report_flow(report, &watch, nodes - 1);
    Ok(())
}
