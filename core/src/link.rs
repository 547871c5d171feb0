//! The nouns of links and connections, shared by the overlay, the events and the seam.

use serde::{Deserialize, Serialize};

/// One attempt to reach a node; chosen by the engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialId(pub u64);

/// Neighbor or direct.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[doc(alias = "PEER_CONNECTION_FLAGS")]
pub enum ConnectionKind {
    /// A link of the overlay; carries records and data.
    Neighbor,
    /// Application data only.
    Direct,
}

/// Why a connection failed or ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum FailureReason {
    /// The other end refused: full and without referrals left, or not accepting.
    Refused,
    /// Nobody answered at any address.
    Unreachable,
    /// The other end is of another graph, another identity, or could not prove what it must.
    NotAuthenticated,
    /// The deadline passed.
    TimedOut,
    /// This side's application asked.
    Cancelled,
    /// This side closed the connection.
    Closed,
    /// The other end closed the connection, or left.
    ClosedByPeer,
    /// The other end no longer answers.
    Lost,
    /// There were too many neighbors and this was the least useful, or one of two between the same nodes.
    Pruned,
    /// The other end broke the protocol.
    Protocol,
    /// The two ends speak no common version of the protocol, or the group demands a later one.
    UnsupportedVersion,
    /// The other end has no place for a link at the moment.
    Busy,
}
