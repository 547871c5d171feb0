//! Identifiers: who, what and which, each its own type with a text form.
//!
//! All are plain bytes; nothing here knows how they are made (see [`crate::crypto`] and [`crate::record`]).

use std::{fmt, str::FromStr};

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Serialize};

/// The text is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: expected {digits} hexadecimal digits")]
pub struct ParseIdError {
    /// The kind of identifier that was wanted.
    pub kind: &'static str,
    /// How many hexadecimal digits it has.
    pub digits: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; $len]);

        impl $name {
            /// The identifier's length in bytes.
            pub const LEN: usize = $len;

            /// Wraps raw bytes.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The first ten hexadecimal digits, for logs and screens.
            pub fn short(&self) -> String {
                HEXLOWER_PERMISSIVE.encode(&self.0[..5])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER_PERMISSIVE.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                HEXLOWER_PERMISSIVE
                    .decode(text.as_bytes())
                    .ok()
                    .and_then(|bytes| bytes.try_into().ok())
                    .map(Self)
                    .ok_or(ParseIdError { kind: $kind, digits: 2 * $len })
            }
        }
    };
}

id!(
    /// A person or service: the Ed25519 public key of an identity. Stable; may live on several nodes.
    #[doc(alias = "PEER_IDENTITY")]
    PeerId, 32, "peer id"
);
id!(
    /// One running instance: the Ed25519 public key of an iroh endpoint, by which it is dialled.
    #[doc(alias = "ullNodeId")]
    NodeId, 32, "node id"
);
id!(
    /// A graph: the BLAKE3 hash of its [`Genesis`](crate::record::Genesis).
    #[doc(alias = "pwzGraphId")]
    GraphId, 32, "graph id"
);
id!(
    /// A record, through all its versions: 16 bytes of BLAKE3(graph, creator, nonce), so that nobody can claim
    /// another's.
    RecordId, 16, "record id"
);
id!(
    /// One signed version of a record: 16 bytes of the BLAKE3 hash of its signed envelope.
    ElementId, 16, "element id"
);

id!(
    /// An act of authority: the BLAKE3 hash of its signed bytes.
    ActId, 32, "act id"
);

impl ElementId {
    /// The first eight bytes: enough to tell the versions of one record apart.
    pub fn prefix(&self) -> [u8; 8] {
        self.0[..8].try_into().expect("an element id has 16 bytes")
    }
}

impl NodeId {
    /// The first eight bytes as a number: how trees and marks name a node in few bytes.
    pub fn tag(&self) -> u64 {
        u64::from_be_bytes(self.0[..8].try_into().expect("a node id has 32 bytes"))
    }
}

/// A link of one node to another in one graph. Local to the node; never sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);

/// A neighbor link or direct connection as applications see it. Local to the node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[doc(alias = "ullConnectionId")]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A local sequence number: the place of a change in this database's feed. Starts at 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Lsn(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_refuses_the_rest() {
        let id = RecordId::from_bytes([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        for bad in ["", "ab", "zz", &id.to_string()[1..], &format!("{id}00")] {
            assert!(bad.parse::<RecordId>().is_err(), "{bad}");
        }
        assert_eq!(format!("{id:?}"), "RecordId(ababababab)");
    }
}
