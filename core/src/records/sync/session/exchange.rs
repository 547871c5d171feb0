//! What a session says of ranges, keys and how far it is, and what it asks for.

use super::{Context, Flow, Session};
use crate::{
    limits::{AWAIT_INTERVAL, FETCH_WINDOW, MAX_AWAITED, MAX_SYNC_ROUNDS},
    record::RecordKey,
    records::sync::{
        SyncAbort, SyncFault, SyncOutcome,
        fetching::Request,
        ranges::{Span, take_message},
    },
    time::Mono,
    wire::{Filter, SyncMessage},
};

/// Records for which one more message is allowed.
const RECORDS_PER_ROUND: u64 = 4;

/// The exchange of ranges in one phase. Both sides count what they sent and took in, so that the initiator can
/// tell when nothing is under way any more.
#[derive(Default, Debug)]
pub(super) struct Talk {
    pub(super) open: Vec<Span>,
    pub(super) telling: Vec<RecordKey>,
    pub(super) sent: u32,
    pub(super) acked: u32,
    pub(super) seen: u32,
    /// What the other side was last told: how many were seen, and whether we are idle.
    pub(super) told: (u32, bool),
    /// How many of ours the other side had seen when it was idle, if it still is.
    pub(super) peer_idle: Option<u32>,
}

impl Session {
    /// A message of the exchange was taken in.
    pub(super) fn took_in(&mut self, seen: u32, idle: bool, context: &mut Context<'_>) -> Flow {
        self.talk.seen = self.talk.seen.saturating_add(1);
        self.heard(seen, idle)?;
        self.touch(context.now);
        Ok(self.count_round(context))
    }

    /// Notes one more message that brought no record. Too many end the session: ranges that never narrow, requests
    /// for nothing.
    pub(super) fn count_round(&mut self, context: &mut Context<'_>) -> Option<SyncOutcome> {
        self.rounds = self.rounds.saturating_add(1);
        let paid = self.received.saturating_add(self.served) / RECORDS_PER_ROUND;
        (self.rounds > paid.saturating_add(u64::from(MAX_SYNC_ROUNDS)))
            .then(|| self.abort(SyncAbort::TooMuch, context))
    }

    pub(super) fn heard(&mut self, seen: u32, idle: bool) -> Result<(), SyncFault> {
        if seen > self.talk.sent {
            return Err(SyncFault::Protocol("saw what was not sent"));
        }
        self.talk.acked = self.talk.acked.max(seen);
        self.talk.peer_idle = idle.then_some(seen);
        Ok(())
    }

    pub(super) fn ask(&self, request: Request, filter: &Filter, context: &mut Context<'_>) {
        let (session, initiator) = (self.id, self.is_initiator());
        let message = match request {
            Request::Fetch { request, keys } => SyncMessage::Fetch { session, initiator, request, keys },
            Request::Pull { request, from, to, max_bytes } => {
                let filter = filter.clone();
                SyncMessage::Pull { session, initiator, request, filter, from, to, max_bytes }
            }
        };
        self.send(message, context);
    }

    /// Sends one message of the exchange, if there is one.
    pub(super) fn say(&mut self, filter: &Filter, context: &mut Context<'_>) -> bool {
        let talk = &mut self.talk;
        let (session, initiator) = (self.id, self.owner.1);
        let message = if !talk.telling.is_empty() {
            let mut keys = talk.telling.split_off(talk.telling.len().saturating_sub(FETCH_WINDOW));
            keys.sort_unstable();
            keys.dedup();
            let (seen, idle) = self.standing();
            SyncMessage::Have { session, initiator, seen, idle, keys }
        } else if !talk.open.is_empty() {
            let ranges = take_message(&mut talk.open);
            let (seen, idle) = self.standing();
            SyncMessage::Ranges { session, initiator, seen, idle, filter: filter.clone(), ranges }
        } else {
            return false;
        };
        self.talk.told = self.standing();
        self.talk.sent = self.talk.sent.saturating_add(1);
        self.send(message, context);
        true
    }

    /// What the other side may know: how much was taken in, and, from the answering side, whether all is said.
    pub(super) fn standing(&self) -> (u32, bool) {
        let seen = if self.fetching.is_congested() { self.talk.told.0 } else { self.talk.seen };
        (seen, !self.is_initiator() && self.is_quiet())
    }

    /// Part of a record came. True if this session waits for one.
    pub(in crate::records::sync) fn wait_on(&mut self, context: &mut Context<'_>) -> bool {
        if self.fetching.outstanding() == 0 {
            return false;
        }
        self.touch(context.now);
        if context.now.since(self.awaiting) >= AWAIT_INTERVAL {
            self.awaiting = context.now;
            let ((seen, idle), session, initiator) = (self.talk.told, self.id, self.is_initiator());
            self.send(SyncMessage::Status { session, initiator, seen, idle }, context);
        }
        true
    }

    /// The other side says where it stands: what it was sent may take this long to cross, within bounds.
    pub(super) const fn waits_on(&mut self, now: Mono) {
        if self.served > 0 && self.waited < MAX_AWAITED {
            self.waited = self.waited.saturating_add(1);
            self.touch(now);
        }
    }

    pub(super) fn acknowledge(&mut self, context: &mut Context<'_>) {
        let standing = self.standing();
        if standing != self.talk.told {
            self.talk.told = standing;
            let (seen, idle) = standing;
            let (session, initiator) = (self.id, self.is_initiator());
            self.send(SyncMessage::Status { session, initiator, seen, idle }, context);
        }
    }
}
