//! A hostile process beside a victim and three honest ones: `hostile run [NAME...]` measures the rows of these names (all rows
//! without a name) and prints the table. With `PEERGRAPH_WRITE_HOSTILE` set, the table is written into SECURITY.md as well;
//! `PEERGRAPH_HOSTILE_RUNS` says how often a row that fails is measured (3).
//! The other words are for the processes that it starts.

use std::{path::Path, process::ExitCode, time::Duration};

use peergraph_tests::hostile::{self, Limits, Pace, Report};

const PACE: Pace =
    Pace { quiet: Duration::from_secs(5), attack: Duration::from_secs(8), after: Duration::from_secs(3) };

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let plain: Vec<&str> = words.iter().map(String::as_str).collect();
    match plain.as_slice() {
        ["run", names @ ..] => return run(names).await,
        ["victim", dir] => hostile::victim(Path::new(dir)).await,
        ["honest", name, link] => hostile::honest(name, link).await,
        ["attack", name, seconds, ..] => hostile::attack(name, seconds, &words[3..]).await,
        _ => panic!("usage: hostile run [NAME...]"),
    }
    ExitCode::SUCCESS
}

async fn run(names: &[&str]) -> ExitCode {
    let program = std::env::current_exe().expect("the path of this program");
    let limits = Limits::default();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| name.starts_with(wanted));
    println!("{}", Report::HEAD);
    let mut lines = vec![Report::HEAD.to_owned()];
    let runs = std::env::var("PEERGRAPH_HOSTILE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(3);
    let mut unexpected = 0;
    for attack in hostile::attacks().into_iter().filter(|attack| wanted(&attack.name)) {
        let mut report = Report { runs: hostile::measure(&program, &[&attack], PACE).await, attack };
        if !report.runs[0].faults(&limits).is_empty() {
            for _ in 1..runs {
                report.runs.extend(hostile::measure(&program, &[&report.attack], PACE).await);
            }
        }
        let line = report.line(&limits);
        println!("{line}");
        lines.push(line);
        unexpected += usize::from(!report.holds(&limits) && report.attack.fails.is_none());
    }
    if std::env::var_os("PEERGRAPH_WRITE_HOSTILE").is_some() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        hostile::write_into_security(&root, &lines.join("\n"));
    }
    if unexpected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
