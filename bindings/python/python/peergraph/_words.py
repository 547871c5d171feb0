"""Enumerations: a member equals its text, and its text may be given instead."""

from __future__ import annotations

from enum import Enum


class _Text(str, Enum):
    def __str__(self) -> str:
        return str(self.value)


class Role(_Text):
    """What a member may do. Each role may do all that those before it may: ``Role.READER < Role.OWNER``, and
    ``max(roles)`` is the one that may most. A role equals its text; ordering one beside a text is a TypeError.
    """

    READER = "reader"
    MEMBER = "member"
    INVITER = "inviter"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def _rank(self) -> int:
        return list(Role).index(self)

    def __lt__(self, other: object) -> bool:
        return self._rank < _role(other)._rank

    def __le__(self, other: object) -> bool:
        return self._rank <= _role(other)._rank

    def __gt__(self, other: object) -> bool:
        return self._rank > _role(other)._rank

    def __ge__(self, other: object) -> bool:
        return self._rank >= _role(other)._rank


def _role(other: object) -> Role:
    if isinstance(other, Role):
        return other
    # NotImplemented would have `str` compare the two as text.
    raise TypeError(f"a role is compared with a role, not with {type(other).__name__}: Role({other!r})")


class EventKind(_Text):
    """The kinds of events, for `Graph.events`. Their names may be given as text."""

    STATUS_CHANGED = "status_changed"
    PROPERTY_CHANGED = "property_changed"
    RECORD_CHANGED = "record_changed"
    DIRECT_CONNECTION = "direct_connection"
    NEIGHBOR_CONNECTION = "neighbor_connection"
    INCOMING_DATA = "incoming_data"
    CONNECTION_REQUIRED = "connection_required"
    NODE_CHANGED = "node_changed"
    SYNCHRONIZED = "synchronized"
    MEMBER_CHANGED = "member_changed"
    CONNECTION_FAILED = "connection_failed"
    SYNC_PROGRESS = "sync_progress"


class ChangeKind(_Text):
    """What happened to a record."""

    ADDED = "added"
    UPDATED = "updated"
    DELETED = "deleted"
    EXPIRED = "expired"


class ChangeOrigin(_Text):
    """Where a change came from: here, a neighbor as it happened, comparing databases, or read back (unknown)."""

    LOCAL = "local"
    FLOOD = "flood"
    SYNC = "sync"
    FEED = "feed"


class ConnectionKind(_Text):
    """A neighbor link carries records and data; a direct connection data only."""

    NEIGHBOR = "neighbor"
    DIRECT = "direct"


class ConnectionChange(_Text):
    """What happened to a connection. ``REFERRED`` is progress, not failure: another node is tried next."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    FAILED = "failed"
    REFERRED = "referred"


class FailureReason(_Text):
    """Why a connection failed or ended."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NOT_AUTHENTICATED = "not_authenticated"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    CLOSED = "closed"
    CLOSED_BY_PEER = "closed_by_peer"
    LOST = "lost"
    PRUNED = "pruned"
    PROTOCOL = "protocol"
    UNSUPPORTED_VERSION = "unsupported_version"
    BUSY = "busy"


class RequiredReason(_Text):
    """Why a connection is wanted: a routine look, or no neighbor and nobody left to dial."""

    PROBE = "probe"
    ISOLATED = "isolated"


class NodeChange(_Text):
    """What happened to a node."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    UPDATED = "updated"


class MemberChange(_Text):
    """What happened to a member."""

    JOINED = "joined"
    UPDATED = "updated"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    LEFT = "left"
    REMOVED = "removed"
    EXPIRED = "expired"


class GroupFailure(_Text):
    """Why a group could not be entered."""

    NO_MEMBERS_FOUND = "no_members_found"
    NONE_CONNECTABLE = "none_connectable"
    CANNOT_LISTEN = "cannot_listen"
    NOT_AUTHORIZED = "not_authorized"
    INVITATION_INVALID = "invitation_invalid"
    WRONG_PASSWORD = "wrong_password"
    THROTTLED = "throttled"
    TIMED_OUT = "timed_out"
    BUSY = "busy"


class OpenOutcome(_Text):
    """Whether a database was made or found."""

    CREATED = "created"
    EXISTING = "existing"


class ListenOutcome(_Text):
    """What `Graph.listen` did."""

    STARTED = "started"
    ALREADY_LISTENING = "already_listening"


class JoinOutcome(_Text):
    """Whether this identity became a member, or was one."""

    JOINED = "joined"
    ALREADY_MEMBER = "already_member"


class BodyState(_Text):
    """Whether a record's body could be read: yes; its key is not here (read it again later); it is no encrypted body."""

    CLEAR = "clear"
    KEY_MISSING = "key_missing"
    UNREADABLE = "unreadable"


class InvitationKind(_Text):
    """How an invitation lets in."""

    IDENTITY = "identity"
    LINK = "link"
    PASSWORD = "password"
