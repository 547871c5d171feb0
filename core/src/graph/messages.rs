//! What comes in on a link, by the state the link is in.

use super::{Overlay, OverlayEvent, contacts::Known, links::LinkState};
use crate::{
    ids::LinkId,
    link::FailureReason,
    record::NodeAddr,
    time::Now,
    wire::{Message, Purpose},
};

impl Overlay {
    /// Takes in one message. Misbehaviour ends the link.
    pub fn handle_message(&mut self, now: Now, link: LinkId, message: Message) {
        let Some(state) = self.links.get_mut(&link).map(|l| {
            l.pulse.heard = now.mono;
            (l.state, l.purpose)
        }) else {
            return;
        };
        match (state, message) {
            ((LinkState::AwaitsConnect, _), Message::Connect(connect)) => {
                self.on_connect(now, link, *connect)
            }
            ((LinkState::AwaitsWelcome, _), Message::Welcome(welcome)) => {
                self.on_welcome(now, link, *welcome)
            }
            ((LinkState::AwaitsWelcome, _), Message::Refuse(refuse)) => self.on_refuse(now, link, refuse),
            ((LinkState::AwaitsWelcome, _), message @ (Message::Push { .. } | Message::Records { .. })) => {
                self.keep_early(now, link, message);
            }
            ((LinkState::Parting(_), Purpose::Neighbor), Message::Push { origin, records }) => {
                self.events.push_back(OverlayEvent::Pushed { link, origin, records });
            }
            ((LinkState::Parting(_), _), _) => {}
            ((_, _), Message::Goodbye(goodbye)) => self.on_goodbye(now, link, goodbye),
            ((LinkState::Ready, _), Message::Ping(ping)) => self.on_ping(now, link, ping),
            ((LinkState::Ready, _), Message::Pong(pong)) => self.on_pong(now, link, pong),
            ((LinkState::Ready, Purpose::Join), Message::Join(message)) => {
                self.events.push_back(OverlayEvent::Join { link, message: *message });
            }
            ((LinkState::Ready, Purpose::Neighbor), message) => self.on_neighbor_message(now, link, message),
            _ => self.misbehaved(now, link),
        }
    }

    pub(super) fn on_neighbor_message(&mut self, now: Now, link: LinkId, message: Message) {
        match message {
            Message::Addresses(addr) => self.on_addresses(now, link, addr),
            Message::Push { origin, records } => {
                self.events.push_back(OverlayEvent::Pushed { link, origin, records });
            }
            Message::Announce(items) => self.events.push_back(OverlayEvent::Announced { link, items }),
            Message::Prune(origins) => self.on_prune(link, &origins),
            Message::Graft { origin, keys } => self.on_graft(link, origin, keys),
            Message::Ack { useful, useless } => self.on_ack(link, useful, useless),
            Message::Lost(lost) => self.events.push_back(OverlayEvent::Lost { link, lost }),
            Message::Sync(message) => self.events.push_back(OverlayEvent::Sync { link, message }),
            Message::Records { session, records } => {
                self.events.push_back(OverlayEvent::Records { link, session, records });
            }
            Message::Connect(_)
            | Message::Welcome(_)
            | Message::Refuse(_)
            | Message::Goodbye(_)
            | Message::Join(_)
            | Message::Ping(_)
            | Message::Pong(_) => self.misbehaved(now, link),
        }
    }

    /// A link broke the protocol: it is closed and its node shunned, for ten minutes and doubling.
    pub fn misbehaved(&mut self, now: Now, link: LinkId) {
        if let Some(node) = self.links.get(&link).map(|l| l.node) {
            let (until, times) = self.shunned.entry(node).or_insert((now.mono, 0));
            *until = now.mono + crate::limits::SHUN.saturating_mul(1 << (*times).min(8));
            *times += 1;
            self.drop_link(now, link, FailureReason::Protocol);
        }
    }

    /// How many nodes are shunned.
    #[cfg(feature = "sim")]
    pub(crate) fn shunned(&self) -> usize {
        self.shunned.len()
    }

    /// Keeps records that overtook the welcome on a stream of their own.
    fn keep_early(&mut self, now: Now, id: LinkId, message: Message) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.early.len() < MAX_EARLY {
            link.early.push(message);
        } else {
            self.misbehaved(now, id);
        }
    }

    fn on_addresses(&mut self, now: Now, link: LinkId, addr: NodeAddr) {
        let Some(state) = self.links.get_mut(&link) else { return };
        if addr.node != state.node {
            return self.misbehaved(now, link);
        }
        state.addr = addr.clone().trimmed();
        let peer = state.peer;
        self.add_contact(now, addr, Some(peer), Known::Link);
    }
}

/// Frames of records kept while a link waits for its welcome.
const MAX_EARLY: usize = 64;
