//! Records that end because a version that has expired is newer than what is here.
//!
//! A version can end before an older one does: of two concurrent edits, or because its author says so. Whoever saw it
//! expire keeps its envelope, a *stub*; whoever did not still has the older version. A stub is no part of what is
//! compared, so that records which have expired cost newcomers nothing. It is sent to whoever shows an older version.

use super::{Engine, ingest::Source};
use crate::{
    ids::LinkId,
    record::SignedRecord,
    records::{StoreError, VerifiedRecord, rank},
    time::Now,
};

impl Engine {
    /// True for a version that has expired and wins over the one that is stored. Never while nothing expires here.
    pub(super) fn ends_stored(&self, now: Now, record: &SignedRecord) -> bool {
        let over = record.header().expires.is_some_and(|at| at <= self.peer_time(now));
        if !over
            || self.defers_expiration()
            || self.refused.is_final(&record.key())
            || self.has(&record.key())
        {
            return false;
        }
        // One that cannot be read is replaced by a whole version only.
        self.store.get(&record.id()).is_ok_and(|here| here.is_some_and(|here| rank(&here) < rank(record)))
    }

    /// Ends the record by this version.
    pub(super) fn end_record(&mut self, record: &VerifiedRecord, source: Source) -> Result<(), StoreError> {
        if self.defers_expiration() {
            return Ok(());
        }
        self.expired.extend(self.store.put_expired(record)?);
        self.meta_written = true;
        self.endings.push((source.link(), record.signed().clone()));
        Ok(())
    }

    /// Tells the other neighbors, who may have the older version as well. Each passes on only what ended something there.
    pub(super) fn forward_endings(&mut self) {
        for (from, ending) in std::mem::take(&mut self.endings) {
            let stub = ending.to_stub();
            let others = self.overlay.neighbors().into_iter().filter(|neighbor| Some(neighbor.link) != from);
            let links: Vec<LinkId> = others.map(|neighbor| neighbor.link).collect();
            for link in links {
                self.overlay.supply_stub(link, self.device.node.tag(), stub.bytes());
            }
        }
    }
}
