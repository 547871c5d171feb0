"""Calls take effect in the order in which they are made, however and whenever they are awaited."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import peergraph
import pytest
from conftest import PATIENCE, soon
from peergraph import Node, NodeConfig, sync

MANY = 100


async def heard(events: peergraph.EventStream, count: int) -> list[str | None]:
    found = [await soon(events) for _ in range(count)]
    return [event.record.text for event in found if isinstance(event, peergraph.RecordChanged)]


async def test_c43_updates_without_waiting_take_their_versions_in_order(node: Node) -> None:
    graph = await node.create_graph("order")
    for _ in range(10):
        note = await graph.publish("note", "first")
        calls = [
            graph.update(note, body="second"),
            graph.update(note, attributes={"room": "main"}),
            graph.update(note, body="fourth", expected_version=3),
        ]
        # Awaited the other way round.
        versions = [(await call).version for call in reversed(calls)]
        assert versions == [4, 3, 2]
        now = await graph.get(note.id)
        assert now is not None
        assert (now.version, now.text, now.attributes) == (4, "fourth", {"room": "main"})


@pytest.mark.parametrize("way", ["gather", "tasks", "reversed", "forgotten", "threads of a loop"])
async def test_c43_publishes_come_in_the_order_of_the_calls(node: Node, way: str) -> None:
    graph = await node.create_graph("order")
    for turn in range(5):
        events = graph.events("record_changed", record_type="note")
        sent = [f"{turn} {number}" for number in range(MANY)]
        match way:
            case "gather":
                await asyncio.gather(*(graph.publish("note", text) for text in sent))
            case "tasks":
                tasks = [asyncio.create_task(graph.publish("note", text)) for text in sent]
                await asyncio.wait(tasks)
            case "reversed":
                for call in reversed([graph.publish("note", text) for text in sent]):
                    await call
            case "forgotten":
                for text in sent:
                    graph.publish("note", text)
            case _:
                assert await asyncio.to_thread(published, graph, sent) == sent
        assert await heard(events, MANY) == sent


def published(graph: peergraph.Graph, sent: list[str]) -> list[str | None]:
    """Another loop, in another thread."""

    async def publish() -> list[str | None]:
        return [note.text for note in await asyncio.gather(*(graph.publish("note", text) for text in sent))]

    return asyncio.run(publish())


async def test_c43_each_task_has_its_own_order(node: Node) -> None:
    graph = await node.create_graph("order")
    events = graph.events("record_changed", record_type="note")

    async def write(name: str) -> None:
        for number in range(0, MANY, 4):
            calls = [graph.publish("note", f"{name} {each}") for each in range(number, number + 4)]
            await calls[-1]

    await asyncio.gather(*(write(name) for name in "abc"))
    told = await heard(events, 3 * MANY)
    for name in "abc":
        assert [text for text in told if text and text[0] == name] == [f"{name} {number}" for number in range(MANY)]


async def test_c43_data_is_sent_in_the_order_of_the_calls(node: Node, other: Node) -> None:
    group = await node.create_group("order")
    far = await other.join_group(await group.invite(), name="Ben")
    events = far.events("direct_connection", "incoming_data")
    connection = await group.open_direct(other.peer_id)
    calls = [connection.send("part", number.to_bytes(2, "big")) for number in range(200)]
    receipts = await asyncio.gather(*calls)
    came: list[int] = []
    while len(came) < 200:
        event = await soon(events)
        if isinstance(event, peergraph.IncomingData):
            came.append(int.from_bytes(event.data, "big"))
    assert came == list(range(200))
    assert all([await receipt.delivered() for receipt in receipts])
    # What was sent before a close arrives.
    for number in range(20):
        connection.send("last", number.to_bytes(2, "big"))
    await connection.close()
    came.clear()
    while len(came) < 20:
        event = await soon(events)
        if isinstance(event, peergraph.IncomingData):
            came.append(int.from_bytes(event.data, "big"))
    assert came == list(range(20))


@pytest.mark.parametrize("end", ["close", "shutdown"])
async def test_c43_close_and_shutdown_come_after_what_was_called_before(tmp_path: Path, end: str) -> None:
    config = NodeConfig.loopback(tmp_path)
    async with Node.start(config) as node:
        graph = await node.create_graph("order")
        calls = [graph.publish("note", str(number)) for number in range(MANY)]
        await (graph.close() if end == "close" else node.shutdown())
        assert [(await call).text for call in calls] == [str(number) for number in range(MANY)]
        with pytest.raises(peergraph.ClosedError):
            await graph.publish("note", "late")
    async with Node.start(config) as node:
        graph = await node.open_graph(graph.id)
        assert [note.text for note in await graph.records("note")] == [str(number) for number in range(MANY)]


async def test_c43_what_is_called_after_an_import_comes_after_it(node: Node, tmp_path: Path) -> None:
    graph = await node.create_graph("exported")
    await graph.listen()
    for call in [graph.publish("note", str(number)) for number in range(600)]:
        await call
    file = tmp_path / "backup"
    await graph.export_database(file)
    for end in ["close", "shutdown"]:
        async with Node.start(NodeConfig.loopback(tmp_path / end)) as home:
            copy = await home.open_graph(await graph.ticket(), offline=True)
            importing = copy.import_database(file, exporter=node.peer_id)
            publishing = copy.publish("note", "after")
            listening = copy.listen()
            status = copy.status()
            await (copy.close() if end == "close" else home.shutdown())
            assert (await importing).refused == 0
            assert (await publishing).text == "after"
            assert (await status).listening
            await listening


async def test_c43_calls_of_a_node_come_in_order(tmp_path: Path) -> None:
    async with Node.start(NodeConfig.loopback(tmp_path)) as node:
        group = await node.create_group("again")
        own = await node.identities.default()
        for number in range(20):
            closing = group.close()
            renaming = own.rename(f"name {number}")
            opened = await node.open_group(group.id)
            assert own.name == f"name {number}"
            assert (await opened.status()).listening
            await closing
            await renaming
            group = opened
        closing = group.close()
        await node.delete_graph(group.id)
        await closing
        making = [node.create_graph(str(number)) for number in range(10)]
        ending = node.shutdown()
        late = node.create_graph("late")
        await ending
        assert len({(await made).id for made in making}) == len(making)
        with pytest.raises(peergraph.ClosedError):
            await late


async def test_c43_reads_come_after_writes(node: Node) -> None:
    graph = await node.create_graph("order")
    note = await graph.publish("note", "first")
    for number in range(20):
        graph.update(note, body=str(number))
        now = await graph.get(note.id)
        assert now is not None
        assert now.text == str(number)
        graph.publish("other", str(number))
        assert len(await graph.records("other")) == number + 1
    graph.delete(note)
    assert await graph.get(note.id) is None


def test_c43_threads_without_asyncio_each_have_their_order() -> None:
    with sync.Node.start(NodeConfig.loopback()) as node:
        graph = node.create_graph("order")
        events = graph.events("record_changed", record_type="note")

        def write(name: str) -> None:
            for number in range(50):
                graph.publish("note", f"{name} {number}")

        threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        told = [event.record.text or "" for event in events.drain() if isinstance(event, peergraph.RecordChanged)]
        for name in "abc":
            assert [text for text in told if text[0] == name] == [f"{name} {number}" for number in range(50)]
