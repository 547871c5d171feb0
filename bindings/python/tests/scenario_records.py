"""The verbs for connections, records and events."""

from __future__ import annotations

import asyncio
from typing import Any

import peergraph
from peergraph import NodeAddr, NodeId, PeerId, Ticket
from scenario_world import VERBS, World, verb
from scenarios import (
    Facts,
    ScriptError,
    Step,
    attribute,
    connection_facts,
    connections_facts,
    event_facts,
    flag,
    from_now,
    many,
    ordered,
    peers,
    record_facts,
    seconds,
    told,
)


def target(step: Step) -> Any:
    match step.keys:
        case {"node": to, "addr": addr}:
            return NodeAddr(NodeId(to), (addr,))
        case {"node": to}:
            return NodeId(to)
        case {"peer": peer}:
            return PeerId(peer)
        case {"ticket": text}:
            return Ticket(text)
    raise ScriptError("no target")


@verb
async def connect(world: World, step: Step) -> Facts:
    given = step.given(expected_peer=PeerId, deadline=seconds)
    return connection_facts(await world.graph(step.names[1]).connect(target(step), **given))


@verb
async def enter(world: World, step: Step) -> Facts:
    await world.graph(step.names[0]).enter(target(step))
    return {}


@verb
async def direct(world: World, step: Step) -> Facts:
    return connection_facts((await world.graph(step.names[1]).open_direct(target(step))).info)


@verb
async def neighbors(world: World, step: Step) -> Facts:
    return connections_facts(await world.graph(step.names[0]).neighbors())


@verb
async def direct_connections(world: World, step: Step) -> Facts:
    return connections_facts(await world.graph(step.names[0]).direct_connections())


@verb
async def disconnect(world: World, step: Step) -> Facts:
    await world.graph(step.names[0]).disconnect(int(step.need("connection")))
    return {}


@verb
async def send(world: World, step: Step) -> Facts:
    on, data = int(step.need("connection")), step.keys.get("data", "").encode()
    receipt = await world.graph(step.names[0]).send(on, step.need("type"), data)
    return told(delivered=await receipt.delivered())


# Records


def content(step: Step) -> dict[str, Any]:
    attributes = {name: attribute(value) for name, value in step.starting("attribute.").items()}
    return {"attributes": attributes or None, **step.given(body=str, expires=from_now)}


@verb
async def publish(world: World, step: Step) -> Facts:
    return record_facts(await world.graph(step.names[1]).publish(step.need("type"), **content(step)))


@verb
async def update(world: World, step: Step) -> Facts:
    given = content(step) | step.given(expected_version=int)
    return record_facts(await world.graph(step.names[1]).update(peergraph.RecordId(step.need("id")), **given))


@verb
async def delete(world: World, step: Step) -> Facts:
    return told(version=await world.graph(step.names[0]).delete(peergraph.RecordId(step.need("id"))))


@verb
async def get(world: World, step: Step) -> Facts:
    found = await world.graph(step.names[1]).get(step.need("id"))
    return told(found=found is not None) | (record_facts(found) if found is not None else {})


@verb
async def list_(world: World, step: Step) -> Facts:
    given = step.given(creator=PeerId, include_deleted=flag, include_reserved=flag, page_size=int)
    pages = [page async for page in world.graph(step.names[0]).records(step.keys.get("type"), **given).pages()]
    every = [record for page in pages for record in page]
    return told(count=len(every), texts=[record.text for record in every], pages=len(pages))


@verb
async def conflicts(world: World, step: Step) -> Facts:
    found = await world.graph(step.names[1]).conflicts(**step.given(record=peergraph.RecordId))
    world.made[f"conflicts {step.names[0]}"] = found
    first = found[0] if found else None
    return told(count=len(found), winner=first and first.winner.text, loser=first and first.loser.text)


@verb
async def acknowledge_conflict(world: World, step: Step) -> Facts:
    found = world.made.get(f"conflicts {step.need('conflict')}")
    if not found:
        raise ScriptError("no conflict was found under this name")
    return told(known=await world.graph(step.names[0]).acknowledge_conflict(found[0]))


# Events


@verb
async def events(world: World, step: Step) -> Facts:
    given = step.given(snapshot=flag, after=bytes.fromhex, capacity=int)
    renamed = {"types": "record_type", "authors": "author", "data_types": "data_type"}
    given |= {renamed[key]: value for key, value in step.given(types=many, authors=peers, data_types=many).items()}
    kinds = many(step.keys["kinds"]) if "kinds" in step.keys else []
    return world.keep(step.names[0], world.graph(step.names[1]).events(*kinds, **given))


@verb
async def next_(world: World, step: Step) -> Facts:
    try:
        return event_facts(await asyncio.wait_for(anext(world.get(peergraph.EventStream, step.names[0])), world.patience))
    except StopAsyncIteration:
        return told(kind="end")
    except asyncio.TimeoutError:
        raise ScriptError("no event in time") from None


VERBS["find"] = next_


@verb
async def drain(world: World, step: Step) -> Facts:
    taken = [event_facts(event)["kind"] for event in world.get(peergraph.EventStream, step.names[0]).drain()]
    return told(count=len(taken), kinds=ordered(set(taken)))


@verb
async def cursor(world: World, step: Step) -> Facts:
    return told(cursor=world.get(peergraph.EventStream, step.names[0]).cursor)


@verb
async def save_cursor(world: World, step: Step) -> Facts:
    await world.graph(step.names[0]).save_cursor(step.need("name"), bytes.fromhex(step.need("cursor")))
    return {}


@verb
async def load_cursor(world: World, step: Step) -> Facts:
    return told(cursor=await world.graph(step.names[1]).load_cursor(step.need("name")))


@verb
async def close_events(world: World, step: Step) -> Facts:
    world.get(peergraph.EventStream, step.names[0]).close()
    return {}
