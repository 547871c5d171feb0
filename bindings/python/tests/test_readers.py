"""Several readers of one stream, in tasks, loops and threads: each event goes to exactly one of them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from datetime import timedelta

import peergraph
import pytest
from conftest import PATIENCE, eventually
from peergraph import Node, NodeConfig, sync

MANY = 1000


async def write(graph: peergraph.Graph, numbers: range) -> None:
    for first in numbers[::50]:
        await asyncio.gather(*(graph.publish("note", str(number)) for number in range(first, first + 50)))


def number(event: object) -> int:
    assert isinstance(event, peergraph.RecordChanged)
    return int(event.record.text or "")


async def test_k28_tasks_of_one_loop_share_a_stream(node: Node) -> None:
    graph = await node.create_graph("shared")
    events = graph.events("record_changed", record_type="note")
    whole = graph.events("record_changed", record_type="note")
    heard: list[list[int]] = [[] for _ in range(5)]

    async def read(into: list[int]) -> None:
        async for event in events:
            into.append(number(event))
            if len(into) % 3 == 0:
                await asyncio.sleep(0)

    readers = [asyncio.create_task(read(into)) for into in heard]
    await write(graph, range(MANY))

    async def all_heard() -> bool:
        return sum(map(len, heard)) >= MANY

    await eventually("all are heard", all_heard)
    events.close()
    await asyncio.wait_for(asyncio.gather(*readers), PATIENCE)
    assert sorted(each for into in heard for each in into) == list(range(MANY))
    # Each hears its own in the order of the stream.
    place = {number(event): at for at, event in enumerate(whole.drain())}
    assert all(into == sorted(into, key=place.__getitem__) for into in heard)


async def test_k28_a_second_waiter_hears_the_second_event(node: Node) -> None:
    graph = await node.create_graph("shared")
    events = graph.events("record_changed", record_type="note")
    waiting = [asyncio.create_task(anext(events)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting.append(asyncio.create_task(anext(events)))
    await asyncio.sleep(0)
    waiting[1].cancel()
    for each in range(3):
        await graph.publish("note", str(each))
    done = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), PATIENCE)
    assert isinstance(done[1], asyncio.CancelledError)
    assert sorted(number(event) for at, event in enumerate(done) if at != 1) == [0, 1, 2]
    # Whoever waits at the end hears of it.
    last = [asyncio.create_task(events.batch()) for _ in range(3)]
    await asyncio.sleep(0)
    await graph.close()
    assert await asyncio.wait_for(asyncio.gather(*last), PATIENCE) == [[], [], []]


async def test_p5_loops_of_several_threads_share_a_stream(node: Node) -> None:
    graph = await node.create_graph("shared")
    events = graph.events("record_changed", record_type="note")
    heard: list[list[int]] = [[] for _ in range(4)]
    failed: list[BaseException] = []

    async def read(into: list[int]) -> None:
        while batch := await events.batch(7):
            into.extend(map(number, batch))

    def run(into: list[int]) -> None:
        try:
            asyncio.run(read(into))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(into,)) for into in heard[1:]]
    own = asyncio.create_task(read(heard[0]))
    for thread in threads:
        thread.start()
    await write(graph, range(MANY))

    async def all_heard() -> bool:
        return sum(map(len, heard)) >= MANY or bool(failed)

    await eventually("all are heard", all_heard)
    # All of them wait now; each event still wakes somebody, and the end all of them.
    for each in range(MANY, MANY + 20):
        await graph.publish("note", str(each))
        await eventually("one is heard", lambda each=each: anything(sum(map(len, heard)) > each))  # type: ignore[misc]
    await graph.close()
    await asyncio.wait_for(own, PATIENCE)
    for thread in threads:
        await asyncio.to_thread(thread.join, PATIENCE)
        assert not thread.is_alive()
    assert failed == []
    assert sorted(each for into in heard for each in into) == list(range(MANY + 20))


async def test_p5_a_second_waiter_in_another_loop_leaves_the_first_its_event(node: Node) -> None:
    graph = await node.create_graph("two")
    events = graph.events("record_changed", record_type="note")
    first = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    waits = threading.Event()

    async def second() -> int:
        waiting = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        assert not waiting.done()
        waits.set()
        return number(await asyncio.wait_for(waiting, PATIENCE))

    other = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(second())))
    assert await asyncio.to_thread(waits.wait, PATIENCE)
    assert not first.done()
    for each in range(2):
        await graph.publish("note", str(each))
    heard = [number(await asyncio.wait_for(first, PATIENCE)), await other]
    assert sorted(heard) == [0, 1]


async def anything(found: bool) -> bool:
    return found


async def test_p5_a_waiter_whose_loop_is_gone_harms_nobody(node: Node) -> None:
    graph = await node.create_graph("gone")
    events = graph.events("record_changed", record_type="note")

    def begin() -> None:
        loop = asyncio.new_event_loop()
        waiting = loop.create_task(anext(events))
        loop.run_until_complete(asyncio.sleep(0.01))
        assert not waiting.done()
        # Torn down without a word to its tasks, as bad programs do.
        waiting._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()

    await asyncio.to_thread(begin)
    own = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    await graph.publish("note", "0")
    assert number(await asyncio.wait_for(own, PATIENCE)) == 0


def test_k28_threads_share_a_blocking_stream() -> None:
    with sync.Node.start(NodeConfig.loopback()) as node:
        graph = node.create_graph("shared")
        events = graph.events("record_changed", record_type="note")
        heard: list[list[int]] = [[] for _ in range(4)]
        failed: list[BaseException] = []

        def read(at: int) -> None:
            try:
                if at % 2:
                    heard[at].extend(map(number, events))
                while not at % 2 and (batch := events.batch(5, timedelta(seconds=PATIENCE))):
                    heard[at].extend(map(number, batch))
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=read, args=(at,)) for at in range(4)]
        for thread in threads:
            thread.start()
        for each in range(400):
            graph.publish("note", str(each))
        wait = threading.Event()
        for _ in range(int(PATIENCE * 100)):
            if sum(map(len, heard)) >= 400 or failed:
                break
            wait.wait(0.01)
        graph.close()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert failed == []
        counted = Counter(each for into in heard for each in into)
        assert counted == Counter(range(400))


async def test_a_cursor_is_after_all_that_the_readers_have(node: Node) -> None:
    graph = await node.create_graph("cursor")
    events = graph.events("record_changed", record_type="note")
    sent = [await graph.publish("note", str(each)) for each in range(20)]
    halves = await asyncio.gather(events.batch(4), events.batch(3))
    assert [number(event) for half in halves for event in half] == list(range(7))
    later = graph.events("record_changed", record_type="note", after=events.cursor)
    rest = [await asyncio.wait_for(anext(later), PATIENCE) for _ in sent[7:]]
    assert [number(event) for event in rest] == list(range(7, 20))


@pytest.mark.parametrize("wrong", [0.2, 5, "soon"])
def test_a_limit_of_a_blocking_stream_is_a_timedelta(wrong: object) -> None:
    with sync.Node.start(NodeConfig.loopback()) as node, node.create_graph("limits").events() as events:
        for wait in (events.next, lambda timeout: events.batch(5, timeout)):
            with pytest.raises(TypeError, match=r"^timeout is a datetime\.timedelta, not "):
                wait(timeout=wrong)  # type: ignore[arg-type]
