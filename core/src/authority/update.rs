//! Judging what is new: most acts touch the standing of no earlier one.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    ActSet, Content, GrantVerdict, Verdict,
    idle::Idle,
    invitations::InviteState,
    judge::{GrantState, Judge},
    settle::Found,
};
use crate::ids::{ActId, PeerId};

/// What judging found, kept to go on from. It follows from the set, so it is no part of what a verdict says.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// The set's when it was judged.
    pub(super) revision: u64,
    pub(super) grants: Vec<Option<GrantState>>,
    pub(super) invites: BTreeMap<u32, InviteState>,
    pub(super) found: Found,
    pub(super) idle: Idle,
    /// What was said of grants before the whole set was judged.
    pub(super) was: Option<BTreeMap<ActId, GrantVerdict>>,
}

impl PartialEq for Work {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Work {}

/// What to do for a new act that touches little.
#[derive(Debug)]
pub(super) enum Step {
    /// It touches nothing but itself.
    Alone(u32),
    /// It ends grants of one identity, under which no act was ever made.
    Ends(u32, PeerId),
    /// An identity refuses a device of its own.
    Leaf(ActId),
}

impl Verdict {
    /// Judges what a set accepted since it was judged: as [`Verdict::of`] for the whole set, which is what it does if an act
    /// may touch the standing of earlier ones. Acts that do not, cost the same in a group of any size: grants, uses of
    /// invitations that are not used up, invitations, merges; also renewals, removals and demotions of members who did
    /// nothing but write records.
    ///
    /// `accepted`: of all insertions since then, in their order.
    pub fn update(&mut self, set: &ActSet, accepted: &[ActId]) {
        self.carry_out(set, self.steps(set, accepted).as_deref());
    }

    /// Judges what is new by these steps; without any, the whole set.
    pub(super) fn carry_out(&mut self, set: &ActSet, steps: Option<&[Step]>) {
        match steps {
            Some(steps) => self.go_on(set, steps),
            None => self.judge_all(set),
        }
    }

    fn judge_all(&mut self, set: &ActSet) {
        let idle = std::mem::take(&mut self.work.idle);
        let before = std::mem::replace(self, Self::after(set, idle));
        self.work.was = Some(before.grants);
    }

    /// What to do for each act; `None` if the whole set is to be judged.
    pub(super) fn steps(&self, set: &ActSet, accepted: &[ActId]) -> Option<Vec<Step>> {
        let in_step = self.work.revision + accepted.len() as u64 == set.revision;
        // A use has its place among the others of its invitation by all acts, also by those that come with it.
        let is_use = |id| set.place(id).is_some_and(|at| set.entries[at as usize].invitation().is_some());
        let in_step = in_step && (accepted.len() == 1 || !accepted.iter().any(is_use));
        in_step.then(|| accepted.iter().map(|id| self.step(set, id)).collect()).flatten()
    }

    fn step(&self, set: &ActSet, id: &ActId) -> Option<Step> {
        let Some(at) = set.place(id) else {
            let body = set.get(id)?;
            return match body.content {
                Content::RevokeDevice { .. } => Some(Step::Leaf(*id)),
                _ => None,
            };
        };
        let ends = |subject: PeerId| {
            let idle = !set.acts_of.contains_key(&subject) && !set.refusals_of.contains_key(&subject);
            idle.then_some(Step::Ends(at, subject))
        };
        match &set.body(at).content {
            Content::Remove(remove) => ends(remove.subject),
            Content::Grant(grant) if grant.demotes.is_some() => ends(grant.subject),
            Content::Grant(grant) => {
                let invite = set.entries[at as usize].serves;
                let displaces = invite.is_some_and(|invite| self.may_displace(set, invite, &grant.subject));
                (!displaces && !set.refusals_of.contains_key(&grant.subject)).then_some(Step::Alone(at))
            }
            Content::RevokeInvite(_) => None,
            Content::Renew { grant, .. } => {
                // What the renewed member did may count by the new end.
                let renewed = set.place(grant).and_then(|at| set.subject(at));
                renewed.is_some_and(|who| !set.acts_of.contains_key(&who)).then_some(Step::Alone(at))
            }
            _ => Some(Step::Alone(at)),
        }
    }

    fn go_on(&mut self, set: &ActSet, steps: &[Step]) {
        let Work { mut grants, invites, mut found, idle, was, .. } = std::mem::take(&mut self.work);
        let from = grants.len() as u32;
        grants.resize_with(set.entries.len(), || None);
        let mut judge = Judge { set, grants: Cow::Owned(grants), invites };
        for step in steps {
            let at = match step {
                Step::Leaf(id) => {
                    if let Some(leaf) = set.leaf(id) {
                        self.settle_devices_of(set, leaf.act.body().author, &found);
                    }
                    continue;
                }
                Step::Alone(at) | Step::Ends(at, _) => *at,
            };
            judge.add(at);
            let ordered =
                set.contested.iter().filter_map(|invite| Some((*invite, judge.invites.get(invite)?)));
            let mut ordered = ordered.filter(|(_, state)| state.has_losers);
            if ordered.any(|(invite, state)| judge.is_new_witness(at, invite, state)) {
                self.work.idle = idle;
                return self.judge_all(set);
            }
            if let Step::Ends(_, identity) = step {
                for grant in set.grants_of.get(identity).into_iter().flatten() {
                    judge.judge_grant(*grant);
                    self.note_grant(&judge, *grant);
                }
                self.settle_holder(*identity, &mut found);
            }
            self.note(&judge, at, &mut found);
            self.settle_one(&judge, at, &mut found);
        }
        let Judge { grants, invites, .. } = judge;
        let grants = grants.into_owned();
        self.work = Work { revision: set.revision, grants, invites, found, idle, was };
        self.settle_idle_from(set, from, steps);
    }

    fn settle_one(&mut self, judge: &Judge<'_>, at: u32, found: &mut Found) {
        let set = judge.set;
        let entry = &set.entries[at as usize];
        match &set.body(at).content {
            Content::Grant(grant) => {
                if let Some(invite) = entry.serves {
                    let counts = self.act(&set.id(invite)) == Some(None);
                    self.note_invitation(judge, invite, counts);
                }
                self.settle_holder(grant.subject, found);
            }
            Content::Renew { .. } => {
                if let Some(grant) = entry.serves {
                    self.note_grant(judge, grant);
                }
            }
            Content::Password(_) | Content::PassOn { .. } => self.settle_password(set, found),
            Content::Epoch(_) => self.settle_epochs(set, found),
            Content::EpochKeys { .. } => self.settle_keys(set, found, at),
            Content::RevokeDevice { .. } | Content::RestoreDevice(_) => {
                self.settle_devices(set, found);
                self.settle_epochs(set, found);
            }
            _ => {}
        }
    }
}

impl Judge<'_> {
    /// Judges a new act, if it is a grant, and the grant that it renews.
    fn add(&mut self, at: u32) {
        let entry = &self.set.entries[at as usize];
        if let (Content::Renew { .. }, Some(grant)) = (&self.set.body(at).content, entry.serves) {
            self.judge_grant(grant);
        }
        if entry.facts.is_none() {
            return;
        }
        if let Some(state) = entry.serves.and_then(|invite| self.invites.get_mut(&invite)) {
            state.push(at);
        }
        self.judge_grant(at);
    }
}
