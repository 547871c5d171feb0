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

    pub(super) const fn restored(offset_ms: i64) -> Self {
        Self { offset_ms, settled: true }
    }

    pub(super) fn peer_time(&self, wall: Timestamp) -> Timestamp {
        wall.offset_by(self.offset_ms)
    }

    pub(super) const fn offset_ms(&self) -> i64 {
        self.offset_ms
    }

    /// Takes in a neighbor's peer time, read half a round trip ago. The first reading is adopted, later ones count a
    /// fifth. A clock more than twenty minutes off is ignored; false then.
    pub(super) fn observe(&mut self, wall: Timestamp, theirs: Timestamp, rtt: Duration) -> bool {
        let theirs = theirs + rtt / 2;
        let ours = self.peer_time(wall);
        let apart = i128::from(theirs.0) - i128::from(ours.0);
        let Ok(apart) = i64::try_from(apart) else { return false };
        if Duration::from_millis(apart.unsigned_abs()) > MAX_CLOCK_OFFSET {
            return false;
        }
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
}
