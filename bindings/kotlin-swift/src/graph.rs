//! A graph, and the group it may be: one object here, two types in each language.

use std::sync::Arc;

use peergraph::{GraphId, NodeId, PeerId, PropertiesUpdate, Timestamp};

use crate::{
    cancel::{NativeCancel, until},
    connection::NativeTarget,
    enums::{ListenOutcome, OpenOutcome},
    errors::{PeergraphError, Result},
    ids::Span,
    texts::Ticket,
    turn::{Turn, Turns},
    values::{
        ConnectionInfo, Fingerprint, Genesis, GraphProperties, ImportCount, NodeAddr, NodeInfo, Status,
        SyncProgress,
    },
};

/// An open graph, or group.
#[derive(Debug, uniffi::Object)]
pub struct NativeGraph {
    pub(crate) graph: peergraph::Graph,
    pub(crate) group: Option<peergraph::Group>,
    pub(crate) home: Home,
    /// The place of the next call.
    pub(crate) turn: Turn,
}

/// The node of a graph: nobody knows when these languages let go of one that is only used by its graphs.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) node: peergraph::Node,
    pub(crate) turns: Turns,
}

impl NativeGraph {
    pub(crate) fn plain(home: &Home, graph: peergraph::Graph) -> Arc<Self> {
        Arc::new(Self { graph, group: None, home: home.clone(), turn: Turn::default() })
    }

    pub(crate) fn of_group(home: &Home, group: peergraph::Group) -> Arc<Self> {
        let graph = group.graph().clone();
        Arc::new(Self { graph, group: Some(group), home: home.clone(), turn: Turn::default() })
    }

    pub(crate) fn as_group(&self) -> Result<&peergraph::Group> {
        self.group.as_ref().ok_or_else(|| PeergraphError::NotAMember("this graph is not a group".into()))
    }
}

/// New values for changeable properties; what is none stays as it is.
#[derive(Debug, Clone, uniffi::Record)]
pub struct NativePropertiesUpdate {
    /// Friendly name, at most 255 bytes.
    pub name: Option<String>,
    /// Comment, at most 512 bytes.
    pub comment: Option<String>,
    /// How long a presence record lives unless refreshed; 5 minutes to 7 days.
    pub presence_lifetime: Option<Span>,
    /// How many nodes publish their presence.
    pub presence_max: Option<u32>,
    /// True: all nodes publish their presence, whatever `presence_max` says.
    pub everybody: bool,
    /// Whether nothing expires on a node while it has no neighbor.
    pub defer_expiration: Option<bool>,
}

#[uniffi::export]
impl NativeGraph {
    /// The same graph for one call, which has its place among the calls of the node now.
    pub fn placed(&self) -> Arc<Self> {
        let (graph, group, home) = (self.graph.clone(), self.group.clone(), self.home.clone());
        Arc::new(Self { graph, group, turn: home.turns.take(), home })
    }

    /// The graph's id.
    pub fn id(&self) -> GraphId {
        self.graph.id()
    }

    /// Whether its database was found or made when it was opened.
    pub fn open_outcome(&self) -> OpenOutcome {
        self.graph.open_outcome().into()
    }

    /// A ticket with this node, if it listens, and some of its neighbors.
    pub async fn ticket(&self) -> Result<Ticket> {
        Ok(self.turn.make(|| self.graph.ticket()).await?.into())
    }

    /// Lets others connect to this node.
    pub async fn listen(&self) -> Result<ListenOutcome> {
        Ok(self.turn.make(|| self.graph.listen()).await?.into())
    }

    /// Connects, waits until this node is synchronised, and listens.
    pub async fn enter(&self, target: NativeTarget, cancel: Option<Arc<NativeCancel>>) -> Result<()> {
        let target = target.into_core()?;
        until(cancel, self.turn.make(|| self.graph.enter(target))).await
    }

    /// Listening, connected, synchronised.
    pub async fn status(&self) -> Result<Status> {
        Ok(self.turn.make(|| self.graph.status()).await?.into())
    }

    /// How far the database is on its way here; none while nothing is known to be missing.
    pub async fn sync_progress(&self) -> Result<Option<SyncProgress>> {
        Ok(self.turn.make(|| self.graph.sync_progress()).await?.map(Into::into))
    }

    /// What cannot change.
    pub async fn genesis(&self) -> Result<Genesis> {
        Ok(self.turn.make(|| self.graph.genesis()).await?.into())
    }

    /// What may change.
    pub async fn properties(&self) -> Result<GraphProperties> {
        Ok(self.turn.make(|| self.graph.properties()).await?.into())
    }

    /// Changes properties, for all nodes; gives the new ones.
    pub async fn set_properties(&self, update: NativePropertiesUpdate) -> Result<GraphProperties> {
        let NativePropertiesUpdate {
            name,
            comment,
            presence_lifetime,
            presence_max,
            everybody,
            defer_expiration,
        } = update;
        let update = PropertiesUpdate {
            name,
            comment,
            presence_lifetime: presence_lifetime.map(|span| span.0),
            presence_max: if everybody { Some(None) } else { presence_max.map(Some) },
            defer_expiration,
        };
        Ok(self.turn.make(|| self.graph.set_properties(update)).await?.into())
    }

    /// The nodes that are here.
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>> {
        Ok(self.turn.make(|| self.graph.nodes()).await?.into_iter().map(Into::into).collect())
    }

    /// The nodes of one identity that are here.
    pub async fn nodes_of(&self, peer: PeerId) -> Result<Vec<NodeInfo>> {
        Ok(self.turn.make(|| self.graph.nodes_of(peer)).await?.into_iter().map(Into::into).collect())
    }

    /// What is known of one node.
    pub async fn node_info(&self, node: NodeId) -> Result<NodeInfo> {
        Ok(self.turn.make(|| self.graph.node_info(node)).await?.into())
    }

    /// Sets the text that others read beside this node.
    pub async fn set_node_attributes(&self, text: Option<String>) -> Result<()> {
        Ok(self.turn.make(|| self.graph.set_node_attributes(text.as_deref())).await?)
    }

    /// Publishes this node's presence whatever the graph's policy says, or leaves it to the policy again.
    pub async fn force_presence(&self, forced: bool) -> Result<()> {
        Ok(self.turn.make(|| self.graph.force_presence(forced)).await?)
    }

    /// The neighbors.
    pub async fn neighbors(&self) -> Result<Vec<ConnectionInfo>> {
        Ok(self.turn.make(|| self.graph.neighbors()).await?.iter().map(Into::into).collect())
    }

    /// The direct connections.
    pub async fn direct_connections(&self) -> Result<Vec<ConnectionInfo>> {
        Ok(self.turn.make(|| self.graph.direct_connections()).await?.iter().map(Into::into).collect())
    }

    /// Where nodes of this graph can be dialled, as far as known here.
    pub async fn contacts(&self) -> Result<Vec<NodeAddr>> {
        Ok(self.turn.make(|| self.graph.contacts()).await?.into_iter().map(Into::into).collect())
    }

    /// The clock this graph agrees on, now.
    pub async fn peer_time(&self) -> Result<Timestamp> {
        Ok(self.turn.make(|| self.graph.peer_time()).await?)
    }

    /// A moment of this machine's clock as the graph would name it.
    pub async fn to_peer_time(&self, local: Timestamp) -> Result<Timestamp> {
        Ok(self.turn.make(|| self.graph.to_peer_time(local)).await?)
    }

    /// A moment of the graph's clock as this machine would name it.
    pub async fn to_local_time(&self, peer: Timestamp) -> Result<Timestamp> {
        Ok(self.turn.make(|| self.graph.to_local_time(peer)).await?)
    }

    /// How many records the database has, and the fingerprint of their set.
    pub async fn fingerprint(&self) -> Result<Fingerprint> {
        let peergraph::records::Fingerprint { count, hash } =
            self.turn.make(|| self.graph.fingerprint()).await?;
        Ok(Fingerprint { count, hash: hash.to_vec() })
    }

    /// Closes the graph; of a group, gives up this handle.
    pub async fn shut(&self) {
        match &self.group {
            Some(group) => self.turn.make(|| group.close()).await,
            None => self.turn.make(|| self.graph.close()).await,
        }
    }

    /// Writes all records to a new file; gives how many there are.
    pub async fn export_database(
        &self,
        path: String,
        password: Option<String>,
        cancel: Option<Arc<NativeCancel>>,
    ) -> Result<u64> {
        let password = password.map(zeroize::Zeroizing::new);
        let password = password.as_deref().map(String::as_str);
        until(cancel, self.turn.make(|| self.graph.export_database(path, password))).await
    }

    /// Takes in the records of an exported file.
    pub async fn import_database(
        &self,
        path: String,
        password: Option<String>,
        exporter: Option<PeerId>,
        cancel: Option<Arc<NativeCancel>>,
    ) -> Result<ImportCount> {
        let options = peergraph::ImportDatabase { password: password.map(Into::into), exporter };
        let count = until(cancel, self.turn.make(|| self.graph.import_database(path, options))).await?;
        let peergraph::ImportCount { added, known, refused, waiting } = count;
        Ok(ImportCount { added, known, refused, waiting })
    }
}
