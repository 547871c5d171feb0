"""The notebooks are run as they are, and say what they should; the view of a graph keeps to its bounds."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import peergraph
import pytest
from conftest import PATIENCE, eventually
from peergraph.jupyter import Live, live, told

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "notebooks"


def run(name: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The code cells of a notebook, run in a kernel of this Python."""
    path = str(Path(peergraph.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH", "")])))
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells), "kept without outputs"
    client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources={})
    client.execute()
    return cells


def shown(cells: list[Any], kind: str) -> str:
    """All that the cells show of one kind, together."""
    texts = []
    for cell in cells:
        for output in cell.outputs:
            if kind == "stream" and output.output_type == "stream":
                texts.append(output.text)
            elif kind in output.get("data", {}):
                found = output["data"][kind]
                texts.append(found if isinstance(found, str) else str(found))
    return "\n".join(texts)


def test_the_first_group(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = run("first_group", monkeypatch)
    said, html = shown(cells, "stream"), shown(cells, "text/html")
    assert "peergraph-invitation:" in said
    assert "InvitationUsedUp - " in said
    assert "NotAuthorized - " in said
    assert "Chapter three by Friday" in said
    assert "I bring cake" in said
    assert "<svg" in shown(cells, "image/svg+xml")
    assert "2 records" in html
    assert "attribute.chapter" in html
    assert "<progress" in html, "the bar of the join"
    assert "'And tea'" in shown(cells, "text/plain"), "what was missed during the restart"
    assert "closed" in html


def test_live_exploration(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = run("live_exploration", monkeypatch)
    assert "application/vnd.jupyter.widget-view+json" in str([cell.outputs for cell in cells])
    assert len(shown(cells, "image/png")) > 20_000, "two pictures"
    assert "<td>24" in shown(cells, "text/html")
    plain = shown(cells, "text/plain")
    for name in ("Ann", "Ben", "Cas", "Dan", "Eve"):
        assert name in plain
    assert "<progress" in shown(cells, "text/html")
    assert "72" in plain.splitlines(), "Eve has all of it"
    assert "Removed - " in shown(cells, "stream")
    assert cells[-1].outputs[-1]["data"]["text/plain"] == "'closed'"


async def test_a_view_is_bounded_and_ends_with_its_graph(node: peergraph.Node, other: peergraph.Node) -> None:
    group = await node.create_group("view")
    joined = await other.join_group(await group.invite(), name="<b>Ben</b>")
    view = live(group, limit=10)

    async def seen() -> bool:
        return {member["name"] for member in view.state.get("members", [])} >= {"<b>Ben</b>"}

    await eventually("Ben is seen", seen)
    for number in range(200):
        await joined.publish("note", f"{number} {'x' * 500}")

    async def last() -> bool:
        return any(event["text"].split(": ")[-1].startswith("199 ") for event in view.state["events"])

    await eventually("the last is shown", last)
    assert len(view.state["events"]) <= 10
    assert all(len(event["text"]) <= 120 for event in view.state["events"])
    assert [each["own"] for each in view.state["nodes"]] == [True, False]
    assert [each["to"] for each in view.state["links"]] == [str(other.id)]
    await group.close()
    await asyncio.wait_for(view._task, PATIENCE)
    assert view.state["status"] == "closed"
    with pytest.raises(peergraph.ClosedError):
        live(group)


def test_c7_progress_shows_itself_as_a_bar() -> None:
    some = peergraph.SyncProgress(1200, 3_400_000, 5000, 14_000_000)
    assert '<progress value="1200" max="5000"' in some._repr_html_()
    assert "1,200 of 5,000 records, 3.4 MB of 14.0 MB" in some._repr_html_()
    assert told(some) == ("catching up", "1,200 of 5,000 records, 3.4 MB of 14.0 MB")
    unknown = peergraph.SyncProgress(3, 100, 0, 0)._repr_html_()
    assert "<progress " in unknown
    assert "value=" not in unknown


async def test_c7_a_view_has_a_bar_while_records_come(node: peergraph.Node) -> None:
    view = live(await node.create_graph("view"))
    view._stream.close()
    await asyncio.wait_for(view._task, PATIENCE)
    assert view.state["progress"] is None
    await view._show([peergraph.SyncProgress(3, 100, 0, 0), peergraph.SyncProgress(1200, 3_400_000, 5000, 14_000_000)])
    assert view.state["progress"] == {"done": 1200, "all": 5000, "text": "1,200 of 5,000 records, 3.4 MB of 14.0 MB"}
    await view._show([peergraph.SyncProgress(5000, 14_000_000, 5000, 14_000_000)])
    assert view.state["progress"] is None


async def test_a_view_that_was_closed_is_collected(node: peergraph.Node) -> None:
    group = await node.create_group("view")

    async def look() -> weakref.ref[Live]:
        view = live(group)
        view.close()
        return weakref.ref(view)

    kept = [await look() for _ in range(20)]

    async def gone() -> bool:
        gc.collect()
        return all(view() is None for view in kept)

    await eventually("they are collected", gone)


async def test_events_have_words(node: peergraph.Node, other: peergraph.Node) -> None:
    graph = await node.create_group("words", rules=peergraph.GroupRules(creator_name="Ann"))
    names = {node.peer_id: "Ann"}
    async with graph.events(*peergraph.EventKind) as events:
        await graph.publish("note", "hello", attributes={"urgent": True})
        await graph.set_properties(comment="new")
        joined = await other.join_group(await graph.invite(), name="Ben")
        seen: list[tuple[str, str]] = []

        async def heard(kind: str) -> bool:
            seen.extend(told(event, names) for event in events.drain())
            return kind in dict(seen)

        await eventually("he is seen", lambda: heard("node connected"))
        await graph.remove(other.peer_id)
        await eventually("all is told", lambda: heard("member removed"))
    await joined.close()
    words = dict(seen)
    assert words["record added"] == "note by Ann: urgent=True hello"
    assert words["properties"] == "comment"
    assert words["member joined"] == words["member removed"] == "Ben"
    assert words["node connected"].startswith(other.id.short)
    assert words["neighbor connected"] == other.peer_id.short
    assert all(kind and not kind[0].isupper() for kind, _ in seen), seen


async def test_a_second_view_of_a_graph_takes_the_place_of_the_first(node: peergraph.Node) -> None:
    graph = await node.create_graph("views")
    first = live(graph)
    second = live(graph)
    await asyncio.wait({first._task}, timeout=PATIENCE)
    third = live(graph)
    await asyncio.wait({second._task}, timeout=PATIENCE)
    assert first._task.done()
    assert second._task.done()
    assert not third._task.done()
    third.close()
