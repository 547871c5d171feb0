//! Nodes: starting them, and making, opening and joining graphs and groups.

use std::{fmt, sync::Arc};

use peergraph::{
    CreateGraph, CreateGroup, GraphId, GraphRef, JoinGraph, JoinGroup, NodeId, OpenGraph, PeerId, given,
    limits,
};
use zeroize::Zeroizing;

use crate::{
    cancel::{NativeCancel, until},
    enums::Durability,
    errors::Result,
    graph::{Home, NativeGraph},
    identities::NativeIdentity,
    ids::Span,
    progress::{ProgressListener, told},
    stream::types,
    texts::{invitation, ticket},
    turn::{Turn, Turns},
    values::{GraphProperties, GroupRules, Metrics, NodeAddr},
};

/// Whom the network may involve.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum NetworkMode {
    /// Nobody else: given addresses, and mDNS on the local network.
    Local,
    /// iroh's public relays and address lookup, which learn this node's id and addresses, never content.
    Internet,
    /// Your own relays and lookup.
    Custom {
        /// URLs of relays.
        relays: Vec<String>,
        /// URL of a pkarr server for address lookup.
        lookup: Option<String>,
    },
}

/// How the keys in a data directory are protected.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Debug)]
pub enum KeyProtection {
    /// Not beyond being readable by their owner only.
    Plain,
    /// Sealed with a passphrase, not empty.
    Passphrase {
        /// It.
        passphrase: String,
    },
    /// Sealed with a random key of 32 bytes, such as one from the system's key store.
    Key {
        /// It.
        key: Vec<u8>,
    },
}

impl fmt::Debug for KeyProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Passphrase { .. } => "Passphrase(..)",
            Self::Key { .. } => "Key(..)",
        })
    }
}

/// How a node runs: all fields, for `NodeConfig` of each language, which has the defaults.
#[derive(Clone, uniffi::Record)]
#[uniffi::export(Debug)]
pub struct NativeConfig {
    /// See `NodeConfig`.
    pub data_dir: Option<String>,
    /// See `NodeConfig`.
    pub identity: Option<Vec<u8>>,
    /// See `NodeConfig`.
    pub key_protection: KeyProtection,
    /// See `NodeConfig`.
    pub encrypt_database: bool,
    /// See `NodeConfig`.
    pub network: NetworkMode,
    /// See `NodeConfig`.
    pub bind: Vec<String>,
    /// See `NodeConfig`.
    pub mdns: bool,
    /// See `NodeConfig`.
    pub target_neighbors: u32,
    /// See `NodeConfig`.
    pub max_neighbors: u32,
    /// See `NodeConfig`.
    pub min_neighbors: u32,
    /// See `NodeConfig`.
    pub ping_interval: Span,
    /// See `NodeConfig`.
    pub durability: Durability,
    /// See `NodeConfig`.
    pub tombstone_lifetime: Span,
    /// See `NodeConfig`.
    pub version_major: u16,
    /// See `NodeConfig`.
    pub version_minor: u16,
}

impl fmt::Debug for NativeConfig {
    /// Without its secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeConfig")
            .field("data_dir", &self.data_dir)
            .field("key_protection", &self.key_protection)
            .field("network", &self.network)
            .field("bind", &self.bind)
            .finish_non_exhaustive()
    }
}

impl NativeConfig {
    fn into_core(self) -> Result<peergraph::NodeConfig> {
        let network = match self.network {
            NetworkMode::Local => peergraph::NetworkMode::Local,
            NetworkMode::Internet => peergraph::NetworkMode::Internet,
            NetworkMode::Custom { relays, lookup } => peergraph::NetworkMode::Custom { relays, lookup },
        };
        let key_protection = match self.key_protection {
            KeyProtection::Plain => peergraph::KeyProtection::Plain,
            KeyProtection::Passphrase { passphrase } => peergraph::KeyProtection::Passphrase(passphrase),
            KeyProtection::Key { key } => given::sealing_key(&Zeroizing::new(key))?,
        };
        Ok(peergraph::NodeConfig {
            data_dir: self.data_dir.map(Into::into),
            identity: self.identity.map(|key| given::secret_key(&Zeroizing::new(key))).transpose()?,
            key_protection,
            encrypt_database: self.encrypt_database,
            network,
            bind: given::socket_addrs(self.bind)?,
            mdns: self.mdns,
            target_neighbors: self.target_neighbors as usize,
            max_neighbors: self.max_neighbors as usize,
            min_neighbors: self.min_neighbors as usize,
            ping_interval: self.ping_interval.0,
            durability: self.durability.into(),
            tombstone_lifetime: self.tombstone_lifetime.0,
            version: peergraph::ApiVersion { major: self.version_major, minor: self.version_minor },
        })
    }

    fn of(config: peergraph::NodeConfig) -> Self {
        // What secrets a default has is none.
        Self {
            data_dir: None,
            identity: None,
            key_protection: KeyProtection::Plain,
            encrypt_database: config.encrypt_database,
            network: match config.network {
                peergraph::NetworkMode::Local => NetworkMode::Local,
                peergraph::NetworkMode::Internet => NetworkMode::Internet,
                peergraph::NetworkMode::Custom { relays, lookup } => NetworkMode::Custom { relays, lookup },
            },
            bind: config.bind.iter().map(ToString::to_string).collect(),
            mdns: config.mdns,
            target_neighbors: u32::try_from(config.target_neighbors).unwrap_or(u32::MAX),
            max_neighbors: u32::try_from(config.max_neighbors).unwrap_or(u32::MAX),
            min_neighbors: u32::try_from(config.min_neighbors).unwrap_or(u32::MAX),
            ping_interval: Span(config.ping_interval),
            durability: config.durability.into(),
            tombstone_lifetime: Span(config.tombstone_lifetime),
            version_major: config.version.major,
            version_minor: config.version.minor,
        }
    }
}

/// What the core refuses for its size alone, so that it need not be copied first.
#[derive(Debug, Clone, Copy, uniffi::Record)]
pub struct NativeLimits {
    /// Most bytes of a record in any graph.
    pub max_record: u32,
    /// Most bytes of the attributes of a record.
    pub max_attributes: u32,
    /// Most bytes of a message on a connection.
    pub max_data: u32,
}

/// The core's own limits.
#[uniffi::export]
pub const fn native_limits() -> NativeLimits {
    NativeLimits {
        max_record: limits::MAX_MAX_RECORD,
        max_attributes: limits::MAX_ATTRIBUTES as u32,
        max_data: limits::MAX_DATA as u32,
    }
}

/// The core's own defaults, as `low_power` has them or not.
#[uniffi::export]
pub fn native_default_config(low_power: bool) -> NativeConfig {
    let config = peergraph::NodeConfig::default();
    NativeConfig::of(if low_power { config.low_power() } else { config })
}

/// How a group is joined.
#[derive(Clone, uniffi::Record)]
#[uniffi::export(Debug)]
pub struct NativeJoin {
    /// The invitation's text.
    pub invitation: String,
    /// The friendly name to go by there.
    pub name: String,
    /// As whom.
    pub identity: Option<Arc<NativeIdentity>>,
    /// The password, where the invitation asks for one.
    pub password: Option<String>,
    /// Give up after this.
    pub deadline: Span,
}

impl fmt::Debug for NativeJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeJoin").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A node that runs.
#[derive(Debug, uniffi::Object)]
pub struct NativeNode {
    pub(crate) node: peergraph::Node,
    pub(crate) home: Home,
    /// The place of the next call.
    pub(crate) turn: Turn,
    /// Of a shutdown: starts at the same directory wait until it is called.
    among_starts: Turn,
}

impl NativeNode {
    fn of(home: Home) -> Arc<Self> {
        Arc::new(Self { node: home.node.clone(), home, turn: Turn::default(), among_starts: Turn::default() })
    }

    async fn open(&self, which: GraphRef, precedence: &[String], offline: bool) -> Result<Arc<NativeGraph>> {
        let options = opening(precedence, offline)?;
        let graph = self.turn.make(|| self.node.open_graph(which, options)).await?;
        Ok(NativeGraph::plain(&self.home, graph))
    }
}

fn opening(precedence: &[String], offline: bool) -> Result<OpenGraph> {
    Ok(OpenGraph { precedence: types(precedence)?, offline })
}

/// Starts a node.
#[uniffi::export]
pub async fn native_start(config: NativeConfig) -> Result<Arc<NativeNode>> {
    let node = peergraph::Node::start(config.into_core()?).await?;
    Ok(NativeNode::of(Home { node, turns: Turns::default() }))
}

#[uniffi::export]
impl NativeNode {
    /// The same node for one call, which has its place among its calls now.
    pub fn placed(&self) -> Arc<Self> {
        let (node, home) = (self.node.clone(), self.home.clone());
        Arc::new(Self { node, turn: home.turns.take(), among_starts: Turn::default(), home })
    }

    /// The same for its shutdown, which has its place among the starts too.
    pub fn placed_to_end(&self) -> Arc<Self> {
        let (node, home) = (self.node.clone(), self.home.clone());
        Arc::new(Self { node, turn: home.turns.take(), among_starts: Turn::among_starts(), home })
    }

    /// This node's id.
    pub fn id(&self) -> NodeId {
        self.node.id()
    }

    /// The identity this node acts for.
    pub fn peer_id(&self) -> PeerId {
        self.node.peer_id()
    }

    /// Where this node can be dialled.
    pub fn addr(&self) -> NodeAddr {
        self.node.addr().into()
    }

    /// The UDP sockets that serve all graphs.
    pub fn bound(&self) -> Vec<String> {
        self.node.bound().iter().map(ToString::to_string).collect()
    }

    /// What this node has sent and received so far.
    pub fn metrics(&self) -> Metrics {
        let metrics = self.node.metrics();
        Metrics { bytes_sent: metrics.bytes_sent, bytes_received: metrics.bytes_received }
    }

    /// Makes a graph.
    pub async fn create_graph(
        &self,
        properties: GraphProperties,
        max_record: u32,
        seed: Option<Vec<u8>>,
        precedence: Vec<String>,
    ) -> Result<Arc<NativeGraph>> {
        let seed = seed.map(|seed| given::seed(&seed)).transpose()?;
        let precedence = types(&precedence)?;
        let options = CreateGraph { properties: properties.into(), max_record, seed, precedence };
        Ok(NativeGraph::plain(&self.home, self.turn.make(|| self.node.create_graph(options)).await?))
    }

    /// Opens a graph that is here.
    pub async fn open_graph(
        &self,
        id: GraphId,
        precedence: Vec<String>,
        offline: bool,
    ) -> Result<Arc<NativeGraph>> {
        self.open(id.into(), &precedence, offline).await
    }

    /// Opens a graph that a ticket leads to.
    pub async fn open_ticket(
        &self,
        text: String,
        precedence: Vec<String>,
        offline: bool,
    ) -> Result<Arc<NativeGraph>> {
        self.open(ticket(&text)?.into(), &precedence, offline).await
    }

    /// Opens the graph of a ticket, connects, waits until it is synchronised, and listens.
    pub async fn join(
        &self,
        text: String,
        deadline: Span,
        progress: Option<Arc<dyn ProgressListener>>,
        cancel: Option<Arc<NativeCancel>>,
    ) -> Result<Arc<NativeGraph>> {
        let join = JoinGraph { ticket: ticket(&text)?, deadline: deadline.0, on_progress: told(progress) };
        Ok(NativeGraph::plain(&self.home, until(cancel, self.turn.make(|| self.node.join(join))).await?))
    }

    /// Makes a group.
    pub async fn create_group(
        &self,
        properties: GraphProperties,
        rules: GroupRules,
        max_record: u32,
        precedence: Vec<String>,
        identity: Option<Arc<NativeIdentity>>,
    ) -> Result<Arc<NativeGraph>> {
        let options = CreateGroup {
            properties: properties.into(),
            rules: rules.into_core()?,
            max_record,
            precedence: types(&precedence)?,
            identity: identity.map(|identity| identity.identity.clone()),
        };
        Ok(NativeGraph::of_group(&self.home, self.turn.make(|| self.node.create_group(options)).await?))
    }

    /// Opens a group that is here.
    pub async fn open_group(
        &self,
        id: GraphId,
        precedence: Vec<String>,
        offline: bool,
    ) -> Result<Arc<NativeGraph>> {
        let options = opening(&precedence, offline)?;
        let group = self.turn.make(|| self.node.open_group_with(id, options)).await?;
        Ok(NativeGraph::of_group(&self.home, group))
    }

    /// Joins a group by an invitation.
    pub async fn join_group(
        &self,
        join: NativeJoin,
        progress: Option<Arc<dyn ProgressListener>>,
        cancel: Option<Arc<NativeCancel>>,
    ) -> Result<Arc<NativeGraph>> {
        let NativeJoin { invitation: text, name, identity, password, deadline } = join;
        let options = JoinGroup {
            invitation: invitation(&text)?,
            name,
            identity: identity.map(|identity| identity.identity.clone()),
            password: password.map(Into::into),
            deadline: deadline.0,
            on_progress: told(progress),
        };
        Ok(NativeGraph::of_group(
            &self.home,
            until(cancel, self.turn.make(|| self.node.join_group(options))).await?,
        ))
    }

    /// Takes in an exported membership, and opens its group.
    pub async fn import_membership(&self, text: String, password: String) -> Result<Arc<NativeGraph>> {
        let password = Zeroizing::new(password);
        Ok(NativeGraph::of_group(
            &self.home,
            self.turn.make(|| self.node.import_membership(&text, &password)).await?,
        ))
    }

    /// The graphs that are open in this node.
    pub fn open_graphs(&self) -> Vec<Arc<NativeGraph>> {
        self.node.open_graphs().into_iter().map(|graph| NativeGraph::plain(&self.home, graph)).collect()
    }

    /// The graphs that have a database here, open or not.
    pub fn stored_graphs(&self) -> Vec<GraphId> {
        self.node.stored_graphs()
    }

    /// The groups that have a database here, open or not.
    pub fn stored_groups(&self) -> Result<Vec<GraphId>> {
        Ok(self.node.stored_groups()?)
    }

    /// Deletes a graph's database here.
    pub async fn delete_graph(&self, id: GraphId) -> Result<()> {
        Ok(self.turn.make(|| self.node.delete_graph(id)).await?)
    }

    /// Makes all data durable, says goodbye, and is quiet from then on.
    pub async fn pause(&self) -> Result<()> {
        Ok(self.turn.make(|| self.node.pause()).await?)
    }

    /// Ends a pause.
    pub async fn resume(&self) -> Result<()> {
        Ok(self.turn.make(|| self.node.resume()).await?)
    }

    /// True between `pause` and `resume`.
    pub fn is_paused(&self) -> bool {
        self.node.is_paused()
    }

    /// Tells the node that the system has another network than before.
    pub async fn network_changed(&self) -> Result<()> {
        Ok(self.turn.make(|| self.node.network_changed()).await?)
    }

    /// Closes all graphs, makes everything durable, and lets go of the socket and the data directory.
    pub async fn shutdown(&self) {
        let down = self.turn.begin(|| self.node.shutdown()).await;
        self.among_starts.give_up();
        down.await;
    }
}
