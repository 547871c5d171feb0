//! Authority: who may do what in a group, as a pure function of the set of signed acts. The model, its proof and its hard
//! cases are in `AUTHORITY.md`.
//!
//! An [`ActSet`] accepts acts and knows which is before which. A [`Verdict`] is what a set says. Neither knows a clock, a
//! store or a link.
//!
//! - [`act`](ActBody): what acts say; [`Act`] and [`Credential`]: acts and the records in which they travel;
//! - `scope`: how far a grant carries what is done under it;
//! - `sound`: rules that an act keeps by itself and its past, or is refused for good;
//! - `seniority`, `judge`, `invitations`: which of the accepted acts count;
//! - [`Verdict`], [`RecordClaim`]: the questions; [`Verdict::heads`], [`Verdict::merge`]: what a new act names;
//! - [`Keep`], [`KeepChunk`]: the records that outlast a removal;
//! - [`Verdict::is_idle`], [`Verdict::is_crowded`]: void acts of the removed that nobody needs.

mod act;
mod ancestry;
mod chunks;
mod devices;
mod epochs;
mod fault;
mod first;
mod heads;
mod idle;
mod invitations;
mod judge;
mod keep;
mod needed;
mod order;
mod queries;
mod readmission;
mod records;
mod scope;
mod seniority;
mod set;
mod settle;
mod signed;
mod sound;
#[cfg(test)]
mod tests;
mod update;
mod verdict;
#[cfg(test)]
pub(crate) mod work;

pub use act::{
    ActBody, Content, Cut, Epoch, Grant, InvitationUse, Invite, Keep, Password, Remove, Sealed, issuer_proof,
    use_message,
};
pub use devices::DeviceRefusal;
pub use fault::{Fault, Void};
pub use first::HeardLeaves;
pub use idle::{Charge, Charged, Moved};
pub use keep::{KeepChunk, KeepKey};
pub use queries::Unfit;
pub use records::{Authorship, RecordClaim, RecordFault, RecordVerdict};
pub use set::{ActSet, Insertion};
pub use signed::{Act, Credential};
pub use verdict::{GrantVerdict, InvitationVerdict, Membership, Verdict};
