"""What streams of events share, with asyncio and without: events taken over many at a time, handed out one by one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from ._calls import handle
from ._event_types import CaughtUp, Event
from ._native import RecordChanged, Subscription

BATCH = 512


class Buffered:
    """Events that were taken over, and how far the readers came. How to wait for more is the stream's own.

    Several readers, in tasks, loops and threads, share the events: each goes to exactly one of them.
    """

    __slots__ = ("_batch", "_before", "_buffer", "_end", "_lock", "_subscription")

    def __init__(self, subscription: Subscription) -> None:
        handle(subscription, Subscription, "a stream of events is made by `Graph.events`")
        self._subscription = subscription
        self._buffer: deque[Event] = deque()
        # What was taken over last, and the cursor before it.
        self._batch: list[Event] = []
        self._before = b""
        # Where the reader stood when it was closed.
        self._end: bytes | None = None
        # Held while events are taken over. What it runs may lead back here through a finalizer, so it is reentrant.
        self._lock = threading.RLock()

    def try_next(self) -> Event | None:
        """The next event if one is waiting; None if not."""
        while (event := self._handed_out()) is None:
            if not self._take():
                return None
        return event

    def drain(self) -> Iterator[Event]:
        """All that is waiting, until there is nothing."""
        while (event := self.try_next()) is not None:
            yield event

    @property
    def cursor(self) -> bytes:
        """Where to go on after a restart, for ``after=`` and `Graph.save_cursor`: after all that was handed out."""
        if self._end is not None:
            return self._end
        with self._lock:
            waiting = len(self._buffer)
            if not waiting:
                return self._subscription.cursor()
            handed_out = self._batch[: len(self._batch) - waiting]
            for event in reversed(handed_out):
                if isinstance(event, (RecordChanged, CaughtUp)):
                    return event.cursor
            return self._before

    def close(self) -> None:
        """Unsubscribes: what is waiting is dropped, and whoever waits gets the end of the stream."""
        if self._end is None:
            self._end = self.cursor
        self._subscription.close()
        with self._lock:
            self._buffer.clear()
            self._batch.clear()
        self._tell()

    def __repr__(self) -> str:
        state = "ended" if self._subscription.is_finished() else "open"
        return f"<EventStream {state}, {len(self._buffer)} events taken over>"

    def _handed_out(self) -> Event | None:
        # A `deque` does this in one step, whichever threads read.
        try:
            return self._buffer.popleft()
        except IndexError:
            return None

    def _take(self, reader: object = None) -> bool:
        """Takes events over for a reader; true if there are any, of whoever took them."""
        with self._lock:
            if self._buffer:
                return True
            self._before = self._subscription.cursor()
            self._batch = self._subscription.drain(BATCH)
            self._buffer.extend(self._batch)
            found = bool(self._batch)
        if found:
            self._tell(reader)
        return found

    def _tell(self, reader: object = None) -> None:
        """Has the other readers look: there are events in the buffer, or the stream has ended."""
        raise NotImplementedError

    def _handed(self, limit: int) -> list[Event]:
        found: list[Event] = []
        while len(found) < limit and (event := self._handed_out()) is not None:
            found.append(event)
        return found
