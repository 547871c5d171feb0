//! The address book: every node of the graph that was ever heard of, and when it is worth dialling.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};

use crate::{
    ids::{NodeId, PeerId},
    limits::{CONTACT_LIFETIME, MAX_BACKOFF, MAX_CONTACTS, MIN_BACKOFF},
    record::NodeAddr,
    time::Mono,
};

/// One known node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// Where it can be dialled.
    pub addr: NodeAddr,
    /// Its identity, if known.
    pub peer: Option<PeerId>,
    heard: Mono,
    failures: u32,
    not_before: Mono,
}

/// All known nodes but this one.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    by_node: BTreeMap<NodeId, Contact>,
}

impl Contacts {
    /// Notes where a node is; true if that is news.
    pub(super) fn learn(&mut self, now: Mono, addr: NodeAddr, peer: Option<PeerId>) -> bool {
        let addr = addr.trimmed();
        let node = addr.node;
        if let Some(known) = self.by_node.get_mut(&node) {
            known.heard = now;
            known.peer = peer.or(known.peer);
            // A bare address says nothing new.
            if addr.is_bare() || known.addr == addr {
                return false;
            }
            known.addr = addr;
            known.not_before = known.not_before.min(now + MIN_BACKOFF);
            return true;
        }
        if self.by_node.len() >= MAX_CONTACTS {
            let oldest = self.by_node.iter().min_by_key(|(_, c)| c.heard).map(|(node, _)| *node);
            oldest.map(|node| self.by_node.remove(&node));
        }
        let contact = Contact { addr, peer, heard: now, failures: 0, not_before: now };
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

    /// A link with the node is up.
    pub(super) fn reached(&mut self, now: Mono, node: &NodeId) {
        if let Some(contact) = self.by_node.get_mut(node) {
            contact.failures = 0;
            contact.heard = now;
            contact.not_before = now;
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
            self.by_node.values().filter(|c| c.not_before <= now && usable(&c.addr.node)).collect();
        ready.sort_by_key(|c| std::cmp::Reverse(c.heard));
        let recent = count.div_ceil(2).min(ready.len());
        let (lately, others) = ready.split_at(recent);
        let random = others.sample(rng, count - recent);
        lately.iter().copied().chain(random.copied()).map(|c| c.addr.clone()).collect()
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
        assert!(contacts.learn(at(0), addr(1, 1), None));
        assert!(!contacts.learn(at(0), addr(1, 1), None), "no news");
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
        contacts.failed(now, &node, &mut rng);
        assert!(contacts.next_ready(now).unwrap().since(now) < 2 * MIN_BACKOFF, "forgiven");
    }

    #[test]
    fn c34_who_is_alone_tries_everybody_again_within_a_minute() {
        let (mut contacts, mut rng) = (Contacts::default(), StdRng::seed_from_u64(1));
        let node = NodeId::from_bytes([1; 32]);
        contacts.learn(at(0), addr(1, 1), None);
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
        contacts.learn(at(0), addr(1, 1), None);
        (0..12).for_each(|_| contacts.failed(at(0), &node, &mut rng));
        assert!(!contacts.learn(at(1), NodeAddr::new(node), None));
        assert_eq!(contacts.get(&node).unwrap().addr, addr(1, 1));
        assert!(contacts.next_ready(at(1)).unwrap() > at(600));
        assert!(contacts.learn(at(2), addr(1, 2), None));
        assert!(contacts.next_ready(at(2)).unwrap() <= at(2) + MIN_BACKOFF);
    }

    #[test]
    fn the_book_is_bounded_and_forgets_the_oldest() {
        let mut contacts = Contacts::default();
        for n in 0..=MAX_CONTACTS as u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_le_bytes());
            contacts.learn(at(n), NodeAddr::at(NodeId::from_bytes(id), []), None);
        }
        assert_eq!(contacts.len(), MAX_CONTACTS);
        assert!(contacts.get(&NodeId::from_bytes([0; 32])).is_none());
        let late = at(MAX_CONTACTS as u64) + CONTACT_LIFETIME;
        assert!(contacts.forget_old(late));
        assert_eq!(contacts.len(), 0);
    }
}
