"""The native half answers at once where no loop runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar, cast

T = TypeVar("T")


def now(given: Awaitable[T]) -> T:
    """What the native half gave.

    Raises RuntimeError where an asyncio loop runs in this thread: it would stand still.
    """
    if isinstance(given, asyncio.Future):
        given.cancel()
        raise RuntimeError("an asyncio loop runs in this thread: use peergraph itself and await its calls")
    return cast("T", given)
