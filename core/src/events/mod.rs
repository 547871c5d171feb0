//! What applications are told: event types, filters, queues, cursors.
//!
//! One definition of each event, here, for every language. Publishing never waits for a reader. Knows nothing of
//! links, databases or sockets; record changes that did not fit in memory are read back through [`ChangeSource`].

mod event;

pub use event::{
    ChangeOrigin, ConnectionChange, ConnectionEvent, Cursor, Event, EventKind, IncomingData, NodeChange,
    NodeInfo, RecordChanged, RequiredReason, Status,
};
