//! Telling a reader that there is something to read: wakers of futures, and the wake hook of bindings.

use std::{
    fmt, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::Waker,
    thread::{self, ThreadId},
};

/// Called when a queue stops being empty. Must only post a message; must not wait.
pub type WakeHook = Arc<dyn Fn() + Send + Sync>;

/// A hook that can be replaced, with the promise that the old one no longer runs afterwards.
#[derive(Default)]
pub(super) struct HookCell {
    state: Mutex<HookState>,
    idle: Condvar,
}

#[derive(Default)]
struct HookState {
    hook: Option<WakeHook>,
    running: Vec<ThreadId>,
}

impl HookCell {
    /// Replaces the hook and waits until calls of the old one on other threads have returned.
    pub(super) fn set(&self, hook: Option<WakeHook>) {
        let me = thread::current().id();
        let mut state = self.lock();
        let old = mem::replace(&mut state.hook, hook);
        while state.running.iter().any(|thread| *thread != me) {
            state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        // Dropped last and unlocked: what it captured may call back.
        drop(old);
    }

    /// Calls the hook, if there is one. No lock is held meanwhile.
    pub(super) fn call(&self) {
        let me = thread::current().id();
        let hook = {
            let mut state = self.lock();
            let Some(hook) = state.hook.clone() else { return };
            state.running.push(me);
            hook
        };
        let _done = Done { cell: self, me };
        hook();
    }

    fn lock(&self) -> MutexGuard<'_, HookState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a call off the list even if the hook panics.
struct Done<'a> {
    cell: &'a HookCell,
    me: ThreadId,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        let mut state = self.cell.lock();
        if let Some(at) = state.running.iter().position(|thread| *thread == self.me) {
            state.running.swap_remove(at);
        }
        self.cell.idle.notify_all();
    }
}

impl fmt::Debug for HookCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookCell")
    }
}

/// Futures that wait.
#[derive(Debug, Default)]
pub(super) struct Wakers(Vec<Waker>);

impl Wakers {
    pub(super) fn add(&mut self, waker: &Waker) {
        if !self.0.iter().any(|known| known.will_wake(waker)) {
            self.0.push(waker.clone());
        }
    }

    pub(super) fn take(&mut self) -> Self {
        mem::take(self)
    }

    pub(super) fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}
