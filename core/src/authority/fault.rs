//! Why an act is refused, and why one that was accepted does not count.

use serde::{Deserialize, Serialize};

use crate::ids::ActId;

/// Why an act is not accepted into the set. Depends on the act and its past alone, so all nodes refuse the same acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// A field is out of bounds.
    #[error("the act is malformed")]
    Malformed,
    /// It names, in `after`, an act that others must not build on.
    #[error("the act names a leave or a device revocation as its past")]
    NamesLeaf,
    /// An act that it names is of another kind than its place asks for.
    #[error("the act names an act of another kind")]
    WrongKind,
    /// The author is not the subject of the grant that it acts under.
    #[error("the author has no such grant")]
    NotYours,
    /// The author's clock was outside the period of its grant.
    #[error("the act lies outside the author's membership")]
    OutsidePeriod,
    /// The author's role never allows this.
    #[error("the author's role does not allow it")]
    Role,
    /// The role given is higher than the author's or the invitation's.
    #[error("a member cannot give a role above its own")]
    RoleTooHigh,
    /// The period given ends after the author's own.
    #[error("a membership cannot outlast its issuer's")]
    OutlivesIssuer,
    /// There would be more grants in a row than allowed.
    #[error("the chain of grants is too long")]
    ChainTooLong,
    /// The subject is the creator, the author, or above the author.
    #[error("the grants would form a circle")]
    Circular,
    /// The author may not admit by this invitation.
    #[error("the author may not admit by this invitation")]
    NotAdmitter,
    /// The invitation's key did not sign for this subject.
    #[error("the joiner did not prove that it holds the invitation")]
    WrongProof,
    /// The author may not do this to that identity.
    #[error("the author may not do this to that identity")]
    NotAllowed,
}

/// Why an accepted act does not count. Depends on the set of acts alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Void {
    /// The grant it was made under does not count.
    Grant(ActId),
    /// A removal took the grant it was made under, and had not seen the act.
    Removed(ActId),
    /// A removal undid it.
    Undone(ActId),
    /// Its author left, and had not seen the act.
    Left(ActId),
    /// A demotion took the role that it needs, and had not seen the act.
    Demoted(ActId),
    /// The invitation that it uses does not count, or its issuer may not give the role any more.
    Invitation(ActId),
    /// The invitation that it uses was withdrawn, and this use had not been seen.
    InvitationRevoked(ActId),
    /// The uses of the invitation went to others.
    UsedUp(ActId),
    /// The act that it serves does not count.
    Serves(ActId),
    /// Its author may not do this to what it names.
    NotAllowed,
}
