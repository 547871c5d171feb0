//! Names of peers: an authority, which is a key or nobody, and a classifier.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    ids::PeerId,
    limits::{MAX_CLASSIFIER, MAX_FRIENDLY_NAME, MAX_NAME},
};

/// The authority of an unsecured name.
const NOBODY: &str = "0";

/// A name that says who may bear it: `authority.classifier`, or the authority alone.
///
/// The authority of a secured name is a [`PeerId`], so its bearer can prove it; that of an unsecured name is `0`, and
/// anybody may bear it. Names are compared as they are written: case counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[doc(alias = "PEER_NAME_PAIR")]
pub struct PeerName {
    authority: Option<PeerId>,
    classifier: Option<String>,
}

/// The text is not a peer name, or not a friendly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The classifier is too long.
    #[error("the classifier has {0} characters; the maximum is {MAX_CLASSIFIER}")]
    ClassifierTooLong(usize),
    /// The friendly name is too long.
    #[error("the friendly name has {0} characters; the maximum is {MAX_FRIENDLY_NAME}")]
    FriendlyNameTooLong(usize),
    /// It contains NUL, a line break or another control character.
    #[error("a name cannot contain control characters")]
    ControlCharacter,
    /// Neither authority nor classifier.
    #[error("an unsecured name needs a classifier")]
    Nameless,
    /// The part before the dot is neither a peer id in lower case nor `0`.
    #[error("a peer name begins with a peer id in lower case, or with 0")]
    Authority,
    /// A dot with nothing after it.
    #[error("a peer name without a classifier has no dot")]
    EmptyClassifier,
}

impl PeerName {
    /// The name of an identity. An empty classifier is none.
    ///
    /// # Errors
    /// [`NameError`] if the classifier has more than 149 characters, or control characters.
    pub fn secured(peer: PeerId, classifier: Option<&str>) -> Result<Self, NameError> {
        Ok(Self { authority: Some(peer), classifier: checked(classifier)? })
    }

    /// A name that anybody may bear.
    ///
    /// # Errors
    /// As [`secured`](Self::secured), and if the classifier is empty.
    pub fn unsecured(classifier: &str) -> Result<Self, NameError> {
        let classifier = checked(Some(classifier))?;
        if classifier.is_none() {
            return Err(NameError::Nameless);
        }
        Ok(Self { authority: None, classifier })
    }

    /// Another name of the same authority. Makes no identity.
    ///
    /// # Errors
    /// As [`secured`](Self::secured) or [`unsecured`](Self::unsecured), whichever this name is.
    #[doc(alias = "PeerCreatePeerName")]
    pub fn derive(&self, classifier: Option<&str>) -> Result<Self, NameError> {
        match self.authority {
            Some(peer) => Self::secured(peer, classifier),
            None => Self::unsecured(classifier.unwrap_or_default()),
        }
    }

    /// Whose name it is; `None` for an unsecured one.
    pub const fn peer(&self) -> Option<PeerId> {
        self.authority
    }

    /// The part after the dot, if any.
    pub fn classifier(&self) -> Option<&str> {
        self.classifier.as_deref()
    }

    /// True if its bearer can prove it.
    pub const fn is_secured(&self) -> bool {
        self.authority.is_some()
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.authority {
            Some(peer) => write!(f, "{peer}")?,
            None => f.write_str(NOBODY)?,
        }
        match &self.classifier {
            Some(classifier) => write!(f, ".{classifier}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerName({self})")
    }
}

impl FromStr for PeerName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (authority, classifier) = match text.split_once('.') {
            Some((_, "")) => return Err(NameError::EmptyClassifier),
            Some((authority, classifier)) => (authority, Some(classifier)),
            None => (text, None),
        };
        if authority == NOBODY {
            return Self::unsecured(classifier.unwrap_or_default());
        }
        // One name has one text, so that texts can be compared.
        let peer = authority.parse().ok().filter(|peer: &PeerId| peer.to_string() == authority);
        Self::secured(peer.ok_or(NameError::Authority)?, classifier)
    }
}

impl TryFrom<String> for PeerName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PeerName> for String {
    fn from(name: PeerName) -> Self {
        name.to_string()
    }
}

/// Checks a friendly name: at most 255 characters, none of them a control character. Need not be unique.
///
/// # Errors
/// [`NameError`] if it breaks one of these rules.
pub fn check_friendly_name(name: &str) -> Result<(), NameError> {
    let length = name.chars().count();
    if length > MAX_FRIENDLY_NAME {
        return Err(NameError::FriendlyNameTooLong(length));
    }
    printable(name)
}

/// True if a name can be shown as that of a member: not blank, without control characters, and without anything that reads as
/// an id or as the [label](unnamed) of a member without a name. Other names count as none, so that nobody can pass for another member's id.
pub fn is_member_name(name: &str) -> bool {
    let visible: Vec<u8> = name.bytes().filter(u8::is_ascii_graphic).collect();
    let has_id = visible.split(|c| !c.is_ascii_hexdigit()).any(|digits| digits.len() >= 64);
    let has_label = visible.windows(LABEL).any(is_label);
    !name.trim().is_empty() && printable(name).is_ok() && !has_id && !has_label
}

/// What a member without a name is listed as: the first ten digits of its id, in square brackets.
pub fn unnamed(peer: PeerId) -> String {
    format!("[{}]", peer.short())
}

/// Bytes of a label.
const LABEL: usize = 12;

fn is_label(name: &[u8]) -> bool {
    let digits = name.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// The first of these names that can be shown, or the label of a member without one.
pub fn shown_name<'a>(peer: PeerId, names: impl IntoIterator<Item = &'a str>) -> String {
    let first = names.into_iter().find(|name| is_member_name(name));
    first.map_or_else(|| unnamed(peer), |name| clipped_name(name).to_owned())
}

/// A name cut to the 255 bytes that a member's may have, at a character.
pub fn clipped_name(name: &str) -> &str {
    let end = (0..=MAX_NAME.min(name.len())).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    &name[..end]
}

fn checked(classifier: Option<&str>) -> Result<Option<String>, NameError> {
    let Some(classifier) = classifier.filter(|c| !c.is_empty()) else { return Ok(None) };
    let length = classifier.chars().count();
    if length > MAX_CLASSIFIER {
        return Err(NameError::ClassifierTooLong(length));
    }
    printable(classifier)?;
    Ok(Some(classifier.to_owned()))
}

fn printable(text: &str) -> Result<(), NameError> {
    if text.chars().any(char::is_control) { Err(NameError::ControlCharacter) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId::from_bytes([0xab; 32]);

    #[test]
    fn text_round_trips_and_case_counts() {
        for classifier in [None, Some("work"), Some("a.b"), Some(" ä "), Some(&*"x".repeat(149))] {
            let name = PeerName::secured(PEER, classifier).unwrap();
            assert_eq!(name.to_string().parse(), Ok(name.clone()));
            assert_eq!((name.peer(), name.classifier()), (Some(PEER), classifier));
            let bytes = postcard::to_stdvec(&name).unwrap();
            assert_eq!(postcard::from_bytes(&bytes), Ok(name));
        }
        assert_eq!(PeerName::secured(PEER, None).unwrap().to_string(), PEER.to_string());
        assert_eq!(PeerName::secured(PEER, Some("")), PeerName::secured(PEER, None));
        assert_ne!(PeerName::secured(PEER, Some("work")), PeerName::secured(PEER, Some("Work")));
        assert_eq!(PeerName::unsecured("chat").unwrap().to_string(), "0.chat");
        assert_eq!("0.chat".parse(), PeerName::unsecured("chat"));
    }

    #[test]
    fn each_mistake_has_its_error() {
        let parse = |text: &str| text.parse::<PeerName>().unwrap_err();
        assert_eq!(parse(""), NameError::Authority);
        assert_eq!(parse("1.x"), NameError::Authority);
        assert_eq!(parse(&format!("{}.x", PEER.to_string().to_uppercase())), NameError::Authority);
        assert_eq!(parse("0"), NameError::Nameless);
        assert_eq!(parse(&format!("{PEER}.")), NameError::EmptyClassifier);
        assert_eq!(parse(&format!("{PEER}.a\0")), NameError::ControlCharacter);
        assert_eq!(parse(&format!("0.{}", "ä".repeat(150))), NameError::ClassifierTooLong(150));
        assert_eq!(check_friendly_name(&"ä".repeat(256)), Err(NameError::FriendlyNameTooLong(256)));
        assert_eq!(check_friendly_name(&"ä".repeat(255)), Ok(()));
        assert_eq!(check_friendly_name("a\nb"), Err(NameError::ControlCharacter));
    }

    #[test]
    fn names_derive_within_their_authority() {
        let name = PeerName::secured(PEER, Some("work")).unwrap();
        assert_eq!(name.derive(Some("home")), PeerName::secured(PEER, Some("home")));
        assert_eq!(name.derive(None), PeerName::secured(PEER, None));
        let open = PeerName::unsecured("a").unwrap();
        assert_eq!(open.derive(Some("b")), PeerName::unsecured("b"));
        assert_eq!(open.derive(None), Err(NameError::Nameless));
    }

    #[test]
    fn a_member_is_shown_by_its_first_good_name_or_by_a_label_that_no_name_can_be() {
        assert_eq!(shown_name(PEER, ["Ben", "Ada"]), "Ben");
        assert_eq!(shown_name(PEER, ["", "Ada"]), "Ada");
        assert_eq!(shown_name(PEER, [" ", "a\nb"]), "[ababababab]");
        let id = PEER.to_string();
        for pretended in [
            &*id,
            &id.to_uppercase(),
            &format!("{id}.work"),
            &format!("\u{200b}{id}"),
            &format!("{id}."),
            &format!("({id}), the real one"),
            &format!("{id}.{}", "x".repeat(180)),
        ] {
            assert_eq!(shown_name(PEER, [pretended, "Ada"]), "Ada", "{pretended}");
        }
        for pretended in [
            "[ababababab]",
            " [ABABABABAB]",
            "[abab\u{200b}ababab]",
            "[ababababab]\u{a0}",
            "[ababababab].",
            "Ada [ababababab]",
        ] {
            assert!(!is_member_name(pretended), "{pretended}");
        }
        for name in ["0", "0.chat", "[Ada]", "abab", "ab".repeat(31).as_str(), "名前"] {
            assert!(is_member_name(name), "{name}");
        }
        assert_eq!(clipped_name(&"ä".repeat(200)), "ä".repeat(127));
    }
}
