//! Reaching other nodes and sending them data.

use std::{
    fmt,
    future::IntoFuture,
    sync::{Arc, Mutex, PoisonError},
};

use peergraph::{ConnectOptions, ConnectionId, NodeId, PeerId, Target};

use crate::{
    cancel::{NativeCancel, until},
    errors::{Result, invalid},
    graph::{Home, NativeGraph},
    ids::Span,
    texts::ticket,
    turn::Turn,
    values::{ConnectionInfo, NodeAddr},
};

/// Whom to reach.
#[derive(Clone, uniffi::Enum)]
#[uniffi::export(Debug)]
pub enum NativeTarget {
    /// Any of several addresses, tried in turn.
    Any {
        /// They.
        addrs: Vec<NodeAddr>,
    },
    /// Any node of a ticket.
    Ticket {
        /// Its text.
        text: String,
    },
    /// A node, wherever the graph knows it to be.
    Node {
        /// It.
        node: NodeId,
    },
    /// Any node of an identity, wherever the graph knows one to be.
    Peer {
        /// It.
        peer: PeerId,
    },
}

/// Without the text of a ticket, which is a secret.
impl fmt::Debug for NativeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any { addrs } => f.debug_tuple("Any").field(addrs).finish(),
            Self::Ticket { text: _ } => f.write_str("Ticket(..)"),
            Self::Node { node } => f.debug_tuple("Node").field(node).finish(),
            Self::Peer { peer } => f.debug_tuple("Peer").field(peer).finish(),
        }
    }
}

impl NativeTarget {
    pub(crate) fn into_core(self) -> Result<Target> {
        Ok(match self {
            Self::Any { addrs } => {
                addrs.into_iter().map(NodeAddr::into_core).collect::<Result<Vec<_>>>()?.into()
            }
            Self::Ticket { text } => ticket(&text)?.into(),
            Self::Node { node } => node.into(),
            Self::Peer { peer } => peer.into(),
        })
    }
}

/// Is told of each hop of a referral chain.
#[uniffi::export(foreign)]
pub trait HopListener: Send + Sync {
    /// So many hops so far, and the node tried next.
    fn hop(&self, hop: u32, next: NodeId);
}

/// A connection for application data.
#[derive(Debug, uniffi::Object)]
pub struct NativeDirect {
    direct: peergraph::DirectConnection,
    home: Home,
    /// The place of the next call.
    turn: Turn,
}

/// What became of sent data; can be asked once.
#[derive(Debug, uniffi::Object)]
pub struct NativeReceipt {
    receipt: Mutex<Option<peergraph::SendReceipt>>,
}

fn receipt(receipt: peergraph::SendReceipt) -> Arc<NativeReceipt> {
    Arc::new(NativeReceipt { receipt: Mutex::new(Some(receipt)) })
}

#[uniffi::export]
impl NativeReceipt {
    /// True once a subscriber of the receiving node has the data, false if nobody there subscribes to it.
    pub async fn delivered(&self, cancel: Option<Arc<NativeCancel>>) -> Result<bool> {
        let taken = self.receipt.lock().unwrap_or_else(PoisonError::into_inner).take();
        let receipt = taken.ok_or_else(|| invalid("a receipt can be asked once"))?;
        until(cancel, receipt.delivered()).await
    }
}

#[uniffi::export]
impl NativeDirect {
    /// The same connection for one call, which has its place among the calls of the node now.
    pub fn placed(&self) -> Arc<Self> {
        let (direct, home) = (self.direct.clone(), self.home.clone());
        Arc::new(Self { direct, turn: home.turns.take(), home })
    }

    /// The other end, as it was when the connection was made.
    pub fn info(&self) -> ConnectionInfo {
        self.direct.info().into()
    }

    /// Sends data of a type; a slow reader makes this wait.
    pub async fn send(
        &self,
        data_type: String,
        data: Vec<u8>,
        cancel: Option<Arc<NativeCancel>>,
    ) -> Result<Arc<NativeReceipt>> {
        Ok(receipt(until(cancel, self.turn.make(|| self.direct.send(&data_type, data))).await?))
    }

    /// Closes the connection for both ends.
    pub async fn shut(&self) -> Result<()> {
        Ok(self.turn.make(|| self.direct.close()).await?)
    }
}

#[uniffi::export]
impl NativeGraph {
    /// Connects to a neighbor.
    pub async fn connect(
        &self,
        target: NativeTarget,
        expected_peer: Option<PeerId>,
        deadline: Span,
        progress: Option<Arc<dyn HopListener>>,
        cancel: Option<Arc<NativeCancel>>,
    ) -> Result<ConnectionInfo> {
        let options = ConnectOptions { expected_peer, deadline: deadline.0 };
        let target = target.into_core()?;
        let connected = async move {
            let mut connecting = self.turn.begin(|| self.graph.connect_with(target, options)).await;
            if let Some(progress) = progress {
                while let Some(hop) = connecting.progress().await {
                    progress.hop(hop.hop, hop.next);
                }
            }
            connecting.into_future().await
        };
        Ok((&until(cancel, connected).await?).into())
    }

    /// Opens a direct connection to a node or peer of the graph.
    pub async fn open_direct(
        &self,
        target: NativeTarget,
        cancel: Option<Arc<NativeCancel>>,
    ) -> Result<Arc<NativeDirect>> {
        let target = target.into_core()?;
        let direct = until(cancel, self.turn.make(|| self.graph.open_direct(target))).await?;
        Ok(Arc::new(NativeDirect { direct, home: self.home.clone(), turn: Turn::default() }))
    }

    /// A direct connection by its number, as an event gave it.
    pub async fn direct_connection(&self, connection: u64) -> Result<Arc<NativeDirect>> {
        let direct = self.turn.make(|| self.graph.direct_connection(ConnectionId(connection))).await?;
        Ok(Arc::new(NativeDirect { direct, home: self.home.clone(), turn: Turn::default() }))
    }

    /// Closes one neighbor link or direct connection.
    pub async fn disconnect(&self, connection: u64) -> Result<()> {
        Ok(self.turn.make(|| self.graph.disconnect(ConnectionId(connection))).await?)
    }

    /// Sends data of a type on a neighbor link or direct connection.
    pub async fn send(
        &self,
        connection: u64,
        data_type: String,
        data: Vec<u8>,
        cancel: Option<Arc<NativeCancel>>,
    ) -> Result<Arc<NativeReceipt>> {
        Ok(receipt(
            until(cancel, self.turn.make(|| self.graph.send(ConnectionId(connection), &data_type, data)))
                .await?,
        ))
    }
}
