//! Acts as bytes: one encoding, one id, one signature.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{ActBody, Fault};
use crate::{
    crypto::{self, Domain, SIGNATURE_LEN, SecretKey, SignatureBytes},
    ids::{ActId, GraphId},
    limits::MAX_ACT,
    wire::decode_exact,
};

/// An act as it travels: the encoded body, then the signature. Its signature is not checked yet.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedAct {
    bytes: Bytes,
    body: Arc<ActBody>,
}

/// An act whose signature is good.
///
/// The id is the hash of all signed bytes, and a body has one encoding: two signatures of one body are the same act.
#[derive(Clone, PartialEq, Eq)]
pub struct Act {
    id: ActId,
    body: Arc<ActBody>,
}

impl SignedAct {
    /// Signs an act. The author is the key's identity, whatever `body` says.
    pub fn sign(graph: &GraphId, key: &SecretKey, mut body: ActBody) -> Self {
        body.author = key.peer();
        let mut bytes = encode(&body);
        let signature = key.sign(Domain::Act, graph.as_bytes(), &bytes);
        bytes.extend_from_slice(&signature);
        Self { bytes: bytes.into(), body: Arc::new(body) }
    }

    /// Reads an act and checks its form: its one encoding, and the bounds of all fields.
    ///
    /// # Errors
    /// [`Fault::Malformed`]; the sender is at fault.
    pub fn decode(bytes: Bytes) -> Result<Self, Fault> {
        if bytes.len() > MAX_ACT || bytes.len() < SIGNATURE_LEN {
            return Err(Fault::Malformed);
        }
        let body: ActBody =
            decode_exact(&bytes[..bytes.len() - SIGNATURE_LEN]).map_err(|_| Fault::Malformed)?;
        body.check_form()?;
        Ok(Self { bytes, body: Arc::new(body) })
    }

    /// The bytes that travel.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The signed part.
    pub fn body(&self) -> &ActBody {
        &self.body
    }

    /// The hash of all signed bytes.
    pub fn id(&self) -> ActId {
        id_of(self.signed())
    }

    /// Checks the signature; `None` if it is not the author's.
    pub fn verify(&self, graph: &GraphId) -> Option<Act> {
        let signature: &SignatureBytes = self.bytes[self.bytes.len() - SIGNATURE_LEN..].try_into().ok()?;
        let author = self.body.author.as_bytes();
        crypto::verify(author, Domain::Act, graph.as_bytes(), self.signed(), signature)
            .then(|| Act { id: self.id(), body: self.body.clone() })
    }

    fn signed(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - SIGNATURE_LEN]
    }
}

impl fmt::Debug for SignedAct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedAct({}, {:?})", self.id().short(), self.body)
    }
}

impl Act {
    /// The hash of all signed bytes.
    pub const fn id(&self) -> ActId {
        self.id
    }

    /// The signed part.
    pub fn body(&self) -> &ActBody {
        &self.body
    }

    /// An act that nobody signed: signatures are a third of the time of a model checker.
    #[cfg(test)]
    pub(super) fn unsigned(body: ActBody) -> Self {
        Self { id: id_of(&encode(&body)), body: Arc::new(body) }
    }
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Act({}, {:?})", self.id.short(), self.body)
    }
}

fn encode(body: &ActBody) -> Vec<u8> {
    postcard::to_stdvec(body).expect("an act always encodes")
}

fn id_of(signed: &[u8]) -> ActId {
    ActId::from_bytes(crypto::hash("peergraph v1 act", &[signed]))
}
