//! What an application says when it opens a graph, and makes, joins and manages a group; and how a join came out.

use std::{fmt, time::Duration};

use zeroize::Zeroizing;

use super::{Identity, OnProgress, Result, config::Hidden};
use crate::{
    events::SyncProgress,
    group::Invitation,
    ids::{GraphId, PeerId},
    limits::{CONNECT_TIMEOUT, DEFAULT_INVITATION, DEFAULT_MEMBERSHIP},
    record::{GraphProperties, GroupRules, RecordType, Role, Ticket},
};

/// Which graph to open.
#[derive(Debug, Clone)]
pub enum GraphRef {
    /// One that has a database here.
    Id(GraphId),
    /// One that a ticket leads to.
    Ticket(Ticket),
}

impl From<GraphId> for GraphRef {
    fn from(id: GraphId) -> Self {
        Self::Id(id)
    }
}

impl From<Ticket> for GraphRef {
    fn from(ticket: Ticket) -> Self {
        Self::Ticket(ticket)
    }
}

/// What a new group is like.
#[derive(Debug, Clone)]
#[doc(alias = "PEER_GROUP_PROPERTIES")]
pub struct CreateGroup {
    /// The properties that may change later.
    pub properties: GraphProperties,
    /// What holds for ever: who may write what, how long chains of grants may be.
    pub rules: GroupRules,
    /// Most bytes of body plus attributes of a record. Default 1 MiB; 64 KiB to 60 MiB. Fixed for ever.
    pub max_record: u32,
    /// Record types to synchronise first, in order.
    pub precedence: Vec<RecordType>,
    /// Who makes it. Default: the node's default identity.
    pub identity: Option<Identity>,
}

impl Default for CreateGroup {
    fn default() -> Self {
        Self {
            properties: GraphProperties::default(),
            rules: GroupRules::default(),
            max_record: crate::limits::DEFAULT_MAX_RECORD,
            precedence: Vec::new(),
            identity: None,
        }
    }
}

impl From<&str> for CreateGroup {
    /// A group with a name and defaults.
    fn from(name: &str) -> Self {
        let properties = GraphProperties { name: name.into(), ..GraphProperties::default() };
        Self { properties, ..Self::default() }
    }
}

/// How to join a group.
#[derive(Clone)]
pub struct JoinGroup {
    /// The invitation.
    pub invitation: Invitation,
    /// The friendly name to go by there, at most 255 bytes: what the list of members shows, whatever the invitation says.
    /// Default: the name that this identity goes by there already, or else its friendly name, or else the one that the
    /// invitation gives it.
    pub name: String,
    /// As whom. Default: the identity that the invitation is for, or the node's default.
    pub identity: Option<Identity>,
    /// The password, where the invitation asks for one.
    pub password: Option<Zeroizing<String>>,
    /// Give up if this identity was not let in after this. Default one minute. Once it is, the database may take as long
    /// as it does, while there is progress.
    pub deadline: Duration,
    /// Told how far the database is on its way here.
    pub on_progress: Option<OnProgress>,
}

impl From<Invitation> for JoinGroup {
    fn from(invitation: Invitation) -> Self {
        Self {
            invitation,
            name: String::new(),
            identity: None,
            password: None,
            deadline: CONNECT_TIMEOUT,
            on_progress: None,
        }
    }
}

impl fmt::Debug for JoinGroup {
    /// Says of the password only whether there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invitation, name, identity, password, deadline, on_progress } = self;
        f.debug_struct("JoinGroup")
            .field("invitation", invitation)
            .field("name", name)
            .field("identity", identity)
            .field("password", &password.as_ref().map(|_| Hidden))
            .field("deadline", deadline)
            .field("on_progress", on_progress)
            .finish()
    }
}

impl JoinGroup {
    /// By an invitation as text.
    ///
    /// # Errors
    /// `InvalidInvitation`.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(text.parse::<Invitation>()?.into())
    }

    /// With a password.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Zeroizing::new(password.into()));
        self
    }

    /// Under a friendly name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Tells how far the database is on its way here: records and bytes received, and expected in all. A few times a
    /// second, and in the end with the final figures. It must not block.
    #[must_use]
    pub fn on_progress(mut self, callback: impl Fn(SyncProgress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(OnProgress::new(callback));
        self
    }
}

/// How a group came to be open here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JoinOutcome {
    /// This identity became a member.
    Joined,
    /// It was one already.
    AlreadyMember,
}

/// Whom to invite as what: one identity, which nobody else can take the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteMember {
    /// What they become. Default: member.
    pub role: Role,
    /// How long the membership lasts. One of a day or more is renewed by whoever may before it ends; a shorter one is not, and ends
    /// then unless a person [`renew`](super::Group::renew)s it. `None`: as long as the inviter's own. Default: 30 days.
    pub lifetime: Option<Duration>,
}

impl Default for InviteMember {
    fn default() -> Self {
        Self { role: Role::Member, lifetime: Some(DEFAULT_MEMBERSHIP) }
    }
}

/// What an invitation by link is like: for whoever has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteLink {
    /// What they become; at most inviter. Default: member.
    pub role: Role,
    /// How many may come. Default: 1. Strictly so many only if a single admitter is named: two parts of a divided group
    /// can each let somebody in, and when they meet again the later ones lose their membership.
    pub uses: u32,
    /// How long the link can be used. Default: 7 days.
    pub valid: Duration,
    /// As in [`InviteMember`].
    pub lifetime: Option<Duration>,
    /// Who may let people in by it; empty: every inviter, admin and owner. At most 16.
    pub admitters: Vec<PeerId>,
}

impl Default for InviteLink {
    fn default() -> Self {
        Self {
            role: Role::Member,
            uses: 1,
            valid: DEFAULT_INVITATION,
            lifetime: Some(DEFAULT_MEMBERSHIP),
            admitters: Vec::new(),
        }
    }
}

/// How a password lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitePassword {
    /// What they become: member (the default) or reader.
    pub role: Role,
    /// How long the membership lasts unless somebody [`renew`](super::Group::renew)s it. Default: a day.
    pub lifetime: Option<Duration>,
}

impl Default for InvitePassword {
    fn default() -> Self {
        Self { role: Role::Member, lifetime: None }
    }
}

/// What becomes of what a removed member left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveMember {
    /// Why, for the others to read; at most 255 bytes.
    pub reason: String,
    /// True (the default) to keep the records of theirs that are here now. Whatever else comes from them, however it
    /// is dated, counts nowhere.
    pub keep_records: bool,
    /// True to remove those too who are members by their word. Default: false.
    pub with_branch: bool,
    /// True to undo as well all that they did as members: whom they let in, gave a role or removed, invitations, refused
    /// devices. Otherwise that stands as far as this node had seen it. With it, somebody can be removed who was already.
    /// Their records are for `keep_records` to say; records of whoever is a member by nothing else any more go. Default: false.
    pub undo: bool,
}

impl Default for RemoveMember {
    fn default() -> Self {
        Self { reason: String::new(), keep_records: true, with_branch: false, undo: false }
    }
}
