//! The words of errors: whoever reads one uses any of the languages, so it names nothing that only one of them has.

use std::{fs, path::Path};

use peergraph_tests::files::sources;

/// What stands before a text that nobody but a programmer reads: of panics, of the log, of the compiler, of SQL.
const NOT_SHOWN: [&str; 23] = [
    // Names of functions, for derived decoders.
    "deserialize_with",
    "panic!(",
    "unreachable!(",
    "todo!(",
    "expect(",
    "assert!(",
    "assert_eq!(",
    "debug_assert!(",
    "trace!(",
    "debug!(",
    "info!(",
    "warn!(",
    "error!(",
    "span!(",
    "event!(",
    "reason = ",
    "feature = ",
    "alias = ",
    "doc = ",
    "cfg(",
    "prepare(",
    "execute(",
    "query_row(",
];

/// The texts of code, each with what stands before it on its line or the line above.
fn texts(code: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = code;
    let mut before = String::new();
    while let Some(at) = rest.find(['"', '\'']) {
        before.push_str(&rest[..at]);
        let quote = rest[at..].chars().next().unwrap_or_default();
        rest = &rest[at + 1..];
        if quote == '\'' {
            // A character; a lifetime has no end.
            let end = if rest.starts_with('\\') {
                rest[2..].find('\'').map(|end| end + 3)
            } else {
                character(rest)
            };
            rest = &rest[end.unwrap_or(0)..];
            continue;
        }
        let mut text = String::new();
        let mut chars = rest.char_indices();
        let mut end = rest.len();
        while let Some((index, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    // A line that goes on begins where its words do.
                    Some((_, '\n')) => text.push('\n'),
                    Some((_, next)) => text.push(next),
                    None => {}
                },
                '"' => {
                    end = index + 1;
                    break;
                }
                _ => text.push(c),
            }
        }
        rest = &rest[end..];
        let words = text.split('\n').map(str::trim_start).collect::<String>();
        let lines = before.lines().rev().take(2).collect::<Vec<_>>();
        found.push((words, lines.into_iter().rev().collect::<Vec<_>>().join("\n")));
        before.push('"');
    }
    found
}

fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices();
    chars.next()?;
    let (at, c) = chars.next()?;
    (c == '\'').then_some(at + 1)
}

/// The code without comments and tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// A text of several words that is not of those that nobody is shown.
fn is_message((text, before): &(String, String)) -> bool {
    // What `Debug` writes begins with the name of its type.
    let of_debug =
        text.find(['(', '{']).is_some_and(|at| at > 0 && text[..at].chars().all(char::is_alphanumeric));
    let line = before.lines().last().unwrap_or_default();
    let above = before.lines().next().unwrap_or_default().trim_end();
    let hidden = NOT_SHOWN.iter().any(|word| line.contains(word) || above.ends_with(word));
    let sql =
        ["SELECT ", "INSERT ", "DELETE ", "UPDATE ", "CREATE ", "PRAGMA ", "INDEXED ", "ALTER ", "VACUUM"];
    text.contains(' ') && !of_debug && !hidden && !sql.iter().any(|word| text.contains(word))
}

/// What is wrong with a message: what of it only one language has.
fn foreign(text: &str) -> Option<String> {
    const RUST: [&str; 16] = [
        "::", "Some(", "None", "Ok(", "Err(", "Vec<", "Option<", "Result<", "Duration", "&str", "&[",
        "usize", "u64", "unwrap", "impl ", "dyn ",
    ];
    if let Some(word) = RUST.iter().find(|word| text.contains(**word)) {
        return Some((*word).to_owned());
    }
    // Placeholders are replaced, and what is in quotes is repeated.
    let mut depth = 0;
    let shown: String = text
        .chars()
        .filter(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => return depth == 0,
            }
            false
        })
        .collect();
    let words = shown.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let is_name = |word: &str| {
        let pairs: Vec<char> = word.chars().collect();
        // `max_record`, `maxRecord`, `MaxRecord`; not the units and signs that are written so.
        let joined =
            pairs.windows(3).any(|w| w[0].is_alphanumeric() && w[1] == '_' && w[2].is_alphanumeric());
        let humped = pairs.windows(2).any(|w| w[0].is_lowercase() && w[1].is_uppercase());
        (joined || humped) && !["KiB", "MiB", "GiB", "NaN", "IPv4", "IPv6", "SQLite", "mDNS"].contains(&word)
    };
    words.into_iter().find(|word| is_name(word)).map(str::to_owned)
}

#[test]
fn c48_messages_name_nothing_that_only_one_language_has() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for path in sources(&root.join("core/src")) {
        let inner = path.strip_prefix(root).unwrap().display().to_string();
        if ["tests.rs", "/tests/", "store_conformance", "/sim/", "/sim.rs"]
            .iter()
            .any(|part| inner.contains(part))
        {
            continue;
        }
        for message in texts(&code(&path)).iter().filter(|text| is_message(text)) {
            seen += 1;
            if let Some(word) = foreign(&message.0) {
                wrong.push(format!("{inner}: {word} in {:?}", message.0));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 300, "{seen} messages were read");
}

#[test]
fn the_check_itself_sees_messages() {
    let code = "let quote = '\"'; fn f<'a>() { Error::new(Kind, \"give it with \\\n    NodeConfig::keys\");\n panic!(\"at a::b it\");\n";
    let texts = texts(code);
    assert_eq!(
        texts.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(),
        ["give it with NodeConfig::keys", "at a::b it"]
    );
    assert_eq!(texts.iter().map(is_message).collect::<Vec<_>>(), [true, false]);
    for wrong in [
        "give it with NodeConfig::keys",
        "not Some(5) here",
        "more than max_record",
        "the maxRecord of it",
        "a Vec<u8> is",
    ] {
        assert!(foreign(wrong).is_some(), "{wrong}");
    }
    for right in [
        "more than {max_record} of {0:?}",
        "records of 64 KiB to 60 MiB",
        "NaN, a nested list",
        "digits, '_', '-' or '.'",
    ] {
        assert_eq!(foreign(right), None);
    }
}
