//! Honest nodes and liars.

mod between;
mod liars;
mod sources;
pub(crate) mod store;
pub(crate) mod world;
