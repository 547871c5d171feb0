//! What an application wants to publish, before it has an id, a clock reading and a signature.

use bytes::Bytes;

use super::{AttributeError, Attributes, RecordType, RecordTypeError};
use crate::time::Timestamp;

/// A record to be published.
#[derive(Clone, PartialEq, Debug)]
pub struct RecordDraft {
    /// Its kind.
    pub record_type: RecordType,
    /// Named values; at most 2 KiB encoded.
    pub attributes: Attributes,
    /// Its content; with the attributes at most the graph's record limit (default 1 MiB).
    pub body: Bytes,
    /// When it ceases to exist, in peer time. Default: never.
    pub expires: Option<Timestamp>,
}

/// A draft cannot become a record. The caller's mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// The type is not a name of the right form.
    #[error(transparent)]
    Type(#[from] RecordTypeError),
    /// The type belongs to the library.
    #[error("record type {0} is reserved")]
    Reserved(RecordType),
    /// The attributes break a rule.
    #[error(transparent)]
    Attributes(#[from] AttributeError),
    /// Body and attributes together exceed the graph's limit.
    #[error("the record has {len} bytes; this graph allows at most {max}")]
    TooLarge {
        /// Body plus encoded attributes, in bytes.
        len: usize,
        /// The graph's limit in bytes.
        max: usize,
    },
    /// The expiration is not in the future.
    #[error("the expiration is in the past")]
    Expired(Timestamp),
}

impl RecordDraft {
    /// A draft with a body and nothing else.
    ///
    /// # Errors
    /// [`RecordTypeError`] if the type is not a name of the right form.
    pub fn new(record_type: &str, body: impl Into<Bytes>) -> Result<Self, RecordTypeError> {
        Ok(Self {
            record_type: RecordType::new(record_type)?,
            attributes: Attributes::new(),
            body: body.into(),
            expires: None,
        })
    }

    /// The same with an attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<super::Value>) -> Self {
        self.attributes.insert(name, value);
        self
    }

    /// The same with an expiration in peer time.
    #[must_use]
    pub const fn expiring(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }

    /// Checks all rules that do not need the database.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self, max_record: usize, now: Timestamp) -> Result<(), DraftError> {
        if self.record_type.is_reserved() {
            return Err(DraftError::Reserved(self.record_type.clone()));
        }
        check_content(&self.attributes, &self.body, max_record)?;
        match self.expires {
            Some(at) if at <= now => Err(DraftError::Expired(at)),
            _ => Ok(()),
        }
    }
}

/// A change of a record. What is `None` stays as it is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RecordUpdate {
    /// New attributes, replacing all.
    pub attributes: Option<Attributes>,
    /// New content.
    pub body: Option<Bytes>,
    /// A later expiration, in peer time.
    pub expires: Option<Timestamp>,
    /// Update only if the record still has this version.
    pub expected_version: Option<u64>,
}

impl RecordUpdate {
    /// An update of the body.
    pub fn body(body: impl Into<Bytes>) -> Self {
        Self { body: Some(body.into()), ..Self::default() }
    }
}

/// Checks attributes, and their size together with the body's.
pub(crate) fn check_content(attributes: &Attributes, body: &[u8], max: usize) -> Result<(), DraftError> {
    attributes.check()?;
    let len = body.len().saturating_add(attributes.encoded_len());
    if len > max { Err(DraftError::TooLarge { len, max }) } else { Ok(()) }
}
