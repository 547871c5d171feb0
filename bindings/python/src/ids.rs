//! Identifiers: small values that can be compared, hashed, sorted, pickled and read from text.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
};

use pyo3::{
    prelude::*,
    types::{PyBytes, PyString},
};

use crate::errors::Fail;

macro_rules! id {
    ($(#[doc = $doc:literal])* $name:ident, $len:literal) => {
        $(#[doc = $doc])*
        #[pyclass(frozen, eq, ord, from_py_object, module = "peergraph")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name(pub(crate) peergraph::$name);

        #[pymethods]
        impl $name {
            #[new]
            fn new(value: &Bound<'_, PyAny>) -> PyResult<Self> {
                if let Ok(bytes) = value.cast::<PyBytes>() {
                    let raw = <[u8; $len]>::try_from(bytes.as_bytes()).map_err(|_| {
                        crate::errors::invalid(concat!(stringify!($name), " has ", $len, " bytes"))
                    })?;
                    return Ok(Self(peergraph::$name::from_bytes(raw)));
                }
                if let Ok(same) = value.extract::<Self>() {
                    return Ok(same);
                }
                let what = concat!("the value of a ", stringify!($name));
                let Ok(text) = value.cast::<PyString>() else {
                    let wanted = concat!("hexadecimal text or ", $len, " bytes");
                    return Err(crate::convert::expected(value, what, wanted));
                };
                let text = crate::convert::text(text, what)?;
                Ok(Self(text.parse::<peergraph::$name>().map_err(Fail::from)?))
            }

            /// The first ten hexadecimal digits, for logs and screens.
            #[getter]
            fn short(&self) -> String {
                self.0.short()
            }

            fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
                PyBytes::new(py, self.0.as_bytes())
            }

            fn __str__(&self) -> String {
                self.0.to_string()
            }

            fn __repr__(&self) -> String {
                format!("{}('{}')", stringify!($name), self.0)
            }

            fn __hash__(&self) -> u64 {
                let mut hasher = DefaultHasher::new();
                self.0.hash(&mut hasher);
                hasher.finish()
            }

            fn __getnewargs__(&self) -> (String,) {
                (self.0.to_string(),)
            }
        }
    };
}

id!(
    /// PeerId(value)
    /// --
    ///
    /// A person or service: the public key of an identity. From 64 hexadecimal digits or 32 bytes; `str` and `bytes` give
    /// them back.
    PeerId,
    32
);
id!(
    /// NodeId(value)
    /// --
    ///
    /// One running instance, by which it is dialled. From 64 hexadecimal digits or 32 bytes.
    NodeId,
    32
);
id!(
    /// GraphId(value)
    /// --
    ///
    /// A graph or group. From 64 hexadecimal digits or 32 bytes.
    GraphId,
    32
);
id!(
    /// RecordId(value)
    /// --
    ///
    /// A record, through all its versions. From 32 hexadecimal digits or 16 bytes.
    RecordId,
    16
);

#[pymethods]
impl PeerId {
    /// True if this identity signed the message with `Identity.sign`.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(message, signature)
    }
}
