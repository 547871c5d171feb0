"""Coming back after a restart, and joining with progress; without asyncio too."""

from __future__ import annotations

import asyncio
import gc
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import peergraph
import pytest
from conftest import PATIENCE, eventually, soon
from peergraph import EventKind, Node, NodeConfig, SyncProgress, sync

RECORDS = 600


async def ticked(graph: peergraph.Graph, count: int) -> None:
    await asyncio.gather(*(graph.publish("note", f"{number} {'x' * 100}") for number in range(count)))


def check(told: list[SyncProgress], least: int) -> None:
    """Figures that only grow, up to all of what was expected."""
    assert told
    assert [now.records for now in told] == sorted(now.records for now in told)
    assert [now.bytes for now in told] == sorted(now.bytes for now in told)
    last = told[-1]
    assert last.records == last.records_expected >= least
    assert last.bytes == last.bytes_expected >= least * 100


async def parted(tmp_path: Path) -> tuple[peergraph.GraphId, NodeConfig, NodeConfig]:
    """A group of two whose nodes have ended, and how each starts again at its address."""
    ann, ben = NodeConfig.loopback(tmp_path / "ann"), NodeConfig.loopback(tmp_path / "ben")
    async with Node.start(ann) as node, Node.start(ben) as other:
        group = await node.create_group("back")
        await other.join_group(await group.invite(), name="Ben")
        return group.id, replace(ann, bind=tuple(node.bound)), replace(ben, bind=tuple(other.bound))


async def test_c34_open_group_is_online_at_once_and_waits_for_nobody(tmp_path: Path) -> None:
    group, ann, ben = await parted(tmp_path)
    gc.collect()
    async with Node.start(ben) as other:
        # Nobody is there.
        bens = await asyncio.wait_for(other.open_group(other.stored_groups[0]), PATIENCE)
        assert (await bens.status()).listening
        written = await bens.publish("note", "written alone")
        async with Node.start(ann) as node:
            anns = await node.open_group(group)

            async def there() -> bool:
                return await anns.get(written.id) == written and bool(await bens.neighbors())

            await eventually("they are together again, without a word", there)


async def test_c34_offline_is_asked_for(tmp_path: Path) -> None:
    config = NodeConfig.loopback(tmp_path)
    async with Node.start(config) as node:
        group, graph = await node.create_group("group"), await node.create_graph("graph")
        assert not (await graph.status()).listening
    async with Node.start(config) as node:
        alone = await node.open_group(group.id, offline=True), await node.open_graph(graph.id, offline=True)
        assert [(await each.status()).listening for each in alone] == [False, False]
        for each in alone:
            await each.close()
        online = await node.open_group(str(group.id), precedence=["note"]), await node.open_graph(str(graph.id))
        assert [(await each.status()).listening for each in online] == [True, True]
    for name in ("open_group", "open_graph"):
        assert "offline" in (getattr(Node, name).__doc__ or "")


async def test_c7_a_join_tells_how_far_it_is(node: Node, other: Node) -> None:
    group = await node.create_group("large")
    await ticked(group, RECORDS)
    told: list[SyncProgress] = []
    threads: set[int] = set()

    def progress(now: SyncProgress) -> None:
        told.append(now)
        threads.add(threading.get_ident())

    joined = await other.join_group(await group.invite(), name="Ben", on_progress=progress)
    check(told, RECORDS)
    assert threads == {threading.get_ident()}, "on the loop's own thread"
    assert len(await joined.records("note")) == RECORDS
    assert await joined.sync_progress() is None


async def test_c7_a_plain_join_tells_it_too(node: Node, other: Node) -> None:
    graph = await node.create_graph("large")
    await graph.listen()
    await ticked(graph, RECORDS)
    told: list[SyncProgress] = []
    far = await other.join(await graph.ticket(), on_progress=told.append)
    check(told, RECORDS)

    async def equal() -> bool:
        return await far.fingerprint() == await graph.fingerprint()

    await eventually("the databases are equal", equal)


async def test_c7_progress_is_an_event(node: Node, other: Node) -> None:
    graph = await node.create_graph("large")
    await graph.listen()
    await ticked(graph, RECORDS)
    far = await other.open_graph(await graph.ticket())
    events = far.events(EventKind.SYNC_PROGRESS, "synchronized")
    await far.enter(await graph.ticket())
    told: list[SyncProgress] = []
    while isinstance(event := await soon(events), SyncProgress):
        told.append(event)
    assert isinstance(event, peergraph.Synchronized), "told in the end"
    check(told, RECORDS)


async def test_c7_what_a_cancelled_join_received_stays_and_the_next_goes_on(node: Node, tmp_path: Path) -> None:
    group = await node.create_group("cancelled")
    await ticked(group, RECORDS)
    link = await group.invite()
    async with Node.start(NodeConfig.loopback(tmp_path)) as other:
        late: list[SyncProgress] = []
        begun = asyncio.Event()

        def progress(now: SyncProgress) -> None:
            late.append(now)
            begun.set()

        joining = asyncio.create_task(other.join_group(link, name="Ben", on_progress=progress))
        await asyncio.wait_for(begun.wait(), PATIENCE)
        joining.cancel()
        ended = (await asyncio.gather(joining, return_exceptions=True))[0]
        count = len(late)
        # A link for one is not used up twice for one identity.
        joined = await other.join_group(link, name="Ben")
        assert len(await joined.records("note")) == RECORDS
        assert isinstance(ended, (asyncio.CancelledError, peergraph.Group))
        assert len(late) == count, "nothing is told of what was cancelled"


async def test_c7_a_progress_function_is_plain_and_may_fail(node: Node, other: Node) -> None:
    group, graph = await node.create_group("fails"), await node.create_graph("fails")
    await ticked(group, 50)
    await graph.listen()
    link = await group.invite()

    async def waits(now: SyncProgress) -> None: ...

    wrong: list[Any] = [5, "print", waits]
    for each in wrong:
        with pytest.raises(TypeError, match=r"^on_progress is a plain function, not "):
            await other.join_group(link, on_progress=each)
        with pytest.raises(TypeError, match=r"^on_progress is a plain function, not "):
            await other.join(await graph.ticket(), on_progress=each)
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def fails(now: SyncProgress) -> None:
        raise ZeroDivisionError

    joined = await other.join_group(link, name="Ben", on_progress=fails)
    assert len(await joined.records("note")) == 50
    assert told
    assert all(isinstance(context["exception"], ZeroDivisionError) for context in told)


async def test_c44_a_pasted_invitation_is_read(node: Node, other: Node) -> None:
    group, graph = await node.create_group("pasted"), await node.create_graph("pasted")
    await graph.listen()
    link, ticket = await group.invite(), await graph.ticket()
    for kind, whole in ((peergraph.Invitation, link), (peergraph.Ticket, ticket)):
        text = str(whole)
        for pasted in (f"\ufeff{text}\r\n", f"<{text[:40]}\n  {text[40:]}>", f'"{text}".', f"{text[:30]}\u200b{text[30:]}"):
            assert kind(pasted) == whole
        with pytest.raises(ValueError, match=r"."):
            kind(text[:-1])
    joined = await other.join_group(f" “{link}”. ", name="Ben")
    assert joined.id == group.id


def test_c34_c7_the_same_without_asyncio(tmp_path: Path) -> None:
    with sync.Node.start(NodeConfig.loopback()) as node:
        group = node.create_group("blocking")
        for number in range(100):
            group.publish("note", f"{number} {'x' * 100}")
        told: list[SyncProgress] = []
        with sync.Node.start(NodeConfig.loopback(tmp_path)) as other:
            joined = other.join_group(group.invite(), name="Ben", on_progress=told.append)
            check(told, 100)
            assert joined.sync_progress() is None
        with sync.Node.start(NodeConfig.loopback(tmp_path)) as other:
            assert other.open_group(other.stored_groups[0]).status().listening
        with sync.Node.start(NodeConfig.loopback(tmp_path)) as other:
            assert not other.open_group(other.stored_groups[0], offline=True).status().listening
