//! Groups of peers that share a database of signed records, see who is there, send each other data, and hear of every
//! change. No server.
//!
//! A [`Node`] is one running instance, with a key of its own, acting for an identity. A [`Graph`] is a set of nodes with
//! links between them and one replicated database; whoever has its [`Ticket`] can join. A [`Record`] is signed by its
//! author and can be updated, deleted and expire; every node agrees on the winner of two edits. An [`EventStream`] tells of
//! every change.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use peergraph::{Node, RecordDraft, events::{Event, EventFilter, EventKind}};
//!
//! let node = Node::open("data").await?;
//! let graph = node.create_graph("Book club").await?;
//! graph.listen().await?;
//! println!("join with: {}", graph.ticket().await?); // elsewhere: node.join(ticket).await?
//! let events = graph.events(EventFilter::kinds([EventKind::RecordChanged]))?;
//! graph.publish(RecordDraft::new("chat.message", "hello")?.with("room", "main")).await?;
//! while let Some(Event::RecordChanged(change)) = events.next().await {
//!     println!("{}: {:?}", change.record.author.short(), change.record.body_text());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! - A publish returns when the record is on the disk ([`Durability`]). What was acknowledged survives a crash.
//! - From a cursor on, every record whose state differs from what the cursor had seen is told at least once, in feed order,
//!   and the last event equals the current state. Intermediate versions may be merged; events may repeat after a crash;
//!   none is lost.
//! - Connection and presence events are bounded: a reader who falls far behind gets [`Event::Lagged`]
//!   and can read the current state. Incoming data is never dropped: a slow reader slows its sender.
//! - [`Graph::connect`] has exactly one outcome. No call waits without a deadline, but those whose purpose is to wait.
//! - Whoever holds a graph's ticket can read and write everything in it, for good.
//!
//! # Identities
//!
//! A node has an identity of its own, made on first use; [`Node::identities`] makes more, names them, tells which one later
//! groups use, and moves one to another machine. An [`IdentityDescription`] is what others may know; the key stays with
//! the [`Identity`], which signs for applications. [`NodeConfig::keys`] seals the keys on the disk.
//!
//! # How it is made
//!
//! Everything up to [`engine`] is free of I/O: time, randomness and messages go in, actions come out. The same code runs
//! under [`net`] (iroh, tokio) and in the simulator (feature `sim`). The modules below are public for those who build on
//! them; [`Node`] is where a program begins.

#[cfg(feature = "net")]
mod api;
pub mod crypto;
pub mod engine;
pub mod events;
pub mod graph;
pub mod group;
pub mod ids;
pub mod io;
pub mod limits;
pub mod link;
#[cfg(feature = "net")]
pub mod net;
pub mod record;
pub mod records;
#[cfg(feature = "sim")]
pub mod sim;
pub mod time;
pub mod wire;

#[cfg(feature = "net")]
pub use api::{
    ApiVersion, ConnectOptions, Connecting, ConnectionInfo, CreateGraph, CreateGroup, CreateIdentity,
    DirectConnection, Error, ErrorKind, EventStream, Graph, GraphRef, Group, Identities, Identity,
    InviteLink, InviteMember, InvitePassword, JoinGroup, JoinOutcome, KeyProtection, ListenOutcome, Metrics,
    Node, NodeConfig, OpenGraph, OpenInvitation, OpenOutcome, Progress, PropertiesUpdate, RecordPages,
    RemoveMember, Result, SendReceipt, Target,
};
pub use crypto::SecretKey;
pub use engine::UpdateOutcome;
pub use events::{Event, EventFilter, EventKind};
pub use group::{IdentityDescription, Invitation, PeerName};
pub use ids::{ConnectionId, GraphId, NodeId, PeerId, RecordId};
#[cfg(feature = "net")]
pub use net::NetworkMode;
pub use record::{
    Attributes, Genesis, GraphProperties, GraphSecret, GroupRules, NodeAddr, Record, RecordDraft, RecordType,
    RecordUpdate, Role, Ticket, TypeRule, Value, Who,
};
pub use records::{Durability, ListQuery, Page};
pub use time::Timestamp;
