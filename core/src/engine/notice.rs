//! What callers that wait are told.

use super::{JoinFailure, ListingId, PublishError};
use crate::{
    graph::{ConnectFailure, ConnectId, NeighborInfo},
    ids::{ConnectionId, NodeId},
};

/// Something the driver must tell a waiting caller.
#[derive(Debug)]
pub enum Notice {
    /// A connect came to its one outcome.
    Connect {
        /// Which.
        connect: ConnectId,
        /// What came of it.
        result: Result<NeighborInfo, ConnectFailure>,
    },
    /// A join came to its one outcome.
    Joined {
        /// On which connection.
        connection: ConnectionId,
        /// What came of it; true if the identity was a member before.
        result: Result<bool, JoinFailure>,
    },
    /// A removal, demotion or leave that took several steps is over, and durable.
    Listed {
        /// Which.
        listing: ListingId,
        /// What came of it.
        result: Result<(), PublishError>,
    },
    /// A connect was referred to another node.
    Referred {
        /// Which.
        connect: ConnectId,
        /// Hops so far.
        hop: u32,
        /// The node tried next.
        next: NodeId,
    },
}
