//! Members whose process is killed: the others stop listing them within seconds, and list them again when they come back.

use std::{
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use peergraph::{Group, InviteLink, Node, NodeConfig, NodeId};
use peergraph_tests::{PATIENCE, eventually, few_neighbors};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// A process that is a member, and its node once it has joined.
async fn process(dir: &Path, link: &str) -> (Child, NodeId) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_member"))
        .arg(dir)
        .arg(link)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it joins in time");
    let line = line.unwrap().expect("it lives");
    (child, line.strip_prefix("here ").expect("its node").parse().unwrap())
}

/// Measures by how much timers of this process are late: how busy the machine is.
fn lateness() -> Arc<AtomicU64> {
    const TICK: Duration = Duration::from_millis(20);
    let worst = Arc::new(AtomicU64::new(0));
    let told = worst.clone();
    tokio::spawn(async move {
        loop {
            let before = Instant::now();
            tokio::time::sleep(TICK).await;
            let late = before.elapsed().saturating_sub(TICK);
            told.fetch_max(u64::try_from(late.as_millis()).unwrap(), Ordering::Relaxed);
        }
    });
    worst
}

/// At how many of these nodes another one is listed, both among the nodes and with its member.
async fn listed(groups: &[Group], node: NodeId) -> usize {
    let mut count = 0;
    for group in groups {
        let nodes = group.nodes().await.unwrap().iter().any(|info| info.node == node);
        let members = group.members().await.unwrap();
        let member = members.iter().any(|member| member.nodes.iter().any(|info| info.node == node));
        count += usize::from(nodes || member);
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn c31_a_killed_process_is_listed_nowhere_within_seconds_and_again_when_it_is_back() {
    let ada = Node::start(few_neighbors()).await.unwrap();
    let club = ada.create_group("c31").await.unwrap();
    let link = || async { club.invite_link(InviteLink::default()).await.unwrap() };
    let (mut nodes, mut groups) = (vec![ada.clone()], vec![club.clone()]);
    for _ in 0..5 {
        let node = Node::start(few_neighbors()).await.unwrap();
        groups.push(node.join_group(link().await).await.unwrap());
        nodes.push(node);
    }
    let dir = tempfile::tempdir().unwrap();
    let given = link().await.to_string();
    let (mut child, victim) = process(dir.path(), &given).await;
    let everybody = || async {
        let mut all = listed(&groups, victim).await == groups.len();
        for node in &nodes {
            all &= listed(&groups, node.id()).await == groups.len();
        }
        all
    };
    eventually("everybody lists everybody", everybody).await;
    let mut strangers = 0;
    for group in &groups {
        strangers += usize::from(group.neighbors().await.unwrap().iter().all(|link| link.node != victim));
    }
    assert!(strangers >= 3, "its neighbors are all but {strangers}");

    let late = lateness();
    child.kill().await.unwrap();
    let killed = Instant::now();
    eventually("nobody lists it", || async { listed(&groups, victim).await == 0 }).await;
    let took = killed.elapsed();
    // On a busy machine nodes are lenient with others.
    let late = Duration::from_millis(late.load(Ordering::Relaxed));
    assert!(took <= Duration::from_secs(10) + 10 * late, "it took {took:?}; timers are {late:?} late");
    println!("{strangers} of {} were not its neighbors; listed nowhere after {took:?}", groups.len());
    eventually("those who live are still listed", || async {
        let mut all = true;
        for node in &nodes {
            all &= listed(&groups, node.id()).await == groups.len();
        }
        all
    })
    .await;

    let (mut child, same) = process(dir.path(), &given).await;
    assert_eq!(same, victim);
    eventually("it is listed again", everybody).await;
    child.kill().await.unwrap();
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c26_shutdown_does_not_wait_for_a_neighbor_that_was_killed_just_before() {
    let ada = Node::start(NodeConfig::loopback()).await.unwrap();
    let club = ada.create_group("c26").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let link = club.invite_link(InviteLink::default()).await.unwrap().to_string();
    let (mut child, victim) = process(dir.path(), &link).await;
    let bob = Node::start(NodeConfig::loopback()).await.unwrap();
    let joined = bob.join_group(club.invite_link(InviteLink::default()).await.unwrap()).await.unwrap();
    eventually("both are neighbors", || async {
        let links = club.neighbors().await.unwrap();
        [victim, bob.id()].iter().all(|node| links.iter().any(|link| link.node == *node))
    })
    .await;

    let late = lateness();
    child.kill().await.unwrap();
    let killed = Instant::now();
    ada.shutdown().await;
    let took = killed.elapsed();
    let late = Duration::from_millis(late.load(Ordering::Relaxed));
    // Three seconds are what a goodbye may take to somebody who still answers.
    assert!(took <= Duration::from_millis(2000) + 10 * late, "it took {took:?}; timers are {late:?} late");
    println!("shut down after {took:?}");
    eventually("who lives has heard the goodbye", || async {
        joined.neighbors().await.unwrap().iter().all(|link| link.node != ada.id())
    })
    .await;
    bob.shutdown().await;
}
