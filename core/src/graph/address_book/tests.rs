use super::*;
use crate::limits::MAX_HEARSAY_ADDRESSES;

fn addr(n: u8, port: u16) -> NodeAddr {
    NodeAddr::at(NodeId::from_bytes([n; 32]), [([127, 0, 0, 1], port).into()])
}

fn book() -> Contacts {
    Contacts::new(1)
}

/// A node of many.
fn node(n: u64) -> NodeId {
    let mut id = [7; 32];
    id[..8].copy_from_slice(&n.to_le_bytes());
    NodeId::from_bytes(id)
}

/// An identity of many.
fn peer(n: u64) -> PeerId {
    PeerId::from_bytes(*node(n).as_bytes())
}

/// A node at a public address in a range of its own.
fn far(n: u64) -> NodeAddr {
    let [.., a, b, c] = (n as u32).to_be_bytes();
    NodeAddr::at(node(n), [([20 + a, b, c, 1], 9).into()])
}

fn at(seconds: u64) -> Mono {
    Mono(0) + Duration::from_secs(seconds)
}

#[test]
fn a_node_that_fails_is_left_alone_for_longer_each_time() {
    let (mut contacts, mut rng) = (book(), StdRng::seed_from_u64(1));
    assert!(contacts.learn(at(0), addr(1, 1), None, Known::Link, None));
    assert!(!contacts.learn(at(0), addr(1, 1), None, Known::Link, None), "no news");
    let (node, mut now, mut waits) = (NodeId::from_bytes([1; 32]), at(0), Vec::new());
    for _ in 0..20 {
        contacts.failed(now, &node, &mut rng);
        assert!(contacts.choose(now, 1, &mut rng, |_| true).is_empty());
        let ready = contacts.next_ready(now).unwrap();
        waits.push(ready.since(now));
        now = ready;
        assert_eq!(contacts.choose(now, 1, &mut rng, |_| true), [addr(1, 1)]);
    }
    assert!(waits[0] < 2 * MIN_BACKOFF && waits.iter().all(|wait| *wait <= MAX_BACKOFF.mul_f64(1.25)));
    assert!(waits[19] >= MAX_BACKOFF.mul_f64(0.75), "{waits:?}");
    contacts.reached(now, &node);
    contacts.lasted(&node);
    contacts.failed(now, &node, &mut rng);
    assert!(contacts.next_ready(now).unwrap().since(now) < 2 * MIN_BACKOFF, "forgiven");
}

#[test]
fn c34_who_is_alone_tries_everybody_again_within_a_minute() {
    let (mut contacts, mut rng) = (book(), StdRng::seed_from_u64(1));
    let node = NodeId::from_bytes([1; 32]);
    contacts.learn(at(0), addr(1, 1), None, Known::Link, None);
    (0..20).for_each(|_| contacts.failed(at(0), &node, &mut rng));
    assert!(contacts.next_ready(at(0)).unwrap() > at(1000));
    contacts.hasten(at(5), crate::limits::ALONE_BACKOFF);
    contacts.hasten(at(10), crate::limits::ALONE_BACKOFF);
    assert_eq!(contacts.next_ready(at(10)), Some(at(65)), "and no later each time");
}

#[test]
fn a_new_address_is_worth_another_try_and_a_bare_one_is_no_news() {
    let (mut contacts, mut rng) = (book(), StdRng::seed_from_u64(1));
    let node = NodeId::from_bytes([1; 32]);
    contacts.learn(at(0), addr(1, 1), None, Known::Link, None);
    (0..12).for_each(|_| contacts.failed(at(0), &node, &mut rng));
    assert!(!contacts.learn(at(1), NodeAddr::new(node), None, Known::Link, None));
    assert_eq!(contacts.get(&node).unwrap().addr(), addr(1, 1));
    assert!(contacts.next_ready(at(1)).unwrap() > at(600));
    assert!(contacts.learn(at(2), addr(1, 2), None, Known::Link, None));
    assert!(contacts.next_ready(at(2)).unwrap() <= at(2) + MIN_BACKOFF);
}

#[test]
fn a11_hearsay_adds_to_what_a_node_said_itself_and_replaces_nothing() {
    let (mut contacts, node) = (book(), NodeId::from_bytes([1; 32]));
    assert!(contacts.learn(at(0), addr(1, 1), None, Known::Link, None));
    assert!(contacts.learn(at(1), addr(1, 2), None, Known::Hearsay, None));
    assert!(contacts.learn(at(2), addr(1, 3), None, Known::Signed, None));
    assert!(!contacts.learn(at(2), addr(1, 1), None, Known::Hearsay, None), "no news");
    let many: Vec<std::net::SocketAddr> = (100..200).map(|port| ([10, 0, 0, 1], port).into()).collect();
    let many = NodeAddr { relay: Some("https://evil.example".into()), ..NodeAddr::at(node, many) };
    assert!(contacts.learn(at(3), many, None, Known::Hearsay, None));
    let contact = contacts.get(&node).unwrap();
    assert_eq!(contact.best(), Some(&addr(1, 1)), "what is told to others");
    let ports: Vec<u16> = contact.addr().addrs.iter().map(std::net::SocketAddr::port).collect();
    assert_eq!(&ports[..3], [1, 3, 100], "what it said goes first, and is not cut off");
    assert_eq!(ports.len(), 2 + MAX_HEARSAY_ADDRESSES, "of what others say a few");
    // A node that moved says so itself.
    assert!(contacts.learn(at(4), addr(1, 9), None, Known::Link, None));
    assert_eq!(contacts.get(&node).unwrap().best(), Some(&addr(1, 9)));
}

#[test]
fn the_book_is_bounded_and_forgets_the_oldest() {
    let mut contacts = book();
    let many = MAX_CONTACTS as u64;
    for n in 0..=many {
        contacts.learn(at(n), far(n), None, Known::Link, None);
    }
    assert_eq!(contacts.len(), MAX_CONTACTS);
    assert!(contacts.get(&node(0)).is_none() && contacts.get(&node(1)).is_some());
    contacts.check();
    assert!(contacts.forget_old(at(many) + CONTACT_LIFETIME));
    assert_eq!(contacts.len(), 0);
    contacts.check();
}

#[test]
fn b5_what_is_only_heard_pushes_out_nobody_who_was_reached_and_gets_half_of_the_dials() {
    let (mut contacts, mut rng) = (book(), StdRng::seed_from_u64(1));
    for n in 0..20 {
        contacts.learn(at(0), far(n), Some(peer(n)), Known::Signed, None);
        contacts.reached(at(0), &node(n));
    }
    // Each of another identity, as in a graph that is no group.
    for n in 1000..21_000 {
        contacts.learn(at(n), far(n), Some(peer(n)), Known::Signed, None);
    }
    assert_eq!(contacts.len(), 20 + MAX_CONTACTS);
    let (mut reached, mut seen) = (0, BTreeSet::new());
    for _ in 0..500 {
        let dialled = contacts.choose(at(21_000), 2, &mut rng, |_| true);
        reached += dialled.iter().filter(|addr| contacts.get(&addr.node).unwrap().reached).count();
        let one = contacts.choose(at(21_000), 1, &mut rng, |_| true).remove(0);
        seen.extend(Some(one.node).filter(|node| contacts.get(node).unwrap().reached));
    }
    assert_eq!(reached, 500, "half of each");
    assert_eq!(seen.len(), 20, "any of them");
    // And all of them if nobody else answers.
    (1000..21_000).for_each(|n| contacts.failed(at(21_000), &node(n), &mut rng));
    assert_eq!(contacts.choose(at(21_000), 20, &mut rng, |_| true).len(), 20);
    contacts.check();
}

#[test]
fn b5_one_identity_one_range_and_one_teller_have_a_bounded_part() {
    let mut contacts = book();
    for n in 0..100 {
        contacts.learn(at(n), far(n), Some(peer(n)), Known::Signed, None);
    }
    // One member with nodes without end.
    for n in 1000..21_000 {
        contacts.learn(at(n), far(n), Some(peer(1)), Known::Signed, None);
    }
    assert_eq!(contacts.len(), 99 + CONTACTS_OF_PEER);
    // One who refers to nodes without end.
    for n in 30_000..31_000 {
        contacts.learn(at(n), far(n), None, Known::Hearsay, Some([1; 32]));
    }
    assert_eq!(contacts.len(), 99 + CONTACTS_OF_PEER + CONTACTS_OF_TELLER);
    // Those that speak themselves are nobody's any more.
    for n in 30_968..31_000 {
        contacts.learn(at(n), far(n), Some(peer(n)), Known::Link, None);
    }
    for n in 31_000..31_032 {
        contacts.learn(at(n), far(n), None, Known::Hearsay, Some([1; 32]));
    }
    assert_eq!(contacts.len(), 99 + CONTACTS_OF_PEER + 2 * CONTACTS_OF_TELLER);
    // One range of addresses, with identities without end.
    for n in 40_000..41_000 {
        let addr = NodeAddr::at(node(n), [([99, 1, 1, n as u8], 9).into()]);
        contacts.learn(at(n), addr, Some(peer(n)), Known::Signed, None);
    }
    assert_eq!(contacts.len(), 99 + CONTACTS_OF_PEER + 2 * CONTACTS_OF_TELLER + CONTACTS_OF_SOURCE);
    // Not those of one house, where all have the same addresses.
    for n in 50_000..51_000 {
        let addr =
            NodeAddr::at(node(n), [([192, 168, 1, n as u8], 9).into(), "[fe80::1]:9".parse().unwrap()]);
        contacts.learn(at(n), addr, Some(peer(n)), Known::Signed, None);
    }
    assert_eq!(contacts.len(), 1099 + CONTACTS_OF_PEER + 2 * CONTACTS_OF_TELLER + CONTACTS_OF_SOURCE);
    assert!((2..100).all(|n| contacts.get(&node(n)).is_some()), "all others stay");
    contacts.check();
}

#[test]
fn b5_nobody_is_moved_into_a_full_range_by_what_others_say() {
    let mut contacts = book();
    for n in 0..100 {
        contacts.learn(at(0), far(n), Some(peer(n)), Known::Signed, None);
        contacts.reached(at(0), &node(n));
    }
    for n in 0..100 {
        let addr = NodeAddr::at(node(n), [([99, 1, 1, n as u8], 9).into()]);
        contacts.learn(at(1), addr, None, Known::Hearsay, Some([1; 32]));
    }
    assert_eq!(contacts.len(), 100);
    contacts.check();
}

#[test]
fn b5_of_one_range_one_is_dialled_if_there_are_others() {
    let (mut contacts, mut rng) = (book(), StdRng::seed_from_u64(1));
    for n in 0..40 {
        let addr = NodeAddr::at(node(n), [([99, 1, 1, n as u8], 9).into()]);
        contacts.learn(at(1), addr, Some(peer(n)), Known::Link, None);
    }
    assert_eq!(contacts.choose(at(1), 4, &mut rng, |_| true).len(), 4, "there is nobody else");
    for n in 100..103 {
        contacts.learn(at(1), far(n), Some(peer(n)), Known::Link, None);
    }
    for _ in 0..50 {
        let chosen = contacts.choose(at(1), 4, &mut rng, |_| true);
        assert_eq!(chosen.len(), 4);
        assert!((100..103).all(|n| chosen.iter().any(|addr| addr.node == node(n))), "{chosen:?}");
    }
}

#[test]
fn o16_no_relay_is_dialled_that_others_name_but_by_https() {
    let urls = ["http://10.0.0.1/admin", "ftp://example.org", "https", "HTTP://x"].map(String::from);
    let long = format!("https://{}", "x".repeat(300));
    for url in urls.into_iter().chain([long]) {
        for known in [Known::Signed, Known::Hearsay] {
            let mut contacts = book();
            let addr = NodeAddr { relay: Some(url.clone()), ..far(1) };
            contacts.learn(at(0), addr, None, known, None);
            assert_eq!(contacts.get(&node(1)).unwrap().addr(), far(1), "{url}");
        }
    }
    let mut contacts = book();
    let addr = NodeAddr { relay: Some("https://relay.example".into()), ..far(1) };
    contacts.learn(at(0), addr.clone(), None, Known::Hearsay, None);
    assert_eq!(contacts.get(&node(1)).unwrap().addr(), addr);
}

#[test]
fn the_orders_agree_whatever_happens() {
    let (mut contacts, mut rng) = (book(), StdRng::seed_from_u64(3));
    let mut now = 0;
    for _ in 0..20_000 {
        now += rng.random_range(0..3);
        let (n, who) = (rng.random_range(0..300), node(rng.random_range(0..300)));
        match rng.random_range(0..9) {
            0 => drop(contacts.learn(at(now), far(n), Some(peer(n % 9)), Known::Signed, None)),
            1 => drop(contacts.learn(at(now), far(n), None, Known::Hearsay, Some([n as u8 % 3; 32]))),
            2 => drop(contacts.learn(at(now), far(n), Some(peer(n)), Known::Link, None)),
            3 => contacts.reached(at(now), &who),
            4 | 5 => contacts.failed(at(now), &who, &mut rng),
            6 => contacts.rest(at(now), &who, Duration::from_secs(9)),
            7 => drop(contacts.choose(at(now), 3, &mut rng, |_| true)),
            _ if n < 5 => contacts.forgive(at(now)),
            _ if n < 10 => contacts.hasten(at(now), Duration::from_secs(5)),
            _ => drop(contacts.forget_peers(&mut |gone| n < 30 && *gone == peer(n % 9))),
        }
    }
    assert!(contacts.len() > 50);
    contacts.check();
    let all: Vec<_> = contacts.all().map(|contact| contact.kept(false)).collect();
    let mut again = book();
    for kept in all {
        again.restore(at(now), kept).unwrap();
    }
    again.check();
    assert_eq!(again.len(), contacts.len());
}

impl Contacts {
    /// Every order has every contact, and nobody else.
    fn check(&self) {
        let (mut reached, mut heard) = (Table::default(), Table::default());
        for contact in self.by_node.values() {
            if contact.reached { &mut reached } else { &mut heard }.insert(contact);
        }
        for (table, other) in [(&self.reached, reached), (&self.heard, heard)] {
            assert_eq!(table.heard, other.heard);
            assert_eq!(table.groups, other.groups);
            assert_eq!(table.waiting, other.waiting);
            assert_eq!(table.lately, other.lately);
            assert_eq!(table.lots, other.lots);
            assert!(table.heard.len() <= MAX_CONTACTS);
        }
    }
}
