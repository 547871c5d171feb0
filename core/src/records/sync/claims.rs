//! What all sessions together have asked for: nothing is asked for twice at the same time, and nobody keeps anything to itself.
//!
//! A claim keeps others away as long as something *new* comes by it. A link that brought nothing new for [`FETCH_PATIENCE`]
//! while something was asked for on it is *late*: until it brings something, its claims, also later ones, keep nobody away. A
//! range that takes somebody longer than that is shared with whoever waits for it, however steadily it comes: the later half
//! of it in time is theirs. So neither one who sends what is known already, nor one that is slow, holds up others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Owner, ranges::Gap};
use crate::{
    ids::LinkId,
    limits::{FETCH_PATIENCE, MAX_ARRIVING_PATIENCE},
    record::RecordKey,
    time::{Hlc, Mono, Timestamp},
};

/// What all sessions together have asked for.
#[derive(Default, Debug)]
pub(super) struct Claims {
    keys: BTreeMap<RecordKey, (Owner, Mono)>,
    /// The same keys by deadline, and some that arrived.
    deadlines: VecDeque<(Mono, RecordKey)>,
    pulls: Vec<Pulled>,
    /// By when something new is to come, of those that asked for something.
    due: BTreeMap<Owner, Due>,
    late: BTreeSet<LinkId>,
    /// Something became free since this was last looked at.
    pub(super) freed: bool,
}

/// A range that is asked for.
#[derive(Debug)]
struct Pulled {
    owner: Owner,
    request: u32,
    from: RecordKey,
    to: Option<RecordKey>,
    /// When others may have a part of it; `None`: they heard of that.
    shared: Option<Mono>,
    /// Until when parts of a large record may put that off.
    most: Mono,
}

/// When something new is to come, and until when parts of it may put that off.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Mono,
    most: Mono,
    /// Something new came.
    brought: bool,
}

impl Due {
    fn from(now: Mono) -> Self {
        Self { at: now + FETCH_PATIENCE, most: now + MAX_ARRIVING_PATIENCE, brought: false }
    }
}

impl Claims {
    /// True if a key is not to be asked for: another session did, and is not late.
    pub(super) fn taken_by_other(&self, owner: Owner, key: &RecordKey) -> bool {
        self.keys.get(key).is_some_and(|(by, _)| *by != owner && !self.late.contains(&by.0))
    }

    pub(super) fn take(&mut self, owner: Owner, now: Mono, key: RecordKey) {
        let deadline = now + FETCH_PATIENCE;
        self.keys.insert(key, (owner, deadline));
        self.deadlines.push_back((deadline, key));
        self.due.entry(owner).or_insert_with(|| Due::from(now));
    }

    /// The key is here, or will not come.
    pub(super) fn free(&mut self, key: &RecordKey) {
        self.freed |= self.keys.remove(key).is_some();
    }

    fn others(&self, owner: Owner, gap: Gap) -> impl Iterator<Item = usize> + '_ {
        let overlaps = move |pull: &Pulled| {
            pull.owner != owner
                && !self.late.contains(&pull.owner.0)
                && pull.to.is_none_or(|to| gap.from < to)
                && gap.to.is_none_or(|to| pull.from < to)
        };
        self.pulls.iter().enumerate().filter(move |(_, pull)| overlaps(pull)).map(|(at, _)| at)
    }

    pub(super) fn overlaps_other(&self, owner: Owner, gap: &Gap) -> bool {
        self.others(owner, *gap).next().is_some()
    }

    pub(super) fn pull(&mut self, owner: Owner, now: Mono, request: u32, gap: &Gap) {
        let due = Due::from(now);
        let (shared, most) = (Some(due.at), due.most);
        self.pulls.push(Pulled { owner, request, from: gap.from, to: gap.to, shared, most });
        self.due.entry(owner).or_insert(due);
    }

    /// A range came. Gives where it ends for this session by now: others may have got the rest.
    pub(super) fn free_pull(&mut self, owner: Owner, request: u32) -> Option<RecordKey> {
        self.freed = true;
        let at = self.pulls.iter().position(|pull| (pull.owner, pull.request) == (owner, request))?;
        self.pulls.swap_remove(at).to
    }

    /// Leaves to `owner` a part of a gap for which it waits: the later half of what another session has taken too long for. `now`
    /// ends a range without an end: nothing is later. Gives where that part begins.
    pub(super) fn share(&mut self, owner: Owner, gap: &Gap, at: Mono, now: Timestamp) -> Option<RecordKey> {
        let is_old = |pull: &Pulled| pull.shared.is_none_or(|from| from <= at);
        let which = self.others(owner, *gap).find(|which| self.pulls.get(*which).is_some_and(is_old))?;
        let pull = self.pulls.get_mut(which)?;
        let end = pull.to.map_or_else(|| Hlc::at(now), |to| to.hlc).0;
        let half = end.checked_sub(pull.from.hlc.0)? / 2;
        let middle = RecordKey { hlc: Hlc(pull.from.hlc.0.checked_add(half)?), ..RecordKey::MIN };
        if middle <= pull.from || gap.to.is_some_and(|to| to <= middle) {
            return None;
        }
        pull.to = Some(middle);
        Some(middle.max(gap.from))
    }

    /// A session is over.
    pub(super) fn free_all(&mut self, owner: Owner) {
        self.keys.retain(|_, (by, _)| *by != owner);
        self.pulls.retain(|pull| pull.owner != owner);
        // Else a session after the other would have its time anew.
        if self.due.remove(&owner).is_some_and(|due| !due.brought) {
            self.late.insert(owner.0);
        }
        self.freed = true;
    }

    /// A link is gone.
    pub(super) fn forget(&mut self, link: LinkId) {
        self.late.remove(&link);
    }

    /// Something that was not here came in a session.
    pub(super) fn brought(&mut self, owner: Owner, now: Mono) {
        self.late.remove(&owner.0);
        if let Some(due) = self.due.get_mut(&owner) {
            *due = Due { brought: true, ..Due::from(now) };
        }
    }

    /// Part of a record came on a link: what was asked for there may take longer, within bounds.
    pub(super) fn arriving(&mut self, link: LinkId, now: Mono) {
        for (_, due) in self.due.iter_mut().filter(|(owner, _)| owner.0 == link) {
            due.at = due.at.max(now + FETCH_PATIENCE).min(due.most);
        }
        for pull in self.pulls.iter_mut().filter(|pull| pull.owner.0 == link) {
            pull.shared = pull.shared.map(|at| at.max(now + FETCH_PATIENCE).min(pull.most));
        }
    }

    fn is_asked(&self, owner: Owner) -> bool {
        self.pulls.iter().any(|pull| pull.owner == owner) || self.keys.values().any(|(by, _)| *by == owner)
    }

    /// Frees what was asked for too long ago.
    pub(super) fn expire(&mut self, now: Mono) {
        while let Some((deadline, key)) = self.deadlines.front().copied() {
            let over = match self.keys.get(&key) {
                Some((_, at)) if *at == deadline => deadline <= now,
                _ => true,
            };
            if !over {
                break;
            }
            self.deadlines.pop_front();
            if self.keys.get(&key).is_some_and(|(_, at)| *at == deadline) {
                self.free(&key);
            }
        }
        for pull in &mut self.pulls {
            if pull.shared.is_some_and(|at| at <= now) {
                pull.shared = None;
                self.freed = true;
            }
        }
        let over: Vec<Owner> =
            self.due.iter().filter(|(_, due)| due.at <= now).map(|(owner, _)| *owner).collect();
        for owner in over {
            self.due.remove(&owner);
            self.freed |= self.is_asked(owner) && self.late.insert(owner.0);
        }
    }

    /// When something that was asked for may be asked for elsewhere.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let keys = self.deadlines.front().map(|(at, _)| *at);
        let shared = self.pulls.iter().filter_map(|pull| pull.shared).min();
        let due = self.due.values().map(|due| due.at).min();
        [keys, shared, due].into_iter().flatten().min()
    }
}
