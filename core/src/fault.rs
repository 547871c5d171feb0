//! Points between writes at which a test ends the process, and places at which it lets a graph panic. Without the feature
//! `faults` there are none.

#[cfg(all(feature = "net", not(feature = "faults")))]
use crate::ids::GraphId;

/// Passes a point: in a test, the process may end here as if it were killed.
#[cfg(not(feature = "faults"))]
#[inline]
pub(crate) const fn point() {}

/// Where a test lets a graph panic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Before a call is carried out.
    Call,
    /// When a round ends that somebody waits for: after its calls and messages, before its commit.
    Round,
    /// Where a frame has been read from a link.
    Read,
}

/// Passes a place: in a test, it may panic.
#[cfg(all(feature = "net", not(feature = "faults")))]
#[inline]
pub(crate) const fn panic_at(_: Place, _: &GraphId) {}

#[cfg(all(feature = "net", feature = "faults"))]
pub(crate) use armed::panic_at;
#[cfg(feature = "faults")]
pub(crate) use armed::point;
#[cfg(feature = "faults")]
pub use armed::{arm, arm_panic, passed};

#[cfg(feature = "faults")]
mod armed {
    use std::sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    };

    use super::Place;
    use crate::ids::GraphId;

    static PASSED: AtomicU64 = AtomicU64::new(0);
    /// 0: none.
    static LAST: AtomicU64 = AtomicU64::new(0);

    /// Passes a point.
    pub(crate) fn point() {
        if PASSED.fetch_add(1, Ordering::SeqCst) + 1 == LAST.load(Ordering::SeqCst) {
            std::process::abort();
        }
    }

    /// Counts from here on, and ends the process at this point; 0: at none.
    pub fn arm(last: u64) {
        PASSED.store(0, Ordering::SeqCst);
        LAST.store(last, Ordering::SeqCst);
    }

    /// Graphs that are to panic, and where.
    static PANICS: Mutex<Vec<(Place, GraphId)>> = Mutex::new(Vec::new());

    /// Lets a graph panic once, when it next passes a place.
    pub fn arm_panic(place: Place, graph: GraphId) {
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push((place, graph));
    }

    /// Passes a place.
    #[cfg(feature = "net")]
    pub(crate) fn panic_at(place: Place, graph: &GraphId) {
        let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = panics.iter().position(|armed| *armed == (place, *graph)) {
            panics.swap_remove(at);
            drop(panics);
            panic!("a test lets the graph panic");
        }
    }

    /// How many points were passed.
    pub fn passed() -> u64 {
        PASSED.load(Ordering::SeqCst)
    }
}
