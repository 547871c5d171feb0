//! Calls that make something: all of it, or nothing.
//!
//! Such a call runs to its end on a task of its own, while nothing else is opened. If its caller stops waiting, or never
//! takes what was made, that is undone: at the latest before the next such call begins, so a second try finds nothing of
//! the first. What a killed process leaves is told by marks in the data directory, see [`DataDir`](super::keys::DataDir).

use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tokio::sync::OwnedMutexGuard;

use super::{
    Call, Error, ErrorKind, Result,
    node::NodeInner,
    runtime::{blocking, on_task, spawn},
};
use crate::{group::PeerName, ids::GraphId};

/// What takes back what a call has made.
#[derive(Clone)]
pub(super) enum Undo {
    /// A graph that was here is closed again.
    Open(GraphId),
    /// A graph that was made or came to be known here is closed, and its database deleted.
    Graph(GraphId),
    /// An identity is deleted.
    Identity(PeerName),
    /// Both.
    Membership(GraphId, Option<PeerName>),
}

/// Something made that its caller may not have taken yet.
pub(super) struct Made {
    caller: Arc<Caller>,
    undo: Undo,
}

impl Undo {
    /// The graph that was made.
    const fn graph(&self) -> Option<GraphId> {
        match self {
            Self::Graph(graph) | Self::Membership(graph, _) => Some(*graph),
            Self::Open(_) | Self::Identity(_) => None,
        }
    }

    fn is_of(&self, id: &GraphId) -> bool {
        self.graph() == Some(*id) || matches!(self, Self::Open(graph) if graph == id)
    }
}

/// Whether a caller waits for its answer.
struct Caller(AtomicU8);

impl Caller {
    const WAITS: u8 = 0;
    const HAS_IT: u8 = 1;
    const IS_GONE: u8 = 2;

    fn is(&self, state: u8) -> bool {
        self.0.load(Ordering::Acquire) == state
    }

    fn becomes(&self, state: u8) -> bool {
        self.0.compare_exchange(Self::WAITS, state, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// The caller's end of a call: tells if it is dropped before there was an answer.
struct Waiting {
    caller: Arc<Caller>,
    node: Arc<NodeInner>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.caller.becomes(Caller::IS_GONE) {
            let node = self.node.clone();
            spawn(async move { drop(node.enter().await) });
        }
    }
}

impl NodeInner {
    /// Begins what must not overlap with anything that opens, closes for good or changes identities. Undoes first what
    /// nobody took.
    ///
    /// The place among such calls is taken when this is called: their order is that of the calls. Whoever has a place must
    /// come to its end without another, and on a task of its own, for all others wait for it.
    pub(super) fn enter(self: &Arc<Self>) -> impl Future<Output = OwnedMutexGuard<()>> + Send + use<> {
        // A budget of the caller's task must not keep it from its place.
        let mut lock = Box::pin(tokio::task::unconstrained(self.opening.clone().lock_owned()));
        // The lock is fair: whoever asks first has it first, and the first look is what asks.
        let first = lock.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let node = self.clone();
        async move {
            let guard = match first {
                Poll::Ready(guard) => guard,
                Poll::Pending => lock.await,
            };
            node.undo_unwanted().await;
            guard
        }
    }

    async fn undo_unwanted(&self) {
        loop {
            let next = {
                let mut made = self.made();
                made.retain(|made| !made.caller.is(Caller::HAS_IT));
                let gone = made.iter().find(|made| made.caller.is(Caller::IS_GONE));
                gone.map(|made| (made.caller.clone(), made.undo.clone()))
            };
            let Some((caller, undo)) = next else { return };
            // It stays in the list meanwhile, so that nobody is shown what is about to go.
            self.undo(undo).await;
            self.made().retain(|made| !Arc::ptr_eq(&made.caller, &caller));
        }
    }

    /// Makes something, all of it or nothing: `work` gives it with what takes it back, or leaves nothing. `take` makes of
    /// it what the caller gets.
    pub(super) fn make<T, U, F>(
        self: &Arc<Self>,
        work: impl FnOnce(Arc<Self>) -> F + Send + 'static,
        take: impl FnOnce(T) -> U + Send + 'static,
    ) -> Call<Result<U>>
    where
        T: Send + 'static,
        F: Future<Output = Result<(T, Undo)>> + Send + 'static,
    {
        let caller = Arc::new(Caller(AtomicU8::new(Caller::WAITS)));
        let waiting = Waiting { caller: caller.clone(), node: self.clone() };
        let (node, entered) = (self.clone(), self.enter());
        let answer = on_task(async move {
            let _guard = entered.await;
            if caller.is(Caller::IS_GONE) {
                node.close_deferred().await;
                return Err(Error::new(ErrorKind::Cancelled, "the call was cancelled"));
            }
            node.check_open()?;
            let (value, undo) = match work(node.clone()).await {
                Ok(made) => made,
                Err(error) => {
                    node.close_deferred().await;
                    return Err(error);
                }
            };
            let made = undo.graph();
            // First, so that what nobody waits for any more is never listed.
            node.made().push(Made { caller: caller.clone(), undo });
            if let Some(graph) = made
                && !caller.is(Caller::IS_GONE)
                && let Err(error) = node.settle(graph).await
            {
                caller.becomes(Caller::IS_GONE);
                return Err(error);
            }
            Ok(value)
        });
        Call::placed(async move {
            let taken = answer.await.map(take);
            waiting.caller.becomes(Caller::HAS_IT);
            taken
        })
    }

    /// What was made counts from here on, also if the process ends.
    pub(super) async fn settle(self: &Arc<Self>, graph: GraphId) -> Result<()> {
        let node = self.clone();
        blocking(move || node.dir.as_ref().map_or(Ok(()), |dir| dir.settle(&graph))).await
    }

    /// True if a graph was just made for a caller that waits for it: nobody else closes it meanwhile.
    pub(super) fn is_awaited(&self, graph: &GraphId) -> bool {
        self.made().iter().any(|made| made.undo.is_of(graph) && made.caller.is(Caller::WAITS))
    }

    /// True if what is here of a graph is about to be undone.
    pub(super) fn is_unwanted(&self, graph: &GraphId) -> bool {
        self.made().iter().any(|made| made.undo.graph() == Some(*graph) && made.caller.is(Caller::IS_GONE))
    }

    pub(super) async fn undo(&self, undo: Undo) {
        let (graph, identity) = match undo {
            Undo::Open(graph) => return self.close_unused(graph).await,
            Undo::Graph(graph) => (Some(graph), None),
            Undo::Identity(name) => (None, Some(name)),
            Undo::Membership(graph, identity) => (Some(graph), identity),
        };
        if let Some(graph) = graph
            && !self.take_back(graph).await
        {
            return;
        }
        if let Some(name) = identity
            && let Ok(entry) = self.identities.get(&name)
            && let Err(error) = self.identities.delete(&entry)
        {
            tracing::warn!(%error, "an identity that nobody took stays here");
        }
    }

    async fn close_unused(&self, graph: GraphId) {
        let Some(open) = self.find(&graph) else { return };
        // First: who takes it has a handle before it is no longer awaited.
        if self.is_awaited(&graph) {
            return;
        }
        if open.holds.load(Ordering::Acquire) == 0 || (open.closing.is_deferred() && !open.is_in_use(self)) {
            open.close().await;
        }
    }

    /// A call came to nothing that was about to open a group: one whose close waited for that closes. In a turn.
    pub(super) async fn close_deferred(&self) {
        let open: Vec<_> = self.graphs().values().cloned().collect();
        for graph in open {
            if graph.closing.is_deferred() && !graph.is_in_use(self) {
                graph.close().await;
            }
        }
    }

    /// Closes and deletes a graph, unless somebody else has a handle of it by now.
    async fn take_back(&self, graph: GraphId) -> bool {
        let open = self.graphs().get(&graph).cloned();
        if let Some(open) = open {
            if self.is_awaited(&graph) || open.holds.load(Ordering::Acquire) > 0 {
                return false;
            }
            open.close().await;
        }
        if let Some(dir) = &self.dir
            && let Err(error) = dir.delete(&graph)
        {
            tracing::warn!(%error, "a database that nobody took stays here");
        }
        true
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Vec<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
