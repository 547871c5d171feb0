//! What others may cost this node: places and who holds them, paces and who keeps them. Pure: the time is handed in.

mod door;
mod pace;
mod shares;
mod source;
mod turns;

pub use door::{Door, Entry};
pub use pace::Pace;
pub use shares::Shares;
pub use source::Source;
pub use turns::Turns;

#[cfg(test)]
mod tests;
