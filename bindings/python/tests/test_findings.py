"""Findings of other languages that have a like here: handles that nobody has, cancelled waits, words of messages."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import peergraph
import pytest
from conftest import eventually, is_foreign
from peergraph import Node, NodeConfig, sync


async def test_k7_a_group_that_nobody_has_is_closed_and_opens_again(tmp_path: Path) -> None:
    async with Node.open(tmp_path) as node:
        await _k7(node)


async def _k7(node: Node) -> None:
    async def open_now(count: int) -> bool:
        gc.collect()
        return len(node.open_graphs) == count

    group = await node.create_group("dropped")
    name = group.id
    other = await node.open_group(name)
    events = group.events("record_changed")
    # Another handle keeps it open, and then a stream of it.
    del group
    gc.collect()
    await other.publish("note", "one")
    del other
    gc.collect()
    await node.network_changed()
    assert node.open_graphs == [name]
    event = await anext(events)
    assert isinstance(event, peergraph.RecordChanged)
    assert event.record.text == "one"
    del events, event
    await eventually("it is closed", lambda: open_now(0))
    for _ in range(3):
        again = await node.open_group(name)
        assert [record.text for record in await again.records("note")] == ["one"]
        del again
    await eventually("it is closed again", lambda: open_now(0))
    # Opening that is given up.
    opening = None
    for _ in range(3):
        opening = asyncio.ensure_future(node.open_group(name))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    del opening
    await eventually("none stays open", lambda: open_now(0))


def test_k7_a_graph_that_nobody_has_is_closed_without_asyncio() -> None:
    with sync.Node.start(NodeConfig.loopback()) as node:
        graph = node.create_graph("dropped")
        kept = node.create_graph("kept")
        del graph
        gc.collect()

        async def closed() -> bool:
            return node.open_graphs == [kept.id]

        asyncio.run(eventually("it is closed", closed))


@pytest.mark.parametrize("how", ["cancel", "timeout"])
async def test_n12_cancelling_ends_the_wait_for_the_source_of_a_key(tmp_path: Path, how: str) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def never() -> bytes:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return b""

    opening: asyncio.Task[Node] = asyncio.ensure_future(
        _started(NodeConfig(tmp_path, key_source=never, bind=("127.0.0.1:0",), mdns=False))
    )
    await asked.wait()
    if how == "cancel":
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    else:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(opening, 0.01)
    assert ended.is_set()
    # Nothing began: the folder is free.
    async with Node.start(NodeConfig(tmp_path, key=b"k" * 32, bind=("127.0.0.1:0",), mdns=False)) as node:
        assert node.stored_graphs == []


async def _started(config: NodeConfig) -> Node:
    return await Node.start(config)


async def test_c48_messages_name_nothing_of_other_languages(node: Node, tmp_path: Path) -> None:
    graph, group = await node.create_graph("words"), await node.create_group("words")
    note = await graph.publish("note", "")
    keys = NodeConfig(tmp_path, key=b"k" * 32, bind=("127.0.0.1:0",), mdns=False)
    await (await Node.start(keys)).shutdown()
    wrong: list[Any] = [
        lambda: Node.start(NodeConfig(tmp_path, bind=("127.0.0.1:0",), mdns=False)),
        lambda: Node.start(NodeConfig(tmp_path, passphrase="other", bind=("127.0.0.1:0",), mdns=False)),
        lambda: Node.start(NodeConfig(tmp_path, passphrase="x", key=b"k" * 32)),
        lambda: Node.start(NodeConfig(in_memory=True, bind=("nowhere",), mdns=False)),
        lambda: Node.start(NodeConfig(in_memory=True, key=b"short")),
        lambda: graph.publish("bad type", ""),
        lambda: graph.publish("peergraph.x", ""),
        lambda: graph.publish("note", "", attributes={"a b": 1}),
        lambda: graph.publish("note", "", attributes={"a": float("nan")}),
        lambda: graph.publish("note", bytes((1 << 20) + 1)),
        lambda: graph.update(note, body="", expected_version=9),
        lambda: graph.get("12"),
        lambda: graph.update(peergraph.RecordId("0" * 32), body=""),
        lambda: graph.enter(peergraph.Ticket("hello")),
        lambda: graph.load_cursor("x" * 65),
        lambda: graph.save_cursor("x", b"short"),
        lambda: graph.disconnect(7),
        lambda: graph.nodes(peergraph.PeerId("12")),
        lambda: graph.connect(node.addr),
        lambda: graph.import_database(tmp_path / "none"),
        lambda: node.join("hello"),
        lambda: node.join_group("hello", name="Ben"),
        lambda: node.open_graph("0" * 64),
        lambda: node.delete_graph(graph.id),
        lambda: node.create_graph("seed", seed=b"short"),
        lambda: node.create_group("rules", rules=peergraph.GroupRules(max_chain=99)),
        lambda: group.invite(uses=0),
        lambda: group.set_password("x"),
        lambda: group.set_role(node.peer_id, "member"),
        lambda: group.remove(node.peer_id),
        lambda: node.identities.create("x" * 999),
        lambda: node.identities.import_identity("hello", "password"),
        lambda: node.import_membership("hello", "password"),
    ]
    told: dict[int, str] = {}
    for number, call in enumerate(wrong):
        try:
            await call()
        except (peergraph.Error, TypeError) as error:
            told[number] = str(error)
    assert [message for message in told.values() if is_foreign(message)] == []
    assert is_foreign("give it with NodeConfig::keys")
    assert is_foreign("maxRecord")
    assert not is_foreign("the 'aB' of /tmp/aB")
    assert len(told) == len(wrong), [number for number in range(len(wrong)) if number not in told]
    await graph.close()
    with pytest.raises(peergraph.ClosedError) as closed:
        await graph.listen()
    assert not is_foreign(str(closed.value))
