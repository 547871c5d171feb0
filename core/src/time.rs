//! Time as the pure modules see it: always an argument, never asked for.
//!
//! [`Now`] pairs a monotonic reading (for timers) with a wall reading (for records); [`Hlc`] is the hybrid logical
//! clock by which record versions are ordered (Kulkarni et al., *Logical Physical Clocks*, 2014).

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A monotonic instant: microseconds since some fixed moment of this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// Time passed since `earlier`; zero if that lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Mono {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// A moment in wall-clock or peer time: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment `seconds` after the Unix epoch.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Time passed since `earlier`; zero if that lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This moment moved by a signed number of milliseconds; stops at the epoch and at the end of time.
    pub fn offset_by(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add_signed(milliseconds))
    }
}

/// A moment in an application's own data: milliseconds since 1970 UTC, negative before.
///
/// From the beginning of year 1 to the end of year 9999: what every language's own type can hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Moment(pub i64);

impl Moment {
    /// 1 January of year 1, 00:00 UTC.
    pub const MIN: Self = Self(-62_135_596_800_000);
    /// The last millisecond of year 9999, UTC.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// True between [`MIN`](Self::MIN) and [`MAX`](Self::MAX), both included.
    pub const fn is_in_bounds(self) -> bool {
        Self::MIN.0 <= self.0 && self.0 <= Self::MAX.0
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:03}s", self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000)
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(i64::try_from(at.0).unwrap_or(i64::MAX))
    }
}

impl From<std::time::SystemTime> for Moment {
    /// Rounds down to a whole millisecond.
    fn from(at: std::time::SystemTime) -> Self {
        match at.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Err(before) => {
                let before = before.duration().as_micros().div_ceil(1000);
                Self(i64::try_from(before).map_or(i64::MIN, i64::saturating_neg))
            }
        }
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, back: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(back.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / 1000, self.0 % 1000)
    }
}

impl From<Timestamp> for std::time::SystemTime {
    fn from(at: Timestamp) -> Self {
        // Anybody can say any time, and Windows ends in the year 30828.
        let known = Self::UNIX_EPOCH.checked_add(Duration::from_millis(at.0));
        known
            .or_else(|| Self::UNIX_EPOCH.checked_add(Duration::from_millis(Moment::MAX.0.unsigned_abs())))
            .unwrap_or(Self::UNIX_EPOCH)
    }
}

impl From<std::time::SystemTime> for Timestamp {
    /// Times before 1970 become the epoch.
    fn from(at: std::time::SystemTime) -> Self {
        let since = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The two readings every input comes with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For timers.
    pub mono: Mono,
    /// For records: this machine's own wall clock, before any peer-time offset.
    pub wall: Timestamp,
}

/// A hybrid logical clock reading: 48 bits of milliseconds, 16 bits of counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The first reading of a millisecond. Milliseconds beyond 48 bits (year 10889) saturate.
    pub const fn at(time: Timestamp) -> Self {
        let ms = if time.0 >= 1 << 48 { (1 << 48) - 1 } else { time.0 };
        Self(ms << 16)
    }

    /// The wall part.
    pub const fn timestamp(self) -> Timestamp {
        Timestamp(self.0 >> 16)
    }
}

impl fmt::Debug for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}+{}", self.timestamp(), self.0 & 0xffff)
    }
}

/// Hands out [`Hlc`] readings that only grow.
#[derive(Clone, Copy, Debug, Default)]
pub struct HlcClock {
    last: Hlc,
}

impl HlcClock {
    /// A clock that continues after `last`, as restored from a database.
    pub const fn starting_after(last: Hlc) -> Self {
        Self { last }
    }

    /// The next reading: at least `now`, greater than all before and than everything [observed](Self::observe).
    /// A counter that overflows runs into the next millisecond; at the end of time it saturates.
    ///
    /// Readings further ahead of `now` than `tolerance` were made by a clock that was wrong: they do not count, or the
    /// clock would never come back.
    pub fn tick(&mut self, now: Timestamp, tolerance: Duration) -> Hlc {
        if self.last.timestamp() > now + tolerance {
            self.last = Hlc(0);
        }
        self.last = Hlc(Hlc::at(now).0.max(self.last.0.saturating_add(1)));
        self.last
    }

    /// The next reading for what replaces something stamped `seen`: greater than that too, however far ahead it is,
    /// without leading later readings there.
    pub fn tick_after(&mut self, now: Timestamp, tolerance: Duration, seen: Hlc) -> Hlc {
        self.tick(now, tolerance).max(Hlc(seen.0.saturating_add(1)))
    }

    /// Makes all later readings greater than `seen`.
    pub fn observe(&mut self, seen: Hlc) {
        self.last = self.last.max(seen);
    }

    /// The last reading handed out or observed.
    pub const fn last(&self) -> Hlc {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn b9_any_time_is_one_of_the_system_as_well() {
        let times =
            [0, 1, u64::from(u32::MAX), Moment::MAX.0.unsigned_abs(), i64::MAX.unsigned_abs(), u64::MAX];
        for time in times {
            let system = std::time::SystemTime::from(Timestamp(time));
            assert!(system >= std::time::UNIX_EPOCH && Timestamp::from(system).0 <= time);
        }
        assert_eq!(Timestamp(u64::MAX) + Duration::MAX, Timestamp(u64::MAX));
        assert_eq!(Timestamp(1) - Duration::MAX, Timestamp(0));
    }

    #[test]
    fn hlc_grows_whatever_the_clock_does() {
        let mut clock = HlcClock::default();
        let mut last = Hlc(0);
        for now in [5, 5, 3, 9, 9, 0] {
            let next = clock.tick(Timestamp(now), MINUTE);
            assert!(next > last);
            last = next;
        }
        clock.observe(Hlc::at(Timestamp(1000)));
        assert!(clock.tick(Timestamp(10), MINUTE) > Hlc::at(Timestamp(1000)));
    }

    #[test]
    fn c10_a_reading_that_was_far_ahead_does_not_lead_the_clock() {
        let real = Timestamp::from_secs(1_000_000);
        let ahead = Hlc::at(real + 2 * MINUTE);
        let mut clock = HlcClock::starting_after(ahead);
        assert_eq!(clock.tick(real, MINUTE), Hlc::at(real));
        assert_eq!(clock.tick_after(real, MINUTE, ahead), Hlc(ahead.0 + 1), "later than what it replaces");
        let next = clock.tick(real, MINUTE);
        assert!(next > Hlc::at(real) && next.timestamp() == real, "{next:?}");
    }

    #[test]
    fn hlc_saturates_at_the_end_of_time() {
        let mut clock = HlcClock::starting_after(Hlc(u64::MAX - 1));
        assert_eq!(clock.tick(Timestamp(u64::MAX >> 16), MINUTE), Hlc(u64::MAX));
        assert_eq!(clock.tick(Timestamp(u64::MAX), MINUTE), Hlc(u64::MAX));
    }
}
