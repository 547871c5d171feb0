//! The rules of a group: roles, and which role may write what. Part of its [`Genesis`](super::Genesis).

use serde::{Deserialize, Serialize};

use super::RecordType;
use crate::limits::{DEFAULT_CHAIN, MAX_CHAIN, MAX_NAME, MAX_TYPE_RULES};

/// What a member may do. Each role may do all that those before it may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[doc(alias = "PEER_GROUP_ROLE_MEMBER")]
pub enum Role {
    /// Reads, and is seen.
    Reader,
    /// Publishes records, edits its own.
    Member,
    /// Lets others in, up to its own role.
    Inviter,
    /// Edits and deletes anybody's records; removes members below it.
    Admin,
    /// Changes the group's properties; makes admins and other owners.
    Owner,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Self; 5] = [Self::Reader, Self::Member, Self::Inviter, Self::Admin, Self::Owner];

    /// The name in text: `member`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Member => "member",
            Self::Inviter => "inviter",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// True if a holder of this role may hand out `other`.
    pub fn may_grant(self, other: Self) -> bool {
        self >= Self::Inviter && other <= self
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role; the roles are reader, member, inviter, admin and owner")]
pub struct UnknownRole(pub String);

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| UnknownRole(text.into()))
    }
}

/// Who may do something to a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Who {
    /// Whoever made the record.
    Author,
    /// Whoever has this role or a higher one.
    Role(Role),
}

/// Who may write records of one type. Admins and owners may edit and delete in any case.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TypeRule {
    /// The type.
    pub record_type: RecordType,
    /// The least role that publishes them.
    pub publish: Role,
    /// Who updates and deletes them.
    pub edit: Who,
}

/// What holds in a group from its beginning to its end: in its id, so nobody can alter it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupRules {
    /// The friendly name of the group's creator, at most 255 bytes.
    pub creator_name: String,
    /// The least version of the protocol that members must speak.
    pub min_version: u16,
    /// Most grants between the creator and a member: 1 to 24. Default 8.
    pub max_chain: u8,
    /// The least role that changes the properties. Default: owner.
    pub properties: Role,
    /// True if a record must end with its author's membership. Default: false; what was written stays.
    pub records_end_with_membership: bool,
    /// True if bodies are encrypted, with a new key whenever somebody is removed, so that the removed cannot read later
    /// ones, wherever they get them from. Default: false. Attributes, types, times, authors and lengths stay readable to
    /// all who have the records. Bodies may be 89 bytes shorter than otherwise.
    pub encrypted_bodies: bool,
    /// The types that have rules of their own, at most 256. All others: members publish, authors edit.
    #[serde(deserialize_with = "crate::bounded::list::<_, _, MAX_TYPE_RULES>")]
    pub types: Vec<TypeRule>,
}

impl Default for GroupRules {
    fn default() -> Self {
        Self {
            creator_name: String::new(),
            min_version: 1,
            max_chain: DEFAULT_CHAIN,
            properties: Role::Owner,
            records_end_with_membership: false,
            encrypted_bodies: false,
            types: Vec::new(),
        }
    }
}

impl GroupRules {
    /// True if all limits lie in their bounds and no reserved type has a rule.
    pub fn is_sound(&self) -> bool {
        (1..=MAX_CHAIN).contains(&self.max_chain)
            && self.creator_name.len() <= MAX_NAME
            && self.min_version >= 1
            && self.types.len() <= MAX_TYPE_RULES
            && !self.types.iter().any(|rule| rule.record_type.is_reserved())
    }

    /// The least role that publishes records of a type.
    pub fn publisher(&self, record_type: &RecordType) -> Role {
        self.rule(record_type).map_or(Role::Member, |rule| rule.publish)
    }

    /// Who updates and deletes records of a type, beside admins.
    pub fn editor(&self, record_type: &RecordType) -> Who {
        self.rule(record_type).map_or(Who::Author, |rule| rule.edit)
    }

    fn rule(&self, record_type: &RecordType) -> Option<&TypeRule> {
        self.types.iter().find(|rule| rule.record_type == *record_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_nobody_hands_out_more_than_they_have() {
        for issuer in Role::ALL {
            for role in Role::ALL {
                let allowed = issuer >= Role::Inviter && role <= issuer;
                assert_eq!(issuer.may_grant(role), allowed, "{issuer} to {role}");
            }
            assert_eq!(issuer.name().parse(), Ok(issuer));
        }
        assert!("king".parse::<Role>().unwrap_err().to_string().contains("king"));
    }
}
