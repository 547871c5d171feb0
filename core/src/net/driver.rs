//! The graph thread: owns one engine, feeds it, and carries out what it says.
//!
//! One thread a graph, so that disk and signatures never hold up the async runtime. Each round drains the inbox, lets
//! the engine settle the whole batch in one transaction, answers whoever waited for it to be durable, and sends what
//! came out. The thread never waits for a peer or a reader.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::{mpsc as tokio_mpsc, oneshot};

use super::{GraphPort, Inbound, Inbox};
use crate::{
    engine::{Engine, JoinBy, JoinFailure, Notice},
    graph::{ConnectFailure, ConnectId, ConnectOptions, NeighborInfo},
    ids::{ConnectionId, NodeId},
    record::NodeAddr,
    records::StoreError,
    time::{Mono, Now},
};

/// The real clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[expect(clippy::new_without_default, reason = "a clock has a moment of birth")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Both readings.
    pub fn now(&self) -> Now {
        let mono = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { mono: Mono(mono), wall: SystemTime::now().into() }
    }
}

/// What a connect reports while it lasts, and in the end.
#[derive(Debug)]
pub struct ConnectWatch {
    /// Its number, for cancelling.
    pub id: ConnectId,
    /// Hops of a referral chain: how many so far, and the node tried next.
    pub progress: tokio_mpsc::UnboundedReceiver<(u32, NodeId)>,
    /// The one outcome.
    pub outcome: oneshot::Receiver<Result<NeighborInfo, ConnectFailure>>,
}

/// The driver is gone: the graph was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

type Reply = Box<dyn FnOnce(Result<(), &StoreError>) + Send>;
type Call = Box<dyn FnOnce(&mut GraphThread) + Send>;

enum Job {
    Inbound(Inbound),
    Call(Call),
    Stop(oneshot::Sender<()>),
}

/// A handle to the graph thread. Cheap to clone; the thread ends when told to, or when all handles are gone.
#[derive(Clone)]
pub struct Driver {
    jobs: Sender<Job>,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}

/// Where the transport leaves what arrived for a graph.
struct DriverInbox {
    jobs: Sender<Job>,
}

impl fmt::Debug for DriverInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DriverInbox")
    }
}

impl Inbox for DriverInbox {
    fn input(&self, input: Inbound) {
        // A closed graph has no use for it.
        let _ = self.jobs.send(Job::Inbound(input));
    }
}

/// What the thread works on; calls get it whole.
pub struct GraphThread {
    /// The graph.
    pub engine: Engine,
    clock: Clock,
    port: GraphPort,
    replies: Vec<Reply>,
    /// Told once all that the engine said is on its way.
    settled: Vec<oneshot::Sender<()>>,
    waiters: HashMap<ConnectId, Waiter>,
    joiners: HashMap<ConnectionId, oneshot::Sender<Result<bool, JoinFailure>>>,
}

struct Waiter {
    progress: tokio_mpsc::UnboundedSender<(u32, NodeId)>,
    outcome: oneshot::Sender<Result<NeighborInfo, ConnectFailure>>,
}

impl fmt::Debug for GraphThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphThread").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// A driver that has an inbox but no engine yet: the transport wants the inbox before the engine can start.
#[derive(Debug)]
pub struct DriverSeed {
    driver: Driver,
    jobs: Receiver<Job>,
}

impl DriverSeed {
    /// Makes the inbox.
    #[expect(clippy::new_without_default, reason = "it must be started, so it is not a value with a default")]
    pub fn new() -> Self {
        let (sender, jobs) = channel();
        Self { driver: Driver { jobs: sender }, jobs }
    }

    /// Where the transport puts things.
    pub fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(DriverInbox { jobs: self.driver.jobs.clone() })
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The system's, if it gives no thread.
    pub fn start(self, engine: Engine, port: GraphPort, clock: Clock) -> std::io::Result<Driver> {
        let Self { driver, jobs } = self;
        let thread = GraphThread {
            engine,
            clock,
            port,
            replies: Vec::new(),
            settled: Vec::new(),
            waiters: HashMap::new(),
            joiners: HashMap::new(),
        };
        thread::Builder::new().name("peergraph".into()).spawn(move || thread.run(&jobs))?;
        Ok(driver)
    }
}

impl Driver {
    /// Runs a closure on the graph thread and brings back what it returns, at once.
    ///
    /// # Errors
    /// [`Gone`] if the graph is closed.
    pub async fn call<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Engine, Now) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (sender, receiver) = oneshot::channel();
        self.post(Box::new(move |thread| {
            let now = thread.clock.now();
            // Whoever asked may have stopped waiting.
            let _ = sender.send(f(&mut thread.engine, now));
        }))?;
        receiver.await.map_err(|_| Gone)
    }

    /// Runs a closure that writes, and brings back what it returns once that is durable.
    ///
    /// Cancel safe in this sense: a call that was dropped may or may not have happened.
    ///
    /// # Errors
    /// [`Gone`] if the graph is closed; inside, the closure's error or the failure of the commit.
    pub async fn write<T, E>(
        &self,
        f: impl FnOnce(&mut Engine, Now) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, Gone>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.post(Box::new(move |thread| {
            let now = thread.clock.now();
            match f(&mut thread.engine, now) {
                Ok(value) => thread.replies.push(Box::new(move |commit| {
                    let _ = sender.send(commit.map(|()| value).map_err(|error| E::from(error.clone())));
                })),
                Err(error) => {
                    let _ = sender.send(Err(error));
                }
            }
        }))?;
        receiver.await.map_err(|_| Gone)
    }

    /// Begins a connect.
    ///
    /// # Errors
    /// [`Gone`] if the graph is closed.
    pub async fn connect(
        &self,
        targets: Vec<NodeAddr>,
        options: ConnectOptions,
    ) -> Result<ConnectWatch, Gone> {
        let (started, id) = oneshot::channel();
        let (progress, progress_receiver) = tokio_mpsc::unbounded_channel();
        let (outcome, outcome_receiver) = oneshot::channel();
        self.post(Box::new(move |thread| {
            let now = thread.clock.now();
            let id = thread.engine.connect(now, targets, options);
            thread.waiters.insert(id, Waiter { progress, outcome });
            let _ = started.send(id);
        }))?;
        let id = id.await.map_err(|_| Gone)?;
        Ok(ConnectWatch { id, progress: progress_receiver, outcome: outcome_receiver })
    }

    /// Asks for membership on a connection made for that; resolves to the outcome.
    ///
    /// # Errors
    /// [`Gone`] if the graph is closed.
    pub async fn join(
        &self,
        connection: ConnectionId,
        by: JoinBy,
        name: String,
    ) -> Result<Result<bool, JoinFailure>, Gone> {
        let (outcome, receiver) = oneshot::channel();
        self.post(Box::new(move |thread| {
            let now = thread.clock.now();
            thread.joiners.insert(connection, outcome);
            thread.engine.join(now, connection, &by, &name);
        }))?;
        receiver.await.map_err(|_| Gone)
    }

    /// Runs a closure on the graph thread; resolves once what came of it is durable and on its way.
    ///
    /// # Errors
    /// [`Gone`] if the graph is closed.
    pub async fn settle(&self, f: impl FnOnce(&mut Engine, Now) + Send + 'static) -> Result<(), Gone> {
        let (sender, receiver) = oneshot::channel();
        self.post(Box::new(move |thread| {
            let now = thread.clock.now();
            f(&mut thread.engine, now);
            thread.settled.push(sender);
        }))?;
        receiver.await.map_err(|_| Gone)
    }

    /// Runs a closure on the graph thread without waiting for it.
    ///
    /// # Errors
    /// [`Gone`] if the graph is closed.
    pub fn tell(&self, f: impl FnOnce(&mut Engine, Now) + Send + 'static) -> Result<(), Gone> {
        self.post(Box::new(move |thread| {
            let now = thread.clock.now();
            f(&mut thread.engine, now);
        }))
    }

    /// Says goodbye, makes everything durable, ends the thread. Resolves when that is done.
    pub async fn stop(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.jobs.send(Job::Stop(sender)).is_ok() {
            let _ = receiver.await;
        }
    }

    fn post(&self, call: Call) -> Result<(), Gone> {
        self.jobs.send(Job::Call(call)).map_err(|_| Gone)
    }
}

impl GraphThread {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let stop = self.take_jobs(jobs);
            let now = self.clock.now();
            if self.engine.poll_timeout(now).is_some_and(|at| at <= now.mono) {
                self.engine.handle_timeout(now);
            }
            if !matches!(stop, Turn::Go) {
                self.engine.leave(now);
            }
            self.settle(now);
            match stop {
                Turn::Go => {}
                Turn::Stop(done) => {
                    drop(self);
                    let _ = done.send(());
                    return;
                }
                Turn::Abandoned => return,
            }
        }
    }

    /// Waits for the first job or the deadline, then takes what else is there.
    fn take_jobs(&mut self, jobs: &Receiver<Job>) -> Turn {
        let now = self.clock.now();
        let wait = self.engine.poll_timeout(now).map_or(MAX_WAIT, |at| at.since(now.mono).min(MAX_WAIT));
        let mut next = match jobs.recv_timeout(wait) {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Turn::Abandoned,
        };
        let mut taken = 0;
        while let Some(job) = next {
            match job {
                Job::Inbound(Inbound { input, permit }) => {
                    self.engine.handle_input(self.clock.now(), input);
                    drop(permit);
                }
                Job::Call(call) => call(self),
                Job::Stop(done) => return Turn::Stop(done),
            }
            taken += 1;
            next = if taken < MAX_BATCH { jobs.try_recv().ok() } else { None };
        }
        Turn::Go
    }

    fn settle(&mut self, now: Now) {
        let commit = self.engine.flush(now);
        for reply in self.replies.drain(..) {
            reply(commit.as_ref().copied());
        }
        while let Some(output) = self.engine.poll_output() {
            self.port.perform(output);
        }
        for waiting in self.settled.drain(..) {
            let _ = waiting.send(());
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
                        let _ = waiter.send(result);
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

enum Turn {
    Go,
    Stop(oneshot::Sender<()>),
    Abandoned,
}

/// Jobs in one transaction at most: bounds how long an acknowledgement can wait for its batch.
const MAX_BATCH: usize = 1024;
/// Longest sleep without a deadline.
const MAX_WAIT: Duration = Duration::from_secs(3600);
