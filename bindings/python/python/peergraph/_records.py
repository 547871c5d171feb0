"""Lists of records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ._native import PeerId, Record, RecordId

if TYPE_CHECKING:
    import pandas

    from ._native import Graph as NativeGraph


class Query(NamedTuple):
    """What records are asked for."""

    record_type: str | None
    creator: PeerId | None
    include_deleted: bool
    include_reserved: bool
    page_size: int


class RecordList(list[Record]):
    """Records, as they were when asked for."""

    __slots__ = ()

    def to_pandas(self) -> pandas.DataFrame:
        """A frame with a row for each record, indexed by id, and a column for each attribute (`attribute.name`).

        Raises ImportError without pandas: ``pip install peergraph[jupyter]``.
        """
        return frame(self)

    def _repr_html_(self) -> str:
        from ._html import records_html

        return records_html(self)


class Records:
    """A question for records. Await it for all, or iterate page by page.

    All pages are as of the moment the first was asked for.

    Example::

        notes = await graph.records("note")                # a list
        frame = (await graph.records("note")).to_pandas()  # the same as a frame
        async for note in graph.records("note"):           # as they come
            print(note.text)
    """

    __slots__ = ("_native", "_query")

    def __init__(self, native: NativeGraph, query: Query) -> None:
        self._native = native
        self._query = query

    def __await__(self) -> Generator[Any, None, RecordList]:
        return self._all().__await__()

    async def _all(self) -> RecordList:
        return RecordList([record async for page in self.pages() for record in page])

    async def __aiter__(self) -> AsyncIterator[Record]:
        async for page in self.pages():
            for record in page:
                yield record

    async def pages(self) -> AsyncIterator[RecordList]:
        """Page by page."""
        query, after, through = self._query, None, None
        while True:
            items, after, through, _ = await self._native.list_page(
                query.record_type,
                query.creator,
                query.include_deleted,
                query.include_reserved,
                after,
                through,
                query.page_size,
            )
            if items:
                yield RecordList(items)
            if after is None:
                return

    async def count(self) -> int:
        """How many there are. Takes longer the more there are; pages do not."""
        query = self._query
        page = await self._native.list_page(
            query.record_type, query.creator, query.include_deleted, query.include_reserved, None, None, 1, True
        )
        return page[3] or 0

    async def to_pandas(self) -> pandas.DataFrame:
        """All as a frame; see `RecordList.to_pandas`."""
        return frame(await self)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two versions of one record, neither written in knowledge of the other. Every node agrees on the winner."""

    winner: Record
    """The record as it is now; `Record.deleted` if a delete won."""
    loser: Record
    """The version that lost, with its content."""
    noticed: datetime
    """When this node noticed, in peer time (UTC)."""


class Conflicts:
    """A question for conflicts. Await it for all, or iterate page by page.

    Example::

        async for conflict in graph.conflicts():
            merged = merge(conflict.winner.body, conflict.loser.body)
            await graph.update(conflict.winner, body=merged)
            await graph.acknowledge_conflict(conflict)
    """

    __slots__ = ("_native", "_page_size", "_record")

    def __init__(self, native: NativeGraph, record: RecordId | None, page_size: int) -> None:
        self._native = native
        self._record = record
        self._page_size = page_size

    def __await__(self) -> Generator[Any, None, list[Conflict]]:
        return self._all().__await__()

    async def _all(self) -> list[Conflict]:
        return [conflict async for page in self.pages() for conflict in page]

    async def __aiter__(self) -> AsyncIterator[Conflict]:
        async for page in self.pages():
            for conflict in page:
                yield conflict

    async def pages(self) -> AsyncIterator[list[Conflict]]:
        """Page by page."""
        after = None
        while True:
            items, after = await self._native.conflicts_page(self._record, after, self._page_size)
            if items:
                yield [Conflict(*fields) for fields in items]
            if after is None:
                return


COLUMNS = ("record_type", "version", "creator", "author", "created", "modified", "expires", "deleted", "text", "body")


def frame(records: Iterable[Record]) -> pandas.DataFrame:
    """Records as a frame of pandas."""
    import pandas

    rows = []
    for record in records:
        row: dict[str, Any] = {"id": str(record.id)}
        for column in COLUMNS:
            value = getattr(record, column)
            row[column] = str(value) if isinstance(value, PeerId) else value
        row |= {f"attribute.{name}": value for name, value in record.attributes.items()}
        rows.append(row)
    if not rows:
        return pandas.DataFrame(columns=list(COLUMNS), index=pandas.Index([], name="id"))
    made = pandas.DataFrame(rows).set_index("id")
    for column in ("created", "modified", "expires"):
        made[column] = pandas.to_datetime(made[column], utc=True)
    return made
