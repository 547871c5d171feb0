//! How a node runs and how graphs are made: plain structs with defaults.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use crate::{
    api::{ApiVersion, KeyProtection},
    crypto::SecretKey,
    limits::{
        DEFAULT_MAX_RECORD, DEFAULT_TOMBSTONE_LIFETIME, MAX_NEIGHBORS, MIN_NEIGHBORS, PING_INTERVAL,
        TARGET_NEIGHBORS,
    },
    net::NetworkMode,
    record::{GraphProperties, RecordType},
    records::Durability,
};

/// How a node runs. `NodeConfig::default()` is a node in memory on the local network.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Where keys and databases are kept, readable by their owner only. `None`: in memory, gone with the node.
    pub data_dir: Option<PathBuf>,
    /// The identity to act for; not written to the disk. Default: the one in the data directory, made on first use.
    pub identity: Option<SecretKey>,
    /// How the keys in the data directory are protected beyond being readable by their owner only. Default:
    /// [`KeyProtection::Plain`].
    pub key_protection: KeyProtection,
    /// Whether to seal the databases in the data directory, each with a key of its own, which [`keys`](Self::keys) seal
    /// in turn; so the keys must be protected. Default false.
    ///
    /// A database that was in the clear is sealed when its graph is opened, which takes room for a copy meanwhile, and
    /// stays so whatever this says later; to have it in the clear again, export, delete, and import it. What a disk
    /// keeps of overwritten files is beyond reach, so seal from the beginning if you can. Sealed are bodies and
    /// attributes, names, the graph's secret, and known addresses. Whoever has the file still sees how many records
    /// there are, their sizes, types, times and authors' ids, and the names of saved cursors. Without a data directory
    /// nothing is written, and this means nothing.
    pub encrypt_database: bool,
    /// Whom the network may involve. Default: [`NetworkMode::Local`], no third party.
    pub network: NetworkMode,
    /// UDP addresses to bind, IPv4 and IPv6; port 0 picks a free one. Empty (the default): all interfaces, any port.
    /// One port serves all graphs.
    pub bind: Vec<SocketAddr>,
    /// Whether to find nodes on the local network by mDNS. Default true.
    pub mdns: bool,
    /// Neighbors each graph tries to keep. Default 5; each costs one connection and one copy of every new record.
    pub target_neighbors: usize,
    /// Neighbors each graph accepts. Default 8.
    pub max_neighbors: usize,
    /// Neighbors below which a graph looks for more at once. Default 3.
    pub min_neighbors: usize,
    /// Time between pings on each link. Default 1 s. Of what the two ends of a link want the longer holds, a minute at
    /// most. A dead neighbor is noticed after about four. See [`low_power`](Self::low_power).
    pub ping_interval: Duration,
    /// When a write is acknowledged. Default: when it is on the disk.
    pub durability: Durability,
    /// How long deletes are remembered. Default 30 days, 10 minutes at least; the same on all nodes, and at least twice
    /// the longest usual absence. A node that comes back later drops what was deleted meanwhile and keeps what it wrote
    /// itself; a change of a record that is gone elsewhere is lost.
    pub tombstone_lifetime: Duration,
    /// The version of this library that the caller was written for. Default: this one.
    pub version: ApiVersion,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            data_dir: None,
            identity: None,
            key_protection: KeyProtection::Plain,
            encrypt_database: false,
            network: NetworkMode::Local,
            bind: Vec::new(),
            mdns: true,
            target_neighbors: TARGET_NEIGHBORS,
            max_neighbors: MAX_NEIGHBORS,
            min_neighbors: MIN_NEIGHBORS,
            ping_interval: PING_INTERVAL,
            durability: Durability::Synced,
            tombstone_lifetime: DEFAULT_TOMBSTONE_LIFETIME,
            version: ApiVersion::CURRENT,
        }
    }
}

impl NodeConfig {
    /// A node in memory that binds a free port of the loopback interface and looks for nobody: for tests and for
    /// several nodes on one machine.
    pub fn loopback() -> Self {
        Self { bind: vec![SocketAddr::from(([127, 0, 0, 1], 0))], mdns: false, ..Self::default() }
    }

    /// The same for a device that should sleep, as phones do: a ping each 15 s, and two neighbors, four at most. A dead
    /// neighbor is noticed after a minute rather than four seconds; records come as fast as ever. What the network
    /// layer sends by itself to keep a path open, a packet each 5 s, stays. See also [`Node::pause`](super::Node::pause).
    #[must_use]
    pub fn low_power(self) -> Self {
        let ping_interval = Duration::from_secs(15);
        Self { ping_interval, target_neighbors: 2, max_neighbors: 4, min_neighbors: 1, ..self }
    }

    /// The same with a data directory.
    #[must_use]
    pub fn at(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// The same with its keys protected.
    #[must_use]
    pub fn keys(mut self, protection: KeyProtection) -> Self {
        self.key_protection = protection;
        self
    }
}

/// What a new graph is like.
#[derive(Clone)]
#[doc(alias = "PEER_GRAPH_PROPERTIES")]
pub struct CreateGraph {
    /// The properties that may change later.
    pub properties: GraphProperties,
    /// Most bytes of body plus attributes of a record. Default 1 MiB; 1 KiB to 60 MiB. Fixed for ever.
    pub max_record: u32,
    /// Makes the graph's id and secret follow from these bytes and the identity, so that the same graph cannot be
    /// made twice. Keep them as secret as a ticket. Default: random.
    pub seed: Option<[u8; 32]>,
    /// Record types to synchronise first, in order; each is told by `Synchronized`.
    pub precedence: Vec<RecordType>,
}

impl fmt::Debug for CreateGraph {
    /// Says of the seed only whether there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { properties, max_record, seed, precedence } = self;
        f.debug_struct("CreateGraph")
            .field("properties", properties)
            .field("max_record", max_record)
            .field("seed", &seed.map(|_| Hidden))
            .field("precedence", precedence)
            .finish()
    }
}

/// Stands for a secret in what `Debug` shows.
pub(super) struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl Default for CreateGraph {
    fn default() -> Self {
        Self {
            properties: GraphProperties::default(),
            max_record: DEFAULT_MAX_RECORD,
            seed: None,
            precedence: Vec::new(),
        }
    }
}

impl From<&str> for CreateGraph {
    /// A graph with a name and defaults.
    fn from(name: &str) -> Self {
        let properties = GraphProperties { name: name.into(), ..GraphProperties::default() };
        Self { properties, ..Self::default() }
    }
}

/// How a graph is opened.
#[derive(Debug, Clone, Default)]
pub struct OpenGraph {
    /// Record types to synchronise first, in order; each is told by `Synchronized`.
    pub precedence: Vec<RecordType>,
    /// True to open without any traffic: the graph neither listens nor connects until told to. Default: false.
    pub offline: bool,
}
