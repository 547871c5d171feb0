//! What the library tells of nodes, members, connections and groups, packed; and what it is told, as objects.
//!
//! Exhaustive on purpose: a new field in the library is a compile error here.

use napi::Result;
use napi_derive::napi;
use peergraph::{
    ConnectionInfo, Genesis, GraphProperties, GroupRules, ImportCount, Metrics, NodeAddr, OpenInvitation,
    Progress, RecordType, RevokedDevice, SyncProgress, TypeRule, Who,
    events::{MemberInfo, NodeInfo, Status},
    given,
    records::Fingerprint,
};

use crate::{
    convert::{parse, role, small, span_or},
    errors::{Fail, invalid},
    pack::{Pack, Packer},
};

impl Pack for Status {
    fn pack(&self, to: &mut Packer) {
        let Self { listening, has_connections, synchronized, clock_skew_ms } = self;
        to.object(&[
            ("listening", listening),
            ("hasConnections", has_connections),
            ("synchronized", synchronized),
            ("clockSkewMs", clock_skew_ms),
        ]);
    }
}

impl Pack for NodeAddr {
    fn pack(&self, to: &mut Packer) {
        let Self { node, addrs, relay } = self;
        let addrs: Vec<String> = addrs.iter().map(ToString::to_string).collect();
        to.object(&[("node", node), ("addrs", &addrs), ("relay", relay)]);
    }
}

impl Pack for NodeInfo {
    fn pack(&self, to: &mut Packer) {
        let Self { node, peer, addr, attributes, since } = self;
        to.object(&[
            ("node", node),
            ("peer", peer),
            ("addr", addr),
            ("attributes", attributes),
            ("since", since),
        ]);
    }
}

impl Pack for MemberInfo {
    fn pack(&self, to: &mut Packer) {
        let Self { peer, name, role, not_after, issuer, nodes } = self;
        to.object(&[
            ("peer", peer),
            ("name", name),
            ("role", role),
            ("notAfter", not_after),
            ("issuer", issuer),
            ("nodes", nodes),
            ("isPresent", &self.is_present()),
        ]);
    }
}

impl Pack for ConnectionInfo {
    fn pack(&self, to: &mut Packer) {
        let Self { connection, kind, node, peer, addr, rtt, utility } = self;
        to.object(&[
            ("connection", &connection.0),
            ("kind", kind),
            ("node", node),
            ("peer", peer),
            ("addr", addr),
            ("rtt", rtt),
            ("utility", utility),
        ]);
    }
}

impl Pack for Progress {
    fn pack(&self, to: &mut Packer) {
        let Self { hop, next } = self;
        to.object(&[("hop", hop), ("next", next)]);
    }
}

impl Pack for SyncProgress {
    fn pack(&self, to: &mut Packer) {
        let Self { records, bytes, records_expected, bytes_expected } = self;
        to.object(&[
            ("records", records),
            ("bytes", bytes),
            ("recordsExpected", records_expected),
            ("bytesExpected", bytes_expected),
        ]);
    }
}

impl Pack for GraphProperties {
    fn pack(&self, to: &mut Packer) {
        let Self { name, comment, presence_lifetime, presence_max, defer_expiration } = self;
        to.object(&[
            ("name", name),
            ("comment", comment),
            ("presenceLifetime", presence_lifetime),
            ("presenceMax", presence_max),
            ("deferExpiration", defer_expiration),
        ]);
    }
}

impl Pack for Who {
    fn pack(&self, to: &mut Packer) {
        match self {
            Self::Author => "author".pack(to),
            Self::Role(least) => least.pack(to),
        }
    }
}

impl Pack for TypeRule {
    fn pack(&self, to: &mut Packer) {
        let Self { record_type, publish, edit } = self;
        to.object(&[("recordType", &record_type.as_str()), ("publish", publish), ("edit", edit)]);
    }
}

impl Pack for GroupRules {
    fn pack(&self, to: &mut Packer) {
        let Self {
            creator_name,
            min_version,
            max_chain,
            properties,
            records_end_with_membership,
            encrypted_bodies,
            types,
        } = self;
        to.object(&[
            ("creatorName", creator_name),
            ("minVersion", min_version),
            ("maxChain", max_chain),
            ("properties", properties),
            ("recordsEndWithMembership", records_end_with_membership),
            ("encryptedBodies", encrypted_bodies),
            ("types", types),
        ]);
    }
}

/// Bytes, that are no text.
pub(crate) struct Raw<'a>(pub(crate) &'a [u8]);

impl Pack for Raw<'_> {
    fn pack(&self, to: &mut Packer) {
        to.blob(self.0);
    }
}

impl Pack for Genesis {
    fn pack(&self, to: &mut Packer) {
        let Self { creator, max_record, nonce, rules } = self;
        to.object(&[
            ("creator", creator),
            ("maxRecord", max_record),
            ("nonce", &Raw(nonce)),
            ("rules", rules),
        ]);
    }
}

impl Pack for OpenInvitation {
    fn pack(&self, to: &mut Packer) {
        let Self { key, issuer, role, uses, used, not_after } = self;
        to.object(&[
            ("key", key),
            ("issuer", issuer),
            ("role", role),
            ("uses", uses),
            ("used", used),
            ("notAfter", not_after),
        ]);
    }
}

impl Pack for RevokedDevice {
    fn pack(&self, to: &mut Packer) {
        let Self { node, by, at } = self;
        to.object(&[("node", node), ("by", by), ("at", at)]);
    }
}

impl Pack for Fingerprint {
    fn pack(&self, to: &mut Packer) {
        let Self { count, hash } = self;
        to.object(&[("count", count), ("hash", &Raw(hash))]);
    }
}

impl Pack for ImportCount {
    fn pack(&self, to: &mut Packer) {
        let Self { added, known, refused, waiting } = self;
        to.object(&[("added", added), ("known", known), ("refused", refused), ("waiting", waiting)]);
    }
}

impl Pack for Metrics {
    fn pack(&self, to: &mut Packer) {
        let Self { bytes_sent, bytes_received, .. } = self;
        to.map(2);
        to.key("bytesSent").large(*bytes_sent);
        to.key("bytesReceived").large(*bytes_received);
    }
}

/// A node and the ways to it.
#[napi(object, object_to_js = false)]
pub struct Addr {
    pub node: String,
    pub addrs: Option<Vec<String>>,
    pub relay: Option<String>,
}

impl Addr {
    pub(crate) fn read(self) -> Result<NodeAddr> {
        let addrs = given::socket_addrs(self.addrs.unwrap_or_default()).map_err(Fail::from)?;
        let at = NodeAddr::at(parse(&self.node)?, addrs);
        Ok(NodeAddr { relay: self.relay, ..at })
    }
}

/// Properties of a new graph; what is left out is as the library has it.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct Properties {
    pub name: Option<String>,
    pub comment: Option<String>,
    pub presence_lifetime: Option<f64>,
    pub presence_max: Option<f64>,
    pub defer_expiration: Option<bool>,
}

impl Properties {
    pub(crate) fn read(self) -> Result<GraphProperties> {
        let default = GraphProperties::default();
        Ok(GraphProperties {
            name: self.name.unwrap_or(default.name),
            comment: self.comment.unwrap_or(default.comment),
            presence_lifetime: span_or(self.presence_lifetime, default.presence_lifetime)?,
            presence_max: self.presence_max.map(|max| small(max, "presenceMax")).transpose()?,
            defer_expiration: self.defer_expiration.unwrap_or(default.defer_expiration),
        })
    }
}

/// Who may write records of one type.
#[napi(object, object_to_js = false)]
pub struct TypeRuleGiven {
    pub record_type: String,
    pub publish: Option<String>,
    pub edit: Option<String>,
}

/// What holds in a group; what is left out is as the library has it.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct Rules {
    pub creator_name: Option<String>,
    pub min_version: Option<f64>,
    pub max_chain: Option<f64>,
    pub properties: Option<String>,
    pub records_end_with_membership: Option<bool>,
    pub encrypted_bodies: Option<bool>,
    pub types: Option<Vec<TypeRuleGiven>>,
}

impl Rules {
    pub(crate) fn read(self) -> Result<GroupRules> {
        let default = GroupRules::default();
        let narrow = |number: Option<f64>, what| number.map(|number| small(number, what)).transpose();
        let version = narrow(self.min_version, "minVersion")?.map(u16::try_from).transpose();
        let chain = narrow(self.max_chain, "maxChain")?.map(u8::try_from).transpose();
        let types = self.types.unwrap_or_default().into_iter().map(|rule| {
            let edit = rule.edit.filter(|edit| edit != "author");
            Ok(TypeRule {
                record_type: RecordType::new(&rule.record_type).map_err(Fail::from)?,
                publish: role(rule.publish.as_deref().unwrap_or("member"))?,
                edit: edit.map_or(Ok(Who::Author), |least| role(&least).map(Who::Role))?,
            })
        });
        Ok(GroupRules {
            creator_name: self.creator_name.unwrap_or(default.creator_name),
            min_version: version
                .map_err(|_| invalid("minVersion is too large"))?
                .unwrap_or(default.min_version),
            max_chain: chain.map_err(|_| invalid("maxChain is 1 to 24"))?.unwrap_or(default.max_chain),
            properties: self.properties.map_or(Ok(default.properties), |least| role(&least))?,
            records_end_with_membership: self
                .records_end_with_membership
                .unwrap_or(default.records_end_with_membership),
            encrypted_bodies: self.encrypted_bodies.unwrap_or(default.encrypted_bodies),
            types: types.collect::<Result<_>>()?,
        })
    }
}
