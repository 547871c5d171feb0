"""Nodes on loopback, and waiting for conditions with a deadline."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import peergraph
import pytest_asyncio

PATIENCE = 30.0


async def eventually(what: str, condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits until a condition holds, looking every few milliseconds."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, f"not in time: {what}"
        await asyncio.sleep(0.005)


async def soon(events: peergraph.EventStream) -> peergraph.Event:
    """The next event, which must come in time."""
    return await asyncio.wait_for(anext(events), PATIENCE)


@pytest_asyncio.fixture
async def node() -> AsyncIterator[peergraph.Node]:
    async with peergraph.Node.start(peergraph.NodeConfig.loopback()) as opened:
        yield opened


@pytest_asyncio.fixture
async def other() -> AsyncIterator[peergraph.Node]:
    async with peergraph.Node.start(peergraph.NodeConfig.loopback()) as opened:
        yield opened


FOREIGN = re.compile(
    r"::|\b(Some|None|Ok|Err)\b\(?|\b(Vec|Option|Result)<|\bDuration\b|&str|\b[ui](8|16|32|64|size)\b|\b[a-z]+[A-Z]\w*|\{\w*:?\??\}"
)


def is_foreign(message: str) -> bool:
    """C48: whether a message names what only another language has: paths and values of Rust, names as JavaScript, Kotlin
    and Swift write them. What was given is repeated in quotes, and files as they are.
    """
    return FOREIGN.search(re.sub(r"""(["']).*?\1|/\S+""", "", message)) is not None
