//! What the overlay tells the engine.

use bytes::Bytes;

use super::{ConnectFailure, ConnectId, NeighborInfo};
use crate::{
    ids::{ConnectionId, LinkId, NodeId, PeerId},
    link::{ConnectionKind, FailureReason},
    record::{Genesis, NodeAddr},
    wire::{Announce, GivenKey, JoinMessage, Lost, SyncMessage},
};

/// What the engine is told.
#[derive(Clone, PartialEq, Debug)]
pub enum OverlayEvent {
    /// A neighbor link or direct connection is set up.
    Connected {
        /// Its number for the driver.
        link: LinkId,
        /// Its number for applications.
        connection: ConnectionId,
        /// Neighbor or direct.
        kind: ConnectionKind,
        /// The node at the other end.
        node: NodeId,
        /// Its identity.
        peer: PeerId,
        /// Where it says it can be dialled.
        addr: NodeAddr,
        /// True if this node dialled.
        dialed: bool,
    },
    /// A neighbor link or direct connection is gone.
    Disconnected {
        /// Its number for the driver.
        link: LinkId,
        /// Its number for applications.
        connection: ConnectionId,
        /// Neighbor or direct.
        kind: ConnectionKind,
        /// The node at the other end.
        node: NodeId,
        /// Its identity.
        peer: PeerId,
        /// Why.
        reason: FailureReason,
    },
    /// A connect came to its one outcome.
    ConnectFinished {
        /// Which.
        connect: ConnectId,
        /// The connection as it was made, or why there is none.
        result: Result<NeighborInfo, ConnectFailure>,
    },
    /// A connect goes on at another node.
    Referred {
        /// Which.
        connect: ConnectId,
        /// Hops so far.
        hop: u32,
        /// The node tried next.
        next: NodeId,
    },
    /// What the graph is, learnt from the first welcome and checked against its id.
    Genesis(Genesis),
    /// Records came; each is to be answered by `accepted` or `duplicate`.
    Pushed {
        /// On which link.
        link: LinkId,
        /// Where they entered the graph.
        origin: u64,
        /// Envelopes with bodies.
        records: Vec<Bytes>,
    },
    /// Records are to be had; those that are not here are to be answered by `missing`.
    Announced {
        /// On which link.
        link: LinkId,
        /// What is announced.
        items: Vec<Announce>,
    },
    /// The neighbor asked for records, and there is room: take them from [`Overlay::next_wish`](super::Overlay::next_wish).
    Wishes {
        /// Which link.
        link: LinkId,
    },
    /// A neighbor asks for keys of epochs.
    KeysWanted {
        /// On which link.
        link: LinkId,
        /// Which.
        epochs: Vec<[u8; 32]>,
    },
    /// A neighbor gives keys.
    KeysGiven(Vec<GivenKey>),
    /// A neighbor says that nodes fell silent.
    Lost {
        /// On which link.
        link: LinkId,
        /// Which nodes.
        lost: Vec<Lost>,
    },
    /// A message of reconciliation.
    Sync {
        /// On which link.
        link: LinkId,
        /// The message.
        message: SyncMessage,
    },
    /// Records that reconciliation asked for.
    Records {
        /// On which link.
        link: LinkId,
        /// The session.
        session: u32,
        /// Envelopes with bodies.
        records: Vec<Bytes>,
    },
    /// A message of joining.
    Join {
        /// On which link.
        link: LinkId,
        /// The message.
        message: JoinMessage,
    },
    /// There is room for more bulk records on this link.
    BulkRoom {
        /// Which.
        link: LinkId,
    },
    /// The databases of both ends are to be compared.
    SyncDue {
        /// On which link.
        link: LinkId,
    },
    /// A node from outside is wanted.
    Required(Required),
    /// Contacts came or went.
    ContactsChanged,
}

/// Why a node from outside is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Required {
    /// A routine look for other parts of the graph.
    Probe,
    /// Nobody is left to dial.
    Isolated,
}
