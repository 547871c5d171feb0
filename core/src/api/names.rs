//! Enumerations as text: one word for each variant, the same in every language.
//!
//! Owns the words, and what is said of one that does not exist. Exhaustive: a new variant does not compile without its word.

use crate::{
    ErrorKind, JoinOutcome, ListenOutcome, OpenOutcome,
    api::{Error, Result},
    events::{
        ChangeKind, ChangeOrigin, ConnectionKind, EventKind, FailureReason, GroupFailure, MemberChange,
        NodeChange, RequiredReason,
    },
    record::BodyState,
    records::Durability,
};

/// An enumeration whose variants have words: `EventKind::StatusChanged` is `status_changed`.
pub trait Named: Copy + 'static {
    /// The name of the type, as in the source.
    const TYPE: &'static str;
    /// All variants, in the order of the source.
    const VARIANTS: &'static [Self];

    /// The word for it: stable, lower case.
    fn word(self) -> &'static str;

    /// The variant of that word. [`ErrorKind::InvalidArgument`] names all words when there is none.
    fn from_word(word: &str) -> Result<Self> {
        Self::VARIANTS.iter().copied().find(|variant| variant.word() == word).ok_or_else(|| {
            let all = Self::VARIANTS.iter().map(|variant| variant.word()).collect::<Vec<_>>().join(", ");
            Error::new(
                ErrorKind::InvalidArgument,
                format!("{word:?} is not a {}; possible are {all}", Self::TYPE),
            )
        })
    }
}

macro_rules! named {
    ($($kind:ident { $($variant:ident = $word:literal),* $(,)? })*) => {$(
        impl Named for $kind {
            const TYPE: &'static str = stringify!($kind);
            const VARIANTS: &'static [Self] = &[$(Self::$variant),*];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    )*};
}

named! {
    EventKind {
        StatusChanged = "status_changed", PropertyChanged = "property_changed", RecordChanged = "record_changed",
        DirectConnection = "direct_connection", NeighborConnection = "neighbor_connection",
        IncomingData = "incoming_data", ConnectionRequired = "connection_required", NodeChanged = "node_changed",
        Synchronized = "synchronized", MemberChanged = "member_changed", ConnectionFailed = "connection_failed",
        SyncProgress = "sync_progress",
    }
    ChangeKind { Added = "added", Updated = "updated", Deleted = "deleted", Expired = "expired" }
    ChangeOrigin { Local = "local", Flood = "flood", Sync = "sync", Feed = "feed" }
    ConnectionKind { Neighbor = "neighbor", Direct = "direct" }
    FailureReason {
        Refused = "refused", Unreachable = "unreachable", NotAuthenticated = "not_authenticated",
        TimedOut = "timed_out", Cancelled = "cancelled", Closed = "closed", ClosedByPeer = "closed_by_peer",
        Lost = "lost", Pruned = "pruned", Protocol = "protocol", UnsupportedVersion = "unsupported_version",
        Busy = "busy",
    }
    RequiredReason { Probe = "probe", Isolated = "isolated" }
    NodeChange { Connected = "connected", Disconnected = "disconnected", Updated = "updated" }
    MemberChange {
        Joined = "joined", Updated = "updated", Connected = "connected", Disconnected = "disconnected", Left = "left",
        Removed = "removed", Expired = "expired",
    }
    GroupFailure {
        NoMembersFound = "no_members_found", NoneConnectable = "none_connectable", CannotListen = "cannot_listen",
        NotAuthorized = "not_authorized", InvitationInvalid = "invitation_invalid",
        WrongPassword = "wrong_password", Throttled = "throttled", TimedOut = "timed_out",
        Busy = "busy",
    }
    BodyState { Clear = "clear", KeyMissing = "key_missing", Unreadable = "unreadable" }
    OpenOutcome { Created = "created", Existing = "existing" }
    ListenOutcome { Started = "started", AlreadyListening = "already_listening" }
    JoinOutcome { Joined = "joined", AlreadyMember = "already_member" }
    Durability { Synced = "synced", Relaxed = "relaxed" }
}
