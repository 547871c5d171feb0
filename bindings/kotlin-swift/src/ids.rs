//! Identifiers, moments and durations: each crosses as bytes or a number, and is a type of its own in each language.

use std::time::Duration;

use peergraph::{GraphId, Moment, NodeId, PeerId, RecordId, Timestamp};

use crate::errors::{PeergraphError, Result, core, invalid};

macro_rules! id {
    ($name:ident, $len:literal) => {
        uniffi::custom_type!($name, Vec<u8>, {
            remote,
            lower: |id| id.as_bytes().to_vec(),
            try_lift: |bytes| {
                let raw = <[u8; $len]>::try_from(bytes).map_err(|_| {
                    PeergraphError::InvalidId(concat!("a ", stringify!($name), " has ", $len, " bytes").into())
                })?;
                Ok($name::from_bytes(raw))
            },
        });
    };
}

id!(NodeId, 32);
id!(PeerId, 32);
id!(GraphId, 32);
id!(RecordId, 16);

uniffi::custom_type!(Timestamp, i64, {
    remote,
    lower: |at| i64::try_from(at.0).unwrap_or(i64::MAX),
    // Times before 1970 become the epoch, as everywhere.
    try_lift: |milliseconds| Ok(Timestamp(u64::try_from(milliseconds).unwrap_or(0))),
});

uniffi::custom_type!(Moment, i64, {
    remote,
    lower: |at| at.0,
    // The core refuses what lies out of bounds, by the attribute's name.
    try_lift: |milliseconds| Ok(Moment(milliseconds)),
});

/// A duration, as microseconds on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub(crate) Duration);

uniffi::custom_type!(Span, i64, {
    lower: |span| i64::try_from(span.0.as_micros()).unwrap_or(i64::MAX),
    try_lift: |microseconds| match u64::try_from(microseconds) {
        Ok(microseconds) => Ok(Span(Duration::from_micros(microseconds))),
        Err(_) => Err(invalid("a duration cannot be negative").into()),
    },
});

/// The peer id of 64 hexadecimal digits.
///
/// # Errors
/// `InvalidId`.
#[uniffi::export]
pub fn native_peer_id(text: String) -> Result<PeerId> {
    core(text.parse::<PeerId>())
}

/// The node id of 64 hexadecimal digits.
///
/// # Errors
/// `InvalidId`.
#[uniffi::export]
pub fn native_node_id(text: String) -> Result<NodeId> {
    core(text.parse::<NodeId>())
}

/// The graph id of 64 hexadecimal digits.
///
/// # Errors
/// `InvalidId`.
#[uniffi::export]
pub fn native_graph_id(text: String) -> Result<GraphId> {
    core(text.parse::<GraphId>())
}

/// The record id of 32 hexadecimal digits.
///
/// # Errors
/// `InvalidId`.
#[uniffi::export]
pub fn native_record_id(text: String) -> Result<RecordId> {
    core(text.parse::<RecordId>())
}

/// True if this identity signed the message.
///
/// # Errors
/// `InvalidId` if the id has not 32 bytes.
#[uniffi::export]
pub fn native_verify(peer: PeerId, message: Vec<u8>, signature: Vec<u8>) -> Result<bool> {
    Ok(peer.verify(&message, &signature))
}
