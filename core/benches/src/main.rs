//! peergraph beside its peers, on this machine, in one run.
//!
//! `cargo run --release` runs every measurement, each in a fresh process, the systems in turn, and prints a table.
//! `-- NAME...` runs some of them; `--runs N` repeats (the table then shows medians); `--list` names them.
//! All nodes of a measurement are in one process on 127.0.0.1, without relays or discovery, so that many nodes share the
//! machine's cores: rates and latencies of sixteen nodes are mostly CPU time.

mod docs;
mod flood;
mod gossip;
mod groups;
mod heard;
mod joins;
mod limits;
mod mobile;
mod ours;
mod raw;
mod removals;
mod report;
#[path = "../../../tests/src/throttle.rs"]
mod throttle;
mod wires;

use std::{collections::BTreeMap, env, process::Command};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use report::Report;

/// What can be measured, in the order of the table.
const MEASUREMENTS: &[&str] = &[
    "limit: verify and insert",
    "peergraph: publish",
    "iroh-docs: insert",
    "peergraph: sync on disk",
    "peergraph: sync in memory",
    "iroh-docs: sync in memory",
    "peergraph: live to 16",
    "iroh-docs: live to 16",
    "iroh-gossip: live to 16",
    "peergraph: flow to 2",
    "iroh-gossip: flow to 2",
    "peergraph: flow to 16",
    "iroh-gossip: flow to 16",
    "peergraph: beside a flood",
    "peergraph: direct",
    "iroh: direct",
    "peergraph: events",
    "peergraph: memory",
    "peergraph: joining a group",
    "peergraph: checks of membership",
    "peergraph: removal among 100",
    "peergraph: removal of who wrote 100,000 records",
    "peergraph: pause and resume",
    "peergraph: join 1,000,000 records",
    "peergraph: join 200,000 through 1 MB/s that breaks every 20 s",
];

async fn measure(name: &str, report: &mut Report) -> Result<()> {
    match name {
        "limit: verify and insert" => limits::verify_and_insert(report),
        "peergraph: publish" => ours::publish(report).await,
        "iroh-docs: insert" => docs::insert(report).await,
        "peergraph: sync on disk" => ours::sync(report, true).await,
        "peergraph: sync in memory" => ours::sync(report, false).await,
        "iroh-docs: sync in memory" => docs::sync(report).await,
        "peergraph: live to 16" => ours::live(report).await,
        "iroh-docs: live to 16" => docs::live(report).await,
        "iroh-gossip: live to 16" => gossip::live(report).await,
        "peergraph: flow to 2" => ours::flow(report, 2, 100_000).await,
        "iroh-gossip: flow to 2" => gossip::flow(report, 2, 100_000).await,
        "peergraph: flow to 16" => ours::flow(report, 16, 10_000).await,
        "iroh-gossip: flow to 16" => gossip::flow(report, 16, 10_000).await,
        "peergraph: beside a flood" => flood::flood(report).await,
        "peergraph: direct" => ours::direct(report).await,
        "iroh: direct" => raw::direct(report).await,
        "peergraph: events" => ours::events(report).await,
        "peergraph: memory" => ours::memory(report).await,
        "peergraph: joining a group" => groups::join(report).await,
        "peergraph: checks of membership" => groups::checks(report),
        "peergraph: removal among 100" => groups::removal(report).await,
        "peergraph: removal of who wrote 100,000 records" => removals::among_many(report).await,
        "peergraph: pause and resume" => mobile::pause(report).await,
        "peergraph: join 1,000,000 records" => joins::million(report).await,
        "peergraph: join 200,000 through 1 MB/s that breaks every 20 s" => joins::throttled(report).await,
        _ => bail!("there is no measurement {name:?}; --list names them"),
    }
}

fn main() -> Result<()> {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--measure") => {
            let name = arguments.get(1).context("a name")?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let mut report = Report::default();
            runtime.block_on(measure(name, &mut report))?;
            report.print();
            // Nodes that are still open need not say goodbye.
            std::process::exit(0);
        }
        Some("--list") => {
            MEASUREMENTS.iter().for_each(|name| println!("{name}"));
            return Ok(());
        }
        _ => {}
    }
    let mut runs = 1;
    if let Some(at) = arguments.iter().position(|a| a == "--runs") {
        runs = arguments.get(at + 1).context("--runs wants a number")?.parse()?;
        arguments.drain(at..at + 2);
    }
    let wanted: Vec<&str> = MEASUREMENTS
        .iter()
        .copied()
        .filter(|n| arguments.is_empty() || arguments.iter().any(|a| n.contains(a)))
        .collect();
    ensure!(!wanted.is_empty(), "nothing is called that; --list names all");
    let mut figures: BTreeMap<&str, Vec<Map<String, Value>>> = BTreeMap::new();
    for run in 1..=runs {
        for name in &wanted {
            eprintln!("run {run}: {name}");
            match once(name) {
                Ok(line) => figures.entry(*name).or_default().push(line),
                Err(error) => eprintln!("  failed: {error:#}"),
            }
        }
    }
    for name in &wanted {
        show(name, figures.get(name).map_or(&[], Vec::as_slice));
    }
    ensure!(wanted.iter().all(|name| figures.contains_key(name)), "some measurements failed");
    Ok(())
}

/// One measurement in a process of its own.
fn once(name: &str) -> Result<Map<String, Value>> {
    let output = Command::new(env::current_exe()?).args(["--measure", name]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line = output.stdout.split(|byte| *byte == b'\n').rfind(|line| line.starts_with(b"{"));
    Ok(serde_json::from_slice(line.context("no result")?)?)
}

fn show(name: &str, lines: &[Map<String, Value>]) {
    println!("\n{name}");
    let Some(first) = lines.first() else {
        return println!("  failed");
    };
    for key in first.keys() {
        let mut values: Vec<f64> = lines.iter().filter_map(|line| line.get(key)?.as_f64()).collect();
        values.sort_by(f64::total_cmp);
        let Some(median) = values.get(values.len() / 2) else {
            continue;
        };
        let spread = if values.len() > 1 {
            format!("   ({} to {})", values[0], values[values.len() - 1])
        } else {
            String::new()
        };
        println!("  {key:<44} {median:>12}{spread}");
    }
}
