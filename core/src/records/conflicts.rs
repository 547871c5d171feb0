//! The losers of conflicts: versions that lost against another of which their author had not known. They are kept for
//! the application until it acknowledges them, or for a tombstone's lifetime. They belong to this node alone: they are no
//! part of what is compared, exported or counted.
//!
//! Bounded so that nobody can fill a disk with them: one for each author of a record, the newest;
//! [`MAX_CONFLICTS_PER_RECORD`] for a record; [`MAX_CONFLICT_BYTES`] in all. What makes room is the oldest of the
//! author who takes up the most. An acknowledged one is remembered by its key, so that it does not come up again.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    ids::{ElementId, Lsn, PeerId, RecordId},
    limits::{MAX_CONFLICT_BYTES, MAX_CONFLICTS, MAX_CONFLICTS_PER_RECORD, PUSH_LIMIT},
    record::{Record, RecordKey, SignedRecord},
    time::Timestamp,
};

/// Two versions of one record, neither written in knowledge of the other.
#[derive(Clone, PartialEq, Debug)]
pub struct Conflict {
    /// The record as it is now: the version that won, or a later one. Deleted, if a delete won.
    pub winner: Record,
    /// The version that lost. Its [`key`](Record::key) names it when it is acknowledged.
    pub loser: Record,
    /// When this node noticed, in peer time.
    pub noticed: Timestamp,
}

/// Which conflicts to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConflictQuery {
    /// Of this record. Default: of all.
    pub record: Option<RecordId>,
    /// After this place: the `next` of the page before.
    pub after: Option<Lsn>,
    /// At most so many; 0 and anything above [`MAX_PAGE`](crate::limits::MAX_PAGE) mean that. A page also ends at
    /// [`MAX_PAGE_BYTES`](crate::limits::MAX_PAGE_BYTES).
    pub limit: usize,
}

/// A loser was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeptLoser {
    /// Where the feed tells of the conflict.
    pub lsn: Lsn,
    /// The version number under which the winner is read from now on.
    pub version: u64,
}

/// What is known of one loser without reading it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Loser {
    pub(super) id: RecordId,
    pub(super) key: RecordKey,
    pub(super) author: PeerId,
    /// Who made the record; `None`: an earlier schema did not say.
    pub(super) creator: Option<PeerId>,
    pub(super) noticed: Timestamp,
    /// Where the feed tells of it.
    pub(super) told: Lsn,
    pub(super) expires: Option<Timestamp>,
    /// Its size; 0 once it was acknowledged.
    pub(super) bytes: u64,
    /// The version itself, where it is kept in memory.
    pub(super) record: Option<Arc<SignedRecord>>,
}

impl Loser {
    pub(super) fn new(record: &SignedRecord, told: Lsn, noticed: Timestamp) -> Self {
        Self {
            id: record.id(),
            key: record.key(),
            author: record.header().author(),
            creator: Some(record.header().creator),
            noticed,
            told,
            expires: record.header().expires,
            bytes: record.bytes().len() as u64,
            record: None,
        }
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    pub(super) const fn is_acknowledged(&self) -> bool {
        self.bytes == 0
    }

    /// What it takes up: every one counts for something, so that their number is bounded too.
    fn weight(&self) -> u64 {
        if self.is_acknowledged() { 0 } else { self.bytes.max(MAX_CONFLICT_BYTES / MAX_CONFLICTS) }
    }
}

/// All losers of one database: numbers in order of notice, and the bounds. Rolls back with its store.
#[derive(Default, Debug)]
pub(super) struct Losers {
    rows: BTreeMap<u64, Loser>,
    numbers: BTreeMap<ElementId, u64>,
    of_record: BTreeMap<RecordId, BTreeSet<u64>>,
    weights: BTreeMap<PeerId, u64>,
    last: u64,
    /// What was at each number changed since the last commit.
    undo: Vec<(u64, Option<Loser>)>,
    last_committed: u64,
}

impl Losers {
    /// With what a file holds.
    pub(super) fn load(rows: impl IntoIterator<Item = (u64, Loser)>) -> Self {
        let mut losers = Self::default();
        for (number, loser) in rows {
            losers.last = losers.last.max(number);
            let bytes = loser.bytes.min(MAX_CONFLICT_BYTES);
            losers.set(number, Some(Loser { bytes, ..loser }));
        }
        losers.commit();
        losers
    }

    pub(super) const fn rows(&self) -> &BTreeMap<u64, Loser> {
        &self.rows
    }

    /// True if this version is kept, or was and is acknowledged.
    pub(super) fn knows(&self, element: &ElementId) -> bool {
        self.numbers.contains_key(element)
    }

    pub(super) fn number_of(&self, element: &ElementId) -> Option<u64> {
        self.numbers.get(element).copied()
    }

    /// True if this would be news: its author's newest loser of this record.
    pub(super) fn wants(&self, record: &SignedRecord) -> bool {
        let (author, key) = (record.header().author(), record.key());
        self.of(&record.id()).all(|(_, loser)| loser.author != author || loser.key < key)
    }

    /// Where the feed told of an earlier loser by the same author, if that is enough: moving a large record each time
    /// somebody sends another small loser would cost far more than sending it.
    pub(super) fn told_before(&self, loser: &SignedRecord, winner: &SignedRecord) -> Option<Lsn> {
        if winner.bytes().len() <= PUSH_LIMIT {
            return None;
        }
        let author = loser.header().author();
        let mut of_record = self.of_record.get(&loser.id())?.iter().map(|number| &self.rows[number]);
        of_record.find(|other| other.author == author && !other.is_acknowledged()).map(|other| other.told)
    }

    /// Keeps a loser that is [wanted](Self::wants). Gives its number; [`changed`](Self::changed) tells what went.
    pub(super) fn keep(&mut self, loser: Loser) -> u64 {
        let of_author = |(_, other): &(u64, &Loser)| other.author == loser.author;
        let before: Vec<u64> = self.of(&loser.id).filter(of_author).map(|(number, _)| number).collect();
        for number in before {
            self.set(number, None);
        }
        let id = loser.id;
        self.last = self.last.saturating_add(1);
        self.set(self.last, Some(loser));
        while self.of_record.get(&id).is_some_and(|numbers| numbers.len() > MAX_CONFLICTS_PER_RECORD) {
            let oldest = self.of_record[&id].first().copied();
            if let Some(number) = oldest {
                self.set(number, None);
            }
        }
        while self.weights.values().fold(0, |all: u64, weight| all.saturating_add(*weight))
            > MAX_CONFLICT_BYTES
            && self.rows.len() > 1
        {
            let Some(oldest) = self.oldest_of_the_heaviest() else { break };
            self.set(oldest, None);
        }
        self.last
    }

    fn oldest_of_the_heaviest(&self) -> Option<u64> {
        let (author, _) = self.weights.iter().max_by_key(|(_, weight)| **weight)?;
        let mut theirs = self.rows.iter().filter(|(_, l)| l.author == *author && !l.is_acknowledged());
        theirs.next().map(|(number, _)| *number)
    }

    /// Marks a loser as acknowledged; its content is not wanted any more. False if it is not here, or was already.
    pub(super) fn acknowledge(&mut self, element: &ElementId) -> bool {
        let Some(number) = self.number_of(element) else { return false };
        let loser = self.rows[&number].clone();
        if loser.is_acknowledged() {
            return false;
        }
        self.set(number, Some(Loser { bytes: 0, record: None, ..loser }));
        let acknowledged = self.rows.iter().filter(|(_, l)| l.is_acknowledged()).map(|(n, _)| *n);
        let acknowledged: Vec<u64> = acknowledged.collect();
        let surplus = acknowledged.len().saturating_sub(MAX_CONFLICTS as usize);
        for number in &acknowledged[..surplus] {
            self.set(*number, None);
        }
        true
    }

    /// Forgets those of which a test holds.
    pub(super) fn forget(&mut self, over: impl Fn(&Loser) -> bool) -> usize {
        let gone: Vec<u64> = self.rows.iter().filter(|(_, l)| over(l)).map(|(number, _)| *number).collect();
        for number in &gone {
            self.set(*number, None);
        }
        gone.len()
    }

    /// Forgets those of one record.
    pub(super) fn forget_record(&mut self, id: &RecordId) {
        for number in self.of_record.get(id).cloned().unwrap_or_default() {
            self.set(number, None);
        }
    }

    /// When the next one expires.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.rows.values().filter_map(|loser| loser.expires).min()
    }

    /// Which of a record's losers a reader behind `after` is told of: the last that is not acknowledged.
    pub(super) fn to_tell(&self, id: &RecordId, after: Lsn) -> Option<&Loser> {
        let waiting = self.of(id).filter(|(_, loser)| !loser.is_acknowledged() && loser.told > after);
        waiting.last().map(|(_, loser)| loser)
    }

    /// The keys of one record's whose content is here.
    pub(super) fn kept_of(&self, id: &RecordId) -> Vec<RecordKey> {
        self.of(id).filter(|(_, loser)| !loser.is_acknowledged()).map(|(_, loser)| loser.key).collect()
    }

    /// The keys of those whose content is here.
    pub(super) fn kept(&self) -> Vec<RecordKey> {
        self.rows.values().filter(|loser| !loser.is_acknowledged()).map(|loser| loser.key).collect()
    }

    /// Of those, the ones that one of these identities wrote, or of a record that it made.
    pub(super) fn kept_by(&self, peers: &BTreeSet<PeerId>) -> Vec<RecordKey> {
        let is_by = |loser: &&Loser| {
            !loser.is_acknowledged()
                && (peers.contains(&loser.author) || loser.creator.is_none_or(|made| peers.contains(&made)))
        };
        self.rows.values().filter(is_by).map(|loser| loser.key).collect()
    }

    /// Takes over what another set has at a number, for good.
    pub(super) fn restore(&mut self, number: u64, loser: Option<Loser>) {
        self.set(number, loser);
        self.commit();
    }

    /// The numbers changed since the last commit.
    pub(super) fn changed(&self) -> BTreeSet<u64> {
        self.undo.iter().map(|(number, _)| *number).collect()
    }

    pub(super) fn commit(&mut self) {
        self.undo.clear();
        self.last_committed = self.last;
    }

    pub(super) fn rollback(&mut self) {
        for (number, old) in std::mem::take(&mut self.undo).into_iter().rev() {
            self.set(number, old);
        }
        self.undo.clear();
        self.last = self.last_committed;
    }

    fn of(&self, id: &RecordId) -> impl Iterator<Item = (u64, &Loser)> {
        self.of_record.get(id).into_iter().flatten().map(|number| (*number, &self.rows[number]))
    }

    fn set(&mut self, number: u64, loser: Option<Loser>) {
        let old = match loser.clone() {
            Some(loser) => self.rows.insert(number, loser),
            None => self.rows.remove(&number),
        };
        if let Some(old) = &old {
            self.numbers.remove(&old.key.element);
            if let Some(numbers) = self.of_record.get_mut(&old.id) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.of_record.remove(&old.id);
                }
            }
            let left = self.weights.get(&old.author).map_or(0, |weight| weight.saturating_sub(old.weight()));
            match left {
                0 => self.weights.remove(&old.author),
                left => self.weights.insert(old.author, left),
            };
        }
        if let Some(loser) = &loser {
            self.numbers.insert(loser.key.element, number);
            self.of_record.entry(loser.id).or_default().insert(number);
            if loser.weight() > 0 {
                let weight = self.weights.entry(loser.author).or_default();
                *weight = weight.saturating_add(loser.weight());
            }
        }
        self.undo.push((number, old));
    }
}
