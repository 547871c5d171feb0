//! Judging: which acts count. A pure function of the set.
//!
//! Whether an act under a grant counts depends on grants of higher rank alone (see [`super::seniority`]). Grants are
//! therefore judged from the highest rank down, each once, and nothing is ever judged again.

use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{ActSet, Content, Void, invitations::InviteState, seniority::Rank, set::Leaf};
use crate::{
    ids::{ActId, PeerId},
    limits::{MAX_ENDS_HEARD, MAX_LEAVES},
    record::Role,
    time::Timestamp,
};

/// A set of acts while it is judged.
pub(super) struct Judge<'a> {
    pub(super) set: &'a ActSet,
    /// By position; `None`: no grant, or not judged yet.
    pub(super) grants: Cow<'a, [Option<GrantState>]>,
    pub(super) invites: BTreeMap<u32, InviteState>,
}

/// What is known of a grant once it is judged.
#[derive(Clone, Debug, Default)]
pub(super) struct GrantState {
    /// Why it does not count.
    pub(super) void: Option<Void>,
    /// Leave acts that cover it.
    pub(super) leaves: Vec<Arc<Leaf>>,
    /// The earliest removals and demotions that count and cover it: none of them is before another.
    pub(super) removals: Vec<u32>,
    /// Those of them that keep acts, and whose lists keep records; see [`Judge::lists`].
    pub(super) lists: Vec<u32>,
    /// Its end by itself and its renewals.
    pub(super) until: Option<Timestamp>,
    /// The renewal that says so, if one does.
    pub(super) renewal: Option<ActId>,
    /// The removals that undo the acts under it.
    pub(super) undoes: Vec<ActId>,
    /// The first of them.
    pub(super) undo: Option<ActId>,
    /// The grant that takes its place for what the removals had not seen, if all of them are demotions.
    pub(super) successor: Option<u32>,
}

/// Under which grant an act stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// This one; `None`: the creator's.
    Under(Option<u32>),
    /// One of the given rank at most, which is not judged yet.
    Below(ActId),
    /// None.
    Void(Void),
}

impl<'a> Judge<'a> {
    /// Judges all grants of a set.
    pub(super) fn new(set: &'a ActSet) -> Self {
        let grants = Cow::Owned(set.entries.iter().map(|_| None).collect());
        let mut judge = Self { set, grants, invites: BTreeMap::new() };
        let mut order: Vec<(Rank, u32)> =
            set.grants_of.values().flatten().map(|at| (set.rank(Some(*at)), *at)).collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        for (_, at) in order {
            judge.judge_grant(at);
        }
        judge
    }

    /// False for an act that came after these grants were judged.
    pub(super) fn has_judged(&self, at: Option<u32>) -> bool {
        at.is_none_or(|at| (at as usize) < self.grants.len())
    }

    /// Judges a grant; those of higher rank are judged.
    pub(super) fn judge_grant(&mut self, at: u32) {
        let state = self.grant_state(at);
        self.grants.to_mut()[at as usize] = Some(state);
    }

    fn grant_state(&mut self, at: u32) -> GrantState {
        let void = self.grant_fault(at);
        let (removals, undoes, roles) = self.covering(at);
        let lists = self.lists(&removals, &roles);
        let successor = removals.iter().all(|at| self.set.grant(*at).is_some());
        let lowest = removals.iter().min_by_key(|at| (self.set.rank(Some(**at)), self.set.id(**at)));
        let successor = lowest.filter(|_| successor).copied();
        let undo = undoes.first().copied();
        let (until, renewal) = self.until(at);
        let leaves = self.set.leaves_on(at);
        GrantState { until, renewal, void, leaves, removals, lists, undoes, undo, successor }
    }

    fn grant_fault(&mut self, at: u32) -> Option<Void> {
        self.giver_fault(at).or_else(|| self.admission_fault(at))
    }

    /// Why the author of a grant had no right to give it.
    pub(super) fn giver_fault(&self, at: u32) -> Option<Void> {
        match self.giver(at) {
            Standing::Under(_) => None,
            Standing::Below(by) => Some(Void::Demoted(by)),
            Standing::Void(void) => Some(void),
        }
    }

    /// The grant under which a grant stands; by an invitation, that of the admitter.
    ///
    /// The uses of one invitation are counted together, so what they stand under is judged before all of them: a grant
    /// that outranks every use, or the one that the admitter names. A use by a grant that does not outrank all comes last, after
    /// those of higher rank: it may stand under whatever outranks itself.
    pub(super) fn giver(&self, at: u32) -> Standing {
        let entry = &self.set.entries[at as usize];
        let (by, rank) = (entry.under, self.set.rank(Some(at)));
        let all = entry.serves.map(|invite| self.set.rank_of_uses(invite));
        let bound = all.filter(|all| self.set.rank(by) > *all).unwrap_or(rank);
        self.standing(at, by, Some((rank, bound)))
    }

    /// Finds the grant that an act stands under: the one that it names or a demotion of it, otherwise another of the same
    /// holder that was there before. `floors`: grants of the first rank or less, if named, and of the second or less, if not,
    /// are not looked at. They decide nothing about what asks.
    pub(super) fn standing(&self, act: u32, by: Option<u32>, floors: Option<(Rank, Rank)>) -> Standing {
        self.standing_by(act, act, by, floors)
    }

    /// The same, of an act by whose word another stands: an invitation, of which `act` is a use, and its issuer's grant.
    pub(super) fn standing_by(
        &self,
        word: u32,
        act: u32,
        by: Option<u32>,
        floors: Option<(Rank, Rank)>,
    ) -> Standing {
        let fallen = self.follow(act, by, floors);
        let named = match (fallen, by) {
            (Standing::Void(_), Some(named)) => named,
            // A demotion of the named one ranks too low.
            (Standing::Below(lower), Some(named)) if lower != self.set.id(named) => named,
            _ => return fallen,
        };
        let floor = floors.map(|floors| floors.1);
        for other in self.set.other_grants(named, word, act) {
            let stands = self.follow(act, Some(other), floor.map(|floor| (floor, floor)));
            if let Standing::Under(_) = stands {
                return stands;
            }
        }
        fallen
    }

    /// Follows an act from a grant over demotions.
    fn follow(&self, act: u32, by: Option<u32>, floors: Option<(Rank, Rank)>) -> Standing {
        let (first, mut floor, mut by) = (by, floors.map(|floors| floors.0), by);
        while let Some(at) = by {
            if floor.is_some_and(|floor| self.set.rank(by) <= floor) {
                return Standing::Below(self.set.id(at));
            }
            floor = floors.map(|floors| floors.1);
            let Some(state) = &self.grants[at as usize] else { return Standing::Below(self.set.id(at)) };
            if state.void.is_some() {
                return Standing::Void(Void::Grant(self.set.id(at)));
            }
            if let Some(undo) = state.undo {
                return Standing::Void(Void::Undone(undo));
            }
            if !self.set.carries(at, state.until, act) {
                return Standing::Void(self.not_carried(act, at, by == first));
            }
            let left = || state.left(|leave| leave.past.contains(act));
            let kept = |removal: &&u32| self.set.keeps_act(**removal, act, at);
            if state.lists.iter().filter(kept).any(|by| !self.set.is_cut_short(*by, at) || left().is_none()) {
                return Standing::Under(by);
            }
            if state.removals.is_empty() {
                return left().map_or(Standing::Under(by), |leave| Standing::Void(Void::Left(leave)));
            }
            match state.successor {
                Some(successor) => by = Some(successor),
                None => return Standing::Void(Void::Removed(self.remover(state))),
            }
        }
        Standing::Under(None)
    }

    /// The fault of an act that a grant does not carry: the first by a renewal that does not count, the next are demotions.
    fn not_carried(&self, act: u32, grant: u32, is_first: bool) -> Void {
        let renewal = self.set.body(act).by.filter(|_| is_first);
        let id = self.set.id(grant);
        if is_first { Void::Grant(renewal.unwrap_or(id)) } else { Void::Demoted(id) }
    }

    /// The end of a grant by itself and its renewals, and the renewal that says so: of several, the one with the smallest id.
    /// They stand under grants of higher rank.
    fn until(&self, at: u32) -> (Option<Timestamp>, Option<ActId>) {
        let end = self.set.grant(at).and_then(|grant| grant.not_after);
        let (Some(end), rank) = (end, self.set.rank(Some(at))) else { return (end, None) };
        let counts = |renewal: &&u32| {
            let by = self.set.entries[**renewal as usize].under;
            matches!(self.standing(**renewal, by, Some((rank, rank))), Standing::Under(_))
        };
        let renewals = self.set.renewals_of.get(&at).into_iter().flatten().filter(counts);
        let ends = renewals.filter_map(|at| match self.set.body(*at).content {
            Content::Renew { not_after, .. } => Some((not_after, Reverse(self.set.id(*at)))),
            _ => None,
        });
        match ends.max().filter(|(until, _)| *until > end) {
            Some((until, Reverse(renewal))) => (Some(until), Some(renewal)),
            None => (Some(end), None),
        }
    }

    /// Where an act by this grant would stand that names all acts of the set.
    pub(super) fn standing_now(&self, by: Option<u32>) -> Result<Option<u32>, Void> {
        let mut by = by;
        while let Some(at) = by {
            let Some(state) = &self.grants[at as usize] else { return Err(Void::NotAllowed) };
            if let Some(void) = state.void {
                return Err(void);
            }
            if let Some(undo) = state.undo {
                return Err(Void::Undone(undo));
            }
            if let Some(leave) = state.left(|_| false) {
                return Err(Void::Left(leave));
            }
            match (state.removals.is_empty(), state.successor) {
                (true, _) => return Ok(by),
                (false, Some(successor)) => by = Some(successor),
                (false, None) => return Err(Void::Removed(self.remover(state))),
            }
        }
        Ok(None)
    }

    /// The removal that an act under this grant falls by.
    pub(super) fn remover(&self, state: &GrantState) -> ActId {
        let removes = state.removals.iter().filter(|at| self.set.grant(**at).is_none());
        removes.map(|at| self.set.id(*at)).min().expect("without one, there is a successor")
    }

    /// The fault of an act whose grant does not carry it: the grant is the demotion.
    pub(super) fn demoted(&self, grant: Option<u32>) -> Void {
        grant.map_or(Void::NotAllowed, |at| Void::Demoted(self.set.id(at)))
    }

    /// Of the earliest removals of a grant, those that keep acts, and whose lists keep records: beside a removal by a higher
    /// role, one by a lower keeps nothing. A demotion says nothing of what the lower role allows, so its role bars none.
    fn lists(&self, earliest: &[u32], roles: &BTreeMap<u32, Role>) -> Vec<u32> {
        let removes = earliest.iter().filter(|at| self.set.grant(**at).is_none());
        let highest = removes.map(|at| roles[at]).max();
        earliest.iter().copied().filter(|at| highest.is_none_or(|highest| roles[at] >= highest)).collect()
    }

    /// The earliest removals and demotions that count and cover a grant, those that undo, and the roles by which they do.
    ///
    /// Of one author few are heard, the earliest: however many it signs, each grant costs a look at them.
    fn covering(&self, at: u32) -> (Vec<u32>, Vec<ActId>, BTreeMap<u32, Role>) {
        let (set, rank) = (self.set, self.set.rank(Some(at)));
        let (mut earliest, mut undoing) = (Heard::of(set), Heard::of(set));
        let (mut undoes, mut roles) = (Vec::new(), BTreeMap::new());
        for other in self.naming(at) {
            let is_undo = matches!(&set.body(other).content, Content::Remove(remove) if remove.undo);
            let (is_earliest, undoes_it) = (earliest.takes(other), is_undo && undoing.has_room(other));
            if !is_earliest && !undoes_it {
                continue;
            }
            let Some(role) = self.takes(other, at, rank) else { continue };
            if is_earliest {
                earliest.push(other);
                roles.insert(other, role);
            }
            if undoes_it {
                undoing.push(other);
                undoes.push(set.id(other));
            }
        }
        undoes.sort_unstable();
        (earliest.acts, undoes, roles)
    }

    /// Removals and demotions that name the subject of a grant, or with its branch somebody above it, and that the grant does not
    /// have in its past, in their order.
    fn naming(&self, at: u32) -> Vec<u32> {
        let (set, rank) = (self.set, self.set.rank(Some(at)));
        let subject = set.subject(at);
        let direct = subject.and_then(|subject| set.removals_of.get(&subject)).into_iter().flatten();
        let mut found: Vec<u32> = direct
            .filter(|other| set.grant(**other).is_none_or(|grant| grant.role < rank.0))
            .copied()
            .collect();
        let sponsors = set.facts(at).map_or(&[][..], |facts| &facts.sponsors);
        let above: BTreeSet<_> = sponsors.iter().filter_map(|at| set.subject(*at)).collect();
        let by_branch = above.iter().filter_map(|subject| set.removals_of.get(subject)).flatten();
        let own = found.len();
        found.extend(by_branch.filter(|other| match &set.body(**other).content {
            Content::Remove(remove) => remove.branch,
            _ => false,
        }));
        if found.len() > own {
            found.sort_unstable_by_key(|at| set.order(*at));
            found.dedup();
        }
        // Admitting is automatic: by an invitation comes back only whoever was removed before it was made. What took the admitter is
        // held against the use: it may have been let in again since.
        let word = set.entries[at as usize].invitation();
        let known = |other: u32| match word {
            Some(invite) if !set.is_by_admitter(other, at, invite) => set.precedes(other, invite),
            _ => set.precedes(other, at),
        };
        found.retain(|other| *other != at && !known(*other));
        found
    }

    /// The role by which a removal takes a grant, if it does.
    fn takes(&self, removal: u32, at: u32, rank: Rank) -> Option<Role> {
        let by = self.set.entries[removal as usize].under;
        match self.standing(removal, by, Some((rank, rank))) {
            Standing::Under(grant) if [grant, by].iter().all(|by| self.is_senior(*by, at)) => {
                Some(self.set.rank(grant).min(self.set.rank(by)).0)
            }
            _ => None,
        }
    }

    /// Those of these acts that none of the others is before; of one author the first few.
    pub(super) fn earliest(&self, mut acts: Vec<u32>) -> Vec<u32> {
        acts.sort_unstable_by_key(|at| self.set.order(*at));
        acts.dedup();
        let mut earliest = Heard::of(self.set);
        for at in acts {
            if earliest.takes(at) {
                earliest.push(at);
            }
        }
        earliest.acts
    }
}

/// Acts that end something, taken in their order: the earliest, and of one author 16 at most. So one author displaces its own
/// acts only.
struct Heard<'a> {
    set: &'a ActSet,
    acts: Vec<u32>,
    by: BTreeMap<PeerId, usize>,
}

impl<'a> Heard<'a> {
    const fn of(set: &'a ActSet) -> Self {
        Self { set, acts: Vec::new(), by: BTreeMap::new() }
    }

    fn has_room(&self, at: u32) -> bool {
        self.by.get(&self.set.body(at).author).is_none_or(|count| *count < MAX_ENDS_HEARD)
    }

    fn takes(&self, at: u32) -> bool {
        self.has_room(at) && !self.acts.iter().any(|other| self.set.precedes(*other, at))
    }

    fn push(&mut self, at: u32) {
        *self.by.entry(self.set.body(at).author).or_default() += 1;
        self.acts.push(at);
    }
}

impl GrantState {
    /// The leave act by which something under this grant does not count; `has`: whether a leave act keeps it. Every one
    /// must: a second leave act must not bring back what came after the first.
    pub(super) fn left(&self, has: impl Fn(&Leaf) -> bool) -> Option<ActId> {
        let too_many = self.leaves.len() >= MAX_LEAVES;
        let mut without = self.leaves.iter().filter(|leaf| too_many || !has(leaf));
        without.next().map(|leaf| leaf.act.id())
    }
}
