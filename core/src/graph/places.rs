//! Who has a place among the neighbors, and whose place may be taken.
//!
//! A node that is full makes room for one that has nobody else, or newcomers would find no way in. Whoever asks for that may
//! lie, and node ids are free. So places are counted by *identity*, and those that serve best keep theirs: the longest
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
    limits::{
        EVICTION_INTERVAL, MAX_KEPT_CONTACTS, MAX_URGENT, PLACES_OF_ONE, PROTECTED_BY_AGE, PROTECTED_BY_NEWS,
        PROTECTION_AGE, RESERVED_PLACES, URGENT_INTERVAL,
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
    pub(super) fn place_refusal(&self, now: Now, node: NodeId, connect: &Connect) -> Option<RefuseReason> {
        let peer = connect.device.peer;
        let others = self.other_neighbors(node);
        let taken = others.saturating_add(self.coming_neighbors(node));
        let held = self.places_of(peer, node);
        // One identity fills no node: what is left is for others, and for whom this node dials.
        let crowds = held >= PLACES_OF_ONE
            && (taken.saturating_add(RESERVED_PLACES) >= self.config.max
                || (taken >= self.config.target && !connect.urgent));
        let full = taken >= self.config.max;
        let makes_room = || {
            connect.urgent
                && others > 1
                && held == 0
                && self.places.next_eviction <= now.mono
                && self.places.urgent.get(&peer).is_none_or(|at| now.mono.since(*at) >= URGENT_INTERVAL)
                && self.least_needed(now, node).is_some()
        };
        (crowds || (full && !makes_room())).then_some(RefuseReason::Busy)
    }

    /// Parts with a neighbor if there are as many as may be, for one that has none.
    pub(super) fn make_room(&mut self, now: Now, node: NodeId, peer: PeerId) {
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
        if let Some(link) = self.least_needed(now, node) {
            self.part(now, link, GoodbyeReason::LeastUseful, FailureReason::Pruned);
        }
    }

    /// The neighbor that is missed least: none that is protected; first of an identity with many places, then the one that brings
    /// least, then the youngest.
    pub(super) fn least_needed(&self, now: Now, except: NodeId) -> Option<LinkId> {
        let protected = self.protected(now);
        let open = self.neighbors_but(except).filter(|link| !protected.contains(&link.id));
        open.min_by_key(|link| {
            let places = self.places_of(link.peer, except);
            (Reverse(places.max(PLACES_OF_ONE)), link.news, Reverse(link.since))
        })
        .map(|link| link.id)
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
mod tests {
    use super::{super::links::DialWhy, *};
    use crate::{
        crypto::SecretKey,
        graph::{Known, Output, OverlayConfig},
        ids::NodeId,
        record::{DeviceCertificate, Genesis, NodeAddr},
        time::Timestamp,
        wire::{Mark, Message},
    };

    fn key(number: u64) -> SecretKey {
        let mut bytes = [9; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        SecretKey::from_bytes(&bytes)
    }

    /// A node that links under a clock of its own.
    struct Victim {
        overlay: Overlay,
        seconds: u64,
        links: u64,
    }

    impl Victim {
        fn new() -> Self {
            let identity = key(0);
            let genesis = Genesis::new(identity.peer(), [1; 16]);
            let device = DeviceCertificate::issue(&identity, key(1_000_000).node());
            let config = OverlayConfig::default();
            let mut overlay = Overlay::new(config, genesis.id(), device, Some(genesis), 1);
            overlay.listening = true;
            overlay.online = true;
            Self { overlay, seconds: 1, links: 0 }
        }

        fn now(&self) -> Now {
            Now { mono: Mono(self.seconds * 1_000_000), wall: Timestamp::from_secs(1_000_000 + self.seconds) }
        }

        fn node(number: u64) -> NodeId {
            key(2_000_000 + number).node()
        }

        /// A node asks to be a neighbor.
        fn asked_by(&mut self, identity: u64, node: u64, urgent: bool) -> bool {
            self.links += 1;
            let (link, now) = (LinkId(self.links), self.now());
            let node = Self::node(node);
            self.overlay.begin_link(now, link, node, None);
            let connect = Connect {
                purpose: Purpose::Neighbor,
                device: DeviceCertificate::issue(&key(identity), node),
                addr: NodeAddr::new(node),
                expected: None,
                wants_referrals: false,
                urgent,
                instance: 1,
                ping: 1000,
                mark: Mark { node, beat: 1 },
                credentials: Vec::new(),
            };
            self.overlay.handle_message(now, link, Message::Connect(Box::new(connect)));
            while self.overlay.poll_output().is_some() {}
            self.overlay.links.get(&link).is_some_and(|link| link.is_ready(Purpose::Neighbor))
        }

        /// The same, but that this node dialled it.
        fn dialled(&mut self, identity: u64, node: u64) {
            assert!(self.asked_by(identity, node, false));
            let link = self.overlay.links.get_mut(&LinkId(self.links)).unwrap();
            link.why = Some(DialWhy::Repair);
        }

        fn identities(&self) -> BTreeMap<PeerId, usize> {
            self.overlay.places()
        }

        fn dials(&mut self) -> Vec<NodeId> {
            let now = self.now();
            self.overlay.next_maintenance = Mono(0);
            self.overlay.maintain(now);
            let outputs = std::iter::from_fn(|| self.overlay.poll_output());
            let nodes = outputs.filter_map(|output| match output {
                Output::Dial { addr, .. } => Some(addr.node),
                _ => None,
            });
            nodes.collect()
        }
    }

    /// Somebody comes again and again as another node that has nobody.
    #[test]
    fn b6_one_identity_displaces_one_neighbor_in_ten_minutes_and_none_that_is_protected() {
        let mut victim = Victim::new();
        let max = victim.overlay.config.max as u64;
        for honest in 1..=3 {
            victim.dialled(honest, honest);
        }
        for honest in 4..=max {
            assert!(victim.asked_by(honest, honest, false));
        }
        let useful = LinkId(5);
        victim.overlay.links.get_mut(&useful).unwrap().rate_news(true);
        victim.seconds += 2 * PROTECTION_AGE.as_secs();
        let mut got_in = 0;
        for number in 0..3600 {
            victim.seconds += 1;
            got_in += u32::from(victim.asked_by(500, 1000 + number, true));
        }
        assert_eq!(got_in, 1, "it has a neighbor here");
        // Nor if it leaves each time.
        for number in 0..3600 {
            victim.seconds += 1;
            let theirs = victim.overlay.links.values().find(|link| link.peer == key(500).peer());
            if let Some(id) = theirs.map(|link| link.id) {
                let now = victim.now();
                victim.overlay.drop_link(now, id, FailureReason::Closed);
                assert!(victim.asked_by(600 + number, 600 + number, false), "somebody else comes");
            }
            got_in += u32::from(victim.asked_by(500, 9000 + number, true));
        }
        assert!(got_in <= 8, "{got_in} in two hours");
        let left = victim.identities();
        assert!((1..=3).all(|honest| left.contains_key(&key(honest).peer())), "those it dialled stay");
        assert!(victim.overlay.links.contains_key(&useful), "who brings news stays");
    }

    /// Without any neighbor yet: an attacker is there first with a thousand nodes.
    #[test]
    fn b6_one_identity_fills_no_node_and_others_are_dialled_beside_it() {
        for urgent in [false, true] {
            let mut victim = Victim::new();
            for number in 0..1000 {
                victim.seconds += 1;
                victim.asked_by(500, 1000 + number, urgent);
            }
            let (max, most) = (victim.overlay.config.max, victim.identities()[&key(500).peer()]);
            assert!(most <= max - RESERVED_PLACES, "{most} of {max} places");
            // Who is known is dialled, though there are enough neighbors.
            let now = victim.now();
            for honest in 1..=6 {
                let addr = NodeAddr::at(Victim::node(honest), ["127.0.0.1:9".parse().unwrap()]);
                victim.overlay.add_contact(now, addr, Some(key(honest).peer()), Known::Signed);
            }
            let dialled = victim.dials();
            assert!(
                !dialled.is_empty() && dialled.iter().all(|node| (1..=6).any(|n| Victim::node(n) == *node))
            );
            // Whoever comes and has nobody takes a place of the many.
            for honest in 10..16 {
                victim.seconds += 2;
                assert!(victim.asked_by(honest, honest, true), "{honest}");
            }
            assert!(victim.identities()[&key(500).peer()] <= PLACES_OF_ONE);
        }
    }

    #[test]
    fn b6_who_had_a_place_that_nobody_takes_is_dialled_first_after_a_restart() {
        let mut victim = Victim::new();
        let addr = |n: u64| NodeAddr::at(Victim::node(n), [([10, 0, 0, n as u8], 9).into()]);
        for honest in 1..=3 {
            victim.dialled(honest, honest);
            let now = victim.now();
            victim.overlay.add_contact(now, addr(honest), Some(key(honest).peer()), Known::Link);
        }
        victim.seconds += 2 * PROTECTION_AGE.as_secs();
        victim.dials();
        // They are lost one after the other, and others come.
        for honest in 1..=3 {
            victim.seconds += 1;
            let now = victim.now();
            victim.overlay.drop_link(now, LinkId(honest), FailureReason::Closed);
            victim.dials();
        }
        let kept = victim.overlay.kept_contacts();
        let mut again = Victim::new();
        let now = again.now();
        for other in 100..200 {
            again.overlay.add_contact(now, addr(other), Some(key(other).peer()), Known::Signed);
        }
        for kept in kept {
            again.overlay.restore_contact(now, kept);
        }
        let mut dialled = again.dials();
        assert_eq!(dialled.len(), 4);
        dialled.truncate(3);
        dialled.sort_unstable();
        let mut wanted: Vec<NodeId> = (1..=3).map(Victim::node).collect();
        wanted.sort_unstable();
        assert_eq!(dialled, wanted);
    }

    #[test]
    fn b6_the_nodes_of_one_person_find_each_other() {
        let mut victim = Victim::new();
        let target = victim.overlay.config.target as u64;
        for number in 0..target {
            assert!(victim.asked_by(7, number, false));
        }
        assert!(!victim.asked_by(7, 50, false), "it has enough");
        assert!(victim.asked_by(7, 51, true), "one that has nobody is let in");
        assert!(victim.dials().is_empty(), "and nobody is looked for in vain");
    }

    #[test]
    fn b6_what_the_other_end_says_protects_nobody() {
        let mut victim = Victim::new();
        for identity in 1..=8 {
            assert!(victim.asked_by(identity, identity, false));
            victim.seconds += 1;
        }
        let liar = LinkId(8);
        victim.overlay.on_ack(liar, u32::MAX, 0);
        let link = &victim.overlay.links[&liar];
        assert!(link.utility > 1000 && link.news == 0);
        victim.seconds += 2 * PROTECTION_AGE.as_secs();
        assert!(victim.overlay.protected(victim.now()).is_empty());
        assert!(victim.asked_by(9, 9, true));
        assert!(!victim.identities().contains_key(&key(8).peer()), "the youngest goes");
    }
}
