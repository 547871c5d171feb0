//! Coming into a graph: connecting, and waiting until its database is here.

use std::{
    fmt,
    future::IntoFuture,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Call, ConnectOptions, Connecting, Error, ErrorKind, EventStream, Graph, Result, Target,
    call::attempt,
    runtime::{on_task_until_dropped, spawn, within},
};
use crate::{
    events::{Event, EventFilter, EventKind, SubscribeOptions, SyncProgress},
    limits::{CONNECT_TIMEOUT, ENTER_PATIENCE, MAX_REFERRALS, STALL_TIMEOUT},
    record::{NodeAddr, Ticket},
};

/// Who wants to be told how far a database is on its way here while a join waits for it.
///
/// It is called where the join is waited for, a few times a second, and in the end with the final figures; it must not
/// block, and is called no more once the join has returned or was dropped.
#[derive(Clone)]
pub struct OnProgress(Arc<dyn Fn(SyncProgress) + Send + Sync>);

impl OnProgress {
    /// Calls this.
    pub fn new(callback: impl Fn(SyncProgress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }

    fn tell(&self, progress: SyncProgress) {
        (self.0)(progress);
    }
}

impl From<Arc<dyn Fn(SyncProgress) + Send + Sync>> for OnProgress {
    fn from(callback: Arc<dyn Fn(SyncProgress) + Send + Sync>) -> Self {
        Self(callback)
    }
}

impl fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnProgress")
    }
}

/// How to join a graph.
#[derive(Debug, Clone)]
pub struct JoinGraph {
    /// The ticket.
    pub ticket: Ticket,
    /// Give up if none of its nodes was reached after this. Default one minute. Once one is, the database may take as
    /// long as it does, while there is progress.
    pub deadline: Duration,
    /// Told how far the database is on its way here.
    pub on_progress: Option<OnProgress>,
}

impl From<Ticket> for JoinGraph {
    fn from(ticket: Ticket) -> Self {
        Self { ticket, deadline: CONNECT_TIMEOUT, on_progress: None }
    }
}

impl JoinGraph {
    /// By a ticket as text.
    ///
    /// # Errors
    /// `InvalidTicket`.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(text.parse::<Ticket>()?.into())
    }

    /// Tells how far the database is on its way here: records and bytes received, and expected in all. A few times a
    /// second, and in the end with the final figures. It must not block.
    #[must_use]
    pub fn on_progress(mut self, callback: impl Fn(SyncProgress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(OnProgress::new(callback));
        self
    }
}

/// Until when somebody must be reached, and who is told of progress.
pub(super) struct Entering<'a> {
    pub(super) until: Instant,
    pub(super) on_progress: Option<&'a OnProgress>,
}

/// What has its place in the order of the calls already.
struct Begun {
    events: EventStream,
    usable: Call<Result<bool>>,
    connecting: Connecting,
    deadline: Duration,
}

impl Graph {
    /// How far the database is on its way here, while this node catches up with others; `None` while nothing is known to
    /// be missing. [`Event::SyncProgress`] tells it as it goes.
    ///
    /// # Errors
    /// `Closed`.
    pub fn sync_progress(&self) -> Call<Result<Option<SyncProgress>>> {
        self.call(|engine, _| engine.sync_progress())
    }

    /// Connects, waits until this node is synchronised, and listens. The first time; later
    /// [`Node::open_graph`](super::Node::open_graph) and [`Node::open_group`](super::Node::open_group) do it by themselves.
    ///
    /// Reaching somebody may take a minute; the database then takes as long as it does, while something comes at least
    /// every 30 seconds. A node with a database from before needs nobody to be there: if nobody answers within three
    /// seconds it listens alone, and goes on trying in the background. In a group, [`Event::ConnectionFailed`] tells of a
    /// failure, once.
    ///
    /// It begins in its place in the order of the calls, whether or not it is awaited; calls after it do not wait until it
    /// is done, and a close ends it. Dropping it ends it too.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and `TimedOut` if nothing came for 30 seconds: what came is kept.
    #[doc(alias("PeerGroupConnect", "PeerGroupConnectByAddress"))]
    pub fn enter(&self, target: impl Into<Target>) -> Call<Result<()>> {
        let begun = attempt!(self.begin_to_enter(target.into(), CONNECT_TIMEOUT));
        let graph = self.clone();
        on_task_until_dropped(async move {
            let entered = graph.enter_begun(begun, None).await;
            if let Err(error) = &entered
                && graph.inner().is_group()
            {
                graph.inner().hub.publish(Event::ConnectionFailed(super::asking::failure(error)));
            }
            entered
        })
    }

    /// The same, telling nobody of a failure.
    pub(super) async fn try_enter(&self, target: Target, how: &Entering<'_>) -> Result<()> {
        let left = how.until.saturating_duration_since(Instant::now());
        self.enter_begun(self.begin_to_enter(target, left)?, how.on_progress).await
    }

    /// Begins to connect, in the order of the calls.
    fn begin_to_enter(&self, target: Target, deadline: Duration) -> Result<Begun> {
        let kinds = [EventKind::StatusChanged, EventKind::SyncProgress];
        let events = self.subscribe(SubscribeOptions::new(EventFilter::kinds(kinds)))?;
        let usable = self.call(|engine, _| engine.is_usable());
        let options = ConnectOptions { deadline, ..ConnectOptions::default() };
        Ok(Begun { events, usable, connecting: self.connect_with(target, options), deadline })
    }

    async fn enter_begun(&self, begun: Begun, on_progress: Option<&OnProgress>) -> Result<()> {
        let Begun { events, usable, connecting, deadline } = begun;
        let connected = connected_or_going_on(connecting, deadline, usable.await?).await;
        // One of those it asked may have come to us, or be on its way. A link of a membership that is over counts for
        // nothing: it is about to end.
        let usable = self.call(|engine, _| engine.is_usable()).await?;
        let member = self.call(|engine, _| engine.standing().is_some()).await?;
        let belongs = member || !usable || !self.inner().is_group();
        let has_neighbor = belongs && !self.neighbors().await?.is_empty();
        match connected {
            // Let in: whoever answered knows of a membership, of which this node may not have heard yet.
            Ok(()) => {}
            Err(_) if has_neighbor => {}
            Err(error) if !belongs && error.kind() == ErrorKind::AlreadyNeighbor => {
                return Err(Error::caused(
                    ErrorKind::NotAuthorized,
                    "this identity is no longer a member",
                    error,
                ));
            }
            // Who is turned away is not alone.
            Err(error) if error.kind() == ErrorKind::NotAuthorized => return Err(error),
            // An island with a database listens; maintenance finds the others when they are there.
            Err(_) if usable => {
                self.listen().await?;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.catch_up(&events, on_progress).await?;
        self.listen().await?;
        Ok(())
    }

    /// These nodes, and those that a database from before knows.
    pub(super) async fn with_known(&self, mut nodes: Vec<NodeAddr>) -> Result<Vec<NodeAddr>> {
        for known in self.contacts().await? {
            if nodes.len() < MAX_REFERRALS && nodes.iter().all(|addr| addr.node != known.node) {
                nodes.push(known);
            }
        }
        Ok(nodes)
    }

    /// Waits until the database is as current as a neighbor's, as long as something comes.
    async fn catch_up(&self, events: &EventStream, told: Option<&OnProgress>) -> Result<()> {
        let mut last = SyncProgress::default();
        let mut moved = Instant::now();
        let tell = |event: Event, last: &mut SyncProgress| {
            let Event::SyncProgress(now) = event else { return };
            if let Some(told) = told {
                told.tell(now);
            }
            *last = now;
        };
        while !self.call(|engine, _| engine.is_caught_up()).await? {
            let left = STALL_TIMEOUT.saturating_sub(moved.elapsed());
            let Some(event) = within(left, events.next()).await else {
                let message = "connected, but nothing of the database came for 30 s; what came before is kept, and \
                               the next try goes on from there";
                return Err(Error::new(ErrorKind::TimedOut, message));
            };
            let before = last;
            tell(event.ok_or_else(Error::closed)?, &mut last);
            if last != before {
                moved = Instant::now();
            }
        }
        let ended = last;
        while let Some(event) = events.try_next() {
            tell(event, &mut last);
        }
        // Also who had nothing to wait for hears of the end.
        if let Some(told) = told
            && (last == ended && last == SyncProgress::default())
        {
            told.tell(last);
        }
        Ok(())
    }
}

/// Waits for a connect. With a database it is not waited for long: the connect goes on by itself.
async fn connected_or_going_on(connecting: Connecting, deadline: Duration, usable: bool) -> Result<()> {
    let mut connecting = connecting.into_future();
    if !usable {
        return connecting.await.map(drop);
    }
    match within(ENTER_PATIENCE.min(deadline), &mut connecting).await {
        Some(connected) => connected.map(drop),
        None => {
            spawn(connecting);
            Err(Error::new(ErrorKind::TimedOut, "no node has answered yet"))
        }
    }
}
