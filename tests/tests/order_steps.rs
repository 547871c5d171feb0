//! C43 for calls of several steps: they have a place in the order from the moment they are made, too.

use peergraph::{
    ErrorKind, Graph, Group, ImportDatabase, ListQuery, ListenOutcome, Node, OpenGraph, Ticket,
    events::Start,
    events::{EventFilter, EventKind, SubscribeOptions},
};
use peergraph_tests::{eventually, founder, group, node, node_at, note, offline};

const PASSWORD: &str = "open sesame, please";
/// So many that they are imported in several batches.
const RECORDS: usize = 1200;

/// A graph with records, exported to a file.
async fn exported(dir: &std::path::Path) -> (Node, Graph, Ticket, std::path::PathBuf) {
    let (node, graph) = founder("exported").await;
    graph.listen().await.unwrap();
    let calls: Vec<_> = (0..RECORDS).map(|n| graph.publish(note(&format!("note {n}")))).collect();
    for call in calls {
        call.await.unwrap();
    }
    let place = dir.join("backup");
    graph.export_database(&place, None).await.unwrap();
    let ticket = graph.ticket().await.unwrap();
    (node, graph, ticket, place)
}

fn options(of: &Node) -> ImportDatabase {
    ImportDatabase::default().exporter(of.peer_id())
}

async fn count(graph: &Graph) -> usize {
    let query = || ListQuery { limit: 10_000, ..ListQuery::default() };
    graph.records(query()).collect().await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_what_is_called_after_an_import_comes_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (theirs, _graph, ticket, place) = exported(dir.path()).await;
    for round in 0..6 {
        let home = dir.path().join(format!("home {round}"));
        let node = node_at(&home).await;
        let graph = node.open_graph(ticket.clone(), offline()).await.unwrap();
        let imported = graph.import_database(&place, options(&theirs));
        // None of them waits for the import, and each needs it.
        let published = graph.publish(note("after"));
        let properties = graph.properties();
        let listening = (round % 3 == 0).then(|| graph.listen());
        let entered = (round % 3 == 1).then(|| graph.enter(theirs.addr()));
        let page = graph.list(ListQuery { limit: 1, count: true, ..ListQuery::default() });
        let listed = page.await.unwrap().total;
        assert_eq!(listed, Some(RECORDS as u64 + 1), "round {round}");
        properties.await.unwrap();
        if let Some(listening) = listening {
            assert_eq!(listening.await.unwrap(), ListenOutcome::Started);
        }
        if let Some(entered) = entered {
            entered.await.unwrap();
            assert!(graph.status().await.unwrap().has_connections);
        }
        let imported = imported.await.unwrap();
        assert_eq!((imported.refused, imported.waiting), (0, 0));
        published.await.unwrap();
        node.shutdown().await;
    }
    theirs.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_close_and_shutdown_carry_out_an_import_first() {
    let dir = tempfile::tempdir().unwrap();
    let (theirs, _graph, ticket, place) = exported(dir.path()).await;
    for round in 0..4 {
        let home = dir.path().join(format!("home {round}"));
        let node = node_at(&home).await;
        let graph = node.open_graph(ticket.clone(), offline()).await.unwrap();
        let imported = graph.import_database(&place, options(&theirs));
        let published = graph.publish(note("after"));
        // Nobody looks at the import meanwhile.
        if round % 2 == 0 {
            graph.close().await
        } else {
            node.shutdown().await
        }
        assert_eq!(imported.await.unwrap().refused, 0, "round {round}");
        published.await.unwrap();
        node.shutdown().await;
        let node = node_at(&home).await;
        let graph = node.open_graph(ticket.graph, OpenGraph { offline: true, ..offline() }).await.unwrap();
        assert_eq!(count(&graph).await, RECORDS + 1, "round {round}");
        node.shutdown().await;
    }
    theirs.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_an_import_that_is_given_up_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (theirs, _graph, ticket, place) = exported(dir.path()).await;
    let node = node().await;
    let graph = node.open_graph(ticket, offline()).await.unwrap();
    drop(graph.import_database(&place, options(&theirs)));
    let begun = graph.import_database(&place, options(&theirs));
    let status = graph.status();
    drop(begun);
    status.await.unwrap();
    let failed = graph.import_database(dir.path().join("nothing"), ImportDatabase::default());
    let status = graph.status();
    status.await.unwrap();
    assert_eq!(failed.await.unwrap_err().kind(), ErrorKind::NotFound);
    graph.import_database(&place, options(&theirs)).await.unwrap();
    assert_eq!(count(&graph).await, RECORDS);
    node.shutdown().await;
    theirs.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_entering_begins_when_it_is_called() {
    let (first, graph) = founder("entered").await;
    graph.listen().await.unwrap();
    graph.publish(note("theirs")).await.unwrap();
    let node = node().await;
    let own = node.open_graph(graph.ticket().await.unwrap(), offline()).await.unwrap();
    let events = own.subscribe(SubscribeOptions {
        start: Start::Now,
        ..SubscribeOptions::new(EventFilter::kinds([EventKind::StatusChanged]))
    });
    // Nobody awaits it.
    let entered = own.enter(first.addr());
    eventually("it listens all the same", || async { own.status().await.unwrap().listening }).await;
    assert_eq!(count(&own).await, 1);
    entered.await.unwrap();
    drop(events);
    // A close after it ends it.
    let other = peergraph_tests::node().await;
    let own = other.open_graph(graph.ticket().await.unwrap(), offline()).await.unwrap();
    let entered = own.enter(first.addr());
    own.close().await;
    assert_eq!(entered.await.unwrap_err().kind(), ErrorKind::Closed);
    other.shutdown().await;
    node.shutdown().await;
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_an_export_has_what_was_there_when_it_was_called() {
    let (node, group) = group("exported").await;
    let own = node.identities().default().await.unwrap();
    let elsewhere = peergraph_tests::node().await;
    for round in 0..3 {
        let (before, after) = (format!("before {round}"), format!("after {round}"));
        let named = own.rename(Some(&before));
        let (identity, membership) = (own.export(PASSWORD), group.export_membership(PASSWORD));
        let renamed = own.rename(Some(&after));
        renamed.await.unwrap();
        named.await.unwrap();
        let (identity, membership) = (identity.await.unwrap(), membership.await.unwrap());
        for text in [identity, membership] {
            let moved = peergraph_tests::node().await;
            let imported = match moved.identities().import(&text, PASSWORD).await {
                Ok(identity) => identity.name(),
                Err(_) => {
                    moved.import_membership(&text, PASSWORD).await.unwrap();
                    let all = moved.identities().list();
                    all.iter().find(|one| one.peer_id() == own.peer_id()).unwrap().name()
                }
            };
            assert_eq!(imported, before);
            moved.shutdown().await;
        }
    }
    let spare = node.identities().create("spare").await.unwrap();
    let exported = spare.export(PASSWORD);
    let deleted = spare.delete();
    let too_late = spare.export(PASSWORD);
    deleted.await.unwrap();
    assert_eq!(too_late.await.unwrap_err().kind(), ErrorKind::IdentityDeleted);
    elsewhere.identities().import(&exported.await.unwrap(), PASSWORD).await.unwrap();
    // A close carries it out first.
    let exported = group.export_membership(PASSWORD);
    Group::close(&group).await;
    exported.await.unwrap();
    node.shutdown().await;
    elsewhere.shutdown().await;
}

/// A file that is read only once it is filled: an import of it goes on for as long as that takes.
#[cfg(unix)]
fn make_pipe(pipe: &std::path::Path) {
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
}

/// Lets an import of the pipe go on with what is in a file. It opens it twice, to check and to take in: the second time
/// it is a file itself.
#[cfg(unix)]
fn fill(pipe: &std::path::Path, source: &std::path::Path) -> tokio::task::JoinHandle<()> {
    let (pipe, source) = (pipe.to_owned(), source.to_owned());
    tokio::task::spawn_blocking(move || {
        let mut opened = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        std::fs::remove_file(&pipe).unwrap();
        std::fs::copy(&source, &pipe).unwrap();
        std::io::Write::write_all(&mut opened, &std::fs::read(&source).unwrap()).unwrap();
    })
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn c43_a_pause_comes_between_two_steps_of_an_import() {
    use std::{pin::Pin, task::Poll};

    let dir = tempfile::tempdir().unwrap();
    let (theirs, _graph, ticket, place) = exported(dir.path()).await;
    let pipe = dir.path().join("pipe");
    for round in 0..4 {
        make_pipe(&pipe);
        let node = node().await;
        let graph = node.open_graph(ticket.clone(), offline()).await.unwrap();
        let published = (round == 1).then(|| graph.publish(note("too early")));
        let imported = graph.import_database(&pipe, options(&theirs));
        let mut after = graph.publish(note("after"));
        let paused = node.pause();
        tokio::time::timeout(peergraph_tests::PATIENCE, paused).await.expect("a pause in between").unwrap();
        assert!(std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut after).poll(cx).is_pending())).await);
        // Back and forth, before the import is over.
        if round % 2 == 0 {
            node.resume().await.unwrap();
        }
        if round == 2 {
            tokio::time::timeout(peergraph_tests::PATIENCE, node.pause()).await.expect("once more").unwrap();
        }
        let written = fill(&pipe, &place);
        assert_eq!(imported.await.unwrap().refused, 0, "round {round}");
        assert_eq!(count(&graph).await, RECORDS + 1, "round {round}");
        written.await.unwrap();
        after.await.unwrap();
        if let Some(published) = published {
            assert_eq!(published.await.unwrap_err().kind(), ErrorKind::NeverSynchronized);
        }
        // A pause that was not taken back holds for the graph too.
        graph.listen().await.unwrap();
        let refused = theirs.open_graphs()[0].connect(node.addr()).await;
        assert_eq!(refused.is_ok(), round == 0, "round {round}: {refused:?}");
        node.shutdown().await;
        std::fs::remove_file(&pipe).unwrap();
    }
    theirs.shutdown().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn c43_a_leave_behind_an_import_holds_up_no_other_graph() {
    let dir = tempfile::tempdir().unwrap();
    let (host, theirs) = group("left").await;
    let link = theirs.invite_link(Default::default()).await.unwrap();
    let node = node_at(&dir.path().join("home")).await;
    node.join_group(link).await.unwrap().close().await;
    let (pipe, place) = (dir.path().join("pipe"), dir.path().join("backup"));
    theirs.export_database(&place, None).await.unwrap();
    make_pipe(&pipe);

    let own = node.open_group_with(theirs.id(), offline()).await.unwrap();
    let imported = own.import_database(&pipe, options(&host));
    let left = own.leave();
    let other = tokio::time::timeout(peergraph_tests::PATIENCE, node.create_graph("another")).await;
    other.expect("not behind the import").unwrap().close().await;
    tokio::time::timeout(peergraph_tests::PATIENCE, node.pause()).await.expect("nor a pause").unwrap();
    // Those that need the group find it closed.
    let deleted = node.delete_graph(theirs.id());
    fill(&pipe, &place).await.unwrap();
    assert_eq!(imported.await.unwrap().refused, 0);
    deleted.await.unwrap();
    left.await.unwrap();

    // One that fails closes nothing.
    let (failed, listed) = (theirs.leave(), host.delete_graph(theirs.id()));
    assert_eq!(failed.await.unwrap_err().kind(), ErrorKind::NotAuthorized);
    assert_eq!(listed.await.unwrap_err().kind(), ErrorKind::GraphInUse);
    node.shutdown().await;
    host.shutdown().await;
}
