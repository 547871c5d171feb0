//! Which revocations hold, and what they make void.
//!
//! Only seniors remove: an ancestor in the chain of grants, or a higher role from admin on; and everybody themselves.
//! Seniority is strict (role first, then nearness to the creator), so revocations can be judged from the most senior
//! issuer down, each by those before it, and two people can never remove each other. Design:
//! `Keyhive` and `p2panda-auth` resolve mutual removals; this order makes that unnecessary.
//!
//! A removed author's records hold only if a list names them: the time a record claims is its author's word.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Credential, CredentialFault, CredentialId, Keep, Membership, Revoked,
    membership::{Entry, Standing},
};
use crate::{
    ids::{ElementId, NodeId, PeerId},
    record::Role,
    time::Hlc,
};

/// The most senior first: role, then place in the chain, then whether somebody removes themselves.
type Seniority = (std::cmp::Reverse<Role>, usize, bool);

/// A revocation that holds.
#[derive(PartialEq, Debug)]
struct Holding {
    issuer: PeerId,
    standing: Standing,
    target: Revoked,
    hlc: Hlc,
    keep: Kept,
}

#[derive(PartialEq, Debug)]
enum Kept {
    Elements(BTreeSet<ElementId>),
    Until(Hlc),
}

/// All revocations that hold, by what they are about.
#[derive(PartialEq, Debug, Default)]
pub(super) struct Revocations {
    of_grant: BTreeMap<CredentialId, Vec<Holding>>,
    of_peer: BTreeMap<PeerId, Vec<Holding>>,
    invites: BTreeSet<CredentialId>,
    devices: BTreeSet<(PeerId, NodeId)>,
    /// Grants beyond what their invitation allows.
    excess: BTreeSet<CredentialId>,
}

impl Revocations {
    /// Judges all revocations of a group.
    pub(super) fn of(members: &Membership) -> Self {
        let mut claims: Vec<(Seniority, &Entry, Standing)> = members
            .entries
            .values()
            .filter(|entry| entry.revoke().is_some())
            .filter_map(|entry| {
                let standing = members.standing(entry.issuer, entry.parent, entry.hlc.timestamp()).ok()?;
                let own = matches!(entry.revoke()?.target, Revoked::Peer(peer) if peer == entry.issuer);
                Some((seniority(&standing, !own), entry, standing))
            })
            .collect();
        claims.sort_by_key(|(seniority, entry, _)| (*seniority, entry.hlc, entry.element));
        let mut holding = Self::default();
        for (_, entry, standing) in claims {
            if holding.verdict(members, &standing.chain, entry.element, entry.hlc).is_none() {
                holding.add(members, entry, standing);
            }
        }
        holding.find_excess(members);
        holding
    }

    fn add(&mut self, members: &Membership, entry: &Entry, standing: Standing) {
        let Some(revoke) = entry.revoke() else { return };
        // A list that is not all here yet keeps nothing and voids nothing.
        let Some(keep) = kept(members, &revoke.keep, entry.hlc) else { return };
        let (issuer, target) = (entry.issuer, revoke.target);
        let role = standing.role;
        let holding = Holding { issuer, standing, target, hlc: entry.hlc, keep };
        match target {
            Revoked::Grant(id) => self.of_grant.entry(id).or_default().push(holding),
            Revoked::Peer(peer) => self.of_peer.entry(peer).or_default().push(holding),
            Revoked::Invite(id) => {
                let by_issuer = members.entries.get(&id).is_some_and(|invite| invite.issuer == issuer);
                if by_issuer || role >= Role::Admin {
                    self.invites.insert(id);
                }
            }
            Revoked::Device(peer, node) => {
                if peer == issuer || (role >= Role::Admin && peer != members.creator) {
                    self.devices.insert((peer, node));
                }
            }
        }
    }

    /// Of the identities that were let in by one invitation and not taken back, the earliest count, with all their grants.
    fn find_excess(&mut self, members: &Membership) {
        let mut by_invite: BTreeMap<CredentialId, Vec<&Entry>> = BTreeMap::new();
        for entry in members.entries.values() {
            if let Some(invite) = entry.grant().and_then(|grant| grant.invite) {
                by_invite.entry(invite).or_default().push(entry);
            }
        }
        for (invite, mut entries) in by_invite {
            let Some(uses) = members.entries.get(&invite).and_then(Entry::invite).map(|i| i.uses as usize)
            else {
                continue;
            };
            entries.retain(|entry| self.chain_verdict(members, entry).is_none());
            entries.sort_by_key(|entry| (entry.hlc, entry.element));
            let mut came = BTreeSet::new();
            for entry in entries {
                let subject = entry.grant().map(|grant| grant.subject);
                if came.len() < uses {
                    came.insert(subject);
                }
                if !came.contains(&subject) {
                    self.excess.insert(entry.id);
                }
            }
        }
    }

    /// What is wrong with something written under this chain; `None` if nothing.
    pub(super) fn verdict(
        &self,
        members: &Membership,
        chain: &[CredentialId],
        element: ElementId,
        hlc: Hlc,
    ) -> Option<CredentialFault> {
        for (at, id) in chain.iter().enumerate() {
            let entry = members.entries.get(id)?;
            if self.excess.contains(id) {
                return Some(CredentialFault::UsedUp);
            }
            // What the removed said next: the next grant of the chain, or the thing itself.
            let (said, when) = match chain.get(at + 1).and_then(|next| members.entries.get(next)) {
                Some(next) => (next.element, next.hlc),
                None => (element, hlc),
            };
            if self.on(members, entry).any(|revoke| !revoke.keep.has(said, when)) {
                return Some(CredentialFault::Removed);
            }
        }
        None
    }

    /// True if a grant was not taken back, nor any above it in such a way that this one falls.
    pub(super) fn is_standing(&self, members: &Membership, entry: &Entry) -> bool {
        !self.excess.contains(&entry.id)
            && self.on(members, entry).next().is_none()
            && self.chain_verdict(members, entry).is_none()
    }

    /// Who took a grant back, or one above it.
    pub(super) fn revoker(&self, members: &Membership, entry: &Entry) -> Option<PeerId> {
        if let Some(holding) = self.on(members, entry).next() {
            return Some(holding.issuer);
        }
        let fallen = self.chain_verdict(members, entry).is_some() || self.excess.contains(&entry.id);
        fallen.then_some(members.creator)
    }

    fn chain_verdict(&self, members: &Membership, entry: &Entry) -> Option<CredentialFault> {
        let above = entry.chain.split_last().map_or(&[][..], |(_, above)| above);
        self.verdict(members, above, entry.element, entry.hlc)
    }

    /// The revocations that work on a grant.
    fn on<'a>(&'a self, members: &'a Membership, entry: &'a Entry) -> impl Iterator<Item = &'a Holding> {
        let named = self.of_grant.get(&entry.id).into_iter().flatten();
        let subject = entry.grant().map(|grant| grant.subject);
        let by_peer = subject.and_then(|subject| self.of_peer.get(&subject)).into_iter().flatten();
        let later = by_peer.filter(|revoke| entry.hlc <= revoke.hlc);
        named.chain(later).filter(|revoke| revoke.reaches(members, entry))
    }

    pub(super) fn is_device_revoked(&self, peer: PeerId, node: NodeId) -> bool {
        self.devices.contains(&(peer, node))
    }

    pub(super) fn is_invite_revoked(&self, id: &CredentialId) -> bool {
        self.invites.contains(id)
    }
}

impl Holding {
    /// True if the issuer is senior to a grant, or it is their own.
    fn reaches(&self, members: &Membership, entry: &Entry) -> bool {
        let Some(grant) = entry.grant() else { return false };
        if matches!(self.target, Revoked::Peer(peer) if peer == self.issuer) {
            return grant.subject == self.issuer;
        }
        is_senior(members, self.issuer, &self.standing, entry)
    }
}

/// True if somebody may remove whoever holds a grant.
pub(super) fn is_senior(members: &Membership, peer: PeerId, standing: &Standing, entry: &Entry) -> bool {
    let Some(grant) = entry.grant() else { return false };
    if standing.grant.is_none() {
        return true; // the creator
    }
    let higher = standing.role > grant.role;
    let nearer = standing.role == grant.role && standing.chain.len() < entry.chain.len();
    let above = entry.chain.split_last().map_or(&[][..], |(_, above)| above);
    let mut ancestors = above.iter().filter_map(|id| members.entries.get(id)?.grant());
    (standing.role >= Role::Admin && higher)
        || ((higher || nearer) && ancestors.any(|ancestor| ancestor.subject == peer))
}

impl Kept {
    fn has(&self, element: ElementId, hlc: Hlc) -> bool {
        match self {
            Self::Elements(elements) => elements.contains(&element),
            Self::Until(until) => hlc <= *until,
        }
    }
}

fn seniority(standing: &Standing, by_other: bool) -> Seniority {
    (std::cmp::Reverse(standing.role), standing.chain.len(), by_other)
}

fn kept(members: &Membership, keep: &Keep, said: Hlc) -> Option<Kept> {
    match keep {
        Keep::Earlier => Some(Kept::Until(said)),
        Keep::List { elements, more } => {
            let mut all: BTreeSet<ElementId> = elements.iter().copied().collect();
            for id in more {
                match &members.entries.get(id)?.credential {
                    Credential::Keep(elements) => all.extend(elements),
                    _ => return None,
                }
            }
            Some(Kept::Elements(all))
        }
    }
}
