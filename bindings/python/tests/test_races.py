"""The six races that found faults in bindings before: nothing lost, nothing stuck, nothing leaked. 25 times each."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref

import peergraph
import pytest
from conftest import PATIENCE, soon

REPEATS = 25


async def publish(graph: peergraph.Graph, numbers: range) -> None:
    for number in numbers:
        await graph.publish("test.tick", str(number))
        if number % 7 == 0:
            await asyncio.sleep(random.random() / 500)


@pytest.mark.parametrize("_", range(REPEATS))
async def test_e23_timeouts_lose_no_event(node: peergraph.Node, _: int) -> None:
    graph = await node.create_graph("race")
    events = graph.events("record_changed", record_type="test.tick")
    producer = asyncio.create_task(publish(graph, range(60)))
    seen: list[str | None] = []
    timeouts = 0
    while len(seen) < 60:
        try:
            event = await asyncio.wait_for(anext(events), random.random() / 400)
        except asyncio.TimeoutError:
            timeouts += 1
            assert timeouts < 1_000_000
            continue
        assert isinstance(event, peergraph.RecordChanged)
        seen.append(event.record.text)
    await producer
    assert seen == [str(number) for number in range(60)]


@pytest.mark.parametrize("_", range(REPEATS))
async def test_e23_a_cancelled_reader_ends_at_once_and_loses_nothing(node: peergraph.Node, _: int) -> None:
    graph = await node.create_graph("race")
    events = graph.events("record_changed")
    reader = asyncio.create_task(soon(events))
    await asyncio.sleep(0)
    begun = asyncio.get_running_loop().time()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert asyncio.get_running_loop().time() - begun < 1
    await graph.publish("test.tick", "after")
    event = await soon(events)
    assert isinstance(event, peergraph.RecordChanged)
    assert event.record.text == "after"


@pytest.mark.parametrize("_", range(REPEATS))
async def test_e6_leaving_the_loop_closes_the_stream(node: peergraph.Node, _: int) -> None:
    graph = await node.create_graph("race")
    async with graph.events("record_changed") as events:
        await graph.publish("test.tick", "1")
        async for event in events:
            assert isinstance(event, peergraph.RecordChanged)
            break
    await graph.publish("test.tick", "2")
    assert events.try_next() is None
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(events), PATIENCE)


@pytest.mark.parametrize("_", range(REPEATS))
async def test_x4_an_abandoned_stream_is_collected(node: peergraph.Node, _: int) -> None:
    graph = await node.create_graph("race")
    alive = []
    events = None
    for _each in range(4):
        events = graph.events("record_changed")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(events), 0.001)
        alive.append(weakref.ref(events))
    del events
    gc.collect()
    assert [ref() for ref in alive] == [None] * 4


@pytest.mark.parametrize("_", range(REPEATS))
async def test_e5_a_waiter_that_nobody_holds_still_wakes(node: peergraph.Node, _: int) -> None:
    graph = await node.create_graph("race")
    seen: list[peergraph.Event] = []

    async def wait() -> None:
        seen.append(await anext(graph.events("record_changed")))

    orphan = asyncio.ensure_future(wait())
    kept = weakref.ref(orphan)
    await asyncio.sleep(0)
    del orphan
    gc.collect()
    await graph.publish("test.tick", "wake")
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not seen:
        assert asyncio.get_running_loop().time() < deadline, kept()
        await asyncio.sleep(0.002)
        gc.collect()
    assert isinstance(seen[0], peergraph.RecordChanged)


def test_e23_one_stream_serves_one_loop_after_another() -> None:
    async def begin() -> tuple[peergraph.Node, peergraph.Graph, peergraph.EventStream]:
        node = await peergraph.Node.start(peergraph.NodeConfig.loopback())
        graph = await node.create_graph("loops")
        return node, graph, graph.events("record_changed")

    async def turn(number: int) -> None:
        await graph.publish("test.tick", str(number))
        event = await soon(events)
        assert isinstance(event, peergraph.RecordChanged)
        assert event.record.text == str(number)

    node, graph, events = asyncio.run(begin())
    for number in range(REPEATS):
        asyncio.run(turn(number))
    asyncio.run(node.shutdown())
