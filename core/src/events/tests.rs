//! Queues and hub against a model feed; races between real threads.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use bytes::Bytes;
use proptest::prelude::*;

use super::{queue::check_of, *};
use crate::{
    ids::{ConnectionId, ElementId, Lsn, NodeId, PeerId, RecordId},
    link::ConnectionKind,
    record::{Attributes, Record, RecordKey, RecordType},
    time::{Hlc, Timestamp},
};

/// A feed in memory: the latest change of each record.
#[derive(Default)]
struct Feed(Mutex<FeedState>);

#[derive(Default)]
struct FeedState {
    by_record: BTreeMap<u64, FeedEntry>,
    born: BTreeMap<u64, Lsn>,
    last: Lsn,
}

fn record(number: u64, version: u64, kind: &str, author: u8) -> Record {
    let mut element = [0; 16];
    element[..8].copy_from_slice(&(number << 32 | version).to_be_bytes());
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Record {
        id: RecordId::from_bytes(id),
        record_type: RecordType::new(kind).unwrap(),
        version,
        creator: PeerId::from_bytes([author; 32]),
        author: PeerId::from_bytes([author; 32]),
        created: Timestamp(1),
        modified: Timestamp(1),
        expires: None,
        deleted: false,
        attributes: Attributes::new(),
        body: Bytes::new(),
        body_state: Default::default(),
        key: RecordKey { hlc: Hlc(version), element: ElementId::from_bytes(element) },
        replaced: None,
        held: false,
    }
}

impl Feed {
    /// Commits a version of a record, and gives what the engine would publish.
    fn commit(&self, number: u64, version: u64, kind: &str) -> NewChange {
        let mut state = self.0.lock().unwrap();
        state.last.0 += 1;
        let lsn = state.last;
        let change =
            if state.by_record.contains_key(&number) { ChangeKind::Updated } else { ChangeKind::Added };
        state.born.entry(number).or_insert(lsn);
        let record = Arc::new(record(number, version, kind, 1));
        state.by_record.insert(number, FeedEntry { lsn, change, record: record.clone(), conflict: None });
        NewChange { lsn, change, record, origin: ChangeOrigin::Local, conflict: None }
    }
}

impl ChangeSource for Feed {
    fn changes(
        &self,
        after: Lsn,
        types: &[RecordType],
        _: &[PeerId],
        max: usize,
    ) -> Result<ChangeBatch, FeedError> {
        let state = self.0.lock().unwrap();
        let mut entries: Vec<FeedEntry> = state
            .by_record
            .iter()
            .filter(|(_, e)| e.lsn > after && (types.is_empty() || types.contains(&e.record.record_type)))
            .map(|(number, e)| FeedEntry {
                change: if state.born[number] > after { ChangeKind::Added } else { e.change },
                ..e.clone()
            })
            .collect();
        entries.sort_by_key(|e| e.lsn);
        let through = if entries.len() > max { entries[max - 1].lsn } else { state.last };
        entries.truncate(max);
        Ok(ChangeBatch { entries, through })
    }

    fn position(&self) -> Result<FeedPosition, FeedError> {
        let lsn = self.0.lock().unwrap().last;
        Ok(FeedPosition { incarnation: 7, lsn, check: self.check_at(lsn)? })
    }

    fn check_at(&self, lsn: Lsn) -> Result<u64, FeedError> {
        let state = self.0.lock().unwrap();
        Ok(state.by_record.values().find(|e| e.lsn == lsn).map_or(0, |e| check_of(&e.record)))
    }
}

struct Bell(Thread);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Bell(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

fn records() -> EventFilter {
    EventFilter::kinds([EventKind::RecordChanged])
}

fn versions(events: &[Event]) -> Vec<u64> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::RecordChanged(change) => Some(change.record.version),
            _ => None,
        })
        .collect()
}

fn data(len: usize, kind: &str) -> IncomingData {
    IncomingData {
        connection: ConnectionId(1),
        kind: ConnectionKind::Direct,
        node: NodeId::from_bytes([1; 32]),
        peer: PeerId::from_bytes([2; 32]),
        data_type: RecordType::new(kind).unwrap(),
        data: vec![0; len].into(),
    }
}

fn required() -> Event {
    Event::ConnectionRequired(RequiredReason::Probe)
}

#[test]
fn e1_e3_e4_filters_and_independent_subscriptions() {
    let (hub, feed) = (Hub::new(), Arc::new(Feed::default()));
    let of = |filter| hub.subscribe(SubscribeOptions::new(filter), feed.clone()).unwrap();
    let (all, typed) = (of(EventFilter::all()), of(records().record_types([RecordType::new("b").unwrap()])));
    let stranger = of(records().authors([PeerId::from_bytes([9; 32])]));
    let status = of(EventFilter::kinds([EventKind::StatusChanged]));
    hub.publish_records(&[feed.commit(1, 1, "a"), feed.commit(2, 2, "b")]);
    hub.publish(Event::StatusChanged(Status::default()));
    assert_eq!(versions(&all.drain(9)), [1, 2]);
    assert_eq!(versions(&typed.drain(9)), [2]);
    assert!(stranger.drain(9).is_empty());
    assert_eq!(status.drain(9), [Event::StatusChanged(Status::default())]);
    assert_eq!(stranger.cursor().lsn, Lsn(2), "what does not match is passed all the same");
}

#[test]
fn e5_e6_wake_hook_fires_when_readable_and_never_after_close() {
    let (hub, feed) = (Hub::new(), Arc::new(Feed::default()));
    let events = hub.subscribe(SubscribeOptions::new(records()), feed.clone()).unwrap();
    hub.publish_records(&[feed.commit(1, 1, "a")]);
    let wakes = Arc::new(AtomicUsize::new(0));
    let count = wakes.clone();
    events.set_wake_hook(Some(Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    })));
    assert_eq!(wakes.load(Ordering::SeqCst), 1, "at once, for something is waiting");
    hub.publish_records(&[feed.commit(2, 2, "a")]);
    assert_eq!(wakes.load(Ordering::SeqCst), 1, "it was readable already");
    assert_eq!(events.drain(9).len(), 2);
    hub.publish_records(&[feed.commit(3, 3, "a")]);
    assert_eq!(wakes.load(Ordering::SeqCst), 2);
    events.close();
    events.close();
    hub.publish_records(&[feed.commit(4, 4, "a")]);
    assert!(events.drain(9).is_empty() && events.is_finished());
    assert!(!block_on(events.ready()));
    let end = wakes.load(Ordering::SeqCst);
    drop(events);
    assert_eq!(wakes.load(Ordering::SeqCst), end);
}

#[test]
fn a_closed_hub_lets_readers_finish() {
    let (hub, feed) = (Hub::new(), Arc::new(Feed::default()));
    let events = hub.subscribe(SubscribeOptions::new(records()), feed.clone()).unwrap();
    hub.publish_records(&[feed.commit(1, 1, "a")]);
    hub.close();
    assert!(!events.is_finished());
    assert_eq!(block_on(events.next_batch(9)).len(), 1);
    assert!(events.is_finished() && block_on(events.next()).is_none());
    assert!(matches!(hub.subscribe(SubscribeOptions::default(), feed), Err(SubscribeError::Closed)));
}

#[test]
fn e20_snapshot_cursor_and_reset() {
    let (hub, feed) = (Hub::new(), Arc::new(Feed::default()));
    for n in 1..=5 {
        feed.commit(n, n, "a");
    }
    let start = |start| hub.subscribe(SubscribeOptions::new(records()).start(start), feed.clone()).unwrap();
    let snapshot = start(Start::Snapshot);
    hub.publish_records(&[feed.commit(6, 6, "a")]);
    let events = snapshot.drain(99);
    assert_eq!(versions(&events), [1, 2, 3, 4, 5, 6]);
    assert!(matches!(events[5], Event::CaughtUp(_)));
    let cursor = snapshot.cursor();
    hub.publish_records(&[feed.commit(2, 7, "a")]);
    let again = start(Start::After(cursor)).drain(99);
    assert_eq!(versions(&again), [7]);
    assert!(matches!(again[..], [Event::RecordChanged(_), Event::CaughtUp(_)]));

    let foreign = Cursor { incarnation: 8, ..cursor };
    let ahead = Cursor { lsn: Lsn(99), ..cursor };
    let rewritten = Cursor { lsn: Lsn(6), check: 1, ..cursor };
    for bad in [foreign, ahead, rewritten] {
        let events = start(Start::After(bad)).drain(99);
        assert_eq!(events[0], Event::Reset);
        assert_eq!(versions(&events).len(), 6);
        assert!(matches!(events.last(), Some(Event::CaughtUp(_))));
    }
}

#[test]
fn e21_too_many_connection_events_coalesce_then_lag_and_records_never_do() {
    let (hub, feed) = (Hub::new(), Arc::new(Feed::default()));
    let events = hub.subscribe(SubscribeOptions::new(EventFilter::all()).capacity(4), feed.clone()).unwrap();
    for n in 0..2000 {
        let event = ConnectionEvent {
            change: ConnectionChange::Connected,
            connection: ConnectionId(n),
            node: None,
            peer: None,
        };
        hub.publish(Event::NeighborConnection(event));
    }
    hub.publish(required());
    hub.publish(required());
    for n in 0..100 {
        hub.publish_records(&[feed.commit(n, n, "a")]);
    }
    let mut all = Vec::new();
    while let Some(event) = events.try_next() {
        all.push(event);
    }
    // 2,000 and one, less 1,024 that fit; the second of two equal wishes replaced the first.
    assert_eq!(all[0], Event::Lagged { dropped: 977 });
    assert_eq!(versions(&all), (0..100).collect::<Vec<_>>());
}

#[test]
fn e13_e22_data_is_delivered_to_all_or_waits() {
    let (hub, feed) = (Hub::new(), Arc::new(Feed::default()));
    let of = |filter| hub.subscribe(SubscribeOptions::new(filter), feed.clone()).unwrap();
    let offer = |messages: &[(usize, &str)]| {
        let mut waiting: VecDeque<_> = messages.iter().map(|(len, name)| data(*len, name)).collect();
        (hub.try_deliver(&mut waiting), waiting.len())
    };
    assert_eq!(offer(&[(1, "t")]), (vec![false], 0), "nobody listens");
    let incoming = EventFilter::kinds([EventKind::IncomingData]);
    let (fast, slow) = (of(incoming.clone()), of(incoming.data_types([RecordType::new("t").unwrap()])));
    assert_eq!(offer(&[(9_000_000, "t")]), (vec![true], 0), "an empty queue takes any one");
    assert_eq!(fast.drain(9).len(), 1);
    assert_eq!(offer(&[(1, "t")]), (vec![], 1));
    assert!(fast.drain(9).is_empty(), "nobody gets what one has no room for");
    assert_eq!(
        offer(&[(1, "u"), (2, "u"), (3, "t"), (4, "u")]),
        (vec![true, true], 2),
        "up to what has no room"
    );
    assert_eq!(fast.drain(9).len(), 2);

    let waiting = hub.clone();
    let delivery = thread::spawn(move || {
        let mut two = VecDeque::from([data(2, "t"), data(3, "t")]);
        block_on(waiting.deliver(&mut two))
    });
    assert_eq!(slow.drain(9).len(), 1);
    assert_eq!(delivery.join().unwrap(), [true, true]);
    assert!(matches!(slow.try_next(), Some(Event::IncomingData(d)) if d.data.len() == 2));
    assert!(matches!(slow.try_next(), Some(Event::IncomingData(d)) if d.data.len() == 3));
    drop(slow);
    assert_eq!(offer(&[(1, "t"), (1, "u")]), (vec![true, true], 0), "one that has gone is not waited for");
}

#[test]
fn accepting_follows_subscriptions() {
    let (hub, feed) = (Hub::new(), Arc::new(Feed::default()));
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    hub.on_accepts_direct_changed(Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    assert!(!hub.accepts_direct());
    let direct = EventFilter::kinds([EventKind::DirectConnection]);
    let events = hub.subscribe(SubscribeOptions::new(direct), feed).unwrap();
    assert!(hub.accepts_direct());
    drop(events);
    assert!(!hub.accepts_direct());
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn e19_a_slow_reader_on_another_thread_gets_every_record_once() {
    const RECORDS: u64 = 20_000;
    let (hub, feed) = (Hub::new(), Arc::new(Feed::default()));
    let events = hub.subscribe(SubscribeOptions::new(records()).capacity(16), feed.clone()).unwrap();
    let (producing, publisher) = (feed.clone(), hub.clone());
    let producer = thread::spawn(move || {
        for n in 0..RECORDS {
            publisher.publish_records(&[producing.commit(n % 500, n, "a")]);
        }
        publisher.publish(required());
    });
    drop(producer);
    let mut last = Lsn(0);
    let mut latest: BTreeMap<RecordId, u64> = BTreeMap::new();
    while last < Lsn(RECORDS) {
        for event in block_on(events.next_batch(7)) {
            let Event::RecordChanged(change) = event else { panic!("only records") };
            assert!(change.cursor.lsn > last, "in the order of the feed, none twice");
            last = change.cursor.lsn;
            latest.insert(change.record.id, change.record.version);
        }
    }
    let state = feed.0.lock().unwrap();
    assert_eq!(latest.len(), 500);
    assert!(state.by_record.values().all(|e| latest[&e.record.id] == e.record.version));
}

#[test]
fn arm_drain_wait_never_misses_a_wake_up() {
    let (hub, feed) = (Hub::new(), Arc::new(Feed::default()));
    let events = Arc::new(hub.subscribe(SubscribeOptions::new(records()).capacity(8), feed.clone()).unwrap());
    let rung = Arc::new(AtomicBool::new(false));
    let (bell, reader) = (rung.clone(), thread::current());
    events.set_wake_hook(Some(Arc::new(move || {
        bell.store(true, Ordering::SeqCst);
        reader.unpark();
    })));
    let producer = thread::spawn(move || {
        for n in 0..5_000 {
            hub.publish_records(&[feed.commit(n, n, "a")]);
        }
        hub
    });
    let mut taken = 0;
    while taken < 5_000 {
        let batch = events.drain(64).len();
        taken += batch;
        if batch == 0 {
            while !rung.swap(false, Ordering::SeqCst) {
                thread::park();
            }
        }
    }
    drop(producer.join().unwrap());
    assert!(!block_on(async { false }));
}

#[derive(Debug, Clone)]
enum Step {
    Commit(u64),
    CommitQuietly(u64),
    Drain(usize),
}

proptest! {
    /// Whatever the interleaving of commits, publishing and reading: the reader ends with the state of the feed, in
    /// the feed's order.
    #[test]
    fn the_last_event_of_each_record_is_its_state(
        steps in prop::collection::vec(
            prop_oneof![
                3 => (0u64..6).prop_map(Step::Commit),
                1 => (0u64..6).prop_map(Step::CommitQuietly),
                2 => (1usize..5).prop_map(Step::Drain),
            ],
            1..80,
        ),
        capacity in 1usize..5,
    ) {
        let (hub, feed) = (Hub::new(), Arc::new(Feed::default()));
        let events = hub.subscribe(SubscribeOptions::new(records()).capacity(capacity), feed.clone()).unwrap();
        let (mut version, mut quiet, mut seen) = (0, Vec::new(), Vec::new());
        for step in steps {
            match step {
                // Published later, together, as a commit of several is.
                Step::CommitQuietly(n) => { version += 1; quiet.push(feed.commit(n, version, "a")); }
                Step::Commit(n) => {
                    version += 1;
                    quiet.push(feed.commit(n, version, "a"));
                    hub.publish_records(&std::mem::take(&mut quiet));
                }
                Step::Drain(max) => seen.extend(events.drain(max)),
            }
        }
        hub.publish_records(&quiet);
        loop {
            let batch = events.drain(3);
            if batch.is_empty() { break }
            seen.extend(batch);
        }
        let mut last = Lsn(0);
        let mut latest = BTreeMap::new();
        for event in seen {
            let Event::RecordChanged(change) = event else { panic!("only records") };
            prop_assert!(change.cursor.lsn > last);
            last = change.cursor.lsn;
            latest.insert(change.record.id, change.record.version);
        }
        let state = feed.0.lock().unwrap();
        for entry in state.by_record.values() {
            prop_assert_eq!(latest.get(&entry.record.id), Some(&entry.record.version));
        }
    }
}
