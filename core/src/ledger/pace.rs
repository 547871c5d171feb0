//! How often something may happen.

use std::time::Duration;

use crate::time::Mono;

/// One in each interval, and as many at once as were saved up.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    interval: Duration,
    ahead: Duration,
    /// When all that happened would have happened one interval after another.
    next: Mono,
}

impl Pace {
    /// `burst` may happen at once, then one in each interval.
    pub const fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, ahead: interval.saturating_mul(burst.saturating_sub(1)), next: Mono(0) }
    }

    /// Notes one more. Gives how long it has to wait.
    pub fn take(&mut self, now: Mono) -> Duration {
        let due = self.next.max(now);
        let wait = due.since(now).saturating_sub(self.ahead);
        self.next = due + self.interval;
        wait
    }
}
