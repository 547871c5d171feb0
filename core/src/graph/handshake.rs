//! Setting a link up: connect, welcome, refuse; one link between two nodes in the end.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Overlay, OverlayEvent,
    contacts::Known,
    links::{DialWhy, Early, Link, LinkState, Pulse},
    outbox::Outbox,
};
use crate::{
    ids::{ConnectionId, LinkId, NodeId},
    io::Output,
    ledger::Source,
    limits::{
        HANDSHAKE_FLOOR, HANDSHAKE_TIMEOUT, JOIN_TIMEOUT, MAX_DIRECTS, MAX_HANDSHAKES, MAX_NODE_DIRECTS,
        MAX_NODE_GUESTS, MAX_PROBES, REFERRALS,
    },
    link::FailureReason,
    record::{DeviceCertificate, NodeAddr},
    time::Now,
    wire::{Connect, GoodbyeReason, Message, Purpose, Refuse, RefuseReason, Welcome},
};

impl Overlay {
    pub(super) fn begin_link(
        &mut self,
        now: Now,
        id: LinkId,
        (node, source): (NodeId, Option<Source>),
        why: Option<DialWhy>,
    ) {
        // Neither those this node dialled nor those that part.
        let setting_up = self.links.values().filter(|l| l.state == LinkState::AwaitsConnect).count();
        if why.is_none() && (setting_up >= MAX_HANDSHAKES || node == self.me()) {
            return self.outputs.push_back(Output::Close { link: id, abort: false });
        }
        let purpose = why.map_or(Purpose::Neighbor, |why| self.purpose_of(why));
        if let Some(DialWhy::Connect(connect)) = why
            && !self.connect_linked(connect, node, id)
        {
            return self.outputs.push_back(Output::Close { link: id, abort: false });
        }
        let link = Link {
            id,
            node,
            source,
            why,
            state: if why.is_some() { LinkState::AwaitsWelcome } else { LinkState::AwaitsConnect },
            purpose,
            connection: ConnectionId(self.next_number()),
            peer: self.device.peer, // replaced when the other end shows its certificate
            addr: NodeAddr::new(node),
            instance: 0, // likewise
            since: now.mono,
            deadline: now.mono + setup_timeout(setting_up),
            utility: 0,
            news: 0,
            next_sync: self.jittered(now, self.config.anti_entropy_interval),
            pulse: Pulse::new(now.mono, self.config.ping_interval),
            out: Outbox::default(),
            early: Early::default(),
            joining: 0,
            asked: now.mono,
            denied: false,
        };
        self.links.insert(id, link);
        if let Some(why) = why {
            let connect = self.connect_message(purpose, why);
            self.send(id, &Message::Connect(Box::new(connect)));
        }
    }

    /// What a link is for that this node dials.
    pub(super) fn purpose_of(&self, why: DialWhy) -> Purpose {
        match why {
            DialWhy::Connect(connect) => self.connects.purpose(connect),
            DialWhy::Probe => Purpose::Probe,
            DialWhy::Repair => Purpose::Neighbor,
        }
    }

    fn connect_message(&self, purpose: Purpose, why: DialWhy) -> Connect {
        let (expected, urgent) = match why {
            DialWhy::Connect(connect) => (self.connects.expected(connect), self.connects.is_urgent(connect)),
            DialWhy::Repair => (None, self.ready_neighbors() == 0),
            DialWhy::Probe => (None, false),
        };
        Connect {
            purpose,
            device: self.device.clone(),
            addr: self.own_address(),
            expected,
            wants_referrals: purpose == Purpose::Neighbor,
            urgent,
            instance: self.instance,
            ping: self.wanted_ping(),
            mark: self.mark_for(purpose),
            // Who joins has none; who has been removed should not show that it was here.
            credentials: if purpose == Purpose::Join { Vec::new() } else { self.credentials.clone() },
        }
    }

    pub(super) fn on_connect(&mut self, now: Now, id: LinkId, connect: Connect) {
        let Some((node, source)) = self.links.get(&id).map(|l| (l.node, l.source)) else { return };
        if !names(&connect.device, node) || connect.addr.node != node {
            return self.misbehaved(now, id);
        }
        if let Some(reason) = self.refusal(now, id, (node, source), &connect) {
            let refers = reason == RefuseReason::Busy && connect.purpose != Purpose::Join;
            let referrals = if refers { self.referrals(&node) } else { Vec::new() };
            self.send(id, &Message::Refuse(Refuse { reason, referrals, acts: Vec::new() }));
            self.links.remove(&id);
            return self.outputs.push_back(Output::Close { link: id, abort: false });
        }
        if connect.purpose == Purpose::Neighbor {
            self.replace_others(now, id, node);
            self.make_room(now, (node, source), connect.device.peer);
        }
        if connect.purpose == Purpose::Join {
            self.make_join_room(now, source);
        }
        let Some(genesis) = self.genesis.clone() else {
            return self.drop_link(now, id, FailureReason::Refused);
        };
        // Who is no member yet is told of nobody, and nothing is believed.
        let joins = connect.purpose == Purpose::Join;
        let welcome = Welcome {
            device: self.device.clone(),
            addr: self.own_address(),
            genesis,
            instance: self.instance,
            ping: self.wanted_ping(),
            peer_time: self.peer_time(now),
            referrals: if connect.wants_referrals && !joins { self.referrals(&node) } else { Vec::new() },
            mark: self.mark_for(connect.purpose),
            credentials: self.credentials.clone(),
        };
        self.send(id, &Message::Welcome(Box::new(welcome)));
        let addr = connect.addr.trimmed();
        if !joins {
            if !addr.is_bare() {
                self.add_contact(now, addr.clone(), Some(connect.device.peer), Known::Link);
            }
            self.hear_mark(now, Some(&addr), connect.mark);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.purpose = connect.purpose;
            link.addr = addr;
            link.peer = connect.device.peer;
            link.instance = connect.instance;
            link.pulse.agree(connect.ping);
        }
        self.ready(now, id);
    }

    pub(super) fn on_welcome(&mut self, now: Now, id: LinkId, welcome: Welcome) {
        let Some(link) = self.links.get(&id) else { return };
        let (node, why, purpose, since) = (link.node, link.why, link.purpose, link.since);
        if !names(&welcome.device, node) || welcome.addr.node != node || welcome.genesis.id() != self.graph {
            return self.misbehaved(now, id);
        }
        if let Some(DialWhy::Connect(connect)) = why
            && self.connects.expected(connect).is_some_and(|peer| peer != welcome.device.peer)
        {
            self.connect_wrong_peer(now, connect, node);
            return self.drop_link(now, id, FailureReason::NotAuthenticated);
        }
        if self.genesis.is_none() {
            self.genesis = Some(welcome.genesis.clone());
            self.events.push_back(OverlayEvent::Genesis(welcome.genesis));
        }
        let rtt = now.mono.since(since);
        let of = (welcome.device.peer, node);
        // Someone who only looks by is not asked for the time again.
        if purpose != Purpose::Probe && !self.clock.observe(now, of, welcome.peer_time, rtt) {
            tracing::debug!(node = %node.short(), "the neighbor's clock is more than 20 minutes off");
        }
        let addr = welcome.addr.trimmed();
        if !addr.is_bare() {
            self.add_contact(now, addr.clone(), Some(welcome.device.peer), Known::Link);
        }
        if purpose != Purpose::Join {
            self.hear_of(now, *welcome.device.peer.as_bytes(), welcome.referrals);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.peer = welcome.device.peer;
            link.instance = welcome.instance;
            link.pulse.agree(welcome.ping);
            link.addr = addr.clone();
            link.pulse.srtt = Some(rtt);
        }
        self.contacts.reached(now.mono, &node);
        if purpose != Purpose::Join {
            self.hear_mark(now, Some(&addr), welcome.mark);
        }
        if purpose == Purpose::Probe {
            return self.part(now, id, GoodbyeReason::ProbeOver, FailureReason::Closed);
        }
        if purpose == Purpose::Neighbor && !self.prefer(now, id, node) {
            return;
        }
        self.ready(now, id);
    }

    /// Refuses a link whose credentials are not good. `acts`: what ended the membership that there was.
    pub fn refuse(&mut self, link: LinkId, acts: Vec<Bytes>) {
        let (reason, referrals) = (RefuseReason::NotAuthorized, Vec::new());
        self.send(link, &Message::Refuse(Refuse { reason, referrals, acts }));
        self.links.remove(&link);
        self.outputs.push_back(Output::Close { link, abort: false });
    }

    /// True if this node dialled, and has no answer yet.
    pub fn awaits_welcome(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|link| link.state == LinkState::AwaitsWelcome)
    }

    /// The node at the other end of a link being set up could not show that it is a member.
    pub fn distrust(&mut self, now: Now, link: LinkId) {
        let (reason, referrals) = (RefuseReason::NotAuthorized, Vec::new());
        let refuse = Refuse { reason, referrals, acts: Vec::new() };
        self.on_refuse(now, link, refuse);
    }

    /// The graph demands a later version of the protocol than this one.
    pub fn drop_for_version(&mut self, now: Now, link: LinkId) {
        self.drop_link(now, link, FailureReason::UnsupportedVersion);
    }

    pub(super) fn on_refuse(&mut self, now: Now, id: LinkId, refuse: Refuse) {
        let Some(link) = self.links.remove(&id) else { return };
        self.outputs.push_back(Output::Close { link: id, abort: false });
        // Who refuses has not shown its identity.
        self.hear_of(now, self.contacts.teller(&link.node), refuse.referrals.clone());
        match refuse.reason {
            // Full now; others may have room.
            RefuseReason::Busy => self.contacts.rest(now.mono, &link.node, AFTER_BUSY),
            RefuseReason::Duplicate => {}
            _ => self.contacts.failed(now.mono, &link.node, &mut self.rng),
        }
        if let Some(DialWhy::Connect(connect)) = link.why {
            self.connect_refused(now, connect, link.node, refuse.reason, refuse.referrals);
        }
        self.hurry(now);
    }

    pub(super) fn setups_timed_out(&mut self, now: Now) {
        let late = self
            .links
            .values()
            .filter(|l| (l.state != LinkState::Ready || l.purpose == Purpose::Join) && l.deadline <= now.mono)
            .map(|l| l.id);
        for id in late.collect::<Vec<_>>() {
            self.drop_link(now, id, FailureReason::TimedOut);
        }
    }

    /// Nodes to try instead of this one: neighbors first, at most ten.
    pub(super) fn referrals(&self, except: &NodeId) -> Vec<NodeAddr> {
        let neighbors = self
            .links
            .values()
            .filter(|l| l.is_ready(Purpose::Neighbor) && !l.addr.is_bare())
            .map(|l| l.addr.clone());
        let mut found: Vec<NodeAddr> = neighbors.filter(|addr| addr.node != *except).collect();
        for contact in self.contacts.latest(2 * REFERRALS) {
            let Some(addr) = contact.best().filter(|addr| addr.node != *except) else { continue };
            if found.iter().all(|f| f.node != addr.node) {
                found.push(addr.clone());
            }
        }
        found.truncate(REFERRALS);
        found
    }

    fn refusal(
        &self,
        now: Now,
        id: LinkId,
        (node, source): (NodeId, Option<Source>),
        connect: &Connect,
    ) -> Option<RefuseReason> {
        if self.shunned.get(&node).is_some_and(|(until, _)| *until > now.mono) {
            return Some(RefuseReason::NotAuthorized);
        }
        let open = self.listening || connect.purpose == Purpose::Direct;
        if !open || self.is_away() || self.genesis.is_none() {
            return Some(RefuseReason::NotListening);
        }
        if connect.expected.is_some_and(|peer| peer != self.device.peer) {
            return Some(RefuseReason::WrongPeer);
        }
        match connect.purpose {
            Purpose::Direct if !self.accept_direct => Some(RefuseReason::DirectNotAccepted),
            Purpose::Direct => self.is_full(node, Purpose::Direct, MAX_DIRECTS, MAX_NODE_DIRECTS),
            Purpose::Probe => self.is_full(node, Purpose::Probe, MAX_PROBES, MAX_NODE_GUESTS),
            Purpose::Join => self.join_refusal(now, node, source),
            Purpose::Neighbor if self.prefers_own(now, id, node, connect.instance) => {
                Some(RefuseReason::Duplicate)
            }
            Purpose::Neighbor => self.place_refusal(now, (node, source), connect),
        }
    }

    /// `Busy` if there are so many incoming links of this kind, or of this node.
    fn is_full(&self, node: NodeId, purpose: Purpose, all: usize, each: usize) -> Option<RefuseReason> {
        let links = || self.links.values().filter(|l| l.why.is_none() && l.is_ready(purpose));
        let full = links().count() >= all || links().filter(|l| l.node == node).count() >= each;
        full.then_some(RefuseReason::Busy)
    }

    /// True if a link we dialled to this node stays. Of two dials that cross, a link that is up already stays, or else
    /// the lower node's dial. A second dial later on, or from a node that was restarted, means that the other end has
    /// lost the first link.
    fn prefers_own(&self, now: Now, id: LinkId, node: NodeId, instance: u64) -> bool {
        let mut ours = self
            .links
            .values()
            .filter(|l| l.id != id && l.node == node && l.purpose == Purpose::Neighbor && l.why.is_some());
        ours.any(|link| match link.state {
            LinkState::Ready => link.instance == instance && now.mono.since(link.since) < CROSSING_TIME,
            LinkState::AwaitsWelcome => self.me() < node,
            LinkState::AwaitsConnect | LinkState::Parting(_) => false,
        })
    }

    /// Before a link is welcomed: what else there is between the two nodes goes.
    fn replace_others(&mut self, now: Now, id: LinkId, node: NodeId) {
        let others =
            self.links.values().filter(|l| l.id != id && l.node == node && l.is_ready(Purpose::Neighbor));
        for other in others.map(|l| l.id).collect::<Vec<_>>() {
            self.drop_link(now, other, FailureReason::Pruned);
        }
    }

    /// After a welcome: if there is another link to the node, one of the two goes, the same on both sides. True if
    /// this one stays.
    fn prefer(&mut self, now: Now, id: LinkId, node: NodeId) -> bool {
        let other =
            self.links.values().find(|l| l.id != id && l.node == node && l.is_ready(Purpose::Neighbor));
        let Some((other, info)) = other.map(|l| (l.id, l.info())) else { return true };
        // This one we dialled, the other one they did.
        if self.me() < node {
            self.drop_link(now, other, FailureReason::Pruned);
            return true;
        }
        self.connect_done(now, id, &info);
        self.links.remove(&id);
        self.outputs.push_back(Output::Close { link: id, abort: false });
        false
    }

    fn ready(&mut self, now: Now, id: LinkId) {
        let part = rand::RngExt::random::<f64>(&mut self.rng);
        let Some(link) = self.links.get_mut(&id) else { return };
        link.state = LinkState::Ready;
        link.pulse.next = now.mono + link.pulse.interval.mul_f64(part);
        if link.purpose == Purpose::Probe {
            return;
        }
        if link.purpose == Purpose::Join {
            link.deadline = now.mono + JOIN_TIMEOUT;
            let info = link.info();
            return self.connect_done(now, id, &info);
        }
        let (connection, kind, node, peer) = (link.connection, link.kind(), link.node, link.peer);
        let (addr, dialed, purpose) = (link.addr.clone(), link.why.is_some(), link.purpose);
        self.outputs.push_back(Output::LinkReady { link: id, connection, kind, node, peer });
        self.events.push_back(OverlayEvent::Connected {
            link: id,
            connection,
            kind,
            node,
            peer,
            addr,
            dialed,
        });
        if let Some(info) = self.links.get(&id).map(Link::info) {
            self.connect_done(now, id, &info);
        }
        if purpose == Purpose::Neighbor {
            if dialed {
                self.events.push_back(OverlayEvent::SyncDue { link: id });
            }
            self.hurry(now);
            let early = self.links.get_mut(&id).map(|l| l.early.take()).unwrap_or_default();
            for message in early {
                self.on_neighbor_message(now, id, message);
            }
        }
    }
}

/// True if a certificate holds and is this node's.
fn names(device: &DeviceCertificate, node: NodeId) -> bool {
    device.node == node && device.verify()
}

/// Between 20 s when little is going on and 5 s under load.
fn setup_timeout(setting_up: usize) -> Duration {
    let spare =
        HANDSHAKE_TIMEOUT.saturating_sub(HANDSHAKE_FLOOR).mul_f64((-(setting_up as f64) / 10.0).exp());
    HANDSHAKE_FLOOR.saturating_add(spare)
}

/// Two dials this close together have crossed.
const CROSSING_TIME: Duration = Duration::from_secs(2);
/// A full node is not asked again before.
pub(super) const AFTER_BUSY: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g19_the_deadline_of_set_up_falls_under_load() {
        assert_eq!(setup_timeout(0), HANDSHAKE_TIMEOUT);
        let times: Vec<_> = [0, 1, 10, 64].map(setup_timeout).to_vec();
        assert!(times.is_sorted_by(|a, b| a > b));
        assert!(times[3] >= HANDSHAKE_FLOOR && times[3] < HANDSHAKE_FLOOR + Duration::from_secs(1));
    }
}
