//! One subscriber's end: taking events, waiting for them, reading back what did not fit.
//!
//! A subscription is *live* while every record change goes into its queue as it happens. When the queue is full it
//! falls *behind*: changes are then left in the database, and read back in order when the reader has made room
//! ([`Refill`]). It is live again once it has read to the end of the feed and nothing was published meanwhile.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
};

use super::{
    ChangeBatch, ChangeOrigin, ChangeSource, Cursor, Event, EventFilter, EventKind, FeedError, FeedPosition,
    IncomingData, NewChange, Start,
    hub::Hub,
    queue::Queue,
    wake::{HookCell, WakeHook, Wakers},
};
use crate::{ids::Lsn, record::ChangeKind};

/// Called when a subscription wants to read from the database; runs [`Refill::run`] where waiting for a disk is fine.
pub type RefillHook = Arc<dyn Fn(Refill) + Send + Sync>;

/// Changes read from the database in one step.
const REFILL_BATCH: usize = 256;

pub(super) struct Shared {
    pub(super) id: u64,
    pub(super) filter: EventFilter,
    hub: Weak<Hub>,
    source: Arc<dyn ChangeSource>,
    state: Mutex<State>,
    hook: HookCell,
    refill_hook: Mutex<Option<RefillHook>>,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    incarnation: u64,
    /// True while record changes go to the queue as they happen.
    live: bool,
    refilling: bool,
    /// The last place that is in the queue, or was looked at and does not match.
    read: Lsn,
    /// The last place published, whether it was queued or left in the database.
    published: Lsn,
    /// The place up to which everything was taken by the reader.
    taken: (Lsn, u64),
    /// The start asked for has not been read to its end yet: then comes `CaughtUp`.
    starting: bool,
    /// Only what exists is wanted: a first reading of the whole set.
    snapshot: bool,
    /// Nothing more will come.
    ended: bool,
    error: Option<FeedError>,
    wakers: Wakers,
}

/// Events of one subscriber. All methods are cancel safe: a dropped call loses nothing. Several callers share the
/// events. Dropping it unsubscribes.
///
/// Order: record changes come in the order of the feed, so those of one record in the order they happened; data of one
/// connection in the order it was sent; everything else in the order it happened here.
pub struct Subscription {
    shared: Arc<Shared>,
}

/// A wish to read from the database.
pub struct Refill(Arc<Shared>);

impl fmt::Debug for Refill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refill({})", self.0.id)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({})", self.shared.id)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({})", self.id)
    }
}

impl Refill {
    /// Reads until the queue is full or the feed is at its end. May wait for the disk.
    pub fn run(self) {
        self.0.refill();
    }
}

impl Subscription {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Has reading from the database done elsewhere. Without a hook it is done by whoever drains.
    pub fn set_refill_hook(&self, hook: RefillHook) {
        *self.shared.refill_hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
        self.shared.want_refill();
    }

    /// Takes the next event if one is waiting.
    pub fn try_next(&self) -> Option<Event> {
        self.drain(1).pop()
    }

    /// Takes up to `max` waiting events.
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

    /// Waits for events and takes up to `max`, at least one; empty once the stream has ended.
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
        let state = self.shared.lock();
        state.ended && state.queue.is_empty()
    }

    /// Why the stream ended, if the database failed.
    pub fn error(&self) -> Option<FeedError> {
        self.shared.lock().error.clone()
    }

    /// A hook called when the queue stops being empty, when the stream ends, and at once if something can be taken.
    /// No lock is held meanwhile. Arm first, drain second, wait third.
    pub fn set_wake_hook(&self, hook: Option<WakeHook>) {
        self.shared.hook.set(hook);
        let readable = {
            let state = self.shared.lock();
            state.ended || !state.queue.is_empty()
        };
        if readable {
            self.shared.hook.call();
        }
    }

    /// The place up to which everything was taken: where a later subscription goes on.
    pub fn cursor(&self) -> Cursor {
        let state = self.shared.lock();
        // With nothing waiting, what did not match is behind us too.
        let idle = state.live && state.queue.records_waiting() == 0 && state.read > state.taken.0;
        let (lsn, check) = if idle { (state.read, 0) } else { state.taken };
        Cursor { incarnation: state.incarnation, lsn, check }
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

impl Shared {
    pub(super) fn new(
        id: u64,
        filter: EventFilter,
        capacity: usize,
        hub: Weak<Hub>,
        source: Arc<dyn ChangeSource>,
    ) -> Self {
        let state = State {
            queue: Queue::new(capacity),
            incarnation: 0,
            live: false,
            refilling: true,
            read: Lsn(0),
            published: Lsn(0),
            taken: (Lsn(0), 0),
            starting: false,
            snapshot: false,
            ended: false,
            error: None,
            wakers: Wakers::default(),
        };
        Self {
            id,
            filter,
            hub,
            source,
            state: Mutex::new(state),
            hook: HookCell::default(),
            refill_hook: Mutex::default(),
        }
    }

    /// Finds the place to begin from. The hub knows this subscription already, so nothing is missed meanwhile.
    pub(super) fn begin(&self, start: Start) -> Result<(), FeedError> {
        let position = self.source.position()?;
        let resume = match start {
            Start::Now => Some(position.lsn),
            Start::Snapshot => None,
            Start::After(cursor) => self.fits(&cursor, &position)?.then_some(cursor.lsn),
        };
        let mut state = self.lock();
        state.incarnation = position.incarnation;
        state.starting = start != Start::Now;
        state.snapshot = resume.is_none();
        state.refilling = false;
        if resume.is_none() && start != Start::Snapshot {
            state.queue.push_reset();
        }
        let from = resume.unwrap_or_default();
        state.read = from;
        state.taken = (from, if start == Start::Now { position.check } else { 0 });
        state.live = start == Start::Now && state.published <= from;
        Ok(())
    }

    fn fits(&self, cursor: &Cursor, position: &FeedPosition) -> Result<bool, FeedError> {
        if cursor.incarnation != position.incarnation || cursor.lsn > position.lsn {
            return Ok(false);
        }
        let check = self.source.check_at(cursor.lsn)?;
        // Zero on either side: the record has moved on since, or the place was passed without taking anything.
        Ok(check == 0 || cursor.check == 0 || check == cursor.check)
    }

    /// Takes in what a commit brought.
    pub(super) fn publish_changes(self: &Arc<Self>, changes: &[NewChange]) {
        if !self.filter.wants(EventKind::RecordChanged) {
            return;
        }
        self.push(|state| {
            for change in changes {
                state.published = state.published.max(change.lsn);
                if !state.live || change.lsn <= state.read {
                    continue;
                }
                if !self.filter.wants_record(&change.record) {
                    state.read = change.lsn;
                } else if state.queue.record_room() > 0 {
                    state.read = change.lsn;
                    state.queue.push_change(change.clone());
                } else {
                    state.live = false;
                }
            }
        });
    }

    pub(super) fn publish_event(&self, event: &Event) {
        if self.filter.wants_event(event) {
            self.push(|state| state.queue.push_other(event.clone()));
        }
    }

    pub(super) fn has_data_room(&self, len: usize) -> bool {
        let state = self.lock();
        !state.ended && state.queue.has_data_room(len)
    }

    pub(super) fn deliver(&self, data: &IncomingData) {
        self.push(|state| state.queue.push_data(data.clone()));
    }

    /// Nothing more will come; with `discard`, nothing that waits is delivered either.
    pub(super) fn end(&self, discard: bool) {
        let (wakers, news) = {
            let mut state = self.lock();
            let news = !state.ended;
            state.ended = true;
            state.live = false;
            if discard {
                state.queue.clear();
            }
            (state.wakers.take(), news)
        };
        wakers.wake();
        if news {
            self.hook.call();
        }
    }

    fn poll_ready(&self, cx: &Context<'_>) -> Poll<bool> {
        let mut state = self.lock();
        if !state.queue.is_empty() {
            return Poll::Ready(true);
        }
        if state.ended {
            return Poll::Ready(false);
        }
        state.wakers.add(cx.waker());
        Poll::Pending
    }

    fn drain(self: &Arc<Self>, max: usize) -> Vec<Event> {
        let (events, freed) = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let before = state.queue.data_waiting();
            let incarnation = state.incarnation;
            let mut events = Vec::new();
            while events.len() < max
                && let Some(event) = state.queue.pop(incarnation, &mut state.taken)
            {
                events.push(event);
            }
            (events, before > state.queue.data_waiting())
        };
        if freed && let Some(hub) = self.hub.upgrade() {
            hub.room_freed();
        }
        self.want_refill();
        events
    }

    /// Asks for a refill if there is something to read and room for it.
    pub(super) fn want_refill(self: &Arc<Self>) {
        {
            let mut state = self.lock();
            if state.live || state.refilling || state.ended || !state.queue.wants_refill() {
                return;
            }
            if !self.filter.wants(EventKind::RecordChanged) {
                return;
            }
            state.refilling = true;
        }
        let hook = self.refill_hook.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match hook {
            Some(hook) => hook(Refill(self.clone())),
            None => self.refill(),
        }
    }

    fn refill(&self) {
        loop {
            let (from, max) = {
                let mut state = self.lock();
                let max = state.queue.record_room().min(REFILL_BATCH);
                if state.ended || state.live || max == 0 {
                    state.refilling = false;
                    return;
                }
                (state.read, max)
            };
            let batch = self.source.changes(from, &self.filter.types(), &self.filter.author_list(), max);
            match batch {
                Ok(batch) => {
                    if self.take_batch(batch, max) {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a subscription ends, for its changes cannot be read");
                    let mut state = self.lock();
                    state.refilling = false;
                    state.error = Some(error);
                    drop(state);
                    return self.end(false);
                }
            }
        }
    }

    /// Queues a batch from the feed; true if there is nothing more to read for now.
    fn take_batch(&self, batch: ChangeBatch, max: usize) -> bool {
        let end = batch.entries.len() < max;
        let mut done = false;
        self.push(|state| {
            for entry in batch.entries {
                state.read = entry.lsn;
                if state.snapshot && matches!(entry.change, ChangeKind::Deleted | ChangeKind::Expired) {
                    continue;
                }
                state.queue.push_change(NewChange {
                    lsn: entry.lsn,
                    change: if state.snapshot { ChangeKind::Added } else { entry.change },
                    record: entry.record,
                    origin: ChangeOrigin::Feed,
                    conflict: None,
                });
            }
            if !end {
                return;
            }
            state.read = state.read.max(batch.through);
            state.snapshot = false;
            if std::mem::take(&mut state.starting) {
                state.queue.push_caught_up(state.read, 0);
            }
            // What was published while we read is in the database, behind what we have seen.
            if state.published <= state.read {
                state.live = true;
                state.refilling = false;
                done = true;
            }
        });
        done
    }

    /// Changes the queue and wakes the reader if it stops being empty.
    fn push(&self, change: impl FnOnce(&mut State)) {
        let wakers = {
            let mut state = self.lock();
            if state.ended {
                return;
            }
            let was_empty = state.queue.is_empty();
            change(&mut state);
            if !was_empty || state.queue.is_empty() {
                return;
            }
            state.wakers.take()
        };
        wakers.wake();
        self.hook.call();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
