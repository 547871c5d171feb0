//! The state of one subscription: what waits, what was read, and reading back what did not fit.
//!
//! A subscription is *live* while every record change goes into its queue as it happens. When the queue is full it
//! falls *behind*: changes are then left in the database, and read back in order when the reader has made room
//! ([`Refill`]). It is live again once it has read to the end of the feed and nothing was published meanwhile.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
};

use super::{
    ChangeBatch, ChangeOrigin, ChangeSource, Cursor, Event, EventFilter, EventKind, FeedError, FeedPosition,
    IncomingData, NewChange, Start,
    hub::Hub,
    queue::Queue,
    wake::{HookCell, Wakers},
};
use crate::{ids::Lsn, limits::EVENT_BATCH_BYTES, record::ChangeKind};

/// Called when a subscription wants to read from the database; runs [`Refill::run`] where waiting for a disk is fine.
pub type RefillHook = Arc<dyn Fn(Refill) + Send + Sync>;

/// Changes read from the database in one step.
const REFILL_BATCH: usize = 256;

pub(super) struct Shared {
    pub(super) id: u64,
    pub(super) filter: EventFilter,
    pub(super) hub: Weak<Hub>,
    source: Arc<dyn ChangeSource>,
    state: Mutex<State>,
    pub(super) hook: HookCell,
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

/// A wish to read from the database.
pub struct Refill(Arc<Shared>);

impl fmt::Debug for Refill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refill({})", self.0.id)
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

    /// The way in for data, if any is wanted; whoever reads waits as long as it is held.
    pub(super) fn inbox(self: &Arc<Self>) -> Option<Inbox<'_>> {
        if !self.filter.wants(EventKind::IncomingData) {
            return None;
        }
        let state = self.lock();
        let was_empty = state.queue.is_empty();
        (!state.ended).then_some(Inbox { of: self, state, was_empty })
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

    pub(super) fn set_refill_hook(self: &Arc<Self>, hook: RefillHook) {
        *self.refill_hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
        self.want_refill();
    }

    /// True if something can be taken, or nothing more will come.
    pub(super) fn is_readable(&self) -> bool {
        let state = self.lock();
        state.ended || !state.queue.is_empty()
    }

    pub(super) fn is_finished(&self) -> bool {
        let state = self.lock();
        state.ended && state.queue.is_empty()
    }

    pub(super) fn error(&self) -> Option<FeedError> {
        self.lock().error.clone()
    }

    pub(super) fn cursor(&self) -> Cursor {
        let state = self.lock();
        // With nothing waiting, what did not match is behind us too.
        let idle = state.live && state.queue.records_waiting() == 0 && state.read > state.taken.0;
        let (lsn, check) = if idle { (state.read, 0) } else { state.taken };
        Cursor { incarnation: state.incarnation, lsn, check }
    }

    pub(super) fn poll_ready(&self, cx: &Context<'_>) -> Poll<bool> {
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

    pub(super) fn drain(self: &Arc<Self>, max: usize) -> Vec<Event> {
        let (events, freed) = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let before = state.queue.data_waiting();
            let incarnation = state.incarnation;
            let (mut events, mut bytes) = (Vec::new(), 0);
            while events.len() < max {
                bytes = state.queue.next_bytes().saturating_add(bytes);
                if bytes > EVENT_BATCH_BYTES && !events.is_empty() {
                    break;
                }
                let Some(event) = state.queue.pop(incarnation, &mut state.taken) else { break };
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
                    if self.take_batch(batch) {
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
    fn take_batch(&self, batch: ChangeBatch) -> bool {
        let end = batch.entries.last().is_none_or(|last| batch.through > last.lsn);
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
                    conflict: entry.conflict,
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
        let mut state = self.lock();
        if state.ended {
            return;
        }
        let was_empty = state.queue.is_empty();
        change(&mut state);
        if was_empty && !state.queue.is_empty() {
            let wakers = state.wakers.take();
            drop(state);
            wakers.wake();
            self.hook.call();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts data into a subscription whose state it holds.
pub(super) struct Inbox<'a> {
    of: &'a Arc<Shared>,
    state: MutexGuard<'a, State>,
    was_empty: bool,
}

impl Inbox<'_> {
    pub(super) fn wants(&self, data: &IncomingData) -> bool {
        self.of.filter.wants_data(data)
    }

    pub(super) fn has_room(&self, data: &IncomingData) -> bool {
        self.state.queue.has_data_room(data.data.len())
    }

    pub(super) fn put(&mut self, data: IncomingData) {
        self.state.queue.push_data(data);
    }

    /// Lets go of the state. What is given back is to be called once no lock is held, and wakes the reader.
    pub(super) fn close(mut self) -> Option<impl FnOnce() + use<>> {
        (self.was_empty && !self.state.queue.is_empty()).then(|| {
            let (wakers, shared) = (self.state.wakers.take(), self.of.clone());
            move || {
                wakers.wake();
                shared.hook.call();
            }
        })
    }
}
