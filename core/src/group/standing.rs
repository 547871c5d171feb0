//! What identities are: now, once, and by whose word.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{CredentialFault, Membership};
use crate::{
    authority::{Content, DeviceRefusal, Grant, GrantVerdict},
    ids::{ActId, NodeId, PeerId},
    limits::RENEWED_OF_MEMBER,
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

/// A grant that is to be renewed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Renewal {
    /// The grant.
    pub grant: ActId,
    /// Its new end.
    pub until: Timestamp,
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

    /// The grant behind a standing.
    pub fn grant_of(&self, standing: &Standing) -> Option<&Grant> {
        match &self.acts.get(&standing.grant?)?.content {
            Content::Grant(grant) => Some(grant),
            _ => None,
        }
    }

    /// How long a membership lasts by its grant, and by each renewal: from when it was given. It begins before that, for clocks
    /// that are behind.
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

    /// The grants that a member should renew at `now`, by what it is: those past the part `at` of their time, of each member a
    /// few, the highest of each who gave some, and none that would add nothing to what the member has.
    pub fn due_for_renewal(
        &self,
        me: PeerId,
        own: &[Standing],
        now: Timestamp,
        at: impl Fn(&ActId) -> f64,
    ) -> Vec<Renewal> {
        let others = self.verdict.identities().filter(|peer| **peer != me);
        others.flat_map(|peer| self.due_of(*peer, own, now, &at)).collect()
    }

    fn due_of(
        &self,
        peer: PeerId,
        own: &[Standing],
        now: Timestamp,
        at: impl Fn(&ActId) -> f64,
    ) -> Vec<Renewal> {
        let held = self.verdict.alive(peer, now);
        let mut found = Vec::new();
        // In turns of those who gave them, the highest first: no number of gifts leaves no place for what another gave.
        let mut turns = BTreeMap::<Option<PeerId>, usize>::new();
        for (place, (id, facts)) in held.iter().enumerate() {
            let Some(renewal) = self.renewal(own, now, *id, facts, &at) else { continue };
            let (rank, giver) = self.acts.giver_of(id);
            let turn = turns.entry(giver).or_default();
            found.push(((*turn, Reverse(rank), place), renewal));
            *turn += 1;
        }
        found.sort_unstable_by_key(|(turn, _)| *turn);
        let mut due: Vec<Renewal> = Vec::new();
        for ((_, _, place), renewal) in found {
            if due.len() < RENEWED_OF_MEMBER && !self.is_needless(own, &held, place, &renewal, &due) {
                due.push(renewal);
            }
        }
        due
    }

    /// True if a renewal adds nothing to what a member has by these grants, of which it would renew the one at `place`. One that does
    /// not outlast another of the same rank or a higher one is left to end, or as long as this node keeps that one up.
    fn is_needless(
        &self,
        own: &[Standing],
        held: &[(ActId, &GrantVerdict)],
        place: usize,
        renewal: &Renewal,
        due: &[Renewal],
    ) -> bool {
        let (id, end) = (renewal.grant, held[place].1.not_after);
        let beside = |other: &ActId, until, end| {
            *other != id && self.verdict.makes_needless(&self.acts, other, &id, (until, end))
        };
        let kept_up = |other: &ActId| self.renewable_for(other).is_some() && self.may_renew(own, other);
        held.iter().any(|(other, by)| beside(other, by.not_after, renewal.until))
            || due.iter().any(|other| beside(&other.grant, Some(other.until), renewal.until))
            || held[..place]
                .iter()
                .any(|(other, by)| end.is_some_and(|end| beside(other, by.not_after, end)) && kept_up(other))
    }

    /// For how long a grant is renewed each time, if it is to be.
    fn renewable_for(&self, grant: &ActId) -> Option<Duration> {
        let renews = matches!(&self.acts.get(grant)?.content, Content::Grant(given) if given.renew);
        self.lifetime(grant).filter(|_| renews)
    }

    fn may_renew(&self, own: &[Standing], grant: &ActId) -> bool {
        own.iter().any(|own| self.acts.may_renew(own.grant.as_ref(), grant))
    }

    fn renewal(
        &self,
        own: &[Standing],
        now: Timestamp,
        grant: ActId,
        facts: &GrantVerdict,
        at: impl Fn(&ActId) -> f64,
    ) -> Option<Renewal> {
        let end = facts.not_after?;
        let lifetime = self.renewable_for(&grant)?;
        let left = end.since(now);
        // Few are past the half of their time.
        if left >= lifetime / 2 || left >= lifetime.mul_f64(at(&grant)) {
            return None;
        }
        let may = own.iter().filter(|own| self.acts.may_renew(own.grant.as_ref(), &grant));
        let mut ends = may.map(|own| own.not_after.map_or(now + lifetime, |limit| limit.min(now + lifetime)));
        // Nobody gains by one that ends no later.
        let until = ends.find(|until| *until > end)?;
        Some(Renewal { grant, until })
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
