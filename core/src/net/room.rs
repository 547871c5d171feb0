//! What of one link may wait for the engine: beyond, its streams are not read, and QUIC holds the sender back.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    limits::{FRAME_COST, GRAPH_INBOX, LINK_INBOX, MAX_MESSAGE},
    wire::Stream,
};

/// Room for what waits of all links of one graph together.
#[derive(Debug, Clone)]
pub(super) struct GraphRoom(Arc<Semaphore>);

/// Room for what waits of one link. Control has its own: records that wait never hold it up.
#[derive(Debug)]
pub(super) struct Room {
    control: Arc<Semaphore>,
    records: Arc<Semaphore>,
    /// Held while a frame comes in that is larger than any of control.
    large: Arc<Semaphore>,
    graph: GraphRoom,
}

/// Held while a frame waits.
#[derive(Debug)]
pub struct Charge {
    _link: OwnedSemaphorePermit,
    _graph: OwnedSemaphorePermit,
}

impl GraphRoom {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(GRAPH_INBOX)))
    }
}

impl Room {
    pub(super) fn new(graph: &GraphRoom) -> Self {
        let some = || Arc::new(Semaphore::new(LINK_INBOX));
        Self { control: some(), records: some(), large: Arc::new(Semaphore::new(1)), graph: graph.clone() }
    }

    /// Waits until there is room for a frame of this length. One of any length fits when nothing else waits.
    pub(super) async fn take(&self, stream: Stream, len: usize) -> Option<Charge> {
        let cost = len.saturating_add(FRAME_COST);
        let link = match stream {
            Stream::Control => &self.control,
            Stream::Records | Stream::Bulk => &self.records,
        };
        // The semaphores are never closed.
        let _link = take(link, cost, LINK_INBOX).await?;
        let _graph = take(&self.graph.0, cost, GRAPH_INBOX).await?;
        Some(Charge { _link, _graph })
    }

    /// Waits until no other large frame of this link is coming in, if one of this length is large.
    pub(super) async fn assemble(&self, len: usize) -> Option<OwnedSemaphorePermit> {
        if len <= MAX_MESSAGE {
            return None;
        }
        self.large.clone().acquire_owned().await.ok()
    }
}

async fn take(from: &Arc<Semaphore>, cost: usize, all: usize) -> Option<OwnedSemaphorePermit> {
    let cost = u32::try_from(cost.min(all)).expect("a few mebibytes fit");
    from.clone().acquire_many_owned(cost).await.ok()
}

#[cfg(test)]
mod tests {
    use super::{super::polled::now, *};

    #[test]
    fn b2_small_frames_count_for_what_they_hold() {
        let room = Room::new(&GraphRoom::new());
        let mut waiting = Vec::new();
        while let Some(charge) = now(room.take(Stream::Control, 1)) {
            waiting.push(charge);
        }
        assert_eq!(waiting.len(), LINK_INBOX / (1 + FRAME_COST));
        // Records have a room of their own, which bulk shares.
        let records = now(room.take(Stream::Records, 10 * LINK_INBOX)).expect("one of any length fits");
        assert!(now(room.take(Stream::Bulk, 1)).is_none());
        drop(records);
        assert!(now(room.take(Stream::Bulk, 1)).is_some());
        waiting.pop();
        assert!(now(room.take(Stream::Control, 1)).is_some());
    }

    #[test]
    fn b2_all_links_of_a_graph_together_have_bounded_bytes_waiting() {
        let graph = GraphRoom::new();
        let links: Vec<_> = (0..1000).map(|_| Room::new(&graph)).collect();
        let streams = [Stream::Control, Stream::Records];
        let frames = links.iter().flat_map(|link| streams.map(|stream| (link, stream)));
        let waiting: Vec<_> = frames.filter_map(|(link, stream)| now(link.take(stream, 64 * 1024))).collect();
        assert_eq!(waiting.len(), GRAPH_INBOX / (64 * 1024 + FRAME_COST));
        drop(waiting);
        assert!(now(links[999].take(Stream::Control, 64 * 1024)).is_some());
    }

    #[test]
    fn b2_one_large_frame_of_a_link_comes_in_at_a_time() {
        let room = Room::new(&GraphRoom::new());
        let first = now(room.assemble(MAX_MESSAGE + 1)).expect("the first may");
        assert!(first.is_some());
        assert!(now(room.assemble(MAX_MESSAGE + 1)).is_none(), "the second waits");
        assert!(now(room.assemble(MAX_MESSAGE)).is_some_and(|held| held.is_none()), "control never does");
        drop(first);
        assert!(now(room.assemble(MAX_MESSAGE + 1)).is_some());
    }
}
