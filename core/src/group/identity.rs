//! What an identity tells about itself.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{IdentitySecret, PeerName, check_friendly_name};
use crate::{
    crypto::{self, Domain, SIGNATURE_LEN, SignatureBytes},
    ids::PeerId,
    record::text::{TextError, TextForm},
};

/// An identity as others may know it: its key, its name, and its signature over both. Holds no secret.
///
/// Text: `peergraph-identity:` and base32, in one case throughout. There is no other way to read one than to check it,
/// so whoever has a description has a true one: the identity wrote it, and nobody altered it since.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityDescription {
    peer_name: PeerName,
    name: String,
    signature: SignatureBytes,
}

/// The text is not an identity's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityTextError {
    /// It does not begin with `peergraph-identity:`.
    #[error("an identity description begins with \"peergraph-identity:\"")]
    Prefix,
    /// It has characters that base32 does not have, or some in upper and some in lower case.
    #[error("the description contains an invalid character")]
    Encoding,
    /// The check sum is wrong: cut off or mistyped.
    #[error("the description is incomplete or was changed")]
    Checksum,
    /// It was made by a later version.
    #[error("the description has version {0}, which this version of the library does not support")]
    Version(u8),
    /// It has the right check sum but not the right form.
    #[error("this is not a valid identity description")]
    Malformed,
    /// There are several descriptions in it.
    #[error("the text contains more than one description; give exactly one")]
    Several,
    /// The identity did not sign this.
    #[error("the description was not signed by its identity")]
    Signature,
}

impl From<TextError> for IdentityTextError {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Prefix => Self::Prefix,
            TextError::Encoding => Self::Encoding,
            TextError::Checksum => Self::Checksum,
            TextError::Version(version) => Self::Version(version),
            TextError::Malformed => Self::Malformed,
            TextError::Several => Self::Several,
        }
    }
}

const FORM: TextForm =
    TextForm { prefix: "peergraph-identity:", version: 1, context: "peergraph v1 identity checksum" };

/// What is signed.
#[derive(Serialize, Deserialize)]
struct Claims {
    peer: PeerId,
    classifier: Option<String>,
    name: String,
}

impl IdentityDescription {
    /// Describes an identity.
    pub fn issue(identity: &IdentitySecret) -> Self {
        let (peer_name, name) = (identity.peer_name().clone(), identity.name());
        let peer = identity.key.peer();
        let claims = Claims { peer, classifier: peer_name.classifier().map(Into::into), name };
        let signature = identity.key.sign(Domain::Identity, peer.as_bytes(), &claims.to_bytes());
        Self { peer_name, name: claims.name, signature }
    }

    /// The identity.
    pub fn peer_id(&self) -> PeerId {
        self.peer_name.peer().expect("a description is of a secured name")
    }

    /// Its name: key and classifier.
    pub const fn peer_name(&self) -> &PeerName {
        &self.peer_name
    }

    /// Its friendly name, as it chose it; need not be unique.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The identity's signature over all this.
    pub const fn signature(&self) -> &SignatureBytes {
        &self.signature
    }
}

impl Claims {
    fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("names always encode")
    }
}

impl fmt::Display for IdentityDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classifier = self.peer_name.classifier().map(Into::into);
        let claims = Claims { peer: self.peer_id(), classifier, name: self.name.clone() };
        f.write_str(&FORM.encode(&[&claims.to_bytes()[..], &self.signature].concat()))
    }
}

impl FromStr for IdentityDescription {
    type Err = IdentityTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let content = FORM.decode(text)?;
        let malformed = IdentityTextError::Malformed;
        let (bytes, signature) = content.split_last_chunk::<SIGNATURE_LEN>().ok_or(malformed)?;
        let claims: Claims = crate::wire::decode_exact(bytes).map_err(|_| malformed)?;
        let peer = claims.peer.as_bytes();
        if !crypto::verify(peer, Domain::Identity, peer, bytes, signature) {
            return Err(IdentityTextError::Signature);
        }
        check_friendly_name(&claims.name).map_err(|_| malformed)?;
        if claims.name.is_empty() || claims.classifier.as_deref() == Some("") {
            return Err(malformed);
        }
        let peer_name =
            PeerName::secured(claims.peer, claims.classifier.as_deref()).map_err(|_| malformed)?;
        Ok(Self { peer_name, name: claims.name, signature: *signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;

    fn key() -> SecretKey {
        SecretKey::from_bytes(&[1; 32])
    }

    fn sample() -> IdentityDescription {
        describe(Some("work"), Some("Ada"))
    }

    fn describe(classifier: Option<&str>, name: Option<&str>) -> IdentityDescription {
        IdentityDescription::issue(&IdentitySecret::new(key(), classifier, name).unwrap())
    }

    fn parse(text: &str) -> Result<IdentityDescription, IdentityTextError> {
        text.parse()
    }

    /// Whoever changes these bytes breaks every description that is out there.
    #[test]
    fn the_text_is_this_one() {
        let text = sample().to_string();
        assert_eq!(text, GOLDEN);
        assert_eq!(parse(&text), Ok(sample()));
        assert_eq!(parse(&text.to_uppercase()), Ok(sample()));
        assert_eq!(parse(&format!(" {text}\n")), Ok(sample()));
        let bare = describe(None, None);
        assert_eq!(parse(&bare.to_string()), Ok(bare));
    }

    #[test]
    fn every_altered_character_is_detected() {
        let text = sample().to_string();
        for at in 0..text.len() {
            for to in [b'a', b'b', b'7', b'A', b'1', b':'] {
                let mut altered = text.clone().into_bytes();
                // The case of the prefix says nothing: keyboards begin a text with a capital.
                let same = if at < FORM.prefix.len() {
                    altered[at].eq_ignore_ascii_case(&to)
                } else {
                    altered[at] == to
                };
                if !same {
                    altered[at] = to;
                    assert!(parse(std::str::from_utf8(&altered).unwrap()).is_err(), "character {at}");
                }
            }
            assert!(parse(&text[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn each_mistake_has_its_error() {
        let text = sample().to_string();
        assert_eq!(parse("peergraph:aaaa"), Err(IdentityTextError::Prefix));
        assert_eq!(parse("peergraph-identity:a1"), Err(IdentityTextError::Encoding));
        assert_eq!(parse(&text[..text.len() - 8]), Err(IdentityTextError::Checksum));
        let later = TextForm { version: 2, ..FORM };
        assert_eq!(parse(&later.encode(b"x")), Err(IdentityTextError::Version(2)));
        assert_eq!(parse(&FORM.encode(b"x")), Err(IdentityTextError::Malformed));

        // Check sums are no secret: a forger has them right, but not the signature.
        let content = FORM.decode(&text).unwrap();
        for at in 0..content.len() {
            let mut forged = content.clone();
            forged[at] ^= 1;
            let error = parse(&FORM.encode(&forged)).unwrap_err();
            assert!(matches!(error, IdentityTextError::Signature | IdentityTextError::Malformed), "{at}");
        }
        let mut renamed = content.clone();
        let ada = content.windows(3).position(|w| w == b"Ada").unwrap();
        renamed[ada..ada + 3].copy_from_slice(b"Eve");
        assert_eq!(parse(&FORM.encode(&renamed)), Err(IdentityTextError::Signature));

        // Signed by its identity, and nonsense all the same.
        let peer = key().peer();
        for (classifier, name) in [(None, String::new()), (Some("\0"), "x".into()), (None, "x".repeat(256))] {
            let claims = Claims { peer, classifier: classifier.map(Into::into), name };
            let signature = key().sign(Domain::Identity, peer.as_bytes(), &claims.to_bytes());
            let text = FORM.encode(&[&claims.to_bytes()[..], &signature].concat());
            assert_eq!(parse(&text), Err(IdentityTextError::Malformed));
        }
    }

    const GOLDEN: &str = concat!(
        "peergraph-identity:agfiry65oqe7dfp5klns2pf2lvzmuzyjx4ozieq36n2iqanub5xvy",
        "aieo5xxe2ydifsgdyejd4aqlfozcdw7mxktfxfppo2ohacdddea5imk2gaieyqtw2ed3yhpug23mqt",
        "chyuhve2wexlgsh5bxul32qbkflsyqi2r5mfz4ihlv4p43u",
    );
}
