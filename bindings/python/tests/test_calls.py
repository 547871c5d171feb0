"""What a call is: begun where it is made, in that order; awaited, cancelled or forgotten as one likes."""

from __future__ import annotations

import asyncio
import gc
import inspect
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import peergraph
import pytest
from conftest import PATIENCE, eventually
from peergraph import Call, Node, NodeConfig, sync


async def texts(graph: peergraph.Graph) -> list[str | None]:
    return [note.text for note in await graph.records("note")]


async def test_n4_what_is_given_is_taken_when_the_call_is_made(node: Node) -> None:
    graph = await node.create_graph("taken")
    body, attributes, items = bytearray(b"first"), {"room": "main"}, ["a"]
    call = graph.publish("note", body, attributes={**attributes, "items": items})
    body[:] = b"other"
    items.append("b")
    note = await call
    assert (note.body, note.attributes) == (b"first", {"room": "main", "items": ["a"]})
    view = memoryview(body)
    update = graph.update(note, body=view, attributes=attributes)
    body[:] = b"third"
    attributes["room"] = "side"
    changed = await update
    assert (changed.body, changed.attributes) == (b"other", {"room": "main"})


async def test_n4_data_is_taken_when_the_call_is_made(node: Node, other: Node) -> None:
    group = await node.create_group("taken")
    far = await other.join_group(await group.invite(), name="Ben")
    events = far.events("direct_connection", "incoming_data")
    async with await group.open_direct(other.peer_id) as connection:
        data, receipts = bytearray(1), []
        for number in range(20):
            data[0] = number
            receipts.append(connection.send("part", data))
            data[0] = 255
        for receipt in receipts:
            assert await (await receipt).delivered()
    came = [event.data for event in events.drain() if isinstance(event, peergraph.IncomingData)]
    assert sorted(came) == [bytes([number]) for number in range(20)]


def test_n4_a_buffer_may_change_while_a_thread_waits() -> None:
    with sync.Node.start(NodeConfig.loopback()) as node:
        graph = node.create_graph("taken")
        body, stop = bytearray(b"0" * 100_000), threading.Event()

        def change() -> None:
            while not stop.is_set():
                body[:] = b"1" * 100_000
                body[:] = b"0" * 100_000

        thread = threading.Thread(target=change)
        thread.start()
        try:
            stored = [graph.publish("note", body).body for _ in range(30)]
        finally:
            stop.set()
            thread.join()
        assert {frozenset(each) for each in stored} <= {frozenset(b"0"), frozenset(b"1")}


async def test_a_call_is_a_coroutine_to_asyncio(node: Node) -> None:
    graph = await node.create_graph("calls")
    call = graph.publish("note", "0")
    assert isinstance(call, Call)
    assert isinstance(call, Coroutine)
    assert asyncio.iscoroutine(call)
    assert inspect.isawaitable(call)
    assert "publish" in repr(call)
    task = asyncio.create_task(call)
    assert "publish" in repr(task)
    assert task.get_stack() is not None
    assert (await task).text == "0"
    assert (await asyncio.wait_for(graph.publish("note", "1"), PATIENCE)).text == "1"
    assert [note.text for note in await asyncio.gather(*(graph.publish("note", str(n)) for n in (2, 3)))] == ["2", "3"]
    assert (await asyncio.shield(graph.publish("note", "4"))).text == "4"
    done, _ = await asyncio.wait([asyncio.ensure_future(graph.publish("note", "5"))], timeout=PATIENCE)
    assert [each.result().text for each in done] == ["5"]
    again = graph.publish("note", "6")
    assert (await again).text == "6"
    with pytest.raises(RuntimeError, match="already"):
        await again
    assert await texts(graph) == [str(number) for number in range(7)]


async def test_errors_come_where_a_call_is_awaited(node: Node) -> None:
    graph = await node.create_graph("errors")
    calls: list[Any] = [graph.publish("bad type", b""), graph.publish("note", 5), graph.publish("note", "kept")]  # type: ignore[arg-type]
    wrong, worse, kept = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(wrong, peergraph.InvalidArgumentError)
    assert isinstance(worse, TypeError)
    assert isinstance(kept, peergraph.Record)
    # The caller's line is in the traceback.
    with pytest.raises(TypeError) as caught:
        await graph.publish("note", 5)  # type: ignore[arg-type]
    assert Path(__file__).name in str(caught.traceback[0].path)


async def test_c43_a_call_that_nobody_awaits_is_carried_out(node: Node) -> None:
    graph = await node.create_graph("forgotten")
    events = graph.events("record_changed")
    graph.publish("note", "forgotten")
    gc.collect()
    event = await asyncio.wait_for(anext(events), PATIENCE)
    assert isinstance(event, peergraph.RecordChanged)
    assert event.record.text == "forgotten"


async def test_a_failure_that_nobody_awaits_is_told(node: Node) -> None:
    graph = await node.create_graph("failures")
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    graph.publish("note", 5)  # type: ignore[arg-type]
    graph.update(peergraph.RecordId(bytes(16)), body="none")

    async def both() -> bool:
        gc.collect()
        return len(told) == 2

    await eventually("both are told", both)
    kinds = {type(context["exception"]) for context in told}
    assert kinds == {TypeError, peergraph.NotFoundError}


async def test_k27_cancelling_is_not_waiting_any_more(node: Node) -> None:
    graph = await node.create_graph("cancelled")
    tasks = [asyncio.create_task(graph.publish("note", str(number))) for number in range(300)]
    for at, task in enumerate(tasks):
        if at % 3 == 0:
            await asyncio.sleep(0)
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, (peergraph.Record, asyncio.CancelledError)) for each in ended)
    # Each happened wholly or not at all; what was answered is there, and calls after it work.
    after = await graph.publish("note", "after")
    there = await graph.records("note")
    assert after in there
    assert len({note.text for note in there}) == len(there) <= 301
    assert all(note in there for note in ended if isinstance(note, peergraph.Record))
    assert "cancel" in (Call.__doc__ or "").lower()


async def test_a_call_may_be_cancelled_before_its_task_ran(node: Node) -> None:
    graph = await node.create_graph("cancelled")
    task = asyncio.create_task(graph.connect(peergraph.NodeAddr(peergraph.NodeId(node.id), ("127.0.0.1:1",))))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    call = graph.publish("note", "closed")
    call.close()
    with pytest.raises(RuntimeError):
        await call


def test_where_no_loop_runs_nothing_is_begun(tmp_path: Path) -> None:
    async def opened() -> tuple[Node, peergraph.Graph]:
        node = await Node.start(NodeConfig.loopback(tmp_path))
        return node, await node.create_graph("loops")

    node, graph = asyncio.run(opened())
    call = graph.publish("note", "later")
    with pytest.raises(RuntimeError, match=r"peergraph\.sync"):
        call.send(None)
    with pytest.raises(RuntimeError, match=r"peergraph\.sync"):
        Node.open(tmp_path / "other").__await__().send(None)
    assert not (tmp_path / "other").exists()
    # Made here, begun there.
    note = asyncio.run(graph.publish("note", "then"))
    assert note.text == "then"
    assert asyncio.run(texts(graph)) == ["then"]
    asyncio.run(node.shutdown())
    with sync.Node.start(NodeConfig.loopback(tmp_path)) as again:
        assert len(again.stored_graphs) == 1


async def test_where_a_loop_runs_the_blocking_api_begins_nothing(node: Node, tmp_path: Path) -> None:
    def opened() -> tuple[sync.Node, sync.Graph]:
        made = sync.Node.start(NodeConfig.loopback(tmp_path / "data"))
        return made, made.create_graph("blocking")

    blocking, graph = await asyncio.to_thread(opened)
    with pytest.raises(RuntimeError, match="loop runs in this thread"):
        graph.publish("note", "never")
    with pytest.raises(RuntimeError, match="loop runs in this thread"):
        sync.Node.open(tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert await asyncio.to_thread(lambda: graph.records("note").all()) == []
    await asyncio.to_thread(blocking.shutdown)


TRIO = """
import sys, types
class Yield:
    def __await__(self):
        yield
async def main():
    import peergraph
    try:
        await peergraph.Node.open(sys.argv[1])
    except RuntimeError as error:
        print(error)
# What another library's loop does: it steps a coroutine.
try:
    main().send(None)
except StopIteration:
    pass
"""


def test_p11_another_loop_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", TRIO, str(tmp_path / "data")], capture_output=True, text=True, timeout=120, check=True
    )
    assert "asyncio" in run.stdout
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["Node", "Graph", "Group", "Identity", "Identities", "DirectConnection", "SendReceipt"])
def test_every_call_says_what_it_was(name: str) -> None:
    for method, call in vars(getattr(peergraph, name)).items():
        if hasattr(call, "is_call"):
            assert call.__name__ == method
            assert inspect.getdoc(call)
            assert next(iter(inspect.signature(call).parameters)) == "self"
            assert asyncio.iscoroutinefunction(inspect.unwrap(call))
