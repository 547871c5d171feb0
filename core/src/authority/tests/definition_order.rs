//! The definition, of the order in which the uses of an invitation count.

use std::cmp::Reverse;

use super::{definition::Definition, flaw::Flaw, world::bits};

impl Definition<'_> {
    /// Sorts the uses of an invitation: of two, the one comes first that the most senior member saw first, of those who saw
    /// one without the other.
    pub(super) fn sort_uses(&self, invite: usize, uses: &mut [usize]) {
        let world = self.world;
        let bound = self.bound(invite);
        uses.sort_by_key(|at| self.place(*at));
        // All acts by seniors, the most senior first: under which grant each stands, and when it was made.
        let mut seniors = Vec::new();
        for at in bits(self.mask).filter(|at| !world.body(*at).is_leaf()) {
            if let Ok(by) = self.stands(at, world.infos[at].under, Some((bound, bound)))
                && world.rank(by) > bound
            {
                seniors.push((
                    (Reverse(world.rank(by)), by.map(|by| world.id(by))),
                    world.infos[at].height,
                    at,
                ));
            }
        }
        seniors.sort();
        let saw = |act: usize, used: usize| act == used || world.is_before(used, act);
        let of_equals = |a: &usize, b: &usize| {
            for same in seniors.chunk_by(|a, b| a.0 == b.0) {
                let first = |used: usize| same.iter().find(|s| saw(s.2, used)).map_or(u32::MAX, |s| s.1);
                if first(*a) != first(*b) {
                    return first(*a).cmp(&first(*b));
                }
            }
            std::cmp::Ordering::Equal
        };
        // Admitters who outrank all uses are one group; all others come after them, rank by rank.
        let rank = |at: usize| world.rank(world.infos[at].under).min(bound);
        let outranks = |at: usize| world.rank(world.infos[at].under) > bound;
        for same in uses.chunk_by_mut(|a, b| (outranks(*a), rank(*a)) == (outranks(*b), rank(*b))) {
            if outranks(same[0]) || !self.has(Flaw::EqualsByGrant) {
                same.sort_by(of_equals);
            }
        }
    }
}
