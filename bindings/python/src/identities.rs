//! Identities.

use peergraph::{CreateIdentity, given};
use pyo3::{prelude::*, types::PyBytes};

use crate::{
    bridge,
    convert::{list, object, result},
    errors::Fail,
    ids::PeerId,
    invitation::{IdentityDescription, PeerName},
    values::graph_id,
};

/// The identities of a node.
#[pyclass(frozen)]
pub(crate) struct Identities {
    pub(crate) identities: peergraph::Identities,
}

/// One identity.
#[pyclass(frozen)]
pub(crate) struct Identity {
    pub(crate) identity: peergraph::Identity,
}

fn handle(py: Python<'_>, identity: peergraph::Identity) -> PyResult<Py<PyAny>> {
    object(py, Identity { identity })
}

#[pymethods]
impl Identities {
    fn create<'py>(
        &self,
        py: Python<'py>,
        name: Option<String>,
        classifier: Option<String>,
        key: Option<&Bound<'py, PyBytes>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let key = key.map(|key| given::secret_key(key.as_bytes())).transpose().map_err(Fail)?;
        let options = CreateIdentity { name, classifier, key };
        bridge::call(py, self.identities.create(options), handle)
    }

    fn list(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        list(py, self.identities.list(), handle)
    }

    fn default<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.identities.default(), handle)
    }

    fn set_default<'py>(&self, py: Python<'py>, name: PeerName) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.identities.set_default(&name.0), |py, ()| Ok(py.None()))
    }

    fn get(&self, name: PeerName) -> PyResult<Identity> {
        Ok(Identity { identity: self.identities.get(&name.0).map_err(Fail)? })
    }

    fn import_identity<'py>(
        &self,
        py: Python<'py>,
        text: String,
        password: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        let password = zeroize::Zeroizing::new(password);
        bridge::call(py, self.identities.import(&text, &password), handle)
    }
}

#[pymethods]
impl Identity {
    #[getter]
    fn peer_id(&self) -> PeerId {
        PeerId(self.identity.peer_id())
    }

    #[getter]
    fn peer_name(&self) -> PeerName {
        PeerName(self.identity.peer_name())
    }

    #[getter]
    fn name(&self) -> String {
        self.identity.name()
    }

    fn rename<'py>(&self, py: Python<'py>, name: Option<String>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.identity.rename(name.as_deref()), |py, ()| Ok(py.None()))
    }

    fn describe(&self) -> PyResult<IdentityDescription> {
        Ok(IdentityDescription(self.identity.describe().map_err(Fail)?))
    }

    fn export<'py>(&self, py: Python<'py>, password: String) -> PyResult<Bound<'py, PyAny>> {
        let password = zeroize::Zeroizing::new(password);
        bridge::call(py, self.identity.export(&password), result)
    }

    fn sign<'py>(&self, py: Python<'py>, message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.identity.sign(message).map_err(Fail)?))
    }

    fn groups<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.identity.groups(), |py, all| list(py, all, graph_id))
    }

    fn delete<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.identity.delete(), |py, ()| Ok(py.None()))
    }
}
