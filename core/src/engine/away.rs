//! How current the database is, and what follows for a node that was away for long: see
//! [`Footing`](crate::records::sync::Footing).
//!
//! A node is *current* while its last comparison with a current neighbor is at most half a tombstone's life old; so is
//! whoever made the graph, until the first neighbor has come. Only a current node forgets tombstones. A node drops what a
//! neighbor lacks if it was away while that neighbor forgot tombstones, and that neighbor had everything later than what
//! it forgot. Others merge as equals.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

use super::Engine;
use crate::{
    ids::{LinkId, NodeId},
    limits::{AWAY_FEW, AWAY_PATIENCE, SKEW_HOLD},
    record::{Header, RecordKey, SignedRecord},
    records::{
        StoreError,
        sync::{Footing, Withhold},
    },
    time::{Hlc, Now, Timestamp},
    wire::{Filter, Freshness},
};

const META_FRESH: &str = "freshness";
/// Which neighbor lacks most of this database, and since when.
const META_DOUBT: &str = "lacked_since";
const META_ALONE: &str = "none_current_since";
/// So long after the last one that was kept, another time of a comparison is kept.
const KEEP_EVERY: Duration = Duration::from_secs(60);
/// The time of the last comparison, of whoever made the graph and has met nobody yet.
const SOLE: Timestamp = Timestamp(u64::MAX);

/// What the engine knows of its own absence.
#[derive(Debug, Default)]
pub(super) struct Away {
    fresh: Freshness,
    kept: Freshness,
    /// Since when neighbors were met, and none that is current.
    alone_since: Option<Timestamp>,
    /// When an old record last came from a neighbor that may have missed its delete.
    unweighed: Timestamp,
    /// What was asked for in the sessions under way, and not sent.
    withheld: BTreeMap<LinkId, Vec<RecordKey>>,
    /// What a neighbor that knows it lacks: which one, and since when it is known. Dropped once it is certain.
    doubted: BTreeMap<RecordKey, (NodeId, Timestamp)>,
    /// The first of these, as it is noted: a restart does not begin the day anew.
    doubt: Option<(NodeId, Timestamp)>,
}

impl Away {
    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.withheld.remove(&link);
    }

    /// The neighbor on this link has the record, in whatever version. True if it was taken to lack it.
    pub(super) fn clears(&mut self, link: LinkId, key: &RecordKey) -> bool {
        let Some(keys) = self.withheld.get_mut(&link) else { return false };
        let before = keys.len();
        keys.retain(|other| other != key);
        keys.len() < before
    }

    pub(super) fn withhold(&mut self, link: LinkId, keys: Vec<RecordKey>) {
        self.withheld.entry(link).or_default().extend(keys);
    }
}

impl Engine {
    /// How long tombstones are kept.
    fn tombstone_life(&self) -> Duration {
        self.tombstone_lifetime.max(SKEW_HOLD)
    }

    /// Before then, tombstones may be forgotten.
    pub(super) fn horizon(&self, now: Now) -> Timestamp {
        self.peer_time(now) - self.tombstone_life()
    }

    fn freshness(&self, now: Now) -> Freshness {
        Freshness { synced: self.away.fresh.synced.min(self.peer_time(now)), ..self.away.fresh }
    }

    /// True if whoever last had everything then still counts as current.
    fn is_recent(&self, now: Now, synced: Timestamp) -> bool {
        self.peer_time(now).since(synced) <= self.tombstone_life() / 2
    }

    /// True if whoever says this of itself had everything after the tombstones it forgot: what it lacks is gone.
    fn knows_deletes(fresh: Freshness) -> bool {
        fresh.synced >= fresh.collected && fresh.synced > Timestamp::default()
    }

    /// True if this node knows all deletes that others may have forgotten soon.
    pub(super) fn is_current(&self, now: Now) -> bool {
        self.is_recent(now, self.freshness(now).synced)
    }

    /// Tells the machine of reconciliation how current this database is.
    pub(super) fn refresh_footing(&mut self, now: Now) {
        let author = self.genesis.is_some().then_some((self.graph, self.device.peer));
        let (ours, horizon) = (self.freshness(now), self.horizon(now));
        self.syncs.set_footing(Footing {
            now: self.peer_time(now),
            ours,
            horizon,
            late: self.tombstone_life() / 2,
            author,
        });
    }

    pub(super) fn load_freshness(&mut self) -> Result<(), StoreError> {
        let kept = self.store.meta(META_FRESH)?.and_then(|bytes| postcard::from_bytes(&bytes).ok());
        self.away.fresh = match kept {
            Some(fresh) => fresh,
            // Made by an earlier version: nothing is known, but nothing can have come after its last record.
            None if self.usable => {
                Freshness { synced: self.store.last_hlc()?.timestamp(), ..Freshness::default() }
            }
            None => Freshness::default(),
        };
        self.away.kept = self.away.fresh;
        let alone = self.store.meta(META_ALONE)?.and_then(|bytes| bytes.try_into().ok());
        self.away.alone_since = alone.map(|bytes| Timestamp(u64::from_le_bytes(bytes)));
        let doubt = self.store.meta(META_DOUBT)?;
        self.away.doubt = doubt.and_then(|bytes| postcard::from_bytes(&bytes).ok());
        Ok(())
    }

    /// Whoever makes a graph has everything there is, until others come.
    pub(super) const fn be_sole(&mut self) {
        self.away.fresh.synced = SOLE;
    }

    /// When the last whole comparison with a current neighbor began; `None` for whoever made the graph and has met nobody.
    pub(super) fn last_compared(&self) -> Option<Timestamp> {
        Some(self.away.fresh.synced).filter(|synced| *synced != SOLE)
    }

    /// A write of this node's own is newer than its last comparison, whatever became of the clock in between.
    pub(super) fn own_write(&mut self, hlc: Hlc) {
        let fresh = &mut self.away.fresh;
        if fresh.synced != SOLE && hlc.timestamp() <= fresh.synced {
            fresh.synced = hlc.timestamp() - Duration::from_millis(1);
        }
    }

    /// A clock that was ahead may have dated the last comparison: no later than now.
    pub(super) fn correct_freshness(&mut self, now: Now) {
        if self.away.fresh.synced != SOLE {
            self.away.fresh.synced = self.away.fresh.synced.min(self.peer_time(now));
        }
    }

    /// Writes down what changed, if it is time or something else is written anyway.
    pub(super) fn keep_freshness(&mut self, committing: bool) -> Result<(), StoreError> {
        let (fresh, kept) = (self.away.fresh, self.away.kept);
        let due = fresh.synced < kept.synced || fresh.synced.since(kept.synced) >= KEEP_EVERY;
        if fresh == kept || !(committing || due || fresh.collected != kept.collected) {
            return Ok(());
        }
        let bytes = postcard::to_stdvec(&fresh).expect("two times always encode");
        self.keep_meta(META_FRESH, &bytes)?;
        self.away.kept = fresh;
        Ok(())
    }

    /// True if a record comes from a node that was away, and may have been deleted meanwhile: its sender should not
    /// have sent it.
    pub(super) fn is_left_over(&self, link: LinkId, session: u32, record: &SignedRecord) -> bool {
        let Some((_, peer)) = self.links.get(&link) else { return false };
        self.syncs.theirs(link, session).is_some_and(|theirs| {
            let until = self.away.fresh.collected;
            let away = Withhold { graph: self.graph, author: *peer, synced: theirs.synced, until };
            until > Timestamp::default()
                && theirs.synced < until + self.tombstone_life() / 2
                && Self::knows_deletes(self.away.fresh)
                && away.holds(record)
        })
    }

    /// Notes a record that came in a comparison: if it is old and its sender not current, it may have been deleted, which
    /// a comparison with a current neighbor that began before cannot tell.
    pub(super) fn weigh(&mut self, now: Now, link: LinkId, session: u32, record: &SignedRecord) {
        let theirs = self.syncs.theirs(link, session).unwrap_or_default();
        let old = record.header().hlc.timestamp() < self.horizon(now);
        if old && !self.is_recent(now, theirs.synced) && !self.is_current(now) {
            self.away.unweighed = self.peer_time(now);
        }
    }

    /// The same of one that was withheld here, and so took part in no comparison.
    pub(super) fn note_old(&mut self, now: Now, record: &SignedRecord) {
        if record.header().hlc.timestamp() < self.horizon(now) && !self.is_current(now) {
            self.away.unweighed = self.peer_time(now);
        }
    }

    /// True if a record may be told to whoever asks for it beside a comparison.
    pub(super) fn may_supply(&self, now: Now, record: &SignedRecord) -> bool {
        let header = record.header();
        let own = header.author() == self.device.peer;
        own || header.hlc.timestamp() >= self.horizon(now) || self.is_current(now)
    }

    /// Forgets old tombstones, unless others may know more of them than this node.
    pub(super) fn collect_old(&mut self, now: Now) -> Result<(), StoreError> {
        if now.mono < self.next_collect {
            return Ok(());
        }
        self.next_collect = now.mono + COLLECT_INTERVAL.min(self.tombstone_life() / 4);
        if self.is_clock_off() {
            return Ok(());
        }
        let horizon = self.horizon(now);
        if self.store.forget_losers(horizon)? > 0 {
            self.meta_written = true;
        }
        if self.is_current(now) && self.store.collect(horizon)? > 0 {
            self.away.fresh.collected = self.away.fresh.collected.max(horizon);
            self.meta_written = true;
        }
        Ok(())
    }

    /// True for a tombstone that is past its life and has nothing to delete here: whoever sends it is about to
    /// forget it as well.
    pub(super) fn is_spent(&self, now: Now, record: &SignedRecord) -> Result<bool, StoreError> {
        let header = record.header();
        let old = header.deleted
            && header.hlc.timestamp() < self.horizon(now)
            && self.is_current(now)
            && !self.is_clock_off();
        // One that cannot be read is replaced.
        Ok(old
            && self.store.get(&record.id()).is_ok_and(|here| here.is_none_or(|here| here.header().deleted)))
    }

    /// A comparison is over, and what it brought is durable.
    pub(super) fn compared(&mut self, now: Now, link: LinkId, whole: bool, session: (Freshness, Timestamp)) {
        let lacked: BTreeSet<RecordKey> =
            self.away.withheld.remove(&link).unwrap_or_default().into_iter().collect();
        if self.is_clock_off() {
            return; // how long anybody was away cannot be told
        }
        if whole {
            // What they have forgotten is not here either, unless it was before.
            let collected = session.0.collected.min(self.horizon(now));
            self.away.fresh.collected = self.away.fresh.collected.max(collected);
        }
        let (theirs, began) = session;
        if whole {
            self.clock.compared(began);
        }
        let was = self.freshness(now).synced;
        let (they, we) = (self.is_recent(now, theirs.synced), self.is_current(now));
        let settled = match self.links.get(&link).copied().filter(|_| Self::knows_deletes(theirs)) {
            Some((node, _)) => self.drop_lacked(now, node, &lacked, whole),
            None => lacked.is_empty(),
        };
        if !whole || !settled {
            return;
        }
        if !(they || we || self.none_current(now)) {
            // Two who were both away: neither learns from the other what the graph forgot.
            return;
        }
        if !we && self.away.unweighed >= began {
            return self.overlay.compare_again(now, link);
        }
        if self.away.alone_since.take().is_some()
            && let Err(error) = self.keep_meta(META_ALONE, &[])
        {
            tracing::error!(%error, "it is not noted that a neighbor is current");
        }
        self.away.fresh.synced = began;
        if !we {
            self.next_collect = now.mono;
            if let Err(error) = self.renew_deletes(now, was) {
                tracing::error!(%error, "deletes that were made while away could not be renewed");
            }
        }
    }

    /// A neighbor that is not current was met by a node that is not. After a tombstone's whole life of that, there is
    /// none left that is.
    fn none_current(&mut self, now: Now) -> bool {
        let peer_now = self.peer_time(now);
        if let Some(since) = self.away.alone_since {
            return peer_now.since(since) >= self.tombstone_life();
        }
        self.away.alone_since = Some(peer_now);
        if let Err(error) = self.keep_meta(META_ALONE, &peer_now.0.to_le_bytes()) {
            tracing::error!(%error, "cannot note that no neighbor is current");
        }
        false
    }

    /// Drops what a neighbor that knows of all deletes lacks. A large part of the database only goes when a second one says the same,
    /// or the first one still does a day later. True if nothing is in doubt any more.
    pub(super) fn drop_lacked(
        &mut self,
        now: Now,
        node: NodeId,
        lacked: &BTreeSet<RecordKey>,
        whole: bool,
    ) -> bool {
        let peer_now = self.peer_time(now);
        let mut doubted = mem::take(&mut self.away.doubted);
        if whole {
            // What this one has, the other one was wrong about.
            doubted.retain(|key, (by, _)| *by == node || lacked.contains(key));
        }
        let many = lacked.len() > AWAY_FEW && lacked.len() as u64 > self.store.count() / 2;
        let noted = self.away.doubt.filter(|(by, _)| *by == node).map_or(peer_now, |(_, since)| since);
        for key in lacked {
            let (by, since) = *doubted.entry(*key).or_insert((node, noted));
            if many && by == node && peer_now.since(since) < AWAY_PATIENCE {
                continue;
            }
            doubted.remove(key);
            match self.store.withdraw(key) {
                Ok(change) => {
                    self.expired.extend(change);
                    self.meta_written = true;
                }
                Err(error) => tracing::error!(%error, "what was deleted elsewhere cannot be dropped"),
            }
        }
        if !doubted.is_empty() {
            tracing::warn!(
                count = doubted.len(),
                "a neighbor lacks most of this database; it is kept for now"
            );
        }
        self.note_doubt((!doubted.is_empty()).then_some((node, noted)));
        self.away.doubted = doubted;
        self.away.doubted.is_empty()
    }

    fn note_doubt(&mut self, doubt: Option<(NodeId, Timestamp)>) {
        // Of several neighbors the first is noted.
        if doubt.is_some() == self.away.doubt.is_some() {
            return;
        }
        self.away.doubt = doubt;
        let bytes = doubt.map(|doubt| postcard::to_stdvec(&doubt).expect("a note always encodes"));
        if let Err(error) = self.keep_meta(META_DOUBT, &bytes.unwrap_or_default()) {
            tracing::error!(%error, "it cannot be noted what a neighbor lacks");
        }
    }

    /// Deletes that this node made while it was away live on from now: others must all hear of them.
    fn renew_deletes(&mut self, now: Now, since: Timestamp) -> Result<(), super::PublishError> {
        let late = self.peer_time(now) - self.tombstone_life() / 2;
        let first = |time| RecordKey { hlc: Hlc::at(time), ..RecordKey::MIN };
        let (from, to) = (first(since), first(late));
        if from >= to {
            return Ok(());
        }
        for key in self.store.keys(&Filter::All, from, Some(to), usize::MAX)? {
            let Some(record) = self.store.fetch(&key)? else { continue };
            let header = record.header();
            if header.deleted && header.author() == self.device.peer && !header.record_type.is_reserved() {
                let again = Header { body_len: 0, ..self.next_header(now, &record) };
                self.put_again(again)?;
            }
        }
        Ok(())
    }
}

/// Time between two sweeps for tombstones past their horizon, at most; a quarter of their life if that is shorter.
const COLLECT_INTERVAL: Duration = Duration::from_secs(3600);
