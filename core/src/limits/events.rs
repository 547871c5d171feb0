//! Events, application data, pages.

use std::time::Duration;

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
