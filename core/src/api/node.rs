//! A node: one running instance, its identity, and the graphs open in it.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use super::{
    ApiVersion, Call, CreateGraph, Error, ErrorKind, Graph, GraphRef, Identities, JoinGraph, NodeConfig,
    OpenGraph, Result, Target,
    call::attempt,
    closing::Expected,
    entering::Entering,
    graph::GraphInner,
    identity_store::IdentityStore,
    keys::DataDir,
    making::{Made, Undo},
    opening::{Guard, Opening},
    runtime::{blocking, on_task, spawn},
    starting::Parts,
};
use crate::{
    crypto::{self, SecretKey},
    ids::{GraphId, NodeId, PeerId},
    net::{Clock, Transport},
    record::{Genesis, GraphSecret, NodeAddr, PropertiesError},
};

/// One running instance: an endpoint with its own key, acting for an identity.
///
/// Cheap to clone. The node ends with [`shutdown`](Self::shutdown), or when the last clone is dropped; then all its
/// graphs are closed and their event streams end, whoever still holds them.
pub struct Node {
    pub(super) inner: Arc<NodeInner>,
}

pub(crate) struct NodeInner {
    pub(super) config: NodeConfig,
    pub(super) identities: IdentityStore,
    pub(super) node: NodeId,
    /// Signs the node's presence in each graph.
    pub(super) node_key: SecretKey,
    pub(super) dir: Option<DataDir>,
    pub(super) transport: Arc<Transport>,
    pub(super) clock: Clock,
    graphs: Mutex<BTreeMap<GraphId, Arc<GraphInner>>>,
    /// See [`enter`](Self::enter).
    pub(super) opening: Arc<tokio::sync::Mutex<()>>,
    /// What callers may not have taken yet.
    pub(super) made: Mutex<Vec<Made>>,
    /// Groups that calls are about to open.
    pub(super) expected: Expected,
    pub(super) closed: AtomicBool,
    /// Changes under `opening` only.
    pub(super) paused: AtomicBool,
    /// How often `resume` was called.
    pub(super) resumes: AtomicUsize,
    handles: AtomicUsize,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.inner.node.short())
    }
}

impl fmt::Debug for NodeInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.node.short())
    }
}

impl Clone for Node {
    fn clone(&self) -> Self {
        self.inner.handles.fetch_add(1, Ordering::Relaxed);
        Self { inner: self.inner.clone() }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.inner.handles.fetch_sub(1, Ordering::AcqRel) == 1 && !self.inner.is_closed() {
            spawn(self.inner.clone().ending());
        }
    }
}

impl Node {
    /// Opens a node on a data directory, which is made on first use with fresh keys. A relative path is one of the
    /// directory that is current when this is called.
    ///
    /// A directory that is there stays as it is, whoever it belongs to; what is made in it is for this user alone.
    ///
    /// # Errors
    /// `DirectoryInUse` if another node owns the directory, `KeyAccess` if its keys are sealed or not readable for
    /// this user, `Storage` or `Damaged` if it cannot be used (the [`path`](Error::path) says what), `Network` if a
    /// socket could not be bound (the [`address`](Error::address) says which, if it was asked for).
    pub fn open(data_dir: impl Into<PathBuf>) -> impl Future<Output = Result<Self>> + Send {
        Self::start(NodeConfig::default().at(data_dir))
    }

    /// Opens a node in memory: fresh keys, nothing is kept. Begins when it is awaited, as [`start`](Self::start).
    ///
    /// # Errors
    /// `Network` if no socket could be bound.
    pub async fn in_memory() -> Result<Self> {
        Self::start(NodeConfig::default()).await
    }

    /// Opens a node. If the future is dropped before it is done, nothing stays open: the next start at the same
    /// directory or port waits until that is so.
    ///
    /// It begins when it is awaited, and has no place in the order of [`Call`]s: until it is done there is no node to
    /// call. A start at the directory or port of a node whose shutdown was called before waits for the end of that.
    ///
    /// # Errors
    /// As [`open`](Self::open), `UnsupportedVersion` if the configuration asks for another version, and
    /// `InvalidArgument` if it wants sealed databases with plain keys.
    #[doc(alias = "PeerGraphStartup")]
    pub fn start(mut config: NodeConfig) -> impl Future<Output = Result<Self>> + Send + use<> {
        // What a relative path means is settled now: the current directory may be another one later.
        let dir = config.data_dir.take().map(|dir| super::files::absolute(&dir)).transpose();
        async move {
            config.data_dir = dir?;
            if !ApiVersion::CURRENT.supports(config.version) {
                let ApiVersion { major, minor } = config.version;
                let message = format!("this library has interface 0.1, not {major}.{minor}");
                return Err(Error::new(ErrorKind::UnsupportedVersion, message));
            }
            if config.data_dir.is_some() {
                config.key_protection = std::mem::take(&mut config.key_protection).ask().await?;
            }
            super::starting::start(config).await
        }
    }

    pub(super) fn of(inner: NodeInner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// This node's id.
    pub fn id(&self) -> NodeId {
        self.inner.node
    }

    /// The identity this node acts for.
    pub fn peer_id(&self) -> PeerId {
        self.inner.identities.own().peer_id()
    }

    /// The identities of this node: its own and those made or imported here.
    pub fn identities(&self) -> Identities {
        Identities::new(self.inner.clone())
    }

    /// Where this node can be dialled.
    pub fn addr(&self) -> NodeAddr {
        self.inner.transport.addr()
    }

    /// The UDP sockets that serve all graphs, with the ports that were picked.
    pub fn bound(&self) -> Vec<SocketAddr> {
        self.inner.transport.bound()
    }

    /// What this node holds: for tests, which look for what is left behind.
    #[doc(hidden)]
    pub fn census(&self) -> Census {
        let (registered, connections) = self.inner.transport.census();
        Census { open: self.inner.graphs().len(), registered, connections }
    }

    /// What this node has sent and received so far, for all graphs together.
    pub fn metrics(&self) -> Metrics {
        let (bytes_sent, bytes_received) = self.inner.transport.traffic();
        Metrics { bytes_sent, bytes_received }
    }

    /// Makes a graph: its id, its secret, its database, its properties. No traffic yet; others can come once it
    /// listens.
    ///
    /// # Errors
    /// `InvalidArgument` or `TooLarge` for a property out of bounds, `AlreadyExists` if this very graph (same seed)
    /// is here already, `IdentityDeleted` if the node's identity was, `Storage`.
    #[doc(alias = "PeerGraphCreate")]
    pub fn create_graph(&self, options: impl Into<CreateGraph>) -> Call<Result<Graph>> {
        let options = options.into();
        attempt!(options.properties.check());
        self.inner.make(|node| node.create_graph(options), Graph::new)
    }

    /// Behaves as if this machine's clock were off by so many milliseconds, positive if ahead, from now on. For tests:
    /// there only with the feature `sim`, and no part of what is kept stable.
    #[cfg(feature = "sim")]
    #[doc(hidden)]
    pub fn set_clock_off(&self, milliseconds: i64) {
        self.inner.clock.set_off(milliseconds);
    }

    /// Comes back to a graph that is here: it listens at once and dials the nodes that are known, in the background. It
    /// waits for nobody: if nobody is there, it connects by itself when somebody is. `StatusChanged` tells. A graph that
    /// is open already is handed out again. With `offline` there is no traffic until it is told to listen or connect.
    ///
    /// A ticket opens a graph that was never here as well, without traffic; see [`join`](Self::join).
    ///
    /// # Errors
    /// `UnknownGraph` for an id without a database, `InvalidArgument` if it is here as another identity's,
    /// `IdentityDeleted` if the node's identity was, `Damaged` if the file is not this graph's, `Storage`.
    #[doc(alias = "PeerGraphOpen")]
    pub fn open_graph(&self, graph: impl Into<GraphRef>, options: OpenGraph) -> Call<Result<Graph>> {
        let (id, secret) = match graph.into() {
            GraphRef::Id(id) => (id, None),
            GraphRef::Ticket(ticket) => (ticket.graph, Some(ticket.secret)),
        };
        self.inner.make(move |node| node.open_graph(id, secret, options), Graph::new)
    }

    /// Opens the graph of a ticket, connects to it, waits until it is synchronised, and listens: one call from a
    /// ticket to a member of the graph. [`JoinGraph`] says more, as who is told of progress.
    ///
    /// With a database from before, nobody needs to be there: the graph then listens alone and connects when it can.
    ///
    /// # Errors
    /// As [`open_graph`](Self::open_graph) and [`Graph::connect`]; on a first join also `TimedOut` if nothing of the
    /// database came for 30 seconds. What came is kept, and the next join goes on from there.
    pub fn join(&self, join: impl Into<JoinGraph>) -> Call<Result<Graph>> {
        let JoinGraph { ticket, deadline, on_progress } = join.into();
        let (node, entered) = (self.inner.clone(), self.inner.enter());
        // Who stops waiting drops the attempt, which ends it.
        let opened = on_task(async move {
            let _guard = entered.await;
            let identity = node.identities.own().secret()?;
            let secret = Some(ticket.secret);
            let opening = Opening { secret, ..Opening::of(ticket.graph, Guard::Ticket, identity) };
            Ok((node.open_to_join(opening).await?, ticket.nodes))
        });
        Call::placed(async move {
            let (attempt, nodes) = opened.await?;
            let graph = attempt.graph().clone();
            let how = Entering { until: Instant::now() + deadline, on_progress: on_progress.as_ref() };
            let entered = async { graph.try_enter(Target::Any(graph.with_known(nodes).await?), &how).await };
            match entered.await {
                Ok(()) => {
                    attempt.done();
                    Ok(graph)
                }
                Err(error) => {
                    attempt.over().await;
                    Err(error)
                }
            }
        })
    }

    /// The graphs that are open in this node. Not those whose close was called.
    pub fn open_graphs(&self) -> Vec<Graph> {
        let open: Vec<_> = self.inner.graphs().values().cloned().collect();
        let wanted =
            |graph: &Arc<GraphInner>| !graph.closing.is_called() && !self.inner.is_unwanted(&graph.id);
        open.into_iter().filter(wanted).map(Graph::new).collect()
    }

    /// The graphs that have a database here, open or not. Not those whose join was cut off before all of it had come:
    /// they are joined again, or deleted.
    pub fn stored_graphs(&self) -> Vec<GraphId> {
        let mut graphs = self.inner.dir.as_ref().map(DataDir::graphs).unwrap_or_default();
        graphs.retain(|graph| !self.inner.is_unwanted(graph));
        // One that cannot be read says so when it is opened.
        graphs.retain(|id| self.inner.stored_join(*id).map_or(true, |join| join.is_none()));
        graphs
    }

    /// Deletes a graph's database here. The graph lives on at the others.
    ///
    /// # Errors
    /// `GraphInUse` while it is open, `UnknownGraph` if it is not here, `Storage`.
    #[doc(alias = "PeerGraphDelete")]
    pub fn delete_graph(&self, graph: GraphId) -> Call<Result<()>> {
        let (node, entered) = (self.inner.clone(), self.inner.enter());
        on_task(async move {
            let _guard = entered.await;
            node.delete(graph).await
        })
    }

    /// Carries out the calls made before, closes all graphs with their goodbyes, makes everything durable, and lets go of the socket and the data
    /// directory, whatever handles are still alive. For all clones; repeated calls wait for the first.
    #[doc(alias = "PeerGraphShutdown")]
    pub fn shutdown(&self) -> Call<()> {
        // On its own task: a caller that stops waiting does not stop it half way.
        let ended = spawn(self.inner.clone().ending());
        Call::placed(async move { drop(ended.await) })
    }
}

/// Goes online with a graph that has a database, if it is to.
fn come_back(graph: &GraphInner, offline: bool) -> Result<()> {
    if offline {
        return Ok(());
    }
    let told = graph.driver.tell(|engine, now| {
        if engine.is_usable() {
            engine.go_online(now);
        }
    });
    graph.unless_closed(told.map_err(Error::from))
}

/// Counters of a node since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metrics {
    /// Bytes of UDP payload sent.
    pub bytes_sent: u64,
    /// Bytes of UDP payload received.
    pub bytes_received: u64,
}

/// What a node holds.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Graphs that are open.
    pub open: usize,
    /// Graphs that the network knows.
    pub registered: usize,
    /// Connections to nodes.
    pub connections: usize,
}

impl NodeInner {
    pub(super) fn new(parts: Parts, transport: Arc<Transport>) -> Self {
        let Parts { config, dir, identities, key } = parts;
        Self {
            config,
            identities,
            node: key.node(),
            node_key: key,
            dir,
            transport,
            clock: Clock::new(),
            graphs: Mutex::default(),
            opening: Arc::default(),
            made: Mutex::default(),
            expected: Expected::default(),
            closed: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            resumes: AtomicUsize::new(0),
            handles: AtomicUsize::new(1),
        }
    }

    async fn create_graph(self: Arc<Self>, options: CreateGraph) -> Result<(Arc<GraphInner>, Undo)> {
        let identity = self.identities.own().secret()?;
        let seed = options.seed.unwrap_or_else(rand::random);
        let nonce = crypto::hash("peergraph v1 graph nonce", &[&seed])[..16].try_into().expect("16 bytes");
        let genesis = Genesis { max_record: options.max_record, ..Genesis::new(identity.peer(), nonce) };
        if !genesis.is_sound() {
            return Err(PropertiesError::MaxRecord(options.max_record).into());
        }
        let secret = GraphSecret::from_bytes(crypto::hash("peergraph v1 graph secret", &[&seed]));
        let id = genesis.id();
        if self.find_open(&id).await.is_some() || self.is_here(&id) {
            let message = format!("graph {} already exists on this node", id.short());
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        let opening = Opening {
            id,
            guard: Guard::Ticket,
            identity,
            secret: Some(secret),
            genesis: Some(genesis),
            found: Some(options.properties),
            precedence: options.precedence,
            joining: false,
        };
        Ok((self.add(GraphInner::open(&self, opening).await?), Undo::Graph(id)))
    }

    async fn open_graph(
        self: Arc<Self>,
        id: GraphId,
        secret: Option<GraphSecret>,
        options: OpenGraph,
    ) -> Result<(Arc<GraphInner>, Undo)> {
        if let Some(graph) = self.find_open(&id).await {
            if graph.is_group() {
                return Err(super::joining::is_a_group());
            }
            graph.for_join.store(false, Ordering::Release);
            come_back(&graph, options.offline)?;
            return Ok((graph, Undo::Open(id)));
        }
        let here = self.is_here(&id);
        if secret.is_none() && !here {
            let message =
                format!("there is no database of graph {} on this node, and no ticket was given", id.short());
            return Err(Error::new(ErrorKind::UnknownGraph, message));
        }
        if secret.is_none() {
            let node = self.clone();
            blocking(move || node.check_whole(id)).await?;
        }
        let identity = self.identities.own().secret()?;
        let opening =
            Opening { secret, precedence: options.precedence, ..Opening::of(id, Guard::Ticket, identity) };
        let graph = self.add(GraphInner::open(&self, opening).await?);
        let undo = if here { Undo::Open(id) } else { Undo::Graph(id) };
        match come_back(&graph, options.offline) {
            Ok(()) => Ok((graph, undo)),
            Err(error) => {
                self.undo(undo).await;
                Err(error)
            }
        }
    }

    /// While nothing else is opened.
    pub(super) async fn delete(self: Arc<Self>, graph: GraphId) -> Result<()> {
        self.check_open()?;
        if self.find_open(&graph).await.is_some() {
            return Err(Error::new(ErrorKind::GraphInUse, "the graph is open; close it before deleting it"));
        }
        blocking(move || match &self.dir {
            Some(dir) if dir.has(&graph) => dir.delete(&graph),
            _ => Err(Error::new(
                ErrorKind::UnknownGraph,
                format!("there is no database of graph {} on this node", graph.short()),
            )),
        })
        .await
    }

    pub(super) fn is_here(&self, id: &GraphId) -> bool {
        self.graphs().contains_key(id) || self.dir.as_ref().is_some_and(|dir| dir.has(id))
    }

    pub(super) fn add(&self, inner: Arc<GraphInner>) -> Arc<GraphInner> {
        self.graphs().insert(inner.id, inner.clone());
        inner
    }

    pub(super) fn find(&self, id: &GraphId) -> Option<Arc<GraphInner>> {
        self.graphs().get(id).cloned()
    }

    pub(super) fn graphs(&self) -> MutexGuard<'_, BTreeMap<GraphId, Arc<GraphInner>>> {
        self.graphs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn check_open(&self) -> Result<()> {
        if self.is_closed() { Err(Error::closed()) } else { Ok(()) }
    }

    /// Runs a blocking closure while no graph opens or closes for good and no identity changes. It runs to its end even
    /// if the caller stops waiting.
    pub(super) fn exclusive<T: Send + 'static>(
        self: &Arc<Self>,
        f: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Call<Result<T>> {
        self.exclusive_of(None, f)
    }

    /// The same, after the ends of the closes that were called before, of graphs of this identity.
    pub(super) fn exclusive_of<T: Send + 'static>(
        self: &Arc<Self>,
        peer: Option<PeerId>,
        f: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Call<Result<T>> {
        let (node, entered) = (self.clone(), self.enter());
        on_task(async move {
            let _guard = entered.await;
            node.check_open()?;
            if let Some(peer) = peer {
                node.finish_closes(peer).await;
            }
            let inner = node.clone();
            blocking(move || f(&inner)).await
        })
    }
}
