//! For tests of what waits.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// What a future gives at its first poll; `None` if it waits, and gives up.
pub(super) fn now<T>(waiting: impl Future<Output = T>) -> Option<T> {
    match pin!(waiting).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
