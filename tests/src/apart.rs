//! Two graphs that are parted, edited apart, and linked again.

use peergraph::{Conflict, ConflictQuery, ErrorKind, Graph, NodeAddr, RecordId, RecordUpdate};

use crate::{converge, eventually};

const EDITS: [&str; 2] = ["edited here", "edited there"];

/// Ends all links of a graph, whatever state they are in.
///
/// # Panics
/// If they do not end in time.
pub async fn part(graph: &Graph) {
    eventually("no link is left", async || {
        let links = graph.neighbors().await.expect("an open graph");
        for link in &links {
            let _ = graph.disconnect(link.connection).await;
        }
        links.is_empty()
    })
    .await;
}

/// Conflicts that nobody has acknowledged here.
///
/// # Panics
/// If they cannot be read.
pub async fn conflicts(graph: &Graph) -> Vec<Conflict> {
    graph.conflicts(ConflictQuery::default()).await.expect("an open graph").items
}

/// Has a record edited by two nodes that do not hear each other, and links them again. The conflict as the first has it.
///
/// # Panics
/// If there is none.
pub async fn conflict(first: &Graph, second: &Graph, second_addr: NodeAddr, record: RecordId) -> Conflict {
    part(first).await;
    part(second).await;
    for (graph, body) in [first, second].into_iter().zip(EDITS) {
        graph.update(record, RecordUpdate::body(body)).await.expect("to edit");
    }
    if let Err(error) = first.connect(second_addr).await {
        assert_eq!(error.kind(), ErrorKind::AlreadyNeighbor, "{error}");
    }
    converge(&[first, second]).await;
    let of_it = async || conflicts(first).await.into_iter().find(|conflict| conflict.winner.id == record);
    eventually("the conflict", async || of_it().await.is_some()).await;
    of_it().await.expect("nobody acknowledges it meanwhile")
}

/// Checks that of the two edits of [`conflict`] one won and the other one can be read.
///
/// # Panics
/// If not.
pub fn check_whole(conflict: &Conflict) {
    let mut bodies = [conflict.loser.body_text(), conflict.winner.body_text()];
    // Which is the later one depends on their clocks.
    bodies.sort_unstable();
    assert_eq!(bodies, EDITS.map(Some), "one won, the other one can be read");
}
