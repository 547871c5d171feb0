//! Sealing: what is written down and only the holder of a key or password may read.
//!
//! XChaCha20-Poly1305 with a random nonce; a password becomes a key by Argon2id. What a password seals says how
//! expensive that was, so that the default can rise without making older data unreadable.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

/// The length of a nonce in bytes: long enough to be random.
pub const NONCE_LEN: usize = 24;
/// The length of a salt in bytes.
pub const SALT_LEN: usize = 16;
/// How many bytes longer sealed data is than what is in it.
pub const SEAL_OVERHEAD: usize = 16;

/// Sealed data could not be opened: another key or password, or it was altered. Which one, nobody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key or password is wrong, or the data was changed")]
pub struct OpenError;

/// Seals data under a key. The context is not kept: the same one must be given to open it, so that sealed data cannot
/// be put to another use.
///
/// The nonce must be random, or never have been used with this key before.
pub fn seal_with_key(key: &[u8; 32], nonce: [u8; NONCE_LEN], context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let payload = Payload { msg: plaintext, aad: context };
    XChaCha20Poly1305::new(key.into())
        .encrypt(&XNonce::from(nonce), payload)
        .expect("nothing that fits into memory is too long")
}

/// Opens what [`seal_with_key`] made.
///
/// # Errors
/// [`OpenError`] if key, nonce or context are others, or the data was altered.
pub fn open_with_key(
    key: &[u8; 32],
    nonce: [u8; NONCE_LEN],
    context: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let payload = Payload { msg: sealed, aad: context };
    let opened = XChaCha20Poly1305::new(key.into()).decrypt(&XNonce::from(nonce), payload);
    opened.map(Zeroizing::new).map_err(|_| OpenError)
}

/// What one guess at a password costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordCost {
    /// Memory in KiB: at least 8 for each lane, at most 256 MiB.
    pub memory: u32,
    /// Passes over it: 1 to 16.
    pub passes: u8,
    /// Independent lanes: 1 to 8.
    pub lanes: u8,
}

impl Default for PasswordCost {
    /// 19 MiB, two passes, one lane: what OWASP asks for, some 20 ms.
    fn default() -> Self {
        Self { memory: 19 * 1024, passes: 2, lanes: 1 }
    }
}

impl PasswordCost {
    /// The least there is. For tests, and for passwords that are random keys.
    pub const LEAST: Self = Self { memory: 8, passes: 1, lanes: 1 };
    const MAX_MEMORY: u32 = 256 * 1024;
    const MAX_PASSES: u8 = 16;
    const MAX_LANES: u8 = 8;
    const LEN: usize = 6;

    /// True if it lies in its bounds. Whoever hands us sealed data chooses its cost, so it is checked before anything
    /// is allocated.
    pub fn is_sound(&self) -> bool {
        (1..=Self::MAX_LANES).contains(&self.lanes)
            && (1..=Self::MAX_PASSES).contains(&self.passes)
            && (8 * u32::from(self.lanes)..=Self::MAX_MEMORY).contains(&self.memory)
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let [a, b, c, d] = self.memory.to_le_bytes();
        [a, b, c, d, self.passes, self.lanes]
    }

    pub(super) const fn from_bytes([a, b, c, d, passes, lanes]: [u8; Self::LEN]) -> Self {
        Self { memory: u32::from_le_bytes([a, b, c, d]), passes, lanes }
    }
}

/// The key that follows from a password: slow on purpose.
///
/// # Errors
/// [`OpenError`] if the cost is out of bounds.
pub fn password_key(
    password: impl AsRef<[u8]>,
    salt: &[u8; SALT_LEN],
    cost: PasswordCost,
) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    if !cost.is_sound() {
        return Err(OpenError);
    }
    let params = Params::new(cost.memory, cost.passes.into(), cost.lanes.into(), Some(32));
    let params = params.map_err(|_| OpenError)?;
    let mut memory = Zeroizing::new(vec![Block::default(); params.block_count()]);
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.as_ref(), salt, &mut *key, memory.as_mut_slice())
        .map_err(|_| OpenError)?;
    Ok(key)
}

/// The randomness that sealing with a password takes. Never to be used twice.
#[derive(Clone, Copy, Debug)]
pub struct SealSeed {
    /// Makes equal passwords different keys.
    pub salt: [u8; SALT_LEN],
    /// Makes equal data look different.
    pub nonce: [u8; NONCE_LEN],
}

const VERSION: u8 = 1;
const SALT_AT: usize = 1 + PasswordCost::LEN;
const NONCE_AT: usize = SALT_AT + SALT_LEN;
const HEADER_LEN: usize = NONCE_AT + NONCE_LEN;

/// Seals data under a password: version, cost, salt, nonce, sealed data. The context as in [`seal_with_key`].
///
/// # Panics
/// If the cost is not [sound](PasswordCost::is_sound).
pub fn seal_with_password(
    password: &str,
    seed: SealSeed,
    cost: PasswordCost,
    context: &[u8],
    plaintext: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(cost.to_bytes());
    bytes.extend(seed.salt);
    bytes.extend(seed.nonce);
    let key = password_key(password, &seed.salt, cost).expect("a sound cost");
    let context = [&bytes, context].concat();
    bytes.extend(seal_with_key(&key, seed.nonce, &context, plaintext));
    bytes
}

/// Opens what [`seal_with_password`] made.
///
/// # Errors
/// [`OpenError`] if password or context are others, the data was altered, or its cost is absurd.
pub fn open_with_password(
    password: &str,
    context: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (header, sealed) = sealed.split_first_chunk::<HEADER_LEN>().ok_or(OpenError)?;
    if header[0] != VERSION || sealed.len() < SEAL_OVERHEAD {
        return Err(OpenError);
    }
    let cost = PasswordCost::from_bytes(part(header, 1));
    let key = password_key(password, &part(header, SALT_AT), cost)?;
    open_with_key(&key, part(header, NONCE_AT), &[header, context].concat(), sealed)
}

fn part<const N: usize>(header: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    *header[at..].first_chunk().expect("the header has this part")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const NONCE: [u8; NONCE_LEN] = [3; NONCE_LEN];
    const SEED: SealSeed = SealSeed { salt: [5; SALT_LEN], nonce: NONCE };

    fn sealed() -> Vec<u8> {
        seal_with_password("password", SEED, PasswordCost::LEAST, b"use", b"secret")
    }

    #[test]
    fn a_key_opens_what_it_sealed_and_nothing_else() {
        let sealed = seal_with_key(&KEY, NONCE, b"use", b"secret");
        assert_eq!(sealed.len(), 6 + SEAL_OVERHEAD);
        assert_eq!(open_with_key(&KEY, NONCE, b"use", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(open_with_key(&[8; 32], NONCE, b"use", &sealed), Err(OpenError));
        assert_eq!(open_with_key(&KEY, [4; NONCE_LEN], b"use", &sealed), Err(OpenError));
        assert_eq!(open_with_key(&KEY, NONCE, b"other", &sealed), Err(OpenError));
        for cut in 0..sealed.len() {
            assert_eq!(open_with_key(&KEY, NONCE, b"use", &sealed[..cut]), Err(OpenError));
        }
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(open_with_key(&KEY, NONCE, b"use", &altered), Err(OpenError));
        }
    }

    #[test]
    fn a_password_opens_what_it_sealed_and_nothing_else() {
        let sealed = sealed();
        assert_eq!(open_with_password("password", b"use", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(open_with_password("Password", b"use", &sealed), Err(OpenError));
        assert_eq!(open_with_password("", b"use", &sealed), Err(OpenError));
        assert_eq!(open_with_password("password", b"other", &sealed), Err(OpenError));
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_is_refused() {
        let sealed = sealed();
        for cut in 0..sealed.len() {
            assert_eq!(
                open_with_password("password", b"use", &sealed[..cut]),
                Err(OpenError),
                "cut at {cut}"
            );
        }
        for at in 0..sealed.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut altered = sealed.clone();
                altered[at] ^= flip;
                assert_eq!(open_with_password("password", b"use", &altered), Err(OpenError), "byte {at}");
            }
        }
        let longer = [&sealed[..], b"x"].concat();
        assert_eq!(open_with_password("password", b"use", &longer), Err(OpenError));
    }

    #[test]
    fn the_cost_is_written_down_and_absurd_ones_are_refused() {
        let cost = PasswordCost { memory: 64, passes: 3, lanes: 2 };
        let sealed = seal_with_password("password", SEED, cost, b"", b"secret");
        assert_eq!(open_with_password("password", b"", &sealed).unwrap().as_slice(), b"secret");
        assert!(PasswordCost::default().is_sound());
        let absurd = [
            PasswordCost { memory: u32::MAX, ..cost },
            PasswordCost { memory: PasswordCost::MAX_MEMORY + 1, ..cost },
            PasswordCost { memory: 15, ..cost },
            PasswordCost { passes: 0, ..cost },
            PasswordCost { passes: 17, ..cost },
            PasswordCost { lanes: 0, ..cost },
            PasswordCost { lanes: 9, memory: 72, ..cost },
        ];
        for cost in absurd {
            let mut altered = sealed.clone();
            altered[1..SALT_AT].copy_from_slice(&cost.to_bytes());
            assert_eq!(open_with_password("password", b"", &altered), Err(OpenError), "{cost:?}");
            assert_eq!(password_key("password", &SEED.salt, cost), Err(OpenError));
        }
    }

    /// The expected bytes are OpenSSL's.
    #[test]
    fn the_key_is_the_one_argon2id_gives() {
        let key = password_key("password", b"somesaltsomesalt", PasswordCost::default()).unwrap();
        let hex = data_encoding::HEXLOWER.encode(&*key);
        assert_eq!(hex, "2b5dc4054886ec957ef59c73b661c54dd6fb274590b278f657c6d96aac8fa6d1");
    }
}
