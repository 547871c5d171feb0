"""peergraph without asyncio: each call returns when it is done. For scripts, and for threads of their own.

The classes and words are those of `peergraph`, and so are ids, events and errors. Calls let other threads of Python run
while they wait, and end by Ctrl-C. Where an asyncio loop runs in the same thread they raise RuntimeError.

Example::

    from peergraph import sync

    with sync.Node.open("data") as node:
        group = node.join_group(text, name="Ben")
        group.publish("chat.message", "hello")
        for event in group.events("record_changed", record_type="chat.message"):
            print(event.record.author.short, event.record.text)
"""

from .._records import Conflict, RecordList
from ._connection import DirectConnection, SendReceipt
from ._events import EventStream
from ._graph import Graph
from ._group import Group
from ._identities import Identities, Identity
from ._node import Node
from ._records import Conflicts, Records

__all__ = [
    "Conflict",
    "Conflicts",
    "DirectConnection",
    "EventStream",
    "Graph",
    "Group",
    "Identities",
    "Identity",
    "Node",
    "RecordList",
    "Records",
    "SendReceipt",
]
