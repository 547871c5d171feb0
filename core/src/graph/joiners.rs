//! How many may join by this node at once, and who makes room.

use std::cmp::Reverse;

use super::{Overlay, links::Link};
use crate::{
    ids::{LinkId, NodeId},
    ledger::Source,
    limits::{JOIN_SILENCE, KEPT_JOINS, MAX_JOINS, MAX_NODE_GUESTS},
    link::FailureReason,
    time::Now,
    wire::{Purpose, RefuseReason},
};

impl Overlay {
    /// `Busy` if there is no place for one more link to join by: for this node, for its range of addresses, or at all.
    pub(super) fn join_refusal(
        &self,
        now: Now,
        node: NodeId,
        source: Option<Source>,
    ) -> Option<RefuseReason> {
        let has_enough = self.joiners().filter(|link| link.node == node).count() >= MAX_NODE_GUESTS;
        let has_place = self.has_join_place(source) || self.idle_joiner(now).is_some();
        (has_enough || !has_place).then_some(RefuseReason::Busy)
    }

    /// Parts with a joiner that keeps its link for nothing, if there is no place else.
    pub(super) fn make_join_room(&mut self, now: Now, source: Option<Source>) {
        if !self.has_join_place(source)
            && let Some(link) = self.idle_joiner(now)
        {
            self.drop_link(now, link, FailureReason::TimedOut);
        }
    }

    /// Some places are kept for ranges that have none, so that who sits elsewhere does not wait for a crowd.
    fn has_join_place(&self, source: Option<Source>) -> bool {
        let open =
            if self.joiners_from(source) == 0 { MAX_JOINS } else { MAX_JOINS.saturating_sub(KEPT_JOINS) };
        self.joiners().count() < open
    }

    /// Of those that have kept their links for nothing for a while, the oldest of the range that has most.
    fn idle_joiner(&self, now: Now) -> Option<LinkId> {
        let is_idle = |link: &&Link| {
            link.waits_for_nothing().is_some_and(|since| now.mono.since(since) >= JOIN_SILENCE)
        };
        let idle = self.joiners().filter(is_idle);
        idle.max_by_key(|link| (self.joiners_from(link.source), Reverse(link.since))).map(|link| link.id)
    }

    fn joiners_from(&self, source: Option<Source>) -> usize {
        self.joiners().filter(|link| link.source == source).count()
    }

    fn joiners(&self) -> impl Iterator<Item = &Link> {
        self.links.values().filter(|link| link.why.is_none() && link.is_ready(Purpose::Join))
    }
}
