//! Names, addresses and presence of nodes; clocks.

use std::time::Duration;

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
/// Longest presence lifetime.
pub const MAX_PRESENCE_LIFETIME: Duration = MAX_PRESENCE_SPAN;
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
/// A neighbor's clock further off than this is not averaged into peer time; if most are, this machine's clock counts as
/// wrong. 20 minutes, as in Windows.
pub const MAX_CLOCK_OFFSET: Duration = Duration::from_secs(20 * 60);
/// How long after a first reading of another's clock peer time may follow the others' clocks anywhere within 20 minutes; later it
/// moves away from this machine's clock by [`SKEW_ADMIT`](super::SKEW_ADMIT) a day at most.
pub const CLOCK_SETTLES: Duration = Duration::from_secs(10 * 60);
/// Identities whose clocks are remembered; those that are known longest stay.
pub const MAX_CLOCK_VOTES: usize = 64;
/// If the wall clock and the monotonic clock of a machine move apart by more than this at once, the wall clock was set,
/// or the machine has slept: all that was measured by it is measured anew.
pub const CLOCK_JUMP: Duration = Duration::from_secs(5);
/// A known difference between a machine's clock and the graph's time is told again when it has changed by this much.
pub const CLOCK_SKEW_STEP: Duration = Duration::from_secs(60);
