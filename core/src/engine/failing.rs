//! What follows when the database fails, because the disk is full for example. The batch is dropped, and with it what
//! neighbors sent and believe to be here: once the database can be written again, all of it is asked for anew. If it is damaged, and
//! stays so, the graph stops.

use std::{mem, time::Duration};

use super::Engine;
use crate::{
    limits::{MAX_DAMAGED_WRITES, MAX_STORE_RETRY, MIN_STORE_RETRY},
    records::StoreError,
    time::{Mono, Now},
};

/// Where a try is written.
const META_TRY: &str = "try";
/// What is written to find out whether there is room, in bytes: more than what a file may have to spare.
const TRY_BYTES: usize = 64 * 1024;
/// A failure this soon after another one belongs to it: what fitted once does not mean that the rest does.
const LATELY: Duration = Duration::from_secs(30);

/// Whether the database fails.
#[derive(Debug, Default)]
pub(super) struct Failing {
    /// When writing is tried next; `None` while the database works.
    pub(super) due: Option<Mono>,
    /// What went wrong since the last flush: the batch is to fail with it.
    pub(super) broken: Option<StoreError>,
    wait: Duration,
    last: Option<Mono>,
    /// How often in close succession that was for damage. What fits between two of them, an empty try, heals nothing.
    damaged: u32,
    /// A try waits for its commit.
    trying: bool,
    /// What a try wrote is to be emptied.
    written: bool,
}

impl Engine {
    /// True if the database is so damaged that it cannot be written: nothing that is found out about it, an altered record for
    /// example, could be put right, so it is not to be shown any more.
    pub fn is_unwritable(&self) -> bool {
        self.failing.damaged >= MAX_DAMAGED_WRITES
    }

    /// A batch could not be stored, and is gone.
    pub(super) fn store_failed(&mut self, now: Now, error: &StoreError) {
        self.staged.clear();
        self.incoming.clear();
        self.incoming_keys.clear();
        self.expired.clear();
        self.endings.clear();
        self.syncs_done.clear();
        self.meta_written = false;
        self.unchecked = self.checked_from.take().or(self.unchecked);
        self.group.sweep.restart();
        // Comparisons wait for records that came and are not here.
        self.syncs.give_up(now);
        self.keep_contacts_now();
        let failing = &mut self.failing;
        failing.trying = false;
        let lately = failing.last.is_some_and(|last| now.mono.since(last) < LATELY);
        failing.last = Some(now.mono);
        let before = if lately { failing.damaged } else { 0 };
        failing.damaged = match error {
            StoreError::Damaged(_) => before.saturating_add(1),
            _ => before,
        };
        if failing.due.is_none() {
            failing.wait = if lately { (failing.wait * 2).min(MAX_STORE_RETRY) } else { MIN_STORE_RETRY };
            failing.due = Some(now.mono + failing.wait);
        }
        // The presence may have been lost with the batch.
        self.presence.touch_at(failing.due.unwrap_or(now.mono));
        if self.failing.damaged == 1 {
            // It may be one record.
            self.check_all_again();
        }
    }

    /// Tries whether the database can be written again, if it is time: the next flush tells.
    pub(super) fn try_store(&mut self, now: Now) {
        if mem::take(&mut self.failing.written) {
            let emptied = self.keep_meta(META_TRY, &[]);
            self.failing.written = emptied.is_err();
        }
        if self.failing.due.is_none_or(|at| at > now.mono) {
            return;
        }
        self.failing.due = None;
        self.failing.trying = true;
        // An error that happens here comes back with the flush, for the transaction is over.
        if let Err(error) = self.keep_meta(META_TRY, &[0; TRY_BYTES]) {
            tracing::debug!(%error, "the database still fails");
            self.meta_written = true;
        }
    }

    /// A batch is durable.
    pub(super) fn store_works(&mut self, now: Now) {
        if !mem::take(&mut self.failing.trying) {
            return;
        }
        tracing::info!(graph = %self.graph.short(), "the database can be written again");
        self.failing.written = true;
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.open_sync(now, link);
        }
    }
}
