//! Reaching other nodes and sending them data.

use std::{
    future::IntoFuture,
    sync::{Mutex, PoisonError},
};

use peergraph::{ConnectOptions, ids::ConnectionId};
use pyo3::{prelude::*, types::PyBytes};

use crate::{
    bridge,
    convert::{content, make, object, result, span},
    graph::{Graph, target},
    ids::{NodeId, PeerId},
    values::connection_info,
};

/// A connection for application data.
#[pyclass(frozen)]
pub(crate) struct Direct {
    direct: peergraph::DirectConnection,
    _node: peergraph::Node,
}

/// What became of sent data; can be asked once.
#[pyclass(frozen)]
pub(crate) struct Receipt {
    receipt: Mutex<Option<peergraph::SendReceipt>>,
}

fn receipt(py: Python<'_>, receipt: peergraph::SendReceipt) -> PyResult<Py<PyAny>> {
    object(py, Receipt { receipt: Mutex::new(Some(receipt)) })
}

#[pymethods]
impl Receipt {
    fn delivered<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let taken = self.receipt.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(receipt) = taken else {
            return Err(crate::errors::invalid("a receipt can be asked once"));
        };
        bridge::call(py, receipt.delivered(), result)
    }
}

#[pymethods]
impl Direct {
    #[getter]
    fn id(&self) -> u64 {
        self.direct.id().0
    }

    #[getter]
    fn info(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        connection_info(py, self.direct.info())
    }

    fn send<'py>(
        &self,
        py: Python<'py>,
        data_type: String,
        data: &Bound<'py, PyBytes>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (direct, data) = (&self.direct, content(data));
        bridge::call(py, direct.send(&data_type, data), receipt)
    }

    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.direct.close(), |py, ()| Ok(py.None()))
    }
}

#[pymethods]
impl Graph {
    fn connect<'py>(
        &self,
        py: Python<'py>,
        whom: &Bound<'py, PyAny>,
        expected_peer: Option<PeerId>,
        deadline: &Bound<'py, PyAny>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = ConnectOptions {
            expected_peer: expected_peer.map(|peer| peer.0),
            deadline: span(deadline, "deadline")?,
        };
        let caller = progress.map(|progress| bridge::Caller::of(py, progress)).transpose()?;
        let mut connecting = self.graph.connect_with(target(whom)?, options);
        let connecting = async move {
            if let Some(caller) = caller {
                let caller = std::sync::Arc::new(caller);
                while let Some(hop) = connecting.progress().await {
                    let caller = caller.clone();
                    bridge::post(move |py| {
                        caller.tell(py, |py| make(py, "Progress", (hop.hop, NodeId(hop.next))));
                    });
                }
            }
            connecting.into_future().await
        };
        bridge::call(py, connecting, |py, info| connection_info(py, &info))
    }

    fn open_direct<'py>(&self, py: Python<'py>, whom: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (whom, node) = (target(whom)?, self.node.clone());
        bridge::call(py, self.graph.open_direct(whom), move |py, direct| {
            object(py, Direct { direct, _node: node })
        })
    }

    fn direct_connection<'py>(&self, py: Python<'py>, id: u64) -> PyResult<Bound<'py, PyAny>> {
        let node = self.node.clone();
        bridge::call(py, self.graph.direct_connection(ConnectionId(id)), move |py, direct| {
            object(py, Direct { direct, _node: node })
        })
    }

    fn disconnect<'py>(&self, py: Python<'py>, id: u64) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.disconnect(ConnectionId(id)), |py, ()| Ok(py.None()))
    }

    fn send<'py>(
        &self,
        py: Python<'py>,
        id: u64,
        data_type: String,
        data: &Bound<'py, PyBytes>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (graph, data) = (&self.graph, content(data));
        bridge::call(py, graph.send(ConnectionId(id), &data_type, data), receipt)
    }
}
