//! Membership at work: what this node's identity is, links held to membership, members told of.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    Engine,
    epochs::EpochState,
    joining::Joins,
    listing::Listings,
    sweep::Sweep,
    welcome::{Papers, Shown},
};
use crate::{
    events::{Event, MemberChange, MemberInfo, NodeInfo},
    group::{Ending, Membership, Standing, Throttle, shown_name},
    ids::{ConnectionId, LinkId, PeerId},
    record::RecordKey,
    records::{RecordPolicy, StoreError},
    time::{Mono, Now, Timestamp},
};

/// What the engine knows of its group; empty in a plain graph.
#[derive(Debug, Default)]
pub(super) struct GroupState {
    pub(super) members: Option<Membership>,
    /// What this node's identity is now.
    pub(super) own: Option<Standing>,
    /// The same by each of its grants, in the order in which its acts try them.
    pub(super) standings: Vec<Standing>,
    /// What this node's identity shows while its acts are not here.
    pub(super) papers: Papers,
    /// The name that is stated once those are here.
    pub(super) unstated: Option<String>,
    /// What others showed whose acts are not here.
    pub(super) shown: BTreeMap<LinkId, Shown>,
    /// Members by whose word links rest on what was shown and has not come to count, and since when.
    pub(super) unproven: BTreeMap<PeerId, Mono>,
    /// Removed identities that were told so lately, and when.
    pub(super) told_ending: BTreeMap<PeerId, Mono>,
    /// Stored records that are judged again.
    pub(super) sweep: Sweep,
    /// Removals that list what stays.
    pub(super) listings: Listings,
    /// By what they lack: acts in the database that are withheld until it comes.
    pub(super) orphans: BTreeMap<[u8; 32], Vec<RecordKey>>,
    /// True once the database was compared with another node's, or made here: what this node does by itself is based on
    /// what others know.
    pub(super) compared: bool,
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
    pub(super) fn own_grant(&self) -> Option<[u8; 32]> {
        self.own.as_ref().and_then(|standing| Some(*standing.named?.as_bytes()))
    }

    /// When the membership of this node's identity began.
    pub(super) fn own_since(&self) -> Timestamp {
        self.own.as_ref().map(|own| own.not_before).unwrap_or_default()
    }

    pub(super) const fn expel_later(&mut self) {
        self.expel = true;
    }

    /// Gives the join of our own that the link was for, if it has no answer yet.
    pub(super) fn forget_link(&mut self, link: LinkId) -> Option<ConnectionId> {
        self.exporters.remove(&link);
        self.shown.remove(&link);
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
            self.load_papers()?;
            self.load_kept_name()?;
            self.reload_members(now)?;
        }
        Ok(())
    }

    /// Works out what this node's identity is now, and shows it.
    pub(super) fn refresh_standing(&mut self, now: Now) {
        let peer_now = self.membership_time(now);
        let Some(members) = &self.group.members else { return };
        let me = self.device.peer;
        let own = members.member(me, peer_now);
        // A member whose membership ended still shows it: it may have been renewed at the others.
        let shown = own.clone().or_else(|| members.last_standing(me));
        let chain = shown.map(|standing| members.chain_keys(&standing)).unwrap_or_default();
        let mut credentials: Vec<Bytes> =
            chain.iter().filter_map(|key| Some(self.store.fetch(key).ok()??.bytes().clone())).collect();
        let by_papers = members.vouched(me, &self.group.papers.acts, Some(peer_now));
        // What was given later than the membership that is known here: others may know that this one has ended.
        let is_later = |given: Standing| own.as_ref().is_none_or(|own| own.not_before < given.not_before);
        if members.vouched(me, &self.group.papers.acts, None).is_some_and(is_later) {
            credentials.clone_from(&self.group.papers.records);
        }
        self.overlay.set_credentials(credentials);
        let next = members.next_change(peer_now).map(|at| now.mono + at.since(peer_now));
        self.group.standings = members.standings(me, peer_now);
        if self.group.standings.is_empty() {
            self.group.standings.extend(by_papers.clone());
        }
        self.group.own = own.or(by_papers);
        // What can wait waits while the database fails.
        let renewal = self.failing.due.map_or(self.group.next_renewal, |at| at.max(self.group.next_renewal));
        let renewal = Some(renewal);
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
        let shown =
            |peer: &PeerId| self.group.shown.values().any(|s| s.vouches(peer, members, now, peer_now));
        let is_member = |peer: &PeerId| {
            members.is_member(*peer, peer_now)
                || (off && members.last_standing(*peer).is_some())
                || shown(peer)
        };
        self.overlay.expel(now, |node, peer| is_member(peer) && !members.is_device_revoked(*peer, *node));
        // Those of whom nothing is known yet may turn out to be members.
        self.overlay.forget_peers(|peer| members.knows(*peer) && !is_member(peer));
        self.settle_papers(now, peer_now);
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
            let change = match self.group.members.as_ref().and_then(|m| m.ending(*peer)) {
                None => MemberChange::Expired,
                Some(Ending::Left) => MemberChange::Left,
                Some(Ending::Removed) => MemberChange::Removed,
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
        let listed = members.list(self.membership_time(now)).into_iter().map(|(peer, standing)| {
            let stated = self.group.names.get(&peer);
            let name = shown_name(peer, stated.into_iter().chain([&standing.name]).map(String::as_str));
            let info = MemberInfo {
                peer,
                name,
                role: Some(standing.role),
                not_after: standing.not_after,
                issuer: standing.issuer,
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
