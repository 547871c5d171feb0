//! Keys that somebody sealed wrongly to this identity. The acts say that it has them, so nobody gives them again; instead it
//! asks its neighbors, one after the other. Who answers seals to it, and what it opens proves itself by the epoch's name,
//! so nobody has to be believed. It is kept as it came, for it is in no act.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::Engine;
use crate::{
    authority::Verdict as GroupVerdict,
    group::{EpochId, KeyRing, open_epoch_key, seal_epoch_key},
    ids::{ActId, LinkId, PeerId},
    limits::{KEY_ANSWER_PAUSE, KEY_ASK_PAUSE, KEY_ASK_ROUND, MAX_WANTED_KEYS},
    records::StoreError,
    time::{Mono, Now},
    wire::GivenKey,
};

const META_GIVEN: &str = "given keys";

/// What is asked for and what came.
#[derive(Debug, Default)]
pub(super) struct Spoiled {
    /// Epochs of which a key that was sealed to this identity does not open, and the act that has it.
    wanted: BTreeMap<EpochId, ActId>,
    /// What neighbors gave instead, sealed to this identity; `None`: not read from the database yet.
    given: Option<BTreeMap<EpochId, Bytes>>,
    /// Neighbors that were asked in this round.
    asked: BTreeSet<LinkId>,
    /// When the next one is asked.
    due: Option<Mono>,
    /// When neighbors that asked were answered.
    answered: BTreeMap<LinkId, Mono>,
}

impl Spoiled {
    /// When something is due.
    pub(super) const fn next(&self) -> Option<Mono> {
        self.due
    }

    /// A key that an act has does not open. Of acts that do not count nothing is wanted: there may be many.
    pub(super) fn note(&mut self, id: EpochId, act: ActId, verdict: &GroupVerdict) {
        if !counts(verdict, &act) {
            return;
        }
        self.wanted.retain(|_, act| counts(verdict, act));
        if self.wanted.len() < MAX_WANTED_KEYS && self.wanted.insert(id, act).is_none() {
            self.asked.clear();
            self.due = Some(Mono(0));
        }
    }

    /// A neighbor came: it may know more.
    pub(super) fn neighbor_came(&mut self) {
        if !self.wanted.is_empty() {
            self.due = Some(Mono(0));
        }
    }

    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.asked.remove(&link);
        self.answered.remove(&link);
    }

    /// What is still wanted.
    fn still_wanted(&mut self, ring: &KeyRing) -> Vec<EpochId> {
        self.wanted.retain(|id, _| !ring.has(id));
        self.wanted.keys().copied().collect()
    }
}

fn counts(verdict: &GroupVerdict, act: &ActId) -> bool {
    verdict.act(act).is_some_and(|void| void.is_none())
}

impl Engine {
    /// Takes in what neighbors gave before the last start.
    pub(super) fn recall_given_keys(&mut self) -> Result<(), StoreError> {
        if self.group.epochs.spoiled.given.is_some() {
            return Ok(());
        }
        let kept = self.store.meta(META_GIVEN)?.unwrap_or_default();
        let given: BTreeMap<EpochId, Bytes> = postcard::from_bytes(&kept).unwrap_or_default();
        for (id, sealed) in &given {
            self.open_given(id, sealed);
        }
        self.group.epochs.spoiled.given = Some(given);
        Ok(())
    }

    fn open_given(&self, id: &EpochId, sealed: &[u8]) -> bool {
        let opened = open_epoch_key(&self.graph, self.stamper.key(), id, sealed);
        let is_good = opened.is_some();
        opened.into_iter().for_each(|key| self.group.epochs.ring.add(key));
        is_good
    }

    /// Asks the next neighbor, if it is time.
    pub(super) fn ask_for_keys(&mut self, now: Now) {
        let state = &mut self.group.epochs.spoiled;
        if state.due.is_none_or(|at| at > now.mono) {
            return;
        }
        let wanted = state.still_wanted(&self.group.epochs.ring);
        if wanted.is_empty() || self.leaving {
            (state.due, state.asked) = (None, BTreeSet::new());
            return;
        }
        let next = self.overlay.neighbor_links().into_iter().find(|link| !state.asked.contains(link));
        state.due = Some(now.mono + if next.is_some() { KEY_ASK_PAUSE } else { KEY_ASK_ROUND });
        match next {
            Some(link) => {
                state.asked.insert(link);
                self.overlay.want_keys(link, wanted);
            }
            None => state.asked.clear(),
        }
    }

    /// A neighbor asks for keys.
    pub(super) fn on_keys_wanted(&mut self, now: Now, link: LinkId, wanted: &[EpochId]) {
        let Some((_, peer)) = self.links.get(&link).copied() else { return };
        let answered = &mut self.group.epochs.spoiled.answered;
        if answered.get(&link).is_some_and(|at| now.mono.since(*at) < KEY_ANSWER_PAUSE) {
            return;
        }
        answered.insert(link, now.mono);
        let keys = self.keys_for(now, peer, wanted);
        if !keys.is_empty() {
            self.overlay.give_keys(link, keys);
        }
    }

    /// Keys for a member to whom the acts say they were given. Nobody else: when the current one has to be replaced is judged by what
    /// acts say of who has it. Who has that has all earlier ones.
    pub(super) fn keys_for(&mut self, now: Now, peer: PeerId, wanted: &[EpochId]) -> Vec<GivenKey> {
        let peer_now = self.peer_time(now);
        let Some(members) = self.group.members.as_ref().filter(|m| m.rules().encrypted_bodies) else {
            return Vec::new();
        };
        let current = members.current_epoch();
        let has_current = members.verdict().epoch_holders().contains(&peer);
        if !members.is_member(peer, peer_now) {
            return Vec::new();
        }
        let may = |id: &EpochId| has_current || current.is_none_or(|current| current.id != *id);
        let ring = self.key_ring().clone();
        let found = wanted.iter().filter(|id| may(id)).filter_map(|id| Some((*id, ring.key(id)?)));
        let found = Vec::from_iter(found);
        let mut keys = Vec::with_capacity(found.len());
        for (epoch, key) in found {
            let seed = *self.fresh_secret();
            let sealed = seal_epoch_key(&self.graph, &peer, seed, &key);
            keys.extend(sealed.map(|sealed| GivenKey { epoch, sealed: sealed.into() }));
        }
        keys
    }

    /// A neighbor gives what it was asked for. What does not open is nothing.
    pub(super) fn on_keys_given(&mut self, given: Vec<GivenKey>) {
        let mut came = false;
        for GivenKey { epoch, sealed } in given {
            let state = &self.group.epochs;
            if !state.spoiled.wanted.contains_key(&epoch)
                || state.ring.has(&epoch)
                || !self.open_given(&epoch, &sealed)
            {
                continue;
            }
            let kept = self.group.epochs.spoiled.given.get_or_insert_default();
            if kept.len() >= MAX_WANTED_KEYS {
                kept.pop_first();
            }
            kept.insert(epoch, sealed);
            came = true;
        }
        if !came {
            return;
        }
        // What it opens in turn.
        self.learn_keys();
        let kept = postcard::to_stdvec(&self.group.epochs.spoiled.given.clone().unwrap_or_default());
        if let Err(error) = self.keep_meta(META_GIVEN, &kept.expect("keys always encode")) {
            tracing::warn!(%error, "a key that a neighbor gave was not kept; it is asked for again after a start");
        }
    }
}

#[cfg(test)]
#[path = "spoiled_tests.rs"]
mod tests;
