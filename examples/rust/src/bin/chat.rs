//! A chat room. Start it without arguments to open a room, with the ticket it prints to enter from elsewhere:
//!
//! ```text
//! cargo run -p peergraph-examples --bin chat -- --name Ann
//! cargo run -p peergraph-examples --bin chat -- --name Ben peergraph:...
//! ```
//! Every line you type is a record of type `chat.message`; late comers see what was said before.

use std::{collections::BTreeSet, error::Error, process::ExitCode};

use peergraph::{
    Graph, Node, NodeId, RecordDraft, Ticket,
    events::{Event, EventFilter, EventKind, NodeChange, NodeInfo, Start, SubscribeOptions},
};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main]
async fn main() -> ExitCode {
    match chat().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn chat() -> Result<(), Box<dyn Error>> {
    let (name, ticket) = arguments()?;
    let node = Node::in_memory().await?;
    let room = match ticket {
        Some(ticket) => node.join(ticket).await?,
        None => {
            let room = node.create_graph("Chat").await?;
            room.listen().await?;
            room
        }
    };
    room.set_node_attributes(Some(&name)).await?;
    println!("Others enter with this ticket:\n\n{}\n", room.ticket().await?);

    let printer = tokio::spawn(print_events(room.clone()));
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(text) if text.trim().is_empty() => {}
                Some(text) => {
                    let draft = RecordDraft::new("chat.message", text)?.with("from", name.as_str());
                    if let Err(error) = room.publish(draft).await {
                        eprintln!("not sent: {error}");
                    }
                }
                None => break,
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    node.shutdown().await; // says goodbye; the stream of events ends with it
    printer.await??;
    Ok(())
}

/// Prints what was said, what is said, and who comes and goes.
async fn print_events(room: Graph) -> Result<(), peergraph::Error> {
    let filter = EventFilter::kinds([EventKind::RecordChanged, EventKind::NodeChanged])
        .record_types(["chat.message".parse().expect("a good name")]);
    let events = room.subscribe(SubscribeOptions::new(filter).start(Start::Snapshot))?;
    let mut here = BTreeSet::new();
    // This node is the first of them.
    for node in room.nodes().await?.into_iter().skip(1) {
        tell(&mut here, NodeChange::Connected, &node);
    }
    while let Some(event) = events.next().await {
        match event {
            Event::RecordChanged(change) => {
                let from = change.record.attributes.text("from").unwrap_or("somebody").to_owned();
                println!("{from}: {}", change.record.body_text().unwrap_or("(not text)"));
            }
            Event::NodeChanged { change, node } => tell(&mut here, change, &node),
            Event::Lagged { dropped } => println!("* {dropped} comings and goings were missed"),
            _ => {}
        }
    }
    Ok(())
}

/// Who has just joined gives the name a moment later, as an update.
fn tell(here: &mut BTreeSet<NodeId>, change: NodeChange, node: &NodeInfo) {
    let gone = change == NodeChange::Disconnected;
    if gone && here.remove(&node.node) {
        println!("* {} has left", node.attributes);
    } else if !gone && !node.attributes.is_empty() && here.insert(node.node) {
        println!("* {} is here", node.attributes);
    }
}

fn arguments() -> Result<(String, Option<Ticket>), Box<dyn Error>> {
    let mut name = format!("guest-{}", std::process::id());
    let mut ticket = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--name" => name = arguments.next().ok_or("--name wants a name")?,
            "--help" | "-h" => return Err("usage: chat [--name NAME] [TICKET]".into()),
            text => ticket = Some(text.parse()?),
        }
    }
    Ok((name, ticket))
}
