"""Joins a group by an invitation and says something there: ``python join.py INVITATION [folder]``."""

import asyncio
import sys

import peergraph


async def main(invitation: str, folder: str) -> None:
    async with peergraph.Node.open(folder) as node:
        group = await node.join_group(invitation, name="Ben")
        await group.publish("chat.message", "hello", attributes={"room": "main"})


try:
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "ben"))
except peergraph.Error as error:
    sys.exit(f"{error.kind}: {error}")
