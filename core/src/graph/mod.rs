//! The overlay of one graph on one node: who are my neighbors, and what goes to whom.
//!
//! Owns links, connects, contacts, liveness, the partition mark, dissemination trees and peer time. Payloads are opaque
//! bytes: what is valid, known or stored is the engine's business, which is told by [`OverlayEvent`]s and answers by
//! calls. Bad remote input ends a link, never a call. Actions go out as [`Output`]s.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    ids::{ConnectionId, GraphId, LinkId, NodeId, PeerId},
    io::Output,
    ledger::Source,
    link::{DialId, FailureReason},
    record::{DeviceCertificate, Genesis, NodeAddr, RecordKey},
    time::{Mono, Now, Timestamp},
    wire::{GivenKey, GoodbyeReason, JoinMessage, Lost, Mark, Message, Purpose},
};

mod address_book;
mod addresses;
mod config;
mod connect;
mod connect_failure;
mod contacts;
mod event;
mod flood;
mod handshake;
mod joiners;
mod links;
mod liveness;
mod maintenance;
mod messages;
mod outbox;
mod parting;
mod partition;
mod pausing;
mod peer_time;
mod places;
mod tree;

pub use config::OverlayConfig;
pub use connect::{ConnectId, ConnectOptions};
pub use connect_failure::ConnectFailure;
pub use contacts::{Contact, KeptContact, Known};
pub use event::{OverlayEvent, Required};
pub use flood::Via;
pub use links::NeighborInfo;

use address_book::Contacts;
use connect::Connects;
use links::{DialWhy, Due, Link, LinkState, Missing};
use parting::AFTER_ASKED;
use partition::Marks;
use peer_time::PeerClock;
use places::Places;
use tree::Trees;

#[derive(Debug)]
struct Dial {
    why: DialWhy,
    node: NodeId,
}

/// The overlay of one graph on one node.
#[derive(Debug)]
pub struct Overlay {
    config: OverlayConfig,
    graph: GraphId,
    device: DeviceCertificate,
    genesis: Option<Genesis>,
    /// What shows others that this identity is a member.
    credentials: Vec<Bytes>,
    rng: StdRng,
    links: BTreeMap<LinkId, Link>,
    dials: BTreeMap<DialId, Dial>,
    connects: Connects,
    contacts: Contacts,
    trees: Trees,
    missing: BTreeMap<RecordKey, Missing>,
    due: BTreeSet<Due>,
    marks: Marks,
    clock: PeerClock,
    shunned: BTreeMap<NodeId, (Mono, u32)>,
    addr: NodeAddr,
    /// Tells this run of the node from others.
    instance: u64,
    listening: bool,
    /// True once the application wanted neighbors: until then none are looked for.
    online: bool,
    accept_direct: bool,
    leaving: bool,
    /// While paused: who the neighbors were.
    paused: Option<Vec<NodeAddr>>,
    numbers: u64,
    next_maintenance: Mono,
    next_required: Mono,
    next_prune: Mono,
    places: Places,
    /// Neighbors whose places nobody took, lately or before a restart.
    steady: Vec<NodeId>,
    /// Multiplies our patience while our own timers are late: then it is us, not them.
    health: u32,
    outputs: VecDeque<Output>,
    events: VecDeque<OverlayEvent>,
}

impl Overlay {
    /// The overlay of a node that is not connected.
    pub fn new(
        config: OverlayConfig,
        graph: GraphId,
        device: DeviceCertificate,
        genesis: Option<Genesis>,
        seed: u64,
    ) -> Self {
        let founder = genesis.as_ref().is_some_and(|g| g.creator == device.peer);
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            addr: NodeAddr::new(device.node),
            marks: Marks::new(device.node),
            clock: PeerClock::new(founder),
            instance: rng.random(),
            contacts: Contacts::new(rng.random()),
            rng,
            config,
            graph,
            device,
            genesis,
            credentials: Vec::new(),
            links: BTreeMap::new(),
            dials: BTreeMap::new(),
            connects: Connects::default(),
            trees: Trees::default(),
            missing: BTreeMap::new(),
            due: BTreeSet::new(),
            shunned: BTreeMap::new(),
            listening: false,
            online: false,
            accept_direct: false,
            leaving: false,
            paused: None,
            numbers: 0,
            next_maintenance: Mono(0),
            next_required: Mono(0),
            next_prune: Mono(0),
            places: Places::default(),
            steady: Vec::new(),
            health: 1,
            outputs: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// A link's transport is up, and both ends have proven to know the graph.
    pub fn link_opened(
        &mut self,
        now: Now,
        link: LinkId,
        from: (NodeId, Option<Source>),
        dial: Option<DialId>,
    ) {
        let why = match dial {
            Some(dial) => match self.dials.remove(&dial) {
                Some(dial) => Some(dial.why),
                // Cancelled meanwhile.
                None => return self.outputs.push_back(Output::Close { link, abort: false }),
            },
            None => None,
        };
        self.begin_link(now, link, from, why);
    }

    /// A dial came to nothing.
    pub fn dial_failed(&mut self, now: Now, dial: DialId, why: FailureReason) {
        let Some(Dial { why: purpose, node }) = self.dials.remove(&dial) else { return };
        match why {
            // It is there, and has no place now.
            FailureReason::Busy => {
                let part = RngExt::random::<f64>(&mut self.rng);
                self.contacts.rest(now.mono, &node, handshake::AFTER_BUSY.mul_f64(0.25 + 0.75 * part));
            }
            _ => self.contacts.failed(now.mono, &node, &mut self.rng),
        }
        match purpose {
            DialWhy::Connect(id) => self.connect_step_failed(now, id, node, why),
            DialWhy::Repair | DialWhy::Probe => self.hurry(now),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.connects_timed_out(now);
        self.widen_connects(now);
        self.retry_connects(now);
        self.setups_timed_out(now);
        self.pulse(now);
        self.serve_on();
        self.send_due_announcements(now);
        self.graft_missing(now);
        self.compare_databases(now);
        self.maintain(now);
        self.watch_partition(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let links = self.links.values().flat_map(|link| match link.state {
            LinkState::Ready if link.purpose == Purpose::Join => {
                [Some(link.deadline), Some(link.pulse.next), None, None]
            }
            LinkState::Ready => {
                let compare = self.comparable(link).then_some(link.next_sync);
                [Some(link.pulse.next), compare, link.out.announce_at, link.out.more.then_some(Mono(0))]
            }
            _ => [Some(link.deadline), None, None, None],
        });
        let rest = [
            self.connects.next_deadline(),
            self.due.first().map(|(at, _)| *at),
            self.next_round(),
            self.marks.next().filter(|_| !self.is_away()),
        ];
        links.chain(rest).flatten().min()
    }

    /// The next thing to be done outside.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next thing the engine must know.
    pub fn poll_event(&mut self) -> Option<OverlayEvent> {
        self.events.pop_front()
    }

    /// Lets others connect, or no longer.
    pub fn set_listening(&mut self, now: Now, listening: bool) {
        if self.listening != listening {
            self.listening = listening;
            self.online |= listening;
            self.tell_address();
            self.hurry(now);
        }
    }

    /// Looks for neighbors among the known nodes from now on.
    pub fn go_online(&mut self, now: Now) {
        self.online = true;
        self.hurry(now);
    }

    /// True once this node listened or connected to a neighbor, whatever became of that.
    pub const fn is_online(&self) -> bool {
        self.online
    }

    /// What is shown to the other end of a new link.
    pub fn set_credentials(&mut self, credentials: Vec<Bytes>) {
        self.credentials = credentials;
    }

    /// The graph, as it was learnt outside of a link.
    pub fn set_genesis(&mut self, genesis: Genesis) {
        self.genesis.get_or_insert(genesis);
    }

    /// The identity at the other end of a link, once known.
    pub fn peer_of(&self, link: LinkId) -> Option<(NodeId, PeerId, Purpose)> {
        self.links.get(&link).map(|l| (l.node, l.peer, l.purpose))
    }

    /// The link of a connection.
    pub fn link_of(&self, connection: ConnectionId) -> Option<LinkId> {
        self.links.values().find(|l| l.connection == connection && l.state == LinkState::Ready).map(|l| l.id)
    }

    /// Sends a message of joining.
    pub fn send_join(&mut self, link: LinkId, message: JoinMessage) {
        if let Some(link) = self.links.get_mut(&link) {
            link.denied = matches!(message, JoinMessage::Denied { .. });
        }
        self.send(link, &Message::Join(Box::new(message)));
    }

    /// Ends a link for joining.
    pub fn end_join(&mut self, now: Now, link: LinkId) {
        self.part(now, link, GoodbyeReason::ProbeOver, FailureReason::Closed);
    }

    /// Ends all links with nodes that are not let in any more.
    pub fn expel(&mut self, now: Now, mut is_member: impl FnMut(&NodeId, &PeerId) -> bool) {
        let links = self.links.values().filter(|l| l.state == LinkState::Ready && l.purpose != Purpose::Join);
        let gone: Vec<LinkId> = links.filter(|l| !is_member(&l.node, &l.peer)).map(|l| l.id).collect();
        for link in gone {
            self.part(now, link, GoodbyeReason::NotAuthorized, FailureReason::NotAuthenticated);
        }
    }

    /// Forgets where the nodes of some identities are.
    pub fn forget_peers(&mut self, mut gone: impl FnMut(&PeerId) -> bool) {
        if self.contacts.forget_peers(&mut gone) {
            self.events.push_back(OverlayEvent::ContactsChanged);
        }
    }

    /// Tells the neighbors, but for the one it came from, of nodes that are said to be lost.
    pub fn tell_lost(&mut self, from: Option<LinkId>, lost: &[Lost]) {
        for link in self.neighbor_links().into_iter().filter(|link| Some(*link) != from) {
            self.tell_one_lost(link, lost);
        }
    }

    /// Tells one neighbor of them.
    pub fn tell_one_lost(&mut self, link: LinkId, lost: &[Lost]) {
        if let Some(link) = self.links.get_mut(&link) {
            link.out.lose(lost);
        }
        self.send_lost(link);
    }

    /// Asks a neighbor for keys of epochs.
    pub fn want_keys(&mut self, link: LinkId, epochs: Vec<[u8; 32]>) {
        self.send(link, &Message::WantKeys(epochs));
    }

    /// Gives a neighbor keys that it asked for.
    pub fn give_keys(&mut self, link: LinkId, keys: Vec<GivenKey>) {
        self.send(link, &Message::GiveKeys(keys));
    }

    /// Lets others open direct connections, or no longer.
    pub fn set_accept_direct(&mut self, accept: bool) {
        self.accept_direct = accept;
    }

    /// Says goodbye to all and refuses everybody from now on.
    pub fn leave(&mut self, now: Now) {
        self.leaving = true;
        self.listening = false;
        self.part_with_all(now);
    }

    /// Closes a connection because the application asked; false if there is none with this number.
    pub fn disconnect(&mut self, now: Now, connection: ConnectionId) -> bool {
        let found = self.connection(connection).map(|link| (link.id, link.node));
        let Some((link, node)) = found else { return false };
        self.contacts.rest(now.mono, &node, AFTER_ASKED);
        self.part(now, link, GoodbyeReason::Asked, FailureReason::Closed);
        true
    }

    /// The neighbors.
    pub fn neighbors(&self) -> Vec<NeighborInfo> {
        self.links.values().filter(|l| l.is_ready(Purpose::Neighbor)).map(Link::info).collect()
    }

    /// The direct connections.
    pub fn directs(&self) -> Vec<NeighborInfo> {
        self.links.values().filter(|l| l.is_ready(Purpose::Direct)).map(Link::info).collect()
    }

    /// True if there is a neighbor.
    pub fn has_neighbors(&self) -> bool {
        self.ready_neighbors() > 0
    }

    /// True if others can connect.
    pub const fn is_listening(&self) -> bool {
        self.listening && self.paused.is_none()
    }

    /// The clock the graph agrees on.
    pub fn peer_time(&self, now: Now) -> Timestamp {
        self.clock.peer_time(now.wall)
    }

    /// Peer time less this machine's, in milliseconds.
    pub const fn clock_offset_ms(&self) -> i64 {
        self.clock.offset_ms()
    }

    /// This machine's clock less the graph's time in milliseconds, if that is more than 20 minutes.
    pub const fn clock_skew_ms(&self) -> Option<i64> {
        self.clock.skew_ms()
    }

    /// True if the neighbors' clocks were read, and agree with this machine's.
    pub fn is_clock_confirmed(&self) -> bool {
        self.clock.is_confirmed()
    }

    /// Looks whether this machine's clock was set. True if it was: it is compared with the neighbors' at once.
    pub fn notice_clock_jump(&mut self, now: Now) -> bool {
        let jumped = self.clock.notice_jump(now);
        if jumped {
            for link in self.links.values_mut().filter(|l| l.state == LinkState::Ready) {
                link.pulse.next = now.mono;
                link.pulse.next_clock = now.mono;
                // What answers them was said before.
                link.pulse.open.clear();
            }
            // Whom a wrong clock kept away may be reached now.
            self.contacts.forgive(now.mono);
            self.hurry(now);
        }
        jumped
    }

    /// The partition mark.
    pub const fn mark(&self) -> Mark {
        self.marks.current()
    }

    fn me(&self) -> NodeId {
        self.device.node
    }

    /// The mark that a link is told. On a link for joining it names this node alone: the other end may be a stranger, and
    /// the real one is another node's id.
    fn mark_for(&self, purpose: Purpose) -> Mark {
        if purpose == Purpose::Join { Mark { node: self.me(), beat: 0 } } else { self.marks.current() }
    }

    fn next_number(&mut self) -> u64 {
        self.numbers = self.numbers.saturating_add(1);
        self.numbers
    }

    fn neighbor(&self, node: &NodeId) -> Option<&Link> {
        self.links.values().find(|l| l.node == *node && l.is_ready(Purpose::Neighbor))
    }

    fn connection(&self, connection: ConnectionId) -> Option<&Link> {
        self.links.values().find(|l| {
            l.connection == connection && l.state == LinkState::Ready && l.purpose != Purpose::Probe
        })
    }

    fn ready_neighbors(&self) -> usize {
        self.links.values().filter(|l| l.is_ready(Purpose::Neighbor)).count()
    }

    fn dial(&mut self, _now: Now, addr: NodeAddr, why: DialWhy) -> DialId {
        let dial = DialId(self.next_number());
        self.dials.insert(dial, Dial { why, node: addr.node });
        self.outputs.push_back(Output::Dial { dial, addr });
        dial
    }

    fn cancel_dial(&mut self, dial: DialId) {
        if self.dials.remove(&dial).is_some() {
            self.outputs.push_back(Output::CancelDial(dial));
        }
    }

    /// The links with neighbors.
    pub fn neighbor_links(&self) -> Vec<LinkId> {
        self.links.values().filter(|l| l.is_ready(Purpose::Neighbor)).map(|l| l.id).collect()
    }

    /// A time between half and one and a half of `span` from now.
    fn jittered(&mut self, now: Now, span: std::time::Duration) -> Mono {
        now.mono + span.mul_f64(0.5 + self.rng.random::<f64>())
    }
}
