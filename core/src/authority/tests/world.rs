//! A small world: identities, the acts they made, and what each of their nodes has heard. Pasts are bit masks, computed
//! from what acts name, apart from the code under test.

use std::{
    cell::OnceCell,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock},
};

use crate::{
    authority::{
        Act, ActBody, ActSet, Authorship, Content, Grant, InvitationUse, Invite, Keep, KeepChunk,
        RecordClaim, RecordVerdict, Remove, Verdict, Void, issuer_proof, use_message,
    },
    crypto::{Domain, SecretKey},
    ids::{ActId, ElementId, GraphId, NodeId, PeerId, RecordId},
    record::{GroupRules, RecordType, Role},
    time::Timestamp,
};

pub(super) const GRAPH: GraphId = GraphId::from_bytes([9; 32]);
pub(super) const MAX_CHAIN: u8 = 8;
/// Acts in one world: a mask has so many bits.
pub(super) const MOST: usize = 64;
pub(super) const NOON: u64 = 1_000_000;

/// The identity of a number; 0 is the creator.
pub(super) fn peer(number: usize) -> PeerId {
    keys()[number].peer()
}

/// The key of an invitation of a number.
pub(super) fn link_key(number: usize) -> &'static SecretKey {
    &keys()[IDENTITIES + number % LINKS]
}

pub(super) const IDENTITIES: usize = 40;
pub(super) const LINKS: usize = 4;

fn keys() -> &'static [SecretKey] {
    static KEYS: OnceLock<Vec<SecretKey>> = OnceLock::new();
    KEYS.get_or_init(|| (0..IDENTITIES + LINKS).map(|n| SecretKey::from_bytes(&[n as u8 + 1; 32])).collect())
}

/// Role, then nearness to the creator.
pub(super) type PlainRank = (Role, Reverse<u8>);

/// What an act and its past say.
#[derive(Clone, Debug)]
pub(super) struct Info {
    pub(super) act: Act,
    pub(super) past: u64,
    pub(super) height: u32,
    /// The grant it was made under; `None`: the creator's.
    pub(super) under: Option<usize>,
    pub(super) serves: Option<usize>,
    pub(super) rank: PlainRank,
    pub(super) sponsors: u64,
    /// The records that its list keeps.
    pub(super) listed: u64,
    /// Those that it keeps as made, whoever changed them.
    pub(super) made: u64,
}

/// A record, by a member that names a grant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) author: PeerId,
    /// The grant, or a renewal of it; `None`: the creator's.
    pub(super) by: Option<usize>,
    pub(super) at: Timestamp,
    /// The first version of the record, if this is another.
    pub(super) of: Option<usize>,
}

/// All acts that anybody made, and the nodes.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) infos: Vec<Info>,
    pub(super) places: BTreeMap<ActId, usize>,
    pub(super) records: Vec<Written>,
    pub(super) nodes: Vec<Node>,
    chunks: BTreeMap<[u8; 32], KeepChunk>,
}

/// A set of acts that hears them in any order: what lacks a parent waits.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    pub(super) set: ActSet,
    waiting: Vec<Act>,
}

impl Replica {
    pub(super) fn of(set: ActSet) -> Self {
        Self { set, waiting: Vec::new() }
    }

    /// Gives the acts that were accepted: this one, and those that waited for it.
    pub(super) fn hear(&mut self, act: Act) -> Vec<ActId> {
        let (mut accepted, mut next) = (Vec::new(), vec![act]);
        while let Some(act) = next.pop() {
            let inserted = self.set.insert(act.clone());
            if inserted.waits_for.is_some() && self.waiting.iter().all(|other| other.id() != act.id()) {
                self.waiting.push(act);
            } else if !inserted.accepted.is_empty() {
                accepted.extend(inserted.accepted);
                next.append(&mut self.waiting);
            }
        }
        accepted
    }
}

/// What one node has accepted.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) set: ActSet,
    /// Acts that lack a parent.
    waiting: Vec<usize>,
    pub(super) mask: u64,
    pub(super) order: Vec<usize>,
    /// The records that it has.
    pub(super) records: u64,
    /// What it says of its set.
    pub(super) judged: OnceCell<Arc<Verdict>>,
}

/// What an evaluator says of a set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct View {
    /// By number of the act.
    pub(super) void: Vec<Option<Void>>,
    /// Grants in force.
    pub(super) in_force: u64,
    /// Grants that a removal or demotion ended.
    pub(super) ended: u64,
    /// The password in force.
    pub(super) password: Option<ActId>,
    /// By number of the record: whether it counts.
    pub(super) records: Vec<bool>,
    /// The nodes that are refused, by identity.
    pub(super) devices: BTreeSet<(PeerId, NodeId)>,
    /// The current epoch, and whether somebody may have its key who is no member.
    pub(super) epoch: (Option<ActId>, bool),
    /// All that is said.
    pub(super) said: Said,
}

/// All that is said of a set, to hold against what is said of it elsewhere.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Said {
    #[default]
    Nothing,
    Verdict(Arc<Verdict>),
    Bytes(Vec<u8>),
}

pub(super) fn bits(mask: u64) -> impl Iterator<Item = usize> {
    (0..MOST).filter(move |at| mask >> at & 1 == 1)
}

impl World {
    pub(super) fn new(nodes: usize) -> Self {
        let node = Node {
            set: ActSet::new(GRAPH, peer(0), MAX_CHAIN),
            waiting: Vec::new(),
            mask: 0,
            order: Vec::new(),
            records: 0,
            judged: OnceCell::new(),
        };
        let nodes = vec![node; nodes];
        Self {
            infos: Vec::new(),
            places: BTreeMap::new(),
            records: Vec::new(),
            nodes,
            chunks: BTreeMap::new(),
        }
    }

    pub(super) fn body(&self, at: usize) -> &ActBody {
        self.infos[at].act.body()
    }

    pub(super) fn grant(&self, at: usize) -> Option<&Grant> {
        match &self.body(at).content {
            Content::Grant(grant) => Some(grant),
            _ => None,
        }
    }

    pub(super) fn subject(&self, at: usize) -> Option<PeerId> {
        self.grant(at).map(|grant| grant.subject)
    }

    pub(super) fn rank(&self, grant: Option<usize>) -> PlainRank {
        grant.map_or((Role::Owner, Reverse(0)), |at| self.infos[at].rank)
    }

    /// The grant of whoever gave a grant: by an invitation, of its issuer.
    pub(super) fn word_of(&self, grant: usize) -> Option<usize> {
        let info = &self.infos[grant];
        info.serves.map_or(info.under, |invite| self.infos[invite].under)
    }

    pub(super) fn id(&self, at: usize) -> ActId {
        self.infos[at].act.id()
    }

    pub(super) fn is_before(&self, earlier: usize, later: usize) -> bool {
        self.infos[later].past >> earlier & 1 == 1
    }

    /// Makes an act at a node. `None` if it is refused there, or the world is full.
    pub(super) fn make(&mut self, node: usize, body: ActBody) -> Option<usize> {
        if self.infos.len() == MOST {
            return None;
        }
        let act = Act::unsigned(body);
        if self.places.contains_key(&act.id()) {
            return None;
        }
        let accepted = self.nodes[node].set.insert(act.clone()).accepted;
        if accepted != [act.id()] {
            return None;
        }
        let at = self.infos.len();
        let info = self.info(act);
        self.places.insert(info.act.id(), at);
        self.infos.push(info);
        self.note(node, at);
        Some(at)
    }

    fn info(&self, act: Act) -> Info {
        let body = act.body();
        let parents: Vec<usize> = body.parents().map(|id| self.places[id]).collect();
        let past = parents.iter().fold(0, |past, at| past | 1 << at | self.infos[*at].past);
        let height = parents.iter().map(|at| self.infos[*at].height + 1).max().unwrap_or(0);
        let named = body.by.map(|id| self.places[&id]);
        let under = named.map(|at| self.grant(at).map_or_else(|| self.infos[at].serves.unwrap(), |_| at));
        let serves = match &body.content {
            Content::Grant(Grant { admission: Some(used), .. }) => Some(self.places[&used.invite]),
            Content::RevokeInvite(id)
            | Content::Renew { grant: id, .. }
            | Content::PassOn { password: id, .. }
            | Content::EpochKeys { epoch: id, .. }
            | Content::RestoreDevice(id) => Some(self.places[id]),
            _ => None,
        };
        let (mut rank, mut sponsors) = ((Role::Reader, Reverse(0)), 0);
        if let Content::Grant(grant) = &body.content {
            let sponsor = serves.map_or(under, |invite| self.infos[invite].under);
            let levels = [under, sponsor].map(|grant| self.rank(grant).1.0);
            rank = (grant.role, Reverse(levels[0].max(levels[1]) + 1));
            sponsors = sponsor.map_or(0, |at| self.infos[at].sponsors | 1 << at);
            sponsors |= under.map_or(0, |at| 1 << at);
        }
        let chunks = body.content.keep().into_iter().flat_map(|keep| &keep.chunks);
        let keys = chunks.filter_map(|hash| self.chunks.get(hash)).flat_map(KeepChunk::keys);
        let (mut listed, mut made) = (0, 0);
        keys.for_each(|key| {
            let list = if key[0] & MADE == 0 { &mut listed } else { &mut made };
            *list |= 1 << (key[0] & !MADE);
        });
        Info { past, height, under, serves, rank, sponsors, listed, made, act }
    }

    /// Brings an act to a node; true if anything was accepted.
    pub(super) fn deliver(&mut self, node: usize, at: usize) -> bool {
        if self.nodes[node].mask >> at & 1 == 1 {
            return false;
        }
        let (mut next, mut any) = (vec![at], false);
        while let Some(at) = next.pop() {
            let inserted = self.nodes[node].set.insert(self.infos[at].act.clone());
            if inserted.waits_for.is_some() {
                self.nodes[node].waiting.push(at);
            } else if !inserted.accepted.is_empty() {
                any = true;
                self.note(node, at);
                next.append(&mut self.nodes[node].waiting);
            }
        }
        any
    }

    fn note(&mut self, node: usize, at: usize) {
        let node = &mut self.nodes[node];
        node.judged.take();
        node.mask |= 1 << at;
        node.set.next_moment();
        node.order.push(at);
        let wanted: Vec<[u8; 32]> = node.set.wanted_chunks().copied().collect();
        wanted.iter().filter_map(|hash| self.chunks.get(hash)).for_each(|chunk| {
            node.set.insert_chunk(chunk.clone());
        });
    }

    /// What a node keeps of a member: a list of the records that it has, and how far acts stand under grants that were left.
    pub(super) fn list(&mut self, node: usize, of: PeerId, branch: bool) -> Keep {
        let known = || bits(self.nodes[node].records);
        let kept = known().filter(|at| self.records[*at].author == of);
        let first = |at: usize| self.records[at].of.unwrap_or(at);
        let made = known().map(first).filter(|at| self.records[*at].author == of);
        let (keep, chunks) = Keep::list(kept.map(element), made.map(record_id));
        self.chunks.extend(chunks.into_iter().map(|chunk| (chunk.hash(), chunk)));
        Keep { cuts: self.nodes[node].set.cuts(of, branch), ..keep }
    }

    /// Writes a record at a node.
    pub(super) fn write(&mut self, node: usize, written: Written) -> bool {
        let at = self.records.len();
        if at == MOST {
            return false;
        }
        self.records.push(written);
        self.nodes[node].records |= 1 << at;
        true
    }

    fn record_counts(&self, verdict: &Verdict, node: usize, at: usize) -> bool {
        let wrote = |at: usize| {
            let Written { author, by, at, .. } = self.records[at];
            Authorship { author, grant: by.map(|by| self.id(by)), at }
        };
        let of = self.records[at].of;
        let claim = RecordClaim {
            record: record_id(of.unwrap_or(at)),
            element: element(at),
            record_type: note(),
            version: wrote(at),
            made: of.map(wrote),
        };
        verdict.record(&self.nodes[node].set, &GroupRules::default(), &claim) == RecordVerdict::Counts
    }

    /// What a node says of its set.
    pub(super) fn judged(&self, node: usize) -> &Arc<Verdict> {
        let node = &self.nodes[node];
        node.judged.get_or_init(|| Arc::new(Verdict::of(&node.set)))
    }

    /// True if a grant is in force by a verdict.
    pub(super) fn is_in_force(&self, verdict: &Verdict, at: usize) -> bool {
        verdict
            .grant(&self.id(at))
            .is_some_and(|grant| grant.void.is_none() && grant.left.is_empty() && grant.ended_by.is_empty())
    }

    pub(super) fn verdict(&self, node: usize) -> View {
        let verdict = self.judged(node);
        let void = |info: &Info| verdict.act(&info.act.id()).flatten();
        let in_force = |at: &usize| self.is_in_force(verdict, *at);
        let ended = |at: &usize| verdict.grant(&self.id(*at)).is_some_and(|grant| !grant.ended_by.is_empty());
        View {
            void: self.infos.iter().map(void).collect(),
            in_force: (0..self.infos.len()).filter(in_force).fold(0, |mask, at| mask | 1 << at),
            ended: (0..self.infos.len()).filter(ended).fold(0, |mask, at| mask | 1 << at),
            password: verdict.password().copied(),
            records: (0..self.records.len()).map(|at| self.record_counts(verdict, node, at)).collect(),
            devices: verdict.devices.clone(),
            epoch: (verdict.epochs().last().copied(), verdict.epoch_is_stale()),
            said: Said::Verdict(verdict.clone()),
        }
    }

    /// The grants and renewals of an identity that a node has.
    pub(super) fn names_of(&self, node: usize, who: PeerId) -> Vec<usize> {
        let grant = |at: usize| {
            if self.grant(at).is_some() {
                Some(at)
            } else {
                self.infos[at].serves.filter(|s| self.grant(*s).is_some())
            }
        };
        let is_name = |at: usize| {
            matches!(self.body(at).content, Content::Grant(_) | Content::Renew { .. })
                && grant(at).and_then(|grant| self.subject(grant)) == Some(who)
        };
        bits(self.nodes[node].mask).filter(|at| is_name(*at)).collect()
    }

    pub(super) fn ids(&self, acts: impl IntoIterator<Item = usize>) -> Vec<ActId> {
        let mut ids: Vec<ActId> = acts.into_iter().map(|at| self.id(at)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

fn element(number: usize) -> ElementId {
    ElementId::from_bytes([number as u8; 16])
}

/// A record, by the number of its first version.
fn record_id(number: usize) -> RecordId {
    RecordId::from_bytes([number as u8 | MADE; 16])
}

/// Tells names of records from those of versions.
const MADE: u8 = 0x80;

fn note() -> &'static RecordType {
    static NOTE: OnceLock<RecordType> = OnceLock::new();
    NOTE.get_or_init(|| RecordType::new("note").unwrap())
}

pub(super) fn grant_of(subject: PeerId, role: Role, depth: u8) -> Grant {
    Grant {
        subject,
        name: String::new(),
        role,
        not_before: Timestamp(0),
        not_after: None,
        depth,
        renew: false,
        admission: None,
        demotes: None,
        despite: Vec::new(),
    }
}

pub(super) fn removal_of(subject: PeerId) -> Remove {
    Remove { subject, reason: String::new(), keep: Keep::default(), branch: false, undo: false }
}

pub(super) fn invite_by(link: usize, role: Role, uses: u32) -> Invite {
    let not_after = Timestamp(NOON * 1000);
    let (key, admitters) = (link_key(link).peer(), Vec::new());
    Invite { key, role, uses, not_after, lifetime_ms: None, admitters, proof: UNPROVEN }
}

const UNPROVEN: [u8; 64] = [0; 64];

/// An invitation of the keys here with the proof that is left out in it.
pub(in crate::authority) fn proven(mut body: ActBody) -> ActBody {
    static PROOFS: Mutex<BTreeMap<(PeerId, PeerId), [u8; 64]>> = Mutex::new(BTreeMap::new());
    if let Content::Invite(offer) = &mut body.content
        && offer.proof == UNPROVEN
        && let Some(key) = (0..LINKS).map(link_key).find(|key| key.peer() == offer.key)
    {
        let mut proofs = PROOFS.lock().unwrap();
        let proof = proofs.entry((offer.key, body.author));
        offer.proof = *proof.or_insert_with(|| issuer_proof(key, &GRAPH, &body.author));
    }
    body
}

/// The proof of a joiner that holds a link's key.
pub(super) fn use_of(link: usize, invite: ActId, subject: PeerId) -> InvitationUse {
    let message = use_message(&invite, &subject);
    InvitationUse { invite, proof: link_key(link).sign(Domain::InvitationUse, GRAPH.as_bytes(), &message) }
}
