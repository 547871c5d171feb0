//! The wires between simulated nodes: latency, loss as delay, order within a stream, partitions.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, rngs::StdRng};

use crate::{ids::LinkId, time::Mono, wire::Stream};

/// How a link behaves.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LinkModel {
    /// Shortest one-way delay.
    pub min_latency: Duration,
    /// Longest one-way delay without loss.
    pub max_latency: Duration,
    /// Share of frames that need to be sent again, each costing a round trip and a timer.
    pub loss: f64,
    /// Time without any frame after which both ends take the link for dead.
    pub idle_timeout: Duration,
    /// Time a dial to nobody takes to fail.
    pub dial_timeout: Duration,
}

impl Default for LinkModel {
    fn default() -> Self {
        Self {
            min_latency: Duration::from_millis(10),
            max_latency: Duration::from_millis(50),
            loss: 0.0,
            idle_timeout: Duration::from_secs(10),
            dial_timeout: Duration::from_secs(2),
        }
    }
}

impl LinkModel {
    /// One frame's way: the delay, with each loss costing a retransmission.
    pub(super) fn delay(&self, rng: &mut StdRng) -> Duration {
        let span = self.max_latency.saturating_sub(self.min_latency);
        let mut delay = self.min_latency + span.mul_f64(rng.random::<f64>());
        while self.loss > 0.0 && rng.random::<f64>() < self.loss {
            delay += 2 * self.max_latency + Duration::from_millis(25);
        }
        delay
    }
}

/// One end of a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct End {
    pub(super) node: usize,
    pub(super) link: LinkId,
}

/// All links of the world.
#[derive(Debug, Default)]
pub(super) struct Wires {
    /// Each end's other end.
    peers: BTreeMap<End, End>,
    /// When the last frame on a stream arrives: the next one does not overtake it.
    last: BTreeMap<(End, Stream), Mono>,
    /// Bytes written since the engine was last told.
    unconfirmed: BTreeMap<(End, Stream), usize>,
    next: u64,
}

impl Wires {
    pub(super) fn connect(&mut self, a: usize, b: usize) -> (End, End) {
        self.next += 2;
        let (a, b) = (End { node: a, link: LinkId(self.next) }, End { node: b, link: LinkId(self.next + 1) });
        self.peers.insert(a, b);
        self.peers.insert(b, a);
        (a, b)
    }

    pub(super) fn peer(&self, end: End) -> Option<End> {
        self.peers.get(&end).copied()
    }

    /// Removes one end; the other still believes in it.
    pub(super) fn cut(&mut self, end: End) -> Option<End> {
        self.last.retain(|(e, _), _| *e != end);
        self.unconfirmed.retain(|(e, _), _| *e != end);
        self.peers.remove(&end)
    }

    pub(super) fn unconfirmed(&mut self, end: End, stream: Stream) -> &mut usize {
        self.unconfirmed.entry((end, stream)).or_default()
    }

    pub(super) fn ends_of(&self, node: usize) -> Vec<(End, End)> {
        let range = End { node, link: LinkId(0) }..=End { node, link: LinkId(u64::MAX) };
        self.peers.range(range).map(|(a, b)| (*a, *b)).collect()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (End, End)> {
        self.peers.iter().map(|(a, b)| (*a, *b))
    }

    /// When a frame sent now arrives at the other end.
    pub(super) fn arrival(&mut self, from: End, stream: Stream, earliest: Mono) -> Mono {
        let last = self.last.entry((from, stream)).or_default();
        *last = (*last).max(earliest);
        *last
    }
}
