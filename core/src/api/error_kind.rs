//! The kinds of errors that programs switch on.

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal),* $(,)?) => {
        /// What went wrong. The number of a kind never changes; bindings have one exception class for each.
        ///
        /// Exhaustive on purpose: a new kind must be a compile error in every binding.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum ErrorKind {
            $($(#[doc = $doc])+ $name = $code,)*
        }

        impl ErrorKind {
            /// All kinds, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable number.
            pub const fn code(self) -> u32 {
                self as u32
            }

            /// The stable name, as in the source.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

kinds! {
    /// An argument breaks a rule; the message names it. The caller's mistake.
    InvalidArgument = 1,
    /// The text is not a ticket, or is cut off or mistyped.
    InvalidTicket = 2,
    /// The text is not an identifier.
    InvalidId = 3,
    /// A record type, attribute name or graph belongs to the library.
    Reserved = 4,
    /// A record, message or property exceeds its limit.
    TooLarge = 5,
    /// An expiration lies in the past, or would be brought forward.
    InvalidExpiration = 6,
    /// This version of the library does not offer what was asked for.
    UnsupportedVersion = 7,
    /// The text is not an invitation, or is cut off, mistyped or altered.
    InvalidInvitation = 8,
    /// A membership or invitation would end before it begins, or outlast its issuer's.
    InvalidPeriod = 9,

    /// There is no such thing: record, node, connection.
    NotFound = 20,
    /// The record was deleted.
    Deleted = 21,
    /// A database for this graph, or this identity, is here already.
    AlreadyExists = 22,
    /// The record has another version than expected.
    VersionMismatch = 23,
    /// The graph is open in this node, or has been online since it was opened.
    GraphInUse = 24,
    /// The graph is not known here: no database, and no ticket.
    UnknownGraph = 25,
    /// The identity has graphs or groups here; delete those first.
    GroupsExist = 26,
    /// The identity was deleted.
    IdentityDeleted = 27,

    /// The node or graph has been closed.
    Closed = 40,
    /// This node has never synchronised with the graph; connect first.
    NeverSynchronized = 41,
    /// The graph is not listening.
    NotListening = 42,
    /// The graph's policy does not allow it.
    NotAuthorized = 43,
    /// The password is another one.
    WrongPassword = 44,
    /// The time of the invitation or membership is over.
    InvitationExpired = 45,
    /// As many came by the invitation as may; also told to a member whose place went to another.
    InvitationUsedUp = 46,
    /// The invitation was taken back.
    InvitationRevoked = 47,
    /// The invitation is for another identity.
    InvitationNotForYou = 48,
    /// The invitation's time has not begun, or this machine's clock is wrong.
    InvitationNotYetValid = 49,
    /// Too many tries; wait before the next.
    Throttled = 50,
    /// This identity was removed from the group.
    Removed = 51,
    /// The chain of grants would be longer than the group allows.
    ChainTooLong = 52,
    /// Somebody would be a member by a grant of their own.
    CircularChain = 53,
    /// This graph is not a group, or this identity is no member of it.
    NotAMember = 54,
    /// The key for the bodies of this group, or of this record, is not here yet.
    KeyMissing = 55,

    /// A node cannot connect to itself.
    ConnectToSelf = 60,
    /// The two nodes are neighbors already.
    AlreadyNeighbor = 61,
    /// The other end does not know this graph, or an exported database is another graph's.
    WrongGraph = 62,
    /// The other end, or whose exported database it is, is not the expected identity.
    WrongPeer = 63,
    /// The other end, and everyone it referred to, refused.
    Refused = 64,
    /// Nobody answered at any address.
    Unreachable = 65,
    /// The deadline passed.
    TimedOut = 66,
    /// The call was cancelled.
    Cancelled = 67,
    /// The other end does not accept direct connections.
    DirectNotAccepted = 68,
    /// The connection ended, or there is none with this number.
    NotConnected = 69,
    /// The network is not there: no socket could be bound, or a relay or lookup address is wrong.
    Network = 70,
    /// The node is paused; resume it first.
    Paused = 71,
    /// The other end has no place for another connection at the moment, nor had it until the deadline; try again later.
    Busy = 72,

    /// The data directory is in use by another node.
    DirectoryInUse = 80,
    /// The disk or the database failed; the cause tells.
    Storage = 81,
    /// The database or a key file is damaged, or of another graph.
    Damaged = 82,
    /// The database was written by a later version, or by a build before the first release: this version does not read it.
    NewerSchema = 83,
    /// The keys on the disk, or the database, cannot be used: sealed with another passphrase or key than the
    /// configuration has, or not readable for this user.
    KeyAccess = 84,

    /// A fault of the library itself. A graph that it stopped can be closed and opened again, and has what was acknowledged.
    Internal = 99,
}
