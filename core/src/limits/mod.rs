//! Every cap, timeout and default: unit, reason, and what happens at the edge. `core/LIMITS.md` is made from these files.

mod admission;
mod authority;
mod calls;
mod events;
mod groups;
mod links;
mod overlay;
mod presence;
mod records;
mod sync;

pub use admission::*;
pub use authority::*;
pub use calls::*;
pub use events::*;
pub use groups::*;
pub use links::*;
pub use overlay::*;
pub use presence::*;
pub use records::*;
pub use sync::*;
