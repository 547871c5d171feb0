//! One error for all calls: a kind that programs switch on, with a stable number; a message for people; the cause.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::ErrorKind;
use crate::{
    engine::PublishError,
    graph::ConnectFailure,
    group::{CredentialFault, IdentityTextError, NameError, SecretTextError},
    ids::ParseIdError,
    record::{DraftError, PropertiesError, RecordTypeError, TicketError},
    records::StoreError,
};

/// An error of any call.
///
/// Where a system call failed, the message names the file or address and the system's reason, and
/// [`os_error`](Self::os_error), [`path`](Self::path) and [`address`](Self::address) give them to programs.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
    place: Option<Arc<Place>>,
}

/// What a failed system call was about.
enum Place {
    Path(PathBuf),
    Address(SocketAddr),
}

/// The result of any call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: None, place: None }
    }

    pub(crate) fn caused(
        kind: ErrorKind,
        message: impl Into<String>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, message: message.into(), cause: Some(Arc::from(cause.into())), place: None }
    }

    /// A failed system call on a file: `cannot WHAT PATH: reason`.
    pub(crate) fn file(kind: ErrorKind, what: &str, path: &Path, cause: io::Error) -> Self {
        let message = format!("cannot {what} {}: {cause}", path.display());
        Self::caused(kind, message, cause).at_path(path)
    }

    /// The same about a file, unless a file is named already.
    pub(crate) fn at_path(mut self, path: &Path) -> Self {
        self.place.get_or_insert_with(|| Arc::new(Place::Path(path.to_owned())));
        self
    }

    /// The same about an address.
    pub(crate) fn at_address(mut self, address: Option<SocketAddr>) -> Self {
        if let Some(address) = address {
            self.place = Some(Arc::new(Place::Address(address)));
        }
        self
    }

    /// The same about a database, if it is an error of one.
    pub(crate) fn of_database(self, path: Option<&Path>) -> Self {
        let concerned = matches!(self.kind, ErrorKind::Storage | ErrorKind::Damaged | ErrorKind::NewerSchema);
        match path {
            Some(path) if concerned && self.place.is_none() => {
                let message = format!("{} ({})", self.message, path.display());
                Self { message, ..self }.at_path(path)
            }
            _ => self,
        }
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the node or graph has been closed")
    }

    pub(crate) fn crashed() -> Self {
        Self::new(ErrorKind::Internal, "the graph stopped after an internal error; close and open it again")
    }

    pub(crate) fn unwritable() -> Self {
        let message = "the graph stopped because its database is damaged and cannot be written; close it and restore the file";
        Self::new(ErrorKind::Damaged, message)
    }

    /// What went wrong, for programs.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The kind's stable number.
    pub const fn code(&self) -> u32 {
        self.kind.code()
    }

    /// What went wrong, for people. A reason of the operating system is part of it.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The operating system's number of the error, such as 13 (`EACCES`) or 28 (`ENOSPC`) on Linux; `None` if no system
    /// call failed, or its number is not known.
    pub fn os_error(&self) -> Option<i32> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(self);
        while let Some(error) = cause.map(unshared) {
            let io = error.downcast_ref::<io::Error>();
            if let Some(number) = io.and_then(io::Error::raw_os_error) {
                return Some(number);
            }
            // What an `io::Error` wraps is not its source, but has it.
            cause = match io.and_then(io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }

    /// The file or directory that could not be used, if the error is about one.
    pub fn path(&self) -> Option<&Path> {
        match self.place.as_deref() {
            Some(Place::Path(path)) => Some(path),
            _ => None,
        }
    }

    /// The socket address that could not be bound, if the error is about one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.place.as_deref() {
            Some(Place::Address(address)) => Some(*address),
            _ => None,
        }
    }
}

/// The error itself where it is held in common.
fn unshared<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    if let Some(shared) = error.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>() {
        &**shared
    } else if let Some(shared) = error.downcast_ref::<Arc<io::Error>>() {
        &**shared
    } else {
        error
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}): {}", self.kind.name(), self.kind.code(), self.message)?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let text = error.to_string();
            // Messages name the reason of the system already.
            if !self.message.contains(&text) {
                write!(f, ": {text}")?;
            }
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Io(_) => ErrorKind::Storage,
            StoreError::Damaged(_) | StoreError::WrongGraph => ErrorKind::Damaged,
            StoreError::Schema { .. } => ErrorKind::NewerSchema,
            StoreError::Locked => ErrorKind::KeyAccess,
        };
        let message = match &error {
            StoreError::Io(cause) => format!("{error}: {cause}"),
            _ => error.to_string(),
        };
        Self::caused(kind, message, error)
    }
}

impl From<DraftError> for Error {
    fn from(error: DraftError) -> Self {
        let kind = match &error {
            DraftError::Type(_) | DraftError::Attributes(_) => ErrorKind::InvalidArgument,
            DraftError::Reserved(_) => ErrorKind::Reserved,
            DraftError::TooLarge { .. } => ErrorKind::TooLarge,
            DraftError::Expired(_) => ErrorKind::InvalidExpiration,
        };
        let kind = match &error {
            DraftError::Attributes(crate::record::AttributeError::Reserved { .. }) => ErrorKind::Reserved,
            DraftError::Attributes(crate::record::AttributeError::TooLarge { .. }) => ErrorKind::TooLarge,
            _ => kind,
        };
        Self::caused(kind, error.to_string(), error)
    }
}

impl From<PublishError> for Error {
    fn from(error: PublishError) -> Self {
        let kind = match &error {
            PublishError::Draft(draft) => return draft.clone().into(),
            PublishError::Store(store) => return store.clone().into(),
            PublishError::NeverSynchronized => ErrorKind::NeverSynchronized,
            PublishError::NotFound(_) => ErrorKind::NotFound,
            PublishError::Deleted(_) => ErrorKind::Deleted,
            PublishError::VersionMismatch { .. } => ErrorKind::VersionMismatch,
            PublishError::ShorterLife => ErrorKind::InvalidExpiration,
            PublishError::Credential(fault) => credential_kind(*fault),
            PublishError::NoKey(_) => ErrorKind::KeyMissing,
            PublishError::Unreadable(_) | PublishError::RemovesItself => ErrorKind::InvalidArgument,
            PublishError::TooManyToKeep => ErrorKind::TooLarge,
            PublishError::NotAllowed(_) => ErrorKind::NotAuthorized,
        };
        Self::new(kind, error.to_string())
    }
}

const fn credential_kind(fault: CredentialFault) -> ErrorKind {
    match fault {
        CredentialFault::ChainTooLong => ErrorKind::ChainTooLong,
        CredentialFault::Circular => ErrorKind::CircularChain,
        CredentialFault::OutlivesIssuer => ErrorKind::InvalidPeriod,
        CredentialFault::NotAMember | CredentialFault::Left => ErrorKind::NotAMember,
        CredentialFault::Expired => ErrorKind::InvitationExpired,
        CredentialFault::Displaced => ErrorKind::InvitationUsedUp,
        CredentialFault::Malformed | CredentialFault::TooManyRefusals => ErrorKind::InvalidArgument,
        CredentialFault::Removed | CredentialFault::AuthorRemoved => ErrorKind::Removed,
        CredentialFault::NotRefused => ErrorKind::NotFound,
        CredentialFault::OutsideMembership
        | CredentialFault::NotEncrypted
        | CredentialFault::Role
        | CredentialFault::RoleTooHigh
        | CredentialFault::NotSenior
        | CredentialFault::OwnRefusal
        | CredentialFault::NotRefuser => ErrorKind::NotAuthorized,
    }
}

impl From<ConnectFailure> for Error {
    fn from(failure: ConnectFailure) -> Self {
        let kind = match failure {
            ConnectFailure::ToSelf => ErrorKind::ConnectToSelf,
            ConnectFailure::AlreadyNeighbor(_) => ErrorKind::AlreadyNeighbor,
            ConnectFailure::WrongGraph => ErrorKind::WrongGraph,
            ConnectFailure::WrongPeer => ErrorKind::WrongPeer,
            ConnectFailure::Refused { .. } => ErrorKind::Refused,
            ConnectFailure::NotAuthorized => ErrorKind::NotAuthorized,
            ConnectFailure::UnsupportedVersion => ErrorKind::UnsupportedVersion,
            ConnectFailure::DirectNotAccepted => ErrorKind::DirectNotAccepted,
            ConnectFailure::Unreachable => ErrorKind::Unreachable,
            ConnectFailure::TimedOut => ErrorKind::TimedOut,
            ConnectFailure::Cancelled => ErrorKind::Cancelled,
            ConnectFailure::NotListening => ErrorKind::NotListening,
            ConnectFailure::Paused => ErrorKind::Paused,
            ConnectFailure::Busy => ErrorKind::Busy,
        };
        Self::new(kind, failure.to_string())
    }
}

macro_rules! from_plain {
    ($($error:ty => $kind:ident),* $(,)?) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::caused(ErrorKind::$kind, error.to_string(), error)
            }
        }
    )*};
}
from_plain!(TicketError => InvalidTicket, ParseIdError => InvalidId, RecordTypeError => InvalidArgument);

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        let kind = match error {
            NameError::ClassifierTooLong(_) | NameError::FriendlyNameTooLong(_) => ErrorKind::TooLarge,
            NameError::ControlCharacter
            | NameError::Nameless
            | NameError::Authority
            | NameError::EmptyClassifier => ErrorKind::InvalidArgument,
        };
        Self::caused(kind, error.to_string(), error)
    }
}

impl From<IdentityTextError> for Error {
    fn from(error: IdentityTextError) -> Self {
        let kind = match error {
            IdentityTextError::Version(_) => ErrorKind::UnsupportedVersion,
            _ => ErrorKind::InvalidArgument,
        };
        Self::caused(kind, error.to_string(), error)
    }
}

impl From<SecretTextError> for Error {
    fn from(error: SecretTextError) -> Self {
        let kind = match error {
            SecretTextError::WrongPassword => ErrorKind::WrongPassword,
            SecretTextError::Version(_) => ErrorKind::UnsupportedVersion,
            SecretTextError::Prefix(_) | SecretTextError::Altered => ErrorKind::InvalidArgument,
        };
        Self::caused(kind, error.to_string(), error)
    }
}

#[cfg(feature = "qr")]
impl From<crate::group::QrError> for Error {
    fn from(error: crate::group::QrError) -> Self {
        Self::caused(ErrorKind::TooLarge, error.to_string(), error)
    }
}

impl From<PropertiesError> for Error {
    fn from(error: PropertiesError) -> Self {
        let kind = match error {
            PropertiesError::Name { .. } | PropertiesError::Comment { .. } => ErrorKind::TooLarge,
            PropertiesError::PresenceLifetime(_) | PropertiesError::MaxRecord(_) => {
                ErrorKind::InvalidArgument
            }
        };
        Self::caused(kind, error.to_string(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x1_every_kind_has_a_stable_unique_number_and_name() {
        let codes: Vec<u32> = ErrorKind::ALL.iter().map(|k| k.code()).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        // Numbers are a promise: these must never change.
        assert_eq!(ErrorKind::NotFound.code(), 20);
        assert_eq!(ErrorKind::WrongPeer.code(), 63);
        assert_eq!(ErrorKind::Internal.code(), 99);
        assert_eq!(ErrorKind::TimedOut.name(), "TimedOut");
    }

    #[test]
    fn c28_the_systems_number_is_found_however_deep_it_lies() {
        let number = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::caused(ErrorKind::Storage, "it failed", cause).os_error()
        };
        let refused = || io::Error::from_raw_os_error(13);
        assert_eq!(number(refused().into()), Some(13));
        assert_eq!(number(io::Error::other(refused()).into()), Some(13));
        let store = StoreError::Io(Arc::new(io::Error::other(StoreError::Io(Arc::new(refused())))));
        assert_eq!(number(store.clone().into()), Some(13));
        assert_eq!(Error::from(store.clone()).os_error(), Some(13));
        assert_eq!(number("no system call".into()), None);
        assert_eq!(Error::closed().os_error(), None);

        let path = Path::new("/data/node.key");
        let error = Error::file(ErrorKind::Storage, "read", path, refused());
        assert_eq!(error.message(), format!("cannot read /data/node.key: {}", refused()));
        assert_eq!((error.path(), error.address()), (Some(path), None));
        assert_eq!(format!("{error:?}"), format!("Storage(81): {}", error.message()), "the reason once");
        let address = SocketAddr::from(([127, 0, 0, 1], 4711));
        let error = Error::new(ErrorKind::Network, "taken").at_address(Some(address));
        assert_eq!((error.path(), error.address()), (None, Some(address)));
    }
}
