//! One dissemination tree for each origin: on which links its records are pushed, and from which they come.

use std::collections::{BTreeMap, BTreeSet};

use crate::{ids::LinkId, limits::MAX_ORIGINS};

#[derive(Debug, Default)]
struct Tree {
    /// The link its records come from.
    parent: Option<LinkId>,
    /// Links on which only ids go.
    pruned: BTreeSet<LinkId>,
    used: u64,
}

/// The trees of the origins used lately. An origin that was forgotten floods once, and is learnt again.
#[derive(Debug, Default)]
pub(super) struct Trees {
    by_origin: BTreeMap<u64, Tree>,
    by_use: BTreeMap<u64, u64>,
    uses: u64,
}

impl Trees {
    pub(super) fn is_pruned(&self, origin: u64, link: LinkId) -> bool {
        self.by_origin.get(&origin).is_some_and(|tree| tree.pruned.contains(&link))
    }

    pub(super) fn parent(&self, origin: u64) -> Option<LinkId> {
        self.by_origin.get(&origin).and_then(|tree| tree.parent)
    }

    /// The first copy of a record came on this link. A parent is kept as long as it delivers.
    pub(super) fn delivered(&mut self, origin: u64, link: LinkId) {
        self.tree(origin).parent = Some(link);
    }

    pub(super) fn prune(&mut self, origin: u64, link: LinkId) {
        self.tree(origin).pruned.insert(link);
    }

    /// Pushes go on this link again.
    pub(super) fn graft(&mut self, origin: u64, link: LinkId) {
        self.tree(origin).pruned.remove(&link);
    }

    pub(super) fn forget(&mut self, link: LinkId) {
        for tree in self.by_origin.values_mut() {
            tree.pruned.remove(&link);
            if tree.parent == Some(link) {
                tree.parent = None;
            }
        }
    }

    fn tree(&mut self, origin: u64) -> &mut Tree {
        self.uses = self.uses.saturating_add(1);
        let known = self.by_origin.contains_key(&origin);
        if !known
            && self.by_origin.len() >= MAX_ORIGINS
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.by_origin.remove(&oldest);
        }
        let tree = self.by_origin.entry(origin).or_default();
        self.by_use.remove(&tree.used);
        tree.used = self.uses;
        self.by_use.insert(self.uses, origin);
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_pruned_by_origin_and_grafted_again() {
        let (mut trees, a, b) = (Trees::default(), LinkId(1), LinkId(2));
        trees.prune(7, a);
        trees.delivered(7, b);
        assert!(trees.is_pruned(7, a) && !trees.is_pruned(7, b) && !trees.is_pruned(8, a));
        assert_eq!((trees.parent(7), trees.parent(8)), (Some(b), None));
        trees.graft(7, a);
        assert!(!trees.is_pruned(7, a));
        trees.prune(7, a);
        trees.forget(a);
        trees.forget(b);
        assert!(!trees.is_pruned(7, a));
        assert_eq!(trees.parent(7), None);
    }

    #[test]
    fn the_origin_that_was_used_longest_ago_is_forgotten() {
        let mut trees = Trees::default();
        for origin in 0..=MAX_ORIGINS as u64 {
            trees.prune(origin, LinkId(1));
            trees.prune(0, LinkId(1));
        }
        assert!(trees.is_pruned(0, LinkId(1)));
        assert!(!trees.is_pruned(1, LinkId(1)), "1 made room");
        assert!(trees.is_pruned(2, LinkId(1)));
        assert_eq!((trees.by_origin.len(), trees.by_use.len()), (MAX_ORIGINS, MAX_ORIGINS));
    }
}
