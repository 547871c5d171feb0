//! Event streams: a subscription with its refill wired to the runtime.

use std::{fmt, sync::Arc};

use super::{Graph, runtime::runtime};
use crate::events::{Cursor, Event, Subscription};

/// Events of one subscription. `next` one by one; `next_batch` or `ready` and `drain` many at a time; `try_next` for
/// polling. All are cancel safe: a dropped call loses nothing. Several callers share the events.
///
/// Dropping it unsubscribes. As long as it is there, the graph stays open; see [`Graph`].
pub struct EventStream {
    subscription: Subscription,
    _graph: Graph,
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}

impl EventStream {
    pub(super) fn new(subscription: Subscription, graph: Graph) -> Self {
        subscription.set_refill_hook(Arc::new(|refill| {
            runtime().spawn_blocking(move || refill.run());
        }));
        Self { subscription, _graph: graph }
    }

    /// Waits for the next event; `None` once the stream has ended: the graph was closed, or this stream was.
    ///
    /// An event is taken when this is polled: it changes nothing in the graph, so it has no place in the order of its
    /// calls. Dropping it loses no event.
    pub async fn next(&self) -> Option<Event> {
        self.subscription.next().await
    }

    /// The next event if one is waiting; `None` if not (Windows: "no event data").
    pub fn try_next(&self) -> Option<Event> {
        self.subscription.try_next()
    }

    /// Waits until there is something to drain (true) or the stream has ended (false). Takes nothing.
    pub async fn ready(&self) -> bool {
        self.subscription.ready().await
    }

    /// Takes up to `max` waiting events, without waiting. It takes fewer if their bodies and data have more than 4 MiB
    /// together, but one at least: the rest comes with the next call.
    pub fn drain(&self, max: usize) -> Vec<Event> {
        self.subscription.drain(max)
    }

    /// Waits for events and takes up to `max` of them, within 4 MiB as [`drain`](Self::drain); empty once the stream has
    /// ended.
    pub async fn next_batch(&self, max: usize) -> Vec<Event> {
        self.subscription.next_batch(max).await
    }

    /// True when the stream has ended and nothing is left to take.
    pub fn is_finished(&self) -> bool {
        self.subscription.is_finished()
    }

    /// A hook that is called when the queue stops being empty, when the stream ends, and at once if it is readable
    /// already. It runs on the library's threads and must only post a message. Arm first, drain second, wait third.
    pub fn set_wake_hook(&self, hook: Option<Arc<dyn Fn() + Send + Sync>>) {
        self.subscription.set_wake_hook(hook);
    }

    /// The place up to which everything has been taken: where to go on after a restart.
    pub fn cursor(&self) -> Cursor {
        self.subscription.cursor()
    }

    /// Unsubscribes: what is waiting is dropped, and no hook runs after this returns.
    #[doc(alias = "PeerGraphUnregisterEvent")]
    pub fn close(&self) {
        self.subscription.close();
    }
}
