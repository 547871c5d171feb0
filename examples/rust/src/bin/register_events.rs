//! The scenario of the old Windows documentation, *Registering for Peer Events*, as it is written today: register for
//! five kinds of event, wait, drain until empty, unregister.
//!
//! There, a program made a wake-up handle, registered an array of five structures, waited in a thread pool, and on
//! every wake-up called "get event data" until it said "no data". Connecting had a trap: each hop of a referral chain
//! looked like a failure, so one had to ignore failures and wait, against a timer, for a status event. Here `connect`
//! has one outcome and is simply awaited; the old way still works, and is shown at the end.
//!
//! ```text
//! cargo run -p peergraph-examples --bin register_events
//! ```

use std::time::Duration;

use peergraph::{
    Graph, Node, NodeConfig, RecordDraft,
    events::{Event, EventFilter, EventKind},
};

#[tokio::main]
async fn main() -> Result<(), peergraph::Error> {
    // Two nodes in one process, so that the example shows something by itself.
    let (ours, theirs) =
        (Node::start(NodeConfig::loopback()).await?, Node::start(NodeConfig::loopback()).await?);
    let their_graph = theirs.create_graph("Seed").await?;
    their_graph.listen().await?;
    let graph = ours.open_graph(their_graph.ticket().await?, Default::default()).await?;

    // PeerGraphRegisterEvent: before connecting, so that nothing is missed. Registering for direct connections is
    // also what allows others to open one.
    let events = graph.events(EventFilter::kinds([
        EventKind::RecordChanged,
        EventKind::NodeChanged,
        EventKind::StatusChanged,
        EventKind::DirectConnection,
        EventKind::IncomingData,
    ]))?;

    // PeerGraphConnect: one call, one outcome. Referrals of a full node are followed on the way.
    let neighbor = graph.connect(theirs.addr()).await?;
    println!("connected to {}", neighbor.node.short());

    provoke(&their_graph, &ours).await?;

    // The wait and the drain. One wake-up may stand for many events; an empty queue ends the round.
    let quiet = Duration::from_millis(500);
    while let Ok(true) = tokio::time::timeout(quiet, events.ready()).await {
        while let Some(event) = events.try_next() {
            handle(event);
        }
    }

    // PeerGraphUnregisterEvent: nothing is delivered after this.
    events.close();

    referral_case(&graph).await?;
    ours.shutdown().await;
    theirs.shutdown().await;
    Ok(())
}

fn handle(event: Event) {
    match event {
        Event::RecordChanged(change) => {
            // No second call to fetch it: the record is in the event.
            println!("record {:?}: {}", change.change, change.record.body_text().unwrap_or("(bytes)"));
        }
        Event::NodeChanged { change, node } => println!("node {} {change:?}", node.node.short()),
        Event::StatusChanged(status) => println!("status {status:?}"),
        Event::DirectConnection(event) => {
            println!("direct connection {}: {:?}", event.connection, event.change)
        }
        Event::IncomingData(data) => {
            println!("{} bytes from {}", data.data.len(), data.peer.short())
        }
        other => println!("{other:?}"),
    }
}

/// Makes each of the five kinds happen.
async fn provoke(their_graph: &Graph, ours: &Node) -> Result<(), peergraph::Error> {
    their_graph.publish(RecordDraft::new("seed.note", "hello from the other node")?).await?;
    let direct = their_graph.open_direct(ours.addr()).await?;
    let delivered = direct.send("seed.data", "some bytes").await?.delivered().await?;
    println!("the data was {}", if delivered { "delivered" } else { "not wanted" });
    direct.close().await
}

/// The referral case. Then: ignore failures, start a timer, wait for the status event. Now: the connect says it.
async fn referral_case(graph: &Graph) -> Result<(), peergraph::Error> {
    let nobody = peergraph::NodeAddr::at(
        peergraph::NodeId::from_bytes(*b"no such node, so nobody answers."),
        ["127.0.0.1:9".parse().expect("an address")],
    );
    match graph.connect(nobody).await {
        Ok(neighbor) => println!("connected to {}", neighbor.node.short()),
        Err(error) => println!("not connected, and no other attempt follows: {error} ({:?})", error.kind()),
    }
    // The old workaround still works: the status says whether there is a connection.
    println!("has connections: {}", graph.status().await?.has_connections);
    Ok(())
}
