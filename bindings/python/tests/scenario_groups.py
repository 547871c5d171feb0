"""The verbs for groups, and for what moves between machines."""

from __future__ import annotations

import peergraph
from peergraph import GroupRules, NodeId, PeerId, SyncProgress, TypeRule
from scenario_world import World, verb
from scenarios import Facts, Step, flag, invitation_facts, many, ordered, peers, progress_facts, seconds, told


@verb
async def group(world: World, step: Step) -> Facts:
    rules = step.given(max_chain=int, min_version=int, properties=str, encrypted_bodies=flag)
    types = [TypeRule(name, *many(rule)) for name, rule in step.starting("rule.").items()]
    given = step.given(name=str, max_record=int, identity=lambda name: world.get(peergraph.Identity, name))
    made = await world.node(step.names[1]).create_group(rules=GroupRules(types=tuple(types), **rules), **given)
    return world.keep_group(step.names[0], made)


@verb
async def open_group(world: World, step: Step) -> Facts:
    opened = await world.node(step.names[1]).open_group(step.need("id"), **step.given(offline=flag))
    return world.keep_group(step.names[0], opened)


@verb
async def join_group(world: World, step: Step) -> Facts:
    given = step.given(name=str, password=str, deadline=seconds, identity=lambda name: world.get(peergraph.Identity, name))
    seen: list[SyncProgress] = []
    if "progress" in step.keys:
        given["on_progress"] = seen.append
    joined = await world.node(step.names[1]).join_group(step.need("invitation"), **given)
    return world.keep_group(step.names[0], joined) | progress_facts(step, seen)


@verb
async def rules(world: World, step: Step) -> Facts:
    now = await world.group(step.names[0]).rules()
    return told(
        creator_name=now.creator_name,
        max_chain=now.max_chain,
        min_version=now.min_version,
        properties=now.properties,
        encrypted_bodies=now.encrypted_bodies,
        records_end_with_membership=now.records_end_with_membership,
        types=ordered(rule.record_type for rule in now.types),
    )


@verb
async def role(world: World, step: Step) -> Facts:
    return told(role=await world.group(step.names[0]).role())


@verb
async def members(world: World, step: Step) -> Facts:
    every = await world.group(step.names[0]).members()
    present = sum(member.is_present for member in every)
    return told(count=len(every), names=ordered(member.name for member in every), present=present)


@verb
async def member(world: World, step: Step) -> Facts:
    one = await world.group(step.names[0]).member(PeerId(step.need("peer")))
    return told(name=one.name, role=one.role, present=one.is_present, issuer=one.issuer)


@verb
async def link(world: World, step: Step) -> Facts:
    given = step.given(role=str, uses=int, valid=seconds, lifetime=seconds, admitters=peers)
    return invitation_facts(await world.group(step.names[1]).invite(**given))


@verb
async def invite(world: World, step: Step) -> Facts:
    given = step.given(name=str, role=str, lifetime=seconds)
    whom = step.keys["whom"] if "whom" in step.keys else PeerId(step.need("peer"))
    return invitation_facts(await world.group(step.names[1]).invite(whom, **given))


@verb
async def password(world: World, step: Step) -> Facts:
    given = step.given(role=str, lifetime=seconds)
    return invitation_facts(await world.group(step.names[1]).set_password(step.need("password"), **given))


@verb
async def clear_password(world: World, step: Step) -> Facts:
    await world.group(step.names[0]).clear_password()
    return {}


@verb
async def invitation(world: World, step: Step) -> Facts:
    return invitation_facts(peergraph.Invitation(step.need("text")))


@verb
async def invitations(world: World, step: Step) -> Facts:
    every = await world.group(step.names[0]).invitations()
    first = {name: getattr(every[0], name) if every else None for name in ("key", "role", "uses", "used")}
    return told(count=len(every), **first)


@verb
async def revoke_invitation(world: World, step: Step) -> Facts:
    await world.group(step.names[0]).revoke_invitation(PeerId(step.need("key")))
    return {}


@verb
async def renew(world: World, step: Step) -> Facts:
    await world.group(step.names[0]).renew(PeerId(step.need("peer")), **step.given(lifetime=seconds))
    return {}


@verb
async def set_name(world: World, step: Step) -> Facts:
    await world.group(step.names[0]).set_name(step.need("name"))
    return {}


@verb
async def set_role(world: World, step: Step) -> Facts:
    await world.group(step.names[0]).set_role(PeerId(step.need("peer")), step.need("role"))
    return {}


@verb
async def remove(world: World, step: Step) -> Facts:
    given = step.given(reason=str, keep_records=flag, with_branch=flag, undo=flag)
    await world.group(step.names[0]).remove(PeerId(step.need("peer")), **given)
    return {}


@verb
async def revoke_device(world: World, step: Step) -> Facts:
    await world.group(step.names[0]).revoke_device(PeerId(step.need("peer")), NodeId(step.need("node")))
    return {}


@verb
async def restore_device(world: World, step: Step) -> Facts:
    await world.group(step.names[0]).restore_device(PeerId(step.need("peer")), NodeId(step.need("node")))
    return {}


@verb
async def revoked_devices(world: World, step: Step) -> Facts:
    every = await world.group(step.names[0]).revoked_devices(PeerId(step.need("peer")))
    first = {name: getattr(every[0], name) if every else None for name in ("node", "by")}
    return told(count=len(every), **first)


@verb
async def leave(world: World, step: Step) -> Facts:
    await world.group(step.names[0]).leave()
    return {}


@verb
async def credentials(world: World, step: Step) -> Facts:
    return told(count=len(await world.group(step.names[0]).credentials()))


# Files and texts from one machine to another


@verb
async def export_database(world: World, step: Step) -> Facts:
    path = world.folder / step.need("file")
    return told(count=await world.graph(step.names[0]).export_database(path, **step.given(password=str)))


@verb
async def import_database(world: World, step: Step) -> Facts:
    given = step.given(password=str, exporter=PeerId)
    count = await world.graph(step.names[0]).import_database(world.folder / step.need("file"), **given)
    return told(added=count.added, known=count.known, refused=count.refused, waiting=count.waiting)


@verb
async def export_membership(world: World, step: Step) -> Facts:
    return told(text=await world.group(step.names[0]).export_membership(step.need("password")))


@verb
async def import_membership(world: World, step: Step) -> Facts:
    made = await world.node(step.names[1]).import_membership(step.need("text"), step.need("password"))
    return world.keep_group(step.names[0], made)
