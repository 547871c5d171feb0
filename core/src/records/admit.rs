//! The door of the database: the only maker of [`VerifiedRecord`], for strangers' records and our own.
//!
//! What is let in for good must not depend on the order of arrival: two nodes that saw the same records in another
//! order would differ for ever, and would offer one another the same records at every reconciliation. So a received
//! record is judged by itself, the graph and the clock, never by the version stored:
//!
//! - *creator* cannot change between versions, since the id derives from it;
//! - *version* is held to what the record's own age allows ([`MAX_VERSION_JUMP`], [`VERSIONS_PER_MS`]), so that no
//!   jump comes near the end of the counter;
//! - *type and creation time* of an update, and that an *expiration* does not shrink, are checked where the update is
//!   written ([`check_update`]). Who breaks that with software of their own, and may write the record at all, could as
//!   well have deleted it.
//!
//! What has expired is let in for one purpose: to end an older version that is stored, which may end later or never.
//! Otherwise it is refused. That does depend on what is stored, and yet order cannot matter in the end: of two nodes one of which has
//! an older version and the other what the expired one left, the second tells the first in their next comparison.
//!
//! What is ahead of time is let in later.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{RecordPolicy, StoreError, Verdict, VerifiedRecord, merge::rank, policy::check_reserved};
use crate::{
    crypto::{self, Claim, Domain},
    ids::{GraphId, RecordId},
    limits::{MAX_HELD, MAX_HELD_BYTES, MAX_VERSION_JUMP, SKEW_ADMIT, SKEW_HOLD, VERSIONS_PER_MS},
    record::{Genesis, Header, RecordKey, SignedRecord},
    time::Timestamp,
};

/// From so many signatures on, two threads check them.
const PARALLEL: usize = 256;

/// Why a record was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RejectReason {
    /// The signature is not its author's, or not for this graph. The sender did not check it: a strike.
    #[error("the signature is invalid")]
    BadSignature,
    /// Its time was over.
    #[error("it has expired")]
    Expired,
    /// It was written too far ahead of peer time.
    #[error("it is dated {ahead:?} in the future")]
    FarFuture {
        /// How far.
        ahead: Duration,
    },
    /// Body and attributes exceed the graph's limit.
    #[error("it has {len} bytes; the maximum is {max}")]
    TooLarge {
        /// What they take, in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The version is higher than the record's age allows.
    #[error("version {0} is impossibly high")]
    Version(u64),
    /// The type belongs to the library, which does not know it.
    #[error("the type is reserved")]
    ReservedType,
    /// A field breaks a rule, which is named.
    #[error("it breaks a rule: {0}")]
    Rule(&'static str),
    /// The graph's policy says no.
    #[error("{0}")]
    NotAuthorized(&'static str),
}

impl RejectReason {
    /// True if whoever sent it deserves a strike. Everything else may happen between honest nodes, whose clocks and
    /// versions differ.
    pub const fn is_strike(&self) -> bool {
        matches!(self, Self::BadSignature)
    }
}

/// What became of a candidate.
#[derive(Clone, PartialEq, Debug)]
pub enum Admission {
    /// It may be stored and sent on.
    Verified(VerifiedRecord),
    /// It is ahead of time: admit it again then. Its signature is good.
    Held {
        /// The record, for the [`HoldQueue`].
        record: SignedRecord,
        /// When, in peer time.
        until: Timestamp,
    },
    /// Its time is over, and it wins over a version that is stored: it ends that. Its signature is good.
    Expired(VerifiedRecord),
    /// The policy lacks a credential. The signature is good.
    Deferred {
        /// The record.
        record: SignedRecord,
        /// The hash of the credential.
        missing: [u8; 32],
    },
    /// It is refused.
    Rejected {
        /// Which version.
        key: RecordKey,
        /// Why.
        reason: RejectReason,
    },
}

impl Admission {
    /// Which version was judged.
    pub const fn key(&self) -> RecordKey {
        match self {
            Self::Verified(record) | Self::Expired(record) => record.signed().key(),
            Self::Held { record, .. } | Self::Deferred { record, .. } => record.key(),
            Self::Rejected { key, .. } => *key,
        }
    }
}

/// What candidates are judged by.
#[derive(Clone, Copy, Debug)]
pub struct AdmitContext<'a> {
    /// The graph's.
    pub genesis: &'a Genesis,
    /// The graph's time now.
    pub peer_time: Timestamp,
    /// The graph's.
    pub policy: &'a dyn RecordPolicy,
    /// Random, unknown to others: weights of the batch verification.
    pub seed: u64,
    /// A second thread may help with large batches.
    pub parallel: bool,
}

/// When a record can be let in, by its times alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Now,
    /// It is ahead of time: not before then.
    Later(Timestamp),
    /// It has expired: only in order to end what is stored.
    Over,
}

/// Judges candidates; one admission each, in order. `lookup` finds stored versions: for policies that want them, and of
/// records that have expired.
///
/// # Errors
/// [`StoreError`] from `lookup`; nothing was admitted.
pub fn admit(
    graph: &GraphId,
    candidates: Vec<SignedRecord>,
    context: &AdmitContext<'_>,
    mut lookup: impl FnMut(&RecordId) -> Result<Option<SignedRecord>, StoreError>,
) -> Result<Vec<Admission>, StoreError> {
    // The cheap rules first: what they refuse costs no signature check.
    let rule = |candidate: &SignedRecord, lookup: &mut dyn FnMut(&RecordId) -> _| match check_record(
        candidate, context,
    ) {
        Ok(Due::Over) if !ends_stored(candidate, lookup) => Err(RejectReason::Expired),
        rule => rule,
    };
    let ruled: Vec<_> = candidates.iter().map(|candidate| rule(candidate, &mut lookup)).collect();
    let good: Vec<&SignedRecord> = candidates
        .iter()
        .zip(&ruled)
        .filter(|(_, rule)| rule.is_ok())
        .map(|(candidate, _)| candidate)
        .collect();
    let mut signed = verify(graph, &good, context).into_iter();
    let mut admissions = Vec::with_capacity(candidates.len());
    for (record, rule) in candidates.into_iter().zip(ruled) {
        let outcome = match rule {
            Err(reason) => Err(reason),
            Ok(_) if signed.next() != Some(true) => Err(RejectReason::BadSignature),
            Ok(due) => check_reserved(&record, context.genesis).map(|()| due),
        };
        admissions.push(match outcome {
            Err(reason) => Admission::Rejected { key: record.key(), reason },
            Ok(Due::Later(until)) => Admission::Held { record, until },
            Ok(Due::Now) => ask_policy(record, context, &mut lookup)?,
            Ok(Due::Over) => match ask_policy(record, context, &mut lookup)? {
                Admission::Verified(record) => Admission::Expired(record),
                other => other,
            },
        });
    }
    Ok(admissions)
}

/// True if a current version of the record is stored that loses against this one. One that cannot be read is no reason.
fn ends_stored(
    record: &SignedRecord,
    lookup: &mut dyn FnMut(&RecordId) -> Result<Option<SignedRecord>, StoreError>,
) -> bool {
    lookup(&record.id()).ok().flatten().is_some_and(|stored| rank(&stored) < rank(record))
}

fn ask_policy(
    record: SignedRecord,
    context: &AdmitContext<'_>,
    lookup: &mut impl FnMut(&RecordId) -> Result<Option<SignedRecord>, StoreError>,
) -> Result<Admission, StoreError> {
    let previous = if context.policy.needs_previous() { lookup(&record.id())? } else { None };
    Ok(match context.policy.check(&record, previous.as_ref()) {
        Verdict::Accept => Admission::Verified(VerifiedRecord(record)),
        Verdict::Defer { missing } => Admission::Deferred { record, missing },
        Verdict::Reject(reason) => Admission::Rejected { key: record.key(), reason },
    })
}

/// All that needs neither keys nor credentials nor the database.
fn check_record(record: &SignedRecord, context: &AdmitContext<'_>) -> Result<Due, RejectReason> {
    let header = record.header();
    let modified = header.hlc.timestamp();
    let body = usize::try_from(header.body_len).unwrap_or(usize::MAX);
    let len = body.saturating_add(header.attributes.encoded_len());
    let max = context.genesis.max_record as usize;
    if len > max {
        return Err(RejectReason::TooLarge { len, max });
    }
    if header.attributes.check().is_err() {
        return Err(RejectReason::Rule("malformed attributes"));
    }
    if modified < header.created {
        return Err(RejectReason::Rule("written before it was made"));
    }
    if header.version == 1 && header.editor.is_some() {
        return Err(RejectReason::Rule("a first version is its creator's"));
    }
    if let Some(rule) = header.check_origin() {
        return Err(RejectReason::Rule(rule));
    }
    if header.version > max_version(header) {
        return Err(RejectReason::Version(header.version));
    }
    if header.expires.is_some_and(|at| at <= modified) {
        return Err(RejectReason::Expired);
    }
    if header.expires.is_some_and(|at| at <= context.peer_time) {
        return Ok(Due::Over);
    }
    if record.is_stub() {
        return Err(RejectReason::Rule("its body is missing"));
    }
    let ahead = modified.since(context.peer_time);
    if ahead > SKEW_HOLD {
        return Err(RejectReason::FarFuture { ahead });
    }
    Ok(if ahead > SKEW_ADMIT { Due::Later(modified - SKEW_ADMIT) } else { Due::Now })
}

/// The highest version that a record of this age can honestly have.
fn max_version(header: &Header) -> u64 {
    let age = header.hlc.timestamp().0.saturating_sub(header.created.0);
    age.saturating_mul(VERSIONS_PER_MS).saturating_add(MAX_VERSION_JUMP)
}

fn verify(graph: &GraphId, records: &[&SignedRecord], context: &AdmitContext<'_>) -> Vec<bool> {
    let said: Vec<Option<[u8; 64]>> = records.iter().map(|record| record.said_by_creator(graph)).collect();
    let mut claims: Vec<Claim<'_>> = records.iter().map(|record| record.claim()).collect();
    let makers = records.iter().zip(&said).map(|(record, said)| record.maker_claim(said.as_ref()?));
    let makers: Vec<(usize, Claim<'_>)> =
        makers.enumerate().filter_map(|(at, claim)| Some((at, claim?))).collect();
    claims.extend(makers.iter().map(|(_, claim)| *claim));
    let mut verdicts = verify_claims(graph, &claims, context);
    let of_makers = verdicts.split_off(records.len());
    for ((at, _), good) in makers.iter().zip(of_makers) {
        verdicts[*at] &= good;
    }
    verdicts
}

fn verify_claims(graph: &GraphId, claims: &[Claim<'_>], context: &AdmitContext<'_>) -> Vec<bool> {
    let check =
        |claims: &[Claim<'_>], seed| crypto::verify_batch(Domain::Record, graph.as_bytes(), claims, seed);
    if !context.parallel || claims.len() < PARALLEL {
        return check(claims, context.seed);
    }
    let seed = context.seed;
    let (here, there) = claims.split_at(claims.len() / 2);
    std::thread::scope(|scope| {
        let helper = scope.spawn(|| check(there, seed.wrapping_add(1)));
        let mut verdicts = check(here, seed);
        // A helper that died has verified nothing.
        verdicts.extend(helper.join().unwrap_or_else(|_| vec![false; there.len()]));
        verdicts
    })
}

/// Admits a record of our own, just signed: the rules of an update against what it replaces, those of reserved types,
/// and the policy. The signature is ours, and the time is now.
///
/// # Errors
/// The rule that is broken, or the policy's word.
pub fn admit_own(
    record: SignedRecord,
    previous: Option<&SignedRecord>,
    genesis: &Genesis,
    policy: &dyn RecordPolicy,
) -> Result<VerifiedRecord, RejectReason> {
    if let Some(previous) = previous.filter(|_| !record.header().record_type.is_reserved()) {
        check_update(previous.header(), record.header())?;
    }
    check_reserved(&record, genesis)?;
    match policy.check(&record, previous) {
        Verdict::Accept => Ok(VerifiedRecord(record)),
        Verdict::Reject(reason) => Err(reason),
        Verdict::Defer { .. } => Err(RejectReason::NotAuthorized("a credential is missing")),
    }
}

/// The stored records whose signature or rules do not hold: somebody changed the file, or the disk did.
pub fn find_unsound<'a>(
    graph: &GraphId,
    records: &'a [SignedRecord],
    context: &AdmitContext<'_>,
) -> Vec<&'a SignedRecord> {
    let all: Vec<&SignedRecord> = records.iter().collect();
    let sound = |record: &SignedRecord| {
        // Time may have passed since it was let in.
        let rule = check_record(record, context);
        !matches!(rule, Err(RejectReason::TooLarge { .. } | RejectReason::Rule(_) | RejectReason::Version(_)))
            && check_reserved(record, context.genesis).is_ok()
            && record.has_signed_body()
    };
    let signed = verify(graph, &all, context);
    all.into_iter()
        .zip(signed)
        .filter(|(record, signed)| !(*signed && sound(record)))
        .map(|(r, _)| r)
        .collect()
}

/// Checks an update of our own against what it replaces: one version up, same type and creation, later by the clock,
/// and an expiration that does not shrink.
///
/// # Errors
/// The rule that is broken.
pub fn check_update(previous: &Header, next: &Header) -> Result<(), RejectReason> {
    let never = Timestamp(u64::MAX);
    let shrinks = !next.deleted && next.expires.unwrap_or(never) < previous.expires.unwrap_or(never);
    let broken = if previous.deleted {
        Some("a deleted record stays deleted")
    } else if (next.creator, next.nonce) != (previous.creator, previous.nonce) {
        Some("another record")
    } else if next.record_type != previous.record_type || next.created != previous.created {
        Some("type and creation never change")
    } else if next.version != previous.version.saturating_add(1) {
        Some("an update is one version up")
    } else if next.hlc <= previous.hlc {
        Some("an update is written later")
    } else if shrinks {
        Some("an expiration does not shrink")
    } else {
        None
    };
    broken.map_or(Ok(()), |rule| Err(RejectReason::Rule(rule)))
}

/// Records that are ahead of time.
#[derive(Default, Debug)]
pub struct HoldQueue {
    records: BTreeMap<(Timestamp, RecordKey), SignedRecord>,
    keys: BTreeSet<RecordKey>,
    bytes: usize,
}

impl HoldQueue {
    /// Holds a record until then. False if it is held already or there is no room; reconciliation brings it again.
    pub fn hold(&mut self, record: SignedRecord, until: Timestamp) -> bool {
        let place = (until, record.key());
        let bytes = self.bytes.saturating_add(record.bytes().len());
        if self.records.len() >= MAX_HELD || bytes > MAX_HELD_BYTES || !self.keys.insert(record.key()) {
            return false;
        }
        self.bytes = bytes;
        self.records.insert(place, record);
        true
    }

    /// When the next record is due, in peer time.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.records.first_key_value().map(|((until, _), _)| *until)
    }

    /// Takes out what is due, to be admitted again.
    pub fn release(&mut self, now: Timestamp) -> Vec<SignedRecord> {
        let mut due = Vec::new();
        while let Some(first) = self.records.first_entry().filter(|first| first.key().0 <= now) {
            let record = first.remove();
            self.keys.remove(&record.key());
            self.bytes = self.bytes.saturating_sub(record.bytes().len());
            due.push(record);
        }
        due
    }

    /// True if this version is held.
    pub fn contains(&self, key: &RecordKey) -> bool {
        self.keys.contains(key)
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True if none are.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

#[cfg(test)]
mod tests;
