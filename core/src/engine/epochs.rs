//! The keys of a group with encrypted bodies: learnt from acts, given to members, replaced when somebody is
//! removed.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    mem,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use rand::RngExt;
use zeroize::Zeroizing;

use super::{Engine, PublishError, spoiled::Spoiled};
use crate::{
    authority::{Act, Content, Epoch, Sealed},
    crypto,
    group::{
        Begun, CredentialFault, EpochId, EpochKey, KeyRing, KeysOf, Membership, NoKey, epoch_id,
        open_epoch_key, seal_epoch_key, seal_older_key,
    },
    ids::{ActId, PeerId},
    limits::{MAX_EPOCH_KEYS, MAX_OLDER_EPOCHS},
    record::{BodyState, Role, SignedRecord},
    records::StoreError,
    time::{Mono, Now, Timestamp},
};

/// What an engine knows of keys beside the acts.
#[derive(Debug, Default)]
pub(super) struct EpochState {
    pub(super) ring: Arc<KeyRing>,
    /// When a need is served that another node may serve before.
    due: Option<Mono>,
    /// How many members lacked a key when that was set.
    lacked: usize,
    /// True if members or keys may have changed.
    check: bool,
    /// True if it was this node that changed members: it serves at once.
    hasten: bool,
    /// Acts that came and were not looked at.
    unread: Vec<ActId>,
    /// Epochs that carry earlier keys.
    carrying: BTreeSet<ActId>,
    /// Of those, the ones whose own key is not here, by that.
    unopened: BTreeMap<EpochId, Vec<ActId>>,
    /// Epochs whose key those claim to carry, and which do.
    claimed: BTreeMap<EpochId, BTreeSet<ActId>>,
    /// Epochs whose key later ones carry, as far as that could be opened, and which. What could not is looked at once.
    carried: BTreeMap<EpochId, BTreeSet<ActId>>,
    /// Members to whom nothing can be sealed: their identities are no keys.
    pub(super) no_keys: BTreeSet<PeerId>,
    /// Keys that were sealed wrongly to this identity.
    pub(super) spoiled: Spoiled,
    /// The epoch whose key is being sealed to members, and what is not signed yet.
    sealing: Option<(ActId, Sealed)>,
}

/// What the group lacks.
enum Need {
    /// A new epoch, not before this has passed.
    Epoch(Duration),
    /// The key of this epoch for so many members who were not given it.
    Keys(Begun, usize),
}

impl EpochState {
    /// When something is due; `fails`: the database does, and what can wait waits.
    pub(super) fn next(&self, now: Mono, fails: bool) -> Option<Mono> {
        let serves = match (self.hasten, fails) {
            (true, _) => Some(now),
            (false, true) => None,
            (false, false) => self.sealing.as_ref().map(|_| now).or(self.due),
        };
        serves.into_iter().chain(self.spoiled.next()).min()
    }

    /// True if no act is to be looked at again, whatever comes.
    #[cfg(test)]
    pub(super) fn is_read(&self) -> bool {
        self.unread.is_empty() && self.unopened.is_empty() && self.claimed.is_empty()
    }

    /// Acts came.
    pub(super) fn arrived(&mut self, acts: impl IntoIterator<Item = ActId>) {
        self.unread.extend(acts);
    }

    /// All acts are to be looked at again.
    pub(super) fn read_again(&mut self, acts: Vec<ActId>) {
        self.unread = acts;
        self.carrying.clear();
        self.unopened.clear();
        self.claimed.clear();
        self.carried.clear();
    }
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

    /// Opens the keys that new acts hold for this identity, and those that these open.
    pub(super) fn learn_keys(&mut self) {
        if !self.group.members.as_ref().is_some_and(|members| members.rules().encrypted_bodies) {
            return self.group.epochs.unread.clear();
        }
        self.group.epochs.ring.enable(self.graph);
        if let Err(error) = self.recall_given_keys() {
            tracing::warn!(%error, "keys that neighbors gave cannot be read");
        }
        let state = &mut self.group.epochs;
        let Some(members) = &self.group.members else { return };
        if state.carrying.iter().any(|act| !members.has(act)) {
            state.read_again(members.acts_of_keys().collect());
        }
        for act in mem::take(&mut state.unread) {
            let Some(of) = members.keys_of(&act) else { continue };
            if !of.older.is_empty() && state.carrying.insert(act) {
                state.unopened.entry(of.id).or_default().push(act);
                state.claim(act, of);
            }
            if let Some(sealed) = of.sealed_to(self.device.peer).filter(|_| !state.ring.has(&of.id)) {
                match open_epoch_key(&self.graph, self.stamper.key(), &of.id, sealed) {
                    Some(key) => state.ring.add(key),
                    None => {
                        let by = members.acts().get(&act).map(|body| body.author.short());
                        tracing::warn!(?by, "a member sealed an invalid body key to this identity");
                        state.spoiled.note(of.id, act, members.verdict());
                    }
                }
            }
        }
        state.open_carried(members);
        state.ring.set_current(members.current_epoch().map(|epoch| epoch.id));
        state.check = true;
    }

    /// Begins an epoch, or gives keys to those who lack them, if the group needs that and this identity may.
    pub(super) fn maintain_epochs(&mut self, now: Now) -> Result<(), StoreError> {
        if !self.usable || self.leaving {
            let state = &mut self.group.epochs;
            (state.due, state.sealing, state.hasten) = (None, None, false);
            return Ok(());
        }
        let state = &mut self.group.epochs;
        if self.failing.due.is_some() && !state.hasten {
            return Ok(());
        }
        let (hasten, check) = (mem::take(&mut state.hasten), mem::take(&mut state.check));
        let (is_due, seals) = (state.due.is_some_and(|at| at <= now.mono), state.sealing.is_some());
        if !(hasten || check || is_due || seals) {
            return Ok(());
        }
        let need = self.epoch_need(now);
        let state = &mut self.group.epochs;
        let goes_on = |act: &ActId| matches!(&need, Some(Need::Keys(epoch, _)) if epoch.act == *act);
        state.sealing = state.sealing.take().filter(|(act, _)| goes_on(act));
        let Some(need) = need else {
            state.due = None;
            return Ok(());
        };
        if !hasten && !is_due && state.sealing.is_none() {
            // Not all who may at once: the first serves everybody.
            let (pause, lacked) = match need {
                Need::Epoch(pause) => (pause, 0),
                Need::Keys(_, lacking) => (Duration::ZERO, lacking),
            };
            let at = now.mono + pause + EPOCH_DELAY.mul_f64(0.5 + self.rng.random::<f64>());
            // Somebody is about it: it is waited for on.
            if lacked < mem::replace(&mut state.lacked, lacked) {
                state.due = None;
            }
            state.due.get_or_insert(at);
            return Ok(());
        }
        state.due = None;
        let served = match need {
            Need::Epoch(_) => self.begin_epoch(now),
            Need::Keys(epoch, _) => self.give_keys(now, &epoch),
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
        let (state, peer_now) = (&self.group.epochs, self.peer_time(now));
        let current = members.current_epoch();
        if own.role >= Role::Admin {
            let Some(epoch) = current.filter(|epoch| state.ring.has(&epoch.id)) else {
                return Some(Need::Epoch(LOST));
            };
            // A wrong clock takes members for expired.
            if members.key_got_out(Some(peer_now).filter(|_| !self.is_clock_off())) {
                return Some(Need::Epoch((epoch.at + EPOCH_PAUSE).since(peer_now)));
            }
        }
        // The current one is given to everybody, whatever others claim to carry. Of others, those whose key no later one
        // carries: several were begun without knowing of one another.
        let is_head = |epoch: &Begun| {
            current.is_some_and(|current| current.act == epoch.act)
                || !(current.is_some_and(|current| current.id == epoch.id)
                    || state.carries(&epoch.id, members)
                    || state.may_carry(&epoch.id, members))
        };
        let heads = members.epochs().rev().filter(|epoch| state.ring.has(&epoch.id) && is_head(epoch));
        heads
            .map(|epoch| Need::Keys(epoch, self.lacking(members, &epoch.act, peer_now).count()))
            .find(|need| matches!(need, Need::Keys(_, lacking) if *lacking > 0))
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
        let members = self.membership().ok_or(CredentialFault::NotAMember)?;
        members.may_sign(&draft)?;
        let me = self.device.peer;
        let others = members.members_at(peer_now).filter(|peer| *peer != me);
        // Its author first: it must not depend on what follows. The others get it with the next batches.
        let peers: Vec<PeerId> = [me].into_iter().chain(others).take(SEALED_AT_ONCE).collect();
        let key: EpochKey = self.fresh_secret();
        let id = epoch_id(&key);
        let mut older = Vec::new();
        let members = self.group.members.as_ref();
        // Those of withdrawn epochs as well: somebody may have written in them.
        for before in ring.epochs() {
            if older.len() == MAX_OLDER_EPOCHS {
                break;
            }
            // What others only claim to carry nobody may ever get.
            let carried = members.is_none_or(|members| self.group.epochs.carries(&before, members));
            if let Some(before_key) = ring.key(&before).filter(|_| !carried) {
                let nonce = self.rng.random();
                older.push((before, seal_older_key(&self.graph, &key, nonce, &before_key)));
            }
        }
        let more = peers.len() == SEALED_AT_ONCE;
        let keys = self.sealed_keys(&key, peers);
        ring.add(key);
        let record = self.issue(now, Content::Epoch(Epoch { key_id: id, keys, older }))?;
        self.group.epochs.sealing = Act::of(&record).filter(|_| more).map(|act| (act.id(), Vec::new()));
        tracing::debug!(graph = %self.graph.short(), "a new epoch begins");
        Ok(())
    }

    /// Seals the key of an epoch to the next members who lack it, and signs what was sealed when it fills an act or nobody
    /// lacks it any more. If that is cut off, somebody goes on who notices the lack.
    fn give_keys(&mut self, now: Now, epoch: &Begun) -> Result<(), PublishError> {
        let (_, mut sealed) = self.group.epochs.sealing.take().unwrap_or_else(|| (epoch.act, Vec::new()));
        let Some(key) = self.key_ring().key(&epoch.id) else { return Ok(()) };
        let members = self.membership().ok_or(CredentialFault::NotAMember)?;
        let lacking: BTreeSet<PeerId> = self.lacking(members, &epoch.act, self.peer_time(now)).collect();
        // Others may have been faster.
        sealed.retain(|(peer, _)| lacking.contains(peer));
        let done: BTreeSet<PeerId> = sealed.iter().map(|(peer, _)| *peer).collect();
        let left = lacking.len() - done.len();
        let next: Vec<PeerId> = lacking.difference(&done).copied().take(SEALED_AT_ONCE).collect();
        let all = next.len() == left;
        sealed.extend(self.sealed_keys(&key, next));
        let is_full = all || sealed.len() + SEALED_AT_ONCE > MAX_EPOCH_KEYS;
        if is_full && !sealed.is_empty() {
            let keys = mem::take(&mut sealed);
            self.issue(now, Content::EpochKeys { epoch: epoch.act, keys })?;
            // Another epoch may lack some as well.
            self.group.epochs.hasten = all;
        }
        self.group.epochs.sealing = (!all).then_some((epoch.act, sealed));
        Ok(())
    }

    /// Members who lack the key of an epoch, and to whom it can be sealed as far as is known.
    fn lacking<'a>(
        &'a self,
        members: &'a Membership,
        epoch: &ActId,
        peer_now: Timestamp,
    ) -> impl Iterator<Item = PeerId> + 'a {
        let no_keys = &self.group.epochs.no_keys;
        members.lacking(epoch, peer_now).filter(|peer| !no_keys.contains(peer))
    }

    fn sealed_keys(&mut self, key: &EpochKey, peers: Vec<PeerId>) -> Sealed {
        let mut all = Sealed::new();
        for peer in peers {
            let secret = self.fresh_secret();
            match seal_epoch_key(&self.graph, &peer, *secret, key) {
                Some(sealed) => all.push((peer, sealed)),
                None => drop(self.group.epochs.no_keys.insert(peer)),
            }
        }
        all
    }

    /// 32 bytes that nobody else can guess: the engine's own randomness has a short seed, the identity's key has not.
    pub(super) fn fresh_secret(&mut self) -> Zeroizing<[u8; 32]> {
        let random: [u8; 32] = self.rng.random();
        let secret = self.stamper.key().to_bytes();
        let parts: [&[u8]; 2] = [&*secret, &random];
        Zeroizing::new(crypto::hash("peergraph v1 fresh secret", &parts))
    }
}

impl EpochState {
    /// Opens what the epochs carry whose own key is here by now. A carried key may open others.
    fn open_carried(&mut self, members: &Membership) {
        loop {
            let open: Vec<EpochId> = self.unopened.keys().filter(|id| self.ring.has(id)).copied().collect();
            if open.is_empty() {
                return;
            }
            let acts: Vec<ActId> = open.iter().filter_map(|id| self.unopened.remove(id)).flatten().collect();
            for act in acts {
                let Some(of) = members.keys_of(&act) else { continue };
                self.unclaim(act, of);
                for (id, sealed) in of.older {
                    if let Some(key) = self.ring.open_older(&of.id, id, sealed) {
                        self.carried.entry(*id).or_default().insert(act);
                        self.ring.add(key);
                    }
                }
            }
        }
    }

    /// True if a later epoch that counts carries the key of this one. Others may come to nobody who joins.
    fn carries(&self, epoch: &EpochId, members: &Membership) -> bool {
        count(self.carried.get(epoch), members)
    }

    /// The same of those whose own key is not here yet.
    fn may_carry(&self, epoch: &EpochId, members: &Membership) -> bool {
        count(self.claimed.get(epoch), members)
    }

    fn claim(&mut self, act: ActId, of: KeysOf<'_>) {
        for (id, _) in of.older.iter().filter(|(id, _)| *id != of.id) {
            self.claimed.entry(*id).or_default().insert(act);
        }
    }

    fn unclaim(&mut self, act: ActId, of: KeysOf<'_>) {
        for (id, _) in of.older.iter().filter(|(id, _)| *id != of.id) {
            if let Entry::Occupied(mut claims) = self.claimed.entry(*id) {
                claims.get_mut().remove(&act);
                if claims.get().is_empty() {
                    claims.remove();
                }
            }
        }
    }
}

/// True if one of these acts counts.
fn count(acts: Option<&BTreeSet<ActId>>, members: &Membership) -> bool {
    acts.into_iter().flatten().any(|act| members.verdict().act(act) == Some(None))
}

/// Members to whom a key is sealed in one step: some milliseconds.
const SEALED_AT_ONCE: usize = 64;
/// How long others wait, ± 50 %, before they do what another node can do as well.
const EPOCH_DELAY: Duration = Duration::from_secs(4);
/// Shortest time between two epochs, unless this node removed somebody.
const EPOCH_PAUSE: Duration = Duration::from_secs(60);
/// How long a key that is missing altogether may be on its way.
const LOST: Duration = Duration::from_secs(60);
