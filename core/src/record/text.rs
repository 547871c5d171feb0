//! The form that tickets and descriptions share when they are text: prefix, base32 of version, content and check sum.

use data_encoding::BASE32_NOPAD_NOCASE;

use crate::crypto;

/// One kind of text.
pub(crate) struct TextForm {
    /// What it begins with, in lower case.
    pub(crate) prefix: &'static str,
    /// The only version there is.
    pub(crate) version: u8,
    /// Separates its check sums from those of other kinds.
    pub(crate) context: &'static str,
}

/// Why a text is not of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextError {
    /// It begins with something else.
    Prefix,
    /// It has characters that base32 does not have.
    Encoding,
    /// The check sum is wrong: cut off or mistyped.
    Checksum,
    /// It was made by a later version.
    Version(u8),
    /// It has the right check sum but nothing in it.
    Malformed,
}

const CHECKSUM: usize = 4;

/// True if a text begins as another kind does: for errors that say what to do with it.
pub(crate) fn is_of_kind(text: &str, prefix: &str) -> bool {
    text.trim().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

impl TextForm {
    /// The text of some content, in lower case.
    pub(crate) fn encode(&self, content: &[u8]) -> String {
        let mut bytes = vec![self.version];
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(&self.checksum(&bytes));
        format!("{}{}", self.prefix, BASE32_NOPAD_NOCASE.encode(&bytes).to_lowercase())
    }

    /// The content of a text, in whatever case, with whitespace around it or not.
    pub(crate) fn decode(&self, text: &str) -> Result<Vec<u8>, TextError> {
        let text = text.trim();
        let code = text
            .get(..self.prefix.len())
            .filter(|start| start.eq_ignore_ascii_case(self.prefix))
            .and_then(|_| text.get(self.prefix.len()..))
            .ok_or(TextError::Prefix)?;
        let bytes = BASE32_NOPAD_NOCASE.decode(code.as_bytes()).map_err(|_| {
            let foreign = code.bytes().any(|c| !(c.is_ascii_alphabetic() || (b'2'..=b'7').contains(&c)));
            if foreign { TextError::Encoding } else { TextError::Checksum }
        })?;
        let (content, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(TextError::Checksum)?;
        if self.checksum(content) != *sum {
            return Err(TextError::Checksum);
        }
        match content.split_first().ok_or(TextError::Malformed)? {
            (version, content) if *version == self.version => Ok(content.to_vec()),
            (version, _) => Err(TextError::Version(*version)),
        }
    }

    fn checksum(&self, bytes: &[u8]) -> [u8; CHECKSUM] {
        crypto::hash(self.context, &[bytes])[..CHECKSUM].try_into().expect("four bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: TextForm = TextForm { prefix: "test:", version: 3, context: "peergraph v1 test checksum" };

    #[test]
    fn each_mistake_has_its_error() {
        let text = FORM.encode(b"content");
        assert_eq!(FORM.decode(&text).as_deref(), Ok(&b"content"[..]));
        assert_eq!(FORM.decode("tesu:aaaa"), Err(TextError::Prefix));
        assert_eq!(FORM.decode("test:a1aa"), Err(TextError::Encoding));
        assert_eq!(FORM.decode(&text[..text.len() - 1]), Err(TextError::Checksum));
        let later = TextForm { version: 4, ..FORM };
        assert_eq!(FORM.decode(&later.encode(b"content")), Err(TextError::Version(4)));
        let other = TextForm { context: "peergraph v1 other checksum", ..FORM };
        assert_eq!(FORM.decode(&other.encode(b"content")), Err(TextError::Checksum));
        let nothing = BASE32_NOPAD_NOCASE.encode(&FORM.checksum(b""));
        assert_eq!(FORM.decode(&format!("test:{nothing}")), Err(TextError::Malformed));
    }
}
