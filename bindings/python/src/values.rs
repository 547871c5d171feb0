//! What the library tells of nodes, members, connections and groups, as Python's data classes.

use peergraph::{
    ConnectionInfo, Genesis, GraphProperties, GroupRules, NodeAddr, OpenInvitation, RecordType,
    RevokedDevice, Role, SyncProgress, TypeRule, Who,
    events::{MemberInfo, NodeInfo, Status},
    given,
    records::Fingerprint,
};
use pyo3::{prelude::*, types::PyBytes};

use crate::{
    convert::{self, field, make, maybe_time, named, object, span, time, tuple},
    errors::Fail,
    ids::{GraphId, NodeId, PeerId},
};

pub(crate) fn role(py: Python<'_>, role: Role) -> PyResult<Py<PyAny>> {
    make(py, "Role", (role.name(),))
}

pub(crate) fn maybe_role(py: Python<'_>, given: Option<Role>) -> PyResult<Py<PyAny>> {
    given.map_or_else(|| Ok(py.None()), |given| role(py, given))
}

pub(crate) fn graph_id(py: Python<'_>, id: peergraph::GraphId) -> PyResult<Py<PyAny>> {
    object(py, GraphId(id))
}

pub(crate) fn status(py: Python<'_>, status: Status) -> PyResult<Py<PyAny>> {
    let Status { listening, has_connections, synchronized, clock_skew_ms } = status;
    make(py, "Status", (listening, has_connections, synchronized, clock_skew_ms))
}

pub(crate) fn progress(py: Python<'_>, now: SyncProgress) -> PyResult<Py<PyAny>> {
    let SyncProgress { records, bytes, records_expected, bytes_expected } = now;
    make(py, "SyncProgress", (records, bytes, records_expected, bytes_expected))
}

pub(crate) fn node_addr(py: Python<'_>, addr: &NodeAddr) -> PyResult<Py<PyAny>> {
    let NodeAddr { node, addrs, relay } = addr;
    let addrs = tuple(py, addrs, |py, addr| object(py, addr.to_string()))?;
    make(py, "NodeAddr", (NodeId(*node), addrs, relay))
}

pub(crate) fn node_addr_from(value: &Bound<'_, PyAny>) -> PyResult<NodeAddr> {
    let node: NodeId = field(value, "node")?;
    let texts: Vec<String> = field(value, "addrs")?;
    let relay: Option<String> = field(value, "relay")?;
    Ok(NodeAddr { relay, ..NodeAddr::at(node.0, given::socket_addrs(texts).map_err(Fail)?) })
}

pub(crate) fn node_info(py: Python<'_>, info: &NodeInfo) -> PyResult<Py<PyAny>> {
    let NodeInfo { node, peer, addr, attributes, since } = info;
    let fields = (NodeId(*node), PeerId(*peer), node_addr(py, addr)?, attributes, time(py, *since)?);
    make(py, "NodeInfo", fields)
}

pub(crate) fn member_info(py: Python<'_>, info: &MemberInfo) -> PyResult<Py<PyAny>> {
    let MemberInfo { peer, name, role, not_after, issuer, nodes } = info;
    let nodes = tuple(py, nodes, node_info)?;
    let (role, not_after) = (maybe_role(py, *role)?, maybe_time(py, *not_after)?);
    make(py, "MemberInfo", (PeerId(*peer), name, role, not_after, issuer.map(PeerId), nodes))
}

pub(crate) fn connection_info(py: Python<'_>, info: &ConnectionInfo) -> PyResult<Py<PyAny>> {
    let ConnectionInfo { connection, kind, node, peer, addr, rtt, utility } = info;
    let (kind, addr) = (named(py, *kind)?, node_addr(py, addr)?);
    make(py, "ConnectionInfo", (connection.0, kind, NodeId(*node), PeerId(*peer), addr, *rtt, *utility))
}

pub(crate) fn properties(py: Python<'_>, properties: &GraphProperties) -> PyResult<Py<PyAny>> {
    let GraphProperties { name, comment, presence_lifetime, presence_max, defer_expiration } = properties;
    make(py, "GraphProperties", (name, comment, *presence_lifetime, *presence_max, *defer_expiration))
}

pub(crate) fn properties_from(value: &Bound<'_, PyAny>) -> PyResult<GraphProperties> {
    Ok(GraphProperties {
        name: field(value, "name")?,
        comment: field(value, "comment")?,
        presence_lifetime: span(&value.getattr("presence_lifetime")?, "GraphProperties.presence_lifetime")?,
        presence_max: field(value, "presence_max")?,
        defer_expiration: field(value, "defer_expiration")?,
    })
}

pub(crate) fn rules(py: Python<'_>, rules: &GroupRules) -> PyResult<Py<PyAny>> {
    let GroupRules {
        creator_name,
        min_version,
        max_chain,
        properties,
        records_end_with_membership,
        encrypted_bodies,
        types,
    } = rules;
    let types = tuple(py, types, |py, rule| {
        let TypeRule { record_type, publish, edit } = rule;
        let edit = match edit {
            Who::Author => object(py, "author")?,
            Who::Role(least) => role(py, *least)?,
        };
        make(py, "TypeRule", (record_type.as_str(), role(py, *publish)?, edit))
    })?;
    let properties = role(py, *properties)?;
    let (ends, encrypted) = (*records_end_with_membership, *encrypted_bodies);
    make(py, "GroupRules", (creator_name, *min_version, *max_chain, properties, ends, encrypted, types))
}

pub(crate) fn rules_from(value: &Bound<'_, PyAny>) -> PyResult<GroupRules> {
    let text = field::<String>;
    let mut types = Vec::new();
    let given = value.getattr("types")?;
    let Ok(rules) = given.try_iter() else {
        return Err(convert::expected(&given, "GroupRules.types", "several TypeRules"));
    };
    for rule in rules {
        let rule = rule?;
        if !rule.hasattr("edit")? {
            return Err(convert::expected(&rule, "each of GroupRules.types", "a TypeRule"));
        }
        let edit = text(&rule, "edit")?;
        types.push(TypeRule {
            record_type: RecordType::new(&text(&rule, "record_type")?).map_err(Fail::from)?,
            publish: convert::role(&text(&rule, "publish")?)?,
            edit: if edit == "author" { Who::Author } else { Who::Role(convert::role(&edit)?) },
        });
    }
    Ok(GroupRules {
        creator_name: text(value, "creator_name")?,
        min_version: field(value, "min_version")?,
        max_chain: field(value, "max_chain")?,
        properties: convert::role(&text(value, "properties")?)?,
        records_end_with_membership: field(value, "records_end_with_membership")?,
        encrypted_bodies: field(value, "encrypted_bodies")?,
        types,
    })
}

pub(crate) fn genesis(py: Python<'_>, genesis: &Genesis) -> PyResult<Py<PyAny>> {
    let Genesis { creator, max_record, nonce, rules: given } = genesis;
    let given = given.as_ref().map(|given| rules(py, given)).transpose()?;
    make(py, "Genesis", (PeerId(*creator), *max_record, PyBytes::new(py, nonce), given))
}

pub(crate) fn open_invitation(py: Python<'_>, open: OpenInvitation) -> PyResult<Py<PyAny>> {
    let OpenInvitation { key, issuer, role: given, uses, used, not_after } = open;
    let (given, not_after) = (role(py, given)?, time(py, not_after)?);
    make(py, "OpenInvitation", (PeerId(key), PeerId(issuer), given, uses, used, not_after))
}

pub(crate) fn revoked_device(py: Python<'_>, device: RevokedDevice) -> PyResult<Py<PyAny>> {
    let RevokedDevice { node, by, at } = device;
    make(py, "RevokedDevice", (NodeId(node), PeerId(by), time(py, at)?))
}

pub(crate) fn fingerprint(py: Python<'_>, print: Fingerprint) -> PyResult<Py<PyAny>> {
    let Fingerprint { count, hash } = print;
    make(py, "Fingerprint", (count, PyBytes::new(py, &hash)))
}

pub(crate) fn record_types(names: &[String]) -> PyResult<Vec<RecordType>> {
    Ok(names.iter().map(|name| RecordType::new(name)).collect::<Result<_, _>>().map_err(Fail::from)?)
}
