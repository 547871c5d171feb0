//! How often passwords may be tried.

use std::time::Duration;

use crate::{ids::NodeId, time::Mono};

/// Failures of all nodes together, in a minute and an hour; and of one node in an hour.
const PER_MINUTE: usize = 5;
const PER_HOUR: usize = 20;
const PER_NODE: usize = 3;
/// Those that one node relayed, in an hour.
const PER_RELAY: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Wait after the first failure; doubles with each, for all nodes.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// An attempt that has not ended after this counts as failed.
const RUNNING: Duration = Duration::from_secs(5);
/// What those wait who come while too many are being tried.
const SOON: Duration = Duration::from_secs(1);

/// Against whom a try counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TriedBy {
    /// The node that has the link.
    Node(NodeId),
    /// A node that passes it on: for whom it says it does is shown by a right proof alone.
    Relay(NodeId),
}

/// Counts failed tries. An attempt counts from its beginning until it succeeded, so that breaking off does not help;
/// but only a failed one makes the others pause.
#[derive(Debug, Default)]
pub struct Throttle {
    /// Those of the last hour. At most [`PER_HOUR`], and as many as succeed meanwhile.
    tries: Vec<Try>,
}

#[derive(Debug)]
struct Try {
    at: Mono,
    by: TriedBy,
    failed: bool,
}

impl Throttle {
    /// Begins an attempt, or says how long to wait before the next.
    ///
    /// # Errors
    /// The time to wait.
    pub fn begin(&mut self, now: Mono, by: TriedBy) -> Result<(), Duration> {
        self.tries.retain(|t| now.since(t.at) < HOUR);
        for late in self.tries.iter_mut().filter(|t| now.since(t.at) >= RUNNING) {
            late.failed = true;
        }
        let most = if matches!(by, TriedBy::Node(_)) { PER_NODE } else { PER_RELAY };
        let limits = [
            self.over(now, PER_HOUR, HOUR, |_| true),
            self.over(now, PER_MINUTE, MINUTE, |_| true),
            self.over(now, most, HOUR, |other| *other == by),
            self.pause(now),
        ];
        match limits.into_iter().flatten().filter(|wait| !wait.is_zero()).max() {
            Some(wait) => Err(wait),
            None => {
                self.tries.push(Try { at: now, by, failed: false });
                Ok(())
            }
        }
    }

    /// The latest attempt by this one succeeded: it does not count.
    pub fn succeeded(&mut self, by: &TriedBy) {
        if let Some(at) = self.tries.iter().rposition(|t| t.by == *by) {
            self.tries.remove(at);
        }
    }

    /// The latest attempt by this one failed.
    pub fn failed(&mut self, by: &TriedBy) {
        if let Some(latest) = self.tries.iter_mut().rfind(|t| t.by == *by) {
            latest.failed = true;
        }
    }

    /// How long until fewer than `most` such tries lie within `span`. If that hangs on some that are being tried, they
    /// may succeed soon.
    fn over(
        &self,
        now: Mono,
        most: usize,
        span: Duration,
        of: impl Fn(&TriedBy) -> bool,
    ) -> Option<Duration> {
        let counted: Vec<&Try> = self.tries.iter().filter(|t| now.since(t.at) < span && of(&t.by)).collect();
        let oldest = counted.len().checked_sub(most)?;
        let failed = counted.iter().filter(|t| t.failed).count();
        let wait = span.saturating_sub(now.since(counted[oldest].at));
        Some(if failed < most { wait.min(SOON) } else { wait })
    }

    /// What is left of the pause after the latest failure.
    fn pause(&self, now: Mono) -> Option<Duration> {
        let recent = self.tries.iter().filter(|t| t.failed && now.since(t.at) < MINUTE);
        let (count, last) = recent.fold((0u32, None), |(count, _), t| (count + 1, Some(t.at)));
        FIRST_WAIT.saturating_mul(1 << count.saturating_sub(1).min(6)).checked_sub(now.since(last?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u32) -> TriedBy {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        TriedBy::Node(NodeId::from_bytes(bytes))
    }

    #[test]
    fn s25_ten_thousand_guesses_are_twenty_an_hour() {
        let mut throttle = Throttle::default();
        let mut processed = Vec::new();
        // A guess a second, each from another node, for almost three hours.
        for second in 0..10_000 {
            let now = Mono(0) + Duration::from_secs(second);
            if throttle.begin(now, node(second as u32)).is_ok() {
                processed.push(second);
            }
        }
        for hour in 0..3 {
            let count = processed.iter().filter(|at| (hour * 3600..(hour + 1) * 3600).contains(*at)).count();
            assert!(count <= PER_HOUR, "{count} in hour {hour}");
        }
        assert!(processed.len() >= 40, "nor is everybody locked out for good: {}", processed.len());
        assert!(throttle.tries.len() <= PER_HOUR);
    }

    #[test]
    fn s25_several_with_the_right_password_are_in_nobodys_way() {
        let mut throttle = Throttle::default();
        for number in 0..PER_MINUTE as u32 {
            throttle.begin(Mono(0), node(number)).expect("at the same moment");
        }
        let full = throttle.begin(Mono(0), node(9)).unwrap_err();
        assert!(full <= SOON, "{full:?}");
        throttle.succeeded(&node(0));
        throttle.begin(Mono(0), node(9)).expect("one is through");
        // Breaking off is failing.
        let later = Mono(0) + Duration::from_secs(10);
        let wait = throttle.begin(later, node(10)).unwrap_err();
        assert!(wait > Duration::from_secs(40), "{wait:?}");
    }

    #[test]
    fn s25_one_node_has_three_tries_an_hour_and_success_costs_none() {
        let mut throttle = Throttle::default();
        let mut now = Mono(0);
        for _ in 0..3 {
            now = now + Duration::from_secs(30);
            throttle.begin(now, node(1)).unwrap();
        }
        now = now + Duration::from_secs(30);
        let wait = throttle.begin(now, node(1)).unwrap_err();
        assert!(wait > Duration::from_secs(3000), "{wait:?}");
        throttle.begin(now, node(2)).expect("others may");
        throttle.succeeded(&node(2));
        throttle.begin(now, node(2)).expect("as if it had not been");
        throttle.failed(&node(2));
        let soon = throttle.begin(now + Duration::from_millis(10), node(3)).unwrap_err();
        assert!(soon < Duration::from_secs(3), "a pause after each failure: {soon:?}");
    }
}
