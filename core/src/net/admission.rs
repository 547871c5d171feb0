//! Who is let in: connections that have proven nothing, and links that wait to be set up. The rules are in [`crate::ledger`];
//! here is who waits for them.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use iroh::{
    TransportAddr,
    endpoint::{Connection, Incoming, IncomingAddr},
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Clock, Transport, transport::lock};
use crate::{
    ids::NodeId,
    ledger::{Door, Entry, Pace, Shares, Source},
    limits::{
        DOOR_PATIENCE, KEPT_HANDSHAKES, MAX_AT_DOOR, MAX_HANDSHAKES, MAX_RESTING, MAX_WAITING_SETUPS,
        NODE_HANDSHAKES, SETUP_PATIENCE, STREAM_BURST, STREAM_INTERVAL, VISIT_TIME,
    },
};

/// What a node lets in, all graphs together.
pub(super) struct Admission {
    clock: Clock,
    door: Mutex<Door<CancellationToken>>,
    freed: Notify,
    at_door: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    resting: Arc<Semaphore>,
}

/// A connection that has proven to know no graph. Its place is free when this is dropped.
pub(super) struct Visit {
    admission: Arc<Admission>,
    number: u64,
    /// Cancelled when it is to make room.
    pub(super) over: CancellationToken,
}

/// What becomes of a connection that comes in.
pub(super) enum Answer {
    In(Visit),
    /// It has to come again with a proof of its address.
    Prove,
    /// It waits for a place, at the door.
    Wait(OwnedSemaphorePermit),
    Refuse,
}

impl Admission {
    pub(super) fn new() -> Arc<Self> {
        let places = |all| Arc::new(Semaphore::new(all));
        Arc::new(Self {
            clock: Clock::new(),
            door: Mutex::default(),
            freed: Notify::new(),
            at_door: places(MAX_AT_DOOR),
            waiting: places(MAX_WAITING_SETUPS),
            resting: places(MAX_RESTING),
        })
    }

    /// Somebody comes.
    pub(super) fn comes(self: &Arc<Self>, incoming: &Incoming) -> Answer {
        let proven = incoming.remote_addr_validated();
        match self.enter(source(incoming), proven) {
            Ok(visit) => Answer::In(visit),
            Err(None) => Answer::Prove,
            // Who waits costs memory.
            Err(Some(_)) if !proven => Answer::Prove,
            Err(Some(_)) => self.at_door.clone().try_acquire_owned().map_or(Answer::Refuse, Answer::Wait),
        }
    }

    /// Waits for a place.
    pub(super) async fn wait(self: &Arc<Self>, incoming: &Incoming) -> Option<Visit> {
        let source = source(incoming);
        let waiting = async {
            loop {
                let mut freed = pin!(self.freed.notified());
                freed.as_mut().enable();
                match self.enter(source, true) {
                    Ok(visit) => return visit,
                    Err(wait) => tokio::select! {
                        () = freed => {}
                        () = sleep(wait.unwrap_or(DOOR_PATIENCE)) => {}
                    },
                }
            }
        };
        timeout(DOOR_PATIENCE, waiting).await.ok()
    }

    /// A place, or after what time there is one at most; `None` if it has to prove its address.
    fn enter(self: &Arc<Self>, source: Source, proven: bool) -> Result<Visit, Option<Duration>> {
        let (now, over) = (self.clock.now().mono, CancellationToken::new());
        match lock(&self.door).enter(now, source, proven, over.clone()) {
            Entry::In { number, instead } => {
                instead.iter().for_each(CancellationToken::cancel);
                Ok(Visit { admission: self.clone(), number, over })
            }
            Entry::Prove => Err(None),
            Entry::Wait(until) => Err(Some(until.since(now))),
        }
    }

    /// A place for a connection that came in and whose last link has ended.
    pub(super) fn rest(&self) -> Option<OwnedSemaphorePermit> {
        self.resting.clone().try_acquire_owned().ok()
    }

    /// Takes in streams of one direction of a connection no faster than is good.
    pub(super) fn pace(&self) -> StreamPace {
        StreamPace(self.clock, Pace::new(STREAM_INTERVAL, STREAM_BURST))
    }
}

impl Visit {
    /// Its handshake is over.
    pub(super) fn shaken(&self) {
        lock(&self.admission.door).shaken(self.number);
        self.admission.freed.notify_waiters();
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        lock(&self.admission.door).leave(self.number);
        self.admission.freed.notify_waiters();
    }
}

/// How fast streams are taken in.
pub(super) struct StreamPace(Clock, Pace);

impl StreamPace {
    /// After each one.
    pub(super) async fn taken(&mut self) {
        let wait = self.1.take(self.0.now().mono);
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

/// Lets in who comes, until the node is closed.
pub(super) async fn accept(transport: Arc<Transport>) {
    let Some(endpoint) = transport.endpoint() else { return };
    while let Some(incoming) = endpoint.accept().await {
        match transport.admission.comes(&incoming) {
            Answer::In(visit) => {
                transport.spawn(welcome(transport.clone(), incoming, visit));
            }
            Answer::Prove => {
                // It fails for those who have proven it, who are not asked.
                let _ = incoming.retry();
            }
            Answer::Wait(place) => {
                let waiting = transport.clone();
                transport.spawn(async move {
                    let visit = waiting.admission.wait(&incoming).await;
                    drop(place);
                    match visit {
                        Some(visit) => welcome(waiting, incoming, visit).await,
                        None => incoming.refuse(),
                    }
                });
            }
            Answer::Refuse => incoming.refuse(),
        }
    }
}

async fn welcome(transport: Arc<Transport>, incoming: Incoming, visit: Visit) {
    let (source, over) = (source(&incoming), visit.over.clone());
    let shaken = tokio::select! {
        shaken = timeout(VISIT_TIME, incoming) => shaken,
        () = over.cancelled() => return tracing::debug!("an incoming connection made room for another"),
    };
    match shaken {
        Ok(Ok(connection)) => {
            visit.shaken();
            transport.adopt(connection, source, Some(visit));
        }
        Ok(Err(error)) => tracing::debug!(%error, "an incoming connection failed"),
        Err(_) => tracing::debug!("an incoming connection was too slow"),
    }
}

/// Where somebody comes from.
fn source(incoming: &Incoming) -> Source {
    match incoming.remote_addr() {
        IncomingAddr::Ip(addr) => addr.ip().into(),
        _ => Source::Relay,
    }
}

/// Where somebody is who was dialled.
pub(super) fn source_of(connection: &Connection) -> Source {
    let paths = connection.paths();
    let used = paths.iter().find(|path| path.is_selected());
    match used.as_ref().map(|path| path.remote_addr()) {
        Some(TransportAddr::Ip(addr)) => addr.ip().into(),
        _ => Source::Relay,
    }
}

/// The places of a graph for incoming links that are being set up.
pub(super) struct SetUps {
    held: Mutex<(Shares<Source>, Shares<NodeId>)>,
    freed: Notify,
}

/// One of them, until this is dropped.
pub(super) struct SetUp {
    of: Arc<SetUps>,
    source: Source,
    node: NodeId,
}

impl SetUps {
    pub(super) fn new() -> Arc<Self> {
        let sources = Shares::new(MAX_HANDSHAKES, KEPT_HANDSHAKES);
        Arc::new(Self { held: Mutex::new((sources, Shares::new(usize::MAX, 0))), freed: Notify::new() })
    }

    /// Waits for a place; `None` if the node is busy.
    pub(super) async fn take(
        self: &Arc<Self>,
        admission: &Admission,
        source: Source,
        node: NodeId,
    ) -> Option<SetUp> {
        if let Some(place) = self.try_take(source, node) {
            return Some(place);
        }
        let _waiting = admission.waiting.clone().try_acquire_owned().ok()?;
        let until = Instant::now() + SETUP_PATIENCE;
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(place) = self.try_take(source, node) {
                return Some(place);
            }
            tokio::select! {
                () = freed => {}
                () = sleep_until(until) => return None,
            }
        }
    }

    fn try_take(self: &Arc<Self>, source: Source, node: NodeId) -> Option<SetUp> {
        let mut held = lock(&self.held);
        let (sources, nodes) = &mut *held;
        if nodes.held(node) >= NODE_HANDSHAKES || !sources.take(source) {
            return None;
        }
        nodes.take(node);
        drop(held);
        Some(SetUp { of: self.clone(), source, node })
    }
}

impl Drop for SetUp {
    fn drop(&mut self) {
        let mut held = lock(&self.of.held);
        held.0.give_back(self.source);
        held.1.give_back(self.node);
        drop(held);
        self.of.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROWD: Source = Source::V4([192, 0, 2]);
    const OTHER: Source = Source::V4([198, 51, 100]);

    fn node(number: usize) -> NodeId {
        NodeId::from_bytes([u8::try_from(number).expect("a small number"); 32])
    }

    #[tokio::test]
    async fn b2_links_wait_for_a_place_to_be_set_up_and_hear_in_the_end_that_the_node_is_busy() {
        let (admission, setups) = (Admission::new(), SetUps::new());
        let take = |source, number| setups.take(&admission, source, node(number));
        let mut held = Vec::new();
        for number in 0..MAX_HANDSHAKES - KEPT_HANDSHAKES {
            held.push(take(CROWD, number).await.expect("a place"));
        }
        // Some are kept for whoever comes from elsewhere.
        drop(take(OTHER, 100).await.expect("a place that was kept"));
        // One of the crowd waits, and comes in when another has gone.
        let (waited, ()) = tokio::join!(take(CROWD, 101), async { drop(held.pop()) });
        held.push(waited.expect("the place of the other"));
        let begun = Instant::now();
        assert!(take(CROWD, 102).await.is_none());
        assert!(begun.elapsed() >= SETUP_PATIENCE);
        drop(held);
        assert!(take(CROWD, 102).await.is_some());
    }

    #[tokio::test]
    async fn b2_one_node_has_few_links_being_set_up() {
        let (admission, setups) = (Admission::new(), SetUps::new());
        let mut held = Vec::new();
        for _ in 0..NODE_HANDSHAKES {
            held.push(setups.take(&admission, OTHER, node(1)).await.expect("a place"));
        }
        let (waited, ()) = tokio::join!(setups.take(&admission, OTHER, node(1)), async { drop(held.pop()) });
        assert!(waited.is_some());
        assert!(setups.take(&admission, OTHER, node(2)).await.is_some());
    }
}
