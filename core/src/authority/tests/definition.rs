//! The definition of `AUTHORITY.md`, written down plainly: over bit masks, without any of the code under test. With a
//! [`Flaw`], a wrong one, to show that the statements notice.

use std::{cell::RefCell, cmp::Reverse, rc::Rc};

use super::{
    flaw::Flaw,
    world::{PlainRank, Said, View, World, bits},
};
use crate::{
    authority::{Content, Void},
    ids::ActId,
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
pub(super) type Floors = Option<(PlainRank, PlainRank)>;

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
    let grants = bits(mask).filter(|at| world.grant(*at).is_some());
    let ended =
        grants.filter(|at| !definition.removals_on(*at).is_empty()).fold(0, |mask, at| mask | 1 << at);
    let password = definition.password().map(|at| world.id(at));
    let records = (0..world.records.len()).map(|at| definition.record_counts(at)).collect();
    let (devices, epoch) = (definition.devices(), definition.epoch());
    let mut view = definition.view;
    (view.devices, view.epoch) = (devices, epoch);
    (view.records, view.ended) = (records, ended);
    (view.in_force, view.password) = (in_force, password);
    let by_id: std::collections::BTreeMap<ActId, (Option<Void>, bool)> =
        bits(mask).map(|at| (world.id(at), (view.void[at], in_force >> at & 1 == 1))).collect();
    view.said = Said::Bytes(postcard::to_stdvec(&(by_id, password)).unwrap());
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

    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub(super) fn counts(&self, at: usize) -> bool {
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
        if rank <= below {
            return false;
        }
        let subject = self.world.subject(at);
        let sponsors = self.world.infos[other].sponsors;
        let of_sponsor = bits(sponsors).any(|at| self.world.subject(at) == subject);
        let given = || self.has(Flaw::SponsorsByIdentity) || self.givers_are_senior(at, other);
        let is_sponsor = sponsors >> at & 1 == 1 || (of_sponsor && given());
        let by_role = rank.0 >= Role::Admin && rank.0 > below.0;
        by_role || is_sponsor || self.has(Flaw::AnyHigherRank)
    }

    /// Whether whoever gave a grant is senior to another, by the grant that was named for it and by each under which the word
    /// stands.
    fn givers_are_senior(&self, grant: usize, other: usize) -> bool {
        let (world, word) = (self.world, self.world.word_of(grant));
        let mut by = vec![word];
        match world.infos[grant].serves {
            _ if self.has(Flaw::PowerOfNamedGrant) => {}
            None => by.extend(self.giver(grant)),
            Some(invite) => {
                let bound = self.bound(invite);
                let stands = |act| self.stands_by(invite, act, word, Some((bound, bound)));
                by.extend([invite, grant].into_iter().flat_map(stands));
            }
        }
        by.into_iter().all(|by| self.is_senior(by, other))
    }

    pub(super) fn may_give(&self, grant: Option<usize>, other: usize) -> bool {
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
        let invite = world.infos[grant].serves.filter(|_| !self.has(Flaw::LinkUsedAgain));
        // A removal of the admitter, with its branch, is held against the use itself.
        let word = invite.filter(|invite| {
            let issuer = world.infos[*invite].under;
            let issuers = issuer.map_or(0, |at| world.infos[at].sponsors | 1 << at);
            let Content::Remove(remove) = &world.body(removal).content else { return true };
            let mut named = bits(issuers | 1 << grant).map(|at| world.subject(at));
            named.any(|named| named == Some(remove.subject)) || self.has(Flaw::AdmitterByLink)
        });
        if !names || removal == grant || (self.knew(removal, word.unwrap_or(grant)) && !forgotten) {
            return false;
        }
        self.role_over(removal, grant).is_some()
    }

    /// The role by which somebody removes or demotes the holder of a grant.
    pub(super) fn role_over(&self, removal: usize, grant: usize) -> Option<Role> {
        let (world, floor) = (self.world, self.world.rank(Some(grant)));
        let by = self.stands(removal, world.infos[removal].under, Some((floor, floor))).ok()?;
        let named = world.infos[removal].under;
        let senior = self.is_senior(by, grant) && self.is_senior(named, grant);
        senior.then(|| world.rank(by).min(world.rank(named)).0)
    }

    /// Of acts that end something, those that none of the others is before; of one author 16.
    pub(super) fn earliest(&self, acts: &[usize]) -> Vec<usize> {
        let (world, mut acts, mut earliest) = (self.world, acts.to_vec(), Vec::<usize>::new());
        acts.sort_by_key(|at| (world.infos[*at].height, world.id(*at)));
        for at in acts {
            let second = earliest.iter().any(|other| world.is_before(*other, at));
            let of_author = earliest.iter().filter(|o| world.body(**o).author == world.body(at).author);
            if self.has(Flaw::KeptBySecond) || (!second && of_author.count() < 16) {
                earliest.push(at);
            }
        }
        earliest
    }

    pub(super) fn left(&self, act: usize, grant: usize) -> Option<ActId> {
        let leaves = self.leaves_on(grant);
        let without = leaves.iter().filter(|leaf| !self.knew(act, **leaf));
        if self.has(Flaw::KeptByAnyLeave) && leaves.iter().any(|leaf| self.knew(act, *leaf)) {
            return None;
        }
        without.map(|at| self.world.id(*at)).min()
    }

    /// Whether one of the earliest acts against a grant (`None`: against an invitation) keeps an act.
    pub(super) fn is_kept(&self, act: usize, grant: Option<usize>, earliest: &[usize]) -> bool {
        let seen = |removal: &usize| match self.flaw {
            Some(Flaw::WeakRemoval) => !self.world.is_before(*removal, act),
            _ => self.knew(act, *removal) && !self.is_cut(act, grant, *removal),
        };
        let all = self.has(Flaw::KeptByAll);
        earliest.is_empty() || (!all && earliest.iter().any(seen)) || (all && earliest.iter().all(seen))
    }

    /// True if a removal says of the holder of a grant, who had left, that it does not keep an act. The first that it says of
    /// a leave in spite of which the grant was not given.
    fn is_cut(&self, act: usize, grant: Option<usize>, removal: usize) -> bool {
        let world = self.world;
        let (Some(facts), false) = (grant.and_then(|at| world.grant(at)), self.has(Flaw::CutsIgnored)) else {
            return false;
        };
        let cuts = world.body(removal).content.keep().map_or(&[][..], |keep| &keep.cuts);
        let mut of_holder = cuts.iter().filter(|cut| cut.who == facts.subject);
        if cuts.len() == 48 && of_holder.clone().count() == 0 {
            return grant.is_some_and(|grant| self.left(act, grant).is_some());
        }
        // As the rule was before, but that the grant was named by the cut.
        let by_grant = self.has(Flaw::CutsByGrant) && world.infos[act].under != grant;
        let is_later = |cut: &crate::authority::Cut| {
            let spared = || cut.spares.iter().any(|id| Some(*id) == grant.map(|at| world.id(at)));
            facts.despite.contains(&cut.leave) || spared()
        };
        let Some(cut) = of_holder.find(|cut| !is_later(cut)) else {
            return false;
        };
        let up_to =
            cut.heads.iter().filter_map(|id| world.places.get(id)).filter(|at| self.mask >> **at & 1 == 1);
        let kept = up_to.fold(0, |kept, at| kept | 1 << at | world.infos[*at].past);
        !by_grant && kept >> act & 1 == 0
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
        let fallen: Vec<usize> = fallen.collect();
        let ended = |at: usize| {
            let follows = |other: &usize| world.is_before(at, *other);
            let falls_back = |other: &usize| follows(other) && !self.withstands(at, *other);
            all.iter().any(follows) || fallen.iter().any(falls_back)
        };
        let last = all.iter().filter(|at| !ended(**at));
        last.max_by_key(|at| (world.rank(self.acts_by(**at)), Reverse(world.id(**at)))).copied()
    }

    /// The grant by whose rank an act that counts does: the one that it stands under, or the one that it names if that is
    /// lower.
    pub(super) fn acts_by(&self, at: usize) -> Option<usize> {
        let (world, named) = (self.world, self.world.infos[at].under);
        let by = self.stands(at, named, None).map_or(None, |by| by);
        if world.rank(named) < world.rank(by) { named } else { by }
    }

    /// True if a password says of the author of a fallen one, or of somebody above it, that it left, and it had, by a grant that
    /// the password knew.
    fn withstands(&self, password: usize, fallen: usize) -> bool {
        let world = self.world;
        let Content::Password(rule) = &world.body(password).content else { return false };
        let by = world.infos[fallen].under.expect("the creator's do not fall");
        bits(world.infos[by].sponsors | 1 << by).any(|grant| {
            rule.despite.contains(&world.subject(grant).unwrap())
                && world.is_before(grant, password)
                && !self.leaves_on(grant).is_empty()
        })
    }

    /// True if no removal of the author, or of whoever gave it the right, is in the past of an act.
    pub(super) fn knew_of_no_end(&self, at: usize) -> bool {
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
        if let Err(void) = self.stands(at, info.under, None) {
            return Some(void);
        }
        match (&body.content, info.serves) {
            (Content::RevokeInvite(_), Some(invite)) => {
                (!self.withdraws(at, invite)).then_some(Void::NotAllowed)
            }
            (Content::RevokeDevice { identity, .. }, _) => {
                (!self.may_refuse(at, *identity)).then_some(Void::NotAllowed)
            }
            (Content::RestoreDevice(_), Some(refusal)) => {
                (!self.may_restore(at, refusal)).then_some(Void::NotAllowed)
            }
            (Content::Renew { .. } | Content::PassOn { .. } | Content::EpochKeys { .. }, Some(served)) => {
                (!self.counts(served)).then(|| Void::Serves(world.id(served)))
            }
            _ => None,
        }
    }

    pub(super) fn giver_fault(&self, at: usize) -> Option<Void> {
        self.giver(at).err()
    }

    /// What a grant stands under.
    pub(super) fn giver(&self, at: usize) -> Stands {
        // The uses of an invitation are counted together: what they stand under outranks all of them, or is what they name.
        // Those that name no such grant come after all others, rank by rank.
        let (own, info) = (self.world.rank(Some(at)), &self.world.infos[at]);
        let bound = match info.serves.map(|invite| self.bound(invite)) {
            Some(all) if self.world.rank(info.under) > all => all,
            _ => own,
        };
        self.stands(at, info.under, Some((own, bound)))
    }
}
