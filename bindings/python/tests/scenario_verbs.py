"""The verbs for nodes, identities and graphs."""

from __future__ import annotations

from dataclasses import replace

import peergraph
from peergraph import GraphProperties, Node, NodeConfig, NodeId, PeerId, SyncProgress
from scenario_world import World, verb
from scenarios import Facts, Step, flag, many, ordered, progress_facts, properties_facts, seconds, status_facts, told


@verb
async def node(world: World, step: Step) -> Facts:
    config = NodeConfig.loopback(world.folder / step.keys["dir"] if "dir" in step.keys else None)
    config = replace(config, **step.given(passphrase=str))
    if "encrypt" in step.keys:
        config = replace(config, encrypt_database=flag(step.keys["encrypt"]))
    if "version" in step.keys:
        major, minor = map(int, step.keys["version"].split("."))
        config = replace(config, version=(major, minor))
    made = await Node.start(config)
    return world.keep(step.names[0], made, id=made.id, peer=made.peer_id, addr=made.bound[0])


@verb
async def shutdown(world: World, step: Step) -> Facts:
    await world.node(step.names[0]).shutdown()
    return {}


@verb
async def stored(world: World, step: Step) -> Facts:
    of = world.node(step.names[0])
    return told(graphs=len(of.stored_graphs), groups=len(of.stored_groups), open=len(of.open_graphs))


@verb
async def identity(world: World, step: Step) -> Facts:
    identities = world.node(step.names[1]).identities
    return world.keep_identity(step.names[0], await identities.create(**step.given(name=str, classifier=str)))


@verb
async def default_identity(world: World, step: Step) -> Facts:
    return world.keep_identity(step.names[0], await world.node(step.names[1]).identities.default())


@verb
async def find_identity(world: World, step: Step) -> Facts:
    return world.keep_identity(step.names[0], world.node(step.names[1]).identities.get(step.need("peer_name")))


@verb
async def import_identity(world: World, step: Step) -> Facts:
    identities = world.node(step.names[1]).identities
    made = await identities.import_identity(step.need("text"), step.need("password"))
    return world.keep_identity(step.names[0], made)


@verb
async def set_default(world: World, step: Step) -> Facts:
    await world.node(step.names[0]).identities.set_default(peergraph.PeerName(step.need("peer_name")))
    return {}


@verb
async def identities(world: World, step: Step) -> Facts:
    every = world.node(step.names[0]).identities.list()
    return told(count=len(every), names=ordered(each.name for each in every))


@verb
async def rename(world: World, step: Step) -> Facts:
    of = world.get(peergraph.Identity, step.names[0])
    await of.rename(step.keys.get("name") or None)
    return told(name=of.name)


@verb
async def describe(world: World, step: Step) -> Facts:
    description = world.get(peergraph.Identity, step.names[0]).describe()
    return told(text=description, peer=description.peer_id, name=description.name)


@verb
async def export_identity(world: World, step: Step) -> Facts:
    return told(text=await world.get(peergraph.Identity, step.names[0]).export(step.need("password")))


@verb
async def sign(world: World, step: Step) -> Facts:
    return told(signature=world.get(peergraph.Identity, step.names[0]).sign(step.need("message").encode()))


@verb
async def verify(world: World, step: Step) -> Facts:
    signature = bytes.fromhex(step.need("signature"))
    return told(valid=PeerId(step.need("peer")).verify(step.need("message").encode(), signature))


@verb
async def groups_of(world: World, step: Step) -> Facts:
    return told(count=len(await world.get(peergraph.Identity, step.names[0]).groups()))


@verb
async def delete_identity(world: World, step: Step) -> Facts:
    await world.get(peergraph.Identity, step.names[0]).delete()
    return {}


@verb
async def alter(world: World, step: Step) -> Facts:
    text = step.need("text")
    middle = len(text) // 2
    if step.keys.get("cut") == "true":
        return told(text=text[:middle])
    return told(text=text[:middle] + ("b" if text[middle] == "a" else "a") + text[middle + 1 :])


# Graphs


@verb
async def graph(world: World, step: Step) -> Facts:
    given = step.given(max_record=int, seed=lambda byte: bytes([int(byte)] * 32), precedence=many)
    properties = GraphProperties(**step.given(name=str, comment=str))
    return world.keep_graph(step.names[0], await world.node(step.names[1]).create_graph(properties=properties, **given))


@verb
async def ticket(world: World, step: Step) -> Facts:
    made = await world.graph(step.names[1]).ticket()
    return told(text=made, graph=made.graph, nodes=len(made.nodes))


@verb
async def join(world: World, step: Step) -> Facts:
    seen: list[SyncProgress] = []
    on_progress = seen.append if "progress" in step.keys else None
    joined = await world.node(step.names[1]).join(step.need("ticket"), on_progress=on_progress)
    return world.keep_graph(step.names[0], joined) | progress_facts(step, seen)


@verb
async def open_(world: World, step: Step) -> Facts:
    opened = await world.node(step.names[1]).open_graph(step.need("graph"), **step.given(precedence=many, offline=flag))
    return world.keep_graph(step.names[0], opened)


@verb
async def close(world: World, step: Step) -> Facts:
    await world.graph(step.names[0]).close()
    return {}


@verb
async def delete_graph(world: World, step: Step) -> Facts:
    await world.node(step.names[0]).delete_graph(step.need("id"))
    return {}


@verb
async def listen(world: World, step: Step) -> Facts:
    return told(outcome=await world.graph(step.names[0]).listen())


@verb
async def status(world: World, step: Step) -> Facts:
    return status_facts(await world.graph(step.names[0]).status())


@verb
async def sync_progress(world: World, step: Step) -> Facts:
    now = await world.graph(step.names[0]).sync_progress()
    return told(records=now and now.records, expected=now and now.records_expected)


@verb
async def genesis(world: World, step: Step) -> Facts:
    now = await world.graph(step.names[0]).genesis()
    return told(creator=now.creator, max_record=now.max_record, group=now.rules is not None)


@verb
async def properties(world: World, step: Step) -> Facts:
    return properties_facts(await world.graph(step.names[0]).properties())


@verb
async def set_properties(world: World, step: Step) -> Facts:
    given = step.given(name=str, comment=str, presence_lifetime=seconds, defer_expiration=flag)
    if step.keys.get("presence_max") == "none":
        given["presence_of_all"] = True
    else:
        given |= step.given(presence_max=int)
    return properties_facts(await world.graph(step.names[0]).set_properties(**given))


@verb
async def same(world: World, step: Step) -> Facts:
    one, other = [await world.graph(name).fingerprint() for name in step.names]
    return told(equal=one == other, count=one.count)


@verb
async def nodes(world: World, step: Step) -> Facts:
    every = await world.graph(step.names[0]).nodes(**step.given(peer=PeerId))
    return told(count=len(every), peers=ordered(info.peer for info in every))


@verb
async def node_info(world: World, step: Step) -> Facts:
    info = await world.graph(step.names[0]).node_info(NodeId(step.need("node")))
    return told(node=info.node, peer=info.peer, attributes=info.attributes)


@verb
async def set_attributes(world: World, step: Step) -> Facts:
    await world.graph(step.names[0]).set_node_attributes(step.keys.get("text"))
    return {}


@verb
async def force_presence(world: World, step: Step) -> Facts:
    await world.graph(step.names[0]).force_presence(flag(step.need("forced")))
    return {}


@verb
async def contacts(world: World, step: Step) -> Facts:
    return told(count=len(await world.graph(step.names[0]).contacts()))
