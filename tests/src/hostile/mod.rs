//! A hostile process beside a victim and three honest processes, and what it costs them.
//!
//! Each row of the table is one attack in a new group: the victim created the group and admits joiners; two honest members
//! publish and listen, a third makes new nodes that join through the victim. The attacker speaks the wire protocol itself, with the
//! keys of members, of a removed member, or without any. The waits of honest calls and the victim's memory are measured without
//! the attack first, then under it.

mod attacker;
mod attacks;
mod attacks_at_the_door;
mod attacks_by_members;
mod kinds;
mod process;
mod report;
mod roles;
mod row;
mod samples;

pub use attacks::{Attack, Who, attack, attacks};
pub use report::{Report, circumstances, write_into_security};
pub use roles::{honest, victim};
pub use row::{Limits, Pace, Row, Waits, measure};
