"""Publish to deliver with gossipsub of py-libp2p, two nodes on loopback: signed, neither stored nor replicated.

Prints messages/s. A program of its own, since py-libp2p runs under trio.
"""

from __future__ import annotations

import time

import multiaddr
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import PROTOCOL_ID, GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service

COUNT = 1_000
# As many as its queue to a peer takes without dropping some.
AT_ONCE = 20
TOPIC = "bench"
ANY = [multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]


def router() -> GossipSub:
    """Gossipsub as it comes, without its limit of ten messages/s."""
    limit = {"spam_protection_enabled": False, "max_messages_per_topic_per_second": 1e9}
    return GossipSub([PROTOCOL_ID], 6, 4, 12, heartbeat_interval=1, **limit)


async def main() -> None:
    """Two hosts; one publishes, the other counts."""
    ann, ben = new_host(key_pair=create_new_key_pair()), new_host(key_pair=create_new_key_pair())
    async with ann.run(ANY), ben.run(ANY):
        here, there = Pubsub(ann, router()), Pubsub(ben, router())
        routers = background_trio_service(here.router), background_trio_service(there.router)
        async with background_trio_service(here), background_trio_service(there), routers[0], routers[1]:
            await here.wait_until_ready()
            await there.wait_until_ready()
            await here.subscribe(TOPIC)
            heard = await there.subscribe(TOPIC)
            await ann.connect(info_from_p2p_addr(ben.get_addrs()[0]))
            body = b"x" * 32
            with trio.fail_after(60):
                # The mesh is there once a first message has come through.
                came = False
                while not came:
                    await here.publish(TOPIC, b"first")
                    with trio.move_on_after(0.2):
                        came = bool(await heard.get())
                with trio.move_on_after(0.5):
                    while True:
                        await heard.get()
                begun = time.perf_counter()
                for _ in range(COUNT // AT_ONCE):
                    async with trio.open_nursery() as nursery:
                        for _ in range(AT_ONCE):
                            nursery.start_soon(here.publish, TOPIC, body)
                    for _ in range(AT_ONCE):
                        await heard.get()
                print(COUNT / (time.perf_counter() - begun))


if __name__ == "__main__":
    trio.run(main)
