"""`peergraph.sync`: the same without asyncio, two nodes over real links."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import peergraph
import pytest
from peergraph import NodeConfig, sync

PATIENCE = timedelta(seconds=30)


@pytest.fixture
def node() -> Iterator[sync.Node]:
    with sync.Node.start(NodeConfig.loopback()) as opened:
        yield opened


@pytest.fixture
def other() -> Iterator[sync.Node]:
    with sync.Node.start(NodeConfig.loopback()) as opened:
        yield opened


def test_a_group_of_two_without_asyncio(node: sync.Node, other: sync.Node) -> None:
    group = node.create_group("Book club")
    events = group.events("record_changed", record_type="chat.message")
    joined = other.join_group(group.invite(), name="Ben")
    sent = joined.publish("chat.message", "hello", attributes={"room": "main"})
    event = events.next(PATIENCE)
    assert isinstance(event, peergraph.RecordChanged)
    assert event.record == sent
    assert event.record.attributes == {"room": "main"}
    assert [member.name for member in group.members()][1:] == ["Ben"]
    assert group.records("chat.message").all() == [sent] == list(group.records("chat.message"))
    assert group.records("chat.message").count() == 1
    assert group.get(sent.id) == sent
    with pytest.raises(peergraph.NotFoundError):
        group.update(peergraph.RecordId(bytes(16)), body="nothing")
    with group.events("direct_connection", "incoming_data") as incoming, joined.open_direct(node.peer_id) as connection:
        receipt = connection.send("file.part", b"data")
        found = incoming.next(PATIENCE)
        while not isinstance(found, peergraph.IncomingData):
            found = incoming.next(PATIENCE)
        assert found.data == b"data"
        assert receipt.delivered()
    group.remove(other.peer_id)
    assert [member.peer for member in group.members()] == [node.peer_id]
    node.shutdown()
    assert list(events) == []
    with pytest.raises(peergraph.ClosedError):
        group.publish("chat.message", "too late")


def test_waiting_has_a_limit_and_loses_nothing(node: sync.Node) -> None:
    graph = node.create_graph("limits")
    with graph.events("record_changed") as events:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            events.next(timedelta(milliseconds=200))
        assert time.monotonic() - begun > 0.15
        assert events.try_next() is None
        sent = [graph.publish("note", str(number)) for number in range(1200)]
        first = events.batch(5, PATIENCE)
        # The cursor stands where the reader does, though more has been taken over.
        cursor = events.cursor
        rest = [events.next(PATIENCE) for _ in sent[5:]]
        told = [event.record for event in [*first, *rest] if isinstance(event, peergraph.RecordChanged)]
        assert told == sent
    with graph.events("record_changed", after=cursor) as later:
        rest = [later.next(PATIENCE) for _ in sent[5:]]
        again = [event.record for event in rest if isinstance(event, peergraph.RecordChanged)]
        assert again == sent[5:]


def test_waiting_lets_other_threads_run_and_closing_ends_it(node: sync.Node) -> None:
    graph = node.create_graph("threads")
    events = graph.events("record_changed")
    heard: list[str | None] = []

    def listen() -> None:
        heard.extend(event.record.text for event in events if isinstance(event, peergraph.RecordChanged))

    thread = threading.Thread(target=listen)
    thread.start()
    for number in range(10):
        graph.publish("note", str(number))
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while len(heard) < 10:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    graph.close()
    thread.join(PATIENCE.total_seconds())
    assert not thread.is_alive()
    assert heard == [str(number) for number in range(10)]


def test_where_a_loop_runs_it_refuses(node: sync.Node) -> None:
    graph = node.create_graph("loops")
    events = graph.events("record_changed")

    async def wrong() -> None:
        with pytest.raises(RuntimeError, match="loop runs in this thread"):
            graph.publish("note", "from within a loop")
        with pytest.raises(RuntimeError, match="loop runs in this thread"):
            events.next(PATIENCE)
        # In a thread of its own it is welcome.
        await asyncio.to_thread(graph.publish, "note", "from a thread")

    asyncio.run(wrong())
    assert [note.text for note in graph.records("note").all()][-1] == "from a thread"


CTRL_C = """
from peergraph import NodeConfig, sync
with sync.Node.start(NodeConfig.loopback()) as node:
    graph = node.create_graph("waiting")
    try:
        print("ready", flush=True)
        for event in graph.events("record_changed"):
            pass
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_ctrl_c_ends_waiting_and_the_node_shuts_down() -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(peergraph.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", CTRL_C], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("interrupted\n", "")
    assert process.returncode == 0


@pytest.mark.parametrize("name", sync.__all__)
def test_it_has_every_word_of_the_other(name: str) -> None:
    ours, theirs = getattr(sync, name), getattr(peergraph, name)
    if ours is theirs:  # a value, not a handle
        return
    other = {"all", "next"}
    words = {word for word in dir(theirs) if not word.startswith("_")}
    assert {word for word in dir(ours) if not word.startswith("_")} - other == words - other
    for word in words:
        call = getattr(ours, word)
        assert not asyncio.iscoroutinefunction(call), word
        assert inspect.getdoc(call), word
        if callable(call) and inspect.isfunction(call) and name != "EventStream":
            assert list(inspect.signature(call).parameters) == list(inspect.signature(getattr(theirs, word)).parameters)
        text = inspect.getdoc(call) or ""
        assert "await " not in text
        assert "async " not in text
