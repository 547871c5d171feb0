# Made by make_sync.py from ../_node.py: change that.
"""Nodes: where a program begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from types import TracebackType

from .. import _native
from .._bridge import key_now
from .._calls import blocking, handle, listening, one, texts
from .._event_types import SyncProgress
from .._native import GraphId, Invitation, NodeId, PeerId, Ticket
from .._node import MEBIBYTE, MINUTE, _graph_or_ticket
from .._types import GraphProperties, GroupRules, Metrics, NodeAddr, NodeConfig, folder, placed
from ._graph import Graph
from ._group import Group
from ._identities import Identities, Identity
from ._now import alone, now


class Node:
    """One running instance, with a key of its own, acting for an identity.

    Example::

        with peergraph.sync.Node.open("data") as node:
            group = node.create_group("Book club")
            print(group.invite(role="member"))
            group.publish("chat.message", b"hello", attributes={"room": "main"})
            for event in group.events("record_changed", record_type="chat.message"):
                print(event.record.author, event.record.body)
    """

    __slots__ = ("_native",)

    def __init__(self, native: _native.Node) -> None:
        handle(native, _native.Node, "a node is opened: `Node.open(folder)`, `Node.start(config)` or `Node.in_memory()`")
        self._native = native

    @classmethod
    def open(cls, data_dir: str | Path) -> Node:
        """Opens a node on a data directory, which is made if it is not there. Usable with ``with``.

        Raises:
            TypeError: the directory is None or no path. In memory only: `in_memory`.
            DirectoryInUseError: another node has it.
            KeyAccessError, DamagedError, StorageError, NetworkError.
        """
        return Node(now(_native.Node.start(alone(NodeConfig(data_dir=folder("data_dir", data_dir))))))

    @classmethod
    def in_memory(cls) -> Node:
        """Opens a node that writes nothing to the disk. Raises NetworkError."""
        return Node(now(_native.Node.start(alone(NodeConfig(in_memory=True)))))

    @classmethod
    def start(cls, config: NodeConfig) -> Node:
        """Opens a node as configured.

        Raises:
            InvalidArgumentError: the configuration contradicts itself, or says neither `data_dir` nor `in_memory`.
            TypeError: it is no `NodeConfig`.
            UnsupportedVersionError, and as `open`.
        """
        return Node(now(_native.Node.start(alone(placed(config)), key_now(config))))

    @property
    def id(self) -> NodeId:
        """The node's public key, by which it is dialled."""
        return self._native.id

    @property
    def peer_id(self) -> PeerId:
        """The identity that the node acts for."""
        return self._native.peer_id

    @property
    def identities(self) -> Identities:
        """The identities of this node."""
        return Identities(self._native.identities)

    @property
    def addr(self) -> NodeAddr:
        """Where this node can be dialled, as far as it knows."""
        return self._native.addr()

    @property
    def bound(self) -> list[str]:
        """The socket addresses it has bound."""
        return self._native.bound()

    @property
    def metrics(self) -> Metrics:
        """Bytes sent and received since the start."""
        return self._native.metrics()

    @blocking
    def create_graph(
        self,
        name: str = "",
        *,
        properties: GraphProperties | None = None,
        max_record: int = MEBIBYTE,
        seed: bytes | None = None,
        precedence: Iterable[str] = (),
    ) -> Graph:
        """Makes a graph: whoever has its ticket can read and write everything in it, for good. It does not listen yet.

        Args:
            name: friendly name, at most 255 bytes.
            properties: all that may change later.
            max_record: most bytes of body plus attributes of a record, 1 KiB to 60 MiB. Fixed for ever.
            seed: 32 bytes from which id and secret follow; as secret as a ticket. Default: random.
            precedence: record types to synchronise first, in order.

        Raises:
            InvalidArgumentError, TooLargeError: a property is out of bounds.
            AlreadyExistsError: the graph of this seed is here.
            StorageError, ClosedError.
        """
        one("properties", properties, GraphProperties)
        return Graph(now(self._native.create_graph(name, properties, max_record, seed, texts("precedence", precedence))))

    @blocking
    def open_graph(self, graph: GraphId | Ticket | str, *, precedence: Iterable[str] = (), offline: bool = False) -> Graph:
        """Comes back to a graph that is here. It is online at once: it listens, and dials the nodes that are known in the
        background. It waits for nobody; ``status_changed`` tells when somebody is there.

        Args:
            graph: its id, or a ticket. The ticket of a graph that was never here opens it without traffic; see `join`.
            precedence: record types to synchronise first, in order.
            offline: True for no traffic until it is told to listen or connect.

        Raises:
            UnknownGraphError: no database here, and no ticket.
            NotAuthorizedError: it is a group; use `open_group`.
            InvalidTicketError, InvalidIdError, DamagedError, StorageError, ClosedError.
        """
        return Graph(now(self._native.open_graph(_graph_or_ticket(graph), texts("precedence", precedence), offline)))

    @blocking
    def join(
        self,
        ticket: Ticket | str,
        *,
        deadline: timedelta = MINUTE,
        on_progress: Callable[[SyncProgress], object] | None = None,
    ) -> Graph:
        """Opens a graph by its ticket, connects, waits until it is synchronised, and listens. What came of its database is
        kept when this fails or is cancelled, and the next join goes on from there.

        Args:
            ticket: the ticket, or its text.
            deadline: give up if nobody was reached after this. Once somebody is, the database may take as long as it does,
                while there is progress.
            on_progress: called a few times a second with how far the database is on its way here, and in the end with the
                final figures: on this loop, or without asyncio on a thread of the library.

        Raises:
            TimedOutError: nobody was reached in time, or nothing of the database came for 30 seconds.
            InvalidTicketError, UnreachableError, RefusedError, BusyError, WrongGraphError, NotFoundError, ClosedError.
        """
        one("ticket", ticket, Ticket, str)
        parsed = Ticket(ticket) if isinstance(ticket, str) else ticket
        with listening("on_progress", on_progress) as told:
            return Graph(now(self._native.join(parsed, deadline, told)))

    @blocking
    def create_group(
        self,
        name: str = "",
        *,
        properties: GraphProperties | None = None,
        rules: GroupRules | None = None,
        max_record: int = MEBIBYTE,
        precedence: Iterable[str] = (),
        identity: Identity | None = None,
    ) -> Group:
        """Makes a group. The identity is its owner without end. It is reachable as soon as this returns.

        Args:
            name: friendly name, at most 255 bytes.
            properties: all that may change later.
            rules: what holds for ever: who may write what.
            max_record: most bytes of body plus attributes of a record, 64 KiB to 60 MiB.
            precedence: record types to synchronise first, in order.
            identity: who makes it. Default: the node's default identity.

        Raises:
            InvalidArgumentError, TooLargeError: a property or rule is out of bounds.
            IdentityDeletedError, StorageError, ClosedError.
        """
        one("identity", identity, Identity)
        native = identity._native if identity is not None else None
        one("properties", properties, GraphProperties)
        one("rules", rules, GroupRules)
        return Group(
            now(self._native.create_group(name, properties, rules, max_record, texts("precedence", precedence), native))
        )

    @blocking
    def open_group(self, group: GraphId | str, *, precedence: Iterable[str] = (), offline: bool = False) -> Group:
        """Comes back to a group that is here: the call after a restart. The group is online at once: it listens, and dials
        the members that are known in the background. It waits for nobody; ``status_changed`` tells when somebody is there.
        One that is open is handed out again.

        Args:
            group: its id, such as one of `stored_groups`.
            precedence: record types to synchronise first, in order.
            offline: True for no traffic until it is told to listen or connect.

        Raises:
            UnknownGraphError: no database here.
            NotAMemberError: it is a plain graph.
            NotFoundError: the identity is not here.
            InvalidIdError, DamagedError, StorageError, ClosedError.
        """
        return Group(now(self._native.open_group(GraphId(group), texts("precedence", precedence), offline)))

    @blocking
    def join_group(
        self,
        invitation: Invitation | str,
        *,
        name: str = "",
        identity: Identity | None = None,
        password: str | None = None,
        deadline: timedelta = MINUTE,
        on_progress: Callable[[SyncProgress], object] | None = None,
    ) -> Group:
        """Joins a group by an invitation: becomes a member, connects, waits until it is synchronised, and listens. What
        came of its database is kept when this fails or is cancelled, and the next join goes on from there.

        Args:
            invitation: the invitation, or its text.
            name: the friendly name to go by there, at most 255 bytes, whatever the invitation says. Default: the one that
                this identity goes by there already, or else its friendly name.
            identity: as whom. Default: the one the invitation is for, or the node's default.
            password: where the invitation asks for one.
            deadline: give up if this identity was not let in after this. Once it is, the database may take as long as it
                does, while there is progress.
            on_progress: called with how far the database is on its way here; see `join`.

        Raises:
            InvalidInvitationError: the text is no invitation.
            InvitationNotForYouError, InvitationExpiredError, InvitationNotYetValidError, InvitationUsedUpError,
            InvitationRevokedError, WrongPasswordError, ThrottledError, RemovedError, NotAuthorizedError: not let in.
            TimedOutError: nobody was reached in time, or nothing of the database came for 30 seconds.
            UnreachableError, RefusedError, BusyError, ClosedError: nobody could be reached.
        """
        parsed = Invitation(invitation) if isinstance(invitation, str) else invitation
        one("identity", identity, Identity)
        native = identity._native if identity is not None else None
        with listening("on_progress", on_progress) as told:
            return Group(now(self._native.join_group(parsed, name, native, password, deadline, told)))

    @blocking
    def import_membership(self, text: str, password: str) -> Group:
        """Takes in a membership that `Group.export_membership` wrote on another machine, and opens its group,
        offline: a database can be imported first.

        Raises:
            InvalidArgumentError: the text is no exported membership or was altered.
            WrongPasswordError, UnsupportedVersionError, AlreadyExistsError, NotAMemberError, StorageError, ClosedError.
        """
        return Group(now(self._native.import_membership(text, password)))

    @property
    def open_graphs(self) -> list[GraphId]:
        """The graphs and groups that are open."""
        return self._native.open_graphs()

    @property
    def stored_graphs(self) -> list[GraphId]:
        """The graphs and groups that have a database here, open or not."""
        return self._native.stored_graphs()

    @property
    def stored_groups(self) -> list[GraphId]:
        """The groups that have a database here, open or not. Raises DamagedError or StorageError."""
        return self._native.stored_groups()

    @blocking
    def delete_graph(self, graph: GraphId | str) -> None:
        """Deletes a graph's database.

        Raises:
            GraphInUseError: it is open; close it first.
            UnknownGraphError: there is none.
            InvalidIdError, StorageError, ClosedError.
        """
        now(self._native.delete_graph(GraphId(graph)))

    @blocking
    def pause(self) -> None:
        """Makes all data durable, withdraws presence, says goodbye to the neighbors, and is quiet until `resume`: no
        timers, no dials, nobody let in. For an application that goes to the background. Afterwards the system may stop
        the process at any moment. Reading and writing work; connects raise PausedError. Raises ClosedError.
        """
        now(self._native.pause())

    @blocking
    def resume(self) -> None:
        """Ends a pause: former neighbors are dialled at once. With one in reach a graph is synchronised within a second;
        ``status_changed`` tells. Raises ClosedError.
        """
        now(self._native.resume())

    @property
    def is_paused(self) -> bool:
        """True between `pause` and `resume`."""
        return self._native.is_paused

    @blocking
    def network_changed(self) -> None:
        """Tells the node that the system has another network than before: links are tested, and nodes that did not
        answer dialled again. Changes are noticed without it too, only later. Raises ClosedError.
        """
        now(self._native.network_changed())

    @blocking
    def shutdown(self) -> None:
        """Closes all graphs and the network; event streams end. Repeated calls wait for the first."""
        now(self._native.shutdown())

    def __enter__(self) -> Node:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.shutdown()

    def __repr__(self) -> str:
        return f"<Node {self.id.short} of {self.peer_id.short}>"

    def _repr_html_(self) -> str:
        from .._html import node_html

        return node_html(self._native)
