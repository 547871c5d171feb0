//! Nodes, their graphs, and their identities.

use std::net::{SocketAddr, UdpSocket};

use peergraph::{
    CreateGraph, CreateIdentity, ErrorKind, GraphRef, JoinGroup, Node, NodeConfig, OpenGraph, Result,
    SecretKey,
};

use crate::{Case, World, case, plain};

const PASSWORD: &str = "open sesame, please";

/// A fixed port and a directory, both of which only one node can have.
fn config(world: &World) -> NodeConfig {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    config_at(world, port)
}

fn config_at(world: &World, port: SocketAddr) -> NodeConfig {
    NodeConfig { bind: vec![port], ..NodeConfig::loopback() }.at(world.place("started"))
}

async fn end(node: Node, world: &World) {
    node.shutdown().await;
    drop(node);
    std::fs::remove_dir_all(world.place("started")).unwrap();
}

async fn forget(world: &World, id: peergraph::GraphId) {
    world.node.delete_graph(id).await.unwrap();
}

#[expect(clippy::too_many_lines, reason = "a table: one entry for each call")]
pub(crate) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        case!("Node::start", |world, cut| {
            let config = config(world);
            let started = cut.run(|| Node::start(config.clone())).await;
            drop(started.map(|node| node.expect("to start")));
            let node = Node::start(config).await.expect("the same port and directory again, at once");
            end(node, world).await;
        }),
        case!("Node::open", |world, cut| {
            let started = cut.run(|| Node::open(world.place("started"))).await;
            drop(started.map(|node| node.expect("to open")));
            end(Node::open(world.place("started")).await.expect("to open again"), world).await;
        }),
        case!("Node::in_memory", |_world, cut| {
            drop(cut.run(Node::in_memory).await.map(|node| node.expect("to open")));
            Node::in_memory().await.unwrap().shutdown().await;
        }),
        case!("Node::shutdown", |world, cut| {
            let config = config(world);
            let node = Node::start(config.clone()).await.unwrap();
            let graph = node.create_graph("graph").await.unwrap();
            cut.run(|| node.shutdown()).await;
            // Once begun it goes to its end; a call that was never polled has not begun.
            node.shutdown().await;
            let again = Node::start(config).await.expect("all is free, though handles live");
            drop((node, graph));
            end(again, world).await;
        }),
        case!("Node::create_graph", |world, cut| {
            let options = || CreateGraph { seed: Some([9; 32]), ..CreateGraph::from("made") };
            if let Some(graph) = cut.run(|| world.node.create_graph(options())).await {
                let graph = graph.expect("to make");
                graph.close().await;
                forget(world, graph.id()).await;
            }
            // The same graph: an id that is taken if anything is left.
            let graph = world.node.create_graph(options()).await.expect("nothing is left of the first");
            graph.publish(peergraph_tests::note("whole")).await.unwrap();
            graph.close().await;
            forget(world, graph.id()).await;
        }),
        case!("Node::create_group", |world, cut| {
            if let Some(group) = cut.run(|| world.node.create_group("made")).await {
                let group = group.expect("to make");
                group.close().await;
                forget(world, group.id()).await;
            }
            let group = world.node.create_group("made").await.unwrap();
            group.close().await;
            forget(world, group.id()).await;
        }),
        case!("Node::open_graph", |world, cut| {
            let graph = world.node.create_graph("made").await.unwrap();
            let id = graph.id();
            graph.close().await;
            let opened = cut.run(|| world.node.open_graph(id, OpenGraph::default())).await;
            drop(opened.map(|graph| graph.expect("to open")));
            let graph = world.node.open_graph(id, OpenGraph::default()).await.expect("to open again");
            graph.properties().await.expect("it is whole");
            graph.close().await;
            forget(world, id).await;
            // By a ticket, of a graph that was never here.
            let theirs = world.friend.create_graph("theirs").await.unwrap();
            let ticket = theirs.ticket().await.unwrap();
            let reference = || GraphRef::from(ticket.clone());
            let opened = cut.run(|| world.node.open_graph(reference(), OpenGraph::default())).await;
            drop(opened.map(|graph| graph.expect("to open")));
            let graph = world.node.open_graph(reference(), OpenGraph::default()).await.unwrap();
            graph.close().await;
            forget(world, graph.id()).await;
            theirs.close().await;
        }),
        case!("Node::open_group, Node::open_group_with", |world, cut| {
            let id = world.node.create_group("made").await.unwrap().id();
            let opened = cut.run(|| world.node.open_group(id)).await;
            drop(opened.map(|group| group.expect("to open")));
            let opened = cut.run(|| world.node.open_group_with(id, peergraph_tests::offline())).await;
            drop(opened.map(|group| group.expect("to open")));
            let group = world.node.open_group(id).await.expect("to open again");
            group.properties().await.expect("it is whole");
            group.close().await;
            forget(world, id).await;
        }),
        case!("Node::delete_graph", |world, cut| {
            let graph = world.node.create_graph("made").await.unwrap();
            graph.close().await;
            if let Some(deleted) = cut.run(|| world.node.delete_graph(graph.id())).await {
                deleted.expect("to delete");
            }
            match world.node.delete_graph(graph.id()).await {
                Ok(()) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::UnknownGraph, "deleted, or not at all"),
            }
            assert!(!world.node.stored_graphs().contains(&graph.id()));
        }),
        case!("Node::join", |world, cut| {
            let theirs = world.friend.create_graph("theirs").await.unwrap();
            theirs.listen().await.unwrap();
            let note = theirs.publish(peergraph_tests::note("to be had")).await.unwrap();
            let ticket = theirs.ticket().await.unwrap();
            let joined = cut.run(|| world.node.join(ticket.clone())).await;
            drop(joined.map(|graph| graph.expect("to join")));
            let graph = world.node.join(ticket).await.expect("a second join");
            assert!(graph.get(note.id).await.unwrap().is_some());
            graph.close().await;
            forget(world, graph.id()).await;
            theirs.close().await;
        }),
        case!("Node::join_group", |world, cut| {
            let theirs = world.friend.create_group("theirs").await.unwrap();
            // For one: a second try must not need a second use.
            let link = theirs.invite_link(peergraph::InviteLink::default()).await.unwrap();
            let joined = cut.run(|| world.node.join_group(JoinGroup::from(link.clone()))).await;
            drop(joined.map(|group| group.expect("to join")));
            let group = world.node.join_group(JoinGroup::from(link)).await.expect("a second join");
            assert!(group.role().await.unwrap().is_some());
            group.close().await;
            forget(world, group.id()).await;
            theirs.close().await;
        }),
        case!("Node::import_membership", |world, cut| {
            let theirs = world.friend.create_group("theirs").await.unwrap();
            let text = theirs.export_membership(PASSWORD).await.unwrap();
            let id = theirs.id();
            theirs.close().await;
            let clear = async || {
                forget(world, id).await;
                for identity in world.node.identities().list() {
                    if identity.peer_id() == world.friend.peer_id() {
                        identity.delete().await.unwrap();
                    }
                }
            };
            let imported = cut.run(|| world.node.import_membership(&text, PASSWORD)).await;
            if let Some(group) = imported {
                group.expect("to import").close().await;
                clear().await;
            }
            let group =
                world.node.import_membership(&text, PASSWORD).await.expect("nothing is left of the first");
            assert!(group.role().await.unwrap().is_some());
            group.close().await;
            clear().await;
        }),
        plain!("Node::network_changed", |world| world.node.network_changed()),
        case!("Node::pause, Node::resume", |world, cut| {
            if let Some(paused) = cut.run(|| world.node.pause()).await {
                paused.expect("to pause");
            }
            world.node.pause().await.unwrap();
            assert!(world.node.is_paused());
            if let Some(resumed) = cut.run(|| world.node.resume()).await {
                resumed.expect("to resume");
            }
            world.node.resume().await.unwrap();
            assert!(!world.node.is_paused());
            for graph in [&world.graph, world.group.graph()] {
                peergraph_tests::eventually("neighbors again", async || {
                    graph.status().await.unwrap().has_connections
                        && graph.status().await.unwrap().synchronized
                })
                .await;
            }
        }),
        case!("Identities::create", |world, cut| {
            let options = || CreateIdentity {
                key: Some(SecretKey::from_bytes(&[5; 32])),
                ..CreateIdentity::from("me")
            };
            if let Some(made) = cut.run(|| async { world.node.identities().create(options()).await }).await {
                made.expect("to make").delete().await.unwrap();
            }
            let made = world.node.identities().create(options()).await.expect("nothing is left of the first");
            made.delete().await.unwrap();
        }),
        case!("Identities::import", |world, cut| {
            let made = world.friend.identities().create("moved").await.unwrap();
            let text = made.export(PASSWORD).await.unwrap();
            made.delete().await.unwrap();
            if let Some(made) =
                cut.run(|| async { world.node.identities().import(&text, PASSWORD).await }).await
            {
                made.expect("to import").delete().await.unwrap();
            }
            let made =
                world.node.identities().import(&text, PASSWORD).await.expect("nothing is left of the first");
            made.delete().await.unwrap();
        }),
        plain!("Identities::default", |world| async { world.node.identities().default().await }),
        plain!("Identities::set_default", |world| async {
            let identities = world.node.identities();
            let name = identities.default().await?.peer_name();
            identities.set_default(&name).await
        }),
        plain!("Identity::rename", |world| async {
            world.node.identities().default().await?.rename(Some("renamed")).await
        }),
        plain!("Identity::export", |world| async {
            world.node.identities().default().await?.export(PASSWORD).await
        }),
        plain!("Identity::groups", |world| async { world.node.identities().default().await?.groups().await }),
        case!("Identity::delete", |world, cut| {
            let made = world.node.identities().create("short-lived").await.unwrap();
            if let Some(deleted) = cut.run(|| made.delete()).await {
                deleted.expect("to delete");
            }
            let again: Result<()> = made.delete().await;
            if let Err(error) = again {
                assert_eq!(error.kind(), ErrorKind::IdentityDeleted, "deleted, or not at all");
            }
        }),
    ]
}
