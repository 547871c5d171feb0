"""Makes a group, prints an invitation to it, and shows what is said there: ``python create.py [folder]``."""

import asyncio
import sys

import peergraph


async def main(folder: str) -> None:
    async with peergraph.Node.open(folder) as node:
        group = await node.create_group("Book club")
        print(await group.invite(role="member"), flush=True)
        async for event in group.events("record_changed", record_type="chat.message"):
            if isinstance(event, peergraph.RecordChanged):
                print(event.record.author.short, event.record.text, flush=True)


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ann"))
