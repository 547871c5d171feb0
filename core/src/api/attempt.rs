//! A join under way. One that comes to nothing, because it failed or because nobody waits for it any more, leaves nothing,
//! unless it was let in: then what came stays for the next, which goes on from there.

use std::sync::{Arc, atomic::Ordering};

use super::{Graph, node::NodeInner, runtime::spawn};
use crate::engine::Joining;

/// Counts among the joins of its graph while it is under way.
pub(super) struct Attempt {
    node: Arc<NodeInner>,
    graph: Graph,
    ended: bool,
}

impl Attempt {
    pub(super) fn of(node: Arc<NodeInner>, graph: Graph) -> Self {
        graph.inner().joins.fetch_add(1, Ordering::AcqRel);
        Self { node, graph, ended: false }
    }

    pub(super) const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// It succeeded. Whoever joined has a handle, and its lease, before this: a close meanwhile sees the one or the other.
    pub(super) fn done(mut self) {
        self.ended = true;
        let inner = self.graph.inner();
        // So that what it opened is not taken for another's that failed.
        inner.for_join.store(false, Ordering::Release);
        inner.joins.fetch_sub(1, Ordering::AcqRel);
    }

    /// Ends it, and waits until what it leaves is gone.
    pub(super) async fn over(mut self) {
        self.ended = true;
        self.graph.inner().joins.fetch_sub(1, Ordering::AcqRel);
        let (node, graph) = (self.node.clone(), self.graph.clone());
        // On its own task: who stops waiting now does not stop it half way.
        let _ = spawn(clear(node, graph)).await;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.ended {
            self.graph.inner().joins.fetch_sub(1, Ordering::AcqRel);
            spawn(clear(self.node.clone(), self.graph.clone()));
        }
    }
}

/// Closes what only joins have opened, unless there is another join, or somebody has a handle; and deletes it if nobody
/// let it in.
async fn clear(node: Arc<NodeInner>, graph: Graph) {
    // So that no other join begins with it meanwhile.
    let _guard = node.enter().await;
    let inner = graph.inner();
    let wanted =
        inner.is_in_use(&node) || !(inner.for_join.load(Ordering::Acquire) || inner.closing.is_deferred());
    let open = node.find(&graph.id()).is_some_and(|found| Arc::ptr_eq(&found, inner));
    if wanted || !open {
        return;
    }
    // It says goodbye first: what is true then stays true.
    let begun = graph.call(|engine, now| {
        engine.leave(now);
        engine.joining() == Some(Joining::Begun)
    });
    let begun = begun.await.unwrap_or_default();
    inner.close().await;
    if begun && let Err(error) = node.clone().delete(graph.id()).await {
        tracing::debug!(%error, "nothing to delete of a join that came to nothing");
    }
}
