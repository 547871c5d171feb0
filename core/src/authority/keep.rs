//! Lists of records that outlast the removal of their author.
//!
//! A removal names the hashes of chunks; the chunks travel beside the acts, once. A back-dated record is in no list of
//! anybody who had not seen it, whatever time or past it claims.

use serde::{Deserialize, Serialize};

use super::{Content, Fault, Keep};
use crate::{
    crypto,
    ids::{ElementId, RecordId},
    limits::KEEP_CHUNK,
};

/// Names a version that the removed wrote ([`ElementId`]), or a record that they made ([`RecordId`]).
pub type KeepKey = [u8; 16];

/// A part of a list: keys, ascending, 1 to 1,000.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeepChunk(Vec<KeepKey>);

impl KeepChunk {
    /// Checks keys that were received.
    ///
    /// # Errors
    /// [`Fault::Malformed`] if they are not 1 to 1,000 keys in ascending order.
    pub fn new(keys: Vec<KeepKey>) -> Result<Self, Fault> {
        let sound = (1..=KEEP_CHUNK).contains(&keys.len()) && keys.is_sorted_by(|a, b| a < b);
        if sound { Ok(Self(keys)) } else { Err(Fault::Malformed) }
    }

    /// The keys, ascending.
    pub fn keys(&self) -> &[KeepKey] {
        &self.0
    }

    /// The name of this chunk.
    pub fn hash(&self) -> [u8; 32] {
        crypto::hash("peergraph v1 kept records", &[self.0.as_flattened()])
    }

    pub(super) fn contains(&self, key: &KeepKey) -> bool {
        self.0.binary_search(key).is_ok()
    }
}

impl Keep {
    /// The list that keeps these versions, and records that the subject made, with its chunks.
    pub fn list(
        versions: impl IntoIterator<Item = ElementId>,
        made: impl IntoIterator<Item = RecordId>,
    ) -> (Self, Vec<KeepChunk>) {
        let versions = versions.into_iter().map(|element| *element.as_bytes());
        let mut keys: Vec<KeepKey> = versions.chain(made.into_iter().map(|id| *id.as_bytes())).collect();
        keys.sort_unstable();
        keys.dedup();
        let chunks: Vec<KeepChunk> = keys.chunks(KEEP_CHUNK).map(|keys| KeepChunk(keys.to_vec())).collect();
        (Self { chunks: chunks.iter().map(KeepChunk::hash).collect() }, chunks)
    }
}

impl Content {
    /// The list that an act keeps.
    pub(super) const fn keep(&self) -> Option<&Keep> {
        match self {
            Self::Remove(remove) => Some(&remove.keep),
            Self::Leave(keep) => Some(keep),
            Self::Grant(grant) => grant.demotes.as_ref(),
            _ => None,
        }
    }
}
