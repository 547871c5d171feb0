//! What people hand to each other as text: tickets, invitations, descriptions of identities, names.

use peergraph::group::Way;
use pyo3::prelude::*;

use crate::{
    convert::{maybe_time, text, time, tuple},
    errors::Fail,
    ids::{GraphId, PeerId},
    values::{node_addr, role},
};

macro_rules! text_form {
    ($name:ident) => {
        #[pymethods]
        impl $name {
            #[new]
            fn new(text: &Bound<'_, PyAny>) -> PyResult<Self> {
                let text = crate::convert::text(text, concat!("the text of a ", stringify!($name)))?;
                let parsed = text.trim().parse().map_err(Fail::from)?;
                Ok(Self(parsed))
            }

            fn __str__(&self) -> String {
                self.0.to_string()
            }

            fn __getnewargs__(&self) -> (String,) {
                (self.0.to_string(),)
            }

            fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
                other.cast::<Self>().is_ok_and(|other| other.get().0 == self.0)
            }

            fn __hash__(&self) -> u64 {
                use std::hash::{DefaultHasher, Hash, Hasher};
                let mut hasher = DefaultHasher::new();
                self.0.to_string().hash(&mut hasher);
                hasher.finish()
            }
        }
    };
}

/// Ticket(text)
/// --
///
/// The way into a plain graph. Whoever has it can join: give it only to those who may. `str(ticket)` is the text.
#[pyclass(frozen, from_py_object, module = "peergraph")]
#[derive(Clone)]
pub(crate) struct Ticket(pub(crate) peergraph::Ticket);
text_form!(Ticket);

#[pymethods]
impl Ticket {
    /// The graph.
    #[getter]
    fn graph(&self) -> GraphId {
        GraphId(self.0.graph)
    }

    /// Nodes to connect to, tried in turn.
    #[getter]
    fn nodes(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        tuple(py, &self.0.nodes, node_addr)
    }

    fn __repr__(&self) -> String {
        format!("<Ticket to {}, {} nodes>", self.0.graph.short(), self.0.nodes.len())
    }
}

/// Invitation(text)
/// --
///
/// The way into a group, and all there is to know before one takes it. `str(invitation)` is the text.
#[pyclass(frozen, from_py_object, module = "peergraph")]
#[derive(Clone)]
pub(crate) struct Invitation(pub(crate) peergraph::Invitation);
text_form!(Invitation);

#[pymethods]
impl Invitation {
    /// The group.
    #[getter]
    fn group(&self) -> GraphId {
        GraphId(self.0.group)
    }

    /// What the group is called.
    #[getter]
    fn group_name(&self) -> &str {
        &self.0.group_name
    }

    /// Who invites.
    #[getter]
    fn issuer(&self) -> PeerId {
        PeerId(self.0.issuer)
    }

    /// What they are called.
    #[getter]
    fn issuer_name(&self) -> &str {
        &self.0.issuer_name
    }

    /// What one becomes: a `Role`.
    #[getter]
    fn role(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        role(py, self.0.role)
    }

    /// From when on it can be used, in peer time (UTC).
    #[getter]
    fn not_before(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        time(py, self.0.not_before)
    }

    /// Until when, in peer time (UTC); `None`: without end.
    #[getter]
    fn not_after(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        maybe_time(py, self.0.not_after)
    }

    /// How it lets in: an `InvitationKind`.
    #[getter]
    fn kind(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let kind = match &self.0.way {
            Way::Identity { .. } => "identity",
            Way::Link { .. } => "link",
            Way::Password { .. } => "password",
        };
        crate::convert::make(py, "InvitationKind", (kind,))
    }

    /// For whom, if it is for one identity.
    #[getter]
    const fn subject(&self) -> Option<PeerId> {
        match self.0.subject() {
            Some(subject) => Some(PeerId(subject)),
            None => None,
        }
    }

    /// How many may come by it, if it is a link.
    #[getter]
    const fn uses(&self) -> Option<u32> {
        self.0.uses()
    }

    /// Nodes by which the group is reached, tried in turn; none if only the one who is invited can tell.
    #[getter]
    fn nodes(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        tuple(py, self.0.nodes(), node_addr)
    }

    /// The invitation as a QR code in SVG. Whoever can see the code has the invitation.
    ///
    /// Raises `TooLargeError` if it has more characters than fit.
    fn qr_svg(&self) -> PyResult<String> {
        Ok(self.0.qr_svg().map_err(Fail::from)?)
    }

    /// The invitation as a QR code for a terminal of at least 75 columns.
    ///
    /// Raises `TooLargeError` if it has more characters than fit.
    fn qr_text(&self) -> PyResult<String> {
        Ok(self.0.qr_text().map_err(Fail::from)?)
    }

    fn _repr_html_(&self) -> PyResult<String> {
        self.qr_svg()
    }

    fn __repr__(&self) -> String {
        format!("<Invitation to {:?} as {}>", self.0.group_name, self.0.role)
    }
}

/// IdentityDescription(text)
/// --
///
/// An identity as others may know it: its key, its name, and its signature over both. Holds no secret.
#[pyclass(frozen, from_py_object, module = "peergraph")]
#[derive(Clone)]
pub(crate) struct IdentityDescription(pub(crate) peergraph::IdentityDescription);
text_form!(IdentityDescription);

#[pymethods]
impl IdentityDescription {
    /// The public key.
    #[getter]
    fn peer_id(&self) -> PeerId {
        PeerId(self.0.peer_id())
    }

    /// The name that tells it from all others.
    #[getter]
    fn peer_name(&self) -> PeerName {
        PeerName(self.0.peer_name().clone())
    }

    /// The friendly name.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    fn __repr__(&self) -> String {
        format!("<IdentityDescription {:?} {}>", self.0.name(), self.0.peer_id().short())
    }
}

/// PeerName(text)
/// --
///
/// A name that says who may bear it: `authority.classifier`, or the authority alone.
#[pyclass(frozen, from_py_object, module = "peergraph")]
#[derive(Clone)]
pub(crate) struct PeerName(pub(crate) peergraph::PeerName);
text_form!(PeerName);

#[pymethods]
impl PeerName {
    /// The name of an identity.
    ///
    /// Raises `TooLargeError` above 149 characters, `InvalidArgumentError` for control characters.
    #[staticmethod]
    #[pyo3(signature = (peer, classifier = None))]
    fn secured(peer: PeerId, classifier: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let classifier = classifier.map(|value| text(value, "classifier")).transpose()?;
        Ok(Self(peergraph::PeerName::secured(peer.0, classifier.as_deref()).map_err(Fail::from)?))
    }

    /// A name that anybody may bear.
    ///
    /// Raises as `secured`, and `InvalidArgumentError` for an empty classifier.
    #[staticmethod]
    fn unsecured(classifier: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(peergraph::PeerName::unsecured(&text(classifier, "classifier")?).map_err(Fail::from)?))
    }

    /// Another name of the same authority. Makes no identity.
    #[pyo3(signature = (classifier = None))]
    fn derive(&self, classifier: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let classifier = classifier.map(|value| text(value, "classifier")).transpose()?;
        Ok(Self(self.0.derive(classifier.as_deref()).map_err(Fail::from)?))
    }

    /// Whose name it is; `None` for an unsecured one.
    #[getter]
    fn peer(&self) -> Option<PeerId> {
        self.0.peer().map(PeerId)
    }

    /// The part after the dot, if any.
    #[getter]
    fn classifier(&self) -> Option<&str> {
        self.0.classifier()
    }

    /// True if its bearer can prove it.
    #[getter]
    fn is_secured(&self) -> bool {
        self.0.is_secured()
    }

    fn __repr__(&self) -> String {
        format!("PeerName({:?})", self.0.to_string())
    }
}
