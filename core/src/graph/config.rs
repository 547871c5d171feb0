//! How the overlay behaves.

use std::time::Duration;

use crate::limits::{
    ANTI_ENTROPY_INTERVAL, MAINTENANCE_INTERVAL, MAX_NEIGHBORS, MIN_NEIGHBORS, PING_INTERVAL, PROBE_INTERVAL,
    TARGET_NEIGHBORS,
};

/// How the overlay behaves. The defaults suit groups of two to thousands on ordinary networks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OverlayConfig {
    /// Neighbors to keep. Default 5: up to six nodes form a full mesh.
    pub target: usize,
    /// Neighbors to accept. Default 8.
    pub max: usize,
    /// Neighbors below which contacts are dialled without pause. Default 3.
    pub min: usize,
    /// Time between pings of a link, ± 20 %. Default 1 s.
    pub ping_interval: Duration,
    /// Time between rounds of maintenance. Default 5 s.
    pub maintenance_interval: Duration,
    /// Time between probes for a partition, ± 50 %. Default 30 s.
    pub probe_interval: Duration,
    /// Time between comparisons of databases with a neighbor, ± 50 %. Default 60 s.
    pub anti_entropy_interval: Duration,
}

impl Default for OverlayConfig {
    fn default() -> Self {
        Self {
            target: TARGET_NEIGHBORS,
            max: MAX_NEIGHBORS,
            min: MIN_NEIGHBORS,
            ping_interval: PING_INTERVAL,
            maintenance_interval: MAINTENANCE_INTERVAL,
            probe_interval: PROBE_INTERVAL,
            anti_entropy_interval: ANTI_ENTROPY_INTERVAL,
        }
    }
}
