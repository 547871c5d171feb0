"""Without asyncio: notes in a graph on the disk. ``python notes.py "buy milk"`` adds one; all are listed."""

import sys
from pathlib import Path

import peergraph
from peergraph import sync

folder = Path("notes")
with sync.Node.open(folder) as node:
    stored = node.stored_graphs
    graph = node.open_graph(stored[0]) if stored else node.create_graph("Notes")
    if sys.argv[1:]:
        try:
            graph.publish("note", " ".join(sys.argv[1:]))
        except peergraph.TooLargeError as error:
            sys.exit(str(error))
    for note in graph.records("note"):
        print(f"{note.created:%Y-%m-%d %H:%M}  {note.text}")
