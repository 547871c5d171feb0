//! Links: frames, queues, rounds of the graph thread, and what is remembered of who misbehaves.

use std::time::Duration;

use super::{FETCH_WINDOW, SYNC_PIPELINE};

/// Largest control, announcement or reconciliation message, in bytes. A larger one ends the link.
pub const MAX_MESSAGE: usize = 128 * 1024;
/// Bytes of control frames of one link that wait for the graph's thread, and as many of records; one frame of any length
/// does. Beyond, the link is not read, and its sender is held back.
pub const LINK_INBOX: usize = 256 * 1024;
/// The same of all links of a graph together.
pub const GRAPH_INBOX: usize = 8 * 1024 * 1024;
/// What a waiting frame costs beside its bytes.
pub const FRAME_COST: usize = 256;
/// Control frames of a link that is gone that are still worked on: its last; those before them ask for what nobody would hear.
pub const LAST_FRAMES: usize = 8;
/// Items for which the queue of a link keeps room while it is empty; what a burst took beyond is given back.
pub const KEPT_ROOM: usize = 16;
/// Empty queues of links that may be remembered, beside twice as many as have something; beyond, those that owe nothing are forgotten.
pub const KEPT_QUEUES: usize = 64;
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
