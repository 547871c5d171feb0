//! The words of the interface, read from the core's source: what it exports, and the public methods of that.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use peergraph_tests::files::sources;

/// The types that `lib.rs` exports at its root.
fn exported(lib: &str) -> BTreeSet<String> {
    let uses = lib.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    uses.flat_map(|path| {
        path.rsplit("::").next().unwrap_or_default().trim_matches(['{', '}', '\n', ' ']).split(',')
    })
    .map(|name| name.trim().to_owned())
    .filter(|name| name.starts_with(char::is_uppercase))
    .collect()
}

/// The names of a signature's arguments, without `self`.
fn arguments(signature: &str) -> Vec<String> {
    let (mut depth, mut at_name, mut names, mut name) = (0_i32, true, Vec::new(), String::new());
    for c in signature.chars() {
        match c {
            '(' | '<' | '[' => depth += 1,
            ')' | ']' if depth == 0 => break,
            ')' | '>' | ']' => depth -= 1,
            ',' if depth == 0 => at_name = true,
            ':' if depth == 0 && at_name => {
                names.push(std::mem::take(&mut name).trim().trim_start_matches("mut ").replace(", ", "+"));
                at_name = false;
            }
            _ if at_name => name.push(c),
            _ => {}
        }
        if c == ',' && depth == 0 {
            name.clear();
        }
    }
    names
}

/// Structures that cannot be taken apart here: they have private fields, or may grow. From where, and which.
const READ: [(&str, &str); 3] =
    [("api/node.rs", "Metrics"), ("group/invitation.rs", "Invitation"), ("record/ticket.rs", "Ticket")];

fn shape(rust: &str) -> String {
    if let Some(inner) = rust.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')) {
        return shape(inner) + "?";
    }
    if let Some(inner) = rust.strip_prefix("Vec<").and_then(|rest| rest.strip_suffix('>')) {
        return format!("[{}]", shape(inner));
    }
    match rust {
        "String" => "text",
        "Timestamp" => "time",
        "u64" => "number",
        "GraphSecret" => "bytes",
        "GraphId" | "PeerId" | "Role" | "NodeAddr" | "Way" => rust,
        _ => panic!("what is {rust} in other languages?"),
    }
    .into()
}

/// The public fields of those, a line each.
pub(crate) fn fields(lines: &mut Vec<String>) {
    for (path, name) in READ {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src").join(path);
        let text = fs::read_to_string(path).unwrap();
        let (_, rest) = text.split_once(&format!("pub struct {name} {{\n")).expect("it is there");
        let (body, _) = rest.split_once("\n}").expect("it ends");
        let public = body
            .lines()
            .filter_map(|line| line.strip_prefix("    pub ")?.strip_suffix(',')?.split_once(": "));
        lines.extend(public.map(|(field, rust)| format!("field {name} {field} {}", shape(rust))));
    }
}

/// Types and methods, a line each.
pub(crate) fn words(lines: &mut Vec<String>) {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src");
    let types = exported(&fs::read_to_string(core.join("lib.rs")).unwrap());
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources(&core) {
        let text = fs::read_to_string(path).unwrap();
        let mut of: Option<String> = None;
        let all: Vec<&str> = text.lines().collect();
        for (at, line) in all.iter().enumerate() {
            if let Some(name) = line.strip_prefix("impl ").and_then(|rest| rest.strip_suffix(" {")) {
                of = types.contains(name).then(|| name.to_owned());
            } else if *line == "}" {
                of = None;
            }
            let (Some(of), Some(rest)) = (&of, line.strip_prefix("    pub ")) else { continue };
            let mut before = all[..at].iter().rev().take_while(|line| {
                let line = line.trim_start();
                line.starts_with("#[") || line.starts_with("///")
            });
            if before.any(|line| line.contains("#[doc(hidden)]")) {
                continue; // of tests alone
            }
            let is_async = rest.starts_with("async fn ");
            let Some((_, rest)) = rest.split_once("fn ") else { continue };
            let end = rest.find(['(', '<']).expect("a function has arguments");
            let open = rest[end..].find('(').map(|open| &rest[end + open + 1..]).unwrap_or_default();
            let signature =
                [open].into_iter().chain(all[at + 1..].iter().take(8).copied()).collect::<String>();
            // A call that has its place when it is made is awaited all the same.
            let gives = signature.split_once('{').map_or(&*signature, |(head, _)| head);
            let awaited = is_async || gives.contains("-> Call<") || gives.contains("-> impl Future<");
            let kind = if awaited { "async" } else { "plain" };
            let words = [rest[..end].to_owned(), kind.to_owned()].into_iter().chain(arguments(&signature));
            methods.entry(of.clone()).or_default().insert(words.collect::<Vec<_>>().join(" "));
        }
    }
    for name in &types {
        lines.push(format!("type {name}"));
        for method in methods.remove(name).unwrap_or_default() {
            lines.push(format!("method {name} {method}"));
        }
    }
}
