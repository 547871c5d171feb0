//! The kind of a record: a dotted name such as `chat.message`.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::MAX_RECORD_TYPE;

/// A record type: 1 to 64 bytes of ASCII letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
///
/// Names under `peergraph.` belong to the library. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(Arc<str>);

/// The text is not a record type. The caller's mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordTypeError {
    /// Empty, or longer than 64 bytes.
    #[error("a record type has 1 to {MAX_RECORD_TYPE} bytes, not {len}")]
    Length {
        /// The length found, in bytes.
        len: usize,
    },
    /// A character that is not allowed, or not allowed in front.
    #[error("a record type has letters, digits, '.', '_' and '-', and begins with a letter or digit")]
    Character,
}

impl RecordType {
    /// Presence of a node.
    pub const PRESENCE: &'static str = "peergraph.presence";
    /// Membership of a group: grants, invitations, removals.
    pub const CREDENTIAL: &'static str = "peergraph.credential";
    /// The name that a member of a group gives itself.
    pub const MEMBER_NAME: &'static str = "peergraph.member-name";
    /// Properties of the graph.
    pub const PROPERTIES: &'static str = "peergraph.properties";

    /// Checks and wraps a name.
    ///
    /// # Errors
    /// [`RecordTypeError`] says which rule the text breaks.
    pub fn new(name: &str) -> Result<Self, RecordTypeError> {
        if name.is_empty() || name.len() > MAX_RECORD_TYPE {
            return Err(RecordTypeError::Length { len: name.len() });
        }
        let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        if !name.as_bytes()[0].is_ascii_alphanumeric() || !name.bytes().all(fits) {
            return Err(RecordTypeError::Character);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for names that belong to the library.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with("peergraph.") || &*self.0 == "peergraph"
    }

    pub(crate) fn presence() -> Self {
        Self(Self::PRESENCE.into())
    }

    pub(crate) fn credential() -> Self {
        Self(Self::CREDENTIAL.into())
    }

    pub(crate) fn member_name() -> Self {
        Self(Self::MEMBER_NAME.into())
    }

    pub(crate) fn properties() -> Self {
        Self(Self::PROPERTIES.into())
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordType({})", self.0)
    }
}

impl Borrow<str> for RecordType {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for RecordType {
    type Err = RecordTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<&str> for RecordType {
    type Error = RecordTypeError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl PartialEq<str> for RecordType {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for RecordType {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl Serialize for RecordType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RecordType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        Self::new(text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "chat.message", "A-1_b.c", &"x".repeat(64)] {
            assert!(RecordType::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".a", "a b", "ä", "-a", &"x".repeat(65)] {
            assert!(RecordType::new(bad).is_err(), "{bad}");
        }
        assert!(RecordType::new("peergraph.x").unwrap().is_reserved());
        assert!(!RecordType::new("peergraphs.x").unwrap().is_reserved());
    }
}
