"""A chat: ``python chat.py NAME`` makes a group, or comes back to the one from before; ``python chat.py NAME INVITATION``
joins one. Ends with Ctrl-D.
"""

import asyncio
import sys

import peergraph
from peergraph import MemberChanged, RecordChanged, SyncProgress


def bar(now: SyncProgress) -> None:
    """Shows how far the group's records are on their way here."""
    if sys.stderr.isatty() and now.records_expected:
        done = "#" * (30 * now.records // now.records_expected)
        end = "\n" if now.records == now.records_expected else ""
        text = f"\r[{done:30}] {now.records:,} of {now.records_expected:,} records, {now.bytes / 1e6:.1f} MB"
        print(text, end=end, file=sys.stderr, flush=True)


async def enter(node: peergraph.Node, name: str, invitation: str | None) -> peergraph.Group:
    if invitation is not None:
        return await node.join_group(invitation, name=name, on_progress=bar)
    if node.stored_groups:
        # After a restart: online at once, whether somebody is there or not.
        return await node.open_group(node.stored_groups[0])
    group = await node.create_group("Chat", rules=peergraph.GroupRules(creator_name=name))
    link = await group.invite(uses=20)
    print(link.qr_text(), link, sep="\n", flush=True)
    return group


async def show(group: peergraph.Group) -> None:
    names: dict[peergraph.PeerId, str] = {}
    async with group.events("record_changed", "member_changed", "sync_progress", record_type="chat.message") as events:
        async for event in events:
            match event:
                case RecordChanged(change="added", record=record):
                    if record.author not in names:
                        names |= {member.peer: member.name for member in await group.members()}
                    print(f"{names.get(record.author, record.author.short)}: {record.text}", flush=True)
                case MemberChanged(change=change, member=member):
                    print(f"({member.name} {change})", flush=True)
                case SyncProgress():
                    bar(event)


async def main(name: str, invitation: str | None) -> None:
    async with peergraph.Node.open(f"chat-{name}") as node:
        group = await enter(node, name, invitation)
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
