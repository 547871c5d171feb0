//! The clocks of the machine.

use std::time::{Instant, SystemTime};

use crate::time::{Mono, Now};

/// The real clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// Of tests alone: what the machine's clock is set off by, in milliseconds.
    #[cfg(feature = "sim")]
    off_ms: &'static std::sync::atomic::AtomicI64,
}

impl Clock {
    /// A clock that starts now.
    #[expect(clippy::new_without_default, reason = "a clock has a moment of birth")]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            #[cfg(feature = "sim")]
            off_ms: Box::leak(Box::default()),
        }
    }

    /// Both readings.
    pub fn now(&self) -> Now {
        let mono = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let now = Now { mono: Mono(mono), wall: SystemTime::now().into() };
        #[cfg(feature = "sim")]
        let now =
            Now { wall: now.wall.offset_by(self.off_ms.load(std::sync::atomic::Ordering::Relaxed)), ..now };
        now
    }

    /// Sets the wall clock off, for tests.
    #[cfg(feature = "sim")]
    pub fn set_off(&self, milliseconds: i64) {
        self.off_ms.store(milliseconds, std::sync::atomic::Ordering::Relaxed);
    }
}
