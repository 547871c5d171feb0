//! The form that tickets, invitations and descriptions share when they are text: prefix, base32 of version, content and
//! check sum.
//!
//! Texts are pasted out of mails and chats, which break lines, quote, and put marks and words around them. All that is
//! undone here, as far as the check sum leaves no doubt; what is damaged is refused.

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
    /// There are several in it that differ.
    Several,
}

const CHECKSUM: usize = 4;
/// Words after the end of a code that are taken for more of it, and left out again one by one.
const WORDS_AFTER: usize = 256;

/// True if a text is of another kind: for errors that say what to do with it.
pub(crate) fn is_of_kind(text: &str, prefix: &str) -> bool {
    !codes(&visible(text), prefix).is_empty()
}

impl TextForm {
    /// The text of some content, in lower case.
    pub(crate) fn encode(&self, content: &[u8]) -> String {
        let mut bytes = vec![self.version];
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(&self.checksum(&bytes));
        format!("{}{}", self.prefix, BASE32_NOPAD_NOCASE.encode(&bytes).to_lowercase())
    }

    /// The content of a text, in either case, however it was wrapped, quoted or surrounded on its way.
    pub(crate) fn decode(&self, text: &str) -> Result<Vec<u8>, TextError> {
        let text = visible(text);
        let mut result = Err(TextError::Prefix);
        for code in codes(&text, self.prefix) {
            match (self.read(code), &result) {
                (Ok(found), Ok(before)) if found != *before => return Err(TextError::Several),
                (Ok(found), Err(_)) => result = Ok(found),
                (Err(error), Err(TextError::Prefix)) => result = Err(error),
                _ => {}
            }
        }
        result
    }

    /// Reads what follows a prefix: as many of its words as the check sum says.
    fn read(&self, code: &str) -> Result<Vec<u8>, TextError> {
        let (words, whole) = words(code);
        let mut text: String = words.concat();
        let damaged = if whole && !is_mixed(&text) { TextError::Checksum } else { TextError::Encoding };
        for word in words.iter().rev().take(WORDS_AFTER + 1) {
            if let Some(read) = self.open(&text) {
                return read;
            }
            text.truncate(text.len().saturating_sub(word.len()));
        }
        Err(damaged)
    }

    /// `None` if the check sum is not that of the rest.
    fn open(&self, code: &str) -> Option<Result<Vec<u8>, TextError>> {
        if is_mixed(code) {
            return None;
        }
        let bytes = BASE32_NOPAD_NOCASE.decode(code.as_bytes()).ok()?;
        let (content, sum) = bytes.split_last_chunk::<CHECKSUM>()?;
        if self.checksum(content) != *sum {
            return None;
        }
        Some(match content.split_first() {
            Some((version, content)) if *version == self.version => Ok(content.to_vec()),
            Some((version, _)) => Err(TextError::Version(*version)),
            None => Err(TextError::Malformed),
        })
    }

    fn checksum(&self, bytes: &[u8]) -> [u8; CHECKSUM] {
        crypto::hash(self.context, &[bytes])[..CHECKSUM].try_into().expect("four bytes")
    }
}

/// Letters in both cases come from alterations, never from printing or scanning.
fn is_mixed(code: &str) -> bool {
    code.bytes().any(|c| c.is_ascii_lowercase()) && code.bytes().any(|c| c.is_ascii_uppercase())
}

/// The text without what nobody sees: byte-order marks, zero-width spaces and joiners, soft hyphens, marks of direction.
fn visible(text: &str) -> String {
    let unseen = |c: char| {
        matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
    };
    text.chars().filter(|c| !unseen(*c)).collect()
}

/// What follows each place where a prefix stands as a word of its own.
fn codes<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    // A mail breaks a line after a hyphen, so also inside of a prefix.
    let ends = |start: usize| {
        let mut wanted = prefix.chars().peekable();
        let (mut broken, mut hyphen) = (false, false);
        for (at, c) in text[start..].char_indices() {
            match wanted.peek() {
                None => return start.checked_add(at),
                Some(next) if c.eq_ignore_ascii_case(next) => {
                    (hyphen, broken) = (c == '-', false);
                    wanted.next();
                }
                Some(_) if (hyphen || broken) && (c.is_whitespace() || broken && c == '>') => broken = true,
                Some(_) => return None,
            }
        }
        wanted.peek().is_none().then_some(text.len())
    };
    let mut found = Vec::new();
    let mut before = None;
    for (start, c) in text.char_indices() {
        let word = before.is_none_or(|before: char| !(before.is_alphanumeric() || before == '-'));
        if word && let Some(end) = ends(start) {
            found.push(&text[end..]);
        }
        before = Some(c);
    }
    found
}

/// The words of base32 that begin a text, over line breaks and what a mail puts there; and whether they end as a text
/// does, not in the middle of a word.
fn words(code: &str) -> (Vec<&str>, bool) {
    let base32 = |c: char| c.is_ascii_alphabetic() || ('2'..='7').contains(&c);
    let (mut words, mut rest) = (Vec::new(), code);
    loop {
        let end = rest.find(|c| !base32(c)).unwrap_or(rest.len());
        if end > 0 {
            words.push(&rest[..end]);
        }
        rest = &rest[end..];
        let Some(after) = gap(rest) else { break };
        rest = after;
    }
    let mut next = rest.chars();
    let inside =
        next.next().is_some_and(char::is_alphanumeric) || next.next().is_some_and(char::is_alphanumeric);
    (words, !inside)
}

/// What follows white space, a soft line break of a mail, and the marks of a quotation; `None` if there is none.
fn gap(text: &str) -> Option<&str> {
    let soft = text.strip_prefix('=').filter(|rest| rest.starts_with(['\r', '\n']));
    let text = soft.unwrap_or(text);
    let blank = |text: &str| text.find(|c: char| !c.is_whitespace()).unwrap_or(text.len());
    let mut end = blank(text);
    if end == 0 {
        return None;
    }
    // A quotation mark stands at the beginning of a line.
    while text[..end].contains(['\n', '\r']) && text[end..].starts_with(['>', '|']) {
        end = end.saturating_add(1);
        end = end.saturating_add(blank(&text[end..]));
    }
    Some(&text[end..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORM: TextForm =
        TextForm { prefix: "peergraph-test:", version: 3, context: "peergraph v1 test checksum" };

    #[test]
    fn each_mistake_has_its_error() {
        let text = FORM.encode(b"content");
        assert_eq!(FORM.decode(&text).as_deref(), Ok(&b"content"[..]));
        assert_eq!(FORM.decode("peergraph-tesu:aaaa"), Err(TextError::Prefix));
        assert_eq!(FORM.decode("peergraph-test:a1aa"), Err(TextError::Encoding));
        assert_eq!(FORM.decode(&text[..text.len() - 1]), Err(TextError::Checksum));
        let later = TextForm { version: 4, ..FORM };
        assert_eq!(FORM.decode(&later.encode(b"content")), Err(TextError::Version(4)));
        let other = TextForm { context: "peergraph v1 other checksum", ..FORM };
        assert_eq!(FORM.decode(&other.encode(b"content")), Err(TextError::Checksum));
        let nothing = BASE32_NOPAD_NOCASE.encode(&FORM.checksum(b""));
        assert_eq!(FORM.decode(&format!("peergraph-test:{nothing}")), Err(TextError::Malformed));
    }

    #[test]
    fn c44_what_mails_and_chats_put_around_is_left_out() {
        let text = FORM.encode(&[7; 90]);
        let (half, rest) = text.split_at(70);
        let lines = |between: &str| format!("{half}{between}{rest}");
        let good = [
            format!("Join: <{text}>."),
            format!("\u{feff}{text}\u{200b}\r\n"),
            format!("[Join us]({text})"),
            format!("[{text}]({text})"),
            format!("\u{201c}{text}\u{201d}, she said"),
            format!("{text}."),
            format!("{text} See you on Monday, at 10!"),
            format!("{text}\nsee you\nAda"),
            format!("*{text}*"),
            format!("`{text}`"),
            format!("```\n{text}\n```"),
            format!("<a href=\"{text}\">{text}</a>"),
            lines("\r\n"),
            lines(" \n    "),
            lines("\u{a0}\n"),
            lines("=\r\n"),
            lines("\n> "),
            lines("\n> > "),
            lines("\u{200b}"),
            format!("> {half}\n> {rest}\n> Ada"),
            format!("{half}\u{2028}{rest}\n-- \nAda"),
            text.replacen("peergraph-", "peergraph-\r\n", 1),
            text.replacen("peergraph-", "peergraph-\n> ", 1),
            text.to_uppercase(),
            format!("{}...\n{text}", &text[..40]),
        ];
        for pasted in good {
            assert_eq!(FORM.decode(&pasted).as_deref(), Ok(&[7; 90][..]), "{pasted:?}");
        }
        let two = format!("{text} {}", FORM.encode(&[8; 90]));
        assert_eq!(FORM.decode(&two), Err(TextError::Several));
        for bad in
            [format!("x{text}"), format!("my-{text}"), text.replacen(':', "", 1), text.replacen('-', " ", 1)]
        {
            assert_eq!(FORM.decode(&bad), Err(TextError::Prefix), "{bad:?}");
        }
        assert_eq!(FORM.decode(&lines(".")), Err(TextError::Encoding));
        assert_eq!(FORM.decode(&lines("...")), Err(TextError::Checksum), "cut short by a chat");
        assert_eq!(FORM.decode(&lines("x")), Err(TextError::Checksum));
    }

    /// What may stand between two characters of a text on its way.
    fn between() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "\n", "\r\n", "\n> ", "=\n", " \n", "\u{a0}", "\u{200b}", "\u{feff}", "\u{2060}", "\n\t",
        ])
    }

    /// What may stand around one.
    fn around() -> impl Strategy<Value = (&'static str, &'static str)> {
        prop::sample::select(vec![
            ("", ""),
            ("<", ">"),
            ("\"", "\"."),
            ("\u{feff}", "\n"),
            ("[here](", ")"),
            ("Join: ", "!"),
            ("(", ")."),
            ("\u{201e}", "\u{201c}"),
            ("see <", "> today"),
            ("> ", "\n> \n"),
            ("**", "**"),
            ("", "\nKind regards\nBen"),
        ])
    }

    proptest! {
        #[test]
        fn c44_sane_manglings_are_undone(
            content in prop::collection::vec(any::<u8>(), 1..200),
            breaks in prop::collection::vec((any::<prop::sample::Index>(), between()), 0..6),
            (before, after) in around(),
            upper in any::<bool>(),
        ) {
            let mut text = FORM.encode(&content);
            if upper {
                text = text.to_uppercase();
            }
            let mut places: Vec<(usize, &str)> = breaks
                .into_iter()
                .map(|(at, what)| (FORM.prefix.len() + at.index(text.len() - FORM.prefix.len()), what))
                .collect();
            places.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
            for (at, what) in places {
                text.insert_str(at, what);
            }
            let pasted = format!("{before}{text}{after}");
            prop_assert_eq!(FORM.decode(&pasted), Ok(content), "{:?}", pasted);
        }

        #[test]
        fn c44_any_other_character_is_refused(
            content in prop::collection::vec(any::<u8>(), 1..120),
            at in any::<prop::sample::Index>(),
            other in prop::char::any(),
            (before, after) in around(),
        ) {
            let text = FORM.encode(&content);
            let at = at.index(text.len());
            // The case of the prefix says nothing.
            let same = |c: char| if at < FORM.prefix.len() { c.eq_ignore_ascii_case(&other) } else { c == other };
            prop_assume!(!text[at..].starts_with(same));
            let altered = format!("{before}{}{other}{}{after}", &text[..at], &text[at + 1..]);
            prop_assert!(FORM.decode(&altered).is_err(), "{:?}", altered);
        }
    }
}
