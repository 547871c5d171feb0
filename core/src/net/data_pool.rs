//! Room for large messages of application data that are coming in, of all links of a node together.
//!
//! Whoever has a place gets its message in, however slow it is, as long as nobody else waits: then it must keep a pace.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::transport::lock;
use crate::{
    ids::PeerId,
    limits::{DATA_GRACE, DATA_PACE, DATA_POOL},
};

/// Room for messages larger than [`SMALL_DATA`](crate::limits::SMALL_DATA). One identity has one of them at a time.
#[derive(Debug)]
pub(super) struct DataPool {
    room: Arc<Semaphore>,
    identities: Mutex<BTreeMap<PeerId, Weak<Semaphore>>>,
    waiting: AtomicUsize,
}

/// A message's place. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    pool: Arc<DataPool>,
    /// When its pace was last looked at, and what had come by then.
    seen: (Instant, usize),
    _identity: OwnedSemaphorePermit,
    _room: OwnedSemaphorePermit,
}

/// Somebody waits for room, until this is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::AcqRel);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl DataPool {
    pub(super) fn new() -> Arc<Self> {
        let room = Arc::new(Semaphore::new(DATA_POOL));
        Arc::new(Self { room, identities: Mutex::default(), waiting: AtomicUsize::new(0) })
    }

    /// Waits for a place for a message of this length.
    ///
    /// Cancel safe: a dropped call has no place.
    pub(super) async fn take(self: &Arc<Self>, identity: PeerId, len: usize) -> Option<Place> {
        // The semaphores are never closed.
        let _identity = self.turn_of(identity).acquire_owned().await.ok()?;
        let room = u32::try_from(len.min(DATA_POOL)).expect("some mebibytes fit");
        let _room = {
            // Only who waits for others counts: one's own messages wait for each other.
            let _waits = Waits::new(&self.waiting);
            self.room.clone().acquire_many_owned(room).await.ok()?
        };
        Some(Place { pool: self.clone(), seen: (Instant::now(), 0), _identity, _room })
    }

    fn turn_of(&self, identity: PeerId) -> Arc<Semaphore> {
        let mut identities = lock(&self.identities);
        if let Some(turn) = identities.get(&identity).and_then(Weak::upgrade) {
            return turn;
        }
        identities.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Semaphore::new(1));
        identities.insert(identity, Arc::downgrade(&turn));
        turn
    }
}

impl Place {
    /// True if others wait for room, and too little has come in the last stretch of [`DATA_GRACE`]. `bytes`: what is there.
    pub(super) fn is_too_slow(&mut self, bytes: usize) -> bool {
        self.is_lost(self.seen.0.elapsed(), bytes)
    }

    fn is_lost(&mut self, elapsed: Duration, bytes: usize) -> bool {
        if elapsed < DATA_GRACE {
            return false;
        }
        let due = u128::from(DATA_PACE).saturating_mul(elapsed.as_millis()) / 1000;
        let came = bytes.saturating_sub(self.seen.1);
        self.seen = (Instant::now(), bytes);
        (came as u128) < due && self.pool.waiting.load(Ordering::Acquire) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{super::polled::now, *};
    use crate::limits::MAX_DATA;

    fn identity(n: u8) -> PeerId {
        PeerId::from_bytes([n; 32])
    }

    fn place(pool: &Arc<DataPool>, n: u8, len: usize) -> Option<Place> {
        now(pool.take(identity(n), len)).flatten()
    }

    #[test]
    fn b2_all_identities_together_have_bounded_bytes_coming_in() {
        let pool = DataPool::new();
        let held: Vec<_> = (0..100).filter_map(|n| place(&pool, n, MAX_DATA)).collect();
        assert_eq!(held.len(), DATA_POOL / MAX_DATA);
        assert!(place(&pool, 200, 1).is_none());
        assert_eq!(pool.waiting.load(Ordering::Acquire), 0, "those that gave up wait no more");
        drop(held);
        assert!(place(&pool, 200, 1).is_some());
    }

    #[test]
    fn b2_one_identity_has_one_large_message_coming_in() {
        let pool = DataPool::new();
        let first = place(&pool, 1, 100).expect("room");
        assert!(place(&pool, 1, 100).is_none());
        assert!(place(&pool, 2, 100).is_some());
        drop(first);
        assert!(place(&pool, 1, 100).is_some());
        drop(place(&pool, 3, 1));
        assert!(lock(&pool.identities).len() <= 2, "who has no place is not remembered");
    }

    #[test]
    fn b2_a_slow_message_loses_its_place_only_to_others() {
        let pool = DataPool::new();
        let mut place = place(&pool, 1, MAX_DATA).expect("room");
        let (later, pace) = (DATA_GRACE * 2, 2 * 10 * 64 * 1024);
        assert!(!place.is_lost(later, 0), "nobody waits");
        let _waits = Waits::new(&pool.waiting);
        assert!(!place.is_lost(DATA_GRACE / 2, 0));
        assert!(!place.is_lost(later, pace));
        // What came early counts once: nobody keeps a place with one byte missing.
        assert!(place.is_lost(later, 2 * pace - 1));
    }
}
