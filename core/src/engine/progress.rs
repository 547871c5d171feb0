//! How far the database is on its way here: counted over all comparisons, and over links that break, until this node has
//! caught up.

use std::collections::BTreeMap;

use super::Engine;
use crate::{
    events::{Event, SyncProgress},
    ids::LinkId,
    limits::{PROGRESS_INTERVAL, PROGRESS_WORTH},
    time::{Mono, Now},
    wire::Stream,
};

/// What was told of a way that is not at its end.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// `None`: nothing is on its way.
    so_far: Option<SyncProgress>,
    /// What was told last, and when.
    told: Option<(SyncProgress, Mono)>,
    /// Bytes already counted of the frame that is arriving on a link.
    arriving: BTreeMap<LinkId, u64>,
}

impl Progress {
    /// A record came that had been asked for and was not here.
    pub(super) fn received(&mut self, link: LinkId, bytes: u64) {
        let counted = self.arriving.entry(link).or_default();
        let new = bytes.saturating_sub(*counted);
        *counted = counted.saturating_sub(bytes);
        if let Some(so_far) = &mut self.so_far {
            so_far.records = so_far.records.saturating_add(1);
            so_far.bytes = so_far.bytes.saturating_add(new);
            widen(so_far);
        }
    }

    fn arriving(&mut self, link: LinkId, bytes: u64) {
        if let Some(so_far) = &mut self.so_far {
            so_far.bytes = so_far.bytes.saturating_add(bytes);
            widen(so_far);
            *self.arriving.entry(link).or_default() += bytes;
        }
    }

    /// The frame that was arriving is here as a whole and its records were counted, or it will not come: what was counted
    /// of it and came to nothing does not count.
    pub(super) fn frame_over(&mut self, link: LinkId) {
        let left = self.arriving.remove(&link).unwrap_or_default();
        if let Some(so_far) = &mut self.so_far {
            so_far.bytes = so_far.bytes.saturating_sub(left);
        }
    }

    /// When something is to be told that was held back, so that it is not told too often.
    pub(super) fn due(&self) -> Option<Mono> {
        let (told, at) = self.told?;
        (self.so_far != Some(told)).then_some(at + PROGRESS_INTERVAL)
    }
}

/// The others said how much is missing at one moment. What was written since comes as well: no more than all is here.
fn widen(so_far: &mut SyncProgress) {
    for (expected, here) in
        [(&mut so_far.records_expected, so_far.records), (&mut so_far.bytes_expected, so_far.bytes)]
    {
        // 0: not known yet.
        if *expected > 0 {
            *expected = here.max(*expected);
        }
    }
}

impl Engine {
    /// Part of a large frame has come: whoever waits for a record in it waits on.
    pub(super) fn on_arriving(&mut self, now: Now, link: LinkId, stream: Stream, bytes: usize) {
        if stream == Stream::Bulk && self.links.contains_key(&link) && self.syncs.arriving(now, link) {
            self.progress.arriving(link, bytes as u64);
        }
    }

    /// How far the database is on its way here; `None` while nothing is known to be missing.
    pub const fn sync_progress(&self) -> Option<SyncProgress> {
        self.progress.so_far
    }

    /// Looks how much is missing, and tells it now and then.
    pub(super) fn tell_progress(&mut self, now: Now) {
        let left = self.syncs.outstanding(self.store.count());
        if self.progress.so_far.is_none() {
            // A current node hears of single records every minute; that is no news.
            let enough = if self.current_now { PROGRESS_WORTH } else { 1 };
            if left < enough {
                return;
            }
            self.progress.so_far = Some(SyncProgress::default());
        } else if left == 0 && self.current_now {
            return self.end_progress();
        }
        let Some(so_far) = &mut self.progress.so_far else { return };
        if left > 0 {
            so_far.records_expected = so_far.records.saturating_add(left);
            so_far.bytes_expected = match so_far.records {
                0 => 0,
                records => {
                    let estimate =
                        u128::from(so_far.bytes) * u128::from(so_far.records_expected) / u128::from(records);
                    u64::try_from(estimate).unwrap_or(u64::MAX).max(so_far.bytes)
                }
            };
        }
        let so_far = *so_far;
        let due = match self.progress.told {
            None => true,
            Some((told, at)) => told != so_far && now.mono >= at + PROGRESS_INTERVAL,
        };
        if due {
            self.progress.told = Some((so_far, now.mono));
            self.hub.publish(Event::SyncProgress(so_far));
        }
    }

    /// Everything is here.
    pub(super) fn end_progress(&mut self) {
        self.progress.told = None;
        if let Some(mut all) = self.progress.so_far.take() {
            (all.records_expected, all.bytes_expected) = (all.records, all.bytes);
            self.hub.publish(Event::SyncProgress(all));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7_no_more_is_here_than_all_that_is_expected() {
        let link = LinkId(1);
        let so_far = SyncProgress { records: 9, bytes: 900, records_expected: 10, bytes_expected: 1000 };
        let mut progress = Progress { so_far: Some(so_far), ..Progress::default() };
        for _ in 0..3 {
            progress.arriving(link, 50);
            progress.received(link, 120);
            let now = progress.so_far.unwrap();
            assert!(now.records <= now.records_expected && now.bytes <= now.bytes_expected, "{now:?}");
        }
        let unknown = SyncProgress { records: 1, bytes: 100, ..SyncProgress::default() };
        progress.so_far = Some(unknown);
        progress.received(link, 100);
        assert_eq!(
            progress.so_far.map(|p| (p.records_expected, p.bytes_expected)),
            Some((0, 0)),
            "not known yet"
        );
    }
}
