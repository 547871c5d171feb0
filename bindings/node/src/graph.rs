//! A graph, and the group it may be: one class here, two in JavaScript.

use std::path::PathBuf;

use napi::Result;
use napi_derive::napi;
use peergraph::{ImportDatabase, PropertiesUpdate, names::Named};

use crate::{
    bridge::{Bridge, Reply},
    connection::Whom,
    convert::{maybe, moment, parse, small, span},
    errors::invalid,
};

/// An open graph, or group.
#[napi]
pub struct NativeGraph {
    pub(crate) graph: peergraph::Graph,
    pub(crate) group: Option<peergraph::Group>,
    /// Nobody keeps a node in hand that is used by its graphs only.
    pub(crate) node: peergraph::Node,
}

impl NativeGraph {
    pub(crate) const fn plain(node: peergraph::Node, graph: peergraph::Graph) -> Reply {
        Reply::Graph(Self { graph, group: None, node })
    }

    pub(crate) fn of_group(node: peergraph::Node, group: peergraph::Group) -> Reply {
        Reply::Graph(Self { graph: group.graph().clone(), group: Some(group), node })
    }

    pub(crate) fn as_group(&self) -> Result<peergraph::Group> {
        self.group.clone().ok_or_else(|| invalid("this graph is not a group"))
    }
}

/// New values of properties; what is left out stays.
#[napi(object, object_to_js = false)]
pub struct Changes {
    pub name: Option<String>,
    pub comment: Option<String>,
    pub presence_lifetime: Option<f64>,
    /// Infinity: all nodes.
    pub presence_max: Option<f64>,
    pub defer_expiration: Option<bool>,
}

#[napi]
impl NativeGraph {
    #[napi(getter)]
    pub fn id(&self) -> String {
        self.graph.id().to_string()
    }

    #[napi(getter)]
    pub fn is_group(&self) -> bool {
        self.group.is_some()
    }

    #[napi(getter)]
    pub fn open_outcome(&self) -> &'static str {
        self.graph.open_outcome().word()
    }

    #[napi]
    pub fn ticket(&self, to: &Bridge, id: u32) {
        let graph = self.graph.clone();
        to.ask(id, async move { Ok(graph.ticket().await?.to_string()) });
    }

    #[napi]
    pub fn listen(&self, to: &Bridge, id: u32) {
        let graph = self.graph.clone();
        to.ask(id, async move { graph.listen().await });
    }

    #[napi]
    pub fn enter(&self, to: &Bridge, id: u32, whom: Whom) -> Result<()> {
        let (graph, whom) = (self.graph.clone(), whom.read()?);
        to.act(id, async move { graph.enter(whom).await });
        Ok(())
    }

    #[napi]
    pub fn status(&self, to: &Bridge, id: u32) {
        let graph = self.graph.clone();
        to.ask(id, async move { graph.status().await });
    }

    #[napi]
    pub fn genesis(&self, to: &Bridge, id: u32) {
        let graph = self.graph.clone();
        to.ask(id, async move { graph.genesis().await });
    }

    #[napi]
    pub fn properties(&self, to: &Bridge, id: u32) {
        let graph = self.graph.clone();
        to.ask(id, async move { graph.properties().await });
    }

    #[napi]
    pub fn set_properties(&self, to: &Bridge, id: u32, changes: Changes) -> Result<()> {
        let Changes { name, comment, presence_lifetime, presence_max, defer_expiration } = changes;
        let presence_max = presence_max.map(|max| match max {
            f64::INFINITY => Ok(None),
            max => small(max, "presenceMax").map(Some),
        });
        let update = PropertiesUpdate {
            name,
            comment,
            presence_lifetime: presence_lifetime.map(span).transpose()?,
            presence_max: presence_max.transpose()?,
            defer_expiration,
        };
        let graph = self.graph.clone();
        to.ask(id, async move { graph.set_properties(update).await });
        Ok(())
    }

    #[napi]
    pub fn nodes(&self, to: &Bridge, id: u32, peer: Option<String>) -> Result<()> {
        let (graph, peer) = (self.graph.clone(), maybe(peer.as_deref())?);
        to.ask(id, async move {
            match peer {
                Some(peer) => graph.nodes_of(peer).await,
                None => graph.nodes().await,
            }
        });
        Ok(())
    }

    #[napi]
    pub fn node_info(&self, to: &Bridge, id: u32, node: String) -> Result<()> {
        let (graph, node) = (self.graph.clone(), parse(&node)?);
        to.ask(id, async move { graph.node_info(node).await });
        Ok(())
    }

    #[napi]
    pub fn set_node_attributes(&self, to: &Bridge, id: u32, text: Option<String>) {
        let graph = self.graph.clone();
        to.act(id, async move { graph.set_node_attributes(text.as_deref()).await });
    }

    #[napi]
    pub fn force_presence(&self, to: &Bridge, id: u32, forced: bool) {
        let graph = self.graph.clone();
        to.act(id, async move { graph.force_presence(forced).await });
    }

    #[napi]
    pub fn neighbors(&self, to: &Bridge, id: u32) {
        let graph = self.graph.clone();
        to.ask(id, async move { graph.neighbors().await });
    }

    #[napi]
    pub fn direct_connections(&self, to: &Bridge, id: u32) {
        let graph = self.graph.clone();
        to.ask(id, async move { graph.direct_connections().await });
    }

    #[napi]
    pub fn contacts(&self, to: &Bridge, id: u32) {
        let graph = self.graph.clone();
        to.ask(id, async move { graph.contacts().await });
    }

    #[napi]
    pub fn peer_time(&self, to: &Bridge, id: u32) {
        let graph = self.graph.clone();
        to.ask(id, async move { graph.peer_time().await });
    }

    #[napi]
    pub fn to_peer_time(&self, to: &Bridge, id: u32, local: f64) -> Result<()> {
        let (graph, local) = (self.graph.clone(), moment(local)?);
        to.ask(id, async move { graph.to_peer_time(local).await });
        Ok(())
    }

    #[napi]
    pub fn to_local_time(&self, to: &Bridge, id: u32, peer: f64) -> Result<()> {
        let (graph, peer) = (self.graph.clone(), moment(peer)?);
        to.ask(id, async move { graph.to_local_time(peer).await });
        Ok(())
    }

    #[napi]
    pub fn fingerprint(&self, to: &Bridge, id: u32) {
        let graph = self.graph.clone();
        to.ask(id, async move { graph.fingerprint().await });
    }

    #[napi]
    pub fn close(&self, to: &Bridge, id: u32) {
        let (graph, group) = (self.graph.clone(), self.group.clone());
        to.act(id, async move {
            match group {
                Some(group) => group.close().await,
                None => graph.close().await,
            }
            Ok(())
        });
    }

    #[napi]
    pub fn export_database(&self, to: &Bridge, id: u32, path: String, password: Option<String>) {
        let (graph, password) = (self.graph.clone(), password.map(zeroize::Zeroizing::new));
        to.ask(id, async move {
            graph.export_database(PathBuf::from(path), password.as_ref().map(|text| text.as_str())).await
        });
    }

    #[napi]
    pub fn import_database(
        &self,
        to: &Bridge,
        id: u32,
        path: String,
        password: Option<String>,
        exporter: Option<String>,
    ) -> Result<()> {
        let options =
            ImportDatabase { password: password.map(Into::into), exporter: maybe(exporter.as_deref())? };
        let graph = self.graph.clone();
        to.ask(id, async move { graph.import_database(PathBuf::from(path), options).await });
        Ok(())
    }
}
