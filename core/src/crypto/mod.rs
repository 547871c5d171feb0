//! Signing, verifying, hashing, sealing: the only user of the cryptography crates.
//!
//! Signatures are Ed25519 with a domain prefix. Verification follows ZIP 215, because only its rules give one
//! signature the same verdict alone and in a batch; with other rules two honest replicas could disagree about a
//! record that its author malformed on purpose, and would never converge.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::fmt;

use ed25519_dalek::{Signer, SigningKey};
use ed25519_zebra::{VerificationKey, VerificationKeyBytes, batch};
use zeroize::Zeroizing;

use crate::ids::{NodeId, PeerId};

mod lthash;
mod opaque;
mod seal;
mod sealed_box;
pub(crate) mod signature_serde;
mod stream;

pub use lthash::LtHash;
pub use opaque::{PasswordError, PasswordProof, PasswordVerifier, PendingProof};
pub use seal::{
    NONCE_LEN, OpenError, PasswordCost, SALT_LEN, SEAL_OVERHEAD, SealSeed, open_with_key, open_with_password,
    password_key, seal_with_key, seal_with_password,
};
pub use sealed_box::{is_key, open_from, seal_to};
pub use stream::{OpeningReader, SealingWriter, StreamError};

/// The length of a signature in bytes.
pub const SIGNATURE_LEN: usize = 64;

/// An Ed25519 signature, not yet checked.
pub type SignatureBytes = [u8; SIGNATURE_LEN];

/// The private half of an identity or node key. Never shown by `Debug`; wiped when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Makes the key from 32 random bytes. Two keys from the same bytes are the same key.
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The 32 secret bytes, wiped when dropped.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half as an identity.
    pub fn peer(&self) -> PeerId {
        PeerId::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// The public half as a node.
    pub fn node(&self) -> NodeId {
        NodeId::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// Signs a message of an application; [`PeerId::verify`] checks it.
    pub fn sign_application(&self, message: &[u8]) -> SignatureBytes {
        self.sign(Domain::Application, self.peer().as_bytes(), message)
    }

    /// Signs a message under a domain; see [`signed_message`].
    pub fn sign(&self, domain: Domain, context: &[u8; 32], message: &[u8]) -> SignatureBytes {
        self.0.sign(&signed_message(domain, context, message)).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.peer().short())
    }
}

/// What a signature is for. No signature of one domain is valid in another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Domain {
    /// A record's header; context: the graph id.
    Record,
    /// A device certificate; context: the identity.
    Device,
    /// A node's word in its presence, by the node's key; context: the graph.
    Presence,
    /// Who comes by an invitation's key; context: the group.
    Join,
    /// An invitation as text; context: the group.
    Invitation,
    /// An identity's public description; context: the identity.
    Identity,
    /// A joiner's consent to use an invitation, by the invitation's key; context: the group.
    InvitationUse,
    /// By whom an invitation is issued, by the invitation's key; context: the group.
    InvitationIssuer,
    /// Whatever an application signs; context: the identity. Its own domain, so that no application can be talked
    /// into signing a record.
    Application,
}

impl Domain {
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Record => b"peergraph/v1/record\0",
            Self::Device => b"peergraph/v1/device\0",
            Self::Presence => b"peergraph/v1/presence\0",
            Self::Join => b"peergraph/v1/join\0",
            Self::Invitation => b"peergraph/v1/invitation\0",
            Self::Identity => b"peergraph/v1/identity\0",
            Self::InvitationUse => b"peergraph/v1/invitation use\0",
            Self::InvitationIssuer => b"peergraph/v1/invitation issuer\0",
            Self::Application => b"peergraph/v1/application\0",
        }
    }
}

/// The bytes that are signed: domain prefix, 32 bytes of context (so a record of one graph is worthless in
/// another), message.
pub fn signed_message(domain: Domain, context: &[u8; 32], message: &[u8]) -> Vec<u8> {
    [domain.prefix(), context, message].concat()
}

/// Checks one signature.
pub fn verify(
    key: &[u8; 32],
    domain: Domain,
    context: &[u8; 32],
    message: &[u8],
    signature: &SignatureBytes,
) -> bool {
    VerificationKey::try_from(*key)
        .and_then(|key| key.verify(&(*signature).into(), &signed_message(domain, context, message)))
        .is_ok()
}

impl PeerId {
    /// True if this identity signed the message for an application; anything else is false, a signature of another
    /// length too.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = self.as_bytes();
        signature.try_into().is_ok_and(|bytes| verify(key, Domain::Application, key, message, bytes))
    }
}

/// One signature to check in a batch.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The claimed signer's public key.
    pub key: &'a [u8; 32],
    /// What was signed, without domain and context.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a SignatureBytes,
}

/// Checks many signatures of one domain and context: about twice as fast as one by one while all are good.
///
/// Returns one verdict a claim. `seed` (from the machine's own randomness) weights the batch equation; an attacker
/// must not be able to predict it.
pub fn verify_batch(domain: Domain, context: &[u8; 32], claims: &[Claim<'_>], seed: u64) -> Vec<bool> {
    if claims.len() > 1 {
        let mut verifier = batch::Verifier::new();
        for claim in claims {
            let message = signed_message(domain, context, claim.message);
            verifier.queue((VerificationKeyBytes::from(*claim.key), (*claim.signature).into(), &message));
        }
        let rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
        if verifier.verify(rng).is_ok() {
            return vec![true; claims.len()];
        }
    }
    claims.iter().map(|c| verify(c.key, domain, context, c.message, c.signature)).collect()
}

/// BLAKE3 of several parts, under a context string that separates its uses.
pub fn hash(context: &'static str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// BLAKE3 of what comes piece by piece, under a context string that separates its uses.
#[derive(Clone, Debug)]
pub struct RunningHash(blake3::Hasher);

impl RunningHash {
    /// Of nothing yet.
    pub fn new(context: &'static str) -> Self {
        Self(blake3::Hasher::new_derive_key(context))
    }

    /// Adds a piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all pieces so far.
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// Plain BLAKE3, as applications compute it: for bodies.
pub fn body_hash(body: &[u8]) -> [u8; 32] {
    *blake3::hash(body).as_bytes()
}

/// The first 16 bytes of the BLAKE3 hash of a signed envelope.
pub fn envelope_hash(envelope: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(envelope).as_bytes()[..16]);
    short
}

/// Keyed BLAKE3: a message authentication code.
pub fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// Compares two codes in constant time.
pub fn same_mac(a: &[u8; 32], b: &[u8; 32]) -> bool {
    blake3::Hash::from_bytes(*a) == blake3::Hash::from_bytes(*b)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: [u8; 32] = [9; 32];

    #[test]
    fn a_signature_holds_in_its_domain_and_context_only() {
        let key = SecretKey::from_bytes(&[1; 32]);
        let peer = key.peer();
        let signature = key.sign(Domain::Record, &CONTEXT, b"hello");
        assert!(verify(peer.as_bytes(), Domain::Record, &CONTEXT, b"hello", &signature));
        assert!(!verify(peer.as_bytes(), Domain::Device, &CONTEXT, b"hello", &signature));
        assert!(!verify(peer.as_bytes(), Domain::Record, &[8; 32], b"hello", &signature));
        assert!(!verify(peer.as_bytes(), Domain::Record, &CONTEXT, b"hellO", &signature));
    }

    #[test]
    fn a_batch_names_the_bad_one() {
        let keys: Vec<_> = (0..5).map(|i| SecretKey::from_bytes(&[i; 32])).collect();
        let peers: Vec<_> = keys.iter().map(SecretKey::peer).collect();
        let mut signatures: Vec<_> = keys.iter().map(|k| k.sign(Domain::Record, &CONTEXT, b"m")).collect();
        let verdicts = |signatures: &[SignatureBytes]| {
            let claims: Vec<_> = peers
                .iter()
                .zip(signatures)
                .map(|(p, s)| Claim { key: p.as_bytes(), message: b"m", signature: s })
                .collect();
            verify_batch(Domain::Record, &CONTEXT, &claims, 7)
        };
        assert_eq!(verdicts(&signatures), [true; 5]);
        signatures[3][0] ^= 1;
        assert_eq!(verdicts(&signatures), [true, true, true, false, true]);
        assert!(verify_batch(Domain::Record, &CONTEXT, &[], 7).is_empty());
    }

    #[test]
    fn what_an_application_signs_is_nothing_else() {
        let key = SecretKey::from_bytes(&[1; 32]);
        let peer = key.peer();
        let signature = key.sign_application(b"hello");
        assert!(peer.verify(b"hello", &signature));
        assert!(!peer.verify(b"hellO", &signature));
        assert!(!peer.verify(b"hello", &signature[..63]));
        assert!(!SecretKey::from_bytes(&[2; 32]).peer().verify(b"hello", &signature));
        for domain in [Domain::Record, Domain::Device, Domain::Identity] {
            assert!(!verify(peer.as_bytes(), domain, peer.as_bytes(), b"hello", &signature));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = SecretKey::from_bytes(&[0x5a; 32]);
        assert!(!format!("{key:?}").contains("5a5a"));
    }
}
