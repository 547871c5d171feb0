//! Reaching other nodes and sending them data.

use std::{
    future::IntoFuture,
    sync::{Mutex, PoisonError},
};

use napi::Result;
use napi_derive::napi;
use peergraph::{ConnectOptions, Target, Ticket, given, ids::ConnectionId};

use crate::{
    bridge::{Bridge, Reply},
    convert::{maybe, parse, span_or, whole},
    errors::{Fail, invalid},
    graph::NativeGraph,
    pack::packed,
    values::Addr,
};

/// Whom to reach: one of these.
#[napi(object, object_to_js = false)]
pub struct Whom {
    pub ticket: Option<String>,
    pub node: Option<String>,
    pub peer: Option<String>,
    pub addrs: Option<Vec<Addr>>,
    pub addr: Option<Addr>,
}

impl Whom {
    pub(crate) fn read(self) -> Result<Target> {
        Ok(match self {
            Self { ticket: Some(text), .. } => parse::<Ticket>(&text)?.into(),
            Self { addr: Some(addr), .. } => addr.read()?.into(),
            Self { addrs: Some(addrs), .. } => {
                addrs.into_iter().map(Addr::read).collect::<Result<Vec<_>>>()?.into()
            }
            Self { node: Some(node), .. } => parse::<peergraph::NodeId>(&node)?.into(),
            Self { peer: Some(peer), .. } => parse::<peergraph::PeerId>(&peer)?.into(),
            _ => return Err(invalid("one can connect to a node, a peer, an address or a ticket")),
        })
    }
}

/// A connection for application data.
#[napi]
pub struct NativeDirect {
    direct: peergraph::DirectConnection,
    _node: peergraph::Node,
}

impl NativeDirect {
    const fn reply(direct: peergraph::DirectConnection, node: peergraph::Node) -> Reply {
        Reply::Direct(Self { direct, _node: node })
    }
}

/// What became of sent data; can be asked once.
#[napi]
pub struct NativeReceipt {
    receipt: Mutex<Option<peergraph::SendReceipt>>,
}

fn receipt(receipt: peergraph::SendReceipt) -> Reply {
    Reply::Receipt(NativeReceipt { receipt: Mutex::new(Some(receipt)) })
}

fn number(id: f64) -> Result<ConnectionId> {
    whole(id, "a connection").map(ConnectionId)
}

#[napi]
impl NativeReceipt {
    #[napi]
    pub fn delivered(&self, to: &Bridge, id: u32) -> Result<()> {
        let taken = self.receipt.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(receipt) = taken else {
            return Err(invalid("a receipt can be asked once"));
        };
        to.ask(id, receipt.delivered());
        Ok(())
    }
}

#[napi]
impl NativeDirect {
    #[napi(getter)]
    pub fn info(&self) -> napi::bindgen_prelude::Buffer {
        packed(self.direct.info()).into()
    }

    #[napi]
    pub fn send(&self, to: &Bridge, id: u32, data_type: String, data: &[u8]) -> Result<()> {
        let sent = self.direct.send(&data_type, given::data(data).map_err(Fail::from)?);
        to.run(id, async move { sent.await.map(receipt) });
        Ok(())
    }

    #[napi]
    pub fn close(&self, to: &Bridge, id: u32) {
        to.act(id, self.direct.close());
    }
}

#[napi]
impl NativeGraph {
    /// Connects; hops are news of progress if they are wanted.
    #[napi]
    pub fn connect(
        &self,
        to: &Bridge,
        id: u32,
        whom: Whom,
        expected_peer: Option<String>,
        deadline: Option<f64>,
        progress: bool,
    ) -> Result<()> {
        let default = ConnectOptions::default();
        let options = ConnectOptions {
            expected_peer: maybe(expected_peer.as_deref())?,
            deadline: span_or(deadline, default.deadline)?,
        };
        let teller = progress.then(|| to.teller(id));
        let mut connecting = self.graph.connect_with(whom.read()?, options);
        to.ask(id, async move {
            if let Some(teller) = teller {
                while let Some(hop) = connecting.progress().await {
                    teller.progress(packed(&hop));
                }
            }
            connecting.into_future().await
        });
        Ok(())
    }

    #[napi]
    pub fn open_direct(&self, to: &Bridge, id: u32, whom: Whom) -> Result<()> {
        let (opened, node) = (self.graph.open_direct(whom.read()?), self.node.clone());
        to.run(id, async move { Ok(NativeDirect::reply(opened.await?, node)) });
        Ok(())
    }

    #[napi]
    pub fn direct_connection(&self, to: &Bridge, id: u32, connection: f64) -> Result<()> {
        let (found, node) = (self.graph.direct_connection(number(connection)?), self.node.clone());
        to.run(id, async move { Ok(NativeDirect::reply(found.await?, node)) });
        Ok(())
    }

    #[napi]
    pub fn disconnect(&self, to: &Bridge, id: u32, connection: f64) -> Result<()> {
        to.act(id, self.graph.disconnect(number(connection)?));
        Ok(())
    }

    #[napi]
    pub fn send(&self, to: &Bridge, id: u32, connection: f64, data_type: String, data: &[u8]) -> Result<()> {
        let data = given::data(data).map_err(Fail::from)?;
        let sent = self.graph.send(number(connection)?, &data_type, data);
        to.run(id, async move { sent.await.map(receipt) });
        Ok(())
    }
}
