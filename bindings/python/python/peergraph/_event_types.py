"""The events that are no objects of the native module. All immutable, all comparable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from ._native import IncomingData, NodeId, PeerId, RecordChanged
from ._types import GraphProperties, MemberInfo, NodeInfo, Status
from ._words import ConnectionChange, FailureReason, GroupFailure, MemberChange, NodeChange, RequiredReason


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The graph listens, has connections, is synchronised; or no longer."""

    status: Status


@dataclass(frozen=True, slots=True)
class PropertyChanged:
    """Changeable properties have new values."""

    changed: frozenset[str]
    """The names of those that changed."""
    properties: GraphProperties


@dataclass(frozen=True, slots=True)
class _ConnectionEvent:
    change: ConnectionChange
    connection: int
    """Which connection; in a failed attempt, the attempt."""
    node: NodeId | None
    peer: PeerId | None
    reason: FailureReason | None = None
    """Why, when disconnected or failed."""
    hop: int | None = None
    """Hops so far, when referred."""
    next: NodeId | None = None
    """The node tried next, when referred."""


class DirectConnectionChanged(_ConnectionEvent):
    """A direct connection came up, went down, or could not be made."""

    __slots__ = ()


class NeighborConnectionChanged(_ConnectionEvent):
    """A neighbor link came up, went down, or could not be made."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ConnectionRequired:
    """A node outside of what the graph knows would help."""

    reason: RequiredReason


@dataclass(frozen=True, slots=True)
class NodeChanged:
    """A node came, went, or changed its addresses or attributes."""

    change: NodeChange
    node: NodeInfo


@dataclass(frozen=True, slots=True)
class Synchronized:
    """A record type that was given precedence is synchronised, or (None) everything is."""

    record_type: str | None


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A member of a group came, went, joined, changed, left or was removed."""

    change: MemberChange
    member: MemberInfo


@dataclass(frozen=True, slots=True)
class ConnectionFailed:
    """A group could not be entered: once for each attempt."""

    reason: GroupFailure


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far the database is on its way here, while this node catches up with others: when that begins, at most a few
    times a second, and in the end, with as many records as were expected.
    """

    records: int
    """Records received so far."""
    bytes: int
    """Their bytes: headers, attributes and bodies."""
    records_expected: int
    """Records to be received in all, as far as is known; 0: not known yet."""
    bytes_expected: int
    """An estimate, exact in the end; 0: not known yet."""

    def _repr_html_(self) -> str:
        from ._html import progress_html

        return progress_html(self)


@dataclass(frozen=True, slots=True)
class Lagged:
    """This subscriber was too slow: so many connection and presence events are gone. Read the current state."""

    dropped: int


@dataclass(frozen=True, slots=True)
class Reset:
    """The cursor does not fit this database: the complete current set follows, ended by `CaughtUp`."""


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """All that was there when the subscription began has been delivered; what follows is new."""

    cursor: bytes


Event = Union[  # noqa: UP007
    StatusChanged,
    PropertyChanged,
    RecordChanged,
    DirectConnectionChanged,
    NeighborConnectionChanged,
    IncomingData,
    ConnectionRequired,
    NodeChanged,
    Synchronized,
    MemberChanged,
    ConnectionFailed,
    SyncProgress,
    Lagged,
    Reset,
    CaughtUp,
]
"""Something an application can be told. `match` on the class."""
