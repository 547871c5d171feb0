//! The keys of a group's epochs that are here, and bodies under them. Shared by all threads that read or write records.
//!
//! ```text
//! body of a record = version (1) | epoch (32) | seed (16) | nonce (24) | ciphertext | tag (16)
//! ```
//! The seed is the nonce of the record's header, by which the body is bound to its record.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;

use super::epoch::{EpochId, EpochKey, epoch_id, open_older_key};
use crate::{
    crypto::{self, NONCE_LEN, SEAL_OVERHEAD},
    ids::GraphId,
    record::{BodyState, Header, Record, record_id},
};

const VERSION: u8 = 1;
const BODY: &[u8] = b"peergraph/v1/body\0";
const EPOCH_AT: usize = 1;
const SEED_AT: usize = EPOCH_AT + 32;
const NONCE_AT: usize = SEED_AT + 16;
const CONTENT_AT: usize = NONCE_AT + NONCE_LEN;

/// How many bytes longer an encrypted body is than what is in it.
pub const BODY_OVERHEAD: usize = CONTENT_AT + SEAL_OVERHEAD;

/// The key that is needed has not come yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key for this group's encrypted records has not arrived yet")]
pub struct NoKey;

/// The keys of the epochs that this node can read.
#[derive(Default)]
pub struct KeyRing {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    /// The group, once it is known that its bodies are encrypted.
    graph: Option<GraphId>,
    current: Option<EpochId>,
    /// Each at one place in memory, which is wiped.
    keys: BTreeMap<EpochId, Arc<EpochKey>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.read();
        f.debug_struct("KeyRing")
            .field("encrypts", &state.graph.is_some())
            .field("keys", &state.keys.len())
            .finish()
    }
}

/// True if an encrypted body of this record can have this form. An empty one has nothing to hide.
pub(super) fn is_encrypted_form(header: &Header, body: &[u8]) -> bool {
    let bound = || body[SEED_AT..NONCE_AT] == header.nonce;
    body.is_empty() || (body.len() >= BODY_OVERHEAD && body[0] == VERSION && bound())
}

impl KeyRing {
    /// Encrypts the bodies of this group from now on.
    pub fn enable(&self, graph: GraphId) {
        self.write().graph = Some(graph);
    }

    /// How many bytes an encrypted body is longer; 0 where bodies are not encrypted.
    pub fn overhead(&self) -> usize {
        if self.read().graph.is_some() { BODY_OVERHEAD } else { 0 }
    }

    /// Says in which epoch to write.
    pub fn set_current(&self, epoch: Option<EpochId>) {
        self.write().current = epoch;
    }

    /// In which epoch to write.
    pub fn current(&self) -> Option<EpochId> {
        self.read().current
    }

    /// Takes in a key.
    pub fn add(&self, key: EpochKey) {
        self.write().keys.entry(epoch_id(&key)).or_insert_with(|| Arc::new(key));
    }

    /// Takes in what a later epoch carries, if its key is here. True if that was a key.
    pub fn add_older(&self, later: &EpochId, id: &EpochId, sealed: &[u8]) -> bool {
        !self.has(id) && self.open_older(later, id, sealed).map(|key| self.add(key)).is_some()
    }

    /// The key that a later epoch claims to carry, if the later one's is here and it does.
    pub fn open_older(&self, later: &EpochId, id: &EpochId, sealed: &[u8]) -> Option<EpochKey> {
        let (graph, under) = (self.read().graph?, self.key(later)?);
        open_older_key(&graph, &under, id, sealed).filter(|_| later != id)
    }

    /// True if this epoch's key is here.
    pub fn has(&self, id: &EpochId) -> bool {
        self.read().keys.contains_key(id)
    }

    /// The key of an epoch.
    pub fn key(&self, id: &EpochId) -> Option<Arc<EpochKey>> {
        self.read().keys.get(id).cloned()
    }

    /// The epochs whose keys are here.
    pub fn epochs(&self) -> Vec<EpochId> {
        self.read().keys.keys().copied().collect()
    }

    /// The body as it is to be signed: encrypted, unless it is the library's own, a tombstone's, or the group does not
    /// encrypt.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn seal(&self, header: &Header, body: Bytes) -> Result<Bytes, NoKey> {
        let state = self.read();
        let Some(graph) = state.graph.filter(|_| !header.record_type.is_reserved() && !header.deleted) else {
            return Ok(body);
        };
        let id = state.current.ok_or(NoKey)?;
        let key = state.keys.get(&id).cloned().ok_or(NoKey)?;
        drop(state);
        let record = record_id(&graph, &header.creator, &header.nonce);
        // Of the content and of what never comes twice: no two contents share a nonce, whatever the randomness is worth.
        let author = header.author();
        let parts: [&[u8]; 6] = [
            &**key,
            graph.as_bytes(),
            record.as_bytes(),
            author.as_bytes(),
            &header.hlc.0.to_be_bytes(),
            &body,
        ];
        let digest = crypto::hash("peergraph v1 body nonce", &parts);
        let nonce: [u8; NONCE_LEN] = digest[..NONCE_LEN].try_into().expect("a digest is longer");
        let context = context(&graph, header.creator.as_bytes(), record.as_bytes());
        let sealed = crypto::seal_with_key(&key, nonce, &context, &body);
        Ok([&[VERSION][..], &id, &header.nonce, &nonce, &sealed].concat().into())
    }

    /// The record as applications read it. A body that cannot be read is left out.
    #[must_use]
    pub fn open(&self, mut record: Record) -> Record {
        if record.record_type.is_reserved() || record.deleted || record.body.is_empty() {
            return record;
        }
        let Some(graph) = self.read().graph else { return record };
        let (body, state) = match self.open_body(&graph, &record) {
            Ok(body) => (body, BodyState::Clear),
            Err(state) => (Bytes::new(), state),
        };
        record.body = body;
        record.body_state = state;
        record
    }

    fn open_body(&self, graph: &GraphId, record: &Record) -> Result<Bytes, BodyState> {
        let body = &record.body;
        if body.len() < BODY_OVERHEAD || body[0] != VERSION {
            return Err(BodyState::Unreadable);
        }
        let id: EpochId = body[EPOCH_AT..SEED_AT].try_into().expect("32 bytes");
        let nonce: [u8; NONCE_LEN] = body[NONCE_AT..CONTENT_AT].try_into().expect("24 bytes");
        let key = self.key(&id).ok_or(BodyState::KeyMissing)?;
        let seed = body[SEED_AT..NONCE_AT].try_into().expect("16 bytes");
        let bound = record_id(graph, &record.creator, seed);
        let context = context(graph, record.creator.as_bytes(), bound.as_bytes());
        let opened = crypto::open_with_key(&key, nonce, &context, &body[CONTENT_AT..]);
        opened.map(|plain| Bytes::copy_from_slice(&plain)).map_err(|_| BodyState::Unreadable)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn context(graph: &GraphId, creator: &[u8; 32], record: &[u8; 16]) -> Vec<u8> {
    [BODY, graph.as_bytes(), creator, record].concat()
}
