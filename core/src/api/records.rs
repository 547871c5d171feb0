//! Records: the calls of an application.

use super::{Error, Graph, Result, runtime::blocking};
use crate::{
    engine::UpdateOutcome,
    ids::RecordId,
    record::{Record, RecordDraft, RecordUpdate},
    records::{ListQuery, Page},
};

impl Graph {
    /// Publishes a record: signs it, makes it durable, sends it to the neighbors. Returns when it is durable here.
    ///
    /// # Errors
    /// `Reserved`, `InvalidArgument`, `TooLarge`, `InvalidExpiration`, `NeverSynchronized`, `NotAuthorized`,
    /// `KeyMissing` in a group with encrypted bodies whose key has not come yet, `Storage`, `Closed`.
    #[doc(alias = "PeerGraphAddRecord")]
    pub async fn publish(&self, draft: RecordDraft) -> Result<Record> {
        let node = self.inner().node.upgrade().ok_or_else(Error::closed)?;
        // Signed here, so that the graph's thread only stores.
        let stamped = self.inner().stamper.stamp(node.clock.now().wall, rand::random(), draft)?;
        drop(node);
        self.write(move |engine, _| engine.publish_stamped(stamped)).await
    }

    /// Publishes a new version of a record. With `expected_version`, only if nobody was faster here.
    ///
    /// # Errors
    /// `NotFound`, `Deleted`, `VersionMismatch`, `KeyMissing` or `InvalidArgument` if the body is to stay and cannot be
    /// read, and as [`publish`](Self::publish).
    #[doc(alias = "PeerGraphUpdateRecord")]
    pub async fn update(&self, id: RecordId, update: RecordUpdate) -> Result<Record> {
        self.write(move |engine, now| engine.update(now, &id, update)).await
    }

    /// Deletes a record everywhere; it cannot come back under its id.
    ///
    /// # Errors
    /// `NotFound`, `Deleted`, and as [`publish`](Self::publish).
    #[doc(alias = "PeerGraphDeleteRecord")]
    pub async fn delete(&self, id: RecordId) -> Result<UpdateOutcome> {
        self.write(move |engine, now| engine.delete(now, &id, None)).await
    }

    /// The current version of a record; `None` if there is none, or it is deleted or expired. An encrypted body whose key
    /// is not here is left out: see [`Record::body_state`].
    ///
    /// # Errors
    /// `Storage`.
    #[doc(alias = "PeerGraphGetRecord")]
    pub async fn get(&self, id: RecordId) -> Result<Option<Record>> {
        let (reader, now) = (self.inner().reader()?, self.expiry_time().await?);
        blocking(move || reader.get(&id, now)).await.map_err(|error| self.located(error))
    }

    /// One page of records.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    pub async fn list(&self, query: ListQuery) -> Result<Page<Record>> {
        let (reader, now) = (self.inner().reader()?, self.expiry_time().await?);
        blocking(move || reader.list(&query, now)).await.map_err(|error| self.located(error))
    }

    /// All records of a query, page by page, as they were at the first page.
    #[doc(alias = "PeerGraphEnumRecords")]
    pub fn records(&self, query: ListQuery) -> RecordPages {
        RecordPages { graph: self.clone(), next: Some(query) }
    }
}

/// Pages of records, as they were at the first page.
#[derive(Debug)]
pub struct RecordPages {
    graph: Graph,
    next: Option<ListQuery>,
}

impl RecordPages {
    /// The next page; `None` when all have been seen.
    ///
    /// # Errors
    /// `Storage`, `Closed`; the same page can be asked for again.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>> {
        let Some(query) = &self.next else { return Ok(None) };
        let page = self.graph.list(query.clone()).await?;
        self.next = page.next.map(|after| ListQuery {
            after: Some(after),
            through: Some(page.through),
            ..query.clone()
        });
        Ok((!page.items.is_empty()).then_some(page.items))
    }

    /// All that is left.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn collect(mut self) -> Result<Vec<Record>> {
        let mut all = Vec::new();
        while let Some(page) = self.next().await? {
            all.extend(page);
        }
        Ok(all)
    }
}
