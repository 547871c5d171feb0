//! A hostile process beside a victim and three honest ones: `hostile run [NAME...]` measures the rows of these names (all rows
//! without a name) and prints the table. With `PEERGRAPH_WRITE_HOSTILE` set, the table is written into SECURITY.md as well;
//! `PEERGRAPH_HOSTILE_RUNS` says how often the row without an attack and those that fail are measured (3), `PEERGRAPH_HOSTILE_SECONDS` how long each
//! attack lasts (8).
//! The other words are for the processes that it starts.

use std::{path::Path, process::ExitCode, time::Duration};

use peergraph_tests::hostile::{self, Limits, Pace, Report};

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

/// A number from the environment.
fn setting(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

async fn run(names: &[&str]) -> ExitCode {
    let program = std::env::current_exe().expect("the path of this program");
    let mut limits = Limits::default();
    // The first row, without an attack, is always measured.
    let wanted = |name: &str| name == "none" || names.is_empty() || names.iter().any(|n| name.starts_with(n));
    let mut lines = vec![hostile::circumstances(), Report::HEAD.to_owned()];
    println!("{}", lines.join("\n"));
    let runs = setting("PEERGRAPH_HOSTILE_RUNS").unwrap_or(3);
    let attack = Duration::from_secs(setting("PEERGRAPH_HOSTILE_SECONDS").unwrap_or(8).into());
    let pace = Pace { quiet: attack / 2, attack, after: attack / 4 };
    let mut unexpected = 0;
    for attack in hostile::attacks().into_iter().filter(|attack| wanted(&attack.name)) {
        let control = attack.name == "none";
        let mut report = Report { runs: hostile::measure(&program, &[&attack], pace).await, attack };
        if control || !report.runs[0].faults(&limits).is_empty() {
            for _ in 1..runs {
                report.runs.extend(hostile::measure(&program, &[&report.attack], pace).await);
            }
        }
        if control {
            limits.noise = report.longest().map(|longest| longest.max(limits.noise[0]));
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
