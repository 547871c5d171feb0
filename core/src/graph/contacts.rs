//! What is known of one node: where it is, how that is known, and when it is worth dialling.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{NodeId, PeerId},
    ledger::Source,
    limits::{MAX_CONTACT_SOURCES, MAX_HEARSAY_ADDRESSES},
    record::NodeAddr,
    time::Mono,
};

/// How it is known where a node is; the most reliable first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Known {
    /// The node said so on a link, where TLS has proven which node it is.
    Link,
    /// The node said so in its presence, which it signed.
    Signed,
    /// Somebody else said so.
    Hearsay,
}

/// One known node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// Which.
    pub node: NodeId,
    /// Its identity, if known.
    pub peer: Option<PeerId>,
    /// Where it can be dialled: the latest of each kind, none bare. Ascending.
    addrs: Vec<(Known, NodeAddr)>,
    /// True if this node dialled it and was welcomed.
    pub(super) reached: bool,
    /// Who told of it, while it has not spoken itself.
    pub(super) teller: Option<Teller>,
    pub(super) heard: Mono,
    pub(super) failures: u32,
    pub(super) not_before: Mono,
    /// True if its time had come when that was last looked at.
    pub(super) ready: bool,
    /// Its place in the order by lot.
    pub(super) lot: u64,
}

/// Who told of a node: an identity, or a node whose identity is not known.
pub(super) type Teller = [u8; 32];

/// A contact as it is kept across restarts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptContact {
    addrs: Vec<(Known, NodeAddr)>,
    peer: Option<PeerId>,
    reached: bool,
    teller: Option<Teller>,
    /// True if it was a neighbor whose place nobody could take.
    pub(super) steady: bool,
}

/// What contacts have in common, so that many cost whoever makes them something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Group {
    /// One identity.
    Peer(PeerId),
    /// One range of addresses.
    Source(Source),
    /// One who told of them.
    Teller(Teller),
}

impl Contact {
    /// A node of which nothing is known yet.
    pub(super) const fn new(now: Mono, node: NodeId, peer: Option<PeerId>) -> Self {
        Self {
            node,
            peer,
            addrs: Vec::new(),
            reached: false,
            teller: None,
            heard: now,
            failures: 0,
            not_before: now,
            ready: false,
            lot: 0,
        }
    }

    /// Back from the disk.
    pub(super) fn restored(now: Mono, kept: KeptContact) -> Option<Self> {
        let node = kept.addrs.first()?.1.node;
        let mut contact = Self::new(now, node, kept.peer);
        (contact.reached, contact.teller) = (kept.reached, kept.teller);
        for (known, addr) in kept.addrs.into_iter().filter(|(_, addr)| addr.node == node) {
            contact.learn(known, addr);
        }
        Some(contact)
    }

    /// As it is kept.
    pub(super) fn kept(&self, steady: bool) -> KeptContact {
        let (addrs, peer) = (self.addrs.clone(), self.peer);
        KeptContact { addrs, peer, reached: self.reached, teller: self.teller, steady }
    }

    /// What it has in common with others.
    pub(super) fn groups(&self) -> BTreeSet<Group> {
        let peer = self.peer.map(Group::Peer);
        let teller = self.teller.filter(|_| !self.reached).map(Group::Teller);
        self.sources().into_iter().map(Group::Source).chain(peer).chain(teller).collect()
    }

    /// The ranges of its public addresses, the first few. What is less reliable does not count, or anybody could move it into a
    /// range that is full.
    pub(super) fn sources(&self) -> BTreeSet<Source> {
        let sockets = self.best().map(|addr| addr.addrs.iter()).unwrap_or_default();
        sockets.filter_map(|socket| Source::from(socket.ip()).public()).take(MAX_CONTACT_SOURCES).collect()
    }

    /// Where it is, and how that is known; the most reliable first.
    pub fn addrs(&self) -> impl Iterator<Item = (Known, &NodeAddr)> {
        self.addrs.iter().map(|(known, addr)| (*known, addr))
    }

    /// The most reliable of them. This is what others are told.
    pub fn best(&self) -> Option<&NodeAddr> {
        self.addrs.first().map(|(_, addr)| addr)
    }

    /// All of them, to be dialled.
    pub fn addr(&self) -> NodeAddr {
        if self.addrs.is_empty() {
            NodeAddr::new(self.node)
        } else {
            merged(self.addrs.iter().map(|(_, addr)| addr))
        }
    }

    /// Notes where it is. What is less reliable adds to what is known, and replaces only what is known no better.
    pub(super) fn learn(&mut self, known: Known, addr: NodeAddr) -> bool {
        let addr = believed(known, addr);
        // A bare address says nothing new.
        if addr.is_bare() || self.addrs.iter().any(|(better, other)| *better <= known && *other == addr) {
            return false;
        }
        let news = self.addrs.iter().all(|(_, other)| *other != addr);
        self.addrs.retain(|(kind, other)| *kind != known && *other != addr);
        self.addrs.push((known, addr));
        self.addrs.sort_by_key(|(known, _)| *known);
        news
    }
}

/// What is dialled of an address: of what others say, a few sockets, and no relay but by HTTPS. A presence comes from others too.
pub(super) fn believed(known: Known, addr: NodeAddr) -> NodeAddr {
    let mut addr = addr.trimmed();
    if known != Known::Link {
        addr.relay = addr.relay.filter(|url| url.starts_with("https://"));
    }
    if known == Known::Hearsay {
        addr.addrs.truncate(MAX_HEARSAY_ADDRESSES);
    }
    addr
}

/// Several addresses of one node as one: the first ones go first, and are not cut off.
pub(super) fn merged<'a>(addrs: impl IntoIterator<Item = &'a NodeAddr>) -> NodeAddr {
    let mut addrs = addrs.into_iter();
    let mut all = addrs.next().cloned().unwrap_or_else(|| NodeAddr::new(NodeId::from_bytes([0; 32])));
    for addr in addrs {
        let more: Vec<_> = addr.addrs.iter().filter(|more| !all.addrs.contains(more)).copied().collect();
        all.addrs.extend(more);
        all.relay = all.relay.or_else(|| addr.relay.clone());
    }
    all.trimmed()
}
