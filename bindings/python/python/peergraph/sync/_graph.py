# Made by make_sync.py from ../_graph.py: change that.
"""Graphs: records, events and connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import _native
from .._calls import blocking, checked, content, handle, listening, named_values, one, several, texts
from .._connection import MAX_DATA
from .._event_types import SyncProgress
from .._graph import MAX_BODY, MINUTE, Attributes, Target, _id
from .._native import GraphId, NodeId, PeerId, Record, RecordId, Ticket
from .._records import Conflict, Query
from .._types import (
    ConnectionInfo,
    Fingerprint,
    Genesis,
    GraphProperties,
    ImportCount,
    NodeAddr,
    NodeInfo,
    Progress,
    Status,
)
from .._words import EventKind, ListenOutcome, OpenOutcome
from ._connection import DirectConnection, SendReceipt
from ._events import EventStream
from ._now import now
from ._records import Conflicts, Records

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self


class Graph:
    """A graph that is open in a node: whoever has its ticket can read and write everything in it.

    Open until `close` or the node's end, and as long as somebody holds it, a stream of its events or a connection. Usable
    with ``with``.
    """

    __slots__ = ("_native",)

    def __init__(self, native: _native.Graph) -> None:
        handle(native, _native.Graph, "graphs and groups are made, opened and joined by a `Node`")
        self._native = native

    @property
    def id(self) -> GraphId:
        """The graph's id."""
        return self._native.id

    @property
    def open_outcome(self) -> OpenOutcome:
        """Whether its database was found or made when it was opened."""
        return self._native.open_outcome

    @blocking
    def publish(
        self,
        record_type: str,
        body: Buffer | str = b"",
        *,
        attributes: Attributes | None = None,
        expires: datetime | None = None,
    ) -> Record:
        """Publishes a record: signs it, makes it durable, sends it to the neighbors. Returns when it is durable here.

        Args:
            record_type: 1 to 64 letters, digits, ``.``, ``_`` and ``-``, such as "chat.message".
            body: the content: bytes, a contiguous buffer such as a bytearray or an array of numpy, or text, which is
                encoded as UTF-8. With the attributes at most `Genesis.max_record` bytes. Taken as it is now.
            attributes: named values by which it can be found.
            expires: when it ceases to exist, in peer time, with a time zone.

        Raises:
            InvalidArgumentError, ReservedError, TooLargeError, InvalidExpirationError: the record breaks a rule.
            TypeError: the body is something else.
            NeverSynchronizedError: connect first.
            RemovedError, NotAMemberError, InvitationExpiredError, InvitationUsedUpError: this identity is no member of the
                group any more: it was removed, it left, its time is over, its place went to another by the same invitation.
            NotAuthorizedError, StorageError, ClosedError.

        Example::

            note = graph.publish("note", "buy milk", attributes={"list": "shopping", "urgent": True})
        """
        data, values = (content("body", body, MAX_BODY), named_values("attributes", attributes))
        return now(self._native.publish(record_type, data, values, expires))

    @blocking
    def update(
        self,
        record: Record | RecordId,
        *,
        body: Buffer | str | None = None,
        attributes: Attributes | None = None,
        expires: datetime | None = None,
        expected_version: int | None = None,
    ) -> Record:
        """Publishes a new version of a record. What is None stays; attributes replace all.

        Raises:
            NotFoundError, DeletedError: there is none.
            VersionMismatchError: it has another version than `expected_version`.
            And as `publish`.
        """
        data, values = (None if body is None else content("body", body, MAX_BODY), named_values("attributes", attributes))
        return now(self._native.update(_id(record), data, values, expires, expected_version))

    @blocking
    def delete(self, record: Record | RecordId) -> int:
        """Deletes a record everywhere; it cannot come back under its id: a delete wins over edits that had not seen it, and
        they are reported as conflicts. Returns the version of what is left.

        Raises:
            NotFoundError, DeletedError: there is none. And as `publish`.
        """
        return now(self._native.delete(_id(record)))

    @blocking
    def get(self, record: RecordId | str) -> Record | None:
        """The current version of a record; None if there is none, or it is deleted or expired.

        Raises:
            InvalidIdError, StorageError, ClosedError.
        """
        return now(self._native.get(RecordId(record)))

    @checked
    def records(
        self,
        record_type: str | None = None,
        *,
        creator: PeerId | None = None,
        include_deleted: bool = False,
        include_reserved: bool = False,
        page_size: int = 0,
    ) -> Records:
        """Records, oldest change first. `Records.all` gives a list; or iterate; see `Records`.

        Args:
            record_type: of this type. Default: all but the library's own.
            creator: made by this identity.
            include_deleted: what deletes left behind too.
            include_reserved: the library's own types too.
            page_size: records on a page; 0: as many as may be.

        Raises, when awaited:
            InvalidArgumentError, StorageError, ClosedError.
        """
        one("record_type", record_type, str)
        one("creator", creator, PeerId)
        return Records(self._native, Query(record_type, creator, include_deleted, include_reserved, page_size))

    def conflicts(self, record: Record | RecordId | None = None, *, page_size: int = 0) -> Conflicts:
        """Edits that lost: of two versions of a record, neither written in knowledge of the other, every node agrees on the
        winner. The loser is kept here until `acknowledge_conflict`, or for as long as deletes are remembered. Oldest first.
        `Records.all` gives a list; or iterate; see `Conflicts`.

        Args:
            record: of this record. Default: of all.
            page_size: conflicts on a page; 0: as many as may be.

        Raises, when awaited:
            StorageError, ClosedError.
        """
        return Conflicts(self._native, None if record is None else _id(record), page_size)

    @blocking
    def acknowledge_conflict(self, conflict: Conflict | Record) -> bool:
        """Drops the version that lost, on this node: it was seen to. False if it is not there any more.

        Args:
            conflict: of `conflicts`, or the losing version, as in `RecordChanged.conflict`.

        Raises:
            StorageError, ClosedError.
        """
        if not isinstance(conflict, (Conflict, Record)):
            raise TypeError(f"conflict is a Conflict or a losing Record, not {type(conflict).__name__}")
        return now(self._native.acknowledge_conflict(conflict.loser if isinstance(conflict, Conflict) else conflict))

    @checked
    def events(
        self,
        *kinds: EventKind | str,
        record_type: str | Iterable[str] = (),
        author: PeerId | Iterable[PeerId] = (),
        data_type: str | Iterable[str] = (),
        snapshot: bool = False,
        after: bytes | None = None,
        capacity: int | None = None,
    ) -> EventStream:
        """Subscribes to events. Nothing that happens after this returns is missed.

        Args:
            kinds: such as "record_changed"; none: all. "direct_connection" is what lets others open direct connections.
            record_type: of record changes, only those of these types.
            author: of record changes, only those whose latest version is by these identities.
            data_type: of incoming data, only that of these types.
            snapshot: begin with the records that are there, each as added, then `CaughtUp`.
            after: begin with what changed since this cursor, then `CaughtUp`.
            capacity: record changes kept in memory, 1 to 1,024 (the default). More are read from the database.

        Raises:
            InvalidArgumentError: a name or the cursor is no good.
            ClosedError.
        """
        subscription = self._native.subscribe(
            texts("a kind of events", kinds),
            texts("record_type", record_type),
            several("author", author, PeerId),
            texts("data_type", data_type),
            snapshot,
            after,
            capacity,
        )
        return EventStream(subscription)

    @blocking
    def save_cursor(self, name: str, cursor: bytes) -> None:
        """Keeps a cursor under a name of 1 to 64 bytes, in this database, to go on from after a restart.

        Raises:
            InvalidArgumentError, StorageError, ClosedError.
        """
        now(self._native.save_cursor(name, cursor))

    @blocking
    def load_cursor(self, name: str) -> bytes | None:
        """A cursor kept under a name. Raises InvalidArgumentError, StorageError, ClosedError."""
        return now(self._native.load_cursor(name))

    @blocking
    def ticket(self) -> Ticket:
        """A ticket with this node, if it listens, and some neighbors. Whoever has it can join. Raises ClosedError."""
        return now(self._native.ticket())

    @blocking
    def listen(self) -> ListenOutcome:
        """Lets others connect to this node.

        Raises:
            NeverSynchronizedError: this node has nothing to offer yet.
            ClosedError.
        """
        return now(self._native.listen())

    @blocking
    def connect(
        self,
        target: Target,
        *,
        expected_peer: PeerId | None = None,
        deadline: timedelta = MINUTE,
        progress: Callable[[Progress], object] | None = None,
    ) -> ConnectionInfo:
        """Connects to a neighbor; exactly one outcome, after following referrals. Ctrl-C cancels it.

        Args:
            target: a node's address, several, a ticket, a node, or an identity.
            expected_peer: fail if somebody else answers.
            deadline: give up after this, referrals included.
            progress: called with each hop of the referral chain.

        Raises:
            ConnectToSelfError, AlreadyNeighborError, WrongGraphError, WrongPeerError, RefusedError, UnreachableError,
            BusyError, TimedOutError, CancelledError, ClosedError.
            NotFoundError: the target has no known node.
        """
        with listening("progress", progress) as told:
            return now(self._native.connect(target, expected_peer, deadline, told))

    @blocking
    def enter(self, target: Target) -> None:
        """Connects, waits until this node is synchronised, and listens. A node with a database from before needs nobody to
        be there, and waits for an answer for three seconds at most.

        Raises:
            As `connect`, and TimedOutError if the database did not come.
        """
        now(self._native.enter(target))

    @blocking
    def open_direct(self, target: Target) -> DirectConnection:
        """Opens a direct connection to a node or peer of the graph.

        Raises:
            DirectNotAcceptedError: the other end has not subscribed to "direct_connection".
            And as `connect`.
        """
        return DirectConnection(now(self._native.open_direct(target)))

    @blocking
    def direct_connection(self, connection: int) -> DirectConnection:
        """A direct connection by its number, as an event gave it. Raises NotConnectedError, ClosedError."""
        return DirectConnection(now(self._native.direct_connection(connection)))

    @blocking
    def send(self, connection: int, data_type: str, data: Buffer) -> SendReceipt:
        """Sends data on a neighbor link or direct connection; see `DirectConnection.send`."""
        found = content("data", data, MAX_DATA, words=False)
        return SendReceipt(now(self._native.send(connection, data_type, found)))

    @blocking
    def disconnect(self, connection: int) -> None:
        """Closes one neighbor link or direct connection. Raises NotConnectedError, ClosedError."""
        now(self._native.disconnect(connection))

    @blocking
    def nodes(self, peer: PeerId | None = None) -> list[NodeInfo]:
        """The nodes that are here, of one identity if given; this one first. A snapshot. Raises ClosedError."""
        return now(self._native.nodes(peer))

    @blocking
    def node_info(self, node: NodeId) -> NodeInfo:
        """What is known of one node. Raises NotFoundError, ClosedError."""
        return now(self._native.node_info(node))

    @blocking
    def neighbors(self) -> list[ConnectionInfo]:
        """The neighbors. A snapshot. Raises ClosedError."""
        return now(self._native.neighbors())

    @blocking
    def direct_connections(self) -> list[ConnectionInfo]:
        """The direct connections. A snapshot. Raises ClosedError."""
        return now(self._native.direct_connections())

    @blocking
    def contacts(self) -> list[NodeAddr]:
        """Where nodes of this graph can be dialled, those of earlier times too. A snapshot. Raises ClosedError."""
        return now(self._native.contacts())

    @blocking
    def set_node_attributes(self, text: str | None) -> None:
        """Sets the text (at most 1,024 bytes) that others read beside this node. Raises TooLargeError, ClosedError."""
        now(self._native.set_node_attributes(text))

    @blocking
    def force_presence(self, forced: bool) -> None:
        """Publishes this node's presence whatever the graph's policy says, or leaves it to the policy again."""
        now(self._native.force_presence(forced))

    @blocking
    def status(self) -> Status:
        """Listening, connected, synchronised. Raises ClosedError."""
        return now(self._native.status())

    @blocking
    def sync_progress(self) -> SyncProgress | None:
        """How far the database is on its way here; None while nothing is known to be missing. Also an event. Raises
        ClosedError.
        """
        return now(self._native.sync_progress())

    @blocking
    def genesis(self) -> Genesis:
        """What cannot change. Raises NeverSynchronizedError before the first connect, ClosedError."""
        return now(self._native.genesis())

    @blocking
    def properties(self) -> GraphProperties:
        """What may change. Raises NeverSynchronizedError before the first connect, ClosedError."""
        return now(self._native.properties())

    @blocking
    def set_properties(
        self,
        *,
        name: str | None = None,
        comment: str | None = None,
        presence_lifetime: timedelta | None = None,
        presence_max: int | None = None,
        presence_of_all: bool = False,
        defer_expiration: bool | None = None,
    ) -> GraphProperties:
        """Changes properties, for all nodes; what is None stays. Returns the new ones.

        Args:
            name: at most 255 bytes.
            comment: at most 512 bytes.
            presence_lifetime: 5 minutes to 7 days.
            presence_max: about how many nodes publish their presence.
            presence_of_all: True: all of them do.
            defer_expiration: whether nothing expires on a node while it has no neighbor.

        Raises:
            TooLargeError, InvalidArgumentError: one is out of bounds.
            NotAuthorizedError, NeverSynchronizedError, StorageError, ClosedError.
        """
        return now(
            self._native.set_properties(name, comment, presence_lifetime, presence_max, presence_of_all, defer_expiration)
        )

    @blocking
    def peer_time(self) -> datetime:
        """The clock this graph agrees on, now (UTC). Raises ClosedError."""
        return now(self._native.peer_time())

    @blocking
    def to_peer_time(self, local: datetime) -> datetime:
        """A moment of this machine's clock as the graph would name it. Raises ClosedError."""
        return now(self._native.to_peer_time(local))

    @blocking
    def to_local_time(self, peer: datetime) -> datetime:
        """A moment of the graph's clock as this machine would name it. Raises ClosedError."""
        return now(self._native.to_local_time(peer))

    @blocking
    def fingerprint(self) -> Fingerprint:
        """Of the database: equal on two nodes exactly if their databases are. Raises ClosedError."""
        return now(self._native.fingerprint())

    @blocking
    def export_database(self, path: str | Path, password: str | None = None) -> int:
        """Writes all records to a new file, sealed if there is a password (8 characters at least). Returns how many.

        Raises:
            AlreadyExistsError: there is such a file.
            InvalidArgumentError, NeverSynchronizedError, DamagedError, StorageError, ClosedError.
        """
        return now(self._native.export_database(path, password))

    @blocking
    def import_database(
        self, path: str | Path, password: str | None = None, *, exporter: PeerId | None = None
    ) -> ImportCount:
        """Takes in the records of such a file, before this graph connects or listens. Each is validated. Calls made after
        this one wait until it is over.

        Raises:
            GraphInUseError: it has connected or listened.
            WrongGraphError, WrongPeerError: it is another graph's, or not by `exporter` (default: this identity).
            WrongPasswordError, InvalidArgumentError, NotFoundError, DamagedError, UnsupportedVersionError, StorageError,
            ClosedError.
        """
        return now(self._native.import_database(path, password, exporter))

    @blocking
    def close(self) -> None:
        """Says goodbye to the neighbors, closes the database, ends all event streams."""
        now(self._native.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id.short}>"

    def _repr_html_(self) -> str:
        from .._html import graph_html

        return graph_html(self._native)

    def topology(self) -> Any:
        """The nodes that are known and this node's links, as a `networkx.Graph`. Keys are node ids as text.

        Nodes have `own` (true for this node), `peer`, `name` and `attributes`; links have `rtt` (seconds) and `utility`.

        Raises ImportError without networkx: ``pip install peergraph[jupyter]``.
        """
        from .._topology import topology

        members = now(self._native.members()) if self._native.is_group else []
        return topology(now(self._native.nodes(None)), now(self._native.neighbors()), members)

    def plot(self, axes: Any = None) -> Any:
        """Draws `topology` with matplotlib and returns the axes. Raises ImportError without it."""
        from .._topology import plot

        return plot(self.topology(), axes)
