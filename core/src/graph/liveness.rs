//! Pings: who is still there, how far away, what time it is, and the partition mark.

use std::{collections::VecDeque, time::Duration};

use rand::RngExt;

use super::{
    Overlay,
    links::{Link, LinkState, Pulse},
};
use crate::{
    ids::LinkId,
    limits::{MAX_PING_INTERVAL, PING_MISSES},
    link::FailureReason,
    time::{Mono, Now},
    wire::{Mark, Message, Ping, Purpose},
};

/// Unanswered pings remembered for round-trip times.
const MAX_OPEN: usize = 16;
/// Time between two readings of one neighbor's clock.
const CLOCK_INTERVAL: Duration = Duration::from_secs(60);
/// Greatest multiple of our patience while we ourselves are slow.
const MAX_HEALTH: u32 = 8;

impl Pulse {
    pub(super) const fn new(now: Mono, interval: Duration) -> Self {
        Self { next: now, seq: 0, heard: now, srtt: None, open: VecDeque::new(), next_clock: now, interval }
    }

    /// Takes up what the other end wants, within bounds: nobody makes us believe for an hour that they are there.
    pub(super) fn agree(&mut self, wanted_ms: u32) {
        self.interval = self.interval.max(Duration::from_millis(wanted_ms.into()).min(MAX_PING_INTERVAL));
    }
}

impl Overlay {
    /// Sends due pings, and gives up on the silent.
    pub(super) fn pulse(&mut self, now: Now) {
        let interval = self.config.ping_interval;
        let mut due = Vec::new();
        let mut latest = Duration::ZERO;
        for link in self.links.values().filter(|l| l.state == LinkState::Ready && l.pulse.next <= now.mono) {
            latest = latest.max(now.mono.since(link.pulse.next));
            due.push(link.id);
        }
        if due.is_empty() {
            return;
        }
        // Lifeguard: while our own timers are late it is we who are slow, and we judge others mildly.
        if latest > interval {
            self.health = self.health.saturating_add(1).min(MAX_HEALTH);
        } else if self.health > 1 && self.rng.random_range(0..4) == 0 {
            self.health = self.health.saturating_sub(1);
        }
        // After a pause of ours, others have their time again.
        for id in due.iter().copied().filter(|_| latest <= interval).collect::<Vec<_>>() {
            self.give_up_if_stuck(now, id);
        }
        let silent: Vec<LinkId> = due.iter().copied().filter(|id| self.is_silent(now, *id)).collect();
        let ready = self.links.values().filter(|l| l.state == LinkState::Ready).count();
        if latest > interval && ready > 2 && silent.len() >= ready.div_ceil(2) {
            self.health = self.health.saturating_add(1).min(MAX_HEALTH);
        } else {
            for id in &silent {
                self.lost(now, *id);
            }
        }
        self.marks.beat(now, interval);
        for id in due {
            self.ping(now, id);
        }
    }

    pub(super) fn on_ping(&mut self, now: Now, id: LinkId, ping: Ping) {
        let Some(purpose) = self.links.get(&id).map(|link| link.purpose) else { return };
        let pong = Ping { seq: ping.seq, peer_time: self.peer_time(now), mark: self.mark_for(purpose) };
        self.send(id, &Message::Pong(pong));
        self.hear_members_mark(now, id, ping.mark);
    }

    pub(super) fn on_pong(&mut self, now: Now, id: LinkId, pong: Ping) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let pulse = &mut link.pulse;
        let Some(at) = pulse.open.iter().position(|(seq, _)| *seq == pong.seq) else { return };
        let (_, sent) = pulse.open[at];
        pulse.open.drain(..=at);
        let rtt = now.mono.since(sent);
        let smooth = |old: Duration| old.mul_f64(0.875).saturating_add(rtt.mul_f64(0.125));
        pulse.srtt = Some(pulse.srtt.map_or(rtt, smooth));
        let read_clock = pulse.next_clock <= now.mono;
        if read_clock {
            pulse.next_clock = now.mono + CLOCK_INTERVAL;
        }
        if read_clock && link.purpose == Purpose::Neighbor {
            let of = (link.peer, link.node);
            self.clock.observe(now, of, pong.peer_time, rtt);
        }
        self.hear_members_mark(now, id, pong.mark);
    }

    fn hear_members_mark(&mut self, now: Now, id: LinkId, mark: Mark) {
        if self.links.get(&id).is_some_and(|link| link.purpose != Purpose::Join) {
            self.hear_mark(now, None, mark);
        }
    }

    fn ping(&mut self, now: Now, id: LinkId) {
        let jitter = 0.8 + 0.4 * self.rng.random::<f64>();
        let Some(purpose) = self.links.get(&id).map(|link| link.purpose) else { return };
        let (peer_time, mark) = (self.peer_time(now), self.mark_for(purpose));
        let Some(link) = self.links.get_mut(&id) else { return };
        let pulse = &mut link.pulse;
        pulse.seq = pulse.seq.wrapping_add(1);
        pulse.next = now.mono + pulse.interval.mul_f64(jitter);
        if pulse.open.len() == MAX_OPEN {
            pulse.open.pop_front();
        }
        pulse.open.push_back((pulse.seq, now.mono));
        let ping = Ping { seq: pulse.seq, peer_time, mark };
        self.acknowledge(id);
        self.send(id, &Message::Ping(ping));
    }

    /// Silent for three pings and eight round trips, times our own slowness.
    fn is_silent(&self, now: Now, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link: &Link| {
            let interval = link.pulse.interval;
            let pings = interval.saturating_mul(PING_MISSES).saturating_add(interval.mul_f64(0.5));
            let trips = link.pulse.srtt.unwrap_or_default().saturating_mul(8);
            let patience = pings.max(trips).saturating_mul(self.health);
            now.mono.since(link.pulse.heard) > patience && link.pulse.open.len() >= PING_MISSES as usize
        })
    }

    pub(super) fn lost(&mut self, now: Now, id: LinkId) {
        if let Some(node) = self.links.get(&id).map(|l| l.node) {
            self.contacts.failed(now.mono, &node, &mut self.rng);
            self.drop_link(now, id, FailureReason::Lost);
        }
    }
}
