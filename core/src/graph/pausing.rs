//! Being away for a while: an application in the background, and a network that became another one.

use super::{
    Overlay,
    links::{DialWhy, LinkState},
};
use crate::{
    io::Output,
    link::FailureReason,
    time::Now,
    wire::{GoodbyeReason, Purpose},
};

impl Overlay {
    /// Says goodbye to all, and from then on dials nobody and lets nobody in. False if it is so already.
    pub fn pause(&mut self, now: Now) -> bool {
        if self.is_away() {
            return false;
        }
        let neighbors = self.links.values().filter(|l| l.is_ready(Purpose::Neighbor) && !l.addr.is_bare());
        self.paused = Some(neighbors.map(|l| l.addr.clone()).collect());
        self.part_with_all(now);
        true
    }

    /// Ends a pause: dials those who were neighbors, at once. False if there was none.
    pub fn resume(&mut self, now: Now) -> bool {
        let Some(former) = self.paused.take() else { return false };
        self.contacts.forgive(now.mono);
        if self.online && self.genesis.is_some() {
            for addr in former.into_iter().take(self.config.target) {
                let addr = self.best_address(addr);
                self.dial(now, addr, DialWhy::Repair);
            }
        }
        self.next_maintenance = now.mono;
        true
    }

    /// True if others can connect, but for a pause.
    pub const fn would_listen(&self) -> bool {
        self.listening
    }

    /// True while paused.
    pub const fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// This machine's network is another one than before: who did not answer may now, and who did may not.
    pub fn network_changed(&mut self, now: Now) {
        self.contacts.forgive(now.mono);
        for link in self.links.values_mut().filter(|l| l.state == LinkState::Ready) {
            link.pulse.next = now.mono;
        }
        self.hurry(now);
    }

    /// True while this node wants no links.
    pub(super) const fn is_away(&self) -> bool {
        self.leaving || self.paused.is_some()
    }

    /// What this node asks for as the time between pings, in milliseconds.
    pub(super) fn wanted_ping(&self) -> u32 {
        u32::try_from(self.config.ping_interval.as_millis()).unwrap_or(u32::MAX)
    }

    pub(super) fn part_with_all(&mut self, now: Now) {
        self.cancel_all_connects(now);
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.part(now, link, GoodbyeReason::Leaving, FailureReason::Closed);
        }
        for dial in std::mem::take(&mut self.dials).into_keys() {
            self.outputs.push_back(Output::CancelDial(dial));
        }
    }
}
