"""Nodes on loopback, and waiting for conditions with a deadline."""

from __future__ import annotations

import asyncio
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
