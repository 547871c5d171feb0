//! Every cap, timeout and default: unit, reason, and what happens at the edge.

use std::time::Duration;

/// Longest record type, in bytes of UTF-8. Longer ones are refused when parsed.
pub const MAX_RECORD_TYPE: usize = 64;
/// Longest attribute name, in bytes.
pub const MAX_ATTRIBUTE_NAME: usize = 40;
/// Most bytes of encoded attributes in a record.
pub const MAX_ATTRIBUTES: usize = 2 * 1024;
/// Most bytes of a record's signed header, attributes included. Checked before decoding.
pub const MAX_HEADER: usize = 4 * 1024;
/// Largest body plus attributes a graph accepts unless it was created with another limit. 1 MiB.
pub const DEFAULT_MAX_RECORD: u32 = 1024 * 1024;
/// Smallest value for a graph's record limit, as in Windows.
pub const MIN_MAX_RECORD: u32 = 1024;
/// Largest value for a graph's record limit: 60 MiB, as in Windows.
pub const MAX_MAX_RECORD: u32 = 60 * 1024 * 1024;
/// Records up to this size are pushed along the tree; larger ones are announced and pulled.
pub const PUSH_LIMIT: usize = 64 * 1024;

/// Longest friendly name of a graph or node, in bytes.
pub const MAX_NAME: usize = 255;
/// Longest classifier of a peer name, in characters. As in Windows.
pub const MAX_CLASSIFIER: usize = 149;
/// Longest friendly name of an identity, in characters. As in Windows.
pub const MAX_FRIENDLY_NAME: usize = 255;
/// Shortest password that an exported identity, membership or database is sealed with, in characters.
pub const MIN_PASSWORD: usize = 8;
/// Longest comment of a graph, in bytes.
pub const MAX_COMMENT: usize = 512;
/// Most bytes of a node's attributes text.
pub const MAX_NODE_ATTRIBUTES: usize = 1024;
/// Most addresses told for one node; the rest are cut.
pub const MAX_ADDRESSES: usize = 16;
/// Shortest presence lifetime.
pub const MIN_PRESENCE_LIFETIME: Duration = Duration::from_secs(300);
/// Longest presence lifetime.
pub const MAX_PRESENCE_LIFETIME: Duration = MAX_PRESENCE_SPAN;
/// A presence record that says it lives longer is refused.
pub const MAX_PRESENCE_RECORD: Duration = Duration::from_secs(30 * 24 * 3600);
/// Nodes of one identity that are listed: those whose presence is the latest.
pub const LISTED_OF_PEER: usize = 16;
/// Presence lifetime unless set. 5 minutes, as in Windows. A node that dies is taken off the list long before, by its
/// neighbors' word.
pub const DEFAULT_PRESENCE_LIFETIME: Duration = Duration::from_secs(300);

/// Mean time between two presence records of a whole graph. Lifetimes grow with the number of nodes to keep it, so the
/// traffic and the writes of each node do not depend on that number. A little above 10 s, so that chance rarely brings more
/// than one in 10 s.
pub const PRESENCE_INTERVAL: Duration = Duration::from_secs(12);
/// After presence could not be published, it is tried again after this.
pub const PRESENCE_RETRY: Duration = Duration::from_secs(30);
/// The longest lifetime of a presence record that a node publishes. Reached at 25,200 nodes; larger graphs want `presence_max`.
pub const MAX_PRESENCE_SPAN: Duration = Duration::from_secs(7 * 24 * 3600);
/// A node that is said to be lost is listed for this long, so that it can speak.
pub const LOST_PATIENCE: Duration = Duration::from_secs(3);
/// Nodes remembered as said to be lost although their presence is not here; beyond, the oldest are forgotten. Others are
/// remembered as long as their presence lives.
pub const MAX_LOST: usize = 1024;
/// How long a node is remembered as lost whose presence is not here.
pub const LOST_KEPT: Duration = Duration::from_secs(10 * 60);
/// Lost nodes in one message.
pub const MAX_LOST_TOLD: usize = 64;
/// A node that is said to be lost says at most this often that it is here.
pub const REFUTE_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of records that are read in one step of a walk over the database: beyond, the step ends. They may be few large ones.
pub const STEP_BYTES: usize = 4 * 1024 * 1024;

/// A record stamped at most this far ahead of peer time is admitted at once.
pub const SKEW_ADMIT: Duration = Duration::from_secs(2 * 60);
/// One stamped at most this far ahead is held until its time comes; beyond, it is refused.
pub const SKEW_HOLD: Duration = Duration::from_secs(10 * 60);
/// Records held for their time; the newest are refused beyond this.
pub const MAX_HELD: usize = 1000;
/// Bytes of records held for their time; as above. One of the largest size fits.
pub const MAX_HELD_BYTES: usize = MAX_MAX_RECORD as usize + MAX_HEADER + 16 * 1024;
/// A neighbor's clock further off than this is not averaged into peer time; if most are, this machine's clock counts as
/// wrong. 20 minutes, as in Windows.
pub const MAX_CLOCK_OFFSET: Duration = Duration::from_secs(20 * 60);
/// How long after a first reading of another's clock peer time may follow the others' clocks anywhere within 20 minutes; later it
/// moves away from this machine's clock by [`SKEW_ADMIT`] a day at most.
pub const CLOCK_SETTLES: Duration = Duration::from_secs(10 * 60);
/// Identities whose clocks are remembered; those that are known longest stay.
pub const MAX_CLOCK_VOTES: usize = 64;
/// If the wall clock and the monotonic clock of a machine move apart by more than this at once, the wall clock was set,
/// or the machine has slept: all that was measured by it is measured anew.
pub const CLOCK_JUMP: Duration = Duration::from_secs(5);
/// A known difference between a machine's clock and the graph's time is told again when it has changed by this much.
pub const CLOCK_SKEW_STEP: Duration = Duration::from_secs(60);
/// Highest version of a record as old as its last change. Higher ones are refused. Depends on the record alone, so
/// that all nodes refuse the same.
pub const MAX_VERSION_JUMP: u64 = 1 << 16;
/// What each millisecond between a record's creation and its last change adds to that.
pub const VERSIONS_PER_MS: u64 = 1000;
/// How long a tombstone is kept, unless configured.
pub const DEFAULT_TOMBSTONE_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// Records that a node which was away drops on the word of one current neighbor that lacks them. If they are more, and
/// more than half of its database, a second one must lack them, or the same one after [`AWAY_PATIENCE`].
pub const AWAY_FEW: usize = 1000;
/// See [`AWAY_FEW`].
pub const AWAY_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Versions before its predecessor that a version names: that far back it is certain whether one knew of the other.
pub const MAX_LINEAGE: usize = 15;
/// Bytes of versions that lost in a conflict, kept until acknowledged; the oldest of the author with most go beyond.
pub const MAX_CONFLICT_BYTES: u64 = 64 * 1024 * 1024;
/// How many of them there are at most: each counts for at least its share of the bytes.
pub const MAX_CONFLICTS: u64 = 4096;
/// How many of them for one record; the oldest go beyond.
pub const MAX_CONFLICTS_PER_RECORD: usize = 8;

/// Largest control, announcement or reconciliation message, in bytes. A larger one ends the link.
pub const MAX_MESSAGE: usize = 128 * 1024;
/// Acts that tell a removed identity of its removal, in one answer.
pub const MAX_ENDING_ACTS: usize = 256;
/// Their bytes.
pub const ENDING_BYTES: usize = 64 * 1024;
/// One removed identity is told of its removal at most once in this time: each answer is read from the database.
pub const ENDING_PAUSE: Duration = Duration::from_secs(10);
/// Bytes of control frames of one link that wait for the graph's thread, and as many of records; one frame of any length
/// does. Beyond, the link is not read, and its sender is held back.
pub const LINK_INBOX: usize = 256 * 1024;
/// The same of all links of a graph together.
pub const GRAPH_INBOX: usize = 8 * 1024 * 1024;
/// What a waiting frame costs beside its bytes.
pub const FRAME_COST: usize = 256;
/// Control frames of a link that is gone that are still worked on: its last; those before them ask for what nobody would hear.
pub const LAST_FRAMES: usize = 8;
/// Frames and calls taken in by a graph's thread before all of them are settled in one transaction.
pub const ROUND_JOBS: usize = 1024;
/// Calls carried out in a row before what has arrived has its turn.
pub const ROUND_CALLS: usize = 256;
/// Bytes of such frames; the one that reaches it is the last.
pub const ROUND_BYTES: usize = 1024 * 1024;
/// Time that such frames may take: bounds how long an answer waits for what came with it.
pub const ROUND_TIME: Duration = Duration::from_millis(20);
/// The same while a call waits for its turn.
pub const ROUND_TIME_CALLED: Duration = Duration::from_millis(2);
/// Record bytes gathered into one frame.
pub const BATCH_BYTES: usize = 64 * 1024;
/// Records in one frame. More than honest nodes gather: each is longer than its 64 bytes of signature.
pub const MAX_BATCH_RECORDS: usize = 1024;
const _: () = assert!(BATCH_BYTES / 65 < MAX_BATCH_RECORDS);
/// Record bytes on their way to one neighbor before its queue holds ids instead. Bounds memory per slow neighbor.
pub const LINK_WINDOW: usize = 256 * 1024;
/// What each frame under way counts beside its bytes: what its buffer and its place in a queue take.
pub const SENT_FRAME_COST: usize = 64;
/// Bytes of reconciliation that wait for one neighbor, beside those under way; what does not fit is dropped, and the databases
/// are compared later. From three quarters of it on, what the neighbor asks by reconciliation is not looked at: two sessions
/// in which each side keeps to [`SYNC_PIPELINE`] and [`FETCH_WINDOW`] stay below, however slow the neighbor is.
pub const CONTROL_WAITING: usize = 1024 * 1024;
const _: () = assert!(
    2 * (SYNC_PIPELINE as usize + 1) * FETCH_WINDOW * (40 + 1) < LINK_WINDOW + CONTROL_WAITING / 4 * 3
);
/// Lost nodes that wait for one neighbor that does not read; further ones are not told to it.
pub const LOST_WAITING: usize = 256;
/// A link is given up if bytes are under way and none of them was taken by the network for this long, and for what they take
/// at [`OUTBOX_PACE`].
pub const OUTBOX_STUCK: Duration = Duration::from_secs(30);
/// Bytes per second that the slowest neighbor is given time for.
pub const OUTBOX_PACE: usize = 8 * 1024;
/// Time between two comparisons of databases with one neighbor that are made because something did not fit.
pub const MAKE_GOOD_INTERVAL: Duration = Duration::from_secs(10);
/// Ids waiting for one neighbor, with those that it asked for; beyond, the queue is dropped, the link marked dirty, and reconciled later.
pub const LINK_QUEUE: usize = 4096;
/// Ids in one announcement; reached, it is sent at once.
pub const ANNOUNCE_BATCH: usize = 64;
/// Ids in one announcement that is accepted; a message with more ends the link.
pub const MAX_ANNOUNCED: usize = 1024;
/// Ids in one request for announced records that is accepted; as above.
pub const MAX_GRAFTED: usize = 2048;
/// Origins in one message that asks for announcements instead of records. More are sent in several; a message with more
/// ends the link.
pub const MAX_PRUNED: usize = 256;
/// Bytes of records that overtook the welcome of a link, kept until it comes; one frame of any size is. What comes beyond
/// is dropped: the comparison of databases that follows the welcome brings it.
pub const MAX_EARLY_BYTES: usize = 256 * 1024;
/// How long an announcement may wait for company.
pub const ANNOUNCE_DELAY: Duration = Duration::from_millis(5);
/// Announced ids not yet received, per link; beyond, further ones are left to reconciliation.
pub const MAX_MISSING: usize = 4096;
/// Shortest wait for an announced record before it is pulled.
pub const GRAFT_DELAY: Duration = Duration::from_millis(40);
/// Origins whose trees are remembered. The least recently used is forgotten; its next record floods.
pub const MAX_ORIGINS: usize = 1024;
/// Ids remembered as seen, beside the database. Memory: about 40 bytes each.
pub const MAX_SEEN: usize = 64 * 1024;
/// Versions remembered that were looked at and not stored. The oldest are forgotten, and looked at again if they come
/// again. About 100 bytes each.
pub const MAX_REFUSED: usize = 8 * 1024;
/// One that was refused because of its time is looked at again after this.
pub const REFUSED_FOR_TIME: Duration = Duration::from_secs(5 * 60);
/// Invalid signatures from one link before it is closed and its node shunned.
pub const MAX_STRIKES: u32 = 3;
/// How long a node is shunned after that; doubles each time.
pub const SHUN: Duration = Duration::from_secs(600);
/// Nodes that are shunned at once; beyond, the one whose time is over first is let in again. Keys of nodes cost nothing.
pub const MAX_SHUNNED: usize = 1024;

/// Neighbors we try to keep.
pub const TARGET_NEIGHBORS: usize = 5;
/// Neighbors we accept at most.
pub const MAX_NEIGHBORS: usize = 8;
/// Neighbors of one identity, once there are as many as we try to keep: more of it count for nothing.
pub const PLACES_OF_ONE: usize = 2;
/// The same of one range of public addresses.
pub const PLACES_OF_SOURCE: usize = 3;
/// Places that an identity with so many does not get: for others, and for those we dial.
pub const RESERVED_PLACES: usize = 2;
/// Neighbors that we dialled, the longest lived of different identities, whose places nobody takes.
pub const PROTECTED_BY_AGE: usize = 3;
/// Neighbors that brought most news, whose places nobody takes either.
pub const PROTECTED_BY_NEWS: usize = 2;
/// A link is protected by neither before it has lasted this long.
pub const PROTECTION_AGE: Duration = Duration::from_secs(60);
/// A full node parts with a neighbor for a lonely one at most this often, so that nobody can empty it.
pub const EVICTION_INTERVAL: Duration = Duration::from_secs(1);
/// The same for one identity.
pub const URGENT_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Identities of which that is remembered.
pub const MAX_URGENT: usize = 1024;
/// Neighbors below which we look for more at once.
pub const MIN_NEIGHBORS: usize = 3;
/// Graphs of at most this many nodes are fully meshed.
pub const FULL_MESH: usize = 6;
/// Addresses handed out with a refusal, a welcome or a goodbye.
pub const REFERRALS: usize = 10;
/// Referrals remembered in one connect; each is tried at most once.
pub const MAX_REFERRALS: usize = 100;
/// Contacts dialled at the same time while short of neighbors.
pub const REPAIR_DIALS: usize = 4;
/// First wait before a contact that could not be reached is dialled again; doubles to [`MAX_BACKOFF`].
pub const MIN_BACKOFF: Duration = Duration::from_secs(1);
/// Longest wait between two dials of one contact.
pub const MAX_BACKOFF: Duration = Duration::from_secs(3600);
/// The same for a node that has no neighbor: whoever comes back is found again within a minute.
pub const ALONE_BACKOFF: Duration = Duration::from_secs(60);
/// Contacts remembered of those that this node dialled and that welcomed it, and as many of those it only heard of; beyond, the one
/// not heard of for longest is forgotten. About 600 bytes each.
pub const MAX_CONTACTS: usize = 8 * 1024;
/// Of one identity in each of the two.
pub const CONTACTS_OF_PEER: usize = 16;
/// Of one range of addresses in each of the two.
pub const CONTACTS_OF_SOURCE: usize = 64;
/// Of those that one told of, and that nobody else confirmed.
pub const CONTACTS_OF_TELLER: usize = 32;
/// Ranges of addresses that one contact is counted in.
pub const MAX_CONTACT_SOURCES: usize = 4;
/// Socket addresses that are dialled of those that somebody else told of a node.
pub const MAX_HEARSAY_ADDRESSES: usize = 4;
/// Contacts kept across restarts, of each of the two kinds.
pub const MAX_KEPT_CONTACTS: usize = 2048;
/// Longest time between two times that they are written, and the first.
pub const CONTACTS_INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A contact not heard of for this long is forgotten.
pub const CONTACT_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// Time between two rounds of maintenance.
pub const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(5);
/// Time between two probes of a random contact for a partition, ± 50 %.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(30);
/// A partition mark that has not grown for this long is dead.
pub const MARK_LIFETIME: Duration = Duration::from_secs(30);
/// Time between two comparisons of databases with each neighbor, ± 50 %.
pub const ANTI_ENTROPY_INTERVAL: Duration = Duration::from_secs(60);
/// Time between pings of a link.
pub const PING_INTERVAL: Duration = Duration::from_secs(1);
/// Longest time between pings that another node may ask for.
pub const MAX_PING_INTERVAL: Duration = Duration::from_secs(60);
/// Unanswered pings after which a neighbor is taken for dead, at least.
pub const PING_MISSES: u32 = 3;

/// A dial without answer is given up after this.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// A link not set up after this is closed, when few are being set up. Falls to [`HANDSHAKE_FLOOR`] under load.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// The shortest handshake deadline, however many are in progress.
pub const HANDSHAKE_FLOOR: Duration = Duration::from_secs(5);
/// Incoming links of a graph being set up at once; further ones wait for [`SETUP_PATIENCE`], and then hear that the node
/// is busy. Dials of this node and links that part do not count.
pub const MAX_HANDSHAKES: usize = 64;
/// Of those, kept for sources that have none: a range of addresses is a source.
pub const KEPT_HANDSHAKES: usize = 16;
/// The same of one node: it has one link for each purpose.
pub const NODE_HANDSHAKES: usize = 4;
/// How long a link that has proven to know the graph waits until it can be set up.
pub const SETUP_PATIENCE: Duration = Duration::from_secs(4);
/// Links that wait for it, of all graphs; further ones hear at once that the node is busy.
pub const MAX_WAITING_SETUPS: usize = 256;

/// Connections that came in and have proven to know no graph, from their first packet on. Beyond, the oldest of the source
/// that has most goes.
pub const MAX_VISITORS: usize = 64;
/// Of those, kept for sources that have none.
pub const KEPT_VISITORS: usize = 16;
/// How long such a connection may last.
pub const VISIT_TIME: Duration = Duration::from_secs(10);
/// The same while there are more than half as many as may be.
pub const VISIT_CROWDED: Duration = Duration::from_secs(2);
/// None makes room for another before this.
pub const VISIT_FLOOR: Duration = Duration::from_secs(1);
/// TLS handshakes under way from which on whoever comes proves first that it is at its address (QUIC Retry).
pub const UNPROVEN_HANDSHAKES: usize = 16;
/// How long a connection waits for a place; then it is refused.
pub const DOOR_PATIENCE: Duration = Duration::from_secs(4);
/// Connections that wait for a place; further ones are refused at once.
pub const MAX_AT_DOOR: usize = 64;
/// Connections that came in and whose last link has ended, kept in case another follows; others are closed at once.
pub const MAX_RESTING: usize = 64;
/// How long the other end may take for its hello, and for the first bytes of another stream until its link is there.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// On one connection, streams of one direction are taken in no faster than one in this time,
pub const STREAM_INTERVAL: Duration = Duration::from_micros(31_250);
/// but so many at once.
pub const STREAM_BURST: u32 = 256;

/// Direct connections of a graph that came in; further ones hear that the node is busy.
pub const MAX_DIRECTS: usize = 256;
/// Of those, with one node.
pub const MAX_NODE_DIRECTS: usize = 16;
/// Links of one node that join or look by, at once; further ones hear that the node is busy.
pub const MAX_NODE_GUESTS: usize = 2;
/// Links at once that look by.
pub const MAX_PROBES: usize = 8;

/// `connect` gives up after this unless told otherwise.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// Entering a graph with a database from before waits this long for somebody to answer; then it goes on alone.
pub const ENTER_PATIENCE: Duration = Duration::from_secs(3);
/// A join that was let in gives up when nothing of the database came for this long. What came stays.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for goodbyes and flushes when a graph or node closes.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// The wait for a goodbye ends once the other end was silent for this long plus four round trips: a live node acknowledges
/// packets within milliseconds.
pub const SILENCE: Duration = Duration::from_millis(700);
/// How long the end of a node waits for the system to have its ports back, once everything else is closed.
pub const SOCKET_TIMEOUT: Duration = Duration::from_secs(1);
/// How often that is looked at: a few times, since it takes a few milliseconds.
pub const SOCKET_POLL: Duration = Duration::from_millis(2);

/// How long the sockets stay open for the last words of connections when a node closes, beside four round trips: all
/// goodbyes were heard before. Longer it would take only for connections that nobody answers, as after a dial.
pub const LAST_WORDS: Duration = Duration::from_millis(200);

/// Keys in one reconciliation range that are listed rather than fingerprinted.
pub const SYNC_LEAF: usize = 32;
/// Parts into which a larger range is cut.
pub const SYNC_BRANCH: usize = 16;
/// Ranges in one reconciliation message.
pub const MAX_RANGES: usize = 64;
/// Reconciliation messages under way to one peer.
pub const SYNC_PIPELINE: u32 = 4;
/// Reconciliation messages one side may send in a session, and one more for every four records transferred;
/// beyond, it is aborted.
pub const MAX_SYNC_ROUNDS: u32 = 256;
/// Ranges waiting to be sent in a session; beyond, it is aborted. Memory: about 80 bytes each, and keys.
pub const MAX_OPEN_RANGES: usize = 16 * 1024;
/// Keys asked for and not yet received in a session, at most.
pub const FETCH_WINDOW: usize = 2048;
/// The same at the beginning of a session: then as many as come in [`FETCH_PACE`], since nobody knows how large they are.
pub const FETCH_START: usize = 32;
/// How long what is asked for may take: well below [`FETCH_PATIENCE`].
pub const FETCH_PACE: Duration = Duration::from_secs(2);
/// A key asked for on one link may be asked for on another after this.
pub const FETCH_PATIENCE: Duration = Duration::from_secs(10);
/// Parts of a large record put that off by at most so much, since something new last came whole.
pub const MAX_ARRIVING_PATIENCE: Duration = Duration::from_secs(60);
/// Bytes asked for by range and not yet received in a session.
pub const PULL_WINDOW: usize = 1024 * 1024;
/// Requests by range under way in a session.
pub const MAX_PULLS: usize = 16;
/// A session without progress for this long is aborted.
pub const SYNC_TIMEOUT: Duration = Duration::from_secs(30);
/// Of an unfinished frame, an engine is told after this many more bytes, and no more often than
/// [`ARRIVING_INTERVAL`]. Slower than this within [`SYNC_TIMEOUT`] is no progress.
pub const ARRIVING_BYTES: usize = 16 * 1024;
/// See [`ARRIVING_BYTES`].
pub const ARRIVING_INTERVAL: Duration = Duration::from_secs(1);
/// While a large record is on its way, the node that sends it hears this often that it is awaited.
pub const AWAIT_INTERVAL: Duration = Duration::from_secs(10);
/// How often in a row that keeps a session open: a record of 16 MiB crosses at about 200 kbit/s meanwhile.
pub const MAX_AWAITED: u32 = 64;
/// How often at most it is told how far a database is on its way here.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// A node that is current tells how far others' records are on their way from so many missing ones on.
pub const PROGRESS_WORTH: u64 = 1000;
/// Sessions answered at once.
pub const MAX_SERVED_SYNCS: usize = 4;
/// Elements of a summary bucket: built to this, split at twice it.
pub const BUCKET: usize = 512;
/// Record types with summaries of their own in memory, 4 bytes a record. Beyond, the smallest is dropped.
pub const MAX_TYPE_SUMMARIES: usize = 64;
/// Record types and identities whose numbers a disk store remembers. Beyond, it looks them up again.
pub const MAX_INTERNED: usize = 64 * 1024;
/// After a failure of the database, writing is tried again after this, doubling to [`MAX_STORE_RETRY`].
pub const MIN_STORE_RETRY: Duration = Duration::from_millis(250);
/// See [`MIN_STORE_RETRY`].
pub const MAX_STORE_RETRY: Duration = Duration::from_secs(4);
/// So often writing may fail because the database is damaged, each time within half a minute of the time before, until the
/// graph stops.
pub const MAX_DAMAGED_WRITES: u32 = 5;
/// Idle read connections that a disk store keeps open. Beyond, they are closed after use.
pub const MAX_IDLE_READERS: usize = 4;

/// Connection and presence events waiting for one subscriber. Beyond, they coalesce, then [`Lagged`] counts them.
///
/// [`Lagged`]: crate::events::Event::Lagged
pub const EVENT_RING: usize = 1024;
/// Record changes waiting in memory for one subscriber; beyond, they are read from the database when it is ready.
pub const RECORD_RING: usize = 1024;
/// Bytes of bodies of such record changes; as above. One of any size fits.
pub const RECORD_RING_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of bodies and data in one batch of events, or read from the database for one subscriber in one step. One event
/// at least: a batch of the largest records of a default graph fits the heap of a phone.
pub const EVENT_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of incoming data waiting for one subscriber; beyond, the sender is held back.
pub const DATA_RING_BYTES: usize = 1024 * 1024;
/// Messages of incoming data waiting for one subscriber; beyond, the sender is held back.
pub const DATA_RING: usize = 4096;
/// Largest message on a direct connection or neighbor link. 16 MiB.
pub const MAX_DATA: usize = 16 * 1024 * 1024;
/// Bytes of application data waiting to be sent on one link before `send` waits. One message is always taken.
pub const DATA_SEND_BUFFER: usize = 1024 * 1024;
/// Messages of application data that are cut out of a stream before they are delivered.
pub const DATA_AT_ONCE: usize = 256;
/// Largest message of application data that comes in without a place among the large ones, in bytes.
pub const SMALL_DATA: usize = 64 * 1024;
/// Bytes of larger messages that are coming in, of all links of a node together. Beyond, a message waits for its place, and
/// its sender is held back. One identity has one place at a time.
pub const DATA_POOL: usize = 32 * 1024 * 1024;
const _: () = assert!(DATA_POOL >= MAX_DATA, "a message of any length gets a place");
/// While others wait for a place, a message that comes in slower than this, in bytes a second, loses its own: what came of it
/// is dropped, and its sender told that nobody took it.
pub const DATA_PACE: u64 = 64 * 1024;
/// Its pace is looked at once in this time.
pub const DATA_GRACE: Duration = Duration::from_secs(10);
/// Messages that nobody took, of which the other end has not been told yet since it does not read; beyond, no more is read
/// from it.
pub const MAX_UNTOLD: usize = 4096;
/// Runs of messages in a row that were not taken and whose receipts nobody has asked for; the oldest are forgotten, and receipts that
/// are as old say that their message was not taken.
pub const MAX_NOT_TAKEN_RUNS: usize = 4096;
/// Most items on a page of any enumeration.
pub const MAX_PAGE: usize = 1000;
/// Most bytes of records (as they travel) on one page; a page has at least one item. 4 MiB: a page of the largest
/// records of a default graph fits the heap of a phone.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Most grants between a group's creator and a member, as in Windows.
pub const MAX_CHAIN: u8 = 24;
/// Acts that somebody shows when connecting: the grants from the creator's down, and renewals.
pub const MAX_SHOWN: usize = 4 * MAX_CHAIN as usize;
/// How long links last that rest on shown acts alone, from when the first by the word of one member is made, or from the last
/// records that came. They end before that once the acts of both ends were compared.
pub const PAPERS_PATIENCE: Duration = Duration::from_secs(30);
/// How long they last at most, however much comes on them, or if this node has nothing yet.
pub const MAX_PAPERS_TIME: Duration = Duration::from_secs(10 * 60);
/// So long after that first link, others may be made that rest on the word of this member.
pub const PAPERS_PAUSE: Duration = Duration::from_secs(10 * 60);
/// Grants between a group's creator and a member unless the group says otherwise.
pub const DEFAULT_CHAIN: u8 = 8;
/// Record types that can have rules of their own.
pub const MAX_TYPE_RULES: usize = 256;
/// Longest reason of a removal, in bytes.
pub const MAX_REASON: usize = 255;
/// Identities named as admitters of one invitation.
pub const MAX_ADMITTERS: usize = 16;
/// Records waiting for their author's credential; the oldest go beyond this.
pub const MAX_DEFERRED: usize = 4096;
/// Bytes of such records; as above. One of the largest size fits.
pub const MAX_DEFERRED_BYTES: usize = MAX_HELD_BYTES;
/// How long a record waits for its author's credential; reconciliation brings it again.
pub const DEFERRED_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How long records stay where they are that wait for a list, which may be on its way, before they are withheld.
pub const LIST_PATIENCE: Duration = Duration::from_secs(60);
/// How long a membership lasts unless said otherwise; renewed by whoever may before it ends, as any of [`MIN_RENEWAL`] or more.
pub const DEFAULT_MEMBERSHIP: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long an invitation can be used unless said otherwise.
pub const DEFAULT_INVITATION: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long a membership by password lasts until somebody grants a longer one.
pub const PASSWORD_MEMBERSHIP: Duration = Duration::from_secs(24 * 3600);
/// Automatic acts signed in one step, as renewals. The rest follows after the next commit, or with the next look.
pub const ISSUED_AT_ONCE: usize = 32;
/// Grants in force of this node's identity that are put in order before one is named: those that were used, then in turns of those
/// who gave them; each is compared with each other.
pub const OWN_GRANTS: usize = 16;
/// Grants of one member that are renewed in one step: in turns of those who gave them, and of those above these.
pub const RENEWED_OF_MEMBER: usize = 4;
/// Shortest time for which a node renews a membership. One that a person gives for less ends with it.
pub const MIN_RENEWAL: Duration = Duration::from_secs(24 * 3600);
/// Least time that a renewal adds; the renewer's own membership may allow less. So no grant is renewed more than four times a day.
pub const MIN_RENEWAL_GAIN: Duration = Duration::from_secs(6 * 3600);
/// Renewals that an identity signs in [`RENEWALS_COUNTED`] of memberships that one member gave, or others below that one. Those
/// that itself or the creator gave are not counted. 10,000 members of one giver who came on one day, for 30 days, take three.
pub const RENEWED_OF_GIVER: usize = 4096;
/// Over which time they are counted.
pub const RENEWALS_COUNTED: Duration = Duration::from_secs(24 * 3600);
/// Longest message of a password proof, in bytes.
pub const MAX_PROOF: usize = 1024;
/// How long a link for joining may last.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Joins by password that a member passes on to an admitter at once; further ones are told that it is none.
pub const MAX_RELAYED_JOINS: usize = 8;
/// Messages of joining that one end says on a link; the next one ends it. A join takes two.
pub const MAX_JOIN_MESSAGES: u8 = 3;
/// Nodes that a joiner asks beside those of its invitation, because others named them.
pub const MAX_REFERRED_JOINS: usize = 20;
/// Nodes of one identity among those that joiners are referred to, or that an invitation names.
pub const NODES_OF_ONE: usize = 2;
/// Links for joining at once; further ones are told to come later.
pub const MAX_JOINS: usize = 64;
/// Most sealed keys in one record of an epoch: it fits the smallest record limit of a group.
pub const MAX_EPOCH_KEYS: usize = 450;
/// Most earlier keys that an epoch carries: all that no other one carries.
pub const MAX_OLDER_EPOCHS: usize = 64;
/// Smallest record limit of a group: credentials must fit.
pub const MIN_GROUP_RECORD: u32 = 64 * 1024;
/// Most bytes of what an exported database says of itself: the rules of the largest group fit.
pub const MAX_EXPORT_HEAD: usize = 256 * 1024;
/// Records taken from an exported database in one transaction.
pub const IMPORT_BATCH: usize = 512;
/// Bytes of such records; one at least is taken.
pub const IMPORT_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Heads that one act names. With more, a merge act names some of them first.
pub const MAX_ACT_HEADS: usize = 16;
/// Leave acts of one identity that are kept. With so many, nothing that the identity did counts any more, whichever they are.
pub const MAX_LEAVES: usize = 17;
/// Leave acts of one identity that this node heard first and that gave way to others: it knows what they name. With so many
/// it does not trust the others.
pub const MAX_FIRST_LEAVES_OF_MEMBER: usize = MAX_LEAVES;
/// The same of all identities of a group.
pub const MAX_FIRST_LEAVES: usize = 1024;
/// Grants that name as many leaves as they can, and that one of those ended which were heard first. With more it is taken to name
/// nothing.
pub const MAX_ENDED_NAMED: usize = 16;
/// Identities that left of whom a password says that they do not end it.
pub const MAX_LEAVERS: usize = 64;
/// Cuts in one removal: how far the acts of those who left stand. With them, and with the longest list, it fits the smallest
/// record limit of a group.
pub const MAX_CUTS: usize = 48;
/// Acts that one cut names: the heads and the grant that a leave act names.
pub const MAX_CUT_HEADS: usize = MAX_ACT_HEADS + 1;
/// Nodes that one identity may refuse for itself; those with the smallest ids count.
pub const MAX_REVOKED_DEVICES: usize = 64;
/// Removals and demotions of one grant, or withdrawals of one invitation, by one author that are heard.
pub const MAX_ENDS_HEARD: usize = 16;
/// Acts of one identity without a grant in force that never counted here and that nobody needs; further ones are not taken in.
pub const MAX_IDLE_ACTS: usize = 256;
/// The same of all identities together none of whose grants ever counted here: they cost nothing to invent.
pub const MAX_IDLE_OF_STRANGERS: usize = 1024;
/// Void grants and renewals of members by one identity without a grant in force, with their pasts, that are kept for records which
/// may name them.
pub const MAX_NAMED_ACTS: usize = 4096;
/// Acts of one such identity (of all together none of whose grants ever counted here) beyond which none is taken in for its own
/// sake.
pub const MAX_NEEDED_ACTS: usize = 8192;
/// Admitters to whom one act seals a password's verifier.
pub const MAX_VERIFIERS: usize = 280;
/// Longest key or verifier that is sealed to one identity, in bytes.
pub const MAX_SEALED_KEY: usize = 1024;
/// Chunks of one list of records to keep: 1,024,000 entries.
pub const MAX_KEEP_CHUNKS: usize = 1024;
/// Entries in one chunk of such a list.
pub const KEEP_CHUNK: usize = 1000;
/// Acts and chunks that wait for an act, or until somebody needs them; beyond, the author with most of them loses its oldest.
pub const MAX_WAITING_ACTS: usize = 8192;
/// Their bytes; as above.
pub const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// Beside those, the ones by authors none of whose grants ever counted here.
pub const MAX_WAITING_OF_STRANGERS: usize = 256;
/// Their bytes.
pub const MAX_WAITING_BYTES_OF_STRANGERS: usize = 4 * 1024 * 1024;
/// Largest act, in bytes: an epoch with all its keys fits.
pub const MAX_ACT: usize = 128 * 1024;
