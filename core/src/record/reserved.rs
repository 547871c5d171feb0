//! The library's own records: graph properties, presence, and the names of members.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::NodeAddr;
use crate::{
    crypto::{self, Domain, SIGNATURE_LEN, SecretKey, SignatureBytes, signature_serde},
    ids::GraphId,
    limits::{
        DEFAULT_PRESENCE_LIFETIME, MAX_COMMENT, MAX_NAME, MAX_NODE_ATTRIBUTES, MAX_PRESENCE_LIFETIME,
        MIN_PRESENCE_LIFETIME,
    },
    record::DeviceCertificate,
    time::Timestamp,
};

/// The properties of a graph that may change. The fixed ones are in [`Genesis`](super::Genesis).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[doc(alias = "PEER_GRAPH_PROPERTIES")]
pub struct GraphProperties {
    /// Friendly name, at most 255 bytes.
    pub name: String,
    /// Comment, at most 512 bytes.
    pub comment: String,
    /// How long a presence record lives unless renewed. Default and least: 5 minutes; at most 7 days. With more than 12 nodes it lives
    /// longer, 24 s for each node and up to 7 days. A node that dies is taken off the list within seconds all the same.
    pub presence_lifetime: Duration,
    /// How many nodes publish their presence: `None` = all (the default), `Some(0)` = nobody, `Some(n)` = about n.
    pub presence_max: Option<u32>,
    /// True if nothing expires on a node while it has no neighbor, presence included: what is overdue goes when it has
    /// one again. Default: false.
    #[doc(alias("PEER_GRAPH_FLAG_DEFER_EXPIRATION", "PEER_DEFER_EXPIRATION"))]
    pub defer_expiration: bool,
}

/// A property lies outside its bounds. The caller's mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// The name is too long.
    #[error("the name has {len} bytes; the maximum is {MAX_NAME}")]
    Name {
        /// Its length in bytes.
        len: usize,
    },
    /// The comment is too long.
    #[error("the comment has {len} bytes; the maximum is {MAX_COMMENT}")]
    Comment {
        /// Its length in bytes.
        len: usize,
    },
    /// The presence lifetime lies outside 5 minutes to 7 days.
    #[error("a presence lifetime must be between 5 minutes and 7 days, not {0:?}")]
    PresenceLifetime(Duration),
    /// The record limit lies outside 1 KiB to 60 MiB.
    #[error("the record limit must be between 1 KiB and 60 MiB, not {0} bytes")]
    MaxRecord(u32),
}

impl Default for GraphProperties {
    fn default() -> Self {
        Self {
            name: String::new(),
            comment: String::new(),
            presence_lifetime: DEFAULT_PRESENCE_LIFETIME,
            presence_max: None,
            defer_expiration: false,
        }
    }
}

impl GraphProperties {
    /// The names of all changeable properties, as `PropertyChanged` reports them.
    pub const NAMES: [&'static str; 5] =
        ["name", "comment", "presence_lifetime", "presence_max", "defer_expiration"];

    /// Checks the bounds.
    ///
    /// # Errors
    /// The first property outside its bounds.
    pub fn check(&self) -> Result<(), PropertiesError> {
        if self.name.len() > MAX_NAME {
            return Err(PropertiesError::Name { len: self.name.len() });
        }
        if self.comment.len() > MAX_COMMENT {
            return Err(PropertiesError::Comment { len: self.comment.len() });
        }
        if !(MIN_PRESENCE_LIFETIME..=MAX_PRESENCE_LIFETIME).contains(&self.presence_lifetime) {
            return Err(PropertiesError::PresenceLifetime(self.presence_lifetime));
        }
        Ok(())
    }

    /// The names of those that differ.
    pub fn changes(&self, other: &Self) -> BTreeSet<&'static str> {
        let differ = [
            self.name != other.name,
            self.comment != other.comment,
            self.presence_lifetime != other.presence_lifetime,
            self.presence_max != other.presence_max,
            self.defer_expiration != other.defer_expiration,
        ];
        Self::NAMES.into_iter().zip(differ).filter_map(|(name, differs)| differs.then_some(name)).collect()
    }
}

/// A node's word that it is here: the body of a `peergraph.presence` record. Signed twice: the record by the identity, the body by
/// the node, so that no identity can claim another's node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Presence {
    /// The node, certified by its identity; the record's creator must be that identity.
    pub device: DeviceCertificate,
    /// Where it can be dialled.
    pub addr: NodeAddr,
    /// Free text of the application, at most 1,024 bytes.
    pub attributes: String,
    /// When this node was started, in peer time. Of two presences of one node the later start counts.
    pub since: Timestamp,
    /// The node's signature over all of the above but the certificate's own signature, in this graph.
    #[serde(with = "signature_serde")]
    pub signature: SignatureBytes,
}

impl Presence {
    /// Makes the presence of a node.
    pub fn sign(
        graph: &GraphId,
        node: &SecretKey,
        device: DeviceCertificate,
        addr: NodeAddr,
        (attributes, since): (String, Timestamp),
    ) -> Self {
        let mut presence = Self { device, addr, attributes, since, signature: [0; SIGNATURE_LEN] };
        presence.signature = node.sign(Domain::Presence, graph.as_bytes(), &presence.content());
        presence
    }

    /// True if the certificate holds, names the node of the address, the node has signed, and sizes are in bounds.
    pub fn is_sound(&self, graph: &GraphId) -> bool {
        let node = self.device.node;
        node == self.addr.node
            && self.attributes.len() <= MAX_NODE_ATTRIBUTES
            && self.device.verify()
            && crypto::verify(
                node.as_bytes(),
                Domain::Presence,
                graph.as_bytes(),
                &self.content(),
                &self.signature,
            )
    }

    /// What the node signs.
    fn content(&self) -> Vec<u8> {
        let content = (&self.device.peer, &self.addr, &self.attributes, &self.since);
        postcard::to_stdvec(&content).expect("a presence always encodes")
    }
}

/// The name that a member of a group goes by: the body of a `peergraph.member-name` record, of which an identity has one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberName {
    /// At most 255 bytes without control characters. Empty: the one of its grant.
    pub name: String,
}

impl MemberName {
    /// True if the name is in bounds.
    pub fn is_sound(&self) -> bool {
        self.name.len() <= MAX_NAME && !self.name.chars().any(char::is_control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_named_and_bounds_checked() {
        let old = GraphProperties::default();
        let new = GraphProperties { name: "Book club".into(), presence_max: Some(3), ..old.clone() };
        assert_eq!(new.changes(&old), BTreeSet::from(["name", "presence_max"]));
        assert!(old.changes(&old).is_empty());
        let long = GraphProperties { name: "x".repeat(256), ..old.clone() };
        assert_eq!(long.check(), Err(PropertiesError::Name { len: 256 }));
        let lasting =
            |seconds| GraphProperties { presence_lifetime: Duration::from_secs(seconds), ..old.clone() };
        for seconds in [0, 299, 7 * 24 * 3600 + 1, u64::MAX] {
            assert!(
                matches!(lasting(seconds).check(), Err(PropertiesError::PresenceLifetime(_))),
                "{seconds}"
            );
        }
        assert!(lasting(300).check().is_ok() && lasting(7 * 24 * 3600).check().is_ok());
    }
}
