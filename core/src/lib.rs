//! peergraph
pub mod crypto;
pub mod engine;
pub mod events;
pub mod ids;
pub mod io;
pub mod limits;
pub mod link;
pub mod record;
pub mod records;
pub mod time;
pub mod wire;
