//! Which nodes joiners are sent to: by an invitation, by a refusal, and by a member that relays a password.
//!
//! Identities are counted, not nodes, which cost nothing; and their order is random, for ids can be chosen. So nobody
//! takes all places of a list.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom;

use super::Engine;
use crate::{
    ids::PeerId,
    limits::{NODES_OF_ONE, REFERRALS},
    record::{NodeAddr, Role},
    time::Now,
};

/// Nodes of one identity, and how near they are: linked with this node, present, or known from before.
type Known = (u8, Vec<NodeAddr>);

impl Engine {
    /// Nodes to begin with, for a ticket: this one first, in a pause too.
    pub fn entry_points(&self) -> Vec<NodeAddr> {
        let mine = self.presence.addr.clone().filter(|_| self.overlay.would_listen());
        let others = self.overlay.neighbors().into_iter().map(|n| n.addr);
        mine.into_iter().chain(others).take(REFERRALS).collect()
    }

    /// The nodes that an invitation names: this one, nodes of `admitters` (empty: of all who may admit), then other neighbors.
    /// Whoever joins by it learns of no other node before it is admitted, so admitters go first.
    pub fn invitation_nodes(&mut self, now: Now, admitters: &[PeerId]) -> Vec<NodeAddr> {
        let members = self.membership();
        let all = members.map(|members| members.admitters(self.peer_time(now))).unwrap_or_default();
        let admitters = if admitters.is_empty() { all } else { admitters.to_vec() };
        let mut nodes = self.entry_points();
        let own = nodes.iter().take_while(|addr| addr.node == self.device.node).count();
        let found = self.nodes_of_each(now, &admitters);
        nodes.retain(|addr| found.iter().all(|other| other.node != addr.node));
        nodes.splice(own..own, found);
        nodes.truncate(REFERRALS);
        nodes
    }

    /// Addresses of nodes whose identities may admit: of these identities, or of all admitters.
    pub(super) fn admitting_nodes(&mut self, now: Now, of: Vec<PeerId>) -> Vec<NodeAddr> {
        let Some(members) = &self.group.members else { return Vec::new() };
        let mut peers = if of.is_empty() { members.admitters(self.peer_time(now)) } else { of };
        peers.retain(|peer| *peer != self.device.peer);
        self.nodes_of_each(now, &peers)
    }

    /// Nodes of these identities: one of each in turn, and few of each. Half of the places are for admins, whom few can make;
    /// those that are near go first.
    fn nodes_of_each(&mut self, now: Now, peers: &[PeerId]) -> Vec<NodeAddr> {
        let peer_now = self.peer_time(now);
        let mut known = self.known_nodes(peers);
        let mut peers: Vec<PeerId> = known.keys().copied().collect();
        peers.shuffle(&mut self.rng);
        peers.sort_by_key(|peer| known.get(peer).map(|(distance, _)| *distance));
        let is_admin = |peer: &PeerId| {
            self.membership().and_then(|members| members.role(*peer, peer_now)) >= Some(Role::Admin)
        };
        let (admins, mut others): (Vec<PeerId>, Vec<PeerId>) = peers.into_iter().partition(is_admin);
        let first = admins.len().min(REFERRALS / 2);
        others.extend(&admins[first..]);
        let order: Vec<PeerId> = admins[..first].iter().copied().chain(others).collect();
        let mut nodes = Vec::new();
        for _ in 0..NODES_OF_ONE {
            for peer in &order {
                let of_one = known.get_mut(peer).map(|(_, nodes)| nodes).filter(|nodes| !nodes.is_empty());
                nodes.extend(of_one.map(|nodes| nodes.remove(0)));
            }
        }
        nodes.truncate(REFERRALS);
        nodes
    }

    fn known_nodes(&self, peers: &[PeerId]) -> BTreeMap<PeerId, Known> {
        let peers: BTreeSet<PeerId> = peers.iter().copied().collect();
        let linked = self.overlay.neighbors().into_iter().map(|near| (0, near.peer, near.addr));
        let present = self.nodes.values().map(|info| (1, info.peer, info.addr.clone()));
        let contacts = self.overlay.contacts().filter_map(|contact| Some((2, contact.peer?, contact.addr())));
        let mut known: BTreeMap<PeerId, Known> = BTreeMap::new();
        for (distance, peer, addr) in linked.chain(present).chain(contacts) {
            if addr.is_bare() || addr.node == self.device.node || !peers.contains(&peer) {
                continue;
            }
            let (_, nodes) = known.entry(peer).or_insert((distance, Vec::new()));
            if nodes.len() < NODES_OF_ONE && nodes.iter().all(|other| other.node != addr.node) {
                nodes.push(addr);
            }
        }
        known
    }
}
