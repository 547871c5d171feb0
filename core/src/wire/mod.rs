//! What travels between nodes: messages, their frames, their limits.
//!
//! Encoding is postcard, canonical: one value has one encoding, and anything else is refused. A frame is a
//! four-byte little-endian length and one message. The sizes are checked before a byte is allocated for them.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use serde::{Serialize, de::DeserializeOwned};

mod compact;
mod frame;
mod hello;
mod join;
mod message;
mod price;
mod sync;

pub use frame::{DataAck, DataHead, MAX_NOT_TAKEN, data_head, next_data, next_frame, next_length, put_data};
pub use hello::EXPORTER_LABEL;
pub use join::{JoinDenied, JoinMessage, join_proof};
pub use message::{
    Announce, Connect, GivenKey, Goodbye, GoodbyeReason, HELLO_LEN, Hello, Lost, Mark, Message, Ping,
    Purpose, Refuse, RefuseReason, Stream, Welcome,
};
pub use price::{Class, Slot};
pub use sync::{Digest, Filter, Freshness, Range, RangeState, SyncMessage, TypeDigest};

/// The protocol's name in the TLS handshake.
pub const ALPN: &[u8] = b"peergraph/1";
/// The only version of the protocol so far.
pub const VERSION: u16 = 1;

/// The bytes are not a message. The sender's fault; ends the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub struct Malformed;

/// Decodes a value that takes up all the bytes, in its one encoding.
///
/// # Errors
/// [`Malformed`] if bytes are missing, left over, or not what the value encodes to.
pub fn decode_exact<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|_| Malformed)?;
    if !rest.is_empty() {
        return Err(Malformed);
    }
    // Postcard reads overlong integers; two encodings of one value would be two elements of one record.
    let again = postcard::to_stdvec(&value).map_err(|_| Malformed)?;
    if again == bytes { Ok(value) } else { Err(Malformed) }
}
