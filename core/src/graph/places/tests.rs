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
        self.asked_from(None, identity, node, urgent)
    }

    /// The same from a range of public addresses.
    fn asked_from(&mut self, source: Option<u8>, identity: u64, node: u64, urgent: bool) -> bool {
        let source = source.map(|number| Source::V4([99, 1, number]));
        self.links += 1;
        let (link, now) = (LinkId(self.links), self.now());
        let node = Self::node(node);
        self.overlay.begin_link(now, link, (node, source), None);
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
        assert!(!dialled.is_empty() && dialled.iter().all(|node| (1..=6).any(|n| Victim::node(n) == *node)));
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

impl Victim {
    fn from(&self, source: u8) -> usize {
        let source = Some(Source::V4([99, 1, source]));
        self.overlay.links.values().filter(|l| l.is_ready(Purpose::Neighbor) && l.source == source).count()
    }
}

/// In a graph that is no group identities cost nothing, addresses do.
#[test]
fn o18_one_range_of_addresses_takes_no_more_than_three_places_from_others() {
    let mut victim = Victim::new();
    let max = victim.overlay.config.max as u64;
    for honest in 1..=max {
        assert!(victim.asked_from(Some(honest as u8), honest, honest, false));
        victim.seconds += 1;
    }
    victim.seconds += 2 * PROTECTION_AGE.as_secs();
    for number in 0..1000 {
        victim.seconds += 2;
        victim.asked_from(Some(100), 1000 + number, 1000 + number, number % 2 == 0);
        assert!(victim.from(100) <= PLACES_OF_SOURCE);
    }
    assert!(victim.from(100) > 0, "one gets in, and then they push out each other");
    let honest = (1..=max as u8).filter(|number| victim.from(*number) == 1).count();
    assert_eq!(honest + victim.from(100), max as usize);
}

#[test]
fn o18_a_range_that_was_there_first_gives_way_and_one_house_is_not_hindered() {
    for urgent in [false, true] {
        let mut victim = Victim::new();
        let max = victim.overlay.config.max;
        for number in 0..100 {
            victim.seconds += 2;
            victim.asked_from(Some(100), 1000 + number, 1000 + number, true);
        }
        assert_eq!(victim.from(100), max, "while nobody else is there all of an office get in");
        for honest in 1..=5 {
            victim.seconds += 2;
            assert!(victim.asked_from(Some(honest), honest.into(), honest.into(), urgent), "{honest}");
        }
        assert_eq!(victim.from(100), PLACES_OF_SOURCE);
        victim.seconds += 2;
        assert!(!victim.asked_from(Some(6), 6, 6, false), "who has others is let in only beside a crowd");
    }
    // At home and behind relays nobody is counted.
    let mut victim = Victim::new();
    for number in 0..20 {
        victim.seconds += 2;
        assert!(victim.asked_from(None, number, number, true));
    }
}
