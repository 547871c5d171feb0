//! What the engine asks a set of acts and a verdict.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    Act, ActBody, ActSet, Content, Fault, GrantVerdict, InvitationVerdict, KeepChunk, Verdict, update::Step,
};
use crate::{
    ids::{ActId, PeerId},
    limits::MAX_REVOKED_DEVICES,
    time::Timestamp,
};

/// Why an act cannot be inserted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// Never: see [`Fault`].
    Fault(Fault),
    /// Not before this act is here.
    Missing(ActId),
    /// Enough acts of its author are kept: leave acts, or refused devices. For void acts after a removal, see
    /// [`Verdict::is_crowded`].
    Crowded,
}

impl ActSet {
    /// Whether an act would be accepted, or was.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn check(&self, act: &Act) -> Result<(), Unfit> {
        if self.contains(&act.id()) { Ok(()) } else { self.fit(act.clone()).map(drop) }
    }

    /// The grant that an act or record names by its own id or by that of a renewal.
    pub fn grant_named(&self, by: &ActId) -> Option<ActId> {
        let at = self.place(by)?;
        match &self.body(at).content {
            Content::Grant(_) => Some(*by),
            Content::Renew { grant, .. } => Some(*grant),
            _ => None,
        }
    }

    /// True if whoever holds the grant `by` (`None`: the creator) may renew another: its rank is higher, and its role may give
    /// the other's.
    pub fn may_renew(&self, by: Option<&ActId>, grant: &ActId) -> bool {
        self.pair(by, grant).is_some_and(|(by, at)| self.may_give(by, at))
    }

    /// By grant: the place of the first act of its holder that names it, among those that came here.
    pub fn first_acts(&self, holder: PeerId) -> BTreeMap<ActId, u32> {
        let mut first = BTreeMap::new();
        for place in self.acts_of.get(&holder).into_iter().flatten().copied() {
            if let Some(grant) = self.body(place).by.and_then(|by| self.grant_named(&by)) {
                first.entry(grant).or_insert(place);
            }
        }
        first
    }

    /// The place of an act among those that came here.
    pub fn arrival(&self, id: &ActId) -> Option<u32> {
        self.place(id)
    }

    fn pair(&self, by: Option<&ActId>, grant: &ActId) -> Option<(Option<u32>, u32)> {
        let by = self.holding(by)?;
        self.place(grant).filter(|at| self.facts(*at).is_some()).map(|at| (by, at))
    }

    /// The grant by which somebody asks, who names it or a renewal of it (`None`: the creator); `None` if it is not here.
    pub(super) fn holding(&self, by: Option<&ActId>) -> Option<Option<u32>> {
        by.map_or(Some(None), |by| self.grant_named(by).and_then(|by| self.place(&by)).map(Some))
    }

    /// These acts and all in their past, the latest accepted first.
    pub fn with_past(&self, acts: Vec<ActId>) -> impl Iterator<Item = ActId> {
        let ends: Vec<u32> = acts.iter().filter_map(|id| self.place(id)).collect();
        let before = move |at: &u32| ends.iter().any(|end| end == at || self.precedes(*at, *end));
        (0..self.entries.len() as u32).rev().filter(before).map(|at| self.id(at))
    }

    /// The identities by whose word a grant was given, from the creator's side; without the creator.
    pub fn sponsors(&self, grant: &ActId) -> Vec<PeerId> {
        let facts = self.place(grant).and_then(|at| self.facts(at));
        facts.iter().flat_map(|facts| &facts.sponsors).filter_map(|at| self.subject(*at)).collect()
    }

    /// The rank of the grant by whose word a grant is; by an invitation, of its issuer's.
    pub fn rank_of_giver(&self, grant: &ActId) -> impl Ord + Copy + use<> {
        self.rank(self.place(grant).and_then(|at| self.word_of(at)))
    }

    /// The grant whose holder answers for another to `me`: that of its giver; by an invitation of the creator or of `me`, the
    /// admitter's. `None`: the creator or `me` gave it.
    pub fn answers_for(&self, me: PeerId, grant: &ActId) -> Option<ActId> {
        let at = self.place(grant)?;
        let is_other = |giver: &u32| self.subject(*giver).is_some_and(|peer| peer != me);
        let giver = self.word_of(at).filter(is_other);
        giver.or_else(|| self.entries[at as usize].under.filter(is_other)).map(|at| self.id(at))
    }

    /// The identities that answer for a grant to `me`, from the creator's side, or from that of `me`.
    pub fn line_of(&self, me: PeerId, grant: &ActId) -> Vec<PeerId> {
        let givers = std::iter::successors(self.answers_for(me, grant), |giver| self.answers_for(me, giver));
        let mut line: Vec<PeerId> =
            givers.filter_map(|at| self.place(&at).and_then(|at| self.subject(at))).collect();
        line.reverse();
        line
    }

    /// The grants that an identity renewed in a period, each as often as it was.
    pub fn renewed_by(&self, author: PeerId, within: Range<Timestamp>) -> impl Iterator<Item = ActId> {
        let acts = self.acts_of.get(&author).into_iter().flatten().map(|at| self.body(*at));
        acts.filter(move |act| within.contains(&act.at)).filter_map(|act| match &act.content {
            Content::Renew { grant, .. } => Some(*grant),
            _ => None,
        })
    }

    /// True for a leave act that is here.
    pub fn is_leave(&self, id: &ActId) -> bool {
        self.get(id).is_some_and(|body| matches!(body.content, Content::Leave(_)))
    }

    /// The leave acts of an identity, ascending.
    pub fn leaves_of(&self, identity: PeerId) -> Vec<ActId> {
        self.leaves.get(&identity).into_iter().flat_map(BTreeMap::keys).copied().collect()
    }

    /// Whether an identity has refused as many of its own devices as count: another refusal would be dropped, or drop one.
    pub fn refuses_no_more(&self, identity: PeerId) -> bool {
        self.own_devices.get(&identity).is_some_and(|acts| acts.len() >= MAX_REVOKED_DEVICES)
    }

    /// All accepted acts.
    pub fn acts(&self) -> impl Iterator<Item = &Act> {
        let leaves = self.leaves.values().chain(self.own_devices.values());
        let leaves = leaves.flat_map(BTreeMap::values).map(|leaf| &leaf.act);
        self.entries.iter().map(|entry| &entry.act).chain(leaves)
    }

    /// The grants of an identity, in the order in which they came.
    pub fn grants_of(&self, identity: PeerId) -> impl Iterator<Item = ActId> {
        self.grants_of.get(&identity).into_iter().flatten().map(|at| self.id(*at))
    }

    /// A chunk of a list, if it is here.
    pub fn chunk(&self, hash: &[u8; 32]) -> Option<&KeepChunk> {
        self.chunks.get(hash).filter(|slot| !slot.unheard)?.chunk.as_ref()
    }

    /// The same, heard or not.
    pub fn kept_chunk(&self, hash: &[u8; 32]) -> Option<&KeepChunk> {
        self.chunks.get(hash)?.chunk.as_ref()
    }

    /// The removals and demotions of an identity.
    pub fn removals_of(&self, identity: PeerId) -> impl Iterator<Item = ActId> {
        self.removals_of.get(&identity).into_iter().flatten().map(|at| self.id(*at))
    }

    /// True if an act is among those named here, or in the past of one that is known.
    pub fn reaches(&self, heads: &[ActId], act: &ActId) -> bool {
        heads.iter().any(|head| head == act || self.is_before(act, head))
    }
}

impl ActBody {
    /// The hashes of the chunks that it names.
    pub fn chunks(&self) -> &[[u8; 32]] {
        self.content.keep().map_or(&[], |keep| &keep.chunks)
    }
}

impl GrantVerdict {
    /// True if a time is in its period.
    pub(super) fn includes(&self, now: Timestamp) -> bool {
        self.not_before <= now && self.not_after.is_none_or(|end| now < end)
    }

    /// Its rank, in the order of ranks.
    fn rank(&self) -> impl Ord + Copy {
        (self.role, Reverse(self.level))
    }

    /// True if this one, lasting until `own`, gives what another does that would last until `end`: its rank is not lower, it lasts
    /// as long, and may give as much.
    fn replaces(&self, other: &Self, own: Option<Timestamp>, end: Timestamp) -> bool {
        self.rank() >= other.rank() && latest(own) >= end && self.depth >= other.depth
    }
}

/// An end, where none is later than all.
fn latest(end: Option<Timestamp>) -> Timestamp {
    end.unwrap_or(Timestamp(u64::MAX))
}

impl Verdict {
    /// True if whoever holds the grant `by` (`None`: the creator) is senior to the holder of another grant.
    pub fn is_senior_to(&self, set: &ActSet, by: Option<&ActId>, grant: &ActId) -> bool {
        let judge = self.judged(set);
        let pair =
            set.pair(by, grant).filter(|(by, at)| judge.has_judged(*by) && judge.has_judged(Some(*at)));
        pair.is_some_and(|(by, at)| judge.is_senior(by, at))
    }

    /// True if everybody by whose word a grant stands, and who admitted its holder, is senior to another grant.
    pub fn is_given_by_seniors(&self, set: &ActSet, grant: &ActId, other: &ActId) -> bool {
        let places = set.place(grant).zip(set.place(other));
        places.is_some_and(|(grant, other)| self.judged(set).is_given_by_seniors(grant, other))
    }

    /// True if a grant, lasting until `own`, makes another of its holder needless that would last until `end`: it gives as much for as
    /// long, and everybody by whose word it stands gave the other as well, or is senior to its giver. Another's gift could be taken
    /// back when the other has ended.
    pub fn makes_needless(
        &self,
        set: &ActSet,
        grant: &ActId,
        other: &ActId,
        (own, end): (Option<Timestamp>, Timestamp),
    ) -> bool {
        let facts = self.grants.get(grant).zip(self.grants.get(other));
        if !facts.is_some_and(|(grant, other)| grant.replaces(other, own, end)) {
            return false;
        }
        let (Some(grant), Some(other)) = (set.place(grant), set.place(other)) else { return false };
        self.judged(set).is_by_a_senior(grant, other)
    }

    /// [`update`](Self::update), and the identities of whom a grant is judged otherwise than before: their records may count
    /// no more, or again.
    pub fn advance(&mut self, set: &ActSet, accepted: &[ActId]) -> BTreeSet<PeerId> {
        let ended = |step: &Step| if let Step::Ends(_, identity) = step { Some(*identity) } else { None };
        let steps = self.steps(set, accepted);
        let mut affected: BTreeSet<PeerId> = steps.iter().flatten().filter_map(ended).collect();
        self.carry_out(set, steps.as_deref());
        let before = self.work.was.take().unwrap_or_default();
        // A longer period takes nothing from a record.
        let longer = |was: &GrantVerdict, is: &GrantVerdict| {
            is.not_after.is_none_or(|end| was.not_after.is_some_and(|before| before <= end))
        };
        let same = |was: &GrantVerdict, is: &GrantVerdict| {
            let was_as_long = GrantVerdict { not_after: is.not_after, renewal: is.renewal, ..was.clone() };
            longer(was, is) && was_as_long == *is
        };
        let changed = self.grants.iter().filter(|(id, is)| before.get(*id).is_some_and(|was| !same(was, is)));
        affected.extend(changed.map(|(_, grant)| grant.subject));
        affected
    }

    /// All grants, whether they count or not.
    pub fn grants(&self) -> impl Iterator<Item = (&ActId, &GrantVerdict)> {
        self.grants.iter().inspect(|_| {
            #[cfg(test)]
            super::work::look();
        })
    }

    /// All invitations.
    pub fn invitations(&self) -> impl Iterator<Item = (&ActId, &InvitationVerdict)> {
        self.invitations.iter()
    }

    /// The grants by which an identity is a member at `now`, the highest rank first; of one rank, the latest end first. The
    /// creator has none.
    pub fn alive(&self, identity: PeerId, now: Timestamp) -> Vec<(ActId, &GrantVerdict)> {
        let grants = self.members.get(&identity).into_iter().flatten();
        let grants = grants.filter_map(|id| Some((*id, self.grant(id)?)));
        let mut alive: Vec<_> = grants.filter(|(_, grant)| grant.includes(now)).collect();
        alive.sort_by_key(|(id, grant)| (Reverse(grant.rank()), Reverse(latest(grant.not_after)), *id));
        alive
    }

    /// The end of the membership that somebody names by a grant or a renewal; `None`: without end, or the creator's.
    pub fn end_of(&self, named: &ActId) -> Option<Timestamp> {
        match self.renewals.get(named) {
            Some((_, until)) => Some(*until),
            None => self.grants.get(named)?.granted_until,
        }
    }
}
