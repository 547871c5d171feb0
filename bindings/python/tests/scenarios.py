"""The scenario language of ``tests/scenarios``: reading it, and playing it on the package."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeAlias

import peergraph
from peergraph import PeerId, RecordChanged

FOLDER = Path(__file__).resolve().parents[3] / "tests" / "scenarios"
Facts: TypeAlias = dict[str, str]


class ScriptError(Exception):
    """The script is wrong, or it did not go as it says."""


@dataclass
class Step:
    line: int
    verb: str
    names: list[str]
    keys: Facts = field(default_factory=dict)
    facts: Facts = field(default_factory=dict)
    error: str | None = None
    until: bool = False
    repeat: int | None = None

    def need(self, key: str) -> str:
        if key not in self.keys:
            raise ScriptError(f"{self.verb} needs {key}=")
        return self.keys[key]

    def given(self, **keys: Callable[[str], Any]) -> dict[str, Any]:
        """The keys of these names that the step has, as arguments."""
        try:
            return {key: read(self.keys[key]) for key, read in keys.items() if key in self.keys}
        except (ValueError, KeyError) as error:
            if isinstance(error, peergraph.Error):
                raise
            raise ScriptError(f"{self.verb}: {error} cannot be read") from None

    def starting(self, start: str) -> Facts:
        return {key[len(start) :]: value for key, value in self.keys.items() if key.startswith(start)}


@dataclass
class Verb:
    names: int
    keys: list[str]
    facts: list[str]


def read_verbs() -> dict[str, Verb]:
    verbs = {}
    for line in (FOLDER / "verbs.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            takes, _, tells = line.partition(" -> ")
            name, *words = takes.split()
            keys = [word for word in words if not word[0].isupper()]
            verbs[name] = Verb(len(words) - len(keys), keys, tells.split())
    return verbs


def listed(known: list[str], word: str) -> bool:
    return any(word == name or (name.endswith(".") and word.startswith(name)) for name in known)


def parse(text: str) -> dict[str, list[Step]]:
    """The scenarios of a file, by name."""
    verbs, found, steps = read_verbs(), {}, None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "scenario" and len(words) == 2:
            if words[1] in found:
                raise ScriptError(f"two scenarios are called {words[1]}")
            steps = found[words[1]] = list[Step]()
        elif steps is None:
            raise ScriptError(f"line {number}: a step before the first scenario")
        else:
            steps.append(parse_step(number, words, verbs))
    return found


def parse_step(line: int, words: list[str], verbs: dict[str, Verb]) -> Step:
    def refuse(what: str) -> ScriptError:
        return ScriptError(f"line {line}: {what}")

    until = words[0] == "until"
    words = words[until:]
    repeat = None
    if words[0] == "repeat":
        if not words[1].isdigit():
            raise refuse("repeat needs a number")
        repeat, words = int(words[1]), words[2:]
    if words[0] not in verbs:
        raise refuse(f"there is no verb {words[0]!r}")
    verb, step, telling = verbs[words[0]], Step(line, words[0], [], until=until, repeat=repeat), False
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals and word == "->" and not telling:
            telling = True
        elif not equals and not telling and not step.keys:
            step.names.append(word)
        elif not equals:
            raise refuse(f"{word!r} stands in no place for a name")
        elif key == "error":
            step.error = value
        else:
            known, into = (verb.facts, step.facts) if telling else (verb.keys, step.keys)
            if not listed(known, key):
                raise refuse(f"{step.verb} knows no {key!r}")
            if key in into:
                raise refuse(f"{key!r} is given twice")
            into[key] = value
    if len(step.names) != verb.names:
        raise refuse(f"{step.verb} takes {verb.names} names, not {len(step.names)}")
    if telling and (not step.facts or step.error):
        raise refuse("-> is for facts, and who fails tells none")
    return step


def meant(word: str, known: Facts) -> str:
    if word.startswith("@"):
        if word[1:] not in known:
            raise ScriptError(f"nothing told {word}")
        return known[word[1:]]
    many = re.fullmatch(r"(.)\*(\d+)", word)
    return many[1] * int(many[2]) if many else word


def shown(value: object) -> str:
    """A value as the language writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, timedelta):
        return str(int(value.total_seconds()))
    if isinstance(value, list | tuple):
        return ",".join(map(shown, value))
    return str(value)


def told(**facts: object) -> Facts:
    return {name.rstrip("_"): shown(value) for name, value in facts.items()}


def ordered(items: Iterable[object]) -> list[str]:
    return sorted(map(shown, items))


def flag(text: str) -> bool:
    return {"true": True, "false": False}[text]


def seconds(text: str) -> timedelta | None:
    return None if text == "none" else timedelta(seconds=float(text))


def from_now(text: str) -> datetime:
    return datetime.now(timezone.utc) + timedelta(seconds=int(text))


def many(text: str) -> list[str]:
    return text.split(",")


def peers(text: str) -> list[PeerId]:
    return [PeerId(each) for each in many(text)]


def attribute(text: str) -> Any:
    kind, _, rest = text.partition(":")
    readers: dict[str, Callable[[str], Any]] = {
        "text": str,
        "int": int,
        "float": float,
        "bool": flag,
        "time": lambda at: datetime.fromtimestamp(int(at), timezone.utc),
        "bytes": bytes.fromhex,
        "list": lambda items: [attribute(item) for item in many(items)],
    }
    if kind not in readers:
        raise ScriptError(f"{text} is no value of an attribute")
    return readers[kind](rest)


def attribute_shown(value: Any) -> str:
    match value:
        case bool():
            return f"bool:{shown(value)}"
        case str():
            return f"text:{value}"
        case int():
            return f"int:{value}"
        case float():
            return f"float:{value}"
        case datetime():
            return f"time:{int(value.timestamp())}"
        case bytes():
            return f"bytes:{value.hex()}"
    return "list:" + ",".join(map(attribute_shown, value))


def record_facts(record: peergraph.Record) -> Facts:
    facts = {f"attribute.{name}": attribute_shown(value) for name, value in record.attributes.items()}
    return facts | told(
        id=record.id,
        type=record.record_type,
        version=record.version,
        text=record.text,
        creator=record.creator,
        author=record.author,
        deleted=record.deleted,
        expires=record.expires is not None,
    )


def properties_facts(now: peergraph.GraphProperties) -> Facts:
    return told(
        name=now.name,
        comment=now.comment,
        presence_lifetime=now.presence_lifetime,
        presence_max=now.presence_max,
        defer_expiration=now.defer_expiration,
    )


def status_facts(now: peergraph.Status) -> Facts:
    return told(listening=now.listening, connections=now.has_connections, synchronized=now.synchronized)


def progress_facts(step: Step, seen: list[peergraph.SyncProgress]) -> Facts:
    """What a join with progress=true was told, and whether that ended with everything."""
    if step.keys.get("progress") != "true":
        return {}
    whole = bool(seen) and seen[-1].records_expected == seen[-1].records > 0
    return told(told=bool(seen), whole=whole)


def connection_facts(info: peergraph.ConnectionInfo) -> Facts:
    return told(connection=info.connection, link=info.kind, node=info.node, peer=info.peer)


def connections_facts(all_: list[peergraph.ConnectionInfo]) -> Facts:
    first = all_[0].connection if all_ else None
    return told(count=len(all_), peers=ordered(info.peer for info in all_), connection=first)


def event_facts(event: peergraph.Event) -> Facts:
    """What an event tells."""
    match event:
        case peergraph.StatusChanged(status):
            return told(kind="status_changed") | status_facts(status)
        case peergraph.PropertyChanged(changed, properties):
            return told(kind="property_changed", changed=ordered(changed)) | properties_facts(properties)
        case RecordChanged(change, record, origin, conflict, cursor):
            facts = told(change=change, origin=origin, conflict=conflict is not None, cursor=cursor)
            return told(kind="record_changed") | facts | record_facts(record)
        case peergraph.DirectConnectionChanged() | peergraph.NeighborConnectionChanged():
            direct = isinstance(event, peergraph.DirectConnectionChanged)
            return told(
                kind="direct_connection" if direct else "neighbor_connection",
                change=event.change,
                connection=event.connection,
                node=event.node,
                peer=event.peer,
                reason=event.reason,
                hop=event.hop,
            )
        case peergraph.IncomingData(connection, kind, node, peer, data_type, data):
            facts = told(connection=connection, link=kind, node=node, peer=peer, type=data_type, data=data.decode())
            return told(kind="incoming_data") | facts
        case peergraph.ConnectionRequired(reason):
            return told(kind="connection_required", reason=reason)
        case peergraph.NodeChanged(change, node):
            return told(kind="node_changed", change=change, node=node.node, peer=node.peer, attributes=node.attributes)
        case peergraph.Synchronized(record_type):
            return told(kind="synchronized", type=record_type)
        case peergraph.MemberChanged(change, member):
            return told(kind="member_changed", change=change, peer=member.peer, name=member.name, role=member.role)
        case peergraph.ConnectionFailed(reason):
            return told(kind="connection_failed", reason=reason)
        case peergraph.SyncProgress(records, bytes_, records_expected, bytes_expected):
            expected = told(records_expected=records_expected, bytes_expected=bytes_expected)
            return told(kind="sync_progress", records=records, bytes=bytes_) | expected
        case peergraph.Lagged(dropped):
            return told(kind="lagged", dropped=dropped)
        case peergraph.Reset():
            return told(kind="reset")
        case peergraph.CaughtUp(cursor):
            return told(kind="caught_up", cursor=cursor)
    raise ScriptError(f"an event without a case: {event!r}")


def invitation_facts(invitation: peergraph.Invitation) -> Facts:
    return told(
        text=invitation,
        kind=invitation.kind,
        role=invitation.role,
        group_name=invitation.group_name,
        issuer=invitation.issuer,
        issuer_name=invitation.issuer_name,
        subject=invitation.subject,
    )
