//! One subscriber's end: taking events, and waiting for them.

use std::{fmt, future::poll_fn, sync::Arc};

use super::{
    Cursor, Event, FeedError,
    shared::{RefillHook, Shared},
    wake::WakeHook,
};

/// Events of one subscriber. All methods are cancel safe: a dropped call loses nothing. Several callers share the
/// events. Dropping it unsubscribes.
///
/// Order: record changes come in the order of the feed, so those of one record in the order they happened; data of one
/// connection in the order it was sent; everything else in the order it happened here.
pub struct Subscription {
    shared: Arc<Shared>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({})", self.shared.id)
    }
}

impl Subscription {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Has reading from the database done elsewhere. Without a hook it is done by whoever drains.
    pub fn set_refill_hook(&self, hook: RefillHook) {
        self.shared.set_refill_hook(hook);
    }

    /// Takes the next event if one is waiting.
    pub fn try_next(&self) -> Option<Event> {
        self.drain(1).pop()
    }

    /// Takes up to `max` waiting events, of [`EVENT_BATCH_BYTES`](crate::limits::EVENT_BATCH_BYTES) at most unless one
    /// alone has more.
    pub fn drain(&self, max: usize) -> Vec<Event> {
        self.shared.drain(max)
    }

    /// Waits until something can be taken (true) or the stream has ended (false). Takes nothing.
    pub async fn ready(&self) -> bool {
        poll_fn(|cx| self.shared.poll_ready(cx)).await
    }

    /// Waits for the next event; `None` once the stream has ended.
    pub async fn next(&self) -> Option<Event> {
        loop {
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            if !self.ready().await {
                return None;
            }
        }
    }

    /// Waits for events and takes some as [`drain`](Self::drain) does, at least one; empty once the stream has ended.
    pub async fn next_batch(&self, max: usize) -> Vec<Event> {
        loop {
            let batch = self.drain(max.max(1));
            if !batch.is_empty() || !self.ready().await {
                return batch;
            }
        }
    }

    /// True when the stream has ended and nothing is left.
    pub fn is_finished(&self) -> bool {
        self.shared.is_finished()
    }

    /// Why the stream ended, if the database failed.
    pub fn error(&self) -> Option<FeedError> {
        self.shared.error()
    }

    /// A hook called when the queue stops being empty, when the stream ends, and at once if something can be taken.
    /// No lock is held meanwhile. Arm first, drain second, wait third.
    pub fn set_wake_hook(&self, hook: Option<WakeHook>) {
        self.shared.hook.set(hook);
        if self.shared.is_readable() {
            self.shared.hook.call();
        }
    }

    /// The place up to which everything was taken: where a later subscription goes on.
    pub fn cursor(&self) -> Cursor {
        self.shared.cursor()
    }

    /// Unsubscribes: what waits is dropped, and no hook runs after this returns.
    pub fn close(&self) {
        self.shared.end(true);
        self.shared.hook.set(None);
        if let Some(hub) = self.shared.hub.upgrade() {
            hub.remove(self.shared.id);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.close();
    }
}
