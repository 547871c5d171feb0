//! A neighbor that asks and never reads: what is kept for it is bounded, and it is parted with.

use super::*;
use crate::{
    io::frame_cost,
    limits::{CONTROL_WAITING, LINK_WINDOW, OUTBOX_PACE, OUTBOX_STUCK},
    record::{RecordDraft, RecordKey},
    wire::{Ping, SyncMessage},
};

/// Of everything, records apart: the windows of three streams, each with one frame beyond, what waits, and small sets.
const MOST: usize = 3 * (LINK_WINDOW + 160 * 1024) + CONTROL_WAITING + 512 * 1024;

/// A creator and a neighbor whose outputs nobody takes.
struct Scene {
    village: Village,
    caller: Caller,
    /// What the network was given for the caller and has not written: stream, cost, whether it is to be told.
    given: Vec<(Stream, usize, bool)>,
    messages: Vec<Message>,
    closed: bool,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut village = Village::new(seed, 2);
        assert!(village.grant(0, 1, Role::Member));
        village.converge(seed);
        village.act(0, |engine, now| engine.listen(now)).unwrap();
        let identity = village.keys[1].clone();
        let caller = Caller::new(&mut village, identity);
        let chain = vec![grant_of(&village, 0, 1).0.bytes().clone()];
        let answer = caller.connect(&mut village, 0, Purpose::Neighbor, chain);
        assert!(matches!(answer, Some(Message::Welcome(_))), "{answer:?}");
        let mut scene = Self { village, caller, given: Vec::new(), messages: Vec::new(), closed: false };
        scene.take();
        // What was sent while it connected was read, and is in no list here.
        scene.given.clear();
        for stream in [Stream::Control, Stream::Records, Stream::Bulk] {
            let written = Input::Written { link: scene.caller.link, stream, bytes: usize::MAX };
            scene.village.act(0, |engine, now| engine.handle_input(now, written));
        }
        scene.take();
        scene
    }

    fn take(&mut self) {
        while let Some(output) = self.village.engines[0].poll_output() {
            match output {
                Output::Send { link, stream, frame, confirm } if link == self.caller.link => {
                    self.given.push((stream, frame_cost(&frame), confirm));
                    self.messages.push(Message::decode(&frame).unwrap());
                }
                Output::Close { link, .. } if link == self.caller.link => self.closed = true,
                _ => {}
            }
        }
    }

    /// Says something; nothing of the answer is read.
    fn say(&mut self, message: &Message) {
        let frame =
            Input::Frame { link: self.caller.link, stream: message.stream(), bytes: message.encode() };
        self.village.act(0, |engine, now| engine.handle_input(now, frame));
        self.take();
    }

    /// Bytes that are kept for the caller, by the count of the network and by that of the engine.
    fn held(&self) -> usize {
        let given: usize = self.given.iter().map(|(_, cost, _)| cost).sum();
        given.max(self.village.engines[0].overlay.held_for_one())
    }

    /// The caller reads what is under way.
    fn read(&mut self) {
        for stream in [Stream::Control, Stream::Records, Stream::Bulk] {
            let told = self.given.iter().rposition(|(of, _, told)| *of == stream && *told);
            let Some(told) = told else { continue };
            let mut bytes = 0;
            let mut at = 0;
            self.given.retain(|(of, cost, _)| {
                let written = *of == stream && at <= told;
                bytes += if written { *cost } else { 0 };
                at += 1;
                !written
            });
            let written = Input::Written { link: self.caller.link, stream, bytes };
            self.village.act(0, |engine, now| engine.handle_input(now, written));
        }
        self.take();
    }

    fn publish(&mut self, len: usize) -> SignedRecord {
        let draft = RecordDraft::new("test.note", vec![7; len]).unwrap();
        let record = self.village.act(0, |engine, now| engine.publish(now, draft)).unwrap();
        self.take();
        self.village.engines[0].store.get(&record.id).unwrap().unwrap()
    }

    fn ping(&self, seq: u32) -> Message {
        let peer_time = self.village.now().wall;
        Message::Ping(Ping { seq, peer_time, mark: Mark { node: NodeId::from_bytes([255; 32]), beat: 1 } })
    }

    fn pongs(&self) -> Vec<u32> {
        let seq = |message: &Message| match message {
            Message::Pong(pong) => Some(pong.seq),
            _ => None,
        };
        self.messages.iter().filter_map(seq).collect()
    }
}

#[test]
fn b2_pings_whose_answers_nobody_reads_cost_one_window_and_the_newest_is_answered() {
    let mut scene = Scene::new(0xb21);
    for seq in 0..20_000 {
        scene.say(&scene.ping(seq));
    }
    assert!(scene.held() <= LINK_WINDOW + 1024, "{} bytes", scene.held());
    assert!(scene.held() > LINK_WINDOW / 2, "{} bytes", scene.held());
    scene.read();
    assert_eq!(scene.pongs().last(), Some(&19_999));
    assert!(scene.pongs().len() < 4000, "{} pongs", scene.pongs().len());
}

#[test]
fn b2_one_large_record_asked_for_2000_times_is_kept_once() {
    let mut scene = Scene::new(0xb22);
    let record = scene.publish(900_000);
    scene.read();
    let before = scene.messages.len();
    for _ in 0..20 {
        scene.say(&Message::Graft { origin: 1, keys: vec![record.key(); 2000] });
    }
    assert!(scene.held() <= MOST + 1_000_000, "{} bytes", scene.held());
    let copies = |scene: &Scene| {
        scene.messages[before..].iter().filter(|message| matches!(message, Message::Records { .. })).count()
    };
    assert_eq!(copies(&scene), 1);
    // It asked again meanwhile, and has the record once more when there is room.
    (0..10).for_each(|_| scene.read());
    assert_eq!(copies(&scene), 2);
}

#[test]
fn b2_all_that_was_asked_for_comes_as_it_is_read() {
    let mut scene = Scene::new(0xb23);
    let records: Vec<SignedRecord> = (0..300).map(|_| scene.publish(20_000)).collect();
    (0..100).for_each(|_| scene.read());
    let before = scene.messages.len();
    let keys: Vec<RecordKey> = records.iter().map(SignedRecord::key).collect();
    scene.say(&Message::Graft { origin: 1, keys });
    assert!(scene.held() <= MOST, "{} bytes", scene.held());
    let mut reads = 0;
    let came = |scene: &Scene| {
        let of =
            |message: &Message| if let Message::Push { records, .. } = message { records.len() } else { 0 };
        scene.messages[before..].iter().map(of).sum::<usize>()
    };
    while came(&scene) < 300 {
        reads += 1;
        assert!(reads < 200, "{} came", came(&scene));
        scene.read();
        scene.village.act(0, |engine, now| engine.handle_timeout(now));
        scene.take();
        assert!(scene.held() <= MOST, "{} bytes", scene.held());
    }
    assert_eq!(came(&scene), 300);
}

#[test]
fn b4_an_old_version_again_and_again_costs_the_new_one_once() {
    let mut scene = Scene::new(0xb4);
    let draft = RecordDraft::new("test.note", b"small".to_vec()).unwrap();
    let id = scene.village.act(0, |engine, now| engine.publish(now, draft)).unwrap().id;
    let old = scene.village.engines[0].store.get(&id).unwrap().unwrap();
    let update = crate::record::RecordUpdate { body: Some(vec![1; 900_000].into()), ..Default::default() };
    scene.village.act(0, |engine, now| engine.update(now, &id, update)).unwrap();
    scene.take();
    scene.read();
    for _ in 0..500 {
        scene.say(&Message::Push { origin: 1, records: vec![old.bytes().clone()] });
    }
    assert!(scene.held() <= MOST + 1_000_000, "{} bytes", scene.held());
}

#[test]
fn b3_sessions_whose_answers_nobody_reads_are_not_served_beyond_a_bound() {
    let mut scene = Scene::new(0xb3);
    for _ in 0..100 {
        scene.publish(10);
    }
    scene.read();
    for session in 0..6_000 {
        let digest = crate::wire::Digest { count: 1, hash: [7; 16] };
        let fresh = crate::wire::Freshness { synced: Timestamp(0), collected: Timestamp(0) };
        scene.say(&Message::Sync(SyncMessage::Open { session, digest, types: Vec::new(), fresh }));
    }
    assert!(scene.held() <= MOST, "{} bytes", scene.held());
    assert!(scene.held() > LINK_WINDOW / 2, "{} bytes", scene.held());
}

#[test]
fn b2_who_reads_nothing_is_parted_with_and_who_reads_slowly_is_not() {
    for slow in [false, true] {
        let mut scene = Scene::new(0xb25);
        for seq in 0..5000 {
            scene.say(&scene.ping(seq));
        }
        let patience = OUTBOX_STUCK.as_secs() + (LINK_WINDOW / OUTBOX_PACE) as u64;
        for second in 0..3 * patience {
            scene.village.pass(1);
            // It lives, and says so.
            scene.say(&scene.ping(5000 + u32::try_from(second).unwrap()));
            scene.village.act(0, |engine, now| engine.handle_timeout(now));
            scene.take();
            // Whatever is under way moves before the deadline, as little as that may be.
            if slow && second % (OUTBOX_STUCK.as_secs() - 5) == 0 {
                scene.read();
            }
            assert!(!scene.closed || second >= OUTBOX_STUCK.as_secs(), "after {second} s");
            assert!(scene.held() <= MOST, "{} bytes", scene.held());
        }
        assert_eq!(scene.closed, !slow);
    }
}
