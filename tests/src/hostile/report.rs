//! The table.

use std::{fs, path::Path, time::Duration};

use super::{
    attacks::{Attack, Who},
    row::{Limits, Row, Waits},
};

/// The marks in SECURITY.md between which the table stands.
const BEGIN: &str = "<!-- hostile: begin; written by `make hostile` -->";
const END: &str = "<!-- hostile: end -->";

/// One line: an attack and each measurement of it. One that fails is measured twice more.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was done.
    pub attack: Attack,
    /// What it cost, at least once.
    pub runs: Vec<Row>,
}

impl Report {
    /// The head of the table.
    pub const HEAD: &'static str = "| attack | sent | memory, MiB | publish, ms | join, ms | lost | ends by itself | result |\n\
         |---|---|---|---|---|---|---|---|";

    /// True if most runs keep to the limits.
    pub fn holds(&self, limits: &Limits) -> bool {
        let good = self.runs.iter().filter(|row| row.faults(limits).is_empty()).count();
        good * 2 > self.runs.len()
    }

    /// The longest publish and the longest join of all runs.
    pub fn longest(&self) -> [Duration; 2] {
        let of = |call: &dyn Fn(&Row) -> Waits| {
            self.runs.iter().map(|row| call(row).longest).max().unwrap_or_default()
        };
        [of(&|row| row.publish), of(&|row| row.join)]
    }

    /// The line of the table.
    pub fn line(&self, limits: &Limits) -> String {
        let each = |cell: &dyn Fn(&Row) -> String| self.runs.iter().map(cell).collect::<Vec<_>>().join(" / ");
        let wait = |waits: &Waits| format!("{} → {}", waits.before.as_millis(), waits.longest.as_millis());
        let who = match self.attack.who {
            Who::Stranger => "stranger",
            Who::Proven => "knows the secret",
            Who::Member => "member",
        };
        let result = if self.holds(limits) {
            "holds".to_owned()
        } else {
            let faults = self.runs.iter().map(|row| row.faults(limits)).find(|faults| !faults.is_empty());
            format!("**fails**: {}", faults.unwrap_or_default().join("; "))
        };
        format!(
            "| `{}` ({who}): {} | {} | +{} | {} | {} | {} | {} | {result} |",
            self.attack.name,
            self.attack.what,
            each(&|row| size(row.sent)),
            each(&|row| (row.memory / 1024).to_string()),
            each(&|row| wait(&row.publish)),
            each(&|row| wait(&row.join)),
            each(&|row| row.lost.to_string()),
            self.runs[0].end(),
        )
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..=9999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// On what the measurements are made, as a sentence.
pub fn circumstances() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let build =
        if cfg!(debug_assertions) { "debug build with optimised dependencies" } else { "release build" };
    format!("Measured on {cores} cores with a {build}; load average before the first row: {load}.\n")
}

/// Puts a table between the two marks of SECURITY.md.
///
/// # Panics
/// If the file or the marks are not there.
pub fn write_into_security(root: &Path, table: &str) {
    let path = root.join("SECURITY.md");
    let text = fs::read_to_string(&path).expect("SECURITY.md");
    let (before, rest) = text.split_once(BEGIN).expect("the first mark");
    let (_, after) = rest.split_once(END).expect("the second mark");
    fs::write(&path, format!("{before}{BEGIN}\n\n{table}\n\n{END}{after}"))
        .expect("SECURITY.md can be written");
}
