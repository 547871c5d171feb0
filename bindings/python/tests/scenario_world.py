"""What a scenario has made, and how it is played."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import peergraph
from conftest import PATIENCE, is_foreign
from peergraph import Group, Node
from scenarios import Facts, ScriptError, Step, meant, shown, told

T = TypeVar("T")


class World:
    """What the steps of one scenario made."""

    def __init__(self, folder: Path, patience: float) -> None:
        self.folder, self.patience = folder, patience
        self.made: dict[str, Any] = {}

    def get(self, kind: type[T], name: str) -> T:
        found = self.made.get(f"{kind.__name__} {name}")
        if found is None and kind is peergraph.Graph:
            found = self.made.get(f"Group {name}")
        if found is None:
            raise ScriptError(f"no {kind.__name__.lower()} is called {name}")
        return found  # type: ignore[no-any-return]

    def keep(self, called: str, made: object, /, **facts: object) -> Facts:
        self.made[f"{type(made).__name__} {called}"] = made
        return told(**facts)

    async def end(self) -> None:
        for made in self.made.values():
            if isinstance(made, Node):
                await made.shutdown()

    def node(self, name: str) -> Node:
        return self.get(Node, name)

    def graph(self, name: str) -> peergraph.Graph:
        return self.get(peergraph.Graph, name)

    def group(self, name: str) -> Group:
        return self.get(Group, name)

    def keep_graph(self, name: str, graph: peergraph.Graph) -> Facts:
        self.made.pop(f"Group {name}", None)
        return self.keep(name, graph, id=graph.id, outcome=graph.open_outcome)

    def keep_group(self, name: str, group: Group) -> Facts:
        self.made.pop(f"Graph {name}", None)
        return self.keep(name, group, id=group.id, outcome=group.join_outcome)

    def keep_identity(self, name: str, made: peergraph.Identity) -> Facts:
        return self.keep(name, made, peer=made.peer_id, peer_name=made.peer_name, name=made.name)


VERBS: dict[str, Callable[[World, Step], Awaitable[Facts]]] = {}


def verb(function: Callable[[World, Step], Awaitable[Facts]]) -> Callable[[World, Step], Awaitable[Facts]]:
    VERBS[function.__name__.rstrip("_").replace("_", "-")] = function
    return function


async def attempt(world: World, step: Step) -> Facts:
    """Does a step once; fails with AssertionError if it did not do what it should."""
    try:
        facts = await asyncio.wait_for(VERBS[step.verb](world, step), 2 * PATIENCE)
    except peergraph.Error as error:
        if is_foreign(str(error)):
            raise ScriptError(f"C48: {error}") from error
        if step.error == error.kind:
            return {}
        raise AssertionError(f"{step.verb} failed with {error.kind}: {error}, expected {step.error}") from error
    assert step.error is None, f"{step.verb} should have failed with {step.error}: {facts}"
    for fact, value in step.facts.items():
        assert facts.get(fact) == value, f"expected {fact}={value}, {step.verb} told {facts}"
    return facts


async def take(world: World, step: Step) -> Facts:
    """Does a step, again and again if it may be."""
    deadline = asyncio.get_running_loop().time() + world.patience
    while True:
        try:
            return await attempt(world, step)
        except AssertionError:
            if not (step.until or step.verb == "find") or asyncio.get_running_loop().time() > deadline:
                raise
        if step.until:
            await asyncio.sleep(0.005)


async def play(steps: list[Step], folder: Path, patience: float) -> None:
    """Plays a scenario to its end, or to the first step that does not do what it should."""
    world, known = World(folder, patience), dict[str, str]()
    try:
        for step in steps:
            for turn in range(1 if step.repeat is None else step.repeat):

                def word(value: str, step: Step = step, turn: int = turn) -> str:
                    return meant(value if step.repeat is None else value.replace("#", str(turn)), known)

                try:
                    keys = {key: word(value) for key, value in step.keys.items()}
                    facts = {key: word(value) for key, value in step.facts.items()}
                    facts = await take(world, replace(step, keys=keys, facts=facts))
                except (AssertionError, ScriptError) as error:
                    raise ScriptError(f"line {step.line}: {error}") from None
                known.update({f"{step.names[0]}.{fact}": shown(value) for fact, value in facts.items()})
    finally:
        await world.end()
