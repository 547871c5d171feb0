//! What comes in on a link, by the state the link is in.

use super::{Overlay, OverlayEvent, contacts::Known, links::LinkState};
use crate::{
    ids::LinkId,
    limits::{MAX_JOIN_MESSAGES, MAX_SHUNNED, SHUN},
    link::FailureReason,
    record::NodeAddr,
    time::Now,
    wire::{JoinMessage, Message, Purpose},
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
                self.keep_early(link, message);
            }
            ((LinkState::Parting(_), Purpose::Neighbor), Message::Push { origin, records }) => {
                self.events.push_back(OverlayEvent::Pushed { link, origin, records });
            }
            ((LinkState::Parting(_), _), _) => {}
            ((_, _), Message::Goodbye(goodbye)) => self.on_goodbye(now, link, goodbye),
            ((LinkState::Ready, _), Message::Ping(ping)) => self.on_ping(now, link, ping),
            ((LinkState::Ready, _), Message::Pong(pong)) => self.on_pong(now, link, pong),
            ((LinkState::Ready, Purpose::Join), Message::Join(message)) => {
                self.on_join(now, link, *message);
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
            Message::WantKeys(epochs) => self.events.push_back(OverlayEvent::KeysWanted { link, epochs }),
            Message::GiveKeys(keys) => self.events.push_back(OverlayEvent::KeysGiven(keys)),
            // Who does not take the answers gets no more of them.
            Message::Sync(_) if self.links.get(&link).is_some_and(|l| l.out.is_clogged()) => {}
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
            if self.shunned.len() >= MAX_SHUNNED && !self.shunned.contains_key(&node) {
                let first = self.shunned.iter().min_by_key(|(_, (until, _))| *until).map(|(node, _)| *node);
                first.map(|node| self.shunned.remove(&node));
            }
            let (until, times) = self.shunned.entry(node).or_insert((now.mono, 0));
            *until = now.mono + SHUN.saturating_mul(1 << (*times).min(8));
            *times = times.saturating_add(1);
            self.drop_link(now, link, FailureReason::Protocol);
        }
    }

    /// How many nodes are shunned.
    #[cfg(feature = "sim")]
    pub(crate) fn shunned(&self) -> usize {
        self.shunned.len()
    }

    /// Keeps records that overtook the welcome on a stream of their own. Those beyond the limit are dropped, and nobody is at
    /// fault: how much overtakes it depends on the network. The comparison that begins with the welcome brings them.
    fn keep_early(&mut self, id: LinkId, message: Message) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.early.keep(message) {
            tracing::debug!(node = %link.node.short(), "records before the welcome were dropped");
        }
    }

    /// A join is a few messages; each costs signatures and lookups.
    fn on_join(&mut self, now: Now, id: LinkId, message: JoinMessage) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.joining >= MAX_JOIN_MESSAGES {
            return self.misbehaved(now, id);
        }
        link.joining = link.joining.saturating_add(1);
        (link.asked, link.denied) = (now.mono, false);
        self.events.push_back(OverlayEvent::Join { link: id, message });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::SecretKey,
        graph::{OverlayConfig, links::DialWhy},
        ids::NodeId,
        io::Output,
        limits::{MAX_EARLY_BYTES, MAX_PRUNED},
        record::{DeviceCertificate, Genesis, RecordKey},
        time::{Hlc, Mono, Timestamp},
    };

    const NOW: Now = Now { mono: Mono(0), wall: Timestamp(1_800_000_000_000) };
    const LINK: LinkId = LinkId(1);

    fn overlay() -> Overlay {
        let identity = SecretKey::from_bytes(&[1; 32]);
        let device = DeviceCertificate::issue(&identity, NodeId::from_bytes([1; 32]));
        let genesis = Genesis::new(identity.peer(), [2; 16]);
        Overlay::new(OverlayConfig::default(), genesis.id(), device, Some(genesis), 1)
    }

    /// An overlay with one link in a state.
    fn linked(why: Option<DialWhy>, state: LinkState, purpose: Purpose) -> Overlay {
        let mut overlay = overlay();
        overlay.begin_link(NOW, LINK, (NodeId::from_bytes([2; 32]), None), why);
        let link = overlay.links.get_mut(&LINK).unwrap();
        (link.state, link.purpose) = (state, purpose);
        overlay
    }

    #[test]
    fn b2_records_before_the_welcome_take_a_bounded_place_and_nobody_is_punished() {
        let mut overlay = linked(Some(DialWhy::Repair), LinkState::AwaitsWelcome, Purpose::Neighbor);
        let push = |len: usize| Message::Push { origin: 1, records: vec![vec![0; len].into()] };
        for _ in 0..1000 {
            overlay.handle_message(NOW, LINK, push(60 * 1024));
            overlay.handle_message(NOW, LINK, push(1));
        }
        assert!(overlay.links[&LINK].early.bytes() <= MAX_EARLY_BYTES);
        let early = overlay.links.get_mut(&LINK).unwrap().early.take();
        assert!((4..MAX_EARLY_BYTES / 64).contains(&early.len()), "{}", early.len());
        // One of any size is kept, as a record may have any size.
        overlay.handle_message(NOW, LINK, push(2 * MAX_EARLY_BYTES));
        overlay.handle_message(NOW, LINK, push(1));
        assert_eq!(overlay.links.get_mut(&LINK).unwrap().early.take().len(), 1);
        assert!(overlay.shunned.is_empty());
    }

    #[test]
    fn b2_many_prunes_go_in_messages_that_are_accepted() {
        let mut overlay = linked(None, LinkState::Ready, Purpose::Neighbor);
        let key = RecordKey { hlc: Hlc(1), ..RecordKey::MIN };
        let origins = 0..2 * MAX_PRUNED as u64 + 9;
        origins.clone().for_each(|origin| overlay.duplicate(NOW, LINK, origin, key));
        overlay.flush(NOW);
        let mut told = Vec::new();
        while let Some(output) = overlay.poll_output() {
            let Output::Send { frame, .. } = output else { continue };
            let message = Message::decode(&frame).expect("others accept it");
            if let Message::Prune(origins) = message {
                told.extend(origins);
            }
        }
        assert_eq!(told, origins.collect::<Vec<_>>());
    }

    #[test]
    fn b2_a_link_for_joining_carries_a_few_messages() {
        let mut overlay = linked(None, LinkState::Ready, Purpose::Join);
        let invite = || Message::Join(Box::new(JoinMessage::Proof(b"again".as_slice().into())));
        (0..100).for_each(|_| overlay.handle_message(NOW, LINK, invite()));
        let heard = std::iter::from_fn(|| overlay.poll_event());
        assert_eq!(heard.filter(|event| matches!(event, OverlayEvent::Join { .. })).count(), 3);
        assert!(overlay.links.is_empty());
    }

    #[test]
    fn b2_nodes_without_end_that_misbehave_take_a_bounded_place() {
        let mut overlay = overlay();
        for number in 0..3 * MAX_SHUNNED as u32 {
            let mut id = [3; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let now = Now { mono: Mono(u64::from(number)), ..NOW };
            overlay.begin_link(now, LINK, (NodeId::from_bytes(id), None), None);
            overlay.misbehaved(now, LINK);
            assert!(overlay.shunned.contains_key(&NodeId::from_bytes(id)));
        }
        assert_eq!(overlay.shunned.len(), MAX_SHUNNED);
    }
}
