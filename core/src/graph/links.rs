//! One link as the overlay sees it.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{connect::ConnectId, outbox::Outbox};
use crate::{
    ids::{ConnectionId, LinkId, NodeId, PeerId},
    ledger::Source,
    limits::MAX_EARLY_BYTES,
    link::{ConnectionKind, FailureReason},
    record::{NodeAddr, RecordKey},
    time::Mono,
    wire::{Message, Purpose},
};

/// Why a node is dialled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DialWhy {
    /// The application asked.
    Connect(ConnectId),
    /// There are too few neighbors, or the graph is in two parts.
    Repair,
    /// To look for another part of the graph.
    Probe,
}

/// How far a link is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LinkState {
    /// We dialled and sent `Connect`.
    AwaitsWelcome,
    /// They dialled and will send `Connect`.
    AwaitsConnect,
    /// Set up.
    Ready,
    /// They said goodbye: what they sent before may still come, on other streams.
    Parting(FailureReason),
}

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) node: NodeId,
    /// The range of public addresses it comes from, if it does.
    pub(super) source: Option<Source>,
    pub(super) why: Option<DialWhy>,
    pub(super) state: LinkState,
    pub(super) purpose: Purpose,
    pub(super) connection: ConnectionId,
    pub(super) peer: PeerId,
    pub(super) addr: NodeAddr,
    /// Which run of that node this is.
    pub(super) instance: u64,
    pub(super) since: Mono,
    /// When the set-up is given up.
    pub(super) deadline: Mono,
    /// As the other end says, and as is found here: shown, and decides nothing.
    pub(super) utility: u16,
    /// As is found here alone: how many of the records that came were new.
    pub(super) news: u16,
    pub(super) next_sync: Mono,
    pub(super) pulse: Pulse,
    pub(super) out: Outbox,
    /// Records that overtook the welcome, on another stream.
    pub(super) early: Early,
    /// Messages of joining that came.
    pub(super) joining: u8,
    /// When the last one did.
    pub(super) asked: Mono,
    /// It was answered with a no.
    pub(super) denied: bool,
}

/// Liveness of a link.
#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) next: Mono,
    pub(super) seq: u32,
    pub(super) heard: Mono,
    pub(super) srtt: Option<Duration>,
    /// Pings without an answer, oldest first.
    pub(super) open: VecDeque<(u32, Mono)>,
    pub(super) next_clock: Mono,
    /// Time between pings: the longer of what the two ends want.
    pub(super) interval: Duration,
}

/// Records that came before the welcome: the other end knows the secret, and has proven nothing else yet.
#[derive(Debug, Default)]
pub(super) struct Early {
    messages: Vec<Message>,
    bytes: usize,
}

impl Early {
    /// Keeps a message while there is room; one of any size is. False if it was dropped.
    pub(super) fn keep(&mut self, message: Message) -> bool {
        let (Message::Push { records, .. } | Message::Records { records, .. }) = &message else {
            return false;
        };
        let each = records.iter().map(|record| record.len().saturating_add(size_of::<Bytes>()));
        let bytes = each.fold(size_of::<Message>(), usize::saturating_add);
        let all = self.bytes.saturating_add(bytes);
        let fits = self.messages.is_empty() || all <= MAX_EARLY_BYTES;
        if fits {
            self.bytes = all;
            self.messages.push(message);
        }
        fits
    }

    /// Gives what was kept.
    pub(super) fn take(&mut self) -> Vec<Message> {
        std::mem::take(self).messages
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A neighbor or direct connection, to look at.
#[derive(Clone, PartialEq, Debug)]
pub struct NeighborInfo {
    /// Its number for applications.
    pub connection: ConnectionId,
    /// Its number for the driver.
    pub link: LinkId,
    /// The node at the other end.
    pub node: NodeId,
    /// Its identity.
    pub peer: PeerId,
    /// Where it says it can be dialled.
    pub addr: NodeAddr,
    /// Smoothed round-trip time, once measured.
    pub rtt: Option<Duration>,
    /// How useful its records were lately: 0 to 4,096.
    pub utility: u16,
    /// True if this node dialled.
    pub dialed: bool,
}

impl Link {
    /// Since when a joiner keeps its link for nothing: it has not said by what it joins, or was told no.
    pub(super) fn waits_for_nothing(&self) -> Option<Mono> {
        match self.joining {
            0 => Some(self.since),
            _ => self.denied.then_some(self.asked),
        }
    }

    pub(super) fn is_ready(&self, purpose: Purpose) -> bool {
        self.state == LinkState::Ready && self.purpose == purpose
    }

    pub(super) const fn kind(&self) -> ConnectionKind {
        match self.purpose {
            Purpose::Direct => ConnectionKind::Direct,
            Purpose::Neighbor | Purpose::Probe | Purpose::Join => ConnectionKind::Neighbor,
        }
    }

    /// `LU' = LU·31/32`, and 128 more if it was useful: 4,096 for a link whose every record is new.
    pub(super) fn rate(&mut self, useful: bool) {
        self.utility = rated(self.utility, useful);
    }

    /// The same of a record that came here.
    pub(super) fn rate_news(&mut self, new: bool) {
        self.rate(new);
        self.news = rated(self.news, new);
    }

    pub(super) fn info(&self) -> NeighborInfo {
        NeighborInfo {
            connection: self.connection,
            link: self.id,
            node: self.node,
            peer: self.peer,
            addr: self.addr.clone(),
            rtt: self.pulse.srtt,
            utility: self.utility,
            dialed: self.why.is_some(),
        }
    }

    /// How long an answer may take before something is done about it.
    pub(super) fn patience(&self, least: Duration) -> Duration {
        self.pulse.srtt.map_or(least, |srtt| srtt.saturating_mul(2).max(least))
    }
}

/// Below 4,096, however often.
fn rated(utility: u16, useful: bool) -> u16 {
    utility.saturating_sub(utility.div_ceil(32)).saturating_add(if useful { 128 } else { 0 })
}

/// A record that was announced and has not come.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) origin: u64,
    /// Who announced it: asked in turn.
    pub(super) announcers: VecDeque<LinkId>,
    /// On whose account it is counted.
    pub(super) counted: LinkId,
    pub(super) deadline: Mono,
    pub(super) attempts: u32,
}

/// A missing record's place in the order of deadlines.
pub(super) type Due = (Mono, RecordKey);
