//! Short form of `make hostile`: a hostile process beside a victim and three honest ones.

#![cfg(target_os = "linux")]

use std::{path::Path, time::Duration};

use peergraph_tests::hostile::{self, Limits, Pace, Report};

const PACE: Pace = Pace {
    quiet: Duration::from_millis(1500),
    attack: Duration::from_secs(2),
    after: Duration::from_millis(300),
};

#[tokio::test(flavor = "multi_thread")]
async fn honest_processes_hardly_notice_a_hostile_one() {
    // Other tests may be running, and a machine may be slow: no wait may come near the ten seconds after which a join fails.
    let patience = Duration::from_secs(8);
    let limits = Limits { longest: patience, noise: [patience; 2], ..Limits::default() };
    let program = Path::new(env!("CARGO_BIN_EXE_hostile"));
    let attacks: Vec<_> = hostile::attacks().into_iter().filter(|attack| attack.short).collect();
    assert!(attacks.iter().all(|attack| attack.fails.is_none()), "the short form has rows that hold");
    let rows = hostile::measure(program, &attacks.iter().collect::<Vec<_>>(), PACE).await;
    println!("{}", Report::HEAD);
    let mut failed = Vec::new();
    for (attack, row) in attacks.into_iter().zip(rows) {
        let report = Report { attack, runs: vec![row] };
        println!("{}", report.line(&limits));
        if !report.holds(&limits) {
            failed.push(report.attack.name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
