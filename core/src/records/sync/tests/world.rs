//! Nodes connected by queues, in rounds: what is sent in one is there in the next.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::LazyLock,
    time::Duration,
};

use bytes::Bytes;

use super::store::TestStore;
use crate::{
    crypto::SecretKey,
    ids::{GraphId, LinkId},
    limits::{FETCH_WINDOW, PULL_WINDOW},
    record::{Header, RecordKey, RecordType, SignedRecord},
    records::{
        Store, VerifiedRecord,
        sync::{SyncAbort, SyncConfig, SyncOutcome, SyncOutput, Syncs},
    },
    time::{Hlc, Now, Timestamp},
    wire::{Message, SyncMessage},
};

pub(crate) const GRAPH: GraphId = GraphId::from_bytes([3; 32]);
pub(crate) fn record(record_type: &str, number: u64, at: Timestamp) -> SignedRecord {
    let key = SecretKey::from_bytes(&[1; 32]);
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    let header = Header::first(RecordType::new(record_type).unwrap(), nonce, key.peer(), Hlc::at(at));
    SignedRecord::sign(&GRAPH, &key, header, &number.to_le_bytes())
}

/// 20,000 records, one a second.
pub(super) static POOL: LazyLock<Vec<SignedRecord>> = LazyLock::new(|| {
    let start = 1_700_000_000;
    (0..20_000).map(|i| record("chat.message", i, Timestamp::from_secs(start + i))).collect()
});

pub(super) struct Node {
    pub(super) syncs: Syncs,
    pub(super) store: TestStore,
    /// All but what is sent.
    pub(super) events: Vec<SyncOutput>,
    /// How often each key came.
    pub(super) came: BTreeMap<RecordKey, u32>,
    /// Sends no records.
    pub(super) mute: bool,
    /// By link, side and number: keys not here yet, and bytes asked for by range.
    asked: BTreeMap<(LinkId, bool, u32), (BTreeSet<RecordKey>, usize)>,
}

enum Frame {
    Sync(Bytes),
    Records(u32, Vec<Bytes>),
}

pub(super) struct World {
    pub(super) now: Now,
    pub(super) nodes: Vec<Node>,
    links: BTreeMap<LinkId, [usize; 2]>,
    control: VecDeque<(usize, LinkId, Frame)>,
    /// With the round in which it arrives.
    bulk: VecDeque<(u32, usize, LinkId, Frame)>,
    /// Rounds that records take longer than messages.
    pub(super) bulk_delay: u32,
    /// Bytes that a link takes in a round; one record at least.
    pub(super) room: usize,
    /// A link that takes one record each so many rounds.
    pub(super) slow: Option<(LinkId, u32)>,
    /// How long a round lasts.
    pub(super) round: Duration,
    pub(super) rounds: u32,
    /// Bytes of messages other than records.
    pub(super) bytes: usize,
    pub(super) messages: usize,
    pub(super) largest: usize,
    pub(super) records: usize,
}

impl World {
    pub(super) fn new(stores: impl IntoIterator<Item = TestStore>, precedence: &[&str]) -> Self {
        let precedence: Vec<_> = precedence.iter().map(|t| RecordType::new(t).unwrap()).collect();
        let node = |store| Node {
            syncs: Syncs::new(SyncConfig { precedence: precedence.clone(), credentials: false }),
            store,
            events: Vec::new(),
            came: BTreeMap::new(),
            mute: false,
            asked: BTreeMap::new(),
        };
        Self {
            now: Now::default(),
            nodes: stores.into_iter().map(node).collect(),
            links: BTreeMap::new(),
            control: VecDeque::new(),
            bulk: VecDeque::new(),
            bulk_delay: 1,
            room: 256 * 1024,
            slow: None,
            round: Duration::from_millis(1),
            rounds: 0,
            bytes: 0,
            messages: 0,
            largest: 0,
            records: 0,
        }
    }

    /// Two nodes with these parts of the pool, on link 1.
    pub(super) fn pair(
        a: impl IntoIterator<Item = SignedRecord>,
        b: impl IntoIterator<Item = SignedRecord>,
    ) -> Self {
        let mut world = Self::new([TestStore::of(a), TestStore::of(b)], &[]);
        world.link(1, 0, 1);
        world
    }

    pub(super) fn link(&mut self, link: u64, a: usize, b: usize) {
        self.links.insert(LinkId(link), [a, b]);
    }

    pub(super) fn open(&mut self, link: u64, at: usize) -> bool {
        let node = &mut self.nodes[at];
        let opened = node.syncs.open(self.now, LinkId(link), &node.store).unwrap();
        self.gather();
        opened
    }

    pub(super) fn cut(&mut self, link: u64) {
        let link = LinkId(link);
        for at in self.links.remove(&link).unwrap() {
            self.nodes[at].syncs.link_closed(link);
            self.nodes[at].asked.retain(|(on, ..), _| *on != link);
        }
        self.control.retain(|(_, on, _)| *on != link);
        self.bulk.retain(|(_, _, on, _)| *on != link);
        self.gather();
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now.mono = self.now.mono + time;
        for node in &mut self.nodes {
            if node.syncs.poll_timeout().is_some_and(|at| at <= self.now.mono) {
                node.syncs.handle_timeout(self.now);
            }
        }
        self.gather();
    }

    /// Until nothing is under way.
    pub(super) fn run(&mut self) {
        while self.step() {
            assert!(self.rounds < 5000, "no end");
        }
    }

    pub(super) fn step(&mut self) -> bool {
        self.rounds += 1;
        self.wait(self.round);
        for (to, link, frame) in std::mem::take(&mut self.control) {
            self.deliver(to, link, frame);
        }
        while self.bulk.front().is_some_and(|(at, ..)| *at <= self.rounds) {
            let (_, to, link, frame) = self.bulk.pop_front().unwrap();
            self.deliver(to, link, frame);
        }
        for (link, ends) in &self.links {
            let slow = self.slow.filter(|(slow, _)| slow == link);
            if slow.is_some_and(|(_, each)| !self.rounds.is_multiple_of(each)) {
                continue;
            }
            let room = if slow.is_some() { 1 } else { self.room };
            for at in *ends {
                let node = &mut self.nodes[at];
                if !node.mute {
                    node.syncs.bulk_room(self.now, *link, room, &node.store).unwrap();
                }
            }
        }
        self.gather();
        !self.control.is_empty() || !self.bulk.is_empty()
    }

    fn deliver(&mut self, to: usize, link: LinkId, frame: Frame) {
        let node = &mut self.nodes[to];
        match frame {
            Frame::Sync(bytes) => {
                let Ok(Message::Sync(message)) = Message::decode(&bytes) else { panic!("out of bounds") };
                if let SyncMessage::Sent { request, initiator, .. } = &message {
                    node.asked.entry((link, !initiator, *request)).and_modify(|(_, bytes)| *bytes = 0);
                }
                node.syncs.handle(self.now, link, message, &node.store).unwrap();
            }
            Frame::Records(session, records) => {
                let (mut keys, mut known) = (Vec::new(), Vec::new());
                for bytes in records {
                    let record = SignedRecord::decode_stored(&GRAPH, bytes).unwrap();
                    let here = node.store.contains(&record.key()).unwrap();
                    if here { &mut known } else { &mut keys }.push(record.key());
                    *node.came.entry(record.key()).or_default() += 1;
                    for (asked, _) in node.asked.values_mut() {
                        asked.remove(&record.key());
                    }
                    node.store.put(&VerifiedRecord::unchecked(record)).unwrap();
                }
                self.records += keys.len() + known.len();
                node.syncs.arrived(self.now, link, session, &keys, true);
                node.syncs.arrived(self.now, link, session, &known, false);
            }
        }
    }

    fn gather(&mut self) {
        for (at, node) in self.nodes.iter_mut().enumerate() {
            while let Some(output) = node.syncs.poll_output() {
                let to = |link| self.links.get(&link).map(|ends| ends[usize::from(ends[0] == at)]);
                match output {
                    SyncOutput::Send { link, message } => {
                        watch(node, link, &message);
                        let bytes = Message::Sync(message).encode();
                        self.bytes += bytes.len();
                        self.messages += 1;
                        self.largest = self.largest.max(bytes.len());
                        if let Some(to) = to(link) {
                            self.control.push_back((to, link, Frame::Sync(bytes)));
                        }
                    }
                    SyncOutput::SendRecords { link, session, records } => {
                        let due = self.rounds + self.bulk_delay;
                        if let Some(to) = to(link) {
                            self.bulk.push_back((due, to, link, Frame::Records(session, records)));
                        }
                    }
                    event => node.events.push(event),
                }
            }
        }
        assert!(self.largest <= 64 * 1024);
    }

    pub(super) fn equal(&self) -> bool {
        self.nodes.windows(2).all(|pair| pair[0].store == pair[1].store)
    }

    pub(super) fn outcomes(&self, at: usize) -> Vec<SyncOutcome> {
        let outcome = |event: &SyncOutput| match event {
            SyncOutput::Finished { outcome, .. } => Some(*outcome),
            _ => None,
        };
        self.nodes[at].events.iter().filter_map(outcome).collect()
    }

    pub(super) fn aborted(&self, at: usize) -> Vec<SyncAbort> {
        let abort = |outcome| {
            if let SyncOutcome::Aborted(why) = outcome { Some(why) } else { None }
        };
        self.outcomes(at).into_iter().filter_map(abort).collect()
    }
}

/// Holds a node to its windows.
fn watch(node: &mut Node, link: LinkId, message: &SyncMessage) {
    let (_, side) = message.session();
    match message {
        SyncMessage::Fetch { request, keys, .. } => {
            node.asked.insert((link, side, *request), (keys.iter().copied().collect(), 0));
        }
        SyncMessage::Pull { request, max_bytes, .. } => {
            node.asked.insert((link, side, *request), (BTreeSet::new(), *max_bytes as usize));
        }
        _ => return,
    }
    let session = || node.asked.iter().filter(|((on, by, _), _)| (*on, *by) == (link, side));
    assert!(session().map(|(_, (keys, _))| keys.len()).sum::<usize>() <= FETCH_WINDOW);
    assert!(session().map(|(_, (_, bytes))| bytes).sum::<usize>() <= PULL_WINDOW);
}
