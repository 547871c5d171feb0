"""Two processes of an installed package: one makes a group and waits for a record, the other joins and writes it."""

import asyncio
import subprocess
import sys
from importlib.metadata import version

import peergraph


async def make() -> None:
    config = peergraph.NodeConfig(in_memory=True, bind=("127.0.0.1:0",), mdns=False)
    async with peergraph.Node.start(config) as node:
        group = await node.create_group("Book club")
        events = group.events("record_changed", record_type="chat.message")
        invitation = str(await group.invite())
        other = subprocess.Popen([sys.executable, __file__, invitation])  # noqa: ASYNC220
        event = await asyncio.wait_for(anext(events), 60)
        assert isinstance(event, peergraph.RecordChanged)
        assert event.record.text == "hello", event
        assert other.wait(60) == 0
        print(f"peergraph {version('peergraph')}: a record came from another process")


async def join(invitation: str) -> None:
    config = peergraph.NodeConfig(in_memory=True, bind=("127.0.0.1:0",), mdns=False)
    async with peergraph.Node.start(config) as node:
        group = await node.join_group(invitation, name="Ben")
        await group.publish("chat.message", "hello", attributes={"room": "main"})


asyncio.run(join(sys.argv[1]) if len(sys.argv) > 1 else make())
