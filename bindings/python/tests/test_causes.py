"""What the operating system said reaches the application: number, file, address and cause."""

from __future__ import annotations

import errno
import pickle
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import peergraph
import pytest
from peergraph import Node, NodeConfig, Status, sync


async def test_c28_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    wanted = tmp_path / "file" / "data"
    starts: list[Callable[[], Any]] = [
        lambda: Node.start(NodeConfig.loopback(wanted)),
        lambda: Node.open(wanted),
        lambda: Node.open(str(wanted)),
    ]
    for start in starts:
        with pytest.raises(peergraph.StorageError) as caught:
            await start()
        error = caught.value
        assert error.errno == errno.ENOTDIR
        assert error.path is not None
        assert Path(error.path).is_relative_to(tmp_path)
        assert (error.filename, error.address) == (error.path, None)
        assert isinstance(error.__cause__, NotADirectoryError)
        assert (error.__cause__.errno, error.__cause__.filename) == (errno.ENOTDIR, error.path)
        # The message is for people; what an `OSError` says by itself is not all of it.
        assert str(tmp_path) in str(error)
        assert str(error) == error.args[0]
        assert isinstance(error, OSError)
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.errno, again.path) == (type(error), str(error), error.errno, error.path)


async def test_c28_an_address_that_is_taken() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(peergraph.NetworkError) as caught:
            await Node.start(replace(NodeConfig.loopback(), bind=(address,)))
    error = caught.value
    assert (error.errno, error.address, error.path) == (errno.EADDRINUSE, address, None)
    assert isinstance(error.__cause__, OSError)
    assert error.__cause__.errno == errno.EADDRINUSE
    assert address in str(error)


def test_c28_the_same_without_asyncio(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(peergraph.StorageError) as caught:
        sync.Node.start(NodeConfig.loopback(tmp_path / "file" / "data"))
    assert caught.value.errno == errno.ENOTDIR
    assert isinstance(caught.value.__cause__, NotADirectoryError)


async def test_c28_an_export_over_a_file(node: Node, tmp_path: Path) -> None:
    graph = await node.create_graph("export")
    (tmp_path / "there").write_text("kept")
    with pytest.raises(peergraph.AlreadyExistsError) as caught:
        await graph.export_database(tmp_path / "there")
    assert caught.value.path == str(tmp_path / "there")
    assert isinstance(caught.value, FileExistsError)
    assert (tmp_path / "there").read_text() == "kept"
    with pytest.raises(peergraph.StorageError) as missing:
        await graph.export_database(tmp_path / "none" / "file")
    assert missing.value.errno == errno.ENOENT
    assert isinstance(missing.value.__cause__, FileNotFoundError)


async def test_c28_where_no_system_call_failed_there_is_no_number(node: Node) -> None:
    graph = await node.create_graph("none")
    await graph.close()
    with pytest.raises(peergraph.ClosedError) as caught:
        await graph.publish("note", "late")
    error = caught.value
    assert (error.errno, error.path, error.address, error.__cause__) == (None, None, None, None)
    assert str(peergraph.StorageError("words")) == "words"


async def test_c11_a_status_says_how_far_the_clock_is_off(node: Node) -> None:
    from peergraph._html import status_words

    graph = await node.create_graph("clock")
    assert (await graph.status()).clock_skew_ms is None
    assert not (await graph.publish("note", "now")).held
    assert all(not note.held for note in await graph.records("note"))
    assert status_words(Status(True, True, True)) == "listening, connected, synchronised"
    ahead = status_words(Status(True, False, False, 25 * 60_000))
    assert ahead == "listening, this machine's clock is 0:25:00 ahead"
    assert status_words(Status(False, False, False, -3_600_000)) == "offline, this machine's clock is 1:00:00 behind"


async def test_c24_a_relative_directory_is_of_where_the_call_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    given: list[str | Path] = [Path("data"), "other"]
    for at, data_dir in enumerate(given):
        monkeypatch.chdir(first)
        opening = Node.start(NodeConfig.loopback(data_dir))
        monkeypatch.chdir(second)
        async with opening as node:
            graph = await node.create_graph("here")
            assert node.stored_graphs == [graph.id]
            await graph.close()
            assert (await node.open_graph(graph.id)).id == graph.id
        assert (first / ("data", "other")[at]).is_dir()
    assert list(second.iterdir()) == []


async def test_c27_one_leaves_and_does_not_remove_oneself(node: Node) -> None:
    group = await node.create_group("self")
    with pytest.raises(peergraph.InvalidArgumentError, match="leave"):
        await group.remove(node.peer_id)


async def test_c20_a_node_starts_again_at_its_port_while_handles_live() -> None:
    node = await Node.start(NodeConfig.loopback())
    graph = await node.create_graph("held")
    events, bound = graph.events("record_changed"), tuple(node.bound)
    await node.shutdown()
    for _ in range(3):
        async with Node.start(replace(NodeConfig.loopback(), bind=bound)) as again:
            assert tuple(again.bound) == bound
    assert list(events.drain()) == []
