//! Reconciliation with each neighbor: when, and what its end means.

use std::mem;

use super::{Engine, Joining};
use crate::{
    events::Event,
    ids::LinkId,
    record::RecordType,
    records::{
        StoreError,
        sync::{SyncAbort, SyncFault, SyncOutcome, SyncOutput},
    },
    time::{Now, Timestamp},
    wire::{Freshness, SyncMessage},
};

/// What a session has come to, told once its records are durable.
#[derive(Debug)]
pub(super) enum SyncDone {
    /// One type is equal to what the other end has.
    Type(LinkId, RecordType),
    /// Everything is.
    All,
    /// A comparison is over, whether it came to its end or not: with whom, and what was said and when at its beginning.
    Over { link: LinkId, whole: bool, session: (Freshness, Timestamp) },
}

impl Engine {
    pub(super) fn open_sync(&mut self, now: Now, link: LinkId) {
        self.refresh_footing(now);
        if let Err(error) = self.syncs.open(now, link, &*self.store) {
            tracing::error!(%error, "the database cannot be read for a comparison");
        }
    }

    pub(super) fn on_sync_message(&mut self, now: Now, link: LinkId, message: SyncMessage) {
        self.refresh_footing(now);
        let result = self.syncs.handle(now, link, message, &*self.store);
        self.settle(now, link, result);
        self.on_bulk_room(now, link);
    }

    pub(super) fn on_bulk_room(&mut self, now: Now, link: LinkId) {
        let room = self.overlay.bulk_room(link);
        let result = self.syncs.bulk_room(now, link, room, &*self.store);
        self.settle(now, link, result);
    }

    pub(super) fn on_sync_output(&mut self, now: Now, output: SyncOutput) {
        match output {
            SyncOutput::Send { link, message } => self.overlay.send_sync(now, link, message),
            SyncOutput::SendRecords { link, session, records } => {
                self.overlay.send_records(now, link, session, records);
            }
            SyncOutput::TypeDone { link, record_type } => {
                self.syncs_done.push(SyncDone::Type(link, record_type));
            }
            SyncOutput::Withheld { link, keys } => self.away.withhold(link, keys),
            SyncOutput::Finished { link, outcome, theirs, began, .. } => {
                let whole = !matches!(outcome, SyncOutcome::Aborted(_));
                self.syncs_done.push(SyncDone::Over { link, whole, session: (theirs, began) });
                match outcome {
                    SyncOutcome::Equal | SyncOutcome::Reconciled { .. } => {
                        self.syncs_done.push(SyncDone::All)
                    }
                    SyncOutcome::Aborted(why) => {
                        tracing::debug!(link = link.0, ?why, "a comparison of databases was given up");
                        if matches!(why, SyncAbort::ByPeer | SyncAbort::TimedOut) {
                            self.overlay.compare_again(now, link);
                        }
                    }
                }
            }
        }
    }

    /// After a commit: what was compared is now also stored.
    pub(super) fn finish_syncs(&mut self, now: Now) {
        for done in mem::take(&mut self.syncs_done) {
            match done {
                SyncDone::Type(link, record_type) if record_type == RecordType::credential() => {
                    self.acts_compared(link);
                }
                SyncDone::Type(_, record_type) if record_type.is_reserved() => {}
                SyncDone::Type(_, record_type) => {
                    if !self.status.synchronized {
                        self.hub.publish(Event::Synchronized(Some(record_type)));
                    }
                }
                SyncDone::Over { link, whole, session } => {
                    if whole {
                        self.acts_compared(link);
                    }
                    self.compared(now, link, whole, session);
                }
                SyncDone::All => self.on_synchronized(now),
            }
        }
    }

    fn on_synchronized(&mut self, now: Now) {
        if self.genesis.is_none() {
            return;
        }
        self.group.compared = true;
        let first = !self.usable;
        if first {
            self.usable = true;
            self.refresh_stamper(now);
            if let Err(error) = self.keep_meta(super::load::META_SYNCED, &[1]) {
                tracing::error!(%error, "cannot note that this graph was synchronised");
            }
            self.note_joining(None);
            self.listen_if_wanted(now);
        }
        let behind = self.overlay.clock_skew_ms().is_some_and(i64::is_negative);
        if first && behind {
            // No flag changes, but this is all that a joiner whose clock is behind can have.
            self.hub.publish(Event::StatusChanged(self.status));
        }
        if !self.current_now && !behind {
            self.current_now = true;
            self.list_present(now);
            self.end_progress();
            self.hub.publish(Event::Synchronized(None));
            // While it was alone, the others may have taken it off their lists.
            self.presence.say_at(now.mono);
        }
    }

    fn settle(&mut self, now: Now, link: LinkId, result: Result<(), SyncFault>) {
        match result {
            Ok(()) => {}
            Err(SyncFault::Protocol(what)) => {
                tracing::debug!(link = link.0, what, "reconciliation broke the protocol");
                self.close_for_protocol(now, link);
            }
            Err(SyncFault::Store(error)) => {
                tracing::error!(%error, "the database cannot be read for a comparison");
            }
        }
    }

    /// Notes how far a first join is, if this is one.
    pub(super) fn note_joining(&mut self, now: Option<Joining>) {
        if self.joining.is_none() || self.joining == now {
            return;
        }
        self.joining = now;
        if let Err(error) = self.keep_meta(super::load::META_JOINING, &Joining::to_bytes(now)) {
            tracing::error!(%error, "cannot note how far this join is");
        }
    }

    /// How far a first join is; `None` if it is over, or there was none.
    pub const fn joining(&self) -> Option<Joining> {
        self.joining
    }

    pub(super) fn keep_meta(&mut self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.store.set_meta(name, value)?;
        self.meta_written = true;
        Ok(())
    }
}
