//! Records: the calls of an application.

use std::collections::HashMap;

use peergraph::{
    ConflictQuery, RecordDraft, RecordId, RecordUpdate, Timestamp,
    ids::{ElementId, Lsn},
};

use crate::{
    errors::{PeergraphError, Result, core},
    graph::NativeGraph,
    record::{ConflictPage, ListQuery, Record, RecordPage, Value, attributes},
};

#[uniffi::export]
impl NativeGraph {
    /// Publishes a record: signs it, makes it durable, sends it to the neighbors.
    ///
    /// # Errors
    /// As the core's `publish`.
    pub async fn publish(
        &self,
        record_type: String,
        body: Vec<u8>,
        attributes: HashMap<String, Value>,
        expires: Option<Timestamp>,
    ) -> Result<Record> {
        let draft = core(RecordDraft::new(&record_type, body))?;
        let draft = RecordDraft { attributes: self::attributes(attributes), expires, ..draft };
        Ok((&self.turn.make(|| self.graph.publish(draft)).await?).into())
    }

    /// Publishes a new version of a record.
    ///
    /// # Errors
    /// As the core's `update`.
    pub async fn update(
        &self,
        id: RecordId,
        body: Option<Vec<u8>>,
        attributes: Option<HashMap<String, Value>>,
        expires: Option<Timestamp>,
        expected_version: Option<u64>,
    ) -> Result<Record> {
        let attributes = attributes.map(self::attributes);
        let update = RecordUpdate { attributes, body: body.map(Into::into), expires, expected_version };
        Ok((&self.turn.make(|| self.graph.update(id, update)).await?).into())
    }

    /// Deletes a record everywhere; gives the version of the tombstone.
    ///
    /// # Errors
    /// As the core's `delete`.
    pub async fn delete(&self, id: RecordId) -> Result<u64> {
        Ok(self.turn.make(|| self.graph.delete(id)).await?.version)
    }

    /// The current version of a record, if there is one.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    pub async fn get(&self, id: RecordId) -> Result<Option<Record>> {
        Ok(self.turn.make(|| self.graph.get(id)).await?.as_ref().map(Record::from))
    }

    /// One page of conflicts that were not acknowledged.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    pub async fn conflicts(
        &self,
        record: Option<RecordId>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<ConflictPage> {
        let query = ConflictQuery { record, after: after.map(Lsn), limit: limit as usize };
        Ok(self.graph.conflicts(query).await?.into())
    }

    /// Drops a version that lost in a conflict, named by its element. False if it is not here.
    ///
    /// # Errors
    /// `InvalidId` unless there are 16 bytes, `Storage`, `Closed`.
    pub async fn acknowledge_conflict(&self, element: Vec<u8>) -> Result<bool> {
        let element = <[u8; 16]>::try_from(element)
            .map_err(|_| PeergraphError::InvalidId("a version has 16 bytes".into()))?;
        Ok(self.graph.acknowledge_conflict(ElementId::from_bytes(element)).await?)
    }

    /// One page of records.
    ///
    /// # Errors
    /// `InvalidArgument` for a type that is no name, `Storage`, `Closed`.
    pub async fn list(&self, query: ListQuery) -> Result<RecordPage> {
        let query = query.into_core()?;
        Ok(self.turn.make(|| self.graph.list(query)).await?.into())
    }
}
