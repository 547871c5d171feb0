//! The definition, of devices and epochs.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    definition::Definition,
    flaw::Flaw,
    world::{bits, peer},
};
use crate::{
    authority::Content,
    ids::{ActId, NodeId, PeerId},
    record::Role,
};

impl Definition<'_> {
    /// Whether the author of an act may refuse devices of an identity.
    pub(super) fn may_refuse(&self, act: usize, identity: PeerId) -> bool {
        let (world, by) = (self.world, self.acts_by(act));
        if self.has(Flaw::DevicesByAnyAdmin) {
            return true;
        }
        let named = world.infos[act].under;
        let stood = self.stands(act, named, None).expect("it was asked before");
        let senior = |at: &usize| match self.flaw {
            Some(Flaw::DevicesByLowerGrant) => self.is_senior(by, *at),
            _ => self.is_senior(named, *at) && self.is_senior(stood, *at),
        };
        let known = |at: &usize| world.is_before(*at, act);
        let held = self.held_by(act, identity);
        let had_right = || held.iter().any(known) && held.iter().copied().filter(known).all(|at| senior(&at));
        let in_force = |at: &usize| self.is_in_force(*at);
        let others = || held.iter().copied().filter(|at| !known(at));
        match self.flaw {
            Some(Flaw::DevicesWithoutRight) => held.iter().copied().filter(in_force).all(|at| senior(&at)),
            Some(Flaw::DevicesByChosenPast) => had_right(),
            Some(Flaw::DevicesByLaterEnds) => had_right() && others().filter(in_force).all(|at| senior(&at)),
            _ => had_right() && others().all(|at| senior(&at)),
        }
    }

    /// What an identity held, as far as an act says: grants that count, but for those that came after it, and those that it knew to
    /// be over. Of a leave it knew by a grant in spite of it.
    fn held_by(&self, act: usize, identity: PeerId) -> Vec<usize> {
        let world = self.world;
        let of_it = |at: &usize| world.subject(*at) == Some(identity) && self.counts(*at);
        let over = |grant: usize| {
            let taken = self.removals_on(grant).iter().any(|removal| world.is_before(*removal, act));
            let left = self.leaves_on(grant).into_iter().any(|leave| {
                let mut known = bits(world.infos[act].past & self.mask).filter(of_it);
                known.any(|at| world.grant(at).unwrap().despite.contains(&world.id(leave)))
            });
            taken || left
        };
        let all = bits(self.mask).filter(of_it);
        all.filter(|at| !over(*at) && !world.is_before(act, *at)).collect()
    }

    /// Whether the author of an act may take a refusal back.
    pub(super) fn may_restore(&self, act: usize, refusal: usize) -> bool {
        let (world, by) = (self.world, self.acts_by(act));
        let own = world.body(act).author == world.body(refusal).author;
        match self.stands(refusal, world.infos[refusal].under, None) {
            Ok(refuser) => own || (world.rank(by).0 >= Role::Admin && world.rank(by) > world.rank(refuser)),
            Err(_) => true,
        }
    }

    fn taken_back(&self, refusal: usize) -> bool {
        let (world, mut acts) = (self.world, bits(self.mask));
        acts.any(|at| {
            matches!(world.body(at).content, Content::RestoreDevice(_))
                && world.infos[at].serves == Some(refusal)
                && self.counts(at)
        })
    }

    /// The nodes that are refused.
    pub(super) fn devices(&self) -> BTreeSet<(PeerId, NodeId)> {
        let world = self.world;
        let refused = bits(self.mask).filter_map(|at| match world.body(at).content {
            Content::RevokeDevice { identity, node } => {
                let holds = world.body(at).is_leaf() || (self.counts(at) && !self.taken_back(at));
                holds.then_some((identity, node))
            }
            _ => None,
        });
        refused.collect()
    }

    /// The current epoch, and whether somebody may have its key who is no member, or by a refused node.
    pub(super) fn epoch(&self) -> (Option<ActId>, bool) {
        let world = self.world;
        let is_one = |at: &usize| matches!(world.body(*at).content, Content::Epoch(_)) && self.counts(*at);
        let all: Vec<usize> = bits(self.mask).filter(is_one).collect();
        let last = all.iter().filter(|at| !all.iter().any(|other| world.is_before(**at, *other)));
        let current = last.max_by_key(|at| (world.rank(self.acts_by(**at)), Reverse(world.id(**at))));
        let Some(current) = current.copied() else { return (None, false) };
        let gave = |at: &usize| {
            matches!(world.body(*at).content, Content::EpochKeys { .. })
                && world.infos[*at].serves == Some(current)
                && (self.counts(*at) || (self.knew_of_no_end(*at) && !self.has_left(*at)))
                && !self.has(Flaw::KeysPassedOnForgotten)
        };
        let mut holders = BTreeSet::new();
        for at in bits(self.mask).filter(gave).chain([current]) {
            holders.insert(world.body(at).author);
            if let Content::Epoch(crate::authority::Epoch { keys, .. }) | Content::EpochKeys { keys, .. } =
                &world.body(at).content
            {
                holders.extend(keys.iter().map(|(holder, _)| *holder));
            }
        }
        let is_member = |who: &PeerId| {
            let mut grants = bits(self.mask).filter(|at| world.subject(*at) == Some(*who));
            *who == peer(0) || grants.any(|at| self.is_in_force(at))
        };
        let refused = bits(self.mask).any(|at| match world.body(at).content {
            Content::RevokeDevice { identity, .. } => {
                let by_another = !world.body(at).is_leaf() && self.counts(at) && !self.taken_back(at);
                by_another && holders.contains(&identity) && !world.is_before(at, current)
            }
            _ => false,
        });
        (Some(world.id(current)), refused || !holders.iter().all(is_member))
    }

    /// True if the author of an act left and was not removed, or somebody above whose leave its grant may not count.
    fn has_left(&self, at: usize) -> bool {
        let mut next = self.world.infos[at].under;
        while let Some(grant) = next {
            if !self.leaves_on(grant).is_empty() && self.removals_on(grant).is_empty() {
                return true;
            }
            next = self.world.infos[grant].under.filter(|_| !self.counts(grant));
        }
        false
    }
}
