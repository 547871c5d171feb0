//! Void acts of the removed: which of them anybody needs, and how many more are taken in.
//!
//! Nothing that was accepted is ever dropped by a verdict. Acts that nobody needs are **idle**: they stay in the set, and the
//! database withholds them, so they cost no neighbor anything. What a verdict says of other acts does not depend on them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ActBody, ActSet, Verdict,
    needed::Witnesses,
    set::{Leaf, Order},
    update::Step,
};
use crate::ids::{ActId, PeerId};

/// The idle acts of a set.
#[derive(Clone, Debug, Default)]
pub(super) struct Idle {
    pub(super) acts: BTreeSet<u32>,
    /// Those, and acts that only their own author may have any use of: witnesses, and what a record may name.
    pub(super) spare: BTreeSet<u32>,
    /// Leaves that nobody needs.
    leaves: BTreeSet<ActId>,
    /// By position: true for an act that counted in some verdict on this node.
    counted: Vec<bool>,
    /// The spare acts that never counted here, and the bound that each is charged to.
    charges: BTreeMap<ActId, Charge>,
    pub(super) charged: Charged,
    pub(super) witnesses: Witnesses,
    /// By author, where there are too many acts that a record may name: the last that is needed for it.
    pub(super) named_until: BTreeMap<PeerId, Order>,
    /// Leaves that had given way to others when this was settled.
    gave_way: u64,
    moved: Moved,
}

/// What became idle or needed.
#[derive(Clone, Default, Debug)]
pub struct Moved {
    /// Acts, and whether they are idle now.
    pub acts: BTreeMap<ActId, bool>,
    /// True if the whole set was judged.
    pub whole: bool,
}

/// Within which bound an act is kept that nobody asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charge {
    /// That of its author, some grant of whom has counted on this node.
    Own(PeerId),
    /// That of all other authors together: a void grant can be given to any number of invented identities.
    Strangers,
}

/// How many acts are charged to each bound.
#[derive(Clone, Debug, Default)]
pub struct Charged {
    own: BTreeMap<PeerId, usize>,
    strangers: usize,
}

impl Charged {
    /// Adds one.
    pub fn add(&mut self, charge: Charge) {
        match charge {
            Charge::Own(author) => *self.own.entry(author).or_default() += 1,
            Charge::Strangers => self.strangers += 1,
        }
    }

    fn take(&mut self, charge: Charge) {
        match charge {
            Charge::Own(author) => {
                if let Some(count) = self.own.get_mut(&author) {
                    *count -= 1;
                }
            }
            Charge::Strangers => self.strangers -= 1,
        }
    }

    pub(super) fn of(&self, charge: Charge) -> usize {
        match charge {
            Charge::Own(author) => self.own.get(&author).copied().unwrap_or_default(),
            Charge::Strangers => self.strangers,
        }
    }
}

impl Verdict {
    /// True for an accepted act that nobody needs: a void one of an identity without a grant in force, in the past of no act that is
    /// needed, that decides nothing. Also for a leave or a refusal of an own device by such an identity that names one of these.
    ///
    /// Needed are all acts that count, those of identities with a grant in force, the heads of cuts that needed removals name, grants and
    /// renewals that a record which counts may name, and their pasts.
    pub fn is_idle(&self, set: &ActSet, act: &ActId) -> bool {
        let idle = &self.work.idle;
        set.place(act).map_or_else(|| idle.leaves.contains(act), |at| idle.acts.contains(&at))
    }

    /// The acts that became idle or needed since this was asked last.
    pub fn moved(&mut self) -> Moved {
        std::mem::take(&mut self.work.idle.moved)
    }

    /// Within which bound a new act is kept; `None`: its author has a grant in force, or a bound of leaves.
    pub fn charge(&self, set: &ActSet, body: &ActBody) -> Option<Charge> {
        let (mut at, mut is_new) = (set.named_grant(body.by.as_ref()?)?.0, false);
        // A grant that was not judged yet stands no better than who gave it.
        while !self.grants.contains_key(&set.id(at)) {
            (at, is_new) = (set.entries[at as usize].under?, true);
        }
        let holder = set.subject(at)?;
        if !self.is_gone(&holder) {
            return None;
        }
        if is_new || !self.work.idle.has_counted(set, &holder) {
            return Some(Charge::Strangers);
        }
        (!body.is_leaf()).then_some(Charge::Own(holder))
    }

    /// True if some grant of an identity counted on this node, or it is the creator.
    pub fn ever_counted(&self, set: &ActSet, identity: &PeerId) -> bool {
        *identity == self.creator || self.work.idle.has_counted(set, identity)
    }

    /// True for an identity with grants, none of which is in force: no new act of it would stand. Time does not matter.
    pub fn is_gone(&self, identity: &PeerId) -> bool {
        *identity != self.creator && self.held.contains_key(identity) && !self.members.contains_key(identity)
    }

    pub(super) fn is_counting(&self, set: &ActSet, at: u32) -> bool {
        self.act(&set.id(at)) == Some(None)
    }

    /// True for an act that is idle unless something needs it.
    pub(super) fn may_be_idle(&self, set: &ActSet, at: u32) -> bool {
        self.is_gone(&set.body(at).author) && !self.is_counting(set, at)
    }

    /// Finds the idle acts of the whole set.
    pub(super) fn settle_idle(&mut self, set: &ActSet) {
        let before = std::mem::take(&mut self.work.idle);
        let idle = &mut self.work.idle;
        (idle.counted, idle.moved, idle.gave_way) = (before.counted, before.moved, set.gave_way);
        idle.moved.whole = true;
        self.note_counted(set, 0);
        let all = 0..set.entries.len() as u32;
        self.work.idle.spare = all.clone().filter(|at| self.may_be_idle(set, *at)).collect();
        if !self.work.idle.spare.is_empty() {
            let others = all.filter(|at| !self.work.idle.spare.contains(at));
            let mut needed: Vec<u32> = others.flat_map(|at| set.leads_to(at)).collect();
            let of_members = set.all_leaves().filter(|(author, _)| !self.is_gone(author));
            needed.extend(of_members.flat_map(|(_, leaf)| set.parents_of(leaf.act.body())));
            wake(set, &mut self.work.idle.spare, needed);
            self.work.idle.witnesses = self.witnesses(set);
            let mut acts = self.work.idle.spare.clone();
            wake(set, &mut acts, self.work.idle.witnesses.all().collect());
            let named = self.may_be_named(set, &mut acts);
            acts.retain(|at| !named.contains(at));
            self.work.idle.acts = acts;
        }
        let idle_leaves = set.all_leaves().filter(|(author, leaf)| self.is_idle_leaf(set, author, leaf));
        self.work.idle.leaves = idle_leaves.map(|(_, leaf)| leaf.act.id()).collect();
        let idle = &self.work.idle;
        let ids = idle.spare.iter().map(|at| set.id(*at)).chain(idle.leaves.iter().copied());
        ids.collect::<Vec<_>>().into_iter().for_each(|id| self.charge_spare(set, id));
        let idle = &mut self.work.idle;
        let acts = before.acts.symmetric_difference(&idle.acts);
        idle.moved.acts.extend(acts.map(|at| (set.id(*at), idle.acts.contains(at))));
        let leaves = before.leaves.symmetric_difference(&idle.leaves);
        idle.moved.acts.extend(leaves.map(|id| (*id, idle.leaves.contains(id))));
    }

    /// Finds what is idle of acts that were judged alone, from position `from` on, and what is not any more because of them.
    pub(super) fn settle_idle_from(&mut self, set: &ActSet, from: u32, steps: &[Step]) {
        self.note_counted(set, from);
        let has_leaves = |who: &PeerId| set.leaves.contains_key(who) || set.own_devices.contains_key(who);
        let ended = steps.iter().any(|step| matches!(step, Step::Ends(_, who) if has_leaves(who)));
        let freed = set.gave_way != self.work.idle.gave_way
            && set.freed.iter().any(|at| self.may_be_idle(set, *at) && !self.work.idle.spare.contains(at));
        let new = from..set.entries.len() as u32;
        if ended || freed || new.clone().any(|at| self.touches_idle(set, at)) {
            return self.settle_idle(set);
        }
        self.work.idle.gave_way = set.gave_way;
        let mut needed = Vec::new();
        for at in new {
            if !self.may_be_idle(set, at) || self.is_cut_head(set, &set.id(at)) {
                needed.extend(set.leads_to(at));
                continue;
            }
            let id = set.id(at);
            self.work.idle.spare.insert(at);
            self.work.idle.acts.insert(at);
            self.work.idle.moved.acts.insert(id, true);
            self.charge_spare(set, id);
        }
        for step in steps {
            if let Step::Leaf(id) = step {
                self.add_leaf(set, id, &mut needed);
            }
        }
        let woken = wake(set, &mut self.work.idle.spare, needed.clone());
        for at in woken {
            if let Some(charge) = self.work.idle.charges.remove(&set.id(at)) {
                self.work.idle.charged.take(charge);
            }
        }
        let witnesses = self.witnesses(set);
        if !self.work.idle.witnesses.all().all(|at| witnesses.all().any(|other| other == at)) {
            return self.settle_idle(set);
        }
        needed.extend(witnesses.all());
        self.work.idle.witnesses = witnesses;
        self.wake_acts(set, needed);
    }

    /// True if a new act may change what is needed of others: a void one that records may name, or a grant to somebody whose acts or
    /// leaves are idle, or of whom there are void grants.
    fn touches_idle(&self, set: &ActSet, at: u32) -> bool {
        if self.may_be_idle(set, at) && self.is_nameable(set, at) {
            return true;
        }
        let Some(subject) = set.subject(at) else { return false };
        let idle = &self.work.idle;
        let of_it = |of: &BTreeMap<PeerId, Vec<u32>>| {
            of.get(&subject).is_some_and(|acts| acts.iter().any(|at| idle.spare.contains(at)))
        };
        let mut grants = set.grants_of.get(&subject).into_iter().flatten();
        let renewals = |grant| set.renewals_of.get(grant).into_iter().flatten();
        of_it(&set.acts_of)
            || of_it(&set.grants_of)
            || grants.any(|grant| renewals(grant).any(|at| idle.spare.contains(at)))
            || set.all_leaves_of(&subject).any(|leaf| idle.leaves.contains(&leaf.act.id()))
    }

    fn add_leaf(&mut self, set: &ActSet, id: &ActId, needed: &mut Vec<u32>) {
        let Some(leaf) = set.leaf(id) else { return };
        let author = leaf.act.body().author;
        if self.leaf_decides(set, &author, leaf.act.body()) {
            needed.extend(set.parents_of(leaf.act.body()));
        } else if self.is_idle_leaf(set, &author, leaf) {
            self.work.idle.leaves.insert(*id);
            self.work.idle.moved.acts.insert(*id, true);
            self.charge_spare(set, *id);
        }
    }

    /// These acts are not idle, nor is what they need.
    fn wake_acts(&mut self, set: &ActSet, needed: Vec<u32>) {
        let woken = wake(set, &mut self.work.idle.acts, needed);
        if woken.is_empty() {
            return;
        }
        let idle = &mut self.work.idle;
        idle.moved.acts.extend(woken.into_iter().map(|at| (set.id(at), false)));
        let is_awake = |id: &&ActId| {
            set.leaf(id).is_some_and(|leaf| !self.is_idle_leaf(set, &leaf.act.body().author, leaf))
        };
        let awake: Vec<ActId> = self.work.idle.leaves.iter().filter(is_awake).copied().collect();
        let idle = &mut self.work.idle;
        for id in awake {
            idle.leaves.remove(&id);
            idle.moved.acts.insert(id, false);
            if let Some(charge) = idle.charges.remove(&id) {
                idle.charged.take(charge);
            }
        }
    }

    /// Nobody asks for the refused devices of somebody without a grant in force, whatever they name.
    fn is_idle_leaf(&self, set: &ActSet, author: &PeerId, leaf: &Leaf) -> bool {
        let body = leaf.act.body();
        let mut named = set.parents_of(body);
        !self.leaf_decides(set, author, body)
            && (!body.is_leave() || named.any(|at| self.work.idle.acts.contains(&at)))
    }

    fn note_counted(&mut self, set: &ActSet, from: u32) {
        let mut counted = std::mem::take(&mut self.work.idle.counted);
        counted.resize(set.entries.len(), false);
        for at in from..set.entries.len() as u32 {
            counted[at as usize] |= self.is_counting(set, at);
        }
        self.work.idle.counted = counted;
    }

    /// Charges an act that nobody needs, if it never counted here.
    fn charge_spare(&mut self, set: &ActSet, id: ActId) {
        let idle = &self.work.idle;
        let author = match set.place(&id) {
            Some(at) if idle.counted[at as usize] => return,
            Some(at) => set.body(at).author,
            None => match set.leaf(&id) {
                Some(leaf) => leaf.act.body().author,
                None => return,
            },
        };
        let charge = match idle.has_counted(set, &author) {
            // Of leaves the author has a bound already.
            true if set.is_leaf(&id) => return,
            true => Charge::Own(author),
            false => Charge::Strangers,
        };
        self.work.idle.charges.insert(id, charge);
        self.work.idle.charged.add(charge);
    }
}

impl Idle {
    /// True if some grant of an identity counted on this node.
    pub(super) fn has_counted(&self, set: &ActSet, identity: &PeerId) -> bool {
        let mut grants = set.grants_of.get(identity).into_iter().flatten();
        grants.any(|at| self.counted.get(*at as usize).is_some_and(|counted| *counted))
    }
}

impl ActSet {
    fn parents_of<'a>(&'a self, body: &'a ActBody) -> impl Iterator<Item = u32> + 'a {
        body.parents().filter_map(|id| self.place(id))
    }

    /// What is needed wherever this act is: its parents, the heads of its cuts, and what the leaves of a grant's subject name.
    fn leads_to(&self, at: u32) -> impl Iterator<Item = u32> + '_ {
        let body = self.body(at);
        let leaves = self.subject(at).and_then(|subject| self.leaves.get(&subject));
        let leaves = leaves.into_iter().flat_map(BTreeMap::values);
        self.parents_of(body)
            .chain(body.content.cut_heads().filter_map(|id| self.place(id)))
            .chain(leaves.flat_map(|leaf| self.parents_of(leaf.act.body())))
    }

    fn all_leaves(&self) -> impl Iterator<Item = (&PeerId, &Leaf)> {
        let leaves = self.leaves.iter().chain(&self.own_devices);
        leaves.flat_map(|(author, acts)| acts.values().map(move |leaf| (author, &**leaf)))
    }

    fn all_leaves_of<'a>(&'a self, author: &PeerId) -> impl Iterator<Item = &'a Leaf> {
        let leaves = self.leaves.get(author).into_iter().chain(self.own_devices.get(author));
        leaves.flat_map(BTreeMap::values).map(|leaf| &**leaf)
    }
}

/// Takes acts out of a set of idle ones, and what they need; gives those that were in it.
pub(super) fn wake(set: &ActSet, idle: &mut BTreeSet<u32>, mut needed: Vec<u32>) -> Vec<u32> {
    let mut woken = Vec::new();
    while let Some(at) = needed.pop() {
        if idle.remove(&at) {
            needed.extend(set.leads_to(at));
            woken.push(at);
        }
    }
    woken
}
