//! A member of a group, for as long as its standard input is open: for tests that kill it.

use std::{io::Read, path::Path};

use peergraph::{JoinGroup, Node};
use peergraph_tests::few_neighbors;

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [dir, link] = words.as_slice() else { panic!("usage: member DIR LINK") };
    let node =
        Node::start(few_neighbors().at(Path::new(dir))).await.expect("the directory is free and sound");
    let stored = node.stored_groups().expect("the directory can be read");
    let group = match stored.first() {
        Some(id) => node.open_group(*id).await.expect("the group opens"),
        None => node.join_group(JoinGroup::parse(link).expect("a link")).await.expect("to join"),
    };
    println!("here {}", node.id());
    let _open = group;
    let wait = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    wait.await.expect("no panic").expect("standard input can be read");
}
