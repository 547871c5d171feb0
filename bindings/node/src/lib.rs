//! The native half of the npm package `peergraph`: conversions, and the bridge to Node's event loop. What a JavaScript
//! programmer sees is in `lib` and `index.d.ts`.
mod bridge;
mod connection;
mod convert;
mod errors;
mod events;
mod graph;
mod group;
mod identities;
mod names;
mod node;
mod pack;
mod records;
mod texts;
mod values;
