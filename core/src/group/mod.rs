//! Groups: who is a member, by whose word, with what rights, and until when; and identities, their names, public
//! descriptions and secrets.
//!
//! Pure: a function of the acts that are here, as [`crate::authority`] judges them. [`Membership`] is the [`RecordPolicy`](crate::records::RecordPolicy)
//! of a group's records. Knows nothing of links, events or databases; the engine brings acts in and carries out
//! what follows.

mod again;
mod endings;
mod epoch;
mod exported;
mod fault;
mod identity;
mod invitation;
mod invites;
mod key_ring;
mod lists;
mod membership;
mod name;
mod own;
mod papers;
mod policy;
#[cfg(feature = "qr")]
mod qr;
mod renewals;
mod secret;
mod standing;
mod throttle;
mod turns;

pub use again::Again;
pub use epoch::{
    Begun, EpochId, EpochKey, KeysOf, epoch_id, open_epoch_key, open_older_key, seal_epoch_key,
    seal_older_key,
};
pub use exported::ExportedMembership;
pub use fault::CredentialFault;
pub use identity::{IdentityDescription, IdentityTextError};
pub use invitation::{Access, Admission, Invitation, InvitationError, Way};
pub use invites::{InviteFault, OpenInvite};
pub use key_ring::{BODY_OVERHEAD, KeyRing, NoKey};
pub use membership::{Lack, Learnt, Membership};
pub use name::{NameError, PeerName, check_friendly_name, clipped_name, is_member_name, shown_name, unnamed};
#[cfg(feature = "qr")]
pub use qr::QrError;
pub use renewals::Renewal;
pub use secret::{IdentitySecret, SecretTextError};
pub use standing::{Ending, Standing};
pub use throttle::{Throttle, TriedBy};
