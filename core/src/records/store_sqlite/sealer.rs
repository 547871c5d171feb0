//! Encryption of what a database file holds: each value on its own, under a key that only this database has.
//!
//! Sealed are the envelopes, which is to say all content and attributes, and all values of `meta`. In the clear stay
//! the columns that queries need: types, authors, times, sizes, ids. XChaCha20-Poly1305 with a random nonce in front;
//! the place of a value is authenticated with it, so that none can be moved to another.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use zeroize::Zeroizing;

use crate::{
    crypto::{self, NONCE_LEN, OpenError},
    ids::Lsn,
    record::RecordKey,
};

/// Seals and opens the values of one database.
pub struct Sealer {
    key: Zeroizing<[u8; 32]>,
    wrapped: Vec<u8>,
    nonces: Mutex<StdRng>,
}

/// Where a value is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place<'a> {
    /// The envelope of the row with this number.
    Row(Lsn),
    /// The value with this name in `meta`.
    Meta(&'a str),
    /// The version with this key that lost in a conflict.
    Loser(&'a RecordKey),
    /// The withheld version with this key.
    Withheld(&'a RecordKey),
}

impl Place<'_> {
    fn context(self) -> Vec<u8> {
        match self {
            Self::Row(lsn) => [&b"peergraph/v1/sealed row\0"[..], &lsn.0.to_le_bytes()].concat(),
            Self::Meta(name) => [b"peergraph/v1/sealed meta\0", name.as_bytes()].concat(),
            Self::Loser(key) => [&b"peergraph/v1/sealed loser\0"[..], &key.to_bytes()].concat(),
            Self::Withheld(key) => [&b"peergraph/v1/sealed withheld\0"[..], &key.to_bytes()].concat(),
        }
    }
}

impl Sealer {
    /// Of a database's key. `wrapped`: the key in a form that the database may keep, sealed itself, and from which the
    /// caller gets it back; `seed`: 32 fresh random bytes.
    pub fn new(key: Zeroizing<[u8; 32]>, wrapped: Vec<u8>, seed: [u8; 32]) -> Self {
        Self { key, wrapped, nonces: Mutex::new(StdRng::from_seed(seed)) }
    }

    /// The key as the database keeps it.
    pub(super) fn wrapped(&self) -> &[u8] {
        &self.wrapped
    }

    pub(super) fn seal(&self, place: Place<'_>, value: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = self.nonces.lock().unwrap_or_else(PoisonError::into_inner).random();
        let sealed = crypto::seal_with_key(&self.key, nonce, &place.context(), value);
        [&nonce[..], &sealed].concat()
    }

    pub(super) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(OpenError)?;
        let mut opened = crypto::open_with_key(&self.key, *nonce, &place.context(), sealed)?;
        Ok(std::mem::take(&mut *opened))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(key: u8, seed: u8) -> Sealer {
        Sealer::new(Zeroizing::new([key; 32]), Vec::new(), [seed; 32])
    }

    #[test]
    fn a_value_opens_in_its_place_with_its_key_and_unaltered() {
        let (first, place) = (sealer(1, 1), Place::Row(Lsn(7)));
        let sealed = first.seal(place, b"hello");
        assert_ne!(first.seal(place, b"hello"), sealed, "never the same nonce twice");
        assert_eq!(sealer(1, 2).open(place, &sealed).unwrap(), b"hello");
        assert_eq!(sealer(2, 1).open(place, &sealed), Err(OpenError));
        for other in [Place::Row(Lsn(8)), Place::Meta("7"), Place::Meta("")] {
            assert_eq!(first.open(other, &sealed), Err(OpenError), "{other:?}");
        }
        for at in 0..sealed.len() {
            assert_eq!(first.open(place, &sealed[..at]), Err(OpenError), "cut at {at}");
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(first.open(place, &altered), Err(OpenError), "byte {at}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", sealer(1, 1)), "Sealer(..)");
    }
}
