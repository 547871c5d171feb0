//! Joining by password: the exchange on a link, and who can check passwords.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Engine, Notice, PublishError,
    join_request::{JoinFailure, Proving},
    joining::{Admitted, By, Came, Denial},
};
use crate::{
    authority::{Content, Password, Sealed},
    crypto::{PasswordError, PasswordProof, PasswordVerifier, PendingProof, open_from, seal_to},
    group::{CredentialFault, TriedBy},
    ids::{ActId, ConnectionId, GraphId, LinkId, NodeId, PeerId},
    limits::{ISSUED_AT_ONCE, MAX_VERIFIERS, PASSWORD_MEMBERSHIP},
    record::{DeviceCertificate, Role},
    time::Now,
    wire::{JoinDenied, JoinMessage},
};

/// A joiner that is to prove its password.
#[derive(Debug)]
pub(super) struct Guest {
    pending: PendingProof,
    /// The password that it is to prove.
    word: ActId,
    came: Came,
    by: TriedBy,
    context: Vec<u8>,
}

/// What the joiner proves beside the password: group, identity, node, the node it reached, and the TLS connection with it.
/// Nobody in the middle can put itself in the place of either.
pub(super) fn proof_context(
    graph: &GraphId,
    joiner: &(PeerId, NodeId),
    reached: &NodeId,
    exporter: &[u8; 32],
) -> Vec<u8> {
    let (peer, node) = joiner;
    [graph.as_bytes(), peer.as_bytes(), node.as_bytes(), reached.as_bytes(), &exporter[..]].concat()
}

impl Engine {
    /// The joiner's first message.
    pub(super) fn begin_proof(&mut self, password: &str) -> (PasswordProof, Vec<u8>) {
        PasswordProof::start(password.to_owned().into(), *self.fresh_secret())
    }

    /// The joiner's last message, or why there is none.
    pub(super) fn finish_proof(
        &mut self,
        now: Now,
        link: LinkId,
        connection: ConnectionId,
        proof: PasswordProof,
        challenge: &[u8],
    ) {
        let (seed, context) = (*self.fresh_secret(), self.own_context(link));
        let proven = context.ok_or(PasswordError::Malformed).and_then(|c| proof.finish(challenge, &c, seed));
        match proven {
            Ok(last) => {
                self.group.joins.requested(link, Proving::Proven);
                self.overlay.send_join(link, JoinMessage::Proof(last.into()));
            }
            Err(_) => {
                self.group.joins.forget(link);
                let result = Err(JoinFailure::Denied(JoinDenied::WrongProof, Vec::new()));
                self.notices.push_back(Notice::Joined { connection, result });
                self.overlay.end_join(now, link);
            }
        }
    }

    /// Answers a joiner's request with a challenge. `relayed`: of somebody whom the member at the other end of the link speaks for.
    pub(super) fn challenge(
        &mut self,
        now: Now,
        link: LinkId,
        relayed: Option<(DeviceCertificate, [u8; 32])>,
        request: &[u8],
        name: String,
    ) -> Result<(), Denial> {
        let wrong = || Denial::of(JoinDenied::WrongProof);
        let (peer, by, context) = match relayed {
            None => self.joiner_at(link),
            Some((device, exporter)) => self.joiner_behind(now, link, &device, &exporter),
        }
        .ok_or_else(wrong)?;
        let members = self.group.members.as_ref().ok_or(Denial::of(JoinDenied::NotAdmitter))?;
        let (word, rule) = members.password().ok_or(Denial::of(JoinDenied::NoPassword))?;
        let own = self.admitting(peer, rule.role).ok_or(Denial::of(JoinDenied::NotAdmitter))?;
        if members.is_kept_out(peer, own, &word) {
            return Err(Denial::of(JoinDenied::Removed));
        }
        let lifetime = Duration::from_millis(rule.lifetime_ms);
        let came = Came { peer, name, role: rule.role, lifetime: Some(lifetime), by: By::Word, renew: false };
        // Whoever was made an admitter lately has none yet.
        if !members.verifiers().any(|(admitter, _)| *admitter == self.device.peer) {
            return Err(Denial::of(JoinDenied::NotAdmitter));
        }
        if let Err(wait) = self.group.throttle.begin(now.mono, by) {
            return Err(Denial::throttled(wait));
        }
        // Only now what costs: guesses beyond the limit are cheap to turn away.
        let verifier = self.verifier().ok_or(Denial::of(JoinDenied::NotAdmitter))?;
        let (pending, answer) =
            verifier.respond(request, &context, *self.fresh_secret()).map_err(|_| wrong())?;
        self.group.joins.guests.insert(link, Guest { pending, word, came, by, context });
        self.overlay.send_join(link, JoinMessage::Challenge(answer.into()));
        Ok(())
    }

    /// Lets a joiner in whose last word is right.
    pub(super) fn check_proof(&mut self, now: Now, link: LinkId, proof: &[u8]) -> Result<Admitted, Denial> {
        let wrong = || Denial::of(JoinDenied::WrongProof);
        let Guest { pending, word, came, by, context } =
            self.group.joins.guests.remove(&link).ok_or_else(wrong)?;
        if pending.finish(proof, &context).is_err() {
            self.group.throttle.failed(&by);
            return Err(wrong());
        }
        self.group.throttle.succeeded(&by);
        let members = self.group.members.as_ref().ok_or_else(wrong)?;
        if let Some(standing) = members.member(came.peer, self.peer_time(now)) {
            return Ok(Admitted { standing, again: true });
        }
        // Somebody may have cleared the password meanwhile or set another, or removed the joiner. What was proven is the
        // old one: its words are not those of the new.
        let (current, _) = members.password().ok_or(Denial::of(JoinDenied::NoPassword))?;
        if current != word {
            return Err(wrong());
        }
        if self.admitting(came.peer, came.role).is_some_and(|own| members.is_kept_out(came.peer, own, &word))
        {
            return Err(Denial::of(JoinDenied::Removed));
        }
        self.admit_joiner(now, came)
    }

    /// The context of this node's own proof on a link.
    fn own_context(&self, link: LinkId) -> Option<Vec<u8>> {
        let (reached, ..) = self.overlay.peer_of(link)?;
        let exporter = self.group.exporters.get(&link)?;
        let own = (self.device.peer, self.device.node);
        Some(proof_context(&self.graph, &own, &reached, exporter))
    }

    /// The joiner at the other end of a link: identity, node, and the context of its proof.
    fn joiner_at(&self, link: LinkId) -> Option<(PeerId, TriedBy, Vec<u8>)> {
        let (node, peer, _) = self.overlay.peer_of(link)?;
        let exporter = self.group.exporters.get(&link)?;
        let context = proof_context(&self.graph, &(peer, node), &self.device.node, exporter);
        Some((peer, TriedBy::Node(node), context))
    }

    /// A joiner for whom the other end of a link speaks, which is a member. It is trusted with nothing: identity and node
    /// of the joiner are part of what it proves. Until then the try counts against the one who speaks.
    fn joiner_behind(
        &self,
        now: Now,
        link: LinkId,
        device: &DeviceCertificate,
        exporter: &[u8; 32],
    ) -> Option<(PeerId, TriedBy, Vec<u8>)> {
        let (reached, by, _) = self.overlay.peer_of(link)?;
        let members = self.group.members.as_ref()?;
        let trusted = members.member(by, self.membership_time(now)).is_some()
            && !members.is_device_revoked(by, reached)
            && device.verify();
        let (peer, node) = (device.peer, device.node);
        trusted.then(|| {
            (peer, TriedBy::Relay(reached), proof_context(&self.graph, &(peer, node), &reached, exporter))
        })
    }

    /// The verifier that was sealed to this identity, if there is one.
    fn verifier(&self) -> Option<PasswordVerifier> {
        let verifiers = self.group.members.as_ref()?.verifiers();
        let mut own = verifiers.filter(|(peer, _)| **peer == self.device.peer);
        own.find_map(|(_, sealed)| {
            let opened = open_from(self.stamper.key(), self.graph.as_bytes(), sealed)?;
            PasswordVerifier::from_bytes(&opened)
        })
    }

    /// Lets in whoever knows this password, as `role`, for a while; `None`: by no password any more. Acknowledge only
    /// after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// As [`issue`](Engine::issue).
    pub fn set_password(
        &mut self,
        now: Now,
        verifier: Option<&PasswordVerifier>,
        role: Role,
        lifetime: Option<Duration>,
    ) -> Result<(), PublishError> {
        self.check_standing()?;
        let lifetime = lifetime.unwrap_or(PASSWORD_MEMBERSHIP);
        let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let members = self.group.members.as_ref().ok_or(CredentialFault::NotAMember)?;
        // The rest is given it by this identity, which is among them, and by other admins.
        let mut admitters = members.admitters_by_rank(self.peer_time(now));
        admitters.retain(|peer| *peer != self.device.peer);
        admitters.insert(0, self.device.peer);
        let despite = members.verdict().leavers(members.acts());
        let verifiers = verifier.map(|verifier| self.sealed_to(&admitters, verifier)).unwrap_or_default();
        self.issue(now, Content::Password(Password { role, lifetime_ms, verifiers, despite }))?;
        self.pass_on_verifier(now);
        Ok(())
    }

    /// The verifier, sealed to the first of these who can be given it.
    fn sealed_to(&mut self, admitters: &[PeerId], verifier: &PasswordVerifier) -> Sealed {
        let (bytes, graph) = (verifier.to_bytes(), self.graph);
        let mut sealed = Sealed::new();
        for peer in admitters {
            if sealed.len() >= MAX_VERIFIERS {
                break;
            }
            let secret = self.fresh_secret();
            match seal_to(peer, *secret, graph.as_bytes(), &bytes) {
                Some(given) => sealed.push((*peer, given)),
                None => drop(self.group.epochs.no_keys.insert(*peer)),
            }
        }
        // As an act names them, each once.
        sealed.sort_unstable();
        sealed
    }

    /// Gives the verifier to admitters who have none yet. Admins do, who have it themselves.
    pub(super) fn pass_on_verifier(&mut self, now: Now) {
        let admins = self.group.own.as_ref().is_some_and(|own| own.role >= Role::Admin);
        let Some(members) = self.group.members.as_ref().filter(|_| admins && self.usable) else { return };
        let Some((password, _)) = members.password() else { return };
        let have: BTreeSet<PeerId> = members.verifiers().map(|(peer, _)| *peer).collect();
        let mut lacking = members.admitters_by_rank(self.peer_time(now));
        let no_keys = &self.group.epochs.no_keys;
        lacking.retain(|peer| !have.contains(peer) && !no_keys.contains(peer));
        let Some(verifier) = self.verifier().filter(|_| !lacking.is_empty()) else { return };
        // The rest is passed on with the next look.
        let parts = lacking.chunks(MAX_VERIFIERS).take(ISSUED_AT_ONCE);
        let parts: Vec<Sealed> = parts.map(|part| self.sealed_to(part, &verifier)).collect();
        let given = parts.into_iter().filter(|verifiers| !verifiers.is_empty());
        let given = given.map(|verifiers| Content::PassOn { password, verifiers }).collect();
        if let Err(error) = self.issue_all(now, given) {
            tracing::debug!(%error, "the verifier could not be passed on");
        }
    }
}
