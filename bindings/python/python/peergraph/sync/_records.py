# Made by make_sync.py from ../_records.py: change that.
"""Lists of records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .._native import Record, RecordId
from .._records import Conflict, Query, RecordList, frame
from ._now import now

if TYPE_CHECKING:
    import pandas

    from .._native import Graph as NativeGraph


class Records:
    """A question for records. `all` gives all; or iterate page by page.

    All pages are as of the moment the first was asked for.

    Example::

        notes = graph.records("note").all()                # a list
        frame = graph.records("note").to_pandas()  # the same as a frame
        for note in graph.records("note"):           # as they come
            print(note.text)
    """

    __slots__ = ("_native", "_query")

    def __init__(self, native: NativeGraph, query: Query) -> None:
        self._native = native
        self._query = query

    def all(self) -> RecordList:
        return RecordList([record for page in self.pages() for record in page])

    def __iter__(self) -> Iterator[Record]:
        for page in self.pages():
            yield from page

    def pages(self) -> Iterator[RecordList]:
        """Page by page."""
        query, after, through = (self._query, None, None)
        while True:
            items, after, through, _ = now(
                self._native.list_page(
                    query.record_type,
                    query.creator,
                    query.include_deleted,
                    query.include_reserved,
                    after,
                    through,
                    query.page_size,
                )
            )
            if items:
                yield RecordList(items)
            if after is None:
                return

    def count(self) -> int:
        """How many there are. Takes longer the more there are; pages do not."""
        query = self._query
        page = now(
            self._native.list_page(
                query.record_type, query.creator, query.include_deleted, query.include_reserved, None, None, 1, True
            )
        )
        return page[3] or 0

    def to_pandas(self) -> pandas.DataFrame:
        """All as a frame; see `RecordList.to_pandas`."""
        return frame(self.all())


class Conflicts:
    """A question for conflicts. `all` gives all; or iterate page by page.

    Example::

        for conflict in graph.conflicts():
            merged = merge(conflict.winner.body, conflict.loser.body)
            graph.update(conflict.winner, body=merged)
            graph.acknowledge_conflict(conflict)
    """

    __slots__ = ("_native", "_page_size", "_record")

    def __init__(self, native: NativeGraph, record: RecordId | None, page_size: int) -> None:
        self._native = native
        self._record = record
        self._page_size = page_size

    def all(self) -> list[Conflict]:
        return [conflict for page in self.pages() for conflict in page]

    def __iter__(self) -> Iterator[Conflict]:
        for page in self.pages():
            yield from page

    def pages(self) -> Iterator[list[Conflict]]:
        """Page by page."""
        after = None
        while True:
            items, after = now(self._native.conflicts_page(self._record, after, self._page_size))
            if items:
                yield [Conflict(*fields) for fields in items]
            if after is None:
                return
