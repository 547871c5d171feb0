//! Local writes: what an application publishes, updates and deletes, and the library's own records.

use bytes::Bytes;
use rand::RngExt;

use super::{
    Engine, Stamped,
    ingest::{Source, Staged},
};
use crate::{
    group::{CredentialFault, NoKey},
    ids::RecordId,
    record::{
        DraftError, Header, Record, RecordDraft, RecordType, RecordUpdate, SignedRecord, check_content,
    },
    records::{Put, RejectReason, StoreError, VerifiedRecord, admit_own},
    time::{Now, Timestamp},
};

/// A write was refused. Nothing was stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// The draft breaks a rule. The caller's mistake.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// This node has never been synchronised with the graph, so it cannot write yet.
    #[error("this node has never synchronised with the graph; connect first")]
    NeverSynchronized,
    /// No such record, or it is expired.
    #[error("there is no record {0}")]
    NotFound(RecordId),
    /// The record was deleted. It cannot come back under its id.
    #[error("record {0} was deleted")]
    Deleted(RecordId),
    /// The record has another version than the caller expected.
    #[error("the record has version {found}, not the expected {expected}")]
    VersionMismatch {
        /// What the caller expected.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// An expiration can move later, not earlier.
    #[error("the expiration of a record cannot be moved to an earlier time")]
    ShorterLife,
    /// A credential that would not hold.
    #[error("not allowed: {0}")]
    Credential(#[from] CredentialFault),
    /// A member cannot remove itself: what it would say of itself would not hold.
    #[error("a member cannot remove itself; call leave to leave the group")]
    RemovesItself,
    /// A member has written more than the list of a removal can name.
    #[error("the member has more than 512,000 records, which is more than a removal can keep")]
    TooManyToKeep,
    /// The key that bodies are encrypted with has not come yet.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// The body that is to stay is no encrypted body.
    #[error("the body of record {0} cannot be decrypted; update it with a new body")]
    Unreadable(RecordId),
    /// The graph's policy does not allow it.
    #[error("not allowed: {0}")]
    NotAllowed(RejectReason),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an update or delete did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UpdateOutcome {
    /// The record.
    pub id: RecordId,
    /// Its version now.
    pub version: u64,
}

impl Engine {
    /// Signs and stores a new record. Acknowledge it only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was stored.
    pub fn publish(&mut self, now: Now, draft: RecordDraft) -> Result<Record, PublishError> {
        let nonce = self.rng.random();
        self.check_standing()?;
        let stamped = self.stamper.stamp(now.wall, nonce, draft)?;
        self.publish_stamped(now, stamped)
    }

    /// Stores a new record that the [`stamper`](Engine::stamper) made. Acknowledge it only after
    /// [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was stored.
    pub fn publish_stamped(&mut self, now: Now, stamped: Stamped) -> Result<Record, PublishError> {
        self.check_standing()?;
        self.settle_epoch(now)?;
        let signed = self.stamper.current(stamped)?;
        // Its id is new, for its nonce is random.
        self.put_own(signed, None)
    }

    /// Signs and stores a new version of a record. Acknowledge it only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was stored.
    pub fn update(&mut self, now: Now, id: &RecordId, update: RecordUpdate) -> Result<Record, PublishError> {
        let old = self.editable(now, id, update.expected_version)?;
        let header = old.header();
        let attributes = update.attributes.unwrap_or_else(|| header.attributes.clone());
        let body = match update.body {
            Some(body) => body,
            None => self.readable_body(&old)?,
        };
        check_content(&attributes, &body, self.max_record().saturating_sub(self.key_ring().overhead()))?;
        let expires = match (header.expires, update.expires) {
            (Some(before), Some(after)) if after < before => return Err(PublishError::ShorterLife),
            (None, Some(_)) => return Err(PublishError::ShorterLife),
            (before, after) => after.or(before),
        };
        let next = Header { attributes, expires, ..self.next_header(now, &old) };
        self.put_local(now, next, body)
    }

    /// Replaces a record by a tombstone. Acknowledge it only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was stored.
    pub fn delete(
        &mut self,
        now: Now,
        id: &RecordId,
        expected_version: Option<u64>,
    ) -> Result<UpdateOutcome, PublishError> {
        let old = self.editable(now, id, expected_version)?;
        let next = Header {
            attributes: crate::record::Attributes::new(),
            deleted: true,
            expires: None,
            ..self.next_header(now, &old)
        };
        let record = self.put_local(now, next, Bytes::new())?;
        Ok(UpdateOutcome { id: record.id, version: record.version })
    }

    /// Publishes a record of the library's own, or its next version.
    pub(super) fn put_reserved(
        &mut self,
        now: Now,
        id: &RecordId,
        nonce: [u8; 16],
        record_type: RecordType,
        body: Bytes,
        expires: Option<Timestamp>,
    ) -> Result<Record, PublishError> {
        match self.current(id)? {
            Some(old) => {
                let next = Header { expires, deleted: false, ..self.next_header(now, &old) };
                self.put_local(now, next, body)
            }
            None => {
                let draft = RecordDraft { record_type, attributes: Default::default(), body, expires };
                self.put_new(now, draft, nonce)
            }
        }
    }

    /// Replaces a record of the library's own by a tombstone, if it is there.
    pub(super) fn delete_reserved(&mut self, now: Now, id: &RecordId) -> Result<(), PublishError> {
        if let Some(old) = self.current(id)?.filter(|old| !old.header().deleted) {
            let next = Header { deleted: true, expires: None, ..self.next_header(now, &old) };
            self.put_local(now, next, Bytes::new())?;
        }
        Ok(())
    }

    pub(super) fn check_usable(&self) -> Result<(), PublishError> {
        if self.usable { Ok(()) } else { Err(PublishError::NeverSynchronized) }
    }

    /// Whatever else is wrong: one that is no member any more hears of that.
    ///
    /// # Errors
    /// As [`Membership::why_no_member`](crate::group::Membership::why_no_member), if its membership ended;
    /// [`CredentialFault::NotAMember`] while this identity leaves.
    pub fn check_standing(&self) -> Result<(), PublishError> {
        if self.group.listings.is_leaving() {
            return Err(CredentialFault::NotAMember.into());
        }
        let Some(members) = self.group.members.as_ref().filter(|_| self.group.own.is_none()) else {
            return Ok(());
        };
        match members.why_no_member(self.device.peer) {
            CredentialFault::NotAMember => Ok(()),
            why => Err(why.into()),
        }
    }

    fn put_new(&mut self, now: Now, draft: RecordDraft, nonce: [u8; 16]) -> Result<Record, PublishError> {
        let hlc = self.stamper.tick(self.peer_time(now));
        let signed = self.stamper.sign_new(hlc, nonce, draft)?;
        let previous = self.current(&signed.id())?;
        self.put_own(signed, previous.as_ref())
    }

    fn editable(&self, now: Now, id: &RecordId, expected: Option<u64>) -> Result<SignedRecord, PublishError> {
        self.check_standing()?;
        self.check_usable()?;
        let peer_now = self.peer_time(now);
        let old = self
            .current(id)?
            .filter(|old| old.header().expires.is_none_or(|at| at > peer_now))
            .ok_or(PublishError::NotFound(*id))?;
        if old.header().record_type.is_reserved() {
            return Err(DraftError::Reserved(old.header().record_type.clone()).into());
        }
        if old.header().deleted {
            return Err(PublishError::Deleted(*id));
        }
        match expected {
            Some(expected) if expected != old.header().version => {
                Err(PublishError::VersionMismatch { expected, found: old.header().version })
            }
            _ => Ok(old),
        }
    }

    /// The header of the version after `old`: stamped later than `old`, so an edit always beats what it saw.
    pub(super) fn next_header(&self, now: Now, old: &SignedRecord) -> Header {
        let me = self.device.peer;
        let header = old.header();
        Header {
            editor: (header.creator != me).then_some(me),
            version: header.version.saturating_add(1),
            hlc: self.stamper.tick_after(self.peer_time(now), header.hlc),
            replaced: Some(old.key().element),
            earlier: old.lineage(),
            grant: self.group.own_grant(),
            origin: old.next_origin(me),
            ..header.clone()
        }
    }

    fn put_local(&mut self, now: Now, header: Header, body: Bytes) -> Result<Record, PublishError> {
        self.settle_epoch(now)?;
        let signed = self.stamper.seal_and_sign(header, body)?;
        let previous = self.current(&signed.id())?;
        self.put_own(signed, previous.as_ref())
    }

    /// Stores another version of a tombstone of our own.
    pub(super) fn put_again(&mut self, header: Header) -> Result<Record, PublishError> {
        let signed = self.stamper.sign(header, &[]);
        self.put_own(signed, None)
    }

    fn put_own(
        &mut self,
        signed: SignedRecord,
        previous: Option<&SignedRecord>,
    ) -> Result<Record, PublishError> {
        self.check_standing()?;
        let genesis = self.genesis.as_ref().ok_or(PublishError::NeverSynchronized)?;
        let verified: VerifiedRecord =
            admit_own(signed, previous, genesis, self.policy()).map_err(PublishError::NotAllowed)?;
        let record = self.stamper.mark_held(self.key_ring().open(verified.signed().to_record()));
        let put = self.store.put(&verified)?;
        self.own_write(verified.signed().header().hlc);
        if record.held {
            self.clock.look_again();
        }
        debug_assert!(matches!(put, Put::Inserted { .. } | Put::Replaced { .. }), "the clock only grows");
        let version = match &put {
            Put::Replaced { version, .. } => *version,
            _ => record.version,
        };
        self.staged.push(Staged { record: verified, put, source: Source::Local, kept: None });
        Ok(Record { version, ..record })
    }
}
