//! The one tokio runtime that everything runs on, whoever calls.

use std::{future::Future, sync::OnceLock, time::Duration};

use tokio::{runtime::Runtime, task::JoinHandle};

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

/// Runs a future on it.
pub(crate) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    runtime().spawn(future)
}

/// Runs a blocking closure beside it and waits; a panic in it is passed on.
pub(crate) async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    match runtime().spawn_blocking(f).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Waits for a future on this library's clock, whatever runtime the caller has; `None` when the time is over.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut timer = runtime().spawn(tokio::time::sleep(limit));
    tokio::pin!(future);
    tokio::select! {
        value = &mut future => {
            timer.abort();
            Some(value)
        }
        _ = &mut timer => None,
    }
}
