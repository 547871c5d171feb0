//! A store of maps, with naive fingerprints.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    ids::{ElementId, Lsn, PeerId, RecordId},
    record::{RecordKey, SignedRecord},
    records::{
        Change, Durability, Fingerprint, KeptLoser, Put, Reader, Store, StoreError, VerifiedRecord, rank,
    },
    time::{Hlc, Timestamp},
    wire::Filter,
};

#[derive(Default, Debug, Clone, PartialEq)]
pub(crate) struct TestStore {
    records: BTreeMap<RecordKey, SignedRecord>,
    ids: BTreeMap<RecordId, RecordKey>,
    withheld: BTreeMap<RecordKey, SignedRecord>,
}

impl TestStore {
    pub(crate) fn of(records: impl IntoIterator<Item = SignedRecord>) -> Self {
        let mut store = Self::default();
        for record in records {
            store.put(&VerifiedRecord::unchecked(record)).unwrap();
        }
        store
    }

    pub(crate) fn all(&self) -> Vec<RecordKey> {
        self.records.keys().copied().collect()
    }

    fn range(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
    ) -> impl DoubleEndedIterator<Item = (&RecordKey, &SignedRecord)> {
        let filter = filter.clone();
        let end = to.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.records.range((std::ops::Bound::Included(from), end)).filter(move |(_, record)| match &filter {
            Filter::All => true,
            Filter::Only(record_type) => record.header().record_type == *record_type,
        })
    }
}

impl Store for TestStore {
    fn put(&mut self, record: &VerifiedRecord) -> Result<Put, StoreError> {
        let record = record.signed();
        let lsn = Lsn(1);
        let Some(older) = self.ids.get(&record.id()).map(|key| self.records[key].clone()) else {
            self.ids.insert(record.id(), record.key());
            self.records.insert(record.key(), record.clone());
            return Ok(Put::Inserted { lsn });
        };
        if rank(&older) == rank(record) {
            return Ok(Put::Same);
        }
        if rank(&older) > rank(record) {
            return Ok(Put::Older { newer: older });
        }
        self.records.remove(&older.key());
        self.ids.insert(record.id(), record.key());
        self.records.insert(record.key(), record.clone());
        Ok(Put::Replaced { lsn, older, version: record.header().version })
    }

    fn put_expired(&mut self, _: &VerifiedRecord) -> Result<Option<Change>, StoreError> {
        Ok(None)
    }

    fn expire(&mut self, _: Timestamp, _: usize) -> Result<Vec<Change>, StoreError> {
        Ok(Vec::new())
    }

    fn collect(&mut self, _: Timestamp) -> Result<usize, StoreError> {
        Ok(0)
    }

    fn withdraw(&mut self, key: &RecordKey) -> Result<Option<Change>, StoreError> {
        self.discard(key).map(|()| None)
    }

    fn discard(&mut self, key: &RecordKey) -> Result<(), StoreError> {
        self.records.remove(key);
        self.ids.retain(|_, kept| kept != key);
        Ok(())
    }

    fn withhold(&mut self, key: &RecordKey) -> Result<Option<Change>, StoreError> {
        let Some(record) = self.records.get(key).cloned() else { return Ok(None) };
        self.discard(key)?;
        self.withheld.insert(*key, record);
        Ok(None)
    }

    fn release(&mut self, key: &RecordKey) -> Result<Option<(VerifiedRecord, Put)>, StoreError> {
        let Some(record) = self.withheld.remove(key).map(VerifiedRecord::unchecked) else { return Ok(None) };
        let put = self.put(&record)?;
        Ok(Some((record, put)))
    }

    fn withheld(&self, _: &Filter, from: RecordKey, max: usize) -> Result<Vec<RecordKey>, StoreError> {
        Ok(self.withheld.range(from..).map(|(key, _)| *key).take(max).collect())
    }

    fn fetch_withheld(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError> {
        Ok(self.withheld.get(key).cloned())
    }

    fn keep_loser(
        &mut self,
        _: &SignedRecord,
        _: Option<Lsn>,
        _: Timestamp,
    ) -> Result<Option<KeptLoser>, StoreError> {
        Ok(None)
    }

    fn acknowledge_loser(&mut self, _: &ElementId) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn forget_losers(&mut self, _: Timestamp) -> Result<usize, StoreError> {
        Ok(0)
    }

    fn discard_loser(&mut self, _: &ElementId) -> Result<(), StoreError> {
        Ok(())
    }

    fn knows_loser(&self, _: &RecordKey) -> bool {
        false
    }

    fn loser(&self, _: &RecordKey) -> Result<Option<SignedRecord>, StoreError> {
        Ok(None)
    }

    fn losers_of(&self, _: &RecordId) -> Vec<RecordKey> {
        Vec::new()
    }

    fn losers(&self) -> Vec<RecordKey> {
        Vec::new()
    }

    fn losers_by(&self, _: &BTreeSet<PeerId>) -> Vec<RecordKey> {
        Vec::new()
    }

    fn current_by(&self, _: &PeerId, _: Lsn, _: Lsn, _: usize) -> Result<Vec<(Lsn, RecordKey)>, StoreError> {
        Ok(Vec::new())
    }

    fn withheld_by(&self, _: &PeerId, _: RecordKey, _: usize) -> Result<Vec<RecordKey>, StoreError> {
        Ok(Vec::new())
    }

    fn set_meta(&mut self, _: &str, _: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    fn commit(&mut self, _: Durability) -> Result<(), StoreError> {
        Ok(())
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn get(&self, id: &RecordId) -> Result<Option<SignedRecord>, StoreError> {
        Ok(self.ids.get(id).map(|key| self.records[key].clone()))
    }

    fn fetch(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError> {
        Ok(self.records.get(key).cloned())
    }

    fn contains(&self, key: &RecordKey) -> Result<bool, StoreError> {
        Ok(self.records.contains_key(key) || self.withheld.contains_key(key))
    }

    fn meta(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    fn last_hlc(&self) -> Result<Hlc, StoreError> {
        Ok(self.records.last_key_value().map_or(Hlc(0), |(key, _)| key.hlc))
    }

    fn last_lsn(&self) -> Lsn {
        Lsn(self.records.len() as u64)
    }

    fn root(&self) -> Fingerprint {
        self.fingerprint(&Filter::All, RecordKey::MIN, None).unwrap()
    }

    fn count(&self) -> u64 {
        self.root().count
    }

    fn fingerprint(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
    ) -> Result<Fingerprint, StoreError> {
        let mut count = 0;
        let mut sum = 0u128;
        for (key, _) in self.range(filter, from, to) {
            count += 1;
            sum = sum.wrapping_add(u128::from_be_bytes(*key.element.as_bytes()));
        }
        Ok(Fingerprint { count, hash: sum.to_be_bytes() })
    }

    fn split(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        parts: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let keys: Vec<_> = self.range(filter, from, to).map(|(key, _)| *key).collect();
        Ok((1..parts).map(|part| keys.len() * part / parts).filter(|at| *at > 0).map(|at| keys[at]).collect())
    }

    fn newest(&self, filter: &Filter, sizes: &[u64]) -> Result<Vec<RecordKey>, StoreError> {
        let keys: Vec<_> = self.range(filter, RecordKey::MIN, None).map(|(key, _)| *key).collect();
        let sizes = sizes.iter().rev().map(|size| *size as usize);
        Ok(sizes.filter(|size| *size < keys.len()).map(|size| keys[keys.len() - size]).collect())
    }

    fn keys(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        Ok(self.range(filter, from, to).take(max).map(|(key, _)| *key).collect())
    }

    fn envelopes(
        &self,
        filter: &Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max_bytes: usize,
    ) -> Result<(Vec<Bytes>, Option<RecordKey>), StoreError> {
        let mut bytes = 0;
        let mut records = Vec::new();
        for (key, record) in self.range(filter, from, to) {
            if bytes >= max_bytes && !records.is_empty() {
                return Ok((records, Some(*key)));
            }
            bytes += record.bytes().len();
            records.push(record.bytes().clone());
        }
        Ok((records, None))
    }

    fn reader(&self) -> Arc<dyn Reader> {
        unreachable!("nothing here reads")
    }
}
