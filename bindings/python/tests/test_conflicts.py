"""Edits that lost can be read until they were seen to; times before 1970; pages that end at a size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import peergraph
import pytest
from conftest import eventually, soon
from peergraph import Conflict, Graph, Node, NodeConfig, sync

UTC = timezone.utc


async def apart(one: Graph, other: Graph, node: Node, act: Callable[[], Any]) -> None:
    """Does something while two have no link."""
    await node.pause()

    async def alone() -> bool:
        return not await one.neighbors()

    await eventually("they are apart", alone)
    await act()
    await node.resume()

    async def equal() -> bool:
        return await one.fingerprint() == await other.fingerprint() and bool(await one.neighbors())

    await eventually("they are equal again", equal)


async def together(node: Node, other: Node) -> tuple[Graph, Graph, peergraph.Record]:
    graph = await node.create_graph("conflicts")
    await graph.listen()
    far = await other.join(await graph.ticket())
    note = await graph.publish("note", "first")

    async def there() -> bool:
        return await far.get(note.id) == note

    await eventually("both have it", there)
    return graph, far, note


async def test_c42_the_edit_that_lost_is_kept_until_it_was_seen_to(node: Node, tmp_path: Path) -> None:
    async with Node.start(NodeConfig.loopback(tmp_path)) as other:
        graph, far, note = await together(node, other)
        await far.save_cursor("before", far.events("record_changed").cursor)

        async def both() -> None:
            await graph.update(note, body="Ann's")
            await far.update(note, body="Ben's")

        await apart(graph, far, other, both)
    async with Node.start(NodeConfig.loopback(tmp_path)) as other:
        far = await other.open_graph(graph.id, offline=True)
        found = await far.conflicts()
        assert len(found) == 1
        conflict = found[0]
        assert isinstance(conflict, Conflict)
        assert {conflict.winner.text, conflict.loser.text} == {"Ann's", "Ben's"}
        assert await far.get(note.id) == conflict.winner
        assert conflict.noticed.tzinfo is not None
        assert [each async for each in far.conflicts(note)] == found == await far.conflicts(note.id, page_size=1)
        assert await far.conflicts(peergraph.RecordId(bytes(16))) == []
        # By a cursor from before, too.
        events = far.events("record_changed", record_type="note", after=await far.load_cursor("before"))
        lost = [event.conflict for event in [await soon(events)] if isinstance(event, peergraph.RecordChanged)]
        assert lost == [conflict.loser]
        with pytest.raises(TypeError, match="conflict is a Conflict or a losing Record, not RecordId"):
            await far.acknowledge_conflict(note.id)  # type: ignore[arg-type]
        assert await far.acknowledge_conflict(conflict)
        assert not await far.acknowledge_conflict(conflict.loser)
        assert await far.conflicts() == []

    def blocking() -> list[Conflict]:
        with sync.Node.start(NodeConfig.loopback(tmp_path)) as other:
            return other.open_graph(graph.id, offline=True).conflicts().all()

    assert await asyncio.to_thread(blocking) == []


async def test_c40_a_delete_wins_over_an_edit_that_had_not_seen_it(node: Node, other: Node) -> None:
    graph, far, note = await together(node, other)

    async def both() -> None:
        await graph.delete(note)
        await far.update(note, body="written later")

    await apart(graph, far, other, both)
    for each in (graph, far):
        assert await each.get(note.id) is None
        (conflict,) = await each.conflicts()
        assert (conflict.winner.deleted, conflict.loser.text) == (True, "written later")
    with pytest.raises(peergraph.DeletedError):
        await far.update(note, body="again")


MOMENTS = [
    datetime(1965, 5, 3, 12, 30, 15, 250_000, UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_000, UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC),
    datetime(1900, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
]


async def test_k21_times_before_1970_are_kept(node: Node) -> None:
    graph = await node.create_graph("times")
    for moment in MOMENTS:
        note = await graph.publish("note", attributes={"at": moment, "all": [moment, MOMENTS[0]]})
        assert note.attributes == {"at": moment, "all": [moment, MOMENTS[0]]}
        found = await graph.get(note.id)
        assert found is not None
        assert found.attributes["at"].tzinfo is not None
        assert found.attributes["at"] == moment
    # The wire has milliseconds.
    fine = datetime(1965, 5, 3, 12, 30, 15, 250_999, UTC)
    assert (await graph.publish("note", attributes={"at": fine})).attributes == {"at": MOMENTS[0]}


async def test_k21_clocks_do_not_go_back_before_1970(node: Node) -> None:
    graph = await node.create_graph("times")
    refused: list[tuple[str, Callable[[], Any]]] = [
        ("expires", lambda: graph.publish("note", expires=MOMENTS[0])),
        ("local", lambda: graph.to_peer_time(MOMENTS[0])),
        ("peer", lambda: graph.to_local_time(MOMENTS[0])),
    ]
    for name, act in refused:
        with pytest.raises(peergraph.InvalidArgumentError, match=f"^{name} .*1970"):
            await act()


async def test_c6_a_page_ends_at_a_size_and_a_count_is_asked_for(node: Node) -> None:
    graph = await node.create_graph("pages")
    for number in range(12):
        await graph.publish("file", bytes([number]) * 900_000)
    pages = [page async for page in graph.records("file").pages()]
    assert len(pages) > 1
    assert all(sum(len(record.body) for record in page) <= 5 << 20 for page in pages)
    assert [record.body[0] for page in pages for record in page] == list(range(12))
    assert await graph.records("file").count() == 12
    assert await graph.records("none").count() == 0
