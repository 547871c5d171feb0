//! Who is a member: all credentials of a group, and what follows from them.
//!
//! Everything here is a function of the *set* of credentials, whatever order they came in, so that all nodes that have
//! the same credentials judge alike. Grants form chains from the creator. A revocation works on grants below its
//! issuer; see [`super::revocation`].

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Credential, CredentialFault, CredentialId, Grant, Invite, PasswordRule, Revoke, Revoked, credential_id,
    revocation::Revocations,
};
use crate::{
    ids::{ElementId, NodeId, PeerId},
    record::{Genesis, GroupRules, Role, SignedRecord},
    time::{Hlc, Timestamp},
};

/// A credential as it is kept. Never copied: a stranger's question must not cost as much as the group is large.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: CredentialId,
    pub(super) credential: Credential,
    pub(super) issuer: PeerId,
    pub(super) parent: Option<CredentialId>,
    pub(super) hlc: Hlc,
    pub(super) element: ElementId,
    /// Of a grant: the grants from the creator's down to this one.
    pub(super) chain: Vec<CredentialId>,
}

impl Entry {
    pub(super) const fn grant(&self) -> Option<&Grant> {
        match &self.credential {
            Credential::Grant(grant) => Some(grant),
            _ => None,
        }
    }

    pub(super) const fn revoke(&self) -> Option<&Revoke> {
        match &self.credential {
            Credential::Revoke(revoke) => Some(revoke),
            _ => None,
        }
    }

    pub(super) const fn invite(&self) -> Option<&Invite> {
        match &self.credential {
            Credential::Invite(invite) => Some(invite),
            _ => None,
        }
    }
}

/// What an identity is by one grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The role.
    pub role: Role,
    /// The grant; `None`: the creator.
    pub grant: Option<CredentialId>,
    /// When it ends.
    pub not_after: Option<Timestamp>,
    /// The grants from the creator's down to this one.
    pub(super) chain: Vec<CredentialId>,
    /// Grants that may follow.
    pub(super) depth: u8,
}

/// Why a credential cannot be taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// Never.
    Fault(CredentialFault),
    /// Not before this credential is here.
    Missing(CredentialId),
}

impl From<CredentialFault> for Unfit {
    fn from(fault: CredentialFault) -> Self {
        Self::Fault(fault)
    }
}

/// All credentials of a group.
#[derive(Debug)]
pub struct Membership {
    pub(super) creator: PeerId,
    pub(super) rules: GroupRules,
    pub(super) entries: BTreeMap<CredentialId, Entry>,
    pub(super) grants_of: BTreeMap<PeerId, BTreeSet<CredentialId>>,
    pub(super) revocations: Revocations,
}

impl Membership {
    /// A group that has only its creator. `None` for a graph that is no group.
    pub fn new(genesis: &Genesis) -> Option<Self> {
        Some(Self {
            creator: genesis.creator,
            rules: genesis.rules.clone()?,
            entries: BTreeMap::new(),
            grants_of: BTreeMap::new(),
            revocations: Revocations::default(),
        })
    }

    /// The rules of the group.
    pub const fn rules(&self) -> &GroupRules {
        &self.rules
    }

    /// Who made the group.
    pub const fn creator(&self) -> PeerId {
        self.creator
    }

    /// True if this credential is here.
    pub fn has(&self, id: &CredentialId) -> bool {
        self.entries.contains_key(id)
    }

    /// Checks a credential record, its signature and form being good: all that will not change.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn vet(&self, record: &SignedRecord) -> Result<Credential, Unfit> {
        let header = record.header();
        let credential = Credential::of(record).ok_or(CredentialFault::Malformed)?;
        if header.nonce != credential.nonce(header.hlc, header.grant) {
            return Err(CredentialFault::Malformed.into());
        }
        let issuer = self.standing(header.creator, header.grant, header.hlc.timestamp())?;
        self.vet_content(header.creator, &issuer, &credential)?;
        Ok(credential)
    }

    /// Takes a vetted credential in. True if it may have made records void that held before.
    pub fn learn(&mut self, record: &SignedRecord) -> bool {
        self.learn_all([record])
    }

    /// Takes several in: as [`learn`](Self::learn), at the cost of one.
    pub fn learn_all<'a>(&mut self, records: impl IntoIterator<Item = &'a SignedRecord>) -> bool {
        records.into_iter().for_each(|record| self.enter(record));
        let before = std::mem::take(&mut self.revocations);
        self.revocations = Revocations::of(self);
        before != self.revocations
    }

    /// Takes a credential in without looking at what it revokes.
    pub(super) fn enter(&mut self, record: &SignedRecord) {
        let Some(credential) = Credential::of(record) else { return };
        let (id, header) = (credential_id(record), record.header());
        let mut chain = Vec::new();
        if let Credential::Grant(grant) = &credential {
            let parent = header.grant.and_then(|parent| self.entries.get(&parent));
            chain = parent.map(|parent| parent.chain.clone()).unwrap_or_default();
            chain.push(id);
            self.grants_of.entry(grant.subject).or_default().insert(id);
        }
        let entry = Entry {
            id,
            credential,
            issuer: header.creator,
            parent: header.grant,
            hlc: header.hlc,
            element: record.key().element,
            chain,
        };
        self.entries.insert(id, entry);
    }

    pub(super) fn remove(&mut self, id: &CredentialId) {
        let Some(entry) = self.entries.remove(id) else { return };
        let Some(grant) = entry.grant() else { return };
        if let Some(grants) = self.grants_of.get_mut(&grant.subject) {
            grants.remove(id);
            if grants.is_empty() {
                self.grants_of.remove(&grant.subject);
            }
        }
    }

    /// Forgets credentials that turned out to be void.
    pub fn forget(&mut self, gone: &[CredentialId]) {
        gone.iter().for_each(|id| self.remove(id));
        self.revocations = Revocations::of(self);
    }

    /// What the author of something is by the grant it names, at the time it claims. Revocations do not count here.
    ///
    /// # Errors
    /// [`Unfit`].
    pub(super) fn standing(
        &self,
        author: PeerId,
        grant: Option<CredentialId>,
        at: Timestamp,
    ) -> Result<Standing, Unfit> {
        let Some(id) = grant else {
            let creator = Standing {
                role: Role::Owner,
                grant: None,
                not_after: None,
                chain: Vec::new(),
                depth: self.rules.max_chain,
            };
            return if author == self.creator {
                Ok(creator)
            } else {
                Err(CredentialFault::NotAMember.into())
            };
        };
        let entry = self.entries.get(&id).ok_or(Unfit::Missing(id))?;
        let grant =
            entry.grant().filter(|grant| grant.subject == author).ok_or(CredentialFault::NotAMember)?;
        if at < grant.not_before || grant.not_after.is_some_and(|end| at >= end) {
            return Err(CredentialFault::OutsideMembership.into());
        }
        Ok(Standing::of(entry, grant))
    }

    /// The rules of issuing, as far as they never change.
    pub(super) fn vet_content(
        &self,
        issuer: PeerId,
        standing: &Standing,
        credential: &Credential,
    ) -> Result<(), CredentialFault> {
        let inside = |end: Option<Timestamp>| match (end, standing.not_after) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(end), Some(limit)) => end <= limit,
        };
        match credential {
            Credential::Grant(grant) => {
                if !standing.role.may_grant(grant.role) {
                    return Err(if grant.role > standing.role && standing.role >= Role::Inviter {
                        CredentialFault::RoleTooHigh
                    } else {
                        CredentialFault::Role
                    });
                }
                if standing.depth == 0 || grant.depth >= standing.depth {
                    return Err(CredentialFault::ChainTooLong);
                }
                if !inside(grant.not_after) {
                    return Err(CredentialFault::OutlivesIssuer);
                }
                let above = |peer: PeerId| self.subjects(&standing.chain).any(|subject| subject == peer);
                if grant.subject == issuer || grant.subject == self.creator || above(grant.subject) {
                    return Err(CredentialFault::Circular);
                }
                Ok(())
            }
            Credential::Invite(invite) => {
                if !standing.role.may_grant(invite.role) {
                    return Err(CredentialFault::Role);
                }
                if standing.depth == 0 {
                    return Err(CredentialFault::ChainTooLong);
                }
                if inside(Some(invite.not_after)) { Ok(()) } else { Err(CredentialFault::OutlivesIssuer) }
            }
            Credential::Revoke(revoke) => {
                let own = match revoke.target {
                    Revoked::Peer(peer) | Revoked::Device(peer, _) => peer == issuer,
                    Revoked::Grant(_) | Revoked::Invite(_) => false,
                };
                let by_time = matches!(revoke.keep, super::Keep::Earlier);
                if own || (standing.role >= Role::Inviter && !by_time) {
                    Ok(())
                } else {
                    Err(CredentialFault::Role)
                }
            }
            Credential::Epoch(_) | Credential::EpochKeys(_) if !self.rules.encrypted_bodies => {
                Err(CredentialFault::Malformed)
            }
            Credential::Epoch(_) if standing.role >= Role::Admin => Ok(()),
            Credential::EpochKeys(_) if standing.role >= Role::Inviter => Ok(()),
            Credential::Epoch(_) | Credential::EpochKeys(_) => Err(CredentialFault::Role),
            Credential::Keep(_) if standing.role >= Role::Inviter => Ok(()),
            Credential::Password(_) if standing.role >= Role::Admin => Ok(()),
            Credential::Keep(_) | Credential::Password(_) => Err(CredentialFault::Role),
        }
    }

    fn subjects<'a>(&'a self, chain: &'a [CredentialId]) -> impl Iterator<Item = PeerId> + 'a {
        chain.iter().filter_map(|id| self.entries.get(id)?.grant()).map(|grant| grant.subject)
    }

    /// What is wrong with something its author wrote by this standing, by all revocations that hold.
    pub(super) fn revoked(
        &self,
        standing: &Standing,
        element: ElementId,
        hlc: Hlc,
    ) -> Option<CredentialFault> {
        self.revocations.verdict(self, &standing.chain, element, hlc)
    }

    /// What an identity is now, by the best of its grants: the highest role, then the longest.
    pub fn member(&self, peer: PeerId, now: Timestamp) -> Option<Standing> {
        if peer == self.creator {
            return self.standing(peer, None, now).ok();
        }
        let alive = self.grants(peer).filter(|entry| self.is_alive(entry, now));
        let standings = alive.filter_map(|entry| Some(Standing::of(entry, entry.grant()?)));
        standings.max_by_key(|s| (s.role, s.not_after.unwrap_or(Timestamp(u64::MAX)), s.depth, s.grant))
    }

    /// True if a grant gives rights now.
    pub(super) fn is_alive(&self, entry: &Entry, now: Timestamp) -> bool {
        let Some(grant) = entry.grant() else { return false };
        grant.not_before <= now && grant.not_after.is_none_or(|end| now < end) && self.is_standing(entry)
    }

    /// True if a grant was not taken back, whatever its time.
    pub(super) fn is_standing(&self, entry: &Entry) -> bool {
        self.revocations.is_standing(self, entry)
    }

    /// The grants of an identity.
    pub(super) fn grants(&self, peer: PeerId) -> impl Iterator<Item = &Entry> {
        self.grants_of.get(&peer).into_iter().flatten().filter_map(|id| self.entries.get(id))
    }

    /// Everybody who was ever granted something, and the creator.
    pub(super) fn peers(&self) -> BTreeSet<PeerId> {
        self.grants_of
            .iter()
            .filter(|(_, grants)| !grants.is_empty())
            .map(|(peer, _)| *peer)
            .chain([self.creator])
            .collect()
    }

    /// Who took a grant back; `None` if nobody did.
    pub(super) fn revoker(&self, entry: &Entry) -> Option<PeerId> {
        self.revocations.revoker(self, entry)
    }

    /// True if this device was taken back.
    pub fn is_device_revoked(&self, peer: PeerId, node: NodeId) -> bool {
        self.revocations.is_device_revoked(peer, node)
    }

    /// True if an invitation was taken back.
    pub(super) fn is_invite_revoked(&self, id: &CredentialId) -> bool {
        self.revocations.is_invite_revoked(id)
    }

    /// How many came by an invitation: identities, for one may have been let in by two who did not know of each other.
    pub(super) fn uses(&self, invite: &CredentialId) -> usize {
        let grants = self.entries.values().filter_map(Entry::grant);
        let by_it = grants.filter(|grant| grant.invite == Some(*invite));
        by_it.map(|grant| grant.subject).collect::<BTreeSet<_>>().len()
    }

    /// The invitations with this key, the highest role first: one, unless somebody claims another's key.
    pub(super) fn invites(&self, key: PeerId) -> Vec<(&Entry, &Invite)> {
        let all = self.entries.values().filter_map(|entry| Some((entry, entry.invite()?)));
        let mut found: Vec<_> = all.filter(|(_, invite)| invite.key == key).collect();
        found.sort_by_key(|(_, invite)| std::cmp::Reverse(invite.role));
        found
    }

    /// The password rule in force, with who made it.
    pub fn password(&self) -> Option<&PasswordRule> {
        let rules = self.entries.values().filter_map(|entry| match &entry.credential {
            Credential::Password(rule) => Some(((entry.hlc, entry.element), rule)),
            _ => None,
        });
        rules.max_by_key(|(order, _)| *order).map(|(_, rule)| rule)
    }
}

impl Standing {
    /// Grants that may follow below.
    pub const fn depth(&self) -> u8 {
        self.depth
    }

    pub(super) fn of(entry: &Entry, grant: &Grant) -> Self {
        Self {
            role: grant.role,
            grant: Some(entry.id),
            not_after: grant.not_after,
            chain: entry.chain.clone(),
            depth: grant.depth,
        }
    }
}
