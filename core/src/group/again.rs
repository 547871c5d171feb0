//! Of which acts that were set aside another word is to be had, after others were judged: those that something changed for.

use std::collections::BTreeSet;

use super::membership::Membership;
use crate::{
    authority::{Content, Moved},
    ids::{ActId, PeerId},
    limits::MAX_CHANGES,
};

/// What changed for acts that were set aside.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// Anything may have.
    pub all: bool,
    /// Whether passwords and keys are needed.
    pub deciding: bool,
    /// How many acts are kept of those none of whose grants ever counted here.
    pub strangers: bool,
    /// Ids of identities: what they may sign, what was given to them, how many of their acts are kept. Of grants: whether
    /// renewals of them are needed. Of acts that are needed.
    pub of: BTreeSet<[u8; 32]>,
}

impl Again {
    /// This identity, grant or act.
    pub fn look_at(&mut self, id: [u8; 32]) {
        self.of.insert(id);
        if self.of.len() > MAX_CHANGES {
            self.of.clear();
            self.all = true;
        }
    }

    /// What changed since then.
    pub fn extend(&mut self, other: Self) {
        self.all |= other.all;
        self.deciding |= other.deciding;
        self.strangers |= other.strangers;
        other.of.into_iter().for_each(|id| self.look_at(id));
    }
}

impl Membership {
    /// What changed with these acts, and with those that are needed since.
    pub(super) fn again(&self, moved: &Moved, fresh: &[ActId], affected: &BTreeSet<PeerId>) -> Again {
        let mut again = Again { all: moved.whole, ..Again::default() };
        if again.all {
            return again;
        }
        affected.iter().for_each(|who| self.touch(&mut again, who));
        let woken = moved.acts.iter().filter(|(_, idle)| !**idle).map(|(id, _)| id);
        for id in woken.clone() {
            let Some(author) = self.acts.get(id).map(|act| act.author) else { continue };
            // One act less is kept that nobody needs.
            again.look_at(*author.as_bytes());
            again.strangers |= self.is_stranger(&author);
        }
        for act in woken.chain(fresh).filter_map(|id| self.acts.get(id)) {
            match &act.content {
                Content::Grant(grant) => self.touch(&mut again, &grant.subject),
                Content::Remove(remove) => self.touch(&mut again, &remove.subject),
                Content::Leave(_) => self.touch(&mut again, &act.author),
                Content::Password(_) | Content::Epoch(_) | Content::EpochKeys { .. } => again.deciding = true,
                _ => {}
            }
            act.content.cut_heads().for_each(|head| again.look_at(*head.as_bytes()));
        }
        again
    }

    fn touch(&self, again: &mut Again, identity: &PeerId) {
        again.look_at(*identity.as_bytes());
        self.acts.grants_of(*identity).for_each(|grant| again.look_at(*grant.as_bytes()));
    }
}
