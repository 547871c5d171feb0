//! Who may write what: the rules of reserved types, and the pluggable policy for all others.

use std::fmt;

use super::RejectReason;
use crate::{
    limits::MAX_PRESENCE_RECORD,
    record::{Genesis, GraphProperties, Header, MemberName, Presence, RecordType, SignedRecord},
    wire::decode_exact,
};

/// What a policy says to a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It may be stored.
    Accept,
    /// It may not, now or ever.
    Reject(RejectReason),
    /// Not known yet: the credential with this hash is missing.
    Defer {
        /// The hash of the credential.
        missing: [u8; 32],
    },
}

/// Decides about records whose form, time and signature are good.
///
/// The verdict must not depend on the order in which records arrive, or two databases would differ for ever: it may
/// depend on the record and on credentials that reach every node. Of `previous` it may only use what all versions
/// of a record share, or what merely postpones the verdict.
pub trait RecordPolicy: Send + fmt::Debug {
    /// The verdict on a record that would replace `previous`.
    fn check(&self, record: &SignedRecord, previous: Option<&SignedRecord>) -> Verdict;

    /// True if [`check`](Self::check) looks at `previous`; it is only read from the database then.
    fn needs_previous(&self) -> bool {
        false
    }
}

/// The policy of a plain graph: whoever holds the ticket may write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenPolicy;

impl RecordPolicy for OpenPolicy {
    fn check(&self, _: &SignedRecord, _: Option<&SignedRecord>) -> Verdict {
        Verdict::Accept
    }
}

/// The nonce of the record with the graph's properties.
pub const PROPERTIES_NONCE: [u8; 16] = [0; 16];

/// The nonce of the record with a member's name: one identity has one name.
pub const MEMBER_NAME_NONCE: [u8; 16] = [1; 16];

/// The nonce of a node's presence record: one node has one presence.
pub fn presence_nonce(node: &crate::ids::NodeId) -> [u8; 16] {
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&node.as_bytes()[..16]);
    nonce
}

/// The rules of the library's own types. They hold under every policy.
pub(super) fn check_reserved(record: &SignedRecord, genesis: &Genesis) -> Result<(), RejectReason> {
    let header = record.header();
    let is_properties = header.record_type == RecordType::PROPERTIES;
    // Nothing else may live under this id, or the properties could be replaced by it.
    if header.creator == genesis.creator && header.nonce == PROPERTIES_NONCE && !is_properties {
        return Err(RejectReason::Rule("the id of the properties is taken by another type"));
    }
    if genesis.is_group()
        && header.nonce == MEMBER_NAME_NONCE
        && header.record_type != RecordType::MEMBER_NAME
    {
        return Err(RejectReason::Rule("the id of a member's name is taken by another type"));
    }
    if !header.record_type.is_reserved() {
        let rule = "records of groups, and no others, say where they come from";
        return if header.origin.is_some() == genesis.is_group() {
            Ok(())
        } else {
            Err(RejectReason::Rule(rule))
        };
    }
    if is_properties {
        return check_properties(record, genesis);
    }
    if header.editor.is_some() {
        return Err(RejectReason::Rule("presence, names and credentials are written by their creator"));
    }
    if header.record_type == RecordType::CREDENTIAL && genesis.is_group() {
        return check_credential(header);
    }
    if header.record_type == RecordType::MEMBER_NAME && genesis.is_group() {
        return check_member_name(record);
    }
    if header.record_type == RecordType::PRESENCE {
        check_presence(record, genesis)
    } else {
        Err(RejectReason::ReservedType)
    }
}

fn check_properties(record: &SignedRecord, genesis: &Genesis) -> Result<(), RejectReason> {
    let header = record.header();
    if header.creator != genesis.creator || header.nonce != PROPERTIES_NONCE {
        return Err(RejectReason::Rule("the properties have one id, made by the graph's creator"));
    }
    if header.deleted || header.expires.is_some() {
        return Err(RejectReason::Rule("the properties stay"));
    }
    match decode_exact::<GraphProperties>(&record.body()) {
        Ok(properties) if properties.check().is_ok() => Ok(()),
        _ => Err(RejectReason::Rule("the body is not properties of a graph")),
    }
}

/// A credential never changes; what it says is the business of the group.
fn check_credential(header: &Header) -> Result<(), RejectReason> {
    let plain = header.version == 1 && header.expires.is_none() && header.attributes.is_empty();
    if plain { Ok(()) } else { Err(RejectReason::Rule("a credential is written once, and stays")) }
}

fn check_member_name(record: &SignedRecord) -> Result<(), RejectReason> {
    let header = record.header();
    if header.nonce != MEMBER_NAME_NONCE || header.deleted || header.expires.is_some() {
        return Err(RejectReason::Rule("a member has one name, which stays"));
    }
    match decode_exact::<MemberName>(&record.body()) {
        Ok(name) if name.is_sound() && header.attributes.is_empty() => Ok(()),
        _ => Err(RejectReason::Rule("the body is not a member's name")),
    }
}

fn check_presence(record: &SignedRecord, genesis: &Genesis) -> Result<(), RejectReason> {
    let header = record.header();
    if header.deleted {
        return Ok(());
    }
    let Some(expires) = header.expires else {
        return Err(RejectReason::Rule("a presence ends"));
    };
    // By what it says itself, so the same everywhere and at any time.
    if expires.since(header.hlc.timestamp()) > MAX_PRESENCE_RECORD {
        return Err(RejectReason::Rule("a presence lives for 30 days at most"));
    }
    if record.is_stub() {
        // It only ends an earlier version of the same record, so of the same identity.
        return Ok(());
    }
    let presence = decode_exact::<Presence>(&record.body());
    let Ok(presence) = presence else {
        return Err(RejectReason::Rule("the body is not a presence"));
    };
    if presence.device.peer != header.creator || header.nonce != presence_nonce(&presence.device.node) {
        return Err(RejectReason::Rule("a presence is of its creator's own node"));
    }
    if presence.addr.clone().trimmed() != presence.addr || !presence.is_sound(&genesis.id()) {
        return Err(RejectReason::Rule("an unsound presence"));
    }
    Ok(())
}
