"""Streams of events without asyncio: one by one for the reader, many at a time underneath."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from .._buffered import BATCH, Buffered

if TYPE_CHECKING:
    from .._event_types import Event


class EventStream(Buffered):
    """Events of one subscription: an iterator that is also a context manager.

    It ends when the graph is closed, or when it is closed itself. Waiting can be interrupted by Ctrl-C, and lets other
    threads of Python run. Threads must not share a stream; make one for each.

    Example::

        with group.events("record_changed") as events:
            for event in events:
                print(event.record.text)
    """

    __slots__ = ("__weakref__",)

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> Event:
        """The next event; waits for it without limit."""
        event = self.next()
        if event is None:
            raise StopIteration
        return event

    def next(self, timeout: timedelta | None = None) -> Event | None:
        """The next event; None once the stream has ended.

        Args:
            timeout: raise after this; nothing is lost by it.

        Raises:
            TimeoutError: there was none in time.
            RuntimeError: an asyncio loop runs in this thread.
        """
        if self._buffer or self._wait(timeout):
            return self._buffer.popleft()
        return None

    def batch(self, limit: int = BATCH, timeout: timedelta | None = None) -> list[Event]:
        """Waits for events and takes up to `limit` of them; empty once the stream has ended. Raises as `next`."""
        if not self._buffer and not self._wait(timeout):
            return []
        return self._handed(limit)

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _wait(self, timeout: timedelta | None) -> bool:
        if asyncio._get_running_loop() is not None:
            raise RuntimeError("an asyncio loop runs in this thread: use peergraph itself and its `async for`")
        until = None if timeout is None else time.monotonic() + timeout.total_seconds()
        while not self._take():
            if self._subscription.is_finished():
                return False
            # A wake-up may find nothing; that does not begin the time anew.
            left = None if until is None else max(0.0, until - time.monotonic())
            if self._subscription.wait(left) is None:
                raise TimeoutError("no event in time")
        return True
