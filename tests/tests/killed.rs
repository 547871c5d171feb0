//! A process is killed at each write of each call that writes: afterwards there is the whole thing or nothing of it, what was
//! there before is whole, and the call succeeds when it is made again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use peergraph::{ErrorKind, InviteMember, ListQuery, Node, NodeConfig, RecordDraft, SecretKey};
use peergraph_tests::{
    apart, calls, converge, eventually, joiner,
    killed::{CALLS, Given, PASSWORD, config, make, member},
    offline,
};

/// Calls that only read, wait, or write nothing on a disk.
const READS: &[&str] = &[
    "Node::in_memory",
    "Node::network_changed",
    "Identity::export",
    "Identity::groups",
    "Graph::get",
    "Graph::list",
    "Graph::conflicts",
    "RecordPages::next",
    "RecordPages::collect",
    "Graph::ticket",
    "Graph::status",
    "Graph::sync_progress",
    "Graph::genesis",
    "Graph::properties",
    "Graph::load_cursor",
    "Graph::nodes",
    "Graph::nodes_of",
    "Graph::node_info",
    "Graph::neighbors",
    "Graph::direct_connections",
    "Graph::contacts",
    "Graph::peer_time",
    "Graph::to_peer_time",
    "Graph::to_local_time",
    "Graph::fingerprint",
    "Graph::disconnect",
    "Graph::connect",
    "Graph::connect_with",
    "Connecting::progress",
    "Graph::enter",
    "Graph::open_direct",
    "Graph::direct_connection",
    "DirectConnection::close",
    "DirectConnection::send",
    "SendReceipt::delivered",
    "Graph::send",
    "EventStream::next",
    "EventStream::ready",
    "EventStream::next_batch",
    "Group::rules",
    "Group::role",
    "Group::members",
    "Group::present_members",
    "Group::member",
    "Group::credentials",
    "Group::credentials_of",
    "Group::invitations",
    "Group::revoked_devices",
    "Group::export_membership",
];

/// Calls that are tried in a directory with sealed keys and databases too.
const SEALED: &[&str] = &[
    "Node::start",
    "Node::create_group",
    "Node::open_graph",
    "Node::import_membership",
    "Node::delete_graph",
    "Identities::create",
];

#[test]
fn every_call_that_writes_is_killed() {
    let known: BTreeSet<String> = CALLS.iter().chain(READS).map(|name| (*name).to_owned()).collect();
    let api = calls::of_the_api();
    let missing: Vec<_> = api.difference(&known).collect();
    let gone: Vec<_> = known.difference(&api).collect();
    assert!(missing.is_empty() && gone.is_empty(), "without a case: {missing:#?}\nnot in the API: {gone:#?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
}

/// A directory in use: a graph with notes and a conflict, a group with a second member, an identity to spare.
async fn prepare(dir: &Path, given: &Given) -> Given {
    let node = Node::start(config(dir)).await.unwrap();
    let graph = node.create_graph("kept graph").await.unwrap();
    for n in 0..3 {
        graph.publish(RecordDraft::new("test.note", format!("note {n}")).unwrap()).await.unwrap();
    }
    graph.listen().await.unwrap();
    let (other, theirs) = joiner(&graph).await;
    let first = graph.list(ListQuery::default()).await.unwrap().items.remove(0);
    converge(&[&graph, &theirs]).await;
    apart::check_whole(&apart::conflict(&graph, &theirs, other.addr(), first.id).await);
    other.shutdown().await;
    let rules = peergraph::record::GroupRules { encrypted_bodies: true, ..Default::default() };
    let options = peergraph::CreateGroup { rules, ..peergraph::CreateGroup::from("kept group") };
    let group = node.create_group(options).await.unwrap();
    group.invite_peer(member().peer(), "second", InviteMember::default()).await.unwrap();
    node.identities().create("spare").await.unwrap();
    let given = Given { graph: graph.id().to_string(), group: group.id().to_string(), ..given.clone() };
    node.shutdown().await;
    given
}

/// Everything that is listed is whole and can be used; what was there before still is.
async fn check(call: &str, node: &Node, given: &Given) {
    let groups = node.stored_groups().unwrap();
    for id in node.stored_graphs() {
        let group = match groups.contains(&id) {
            true => Some(node.open_group_with(id, offline()).await.expect(call)),
            false => None,
        };
        let graph = match &group {
            Some(group) => group.graph().clone(),
            None => node.open_graph(id, offline()).await.expect(call),
        };
        match graph.properties().await {
            Ok(_) => {
                if id.to_string() == given.graph {
                    let left = apart::conflicts(&graph).await;
                    left.iter().for_each(apart::check_whole);
                    assert!(left.len() == 1 || call == "Graph::acknowledge_conflict", "{call}: {left:?}");
                }
                drop(graph.publish(RecordDraft::new("test.note", "after").unwrap()).await.unwrap());
            }
            // Known by a ticket, or let in, and never synchronised yet: the next time it is.
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NeverSynchronized, "{call}");
                if let Some(group) = &group {
                    let role = group.role().await.unwrap();
                    assert!(role.is_some(), "{call}: a group that nobody was let into is listed");
                }
            }
        }
        graph.close().await;
    }
    let there = |id: &str| node.stored_graphs().iter().any(|stored| stored.to_string() == id);
    if !given.graph.is_empty() {
        assert!(there(&given.group), "{call}: the group is gone");
        assert!(there(&given.graph) || call == "Node::delete_graph", "{call}: the graph is gone");
    }
}

/// What a call made, once it returned success, is there after a restart.
fn check_done(call: &str, node: &Node, given: &Given, what: &str) {
    let stored = node.stored_graphs();
    let before = [&given.graph, &given.group].iter().filter(|id| !id.is_empty()).count();
    match call {
        "Node::create_graph"
        | "Node::create_group"
        | "Node::open_graph"
        | "Node::join"
        | "Node::join_group"
        | "Node::import_membership" => {
            assert!(stored.len() > before, "{what}: what it made is gone after a restart");
        }
        "Node::delete_graph" => {
            assert!(stored.iter().all(|id| id.to_string() != given.graph), "{what}: it is still there");
        }
        "Identities::create" | "Identities::import" => {
            assert!(node.identities().list().len() > 2, "{what}: the identity is gone after a restart");
        }
        _ => {}
    }
}

fn nothing_half_made(dir: &Path, call: &str) {
    let mut found = Vec::new();
    files(dir, &mut found);
    let half = found.iter().find(|path| {
        path.extension()
            .is_some_and(|extension| ["undone", "new", "part"].iter().any(|word| extension == *word))
    });
    assert!(half.is_none(), "{call} leaves {half:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c21_a_call_that_is_killed_at_any_write_is_whole_or_nothing() {
    let all = tempfile::tempdir().unwrap();
    let friend =
        Node::start(NodeConfig { identity: Some(SecretKey::from_bytes(&[3; 32])), ..NodeConfig::loopback() });
    let friend = friend.await.unwrap();
    let theirs = friend.create_graph("theirs").await.unwrap();
    theirs.listen().await.unwrap();
    theirs.publish(RecordDraft::new("test.note", "theirs").unwrap()).await.unwrap();
    let export = all.path().join("theirs");
    theirs.export_database(&export, None).await.unwrap();
    let group = friend.create_group("their group").await.unwrap();
    let moved = friend.identities().create("moved").await.unwrap();
    let elsewhere = peergraph_tests::node().await;
    let exported = elsewhere.create_group("moved group").await.unwrap();
    let outside = Given {
        ticket: theirs.ticket().await.unwrap().to_string(),
        membership: exported.export_membership(PASSWORD).await.unwrap(),
        identity: moved.export(PASSWORD).await.unwrap(),
        export: export.display().to_string(),
        ..Given::default()
    };
    let only = std::env::var("PEERGRAPH_CALL").unwrap_or_default();
    let mut tally: BTreeMap<String, u64> = BTreeMap::new();
    for kind in ["plain", "sealed"] {
        let template = all.path().join("template").join(kind);
        let given = prepare(&template, &outside).await;
        for call in CALLS.iter().filter(|call| call.contains(&only)) {
            // Sealed files and databases are made and opened in other ways; the rest is the same.
            if kind == "sealed" && !SEALED.contains(call) {
                continue;
            }
            // Another name for the same.
            if *call == "Node::open" {
                continue;
            }
            let starts: &[bool] = if call.ends_with("::start") { &[true, false] } else { &[false] };
            for new in starts {
                for point in 1.. {
                    let dir = all.path().join("run").join(kind);
                    let _ = fs::remove_dir_all(all.path().join("run"));
                    if *new {
                        fs::create_dir_all(&dir).unwrap()
                    } else {
                        copy(&template, &dir)
                    }
                    let given = match *new {
                        true => outside.clone(),
                        false => {
                            let link = group.invite_link(peergraph::InviteLink::default()).await.unwrap();
                            Given { link: link.to_string(), ..given.clone() }
                        }
                    };
                    let ended = Command::new(env!("CARGO_BIN_EXE_victim"))
                        .arg(&dir)
                        .args([*call, &point.to_string()])
                        .args(given.words())
                        .stdout(Stdio::piped())
                        .stderr(Stdio::piped())
                        .output()
                        .unwrap();
                    let done = ended.status.success();
                    let what = format!("{call} in a {kind} directory, killed at point {point}");
                    let told = String::from_utf8_lossy(&ended.stderr);
                    assert!(done || !told.contains("panicked"), "{what}: {told}");
                    let node =
                        Node::start(config(&dir)).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                    check(call, &node, &given).await;
                    node.shutdown().await;
                    drop(node);
                    nothing_half_made(&dir.join("graphs"), &what);
                    // Again: it succeeds, and then it is there.
                    let node = make(call, &dir, &given, || ())
                        .await
                        .unwrap_or_else(|error| panic!("{what}, again: {error:?}"));
                    node.shutdown().await;
                    drop(node);
                    nothing_half_made(&all.path().join("run"), &what);
                    let node =
                        Node::start(config(&dir)).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                    check_done(call, &node, &given, &what);
                    node.shutdown().await;
                    drop(node);
                    if done {
                        break;
                    }
                    *tally.entry((*call).to_owned()).or_default() += 1;
                }
            }
            eprintln!("{call}, {kind}: done");
        }
    }
    let points: u64 = tally.values().sum();
    println!("{} calls, {points} kills", tally.len());
    for (call, points) in &tally {
        println!("  {call}: {points}");
    }
    assert!(!only.is_empty() || points > 150, "{points} kills prove too little");
    eventually("the friend is still there", async || friend.open_graphs().len() == 2).await;
    friend.shutdown().await;
    elsewhere.shutdown().await;
}
