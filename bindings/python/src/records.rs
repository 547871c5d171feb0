//! Records. They are converted field by field when somebody looks at them, so that draining many is cheap.

use std::sync::Arc;

use peergraph::{
    Attributes, Conflict, ConflictQuery, ListQuery, Page, RecordDraft, RecordUpdate,
    events::RecordChanged as CoreChanged, ids::Lsn, names::Named,
};
use pyo3::{
    prelude::*,
    sync::PyOnceLock,
    types::{PyBytes, PyDict},
};

use crate::{
    bridge,
    convert::{attributes_from, attributes_to, content, list, maybe_time, moment, named, time},
    errors::Fail,
    graph::Graph,
    ids::{PeerId, RecordId},
    values::record_types,
};

/// A signed record as it is now.
///
/// `attributes` is a new `dict` each time; changing it changes nothing here. `body` is made once.
#[pyclass(frozen, module = "peergraph")]
pub(crate) struct Record {
    record: Arc<peergraph::Record>,
    body: PyOnceLock<Py<PyBytes>>,
}

impl Record {
    pub(crate) const fn new(record: Arc<peergraph::Record>) -> Self {
        Self { record, body: PyOnceLock::new() }
    }

    pub(crate) fn make(py: Python<'_>, record: peergraph::Record) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, Self::new(Arc::new(record)))?.into_any())
    }
}

fn hash_of(record: &peergraph::Record) -> u64 {
    u64::from_be_bytes(record.key.element.as_bytes()[..8].try_into().expect("sixteen bytes"))
}

#[pymethods]
impl Record {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("record_type", "author", "body", "attributes")
    }

    /// Stays the same through all versions.
    #[getter]
    fn id(&self) -> RecordId {
        RecordId(self.record.id)
    }

    /// What kind of record this is, such as `chat.message`.
    #[getter]
    fn record_type(&self) -> &str {
        self.record.record_type.as_str()
    }

    /// Counts from 1, one up with every update.
    #[getter]
    fn version(&self) -> u64 {
        self.record.version
    }

    /// Who made the record.
    #[getter]
    fn creator(&self) -> PeerId {
        PeerId(self.record.creator)
    }

    /// Who wrote this version.
    #[getter]
    fn author(&self) -> PeerId {
        PeerId(self.record.author)
    }

    /// When the record was made, in peer time (UTC).
    #[getter]
    fn created(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        time(py, self.record.created)
    }

    /// When this version was written, in peer time (UTC).
    #[getter]
    fn modified(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        time(py, self.record.modified)
    }

    /// When it ceases to exist, in peer time (UTC); `None`: never.
    #[getter]
    fn expires(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        maybe_time(py, self.record.expires)
    }

    /// True for what a delete leaves behind: no attributes, no body.
    #[getter]
    fn deleted(&self) -> bool {
        self.record.deleted
    }

    /// Named values: text, numbers, booleans, times, bytes, or lists of these.
    #[getter]
    fn attributes(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        attributes_to(py, &self.record.attributes)
    }

    /// The content.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> &Bound<'py, PyBytes> {
        self.body.get_or_init(py, || PyBytes::new(py, &self.record.body).unbind()).bind(py)
    }

    /// The content as text; `None` if it is not UTF-8.
    #[getter]
    fn text(&self) -> Option<&str> {
        self.record.body_text()
    }

    /// Whether the content could be read: a `BodyState`.
    #[getter]
    fn body_state(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        named(py, self.record.body_state)
    }

    /// True for a version of this identity's that others cannot accept yet, because this machine's clock was ahead.
    #[getter]
    fn held(&self) -> bool {
        self.record.held
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| *other.get().record == *self.record)
    }

    fn __hash__(&self) -> u64 {
        hash_of(&self.record)
    }

    fn __repr__(&self) -> String {
        let record = &*self.record;
        let (id, author, len) = (record.id.short(), record.author.short(), record.body.len());
        let deleted = if record.deleted { ", deleted" } else { "" };
        format!(
            "<Record {id} {} version {} by {author}, {len} bytes{deleted}>",
            record.record_type, record.version
        )
    }
}

/// A record was added, updated, deleted or expired; alike for local, flooded and synchronised changes.
#[pyclass(frozen, module = "peergraph")]
pub(crate) struct RecordChanged {
    event: CoreChanged,
    /// Made when somebody looks at it.
    record: PyOnceLock<Py<Record>>,
    conflict: PyOnceLock<Option<Py<Record>>>,
}

impl RecordChanged {
    pub(crate) fn make(py: Python<'_>, event: CoreChanged) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, Self { event, record: PyOnceLock::new(), conflict: PyOnceLock::new() })?.into_any())
    }
}

#[pymethods]
impl RecordChanged {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str, &'static str) {
        ("change", "record", "origin", "conflict", "cursor")
    }

    /// What happened: a `ChangeKind`.
    #[getter]
    fn change(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        named(py, self.event.change)
    }

    /// The record as it is now; without attributes and body when deleted or expired.
    #[getter]
    fn record(&self, py: Python<'_>) -> PyResult<Py<Record>> {
        let made = self.record.get_or_try_init(py, || Py::new(py, Record::new(self.event.record.clone())))?;
        Ok(made.clone_ref(py))
    }

    /// Where the change came from: a `ChangeOrigin`.
    #[getter]
    fn origin(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        named(py, self.event.origin)
    }

    /// The version that lost, if the two were written without knowledge of each other.
    #[getter]
    fn conflict(&self, py: Python<'_>) -> PyResult<Option<Py<Record>>> {
        let make = || self.event.conflict.clone().map(|lost| Py::new(py, Record::new(lost))).transpose();
        Ok(self.conflict.get_or_try_init(py, make)?.as_ref().map(|lost| lost.clone_ref(py)))
    }

    /// Where to go on after this event: 24 opaque bytes that survive restarts.
    #[getter]
    fn cursor<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.event.cursor.to_bytes())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().event == self.event)
    }

    fn __hash__(&self) -> u64 {
        hash_of(&self.event.record)
    }

    fn __repr__(&self) -> String {
        format!(
            "<RecordChanged {} {}>",
            self.event.change.word(),
            Record::new(self.event.record.clone()).__repr__()
        )
    }
}

/// One page of records.
fn page(py: Python<'_>, page: Page<peergraph::Record>) -> PyResult<Py<PyAny>> {
    let Page { items, next, through, total } = page;
    let items = list(py, items, Record::make)?;
    crate::convert::object(py, (items, next.map(|lsn| lsn.0), through.0, total))
}

/// One page of conflicts: winner, loser and time of each, and where the next begins.
fn conflicts(py: Python<'_>, page: Page<Conflict>) -> PyResult<Py<PyAny>> {
    let Page { items, next, through: _, total: _ } = page;
    let items = list(py, items, |py, Conflict { winner, loser, noticed }| {
        crate::convert::object(py, (Record::make(py, winner)?, Record::make(py, loser)?, time(py, noticed)?))
    })?;
    crate::convert::object(py, (items, next.map(|lsn| lsn.0)))
}

#[pymethods]
impl Graph {
    #[pyo3(signature = (record, after, limit))]
    fn conflicts_page<'py>(
        &self,
        py: Python<'py>,
        record: Option<RecordId>,
        after: Option<u64>,
        limit: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let query = ConflictQuery { record: record.map(|id| id.0), after: after.map(Lsn), limit };
        bridge::call(py, self.graph.conflicts(query), conflicts)
    }

    fn acknowledge_conflict<'py>(&self, py: Python<'py>, loser: &Record) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.acknowledge_conflict(loser.record.key.element), crate::convert::result)
    }

    #[pyo3(signature = (record_type, body, attributes, expires))]
    fn publish<'py>(
        &self,
        py: Python<'py>,
        record_type: &str,
        body: &Bound<'py, PyBytes>,
        attributes: Option<&Bound<'py, PyDict>>,
        expires: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let draft = RecordDraft::new(record_type, content(body)).map_err(Fail::from)?;
        let attributes = attributes.map_or_else(|| Ok(Attributes::new()), attributes_from)?;
        let draft = RecordDraft {
            attributes,
            expires: expires.map(|at| moment(at, "expires")).transpose()?,
            ..draft
        };
        bridge::call(py, self.graph.publish(draft), Record::make)
    }

    #[pyo3(signature = (id, body, attributes, expires, expected_version))]
    fn update<'py>(
        &self,
        py: Python<'py>,
        id: RecordId,
        body: Option<&Bound<'py, PyBytes>>,
        attributes: Option<&Bound<'py, PyDict>>,
        expires: Option<&Bound<'py, PyAny>>,
        expected_version: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let update = RecordUpdate {
            attributes: attributes.map(attributes_from).transpose()?,
            body: body.map(content),
            expires: expires.map(|at| moment(at, "expires")).transpose()?,
            expected_version,
        };
        bridge::call(py, self.graph.update(id.0, update), Record::make)
    }

    fn delete<'py>(&self, py: Python<'py>, id: RecordId) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.delete(id.0), |py, outcome| crate::convert::object(py, outcome.version))
    }

    fn get<'py>(&self, py: Python<'py>, id: RecordId) -> PyResult<Bound<'py, PyAny>> {
        bridge::call(py, self.graph.get(id.0), |py, found| {
            found.map_or_else(|| Ok(py.None()), |record| Record::make(py, record))
        })
    }

    /// A page: records, where the next begins, as of when, and how many there are in all pages.
    #[expect(clippy::too_many_arguments, reason = "one query, whose fields Python names")]
    #[pyo3(signature = (record_type, creator, include_deleted, include_reserved, after, through, limit, count=false))]
    fn list_page<'py>(
        &self,
        py: Python<'py>,
        record_type: Option<String>,
        creator: Option<PeerId>,
        include_deleted: bool,
        include_reserved: bool,
        after: Option<u64>,
        through: Option<u64>,
        limit: usize,
        count: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let query = ListQuery {
            record_type: record_type
                .map(|name| record_types(&[name]))
                .transpose()?
                .and_then(|mut types| types.pop()),
            creator: creator.map(|peer| peer.0),
            include_deleted,
            include_reserved,
            after: after.map(Lsn),
            through: through.map(Lsn),
            limit,
            count,
        };
        bridge::call(py, self.graph.list(query), page)
    }
}
