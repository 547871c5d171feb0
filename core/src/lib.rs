//! Groups of peers that share a database of signed records, see who is there, send each other data, and hear of every
//! change. No server.
//!
//! A [`Node`] is one running instance, with a key of its own, acting for an identity. A [`Group`] is a set of identities,
//! each with a role, whose nodes have links between them and one replicated database. A [`Record`] is signed by its
//! author and can be updated, deleted and expire; every node agrees on the winner of two edits. An [`EventStream`] tells of
//! every change.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use peergraph::{InviteLink, Node, RecordDraft, events::{Event, EventFilter, EventKind}};
//!
//! let node = Node::open("data").await?;
//! let group = node.create_group("Book club").await?;
//! println!("join with: {}", group.invite_link(InviteLink::default()).await?);
//! let events = group.events(EventFilter::kinds([EventKind::RecordChanged]))?;
//! group.publish(RecordDraft::new("chat.message", "hello")?.with("room", "main")).await?;
//! while let Some(Event::RecordChanged(change)) = events.next().await {
//!     println!("{}: {:?}", change.record.author.short(), change.record.body_text());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Elsewhere, with the text:
//!
//! ```no_run
//! # async fn run(text: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use peergraph::{JoinGroup, Node};
//!
//! let node = Node::open("data").await?;
//! let group = node.join_group(JoinGroup::parse(text)?.named("Ben")).await?;
//! for member in group.members().await? {
//!     println!("{} {:?}", member.name, member.role);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! And after a restart: online at once, whoever else is there.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use peergraph::Node;
//!
//! let node = Node::open("data").await?;
//! for id in node.stored_groups()? {
//!     let group = node.open_group(id).await?;
//!     println!("{} records", group.fingerprint().await?.count);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Groups and graphs
//!
//! One comes into a group by an invitation: for one identity ([`Group::invite`]), by link or QR code
//! ([`Group::invite_link`], [`Invitation`]), or by password ([`Group::set_password`]). A [`Role`] says what a member may do;
//! [`Group::remove`] takes everything back but what was read. [`GroupRules`] say who may write which type of record, and
//! whether bodies are encrypted, so that the removed cannot read later ones wherever they get them from.
//!
//! A [`Graph`] is the same without members: whoever has its [`Ticket`] can join, and nobody can be removed. Everything a
//! graph can do, a group can.
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
//! - What a removed member writes counts nowhere, however it is dated, as soon as a node has heard of the removal. Nodes
//!   that can be reached hear at once, others when they can be.
//! - Whoever holds a plain graph's ticket can read and write everything in it, for good.
//!
//! # Identities
//!
//! A node has an identity of its own, made on first use; [`Node::identities`] makes more, names them, tells which one later
//! groups use, and moves one to another machine. An [`IdentityDescription`] is what others may know; the key stays with
//! the [`Identity`], which signs for applications. [`NodeConfig::keys`] seals the keys on the disk.
//!
//! # On the disk, and from one machine to another
//!
//! [`NodeConfig::encrypt_database`] seals the databases as well; what stays visible is written there.
//! [`Graph::export_database`] writes all records to a file, sealed with a password or not, for
//! [`Graph::import_database`] before a graph connects. [`Group::export_membership`] and [`Node::import_membership`] move a
//! membership: the identity, and all it takes to act for it in the group.
//!
//! # How it is made
//!
//! Everything up to [`engine`] is free of I/O: time, randomness and messages go in, actions come out. The same code runs
//! under [`net`] (iroh, tokio) and in the simulator (feature `sim`). The modules below are public for those who build on
//! them; [`Node`] is where a program begins.

#[cfg(feature = "net")]
mod api;
pub mod authority;
mod bounded;
pub mod crypto;
pub mod engine;
pub mod events;
#[cfg(any(feature = "net", feature = "sqlite"))]
#[doc(hidden)]
pub mod fault;
pub mod graph;
pub mod group;
pub mod ids;
pub mod io;
pub mod ledger;
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
    ApiVersion, Call, Census, ConnectOptions, Connecting, ConnectionInfo, CreateGraph, CreateGroup,
    CreateIdentity, DirectConnection, Error, ErrorKind, EventStream, Graph, GraphRef, Group, Identities,
    Identity, ImportDatabase, InviteLink, InviteMember, InvitePassword, JoinGraph, JoinGroup, JoinOutcome,
    KeyProtection, KeySource, ListenOutcome, Metrics, Node, NodeConfig, OnProgress, OpenGraph,
    OpenInvitation, OpenOutcome, Progress, PropertiesUpdate, RecordPages, RemoveMember, Result,
    RevokedDevice, SendReceipt, Target, spawn,
};
#[cfg(feature = "net")]
pub use api::{given, names};
pub use crypto::SecretKey;
pub use engine::{ImportCount, UpdateOutcome};
pub use events::{Event, EventFilter, EventKind, SyncProgress};
pub use group::{IdentityDescription, Invitation, PeerName};
pub use ids::{ConnectionId, GraphId, NodeId, PeerId, RecordId};
#[cfg(feature = "net")]
pub use net::NetworkMode;
pub use record::{
    Attributes, BodyState, Genesis, GraphProperties, GraphSecret, GroupRules, NodeAddr, Record, RecordDraft,
    RecordType, RecordUpdate, Role, Ticket, TypeRule, Value, Who,
};
pub use records::{Conflict, ConflictQuery, Durability, ListQuery, Page};
pub use time::{Moment, Timestamp};
