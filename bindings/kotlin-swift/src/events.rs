//! Events: the core's, by hand and exhaustively, so that a new kind is a compile error here.

use peergraph::{NodeId, PeerId, events as core};

use crate::{
    enums::{
        ChangeKind, ChangeOrigin, ConnectionKind, FailureReason, GroupFailure, MemberChange, NodeChange,
        RequiredReason,
    },
    errors::{Result, invalid},
    record::Record,
    values::{GraphProperties, MemberInfo, NodeInfo, Status, SyncProgress},
};

/// Something an application can be told. Later versions may have more: keep a branch for what you do not know.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
#[allow(clippy::large_enum_variant, reason = "it is on its way, and a record change mostly")]
pub enum Event {
    /// The graph listens, has connections, is synchronised; or no longer. Each transition is an event.
    StatusChanged {
        /// As it is now.
        status: Status,
    },
    /// Changeable properties have new values.
    PropertyChanged {
        /// The names of those that changed.
        changed: Vec<String>,
        /// All as they are now.
        properties: GraphProperties,
    },
    /// A record was added, updated, deleted or expired; alike for local, flooded and synchronised changes.
    RecordChanged {
        /// What happened.
        change: ChangeKind,
        /// The record as it is now; without attributes and body when deleted or expired.
        record: Record,
        /// Where the change came from.
        origin: ChangeOrigin,
        /// The version that lost, if the two were written without knowledge of each other.
        conflict: Option<Record>,
        /// Where to go on after this event: 24 opaque bytes that survive restarts.
        cursor: Vec<u8>,
    },
    /// A direct connection came up, went down, or could not be made.
    DirectConnection {
        /// Up, down, failed, or referred.
        change: ConnectionChange,
        /// Which connection; in a failed attempt, the attempt.
        connection: u64,
        /// The node at the other end, as far as it is known.
        node: Option<NodeId>,
        /// Its identity, as far as it is known.
        peer: Option<PeerId>,
    },
    /// A neighbor link came up, went down, or could not be made.
    NeighborConnection {
        /// Up, down, failed, or referred.
        change: ConnectionChange,
        /// Which connection; in a failed attempt, the attempt.
        connection: u64,
        /// The node at the other end, as far as it is known.
        node: Option<NodeId>,
        /// Its identity, as far as it is known.
        peer: Option<PeerId>,
    },
    /// Application data arrived on a direct connection or neighbor link.
    IncomingData {
        /// On which connection.
        connection: u64,
        /// Neighbor link or direct connection.
        kind: ConnectionKind,
        /// The sender's node.
        node: NodeId,
        /// The sender.
        peer: PeerId,
        /// What kind of data, in the sender's word.
        data_type: String,
        /// The data.
        data: Vec<u8>,
    },
    /// A node outside of what the graph knows would help.
    ConnectionRequired {
        /// Why.
        reason: RequiredReason,
    },
    /// A node came, went, or changed its addresses or attributes.
    NodeChanged {
        /// What happened.
        change: NodeChange,
        /// The node as it is now, or was last.
        node: NodeInfo,
    },
    /// A record type that was given precedence is synchronised, or (none) everything is.
    Synchronized {
        /// The type.
        record_type: Option<String>,
    },
    /// A member of a group came, went, joined, changed, left or was removed.
    MemberChanged {
        /// What happened.
        change: MemberChange,
        /// The member as it is now, or was last.
        member: MemberInfo,
    },
    /// A group could not be entered: once for each attempt.
    ConnectionFailed {
        /// Why.
        reason: GroupFailure,
    },
    /// How far the database is on its way here, while this node catches up with others: when that begins, at most a few
    /// times a second, and in the end, with as many records as were expected.
    SyncProgress {
        /// Received so far, and expected in all.
        progress: SyncProgress,
    },
    /// This subscriber was too slow for connection and presence events, and this many are gone. Never stands for record
    /// changes or data: those are not dropped.
    Lagged {
        /// How many.
        dropped: u64,
    },
    /// The cursor this subscription began from does not fit this database: the complete current set follows, ended by
    /// `CaughtUp`. What is not in it is gone.
    Reset,
    /// Everything that was there when the subscription began has been delivered; what follows is new.
    CaughtUp {
        /// Where to go on after this event.
        cursor: Vec<u8>,
    },
}

/// Up, down, failed, or referred.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
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

impl From<core::ConnectionChange> for ConnectionChange {
    fn from(change: core::ConnectionChange) -> Self {
        match change {
            core::ConnectionChange::Connected => Self::Connected,
            core::ConnectionChange::Disconnected { reason } => Self::Disconnected { reason: reason.into() },
            core::ConnectionChange::Failed { reason } => Self::Failed { reason: reason.into() },
            core::ConnectionChange::Referred { hop, next } => Self::Referred { hop, next },
        }
    }
}

impl From<core::Event> for Event {
    fn from(event: core::Event) -> Self {
        match event {
            core::Event::StatusChanged(status) => Self::StatusChanged { status: status.into() },
            core::Event::PropertyChanged { changed, properties } => Self::PropertyChanged {
                changed: changed.into_iter().map(str::to_owned).collect(),
                properties: properties.into(),
            },
            core::Event::RecordChanged(changed) => {
                let core::RecordChanged { change, record, origin, conflict, cursor } = changed;
                Self::RecordChanged {
                    change: change.into(),
                    record: (&*record).into(),
                    origin: origin.into(),
                    conflict: conflict.map(|record| (&*record).into()),
                    cursor: cursor.to_bytes().to_vec(),
                }
            }
            core::Event::DirectConnection(event) => {
                let core::ConnectionEvent { change, connection, node, peer } = event;
                Self::DirectConnection { change: change.into(), connection: connection.0, node, peer }
            }
            core::Event::NeighborConnection(event) => {
                let core::ConnectionEvent { change, connection, node, peer } = event;
                Self::NeighborConnection { change: change.into(), connection: connection.0, node, peer }
            }
            core::Event::IncomingData(data) => {
                let core::IncomingData { connection, kind, node, peer, data_type, data } = data;
                let (connection, kind) = (connection.0, kind.into());
                let data_type = data_type.as_str().to_owned();
                Self::IncomingData { connection, kind, node, peer, data_type, data: data.to_vec() }
            }
            core::Event::ConnectionRequired(reason) => Self::ConnectionRequired { reason: reason.into() },
            core::Event::NodeChanged { change, node } => {
                Self::NodeChanged { change: change.into(), node: node.into() }
            }
            core::Event::Synchronized(record_type) => {
                Self::Synchronized { record_type: record_type.map(|name| name.as_str().to_owned()) }
            }
            core::Event::MemberChanged { change, member } => {
                Self::MemberChanged { change: change.into(), member: member.into() }
            }
            core::Event::ConnectionFailed(reason) => Self::ConnectionFailed { reason: reason.into() },
            core::Event::SyncProgress(progress) => Self::SyncProgress { progress: progress.into() },
            core::Event::Lagged { dropped } => Self::Lagged { dropped },
            core::Event::Reset => Self::Reset,
            core::Event::CaughtUp(cursor) => Self::CaughtUp { cursor: cursor.to_bytes().to_vec() },
        }
    }
}

pub(crate) fn cursor(bytes: Vec<u8>) -> Result<core::Cursor> {
    let raw =
        bytes.try_into().map_err(|_| invalid("a cursor has 24 bytes, as an event or a stream gave it"))?;
    Ok(core::Cursor::from_bytes(&raw))
}
