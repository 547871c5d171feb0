//! Who has a place among the neighbors, and whose place may be taken.
//!
//! A node that is full makes room for one that has nobody else, or newcomers would find no way in. Whoever asks for that may
//! lie, and node ids are free. So places are counted by *identity*, and by range of public addresses, since identities are free as well
//! where there is no group: of these one takes no more than three places from others, and gives way to others if it has more. Those that serve best keep theirs: the longest
//! lived that this node dialled itself, which nobody else chose, and those that bring news first, which is judged by what comes
//! and never by what the other end says.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    Dial, KeptContact, Overlay, OverlayEvent,
    links::{Link, LinkState},
};
use crate::{
    ids::{LinkId, NodeId, PeerId},
    ledger::Source,
    limits::{
        EVICTION_INTERVAL, MAX_KEPT_CONTACTS, MAX_URGENT, PLACES_OF_ONE, PLACES_OF_SOURCE, PROTECTED_BY_AGE,
        PROTECTED_BY_NEWS, PROTECTION_AGE, RESERVED_PLACES, URGENT_INTERVAL,
    },
    link::FailureReason,
    time::{Mono, Now},
    wire::{Connect, GoodbyeReason, Purpose, RefuseReason},
};

/// When places were last made free, and for whom.
#[derive(Debug, Default)]
pub(super) struct Places {
    next_eviction: Mono,
    /// When an identity last got a place that was taken from another.
    urgent: BTreeMap<PeerId, Mono>,
}

impl Overlay {
    /// Why a node gets no place; `None`: it gets one, if need be by [`make_room`](Self::make_room).
    pub(super) fn place_refusal(
        &self,
        now: Now,
        (node, source): (NodeId, Option<Source>),
        connect: &Connect,
    ) -> Option<RefuseReason> {
        let peer = connect.device.peer;
        let others = self.other_neighbors(node);
        let taken = others.saturating_add(self.coming_neighbors(node));
        let (held, source) =
            (self.places_of(peer, node), source.filter(|source| self.is_crowd(*source, node)));
        // One identity fills no node: what is left is for others, and for whom this node dials.
        let one = held >= PLACES_OF_ONE && taken.saturating_add(RESERVED_PLACES) >= self.config.max;
        let many = held >= PLACES_OF_ONE || source.is_some();
        let crowds = one || (many && taken >= self.config.target && !connect.urgent);
        let full = taken >= self.config.max;
        let makes_room = || {
            let urgent = connect.urgent
                && self.places.urgent.get(&peer).is_none_or(|at| now.mono.since(*at) >= URGENT_INTERVAL);
            others > 1
                && held == 0
                && (urgent || (source.is_none() && self.is_overrun(node)))
                && self.places.next_eviction <= now.mono
                && self.least_needed(now, node, source).is_some()
        };
        (crowds || (full && !makes_room())).then_some(RefuseReason::Busy)
    }

    /// Parts with a neighbor if there are as many as may be, for one that has none.
    pub(super) fn make_room(&mut self, now: Now, (node, source): (NodeId, Option<Source>), peer: PeerId) {
        if self.other_neighbors(node) < self.config.max {
            return;
        }
        self.places.next_eviction = now.mono + EVICTION_INTERVAL;
        let urgent = &mut self.places.urgent;
        urgent.retain(|_, at| now.mono.since(*at) < URGENT_INTERVAL);
        if urgent.len() >= MAX_URGENT
            && let Some(oldest) = urgent.iter().min_by_key(|(_, at)| **at).map(|(peer, _)| *peer)
        {
            urgent.remove(&oldest);
        }
        urgent.insert(peer, now.mono);
        let source = source.filter(|source| self.is_crowd(*source, node));
        if let Some(link) = self.least_needed(now, node, source) {
            self.part(now, link, GoodbyeReason::LeastUseful, FailureReason::Pruned);
        }
    }

    /// The neighbor that is missed least: none that is protected; first of an identity with many places, then of a range of addresses
    /// with many, then the one that brings least, then the youngest. `of`: only of this range, which has its places.
    pub(super) fn least_needed(&self, now: Now, except: NodeId, of: Option<Source>) -> Option<LinkId> {
        let protected = self.protected(now);
        let open = self.neighbors_but(except).filter(|link| !protected.contains(&link.id));
        let open = open.filter(|link| of.is_none() || link.source == of);
        open.min_by_key(|link| {
            let places = self.places_of(link.peer, except).max(PLACES_OF_ONE);
            let near = link.source.map_or(0, |source| self.places_from(source, except)).max(PLACES_OF_SOURCE);
            (Reverse(places), Reverse(near), link.news, Reverse(link.since))
        })
        .map(|link| link.id)
    }

    /// True if a range of addresses has as many places as one gets beside others.
    fn is_crowd(&self, source: Source, except: NodeId) -> bool {
        self.places_from(source, except) >= PLACES_OF_SOURCE
    }

    /// True if a range of addresses has more places than that.
    fn is_overrun(&self, except: NodeId) -> bool {
        let mut sources = self.neighbors_but(except).filter_map(|link| link.source);
        sources.any(|source| self.places_from(source, except) > PLACES_OF_SOURCE)
    }

    fn places_from(&self, source: Source, except: NodeId) -> usize {
        self.neighbors_but(except).filter(|link| link.source == Some(source)).count()
    }

    /// Neighbors whose places nobody takes: the longest lived that this node dialled, of different identities, and those that
    /// brought most news.
    fn protected(&self, now: Now) -> BTreeSet<LinkId> {
        let lasted = |link: &&Link| now.mono.since(link.since) >= PROTECTION_AGE;
        let settled: Vec<&Link> =
            self.links.values().filter(|link| link.is_ready(Purpose::Neighbor)).filter(lasted).collect();
        let mut protected = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut dialled: Vec<&&Link> = settled.iter().filter(|link| link.why.is_some()).collect();
        dialled.sort_by_key(|link| (link.since, link.id));
        let oldest = dialled.into_iter().filter(|link| seen.insert(link.peer)).take(PROTECTED_BY_AGE);
        protected.extend(oldest.map(|link| link.id));
        let mut useful: Vec<&&Link> = settled.iter().filter(|link| link.news > 0).collect();
        useful.retain(|link| !protected.contains(&link.id));
        useful.sort_by_key(|link| (Reverse(link.news), link.since));
        protected.extend(useful.into_iter().take(PROTECTED_BY_NEWS).map(|link| link.id));
        protected
    }

    /// Remembers those with a place that nobody takes; once some are lost, the others are looked for first.
    pub(super) fn note_steady(&mut self, now: Now) {
        let protected =
            self.protected(now).into_iter().filter_map(|link| self.links.get(&link)).map(|link| link.node);
        let mut steady: Vec<NodeId> = protected.collect();
        if steady.iter().all(|node| self.steady.contains(node)) {
            return;
        }
        for node in &self.steady {
            if !steady.contains(node) && self.contacts.get(node).is_some() {
                steady.push(*node);
            }
        }
        steady.truncate(PROTECTED_BY_AGE.saturating_add(PROTECTED_BY_NEWS));
        self.steady = steady;
        self.events.push_back(OverlayEvent::ContactsChanged);
    }

    /// The contacts to be kept across restarts.
    pub fn kept_contacts(&self) -> Vec<KeptContact> {
        let steady = |node: &NodeId| self.steady.contains(node);
        let kept = self.contacts.latest(MAX_KEPT_CONTACTS).filter(|contact| !steady(&contact.node));
        let first = self.steady.iter().filter_map(|node| self.contacts.get(node));
        first.map(|contact| contact.kept(true)).chain(kept.map(|contact| contact.kept(false))).collect()
    }

    /// A contact that was kept.
    pub fn restore_contact(&mut self, now: Now, kept: KeptContact) {
        let steady = kept.steady && self.steady.len() < PROTECTED_BY_AGE.saturating_add(PROTECTED_BY_NEWS);
        let Some(node) = self.contacts.restore(now.mono, kept) else { return };
        if steady {
            self.steady.push(node);
        }
    }

    fn places(&self) -> BTreeMap<PeerId, usize> {
        let mut places: BTreeMap<PeerId, usize> = BTreeMap::new();
        for link in self.links.values().filter(|link| link.is_ready(Purpose::Neighbor)) {
            let count = places.entry(link.peer).or_default();
            *count = count.saturating_add(1);
        }
        places
    }

    /// How many neighbors there are if those of one identity count as two at most.
    pub(super) fn diverse_neighbors(&self) -> usize {
        self.places().values().map(|count| (*count).min(PLACES_OF_ONE)).sum()
    }

    /// The identities that have as many places as one gets.
    pub(super) fn crowds(&self) -> BTreeSet<PeerId> {
        let places = self.places().into_iter();
        places.filter(|(_, count)| *count >= PLACES_OF_ONE).map(|(peer, _)| peer).collect()
    }

    fn places_of(&self, peer: PeerId, except: NodeId) -> usize {
        self.neighbors_but(except).filter(|link| link.peer == peer).count()
    }

    fn neighbors_but(&self, node: NodeId) -> impl Iterator<Item = &Link> {
        self.links.values().filter(move |link| link.is_ready(Purpose::Neighbor) && link.node != node)
    }

    fn other_neighbors(&self, node: NodeId) -> usize {
        self.neighbors_but(node).count()
    }

    /// Those we dial ourselves: their places are taken.
    fn coming_neighbors(&self, node: NodeId) -> usize {
        let neighborly = |d: &&Dial| d.node != node && self.purpose_of(d.why) == Purpose::Neighbor;
        let dials = self.dials.values().filter(neighborly).count();
        let welcome = |l: &&Link| l.state == LinkState::AwaitsWelcome && l.purpose == Purpose::Neighbor;
        dials.saturating_add(self.links.values().filter(welcome).filter(|l| l.node != node).count())
    }
}

#[cfg(test)]
mod tests;
