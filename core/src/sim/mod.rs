//! A deterministic world of many nodes: the product's engine under virtual time.
//!
//! One thread, one queue of events, one seed: the same seed gives the same run, on any machine. Links are ordered and
//! reliable as QUIC streams are, so a lost packet shows as delay; a partition or a killed node shows as silence, and
//! after the idle timeout as a closed link. See [`World`].
//!
//! ```
//! use std::time::Duration;
//! use peergraph::sim::World;
//!
//! let mut world = World::new(7).nodes(10).loss(0.05);
//! world.run(Duration::from_secs(20));
//! world.publish(3, "hello");
//! world.run(Duration::from_secs(5));
//! world.assert_all_databases_equal();
//! ```

#[cfg(test)]
mod away_tests;
mod checks;
#[cfg(test)]
mod clock_tests;
#[cfg(test)]
mod conflict_tests;
#[cfg(test)]
mod expiry_tests;
#[cfg(test)]
mod idle_tests;
#[cfg(test)]
mod lost_tests;
mod network;
#[cfg(test)]
mod papers_tests;
#[cfg(test)]
mod pausing_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod waiting_tests;
mod world;

pub use network::LinkModel;
pub use world::World;
