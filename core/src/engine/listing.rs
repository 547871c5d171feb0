//! Memberships that end with a list of what stays: removals, demotions, leaves.
//!
//! Whoever lists what somebody wrote looks at all of that. That is done in steps, one with each
//! [`flush`](Engine::flush), so that other calls and messages go on meanwhile; what is stored between two steps is listed
//! too. The act names the hashes of the list's chunks, so nothing is signed before the list is complete. Then the chunks
//! are stored, some with each step, and with the last of them the act. If that is cut off, there is no act, and the chunks
//! are thrown out when the acts are read again. Neighbors are sent nothing before the act is there.

use std::collections::{BTreeSet, VecDeque};

use super::{
    Engine, Notice, PublishError,
    ingest::{Source, Staged},
    walk::{Step, Walk},
};
use crate::{
    authority::{Act, Content, Keep, KeepChunk, KeepKey, Remove},
    group::{CredentialFault, Membership},
    ids::PeerId,
    limits::{KEEP_CHUNK, MAX_COMPLETIONS, MAX_KEEP_CHUNKS, STEP_BYTES},
    record::{RecordKey, RecordType, Role, SignedRecord},
    records::{OpenPolicy, Put, Store, StoreError, admit_own},
    time::Now,
};

/// Names a removal, demotion or leave that takes several steps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListingId(u64);

/// What is to be signed once the list is complete.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Remove { peer: PeerId, reason: String, branch: bool, undo: bool },
    Demote { peer: PeerId, role: Role },
    Leave,
}

/// Those under way, in the order in which they were called. One is carried out at a time.
#[derive(Debug, Default)]
pub(super) struct Listings {
    queue: VecDeque<Listing>,
    /// What came of those that are over, told after the commit.
    over: Vec<(ListingId, Result<(), PublishError>)>,
    next: u64,
    /// True in a pause that began after they did.
    rests: bool,
}

#[derive(Debug)]
struct Listing {
    id: ListingId,
    deed: Deed,
    /// Whose records are listed.
    of: BTreeSet<PeerId>,
    /// Listed, and in no chunk yet.
    keys: BTreeSet<KeepKey>,
    chunks: Vec<KeepChunk>,
    stage: Stage,
    /// How often it was completed once more for what came while it was stored.
    again: u8,
}

#[derive(Debug)]
enum Stage {
    /// Versions that lost in conflicts are looked at: these are left.
    Losers(Vec<RecordKey>),
    /// All other records are looked at.
    Records(Walk),
    /// And then those that are withheld: what waits for another list may count by this one.
    Withheld(Walk),
    /// The keys are put into chunks.
    Chunks,
    /// The chunks that this act names are stored; these are.
    Storing { act: Box<Act>, stored: Vec<Staged> },
}

impl Listings {
    /// True if there is something to do at once.
    pub(super) fn is_due(&self) -> bool {
        !self.rests && !self.queue.is_empty()
    }

    /// True while this node's identity is about to leave: nothing that it writes from then on would stay.
    pub(super) fn is_leaving(&self) -> bool {
        self.queue.iter().any(|listing| matches!(listing.deed, Deed::Leave))
    }

    /// Those under way wait for the end of a pause.
    pub(super) const fn rest(&mut self, rests: bool) {
        self.rests = rests;
    }

    /// The acts are read again, without chunks whose act is not there: they are stored once more.
    pub(super) fn rewind(&mut self) {
        for listing in &mut self.queue {
            if matches!(listing.stage, Stage::Storing { .. }) {
                listing.stage = Stage::Chunks;
            }
        }
    }

    /// The batch was lost: whatever had a part in it failed.
    pub(super) fn fail(&mut self, error: &StoreError) {
        for (_, result) in self.over.iter_mut().filter(|(_, result)| result.is_ok()) {
            *result = Err(error.clone().into());
        }
        let storing = |listing: &Listing| matches!(listing.stage, Stage::Storing { .. });
        let (failed, queue) = std::mem::take(&mut self.queue).into_iter().partition(storing);
        self.queue = queue;
        let failed = Vec::<Listing>::from_iter(failed).into_iter();
        self.over.extend(failed.map(|listing| (listing.id, Err(error.clone().into()))));
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    #[cfg(test)]
    pub(super) fn fill_for_test(&mut self, keys: impl Iterator<Item = KeepKey>) {
        self.queue[0].keys.extend(keys);
    }

    /// Lists those as well who came under a branch that is removed meanwhile.
    pub(super) fn widen(&mut self, members: &Membership, store: &dyn Store) {
        for listing in &mut self.queue {
            let Deed::Remove { peer, branch: true, .. } = listing.deed else { continue };
            let branch = members.branch_of(peer).into_iter();
            let fresh: BTreeSet<PeerId> = branch.filter(|peer| !listing.of.contains(peer)).collect();
            match &mut listing.stage {
                Stage::Losers(keys) => keys.extend(store.losers_by(&fresh)),
                Stage::Records(walk) | Stage::Withheld(walk) => {
                    fresh.iter().for_each(|peer| walk.widen(*peer))
                }
                Stage::Chunks | Stage::Storing { .. } => {}
            }
            listing.of.extend(fresh);
        }
    }
}

impl Engine {
    /// Ends a membership, or the part of it above a role, with the list of what these identities wrote. `None`: all of it
    /// was done, and is durable with the next [`flush`](Self::flush). Otherwise it takes more of them, and
    /// [`Notice::Listed`] tells what came of it.
    pub(super) fn end_listing(
        &mut self,
        now: Now,
        deed: Deed,
        of: BTreeSet<PeerId>,
    ) -> Result<Option<ListingId>, PublishError> {
        let stage = Stage::Losers(self.store.losers_by(&of));
        let listings = &mut self.group.listings;
        let id = ListingId(listings.next);
        listings.next += 1;
        listings.rests = false;
        let (keys, chunks) = (BTreeSet::new(), Vec::new());
        listings.queue.push_back(Listing { id, deed, of, keys, chunks, stage, again: 0 });
        self.list_staged();
        let listings = &self.group.listings;
        if listings.queue.len() == 1 {
            // An error of the database is also the result.
            let stepped = self.go_on_listing(now);
            match self.group.listings.over.pop_if(|(over, _)| *over == id) {
                Some((_, result)) => return result.map(|()| None),
                None => stepped?,
            }
        }
        Ok(Some(id))
    }

    /// Does the next step of what is under way.
    pub(super) fn step_listing(&mut self, now: Now) -> Result<(), StoreError> {
        self.list_staged();
        if self.group.listings.is_due() { self.go_on_listing(now) } else { Ok(()) }
    }

    /// Carries out what is under way to its end: no more calls are waited for.
    pub(super) fn finish_listings(&mut self, now: Now) {
        self.group.listings.rests = false;
        while self.group.listings.is_due() {
            if let Err(error) = self.flush(now) {
                tracing::error!(%error, "a removal was cut off by the database");
                return;
            }
        }
    }

    /// Tells what came of those that are over, after the commit.
    pub(super) fn tell_listings(&mut self) {
        let over = std::mem::take(&mut self.group.listings.over).into_iter();
        self.notices.extend(over.map(|(listing, result)| Notice::Listed { listing, result }));
    }

    fn go_on_listing(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(mut listing) = self.group.listings.queue.pop_front() else { return Ok(()) };
        let result = match self.step_of(now, &mut listing) {
            Ok(false) => {
                self.group.listings.queue.push_front(listing);
                return Ok(());
            }
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        let failed = match &result {
            Err(PublishError::Store(error)) => Err(error.clone()),
            Err(_) => self.forget_stored(&listing),
            Ok(()) => Ok(()),
        };
        self.group.listings.over.push((listing.id, result));
        failed
    }

    /// True once all is done.
    fn step_of(&mut self, now: Now, listing: &mut Listing) -> Result<bool, PublishError> {
        let (mut left, mut bytes) = (STEP, 0);
        while left > 0 && bytes <= STEP_BYTES {
            let mut cost = 1;
            match &mut listing.stage {
                Stage::Losers(keys) => match keys.pop() {
                    Some(key) => bytes += self.list_one(listing, self.store.loser(&key))?,
                    None => listing.stage = Stage::Records(Walk::current(listing.of.clone())),
                },
                Stage::Records(walk) => match walk.step(&*self.store)? {
                    Step::Version(key) => bytes += self.list_one(listing, self.store.fetch(&key))?,
                    Step::Read => {}
                    Step::Over => listing.stage = Stage::Withheld(Walk::withheld(listing.of.clone())),
                },
                Stage::Withheld(walk) => match walk.step(&*self.store)? {
                    Step::Version(key) => bytes += self.list_one(listing, self.store.fetch_withheld(&key))?,
                    Step::Read => {}
                    Step::Over => listing.stage = Stage::Chunks,
                },
                Stage::Chunks if listing.keys.is_empty() => return self.sign_listing(now, listing, left),
                Stage::Chunks => {
                    listing.fill_chunk()?;
                    cost = CHUNK_COST;
                }
                Stage::Storing { .. } => return self.store_chunks(now, listing, left),
            }
            left = left.saturating_sub(cost);
        }
        Ok(false)
    }

    /// How many bytes were read.
    fn list_one(
        &mut self,
        listing: &mut Listing,
        found: Result<Option<SignedRecord>, StoreError>,
    ) -> Result<usize, PublishError> {
        let record = match found {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(0),
            Err(StoreError::Damaged(_)) => {
                self.check_all_again();
                return Ok(0);
            }
            Err(error) => return Err(error.into()),
        };
        listing.add(&record, self.group.members.as_ref());
        if listing.keys.len() + listing.chunks.len() * KEEP_CHUNK > MAX_KEEP_CHUNKS * KEEP_CHUNK {
            return Err(PublishError::TooManyToKeep);
        }
        Ok(record.bytes().len())
    }

    /// What is stored while a list is made belongs to it, whatever its place among what was looked at.
    fn list_staged(&mut self) {
        let (members, staged) = (self.group.members.as_ref(), &self.staged);
        for listing in &mut self.group.listings.queue {
            for staged in staged {
                listing.add(staged.record.signed(), members);
                // What won moves to the feed's end when a loser is kept.
                if let Put::Replaced { older: other, .. } | Put::Older { newer: other } = &staged.put {
                    listing.add(other, members);
                }
            }
        }
    }

    /// Signs the act, which names the chunks, and begins to store these.
    fn sign_listing(&mut self, now: Now, listing: &mut Listing, left: usize) -> Result<bool, PublishError> {
        let chunks = listing.chunks.iter().map(KeepChunk::hash).collect();
        let Some(content) = self.content_of(now, &listing.deed, Keep { chunks, cuts: Vec::new() })? else {
            return Ok(true);
        };
        if matches!(listing.deed, Deed::Leave) {
            self.withdraw_presence(now)?;
        }
        let act = Box::new(self.draft_named(now, content)?);
        listing.stage = Stage::Storing { act, stored: Vec::new() };
        self.store_chunks(now, listing, left)
    }

    /// What is to be signed; `None` if it is done otherwise.
    fn content_of(&mut self, now: Now, deed: &Deed, keep: Keep) -> Result<Option<Content>, PublishError> {
        self.check_standing()?;
        Ok(match deed {
            Deed::Leave => Some(Content::Leave(keep)),
            Deed::Remove { peer, reason, branch, undo } => {
                self.check_still(now, deed)?;
                let (subject, reason, branch, undo) = (*peer, reason.clone(), *branch, *undo);
                Some(Content::Remove(Remove { subject, reason, keep, branch, undo }))
            }
            Deed::Demote { peer, role } => {
                let Some(old) = self.demoted_from(now, *peer, *role)? else {
                    // Somebody else gave it this role meanwhile, or a lower one.
                    return self.raise_role(now, *peer, *role).map(|()| None);
                };
                let mut grant = self.draft_role(now, &old, *role)?;
                grant.demotes = Some(keep);
                Some(Content::Grant(grant))
            }
        })
    }

    /// Stores the next chunks, and after the last one the act.
    fn store_chunks(&mut self, now: Now, listing: &mut Listing, left: usize) -> Result<bool, PublishError> {
        let Stage::Storing { act, stored } = &mut listing.stage else { return Ok(false) };
        let some = (left / STORE_COST).max(1);
        for chunk in listing.chunks.iter().skip(stored.len()).take(some) {
            let (header, body) = chunk.to_record(act.body());
            let signed = self.stamper.sign(header, &body);
            let genesis = self.genesis.as_ref().ok_or(PublishError::NeverSynchronized)?;
            // No act names it yet, by which the membership would judge it.
            let record = admit_own(signed, None, genesis, &OpenPolicy).map_err(PublishError::NotAllowed)?;
            let put = self.store.put(&record)?;
            self.stamper.observe(record.signed().header().hlc);
            self.meta_written = true;
            stored.push(Staged { record, put, source: Source::Local, kept: None });
        }
        if stored.len() < listing.chunks.len() {
            return Ok(false);
        }
        if !listing.keys.is_empty() && listing.again < MAX_COMPLETIONS {
            // Something was stored meanwhile, and shown: it belongs to the list, which the act names.
            listing.again += 1;
            self.forget_stored(listing)?;
            listing.stage = Stage::Chunks;
            return Ok(false);
        }
        self.check_still(now, &listing.deed)?;
        self.put_act(act.to_record())?;
        let stored = std::mem::take(stored);
        if let Some(members) = &mut self.group.members {
            for (chunk, staged) in std::mem::take(&mut listing.chunks).into_iter().zip(&stored) {
                members.enter_chunk(chunk, staged.record.signed());
            }
        }
        // Others get the act after all of its list: whoever hears that this identity left takes nothing more from it.
        let act = self.staged.pop();
        self.staged.extend(stored.into_iter().chain(act));
        self.learn(now)?;
        if !matches!(listing.deed, Deed::Leave) {
            self.pass_on_verifier(now);
            self.hasten_epochs();
        }
        Ok(true)
    }

    /// Whether this identity may still sign what it began to.
    fn check_still(&self, now: Now, deed: &Deed) -> Result<(), PublishError> {
        self.check_standing()?;
        self.own_standing()?;
        match deed {
            Deed::Leave => {}
            Deed::Remove { peer, undo: true, .. } => {
                self.own_with(|members, own| members.may_undo(own, *peer))?;
            }
            Deed::Remove { peer, .. } => {
                self.own_with(|members, own| members.may_end(own, *peer, None))?;
            }
            Deed::Demote { peer, role } => {
                self.demoted_from(now, *peer, *role)?.ok_or(CredentialFault::NotAMember)?;
            }
        }
        Ok(())
    }

    /// Takes the chunks of what came to nothing out of the database.
    fn forget_stored(&mut self, listing: &Listing) -> Result<(), StoreError> {
        let Stage::Storing { stored, .. } = &listing.stage else { return Ok(()) };
        for staged in stored {
            self.store.discard(&staged.record.signed().key())?;
            self.meta_written = true;
        }
        Ok(())
    }
}

impl Listing {
    /// Lists a version, if it is by one of those in question and stays.
    fn add(&mut self, record: &SignedRecord, members: Option<&Membership>) {
        let header = record.header();
        // Acts stand by their past, and presence ends with the membership.
        if [RecordType::CREDENTIAL, RecordType::PRESENCE].contains(&header.record_type.as_str()) {
            return;
        }
        let (wrote, made) = (self.of.contains(&header.author()), self.of.contains(&header.creator));
        if !wrote && !made {
            return;
        }
        if let Deed::Demote { role, .. } = self.deed
            && !members.is_some_and(|members| members.needs_more_than(record, role, (wrote, made)))
        {
            return;
        }
        self.keys.extend(wrote.then(|| *record.key().element.as_bytes()));
        self.keys.extend(made.then(|| *record.id().as_bytes()));
    }

    /// Takes the first keys out for a chunk.
    fn fill_chunk(&mut self) -> Result<(), PublishError> {
        let mut keys = Vec::with_capacity(self.keys.len().min(KEEP_CHUNK));
        while keys.len() < KEEP_CHUNK {
            let Some(key) = self.keys.pop_first() else { break };
            keys.push(key);
        }
        self.chunks.push(KeepChunk::new(keys).map_err(CredentialFault::from)?);
        if self.chunks.len() > MAX_KEEP_CHUNKS {
            return Err(PublishError::TooManyToKeep);
        }
        Ok(())
    }
}

/// What one step may cost, in records looked at: about two milliseconds.
const STEP: usize = 512;
/// What it costs to fill a chunk and to hash it.
const CHUNK_COST: usize = 32;
/// What it costs to sign and to store one.
const STORE_COST: usize = 64;
