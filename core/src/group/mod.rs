//! Groups: who is a member, by whose word, with what rights, and until when; and identities, their names, public
//! descriptions and secrets.
//!
//! Pure: a function of the credentials that are here. [`Membership`] is the [`RecordPolicy`](crate::records::RecordPolicy)
//! of a group's records. Knows nothing of links, events or databases; the engine brings credentials in and carries out
//! what follows.

mod credential;
mod epoch;
mod exported;
mod fault;
mod identity;
mod invitation;
mod key_ring;
mod membership;
mod name;
mod policy;
#[cfg(feature = "qr")]
mod qr;
mod revocation;
mod roll;
mod secret;
mod throttle;

pub use credential::{
    Credential, CredentialId, Grant, Invite, Keep, PasswordRule, Revoke, Revoked, credential_id,
};
pub use epoch::{
    Epoch, EpochId, EpochKey, EpochKeys, Epochs, SealedKeys, epoch_id, open_epoch_key, open_older_key,
    seal_epoch_key, seal_older_key,
};
pub use exported::ExportedMembership;
pub use fault::CredentialFault;
pub use identity::{IdentityDescription, IdentityTextError};
pub use invitation::{Access, Admission, Invitation, InvitationError, Way};
pub use key_ring::{BODY_OVERHEAD, KeyRing, NoKey};
pub use membership::{Membership, Standing, Unfit};
pub use name::{NameError, PeerName, check_friendly_name, clipped_name, is_member_name, shown_name, unnamed};
#[cfg(feature = "qr")]
pub use qr::QrError;
pub use roll::InviteFault;
pub use secret::{IdentitySecret, SecretTextError};
pub use throttle::Throttle;
