//! Closing a graph, in its place among the calls of the node.
//!
//! A close takes two places when it is called: one on its graph, so that the calls before it are carried out and those
//! after it fail, and one among the calls of its node. The second is held for a moment only: the goodbyes may take
//! seconds, and other graphs are opened and closed meanwhile. Whoever needs the same graph in a later turn waits for the
//! end of it, with [`NodeInner::find_open`].

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    sync::{OnceCell, RwLock},
    task::JoinHandle,
};

use super::{Call, Result, graph::GraphInner, node::NodeInner, runtime::spawn, starting::Claim};
use crate::ids::{GraphId, PeerId};

/// How far the close of a graph is.
#[derive(Default)]
pub(super) struct Closing {
    /// It was called: calls on the graph fail from then on.
    called: AtomicBool,
    /// Its turn among the calls of the node has come: calls of later turns find the graph closed.
    effective: AtomicBool,
    /// Initialized once the database is closed.
    done: OnceCell<()>,
    /// All leases of a group were given up while another call was about to take one: if that call fails or is dropped,
    /// the group closes.
    deferred: AtomicBool,
    /// Shared by the calls whose turn has come and that close the graph if they succeed, until that is known.
    leaving: Arc<RwLock<()>>,
}

impl Closing {
    /// True if calls of later turns find the graph closed. Waits until that is known. In a turn only.
    async fn is_effective(&self) -> bool {
        drop(self.leaving.write().await);
        self.effective.load(Ordering::Acquire)
    }

    /// True if a close was called.
    pub(super) fn is_called(&self) -> bool {
        self.called.load(Ordering::Acquire)
    }

    /// True if a close waits for a call that failed to take a lease.
    pub(super) fn is_deferred(&self) -> bool {
        self.deferred.load(Ordering::Acquire)
    }

    /// A lease was taken.
    fn not_deferred(&self) {
        self.deferred.store(false, Ordering::SeqCst);
    }
}

impl GraphInner {
    /// Closes the graph in a place of its own among the calls of the node, which it takes at once.
    pub(super) fn close_in_order(self: &Arc<Self>) -> JoinHandle<()> {
        let (graph, ended, turn) = (self.clone(), self.end(), self.node.upgrade().map(|node| node.enter()));
        let reached = {
            let graph = graph.clone();
            async move {
                // Held no longer than that: other calls of the node need not wait for the goodbyes.
                let _turn = match turn {
                    Some(turn) => Some(turn.await),
                    None => None,
                };
                graph.closing.effective.store(true, Ordering::Release);
            }
        };
        spawn(async move {
            tokio::join!(ended, reached);
            graph.forget();
        })
    }

    /// Resolves when the calls before this one are stored.
    fn stored(&self) -> Call<()> {
        let stored = self.driver.call_stored(|_, _| ());
        Call::placed(async move {
            // A closed graph has stored everything.
            let _ = stored.await;
        })
    }

    /// Closes the graph unless a call that was made before has a use for it: decided in a turn of its own.
    pub(super) fn close_if_unused(self: &Arc<Self>) -> JoinHandle<()> {
        let (graph, turn) = (self.clone(), self.node.upgrade().map(|node| (node.enter(), node)));
        spawn(async move {
            let closed = match turn {
                Some((turn, node)) => {
                    let _turn = turn.await;
                    if graph.is_in_use(&node) {
                        graph.defer_close();
                        return;
                    }
                    graph.close()
                }
                None => graph.close(),
            };
            closed.await;
        })
    }

    /// Closes the graph if a call on it succeeds, in a place of its own among the calls of the node. On its own task: it
    /// does not stay open because the result is not awaited. Until then only those wait that need the same graph.
    pub(super) fn close_after(self: &Arc<Self>, call: Call<Result<()>>) -> JoinHandle<Result<()>> {
        let (graph, turn) = (self.clone(), self.node.upgrade().map(|node| node.enter()));
        spawn(async move {
            let turn = match turn {
                Some(turn) => Some(turn.await),
                None => None,
            };
            // Those who wait for all that share it are in a turn, so none does now.
            let leaving = graph.closing.leaving.clone().read_owned().await;
            drop(turn);
            call.await?;
            let closed = graph.close();
            drop(leaving);
            closed.await;
            Ok(())
        })
    }

    /// True if somebody has opened this group, or is about to. In a turn.
    ///
    /// Who takes what was opened or joined has a lease first and is no longer awaited then, so the leases are looked at
    /// last: else one could be missed on its way.
    pub(super) fn is_in_use(&self, node: &NodeInner) -> bool {
        node.is_awaited(&self.id)
            || self.joins.load(Ordering::Acquire) > 0
            || self.leases.load(Ordering::SeqCst) > 0
    }

    /// The group closes when the calls that are about to take a lease come to nothing. In a turn.
    fn defer_close(&self) {
        self.closing.deferred.store(true, Ordering::SeqCst);
        // One was taken meanwhile: it is its owner's to close. Taken later, it says so itself.
        if self.leases.load(Ordering::SeqCst) > 0 {
            self.closing.not_deferred();
        }
    }

    /// Closes the graph. In a turn, or when nothing can open it any more.
    pub(super) fn close(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let (graph, ended) = (self.clone(), self.end());
        self.closing.effective.store(true, Ordering::Release);
        async move {
            ended.await;
            graph.forget();
        }
    }

    /// Goodbyes, database, registration, subscriptions: once, after the calls made before.
    pub(super) fn end(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let (inner, stopped) = (self.clone(), self.driver.stop());
        self.closing.called.store(true, Ordering::Release);
        async move {
            let ending = || async {
                inner.hub.on_accepts_direct_changed(Arc::new(|| {}));
                if let Some(task) = inner.watching.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    task.abort();
                }
                // Before the writer, which then leaves one tidy file behind.
                inner.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
                stopped.await;
                inner.port.close().await;
                inner.hub.close();
            };
            inner.closing.done.get_or_init(ending).await;
        }
    }

    /// Takes it from the open graphs, unless it was opened anew.
    fn forget(self: &Arc<Self>) {
        let Some(node) = self.node.upgrade() else { return };
        let mut graphs = node.graphs();
        if graphs.get(&self.id).is_some_and(|open| Arc::ptr_eq(open, self)) {
            graphs.remove(&self.id);
        }
    }

    /// No application has anything of it any more: it closes, unless one opens it meanwhile.
    pub(super) fn let_go(self: &Arc<Self>) {
        let Some(node) = self.node.upgrade().filter(|_| !self.closing.is_called()) else { return };
        let graph = self.clone();
        spawn(async move {
            let _turn = node.enter().await;
            // In this order: who takes it has a handle before it is no longer awaited.
            if !node.is_awaited(&graph.id) && graph.holds.load(Ordering::Acquire) == 0 {
                graph.close().await;
            }
        });
    }

    /// What a call on a graph that was found open came to. If that was closed by a call made after the one that found it,
    /// this is no failure: the order of the calls is kept.
    pub(super) fn unless_closed(&self, result: Result<()>) -> Result<()> {
        if self.closing.is_called() { Ok(()) } else { result }
    }
}

impl NodeInner {
    /// The end of the node. Until that is done, whoever starts at its directory or ports waits.
    pub(super) fn ending(self: Arc<Self>) -> impl Future<Output = ()> + Send {
        let (claim, shut) = (Claim::of(&self.config), self.shutdown());
        async move {
            shut.await;
            drop(claim);
        }
    }

    fn shutdown(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let (node, entered) = (self.clone(), self.enter());
        // The closes have their place behind what was called on each graph; those opened before its turn follow.
        let ending = self.each_open(|graph| spawn(graph.end()));
        async move {
            let _guard = entered.await;
            if node.closed.swap(true, Ordering::AcqRel) {
                return;
            }
            let closing = node.each_open(|graph| spawn(graph.close()));
            for task in ending.into_iter().chain(closing) {
                let _ = task.await;
            }
            node.transport.close().await;
            if let Some(dir) = &node.dir {
                dir.release();
            }
        }
    }

    fn each_open(&self, f: impl Fn(Arc<GraphInner>) -> JoinHandle<()>) -> Vec<JoinHandle<()>> {
        let graphs: Vec<_> = self.graphs().values().cloned().collect();
        graphs.into_iter().map(f).collect()
    }

    /// The open graph with this id. Waits for the end of a close that was called before. In a turn only.
    pub(super) async fn find_open(&self, id: &GraphId) -> Option<Arc<GraphInner>> {
        let graph = self.find(id)?;
        if !graph.closing.is_effective().await {
            return Some(graph);
        }
        graph.close().await;
        None
    }

    /// Waits for the end of the closes that were called before, of graphs of this identity. In a turn only.
    pub(super) async fn finish_closes(&self, peer: PeerId) {
        let graphs: Vec<_> = self.graphs().values().filter(|graph| graph.identity == peer).cloned().collect();
        for graph in graphs {
            if graph.closing.is_effective().await {
                graph.close().await;
            }
        }
    }
}

/// One application's hold on a group that several may share: given up once, at the latest when it is dropped.
pub(super) struct Lease {
    graph: Arc<GraphInner>,
    over: AtomicBool,
}

impl Lease {
    pub(super) fn of(graph: &Arc<GraphInner>) -> Arc<Self> {
        graph.leases.fetch_add(1, Ordering::SeqCst);
        graph.closing.not_deferred();
        Arc::new(Self { graph: graph.clone(), over: AtomicBool::new(false) })
    }

    /// Gives it up, and closes the group if it was the last. Resolves when what was called before is stored, and the group
    /// closed if it closes. Repeated calls wait for the same.
    pub(super) fn close(&self) -> Call<()> {
        self.end();
        let graph = &self.graph;
        let node = graph.node.upgrade();
        let _order = node.as_ref().map(|node| node.expected.in_order());
        // A call that was made before and opens the group has a use for it. Looked at first: such a call has a lease
        // before it is no longer expected.
        let expected = node.as_ref().is_some_and(|node| node.expected.contains(&graph.id));
        if graph.leases.load(Ordering::SeqCst) > 0 {
            return graph.stored();
        }
        if graph.closing.is_called() || !expected {
            let closing = graph.close_in_order();
            return Call::placed(async move { drop(closing.await) });
        }
        let (stored, closing) = (graph.stored(), graph.close_if_unused());
        Call::placed(async move { drop(tokio::join!(stored, closing)) })
    }

    fn end(&self) {
        if !self.over.swap(true, Ordering::AcqRel) {
            self.graph.leases.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // With it goes a handle of the graph: the last of those closes it.
        self.end();
    }
}

/// Which groups calls are about to open or join, and how many each.
#[derive(Default)]
pub(super) struct Expected {
    calls: Mutex<BTreeMap<GraphId, usize>>,
    order: Mutex<()>,
}

impl Expected {
    /// True if a call was made that opens or joins this group, and whose caller has not taken the result.
    pub(super) fn contains(&self, id: &GraphId) -> bool {
        self.lock().contains_key(id)
    }

    /// Held while a call that opens or joins a group says so and takes its place among the calls of the node, and while
    /// one that closes a group looks for such calls and takes its own: so the one or the other is first.
    pub(super) fn in_order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<GraphId, usize>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that opens or joins a group, until its caller has the result or gave it up.
pub(super) struct Expecting {
    node: Arc<NodeInner>,
    id: GraphId,
}

impl Expecting {
    pub(super) fn new(node: &Arc<NodeInner>, id: GraphId) -> Self {
        *node.expected.lock().entry(id).or_default() += 1;
        Self { node: node.clone(), id }
    }
}

impl Drop for Expecting {
    fn drop(&mut self) {
        let mut expected = self.node.expected.lock();
        if let Some(count) = expected.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                expected.remove(&self.id);
            }
        }
    }
}
