//! The subscription under the streams of both languages: a wake listener and a drain. No event crosses inside a future.

use std::{iter, sync::Arc};

use peergraph::{
    PeerId, RecordType,
    events::{EventFilter as CoreFilter, Start as CoreStart, SubscribeOptions},
};

use crate::{
    enums::EventKind,
    errors::{Result, core},
    events::{Event, cursor},
    graph::{Home, NativeGraph},
    pack::packed,
};

/// Bytes after which a batch of events takes no more. One event more than that fits.
const BATCH_BYTES: usize = 1024 * 1024;

/// Is told that a stream has something to drain, or has ended. Runs on the library's threads: it must only post.
#[uniffi::export(foreign)]
pub trait WakeListener: Send + Sync {
    /// There is something, or there will be nothing more.
    fn wake(&self);
}

/// Where a subscription begins.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Start {
    /// With what happens from now on.
    Now,
    /// With the records that are there, each as added; then `CaughtUp`, then what happens, without gap or repeat.
    Snapshot,
    /// With what changed since a cursor; then `CaughtUp`, then what happens.
    After {
        /// As an event or a stream gave it.
        cursor: Vec<u8>,
    },
}

/// What a subscription lets through. Everything left empty lets all through.
#[derive(Debug, Clone, uniffi::Record)]
pub struct EventFilter {
    /// Only these kinds. Empty: all, which also accepts direct connections from others.
    #[uniffi(default = [])]
    pub kinds: Vec<EventKind>,
    /// Of record changes, only those of these types.
    #[uniffi(default = [])]
    pub record_types: Vec<String>,
    /// Of record changes, only those whose latest version is by these authors.
    #[uniffi(default = [])]
    pub authors: Vec<PeerId>,
    /// Of incoming data, only that of these types.
    #[uniffi(default = [])]
    pub data_types: Vec<String>,
}

/// Events of one subscription.
#[derive(Debug, uniffi::Object)]
pub struct NativeStream {
    stream: peergraph::EventStream,
    /// As in [`NativeGraph`].
    _home: Home,
}

#[uniffi::export]
impl NativeStream {
    /// Takes up to so many waiting events, and none after the bytes of a batch are full: the bytes of a list of [`Event`].
    pub fn drain(&self, max: u32) -> Vec<u8> {
        packed(iter::from_fn(|| self.stream.try_next()).take(max as usize), BATCH_BYTES)
    }

    /// Takes one waiting event.
    pub fn take(&self) -> Option<Event> {
        self.stream.try_next().map(Event::from)
    }

    /// True when the stream has ended and nothing is left to take.
    pub fn is_finished(&self) -> bool {
        self.stream.is_finished()
    }

    /// Has a listener told whenever there is something to drain, at once if there is already.
    pub fn on_wake(&self, listener: Option<Arc<dyn WakeListener>>) {
        match listener {
            Some(listener) => self.stream.set_wake_hook(Some(Arc::new(move || listener.wake()))),
            None => self.stream.set_wake_hook(None),
        }
    }

    /// The place up to which everything has been taken.
    pub fn cursor(&self) -> Vec<u8> {
        self.stream.cursor().to_bytes().to_vec()
    }

    /// Unsubscribes: what is waiting is dropped, and no listener is told after this returns.
    pub fn end(&self) {
        self.stream.close();
    }
}

pub(crate) fn types(names: &[String]) -> Result<Vec<RecordType>> {
    names.iter().map(|name| core(RecordType::new(name))).collect()
}

#[uniffi::export]
impl NativeGraph {
    /// Subscribes to events. Nothing that happens after this returns is missed.
    ///
    /// # Errors
    /// `InvalidArgument` for a type that is no name, `Closed`.
    pub fn subscribe(
        &self,
        filter: EventFilter,
        start: Start,
        capacity: Option<u32>,
    ) -> Result<Arc<NativeStream>> {
        let wanted = CoreFilter::kinds(filter.kinds.into_iter().map(Into::into))
            .record_types(types(&filter.record_types)?)
            .authors(filter.authors)
            .data_types(types(&filter.data_types)?);
        let start = match start {
            Start::Now => CoreStart::Now,
            Start::Snapshot => CoreStart::Snapshot,
            Start::After { cursor: bytes } => CoreStart::After(cursor(bytes)?),
        };
        let capacity = capacity.map(|capacity| capacity as usize);
        let stream = self.graph.subscribe(SubscribeOptions { filter: wanted, start, capacity })?;
        Ok(Arc::new(NativeStream { stream, _home: self.home.clone() }))
    }
}

#[uniffi::export]
impl NativeGraph {
    /// Keeps a cursor under a name, in this database, to go on from after a restart.
    ///
    /// # Errors
    /// `InvalidArgument` for an empty name or one over 64 bytes, `Storage`, `Closed`.
    pub async fn save_cursor(&self, name: String, cursor: Vec<u8>) -> Result<()> {
        let cursor = crate::events::cursor(cursor)?;
        Ok(self.turn.make(|| self.graph.save_cursor(&name, cursor)).await?)
    }

    /// A cursor kept under a name.
    ///
    /// # Errors
    /// `InvalidArgument`, `Storage`, `Closed`.
    pub async fn load_cursor(&self, name: String) -> Result<Option<Vec<u8>>> {
        let found = self.turn.make(|| self.graph.load_cursor(&name)).await?;
        Ok(found.map(|cursor| cursor.to_bytes().to_vec()))
    }
}
