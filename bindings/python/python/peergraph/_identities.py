"""Identities: making, naming, describing, moving and deleting them; signing with them."""

from __future__ import annotations

from collections.abc import Iterator

from . import _native
from ._calls import call, checked, handle
from ._native import GraphId, IdentityDescription, PeerId, PeerName


class Identity:
    """One identity: a key pair with names. After `delete`, everything but the names fails with `IdentityDeletedError`."""

    __slots__ = ("_native",)

    def __init__(self, native: _native.Identity) -> None:
        handle(native, _native.Identity, "identities are made and found by `Node.identities`")
        self._native = native

    @property
    def peer_id(self) -> PeerId:
        """The public key."""
        return self._native.peer_id

    @property
    def peer_name(self) -> PeerName:
        """The name that tells it from all others: public key and classifier."""
        return self._native.peer_name

    @property
    def name(self) -> str:
        """The friendly name; the peer name unless another was set."""
        return self._native.name

    @call
    async def rename(self, name: str | None) -> None:
        """Sets the friendly name, at most 255 characters; None resets it to the peer name.

        Raises:
            TooLargeError, InvalidArgumentError: the name breaks a rule.
            KeyAccessError, StorageError: it could not be written.
            IdentityDeletedError, ClosedError.
        """
        await self._native.rename(name)

    def describe(self) -> IdentityDescription:
        """What others may know of it, for whoever shall invite it. No secret. ``str()`` of it is a text.

        Raises:
            IdentityDeletedError.
        """
        return self._native.describe()

    @call
    async def export(self, password: str) -> str:
        """The whole identity with its private key as text that only the password (8 characters at least) opens.

        Raises:
            InvalidArgumentError: the password is too short.
            IdentityDeletedError.
        """
        return await self._native.export(password)

    def sign(self, message: bytes) -> bytes:
        """Signs a message of the application: 64 bytes that `PeerId.verify` checks anywhere.

        Raises:
            IdentityDeletedError.
        """
        return self._native.sign(message)

    @call
    async def groups(self) -> list[GraphId]:
        """The graphs of this key that are open or have a database here.

        Raises:
            IdentityDeletedError, DamagedError, StorageError, ClosedError.
        """
        return await self._native.groups()

    @call
    async def delete(self) -> None:
        """Deletes the identity: its keys are gone from disk and memory, for good unless they were exported.

        Raises:
            GroupsExistError: graphs of this key are open or have a database here.
            IdentityDeletedError, StorageError, ClosedError.
        """
        await self._native.delete()

    def __repr__(self) -> str:
        return f"<Identity {self.name!r} {self.peer_id.short}>"


class Identities:
    """The identities of a node."""

    __slots__ = ("_native",)

    def __init__(self, native: _native.Identities) -> None:
        handle(native, _native.Identities, "the identities of a node are its `identities`")
        self._native = native

    @call
    async def create(self, name: str | None = None, *, classifier: str | None = None, key: bytes | None = None) -> Identity:
        """Makes an identity. On return it is on the disk, if the node has one.

        Args:
            name: friendly name, at most 255 characters.
            classifier: what tells it from others with the same key, at most 149 characters.
            key: its private key, 32 bytes. Default: a new one.

        Raises:
            TooLargeError, InvalidArgumentError: a name or the key breaks a rule.
            AlreadyExistsError: there is one with this key and classifier.
            KeyAccessError, StorageError, ClosedError.
        """
        return Identity(await self._native.create(name, classifier, key))

    def list(self) -> list[Identity]:
        """All identities, in the order of their peer names. A snapshot."""
        return [Identity(native) for native in self._native.list()]

    def __iter__(self) -> Iterator[Identity]:
        return iter(self.list())

    @call
    async def default(self) -> Identity:
        """The identity that groups use unless told otherwise.

        Raises:
            KeyAccessError, StorageError, ClosedError.
        """
        return Identity(await self._native.default())

    @call
    async def set_default(self, identity: Identity | PeerName) -> None:
        """Chooses the identity that later groups use unless told otherwise. Kept on the disk.

        Raises:
            NotFoundError: there is no such identity.
            KeyAccessError, StorageError, ClosedError.
        """
        await self._native.set_default(identity.peer_name if isinstance(identity, Identity) else identity)

    @checked
    def get(self, name: PeerName | str) -> Identity:
        """The identity with this name.

        Raises:
            NotFoundError.
        """
        return Identity(self._native.get(PeerName(name) if isinstance(name, str) else name))

    @call
    async def import_identity(self, text: str, password: str) -> Identity:
        """Takes in an identity that `Identity.export` wrote, here or on another machine.

        Raises:
            InvalidArgumentError: the text is not an exported identity or was altered.
            WrongPasswordError, UnsupportedVersionError, AlreadyExistsError, StorageError, ClosedError.
        """
        return Identity(await self._native.import_identity(text, password))

    def __repr__(self) -> str:
        return f"<Identities {self.list()!r}>"
