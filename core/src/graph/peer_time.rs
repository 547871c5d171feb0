//! The clock a graph agrees on: each node's own clock plus an offset that it measures at its neighbors.
//!
//! Every *identity* that was met in the last 24 hours has one vote, however many nodes and links it has; from the second
//! identity on, this machine's own clock has one as well. The offset follows the median of the votes within 20 minutes of this
//! machine's clock. So fewer than half of the identities move nothing. Even more than half move the offset *away* from this
//! machine's clock by at most two minutes in a day, but for the first ten minutes after a first reading: a machine whose clock
//! is a quarter of an hour off must not wait for a week. *Towards* its own clock it goes at once.
//!
//! If the median of all votes lies further away than 20 minutes, this machine's clock (or theirs) is wrong: the offset stays,
//! and the difference is known as the *skew*.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    ids::{NodeId, PeerId},
    limits::{CLOCK_JUMP, CLOCK_SETTLES, MAX_CLOCK_OFFSET, MAX_CLOCK_VOTES, SKEW_ADMIT},
    time::{Mono, Now, Timestamp},
};

/// Readings differ by so much without anybody's clock being wrong.
const CHANCE_MS: u64 = 1000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// This node's offset to peer time.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerClock {
    offset_ms: i64,
    /// Until when the offset may go anywhere within 20 minutes; `None`: no clock was read yet.
    settles_until: Option<Mono>,
    votes: BTreeMap<PeerId, Vote>,
    /// How far the offset may still go away from this machine's clock, in milliseconds, and as of when.
    allowance: Allowance,
    /// This machine's clock less the graph's time, if they are too far apart.
    skew_ms: Option<i64>,
    /// Wall clock less monotonic clock, in milliseconds, when last looked at.
    base_ms: Option<i64>,
}

/// What the nodes of one identity say.
#[derive(Clone, Debug)]
struct Vote {
    /// Their peer time less this machine's clock: of the nodes that are neighbors, the one that is nearest to this machine's.
    offset_ms: i64,
    /// Those that are neighbors.
    nodes: BTreeMap<NodeId, i64>,
    since: Mono,
    heard: Mono,
}

/// Milliseconds by which the offset may go away from this machine's clock: [`SKEW_ADMIT`] a day.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    left_ms: f64,
    at: Mono,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { left_ms: SKEW_ADMIT.as_secs_f64() * 1e3, at: Mono(0) }
    }
}

impl Allowance {
    /// Gives back what the offset went back, so that readings that vary use nothing up.
    fn give(&mut self, back_ms: i64) {
        self.left_ms = (self.left_ms + back_ms.unsigned_abs() as f64).min(SKEW_ADMIT.as_secs_f64() * 1e3);
    }

    /// Takes as much of `wanted` as there is.
    fn take(&mut self, now: Mono, wanted: i64) -> i64 {
        let most = SKEW_ADMIT.as_secs_f64() * 1e3;
        let grown = most * now.since(self.at).as_secs_f64() / DAY.as_secs_f64();
        let left = (self.left_ms + grown).min(most);
        let taken = left.min(wanted.unsigned_abs() as f64).floor();
        *self = Self { left_ms: left - taken, at: now };
        let taken = i64::try_from(taken as u64).unwrap_or(i64::MAX);
        if wanted < 0 { taken.saturating_neg() } else { taken }
    }
}

impl PeerClock {
    /// `founder`: it gives the graph its time, and its offset never settles anywhere but at zero.
    pub(super) fn new(founder: bool) -> Self {
        Self { settles_until: founder.then_some(Mono(0)), ..Self::default() }
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
        self.skew_ms.is_none() && self.votes.values().any(|vote| !vote.nodes.is_empty())
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

    /// Takes in the peer time of a neighbor, read half a round trip ago. The first reading is adopted; from then on each one
    /// moves the offset by a fifth of what is missing. False if that neighbor's clock is more than twenty minutes off.
    pub(super) fn observe(
        &mut self,
        now: Now,
        (peer, node): (PeerId, NodeId),
        theirs: Timestamp,
        rtt: Duration,
    ) -> bool {
        let offset = difference((theirs + rtt.mul_f64(0.5)).0, now.wall.0);
        self.vote(now.mono, peer, node, offset);
        self.weigh();
        self.follow(now.mono);
        is_near(offset)
    }

    fn vote(&mut self, now: Mono, peer: PeerId, node: NodeId, offset_ms: i64) {
        self.votes.retain(|_, vote| !vote.nodes.is_empty() || now.since(vote.heard) < DAY);
        if !self.votes.contains_key(&peer) && self.votes.len() >= MAX_CLOCK_VOTES {
            // Those that are known longest stay, so that many new identities push out nobody.
            let gone = self.votes.iter().filter(|(_, vote)| vote.nodes.is_empty());
            let Some(youngest) = gone.max_by_key(|(_, vote)| vote.since).map(|(peer, _)| *peer) else {
                return;
            };
            self.votes.remove(&youngest);
        }
        let vote = self.votes.entry(peer).or_insert_with(|| Vote {
            offset_ms,
            nodes: BTreeMap::new(),
            since: now,
            heard: now,
        });
        vote.nodes.insert(node, offset_ms);
        vote.heard = now;
        vote.offset_ms = vote.nodes.values().copied().min_by_key(|ms| ms.unsigned_abs()).unwrap_or(offset_ms);
    }

    /// Moves the offset towards the median.
    fn follow(&mut self, now: Mono) {
        let Some(target) = median(self.offsets().filter(|offset| is_near(*offset)).collect()) else { return };
        let settles = match self.settles_until {
            None => {
                self.settles_until = Some(now + CLOCK_SETTLES);
                self.offset_ms = target;
                return;
            }
            Some(until) => now < until,
        };
        // Back to this machine's clock it goes at once, but for what may be chance.
        let back = target.clamp(self.offset_ms.min(0), self.offset_ms.max(0)).saturating_sub(self.offset_ms);
        let back = if back.unsigned_abs() < CHANCE_MS { back / 5 } else { back };
        self.offset_ms = self.offset_ms.saturating_add(back);
        self.allowance.give(back);
        if target.unsigned_abs() > self.offset_ms.unsigned_abs() {
            let step = target.saturating_sub(self.offset_ms) / 5;
            let step = if settles { step } else { self.allowance.take(now, step) };
            self.offset_ms = self.offset_ms.saturating_add(step);
        }
    }

    /// A node is no neighbor any more. What it said last counts for a day.
    pub(super) fn forget(&mut self, now: Mono, node: &NodeId) {
        for vote in self.votes.values_mut() {
            if vote.nodes.remove(node).is_some() {
                vote.heard = now;
            }
        }
    }

    /// The votes; from the second identity on that of this machine's own clock, too.
    fn offsets(&self) -> impl Iterator<Item = i64> + '_ {
        let own = (self.votes.len() > 1).then_some(0);
        self.votes.values().map(|vote| vote.offset_ms).chain(own)
    }

    fn weigh(&mut self) {
        let middle = median(self.offsets().collect());
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

    fn peer(n: u8) -> PeerId {
        PeerId::from_bytes([n; 32])
    }

    const START: Timestamp = Timestamp::from_secs(1_000_000);

    fn at(seconds: u64) -> Now {
        Now { mono: Mono(seconds * 1_000_000), wall: START + Duration::from_secs(seconds) }
    }

    /// Each of these identities says once a minute, with one node, that it is so many minutes ahead of this machine's clock.
    fn hear(clock: &mut PeerClock, minutes: std::ops::Range<u64>, said: &[i64]) {
        for minute in minutes {
            for (who, ahead) in (1..).zip(said) {
                let now = at(minute * 60);
                clock.observe(
                    now,
                    (peer(who), node(who)),
                    now.wall.offset_by(ahead * 60_000),
                    Duration::ZERO,
                );
            }
        }
    }

    #[test]
    fn g37_the_first_reading_is_adopted_and_later_ones_averaged() {
        let (now, one) = (at(0), (peer(1), node(1)));
        let mut clock = PeerClock::new(false);
        assert!(clock.observe(now, one, START + Duration::from_secs(60), Duration::from_millis(100)));
        assert_eq!(clock.offset_ms(), 60_050);
        assert!(clock.observe(now, one, START + Duration::from_secs(61), Duration::ZERO));
        assert_eq!(clock.offset_ms(), 60_240);
        assert!(!clock.observe(now, (peer(2), node(2)), START + Duration::from_secs(3600), Duration::ZERO));
        assert_eq!(
            (clock.offset_ms(), clock.skew_ms()),
            (0, None),
            "of one that is far off and another, neither is believed"
        );
        assert_eq!(PeerClock::new(true).peer_time(START), START);
    }

    #[test]
    fn b7_fewer_liars_than_others_move_nothing_and_as_many_nothing_either() {
        let honest_and_liars: [(usize, usize); 5] = [(1, 1), (1, 2), (3, 2), (3, 3), (2, 3)];
        for (honest, liars) in honest_and_liars {
            for lie in [19, -19] {
                let said: Vec<i64> = [lie].repeat(liars).into_iter().chain([0].repeat(honest)).collect();
                for founder in [true, false] {
                    let mut clock = PeerClock::new(founder);
                    hear(&mut clock, 0..3 * 1440, &said);
                    assert_eq!((clock.offset_ms(), clock.skew_ms()), (0, None), "{honest}:{liars}");
                }
            }
        }
    }

    #[test]
    fn b7_many_nodes_and_links_of_one_identity_are_one_vote() {
        let mut clock = PeerClock::new(false);
        hear(&mut clock, 0..2, &[0, 0]);
        for minute in 2..100 {
            for number in 0..200 {
                let now = at(minute * 60);
                let lie = now.wall.offset_by(15 * 60_000);
                clock.observe(now, (peer(3), node(number)), lie, Duration::ZERO);
                clock.forget(now.mono, &node(number));
            }
        }
        assert_eq!((clock.offset_ms(), clock.votes.len()), (0, 3));
    }

    #[test]
    fn b7_even_all_others_move_a_settled_clock_by_two_minutes_a_day() {
        for lie in [19, -19] {
            let said = [lie; 5];
            let mut clock = PeerClock::new(false);
            hear(&mut clock, 0..20, &[0; 5]);
            for day in 0..4 {
                hear(&mut clock, 20 + day * 1440..20 + (day + 1) * 1440, &said);
                let most = 120_000 * (day + 2);
                assert!(clock.offset_ms().unsigned_abs() <= most, "day {day}: {}", clock.offset_ms());
                assert!(
                    clock.offset_ms().unsigned_abs() >= 100_000 * (day + 1),
                    "an honest majority is followed"
                );
            }
            hear(&mut clock, 5 * 1440..5 * 1440 + 1, &[0; 5]);
            assert!(clock.offset_ms() == 0, "and back at once: {}", clock.offset_ms());
        }
    }

    #[test]
    fn b7_to_and_fro_gains_nothing() {
        let mut clock = PeerClock::new(false);
        hear(&mut clock, 0..20, &[0; 3]);
        for round in 0..700 {
            hear(&mut clock, 20 + 2 * round..21 + 2 * round, &[19; 3]);
            assert!(clock.offset_ms() <= 240_000, "{}", clock.offset_ms());
            hear(&mut clock, 21 + 2 * round..22 + 2 * round, &[if round % 2 == 0 { 0 } else { -1 }; 3]);
        }
    }

    #[test]
    fn b7_new_identities_push_out_none_that_was_known() {
        let mut clock = PeerClock::new(false);
        hear(&mut clock, 0..2, &[0, 0, 0]);
        (1..4).for_each(|known| clock.forget(Mono(120_000_000), &node(known)));
        for number in 4..=255 {
            let now = at(180 + u64::from(number));
            clock.observe(
                now,
                (peer(number), node(number)),
                now.wall + 15 * Duration::from_secs(60),
                Duration::ZERO,
            );
            clock.forget(now.mono, &node(number));
        }
        assert_eq!(clock.votes.len(), MAX_CLOCK_VOTES);
        assert!((1..4).all(|known| clock.votes.contains_key(&peer(known))));
        let later = at(2 * 86_400);
        clock.observe(later, (peer(1), node(1)), later.wall, Duration::ZERO);
        assert_eq!(clock.votes.len(), 1, "after a day they are forgotten");
    }

    #[test]
    fn b7_a_machine_that_is_a_quarter_of_an_hour_off_follows_its_group_at_once() {
        for others in 1..6 {
            let mut clock = PeerClock::new(false);
            hear(&mut clock, 0..3, &[15].repeat(others));
            assert_eq!(clock.offset_ms(), 15 * 60_000, "{others} others");
        }
    }

    #[test]
    fn s7_nobody_leads_the_clock_further_astray_than_twenty_minutes() {
        for towards in [1, -1] {
            for founder in [true, false] {
                let mut clock = PeerClock::new(founder);
                for minute in 0..30_000 {
                    let now = at(minute * 60);
                    let lie = clock.peer_time(now.wall).offset_by(towards * 19 * 60_000);
                    clock.observe(now, (peer(1), node(1)), lie, Duration::ZERO);
                    let astray = Duration::from_millis(clock.offset_ms().unsigned_abs());
                    assert!(astray <= MAX_CLOCK_OFFSET, "{astray:?}");
                    assert!(!founder || minute > 2000 || astray <= 2 * SKEW_ADMIT, "{astray:?}");
                }
            }
        }
        let mut clock = PeerClock::new(false);
        for extreme in [0, 1, u64::MAX - 1, u64::MAX] {
            assert!(!clock.observe(at(0), (peer(1), node(1)), Timestamp(extreme), Duration::MAX));
        }
    }

    #[test]
    fn s7_one_lying_neighbor_of_three_moves_nothing_and_raises_no_alarm() {
        for lie in [19, 60, 2 * 1440] {
            let mut clock = PeerClock::new(false);
            hear(&mut clock, 0..100, &[0, 0, lie]);
            assert_eq!((clock.offset_ms(), clock.skew_ms()), (0, None), "{lie} minutes");
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
            clock.observe(at(0, off), (peer(1), node(1)), real, Duration::ZERO);
            assert_eq!((clock.skew_ms(), clock.offset_ms(), clock.is_confirmed()), (Some(off), 0, false));
            assert!(!clock.notice_jump(at(60, off)), "time passes");
            assert!(clock.notice_jump(at(61, 0)), "the clock is set");
            assert_eq!((clock.skew_ms(), clock.is_confirmed()), (None, false), "not known yet");
            clock.observe(at(62, 0), (peer(1), node(1)), real + Duration::from_secs(62), Duration::ZERO);
            assert_eq!((clock.skew_ms(), clock.is_confirmed()), (None, true));
        }
    }

    #[test]
    fn c12_an_offset_does_not_outlive_the_clock_it_was_measured_by() {
        let real = Timestamp::from_secs(10_000_000);
        let behind = Duration::from_secs(15 * 60);
        let mut clock = PeerClock::new(false);
        let before = Now { mono: Mono(0), wall: real - behind };
        clock.notice_jump(before);
        clock.observe(before, (peer(1), node(1)), real, Duration::ZERO);
        assert_eq!(clock.peer_time(real - behind), real);
        clock.notice_jump(Now { mono: Mono(1_000_000), wall: real + Duration::from_secs(1) });
        assert_eq!(clock.offset_ms(), 0);
    }
}
