//! A message of every kind, to be misused: small, as large as is allowed, or one item larger.

use bytes::Bytes;
use peergraph::{
    Genesis, GraphId, NodeAddr, NodeId, RecordType, Timestamp,
    ids::{ActId, ElementId},
    limits::{
        FETCH_WINDOW, MAX_ANNOUNCED, MAX_BATCH_RECORDS, MAX_ENDING_ACTS, MAX_GIVEN_KEY, MAX_GRAFTED,
        MAX_LOST_TOLD, MAX_NAME, MAX_PROOF, MAX_PRUNED, MAX_RANGES, MAX_SHOWN, MAX_WANTED_KEYS, REFERRALS,
    },
    record::{DeviceCertificate, RecordKey},
    time::Hlc,
    wire::{
        Announce, Connect, Digest, Filter, Freshness, GivenKey, Goodbye, GoodbyeReason, JoinDenied,
        JoinMessage, Lost, Message, Purpose, Range, RangeState, Refuse, RefuseReason, SyncMessage,
        TypeDigest, Welcome,
    },
};

use super::attacker::{identity, now, ping};

/// What lists in a message have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Items {
    One,
    Most,
    OneOver,
}

impl Items {
    const fn of(self, most: usize) -> usize {
        match self {
            Self::One => 1,
            Self::Most => most,
            Self::OneOver => most + 1,
        }
    }
}

/// One message of each kind, as it may be sent.
pub(super) fn kinds() -> Vec<Message> {
    let samples = Samples::new(
        GraphId::from_bytes([0; 32]),
        NodeId::from_bytes([1; 32]),
        Bytes::from_static(&[0; 100]),
    );
    let mut found: Vec<Message> = Vec::new();
    while let Some(next) = following(found.last()) {
        found.push(samples.message(&next, Items::One, 0));
    }
    found
}

/// The kinds in a row: the one that follows.
fn following(last: Option<&Message>) -> Option<Message> {
    let node = NodeId::from_bytes([0; 32]);
    let referrals = Vec::new();
    Some(match last {
        None => Message::Ping(ping(0, Timestamp(0))),
        Some(Message::Ping(said)) => Message::Pong(*said),
        Some(Message::Pong(_)) => Message::Addresses(NodeAddr::new(node)),
        Some(Message::Addresses(_)) => Message::Push { origin: 0, records: Vec::new() },
        Some(Message::Push { .. }) => Message::Records { session: 0, records: Vec::new() },
        Some(Message::Records { .. }) => Message::Announce(Vec::new()),
        Some(Message::Announce(_)) => Message::Prune(Vec::new()),
        Some(Message::Prune(_)) => Message::Graft { origin: 0, keys: Vec::new() },
        Some(Message::Graft { .. }) => Message::Ack { useful: 0, useless: 0 },
        Some(Message::Ack { .. }) => Message::Lost(Vec::new()),
        Some(Message::Lost(_)) => Message::WantKeys(Vec::new()),
        Some(Message::WantKeys(_)) => Message::GiveKeys(Vec::new()),
        Some(Message::GiveKeys(_)) => Message::Goodbye(Goodbye { reason: GoodbyeReason::Leaving, referrals }),
        Some(Message::Goodbye(_)) => {
            Message::Refuse(Refuse { reason: RefuseReason::Busy, referrals, acts: Vec::new() })
        }
        Some(Message::Refuse(_)) => Samples::connect(node),
        Some(Message::Connect(_)) => Samples::welcome(node),
        Some(Message::Welcome(_)) => Message::Sync(following_sync(None)?),
        Some(Message::Sync(last)) => match following_sync(Some(last)) {
            Some(next) => Message::Sync(next),
            None => Message::Join(Box::new(following_join(None)?)),
        },
        Some(Message::Join(last)) => Message::Join(Box::new(following_join(Some(last))?)),
    })
}

pub(super) fn following_sync(last: Option<&SyncMessage>) -> Option<SyncMessage> {
    let (session, initiator, seen, idle, request) = (0, true, 0, false, 0);
    let (digest, fresh) = (Digest { count: 1, hash: [1; 16] }, Freshness::default());
    Some(match last {
        None => SyncMessage::Open { session, digest, types: Vec::new(), fresh },
        Some(SyncMessage::Open { .. }) => {
            SyncMessage::Compared { session, equal: false, differing: Vec::new(), count: 1, fresh }
        }
        Some(SyncMessage::Compared { .. }) => {
            SyncMessage::Ranges { session, initiator, seen, idle, filter: Filter::All, ranges: Vec::new() }
        }
        Some(SyncMessage::Ranges { .. }) => {
            SyncMessage::Have { session, initiator, seen, idle, keys: Vec::new() }
        }
        Some(SyncMessage::Have { .. }) => SyncMessage::Status { session, initiator, seen, idle },
        Some(SyncMessage::Status { .. }) => {
            SyncMessage::Fetch { session, initiator, request, keys: Vec::new() }
        }
        Some(SyncMessage::Fetch { .. }) => SyncMessage::Pull {
            session,
            initiator,
            request,
            filter: Filter::All,
            from: RecordKey::MIN,
            to: None,
            max_bytes: u32::MAX,
        },
        Some(SyncMessage::Pull { .. }) => {
            SyncMessage::Sent { session, initiator, request, records: 1, next: None }
        }
        Some(SyncMessage::Sent { .. }) => SyncMessage::Done { session },
        Some(SyncMessage::Done { .. }) => SyncMessage::Abort { session, initiator },
        Some(SyncMessage::Abort { .. }) => return None,
    })
}

fn following_join(last: Option<&JoinMessage>) -> Option<JoinMessage> {
    let (key, name) = (identity(0).peer(), String::new());
    Some(match last {
        None => JoinMessage::Invite { key, issuer: key, signature: [1; 64], name },
        Some(JoinMessage::Invite { .. }) => JoinMessage::Use(ActId::from_bytes([1; 32])),
        Some(JoinMessage::Use(_)) => JoinMessage::Used([1; 64]),
        Some(JoinMessage::Used(_)) => JoinMessage::Password { request: Bytes::new(), name },
        Some(JoinMessage::Password { .. }) => JoinMessage::Challenge(Bytes::new()),
        Some(JoinMessage::Challenge(_)) => JoinMessage::Proof(Bytes::new()),
        Some(JoinMessage::Proof(_)) => JoinMessage::Granted { chain: Vec::new(), again: false },
        Some(JoinMessage::Granted { .. }) => {
            JoinMessage::Denied { reason: JoinDenied::Unknown, referrals: Vec::new() }
        }
        Some(JoinMessage::Denied { .. }) => {
            let device = DeviceCertificate::issue(&identity(0), NodeId::from_bytes([0; 32]));
            JoinMessage::Relayed { device, exporter: [1; 32], request: Bytes::new(), name }
        }
        Some(JoinMessage::Relayed { .. }) => return None,
    })
}

/// What messages are made of.
pub(super) struct Samples {
    graph: GraphId,
    node: NodeId,
    record: Bytes,
}

impl Samples {
    pub(super) const fn new(graph: GraphId, node: NodeId, record: Bytes) -> Self {
        Self { graph, node, record }
    }

    fn connect(node: NodeId) -> Message {
        Message::Connect(Box::new(Connect {
            purpose: Purpose::Neighbor,
            device: DeviceCertificate::issue(&identity(0), node),
            addr: NodeAddr::new(node),
            expected: None,
            wants_referrals: true,
            urgent: true,
            instance: 1,
            ping: 1000,
            mark: crate::insider::MARK,
            credentials: Vec::new(),
        }))
    }

    fn welcome(node: NodeId) -> Message {
        Message::Welcome(Box::new(Welcome {
            device: DeviceCertificate::issue(&identity(0), node),
            addr: NodeAddr::new(node),
            genesis: Genesis::new(identity(0).peer(), [0; 16]),
            instance: 1,
            ping: 1000,
            peer_time: Timestamp(0),
            referrals: Vec::new(),
            mark: crate::insider::MARK,
            credentials: Vec::new(),
        }))
    }

    fn keys(count: usize, number: u64) -> Vec<RecordKey> {
        let begin = 1 + number * count as u64;
        let key = |n| RecordKey { hlc: Hlc(n << 20), element: ElementId::from_bytes([1; 16]) };
        (begin..begin + count as u64).map(key).collect()
    }

    fn addresses(count: usize) -> Vec<NodeAddr> {
        let addr = |n: usize| {
            let port = u16::try_from(1000 + n % 1000).unwrap_or_default();
            NodeAddr::at(
                NodeId::from_bytes([u8::try_from(n % 256).unwrap_or_default(); 32]),
                [([127, 9, 9, 9], port).into()],
            )
        };
        (0..count).map(addr).collect()
    }

    /// A message of this kind with so many items, different for each number.
    /// What sets a link up, or says that it is not.
    fn set_up(&self, kind: Message, items: Items, number: u64) -> Message {
        match kind {
            Message::Refuse(said) => Message::Refuse(Refuse {
                referrals: Self::addresses(items.of(REFERRALS)),
                acts: vec![self.record.slice(..50); items.of(MAX_ENDING_ACTS)],
                ..said
            }),
            Message::Connect(said) => Message::Connect(Box::new(Connect {
                device: DeviceCertificate::issue(&identity(0), self.node),
                addr: NodeAddr::new(self.node),
                instance: number,
                credentials: vec![self.record.clone(); items.of(MAX_SHOWN)],
                ..*said
            })),
            Message::Welcome(said) => Message::Welcome(Box::new(Welcome {
                device: DeviceCertificate::issue(&identity(0), self.node),
                addr: NodeAddr::new(self.node),
                instance: number,
                referrals: Self::addresses(items.of(REFERRALS)),
                credentials: vec![self.record.clone(); items.of(MAX_SHOWN)],
                ..*said
            })),
            other => other,
        }
    }

    fn epochs(count: usize, number: u64) -> Vec<[u8; 32]> {
        let name = |n: u64| {
            let mut name = [0; 32];
            name[..8].copy_from_slice(&n.to_le_bytes());
            name
        };
        (number..number + count as u64).map(name).collect()
    }

    pub(super) fn message(&self, kind: &Message, items: Items, number: u64) -> Message {
        let few = u32::try_from(number % 1_000_000).unwrap_or_default();
        match kind.clone() {
            Message::Ping(said) => {
                Message::Ping(peergraph::wire::Ping { seq: few, peer_time: now(), ..said })
            }
            Message::Pong(said) => {
                Message::Pong(peergraph::wire::Ping { seq: few, peer_time: now(), ..said })
            }
            Message::Addresses(_) => {
                let at = Self::addresses(number as usize % 7 + items.of(16))
                    .into_iter()
                    .flat_map(|addr| addr.addrs);
                Message::Addresses(NodeAddr::at(self.node, at))
            }
            Message::Push { .. } => Message::Push {
                origin: number,
                records: vec![self.record.clone(); items.of(MAX_BATCH_RECORDS)],
            },
            Message::Records { .. } => Message::Records {
                session: few,
                records: vec![self.record.clone(); items.of(MAX_BATCH_RECORDS)],
            },
            Message::Announce(_) => {
                let announce = |key| Announce { origin: number, key };
                Message::Announce(
                    Self::keys(items.of(MAX_ANNOUNCED), number).into_iter().map(announce).collect(),
                )
            }
            Message::Prune(_) => {
                let count = items.of(MAX_PRUNED) as u64;
                Message::Prune((number * count..(number + 1) * count).collect())
            }
            Message::Graft { .. } => {
                Message::Graft { origin: number, keys: Self::keys(items.of(MAX_GRAFTED), number) }
            }
            Message::Ack { .. } => Message::Ack { useful: few, useless: u32::MAX },
            Message::Lost(_) => {
                let lost = |addr: NodeAddr| Lost { node: addr.node, seen: Hlc::at(now()) };
                Message::Lost(Self::addresses(items.of(MAX_LOST_TOLD)).into_iter().map(lost).collect())
            }
            Message::WantKeys(_) => Message::WantKeys(Self::epochs(items.of(MAX_WANTED_KEYS), number)),
            Message::GiveKeys(_) => {
                let given = |epoch| GivenKey { epoch, sealed: Bytes::from_static(&[7; MAX_GIVEN_KEY]) };
                let epochs = Self::epochs(items.of(MAX_WANTED_KEYS), number);
                Message::GiveKeys(epochs.into_iter().map(given).collect())
            }
            Message::Goodbye(said) => {
                Message::Goodbye(Goodbye { referrals: Self::addresses(items.of(REFERRALS)), ..said })
            }
            Message::Refuse(_) | Message::Connect(_) | Message::Welcome(_) => {
                self.set_up(kind.clone(), items, number)
            }
            Message::Sync(said) => Message::Sync(Self::sync(said, items, few)),
            Message::Join(said) => Message::Join(Box::new(self.join(*said, items, number))),
        }
    }

    pub(super) fn sync(kind: SyncMessage, items: Items, number: u32) -> SyncMessage {
        let (initiator, seen, idle, session) = (true, number, false, number % 4);
        match kind {
            SyncMessage::Open { digest, fresh, .. } => {
                let named = |n: usize| TypeDigest {
                    record_type: RecordType::new(&format!("foreign.t{n}")).expect("a good type"),
                    digest,
                };
                let types = (0..items.of(MAX_RANGES)).map(named).collect();
                SyncMessage::Open { session: number, digest, types, fresh }
            }
            SyncMessage::Compared { fresh, .. } => {
                let differing =
                    (0..items.of(MAX_RANGES)).map(|n| u8::try_from(n).unwrap_or(u8::MAX)).collect();
                SyncMessage::Compared { session, equal: false, differing, count: u64::MAX, fresh }
            }
            SyncMessage::Ranges { filter, .. } => {
                let (count, state) = (items.of(MAX_RANGES), RangeState::Ask);
                let bounds = Self::keys(count, u64::from(number));
                let range = |(n, key): (usize, RecordKey)| Range {
                    to: (n + 1 < count).then_some(key),
                    state: state.clone(),
                };
                let ranges = bounds.into_iter().enumerate().map(range).collect();
                SyncMessage::Ranges { session, initiator, seen, idle, filter, ranges }
            }
            SyncMessage::Have { .. } => {
                let keys = Self::keys(items.of(FETCH_WINDOW), u64::from(number));
                SyncMessage::Have { session, initiator, seen, idle, keys }
            }
            SyncMessage::Status { .. } => SyncMessage::Status { session, initiator, seen, idle },
            SyncMessage::Fetch { .. } => {
                let keys = Self::keys(items.of(FETCH_WINDOW), u64::from(number));
                SyncMessage::Fetch { session, initiator, request: number, keys }
            }
            SyncMessage::Pull { filter, from, to, max_bytes, .. } => {
                SyncMessage::Pull { session, initiator, request: number, filter, from, to, max_bytes }
            }
            SyncMessage::Sent { next, .. } => {
                SyncMessage::Sent { session, initiator, request: number, records: u32::MAX, next }
            }
            SyncMessage::Done { .. } => SyncMessage::Done { session },
            SyncMessage::Abort { .. } => SyncMessage::Abort { session, initiator },
        }
    }

    fn join(&self, kind: JoinMessage, items: Items, number: u64) -> JoinMessage {
        let text = || "x".repeat(items.of(MAX_NAME));
        let proof = || Bytes::from(vec![u8::try_from(number % 256).unwrap_or_default(); items.of(MAX_PROOF)]);
        match kind {
            JoinMessage::Invite { key, issuer, signature, .. } => {
                JoinMessage::Invite { key, issuer, signature, name: text() }
            }
            JoinMessage::Use(_) => {
                let mut id = *self.graph.as_bytes();
                id[..8].copy_from_slice(&number.to_le_bytes());
                JoinMessage::Use(ActId::from_bytes(id))
            }
            JoinMessage::Used(signature) => JoinMessage::Used(signature),
            JoinMessage::Password { .. } => JoinMessage::Password { request: proof(), name: text() },
            JoinMessage::Challenge(_) => JoinMessage::Challenge(proof()),
            JoinMessage::Proof(_) => JoinMessage::Proof(proof()),
            JoinMessage::Granted { again, .. } => {
                JoinMessage::Granted { chain: vec![self.record.clone(); items.of(MAX_SHOWN)], again }
            }
            JoinMessage::Denied { reason, .. } => {
                JoinMessage::Denied { reason, referrals: Self::addresses(items.of(REFERRALS)) }
            }
            JoinMessage::Relayed { device, exporter, .. } => {
                JoinMessage::Relayed { device, exporter, request: proof(), name: text() }
            }
        }
    }
}
