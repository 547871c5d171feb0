//! Enumerations without fields. Exhaustive on purpose: what is new in the core is a compile error here.

use peergraph::events;

macro_rules! mirror {
    ($($(#[doc = $doc:literal])+ $name:ident of $core:path { $($(#[doc = $about:literal])+ $variant:ident),* $(,)? })*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
        pub enum $name {
            $($(#[doc = $about])+ $variant,)*
        }

        impl From<$core> for $name {
            fn from(value: $core) -> Self {
                use $core as Core;
                match value {
                    $(Core::$variant => Self::$variant,)*
                }
            }
        }

        impl From<$name> for $core {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => Self::$variant,)*
                }
            }
        }
    )*};
}

mirror! {
    /// The kinds of events, for filters.
    EventKind of events::EventKind {
        /// The graph listens, has connections, is synchronised; or no longer.
        StatusChanged,
        /// Changeable properties have new values.
        PropertyChanged,
        /// A record was added, updated, deleted or expired; with `Reset` and `CaughtUp`.
        RecordChanged,
        /// Direct connections. Subscribing to it is what lets others open direct connections to this node.
        DirectConnection,
        /// Neighbor links.
        NeighborConnection,
        /// Application data.
        IncomingData,
        /// A node outside of what the graph knows would help.
        ConnectionRequired,
        /// A node came, went, or changed.
        NodeChanged,
        /// A record type, or everything, is synchronised.
        Synchronized,
        /// A member came, went, joined, changed, left or was removed.
        MemberChanged,
        /// A group could not be entered.
        ConnectionFailed,
        /// How far the database is on its way here.
        SyncProgress,
    }
    /// What happened to a record.
    ChangeKind of events::ChangeKind {
        /// It is new here.
        Added,
        /// It has a new version.
        Updated,
        /// It was deleted.
        Deleted,
        /// Its time is over.
        Expired,
    }
    /// Where a change came from.
    ChangeOrigin of events::ChangeOrigin {
        /// This node's application, or this node's clock.
        Local,
        /// A neighbor, as it happened.
        Flood,
        /// A neighbor, by comparing databases, or an exported database.
        Sync,
        /// Unknown: read back from the database.
        Feed,
    }
    /// What a connection is for.
    ConnectionKind of events::ConnectionKind {
        /// For the graph.
        Neighbor,
        /// For application data only.
        Direct,
    }
    /// Why a connection ended or failed.
    FailureReason of events::FailureReason {
        /// The other end refused.
        Refused,
        /// Nobody answered.
        Unreachable,
        /// One end could not prove what it must.
        NotAuthenticated,
        /// The deadline passed.
        TimedOut,
        /// It was cancelled.
        Cancelled,
        /// This end closed it.
        Closed,
        /// The other end closed it.
        ClosedByPeer,
        /// The other end fell silent.
        Lost,
        /// Another link is more useful.
        Pruned,
        /// The other end broke the protocol.
        Protocol,
        /// The ends have no version in common.
        UnsupportedVersion,
        /// The other end has no place for a link at the moment.
        Busy,
    }
    /// Why a connection is wanted.
    RequiredReason of events::RequiredReason {
        /// A routine look for parts of the graph that nobody here knows of.
        Probe,
        /// This node has no neighbor and knows nobody left to dial.
        Isolated,
    }
    /// What happened to a node.
    NodeChange of events::NodeChange {
        /// It is here.
        Connected,
        /// It left, or its presence ran out.
        Disconnected,
        /// Its addresses or attributes changed.
        Updated,
    }
    /// What happened to a member.
    MemberChange of events::MemberChange {
        /// It became a member.
        Joined,
        /// Its role, name or time changed.
        Updated,
        /// The first of its nodes is here.
        Connected,
        /// The last of its nodes is gone.
        Disconnected,
        /// It left the group for good, by its own word.
        Left,
        /// It was removed.
        Removed,
        /// Its membership ended and was not renewed.
        Expired,
    }
    /// Why a group could not be entered.
    GroupFailure of events::GroupFailure {
        /// No member is known, here or by lookup.
        NoMembersFound,
        /// Members are known, but none could be connected to.
        NoneConnectable,
        /// This node cannot listen.
        CannotListen,
        /// The others do not accept this identity as a member.
        NotAuthorized,
        /// The invitation is expired, used up or taken back.
        InvitationInvalid,
        /// The password is wrong.
        WrongPassword,
        /// Too many tries; later ones may succeed.
        Throttled,
        /// The deadline passed.
        TimedOut,
        /// Those who could let in have no place at the moment; later it may succeed.
        Busy,
    }
    /// What a member may do. Each role may do all that those before it may.
    Role of peergraph::Role {
        /// Reads, and is seen.
        Reader,
        /// Publishes records, edits its own.
        Member,
        /// Lets others in, up to its own role.
        Inviter,
        /// Edits and deletes anybody's records; removes members below it.
        Admin,
        /// Changes the group's properties; makes admins and other owners.
        Owner,
    }
    /// Whether a body could be read.
    BodyState of peergraph::BodyState {
        /// It is there as it was written.
        Clear,
        /// The key has not come yet; it is empty here.
        KeyMissing,
        /// No key opens it; it is empty here.
        Unreadable,
    }
    /// Whether a database was there.
    OpenOutcome of peergraph::OpenOutcome {
        /// A new, empty one was made.
        Created,
        /// One from before was found.
        Existing,
    }
    /// What `listen` did.
    ListenOutcome of peergraph::ListenOutcome {
        /// The graph listens now.
        Started,
        /// It did already.
        AlreadyListening,
    }
    /// How a group came to be open here.
    JoinOutcome of peergraph::JoinOutcome {
        /// This identity became a member.
        Joined,
        /// It was one already.
        AlreadyMember,
    }
    /// When a write is acknowledged.
    Durability of peergraph::Durability {
        /// When it is on the disk.
        Synced,
        /// When the system has it; the last moments may be gone after a power cut.
        Relaxed,
    }
}

/// How an invitation lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum InvitationKind {
    /// One identity, and nobody else.
    Identity,
    /// Whoever has it, so many times.
    Link,
    /// Whoever knows the password.
    Password,
}

/// True if a holder of the first role may hand out the second.
#[uniffi::export]
pub fn native_may_grant(holder: Role, other: Role) -> bool {
    peergraph::Role::from(holder).may_grant(other.into())
}
