//! The graph thread itself: what it works on, and its rounds.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use tokio::sync::{mpsc as tokio_mpsc, oneshot};

use super::{
    Clock, GraphPort, Inbound,
    arrivals::Arrivals,
    fate::Teller,
    lane::{Lane, Next},
};
use crate::{
    engine::{Engine, JoinFailure, ListingId, Notice, PublishError},
    fault::{self, Place},
    graph::{ConnectFailure, ConnectId, NeighborInfo},
    ids::{ConnectionId, NodeId},
    io::Input,
    limits::{ROUND_BYTES, ROUND_CALLS, ROUND_JOBS, ROUND_TIME, ROUND_TIME_CALLED},
    records::StoreError,
    time::Now,
};

/// What is told to whoever waits for the end of a batch.
pub(super) type Reply = Box<dyn FnOnce(Result<(), &StoreError>) + Send>;
pub(super) type Call = Box<dyn FnOnce(&mut GraphThread) + Send>;

pub(super) enum Job {
    Inbound(Inbound),
    /// There may be something to take from the lane.
    Calls,
}

/// What has a place in the lane.
pub(super) enum Order {
    Call(Call),
    /// One that writes: it waits for a removal of several steps that was called before it.
    Write(Call),
    Stop(oneshot::Sender<()>),
    /// With whom to tell, until they are told.
    Pause(Option<Teller<()>>),
    /// A call of several steps is over.
    Resume,
}

/// What the thread works on; calls get it whole.
pub struct GraphThread {
    /// The graph.
    pub engine: Engine,
    pub(super) clock: Clock,
    port: GraphPort,
    pub(super) replies: Vec<Reply>,
    /// What came from the network and waits for its turn.
    arrived: Arrivals,
    /// Calls carried out since what had arrived had its turn.
    in_a_row: usize,
    /// True if calls are left that no word in the inbox tells of.
    more_calls: bool,
    /// Told once all that the engine said is on its way.
    pub(super) settled: Vec<Teller<()>>,
    pub(super) waiters: HashMap<ConnectId, Waiter>,
    pub(super) joiners: HashMap<ConnectionId, Teller<Result<bool, JoinFailure>>>,
    /// Who waits for a removal that takes several steps.
    pub(super) listings: HashMap<ListingId, Teller<Result<(), PublishError>>>,
    /// The call whose turn it is, and which waits for such a removal; all others wait behind it.
    held: Option<Call>,
    /// Where the steps of the call come from that is being carried out, if it has several.
    steps: Option<Calls>,
    /// Last: when whoever waits in it is told, the database is closed.
    calls: Calls,
}

/// The end of the lane where calls are taken; closes it when the thread ends, however it does.
struct Calls(Arc<Lane<Order>>);

impl Drop for Calls {
    fn drop(&mut self) {
        self.0.close();
    }
}

pub(super) struct Waiter {
    pub(super) progress: tokio_mpsc::UnboundedSender<(u32, NodeId)>,
    pub(super) outcome: oneshot::Sender<Result<NeighborInfo, ConnectFailure>>,
}

impl fmt::Debug for GraphThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphThread").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl GraphThread {
    pub(super) fn new(engine: Engine, port: GraphPort, clock: Clock, lane: Arc<Lane<Order>>) -> Self {
        Self {
            engine,
            clock,
            port,
            replies: Vec::new(),
            arrived: Arrivals::default(),
            in_a_row: 0,
            more_calls: false,
            settled: Vec::new(),
            waiters: HashMap::new(),
            joiners: HashMap::new(),
            listings: HashMap::new(),
            held: None,
            steps: None,
            calls: Calls(lane),
        }
    }

    /// Carries out the calls of this lane, and no others, until one says that they are over.
    pub(super) fn begin_steps(&mut self, lane: Arc<Lane<Order>>) {
        self.steps = Some(Calls(lane));
    }

    /// Works until the graph is to stop.
    pub(super) fn run(&mut self, jobs: &Receiver<Job>) -> End {
        loop {
            let stop = self.take_jobs(jobs);
            let now = self.clock.now();
            if self.engine.poll_timeout(now).is_some_and(|at| at <= now.mono) {
                self.engine.handle_timeout(now);
            }
            if !matches!(stop, Turn::Go) {
                // What was called before is answered by its own commit, not by that of the goodbye.
                self.settle(now);
                self.send_out(jobs);
                self.engine.leave(self.clock.now());
            }
            self.settle(now);
            match stop {
                Turn::Go if self.engine.is_unwritable() => return End::Damaged,
                Turn::Go => {}
                Turn::Stop(done) => return End::Stopped(done),
                Turn::Abandoned => return End::Abandoned,
            }
        }
    }

    /// Who left the group for good sends what tells of it first: nobody else has it.
    fn send_out(&mut self, jobs: &Receiver<Job>) {
        let (mut left, mut since) = (usize::MAX, self.clock.now());
        loop {
            let (now, queued) = (self.clock.now(), self.engine.parting_words());
            if queued < left {
                (left, since) = (queued, now);
            }
            if queued == 0 || now.mono.since(since.mono) > PARTING_PATIENCE {
                return;
            }
            let wait = if self.arrived.is_empty() { PARTING_LOOK } else { Duration::ZERO };
            match jobs.recv_timeout(wait) {
                // What else is called comes after the end.
                Ok(job) => drop(self.sort(job)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.take_in(&mut Round::default());
            if self.engine.poll_timeout(now).is_some_and(|at| at <= now.mono) {
                self.engine.handle_timeout(now);
            }
            self.settle(now);
        }
    }

    /// The graph leaves the network and its subscriptions end.
    pub(super) fn give_up(&self, why: &'static str) {
        let graph = self.engine.graph_id();
        tracing::error!(graph = %graph.short(), why, "the graph stopped; close and open it again");
        self.port.abort();
    }

    /// Waits for the first job or the deadline, then takes what else is there, as far as it fits in one round. Calls that
    /// ended the round before come first.
    fn take_jobs(&mut self, jobs: &Receiver<Job>) -> Turn {
        let listed = self.held.is_some() && !self.engine.is_listing();
        let mut called = self.more_calls || listed;
        let now = self.clock.now();
        let wait = match called || !self.arrived.is_empty() {
            true => Duration::ZERO,
            false => self.engine.poll_timeout(now).map_or(MAX_WAIT, |at| at.since(now.mono).min(MAX_WAIT)),
        };
        match jobs.recv_timeout(wait) {
            Ok(job) => called |= self.sort(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if self.held.is_some() => called = true,
            Err(RecvTimeoutError::Disconnected) if called || !self.arrived.is_empty() => {}
            Err(RecvTimeoutError::Disconnected) => return Turn::Abandoned,
        }
        let mut round = Round::default();
        loop {
            while let Ok(job) = jobs.try_recv() {
                called |= self.sort(job);
            }
            if called && (self.in_a_row < ROUND_CALLS || self.arrived.is_empty()) {
                called = false;
                let before = round.jobs;
                if let Some(done) = self.take_calls(&mut round.jobs) {
                    return Turn::Stop(done);
                }
                self.in_a_row = self.in_a_row.saturating_add(round.jobs.saturating_sub(before));
            } else if !self.take_in(&mut round) {
                // Nothing has arrived: its turn is over.
                self.in_a_row = 0;
                return Turn::Go;
            } else if round.inbound >= ROUND_TIME_CALLED {
                self.in_a_row = 0;
            }
            round.jobs = round.jobs.saturating_add(1);
            let waits = self.call_waits();
            if round.is_full(waits) {
                self.more_calls |= waits || called;
                return Turn::Go;
            }
        }
    }

    /// Puts what came where it waits for its turn. True if there may be calls to take.
    fn sort(&mut self, job: Job) -> bool {
        match job {
            Job::Inbound(inbound) => {
                self.arrived.push(inbound);
                false
            }
            Job::Calls => true,
        }
    }

    /// Takes in what is next of what has arrived. False if there is nothing.
    fn take_in(&mut self, round: &mut Round) -> bool {
        let Some((served, Inbound { input, charge })) = self.arrived.next() else { return false };
        let begun = self.clock.now();
        round.bytes = round.bytes.saturating_add(size(&input));
        self.engine.handle_input(begun, input);
        let took = self.clock.now().mono.since(begun.mono);
        round.inbound = round.inbound.saturating_add(took);
        self.arrived.spent(served, took);
        drop(charge);
        true
    }

    /// True if a call waits that could be carried out now.
    fn call_waits(&self) -> bool {
        let held_up = self.held.is_some() && self.engine.is_listing();
        !held_up && (self.held.is_some() || self.lane().is_ready())
    }

    fn lane(&self) -> &Lane<Order> {
        &self.steps.as_ref().unwrap_or(&self.calls).0
    }

    /// Carries out calls that are ready; after some, what has arrived has its turn. Gives whom to tell if the graph is to
    /// stop.
    fn take_calls(&mut self, taken: &mut usize) -> Option<oneshot::Sender<()>> {
        self.more_calls = false;
        let most = taken.saturating_add(ROUND_CALLS).min(ROUND_JOBS);
        while *taken < most {
            if self.held.is_some() && self.engine.is_listing() {
                self.pause_between_steps();
                return None;
            }
            if let Some(call) = self.held.take() {
                self.carry_out(call);
            }
            match self.lane().next() {
                Next::Entry(Order::Call(call)) => {
                    self.carry_out(call);
                }
                Next::Entry(Order::Write(call)) => self.held = Some(call),
                Next::Entry(Order::Stop(done)) => return Some(done),
                Next::Entry(Order::Pause(waiting)) => self.pause(waiting),
                Next::Entry(Order::Resume) => self.steps = None,
                Next::Empty => {
                    self.pause_between_steps();
                    return None;
                }
                Next::Held(held) => {
                    if let Some(held) = held {
                        self.port.run(move || held.prepare());
                    }
                    return None;
                }
            }
            *taken += 1;
        }
        self.more_calls = true;
        None
    }

    fn carry_out(&mut self, call: Call) {
        fault::panic_at(Place::Call, &self.engine.graph_id());
        call(self);
    }

    /// Pauses the engine, unless it is paused, after what was called before is durable and answered.
    fn pause(&mut self, waiting: impl IntoIterator<Item = Teller<()>>) {
        let now = self.clock.now();
        self.settle(now);
        self.engine.pause(now);
        self.settled.extend(waiting);
    }

    /// Carries out the pauses that wait behind a call of several steps, or behind one that waits for a removal: these may take
    /// minutes. In their turn they are
    /// carried out again, for there may be the end of a pause before them.
    fn pause_between_steps(&mut self) {
        if self.steps.is_none() && self.held.is_none() {
            return;
        }
        let mut waiting = Vec::new();
        self.calls.0.look_ahead(|order| {
            if let Order::Pause(sender) = order {
                waiting.extend(sender.take());
            }
        });
        if !waiting.is_empty() {
            self.pause(waiting);
        }
    }

    pub(super) fn write<T, E>(
        &mut self,
        f: impl FnOnce(&mut Engine, Now) -> Result<T, E>,
        sender: Teller<Result<T, E>>,
    ) where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let now = self.clock.now();
        match f(&mut self.engine, now) {
            Ok(value) => self.replies.push(Box::new(move |commit| {
                sender.tell(commit.map(|()| value).map_err(|error| E::from(error.clone())));
            })),
            Err(error) => sender.tell(Err(error)),
        }
    }

    pub(super) fn settle(&mut self, now: Now) {
        if !self.replies.is_empty() {
            fault::panic_at(Place::Round, &self.engine.graph_id());
        }
        let commit = self.engine.flush(now);
        for reply in self.replies.drain(..) {
            reply(commit.as_ref().copied());
        }
        while let Some(output) = self.engine.poll_output() {
            self.port.perform(output);
        }
        for waiting in self.settled.drain(..) {
            waiting.tell(());
        }
        while let Some(notice) = self.engine.poll_notice() {
            match notice {
                Notice::Connect { connect, result } => {
                    if let Some(waiter) = self.waiters.remove(&connect) {
                        let _ = waiter.outcome.send(result);
                    }
                }
                Notice::Joined { connection, result } => {
                    if let Some(waiter) = self.joiners.remove(&connection) {
                        waiter.tell(result);
                    }
                }
                Notice::Listed { listing, result } => {
                    if let Some(waiter) = self.listings.remove(&listing) {
                        waiter.tell(result);
                    }
                }
                Notice::Referred { connect, hop, next } => {
                    if let Some(waiter) = self.waiters.get(&connect) {
                        let _ = waiter.progress.send((hop, next));
                    }
                }
            }
        }
    }
}

/// Why a thread ends that does not panic.
pub(super) enum End {
    /// It was told to; whom to tell once all is dropped.
    Stopped(oneshot::Sender<()>),
    /// Nobody can call it any more.
    Abandoned,
    /// Nothing can be written, for the database is damaged.
    Damaged,
}

enum Turn {
    Go,
    Stop(oneshot::Sender<()>),
    Abandoned,
}

/// What one round has taken in so far.
#[derive(Debug, Default)]
struct Round {
    jobs: usize,
    bytes: usize,
    inbound: Duration,
}

impl Round {
    /// True if what it has is to be settled before more is taken. `called`: a call waits for its turn.
    fn is_full(&self, called: bool) -> bool {
        let time = if called { ROUND_TIME_CALLED } else { ROUND_TIME };
        self.jobs >= ROUND_JOBS || self.bytes >= ROUND_BYTES || self.inbound >= time
    }
}

/// Bytes that an input keeps in memory until the round is settled.
const fn size(input: &Input) -> usize {
    match input {
        Input::Frame { bytes, .. } => bytes.len(),
        _ => 0,
    }
}

/// How long a neighbor may take nothing before what is left for it is given up.
const PARTING_PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at what is left.
const PARTING_LOOK: Duration = Duration::from_millis(20);
/// Longest sleep without a deadline.
const MAX_WAIT: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b3_a_round_ends_by_number_bytes_and_time() {
        let round = |jobs, bytes, millis| Round { jobs, bytes, inbound: Duration::from_millis(millis) };
        assert!(!round(ROUND_JOBS - 1, ROUND_BYTES - 1, 19).is_full(false));
        assert!(round(ROUND_JOBS, 0, 0).is_full(false));
        assert!(round(1, ROUND_BYTES, 0).is_full(false));
        assert!(round(1, 0, 20).is_full(false));
        assert!(round(1, 0, 2).is_full(true), "a call does not wait for the rest");
        assert!(!round(1, 0, 1).is_full(true));
    }
}
