//! Where a record of a group comes from: its id derives from its first version, and every later version says enough of
//! that one to show so.
//!
//! The id covers creator, type, the creator's grant, and the content of the first version. So nobody can sign another
//! first version of a record, change its type, or claim that it was made by another right. What an editor signs carries
//! the creator's signature over that.

use serde::{Deserialize, Serialize};

use super::Header;
use crate::{
    crypto::{self, SignatureBytes},
    ids::{GraphId, RecordId},
};

/// What a version says of the first version of its record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Origin {
    /// This is it.
    First,
    /// It was this one.
    Later(Made),
}

/// What was said by the first version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Made {
    /// The grant by which the creator made the record.
    pub grant: Option<[u8; 32]>,
    /// The beginning of the hash of the first content.
    pub content: [u8; 16],
    /// Of a version that the creator did not sign: that the creator made this record.
    pub proof: Option<MadeProof>,
}

/// The creator's signature under some version of the record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MadeProof {
    /// The hash of that version's header.
    pub header: [u8; 32],
    /// The signature.
    #[serde(with = "crypto::signature_serde")]
    pub signature: SignatureBytes,
}

/// What is signed: hashes of the origin and of the header.
pub(super) type Said = [u8; 64];

impl Header {
    /// The beginning of the hash of attributes, lifetime and body; of the first version, what the id derives from.
    pub fn content_hash(&self) -> [u8; 16] {
        let lifetime = self.expires.map(|at| at.0.saturating_sub(self.created.0));
        let content = (&self.attributes, lifetime, self.body_len, &self.body_hash);
        let encoded = postcard::to_stdvec(&content).expect("a header always encodes");
        let digest = crypto::hash("peergraph v1 first content", &[&encoded]);
        digest[..16].try_into().expect("a digest has 32 bytes")
    }

    /// Grant and content of the first version; `None` outside of groups and for the library's own types.
    pub fn made(&self) -> Option<(Option<[u8; 32]>, [u8; 16])> {
        Some(match self.origin.as_ref()? {
            Origin::First => (self.grant, self.content_hash()),
            Origin::Later(made) => (made.grant, made.content),
        })
    }

    fn origin_hash(&self, graph: &GraphId) -> Option<[u8; 32]> {
        let made = self.made()?;
        let origin = (&self.creator, &self.nonce, &self.record_type, made);
        let encoded = postcard::to_stdvec(&origin).expect("a header always encodes");
        Some(crypto::hash("peergraph v1 origin", &[graph.as_bytes(), &encoded]))
    }

    /// The id of the record.
    pub fn record_id(&self, graph: &GraphId) -> RecordId {
        match self.origin_hash(graph) {
            Some(hash) => RecordId::from_bytes(hash[..16].try_into().expect("a digest has 32 bytes")),
            None => super::record_id(graph, &self.creator, &self.nonce),
        }
    }

    /// What is signed instead of the encoded header, if the record has an origin.
    pub(super) fn said(&self, graph: &GraphId, encoded: &[u8]) -> Option<Said> {
        Some(joined(&self.origin_hash(graph)?, &header_hash(encoded)))
    }

    /// What the creator signed, as the proof has it.
    pub(super) fn said_by_creator(&self, graph: &GraphId) -> Option<Said> {
        let Some(Origin::Later(Made { proof: Some(proof), .. })) = &self.origin else { return None };
        Some(joined(&self.origin_hash(graph)?, &proof.header))
    }

    /// The rule that is broken by what it says of its origin.
    pub(crate) fn check_origin(&self) -> Option<&'static str> {
        match &self.origin {
            None => None,
            Some(_) if self.record_type.is_reserved() => Some("the library's own records have no origin"),
            Some(Origin::First)
                if self.version != 1 || self.editor.is_some() || self.created != self.hlc.timestamp() =>
            {
                Some("a first version is what its creator made")
            }
            Some(Origin::Later(made))
                if self.version == 1 || made.proof.is_some() != self.editor.is_some() =>
            {
                Some("a later version shows who made the record")
            }
            Some(_) => None,
        }
    }
}

pub(super) fn header_hash(encoded: &[u8]) -> [u8; 32] {
    crypto::hash("peergraph v1 header", &[encoded])
}

fn joined(origin: &[u8; 32], header: &[u8; 32]) -> Said {
    let mut said = [0; 64];
    said[..32].copy_from_slice(origin);
    said[32..].copy_from_slice(header);
    said
}
