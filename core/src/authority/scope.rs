//! How far a grant carries what is done under it, and under which grant an act stands when the one that it names falls.

use std::cmp::Reverse;

use super::{ActSet, Content, sound::outlives};
use crate::{record::Role, time::Timestamp};

impl ActSet {
    /// True if a grant that lasts until `end` carries an act by its role, its depth and its end: what held against the grant
    /// that the act names when it arrived, held against the one that it stands under.
    pub(super) fn carries(&self, grant: u32, end: Option<Timestamp>, act: u32) -> bool {
        let (body, role) = (self.body(act), self.rank(Some(grant)).0);
        let Some(given) = self.grant(grant) else { return false };
        let serves = self.entries[act as usize].serves;
        let allowed = match (&body.content, serves) {
            (Content::Grant(lower), _) => {
                self.may_give(Some(grant), act)
                    && lower.depth < given.depth
                    && outlives(lower.not_after, end).is_ok()
            }
            (Content::Invite(invite), _) => given.depth > 0 && outlives(Some(invite.not_after), end).is_ok(),
            (Content::Renew { not_after, .. }, Some(renewed)) => {
                self.may_give(Some(grant), renewed) && outlives(Some(*not_after), end).is_ok()
            }
            (Content::RevokeInvite(_), Some(invite)) => {
                role >= Role::Admin || self.body(invite).author == body.author
            }
            _ => true,
        };
        allowed && role >= body.least_role() && end.is_none_or(|end| body.at < end)
    }

    /// Other grants of the holder of one, which an act has in its past and under which it may have been made, the highest
    /// first. `word`: the act whose past it is; of a use that stands under the issuer's grant, the invitation.
    pub(super) fn other_grants(&self, named: u32, word: u32, act: u32) -> Vec<u32> {
        let (body, held) =
            (self.body(act), self.subject(named).and_then(|holder| self.grants_of.get(&holder)));
        let may = |at: &u32| {
            let begun = self.grant(*at).is_some_and(|grant| grant.not_before <= body.at);
            let above = match &body.content {
                Content::Grant(lower) => self.is_sponsor(lower.subject, *at),
                _ => false,
            };
            *at != named && self.precedes(*at, word) && begun && !above
        };
        let mut others: Vec<u32> = held.into_iter().flatten().copied().filter(may).collect();
        others.sort_by_key(|at| (Reverse(self.rank(Some(*at))), self.id(*at)));
        others
    }
}
