"""Direct connections, and what became of sent data."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from . import _native
from ._calls import call, content, handle
from ._types import ConnectionInfo

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_DATA = 16 * 1024 * 1024


class SendReceipt:
    """What became of sent data."""

    __slots__ = ("_native",)

    def __init__(self, native: _native.Receipt) -> None:
        handle(native, _native.Receipt, "a receipt comes from `DirectConnection.send`")
        self._native = native

    @call
    async def delivered(self) -> bool:
        """Waits until the receiving node has handed the data to a subscriber (True), or found that nobody there
        subscribes to it (False). Can be asked once.

        Raises:
            NotConnectedError: the connection ended before either was known.
            InvalidArgumentError: it was asked before.
        """
        return await self._native.delivered()


class DirectConnection:
    """A connection to one node for application data only. Open until closed by either end.

    Example::

        async with await graph.open_direct(peer) as connection:
            receipt = await connection.send("file.part", b"...")
            assert await receipt.delivered()
    """

    __slots__ = ("_native",)

    def __init__(self, native: _native.Direct) -> None:
        handle(native, _native.Direct, "a direct connection is opened by `Graph.open_direct`")
        self._native = native

    @property
    def id(self) -> int:
        """Its number on this node, as events name it."""
        return self._native.id

    @property
    def info(self) -> ConnectionInfo:
        """The other end, as it was when the connection was made."""
        return self._native.info

    @call
    async def send(self, data_type: str, data: Buffer) -> SendReceipt:
        """Sends data of a type: bytes, or a contiguous buffer, of at most 16 MiB. Returns when it is accepted for sending,
        after what was sent before; a slow reader makes this wait.

        Raises:
            TooLargeError: more than 16 MiB.
            InvalidArgumentError: the type is no name.
            TypeError: the data is something else.
            NotConnectedError: the connection is closed.
        """
        return SendReceipt(await self._native.send(data_type, content("data", data, MAX_DATA, words=False)))

    @call
    async def close(self) -> None:
        """Closes the connection for both ends.

        Raises:
            NotConnectedError: it was closed before.
        """
        await self._native.close()

    async def __aenter__(self) -> DirectConnection:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from ._errors import ClosedError, NotConnectedError

        # The other end may have been faster.
        with suppress(NotConnectedError, ClosedError):
            await self._native.close()

    def __repr__(self) -> str:
        return f"<DirectConnection {self.id} to {self.info.node.short}>"
