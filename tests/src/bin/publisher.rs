//! Publishes as fast as it can, several at once, and prints the id of every record whose publish was acknowledged.
//! The crash test kills it.

use std::io::Write;

use peergraph::{CreateGraph, Node, NodeConfig, OpenGraph, RecordDraft, RecordUpdate};

#[tokio::main]
async fn main() {
    let dir = std::env::args().nth(1).expect("usage: publisher DIR");
    let node = Node::start(NodeConfig::loopback().at(dir)).await.expect("the directory is free and sound");
    let graph = match node.stored_graphs().first() {
        Some(id) => node.open_graph(*id, OpenGraph::default()).await,
        None => node.create_graph(CreateGraph::from("crash")).await,
    };
    let graph = graph.expect("the database opens");
    println!("open {}", graph.id());
    let mut writers = Vec::new();
    for writer in 0..8 {
        let graph = graph.clone();
        writers.push(tokio::spawn(async move {
            for n in 0u64.. {
                let draft = RecordDraft::new("crash.note", format!("{writer} {n} {}", "x".repeat(200)));
                let record = graph
                    .publish(draft.expect("a good type"))
                    .await
                    .expect("it publishes until it is killed");
                let record = if n % 4 == 3 {
                    graph.update(record.id, RecordUpdate::body("changed")).await.expect("it updates")
                } else {
                    record
                };
                // One write call a line: a killed process never leaves half of one.
                let line = format!("acknowledged {} {}\n", record.id, record.version);
                std::io::stdout().lock().write_all(line.as_bytes()).expect("a reader");
            }
        }));
    }
    for writer in writers {
        writer.await.expect("writers do not end");
    }
}
