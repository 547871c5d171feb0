//! Connections and links that come in, until they have proven themselves and have a place.

use std::time::Duration;

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
