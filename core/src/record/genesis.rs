//! What makes a graph this graph, and a node this identity's.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{self, Domain, SecretKey, SignatureBytes},
    ids::{GraphId, NodeId, PeerId},
    limits::{DEFAULT_MAX_RECORD, MAX_MAX_RECORD, MIN_GROUP_RECORD, MIN_MAX_RECORD},
    record::GroupRules,
};

/// The unchangeable properties of a graph. Its hash is the [`GraphId`], so nobody can alter them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[doc(alias = "PEER_GRAPH_PROPERTIES")]
pub struct Genesis {
    /// Who made the graph.
    pub creator: PeerId,
    /// Most bytes of body plus attributes in a record: 1 KiB to 60 MiB.
    pub max_record: u32,
    /// Random bytes that make the graph unique.
    pub nonce: [u8; 16],
    /// What holds in a group; `None`: a plain graph.
    pub rules: Option<GroupRules>,
}

impl Genesis {
    /// A graph with the default record limit of 1 MiB.
    pub const fn new(creator: PeerId, nonce: [u8; 16]) -> Self {
        Self { creator, max_record: DEFAULT_MAX_RECORD, nonce, rules: None }
    }

    /// The graph's id.
    pub fn id(&self) -> GraphId {
        let bytes = postcard::to_stdvec(self).expect("a genesis always encodes");
        GraphId::from_bytes(crypto::hash("peergraph v1 genesis", &[&bytes]))
    }

    /// True if limits and rules lie in their bounds.
    pub fn is_sound(&self) -> bool {
        let least = if self.rules.is_some() { MIN_GROUP_RECORD } else { MIN_MAX_RECORD };
        (least..=MAX_MAX_RECORD).contains(&self.max_record)
            && self.rules.as_ref().is_none_or(GroupRules::is_sound)
    }

    /// True for a group.
    pub const fn is_group(&self) -> bool {
        self.rules.is_some()
    }
}

/// The secret of a graph: who holds it may link. Part of the ticket. Never shown by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphSecret([u8; 32]);

impl GraphSecret {
    /// Wraps 32 random bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for GraphSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GraphSecret(..)")
    }
}

/// An identity's word that a node is one of its devices.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceCertificate {
    /// The identity.
    pub peer: PeerId,
    /// The node.
    pub node: NodeId,
    /// The identity's signature over the node.
    #[serde(with = "crypto::signature_serde")]
    pub signature: SignatureBytes,
}

impl DeviceCertificate {
    /// Certifies a node.
    pub fn issue(identity: &SecretKey, node: NodeId) -> Self {
        let peer = identity.peer();
        let signature = identity.sign(Domain::Device, peer.as_bytes(), node.as_bytes());
        Self { peer, node, signature }
    }

    /// True if the identity signed it.
    pub fn verify(&self) -> bool {
        crypto::verify(
            self.peer.as_bytes(),
            Domain::Device,
            self.peer.as_bytes(),
            self.node.as_bytes(),
            &self.signature,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_names_one_node() {
        let identity = SecretKey::from_bytes(&[1; 32]);
        let node = SecretKey::from_bytes(&[2; 32]).node();
        let mut certificate = DeviceCertificate::issue(&identity, node);
        assert!(certificate.verify());
        certificate.node = SecretKey::from_bytes(&[3; 32]).node();
        assert!(!certificate.verify());
    }

    #[test]
    fn every_field_changes_the_graph_id() {
        let genesis = Genesis::new(SecretKey::from_bytes(&[1; 32]).peer(), [0; 16]);
        let mut other = genesis.clone();
        other.max_record += 1;
        assert_ne!(genesis.id(), other.id());
        assert!(genesis.is_sound());
        other.max_record = 1023;
        assert!(!other.is_sound());
    }
}
