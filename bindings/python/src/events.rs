//! Events, and the subscription under Python's streams: a wake hook and a drain. No event crosses inside a future.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use peergraph::{
    EventKind,
    events::{
        ConnectionChange, ConnectionEvent, Cursor, Event, EventFilter, IncomingData as CoreData, Start,
        SubscribeOptions,
    },
    names::Named,
};
use pyo3::{
    prelude::*,
    sync::PyOnceLock,
    types::{PyBytes, PyFrozenSet, PyList},
};

use tokio::sync::watch;

use crate::{
    bridge,
    convert::{make, named, object},
    errors::{Fail, invalid},
    graph::Graph,
    ids::{NodeId, PeerId},
    records::RecordChanged,
    values::{member_info, node_info, progress, properties, record_types, status},
};

/// Application data arrived on a direct connection or neighbor link.
#[pyclass(frozen, module = "peergraph")]
pub(crate) struct IncomingData {
    data: CoreData,
    bytes: PyOnceLock<Py<PyBytes>>,
}

#[pymethods]
impl IncomingData {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str)
    {
        ("connection", "kind", "node", "peer", "data_type", "data")
    }

    /// On which connection.
    #[getter]
    fn connection(&self) -> u64 {
        self.data.connection.0
    }

    /// Neighbor link or direct connection: a `ConnectionKind`.
    #[getter]
    fn kind(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        named(py, self.data.kind)
    }

    /// The sender's node.
    #[getter]
    fn node(&self) -> NodeId {
        NodeId(self.data.node)
    }

    /// The sender.
    #[getter]
    fn peer(&self) -> PeerId {
        PeerId(self.data.peer)
    }

    /// What kind of data, in the sender's word.
    #[getter]
    fn data_type(&self) -> &str {
        self.data.data_type.as_str()
    }

    /// The data.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> &Bound<'py, PyBytes> {
        self.bytes.get_or_init(py, || PyBytes::new(py, &self.data.data).unbind()).bind(py)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().data == self.data)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.data.connection, self.data.data.len()).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        let CoreData { peer, data_type, data, .. } = &self.data;
        format!("<IncomingData {data_type} from {}, {} bytes>", peer.short(), data.len())
    }
}

/// An event for Python. Exhaustive on purpose.
fn convert(py: Python<'_>, event: Event) -> PyResult<Py<PyAny>> {
    match event {
        Event::RecordChanged(change) => RecordChanged::make(py, change),
        Event::IncomingData(data) => {
            Ok(Py::new(py, IncomingData { data, bytes: PyOnceLock::new() })?.into_any())
        }
        Event::StatusChanged(now) => make(py, "StatusChanged", (status(py, now)?,)),
        Event::PropertyChanged { changed, properties: now } => {
            let changed = PyFrozenSet::new(py, changed)?;
            make(py, "PropertyChanged", (changed, properties(py, &now)?))
        }
        Event::DirectConnection(event) => connection(py, "DirectConnectionChanged", event),
        Event::NeighborConnection(event) => connection(py, "NeighborConnectionChanged", event),
        Event::ConnectionRequired(reason) => make(py, "ConnectionRequired", (named(py, reason)?,)),
        Event::NodeChanged { change, node } => {
            make(py, "NodeChanged", (named(py, change)?, node_info(py, &node)?))
        }
        Event::Synchronized(record_type) => {
            make(py, "Synchronized", (record_type.as_ref().map(|record_type| record_type.as_str()),))
        }
        Event::MemberChanged { change, member } => {
            make(py, "MemberChanged", (named(py, change)?, member_info(py, &member)?))
        }
        Event::ConnectionFailed(reason) => make(py, "ConnectionFailed", (named(py, reason)?,)),
        Event::SyncProgress(now) => progress(py, now),
        Event::Lagged { dropped } => make(py, "Lagged", (dropped,)),
        Event::Reset => make(py, "Reset", ()),
        Event::CaughtUp(cursor) => make(py, "CaughtUp", (PyBytes::new(py, &cursor.to_bytes()),)),
    }
}

fn connection(py: Python<'_>, class: &str, event: ConnectionEvent) -> PyResult<Py<PyAny>> {
    let ConnectionEvent { change, connection, node, peer } = event;
    let none = || py.None();
    let (change, reason, hop, next) = match change {
        ConnectionChange::Connected => ("connected", none(), None, None),
        ConnectionChange::Disconnected { reason } => ("disconnected", named(py, reason)?, None, None),
        ConnectionChange::Failed { reason } => ("failed", named(py, reason)?, None, None),
        ConnectionChange::Referred { hop, next } => ("referred", none(), Some(hop), Some(NodeId(next))),
    };
    let change = make(py, "ConnectionChange", (change,))?;
    make(py, class, (change, connection.0, node.map(NodeId), peer.map(PeerId), reason, hop, next))
}

/// One subscription.
#[pyclass(frozen)]
pub(crate) struct Subscription {
    stream: Arc<peergraph::EventStream>,
    /// Counts how often one of several readers took events over that another may wait for.
    turn: watch::Sender<u64>,
    _node: peergraph::Node,
}

#[pymethods]
impl Subscription {
    /// Takes up to `max` waiting events.
    fn drain<'py>(&self, py: Python<'py>, max: usize) -> PyResult<Bound<'py, PyList>> {
        // It can wait for a lock that the producer holds, and may read from the disk.
        let events = py.detach(|| self.stream.drain(max));
        let events = events.into_iter().map(|event| convert(py, event)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, events)
    }

    fn is_finished(&self, py: Python<'_>) -> bool {
        py.detach(|| self.stream.is_finished())
    }

    /// Has `wake(stream)` called, on the thread of the bridge, whenever there is something to drain. `stream` is a weak
    /// reference: a strong one would make a cycle that no collector can see.
    fn arm(&self, py: Python<'_>, wake: Py<PyAny>, stream: Py<PyAny>) -> PyResult<()> {
        bridge::ensure(py)?;
        let held = Arc::new((wake, stream));
        let hook = move || {
            let held = held.clone();
            bridge::post(move |py| {
                let (wake, stream) = &*held;
                if let Err(error) = wake.call1(py, (stream,)) {
                    error.write_unraisable(py, Some(wake.bind(py)));
                }
            });
        };
        py.detach(|| self.stream.set_wake_hook(Some(Arc::new(hook))));
        Ok(())
    }

    /// Where the readers of this subscription are, for `wait`.
    fn turn(&self) -> u64 {
        *self.turn.borrow()
    }

    /// Ends all waits that began before.
    fn next_turn(&self) {
        self.turn.send_modify(|turn| *turn += 1);
    }

    /// Waits, without a loop, until there may be something to drain or the turn is another (true), the stream has ended
    /// (false), or the limit in seconds is over (`None`).
    fn wait(&self, py: Python<'_>, turn: u64, limit: Option<f64>) -> PyResult<Option<bool>> {
        bridge::ensure(py)?;
        let limit =
            limit.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
        let (stream, mut turns) = (self.stream.clone(), self.turn.subscribe());
        let waiting = async move {
            tokio::select! {
                ready = stream.ready() => ready,
                // The sender lives as long as the subscription, so this ends with another turn only.
                _ = turns.wait_for(|now| *now != turn) => true,
            }
        };
        bridge::wait(py, waiting, limit)
    }

    fn cursor<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let cursor = py.detach(|| self.stream.cursor());
        PyBytes::new(py, &cursor.to_bytes())
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.stream.close());
    }
}

fn cursor_from(bytes: &[u8]) -> PyResult<Cursor> {
    let raw =
        bytes.try_into().map_err(|_| invalid("a cursor has 24 bytes, as an event or a stream gave it"))?;
    Ok(Cursor::from_bytes(raw))
}

#[pymethods]
impl Graph {
    #[expect(clippy::too_many_arguments, reason = "one subscription, whose options Python names")]
    fn subscribe(
        &self,
        py: Python<'_>,
        kinds: Vec<String>,
        record_types_wanted: Vec<String>,
        authors: Vec<PeerId>,
        data_types: Vec<String>,
        snapshot: bool,
        after: Option<&[u8]>,
        capacity: Option<usize>,
    ) -> PyResult<Subscription> {
        bridge::ensure(py)?;
        let kinds = kinds
            .iter()
            .map(|name| EventKind::from_word(name))
            .collect::<Result<Vec<_>, _>>()
            .map_err(Fail)?;
        let filter = EventFilter::kinds(kinds)
            .record_types(record_types(&record_types_wanted)?)
            .authors(authors.into_iter().map(|peer| peer.0))
            .data_types(record_types(&data_types)?);
        let start = match (snapshot, after) {
            (true, Some(_)) => {
                return Err(invalid("a stream begins with a snapshot or after a cursor, not both"));
            }
            (true, None) => Start::Snapshot,
            (false, Some(bytes)) => Start::After(cursor_from(bytes)?),
            (false, None) => Start::Now,
        };
        let options = SubscribeOptions { filter, start, capacity };
        let stream = py.detach(|| self.graph.subscribe(options)).map_err(Fail)?;
        Ok(Subscription { stream: Arc::new(stream), turn: watch::Sender::new(0), _node: self.node.clone() })
    }

    fn save_cursor<'py>(&self, py: Python<'py>, name: String, cursor: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let cursor = cursor_from(cursor)?;
        bridge::call(py, self.graph.save_cursor(&name, cursor), |py, ()| Ok(py.None()))
    }

    fn load_cursor<'py>(&self, py: Python<'py>, name: String) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.load_cursor(&name), |py, cursor| {
            object(py, cursor.map(|cursor| PyBytes::new(py, &cursor.to_bytes()).unbind()))
        })
    }
}
