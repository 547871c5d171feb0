//! What callers in other languages give as bytes and text where Rust has types.
//!
//! Owns what is accepted and what is said of the rest: every error is [`ErrorKind::InvalidArgument`] and says what was
//! expected. Rust programs have no use for it.

use std::{fmt, net::SocketAddr};

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::{
    ErrorKind,
    api::{Error, Graph, KeyProtection, Result},
    crypto::SecretKey,
    limits::{MAX_DATA, MAX_MAX_RECORD},
    net::{NetworkMode, SendError},
    record::DraftError,
};

fn invalid(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, what)
}

fn fixed(bytes: &[u8], what: &str) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| invalid(format!("{what} has 32 bytes, not {}", bytes.len())))
}

/// Most bytes of body and attributes that a record of this graph may have; the most of any graph before this one has been
/// synchronized. For a look at a size before anything is copied.
pub fn record_limit(graph: &Graph) -> usize {
    graph.inner().stamper.max_record().unwrap_or(MAX_MAX_RECORD as usize)
}

/// The body of a record. [`ErrorKind::TooLarge`] before it is copied.
pub fn body(graph: &Graph, bytes: &[u8]) -> Result<Bytes> {
    let (len, max) = (bytes.len(), record_limit(graph));
    if len > max { Err(DraftError::TooLarge { len, max }.into()) } else { Ok(Bytes::copy_from_slice(bytes)) }
}

/// Data for a connection. [`ErrorKind::TooLarge`] above 16 MiB, before it is copied.
pub fn data(bytes: &[u8]) -> Result<Bytes> {
    let len = bytes.len();
    if len > MAX_DATA { Err(SendError::TooLarge { len }.into()) } else { Ok(Bytes::copy_from_slice(bytes)) }
}

/// A private key, of 32 bytes.
pub fn secret_key(bytes: &[u8]) -> Result<SecretKey> {
    fixed(bytes, "a private key").map(|raw| SecretKey::from_bytes(&raw))
}

/// The seed of a graph, of 32 bytes.
pub fn seed(bytes: &[u8]) -> Result<[u8; 32]> {
    fixed(bytes, "a seed")
}

/// The key that keys are sealed with, of 32 bytes.
pub fn sealing_key(bytes: &[u8]) -> Result<KeyProtection> {
    fixed(bytes, "a key to seal with").map(KeyProtection::Key)
}

/// IP addresses with ports, such as `127.0.0.1:4711` or `[::1]:4711`.
pub fn socket_addrs<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Vec<SocketAddr>> {
    let parse = |text: T| {
        let text = text.as_ref();
        text.parse().map_err(|_| invalid(format!("{text:?} is not a socket address such as 127.0.0.1:4711")))
    };
    texts.into_iter().map(parse).collect()
}

/// The network of that name: `local`, `internet`, or `custom` with relays and lookup.
pub fn network(name: &str, relays: Vec<String>, lookup: Option<String>) -> Result<NetworkMode> {
    match name {
        "local" => Ok(NetworkMode::Local),
        "internet" => Ok(NetworkMode::Internet),
        "custom" => Ok(NetworkMode::Custom { relays, lookup }),
        other => {
            Err(invalid(format!("{other:?} is not a network mode; the modes are local, internet and custom")))
        }
    }
}

/// How keys are protected, where a configuration has an option for each way.
#[derive(Default)]
pub struct Protection {
    /// A passphrase, not empty.
    pub passphrase: Option<String>,
    /// A key of 32 bytes.
    pub key: Option<Zeroizing<Vec<u8>>>,
    /// Whether there is a source of the key.
    pub has_source: bool,
    /// What the source gave, if it was asked: for nodes on a disk only.
    pub asked: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protection").finish_non_exhaustive()
    }
}

impl Protection {
    /// The way that was chosen, for a node that is on a disk or in memory; more than one is an error.
    pub fn read(self, on_disk: bool) -> Result<KeyProtection> {
        match (self.passphrase, self.key, self.has_source) {
            (None, None, false) => Ok(KeyProtection::Plain),
            (Some(passphrase), None, false) => Ok(KeyProtection::Passphrase(passphrase)),
            (None, Some(key), false) => sealing_key(&key),
            (None, None, true) if on_disk => sealing_key(&self.asked.unwrap_or_default()),
            // Nothing to seal.
            (None, None, true) => Ok(KeyProtection::Plain),
            _ => Err(invalid(
                "keys are sealed with a passphrase, a key or what its source gives: one of these",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(length: usize) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(vec![7; length])
    }

    fn refused<T>(result: Result<T>, words: &str) {
        let Err(error) = result else { panic!("accepted, though: {words}") };
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn p21_data_is_measured_before_it_is_copied() {
        assert_eq!(data(&[7; 3]).unwrap().as_ref(), [7; 3]);
        assert_eq!(data(&vec![7; MAX_DATA]).unwrap().len(), MAX_DATA);
        let error = data(&vec![7; MAX_DATA + 1]).expect_err("one byte more");
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn keys_have_their_length() {
        assert_eq!(secret_key(&[7; 32]).unwrap().to_bytes(), [7; 32].into());
        assert_eq!(seed(&[7; 32]).unwrap(), [7; 32]);
        refused(secret_key(&[7; 31]), "a private key has 32 bytes, not 31");
        refused(seed(&[]), "a seed has 32 bytes, not 0");
        refused(sealing_key(&[7; 33]), "a key to seal with has 32 bytes, not 33");
    }

    #[test]
    fn addresses_and_networks_are_read_or_named() {
        let two = ["127.0.0.1:4711", "[::1]:0"];
        assert_eq!(socket_addrs(two).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>(), two);
        refused(socket_addrs(["127.0.0.1"]), "\"127.0.0.1\" is not a socket address");
        assert!(matches!(network("local", vec![], None), Ok(NetworkMode::Local)));
        assert!(matches!(network("internet", vec![], None), Ok(NetworkMode::Internet)));
        let custom = network("custom", vec!["https://relay.example".into()], None);
        assert!(matches!(custom, Ok(NetworkMode::Custom { relays, lookup: None }) if relays.len() == 1));
        refused(network("lan", vec![], None), "\"lan\" is not a network mode");
    }

    #[test]
    fn one_protection_at_most() {
        let none = Protection::default;
        let passphrase = || Protection { passphrase: Some("words".into()), ..none() };
        let source = || Protection { has_source: true, asked: Some(key(32)), ..none() };
        for on_disk in [true, false] {
            assert!(matches!(none().read(on_disk), Ok(KeyProtection::Plain)));
            let read = passphrase().read(on_disk);
            assert!(matches!(read, Ok(KeyProtection::Passphrase(ref text)) if text == "words"));
            let given = Protection { key: Some(key(32)), ..none() };
            assert!(matches!(given.read(on_disk), Ok(KeyProtection::Key(raw)) if raw == [7; 32]));
            let two = [
                Protection { key: Some(key(32)), ..passphrase() },
                Protection { key: Some(key(32)), ..source() },
                Protection { has_source: true, ..passphrase() },
                Protection { key: Some(key(32)), has_source: true, ..passphrase() },
            ];
            for given in two {
                refused(given.read(on_disk), "one of these");
            }
        }
        assert!(matches!(source().read(true), Ok(KeyProtection::Key(raw)) if raw == [7; 32]));
        assert!(matches!(source().read(false), Ok(KeyProtection::Plain)));
        refused(Protection { asked: Some(key(3)), ..source() }.read(true), "32 bytes, not 3");
        refused(Protection { asked: None, ..source() }.read(true), "32 bytes, not 0");
        assert!(matches!(Protection { asked: None, ..source() }.read(false), Ok(KeyProtection::Plain)));
    }
}
