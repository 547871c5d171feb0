"""Streams of events: one by one for the reader, many at a time underneath."""

from __future__ import annotations

import asyncio
import weakref
from types import TracebackType
from typing import TYPE_CHECKING

from ._buffered import BATCH, Buffered

if TYPE_CHECKING:
    from ._event_types import Event
    from ._native import Subscription

# A task that waits is held by nothing but the future it waits for, and that by the stream.
_waiting: set[EventStream] = set()


def _wake(stream: weakref.ref[EventStream]) -> None:
    found = stream()
    if found is not None:
        waiter = found._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class EventStream(Buffered):
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

    __slots__ = ("__weakref__", "_loop", "_waiter")

    def __init__(self, subscription: Subscription) -> None:
        super().__init__(subscription)
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
        return self._handed(limit)

    def close(self) -> None:
        """Unsubscribes: what is waiting is dropped, and whoever waits gets the end of the stream."""
        super().close()
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
