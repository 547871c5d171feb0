//! The native half of the Python package `peergraph`: conversions, and the bridge to asyncio. What a Python programmer sees
//! is in `python/peergraph`.

mod bridge;
mod connection;
mod convert;
mod errors;
mod events;
mod graph;
mod group;
mod identities;
mod ids;
mod invitation;
mod node;
mod records;
mod values;

#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::{
        bridge::{after_fork, settle},
        connection::{Direct, Receipt},
        events::{IncomingData, Subscription},
        graph::Graph,
        identities::{Identities, Identity},
        ids::{GraphId, NodeId, PeerId, RecordId},
        invitation::{IdentityDescription, Invitation, PeerName, Ticket},
        node::{Node, low_power},
        records::{Record, RecordChanged},
    };
}
