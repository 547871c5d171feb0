//! Comparison of databases, and the stores.

use std::time::Duration;

/// Bytes of records that are read in one step of a walk over the database: beyond, the step ends. They may be few large ones.
pub const STEP_BYTES: usize = 4 * 1024 * 1024;
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
