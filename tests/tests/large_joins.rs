//! Joining what takes long: it goes on over links that break, after a join that was given up, and after a crash; what came
//! does not come again.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use peergraph::{
    Durability, ErrorKind, Event, EventFilter, EventKind, Graph, GraphId, Invitation, InviteLink, JoinGraph,
    JoinGroup, JoinOutcome, Node, NodeAddr, NodeConfig, RecordDraft, SyncProgress, Ticket,
};
use peergraph_tests::{
    converge, eventually, group,
    identities::key,
    killed::{self, Given},
    leaks::access_mut,
    node, node_as, node_at,
    throttle::{Throttle, behind, through},
};

/// Bytes a second that the slow way lets through.
const SLOW: u64 = 300_000;

/// Publishes so many records of about a kilobyte.
async fn fill(graph: &Graph, count: usize) {
    let publish = |number: usize| {
        let graph = graph.clone();
        // Nothing that could be compressed or found twice.
        let body: Vec<u8> =
            (0..1000_usize).map(|at| (number.wrapping_mul(31) ^ at.wrapping_mul(97)) as u8).collect();
        async move { graph.publish(RecordDraft::new("t", body).unwrap()).await.unwrap() }
    };
    for first in (0..count).step_by(100) {
        let many: Vec<_> =
            (first..count.min(first + 100)).map(|number| tokio::spawn(publish(number))).collect();
        for one in many {
            one.await.unwrap();
        }
    }
}

/// A graph with so many records that is reached through a slow way alone.
async fn far(count: usize, rate: u64) -> (Node, Graph, Throttle, Ticket) {
    let ada = behind(NodeConfig { durability: Durability::Relaxed, ..NodeConfig::loopback() }).await;
    let graph = ada.create_graph("far").await.unwrap();
    fill(&graph, count).await;
    graph.listen().await.unwrap();
    let throttle = Throttle::new(ada.bound()[0], rate).await;
    let ticket = Ticket { nodes: vec![through(&ada, &throttle)], ..graph.ticket().await.unwrap() };
    (ada, graph, throttle, ticket)
}

/// Collects what a join tells.
fn told() -> (Arc<Mutex<Vec<SyncProgress>>>, impl Fn(SyncProgress) + Send + Sync + 'static) {
    let all = Arc::new(Mutex::new(Vec::new()));
    let to = all.clone();
    (all, move |progress| to.lock().unwrap().push(progress))
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_a_join_tells_how_far_it_is_and_ends_with_all() {
    let (ada, club) = group("c7").await;
    fill(&club, 3000).await;
    let link = club.invite_link(InviteLink { uses: 2, ..InviteLink::default() }).await.unwrap();
    let (all, tell) = told();
    let ben = node().await;
    let bens = ben.join_group(JoinGroup::from(link).on_progress(tell)).await.unwrap();
    let all = std::mem::take(&mut *all.lock().unwrap());
    let (first, last) = (all[0], *all.last().unwrap());
    assert!(first.records_expected >= 3000, "the first figure says what is to come: {first:?}");
    assert!(all.windows(2).all(|w| w[0].records <= w[1].records && w[0].bytes <= w[1].bytes), "{all:?}");
    assert_eq!((last.records, last.bytes), (last.records_expected, last.bytes_expected));
    assert!(last.records >= 3000 && last.bytes > 3_000_000, "{last:?}");
    assert_eq!(bens.sync_progress().await.unwrap(), None, "nothing is missing any more");
    // Who has all hears of the end as well, of a plain graph too.
    let cyd = node().await;
    let graph = ada.create_graph("plain").await.unwrap();
    graph.listen().await.unwrap();
    let (all, tell) = told();
    let ticket = graph.ticket().await.unwrap();
    let joined = cyd.join(JoinGraph::from(ticket).on_progress(tell)).await.unwrap();
    let last = *all.lock().unwrap().last().expect("it is told in any case");
    assert_eq!(last.records, last.records_expected);
    converge(&[&graph, &joined]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_progress_is_an_event_that_ends_before_synchronized() {
    let (_ada, graph) = peergraph_tests::founder("c7").await;
    fill(&graph, 1500).await;
    let ben = node().await;
    let ticket = graph.ticket().await.unwrap();
    let joined = ben.open_graph(ticket, peergraph_tests::offline()).await.unwrap();
    let events =
        joined.events(EventFilter::kinds([EventKind::SyncProgress, EventKind::Synchronized])).unwrap();
    joined.connect(graph.ticket().await.unwrap()).await.unwrap();
    let mut last = None;
    loop {
        match tokio::time::timeout(peergraph_tests::PATIENCE, events.next()).await.expect("in time") {
            Some(Event::SyncProgress(now)) => last = Some(now),
            Some(Event::Synchronized(None)) => break,
            Some(_) => {}
            None => panic!("the stream ended"),
        }
    }
    let last = last.expect("it was told");
    assert!(last.records >= 1500 && last.records == last.records_expected, "{last:?}");
    assert_eq!(last.bytes, last.bytes_expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_a_large_record_that_is_on_its_way_is_progress() {
    let (_ada, graph, _throttle, ticket) = far(0, SLOW / 3).await;
    graph.publish(RecordDraft::new("large", vec![7; 900_000]).unwrap()).await.unwrap();
    let (all, tell) = told();
    let ben = node().await;
    let joined = ben.join(JoinGraph::from(ticket).on_progress(tell)).await.unwrap();
    converge(&[&graph, &joined]).await;
    let all = std::mem::take(&mut *all.lock().unwrap());
    let last = *all.last().unwrap();
    let within = all.windows(2).filter(|w| w[0].records == w[1].records && w[0].bytes < w[1].bytes).count();
    assert!(within >= 3, "bytes of the record are told as they come: {all:?}");
    assert!(all.windows(2).all(|w| w[0].bytes <= w[1].bytes), "{all:?}");
    assert!((900_000..1_000_000).contains(&last.bytes), "none is counted twice: {last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_over_a_slow_way_that_breaks_each_record_crosses_once() {
    const COUNT: usize = 4000;
    let (ada, graph, throttle, ticket) = far(COUNT, SLOW).await;
    // What it takes when nothing breaks.
    let steady = node().await;
    steady.join(ticket.clone()).await.unwrap();
    steady.shutdown().await;
    let whole = throttle.passed();

    let way = Throttle::new(ada.bound()[0], SLOW).await;
    let ticket = Ticket { nodes: vec![through(&ada, &way)], ..ticket };
    let way = Arc::new(way);
    let (all, tell) = told();
    let ben = node().await;
    let breaking = tokio::spawn({
        let (way, all) = (way.clone(), all.clone());
        async move {
            // Cut when a third and two thirds are there, for as long as it takes to be noticed.
            for share in [1, 2] {
                let there =
                    || all.lock().unwrap().last().is_some_and(|p: &SyncProgress| p.records >= share * 1300);
                eventually("a part is here", || async { there() }).await;
                way.cut(true);
                tokio::time::sleep(Duration::from_secs(6)).await;
                way.cut(false);
            }
        }
    });
    // The join may outlast the breaks by itself, or goes on when it is asked again.
    let mut tell = Some(tell);
    let joined = loop {
        let mut join = JoinGraph::from(ticket.clone());
        if let Some(tell) = tell.take() {
            join = join.on_progress(tell);
        }
        match ben.join(join).await {
            Ok(joined) => break joined,
            Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
        }
    };
    breaking.await.unwrap();
    converge(&[&graph, &joined]).await;
    let (passed, last) = (way.passed(), *all.lock().unwrap().last().unwrap());
    assert_eq!(last.records, last.records_expected);
    assert!(last.records <= COUNT as u64 + 10, "each counts once: {last:?}");
    // Beside the frame that each break cuts in two, nothing crosses twice.
    let frames = 2 * peergraph::limits::BATCH_BYTES as u64;
    assert!(passed <= whole + whole / 50 + frames, "{passed} bytes instead of {whole}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_a_join_that_was_given_up_goes_on_and_uses_no_invitation_twice() {
    const COUNT: usize = 1500;
    let config =
        NodeConfig { identity: Some(key(1)), durability: Durability::Relaxed, ..NodeConfig::loopback() };
    let ada = behind(config).await;
    let club = ada.create_group("c7").await.unwrap();
    fill(&club, COUNT).await;
    let throttle = Throttle::new(ada.bound()[0], SLOW).await;
    // One use, strictly.
    let options = InviteLink { uses: 1, admitters: vec![ada.peer_id()], ..InviteLink::default() };
    let mut link = club.invite_link(options).await.unwrap();
    access_mut(&mut link).nodes = vec![through(&ada, &throttle)];
    let link = link.signed(&key(1));

    let dir = tempfile::tempdir().unwrap();
    let ben = node_at(dir.path()).await;
    let half = |share: u64| {
        let (ben, link) = (ben.clone(), link.clone());
        async move {
            let (reached, mut wait) = tokio::sync::mpsc::unbounded_channel();
            let join = JoinGroup::from(link).on_progress(move |now| {
                if now.records > share {
                    let _ = reached.send(now);
                }
            });
            tokio::select! {
                joined = ben.join_group(join) => panic!("so fast? {:?}", joined.map(|g| g.id())),
                now = wait.recv() => now.unwrap(),
            }
        }
    };
    // Given up twice; each time it has got further.
    let first = half(300).await;
    closed(&ben).await;
    assert!(ben.stored_graphs().is_empty() && ben.stored_groups().unwrap().is_empty(), "not whole");
    let error = ben.open_group(club.id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NeverSynchronized, "{error}");
    let second = half(300).await;
    assert!(second.records_expected + 200 < first.records_expected, "{first:?}, then {second:?}");
    closed(&ben).await;
    // And the process is started anew.
    ben.shutdown().await;
    let ben = node_at(dir.path()).await;
    let bens = ben.join_group(link.clone()).await.unwrap();
    assert_eq!(bens.join_outcome(), JoinOutcome::AlreadyMember);
    converge(&[&club, &bens]).await;
    assert_eq!(ben.stored_groups().unwrap(), [club.id()]);
    let open = club.invitations().await.unwrap();
    assert!(open.is_empty(), "the one use is used up, by him alone: {open:?}");
    assert_eq!(club.members().await.unwrap().len(), 2);
    assert!(throttle.passed() < (COUNT * 1900) as u64, "{} bytes", throttle.passed());
}

/// Records in the database of a group that is not open.
fn stored(dir: &Path, group: GraphId) -> u64 {
    let file = dir.join("graphs").join(format!("{group}.db"));
    let database = rusqlite::Connection::open(file).unwrap();
    let count: i64 = database.query_row("SELECT count(*) FROM records", [], |row| row.get(0)).unwrap();
    u64::try_from(count).unwrap()
}

/// Joins in a process of its own, which is killed once a megabyte has come.
async fn kill_midway(dir: &Path, link: &Invitation, way: &Throttle) {
    let given = Given { link: link.to_string(), ..Given::default() };
    let mut joining = Command::new(env!("CARGO_BIN_EXE_victim"))
        .arg(dir)
        // It ends at none of its writes by itself.
        .args(["Node::join_group", "0"])
        .args(given.words())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("a megabyte has come", async || way.passed() > 1_000_000).await;
    assert_eq!(joining.try_wait().unwrap(), None, "it ended by itself");
    joining.kill().unwrap();
    joining.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_a_join_that_is_killed_while_records_come_goes_on() {
    const COUNT: usize = 3000;
    let config =
        NodeConfig { identity: Some(key(1)), durability: Durability::Relaxed, ..NodeConfig::loopback() };
    let ada = behind(config).await;
    let club = ada.create_group("c7").await.unwrap();
    fill(&club, COUNT).await;
    // One use, strictly.
    let options = InviteLink { uses: 1, admitters: vec![ada.peer_id()], ..InviteLink::default() };
    let mut link = club.invite_link(options).await.unwrap();
    let mut by = |throttle: &Throttle| {
        access_mut(&mut link).nodes = vec![through(&ada, throttle)];
        link.clone().signed(&key(1))
    };

    let all = tempfile::tempdir().unwrap();
    let dir = all.path().join("plain");
    let (mut crossed, mut here) = (0, 0);
    for killed in 1..=2 {
        let way = Throttle::new(ada.bound()[0], SLOW).await;
        kill_midway(&dir, &by(&way), &way).await;
        crossed += way.passed();
        drop(way);
        let before = std::mem::replace(&mut here, stored(&dir, club.id()));
        assert!(here > before + 500, "killed {killed} times: {here} records, {before} before");
        assert!(here < COUNT as u64, "there is something left to come");
    }

    let way = Throttle::new(ada.bound()[0], SLOW).await;
    let ben = Node::start(killed::config(&dir)).await.unwrap();
    assert!(ben.stored_graphs().is_empty(), "not whole");
    let (told, tell) = told();
    let bens = ben.join_group(JoinGroup::from(by(&way)).on_progress(tell)).await.unwrap();
    assert_eq!(bens.join_outcome(), JoinOutcome::AlreadyMember);
    converge(&[&club, &bens]).await;
    let (whole, last) = (stored(&dir, club.id()), *told.lock().unwrap().last().unwrap());
    // What was missing came, and nothing else did: 5 % are for headers and the comparison.
    assert!(last.records + here <= whole, "{here} were here, of {whole}: {last:?}");
    let frame = peergraph::limits::BATCH_BYTES as u64;
    let most = |bytes: u64| bytes + bytes / 20 + frame;
    assert!(way.passed() <= most(last.bytes), "{} bytes for {last:?}", way.passed());
    // What a kill costs is what was on its way.
    crossed += way.passed();
    let expected = whole * last.bytes / last.records;
    assert!(crossed <= most(expected) + 2 * frame, "{crossed} bytes in all for {expected}");
    assert_eq!(ben.stored_groups().unwrap(), [club.id()]);
    let open = club.invitations().await.unwrap();
    assert!(open.is_empty(), "the one use is used up, by him alone: {open:?}");
    assert_eq!(club.members().await.unwrap().len(), 2);
}

/// Waits until a join that was given up has let go.
async fn closed(node: &Node) {
    eventually("it is closed", || async { node.open_graphs().is_empty() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_a_join_that_nobody_let_in_leaves_nothing() {
    let ada = node_as(&key(1)).await;
    let club = ada.create_group("c7").await.unwrap();
    let mut link = club.invite_link(InviteLink::default()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ben = node_at(dir.path()).await;
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = key(9).node();
    access_mut(&mut link).nodes = vec![NodeAddr::at(nobody, [silent.local_addr().unwrap()])];
    let link = link.signed(&key(1));
    let join = || JoinGroup { deadline: Duration::from_millis(700), ..JoinGroup::from(link.clone()) };
    let begun = Instant::now();
    assert_eq!(ben.join_group(join()).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(10), "the deadline is for being let in");
    assert!(ben.stored_graphs().is_empty() && ben.open_graphs().is_empty());
    assert_eq!(ben.open_group(club.id()).await.unwrap_err().kind(), ErrorKind::UnknownGraph);
    // Nor does one that nobody waits for any more.
    tokio::select! {
        _ = ben.join_group(join()) => {}
        () = tokio::time::sleep(Duration::from_millis(200)) => {}
    }
    eventually("nothing is left", || async {
        let nothing = ben.delete_graph(club.id()).await.unwrap_err().kind() == ErrorKind::UnknownGraph;
        nothing && ben.open_graphs().is_empty() && ben.stored_graphs().is_empty()
    })
    .await;
}
