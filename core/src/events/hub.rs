//! All subscriptions of one graph: who gets what.

use std::{
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
};

use super::{
    ChangeSource, Event, EventKind, FeedError, IncomingData, NewChange, SubscribeOptions, Subscription,
    subscription::Shared, wake::Wakers,
};
use crate::limits::RECORD_RING;

/// What became of incoming data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataDelivery {
    /// Every matching subscriber has it.
    Taken,
    /// No subscription matches.
    NobodyListens,
    /// A matching subscriber has no room, so nobody got it: try again when a reader has made some.
    Full,
}

/// A subscription could not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubscribeError {
    /// The graph was closed.
    #[error("the graph has been closed")]
    Closed,
    /// The database failed.
    #[error(transparent)]
    Feed(#[from] FeedError),
}

type Hook = Arc<dyn Fn() + Send + Sync>;

/// All subscriptions of one graph. Publishing never waits for a reader.
pub struct Hub {
    me: Weak<Self>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    subscribers: BTreeMap<u64, Arc<Shared>>,
    next: u64,
    closed: bool,
    room: Wakers,
    accepting_hook: Option<Hook>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("subscribers", &self.lock().subscribers.len()).finish()
    }
}

impl Hub {
    /// A hub without subscribers.
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|me| Self { me: me.clone(), state: Mutex::default() })
    }

    /// Subscribes. Nothing that is published after this returns is missed.
    ///
    /// # Errors
    /// [`SubscribeError`] if the graph was closed or its feed cannot be read.
    pub fn subscribe(
        &self,
        options: SubscribeOptions,
        source: Arc<dyn ChangeSource>,
    ) -> Result<Subscription, SubscribeError> {
        let SubscribeOptions { filter, start, capacity } = options;
        let capacity = capacity.unwrap_or(RECORD_RING).clamp(1, RECORD_RING);
        let accepts = filter.wants(EventKind::DirectConnection);
        let shared = {
            let mut state = self.lock();
            if state.closed {
                return Err(SubscribeError::Closed);
            }
            state.next += 1;
            let shared = Arc::new(Shared::new(state.next, filter, capacity, self.me.clone(), source));
            // Known before its place in the feed is looked up, so that nothing falls in between.
            state.subscribers.insert(shared.id, shared.clone());
            shared
        };
        // From here on, an early return unsubscribes.
        let subscription = Subscription::new(shared.clone());
        shared.begin(start)?;
        shared.want_refill();
        if accepts {
            self.accepting_changed();
        }
        Ok(subscription)
    }

    /// Gives a connection, presence or state event to all who want it.
    pub fn publish(&self, event: Event) {
        for subscriber in self.subscribers() {
            subscriber.publish_event(&event);
        }
    }

    /// Gives the record changes of one commit, in feed order, to all who want them.
    pub fn publish_records(&self, changes: &[NewChange]) {
        for subscriber in self.subscribers() {
            subscriber.publish_changes(changes);
            subscriber.want_refill();
        }
    }

    /// Gives incoming data to all who want it, or to nobody.
    pub fn try_deliver(&self, data: &IncomingData) -> DataDelivery {
        // The lock is held throughout: only readers, who make room, can come in between.
        let state = self.lock();
        let mut matching = Vec::new();
        for subscriber in state.subscribers.values().filter(|s| s.filter.wants_data(data)) {
            if !subscriber.has_data_room(data.data.len()) {
                return DataDelivery::Full;
            }
            matching.push(subscriber.clone());
        }
        drop(state);
        if matching.is_empty() {
            return DataDelivery::NobodyListens;
        }
        for subscriber in matching {
            subscriber.deliver(data);
        }
        DataDelivery::Taken
    }

    /// Delivers data, waiting for room as long as a matching subscriber has none. False: nobody listens.
    ///
    /// Cancel safe: a dropped call has delivered the data to all or to nobody.
    pub async fn deliver(&self, data: &IncomingData) -> bool {
        poll_fn(|cx| self.poll_deliver(cx, data)).await
    }

    fn poll_deliver(&self, cx: &Context<'_>, data: &IncomingData) -> Poll<bool> {
        for armed in [false, true] {
            match self.try_deliver(data) {
                DataDelivery::Taken => return Poll::Ready(true),
                DataDelivery::NobodyListens => return Poll::Ready(false),
                // Armed first, then tried once more: room made in between is not missed.
                DataDelivery::Full if !armed => self.lock().room.add(cx.waker()),
                DataDelivery::Full => {}
            }
        }
        Poll::Pending
    }

    /// True if some subscription wants direct connections.
    pub fn accepts_direct(&self) -> bool {
        self.lock().subscribers.values().any(|s| s.filter.wants(EventKind::DirectConnection))
    }

    /// Sets what is called when [`accepts_direct`](Self::accepts_direct) may have changed.
    pub fn on_accepts_direct_changed(&self, hook: Hook) {
        self.lock().accepting_hook = Some(hook);
    }

    /// Ends all subscriptions once they have been drained. No new ones can be made.
    pub fn close(&self) {
        let subscribers = {
            let mut state = self.lock();
            state.closed = true;
            state.accepting_hook = None;
            mem::take(&mut state.subscribers)
        };
        for subscriber in subscribers.into_values() {
            subscriber.end(false);
        }
        self.room_freed();
    }

    pub(super) fn remove(&self, id: u64) {
        let removed = self.lock().subscribers.remove(&id);
        if let Some(shared) = removed {
            self.room_freed();
            if shared.filter.wants(EventKind::DirectConnection) {
                self.accepting_changed();
            }
        }
    }

    pub(super) fn room_freed(&self) {
        let wakers = self.lock().room.take();
        wakers.wake();
    }

    fn accepting_changed(&self) {
        let hook = self.lock().accepting_hook.clone();
        if let Some(hook) = hook {
            hook();
        }
    }

    fn subscribers(&self) -> Vec<Arc<Shared>> {
        self.lock().subscribers.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
