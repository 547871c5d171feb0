//! The definition, of the grant under which an act stands.

use std::cmp::Reverse;

use super::{
    definition::{Definition, Floors, Stands},
    flaw::Flaw,
    world::bits,
};
use crate::{
    authority::{Content, Void},
    record::Role,
    time::Timestamp,
};

/// What an act stands under; otherwise why not, and whether it is only that a lower grant does not decide.
type Followed = Result<Option<usize>, (Void, bool)>;

impl Definition<'_> {
    /// The grant that an act stands under: the one that it names, or what is left of it; otherwise another of the same
    /// holder that was there before.
    pub(super) fn stands(&self, act: usize, by: Option<usize>, floors: Floors) -> Stands {
        self.stands_by(act, act, by, floors)
    }

    /// The same, with the grants that were there before `word`.
    pub(super) fn stands_by(&self, word: usize, act: usize, by: Option<usize>, floors: Floors) -> Stands {
        let fallen = match self.follow(act, by, floors) {
            Ok(by) => return Ok(by),
            Err((void, true)) => return Err(void),
            Err((void, false)) => void,
        };
        let (world, named) = (self.world, by.expect("the creator's does not fall"));
        let is_other = |at: &usize| {
            *at != named && world.subject(*at) == world.subject(named) && world.is_before(*at, word)
        };
        let mut others: Vec<usize> =
            bits(self.mask).filter(|at| world.grant(*at).is_some()).filter(is_other).collect();
        others.sort_by_key(|at| (Reverse(world.rank(Some(*at))), world.id(*at)));
        others.retain(|at| self.may_have_been_made(act, *at) && !self.has(Flaw::GiftsPoison));
        let lower = floors.map(|floors| (floors.1, floors.1));
        let found = others.iter().find_map(|at| self.follow(act, Some(*at), lower).ok());
        found.ok_or(fallen)
    }

    /// True if the grant had begun, and the act gives nothing to those above it.
    fn may_have_been_made(&self, act: usize, grant: usize) -> bool {
        let (world, body) = (self.world, self.world.body(act));
        let begun = world.grant(grant).unwrap().not_before <= body.at;
        let above = |at: usize| world.grant(act).is_some() && world.subject(at) == world.subject(act);
        begun && !bits(world.infos[grant].sponsors).any(above)
    }

    /// Follows an act from a grant over demotions.
    fn follow(&self, act: usize, by: Option<usize>, floors: Floors) -> Followed {
        let world = self.world;
        let (first, mut by, mut floor) = (by, by, floors.map(|floors| floors.0));
        while let Some(at) = by {
            if floor.is_some_and(|floor| world.rank(by) <= floor) {
                let ends = by == first || self.has(Flaw::DemotionsStop);
                return Err((Void::Demoted(world.id(at)), ends));
            }
            floor = floors.map(|floors| floors.1);
            let fallen = |void| Err((void, false));
            if !self.counts(at) && !self.has(Flaw::ChainIgnored) {
                return fallen(Void::Grant(world.id(at)));
            }
            let removals = self.removals_on(at);
            let is_undo = |at: &&usize| matches!(&world.body(**at).content, Content::Remove(r) if r.undo);
            if let Some(undo) = removals.iter().filter(is_undo).map(|at| world.id(*at)).min() {
                return fallen(Void::Undone(undo));
            }
            if !self.carries(at, act, by == first) {
                let named = world.body(act).by.unwrap_or_else(|| world.id(at));
                return fallen(if by == first { Void::Grant(named) } else { Void::Demoted(world.id(at)) });
            }
            let earliest = self.earliest(&removals);
            let first_left = self.has(Flaw::LeavesFirst).then(|| self.left(act, at)).flatten();
            if let Some(leave) = first_left {
                return fallen(Void::Left(leave));
            }
            let all = self.has(Flaw::LowerRolesKeep);
            let keepers = if all { earliest.clone() } else { self.keepers(at, &earliest) };
            if !earliest.is_empty() && self.is_kept(act, Some(at), &keepers) {
                return Ok(by);
            }
            if earliest.is_empty() {
                return self.left(act, at).map_or(Ok(by), |leave| fallen(Void::Left(leave)));
            }
            let removes = earliest.iter().filter(|at| world.grant(**at).is_none());
            if let Some(remover) = removes.map(|at| world.id(*at)).min() {
                return fallen(Void::Removed(remover));
            }
            let lowest = earliest.iter().min_by_key(|at| (world.rank(Some(**at)), world.id(**at)));
            if self.has(Flaw::DemotionRemoves) {
                return fallen(Void::Removed(world.id(*lowest.unwrap())));
            }
            by = lowest.copied();
        }
        Ok(None)
    }

    /// Of the earliest against a grant, those that may keep something: none by a lower role than that of a removal beside it.
    pub(super) fn keepers(&self, grant: usize, earliest: &[usize]) -> Vec<usize> {
        if earliest.len() < 2 {
            return earliest.to_vec();
        }
        let removes = earliest.iter().filter(|at| self.world.grant(**at).is_none());
        let highest = removes.filter_map(|at| self.role_over(*at, grant)).max();
        earliest.iter().filter(|at| self.role_over(**at, grant) >= highest).copied().collect()
    }

    /// True if a grant allows an act: by role, depth and period.
    fn carries(&self, grant: usize, act: usize, is_first: bool) -> bool {
        let (world, body, given) = (self.world, self.world.body(act), self.world.grant(grant).unwrap());
        let (role, end) = (world.rank(Some(grant)).0, self.end(grant));
        let depth = if self.has(Flaw::DemotionsUnbound) && !is_first { u8::MAX } else { given.depth };
        let inside = |until: Option<Timestamp>| {
            end.is_none_or(|end| until.is_some_and(|until| until <= end))
                || (self.has(Flaw::DemotionsUnbound) && !is_first)
        };
        let allowed = match &body.content {
            Content::Grant(lower) => {
                self.may_give(Some(grant), act) && lower.depth < depth && inside(lower.not_after)
            }
            Content::Invite(offer) => depth > 0 && inside(Some(offer.not_after)),
            Content::Renew { not_after, .. } => {
                self.may_give(Some(grant), world.infos[act].serves.unwrap()) && inside(Some(*not_after))
            }
            Content::RevokeInvite(_) => {
                role >= Role::Admin || world.body(world.infos[act].serves.unwrap()).author == body.author
            }
            _ => true,
        };
        allowed && role >= body.least_role() && end.is_none_or(|end| body.at < end)
    }

    /// The end of a grant, by itself and its renewals that count.
    pub(super) fn end(&self, grant: usize) -> Option<Timestamp> {
        let (world, rank) = (self.world, self.world.rank(Some(grant)));
        let own = world.grant(grant).unwrap().not_after?;
        let renewals = bits(self.mask).filter(|at| world.infos[*at].serves == Some(grant));
        let ends = renewals.filter_map(|at| match world.body(at).content {
            Content::Renew { not_after, .. } => Some((at, not_after)),
            _ => None,
        });
        let by_any = self.has(Flaw::VoidRenewals);
        let counts = |at: usize| self.stands(at, world.infos[at].under, Some((rank, rank))).is_ok();
        ends.filter(|(at, _)| by_any || counts(*at)).map(|(_, end)| end).chain([own]).max()
    }
}
