//! Making new records on the caller's thread: a signature costs as much as storing the record, and needs of the engine
//! only the clock and a few facts, which are shared here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::PublishError;
use crate::{
    crypto::SecretKey,
    group::{EpochId, KeyRing, NoKey},
    ids::GraphId,
    limits::SKEW_ADMIT,
    record::{Header, Origin, Record, RecordDraft, SignedRecord},
    time::{Hlc, HlcClock, Timestamp},
};

/// Stamps and signs new records of one node in one graph, on any thread.
pub struct Stamper {
    graph: GraphId,
    identity: SecretKey,
    ring: Arc<KeyRing>,
    state: Mutex<State>,
}

struct State {
    clock: HlcClock,
    /// Peer time minus this machine's, in milliseconds.
    offset_ms: i64,
    /// The graph's limit in bytes; `None` while this node may not write.
    max_record: Option<usize>,
    /// In a group: by which this node's identity is a member.
    grant: Option<[u8; 32]>,
    is_group: bool,
    /// What this machine's clock is known to be ahead of the graph's time, in milliseconds.
    skew_ms: i64,
    /// The graph's time, as last looked at.
    graph_now: Timestamp,
    /// In a group: when the membership began. It is later now, though a clock that is behind may show less.
    not_before: Timestamp,
}

/// What the engine knows and the stamper needs.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) offset_ms: i64,
    pub(super) max_record: Option<usize>,
    pub(super) is_group: bool,
    pub(super) grant: Option<[u8; 32]>,
    pub(super) skew_ms: i64,
    pub(super) peer_now: Timestamp,
    pub(super) not_before: Timestamp,
}

impl State {
    fn tick(&mut self, peer_now: Timestamp) -> Hlc {
        self.graph_now = peer_now.offset_by(self.skew_ms.saturating_neg());
        self.clock.tick(peer_now.max(self.not_before), SKEW_ADMIT)
    }
}

/// A new record of our own that has its time and is still to be signed.
#[derive(Debug)]
pub struct Reserved {
    hlc: Hlc,
    nonce: [u8; 16],
    draft: RecordDraft,
}

/// A new record of our own, signed and not stored yet: for [`Engine::publish_stamped`](super::Engine::publish_stamped).
#[derive(Debug)]
pub struct Stamped {
    /// `None` without the key for its body: it may come before the record's turn.
    signed: Option<SignedRecord>,
    /// In a group: what it was made from, for calls before it may change under what it is to be written.
    again: Option<(Basis, Reserved)>,
}

/// What a record of a group is written under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Basis {
    grant: Option<[u8; 32]>,
    epoch: Option<EpochId>,
}

impl std::fmt::Debug for Stamper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stamper").field("graph", &self.graph).finish_non_exhaustive()
    }
}

impl Stamper {
    pub(super) fn new(graph: GraphId, identity: SecretKey, last: Hlc, ring: Arc<KeyRing>) -> Self {
        let state = State {
            clock: HlcClock::starting_after(last),
            offset_ms: 0,
            max_record: None,
            grant: None,
            is_group: false,
            skew_ms: 0,
            graph_now: Timestamp::default(),
            not_before: Timestamp::default(),
        };
        Self { graph, identity, ring, state: Mutex::new(state) }
    }

    /// Checks a draft, stamps and signs it.
    ///
    /// `wall`: this machine's clock. `nonce`: random.
    ///
    /// # Errors
    /// [`PublishError::Draft`], [`PublishError::NeverSynchronized`], [`PublishError::NoKey`].
    pub fn stamp(
        &self,
        wall: Timestamp,
        nonce: [u8; 16],
        draft: RecordDraft,
    ) -> Result<Stamped, PublishError> {
        Ok(self.make(self.reserve(wall, nonce, draft)?))
    }

    /// Checks a draft and stamps it: records are dated in the order of these calls. Takes no time worth speaking of;
    /// [`make`](Self::make) signs it.
    ///
    /// # Errors
    /// As [`stamp`](Self::stamp).
    pub fn reserve(
        &self,
        wall: Timestamp,
        nonce: [u8; 16],
        draft: RecordDraft,
    ) -> Result<Reserved, PublishError> {
        let hlc = {
            let mut state = self.lock();
            let max_record = state.max_record.ok_or(PublishError::NeverSynchronized)?;
            let peer_now = wall.offset_by(state.offset_ms);
            draft.check(max_record.saturating_sub(self.ring.overhead()), peer_now)?;
            state.tick(peer_now)
        };
        Ok(Reserved { hlc, nonce, draft })
    }

    /// Signs what was reserved, its body encrypted if that is the group's rule.
    pub fn make(&self, reserved: Reserved) -> Stamped {
        let basis = self.basis();
        let Reserved { hlc, nonce, draft } = &reserved;
        if !self.lock().is_group {
            let Reserved { hlc, nonce, draft } = reserved;
            return Stamped { signed: self.sign_new(hlc, nonce, draft).ok(), again: None };
        }
        let signed = self.sign_new(*hlc, *nonce, draft.clone()).ok();
        Stamped { signed, again: Some((basis, reserved)) }
    }

    /// The record as it is to be stored now: made anew if it was made under what holds no more.
    pub(super) fn current(&self, stamped: Stamped) -> Result<SignedRecord, PublishError> {
        match stamped {
            Stamped { signed: Some(signed), again: None } => Ok(signed),
            Stamped { signed: Some(signed), again: Some((basis, _)) } if basis == self.basis() => Ok(signed),
            Stamped { again: Some((_, Reserved { hlc, nonce, draft })), .. } => {
                self.sign_new(hlc, nonce, draft)
            }
            Stamped { signed: None, again: None } => Err(NoKey.into()),
        }
    }

    fn basis(&self) -> Basis {
        Basis { grant: self.lock().grant, epoch: self.ring.current() }
    }

    /// The first version of a record.
    pub(super) fn sign_new(
        &self,
        hlc: Hlc,
        nonce: [u8; 16],
        draft: RecordDraft,
    ) -> Result<SignedRecord, PublishError> {
        let (grant, is_group) = {
            let state = self.lock();
            (state.grant, state.is_group)
        };
        let header = Header {
            expires: draft.expires,
            grant,
            origin: (is_group && !draft.record_type.is_reserved()).then_some(Origin::First),
            attributes: draft.attributes,
            ..Header::first(draft.record_type, nonce, self.identity.peer(), hlc)
        };
        self.seal_and_sign(header, draft.body)
    }

    /// Signs a version, its body encrypted if that is the group's rule.
    pub(super) fn seal_and_sign(&self, header: Header, body: Bytes) -> Result<SignedRecord, PublishError> {
        let body = self.ring.seal(&header, body)?;
        Ok(self.sign(header, &body))
    }

    /// The graph's limit in bytes of body and attributes; `None` while this node may not write.
    pub fn max_record(&self) -> Option<usize> {
        self.lock().max_record
    }

    /// The identity's key.
    pub(super) const fn key(&self) -> &SecretKey {
        &self.identity
    }

    pub(super) fn sign(&self, header: Header, body: &[u8]) -> SignedRecord {
        SignedRecord::sign(&self.graph, &self.identity, header, body)
    }

    pub(super) fn tick(&self, peer_now: Timestamp) -> Hlc {
        self.lock().tick(peer_now)
    }

    /// A reading for what replaces something stamped `seen`, however far ahead that is.
    pub(super) fn tick_after(&self, peer_now: Timestamp, seen: Hlc) -> Hlc {
        let mut state = self.lock();
        state.tick(peer_now);
        let floor = state.not_before;
        state.clock.tick_after(peer_now.max(floor), SKEW_ADMIT, seen)
    }

    /// The record with the mark of what others cannot accept yet.
    #[must_use]
    pub(super) fn mark_held(&self, mut record: Record) -> Record {
        record.held = self.is_held(&record);
        record
    }

    pub(super) fn is_held(&self, record: &Record) -> bool {
        record.author == self.identity.peer() && record.modified > self.lock().graph_now + SKEW_ADMIT
    }

    pub(super) fn observe(&self, seen: Hlc) {
        self.lock().clock.observe(seen);
    }

    /// What the engine knows now.
    pub(super) fn refresh(&self, facts: Facts) {
        let mut state = self.lock();
        state.offset_ms = facts.offset_ms;
        state.max_record = facts.max_record;
        state.grant = facts.grant;
        state.is_group = facts.is_group;
        state.skew_ms = facts.skew_ms;
        state.not_before = facts.not_before;
        state.graph_now = facts.peer_now.offset_by(facts.skew_ms.saturating_neg());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
