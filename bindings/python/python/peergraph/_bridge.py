"""What the native half calls on a loop, and what it needs to know of forks."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable
from typing import Any

from . import _calls, _native
from ._types import NodeConfig


def finish(future: asyncio.Future[Any], ok: bool, value: Any) -> None:
    """Gives a future its result, unless it was cancelled."""
    if future.done():
        return
    if ok:
        future.set_result(value)
    else:
        future.set_exception(value)


def _ask(config: NodeConfig) -> bytes | Awaitable[bytes] | None:
    # In memory nothing is sealed.
    return None if config.key_source is None or config.data_dir is None else config.key_source()


async def key_of(config: NodeConfig) -> bytes | None:
    """What the configuration's source of a key gives; None if it is not to be asked."""
    key = _ask(config)
    return await key if inspect.isawaitable(key) else key


def key_now(config: NodeConfig) -> bytes | None:
    """The same where nothing can be awaited."""
    key = _ask(config)
    if not inspect.isawaitable(key):
        return key
    if inspect.iscoroutine(key):
        key.close()
    raise TypeError("the key_source of a blocking node is a plain function: there is no loop to await it on")


def _after_fork() -> None:
    _calls.forked = _native.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
