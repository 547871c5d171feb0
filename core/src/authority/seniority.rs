//! Who is senior to whom: a strict order that is written into the grants themselves.

use std::cmp::Reverse;

use super::{ActSet, set::GrantFacts};
use crate::record::Role;

/// The rank of a grant: its role, then its nearness to the creator. Every grant ranks below the grant that gave it, and
/// only a higher rank decides about a lower one. That is why judging has one result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Rank(pub(super) Role, Reverse<u8>);

impl Rank {
    /// The creator's.
    pub(super) const CREATOR: Self = Self(Role::Owner, Reverse(0));

    pub(super) const fn new(role: Role, level: u8) -> Self {
        Self(role, Reverse(level))
    }

    /// Grants between this one and the creator.
    pub(super) const fn level(self) -> u8 {
        self.1.0
    }
}

impl ActSet {
    /// The rank of a grant; `None`: the creator's.
    pub(super) fn rank(&self, grant: Option<u32>) -> Rank {
        grant.and_then(|at| self.facts(at)).map_or(Rank::CREATOR, |facts| facts.rank)
    }

    /// True if the holder of a grant may remove or demote the holder of another: its rank is higher, and it is the
    /// creator's, of a higher role that is admin or owner, or a sponsor of the other. Another grant of a sponsor's holder
    /// has the sponsor's power if whoever gave it has: nobody gives a power that they lack.
    pub(super) fn is_senior(&self, grant: Option<u32>, other: u32) -> bool {
        self.facts(other).is_some_and(|below| self.is_senior_over(grant, below))
    }

    /// The same over a grant of this rank, with these sponsors.
    pub(super) fn is_senior_over(&self, mut grant: Option<u32>, other: &GrantFacts) -> bool {
        while let Some(at) = grant {
            let (rank, below) = (self.rank(grant), other.rank);
            if rank <= below || other.sponsors.contains(&at) || (rank.0 >= Role::Admin && rank.0 > below.0) {
                return rank > below;
            }
            let holder = self.subject(at);
            if !other.sponsors.iter().any(|sponsor| self.subject(*sponsor) == holder) {
                return false;
            }
            grant = self.word_of(at);
        }
        true
    }

    /// The grant by whose holder's word a grant was given; by an invitation, that of the issuer.
    fn word_of(&self, grant: u32) -> Option<u32> {
        let entry = &self.entries[grant as usize];
        entry.invitation().map_or(entry.under, |invite| self.entries[invite as usize].under)
    }

    /// True if a holder of one grant may have given the other, by rank and role.
    pub(super) fn may_give(&self, grant: Option<u32>, other: u32) -> bool {
        let (rank, below) = (self.rank(grant), self.rank(Some(other)));
        rank > below && rank.0.may_grant(below.0)
    }
}
