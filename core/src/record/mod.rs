//! The nouns of the database: what a record is, before and after it is signed.
//!
//! Trust is a type: a [`RecordDraft`] is what an application wants, a [`SignedRecord`] is what somebody claims, and
//! only [`crate::records::admit`] makes a `VerifiedRecord` of it. [`Record`] is the readable form.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    crypto,
    ids::{ElementId, GraphId, PeerId, RecordId},
    time::{Hlc, Timestamp},
};

mod address;
mod attributes;
mod draft;
mod genesis;
mod origin;
mod record_type;
mod reserved;
mod rules;
mod signed;
pub(crate) mod text;
mod ticket;

pub use address::NodeAddr;
pub use attributes::{AttributeError, Attributes, Value};
pub(crate) use draft::check_content;
pub use draft::{DraftError, RecordDraft, RecordUpdate};
pub use genesis::{DeviceCertificate, Genesis, GraphSecret};
pub use origin::{Made, MadeProof, Origin};
pub use record_type::{RecordType, RecordTypeError};
pub use reserved::{GraphProperties, MemberName, Presence, PropertiesError};
pub use rules::{GroupRules, Role, TypeRule, UnknownRole, Who};
pub use signed::{DecodeError, Header, SignedRecord};
pub use ticket::{Ticket, TicketError};

/// Names one signed version of one record: the element of reconciliation, ordered by time first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RecordKey {
    /// When the version was written, by its author's hybrid clock.
    pub hlc: Hlc,
    /// The hash of its signed envelope.
    pub element: ElementId,
}

impl RecordKey {
    /// The length of the byte form.
    pub const LEN: usize = 24;
    /// Before every key.
    pub const MIN: Self = Self { hlc: Hlc(0), element: ElementId::from_bytes([0; 16]) };
    /// After every key.
    pub const MAX: Self = Self { hlc: Hlc(u64::MAX), element: ElementId::from_bytes([0xff; 16]) };

    /// The least key after this one.
    #[must_use]
    pub fn next(&self) -> Self {
        let element = u128::from_be_bytes(*self.element.as_bytes());
        match element.checked_add(1) {
            Some(next) => Self { hlc: self.hlc, element: ElementId::from_bytes(next.to_be_bytes()) },
            None => Self { hlc: Hlc(self.hlc.0.saturating_add(1)), element: ElementId::from_bytes([0; 16]) },
        }
    }

    /// Big-endian clock, then element: sorts as the key does.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.hlc.0.to_be_bytes());
        bytes[8..].copy_from_slice(self.element.as_bytes());
        bytes
    }

    /// Reads the byte form.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let (hlc, element) = bytes.split_at(8);
        Self {
            hlc: Hlc(u64::from_be_bytes(hlc.try_into().expect("eight bytes"))),
            element: ElementId::from_bytes(element.try_into().expect("sixteen bytes")),
        }
    }
}

/// The id of the record that `creator` makes with `nonce`, outside of groups and of the library's own types; those of groups
/// have an [`Origin`].
pub fn record_id(graph: &GraphId, creator: &PeerId, nonce: &[u8; 16]) -> RecordId {
    let digest = crypto::hash("peergraph v1 record id", &[graph.as_bytes(), creator.as_bytes(), nonce]);
    RecordId::from_bytes(digest[..16].try_into().expect("a digest has 32 bytes"))
}

/// What happened to a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[doc(alias = "PEER_RECORD_CHANGE_TYPE")]
pub enum ChangeKind {
    /// It was not here before.
    Added,
    /// A newer version took its place.
    Updated,
    /// It was deleted.
    Deleted,
    /// Its time was over.
    Expired,
}

/// Whether a record's body could be read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum BodyState {
    /// It is here as its author wrote it.
    #[default]
    Clear,
    /// It is encrypted, and the key has not come yet, or will not: read the record again later. Keys come before records
    /// as a rule; no event of its own tells that one came.
    KeyMissing,
    /// A member wrote what is no encrypted body, or another record's.
    Unreadable,
}

/// One record as applications read it.
#[derive(Clone, PartialEq)]
#[doc(alias = "PEER_RECORD")]
pub struct Record {
    /// Stays the same through all versions.
    pub id: RecordId,
    /// What kind of record this is.
    pub record_type: RecordType,
    /// Counts from 1, one up with every update.
    pub version: u64,
    /// Who made the record.
    pub creator: PeerId,
    /// Who wrote this version.
    pub author: PeerId,
    /// When the record was made, in peer time.
    pub created: Timestamp,
    /// When this version was written, in peer time.
    pub modified: Timestamp,
    /// When it ceases to exist, if ever, in peer time.
    pub expires: Option<Timestamp>,
    /// True for what a delete leaves behind: no attributes, no body.
    pub deleted: bool,
    /// Named values.
    pub attributes: Attributes,
    /// The content; empty if it could not be read.
    pub body: Bytes,
    /// Whether it could, in a group with [encrypted bodies](GroupRules::encrypted_bodies).
    pub body_state: BodyState,
    /// Which version this is, for reconciliation and for telling two versions apart.
    pub key: RecordKey,
    /// The version that its author replaced, if any.
    pub replaced: Option<ElementId>,
    /// True for a version written by this identity that others cannot accept yet, because this machine's clock was ahead
    /// when it was written. It is kept, and sent by itself once the clock is right. Always false for others' versions.
    pub held: bool,
}

impl Record {
    /// The body as text, if it is UTF-8.
    pub fn body_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }

    /// True if it ceased to exist at or before `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("type", &self.record_type)
            .field("version", &self.version)
            .field("author", &self.author)
            .field("deleted", &self.deleted)
            .field("body_len", &self.body.len())
            .field("body_state", &self.body_state)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}
