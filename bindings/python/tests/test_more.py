"""What came to the core lately: pauses, encrypted bodies, low power; and cursors across a real restart."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta
from pathlib import Path

import peergraph
import pytest
from conftest import PATIENCE, eventually, soon
from peergraph import BodyState, GroupRules, Node, NodeConfig, RecordChanged


async def test_a_node_lives_as_long_as_something_of_it_is_used() -> None:
    async def made() -> peergraph.Graph:
        node = await Node.start(NodeConfig.loopback())
        return await node.create_graph("kept")

    graph = await made()
    gc.collect()
    await graph.listen()
    events = graph.events("record_changed")
    async with Node.start(NodeConfig.loopback()) as other:
        far = await other.join(await graph.ticket())
        del graph
        gc.collect()
        await far.publish("t", "to its stream")
        assert isinstance(event := await soon(events), RecordChanged)
        assert event.record.text == "to its stream"
        assert len(await far.neighbors()) == 1
        del events
        gc.collect()

        async def alone() -> bool:
            return not await far.neighbors()

        await eventually("over once nothing of it is used", alone)


async def test_a_cursor_stands_where_the_reader_does_across_a_restart(tmp_path: Path) -> None:
    config = NodeConfig.loopback(tmp_path)
    async with Node.start(config) as node:
        graph = await node.create_graph("cursor")
        events = graph.events("record_changed")
        sent = [await graph.publish("note", str(number)) for number in range(300)]
        before = events.cursor
        handled = [await asyncio.wait_for(anext(events), PATIENCE) for _ in range(7)]
        # More was taken over than was handed out; none of that counts as read.
        await graph.save_cursor("reader", events.cursor)
        assert events.cursor != before
    async with Node.start(config) as node:
        graph = await node.open_graph(graph.id)
        saved = await graph.load_cursor("reader")
        later = graph.events("record_changed", after=saved)
        handled += [await asyncio.wait_for(anext(later), PATIENCE) for _ in sent[7:]]
        told = [event.record for event in handled if isinstance(event, RecordChanged)]
        assert told == sent
        assert isinstance(await asyncio.wait_for(anext(later), PATIENCE), peergraph.CaughtUp)
        assert later.try_next() is None


async def test_a_cursor_before_the_first_event_is_that_of_the_beginning(node: Node) -> None:
    graph = await node.create_graph("cursor")
    events = graph.events("record_changed")
    sent = [await graph.publish("note", str(number)) for number in range(3)]
    beginning = events.cursor
    assert await asyncio.wait_for(anext(events), PATIENCE)
    again = graph.events("record_changed", after=beginning)
    told = [await asyncio.wait_for(anext(again), PATIENCE) for _ in sent]
    assert [event.record for event in told if isinstance(event, RecordChanged)] == sent


async def test_a_pause_and_its_end(node: Node, other: Node) -> None:
    group = await node.create_group("phones")
    joined = await other.join_group(await group.invite(), name="Ben")
    await other.pause()
    assert other.is_paused
    assert not (await joined.status()).has_connections
    own = await joined.publish("note", "written while paused")
    with pytest.raises(peergraph.PausedError) as refused:
        await joined.connect(node.addr)
    assert refused.value.code == 71
    assert isinstance(refused.value, ConnectionError)
    meanwhile = await group.publish("note", "written meanwhile")
    await other.resume()
    await other.network_changed()
    assert not other.is_paused

    async def both() -> bool:
        return await group.get(own.id) == own and await joined.get(meanwhile.id) == meanwhile

    await eventually("both have both", both)


async def test_bodies_are_encrypted_and_present_members_listed(node: Node, other: Node) -> None:
    group = await node.create_group("secret", rules=GroupRules(encrypted_bodies=True))
    joined = await other.join_group(await group.invite(), name="Ben")
    assert (await joined.rules()).encrypted_bodies
    note = await group.publish("note", "for members")

    async def readable() -> bool:
        found = await joined.get(note.id)
        return found is not None and found.body_state is BodyState.CLEAR and found.text == "for members"

    await eventually("Ben reads it", readable)

    async def present() -> bool:
        return {member.peer for member in await group.present_members()} == {node.peer_id, other.peer_id}

    await eventually("both are here", present)
    assert await group.credentials_of(node.peer_id) == []
    assert len(await group.credentials_of(other.peer_id)) == 1
    await group.renew_body_key()
    with pytest.raises(peergraph.NotAuthorizedError):
        await joined.renew_body_key()
    with pytest.raises(peergraph.NotAMemberError):
        await group.remove(peergraph.PeerId(bytes(31) + b"\x01"))


def test_low_power_is_what_the_core_says() -> None:
    config = NodeConfig.loopback().low_power()
    assert config.ping_interval == timedelta(seconds=15)
    assert (config.target_neighbors, config.max_neighbors, config.min_neighbors) == (2, 4, 1)
    assert config.bind == ("127.0.0.1:0",)
