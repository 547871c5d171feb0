"""Starting, ending, interrupting and forking processes. Each is a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

STARTS = int(os.environ.get("PEERGRAPH_STARTS", "100"))
"""How often a process is started and ends; 1,000 in the long run."""

BUSY = """
import asyncio, peergraph
async def main():
    node = await peergraph.Node.start(peergraph.NodeConfig.loopback())
    graph = await node.create_graph("busy")
    events = graph.events("record_changed")
    busy = [asyncio.create_task(graph.publish("t", b"x")) for _ in range(40)]
    print((await anext(events)).record.record_type)
    {end}
asyncio.run(main())
"""
ENDS = ("", "await node.shutdown()", "await graph.close()", "raise SystemExit(0)")

# Whoever starts the tests in the background may have them ignore Ctrl-C. The loop beats because `asyncio.run` sets no
# wakeup descriptor: a signal that comes between CPython's last look at its flag and `epoll_wait` is otherwise seen only
# when the loop next wakes. If the process hangs for another reason, its stacks are printed.
FOREVER = """
import asyncio, faulthandler, peergraph, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
faulthandler.dump_traceback_later(25)
async def beat():
    while True:
        await asyncio.sleep(0.2)
async def main():
    beating = asyncio.create_task(beat())
    async with peergraph.Node.start(peergraph.NodeConfig.loopback()) as node:
        graph = await node.create_graph("waits")
        print("ready", flush=True)
        async for event in graph.events("record_changed"):
            pass
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""

FORK = """
import asyncio, os, peergraph
async def main():
    async with peergraph.Node.start(peergraph.NodeConfig.loopback()) as node:
        graph = await node.create_graph("forks")
        child = os.fork()
        if child == 0:
            try:
                await graph.status()
            except RuntimeError as error:
                os._exit(7 if "spawn" in str(error) else 8)
            os._exit(9)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), (await graph.status()).listening)
asyncio.run(main())
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)


def test_e23_processes_end_clean_whatever_is_under_way() -> None:
    programs = [BUSY.format(end=ENDS[at % len(ENDS)]) for at in range(STARTS)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run, programs))
    faults = [(r.returncode, r.stdout, r.stderr) for r in results if (r.returncode, r.stdout) != (0, "t\n")]
    assert faults == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are for POSIX")
def test_e23_ctrl_c_ends_a_reader_clean() -> None:
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", FOREVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            try:
                out, err = process.communicate(timeout=30)
            finally:
                process.kill()
        assert (process.returncode, out, err) == (0, "interrupted\n", "")
        assert time.monotonic() - begun < 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are for POSIX")
def test_e23_a_fork_fails_loudly_and_leaves_the_parent_well() -> None:
    result = run(FORK)
    assert (result.returncode, result.stdout) == (0, "7 False\n"), result.stderr
