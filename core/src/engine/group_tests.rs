//! Random histories of a group over real engines without links: databases are merged by hand, in random parts and
//! order, as partitions would.

use std::{collections::BTreeSet, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{Engine, EngineParts, Removal, ingest::Candidate};
use crate::{
    authority::{Act, ActBody, Content, Grant, InvitationUse, Invite, Remove, issuer_proof, use_message},
    crypto::{Domain, SecretKey},
    events::Hub,
    graph::OverlayConfig,
    group::CredentialFault,
    ids::{ActId, ElementId, GraphId, PeerId},
    limits::DEFAULT_TOMBSTONE_LIFETIME,
    record::{Genesis, GraphProperties, GroupRules, RecordDraft, RecordKey, RecordType, Role, SignedRecord},
    records::{Durability, MemoryStore, OpenPolicy, Store, Verdict},
    time::{Mono, Now, Timestamp},
    wire::Filter,
};

const START: Timestamp = Timestamp(1_790_000_000_000);

/// A group of a few engines, each an identity's only node.
pub(super) struct Village {
    pub(super) rng: StdRng,
    pub(super) engines: Vec<Engine>,
    pub(super) keys: Vec<SecretKey>,
    pub(super) genesis: Genesis,
    seconds: u64,
}

impl Village {
    pub(super) fn new(seed: u64, count: usize) -> Self {
        Self::with_rules(seed, count, GroupRules::default())
    }

    pub(super) fn with_rules(seed: u64, count: usize, rules: GroupRules) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let keys: Vec<SecretKey> = (0..count).map(|_| SecretKey::from_bytes(&rng.random())).collect();
        let genesis = Genesis { rules: Some(rules), ..Genesis::new(keys[0].peer(), rng.random()) };
        let mut village = Self { rng, engines: Vec::new(), keys, genesis, seconds: 0 };
        for number in 0..count {
            let engine = village.engine(number);
            village.engines.push(engine);
        }
        let now = village.now();
        village.engines[0].found(now, &GraphProperties::default()).unwrap();
        village
    }

    fn engine(&mut self, number: usize) -> Engine {
        let store = Box::new(MemoryStore::new(self.graph(), 1));
        self.engine_on(number, store)
    }

    /// Starts an engine anew on the database it had, on another node.
    pub(super) fn restart(&mut self, number: usize) {
        let empty = self.engine(number);
        let store = std::mem::replace(&mut self.engines[number], empty).into_store();
        self.engines[number] = self.engine_on(number, store);
    }

    pub(super) fn engine_on(&mut self, number: usize, store: Box<dyn Store>) -> Engine {
        let graph = self.graph();
        let parts = EngineParts {
            graph,
            genesis: Some(self.genesis.clone()),
            identity: self.keys[number].clone(),
            node: SecretKey::from_bytes(&self.rng.random()),
            store,
            policy: Box::new(OpenPolicy),
            hub: Hub::new(),
            overlay: OverlayConfig::default(),
            precedence: Vec::new(),
            durability: Durability::Relaxed,
            tombstone_lifetime: DEFAULT_TOMBSTONE_LIFETIME,
            parallel: false,
            seed: self.rng.random(),
        };
        let mut engine = Engine::new(parts, self.now()).unwrap();
        // Reconciliation is what merging stands for here.
        engine.usable = true;
        engine
    }

    pub(super) fn graph(&self) -> GraphId {
        self.genesis.id()
    }

    pub(super) fn peer(&self, number: usize) -> PeerId {
        self.keys[number].peer()
    }

    pub(super) fn now(&self) -> Now {
        let since = Duration::from_secs(self.seconds);
        Now { mono: Mono(0) + since, wall: START + since }
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.seconds += seconds;
    }

    /// Something one engine does, and what follows.
    pub(super) fn act<T>(&mut self, number: usize, act: impl FnOnce(&mut Engine, Now) -> T) -> T {
        let now = self.now();
        let engine = &mut self.engines[number];
        let result = act(engine, now);
        engine.flush(now).unwrap();
        result
    }

    pub(super) fn records(&self, number: usize) -> Vec<SignedRecord> {
        let (all, _) =
            self.engines[number].store.envelopes(&Filter::All, RecordKey::MIN, None, usize::MAX).unwrap();
        all.into_iter().map(|bytes| SignedRecord::decode_stored(&self.graph(), bytes).unwrap()).collect()
    }

    /// Hands records to an engine in random order and in random parts.
    pub(super) fn give(&mut self, to: usize, mut records: Vec<SignedRecord>) {
        records.shuffle(&mut self.rng);
        while !records.is_empty() {
            let part = self.rng.random_range(1..=records.len());
            let now = self.now();
            let engine = &mut self.engines[to];
            for record in records.drain(..part) {
                if !engine.store.contains(&record.key()).unwrap() {
                    engine.incoming.push(Candidate::held(record));
                }
            }
            engine.flush(now).unwrap();
        }
    }

    /// Makes one engine know what another knows.
    pub(super) fn copy(&mut self, from: usize, to: usize) {
        let records = self.records(from);
        self.give(to, records);
    }

    /// Merges all with all until nothing changes any more.
    pub(super) fn converge(&mut self, seed: u64) {
        for _ in 0..20 {
            let before: Vec<_> = self.engines.iter().map(Engine::fingerprint).collect();
            for from in 0..self.engines.len() {
                for to in 0..self.engines.len() {
                    if from != to {
                        self.copy(from, to);
                    }
                }
            }
            let after: Vec<_> = self.engines.iter().map(Engine::fingerprint).collect();
            if before == after && after.windows(2).all(|pair| pair[0] == pair[1]) {
                return;
            }
        }
        for number in 0..self.engines.len() {
            for record in self.records(number) {
                let missing: Vec<usize> = (0..self.engines.len())
                    .filter(|other| !self.engines[*other].store.contains(&record.key()).unwrap())
                    .collect();
                if !missing.is_empty() {
                    let verdicts: Vec<Verdict> =
                        missing.iter().map(|at| self.engines[*at].policy().check(&record, None)).collect();
                    let (header, what) = (record.header(), Act::of(&record));
                    eprintln!("{number} has {header:?} {what:?}, {missing:?} say {verdicts:?}");
                }
            }
        }
        panic!("seed {seed}: {:?}", self.engines.iter().map(Engine::fingerprint).collect::<Vec<_>>());
    }

    pub(super) fn publish(&mut self, number: usize, text: &str) -> Option<SignedRecord> {
        let draft = RecordDraft::new("test.note", text.to_owned()).unwrap();
        let record = self.act(number, |engine, now| engine.publish(now, draft)).ok()?;
        self.engines[number].store.get(&record.id).unwrap()
    }

    /// An act that somebody signs, by its newest grant, whatever its own node would say.
    pub(super) fn sign(&self, who: usize, after: Vec<ActId>, content: Content) -> SignedRecord {
        let now = self.now();
        let engine = &self.engines[who];
        let (by, at) = (engine.group.own_grant().map(ActId::from_bytes), engine.peer_time(now));
        self.sign_as(who, ActBody { author: self.peer(who), by, after, at, content })
    }

    /// An act as given, signed by somebody's key.
    pub(super) fn sign_as(&self, who: usize, body: ActBody) -> SignedRecord {
        let (header, content) = Act::draft(body).to_record();
        SignedRecord::sign(&self.graph(), &self.keys[who], header, &content)
    }

    /// The acts that an engine would name.
    pub(super) fn heads(&self, number: usize) -> Vec<ActId> {
        self.engines[number].membership().unwrap().acts().heads()
    }

    pub(super) fn role(&self, at: usize, of: usize) -> Option<Role> {
        let now = self.engines[at].peer_time(self.now());
        self.engines[at].membership().unwrap().role(self.peer(of), now)
    }

    pub(super) fn grant(&mut self, by: usize, to: usize, role: Role) -> bool {
        let peer = self.peer(to);
        self.act(by, |engine, now| engine.grant(now, peer, "", role, None)).is_ok()
    }
}

/// One random act of a random member.
fn something_happens(village: &mut Village, step: usize) {
    let count = village.engines.len();
    let (who, whom) = (village.rng.random_range(0..count), village.rng.random_range(0..count));
    let role = Role::ALL[village.rng.random_range(0..5)];
    let peer = village.peer(whom);
    let removal = Removal {
        keep_records: village.rng.random_bool(0.7),
        with_branch: village.rng.random_bool(0.3),
        undo: false,
    };
    // Most of these are refused, for most have no right to: that is part of the history.
    match village.rng.random_range(0..12) {
        0..=3 => drop(village.grant(who, whom, role)),
        4..=6 => drop(village.publish(who, &format!("{step}"))),
        7 => drop(village.act(who, |engine, now| engine.remove(now, peer, "", removal))),
        8 => drop(village.act(who, |engine, now| engine.set_role(now, peer, role))),
        9 if who != 0 => drop(village.act(who, |engine, now| engine.resign(now))),
        _ => village.copy(who, whom),
    }
    village.pass(1);
}

#[test]
fn s12_random_histories_converge_and_the_root_stays() {
    for seed in 0..1000 {
        let mut village = Village::new(seed, 5);
        for to in 1..5 {
            // Everybody begins with something, one on another's word.
            village.grant(to / 3, to, [Role::Admin, Role::Inviter, Role::Member, Role::Admin][to - 1]);
            village.copy(to / 3, to);
            village.copy(0, to);
        }
        for step in 0..25 {
            something_happens(&mut village, step);
        }
        village.converge(seed);
        check_rest(&village, seed);
    }
}

/// What must hold once all know the same.
fn check_rest(village: &Village, seed: u64) {
    let now = village.engines[0].peer_time(village.now());
    let members = village.engines[0].membership().unwrap();
    let root = members.member(village.peer(0), now).unwrap();
    assert_eq!((root.role, root.grant), (Role::Owner, None), "seed {seed}: the root");
    for record in village.records(0) {
        let verdict = village.engines[0].policy().check(&record, None);
        assert_eq!(verdict, Verdict::Accept, "seed {seed}: {record:?}");
    }
    for number in 1..village.engines.len() {
        let here = village.engines[number].membership().unwrap();
        for key in &village.keys {
            assert_eq!(
                here.member(key.peer(), now).map(|s| (s.role, s.grant)),
                members.member(key.peer(), now).map(|s| (s.role, s.grant)),
                "seed {seed}: what {number} thinks of {}",
                key.peer().short()
            );
        }
    }
}

#[test]
fn s11_back_dated_records_of_the_removed_are_live_nowhere() {
    let mut village = Village::new(7, 3);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Member));
    village.converge(7);
    let kept = village.publish(1, "before").unwrap();
    village.copy(1, 0);
    // The owner removes her; she does not know yet, or does not care, and dates records back.
    let peer = village.peer(1);
    village.act(0, |engine, now| engine.remove(now, peer, "", Removal::default())).unwrap();
    let mut forged = Vec::new();
    for number in 0..10_000u32 {
        let now = village.now();
        let engine = &mut village.engines[1];
        let wall = Timestamp(START.0 + u64::from(number % 1000));
        let draft = RecordDraft::new("test.note", number.to_le_bytes().to_vec()).unwrap();
        let nonce = engine.rng.random();
        let stamped = engine.stamper().stamp(wall, nonce, draft).unwrap();
        let id = engine.publish_stamped(now, stamped).unwrap().id;
        forged.push(engine.current(&id).unwrap().unwrap());
        if number % 1000 == 0 {
            engine.flush(now).unwrap();
        }
    }
    // One hears of the records first, the other of the removal.
    village.give(2, forged.clone());
    village.converge(7);
    village.give(0, forged.clone());
    for number in 0..3 {
        let live: BTreeSet<ElementId> = village.records(number).iter().map(|r| r.key().element).collect();
        assert!(forged.iter().all(|record| !live.contains(&record.key().element)), "live at {number}");
        assert!(live.contains(&kept.key().element), "what was known good stays");
    }
}

/// An invitation by the creator.
fn invite(village: &mut Village, uses: u32) -> (SecretKey, ActId) {
    let key = SecretKey::from_bytes(&village.rng.random());
    let not_after = village.engines[0].peer_time(village.now()) + Duration::from_secs(1000);
    let (public, role, lifetime_ms, admitters) = (key.peer(), Role::Member, None, Vec::new());
    let proof = issuer_proof(&key, &village.graph(), &village.peer(0));
    let invite = Invite { key: public, role, uses, not_after, lifetime_ms, admitters, proof };
    village.act(0, |engine, now| engine.issue(now, Content::Invite(invite))).unwrap();
    let id = village.engines[0].membership().unwrap().invite_ids(public)[0];
    (key, id)
}

/// What an admitter signs for a joiner that holds the key of an invitation.
fn use_of((key, invite): &(SecretKey, ActId), graph: GraphId, subject: PeerId) -> Content {
    let proof = key.sign(Domain::InvitationUse, graph.as_bytes(), &use_message(invite, &subject));
    let admission = Some(InvitationUse { invite: *invite, proof });
    Content::Grant(Grant { admission, ..plain_grant(subject, Role::Member) })
}

pub(super) fn plain_grant(subject: PeerId, role: Role) -> Grant {
    Grant {
        subject,
        name: String::new(),
        role,
        not_before: START,
        not_after: None,
        depth: 0,
        renew: false,
        admission: None,
        demotes: None,
        despite: Vec::new(),
    }
}

#[test]
fn s27_two_parts_let_one_in_each_and_the_guest_of_the_senior_stays() {
    for seed in 0..20 {
        let mut village = Village::new(seed, 4);
        assert!(village.grant(0, 1, Role::Inviter));
        let link = invite(&mut village, 1);
        village.copy(0, 1);
        village.pass(1);
        // Both admit by the same key, out of touch with one another.
        for (admitter, joiner) in [(1, 3), (0, 2)] {
            let content = use_of(&link, village.graph(), village.peer(joiner));
            village.act(admitter, |engine, now| engine.issue(now, content)).unwrap();
            village.copy(admitter, joiner);
            village.pass(1);
            assert!(village.publish(joiner, "in").is_some());
        }
        village.converge(seed);
        assert_eq!((village.role(3, 3), village.role(3, 2)), (None, Some(Role::Member)), "seed {seed}");
        let authors: BTreeSet<PeerId> = notes(&village, 0).iter().map(|r| r.header().author()).collect();
        assert_eq!(authors, BTreeSet::from([village.peer(2)]));
    }
}

#[test]
fn c7_one_let_in_by_two_has_used_up_one_place() {
    for seed in 0..20 {
        let mut village = Village::new(seed, 4);
        assert!(village.grant(0, 1, Role::Inviter));
        let link = invite(&mut village, 2);
        village.copy(0, 1);
        village.pass(1);
        // The first answer was lost, and the second admitter has not heard of it; then somebody else comes.
        for (admitter, joiner) in [(1, 3), (0, 3), (0, 2)] {
            let content = use_of(&link, village.graph(), village.peer(joiner));
            village.act(admitter, |engine, now| engine.issue(now, content)).unwrap();
            village.pass(1);
        }
        village.converge(seed);
        let now = village.engines[0].peer_time(village.now());
        for number in 0..4 {
            for joiner in [3, 2] {
                assert!(village.role(number, joiner).is_some(), "seed {seed}: two came, two have a place");
            }
            let members = village.engines[number].membership().unwrap();
            assert!(members.open_invites(now).is_empty(), "and no third one");
        }
    }
}

fn notes(village: &Village, number: usize) -> Vec<SignedRecord> {
    let mut all = village.records(number);
    all.retain(|record| !record.header().record_type.is_reserved());
    all
}

#[test]
fn m19_records_before_their_credential_wait_and_then_appear() {
    let mut village = Village::new(3, 3);
    assert!(village.grant(0, 1, Role::Member));
    village.copy(0, 1);
    let note = village.publish(1, "early").unwrap();
    village.give(2, vec![note.clone()]);
    assert!(notes(&village, 2).is_empty() && village.engines[2].deferred.len() == 1, "invisible until then");
    village.copy(0, 2);
    assert_eq!(notes(&village, 2), [note]);
    assert!(village.engines[2].deferred.is_empty());
}

#[test]
fn m6_chains_are_bounded_and_never_go_in_a_circle() {
    let mut village = Village::new(4, 11);
    for number in 1..=9 {
        let granted = village.grant(number - 1, number, Role::Inviter);
        assert_eq!(granted, number <= 8, "grant {number} of a chain of eight");
        if granted {
            village.copy(number - 1, number);
        }
    }
    let (root, first) = (village.peer(0), village.peer(1));
    for peer in [root, first] {
        let result = village.act(2, |engine, now| engine.grant(now, peer, "", Role::Member, None));
        let text = result.unwrap_err().to_string();
        assert!(text.contains(CredentialFault::Circular.text()), "{text}");
    }
    let too_long = village.act(8, |engine, now| engine.grant(now, root, "", Role::Member, None));
    assert!(too_long.unwrap_err().to_string().contains(CredentialFault::ChainTooLong.text()));
}

#[test]
fn s9_no_role_of_any_depth_gives_more_than_it_has() {
    for chain in 0..5usize.pow(3) {
        let roles: Vec<Role> = (0..3).map(|at| Role::ALL[chain / 5usize.pow(at) % 5]).collect();
        let mut village = Village::new(chain as u64, 5);
        let mut holds = Some(Role::Owner);
        for (at, role) in roles.iter().enumerate() {
            let granted = village.grant(at, at + 1, *role);
            assert_eq!(granted, holds.is_some_and(|issuer| issuer.may_grant(*role)), "{roles:?} at {at}");
            holds = granted.then_some(*role);
            village.copy(at, at + 1);
        }
        for role in Role::ALL {
            let granted = village.grant(3, 4, role);
            assert_eq!(granted, holds.is_some_and(|issuer| issuer.may_grant(role)), "{roles:?} then {role}");
        }
    }
}

#[test]
fn s1_mutated_credentials_are_never_accepted() {
    let mut village = Village::new(5, 4);
    assert!(village.grant(0, 1, Role::Admin));
    village.copy(0, 1);
    assert!(village.grant(1, 2, Role::Member));
    village.copy(1, 2);
    let chain: Vec<SignedRecord> = village
        .records(2)
        .into_iter()
        .filter(|record| record.header().record_type == RecordType::CREDENTIAL)
        .collect();
    assert_eq!(chain.len(), 2);
    let mut accepted = 0;
    for _ in 0..1000 {
        let at = village.rng.random_range(0..chain.len());
        let mut bytes = chain[at].bytes().to_vec();
        let byte = village.rng.random_range(0..bytes.len());
        bytes[byte] ^= 1 << village.rng.random_range(0..8);
        let Ok(mutant) = SignedRecord::decode(&village.graph(), bytes.into(), 1 << 20) else { continue };
        let before = village.engines[3].fingerprint().count;
        let mut given: Vec<_> = chain.clone();
        given[at] = mutant.clone();
        given.truncate(at + 1);
        village.give(3, given);
        let stored = village.engines[3].store.contains(&mutant.key()).unwrap();
        accepted += usize::from(stored);
        assert!(village.engines[3].fingerprint().count >= before);
    }
    assert_eq!(accepted, 0);
}

#[test]
fn a_junior_cannot_remove_a_senior() {
    let mut village = Village::new(6, 4);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Admin));
    village.converge(6);
    let (root, other) = (village.peer(0), village.peer(2));
    for peer in [root, other] {
        let refused = village.act(1, |engine, now| engine.remove(now, peer, "", Removal::default()));
        assert!(
            refused.unwrap_err().to_string().contains("senior"),
            "admins of one rank leave each other alone"
        );
    }
    // Nor does a removal count that was signed all the same.
    let (subject, reason, keep) = (other, String::new(), Default::default());
    let forged = Content::Remove(Remove { subject, reason, keep, branch: false, undo: false });
    let heads = village.heads(1);
    let record = village.sign(1, heads, forged);
    village.give(0, vec![record.clone()]);
    assert!(village.engines[0].store.contains(&record.key()).unwrap(), "void acts stay");
    assert_eq!(village.role(0, 2), Some(Role::Admin));
}
