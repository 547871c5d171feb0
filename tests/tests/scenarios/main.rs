//! The scenarios that all languages share, on the core. What they say, and how, is in `tests/scenarios`.

mod connections;
mod groups;
mod records;
mod script;
mod world;

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use peergraph_tests::PATIENCE;
use script::{Scenario, parse, run, verbs};

const VERBS: &str = include_str!("../../scenarios/verbs.txt");

/// All scenarios of all files.
fn all() -> Vec<Scenario> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let known = verbs(VERBS);
    let scripts = files.iter().filter(|path| path.extension().is_some_and(|e| e == "scenario"));
    scripts
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            parse(&text, &known).unwrap_or_else(|what| panic!("{}, {what}", path.display()))
        })
        .collect()
}

async fn play(name: &str) {
    let scenarios = all();
    let scenario = scenarios.iter().find(|scenario| scenario.name == name).expect("there is such a scenario");
    if let Err(what) = run(scenario, PATIENCE).await {
        panic!("{what}");
    }
}

/// A test for each; `every_scenario_is_played` holds this list to the files.
macro_rules! scenarios {
    ($($name:ident)*) => {
        const PLAYED: &[&str] = &[$(stringify!($name)),*];
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                play(stringify!($name)).await;
            }
        )*
    };
}

include!("list.rs");

#[test]
fn every_scenario_is_played() {
    let written: Vec<String> = all().into_iter().map(|scenario| scenario.name).collect();
    let names: BTreeSet<&str> = written.iter().map(String::as_str).collect();
    assert_eq!(names.len(), written.len(), "two scenarios have one name");
    assert_eq!(names, PLAYED.iter().copied().collect(), "name them in list.rs");
}

#[test]
fn every_verb_and_key_is_used_somewhere() {
    let used: Vec<(String, BTreeSet<String>)> = all().iter().flat_map(Scenario::words).collect();
    let mut idle = Vec::new();
    for verb in verbs(VERBS) {
        let uses: Vec<_> = used.iter().filter(|(name, _)| name == verb.name).collect();
        if uses.is_empty() {
            idle.push(verb.name.to_owned());
        }
        for key in &verb.keys {
            let is_key = |word: &String| word == key || (key.ends_with('.') && word.starts_with(key));
            if !uses.iter().any(|(_, keys)| keys.iter().any(is_key)) {
                idle.push(format!("{} {key}=", verb.name));
            }
        }
    }
    assert!(idle.is_empty(), "no scenario uses {idle:?}");
}

/// What comes of a script of one scenario.
async fn outcome(steps: &str) -> Result<(), String> {
    let scenarios = parse(&format!("scenario tried\n{steps}"), &verbs(VERBS))?;
    run(&scenarios[0], Duration::from_millis(300)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_script_fails() {
    const START: &str = "node n\ngraph a n name=one\n";
    for (steps, wanted) in [
        ("fly a", "there is no verb"),
        ("listen a high=true", "knows no \"high\""),
        ("status a -> happy=true", "knows no \"happy\""),
        ("status a -> listening=true", "expected listening=true"),
        ("until status a -> listening=true", "expected listening=true"),
        ("listen a error=NotListening", "should have failed with NotListening"),
        ("close a\nlisten a", "failed with Closed"),
        ("close a\nlisten a error=NotFound", "expected Some(\"NotFound\")"),
        ("listen b", "no graph is called b"),
        ("listen a b", "takes 1 names, not 2"),
        ("publish r a", "needs type="),
        ("publish r a type=t body=1 body=2", "is given twice"),
        ("publish r a type=t expires=soon", "cannot be read"),
        ("publish r a type=t attribute.x=1", "no value of an attribute"),
        ("delete a id=@r.id", "nothing told @r.id"),
        ("status a -> listening=false error=Closed", "who fails tells none"),
        ("events s a\nnext s", "no event in time"),
        ("events s a\npublish r a type=t\nnext s -> kind=node_changed", "expected kind=node_changed"),
        (
            "events s a\npublish r a type=t\nclose-events s\nfind s -> kind=record_changed",
            "told {\"kind\": \"end\"}",
        ),
        ("repeat many listen a", "repeat needs a number"),
        ("listen -> outcome=started a", "stands in no place"),
    ] {
        let failed = outcome(&format!("{START}{steps}")).await.expect_err(steps);
        assert!(failed.contains(wanted), "{steps}: {failed}");
    }
    assert!(parse("listen a", &verbs(VERBS)).is_err(), "a step of no scenario");
    assert_eq!(outcome(&format!("{START}status a -> listening=false")).await, Ok(()));
}
