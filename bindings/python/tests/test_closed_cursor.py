from __future__ import annotations

import asyncio
from pathlib import Path

from conftest import PATIENCE
from peergraph import Node, NodeConfig, RecordChanged, sync


async def test_e20_a_closed_stream_keeps_the_cursor_of_its_reader_across_a_restart(tmp_path: Path) -> None:
    config = NodeConfig.loopback(tmp_path)
    async with Node.start(config) as node:
        graph = await node.create_graph("cursor")
        async with graph.events("record_changed") as events:
            sent = [await graph.publish("note", str(number)) for number in range(300)]
            for _ in range(7):
                await asyncio.wait_for(anext(events), PATIENCE)
            inside = events.cursor
        assert events.cursor == inside
        events.close()
        await graph.save_cursor("reader", events.cursor)
    async with Node.start(config) as node:
        graph = await node.open_graph(graph.id)
        later = graph.events("record_changed", after=await graph.load_cursor("reader"))
        told = [await asyncio.wait_for(anext(later), PATIENCE) for _ in sent[7:]]
        assert [event.record for event in told if isinstance(event, RecordChanged)] == sent[7:]


def test_e20_so_does_one_without_asyncio() -> None:
    with sync.Node.start(NodeConfig.loopback()) as node:
        graph = node.create_graph("cursor")
        with graph.events("record_changed") as events:
            for number in range(300):
                graph.publish("note", str(number))
            for _ in range(7):
                events.next()
            inside = events.cursor
        assert events.cursor == inside
