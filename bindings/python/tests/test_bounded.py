"""Reading takes a bounded amount of memory, however much there is to read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import peergraph

BOUNDED = """
import asyncio, resource, sys
import peergraph
COUNT, SIZE = 400, 1_000_000

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

async def main(folder, way):
    async with peergraph.Node.start(peergraph.NodeConfig.loopback(folder)) as node:
        if way == "write":
            graph = await node.create_graph("bodies")
            for at in range(COUNT):
                await graph.publish("file", at.to_bytes(4, "big") * (SIZE // 4))
            return
        graph = await node.open_graph(node.stored_graphs[0])
        before, count = peak(), 0
        if way == "events":
            async for event in graph.events("record_changed", record_type="file", snapshot=True):
                if isinstance(event, peergraph.CaughtUp):
                    break
                assert len(event.record.body) == SIZE
                count += 1
        elif way == "records":
            async for record in graph.records("file"):
                assert len(record.body) == SIZE
                count += 1
        print(count, round(peak() - before))

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def test_k9_reading_large_bodies_takes_bounded_memory(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(peergraph.__file__).parents[1])}

    def run(way: str) -> str:
        command = [sys.executable, "-c", BOUNDED, str(tmp_path), way]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("write")
    for way in ("events", "records"):
        count, grown = map(int, run(way).split())
        assert count == 400
        assert grown < 160, f"{way}: {grown} MiB more for 400 MB of bodies"
