//! All subscriptions of one graph: who gets what.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
};

use super::{
    ChangeSource, Event, EventKind, FeedError, IncomingData, NewChange, SubscribeOptions, Subscription,
    shared::{Inbox, Shared},
    wake::Wakers,
};
use crate::limits::RECORD_RING;

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
            state.next = state.next.saturating_add(1);
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

    /// Gives each of `waiting` to all who want it or to nobody, in order, until a matching subscriber has no room for
    /// one: that and what follows stay. Tells for each that went whether somebody took it.
    pub fn try_deliver(&self, waiting: &mut VecDeque<IncomingData>) -> Vec<bool> {
        let state = self.lock();
        // The locks are held throughout: only readers, who make room, come in before and after.
        let mut inboxes: Vec<Inbox<'_>> = state.subscribers.values().filter_map(|s| s.inbox()).collect();
        let (mut taken, mut takers) = (Vec::with_capacity(waiting.len()), Vec::new());
        while let Some(data) = waiting.front() {
            takers.clear();
            takers.extend((0..inboxes.len()).filter(|at| inboxes[*at].wants(data)));
            if takers.iter().any(|at| !inboxes[*at].has_room(data)) {
                break;
            }
            takers.iter().for_each(|at| inboxes[*at].put(data.clone()));
            taken.push(!takers.is_empty());
            waiting.pop_front();
        }
        let readable: Vec<_> = inboxes.into_iter().filter_map(Inbox::close).collect();
        drop(state);
        readable.into_iter().for_each(|tell| tell());
        taken
    }

    /// Delivers at least the first of `waiting`, once there is room for it, and what fits after it: for each that went,
    /// true if somebody took it.
    ///
    /// Cancel safe: what went is no longer in `waiting`, what is there has gone to nobody.
    pub async fn deliver(&self, waiting: &mut VecDeque<IncomingData>) -> Vec<bool> {
        poll_fn(|cx| self.poll_deliver(cx, waiting)).await
    }

    fn poll_deliver(&self, cx: &Context<'_>, waiting: &mut VecDeque<IncomingData>) -> Poll<Vec<bool>> {
        for armed in [false, true] {
            let taken = self.try_deliver(waiting);
            if !taken.is_empty() || waiting.is_empty() {
                return Poll::Ready(taken);
            }
            // Armed first, then tried once more: room made in between is not missed.
            if !armed {
                self.lock().room.add(cx.waker());
            }
        }
        Poll::Pending
    }

    /// True if somebody would take data like this.
    pub fn wants_data(&self, data: &IncomingData) -> bool {
        self.lock().subscribers.values().any(|s| s.inbox().is_some_and(|inbox| inbox.wants(data)))
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
