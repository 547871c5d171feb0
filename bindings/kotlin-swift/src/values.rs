//! What the library tells of nodes, members, connections and groups.

use peergraph::{
    ConnectionInfo as CoreConnection, NodeAddr as CoreAddr, NodeId, PeerId, Timestamp, Who as CoreWho,
    events, given,
};

use crate::{
    enums::{ConnectionKind, Role},
    errors::{Result, core},
    ids::Span,
};

/// What state a graph is in. The three are independent.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Status {
    /// Others can connect to this node.
    pub listening: bool,
    /// There is at least one neighbor.
    pub has_connections: bool,
    /// The database is as current as a neighbor's.
    pub synchronized: bool,
    /// How far this machine's clock is ahead of the graph's time (negative: behind), in milliseconds; none within 20
    /// minutes of it.
    #[uniffi(default = None)]
    pub clock_skew_ms: Option<i64>,
}

impl From<events::Status> for Status {
    fn from(status: events::Status) -> Self {
        let events::Status { listening, has_connections, synchronized, clock_skew_ms } = status;
        Self { listening, has_connections, synchronized, clock_skew_ms }
    }
}

/// How far a database is on its way here. Links may break meanwhile: what came stays, and it is counted on.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SyncProgress {
    /// Records received so far.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records to be received in all, as far as is known; 0: not known yet.
    pub records_expected: u64,
    /// An estimate, exact in the end; 0: not known yet.
    pub bytes_expected: u64,
}

impl From<events::SyncProgress> for SyncProgress {
    fn from(progress: events::SyncProgress) -> Self {
        let events::SyncProgress { records, bytes, records_expected, bytes_expected } = progress;
        Self { records, bytes, records_expected, bytes_expected }
    }
}

/// A node and the ways to it. Without addresses or relay it can still be dialled where lookup knows it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NodeAddr {
    /// The node's public key.
    pub node: NodeId,
    /// UDP socket addresses such as `192.168.1.2:4711`. At most 16 are used.
    #[uniffi(default = [])]
    pub addrs: Vec<String>,
    /// The URL of the relay it can be reached through.
    #[uniffi(default = None)]
    pub relay: Option<String>,
}

impl From<CoreAddr> for NodeAddr {
    fn from(addr: CoreAddr) -> Self {
        let CoreAddr { node, addrs, relay } = addr;
        Self { node, addrs: addrs.iter().map(ToString::to_string).collect(), relay }
    }
}

impl NodeAddr {
    pub(crate) fn into_core(self) -> Result<CoreAddr> {
        Ok(CoreAddr { relay: self.relay, ..CoreAddr::at(self.node, given::socket_addrs(self.addrs)?) })
    }
}

/// What is known of a node.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NodeInfo {
    /// The node.
    pub node: NodeId,
    /// Its identity.
    pub peer: PeerId,
    /// Where it can be dialled.
    pub addr: NodeAddr,
    /// Free text of its application.
    pub attributes: String,
    /// When it was started, in peer time.
    pub since: Timestamp,
}

impl From<events::NodeInfo> for NodeInfo {
    fn from(info: events::NodeInfo) -> Self {
        let events::NodeInfo { node, peer, addr, attributes, since } = info;
        Self { node, peer, addr: addr.into(), attributes, since }
    }
}

/// What is known of a member.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct MemberInfo {
    /// Its identity.
    pub peer: PeerId,
    /// The one it gave itself, or else the one it was invited under, or else the first ten digits of its id in brackets.
    pub name: String,
    /// What it may do; none once it is no member any more.
    pub role: Option<Role>,
    /// When its membership ends, in peer time; none: not at all, or it ended.
    pub not_after: Option<Timestamp>,
    /// Who let it in; none for the creator.
    pub issuer: Option<PeerId>,
    /// Its nodes that are here.
    pub nodes: Vec<NodeInfo>,
}

impl From<events::MemberInfo> for MemberInfo {
    fn from(info: events::MemberInfo) -> Self {
        let events::MemberInfo { peer, name, role, not_after, issuer, nodes } = info;
        let nodes = nodes.into_iter().map(Into::into).collect();
        Self { peer, name, role: role.map(Into::into), not_after, issuer, nodes }
    }
}

/// A neighbor link or direct connection, as it is when asked for.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct ConnectionInfo {
    /// Its number on this node.
    pub connection: u64,
    /// Neighbor or direct.
    pub kind: ConnectionKind,
    /// The node at the other end.
    pub node: NodeId,
    /// Its identity.
    pub peer: PeerId,
    /// Where it says it can be dialled.
    pub addr: NodeAddr,
    /// Smoothed round-trip time, once measured.
    pub rtt: Option<Span>,
    /// How useful its records were lately: 0 to 4,096.
    pub utility: u16,
}

impl From<&CoreConnection> for ConnectionInfo {
    fn from(info: &CoreConnection) -> Self {
        let CoreConnection { connection, kind, node, peer, addr, rtt, utility } = info;
        Self {
            connection: connection.0,
            kind: (*kind).into(),
            node: *node,
            peer: *peer,
            addr: addr.clone().into(),
            rtt: rtt.map(Span),
            utility: *utility,
        }
    }
}

/// What may change in a graph.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct GraphProperties {
    /// Friendly name, at most 255 bytes.
    pub name: String,
    /// Comment, at most 512 bytes.
    pub comment: String,
    /// How long a presence record lives unless refreshed; 5 minutes to 7 days.
    pub presence_lifetime: Span,
    /// How many nodes publish their presence; none: all.
    pub presence_max: Option<u32>,
    /// True if nothing expires on a node while it has no neighbor.
    pub defer_expiration: bool,
}

impl From<peergraph::GraphProperties> for GraphProperties {
    fn from(properties: peergraph::GraphProperties) -> Self {
        let peergraph::GraphProperties { name, comment, presence_lifetime, presence_max, defer_expiration } =
            properties;
        Self { name, comment, presence_lifetime: Span(presence_lifetime), presence_max, defer_expiration }
    }
}

impl From<GraphProperties> for peergraph::GraphProperties {
    fn from(properties: GraphProperties) -> Self {
        let GraphProperties { name, comment, presence_lifetime, presence_max, defer_expiration } = properties;
        Self { name, comment, presence_lifetime: presence_lifetime.0, presence_max, defer_expiration }
    }
}

/// Who may do something to a record.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Who {
    /// Whoever made the record.
    Author,
    /// Whoever has this role or a higher one.
    AtLeast {
        /// The least role.
        role: Role,
    },
}

/// Who may write records of one type. Admins and owners may edit and delete in any case.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct TypeRule {
    /// The type.
    pub record_type: String,
    /// The least role that publishes them.
    pub publish: Role,
    /// Who updates and deletes them.
    pub edit: Who,
}

/// What holds in a group from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct GroupRules {
    /// The friendly name of the group's creator, at most 255 bytes.
    pub creator_name: String,
    /// The least version of the protocol that members must speak.
    pub min_version: u16,
    /// Most grants between the creator and a member: 1 to 24.
    pub max_chain: u8,
    /// The least role that changes the properties.
    pub properties: Role,
    /// True if a record must end with its author's membership.
    pub records_end_with_membership: bool,
    /// True if bodies are encrypted, so that the removed cannot read later ones.
    pub encrypted_bodies: bool,
    /// The types that have rules of their own. All others: members publish, authors edit.
    pub types: Vec<TypeRule>,
}

impl From<peergraph::GroupRules> for GroupRules {
    fn from(rules: peergraph::GroupRules) -> Self {
        let peergraph::GroupRules {
            creator_name,
            min_version,
            max_chain,
            properties,
            records_end_with_membership,
            encrypted_bodies,
            types,
        } = rules;
        let rule = |rule: peergraph::TypeRule| TypeRule {
            record_type: rule.record_type.as_str().to_owned(),
            publish: rule.publish.into(),
            edit: match rule.edit {
                CoreWho::Author => Who::Author,
                CoreWho::Role(role) => Who::AtLeast { role: role.into() },
            },
        };
        Self {
            creator_name,
            min_version,
            max_chain,
            properties: properties.into(),
            records_end_with_membership,
            encrypted_bodies,
            types: types.into_iter().map(rule).collect(),
        }
    }
}

impl GroupRules {
    pub(crate) fn into_core(self) -> Result<peergraph::GroupRules> {
        let rule = |rule: TypeRule| -> Result<_> {
            Ok(peergraph::TypeRule {
                record_type: core(peergraph::RecordType::new(&rule.record_type))?,
                publish: rule.publish.into(),
                edit: match rule.edit {
                    Who::Author => CoreWho::Author,
                    Who::AtLeast { role } => CoreWho::Role(role.into()),
                },
            })
        };
        Ok(peergraph::GroupRules {
            creator_name: self.creator_name,
            min_version: self.min_version,
            max_chain: self.max_chain,
            properties: self.properties.into(),
            records_end_with_membership: self.records_end_with_membership,
            encrypted_bodies: self.encrypted_bodies,
            types: self.types.into_iter().map(rule).collect::<Result<_>>()?,
        })
    }
}

/// The core's own defaults, for `GraphProperties()`.
#[uniffi::export]
pub fn native_default_properties() -> GraphProperties {
    peergraph::GraphProperties::default().into()
}

/// The core's own defaults, for `GroupRules()`.
#[uniffi::export]
pub fn native_default_rules() -> GroupRules {
    peergraph::GroupRules::default().into()
}

/// What cannot change in a graph.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Genesis {
    /// Who made it.
    pub creator: PeerId,
    /// Most bytes of body plus attributes of a record.
    pub max_record: u32,
    /// What tells it from others of the same creator.
    pub nonce: Vec<u8>,
    /// The rules, if it is a group.
    pub rules: Option<GroupRules>,
}

impl From<peergraph::Genesis> for Genesis {
    fn from(genesis: peergraph::Genesis) -> Self {
        let peergraph::Genesis { creator, max_record, nonce, rules } = genesis;
        Self { creator, max_record, nonce: nonce.to_vec(), rules: rules.map(Into::into) }
    }
}

/// An invitation by link that can still be used.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct OpenInvitation {
    /// Names it; the public half of its key.
    pub key: PeerId,
    /// Who made it.
    pub issuer: PeerId,
    /// What one becomes.
    pub role: Role,
    /// How many may come.
    pub uses: u32,
    /// How many came.
    pub used: u32,
    /// Until when, in peer time.
    pub not_after: Timestamp,
}

impl From<peergraph::OpenInvitation> for OpenInvitation {
    fn from(open: peergraph::OpenInvitation) -> Self {
        let peergraph::OpenInvitation { key, issuer, role, uses, used, not_after } = open;
        Self { key, issuer, role: role.into(), uses, used, not_after }
    }
}

/// A device that is refused.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RevokedDevice {
    /// Its node.
    pub node: NodeId,
    /// Who refused it: the identity itself, for good; else the admin who did so first.
    pub by: PeerId,
    /// When, by the clock of whoever did.
    pub at: Timestamp,
}

impl From<peergraph::RevokedDevice> for RevokedDevice {
    fn from(device: peergraph::RevokedDevice) -> Self {
        let peergraph::RevokedDevice { node, by, at } = device;
        Self { node, by, at }
    }
}

/// How many records a database has, and the fingerprint of their set: equal on two nodes exactly if their databases are.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Fingerprint {
    /// How many, tombstones included.
    pub count: u64,
    /// Of the set.
    pub hash: Vec<u8>,
}

/// What became of the records of an imported database.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ImportCount {
    /// New here, or newer than what was here.
    pub added: u64,
    /// Here already, or older than what is here.
    pub known: u64,
    /// Not let in: expired, not well signed, or not theirs to write.
    pub refused: u64,
    /// Waiting, invisible, for their author's credential or for their time.
    pub waiting: u64,
}

/// What a node has sent and received since its start.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Metrics {
    /// Bytes of UDP payload sent.
    pub bytes_sent: u64,
    /// Bytes of UDP payload received.
    pub bytes_received: u64,
}
