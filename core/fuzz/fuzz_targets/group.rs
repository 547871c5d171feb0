#![no_main]
//! What a group's members, invitations and joiners bring, past the check sums and signatures that usually stop it.

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use peergraph::{
    GraphId, RecordType, SecretKey, Timestamp,
    authority::Credential,
    crypto::{PasswordProof, PasswordVerifier, open_from},
    group::{Admission, Invitation, InvitationError},
    record::{Header, SignedRecord},
    time::Hlc,
    wire::decode_exact,
};

fn verifier() -> &'static PasswordVerifier {
    static VERIFIER: OnceLock<PasswordVerifier> = OnceLock::new();
    VERIFIER.get_or_init(|| PasswordVerifier::new("correct horse", [1; 32]))
}

fuzz_target!(|data: &[u8]| {
    // As the body of a credential record by somebody, at some time.
    let (graph, key) = (GraphId::from_bytes([9; 32]), SecretKey::from_bytes(&[3; 32]));
    let id = RecordType::new(RecordType::CREDENTIAL).expect("a type");
    let header = Header::first(id, [0; 16], key.peer(), Hlc::at(Timestamp(1_800_000_000_000)));
    // The nonce is not that of the content, which is looked at before.
    assert!(Credential::of(&SignedRecord::sign(&graph, &key, header, data)).is_err());
    if let Ok(invitation) = decode_exact::<Invitation>(data) {
        let read = invitation.to_string().parse::<Invitation>();
        assert!(read.is_err_and(|e| matches!(e, InvitationError::Altered | InvitationError::Malformed)));
        assert!(invitation.open(&SecretKey::from_bytes(&[3; 32])).is_err());
    }
    let _ = decode_exact::<Admission>(data);
    assert!(open_from(&SecretKey::from_bytes(&[3; 32]), &[4; 32], data).is_none());
    let _ = PasswordVerifier::from_bytes(data);
    let challenged = verifier().respond(data, b"context", [5; 32]);
    let guessed = challenged.is_ok_and(|(pending, _)| pending.finish(data, b"context").is_ok());
    assert!(!guessed, "without the password");
    // The joiner's last step stretches the password only for a challenge of the right form: rarely here.
    let (proof, _) = PasswordProof::start("correct horse".to_owned().into(), [6; 32]);
    assert!(proof.finish(data, b"context", [7; 32]).is_err());
});
