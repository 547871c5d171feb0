//! Nodes: starting them, and making, opening and joining graphs and groups.

use napi::{Result, bindgen_prelude::Buffer};
use napi_derive::napi;
use peergraph::{
    ApiVersion, Call, CreateGraph, CreateGroup, Durability, Graph, GraphProperties, GraphRef, Group,
    Invitation, JoinGraph, JoinGroup, NodeConfig, OnProgress, OpenGraph, SyncProgress, Ticket,
    given::{self, Protection},
    names::Named,
};
use zeroize::Zeroizing;

use crate::{
    bridge::{Bridge, Reply},
    convert::{parse, record_types, size, small, span_or},
    errors::{Fail, invalid},
    graph::NativeGraph,
    identities::{NativeIdentities, NativeIdentity},
    pack::packed,
    values::{Properties, Rules},
};

/// A node that runs.
#[napi]
pub struct NativeNode {
    node: peergraph::Node,
}

/// How a node runs; what is left out is as the library has it.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct Config {
    pub data_dir: Option<String>,
    pub identity: Option<Buffer>,
    pub passphrase: Option<String>,
    pub key: Option<Buffer>,
    /// Whether there is a source of the key.
    pub sourced: Option<bool>,
    /// What it gave.
    pub asked: Option<Buffer>,
    pub encrypt_database: Option<bool>,
    pub network: Option<String>,
    pub relays: Option<Vec<String>>,
    pub lookup: Option<String>,
    pub bind: Option<Vec<String>>,
    pub mdns: Option<bool>,
    pub target_neighbors: Option<f64>,
    pub max_neighbors: Option<f64>,
    pub min_neighbors: Option<f64>,
    pub ping_interval: Option<f64>,
    pub durability: Option<String>,
    pub tombstone_lifetime: Option<f64>,
    pub version: Option<String>,
}

impl Config {
    fn read(self) -> Result<NodeConfig> {
        let bytes = |buffer: Buffer| Zeroizing::new(buffer.to_vec());
        let protection = Protection {
            passphrase: self.passphrase,
            key: self.key.map(bytes),
            has_source: self.sourced.unwrap_or(false),
            asked: self.asked.map(bytes),
        };
        let default = NodeConfig::default();
        let count = |number: Option<f64>, default, what| number.map_or(Ok(default), |n| size(n, what));
        Ok(NodeConfig {
            key_protection: protection.read(self.data_dir.is_some()).map_err(Fail::from)?,
            data_dir: self.data_dir.map(Into::into),
            identity: self.identity.map(|bytes| given::secret_key(&bytes)).transpose().map_err(Fail::from)?,
            encrypt_database: self.encrypt_database.unwrap_or(default.encrypt_database),
            network: match self.network {
                None => default.network,
                Some(name) => {
                    given::network(&name, self.relays.unwrap_or_default(), self.lookup).map_err(Fail::from)?
                }
            },
            bind: given::socket_addrs(self.bind.unwrap_or_default()).map_err(Fail::from)?,
            mdns: self.mdns.unwrap_or(default.mdns),
            target_neighbors: count(self.target_neighbors, default.target_neighbors, "targetNeighbors")?,
            max_neighbors: count(self.max_neighbors, default.max_neighbors, "maxNeighbors")?,
            min_neighbors: count(self.min_neighbors, default.min_neighbors, "minNeighbors")?,
            ping_interval: span_or(self.ping_interval, default.ping_interval)?,
            durability: match self.durability.as_deref() {
                None => default.durability,
                Some(word) => Durability::from_word(word).map_err(Fail::from)?,
            },
            tombstone_lifetime: span_or(self.tombstone_lifetime, default.tombstone_lifetime)?,
            version: self.version.as_deref().map_or(Ok(default.version), version)?,
        })
    }
}

fn version(text: &str) -> Result<ApiVersion> {
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    match (major.parse(), minor.parse()) {
        (Ok(major), Ok(minor)) => Ok(ApiVersion { major, minor }),
        _ => Err(invalid(&format!("{text:?} is no version such as 0.1"))),
    }
}

/// What a new graph or group is like.
#[napi(object, object_to_js = false)]
pub struct Making {
    pub name: Option<String>,
    pub properties: Option<Properties>,
    pub rules: Option<Rules>,
    pub max_record: Option<f64>,
    pub seed: Option<Buffer>,
    pub precedence: Option<Vec<String>>,
}

fn named(name: Option<String>, given: Option<Properties>) -> Result<GraphProperties> {
    let base = given.unwrap_or_default().read()?;
    Ok(match name {
        Some(name) => GraphProperties { name, ..base },
        None => base,
    })
}

/// How a group is joined.
#[napi(object, object_to_js = false)]
pub struct Joining {
    pub invitation: String,
    pub name: Option<String>,
    pub password: Option<String>,
    pub deadline: Option<f64>,
    /// Whether how far the database has come is news of the call.
    pub progress: bool,
}

/// How a graph or group is opened.
#[napi(object, object_to_js = false)]
pub struct Opening {
    pub precedence: Option<Vec<String>>,
    pub offline: Option<bool>,
}

impl Opening {
    fn read(self) -> Result<OpenGraph> {
        let default = OpenGraph::default();
        Ok(OpenGraph {
            precedence: record_types(&self.precedence.unwrap_or_default())?,
            offline: self.offline.unwrap_or(default.offline),
        })
    }
}

/// Tells a call how far a database has come.
fn on_progress(to: &Bridge, id: u32) -> OnProgress {
    let teller = to.teller(id);
    OnProgress::new(move |progress: SyncProgress| teller.progress(packed(&progress)))
}

impl NativeNode {
    fn plain(&self, to: &Bridge, id: u32, graph: Call<peergraph::Result<Graph>>) {
        let node = self.node.clone();
        to.run(id, async move { graph.await.map(|graph| NativeGraph::plain(node, graph)) });
    }

    fn group(&self, to: &Bridge, id: u32, group: Call<peergraph::Result<Group>>) {
        let node = self.node.clone();
        to.run(id, async move { group.await.map(|group| NativeGraph::of_group(node, group)) });
    }
}

#[napi]
impl NativeNode {
    #[napi]
    pub fn start(to: &Bridge, id: u32, config: Config) -> Result<()> {
        let config = config.read()?;
        let started = peergraph::Node::start(config);
        to.run(id, async move { Ok(Reply::Node(Self { node: started.await? })) });
        Ok(())
    }

    #[napi(getter)]
    pub fn id(&self) -> String {
        self.node.id().to_string()
    }

    #[napi(getter)]
    pub fn peer_id(&self) -> String {
        self.node.peer_id().to_string()
    }

    #[napi(getter)]
    pub fn identities(&self) -> NativeIdentities {
        NativeIdentities { identities: self.node.identities() }
    }

    #[napi]
    pub fn addr(&self) -> Buffer {
        packed(&self.node.addr()).into()
    }

    #[napi]
    pub fn bound(&self) -> Vec<String> {
        self.node.bound().iter().map(ToString::to_string).collect()
    }

    #[napi]
    pub fn metrics(&self) -> Buffer {
        packed(&self.node.metrics()).into()
    }

    #[napi]
    pub fn create_graph(&self, to: &Bridge, id: u32, making: Making) -> Result<()> {
        let Making { name, properties, rules: _, max_record, seed, precedence } = making;
        let default = CreateGraph::default();
        let seed = seed.map(|seed| given::seed(&seed)).transpose().map_err(Fail::from)?;
        let options = CreateGraph {
            properties: named(name, properties)?,
            max_record: max_record.map_or(Ok(default.max_record), |max| small(max, "maxRecord"))?,
            seed,
            precedence: record_types(&precedence.unwrap_or_default())?,
        };
        self.plain(to, id, self.node.create_graph(options));
        Ok(())
    }

    #[napi]
    pub fn open_graph(
        &self,
        to: &Bridge,
        id: u32,
        graph: String,
        is_ticket: bool,
        opening: Opening,
    ) -> Result<()> {
        let graph: GraphRef = if is_ticket {
            parse::<Ticket>(&graph)?.into()
        } else {
            parse::<peergraph::GraphId>(&graph)?.into()
        };
        self.plain(to, id, self.node.open_graph(graph, opening.read()?));
        Ok(())
    }

    #[napi]
    pub fn join(
        &self,
        to: &Bridge,
        id: u32,
        ticket: String,
        deadline: Option<f64>,
        progress: bool,
    ) -> Result<()> {
        let default = JoinGraph::from(parse::<Ticket>(&ticket)?);
        let options = JoinGraph {
            deadline: span_or(deadline, default.deadline)?,
            on_progress: progress.then(|| on_progress(to, id)),
            ..default
        };
        self.plain(to, id, self.node.join(options));
        Ok(())
    }

    #[napi]
    pub fn create_group(
        &self,
        to: &Bridge,
        id: u32,
        making: Making,
        identity: Option<&NativeIdentity>,
    ) -> Result<()> {
        let Making { name, properties, rules, max_record, seed: _, precedence } = making;
        let default = CreateGroup::default();
        let options = CreateGroup {
            properties: named(name, properties)?,
            rules: rules.unwrap_or_default().read()?,
            max_record: max_record.map_or(Ok(default.max_record), |max| small(max, "maxRecord"))?,
            precedence: record_types(&precedence.unwrap_or_default())?,
            identity: identity.map(|identity| identity.identity.clone()),
        };
        self.group(to, id, self.node.create_group(options));
        Ok(())
    }

    #[napi]
    pub fn open_group(&self, to: &Bridge, id: u32, group: String, opening: Opening) -> Result<()> {
        self.group(to, id, self.node.open_group_with(parse(&group)?, opening.read()?));
        Ok(())
    }

    #[napi]
    pub fn join_group(
        &self,
        to: &Bridge,
        id: u32,
        joining: Joining,
        identity: Option<&NativeIdentity>,
    ) -> Result<()> {
        let Joining { invitation, name, password, deadline, progress } = joining;
        let default = JoinGroup::from(parse::<Invitation>(&invitation)?);
        let options = JoinGroup {
            name: name.unwrap_or_default(),
            identity: identity.map(|identity| identity.identity.clone()),
            password: password.map(Into::into),
            deadline: span_or(deadline, default.deadline)?,
            on_progress: progress.then(|| on_progress(to, id)),
            ..default
        };
        self.group(to, id, self.node.join_group(options));
        Ok(())
    }

    #[napi]
    pub fn import_membership(&self, to: &Bridge, id: u32, text: String, password: String) {
        let password = Zeroizing::new(password);
        self.group(to, id, self.node.import_membership(&text, &password));
    }

    #[napi]
    pub fn open_graphs(&self) -> Vec<String> {
        self.node.open_graphs().iter().map(|graph| graph.id().to_string()).collect()
    }

    #[napi]
    pub fn stored_graphs(&self) -> Vec<String> {
        self.node.stored_graphs().iter().map(ToString::to_string).collect()
    }

    #[napi]
    pub fn stored_groups(&self) -> Result<Vec<String>> {
        Ok(self.node.stored_groups().map_err(Fail::from)?.iter().map(ToString::to_string).collect())
    }

    #[napi]
    pub fn delete_graph(&self, to: &Bridge, id: u32, graph: String) -> Result<()> {
        to.act(id, self.node.delete_graph(parse(&graph)?));
        Ok(())
    }

    #[napi]
    pub fn pause(&self, to: &Bridge, id: u32) {
        to.act(id, self.node.pause());
    }

    #[napi]
    pub fn resume(&self, to: &Bridge, id: u32) {
        to.act(id, self.node.resume());
    }

    #[napi(getter)]
    pub fn is_paused(&self) -> bool {
        self.node.is_paused()
    }

    #[napi]
    pub fn network_changed(&self, to: &Bridge, id: u32) {
        to.act(id, self.node.network_changed());
    }

    #[napi]
    pub fn shutdown(&self, to: &Bridge, id: u32) {
        let down = self.node.shutdown();
        to.act(id, async move {
            down.await;
            Ok(())
        });
    }
}

/// What a device that should sleep is given: milliseconds between pings; neighbors to keep, to accept, and at the least.
#[napi]
pub fn low_power() -> (u32, u32, u32, u32) {
    let config = NodeConfig::default().low_power();
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let ping = u32::try_from(config.ping_interval.as_millis()).unwrap_or(u32::MAX);
    (ping, number(config.target_neighbors), number(config.max_neighbors), number(config.min_neighbors))
}
