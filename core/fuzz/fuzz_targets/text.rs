#![no_main]
//! What people type or paste: tickets, ids, names, identities, record types.

use libfuzzer_sys::fuzz_target;
use peergraph::{
    group::{ExportedMembership, IdentityDescription, IdentitySecret, Invitation, PeerName},
    ids::{NodeId, RecordId},
    record::{RecordType, Ticket},
};

fuzz_target!(|text: &str| {
    if let Ok(ticket) = text.parse::<Ticket>() {
        assert_eq!(ticket.to_string().parse(), Ok(ticket));
    }
    if let Ok(id) = text.parse::<NodeId>() {
        assert_eq!(id.to_string(), text.to_lowercase());
    }
    let _ = text.parse::<RecordId>();
    if let Ok(name) = text.parse::<PeerName>() {
        assert_eq!(name.to_string(), text);
    }
    if let Ok(description) = text.parse::<IdentityDescription>() {
        assert_eq!(description.to_string(), text.trim().to_lowercase());
    }
    let _ = text.parse::<Invitation>();
    let _ = IdentitySecret::from_text(text, "password");
    let _ = ExportedMembership::from_text(text, "password");
    if let Ok(name) = RecordType::new(text) {
        assert_eq!(name.as_str(), text);
    }
});
