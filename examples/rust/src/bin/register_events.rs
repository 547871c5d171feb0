//! The scenario of the old Windows documentation, *Registering for Peer Events*, as it is written today: register for
//! six kinds of event, wait, drain until empty, unregister.
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
    CreateGroup, Group, InviteLink, JoinGroup, Node, NodeConfig, OpenGraph, RecordDraft,
    events::{Event, EventFilter, EventKind},
};

#[tokio::main]
async fn main() -> Result<(), peergraph::Error> {
    // Two nodes in one process, so that the example shows something by itself. Ours is a member from before.
    let folder = std::env::temp_dir().join(format!("peergraph-events-{}", std::process::id()));
    let (ours, theirs) =
        (Node::start(NodeConfig::loopback().at(&folder)).await?, Node::start(NodeConfig::loopback()).await?);
    let mut seed = CreateGroup::from("Seed");
    seed.rules.creator_name = "Ada".into();
    let their_group = theirs.create_group(seed).await?;
    let link = their_group.invite_link(InviteLink::default()).await?;
    ours.join_group(JoinGroup::from(link).named("Ben")).await?.close().await;
    // Without traffic, so that the first event is heard as well; by default a group that is opened is online at once.
    let options = OpenGraph { offline: true, ..OpenGraph::default() };
    let group = ours.open_group_with(their_group.id(), options).await?;

    // PeerGraphRegisterEvent: before connecting, so that nothing is missed. Registering for direct connections is
    // also what allows others to open one.
    let events = group.events(EventFilter::kinds([
        EventKind::RecordChanged,
        EventKind::NodeChanged,
        EventKind::MemberChanged,
        EventKind::StatusChanged,
        EventKind::DirectConnection,
        EventKind::IncomingData,
    ]))?;

    // PeerGraphConnect: one call, one outcome. Referrals of a full node are followed on the way.
    let neighbor = group.connect(theirs.addr()).await?;
    println!("connected to {}", neighbor.node.short());

    provoke(&their_group, &ours).await?;

    // The wait and the drain. One wake-up may stand for many events; an empty queue ends the round.
    let quiet = Duration::from_millis(500);
    while let Ok(true) = tokio::time::timeout(quiet, events.ready()).await {
        while let Some(event) = events.try_next() {
            handle(event);
        }
    }

    // PeerGraphUnregisterEvent: nothing is delivered after this.
    events.close();

    referral_case(&group).await?;
    ours.shutdown().await;
    theirs.shutdown().await;
    drop(std::fs::remove_dir_all(folder));
    Ok(())
}

fn handle(event: Event) {
    match event {
        Event::RecordChanged(change) => {
            // No second call to fetch it: the record is in the event.
            println!("record {:?}: {}", change.change, change.record.body_text().unwrap_or("(bytes)"));
        }
        Event::NodeChanged { change, node } => println!("node {} {change:?}", node.node.short()),
        Event::MemberChanged { change, member } => println!("member {:?} {change:?}", member.name),
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

/// Makes each of the six kinds happen.
async fn provoke(their_group: &Group, ours: &Node) -> Result<(), peergraph::Error> {
    their_group.publish(RecordDraft::new("seed.note", "hello from the other node")?).await?;
    let direct = their_group.open_direct(ours.addr()).await?;
    let delivered = direct.send("seed.data", "some bytes").await?.delivered().await?;
    println!("the data was {}", if delivered { "delivered" } else { "not wanted" });
    direct.close().await
}

/// The referral case. Then: ignore failures, start a timer, wait for the status event. Now: the connect says it.
async fn referral_case(group: &Group) -> Result<(), peergraph::Error> {
    let nobody = peergraph::NodeAddr::at(
        peergraph::NodeId::from_bytes(*b"no such node, so nobody answers."),
        ["127.0.0.1:9".parse().expect("an address")],
    );
    match group.connect(nobody).await {
        Ok(neighbor) => println!("connected to {}", neighbor.node.short()),
        Err(error) => println!("not connected, and no other attempt follows: {error} ({:?})", error.kind()),
    }
    // The old workaround still works: the status says whether there is a connection.
    println!("has connections: {}", group.status().await?.has_connections);
    Ok(())
}
