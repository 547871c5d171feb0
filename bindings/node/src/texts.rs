//! What people hand to each other as text: identifiers, tickets, invitations, descriptions of identities, names.

use napi::{Result, bindgen_prelude::Buffer};
use napi_derive::napi;
use peergraph::{
    GraphId, IdentityDescription, Invitation, NodeId, PeerId, PeerName, RecordId, Ticket, group::Way,
};

use crate::{
    convert::{maybe, parse},
    errors::{Fail, invalid},
    pack::{milliseconds, packed},
};

macro_rules! id_text {
    ($($function:ident $from_bytes:ident $kind:ident),* $(,)?) => {$(
        /// The identifier of a text, in its one form.
        #[napi]
        pub fn $function(text: String) -> Result<String> {
            Ok(parse::<$kind>(&text)?.to_string())
        }

        /// The identifier of its bytes.
        #[napi]
        pub fn $from_bytes(bytes: &[u8]) -> Result<String> {
            let refuse = || invalid(&format!("{} has {} bytes", stringify!($kind), $kind::LEN));
            Ok($kind::from_bytes(bytes.try_into().map_err(|_| refuse())?).to_string())
        }
    )*};
}
id_text!(
    peer_id peer_id_from PeerId,
    node_id node_id_from NodeId,
    graph_id graph_id_from GraphId,
    record_id record_id_from RecordId,
);

/// True if an identity signed a message.
#[napi]
pub fn verify(peer: String, message: &[u8], signature: &[u8]) -> Result<bool> {
    Ok(parse::<PeerId>(&peer)?.verify(message, signature))
}

#[napi(object, object_from_js = false)]
pub struct TicketFields {
    pub text: String,
    pub graph: String,
    pub nodes: Buffer,
}

#[napi]
pub fn ticket(text: String) -> Result<TicketFields> {
    let ticket = parse::<Ticket>(&text)?;
    Ok(TicketFields {
        text: ticket.to_string(),
        graph: ticket.graph.to_string(),
        nodes: packed(&ticket.nodes).into(),
    })
}

#[napi(object, object_from_js = false)]
pub struct InvitationFields {
    pub text: String,
    pub group: String,
    pub group_name: String,
    pub issuer: String,
    pub issuer_name: String,
    pub role: String,
    pub not_before: f64,
    pub not_after: Option<f64>,
    pub kind: String,
    pub subject: Option<String>,
    pub uses: Option<u32>,
    pub nodes: Buffer,
}

#[napi]
pub fn invitation(text: String) -> Result<InvitationFields> {
    let invitation = parse::<Invitation>(&text)?;
    let kind = match &invitation.way {
        Way::Identity { .. } => "identity",
        Way::Link { .. } => "link",
        Way::Password { .. } => "password",
    };
    Ok(InvitationFields {
        text: invitation.to_string(),
        group: invitation.group.to_string(),
        group_name: invitation.group_name.clone(),
        issuer: invitation.issuer.to_string(),
        issuer_name: invitation.issuer_name.clone(),
        role: invitation.role.to_string(),
        not_before: milliseconds(invitation.not_before),
        not_after: invitation.not_after.map(milliseconds),
        kind: kind.into(),
        subject: invitation.subject().map(|subject| subject.to_string()),
        uses: invitation.uses(),
        nodes: packed(&invitation.nodes().to_vec()).into(),
    })
}

#[napi]
pub fn qr_svg(invitation: String) -> Result<String> {
    Ok(parse::<Invitation>(&invitation)?.qr_svg().map_err(Fail::from)?)
}

#[napi]
pub fn qr_text(invitation: String) -> Result<String> {
    Ok(parse::<Invitation>(&invitation)?.qr_text().map_err(Fail::from)?)
}

#[napi(object, object_from_js = false)]
pub struct DescriptionFields {
    pub text: String,
    pub peer_id: String,
    pub peer_name: String,
    pub name: String,
}

pub(crate) fn description(description: &IdentityDescription) -> DescriptionFields {
    DescriptionFields {
        text: description.to_string(),
        peer_id: description.peer_id().to_string(),
        peer_name: description.peer_name().to_string(),
        name: description.name().to_owned(),
    }
}

#[napi]
pub fn identity_description(text: String) -> Result<DescriptionFields> {
    Ok(description(&parse(&text)?))
}

#[napi(object, object_from_js = false)]
pub struct NameFields {
    pub text: String,
    pub peer: Option<String>,
    pub classifier: Option<String>,
    pub is_secured: bool,
}

fn fields(name: &PeerName) -> NameFields {
    NameFields {
        text: name.to_string(),
        peer: name.peer().map(|peer| peer.to_string()),
        classifier: name.classifier().map(str::to_owned),
        is_secured: name.is_secured(),
    }
}

#[napi]
pub fn peer_name(text: String) -> Result<NameFields> {
    Ok(fields(&parse(&text)?))
}

/// A name that says who may bear it, or without a peer one that anybody may bear.
#[napi]
pub fn make_peer_name(peer: Option<String>, classifier: Option<String>) -> Result<NameFields> {
    let name = match maybe(peer.as_deref())? {
        Some(peer) => PeerName::secured(peer, classifier.as_deref()),
        None => PeerName::unsecured(classifier.as_deref().unwrap_or_default()),
    };
    Ok(fields(&name.map_err(Fail::from)?))
}

#[napi]
pub fn derive_peer_name(name: String, classifier: Option<String>) -> Result<NameFields> {
    let derived = parse::<PeerName>(&name)?.derive(classifier.as_deref());
    Ok(fields(&derived.map_err(Fail::from)?))
}
