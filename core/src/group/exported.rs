//! A membership on its way to another machine: all that acting for an identity in a group takes, sealed in a text.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{IdentitySecret, SecretTextError, secret::SecretForm};
use crate::{
    crypto::{PasswordCost, SealSeed},
    ids::GraphId,
    limits::{MAX_REFERRALS, MAX_SHOWN},
    record::{Genesis, GraphSecret, NodeAddr, text::TextForm},
    wire::decode_exact,
};

const FORM: SecretForm = SecretForm {
    text: TextForm {
        prefix: "peergraph-membership:",
        version: 1,
        context: "peergraph v1 exported membership",
    },
    context: b"peergraph/v1/exported membership\0",
};

/// A membership with its private key. For a group's creator that is all the power there is over the group.
#[derive(Clone)]
pub struct ExportedMembership {
    /// Who is a member.
    pub identity: IdentitySecret,
    /// Of which group: its id is the hash of this.
    pub genesis: Genesis,
    /// What proves to the group's nodes that one belongs.
    pub secret: GraphSecret,
    /// The grants from the creator's down to this member's, as signed records; empty for the creator.
    pub chain: Vec<Bytes>,
    /// Nodes to connect to, tried in turn.
    pub nodes: Vec<NodeAddr>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    identity: Vec<u8>,
    genesis: Genesis,
    secret: GraphSecret,
    chain: Vec<Bytes>,
    nodes: Vec<NodeAddr>,
}

impl ExportedMembership {
    /// The group's id.
    pub fn group(&self) -> GraphId {
        self.genesis.id()
    }

    /// The text: sealed with a password, worth as much as the password is.
    ///
    /// # Panics
    /// If the cost is not sound.
    pub fn to_text(&self, password: &str, seed: SealSeed, cost: PasswordCost) -> String {
        let mut content = Content {
            identity: self.identity.to_bytes().to_vec(),
            genesis: self.genesis.clone(),
            secret: self.secret,
            chain: self.chain.clone(),
            nodes: self.nodes.clone(),
        };
        let bytes = Zeroizing::new(postcard::to_stdvec(&content).expect("a membership always encodes"));
        zeroize::Zeroize::zeroize(&mut content.identity);
        FORM.seal(&bytes, password, seed, cost)
    }

    /// Reads what [`to_text`](Self::to_text) made, however it was wrapped or quoted on its way. Whether the chain holds is for the
    /// group's rules to say.
    ///
    /// # Errors
    /// [`SecretTextError`] if a character is another, or the password is.
    pub fn from_text(text: &str, password: &str) -> Result<Self, SecretTextError> {
        let opened = FORM.open(text, password)?;
        let mut content: Content = decode_exact(&opened).map_err(|_| SecretTextError::Altered)?;
        let identity = Zeroizing::new(std::mem::take(&mut content.identity));
        let identity = IdentitySecret::from_bytes(&identity).ok_or(SecretTextError::Altered)?;
        let Content { genesis, secret, chain, nodes, .. } = content;
        let sound = genesis.is_sound()
            && genesis.is_group()
            && chain.len() <= MAX_SHOWN
            && nodes.len() <= MAX_REFERRALS;
        let membership = Self { identity, genesis, secret, chain, nodes };
        sound.then_some(membership).ok_or(SecretTextError::Altered)
    }
}

impl fmt::Debug for ExportedMembership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (peer, group) = (self.identity.peer_name(), self.group().short());
        write!(f, "ExportedMembership({peer} in {group})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::{NONCE_LEN, SALT_LEN, SecretKey},
        record::GroupRules,
    };

    const SEED: SealSeed = SealSeed { salt: [5; SALT_LEN], nonce: [6; NONCE_LEN] };

    fn sample() -> ExportedMembership {
        let key = SecretKey::from_bytes(&[1; 32]);
        let genesis = Genesis { rules: Some(GroupRules::default()), ..Genesis::new(key.peer(), [2; 16]) };
        ExportedMembership {
            nodes: vec![NodeAddr::new(key.node())],
            identity: IdentitySecret::new(key, Some("work"), Some("Ada")).unwrap(),
            genesis,
            secret: GraphSecret::from_bytes([3; 32]),
            chain: vec![Bytes::from_static(b"grant")],
        }
    }

    fn text(membership: &ExportedMembership) -> String {
        membership.to_text("password", SEED, PasswordCost::LEAST)
    }

    #[test]
    fn m25_a_text_brings_everything_back_with_its_password_and_every_character() {
        let (whole, text) = (sample(), text(&sample()));
        let read = ExportedMembership::from_text(&text, "password").unwrap();
        assert_eq!(read.identity.to_bytes(), whole.identity.to_bytes());
        assert_eq!((read.group(), read.secret), (whole.group(), whole.secret));
        assert_eq!((read.chain, read.nodes), (whole.chain, whole.nodes));
        let error = |text: &str, password| ExportedMembership::from_text(text, password).unwrap_err();
        assert_eq!(error(&text, "Password"), SecretTextError::WrongPassword);
        assert_eq!(error(&text[1..], "password"), SecretTextError::Prefix("peergraph-membership:"));
        assert!(ExportedMembership::from_text(&text.to_uppercase(), "password").is_ok());
        for at in FORM.text.prefix.len()..text.len() {
            assert_eq!(error(&text[..at], "password"), SecretTextError::Altered, "cut at {at}");
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'a' { b'b' } else { b'a' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(error(&altered, "password"), SecretTextError::Altered, "character {at}");
        }
        // An exported identity is something else.
        let identity = whole.identity.to_text("password", SEED, PasswordCost::LEAST);
        assert_eq!(error(&identity, "password"), SecretTextError::Prefix("peergraph-membership:"));
    }

    #[test]
    fn m25_what_is_no_group_or_out_of_bounds_is_refused() {
        let plain = ExportedMembership { genesis: Genesis { rules: None, ..sample().genesis }, ..sample() };
        let long = ExportedMembership { chain: vec![Bytes::new(); MAX_SHOWN + 1], ..sample() };
        let many = ExportedMembership { nodes: vec![sample().nodes[0].clone(); 101], ..sample() };
        for bad in [plain, long, many] {
            let error = ExportedMembership::from_text(&text(&bad), "password").unwrap_err();
            assert_eq!(error, SecretTextError::Altered);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", sample());
        assert!(!shown.contains("3, 3") && !shown.contains("1, 1"), "{shown}");
    }
}
