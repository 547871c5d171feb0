"""A view of a graph that lives in a notebook: ``pip install peergraph[jupyter]``.

Example::

    from peergraph.jupyter import live

    live(group)  # the last line of a cell; it goes on while other cells run
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from ._errors import ClosedError, Error
from ._event_types import (
    CaughtUp,
    ConnectionFailed,
    DirectConnectionChanged,
    Event,
    Lagged,
    MemberChanged,
    NeighborConnectionChanged,
    NodeChanged,
    PropertyChanged,
    StatusChanged,
    Synchronized,
    SyncProgress,
)
from ._html import progress_words, status_words
from ._native import IncomingData, PeerId, RecordChanged
from ._words import EventKind

if TYPE_CHECKING:
    from ._graph import Graph

# The view of each graph, while it follows.
_views: dict[int, Live] = {}

# Between two pictures; what happens meanwhile is shown together.
PAUSE = 0.2
LONGEST = 120


class Live(anywidget.AnyWidget):
    """Nodes and links, members, and the latest events of a graph, as they change. Made by `live`.

    Ends when the graph is closed, or by `close`.
    """

    # The text rather than the path: a watched file would keep each view for good.
    _esm = (Path(__file__).parent / "jupyter.js").read_text(encoding="utf-8")
    state = traitlets.Dict().tag(sync=True)
    """What is shown: `title`, `status`, `progress`, `nodes`, `links`, `members`, `events`."""

    def __init__(self, graph: Graph, limit: int) -> None:
        super().__init__()
        self._graph = graph
        self._events: deque[dict[str, str]] = deque(maxlen=limit)
        # Of those who are members, and of those whom the events shown name.
        self._names: dict[PeerId, str] = {}
        self._stream = graph.events(*EventKind)
        self._task = asyncio.ensure_future(self._follow())

    def close(self) -> None:
        """Ends it: it stays as it is, and costs nothing more."""
        self._stream.close()
        self._task.cancel()
        self._forget()
        super().close()

    def _forget(self) -> None:
        key = id(self._graph._native)
        if _views.get(key) is self:
            del _views[key]

    async def _follow(self) -> None:
        ended = "closed"
        try:
            await self._show()
            while batch := await self._stream.batch():
                # Bounded work, however many there are.
                begun = time.monotonic()
                await self._show(batch)
                await asyncio.sleep(max(PAUSE - (time.monotonic() - begun), 0))
        except ClosedError:
            pass
        except Error as error:
            ended = f"{error.kind}: {error}"
        finally:
            self._stream.close()
            self._forget()
            self._put({"status": ended, "progress": None, "nodes": [], "links": []})

    def _note(self, batch: Sequence[Event]) -> None:
        for event in batch[-(self._events.maxlen or 0) :]:
            kind, text = told(event, self._names)
            at = datetime.now().strftime("%H:%M:%S")
            self._events.append({"at": at, "kind": kind, "text": text[:LONGEST]})

    async def _show(self, batch: Sequence[Event] = ()) -> None:
        graph = self._graph
        members = await graph._native.members() if graph._native.is_group else []
        former, names = self._names, {member.peer: member.name for member in members}
        # Whoever has just gone is still named once.
        self._names = former | names
        self._note(batch)
        self._names = names
        nodes, links = await graph.nodes(), await graph.neighbors()
        try:
            title = (await graph.properties()).name
        except Error:
            title = ""
        known = {str(node.node): names.get(node.peer) or node.peer.short for node in nodes}
        for link in links:
            known.setdefault(str(link.node), names.get(link.peer) or link.peer.short)
        status = await graph.status()
        own = str(nodes[0].node)
        told_last = [event for event in batch if isinstance(event, SyncProgress)][-1:]
        progress = told_last[0] if told_last else await graph.sync_progress()
        self._put(
            {
                "title": title or graph.id.short,
                "status": status_words(status),
                "progress": progress and _progress(progress),
                "nodes": [{"id": node, "name": name[:LONGEST], "own": node == own} for node, name in known.items()],
                "links": [
                    {"to": str(link.node), "ms": round(link.rtt.total_seconds() * 1000, 1) if link.rtt else None}
                    for link in links
                ],
                "members": [
                    {"name": member.name[:LONGEST] or member.peer.short, "role": str(member.role or "none")}
                    | {"here": member.is_present}
                    for member in members
                ],
            }
        )

    def _put(self, changed: dict[str, Any]) -> None:
        self.state = {**self.state, **changed, "events": list(self._events)}


def _progress(now: SyncProgress) -> dict[str, Any] | None:
    """What the bar shows; None once all is here."""
    if now.records == now.records_expected:
        return None
    return {"done": now.records, "all": now.records_expected, "text": progress_words(now)}


def live(graph: Graph, limit: int = 100) -> Live:
    """Shows a graph or group in a notebook, and goes on while other cells run.

    Args:
        graph: open, in a node of this notebook.
        limit: how many of the latest events are kept and shown.

    A second call for the same graph ends the view of the first.

    Raises:
        ClosedError: the graph is closed.
        RuntimeError: no asyncio loop runs here.
    """
    asyncio.get_running_loop()
    # A cell that runs again shows the same anew, rather than a second beside it.
    before = _views.pop(id(graph._native), None)
    if before is not None:
        before.close()
    view = _views[id(graph._native)] = Live(graph, limit)
    return view


class Bar:
    """A bar in a notebook that shows how far a join is: one for each join.

    Example::

        group = await node.join_group(text, name="Ben", on_progress=Bar())
    """

    def __init__(self) -> None:
        self._handle: Any = None

    def __call__(self, now: SyncProgress) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(now, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(now)


def told(event: Event, names: Mapping[PeerId, str] | None = None) -> tuple[str, str]:
    """An event in words: what kind, and what it says; identities by their names, where those are known."""

    def of(peer: PeerId | None) -> str:
        return "" if peer is None else (names or {}).get(peer) or peer.short

    match event:
        case RecordChanged(change=change, record=record):
            body = record.text if record.text is not None else f"{len(record.body)} bytes"
            named = [
                f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}"
                for name, value in record.attributes.items()
            ]
            return f"record {change}", " ".join([f"{record.record_type} by {of(record.author)}:", *named, body])
        case IncomingData(data_type=kind, peer=peer, data=data):
            return "data", f"{kind} from {of(peer)}: {len(data)} bytes"
        case MemberChanged(change=change, member=member):
            return f"member {change}", member.name or member.peer.short
        case NodeChanged(change=change, node=node):
            return f"node {change}", f"{node.node.short} of {of(node.peer)}"
        case DirectConnectionChanged(change=change, peer=who) | NeighborConnectionChanged(change=change, peer=who):
            kind = "direct" if isinstance(event, DirectConnectionChanged) else "neighbor"
            return f"{kind} {change}", of(who)
        case StatusChanged(status=status):
            return "status", status_words(status)
        case PropertyChanged(changed=changed):
            return "properties", ", ".join(sorted(changed))
        case Synchronized(record_type=kind):
            return "synchronised", kind or "everything"
        case ConnectionFailed(reason=reason):
            return "not entered", str(reason)
        case SyncProgress():
            return "catching up", progress_words(event)
        case Lagged(dropped=dropped):
            return "lagged", f"{dropped} events are gone"
        case CaughtUp():
            return "caught up", ""
        case _:
            return type(event).__name__, ""
