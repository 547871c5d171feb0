//! What a message may cost the side that sends it. The matches name every message: a new one does not compile before it has a
//! place in the outbox of a link.

use super::{Message, SyncMessage};

/// Where a message waits while the other end does not read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// Sets a link up or ends it: a few in its life, sent at once.
    SetUp,
    /// Has one place in each link's outbox. The newest says all: it takes the place of the one that waits there.
    Latest(Slot),
    /// Made from a set with a cap that is kept with the link. Nothing of it is made before there is room.
    Gathered,
    /// Waits in a queue of bounded bytes. What does not fit is dropped, and the databases are compared later.
    Queued,
    /// Carries records: made when there is room on a stream of its own. Until then keys alone wait.
    Records,
}

/// A place for one message, in the order in which they are sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Slot {
    /// The newest ping.
    Ping,
    /// The answer to the newest ping.
    Pong,
    /// The newest addresses.
    Addresses,
    /// The keys that are wanted now.
    WantedKeys,
    /// The newest answer to that.
    GivenKeys,
    /// The end of a session. Another session that ended without a word ends by its deadline.
    Abort,
}

impl Message {
    /// Where this message waits.
    pub const fn class(&self) -> Class {
        match self {
            Self::Connect(_) | Self::Welcome(_) | Self::Refuse(_) | Self::Goodbye(_) | Self::Join(_) => {
                Class::SetUp
            }
            Self::Ping(_) => Class::Latest(Slot::Ping),
            Self::Pong(_) => Class::Latest(Slot::Pong),
            Self::Addresses(_) => Class::Latest(Slot::Addresses),
            Self::WantKeys(_) => Class::Latest(Slot::WantedKeys),
            Self::GiveKeys(_) => Class::Latest(Slot::GivenKeys),
            Self::Announce(_) | Self::Prune(_) | Self::Graft { .. } | Self::Ack { .. } | Self::Lost(_) => {
                Class::Gathered
            }
            Self::Push { .. } | Self::Records { .. } => Class::Records,
            Self::Sync(message) => message.class(),
        }
    }
}

impl SyncMessage {
    const fn class(&self) -> Class {
        match self {
            Self::Abort { .. } => Class::Latest(Slot::Abort),
            // In the order of their session.
            Self::Open { .. }
            | Self::Compared { .. }
            | Self::Ranges { .. }
            | Self::Have { .. }
            | Self::Status { .. }
            | Self::Fetch { .. }
            | Self::Pull { .. }
            | Self::Sent { .. }
            | Self::Done { .. } => Class::Queued,
        }
    }
}
