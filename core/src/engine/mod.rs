//! Joins overlay, records and events: the whole behaviour of one graph on one node, without I/O.
//!
//! Owns the store, the overlay, the reconciliation sessions and the clock of one graph. The driver feeds it inputs and
//! commands, calls [`Engine::flush`] after each batch of them, and carries out what [`Engine::poll_output`] gives. Bad
//! remote data never fails an input; a failing store fails the batch and everything in it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    crypto::SecretKey,
    events::{Hub, NodeInfo, Status},
    graph::{ConnectId, Overlay, OverlayConfig},
    ids::{GraphId, LinkId, NodeId, PeerId, RecordId},
    io::{Input, Output},
    link::ConnectionKind,
    record::{DeviceCertificate, Genesis, GraphProperties, RecordKey, RecordType, SignedRecord, record_id},
    records::{
        Change, DeferQueue, Durability, HoldQueue, RecordPolicy, Store, StoreError,
        sync::{SyncConfig, Syncs},
    },
    time::{Mono, Now, Timestamp},
    wire::Message,
};

mod absence;
mod acts;
#[cfg(test)]
mod adversary_tests;
#[cfg(test)]
mod authority_tests;
mod away;
mod clock;
mod commands;
mod devices;
mod dispatch;
mod effects;
mod endings;
#[cfg(test)]
mod epoch_tests;
mod epochs;
mod failing;
mod feed;
#[cfg(test)]
mod group_tests;
mod ingest;
mod join_request;
mod joining;
#[cfg(test)]
mod large_epoch_tests;
#[cfg(test)]
mod large_records_tests;
mod listing;
#[cfg(test)]
mod listing_tests;
mod load;
mod members;
mod names;
mod notice;
mod password;
mod pausing;
mod presence;
mod progress;
mod publish;
mod referrals;
mod refused;
mod relaying;
mod reload;
mod removal;
#[cfg(test)]
mod renewal_tests;
mod renewing;
mod restamp;
mod roll;
mod sessions;
mod spoiled;
mod stamp;
mod sweep;
#[cfg(test)]
mod sweep_tests;
mod transfer;
mod unsent;
mod waiting;
mod walk;
mod welcome;

pub use feed::{Feed, OpenReader};
pub use join_request::{JoinBy, JoinFailure};
pub use listing::ListingId;
pub use load::{Joining, META_JOINING};
pub use notice::Notice;
pub use publish::{PublishError, UpdateOutcome};
pub use removal::Removal;
pub use stamp::{Reserved, Stamped, Stamper};
pub use transfer::{ImportCount, ImportFault};

use ingest::{Candidate, Staged};
use members::GroupState;
use presence::PresenceState;
use sessions::SyncDone;
use waiting::WaitingActs;

/// What an engine is made of.
#[derive(Debug)]
pub struct EngineParts {
    /// The graph.
    pub graph: GraphId,
    /// What it is; `None` for a joiner that has not been told yet.
    pub genesis: Option<Genesis>,
    /// The identity that signs.
    pub identity: SecretKey,
    /// This node's key, which signs its presence.
    pub node: SecretKey,
    /// The database.
    pub store: Box<dyn Store>,
    /// Who may write what.
    pub policy: Box<dyn RecordPolicy>,
    /// Where events go.
    pub hub: Arc<Hub>,
    /// How the overlay behaves.
    pub overlay: OverlayConfig,
    /// Record types to synchronise first, in order.
    pub precedence: Vec<RecordType>,
    /// When a write is acknowledged.
    pub durability: Durability,
    /// How long tombstones are kept.
    pub tombstone_lifetime: Duration,
    /// True to check large batches of signatures on a second thread.
    pub parallel: bool,
    /// Where all its randomness comes from.
    pub seed: u64,
}

type GenesisHook = Box<dyn FnOnce(&Genesis) + Send>;

/// One graph on one node.
pub struct Engine {
    graph: GraphId,
    genesis: Option<Genesis>,
    stamper: Arc<Stamper>,
    device: DeviceCertificate,
    store: Box<dyn Store>,
    policy: Box<dyn RecordPolicy>,
    /// In a group: who is a member.
    group: GroupState,
    hub: Arc<Hub>,
    overlay: Overlay,
    syncs: Syncs,
    held: HoldQueue,
    deferred: DeferQueue,
    waiting: WaitingActs,
    refused: refused::Refused,
    clock: restamp::ClockState,
    rng: StdRng,
    durability: Durability,
    tombstone_lifetime: Duration,
    parallel: bool,
    /// Received since the last flush, not yet checked.
    incoming: Vec<Candidate>,
    incoming_keys: BTreeSet<RecordKey>,
    /// Stored since the last commit: what follows once it is durable.
    staged: Vec<Staged>,
    /// Expired since the last commit.
    expired: Vec<Change>,
    /// What others' expired versions ended since the last commit, and the link each came on.
    endings: Vec<(Option<LinkId>, SignedRecord)>,
    /// True if something beside records waits for the commit.
    meta_written: bool,
    away: away::Away,
    failing: failing::Failing,
    /// Reconciliations that ended since the last commit.
    syncs_done: Vec<SyncDone>,
    /// What was asked for, and of which node if it was one alone.
    connecting: BTreeMap<ConnectId, (ConnectionKind, Option<NodeId>)>,
    outputs: VecDeque<Output>,
    notices: VecDeque<Notice>,
    status: Status,
    /// True once the database was equal to a neighbor's, or was made here. Kept in the database.
    usable: bool,
    /// While a first join is not over.
    joining: Option<Joining>,
    /// True while the database is known to be as current as a neighbor's.
    current_now: bool,
    properties: GraphProperties,
    /// As the application wrote them since the last commit.
    written_properties: Option<GraphProperties>,
    properties_id: Option<RecordId>,
    nodes: BTreeMap<NodeId, NodeInfo>,
    presence: PresenceState,
    progress: progress::Progress,
    absence: absence::Absence,
    strikes: BTreeMap<LinkId, u32>,
    links: BTreeMap<LinkId, (NodeId, PeerId)>,
    next_expiry: Option<Timestamp>,
    next_collect: Mono,
    /// Where the check of the stored records goes on, if it is not done.
    unchecked: Option<load::Unchecked>,
    /// Where the check of them began that is not durable yet.
    checked_from: Option<load::Unchecked>,
    contacts_dirty: bool,
    /// When they may be written again, and how long that is put off.
    contacts_after: Mono,
    contacts_wait: Duration,
    /// True if it is to listen as soon as it may.
    listen_when_usable: bool,
    leaving: bool,
    genesis_hook: Option<GenesisHook>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("graph", &self.graph)
            .field("node", &self.device.node)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts a graph from its database.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub fn new(parts: EngineParts, now: Now) -> Result<Self, StoreError> {
        let mut rng = StdRng::seed_from_u64(parts.seed);
        let group = GroupState::default();
        let ring = group.epochs.ring.clone();
        let device = DeviceCertificate::issue(&parts.identity, parts.node.node());
        let overlay =
            Overlay::new(parts.overlay, parts.graph, device.clone(), parts.genesis.clone(), rng.random());
        let properties_id = parts.genesis.as_ref().map(|g| record_id(&parts.graph, &g.creator, &[0; 16]));
        let mut engine = Self {
            graph: parts.graph,
            genesis: parts.genesis,
            stamper: Arc::new(Stamper::new(parts.graph, parts.identity, parts.store.last_hlc()?, ring)),
            device,
            next_expiry: parts.store.next_expiry()?,
            store: parts.store,
            policy: parts.policy,
            hub: parts.hub,
            overlay,
            syncs: Syncs::new(SyncConfig { precedence: parts.precedence, credentials: false }),
            held: HoldQueue::default(),
            deferred: DeferQueue::default(),
            waiting: WaitingActs::default(),
            refused: refused::Refused::default(),
            clock: restamp::ClockState::default(),
            group,
            rng,
            durability: parts.durability,
            tombstone_lifetime: parts.tombstone_lifetime,
            parallel: parts.parallel,
            incoming: Vec::new(),
            incoming_keys: BTreeSet::new(),
            staged: Vec::new(),
            expired: Vec::new(),
            endings: Vec::new(),
            meta_written: false,
            away: away::Away::default(),
            failing: failing::Failing::default(),
            syncs_done: Vec::new(),
            connecting: BTreeMap::new(),
            outputs: VecDeque::new(),
            notices: VecDeque::new(),
            status: Status::default(),
            usable: false,
            joining: None,
            current_now: false,
            properties: GraphProperties::default(),
            written_properties: None,
            properties_id,
            nodes: BTreeMap::new(),
            presence: PresenceState::of(parts.node),
            progress: progress::Progress::default(),
            absence: absence::Absence::default(),
            strikes: BTreeMap::new(),
            links: BTreeMap::new(),
            next_collect: now.mono,
            unchecked: None,
            checked_from: None,
            contacts_dirty: false,
            contacts_after: Mono(0),
            contacts_wait: Duration::ZERO,
            listen_when_usable: false,
            leaving: false,
            genesis_hook: None,
        };
        engine.load(now)?;
        engine.refresh_stamper(now);
        Ok(engine)
    }

    /// Takes in something that happened outside. Never fails; follow with [`flush`](Self::flush).
    pub fn handle_input(&mut self, now: Now, input: Input) {
        self.watch_clock(now);
        match input {
            Input::LinkOpened { link, node, dial, source, exporter } => {
                self.group.exporters.insert(link, exporter);
                self.overlay.link_opened(now, link, (node, source), dial);
            }
            Input::LinkClosed { link, why } => {
                self.overlay.link_closed(now, link, why);
                self.relayed_link_closed(now, link);
                self.forget_link(link);
            }
            Input::DialFailed { dial, why } => self.overlay.dial_failed(now, dial, why),
            Input::Frame { link, stream, bytes } => match Message::decode(&bytes) {
                Ok(message) if message.stream() == stream => self.on_message(now, link, message),
                _ => self.close_for_protocol(now, link),
            },
            Input::Written { link, stream, bytes } => self.overlay.written(now, link, stream, bytes),
            Input::Arriving { link, stream, bytes } => self.on_arriving(now, link, stream, bytes),
            Input::AddressesChanged(addr) => self.set_address(now, addr),
        }
        self.pump(now);
    }

    /// Does what is due. Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.overlay.is_paused() {
            return;
        }
        self.watch_clock(now);
        self.overlay.handle_timeout(now);
        self.syncs.handle_timeout(now);
        self.release_held(now);
        self.hide_lost(now);
        self.maintain_presence(now);
        self.maintain_members(now);
        self.maintain_papers(now);
        self.deferred.expire(now.mono);
        self.waiting.expire(now.mono);
        self.check_stored(now);
        self.try_store(now);
        self.pump(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted next.
    pub fn poll_timeout(&self, now: Now) -> Option<Mono> {
        let listing = self.group.listings.is_due().then_some(now.mono);
        if self.overlay.is_paused() {
            return listing;
        }
        let peer_now = self.peer_time(now);
        let on_clock = |at: Timestamp| now.mono + at.since(peer_now);
        [
            self.overlay.poll_timeout(),
            self.syncs.poll_timeout(),
            self.next_expiry.filter(|_| !self.defers_expiration() && !self.holds_unsent(now)).map(on_clock),
            self.unsent_over(now),
            self.held.next_due().map(on_clock),
            self.presence.next(),
            self.progress.due(),
            self.absence.next(),
            self.clock.next(),
            self.group.next_check,
            self.papers_due(),
            listing,
            self.group.sweep.next(now.mono).filter(|_| self.failing.due.is_none()),
            self.group.epochs.next(now.mono, self.failing.due.is_some()),
            self.deferred.next_due(),
            self.waiting.next_due(),
            self.failing.due,
            self.unchecked.filter(|_| self.failing.due.is_none()).map(|_| now.mono + load::CHECK_PAUSE),
            Some(self.next_collect),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Ends a batch: checks what arrived, stores it with what was published, makes all of it durable in one
    /// transaction, and only then tells neighbors and subscribers.
    ///
    /// # Errors
    /// [`StoreError`]: nothing of the batch was kept; none of it may be acknowledged.
    pub fn flush(&mut self, now: Now) -> Result<(), StoreError> {
        let result = self.flush_store(now);
        self.written_properties = None;
        if let Err(error) = &result {
            tracing::error!(graph = %self.graph.short(), %error, "the database failed; the batch is dropped");
            self.store_failed(now, error);
            self.group.listings.fail(error);
            self.tell_listings();
            // Also if what follows fails as well: nobody is let in by what is not stored.
            self.answer_admitted(false);
            self.store.rollback()?;
            self.reload_members(now)?;
        }
        self.answer_admitted(true);
        self.pump(now);
        self.overlay.flush(now);
        self.expel_strangers(now);
        self.pump(now);
        self.strikes.retain(|link, _| self.links.contains_key(link));
        result
    }

    /// The next thing to be done outside.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front().or_else(|| self.overlay.poll_output());
        if let Some(Output::Close { link, .. }) = &output {
            // The transport does not report a link that was closed from this side.
            self.forget_link(*link);
        }
        output
    }

    /// The next thing a waiting caller must be told.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    #[cfg(all(test, feature = "sim"))]
    pub(crate) fn keys(&self) -> Vec<RecordKey> {
        self.store.keys(&crate::wire::Filter::All, RecordKey::MIN, None, usize::MAX).unwrap_or_default()
    }

    #[cfg(all(test, feature = "sim"))]
    pub(crate) fn fetch(&self, key: &RecordKey) -> Option<SignedRecord> {
        self.store.fetch(key).ok().flatten()
    }

    /// Strikes given and nodes shunned.
    #[cfg(feature = "sim")]
    pub(crate) fn accusations(&self) -> usize {
        self.strikes.values().map(|strikes| *strikes as usize).sum::<usize>() + self.overlay.shunned()
    }

    /// What is left of a node that went off: its database.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn into_store(self) -> Box<dyn Store> {
        self.store
    }

    #[cfg(test)]
    pub(crate) fn reader(&self) -> Arc<dyn crate::records::Reader> {
        self.store.reader()
    }

    /// Makes new records on other threads.
    pub fn stamper(&self) -> Arc<Stamper> {
        self.stamper.clone()
    }

    fn refresh_stamper(&self, now: Now) {
        let may_write = self.usable && self.genesis.is_some();
        self.stamper.refresh(stamp::Facts {
            offset_ms: self.overlay.clock_offset_ms(),
            max_record: may_write.then_some(self.max_record()),
            is_group: self.group.members.is_some(),
            grant: self.group.own_grant(),
            skew_ms: self.overlay.clock_skew_ms().unwrap_or_default(),
            peer_now: self.peer_time(now),
            not_before: self.group.own_since(),
        });
    }

    fn max_record(&self) -> usize {
        self.genesis.as_ref().map_or(crate::limits::DEFAULT_MAX_RECORD, |g| g.max_record) as usize
    }

    /// The clock this graph agrees on.
    pub fn peer_time(&self, now: Now) -> Timestamp {
        self.overlay.peer_time(now)
    }

    pub(crate) fn current(&self, id: &RecordId) -> Result<Option<SignedRecord>, StoreError> {
        self.store.get(id)
    }
}
