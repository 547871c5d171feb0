"""Streams of events: one by one for the reader, many at a time underneath."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from ._native import RecordChanged
from ._types import CaughtUp, Event

if TYPE_CHECKING:
    from ._native import Subscription

BATCH = 512

# A task that waits is held by nothing but the future it waits for, and that by the stream.
_waiting: set[EventStream] = set()


def _wake(stream: weakref.ref[EventStream]) -> None:
    found = stream()
    if found is not None:
        waiter = found._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class EventStream:
    """Events of one subscription: an async iterator that is also a context manager.

    It ends when the graph is closed, or when it is closed itself: by ``async with``, `close`, or when nobody refers to it
    any more. Whatever is cancelled or timed out, no event is lost. It may be used from one loop after another. Several
    tasks must not wait for one stream at the same time; make one for each.

    Up to 512 events are taken over at a time, beyond those that the subscription itself keeps in memory.

    Example::

        async with group.events("record_changed", "member_changed") as events:
            async for event in events:
                match event:
                    case peergraph.RecordChanged(change="added", record=record):
                        print(record.text)
                    case peergraph.MemberChanged(change=change, member=member):
                        print(member.name, change)
    """

    __slots__ = ("__weakref__", "_batch", "_before", "_buffer", "_end", "_loop", "_subscription", "_waiter")

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._buffer: deque[Event] = deque()
        # What was taken over last, and the cursor before it.
        self._batch: list[Event] = []
        self._before = b""
        # Where the reader stood when it was closed.
        self._end: bytes | None = None
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        """The next event; waits for it without limit.

        For a limit: ``await asyncio.wait_for(anext(events), 5)``.
        """
        if self._buffer or await self._wait():
            return self._buffer.popleft()
        raise StopAsyncIteration

    async def batch(self, limit: int = BATCH) -> list[Event]:
        """Waits for events and takes up to `limit` of them; empty once the stream has ended."""
        if not self._buffer and not await self._wait():
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
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            own: weakref.ref[EventStream] = weakref.ref(self)
            waiter.get_loop().call_soon_threadsafe(_wake, own)

    async def __aenter__(self) -> EventStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "ended" if self._subscription.is_finished() else "open"
        return f"<EventStream {state}, {len(self._buffer)} events taken over>"

    def _take(self) -> bool:
        self._before = self._subscription.cursor()
        self._batch = self._subscription.drain(BATCH)
        self._buffer.extend(self._batch)
        return bool(self._batch)

    async def _wait(self) -> bool:
        loop = asyncio.get_running_loop()
        if self._loop is None or self._loop() is not loop:
            self._loop = weakref.ref(loop)
            self._subscription.arm(loop, _wake, weakref.ref(self))
        if self._waiter is not None and not self._waiter.done():
            raise RuntimeError("another task waits for this stream; make a stream for each")
        while True:
            # Armed first, drained second, waited third: nothing comes between.
            waiter = self._waiter = loop.create_future()
            try:
                if self._take():
                    return True
                if self._subscription.is_finished():
                    return False
                _waiting.add(self)
                await waiter
            finally:
                _waiting.discard(self)
                self._waiter = None
