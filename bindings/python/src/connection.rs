//! Reaching other nodes and sending them data.

use std::{
    future::IntoFuture,
    sync::{Mutex, PoisonError},
};

use peergraph::{ConnectOptions, ids::ConnectionId};
use pyo3::prelude::*;

use crate::{
    bridge,
    convert::{make, object, result, span},
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

    fn send<'py>(&self, py: Python<'py>, data_type: String, data: Vec<u8>) -> PyResult<Bound<'py, PyAny>> {
        let direct = self.direct.clone();
        bridge::call(py, async move { direct.send(&data_type, data).await }, receipt)
    }

    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let direct = self.direct.clone();
        bridge::call(py, async move { direct.close().await }, |py, ()| Ok(py.None()))
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
        let options =
            ConnectOptions { expected_peer: expected_peer.map(|peer| peer.0), deadline: span(deadline)? };
        let (graph, whom) = (self.graph.clone(), target(whom)?);
        let running = bridge::running_loop(py)?.map(Bound::unbind);
        let connecting = async move {
            let mut connecting = graph.connect_with(whom, options);
            if let Some(progress) = progress {
                let told = std::sync::Arc::new((progress, running));
                while let Some(hop) = connecting.progress().await {
                    let told = told.clone();
                    bridge::post(move |py| tell(py, &told, hop));
                }
            }
            connecting.into_future().await
        };
        bridge::call(py, connecting, |py, info| connection_info(py, &info))
    }

    fn open_direct<'py>(&self, py: Python<'py>, whom: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (graph, whom, node) = (self.graph.clone(), target(whom)?, self.node.clone());
        bridge::call(py, async move { graph.open_direct(whom).await }, move |py, direct| {
            object(py, Direct { direct, _node: node })
        })
    }

    fn direct_connection<'py>(&self, py: Python<'py>, id: u64) -> PyResult<Bound<'py, PyAny>> {
        let (graph, node) = (self.graph.clone(), self.node.clone());
        bridge::call(py, async move { graph.direct_connection(ConnectionId(id)).await }, move |py, direct| {
            object(py, Direct { direct, _node: node })
        })
    }

    fn disconnect<'py>(&self, py: Python<'py>, id: u64) -> PyResult<Bound<'py, PyAny>> {
        let graph = self.graph.clone();
        bridge::call(py, async move { graph.disconnect(ConnectionId(id)).await }, |py, ()| Ok(py.None()))
    }

    fn send<'py>(
        &self,
        py: Python<'py>,
        id: u64,
        data_type: String,
        data: Vec<u8>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let graph = self.graph.clone();
        bridge::call(py, async move { graph.send(ConnectionId(id), &data_type, data).await }, receipt)
    }
}

/// Has the application's function called with a hop: on its loop, or where there is none, here.
fn tell(py: Python<'_>, told: &(Py<PyAny>, Option<Py<PyAny>>), hop: peergraph::Progress) {
    let (progress, running) = told;
    let call = || -> PyResult<()> {
        let hop = make(py, "Progress", (hop.hop, NodeId(hop.next)))?;
        match running {
            Some(running) => running.call_method1(py, "call_soon_threadsafe", (progress, hop)).map(drop),
            None => progress.call1(py, (hop,)).map(drop),
        }
    };
    if let Err(error) = call() {
        error.write_unraisable(py, Some(progress.bind(py)));
    }
}
