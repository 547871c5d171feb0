//! Reaching other nodes: neighbors and direct connections.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{Call, Error, ErrorKind, Graph, Result, call::attempt, graph::GraphInner, runtime::spawn};
use crate::{
    engine::Engine,
    graph::{ConnectFailure, NeighborInfo},
    ids::{ConnectionId, NodeId, PeerId},
    limits::CONNECT_TIMEOUT,
    link::ConnectionKind,
    net::{DataLink, Delivery, Driver, Receipt, SendError},
    record::{NodeAddr, RecordType, Ticket},
    wire::Purpose,
};

/// Whom to reach.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A node at an address.
    Addr(NodeAddr),
    /// Any of several nodes, tried in turn.
    Any(Vec<NodeAddr>),
    /// A node, wherever the graph knows it to be.
    Node(NodeId),
    /// Any node of an identity, wherever the graph knows one to be.
    Peer(PeerId),
}

impl From<NodeAddr> for Target {
    fn from(addr: NodeAddr) -> Self {
        Self::Addr(addr)
    }
}

impl From<Vec<NodeAddr>> for Target {
    fn from(addrs: Vec<NodeAddr>) -> Self {
        Self::Any(addrs)
    }
}

impl From<Ticket> for Target {
    fn from(ticket: Ticket) -> Self {
        Self::Any(ticket.nodes)
    }
}

impl From<NodeId> for Target {
    fn from(node: NodeId) -> Self {
        Self::Node(node)
    }
}

impl From<PeerId> for Target {
    fn from(peer: PeerId) -> Self {
        Self::Peer(peer)
    }
}

/// A neighbor link or direct connection, as it is when asked for.
#[derive(Clone, PartialEq, Debug)]
#[doc(alias = "PEER_CONNECTION_INFO")]
pub struct ConnectionInfo {
    /// Its number on this node.
    pub connection: ConnectionId,
    /// Neighbor or direct.
    pub kind: ConnectionKind,
    /// The node at the other end.
    pub node: NodeId,
    /// Its identity.
    pub peer: PeerId,
    /// Where it says it can be dialled.
    pub addr: NodeAddr,
    /// Smoothed round-trip time, once measured.
    pub rtt: Option<Duration>,
    /// How useful its records were lately: 0 to 4,096.
    pub utility: u16,
}

impl ConnectionInfo {
    pub(super) fn neighbor(info: NeighborInfo) -> Self {
        Self::new(ConnectionKind::Neighbor, info)
    }

    pub(super) fn direct(info: NeighborInfo) -> Self {
        Self::new(ConnectionKind::Direct, info)
    }

    fn new(kind: ConnectionKind, info: NeighborInfo) -> Self {
        Self {
            connection: info.connection,
            kind,
            node: info.node,
            peer: info.peer,
            addr: info.addr,
            rtt: info.rtt,
            utility: info.utility,
        }
    }
}

/// A hop of a referral chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// How many so far, counted from 1.
    pub hop: u32,
    /// The node tried next.
    pub next: NodeId,
}

/// How to reach.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectOptions {
    /// Fail with `WrongPeer` if somebody else answers.
    pub expected_peer: Option<PeerId>,
    /// Fail with `TimedOut` after this, referrals included. Default one minute.
    pub deadline: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { expected_peer: None, deadline: CONNECT_TIMEOUT }
    }
}

/// A connect that is under way since it was asked for. Await it for its one outcome.
///
/// Dropping it cancels the connect, unless it is [`detach`](Self::detach)ed; the outcome is an event in any case.
#[must_use = "dropping it cancels the connect: await it or detach it"]
pub struct Connecting {
    progress: mpsc::UnboundedReceiver<Progress>,
    outcome: oneshot::Receiver<Result<ConnectionInfo>>,
    cancel: Option<oneshot::Sender<()>>,
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connecting")
    }
}

impl Connecting {
    pub(super) fn start(inner: &Arc<GraphInner>, target: Target, options: ConnectOptions) -> Self {
        let (progress_sender, progress) = mpsc::unbounded_channel();
        let (outcome_sender, outcome) = oneshot::channel();
        let (cancel, cancelled) = oneshot::channel();
        let reached = reach(inner, target, options, Purpose::Neighbor, progress_sender, cancelled);
        spawn(async move {
            // Nobody waits for a detached connect.
            let _ = outcome_sender.send(reached.await);
        });
        Self { progress, outcome, cancel: Some(cancel) }
    }

    /// The next hop of the referral chain; `None` when the connect is over. Only waits, for a connect that has its place
    /// in the order of the calls already.
    pub async fn progress(&mut self) -> Option<Progress> {
        self.progress.recv().await
    }

    /// Ends the connect; awaiting it gives `Cancelled`, unless it was over.
    pub fn cancel(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            let _ = cancel.send(());
        }
    }

    /// Lets the connect go on by itself; its outcome arrives as an event.
    pub fn detach(mut self) {
        if let Some(cancel) = self.cancel.take() {
            // A sender that is never dropped never cancels.
            spawn(async move {
                let mut cancel = cancel;
                cancel.closed().await;
            });
        }
    }
}

impl IntoFuture for Connecting {
    type Output = Result<ConnectionInfo>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { outcome, cancel, progress: _progress } = self;
            let result = outcome.await.unwrap_or_else(|_| Err(Error::closed()));
            drop(cancel);
            result
        })
    }
}

/// A connection to one node for application data only. Cheap to clone; stays open until closed by either end.
#[derive(Clone)]
pub struct DirectConnection {
    info: ConnectionInfo,
    data: DataLink,
    graph: Graph,
}

impl fmt::Debug for DirectConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectConnection({} to {})", self.info.connection, self.info.node.short())
    }
}

impl DirectConnection {
    /// Its number on this node.
    pub const fn id(&self) -> ConnectionId {
        self.info.connection
    }

    /// The other end, as it was when the connection was made.
    pub const fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// Sends data of a type, after what was sent before on this connection. Resolves when it is accepted for sending; a
    /// slow reader makes this wait. The receipt tells whether it was delivered. A call that is dropped while it waits
    /// sends nothing, unless it was accepted meanwhile.
    ///
    /// # Errors
    /// `TooLarge` above 16 MiB, `InvalidArgument` for a type that is no name, `NotConnected` once closed.
    pub fn send(&self, data_type: &str, data: impl Into<Bytes>) -> Call<Result<SendReceipt>> {
        send(&self.data, data_type, data.into())
    }

    /// Closes the connection for both ends, once what was sent before is written or three seconds have passed.
    ///
    /// # Errors
    /// `NotConnected` if it was closed before, `Closed`.
    #[doc(alias = "PeerGraphCloseDirectConnection")]
    pub fn close(&self) -> Call<Result<()>> {
        // The link itself ends a little later.
        self.data.refuse();
        self.graph.disconnect(self.info.connection)
    }
}

/// What became of sent data.
#[derive(Debug)]
pub struct SendReceipt(Receipt);

impl SendReceipt {
    /// Waits until the receiving node has handed the data to a subscriber (true), or found that nobody there
    /// subscribes to it (false). Only waits, for data that has its place in the order of the sends already.
    ///
    /// # Errors
    /// `NotConnected` if the connection ended before either was known.
    pub async fn delivered(self) -> Result<bool> {
        match self.0.delivered().await {
            Ok(Delivery::Delivered) => Ok(true),
            Ok(Delivery::NotTaken) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Graph {
    /// Connects to a neighbor under conditions; see [`connect`](Self::connect).
    ///
    /// # Errors
    /// When awaited, as [`connect`](Self::connect).
    pub fn connect_with(&self, target: impl Into<Target>, options: ConnectOptions) -> Connecting {
        Connecting::start(self.inner(), target.into(), options)
    }

    /// Opens a direct connection to a node or peer of the graph. The other end must have subscribed to
    /// `DirectConnection`.
    ///
    /// # Errors
    /// `DirectNotAccepted`, `NotFound` if the target has no known node, and as [`connect`](Self::connect).
    #[doc(alias = "PeerGraphOpenDirectConnection")]
    pub fn open_direct(&self, target: impl Into<Target>) -> Call<Result<DirectConnection>> {
        let (graph, reached) =
            (self.clone(), reach_for(self, target.into(), Purpose::Direct, CONNECT_TIMEOUT));
        Call::placed(async move { graph.direct_connection(reached.await?.connection).await })
    }

    /// A direct connection by its number, as an event gave it.
    ///
    /// # Errors
    /// `NotConnected`, `Closed`.
    pub fn direct_connection(&self, id: ConnectionId) -> Call<Result<DirectConnection>> {
        let graph = self.clone();
        let info = self.ask(move |engine, _| {
            let neighbors = engine.neighbors().into_iter().map(ConnectionInfo::neighbor);
            let mut all = neighbors.chain(engine.directs().into_iter().map(ConnectionInfo::direct));
            all.find(|info| info.connection == id).ok_or_else(|| not_connected(id))
        });
        Call::placed(async move {
            let info = info.await?;
            let data = graph.inner().port.data_link(id).ok_or_else(|| not_connected(id))?;
            Ok(DirectConnection { info, data, graph })
        })
    }

    /// Sends data of a type on a neighbor link or direct connection; see [`DirectConnection::send`].
    ///
    /// # Errors
    /// As [`DirectConnection::send`].
    #[doc(alias = "PeerGraphSendData")]
    pub fn send(
        &self,
        id: ConnectionId,
        data_type: &str,
        data: impl Into<Bytes>,
    ) -> Call<Result<SendReceipt>> {
        let link = attempt!(self.inner().port.data_link(id).ok_or_else(|| not_connected(id)));
        send(&link, data_type, data.into())
    }
}

/// The addresses behind a target, this node's own ones included so that the engine can refuse them.
fn resolve(target: Target, engine: &Engine) -> Result<Vec<NodeAddr>> {
    let (node, peer) = match target {
        Target::Addr(addr) => return Ok(vec![addr]),
        Target::Any(nodes) if nodes.is_empty() => {
            let message =
                "the ticket does not name any node to connect to: it was made before its graph was listening";
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        Target::Any(nodes) => return Ok(nodes),
        Target::Node(node) => (Some(node), None),
        Target::Peer(peer) => (None, Some(peer)),
    };
    let found = engine.addresses_of(node, peer);
    match (found.is_empty(), node) {
        (false, _) => Ok(found),
        // Lookup may know a node that the graph does not.
        (true, Some(node)) => Ok(vec![NodeAddr::new(node)]),
        (true, None) => Err(Error::new(ErrorKind::NotFound, "no node of this identity is known")),
    }
}

/// Reaches somebody for a purpose, without conditions.
pub(super) fn reach_for(
    graph: &Graph,
    target: Target,
    purpose: Purpose,
    deadline: Duration,
) -> impl Future<Output = Result<ConnectionInfo>> + Send + use<> {
    let (progress, _) = mpsc::unbounded_channel();
    let (keep, never) = oneshot::channel();
    let options = ConnectOptions { deadline, ..ConnectOptions::default() };
    let reached = reach(graph.inner(), target, options, purpose, progress, never);

    async move {
        let _keep = keep;
        reached.await
    }
}

fn reach(
    graph: &Arc<GraphInner>,
    target: Target,
    options: ConnectOptions,
    purpose: Purpose,
    progress: mpsc::UnboundedSender<Progress>,
    mut cancelled: oneshot::Receiver<()>,
) -> impl Future<Output = Result<ConnectionInfo>> + Send + use<> {
    let kind = match purpose {
        Purpose::Direct => ConnectionKind::Direct,
        Purpose::Neighbor | Purpose::Probe | Purpose::Join => ConnectionKind::Neighbor,
    };
    let ConnectOptions { expected_peer, deadline } = options;
    let driver = graph.driver.clone();
    let options = crate::graph::ConnectOptions { expected_peer, deadline, purpose };
    let begun = driver.connect(move |engine| resolve(target, engine), options);
    async move {
        let mut watch = begun.await??;
        loop {
            tokio::select! {
                biased;
                Some((hop, next)) = watch.progress.recv() => {
                    // The caller may not care for progress.
                    let _ = progress.send(Progress { hop, next });
                }
                outcome = &mut watch.outcome => {
                    return told(&driver, kind, outcome);
                }
                _ = &mut cancelled => {
                    let id = watch.id;
                    driver.tell(move |engine, now| engine.cancel_connect(now, id))?;
                    // What was decided before the cancel arrived still counts.
                    return told(&driver, kind, watch.outcome.await);
                }
            }
        }
    }
}

/// What a connect came to; the channel breaks when the graph closes.
fn told(
    driver: &Driver,
    kind: ConnectionKind,
    outcome: std::result::Result<
        std::result::Result<NeighborInfo, ConnectFailure>,
        oneshot::error::RecvError,
    >,
) -> Result<ConnectionInfo> {
    Ok(ConnectionInfo::new(kind, outcome.map_err(|_| driver.gone())??))
}

fn send(link: &DataLink, data_type: &str, data: Bytes) -> Call<Result<SendReceipt>> {
    let data_type = attempt!(RecordType::new(data_type));
    let sent = link.send(data_type, data);
    Call::placed(async move { Ok(SendReceipt(sent.await?)) })
}

pub(super) fn not_connected(id: ConnectionId) -> Error {
    Error::new(ErrorKind::NotConnected, format!("there is no connection {id}"))
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::TooLarge { .. } => ErrorKind::TooLarge,
            SendError::Closed => ErrorKind::NotConnected,
        };
        Self::new(kind, error.to_string())
    }
}
