//! Making two databases equal: range-based set reconciliation (Meyer, arXiv 2212.13567) over keys ordered by time.
//!
//! [`Syncs`] is the pure machine of all sessions of one graph on one node. It reads the store and never writes it.
//! Records only travel because their receiver asked for them, within a window, so nobody waits for a peer and memory
//! is bounded. A session that breaks off leaves nothing behind: the next one begins with what differs then.
//!
//! ```text
//! Open ->            the whole in short, and the types that come first
//! <- Compared        equal, or which types differ: a phase for each of those, then one for all
//! <- Ranges ->       fingerprints, narrowed until keys are listed
//! <- Have ->         keys the other side lacks
//! <- Fetch, Pull ->  records wanted, by key or by range;  <- Sent, records -> the answer
//! Done ->
//! ```

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::collections::{BTreeMap, VecDeque};

use crate::{
    ids::LinkId,
    limits::{MAX_RANGES, MAX_SERVED_SYNCS},
    record::{RecordKey, RecordType},
    records::{Store, StoreError},
    time::{Mono, Now},
    wire::{Digest, Filter, Freshness, SyncMessage, TypeDigest},
};

mod away;
mod claims;
mod fetching;
mod output;
mod ranges;
mod serving;
mod session;
#[cfg(test)]
pub(super) mod tests;

pub use away::{Footing, Withhold};
use claims::Claims;
pub use output::{SessionProgress, SyncAbort, SyncConfig, SyncFault, SyncOutcome, SyncOutput};
use session::{Context, Session};

/// A session is named by its link and whether this side opened it: there may be one each way.
type Owner = (LinkId, bool);

/// All sessions of one graph on one node.
#[derive(Default, Debug)]
pub struct Syncs {
    config: SyncConfig,
    footing: Footing,
    sessions: BTreeMap<Owner, Session>,
    claims: Claims,
    out: VecDeque<SyncOutput>,
    last_id: u32,
}

impl Syncs {
    /// Compares credentials first, from the next session on.
    pub const fn set_credentials(&mut self, first: bool) {
        self.config.credentials = first;
    }

    /// Says anew how current the database is. Before opening a session and before handling messages.
    pub const fn set_footing(&mut self, footing: Footing) {
        self.footing = footing;
    }

    /// A machine without sessions.
    pub fn new(config: SyncConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Opens a session. False if this side has one open on this link.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was opened.
    pub fn open(&mut self, now: Now, link: LinkId, store: &dyn Store) -> Result<bool, StoreError> {
        if self.sessions.contains_key(&(link, true)) {
            return Ok(false);
        }
        let mut types = Vec::new();
        if self.config.credentials {
            types.push(RecordType::credential());
        }
        types.extend([RecordType::properties(), RecordType::presence()]);
        for record_type in &self.config.precedence {
            if types.len() < MAX_RANGES && !types.contains(record_type) {
                types.push(record_type.clone());
            }
        }
        let mut digests = Vec::with_capacity(types.len());
        for record_type in &types {
            let digest = type_digest(store, record_type)?;
            digests.push(TypeDigest { record_type: record_type.clone(), digest });
        }
        let root = store.root();
        self.last_id = self.last_id.wrapping_add(1);
        let plan = types.into_iter().map(|t| (t, false)).collect();
        let mut session = Session::new((link, true), self.last_id, plan, root.count, now.mono);
        session.began = self.footing.now;
        self.sessions.insert((link, true), session);
        let (session, fresh) = (self.last_id, self.footing.ours);
        let message = SyncMessage::Open { session, digest: root.into(), types: digests, fresh };
        self.out.push_back(SyncOutput::Send { link, message });
        Ok(true)
    }

    /// Takes in a message. Afterwards and whenever there is room, call [`bulk_room`](Self::bulk_room): requests are
    /// only answered there.
    ///
    /// # Errors
    /// [`SyncFault`]; the session is over.
    pub fn handle(
        &mut self,
        now: Now,
        link: LinkId,
        message: SyncMessage,
        store: &dyn Store,
    ) -> Result<(), SyncFault> {
        let (id, by_initiator) = message.session();
        let done = match message {
            SyncMessage::Open { session, digest, types, fresh } => {
                self.accept(now, link, session, (digest, fresh), types, store)
            }
            message => {
                let owner = (link, !by_initiator);
                let known = self.sessions.get(&owner).is_some_and(|session| session.id == id);
                if known {
                    self.step(owner, now, |session, context| session.handle(message, store, context))
                } else {
                    if !matches!(message, SyncMessage::Abort { .. } | SyncMessage::Done { .. }) {
                        let message = SyncMessage::Abort { session: id, initiator: !by_initiator };
                        self.out.push_back(SyncOutput::Send { link, message });
                    }
                    Ok(())
                }
            }
        };
        self.settle(now);
        done
    }

    /// Records of a session were received and admitted, rejected or known: they need not come again. Tell of every
    /// one that came, after it was stored. `new`: they were not here before.
    pub fn arrived(&mut self, now: Now, link: LinkId, session: u32, keys: &[RecordKey], new: bool) {
        let concerned =
            |(owner, other): &(&Owner, &Session)| owner.0 == link || other.fetching.waits_for_others();
        let concerned: Vec<Owner> = self.sessions.iter().filter(concerned).map(|(owner, _)| *owner).collect();
        let mut context =
            Context { now: now.mono, out: &mut self.out, claims: &mut self.claims, footing: &self.footing };
        for key in keys {
            context.claims.free(key);
            for (owner, other) in &mut self.sessions {
                if owner.0 == link && other.id == session {
                    other.arrived(key, new, &mut context);
                }
                other.fetching.is_here(key);
            }
        }
        for owner in concerned {
            // Without a message or the store nothing can fail.
            let _ = self.step(owner, now, |session, context| {
                if session.fetching.waits_for_others() {
                    session.touch(context.now);
                }
                Ok(session.pump(context))
            });
        }
        self.settle(now);
    }

    /// Part of a large record arrived on this link. True if a session there waits for records: it waits on, as do those
    /// that wait for what it has asked for. Their other sides hear so now and then, for they hear nothing else meanwhile.
    pub fn arriving(&mut self, now: Now, link: LinkId) -> bool {
        self.claims.arriving(link, now.mono);
        let awaited = self.wait_on(now, self.owners_of(link));
        if awaited {
            let waits = |session: &Session| session.fetching.waits_for_others();
            let others = self.sessions.iter().filter(|(owner, session)| owner.0 != link && waits(session));
            self.wait_on(now, others.map(|(owner, _)| *owner).collect());
        }
        awaited
    }

    /// True if one of these sessions waits for records, and waits on.
    fn wait_on(&mut self, now: Now, owners: Vec<Owner>) -> bool {
        let mut awaited = false;
        for owner in owners {
            // Without a message or the store nothing can fail.
            let _ = self.step(owner, now, |session, context| {
                awaited |= session.wait_on(context);
                Ok(None)
            });
        }
        awaited
    }

    /// Sends up to about `room` bytes of the records that were asked for on this link.
    ///
    /// # Errors
    /// [`SyncFault::Store`]; the session is over.
    pub fn bulk_room(
        &mut self,
        now: Now,
        link: LinkId,
        mut room: usize,
        store: &dyn Store,
    ) -> Result<(), SyncFault> {
        let mut done = Ok(());
        while done.is_ok() {
            let mut moved = false;
            for owner in self.owners_of(link) {
                if room == 0 || !self.sessions.get(&owner).is_some_and(Session::is_asked) {
                    continue;
                }
                moved = true;
                done = self.step(owner, now, |session, context| {
                    let (bytes, outcome) = session.serve(room, store, context)?;
                    room = room.saturating_sub(bytes);
                    Ok(outcome)
                });
            }
            if !moved {
                break;
            }
        }
        self.settle(now);
        done
    }

    /// Gives up all sessions: what they brought could not be stored.
    pub fn give_up(&mut self, now: Now) {
        for owner in self.sessions.keys().copied().collect::<Vec<_>>() {
            let _ = self.step(owner, now, |session, context| {
                Ok(Some(session.give_up(SyncAbort::StoreFailed, context)))
            });
        }
        self.settle(now);
    }

    /// The link is gone; its sessions are over.
    pub fn link_closed(&mut self, link: LinkId) {
        for owner in self.owners_of(link) {
            self.end(owner, SyncOutcome::Aborted(SyncAbort::LinkClosed));
        }
        self.claims.forget(link);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.claims.expire(now.mono);
        let late: Vec<Owner> =
            self.sessions.iter().filter(|(_, s)| s.deadline() <= now.mono).map(|(owner, _)| *owner).collect();
        for owner in late {
            let _ = self
                .step(owner, now, |session, context| Ok(Some(session.give_up(SyncAbort::TimedOut, context))));
        }
        self.settle(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let sessions = self.sessions.values().map(Session::deadline).min();
        if !self.sessions.values().any(|session| session.fetching.waits_for_others()) {
            return sessions;
        }
        // A link that closed freed what others wait for.
        let freed = self.claims.freed.then_some(Mono::default());
        [freed, sessions, self.claims.next_deadline()].into_iter().flatten().min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<SyncOutput> {
        self.out.pop_front()
    }

    /// What the other side said of its database when a session began.
    pub fn theirs(&self, link: LinkId, session: u32) -> Option<Freshness> {
        let own = |initiator| self.sessions.get(&(link, initiator)).filter(|s| s.id == session);
        own(true).or_else(|| own(false)).map(|s| s.theirs)
    }

    /// How far the sessions are.
    pub fn progress(&self) -> Vec<SessionProgress> {
        let progress = |(owner, session): (&Owner, &Session)| SessionProgress {
            link: owner.0,
            received: session.received,
            expected: session.expected,
        };
        self.sessions.iter().map(progress).collect()
    }

    /// How many records are missing here that has `count`, by the word of the others: as many as the one who has most
    /// of them says. Several may send them.
    pub fn outstanding(&self, count: u64) -> u64 {
        self.sessions.values().map(|session| session.outstanding(count)).max().unwrap_or_default()
    }

    fn owners_of(&self, link: LinkId) -> Vec<Owner> {
        [(link, false), (link, true)].into_iter().filter(|owner| self.sessions.contains_key(owner)).collect()
    }

    fn accept(
        &mut self,
        now: Now,
        link: LinkId,
        id: u32,
        (theirs, fresh): (Digest, Freshness),
        types: Vec<TypeDigest>,
        store: &dyn Store,
    ) -> Result<(), SyncFault> {
        let owner = (link, false);
        if self.sessions.contains_key(&owner) {
            self.end(owner, SyncOutcome::Aborted(SyncAbort::Replaced));
        }
        if self.sessions.keys().filter(|(_, ours)| !ours).count() >= MAX_SERVED_SYNCS {
            let message = SyncMessage::Abort { session: id, initiator: false };
            self.out.push_back(SyncOutput::Send { link, message });
            return Ok(());
        }
        let root = store.root();
        let equal = theirs.same(&root.into());
        let mut plan = Vec::with_capacity(types.len());
        let mut differing = Vec::new();
        for (at, TypeDigest { record_type, digest }) in (0..).zip(types) {
            let differs = !equal && !digest.same(&type_digest(store, &record_type)?);
            if differs {
                differing.push(at);
            }
            plan.push((record_type, differs));
        }
        let message = SyncMessage::Compared {
            session: id,
            equal,
            differing,
            count: root.count,
            fresh: self.footing.ours,
        };
        self.out.push_back(SyncOutput::Send { link, message });
        let mut session = Session::new(owner, id, plan, root.count, now.mono);
        session.began = self.footing.now;
        session.learn_freshness(fresh, &self.footing);
        session.their_count = theirs.count;
        self.sessions.insert(owner, session);
        self.step(owner, now, |session, context| {
            if equal {
                session.skip_all(context);
                return Ok(Some(SyncOutcome::Equal));
            }
            session.begin(store, context)
        })
    }

    /// Lets a session act; ends it when it says so or fails.
    fn step(
        &mut self,
        owner: Owner,
        now: Now,
        act: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Option<SyncOutcome>, SyncFault>,
    ) -> Result<(), SyncFault> {
        let Some(session) = self.sessions.get_mut(&owner) else { return Ok(()) };
        let mut context =
            Context { now: now.mono, out: &mut self.out, claims: &mut self.claims, footing: &self.footing };
        match act(session, &mut context) {
            Ok(None) => Ok(()),
            Ok(Some(outcome)) => {
                self.end(owner, outcome);
                Ok(())
            }
            Err(fault) => {
                self.end(owner, SyncOutcome::Aborted(SyncAbort::ByPeer));
                Err(fault)
            }
        }
    }

    fn end(&mut self, owner: Owner, outcome: SyncOutcome) {
        if let Some(Session { theirs, began, .. }) = self.sessions.remove(&owner) {
            self.claims.free_all(owner);
            let (link, initiator) = owner;
            self.out.push_back(SyncOutput::Finished { link, initiator, outcome, theirs, began });
        }
    }

    /// Lets sessions go on that waited for what others had claimed.
    fn settle(&mut self, now: Now) {
        while std::mem::take(&mut self.claims.freed) {
            let waiting: Vec<Owner> = self
                .sessions
                .iter()
                .filter(|(_, session)| session.fetching.waits_for_others())
                .map(|(owner, _)| *owner)
                .collect();
            for owner in waiting {
                let _ = self.step(owner, now, |session, context| Ok(session.reconsider(context)));
            }
        }
    }
}

fn type_digest(store: &dyn Store, record_type: &RecordType) -> Result<Digest, StoreError> {
    Ok(store.fingerprint(&Filter::Only(record_type.clone()), RecordKey::MIN, None)?.into())
}
