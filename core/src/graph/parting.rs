//! How links end: with a goodbye from either side, or without.

use std::time::Duration;

use super::{
    Overlay, OverlayEvent,
    links::{DialWhy, Link, LinkState},
};
use crate::{
    ids::LinkId,
    io::Output,
    limits::CLOSE_TIMEOUT,
    link::FailureReason,
    time::Now,
    wire::{Goodbye, GoodbyeReason, Message, Purpose},
};

impl Overlay {
    /// Says goodbye and closes.
    pub(super) fn part(&mut self, now: Now, link: LinkId, reason: GoodbyeReason, why: FailureReason) {
        let ready = self.links.get(&link).filter(|l| l.state == LinkState::Ready);
        if let Some((node, purpose)) = ready.map(|l| (l.node, l.purpose)) {
            // Nodes without proven membership, and former members, learn of no third node.
            let refers = purpose != Purpose::Join && reason != GoodbyeReason::NotAuthorized;
            let referrals = if refers { self.referrals(&node) } else { Vec::new() };
            self.send(link, &Message::Goodbye(Goodbye { reason, referrals }));
        }
        self.drop_link(now, link, why);
    }

    /// A link is gone, and this node did not close it.
    pub fn link_closed(&mut self, now: Now, id: LinkId, why: FailureReason) {
        let young = |link: &&Link| link.is_ready(Purpose::Neighbor) && now.mono.since(link.since) < SETTLED;
        let taken = self.links.get(&id).filter(young).map(|link| link.node);
        if let Some(node) = taken.filter(|node| self.links.values().all(|l| l.id == id || l.node != *node)) {
            // Without a goodbye. Two nodes with one id, as after a data directory was copied, take each other's links away:
            // without a pause they would never stop.
            self.contacts.failed(now.mono, &node, &mut self.rng);
        }
        self.remove_link(now, id, why);
    }

    /// Closes a link from our side.
    pub(super) fn drop_link(&mut self, now: Now, link: LinkId, why: FailureReason) {
        if self.links.contains_key(&link) {
            let abort = why == FailureReason::Lost;
            self.outputs.push_back(Output::Close { link, abort });
            self.remove_link(now, link, why);
        }
    }

    pub(super) fn remove_link(&mut self, now: Now, id: LinkId, reason: FailureReason) {
        let Some(link) = self.links.remove(&id) else { return };
        self.trees.forget(id);
        if self.links.values().all(|other| other.node != link.node) {
            self.clock.forget(now.mono, &link.node);
        }
        let reason = if let LinkState::Parting(why) = link.state { why } else { reason };
        let up = matches!(link.state, LinkState::Ready | LinkState::Parting(_));
        if up && now.mono.since(link.since) >= SETTLED {
            self.contacts.lasted(&link.node);
        }
        match (up, link.why) {
            (true, _) if matches!(link.purpose, Purpose::Neighbor | Purpose::Direct) => {
                let (connection, kind) = (link.connection, link.kind());
                let (node, peer) = (link.node, link.peer);
                self.events.push_back(OverlayEvent::Disconnected {
                    link: id,
                    connection,
                    kind,
                    node,
                    peer,
                    reason,
                });
            }
            (true, _) | (_, None) => {}
            (_, Some(DialWhy::Connect(connect))) => {
                self.connect_step_failed(now, connect, link.node, reason);
            }
            (_, Some(DialWhy::Repair | DialWhy::Probe)) => {
                self.contacts.failed(now.mono, &link.node, &mut self.rng);
            }
        }
        self.hurry(now);
    }

    pub(super) fn on_goodbye(&mut self, now: Now, link: LinkId, goodbye: Goodbye) {
        let Some(state) = self.links.get(&link) else { return };
        let (node, peer, purpose) = (state.node, state.peer, state.purpose);
        if purpose != Purpose::Join {
            self.hear_of(now, *peer.as_bytes(), goodbye.referrals);
        }
        let (rest, why) = match goodbye.reason {
            GoodbyeReason::Leaving => (AFTER_LEAVING, FailureReason::ClosedByPeer),
            GoodbyeReason::LeastUseful => (AFTER_PRUNED, FailureReason::Pruned),
            GoodbyeReason::Asked => (AFTER_ASKED, FailureReason::ClosedByPeer),
            GoodbyeReason::ProbeOver => (Duration::ZERO, FailureReason::ClosedByPeer),
            GoodbyeReason::NotAuthorized => (AFTER_EXPELLED, FailureReason::NotAuthenticated),
        };
        self.contacts.rest(now.mono, &node, rest);
        if let Some(link) = self.links.get_mut(&link) {
            // The driver tells when everything sent before has come.
            link.state = LinkState::Parting(why);
            link.deadline = now.mono + CLOSE_TIMEOUT;
        }
        self.hurry(now);
    }
}

/// A link that lasted so long was no failure to connect.
const SETTLED: Duration = Duration::from_secs(10);
/// A neighbor that left is not dialled again before.
const AFTER_LEAVING: Duration = Duration::from_secs(5);
/// A link that the application closed is not made again by maintenance before.
pub(super) const AFTER_ASKED: Duration = Duration::from_secs(30);
/// Whoever is told that it is no member asks again after this, to be told why: what ended its membership may have been on its way by
/// another link.
const AFTER_EXPELLED: Duration = Duration::from_secs(1);
/// A node that has too many neighbors is not dialled again before.
const AFTER_PRUNED: Duration = Duration::from_secs(120);
