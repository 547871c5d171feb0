//! Who has come and has not proven to know a graph of this node: connections without a link, from their first packet.
//!
//! Nobody is turned away while places are free. Without, the oldest visitor of the source that has most makes room, once it
//! had its time. Some places are kept for sources that have none, so that who sits elsewhere never waits for a crowd.

use std::{collections::BTreeMap, mem, time::Duration};

use super::{Shares, Source};
use crate::{
    limits::{KEPT_VISITORS, MAX_VISITORS, UNPROVEN_HANDSHAKES, VISIT_CROWDED, VISIT_FLOOR, VISIT_TIME},
    time::Mono,
};

/// All visitors. `T` ends one.
#[derive(Debug)]
pub struct Door<T> {
    visitors: BTreeMap<u64, Visitor<T>>,
    shares: Shares<Source>,
    next: u64,
    shaking: usize,
}

#[derive(Debug)]
struct Visitor<T> {
    source: Source,
    since: Mono,
    shaking: bool,
    end: T,
}

/// What is said to somebody who comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<T> {
    /// Come in.
    In {
        /// The number of the visitor.
        number: u64,
        /// Who goes.
        instead: Vec<T>,
    },
    /// Come again, with a proof that you are where you say.
    Prove,
    /// There is no place before this time, unless somebody goes.
    Wait(Mono),
}

impl<T> Default for Door<T> {
    fn default() -> Self {
        Self {
            visitors: BTreeMap::new(),
            shares: Shares::new(MAX_VISITORS, KEPT_VISITORS),
            next: 0,
            shaking: 0,
        }
    }
}

impl<T> Door<T> {
    /// Somebody comes. `proven`: is certainly at its address. `end` ends the visit.
    pub fn enter(&mut self, now: Mono, source: Source, proven: bool, end: T) -> Entry<T> {
        if !proven && self.shaking >= UNPROVEN_HANDSHAKES {
            return Entry::Prove;
        }
        let mut instead = self.overstayed(now);
        if !self.shares.take(source) {
            let from = self.shares.fullest(source);
            let Some((oldest, since)) = self.oldest(from) else { return Entry::Wait(now + VISIT_FLOOR) };
            let free = since + VISIT_FLOOR;
            if free > now {
                return Entry::Wait(free);
            }
            // Its place goes over at once: nobody else comes between.
            self.shares.pass_on(from, source);
            instead.extend(self.remove(oldest));
        }
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.shaking = self.shaking.saturating_add(1);
        self.visitors.insert(number, Visitor { source, since: now, shaking: true, end });
        Entry::In { number, instead }
    }

    /// Those whose time is over, which is short while there is a crowd.
    fn overstayed(&mut self, now: Mono) -> Vec<T> {
        let mut gone = Vec::new();
        while let Some((number, visitor)) = self.visitors.first_key_value() {
            if now.since(visitor.since) < self.patience() {
                break;
            }
            let number = *number;
            gone.extend(self.leave(number));
        }
        gone
    }

    /// Who of a source came first: numbers rise with time.
    fn oldest(&self, source: Source) -> Option<(u64, Mono)> {
        let mut of_source = self.visitors.iter().filter(|(_, visitor)| visitor.source == source);
        of_source.next().map(|(number, visitor)| (*number, visitor.since))
    }

    fn remove(&mut self, number: u64) -> Option<T> {
        self.shaken(number);
        self.visitors.remove(&number).map(|visitor| visitor.end)
    }

    /// The handshake of a visitor is over.
    pub fn shaken(&mut self, number: u64) {
        if let Some(visitor) = self.visitors.get_mut(&number)
            && mem::take(&mut visitor.shaking)
        {
            self.shaking = self.shaking.saturating_sub(1);
        }
    }

    /// A visitor has gone, or has proven to know a graph.
    pub fn leave(&mut self, number: u64) -> Option<T> {
        let source = self.visitors.get(&number)?.source;
        self.shares.give_back(source);
        self.remove(number)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.visitors.len()
    }

    /// True if nobody is there.
    pub fn is_empty(&self) -> bool {
        self.visitors.is_empty()
    }

    /// How long a visitor may stay.
    pub fn patience(&self) -> Duration {
        if self.len().saturating_mul(2) > MAX_VISITORS { VISIT_CROWDED } else { VISIT_TIME }
    }
}
