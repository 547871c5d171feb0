//! Coming into a group without a membership: what is said on a link of [`Purpose::Join`](super::Purpose::Join).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    crypto::SignatureBytes,
    ids::{ActId, PeerId},
    limits::{MAX_NAME, MAX_PROOF, MAX_SHOWN, REFERRALS},
    record::{DeviceCertificate, NodeAddr},
};

/// One message of joining.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum JoinMessage {
    /// The joiner has the key of an invitation.
    Invite {
        /// The public half.
        key: PeerId,
        /// Who issued the invitation, by its text: another may have claimed the same key.
        issuer: PeerId,
        /// The key's signature over this very link, see [`join_proof`].
        #[serde(with = "crate::crypto::signature_serde")]
        signature: SignatureBytes,
        /// The joiner's friendly name, at most 255 bytes.
        name: String,
    },
    /// The admitter's answer to an invitation's key: which invitation is to be used.
    Use(ActId),
    /// The joiner's last word: the key's signature over invitation and joiner, see
    /// [`use_message`](crate::authority::use_message).
    Used(#[serde(with = "crate::crypto::signature_serde")] SignatureBytes),
    /// The joiner has a password: the first message of the proof.
    Password {
        /// The request.
        request: Bytes,
        /// The joiner's friendly name, at most 255 bytes.
        name: String,
    },
    /// The admitter's answer.
    Challenge(Bytes),
    /// The joiner's last word: proves that it knows the password.
    Proof(Bytes),
    /// The joiner is a member: the grants from the creator's down to its own, and renewals, as signed records.
    Granted {
        /// The records.
        #[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_SHOWN>")]
        chain: Vec<Bytes>,
        /// True if it was a member before it asked.
        again: bool,
    },
    /// The joiner is not let in.
    Denied {
        /// Why.
        reason: JoinDenied,
        /// Nodes that may let it in, at most ten.
        #[serde(deserialize_with = "crate::bounded::list::<_, _, REFERRALS>")]
        referrals: Vec<NodeAddr>,
    },
    /// From a member that is no admitter to one that is: somebody asks it to be let in by a password. What follows on this link is the
    /// exchange with that joiner.
    Relayed {
        /// The joiner's certificate.
        device: DeviceCertificate,
        /// The exporter of the connection between the joiner and the member.
        exporter: [u8; 32],
        /// As in `Password`.
        request: Bytes,
        /// As in `Password`.
        name: String,
    },
}

/// Why a joiner was not let in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum JoinDenied {
    /// This node may not let anybody in; others may.
    NotAdmitter,
    /// There is no such invitation here.
    Unknown,
    /// Its time is over.
    Expired,
    /// As many came as may.
    UsedUp,
    /// It was taken back.
    Revoked,
    /// The proof is wrong: another password, or not this link.
    WrongProof,
    /// No password lets in.
    NoPassword,
    /// Too many tried; try again after so many seconds.
    Throttled(u32),
    /// This identity was removed from the group.
    Removed,
}

impl JoinMessage {
    /// As that of a message: lists are bounded where they are decoded, and every field is named.
    pub(super) fn in_bounds(&self) -> bool {
        match self {
            Self::Use(_) | Self::Used(_) => true,
            Self::Invite { key: _, issuer: _, signature: _, name } => name.len() <= MAX_NAME,
            Self::Password { request, name } | Self::Relayed { device: _, exporter: _, request, name } => {
                request.len() <= MAX_PROOF && name.len() <= MAX_NAME
            }
            Self::Challenge(bytes) | Self::Proof(bytes) => bytes.len() <= MAX_PROOF,
            Self::Granted { chain, again: _ } => !chain.is_empty(),
            Self::Denied { reason: _, referrals: _ } => true,
        }
    }
}

/// What the key of an invitation signs: who comes, and the TLS connection on which, so that nobody can use it in
/// another's place.
pub fn join_proof(exporter: &[u8; 32], joiner: &PeerId, node: &crate::ids::NodeId) -> Vec<u8> {
    [&exporter[..], joiner.as_bytes(), node.as_bytes()].concat()
}
