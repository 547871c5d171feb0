//! Records: the calls of an application.

use std::collections::HashMap;

use peergraph::{RecordDraft, RecordId, RecordUpdate, Timestamp};

use crate::{
    errors::{Result, core},
    graph::NativeGraph,
    record::{ListQuery, Record, RecordPage, Value, attributes},
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

    /// One page of records.
    ///
    /// # Errors
    /// `InvalidArgument` for a type that is no name, `Storage`, `Closed`.
    pub async fn list(&self, query: ListQuery) -> Result<RecordPage> {
        let query = query.into_core()?;
        Ok(self.turn.make(|| self.graph.list(query)).await?.into())
    }
}
