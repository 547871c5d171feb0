//! Applications that are sent to the background, and machines that move from one network to another.

use std::sync::{Arc, atomic::Ordering};

use tokio::{sync::OwnedMutexGuard, task::JoinHandle};

use super::{
    Call, Node, Result,
    graph::GraphInner,
    node::NodeInner,
    runtime::{on_task, spawn},
};
use crate::{engine::Engine, time::Now};

impl Node {
    /// Makes all data durable, withdraws this node's presence, says goodbye to all neighbors, and is quiet from then on:
    /// no timers, no dials, nobody let in. For an application that is sent to the background. When this returns, the
    /// system may stop or end the process at any moment: nothing is lost, and no file is locked half way.
    ///
    /// Direct connections are closed, and connects that run are `Cancelled`. Reading and writing work as always; what is
    /// written goes to the others after [`resume`](Self::resume). Connects fail with `Paused`. Repeated calls do
    /// nothing. It takes at most three seconds, if a neighbor does not hear the goodbye.
    ///
    /// An import of a database is not waited for. It goes on, as what is written does: drop it if it is to stop, or await
    /// it before the process may be stopped.
    ///
    /// # Errors
    /// `Closed`.
    pub fn pause(&self) -> Call<Result<()>> {
        let (inner, entered) = (self.inner.clone(), self.inner.enter());
        let (graphs, resumes) = (inner.pause_graphs(&[]), inner.resumes.load(Ordering::Acquire));
        on_task(async move { inner.pause(entered.await, graphs, resumes).await })
    }

    /// Ends a pause: the graphs listen again if they did, and the nodes that were neighbors are dialled at once, then
    /// others that are known. With a neighbor in reach a graph is synchronised within a second. Does not wait for that;
    /// `StatusChanged` tells. Without a pause it does nothing.
    ///
    /// # Errors
    /// `Closed`.
    pub fn resume(&self) -> Call<Result<()>> {
        let (inner, entered) = (self.inner.clone(), self.inner.enter());
        inner.resumes.fetch_add(1, Ordering::AcqRel);
        let graphs = inner.resume_graphs(&[]);
        on_task(async move { inner.resume(entered.await, graphs).await })
    }

    /// True between [`pause`](Self::pause) and [`resume`](Self::resume).
    pub fn is_paused(&self) -> bool {
        self.inner.paused.load(Ordering::Acquire)
    }

    /// Tells the node that the system has another network than before, where the system says so (phones do): addresses
    /// are looked up anew, links are tested, and nodes that did not answer are dialled again. Changes are noticed
    /// without it too, only later.
    ///
    /// # Errors
    /// `Closed`.
    pub fn network_changed(&self) -> Call<Result<()>> {
        let (inner, entered) = (self.inner.clone(), self.inner.enter());
        on_task(async move { inner.network_changed(entered.await).await })
    }
}

/// A graph that has its place for a pause, and the task that waits for that.
type Pausing = (Arc<GraphInner>, JoinHandle<()>);

// A pause and its end have their places in each graph when they are called, so that a connect called after them comes after
// them. Graphs that a call before them was still opening get theirs when it is the turn of the pause or its end.
impl NodeInner {
    async fn pause(
        self: Arc<Self>,
        _turn: OwnedMutexGuard<()>,
        mut graphs: Vec<Pausing>,
        resumes: usize,
    ) -> Result<()> {
        self.check_open()?;
        self.paused.store(true, Ordering::Release);
        let known: Vec<_> = graphs.iter().map(|(graph, _)| graph.clone()).collect();
        graphs.extend(self.pause_graphs(&known));
        for (_, task) in graphs {
            let _ = task.await;
        }
        // Those that a later call wants belong to it.
        if self.resumes.load(Ordering::Acquire) == resumes {
            self.transport.drop_connections();
        }
        Ok(())
    }

    /// Pauses all graphs but those known, each after what was called on it before.
    fn pause_graphs(&self, known: &[Arc<GraphInner>]) -> Vec<Pausing> {
        let pause = |graph: Arc<GraphInner>| {
            let (quiet, paused) = (graph.driver.pause(), graph.clone());
            let task = spawn(async move {
                // A graph that was closed meanwhile is quiet.
                if quiet.await.is_ok() {
                    paused.port.written_out().await;
                }
            });
            (graph, task)
        };
        self.graphs_but(known).into_iter().map(pause).collect()
    }

    async fn resume(self: Arc<Self>, _turn: OwnedMutexGuard<()>, known: Vec<Arc<GraphInner>>) -> Result<()> {
        self.check_open()?;
        if self.paused.swap(false, Ordering::AcqRel) {
            self.transport.network_changed().await;
            self.resume_graphs(&known);
            // These dialled before the network was looked at.
            tell(&self.graphs_but(&[]), Engine::network_changed);
        }
        Ok(())
    }

    /// Ends the pause of all graphs but those known, and gives those told.
    fn resume_graphs(&self, known: &[Arc<GraphInner>]) -> Vec<Arc<GraphInner>> {
        let graphs = self.graphs_but(known);
        tell(&graphs, |engine, now| {
            engine.resume(now);
        });
        graphs
    }

    fn graphs_but(&self, known: &[Arc<GraphInner>]) -> Vec<Arc<GraphInner>> {
        let is_new = |graph: &&Arc<GraphInner>| !known.iter().any(|other| Arc::ptr_eq(graph, other));
        self.graphs().values().filter(is_new).cloned().collect()
    }

    async fn network_changed(self: Arc<Self>, _turn: OwnedMutexGuard<()>) -> Result<()> {
        self.check_open()?;
        self.transport.network_changed().await;
        tell(&self.graphs_but(&[]), Engine::network_changed);
        Ok(())
    }
}

/// Has each of these graphs do something, in its turn.
fn tell(graphs: &[Arc<GraphInner>], f: impl Fn(&mut Engine, Now) + Clone + Send + 'static) {
    for graph in graphs {
        // One that was closed meanwhile need not know.
        let _ = graph.driver.tell(f.clone());
    }
}
