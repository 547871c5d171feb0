"""What notebooks show of nodes, graphs, records and members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import _native
    from ._event_types import SyncProgress
    from ._native import Record
    from ._types import MemberInfo, Status

SHOWN = 50


def table(head: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """A table; every cell is escaped."""
    first = "".join(f"<th>{escape(text)}</th>" for text in head)
    rest = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{first}</tr></thead><tbody>{rest}</tbody></table>"


def status_words(status: Status) -> str:
    """A status in words."""
    pairs = (
        ("listening", status.listening),
        ("connected", status.has_connections),
        ("synchronised", status.synchronized),
    )
    words = [word for word, holds in pairs if holds] or ["offline"]
    if status.clock_skew_ms is not None:
        way = "ahead" if status.clock_skew_ms > 0 else "behind"
        words.append(f"this machine's clock is {timedelta(seconds=abs(status.clock_skew_ms) // 1000)} {way}")
    return ", ".join(words)


def progress_words(now: SyncProgress) -> str:
    """How far a database is, in words."""
    size = f"{now.bytes / 1e6:.1f} MB"
    if not now.records_expected:
        return f"{now.records:,} records, {size}"
    return f"{now.records:,} of {now.records_expected:,} records, {size} of {now.bytes_expected / 1e6:.1f} MB"


def progress_html(now: SyncProgress) -> str:
    # Without a value the bar says that something is under way.
    value = f' value="{now.records}" max="{now.records_expected}"' if now.records_expected else ""
    return f'<div><progress{value} style="width: 20em"></progress> {escape(progress_words(now))}</div>'


def node_html(node: _native.Node) -> str:
    rows = [
        ("Node", node.id),
        ("Identity", node.peer_id),
        ("Addresses", ", ".join(node.addr().addrs)),
        ("Open graphs", ", ".join(graph.short for graph in node.open_graphs()) or "none"),
    ]
    return table(("", ""), rows, "Node of peergraph")


def graph_html(graph: _native.Graph) -> str:
    kind = "Group" if graph.is_group else "Graph"
    found = graph.summary()
    if found is None:
        return table(("", ""), [("Id", graph.id), ("State", "closed")], kind)
    status, name, nodes, neighbors, records, members = found
    rows: list[tuple[str, object]] = [
        ("Id", graph.id),
        ("State", status_words(status)),
        ("Nodes here", len(nodes)),
        ("Neighbors", len(neighbors)),
        ("Records", records),
    ]
    if graph.is_group:
        rows.append(("Members", ", ".join(f"{who.name or who.peer.short} ({who.role})" for who in members)))
    return table(("", ""), rows, f"{kind} {name}")


def member_html(member: MemberInfo) -> str:
    rows = [
        ("Name", member.name),
        ("Identity", member.peer),
        ("Role", member.role or "none"),
        ("Until", member.not_after or "without end"),
        ("Here", "yes" if member.is_present else "no"),
    ]
    return table(("", ""), rows, "Member")


def records_html(records: Sequence[Record]) -> str:
    rows = [
        (record.id.short, record.record_type, record.version, record.author.short, record.modified, _body(record))
        for record in records[:SHOWN]
    ]
    more = f", the first {SHOWN} shown" if len(records) > SHOWN else ""
    head = ("Id", "Type", "Version", "Author", "Modified", "Body")
    return table(head, rows, f"{len(records)} records{more}")


def _body(record: Record) -> str:
    text = record.text
    if text is None:
        return f"{len(record.body)} bytes"
    return text if len(text) <= 60 else text[:59] + "\N{HORIZONTAL ELLIPSIS}"
