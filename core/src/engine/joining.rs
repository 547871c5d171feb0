//! Coming into a group, and letting others in.

use std::{collections::BTreeMap, time::Duration};

use super::{Engine, PublishError, join_request::JoinRequest, password::Guest, relaying::Relay};
use crate::{
    authority::{Act, Content, Grant, InvitationUse, Invite, use_message},
    crypto::{self, Domain, SignatureBytes},
    group::{CredentialFault, InviteFault, Standing, clipped_name},
    ids::{ActId, ConnectionId, LinkId, PeerId},
    limits::{MIN_RENEWAL, SKEW_HOLD},
    record::{DeviceCertificate, Role, SignedRecord},
    time::{Now, Timestamp},
    wire::{JoinDenied, JoinMessage, Purpose, join_proof},
};

/// Joins under way.
#[derive(Debug, Default)]
pub(super) struct Joins {
    /// This node's own requests.
    pub(super) ours: BTreeMap<LinkId, JoinRequest>,
    /// Those who are to prove a password to us.
    pub(super) guests: BTreeMap<LinkId, Guest>,
    /// Those who are to prove one to another admitter, through us.
    pub(super) relays: Vec<Relay>,
    /// What those who ask have shown.
    pub(super) devices: BTreeMap<LinkId, DeviceCertificate>,
    /// Those who are to sign the use of an invitation.
    invited: BTreeMap<LinkId, (PeerId, PeerId, Came)>,
    /// Those who were let in since the last commit. They are told once it is durable.
    admitted: Vec<(LinkId, JoinMessage)>,
}

impl Joins {
    /// Gives the join of our own that was under way on this link.
    pub(super) fn forget(&mut self, link: LinkId) -> Option<ConnectionId> {
        self.guests.remove(&link);
        self.devices.remove(&link);
        self.invited.remove(&link);
        self.forget_request(link)
    }
}

impl Engine {
    pub(super) fn on_join_message(&mut self, now: Now, link: LinkId, message: JoinMessage) {
        let Some(message) = self.relay_message(now, link, message) else { return };
        let Some(message) = self.on_answer(now, link, message) else { return };
        let Some((_, _, Purpose::Join)) = self.overlay.peer_of(link) else { return };
        let answer = match message {
            JoinMessage::Invite { key, issuer, signature, name } => {
                match self.admit_by_key(now, link, (key, issuer), &signature, name) {
                    Ok(None) => return,
                    Ok(Some(member)) => Ok(member),
                    Err(denial) => Err(denial),
                }
            }
            JoinMessage::Password { request, name } => {
                let asked = match self.challenge(now, link, None, &request, name.clone()) {
                    Err(Denial { reason: JoinDenied::NotAdmitter, .. }) => {
                        self.relay_password(now, link, request, name)
                    }
                    asked => asked,
                };
                match asked {
                    Ok(()) => return,
                    Err(denial) => Err(denial),
                }
            }
            JoinMessage::Relayed { device, exporter, request, name } => {
                match self.challenge(now, link, Some((device, exporter)), &request, name) {
                    Ok(()) => return,
                    Err(denial) => Err(denial),
                }
            }
            JoinMessage::Used(signature) => self.check_use(now, link, signature),
            JoinMessage::Proof(proof) => self.check_proof(now, link, &proof),
            _ => return self.close_for_protocol(now, link),
        };
        self.answer_join(now, link, answer);
    }

    fn answer_join(&mut self, now: Now, link: LinkId, answer: Result<Admitted, Denial>) {
        let message = match answer {
            Ok(Admitted { standing, again }) => {
                let members = self.group.members.as_ref();
                let keys = members.map(|m| m.chain_keys(&standing)).unwrap_or_default();
                let fetched = keys.iter().filter_map(|key| self.store.fetch(key).ok().flatten());
                let chain = fetched.map(|record| record.bytes().clone()).collect();
                self.group.joins.admitted.push((link, JoinMessage::Granted { chain, again }));
                return;
            }
            Err(Denial { reason, ask }) => {
                let referrals = ask.map(|ask| self.admitting_nodes(now, ask)).unwrap_or_default();
                JoinMessage::Denied { reason, referrals }
            }
        };
        self.overlay.send_join(link, message);
    }

    /// Tells those who were let in, after the commit. If that failed there is no grant.
    pub(super) fn answer_admitted(&mut self, durable: bool) {
        for (link, granted) in std::mem::take(&mut self.group.joins.admitted) {
            let denied = JoinMessage::Denied { reason: JoinDenied::NotAdmitter, referrals: Vec::new() };
            self.overlay.send_join(link, if durable { granted } else { denied });
        }
    }

    /// Asks the holder of an invitation's key to sign its use; gives the membership of one who has one.
    fn admit_by_key(
        &mut self,
        now: Now,
        link: LinkId,
        (key, issuer): (PeerId, PeerId),
        signature: &SignatureBytes,
        name: String,
    ) -> Result<Option<Admitted>, Denial> {
        let peer_now = self.peer_time(now);
        let (node, peer, _) = self.overlay.peer_of(link).ok_or(Denial::of(JoinDenied::WrongProof))?;
        let exporter = self.group.exporters.get(&link).ok_or(Denial::of(JoinDenied::WrongProof))?;
        let said = join_proof(exporter, &peer, &node);
        if !crypto::verify(key.as_bytes(), Domain::Join, self.graph.as_bytes(), &said, signature) {
            return Err(Denial::of(JoinDenied::WrongProof));
        }
        let members = self.group.members.as_ref().ok_or(Denial::of(JoinDenied::NotAdmitter))?;
        if let Some(standing) = members.member(peer, peer_now) {
            // A first answer may have been lost.
            return Ok(Some(Admitted { standing, again: true }));
        }
        let is_kept_out = |(id, invite): (ActId, &Invite)| {
            self.admitting(peer, invite.role).is_some_and(|own| members.is_kept_out(peer, own, &id))
        };
        let (id, invite) = match members.usable_invite((key, issuer), self.device.peer, peer_now) {
            Ok(found) if is_kept_out(found) => return Err(Denial::of(JoinDenied::Removed)),
            Ok(found) => found,
            Err(_) if members.invites_by(key, issuer).any(is_kept_out) => {
                return Err(Denial::of(JoinDenied::Removed));
            }
            // The proof is right and the invitation holds, but for another admitter.
            Err(InviteFault::NotAdmitter) => {
                return Err(Denial::referring(members.admitters_of(key, issuer).to_vec()));
            }
            Err(fault) => return Err(Denial::of(denied(fault))),
        };
        let role = invite.role;
        let lifetime = invite.lifetime_ms.map(Duration::from_millis);
        let renew = lifetime.is_none_or(is_renewed);
        let came = Came { peer, name, role, lifetime, by: By::Invitation(id), renew };
        self.group.joins.invited.insert(link, (key, issuer, came));
        self.overlay.send_join(link, JoinMessage::Use(id));
        Ok(None)
    }

    /// Lets in the holder of an invitation's key, which has signed its use.
    fn check_use(&mut self, now: Now, link: LinkId, proof: SignatureBytes) -> Result<Admitted, Denial> {
        let wrong = || Denial::of(JoinDenied::WrongProof);
        let (key, issuer, came) = self.group.joins.invited.remove(&link).ok_or_else(wrong)?;
        let By::Invitation(invite) = came.by else { return Err(wrong()) };
        let message = use_message(&invite, &came.peer);
        if !crypto::verify(key.as_bytes(), Domain::InvitationUse, self.graph.as_bytes(), &message, &proof) {
            return Err(wrong());
        }
        // Somebody may have taken the last place meanwhile, or removed the joiner.
        let members = self.group.members.as_ref().ok_or_else(wrong)?;
        if self
            .admitting(came.peer, came.role)
            .is_some_and(|own| members.is_kept_out(came.peer, own, &invite))
        {
            return Err(Denial::of(JoinDenied::Removed));
        }
        if let Err(fault) = members.usable_invite((key, issuer), self.device.peer, self.peer_time(now)) {
            return Err(Denial::of(denied(fault)));
        }
        self.admit_joiner(now, Came { by: By::Use(InvitationUse { invite, proof }), ..came })
    }

    /// Makes a joiner a member, if this identity may. The joiner's proof was checked and is right.
    pub(super) fn admit_joiner(&mut self, now: Now, came: Came) -> Result<Admitted, Denial> {
        let not_admitter = || Denial::referring(Vec::new());
        let peer = came.peer;
        let own = self.admitting(peer, came.role).ok_or_else(not_admitter)?.clone();
        let grant = self.draft_grant(now, &own, came);
        // By the grant of which it was asked whether anything keeps the joiner out.
        self.issue_by(now, own.named, Content::Grant(grant)).map_err(|error| {
            tracing::warn!(%error, "a join request could not be granted");
            not_admitter()
        })?;
        self.hasten_epochs();
        let members = self.group.members.as_ref().ok_or_else(not_admitter)?;
        let standing = members.member(peer, self.peer_time(now)).ok_or(Denial::of(JoinDenied::UsedUp))?;
        // One who may let in can check passwords from now on.
        self.pass_on_verifier(now);
        Ok(Admitted { standing, again: false })
    }

    /// What this identity is by that of its grants by which it lets somebody in.
    pub(super) fn admitting(&self, joiner: PeerId, role: Role) -> Option<&Standing> {
        self.membership()?.admitting(&self.group.standings, joiner, role)
    }

    /// The same; if there is none, what it is: what it tries says why it may not.
    fn giving(&self, peer: PeerId, role: Role) -> Result<&Standing, CredentialFault> {
        let own = self.own_standing()?.1;
        Ok(self.admitting(peer, role).unwrap_or(own))
    }

    /// A grant as this identity can give it: not beyond its own, nor beyond what an invitation's issuer could give.
    fn draft_grant(&self, now: Now, own: &Standing, came: Came) -> Grant {
        let peer_now = self.peer_time(now);
        let mut end = earliest(came.lifetime.map(|lifetime| peer_now + lifetime), own.not_after);
        let mut depth = own.depth.saturating_sub(1);
        let (mut admission, mut despite) = (None, Vec::new());
        if let Some(members) = &self.group.members {
            if let By::Use(by) = came.by {
                let (deepest, latest) = members.limits_of_guests(own, &by.invite);
                (depth, end) = (depth.min(deepest), earliest(end, latest));
                admission = Some(by);
            }
            despite = members.acts().leaves_of(came.peer);
        }
        Grant {
            subject: came.peer,
            name: clipped_name(&came.name).to_owned(),
            role: came.role,
            // Their clock may be behind ours.
            not_before: peer_now - SKEW_HOLD,
            not_after: end,
            depth,
            renew: came.renew,
            admission,
            demotes: None,
            despite,
        }
    }

    /// Gives an identity a membership. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// As [`issue`](Engine::issue).
    pub fn grant(
        &mut self,
        now: Now,
        peer: PeerId,
        name: &str,
        role: Role,
        lifetime: Option<Duration>,
    ) -> Result<Vec<SignedRecord>, PublishError> {
        self.check_standing()?;
        let own = self.giving(peer, role)?.clone();
        let renew = lifetime.is_some_and(is_renewed);
        let came = Came { peer, name: name.into(), role, lifetime, by: By::Word, renew };
        let grant = self.draft_grant(now, &own, came);
        self.give(now, grant)
    }

    /// Signs a grant; gives what shows it.
    pub(super) fn give(&mut self, now: Now, grant: Grant) -> Result<Vec<SignedRecord>, PublishError> {
        let record = self.issue(now, Content::Grant(grant))?;
        self.pass_on_verifier(now);
        self.hasten_epochs();
        let (members, own) = self.own_standing()?;
        let by = Act::of(&record).and_then(|act| act.body().by);
        let by = self.group.standings.iter().find(|own| own.named == by).unwrap_or(own);
        let keys = members.chain_keys(by);
        let mut chain = keys.iter().map(|key| self.store.fetch(key)).collect::<Result<Vec<_>, _>>()?;
        chain.push(Some(record));
        Ok(chain.into_iter().flatten().collect())
    }

    /// The grant for a member as it would be drafted now, in another role.
    pub(super) fn draft_role(&self, now: Now, theirs: &Standing, role: Role) -> Result<Grant, PublishError> {
        let members = self.membership().ok_or(CredentialFault::NotAMember)?;
        let old = members.grant_of(theirs).ok_or(CredentialFault::NotSenior)?;
        let (peer, is_lower) = (old.subject, role < theirs.role);
        let may = |own: &&Standing| {
            let senior = || members.may_end(own, peer, Some(role)).is_ok();
            members.may_admit(own, peer, role) && (!is_lower || senior())
        };
        let own = self.group.standings.iter().find(may).map_or_else(|| self.giving(peer, role), Ok)?;
        let lifetime = theirs.grant.and_then(|id| members.lifetime(&id)).filter(|_| old.renew);
        let (name, renew) = (old.name.clone(), lifetime.is_some());
        let grant = self.draft_grant(now, own, Came { peer, name, role, lifetime, by: By::Word, renew });
        // One that ends for good ends when it would have, whatever the role.
        let limit = theirs.not_after.filter(|_| !renew);
        Ok(Grant { not_after: earliest(grant.not_after, limit), ..grant })
    }
}

/// Whether a membership that is given for so long is renewed. What a person gives for less than a day ends when they said.
fn is_renewed(lifetime: Duration) -> bool {
    lifetime >= MIN_RENEWAL
}

/// Somebody to be let in.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) peer: PeerId,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) lifetime: Option<Duration>,
    pub(super) by: By,
    pub(super) renew: bool,
}

/// By what somebody is let in.
#[derive(Debug)]
pub(super) enum By {
    /// A member's word, or a password.
    Word,
    /// This invitation, whose use is still to be signed.
    Invitation(ActId),
    /// The signed use of an invitation.
    Use(InvitationUse),
}

/// Somebody who is a member now.
pub(super) struct Admitted {
    pub(super) standing: Standing,
    pub(super) again: bool,
}

/// A refused join request.
pub(super) struct Denial {
    reason: JoinDenied,
    /// Identities whose nodes the joiner is referred to; empty: all admitters. `None` unless the joiner's proof is right:
    /// nobody else learns of a third node.
    ask: Option<Vec<PeerId>>,
}

impl Denial {
    /// A refusal without referrals.
    pub(super) const fn of(reason: JoinDenied) -> Self {
        Self { reason, ask: None }
    }

    /// Too many tried: after so long again.
    pub(super) fn throttled(wait: Duration) -> Self {
        Self::of(JoinDenied::Throttled(u32::try_from(wait.as_secs_f64().ceil() as u64).unwrap_or(u32::MAX)))
    }

    /// The proof is right, but this node may not admit the joiner.
    const fn referring(ask: Vec<PeerId>) -> Self {
        Self { reason: JoinDenied::NotAdmitter, ask: Some(ask) }
    }
}

const fn denied(fault: InviteFault) -> JoinDenied {
    match fault {
        InviteFault::Unknown => JoinDenied::Unknown,
        InviteFault::Revoked => JoinDenied::Revoked,
        InviteFault::Expired => JoinDenied::Expired,
        InviteFault::UsedUp => JoinDenied::UsedUp,
        InviteFault::NotAdmitter => JoinDenied::NotAdmitter,
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
