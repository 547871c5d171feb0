//! LtHash16-1024 over the BLAKE3 extendable output: a set fingerprint that adds and removes elements one by one.
//!
//! Construction of Bellare and Micciancio (1997) in the parameters of Lewi et al., *Securing Update Propagation
//! with Homomorphic Hashing* (2019). Unlike XOR or sums modulo 2^256, an insider who mints elements cannot find
//! two sets with one sum.

use std::fmt;

const LANES: usize = 1024;

/// A homomorphic hash of a set: 1,024 lanes of 16 bits, added modulo 2^16. 2 KiB.
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash(Box<[u16; LANES]>);

impl LtHash {
    /// The length of the byte form.
    pub const LEN: usize = 2 * LANES;

    /// The hash of the empty set.
    pub fn new() -> Self {
        Self(Box::new([0; LANES]))
    }

    /// Adds an element. Adding one twice counts it twice.
    pub fn add(&mut self, element: &[u8]) {
        self.apply(element, u16::wrapping_add);
    }

    /// Removes an element that was added.
    pub fn remove(&mut self, element: &[u8]) {
        self.apply(element, u16::wrapping_sub);
    }

    /// Adds another set's hash.
    pub fn merge(&mut self, other: &Self) {
        for (lane, more) in self.0.iter_mut().zip(other.0.iter()) {
            *lane = lane.wrapping_add(*more);
        }
    }

    /// Removes another set's hash.
    pub fn subtract(&mut self, other: &Self) {
        for (lane, less) in self.0.iter_mut().zip(other.0.iter()) {
            *lane = lane.wrapping_sub(*less);
        }
    }

    /// The 16-byte fingerprint of the set, its size mixed in.
    pub fn fingerprint(&self, count: u64) -> [u8; 16] {
        let digest = super::hash("peergraph v1 set fingerprint", &[&count.to_le_bytes(), &self.to_bytes()]);
        digest[..16].try_into().expect("a digest has 32 bytes")
    }

    /// The byte form: lanes in little-endian order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; Self::LEN];
        for (pair, lane) in bytes.chunks_exact_mut(2).zip(self.0.iter()) {
            pair.copy_from_slice(&lane.to_le_bytes());
        }
        bytes
    }

    /// Reads the byte form; `None` if the length is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LEN {
            return None;
        }
        let mut hash = Self::new();
        for (lane, pair) in hash.0.iter_mut().zip(bytes.chunks_exact(2)) {
            *lane = u16::from_le_bytes([pair[0], pair[1]]);
        }
        Some(hash)
    }

    fn apply(&mut self, element: &[u8], combine: impl Fn(u16, u16) -> u16) {
        let mut stream = [0u8; Self::LEN];
        blake3::Hasher::new_derive_key("peergraph v1 set element")
            .update(element)
            .finalize_xof()
            .fill(&mut stream);
        for (lane, pair) in self.0.iter_mut().zip(stream.chunks_exact(2)) {
            *lane = combine(*lane, u16::from_le_bytes([pair[0], pair[1]]));
        }
    }
}

impl Default for LtHash {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LtHash({:04x}{:04x}..)", self.0[0], self.0[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(elements: &[&[u8]]) -> LtHash {
        let mut hash = LtHash::new();
        elements.iter().for_each(|e| hash.add(e));
        hash
    }

    #[test]
    fn order_does_not_matter_and_removal_undoes() {
        assert_eq!(of(&[b"a", b"b"]), of(&[b"b", b"a"]));
        assert_ne!(of(&[b"a"]), of(&[b"b"]));
        let mut both = of(&[b"a", b"b"]);
        both.remove(b"a");
        assert_eq!(both, of(&[b"b"]));
        both.merge(&of(&[b"c"]));
        assert_eq!(both, of(&[b"c", b"b"]));
        both.subtract(&of(&[b"b"]));
        assert_eq!(both, of(&[b"c"]));
    }

    #[test]
    fn bytes_round_trip() {
        let hash = of(&[b"x"]);
        assert_eq!(LtHash::from_bytes(&hash.to_bytes()), Some(hash.clone()));
        assert_eq!(LtHash::from_bytes(&hash.to_bytes()[1..]), None);
        assert_ne!(hash.fingerprint(1), hash.fingerprint(2));
    }
}
