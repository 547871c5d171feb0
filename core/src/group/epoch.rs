//! Epochs: the keys of a group whose bodies are encrypted, and the acts that carry them.
//!
//! An epoch is named by the hash of its key, so whoever opens a key knows that it is the one that everybody has. A new
//! epoch carries the keys before it encrypted under its own: one sealed key opens everything earlier, nothing later.

use zeroize::Zeroizing;

use super::Membership;
use crate::{
    authority::{Act, Content, Sealed},
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

/// An epoch that was begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Begun {
    /// The act that began it.
    pub act: ActId,
    /// The epoch.
    pub id: EpochId,
    /// When it began.
    pub at: Timestamp,
}

/// What one act says of keys.
#[derive(Clone, Copy, Debug)]
pub struct KeysOf<'a> {
    /// The epoch.
    pub id: EpochId,
    /// Its key, sealed to members.
    pub keys: &'a Sealed,
    /// The keys of earlier epochs, encrypted under its own.
    pub older: &'a [(EpochId, Vec<u8>)],
}

impl KeysOf<'_> {
    /// The key as it was sealed to an identity.
    pub fn sealed_to(&self, peer: PeerId) -> Option<&[u8]> {
        self.keys.iter().find(|(to, _)| *to == peer).map(|(_, sealed)| sealed.as_slice())
    }
}

impl Membership {
    /// The epoch that bodies are encrypted in: the same on every node that has the same acts.
    pub fn current_epoch(&self) -> Option<Begun> {
        self.epochs().next_back()
    }

    /// The epochs that count, the current one last.
    pub fn epochs(&self) -> impl DoubleEndedIterator<Item = Begun> {
        self.verdict.epochs().iter().filter_map(|act| {
            let body = self.acts.get(act)?;
            let Content::Epoch(epoch) = &body.content else { return None };
            Some(Begun { act: *act, id: epoch.key_id, at: body.at })
        })
    }

    /// What an act says of keys, whether it counts or not: what was written in an epoch that counts no more is read all the
    /// same. `None` for other acts.
    pub fn keys_of(&self, act: &ActId) -> Option<KeysOf<'_>> {
        match &self.acts.get(act)?.content {
            Content::Epoch(epoch) => {
                Some(KeysOf { id: epoch.key_id, keys: &epoch.keys, older: &epoch.older })
            }
            Content::EpochKeys { epoch, keys } => match &self.acts.get(epoch)?.content {
                Content::Epoch(epoch) => Some(KeysOf { id: epoch.key_id, keys, older: &[] }),
                _ => None,
            },
            _ => None,
        }
    }

    /// All acts that say something of keys.
    pub fn acts_of_keys(&self) -> impl Iterator<Item = ActId> {
        let says = |content: &Content| matches!(content, Content::Epoch(_) | Content::EpochKeys { .. });
        self.acts.acts().filter(move |act| says(&act.body().content)).map(Act::id)
    }

    /// Members at `now` whom no act that counts gave the key of an epoch. Some may be identities to which nothing can be sealed.
    pub fn lacking<'a>(&'a self, epoch: &ActId, now: Timestamp) -> impl Iterator<Item = PeerId> + 'a {
        let is_current = self.verdict.epochs().last() == Some(epoch);
        let (current, other) = match is_current {
            true => (Some(self.verdict.epoch_lacks()), None),
            false => (None, Some(self.verdict.lacks_of(&self.acts, epoch))),
        };
        let lacking = current.into_iter().flatten().copied().chain(other.into_iter().flatten());
        lacking.filter(move |peer| self.is_member(*peer, now))
    }

    /// True if somebody may have the key of the current epoch who is no member at `now`; `None`: whose clock is right is not known.
    pub fn key_got_out(&self, now: Option<Timestamp>) -> bool {
        self.verdict.epoch_is_stale() || now.is_some_and(|now| self.verdict.holder_expired(now))
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
