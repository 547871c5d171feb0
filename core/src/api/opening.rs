//! Opening and closing a graph: database, engine, thread, registration with the transport.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::{
    Error, ErrorKind, OpenOutcome, Result, graph::GraphInner, keys::DataDir, node::NodeInner,
    runtime::blocking,
};
use crate::{
    crypto::SecretKey,
    engine::{Engine, EngineParts, Joining, META_JOINING, OpenReader},
    events::Hub,
    graph::OverlayConfig,
    ids::{GraphId, PeerId},
    limits::DEFAULT_MAX_RECORD,
    net::DriverSeed,
    record::{Genesis, GraphProperties, GraphSecret, RecordType},
    records::{MemoryStore, OpenPolicy, Store, StoreError},
};

const META_SECRET: &str = "secret";
pub(super) const META_GENESIS: &str = "genesis";
/// Whose graph it is: an identity must be there as long as its graphs are.
pub(super) const META_IDENTITY: &str = "identity";
pub(super) const META_POLICY: &str = "policy";
/// Set by versions that mark unfinished databases in the directory, see [`DataDir::begin`]: without such a mark, this
/// database is finished, however empty it is.
pub(super) const META_MARKED: &str = "marked";

/// What guards a graph. Kept in its database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Guard {
    /// Whoever holds the ticket: a plain graph.
    Ticket,
    /// Membership: a group.
    Membership,
}

impl Guard {
    pub(super) const fn name(self) -> &'static [u8] {
        match self {
            Self::Ticket => b"ticket",
            Self::Membership => b"membership",
        }
    }
}

/// What is to be opened.
pub(super) struct Opening {
    pub(super) id: GraphId,
    pub(super) guard: Guard,
    pub(super) identity: SecretKey,
    /// Of a graph that is not here yet.
    pub(super) secret: Option<GraphSecret>,
    /// What the graph is, if that is known from elsewhere.
    pub(super) genesis: Option<Genesis>,
    /// With these properties it is made, and this node is its first.
    pub(super) found: Option<GraphProperties>,
    pub(super) precedence: Vec<RecordType>,
    /// By a join, and by nobody else yet.
    pub(super) joining: bool,
}

impl Opening {
    /// One that is here.
    pub(super) const fn of(id: GraphId, guard: Guard, identity: SecretKey) -> Self {
        Self {
            id,
            guard,
            identity,
            secret: None,
            genesis: None,
            found: None,
            precedence: Vec::new(),
            joining: false,
        }
    }
}

/// A database with what it says about its graph.
struct Opened {
    store: Box<dyn Store>,
    outcome: OpenOutcome,
    genesis: Option<Genesis>,
    secret: GraphSecret,
}

impl GraphInner {
    /// Opens a graph as an identity. Of one that is new here nothing is left if that fails, or if the process ends before
    /// [`NodeInner::settle`].
    pub(super) async fn open(node: &Arc<NodeInner>, opening: Opening) -> Result<Arc<Self>> {
        let id = opening.id;
        let on_disk = |f: fn(&DataDir, &GraphId) -> Result<()>| {
            let node = node.clone();
            blocking(move || node.dir.as_ref().map_or(Ok(()), |dir| f(dir, &id)))
        };
        if node.is_here(&id) {
            return Self::open_as_it_is(node, opening).await;
        }
        // Half of one may be there that could not be removed before.
        on_disk(DataDir::delete).await?;
        on_disk(DataDir::begin).await?;
        let opened = Self::open_as_it_is(node, opening).await;
        if opened.is_err()
            && let Err(error) = on_disk(DataDir::delete).await
        {
            tracing::warn!(%error, "what is left of a database that could not be made stays here");
        }
        opened
    }

    async fn open_as_it_is(node: &Arc<NodeInner>, opening: Opening) -> Result<Arc<Self>> {
        let Opening { id, guard, identity, secret, genesis, found, precedence, joining } = opening;
        let owner = node.clone();
        let peer = identity.peer();
        let opened = blocking(move || open_store(&owner, guard, peer, id, secret, genesis, joining)).await;
        let database = node.dir.as_ref().map(|dir| dir.database(&id));
        let opened = opened.map_err(|error| error.of_database(database.as_deref()))?;
        let stored = opened.store.reader();
        let hub = Hub::new();
        let seed = DriverSeed::new();
        let max_record = opened.genesis.as_ref().map_or(DEFAULT_MAX_RECORD, |g| g.max_record);
        let max_record = Arc::new(AtomicUsize::new(max_record as usize));
        let parts = EngineParts {
            graph: id,
            genesis: opened.genesis,
            identity,
            node: node.node_key.clone(),
            store: opened.store,
            policy: Box::new(OpenPolicy),
            hub: hub.clone(),
            overlay: overlay_config(node),
            precedence,
            durability: node.config.durability,
            tombstone_lifetime: node.config.tombstone_lifetime,
            parallel: std::thread::available_parallelism().is_ok_and(|n| n.get() > 1),
            seed: rand::random(),
        };
        let now = node.clock.now();
        let addr = node.transport.addr();
        let limit = max_record.clone();
        let engine = blocking(move || -> Result<Engine> {
            let mut engine = Engine::new(parts, now)?;
            engine.on_genesis(move |genesis| limit.store(genesis.max_record as usize, Ordering::Relaxed));
            engine.handle_input(now, crate::io::Input::AddressesChanged(addr));
            if let Some(properties) = found {
                engine.found(now, &properties)?;
            }
            Ok(engine)
        })
        .await?;
        let stamper = engine.stamper();
        let reader = Arc::new(OpenReader::new(stored, &engine));
        // From here on nothing waits or fails but the start of the thread.
        let port = node.transport.register(id, opened.secret, seed.inbox(), max_record, hub.clone());
        let driver = seed.start(engine, port.clone(), node.clock).map_err(|error| {
            port.unregister();
            Error::caused(
                ErrorKind::Internal,
                format!("the system could not start a thread for the graph: {error}"),
                error,
            )
        })?;
        if node.paused.load(Ordering::Acquire) {
            // It has just started, so it is there.
            let _ = driver.tell(|engine, now| {
                engine.pause(now);
            });
        }
        let inner = Self {
            id,
            identity: peer,
            guard,
            hub,
            stamper,
            port,
            node: Arc::downgrade(node),
            reader: Mutex::new(Some(reader)),
            secret: opened.secret,
            opened: opened.outcome,
            database,
            holds: AtomicUsize::new(0),
            leases: AtomicUsize::new(0),
            joins: AtomicUsize::new(0),
            for_join: AtomicBool::new(joining),
            closing: super::closing::Closing::default(),
            watching: Mutex::default(),
            driver,
        };
        let inner = Arc::new(inner);
        inner.watch(node);
        Ok(inner)
    }

    /// Follows address changes and whether direct connections are accepted.
    fn watch(self: &Arc<Self>, node: &Arc<NodeInner>) {
        let driver = self.driver.clone();
        self.hub.on_accepts_direct_changed(Arc::new(move || {
            // A closed graph accepts nothing anyway.
            let _ = driver.tell(|engine, _| engine.refresh_accepting());
        }));
        let driver = self.driver.clone();
        let mut addresses = node.transport.watch_addr();
        let task = super::runtime::spawn(async move {
            while addresses.changed().await.is_ok() {
                let addr = addresses.borrow_and_update().clone();
                let told = driver.tell(move |engine, now| {
                    engine.handle_input(now, crate::io::Input::AddressesChanged(addr));
                });
                if told.is_err() {
                    break;
                }
            }
        });
        *self.watching.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
    }
}

fn overlay_config(node: &NodeInner) -> OverlayConfig {
    OverlayConfig {
        target: node.config.target_neighbors,
        max: node.config.max_neighbors,
        min: node.config.min_neighbors,
        ping_interval: node.config.ping_interval,
        ..OverlayConfig::default()
    }
}

fn open_store(
    node: &NodeInner,
    guard: Guard,
    peer: PeerId,
    id: GraphId,
    secret: Option<GraphSecret>,
    genesis: Option<Genesis>,
    joining: bool,
) -> Result<Opened> {
    let (mut store, outcome) = backend(node, id)?;
    // What a join left that nobody let in counts for nothing: the next one may be as somebody else.
    let join = store.meta(META_JOINING)?.and_then(|kept| Joining::from_bytes(&kept));
    let anew = join == Some(Joining::Begun) && secret.is_some();
    let meta = |store: &dyn Store, name: &str| if anew { Ok(None) } else { store.meta(name) };
    let secret = match meta(&*store, META_SECRET)? {
        Some(kept) => {
            let kept = GraphSecret::from_bytes(kept.try_into().map_err(|_| damaged("secret"))?);
            if secret.is_some_and(|given| given != kept) {
                let message = "the ticket's secret is not the one this graph was joined with";
                return Err(Error::new(ErrorKind::InvalidTicket, message));
            }
            kept
        }
        None => {
            let secret = secret.ok_or_else(|| damaged("secret"))?;
            store.set_meta(META_SECRET, secret.as_bytes())?;
            store.set_meta(META_MARKED, &[1])?;
            if joining || anew {
                let begun = joining.then_some(Joining::Begun);
                store.set_meta(META_JOINING, &Joining::to_bytes(begun))?;
            }
            secret
        }
    };
    match meta(&*store, META_IDENTITY)? {
        Some(kept) if kept != peer.as_bytes() => {
            let kept: [u8; 32] = kept.try_into().map_err(|_| damaged("identity"))?;
            let (id, kept) = (id.short(), PeerId::from_bytes(kept));
            let message =
                format!("graph {id} belongs to identity {kept} on this node and cannot be opened as {peer}");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Some(_) => {}
        None => store.set_meta(META_IDENTITY, peer.as_bytes())?,
    }
    match meta(&*store, META_POLICY)? {
        Some(policy) if policy != guard.name() => {
            let (kind, message) = match (policy.as_slice(), guard) {
                (b"membership", Guard::Ticket) => {
                    (ErrorKind::NotAuthorized, "this graph is a group; open it as a group")
                }
                (b"ticket", Guard::Membership) => (ErrorKind::NotAMember, "this graph is not a group"),
                _ => (ErrorKind::Damaged, "the database was made under another security policy"),
            };
            return Err(Error::new(kind, message));
        }
        Some(_) => {}
        None => store.set_meta(META_POLICY, guard.name())?,
    }
    let genesis = match (genesis, meta(&*store, META_GENESIS)?) {
        (Some(genesis), kept) => {
            // One who was told beforehand is not told again.
            if kept.is_none() {
                let bytes = postcard::to_stdvec(&genesis).expect("a genesis always encodes");
                store.set_meta(META_GENESIS, &bytes)?;
            }
            Some(genesis)
        }
        (None, Some(bytes)) => {
            let kept: Genesis = crate::wire::decode_exact(&bytes).map_err(|_| damaged("genesis"))?;
            Some(kept).filter(|g| g.id() == id).ok_or_else(|| damaged("genesis")).map(Some)?
        }
        (None, None) => None,
    };
    store.commit(node.config.durability)?;
    Ok(Opened { store, outcome, genesis, secret })
}

impl NodeInner {
    /// Whose graph a closed database is. One that does not say is from before there were several: the node's own.
    #[cfg(feature = "sqlite")]
    pub(super) fn stored_identity(&self, id: GraphId) -> Result<PeerId> {
        use crate::records::SqliteStore;
        let own = self.identities.own().peer_id();
        let Some(dir) = &self.dir else { return Ok(own) };
        let sealer = super::sealing::sealer(dir, &id)?;
        let kept = SqliteStore::peek_meta(&dir.database(&id), id, META_IDENTITY, sealer)
            .map_err(|error| Error::from(error).of_database(Some(&dir.database(&id))))?;
        match kept {
            Some(bytes) => Ok(PeerId::from_bytes(bytes.try_into().map_err(|_| damaged("identity"))?)),
            None => Ok(own),
        }
    }

    /// How far the join of a graph that is here came, if it is not over.
    #[cfg(feature = "sqlite")]
    pub(super) fn stored_join(&self, id: GraphId) -> Result<Option<Joining>> {
        use crate::records::SqliteStore;
        let Some(dir) = &self.dir else { return Ok(None) };
        let sealer = super::sealing::sealer(dir, &id)?;
        let kept = SqliteStore::peek_meta(&dir.database(&id), id, META_JOINING, sealer)?;
        Ok(kept.and_then(|kept| Joining::from_bytes(&kept)))
    }

    /// Without a disk store nothing was left half done.
    #[cfg(not(feature = "sqlite"))]
    pub(super) fn stored_join(&self, _id: GraphId) -> Result<Option<Joining>> {
        Ok(None)
    }

    /// Says of a graph that is here whether it can be opened: one whose join was cut off is joined again.
    pub(super) fn check_whole(&self, id: GraphId) -> Result<()> {
        match self.stored_join(id)? {
            None => Ok(()),
            Some(Joining::Begun) => {
                let message =
                    format!("no database for graph {} here: a join of it did not get through", id.short());
                Err(Error::new(ErrorKind::UnknownGraph, message))
            }
            Some(Joining::LetIn) => {
                let message = format!(
                    "the join of graph {} was cut off and its database is not whole: join again, it goes on from there",
                    id.short()
                );
                Err(Error::new(ErrorKind::NeverSynchronized, message))
            }
        }
    }

    /// What guards a graph that is here.
    #[cfg(feature = "sqlite")]
    pub(super) fn stored_guard(&self, id: GraphId) -> Result<Guard> {
        use crate::records::SqliteStore;
        let Some(dir) = &self.dir else { return Ok(Guard::Ticket) };
        let database = dir.database(&id);
        let kept = SqliteStore::peek_meta(&database, id, META_POLICY, super::sealing::sealer(dir, &id)?);
        let kept = kept.map_err(|error| Error::from(error).of_database(Some(&database)))?;
        let group = kept.is_some_and(|kept| kept == Guard::Membership.name());
        Ok(if group { Guard::Membership } else { Guard::Ticket })
    }

    /// Without a disk store nothing can be read, or opened.
    #[cfg(not(feature = "sqlite"))]
    pub(super) fn stored_guard(&self, _id: GraphId) -> Result<Guard> {
        Ok(Guard::Ticket)
    }

    /// Without a disk store nothing can be read, or opened.
    #[cfg(not(feature = "sqlite"))]
    pub(super) fn stored_identity(&self, _id: GraphId) -> Result<PeerId> {
        Ok(self.identities.own().peer_id())
    }
}

fn damaged(what: &str) -> Error {
    StoreError::Damaged(format!("its {what} is missing or does not fit")).into()
}

#[cfg(feature = "sqlite")]
fn backend(node: &NodeInner, id: GraphId) -> Result<(Box<dyn Store>, OpenOutcome)> {
    use crate::records::{SqliteStore, StoreOpened};
    let Some(dir) = &node.dir else {
        return Ok((Box::new(MemoryStore::new(id, rand::random())), OpenOutcome::Created));
    };
    let path = dir.database(&id);
    let (store, opened) = match node.sealer_for(dir, &id)? {
        Some(sealer) => SqliteStore::open_sealed(&path, id, rand::random(), sealer)?,
        None => SqliteStore::open(&path, id, rand::random())?,
    };
    let outcome = match opened {
        StoreOpened::Created => OpenOutcome::Created,
        StoreOpened::Existing => OpenOutcome::Existing,
    };
    Ok((Box::new(store), outcome))
}

#[cfg(not(feature = "sqlite"))]
fn backend(node: &NodeInner, id: GraphId) -> Result<(Box<dyn Store>, OpenOutcome)> {
    if node.dir.is_some() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "this build of the library cannot store data on a disk",
        ));
    }
    Ok((Box::new(MemoryStore::new(id, rand::random())), OpenOutcome::Created))
}
