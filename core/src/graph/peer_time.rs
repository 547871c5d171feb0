//! The clock a graph agrees on: each node's own clock plus an offset that it measures at its neighbors.

use std::time::Duration;

use crate::{limits::MAX_CLOCK_OFFSET, time::Timestamp};

/// This node's offset to peer time.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerClock {
    offset_ms: i64,
    /// True once the offset means something: measured, restored, or zero by definition at the founder.
    settled: bool,
}

impl PeerClock {
    pub(super) const fn new(founder: bool) -> Self {
        Self { offset_ms: 0, settled: founder }
    }

    /// As it was kept, held to what could have been measured.
    pub(super) fn restored(offset_ms: i64) -> Self {
        let most = MAX_CLOCK_OFFSET.as_millis() as i64;
        Self { offset_ms: offset_ms.clamp(-most, most), settled: true }
    }

    pub(super) fn peer_time(&self, wall: Timestamp) -> Timestamp {
        wall.offset_by(self.offset_ms)
    }

    pub(super) const fn offset_ms(&self) -> i64 {
        self.offset_ms
    }

    /// Takes in a neighbor's peer time, read half a round trip ago. The first reading is adopted, later ones count a
    /// fifth. A clock more than twenty minutes off this machine's is ignored; false then: however often somebody lies,
    /// that is as far as they can lead us.
    pub(super) fn observe(&mut self, wall: Timestamp, theirs: Timestamp, rtt: Duration) -> bool {
        let theirs = theirs + rtt / 2;
        let Ok(offset) = i64::try_from(i128::from(theirs.0) - i128::from(wall.0)) else { return false };
        if Duration::from_millis(offset.unsigned_abs()) > MAX_CLOCK_OFFSET {
            return false;
        }
        let apart = offset - self.offset_ms;
        self.offset_ms += if self.settled { apart / 5 } else { apart };
        self.settled = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g37_the_first_reading_is_adopted_and_later_ones_averaged() {
        let wall = Timestamp::from_secs(1_000_000);
        let mut clock = PeerClock::new(false);
        assert!(clock.observe(wall, wall + Duration::from_secs(60), Duration::from_millis(100)));
        assert_eq!(clock.offset_ms(), 60_050);
        assert!(clock.observe(wall, wall + Duration::from_secs(61), Duration::ZERO));
        assert_eq!(clock.offset_ms(), 60_240);
        assert!(!clock.observe(wall, wall + Duration::from_secs(3600), Duration::ZERO));
        assert_eq!(clock.offset_ms(), 60_240);
        assert_eq!(PeerClock::new(true).peer_time(wall), wall);
    }

    #[test]
    fn s7_a_lying_neighbor_leads_the_clock_twenty_minutes_astray_and_no_further() {
        for towards in [1, -1] {
            let mut clock = PeerClock::new(true);
            let mut wall = Timestamp::from_secs(1_000_000);
            for _ in 0..10_000 {
                wall = wall + Duration::from_secs(60);
                let lie = clock.peer_time(wall).offset_by(towards * 19 * 60_000);
                clock.observe(wall, lie, Duration::ZERO);
                let astray = Duration::from_millis(clock.offset_ms().unsigned_abs());
                assert!(astray <= MAX_CLOCK_OFFSET, "{astray:?}");
            }
        }
        assert_eq!(PeerClock::restored(i64::MIN).offset_ms(), -20 * 60_000, "nor does an altered database");
        let mut clock = PeerClock::new(false);
        for extreme in [0, 1, u64::MAX - 1, u64::MAX] {
            assert!(!clock.observe(Timestamp::from_secs(1_000_000), Timestamp(extreme), Duration::MAX));
        }
    }
}
