//! Nodes that do not keep to the rules: each ends within bounds.

use super::{
    store::TestStore,
    world::{POOL, World},
};
use crate::{
    ids::{ElementId, LinkId},
    limits::{
        FETCH_PATIENCE, FETCH_WINDOW, MAX_ARRIVING_PATIENCE, MAX_AWAITED, MAX_PULLS, MAX_SYNC_ROUNDS,
        PULL_WINDOW, SYNC_LEAF, SYNC_TIMEOUT,
    },
    record::RecordKey,
    records::sync::{SyncAbort, SyncConfig, SyncFault, SyncOutcome, SyncOutput, Syncs},
    time::{Hlc, Now},
    wire::{Digest, Filter, Freshness, Range, RangeState, SyncMessage},
};

pub(super) const LINK: LinkId = LinkId(1);
pub(super) const SESSION: u32 = 77;
pub(super) const LIE: Digest = Digest { count: u64::MAX, hash: [9; 16] };

/// A node, and what it said to a liar who writes its messages by hand.
pub(super) struct Victim {
    pub(super) syncs: Syncs,
    pub(super) store: TestStore,
    pub(super) now: Now,
    pub(super) said: Vec<SyncMessage>,
    frames: usize,
    pub(super) outcome: Option<SyncOutcome>,
}

impl Victim {
    /// A liar opened a session.
    pub(super) fn with(records: usize) -> Self {
        let mut victim = Self {
            syncs: Syncs::new(SyncConfig::default()),
            store: TestStore::of(POOL[..records].iter().cloned()),
            now: Now::default(),
            said: Vec::new(),
            frames: 0,
            outcome: None,
        };
        victim
            .hear(SyncMessage::Open {
                session: SESSION,
                digest: LIE,
                types: Vec::new(),
                fresh: Freshness::default(),
            })
            .unwrap();
        assert!(matches!(victim.said[0], SyncMessage::Compared { equal: false, .. }));
        victim
    }

    fn hear(&mut self, message: SyncMessage) -> Result<(), SyncFault> {
        let heard = self.syncs.handle(self.now, LINK, message, &self.store);
        self.syncs.bulk_room(self.now, LINK, 1 << 20, &self.store).unwrap();
        self.drain();
        heard
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.syncs.poll_output() {
            match output {
                SyncOutput::Send { message, .. } => self.said.push(message),
                SyncOutput::SendRecords { records, .. } => self.frames += records.len(),
                SyncOutput::Finished { outcome, .. } => self.outcome = Some(outcome),
                SyncOutput::TypeDone { .. } | SyncOutput::Withheld { .. } => {}
            }
        }
    }

    /// How many messages of the exchange it sent.
    fn exchanged(&self) -> u32 {
        let counts = |m: &&SyncMessage| matches!(m, SyncMessage::Ranges { .. } | SyncMessage::Have { .. });
        self.said.iter().filter(counts).count() as u32
    }

    pub(super) fn ranges(&mut self, ranges: Vec<Range>) -> Result<(), SyncFault> {
        let seen = self.exchanged();
        let filter = Filter::All;
        self.hear(SyncMessage::Ranges {
            session: SESSION,
            initiator: true,
            seen,
            idle: false,
            filter,
            ranges,
        })
    }

    fn have(&mut self, keys: Vec<RecordKey>) -> Result<(), SyncFault> {
        let seen = self.exchanged();
        self.hear(SyncMessage::Have { session: SESSION, initiator: true, seen, idle: false, keys })
    }

    fn pull(&mut self, request: u32, from: RecordKey, max_bytes: u32) -> Result<(), SyncFault> {
        let filter = Filter::All;
        let pull = SyncMessage::Pull {
            session: SESSION,
            initiator: true,
            request,
            filter,
            from,
            to: None,
            max_bytes,
        };
        self.hear(pull)
    }

    /// The numbers of its requests.
    pub(super) fn requests(&self) -> Vec<u32> {
        let number = |message: &SyncMessage| match message {
            SyncMessage::Fetch { request, .. } | SyncMessage::Pull { request, .. } => Some(*request),
            _ => None,
        };
        self.said.iter().filter_map(number).collect()
    }

    pub(super) fn sent(
        &mut self,
        request: u32,
        records: u32,
        next: Option<RecordKey>,
    ) -> Result<(), SyncFault> {
        self.hear(SyncMessage::Sent { session: SESSION, initiator: true, request, records, next })
    }
}

fn no_such_key(number: u64) -> RecordKey {
    RecordKey { hlc: Hlc((1 << 60) + number), element: ElementId::from_bytes([1; 16]) }
}

pub(super) fn whole(state: RangeState) -> Vec<Range> {
    vec![Range { to: None, state }]
}

#[test]
fn s18_ranges_that_never_narrow_end() {
    let mut victim = Victim::with(1000);
    let mut heard = 0;
    while victim.outcome.is_none() {
        victim.ranges(whole(RangeState::Fingerprint(LIE))).unwrap();
        heard += 1;
        assert!(heard <= MAX_SYNC_ROUNDS + 1);
    }
    assert_eq!(victim.outcome, Some(SyncOutcome::Aborted(SyncAbort::TooMuch)));
    assert!(victim.said.len() <= 3 * MAX_SYNC_ROUNDS as usize);
    assert!(matches!(victim.said.last(), Some(SyncMessage::Abort { .. })));
    assert_eq!(victim.syncs.poll_timeout(), None);
}

#[test]
fn s18_endless_ranges_and_no_acknowledgement_end() {
    let mut victim = Victim::with(1000);
    let mut heard = 0;
    while victim.outcome.is_none() {
        // Nothing was seen, says the liar: what is to be sent piles up, but not for ever.
        let ask = whole(RangeState::Fingerprint(LIE));
        let (session, filter) = (SESSION, Filter::All);
        let message =
            SyncMessage::Ranges { session, initiator: true, seen: 0, idle: false, filter, ranges: ask };
        victim.hear(message).unwrap();
        heard += 1;
        assert!(heard <= MAX_SYNC_ROUNDS + 1);
    }
    assert!(victim.exchanged() <= crate::limits::SYNC_PIPELINE);
}

#[test]
fn s18_wrong_counts_cost_one_request() {
    let mut victim = Victim::with(0);
    victim.ranges(whole(RangeState::Fingerprint(LIE))).unwrap();
    let requests = victim.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(victim.syncs.progress()[0].expected, u64::MAX);
    victim.sent(requests[0], 0, None).unwrap();
    // It has nothing more to ask; the liar may end the session.
    assert!(matches!(victim.said.last(), Some(SyncMessage::Status { idle: true, .. })));
    victim.hear(SyncMessage::Done { session: SESSION }).unwrap();
    assert_eq!(victim.outcome, Some(SyncOutcome::Reconciled { received: 0, sent_keys: 0 }));
}

#[test]
fn s18_an_early_end_is_no_success() {
    let mut victim = Victim::with(0);
    victim.ranges(whole(RangeState::Fingerprint(LIE))).unwrap();
    victim.hear(SyncMessage::Done { session: SESSION }).unwrap();
    assert_eq!(victim.outcome, Some(SyncOutcome::Aborted(SyncAbort::ByPeer)));
}

#[test]
fn s18_keys_never_delivered_end_in_time_and_in_bounds() {
    let mut victim = Victim::with(10);
    for round in 0.. {
        let keys = (0..FETCH_WINDOW as u64).map(|i| no_such_key(round * 10_000 + i)).collect();
        victim.have(keys).unwrap();
        if victim.outcome.is_some() {
            break;
        }
        // Whatever it hears of, it asks for no more than its window.
        assert_eq!(victim.requests().len(), 1);
        assert!(round <= u64::from(MAX_SYNC_ROUNDS));
    }
    assert_eq!(victim.outcome, Some(SyncOutcome::Aborted(SyncAbort::TooMuch)));

    let mut victim = Victim::with(10);
    victim.have(vec![no_such_key(1)]).unwrap();
    let due = victim.syncs.poll_timeout().unwrap();
    assert_eq!(due, victim.now.mono + SYNC_TIMEOUT);
    victim.sent(victim.requests()[0], 1, None).unwrap();
    victim.now.mono = due;
    victim.syncs.handle_timeout(victim.now);
    victim.drain();
    assert_eq!(victim.outcome, Some(SyncOutcome::Aborted(SyncAbort::TimedOut)));
}

#[test]
fn s18_keys_that_are_gone_are_given_up() {
    let mut victim = Victim::with(10);
    victim.have((0..5).map(no_such_key).collect()).unwrap();
    victim.sent(victim.requests()[0], 0, None).unwrap();
    assert!(matches!(victim.said.last(), Some(SyncMessage::Status { idle: true, .. })));
}

#[test]
fn s18_asking_again_and_again_ends() {
    let mut victim = Victim::with(2000);
    for request in 0.. {
        victim.pull(request, RecordKey::MIN, PULL_WINDOW as u32).unwrap();
        if victim.outcome.is_some() {
            break;
        }
    }
    assert_eq!(victim.outcome, Some(SyncOutcome::Aborted(SyncAbort::TooMuch)));
    assert!(victim.frames <= 2 * 2000 + 4096 + 2000, "{}", victim.frames);

    let mut victim = Victim::with(10);
    for request in 0.. {
        victim.pull(request, no_such_key(0), 1).unwrap();
        if victim.outcome.is_some() {
            assert!(request <= MAX_SYNC_ROUNDS);
            break;
        }
    }
    assert_eq!(victim.frames, 0);
}

#[test]
fn s18_more_requests_than_the_window_break_the_protocol() {
    let mut syncs = Victim::with(5);
    // Without room nothing is answered, and requests wait.
    let mut faults = 0;
    for request in 0..=MAX_PULLS as u32 {
        let pull = SyncMessage::Pull {
            session: SESSION,
            initiator: true,
            request,
            filter: Filter::All,
            from: RecordKey::MIN,
            to: None,
            max_bytes: 1,
        };
        faults += u32::from(syncs.syncs.handle(syncs.now, LINK, pull, &syncs.store).is_err());
    }
    assert_eq!(faults, 1);
}

#[test]
fn s18_contradictions_break_the_protocol() {
    let seen = |victim: &mut Victim| {
        let (session, initiator) = (SESSION, true);
        victim.hear(SyncMessage::Status { session, initiator, seen: 99, idle: true })
    };
    assert!(matches!(seen(&mut Victim::with(1)), Err(SyncFault::Protocol(_))));

    // A pull that goes on where it began.
    let mut victim = Victim::with(0);
    victim.ranges(whole(RangeState::Fingerprint(LIE))).unwrap();
    let request = victim.requests()[0];
    assert!(victim.sent(request, 3, Some(RecordKey::MIN)).is_err());

    // A phase that was not announced.
    let mut victim = Victim::with(1);
    let filter = Filter::Only(crate::record::RecordType::presence());
    let (session, initiator) = (SESSION, true);
    let ranges = whole(RangeState::Ask);
    let message = SyncMessage::Ranges { session, initiator, seen: 0, idle: false, filter, ranges };
    assert!(victim.hear(message).is_err());

    // An answer about types that were not asked about.
    let mut syncs = Syncs::new(SyncConfig::default());
    let store = TestStore::of([]);
    syncs.open(Now::default(), LINK, &store).unwrap();
    let answer = SyncMessage::Compared {
        session: 1,
        equal: false,
        differing: vec![7],
        count: 0,
        fresh: Freshness::default(),
    };
    assert!(matches!(syncs.handle(Now::default(), LINK, answer, &store), Err(SyncFault::Protocol(_))));
}

#[test]
fn s18_listing_few_keys_of_many_is_answered_in_bounds() {
    let mut victim = Victim::with(20_000);
    let keys = (0..SYNC_LEAF as u64).map(no_such_key).collect();
    victim.ranges(whole(RangeState::Keys(keys))).unwrap();
    assert!(victim.exchanged() <= 3);
    assert_eq!(victim.requests().len(), 1);
}

#[test]
fn s18_a_stranger_session_is_refused_and_an_abort_never_answered() {
    let mut victim = Victim::with(1);
    victim.said.clear();
    victim.hear(SyncMessage::Status { session: 1, initiator: false, seen: 0, idle: false }).unwrap();
    assert_eq!(victim.said, [SyncMessage::Abort { session: 1, initiator: true }]);
    victim.hear(SyncMessage::Abort { session: 5, initiator: true }).unwrap();
    assert_eq!(victim.said.len(), 1);
}

#[test]
fn c7_a_session_waits_as_long_as_a_large_record_arrives_and_no_longer() {
    let mut victim = Victim::with(10);
    victim.have(vec![no_such_key(1)]).unwrap();
    let status = |victim: &Victim| {
        victim.said.iter().filter(|said| matches!(said, SyncMessage::Status { .. })).count()
    };
    let before = status(&victim);
    for _ in 0..20 {
        victim.now.mono = victim.now.mono + SYNC_TIMEOUT / 2;
        assert!(victim.syncs.arriving(victim.now, LINK), "it waits for a record");
        victim.syncs.handle_timeout(victim.now);
        victim.drain();
        assert_eq!(victim.outcome, None);
    }
    assert_eq!(status(&victim), before + 20, "the other side hears that it is awaited");
    victim.now.mono = victim.now.mono + SYNC_TIMEOUT;
    victim.syncs.handle_timeout(victim.now);
    victim.drain();
    assert_eq!(victim.outcome, Some(SyncOutcome::Aborted(SyncAbort::TimedOut)));
    assert!(!victim.syncs.arriving(victim.now, LINK), "nobody waits any more");
}

#[test]
fn c7_a_session_waits_for_a_large_record_that_arrives_on_another_link() {
    let (other, pulls) = (LinkId(2), |victim: &Victim| {
        victim.said.iter().filter(|said| matches!(said, SyncMessage::Pull { .. })).count()
    });
    let mut victim = Victim::with(0);
    let many = || whole(RangeState::Fingerprint(Digest { count: 10, hash: [9; 16] }));
    victim.ranges(many()).unwrap();
    assert_eq!(pulls(&victim), 1, "{:?}", victim.said);
    // The second neighbor has the same records, and is not asked for them.
    let open = SyncMessage::Open { session: 78, digest: LIE, types: Vec::new(), fresh: Freshness::default() };
    let ranges = SyncMessage::Ranges {
        session: 78,
        initiator: true,
        seen: 0,
        idle: false,
        filter: Filter::All,
        ranges: many(),
    };
    for message in [open, ranges] {
        victim.syncs.handle(victim.now, other, message, &victim.store).unwrap();
        victim.drain();
    }
    assert_eq!(pulls(&victim), 1, "asked for once: {:?}", victim.said);
    let before = statuses_of(&victim, 78);
    let steps = MAX_ARRIVING_PATIENCE.as_secs() / FETCH_PATIENCE.as_secs() - 1;
    for _ in 0..steps {
        victim.now.mono = victim.now.mono + FETCH_PATIENCE;
        assert!(victim.syncs.arriving(victim.now, LINK));
        victim.syncs.handle_timeout(victim.now);
        victim.drain();
        assert_eq!(victim.outcome, None, "neither session gave up");
        assert_eq!(pulls(&victim), 1, "asked for once");
    }
    assert_eq!(
        statuses_of(&victim, 78),
        before + steps as usize,
        "the second neighbor hears that it is awaited"
    );
    // One that takes longer may be somebody who sends one byte after the other.
    victim.now.mono = victim.now.mono + FETCH_PATIENCE;
    assert!(victim.syncs.arriving(victim.now, LINK));
    victim.syncs.handle_timeout(victim.now);
    victim.drain();
    let asks = |said: &&SyncMessage| matches!(said, SyncMessage::Ranges { session: 78, .. });
    assert!(victim.said.iter().any(|said| asks(&said)), "what else is missing comes from the second");
    // On a link without a session nobody waits.
    assert!(!victim.syncs.arriving(victim.now, LinkId(3)));
    victim.now.mono = victim.now.mono + SYNC_TIMEOUT;
    victim.syncs.handle_timeout(victim.now);
    victim.drain();
    assert_eq!(victim.outcome, Some(SyncOutcome::Aborted(SyncAbort::TimedOut)));
}

fn statuses_of(victim: &Victim, number: u32) -> usize {
    let told =
        |said: &&SyncMessage| matches!(said, SyncMessage::Status { session, .. } if *session == number);
    victim.said.iter().filter(told).count()
}

#[test]
fn c7_who_was_sent_something_may_wait_for_it_within_bounds() {
    for served in [false, true] {
        let mut victim = Victim::with(10);
        if served {
            victim.pull(1, RecordKey::MIN, 1 << 20).unwrap();
            assert!(victim.frames > 0);
        }
        let mut waits = 0;
        while victim.outcome.is_none() {
            victim.now.mono = victim.now.mono + SYNC_TIMEOUT / 2;
            let seen = victim.exchanged();
            let status = SyncMessage::Status { session: SESSION, initiator: true, seen, idle: false };
            victim.hear(status).unwrap();
            victim.syncs.handle_timeout(victim.now);
            victim.drain();
            waits += 1;
            assert!(waits < 1000, "it waits for ever");
        }
        // The last word is honoured for the whole time, which is two of these steps.
        assert_eq!(waits, if served { MAX_AWAITED + 2 } else { 2 }, "served: {served}");
    }
}

#[test]
fn s18_an_honest_peer_completes_beside_a_liar() {
    let stores = [
        TestStore::of(POOL[..50].iter().cloned()),
        TestStore::of(POOL[..3000].iter().cloned()),
        TestStore::of(POOL[..3000].iter().cloned()),
    ];
    let mut world = World::new(stores, &[]);
    world.link(1, 0, 1);
    world.link(2, 0, 2);
    world.nodes[1].mute = true;
    world.open(1, 0);
    world.run();
    world.open(2, 0);
    world.run();
    // What the mute one promised is free when its session is given up, if not before.
    world.wait(SYNC_TIMEOUT);
    world.open(2, 0);
    world.run();
    assert!(world.equal());
    assert_eq!(world.records, 2950);
}
