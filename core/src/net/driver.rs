//! The driver of a graph: hands calls to the thread that owns its engine, feeds it, and carries out what it says.
//!
//! One thread a graph, so that disk and signatures never hold up the async runtime. Each round drains the inbox and the
//! [`Lane`] of calls, lets the engine settle the whole batch in one transaction, answers whoever waited for it to be
//! durable, and sends what came out. The thread never waits for a peer or a reader.

use std::{
    fmt,
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    task::{Context, Poll},
    thread,
};

use tokio::sync::{mpsc as tokio_mpsc, oneshot};

use super::{
    Clock, Gone, GraphPort, GraphThread, Inbound, Inbox,
    fate::{Fate, Teller},
    graph_thread::{Call, End, Job, Order, Waiter},
    lane::{Lane, LaneClosed, Place, Wake},
};
use crate::{
    engine::{Engine, JoinBy, JoinFailure, ListingId, PublishError},
    graph::{ConnectFailure, ConnectId, ConnectOptions, NeighborInfo},
    ids::{ConnectionId, NodeId},
    record::NodeAddr,
    records::StoreError,
    time::Now,
};

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

/// What a call that has its place gives, once it was carried out. Dropping it stops the waiting only.
#[derive(Debug)]
#[must_use]
pub struct Answer<T> {
    receiver: Option<oneshot::Receiver<T>>,
    fate: Fate,
}

impl<T> Future for Answer<T> {
    type Output = Result<T, Gone>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let fate = self.fate.clone();
        let Some(receiver) = &mut self.receiver else { return Poll::Ready(Err(fate.gone())) };
        Pin::new(receiver).poll(cx).map_err(|_| fate.gone())
    }
}

/// A call whose first part is done by whoever awaits it, or on the runtime once a later call waits for it. Dropping it
/// before that gives up its place: nothing happens then.
#[must_use]
pub struct Prepared<T> {
    place: Place<Order>,
    answer: Answer<T>,
}

impl<T> Prepared<T> {
    /// Does the first part here and now, unless that is done elsewhere.
    pub fn prepare(self) -> Self {
        self.place.prepare();
        self
    }
}

impl<T> fmt::Debug for Prepared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

impl<T> Future for Prepared<T> {
    type Output = Result<T, Gone>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.place.prepare();
        Pin::new(&mut self.answer).poll(cx)
    }
}

/// A handle to the graph thread. Cheap to clone; the thread ends when told to, or when all handles are gone.
///
/// Calls are carried out in the order in which these functions are called, whether or not their answers are awaited.
#[derive(Clone)]
pub struct Driver {
    lane: Arc<Lane<Order>>,
    wake: Wake,
    fate: Fate,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}

/// The turn of a call of several steps, which ends when this is dropped.
#[derive(Debug)]
pub struct Steps(Driver);

impl Steps {
    /// As [`Driver::call`].
    pub fn call<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Engine, Now) -> T + Send + 'static,
    ) -> Answer<T> {
        self.0.call(f)
    }

    /// As [`Driver::write`].
    pub fn write<T, E>(
        &self,
        f: impl FnOnce(&mut Engine, Now) -> Result<T, E> + Send + 'static,
    ) -> Answer<Result<T, E>>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.0.write(f)
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        // A thread that has ended holds nobody up.
        let _ = self.0.place(Order::Resume);
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

/// A driver that has an inbox but no engine yet: the transport wants the inbox before the engine can start.
#[derive(Debug)]
pub struct DriverSeed {
    driver: Driver,
    sender: Sender<Job>,
    jobs: Receiver<Job>,
}

impl DriverSeed {
    /// Makes the inbox.
    #[expect(clippy::new_without_default, reason = "it must be started, so it is not a value with a default")]
    pub fn new() -> Self {
        let (sender, jobs) = channel();
        let calls = sender.clone();
        // A thread that has ended takes no more.
        let wake: Wake = Arc::new(move || drop(calls.send(Job::Calls)));
        let driver = Driver { lane: Arc::new(Lane::new()), wake, fate: Fate::default() };
        Self { driver, sender, jobs }
    }

    /// Where the transport puts things.
    pub fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(DriverInbox { jobs: self.sender.clone() })
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The system's, if it gives no thread.
    pub fn start(self, engine: Engine, port: GraphPort, clock: Clock) -> std::io::Result<Driver> {
        let Self { driver, sender: _, jobs } = self;
        let fate = driver.fate.clone();
        let thread = GraphThread::new(engine, port, clock, driver.lane.clone());
        thread::Builder::new().name("peergraph".into()).spawn(move || run(thread, &jobs, &fate))?;
        Ok(driver)
    }
}

impl Driver {
    /// Runs a closure on the graph thread and brings back what it returns, at once.
    pub fn call<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Engine, Now) -> T + Send + 'static,
    ) -> Answer<T> {
        self.post(move |thread, sender| {
            let now = thread.clock.now();
            sender.tell(f(&mut thread.engine, now));
        })
    }

    /// The same, but brings it back when the calls before it are stored as well: what is read after that has them.
    pub fn call_stored<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Engine, Now) -> T + Send + 'static,
    ) -> Answer<T> {
        self.post(move |thread, sender| {
            let now = thread.clock.now();
            let value = f(&mut thread.engine, now);
            thread.replies.push(Box::new(move |_| sender.tell(value)));
        })
    }

    /// Runs a closure that writes, and brings back what it returns once that is durable.
    ///
    /// Cancel safe in this sense: a call whose answer is dropped may or may not have happened.
    pub fn write<T, E>(
        &self,
        f: impl FnOnce(&mut Engine, Now) -> Result<T, E> + Send + 'static,
    ) -> Answer<Result<T, E>>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.post_write(move |thread, sender| thread.write(f, sender))
    }

    /// The same for a removal, which may take several steps. Between them other calls are carried out, up to the first that
    /// writes: that one, and what was called after it, has to wait until the removal is over. In a pause none does.
    ///
    /// Cancel safe in the same sense: it goes on if its answer is dropped.
    pub fn end_membership(
        &self,
        f: impl FnOnce(&mut Engine, Now) -> Result<Option<ListingId>, PublishError> + Send + 'static,
    ) -> Answer<Result<(), PublishError>> {
        self.post_write(move |thread, sender| {
            let now = thread.clock.now();
            match f(&mut thread.engine, now) {
                Ok(Some(listing)) => drop(thread.listings.insert(listing, sender)),
                done => thread.write(|_, _| done.map(drop), sender),
            }
        })
    }

    /// The same for a write with a part that needs no engine and takes its time: `begin` runs at once, while no other
    /// call takes a place, and what it gives is run later, on the thread that awaits the answer or on the runtime.
    ///
    /// # Errors
    /// What `begin` says; nothing has a place then. [`Gone`] if the graph is closed.
    pub fn write_prepared<P, W, T, E, B>(
        &self,
        begin: impl FnOnce() -> Result<W, B>,
        f: impl FnOnce(&mut Engine, Now, P) -> Result<T, E> + Send + 'static,
    ) -> Result<Prepared<Result<T, E>>, B>
    where
        P: Send + 'static,
        W: FnOnce() -> P + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        B: From<Gone>,
    {
        let (sender, receiver) = Teller::new(&self.fate);
        let begin = || {
            let work = begin().map_err(NotPlaced::Refused)?;
            Ok(move || {
                let prepared = work();
                Order::Write(Box::new(move |thread: &mut GraphThread| {
                    thread.write(|engine, now| f(engine, now, prepared), sender);
                }))
            })
        };
        match self.lane.reserve(self.wake.clone(), begin) {
            Ok(place) => Ok(Prepared { place, answer: self.answer(Some(receiver)) }),
            Err(NotPlaced::Refused(error)) => Err(error),
            Err(NotPlaced::Closed) => Err(self.gone().into()),
        }
    }

    /// A place for a call of several steps: once it is this call's turn, and until what this gives is dropped, its steps
    /// are carried out and no other call is, but for a [`pause`](Self::pause).
    pub fn steps(&self) -> Answer<Steps> {
        let (wake, fate) = (self.wake.clone(), self.fate.clone());
        self.post_write(move |thread, sender| {
            let lane = Arc::new(Lane::new());
            thread.begin_steps(lane.clone());
            // If nobody waits for it any more, it is dropped, and over.
            sender.tell(Steps(Self { lane, wake, fate }));
        })
    }

    /// Begins a connect, to the nodes that `targets` finds.
    pub fn connect<E: Send + 'static>(
        &self,
        targets: impl FnOnce(&Engine) -> Result<Vec<NodeAddr>, E> + Send + 'static,
        options: ConnectOptions,
    ) -> Answer<Result<ConnectWatch, E>> {
        self.post(move |thread, started| {
            let now = thread.clock.now();
            let begun = targets(&thread.engine).map(|targets| {
                let (progress, progress_receiver) = tokio_mpsc::unbounded_channel();
                let (outcome, outcome_receiver) = oneshot::channel();
                let id = thread.engine.connect(now, targets, options);
                thread.waiters.insert(id, Waiter { progress, outcome });
                ConnectWatch { id, progress: progress_receiver, outcome: outcome_receiver }
            });
            // It goes on if nobody waits for it.
            started.tell(begun);
        })
    }

    /// Asks for membership on a connection made for that; resolves to the outcome.
    pub fn join(
        &self,
        connection: ConnectionId,
        by: JoinBy,
        name: String,
    ) -> Answer<Result<bool, JoinFailure>> {
        self.post(move |thread, outcome| {
            let now = thread.clock.now();
            thread.joiners.insert(connection, outcome);
            thread.engine.join(now, connection, &by, &name);
        })
    }

    /// Runs a closure on the graph thread; resolves once what came of it is durable and on its way.
    pub fn settle(&self, f: impl FnOnce(&mut Engine, Now) + Send + 'static) -> Answer<()> {
        self.post(move |thread, sender| {
            let now = thread.clock.now();
            f(&mut thread.engine, now);
            thread.settled.push(sender);
        })
    }

    /// Runs a closure on the graph thread without waiting for it.
    ///
    /// # Errors
    /// [`Gone`] if the graph is closed.
    pub fn tell(&self, f: impl FnOnce(&mut Engine, Now) + Send + 'static) -> Result<(), Gone> {
        self.place(Order::Call(Box::new(move |thread| {
            let now = thread.clock.now();
            f(&mut thread.engine, now);
        })))
    }

    /// Pauses the engine, after what was called before was made durable and answered. A call of several steps is not
    /// waited for: the pause comes between two of them, and what was called after that call and before this one, later.
    pub fn pause(&self) -> Answer<()> {
        let (sender, receiver) = Teller::new(&self.fate);
        let placed = self.lane.push_marked(Order::Pause(Some(sender)));
        (self.wake)();
        self.answer(placed.is_ok().then_some(receiver))
    }

    /// Says goodbye, makes everything durable, ends the thread, after the calls before this one. Resolves when that is
    /// done, or was.
    pub fn stop(&self) -> impl Future<Output = ()> + Send + 'static {
        let (sender, receiver) = oneshot::channel();
        let placed = self.place(Order::Stop(sender)).is_ok();
        async move {
            if placed {
                // An end of the thread for another reason is one too.
                let _ = receiver.await;
            }
        }
    }

    fn post<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut GraphThread, Teller<T>) + Send + 'static,
    ) -> Answer<T> {
        self.post_as(Order::Call, call)
    }

    fn post_write<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut GraphThread, Teller<T>) + Send + 'static,
    ) -> Answer<T> {
        self.post_as(Order::Write, call)
    }

    fn post_as<T: Send + 'static>(
        &self,
        order: impl FnOnce(Call) -> Order,
        call: impl FnOnce(&mut GraphThread, Teller<T>) + Send + 'static,
    ) -> Answer<T> {
        let (sender, receiver) = Teller::new(&self.fate);
        let placed = self.place(order(Box::new(move |thread| call(thread, sender))));
        self.answer(placed.is_ok().then_some(receiver))
    }

    fn answer<T>(&self, receiver: Option<oneshot::Receiver<T>>) -> Answer<T> {
        Answer { receiver, fate: self.fate.clone() }
    }

    /// Why the graph does not answer, if it does not.
    pub fn gone(&self) -> Gone {
        self.fate.gone()
    }

    fn place(&self, order: Order) -> Result<(), Gone> {
        self.lane.push(order).map_err(|LaneClosed| self.gone())?;
        (self.wake)();
        Ok(())
    }
}

/// The life of a graph's thread. A panic, or a database that cannot be written any more, ends this graph and no other: what was
/// durable stays, whoever waits is told, and the graph leaves the network, so that it can be closed and opened again.
fn run(mut thread: GraphThread, jobs: &Receiver<Job>, fate: &Fate) {
    // What a panic leaves of the thread's state is dropped, and nothing else.
    let ended = panic::catch_unwind(AssertUnwindSafe(|| thread.run(jobs)));
    match ended {
        Ok(End::Stopped(_) | End::Abandoned) => {}
        Ok(End::Damaged) => {
            fate.damage();
            thread.give_up("its database is damaged and cannot be written");
        }
        Err(_) => {
            fate.crash();
            thread.give_up("there was an internal error");
        }
    }
    let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(thread)));
    if let (Ok(End::Stopped(done)), Ok(())) = (ended, dropped) {
        let _ = done.send(());
    }
}

/// Why a place was not given.
enum NotPlaced<B> {
    Closed,
    Refused(B),
}

impl<B> From<LaneClosed> for NotPlaced<B> {
    fn from(_: LaneClosed) -> Self {
        Self::Closed
    }
}
