//! What became of a graph's thread, for those who wait for its answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
};

use tokio::sync::oneshot;

/// The graph does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It was closed.
    Closed,
    /// Its thread ended by a panic: a fault of the library.
    Crashed,
    /// Its database is so damaged that nothing can be written.
    Damaged,
}

/// Why a graph's thread ended, unless it was closed.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate(Arc<AtomicU8>);

const CRASHED: u8 = 1;
const DAMAGED: u8 = 2;

impl Fate {
    pub(super) fn crash(&self) {
        self.0.store(CRASHED, Ordering::Release);
    }

    pub(super) fn damage(&self) {
        self.0.store(DAMAGED, Ordering::Release);
    }

    /// Why a graph that does not answer does not.
    pub(super) fn gone(&self) -> Gone {
        match self.0.load(Ordering::Acquire) {
            CRASHED => Gone::Crashed,
            DAMAGED => Gone::Damaged,
            _ => Gone::Closed,
        }
    }
}

/// Brings one answer of the graph's thread. If a panic takes it away, whoever waits hears that it was one.
#[derive(Debug)]
pub(super) struct Teller<T> {
    sender: Option<oneshot::Sender<T>>,
    fate: Fate,
}

impl<T> Teller<T> {
    pub(super) fn new(fate: &Fate) -> (Self, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self { sender: Some(sender), fate: fate.clone() }, receiver)
    }

    /// Tells the answer; nothing happens if nobody waits for it any more.
    pub(super) fn tell(mut self, answer: T) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(answer);
        }
    }
}

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        // Before the sender is dropped, which tells whoever waits.
        if thread::panicking() {
            self.fate.crash();
        }
    }
}
