//! How long calls wait, and how a node closes.

use std::time::Duration;

/// `connect` gives up after this unless told otherwise.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// Entering a graph with a database from before waits this long for somebody to answer; then it goes on alone.
pub const ENTER_PATIENCE: Duration = Duration::from_secs(3);
/// A join that was let in gives up when nothing of the database came for this long. What came stays.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for goodbyes and flushes when a graph or node closes.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// The wait for a goodbye ends once the other end was silent for this long plus four round trips: a live node acknowledges
/// packets within milliseconds.
pub const SILENCE: Duration = Duration::from_millis(700);
/// How long the end of a node waits for the system to have its ports back, once everything else is closed.
pub const SOCKET_TIMEOUT: Duration = Duration::from_secs(1);
/// How often that is looked at: a few times, since it takes a few milliseconds.
pub const SOCKET_POLL: Duration = Duration::from_millis(2);
/// How long the sockets stay open for the last words of connections when a node closes, beside four round trips: all
/// goodbyes were heard before. Longer it would take only for connections that nobody answers, as after a dial.
pub const LAST_WORDS: Duration = Duration::from_millis(200);
