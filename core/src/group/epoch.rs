//! Epochs: the keys of a group whose bodies are encrypted, and the acts that carry them.
//!
//! An epoch is named by the hash of its key, so whoever opens a key knows that it is the one that everybody has. A new
//! epoch carries the keys before it encrypted under its own: one sealed key opens everything earlier, nothing later.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::{KeyRing, Membership};
use crate::{
    authority::{Content, Epoch, Sealed},
    crypto::{self, NONCE_LEN, OpenError, SecretKey},
    ids::{ActId, GraphId, PeerId},
    time::Timestamp,
};

/// Names an epoch: the hash of its key.
pub type EpochId = [u8; 32];

/// The key of an epoch; wiped when dropped.
pub type EpochKey = Zeroizing<[u8; KEY_LEN]>;

const KEY_LEN: usize = 32;
const SEALED: &[u8] = b"peergraph/v1/epoch key\0";
const OLDER: &[u8] = b"peergraph/v1/older epoch key\0";

/// The name of the epoch that has this key.
pub fn epoch_id(key: &EpochKey) -> EpochId {
    crypto::hash("peergraph v1 epoch", &[&**key])
}

/// Seals an epoch's key to a member. `seed`: 32 fresh random bytes. `None` if the identity is no key.
pub fn seal_epoch_key(graph: &GraphId, to: &PeerId, seed: [u8; 32], key: &EpochKey) -> Option<Vec<u8>> {
    crypto::seal_to(to, seed, &context(SEALED, graph, &epoch_id(key)), &**key)
}

/// Opens what [`seal_epoch_key`] made; `None` if it is not that epoch's key, whoever says so.
pub fn open_epoch_key(graph: &GraphId, by: &SecretKey, id: &EpochId, sealed: &[u8]) -> Option<EpochKey> {
    proven(id, &crypto::open_from(by, &context(SEALED, graph, id), sealed)?)
}

/// Encrypts an earlier epoch's key under a later one's.
pub fn seal_older_key(
    graph: &GraphId,
    under: &EpochKey,
    nonce: [u8; NONCE_LEN],
    older: &EpochKey,
) -> Vec<u8> {
    let context = context(OLDER, graph, &epoch_id(older));
    [&nonce[..], &crypto::seal_with_key(under, nonce, &context, &**older)].concat()
}

/// Opens what [`seal_older_key`] made; `None` if it is not that epoch's key.
pub fn open_older_key(graph: &GraphId, under: &EpochKey, id: &EpochId, sealed: &[u8]) -> Option<EpochKey> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let opened: Result<_, OpenError> =
        crypto::open_with_key(under, *nonce, &context(OLDER, graph, id), sealed);
    proven(id, &opened.ok()?)
}

fn proven(id: &EpochId, opened: &[u8]) -> Option<EpochKey> {
    let key = Zeroizing::new(<[u8; KEY_LEN]>::try_from(opened).ok()?);
    (epoch_id(&key) == *id).then_some(key)
}

fn context(domain: &[u8], graph: &GraphId, id: &EpochId) -> Vec<u8> {
    [domain, graph.as_bytes(), id].concat()
}

/// What the acts say of the group's epochs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Epochs {
    /// The current one, and when it began.
    pub current: Option<(EpochId, Timestamp)>,
    /// Those whose key no later one carries. One, unless several began without knowing of one another.
    pub heads: BTreeSet<EpochId>,
    /// Those whose key some other one carries.
    pub carried: BTreeSet<EpochId>,
    /// To whom the key of each was sealed.
    pub holders: BTreeMap<EpochId, BTreeSet<PeerId>>,
}

impl Membership {
    /// The epoch that bodies are encrypted in: the same on every node that has the same acts.
    pub fn current_epoch(&self) -> Option<EpochId> {
        let current = self.verdict.epochs().last()?;
        self.epoch(current).map(|epoch| epoch.key_id)
    }

    fn epoch(&self, id: &ActId) -> Option<&Epoch> {
        match &self.acts.get(id)?.content {
            Content::Epoch(epoch) => Some(epoch),
            _ => None,
        }
    }

    /// All epochs that were ever begun: what was written in one that counts no more is read all the same.
    fn epochs_begun(&self) -> impl Iterator<Item = &Epoch> {
        self.acts.acts().filter_map(|act| match &act.body().content {
            Content::Epoch(epoch) => Some(epoch),
            _ => None,
        })
    }

    /// Acts that give the key of an epoch, with the hash of that key.
    fn keys_given(&self) -> impl Iterator<Item = (ActId, EpochId, &Sealed)> {
        self.acts.acts().filter_map(|act| match &act.body().content {
            Content::Epoch(epoch) => Some((act.id(), epoch.key_id, &epoch.keys)),
            Content::EpochKeys { epoch, keys } => Some((act.id(), self.epoch(epoch)?.key_id, keys)),
            _ => None,
        })
    }

    /// Keys of epochs that were sealed to an identity: in which act, of which epoch, sealed.
    pub fn keys_for(&self, peer: PeerId) -> impl Iterator<Item = (ActId, EpochId, &[u8])> {
        self.keys_given().filter_map(move |(act, id, keys)| {
            let (_, sealed) = keys.iter().find(|(to, _)| *to == peer)?;
            Some((act, id, sealed.as_slice()))
        })
    }

    /// Keys that epochs carry: the later epoch, the earlier one, its key encrypted.
    pub fn carried_keys(&self) -> impl Iterator<Item = (&EpochId, &EpochId, &[u8])> {
        self.epochs_begun()
            .flat_map(|epoch| epoch.older.iter().map(|(id, sealed)| (&epoch.key_id, id, sealed.as_slice())))
    }

    /// The act that began an epoch: the first in the order of ids, if somebody repeats another's.
    pub fn act_of_epoch(&self, id: &EpochId) -> Option<ActId> {
        let counting =
            self.verdict.epochs().iter().filter(|act| self.epoch(act).is_some_and(|e| e.key_id == *id));
        counting.min().copied()
    }

    /// All that the acts that count say of epochs; what one claims to carry is held to the keys that are here.
    pub fn epochs(&self, ring: &KeyRing) -> Epochs {
        let mut epochs = Epochs::default();
        let counting = || self.verdict.epochs().iter().filter_map(|id| Some((id, self.epoch(id)?)));
        let current = counting().next_back();
        epochs.current = current.and_then(|(id, epoch)| Some((epoch.key_id, self.acts.get(id)?.at)));
        let carried = self.carried_keys().filter(|(later, id, sealed)| ring.may_carry(later, id, sealed));
        epochs.carried = carried.map(|(_, id, _)| *id).collect();
        for (act, id, keys) in self.keys_given() {
            if self.verdict.act(&act) == Some(None) {
                epochs.holders.entry(id).or_default().extend(keys.iter().map(|(peer, _)| *peer));
            }
        }
        let begun = counting().map(|(_, epoch)| epoch.key_id);
        epochs.heads = begun.filter(|id| !epochs.carried.contains(id)).collect();
        // Whatever others claim to carry: the current one is given to everybody.
        epochs.heads.extend(epochs.current.map(|(id, _)| id));
        epochs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAPH: GraphId = GraphId::from_bytes([3; 32]);
    /// A key sealed to an identity: one-time key, key, tag.
    const SEALED_LEN: usize = 32 + KEY_LEN + crypto::SEAL_OVERHEAD;
    /// A key under a later one: nonce, key, tag.
    const OLDER_LEN: usize = NONCE_LEN + KEY_LEN + crypto::SEAL_OVERHEAD;

    fn key(byte: u8) -> EpochKey {
        Zeroizing::new([byte; 32])
    }

    #[test]
    fn a_sealed_key_opens_for_its_member_in_its_group_and_epoch_alone() {
        let (ann, ben) = (SecretKey::from_bytes(&[1; 32]), SecretKey::from_bytes(&[2; 32]));
        let (epoch, id) = (key(7), epoch_id(&key(7)));
        let sealed = seal_epoch_key(&GRAPH, &ann.peer(), [5; 32], &epoch).unwrap();
        assert_eq!(sealed.len(), SEALED_LEN);
        assert_eq!(open_epoch_key(&GRAPH, &ann, &id, &sealed), Some(epoch));
        assert_eq!(open_epoch_key(&GRAPH, &ben, &id, &sealed), None);
        assert_eq!(open_epoch_key(&GraphId::from_bytes([4; 32]), &ann, &id, &sealed), None);
        assert_eq!(open_epoch_key(&GRAPH, &ann, &epoch_id(&key(8)), &sealed), None);
        // A key under another's name is none: nobody can give two members two keys of one epoch.
        let context = context(SEALED, &GRAPH, &id);
        let wrong = crypto::seal_to(&ann.peer(), [5; 32], &context, &[8; 32]).unwrap();
        assert_eq!(open_epoch_key(&GRAPH, &ann, &id, &wrong), None);
    }

    #[test]
    fn a_carried_key_opens_under_the_later_one_alone() {
        let (old, new) = (key(1), key(2));
        let sealed = seal_older_key(&GRAPH, &new, [9; NONCE_LEN], &old);
        assert_eq!(sealed.len(), OLDER_LEN);
        assert_eq!(open_older_key(&GRAPH, &new, &epoch_id(&old), &sealed), Some(old.clone()));
        assert_eq!(open_older_key(&GRAPH, &key(3), &epoch_id(&old), &sealed), None);
        assert_eq!(open_older_key(&GRAPH, &new, &epoch_id(&key(3)), &sealed), None);
        for at in 0..sealed.len() {
            assert_eq!(open_older_key(&GRAPH, &new, &epoch_id(&old), &sealed[..at]), None, "cut at {at}");
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(open_older_key(&GRAPH, &new, &epoch_id(&old), &altered), None, "byte {at}");
        }
    }
}
