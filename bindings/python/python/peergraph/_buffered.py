"""What streams of events share, with asyncio and without: events taken over many at a time, handed out one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ._event_types import CaughtUp, Event
from ._native import RecordChanged

if TYPE_CHECKING:
    from ._native import Subscription

BATCH = 512


class Buffered:
    """Events that were taken over, and how far the reader came. How to wait for more is the stream's own."""

    __slots__ = ("_batch", "_before", "_buffer", "_end", "_subscription")

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._buffer: deque[Event] = deque()
        # What was taken over last, and the cursor before it.
        self._batch: list[Event] = []
        self._before = b""
        # Where the reader stood when it was closed.
        self._end: bytes | None = None

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
        handed_out = self._batch[: len(self._batch) - len(self._buffer)]
        for event in reversed(handed_out):
            if isinstance(event, (RecordChanged, CaughtUp)):
                return event.cursor
        return self._before

    def close(self) -> None:
        """Unsubscribes: what is waiting is dropped, and whoever waits gets the end of the stream."""
        if self._end is None:
            self._end = self.cursor
        self._subscription.close()
        self._buffer.clear()
        self._batch.clear()

    def __repr__(self) -> str:
        state = "ended" if self._subscription.is_finished() else "open"
        return f"<EventStream {state}, {len(self._buffer)} events taken over>"

    def _take(self) -> bool:
        self._before = self._subscription.cursor()
        self._batch = self._subscription.drain(BATCH)
        self._buffer.extend(self._batch)
        return bool(self._batch)

    def _handed(self, limit: int) -> list[Event]:
        return [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]
