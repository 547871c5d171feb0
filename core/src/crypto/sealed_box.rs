//! Encrypting to an identity: HPKE (RFC 9180) in base mode with X25519, HKDF-SHA256 and ChaCha20-Poly1305.
//!
//! The X25519 key is the identity's Ed25519 key in its other form (the birational map of RFC 7748), as in libsodium.

use ed25519_dalek::VerifyingKey;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal_with_rng,
};
use rand::{SeedableRng, rngs::StdRng};
use zeroize::Zeroizing;

use super::SecretKey;
use crate::ids::PeerId;

type X25519 = X25519HkdfSha256;

const DOMAIN: &[u8] = b"peergraph/v1/sealed-box\0";
/// The length of the sender's one-time key, which goes in front.
const KEY_LEN: usize = 32;

/// Encrypts for the holder of an identity's key. `seed`: 32 fresh random bytes. `None` if the identity is no key.
pub fn seal_to(recipient: &PeerId, seed: [u8; 32], context: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
    let key = verifying(recipient)?;
    let public = <X25519 as Kem>::PublicKey::from_bytes(&key.to_montgomery().to_bytes()).ok()?;
    let mut rng = StdRng::from_seed(seed);
    let info = [DOMAIN, context].concat();
    let (once, sealed) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519>(
        &OpModeS::Base,
        &public,
        &info,
        plaintext,
        recipient.as_bytes(),
        &mut rng,
    )
    .ok()?;
    Some([&once.to_bytes()[..], &sealed].concat())
}

/// True if something can be encrypted to this id: it is a public key, and not a weak one.
pub fn is_key(id: &PeerId) -> bool {
    verifying(id).is_some()
}

fn verifying(id: &PeerId) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(id.as_bytes()).ok().filter(|key| !key.is_weak())
}

/// Decrypts what [`seal_to`] made for this key; `None` if it is for another, of another context, or altered.
pub fn open_from(key: &SecretKey, context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (once, sealed) = sealed.split_at_checked(KEY_LEN)?;
    let scalar = Zeroizing::new(key.0.to_scalar_bytes());
    let private = <X25519 as Kem>::PrivateKey::from_bytes(&*scalar).ok()?;
    let once = <X25519 as Kem>::EncappedKey::from_bytes(once).ok()?;
    let info = [DOMAIN, context].concat();
    single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519>(
        &OpModeR::Base,
        &private,
        &once,
        &info,
        sealed,
        key.peer().as_bytes(),
    )
    .ok()
    .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_identity_opens_it() {
        let (key, other) = (SecretKey::from_bytes(&[1; 32]), SecretKey::from_bytes(&[2; 32]));
        let sealed = seal_to(&key.peer(), [3; 32], b"here", b"hello").unwrap();
        assert_eq!(open_from(&key, b"here", &sealed).unwrap().as_slice(), b"hello");
        assert!(open_from(&other, b"here", &sealed).is_none());
        assert!(open_from(&key, b"there", &sealed).is_none());
        for at in 0..sealed.len() {
            assert!(open_from(&key, b"here", &sealed[..at]).is_none(), "cut at {at}");
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(open_from(&key, b"here", &altered).is_none(), "byte {at}");
        }
        assert!(seal_to(&PeerId::from_bytes([0; 32]), [3; 32], b"", b"x").is_none(), "a weak key");
    }
}
