//! What this node wrote and nobody else may have yet is not dropped by a clock that nobody has confirmed: the only copy
//! would be gone. It is hidden from readers meanwhile, as everything that has expired.

use super::Engine;
use crate::{
    record::{RecordKey, SignedRecord},
    records::StoreError,
    time::{Hlc, Mono, Now, Timestamp},
    wire::Filter,
};

/// Records looked at for that; if there are more, some are taken to be such.
const LOOKED_AT: usize = 4096;

/// The records that the last comparison cannot have taken to anybody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsent {
    /// When the last of them expires.
    until: Timestamp,
    /// What the time was at least, then.
    at_least: (Timestamp, Mono),
}

impl Unsent {
    /// When they have certainly expired, whatever the wall clock shows: so much time has passed here.
    fn over(&self) -> Mono {
        let (time, at) = self.at_least;
        at + self.until.since(time)
    }
}

impl Engine {
    /// Looks for such records, when the clock begins to be unconfirmed: at the start, and when it was set.
    pub(super) fn find_unsent(&mut self, now: Now) -> Result<(), StoreError> {
        // Whoever is alone in a graph gives it its time.
        let Some(synced) = self.last_compared() else { return Ok(()) };
        let from = RecordKey { hlc: Hlc::at(synced), ..RecordKey::MIN };
        let keys = self.store.keys(&Filter::All, from, None, LOOKED_AT)?;
        let own = |record: &SignedRecord| {
            let header = record.header();
            header.author() == self.device.peer && !header.record_type.is_reserved()
        };
        let mut last = (keys.len() == LOOKED_AT).then_some(Timestamp(u64::MAX));
        for key in &keys {
            // One that cannot be read is found out elsewhere.
            let record = self.store.fetch(key).ok().flatten().filter(|record| own(record));
            last = last.max(record.and_then(|record| record.header().expires));
        }
        self.clock.unsent = last.map(|until| Unsent { until, at_least: (synced, now.mono) });
        Ok(())
    }

    /// True while nothing expires because of them.
    pub(super) fn holds_unsent(&self, now: Now) -> bool {
        !self.overlay.is_clock_confirmed() && self.clock.unsent.is_some_and(|unsent| now.mono < unsent.over())
    }

    /// When that ends by itself.
    pub(super) fn unsent_over(&self, now: Now) -> Option<Mono> {
        self.clock.unsent.filter(|_| self.holds_unsent(now)).map(|unsent| unsent.over())
    }
}
