//! What applications are told: event types, filters, queues, cursors.
//!
//! One definition of each event, here, for every language. Publishing never waits for a reader. Knows nothing of
//! links, databases or sockets; record changes that did not fit in memory are read back through [`ChangeSource`].

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod event;
mod filter;
mod hub;
mod member;
mod queue;
mod shared;
mod source;
mod subscription;
#[cfg(test)]
mod tests;
mod wake;

pub use event::{
    ChangeOrigin, ConnectionChange, ConnectionEvent, Cursor, Event, EventKind, IncomingData, NodeChange,
    NodeInfo, RecordChanged, RequiredReason, Status, SyncProgress,
};
pub use filter::{EventFilter, Start, SubscribeOptions};
pub use hub::{Hub, SubscribeError};
pub use member::{GroupFailure, MemberChange, MemberInfo};
pub use queue::NewChange;
pub use shared::{Refill, RefillHook};
pub use source::{ChangeBatch, ChangeSource, FeedEntry, FeedError, FeedPosition};
pub use subscription::Subscription;
pub use wake::WakeHook;

pub use crate::{
    link::{ConnectionKind, FailureReason},
    record::ChangeKind,
};
