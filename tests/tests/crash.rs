//! A process that is killed never loses an acknowledged record, and its database always opens again.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use peergraph::{OpenGraph, RecordId};
use peergraph_tests::node_at;

const KILLS: u64 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn r23_fifty_kills_at_random_moments_lose_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<(RecordId, u64)> = Vec::new();
    // A fixed walk over 1 to 120 ms, so that a failure can be repeated.
    let mut moment = 7u64;
    for round in 0..KILLS {
        moment = (moment * 37 + 11) % 120 + 1;
        let mut child = Command::new(env!("CARGO_BIN_EXE_publisher"))
            .arg(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (opened, is_open) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut ids = Vec::new();
            for line in BufReader::new(stdout).lines() {
                let line = line.unwrap();
                match line.split(' ').collect::<Vec<_>>()[..] {
                    ["open", id] => opened.send(id.to_owned()).unwrap(),
                    ["acknowledged", id, version] => {
                        ids.push((id.parse::<RecordId>().unwrap(), version.parse::<u64>().unwrap()));
                    }
                    _ => panic!("half a line: {line}"),
                }
            }
            ids
        });
        let id = is_open.recv_timeout(Duration::from_secs(30)).expect("the database opens again");
        let graph_id: peergraph::GraphId = id.parse().unwrap();
        std::thread::sleep(Duration::from_millis(moment));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(reader.join().unwrap());

        if round % 10 == 9 {
            let node = node_at(dir.path()).await;
            let graph = node.open_graph(graph_id, OpenGraph::default()).await.unwrap();
            for (id, version) in &acknowledged {
                let found = graph.get(*id).await.unwrap();
                assert!(found.is_some_and(|r| r.version >= *version), "{id} was acknowledged and is gone");
            }
            node.shutdown().await;
        }
    }
    assert!(acknowledged.len() > 100, "only {} were acknowledged: this proves nothing", acknowledged.len());
}
