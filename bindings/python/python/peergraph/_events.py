"""Streams of events: one by one for the reader, many at a time underneath."""

from __future__ import annotations

import asyncio
import weakref
from types import TracebackType
from typing import TYPE_CHECKING

from ._buffered import BATCH, Buffered
from ._calls import NO_LOOP

if TYPE_CHECKING:
    from ._event_types import Event
    from ._native import Subscription

# A task that waits is held by nothing but the future it waits for, and that by this.
_waiting: dict[asyncio.Future[None], EventStream] = {}


def _wake(stream: weakref.ref[EventStream]) -> None:
    """Called on the thread of the bridge when there is something to take."""
    found = stream()
    if found is not None:
        found._tell()


def _look(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class EventStream(Buffered):
    """Events of one subscription: an async iterator that is also a context manager.

    It ends when the graph is closed, or when it is closed itself: by ``async with``, `close`, or when nobody refers to it
    any more. Whatever is cancelled or timed out, no event is lost. Several tasks may read it at the same time, on several
    loops and threads too: each event goes to exactly one of them. Where each is to have all, make a stream for each.

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

    __slots__ = ("__weakref__", "_armed", "_waiters")

    def __init__(self, subscription: Subscription) -> None:
        super().__init__(subscription)
        self._armed = False
        self._waiters: set[asyncio.Future[None]] = set()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        """The next event; waits for it without limit.

        For a limit: ``await asyncio.wait_for(anext(events), 5)``.
        """
        while (event := self._handed_out()) is None:
            if not await self._wait():
                raise StopAsyncIteration
        return event

    async def batch(self, limit: int = BATCH) -> list[Event]:
        """Waits for events and takes up to `limit` of them; empty once the stream has ended."""
        while not (found := self._handed(limit)):
            if not await self._wait():
                return []
        return found

    async def __aenter__(self) -> EventStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tell(self, reader: object = None) -> None:
        # A copy, for readers come and go in other threads.
        for waiter in tuple(self._waiters):
            if waiter is reader:
                continue
            try:
                waiter.get_loop().call_soon_threadsafe(_look, waiter)
            except RuntimeError:
                # Its loop was closed: it waits for nothing any more.
                self._waiters.discard(waiter)
                _waiting.pop(waiter, None)

    async def _wait(self) -> bool:
        """Waits until there may be events in the buffer; false once the stream has ended."""
        loop = asyncio._get_running_loop()
        if loop is None:
            raise RuntimeError(NO_LOOP)
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.add(waiter)
        try:
            # Registered and armed first, drained second, waited third: nothing comes between.
            if not self._armed:
                self._armed = True
                self._subscription.arm(_wake, weakref.ref(self))
            if self._take(waiter):
                return True
            if self._subscription.is_finished():
                return False
            _waiting[waiter] = self
            await waiter
            return True
        finally:
            self._waiters.discard(waiter)
            _waiting.pop(waiter, None)
