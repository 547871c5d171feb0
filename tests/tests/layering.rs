//! The plan of the house stays true: modules import only what lies below them, and everything up to the engine is
//! pure. Fails with the file and the forbidden word.

use std::{
    fs,
    path::{Path, PathBuf},
};

use peergraph_tests::files::sources;

const CORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/src");

/// Modules from the bottom up. One may import those above it in this list, and its own kin.
const ORDER: &[&[&str]] = &[
    &["ids", "time", "limits", "link", "fault", "bounded"],
    &["crypto"],
    &["record"],
    &["wire"],
    &["authority"],
    &["io", "ledger"],
    &["graph", "records", "events"],
    &["group"],
    &["engine"],
    &["net", "sim"],
    &["api"],
];
/// Kin on one level that do not see each other.
const STRANGERS: &[&str] = &["graph", "records", "group", "events", "net", "sim"];
/// Words that make a module impure: clocks, entropy, sockets, tasks, iteration in random order.
const IMPURE: &[&str] = &[
    "tokio",
    "iroh",
    "Instant::now",
    "SystemTime::now",
    "thread_rng",
    "rand::random",
    "getrandom",
    "UdpSocket",
    "TcpStream",
    "thread::spawn",
    "HashMap",
    "HashSet",
];
/// What is built for tests alone, in files of its own.
const TESTS: &[&str] = &["tests", "tests.rs", "store_conformance", "store_conformance.rs"];
const IMPURE_FROM: usize = 9;
const MAX_LINES: usize = 500;

fn files_of(module: &str) -> Vec<PathBuf> {
    let file = Path::new(CORE).join(format!("{module}.rs"));
    let dir = Path::new(CORE).join(module);
    match (file.exists(), dir.exists()) {
        (true, _) => vec![file],
        (_, true) => sources(&dir),
        _ => panic!("module {module} is not where the plan has it"),
    }
}

/// The code without comments and without its tests.
fn code(path: &Path) -> String {
    // Only below `CORE`: its own path leads through the folder of these tests, which is called so as well.
    let of_tests = |inner: &Path| {
        inner.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            TESTS.contains(&&*part) || part.ends_with("_tests") || part.ends_with("_tests.rs")
        })
    };
    if path.strip_prefix(CORE).is_ok_and(of_tests) {
        return String::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().filter(|l| !l.trim_start().starts_with("//")).map(|l| format!("{l}\n")).collect()
}

/// True if the code names the module as a path, directly or inside a `use crate::{..}` list.
fn imports(code: &str, module: &str) -> bool {
    if code.contains(&format!("crate::{module}::")) || code.contains(&format!("crate::{module};")) {
        return true;
    }
    code.split("use crate::{").skip(1).any(|list| {
        let list = &list[..list.find("};").unwrap_or(list.len())];
        let mut depth = 0;
        let mut item = String::new();
        let mut items = Vec::new();
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => items.push(std::mem::take(&mut item)),
                _ => {}
            }
            if c != ',' || depth > 0 {
                item.push(c);
            }
        }
        items.push(item);
        items.iter().any(|item| {
            let item = item.trim();
            item == module || item.starts_with(&format!("{module}::"))
        })
    })
}

#[test]
fn imports_go_down() {
    let mut broken = Vec::new();
    for (level, modules) in ORDER.iter().enumerate() {
        let above: Vec<&str> = ORDER[level + 1..].concat();
        for module in *modules {
            let mut strangers: Vec<&str> =
                modules.iter().filter(|m| *m != module && STRANGERS.contains(m)).copied().collect();
            if *module == "group" {
                // Of the records it knows the policy alone.
                strangers.extend(["graph", "events"]);
            }
            for path in files_of(module) {
                let code = code(&path);
                for forbidden in above.iter().chain(&strangers) {
                    if imports(&code, forbidden) {
                        broken.push(format!("{} imports {forbidden}", path.display()));
                    }
                }
            }
        }
    }
    // The envelope's canonical decoding is the wire's; the record module asks for that one function.
    broken.retain(|b| !(b.contains("/record/") && b.ends_with("imports wire")));
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_engine_and_all_below_it_are_pure() {
    let mut broken = Vec::new();
    for module in ORDER[..IMPURE_FROM].concat() {
        for path in files_of(module) {
            let code = code(&path);
            for word in IMPURE {
                if code.contains(word) {
                    broken.push(format!("{} says {word}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Where numbers come from that a peer, a file or a text says. Clippy refuses arithmetic that can overflow there.
const CHECKED: &[&str] = &[
    "bounded.rs",
    "crypto/mod.rs",
    "events/mod.rs",
    "graph/mod.rs",
    "record/mod.rs",
    "records/admit.rs",
    "records/conflicts.rs",
    "records/deferred.rs",
    "records/export.rs",
    "records/merge.rs",
    "records/stored.rs",
    "records/summaries.rs",
    "records/summary.rs",
    "records/sync/mod.rs",
    "time.rs",
    "wire/mod.rs",
];

#[test]
fn b9_arithmetic_is_checked_where_others_say_the_numbers() {
    let held = "#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]";
    for file in CHECKED {
        assert!(fs::read_to_string(Path::new(CORE).join(file)).unwrap().contains(held), "{file}");
    }
    for path in sources(Path::new(CORE)) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("allow(clippy::arithmetic_side_effects"), "{}", path.display());
    }
}

#[test]
fn s17_maps_are_ordered_or_keyed() {
    // Below the network every map is ordered (see `IMPURE`); above, the hash is the standard one with a random key. A
    // faster hash without one would let strangers choose ids that fall into one place.
    for word in ["HashMap", "HashSet"] {
        assert!(IMPURE.contains(&word));
    }
    let unkeyed = ["Hasher", "RandomState", "fxhash", "rustc_hash", "ahash", "nohash", "FxHash", "hashbrown"];
    for path in sources(Path::new(CORE)) {
        let code = code(&path);
        for line in code.lines().filter(|line| !line.contains("blake3::Hasher")) {
            assert!(!unkeyed.iter().any(|word| line.contains(word)), "{}: {line}", path.display());
        }
    }
}

/// Locks of files by the standard library's own methods, which fail on Android. `lock` and `try_lock` of a mutex are named
/// alike, so clippy has the last word (`clippy.toml`); a `try_lock` of the core is always one of a file.
fn locks_by_std(code: &str) -> Vec<&str> {
    let methods = ["try_lock", "try_lock_shared", "lock_shared", "unlock"];
    let calls = |line: &str| {
        methods.iter().any(|name| {
            line.contains(&format!(".{name}("))
                || line.replace("FileExt::", "").contains(&format!("File::{name}"))
        })
    };
    code.lines().filter(|line| calls(line)).collect()
}

#[test]
fn k1_files_are_locked_by_what_android_has() {
    for path in sources(Path::new(CORE)) {
        let code = code(&path);
        assert_eq!(locks_by_std(&code), Vec::<&str>::new(), "{}", path.display());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let clippy = fs::read_to_string(root.join("clippy.toml")).unwrap();
    for method in ["lock", "lock_shared", "try_lock", "try_lock_shared", "unlock"] {
        assert!(
            clippy.contains(&format!("path = \"std::fs::File::{method}\"")),
            "{method} is not disallowed"
        );
    }
    // The check itself sees them.
    for wrong in [
        "file.try_lock()?;",
        "File::try_lock(&file)",
        "lock.map(File::unlock)",
        "std::fs::File::lock_shared(&f)",
    ] {
        assert_eq!(locks_by_std(wrong), [wrong]);
    }
    assert!(locks_by_std("FileExt::try_lock(&file)\nfs4::FileExt::unlock(&file)\nmutex.lock()").is_empty());
}

#[test]
fn files_can_be_held_in_the_head() {
    let mut long = Vec::new();
    for path in sources(Path::new(CORE)) {
        let lines = code(&path).lines().count();
        if lines > MAX_LINES {
            long.push(format!("{}: {lines} lines", path.display()));
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn no_unsafe_in_our_crates() {
    let root = Path::new(CORE).parent().unwrap().parent().unwrap();
    for dir in ["core/src", "examples", "tests"] {
        for path in sources(&root.join(dir)) {
            if path.ends_with("layering.rs") {
                continue;
            }
            let text = code(&path);
            assert!(!text.contains("unsafe "), "{} says unsafe", path.display());
        }
    }
}

#[test]
fn the_check_itself_sees_code() {
    for module in ORDER.concat() {
        assert!(files_of(module).iter().any(|path| !code(path).is_empty()), "there is no code in {module}");
    }
    let this = Path::new(CORE).parent().unwrap().parent().unwrap().join("tests/tests/layering.rs");
    assert!(code(&this).contains("fn code("));
}

#[test]
fn the_check_itself_sees_imports() {
    assert!(imports("use crate::{\n    events::{A, B},\n    graph,\n};", "events"));
    assert!(imports("use crate::{\n    events::{A, B},\n    graph,\n};", "graph"));
    assert!(imports("let x = crate::net::y();", "net"));
    assert!(!imports("use crate::{ids::{graph, X}};", "graph"));
    assert!(!imports("use crate::ids::NodeId;", "net"));
}
