//! Cancelling a call that lasts, where the language cannot drop a future: Swift.

use std::{future::Future, sync::Arc};

use tokio::sync::watch;

use crate::errors::{PeergraphError, Result};

/// Ends the calls it is given to.
#[derive(Debug, uniffi::Object)]
pub struct NativeCancel {
    said: watch::Sender<bool>,
}

#[uniffi::export]
impl NativeCancel {
    /// One that was not told yet.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { said: watch::Sender::new(false) })
    }

    /// Ends the calls, with `Cancelled`; also those that begin later.
    pub fn cancel(&self) {
        self.said.send_replace(true);
    }
}

/// A call, unless it is cancelled first; then its future is dropped.
pub(crate) async fn until<T>(
    cancel: Option<Arc<NativeCancel>>,
    call: impl Future<Output = peergraph::Result<T>>,
) -> Result<T> {
    let Some(cancel) = cancel else { return Ok(call.await?) };
    let mut said = cancel.said.subscribe();
    tokio::select! {
        biased;
        done = call => Ok(done?),
        // The sender is ours, so the wait cannot fail.
        _ = said.wait_for(|said| *said) => Err(PeergraphError::Cancelled("the call was cancelled".into())),
    }
}
