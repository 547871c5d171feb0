//! `core/LIMITS.md` is made from `core/src/limits`: no cap is missing there, and none says another number than the code.
//!
//! `PEERGRAPH_WRITE_LIMITS=1` writes the page anew.

use std::{collections::BTreeMap, env, fs, path::Path};

use peergraph_tests::files::sources;

const CORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core");
const HEAD: &str = "# Limits\n\nEvery cap, timeout and default, with what happens at the edge. Made from `core/src/limits` by \
    `PEERGRAPH_WRITE_LIMITS=1 cargo test --workspace --test limits_page`; a test compares. What they protect from is in \
    `SECURITY.md`.\n";

struct Limit {
    name: String,
    unit: &'static str,
    value: f64,
    says: String,
}

struct Subject {
    title: String,
    limits: Vec<Limit>,
}

/// The number that an expression of the limits stands for: products and sums of numbers and of earlier limits.
fn number(expression: &str, known: &BTreeMap<String, f64>) -> f64 {
    let expression = expression.replace(" as usize", "").replace(" as u64", "");
    let term = |text: &str| {
        text.split('*')
            .map(|factor| {
                let factor = factor.trim();
                let shifted: Vec<&str> = factor.split("<<").collect();
                let one = |text: &str| {
                    let text = text.trim();
                    text.replace('_', "").parse().ok().or_else(|| known.get(text).copied())
                };
                match shifted[..] {
                    [one_factor] => one(one_factor),
                    [base, by] => one(base).zip(one(by)).map(|(base, by): (f64, f64)| base * by.exp2()),
                    _ => None,
                }
                .unwrap_or_else(|| panic!("what is {factor:?}? teach `number` in this test"))
            })
            .product::<f64>()
    };
    expression.split('+').map(term).sum()
}

/// A limit's value in its smallest unit, and that unit.
fn value(kind: &str, expression: &str, known: &BTreeMap<String, f64>) -> (f64, &'static str) {
    if kind != "Duration" {
        return (number(expression, known), "");
    }
    if let Some(span) = known.get(expression) {
        return (*span, "µs");
    }
    let (unit, rest) = expression
        .strip_prefix("Duration::from_")
        .and_then(|rest| rest.split_once('('))
        .expect("a span, or a limit that comes before");
    let factor = match unit {
        "secs" => 1e6,
        "millis" => 1e3,
        "micros" => 1.0,
        other => panic!("spans of {other}"),
    };
    (number(rest.trim_end_matches(')'), known) * factor, "µs")
}

fn limits_of(source: &str, known: &mut BTreeMap<String, f64>) -> Vec<Limit> {
    let (mut says, mut limits) = (Vec::new(), Vec::new());
    for line in source.replace("\n    ", " ").lines() {
        if let Some(text) = line.strip_prefix("///") {
            says.push(text.trim().to_owned());
        } else if let Some(rest) =
            line.split_once("const ").map(|(_, rest)| rest).filter(|rest| !rest.starts_with('_'))
        {
            let (name, rest) = rest.split_once(": ").expect("a type");
            let (kind, expression) = rest.trim_end_matches(';').split_once(" = ").expect("a value");
            let (value, span) = value(kind, expression, known);
            let unit = if span.is_empty() && is_bytes(name, &says.join(" ")) { "bytes" } else { span };
            known.insert(name.to_owned(), value);
            limits.push(Limit { name: name.to_owned(), unit, value, says: says.join(" ") });
            says.clear();
        } else {
            says.clear();
        }
    }
    limits
}

/// By the words of the first sentence.
fn is_bytes(name: &str, says: &str) -> bool {
    let says = says.split('.').next().unwrap_or_default().to_lowercase();
    let begins = ["bytes", "record bytes", "largest"].iter().any(|word| says.starts_with(word));
    let has =
        ["most bytes", "in bytes", "record limit", "this size"].iter().any(|words| says.contains(words));
    begins || has || name.contains("BYTES") || name.contains("INBOX")
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// In the largest unit of which it is a whole number.
fn shown(limit: &Limit) -> String {
    let units: &[(f64, &str)] = match limit.unit {
        "µs" => &[(86_400e6, "days"), (3_600e6, "h"), (60e6, "min"), (1e6, "s"), (1e3, "ms"), (1.0, "µs")],
        "bytes" => &[(1_048_576.0, "MiB"), (1_024.0, "KiB"), (1.0, "B")],
        _ => return grouped(limit.value),
    };
    let (size, unit) = units
        .iter()
        .find(|(size, _)| limit.value >= *size && limit.value % size == 0.0)
        .expect("the smallest is one");
    let many = limit.value / size;
    let unit = if *unit == "days" && many == 1.0 { "day" } else { unit };
    format!("{} {unit}", grouped(many))
}

/// Links between limits are for rustdoc.
fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some((before, rest)) = text.split_once("[`") {
        let (name, after) = rest.split_once("`]").expect("a link ends");
        let after =
            after.strip_prefix('(').map_or(after, |link| link.split_once(')').expect("so does its target").1);
        text = format!("{before}`{name}`{after}");
    }
    text.replace('|', "\\|")
}

fn subjects() -> Vec<Subject> {
    let mut known = BTreeMap::new();
    let mut files = sources(&Path::new(CORE).join("src/limits"));
    files.sort();
    let texts: Vec<String> = files
        .iter()
        .filter(|file| !file.ends_with("mod.rs"))
        .map(|file| fs::read_to_string(file).expect("a source"))
        .collect();
    let read = |text: &String, known: &mut BTreeMap<String, f64>| Subject {
        title: text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("//! "))
            .expect("a subject")
            .trim_end_matches('.')
            .to_owned(),
        limits: limits_of(text, known),
    };
    texts.iter().map(|text| read(text, &mut known)).collect()
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for subject in subjects() {
        page += &format!("\n## {}\n\n| what | how many | name |\n| --- | --- | --- |\n", subject.title);
        for limit in subject.limits {
            page += &format!("| {} | {} | `{}` |\n", plain(&limit.says), shown(&limit), limit.name);
        }
    }
    page
}

#[test]
fn the_page_of_limits_says_what_the_code_has() {
    let (path, page) = (Path::new(CORE).join("LIMITS.md"), page());
    if env::var_os("PEERGRAPH_WRITE_LIMITS").is_some() {
        fs::write(&path, &page).expect("the page can be written");
    }
    let there = fs::read_to_string(&path).expect("core/LIMITS.md");
    for (there, made) in there.lines().zip(page.lines()) {
        assert_eq!(
            there, made,
            "core/LIMITS.md is not what core/src/limits says: PEERGRAPH_WRITE_LIMITS=1 writes it anew"
        );
    }
    assert_eq!(there.lines().count(), page.lines().count());
}

/// Whoever adds a limit says what it is for.
#[test]
fn every_limit_says_what_it_is() {
    for limit in subjects().iter().flat_map(|subject| &subject.limits) {
        assert!(limit.says.len() > 10, "{} says nothing", limit.name);
        assert!(limit.value > 0.0, "{} is nothing", limit.name);
    }
}
