//! Starting a node: whole, or nothing of it stays. And what one process has for itself meanwhile.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    Error, ErrorKind, Node, NodeConfig, Result,
    identity_store::IdentityStore,
    keys::DataDir,
    node::NodeInner,
    runtime::{blocking, on_task},
};
use crate::{
    crypto::SecretKey,
    net::{NetConfig, Transport},
};

/// Something that only one node has at a time.
#[derive(Clone, PartialEq, Eq)]
enum Place {
    Directory(PathBuf),
    Socket(SocketAddr),
}

/// Where nodes are being started or ended in this process.
static BUSY: Mutex<Vec<Place>> = Mutex::new(Vec::new());
static FREED: Notify = Notify::const_new();

fn busy() -> MutexGuard<'static, Vec<Place>> {
    BUSY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds up whoever wants to start at the same places until it is dropped.
///
/// A start that nobody waits for any more, and a node that was dropped, let go of their directory and ports a moment
/// later; the next start waits for that moment rather than failing.
pub(super) struct Claim(Vec<Place>);

impl Claim {
    /// The places of a node that ends. At once.
    pub(super) fn of(config: &NodeConfig) -> Self {
        let places = places(config);
        busy().extend(places.iter().cloned());
        Self(places)
    }

    /// The places of a node that is to start, once nobody else starts or ends there.
    async fn wait_for(config: &NodeConfig) -> Self {
        let places = places(config);
        loop {
            let freed = FREED.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            {
                let mut busy = busy();
                if !places.iter().any(|place| busy.contains(place)) {
                    busy.extend(places.iter().cloned());
                    return Self(places);
                }
            }
            freed.await;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut busy = busy();
        for place in &self.0 {
            if let Some(at) = busy.iter().position(|other| other == place) {
                busy.swap_remove(at);
            }
        }
        drop(busy);
        FREED.notify_waiters();
    }
}

fn places(config: &NodeConfig) -> Vec<Place> {
    let dir = config.data_dir.iter().cloned().map(Place::Directory);
    let sockets = config.bind.iter().filter(|addr| addr.port() != 0).copied().map(Place::Socket);
    dir.chain(sockets).collect()
}

/// Starts a node on a task of its own. Who stops waiting gets none, and nothing of it stays.
pub(super) async fn start(config: NodeConfig) -> Result<Node> {
    let unwanted = CancellationToken::new();
    let waiting = unwanted.clone().drop_guard();
    let (node, claim) = on_task(run(config, unwanted)).await?;
    waiting.disarm();
    // From here on the node speaks for itself.
    drop(claim);
    Ok(node)
}

/// The claim goes with the node, so that the next start waits for one that nobody took to be gone.
async fn run(config: NodeConfig, unwanted: CancellationToken) -> Result<(Node, Claim)> {
    let cancelled = || Error::new(ErrorKind::Cancelled, "nobody waits for the node any more");
    let claim = tokio::select! {
        claim = Claim::wait_for(&config) => claim,
        () = unwanted.cancelled() => return Err(cancelled()),
    };
    let parts = blocking(move || prepare(config)).await?;
    if unwanted.is_cancelled() {
        return Err(cancelled());
    }
    let net = NetConfig {
        mode: parts.config.network.clone(),
        bind: parts.config.bind.clone(),
        mdns: parts.config.mdns,
        secret: parts.key.clone(),
    };
    let transport = Transport::start(net).await.map_err(|error| {
        let address = error.address();
        Error::caused(ErrorKind::Network, error.to_string(), error).at_address(address)
    })?;
    let node = Node::of(NodeInner::new(parts, transport));
    if unwanted.is_cancelled() {
        node.shutdown().await;
        return Err(cancelled());
    }
    Ok((node, claim))
}

/// What is there before the network is.
pub(super) struct Parts {
    pub(super) config: NodeConfig,
    pub(super) dir: Option<DataDir>,
    pub(super) identities: IdentityStore,
    pub(super) key: SecretKey,
}

fn prepare(mut config: NodeConfig) -> Result<Parts> {
    // Taken out, so that secrets do not stay in memory with the rest.
    let (given, protection) = (config.identity.take(), std::mem::take(&mut config.key_protection));
    if config.encrypt_database
        && config.data_dir.is_some()
        && matches!(protection, super::KeyProtection::Plain)
    {
        return Err(super::key_files::unprotected());
    }
    let dir = config.data_dir.as_deref().map(|path| DataDir::open(path, &protection)).transpose()?;
    let identities = IdentityStore::load(dir.as_ref().map(|dir| dir.files().clone()), given)?;
    #[cfg(feature = "sqlite")]
    dir.iter().for_each(super::leftovers::remove);
    let fresh = || SecretKey::from_bytes(&rand::random());
    let key = dir.as_ref().map_or_else(|| Ok(fresh()), |dir| dir.key("node.key", fresh))?;
    Ok(Parts { config, dir, identities, key })
}
