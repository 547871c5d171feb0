"""Configuration, rules, and facts about nodes and groups. All immutable, all comparable."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from pathlib import Path

from . import _native
from ._errors import InvalidArgumentError
from ._native import NodeId, PeerId
from ._words import ConnectionKind, Role

# Fields that no text shows.
SECRET = frozenset({"identity", "passphrase", "key", "key_source"})


@dataclass(frozen=True, slots=True, repr=False)
class NodeConfig:
    """How a node runs: in a data directory, or in memory if that is asked for. The default network is the local one.

    Example::

        config = NodeConfig(data_dir="data", passphrase="only I know")
        async with Node.start(config) as node: ...
    """

    data_dir: str | Path | None = None
    """Where keys and databases are kept, readable by their owner only."""
    in_memory: bool = False
    """True instead of a data directory: nothing is written to the disk, and all is gone with the node."""
    identity: bytes | None = None
    """The private key (32 bytes) of the identity to act for; not written to the disk. None: the directory's."""
    passphrase: str | None = None
    """Seals the keys on the disk. Nothing opens them if it is lost."""
    key: bytes | None = None
    """Seals the keys on the disk: 32 random bytes, instead of a passphrase."""
    key_source: Callable[[], bytes | Awaitable[bytes]] | None = None
    """Asked for the key at each start on a data directory, instead: a function, or a coroutine function (not with
    `peergraph.sync`), such as one that reads the platform's key store. What it raises is raised by the start."""
    encrypt_database: bool = False
    """Whether to seal the databases too; needs a passphrase, a key or its source."""
    network: str = "local"
    """Whom the network may involve: "local" (no third party), "internet" (iroh's relays) or "custom"."""
    relays: tuple[str, ...] = ()
    """URLs of your own relays, for "custom"."""
    lookup: str | None = None
    """URL of a pkarr server for address lookup, for "custom"."""
    bind: tuple[str, ...] = ()
    """UDP addresses to bind; port 0 picks a free one. Empty: all interfaces, any port."""
    mdns: bool = True
    """Whether to find nodes on the local network."""
    target_neighbors: int = 5
    """Neighbors each graph tries to keep."""
    max_neighbors: int = 8
    """Neighbors each graph accepts."""
    min_neighbors: int = 3
    """Neighbors below which a graph looks for more at once."""
    ping_interval: timedelta = timedelta(seconds=1)
    """Time between pings on each link; the longer of what its ends want holds. A dead neighbor is noticed after about
    four."""
    durability: str = "synced"
    """When a write is acknowledged: "synced" (on the disk) or "relaxed" (with the operating system)."""
    tombstone_lifetime: timedelta = timedelta(days=30)
    """How long deletes are remembered."""
    version: tuple[int, int] = (0, 1)
    """The version of the library's interface that the caller was written for."""

    @classmethod
    def loopback(cls, data_dir: str | Path | None = None) -> NodeConfig:
        """A node that binds a free port of the loopback interface and looks for nobody: for tests. In memory, unless
        there is a data directory.
        """
        return cls(data_dir=data_dir, in_memory=data_dir is None, bind=("127.0.0.1:0",), mdns=False)

    def low_power(self) -> NodeConfig:
        """The same for a device that should sleep: a ping each 15 s, and two neighbors, four at most. A dead neighbor is
        noticed after a minute rather than four seconds; records come as fast as ever. See also `Node.pause`.
        """
        seconds, target, most, least = _native.low_power()
        return replace(
            self,
            ping_interval=timedelta(seconds=seconds),
            target_neighbors=target,
            max_neighbors=most,
            min_neighbors=least,
        )

    def __repr__(self) -> str:
        # Keys and passphrases end up in logs and notebooks otherwise.
        shown = ((each.name, getattr(self, each.name), each.default) for each in fields(self))
        words = (
            f"{name}={'<hidden>' if name in SECRET else repr(value)}" for name, value, default in shown if value != default
        )
        return f"NodeConfig({', '.join(words)})"


@dataclass(frozen=True, slots=True)
class Status:
    """What state a graph is in. The three are independent."""

    listening: bool
    """Others can connect to this node."""
    has_connections: bool
    """There is at least one neighbor."""
    synchronized: bool
    """The database is as current as a neighbor's: it has been equal to one since this node last had none. False after
    reopening until then, and while this machine's clock is so far behind that others' records are refused. True for who
    made the graph, until it has had a neighbor and lost the last one."""
    clock_skew_ms: int | None = None
    """How far this machine's clock is ahead of the graph's time, in milliseconds; negative: behind. None: within bounds (20
    minutes), or not known. While it is ahead, what this node writes is kept and held: see `Record.held`."""


@dataclass(frozen=True, slots=True)
class NodeAddr:
    """A node and the ways to it."""

    node: NodeId
    """The node's public key."""
    addrs: tuple[str, ...] = ()
    """UDP socket addresses, such as "192.168.1.4:4711"."""
    relay: str | None = None
    """The URL of the relay it can be reached through."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What is known of a node."""

    node: NodeId
    peer: PeerId
    addr: NodeAddr
    attributes: str
    """Free text of its application."""
    since: datetime
    """When it was started, in peer time (UTC)."""


@dataclass(frozen=True, slots=True)
class MemberInfo:
    """What is known of a member."""

    peer: PeerId
    name: str
    """The one it gave itself, or else the one it was invited under, or else the first ten digits of its id in brackets."""
    role: Role | None
    """None once it is no member any more."""
    not_after: datetime | None
    """When its membership ends, in peer time (UTC); None: not at all, or it ended."""
    issuer: PeerId | None
    """Who let it in; None for the creator."""
    nodes: tuple[NodeInfo, ...]
    """Its nodes that are here."""

    @property
    def is_present(self) -> bool:
        """True if one of its nodes is here."""
        return bool(self.nodes)

    def _repr_html_(self) -> str:
        from ._html import member_html

        return member_html(self)


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """A neighbor link or direct connection, as it was when asked for."""

    connection: int
    """Its number on this node."""
    kind: ConnectionKind
    node: NodeId
    peer: PeerId
    addr: NodeAddr
    rtt: timedelta | None
    """Smoothed round-trip time, once measured."""
    utility: int
    """How useful its records were lately: 0 to 4,096."""


@dataclass(frozen=True, slots=True)
class GraphProperties:
    """The properties of a graph that may change."""

    name: str = ""
    """At most 255 bytes."""
    comment: str = ""
    """At most 512 bytes."""
    presence_lifetime: timedelta = timedelta(minutes=5)
    """How long a presence record lives unless refreshed; 5 minutes to 7 days."""
    presence_max: int | None = None
    """How many nodes publish their presence; None: all."""
    defer_expiration: bool = False
    """True if nothing expires on a node while it has no neighbor."""


@dataclass(frozen=True, slots=True)
class TypeRule:
    """Who may write records of one type. Admins and owners may edit and delete in any case."""

    record_type: str
    publish: Role | str = Role.MEMBER
    """The least role that publishes them."""
    edit: Role | str = "author"
    """Who updates and deletes them: "author", or the least role."""


@dataclass(frozen=True, slots=True)
class GroupRules:
    """What holds in a group from its beginning to its end."""

    creator_name: str = ""
    """At most 255 bytes. Empty: the identity's name."""
    min_version: int = 1
    """The least version of the protocol that members must speak."""
    max_chain: int = 8
    """Most grants between the creator and a member: 1 to 24."""
    properties: Role | str = Role.OWNER
    """The least role that changes the properties."""
    records_end_with_membership: bool = False
    """True if a record must end with its author's membership."""
    encrypted_bodies: bool = False
    """True if bodies are encrypted, with a new key whenever somebody is removed."""
    types: tuple[TypeRule, ...] = ()
    """The types with rules of their own, at most 256. All others: members publish, authors edit."""


@dataclass(frozen=True, slots=True)
class Genesis:
    """The unchangeable properties of a graph. Its hash is the graph's id."""

    creator: PeerId
    max_record: int
    """Most bytes of body plus attributes in a record."""
    nonce: bytes
    rules: GroupRules | None
    """None: a plain graph."""


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """An invitation by link that can still be used."""

    key: PeerId
    """Names it, for `Group.revoke_invitation`."""
    issuer: PeerId
    role: Role
    uses: int
    """How many may come."""
    used: int
    """How many came."""
    not_after: datetime
    """Until when, in peer time (UTC)."""


@dataclass(frozen=True, slots=True)
class RevokedDevice:
    """A device that is refused; see `Group.revoked_devices`."""

    node: NodeId
    """Its node."""
    by: PeerId
    """Who refused it: the identity itself, for good; else the admin who did so first."""
    at: datetime
    """When, by the clock of whoever did (UTC)."""


@dataclass(frozen=True, slots=True)
class ImportCount:
    """What became of the records of an exported database."""

    added: int
    known: int
    refused: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """How many records a database has, and the fingerprint of their set: equal exactly if the databases are."""

    count: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Metrics:
    """Bytes of a node since it was started."""

    bytes_sent: int
    bytes_received: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A hop of a referral chain."""

    hop: int
    """How many so far, counted from 1."""
    next: NodeId
    """The node tried next."""


def folder(name: str, given: object) -> str:
    """A data directory: a path that says something, from the directory that is current now."""
    if isinstance(given, os.PathLike):
        given = os.fspath(given)
    if not isinstance(given, str):
        raise TypeError(f"{name} is a path, not {type(given).__name__}; for a node in memory: `Node.in_memory()`")
    if not given:
        raise InvalidArgumentError(f"{name} is empty")
    return os.path.abspath(given)


def placed(config: object) -> NodeConfig:
    """A configuration that says where its node keeps what it has."""
    if not isinstance(config, NodeConfig):
        raise TypeError(f"config is a NodeConfig, not {type(config).__name__}; for a folder: `Node.open(folder)`")
    if config.data_dir is not None:
        if config.in_memory:
            raise InvalidArgumentError("NodeConfig has a data_dir and in_memory=True: one of these")
        return replace(config, data_dir=folder("NodeConfig.data_dir", config.data_dir))
    if not config.in_memory:
        raise InvalidArgumentError("NodeConfig has no data_dir; for a node in memory: in_memory=True")
    return config
