//! Keeping the right number of neighbors, and the databases compared.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Contact, Overlay, OverlayEvent, Required,
    links::{DialWhy, Link, LinkState},
};
use crate::{
    ids::{LinkId, NodeId},
    limits::{ALONE_BACKOFF, REPAIR_DIALS},
    link::FailureReason,
    time::{Mono, Now},
    wire::{GoodbyeReason, Purpose},
};

/// Time between two prunings: a graph settles slowly rather than oscillate.
const PRUNE_INTERVAL: Duration = Duration::from_secs(30);
/// Wait after a reconciliation that broke off.
const COMPARE_AGAIN: Duration = Duration::from_secs(2);
/// A link younger than this is not pruned: it had no chance to be useful.
const PRUNE_AGE: Duration = Duration::from_secs(60);
/// Shortest and longest time between two wishes for a node from outside.
const REQUIRED_INTERVAL: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));

impl Overlay {
    /// Looks after the neighbors at the next chance.
    pub(super) fn hurry(&mut self, now: Now) {
        self.next_maintenance = self.next_maintenance.min(now.mono);
    }

    pub(super) fn next_round(&self) -> Option<Mono> {
        (!self.is_away()).then_some(self.next_maintenance)
    }

    /// One round: dial if there are too few neighbors, prune one if there are too many.
    pub(super) fn maintain(&mut self, now: Now) {
        if self.is_away() || self.next_maintenance > now.mono {
            return;
        }
        self.next_maintenance = now.mono + self.config.maintenance_interval;
        self.shunned.retain(|_, (until, _)| now.mono.since(*until) < crate::limits::SHUN);
        if self.contacts.forget_old(now.mono) {
            self.events.push_back(OverlayEvent::ContactsChanged);
        }
        self.note_steady(now);
        // A node that has never been in the graph is let in by its application, not by itself; nor does one that was
        // only opened go looking for the others.
        if self.genesis.is_none() || !self.online {
            return;
        }
        let neighbors = self.ready_neighbors();
        if neighbors == 0 {
            self.contacts.hasten(now.mono, ALONE_BACKOFF);
        }
        if neighbors < self.config.target {
            self.repair(now, neighbors);
        } else {
            // If most are of one identity, others are looked for beside it.
            let lacks_others = neighbors < self.config.max && self.diverse_neighbors() < self.config.target;
            if !(lacks_others && self.diversify(now)) && neighbors > self.config.target {
                self.prune_one(now);
            }
        }
        if neighbors == 0 && self.listening && self.dials.is_empty() && self.links.is_empty() {
            self.require(now, Required::Isolated);
        }
        if neighbors < self.config.target
            && let Some(at) = self.contacts.next_ready(now.mono)
        {
            self.next_maintenance = self.next_maintenance.min(at);
        }
    }

    /// Asks the application for a node from outside, not too often.
    pub(super) fn require(&mut self, now: Now, why: Required) {
        if self.next_required <= now.mono {
            let (least, most) = REQUIRED_INTERVAL;
            self.next_required = now.mono + if why == Required::Isolated { least } else { most };
            self.events.push_back(OverlayEvent::Required(why));
        }
    }

    /// Opens a reconciliation where one is due.
    pub(super) fn compare_databases(&mut self, now: Now) {
        let due: Vec<LinkId> = self
            .links
            .values()
            .filter(|l| self.comparable(l) && l.next_sync <= now.mono)
            .map(|l| l.id)
            .collect();
        for link in due {
            let next = self.jittered(now, self.config.anti_entropy_interval);
            if let Some(state) = self.links.get_mut(&link) {
                state.next_sync = next;
            }
            self.events.push_back(OverlayEvent::SyncDue { link });
        }
    }

    /// A reconciliation broke off: another one soon.
    pub fn compare_again(&mut self, now: Now, link: LinkId) {
        let soon = self.jittered(now, COMPARE_AGAIN);
        if let Some(link) = self.links.get_mut(&link) {
            link.next_sync = link.next_sync.min(soon);
        }
    }

    pub(super) fn comparable(&self, link: &Link) -> bool {
        link.is_ready(Purpose::Neighbor) && self.genesis.is_some()
    }

    /// Dials contacts: as many as are missing, at most four at a time.
    fn repair(&mut self, now: Now, neighbors: usize) {
        let dialling = self.dials.values().filter(|d| d.why == DialWhy::Repair).count();
        let opening = self
            .links
            .values()
            .filter(|l| l.state != LinkState::Ready && l.why == Some(DialWhy::Repair))
            .count();
        let lacking = self.config.target.saturating_sub(neighbors).min(REPAIR_DIALS);
        let wanted = lacking.saturating_sub(dialling).saturating_sub(opening);
        if wanted == 0 {
            return;
        }
        let busy = self.busy_nodes(now);
        let steady =
            self.steady.iter().filter(|node| !busy.contains(*node) && self.contacts.is_ready(now.mono, node));
        // Who served long, also before a restart, is dialled first.
        let first: BTreeSet<NodeId> = steady.take(wanted).copied().collect();
        let usable = |contact: &Contact| !busy.contains(&contact.node) && !first.contains(&contact.node);
        let others = wanted.saturating_sub(first.len());
        let chosen = self.contacts.choose(now.mono, others, &mut self.rng, usable);
        let first = first.iter().filter_map(|node| self.contacts.get(node)).map(Contact::addr);
        for addr in first.chain(chosen).collect::<Vec<_>>() {
            self.dial(now, addr, DialWhy::Repair);
        }
    }

    /// Dials one contact that is not of an identity that has enough places. False if there is none.
    fn diversify(&mut self, now: Now) -> bool {
        let under_way = |l: &Link| l.state != LinkState::Ready && l.why == Some(DialWhy::Repair);
        if self.dials.values().any(|d| d.why == DialWhy::Repair) || self.links.values().any(under_way) {
            return true;
        }
        let (busy, crowds) = (self.busy_nodes(now), self.crowds());
        let another = |contact: &Contact| {
            !busy.contains(&contact.node) && contact.peer.is_some_and(|peer| !crowds.contains(&peer))
        };
        let chosen = self.contacts.choose(now.mono, 1, &mut self.rng, another);
        let found = !chosen.is_empty();
        for addr in chosen {
            self.dial(now, addr, DialWhy::Repair);
        }
        found
    }

    /// Nodes that are linked, dialled or shunned.
    pub(super) fn busy_nodes(&self, now: Now) -> BTreeSet<NodeId> {
        let linked = self.links.values().filter(|l| l.purpose != Purpose::Direct).map(|l| l.node);
        let dialled = self.dials.values().map(|d| d.node);
        let shunned = self.shunned.iter().filter(|(_, (until, _))| *until > now.mono).map(|(node, _)| *node);
        linked.chain(dialled).chain(shunned).collect()
    }

    /// Parts with the least useful of too many neighbors, at most one a round.
    fn prune_one(&mut self, now: Now) {
        if self.next_prune > now.mono {
            return;
        }
        self.next_prune = now.mono + PRUNE_INTERVAL;
        let least = self.least_needed(now, self.me(), None).and_then(|id| self.links.get(&id));
        let least = least.filter(|l| now.mono.since(l.since) > PRUNE_AGE);
        if let Some((link, node)) = least.map(|l| (l.id, l.node)) {
            self.contacts.rest(now.mono, &node, PRUNE_AGE);
            self.part(now, link, GoodbyeReason::LeastUseful, FailureReason::Pruned);
        }
    }
}
