//! Errors of the library as exceptions. The classes are Python's own: see `peergraph/_errors.py`.

use peergraph::{Error, ErrorKind};
use pyo3::{prelude::*, sync::PyOnceLock};

/// An error on its way to Python.
pub(crate) struct Fail(pub(crate) Error);

impl<E: Into<Error>> From<E> for Fail {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<Fail> for PyErr {
    fn from(Fail(error): Fail) -> Self {
        Python::attach(|py| {
            let path = error.path().map(std::path::Path::as_os_str);
            let address = error.address().map(|address| address.to_string());
            let of_system = (error.os_error(), path, address);
            make(py, error.kind(), error.message(), of_system).unwrap_or_else(|fault| fault)
        })
    }
}

/// An exception of a kind.
pub(crate) fn raised(py: Python<'_>, kind: ErrorKind, message: &str) -> PyResult<PyErr> {
    make(py, kind, message, (None, None, None))
}

/// The system's number, a path and a socket address, where a system call failed.
type OfSystem<'a> = (Option<i32>, Option<&'a std::ffi::OsStr>, Option<String>);

fn make(py: Python<'_>, kind: ErrorKind, message: &str, of_system: OfSystem<'_>) -> PyResult<PyErr> {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = MAKE
        .get_or_try_init(py, || Ok::<_, PyErr>(py.import("peergraph._errors")?.getattr("_make")?.unbind()))?;
    let (number, path, address) = of_system;
    Ok(PyErr::from_value(make.bind(py).call1((kind.code(), message, number, path, address))?))
}

/// An exception for an argument that breaks a rule.
pub(crate) fn invalid(message: &str) -> PyErr {
    Python::attach(|py| raised(py, ErrorKind::InvalidArgument, message).unwrap_or_else(|fault| fault))
}
