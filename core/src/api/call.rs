//! Calls that have their place in the order before they are awaited.

use std::{
    fmt,
    future::{Future, ready},
    pin::Pin,
    task::{Context, Poll},
};

/// A call that was made; await it for what it gives.
///
/// # Order
/// A call has its place in its graph's order when the function returns this, whether or not it is awaited yet, on
/// whatever task or thread it is awaited, and in whatever order several are. Calls made one after another take effect
/// one after another: a record that was updated twice has the first update in version 2 and the second in version 3, and
/// [`Graph::close`](super::Graph::close) or [`Node::shutdown`](super::Node::shutdown) carries out what was called
/// before it. What is read has everything that was written by calls before it, and may have more.
///
/// Calls of a node that make, open, close or delete something, or change identities, have an order among themselves in
/// the same way: a graph that is opened after the call of its close is opened anew, once the close is done.
///
/// A call of several steps takes its place as a whole: those after [`Graph::import_database`](super::Graph::import_database)
/// wait until that is over, but for [`Node::pause`](super::Node::pause), which comes between two of its steps. Connects,
/// [`Graph::enter`](super::Graph::enter) and joins begin in their place; what is called after them does not wait for the
/// other nodes. Functions that give another future than this one say when they begin.
///
/// # Cancelling
/// Dropping it stops the waiting, and no more than that: what was called may still happen, or may not. It does not
/// disturb the calls after it.
#[must_use = "await it to learn what the call came to; dropped, it may or may not happen"]
pub struct Call<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Call<T> {
    /// A call that has its place already.
    pub(super) fn placed(rest: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Box::pin(rest))
    }

    /// A call that is over.
    pub(super) fn over(value: T) -> Self
    where
        T: Send + 'static,
    {
        Self(Box::pin(ready(value)))
    }
}

impl<T> Future for Call<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Call")
    }
}

/// Leaves a function that gives a [`Call`] with an error.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return super::call::Call::over(Err(error.into())),
        }
    };
}
pub(super) use attempt;
