//! Telling a caller how far a database that is joined is on its way.

use std::sync::Arc;

use peergraph::OnProgress;

use crate::values::SyncProgress;

/// Is told how far a join is. Runs on the library's threads: it must not wait.
#[uniffi::export(foreign)]
pub trait ProgressListener: Send + Sync {
    /// So much came, of so much.
    fn progress(&self, progress: SyncProgress);
}

pub(crate) fn told(listener: Option<Arc<dyn ProgressListener>>) -> Option<OnProgress> {
    listener.map(|listener| OnProgress::new(move |progress| listener.progress(progress.into())))
}
