//! Honest nodes and liars.

mod between;
mod liars;
pub(crate) mod store;
pub(crate) mod world;
