"""How fast the package is: events, publishing, bytes, memory; beside plain asyncio, in one run.

    python bench/bench.py [--runs N] [--libp2p PYTHON]

Everything is real: records of a real graph in memory, signed and checked, as events of a real subscription. Each figure is
the median of the runs. PYTHON is an interpreter that has py-libp2p, for its gossipsub beside our records. Build the native
half for release first, as `make bench` does.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import peergraph
from peergraph import Node, NodeConfig, sync

# As many events as a subscription holds in memory by default, so many times.
ROUND = 1_000
ROUNDS = 20
EVENTS = ROUND * ROUNDS
PUBLISHED = 5_000
BODIES = 200
BODY = 1024 * 1024 - 1024

Figures = dict[str, float]


def resident() -> float:
    """Bytes that this process holds."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1]) * 1024
    return float("nan")


async def rounds(graph: peergraph.Graph, take: Callable[[peergraph.EventStream], Awaitable[None]]) -> float:
    """Events/s of a reader, over rounds of as many as a subscription holds in memory; publishing is not timed."""
    taken = 0.0
    async with graph.events("record_changed") as stream:
        for _ in range(ROUNDS):
            await asyncio.gather(*(graph.publish("bench.note", b"x" * 20) for _ in range(ROUND)))
            begun = time.perf_counter()
            await take(stream)
            taken += time.perf_counter() - begun
    return ROUNDS * ROUND / taken


async def events(node: Node) -> Figures:
    """Events of small records: from memory as they wait, and from the database."""
    graph = await node.create_graph("bench")

    async def one_by_one(stream: peergraph.EventStream) -> None:
        count = 0
        async for _event in stream:
            count += 1
            if count == ROUND:
                break

    async def looked_at(stream: peergraph.EventStream) -> None:
        count = 0
        async for event in stream:
            if isinstance(event, peergraph.RecordChanged) and event.record.body and event.record.author:
                count += 1
            if count == ROUND:
                break

    async def in_batches(stream: peergraph.EventStream) -> None:
        count = 0
        while count < ROUND:
            count += len(await stream.batch())

    async def a_call_each(stream: peergraph.EventStream) -> None:
        # What a binding without batches does: a future of the loop for each, finished by a thread of the library.
        for _ in range(ROUND):
            await graph.status()
            stream.try_next()

    figures = {
        "events/s, async for": await rounds(graph, one_by_one),
        "events/s, async for, body and author looked at": await rounds(graph, looked_at),
        "events/s, in batches": await rounds(graph, in_batches),
        "events/s, one awaited native call for each": await rounds(graph, a_call_each),
    }
    begun, count = time.perf_counter(), 0
    async for event in graph.events("record_changed", snapshot=True):
        if isinstance(event, peergraph.CaughtUp):
            break
        count += 1
    figures["events/s, async for, from the database"] = count / (time.perf_counter() - begun)
    assert count == 4 * ROUNDS * ROUND
    await graph.close()
    return figures


async def beside() -> Figures:
    """Plain asyncio: what a queue and a bare generator give."""
    queue: asyncio.Queue[int] = asyncio.Queue()
    for number in range(EVENTS):
        queue.put_nowait(number)
    begun = time.perf_counter()
    for _ in range(EVENTS):
        await queue.get()
    figures = {"asyncio.Queue, gets/s of what is there": EVENTS / (time.perf_counter() - begun)}

    async def producer() -> None:
        for number in range(EVENTS):
            queue.put_nowait(number)
            await asyncio.sleep(0)

    begun = time.perf_counter()
    made = asyncio.ensure_future(producer())
    for _ in range(EVENTS):
        await queue.get()
    await made
    figures["asyncio.Queue, one by one between tasks/s"] = EVENTS / (time.perf_counter() - begun)
    return figures


async def publishing(node: Node) -> Figures:
    """Calls that return when the record is stored: in memory here, so the calls are what is measured."""
    graph = await node.create_graph("bench")
    begun = time.perf_counter()
    for _ in range(PUBLISHED):
        await graph.publish("bench.note", b"x" * 20)
    figures = {"publish/s, one after another": PUBLISHED / (time.perf_counter() - begun)}
    begun = time.perf_counter()
    for _ in range(PUBLISHED // 100):
        await asyncio.gather(*(graph.publish("bench.note", b"x" * 20) for _ in range(100)))
    figures["publish/s, 100 at once"] = PUBLISHED / (time.perf_counter() - begun)
    await graph.close()
    return figures


async def delivering(node: Node) -> Figures:
    """From one node to another: signed, stored and replicated."""
    graph = await node.create_graph("bench")
    await graph.listen()
    async with Node.start(NodeConfig.loopback()) as other:
        far = await other.join(await graph.ticket())
        async with far.events("record_changed") as stream:
            begun = time.perf_counter()
            for _ in range(PUBLISHED // 100):
                await asyncio.gather(*(graph.publish("bench.note", b"x" * 32) for _ in range(100)))
            for _ in range(PUBLISHED):
                await anext(stream)
            return {"publish to deliver/s, two nodes": PUBLISHED / (time.perf_counter() - begun)}


def libp2p(python: str) -> Figures:
    """What gossipsub of py-libp2p delivers, neither stored nor replicated."""
    done = subprocess.run(
        [python, Path(__file__).with_name("beside_libp2p.py")], capture_output=True, text=True, check=True
    )
    return {"gossipsub of py-libp2p, publish to deliver/s": float(done.stdout)}


async def bodies(node: Node) -> Figures:
    """Large bodies, written and read as events."""
    graph = await node.create_graph("bench")
    stream = graph.events("record_changed", capacity=BODIES)
    body = b"x" * BODY
    begun = time.perf_counter()
    await asyncio.gather(*(graph.publish("bench.file", body) for _ in range(BODIES)))
    figures = {"MB/s of bodies published": BODIES * BODY / 1e6 / (time.perf_counter() - begun)}
    begun, taken = time.perf_counter(), 0
    async for event in stream:
        assert isinstance(event, peergraph.RecordChanged)
        taken += len(event.record.body)
        if taken == BODIES * BODY:
            break
    figures["MB/s of bodies read from events"] = taken / 1e6 / (time.perf_counter() - begun)
    await graph.close()
    return figures


async def memory(node: Node) -> Figures:
    """What events that wait take: of as many updates, with a hundred full streams and without any."""
    graph = await node.create_graph("bench")
    records = [await graph.publish("bench.note", b"x" * 20) for _ in range(ROUND)]

    async def grown(streams: int) -> float:
        gc.collect()
        before = resident()
        kept = [graph.events("record_changed") for _ in range(streams)]
        for record in records:
            await graph.update(record, body=b"y" * 20)
        after = resident()
        for stream in kept:
            stream.close()
        return after - before

    await grown(0)
    alone = await grown(0)
    beside = await grown(100)
    figures = {"kB of memory for 10,000 events that wait": (beside - alone) / (100 * ROUND) * 10_000 / 1e3}
    await graph.close()
    return figures


def without_asyncio() -> Figures:
    """`peergraph.sync`."""
    with sync.Node.start(NodeConfig.loopback()) as node:
        graph = node.create_graph("bench")
        stream = graph.events("record_changed", capacity=PUBLISHED)
        begun = time.perf_counter()
        for _ in range(PUBLISHED):
            graph.publish("bench.note", b"x" * 20)
        figures = {"sync: publish/s": PUBLISHED / (time.perf_counter() - begun)}
        begun, count = time.perf_counter(), 0
        for _event in stream:
            count += 1
            if count == PUBLISHED:
                break
        figures["sync: events/s"] = count / (time.perf_counter() - begun)
        return figures


async def once() -> Figures:
    """All measurements, each on a node of its own."""
    figures: Figures = {}
    for measure in (events, publishing, delivering, bodies, memory):
        async with Node.start(NodeConfig.loopback()) as node:
            figures |= await measure(node)
    return figures | await beside()


def main() -> None:
    """Runs and prints them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--libp2p", default="")
    given = parser.parse_args()
    runs = given.runs
    all_figures: dict[str, list[float]] = defaultdict(list)
    for _ in range(runs):
        beside = libp2p(given.libp2p) if given.libp2p else {}
        for name, value in (asyncio.run(once()) | without_asyncio() | beside).items():
            all_figures[name].append(value)
    medians = {name: statistics.median(values) for name, values in all_figures.items()}
    print("\npeergraph for Python")
    for name, value in medians.items():
        spread = f"   ({min(all_figures[name]):,.0f} to {max(all_figures[name]):,.0f})" if runs > 1 else ""
        print(f"  {name:<52} {value:>12,.0f}{spread}")
    rate = medians["events/s, async for"]
    for other in ("events/s, one awaited native call for each", "asyncio.Queue, gets/s of what is there"):
        print(f"  async for is {rate / medians[other]:,.1f} times {other}")


if __name__ == "__main__":
    main()
