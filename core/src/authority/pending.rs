//! Acts that wait for an act they name. They count for nothing meanwhile, and their number is bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Act;
use crate::{
    ids::{ActId, PeerId},
    limits::{MAX_PENDING_ACTS, MAX_PENDING_OF_AUTHOR, MAX_PENDING_OF_STRANGERS, MAX_REFUSED_ACTS},
};

/// Acts that wait, by what they wait for.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    acts: BTreeMap<ActId, (Act, ActId)>,
    waiting: BTreeMap<ActId, Vec<ActId>>,
    /// Of each author, the oldest first.
    of_author: BTreeMap<PeerId, Vec<ActId>>,
    /// The latest acts that were refused, the oldest first.
    refused: VecDeque<ActId>,
    refused_ids: BTreeSet<ActId>,
}

impl Pending {
    pub(super) fn has(&self, id: &ActId) -> bool {
        self.acts.contains_key(id)
    }

    /// True if one of these authors waits for this act, or for one that waits for it.
    pub(super) fn is_wanted_by(&self, id: &ActId, is_one: impl Fn(&PeerId) -> bool) -> bool {
        let mut next = vec![*id];
        while let Some(id) = next.pop() {
            let waiting = self.waiting.get(&id).into_iter().flatten().copied();
            next.extend(waiting);
            if self.acts.get(&id).is_some_and(|(act, _)| is_one(&act.body().author)) {
                return true;
            }
        }
        false
    }

    /// The acts that are waited for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &ActId> {
        self.waiting.keys().filter(|id| !self.acts.contains_key(*id))
    }

    /// Keeps an act until `missing` is here. With too many, the author that has most loses its oldest: whoever floods
    /// displaces its own. Keys cost nothing, so authors without a grant displace each other only.
    pub(super) fn add(&mut self, act: Act, missing: ActId, is_known: impl Fn(&PeerId) -> bool) {
        let (id, author) = (act.id(), act.body().author);
        self.acts.insert(id, (act, missing));
        self.waiting.entry(missing).or_default().push(id);
        let own = self.of_author.entry(author).or_default();
        own.push(id);
        if own.len() > MAX_PENDING_OF_AUTHOR {
            let oldest = own[0];
            self.take(&oldest);
        } else if self.acts.len() > MAX_PENDING_OF_STRANGERS {
            let strangers = || self.of_author.iter().filter(|(author, _)| !is_known(author));
            let count: usize = strangers().map(|(_, acts)| acts.len()).sum();
            let most = if count > MAX_PENDING_OF_STRANGERS {
                strangers().max_by_key(|(_, acts)| acts.len())
            } else if self.acts.len() > MAX_PENDING_ACTS {
                self.of_author.iter().max_by_key(|(_, acts)| acts.len())
            } else {
                None
            };
            if let Some(oldest) = most.and_then(|(_, acts)| acts.first()).copied() {
                self.take(&oldest);
            }
        }
    }

    /// Remembers an act that was refused; gives the acts that waited for it.
    pub(super) fn refuse(&mut self, id: ActId) -> Vec<Act> {
        if self.refused_ids.insert(id) {
            self.refused.push_back(id);
        }
        if self.refused.len() > MAX_REFUSED_ACTS {
            self.refused.pop_front().map(|oldest| self.refused_ids.remove(&oldest));
        }
        self.release(&id)
    }

    /// True if an act was refused lately.
    pub(super) fn is_refused(&self, id: &ActId) -> bool {
        self.refused_ids.contains(id)
    }

    /// Gives the acts that waited for this one.
    pub(super) fn release(&mut self, id: &ActId) -> Vec<Act> {
        let waiting = self.waiting.get(id).cloned().unwrap_or_default();
        waiting.iter().filter_map(|waiting| self.take(waiting)).collect()
    }

    fn take(&mut self, id: &ActId) -> Option<Act> {
        let (act, missing) = self.acts.remove(id)?;
        drop_from(&mut self.waiting, &missing, id);
        drop_from(&mut self.of_author, &act.body().author, id);
        Some(act)
    }
}

fn drop_from<K: Ord>(lists: &mut BTreeMap<K, Vec<ActId>>, key: &K, id: &ActId) {
    if let Some(list) = lists.get_mut(key) {
        list.retain(|other| other != id);
        if list.is_empty() {
            lists.remove(key);
        }
    }
}
