//! Whether somebody who was removed comes back by a word that was given before: an invitation, or a password.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    ActSet, Content, Verdict,
    judge::{Judge, Standing},
    seniority::Rank,
    set::GrantFacts,
};
use crate::ids::{ActId, PeerId};

impl Verdict {
    /// The removal, or demotion, that keeps somebody out if the holder of the grant `admitter` (`None`: the creator) lets it in
    /// now by `word`, an Invite or a Password. `None`: nothing does.
    ///
    /// Admitting is automatic and brings nobody back, so what `word` does not have in its past holds, if it is by somebody who
    /// is senior to the membership that would be given. Who is not, keeps nobody out.
    pub fn kept_out(
        &self,
        set: &ActSet,
        joiner: PeerId,
        admitter: Option<&ActId>,
        word: &ActId,
    ) -> Option<ActId> {
        let admitter = match admitter {
            None => None,
            Some(id) => Some(set.place(id)?),
        };
        let word = set.place(word)?;
        let given = set.given(admitter, word)?;
        let judge = self.judged(set);
        let removals = set.removals_of.get(&joiner).into_iter().flatten();
        let mut removals = removals.filter(|removal| judge.has_judged(Some(**removal)));
        let found =
            removals.find(|removal| !set.precedes(**removal, word) && judge.would_take(**removal, &given));
        found.map(|at| set.id(*at))
    }

    /// The grants as they were judged, to ask about.
    pub(super) fn judged<'a>(&'a self, set: &'a ActSet) -> Judge<'a> {
        Judge { set, grants: Cow::Borrowed(&self.work.grants), invites: BTreeMap::new() }
    }
}

impl ActSet {
    /// The rank and the sponsors of a membership that is not given yet.
    fn given(&self, admitter: Option<u32>, word: u32) -> Option<GrantFacts> {
        // A password is the admitter's to give by, an invitation its issuer's.
        let (role, sponsor) = match &self.body(word).content {
            Content::Invite(invite) => (invite.role, self.entries[word as usize].under),
            Content::Password(rule) => (rule.role, admitter),
            _ => return None,
        };
        let mut sponsors =
            sponsor.and_then(|at| self.facts(at)).map_or_else(Vec::new, |f| f.sponsors.clone());
        sponsors.extend(sponsor);
        if admitter != sponsor {
            sponsors.extend(admitter);
        }
        let level = self.rank(admitter).level().max(self.rank(sponsor).level()).saturating_add(1);
        Some(GrantFacts { rank: Rank::new(role, level), sponsors })
    }
}

impl Judge<'_> {
    /// True if a removal, or a demotion to a lower role, counts and would take this membership.
    fn would_take(&self, removal: u32, given: &GrantFacts) -> bool {
        let set = self.set;
        if set.grant(removal).is_some_and(|lower| lower.role >= given.rank.0) {
            return false;
        }
        let by = set.entries[removal as usize].under;
        match self.standing(removal, by, Some((given.rank, given.rank))) {
            Standing::Under(grant) => [grant, by].iter().all(|by| self.is_senior_over(*by, given)),
            Standing::Below(_) | Standing::Void(_) => false,
        }
    }
}
