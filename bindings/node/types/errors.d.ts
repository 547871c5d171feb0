/**
 * The base of all errors of peergraph. The message is for people, the rest for programs.
 *
 * ```ts
 * try {
 *   await node.joinGroup(text)
 * } catch (error) {
 *   if (error instanceof InvitationExpiredError) console.log('ask for a new one')
 *   else throw error
 * }
 * ```
 */
export class PeergraphError extends Error {
  static readonly code: number
  static readonly kind: string
  /** A number that never changes. */
  readonly code: number
  /** The name of that number, such as `NotFound`. */
  readonly kind: string
  /** Where a system call failed: its number, as in `os.constants.errno`. `cause` has it as `code`, such as `EACCES`. */
  readonly errno?: number
  /** The file or directory that could not be used. */
  readonly path?: string
  /** The socket address that could not be bound. */
  readonly address?: string
}

/** The classes by their numbers. */
export const ERRORS: ReadonlyMap<number, typeof PeergraphError>

/** An argument breaks a rule; the message names it. The caller's mistake. */
export class InvalidArgumentError extends PeergraphError {
  readonly code: 1
  readonly kind: 'InvalidArgument'
}
/** The text is not a ticket, or is cut off or mistyped. */
export class InvalidTicketError extends PeergraphError {
  readonly code: 2
  readonly kind: 'InvalidTicket'
}
/** The text is not an identifier. */
export class InvalidIdError extends PeergraphError {
  readonly code: 3
  readonly kind: 'InvalidId'
}
/** A record type, attribute name or graph belongs to the library. */
export class ReservedError extends PeergraphError {
  readonly code: 4
  readonly kind: 'Reserved'
}
/** A record, message or property exceeds its limit. */
export class TooLargeError extends PeergraphError {
  readonly code: 5
  readonly kind: 'TooLarge'
}
/** An expiration lies in the past, or would be brought forward. */
export class InvalidExpirationError extends PeergraphError {
  readonly code: 6
  readonly kind: 'InvalidExpiration'
}
/** This version of the library does not offer what was asked for. */
export class UnsupportedVersionError extends PeergraphError {
  readonly code: 7
  readonly kind: 'UnsupportedVersion'
}
/** The text is not an invitation, or is cut off, mistyped or altered. */
export class InvalidInvitationError extends PeergraphError {
  readonly code: 8
  readonly kind: 'InvalidInvitation'
}
/** A membership or invitation would end before it begins, or outlast its issuer's. */
export class InvalidPeriodError extends PeergraphError {
  readonly code: 9
  readonly kind: 'InvalidPeriod'
}
/** There is no such thing: record, node, connection. */
export class NotFoundError extends PeergraphError {
  readonly code: 20
  readonly kind: 'NotFound'
}
/** The record was deleted. */
export class DeletedError extends PeergraphError {
  readonly code: 21
  readonly kind: 'Deleted'
}
/** A database for this graph, or this identity, is here already. */
export class AlreadyExistsError extends PeergraphError {
  readonly code: 22
  readonly kind: 'AlreadyExists'
}
/** The record has another version than expected. */
export class VersionMismatchError extends PeergraphError {
  readonly code: 23
  readonly kind: 'VersionMismatch'
}
/** The graph is open in this node, or has been online since it was opened. */
export class GraphInUseError extends PeergraphError {
  readonly code: 24
  readonly kind: 'GraphInUse'
}
/** The graph is not known here: no database, and no ticket. */
export class UnknownGraphError extends PeergraphError {
  readonly code: 25
  readonly kind: 'UnknownGraph'
}
/** The identity has graphs or groups here; delete those first. */
export class GroupsExistError extends PeergraphError {
  readonly code: 26
  readonly kind: 'GroupsExist'
}
/** The identity was deleted. */
export class IdentityDeletedError extends PeergraphError {
  readonly code: 27
  readonly kind: 'IdentityDeleted'
}
/** The node or graph has been closed. */
export class ClosedError extends PeergraphError {
  readonly code: 40
  readonly kind: 'Closed'
}
/** This node has never synchronised with the graph; connect first. */
export class NeverSynchronizedError extends PeergraphError {
  readonly code: 41
  readonly kind: 'NeverSynchronized'
}
/** The graph is not listening. */
export class NotListeningError extends PeergraphError {
  readonly code: 42
  readonly kind: 'NotListening'
}
/** The graph's policy does not allow it. */
export class NotAuthorizedError extends PeergraphError {
  readonly code: 43
  readonly kind: 'NotAuthorized'
}
/** The password is another one. */
export class WrongPasswordError extends PeergraphError {
  readonly code: 44
  readonly kind: 'WrongPassword'
}
/** The time of the invitation or membership is over. */
export class InvitationExpiredError extends PeergraphError {
  readonly code: 45
  readonly kind: 'InvitationExpired'
}
/** As many came by the invitation as may; also told to a member whose place went to another. */
export class InvitationUsedUpError extends PeergraphError {
  readonly code: 46
  readonly kind: 'InvitationUsedUp'
}
/** The invitation was taken back. */
export class InvitationRevokedError extends PeergraphError {
  readonly code: 47
  readonly kind: 'InvitationRevoked'
}
/** The invitation is for another identity. */
export class InvitationNotForYouError extends PeergraphError {
  readonly code: 48
  readonly kind: 'InvitationNotForYou'
}
/** The invitation's time has not begun, or this machine's clock is wrong. */
export class InvitationNotYetValidError extends PeergraphError {
  readonly code: 49
  readonly kind: 'InvitationNotYetValid'
}
/** Too many tries; wait before the next. */
export class ThrottledError extends PeergraphError {
  readonly code: 50
  readonly kind: 'Throttled'
}
/** This identity was removed from the group. */
export class RemovedError extends PeergraphError {
  readonly code: 51
  readonly kind: 'Removed'
}
/** The chain of grants would be longer than the group allows. */
export class ChainTooLongError extends PeergraphError {
  readonly code: 52
  readonly kind: 'ChainTooLong'
}
/** Somebody would be a member by a grant of their own. */
export class CircularChainError extends PeergraphError {
  readonly code: 53
  readonly kind: 'CircularChain'
}
/** This graph is not a group, or this identity is no member of it. */
export class NotAMemberError extends PeergraphError {
  readonly code: 54
  readonly kind: 'NotAMember'
}
/** The key for the bodies of this group, or of this record, is not here yet. */
export class KeyMissingError extends PeergraphError {
  readonly code: 55
  readonly kind: 'KeyMissing'
}
/** A node cannot connect to itself. */
export class ConnectToSelfError extends PeergraphError {
  readonly code: 60
  readonly kind: 'ConnectToSelf'
}
/** The two nodes are neighbors already. */
export class AlreadyNeighborError extends PeergraphError {
  readonly code: 61
  readonly kind: 'AlreadyNeighbor'
}
/** The other end does not know this graph, or an exported database is another graph's. */
export class WrongGraphError extends PeergraphError {
  readonly code: 62
  readonly kind: 'WrongGraph'
}
/** The other end, or whose exported database it is, is not the expected identity. */
export class WrongPeerError extends PeergraphError {
  readonly code: 63
  readonly kind: 'WrongPeer'
}
/** The other end, and everyone it referred to, refused. */
export class RefusedError extends PeergraphError {
  readonly code: 64
  readonly kind: 'Refused'
}
/** Nobody answered at any address. */
export class UnreachableError extends PeergraphError {
  readonly code: 65
  readonly kind: 'Unreachable'
}
/** The deadline passed. */
export class TimedOutError extends PeergraphError {
  readonly code: 66
  readonly kind: 'TimedOut'
}
/** The call was cancelled. */
export class CancelledError extends PeergraphError {
  readonly code: 67
  readonly kind: 'Cancelled'
}
/** The other end does not accept direct connections. */
export class DirectNotAcceptedError extends PeergraphError {
  readonly code: 68
  readonly kind: 'DirectNotAccepted'
}
/** The connection ended, or there is none with this number. */
export class NotConnectedError extends PeergraphError {
  readonly code: 69
  readonly kind: 'NotConnected'
}
/** The network is not there: no socket could be bound, or a relay or lookup address is wrong. */
export class NetworkError extends PeergraphError {
  readonly code: 70
  readonly kind: 'Network'
}
/** The node is paused; resume it first. */
export class PausedError extends PeergraphError {
  readonly code: 71
  readonly kind: 'Paused'
}
/** The other end has no place for another connection at the moment, nor had it until the deadline; try again later. */
export class BusyError extends PeergraphError {
  readonly code: 72
  readonly kind: 'Busy'
}
/** The data directory is in use by another node. */
export class DirectoryInUseError extends PeergraphError {
  readonly code: 80
  readonly kind: 'DirectoryInUse'
}
/** The disk or the database failed; the cause tells. */
export class StorageError extends PeergraphError {
  readonly code: 81
  readonly kind: 'Storage'
}
/** The database or a key file is damaged, or of another graph. */
export class DamagedError extends PeergraphError {
  readonly code: 82
  readonly kind: 'Damaged'
}
/** The database was written by a later version, or before the first release: this version does not read it. */
export class NewerSchemaError extends PeergraphError {
  readonly code: 83
  readonly kind: 'NewerSchema'
}
/** The keys on the disk, or the database, cannot be used: sealed with another passphrase or key than the configuration has, or not readable for this user. */
export class KeyAccessError extends PeergraphError {
  readonly code: 84
  readonly kind: 'KeyAccess'
}
/** A fault of the library itself. */
export class InternalError extends PeergraphError {
  readonly code: 99
  readonly kind: 'Internal'
}
