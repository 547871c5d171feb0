//! The definition of `AUTHORITY.md`, written down plainly: over bit masks, without any of the code under test. With a
//! [`Flaw`], a wrong one, to show that the statements notice.

use std::{cell::RefCell, cmp::Reverse, rc::Rc};

use super::{
    flaw::Flaw,
    world::{PlainRank, View, World, bits},
};
use crate::{
    authority::{Content, Void},
    ids::{ActId, PeerId},
    record::Role,
};

/// What an act stands under.
pub(super) type Stands = Result<Option<usize>, Void>;

/// The definition over what a view says of other acts.
pub(super) struct Definition<'a> {
    pub(super) world: &'a World,
    pub(super) mask: u64,
    pub(super) order: &'a [usize],
    pub(super) view: View,
    pub(super) flaw: Option<Flaw>,
    /// What was found once; of grants that are judged only.
    removals: RefCell<Vec<Option<Rc<[usize]>>>>,
}

/// Ranks up to which grants do not decide: for the grant that an act names, and for those that take its place.
type Floors = Option<(PlainRank, PlainRank)>;

/// Judges a set by the definition, or wrongly.
pub(super) fn judge(world: &World, mask: u64, order: &[usize], flaw: Option<Flaw>) -> View {
    let view = View { void: vec![None; world.infos.len()], ..View::default() };
    let mut definition = Definition::new(world, mask, order, view, flaw);
    let mut acts: Vec<usize> = bits(mask).filter(|at| !world.body(*at).is_leaf()).collect();
    // Grants from the highest rank down, then all others, those that serve another after it.
    acts.sort_by_key(|at| (world.grant(*at).is_none(), Reverse(world.infos[*at].rank), *at));
    for at in acts {
        definition.view.void[at] = definition.fault(at);
    }
    let grants = bits(mask).filter(|at| world.grant(*at).is_some());
    let in_force = grants.filter(|at| definition.is_in_force(*at)).fold(0, |mask, at| mask | 1 << at);
    let password = definition.password().map(|at| world.id(at));
    let records = (0..world.records.len()).map(|at| definition.record_counts(at)).collect();
    let mut view = definition.view;
    view.records = records;
    (view.in_force, view.password) = (in_force, password);
    let by_id: std::collections::BTreeMap<ActId, (Option<Void>, bool)> =
        bits(mask).map(|at| (world.id(at), (view.void[at], in_force >> at & 1 == 1))).collect();
    view.bytes = postcard::to_stdvec(&(by_id, password)).unwrap();
    view
}

impl<'a> Definition<'a> {
    pub(super) fn new(
        world: &'a World,
        mask: u64,
        order: &'a [usize],
        view: View,
        flaw: Option<Flaw>,
    ) -> Self {
        let removals = RefCell::new(vec![None; world.infos.len()]);
        Self { world, mask, order, view, flaw, removals }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn counts(&self, at: usize) -> bool {
        self.view.void[at].is_none()
    }

    /// True if an act was seen by a removal, or a grant knew of one.
    fn knew(&self, earlier: usize, later: usize) -> bool {
        if self.has(Flaw::ClaimedTime) {
            return self.world.body(earlier).at <= self.world.body(later).at;
        }
        self.world.is_before(earlier, later)
    }

    pub(super) fn is_senior(&self, grant: Option<usize>, other: usize) -> bool {
        let Some(at) = grant else { return true };
        let (rank, below) = (self.world.rank(grant), self.world.rank(Some(other)));
        let subject = self.world.subject(at);
        let is_sponsor = bits(self.world.infos[other].sponsors).any(|at| self.world.subject(at) == subject);
        let by_role = rank.0 >= Role::Admin && rank.0 > below.0;
        rank > below && (by_role || is_sponsor || self.has(Flaw::AnyHigherRank))
    }

    fn may_give(&self, grant: Option<usize>, other: usize) -> bool {
        let (rank, below) = (self.world.rank(grant), self.world.rank(Some(other)));
        rank > below && rank.0.may_grant(below.0)
    }

    /// The leave acts that end a grant.
    pub(super) fn leaves_on(&self, grant: usize) -> Vec<usize> {
        let Some(facts) = self.world.grant(grant) else { return Vec::new() };
        let leaves = bits(self.mask).filter(|at| {
            let body = self.world.body(*at);
            matches!(body.content, Content::Leave(_)) && body.author == facts.subject
        });
        leaves.filter(|at| !facts.despite.contains(&self.world.id(*at))).collect()
    }

    /// The removals and demotions that count and cover a grant.
    pub(super) fn removals_on(&self, grant: usize) -> Rc<[usize]> {
        if let Some(found) = &self.removals.borrow()[grant] {
            return found.clone();
        }
        let found: Rc<[usize]> = bits(self.mask).filter(|at| self.covers(*at, grant)).collect();
        self.removals.borrow_mut()[grant] = Some(found.clone());
        found
    }

    fn covers(&self, removal: usize, grant: usize) -> bool {
        let world = self.world;
        let subject = world.subject(grant);
        let names = match &world.body(removal).content {
            Content::Remove(remove) => {
                let above = |at: usize| world.subject(at) == Some(remove.subject);
                Some(remove.subject) == subject
                    || (remove.branch && bits(world.infos[grant].sponsors).any(above))
            }
            Content::Grant(lower) => {
                lower.demotes.is_some()
                    && Some(lower.subject) == subject
                    && lower.role < world.rank(Some(grant)).0
            }
            _ => false,
        };
        let forgotten = self.has(Flaw::NeverBack) && world.grant(removal).is_none();
        if !names || removal == grant || (self.knew(removal, grant) && !forgotten) {
            return false;
        }
        let floor = world.rank(Some(grant));
        match self.stands(removal, world.infos[removal].under, Some((floor, floor))) {
            Ok(by) => {
                world.rank(by).0 >= world.body(removal).least_role()
                    && (world.grant(removal).is_none() || self.may_give(by, removal))
                    && self.is_senior(by, grant)
            }
            Err(_) => false,
        }
    }

    fn earliest(&self, acts: &[usize]) -> Vec<usize> {
        let first = |at: &&usize| {
            self.has(Flaw::KeptBySecond) || !acts.iter().any(|o| self.world.is_before(*o, **at))
        };
        acts.iter().filter(first).copied().collect()
    }

    /// Follows an act from a grant to the one that it stands under.
    pub(super) fn stands(&self, act: usize, by: Option<usize>, floors: Floors) -> Stands {
        let world = self.world;
        let (mut by, mut floor) = (by, floors.map(|floors| floors.0));
        while let Some(at) = by {
            if floor.is_some_and(|floor| world.rank(by) <= floor) {
                return Err(Void::Demoted(world.id(at)));
            }
            floor = floors.map(|floors| floors.1);
            if !self.counts(at) && !self.has(Flaw::ChainIgnored) {
                return Err(Void::Grant(world.id(at)));
            }
            let removals = self.removals_on(at);
            let is_undo = |at: &&usize| matches!(&world.body(**at).content, Content::Remove(r) if r.undo);
            if let Some(undo) = removals.iter().filter(is_undo).map(|at| world.id(*at)).min() {
                return Err(Void::Undone(undo));
            }
            if let Some(leave) = self.left(act, at) {
                return Err(Void::Left(leave));
            }
            let earliest = self.earliest(&removals);
            if self.is_kept(act, &earliest) {
                return Ok(by);
            }
            let removes = earliest.iter().filter(|at| world.grant(**at).is_none());
            if let Some(remover) = removes.map(|at| world.id(*at)).min() {
                return Err(Void::Removed(remover));
            }
            let lowest = earliest.iter().min_by_key(|at| (world.rank(Some(**at)), world.id(**at)));
            if self.has(Flaw::DemotionRemoves) {
                return Err(Void::Removed(world.id(*lowest.unwrap())));
            }
            by = lowest.copied();
        }
        Ok(None)
    }

    /// No grant by this invitation ranks higher.
    fn bound(&self, invite: usize) -> PlainRank {
        let Content::Invite(offer) = &self.world.body(invite).content else { unreachable!() };
        (offer.role, Reverse(self.world.rank(self.world.infos[invite].under).1.0 + 1))
    }

    fn left(&self, act: usize, grant: usize) -> Option<ActId> {
        let leaves = self.leaves_on(grant);
        let without = leaves.iter().filter(|leaf| !self.knew(act, **leaf));
        if self.has(Flaw::KeptByAnyLeave) && leaves.iter().any(|leaf| self.knew(act, *leaf)) {
            return None;
        }
        without.map(|at| self.world.id(*at)).min()
    }

    fn is_kept(&self, act: usize, earliest: &[usize]) -> bool {
        let seen = |removal: &usize| match self.flaw {
            Some(Flaw::WeakRemoval) => !self.world.is_before(*removal, act),
            _ => self.knew(act, *removal),
        };
        let all = self.has(Flaw::KeptByAll);
        earliest.is_empty() || (!all && earliest.iter().any(seen)) || (all && earliest.iter().all(seen))
    }

    pub(super) fn is_in_force(&self, grant: usize) -> bool {
        if !self.counts(grant) {
            return false;
        }
        let renewed = |at: usize| {
            matches!(self.world.body(at).content, Content::Renew { .. })
                && self.world.infos[at].serves == Some(grant)
                && self.counts(at)
        };
        if self.has(Flaw::RenewalRevives) && bits(self.mask).any(renewed) {
            return true;
        }
        self.leaves_on(grant).is_empty() && self.removals_on(grant).is_empty()
    }

    /// Whether a member's note counts: as an act, but that a removal has in its past what it lists.
    pub(super) fn record_counts(&self, at: usize) -> bool {
        let (world, record) = (self.world, self.world.records[at]);
        let named = record.by.filter(|by| self.mask >> by & 1 == 1);
        let mut by = named.map(|by| world.grant(by).map_or_else(|| world.infos[by].serves.unwrap(), |_| by));
        let known = record.by.is_none() || by.and_then(|at| world.subject(at)) == Some(record.author);
        let lists = |act: &usize| match self.flaw {
            Some(Flaw::RecordsByTime) => record.at < world.body(*act).at,
            _ => world.infos[*act].listed >> at & 1 == 1,
        };
        while let Some(grant) = by {
            if !self.counts(grant) || !self.leaves_on(grant).iter().all(lists) {
                return false;
            }
            let mut removals = self.earliest(&self.removals_on(grant));
            if self.has(Flaw::RecordsByLastList) {
                removals = self.removals_on(grant).iter().max().copied().into_iter().collect();
            }
            if removals.is_empty() || removals.iter().any(lists) {
                break;
            }
            if removals.iter().any(|at| world.grant(*at).is_none()) {
                return false;
            }
            by = removals.iter().min_by_key(|at| (world.rank(Some(**at)), world.id(**at))).copied();
        }
        known && world.rank(by).0 >= Role::Member
    }

    /// The password in force: of those that count and that no other follows, the one by the highest rank, then the one
    /// with the smallest id.
    pub(super) fn password(&self) -> Option<usize> {
        let world = self.world;
        let is_one = |at: &usize| matches!(world.body(*at).content, Content::Password(_)) && self.counts(*at);
        let all: Vec<usize> = bits(self.mask).filter(is_one).collect();
        if self.has(Flaw::PasswordByArrival) {
            return self.order.iter().rfind(|at| all.contains(at)).copied();
        }
        // A password that fell ends those that it followed, unless its author knew of what it fell by.
        let fallen = bits(self.mask).filter(|at| {
            let is_password = matches!(world.body(*at).content, Content::Password(_));
            is_password && !self.counts(*at) && self.knew_of_no_end(*at)
        });
        let enders: Vec<usize> = fallen.chain(all.iter().copied()).collect();
        let last = all.iter().filter(|at| !enders.iter().any(|other| world.is_before(**at, *other)));
        let rank = |at: usize| self.stands(at, world.infos[at].under, None).map_or(None, |by| by);
        last.max_by_key(|at| (world.rank(rank(**at)), Reverse(world.id(**at)))).copied()
    }

    /// True if no removal of the author, or of whoever gave it the right, is in the past of an act.
    fn knew_of_no_end(&self, at: usize) -> bool {
        let mut next = self.world.infos[at].under;
        while let Some(grant) = next {
            if self.removals_on(grant).iter().any(|removal| self.world.is_before(*removal, at)) {
                return false;
            }
            next = self.world.infos[grant].under.filter(|_| !self.counts(grant));
        }
        true
    }

    /// Why an act does not count.
    pub(super) fn fault(&self, at: usize) -> Option<Void> {
        let (world, info) = (self.world, &self.world.infos[at]);
        let body = world.body(at);
        if world.grant(at).is_some() {
            return self.giver_fault(at).or_else(|| self.admission_fault(at));
        }
        let by = match self.stands(at, info.under, None) {
            Ok(by) => by,
            Err(void) => return Some(void),
        };
        let demoted = by.map_or(Void::NotAllowed, |at| Void::Demoted(world.id(at)));
        let role = world.rank(by).0;
        if role < body.least_role() {
            return Some(demoted);
        }
        match (&body.content, info.serves) {
            (Content::RevokeInvite(_), Some(invite)) => {
                (!self.withdraws(at, invite)).then_some(Void::NotAllowed)
            }
            (Content::Renew { .. }, Some(grant)) if !role.may_grant(world.rank(Some(grant)).0) => {
                Some(demoted)
            }
            (Content::Renew { .. } | Content::PassOn { .. }, Some(served)) => {
                (!self.counts(served)).then(|| Void::Serves(world.id(served)))
            }
            _ => None,
        }
    }

    fn giver_fault(&self, at: usize) -> Option<Void> {
        // The uses of an invitation are counted together: what they stand under outranks all of them, or is what they name.
        let (own, info) = (self.world.rank(Some(at)), &self.world.infos[at]);
        let bound = info.serves.map_or(own, |invite| self.bound(invite));
        match self.stands(at, info.under, Some((own, bound))) {
            Ok(by) if self.may_give(by, at) => None,
            Ok(by) => Some(by.map_or(Void::NotAllowed, |at| Void::Demoted(self.world.id(at)))),
            Err(void) => Some(void),
        }
    }

    fn admission_fault(&self, at: usize) -> Option<Void> {
        let invite = self.world.infos[at].serves?;
        if let Some(void) = self.use_fault(at, invite) {
            return Some(void);
        }
        let admitted = self.admitted(invite);
        (!admitted.contains(&self.world.subject(at)?)).then(|| Void::UsedUp(self.world.id(invite)))
    }

    /// Who was admitted by an invitation.
    fn admitted(&self, invite: usize) -> Vec<PeerId> {
        let world = self.world;
        let Content::Invite(offer) = &world.body(invite).content else { return Vec::new() };
        let is_use = |at: &usize| world.grant(*at).is_some() && world.infos[*at].serves == Some(invite);
        let mut uses: Vec<usize> = bits(self.mask).filter(is_use).collect();
        match self.flaw {
            Some(Flaw::UsesByArrival) => uses.sort_by_key(|at| self.order.iter().position(|o| o == at)),
            Some(Flaw::UsesByTime) => uses.sort_by_key(|at| world.body(*at).at),
            _ => uses.sort_by_key(|at| self.place(*at)),
        }
        let mut admitted = Vec::new();
        for at in uses {
            let subject = world.subject(at).unwrap();
            if !admitted.contains(&subject)
                && admitted.len() < offer.uses as usize
                && self.giver_fault(at).is_none()
                && self.use_fault(at, invite).is_none()
            {
                admitted.push(subject);
            }
        }
        admitted
    }

    pub(super) fn place(&self, at: usize) -> impl Ord + use<> {
        let under = self.world.infos[at].under;
        let by = under.map(|by| self.world.id(by));
        (Reverse(self.world.rank(under)), by, self.world.infos[at].height, self.world.id(at))
    }

    fn use_fault(&self, at: usize, invite: usize) -> Option<Void> {
        let (issuer, bound) = (self.world.infos[invite].under, self.bound(invite));
        for act in [invite, at] {
            match self.stands(act, issuer, Some((bound, bound))) {
                Ok(by) if self.may_give(by, at) => {}
                _ => return Some(Void::Invitation(self.world.id(invite))),
            }
        }
        let revokers: Vec<usize> = bits(self.mask).filter(|r| self.withdraws(*r, invite)).collect();
        let earliest = self.earliest(&revokers);
        if self.is_kept(at, &earliest) {
            return None;
        }
        earliest.iter().map(|at| self.world.id(*at)).min().map(Void::InvitationRevoked)
    }

    fn withdraws(&self, at: usize, invite: usize) -> bool {
        let world = self.world;
        if !matches!(world.body(at).content, Content::RevokeInvite(_))
            || world.infos[at].serves != Some(invite)
        {
            return false;
        }
        let own = world.body(at).author == world.body(invite).author;
        let bound = self.bound(invite);
        match self.stands(at, world.infos[at].under, Some((bound, bound))) {
            Ok(by) => {
                let role = world.rank(by).0;
                role >= Role::Inviter && (own || role >= Role::Admin)
            }
            Err(_) => false,
        }
    }
}
