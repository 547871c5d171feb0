//! Why connects fail.

use crate::{ids::ConnectionId, link::FailureReason};

/// Why a connect came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFailure {
    /// The only target is this node.
    #[error("a node cannot connect to itself")]
    ToSelf,
    /// The target is a neighbor, on this connection.
    #[error("this node is already a neighbor, on connection {0}")]
    AlreadyNeighbor(ConnectionId),
    /// The other end cannot prove to know the graph.
    #[error("the other node does not know this graph")]
    WrongGraph,
    /// The other end is not the expected identity.
    #[error("the node that answered has another identity than expected")]
    WrongPeer,
    /// All who were asked refused.
    #[error("every node that was asked refused the connection; {hops} referrals were followed")]
    Refused {
        /// How many referrals were followed.
        hops: u32,
    },
    /// The other end does not accept this identity, or could not show that it is a member itself.
    #[error("the other node did not accept this identity as a member")]
    NotAuthorized,
    /// The two ends speak no common version, or the group demands a later one.
    #[error("the other node speaks another version of the protocol")]
    UnsupportedVersion,
    /// The other end takes no direct connections.
    #[error("the other node does not accept direct connections")]
    DirectNotAccepted,
    /// Nobody answered.
    #[error("no node answered at any of the addresses")]
    Unreachable,
    /// The deadline passed.
    #[error("the connection was not made before the deadline")]
    TimedOut,
    /// The application asked, or the graph was closed.
    #[error("the connect was cancelled")]
    Cancelled,
    /// The other end has the graph, but does not listen.
    #[error("the other node does not listen")]
    NotListening,
    /// This node is paused.
    #[error("this node is paused; resume it first")]
    Paused,
    /// The other end had no place until the deadline.
    #[error("the other node is busy; try again later")]
    Busy,
}

impl ConnectFailure {
    /// The word for it in events.
    pub const fn reason(&self) -> FailureReason {
        match self {
            Self::ToSelf | Self::AlreadyNeighbor(_) | Self::Refused { .. } => FailureReason::Refused,
            Self::DirectNotAccepted | Self::NotListening => FailureReason::Refused,
            Self::WrongGraph | Self::WrongPeer | Self::NotAuthorized => FailureReason::NotAuthenticated,
            Self::UnsupportedVersion => FailureReason::UnsupportedVersion,
            Self::Unreachable => FailureReason::Unreachable,
            Self::TimedOut => FailureReason::TimedOut,
            Self::Cancelled | Self::Paused => FailureReason::Cancelled,
            Self::Busy => FailureReason::Busy,
        }
    }

    /// Of two failures the one that tells more; the later of two that tell as much.
    pub(super) const fn or(self, later: Self) -> Self {
        if later.telling() >= self.telling() { later } else { self }
    }

    const fn telling(self) -> u8 {
        match self {
            Self::WrongPeer => 6,
            Self::DirectNotAccepted => 5,
            Self::WrongGraph | Self::NotAuthorized | Self::UnsupportedVersion => 4,
            Self::Refused { .. } => 3,
            Self::Busy => 3,
            Self::NotListening => 2,
            _ => 1,
        }
    }
}
