//! The public face: owned, non-generic types for Rust programs and for the bindings alike.

mod asking;
mod attempt;
mod becoming;
mod call;
mod closing;
mod config;
mod connection;
mod database;
mod entering;
mod error;
mod error_kind;
mod events;
mod files;
pub mod given;
mod graph;
mod group;
mod identities;
mod identity_store;
mod joining;
mod key_files;
mod keys;
#[cfg(feature = "sqlite")]
mod leftovers;
mod making;
mod members;
mod membership;
pub mod names;
mod node;
mod opening;
mod options;
mod pausing;
mod records;
mod runtime;
#[cfg(feature = "sqlite")]
mod sealing;
mod starting;
mod version;

pub use call::Call;
pub use config::{CreateGraph, NodeConfig, OpenGraph};
pub use connection::{
    ConnectOptions, Connecting, ConnectionInfo, DirectConnection, Progress, SendReceipt, Target,
};
pub use database::ImportDatabase;
pub use entering::{JoinGraph, OnProgress};
pub use error::{Error, Result};
pub use error_kind::ErrorKind;
pub use events::EventStream;
pub use graph::{Graph, ListenOutcome, OpenOutcome, PropertiesUpdate};
pub use group::{Group, OpenInvitation, RevokedDevice};
pub use identities::{CreateIdentity, Identities, Identity};
pub use key_files::{KeyProtection, KeySource};
pub use node::{Census, Metrics, Node};
pub use options::{
    CreateGroup, GraphRef, InviteLink, InviteMember, InvitePassword, JoinGroup, JoinOutcome, RemoveMember,
};
pub use records::RecordPages;
pub use runtime::spawn;
pub use version::ApiVersion;
