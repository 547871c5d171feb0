//! The joiner's side of a join: what it says, and which memberships it accepts.
//!
//! The node that answers is held to what the joiner asked for. By password, a membership is accepted only after the
//! exchange has shown that the other end knows the password too. By link, it must come by the use of this link that the
//! joiner signed.

use std::fmt;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::{Engine, Joining, Notice, joining::Joins};
use crate::{
    authority::{Act, Content, use_message},
    crypto::{self, Domain, PasswordProof, SecretKey},
    group::clipped_name,
    ids::{ConnectionId, LinkId, PeerId},
    record::{NodeAddr, SignedRecord},
    time::Now,
    wire::{JoinDenied, JoinMessage, join_proof},
};

/// By what somebody joins.
#[derive(Clone)]
pub enum JoinBy {
    /// The key of an invitation, and who issued it.
    Key(Box<SecretKey>, PeerId),
    /// A password.
    Password(Zeroizing<String>),
}

impl fmt::Debug for JoinBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(..) => "Key(..)",
            Self::Password(_) => "Password(..)",
        })
    }
}

/// Why a join failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JoinFailure {
    /// The admitter said no; these nodes may say yes.
    Denied(JoinDenied, Vec<NodeAddr>),
    /// There is no such link, or it ended too early.
    NotConnected,
    /// What the admitter gave is no membership of this identity, or was not asked for.
    BadGrant,
    /// The node says that this identity is a member already, by something else than the invitation. It may be so; see
    /// [`Engine::accept_as_member`].
    Unproven(Vec<Bytes>),
}

/// A join of this node's own.
#[derive(Debug)]
pub(super) struct JoinRequest {
    connection: ConnectionId,
    by: Proving,
}

/// What is left to prove, and by what the answer is judged.
#[derive(Debug)]
pub(super) enum Proving {
    /// The password, once there is a challenge.
    Password(Box<PasswordProof>),
    /// The password was proven, by both ends.
    Proven,
    /// The use of an invitation, once it is asked for.
    Key(Box<SecretKey>),
    /// The use was signed with this key.
    Used(Box<SecretKey>),
    /// Nothing: the request is over.
    Over,
}

impl Joins {
    /// The next step of a request.
    pub(super) fn requested(&mut self, link: LinkId, by: Proving) {
        if let Some(ours) = self.ours.get_mut(&link) {
            ours.by = by;
        }
    }

    /// Forgets the request that is under way on a link, and gives its connection.
    pub(super) fn forget_request(&mut self, link: LinkId) -> Option<ConnectionId> {
        self.ours.remove(&link).map(|ours| ours.connection)
    }
}

impl Engine {
    /// Asks for membership on a link made for that; exactly one [`Notice::Joined`] follows while the link lasts.
    pub fn join(&mut self, now: Now, connection: ConnectionId, by: &JoinBy, name: &str) {
        let link = self.overlay.link_of(connection);
        let exporter = link.and_then(|link| self.group.exporters.get(&link));
        let (Some(link), Some(exporter)) = (link, exporter) else {
            let result = Err(JoinFailure::NotConnected);
            return self.notices.push_back(Notice::Joined { connection, result });
        };
        let (peer, node, name) = (self.device.peer, self.device.node, clipped_name(name).to_owned());
        let said = join_proof(exporter, &peer, &node);
        let (message, by) = match by {
            JoinBy::Key(key, issuer) => {
                let signature = key.sign(Domain::Join, self.graph.as_bytes(), &said);
                (
                    JoinMessage::Invite { key: key.peer(), issuer: *issuer, signature, name },
                    Proving::Key(key.clone()),
                )
            }
            JoinBy::Password(password) => {
                let (proof, request) = self.begin_proof(password);
                (JoinMessage::Password { request: request.into(), name }, Proving::Password(Box::new(proof)))
            }
        };
        self.group.joins.ours.insert(link, JoinRequest { connection, by });
        self.overlay.send_join(link, message);
        self.pump(now);
    }

    /// Gives up a join that has no answer: one that comes late counts for nothing.
    pub fn give_up_join(&mut self, now: Now, connection: ConnectionId) {
        if let Some(link) = self.overlay.link_of(connection)
            && self.group.joins.forget_request(link).is_some()
        {
            self.overlay.end_join(now, link);
            self.pump(now);
        }
    }

    /// An answer to a request of this node's own; gives back a message that is something else.
    pub(super) fn on_answer(&mut self, now: Now, link: LinkId, message: JoinMessage) -> Option<JoinMessage> {
        let Some(ours) = self.group.joins.ours.get_mut(&link) else { return Some(message) };
        let connection = ours.connection;
        let result = match (message, std::mem::replace(&mut ours.by, Proving::Over)) {
            (JoinMessage::Challenge(challenge), Proving::Password(proof)) => {
                self.finish_proof(now, link, connection, *proof, &challenge);
                return None;
            }
            (JoinMessage::Use(invite), Proving::Key(key)) => {
                let message = use_message(&invite, &self.device.peer);
                let signature = key.sign(Domain::InvitationUse, self.graph.as_bytes(), &message);
                self.group.joins.requested(link, Proving::Used(key));
                self.overlay.send_join(link, JoinMessage::Used(signature));
                return None;
            }
            (JoinMessage::Granted { chain, again }, by) => self.on_granted(now, chain, again, &by),
            (JoinMessage::Denied { reason, referrals }, _) => Err(JoinFailure::Denied(reason, referrals)),
            _ => {
                self.close_for_protocol(now, link);
                return None;
            }
        };
        self.group.joins.forget(link);
        self.notices.push_back(Notice::Joined { connection, result });
        self.overlay.end_join(now, link);
        None
    }

    fn on_granted(
        &mut self,
        now: Now,
        chain: Vec<Bytes>,
        again: bool,
        by: &Proving,
    ) -> Result<bool, JoinFailure> {
        let proven = match by {
            Proving::Proven => true,
            // A first answer may have been lost: then it is by this key as well.
            Proving::Key(key) => again && self.is_used_in(&chain, key),
            Proving::Used(key) => self.is_used_in(&chain, key),
            Proving::Password(_) | Proving::Over => return Err(JoinFailure::BadGrant),
        };
        if !proven {
            return Err(if again { JoinFailure::Unproven(chain) } else { JoinFailure::BadGrant });
        }
        self.accept_as_member(now, chain)?;
        Ok(again)
    }

    /// Takes in a chain that was given in answer to a join.
    ///
    /// # Errors
    /// [`JoinFailure::BadGrant`] if it makes this identity no member.
    pub fn accept_as_member(&mut self, now: Now, chain: Vec<Bytes>) -> Result<(), JoinFailure> {
        self.accept_chain(now, chain)?;
        self.note_joining(Some(Joining::LetIn));
        Ok(())
    }

    /// True if the last grant of this identity in a chain is a use of an invitation, signed with its key.
    fn is_used_in(&self, chain: &[Bytes], key: &SecretKey) -> bool {
        let max = self.max_record();
        let decoded =
            chain.iter().rev().filter_map(|bytes| SignedRecord::decode(&self.graph, bytes.clone(), max).ok());
        let grants = decoded.filter_map(|record| match &Act::of(&record)?.body().content {
            Content::Grant(grant) => Some(grant.clone()),
            _ => None,
        });
        let mut own = grants.filter(|grant| grant.subject == self.device.peer);
        own.next().and_then(|grant| grant.admission).is_some_and(|admission| {
            let said = use_message(&admission.invite, &self.device.peer);
            let (key, graph) = (key.peer(), self.graph.as_bytes());
            crypto::verify(key.as_bytes(), Domain::InvitationUse, graph, &said, &admission.proof)
        })
    }
}
