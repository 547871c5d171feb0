//! The scenario language: reading files, and running steps until they tell what they should.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use peergraph::Error;
use peergraph_tests::PATIENCE;

use crate::world::World;

/// What a step tells, by name.
pub(crate) type Facts = BTreeMap<String, String>;

/// Why a step did not go well.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The library refused.
    Core(Error),
    /// The script is wrong, or what it wants is not offered.
    Script(String),
}

impl<E: Into<Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Core(error.into())
    }
}

/// A fault of the script.
pub(crate) fn wrong<T>(message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Script(message.into()))
}

/// The words of one step, with all references resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) verb: String,
    pub(crate) names: Vec<String>,
    pub(crate) keys: BTreeMap<String, String>,
    facts: BTreeMap<String, String>,
    error: Option<String>,
    until: bool,
    repeat: Option<u32>,
}

impl Step {
    /// A value that may be left out.
    pub(crate) fn opt(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    /// A value that must be there.
    pub(crate) fn need(&self, key: &str) -> Result<&str, Fault> {
        self.opt(key).map_or_else(|| wrong(format!("{} needs {key}=", self.verb)), Ok)
    }

    /// A value that may be left out, read as a number, a boolean, ...
    pub(crate) fn read<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>, Fault> {
        match self.opt(key) {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => wrong(format!("{key}={text} cannot be read")),
            },
        }
    }

    /// The values of all keys that begin so, with the rest of the key.
    pub(crate) fn starting<'a>(&'a self, start: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.keys.iter().filter_map(move |(key, value)| Some((key.strip_prefix(start)?, value.as_str())))
    }
}

/// What one verb takes.
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) keys: Vec<&'static str>,
    names: usize,
    facts: Vec<&'static str>,
}

/// The verbs of `verbs.txt`.
pub(crate) fn verbs(text: &'static str) -> Vec<Verb> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let verb = |line: &'static str| {
        let (takes, tells) = line.split_once(" -> ").unwrap_or((line, ""));
        let mut words = takes.split(' ');
        let name = words.next().unwrap_or_default();
        let (names, keys): (Vec<_>, Vec<_>) = words.partition(|word| word.starts_with(char::is_uppercase));
        Verb { name, names: names.len(), keys, facts: tells.split(' ').filter(|f| !f.is_empty()).collect() }
    };
    lines.map(verb).collect()
}

fn listed(known: &[&str], word: &str) -> bool {
    known.iter().any(|k| *k == word || (k.ends_with('.') && word.starts_with(k)))
}

/// One scenario of a file.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    steps: Vec<Step>,
}

impl Scenario {
    /// The verbs in it, each with its keys.
    pub(crate) fn words(&self) -> Vec<(String, BTreeSet<String>)> {
        self.steps.iter().map(|step| (step.verb.clone(), step.keys.keys().cloned().collect())).collect()
    }
}

/// The scenarios of a file.
pub(crate) fn parse(text: &str, verbs: &[Verb]) -> Result<Vec<Scenario>, String> {
    let mut all: Vec<Scenario> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let at = at + 1;
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words.first().copied(), all.last_mut()) {
            (None, _) => {}
            (Some(word), _) if word.starts_with('#') => {}
            (Some("scenario"), _) if words.len() == 2 => {
                all.push(Scenario { name: words[1].to_owned(), steps: Vec::new() });
            }
            (Some(_), Some(scenario)) => {
                scenario.steps.push(step(at, &words, verbs).map_err(|what| format!("line {at}: {what}"))?);
            }
            (Some(_), None) => return Err(format!("line {at}: a step before the first scenario")),
        }
    }
    Ok(all)
}

fn step(line: usize, words: &[&str], verbs: &[Verb]) -> Result<Step, String> {
    let mut words = words.iter().copied().peekable();
    let mut made = Step { line, until: words.next_if_eq(&"until").is_some(), ..Step::default() };
    if words.next_if_eq(&"repeat").is_some() {
        let count = words.next().and_then(|word| word.parse().ok()).ok_or("repeat needs a number")?;
        made.repeat = Some(count);
    }
    made.verb = words.next().unwrap_or_default().to_owned();
    let verb = verbs.iter().find(|verb| verb.name == made.verb);
    let verb = verb.ok_or_else(|| format!("there is no verb {:?}", made.verb))?;
    let mut telling = false;
    for word in words {
        match word.split_once('=') {
            None if word == "->" && !telling => telling = true,
            None if !telling && made.keys.is_empty() => made.names.push(word.to_owned()),
            None => return Err(format!("{word:?} stands in no place for a name")),
            Some(("error", code)) => made.error = Some(code.to_owned()),
            Some((key, value)) => {
                let (known, map) =
                    if telling { (&verb.facts, &mut made.facts) } else { (&verb.keys, &mut made.keys) };
                if !listed(known, key) {
                    return Err(format!("{} knows no {key:?}", verb.name));
                }
                if map.insert(key.to_owned(), value.to_owned()).is_some() {
                    return Err(format!("{key:?} is given twice"));
                }
            }
        }
    }
    if made.names.len() != verb.names {
        return Err(format!("{} takes {} names, not {}", verb.name, verb.names, made.names.len()));
    }
    if telling && (made.facts.is_empty() || made.error.is_some()) {
        return Err("-> is for facts, and who fails tells none".into());
    }
    Ok(made)
}

/// A word as it is meant: `@name.fact` is what an earlier step told, `x*9` nine of them.
fn meant(word: &str, known: &Facts) -> Result<String, Fault> {
    if let Some(reference) = word.strip_prefix('@') {
        return known.get(reference).cloned().map_or_else(|| wrong(format!("nothing told {word}")), Ok);
    }
    let mut chars = word.chars();
    if let (Some(each), Some(count)) = (chars.next(), chars.as_str().strip_prefix('*'))
        && let Ok(count) = count.parse()
    {
        return Ok(each.to_string().repeat(count));
    }
    Ok(word.to_owned())
}

/// Runs a scenario to its end, or to the first step that does not do what it should.
pub(crate) async fn run(scenario: &Scenario, patience: Duration) -> Result<(), String> {
    let mut world = World::new(patience);
    let mut known = Facts::new();
    for step in &scenario.steps {
        for turn in 0..step.repeat.unwrap_or(1) {
            let turned = |map: &BTreeMap<String, String>| -> Result<BTreeMap<String, String>, Fault> {
                let turn = turn.to_string();
                let word = |value: &String| match step.repeat {
                    Some(_) => meant(&value.replace('#', &turn), &known),
                    None => meant(value, &known),
                };
                map.iter().map(|(key, value)| Ok((key.clone(), word(value)?))).collect()
            };
            let filled = turned(&step.keys)
                .and_then(|keys| Ok(Step { keys, facts: turned(&step.facts)?, ..step.clone() }));
            let done = match filled {
                Ok(filled) => once_or_until(&mut world, &filled, patience).await,
                Err(fault) => Err(format!("{fault:?}")),
            };
            let told = done.map_err(|what| format!("{}, line {}: {what}", scenario.name, step.line))?;
            let name = &step.names[0];
            known.extend(told.into_iter().map(|(fact, value)| (format!("{name}.{fact}"), value)));
        }
    }
    world.end().await;
    Ok(())
}

async fn once_or_until(world: &mut World, step: &Step, patience: Duration) -> Result<Facts, String> {
    let deadline = tokio::time::Instant::now() + patience;
    let again = step.until || step.verb == "find";
    loop {
        let outcome = tokio::time::timeout(2 * PATIENCE, world.step(step)).await;
        let outcome = outcome.map_err(|_| format!("{} does not come to an end", step.verb))?;
        let judged = judge(step, outcome);
        match judged {
            Err(Judged::Failed(what)) if !again || tokio::time::Instant::now() > deadline => {
                return Err(what);
            }
            Err(Judged::Wrong(what)) => return Err(what),
            Err(Judged::Failed(_)) if step.until => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(Judged::Failed(_)) => {}
            Ok(told) => return Ok(told),
        }
    }
}

enum Judged {
    /// Not what was expected; perhaps later.
    Failed(String),
    /// Never to be right.
    Wrong(String),
}

fn judge(step: &Step, outcome: Result<Facts, Fault>) -> Result<Facts, Judged> {
    match (outcome, &step.error) {
        (Err(Fault::Script(what)), _) => Err(Judged::Wrong(what)),
        (Err(Fault::Core(error)), Some(code)) if error.kind().name() == code => Ok(Facts::new()),
        (Err(Fault::Core(error)), wanted) => {
            Err(Judged::Failed(format!("{} failed with {error:?}, expected {wanted:?}", step.verb)))
        }
        (Ok(told), Some(code)) => {
            Err(Judged::Failed(format!("{} should have failed with {code}: {told:?}", step.verb)))
        }
        (Ok(told), None) => {
            let differs = step.facts.iter().find(|(fact, value)| told.get(*fact) != Some(value));
            match differs {
                None => Ok(told),
                Some((fact, value)) => {
                    Err(Judged::Failed(format!("expected {fact}={value}, {} told {told:?}", step.verb)))
                }
            }
        }
    }
}
