//! What people hand to each other as text: tickets, invitations, descriptions of identities, names. The text is what counts.

use std::fmt;

use peergraph::{GraphId, PeerId, Timestamp, group::Way};

use crate::{
    enums::{InvitationKind, Role},
    errors::{Result, core},
    values::NodeAddr,
};

/// The way into a plain graph. Whoever has it can join: give it only to those who may.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Debug)]
pub struct Ticket {
    /// What is handed over.
    pub text: String,
    /// The graph.
    pub graph: GraphId,
    /// Nodes to connect to, tried in turn.
    pub nodes: Vec<NodeAddr>,
}

/// Without the text, which is a secret: logs are no place for it.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text: _, graph, nodes } = self;
        f.debug_struct("Ticket").field("graph", graph).field("nodes", &nodes.len()).finish_non_exhaustive()
    }
}

impl From<peergraph::Ticket> for Ticket {
    fn from(ticket: peergraph::Ticket) -> Self {
        let text = ticket.to_string();
        let nodes = ticket.nodes.into_iter().map(Into::into).collect();
        Self { text, graph: ticket.graph, nodes }
    }
}

/// The way into a group, and all there is to know before one takes it.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Debug)]
pub struct Invitation {
    /// What is handed over.
    pub text: String,
    /// The group.
    pub group: GraphId,
    /// What the group is called.
    pub group_name: String,
    /// Who invites.
    pub issuer: PeerId,
    /// What they are called.
    pub issuer_name: String,
    /// What one becomes.
    pub role: Role,
    /// From when on it can be used, in peer time.
    pub not_before: Timestamp,
    /// Until when, in peer time; none: without end.
    pub not_after: Option<Timestamp>,
    /// How it lets in.
    pub kind: InvitationKind,
    /// For whom, if it is for one identity.
    pub subject: Option<PeerId>,
    /// How many may come by it, if it is a link.
    pub uses: Option<u32>,
    /// Nodes by which the group is reached, tried in turn; none if only the one who is invited can tell.
    pub nodes: Vec<NodeAddr>,
}

/// Without the text, which lets in: logs are no place for it.
impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation")
            .field("group", &self.group)
            .field("group_name", &self.group_name)
            .field("issuer", &self.issuer)
            .field("role", &self.role)
            .field("kind", &self.kind)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl From<peergraph::Invitation> for Invitation {
    fn from(invitation: peergraph::Invitation) -> Self {
        let text = invitation.to_string();
        let kind = match &invitation.way {
            Way::Identity { .. } => InvitationKind::Identity,
            Way::Link { .. } => InvitationKind::Link,
            Way::Password { .. } => InvitationKind::Password,
        };
        let (subject, uses) = (invitation.subject(), invitation.uses());
        let nodes = invitation.nodes().iter().cloned().map(Into::into).collect();
        let peergraph::Invitation {
            group, group_name, issuer, issuer_name, role, not_before, not_after, ..
        } = invitation;
        let role = role.into();
        Self {
            text,
            group,
            group_name,
            issuer,
            issuer_name,
            role,
            not_before,
            not_after,
            kind,
            subject,
            uses,
            nodes,
        }
    }
}

/// An identity as others may know it: its key, its name, and its signature over both. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct IdentityDescription {
    /// What is handed over.
    pub text: String,
    /// The public key.
    pub peer_id: PeerId,
    /// The name that tells it from all others.
    pub peer_name: PeerName,
    /// The friendly name.
    pub name: String,
}

impl From<peergraph::IdentityDescription> for IdentityDescription {
    fn from(description: peergraph::IdentityDescription) -> Self {
        Self {
            text: description.to_string(),
            peer_id: description.peer_id(),
            peer_name: description.peer_name().into(),
            name: description.name().to_owned(),
        }
    }
}

/// A name that says who may bear it: `authority.classifier`, or the authority alone.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct PeerName {
    /// The whole of it.
    pub text: String,
    /// Whose name it is; none for one that anybody may bear.
    pub peer: Option<PeerId>,
    /// The part after the dot, if any.
    pub classifier: Option<String>,
}

impl From<&peergraph::PeerName> for PeerName {
    fn from(name: &peergraph::PeerName) -> Self {
        let classifier = name.classifier().map(str::to_owned);
        Self { text: name.to_string(), peer: name.peer(), classifier }
    }
}

pub(crate) fn ticket(text: &str) -> Result<peergraph::Ticket> {
    core(text.trim().parse::<peergraph::Ticket>())
}

pub(crate) fn invitation(text: &str) -> Result<peergraph::Invitation> {
    core(text.trim().parse::<peergraph::Invitation>())
}

pub(crate) fn description(text: &str) -> Result<peergraph::IdentityDescription> {
    core(text.trim().parse::<peergraph::IdentityDescription>())
}

pub(crate) fn peer_name(text: &str) -> Result<peergraph::PeerName> {
    core(text.trim().parse::<peergraph::PeerName>())
}

/// The ticket of a text.
///
/// # Errors
/// `InvalidTicket`.
#[uniffi::export]
pub fn native_ticket(text: String) -> Result<Ticket> {
    Ok(ticket(&text)?.into())
}

/// The invitation of a text.
///
/// # Errors
/// `InvalidInvitation`.
#[uniffi::export]
pub fn native_invitation(text: String) -> Result<Invitation> {
    Ok(invitation(&text)?.into())
}

/// The invitation as a QR code in SVG. Whoever can see the code has the invitation.
///
/// # Errors
/// `TooLarge` if it has more characters than fit, `InvalidInvitation`.
#[uniffi::export]
pub fn native_qr_svg(text: String) -> Result<String> {
    core(invitation(&text)?.qr_svg())
}

/// The invitation as a QR code for a terminal of at least 75 columns.
///
/// # Errors
/// `TooLarge` if it has more characters than fit, `InvalidInvitation`.
#[uniffi::export]
pub fn native_qr_text(text: String) -> Result<String> {
    core(invitation(&text)?.qr_text())
}

/// The description of a text.
///
/// # Errors
/// `InvalidArgument`.
#[uniffi::export]
pub fn native_description(text: String) -> Result<IdentityDescription> {
    Ok(description(&text)?.into())
}

/// The name of a text.
///
/// # Errors
/// `InvalidArgument`, `TooLarge`.
#[uniffi::export]
pub fn native_peer_name(text: String) -> Result<PeerName> {
    Ok((&peer_name(&text)?).into())
}

/// The name of an identity.
///
/// # Errors
/// `TooLarge` above 149 characters, `InvalidArgument` for control characters.
#[uniffi::export]
pub fn native_secured_name(peer: PeerId, classifier: Option<String>) -> Result<PeerName> {
    Ok((&core(peergraph::PeerName::secured(peer, classifier.as_deref()))?).into())
}

/// A name that anybody may bear.
///
/// # Errors
/// As `native_secured_name`, and `InvalidArgument` for an empty classifier.
#[uniffi::export]
pub fn native_unsecured_name(classifier: String) -> Result<PeerName> {
    Ok((&core(peergraph::PeerName::unsecured(&classifier))?).into())
}

/// Another name of the same authority. Makes no identity.
///
/// # Errors
/// As `native_secured_name`.
#[uniffi::export]
pub fn native_derived_name(name: String, classifier: Option<String>) -> Result<PeerName> {
    Ok((&core(peer_name(&name)?.derive(classifier.as_deref()))?).into())
}
