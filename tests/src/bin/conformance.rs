//! Prints, item by item, which capabilities have a test that bears their number, and in which languages.
//!
//! Usage: `conformance [--missing] [--require G1,R2-R4,...] [--everywhere LANGUAGE,... E1-E24,...]`; fails if one that is
//! required has none, in some language or in each of those named.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() {
            if !matches!(&*name, "target" | "node_modules" | ".git" | ".venv" | "build") {
                sources(&path, found);
            }
        } else if language(&name).is_some() {
            found.push(path);
        }
    }
}

/// The numbers at the start of a test's name: `g13_g14_follows` gives G13 and G14, and so does `g13 g14 follows`.
fn numbers(name: &str) -> Vec<String> {
    name.split(['_', ' '])
        .map_while(|part| {
            let mut chars = part.chars();
            let letter = chars.next().filter(|c| "gremix".contains(c.to_ascii_lowercase()))?;
            let digits = chars.as_str();
            let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            number.then(|| format!("{}{digits}", letter.to_ascii_uppercase()))
        })
        .collect()
}

/// The language of a file, by how its name ends.
fn language(name: &str) -> Option<&'static str> {
    let (_, end) = name.rsplit_once('.')?;
    Some(match end {
        "rs" => "rust",
        "py" => "python",
        "ts" | "mjs" | "js" => "node",
        "kt" => "kotlin",
        "swift" => "swift",
        _ => return None,
    })
}

/// Test functions of any of the languages in one file.
fn tests_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        let name = [
            "fn ",
            "async fn ",
            "def test_",
            "async def test_",
            "fun `",
            "fun ",
            "@Test func ",
            "func test_",
        ]
        .iter()
        .find_map(|start| line.strip_prefix(start))
        .or_else(|| line.strip_prefix("test('").or_else(|| line.strip_prefix("test(\"")));
        if let Some(name) = name {
            let end =
                name.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ' ')).unwrap_or(name.len());
            names.push(name[..end].to_owned());
        }
    }
    names
}

fn expand(list: &str) -> BTreeSet<String> {
    let mut items = BTreeSet::new();
    for part in list.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        match part.split_once('-') {
            Some((from, to)) => {
                let letter = &from[..1];
                let range = from[1..].parse::<u32>().expect("a number")..=to[1..].parse().expect("a number");
                items.extend(range.map(|n| format!("{letter}{n}")));
            }
            None => {
                items.insert(part.to_owned());
            }
        }
    }
    items
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let only_missing = arguments.iter().any(|a| a == "--missing");
    let after =
        |option, nth| arguments.iter().position(|a| a == option).and_then(|at| arguments.get(at + nth));
    let (required, languages, everywhere) =
        (after("--require", 1), after("--everywhere", 1), after("--everywhere", 2));
    let list = fs::read_to_string(format!("{ROOT}/tests/conformance.txt")).expect("the list of capabilities");
    let mut files = Vec::new();
    sources(Path::new(ROOT), &mut files);
    let mut proofs: BTreeMap<String, Vec<(&'static str, String)>> = BTreeMap::new();
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let Some(language) = language(&path.to_string_lossy()) else { continue };
        for name in tests_in(&text) {
            for number in numbers(&name) {
                proofs.entry(number).or_default().push((language, name.clone()));
            }
        }
    }
    let (mut proven, mut total) = (0, 0);
    for line in list.lines() {
        let (item, text) = line.split_once(' ').expect("number and text");
        total += 1;
        match proofs.get(item) {
            Some(tests) => {
                proven += 1;
                if !only_missing {
                    let languages: BTreeSet<&str> = tests.iter().map(|(language, _)| *language).collect();
                    let languages = languages.into_iter().collect::<Vec<_>>().join(", ");
                    let (_, first) =
                        tests.iter().max_by_key(|(language, _)| *language == "rust").expect("one at least");
                    println!("{item:<4} yes  {languages:<14} {first} {}", more(tests.len()));
                }
            }
            None => println!("{item:<4} -    {text}"),
        }
    }
    println!("{proven} of {total} capabilities have a test that bears their number");
    for language in ["rust", "python", "node", "kotlin", "swift"] {
        let here = |tests: &&Vec<(&str, String)>| tests.iter().any(|(of, _)| *of == language);
        let (count, alone) = (
            proofs.values().filter(here).count(),
            proofs.values().filter(here).filter(|tests| tests.iter().all(|(of, _)| *of == language)).count(),
        );
        if count > 0 {
            println!("  {count:>3} in {language}, {alone} of them nowhere else");
        }
    }
    let items = |list: Option<&String>| list.map(|list| expand(list)).unwrap_or_default();
    let mut missing: Vec<String> =
        items(required).into_iter().filter(|item| !proofs.contains_key(item)).collect();
    for language in languages.iter().flat_map(|list| list.split(',')) {
        let here =
            |item: &String| proofs.get(item).is_some_and(|tests| tests.iter().any(|(of, _)| *of == language));
        missing.extend(
            items(everywhere).iter().filter(|item| !here(item)).map(|item| format!("{item} in {language}")),
        );
    }
    if missing.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("required, but without a test: {}", missing.join(", "));
    ExitCode::FAILURE
}

fn more(count: usize) -> String {
    if count > 1 { format!("(and {} more)", count - 1) } else { String::new() }
}
