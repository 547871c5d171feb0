//! Records: the calls of an application.

use super::{Call, Error, Graph, Result, call::attempt, runtime::blocking};
use crate::{
    engine::{Engine, UpdateOutcome},
    ids::{ElementId, RecordId},
    record::{Record, RecordDraft, RecordUpdate},
    records::{Conflict, ConflictQuery, ListQuery, Page},
};

impl Graph {
    /// Publishes a record: signs it, makes it durable, sends it to the neighbors. Returns when it is durable here.
    ///
    /// # Errors
    /// `Reserved`, `InvalidArgument`, `TooLarge`, `InvalidExpiration`, `NeverSynchronized`, `NotAuthorized`,
    /// `KeyMissing` in a group with encrypted bodies whose key has not come yet, `Storage`, `Closed`. In a group, if this
    /// identity is a member no more: `Removed`, `NotAMember` if it left, `InvitationExpired` if its time is over,
    /// `InvitationUsedUp` if its place went to another by the same invitation.
    #[doc(alias = "PeerGraphAddRecord")]
    pub fn publish(&self, draft: RecordDraft) -> Call<Result<Record>> {
        let inner = self.inner();
        let wall = attempt!(inner.node.upgrade().ok_or_else(Error::closed)).clock.now().wall;
        let nonce = rand::random();
        // Signed beside the graph's thread, which only stores.
        let (stamping, signing) = (inner.stamper.clone(), inner.stamper.clone());
        if stamping.max_record().is_none() {
            // A call before this one, such as an import, may be about to change that.
            return self.write(|engine, now| engine.publish(now, draft));
        }
        let begin = move || -> Result<_> {
            let reserved = stamping.reserve(wall, nonce, draft)?;
            Ok(move || signing.make(reserved))
        };
        let store = |engine: &mut Engine, now, stamped| engine.publish_stamped(now, stamped);
        let published = attempt!(inner.driver.write_prepared(begin, store));
        Call::placed(async move { published.await?.map_err(Error::from) })
    }

    /// Publishes a new version of a record. With `expected_version`, only if nobody was faster here.
    ///
    /// # Errors
    /// `NotFound`, `Deleted`, `VersionMismatch`, `KeyMissing` or `InvalidArgument` if the body is to stay and cannot be
    /// read, and as [`publish`](Self::publish).
    #[doc(alias = "PeerGraphUpdateRecord")]
    pub fn update(&self, id: RecordId, update: RecordUpdate) -> Call<Result<Record>> {
        self.write(move |engine, now| engine.update(now, &id, update))
    }

    /// Deletes a record everywhere; it cannot come back under its id. A delete also wins over edits that others make before
    /// they hear of it, whatever their clocks say: those are reported as the losers of a [conflict](Self::conflicts), and
    /// the version of what the delete leaves is above theirs where they are known.
    ///
    /// # Errors
    /// `NotFound`, `Deleted`, and as [`publish`](Self::publish).
    #[doc(alias = "PeerGraphDeleteRecord")]
    pub fn delete(&self, id: RecordId) -> Call<Result<UpdateOutcome>> {
        self.write(move |engine, now| engine.delete(now, &id, None))
    }

    /// The current version of a record; `None` if there is none, or it is deleted or expired. An encrypted body whose key
    /// is not here is left out: see [`Record::body_state`].
    ///
    /// # Errors
    /// `Storage`.
    #[doc(alias = "PeerGraphGetRecord")]
    pub fn get(&self, id: RecordId) -> Call<Result<Option<Record>>> {
        let (reader, now) = (attempt!(self.inner().reader()), self.expiry_time());
        let graph = self.clone();
        Call::placed(async move {
            let now = now.await?;
            blocking(move || reader.get(&id, now)).await.map_err(|error| graph.located(error))
        })
    }

    /// One page of records.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    pub fn list(&self, query: ListQuery) -> Call<Result<Page<Record>>> {
        let (reader, now) = (attempt!(self.inner().reader()), self.expiry_time());
        let graph = self.clone();
        Call::placed(async move {
            let now = now.await?;
            blocking(move || reader.list(&query, now)).await.map_err(|error| graph.located(error))
        })
    }

    /// One page of conflicts that were not acknowledged: versions that lost against others of which their authors had not
    /// known, with what won. Each is kept until it is [acknowledged](Self::acknowledge_conflict), or for
    /// [`tombstone_lifetime`](super::NodeConfig::tombstone_lifetime) (30 days), or until its record expires; one for each
    /// author of a record, 8 for a record, 4,096 and 64 MiB in all: beyond, the oldest of the author who takes up the most
    /// goes. `total` is `None`.
    ///
    /// Every node that gets both versions knows of the conflict, whichever came first, and passes the loser on to its
    /// neighbors; a node that comes later and meets the winner only does not. Losers are not exported.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    pub fn conflicts(&self, query: ConflictQuery) -> Call<Result<Page<Conflict>>> {
        let (reader, now) = (attempt!(self.inner().reader()), self.expiry_time());
        let graph = self.clone();
        Call::placed(async move {
            let now = now.await?;
            blocking(move || reader.conflicts(&query, now)).await.map_err(|error| graph.located(error))
        })
    }

    /// Drops a version that lost in a conflict: `loser` is the element of its [`key`](Record::key). It is not reported
    /// again on this node; others keep it until they acknowledge it themselves. False if it is not here.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    pub fn acknowledge_conflict(&self, loser: ElementId) -> Call<Result<bool>> {
        self.write(move |engine, _| engine.acknowledge_conflict(&loser))
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
    /// The next page; `None` when all have been seen. It is read when this is first polled, after the calls made until
    /// then. It needs no place before: the pages show what was there at the first, whatever is called meanwhile.
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

    /// All that is left, page by page as [`next`](Self::next).
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
