//! The receiving side: what is wanted, what is asked for, within a window, and by which session.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use super::{Owner, claims::Claims, ranges::Gap};
use crate::{
    limits::{FETCH_PACE, FETCH_START, FETCH_WINDOW, MAX_PULLS, PULL_WINDOW},
    record::RecordKey,
    time::{Mono, Timestamp},
};

/// What is asked for with one `Pull` of many records, and of few.
const PULL_BYTES: usize = PULL_WINDOW / 2;
const SMALL_PULL_BYTES: usize = PULL_WINDOW / MAX_PULLS;
/// A pull of at most so many records is small.
const SMALL_PULL: u64 = 64;
/// Neighboring gaps of together so many records are pulled as one. Larger ones apart: two can be under way.
const JOINED: u64 = FETCH_WINDOW as u64;
/// Gaps waiting to be pulled; beyond, the other side gets no acknowledgement until there are fewer.
const MANY_GAPS: usize = 256;

/// A request to be sent.
#[derive(Debug)]
pub(super) enum Request {
    Fetch { request: u32, keys: Vec<RecordKey> },
    Pull { request: u32, from: RecordKey, to: Option<RecordKey>, max_bytes: u32 },
}

#[derive(Debug)]
struct Fetch {
    left: BTreeSet<RecordKey>,
    got: u32,
    said: Option<u32>,
    /// When it was sent, and how many keys were then under way, its own included.
    sent: Mono,
    under_way: usize,
}

/// How many keys may be under way: as many as come in [`FETCH_PACE`]. So none is claimed here for so long that another
/// session asks for it as well, and sessions with slow links share what is missing.
#[derive(Debug)]
struct Window(usize);

impl Default for Window {
    fn default() -> Self {
        Self(FETCH_START)
    }
}

impl Window {
    /// A fetch was answered: so many keys came in this time.
    fn learn(&mut self, keys: usize, took: Duration) {
        let pace = (keys as u128).saturating_mul(FETCH_PACE.as_micros()).checked_div(took.as_micros().max(1));
        let pace =
            pace.and_then(|pace| usize::try_from(pace).ok()).unwrap_or(usize::MAX).clamp(1, FETCH_WINDOW);
        self.0 = match took > FETCH_PACE {
            true => pace,
            // Not all at once: the next records may be larger.
            false => self.0.max(pace.min(keys.saturating_mul(4))),
        };
    }
}

#[derive(Debug)]
struct Pull {
    gap: Gap,
    max_bytes: usize,
    got: u32,
    said: Option<(u32, Option<RecordKey>)>,
}

/// The receiving side of a session.
#[derive(Default, Debug)]
pub(super) struct Fetching {
    wanted: BTreeSet<RecordKey>,
    /// Wanted, and under way in another session.
    awaited: BTreeSet<RecordKey>,
    fetches: BTreeMap<u32, Fetch>,
    window: Window,
    gaps: VecDeque<Gap>,
    /// Gaps that another session pulls now; compared again afterwards.
    held: Vec<Gap>,
    pulls: BTreeMap<u32, Pull>,
    requests: u32,
}

impl Fetching {
    pub(super) fn want(&mut self, keys: impl IntoIterator<Item = RecordKey>) {
        for key in keys {
            if !self.fetches.values().any(|f| f.left.contains(&key)) && !self.awaited.contains(&key) {
                self.wanted.insert(key);
            }
        }
    }

    pub(super) fn fill(&mut self, gap: Gap) {
        match self.gaps.back_mut() {
            Some(last) if last.to == Some(gap.from) && last.count.saturating_add(gap.count) <= JOINED => {
                last.to = gap.to;
                last.count = last.count.saturating_add(gap.count);
            }
            _ => self.gaps.push_back(gap),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.wanted.is_empty()
            && self.awaited.is_empty()
            && self.fetches.is_empty()
            && self.gaps.is_empty()
            && self.held.is_empty()
            && self.pulls.is_empty()
    }

    /// How many records are known to be missing.
    pub(super) fn outstanding(&self) -> u64 {
        let asked: usize = self.fetches.values().map(|fetch| fetch.left.len()).sum();
        let keys = self.wanted.len().saturating_add(self.awaited.len()).saturating_add(asked) as u64;
        let gaps = self.gaps.iter().chain(&self.held).map(|gap| gap.count);
        let pulls = self.pulls.values().map(|pull| pull.gap.count.saturating_sub(u64::from(pull.got)));
        gaps.chain(pulls).fold(keys, u64::saturating_add)
    }

    /// True while the other side is to hear no acknowledgement, so that it does not bring up yet more.
    pub(super) fn is_congested(&self) -> bool {
        self.wanted.len() >= FETCH_WINDOW || self.gaps.len() >= MANY_GAPS
    }

    /// True if another session must get on first.
    pub(super) fn waits_for_others(&self) -> bool {
        !self.awaited.is_empty() || !self.held.is_empty()
    }

    /// What may be asked for now.
    pub(super) fn next_request(&mut self, now: Mono, owner: Owner, claims: &mut Claims) -> Option<Request> {
        self.next_fetch(now, owner, claims).or_else(|| self.next_pull(now, owner, claims))
    }

    fn next_fetch(&mut self, now: Mono, owner: Owner, claims: &mut Claims) -> Option<Request> {
        let asked: usize = self.fetches.values().map(|f| f.left.len()).sum();
        let room = self.window.0.saturating_sub(asked);
        // Not a handful at a time, unless that is all.
        if room < self.window.0.div_ceil(4) && room < self.wanted.len() {
            return None;
        }
        let mut keys = BTreeSet::new();
        while keys.len() < room {
            let Some(key) = self.wanted.pop_first() else { break };
            if claims.taken_by_other(owner, &key) {
                self.awaited.insert(key);
            } else {
                claims.take(owner, now, key);
                keys.insert(key);
            }
        }
        if keys.is_empty() {
            return None;
        }
        let request = self.number();
        let list = keys.iter().copied().collect();
        let under_way = asked.saturating_add(keys.len());
        self.fetches.insert(request, Fetch { left: keys, got: 0, said: None, sent: now, under_way });
        Some(Request::Fetch { request, keys: list })
    }

    fn next_pull(&mut self, now: Mono, owner: Owner, claims: &mut Claims) -> Option<Request> {
        loop {
            let gap = *self.gaps.front()?;
            if claims.overlaps_other(owner, &gap) {
                self.gaps.pop_front();
                self.held.push(gap);
                continue;
            }
            let max_bytes = if gap.count <= SMALL_PULL { SMALL_PULL_BYTES } else { PULL_BYTES };
            let asked: usize = self.pulls.values().map(|p| p.max_bytes).sum();
            if asked.saturating_add(max_bytes) > PULL_WINDOW {
                return None;
            }
            self.gaps.pop_front();
            let request = self.number();
            claims.pull(owner, now, request, &gap);
            self.pulls.insert(request, Pull { gap, max_bytes, got: 0, said: None });
            let max_bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX);
            return Some(Request::Pull { request, from: gap.from, to: gap.to, max_bytes });
        }
    }

    fn number(&mut self) -> u32 {
        self.requests = self.requests.wrapping_add(1);
        self.requests
    }

    /// A record came in this session. True if it was asked for.
    pub(super) fn arrived(&mut self, now: Mono, owner: Owner, key: &RecordKey, claims: &mut Claims) -> bool {
        let mut asked = false;
        for fetch in self.fetches.values_mut() {
            if fetch.left.remove(key) {
                fetch.got = fetch.got.saturating_add(1);
                asked = true;
            }
        }
        for pull in self.pulls.values_mut() {
            if *key >= pull.gap.from && pull.gap.to.is_none_or(|to| *key < to) {
                pull.got = pull.got.saturating_add(1);
                asked = true;
            }
        }
        self.close_answered(now, owner, claims);
        asked
    }

    /// A record came in some session, or by another way.
    pub(super) fn is_here(&mut self, key: &RecordKey) {
        self.awaited.remove(key);
        self.wanted.remove(key);
    }

    /// The other side says that an answer is complete. False if nothing of the kind is open.
    pub(super) fn sent(
        &mut self,
        now: Mono,
        owner: Owner,
        request: u32,
        records: u32,
        next: Option<RecordKey>,
        claims: &mut Claims,
    ) -> Result<bool, &'static str> {
        if let Some(fetch) = self.fetches.get_mut(&request) {
            fetch.said = Some(records);
        } else if let Some(pull) = self.pulls.get_mut(&request) {
            let sound = next.is_none_or(|next| {
                records > 0 && next > pull.gap.from && pull.gap.to.is_none_or(|to| next < to)
            });
            if !sound {
                return Err("a pull that does not get on");
            }
            pull.said = Some((records, next));
        } else {
            return Ok(false);
        }
        self.close_answered(now, owner, claims);
        Ok(true)
    }

    fn close_answered(&mut self, now: Mono, owner: Owner, claims: &mut Claims) {
        let window = &mut self.window;
        self.fetches.retain(|_, fetch| {
            let over = fetch.left.is_empty() || fetch.said.is_some_and(|said| fetch.got >= said);
            if over {
                window.learn(fetch.under_way, now.since(fetch.sent));
                // What did not come has been replaced over there; its successor is found by comparing.
                fetch.left.iter().for_each(|key| claims.free(key));
            }
            !over
        });
        let gaps = &mut self.gaps;
        self.pulls.retain(|request, pull| match pull.said {
            Some((said, next)) if pull.got >= said => {
                let to = claims.free_pull(owner, *request);
                if let Some(from) = next.filter(|from| to.is_none_or(|to| *from < to)) {
                    let count = pull.gap.count.saturating_sub(u64::from(said));
                    gaps.push_front(Gap { from, to, count });
                }
                false
            }
            _ => true,
        });
    }

    /// Looks again at what another session had claimed. Returns gaps to be compared again. `at` and `clock`: now.
    pub(super) fn reconsider(
        &mut self,
        owner: Owner,
        claims: &mut Claims,
        at: Mono,
        clock: Timestamp,
    ) -> Vec<Gap> {
        let (awaited, free) =
            std::mem::take(&mut self.awaited).into_iter().partition(|k| claims.taken_by_other(owner, k));
        self.awaited = awaited;
        let free: BTreeSet<RecordKey> = free;
        self.wanted.extend(free);
        let (held, mut free): (Vec<Gap>, Vec<Gap>) =
            std::mem::take(&mut self.held).into_iter().partition(|gap| claims.overlaps_other(owner, gap));
        self.held = held;
        if free.is_empty() && self.is_waiting() {
            // Of one gap at a time: what comes of it takes long enough.
            let part = self.held.iter_mut().find_map(|gap| {
                let from = claims.share(owner, gap, at, clock)?;
                let part = Gap { from, to: gap.to, count: gap.count };
                gap.to = Some(from);
                Some(part)
            });
            self.held.retain(|gap| gap.to.is_none_or(|to| gap.from < to));
            free.extend(part);
        }
        free
    }

    /// True if all that is left to do is to wait for others.
    fn is_waiting(&self) -> bool {
        self.wanted.is_empty() && self.fetches.is_empty() && self.gaps.is_empty() && self.pulls.is_empty()
    }
}
