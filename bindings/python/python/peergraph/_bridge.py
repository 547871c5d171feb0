"""What the native half calls on a loop, and what it needs to know of forks."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from . import _native


def finish(future: asyncio.Future[Any], ok: bool, value: Any) -> None:
    """Gives a future its result, unless it was cancelled."""
    if future.done():
        return
    if ok:
        future.set_result(value)
    else:
        future.set_exception(value)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_native.after_fork)
