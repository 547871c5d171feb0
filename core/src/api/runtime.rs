//! The one tokio runtime that everything runs on, whoever calls.

use std::{future::Future, sync::OnceLock, time::Duration};

use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::task::AbortOnDropHandle;

use super::{Call, Error, ErrorKind, Result};

/// The process-wide runtime, made on first use. Bindings and callers without a runtime of their own need no other.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .thread_name("peergraph-io")
            .enable_all()
            .build()
            .expect("the system gives threads to a runtime")
    })
}

/// Runs a future on the one runtime that the library has: for bindings and callers without a runtime of their own.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    runtime().spawn(future)
}

/// Runs a call to its end, also if the caller stops waiting, or never begins to.
pub(crate) fn on_task<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Call<Result<T>> {
    let task = spawn(work);
    Call::placed(async move { task.await.map_err(task_failed)? })
}

/// Runs a call whether or not it is awaited, until it is dropped: then it ends at its next await point.
pub(crate) fn on_task_until_dropped<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Call<Result<T>> {
    let task = AbortOnDropHandle::new(spawn(work));
    Call::placed(async move { task.await.map_err(task_failed)? })
}

/// Runs a blocking closure beside it and waits; a panic in it is passed on.
pub(crate) async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    match runtime().spawn_blocking(f).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// What a task that panicked, or was stopped with the runtime, comes to.
pub(super) fn task_failed(error: tokio::task::JoinError) -> Error {
    Error::caused(ErrorKind::Internal, "a task of the library failed", error)
}

/// Waits on this library's clock. A timer belongs to the runtime in which it is made: only there is it made.
pub(crate) async fn rest(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Waits for a future on this library's clock, whatever runtime the caller has; `None` when the time is over.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut timer = spawn(rest(limit));
    tokio::pin!(future);
    tokio::select! {
        value = &mut future => {
            timer.abort();
            Some(value)
        }
        _ = &mut timer => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_need_no_clock_of_their_own() {
        let caller = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let never = within(Duration::from_millis(1), std::future::pending::<()>());
        assert_eq!(caller.block_on(never), None);
        assert_eq!(caller.block_on(within(Duration::MAX, async { 1 })), Some(1));
    }
}
