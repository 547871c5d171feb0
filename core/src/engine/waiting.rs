//! Acts and chunks that cannot be taken in yet: each is kept once, with its record, for a while.
//!
//! An act waits for one that it names; or it is set aside, because nobody needs it yet and enough such acts are here. What
//! was set aside is taken in when an act or a record needs it whose author may act. Each is looked at when it comes, and again
//! only if something changed that it depends on: what somebody makes wait costs nothing with each act of others.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    authority::{Act, Content},
    group::Again,
    ids::{ActId, PeerId},
    limits::{
        DEFERRED_LIFETIME, MAX_ACT_HEADS, MAX_WAITING_ACTS, MAX_WAITING_BYTES,
        MAX_WAITING_BYTES_OF_STRANGERS, MAX_WAITING_OF_STRANGERS,
    },
    record::{RecordKey, SignedRecord},
    time::Mono,
};

/// Acts and chunks that wait.
#[derive(Debug, Default)]
pub(super) struct WaitingActs {
    /// In order of arrival.
    records: BTreeMap<u64, Waiting>,
    by_missing: BTreeMap<[u8; 32], BTreeSet<u64>>,
    set_aside: BTreeSet<u64>,
    acts: BTreeMap<ActId, u64>,
    /// Grants and renewals, by the identity or the grant that they name.
    about: BTreeMap<[u8; 32], BTreeSet<u64>>,
    /// Passwords, and keys of epochs.
    deciding: BTreeSet<u64>,
    /// Those whose past is needed, as far as was looked; and how many of these are gone since what they need was found.
    roots: BTreeSet<u64>,
    gone: usize,
    /// Not looked at yet.
    fresh: BTreeSet<u64>,
    /// What is to be looked at again.
    pub(super) again: Again,
    keys: BTreeSet<RecordKey>,
    of_members: Pool,
    of_strangers: Pool,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    record: SignedRecord,
    /// `None`: a chunk.
    act: Option<Act>,
    /// `None`: it was set aside.
    missing: Option<[u8; 32]>,
    is_stranger: bool,
    until: Mono,
}

/// What shares one bound.
#[derive(Debug, Default)]
struct Pool {
    /// Of each author.
    shares: BTreeMap<PeerId, Share>,
    count: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Share {
    numbers: BTreeSet<u64>,
    bytes: usize,
}

impl Pool {
    fn add(&mut self, author: PeerId, number: u64, bytes: usize) {
        let share = self.shares.entry(author).or_default();
        share.numbers.insert(number);
        share.bytes += bytes;
        self.count += 1;
        self.bytes += bytes;
    }

    fn take(&mut self, author: &PeerId, number: u64, bytes: usize) {
        let Some(share) = self.shares.get_mut(author) else { return };
        share.numbers.remove(&number);
        share.bytes -= bytes;
        if share.numbers.is_empty() {
            self.shares.remove(author);
        }
        self.count -= 1;
        self.bytes -= bytes;
    }

    /// What goes first if there is more than this: the oldest of the author that has most, in number or in bytes, whichever is
    /// too much. Of equals the one that came first.
    fn excess(&self, most: usize, most_bytes: usize) -> Option<u64> {
        let size = |share: &Share| if self.count > most { share.numbers.len() } else { share.bytes };
        let shares = self.shares.values().filter(|_| self.count > most || self.bytes > most_bytes);
        let largest = shares.max_by_key(|share| (size(share), Reverse(share.numbers.first().copied())));
        largest.and_then(|share| share.numbers.first().copied())
    }
}

impl WaitingActs {
    /// Keeps a record until `missing` is here (`None`: until somebody needs it). With too many, the author that has most loses its
    /// oldest: whoever floods displaces its own. Keys cost nothing, so strangers have a bound of their own.
    pub(super) fn add(
        &mut self,
        now: Mono,
        record: SignedRecord,
        missing: Option<[u8; 32]>,
        is_stranger: bool,
    ) {
        let (act, author) = (Act::of(&record), record.header().creator);
        let id = act.as_ref().map(Act::id);
        if id.is_some_and(|id| self.acts.contains_key(&id)) || !self.keys.insert(record.key()) {
            return;
        }
        let number = self.next;
        self.next += 1;
        self.acts.extend(id.map(|id| (id, number)));
        if let Some(act) = &act {
            self.fresh.insert(number);
            if let Some(about) = named_by(act) {
                self.about.entry(about).or_default().insert(number);
            }
            if decides(act) {
                self.deciding.insert(number);
            }
        }
        match missing {
            Some(missing) => drop(self.by_missing.entry(missing).or_default().insert(number)),
            None => drop(self.set_aside.insert(number)),
        }
        self.pool(is_stranger).add(author, number, record.bytes().len());
        let until = now + DEFERRED_LIFETIME;
        self.records.insert(number, Waiting { record, act, missing, is_stranger, until });
        self.make_room();
    }

    const fn pool(&mut self, is_stranger: bool) -> &mut Pool {
        if is_stranger { &mut self.of_strangers } else { &mut self.of_members }
    }

    fn make_room(&mut self) {
        while let Some(number) = self
            .of_members
            .excess(MAX_WAITING_ACTS, MAX_WAITING_BYTES)
            .or_else(|| self.of_strangers.excess(MAX_WAITING_OF_STRANGERS, MAX_WAITING_BYTES_OF_STRANGERS))
        {
            self.take(number);
        }
    }

    /// True if this version waits here.
    pub(super) fn contains(&self, key: &RecordKey) -> bool {
        self.keys.contains(key)
    }

    /// True if this act waits here.
    pub(super) fn has_act(&self, id: &ActId) -> bool {
        self.acts.contains_key(id)
    }

    /// Takes out what waited for an act or a list, to be looked at again.
    pub(super) fn release(&mut self, arrived: &[u8; 32]) -> Vec<SignedRecord> {
        let numbers = self.by_missing.remove(arrived).unwrap_or_default();
        numbers.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// Says what changed since acts were looked at.
    pub(super) fn look_again(&mut self, again: Again) {
        if !self.records.is_empty() {
            self.again.extend(again);
        }
    }

    /// True if any were set aside.
    pub(super) fn has_set_aside(&self) -> bool {
        !self.set_aside.is_empty()
    }

    /// Looks at what came, and again at what depends on what changed. Adds to `needed` what acts need whose past is needed by
    /// `needs_past`, what is needed otherwise by `is_named`, and what these name. Gives what was looked at or is needed now.
    pub(super) fn look(
        &mut self,
        needed: &mut BTreeSet<ActId>,
        needs_past: impl Fn(&Act) -> bool,
        is_named: impl Fn(&ActId) -> bool,
    ) -> BTreeSet<u64> {
        let again = std::mem::take(&mut self.again);
        let (mut looked, mut next, mut ended) = (self.depend_on(&again), Vec::new(), again.all);
        for number in &looked {
            let Some(act) = self.act(*number).cloned() else { continue };
            let id = act.id();
            if needs_past(&act) {
                self.roots.insert(*number);
                next.extend(act.body().parents().copied());
            } else {
                ended |= self.roots.remove(number);
            }
            // It may have been needed before it came.
            if needed.contains(&id) {
                next.extend(act.body().parents().copied());
            } else if is_named(&id) {
                next.push(id);
            }
        }
        if ended || self.gone > self.roots.len() || needed.len() > 2 * MAX_ACT_HEADS * MAX_WAITING_ACTS {
            self.gone = 0;
            needed.clear();
            next = self.acts.keys().filter(|id| is_named(id)).copied().collect();
            let roots = self.roots.iter().filter_map(|number| self.act(*number));
            next.extend(roots.flat_map(|act| act.body().parents().copied()));
        }
        while let Some(id) = next.pop() {
            if !needed.insert(id) {
                continue;
            }
            if let Some(number) = self.acts.get(&id) {
                looked.insert(*number);
                next.extend(self.act(*number).into_iter().flat_map(|act| act.body().parents().copied()));
            }
        }
        looked
    }

    /// What came and was not looked at, and what is to be looked at again.
    fn depend_on(&mut self, again: &Again) -> BTreeSet<u64> {
        let mut found = std::mem::take(&mut self.fresh);
        if again.all {
            found.extend(self.acts.values());
            return found;
        }
        for id in &again.of {
            let pools = [&self.of_members, &self.of_strangers];
            let shares = pools.into_iter().filter_map(|pool| pool.shares.get(&PeerId::from_bytes(*id)));
            found.extend(shares.flat_map(|share| &share.numbers));
            found.extend(self.about.get(id).into_iter().flatten());
            found.extend(self.acts.get(&ActId::from_bytes(*id)));
        }
        if again.deciding {
            found.extend(&self.deciding);
        }
        if again.strangers {
            found.extend(self.of_strangers.shares.values().flat_map(|share| &share.numbers));
        }
        found
    }

    /// How many are of members, and of strangers.
    #[cfg(test)]
    pub(super) const fn counts(&self) -> (usize, usize) {
        (self.of_members.count, self.of_strangers.count)
    }

    fn act(&self, number: u64) -> Option<&Act> {
        self.records.get(&number)?.act.as_ref()
    }

    /// Takes out of these what was set aside and fits now.
    pub(super) fn take_set_aside(
        &mut self,
        of: &BTreeSet<u64>,
        mut fits: impl FnMut(&Act) -> bool,
    ) -> Vec<SignedRecord> {
        let aside = of.iter().copied().filter(|number| self.set_aside.contains(number));
        let fitting = aside.filter(|number| self.act(*number).is_some_and(&mut fits));
        let numbers: Vec<u64> = fitting.collect();
        numbers.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// Drops what has waited too long; a comparison brings it again if others have it.
    pub(super) fn expire(&mut self, now: Mono) {
        while let Some((number, _)) = self.records.first_key_value().filter(|(_, w)| w.until <= now) {
            let number = *number;
            self.take(number);
        }
    }

    /// When [`expire`](Self::expire) is due.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.records.first_key_value().map(|(_, waiting)| waiting.until)
    }

    fn take(&mut self, number: u64) -> Option<SignedRecord> {
        let Waiting { record, act, missing, is_stranger, .. } = self.records.remove(&number)?;
        self.keys.remove(&record.key());
        self.set_aside.remove(&number);
        self.fresh.remove(&number);
        self.gone += usize::from(self.roots.remove(&number));
        if let Some(act) = act {
            self.acts.remove(&act.id());
            self.deciding.remove(&number);
            if let Some(about) = named_by(&act)
                && let Some(numbers) = self.about.get_mut(&about)
            {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.about.remove(&about);
                }
            }
        }
        if self.records.is_empty() {
            self.again = Again::default();
        }
        if let Some(missing) = missing
            && let Some(numbers) = self.by_missing.get_mut(&missing)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_missing.remove(&missing);
            }
        }
        self.pool(is_stranger).take(&record.header().creator, number, record.bytes().len());
        Some(record)
    }
}

/// The identity or the grant that an act is about, on whose standing it depends whether the act is needed.
fn named_by(act: &Act) -> Option<[u8; 32]> {
    match &act.body().content {
        Content::Grant(grant) => Some(*grant.subject.as_bytes()),
        Content::Renew { grant, .. } => Some(*grant.as_bytes()),
        _ => None,
    }
}

fn decides(act: &Act) -> bool {
    matches!(act.body().content, Content::Password(_) | Content::EpochKeys { .. })
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;
