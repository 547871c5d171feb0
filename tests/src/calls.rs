//! The calls of the API, as its sources have them.

use std::{collections::BTreeSet, fs, path::Path};

/// Everything public that is awaited, as `Type::name`.
///
/// # Panics
/// If the sources cannot be read.
pub fn of_the_api() -> BTreeSet<String> {
    let api = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/api");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(api).expect("the sources") {
        let text = fs::read_to_string(entry.expect("a file").path()).expect("a file of text");
        let mut lines = text.lines();
        let mut of = String::new();
        while let Some(line) = lines.next() {
            if let Some(name) = line.strip_prefix("impl ") {
                of = name.split([' ', '<']).next().unwrap_or_default().to_owned();
            }
            let Some(rest) = line.strip_prefix("    pub ") else { continue };
            let mut signature = rest.to_owned();
            while !signature.contains('{') && !signature.contains(';') {
                let Some(more) = lines.next() else { break };
                signature.push_str(more);
            }
            let gives = signature.split("->").nth(1).unwrap_or_default();
            let waits = ["Call<", "impl Future", "Connecting"].iter().any(|word| gives.contains(word));
            let name = signature.split("fn ").nth(1).and_then(|rest| rest.split(['(', '<']).next());
            if let Some(name) = name
                && (signature.starts_with("async fn ") || (signature.starts_with("fn ") && waits))
            {
                found.insert(format!("{of}::{name}"));
            }
        }
    }
    found
}
