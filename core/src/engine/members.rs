//! Membership at work: credentials learnt from records, links held to them, records withdrawn with their author,
//! members told of.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    Engine, PublishError,
    epochs::EpochState,
    ingest::{Candidate, Source, Staged},
    joining::Joins,
    refused::Because,
};
use crate::{
    events::{Event, MemberChange, MemberInfo, NodeInfo},
    group::{
        Credential, CredentialFault, CredentialId, Membership, Standing, Throttle, credential_id, shown_name,
    },
    ids::{ConnectionId, LinkId, NodeId, PeerId},
    record::{Header, RecordKey, RecordType, SignedRecord},
    records::{RecordPolicy, StoreError, Verdict, admit_own},
    time::{Mono, Now, Timestamp},
    wire::{Filter, Message, Purpose, VERSION},
};

/// What the engine knows of its group; empty in a plain graph.
#[derive(Debug, Default)]
pub(super) struct GroupState {
    pub(super) members: Option<Membership>,
    /// What this node's identity is now.
    pub(super) own: Option<Standing>,
    pub(super) exporters: BTreeMap<LinkId, [u8; 32]>,
    pub(super) joins: Joins,
    pub(super) throttle: Throttle,
    pub(super) epochs: EpochState,
    /// The names that members have stated.
    pub(super) names: BTreeMap<PeerId, String>,
    /// The members as they were last told of.
    pub(super) told: BTreeMap<PeerId, MemberInfo>,
    /// True if links may have to end.
    expel: bool,
    /// True if members may have changed since they were last told of.
    pub(super) changed: bool,
    /// When time alone changes who is a member, or something is to be renewed.
    pub(super) next_check: Option<Mono>,
    /// When renewals are looked for next.
    pub(super) next_renewal: Mono,
}

impl GroupState {
    /// By which this node's identity signs.
    pub(super) fn own_grant(&self) -> Option<CredentialId> {
        self.own.as_ref().and_then(|standing| standing.grant)
    }

    /// When the membership of this node's identity began.
    pub(super) fn own_since(&self) -> Timestamp {
        let grant = self.members.as_ref().zip(self.own.as_ref()).and_then(|(all, own)| all.grant_of(own));
        grant.map(|grant| grant.not_before).unwrap_or_default()
    }

    pub(super) const fn expel_later(&mut self) {
        self.expel = true;
    }

    /// Gives the join of our own that the link was for, if it has no answer yet.
    pub(super) fn forget_link(&mut self, link: LinkId) -> Option<ConnectionId> {
        self.exporters.remove(&link);
        self.joins.forget(link)
    }
}

impl Engine {
    /// Who may write what.
    pub(super) fn policy(&self) -> &dyn RecordPolicy {
        match &self.group.members {
            Some(members) => members,
            None => &*self.policy,
        }
    }

    /// Begins to judge by membership, once the genesis is known and if it is a group's.
    pub(super) fn begin_group(&mut self, now: Now) -> Result<(), StoreError> {
        self.group.members = self.genesis.as_ref().and_then(Membership::new);
        if self.group.members.is_some() {
            self.syncs.set_credentials(true);
            self.reload_members(now)?;
        }
        Ok(())
    }

    /// Reads all credentials again from the database.
    pub(super) fn reload_members(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(mut members) = self.genesis.as_ref().and_then(Membership::new) else { return Ok(()) };
        let only = Filter::Only(RecordType::credential());
        let (envelopes, _) = self.store.envelopes(&only, RecordKey::MIN, None, usize::MAX)?;
        let decoded = envelopes.into_iter().filter_map(|b| SignedRecord::decode_stored(&self.graph, b).ok());
        let mut waiting: Vec<SignedRecord> = decoded.collect();
        // Rights rest on these: an altered file must not give any, not even until all of it was checked.
        let unsound: BTreeSet<RecordKey> = self.unsound(now, &waiting);
        waiting.retain(|record| !unsound.contains(&record.key()));
        // Parents first; what never fits is damaged and goes with the check of stored records.
        loop {
            let (fit, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|r| members.vet(r).is_ok());
            if fit.is_empty() {
                break;
            }
            members.learn_all(&fit);
            waiting = rest;
        }
        self.group.members = Some(members);
        self.load_names()?;
        self.group.changed = true;
        self.group.expel = true;
        self.refresh_standing(now);
        Ok(())
    }

    /// Takes in credentials that were just stored, and carries out what follows for the database. True if there were
    /// any.
    pub(super) fn learn(&mut self, now: Now, records: &[SignedRecord]) -> Result<bool, StoreError> {
        let Some(members) = &mut self.group.members else { return Ok(false) };
        let records: Vec<&SignedRecord> =
            records.iter().filter(|r| r.header().record_type == RecordType::CREDENTIAL).collect();
        if records.is_empty() {
            return Ok(false);
        }
        let voids = members.learn_all(records.iter().copied());
        // Before what is void now is noted.
        self.refused.forget(Because::Members);
        let holds = self.drop_self_void(now, &records)?;
        if voids && holds {
            self.withdraw_void(now)?;
        }
        self.group.changed = true;
        self.group.expel = true;
        self.refresh_standing(now);
        for record in records {
            let released = self.deferred.release(&credential_id(record));
            self.incoming.extend(released.into_iter().map(Candidate::held));
        }
        Ok(true)
    }

    /// Drops credentials that were just learnt and do not hold by what they say themselves, before they make anything
    /// else void. False if none is left.
    fn drop_self_void(&mut self, now: Now, records: &[&SignedRecord]) -> Result<bool, StoreError> {
        let void = |record: &&&SignedRecord| self.policy().check(record, None) != Verdict::Accept;
        let void: Vec<&SignedRecord> = records.iter().filter(void).copied().collect();
        for record in &void {
            tracing::debug!(element = %record.key().element.short(), "a credential voids itself");
            self.store.discard(&record.key())?;
            self.meta_written = true;
            self.refused.note(now.mono, record.key(), Because::Members);
            if let Some(members) = &mut self.group.members {
                members.forget(&[credential_id(record)]);
            }
        }
        self.staged.retain(|staged| void.iter().all(|record| record.key() != staged.record.signed().key()));
        Ok(void.len() < records.len())
    }

    /// Takes out of the database what does not hold any more.
    pub(super) fn withdraw_void(&mut self, now: Now) -> Result<(), StoreError> {
        let mut void = BTreeSet::new();
        loop {
            let gone = self.sweep(&mut void)?;
            if gone.is_empty() {
                break;
            }
            // What stood on these falls in the next round.
            if let Some(members) = &mut self.group.members {
                members.forget(&gone);
            }
        }
        for key in self.store.losers() {
            let loser = self.store.loser(&key)?;
            if loser.is_some_and(|loser| self.policy().check(&loser, None) != Verdict::Accept) {
                self.store.discard_loser(&key.element)?;
                self.meta_written = true;
            }
        }
        for key in &void {
            self.refused.note(now.mono, *key, Because::Members);
        }
        // What was staged in this batch and does not hold is not sent on either. One that made itself void holds by what
        // is left.
        let Some(members) = &self.group.members else { return Ok(()) };
        self.staged.retain(|staged| {
            let signed = staged.record.signed();
            !void.contains(&signed.key()) && members.check(signed, None) == Verdict::Accept
        });
        Ok(())
    }

    /// Looks through the database once; gives the credentials that are gone, and adds the keys of all that is.
    fn sweep(&mut self, void: &mut BTreeSet<RecordKey>) -> Result<Vec<CredentialId>, StoreError> {
        let (mut from, mut gone) = (RecordKey::MIN, Vec::new());
        loop {
            let keys = self.store.keys(&Filter::All, from, None, SWEEP_BATCH)?;
            for key in &keys {
                let Some(record) = self.store.fetch(key)? else { continue };
                if self.policy().check(&record, None) == Verdict::Accept {
                    continue;
                }
                if record.header().record_type == RecordType::CREDENTIAL {
                    gone.push(credential_id(&record));
                    self.store.discard(key)?;
                } else {
                    self.expired.extend(self.store.withdraw(key)?);
                }
                void.insert(*key);
                self.meta_written = true;
            }
            match keys.last() {
                Some(last) if keys.len() == SWEEP_BATCH => from = last.next(),
                _ => return Ok(gone),
            }
        }
    }

    /// Works out what this node's identity is now, and shows it.
    pub(super) fn refresh_standing(&mut self, now: Now) {
        let peer_now = self.membership_time(now);
        let Some(members) = &self.group.members else { return };
        let own = members.member(self.device.peer, peer_now);
        // Somebody whose membership ended still shows it: it may have been renewed at the others.
        let shown = own.clone().or_else(|| members.last_standing(self.device.peer));
        let chain = shown.map(|standing| members.chain_keys(&standing)).unwrap_or_default();
        let credentials: Vec<Bytes> =
            chain.iter().filter_map(|key| Some(self.store.fetch(key).ok()??.bytes().clone())).collect();
        self.overlay.set_credentials(credentials);
        let next = members.next_change(peer_now).map(|at| now.mono + at.since(peer_now));
        self.group.own = own;
        let renewal = Some(self.group.next_renewal);
        self.group.next_check = [next, renewal].into_iter().flatten().min();
        self.learn_keys();
        self.refresh_stamper(now);
    }

    /// Links with those who are not members any more end, once what they are to hear was sent.
    pub(super) fn expel_strangers(&mut self, now: Now) {
        if !std::mem::take(&mut self.group.expel) {
            return;
        }
        let peer_now = self.membership_time(now);
        let Some(members) = &self.group.members else { return };
        // A wrong clock says nothing about whose membership has ended.
        let off = self.is_clock_off();
        let is_member = |peer: &PeerId| {
            members.member(*peer, peer_now).is_some() || (off && members.last_standing(*peer).is_some())
        };
        self.overlay.expel(now, |node, peer| is_member(peer) && !members.is_device_revoked(*peer, *node));
        // Those of whom nothing is known yet may turn out to be members.
        self.overlay.forget_peers(|peer| members.knows(*peer) && !is_member(peer));
    }

    /// Messages that set a link up are held to membership before the overlay sees them.
    pub(super) fn on_message(&mut self, now: Now, link: LinkId, message: Message) {
        if self.group.members.is_some() || self.genesis.is_none() {
            match &message {
                Message::Connect(connect) if connect.purpose != Purpose::Join => {
                    // Who is no member itself lets nobody connect.
                    let own = self.group.own.is_some();
                    let device = &connect.device;
                    if !own || !self.is_welcome(now, device.peer, device.node, &connect.credentials) {
                        return self.overlay.refuse(link);
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
                    if !self.is_welcome(now, device.peer, device.node, &welcome.credentials) {
                        return self.overlay.distrust(now, link);
                    }
                }
                _ => {}
            }
        }
        self.overlay.handle_message(now, link, message);
    }

    /// True if an identity is a member by what is known here, or by what it shows together with that.
    fn is_welcome(&mut self, now: Now, peer: PeerId, node: NodeId, shown: &[Bytes]) -> bool {
        let peer_now = self.membership_time(now);
        let Some(members) = &self.group.members else { return self.genesis.is_some() };
        if members.is_device_revoked(peer, node) {
            return false;
        }
        if members.member(peer, peer_now).is_some() {
            return true;
        }
        let max = self.max_record();
        let decode = |b: &Bytes| SignedRecord::decode(&self.graph, b.clone(), max).ok();
        let Some(chain) = shown.iter().map(decode).collect::<Option<Vec<SignedRecord>>>() else {
            return false;
        };
        let unknown: Vec<&SignedRecord> =
            chain.iter().filter(|record| !members.has(&credential_id(record))).collect();
        let signed = |record: &&SignedRecord| {
            record.header().record_type == RecordType::CREDENTIAL && record.verify(&self.graph)
        };
        let signed = unknown.iter().all(signed);
        let Some(members) = &mut self.group.members else { return false };
        let good = signed && members.would_be_member(peer, &unknown, peer_now);
        if good {
            // Kept at once: who is let in by them must not be taken for a stranger before they come otherwise.
            let shown: Vec<_> = unknown.into_iter().cloned().map(Candidate::held).collect();
            self.incoming.extend(shown);
        }
        good
    }

    /// Issues a credential in this identity's name. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`PublishError::Credential`] with the rule that is broken, and as [`publish`](Engine::publish).
    pub fn issue(&mut self, now: Now, credential: &Credential) -> Result<SignedRecord, PublishError> {
        let Some(members) = &self.group.members else { return Err(CredentialFault::NotAMember.into()) };
        let removed = members.was_removed(self.device.peer);
        let none = if removed { CredentialFault::Removed } else { CredentialFault::NotAMember };
        let own = self.group.own.as_ref().ok_or(none)?;
        members.may_issue(self.device.peer, own, credential)?;
        let hlc = self.stamper.tick(self.peer_time(now));
        let header = Header {
            grant: own.grant,
            ..Header::first(RecordType::credential(), credential.nonce(hlc, own.grant), self.device.peer, hlc)
        };
        let signed = self.stamper.sign(header, &credential.encode());
        self.put_credential(now, signed.clone(), Source::Local)?;
        Ok(signed)
    }

    /// Stores a credential whose signature is good, and learns it.
    pub(super) fn put_credential(
        &mut self,
        now: Now,
        signed: SignedRecord,
        source: Source,
    ) -> Result<(), PublishError> {
        let genesis = self.genesis.as_ref().ok_or(PublishError::NeverSynchronized)?;
        let verified =
            admit_own(signed.clone(), None, genesis, self.policy()).map_err(PublishError::NotAllowed)?;
        let put = self.store.put(&verified)?;
        self.stamper.observe(signed.header().hlc);
        self.staged.push(Staged { record: verified, put, source, kept: None });
        self.learn(now, &[signed])?;
        Ok(())
    }

    /// Tells of members that changed since they were last told of.
    pub(super) fn tell_members(&mut self, now: Now) {
        if !std::mem::take(&mut self.group.changed) {
            return;
        }
        let after = self.list_members(now);
        let before = std::mem::replace(&mut self.group.told, after.clone());
        if !self.usable {
            return; // a joiner is told once it knows all
        }
        for (peer, member) in &after {
            for change in changes(before.get(peer), member) {
                self.hub.publish(Event::MemberChanged { change, member: member.clone() });
            }
        }
        for (peer, was) in &before {
            if after.contains_key(peer) {
                continue;
            }
            let member = MemberInfo { role: None, not_after: None, nodes: Vec::new(), ..was.clone() };
            if was.is_present() {
                let change = MemberChange::Disconnected;
                self.hub.publish(Event::MemberChanged { change, member: member.clone() });
            }
            let change = match self.group.members.as_ref().and_then(|m| m.end_of(*peer)) {
                None => MemberChange::Expired,
                Some(by) if by == *peer => MemberChange::Left,
                Some(_) => MemberChange::Removed,
            };
            self.hub.publish(Event::MemberChanged { change, member });
        }
    }

    /// The members as they are now.
    pub(super) fn list_members(&self, now: Now) -> BTreeMap<PeerId, MemberInfo> {
        let Some(members) = &self.group.members else { return BTreeMap::new() };
        let mut nodes: BTreeMap<PeerId, Vec<NodeInfo>> = BTreeMap::new();
        for info in self.nodes.values().cloned() {
            nodes.entry(info.peer).or_default().push(info);
        }
        if self.overlay.is_listening() {
            nodes.entry(self.device.peer).or_default().insert(0, self.own_info());
        }
        let listed =
            members.list(self.membership_time(now)).into_iter().map(|(peer, granted, standing, issuer)| {
                let stated = self.group.names.get(&peer);
                let name = shown_name(peer, stated.into_iter().chain([&granted]).map(String::as_str));
                let info = MemberInfo {
                    peer,
                    name,
                    role: Some(standing.role),
                    not_after: standing.not_after,
                    issuer,
                    nodes: nodes.remove(&peer).unwrap_or_default(),
                };
                (peer, info)
            });
        listed.collect()
    }

    /// The members, this node's identity first.
    pub fn members(&self, now: Now) -> Vec<MemberInfo> {
        let mut all = self.list_members(now);
        all.remove(&self.device.peer).into_iter().chain(all.into_values()).collect()
    }

    /// Membership in detail; `None` in a plain graph.
    pub const fn membership(&self) -> Option<&Membership> {
        self.group.members.as_ref()
    }

    /// What this node's identity is in the group now.
    pub const fn standing(&self) -> Option<&Standing> {
        self.group.own.as_ref()
    }
}

/// What there is to tell of a member.
fn changes(before: Option<&MemberInfo>, now: &MemberInfo) -> Vec<MemberChange> {
    let mut changes = Vec::new();
    let was_present = before.is_some_and(MemberInfo::is_present);
    match before {
        None => changes.push(MemberChange::Joined),
        Some(was) => {
            let same_nodes = was.nodes == now.nodes || !was_present || !now.is_present();
            let same = (&was.name, was.role, was.not_after) == (&now.name, now.role, now.not_after);
            if !same || !same_nodes {
                changes.push(MemberChange::Updated);
            }
        }
    }
    match (was_present, now.is_present()) {
        (false, true) => changes.push(MemberChange::Connected),
        (true, false) => changes.push(MemberChange::Disconnected),
        _ => {}
    }
    changes
}

/// Records looked at in one step of a sweep.
const SWEEP_BATCH: usize = 1024;
