//! One QUIC connection to a node: its links, and the streams that come in on it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use iroh::endpoint::{Connection, RecvStream, VarInt};
use tokio::{sync::Notify, time::timeout};

use super::{
    Transport,
    admission::Visit,
    data_in::DataReader,
    link::{DATA_MARK, DownOnPanic, LinkHandle, read_stream},
    setup,
    transport::lock,
};
use crate::{
    ids::NodeId,
    ledger::Source,
    limits::{HELLO_TIMEOUT, SILENCE, VISIT_TIME},
    link::FailureReason,
    wire::Stream,
};

/// How long a connection without links is kept, in case another link follows.
const GRACE: Duration = Duration::from_secs(5);
/// How long a stream of application data waits until its link is set up.
const PATIENCE: Duration = Duration::from_secs(10);
/// The code with which streams and connections are closed: says nothing.
pub(super) const NO_REASON: VarInt = VarInt::from_u32(0);
/// The same: this node is busy. Of a connection before anything was said, and of a link whose hello was good.
pub(super) const BUSY: VarInt = VarInt::from_u32(1);

/// First byte of a one-way stream.
pub(super) const KIND_RECORDS: u8 = 1;
pub(super) const KIND_BULK: u8 = 2;
pub(super) const KIND_DATA: u8 = 3;
pub(super) const KIND_ACKS: u8 = 4;
/// Kind and link number.
pub(super) const PREAMBLE_LEN: usize = 9;

/// One QUIC connection to a node.
pub(super) struct Peer {
    pub(super) node: NodeId,
    pub(super) connection: Connection,
    /// Where it is.
    pub(super) source: Source,
    /// If it came in and has proven to know no graph so far.
    visit: Mutex<Option<Visit>>,
    came_in: bool,
    links: Mutex<HashMap<u64, Arc<LinkHandle>>>,
    changed: Notify,
}

impl Peer {
    pub(super) fn new(node: NodeId, connection: Connection, source: Source, visit: Option<Visit>) -> Self {
        let (came_in, visit) = (visit.is_some(), Mutex::new(visit));
        Self { node, connection, source, visit, came_in, links: Mutex::default(), changed: Notify::new() }
    }

    /// Notes a link; false if its number is taken.
    pub(super) fn add_link(&self, link: &Arc<LinkHandle>) -> bool {
        let mut links = lock(&self.links);
        if links.contains_key(&link.number) {
            return false;
        }
        links.insert(link.number, link.clone());
        drop(links);
        // It has proven to know a graph.
        drop(lock(&self.visit).take());
        self.changed.notify_waiters();
        true
    }

    /// Returns once no packet came from the other end for [`SILENCE`] plus four round trips.
    pub(super) async fn falls_silent(&self) {
        let heard = || self.connection.stats().udp_rx.datagrams;
        loop {
            let before = heard();
            tokio::time::sleep(SILENCE + 4 * self.rtt()).await;
            if heard() == before {
                return;
            }
        }
    }

    /// The time of a round trip by the slowest path.
    pub(super) fn rtt(&self) -> Duration {
        self.connection.paths().iter().map(|path| path.rtt()).max().unwrap_or_default()
    }

    /// Forgets a link; without any, the connection goes after a while.
    pub(super) fn remove_link(self: &Arc<Self>, transport: &Arc<Transport>, number: u64) {
        let empty = {
            let mut links = lock(&self.links);
            links.remove(&number);
            links.is_empty()
        };
        if empty {
            let place = transport.admission.rest();
            if self.came_in && place.is_none() {
                return self.connection.close(NO_REASON, b"");
            }
            let peer = self.clone();
            transport.spawn(async move {
                tokio::time::sleep(GRACE).await;
                drop(place);
                if lock(&peer.links).is_empty() {
                    peer.connection.close(NO_REASON, b"");
                }
            });
        }
    }

    /// Takes in streams until the connection ends; then all its links are down.
    pub(super) async fn serve(self: Arc<Self>, transport: Arc<Transport>) {
        let streams = async {
            tokio::select! {
                () = self.accept_links(&transport) => {}
                () = self.accept_streams(&transport) => {}
            }
        };
        tokio::select! {
            () = streams => {}
            () = self.overstays() => {}
            _ = self.connection.closed() => {}
        }
        drop(lock(&self.visit).take());
        transport.forget_peer(&self);
        let why = match self.connection.close_reason() {
            Some(iroh::endpoint::ConnectionError::TimedOut | iroh::endpoint::ConnectionError::Reset) => {
                FailureReason::Lost
            }
            _ => FailureReason::ClosedByPeer,
        };
        let links: Vec<_> = lock(&self.links).values().cloned().collect();
        for link in links {
            link.down(&transport, why);
        }
    }

    /// Closes the connection if it proves nothing in time, or somebody else needs its place before.
    async fn overstays(&self) {
        let over = lock(&self.visit).as_ref().map(|visit| visit.over.clone());
        if let Some(over) = over {
            let code = tokio::select! {
                () = tokio::time::sleep(VISIT_TIME) => NO_REASON,
                () = over.cancelled() => BUSY,
            };
            if lock(&self.visit).is_some() {
                return self.connection.close(code, b"");
            }
        }
        std::future::pending().await
    }

    async fn accept_links(self: &Arc<Self>, transport: &Arc<Transport>) {
        let mut pace = transport.admission.pace();
        while let Ok((send, receive)) = self.connection.accept_bi().await {
            let (serving, peer) = (transport.clone(), self.clone());
            transport.spawn(async move { setup::accept(&serving, &peer, send, receive).await });
            pace.taken().await;
        }
    }

    async fn accept_streams(self: &Arc<Self>, transport: &Arc<Transport>) {
        let mut pace = transport.admission.pace();
        while let Ok(stream) = self.connection.accept_uni().await {
            let (serving, peer) = (transport.clone(), self.clone());
            transport.spawn(async move { peer.take_stream(&serving, stream).await });
            pace.taken().await;
        }
    }

    async fn take_stream(self: &Arc<Self>, transport: &Arc<Transport>, mut stream: RecvStream) {
        let mut preamble = [0; PREAMBLE_LEN];
        let of_link = async {
            stream.read_exact(&mut preamble).await.ok()?;
            let number = u64::from_le_bytes(preamble[1..].try_into().expect("eight bytes"));
            Some(self.link(number).await)
        };
        let link = timeout(HELLO_TIMEOUT, of_link).await.ok().flatten();
        let Some(link) = link else {
            // Of no link: nothing of it is wanted.
            let _ = stream.stop(NO_REASON);
            return;
        };
        if !link.takes(preamble[0]) {
            let _ = stream.stop(NO_REASON);
            return link.down(transport, FailureReason::Protocol);
        }
        match preamble[0] {
            KIND_RECORDS => read_stream(transport, &link, Stream::Records, stream).await,
            KIND_BULK => read_stream(transport, &link, Stream::Bulk, stream).await,
            kind @ (KIND_DATA | KIND_ACKS) => self.take_data(transport, &link, kind, stream).await,
            _ => link.down(transport, FailureReason::Protocol),
        }
    }

    async fn take_data(
        &self,
        transport: &Arc<Transport>,
        link: &Arc<LinkHandle>,
        kind: u8,
        mut stream: RecvStream,
    ) {
        let _panic = DownOnPanic(transport, link);
        if let Ok(Some(data)) = timeout(PATIENCE, link.wait_for_data()).await {
            let read = if kind == KIND_DATA {
                let reading = DataReader::new(&data, link, &mut stream).run(&transport.data_pool);
                // A reader that waits for room must not outlive its link.
                tokio::select! {
                    read = reading => read,
                    () = link.over.cancelled() => Ok(()),
                }
            } else {
                data.receive_acks(link, &mut stream).await
            };
            if read.is_err() {
                link.down(transport, FailureReason::Protocol);
            } else if kind == KIND_DATA {
                link.heard_out(DATA_MARK);
            }
        }
        let _ = stream.stop(NO_REASON);
    }

    async fn link(&self, number: u64) -> Arc<LinkHandle> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(link) = lock(&self.links).get(&number) {
                return link.clone();
            }
            changed.await;
        }
    }
}
