//! The public face: owned, non-generic types for Rust programs and for the bindings alike.

mod config;
mod connection;
mod error;
mod events;
mod graph;
mod keys;
mod node;
mod opening;
mod records;
mod runtime;

pub use config::{CreateGraph, NodeConfig, OpenGraph};
pub use connection::{
    ConnectOptions, Connecting, ConnectionInfo, DirectConnection, Progress, SendReceipt, Target,
};
pub use error::{Error, ErrorKind, Result};
pub use events::EventStream;
pub use graph::{Graph, ListenOutcome, OpenOutcome, PropertiesUpdate};
pub use node::{ApiVersion, GraphRef, Metrics, Node};
pub use records::RecordPages;
