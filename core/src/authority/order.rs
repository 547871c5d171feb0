//! The order in which the uses of one invitation count: that in which the most senior members saw them.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    ActSet,
    invitations::InviteState,
    judge::{Judge, Standing},
    seniority::Rank,
};
use crate::ids::ActId;

/// A grant in the order of seniority; `None`: the creator's.
type Senior = (Reverse<Rank>, Option<ActId>);

/// Who saw a use when, by the longest path behind the first act of theirs that has it in its past.
#[derive(Clone, Debug, Default)]
pub(super) struct Witnesses(BTreeMap<u32, BTreeMap<Senior, u32>>);

/// The place of a use that nobody senior tells from another: the rank of the admitter's grant, that grant, and then the order
/// of that admitter's own acts. A joiner or a junior admitter cannot choose a place before a senior's guests.
type Place = (Reverse<Rank>, Option<ActId>, u32, ActId);

fn place(set: &ActSet, at: u32) -> Place {
    let entry = &set.entries[at as usize];
    (Reverse(set.rank(entry.under)), entry.under.map(|by| set.id(by)), entry.height, set.id(at))
}

impl Judge<'_> {
    /// The uses of an invitation in the order in which they count, and who saw them.
    ///
    /// Of two uses, the one comes first that the most senior member saw first, of those who saw one without the other. To make a
    /// use is to see it. Only members whose grants outrank all uses are asked: so the order is known before any use is
    /// judged. Uses by admitters whose grants do not, come last, and of them those by the higher rank come first: what decides
    /// about an admitter's right is judged before its uses.
    pub(super) fn uses_in_order(&self, invite: u32) -> (Vec<u32>, Witnesses) {
        let set = self.set;
        let bound = set.rank_of_uses(invite);
        let mut queue = set.uses_of.get(&invite).cloned().unwrap_or_default();
        let mut witnesses = Witnesses::default();
        if set.is_contested(invite) {
            witnesses = self.witnesses(invite, bound, &queue);
        }
        queue.sort_by_cached_key(|at| place(set, *at));
        // All ranks above those of the uses are one group.
        let group = |at: &u32| Some(set.rank(set.entries[*at as usize].under)).filter(|rank| *rank <= bound);
        let none = BTreeMap::new();
        let seen = |at: &u32| witnesses.0.get(at).unwrap_or(&none);
        // Stable: those whom nobody tells apart keep their places.
        for same in queue.chunk_by_mut(|a, b| group(a) == group(b)) {
            same.sort_by(|a, b| first_seen(seen(a), seen(b)));
        }
        (queue, witnesses)
    }

    fn witnesses(&self, invite: u32, bound: Rank, uses: &[u32]) -> Witnesses {
        let mut seen: BTreeMap<u32, BTreeMap<Senior, u32>> =
            uses.iter().map(|at| (*at, BTreeMap::new())).collect();
        for (at, entry) in self.set.entries.iter().enumerate() {
            let at = at as u32;
            if !entry.past.contains(invite) {
                continue;
            }
            let mut senior = None;
            for (used, seen) in &mut seen {
                if *used != at && !entry.past.contains(*used) {
                    continue;
                }
                match senior.get_or_insert_with(|| self.senior(at, bound)) {
                    Some(senior) => {
                        let height = seen.entry(*senior).or_insert(entry.height);
                        *height = (*height).min(entry.height);
                    }
                    None => break,
                }
            }
        }
        Witnesses(seen)
    }

    /// The grant that an act stands under, if it outranks the uses of an invitation.
    fn senior(&self, at: u32, bound: Rank) -> Option<Senior> {
        match self.standing(at, self.set.entries[at as usize].under, Some((bound, bound))) {
            Standing::Under(grant) if self.set.rank(grant) > bound => {
                Some((Reverse(self.set.rank(grant)), grant.map(|at| self.set.id(at))))
            }
            _ => None,
        }
    }

    /// True if a new act changes the order of the uses of an invitation: its author sees one earlier than by all its acts
    /// before.
    pub(super) fn is_new_witness(&self, at: u32, invite: u32, state: &InviteState) -> bool {
        let entry = &self.set.entries[at as usize];
        let seen = || state.witnesses.0.iter().filter(|(used, _)| entry.past.contains(**used));
        if seen().next().is_none() {
            return false;
        }
        let senior = self.senior(at, self.set.rank_of_uses(invite));
        senior.is_some_and(|senior| {
            seen().any(|(_, seen)| seen.get(&senior).is_none_or(|height| *height > entry.height))
        })
    }
}

fn first_seen(a: &BTreeMap<Senior, u32>, b: &BTreeMap<Senior, u32>) -> std::cmp::Ordering {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        return match (a.peek(), b.peek()) {
            (None, None) => std::cmp::Ordering::Equal,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((first, height)), Some((second, other))) => {
                let order = first.cmp(second).then(height.cmp(other));
                if order.is_eq() {
                    a.next();
                    b.next();
                    continue;
                }
                order
            }
        };
    }
}
