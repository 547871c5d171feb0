//! Where this node is, and what it hears of where others are.

use super::{
    Overlay, OverlayEvent,
    contacts::{Contact, Known, Teller, merged},
};
use crate::{ids::PeerId, record::NodeAddr, time::Now, wire::Message};

impl Overlay {
    /// Where this node can be dialled; neighbors are told while it listens.
    pub fn set_address(&mut self, _now: Now, addr: NodeAddr) {
        if self.addr != addr {
            self.addr = addr;
            self.tell_address();
        }
    }

    /// Notes a node of the graph and where it is.
    pub fn add_contact(&mut self, now: Now, addr: NodeAddr, peer: Option<PeerId>, known: Known) {
        self.learn_contact(now, addr, peer, known, None);
    }

    /// Somebody tells of other nodes.
    pub(super) fn hear_of(&mut self, now: Now, teller: Teller, addrs: Vec<NodeAddr>) {
        for addr in addrs {
            self.learn_contact(now, addr, None, Known::Hearsay, Some(teller));
        }
    }

    fn learn_contact(
        &mut self,
        now: Now,
        addr: NodeAddr,
        peer: Option<PeerId>,
        known: Known,
        teller: Option<Teller>,
    ) {
        if addr.node != self.me() && self.contacts.learn(now.mono, addr, peer, known, teller) {
            self.events.push_back(OverlayEvent::ContactsChanged);
            if self.ready_neighbors() < self.config.target {
                self.hurry(now);
            }
        }
    }

    /// As if the presence of so many nodes had come that nobody can reach, each of another identity.
    #[cfg(all(test, feature = "sim"))]
    pub(crate) fn flood_contacts(&mut self, now: Now, count: u32) {
        for number in 0..count {
            let [a, b, c, d] = number.to_be_bytes();
            let mut id = [d; 32];
            id[..4].copy_from_slice(&[d, c, b, a]);
            let addr = NodeAddr::at(crate::ids::NodeId::from_bytes(id), [([60 + b, c, d, 1], 9).into()]);
            self.add_contact(now, addr, Some(PeerId::from_bytes(id)), Known::Signed);
        }
    }

    /// All known nodes.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.all()
    }

    /// What is known of a node's whereabouts, from the caller and from contacts.
    pub(super) fn best_address(&self, addr: NodeAddr) -> NodeAddr {
        match self.contacts.get(&addr.node) {
            // What the node said itself goes first, and is never cut off.
            Some(known) => merged(known.addrs().map(|(_, addr)| addr).chain([&addr])),
            None => addr.trimmed(),
        }
    }

    pub(super) fn tell_address(&mut self) {
        let addr = self.own_address();
        for link in self.neighbor_links() {
            self.send(link, &Message::Addresses(addr.clone()));
        }
    }

    /// Where others can dial this node; bare while it does not listen.
    pub(super) fn own_address(&self) -> NodeAddr {
        if self.listening { self.addr.clone() } else { NodeAddr::new(self.me()) }
    }
}
