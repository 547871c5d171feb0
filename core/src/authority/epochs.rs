//! Who has the key of the current epoch, and who lacks it: followed act by act, so that none costs a walk over all members.

use std::collections::BTreeSet;

use super::{ActSet, Content, Verdict, settle::Found};
use crate::ids::{ActId, PeerId};

/// What is known of the keys of the current epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct EpochHolders {
    /// The epoch.
    current: Option<u32>,
    /// Those who have its key: they were given it, by acts that count or whose authors knew of nothing that ended their
    /// right, or gave it.
    holders: BTreeSet<PeerId>,
    /// Of those, who is no member any more.
    lost: BTreeSet<PeerId>,
    /// To whom acts that count gave it.
    given: BTreeSet<PeerId>,
    /// Members to whom none did.
    lacking: BTreeSet<PeerId>,
    /// True if a device of a holder was refused since.
    refused: bool,
}

impl EpochHolders {
    /// True if somebody may have the key who should not.
    fn is_stale(&self) -> bool {
        self.refused || !self.lost.is_empty()
    }
}

impl Verdict {
    /// Those who have the key of the current epoch are held against those who are members.
    pub(super) fn settle_holders(&mut self, set: &ActSet, found: &mut Found, current: Option<u32>) {
        let mut keys = EpochHolders { current, ..EpochHolders::default() };
        keys.lacking = self.members.keys().copied().chain([self.creator]).collect();
        for at in current.into_iter().flat_map(|epoch| serving(found, epoch).chain([epoch])) {
            self.add_holders(set, &mut keys, at);
        }
        found.keys = keys;
        self.settle_refused(set, found);
    }

    /// The same, if nothing is new but one act that gives keys.
    pub(super) fn settle_keys(&mut self, set: &ActSet, found: &mut Found, act: u32) {
        let heard = found.epoch_keys.last().filter(|(_, at)| *at == act);
        if heard.is_some_and(|(serves, _)| serves.is_some() && *serves == found.keys.current) {
            let mut keys = std::mem::take(&mut found.keys);
            self.add_holders(set, &mut keys, act);
            found.keys = keys;
            self.settle_refused(set, found);
        }
    }

    /// The same, if nothing changed but the membership of one identity.
    pub(super) fn settle_holder(&mut self, identity: PeerId, found: &mut Found) {
        let keys = &mut found.keys;
        if self.has_grant(&identity) {
            keys.lost.remove(&identity);
            if !keys.given.contains(&identity) {
                keys.lacking.insert(identity);
            }
        } else {
            keys.lacking.remove(&identity);
            if keys.holders.contains(&identity) {
                keys.lost.insert(identity);
            }
        }
        self.epoch_is_stale = found.keys.is_stale();
    }

    fn add_holders(&self, set: &ActSet, keys: &mut EpochHolders, act: u32) {
        let counts = self.act(&set.id(act)) == Some(None);
        let author = set.body(act).author;
        for holder in given_by(set, act).chain([author]) {
            keys.holders.insert(holder);
            if !self.has_grant(&holder) {
                keys.lost.insert(holder);
            }
        }
        if counts {
            for to in given_by(set, act) {
                keys.given.insert(to);
                keys.lacking.remove(&to);
            }
        }
    }

    fn settle_refused(&mut self, set: &ActSet, found: &mut Found) {
        let keys = &found.keys;
        let refused = |at: &u32| match set.body(*at).content {
            Content::RevokeDevice { identity, .. } => {
                keys.holders.contains(&identity)
                    && keys.current.is_some_and(|current| !set.precedes(*at, current))
            }
            _ => false,
        };
        found.keys.refused = found.devices.iter().any(|at| refused(at) && !found.restored.contains(at));
        self.epoch_is_stale = found.keys.is_stale();
    }

    /// True for the creator, and for an identity with a grant in force, whatever its period.
    pub fn has_grant(&self, identity: &PeerId) -> bool {
        *identity == self.creator || self.members.contains_key(identity)
    }

    /// Those who have the key of the current epoch, members or not.
    pub const fn epoch_holders(&self) -> &BTreeSet<PeerId> {
        &self.work.found.keys.holders
    }

    /// Identities with a grant in force, whatever its period, and the creator, that lack the key of the current epoch: no act
    /// that counts gave it to them.
    pub const fn epoch_lacks(&self) -> &BTreeSet<PeerId> {
        &self.work.found.keys.lacking
    }

    /// The same of any epoch; a walk over all members.
    pub fn lacks_of(&self, set: &ActSet, epoch: &ActId) -> BTreeSet<PeerId> {
        let Some(at) = set.place(epoch) else { return BTreeSet::new() };
        if self.work.found.keys.current == Some(at) {
            return self.epoch_lacks().clone();
        }
        let acts = serving(&self.work.found, at).chain([at]);
        let counting = acts.filter(|act| self.act(&set.id(*act)) == Some(None));
        let given: BTreeSet<PeerId> = counting.flat_map(|act| given_by(set, act)).collect();
        let all = self.members.keys().copied().chain([self.creator]);
        all.filter(|identity| !given.contains(identity)).collect()
    }
}

/// The acts that give the key of an epoch beside the one that begins it.
fn serving(found: &Found, epoch: u32) -> impl Iterator<Item = u32> {
    found.epoch_keys.iter().filter(move |(serves, _)| *serves == Some(epoch)).map(|(_, at)| *at)
}

fn given_by(set: &ActSet, act: u32) -> impl Iterator<Item = PeerId> {
    let keys = match &set.body(act).content {
        Content::Epoch(epoch) => &epoch.keys[..],
        Content::EpochKeys { keys, .. } => keys,
        _ => &[],
    };
    keys.iter().map(|(to, _)| *to)
}
