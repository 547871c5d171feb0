//! The messages of a link.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{JoinMessage, Malformed, SyncMessage};
use crate::{
    ids::{NodeId, PeerId},
    limits::{
        BATCH_BYTES, MAX_ANNOUNCED, MAX_BATCH_RECORDS, MAX_ENDING_ACTS, MAX_GIVEN_KEY, MAX_GRAFTED,
        MAX_LOST_TOLD, MAX_MESSAGE, MAX_PRUNED, MAX_SHOWN, MAX_WANTED_KEYS, REFERRALS,
    },
    record::{DeviceCertificate, Genesis, NodeAddr, RecordKey},
    time::{Hlc, Timestamp},
};

/// The first bytes on a link's stream, in both directions: proof of knowing the graph, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// The newest protocol version the sender speaks.
    pub version: u16,
    /// Chosen by the dialler; the same in the answer. Names the link's other streams.
    pub link: u64,
    /// MAC of the graph secret over the TLS exporter, the direction and the two fields above.
    pub tag: [u8; 32],
}

/// The length of a [`Hello`] on the wire: fixed, so that a stranger's is read without trust.
pub const HELLO_LEN: usize = 42;

impl Hello {
    /// The wire form.
    pub fn to_bytes(&self) -> [u8; HELLO_LEN] {
        let mut bytes = [0; HELLO_LEN];
        bytes[..2].copy_from_slice(&self.version.to_le_bytes());
        bytes[2..10].copy_from_slice(&self.link.to_le_bytes());
        bytes[10..].copy_from_slice(&self.tag);
        bytes
    }

    /// Reads the wire form. Every 42 bytes are a hello; most prove nothing.
    pub fn from_bytes(bytes: &[u8; HELLO_LEN]) -> Self {
        Self {
            version: u16::from_le_bytes([bytes[0], bytes[1]]),
            link: u64::from_le_bytes(bytes[2..10].try_into().expect("eight bytes")),
            tag: bytes[10..].try_into().expect("32 bytes"),
        }
    }
}

/// What a link is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Purpose {
    /// To be neighbors.
    Neighbor,
    /// A direct connection: application data only.
    Direct,
    /// To compare marks and databases, and part.
    Probe,
    /// To become a member of a group.
    Join,
}

/// The dialler's first message after the hellos.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Connect {
    /// What it wants.
    pub purpose: Purpose,
    /// The identity it acts for.
    pub device: DeviceCertificate,
    /// Where it can be dialled; no addresses if it does not listen.
    pub addr: NodeAddr,
    /// The identity it wants to talk to, if it minds.
    pub expected: Option<PeerId>,
    /// True to be told of other nodes.
    pub wants_referrals: bool,
    /// True if it has no neighbor and could find none otherwise: a full node then parts with one of its own.
    pub urgent: bool,
    /// Random, new with each start of the node: links with an earlier instance of it are dead.
    pub instance: u64,
    /// Milliseconds between pings that it wants; the greater of the two ends' holds.
    pub ping: u32,
    /// Its mark.
    pub mark: Mark,
    /// In a group: the grants from the creator's down to the identity's own, as signed records.
    #[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_SHOWN>")]
    pub credentials: Vec<Bytes>,
}

/// The answer that makes a link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// The identity of the responder.
    pub device: DeviceCertificate,
    /// Where it can be dialled.
    pub addr: NodeAddr,
    /// What the graph is.
    pub genesis: Genesis,
    /// As in [`Connect`].
    pub instance: u64,
    /// As in [`Connect`].
    pub ping: u32,
    /// The responder's peer time.
    pub peer_time: Timestamp,
    /// Other nodes of the graph, at most ten.
    #[serde(deserialize_with = "crate::bounded::list::<_, _, REFERRALS>")]
    pub referrals: Vec<NodeAddr>,
    /// Its mark.
    pub mark: Mark,
    /// As in [`Connect`].
    #[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_SHOWN>")]
    pub credentials: Vec<Bytes>,
}

/// Why a link was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum RefuseReason {
    /// As many neighbors as it accepts; try the referrals.
    Busy,
    /// The two are neighbors already, or another dial of the same pair is preferred.
    Duplicate,
    /// The application does not accept direct connections.
    DirectNotAccepted,
    /// Another identity than the expected one.
    WrongPeer,
    /// The node is shunned, or its credentials are not good.
    NotAuthorized,
    /// The graph is not listening or is closing.
    NotListening,
}

/// The answer that refuses a link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refuse {
    /// Why.
    pub reason: RefuseReason,
    /// Other nodes to try, at most ten.
    #[serde(deserialize_with = "crate::bounded::list::<_, _, REFERRALS>")]
    pub referrals: Vec<NodeAddr>,
    /// For an identity that was removed: the acts that end its membership, and the latest of those before them, each after
    /// those that it names.
    #[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_ENDING_ACTS>")]
    pub acts: Vec<Bytes>,
}

/// Why a link ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum GoodbyeReason {
    /// The node leaves the graph.
    Leaving,
    /// The least useful link of too many.
    LeastUseful,
    /// The application asked.
    Asked,
    /// The probe is over.
    ProbeOver,
    /// The receiver is not a member any more.
    NotAuthorized,
}

/// The last message on a link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Goodbye {
    /// Why.
    pub reason: GoodbyeReason,
    /// Nodes to replace the sender, at most ten.
    #[serde(deserialize_with = "crate::bounded::list::<_, _, REFERRALS>")]
    pub referrals: Vec<NodeAddr>,
}

/// The partition mark: the lowest live node heard of, and how fresh the word is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Mark {
    /// The lowest node id.
    pub node: NodeId,
    /// Counted up by that node itself; a mark that no longer grows is dead.
    pub beat: u64,
}

/// Liveness, clock and mark, every second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ping {
    /// Counted per link; the answer repeats it.
    pub seq: u32,
    /// The sender's peer time.
    pub peer_time: Timestamp,
    /// The sender's mark.
    pub mark: Mark,
}

/// An announcement of one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Announce {
    /// [`NodeId::tag`] of the node where the record entered the graph.
    pub origin: u64,
    /// Which version.
    pub key: RecordKey,
}

/// A node that fell silent on a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lost {
    /// Which.
    pub node: NodeId,
    /// When the presence was stamped that is known of it: a later one is not in doubt.
    pub seen: Hlc,
}

/// One message of an established link.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Message {
    /// Asks for a link.
    Connect(Box<Connect>),
    /// Grants it.
    Welcome(Box<Welcome>),
    /// Refuses it.
    Refuse(Refuse),
    /// Ends the link.
    Goodbye(Goodbye),
    /// The sender's addresses changed.
    Addresses(NodeAddr),
    /// Liveness.
    Ping(Ping),
    /// The answer.
    Pong(Ping),
    /// Record versions, in full. All entered the graph at one node.
    Push {
        /// [`NodeId::tag`] of that node.
        origin: u64,
        /// Envelopes with bodies.
        #[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_BATCH_RECORDS>")]
        records: Vec<Bytes>,
    },
    /// Record versions the sender has and did not push.
    Announce(#[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_ANNOUNCED>")] Vec<Announce>),
    /// Do not push records of these origins on this link; announce them.
    Prune(#[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_PRUNED>")] Vec<u64>),
    /// Push records of this origin on this link again, beginning with these.
    Graft {
        /// The origin.
        origin: u64,
        /// What is missing.
        #[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_GRAFTED>")]
        keys: Vec<RecordKey>,
    },
    /// How many pushed records were new and how many not; drives link utility.
    Ack {
        /// New to the receiver.
        useful: u32,
        /// Known already, or older than what it has.
        useless: u32,
    },
    /// Reconciliation.
    Sync(SyncMessage),
    /// Record versions asked for by reconciliation.
    Records {
        /// The session.
        session: u32,
        /// Envelopes with bodies.
        #[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_BATCH_RECORDS>")]
        records: Vec<Bytes>,
    },
    /// Joining a group.
    Join(Box<JoinMessage>),
    /// Nodes that fell silent on a link somewhere.
    Lost(#[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_LOST_TOLD>")] Vec<Lost>),
    /// Asks for keys of epochs that acts gave to the sender and that do not open.
    WantKeys(#[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_WANTED_KEYS>")] Vec<[u8; 32]>),
    /// Those of them that are here.
    GiveKeys(#[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_WANTED_KEYS>")] Vec<GivenKey>),
}

/// The key of an epoch for the member at the other end of a link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GivenKey {
    /// The epoch.
    pub epoch: [u8; 32],
    /// Its key, sealed to that member as in an act.
    pub sealed: Bytes,
}

/// The streams of a link, most urgent first. Order holds within one, not between them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stream {
    /// Set-up, liveness, announcements, reconciliation.
    Control,
    /// Small records.
    Records,
    /// Large records, and records asked for by reconciliation.
    Bulk,
}

impl Message {
    /// The stream this message travels on.
    pub fn stream(&self) -> Stream {
        match self {
            Self::Push { .. } => Stream::Records,
            Self::Records { .. } => Stream::Bulk,
            Self::Connect(_)
            | Self::Welcome(_)
            | Self::Refuse(_)
            | Self::Goodbye(_)
            | Self::Addresses(_)
            | Self::Ping(_)
            | Self::Pong(_)
            | Self::Announce(_)
            | Self::Prune(_)
            | Self::Graft { .. }
            | Self::Ack { .. }
            | Self::Sync(_)
            | Self::Join(_)
            | Self::Lost(_)
            | Self::WantKeys(_)
            | Self::GiveKeys(_) => Stream::Control,
        }
    }

    /// The encoded form, without length.
    pub fn encode(&self) -> Bytes {
        postcard::to_stdvec(self).expect("a message always encodes").into()
    }

    /// Decodes one message and checks its bounds.
    ///
    /// # Errors
    /// [`Malformed`]; ends the link.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        // Frames with records are large; that they are canonical is checked record by record.
        let (message, rest) = postcard::take_from_bytes::<Self>(bytes).map_err(|_| Malformed)?;
        if rest.is_empty() && message.in_bounds(bytes.len()) { Ok(message) } else { Err(Malformed) }
    }

    /// True if what was decoded fits together and is not too long. Lists were held to their limits while they were
    /// decoded. Every variant and field is named: a new one does not compile before somebody thought of its limit.
    fn in_bounds(&self, len: usize) -> bool {
        let sound = match self {
            // The frame reader holds these to the graph's record limit.
            Self::Push { origin: _, records } | Self::Records { session: _, records } => {
                return !records.iter().any(Bytes::is_empty);
            }
            Self::Connect(connect) => connect.in_bounds(),
            Self::Welcome(welcome) => welcome.in_bounds(),
            Self::Refuse(Refuse { reason: _, referrals: _, acts: _ })
            | Self::Goodbye(Goodbye { reason: _, referrals: _ })
            | Self::Addresses(NodeAddr { node: _, addrs: _, relay: _ }) => true,
            Self::Ping(ping) | Self::Pong(ping) => {
                let Ping { seq: _, peer_time: _, mark: Mark { node: _, beat: _ } } = ping;
                true
            }
            Self::Announce(_) | Self::Prune(_) | Self::Lost(_) | Self::WantKeys(_) => true,
            Self::GiveKeys(keys) => {
                keys.iter().all(|GivenKey { epoch: _, sealed }| sealed.len() <= MAX_GIVEN_KEY)
            }
            Self::Graft { origin: _, keys: _ } | Self::Ack { useful: _, useless: _ } => true,
            Self::Sync(message) => message.in_bounds(),
            Self::Join(message) => message.in_bounds(),
        };
        len <= MAX_MESSAGE && sound
    }
}

impl Connect {
    const fn in_bounds(&self) -> bool {
        // All lists are bounded where they are decoded, all else is of fixed size or as long as the message at most.
        let Self {
            purpose: _,
            device: _,
            addr: _,
            expected: _,
            wants_referrals: _,
            urgent: _,
            instance: _,
            ping: _,
            mark: _,
            credentials: _,
        } = self;
        true
    }
}

impl Welcome {
    fn in_bounds(&self) -> bool {
        let Self {
            device: _,
            addr: _,
            genesis,
            instance: _,
            ping: _,
            peer_time: _,
            referrals: _,
            mark: _,
            credentials: _,
        } = self;
        genesis.is_sound()
    }
}

/// Longest message on each stream, for a graph with this record limit: what a reader allocates at most.
impl Stream {
    /// Longest message in bytes.
    pub fn max_message(self, max_record: usize) -> usize {
        match self {
            Self::Control => MAX_MESSAGE,
            Self::Records | Self::Bulk => max_record.saturating_add(MAX_MESSAGE + BATCH_BYTES),
        }
    }
}
