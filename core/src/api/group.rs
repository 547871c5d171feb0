//! A group: a graph whose members are known by name and role, and can be invited and removed.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use super::{
    Call, Error, ErrorKind, Graph, InviteLink, InviteMember, InvitePassword, JoinOutcome, RemoveMember,
    Result,
    call::attempt,
    closing::Lease,
    members::no_member,
    runtime::{runtime, task_failed},
};
use crate::{
    authority::{Act, Content},
    crypto::{PasswordVerifier, SecretKey},
    engine::{Engine, PublishError, Removal},
    group::{
        Access, Admission, IdentityDescription, Invitation, Membership, OpenInvite, Way, check_friendly_name,
        clipped_name, is_member_name,
    },
    ids::{GraphId, NodeId, PeerId},
    limits::{MAX_ADMITTERS, MAX_NAME, MIN_PASSWORD},
    record::{GroupRules, Role, SignedRecord},
    time::{Now, Timestamp},
};

/// An invitation by link that can still be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenInvitation {
    /// Names it; the public half of its key.
    pub key: PeerId,
    /// Who made it.
    pub issuer: PeerId,
    /// What one becomes.
    pub role: Role,
    /// How many may come.
    pub uses: u32,
    /// How many came.
    pub used: u32,
    /// Until when, in peer time.
    pub not_after: Timestamp,
}

/// A device that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedDevice {
    /// Its node.
    pub node: NodeId,
    /// Who refused it: the identity itself, for good; else the admin who did so first.
    pub by: PeerId,
    /// When, by the clock of whoever did.
    pub at: Timestamp,
}

/// A group that is open in a node. Everything a [`Graph`] can do, it can, under membership. Cheap to clone.
#[derive(Clone)]
pub struct Group {
    graph: Graph,
    outcome: JoinOutcome,
    lease: Arc<Lease>,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({})", self.graph.id().short())
    }
}

impl Deref for Group {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        &self.graph
    }
}

impl Group {
    pub(super) fn new(graph: Graph, outcome: JoinOutcome) -> Self {
        let lease = Lease::of(graph.inner());
        Self { graph, outcome, lease }
    }

    /// Gives up this handle and its clones. The group goes offline and closes when all who opened it have: several
    /// parts of a program can share one, each with record types of its own. A handle that is dropped with all its clones,
    /// and nothing left of the group elsewhere, is given up as well.
    ///
    /// In any case this returns when what was called before is stored. Repeated calls, on clones too, wait for the first.
    #[doc(alias = "PeerGroupClose")]
    pub fn close(&self) -> Call<()> {
        self.lease.close()
    }

    /// The group as a graph.
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The group's id: the hash of what was fixed when it was made.
    pub fn id(&self) -> GraphId {
        self.graph.id()
    }

    /// Whether this identity became a member when the group was opened, or was one.
    pub const fn join_outcome(&self) -> JoinOutcome {
        self.outcome
    }

    /// What was fixed when the group was made: who may write what.
    ///
    /// # Errors
    /// `NeverSynchronized` before the first connect, `Closed`.
    pub fn rules(&self) -> Call<Result<GroupRules>> {
        let genesis = self.graph.genesis();
        Call::placed(async move { genesis.await?.rules.ok_or_else(not_a_group) })
    }

    /// What this identity may do; `None` if it is not, or no longer, a member.
    ///
    /// # Errors
    /// `Closed`.
    pub fn role(&self) -> Call<Result<Option<Role>>> {
        self.graph.call(|engine, _| engine.standing().map(|standing| standing.role))
    }

    /// Invites one identity, known by its public description. The invitation is of no use to anybody else. The
    /// membership holds from now on, and ends with one's own at the latest; take it back with [`remove`](Self::remove).
    ///
    /// # Errors
    /// `NotAuthorized` for a role above one's own or if this identity may not let in, `ChainTooLong`, `CircularChain` for somebody by whose word one is a member,
    /// `NotAMember`, `Storage`, `Closed`.
    #[doc(alias = "PeerGroupCreateInvitation")]
    pub fn invite(&self, whom: &IdentityDescription, options: InviteMember) -> Call<Result<Invitation>> {
        self.invite_peer(whom.peer_id(), clipped_name(whom.name()), options)
    }

    /// As [`invite`](Self::invite), for an identity known by its id. The name is what it is listed under until it gives
    /// one itself; it may be empty.
    ///
    /// # Errors
    /// As [`invite`](Self::invite), `TooLarge` for a name over 255 bytes, `InvalidArgument` for a name with control
    /// characters or an id that is no key.
    pub fn invite_peer(&self, peer: PeerId, name: &str, options: InviteMember) -> Call<Result<Invitation>> {
        let name = attempt!(checked_name(name));
        let InviteMember { role, lifetime } = options;
        let signer = attempt!(self.signer());
        let seed: [u8; 32] = rand::random();
        if !crate::crypto::is_key(&peer) {
            return Call::over(Err(not_a_key()));
        }
        self.graph.write(move |engine, now| -> Result<Invitation> {
            let chain = engine.grant(now, peer, &name, role, lifetime)?;
            let genesis = engine.genesis().cloned().ok_or(PublishError::NeverSynchronized)?;
            let granted = chain.last().and_then(Act::of);
            let not_after = match granted.as_ref().map(|act| &act.body().content) {
                Some(Content::Grant(grant)) => grant.not_after,
                _ => None,
            };
            let chain = chain.iter().map(|record| record.bytes().clone()).collect();
            let access = Access { secret: signer.secret, nodes: engine.entry_points() };
            let admission = Admission { access, genesis, chain };
            let way = admission.seal(&engine.graph_id(), peer, seed).ok_or_else(not_a_key)?;
            Ok(signer.invitation(engine, now, role, not_after, way))
        })
    }

    /// Makes a link (or a code to be scanned) for whoever has it. Give it only to those who may come.
    ///
    /// # Errors
    /// `NotAuthorized` for a role above inviter or one's own, `InvalidArgument` for no uses or more than 16 admitters,
    /// and as [`invite`](Self::invite).
    pub fn invite_link(&self, options: InviteLink) -> Call<Result<Invitation>> {
        let InviteLink { role, uses, valid, lifetime, admitters } = options;
        if role > Role::Inviter {
            let error = Error::new(
                ErrorKind::NotAuthorized,
                "an invitation link cannot grant the role admin or owner",
            );
            return Call::over(Err(error));
        }
        if uses == 0 || admitters.len() > MAX_ADMITTERS {
            let message = "an invitation link needs at least one use and at most 16 admitters";
            return Call::over(Err(Error::new(ErrorKind::InvalidArgument, message)));
        }
        let key: [u8; 32] = rand::random();
        let secret = SecretKey::from_bytes(&key);
        let signer = attempt!(self.signer());
        self.graph.write(move |engine, now| -> Result<Invitation> {
            let access = signer.access(engine, now, &admitters);
            let invite = engine.invite(now, &secret, role, uses, (valid, lifetime), admitters)?;
            let way = Way::Link { key, uses, access };
            Ok(signer.invitation(engine, now, role, Some(invite.not_after), way))
        })
    }

    /// Lets in whoever has this text and knows a password, which is told another way; replaces an earlier password.
    /// Only those who may let others in can check it, and nobody can try passwords without asking them.
    ///
    /// # Errors
    /// `InvalidArgument` for a password of fewer than 8 characters, `NotAuthorized` for a role above member or unless
    /// this identity is an admin, `Storage`, `Closed`.
    #[doc(alias = "PeerGroupCreatePasswordInvitation")]
    pub fn set_password(&self, password: &str, options: InvitePassword) -> Call<Result<Invitation>> {
        let InvitePassword { role, lifetime } = options;
        if password.chars().count() < MIN_PASSWORD || password.trim().is_empty() {
            let message = format!("a password has at least {MIN_PASSWORD} characters");
            return Call::over(Err(Error::new(ErrorKind::InvalidArgument, message)));
        }
        if role > Role::Member {
            let error =
                Error::new(ErrorKind::NotAuthorized, "a join password cannot grant a role above member");
            return Call::over(Err(error));
        }
        let password = zeroize::Zeroizing::new(password.to_owned());
        let signer = attempt!(self.signer());
        // Slow on purpose, so not on the graph's thread.
        let begin = move || -> Result<_> { Ok(move || PasswordVerifier::new(&password, rand::random())) };
        let store = move |engine: &mut Engine, now, verifier: PasswordVerifier| -> Result<Invitation> {
            engine.set_password(now, Some(&verifier), role, lifetime)?;
            let way = Way::Password { access: signer.access(engine, now, &[]) };
            Ok(signer.invitation(engine, now, role, None, way))
        };
        let set = attempt!(self.graph.inner().driver.write_prepared(begin, store));
        let set = runtime().spawn_blocking(move || set.prepare());
        Call::placed(async move {
            let set = set.await.map_err(task_failed)?;
            set.await?
        })
    }

    /// Lets nobody in by password any more.
    ///
    /// # Errors
    /// `NotAuthorized` unless this identity is an admin, `Storage`, `Closed`.
    pub fn clear_password(&self) -> Call<Result<()>> {
        self.graph.write(|engine, now| engine.set_password(now, None, Role::Reader, None))
    }

    /// The links that can still be used. A snapshot.
    ///
    /// # Errors
    /// `Closed`.
    pub fn invitations(&self) -> Call<Result<Vec<OpenInvitation>>> {
        self.graph.call(open_invitations)
    }

    /// Takes a link back: nobody else comes by it.
    ///
    /// # Errors
    /// `NotFound`, `NotAuthorized` if it is another's and this identity no admin, `Closed`.
    pub fn revoke_invitation(&self, key: PeerId) -> Call<Result<()>> {
        self.graph.write(move |engine, now| -> Result<()> {
            engine.check_standing()?;
            let peer_now = engine.peer_time(now);
            if !engine.membership().is_some_and(|members| members.may_let_in(key, peer_now)) {
                let message = "there is no such invitation, or it has ended";
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            Ok(engine.revoke_invite(now, key)?)
        })
    }

    /// Changes the friendly name that this identity goes by in the group, at most 255 bytes; an empty one resets it to the
    /// one its invitation gave it. The others are told by `MemberChanged`. On all nodes of the identity the latest holds.
    ///
    /// # Errors
    /// `TooLarge` for a longer one, `InvalidArgument` for one with control characters or that looks like an id,
    /// `NotAMember` or `Removed` if this identity is no member, `NeverSynchronized`, `Storage`, `Closed`.
    pub fn set_name(&self, name: &str) -> Call<Result<()>> {
        let checked = attempt!(checked_name(name));
        if checked.is_empty() && !name.is_empty() {
            return Call::over(Err(Error::new(
                ErrorKind::InvalidArgument,
                "a name cannot be blank or look like an id",
            )));
        }
        self.graph.write(move |engine, now| engine.set_name(now, &checked))
    }

    /// Gives a membership anew, with the same role and name, for this long from now on; `None`: as long as this
    /// identity's own. It works at once, without a reconnect, and for one that has ended too: who has it connects again. One of a day
    /// or more is renewed by itself from then on, as by [`invite`](Self::invite).
    ///
    /// # Errors
    /// As [`invite`](Self::invite), and `NotFound` if it never was a member, or was removed.
    #[doc(alias = "PeerGroupIssueCredentials")]
    pub fn renew(&self, peer: PeerId, lifetime: Option<Duration>) -> Call<Result<()>> {
        self.graph.write(move |engine, now| -> Result<()> {
            engine.check_standing()?;
            let (name, role) = engine.last_membership(now, peer).ok_or_else(|| no_member(peer))?;
            engine.grant(now, peer, &name, role, lifetime)?;
            Ok(())
        })
    }

    /// Gives a member another role, at once. What it wrote stays: for a lower role that is listed, as by
    /// [`remove`](Self::remove).
    ///
    /// # Errors
    /// `NotAuthorized` unless both the old and the new role are this identity's to give, `NotAMember` if it is none, `TooLarge`
    /// as for [`remove`](Self::remove),
    /// `Storage`, `Closed`.
    pub fn set_role(&self, peer: PeerId, role: Role) -> Call<Result<()>> {
        self.graph.end_membership(move |engine, now| engine.set_role(now, peer, role))
    }

    /// Removes a member: its links end, and whatever comes from it later counts nowhere, however it is dated. What it did as
    /// a member and is known here stands: those whom it let in, and removed; [`RemoveMember`] can say otherwise.
    ///
    /// What this cannot do: take back what it has read; reach nodes that cannot be reached now, which learn of it
    /// when they are; keep records of its that were not here yet.
    ///
    /// With very many records in the group it takes a while to list what stays: about a second for 100,000. Calls that only
    /// ask are answered meanwhile, and the member is one until this call is answered. The next call that writes waits for
    /// that, and so do all after it; but in a [`pause`](super::Node::pause), nothing waits. A [`close`](Self::close)
    /// that is called later waits too; if the program ends before, nothing was removed.
    ///
    /// # Errors
    /// `InvalidArgument` for this identity itself, which can [`leave`](Self::leave). `NotAuthorized` unless this identity
    /// is senior: by whose word it is a member, or of a higher role from admin on. `TooLarge` for a long reason, or
    /// for more than 512,000 records to keep. `NotAMember` if it is none; with `undo`, if there is nothing to undo either.
    /// `Storage`, `Closed`.
    pub fn remove(&self, peer: PeerId, options: RemoveMember) -> Call<Result<()>> {
        let RemoveMember { reason, keep_records, with_branch, undo } = options;
        if reason.len() > MAX_NAME {
            return Call::over(Err(Error::new(ErrorKind::TooLarge, "the reason is longer than 255 bytes")));
        }
        let removal = Removal { keep_records, with_branch, undo };
        self.graph.end_membership(move |engine, now| engine.remove(now, peer, &reason, removal))
    }

    /// In a group with [encrypted bodies](GroupRules::encrypted_bodies): encrypts what follows under a new key, which those
    /// who are members now get. For when a key may have got out. Removals do it by themselves, at once if an admin removes,
    /// else when an admin is online.
    ///
    /// # Errors
    /// `NotAuthorized` below admin, `InvalidArgument` in a group without encrypted bodies, `NotAMember`, `Storage`,
    /// `Closed`.
    pub fn renew_body_key(&self) -> Call<Result<()>> {
        self.graph.write(|engine, now| engine.begin_epoch(now))
    }

    /// Refuses one device of an identity: its node is not let in any more, and its links end. An admin can take that back
    /// with [`restore_device`](Self::restore_device); what an identity refuses of its own devices is refused for good.
    ///
    /// # Errors
    /// `NotAuthorized` unless it is this identity's own, or this identity is an admin and senior to it; `NotAMember` if the other
    /// identity is none here: nobody let it in yet, it left, or it was removed (whose membership is over by time is still one). Also
    /// `NotAMember`, `Removed` or `InvitationExpired` if this identity is none itself; `Storage`, `Closed`.
    pub fn revoke_device(&self, peer: PeerId, node: NodeId) -> Call<Result<()>> {
        self.graph.write(move |engine, now| engine.revoke_device(now, peer, node))
    }

    /// Takes back that a device is refused: its node is let in again.
    ///
    /// # Errors
    /// `NotFound` if it is not refused. `NotAuthorized` if its own identity refused it, or unless this identity is an admin
    /// and refused it itself, or ranks above those who did. `NotAMember`, `Storage`, `Closed`.
    pub fn restore_device(&self, peer: PeerId, node: NodeId) -> Call<Result<()>> {
        self.graph.write(move |engine, now| engine.restore_device(now, peer, node))
    }

    /// The devices of an identity that are refused, by node. A snapshot; empty for an unknown identity.
    ///
    /// # Errors
    /// `Closed`.
    pub fn revoked_devices(&self, peer: PeerId) -> Call<Result<Vec<RevokedDevice>>> {
        self.graph.call(move |engine, _| {
            let refusals = engine.revoked_devices(peer).into_iter();
            refusals
                .map(|refusal| RevokedDevice { node: refusal.node, by: refusal.by, at: refusal.at })
                .collect()
        })
    }

    /// Leaves the group for good, and closes it. What was written stays; once this is called, nothing more can be. The database
    /// stays here until deleted.
    ///
    /// # Errors
    /// `NotAuthorized` for the creator, who is a member without end; `TooLarge` as for [`remove`](Self::remove); `Storage`, `Closed`.
    pub fn leave(&self) -> Call<Result<()>> {
        let resigned = self.graph.end_membership(|engine, now| engine.resign(now));
        let leaving = self.graph.inner().close_after(resigned);
        Call::placed(async move { leaving.await.map_err(task_failed)? })
    }

    /// All grants, invitations and removals as signed records: kept elsewhere, they show who let whom in and who
    /// removed whom, and verify without this node.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    pub fn credentials(&self) -> Call<Result<Vec<SignedRecord>>> {
        self.graph.ask(|engine, _| engine.credentials())
    }

    fn signer(&self) -> Result<Signer> {
        let inner = self.graph.inner();
        let node = inner.node.upgrade().ok_or_else(Error::closed)?;
        let known = node.identities.list().into_iter().find(|entry| entry.peer_id() == inner.identity);
        let gone = || Error::new(ErrorKind::IdentityDeleted, "the identity no longer exists on this node");
        Ok(Signer { identity: known.ok_or_else(gone)?.secret()?, secret: inner.secret })
    }
}

fn open_invitations(engine: &mut Engine, now: Now) -> Vec<OpenInvitation> {
    let peer_now = engine.peer_time(now);
    let open = |members: &Membership| {
        let listed = members.open_invites(peer_now).into_iter();
        let listed = listed.map(|OpenInvite { invite, issuer, used }| OpenInvitation {
            key: invite.key,
            issuer,
            role: invite.role,
            uses: invite.uses,
            used: u32::try_from(used).unwrap_or(u32::MAX),
            not_after: invite.not_after,
        });
        listed.collect()
    };
    engine.membership().map(open).unwrap_or_default()
}

/// Signs invitations on the graph thread.
struct Signer {
    identity: SecretKey,
    secret: crate::record::GraphSecret,
}

impl Signer {
    fn access(&self, engine: &mut Engine, now: Now, admitters: &[PeerId]) -> Access {
        Access { secret: self.secret, nodes: engine.invitation_nodes(now, admitters) }
    }

    fn invitation(
        &self,
        engine: &Engine,
        now: Now,
        role: Role,
        not_after: Option<Timestamp>,
        way: Way,
    ) -> Invitation {
        let me = self.identity.peer();
        let own = engine.members(now).into_iter().find(|member| member.peer == me);
        let group_name = engine.properties().map(|p| p.name.clone()).unwrap_or_default();
        let who = (me, own.map(|member| member.name).unwrap_or_default());
        let valid = (engine.peer_time(now), not_after);
        Invitation::unsigned(engine.graph_id(), group_name, who, role, valid, way).signed(&self.identity)
    }
}

pub(super) fn not_a_group() -> Error {
    Error::new(ErrorKind::NotAMember, "this graph is not a group")
}

/// A name for a member. One that cannot be shown, such as an id, counts as none: identities without a friendly name go by
/// their ids elsewhere.
pub(super) fn checked_name(name: &str) -> Result<String> {
    if name.len() > MAX_NAME {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("the name has {} bytes; the maximum is 255", name.len()),
        ));
    }
    check_friendly_name(name)?;
    Ok(if is_member_name(name) { name.to_owned() } else { String::new() })
}

fn not_a_key() -> Error {
    Error::new(ErrorKind::InvalidArgument, "this id is not a public key, so no identity can have it")
}
