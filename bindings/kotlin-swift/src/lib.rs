//! The native half of the Kotlin library and of the Swift package: conversions, and objects over the core's. What a programmer
//! sees is in `kotlin` and `swift`; the records, enumerations and errors here are theirs as they are, the objects are not.

mod cancel;
mod connection;
mod enums;
mod errors;
mod events;
mod graph;
mod group;
mod identities;
mod ids;
mod node;
mod pack;
mod progress;
mod record;
mod records;
mod stream;
mod texts;
mod turn;
mod values;

uniffi::setup_scaffolding!("peergraph");
