//! The keys of a group with encrypted bodies: learnt from acts, given to members, replaced when somebody is
//! removed.

use std::{collections::BTreeSet, mem, sync::Arc, time::Duration};

use bytes::Bytes;
use rand::RngExt;
use zeroize::Zeroizing;

use super::{Engine, PublishError};
use crate::{
    authority::{Act, Content, Epoch, Sealed},
    crypto,
    group::{
        CredentialFault, EpochId, EpochKey, KeyRing, NoKey, epoch_id, open_epoch_key, seal_epoch_key,
        seal_older_key,
    },
    ids::{ActId, PeerId},
    limits::{MAX_EPOCH_KEYS, MAX_OLDER_EPOCHS},
    record::{BodyState, Role, SignedRecord},
    records::StoreError,
    time::{Mono, Now},
};

/// What an engine knows of keys beside the credentials.
#[derive(Debug, Default)]
pub(super) struct EpochState {
    pub(super) ring: Arc<KeyRing>,
    /// When a need is served that another node may serve before.
    pub(super) due: Option<Mono>,
    /// True if members or keys may have changed.
    check: bool,
    /// True if it was this node that changed members: it serves at once.
    hasten: bool,
    /// Sealed to this identity, and not what they say.
    worthless: BTreeSet<ActId>,
}

/// What the group lacks.
enum Need {
    /// A new epoch, not before this has passed.
    Epoch(Duration),
    /// Keys for members who were not given them.
    Keys(Vec<(EpochId, Vec<PeerId>)>),
}

impl Engine {
    /// The keys that bodies are read and written with.
    pub const fn key_ring(&self) -> &Arc<KeyRing> {
        &self.group.epochs.ring
    }

    /// The body of a version, to be written again.
    pub(super) fn readable_body(&self, old: &SignedRecord) -> Result<Bytes, PublishError> {
        let record = self.key_ring().open(old.to_record());
        match record.body_state {
            BodyState::Clear => Ok(record.body),
            BodyState::KeyMissing => Err(NoKey.into()),
            BodyState::Unreadable => Err(PublishError::Unreadable(record.id)),
        }
    }

    /// Serves what is lacking with this batch: who changed members does not wait for others.
    pub(super) const fn hasten_epochs(&mut self) {
        self.group.epochs.hasten = true;
    }

    /// Begins the epoch that a removal before this wants: what is written after it is not for the removed.
    pub(super) fn settle_epoch(&mut self, now: Now) -> Result<(), StoreError> {
        if self.group.epochs.hasten { self.maintain_epochs(now) } else { Ok(()) }
    }

    /// Opens the keys that credentials hold for this identity, and those that these open.
    pub(super) fn learn_keys(&mut self) {
        let Some(members) = self.group.members.as_ref().filter(|m| m.rules().encrypted_bodies) else {
            return;
        };
        let state = &mut self.group.epochs;
        let ring = &state.ring;
        ring.enable(self.graph);
        for (act, id, sealed) in members.keys_for(self.device.peer) {
            if ring.has(&id) || state.worthless.contains(&act) {
                continue;
            }
            match open_epoch_key(&self.graph, self.stamper.key(), &id, sealed) {
                Some(key) => ring.add(key),
                None => {
                    tracing::warn!("a member sealed an invalid body key to this identity");
                    state.worthless.insert(act);
                }
            }
        }
        // A carried key may carry others.
        let mut learnt = true;
        while mem::take(&mut learnt) {
            for (later, id, sealed) in members.carried_keys() {
                learnt |= ring.add_older(later, id, sealed);
            }
        }
        ring.set_current(members.current_epoch());
        state.check = true;
    }

    /// Begins an epoch, or gives keys to those who lack them, if the group needs that and this identity may.
    pub(super) fn maintain_epochs(&mut self, now: Now) -> Result<(), StoreError> {
        if !self.usable || self.leaving {
            self.group.epochs.due = None;
            return Ok(());
        }
        let state = &mut self.group.epochs;
        let (hasten, check) = (mem::take(&mut state.hasten), mem::take(&mut state.check));
        let is_due = state.due.is_some_and(|at| at <= now.mono);
        if !(hasten || check || is_due) {
            return Ok(());
        }
        let Some(need) = self.epoch_need(now) else {
            self.group.epochs.due = None;
            return Ok(());
        };
        if !hasten && !is_due {
            // Not all who may at once: the first serves everybody.
            let pause = match need {
                Need::Epoch(pause) => pause,
                Need::Keys(_) => Duration::ZERO,
            };
            let at = now.mono + pause + EPOCH_DELAY.mul_f64(0.5 + self.rng.random::<f64>());
            self.group.epochs.due.get_or_insert(at);
            return Ok(());
        }
        self.group.epochs.due = None;
        let served = match need {
            Need::Epoch(_) => self.begin_epoch(now),
            Need::Keys(lacking) => self.give_keys(now, lacking),
        };
        match served {
            Err(PublishError::Store(error)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the keys of the group could not be passed on");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn epoch_need(&self, now: Now) -> Option<Need> {
        let members = self.group.members.as_ref().filter(|m| m.rules().encrypted_bodies)?;
        let own = self.group.own.as_ref().filter(|own| own.role >= Role::Inviter)?;
        let (ring, peer_now) = (self.key_ring(), self.peer_time(now));
        let epochs = members.epochs(ring);
        let peers: BTreeSet<PeerId> = members.list(peer_now).into_iter().map(|(peer, _)| peer).collect();
        if own.role >= Role::Admin {
            let Some((id, began)) = &epochs.current else { return Some(Need::Epoch(LOST)) };
            if !ring.has(id) {
                return Some(Need::Epoch(LOST));
            }
            let left = epochs.holders.get(id).is_some_and(|holders| !holders.is_subset(&peers));
            // The author of an epoch has its key, listed or not.
            if left || members.verdict().epoch_is_stale() {
                return Some(Need::Epoch((*began + EPOCH_PAUSE).since(peer_now)));
            }
        }
        let lacks = |id: &EpochId| {
            let holders = epochs.holders.get(id);
            let lacking = peers.iter().filter(|peer| !holders.is_some_and(|holders| holders.contains(*peer)));
            lacking.filter(|peer| crypto::is_key(peer)).copied().collect::<Vec<_>>()
        };
        let heads = epochs.heads.iter().filter(|id| ring.has(id));
        let lacking: Vec<_> =
            heads.map(|id| (*id, lacks(id))).filter(|(_, peers)| !peers.is_empty()).collect();
        (!lacking.is_empty()).then_some(Need::Keys(lacking))
    }

    /// Encrypts bodies under a new key from now on, which those who are members now get. For when a key may have got
    /// out; removals do it by themselves. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// As [`issue`](Engine::issue); [`CredentialFault::Malformed`] in a group that does not encrypt bodies.
    pub fn begin_epoch(&mut self, now: Now) -> Result<(), PublishError> {
        self.check_standing()?;
        let peer_now = self.peer_time(now);
        let ring = self.key_ring().clone();
        let empty = Epoch { key_id: [0; 32], keys: Vec::new(), older: Vec::new() };
        let draft = self.draft(now, Content::Epoch(empty))?;
        let members = self.group.members.as_ref().ok_or(CredentialFault::NotAMember)?;
        members.may_sign(&draft)?;
        let carried = members.epochs(&ring).carried;
        let peers: Vec<PeerId> = members.list(peer_now).into_iter().map(|(peer, _)| peer).collect();
        let key: EpochKey = self.fresh_secret();
        let id = epoch_id(&key);
        let mut older = Vec::new();
        // Those of withdrawn epochs as well: somebody may have written in them.
        for before in ring.epochs().into_iter().filter(|before| !carried.contains(before)) {
            let Some(before_key) = ring.key(&before).filter(|_| older.len() < MAX_OLDER_EPOCHS) else {
                continue;
            };
            let nonce = self.rng.random();
            older.push((before, seal_older_key(&self.graph, &key, nonce, &before_key)));
        }
        let mut keys = self.sealed_keys(&key, &peers);
        ring.add(key);
        let more = keys.split_off(keys.len().min(MAX_EPOCH_KEYS));
        let record = self.issue(now, Content::Epoch(Epoch { key_id: id, keys, older }))?;
        if let Some(act) = Act::of(&record) {
            self.issue_keys(now, act.id(), &more)?;
        }
        tracing::debug!(graph = %self.graph.short(), members = peers.len(), "a new epoch begins");
        Ok(())
    }

    fn give_keys(&mut self, now: Now, lacking: Vec<(EpochId, Vec<PeerId>)>) -> Result<(), PublishError> {
        for (id, peers) in lacking {
            let Some(key) = self.key_ring().key(&id) else { continue };
            let keys = self.sealed_keys(&key, &peers);
            let Some(epoch) = self.membership().and_then(|members| members.act_of_epoch(&id)) else {
                continue;
            };
            self.issue_keys(now, epoch, &keys)?;
        }
        Ok(())
    }

    fn issue_keys(&mut self, now: Now, epoch: ActId, keys: &Sealed) -> Result<(), PublishError> {
        for part in keys.chunks(MAX_EPOCH_KEYS) {
            self.issue(now, Content::EpochKeys { epoch, keys: part.to_vec() })?;
        }
        Ok(())
    }

    fn sealed_keys(&mut self, key: &EpochKey, peers: &[PeerId]) -> Sealed {
        let graph = self.graph;
        let sealed = peers
            .iter()
            .filter_map(|peer| Some((*peer, seal_epoch_key(&graph, peer, *self.fresh_secret(), key)?)));
        sealed.collect()
    }

    /// 32 bytes that nobody else can guess: the engine's own randomness has a short seed, the identity's key has not.
    pub(super) fn fresh_secret(&mut self) -> Zeroizing<[u8; 32]> {
        let random: [u8; 32] = self.rng.random();
        let secret = self.stamper.key().to_bytes();
        let parts: [&[u8]; 2] = [&*secret, &random];
        Zeroizing::new(crypto::hash("peergraph v1 fresh secret", &parts))
    }
}

/// How long others wait, ± 50 %, before they do what another node can do as well.
const EPOCH_DELAY: Duration = Duration::from_secs(4);
/// Shortest time between two epochs, unless this node removed somebody.
const EPOCH_PAUSE: Duration = Duration::from_secs(60);
/// How long a key that is missing altogether may be on its way.
const LOST: Duration = Duration::from_secs(60);
