"""Every error of the library: one hierarchy, each with a stable number, each also the built-in one would expect.

Made after the library's own list; a test compares them.
"""

from __future__ import annotations

import os
from typing import ClassVar


class Error(Exception):
    """The base of all errors of peergraph.

    `code` is a number that never changes; `kind` is its name. ``str(error)`` is a message for people.

    Where a system call failed, `errno` is the system's number, `path` or `address` says what could not be used, and
    ``__cause__`` is the `OSError` of that number, such as `PermissionError`; else they are None. Those that are an
    `OSError` themselves, such as `StorageError` and `NetworkError`, have its `strerror` and `filename` too.

    Example::

        try:
            group = await node.join_group(text)
        except peergraph.InvitationExpiredError:
            print("ask for a new one")
        except peergraph.Error as error:
            print(error.code, error)
    """

    code: ClassVar[int] = 0
    kind: ClassVar[str] = ""
    errno: int | None = None
    path: str | None = None
    address: str | None = None

    def __str__(self) -> str:
        # An `OSError` with a number and a file would say these only; the message has them.
        return str(self.args[0]) if self.args else ""


class InvalidArgumentError(Error, ValueError):
    """An argument breaks a rule; the message names it. The caller's mistake."""

    code = 1
    kind = "InvalidArgument"


class InvalidTicketError(Error, ValueError):
    """The text is not a ticket, or is cut off or mistyped."""

    code = 2
    kind = "InvalidTicket"


class InvalidIdError(Error, ValueError):
    """The text is not an identifier."""

    code = 3
    kind = "InvalidId"


class ReservedError(Error, ValueError):
    """A record type, attribute name or graph belongs to the library."""

    code = 4
    kind = "Reserved"


class TooLargeError(Error, ValueError):
    """A record, message or property exceeds its limit."""

    code = 5
    kind = "TooLarge"


class InvalidExpirationError(Error, ValueError):
    """An expiration lies in the past, or would be brought forward."""

    code = 6
    kind = "InvalidExpiration"


class UnsupportedVersionError(Error, NotImplementedError):
    """This version of the library does not offer what was asked for."""

    code = 7
    kind = "UnsupportedVersion"


class InvalidInvitationError(Error, ValueError):
    """The text is not an invitation, or is cut off, mistyped or altered."""

    code = 8
    kind = "InvalidInvitation"


class InvalidPeriodError(Error, ValueError):
    """A membership or invitation would end before it begins, or outlast its issuer's."""

    code = 9
    kind = "InvalidPeriod"


class NotFoundError(Error, LookupError):
    """There is no such thing: record, node, connection."""

    code = 20
    kind = "NotFound"


class DeletedError(Error, LookupError):
    """The record was deleted."""

    code = 21
    kind = "Deleted"


class AlreadyExistsError(Error, FileExistsError):
    """A database for this graph, or this identity, is here already."""

    code = 22
    kind = "AlreadyExists"


class VersionMismatchError(Error, RuntimeError):
    """The record has another version than expected."""

    code = 23
    kind = "VersionMismatch"


class GraphInUseError(Error, RuntimeError):
    """The graph is open in this node, or has been online since it was opened."""

    code = 24
    kind = "GraphInUse"


class UnknownGraphError(Error, LookupError):
    """The graph is not known here: no database, and no ticket."""

    code = 25
    kind = "UnknownGraph"


class GroupsExistError(Error, RuntimeError):
    """The identity has graphs or groups here; delete those first."""

    code = 26
    kind = "GroupsExist"


class IdentityDeletedError(Error, LookupError):
    """The identity was deleted."""

    code = 27
    kind = "IdentityDeleted"


class ClosedError(Error, RuntimeError):
    """The node or graph has been closed."""

    code = 40
    kind = "Closed"


class NeverSynchronizedError(Error, RuntimeError):
    """This node has never synchronised with the graph; connect first."""

    code = 41
    kind = "NeverSynchronized"


class NotListeningError(Error, RuntimeError):
    """The graph is not listening."""

    code = 42
    kind = "NotListening"


class NotAuthorizedError(Error, PermissionError):
    """The graph's policy does not allow it."""

    code = 43
    kind = "NotAuthorized"


class WrongPasswordError(Error, PermissionError):
    """The password is another one."""

    code = 44
    kind = "WrongPassword"


class InvitationExpiredError(Error, PermissionError):
    """The time of the invitation or membership is over."""

    code = 45
    kind = "InvitationExpired"


class InvitationUsedUpError(Error, PermissionError):
    """As many came by the invitation as may; also told to a member whose place went to another."""

    code = 46
    kind = "InvitationUsedUp"


class InvitationRevokedError(Error, PermissionError):
    """The invitation was taken back."""

    code = 47
    kind = "InvitationRevoked"


class InvitationNotForYouError(Error, PermissionError):
    """The invitation is for another identity."""

    code = 48
    kind = "InvitationNotForYou"


class InvitationNotYetValidError(Error, PermissionError):
    """The invitation's time has not begun, or this machine's clock is wrong."""

    code = 49
    kind = "InvitationNotYetValid"


class ThrottledError(Error, PermissionError):
    """Too many tries; wait before the next."""

    code = 50
    kind = "Throttled"


class RemovedError(Error, PermissionError):
    """This identity was removed from the group."""

    code = 51
    kind = "Removed"


class ChainTooLongError(Error, ValueError):
    """The chain of grants would be longer than the group allows."""

    code = 52
    kind = "ChainTooLong"


class CircularChainError(Error, ValueError):
    """Somebody would be a member by a grant of their own."""

    code = 53
    kind = "CircularChain"


class NotAMemberError(Error, PermissionError):
    """This graph is not a group, or this identity is no member of it."""

    code = 54
    kind = "NotAMember"


class KeyMissingError(Error, LookupError):
    """The key for the bodies of this group, or of this record, is not here yet."""

    code = 55
    kind = "KeyMissing"


class ConnectToSelfError(Error, ValueError):
    """A node cannot connect to itself."""

    code = 60
    kind = "ConnectToSelf"


class AlreadyNeighborError(Error, ConnectionError):
    """The two nodes are neighbors already."""

    code = 61
    kind = "AlreadyNeighbor"


class WrongGraphError(Error, ConnectionError):
    """The other end does not know this graph, or an exported database is another graph's."""

    code = 62
    kind = "WrongGraph"


class WrongPeerError(Error, ConnectionError):
    """The other end, or whose exported database it is, is not the expected identity."""

    code = 63
    kind = "WrongPeer"


class RefusedError(Error, ConnectionRefusedError):
    """The other end, and everyone it referred to, refused."""

    code = 64
    kind = "Refused"


class UnreachableError(Error, ConnectionError):
    """Nobody answered at any address."""

    code = 65
    kind = "Unreachable"


class TimedOutError(Error, TimeoutError):
    """The deadline passed."""

    code = 66
    kind = "TimedOut"


class CancelledError(Error, ConnectionAbortedError):
    """The call was cancelled."""

    code = 67
    kind = "Cancelled"


class DirectNotAcceptedError(Error, ConnectionRefusedError):
    """The other end does not accept direct connections."""

    code = 68
    kind = "DirectNotAccepted"


class NotConnectedError(Error, ConnectionError):
    """The connection ended, or there is none with this number."""

    code = 69
    kind = "NotConnected"


class NetworkError(Error, OSError):
    """The network is not there: no socket could be bound, or a relay or lookup address is wrong."""

    code = 70
    kind = "Network"


class PausedError(Error, ConnectionError):
    """The node is paused; resume it first."""

    code = 71
    kind = "Paused"


class BusyError(Error, ConnectionError):
    """The other end has no place for another connection at the moment, nor had it until the deadline; try again later."""

    code = 72
    kind = "Busy"


class DirectoryInUseError(Error, OSError):
    """The data directory is in use by another node."""

    code = 80
    kind = "DirectoryInUse"


class StorageError(Error, OSError):
    """The disk or the database failed; the cause tells."""

    code = 81
    kind = "Storage"


class DamagedError(Error, OSError):
    """The database or a key file is damaged, or of another graph."""

    code = 82
    kind = "Damaged"


class NewerSchemaError(Error, OSError):
    """The database was written by a later version, or before the first release: this version does not read it."""

    code = 83
    kind = "NewerSchema"


class KeyAccessError(Error, PermissionError):
    """The keys on the disk, or the database, cannot be used: sealed with another passphrase or key than the
    configuration has, or not readable for this user.
    """

    code = 84
    kind = "KeyAccess"


class InternalError(Error, RuntimeError):
    """A fault of the library itself."""

    code = 99
    kind = "Internal"


ERRORS: dict[int, type[Error]] = {
    error.code: error
    for error in (
        InvalidArgumentError,
        InvalidTicketError,
        InvalidIdError,
        ReservedError,
        TooLargeError,
        InvalidExpirationError,
        UnsupportedVersionError,
        InvalidInvitationError,
        InvalidPeriodError,
        NotFoundError,
        DeletedError,
        AlreadyExistsError,
        VersionMismatchError,
        GraphInUseError,
        UnknownGraphError,
        GroupsExistError,
        IdentityDeletedError,
        ClosedError,
        NeverSynchronizedError,
        NotListeningError,
        NotAuthorizedError,
        WrongPasswordError,
        InvitationExpiredError,
        InvitationUsedUpError,
        InvitationRevokedError,
        InvitationNotForYouError,
        InvitationNotYetValidError,
        ThrottledError,
        RemovedError,
        ChainTooLongError,
        CircularChainError,
        NotAMemberError,
        KeyMissingError,
        ConnectToSelfError,
        AlreadyNeighborError,
        WrongGraphError,
        WrongPeerError,
        RefusedError,
        UnreachableError,
        TimedOutError,
        CancelledError,
        DirectNotAcceptedError,
        NotConnectedError,
        NetworkError,
        PausedError,
        BusyError,
        DirectoryInUseError,
        StorageError,
        DamagedError,
        NewerSchemaError,
        KeyAccessError,
        InternalError,
    )
}
"""The classes by their numbers."""


def _make(
    code: int,
    message: str,
    errno: int | None = None,
    path: str | None = None,
    address: str | None = None,
) -> Error:
    error = ERRORS[code](message)
    error.errno = errno
    error.path = path
    error.address = address
    if isinstance(error, OSError):
        error.filename = path
    if errno is not None:
        words = os.strerror(errno)
        if isinstance(error, OSError):
            error.strerror = words
        error.__cause__ = OSError(errno, words, path)
    return error
