//! What members say of one another: grants, invitations, removals. Each is the body of a signed record that never
//! changes, so credentials travel, are stored and are reconciled as records are.
//!
//! The record's creator is the issuer, its `grant` the issuer's own credential, and its time the time of issue. A
//! [`CredentialId`] is the hash of the signed envelope.

use serde::{Deserialize, Serialize};

use super::{Epoch, EpochKeys};
use crate::{
    crypto,
    ids::{ElementId, NodeId, PeerId},
    limits::{MAX_ADMITTERS, MAX_KEEP, MAX_NAME, MAX_REASON},
    record::{Role, SignedRecord},
    time::{Hlc, Timestamp},
    wire::decode_exact,
};

/// The hash of a credential's signed envelope: what records and other credentials name it by.
pub type CredentialId = [u8; 32];

/// The id of a credential.
pub fn credential_id(record: &SignedRecord) -> CredentialId {
    let envelope = record.bytes().len() - record.body().len();
    crypto::hash("peergraph v1 credential", &[&record.bytes()[..envelope]])
}

/// Anything that changes who may do what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Credential {
    /// Makes somebody a member.
    Grant(Grant),
    /// Lets whoever holds a key in.
    Invite(Invite),
    /// Takes back.
    Revoke(Revoke),
    /// The rest of a long list of records to keep.
    Keep(Vec<ElementId>),
    /// How a password lets in.
    Password(PasswordRule),
    /// Begins an epoch: bodies are encrypted under another key.
    Epoch(Epoch),
    /// Gives the key of an epoch to more members.
    EpochKeys(EpochKeys),
}

/// Membership of an identity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[doc(alias = "PEER_CREDENTIAL_INFO")]
pub struct Grant {
    /// Who becomes a member.
    pub subject: PeerId,
    /// The friendly name it goes by, at most 255 bytes.
    pub name: String,
    /// As what.
    pub role: Role,
    /// From then on, in peer time.
    pub not_before: Timestamp,
    /// Until then; `None`: without end.
    pub not_after: Option<Timestamp>,
    /// Grants that may follow below this one.
    pub depth: u8,
    /// The invitation that was used up by it.
    pub invite: Option<CredentialId>,
    /// True if issuers renew it before it ends.
    pub renew: bool,
}

/// A way in for whoever holds a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invite {
    /// The public half of the key.
    pub key: PeerId,
    /// What they become.
    pub role: Role,
    /// How many may come.
    pub uses: u32,
    /// Until when they may come, in peer time.
    pub not_after: Timestamp,
    /// How long a membership lasts, in milliseconds; `None`: as long as the issuer's.
    pub lifetime_ms: Option<u64>,
    /// Who may admit; empty: whoever may let in. At most 16.
    pub admitters: Vec<PeerId>,
}

/// What is taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Revoked {
    /// One grant.
    Grant(CredentialId),
    /// All grants of an identity up to now.
    Peer(PeerId),
    /// An invitation that was not used yet.
    Invite(CredentialId),
    /// One device of the issuer's own or of a member below it.
    Device(PeerId, NodeId),
}

/// Which records of the removed stay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Keep {
    /// These, and those listed in further credentials. Ascending, at most 1,000 here.
    List {
        /// Their elements.
        elements: Vec<ElementId>,
        /// Credentials with more.
        more: Vec<CredentialId>,
    },
    /// Those written before this. Only who leaves says so of itself: others could be deceived by false times.
    Earlier,
}

/// Takes a membership, an invitation or a device back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revoke {
    /// What.
    pub target: Revoked,
    /// Why, for people; at most 255 bytes.
    pub reason: String,
    /// Records of theirs that stay; what they issued counts as well.
    pub keep: Keep,
}

/// A password lets in: the latest of these holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PasswordRule {
    /// What those become who know it; below inviter.
    pub role: Role,
    /// How long their membership lasts, in milliseconds.
    pub lifetime_ms: u64,
    /// The verifier, sealed to each identity that may admit: nobody else can try passwords on it. Empty: no password
    /// lets in any more.
    pub verifiers: Vec<(PeerId, Vec<u8>)>,
}

impl Credential {
    /// Reads the body of a credential record; `None` if it is none, or out of bounds.
    pub fn of(record: &SignedRecord) -> Option<Self> {
        let credential: Self = decode_exact(&record.body()).ok()?;
        credential.is_sound().then_some(credential)
    }

    /// The encoded form.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("a credential always encodes")
    }

    /// The nonce of its record, so that one credential is one record, and no other takes its place: the hash of the
    /// content, of when it was issued, and by which grant.
    pub fn nonce(&self, hlc: Hlc, grant: Option<CredentialId>) -> [u8; 16] {
        let parts: [&[u8]; 3] = [&hlc.0.to_be_bytes(), &grant.unwrap_or_default(), &self.encode()];
        crypto::hash("peergraph v1 credential nonce", &parts)[..16].try_into().expect("16 bytes")
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::Grant(grant) => {
                grant.name.len() <= MAX_NAME && grant.not_after.is_none_or(|end| end > grant.not_before)
            }
            Self::Invite(invite) => {
                invite.uses > 0 && invite.role <= Role::Inviter && invite.admitters.len() <= MAX_ADMITTERS
            }
            Self::Revoke(revoke) => {
                revoke.reason.len() <= MAX_REASON
                    && match &revoke.keep {
                        Keep::List { elements, more } => {
                            elements.len() <= MAX_KEEP && more.len() <= MAX_KEEP && elements.is_sorted()
                        }
                        Keep::Earlier => true,
                    }
            }
            Self::Keep(elements) => elements.len() <= MAX_KEEP && elements.is_sorted(),
            Self::Password(rule) => rule.role < Role::Inviter,
            Self::Epoch(epoch) => epoch.is_sound(),
            Self::EpochKeys(keys) => keys.is_sound(),
        }
    }
}
