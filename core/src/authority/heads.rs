//! What a new act names as its past.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{ActBody, ActSet, Content, Verdict, Void};
use crate::{
    ids::{ActId, PeerId},
    limits::MAX_ACT_HEADS,
    time::Timestamp,
};

impl Verdict {
    /// The heads for `after` of a new act, ascending: the latest of the acts that count, at most 16, those of the most senior
    /// authors first. Void acts are not named, so the removed neither fill the places nor make others keep what they sign.
    ///
    /// Before an act that takes something (a removal, a demotion, a leave), see [`heads_before`](Self::heads_before).
    pub fn heads(&self, set: &ActSet) -> Vec<ActId> {
        ids(set, self.counting_heads(set))
    }

    /// The same for an act that ends what an identity may do: first the heads that reach most of what it did, since what
    /// such an act does not have in its past does not stand. With `branch`, also what those below it did. Of those who left
    /// also void acts that the first leave heard here had: the act that ends a membership keeps what a later leave took.
    ///
    /// All of it is reached if no [`merge`](Self::merge) is due.
    pub fn heads_before(&self, set: &ActSet, identity: PeerId, branch: bool) -> Vec<ActId> {
        let mut heads = self.counting_heads(set);
        let is_below = |author: &PeerId| {
            let mut grants = set.grants_of.get(author).into_iter().flatten();
            branch && grants.any(|at| set.is_sponsor(identity, *at))
        };
        let below = set.leaves.keys().filter(|who| **who != identity && is_below(who)).copied();
        let left = [identity].into_iter().chain(below).flat_map(|who| set.known_when_left(who));
        let by_leave = |at: &u32| {
            let void = self.act(&set.id(*at)).flatten();
            matches!(void, Some(Void::Left(_) | Void::Invitation(_)))
        };
        let mut fallen: Vec<u32> = left.filter(by_leave).collect();
        fallen.sort_unstable_by_key(|at| Reverse(set.order(*at)));
        for at in &fallen {
            if !heads.iter().any(|head| head == at || set.precedes(*at, *head)) {
                heads.push(*at);
            }
        }
        if heads.len() <= MAX_ACT_HEADS {
            return ids(set, heads);
        }
        let is_theirs = |at: &u32| {
            let author = &set.body(*at).author;
            (*author == identity || is_below(author)) && self.counts(set, *at) || fallen.contains(at)
        };
        let mut missing: Vec<u32> = (0..set.entries.len() as u32).filter(is_theirs).collect();
        let mut chosen = Vec::new();
        while chosen.len() < MAX_ACT_HEADS && !missing.is_empty() {
            let reaches = |head: u32, act: u32| head == act || set.precedes(act, head);
            let reached = |head: &u32| missing.iter().filter(|act| reaches(*head, **act)).count();
            let Some((place, _)) =
                heads.iter().enumerate().max_by_key(|(at, head)| (reached(head), Reverse(*at)))
            else {
                break;
            };
            let head = heads.remove(place);
            missing.retain(|act| !reaches(head, *act));
            chosen.push(head);
        }
        chosen.extend(heads);
        ids(set, chosen)
    }

    /// The merge act that must come before an act which names all that its author knew, if there are more than 16 heads.
    /// Insert it and ask again: there may be more to name.
    ///
    /// Only who is about to act needs one. If every node made one whenever it sees many heads, their merges would be the
    /// next heads.
    pub fn merge(&self, set: &ActSet, author: PeerId, by: Option<ActId>, at: Timestamp) -> Option<ActBody> {
        let heads = self.counting_heads(set);
        let due = heads.len() > MAX_ACT_HEADS;
        due.then(|| ActBody { author, by, after: ids(set, heads), at, content: Content::Merge })
    }

    /// The acts that count and are in the past of no other that counts, those of the most senior authors first.
    pub(super) fn counting_heads(&self, set: &ActSet) -> Vec<u32> {
        let (mut heads, mut behind) = (Vec::new(), BTreeSet::new());
        let mut next: Vec<u32> = Vec::new();
        for at in set.heads.iter().copied() {
            if self.counts(set, at) { heads.push(at) } else { next.push(at) }
        }
        let mut seen: BTreeSet<u32> = next.iter().copied().collect();
        while let Some(void) = next.pop() {
            for at in set.body(void).parents().filter_map(|id| set.place(id)) {
                if self.counts(set, at) {
                    behind.insert(at);
                } else if seen.insert(at) {
                    next.push(at);
                }
            }
        }
        let mut behind: Vec<u32> = behind.into_iter().collect();
        behind.sort_unstable_by_key(|at| Reverse(set.entries[*at as usize].height));
        for at in behind {
            if !heads.iter().any(|head| set.precedes(at, *head)) {
                heads.push(at);
            }
        }
        heads.sort_by_cached_key(|at| (Reverse(set.rank(set.entries[*at as usize].under)), set.id(*at)));
        heads
    }

    fn counts(&self, set: &ActSet, at: u32) -> bool {
        self.act(&set.id(at)) == Some(None)
    }
}

fn ids(set: &ActSet, mut heads: Vec<u32>) -> Vec<ActId> {
    heads.truncate(MAX_ACT_HEADS);
    let mut ids: Vec<ActId> = heads.into_iter().map(|at| set.id(at)).collect();
    ids.sort_unstable();
    ids
}
