"""Streams of events without asyncio: one by one for the reader, many at a time underneath."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from .._native import RecordChanged
from .._types import CaughtUp, Event

if TYPE_CHECKING:
    from .._native import Subscription

BATCH = 512


class EventStream:
    """Events of one subscription: an iterator that is also a context manager.

    It ends when the graph is closed, or when it is closed itself. Waiting can be interrupted by Ctrl-C, and lets other
    threads of Python run. Threads must not share a stream; make one for each.

    Example::

        with group.events("record_changed") as events:
            for event in events:
                print(event.record.text)
    """

    __slots__ = ("__weakref__", "_batch", "_before", "_buffer", "_end", "_subscription")

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._buffer: deque[Event] = deque()
        # What was taken over last, and the cursor before it.
        self._batch: list[Event] = []
        self._before = b""
        # Where the reader stood when it was closed.
        self._end: bytes | None = None

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
        return [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]

    def try_next(self) -> Event | None:
        """The next event if one is waiting; None if not."""
        if not self._buffer:
            self._take()
        return self._buffer.popleft() if self._buffer else None

    def drain(self) -> Iterator[Event]:
        """All that is waiting, until there is nothing."""
        while (event := self.try_next()) is not None:
            yield event

    @property
    def cursor(self) -> bytes:
        """Where to go on after a restart, for ``after=`` and `Graph.save_cursor`: after all that was handed out."""
        if self._end is not None:
            return self._end
        if not self._buffer:
            return self._subscription.cursor()
        for event in reversed(self._batch[: len(self._batch) - len(self._buffer)]):
            if isinstance(event, (RecordChanged, CaughtUp)):
                return event.cursor
        return self._before

    def close(self) -> None:
        """Unsubscribes: what is waiting is dropped."""
        if self._end is None:
            self._end = self.cursor
        self._subscription.close()
        self._buffer.clear()
        self._batch.clear()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "ended" if self._subscription.is_finished() else "open"
        return f"<EventStream {state}, {len(self._buffer)} events taken over>"

    def _take(self) -> bool:
        self._before = self._subscription.cursor()
        self._batch = self._subscription.drain(BATCH)
        self._buffer.extend(self._batch)
        return bool(self._batch)

    def _wait(self, timeout: timedelta | None) -> bool:
        if asyncio._get_running_loop() is not None:
            raise RuntimeError("an asyncio loop runs in this thread: use peergraph itself and its `async for`")
        while not self._take():
            if self._subscription.is_finished():
                return False
            readable = self._subscription.wait(None if timeout is None else timeout.total_seconds())
            if readable is None:
                raise TimeoutError("no event in time")
        return True
