//! Who is senior to whom. Ranks are a strict order that is written into the grants themselves; seniority follows from them, and
//! from the grants of higher rank under which others stand.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    ActSet,
    judge::{Judge, Standing},
    set::GrantFacts,
};
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

    /// The grant that the giver of a grant named; of a use of an invitation, the one that the issuer named.
    pub(super) fn word_of(&self, grant: u32) -> Option<u32> {
        let entry = &self.entries[grant as usize];
        entry.invitation().map_or(entry.under, |invite| self.entries[invite as usize].under)
    }

    /// True if a holder of one grant may have given the other, by rank and role.
    pub(super) fn may_give(&self, grant: Option<u32>, other: u32) -> bool {
        let (rank, below) = (self.rank(grant), self.rank(Some(other)));
        rank > below && rank.0.may_grant(below.0)
    }
}

impl Judge<'_> {
    /// True if the holder of a grant may remove or demote the holder of another: its rank is higher, and it is the
    /// creator's, of a higher role that is admin or owner, or a sponsor of the other. Another grant of a sponsor's holder
    /// has the sponsor's power if its giver has it: nobody gives a power that they lack.
    pub(super) fn is_senior(&self, grant: Option<u32>, other: u32) -> bool {
        self.set.facts(other).is_some_and(|below| self.is_senior_over(grant, below))
    }

    /// The same over a grant of this rank, with these sponsors. Only grants of higher rank are asked.
    pub(super) fn is_senior_over(&self, grant: Option<u32>, other: &GrantFacts) -> bool {
        let Some(at) = grant else { return true };
        if let Some(known) = self.is_senior_itself(at, other) {
            return known;
        }
        let (mut asked, mut next) = (BTreeSet::new(), self.given_by(at));
        while let Some(giver) = next.pop() {
            let Some(giver) = giver.filter(|at| asked.insert(*at)) else { continue };
            match self.is_senior_itself(giver, other) {
                Some(true) => {}
                Some(false) => return false,
                None => next.extend(self.given_by(giver)),
            }
        }
        true
    }

    /// Whether a grant is senior by its own rank and place; `None`: if its giver is.
    fn is_senior_itself(&self, at: u32, other: &GrantFacts) -> Option<bool> {
        let (rank, below) = (self.set.rank(Some(at)), other.rank);
        if rank <= below || other.sponsors.contains(&at) || (rank.0 >= Role::Admin && rank.0 > below.0) {
            return Some(rank > below);
        }
        let holder = self.set.subject(at);
        let is_of_sponsor = other.sponsors.iter().any(|sponsor| self.set.subject(*sponsor) == holder);
        (!is_of_sponsor).then_some(false)
    }

    /// By which of its giver's grants a grant was given: the one that the giver named, and the one that this stands under, which
    /// may be lower. By an invitation: those of the issuer.
    fn given_by(&self, at: u32) -> Vec<Option<u32>> {
        let named = self.set.word_of(at);
        let standings = match self.set.entries[at as usize].invitation() {
            None => vec![self.giver(at)],
            Some(invite) => {
                let bound = self.set.rank_of_uses(invite);
                let stands = |act: u32| self.standing_by(invite, act, named, Some((bound, bound)));
                vec![stands(invite), stands(at)]
            }
        };
        let under = standings.into_iter().filter_map(|standing| match standing {
            Standing::Under(grant) => Some(grant),
            Standing::Below(_) | Standing::Void(_) => None,
        });
        under.chain([named]).collect()
    }

    /// True if everybody by whose word a grant stands, and who admitted its holder, is senior to another grant.
    pub(super) fn is_given_by_seniors(&self, grant: u32, other: u32) -> bool {
        let admitter = [self.set.entries[grant as usize].under];
        self.given_by(grant).iter().chain(&admitter).all(|giver| self.is_senior(*giver, other))
    }

    /// True if everybody by whose word a grant stands gave another as well, or is senior to its giver.
    pub(super) fn is_by_a_senior(&self, grant: u32, other: u32) -> bool {
        let (word, admitter) = (self.set.word_of(other), self.set.entries[other as usize].under);
        let gives = |giver: &Option<u32>| {
            [word, admitter].contains(giver) || word.is_some_and(|word| self.is_senior(*giver, word))
        };
        let admitted = match self.giver(grant) {
            Standing::Under(giver) => [self.set.entries[grant as usize].under, giver],
            Standing::Below(_) | Standing::Void(_) => return false,
        };
        self.given_by(grant).iter().chain(&admitted).all(gives)
    }
}
