//! Places that many want.

use std::collections::BTreeMap;

/// So many places in all, of which some are kept for those who hold none.
#[derive(Debug, Clone)]
pub struct Shares<K> {
    all: usize,
    kept: usize,
    taken: usize,
    held: BTreeMap<K, usize>,
}

impl<K: Ord + Copy> Shares<K> {
    /// No place is taken. `kept` of `all` go only to those who hold none.
    pub const fn new(all: usize, kept: usize) -> Self {
        Self { all, kept, taken: 0, held: BTreeMap::new() }
    }

    /// Takes a place. False if there is none for this one now.
    pub fn take(&mut self, by: K) -> bool {
        let open = if self.held(by) == 0 { self.all } else { self.all.saturating_sub(self.kept) };
        if self.taken >= open {
            return false;
        }
        self.add(by);
        true
    }

    /// Gives a place from one to another.
    pub fn pass_on(&mut self, from: K, to: K) {
        if self.held(from) > 0 {
            self.give_back(from);
            self.add(to);
        }
    }

    fn add(&mut self, by: K) {
        self.taken = self.taken.saturating_add(1);
        let held = self.held.entry(by).or_default();
        *held = held.saturating_add(1);
    }

    /// Gives one back.
    pub fn give_back(&mut self, by: K) {
        let Some(held) = self.held.get_mut(&by) else { return };
        *held = held.saturating_sub(1);
        if *held == 0 {
            self.held.remove(&by);
        }
        self.taken = self.taken.saturating_sub(1);
    }

    /// How many this one holds.
    pub fn held(&self, by: K) -> usize {
        self.held.get(&by).copied().unwrap_or_default()
    }

    /// How many are taken.
    pub const fn taken(&self) -> usize {
        self.taken
    }

    /// Who holds most: this one, if nobody holds more.
    pub fn fullest(&self, or: K) -> K {
        let most = self.held.iter().max_by_key(|(_, held)| **held);
        most.filter(|(_, held)| **held > self.held(or)).map_or(or, |(by, _)| *by)
    }
}
