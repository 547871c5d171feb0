"""Streams of events without asyncio: one by one for the reader, many at a time underneath."""

from __future__ import annotations

import time
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from .._buffered import BATCH, Buffered
from .._calls import no_loop_here

if TYPE_CHECKING:
    from .._event_types import Event


class EventStream(Buffered):
    """Events of one subscription: an iterator that is also a context manager.

    It ends when the graph is closed, or when it is closed itself. Waiting can be interrupted by Ctrl-C, and lets other
    threads of Python run. Threads may share a stream: each event goes to exactly one of them. Where each is to have all,
    make a stream for each.

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
        # What is here already takes neither a list nor a look at loops.
        event = self._handed_out()
        if event is not None:
            return event
        found = self.batch(1, timeout)
        return found[0] if found else None

    def batch(self, limit: int = BATCH, timeout: timedelta | None = None) -> list[Event]:
        """Waits for events and takes up to `limit` of them; empty once the stream has ended. Raises as `next`."""
        no_loop_here()
        until = None if timeout is None else time.monotonic() + _seconds(timeout)
        while not (found := self._handed(limit)):
            # Where the readers are, first; then a look; then the wait, which another's look ends.
            turn = self._subscription.turn()
            if self._take():
                continue
            if self._subscription.is_finished():
                return []
            # A wake-up may find nothing; that does not begin the time anew.
            left = None if until is None else max(0.0, until - time.monotonic())
            if self._subscription.wait(turn, left) is None:
                raise TimeoutError("no event in time")
        return found

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _tell(self, reader: object = None) -> None:
        self._subscription.next_turn()


def _seconds(timeout: object) -> float:
    if not isinstance(timeout, timedelta):
        raise TypeError(f"timeout is a datetime.timedelta, not {type(timeout).__name__}")
    return timeout.total_seconds()
