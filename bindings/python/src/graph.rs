//! A graph, and the group it may be: one class here, two in Python.

use peergraph::{GraphProperties, PropertiesUpdate, Target};
use pyo3::prelude::*;

use crate::{
    bridge,
    convert::{list, maybe_span, moment, named, object, result, time},
    errors::invalid,
    ids::{GraphId, NodeId, PeerId},
    invitation::Ticket,
    values::{
        connection_info, fingerprint, genesis, graph_id, node_addr, node_addr_from, node_info, progress,
        properties, status,
    },
};

/// An open graph, or group.
#[pyclass(frozen)]
pub(crate) struct Graph {
    pub(crate) graph: peergraph::Graph,
    pub(crate) group: Option<peergraph::Group>,
    /// Nobody keeps a node in hand that is used by its graphs only.
    pub(crate) node: peergraph::Node,
}

impl Graph {
    pub(crate) fn plain(
        py: Python<'_>,
        (node, graph): (peergraph::Node, peergraph::Graph),
    ) -> PyResult<Py<PyAny>> {
        object(py, Self { graph, group: None, node })
    }

    pub(crate) fn of_group(
        py: Python<'_>,
        (node, group): (peergraph::Node, peergraph::Group),
    ) -> PyResult<Py<PyAny>> {
        object(py, Self { graph: group.graph().clone(), group: Some(group), node })
    }
}

/// Whom to reach: a node's address, several, a ticket, a node, or an identity.
pub(crate) fn target(value: &Bound<'_, PyAny>) -> PyResult<Target> {
    if let Ok(ticket) = value.extract::<Ticket>() {
        return Ok(ticket.0.into());
    }
    if let Ok(node) = value.extract::<NodeId>() {
        return Ok(node.0.into());
    }
    if let Ok(peer) = value.extract::<PeerId>() {
        return Ok(peer.0.into());
    }
    if value.hasattr("addrs")? {
        return Ok(node_addr_from(value)?.into());
    }
    if let Ok(items) = value.try_iter() {
        let nodes = items.map(|item| node_addr_from(&item?)).collect::<PyResult<Vec<_>>>();
        if let Ok(nodes) = nodes {
            return Ok(nodes.into());
        }
    }
    let kind = value.get_type().name()?;
    Err(pyo3::exceptions::PyTypeError::new_err(format!(
        "one can connect to a NodeAddr, several of them, a Ticket, a NodeId or a PeerId, not to a {kind}"
    )))
}

#[pymethods]
impl Graph {
    #[getter]
    fn id(&self) -> GraphId {
        GraphId(self.graph.id())
    }

    #[getter]
    fn is_group(&self) -> bool {
        self.group.is_some()
    }

    #[getter]
    fn open_outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        named(py, self.graph.open_outcome())
    }

    fn ticket<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.ticket(), |py, ticket| object(py, Ticket(ticket)))
    }

    fn listen<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.listen(), named)
    }

    fn enter<'py>(&self, py: Python<'py>, whom: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.enter(target(whom)?), |py, ()| Ok(py.None()))
    }

    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.status(), status)
    }

    fn sync_progress<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.sync_progress(), |py, now| {
            now.map_or_else(|| Ok(py.None()), |now| progress(py, now))
        })
    }

    fn genesis<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.genesis(), |py, found| genesis(py, &found))
    }

    fn properties<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.properties(), |py, found| properties(py, &found))
    }

    #[expect(clippy::too_many_arguments, reason = "one change, whose fields Python names")]
    fn set_properties<'py>(
        &self,
        py: Python<'py>,
        name: Option<String>,
        comment: Option<String>,
        presence_lifetime: Option<&Bound<'py, PyAny>>,
        presence_max: Option<Option<u32>>,
        everybody: bool,
        defer_expiration: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let update = PropertiesUpdate {
            name,
            comment,
            presence_lifetime: maybe_span(presence_lifetime, "presence_lifetime")?,
            presence_max: if everybody { Some(None) } else { presence_max.flatten().map(Some) },
            defer_expiration,
        };
        let graph = &self.graph;
        let map = |py: Python<'_>, now: GraphProperties| properties(py, &now);
        bridge::call(py, graph.set_properties(update), map)
    }

    fn nodes<'py>(&self, py: Python<'py>, peer: Option<PeerId>) -> PyResult<Bound<'py, PyAny>> {
        let nodes = match peer {
            Some(peer) => self.graph.nodes_of(peer.0),
            None => self.graph.nodes(),
        };
        bridge::call(py, nodes, |py, nodes| list(py, &nodes, node_info))
    }

    fn node_info<'py>(&self, py: Python<'py>, node: NodeId) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.node_info(node.0), |py, info| node_info(py, &info))
    }

    fn set_node_attributes<'py>(&self, py: Python<'py>, text: Option<String>) -> PyResult<Bound<'py, PyAny>> {
        let set = self.graph.set_node_attributes(text.as_deref());
        bridge::call(py, set, |py, ()| Ok(py.None()))
    }

    fn force_presence<'py>(&self, py: Python<'py>, forced: bool) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.force_presence(forced), |py, ()| Ok(py.None()))
    }

    fn neighbors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.neighbors(), |py, all| list(py, &all, connection_info))
    }

    fn direct_connections<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.direct_connections(), |py, all| list(py, &all, connection_info))
    }

    fn contacts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.contacts(), |py, all| list(py, &all, node_addr))
    }

    fn peer_time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.peer_time(), time)
    }

    fn to_peer_time<'py>(&self, py: Python<'py>, local: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let local = moment(local, "local")?;
        bridge::call(py, self.graph.to_peer_time(local), time)
    }

    fn to_local_time<'py>(&self, py: Python<'py>, peer: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let peer = moment(peer, "peer")?;
        bridge::call(py, self.graph.to_local_time(peer), time)
    }

    fn fingerprint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.fingerprint(), fingerprint)
    }

    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let closing = match &self.group {
            Some(group) => group.close(),
            None => self.graph.close(),
        };
        bridge::start(py, closing, |py, ()| Ok(py.None()))
    }

    fn export_database<'py>(
        &self,
        py: Python<'py>,
        path: std::path::PathBuf,
        password: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.export_database(path, password.as_deref()), result)
    }

    fn import_database<'py>(
        &self,
        py: Python<'py>,
        path: std::path::PathBuf,
        password: Option<String>,
        exporter: Option<PeerId>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = peergraph::ImportDatabase {
            password: password.map(Into::into),
            exporter: exporter.map(|peer| peer.0),
        };
        bridge::call(py, self.graph.import_database(path, options), |py, count| {
            let peergraph::ImportCount { added, known, refused, waiting } = count;
            crate::convert::make(py, "ImportCount", (added, known, refused, waiting))
        })
    }

    /// What there is to show at once, for notebooks: waits for at most a second, whoever runs a loop.
    fn summary(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        bridge::ensure(py)?;
        let (graph, group) = (self.graph.clone(), self.group.clone());
        let asked = async move {
            let now = graph.status().await?;
            let name = graph.properties().await.map(|found| found.name).unwrap_or_default();
            let (nodes, neighbors) = (graph.nodes().await?, graph.neighbors().await?);
            let records = graph.fingerprint().await?.count;
            let members = match &group {
                Some(group) => group.members().await?,
                None => Vec::new(),
            };
            Ok::<_, peergraph::Error>((now, name, nodes, neighbors, records, members))
        };
        let Some(Ok(found)) = bridge::wait(py, asked, Some(std::time::Duration::from_secs(1)))? else {
            return Ok(None);
        };
        let (now, name, nodes, neighbors, records, members) = found;
        let fields = (
            status(py, now)?,
            name,
            list(py, &nodes, node_info)?,
            list(py, &neighbors, connection_info)?,
            records,
            list(py, &members, crate::values::member_info)?,
        );
        Ok(Some(object(py, fields)?))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "<{} {}>",
            if self.is_group() { "Group" } else { "Graph" },
            graph_id(py, self.graph.id())?
        ))
    }
}

impl Graph {
    pub(crate) fn as_group(&self) -> PyResult<peergraph::Group> {
        self.group.clone().ok_or_else(|| invalid("this graph is not a group"))
    }
}
