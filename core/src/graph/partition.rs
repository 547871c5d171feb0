//! Noticing that the graph is in two parts: the mark, and probes of random contacts.
//!
//! The mark is the lowest live node heard of. Its owner counts a beat; a mark that stands still is dead, and replaced.
//! Two parts of a graph have different marks, since each has a lowest node of its own.

use std::{collections::BTreeMap, time::Duration};

use rand::RngExt;

use super::{Overlay, Required, links::DialWhy};
use crate::{
    ids::NodeId,
    limits::MARK_LIFETIME,
    record::NodeAddr,
    time::{Mono, Now},
    wire::Mark,
};

/// Wait before a node with another mark is dialled, so that not all rush at once.
const REPAIR_WAIT: (u64, u64) = (5_000, 30_000);
/// Marks that stood still, remembered so that slow neighbors do not revive them.
const MAX_DEAD: usize = 64;
/// How long they are. By then no neighbor echoes them any more, and an owner whose clock was ahead, and who so counted
/// further than it does now, is believed again.
const DEAD_KEPT: Duration = MARK_LIFETIME.saturating_mul(20);
/// Beats, and so seconds: a mark of our own is not believed to be further ahead of our clock.
const FAR_AHEAD: u64 = 24 * 3600;

/// What is known of the lowest node.
#[derive(Debug)]
pub(super) struct Marks {
    me: NodeId,
    current: Mark,
    grown: Mono,
    next_beat: Mono,
    /// The last beat of marks that stood still, and when that was noticed.
    dead: BTreeMap<NodeId, (u64, Mono)>,
    next_probe: Mono,
    /// A node of another part, and when to dial it.
    repair: Option<(Mono, NodeAddr)>,
}

impl Marks {
    pub(super) const fn new(me: NodeId) -> Self {
        Self {
            me,
            current: Mark { node: me, beat: 0 },
            grown: Mono(0),
            next_beat: Mono(0),
            dead: BTreeMap::new(),
            next_probe: Mono(0),
            repair: None,
        }
    }

    pub(super) const fn current(&self) -> Mark {
        self.current
    }

    pub(super) fn next(&self) -> Option<Mono> {
        [Some(self.next_probe), self.repair.as_ref().map(|(at, _)| *at)].into_iter().flatten().min()
    }

    /// Counts our own beat if the mark is ours; drops a mark that stands still.
    pub(super) fn beat(&mut self, now: Now, interval: Duration) {
        if self.current.node == self.me {
            if self.next_beat <= now.mono {
                self.current.beat = self.own_beat(now);
                self.next_beat = now.mono + interval;
            }
            self.grown = now.mono;
        } else if now.mono.since(self.grown) > MARK_LIFETIME {
            if self.dead.len() >= MAX_DEAD {
                self.dead.pop_last();
            }
            self.dead.insert(self.current.node, (self.current.beat, now.mono));
            self.current = Mark { node: self.me, beat: 0 };
            self.current.beat = self.own_beat(now);
            self.grown = now.mono;
        }
    }

    /// Takes in a mark; true if it is of another part as far as can be told now.
    fn hear(&mut self, now: Now, mark: Mark) -> bool {
        let echo = |(beat, at): &(u64, Mono)| mark.beat <= *beat && now.mono.since(*at) < DEAD_KEPT;
        if self.dead.get(&mark.node).is_some_and(echo) {
            return false;
        }
        let differs = mark.node != self.current.node;
        if mark.node == self.me && self.current.node == self.me {
            if mark.beat <= self.current.beat || mark.beat > (now.wall.0 / 1000).saturating_add(FAR_AHEAD) {
                return false;
            }
            // We were restarted: go on from where others remember us. Nobody remembers us far beyond our own clock, but a liar;
            // if our clock was ahead and is not any more, the mark stands still until they have forgotten it.
            self.current.beat = mark.beat;
        } else if mark.node < self.current.node || (!differs && mark.beat > self.current.beat) {
            self.dead.remove(&mark.node);
            self.current = mark;
            self.grown = now.mono;
        }
        differs
    }

    /// Never less than the seconds on our clock, so that a node that was restarted goes on above what others remember.
    fn own_beat(&self, now: Now) -> u64 {
        self.current.beat.saturating_add(1).max(now.wall.0 / 1000)
    }
}

impl Overlay {
    /// Hears a mark from a neighbor, or from the node at `addr` while linking with it.
    pub(super) fn hear_mark(&mut self, now: Now, addr: Option<&NodeAddr>, mark: Mark) {
        let differs = self.marks.hear(now, mark);
        let Some(addr) = addr.filter(|addr| differs && !addr.is_bare()) else { return };
        if self.marks.repair.is_none() && self.neighbor(&addr.node).is_none() {
            let wait = Duration::from_millis(self.rng.random_range(REPAIR_WAIT.0..=REPAIR_WAIT.1));
            self.marks.repair = Some((now.mono + wait, addr.clone()));
        }
    }

    /// Probes a random contact now and then; dials a node of another part when its time has come.
    pub(super) fn watch_partition(&mut self, now: Now) {
        if self.is_away() || self.genesis.is_none() {
            self.marks.next_probe = now.mono + self.config.probe_interval;
            return;
        }
        if let Some((at, addr)) = self.marks.repair.take() {
            if at > now.mono {
                self.marks.repair = Some((at, addr));
            } else if self.neighbor(&addr.node).is_none() {
                self.dial(now, addr, DialWhy::Repair);
            }
        }
        if self.marks.next_probe > now.mono {
            return;
        }
        let first = self.marks.next_probe == Mono(0);
        self.marks.next_probe = self.jittered(now, self.config.probe_interval);
        if first || !self.has_neighbors() {
            return;
        }
        let busy = self.busy_nodes(now);
        let chosen =
            self.contacts.choose(now.mono, 1, &mut self.rng, |contact| !busy.contains(&contact.node));
        match chosen.into_iter().next() {
            Some(addr) => {
                self.dial(now, addr, DialWhy::Probe);
            }
            None => {
                if self.contacts.len() <= self.ready_neighbors() {
                    self.require(now, Required::Probe);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    const BEAT: Duration = Duration::from_secs(1);

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    fn at(seconds: u64) -> Now {
        Now { mono: Mono(seconds * 1_000_000), wall: Timestamp::from_secs(1_000 + seconds) }
    }

    #[test]
    fn the_lowest_node_marks_the_graph_until_it_stands_still() {
        let mut marks = Marks::new(node(5));
        marks.beat(at(0), BEAT);
        assert_eq!(marks.current(), Mark { node: node(5), beat: 1_000 });
        assert!(marks.hear(at(1), Mark { node: node(7), beat: 9 }), "higher, so of another part or behind");
        assert_eq!(marks.current().node, node(5));
        assert!(marks.hear(at(1), Mark { node: node(2), beat: 50 }));
        assert!(!marks.hear(at(2), Mark { node: node(2), beat: 51 }), "the same part now");
        assert_eq!(marks.current(), Mark { node: node(2), beat: 51 });
        marks.beat(at(3), BEAT);
        assert_eq!(marks.current().beat, 51, "only its owner counts");

        let late = 3 + MARK_LIFETIME.as_secs();
        marks.beat(at(late), BEAT);
        assert_eq!(marks.current().node, node(5), "it stood still");
        assert!(!marks.hear(at(late), Mark { node: node(2), beat: 51 }), "an echo of the dead");
        let mut later = Marks { dead: marks.dead.clone(), ..Marks::new(node(5)) };
        let forgotten = (at(late + DEAD_KEPT.as_secs()), Mark { node: node(2), beat: 40 });
        assert!(later.hear(forgotten.0, forgotten.1), "its clock was ahead when it counted to 51");
        assert_eq!(later.current(), forgotten.1);
        assert_eq!(marks.current().node, node(5));
        marks.hear(at(late), Mark { node: node(2), beat: 2_000 });
        assert_eq!(marks.current().node, node(2), "restarted: it counts on from its clock");
    }
    #[test]
    fn b9_no_beat_that_others_claim_stops_our_own() {
        let mut marks = Marks::new(node(5));
        marks.beat(at(0), BEAT);
        for beat in [u64::MAX, u64::MAX - 1, 1_000 + FAR_AHEAD + 1] {
            assert!(!marks.hear(at(0), Mark { node: node(5), beat }));
            assert_eq!(marks.current().beat, 1_000, "it was not we who counted to {beat}");
        }
        // After a restart, in the next hour of a clock that is an hour behind.
        marks.hear(at(0), Mark { node: node(5), beat: 1_000 + 3_600 });
        marks.beat(at(1), BEAT);
        assert_eq!(marks.current(), Mark { node: node(5), beat: 1_000 + 3_601 });
        // Another's mark may say what it likes: it stands still at its end.
        marks.hear(at(2), Mark { node: node(1), beat: u64::MAX });
        marks.hear(at(3), Mark { node: node(1), beat: u64::MAX });
        let late = 3 + MARK_LIFETIME.as_secs();
        marks.beat(at(late), BEAT);
        assert_eq!(marks.current().node, node(5));
        // A clock at the end of time, as well.
        let end = Now { wall: Timestamp(u64::MAX), ..at(late + 1) };
        marks.beat(end, BEAT);
        marks.current.beat = u64::MAX;
        marks.beat(Now { mono: end.mono + BEAT, ..end }, BEAT);
        assert_eq!(marks.current().beat, u64::MAX);
    }
}
