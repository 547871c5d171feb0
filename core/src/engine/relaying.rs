//! A member that cannot check passwords passes a joiner's proof on to an admitter that can.
//!
//! The joiner learns nothing of the admitter before it is admitted, and proves the password to it all the same: the
//! messages are passed on as they are. The member learns neither the password nor anything to guess it by.

use bytes::Bytes;

use super::{Engine, joining::Denial};
use crate::{
    graph::{ConnectFailure, ConnectId, ConnectOptions, NeighborInfo},
    group::TriedBy,
    ids::{LinkId, NodeId, PeerId},
    limits::{DIAL_TIMEOUT, MAX_RELAYED_JOINS},
    record::NodeAddr,
    time::Now,
    wire::{JoinDenied, JoinMessage, Purpose},
};

/// A joiner whose proof is passed on.
#[derive(Debug)]
pub(super) struct Relay {
    joiner: LinkId,
    node: NodeId,
    to: To,
    /// What an admitter is told first. Others are asked with it if one says no before it was challenged; afterwards the joiner
    /// has proven something to this one alone.
    first: Option<Box<JoinMessage>>,
    /// The admitters that were not asked yet.
    left: Vec<NodeAddr>,
}

#[derive(Debug)]
enum To {
    /// An admitter is being reached.
    Connecting(ConnectId),
    Admitter(LinkId),
}

impl Relay {
    const fn admitter(&self) -> Option<LinkId> {
        match self.to {
            To::Connecting(_) => None,
            To::Admitter(link) => Some(link),
        }
    }
}

impl Engine {
    /// Begins to pass on a joiner's request.
    pub(super) fn relay_password(
        &mut self,
        now: Now,
        link: LinkId,
        request: Bytes,
        name: String,
    ) -> Result<(), Denial> {
        let not_admitter = || Denial::of(JoinDenied::NotAdmitter);
        let (node, peer, _) = self.overlay.peer_of(link).ok_or_else(not_admitter)?;
        let exporter = *self.group.exporters.get(&link).ok_or_else(not_admitter)?;
        let device = self.group.joins.devices.get(&link).cloned().ok_or_else(not_admitter)?;
        let members = self.group.members.as_ref().ok_or_else(not_admitter)?;
        // A node that is no member itself speaks for nobody.
        self.group.own.as_ref().ok_or_else(not_admitter)?;
        let (word, rule) = members.password().ok_or(Denial::of(JoinDenied::NoPassword))?;
        let mut admitters: Vec<PeerId> = members.verifiers().map(|(peer, _)| *peer).collect();
        let peer_now = self.peer_time(now);
        let own_of = |by: &PeerId| {
            let own = members.standings(*by, peer_now);
            members.admitting(&own, peer, rule.role).cloned()
        };
        admitters.retain(|by| own_of(by).is_some());
        let any = !admitters.is_empty();
        admitters.retain(|by| own_of(by).is_some_and(|own| !members.is_kept_out(peer, &own, &word)));
        if any && admitters.is_empty() {
            return Err(Denial::of(JoinDenied::Removed));
        }
        // Who asks again on one link has given up what it asked for before.
        self.relayed_link_closed(now, link);
        if self.group.joins.relays.len() >= MAX_RELAYED_JOINS {
            return Err(not_admitter());
        }
        if let Err(wait) = self.group.throttle.begin(now.mono, TriedBy::Node(node)) {
            return Err(Denial::throttled(wait));
        }
        let targets = self.admitting_nodes(now, admitters);
        if targets.is_empty() {
            self.group.throttle.succeeded(&TriedBy::Node(node));
            return Err(not_admitter());
        }
        let first = Some(Box::new(JoinMessage::Relayed { device, exporter, request, name }));
        let to = To::Connecting(self.reach_admitter(now, targets.clone()));
        self.group.joins.relays.push(Relay { joiner: link, node, to, first, left: targets });
        Ok(())
    }

    fn reach_admitter(&mut self, now: Now, targets: Vec<NodeAddr>) -> ConnectId {
        let options = ConnectOptions { expected_peer: None, deadline: DIAL_TIMEOUT, purpose: Purpose::Join };
        self.overlay.connect(now, targets, options)
    }

    /// A connect is over; true if it was for a joiner whose proof is passed on.
    pub(super) fn on_relay_connected(
        &mut self,
        now: Now,
        connect: ConnectId,
        result: &Result<NeighborInfo, ConnectFailure>,
    ) -> bool {
        let relays = &mut self.group.joins.relays;
        let wanted = |relay: &Relay| matches!(&relay.to, To::Connecting(id) if *id == connect);
        let Some(at) = relays.iter().position(wanted) else { return false };
        let mut relay = relays.remove(at);
        match result {
            Ok(admitter) if self.overlay.peer_of(relay.joiner).is_some() => {
                relay.left.retain(|addr| addr.node != admitter.node);
                if let Some(first) = &relay.first {
                    self.overlay.send_join(admitter.link, (**first).clone());
                }
                let to = To::Admitter(admitter.link);
                self.group.joins.relays.push(Relay { to, ..relay });
            }
            Ok(admitter) => self.overlay.end_join(now, admitter.link),
            Err(_) => self.deny_relayed(&relay),
        }
        true
    }

    /// Passes on what a joiner or an admitter says; gives back what is for this node.
    pub(super) fn relay_message(
        &mut self,
        now: Now,
        link: LinkId,
        message: JoinMessage,
    ) -> Option<JoinMessage> {
        let relays = &self.group.joins.relays;
        if let Some(at) = relays.iter().position(|relay| relay.admitter() == Some(link)) {
            self.on_admitters_answer(now, at, message);
            return None;
        }
        let relay = relays.iter().find(|relay| relay.joiner == link);
        match (relay.and_then(Relay::admitter), message) {
            (Some(admitter), JoinMessage::Proof(proof)) => {
                self.overlay.send_join(admitter, JoinMessage::Proof(proof));
                None
            }
            (_, message) => Some(message),
        }
    }

    fn on_admitters_answer(&mut self, now: Now, at: usize, message: JoinMessage) {
        let relay = &mut self.group.joins.relays[at];
        let (joiner, node) = (relay.joiner, relay.node);
        let answer = match message {
            JoinMessage::Challenge(_) => {
                relay.first = None;
                return self.overlay.send_join(joiner, message);
            }
            JoinMessage::Denied { .. } if relay.first.is_some() && !relay.left.is_empty() => {
                return self.ask_another(now, at);
            }
            JoinMessage::Granted { .. } => {
                self.group.throttle.succeeded(&TriedBy::Node(node));
                message
            }
            JoinMessage::Denied { reason, .. } => {
                if reason == JoinDenied::WrongProof {
                    self.group.throttle.failed(&TriedBy::Node(node));
                }
                JoinMessage::Denied { reason, referrals: Vec::new() }
            }
            // It broke the protocol: nothing more is asked of it.
            _ => JoinMessage::Denied { reason: JoinDenied::NotAdmitter, referrals: Vec::new() },
        };
        let relay = self.group.joins.relays.remove(at);
        if !matches!(answer, JoinMessage::Granted { .. }) {
            self.take_back_try(&relay);
        }
        self.overlay.send_join(joiner, answer);
        if let Some(admitter) = relay.admitter() {
            self.overlay.end_join(now, admitter);
        }
    }

    /// One admitter's "no" is not that of all: a single one could keep everybody out.
    fn ask_another(&mut self, now: Now, at: usize) {
        let relay = self.group.joins.relays.remove(at);
        if let Some(admitter) = relay.admitter() {
            self.overlay.end_join(now, admitter);
        }
        let to = To::Connecting(self.reach_admitter(now, relay.left.clone()));
        self.group.joins.relays.push(Relay { to, ..relay });
    }

    /// A link is gone: the other half of what was passed on over it ends.
    pub(super) fn relayed_link_closed(&mut self, now: Now, link: LinkId) {
        let relays = &mut self.group.joins.relays;
        let Some(at) = relays.iter().position(|relay| relay.joiner == link || relay.admitter() == Some(link))
        else {
            return;
        };
        let relay = relays.remove(at);
        match relay.to {
            To::Connecting(connect) => self.overlay.cancel_connect(now, connect),
            To::Admitter(admitter) if relay.joiner == link => self.overlay.end_join(now, admitter),
            To::Admitter(_) if relay.first.is_some() && !relay.left.is_empty() => {
                let to = To::Connecting(self.reach_admitter(now, relay.left.clone()));
                self.group.joins.relays.push(Relay { to, ..relay });
            }
            To::Admitter(_) => self.deny_relayed(&relay),
        }
    }

    /// Ends the other half of what was passed on over links that this side has closed: nobody else tells of these.
    pub(super) fn end_orphaned_relays(&mut self, now: Now) {
        let gone = |link: &LinkId| self.overlay.peer_of(*link).is_none();
        let relays = self.group.joins.relays.iter();
        let ends = relays.flat_map(|relay| [Some(relay.joiner), relay.admitter()]).flatten();
        let closed: Vec<LinkId> = ends.filter(gone).collect();
        closed.into_iter().for_each(|link| self.relayed_link_closed(now, link));
    }

    fn deny_relayed(&mut self, relay: &Relay) {
        self.take_back_try(relay);
        let reason = JoinDenied::NotAdmitter;
        self.overlay.send_join(relay.joiner, JoinMessage::Denied { reason, referrals: Vec::new() });
    }

    /// Who was shown no challenge has guessed nothing.
    fn take_back_try(&mut self, relay: &Relay) {
        if relay.first.is_some() {
            self.group.throttle.succeeded(&TriedBy::Node(relay.node));
        }
    }
}
