//! The error of every call: a kind that programs switch on, each with a stable number, and a message for people.

macro_rules! errors {
    ($($(#[doc = $doc:literal])+ $name:ident),* $(,)?) => {
        /// What went wrong. One case for each kind of error, whose number (`code`) never changes; the message is for people.
        #[derive(Debug, Clone, thiserror::Error, uniffi::Error)]
        #[uniffi(flat_error)]
        pub enum PeergraphError {
            $($(#[doc = $doc])+ #[error("{0}")] $name(String),)*
        }

        impl From<peergraph::Error> for PeergraphError {
            fn from(error: peergraph::Error) -> Self {
                let message = text(&error);
                match error.kind() {
                    $(peergraph::ErrorKind::$name => Self::$name(message),)*
                }
            }
        }

        /// The stable names of all kinds, each with its number: for tests.
        #[uniffi::export]
        pub fn native_error_kinds() -> Vec<String> {
            let kinds = [$(peergraph::ErrorKind::$name),*];
            kinds.iter().map(|kind| format!("{} {}", kind.name(), kind.code())).collect()
        }

        /// An error of a kind with a stable name: for tests.
        ///
        /// # Errors
        /// That one, or `NotFound` if none is called so.
        #[uniffi::export]
        pub fn native_raise(name: String) -> std::result::Result<(), PeergraphError> {
            Err(match &*name {
                $(stringify!($name) => PeergraphError::$name(name),)*
                _ => PeergraphError::NotFound(format!("no error is called {name}")),
            })
        }
    };
}

errors! {
    /// An argument breaks a rule; the message names it. The caller's mistake.
    InvalidArgument,
    /// The text is not a ticket, or is cut off or mistyped.
    InvalidTicket,
    /// The text is not an identifier.
    InvalidId,
    /// A record type, attribute name or graph belongs to the library.
    Reserved,
    /// A record, message or property exceeds its limit.
    TooLarge,
    /// An expiration lies in the past, or would be brought forward.
    InvalidExpiration,
    /// This version of the library does not offer what was asked for.
    UnsupportedVersion,
    /// The text is not an invitation, or is cut off, mistyped or altered.
    InvalidInvitation,
    /// A membership or invitation would end before it begins, or outlast its issuer's.
    InvalidPeriod,
    /// There is no such thing: record, node, connection.
    NotFound,
    /// The record was deleted.
    Deleted,
    /// A database for this graph, or this identity, is here already.
    AlreadyExists,
    /// The record has another version than expected.
    VersionMismatch,
    /// The graph is open in this node, or has been online since it was opened.
    GraphInUse,
    /// The graph is not known here: no database, and no ticket.
    UnknownGraph,
    /// The identity has graphs or groups here; delete those first.
    GroupsExist,
    /// The identity was deleted.
    IdentityDeleted,
    /// The node or graph has been closed.
    Closed,
    /// This node has never synchronised with the graph; connect first.
    NeverSynchronized,
    /// The graph is not listening.
    NotListening,
    /// The graph's policy does not allow it.
    NotAuthorized,
    /// The password is another one.
    WrongPassword,
    /// The time of the invitation or membership is over.
    InvitationExpired,
    /// As many came by the invitation as may; also told to a member whose place went to another.
    InvitationUsedUp,
    /// The invitation was taken back.
    InvitationRevoked,
    /// The invitation is for another identity.
    InvitationNotForYou,
    /// The invitation's time has not begun, or this machine's clock is wrong.
    InvitationNotYetValid,
    /// Too many tries; wait before the next.
    Throttled,
    /// This identity was removed from the group.
    Removed,
    /// The chain of grants would be longer than the group allows.
    ChainTooLong,
    /// Somebody would be a member by a grant of their own.
    CircularChain,
    /// This graph is not a group, or this identity is no member of it.
    NotAMember,
    /// The key for the bodies of this group, or of this record, is not here yet.
    KeyMissing,
    /// A node cannot connect to itself.
    ConnectToSelf,
    /// The two nodes are neighbors already.
    AlreadyNeighbor,
    /// The other end does not know this graph, or an exported database is another graph's.
    WrongGraph,
    /// The other end, or whose exported database it is, is not the expected identity.
    WrongPeer,
    /// The other end, and everyone it referred to, refused.
    Refused,
    /// Nobody answered at any address.
    Unreachable,
    /// The deadline passed.
    TimedOut,
    /// The call was cancelled.
    Cancelled,
    /// The other end does not accept direct connections.
    DirectNotAccepted,
    /// The connection ended, or there is none with this number.
    NotConnected,
    /// The network is not there: no socket could be bound, or a relay or lookup address is wrong.
    Network,
    /// The node is paused; resume it first.
    Paused,
    /// The other end has no place for another connection at the moment, nor had it until the deadline; try again later.
    Busy,
    /// The data directory is in use by another node.
    DirectoryInUse,
    /// The disk or the database failed; the cause tells.
    Storage,
    /// The database or a key file is damaged, or of another graph.
    Damaged,
    /// The database was written by a later version, or before the first release: this version does not read it.
    NewerSchema,
    /// The keys on the disk, or the database, cannot be used: sealed with another passphrase or key than the
    /// configuration has, or not readable for this user.
    KeyAccess,
    /// A fault of the library itself.
    Internal,
}

/// The message and, if a system call failed, `\0number\0path\0address` behind it: flat errors have nothing but a text.
fn text(error: &peergraph::Error) -> String {
    let number = error.os_error().map(|number| number.to_string());
    let path = error.path().map(|path| path.display().to_string());
    let address = error.address().map(|address| address.to_string());
    let parts = [number, path, address];
    if parts.iter().all(Option::is_none) {
        return error.message().to_owned();
    }
    parts.into_iter().fold(error.message().to_owned(), |text, part| text + "\0" + &part.unwrap_or_default())
}

/// The result of every call.
pub(crate) type Result<T> = std::result::Result<T, PeergraphError>;

pub(crate) fn invalid(message: impl Into<String>) -> PeergraphError {
    PeergraphError::InvalidArgument(message.into())
}

/// What a text or value of the core's own types came to.
pub(crate) fn core<T, E: Into<peergraph::Error>>(result: std::result::Result<T, E>) -> Result<T> {
    Ok(result.map_err(Into::into)?)
}
