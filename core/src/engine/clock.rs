//! A machine whose clock is wrong, or was: what it is told, and what it does not do meanwhile.

use super::{Engine, refused::Because};
use crate::{
    limits::{CLOCK_SKEW_STEP, SKEW_ADMIT},
    record::SignedRecord,
    time::{Now, Timestamp},
};

impl Engine {
    /// Notices that this machine's clock was set: what was judged by it is judged again.
    pub(super) fn watch_clock(&mut self, now: Now) {
        if !self.overlay.notice_clock_jump(now) {
            return;
        }
        tracing::info!(graph = %self.graph.short(), "this machine's clock was set, or it has slept");
        self.refused.forget(Because::Time);
        self.clock.was_set(now.mono);
        if let Err(error) = self.find_unsent(now) {
            tracing::error!(%error, "it cannot be told what nobody else has");
        }
        self.presence.touch(now);
        self.group.next_check = self.group.next_check.map(|_| now.mono);
    }

    /// The time of the graph, as far as it is known: this machine's clock may be wrong.
    pub(super) fn graph_time(&self, now: Now) -> Timestamp {
        self.peer_time(now).offset_by(self.overlay.clock_skew_ms().unwrap_or_default().saturating_neg())
    }

    /// True while this machine's clock is known to be wrong, or was just set. Nothing is done by it meanwhile that cannot be undone:
    /// nothing expires, no tombstone is forgotten, nobody is shut out because of time.
    pub(super) const fn is_clock_off(&self) -> bool {
        self.overlay.clock_skew_ms().is_some() || self.clock.is_unsure()
    }

    /// True if a node that enters has nothing to wait for: it is synchronised, or its clock is wrong, which the status says,
    /// and it has what can be had by that clock.
    pub const fn is_caught_up(&self) -> bool {
        self.status.synchronized || (self.usable && self.status.clock_skew_ms.is_some())
    }

    /// The time by which members are judged. A clock that shows less than when the latest credential was issued is
    /// behind: by that alone nobody is taken for a stranger. Not so once the neighbors confirm the clock.
    pub(super) fn membership_time(&self, now: Now) -> Timestamp {
        let peer_now = self.peer_time(now);
        match &self.group.members {
            Some(members) if !self.overlay.is_clock_confirmed() => {
                peer_now.max(members.latest_word(self.device.peer))
            }
            _ => peer_now,
        }
    }

    /// True if a record is stamped further ahead than any node with the right clock admits at once.
    pub(super) fn is_ahead(&self, now: Now, record: &SignedRecord) -> bool {
        record.header().hlc.timestamp() > self.peer_time(now) + SKEW_ADMIT
    }

    /// The skew as applications are told of it: it does not follow every reading.
    pub(super) fn shown_skew(&self) -> Option<i64> {
        let (skew, shown) = (self.overlay.clock_skew_ms()?, self.status.clock_skew_ms);
        let same = |shown: &i64| u128::from(shown.abs_diff(skew)) < CLOCK_SKEW_STEP.as_millis();
        Some(shown.filter(same).unwrap_or(skew))
    }

    /// Says in the log what the status will say, and looks again at what was judged by another time.
    pub(super) fn tell_skew(&mut self, now: Now, skew: Option<i64>) {
        if skew == self.status.clock_skew_ms {
            return;
        }
        self.clock.look_again();
        self.refused.forget(Because::Time);
        self.presence.touch(now);
        let graph = self.graph.short();
        match skew {
            Some(clock_skew_ms) if clock_skew_ms > 0 => tracing::warn!(
                %graph,
                clock_skew_ms,
                "this machine's clock is ahead of the graph's time: what it publishes is held until the clock is right"
            ),
            Some(clock_skew_ms) => tracing::warn!(
                %graph,
                clock_skew_ms,
                "this machine's clock is behind the graph's time: what others publish cannot be accepted until the clock is right"
            ),
            None => {
                tracing::warn!(%graph, "this machine's clock agrees with the graph's time again, as far as is known")
            }
        }
    }
}
