//! Records: sizes, times, versions, what is kept of them.

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
/// A record stamped at most this far ahead of peer time is admitted at once.
pub const SKEW_ADMIT: Duration = Duration::from_secs(2 * 60);
/// One stamped at most this far ahead is held until its time comes; beyond, it is refused.
pub const SKEW_HOLD: Duration = Duration::from_secs(10 * 60);
/// Records held for their time; the newest are refused beyond this.
pub const MAX_HELD: usize = 1000;
/// Bytes of records held for their time; as above. One of the largest size fits.
pub const MAX_HELD_BYTES: usize = MAX_MAX_RECORD as usize + MAX_HEADER + 16 * 1024;
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
/// Records waiting for their author's credential; the oldest go beyond this.
pub const MAX_DEFERRED: usize = 4096;
/// Bytes of such records; as above. One of the largest size fits.
pub const MAX_DEFERRED_BYTES: usize = MAX_HELD_BYTES;
/// How long a record waits for its author's credential; reconciliation brings it again.
pub const DEFERRED_LIFETIME: Duration = Duration::from_secs(10 * 60);
