//! Helpers for the tests of identities: known keys, and where they are on the disk.

use std::{
    fs,
    path::{Path, PathBuf},
};

use peergraph::{CreateIdentity, KeyProtection, Node, NodeConfig, PeerName, Result, SecretKey};

/// A private key of 32 equal bytes.
pub fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32])
}

/// An identity with such a key.
pub fn with_key(byte: u8, classifier: Option<&str>) -> CreateIdentity {
    CreateIdentity { key: Some(key(byte)), classifier: classifier.map(Into::into), name: None }
}

/// Protection by a passphrase.
pub fn phrase(text: &str) -> KeyProtection {
    KeyProtection::Passphrase(text.into())
}

/// The peer names and friendly names of a node's identities.
pub fn names(node: &Node) -> Vec<(PeerName, String)> {
    node.identities().list().iter().map(|identity| (identity.peer_name(), identity.name())).collect()
}

/// A node on a data directory with protected keys.
///
/// # Errors
/// As [`Node::start`].
pub async fn start(dir: &Path, keys: KeyProtection) -> Result<Node> {
    Node::start(NodeConfig::loopback().at(dir).keys(keys)).await
}

/// All files below a directory with their content.
///
/// # Panics
/// If one cannot be read.
pub fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).expect("a file")));
        }
    }
    found
}

/// The files below a directory that contain a secret as it is.
///
/// # Panics
/// If one cannot be read.
pub fn holders(dir: &Path, secret: &[u8]) -> Vec<PathBuf> {
    let holds = |content: &[u8]| content.windows(secret.len()).any(|part| part == secret);
    files(dir).into_iter().filter(|(_, content)| holds(content)).map(|(path, _)| path).collect()
}
