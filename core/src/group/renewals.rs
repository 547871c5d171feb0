//! Which memberships a member renews. This is its choice alone: no verdict depends on it.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use super::{
    Membership, Standing,
    turns::{Had, Line, in_turns},
};
use crate::{
    authority::{Content, GrantVerdict},
    ids::{ActId, PeerId},
    limits::{
        MIN_RENEWAL, MIN_RENEWAL_GAIN, RENEWALS_COUNTED, RENEWED_OF_GIVER, RENEWED_OF_MEMBER, SKEW_HOLD,
    },
    time::Timestamp,
};

/// A grant that is to be renewed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Renewal {
    /// The grant.
    pub grant: ActId,
    /// Its new end.
    pub until: Timestamp,
}

/// Who renews, when, and its moment for each grant, in 0..1.
struct Renewer<'a, M> {
    me: PeerId,
    own: &'a [Standing],
    now: Timestamp,
    moment: M,
}

impl Membership {
    /// The grants that a member should renew at `now`, by what it is, in the order in which it should: those between the half and two
    /// fifths of their time, by the `moment` in 0..1 that the node has for each. Of each member a few, none that would add nothing
    /// to what the member has, and of each giver as many as one has in a day.
    pub fn due_for_renewal(
        &self,
        me: PeerId,
        own: &[Standing],
        now: Timestamp,
        moment: impl Fn(&ActId) -> f64,
    ) -> Vec<Renewal> {
        let by = Renewer { me, own, now, moment };
        let others = self.verdict.identities().filter(|peer| **peer != me);
        let due: Vec<_> = others.filter_map(|peer| self.due_of(*peer, &by)).collect();
        if due.is_empty() {
            return Vec::new();
        }
        let contested = due.iter().filter(|due| due.found.len() > 1);
        let mut before = self.renewed(&by, contested.map(|due| (due.peer, Had::default())).collect());
        let none = Had::default();
        let chosen = due.into_iter().flat_map(|due| {
            let had = before.of_member.get(&due.peer).unwrap_or(&none);
            self.chosen(&by, due, had)
        });
        let mut chosen: Vec<(Line, Renewal)> = chosen.collect();
        chosen.sort_by(|(_, a), (_, b)| (by.moment)(&a.grant).total_cmp(&(by.moment)(&b.grant)));
        let mut chosen = in_turns(chosen, &before.of_all);
        chosen.retain(|(line, _)| before.may_renew(line));
        chosen.into_iter().map(|(_, renewal)| renewal).collect()
    }

    /// What is due of a member, and what it has; `None` if nothing is.
    fn due_of<M: Fn(&ActId) -> f64>(&self, peer: PeerId, by: &Renewer<'_, M>) -> Option<Due<'_>> {
        let held = self.verdict.alive(peer, by.now);
        let due = |(place, (id, facts)): (usize, &(ActId, &GrantVerdict))| {
            self.renewal(by, *id, facts).map(|renewal| (place, renewal))
        };
        let found: Vec<_> = held.iter().enumerate().filter_map(due).collect();
        (!found.is_empty()).then_some(Due { peer, held, found })
    }

    /// A few of them, in turns of those who answer for them.
    fn chosen<M>(&self, by: &Renewer<'_, M>, due: Due<'_>, had: &Had) -> Vec<(Line, Renewal)> {
        let Due { held, mut found, .. } = due;
        found.sort_by_cached_key(|(place, due)| (Reverse(self.acts.rank_of_giver(&due.grant)), *place));
        let with_lines = found.into_iter().map(|found| (self.line(by.me, &found.1.grant), found));
        let mut chosen: Vec<(Line, Renewal)> = Vec::new();
        for (line, (place, renewal)) in in_turns(with_lines.collect(), had) {
            if chosen.len() < RENEWED_OF_MEMBER && !self.is_needless(by.own, &held, place, &renewal, &chosen)
            {
                chosen.push((line, renewal));
            }
        }
        chosen
    }

    /// Who answers for a grant to `me`.
    pub(super) fn line(&self, me: PeerId, grant: &ActId) -> Line {
        self.acts.line_of(me, grant).into_iter().map(Some).chain([None]).collect()
    }

    /// What this identity renewed in the last day, on any of its nodes; apart of these members.
    fn renewed<M>(&self, by: &Renewer<'_, M>, mut of_member: BTreeMap<PeerId, Had>) -> Renewed {
        let day = by.now - RENEWALS_COUNTED..by.now + SKEW_HOLD;
        // Those for which the same grant answers have one line.
        let mut counts = BTreeMap::<Option<ActId>, (Line, usize)>::new();
        for grant in self.acts.renewed_by(by.me, day) {
            let giver = self.acts.answers_for(by.me, &grant);
            let (line, count) = counts.entry(giver).or_insert_with(|| (self.line(by.me, &grant), 0));
            *count += 1;
            let subject = self.verdict.grant(&grant).map(|facts| facts.subject);
            if let Some(had) = subject.and_then(|subject| of_member.get_mut(&subject)) {
                had.add(line, 1);
            }
        }
        let mut of_all = Had::default();
        for (line, count) in counts.values() {
            of_all.add(line, *count);
        }
        Renewed { of_all, of_member, now: BTreeMap::new() }
    }

    /// True if a renewal adds nothing to what a member has by these grants, of which it would renew the one at `place`. One that does
    /// not outlast another of the same rank or a higher one is left to end, or as long as this node keeps that one up.
    fn is_needless(
        &self,
        own: &[Standing],
        held: &[(ActId, &GrantVerdict)],
        place: usize,
        renewal: &Renewal,
        due: &[(Line, Renewal)],
    ) -> bool {
        let (id, end) = (renewal.grant, held[place].1.not_after);
        let beside = |other: &ActId, until, end| {
            *other != id && self.verdict.makes_needless(&self.acts, other, &id, (until, end))
        };
        let kept_up = |other: &ActId| self.renewable_for(other).is_some() && self.may_renew(own, other);
        held.iter().any(|(other, by)| beside(other, by.not_after, renewal.until))
            || due.iter().any(|(_, other)| beside(&other.grant, Some(other.until), renewal.until))
            || held[..place]
                .iter()
                .any(|(other, by)| end.is_some_and(|end| beside(other, by.not_after, end)) && kept_up(other))
    }

    /// For how long a grant was given, if it is to be renewed.
    fn renewable_for(&self, grant: &ActId) -> Option<Duration> {
        let renews = matches!(&self.acts.get(grant)?.content, Content::Grant(given) if given.renew);
        self.lifetime(grant).filter(|_| renews)
    }

    fn may_renew(&self, own: &[Standing], grant: &ActId) -> bool {
        own.iter().any(|own| self.acts.may_renew(own.grant.as_ref(), grant))
    }

    fn renewal<M: Fn(&ActId) -> f64>(
        &self,
        by: &Renewer<'_, M>,
        grant: ActId,
        facts: &GrantVerdict,
    ) -> Option<Renewal> {
        let end = facts.not_after?;
        let given = self.renewable_for(&grant)?;
        let lifetime = given.max(MIN_RENEWAL);
        // One that was given for less is not due at once, and lasts for a day from then on.
        let span = if facts.renewal.is_some() { lifetime } else { given };
        let left = end.since(by.now);
        // Few are past the half of their time.
        if left >= span / 2 || left >= span.mul_f64(0.5 - 0.1 * (by.moment)(&grant)) {
            return None;
        }
        let may = by.own.iter().filter(|own| self.acts.may_renew(own.grant.as_ref(), &grant));
        let longest = by.now + lifetime;
        let mut ends = may.map(|own| own.not_after.map_or(longest, |limit| limit.min(longest)));
        let until = ends.find(|until| *until >= end + MIN_RENEWAL_GAIN)?;
        Some(Renewal { grant, until })
    }
}

/// What is due of a member: what it has, and the places of those that could be renewed.
struct Due<'a> {
    peer: PeerId,
    held: Vec<(ActId, &'a GrantVerdict)>,
    found: Vec<(usize, Renewal)>,
}

/// What an identity renewed in the last day, and would renew now.
struct Renewed {
    of_all: Had,
    of_member: BTreeMap<PeerId, Had>,
    now: BTreeMap<PeerId, usize>,
}

impl Renewed {
    /// Whether one more may be renewed for which these answer; it is counted.
    fn may_renew(&mut self, line: &[Option<PeerId>]) -> bool {
        // What the creator or this identity gave.
        let Some(Some(giver)) = line.first() else { return true };
        let now = self.now.entry(*giver).or_default();
        *now += 1;
        self.of_all.of(&line[..1]) + *now <= RENEWED_OF_GIVER
    }
}
