//! Links held to membership before they are made, by what is known here and by what the other end shows.

use bytes::Bytes;

use super::{Engine, JoinFailure, ingest::Candidate};
use crate::{
    authority::{Act, Content},
    group::Membership,
    ids::{LinkId, PeerId},
    limits::{
        ENDING_BYTES, ENDING_PAUSE, MAX_ENDING_ACTS, MAX_PAPERS_TIME, PAPERS_PATIENCE, PAPERS_PAUSE,
        SKEW_HOLD,
    },
    record::{DeviceCertificate, SignedRecord},
    records::StoreError,
    time::{Mono, Now, Timestamp},
    wire::{Message, Purpose, VERSION},
};

const META_PAPERS: &str = "papers";

/// Acts that make this node's identity a member before the acts in their past are here.
#[derive(Debug, Default)]
pub(super) struct Papers {
    pub(super) records: Vec<Bytes>,
    pub(super) acts: Vec<Act>,
}

/// What the other end of a link showed whose acts are not here. The link rests on it until they are, and not for long.
#[derive(Debug)]
pub(super) struct Shown {
    peer: PeerId,
    papers: Papers,
    /// The member by whose word it is; `None`: the creator, or nobody is known yet.
    by: Option<PeerId>,
    since: Mono,
    /// When it ends unless its acts are here.
    until: Mono,
    /// Acts were compared: what was to come has come.
    compared: bool,
}

impl Shown {
    fn is_over(&self, now: Mono) -> bool {
        self.compared || self.until <= now
    }

    /// True if a link with an identity can rest on this.
    pub(super) fn vouches(&self, peer: &PeerId, members: &Membership, now: Now, peer_now: Timestamp) -> bool {
        self.peer == *peer
            && !self.is_over(now.mono)
            && members.vouched(*peer, &self.papers.acts, Some(peer_now)).is_some()
    }
}

impl Engine {
    /// Messages that set a link up are held to membership before the overlay sees them.
    pub(super) fn on_message(&mut self, now: Now, link: LinkId, message: Message) {
        if self.group.members.is_some() || self.genesis.is_none() {
            match &message {
                Message::Connect(connect) if connect.purpose != Purpose::Join => {
                    // Who is no member itself lets nobody connect.
                    let own = self.group.own.is_some();
                    let device = &connect.device;
                    if !own || !self.is_welcome(now, link, device, &connect.credentials) {
                        let acts = if own { self.what_ended(now, link, device) } else { Vec::new() };
                        return self.overlay.refuse(link, acts);
                    }
                }
                Message::Connect(connect) => {
                    self.group.joins.devices.insert(link, connect.device.clone());
                }
                Message::Welcome(welcome) if welcome.genesis.is_group() => {
                    if self.genesis.is_none() && welcome.genesis.id() == self.graph {
                        // A joiner: the first thing it learns is what it can hold the other end to.
                        self.overlay.set_genesis(welcome.genesis.clone());
                        self.learn_genesis(now, welcome.genesis.clone());
                    }
                    if welcome.genesis.rules.as_ref().is_some_and(|rules| rules.min_version > VERSION) {
                        return self.overlay.drop_for_version(now, link);
                    }
                    let device = &welcome.device;
                    if !self.is_welcome(now, link, device, &welcome.credentials) {
                        return self.overlay.distrust(now, link);
                    }
                }
                Message::Refuse(refuse) if self.overlay.awaits_welcome(link) => {
                    self.hear_what_ended(&refuse.acts)
                }
                _ => {}
            }
        }
        self.overlay.handle_message(now, link, message);
    }

    /// True if an identity is a member by what is known here, or by what it shows together with that.
    fn is_welcome(&mut self, now: Now, link: LinkId, device: &DeviceCertificate, shown: &[Bytes]) -> bool {
        let (peer, node) = (device.peer, device.node);
        let peer_now = self.membership_time(now);
        let Some(members) = &self.group.members else { return self.genesis.is_some() };
        if members.is_device_revoked(peer, node) {
            return false;
        }
        if members.is_member(peer, peer_now) {
            return true;
        }
        // Whoever has somebody's papers is not that one.
        if !device.verify() {
            return false;
        }
        let Some(acts) = self.read_papers(shown) else { return false };
        let papers = Papers { records: shown.to_vec(), acts };
        let Some((by, since)) = self.rests_since(now, peer, peer_now, &papers.acts) else { return false };
        // A node that has nothing yet has nothing to keep from anybody, and all to wait for.
        let patience = if self.usable { PAPERS_PATIENCE } else { MAX_PAPERS_TIME };
        let until = since + patience;
        self.group.shown.insert(link, Shown { peer, papers, by, since, until, compared: false });
        self.hand_over_papers(now);
        true
    }

    /// The member behind these papers, and since when links rest on its word; `None` if they are worth nothing, or that was
    /// for too long.
    fn rests_since(
        &mut self,
        now: Now,
        peer: PeerId,
        peer_now: Timestamp,
        acts: &[Act],
    ) -> Option<(Option<PeerId>, Mono)> {
        let members = self.group.members.as_ref()?;
        members.vouched(peer, acts, Some(peer_now))?;
        self.group.unproven.retain(|_, since| now.mono.since(*since) < PAPERS_PAUSE);
        // All that the creator says holds, and to know nobody else is to know nothing yet.
        let by = members.voucher(peer, acts).filter(|by| self.usable && *by != members.creator());
        let since = by.map_or(now.mono, |by| *self.group.unproven.entry(by).or_insert(now.mono));
        (now.mono.since(since) < PAPERS_PATIENCE).then_some((by, since))
    }

    /// Gives the acts that others and this node show to the set, once those before them are here: whoever let them in may be
    /// away.
    pub(super) fn hand_over_papers(&mut self, now: Now) {
        let Some(members) = &self.group.members else { return };
        let max = self.max_record();
        let shown = self.group.shown.values().map(|shown| &shown.papers).chain([&self.group.papers]);
        let lacking = shown.flat_map(|papers| papers.acts.iter().zip(&papers.records));
        let lacking = lacking.filter(|(act, _)| !members.has(&act.id()));
        let decoded =
            lacking.filter_map(|(_, bytes)| SignedRecord::decode(&self.graph, bytes.clone(), max).ok());
        let fits = |record: &SignedRecord| !self.is_known(now, &record.key()) && members.vet(record).is_ok();
        let ready: Vec<SignedRecord> = decoded.filter(fits).collect();
        for record in ready {
            if self.incoming_keys.insert(record.key()) {
                self.incoming.push(Candidate::held(record));
            }
        }
    }

    /// Acts were compared on this link.
    pub(super) fn acts_compared(&mut self, link: LinkId) {
        if let Some(shown) = self.group.shown.get_mut(&link) {
            shown.compared = true;
            self.group.expel_later();
        }
    }

    /// Records come on this link: what it rests on may be on its way.
    pub(super) fn papers_progress(&mut self, now: Now, link: LinkId) {
        if let Some(shown) = self.group.shown.get_mut(&link) {
            shown.until = (now.mono + PAPERS_PATIENCE).min(shown.since + MAX_PAPERS_TIME);
        }
    }

    /// When a link next ends that rests on what was shown.
    pub(super) fn papers_due(&self) -> Option<Mono> {
        self.group.shown.values().map(|shown| shown.until).min()
    }

    /// Looks at what links rest on, if the time of one is over.
    pub(super) fn maintain_papers(&mut self, now: Now) {
        if self.papers_due().is_some_and(|at| at <= now.mono) {
            self.group.expel_later();
        }
    }

    /// Forgets what links need to rest on no longer, or may not.
    pub(super) fn settle_papers(&mut self, now: Now, peer_now: Timestamp) {
        let Some(members) = &self.group.members else { return };
        let (shown, unproven) = (&mut self.group.shown, &mut self.group.unproven);
        shown.retain(|_, shown| {
            let is_member = members.is_member(shown.peer, peer_now);
            if let Some(by) = shown.by.filter(|_| is_member) {
                unproven.remove(&by);
            }
            !is_member && !shown.is_over(now.mono)
        });
    }

    /// The acts by which a removed identity learns that it was, if it is the identity that dialled. It was a member when most of
    /// them were made, and they name no address. Told once in a while: to find them costs many reads.
    fn what_ended(&mut self, now: Now, link: LinkId, device: &DeviceCertificate) -> Vec<Bytes> {
        let Some(members) = &self.group.members else { return Vec::new() };
        let is_theirs = self.overlay.peer_of(link).is_some_and(|(node, ..)| node == device.node);
        if !is_theirs || !members.was_removed(device.peer) || !device.verify() {
            return Vec::new();
        }
        self.group.told_ending.retain(|_, at| now.mono.since(*at) < ENDING_PAUSE);
        if self.group.told_ending.contains_key(&device.peer) {
            return Vec::new();
        }
        self.group.told_ending.insert(device.peer, now.mono);
        let (mut acts, mut bytes) = (Vec::new(), 0);
        for id in members.what_ended(device.peer).take(MAX_ENDING_ACTS) {
            let stored = members.key_of(&id).and_then(|key| self.store.fetch(&key).ok().flatten());
            let Some(stored) = stored else { break };
            bytes += stored.bytes().len();
            if bytes > ENDING_BYTES {
                break;
            }
            acts.push(stored.bytes().clone());
        }
        acts.reverse();
        acts
    }

    /// Another node says that this identity was removed: the acts are held to the same rules as all others.
    fn hear_what_ended(&mut self, acts: &[Bytes]) {
        let (Some(members), max) = (&self.group.members, self.max_record()) else { return };
        let decoded =
            acts.iter().filter_map(|bytes| SignedRecord::decode(&self.graph, bytes.clone(), max).ok());
        // It says so at each try.
        let is_news = |record: &SignedRecord| Act::of(record).is_some_and(|act| !members.has(&act.id()));
        let news: Vec<_> = decoded.filter(is_news).map(Candidate::held).collect();
        self.incoming.extend(news);
    }

    /// The acts in these records; `None` if one is no act, or nobody signed it.
    fn read_papers(&self, records: &[Bytes]) -> Option<Vec<Act>> {
        let max = self.max_record();
        let members = self.group.members.as_ref()?;
        let read = records.iter().map(|bytes| {
            let record = SignedRecord::decode(&self.graph, bytes.clone(), max).ok()?;
            let act = Act::of(&record)?;
            (members.has(&act.id()) || record.verify(&self.graph)).then_some(act)
        });
        read.collect()
    }

    /// Takes in a chain of grants that makes this identity a member. It takes the place of what this node showed before,
    /// which may be worth nothing any more.
    ///
    /// # Errors
    /// [`JoinFailure::BadGrant`] if it does not.
    pub fn accept_chain(&mut self, now: Now, chain: Vec<Bytes>) -> Result<(), JoinFailure> {
        let acts = self.read_papers(&chain).ok_or(JoinFailure::BadGrant)?;
        self.take_papers(now, chain)?;
        let me = self.device.peer;
        let is_own = |act: &&Act| matches!(&act.body().content, Content::Grant(grant) if grant.subject == me);
        let members = self.group.members.as_ref().ok_or(JoinFailure::BadGrant)?;
        // Whoever is a member already, as far as is known here, can be given something worthless all the same.
        let last = acts.iter().rev().find(is_own).ok_or(JoinFailure::BadGrant)?;
        let holds = members.has(&last.id()) || members.vouched(me, &acts, None).is_some();
        if holds && self.group.own.is_some() { Ok(()) } else { Err(JoinFailure::BadGrant) }
    }

    /// Keeps what shows that this identity is or was a member.
    pub(super) fn take_papers(&mut self, now: Now, chain: Vec<Bytes>) -> Result<(), JoinFailure> {
        let peer_now = self.peer_time(now);
        let acts = self.read_papers(&chain).ok_or(JoinFailure::BadGrant)?;
        // Our clock runs on from the latest that was taken in: none may be led into the future.
        if acts.iter().any(|act| act.body().at.since(peer_now) > SKEW_HOLD) {
            return Err(JoinFailure::BadGrant);
        }
        let members = self.group.members.as_ref().ok_or(JoinFailure::BadGrant)?;
        if members.vouched(self.device.peer, &acts, None).is_some() {
            let kept = postcard::to_stdvec(&chain).expect("bytes always encode");
            self.keep_meta(META_PAPERS, &kept).map_err(|error| {
                tracing::error!(%error, "the membership that was given cannot be stored");
                JoinFailure::BadGrant
            })?;
            self.group.papers = Papers { records: chain, acts };
        }
        self.refresh_standing(now);
        Ok(())
    }

    /// True if this identity is a member by what it shows alone: the acts behind it are not here yet.
    pub fn rests_on_papers(&self) -> bool {
        let grant = self.group.own.as_ref().and_then(|own| own.grant);
        grant.zip(self.membership()).is_some_and(|(grant, members)| !members.has(&grant))
    }

    /// Reads from the database what this node's identity shows.
    pub(super) fn load_papers(&mut self) -> Result<(), StoreError> {
        let kept = self.store.meta(META_PAPERS)?;
        let records =
            kept.and_then(|kept| postcard::from_bytes::<Vec<Bytes>>(&kept).ok()).unwrap_or_default();
        if let Some(acts) = self.read_papers(&records) {
            self.group.papers = Papers { records, acts };
        }
        Ok(())
    }
}
