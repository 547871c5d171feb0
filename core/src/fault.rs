//! Points between writes at which a test ends the process. Without the feature `faults` there are none.

/// Passes a point: in a test, the process may end here as if it were killed.
#[cfg(not(feature = "faults"))]
#[inline]
pub(crate) const fn point() {}

#[cfg(feature = "faults")]
pub(crate) use armed::point;
#[cfg(feature = "faults")]
pub use armed::{arm, passed};

#[cfg(feature = "faults")]
mod armed {
    use std::sync::atomic::{AtomicU64, Ordering};

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

    /// How many points were passed.
    pub fn passed() -> u64 {
        PASSED.load(Ordering::SeqCst)
    }
}
