//! Who is a member: the acts of a group that are here, and what they say.
//!
//! The facade of [`crate::authority`] for the engine: acts come in as records and are asked after by identity and time.
//! Everything here is a function of the *set* of acts, so that all nodes that have the same acts judge alike.

use std::collections::{BTreeMap, BTreeSet};

use super::{Again, CredentialFault, lists::ChunkOf};
use crate::{
    authority::{
        Act, ActBody, ActSet, Charged, Content, Credential, Fault, HeardLeaves, Moved, Unfit, Verdict,
    },
    ids::{ActId, PeerId},
    record::{Genesis, GroupRules, RecordKey, Role, SignedRecord},
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
    pub(super) naming: BTreeMap<[u8; 32], Vec<ActId>>,
    /// The stored records of chunks: one of each, however often its author signed it.
    pub(super) chunks: BTreeMap<ChunkOf, RecordKey>,
    /// Those of them whose list is not heard.
    pub(super) unheard: BTreeSet<ChunkOf>,
    /// The least role of those who make records.
    pub(super) least: Role,
    /// Entered and not judged yet.
    pub(super) fresh: Vec<ActId>,
    pub(super) fresh_chunks: Vec<ChunkOf>,
    /// Chunks of which a record was forgotten.
    pub(super) loose: BTreeSet<[u8; 32]>,
    since: Charged,
    /// Acts that are taken in though nobody needed them before.
    needed: BTreeSet<ActId>,
    /// Records that gave way since then.
    pub(super) displaced: Vec<RecordKey>,
    /// The latest times of two authors' acts.
    words: [(Timestamp, Option<PeerId>); 2],
}

/// What a record of the credential type lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lack {
    /// It will never be taken in.
    Fault(CredentialFault),
    /// An act, or the act that names a chunk, must be here first.
    Missing([u8; 32]),
    /// It would be idle, and enough such acts are here: taken in only if an act of somebody else needs it.
    Crowded,
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
    /// Records of acts that gave way to others of their kind: a bound keeps them out.
    pub displaced: Vec<RecordKey>,
    /// True if somebody left who had left before: then [`Membership::heard_leaves`] is to be kept.
    pub left_again: bool,
    /// Records of acts and chunks that nobody needs now: neither offered nor compared.
    pub withheld: Vec<RecordKey>,
    /// Those that are needed again.
    pub released: Vec<RecordKey>,
    /// What changed for acts that were set aside.
    pub again: Again,
}

impl Learnt {
    pub(super) fn moved(&mut self, key: RecordKey, withheld: bool) {
        if withheld { self.withheld.push(key) } else { self.released.push(key) }
    }
}

impl Membership {
    /// A group that has only its creator. `None` for a graph that is not a group.
    pub fn new(genesis: &Genesis) -> Option<Self> {
        let rules = genesis.rules.clone()?;
        let acts = ActSet::new(genesis.id(), genesis.creator, rules.max_chain);
        let least = rules.types.iter().map(|rule| rule.publish).fold(Role::Member, Role::min);
        Some(Self {
            creator: genesis.creator,
            rules,
            verdict: Verdict::of(&acts),
            acts,
            keys: BTreeMap::new(),
            naming: BTreeMap::new(),
            chunks: BTreeMap::new(),
            unheard: BTreeSet::new(),
            least,
            fresh: Vec::new(),
            fresh_chunks: Vec::new(),
            loose: BTreeSet::new(),
            since: Charged::default(),
            needed: BTreeSet::new(),
            displaced: Vec::new(),
            words: Default::default(),
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

    fn vet_act(&self, act: &Act) -> Result<(), Lack> {
        if matches!(act.body().content, Content::Epoch(_) | Content::EpochKeys { .. })
            && !self.rules.encrypted_bodies
        {
            return Err(Lack::Fault(CredentialFault::Malformed));
        }
        if !self.acts.contains(&act.id()) {
            self.acts.check(act)?;
        }
        if self.is_crowded(act, &self.since) { Err(Lack::Crowded) } else { Ok(()) }
    }

    /// What is [crowded](Lack::Crowded), of acts whose past is here.
    fn is_crowded(&self, act: &Act, since: &Charged) -> bool {
        if self.acts.contains(&act.id()) {
            // Of one that nobody needs, no other signature is taken in.
            return self.verdict.is_idle(&self.acts, &act.id());
        }
        !self.needed.contains(&act.id()) && self.verdict.is_crowded(&self.acts, act, since)
    }

    /// Tells of acts that were set aside, one after another, which of them can be taken in together.
    pub fn fitting(&self) -> impl FnMut(&Act) -> bool {
        let mut taken = Charged::default();
        move |act| {
            let fits = !self.is_crowded(act, &taken);
            if let Some(charge) = self.verdict.charge(&self.acts, act.body()).filter(|_| fits) {
                taken.add(charge);
            }
            fits
        }
    }

    /// True if nothing that an identity was given ever counted on this node: such identities cost nothing to invent.
    pub fn is_stranger(&self, identity: &PeerId) -> bool {
        !self.verdict.ever_counted(&self.acts, identity)
    }

    /// Acts that others need, which wait for them: they are taken in, however many such acts are here.
    pub fn need(&mut self, acts: BTreeSet<ActId>) {
        self.needed = acts;
    }

    /// Those, to be changed.
    pub fn take_needs(&mut self) -> BTreeSet<ActId> {
        std::mem::take(&mut self.needed)
    }

    /// More of them.
    pub fn need_too(&mut self, acts: Vec<ActId>) {
        self.needed.extend(acts);
    }

    /// True if what an act names is needed for its sake.
    pub fn needs_past(&self, act: &Act) -> bool {
        self.verdict.needs_past(&self.acts, act)
    }

    /// Takes in a vetted record; [`judge`](Self::judge) once all are in.
    pub fn enter(&mut self, record: &SignedRecord) {
        match Credential::of(record) {
            Ok(Credential::Act(act)) => self.enter_act(act, record.key()),
            Ok(Credential::Chunk(chunk)) => self.enter_chunk(chunk, record),
            Err(_) => {}
        }
    }

    fn enter_act(&mut self, act: Act, key: RecordKey) {
        let (id, author, at) = (act.id(), act.body().author, act.body().at);
        let charge = self.verdict.charge(&self.acts, act.body());
        let chunks = act.body().chunks().to_vec();
        let inserted = self.acts.insert(act);
        if self.acts.contains(&id) {
            self.keys.insert(id, key);
        }
        if let Some(act) = inserted.gave_way {
            self.forget(&act);
        }
        if inserted.accepted.is_empty() {
            return;
        }
        if let Some(charge) = charge {
            self.since.add(charge);
        }
        for chunk in chunks {
            self.naming.entry(chunk).or_default().push(id);
        }
        self.fresh.push(id);
        self.note_word(author, at);
    }

    /// Forgets an act that a bound keeps out, and chunks that are of no other list.
    fn forget(&mut self, act: &Act) {
        self.displaced.extend(self.keys.remove(&act.id()));
        self.forget_chunks(act);
    }

    fn note_word(&mut self, author: PeerId, at: Timestamp) {
        let [first, second] = &mut self.words;
        if first.1 == Some(author) {
            first.0 = first.0.max(at);
        } else if first.1.is_none() || at > first.0 {
            *second = std::mem::replace(first, (at, Some(author)));
        } else if second.1 == Some(author) {
            second.0 = second.0.max(at);
        } else if second.1.is_none() || at > second.0 {
            *second = (at, Some(author));
        }
    }

    /// Judges anew after acts or chunks were entered.
    pub fn judge(&mut self) -> Learnt {
        let (fresh, chunks) = (std::mem::take(&mut self.fresh), std::mem::take(&mut self.fresh_chunks));
        let mut learnt = Learnt { displaced: std::mem::take(&mut self.displaced), ..Learnt::default() };
        self.since = Charged::default();
        let mut moved = Moved::default();
        if !fresh.is_empty() {
            learnt.affected = self.verdict.advance(&self.acts, &fresh);
            learnt.left_again = self.acts.has_left_again(&fresh);
            self.acts.next_moment();
            moved = self.verdict.moved();
            for (id, idle) in &moved.acts {
                if let Some(key) = self.keys.get(id) {
                    learnt.moved(*key, *idle);
                }
            }
        }
        self.settle_chunks(&moved, (&fresh, &chunks), &mut learnt);
        learnt.again = self.again(&moved, &fresh, &learnt.affected);
        learnt.arrived.extend(fresh.iter().map(|id| *id.as_bytes()));
        for id in &fresh {
            let chunks = self.acts.get(id).map_or(&[][..], ActBody::chunks);
            learnt.arrived.extend_from_slice(chunks);
        }
        learnt
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
    pub fn heard_leaves(&self) -> HeardLeaves {
        self.acts.heard_leaves()
    }

    /// Says when leave acts were heard that are entered anew.
    pub fn remember(&mut self, heard: HeardLeaves) {
        self.acts.remember(heard);
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
            Err(Lack::Missing(_) | Lack::Crowded) => Err(CredentialFault::Malformed),
        }
    }

    /// When the latest act was signed that is not by this identity: it is not earlier now, whatever a clock shows.
    pub fn latest_word(&self, except: PeerId) -> Timestamp {
        let [first, second] = self.words;
        if first.1 == Some(except) { second.0 } else { first.0 }
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
