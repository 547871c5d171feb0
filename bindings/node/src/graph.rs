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
        let ticket = self.graph.ticket();
        to.ask(id, async move { Ok(ticket.await?.to_string()) });
    }

    #[napi]
    pub fn listen(&self, to: &Bridge, id: u32) {
        to.ask(id, self.graph.listen());
    }

    #[napi]
    pub fn enter(&self, to: &Bridge, id: u32, whom: Whom) -> Result<()> {
        to.act(id, self.graph.enter(whom.read()?));
        Ok(())
    }

    #[napi]
    pub fn status(&self, to: &Bridge, id: u32) {
        to.ask(id, self.graph.status());
    }

    #[napi]
    pub fn genesis(&self, to: &Bridge, id: u32) {
        to.ask(id, self.graph.genesis());
    }

    #[napi]
    pub fn properties(&self, to: &Bridge, id: u32) {
        to.ask(id, self.graph.properties());
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
        to.ask(id, self.graph.set_properties(update));
        Ok(())
    }

    #[napi]
    pub fn nodes(&self, to: &Bridge, id: u32, peer: Option<String>) -> Result<()> {
        match maybe(peer.as_deref())? {
            Some(peer) => to.ask(id, self.graph.nodes_of(peer)),
            None => to.ask(id, self.graph.nodes()),
        }
        Ok(())
    }

    #[napi]
    pub fn node_info(&self, to: &Bridge, id: u32, node: String) -> Result<()> {
        to.ask(id, self.graph.node_info(parse(&node)?));
        Ok(())
    }

    #[napi]
    pub fn set_node_attributes(&self, to: &Bridge, id: u32, text: Option<String>) {
        to.act(id, self.graph.set_node_attributes(text.as_deref()));
    }

    #[napi]
    pub fn force_presence(&self, to: &Bridge, id: u32, forced: bool) {
        to.act(id, self.graph.force_presence(forced));
    }

    #[napi]
    pub fn neighbors(&self, to: &Bridge, id: u32) {
        to.ask(id, self.graph.neighbors());
    }

    #[napi]
    pub fn direct_connections(&self, to: &Bridge, id: u32) {
        to.ask(id, self.graph.direct_connections());
    }

    #[napi]
    pub fn contacts(&self, to: &Bridge, id: u32) {
        to.ask(id, self.graph.contacts());
    }

    #[napi]
    pub fn peer_time(&self, to: &Bridge, id: u32) {
        to.ask(id, self.graph.peer_time());
    }

    #[napi]
    pub fn to_peer_time(&self, to: &Bridge, id: u32, local: f64) -> Result<()> {
        to.ask(id, self.graph.to_peer_time(moment(local)?));
        Ok(())
    }

    #[napi]
    pub fn to_local_time(&self, to: &Bridge, id: u32, peer: f64) -> Result<()> {
        to.ask(id, self.graph.to_local_time(moment(peer)?));
        Ok(())
    }

    #[napi]
    pub fn fingerprint(&self, to: &Bridge, id: u32) {
        to.ask(id, self.graph.fingerprint());
    }

    #[napi]
    pub fn close(&self, to: &Bridge, id: u32) {
        let closed = match &self.group {
            Some(group) => group.close(),
            None => self.graph.close(),
        };
        to.act(id, async move {
            closed.await;
            Ok(())
        });
    }

    #[napi]
    pub fn export_database(&self, to: &Bridge, id: u32, path: String, password: Option<String>) {
        let password = password.map(zeroize::Zeroizing::new);
        let password = password.as_ref().map(|text| text.as_str());
        to.ask(id, self.graph.export_database(PathBuf::from(path), password));
    }

    /// How far the database has come; null while nothing is known to be missing.
    #[napi]
    pub fn sync_progress(&self, to: &Bridge, id: u32) {
        to.ask(id, self.graph.sync_progress());
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
        to.ask(id, self.graph.import_database(PathBuf::from(path), options));
        Ok(())
    }
}
