//! Nodes: starting them, and making, opening and joining graphs and groups.

use std::{path::PathBuf, sync::Arc};

use peergraph::{
    CreateGraph, CreateGroup, Durability, GraphProperties, GraphRef, JoinGraph, JoinGroup, NodeConfig,
    OnProgress, OpenGraph,
    given::{self, Protection},
    names::Named,
};
use pyo3::{prelude::*, types::PyBytes};
use zeroize::Zeroizing;

use crate::{
    bridge,
    convert::{expected, field, list, make, object, span},
    errors::Fail,
    graph::Graph,
    identities::{Identities, Identity},
    ids::{GraphId, NodeId, PeerId},
    invitation::{Invitation, Ticket},
    values::{graph_id, node_addr, progress, properties_from, record_types, rules_from},
};

/// A node that runs.
#[pyclass(frozen)]
pub(crate) struct Node {
    node: peergraph::Node,
}

/// The configuration of `peergraph.NodeConfig`.
fn config(value: &Bound<'_, PyAny>, asked: Option<Vec<u8>>) -> PyResult<NodeConfig> {
    let binds: Vec<String> = field(value, "bind")?;
    let data_dir: Option<PathBuf> = field(value, "data_dir")?;
    let key: Option<Bound<'_, PyBytes>> = field(value, "key")?;
    let protection = Protection {
        passphrase: field(value, "passphrase")?,
        key: key.map(|key| Zeroizing::new(key.as_bytes().to_vec())),
        has_source: !value.getattr("key_source")?.is_none(),
        asked: asked.map(Zeroizing::new),
    };
    let (relays, lookup) = (field(value, "relays")?, field(value, "lookup")?);
    let network = given::network(&field::<String>(value, "network")?, relays, lookup).map_err(Fail)?;
    let durability = Durability::from_word(&field::<String>(value, "durability")?).map_err(Fail)?;
    let identity: Option<Bound<'_, PyBytes>> = field(value, "identity")?;
    let identity = identity.map(|key| given::secret_key(key.as_bytes())).transpose().map_err(Fail)?;
    let (major, minor) = field(value, "version")?;
    Ok(NodeConfig {
        key_protection: protection.read(data_dir.is_some()).map_err(Fail)?,
        data_dir,
        identity,
        encrypt_database: field(value, "encrypt_database")?,
        network,
        bind: given::socket_addrs(binds).map_err(Fail)?,
        mdns: field(value, "mdns")?,
        target_neighbors: field(value, "target_neighbors")?,
        max_neighbors: field(value, "max_neighbors")?,
        min_neighbors: field(value, "min_neighbors")?,
        ping_interval: span(&value.getattr("ping_interval")?, "NodeConfig.ping_interval")?,
        durability,
        tombstone_lifetime: span(&value.getattr("tombstone_lifetime")?, "NodeConfig.tombstone_lifetime")?,
        version: peergraph::ApiVersion { major, minor },
    })
}

fn named(name: String, given: Option<&Bound<'_, PyAny>>) -> PyResult<GraphProperties> {
    let base = given.map(properties_from).transpose()?.unwrap_or_default();
    Ok(if name.is_empty() { base } else { GraphProperties { name, ..base } })
}

/// Has a function of the application called with progress, as [`bridge::tell`] does.
fn told(py: Python<'_>, function: Option<Py<PyAny>>) -> PyResult<Option<OnProgress>> {
    let Some(function) = function else { return Ok(None) };
    let caller = Arc::new(bridge::Caller::of(py, function)?);
    Ok(Some(OnProgress::new(move |now| {
        let caller = caller.clone();
        bridge::post(move |py| caller.tell(py, |py| progress(py, now)));
    })))
}

/// What a device that should sleep is given: seconds between pings; neighbors to keep, to accept, and at the least.
#[pyfunction]
pub(crate) fn low_power() -> (f64, usize, usize, usize) {
    let NodeConfig { ping_interval, target_neighbors, max_neighbors, min_neighbors, .. } =
        NodeConfig::default().low_power();
    (ping_interval.as_secs_f64(), target_neighbors, max_neighbors, min_neighbors)
}

impl Node {
    /// What a call gives, together with the node: a graph keeps it open.
    fn with_node<T: Send + 'static>(
        &self,
        call: peergraph::Call<peergraph::Result<T>>,
    ) -> impl Future<Output = peergraph::Result<(peergraph::Node, T)>> + Send + use<T> {
        let node = self.node.clone();
        async move { call.await.map(|made| (node, made)) }
    }
}

#[pymethods]
impl Node {
    #[staticmethod]
    #[pyo3(signature = (settings, key=None))]
    fn start<'py>(
        py: Python<'py>,
        settings: &Bound<'py, PyAny>,
        key: Option<&Bound<'py, PyBytes>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let settings = config(settings, key.map(|key| key.as_bytes().to_vec()))?;
        bridge::call(py, peergraph::Node::start(settings), |py, node| object(py, Self { node }))
    }

    #[getter]
    fn id(&self) -> NodeId {
        NodeId(self.node.id())
    }

    #[getter]
    fn peer_id(&self) -> PeerId {
        PeerId(self.node.peer_id())
    }

    #[getter]
    fn identities(&self) -> Identities {
        Identities { identities: self.node.identities() }
    }

    fn addr(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let addr = py.detach(|| self.node.addr());
        node_addr(py, &addr)
    }

    fn bound(&self) -> Vec<String> {
        self.node.bound().iter().map(ToString::to_string).collect()
    }

    fn metrics(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let metrics = self.node.metrics();
        make(py, "Metrics", (metrics.bytes_sent, metrics.bytes_received))
    }

    fn create_graph<'py>(
        &self,
        py: Python<'py>,
        name: String,
        properties: Option<&Bound<'py, PyAny>>,
        max_record: u32,
        seed: Option<&Bound<'py, PyBytes>>,
        precedence: Vec<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let seed = seed.map(|seed| given::seed(seed.as_bytes())).transpose().map_err(Fail)?;
        let options = CreateGraph {
            properties: named(name, properties)?,
            max_record,
            seed,
            precedence: record_types(&precedence)?,
        };
        bridge::call(py, self.with_node(self.node.create_graph(options)), Graph::plain)
    }

    fn open_graph<'py>(
        &self,
        py: Python<'py>,
        graph: &Bound<'py, PyAny>,
        precedence: Vec<String>,
        offline: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let graph: GraphRef = match graph.extract::<Ticket>() {
            Ok(ticket) => ticket.0.into(),
            Err(_) => match graph.extract::<GraphId>() {
                Ok(id) => id.0.into(),
                Err(_) => return Err(expected(graph, "graph", "a GraphId, a Ticket or the text of one")),
            },
        };
        let options = OpenGraph { precedence: record_types(&precedence)?, offline };
        bridge::call(py, self.with_node(self.node.open_graph(graph, options)), Graph::plain)
    }

    fn join<'py>(
        &self,
        py: Python<'py>,
        ticket: Ticket,
        deadline: &Bound<'py, PyAny>,
        on_progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let join = JoinGraph {
            ticket: ticket.0,
            deadline: span(deadline, "deadline")?,
            on_progress: told(py, on_progress)?,
        };
        bridge::call(py, self.with_node(self.node.join(join)), Graph::plain)
    }

    #[expect(clippy::too_many_arguments, reason = "one description of a group, whose fields Python names")]
    fn create_group<'py>(
        &self,
        py: Python<'py>,
        name: String,
        properties: Option<&Bound<'py, PyAny>>,
        rules: Option<&Bound<'py, PyAny>>,
        max_record: u32,
        precedence: Vec<String>,
        identity: Option<PyRef<'py, Identity>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = CreateGroup {
            properties: named(name, properties)?,
            rules: rules.map(rules_from).transpose()?.unwrap_or_default(),
            max_record,
            precedence: record_types(&precedence)?,
            identity: identity.map(|identity| identity.identity.clone()),
        };
        bridge::call(py, self.with_node(self.node.create_group(options)), Graph::of_group)
    }

    fn open_group<'py>(
        &self,
        py: Python<'py>,
        group: GraphId,
        precedence: Vec<String>,
        offline: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = OpenGraph { precedence: record_types(&precedence)?, offline };
        bridge::call(py, self.with_node(self.node.open_group_with(group.0, options)), Graph::of_group)
    }

    #[expect(clippy::too_many_arguments, reason = "one join, whose options Python names")]
    fn join_group<'py>(
        &self,
        py: Python<'py>,
        invitation: Invitation,
        name: String,
        identity: Option<PyRef<'py, Identity>>,
        password: Option<String>,
        deadline: &Bound<'py, PyAny>,
        on_progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = JoinGroup {
            invitation: invitation.0,
            name,
            identity: identity.map(|identity| identity.identity.clone()),
            password: password.map(Into::into),
            deadline: span(deadline, "deadline")?,
            on_progress: told(py, on_progress)?,
        };
        bridge::call(py, self.with_node(self.node.join_group(options)), Graph::of_group)
    }

    fn import_membership<'py>(
        &self,
        py: Python<'py>,
        text: String,
        password: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        let password = Zeroizing::new(password);
        let imported = self.node.import_membership(&text, &password);
        bridge::call(py, self.with_node(imported), Graph::of_group)
    }

    fn open_graphs(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        list(py, self.node.open_graphs(), |py, graph| graph_id(py, graph.id()))
    }

    fn stored_graphs(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        list(py, py.detach(|| self.node.stored_graphs()), graph_id)
    }

    fn stored_groups(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        list(py, py.detach(|| self.node.stored_groups()).map_err(Fail)?, graph_id)
    }

    fn delete_graph<'py>(&self, py: Python<'py>, graph: GraphId) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.node.delete_graph(graph.0), |py, ()| Ok(py.None()))
    }

    fn pause<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.node.pause(), |py, ()| Ok(py.None()))
    }

    fn resume<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.node.resume(), |py, ()| Ok(py.None()))
    }

    #[getter]
    fn is_paused(&self) -> bool {
        self.node.is_paused()
    }

    fn network_changed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.node.network_changed(), |py, ()| Ok(py.None()))
    }

    fn shutdown<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::start(py, self.node.shutdown(), |py, ()| Ok(py.None()))
    }
}
