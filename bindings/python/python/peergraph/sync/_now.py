"""The native half answers at once where no loop runs; where one runs, nothing is begun."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar, cast

from .._calls import no_loop_here

T = TypeVar("T")


def alone(config: T) -> T:
    """A configuration, where it can be used. Raises RuntimeError where an asyncio loop runs in this thread."""
    no_loop_here()
    return config


def now(given: Awaitable[T]) -> T:
    """What the native half gave.

    Raises RuntimeError where an asyncio loop runs in this thread: it would stand still.
    """
    if isinstance(given, asyncio.Future):
        given.cancel()
        no_loop_here()
    return cast("T", given)
