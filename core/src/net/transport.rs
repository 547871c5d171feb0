//! All connections of a node, and each graph's door to them.

use std::{
    collections::HashMap,
    fmt,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use iroh::{Endpoint, Watcher, endpoint::Connection, metrics::EndpointMetrics};
use tokio::{
    runtime::Handle,
    sync::watch,
    task::{AbortHandle, JoinHandle},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    DataLink, NetConfig, NetError,
    admission::{Admission, SetUps, Visit, accept, source_of},
    connection::{NO_REASON, Peer},
    data_pool::DataPool,
    endpoint::{address, bind, dialable, node_id, widen},
    link::LinkHandle,
    room::{Charge, GraphRoom},
    setup,
};
use crate::{
    events::Hub,
    ids::{ConnectionId, GraphId, LinkId, NodeId},
    io::{Input, Output},
    ledger::Source,
    limits::{CLOSE_TIMEOUT, DIAL_TIMEOUT, LAST_WORDS, SOCKET_POLL, SOCKET_TIMEOUT},
    link::{DialId, FailureReason},
    record::{GraphSecret, NodeAddr},
    wire::ALPN,
};

/// Something for a graph's engine, with what it costs until it is taken in.
#[derive(Debug)]
pub struct Inbound {
    /// What happened.
    pub input: Input,
    /// Held while the input waits: bounds what links can have waiting.
    pub charge: Option<Charge>,
}

/// Where a graph's inputs go. Must not wait.
pub trait Inbox: Send + Sync {
    /// Takes an input.
    fn input(&self, input: Inbound);
}

/// One graph as the transport knows it.
pub(super) struct GraphEntry {
    pub(super) secret: GraphSecret,
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) max_record: Arc<AtomicUsize>,
    pub(super) hub: Arc<Hub>,
    pub(super) room: GraphRoom,
    pub(super) setups: Arc<SetUps>,
    links: Mutex<HashMap<LinkId, Arc<LinkHandle>>>,
    data: Mutex<HashMap<ConnectionId, DataLink>>,
    dials: Mutex<HashMap<DialId, AbortHandle>>,
    pub(super) id: GraphId,
    /// Links that the engine has closed and that still write out.
    pub(super) finishing: AtomicUsize,
}

/// All connections of a node.
pub struct Transport {
    /// Gone when the transport is closed: handles that live on hold no socket.
    endpoint: Mutex<Option<Endpoint>>,
    metrics: EndpointMetrics,
    graphs: Mutex<HashMap<GraphId, Arc<GraphEntry>>>,
    peers: Mutex<HashMap<NodeId, Vec<Arc<Peer>>>>,
    next_link: AtomicU64,
    addr: watch::Sender<NodeAddr>,
    pub(super) admission: Arc<Admission>,
    pub(super) data_pool: Arc<DataPool>,
    tasks: TaskTracker,
    /// The graph threads spawn too, and have no runtime of their own.
    runtime: Handle,
    pub(super) stopping: CancellationToken,
}

/// One graph's door to the network.
#[derive(Clone)]
pub struct GraphPort {
    transport: Arc<Transport>,
    entry: Arc<GraphEntry>,
}

impl fmt::Debug for GraphPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GraphPort({})", self.entry.id.short())
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport({})", self.addr.borrow().node.short())
    }
}

impl Transport {
    /// Binds the sockets and begins to accept.
    ///
    /// # Errors
    /// [`NetError`].
    pub async fn start(config: NetConfig) -> Result<Arc<Self>, NetError> {
        let endpoint = bind(&config).await?;
        let transport = Arc::new(Self {
            addr: watch::Sender::new(address(&endpoint)),
            metrics: endpoint.metrics().clone(),
            endpoint: Mutex::new(Some(endpoint)),
            graphs: Mutex::default(),
            peers: Mutex::default(),
            next_link: AtomicU64::new(1),
            admission: Admission::new(),
            data_pool: DataPool::new(),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            stopping: CancellationToken::new(),
        });
        transport.spawn(accept(transport.clone()));
        transport.spawn(Self::watch(transport.clone()));
        Ok(transport)
    }

    /// Where this node can be dialled.
    pub fn addr(&self) -> NodeAddr {
        self.addr.borrow().clone()
    }

    /// Follows where this node can be dialled.
    pub fn watch_addr(&self) -> watch::Receiver<NodeAddr> {
        self.addr.subscribe()
    }

    /// The bound sockets; none once it is closed.
    pub fn bound(&self) -> Vec<SocketAddr> {
        self.endpoint().map(|endpoint| endpoint.bound_sockets()).unwrap_or_default()
    }

    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        lock(&self.endpoint).clone()
    }

    /// Bytes of UDP payload sent and received since the start.
    pub fn traffic(&self) -> (u64, u64) {
        let socket = &self.metrics.socket;
        (
            socket.send_ipv4.get() + socket.send_ipv6.get() + socket.send_relay.get(),
            socket.recv_data_ipv4.get() + socket.recv_data_ipv6.get() + socket.recv_data_relay.get(),
        )
    }

    /// Lets a graph use the connections.
    pub fn register(
        self: &Arc<Self>,
        id: GraphId,
        secret: GraphSecret,
        inbox: Arc<dyn Inbox>,
        max_record: Arc<AtomicUsize>,
        hub: Arc<Hub>,
    ) -> GraphPort {
        let entry = Arc::new(GraphEntry {
            id,
            secret,
            inbox,
            max_record,
            hub,
            room: GraphRoom::new(),
            setups: SetUps::new(),
            links: Mutex::default(),
            data: Mutex::default(),
            dials: Mutex::default(),
            finishing: AtomicUsize::new(0),
        });
        lock(&self.graphs).insert(id, entry.clone());
        GraphPort { transport: self.clone(), entry }
    }

    /// Looks at the network anew.
    pub async fn network_changed(&self) {
        if let Some(endpoint) = self.endpoint() {
            endpoint.network_change().await;
        }
    }

    /// Closes all connections; links must have ended before, or end now.
    pub fn drop_connections(&self) {
        for peer in lock(&self.peers).values().flatten() {
            peer.connection.close(NO_REASON, b"");
        }
    }

    /// Closes everything, waits until all tasks have ended, and lets go of the sockets.
    pub async fn close(&self) {
        let patience = self.patience();
        self.stopping.cancel();
        let bound = self.bound();
        if let Some(endpoint) = self.endpoint() {
            let _ = timeout(patience, endpoint.close()).await;
        }
        self.tasks.close();
        if timeout(CLOSE_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!("network tasks did not end in time");
        }
        // The sockets are closed with the last that knows of them.
        lock(&self.graphs).clear();
        lock(&self.peers).clear();
        lock(&self.endpoint).take();
        // The network library ends some of its tasks a moment after it says that it is closed.
        let free = async {
            while bound.iter().any(|addr| is_taken(*addr)) {
                tokio::time::sleep(SOCKET_POLL).await;
            }
        };
        let _ = timeout(SOCKET_TIMEOUT, free).await;
    }

    /// How many graphs and connections there are.
    pub fn census(&self) -> (usize, usize) {
        (lock(&self.graphs).len(), lock(&self.peers).values().map(Vec::len).sum())
    }

    /// How long connected nodes may take to hear that their connections are closed. A dial that nobody answers is a
    /// connection too, for QUIC, which would wait three seconds for an answer to its end.
    fn patience(&self) -> Duration {
        let peers = lock(&self.peers);
        let slowest = peers.values().flatten().map(|peer| peer.rtt()).max();
        (LAST_WORDS + 4 * slowest.unwrap_or_default()).min(CLOSE_TIMEOUT)
    }

    /// Runs a task until it ends or the transport is closed.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let stopping = self.stopping.clone();
        let task = async move {
            tokio::select! {
                () = task => {}
                () = stopping.cancelled() => {}
            }
        };
        self.track(task).abort_handle()
    }

    /// Runs a task to its end, which the closing transport waits for.
    pub(super) fn track(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.tasks.spawn_on(task, &self.runtime)
    }

    pub(super) fn new_link_id(&self) -> LinkId {
        LinkId(self.next_link.fetch_add(1, Ordering::Relaxed))
    }

    /// The graph whose secret a hello proves, trying all in the same time.
    pub(super) fn find_graph(&self, proves: impl Fn(&GraphSecret) -> bool) -> Option<Arc<GraphEntry>> {
        let graphs: Vec<_> = lock(&self.graphs).values().cloned().collect();
        graphs.into_iter().fold(None, |found, graph| if proves(&graph.secret) { Some(graph) } else { found })
    }

    pub(super) fn forget_peer(&self, peer: &Arc<Peer>) {
        let mut peers = lock(&self.peers);
        if let Some(all) = peers.get_mut(&peer.node) {
            all.retain(|other| !Arc::ptr_eq(other, peer));
            if all.is_empty() {
                peers.remove(&peer.node);
            }
        }
    }

    /// A connection to a node: one that is there, or a new one. True if it was there.
    pub(super) async fn reach(self: &Arc<Self>, addr: &NodeAddr) -> Result<(Arc<Peer>, bool), FailureReason> {
        let open = |peer: &&Arc<Peer>| peer.connection.close_reason().is_none();
        if let Some(peer) = lock(&self.peers).get(&addr.node).and_then(|all| all.iter().find(open)) {
            return Ok((peer.clone(), true));
        }
        let target = dialable(addr).ok_or(FailureReason::Unreachable)?;
        let endpoint = self.endpoint().ok_or(FailureReason::Unreachable)?;
        match timeout(DIAL_TIMEOUT, endpoint.connect(target, ALPN)).await {
            Ok(Ok(connection)) => {
                let source = source_of(&connection);
                Ok((self.adopt(connection, source, None), false))
            }
            Ok(Err(error)) => {
                tracing::debug!(node = %addr.node.short(), %error, "a dial failed");
                Err(setup::not_reached(&error))
            }
            Err(_) => Err(FailureReason::Unreachable),
        }
    }

    pub(super) fn adopt(
        self: &Arc<Self>,
        connection: Connection,
        source: Source,
        visit: Option<Visit>,
    ) -> Arc<Peer> {
        let peer = Arc::new(Peer::new(node_id(connection.remote_id()), connection, source, visit));
        lock(&self.peers).entry(peer.node).or_default().push(peer.clone());
        let (transport, serving) = (self.clone(), peer.clone());
        self.spawn(async move { serving.serve(transport).await });
        peer
    }

    /// Follows the endpoint's addresses.
    async fn watch(self: Arc<Self>) {
        let Some(endpoint) = self.endpoint() else { return };
        let mut changes = endpoint.watch_addr();
        while changes.updated().await.is_ok() {
            let now = address(&endpoint);
            self.addr.send_if_modified(|addr| {
                let changed = *addr != now;
                *addr = now;
                changed
            });
        }
    }
}

impl GraphEntry {
    pub(super) fn tell(&self, input: Input) {
        self.inbox.input(Inbound { input, charge: None });
    }

    pub(super) fn add_link(&self, link: Arc<LinkHandle>) {
        lock(&self.links).insert(link.id, link);
    }

    pub(super) fn link(&self, id: LinkId) -> Option<Arc<LinkHandle>> {
        lock(&self.links).get(&id).cloned()
    }

    /// Forgets a link; true if it was there.
    pub(super) fn remove_link(&self, link: &LinkHandle) -> bool {
        let removed = lock(&self.links).remove(&link.id).is_some();
        if let Some(data) = link.data() {
            lock(&self.data).retain(|_, other| !other.is_same(&data));
        }
        removed
    }
}

impl GraphPort {
    /// Carries out what the engine wants.
    pub fn perform(&self, output: Output) {
        match output {
            Output::Dial { dial, addr } => self.dial(dial, addr),
            Output::CancelDial(dial) => {
                if let Some(task) = lock(&self.entry.dials).remove(&dial) {
                    task.abort();
                }
            }
            Output::Send { link, stream, frame, confirm } => {
                if let Some(link) = self.entry.link(link) {
                    link.set_up(None);
                    link.send(&self.transport, stream, (frame, confirm));
                }
            }
            Output::LinkReady { link, connection, kind, node, peer } => {
                if let Some(link) = self.entry.link(link) {
                    widen(&link.peer.connection);
                    let data = DataLink::start(&self.transport, &link, connection, kind, node, peer);
                    lock(&self.entry.data).insert(connection, data.clone());
                    link.set_data(data);
                }
            }
            Output::Close { link, abort } => {
                if let Some(link) = self.entry.link(link) {
                    self.entry.remove_link(&link);
                    match abort {
                        true => link.abort(&self.transport),
                        false => link.finish(&self.transport),
                    }
                }
            }
        }
    }

    /// Runs a piece of work on a thread of the runtime.
    pub(super) fn run(&self, work: impl FnOnce() + Send + 'static) {
        self.transport.runtime.spawn(async move { work() });
    }

    /// The data plane of a neighbor link or direct connection.
    pub fn data_link(&self, connection: ConnectionId) -> Option<DataLink> {
        lock(&self.entry.data).get(&connection).cloned()
    }

    /// Takes the graph off the network at once.
    pub fn unregister(&self) {
        let mut graphs = lock(&self.transport.graphs);
        if graphs.get(&self.entry.id).is_some_and(|known| Arc::ptr_eq(known, &self.entry)) {
            graphs.remove(&self.entry.id);
        }
    }

    /// Takes the graph off the network at once, with all its links, and ends its subscriptions: its thread is no more.
    pub(super) fn abort(&self) {
        self.unregister();
        for (_, task) in lock(&self.entry.dials).drain() {
            task.abort();
        }
        let links: Vec<_> = lock(&self.entry.links).drain().map(|(_, link)| link).collect();
        for link in &links {
            self.entry.remove_link(link);
            link.abort(&self.transport);
        }
        self.entry.hub.close();
    }

    /// Takes the graph off the network: what was sent is written out first.
    pub async fn close(&self) {
        self.unregister();
        for (_, task) in lock(&self.entry.dials).drain() {
            task.abort();
        }
        let links: Vec<_> = lock(&self.entry.links).drain().map(|(_, link)| link).collect();
        for link in &links {
            self.entry.remove_link(link);
            link.finish(&self.transport);
        }
        self.written_out().await;
    }

    /// Waits until the goodbyes of links that the engine closed have been heard, or will not be.
    pub async fn written_out(&self) {
        let written = async {
            while self.entry.finishing.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let _ = timeout(CLOSE_TIMEOUT, written).await;
    }

    fn dial(&self, dial: DialId, addr: NodeAddr) {
        let (transport, entry) = (self.transport.clone(), self.entry.clone());
        let task = self.transport.spawn(async move {
            let attempt = async {
                let (peer, was_there) = transport.reach(&addr).await?;
                let outcome = setup::dial(&transport, &entry, &peer, dial).await;
                // The other end may have closed just then what had no link.
                if outcome.is_err() && was_there && peer.connection.close_reason().is_some() {
                    let (peer, _) = transport.reach(&addr).await?;
                    return setup::dial(&transport, &entry, &peer, dial).await;
                }
                outcome
            };
            let outcome = timeout(DIAL_TIMEOUT, attempt).await.unwrap_or(Err(FailureReason::Unreachable));
            lock(&entry.dials).remove(&dial);
            if let Err(why) = outcome {
                entry.tell(Input::DialFailed { dial, why });
            }
        });
        let mut dials = lock(&self.entry.dials);
        dials.retain(|_, task| !task.is_finished());
        dials.insert(dial, task);
    }
}

/// True if somebody has a socket there: we, or already the next.
fn is_taken(addr: SocketAddr) -> bool {
    UdpSocket::bind(addr).is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
