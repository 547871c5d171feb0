//! The only part that knows iroh, tokio and sockets.
//!
//! [`Transport`] owns the endpoint and the QUIC connections of a node; a [`GraphPort`] is one graph's door to it; the
//! [`Driver`] is the thread that runs a graph's engine. Decisions are made in the engine; here bytes are moved, within
//! bounds: a slow peer or reader holds up its own streams and nothing else.

mod admission;
mod arrivals;
mod clock;
mod connection;
mod data;
mod data_in;
mod data_pool;
mod driver;
mod endpoint;
mod fate;
mod graph_thread;
mod lane;
mod link;
mod not_taken;
#[cfg(test)]
mod polled;
mod room;
mod setup;
mod transport;

pub use clock::Clock;
pub use data::{DataLink, Delivery, Receipt, SendError};
pub use driver::{Answer, ConnectWatch, Driver, DriverSeed, Prepared, Steps};
pub use endpoint::{NetConfig, NetError, NetworkMode};
pub use fate::Gone;
pub use graph_thread::GraphThread;
pub use room::Charge;
pub use transport::{GraphPort, Inbound, Inbox, Transport};
