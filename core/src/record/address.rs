//! Where a node can be dialled.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize, Serializer};

use crate::{ids::NodeId, limits::MAX_ADDRESSES};

/// A node and the ways to it. Without addresses or relay it can still be dialled where lookup knows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[doc(alias = "PEER_ADDRESS")]
pub struct NodeAddr {
    /// The node's public key.
    pub node: NodeId,
    /// UDP socket addresses, IPv4 and IPv6. At most 16 are used and told to others.
    #[serde(serialize_with = "first", deserialize_with = "crate::bounded::list::<_, _, MAX_ADDRESSES>")]
    pub addrs: Vec<SocketAddr>,
    /// The URL of the relay it can be reached through.
    pub relay: Option<String>,
}

/// As many as others accept.
fn first<S: Serializer>(addrs: &[SocketAddr], to: S) -> Result<S::Ok, S::Error> {
    addrs.get(..MAX_ADDRESSES).unwrap_or(addrs).serialize(to)
}

impl NodeAddr {
    /// A node whose addresses are left to lookup.
    pub const fn new(node: NodeId) -> Self {
        Self { node, addrs: Vec::new(), relay: None }
    }

    /// A node at socket addresses; those beyond the 16th are cut.
    pub fn at(node: NodeId, addrs: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { node, addrs: addrs.into_iter().take(MAX_ADDRESSES).collect(), relay: None }
    }

    /// True if nothing is known beside the key.
    pub const fn is_bare(&self) -> bool {
        self.addrs.is_empty() && self.relay.is_none()
    }

    /// Keeps what a stranger sent within bounds.
    pub(crate) fn trimmed(mut self) -> Self {
        self.addrs.truncate(MAX_ADDRESSES);
        self.relay = self.relay.filter(|url| url.len() <= 255);
        self
    }
}
