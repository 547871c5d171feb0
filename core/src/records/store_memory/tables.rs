//! The rows of a database in memory, with their indices.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Row;
use crate::{
    ids::{Lsn, PeerId, RecordId},
    record::{RecordKey, RecordType},
    records::{StoreError, stored::gone_at, summaries::KeySource},
    time::Timestamp,
    wire::Filter,
};

/// What the writer sees.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) by_id: BTreeMap<RecordId, Arc<Row>>,
    pub(super) by_key: BTreeMap<RecordKey, Arc<Row>>,
    pub(super) by_type: BTreeSet<(RecordType, RecordKey)>,
    pub(super) by_expiry: BTreeSet<(Timestamp, Lsn, RecordId)>,
    /// Of acts nothing.
    pub(super) by_peer: BTreeMap<(PeerId, Lsn), RecordKey>,
    pub(super) gone: BTreeSet<(Timestamp, RecordId)>,
}

impl Tables {
    pub(super) fn replace(&mut self, id: RecordId, row: Option<Arc<Row>>) -> Option<Arc<Row>> {
        let old = match &row {
            Some(row) => self.by_id.insert(id, row.clone()),
            None => self.by_id.remove(&id),
        };
        if let Some(old) = &old {
            let (key, header) = (old.record.key(), old.record.header());
            if old.state.is_current() {
                self.by_key.remove(&key);
                self.by_type.remove(&(header.record_type.clone(), key));
                header.expires.map(|at| self.by_expiry.remove(&(at, old.lsn, id)));
                for peer in [header.creator, header.author()] {
                    self.by_peer.remove(&(peer, old.lsn));
                }
            }
            gone_at(&old.record, old.state).map(|at| self.gone.remove(&(at, id)));
        }
        if let Some(row) = row {
            let (key, header) = (row.record.key(), row.record.header());
            gone_at(&row.record, row.state).map(|at| self.gone.insert((at, id)));
            if row.state.is_current() {
                self.by_type.insert((header.record_type.clone(), key));
                header.expires.map(|at| self.by_expiry.insert((at, row.lsn, id)));
                if header.record_type != RecordType::CREDENTIAL {
                    self.by_peer.insert((header.creator, row.lsn), key);
                    self.by_peer.insert((header.author(), row.lsn), key);
                }
                self.by_key.insert(key, row);
            }
        }
        old
    }

    /// Current versions that this identity wrote, or of records that it made, in a stretch of the feed.
    pub(super) fn current_by(
        &self,
        peer: &PeerId,
        after: Lsn,
        through: Lsn,
        max: usize,
    ) -> Vec<(Lsn, RecordKey)> {
        let rows = self.by_peer.range((*peer, after)..).skip_while(|((_, lsn), _)| *lsn <= after);
        let inside = |((who, lsn), _): &(&(PeerId, Lsn), &RecordKey)| who == peer && *lsn <= through;
        rows.take_while(inside).map(|((_, lsn), key)| (*lsn, *key)).take(max).collect()
    }

    pub(super) fn range(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
    ) -> Box<dyn Iterator<Item = RecordKey> + '_> {
        let inside = move |key: &RecordKey| to.is_none_or(|to| *key < to);
        match filter {
            Filter::All => Box::new(self.by_key.range(from..).map(|(key, _)| *key).take_while(inside)),
            Filter::Only(only) => {
                let range = (only.clone(), from)..=(only.clone(), RecordKey::MAX);
                Box::new(self.by_type.range(range).map(|(_, key)| *key).take_while(inside))
            }
        }
    }
}

impl KeySource for Tables {
    fn scan(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        Ok(self.range(filter, from, to).take(max).collect())
    }
}
