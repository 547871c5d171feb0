//! What many nodes of one process heard, and when.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::report::{Report, Watch, nanos};

/// Messages of a latency measurement, after the warm-up; per second.
const LIVE: usize = 200;
const WARMUP: usize = 50;
const LIVE_RATE: f64 = 20.0;

/// A message that begins with its number.
pub fn body(number: usize, size: usize) -> Vec<u8> {
    let mut body = vec![7; size];
    body[..8].copy_from_slice(&(number as u64).to_le_bytes());
    body
}

/// For each message, when it was heard, by whomever.
pub struct Heard(Mutex<Vec<Vec<u64>>>);

impl Heard {
    /// For a latency measurement.
    pub fn for_live() -> Arc<Self> {
        Self::new(WARMUP + LIVE)
    }

    pub fn new(messages: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![Vec::new(); messages])))
    }

    pub fn note(&self, body: &[u8]) {
        if let Some(number) = body.first_chunk::<8>() {
            self.note_number(u64::from_le_bytes(*number));
        }
    }

    pub fn note_number(&self, number: u64) {
        let at = nanos();
        if let Some(times) = self.times().get_mut(number as usize) {
            times.push(at);
        }
    }

    fn times(&self) -> MutexGuard<'_, Vec<Vec<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every message was heard `each` times, or nothing more comes for a while.
    pub async fn wait_all(&self, each: usize, quiet: Duration) {
        let want = each * self.times().len();
        let (mut last, mut since) = (0, Instant::now());
        while last < want && since.elapsed() < quiet {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let count = self.times().iter().map(Vec::len).sum();
            if count > last {
                (last, since) = (count, Instant::now());
            }
        }
    }

    /// Publishes at [`LIVE_RATE`], and reports how long each message took to `each` nodes.
    pub async fn live(
        &self,
        report: &mut Report,
        each: usize,
        mut publish: impl AsyncFnMut(usize) -> Result<()>,
    ) -> Result<()> {
        let mut sent = Vec::new();
        let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / LIVE_RATE));
        let mut watch = Watch::start();
        for number in 0..WARMUP + LIVE {
            pace.tick().await;
            if number == WARMUP {
                watch = Watch::start();
            }
            sent.push(nanos());
            publish(number).await?;
        }
        self.wait_all(each, Duration::from_secs(5)).await;
        self.report_live(report, &sent, each, watch.cpu());
        Ok(())
    }

    fn report_live(&self, report: &mut Report, sent: &[u64], each: usize, cpu: f64) {
        let times = self.times();
        let (mut all, mut last) = (Vec::new(), Vec::new());
        for (times, sent) in times.iter().zip(sent).skip(WARMUP) {
            all.extend(times.iter().map(|at| at - sent));
            if times.len() >= each {
                last.extend(times.iter().max().map(|at| at - sent));
            }
        }
        report.put("lost of 3,000 deliveries", (LIVE * each) as f64 - all.len() as f64);
        report.put("CPU us a delivery", cpu * 1e6 / all.len().max(1) as f64);
        report.put_ms("each", all);
        report.put_ms("last node", last);
    }

    pub fn report_flow(&self, report: &mut Report, watch: &Watch, each: usize) {
        let times = self.times();
        let (want, have) = (times.len() * each, times.iter().map(|t| t.len().min(each)).sum::<usize>());
        let whole = times.iter().filter(|t| t.len() >= each).count();
        let first = times.iter().flatten().min().copied().unwrap_or(0);
        let last = times.iter().flatten().max().copied().unwrap_or(0);
        let seconds = (last - first) as f64 / 1e9;
        report.put("messages/s that reached all", whole as f64 / seconds);
        report.put("deliveries/s to each", have as f64 / each as f64 / seconds);
        report.put("lost, % of deliveries", 100.0 * (want - have) as f64 / want as f64);
        report.put("CPU us a delivery", watch.cpu() * 1e6 / have.max(1) as f64);
    }
}
