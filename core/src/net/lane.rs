//! The order of an application's calls on one graph.
//!
//! A call takes its place when it is made. It is carried out when it is ready and all calls before it were. Most are
//! ready at once; a record that is published is first signed, on whatever thread comes to it first: the one that awaits
//! the call, or, if a later call is held back by it, a thread of the runtime. Nothing else waits for a place that is not
//! ready: neither timers nor what arrives from the network.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::transport::lock;

/// Tells whoever drains the lane that there may be something to take.
pub(super) type Wake = Arc<dyn Fn() + Send + Sync>;
type Work<T> = Box<dyn FnOnce() -> T + Send>;

/// Places that are prepared together when a later call is held back.
const HELPED_AT_ONCE: usize = 64;

/// The lane is closed: what is placed in it would never be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LaneClosed;

/// A queue whose entries can be filled after they took their place.
pub(super) struct Lane<T>(Mutex<Queue<T>>);

struct Queue<T> {
    entries: VecDeque<Entry<T>>,
    /// True if an entry was placed since the last look that may matter before its turn.
    marked: bool,
    closed: bool,
}

enum Entry<T> {
    Ready(T),
    Later(Arc<Slot<T>>),
}

/// A place whose entry is made later, once, by whoever comes first.
struct Slot<T> {
    state: Mutex<State<T>>,
    wake: Wake,
}

enum State<T> {
    /// Still to be done; true once somebody was asked to do it because others wait.
    Undone(Work<T>, bool),
    /// Somebody is at it.
    Busy,
    Done(T),
    /// Its entry was taken, or there will be none: it gave up its place.
    Over,
}

/// Who took a place: makes its entry with [`prepare`](Self::prepare), or gives the place up by being dropped before.
pub(super) struct Place<T>(Arc<Slot<T>>);

/// What a look at the front of a lane gives.
pub(super) enum Next<T> {
    /// Taken.
    Entry(T),
    /// Nothing is there.
    Empty,
    /// The first is not ready. If others wait behind it and nobody was asked yet: what is to be prepared.
    Held(Option<Held<T>>),
}

/// Places at the front of a lane that hold back others.
pub(super) struct Held<T>(Vec<Arc<Slot<T>>>);

impl<T> fmt::Debug for Lane<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lane")
    }
}

impl<T> Lane<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Queue { entries: VecDeque::new(), marked: false, closed: false }))
    }

    /// Places an entry that is ready. Whoever takes is to be told then.
    pub(super) fn push(&self, entry: T) -> Result<(), LaneClosed> {
        self.place(entry, false)
    }

    /// The same for one that may matter before its turn: see [`look_ahead`](Self::look_ahead).
    pub(super) fn push_marked(&self, entry: T) -> Result<(), LaneClosed> {
        self.place(entry, true)
    }

    fn place(&self, entry: T, marked: bool) -> Result<(), LaneClosed> {
        let mut queue = self.lock();
        queue.marked |= marked;
        if queue.closed {
            // The entry is dropped after the lock: whoever waits for it is told.
            drop(queue);
            return Err(LaneClosed);
        }
        queue.entries.push_back(Entry::Ready(entry));
        Ok(())
    }

    /// Takes a place whose entry is made later. `begin` runs while no other place is taken and gives the work that is
    /// still to be done; nothing is placed if it fails. Whoever takes is told with `wake` when that is done.
    pub(super) fn reserve<W: FnOnce() -> T + Send + 'static, E: From<LaneClosed>>(
        &self,
        wake: Wake,
        begin: impl FnOnce() -> Result<W, E>,
    ) -> Result<Place<T>, E> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(LaneClosed.into());
        }
        let state = Mutex::new(State::Undone(Box::new(begin()?), false));
        let slot = Arc::new(Slot { state, wake });
        queue.entries.push_back(Entry::Later(slot.clone()));
        // Others wait behind this one, not before: nobody need be told.
        Ok(Place(slot))
    }

    /// Shows all entries that are ready, in order, if one was marked since the last look. They keep their places.
    pub(super) fn look_ahead(&self, look: impl FnMut(&mut T)) {
        let mut queue = self.lock();
        if mem::take(&mut queue.marked) {
            let ready = queue.entries.iter_mut().filter_map(|entry| match entry {
                Entry::Ready(entry) => Some(entry),
                Entry::Later(_) => None,
            });
            ready.for_each(look);
        }
    }

    /// True if the first entry is ready to be taken.
    pub(super) fn is_ready(&self) -> bool {
        match self.lock().entries.front() {
            None => false,
            Some(Entry::Ready(_)) => true,
            Some(Entry::Later(slot)) => matches!(*lock(&slot.state), State::Done(_)),
        }
    }

    /// Takes the first entry, if it is ready.
    pub(super) fn next(&self) -> Next<T> {
        let mut queue = self.lock();
        loop {
            match queue.entries.front() {
                None => return Next::Empty,
                Some(Entry::Ready(_)) => {}
                Some(Entry::Later(slot)) => {
                    let mut state = lock(&slot.state);
                    if matches!(*state, State::Undone(..) | State::Busy) {
                        drop(state);
                        return Next::Held(queue.held());
                    }
                    let taken = mem::replace(&mut *state, State::Over);
                    drop(state);
                    queue.entries.pop_front();
                    match taken {
                        State::Done(entry) => return Next::Entry(entry),
                        _ => continue,
                    }
                }
            }
            if let Some(Entry::Ready(entry)) = queue.entries.pop_front() {
                return Next::Entry(entry);
            }
        }
    }

    /// Drops what is placed, and takes no more.
    pub(super) fn close(&self) {
        let left = {
            let mut queue = self.lock();
            queue.closed = true;
            mem::take(&mut queue.entries)
        };
        for entry in left {
            if let Entry::Later(slot) = entry {
                slot.give_up();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Queue<T> {
    /// The places at the front that nobody works on, if something waits behind them.
    fn held(&self) -> Option<Held<T>> {
        let mut held = Vec::new();
        for (at, entry) in self.entries.iter().enumerate() {
            let Entry::Later(slot) = entry else { break };
            if at + 1 == self.entries.len() || held.len() == HELPED_AT_ONCE {
                break;
            }
            if let State::Undone(_, asked) = &mut *lock(&slot.state)
                && !mem::replace(asked, true)
            {
                held.push(slot.clone());
            }
        }
        (!held.is_empty()).then_some(Held(held))
    }
}

impl<T> Held<T> {
    /// Does the work of all of them that nobody does meanwhile.
    pub(super) fn prepare(self) {
        self.0.iter().for_each(|slot| slot.prepare());
    }
}

impl<T> Slot<T> {
    fn prepare(&self) {
        let work = {
            let mut state = lock(&self.state);
            match mem::replace(&mut *state, State::Busy) {
                State::Undone(work, _) => work,
                other => {
                    *state = other;
                    return;
                }
            }
        };
        // If the work panics, the place is given up, and the lane goes on.
        let unwinding = GiveUp(self);
        let entry = work();
        mem::forget(unwinding);
        self.settle(State::Done(entry));
    }

    fn give_up(&self) {
        self.settle(State::Over);
    }

    fn settle(&self, next: State<T>) {
        let before = {
            let mut state = lock(&self.state);
            match *state {
                // The lane was closed meanwhile.
                State::Over => return,
                _ => mem::replace(&mut *state, next),
            }
        };
        drop(before);
        (self.wake)();
    }
}

struct GiveUp<'a, T>(&'a Slot<T>);

impl<T> Drop for GiveUp<'_, T> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

impl<T> Place<T> {
    /// Makes the entry, unless somebody did or does.
    pub(super) fn prepare(&self) {
        self.0.prepare();
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        let undone = matches!(*lock(&self.0.state), State::Undone(..));
        if undone {
            self.0.give_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    fn woken() -> (Wake, Arc<AtomicUsize>) {
        let woken = Arc::new(AtomicUsize::new(0));
        let count = woken.clone();
        let wake = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        (Arc::new(wake), woken)
    }

    fn later(lane: &Lane<u32>, wake: &Wake, entry: u32) -> Place<u32> {
        lane.reserve(wake.clone(), || Ok::<_, LaneClosed>(move || entry)).unwrap()
    }

    fn taken(lane: &Lane<u32>) -> Vec<u32> {
        std::iter::from_fn(|| match lane.next() {
            Next::Entry(entry) => Some(entry),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn c43_places_are_taken_in_order_however_they_are_filled() {
        let (lane, (wake, woken)) = (Lane::new(), woken());
        let (first, third) = (later(&lane, &wake, 1), (lane.push(2).unwrap(), later(&lane, &wake, 3)).1);
        lane.push(4).unwrap();
        assert!(taken(&lane).is_empty());
        third.prepare();
        assert!(taken(&lane).is_empty());
        first.prepare();
        first.prepare();
        assert_eq!(taken(&lane), [1, 2, 3, 4]);
        assert_eq!(woken.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn c43_a_place_that_is_given_up_or_fails_holds_back_nobody() {
        let (lane, (wake, woken)) = (Lane::new(), woken());
        let (dropped, failing) = (
            later(&lane, &wake, 1),
            lane.reserve(wake.clone(), || Ok::<_, LaneClosed>(|| panic!("no entry"))).unwrap(),
        );
        lane.push(3).unwrap();
        assert!(taken(&lane).is_empty());
        drop(dropped);
        assert!(panic::catch_unwind(panic::AssertUnwindSafe(|| failing.prepare())).is_err());
        assert_eq!(taken(&lane), [3]);
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        let refused = lane.reserve(wake.clone(), || Err::<fn() -> u32, _>(LaneClosed));
        assert!(refused.is_err() && matches!(lane.next(), Next::Empty));
    }

    #[test]
    fn c43_what_holds_back_others_is_prepared_once_and_the_last_only_by_its_owner() {
        let (lane, (wake, _)) = (Lane::new(), woken());
        let places = [later(&lane, &wake, 1), later(&lane, &wake, 2), later(&lane, &wake, 3)];
        let Next::Held(Some(held)) = lane.next() else { panic!("the first two hold back the third") };
        assert!(matches!(lane.next(), Next::Held(None)), "somebody was asked");
        held.prepare();
        assert_eq!(taken(&lane), [1, 2]);
        assert!(matches!(lane.next(), Next::Held(None)), "nobody waits behind it");
        places[2].prepare();
        assert_eq!(taken(&lane), [3]);
    }

    #[test]
    fn c43_what_is_marked_is_seen_once_before_its_turn_and_keeps_its_place() {
        let (lane, (wake, _)) = (Lane::new(), woken());
        let seen = || {
            let mut seen = Vec::new();
            lane.look_ahead(|entry| seen.push(*entry));
            seen
        };
        let first = later(&lane, &wake, 1);
        lane.push(2).unwrap();
        assert!(seen().is_empty());
        lane.push_marked(3).unwrap();
        assert_eq!(seen(), [2, 3]);
        assert!(seen().is_empty());
        first.prepare();
        assert_eq!(taken(&lane), [1, 2, 3]);
    }

    #[test]
    fn a_closed_lane_takes_and_keeps_nothing() {
        let (lane, (wake, _)) = (Lane::new(), woken());
        let place = later(&lane, &wake, 1);
        lane.push(2).unwrap();
        lane.close();
        place.prepare();
        assert_eq!(lane.push(3), Err(LaneClosed));
        assert!(lane.reserve(wake.clone(), || Ok::<_, LaneClosed>(|| 4)).is_err());
        assert!(matches!(lane.next(), Next::Empty));
        assert!(matches!(*lock(&place.0.state), State::Over));
    }
}
