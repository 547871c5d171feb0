//! Graphs: records, events, connections, exports.

use std::time::Duration;

use peergraph::{
    ConflictQuery, ConnectOptions, ErrorKind, EventFilter, ImportDatabase, ListQuery, PropertiesUpdate,
    RecordUpdate, Target, Timestamp,
};
use peergraph_tests::{
    apart::{self, part},
    converge, eventually, note,
};

use crate::{Case, World, case, plain};

async fn linked(world: &World) {
    eventually("the two are linked", async || !world.graph.neighbors().await.unwrap().is_empty()).await;
}

fn target(world: &World) -> Target {
    Target::from(world.friend.addr())
}

/// Connected now, or so already.
fn fine<T>(result: peergraph::Result<T>) {
    if let Err(error) = result {
        assert_eq!(error.kind(), ErrorKind::AlreadyNeighbor, "{error}");
    }
}

#[expect(clippy::too_many_lines, reason = "a table: one entry for each call")]
pub(crate) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        plain!("Graph::publish", |world| world.graph.publish(note("published"))),
        plain!("Graph::update", |world| {
            let record = world.graph.publish(note("to be updated"));
            async { world.graph.update(record.await?.id, RecordUpdate::body("updated")).await }
        }),
        case!("Graph::delete", |world, cut| {
            let record = world.graph.publish(note("to be deleted")).await.unwrap();
            if let Some(deleted) = cut.run(|| world.graph.delete(record.id)).await {
                deleted.expect("to delete");
            }
            if let Err(error) = world.graph.delete(record.id).await {
                assert_eq!(error.kind(), ErrorKind::Deleted, "deleted, or not at all");
            }
            assert!(world.graph.get(record.id).await.unwrap().is_none());
        }),
        plain!("Graph::get", |world| async {
            let record = world.graph.list(ListQuery::default()).await?.items.remove(0);
            world.graph.get(record.id).await
        }),
        plain!("Graph::list", |world| world.graph.list(ListQuery::default())),
        plain!("Graph::conflicts", |world| world.graph.conflicts(ConflictQuery::default())),
        case!("Graph::acknowledge_conflict", |world, cut| {
            let record = world.graph.publish(note("to be edited apart")).await.unwrap();
            converge(&[&world.graph, &world.their_graph]).await;
            let there = world.friend.addr();
            let conflict = apart::conflict(&world.graph, &world.their_graph, there, record.id).await;
            let loser = conflict.loser.key.element;
            if let Some(acknowledged) = cut.run(|| world.graph.acknowledge_conflict(loser)).await {
                assert!(acknowledged.expect("to acknowledge"), "it was here");
            }
            // The call has its place once it is made: what is given up is the waiting.
            assert_eq!(apart::conflicts(&world.graph).await, [], "none of it is left");
            assert!(!world.graph.acknowledge_conflict(loser).await.expect("to acknowledge again"));
            let winner = world.graph.get(record.id).await.unwrap().expect("the record stays");
            assert_eq!(winner.body, conflict.winner.body);
            // There it is until they acknowledge it themselves.
            let [theirs] = &apart::conflicts(&world.their_graph).await[..] else { panic!("it is one") };
            apart::check_whole(theirs);
            assert!(world.their_graph.acknowledge_conflict(theirs.loser.key.element).await.unwrap());
        }),
        plain!("RecordPages::next", |world| async { world.graph.records(ListQuery::default()).next().await }),
        plain!("RecordPages::collect", |world| world.graph.records(ListQuery::default()).collect()),
        plain!("Graph::ticket", |world| world.graph.ticket()),
        plain!("Graph::listen", |world| world.graph.listen()),
        plain!("Graph::status", |world| world.graph.status()),
        plain!("Graph::sync_progress", |world| world.graph.sync_progress()),
        plain!("Graph::genesis", |world| world.graph.genesis()),
        plain!("Graph::properties", |world| world.graph.properties()),
        plain!("Graph::set_properties", |world| {
            let update = PropertiesUpdate { comment: Some("changed".into()), ..PropertiesUpdate::default() };
            world.graph.set_properties(update)
        }),
        plain!("Graph::save_cursor", |world| {
            let cursor = world.graph.events(EventFilter::all()).unwrap().cursor();
            world.graph.save_cursor("cancel", cursor)
        }),
        plain!("Graph::load_cursor", |world| world.graph.load_cursor("cancel")),
        plain!("Graph::nodes", |world| world.graph.nodes()),
        plain!("Graph::nodes_of", |world| world.graph.nodes_of(world.node.peer_id())),
        plain!("Graph::node_info", |world| world.graph.node_info(world.node.id())),
        plain!("Graph::set_node_attributes", |world| world.graph.set_node_attributes(Some("here"))),
        plain!("Graph::force_presence", |world| world.graph.force_presence(true)),
        plain!("Graph::neighbors", |world| world.graph.neighbors()),
        plain!("Graph::direct_connections", |world| world.graph.direct_connections()),
        plain!("Graph::contacts", |world| world.graph.contacts()),
        plain!("Graph::peer_time", |world| world.graph.peer_time()),
        plain!("Graph::to_peer_time", |world| world.graph.to_peer_time(Timestamp(1_000_000))),
        plain!("Graph::to_local_time", |world| world.graph.to_local_time(Timestamp(1_000_000))),
        plain!("Graph::fingerprint", |world| world.graph.fingerprint()),
        case!("Graph::close", |world, cut| {
            let graph = world.node.create_graph("closing").await.unwrap();
            let id = graph.id();
            cut.run(|| graph.close()).await;
            graph.close().await;
            world.node.delete_graph(id).await.expect("it is closed");
        }),
        case!("Graph::disconnect", |world, cut| {
            linked(world).await;
            let link = world.graph.neighbors().await.unwrap()[0].connection;
            if let Some(ended) = cut.run(|| world.graph.disconnect(link)).await {
                ended.expect("to disconnect");
            }
            if let Err(error) = world.graph.disconnect(link).await {
                assert_eq!(error.kind(), ErrorKind::NotConnected, "ended, or not at all");
            }
            fine(world.graph.connect(target(world)).await);
            linked(world).await;
        }),
        case!("Graph::connect, Graph::connect_with", |world, cut| {
            part(&world.graph).await;
            if let Some(connected) = cut.run(|| async { world.graph.connect(target(world)).await }).await {
                fine(connected);
            }
            fine(world.graph.connect(target(world)).await);
            part(&world.graph).await;
            let options =
                || ConnectOptions { deadline: Duration::from_secs(20), ..ConnectOptions::default() };
            let again = || async { world.graph.connect_with(target(world), options()).await };
            if let Some(connected) = cut.run(again).await {
                fine(connected);
            }
            fine(again().await);
            linked(world).await;
        }),
        case!("Connecting::progress", |world, cut| {
            let mut connecting = world.graph.connect(target(world));
            cut.run(|| connecting.progress()).await;
            fine(connecting.await);
            linked(world).await;
        }),
        case!("Graph::enter", |world, cut| {
            if let Some(entered) = cut.run(|| world.graph.enter(target(world))).await {
                entered.expect("to enter");
            }
            world.graph.enter(target(world)).await.expect("to enter again");
        }),
        case!("Graph::open_direct, Graph::direct_connection, DirectConnection::close", |world, cut| {
            // Whoever listens for data accepts them.
            let heard = world.their_graph.events(EventFilter::all()).unwrap();
            if let Some(direct) = cut.run(|| world.graph.open_direct(target(world))).await {
                direct.expect("to connect").close().await.unwrap();
            }
            let direct = world.graph.open_direct(target(world)).await.expect("a second one");
            let id = direct.info().connection;
            if let Some(found) = cut.run(|| world.graph.direct_connection(id)).await {
                found.expect("to find");
            }
            world.graph.direct_connection(id).await.expect("to find again");
            if let Some(closed) = cut.run(|| direct.close()).await {
                closed.expect("to close");
            }
            let _ = direct.close().await;
            eventually("none is left", async || {
                let left = world.graph.direct_connections().await.unwrap();
                for one in &left {
                    let _ = world.graph.disconnect(one.connection).await;
                }
                left.is_empty() && world.their_graph.direct_connections().await.unwrap().is_empty()
            })
            .await;
            drop(heard);
        }),
        case!("DirectConnection::send, SendReceipt::delivered", |world, cut| {
            let heard = world.their_graph.events(EventFilter::all()).unwrap();
            let direct = world.graph.open_direct(target(world)).await.unwrap();
            if let Some(sent) = cut.run(|| direct.send("test.data", "hello")).await {
                sent.expect("to send");
            }
            let receipt = direct.send("test.data", "hello again").await.unwrap();
            cut.run(|| receipt.delivered()).await;
            direct.send("test.data", "and again").await.unwrap().delivered().await.unwrap();
            direct.close().await.unwrap();
            eventually("none is left", async || {
                world.their_graph.direct_connections().await.unwrap().is_empty()
                    && world.graph.direct_connections().await.unwrap().is_empty()
            })
            .await;
            drop(heard);
        }),
        case!("Graph::send", |world, cut| {
            linked(world).await;
            let link = world.graph.neighbors().await.unwrap()[0].connection;
            if let Some(sent) = cut.run(|| world.graph.send(link, "test.data", "hello")).await {
                sent.expect("to send");
            }
            world.graph.send(link, "test.data", "again").await.expect("to send again");
        }),
        case!("EventStream::next, EventStream::ready, EventStream::next_batch", |world, cut| {
            let stream =
                world.graph.events(EventFilter::kinds([peergraph::EventKind::RecordChanged])).unwrap();
            let mut ids = Vec::new();
            let mut heard = Vec::new();
            let mut hear = |event: peergraph::Event| {
                if let peergraph::Event::RecordChanged(change) = event {
                    heard.push(change.record.id);
                }
            };
            for _ in 0..3 {
                ids.push(world.graph.publish(note("an event")).await.unwrap().id);
            }
            if let Some(Some(event)) = cut.run(|| stream.next()).await {
                hear(event);
            }
            cut.run(|| stream.ready()).await;
            for event in cut.run(|| stream.next_batch(1)).await.unwrap_or_default() {
                hear(event);
            }
            while let Some(event) = stream.try_next() {
                hear(event);
            }
            assert_eq!(heard, ids, "each once, in order, whatever was given up");
        }),
        case!("Graph::export_database", |world, cut| {
            let place = world.place("backup");
            let remove = || std::fs::remove_file(&place);
            if let Some(written) = cut.run(|| world.graph.export_database(&place, None)).await {
                written.expect("to export");
                remove().unwrap();
            }
            // What was given up when it was all but done may be there: whole.
            if let Err(error) = world.graph.export_database(&place, None).await {
                assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
            }
            let copy = world.node.create_graph("other").await.unwrap();
            let error = copy.import_database(&place, ImportDatabase::default()).await.unwrap_err();
            assert_ne!(error.kind(), ErrorKind::Damaged, "{error}");
            copy.close().await;
            world.node.delete_graph(copy.id()).await.unwrap();
            remove().unwrap();
        }),
        case!("Graph::import_database", |world, cut| {
            let place = world.place("to be imported");
            world.their_graph.export_database(&place, None).await.unwrap();
            let ticket = world.graph.ticket().await.unwrap();
            let node = peergraph_tests::node_at(&world.place("importer")).await;
            let graph = node.open_graph(ticket, peergraph_tests::offline()).await.unwrap();
            let options = || ImportDatabase::default().exporter(world.friend.peer_id());
            if let Some(imported) = cut.run(|| graph.import_database(&place, options())).await {
                imported.expect("to import");
            }
            graph.import_database(&place, options()).await.expect("to import again");
            graph.properties().await.expect("all is there");
            node.shutdown().await;
            drop((node, graph));
            std::fs::remove_dir_all(world.place("importer")).unwrap();
            std::fs::remove_file(place).unwrap();
        }),
    ]
}
