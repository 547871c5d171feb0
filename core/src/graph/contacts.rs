//! The address book: every node of the graph that was ever heard of, and when it is worth dialling.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{NodeId, PeerId},
    limits::{CONTACT_LIFETIME, MAX_BACKOFF, MAX_CONTACTS, MIN_BACKOFF},
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
    heard: Mono,
    failures: u32,
    not_before: Mono,
}

impl Contact {
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
    fn learn(&mut self, known: Known, addr: NodeAddr) -> bool {
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

/// All known nodes but this one.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    by_node: BTreeMap<NodeId, Contact>,
}

impl Contacts {
    /// Notes where a node is; true if that is news.
    pub(super) fn learn(&mut self, now: Mono, addr: NodeAddr, peer: Option<PeerId>, how: Known) -> bool {
        let addr = addr.trimmed();
        let node = addr.node;
        if let Some(known) = self.by_node.get_mut(&node) {
            known.heard = now;
            known.peer = peer.or(known.peer);
            if !known.learn(how, addr) {
                return false;
            }
            known.not_before = known.not_before.min(now + MIN_BACKOFF);
            return true;
        }
        if self.by_node.len() >= MAX_CONTACTS {
            let oldest = self.by_node.iter().min_by_key(|(_, c)| c.heard).map(|(node, _)| *node);
            oldest.map(|node| self.by_node.remove(&node));
        }
        let mut contact = Contact { node, peer, addrs: Vec::new(), heard: now, failures: 0, not_before: now };
        contact.learn(how, addr);
        self.by_node.insert(node, contact);
        true
    }

    pub(super) fn get(&self, node: &NodeId) -> Option<&Contact> {
        self.by_node.get(node)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Contact> {
        self.by_node.values()
    }

    pub(super) fn len(&self) -> usize {
        self.by_node.len()
    }

    /// Forgets the nodes of some identities; true if there were any.
    pub(super) fn forget_peers(&mut self, gone: &mut dyn FnMut(&PeerId) -> bool) -> bool {
        let before = self.by_node.len();
        self.by_node.retain(|_, contact| !contact.peer.is_some_and(|peer| gone(&peer)));
        self.by_node.len() < before
    }

    /// A link with the node is up. Earlier failures count until it has [lasted](Self::lasted): otherwise a link that is
    /// lost right after its set-up, again and again, would be dialled without a pause.
    pub(super) fn reached(&mut self, now: Mono, node: &NodeId) {
        if let Some(contact) = self.by_node.get_mut(node) {
            contact.heard = now;
            contact.not_before = now;
        }
    }

    /// A link with the node was up for a while.
    pub(super) fn lasted(&mut self, node: &NodeId) {
        if let Some(contact) = self.by_node.get_mut(node) {
            contact.failures = 0;
        }
    }

    /// The node could not be reached: wait 1 s, then twice as long each time, to an hour; with jitter.
    pub(super) fn failed(&mut self, now: Mono, node: &NodeId, rng: &mut StdRng) {
        if let Some(contact) = self.by_node.get_mut(node) {
            let wait = MIN_BACKOFF.saturating_mul(1 << contact.failures.min(12)).min(MAX_BACKOFF);
            contact.failures = contact.failures.saturating_add(1);
            contact.not_before = now + wait.mul_f64(0.75 + 0.5 * rng.random::<f64>());
        }
    }

    /// Whoever could not be reached may be dialled again: the reason may be gone.
    pub(super) fn forgive(&mut self, now: Mono) {
        for contact in self.by_node.values_mut().filter(|contact| contact.failures > 0) {
            contact.failures = 0;
            contact.not_before = now;
        }
    }

    /// Nobody is left alone for longer than this from now: this node has no neighbor.
    pub(super) fn hasten(&mut self, now: Mono, longest: Duration) {
        for contact in self.by_node.values_mut() {
            contact.not_before = contact.not_before.min(now + longest);
        }
    }

    /// Leaves a node alone for a while.
    pub(super) fn rest(&mut self, now: Mono, node: &NodeId, wait: Duration) {
        if let Some(contact) = self.by_node.get_mut(node) {
            contact.not_before = contact.not_before.max(now + wait);
        }
    }

    /// Nodes worth dialling now: half of them lately heard of, half at random.
    pub(super) fn choose(
        &self,
        now: Mono,
        count: usize,
        rng: &mut StdRng,
        usable: impl Fn(&NodeId) -> bool,
    ) -> Vec<NodeAddr> {
        let mut ready: Vec<&Contact> =
            self.by_node.values().filter(|c| c.not_before <= now && usable(&c.node)).collect();
        ready.sort_by_key(|c| std::cmp::Reverse(c.heard));
        let recent = count.div_ceil(2).min(ready.len());
        let (lately, others) = ready.split_at(recent);
        let random = others.sample(rng, count.saturating_sub(recent));
        lately.iter().copied().chain(random.copied()).map(Contact::addr).collect()
    }

    /// When the next node may be dialled that cannot be now.
    pub(super) fn next_ready(&self, now: Mono) -> Option<Mono> {
        self.by_node.values().map(|c| c.not_before).filter(|at| *at > now).min()
    }

    /// Drops nodes not heard of for thirty days; true if there were any.
    pub(super) fn forget_old(&mut self, now: Mono) -> bool {
        let before = self.by_node.len();
        self.by_node.retain(|_, contact| now.since(contact.heard) < CONTACT_LIFETIME);
        self.by_node.len() < before
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn addr(n: u8, port: u16) -> NodeAddr {
        NodeAddr::at(NodeId::from_bytes([n; 32]), [([127, 0, 0, 1], port).into()])
    }

    fn at(seconds: u64) -> Mono {
        Mono(0) + Duration::from_secs(seconds)
    }

    #[test]
    fn a_node_that_fails_is_left_alone_for_longer_each_time() {
        let (mut contacts, mut rng) = (Contacts::default(), StdRng::seed_from_u64(1));
        assert!(contacts.learn(at(0), addr(1, 1), None, Known::Link));
        assert!(!contacts.learn(at(0), addr(1, 1), None, Known::Link), "no news");
        let (node, mut now, mut waits) = (NodeId::from_bytes([1; 32]), at(0), Vec::new());
        for _ in 0..20 {
            contacts.failed(now, &node, &mut rng);
            assert!(contacts.choose(now, 1, &mut rng, |_| true).is_empty());
            let ready = contacts.next_ready(now).unwrap();
            waits.push(ready.since(now));
            now = ready;
            assert_eq!(contacts.choose(now, 1, &mut rng, |_| true), [addr(1, 1)]);
        }
        assert!(waits[0] < 2 * MIN_BACKOFF && waits.iter().all(|wait| *wait <= MAX_BACKOFF.mul_f64(1.25)));
        assert!(waits[19] >= MAX_BACKOFF.mul_f64(0.75), "{waits:?}");
        contacts.reached(now, &node);
        contacts.lasted(&node);
        contacts.failed(now, &node, &mut rng);
        assert!(contacts.next_ready(now).unwrap().since(now) < 2 * MIN_BACKOFF, "forgiven");
    }

    #[test]
    fn c34_who_is_alone_tries_everybody_again_within_a_minute() {
        let (mut contacts, mut rng) = (Contacts::default(), StdRng::seed_from_u64(1));
        let node = NodeId::from_bytes([1; 32]);
        contacts.learn(at(0), addr(1, 1), None, Known::Link);
        (0..20).for_each(|_| contacts.failed(at(0), &node, &mut rng));
        assert!(contacts.next_ready(at(0)).unwrap() > at(1000));
        contacts.hasten(at(5), crate::limits::ALONE_BACKOFF);
        contacts.hasten(at(10), crate::limits::ALONE_BACKOFF);
        assert_eq!(contacts.next_ready(at(10)), Some(at(65)), "and no later each time");
    }

    #[test]
    fn a_new_address_is_worth_another_try_and_a_bare_one_is_no_news() {
        let (mut contacts, mut rng) = (Contacts::default(), StdRng::seed_from_u64(1));
        let node = NodeId::from_bytes([1; 32]);
        contacts.learn(at(0), addr(1, 1), None, Known::Link);
        (0..12).for_each(|_| contacts.failed(at(0), &node, &mut rng));
        assert!(!contacts.learn(at(1), NodeAddr::new(node), None, Known::Link));
        assert_eq!(contacts.get(&node).unwrap().addr(), addr(1, 1));
        assert!(contacts.next_ready(at(1)).unwrap() > at(600));
        assert!(contacts.learn(at(2), addr(1, 2), None, Known::Link));
        assert!(contacts.next_ready(at(2)).unwrap() <= at(2) + MIN_BACKOFF);
    }

    #[test]
    fn a11_hearsay_adds_to_what_a_node_said_itself_and_replaces_nothing() {
        let (mut contacts, node) = (Contacts::default(), NodeId::from_bytes([1; 32]));
        assert!(contacts.learn(at(0), addr(1, 1), None, Known::Link));
        assert!(contacts.learn(at(1), addr(1, 2), None, Known::Hearsay));
        assert!(contacts.learn(at(2), addr(1, 3), None, Known::Signed));
        assert!(!contacts.learn(at(2), addr(1, 1), None, Known::Hearsay), "no news");
        let many: Vec<std::net::SocketAddr> = (100..200).map(|port| ([10, 0, 0, 1], port).into()).collect();
        let many = NodeAddr { relay: Some("https://evil.example".into()), ..NodeAddr::at(node, many) };
        assert!(contacts.learn(at(3), many, None, Known::Hearsay));
        let contact = contacts.get(&node).unwrap();
        assert_eq!(contact.best(), Some(&addr(1, 1)), "what is told to others");
        let ports: Vec<u16> = contact.addr().addrs.iter().map(std::net::SocketAddr::port).collect();
        assert_eq!(&ports[..3], [1, 3, 100], "what it said goes first, and is not cut off");
        assert_eq!(ports.len(), crate::limits::MAX_ADDRESSES);
        // A node that moved says so itself.
        assert!(contacts.learn(at(4), addr(1, 9), None, Known::Link));
        assert_eq!(contacts.get(&node).unwrap().best(), Some(&addr(1, 9)));
    }

    #[test]
    fn the_book_is_bounded_and_forgets_the_oldest() {
        let mut contacts = Contacts::default();
        for n in 0..=MAX_CONTACTS as u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_le_bytes());
            contacts.learn(at(n), NodeAddr::at(NodeId::from_bytes(id), []), None, Known::Link);
        }
        assert_eq!(contacts.len(), MAX_CONTACTS);
        assert!(contacts.get(&NodeId::from_bytes([0; 32])).is_none());
        let late = at(MAX_CONTACTS as u64) + CONTACT_LIFETIME;
        assert!(contacts.forget_old(late));
        assert_eq!(contacts.len(), 0);
    }
}
