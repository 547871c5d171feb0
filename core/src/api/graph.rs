//! A graph: the calls of an application.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    Call, ConnectionInfo, Error, ErrorKind, EventStream, Result,
    call::attempt,
    connection::{Connecting, Target},
    node::NodeInner,
};
use crate::{
    engine::{Engine, Feed, ListingId, PublishError, Stamper},
    events::{Cursor, EventFilter, Hub, NodeInfo, Status, SubscribeOptions},
    ids::{ConnectionId, GraphId, NodeId, PeerId},
    net::{Driver, Gone, GraphPort},
    record::{Genesis, GraphProperties, GraphSecret, NodeAddr, Ticket},
    records::Reader,
    time::Timestamp,
};

/// Whether a database was there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OpenOutcome {
    /// A new, empty one was made.
    Created,
    /// One from before was found.
    Existing,
}

/// What `listen` did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ListenOutcome {
    /// The graph listens now.
    Started,
    /// It did already.
    AlreadyListening,
}

/// New values for changeable properties; `None` leaves one as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PropertiesUpdate {
    /// Friendly name, at most 255 bytes.
    pub name: Option<String>,
    /// Comment, at most 512 bytes.
    pub comment: Option<String>,
    /// How long a presence record lives unless refreshed; 5 minutes to 7 days.
    pub presence_lifetime: Option<Duration>,
    /// How many nodes publish their presence; `Some(None)`: all.
    pub presence_max: Option<Option<u32>>,
    /// Whether nothing expires on a node while it has no neighbor.
    pub defer_expiration: Option<bool>,
}

/// A graph that is open in a node. Cheap to clone.
///
/// Stays open until [`close`](Self::close), the node's end, or until an application has nothing of it any more: handles,
/// event streams, direct connections. So who only waits for events keeps it open, and one whose last handle is dropped
/// goes offline with its goodbyes, in the background, and can be opened again at once.
///
/// Calls take effect in the order in which they are made: see [`Call`].
pub struct Graph {
    inner: Arc<GraphInner>,
}

impl Clone for Graph {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone())
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.inner.holds.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.inner.let_go();
        }
    }
}

pub(crate) struct GraphInner {
    pub(super) id: GraphId,
    pub(super) guard: super::opening::Guard,
    pub(super) identity: PeerId,
    pub(super) driver: Driver,
    pub(super) hub: Arc<Hub>,
    pub(super) stamper: Arc<Stamper>,
    pub(super) port: GraphPort,
    pub(super) node: Weak<NodeInner>,
    /// Gone with the graph: a closed one keeps no file open.
    pub(super) reader: Mutex<Option<Arc<dyn Reader>>>,
    pub(super) secret: GraphSecret,
    pub(super) opened: OpenOutcome,
    /// Where its database is, if on a disk.
    pub(super) database: Option<PathBuf>,
    /// What applications have of it; it closes with the last.
    pub(super) holds: AtomicUsize,
    /// Those who opened a group and have not closed it; it closes with the last.
    pub(super) leases: AtomicUsize,
    /// Joins that are under way.
    pub(super) joins: AtomicUsize,
    /// True while nobody but joins that are under way has a use for it.
    pub(super) for_join: AtomicBool,
    pub(super) closing: super::closing::Closing,
    pub(super) watching: Mutex<Option<tokio::task::AbortHandle>>,
}

impl GraphInner {
    pub(super) fn reader(&self) -> Result<Arc<dyn Reader>> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.clone().ok_or_else(Error::closed)
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Graph({})", self.inner.id.short())
    }
}

impl fmt::Debug for GraphInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Graph({})", self.id.short())
    }
}

impl Graph {
    pub(super) fn new(inner: Arc<GraphInner>) -> Self {
        inner.holds.fetch_add(1, Ordering::AcqRel);
        Self { inner }
    }

    /// The graph's id.
    pub fn id(&self) -> GraphId {
        self.inner.id
    }

    /// Whether its database was found or made when it was opened.
    pub fn open_outcome(&self) -> OpenOutcome {
        self.inner.opened
    }

    /// A ticket with this node, if it listens, and some of its neighbors. Whoever has it can join.
    ///
    /// # Errors
    /// `Closed`.
    pub fn ticket(&self) -> Call<Result<Ticket>> {
        let (graph, secret) = (self.inner.id, self.inner.secret);
        self.call(move |engine, _| Ticket { graph, secret, nodes: engine.entry_points() })
    }

    /// Lets others connect to this node.
    ///
    /// # Errors
    /// `NeverSynchronized` if this node has nothing to offer yet, `Closed`.
    #[doc(alias = "PeerGraphListen")]
    pub fn listen(&self) -> Call<Result<ListenOutcome>> {
        self.write(|engine, now| {
            engine
                .listen(now)
                .map(|started| if started { ListenOutcome::Started } else { ListenOutcome::AlreadyListening })
        })
    }

    /// Connects to a neighbor: a node, an address, or one of a ticket's nodes. Starts at once; the result resolves to
    /// exactly one outcome, after following referrals, within a minute unless told otherwise.
    ///
    /// # Errors
    /// When awaited: `ConnectToSelf`, `AlreadyNeighbor`, `WrongGraph`, `WrongPeer`, `Refused`, `Busy`, `Unreachable`,
    /// `TimedOut`, `Cancelled`, `NotFound` if the target has no known node, `Closed`.
    #[doc(alias = "PeerGraphConnect")]
    pub fn connect(&self, target: impl Into<Target>) -> Connecting {
        self.connect_with(target, super::ConnectOptions::default())
    }

    /// Listening, connected, synchronised.
    ///
    /// # Errors
    /// `Closed`.
    #[doc(alias = "PeerGraphGetStatus")]
    pub fn status(&self) -> Call<Result<Status>> {
        self.call(|engine, _| engine.status())
    }

    /// What cannot change: creator and record limit.
    ///
    /// # Errors
    /// `NeverSynchronized` before the first connect, `Closed`.
    pub fn genesis(&self) -> Call<Result<Genesis>> {
        self.ask(|engine, _| engine.genesis().cloned().ok_or(PublishError::NeverSynchronized))
    }

    /// What may change.
    ///
    /// # Errors
    /// `NeverSynchronized` before the first connect, `Closed`.
    #[doc(alias = "PeerGraphGetProperties")]
    pub fn properties(&self) -> Call<Result<GraphProperties>> {
        self.ask(|engine, _| engine.properties().cloned())
    }

    /// Changes properties, for all nodes; returns the new ones.
    ///
    /// # Errors
    /// `TooLarge` or `InvalidArgument` if one is out of bounds, `NeverSynchronized`, `Storage`, `Closed`.
    #[doc(alias = "PeerGraphSetProperties")]
    pub fn set_properties(&self, update: PropertiesUpdate) -> Call<Result<GraphProperties>> {
        self.write(move |engine, now| -> Result<GraphProperties> {
            let mut properties = engine.properties()?.clone();
            if let Some(name) = update.name {
                properties.name = name;
            }
            if let Some(comment) = update.comment {
                properties.comment = comment;
            }
            if let Some(lifetime) = update.presence_lifetime {
                properties.presence_lifetime = lifetime;
            }
            if let Some(max) = update.presence_max {
                properties.presence_max = max;
            }
            if let Some(defer) = update.defer_expiration {
                properties.defer_expiration = defer;
            }
            properties.check()?;
            engine.put_properties(now, &properties)?;
            Ok(properties)
        })
    }

    /// Subscribes to events. Nothing that happens after this returns is missed.
    ///
    /// # Errors
    /// `Closed`.
    #[doc(alias = "PeerGraphRegisterEvent")]
    pub fn subscribe(&self, options: SubscribeOptions) -> Result<EventStream> {
        let feed = Arc::new(Feed(self.inner.reader()?));
        let subscription = self.inner.hub.subscribe(options, feed).map_err(|_| self.inner.driver.gone())?;
        Ok(EventStream::new(subscription, self.clone()))
    }

    /// Subscribes to what a filter lets through, from now on.
    ///
    /// # Errors
    /// `Closed`.
    pub fn events(&self, filter: EventFilter) -> Result<EventStream> {
        self.subscribe(SubscribeOptions::new(filter))
    }

    /// Keeps a cursor under a name, in this database, to go on from after a restart.
    ///
    /// # Errors
    /// `InvalidArgument` for an empty name or one over 64 bytes, `Storage`, `Closed`.
    pub fn save_cursor(&self, name: &str, cursor: Cursor) -> Call<Result<()>> {
        let name = attempt!(cursor_name(name));
        self.write(move |engine, _| engine.save_cursor(&name, &cursor))
    }

    /// A cursor kept under a name.
    ///
    /// # Errors
    /// `InvalidArgument`, `Storage`, `Closed`.
    pub fn load_cursor(&self, name: &str) -> Call<Result<Option<Cursor>>> {
        let name = attempt!(cursor_name(name));
        self.ask(move |engine, _| engine.load_cursor(&name))
    }

    /// The nodes that are here: this one first, then those whose presence is known. A snapshot.
    ///
    /// # Errors
    /// `Closed`.
    #[doc(alias = "PeerGraphEnumNodes")]
    pub fn nodes(&self) -> Call<Result<Vec<NodeInfo>>> {
        self.call(|engine, _| engine.nodes())
    }

    /// The nodes of one identity that are here.
    ///
    /// # Errors
    /// `Closed`.
    pub fn nodes_of(&self, peer: PeerId) -> Call<Result<Vec<NodeInfo>>> {
        self.call(move |engine, _| {
            let mut nodes = engine.nodes();
            nodes.retain(|info| info.peer == peer);
            nodes
        })
    }

    /// What is known of one node.
    ///
    /// # Errors
    /// `NotFound`, `Closed`.
    #[doc(alias = "PeerGraphGetNodeInfo")]
    pub fn node_info(&self, node: NodeId) -> Call<Result<NodeInfo>> {
        self.ask(move |engine, _| {
            let found = engine.nodes().into_iter().find(|info| info.node == node);
            found.ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("node {} is not present", node.short()))
            })
        })
    }

    /// Sets the text that others read beside this node; `None` clears it.
    ///
    /// # Errors
    /// `TooLarge` above 1,024 bytes, `Closed`.
    #[doc(alias = "PeerGraphSetNodeAttributes")]
    pub fn set_node_attributes(&self, attributes: Option<&str>) -> Call<Result<()>> {
        let text = attributes.unwrap_or_default().to_owned();
        if text.len() > crate::limits::MAX_NODE_ATTRIBUTES {
            let message = format!("the node attributes have {} bytes; the maximum is 1024", text.len());
            return Call::over(Err(Error::new(ErrorKind::TooLarge, message)));
        }
        self.call(move |engine, now| engine.set_attributes(now, text))
    }

    /// Publishes this node's presence whatever the graph's policy says, or leaves it to the policy again.
    ///
    /// # Errors
    /// `Closed`.
    #[doc(alias = "PeerGraphSetPresence")]
    pub fn force_presence(&self, forced: bool) -> Call<Result<()>> {
        self.call(move |engine, now| engine.force_presence(now, forced))
    }

    /// The neighbors. A snapshot.
    ///
    /// # Errors
    /// `Closed`.
    pub fn neighbors(&self) -> Call<Result<Vec<ConnectionInfo>>> {
        self.call(|engine, _| engine.neighbors().into_iter().map(ConnectionInfo::neighbor).collect())
    }

    /// The direct connections. A snapshot.
    ///
    /// # Errors
    /// `Closed`.
    pub fn direct_connections(&self) -> Call<Result<Vec<ConnectionInfo>>> {
        self.call(|engine, _| engine.directs().into_iter().map(ConnectionInfo::direct).collect())
    }

    /// Closes one neighbor link or direct connection.
    ///
    /// # Errors
    /// `NotConnected` if there is none with this number, `Closed`.
    pub fn disconnect(&self, connection: ConnectionId) -> Call<Result<()>> {
        let found = self.call(move |engine, now| engine.disconnect(now, connection));
        Call::placed(async move {
            if found.await? { Ok(()) } else { Err(super::connection::not_connected(connection)) }
        })
    }

    /// Where nodes of this graph can be dialled, as far as known here, those of earlier times too: to connect to again.
    /// A snapshot.
    ///
    /// # Errors
    /// `Closed`.
    pub fn contacts(&self) -> Call<Result<Vec<NodeAddr>>> {
        self.call(|engine, _| engine.addresses_of(None, None))
    }

    /// The clock this graph agrees on, now.
    ///
    /// # Errors
    /// `Closed`.
    #[doc(alias = "PeerGraphUniversalTimeToPeerTime")]
    pub fn peer_time(&self) -> Call<Result<Timestamp>> {
        self.call(|engine, now| engine.peer_time(now))
    }

    /// A moment of this machine's clock as the graph would name it.
    ///
    /// # Errors
    /// `Closed`.
    pub fn to_peer_time(&self, local: Timestamp) -> Call<Result<Timestamp>> {
        self.call(move |engine, _| local.offset_by(engine.clock_offset_ms()))
    }

    /// A moment of the graph's clock as this machine would name it.
    ///
    /// # Errors
    /// `Closed`.
    #[doc(alias = "PeerGraphPeerTimeToUniversalTime")]
    pub fn to_local_time(&self, peer: Timestamp) -> Call<Result<Timestamp>> {
        self.call(move |engine, _| peer.offset_by(-engine.clock_offset_ms()))
    }

    /// How many records (tombstones included) the database has, and the fingerprint of their set: equal on two nodes
    /// exactly if their databases are.
    ///
    /// # Errors
    /// `Closed`.
    pub fn fingerprint(&self) -> Call<Result<crate::records::Fingerprint>> {
        self.call(|engine, _| engine.fingerprint())
    }

    /// Carries out the calls made before, says goodbye to the neighbors, makes everything durable, closes the database,
    /// ends all event streams. Repeated calls wait for the first. It goes on if the waiting is given up.
    #[doc(alias = "PeerGraphClose")]
    pub fn close(&self) -> Call<()> {
        let closing = self.inner.close_in_order();
        Call::placed(async move { drop(closing.await) })
    }

    pub(super) const fn inner(&self) -> &Arc<GraphInner> {
        &self.inner
    }

    /// By which readers tell what has expired. What was written before this call can be read when it is answered.
    pub(super) fn expiry_time(&self) -> Call<Result<Timestamp>> {
        answered(self.inner.driver.call_stored(|engine, now| engine.expiry_time(now)))
    }

    pub(super) fn call<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Engine, crate::time::Now) -> T + Send + 'static,
    ) -> Call<Result<T>> {
        answered(self.inner.driver.call(f))
    }

    /// A call that may fail, and writes nothing.
    pub(super) fn ask<T: Send + 'static, E: Into<Error> + Send + 'static>(
        &self,
        f: impl FnOnce(&mut Engine, crate::time::Now) -> Result<T, E> + Send + 'static,
    ) -> Call<Result<T>> {
        let answer = self.inner.driver.call(f);
        Call::placed(async move { answer.await?.map_err(Into::into) })
    }

    pub(super) fn write<T: Send + 'static, E>(
        &self,
        f: impl FnOnce(&mut Engine, crate::time::Now) -> Result<T, E> + Send + 'static,
    ) -> Call<Result<T>>
    where
        E: From<crate::records::StoreError> + Into<Error> + Send + 'static,
    {
        let (answer, graph) = (self.inner.driver.write(f), self.clone());
        Call::placed(async move { answer.await?.map_err(|error| graph.located(error)) })
    }

    /// A removal, which may take several steps: what only asks is answered between them, what writes comes after it.
    pub(super) fn end_membership(
        &self,
        f: impl FnOnce(&mut Engine, crate::time::Now) -> std::result::Result<Option<ListingId>, PublishError>
        + Send
        + 'static,
    ) -> Call<Result<()>> {
        let (answer, graph) = (self.inner.driver.end_membership(f), self.clone());
        Call::placed(async move { answer.await?.map_err(|error| graph.located(error)) })
    }

    /// An error of the database says where that is.
    pub(super) fn located(&self, error: impl Into<Error>) -> Error {
        error.into().of_database(self.inner.database.as_deref())
    }
}

fn answered<T: Send + 'static>(answer: crate::net::Answer<T>) -> Call<Result<T>> {
    Call::placed(async move { Ok(answer.await?) })
}

impl From<Gone> for Error {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Closed => Self::closed(),
            Gone::Crashed => Self::crashed(),
            Gone::Damaged => Self::unwritable(),
        }
    }
}

fn cursor_name(name: &str) -> Result<String> {
    if name.is_empty() || name.len() > crate::limits::MAX_RECORD_TYPE {
        return Err(Error::new(ErrorKind::InvalidArgument, "the name of a cursor must have 1 to 64 bytes"));
    }
    Ok(name.to_owned())
}
