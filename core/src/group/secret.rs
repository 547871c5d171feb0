//! What moves a secret to another machine: a text that a password seals. An identity with its private key as such a text,
//! and as bytes for the disk.

use zeroize::Zeroizing;

use super::{NameError, PeerName, check_friendly_name};
use crate::{
    crypto::{self, OpenError, PasswordCost, SealSeed, SecretKey},
    record::text::{TextError, TextForm},
    wire,
};

/// All that makes an identity. Never shown by `Debug`; wiped when dropped.
#[derive(Clone, Debug)]
pub struct IdentitySecret {
    /// The private key; the name below is of this one.
    pub(super) key: SecretKey,
    /// Its name: the key's peer id and a classifier.
    peer_name: PeerName,
    /// The friendly name, if it is not the peer name.
    name: Option<String>,
}

/// The text is not what was exported, or does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretTextError {
    /// It begins with something else than such a text, `peergraph-identity-secret:` for one.
    #[error("the text does not begin with \"{0}\"")]
    Prefix(&'static str),
    /// It is not what was exported.
    #[error("the exported text is incomplete or was changed")]
    Altered,
    /// It was made by a later version.
    #[error("the exported text has version {0}, which this version of the library does not support")]
    Version(u8),
    /// The password is another one.
    #[error("the password does not match the one used for the export")]
    WrongPassword,
}

/// One kind of text that a password seals.
pub(super) struct SecretForm {
    pub(super) text: TextForm,
    /// Separates what is sealed from other kinds.
    pub(super) context: &'static [u8],
}

impl SecretForm {
    pub(super) fn seal(&self, content: &[u8], password: &str, seed: SealSeed, cost: PasswordCost) -> String {
        self.text.encode(&crypto::seal_with_password(password, seed, cost, self.context, content))
    }

    pub(super) fn open(&self, text: &str, password: &str) -> Result<Zeroizing<Vec<u8>>, SecretTextError> {
        let content = self.text.decode(text).map_err(|error| match error {
            TextError::Prefix => SecretTextError::Prefix(self.text.prefix),
            TextError::Version(version) => SecretTextError::Version(version),
            TextError::Encoding | TextError::Checksum | TextError::Malformed | TextError::Several => {
                SecretTextError::Altered
            }
        })?;
        crypto::open_with_password(password, self.context, &content)
            .map_err(|OpenError| SecretTextError::WrongPassword)
    }
}

const FORM: SecretForm = SecretForm {
    text: TextForm {
        prefix: "peergraph-identity-secret:",
        version: 1,
        context: "peergraph v1 exported identity",
    },
    context: b"peergraph/v1/exported identity\0",
};
const SEED_LEN: usize = 32;

impl IdentitySecret {
    /// An identity; an empty classifier or friendly name is none.
    ///
    /// # Errors
    /// [`NameError`] if one is too long or has control characters.
    pub fn new(key: SecretKey, classifier: Option<&str>, name: Option<&str>) -> Result<Self, NameError> {
        let peer_name = PeerName::secured(key.peer(), classifier)?;
        let mut secret = Self { key, peer_name, name: None };
        secret.rename(name)?;
        Ok(secret)
    }

    /// The private key.
    pub const fn key(&self) -> &SecretKey {
        &self.key
    }

    /// Its name.
    pub const fn peer_name(&self) -> &PeerName {
        &self.peer_name
    }

    /// The friendly name: the one it was given, or else the peer name.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.peer_name.to_string())
    }

    /// Gives it another friendly name; none or an empty one: the peer name again.
    ///
    /// # Errors
    /// [`NameError`] if it is too long or has control characters.
    pub fn rename(&mut self, name: Option<&str>) -> Result<(), NameError> {
        let name = name.filter(|name| !name.is_empty());
        name.map_or(Ok(()), check_friendly_name)?;
        self.name = name.map(Into::into);
        Ok(())
    }

    /// The bytes for the disk: the key alone if nothing else was chosen.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let names = (self.peer_name.classifier(), &self.name);
        let names = match names {
            (None, None) => Vec::new(),
            _ => postcard::to_stdvec(&names).expect("names always encode"),
        };
        // At once in its full length: a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(SEED_LEN + names.len()));
        bytes.extend_from_slice(&*self.key.to_bytes());
        bytes.extend_from_slice(&names);
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) made; `None` if it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seed, names) = bytes.split_first_chunk::<SEED_LEN>()?;
        let (classifier, name): (Option<String>, Option<String>) =
            if names.is_empty() { (None, None) } else { wire::decode_exact(names).ok()? };
        Self::new(SecretKey::from_bytes(seed), classifier.as_deref(), name.as_deref()).ok()
    }

    /// The text: sealed with a password, worth as much as the password is.
    ///
    /// # Panics
    /// If the cost is not sound.
    pub fn to_text(&self, password: &str, seed: SealSeed, cost: PasswordCost) -> String {
        FORM.seal(&self.to_bytes(), password, seed, cost)
    }

    /// Reads what [`to_text`](Self::to_text) made, however it was wrapped or quoted on its way.
    ///
    /// # Errors
    /// [`SecretTextError`] if a character is another, or the password is.
    pub fn from_text(text: &str, password: &str) -> Result<Self, SecretTextError> {
        let opened = FORM.open(text, password)?;
        Self::from_bytes(&opened).ok_or(SecretTextError::Altered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{NONCE_LEN, SALT_LEN};

    const SEED: SealSeed = SealSeed { salt: [5; SALT_LEN], nonce: [6; NONCE_LEN] };

    fn sample() -> IdentitySecret {
        IdentitySecret::new(SecretKey::from_bytes(&[1; 32]), Some("work"), Some("Ada")).unwrap()
    }

    fn text() -> String {
        sample().to_text("password", SEED, PasswordCost::LEAST)
    }

    fn facts(secret: &IdentitySecret) -> (PeerName, String, [u8; 32]) {
        (secret.peer_name().clone(), secret.name(), *secret.key.to_bytes())
    }

    #[test]
    fn bytes_round_trip_and_the_key_alone_is_enough() {
        let bytes = sample().to_bytes();
        assert_eq!(facts(&IdentitySecret::from_bytes(&bytes).unwrap()), facts(&sample()));
        let bare = IdentitySecret::from_bytes(&[1; 32]).unwrap();
        assert_eq!(bare.to_bytes().as_slice(), [1; 32]);
        assert_eq!(bare.name(), bare.peer_name().to_string());
        // All but the key alone, which is an identity of its own.
        for cut in (0..bytes.len()).filter(|cut| *cut != SEED_LEN) {
            assert!(IdentitySecret::from_bytes(&bytes[..cut]).is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn names_are_set_and_reset() {
        let mut secret = sample();
        for none in [None, Some("")] {
            secret.rename(Some("Countess")).unwrap();
            assert_eq!(secret.name(), "Countess");
            secret.rename(none).unwrap();
            assert_eq!(secret.name(), secret.peer_name().to_string());
        }
        assert_eq!(secret.rename(Some("a\0")), Err(NameError::ControlCharacter));
    }

    #[test]
    fn c44_the_text_wants_its_password_and_every_character_however_it_was_wrapped() {
        let text = text();
        assert_eq!(facts(&IdentitySecret::from_text(&text, "password").unwrap()), facts(&sample()));
        let error = |text: &str, password| IdentitySecret::from_text(text, password).unwrap_err();
        assert_eq!(error(&text, "Password"), SecretTextError::WrongPassword);
        assert_eq!(error(&text[1..], "password"), SecretTextError::Prefix(FORM.text.prefix));
        let (half, rest) = text.split_at(60);
        for pasted in
            [text.to_uppercase(), format!("{text}\n"), format!("<{text}>."), format!("{half}\n> {rest}")]
        {
            assert_eq!(facts(&IdentitySecret::from_text(&pasted, "password").unwrap()), facts(&sample()));
        }
        for at in FORM.text.prefix.len()..text.len() {
            assert_eq!(error(&text[..at], "password"), SecretTextError::Altered, "cut at {at}");
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'a' { b'b' } else { b'a' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(error(&altered, "password"), SecretTextError::Altered, "character {at}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", sample()).contains("1, 1"));
    }
}
