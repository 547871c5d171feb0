"""The package beside ``tests/scenarios/schema.txt``, which the core writes: nothing is missing, and nothing is of its own
but what the tables here name. A line of a table that is not needed any more fails too.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import typing
from collections import defaultdict
from datetime import timedelta
from enum import Enum
from typing import Any

import peergraph
import pytest
from peergraph import Node, NodeConfig
from scenarios import FOLDER

LINES = [line.split() for line in (FOLDER / "schema.txt").read_text().splitlines() if not line.startswith("#")]


def table(word: str) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = defaultdict(list)
    for first, name, *rest in LINES:
        if first == word:
            found[name].append(rest)
    return found


VALUES, TELLS, FIELDS, OPTIONS, METHODS = map(table, ("value", "tells", "field", "option", "method"))
TYPES = set(table("type"))

# Enumerations that are plain text here: the option that takes their names.
TEXTS = {"NetworkMode": "network", "Durability": "durability"}
# Sealing of keys is two options, of which one is given.
NO_ENUM = {"KeyProtection"}
OWN_ENUMS = {"InvitationKind": ["identity", "link", "password"]}

EVENT_CLASSES = {"direct_connection": "DirectConnectionChanged", "neighbor_connection": "NeighborConnectionChanged"}

# Fields that are not here, and others that are.
LESS = {
    "Record": {"key", "replaced"},
    "Invitation": {"way"},
    "Ticket": {"secret"},
}
MORE = {
    "Record": {"text"},
    "Invitation": {"kind", "subject", "uses", "nodes", "qr_svg", "qr_text"},
    "MemberInfo": {"is_present"},
    "NodeConfig": {"in_memory", "loopback"},
}
# Structures of the core that are arguments, results or events of other names here.
NO_CLASS = {"ConnectionEvent", "RecordDraft", "JoinGraph", "JoinGroup", "UpdateOutcome"}

# Where the options are arguments: the call, and those of its arguments that are something else.
CALLS: dict[str, tuple[Any, set[str]]] = {
    "NodeConfig": (NodeConfig, {"in_memory"}),
    "GraphProperties": (peergraph.GraphProperties, set()),
    "GroupRules": (peergraph.GroupRules, set()),
    "CreateGraph": (Node.create_graph, {"name"}),
    "OpenGraph": (Node.open_graph, {"graph"}),
    "ConflictQuery": (peergraph.Graph.conflicts, set()),
    "CreateGroup": (Node.create_group, {"name"}),
    "PropertiesUpdate": (peergraph.Graph.set_properties, {"presence_of_all"}),
    "RecordUpdate": (peergraph.Graph.update, {"record"}),
    "ListQuery": (peergraph.Graph.records, set()),
    "SubscribeOptions": (peergraph.Graph.events, set()),
    "ConnectOptions": (peergraph.Graph.connect, {"target", "progress"}),
    "CreateIdentity": (peergraph.Identities.create, set()),
    "InviteMember": (peergraph.Group.invite, {"whom", "name", "uses", "valid", "admitters"}),
    "InviteLink": (peergraph.Group.invite, {"whom", "name"}),
    "InvitePassword": (peergraph.Group.set_password, {"password"}),
    "RemoveMember": (peergraph.Group.remove, {"peer"}),
    "ImportDatabase": (peergraph.Graph.import_database, {"path"}),
}
# Options that go by other names here, with their defaults.
RENAMED: dict[tuple[str, str], dict[str, object]] = {
    ("NodeConfig", "key_protection"): {"passphrase": None, "key": None, "key_source": None},
    ("NodeConfig", "network"): {"network": "local", "relays": (), "lookup": None},
    ("CreateGraph", "properties"): {"properties": None},
    ("CreateGroup", "properties"): {"properties": None},
    ("CreateGroup", "rules"): {"rules": None},
    ("ListQuery", "after"): {},
    ("ListQuery", "through"): {},
    ("ListQuery", "limit"): {"page_size": 0},
    ("ListQuery", "count"): {},
    ("ConflictQuery", "after"): {},
    ("ConflictQuery", "limit"): {"page_size": 0},
    ("SubscribeOptions", "filter"): {"kinds": ..., "record_type": (), "author": (), "data_type": ()},
    ("SubscribeOptions", "start"): {"snapshot": False, "after": None},
}

# What has methods, and how those are called here that are called otherwise; None: not needed in Python.
HANDLES: dict[str, dict[str, str | None]] = {
    "Node": {"open_group_with": "open_group"},
    "Graph": {"connect_with": "connect", "nodes_of": "nodes", "list": "records", "subscribe": "events"},
    "Group": {"graph": None, "id": "id", "invite_link": "invite", "invite_peer": "invite"},
    "Identities": {"import": "import_identity"},
    "Identity": {},
    "DirectConnection": {},
    "SendReceipt": {},
    "EventStream": {
        "is_finished": None,
        "next": "__anext__",
        "next_batch": "batch",
        "ready": None,
        "set_wake_hook": None,
    },
    "IdentityDescription": {"issue": None, "signature": None},
    "PeerName": {},
    # What only issuers and joiners need, both of them in the core.
    "Invitation": {"access": None, "open": None, "signed": None, "unsigned": None},
}
OWN_METHODS = {"Graph": {"plot", "topology"}, "Group": set[str]()}
# Without waiting here, or with waiting that `async with` and `await` share.
OTHER_WAITS = {("Graph", "connect"), ("Node", "open"), ("Node", "start"), ("Node", "in_memory")}

# Types of the core that have no class here: what stands for them.
OTHER_TYPES = {
    "ApiVersion": "a tuple",
    "Attributes": "a dict",
    "ConnectionId": "an int",
    "Connecting": "an await",
    "ErrorKind": "classes",
    "GraphRef": "GraphId | Ticket",
    "GraphSecret": "in a Ticket",
    "KeyProtection": "arguments",
    "KeySource": "a callable",
    "NetworkMode": "text",
    "Durability": "text",
    "Page": "RecordList",
    "RecordPages": "Records",
    "RecordType": "text",
    "Result": "exceptions",
    "SecretKey": "bytes",
    "Target": "a union",
    "Census": "for the tests of the core",
    "Moment": "datetime",
    "OnProgress": "a function",
    "JoinGraph": "arguments",
    "Timestamp": "datetime",
    "UpdateOutcome": "an int",
    "Value": "values",
    "Who": "text",
    "RecordDraft": "arguments",
    "EventFilter": "arguments",
    "JoinGroup": "arguments",
    **dict.fromkeys(set(CALLS) & TYPES - {"NodeConfig", "GraphProperties", "GroupRules"}, "arguments"),
}
OWN_TYPES = {"Conflicts", "ERRORS", "InvitationKind", "RecordList", "Records", "Event"}
# Exported by the core in a module below its root.
BELOW = {"ChangeKind", "ChangeOrigin", "ConnectionChange", "ConnectionKind", "FailureReason", "Fingerprint"} | {
    "GroupFailure",
    "IncomingData",
    "MemberChange",
    "MemberInfo",
    "NodeChange",
    "NodeInfo",
    "RecordChanged",
    "RequiredReason",
    "Status",
}


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def public(of: type) -> set[str]:
    return {name for name in vars(of) if not name.startswith("_")}


def written(value: object) -> str:
    """A default as the schema writes it."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case Enum():
            return str(value)
        case timedelta():
            return f"{value.total_seconds():g}s" if value < timedelta(days=1) else f"{int(value.total_seconds())}s"
        case ():
            return "[]"
        case (int(major), int(minor)):
            return f"{major}.{minor}"
        case "":
            return '""'
    return str(value)


def test_x1_every_error_of_the_core_has_its_class() -> None:
    wanted = {int(code): name for _, name, code in (line for line in LINES if line[0] == "error")}
    assert {code: error.kind for code, error in peergraph.ERRORS.items()} == wanted
    assert {error.__name__ for error in peergraph.ERRORS.values()} == {f"{name}Error" for name in wanted.values()}
    exported = {name for name in peergraph.__all__ if name.endswith("Error") and name != "Error"}
    assert exported == {f"{name}Error" for name in wanted.values()}


def test_every_value_of_an_enumeration_is_there() -> None:
    here = {name: found for name in peergraph.__all__ if isinstance(found := getattr(peergraph, name), type)}
    enums: dict[str, type[Enum]] = {name: found for name, found in here.items() if issubclass(found, Enum)}
    ours = {name: [str(each.value) for each in found] for name, found in enums.items()}
    theirs = {name: [value for (value,) in values] for name, values in VALUES.items()}
    assert ours == {k: v for k, v in theirs.items() if k not in TEXTS and k not in NO_ENUM} | OWN_ENUMS
    for name, found in enums.items():
        assert [each.name.lower() for each in found] == ours[name]


async def test_enumerations_that_are_text_take_their_names_and_no_others() -> None:
    for name, option in TEXTS.items():
        for (value,) in VALUES[name]:
            settings: dict[str, Any] = {option: value}
            async with Node.start(dataclasses.replace(NodeConfig.loopback(), **settings)):
                pass
        with pytest.raises(peergraph.InvalidArgumentError):
            await Node.start(dataclasses.replace(NodeConfig.loopback(), **{option: "other"}))  # type: ignore[arg-type]


def members(of: type) -> list[str]:
    if dataclasses.is_dataclass(of):
        return [each.name for each in dataclasses.fields(of)]
    return list(typing.cast(Any, of).__match_args__)


def test_e23_every_event_tells_what_it_tells_in_the_core() -> None:
    events = {name for first, name, *_ in LINES if first == "event"}
    classes = {name: EVENT_CLASSES.get(name, camel(name)) for name in events}
    assert {each.__name__ for each in typing.get_args(peergraph.Event)} == set(classes.values())
    for event, name in classes.items():
        assert members(getattr(peergraph, name)) == [field for field, _ in TELLS[event]], event


def test_every_field_is_there() -> None:
    assert not NO_CLASS - set(FIELDS)
    for name, fields in FIELDS.items():
        if name in NO_CLASS:
            continue
        found: type = getattr(peergraph, name)
        wanted = {field for field, _ in fields}
        assert LESS.get(name, set()) <= wanted, f"{name}: not needed in the table"
        here = public(found)
        if dataclasses.is_dataclass(found):
            here |= {each.name for each in dataclasses.fields(found)}
        assert here == wanted - LESS.get(name, set()) | MORE.get(name, set()), name


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_there_with_its_default(name: str) -> None:
    call, others = CALLS[name]
    here = {
        key: ... if each.default is inspect.Parameter.empty else each.default
        for key, each in inspect.signature(call).parameters.items()
        if key != "self"
    }
    assert others <= set(here), "not needed in the table"
    taken = set(others)
    for option, _, default in OPTIONS[name]:
        for key, value in RENAMED.get((name, option), {option: default}).items():
            found = here.get(key, "missing")
            same = found == value if (name, option) in RENAMED else written(found) == value
            assert same, f"{key}={found!r}, but {value} in the core"
            taken.add(key)
    assert set(here) == taken


@pytest.mark.parametrize("name", HANDLES)
def test_every_method_is_there(name: str) -> None:
    found, otherwise = getattr(peergraph, name), HANDLES[name]
    wanted = {method: (kind, arguments) for method, kind, *arguments in METHODS[name]}
    assert set(otherwise) <= set(wanted), "not needed in the table"
    expected = {otherwise.get(method, method) for method in wanted} - {None}
    for method, (kind, _) in wanted.items():
        here = otherwise.get(method, method)
        if here is None:
            continue
        call = inspect.getattr_static(found, here, None)
        assert call is not None, f"{name}.{here} is missing"
        if (name, here) not in OTHER_WAITS and here not in ("records", "conflicts"):
            assert (asyncio.iscoroutinefunction(call) or hasattr(call, "is_call")) == (kind == "async"), here
        assert inspect.getdoc(getattr(found, here)), f"{name}.{here} says nothing"
    inherited = public(peergraph.Graph) if name == "Group" else set()
    fields = {field for field, _ in FIELDS.get(name, [])} | MORE.get(name, set())
    assert public(found) - expected - inherited - fields == OWN_METHODS.get(name, set())


def test_every_type_is_there() -> None:
    here = {name for name in peergraph.__all__ if not (name.endswith("Error") and name != "Error")}
    events = {EVENT_CLASSES.get(name, camel(name)) for first, name, *_ in LINES if first == "event"}
    assert set(OTHER_TYPES) <= TYPES, "not needed in the table"
    # What an event tells can be a value by itself.
    assert here - OWN_TYPES - BELOW - (events - TYPES) == TYPES - set(OTHER_TYPES) - {"Event"}
    assert here >= BELOW | OWN_TYPES | events
