//! The world: nodes, virtual time, and what befalls them.

mod steps;
mod tally;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use self::{steps::Step, tally::Tally};
use super::network::{End, LinkModel, Wires};
use crate::{
    crypto::SecretKey,
    engine::{Engine, EngineParts},
    events::Hub,
    graph::{ConnectOptions, OverlayConfig},
    ids::{GraphId, NodeId, RecordId},
    io::Input,
    limits::{CONNECT_TIMEOUT, DEFAULT_TOMBSTONE_LIFETIME},
    link::FailureReason,
    record::{Genesis, GraphProperties, GroupRules, NodeAddr, RecordDraft, RecordType, Role, TypeRule, Who},
    records::{Durability, MemoryStore, OpenPolicy, Store},
    time::{Mono, Now, Timestamp},
    wire::{Purpose, Stream},
};

/// Wall time at the beginning of every world.
const EPOCH: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Time between two joins.
const JOIN_GAP: Duration = Duration::from_millis(200);

pub(super) struct Actor {
    pub(super) engine: Engine,
    pub(super) node: NodeId,
    pub(super) alive: bool,
    wake: Option<Mono>,
}

/// Many nodes of one graph under virtual time. The first node makes the graph; the others join through it.
#[derive(Debug)]
pub struct World {
    seed: u64,
    rng: StdRng,
    now: Mono,
    order: u64,
    queue: BinaryHeap<Reverse<(Mono, u64)>>,
    steps: BTreeMap<u64, Step>,
    pub(super) actors: Vec<Actor>,
    wires: Wires,
    links: LinkModel,
    /// Which side of a partition each node is on.
    side: Vec<usize>,
    /// Each machine's clock against the world's, in milliseconds.
    skews: Vec<i64>,
    genesis: Genesis,
    graph: GraphId,
    config: OverlayConfig,
    tombstones: Duration,
    /// Frames delivered so far.
    pub frames: u64,
    /// Bytes delivered so far.
    pub bytes: u64,
    tally: Tally,
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.node.short(), if self.alive { "" } else { " (dead)" })
    }
}

impl World {
    /// An empty world.
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let creator = SecretKey::from_bytes(&rng.random());
        let genesis = Genesis::new(creator.peer(), rng.random());
        Self {
            seed,
            graph: genesis.id(),
            genesis,
            rng,
            now: Mono(0),
            order: 0,
            queue: BinaryHeap::new(),
            steps: BTreeMap::new(),
            actors: Vec::new(),
            wires: Wires::default(),
            links: LinkModel::default(),
            side: Vec::new(),
            skews: Vec::new(),
            config: OverlayConfig::default(),
            tombstones: DEFAULT_TOMBSTONE_LIFETIME,
            frames: 0,
            bytes: 0,
            tally: Tally::default(),
        }
    }

    /// A group instead of a plain graph: its first node makes every other one a member. All members may edit notes.
    #[must_use]
    pub fn group(mut self) -> Self {
        let edit = Who::Role(Role::Member);
        let notes = RecordType::new("sim.note").expect("a good type");
        let rule = TypeRule { record_type: notes, publish: Role::Member, edit };
        self.genesis.rules = Some(GroupRules { types: vec![rule], ..GroupRules::default() });
        self.graph = self.genesis.id();
        self
    }

    /// With other wires.
    #[must_use]
    pub const fn links(mut self, links: LinkModel) -> Self {
        self.links = links;
        self
    }

    /// With lost packets: a share of 0 to 1.
    #[must_use]
    pub const fn loss(mut self, share: f64) -> Self {
        self.links.loss = share;
        self
    }

    /// With another overlay configuration for nodes added from here on.
    #[must_use]
    pub const fn config(mut self, config: OverlayConfig) -> Self {
        self.config = config;
        self
    }

    /// With another life of tombstones for nodes added from here on.
    #[must_use]
    pub const fn tombstones(mut self, life: Duration) -> Self {
        self.tombstones = life;
        self
    }

    /// With so many more nodes, which join 200 ms apart through those that listen already.
    #[must_use]
    pub fn nodes(mut self, count: usize) -> Self {
        for _ in 0..count {
            self.add_node();
            self.run(JOIN_GAP);
        }
        self
    }

    /// Adds a node that joins through a random listening one; returns its number.
    ///
    /// # Panics
    /// If the memory store fails, which it does not.
    pub fn add_node(&mut self) -> usize {
        self.add_skewed(0)
    }

    /// Adds a node whose clock is off by so many milliseconds.
    ///
    /// # Panics
    /// If the memory store fails, which it does not.
    pub fn add_skewed(&mut self, skew: i64) -> usize {
        let number = self.actors.len();
        let first = number == 0;
        self.skews.push(skew);
        let actor = self.start(number, first);
        self.actors.push(actor);
        self.side.push(0);
        self.enter(number, first);
        number
    }

    /// Adds a node that `by` lets in, which all hear of that `by` can speak to, and that comes to `through` with what shows it.
    #[cfg(test)]
    pub(super) fn add_with_papers(&mut self, by: usize, through: usize) -> usize {
        let number = self.actors.len();
        self.skews.push(0);
        self.side.push(0);
        let mut actor = self.start(number, false);
        let peer = actor.engine.nodes()[0].peer;
        let granted = self.with(by, |engine, now| engine.grant(now, peer, "guest", Role::Member, None));
        let store = Box::new(MemoryStore::new(self.graph, self.rng.random()));
        actor = self.start_from(number, Some(self.genesis.clone()), store);
        let chain = granted.expect("it may grant").iter().map(|record| record.bytes().clone()).collect();
        actor.engine.accept_chain(self.now_of(number), chain).expect("a membership");
        self.actors.push(actor);
        let (target, now) = (self.actors[through].node, self.now_of(number));
        let target = NodeAddr::at(target, [self.socket(through)]);
        let options =
            ConnectOptions { expected_peer: None, deadline: CONNECT_TIMEOUT, purpose: Purpose::Neighbor };
        let address = NodeAddr::at(self.actors[number].node, [self.socket(number)]);
        self.input(number, Input::AddressesChanged(address));
        self.with(number, |engine, _| engine.connect(now, vec![target], options));
        number
    }

    /// Time passes.
    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(Reverse((at, order))) = self.queue.peek().copied() {
            if at > until {
                break;
            }
            self.queue.pop();
            self.now = self.now.max(at);
            if let Some(step) = self.steps.remove(&order) {
                self.perform(step);
            }
        }
        self.now = until;
    }

    /// Runs until a condition holds, looking every 100 ms of virtual time; false if it did not within `limit`.
    pub fn run_until(&mut self, limit: Duration, mut condition: impl FnMut(&Self) -> bool) -> bool {
        let deadline = self.now + limit;
        while !condition(self) {
            if self.now >= deadline {
                return false;
            }
            self.run(Duration::from_millis(100));
        }
        true
    }

    /// A node publishes a record of type `sim.note`.
    ///
    /// # Panics
    /// If the node may not publish; prints the seed.
    pub fn publish(&mut self, node: usize, body: impl Into<Bytes>) -> RecordId {
        let draft = RecordDraft::new("sim.note", body).expect("a good type");
        let (now, seed) = (self.now_of(node), self.seed);
        let record = self.actors[node].engine.publish(now, draft);
        let id = record.unwrap_or_else(|error| panic!("seed {seed}: node {node} cannot publish: {error}")).id;
        self.settle(node);
        id
    }

    /// How often nodes that behave have been taken for others: strikes given and nodes shunned, everywhere.
    pub fn accusations(&self) -> usize {
        self.living().map(|(_, actor)| actor.engine.accusations()).sum()
    }

    /// Access to a node's engine; what it did is carried out afterwards.
    pub fn with<T>(&mut self, node: usize, f: impl FnOnce(&mut Engine, Now) -> T) -> T {
        let now = self.now_of(node);
        let value = f(&mut self.actors[node].engine, now);
        self.settle(node);
        value
    }

    /// A node stops without a word. Others notice by its silence.
    pub fn kill(&mut self, node: usize) {
        self.actors[node].alive = false;
        for (mine, theirs) in self.wires.ends_of(node) {
            self.wires.cut(mine);
            self.later(self.links.idle_timeout, Step::Closed { end: theirs, why: FailureReason::Lost });
        }
    }

    /// Feeds node `to` a frame as if its neighbor `from` had sent it: for tests of what a member may try. Nothing
    /// happens if they are not linked. Stream 0 is control, 1 records, 2 bulk.
    pub fn inject(&mut self, from: usize, to: usize, stream: usize, bytes: Vec<u8>) {
        let stream = [Stream::Control, Stream::Records, Stream::Bulk][stream % 3];
        if let Some((end, _)) = self.wires.ends_of(to).iter().find(|(_, theirs)| theirs.node == from) {
            let link = end.link;
            self.input(to, Input::Frame { link, stream, bytes: bytes.into() });
        }
    }

    /// A killed node starts again with an empty memory and joins anew.
    pub fn restart(&mut self, node: usize) {
        self.actors[node] = self.start(node, false);
        self.enter(node, false);
    }

    /// A node that left or was killed comes back with the database it had, listening, and meets others again.
    ///
    /// # Panics
    /// If the memory store fails, which it does not.
    pub fn wake(&mut self, node: usize) {
        let empty = self.start(node, false);
        let asleep = std::mem::replace(&mut self.actors[node], empty);
        let genesis = Some(self.genesis.clone());
        self.actors[node] = self.start_from(node, genesis, asleep.engine.into_store());
        self.with(node, |engine, now| engine.listen(now)).expect("it was synchronised");
        self.enter(node, false);
    }

    /// A node says goodbye and is gone.
    pub fn leave(&mut self, node: usize) {
        let now = self.now_of(node);
        self.actors[node].engine.leave(now);
        self.settle(node);
        self.actors[node].alive = false;
        for (mine, theirs) in self.wires.ends_of(node) {
            self.wires.cut(mine);
            self.later(
                self.links.idle_timeout,
                Step::Closed { end: theirs, why: FailureReason::ClosedByPeer },
            );
        }
    }

    /// Cuts the world in two: these nodes hear nothing from the rest, nor the rest from them.
    pub fn split(&mut self, nodes: impl IntoIterator<Item = usize>) {
        for node in nodes {
            self.side[node] = 1;
        }
        let cut: Vec<End> = self
            .wires
            .all()
            .filter(|(a, b)| self.side[a.node] != self.side[b.node])
            .map(|(a, _)| a)
            .collect();
        for end in cut {
            self.later(self.links.idle_timeout, Step::Closed { end, why: FailureReason::Lost });
        }
    }

    /// Undoes all partitions.
    pub fn heal(&mut self) {
        self.side.fill(0);
    }

    /// Sets a machine's clock off by so many milliseconds.
    pub fn skew(&mut self, node: usize, milliseconds: i64) {
        self.skews[node] = milliseconds;
    }

    /// The seed, for messages.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// How many nodes there are, dead ones included.
    pub fn len(&self) -> usize {
        self.actors.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.actors.is_empty()
    }

    /// A node's engine, to look at.
    pub fn engine(&self, node: usize) -> &Engine {
        &self.actors[node].engine
    }

    pub(super) fn living(&self) -> impl Iterator<Item = (usize, &Actor)> {
        self.actors.iter().enumerate().filter(|(_, actor)| actor.alive)
    }

    fn start(&mut self, number: usize, first: bool) -> Actor {
        let store = Box::new(MemoryStore::new(self.graph, self.rng.random()));
        let genesis = first.then(|| self.genesis.clone());
        self.start_from(number, genesis, store)
    }

    fn start_from(&mut self, number: usize, genesis: Option<Genesis>, store: Box<dyn Store>) -> Actor {
        let first = number == 0;
        let identity = if first {
            // The creator's key was drawn first from this seed.
            SecretKey::from_bytes(&StdRng::seed_from_u64(self.seed).random())
        } else {
            SecretKey::from_bytes(&StdRng::seed_from_u64(self.seed ^ (number as u64 + 1) << 20).random())
        };
        let key =
            SecretKey::from_bytes(&StdRng::seed_from_u64(self.seed ^ (number as u64 + 1) << 40).random());
        let parts = EngineParts {
            graph: self.graph,
            genesis,
            identity,
            node: key.clone(),
            store,
            policy: Box::new(OpenPolicy),
            hub: Hub::new(),
            overlay: self.config.clone(),
            precedence: Vec::new(),
            durability: Durability::Relaxed,
            tombstone_lifetime: self.tombstones,
            parallel: false,
            seed: self.rng.random(),
        };
        let now = self.now_of(number);
        let engine = Engine::new(parts, now).expect("a memory store can be read");
        Actor { engine, node: key.node(), alive: true, wake: None }
    }

    fn enter(&mut self, number: usize, first: bool) {
        let now = self.now_of(number);
        let node = self.actors[number].node;
        let address = NodeAddr::at(node, [self.socket(number)]);
        let engine = &mut self.actors[number].engine;
        engine.handle_input(now, Input::AddressesChanged(address));
        if first {
            engine.found(now, &GraphProperties::default()).expect("a memory store can be written");
            engine.listen(now).expect("a founder can listen");
            self.settle(number);
            return;
        }
        let listening = |(_, actor): &(usize, &Actor)| actor.engine.status().listening;
        let living: Vec<usize> =
            self.living().filter(listening).map(|(n, _)| n).filter(|n| *n != number).collect();
        if living.is_empty() {
            return self.settle(number);
        }
        let mut through = living[self.rng.random_range(0..living.len())];
        if self.genesis.rules.is_some() {
            // There alone it is known to be a member, at first.
            let peer = self.actors[number].engine.nodes()[0].peer;
            self.with(0, |engine, now| engine.grant(now, peer, "member", Role::Admin, None))
                .expect("the creator may grant");
            through = 0;
        }
        let target = NodeAddr::at(self.actors[through].node, [self.socket(through)]);
        let options =
            ConnectOptions { expected_peer: None, deadline: CONNECT_TIMEOUT, purpose: Purpose::Neighbor };
        self.actors[number].engine.connect(now, vec![target], options);
        self.settle(number);
    }

    fn socket(&self, number: usize) -> std::net::SocketAddr {
        let number = u32::try_from(number).expect("few nodes");
        std::net::SocketAddr::from((std::net::Ipv4Addr::from(0x0a00_0000 | number), 1000))
    }

    fn now_of(&self, node: usize) -> Now {
        let wall = (EPOCH + self.now.since(Mono(0))).offset_by(self.skews[node]);
        Now { mono: self.now, wall }
    }
}
