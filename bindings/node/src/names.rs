//! Enumerations as text. Exhaustive on purpose: what is new in the library is a compile error here.

use peergraph::{
    BodyState, EventKind, JoinOutcome, ListenOutcome, OpenOutcome,
    events::{
        ChangeKind, ChangeOrigin, ConnectionKind, FailureReason, GroupFailure, MemberChange, NodeChange,
        RequiredReason,
    },
};

use crate::{
    errors::invalid,
    pack::{Pack, Packer},
};

/// An enumeration that JavaScript has as text.
pub(crate) trait Named: Copy {
    fn name(self) -> &'static str;
}

macro_rules! named {
    ($($kind:ident { $($variant:ident = $name:literal),* $(,)? })*) => {$(
        impl Named for $kind {
            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl Pack for $kind {
            fn pack(&self, to: &mut Packer) {
                self.name().pack(to);
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
    }
    BodyState { Clear = "clear", KeyMissing = "key_missing", Unreadable = "unreadable" }
    ChangeKind { Added = "added", Updated = "updated", Deleted = "deleted", Expired = "expired" }
    ChangeOrigin { Local = "local", Flood = "flood", Sync = "sync", Feed = "feed" }
    ConnectionKind { Neighbor = "neighbor", Direct = "direct" }
    FailureReason {
        Refused = "refused", Unreachable = "unreachable", NotAuthenticated = "not_authenticated",
        TimedOut = "timed_out", Cancelled = "cancelled", Closed = "closed", ClosedByPeer = "closed_by_peer",
        Lost = "lost", Pruned = "pruned", Protocol = "protocol", UnsupportedVersion = "unsupported_version",
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
    }
    OpenOutcome { Created = "created", Existing = "existing" }
    ListenOutcome { Started = "started", AlreadyListening = "already_listening" }
    JoinOutcome { Joined = "joined", AlreadyMember = "already_member" }
}

/// A kind of event by its name.
pub(crate) fn event_kind(name: &str) -> napi::Result<EventKind> {
    EventKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let all: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
        invalid(&format!("no kind of event is called {name:?}; there are {}", all.join(", ")))
    })
}
