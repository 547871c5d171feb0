//! The verdict: what a set of acts says. Holds no clock; questions about now take the time.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    ActSet, Content, Void,
    idle::Idle,
    judge::{Judge, Standing},
    settle::Found,
    update::Work,
};
use crate::{
    ids::{ActId, NodeId, PeerId},
    record::Role,
    time::Timestamp,
};

/// What a set of acts says: who is a member, and which acts count. Equal sets give equal verdicts, byte for byte.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verdict {
    pub(super) creator: PeerId,
    /// All accepted acts of the graph, and why they do not count.
    pub(super) acts: BTreeMap<ActId, Option<Void>>,
    pub(super) grants: BTreeMap<ActId, GrantVerdict>,
    /// Of each identity, the grants that are in force.
    pub(super) members: BTreeMap<PeerId, Vec<ActId>>,
    /// Of each identity, all grants.
    pub(super) held: BTreeMap<PeerId, BTreeSet<ActId>>,
    /// The grant that each renewal extends, and until when; also of those that do not count.
    pub(super) renewals: BTreeMap<ActId, (ActId, Timestamp)>,
    pub(super) invitations: BTreeMap<ActId, InvitationVerdict>,
    pub(super) password: Option<ActId>,
    pub(super) passed_on: Vec<ActId>,
    pub(super) devices: BTreeSet<(PeerId, NodeId)>,
    pub(super) epochs: Vec<ActId>,
    pub(super) epoch_is_stale: bool,
    /// When grants in force begin and end, in order.
    #[serde(skip)]
    pub(super) times: BTreeSet<(Timestamp, ActId)>,
    #[serde(skip)]
    pub(super) work: Work,
}

/// What is known of one grant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GrantVerdict {
    /// The member.
    pub subject: PeerId,
    /// Its friendly name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Grants from the creator's to this one.
    pub level: u8,
    /// Grants that may follow.
    pub depth: u8,
    /// The identity that granted it: the admitter, if it was by an invitation.
    pub issuer: PeerId,
    /// Start of the membership.
    pub not_before: Timestamp,
    /// End by the grant itself; `None`: without end.
    pub granted_until: Option<Timestamp>,
    /// End by the grant and its renewals.
    pub not_after: Option<Timestamp>,
    /// The renewal by which it lasts so long, if it is not by the grant itself.
    pub renewal: Option<ActId>,
    /// Why it does not count; `None`: it does.
    pub void: Option<Void>,
    /// The subject's leave acts that end it.
    pub left: Vec<ActId>,
    /// The earliest removals and demotions that end it.
    pub ended_by: Vec<ActId>,
    /// Of those that end it, the removals and demotions whose lists keep records.
    pub lists: Vec<ActId>,
    /// A removal that undoes the acts under it.
    pub undone_by: Option<ActId>,
    /// All removals that do: each must list what stays of the records.
    pub undoes: Vec<ActId>,
    /// The grant that takes its place, if it was ended by demotions alone.
    pub demoted_to: Option<ActId>,
}

/// What is known of one invitation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct InvitationVerdict {
    /// Why nobody is admitted by it any more, apart from its time and uses.
    pub void: Option<Void>,
    /// Identities that were admitted.
    pub admitted: BTreeSet<PeerId>,
    /// How many may be.
    pub uses: u32,
    /// End of the offer.
    pub not_after: Timestamp,
}

/// A member at some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Membership<'a> {
    /// The grant; `None`: the creator.
    pub grant: Option<ActId>,
    /// What is known of it.
    pub facts: Option<&'a GrantVerdict>,
    /// The role.
    pub role: Role,
}

impl Verdict {
    /// Judges a set of acts.
    pub fn of(set: &ActSet) -> Self {
        Self::after(set, Idle::default())
    }

    /// The same; `idle`: what was idle before.
    pub(super) fn after(set: &ActSet, idle: Idle) -> Self {
        let judge = Judge::new(set);
        let mut verdict = Self {
            creator: set.creator,
            acts: BTreeMap::new(),
            grants: BTreeMap::new(),
            members: BTreeMap::new(),
            held: BTreeMap::new(),
            renewals: BTreeMap::new(),
            invitations: BTreeMap::new(),
            password: None,
            passed_on: Vec::new(),
            devices: BTreeSet::new(),
            epochs: Vec::new(),
            epoch_is_stale: false,
            times: BTreeSet::new(),
            work: Work::default(),
        };
        let mut found = Found::default();
        for at in 0..set.entries.len() as u32 {
            verdict.note(&judge, at, &mut found);
        }
        verdict.settle(set, &mut found);
        let Judge { grants, invites, .. } = judge;
        let grants = grants.into_owned();
        verdict.work = Work { revision: set.revision, grants, invites, found, idle, was: None };
        verdict.settle_idle(set);
        verdict
    }

    /// Writes down what is known of one act.
    pub(super) fn note(&mut self, judge: &Judge<'_>, at: u32, found: &mut Found) {
        #[cfg(test)]
        super::work::judge();
        let (set, id) = (judge.set, judge.set.id(at));
        let (void, under) = judge.outcome(at);
        let counts = void.is_none();
        self.acts.insert(id, void);
        let serves = set.entries[at as usize].serves;
        let rank = set.rank(under);
        match &set.body(at).content {
            Content::Grant(_) => self.note_grant(judge, at),
            Content::Invite(_) => self.note_invitation(judge, at, counts),
            Content::Renew { not_after, .. } => {
                if let Some(grant) = serves {
                    self.renewals.insert(id, (set.id(grant), *not_after));
                }
            }
            Content::RevokeDevice { .. } if counts => found.devices.push(at),
            Content::RestoreDevice(_) if counts => found.restored.extend(serves),
            Content::Password(_) if counts => found.passwords.push((at, rank)),
            Content::Password(_) if judge.knew_of_no_end(at) => found.add_fallen(set, at),
            Content::Epoch(_) if counts => found.epochs.push((at, rank)),
            Content::PassOn { .. } if counts => found.passed_on.push((serves, id)),
            Content::EpochKeys { .. } if counts => found.epoch_keys.push((serves, at)),
            Content::EpochKeys { .. } if judge.knew_of_no_end(at) => {
                let gives = !judge.has_left(at);
                found.fallen_keys.push((at, gives));
                found.epoch_keys.extend(gives.then_some((serves, at)));
            }
            _ => {}
        }
    }

    pub(super) fn note_grant(&mut self, judge: &Judge<'_>, at: u32) {
        let set = judge.set;
        let (Some(grant), Some(state)) = (set.grant(at), &judge.grants[at as usize]) else { return };
        let mut ended_by: Vec<ActId> = state.removals.iter().map(|at| set.id(*at)).collect();
        ended_by.sort_unstable();
        let mut lists: Vec<ActId> = state.lists.iter().map(|at| set.id(*at)).collect();
        lists.sort_unstable();
        let left: Vec<ActId> = state.leaves.iter().map(|leaf| leaf.act.id()).collect();
        let in_force = state.void.is_none() && left.is_empty() && ended_by.is_empty();
        self.note_member(grant.subject, set.id(at), in_force);
        let facts = GrantVerdict {
            subject: grant.subject,
            name: grant.name.clone(),
            role: grant.role,
            level: set.rank(Some(at)).level(),
            depth: grant.depth,
            issuer: set.body(at).author,
            not_before: grant.not_before,
            granted_until: grant.not_after,
            not_after: if state.void.is_none() { state.until } else { grant.not_after },
            renewal: state.renewal.filter(|_| state.void.is_none()),
            void: state.void,
            left,
            ended_by,
            lists,
            undone_by: state.undo,
            undoes: state.undoes.clone(),
            demoted_to: state.successor.map(|at| set.id(at)),
        };
        self.held.entry(grant.subject).or_default().insert(set.id(at));
        let id = set.id(at);
        let (begin, end) = (facts.not_before, facts.not_after);
        if let Some(was) = self.grants.insert(id, facts) {
            for time in [Some(was.not_before), was.not_after].into_iter().flatten() {
                self.times.remove(&(time, id));
            }
        }
        if in_force {
            self.times.extend([Some(begin), end].into_iter().flatten().map(|time| (time, id)));
        }
    }

    fn note_member(&mut self, subject: PeerId, grant: ActId, in_force: bool) {
        let grants = self.members.entry(subject).or_default();
        match (grants.binary_search(&grant), in_force) {
            (Err(place), true) => grants.insert(place, grant),
            (Ok(place), false) => drop(grants.remove(place)),
            _ => {}
        }
        if grants.is_empty() {
            self.members.remove(&subject);
        }
    }

    pub(super) fn note_invitation(&mut self, judge: &Judge<'_>, at: u32, counts: bool) {
        let set = judge.set;
        let Some(invite) = set.invite(at) else { return };
        let fresh;
        let state = match judge.invites.get(&at) {
            Some(state) => state,
            None => {
                fresh = judge.invite_state(at);
                &fresh
            }
        };
        let revoked = state.revokers.iter().map(|at| set.id(*at)).min().map(Void::InvitationRevoked);
        let issuer = set.entries[at as usize].under;
        let others = issuer.map_or_else(Vec::new, |named| set.other_grants(named, at, at));
        let admits = |by: Option<u32>| match judge.standing_now(by) {
            Ok(grant)
                if set.rank(grant) > set.rank_of_uses(at) && set.rank(grant).0.may_grant(invite.role) =>
            {
                None
            }
            Ok(grant) => Some(judge.demoted(grant)),
            Err(void) => Some(void),
        };
        let issuer = admits(issuer).filter(|_| !others.iter().any(|at| admits(Some(*at)).is_none()));
        let own = (!counts).then(|| Void::Invitation(set.id(at)));
        let (admitted, uses) = (state.admitted.clone(), invite.uses);
        let void = own.or(revoked).or(issuer);
        let verdict = InvitationVerdict { void, admitted, uses, not_after: invite.not_after };
        self.invitations.insert(set.id(at), verdict);
    }

    /// The role of an identity at `now`, by the best of its grants: the highest role, then the latest end.
    pub fn member(&self, identity: PeerId, now: Timestamp) -> Option<Membership<'_>> {
        if identity == self.creator {
            return Some(Membership { grant: None, facts: None, role: Role::Owner });
        }
        let grants = self.members.get(&identity)?.iter().filter_map(|id| Some((*id, self.grant(id)?)));
        let alive = grants.filter(|(_, g)| g.not_before <= now && g.not_after.is_none_or(|end| now < end));
        let best =
            alive.max_by_key(|(id, g)| (g.role, g.not_after.unwrap_or(Timestamp(u64::MAX)), g.depth, *id));
        best.map(|(id, facts)| Membership { grant: Some(id), facts: Some(facts), role: facts.role })
    }

    /// When time alone next begins or ends a grant in force.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let after = (now, ActId::from_bytes([0xff; 32]));
        self.times.range(after..).map(|(at, _)| *at).find(|at| *at > now)
    }

    /// True if somebody has the key of the current epoch whose membership is over at `now`.
    pub fn holder_expired(&self, now: Timestamp) -> bool {
        let past = self.times.range(..=(now, ActId::from_bytes([0xff; 32])));
        let mut subjects = past.filter_map(|(at, id)| {
            let grant = self.grants.get(id)?;
            (grant.not_after == Some(*at)).then_some(grant.subject)
        });
        subjects.any(|subject| self.epoch_holders().contains(&subject) && self.member(subject, now).is_none())
    }

    /// The identities with a grant in force, whatever its period; without the creator.
    pub fn identities(&self) -> impl Iterator<Item = &PeerId> {
        self.members.keys().inspect(|_| {
            #[cfg(test)]
            super::work::look();
        })
    }

    /// True if an identity had grants, none is in force, and it was not only by its own leave.
    pub fn was_removed(&self, identity: PeerId) -> bool {
        let mut grants = self.held.get(&identity).into_iter().flatten().filter_map(|id| self.grant(id));
        !self.members.contains_key(&identity) && grants.any(|grant| !grant.ended_by.is_empty())
    }

    /// Why an act does not count; `Some(None)`: it counts; `None`: it is unknown, or a leave or a revocation of the author's
    /// own device, which always count.
    pub fn act(&self, id: &ActId) -> Option<Option<Void>> {
        self.acts.get(id).copied()
    }

    /// What is known of a grant.
    pub fn grant(&self, id: &ActId) -> Option<&GrantVerdict> {
        #[cfg(test)]
        super::work::look();
        self.grants.get(id)
    }

    /// What is known of an invitation.
    pub fn invitation(&self, id: &ActId) -> Option<&InvitationVerdict> {
        self.invitations.get(id)
    }

    /// The password act in force. Empty verifiers: no password.
    pub const fn password(&self) -> Option<&ActId> {
        self.password.as_ref()
    }

    /// The acts that pass the password in force on.
    pub fn passed_on(&self) -> &[ActId] {
        &self.passed_on
    }

    /// True if a node is refused that acts for this identity.
    pub fn is_device_revoked(&self, identity: PeerId, node: NodeId) -> bool {
        self.devices.contains(&(identity, node))
    }

    /// The epochs that count, the current one last.
    pub fn epochs(&self) -> &[ActId] {
        &self.epochs
    }

    /// True if somebody may have the key of the current epoch who is no member any more, or acts by a node that was refused
    /// since. Membership apart from periods: a verdict knows no clock.
    pub const fn epoch_is_stale(&self) -> bool {
        self.epoch_is_stale
    }

    /// The verdict as bytes: equal for equal sets.
    ///
    /// # Panics
    /// Never: a verdict always encodes.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("a verdict always encodes")
    }
}

impl Judge<'_> {
    /// Why an act of the graph does not count, and the grant by whose rank it does.
    fn outcome(&self, at: u32) -> (Option<Void>, Option<u32>) {
        let entry = &self.set.entries[at as usize];
        if entry.facts.is_some() {
            return (self.grants[at as usize].as_ref().and_then(|state| state.void), None);
        }
        let stood = match self.standing(at, entry.under, None) {
            Standing::Under(grant) => grant,
            Standing::Below(by) => return (Some(Void::Demoted(by)), None),
            Standing::Void(void) => return (Some(void), None),
        };
        // An act gains no right by falling from one grant to another.
        let by = [entry.under, stood];
        let under = if self.set.rank(entry.under) < self.set.rank(stood) { entry.under } else { stood };
        let void = match (&entry.act.body().content, entry.serves) {
            (Content::RevokeInvite(_), Some(invite)) => {
                (!self.withdraws(at, invite)).then_some(Void::NotAllowed)
            }
            (Content::RevokeDevice { identity, .. }, _) => {
                (!self.may_refuse_devices(Some(at), &by, *identity)).then_some(Void::NotAllowed)
            }
            (Content::RestoreDevice(_), Some(refusal)) => {
                (!self.may_restore(entry.act.body().author, under, refusal)).then_some(Void::NotAllowed)
            }
            (Content::Renew { .. } | Content::PassOn { .. } | Content::EpochKeys { .. }, Some(served)) => {
                self.serves_fault(served)
            }
            _ => None,
        };
        (void, under)
    }

    /// An automatic act falls with the act of a person that it serves.
    fn serves_fault(&self, served: u32) -> Option<Void> {
        self.outcome(served).0.map(|_| Void::Serves(self.set.id(served)))
    }
}
