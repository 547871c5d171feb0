//! The definition, of records.

use super::{definition::Definition, flaw::Flaw, world::bits};
use crate::{authority::Content, record::Role};

impl Definition<'_> {
    /// Whether a member's note counts: as an act, but that a removal has in its past what it lists. Another version needs that the
    /// record counts as made, and that its author made it or is an admin.
    pub(super) fn record_counts(&self, at: usize) -> bool {
        let records = &self.world.records;
        match records[at].of {
            None => self.was_written(at, false, Role::Member),
            Some(first) => {
                let own = records[first].author == records[at].author;
                let least = if own { Role::Member } else { Role::Admin };
                self.was_written(at, false, least) && self.was_written(first, true, Role::Member)
            }
        }
    }

    /// Whether the author of a version wrote it by at least this role. `made`: of a first version, as the record, which lists name
    /// otherwise.
    fn was_written(&self, at: usize, made: bool, least: Role) -> bool {
        let (world, record) = (self.world, self.world.records[at]);
        let Some(by) = record.by else { return true };
        if self.mask >> by & 1 == 0 {
            return false;
        }
        let grant = world.grant(by).map_or_else(|| world.infos[by].serves.unwrap(), |_| by);
        let end = match &world.body(by).content {
            Content::Renew { not_after, .. } => Some(*not_after),
            _ => world.grant(grant).unwrap().not_after,
        };
        if world.subject(grant) != Some(record.author) || end.is_some_and(|end| record.at >= end) {
            return false;
        }
        let knows = |other: usize| {
            let mut removals = self.earliest(&self.removals_on(grant));
            removals.extend(self.undoes_on(grant));
            let despite = &world.grant(other).unwrap().despite;
            removals.iter().any(|removal| world.is_before(*removal, other))
                || self.leaves_on(grant).iter().any(|leave| despite.contains(&world.id(*leave)))
        };
        let others = bits(self.mask).filter(|at| world.subject(*at) == Some(record.author) && !knows(*at));
        let others = others.filter(|_| !self.has(Flaw::GiftsPoison));
        let role = |grant: usize| self.role_of_record((at, made), grant);
        let may_be = |grant: usize| role(grant).is_some_and(|role| role >= least);
        let falls = role(grant) != Some(world.rank(Some(grant)).0);
        may_be(grant) || falls && others.filter(|other| *other != grant).any(may_be)
    }

    fn undoes_on(&self, grant: usize) -> Vec<usize> {
        let undoes = |at: &usize| matches!(&self.world.body(*at).content, Content::Remove(r) if r.undo);
        self.removals_on(grant).iter().copied().filter(undoes).collect()
    }

    /// The role by which a record under a grant counts.
    fn role_of_record(&self, (at, made): (usize, bool), grant: usize) -> Option<Role> {
        let (world, record) = (self.world, self.world.records[at]);
        let lists = |act: &usize| match self.flaw {
            Some(Flaw::RecordsByTime) => record.at < world.body(*act).at,
            _ if made => world.infos[*act].made >> at & 1 == 1,
            _ => world.infos[*act].listed >> at & 1 == 1,
        };
        let mut by = Some(grant);
        while let Some(grant) = by {
            let (all, leaves) = (self.removals_on(grant), self.leaves_on(grant));
            let undone = !self.undoes_on(grant).iter().all(lists);
            let ended = self.end(grant).is_some_and(|end| record.at >= end);
            if !self.counts(grant) || ended || (undone && !self.has(Flaw::RecordsOutlastUndo)) {
                return None;
            }
            let (earliest, left) = (self.earliest(&all), !leaves.iter().all(lists));
            let kept = self.lists_on(grant, &all, &earliest).iter().any(lists);
            if kept && !(left && self.has(Flaw::LeavesFirst)) {
                break;
            }
            if earliest.iter().any(|at| world.grant(*at).is_none()) || (earliest.is_empty() && left) {
                return None;
            }
            if earliest.is_empty() {
                break;
            }
            by = earliest.iter().min_by_key(|at| (world.rank(Some(**at)), world.id(**at))).copied();
        }
        Some(world.rank(by).0)
    }

    /// Those whose lists keep records: none by a lower role than that of a removal beside it.
    fn lists_on(&self, grant: usize, all: &[usize], earliest: &[usize]) -> Vec<usize> {
        if self.has(Flaw::RecordsByLastList) {
            return all.iter().max().copied().into_iter().collect();
        }
        if self.has(Flaw::ListsOfAnyRole) { earliest.to_vec() } else { self.keepers(grant, earliest) }
    }
}
