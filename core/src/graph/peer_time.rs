//! The clock a graph agrees on: each node's own clock plus an offset that it measures at its neighbors.
//!
//! The offset follows the median of what the neighbors' clocks say, within 20 minutes of this machine's own clock, so
//! that no single neighbor can move it far. If the median lies further away, this machine's clock (or theirs) is wrong:
//! the offset stays, and the difference is known as the *skew*.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    ids::NodeId,
    limits::{CLOCK_JUMP, MAX_CLOCK_OFFSET},
    time::{Now, Timestamp},
};

/// This node's offset to peer time.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerClock {
    offset_ms: i64,
    /// True once the offset means something: measured, or zero by definition at the founder.
    settled: bool,
    /// The neighbors' peer time less this machine's, as last read.
    readings: BTreeMap<NodeId, i64>,
    /// This machine's clock less the graph's time, if they are too far apart.
    skew_ms: Option<i64>,
    /// Wall clock less monotonic clock, in milliseconds, when last looked at.
    base_ms: Option<i64>,
}

impl PeerClock {
    pub(super) fn new(founder: bool) -> Self {
        Self { settled: founder, ..Self::default() }
    }

    pub(super) fn peer_time(&self, wall: Timestamp) -> Timestamp {
        wall.offset_by(self.offset_ms)
    }

    pub(super) const fn offset_ms(&self) -> i64 {
        self.offset_ms
    }

    pub(super) const fn skew_ms(&self) -> Option<i64> {
        self.skew_ms
    }

    /// True if the neighbors' clocks were read, and agree with this machine's.
    pub(super) fn is_confirmed(&self) -> bool {
        self.skew_ms.is_none() && !self.readings.is_empty()
    }

    /// Compares the two clocks of this machine. True if the wall clock was set, or the machine has slept: what was
    /// measured before means nothing any more.
    pub(super) fn notice_jump(&mut self, now: Now) -> bool {
        let base = difference(now.wall.0, now.mono.0 / 1000);
        let jumped = self.base_ms.is_some_and(|before| before.abs_diff(base) > CLOCK_JUMP.as_millis() as u64);
        self.base_ms = Some(base);
        if jumped {
            *self = Self { base_ms: self.base_ms, ..Self::default() };
        }
        jumped
    }

    /// Takes in a neighbor's peer time, read half a round trip ago. The first reading is adopted; from then on each one
    /// moves the offset by a fifth of what is missing. False if that neighbor's clock is more than twenty minutes off.
    pub(super) fn observe(
        &mut self,
        wall: Timestamp,
        node: NodeId,
        theirs: Timestamp,
        rtt: Duration,
    ) -> bool {
        let offset = difference((theirs + rtt.mul_f64(0.5)).0, wall.0);
        self.readings.insert(node, offset);
        self.weigh();
        let near: Vec<i64> = self.readings.values().copied().filter(|offset| is_near(*offset)).collect();
        if let Some(target) = median(near) {
            let apart = target.saturating_sub(self.offset_ms);
            let step = if self.settled { apart / 5 } else { apart };
            self.offset_ms = self.offset_ms.saturating_add(step);
            self.settled = true;
        }
        is_near(offset)
    }

    /// A node is no neighbor any more.
    pub(super) fn forget(&mut self, node: &NodeId) {
        if self.readings.remove(node).is_some() && !self.readings.is_empty() {
            self.weigh();
        }
    }

    fn weigh(&mut self) {
        let middle = median(self.readings.values().copied().collect());
        self.skew_ms = middle.filter(|offset| !is_near(*offset)).map(|offset| offset.saturating_neg());
    }
}

fn is_near(offset_ms: i64) -> bool {
    Duration::from_millis(offset_ms.unsigned_abs()) <= MAX_CLOCK_OFFSET
}

/// The difference of two times in milliseconds, held to what can be added to a time without harm.
fn difference(a: u64, b: u64) -> i64 {
    const LIMIT: i64 = i64::MAX / 4;
    let apart = i64::try_from(a.abs_diff(b)).map_or(LIMIT, |apart| apart.min(LIMIT));
    if a < b { apart.saturating_neg() } else { apart }
}

/// The middle value; of two in the middle the one nearer to zero.
fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(if low.unsigned_abs() <= high.unsigned_abs() { *low } else { *high })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Mono;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    #[test]
    fn g37_the_first_reading_is_adopted_and_later_ones_averaged() {
        let wall = Timestamp::from_secs(1_000_000);
        let mut clock = PeerClock::new(false);
        assert!(clock.observe(wall, node(1), wall + Duration::from_secs(60), Duration::from_millis(100)));
        assert_eq!(clock.offset_ms(), 60_050);
        assert!(clock.observe(wall, node(1), wall + Duration::from_secs(61), Duration::ZERO));
        assert_eq!(clock.offset_ms(), 60_240);
        assert!(!clock.observe(wall, node(2), wall + Duration::from_secs(3600), Duration::ZERO));
        assert_eq!(clock.offset_ms(), 60_392, "the other neighbor counts alone");
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
                clock.observe(wall, node(1), lie, Duration::ZERO);
                let astray = Duration::from_millis(clock.offset_ms().unsigned_abs());
                assert!(astray <= MAX_CLOCK_OFFSET, "{astray:?}");
            }
        }
        let mut clock = PeerClock::new(false);
        for extreme in [0, 1, u64::MAX - 1, u64::MAX] {
            assert!(!clock.observe(
                Timestamp::from_secs(1_000_000),
                node(1),
                Timestamp(extreme),
                Duration::MAX
            ));
        }
    }

    #[test]
    fn s7_one_lying_neighbor_of_three_moves_nothing_and_raises_no_alarm() {
        let wall = Timestamp::from_secs(1_000_000);
        for lie in [19 * 60, 3600, 2 * 86_400] {
            let mut clock = PeerClock::new(false);
            for honest in [1, 2] {
                clock.observe(wall, node(honest), wall, Duration::ZERO);
            }
            for _ in 0..100 {
                clock.observe(wall, node(3), wall + Duration::from_secs(lie), Duration::ZERO);
            }
            assert_eq!((clock.offset_ms(), clock.skew_ms()), (0, None), "{lie} s");
        }
    }

    #[test]
    fn c11_a_clock_that_is_off_knows_by_how_much_until_it_is_set() {
        let real = Timestamp::from_secs(10_000_000);
        for off in [3 * 3_600_000, 25 * 60_000, -3_600_000, 2 * 86_400_000] {
            let at = |seconds: u64, off: i64| Now {
                mono: Mono(seconds * 1_000_000),
                wall: (real + Duration::from_secs(seconds)).offset_by(off),
            };
            let mut clock = PeerClock::new(false);
            assert!(!clock.notice_jump(at(0, off)));
            clock.observe(at(0, off).wall, node(1), real, Duration::ZERO);
            assert_eq!((clock.skew_ms(), clock.offset_ms(), clock.is_confirmed()), (Some(off), 0, false));
            assert!(!clock.notice_jump(at(60, off)), "time passes");
            assert!(clock.notice_jump(at(61, 0)), "the clock is set");
            assert_eq!((clock.skew_ms(), clock.is_confirmed()), (None, false), "not known yet");
            clock.observe(at(62, 0).wall, node(1), real + Duration::from_secs(62), Duration::ZERO);
            assert_eq!((clock.skew_ms(), clock.is_confirmed()), (None, true));
        }
    }

    #[test]
    fn c12_an_offset_does_not_outlive_the_clock_it_was_measured_by() {
        let real = Timestamp::from_secs(10_000_000);
        let behind = Duration::from_secs(15 * 60);
        let mut clock = PeerClock::new(false);
        clock.notice_jump(Now { mono: Mono(0), wall: real - behind });
        clock.observe(real - behind, node(1), real, Duration::ZERO);
        assert_eq!(clock.peer_time(real - behind), real);
        clock.notice_jump(Now { mono: Mono(1_000_000), wall: real + Duration::from_secs(1) });
        assert_eq!(clock.offset_ms(), 0);
    }
}
