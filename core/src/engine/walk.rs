//! A walk over the records that some identities made or wrote, one identity after the other.
//!
//! It costs nothing for what others wrote. The feed's end is noted when it begins: what is stored later, however much and wherever
//! among the keys, is judged when it is admitted, and is no part of it. So nobody outruns it.

use std::collections::BTreeSet;

use crate::{
    ids::{Lsn, PeerId},
    record::RecordKey,
    records::{Store, StoreError},
};

/// Keys read at once.
const PAGE: usize = 256;

#[derive(PartialEq, Eq, Debug)]
pub(super) struct Walk {
    /// Whose records are still to be read.
    left: BTreeSet<PeerId>,
    /// Whose are being read, and how far.
    peer: Option<PeerId>,
    at: Place,
    /// What was read and not looked at, the next one last.
    page: Vec<RecordKey>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Current versions behind this one, and the feed's end when the walk began.
    Current(Lsn, Option<Lsn>),
    /// Withheld versions from this one on.
    Withheld(RecordKey),
}

/// What one step of a walk came upon: each costs about the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// One to be looked at, unless it is gone meanwhile.
    Version(RecordKey),
    /// Nothing: more was read.
    Read,
    /// There are no more.
    Over,
}

impl Walk {
    /// Over current versions.
    pub(super) const fn current(of: BTreeSet<PeerId>) -> Self {
        Self { left: of, peer: None, at: Place::Current(Lsn(0), None), page: Vec::new() }
    }

    /// Over withheld versions.
    pub(super) const fn withheld(of: BTreeSet<PeerId>) -> Self {
        Self { left: of, peer: None, at: Place::Withheld(RecordKey::MIN), page: Vec::new() }
    }

    /// Walks over those of this identity as well.
    pub(super) fn widen(&mut self, to: PeerId) {
        self.left.insert(to);
    }

    pub(super) fn step(&mut self, store: &dyn Store) -> Result<Step, StoreError> {
        if let Some(key) = self.page.pop() {
            return Ok(Step::Version(key));
        }
        let Some(peer) = self.peer.or_else(|| self.left.pop_first()) else { return Ok(Step::Over) };
        self.peer = Some(peer);
        let place = match self.at {
            Place::Current(after, through) => {
                let through = through.unwrap_or_else(|| store.last_lsn());
                let found = store.current_by(&peer, after, through, PAGE)?;
                let last = found.last().map_or(after, |(lsn, _)| *lsn);
                self.page.extend(found.into_iter().rev().map(|(_, key)| key));
                Place::Current(last, Some(through))
            }
            Place::Withheld(from) => {
                self.page = store.withheld_by(&peer, from, PAGE)?;
                self.page.reverse();
                Place::Withheld(self.page.first().map_or(from, RecordKey::next))
            }
        };
        self.at = place;
        if self.page.len() < PAGE {
            self.peer = None;
            self.at = match place {
                Place::Current(_, through) => Place::Current(Lsn(0), through),
                Place::Withheld(_) => Place::Withheld(RecordKey::MIN),
            };
        }
        Ok(Step::Read)
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
