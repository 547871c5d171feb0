//! Why something is not allowed in a group.

/// Why a record does not count, or an act is not accepted. The same on every node that has the same acts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("{}", self.text())]
pub enum CredentialFault {
    /// The bytes are not an act, or out of bounds.
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
    /// More grants in a row than the group allows.
    ChainTooLong,
    /// Somebody would be a member by a grant of their own.
    Circular,
    /// Only seniors can remove: ancestors in the chain of grants, and higher roles from admin on.
    NotSenior,
    /// Its author was removed, and this is not among what stays.
    AuthorRemoved,
    /// This identity was removed.
    Removed,
    /// The group encrypts bodies, and this one is not.
    NotEncrypted,
    /// Its time is over, and nobody renewed it.
    Expired,
    /// This identity left.
    Left,
    /// The uses of the invitation went to others.
    Displaced,
    /// There is no refusal of that device.
    NotRefused,
    /// The identity itself refused the device.
    OwnRefusal,
    /// Somebody else refused the device, and is not outranked.
    NotRefuser,
    /// The identity has refused as many of its own devices as count.
    TooManyRefusals,
}

impl CredentialFault {
    /// The fault in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Malformed => "it is not an act of a group",
            Self::NotAMember => "not a member of the group",
            Self::OutsideMembership => "it was written outside its author's membership",
            Self::Role => "its author's role does not allow it",
            Self::RoleTooHigh => "a member cannot grant a role above their own",
            Self::OutlivesIssuer => "a membership cannot outlast its issuer's",
            Self::ChainTooLong => "the chain of grants is too long",
            Self::Circular => "the grants would form a circle",
            Self::NotSenior => {
                "only a senior member can remove a member or refuse its devices: one by whose grant they are a member, or an admin or owner with a higher role"
            }
            Self::AuthorRemoved => "its author was removed from the group",
            Self::Removed => "this identity was removed from the group; a new invitation lets it in again",
            Self::NotEncrypted => "its body is not encrypted, as the group requires",
            Self::Expired => "this identity's membership is over; a member who may let in can renew it",
            Self::Left => "this identity left the group; a new invitation lets it in again",
            Self::Displaced => {
                "others came by the same invitation, and it lets in no more; ask for a new one"
            }
            Self::NotRefused => "no such device is refused",
            Self::OwnRefusal => {
                "what an identity refuses of its own devices is refused for good; start the device on a new data directory"
            }
            Self::NotRefuser => {
                "only the admin who refused the device, or an admin or owner of a higher rank, can take that back"
            }
            Self::TooManyRefusals => {
                "an identity can refuse 64 of its own devices, and this one has; an admin can refuse others, or remove the identity"
            }
        }
    }
}
