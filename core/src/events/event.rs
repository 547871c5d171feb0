//! The events themselves.

use std::{collections::BTreeSet, fmt, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{GroupFailure, MemberChange, MemberInfo};
use crate::{
    ids::{ConnectionId, Lsn, NodeId, PeerId},
    link::{ConnectionKind, FailureReason},
    record::{ChangeKind, GraphProperties, NodeAddr, Record, RecordType},
    time::Timestamp,
};

/// Something an application can be told.
///
/// Exhaustive on purpose: a new kind of event must be a compile error in every binding.
#[derive(Clone, PartialEq, Debug)]
#[doc(alias = "PEER_GRAPH_EVENT_DATA")]
pub enum Event {
    /// The graph listens, has connections, is synchronised; or no longer. Each transition is an event.
    StatusChanged(Status),
    /// Changeable properties have new values.
    PropertyChanged {
        /// The names of those that changed, from [`GraphProperties::NAMES`].
        changed: BTreeSet<&'static str>,
        /// All as they are now.
        properties: GraphProperties,
    },
    /// A record was added, updated, deleted or expired; alike for local, flooded and synchronised changes.
    RecordChanged(RecordChanged),
    /// A direct connection came up, went down, or could not be made.
    DirectConnection(ConnectionEvent),
    /// A neighbor link came up, went down, or could not be made.
    NeighborConnection(ConnectionEvent),
    /// Application data arrived on a direct connection or neighbor link.
    IncomingData(IncomingData),
    /// A node outside of what the graph knows would help.
    ConnectionRequired(RequiredReason),
    /// A node came, went, or changed its addresses or attributes.
    NodeChanged {
        /// What happened.
        change: NodeChange,
        /// The node as it is now, or was last.
        node: NodeInfo,
    },
    /// A record type that was given precedence is synchronised, or (`None`) everything is.
    Synchronized(Option<RecordType>),
    /// A member of a group came, went, joined, changed, left or was removed.
    MemberChanged {
        /// What happened.
        change: MemberChange,
        /// The member as it is now, or was last.
        member: MemberInfo,
    },
    /// A group could not be entered: once for each attempt.
    ConnectionFailed(GroupFailure),
    /// How far the database is on its way here, while this node catches up with others: when that begins, at most a few
    /// times a second, and in the end, before [`Event::Synchronized`], with as many records as were expected.
    SyncProgress(SyncProgress),
    /// This subscriber was too slow for connection and presence events, and this many are gone. The current state
    /// can be read as ever. Never stands for record changes or data: those are not dropped.
    Lagged {
        /// How many.
        dropped: u64,
    },
    /// The cursor this subscription began from does not fit this database: the complete current set follows, ended
    /// by `CaughtUp`. What is not in it is gone.
    Reset,
    /// Everything that was there when the subscription began has been delivered; what follows is new.
    CaughtUp(Cursor),
}

/// The kinds of events, for filters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[doc(alias = "PEER_GRAPH_EVENT_TYPE")]
pub enum EventKind {
    /// [`Event::StatusChanged`].
    StatusChanged,
    /// [`Event::PropertyChanged`].
    PropertyChanged,
    /// [`Event::RecordChanged`], with `Reset` and `CaughtUp`.
    RecordChanged,
    /// [`Event::DirectConnection`]. Subscribing to it is what lets others open direct connections to this node.
    DirectConnection,
    /// [`Event::NeighborConnection`].
    NeighborConnection,
    /// [`Event::IncomingData`].
    IncomingData,
    /// [`Event::ConnectionRequired`].
    ConnectionRequired,
    /// [`Event::NodeChanged`].
    NodeChanged,
    /// [`Event::Synchronized`].
    Synchronized,
    /// [`Event::MemberChanged`], in groups.
    MemberChanged,
    /// [`Event::ConnectionFailed`], in groups.
    ConnectionFailed,
    /// [`Event::SyncProgress`].
    SyncProgress,
}

impl EventKind {
    /// All: ten of every graph, and two more of groups.
    pub const ALL: [Self; 12] = [
        Self::StatusChanged,
        Self::PropertyChanged,
        Self::RecordChanged,
        Self::DirectConnection,
        Self::NeighborConnection,
        Self::IncomingData,
        Self::ConnectionRequired,
        Self::NodeChanged,
        Self::Synchronized,
        Self::MemberChanged,
        Self::ConnectionFailed,
        Self::SyncProgress,
    ];
}

impl Event {
    /// The kind; `None` for `Lagged`, which every subscription can get.
    pub const fn kind(&self) -> Option<EventKind> {
        Some(match self {
            Self::StatusChanged(_) => EventKind::StatusChanged,
            Self::PropertyChanged { .. } => EventKind::PropertyChanged,
            Self::RecordChanged(_) | Self::Reset | Self::CaughtUp(_) => EventKind::RecordChanged,
            Self::DirectConnection(_) => EventKind::DirectConnection,
            Self::NeighborConnection(_) => EventKind::NeighborConnection,
            Self::IncomingData(_) => EventKind::IncomingData,
            Self::ConnectionRequired(_) => EventKind::ConnectionRequired,
            Self::NodeChanged { .. } => EventKind::NodeChanged,
            Self::Synchronized(_) => EventKind::Synchronized,
            Self::MemberChanged { .. } => EventKind::MemberChanged,
            Self::ConnectionFailed(_) => EventKind::ConnectionFailed,
            Self::SyncProgress(_) => EventKind::SyncProgress,
            Self::Lagged { .. } => return None,
        })
    }
}

/// What state a graph is in. The three are independent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[doc(alias = "PEER_GRAPH_STATUS_FLAGS")]
pub struct Status {
    /// Others can connect to this node.
    pub listening: bool,
    /// There is at least one neighbor.
    pub has_connections: bool,
    /// The database is as current as a neighbor's: it has been equal to one since this node last had none. False after
    /// reopening until then. True for whoever made the graph, until it has had a neighbor and lost the last one.
    ///
    /// Also false while this machine's clock is so far behind that others' records are refused: see `clock_skew_ms`.
    pub synchronized: bool,
    /// This machine's clock is this many milliseconds ahead of the graph's time; negative: behind. `None` while it is
    /// within 20 minutes of it, or nothing is known. Meanwhile others cannot accept what this node writes, or it cannot
    /// accept what they write; both arrive by themselves once the clock is right. See [`Record::held`].
    ///
    /// [`Record::held`]: crate::record::Record::held
    pub clock_skew_ms: Option<i64>,
}

/// How far a database is on its way here. Links may break meanwhile: what came stays, and it is counted on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct SyncProgress {
    /// Records received so far.
    pub records: u64,
    /// Their bytes: headers, attributes and bodies, of the record that is arriving too. Fewer again if a link breaks in the
    /// middle of one.
    pub bytes: u64,
    /// Records to be received in all, as far as is known, by the word of the others; 0: not known yet.
    pub records_expected: u64,
    /// An estimate: as many records of the size of those that came; 0: not known yet. Exact in the end.
    pub bytes_expected: u64,
}

/// A change of one record.
#[derive(Clone, PartialEq, Debug)]
pub struct RecordChanged {
    /// What happened.
    pub change: ChangeKind,
    /// The record as it is now; without attributes and body when deleted or expired. Its id, type, author and
    /// version are in it.
    pub record: Arc<Record>,
    /// Where the change came from.
    pub origin: ChangeOrigin,
    /// The version that lost, if the two were written without knowledge of each other. Of several, the last that was
    /// noticed; [`Graph::conflicts`](crate::Graph::conflicts) lists all. Read back from the database (after a restart, behind
    /// a cursor, in a snapshot) it is here as well, until it is acknowledged. A node that had the winner first is told of
    /// the same version again, with the loser.
    pub conflict: Option<Arc<Record>>,
    /// Where to go on after this event.
    pub cursor: Cursor,
}

/// Where a change came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ChangeOrigin {
    /// This node's application, or this node's clock.
    Local,
    /// A neighbor, as it happened.
    Flood,
    /// A neighbor, by comparing databases, or an exported database.
    Sync,
    /// Unknown: read back from the database.
    Feed,
}

/// A place in a database's feed of changes: 24 opaque bytes that survive restarts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    pub(crate) incarnation: u64,
    pub(crate) lsn: Lsn,
    pub(crate) check: u64,
}

impl Cursor {
    /// The length of the byte form.
    pub const LEN: usize = 24;

    /// Bytes to be kept by the application.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.incarnation.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.lsn.0.to_be_bytes());
        bytes[16..].copy_from_slice(&self.check.to_be_bytes());
        bytes
    }

    /// The cursor of these bytes. Bytes that no graph made lead to [`Event::Reset`], never to a gap.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let number = |at: usize| {
            let (numbers, _) = bytes.as_chunks::<8>();
            numbers.get(at).map_or(0, |number| u64::from_be_bytes(*number))
        };
        Self { incarnation: number(0), lsn: Lsn(number(1)), check: number(2) }
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({})", self.lsn.0)
    }
}

/// What happened to a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionEvent {
    /// Up, down, failed, or referred.
    pub change: ConnectionChange,
    /// Which connection; in a failed attempt, the attempt.
    pub connection: ConnectionId,
    /// The node at the other end, as far as it is known; in a failed attempt, the node asked for, if it was one alone.
    pub node: Option<NodeId>,
    /// Its identity, as far as it is known.
    pub peer: Option<PeerId>,
}

/// Up, down, failed, or referred.
#[derive(Clone, PartialEq, Eq, Debug)]
#[doc(alias = "PEER_CONNECTION_STATUS")]
pub enum ConnectionChange {
    /// It is up.
    Connected,
    /// It is down.
    Disconnected {
        /// Why, in a word of the graph.
        reason: FailureReason,
    },
    /// It could not be made, and no other attempt follows.
    Failed {
        /// Why.
        reason: FailureReason,
    },
    /// Progress, not failure: the node asked was full and named others; the next one is tried.
    Referred {
        /// Hops so far, counted from 1.
        hop: u32,
        /// The node tried next.
        next: NodeId,
    },
}

/// Application data from another node.
#[derive(Clone, PartialEq, Eq)]
pub struct IncomingData {
    /// On which connection.
    pub connection: ConnectionId,
    /// Neighbor link or direct connection.
    pub kind: ConnectionKind,
    /// The sender's node.
    pub node: NodeId,
    /// The sender.
    pub peer: PeerId,
    /// What kind of data, in the sender's word.
    pub data_type: RecordType,
    /// The data.
    pub data: Bytes,
}

impl fmt::Debug for IncomingData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingData")
            .field("connection", &self.connection)
            .field("node", &self.node)
            .field("data_type", &self.data_type)
            .field("len", &self.data.len())
            .finish_non_exhaustive()
    }
}

/// Why a connection is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum RequiredReason {
    /// A routine look for parts of the graph that nobody here knows of. Need not mean trouble.
    Probe,
    /// This node has no neighbor and knows nobody left to dial.
    Isolated,
}

/// What happened to a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[doc(alias = "PEER_NODE_CHANGE_TYPE")]
pub enum NodeChange {
    /// It is here.
    Connected,
    /// It left, or its presence ran out.
    Disconnected,
    /// Its addresses or attributes changed.
    Updated,
}

/// What is known of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
#[doc(alias = "PEER_NODE_INFO")]
pub struct NodeInfo {
    /// The node.
    pub node: NodeId,
    /// Its identity.
    pub peer: PeerId,
    /// Where it can be dialled.
    pub addr: NodeAddr,
    /// Free text of its application.
    pub attributes: String,
    /// When it was started, in peer time.
    pub since: Timestamp,
}
