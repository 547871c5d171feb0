//! What can be wrong with a credential.

/// Why a credential does not hold. The same on every node: it depends on nothing but the credentials themselves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("{}", self.text())]
pub enum CredentialFault {
    /// The bytes are no credential, or out of bounds.
    Malformed,
    /// The issuer is not a member by the grant it names.
    NotAMember,
    /// Written outside the issuer's membership.
    OutsideMembership,
    /// The issuer's role does not allow it.
    Role,
    /// A role above the issuer's own.
    RoleTooHigh,
    /// It would last longer than the issuer's own membership.
    OutlivesIssuer,
    /// It ends before it begins.
    Period,
    /// More grants in a row than the group allows.
    ChainTooLong,
    /// Somebody would be a member by a grant of their own.
    Circular,
    /// Only seniors can remove: ancestors in the chain of grants, and higher roles from admin on.
    NotSenior,
    /// Its author was removed, and this is not among what stays.
    Removed,
    /// The invitation was used up by others.
    UsedUp,
    /// The group encrypts bodies, and this one is not.
    NotEncrypted,
}

impl CredentialFault {
    /// The fault in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Malformed => "it is not a credential",
            Self::NotAMember => "not a member of the group",
            Self::OutsideMembership => "it was written outside its author's membership",
            Self::Role => "its author's role does not allow it",
            Self::RoleTooHigh => "a member cannot grant a role above their own",
            Self::OutlivesIssuer => "a membership cannot outlast its issuer's",
            Self::Period => "it ends before it begins",
            Self::ChainTooLong => "the chain of grants is too long",
            Self::Circular => "the grants would form a circle",
            Self::NotSenior => {
                "only a senior member can remove a member: one by whose grant they are a member, or an admin or owner with a higher role"
            }
            Self::Removed => "its author was removed from the group",
            Self::NotEncrypted => "its body is not encrypted, as the group requires",
            Self::UsedUp => "the invitation it came by was used up",
        }
    }
}
