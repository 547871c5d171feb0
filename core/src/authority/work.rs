//! How many grants and acts were looked at: what questions cost, whatever the machine.

use std::cell::Cell;

thread_local! {
    static LOOKED: Cell<usize> = const { Cell::new(0) };
    static JUDGED: Cell<usize> = const { Cell::new(0) };
    static VETTED: Cell<usize> = const { Cell::new(0) };
}

/// A grant is looked at.
pub(super) fn look() {
    LOOKED.set(LOOKED.get() + 1);
}

/// An act is judged.
pub(super) fn judge() {
    JUDGED.set(JUDGED.get() + 1);
}

/// It is asked whether anybody needs an act that is not here, or how many such acts are kept.
pub(super) fn vet() {
    VETTED.set(VETTED.get() + 1);
}

/// How often that was asked on this thread since this was called last.
pub(crate) fn vetted() -> usize {
    VETTED.take()
}

/// Looks at grants and acts judged, on this thread since this was asked last.
pub(crate) fn done() -> (usize, usize) {
    (LOOKED.take(), JUDGED.take())
}
