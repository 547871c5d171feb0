"""A chat: ``python chat.py NAME`` makes a group, ``python chat.py NAME INVITATION`` joins one. Ends with Ctrl-D."""

import asyncio
import sys

import peergraph
from peergraph import MemberChanged, RecordChanged


async def show(group: peergraph.Group) -> None:
    names: dict[peergraph.PeerId, str] = {}
    async with group.events("record_changed", "member_changed", record_type="chat.message") as events:
        async for event in events:
            match event:
                case RecordChanged(change="added", record=record):
                    if record.author not in names:
                        names |= {member.peer: member.name for member in await group.members()}
                    print(f"{names.get(record.author, record.author.short)}: {record.text}", flush=True)
                case MemberChanged(change=change, member=member):
                    print(f"({member.name} {change})", flush=True)


async def main(name: str, invitation: str | None) -> None:
    async with peergraph.Node.open(f"chat-{name}") as node:
        if invitation is None:
            group = await node.create_group("Chat", rules=peergraph.GroupRules(creator_name=name))
            link = await group.invite(uses=20)
            print(link.qr_text(), link, sep="\n", flush=True)
        else:
            group = await node.join_group(invitation, name=name)
        shown = asyncio.create_task(show(group))
        while line := await asyncio.to_thread(sys.stdin.readline):
            await group.publish("chat.message", line.rstrip("\n"))
        shown.cancel()


if len(sys.argv) < 2:
    sys.exit(__doc__)
try:
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
except peergraph.Error as error:
    sys.exit(f"{error.kind}: {error}")
