"""All that the core's interface offers, from Python: what it does, and how it says no."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import peergraph
import peergraph.sync
import pytest
from conftest import PATIENCE, eventually, soon
from peergraph import Graph, Group, Node, NodeConfig


async def joined(group: Group, node: Node, name: str = "Ben", role: str = "member") -> Group:
    return await node.join_group(str(await group.invite(role=role)), name=name)


async def test_e10_records_are_published_changed_found_and_deleted(node: Node) -> None:
    graph = await node.create_graph("notes")
    now = datetime.now(timezone.utc).replace(microsecond=0)
    attributes: dict[str, Any] = {
        "s": "ä",
        "i": -(2**63),
        "f": 1.5,
        "b": True,
        "t": now,
        "x": b"\0\xff",
        "l": [1, "two", 3.0],
    }
    note = await graph.publish("note", "milk", attributes=attributes, expires=now + timedelta(days=1))
    assert (note.text, note.body, note.version, note.record_type) == ("milk", b"milk", 1, "note")
    assert note.attributes == attributes
    assert note.attributes["b"] is True
    assert note.expires == now + timedelta(days=1)
    assert note.author == note.creator == node.peer_id
    assert await graph.get(note.id) == note
    assert await graph.get(str(note.id)) == note
    changed = await graph.update(note, body=b"bread", expected_version=1)
    assert (changed.version, changed.body, changed.attributes) == (2, b"bread", attributes)
    with pytest.raises(peergraph.VersionMismatchError):
        await graph.update(note, body=b"eggs", expected_version=1)
    assert await graph.delete(changed) == 3
    assert await graph.get(note.id) is None
    with pytest.raises(peergraph.DeletedError):
        await graph.delete(note)


async def test_x3_lists_are_snapshots_paged_sized_and_end(node: Node) -> None:
    graph = await node.create_graph("many")
    for number in range(25):
        await graph.publish("odd" if number % 2 else "even", str(number))
    everything = graph.records(page_size=10)
    assert await everything.count() == 25
    assert [len(page) async for page in everything.pages()] == [10, 10, 5]
    assert [record.text async for record in graph.records("odd")] == [str(n) for n in range(1, 25, 2)]
    assert len(await graph.records(creator=node.peer_id)) == 25
    assert await graph.records("none") == []
    begun = graph.records(page_size=20).pages()
    first = await anext(begun)
    await graph.publish("even", "late")
    assert len(first) + sum([len(page) async for page in begun]) == 25


async def test_e1_e3_e4_streams_get_what_they_asked_for(node: Node) -> None:
    graph = await node.create_graph("filters")
    both = [graph.events("record_changed", record_type="a") for _ in range(2)]
    mine = graph.events(peergraph.EventKind.RECORD_CHANGED, author=node.peer_id, record_type=["a", "b"])
    theirs = graph.events("record_changed", author=peergraph.PeerId(bytes(32)))
    states = graph.events("status_changed")
    await graph.publish("a", "1")
    await graph.publish("b", "2")
    assert [repr(event)[:14] for events in both for event in [await soon(events)]] == ["<RecordChanged"] * 2
    assert all(events.try_next() is None for events in both)
    assert [event.record.text for event in mine.drain() if isinstance(event, peergraph.RecordChanged)] == ["1", "2"]
    assert list(theirs.drain()) == []
    assert list(states.drain()) == []
    await graph.listen()
    match await soon(states):
        case peergraph.StatusChanged(peergraph.Status(listening=True, has_connections=False)):
            pass
        case unexpected:
            pytest.fail(repr(unexpected))


async def test_e8_e9_changes_name_what_changed(node: Node) -> None:
    graph = await node.create_graph("before")
    events = graph.events("property_changed", "record_changed")
    properties = await graph.set_properties(name="after", presence_lifetime=timedelta(minutes=10))
    assert properties == peergraph.GraphProperties("after", presence_lifetime=timedelta(minutes=10))
    record = await graph.publish("t", "x")
    await graph.update(record, body="y")
    await graph.delete(record)
    seen: list[object] = []
    while len(seen) < 4:
        match await soon(events):
            case peergraph.PropertyChanged(changed=names, properties=now):
                assert now == properties
                seen.append(names)
            case peergraph.RecordChanged(change=change, record=told, origin="local") if told.record_type == "t":
                seen.append(change)
    assert frozenset({"name", "presence_lifetime"}) in seen
    assert [each for each in seen if isinstance(each, str)] == ["added", "updated", "deleted"]


async def test_e20_a_snapshot_goes_over_into_live_events_and_cursors_go_on(node: Node) -> None:
    graph = await node.create_graph("cursors")
    await graph.publish("t", "1")
    events = graph.events("record_changed", record_type="t", snapshot=True)
    first, caught_up = await soon(events), await soon(events)
    assert isinstance(first, peergraph.RecordChanged)
    assert isinstance(caught_up, peergraph.CaughtUp)
    await graph.save_cursor("reader", first.cursor)
    await graph.publish("t", "2")
    cursor = await graph.load_cursor("reader")
    assert cursor == first.cursor
    later = graph.events("record_changed", record_type="t", after=cursor)
    again = await soon(later)
    assert isinstance(again, peergraph.RecordChanged)
    assert again.record.text == "2"
    assert await graph.load_cursor("nobody") is None
    foreign = graph.events("record_changed", after=bytes(24))
    assert isinstance(await soon(foreign), peergraph.Reset)


async def test_e12_e13_e22_data_goes_over_direct_connections_in_order(node: Node, other: Node) -> None:
    group = await node.create_group("data")
    far = await joined(group, other)
    events = far.events("direct_connection", "incoming_data", data_type=["part", "last"])
    async with await group.open_direct(other.peer_id) as connection:
        receipts = [await connection.send("part", bytes([n])) for n in range(20)]
        assert all([await receipt.delivered() for receipt in receipts])
        with pytest.raises(peergraph.InvalidArgumentError):
            await receipts[0].delivered()
        untaken = await connection.send("unheard", b"")
        assert await untaken.delivered() is False
        got: list[bytes] = []
        while len(got) < 20:
            event = await soon(events)
            if isinstance(event, peergraph.IncomingData):
                assert (event.peer, event.node, event.kind) == (node.peer_id, node.id, "direct")
                got.append(event.data)
            else:
                assert isinstance(event, peergraph.DirectConnectionChanged)
                assert event.change == peergraph.ConnectionChange.CONNECTED
        assert got == [bytes([n]) for n in range(20)]
    down = await soon(events)
    assert isinstance(down, peergraph.DirectConnectionChanged)
    assert (down.change, down.reason) == ("disconnected", "closed_by_peer")


async def test_groups_invite_promote_and_remove(node: Node, other: Node) -> None:
    group = await node.create_group("club", rules=peergraph.GroupRules(types=(peergraph.TypeRule("news", "admin"),)))
    assert (await group.rules()).types == (peergraph.TypeRule("news", peergraph.Role.ADMIN, "author"),)
    events = group.events("member_changed")
    invitation = await group.invite(role="member", uses=2)
    assert invitation == peergraph.Invitation(str(invitation))
    assert (invitation.kind, invitation.role, invitation.group_name) == ("link", peergraph.Role.MEMBER, "club")
    assert invitation.qr_svg().startswith("<?xml") or invitation.qr_svg().startswith("<svg")
    assert len(invitation.qr_text().splitlines()) > 20
    assert (invitation.uses, invitation.subject) == (2, None)
    assert [addr.node for addr in invitation.nodes] == [node.id]
    assert [open_.uses for open_ in await group.invitations()] == [2]
    far = await other.join_group(invitation, name="Ben")
    assert far.join_outcome == peergraph.JoinOutcome.JOINED
    with pytest.raises(PermissionError):
        await far.publish("news", "no")
    changes = []
    while "joined" not in changes:
        seen = await soon(events)
        assert isinstance(seen, peergraph.MemberChanged)
        assert (seen.member.name, seen.member.peer) == ("Ben", other.peer_id)
        changes.append(seen.change)
    await group.set_role(other.peer_id, peergraph.Role.ADMIN)

    async def promoted() -> bool:
        return await far.role() == "admin"

    await eventually("promoted", promoted)
    await far.publish("news", "yes")
    assert (await group.member(other.peer_id)).is_present
    await group.revoke_invitation((await group.invitations())[0])
    assert await group.invitations() == []
    await group.remove(other.peer_id, reason="rules")

    async def gone() -> bool:
        return all(member.peer != other.peer_id for member in await group.members())

    await eventually("removed", gone)
    with pytest.raises(peergraph.NotFoundError):
        await group.member(other.peer_id)
    assert len(await group.credentials()) >= 3


async def test_m7_wrong_passwords_and_invitations_are_refused(node: Node, other: Node) -> None:
    group = await node.create_group("secret")
    by_password = await group.set_password("open sesame")
    assert by_password.kind == "password"
    with pytest.raises(peergraph.WrongPasswordError):
        await other.join_group(by_password, password="close sesame")

    async def let_in() -> bool:
        try:
            far = await other.join_group(by_password, password="open sesame")
        except peergraph.ThrottledError:
            return False  # A wrong try makes the next one wait.
        return far.id == group.id and await far.role() == "member"

    await eventually("let in by the right password", let_in)
    described = (await other.identities.default()).describe()
    personal = await group.invite(str(described), role="reader", lifetime=timedelta(days=1))
    assert (personal.kind, personal.subject) == ("identity", other.peer_id)
    assert (personal.uses, personal.nodes) == (None, ()), "only he who is invited can tell"
    async with Node.start(NodeConfig.loopback()) as third:
        with pytest.raises(peergraph.InvitationNotForYouError):
            await third.join_group(personal)


async def test_i10_i12_identities_sign_are_moved_and_deleted(node: Node, other: Node) -> None:
    ann = await node.identities.create("Ann", classifier="work")
    assert (ann.name, ann.peer_name.classifier, ann.peer_name.peer) == ("Ann", "work", ann.peer_id)
    assert ann.peer_id.verify(b"text", ann.sign(b"text"))
    assert not ann.peer_id.verify(b"other", ann.sign(b"text"))
    text = await ann.export("long enough")
    with pytest.raises(PermissionError):
        await other.identities.import_identity(text, "long wrong!")
    moved = await other.identities.import_identity(text, "long enough")
    assert moved.peer_id == ann.peer_id
    await other.identities.set_default(moved)
    assert (await other.identities.default()).peer_id == ann.peer_id
    await ann.rename("Anna")
    assert node.identities.get(str(ann.peer_name)).name == "Anna"
    group = await node.create_group("hers", identity=ann)
    assert await ann.groups() == [group.id]
    with pytest.raises(peergraph.GroupsExistError):
        await ann.delete()
    await moved.delete()
    with pytest.raises(LookupError):
        moved.sign(b"")


async def test_x2_connects_have_one_outcome_within_their_deadline(node: Node, other: Node) -> None:
    graph = await node.create_graph("reach")
    await graph.listen()
    with pytest.raises(peergraph.ConnectToSelfError):
        await graph.connect(node.addr)
    nowhere = peergraph.NodeAddr(other.id, ("127.0.0.1:1",))
    with pytest.raises((TimeoutError, peergraph.UnreachableError)):
        await graph.connect(nowhere, deadline=timedelta(milliseconds=200))
    far = await other.join(await graph.ticket())
    assert [link.peer for link in await far.neighbors()] == [node.peer_id]
    with pytest.raises(peergraph.AlreadyNeighborError):
        await far.connect(node.addr, deadline=timedelta(seconds=20))
    await far.disconnect((await far.neighbors())[0].connection)
    hops: list[peergraph.Progress] = []
    again = await far.connect(node.addr, expected_peer=node.peer_id, progress=hops.append)
    assert (again.node, again.kind, hops) == (node.id, "neighbor", [])


async def test_databases_and_memberships_move(tmp_path: Path, other: Node) -> None:
    config = NodeConfig.loopback(tmp_path / "data")
    async with Node.start(config) as node:
        group = await node.create_group("moves")
        await group.publish("t", "kept")
        count = await group.export_database(tmp_path / "file", "long enough")
        with pytest.raises(FileExistsError):
            await group.export_database(tmp_path / "file")
        text = await group.export_membership("long enough")
        assert node.stored_groups == [group.id]
    moved = await other.import_membership(text, "long enough")
    with pytest.raises(peergraph.WrongPasswordError):
        await moved.import_database(tmp_path / "file", "long wrong!")
    taken = await moved.import_database(tmp_path / "file", "long enough")
    assert 0 < taken.added <= count
    assert [record.text for record in await moved.records("t")] == ["kept"]
    async with Node.start(config) as node:
        opened = await node.open_group(str(group.id))  # held: a group that nobody has is closed
        assert opened.open_outcome == "existing"
        with pytest.raises(peergraph.GraphInUseError):
            await node.delete_graph(group.id)
        with pytest.raises(peergraph.DirectoryInUseError):
            await Node.start(config)


async def test_keys_are_protected(tmp_path: Path) -> None:
    sealed = NodeConfig(data_dir=tmp_path, passphrase="sesame", encrypt_database=True, bind=("127.0.0.1:0",), mdns=False)
    async with Node.start(sealed) as node:
        peer = node.peer_id
    with pytest.raises(peergraph.KeyAccessError):
        await Node.start(NodeConfig.loopback(tmp_path))
    async with Node.start(sealed) as node:
        assert node.peer_id == peer
    with pytest.raises(peergraph.Error):
        await Node.start(NodeConfig(data_dir=tmp_path / "x", encrypt_database=True))


async def test_a_key_is_asked_for(tmp_path: Path) -> None:
    asked = []

    async def slowly() -> bytes:
        await asyncio.sleep(0)
        asked.append("slowly")
        return bytes([7]) * 32

    def at_once() -> bytes:
        asked.append("at once")
        return bytes([7]) * 32

    def locked() -> bytes:
        raise PermissionError("the screen is locked")

    config = NodeConfig.loopback(tmp_path)
    async with Node.start(replace(config, key_source=slowly)) as node:
        peer = node.peer_id
    async with Node.start(replace(config, key_source=at_once)) as node:
        assert node.peer_id == peer
    async with Node.start(replace(config, key=bytes([7]) * 32)) as node:
        assert node.peer_id == peer
    assert asked == ["slowly", "at once"]
    with pytest.raises(PermissionError, match="screen"):
        await Node.start(replace(config, key_source=locked))
    with pytest.raises(peergraph.KeyAccessError):
        await Node.start(replace(config, key_source=lambda: bytes(32)))
    for wrong in (lambda: b"short", lambda: None):
        with pytest.raises(peergraph.InvalidArgumentError, match="32 bytes"):
            await Node.start(replace(config, key_source=wrong))  # type: ignore[arg-type]
    for both in ({"key": bytes(32)}, {"passphrase": "sesame"}):
        with pytest.raises(peergraph.InvalidArgumentError, match="one of these"):
            await Node.start(replace(config, key_source=at_once, **both))
    # In memory nothing is sealed.
    async with Node.start(replace(NodeConfig.loopback(), key_source=locked)):
        pass


def test_a_key_is_asked_for_without_asyncio(tmp_path: Path) -> None:
    config = NodeConfig.loopback(tmp_path)
    with peergraph.sync.Node.start(replace(config, key_source=lambda: bytes(32))) as node:
        peer = node.peer_id
    with peergraph.sync.Node.start(replace(config, key=bytes(32))) as node:
        assert node.peer_id == peer

    async def slowly() -> bytes:
        return bytes(32)

    with pytest.raises(TypeError, match="plain function"):
        peergraph.sync.Node.start(replace(config, key_source=slowly))


async def test_x1_every_error_has_its_code_and_builtin_base(node: Node) -> None:
    assert len(peergraph.ERRORS) == len({error.kind for error in peergraph.ERRORS.values()}) > 45
    for code, error in peergraph.ERRORS.items():
        assert issubclass(error, peergraph.Error)
        assert (error.code, error.__name__) == (code, f"{error.kind}Error")
        assert len(error.__mro__) > 5
    graph = await node.create_graph("closed")
    await graph.close()
    with pytest.raises(peergraph.ClosedError) as caught:
        await graph.publish("t", "x")
    assert (caught.value.code, str(caught.value)) == (40, "the node or graph has been closed")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda g: g.publish("bad type", b""), peergraph.InvalidArgumentError),
        (lambda g: g.publish("peergraph.presence", b""), peergraph.ReservedError),
        (lambda g: g.publish("t", bytes(2**20 + 1)), peergraph.TooLargeError),
        (lambda g: g.publish("t", attributes={"n": 2**63}), peergraph.InvalidArgumentError),
        (lambda g: g.publish("t", attributes={"n": float("nan")}), peergraph.InvalidArgumentError),
        (lambda g: g.publish("t", attributes={"n": [[1]]}), peergraph.InvalidArgumentError),
        (lambda g: g.publish("t", attributes={"n": object()}), TypeError),
        (lambda g: g.publish("t", attributes={1: "x"}), TypeError),
        (lambda g: g.publish("t", expires=datetime(2099, 1, 1)), peergraph.InvalidArgumentError),
        (lambda g: g.publish("t", expires=datetime(2000, 1, 1, tzinfo=timezone.utc)), peergraph.InvalidExpirationError),
        (lambda g: g.get("xyz"), peergraph.InvalidIdError),
        (lambda g: g.connect("somebody"), TypeError),
        (lambda g: g.connect([], deadline=timedelta(-1)), peergraph.InvalidArgumentError),
        (lambda g: g.connect([], deadline=5), TypeError),
        (lambda g: g.save_cursor("", bytes(24)), peergraph.InvalidArgumentError),
        (lambda g: g.save_cursor("x", bytes(23)), peergraph.InvalidArgumentError),
        (lambda g: g.set_properties(name="x" * 256), peergraph.TooLargeError),
        (lambda g: g.direct_connection(99), peergraph.NotConnectedError),
    ],
)
async def test_wrong_arguments_say_what_is_wrong(node: Node, wrong: object, error: type[Exception]) -> None:
    graph = await node.create_graph("wrong")
    with pytest.raises(error) as caught:
        await wrong(graph)  # type: ignore[operator]
    assert str(caught.value)


async def test_values_compare_hash_pickle_and_show(node: Node) -> None:
    graph = await node.create_graph("values")
    for value in (node.id, node.peer_id, graph.id, await graph.ticket(), (await graph.nodes())[0]):
        same = pickle.loads(pickle.dumps(value))
        assert (same, hash(same)) == (value, hash(value))
    assert peergraph.PeerId(str(node.peer_id)) == peergraph.PeerId(bytes(node.peer_id)) == node.peer_id
    assert len({node.id, peergraph.NodeId(node.id)}) == 1
    with pytest.raises(ValueError, match="64 hexadecimal"):
        peergraph.PeerId("xy")
    with pytest.raises(ValueError, match="peer name"):
        peergraph.PeerName("")
    assert "<table>" in node._repr_html_()
    assert "values" in graph._repr_html_()
    await graph.publish("t", "<script>")
    assert "&lt;script&gt;" in (await graph.records())._repr_html_()
    await graph.close()
    assert "closed" in graph._repr_html_()


async def test_frames_and_topology(node: Node, other: Node) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("networkx")
    group = await node.create_group("pictures")
    await group.publish("t", "x", attributes={"room": "main"})
    far = await joined(group, other)
    frame = await far.records().to_pandas()
    assert frame.loc[:, ["record_type", "text", "attribute.room"]].to_numpy().tolist() == [["t", "x", "main"]]
    assert (await far.records("none").to_pandas()).empty
    made = await far.topology()
    assert set(made.nodes) == {str(node.id), str(other.id)}
    assert list(made.edges) == [(str(other.id), str(node.id))]


async def test_e19_events_before_a_connect_are_not_missed(node: Node, other: Node) -> None:
    graph: Graph = await node.create_graph("early")
    await graph.listen()
    await graph.publish("t", "1")
    far = await other.open_graph(str(await graph.ticket()))
    events = far.events("record_changed", "synchronized", record_type="t")
    await far.enter(await graph.ticket())
    kinds: set[type] = set()
    async with events:
        while kinds != {peergraph.RecordChanged, peergraph.Synchronized}:
            kinds.add(type(await soon(events)))
    await asyncio.wait_for(far.close(), PATIENCE)
