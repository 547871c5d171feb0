//! What a joiner whose proof is not right hears of other nodes: nothing (A10).

use zeroize::Zeroizing;

use super::{
    joining::{ask_with, fresh, invite, link_by, outcome, prove},
    *,
};
use crate::{
    crypto::{PasswordProof, PasswordVerifier},
    engine::Removal,
    graph::Known,
    group::TriedBy,
    limits::MAX_ENDING_ACTS,
    time::Mono,
    wire::{JoinDenied, JoinMessage, Ping},
};

/// An owner with an inviter and a member as neighbors, whose nodes nobody outside may learn of.
struct Scene {
    village: Village,
    third: Vec<NodeId>,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut village = Village::new(seed, 4);
        assert!(village.grant(0, 1, Role::Inviter) && village.grant(0, 2, Role::Member));
        assert!(village.grant(0, 3, Role::Member));
        village.converge(seed);
        village.act(0, |engine, now| engine.listen(now)).unwrap();
        let mut third = Vec::new();
        for who in [1, 2] {
            let key = village.keys[who].clone();
            let caller = Caller::new(&mut village, key);
            let chain = vec![grant_of(&village, 0, who).0.bytes().clone()];
            let answer = caller.connect(&mut village, 0, Purpose::Neighbor, chain);
            assert!(matches!(answer, Some(Message::Welcome(_))), "{answer:?}");
            third.push(caller.node);
        }
        // The lowest node that was heard of, as its neighbors say.
        let low = NodeId::from_bytes([0; 32]);
        assert_eq!(village.engines[0].overlay.mark().node, low);
        third.push(low);
        assert!(village.engines[0].overlay.contacts().count() >= 2, "there is something to tell");
        Self { village, third }
    }

    /// Opens a link for joining; what was answered.
    fn connect(&mut self, identity: &SecretKey) -> (Caller, Vec<Message>) {
        let caller = Caller::new(&mut self.village, identity.clone());
        let welcome = caller.connect(&mut self.village, 0, Purpose::Join, Vec::new());
        assert!(matches!(welcome, Some(Message::Welcome(_))), "{welcome:?}");
        (caller, welcome.into_iter().collect())
    }

    /// Says this and a ping, and waits for the node to end the link; no byte of the answers names a third node.
    fn ask(&mut self, identity: &SecretKey, message: impl Fn(&Village, &Caller) -> Message) -> JoinDenied {
        let (caller, mut heard) = self.connect(identity);
        let message = message(&self.village, &caller);
        heard.extend(caller.say(&mut self.village, 0, &message));
        let reason = outcome(&heard).unwrap_err().expect("an answer");
        let mark = Mark { node: caller.node, beat: 1 };
        let ping = Message::Ping(Ping { seq: 1, peer_time: Timestamp(0), mark });
        heard.extend(caller.say(&mut self.village, 0, &ping));
        // Its own ping, and then the goodbye of a node that leaves.
        self.village.pass(2);
        self.village.act(0, |engine, now| engine.handle_timeout(now));
        heard.extend(caller.heard(&mut self.village.engines[0]));
        assert!(heard.iter().any(|said| matches!(said, Message::Ping(_))), "{heard:?}");
        self.is_silent_of_others(&heard);
        caller.hang_up(&mut self.village, 0);
        reason
    }

    fn is_silent_of_others(&self, heard: &[Message]) {
        for said in heard {
            let bytes = said.encode();
            let names = |node: &NodeId| bytes.windows(32).any(|part| part == node.as_bytes());
            assert!(!self.third.iter().any(names), "names a third node: {said:?}");
        }
    }
}

fn guess() -> Message {
    let (_, request) = PasswordProof::start(Zeroizing::new("a guess".into()), [4; 32]);
    Message::Join(Box::new(JoinMessage::Password { request: request.into(), name: String::new() }))
}

#[test]
fn a10_a_denied_joiner_learns_no_third_node_by_any_key_or_password() {
    let mut scene = Scene::new(0xa10);
    let (eve, random) = (fresh(&mut scene.village), fresh(&mut scene.village));
    // Keys: one of nobody; a good one without its signature; used up, expired, taken back.
    assert_eq!(scene.ask(&eve, |v, c| prove(v, c, &random)), JoinDenied::Unknown);
    let good = link_by(&mut scene.village, 0, 9);
    assert_eq!(scene.ask(&eve, |_, _| invite(good.peer(), good.peer(), [7; 64])), JoinDenied::WrongProof);
    let used = link_by(&mut scene.village, 0, 1);
    let friend = fresh(&mut scene.village);
    assert_eq!(ask_with(&mut scene.village, 0, &friend, &used), Ok(()));
    assert_eq!(scene.ask(&eve, |v, c| prove(v, c, &used)), JoinDenied::UsedUp);
    let back = link_by(&mut scene.village, 0, 9);
    scene.village.act(0, |engine, now| engine.revoke_invite(now, back.peer())).unwrap();
    assert_eq!(scene.ask(&eve, |v, c| prove(v, c, &back)), JoinDenied::Revoked);
    let soon = (Duration::from_secs(1), None);
    let late = fresh(&mut scene.village);
    scene.village.act(0, |e, now| e.invite(now, &late, Role::Member, 1, soon, Vec::new())).unwrap();
    scene.village.pass(5);
    assert_eq!(scene.ask(&eve, |v, c| prove(v, c, &late)), JoinDenied::Expired);
    // Passwords: none is set; one is, and the proof is wrong.
    assert_eq!(scene.ask(&eve, |_, _| guess()), JoinDenied::NoPassword);
    let verifier = PasswordVerifier::new("correct horse battery", scene.village.rng.random());
    scene.village.act(0, |e, now| e.set_password(now, Some(&verifier), Role::Member, None)).unwrap();
    let (caller, mut heard) = scene.connect(&eve);
    heard.extend(caller.say(&mut scene.village, 0, &guess()));
    let wrong = Message::Join(Box::new(JoinMessage::Proof(vec![7; 64].into())));
    heard.extend(caller.say(&mut scene.village, 0, &wrong));
    assert_eq!(outcome(&heard), Err(Some(JoinDenied::WrongProof)));
    // The node leaves while the denied one hangs on.
    scene.village.act(0, Engine::leave);
    heard.extend(caller.heard(&mut scene.village.engines[0]));
    assert!(heard.iter().any(|said| matches!(said, Message::Goodbye(_))), "{heard:?}");
    scene.is_silent_of_others(&heard);
}

#[test]
fn a10_a_removed_identity_learns_no_third_node_whatever_it_holds() {
    let mut scene = Scene::new(0xa101);
    let removed = scene.village.keys[3].clone();
    let chain = vec![grant_of(&scene.village, 0, 3).0.bytes().clone()];
    let linked = Caller::new(&mut scene.village, removed.clone());
    linked.connect(&mut scene.village, 0, Purpose::Neighbor, chain.clone());
    let peer = removed.peer();
    let good = link_by(&mut scene.village, 0, 9);
    let (other, week) = (scene.village.peer(1), (Duration::from_secs(86_400), None));
    let named = fresh(&mut scene.village);
    scene.village.act(0, |e, now| e.invite(now, &named, Role::Member, 1, week, vec![other])).unwrap();
    let verifier = PasswordVerifier::new("correct horse battery", scene.village.rng.random());
    scene.village.act(0, |e, now| e.set_password(now, Some(&verifier), Role::Member, None)).unwrap();
    scene.village.act(0, |engine, now| engine.remove(now, peer, "", Removal::default())).unwrap();
    // Its links end; the goodbye names nobody.
    let said = linked.heard(&mut scene.village.engines[0]);
    let goodbye = said.iter().find(|said| matches!(said, Message::Goodbye(_)));
    scene.is_silent_of_others(&[goodbye.expect("a goodbye").clone()]);
    assert_eq!(scene.ask(&removed, |v, c| prove(v, c, &good)), JoinDenied::Removed);
    // An admitter elsewhere would not let it in either, so it is not told of one.
    assert_eq!(scene.ask(&removed, |v, c| prove(v, c, &named)), JoinDenied::Removed);
    assert_eq!(scene.ask(&removed, |_, _| guess()), JoinDenied::Removed);
    // Nor by asking to be a neighbor again.
    let again = Caller::new(&mut scene.village, removed);
    let answer = again.connect(&mut scene.village, 0, Purpose::Neighbor, chain.clone());
    assert!(is_turned_away(answer.as_ref()), "{answer:?}");
    scene.is_silent_of_others(&answer.into_iter().collect::<Vec<_>>());
}

#[test]
fn m22_only_the_removed_identity_itself_hears_what_ended_its_membership() {
    let mut scene = Scene::new(0xa102);
    let (removed, eve) = (scene.village.keys[3].clone(), SecretKey::from_bytes(&[99; 32]));
    let chain = vec![grant_of(&scene.village, 0, 3).0.bytes().clone()];
    let peer = removed.peer();
    scene.village.act(0, |engine, now| engine.remove(now, peer, "", Removal::default())).unwrap();
    let told = |village: &mut Village, who: &SecretKey, claimed: PeerId| {
        let caller = Caller::new(village, who.clone());
        let device = DeviceCertificate { peer: claimed, ..caller.device() };
        match caller.connect_as(village, 0, Purpose::Neighbor, device, chain.clone()) {
            Some(Message::Refuse(refuse)) => refuse.acts,
            answer => panic!("{answer:?}"),
        }
    };
    let village = &mut scene.village;
    assert!(told(village, &eve, eve.peer()).is_empty(), "no member, ever");
    assert!(told(village, &eve, peer).is_empty(), "a certificate that the removed identity did not sign");
    let acts = told(village, &removed, peer);
    // W15: however often it asks, that is read once in a while.
    for _ in 0..9 {
        assert!(told(village, &removed, peer).is_empty());
        village.pass(1);
    }
    village.pass(1);
    assert_eq!(told(village, &removed, peer), acts);
    let read = acts
        .iter()
        .map(|bytes| SignedRecord::decode(&scene.village.graph(), bytes.clone(), 1 << 20).unwrap());
    let last = read.last().and_then(|record| Act::of(&record)).expect("an act");
    assert!(matches!(&last.body().content, Content::Remove(remove) if remove.subject == peer));
    assert!(acts.len() <= MAX_ENDING_ACTS);
}

/// Engine 3, a member, with the owner's real engine 0 to be dialled; and a joiner by password at engine 3.
struct Between {
    scene: Scene,
    joiner: Caller,
    owner: NodeId,
    heard: Vec<Message>,
    /// The link between the two engines, on either side.
    links: Option<[LinkId; 2]>,
}

impl Between {
    fn new(seed: u64) -> Self {
        let mut scene = Scene::new(seed);
        let verifier = PasswordVerifier::new("correct horse battery", scene.village.rng.random());
        scene.village.act(0, |e, now| e.set_password(now, Some(&verifier), Role::Member, None)).unwrap();
        scene.village.copy(0, 3);
        scene.village.act(3, |engine, now| engine.listen(now)).unwrap();
        let owner = scene.village.engines[0].device.node;
        let (addr, peer) = (NodeAddr::at(owner, ["127.0.0.1:7".parse().unwrap()]), scene.village.peer(0));
        scene.village.act(3, |e, now| e.overlay.add_contact(now, addr, Some(peer), Known::Link));
        scene.third.push(owner);
        let identity = fresh(&mut scene.village);
        let joiner = Caller::new(&mut scene.village, identity);
        let mut between = Self { scene, joiner, owner, heard: Vec::new(), links: None };
        let welcome = between.joiner.connect(&mut between.scene.village, 3, Purpose::Join, Vec::new());
        between.heard.extend(welcome);
        between
    }

    fn say(&mut self, message: &Message) {
        let link = self.joiner.link;
        let frame = Input::Frame { link, stream: message.stream(), bytes: message.encode() };
        self.scene.village.act(3, |engine, now| engine.handle_input(now, frame));
    }

    /// Carries what the two engines have to say to each other, and notes what the joiner hears. `reachable`: the owner
    /// answers a dial.
    fn carry(&mut self, reachable: bool) {
        loop {
            let mut idle = true;
            for at in [3, 0] {
                while let Some(output) = self.scene.village.engines[at].poll_output() {
                    idle = false;
                    self.carry_one(at, output, reachable);
                }
            }
            if idle {
                return;
            }
        }
    }

    fn carry_one(&mut self, at: usize, output: Output, reachable: bool) {
        let village = &mut self.scene.village;
        match output {
            Output::Dial { dial, addr } if addr.node == self.owner && reachable => {
                let exporter = village.rng.random();
                let links = [LinkId(7_003), LinkId(7_000)];
                let node = village.engines[3].device.node;
                let far = Input::LinkOpened { link: links[1], node, dial: None, source: None, exporter };
                let near = Input::LinkOpened {
                    link: links[0],
                    node: addr.node,
                    dial: Some(dial),
                    source: None,
                    exporter,
                };
                self.links = Some(links);
                village.act(0, |engine, now| engine.handle_input(now, far));
                village.act(3, |engine, now| engine.handle_input(now, near));
            }
            Output::Dial { dial, .. } => {
                let failed = Input::DialFailed { dial, why: crate::link::FailureReason::Unreachable };
                village.act(at, |engine, now| engine.handle_input(now, failed));
            }
            Output::Send { link, frame, .. } if at == 3 && link == self.joiner.link => {
                self.heard.push(Message::decode(&frame).unwrap());
            }
            Output::Send { link, stream, frame, .. } => {
                let Some([near, far]) = self.links else { return };
                let (to, there) = if (at, link) == (3, near) { (0, far) } else { (3, near) };
                if link == near || link == far {
                    let frame = Input::Frame { link: there, stream, bytes: frame };
                    village.act(to, |engine, now| engine.handle_input(now, frame));
                }
            }
            _ => {}
        }
    }

    /// The joiner's whole exchange, over a context that it chooses.
    fn prove(&mut self, password: &str, context: &[u8]) -> Result<(), Option<JoinDenied>> {
        let (proof, request) = PasswordProof::start(Zeroizing::new(password.into()), [4; 32]);
        let first = JoinMessage::Password { request: request.into(), name: "Fay".into() };
        self.say(&Message::Join(Box::new(first)));
        self.carry(true);
        let challenge = self.heard.iter().find_map(|said| match said {
            Message::Join(join) => match &**join {
                JoinMessage::Challenge(bytes) => Some(bytes.clone()),
                _ => None,
            },
            _ => None,
        });
        let Some(challenge) = challenge else { return outcome(&self.heard) };
        let last = proof.finish(&challenge, context, [5; 32]).unwrap_or_else(|_| vec![7; 64]);
        self.say(&Message::Join(Box::new(JoinMessage::Proof(last.into()))));
        self.carry(true);
        outcome(&self.heard)
    }

    /// What an honest joiner proves.
    fn context(&self) -> Vec<u8> {
        let reached = self.scene.village.engines[3].device.node;
        self.context_with(self.joiner.identity.peer(), self.joiner.node, reached, &self.joiner.exporter)
    }

    fn context_with(&self, peer: PeerId, node: NodeId, reached: NodeId, exporter: &[u8; 32]) -> Vec<u8> {
        let graph = self.scene.village.graph();
        [graph.as_bytes(), peer.as_bytes(), node.as_bytes(), reached.as_bytes(), &exporter[..]].concat()
    }
}

#[test]
fn a10_m10_a_password_is_proven_through_a_member_and_no_third_node_is_told() {
    let mut between = Between::new(0xa105);
    let context = between.context();
    assert_eq!(between.prove("correct horse battery", &context), Ok(()));
    between.scene.is_silent_of_others(&between.heard);
    let now = between.scene.village.now();
    let (peer, engine) = (between.joiner.identity.peer(), &between.scene.village.engines[0]);
    let standing = engine.membership().unwrap().member(peer, engine.peer_time(now));
    assert_eq!(standing.map(|standing| standing.role), Some(Role::Member));
    let joins = &between.scene.village.engines[3].group.joins;
    assert!(joins.relays.is_empty(), "nothing is left of it");
}

#[test]
fn w15_who_asks_again_or_breaks_off_leaves_no_relay_and_no_link_behind() {
    let mut between = Between::new(0xa115);
    let (_, request) = PasswordProof::start(Zeroizing::new("a guess".into()), [4; 32]);
    let asks = JoinMessage::Password { request: request.into(), name: "Fay".into() };
    let asks = Message::Join(Box::new(asks));
    let relays = |between: &Between| between.scene.village.engines[3].group.joins.relays.len();
    let reached =
        |between: &Between| between.scene.village.engines[3].overlay.peer_of(LinkId(7_003)).is_some();
    between.say(&asks);
    between.carry(true);
    assert_eq!((relays(&between), reached(&between)), (1, true));
    // Once more on the same link: the first one is over on both sides.
    between.scene.village.pass(60);
    between.say(&asks);
    assert_eq!((relays(&between), reached(&between)), (1, false));
    between.carry(true);
    assert_eq!((relays(&between), reached(&between)), (1, true));
    // Something that is no word of a joiner: this side closes the link, and nobody reports that.
    let nonsense = JoinMessage::Denied { reason: JoinDenied::NotAdmitter, referrals: Vec::new() };
    between.say(&Message::Join(Box::new(nonsense)));
    assert_eq!((relays(&between), reached(&between)), (0, false));
}

#[test]
fn a10_a_wrong_password_or_another_context_proves_nothing_through_a_member() {
    let others: [fn(&Between) -> Vec<u8>; 5] = [
        Between::context,
        |b| {
            b.context_with(
                b.scene.village.peer(3),
                b.joiner.node,
                b.scene.village.engines[3].device.node,
                &b.joiner.exporter,
            )
        },
        |b| {
            b.context_with(
                b.joiner.identity.peer(),
                b.owner,
                b.scene.village.engines[3].device.node,
                &b.joiner.exporter,
            )
        },
        |b| b.context_with(b.joiner.identity.peer(), b.joiner.node, b.owner, &b.joiner.exporter),
        |b| {
            b.context_with(
                b.joiner.identity.peer(),
                b.joiner.node,
                b.scene.village.engines[3].device.node,
                &[7; 32],
            )
        },
    ];
    for (number, context) in others.into_iter().enumerate() {
        let mut between = Between::new(0xa106 + number as u64);
        let context = context(&between);
        let password = if number == 0 { "a guess" } else { "correct horse battery" };
        assert_eq!(between.prove(password, &context), Err(Some(JoinDenied::WrongProof)), "{number}");
        between.scene.is_silent_of_others(&between.heard);
        let tries = (0..3).map(|_| {
            between.scene.village.engines[3].group.throttle.begin(Mono(0), TriedBy::Node(between.joiner.node))
        });
        assert!(tries.last().unwrap().is_err(), "it counts for the member as well");
    }
}

#[test]
fn a10_a_member_that_reaches_no_admitter_says_so_and_refers_nobody() {
    let mut between = Between::new(0xa10b);
    between.say(&guess());
    between.carry(false);
    assert_eq!(outcome(&between.heard), Err(Some(JoinDenied::NotAdmitter)));
    between.scene.is_silent_of_others(&between.heard);
    // The removed are not even asked for.
    let removed = between.joiner.identity.peer();
    between.scene.village.act(0, |e, now| e.grant(now, removed, "", Role::Member, None)).unwrap();
    between.scene.village.act(0, |e, now| e.remove(now, removed, "", Removal::default())).unwrap();
    between.scene.village.copy(0, 3);
    between.heard.clear();
    between.say(&guess());
    between.carry(true);
    assert_eq!(outcome(&between.heard), Err(Some(JoinDenied::Removed)));
    assert!(between.links.is_none());
}

#[test]
fn a10_who_is_no_member_speaks_for_nobody_and_a_joiner_must_be_certified() {
    let mut scene = Scene::new(0xa10c);
    let verifier = PasswordVerifier::new("correct horse battery", scene.village.rng.random());
    scene.village.act(0, |e, now| e.set_password(now, Some(&verifier), Role::Member, None)).unwrap();
    let (eve, joiner) = (fresh(&mut scene.village), fresh(&mut scene.village));
    let member = scene.village.keys[3].clone();
    let node = SecretKey::from_bytes(&[3; 32]).node();
    let good = DeviceCertificate::issue(&joiner, node);
    let forged = DeviceCertificate { peer: eve.peer(), ..good.clone() };
    for (by, device, heard_out) in [(&eve, &good, false), (&member, &forged, false), (&member, &good, true)] {
        let (caller, _) = scene.connect(by);
        let (_, request) = PasswordProof::start(Zeroizing::new("a guess".into()), [4; 32]);
        let (device, request) = (device.clone(), request.into());
        let relayed = JoinMessage::Relayed { device, exporter: [1; 32], request, name: String::new() };
        let heard = caller.say(&mut scene.village, 0, &Message::Join(Box::new(relayed)));
        let challenged = heard
            .iter()
            .any(|said| matches!(said, Message::Join(join) if matches!(**join, JoinMessage::Challenge(_))));
        assert_eq!(challenged, heard_out, "{heard:?}");
        scene.is_silent_of_others(&heard);
        scene.village.pass(60);
    }
}

#[test]
fn a10_a_right_proof_at_a_node_that_may_not_admit_is_referred_to_one_that_may() {
    let mut scene = Scene::new(0xa103);
    let (other, week) = (scene.village.peer(1), (Duration::from_secs(86_400), None));
    let key = fresh(&mut scene.village);
    scene.village.act(0, |e, now| e.invite(now, &key, Role::Member, 1, week, vec![other])).unwrap();
    let joiner = fresh(&mut scene.village);
    let (caller, mut heard) = scene.connect(&joiner);
    let message = prove(&scene.village, &caller, &key);
    heard.extend(caller.say(&mut scene.village, 0, &message));
    let referred = heard.iter().find_map(|said| match said {
        Message::Join(join) => match &**join {
            JoinMessage::Denied { reason: JoinDenied::NotAdmitter, referrals } => Some(referrals.clone()),
            _ => None,
        },
        _ => None,
    });
    let nodes: Vec<NodeId> = referred.expect("a referral").iter().map(|addr| addr.node).collect();
    assert_eq!(nodes, [scene.third[0]], "the one who is named, and nobody else");
}
