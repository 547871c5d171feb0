//! Making, opening and joining groups.

use std::{sync::Arc, time::Instant};

use zeroize::Zeroizing;

use super::{
    Call, CreateGroup, Error, ErrorKind, Graph, Group, Identities, Identity, JoinGroup, JoinOutcome, Node,
    OpenGraph, Result,
    asking::failure,
    attempt::Attempt,
    becoming::{Means, NameGiven, enter_by},
    closing::Expecting,
    entering::Entering,
    graph::GraphInner,
    group::checked_name,
    making::Undo,
    node::NodeInner,
    opening::{Guard, Opening},
    runtime::{blocking, on_task},
};
use crate::{
    crypto::SecretKey,
    engine::JoinBy,
    events::Event,
    group::{Access, Admission, Invitation, InvitationError, Way, clipped_name},
    ids::GraphId,
    limits::SKEW_HOLD,
    record::{Genesis, GraphSecret, NodeAddr},
    time::Timestamp,
};

impl Node {
    /// Makes a group. The identity is its creator: owner without end. It is reachable as soon as this returns.
    ///
    /// # Errors
    /// `InvalidArgument` or `TooLarge` for a property or rule out of bounds, `IdentityDeleted`, `Storage`.
    #[doc(alias = "PeerGroupCreate")]
    pub fn create_group(&self, options: impl Into<CreateGroup>) -> Call<Result<Group>> {
        let options = options.into();
        let create = |node: Arc<NodeInner>| async move {
            let opening = node.new_group(options).await?;
            node.create_group(opening).await
        };
        let take = |made| Group::new(Graph::new(made), JoinOutcome::Joined);
        self.inner.make(create, take)
    }

    /// Comes back to a group that is here, as the identity that is a member: it listens at once and dials the nodes that
    /// are known, in the background. It waits for nobody: if nobody is there, it connects by itself when somebody is.
    /// `StatusChanged` tells. One that is open already is handed out again. For one that stays offline, see
    /// [`open_group_with`](Self::open_group_with).
    ///
    /// # Errors
    /// `UnknownGraph` for an id without a database, `NeverSynchronized` if joining it was cut off (join again),
    /// `NotAMember` if it is a plain graph, `NotFound` if the identity is not here, `Damaged`, `Storage`.
    #[doc(alias = "PeerGroupOpen")]
    pub fn open_group(&self, group: GraphId) -> Call<Result<Group>> {
        self.open_group_with(group, OpenGraph::default())
    }

    /// The same with options: record types to synchronise first, or without any traffic.
    ///
    /// # Errors
    /// As [`open_group`](Self::open_group).
    pub fn open_group_with(&self, group: GraphId, options: OpenGraph) -> Call<Result<Group>> {
        let OpenGraph { precedence, offline } = options;
        let open = move |node: Arc<NodeInner>| async move {
            let opening =
                Opening { precedence, ..Opening::of(group, Guard::Membership, node.key_of(group)?) };
            let graph = node.open_alone(opening).await?;
            if !offline {
                let told = graph.driver.tell(crate::engine::Engine::go_online);
                graph.unless_closed(told.map_err(Error::from))?;
            }
            Ok((graph, Undo::Open(group)))
        };
        let _order = self.inner.expected.in_order();
        let expecting = Expecting::new(&self.inner, group);
        let take = move |opened| {
            let group = Group::new(Graph::new(opened), JoinOutcome::AlreadyMember);
            drop(expecting);
            group
        };
        self.inner.make(open, take)
    }

    /// Joins a group by an invitation: becomes a member, connects, waits until this node is synchronised, and listens.
    /// One call from a text to the group's records. [`Event::ConnectionFailed`] tells once if it fails.
    ///
    /// Nodes of the invitation that are silent hold up the next by a second each; an admitter's wish to wait before the
    /// next password is granted up to ten seconds, within the deadline. Whoever is a member already connects all the
    /// same; see [`Group::join_outcome`].
    ///
    /// # Errors
    /// `InvitationNotForYou`, `InvitationExpired`, `InvitationNotYetValid`, `InvitationUsedUp`, `InvitationRevoked`,
    /// `WrongPassword`, `Throttled` if the wait is longer, `Removed`, `NotAuthorized` if nobody who was reached may let
    /// in, `Unreachable`, `Busy` if nobody had a place until the deadline, `TimedOut`, and as [`join`](Self::join). Nothing is left here of a first join that nobody
    /// let in. Once let in, what came stays, and `join_group` again goes on from there, without using up the invitation
    /// another time; until then the group is not listed as stored, and [`open_group`](Self::open_group) fails with
    /// `NeverSynchronized`.
    #[doc(alias("PeerGroupJoin", "PeerGroupPasswordJoin", "PeerGroupConnect"))]
    pub fn join_group(&self, join: impl Into<JoinGroup>) -> Call<Result<Group>> {
        let JoinGroup { invitation, name, identity, password, deadline, on_progress } = join.into();
        let node = self.inner.clone();
        let issuer = invitation.issuer;
        let (expecting, entered) = {
            let _order = node.expected.in_order();
            (Expecting::new(&node, invitation.group), node.enter())
        };
        // Who stops waiting drops the attempt, which ends it.
        let opened = on_task(async move {
            let _guard = entered.await;
            let opened = node.open_by_invitation(&invitation, &name, identity, password).await;
            if opened.is_err() {
                node.close_deferred().await;
            }
            opened
        });
        Call::placed(async move {
            let _expecting = expecting;
            let (attempt, name, by, nodes) = opened.await?;
            let graph = attempt.graph().clone();
            let how = Entering { until: Instant::now() + deadline, on_progress: on_progress.as_ref() };
            match enter_by(&graph, (by, issuer), nodes, name, &how).await {
                Ok(outcome) => {
                    let group = Group::new(graph, outcome);
                    attempt.done();
                    Ok(group)
                }
                Err(error) => {
                    graph.inner().hub.publish(Event::ConnectionFailed(failure(&error)));
                    attempt.over().await;
                    Err(error)
                }
            }
        })
    }

    /// The groups that have a database here, open or not.
    ///
    /// # Errors
    /// `Damaged` or `Storage` if a database could not be read.
    #[doc(alias = "PeerEnumGroups")]
    pub fn stored_groups(&self) -> Result<Vec<GraphId>> {
        let mut groups = self.stored_graphs();
        let mut failed = Ok(());
        groups.retain(|id| match self.inner.stored_guard(*id) {
            Ok(guard) => guard == Guard::Membership,
            // Deleted since it was listed.
            Err(_) if self.inner.dir.as_ref().is_some_and(|dir| !dir.has(id)) => false,
            Err(error) => {
                failed = Err(error);
                false
            }
        });
        failed.map(|()| groups)
    }
}

/// While nothing else is opened.
impl NodeInner {
    /// What a new group is to be opened as.
    async fn new_group(self: &Arc<Self>, options: CreateGroup) -> Result<Opening> {
        let CreateGroup { properties, mut rules, max_record, precedence, identity } = options;
        properties.check()?;
        let identity = self.identity_or_default(identity).await?;
        if rules.creator_name.is_empty() {
            rules.creator_name = member_name(&identity);
        }
        let key = identity.secret()?;
        let genesis = Genesis { max_record, rules: Some(rules), ..Genesis::new(key.peer(), rand::random()) };
        check_version(&genesis)?;
        if !genesis.is_sound() {
            let message = "a rule of the group is out of bounds: records of 64 KiB to 60 MiB, chains of 1 to 24 \
                           grants, no rules for reserved types";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let opening = Opening {
            secret: Some(GraphSecret::from_bytes(rand::random())),
            found: Some(properties),
            precedence,
            ..Opening::of(genesis.id(), Guard::Membership, key)
        };
        Ok(Opening { genesis: Some(genesis), ..opening })
    }

    /// Opens a graph in order to join it.
    pub(super) async fn open_to_join(self: &Arc<Self>, opening: Opening) -> Result<Attempt> {
        let graph = Graph::new(self.open_alone(Opening { joining: true, ..opening }).await?);
        self.settle(graph.id()).await?;
        Ok(Attempt::of(self.clone(), graph))
    }

    /// Opens the group of an invitation: with the name to go by there, how to become a member, and who lets in.
    async fn open_by_invitation(
        self: &Arc<Self>,
        invitation: &Invitation,
        name: &str,
        identity: Option<Identity>,
        password: Option<Zeroizing<String>>,
    ) -> Result<(Attempt, NameGiven, Means, Vec<NodeAddr>)> {
        let name = checked_name(name)?;
        let identity = self.identity_for(invitation, identity).await?;
        // Whoever was let in before needs no invitation that still holds.
        if !self.is_here(&invitation.group) {
            check_time(invitation)?;
        }
        let chosen = !name.is_empty();
        let name = if chosen { name } else { member_name(&identity) };
        let name = NameGiven { name, chosen };
        let key = identity.secret()?;
        let WayIn { access, genesis, by } = WayIn::of(invitation, &key, password)?;
        let opening = Opening {
            secret: Some(access.secret),
            genesis,
            ..Opening::of(invitation.group, Guard::Membership, key)
        };
        Ok((self.open_to_join(opening).await?, name, by, access.nodes))
    }

    async fn identity_or_default(self: &Arc<Self>, identity: Option<Identity>) -> Result<Identity> {
        if let Some(identity) = identity {
            return Ok(identity);
        }
        self.check_open()?;
        let node = self.clone();
        let entry = blocking(move || node.identities.default()).await?;
        Ok(Identities::new(self.clone()).handle(entry))
    }

    /// The identity that an invitation is for, or the one to join as.
    async fn identity_for(
        self: &Arc<Self>,
        invitation: &Invitation,
        asked: Option<Identity>,
    ) -> Result<Identity> {
        let Way::Identity { subject, .. } = &invitation.way else {
            return self.identity_or_default(asked).await;
        };
        let here = || Identities::new(self.clone()).list();
        let candidates = asked.map_or_else(here, |identity| vec![identity]);
        candidates.into_iter().find(|identity| identity.peer_id() == *subject).ok_or_else(|| {
            let message = format!(
                "the invitation is for identity {}, which is not on this node; ask for one for your own identity",
                subject.short()
            );
            Error::new(ErrorKind::InvitationNotForYou, message)
        })
    }

    /// The key of the identity as which a group is here.
    fn key_of(self: &Arc<Self>, group: GraphId) -> Result<SecretKey> {
        if !self.is_here(&group) {
            let message = format!("there is no database of group {} on this node", group.short());
            return Err(Error::new(ErrorKind::UnknownGraph, message));
        }
        let peer = match self.find(&group) {
            Some(graph) => graph.identity,
            None => self.stored_identity(group)?,
        };
        let found = Identities::new(self.clone()).list().into_iter().find(|known| known.peer_id() == peer);
        let missing =
            || Error::new(ErrorKind::NotFound, format!("identity {} is not on this node", peer.short()));
        found.ok_or_else(missing)?.secret()
    }
}

/// What an invitation comes to for one identity.
struct WayIn {
    access: Access,
    genesis: Option<Genesis>,
    by: Means,
}

impl WayIn {
    fn of(invitation: &Invitation, key: &SecretKey, password: Option<Zeroizing<String>>) -> Result<Self> {
        let (access, by) = match &invitation.way {
            Way::Identity { .. } => {
                let Admission { access, genesis, chain } = invitation.open(key)?;
                check_version(&genesis)?;
                return Ok(Self { access, genesis: Some(genesis), by: Means::Granted(chain) });
            }
            Way::Link { key, access, .. } => {
                (access, JoinBy::Key(Box::new(SecretKey::from_bytes(key)), invitation.issuer))
            }
            Way::Password { access } => {
                let missing = || {
                    let message = "this invitation needs a password, which its issuer shares separately";
                    Error::new(ErrorKind::InvalidArgument, message)
                };
                (access, JoinBy::Password(password.ok_or_else(missing)?))
            }
        };
        Ok(Self { access: access.clone(), genesis: None, by: Means::Asked(Box::new(by)) })
    }
}

/// A group can demand a later version of the protocol than this one.
pub(super) fn check_version(genesis: &Genesis) -> Result<()> {
    match genesis.rules.as_ref().map(|rules| rules.min_version) {
        Some(version) if version > crate::wire::VERSION => {
            let message = format!(
                "the group requires version {version} of the protocol; this library has {}",
                crate::wire::VERSION
            );
            Err(Error::new(ErrorKind::UnsupportedVersion, message))
        }
        _ => Ok(()),
    }
}

/// What can be said of an invitation without asking anybody.
fn check_time(invitation: &Invitation) -> Result<()> {
    // This machine's clock may be wrong as well, so a little is let pass.
    let now = Timestamp::from(std::time::SystemTime::now());
    if invitation.not_after.is_some_and(|end| end + SKEW_HOLD < now) {
        return Err(Error::new(
            ErrorKind::InvitationExpired,
            "the invitation has expired; ask for a new one",
        ));
    }
    if invitation.not_before > now + SKEW_HOLD {
        let message = "the invitation is not valid yet, or this machine's clock is wrong";
        return Err(Error::new(ErrorKind::InvitationNotYetValid, message));
    }
    Ok(())
}

/// What an identity goes by unless told otherwise: its friendly name, if it was given one.
fn member_name(identity: &Identity) -> String {
    let name = identity.name();
    if name == identity.peer_name().to_string() { String::new() } else { clipped_name(&name).to_owned() }
}

pub(super) fn is_a_group() -> Error {
    Error::new(ErrorKind::NotAuthorized, "this graph is a group; open it as a group")
}

fn in_use() -> Error {
    Error::new(
        ErrorKind::GraphInUse,
        "the graph is already open as another identity, or as another kind of graph",
    )
}

impl From<InvitationError> for Error {
    fn from(error: InvitationError) -> Self {
        let kind = match error {
            InvitationError::NotForYou => ErrorKind::InvitationNotForYou,
            InvitationError::Version(_) => ErrorKind::UnsupportedVersion,
            _ => ErrorKind::InvalidInvitation,
        };
        Self::caused(kind, error.to_string(), error)
    }
}

impl NodeInner {
    async fn create_group(self: Arc<Self>, opening: Opening) -> Result<(Arc<GraphInner>, Undo)> {
        let graph = self.open_alone(opening).await?;
        let listening = graph.driver.write(|engine, now| engine.listen(now)).await;
        match listening.map_err(Error::from).and_then(|written| written.map_err(Error::from)) {
            Ok(_) => {
                let undo = Undo::Graph(graph.id);
                Ok((graph, undo))
            }
            Err(error) => {
                self.undo(Undo::Graph(graph.id)).await;
                Err(error)
            }
        }
    }

    /// While nothing else is opened.
    pub(super) async fn open_alone(self: &Arc<Self>, opening: Opening) -> Result<Arc<GraphInner>> {
        self.check_open()?;
        let (id, guard) = (opening.id, opening.guard);
        if let Some(graph) = self.find_open(&id).await {
            if guard == Guard::Ticket && graph.is_group() {
                return Err(is_a_group());
            }
            let same = graph.guard == guard && graph.identity == opening.identity.peer();
            return if same { Ok(graph) } else { Err(in_use()) };
        }
        if opening.secret.is_none() && !self.is_here(&id) {
            let message = format!(
                "there is no database of group {} on this node, and no invitation was given",
                id.short()
            );
            return Err(Error::new(ErrorKind::UnknownGraph, message));
        }
        if opening.secret.is_none() {
            let node = self.clone();
            blocking(move || node.check_whole(id)).await?;
        }
        Ok(self.add(GraphInner::open(self, opening).await?))
    }
}

impl GraphInner {
    /// True if this is a group's.
    pub(super) const fn is_group(&self) -> bool {
        matches!(self.guard, Guard::Membership)
    }
}
