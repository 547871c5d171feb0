import peergraph from './lib/index.js'

export const {
  Node, loopback, lowPower, Graph, Group, Record, Pages, Records, RecordChanged, IncomingData, EventStream, DirectConnection, SendReceipt,
  Identities, Identity, ROLES, compareRoles, PeerId, NodeId, GraphId, RecordId, verify, Ticket, Invitation, PeerName, IdentityDescription, Float,
  PeergraphError, ERRORS,
  InvalidArgumentError, InvalidTicketError, InvalidIdError, ReservedError, TooLargeError, InvalidExpirationError,
  UnsupportedVersionError, InvalidInvitationError, InvalidPeriodError, NotFoundError, DeletedError, AlreadyExistsError,
  VersionMismatchError, GraphInUseError, UnknownGraphError, GroupsExistError, IdentityDeletedError, ClosedError,
  NeverSynchronizedError, NotListeningError, NotAuthorizedError, WrongPasswordError, InvitationExpiredError,
  InvitationUsedUpError, InvitationRevokedError, InvitationNotForYouError, InvitationNotYetValidError, ThrottledError,
  RemovedError, ChainTooLongError, CircularChainError, NotAMemberError, KeyMissingError, ConnectToSelfError,
  AlreadyNeighborError, WrongGraphError, WrongPeerError, RefusedError, UnreachableError, TimedOutError, CancelledError,
  DirectNotAcceptedError, NotConnectedError, NetworkError, PausedError, BusyError, DirectoryInUseError, StorageError, DamagedError,
  NewerSchemaError, KeyAccessError, InternalError,
} = peergraph
export default peergraph
