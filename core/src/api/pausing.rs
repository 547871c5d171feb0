//! Applications that are sent to the background, and machines that move from one network to another.

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::OwnedMutexGuard;

use super::{
    Call, Node, Result,
    node::NodeInner,
    runtime::{on_task, spawn},
};

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
        on_task(async move { inner.pause(entered.await).await })
    }

    /// Ends a pause: the graphs listen again if they did, and the nodes that were neighbors are dialled at once, then
    /// others that are known. With a neighbor in reach a graph is synchronised within a second. Does not wait for that;
    /// `StatusChanged` tells. Without a pause it does nothing.
    ///
    /// # Errors
    /// `Closed`.
    pub fn resume(&self) -> Call<Result<()>> {
        let (inner, entered) = (self.inner.clone(), self.inner.enter());
        on_task(async move { inner.resume(entered.await).await })
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

impl NodeInner {
    async fn pause(self: Arc<Self>, _turn: OwnedMutexGuard<()>) -> Result<()> {
        self.check_open()?;
        if self.paused.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let graphs: Vec<_> = self.graphs().values().cloned().collect();
        let quiet = graphs.into_iter().map(|graph| {
            spawn(async move {
                // A graph that was closed meanwhile is quiet.
                if graph.driver.pause().await.is_ok() {
                    graph.port.written_out().await;
                }
            })
        });
        for task in quiet.collect::<Vec<_>>() {
            let _ = task.await;
        }
        self.transport.drop_connections();
        Ok(())
    }

    async fn resume(self: Arc<Self>, _turn: OwnedMutexGuard<()>) -> Result<()> {
        self.check_open()?;
        if self.paused.swap(false, Ordering::AcqRel) {
            self.transport.network_changed().await;
            self.tell_all(|engine, now| {
                engine.resume(now);
            });
        }
        Ok(())
    }

    async fn network_changed(self: Arc<Self>, _turn: OwnedMutexGuard<()>) -> Result<()> {
        self.check_open()?;
        self.transport.network_changed().await;
        self.tell_all(crate::engine::Engine::network_changed);
        Ok(())
    }

    fn tell_all(&self, f: impl Fn(&mut crate::engine::Engine, crate::time::Now) + Clone + Send + 'static) {
        for graph in self.graphs().values() {
            // One that was closed meanwhile need not know.
            let _ = graph.driver.tell(f.clone());
        }
    }
}
