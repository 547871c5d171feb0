//! The database's feed, as subscriptions read it.

use std::sync::Arc;

use crate::{
    events::{ChangeBatch, ChangeSource, FeedEntry, FeedError, FeedPosition},
    ids::{Lsn, PeerId},
    record::RecordType,
    records::Reader,
};

/// Gives subscriptions the changes that did not fit in their memory.
#[derive(Debug, Clone)]
pub struct Feed(pub Arc<dyn Reader>);

impl ChangeSource for Feed {
    fn changes(
        &self,
        after: Lsn,
        types: &[RecordType],
        authors: &[PeerId],
        max: usize,
    ) -> Result<ChangeBatch, FeedError> {
        let changes = self.0.changes(after, types, authors, max).map_err(FeedError::new)?;
        let entries = changes
            .entries
            .into_iter()
            .map(|c| FeedEntry { lsn: c.lsn, change: c.kind, record: c.record })
            .collect();
        Ok(ChangeBatch { entries, through: changes.through })
    }

    fn position(&self) -> Result<FeedPosition, FeedError> {
        let lsn = self.0.last_lsn().map_err(FeedError::new)?;
        let check = self.0.check_at(lsn).map_err(FeedError::new)?;
        Ok(FeedPosition { incarnation: self.0.incarnation(), lsn, check })
    }

    fn check_at(&self, lsn: Lsn) -> Result<u64, FeedError> {
        self.0.check_at(lsn).map_err(FeedError::new)
    }
}
