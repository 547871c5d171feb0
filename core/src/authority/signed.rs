//! Acts as records: one act has exactly one record, and one id.
//!
//! A record of the credential type holds an act, or a chunk of a list of kept records. An act's author, grant and time
//! are those of the record's header; the rest of the header is fixed, and its nonce is the beginning of the act's id, which
//! is the hash of everything that the act says. So there are no two records of one act but for the signature.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{ActBody, Content, Fault, KeepChunk, KeepKey};
use crate::{
    crypto,
    ids::{ActId, PeerId},
    limits::MAX_ACT,
    record::{Header, RecordType, SignedRecord},
    time::{Hlc, Timestamp},
    wire::decode_exact,
};

/// An act whose signature is good.
#[derive(Clone, PartialEq, Eq)]
pub struct Act {
    id: ActId,
    body: Arc<ActBody>,
}

/// What a record of the credential type holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credential {
    /// An act.
    Act(Act),
    /// A chunk of a list that an act of the same author, grant and time names.
    Chunk(KeepChunk),
}

/// The body of such a record.
#[derive(Serialize, Deserialize)]
enum Body {
    Act { after: Vec<ActId>, content: Box<Content> },
    Chunk(Vec<KeepKey>),
}

impl Credential {
    /// Reads a record whose signature is good, and checks its form: the one encoding, the one header, and the bounds of all
    /// fields.
    ///
    /// # Errors
    /// [`Fault::Malformed`].
    pub fn of(record: &SignedRecord) -> Result<Self, Fault> {
        let (header, body) = (record.header(), record.body());
        if body.len() > MAX_ACT || header.record_type != RecordType::CREDENTIAL {
            return Err(Fault::Malformed);
        }
        let (author, by, at) = (header.creator, header.grant, header.hlc.timestamp());
        let (credential, mut only) = match decode_exact(&body).map_err(|_| Fault::Malformed)? {
            Body::Act { after, content } => {
                let by = by.map(ActId::from_bytes);
                let act = Act::draft(ActBody { author, by, after, at, content: *content });
                act.body.check_form()?;
                let only = act.body.header(&act.id);
                (Self::Act(act), only)
            }
            Body::Chunk(keys) => {
                let chunk = KeepChunk::new(keys)?;
                let only = chunk.header(author, by, at);
                (Self::Chunk(chunk), only)
            }
        };
        (only.body_len, only.body_hash) = (header.body_len, header.body_hash);
        if only == *header { Ok(credential) } else { Err(Fault::Malformed) }
    }

    /// What others may wait for: the act, and the chunks that it names.
    pub fn provides(&self) -> Vec<[u8; 32]> {
        match self {
            Self::Act(act) => {
                [*act.id.as_bytes()].into_iter().chain(act.body.chunks().iter().copied()).collect()
            }
            Self::Chunk(_) => Vec::new(),
        }
    }

    /// The act, if it is one.
    pub fn into_act(self) -> Option<Act> {
        match self {
            Self::Act(act) => Some(act),
            Self::Chunk(_) => None,
        }
    }
}

impl Act {
    /// The act of a record whose signature is good; `None` for other records and other contents.
    pub fn of(record: &SignedRecord) -> Option<Self> {
        Credential::of(record).ok()?.into_act()
    }

    /// An act that is about to be signed by its author.
    pub fn draft(body: ActBody) -> Self {
        let encoded = postcard::to_stdvec(&body).expect("an act always encodes");
        Self { id: ActId::from_bytes(crypto::hash("peergraph v1 act", &[&encoded])), body: Arc::new(body) }
    }

    /// The hash of everything that the act says.
    pub const fn id(&self) -> ActId {
        self.id
    }

    /// What it says.
    pub fn body(&self) -> &ActBody {
        &self.body
    }

    /// Header and body of the one record of this act, to be signed by its author.
    pub fn to_record(&self) -> (Header, Vec<u8>) {
        let (after, content) = (self.body.after.clone(), Box::new(self.body.content.clone()));
        (self.body.header(&self.id), encode(&Body::Act { after, content }))
    }

    /// An act that nobody signed: signatures are a third of the time of a model checker. An invitation without a proof gets one.
    #[cfg(test)]
    pub(super) fn unsigned(body: ActBody) -> Self {
        Self::draft(super::tests::world::proven(body))
    }
}

impl ActBody {
    fn header(&self, id: &ActId) -> Header {
        let nonce = id.as_bytes()[..16].try_into().expect("an id has 32 bytes");
        fixed(nonce, self.author, self.by.map(|by| *by.as_bytes()), self.at)
    }
}

impl KeepChunk {
    /// Header and body of the record of this chunk beside an act that names it, to be signed by the act's author.
    pub fn to_record(&self, act: &ActBody) -> (Header, Vec<u8>) {
        let by = act.by.map(|by| *by.as_bytes());
        (self.header(act.author, by, act.at), encode(&Body::Chunk(self.keys().to_vec())))
    }

    fn header(&self, author: PeerId, by: Option<[u8; 32]>, at: Timestamp) -> Header {
        let nonce = self.hash()[..16].try_into().expect("a hash has 32 bytes");
        fixed(nonce, author, by, at)
    }
}

fn fixed(nonce: [u8; 16], author: PeerId, grant: Option<[u8; 32]>, at: Timestamp) -> Header {
    Header { grant, ..Header::first(RecordType::credential(), nonce, author, Hlc::at(at)) }
}

fn encode(body: &Body) -> Vec<u8> {
    postcard::to_stdvec(body).expect("a credential always encodes")
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Act({}, {:?})", self.id.short(), self.body)
    }
}
