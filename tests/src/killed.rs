//! Calls that write, as a process makes them that is killed at one of its writes, and as they are made again afterwards.

use std::path::Path;

use peergraph::{
    CreateGraph, CreateIdentity, Error, Graph, GraphId, GraphRef, ImportDatabase, InviteLink, InviteMember,
    InvitePassword, JoinGroup, KeyProtection, ListQuery, Node, NodeConfig, PropertiesUpdate, RecordDraft,
    RecordUpdate, RemoveMember, Result, Role, SecretKey,
};

use crate::{apart::conflicts, offline};

/// All of them, by the names of the API.
pub const CALLS: &[&str] = &[
    "Node::start",
    "Node::open",
    "Node::create_graph",
    "Node::create_group",
    "Node::open_graph",
    "Node::open_group",
    "Node::open_group_with",
    "Node::join",
    "Node::join_group",
    "Node::import_membership",
    "Node::delete_graph",
    "Node::shutdown",
    "Node::pause",
    "Node::resume",
    "Identities::create",
    "Identities::import",
    "Identities::default",
    "Identities::set_default",
    "Identity::rename",
    "Identity::delete",
    "Graph::publish",
    "Graph::update",
    "Graph::delete",
    "Graph::set_properties",
    "Graph::acknowledge_conflict",
    "Graph::save_cursor",
    "Graph::set_node_attributes",
    "Graph::force_presence",
    "Graph::listen",
    "Graph::export_database",
    "Graph::import_database",
    "Graph::close",
    "Group::close",
    "Group::invite",
    "Group::invite_peer",
    "Group::invite_link",
    "Group::set_password",
    "Group::clear_password",
    "Group::revoke_invitation",
    "Group::renew",
    "Group::set_name",
    "Group::set_role",
    "Group::remove",
    "Group::renew_body_key",
    "Group::revoke_device",
    "Group::restore_device",
    "Group::leave",
];

/// The password of everything that has one.
pub const PASSWORD: &str = "open sesame, please";

/// With keys and databases sealed, where the directory's name asks for it.
pub fn config(dir: &Path) -> NodeConfig {
    let config = NodeConfig::loopback().at(dir);
    match dir.file_name().is_some_and(|name| name == "sealed") {
        true => NodeConfig { encrypt_database: true, ..config }.keys(KeyProtection::Key([4; 32])),
        false => config,
    }
}

/// What another node has to be joined or imported, and what was made here before.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// A ticket, an invitation by link and an exported membership of another node's.
    pub ticket: String,
    /// A link.
    pub link: String,
    /// Under [`PASSWORD`].
    pub membership: String,
    /// Likewise.
    pub identity: String,
    /// Of a graph made here.
    pub graph: String,
    /// Of a group made here, with a second member.
    pub group: String,
    /// An export of the graph `ticket` leads to.
    pub export: String,
}

impl Given {
    /// As arguments of a process.
    pub fn words(&self) -> [&str; 7] {
        let Self { ticket, link, membership, identity, graph, group, export } = self;
        [ticket, link, membership, identity, graph, group, export]
    }

    /// From arguments of a process.
    pub fn of(words: &[String]) -> Self {
        let [ticket, link, membership, identity, graph, group, export] =
            words.to_vec().try_into().expect("seven words");
        Self { ticket, link, membership, identity, graph, group, export }
    }

    /// The graph that was made here.
    ///
    /// # Panics
    /// If there is none.
    pub fn graph(&self) -> GraphId {
        self.graph.parse().expect("an id")
    }

    /// The group that was made here.
    ///
    /// # Panics
    /// If there is none.
    pub fn group(&self) -> GraphId {
        self.group.parse().expect("an id")
    }
}

/// The member of the group beside its creator.
pub fn member() -> SecretKey {
    SecretKey::from_bytes(&[8; 32])
}

fn made() -> CreateIdentity {
    CreateIdentity { key: Some(SecretKey::from_bytes(&[9; 32])), ..CreateIdentity::from("made") }
}

/// The first note of the graph.
async fn note(graph: &Graph) -> Result<peergraph::Record> {
    Ok(graph.list(ListQuery::default()).await?.items.remove(0))
}

/// Makes a call, or makes it again. What was done by an earlier try counts as done. `begin` is called right before.
///
/// # Errors
/// The call's.
///
/// # Panics
/// If there is no such call, or what it needs is not there.
pub async fn make(call: &str, dir: &Path, given: &Given, begin: impl Fn()) -> Result<Node> {
    if call == "Node::start" || call == "Node::open" {
        begin();
        return Node::start(config(dir)).await;
    }
    let node = Node::start(config(dir)).await?;
    if call.starts_with("Graph::") {
        on_graph(call, dir, &node, given, begin).await?;
    } else if call.starts_with("Group::") {
        on_group(call, &node, given, begin).await?;
    } else {
        on_node(call, &node, given, begin).await?;
    }
    Ok(node)
}

fn unless(done: peergraph::ErrorKind, result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == done => Ok(()),
        result => result,
    }
}

async fn on_node(call: &str, node: &Node, given: &Given, begin: impl Fn()) -> Result<()> {
    use peergraph::ErrorKind::{AlreadyExists, NotFound, UnknownGraph};
    match call {
        "Node::create_graph" => {
            let options = CreateGraph { seed: Some([7; 32]), ..CreateGraph::from("made") };
            begin();
            unless(AlreadyExists, node.create_graph(options).await.map(drop))
        }
        "Node::create_group" => {
            begin();
            node.create_group("made").await.map(drop)
        }
        "Node::open_graph" => {
            let ticket: peergraph::Ticket = given.ticket.parse()?;
            begin();
            node.open_graph(GraphRef::from(ticket), offline()).await.map(drop)
        }
        "Node::open_group" => {
            begin();
            node.open_group(given.group()).await.map(drop)
        }
        "Node::open_group_with" => {
            begin();
            node.open_group_with(given.group(), offline()).await.map(drop)
        }
        "Node::join" => {
            let ticket: peergraph::Ticket = given.ticket.parse()?;
            begin();
            node.join(ticket).await.map(drop)
        }
        "Node::join_group" => {
            let join = JoinGroup::parse(&given.link)?;
            begin();
            node.join_group(join).await.map(drop)
        }
        "Node::import_membership" => {
            begin();
            unless(AlreadyExists, node.import_membership(&given.membership, PASSWORD).await.map(drop))
        }
        "Node::delete_graph" => {
            begin();
            unless(UnknownGraph, node.delete_graph(given.graph()).await)
        }
        "Node::shutdown" => {
            let group = node.open_group_with(given.group(), offline()).await?;
            group.publish(RecordDraft::new("test.note", "before the end")?).await?;
            begin();
            node.shutdown().await;
            Ok(())
        }
        "Node::pause" | "Node::resume" => {
            let group = node.open_group_with(given.group(), offline()).await?;
            group.listen().await?;
            if call == "Node::resume" {
                node.pause().await?;
                begin();
                return node.resume().await;
            }
            begin();
            node.pause().await
        }
        "Identities::create" => {
            begin();
            unless(AlreadyExists, node.identities().create(made()).await.map(drop))
        }
        "Identities::import" => {
            begin();
            unless(AlreadyExists, node.identities().import(&given.identity, PASSWORD).await.map(drop))
        }
        "Identities::default" => {
            begin();
            node.identities().default().await.map(drop)
        }
        "Identities::set_default" => {
            let name = node.identities().list().remove(0).peer_name();
            begin();
            node.identities().set_default(&name).await
        }
        "Identity::rename" => {
            let identity = node.identities().default().await?;
            begin();
            identity.rename(Some("renamed")).await
        }
        "Identity::delete" => {
            // Of one that has no graphs.
            let found = node.identities().list().into_iter().find(|identity| identity.name() == "spare");
            begin();
            match found {
                Some(identity) => unless(NotFound, identity.delete().await),
                None => Ok(()),
            }
        }
        _ => panic!("no call of nodes is called {call}"),
    }
}

async fn on_graph(call: &str, dir: &Path, node: &Node, given: &Given, begin: impl Fn()) -> Result<()> {
    if call == "Graph::import_database" {
        let graph =
            node.open_graph(GraphRef::from(given.ticket.parse::<peergraph::Ticket>()?), offline()).await?;
        let exporter = given.ticket_owner();
        begin();
        return graph
            .import_database(&given.export, ImportDatabase::default().exporter(exporter))
            .await
            .map(drop);
    }
    let graph = node.open_graph(given.graph(), offline()).await?;
    let first = note(&graph).await?;
    begin();
    match call {
        "Graph::publish" => graph.publish(RecordDraft::new("test.note", "published")?).await.map(drop),
        "Graph::update" => graph.update(first.id, RecordUpdate::body("updated")).await.map(drop),
        "Graph::delete" => graph.delete(first.id).await.map(drop),
        "Graph::set_properties" => {
            let update = PropertiesUpdate { comment: Some("changed".into()), ..PropertiesUpdate::default() };
            graph.set_properties(update).await.map(drop)
        }
        "Graph::acknowledge_conflict" => {
            // None is left of an earlier try that came to its end.
            for conflict in conflicts(&graph).await {
                assert!(graph.acknowledge_conflict(conflict.loser.key.element).await?, "it was here");
            }
            assert_eq!(conflicts(&graph).await, [], "none is left");
            Ok(())
        }
        "Graph::save_cursor" => {
            let cursor = graph.events(peergraph::EventFilter::all())?.cursor();
            graph.save_cursor("kept", cursor).await
        }
        "Graph::set_node_attributes" => graph.set_node_attributes(Some("here")).await,
        "Graph::force_presence" => graph.force_presence(true).await,
        "Graph::listen" => graph.listen().await.map(drop),
        "Graph::export_database" => {
            let place = dir.with_extension("backup");
            unless(peergraph::ErrorKind::AlreadyExists, graph.export_database(place, None).await.map(drop))
        }
        "Graph::close" => {
            graph.close().await;
            Ok(())
        }
        _ => panic!("no call of graphs is called {call}"),
    }
}

async fn on_group(call: &str, node: &Node, given: &Given, begin: impl Fn()) -> Result<()> {
    let group = node.open_group_with(given.group(), offline()).await?;
    let peer = member().peer();
    let somebody = SecretKey::from_bytes(&[6; 32]).peer();
    if call == "Group::revoke_invitation" {
        group.invite_link(InviteLink::default()).await?;
        let key = group.invitations().await?[0].key;
        begin();
        return group.revoke_invitation(key).await;
    }
    if call == "Group::restore_device" {
        let node = peergraph::NodeId::from_bytes([7; 32]);
        group.revoke_device(peer, node).await?;
        begin();
        return group.restore_device(peer, node).await;
    }
    if call == "Group::leave" {
        let own = node.create_group("to be left").await?;
        begin();
        // The creator cannot: nothing may have changed then.
        assert!(own.leave().await.is_err());
        return Ok(());
    }
    begin();
    match call {
        "Group::close" => group.close().await,
        "Group::invite" => {
            let whom = node.identities().default().await?.describe()?;
            // Oneself cannot be invited: nothing may have changed then.
            let _ = group.invite(&whom, InviteMember::default()).await;
        }
        "Group::invite_peer" => drop(group.invite_peer(somebody, "somebody", InviteMember::default()).await?),
        "Group::invite_link" => drop(group.invite_link(InviteLink::default()).await?),
        "Group::set_password" => drop(group.set_password(PASSWORD, InvitePassword::default()).await?),
        "Group::clear_password" => group.clear_password().await?,
        "Group::renew" => group.renew(peer, None).await?,
        "Group::set_name" => group.set_name("Ada").await?,
        "Group::set_role" => group.set_role(peer, Role::Reader).await?,
        "Group::remove" => {
            let removed = group.remove(peer, RemoveMember::default()).await;
            unless(peergraph::ErrorKind::NotAMember, removed)?;
        }
        "Group::renew_body_key" => group.renew_body_key().await?,
        "Group::revoke_device" => group.revoke_device(peer, peergraph::NodeId::from_bytes([7; 32])).await?,
        _ => panic!("no call of groups is called {call}"),
    }
    Ok::<(), Error>(())
}

impl Given {
    /// Whose export it is.
    fn ticket_owner(&self) -> peergraph::PeerId {
        SecretKey::from_bytes(&[3; 32]).peer()
    }
}
