//! Presence that claims another's node, and addresses that others tell (A11).

use std::collections::BTreeSet;

use super::*;
use crate::{
    engine::Removal,
    events::NodeInfo,
    graph::Known,
    ids::RecordId,
    limits::{CONTACTS_OF_PEER, LISTED_OF_PEER},
    record::{Presence, record_id},
    records::presence_nonce,
    wire::{Goodbye, GoodbyeReason},
};

const HOUR: Duration = Duration::from_secs(3600);

/// An owner; a member with a node that is listed and linked; a reader who attacks that.
struct Scene {
    village: Village,
    node: SecretKey,
    victim: Caller,
    reader: Caller,
}

fn home() -> NodeAddr {
    NodeAddr::at(NodeId::from_bytes([0; 32]), ["10.0.0.1:1000".parse().unwrap()])
}

fn evil() -> NodeAddr {
    NodeAddr::at(NodeId::from_bytes([0; 32]), ["203.0.113.9:9".parse().unwrap()])
}

fn of(node: NodeId, addr: NodeAddr) -> NodeAddr {
    NodeAddr { node, ..addr }
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut village = Village::new(seed, 3);
        assert!(village.grant(0, 1, Role::Member) && village.grant(0, 2, Role::Reader));
        village.converge(seed);
        village.engines[0].current_now = true;
        village.act(0, |engine, now| engine.listen(now)).unwrap();
        let node = SecretKey::from_bytes(&village.rng.random());
        let linked = |village: &mut Village, who: usize, node: NodeId| {
            let key = village.keys[who].clone();
            let caller = Caller { node, ..Caller::new(village, key) };
            let chain = vec![grant_of(village, 0, who).0.bytes().clone()];
            let answer = caller.connect(village, 0, Purpose::Neighbor, chain);
            assert!(matches!(answer, Some(Message::Welcome(_))), "{answer:?}");
            caller
        };
        let victim = linked(&mut village, 1, node.node());
        let own = SecretKey::from_bytes(&village.rng.random()).node();
        let reader = linked(&mut village, 2, own);
        let mut scene = Self { village, node, victim, reader };
        let at = of(scene.node.node(), home());
        let said = Message::Addresses(at.clone());
        scene.victim.say(&mut scene.village, 0, &said);
        let presence = scene.presence(1, &scene.node.clone(), at, 0);
        let record = scene.record(1, &presence, 0);
        scene.push(&scene.victim_link(), record);
        assert_eq!(
            scene.listed().map(|info| (info.peer, info.addr)),
            Some((scene.village.peer(1), scene.home()))
        );
        scene
    }

    fn victim_link(&self) -> LinkId {
        self.victim.link
    }

    fn home(&self) -> NodeAddr {
        of(self.node.node(), home())
    }

    /// The victim's node as it is listed.
    fn listed(&self) -> Option<NodeInfo> {
        self.village.engines[0].nodes().into_iter().find(|info| info.node == self.node.node())
    }

    /// Where its node would be dialled, and where others would be sent.
    fn dialled(&self) -> (NodeAddr, NodeAddr) {
        let overlay = &self.village.engines[0].overlay;
        let contact = overlay.contacts().find(|contact| contact.node == self.node.node()).expect("a contact");
        (contact.addr(), contact.best().expect("an address").clone())
    }

    /// The presence of a node by identity `who`, signed by this key as the node's; started so many seconds from now.
    fn presence(&self, who: usize, node_key: &SecretKey, addr: NodeAddr, since: u64) -> Presence {
        let device = DeviceCertificate::issue(&self.village.keys[who], addr.node);
        let since = self.village.now().wall + Duration::from_secs(since);
        Presence::sign(&self.village.graph(), node_key, device, addr, ("here".into(), since))
    }

    fn header(&self, who: usize, node: NodeId, later: u64) -> Header {
        let hlc = Hlc::at(self.village.now().wall + Duration::from_millis(later));
        let creator = self.village.peer(who);
        let nonce = presence_nonce(&node);
        let grant = Some(*act_id(&grant_of(&self.village, 0, who).0).as_bytes());
        let expires = Some(hlc.timestamp() + HOUR);
        Header { grant, expires, ..header(creator, RecordType::presence(), hlc, nonce) }
    }

    fn record(&self, who: usize, presence: &Presence, later: u64) -> SignedRecord {
        let header = self.header(who, presence.device.node, later);
        let body = postcard::to_stdvec(presence).unwrap();
        SignedRecord::sign(&self.village.graph(), &self.village.keys[who], header, &body)
    }

    fn id(&self, who: usize) -> RecordId {
        let nonce = presence_nonce(&self.node.node());
        record_id(&self.village.graph(), &self.village.peer(who), &nonce)
    }

    fn push(&mut self, link: &LinkId, record: SignedRecord) {
        let message = Message::Push { origin: 1, records: vec![record.bytes().clone()] };
        let frame = Input::Frame { link: *link, stream: message.stream(), bytes: message.encode() };
        self.village.act(0, |engine, now| engine.handle_input(now, frame));
    }

    /// Nothing about the victim has changed.
    fn assert_untouched(&self, what: &str) {
        let listed = self.listed().unwrap_or_else(|| panic!("{what}: it is not listed any more"));
        assert_eq!((listed.peer, listed.addr), (self.village.peer(1), self.home()), "{what}");
        let (dialled, told) = self.dialled();
        assert_eq!(told, self.home(), "{what}");
        assert_eq!(dialled.addrs[0], self.home().addrs[0], "{what}");
        assert_eq!(
            self.village.engines[0].addresses_of(None, Some(self.village.peer(1))),
            [self.home()],
            "{what}"
        );
    }
}

#[test]
fn a11_an_identity_cannot_claim_anothers_node() {
    let mut scene = Scene::new(0xa11);
    let node = scene.node.node();
    let (own_key, identity) = (fresh_key(&mut scene), scene.village.keys[2].clone());
    let good = scene.presence(1, &scene.node.clone(), scene.home(), 0);
    let forged = [
        scene.presence(2, &identity, of(node, evil()), 5),
        scene.presence(2, &own_key, of(node, evil()), 5),
        // What the node signed for its own identity, under another's certificate.
        Presence { device: DeviceCertificate::issue(&identity, node), ..good.clone() },
        Presence { addr: of(node, evil()), device: DeviceCertificate::issue(&identity, node), ..good },
    ];
    for (number, presence) in forged.iter().enumerate() {
        let record = scene.record(2, presence, 10 + number as u64);
        let link = scene.reader.link;
        scene.push(&link, record);
        assert!(scene.village.engines[0].current(&scene.id(2)).unwrap().is_none(), "{number} is stored");
        scene.assert_untouched(&format!("forged presence {number}"));
    }
    // Taking back what it never had.
    let header = Header { version: 2, deleted: true, expires: None, ..scene.header(2, node, 20) };
    let gone = SignedRecord::sign(&scene.village.graph(), &identity, header, b"");
    let link = scene.reader.link;
    scene.push(&link, gone);
    scene.assert_untouched("a presence taken back");
    // The victim's own, taken back by another.
    let mut header = Header { version: 2, deleted: true, expires: None, ..scene.header(1, node, 30) };
    header.editor = Some(identity.peer());
    header.grant = Some(*act_id(&grant_of(&scene.village, 0, 2).0).as_bytes());
    let gone = SignedRecord::sign(&scene.village.graph(), &identity, header, b"");
    scene.push(&link, gone);
    scene.assert_untouched("taken back by another");
    // And it may say of its own node what it likes.
    let key = fresh_key(&mut scene);
    let own = scene.presence(2, &key, of(key.node(), evil()), 0);
    let record = scene.record(2, &own, 40);
    scene.push(&link, record);
    assert!(scene.village.engines[0].nodes().iter().any(|info| info.node == key.node()));
}

fn fresh_key(scene: &mut Scene) -> SecretKey {
    SecretKey::from_bytes(&scene.village.rng.random())
}

#[test]
fn a11_removing_an_attacker_makes_nobody_forget_its_victim() {
    let mut scene = Scene::new(0xa111);
    let (node, link) = (scene.node.node(), scene.reader.link);
    let identity = scene.village.keys[2].clone();
    let forged = scene.presence(2, &identity, of(node, evil()), 5);
    let record = scene.record(2, &forged, 10);
    scene.push(&link, record);
    let peer = identity.peer();
    scene.village.act(0, |engine, now| engine.remove(now, peer, "", Removal::default())).unwrap();
    scene.assert_untouched("the attacker was removed");
    assert!(scene.village.engines[0].addresses_of(None, Some(peer)).is_empty());
}

#[test]
fn a11_what_others_say_adds_to_what_the_node_said_itself() {
    let mut scene = Scene::new(0xa112);
    let node = scene.node.node();
    let many = NodeAddr::at(node, (1..200).map(|port| ([203, 0, 113, 9], port).into()));
    let referrals = vec![NodeAddr { relay: Some("https://evil.example".into()), ..many }];
    let goodbye = Message::Goodbye(Goodbye { reason: GoodbyeReason::Asked, referrals });
    scene.reader.say(&mut scene.village, 0, &goodbye);
    scene.assert_untouched("a referral");
    let (dialled, _) = scene.dialled();
    assert!(dialled.addrs.len() > 1 && dialled.relay.is_some(), "it is tried as well");
    // It is as reliable after a restart as before.
    let now = scene.village.now();
    scene.village.engines[0].keep_contacts_now();
    scene.village.engines[0].flush(now).unwrap();
    scene.village.restart(0);
    let overlay = &scene.village.engines[0].overlay;
    let contact = overlay.contacts().find(|contact| contact.node == node).expect("a contact");
    let kinds: Vec<Known> = contact.addrs().map(|(known, _)| known).collect();
    assert_eq!(kinds, [Known::Link, Known::Hearsay]);
    assert_eq!(scene.dialled().1, scene.home());
}

#[test]
fn a11_a_node_that_changed_its_identity_is_listed_under_the_new_one_whatever_the_old_one_says() {
    let mut scene = Scene::new(0xa113);
    let (key, link) = (scene.node.clone(), scene.reader.link);
    // The node goes on as the second identity, which it signs.
    scene.village.pass(60);
    let later = scene.presence(2, &key, scene.home(), 0);
    let record = scene.record(2, &later, 0);
    scene.push(&link, record);
    assert_eq!(scene.listed().map(|info| info.peer), Some(scene.village.peer(2)));
    // The first one says again what the node had signed for it, and then takes it back.
    scene.village.pass(60);
    let earlier = scene.presence(1, &key, scene.home(), 0);
    let since = later.since - Duration::from_secs(60);
    let device = earlier.device.clone();
    let earlier = Presence::sign(&scene.village.graph(), &key, device, scene.home(), ("".into(), since));
    let record = scene.record(1, &earlier, 0);
    scene.push(&link, record);
    assert!(scene.village.engines[0].current(&scene.id(1)).unwrap().is_some());
    assert_eq!(scene.listed().map(|info| info.peer), Some(scene.village.peer(2)));
    let header = Header { version: 3, deleted: true, expires: None, ..scene.header(1, key.node(), 50) };
    let gone = SignedRecord::sign(&scene.village.graph(), &scene.village.keys[1].clone(), header, b"");
    scene.push(&link, gone);
    assert_eq!(scene.listed().map(|info| info.peer), Some(scene.village.peer(2)));
}

/// One member has nodes without end (B5).
#[test]
fn b5_of_one_identity_sixteen_nodes_are_listed_whichever_presence_comes_first() {
    const MANY: u64 = 400;
    let mut lists = Vec::new();
    for backwards in [false, true] {
        let mut scene = Scene::new(71);
        let link = scene.reader.link;
        let honest = scene.listed();
        let mut numbers: Vec<u64> = (0..MANY).collect();
        if backwards {
            numbers.reverse();
        }
        let mut key = [5; 32];
        for number in numbers {
            key[..8].copy_from_slice(&number.to_le_bytes());
            let key = SecretKey::from_bytes(&key);
            let presence = scene.presence(2, &key, of(key.node(), evil()), 0);
            let record = scene.record(2, &presence, number);
            scene.push(&link, record);
        }
        let engine = &scene.village.engines[0];
        let theirs = |peer: PeerId| scene.village.peer(2) == peer;
        let listed: BTreeSet<NodeId> =
            engine.nodes().iter().filter(|info| theirs(info.peer)).map(|info| info.node).collect();
        assert_eq!(listed.len(), LISTED_OF_PEER);
        assert_eq!(scene.listed(), honest, "others are as they were");
        let contacts = engine.overlay.contacts().filter(|contact| contact.peer.is_some_and(theirs)).count();
        assert!(contacts <= CONTACTS_OF_PEER, "{contacts} contacts");
        lists.push(listed);
    }
    assert_eq!(lists[0], lists[1]);
    let mut key = [5; 32];
    for number in MANY - LISTED_OF_PEER as u64..MANY {
        key[..8].copy_from_slice(&number.to_le_bytes());
        assert!(lists[0].contains(&SecretKey::from_bytes(&key).node()), "the latest");
    }
}

#[test]
fn b5_a_presence_that_lives_longer_than_thirty_days_is_refused() {
    let mut scene = Scene::new(72);
    let link = scene.reader.link;
    let month = Duration::from_secs(30 * 24 * 3600);
    for (number, life, taken) in
        [(1, month, true), (2, month + Duration::from_millis(1), false), (3, 100 * month, false)]
    {
        let key = SecretKey::from_bytes(&[number; 32]);
        let presence = scene.presence(2, &key, of(key.node(), evil()), 0);
        let mut header = scene.header(2, key.node(), 0);
        header.expires = Some(header.hlc.timestamp() + life);
        let body = postcard::to_stdvec(&presence).unwrap();
        let signer = scene.village.keys[2].clone();
        let record = SignedRecord::sign(&scene.village.graph(), &signer, header, &body);
        let id = record.id();
        scene.push(&link, record);
        assert_eq!(scene.village.engines[0].current(&id).unwrap().is_some(), taken, "{life:?}");
    }
}
