//! Who is a member: the acts of a group that are here, and what they say.
//!
//! The facade of [`crate::authority`] for the engine: acts come in as records and are asked after by identity and time.
//! Everything here is a function of the *set* of acts, so that all nodes that have the same acts judge alike.

use std::collections::{BTreeMap, BTreeSet};

use super::CredentialFault;
use crate::{
    authority::{Act, ActBody, ActSet, Content, Credential, Fault, KeepChunk, Unfit, Verdict},
    ids::{ActId, PeerId},
    record::{Genesis, GroupRules, RecordKey, SignedRecord},
    time::Timestamp,
};

/// Membership of a group.
#[derive(Debug)]
pub struct Membership {
    pub(super) creator: PeerId,
    pub(super) rules: GroupRules,
    pub(super) acts: ActSet,
    pub(super) verdict: Verdict,
    /// The record of each act.
    keys: BTreeMap<ActId, RecordKey>,
    /// By chunk: the acts that name it.
    naming: BTreeMap<[u8; 32], Vec<ActId>>,
    /// The stored records of chunks.
    chunks: BTreeMap<RecordKey, ChunkOf>,
    /// Entered and not judged yet.
    fresh: Vec<ActId>,
    fresh_chunks: Vec<[u8; 32]>,
}

/// Whose list a chunk is of: what its record and the act have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ChunkOf {
    hash: [u8; 32],
    author: PeerId,
    by: Option<ActId>,
    at: Timestamp,
}

impl ChunkOf {
    fn new(hash: [u8; 32], record: &SignedRecord) -> Self {
        let header = record.header();
        let (by, at) = (header.grant.map(ActId::from_bytes), header.hlc.timestamp());
        Self { hash, author: header.creator, by, at }
    }
}

/// What a record of the credential type lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lack {
    /// It will never be taken in.
    Fault(CredentialFault),
    /// An act, or the act that names a chunk, must be here first.
    Missing([u8; 32]),
}

impl From<Unfit> for Lack {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Fault(fault) => Self::Fault(fault.into()),
            Unfit::Missing(act) => Self::Missing(*act.as_bytes()),
            Unfit::Crowded => Self::Fault(CredentialFault::Malformed),
        }
    }
}

/// What follows from acts that were taken in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Learnt {
    /// Identities whose records may count no more, or again.
    pub affected: BTreeSet<PeerId>,
    /// What records may have waited for.
    pub arrived: Vec<[u8; 32]>,
    /// Records of acts that gave way to others of their kind.
    pub displaced: Vec<RecordKey>,
    /// True if somebody left who had left before: then [`Membership::moments`] are to be kept.
    pub left_again: bool,
}

impl Membership {
    /// A group that has only its creator. `None` for a graph that is not a group.
    pub fn new(genesis: &Genesis) -> Option<Self> {
        let rules = genesis.rules.clone()?;
        let acts = ActSet::new(genesis.id(), genesis.creator, rules.max_chain);
        Some(Self {
            creator: genesis.creator,
            rules,
            verdict: Verdict::of(&acts),
            acts,
            keys: BTreeMap::new(),
            naming: BTreeMap::new(),
            chunks: BTreeMap::new(),
            fresh: Vec::new(),
            fresh_chunks: Vec::new(),
        })
    }

    /// The rules of the group.
    pub const fn rules(&self) -> &GroupRules {
        &self.rules
    }

    /// The group's creator.
    pub const fn creator(&self) -> PeerId {
        self.creator
    }

    /// The acts that are here.
    pub const fn acts(&self) -> &ActSet {
        &self.acts
    }

    /// What they say.
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// True if this act is here.
    pub fn has(&self, id: &ActId) -> bool {
        self.acts.contains(id)
    }

    /// Where the record of an act is stored.
    pub fn key_of(&self, id: &ActId) -> Option<RecordKey> {
        self.keys.get(id).copied()
    }

    /// Checks a record of the credential type whose signature is good: what never changes. Whether an act counts is another
    /// question.
    ///
    /// # Errors
    /// [`Lack`].
    pub fn vet(&self, record: &SignedRecord) -> Result<Credential, Lack> {
        let credential = Credential::of(record).map_err(|fault| Lack::Fault(fault.into()))?;
        match &credential {
            Credential::Act(act) => self.vet_act(act)?,
            Credential::Chunk(chunk) => {
                let hash = chunk.hash();
                if !self.fits(&ChunkOf::new(hash, record)) {
                    return Err(Lack::Missing(hash));
                }
            }
        }
        Ok(credential)
    }

    /// True if an act names this chunk and is not known to be void.
    fn fits(&self, chunk: &ChunkOf) -> bool {
        let naming = self.naming.get(&chunk.hash).into_iter().flatten();
        let mut acts = naming.filter_map(|id| Some((id, self.acts.get(id)?)));
        acts.any(|(id, act)| {
            (act.author, act.by, act.at) == (chunk.author, chunk.by, chunk.at)
                && self.verdict.act(id).flatten().is_none()
        })
    }

    fn vet_act(&self, act: &Act) -> Result<(), Lack> {
        if matches!(act.body().content, Content::Epoch(_) | Content::EpochKeys { .. })
            && !self.rules.encrypted_bodies
        {
            return Err(Lack::Fault(CredentialFault::Malformed));
        }
        Ok(self.acts.check(act)?)
    }

    /// Takes in a vetted record; [`judge`](Self::judge) once all are in.
    pub fn enter(&mut self, record: &SignedRecord) {
        match Credential::of(record) {
            Ok(Credential::Act(act)) => self.enter_act(act, record.key()),
            Ok(Credential::Chunk(chunk)) => self.enter_chunk(chunk, record),
            Err(_) => {}
        }
    }

    /// The same for a chunk and its record.
    pub fn enter_chunk(&mut self, chunk: KeepChunk, record: &SignedRecord) {
        let hash = chunk.hash();
        self.chunks.insert(record.key(), ChunkOf::new(hash, record));
        if self.acts.insert_chunk(chunk) {
            self.fresh_chunks.push(hash);
        }
    }

    fn enter_act(&mut self, act: Act, key: RecordKey) {
        self.keys.insert(act.id(), key);
        self.insert(act);
    }

    fn insert(&mut self, act: Act) {
        for id in self.acts.insert(act).accepted {
            for chunk in self.acts.get(&id).map_or(&[][..], ActBody::chunks) {
                self.naming.entry(*chunk).or_default().push(id);
            }
            self.fresh.push(id);
        }
    }

    /// Notes an act whose signature is good and which waits for an earlier one: that one is taken in though its author was
    /// removed.
    pub fn note_waiting(&mut self, record: &SignedRecord) {
        if let Some(act) = Act::of(record) {
            self.insert(act);
        }
    }

    /// The chunks that an act names and that are here.
    pub fn chunks_of(&self, act: &ActBody) -> Vec<KeepChunk> {
        act.chunks().iter().filter_map(|hash| self.acts.chunk(hash).cloned()).collect()
    }

    /// Judges anew after acts or chunks were entered.
    pub fn judge(&mut self) -> Learnt {
        let mut learnt = Learnt::default();
        let (fresh, chunks) = (std::mem::take(&mut self.fresh), std::mem::take(&mut self.fresh_chunks));
        if !fresh.is_empty() {
            learnt.affected = self.verdict.advance(&self.acts, &fresh);
            learnt.left_again = self.acts.has_left_again(&fresh);
            self.acts.next_moment();
            self.verdict.prune(&mut self.acts);
            learnt.displaced = self.drop_displaced();
        }
        for hash in &chunks {
            for id in self.naming.get(hash).into_iter().flatten() {
                learnt.affected.extend(self.ended_by(id));
                // Records wait for the act whose list is not complete.
                learnt.arrived.push(*id.as_bytes());
            }
        }
        for id in &fresh {
            learnt.arrived.push(*id.as_bytes());
            let chunks = self.acts.get(id).map_or(&[][..], ActBody::chunks);
            learnt.arrived.extend_from_slice(chunks);
        }
        learnt
    }

    fn ended_by<'a>(&'a self, act: &'a ActId) -> impl Iterator<Item = PeerId> + 'a {
        let ended = self.verdict.grants().filter(|(_, grant)| {
            grant.ended_by.contains(act) || grant.left.contains(act) || grant.undone_by == Some(*act)
        });
        ended.map(|(_, grant)| grant.subject)
    }

    /// Forgets acts that a bound keeps out, and chunks that no act names which counts; gives their records.
    fn drop_displaced(&mut self) -> Vec<RecordKey> {
        let gone = |id: &&ActId| !self.acts.contains(id);
        let gone: Vec<ActId> = self.keys.keys().filter(gone).copied().collect();
        for id in &gone {
            self.naming.values_mut().for_each(|acts| acts.retain(|other| other != id));
        }
        let unfit = |chunk: &ChunkOf| !self.fits(chunk);
        let chunks: Vec<RecordKey> =
            self.chunks.iter().filter(|(_, chunk)| unfit(chunk)).map(|(key, _)| *key).collect();
        self.chunks.retain(|key, _| !chunks.contains(key));
        gone.iter().filter_map(|id| self.keys.remove(id)).chain(chunks).collect()
    }

    /// Says in a new act how far acts stand under grants that were left, if it ends any. Removals are asked before leaves:
    /// what somebody who left has dated back must not come to count by this one.
    pub fn add_cuts(&self, content: &mut Content) {
        match content {
            Content::Remove(remove) => remove.keep.cuts = self.acts.cuts(remove.subject, remove.branch),
            Content::Grant(grant) => {
                if let Some(keep) = &mut grant.demotes {
                    keep.cuts = self.acts.cuts(grant.subject, false);
                }
            }
            _ => {}
        }
    }

    /// When the leave acts of those were heard who left again: to be kept, see [`remember`](Self::remember).
    pub fn moments(&self) -> Vec<(ActId, u64)> {
        self.acts.moments()
    }

    /// Says when leave acts were heard that are entered anew.
    pub fn remember(&mut self, moments: &[(ActId, u64)]) {
        self.acts.remember(moments);
    }

    /// The acts that a new one names as those that its author knew.
    pub fn heads_for(&self, author: PeerId, content: &Content) -> Vec<ActId> {
        let before = |identity, branch| self.verdict.heads_before(&self.acts, identity, branch);
        match content {
            Content::Remove(remove) => before(remove.subject, remove.branch),
            Content::Grant(grant) if grant.demotes.is_some() => before(grant.subject, false),
            Content::Leave(_) => before(author, false),
            _ => self.verdict.heads(&self.acts),
        }
    }

    /// Whether an act that this identity is about to sign would be accepted.
    ///
    /// # Errors
    /// [`CredentialFault`].
    pub fn may_sign(&self, act: &Act) -> Result<(), CredentialFault> {
        let body = act.body();
        let refuses_own = body.is_leaf() && matches!(body.content, Content::RevokeDevice { .. });
        if refuses_own && self.acts.refuses_no_more(body.author) {
            return Err(CredentialFault::TooManyRefusals);
        }
        match self.vet_act(act) {
            Ok(()) => Ok(()),
            Err(Lack::Fault(fault)) => Err(fault),
            Err(Lack::Missing(_)) => Err(CredentialFault::Malformed),
        }
    }

    /// When the latest act was signed that is not by this identity: it is not earlier now, whatever a clock shows.
    pub fn latest_word(&self, except: PeerId) -> Timestamp {
        let others = self.acts.acts().filter(|act| act.body().author != except);
        others.map(|act| act.body().at).max().unwrap_or_default()
    }
}

impl From<Fault> for CredentialFault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotYours => Self::NotAMember,
            Fault::OutsidePeriod => Self::OutsideMembership,
            Fault::Role | Fault::NotAdmitter | Fault::WrongProof => Self::Role,
            Fault::RoleTooHigh => Self::RoleTooHigh,
            Fault::OutlivesIssuer => Self::OutlivesIssuer,
            Fault::ChainTooLong => Self::ChainTooLong,
            Fault::Circular => Self::Circular,
            Fault::NotAllowed => Self::NotSenior,
            _ => Self::Malformed,
        }
    }
}
