//! What identities are: now, once, and by whose word.

use std::{cmp::Reverse, collections::BTreeSet, time::Duration};

use super::{CredentialFault, Membership};
use crate::{
    authority::{Content, DeviceRefusal, Grant, GrantVerdict},
    ids::{ActId, NodeId, PeerId},
    record::{RecordKey, Role},
    time::Timestamp,
};

/// What an identity is by one grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The role.
    pub role: Role,
    /// The grant; `None`: the creator.
    pub grant: Option<ActId>,
    /// What acts and records name: the grant, or the renewal by which it lasts longest.
    pub named: Option<ActId>,
    /// When it begins.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Option<Timestamp>,
    /// Grants that may follow below.
    pub depth: u8,
    /// The friendly name that its issuer gave.
    pub name: String,
    /// The issuer; `None`: the creator itself.
    pub issuer: Option<PeerId>,
}

/// How a membership ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The member left.
    Left,
    /// Somebody removed it, or what it was granted by counts no more.
    Removed,
}

impl Membership {
    pub(super) fn standing(&self, grant: ActId, facts: &GrantVerdict) -> Standing {
        Standing {
            role: facts.role,
            grant: Some(grant),
            named: Some(facts.renewal.unwrap_or(grant)),
            not_before: facts.not_before,
            not_after: facts.not_after,
            depth: facts.depth,
            name: facts.name.clone(),
            issuer: Some(facts.issuer),
        }
    }

    pub(super) fn creators(&self) -> Standing {
        Standing {
            role: Role::Owner,
            grant: None,
            named: None,
            not_before: Timestamp::default(),
            not_after: None,
            depth: self.rules.max_chain,
            name: self.rules.creator_name.clone(),
            issuer: None,
        }
    }

    /// What an identity is at `now`, by the best of its grants.
    pub fn member(&self, peer: PeerId, now: Timestamp) -> Option<Standing> {
        let found = self.verdict.member(peer, now)?;
        match found.grant.zip(found.facts) {
            Some((grant, facts)) => Some(self.standing(grant, facts)),
            None => Some(self.creators()),
        }
    }

    /// True if an identity is a member at `now`.
    pub fn is_member(&self, peer: PeerId, now: Timestamp) -> bool {
        self.verdict.member(peer, now).is_some()
    }

    /// The role of an identity at `now`.
    pub fn role(&self, peer: PeerId, now: Timestamp) -> Option<Role> {
        self.verdict.member(peer, now).map(|member| member.role)
    }

    /// The longest of an identity's grants that nobody took back, though it may have ended.
    pub fn last_standing(&self, peer: PeerId) -> Option<Standing> {
        let latest = self.grants_in_force(peer).max_by_key(|(id, grant)| {
            (grant.not_after.unwrap_or(Timestamp(u64::MAX)), grant.not_before, *id)
        });
        latest.map(|(id, grant)| self.standing(id, grant))
    }

    pub(super) fn grants(&self, peer: PeerId) -> impl Iterator<Item = (ActId, &GrantVerdict)> {
        self.acts.grants_of(peer).filter_map(|id| Some((id, self.verdict.grant(&id)?)))
    }

    pub(super) fn grants_in_force(&self, peer: PeerId) -> impl Iterator<Item = (ActId, &GrantVerdict)> {
        self.grants(peer).filter(|(_, grant)| is_in_force(grant))
    }

    /// All members at `now`, the creator among them.
    pub fn list(&self, now: Timestamp) -> Vec<(PeerId, Standing)> {
        let peers = self.peers();
        peers.into_iter().filter_map(|peer| Some((peer, self.member(peer, now)?))).collect()
    }

    /// The identities that are members at `now`.
    pub fn members_at(&self, now: Timestamp) -> impl Iterator<Item = PeerId> {
        self.peers().into_iter().filter(move |peer| self.is_member(*peer, now))
    }

    /// The identities with a grant in force, whatever its period, and the creator.
    fn peers(&self) -> BTreeSet<PeerId> {
        self.verdict.identities().copied().chain([self.creator]).collect()
    }

    /// Those who may let others in at `now`.
    pub fn admitters(&self, now: Timestamp) -> Vec<PeerId> {
        let may = |peer: &PeerId| self.role(*peer, now).is_some_and(|role| role >= Role::Inviter);
        self.peers().into_iter().filter(may).collect()
    }

    /// The same, those of a higher role first: few can make somebody one of these.
    pub fn admitters_by_rank(&self, now: Timestamp) -> Vec<PeerId> {
        let mut admitters = self.admitters(now);
        admitters.sort_by_cached_key(|peer| Reverse(self.role(*peer, now)));
        admitters
    }

    /// The grant behind a standing.
    pub fn grant_of(&self, standing: &Standing) -> Option<&Grant> {
        match &self.acts.get(&standing.grant?)?.content {
            Content::Grant(grant) => Some(grant),
            _ => None,
        }
    }

    /// How long a membership lasts by its grant, from when it was given. It begins before that, for clocks that are behind.
    pub fn lifetime(&self, grant: &ActId) -> Option<Duration> {
        let act = self.acts.get(grant)?;
        let Content::Grant(grant) = &act.content else { return None };
        grant.not_after.map(|end| end.since(grant.not_before.max(act.at)))
    }

    /// The records that show a standing: the grants from the creator's down, and the renewal that it names.
    pub fn chain_keys(&self, standing: &Standing) -> Vec<RecordKey> {
        self.papers_of(standing).iter().filter_map(|id| self.key_of(id)).collect()
    }

    /// When time alone next begins or ends a membership.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.verdict.next_change(now)
    }

    /// True if an identity is or was a member.
    pub fn knows(&self, peer: PeerId) -> bool {
        peer == self.creator || self.grants(peer).next().is_some()
    }

    /// How an identity's membership ended; `None` if it did not, but by time, or never began.
    pub fn ending(&self, peer: PeerId) -> Option<Ending> {
        if self.grants_in_force(peer).next().is_some() {
            return None;
        }
        let by_others = self.grants(peer).any(|(_, grant)| grant.left.is_empty());
        let removed = by_others || self.verdict.was_removed(peer);
        let ever = self.grants(peer).next().is_some();
        ever.then_some(if removed { Ending::Removed } else { Ending::Left })
    }

    /// True if somebody else ended an identity's membership, and nobody let it in again.
    pub fn was_removed(&self, peer: PeerId) -> bool {
        self.ending(peer) == Some(Ending::Removed)
    }

    /// Those who are or were members by the word of an identity, directly or not. Who left, or was removed before, has records
    /// too that a removal of the branch covers.
    pub fn branch_of(&self, peer: PeerId) -> Vec<PeerId> {
        let below = self
            .verdict
            .grants()
            .filter(|(id, grant)| grant.void.is_none() && self.acts.sponsors(id).contains(&peer));
        below.map(|(_, grant)| grant.subject).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether a removal of an identity, or a demotion to a role, would end all that it is now.
    ///
    /// # Errors
    /// [`CredentialFault::NotAMember`], [`CredentialFault::NotSenior`].
    pub fn may_end(&self, own: &Standing, peer: PeerId, above: Option<Role>) -> Result<(), CredentialFault> {
        if peer == self.creator {
            return Err(CredentialFault::NotSenior);
        }
        // Who left and dates acts back is removed all the same.
        let ends = |grant: &GrantVerdict| match above {
            Some(role) => is_in_force(grant) && grant.role > role,
            None => grant.void.is_none() && grant.ended_by.is_empty(),
        };
        let mut grants = self.grants(peer).filter(|(_, grant)| ends(grant)).peekable();
        if grants.peek().is_none() {
            return Err(CredentialFault::NotAMember);
        }
        // One that leaves a grant in force would be none.
        let senior = grants.all(|(id, _)| self.verdict.is_senior_to(&self.acts, own.grant.as_ref(), &id));
        if senior { Ok(()) } else { Err(CredentialFault::NotSenior) }
    }

    /// Whether a removal with `undo` would undo anything: of a member, or of somebody who was removed without it.
    ///
    /// # Errors
    /// As [`may_end`](Self::may_end).
    pub fn may_undo(&self, own: &Standing, peer: PeerId) -> Result<(), CredentialFault> {
        let ended = match self.may_end(own, peer, None) {
            Err(CredentialFault::NotAMember) => self.grants(peer),
            other => return other,
        };
        let mut ended =
            ended.filter(|(_, grant)| grant.void.is_none() && grant.undone_by.is_none()).peekable();
        if ended.peek().is_none() {
            return Err(CredentialFault::NotAMember);
        }
        let senior = ended.any(|(id, _)| self.verdict.is_senior_to(&self.acts, own.grant.as_ref(), &id));
        if senior { Ok(()) } else { Err(CredentialFault::NotSenior) }
    }

    /// The refusals of an identity's devices that hold, by node.
    pub fn device_refusals(&self, peer: PeerId) -> Vec<DeviceRefusal> {
        self.verdict.device_refusals(&self.acts, peer)
    }

    /// Whether a member with this standing may refuse devices of another identity.
    ///
    /// # Errors
    /// [`CredentialFault::Role`], [`CredentialFault::NotAMember`], [`CredentialFault::NotSenior`].
    pub fn may_refuse_device(&self, own: &Standing, peer: PeerId) -> Result<(), CredentialFault> {
        if own.role < Role::Admin {
            return Err(CredentialFault::Role);
        }
        if peer != self.creator && self.grants_in_force(peer).next().is_none() {
            return Err(CredentialFault::NotAMember);
        }
        let may = self.verdict.may_refuse_device(&self.acts, own.grant.as_ref(), peer);
        if may { Ok(()) } else { Err(CredentialFault::NotSenior) }
    }

    /// Whether the member `me` with these standings may take back all refusals of a device.
    ///
    /// # Errors
    /// [`CredentialFault::NotRefused`], [`CredentialFault::OwnRefusal`], [`CredentialFault::NotRefuser`].
    pub fn may_restore(
        &self,
        (me, own): (PeerId, &[Standing]),
        peer: PeerId,
        node: NodeId,
    ) -> Result<Vec<ActId>, CredentialFault> {
        let refusals = self.device_refusals(peer).into_iter().filter(|refusal| refusal.node == node);
        let refusals: Vec<DeviceRefusal> = refusals.collect();
        if refusals.is_empty() {
            return Err(CredentialFault::NotRefused);
        }
        if refusals.iter().any(|refusal| refusal.by == peer) {
            return Err(CredentialFault::OwnRefusal);
        }
        let may = |refusal: &DeviceRefusal| own.iter().any(|own| self.may_take_back(me, own, &refusal.act));
        if !refusals.iter().all(may) {
            return Err(CredentialFault::NotRefuser);
        }
        Ok(refusals.into_iter().map(|refusal| refusal.act).collect())
    }

    /// True if a node is refused that acts for this identity.
    pub fn is_device_revoked(&self, peer: PeerId, node: NodeId) -> bool {
        self.verdict.is_device_revoked(peer, node)
    }
}

pub(super) fn is_in_force(grant: &GrantVerdict) -> bool {
    grant.void.is_none() && grant.left.is_empty() && grant.ended_by.is_empty()
}
