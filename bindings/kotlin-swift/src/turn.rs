//! The order of calls, where a language may begin them in another order than they are made in: Swift, whose asynchronous
//! functions leave the caller's actor before their first statement. A place is taken synchronously; the call is made when
//! those with earlier places have been made.

use std::{
    fmt,
    future::{Future, ready},
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::sync::OwnedMutexGuard;

/// The places of starts and shutdowns: a start at the directory of a node comes after a shutdown that was called before.
static STARTS: LazyLock<Turns> = LazyLock::new(Turns::default);

/// The places of one node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<tokio::sync::Mutex<()>>);

type Place = Pin<Box<dyn Future<Output = OwnedMutexGuard<()>> + Send>>;

/// A place among the calls of a node, or none: then a call is made at once. A place that is dropped is passed over.
#[derive(Default)]
pub(crate) struct Turn(Mutex<Option<Place>>);

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turn")
    }
}

impl Turns {
    /// A place after those that were taken before.
    pub(crate) fn take(&self) -> Turn {
        let mut place: Place = Box::pin(self.0.clone().lock_owned());
        // The lock is fair, and its first poll joins the queue.
        if let Poll::Ready(guard) = place.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            place = Box::pin(ready(guard));
        }
        Turn(Mutex::new(Some(place)))
    }
}

impl Turn {
    /// As `make`, for what the call is made of.
    pub(crate) async fn make_for<'a, T, F: Future>(
        &self,
        of: &'a T,
        call: impl FnOnce(&'a T) -> F,
    ) -> F::Output {
        self.make(|| call(of)).await
    }

    /// Makes a call in its turn and waits for its result, not for those of the calls before it.
    pub(crate) async fn make<F: Future>(&self, call: impl FnOnce() -> F) -> F::Output {
        self.begin(call).await.await
    }

    /// A place among starts and shutdowns.
    pub(crate) fn among_starts() -> Self {
        STARTS.take()
    }

    /// Gives the place up, if it still has one.
    pub(crate) fn give_up(&self) {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(place);
    }

    /// Makes a call in its turn, and gives what it is awaited by.
    pub(crate) async fn begin<T>(&self, call: impl FnOnce() -> T) -> T {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match place {
            Some(place) => {
                let turn = place.await;
                let made = call();
                drop(turn);
                made
            }
            None => call(),
        }
    }
}

/// A place among starts and shutdowns, for a start.
#[derive(Debug, uniffi::Object)]
pub struct NativePlace(Turn);

#[uniffi::export]
impl NativePlace {
    /// The next place.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Turn::among_starts()))
    }

    /// Waits until the shutdowns before it were called, and holds up nothing after it.
    pub async fn reached(&self) {
        self.0.begin(|| ()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn c43_calls_are_made_in_the_order_of_their_places() {
        let (turns, made) = (Turns::default(), Mutex::new(Vec::new()));
        let places: Vec<Turn> = (0..5).map(|_| turns.take()).collect();
        let call = |number: usize| {
            let made = &made;
            let turn = &places[number];
            turn.make(move || {
                made.lock().unwrap().push(number);
                ready(number)
            })
        };
        // Begun in another order.
        let (a, b, c, d, e) = tokio::join!(call(4), call(2), call(0), call(3), call(1));
        assert_eq!([a, b, c, d, e], [4, 2, 0, 3, 1]);
        assert_eq!(*made.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn c43_a_place_that_is_given_up_is_passed_over() {
        let turns = Turns::default();
        let (first, second, third) = (turns.take(), turns.take(), turns.take());
        let mut waits = Box::pin(third.make(|| ready(3)));
        let pending = waits.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(pending.is_pending());
        drop(second);
        drop(first);
        assert_eq!(waits.await, 3);
        // A call that hangs holds nobody up.
        let hangs = turns.take();
        let mut hanging = Box::pin(hangs.make(std::future::pending::<()>));
        assert!(hanging.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(turns.take().make(|| ready(4)).await, 4);
        assert_eq!(Turn::default().make(|| ready(5)).await, 5);
    }
}
