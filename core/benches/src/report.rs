//! What a measurement says: one line of JSON on standard output, and the readings of the system behind it.

use std::{fs, sync::OnceLock, time::Instant};

use serde_json::{Map, Value, json};

/// Named figures of one measurement.
#[derive(Debug, Default)]
pub struct Report(Map<String, Value>);

impl Report {
    /// Notes a figure, rounded to four digits.
    pub fn put(&mut self, name: &str, value: f64) {
        self.0.insert(name.into(), json!(round(value)));
    }

    /// Notes the median, the 99th percentile and the greatest of times in nanoseconds, as milliseconds.
    pub fn put_ms(&mut self, name: &str, mut nanos: Vec<u64>) {
        nanos.sort_unstable();
        for (label, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            let at = ((nanos.len().max(1) - 1) as f64 * share).round() as usize;
            let value = nanos.get(at).map_or(f64::NAN, |nanos| *nanos as f64 / 1e6);
            self.put(&format!("{name} {label} ms"), value);
        }
    }

    /// Prints it.
    pub fn print(self) {
        println!("{}", Value::Object(self.0));
    }
}

/// Runs something and gives its seconds and CPU seconds of the whole process.
pub struct Watch {
    start: Instant,
    cpu: f64,
}

impl Watch {
    pub fn start() -> Self {
        Self { start: Instant::now(), cpu: cpu_seconds() }
    }

    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    pub fn cpu(&self) -> f64 {
        cpu_seconds() - self.cpu
    }
}

/// Nanoseconds since the first call: comparable within the process.
pub fn nanos() -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    EPOCH.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// User and system seconds of this process, in steps of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold spaces; the times are the 12th and 13th field after it.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Resident memory of this process in MiB.
pub fn rss_mib() -> f64 {
    memory("VmRSS:")
}

/// The most that it was since [`forget_peak`].
pub fn peak_rss_mib() -> f64 {
    memory("VmHWM:")
}

/// Begins to look for the peak anew.
pub fn forget_peak() {
    // Where the system does not allow it, the peak is that of the whole life.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn memory(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap_or(f64::NAN) / 1024.0
}

fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}
