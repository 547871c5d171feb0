"""Groups: graphs whose members are known by name and role, and can be invited and removed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from ._calls import call, several
from ._graph import Graph
from ._native import IdentityDescription, Invitation, NodeId, PeerId
from ._types import GroupRules, MemberInfo, OpenInvitation, RevokedDevice
from ._words import JoinOutcome, Role

MONTH = timedelta(days=30)
WEEK = timedelta(days=7)


class Group(Graph):
    """A group that is open in a node. Everything a `Graph` can do, it can, under membership.

    Open as long as somebody holds it, a stream of its events or a connection. `close` gives up this handle; the group goes
    offline when all handles are closed.
    """

    __slots__ = ()

    @property
    def join_outcome(self) -> JoinOutcome:
        """Whether this identity became a member when the group was opened, or was one."""
        return self._native.join_outcome

    @call
    async def rules(self) -> GroupRules:
        """What was fixed when the group was made. Raises NeverSynchronizedError, ClosedError."""
        return await self._native.rules()

    @call
    async def members(self) -> list[MemberInfo]:
        """The members, this identity first. A snapshot. Raises ClosedError."""
        return await self._native.members()

    @call
    async def present_members(self) -> list[MemberInfo]:
        """The members of whom a node is here, this identity first. A snapshot. Raises ClosedError."""
        return await self._native.present_members()

    @call
    async def member(self, peer: PeerId) -> MemberInfo:
        """One member. Raises NotFoundError, ClosedError."""
        return await self._native.member(peer)

    @call
    async def role(self) -> Role | None:
        """What this identity may do; None if it is not, or no longer, a member. Raises ClosedError."""
        return await self._native.role()

    @call
    async def invite(
        self,
        whom: IdentityDescription | PeerId | str | None = None,
        *,
        role: Role | str = Role.MEMBER,
        lifetime: timedelta | None = MONTH,
        name: str = "",
        uses: int = 1,
        valid: timedelta = WEEK,
        admitters: Iterable[PeerId] = (),
    ) -> Invitation:
        """Invites one identity, or, without `whom`, makes a link for whoever has it. ``str()`` of it is the text.

        Args:
            whom: a description (or its text), or an id. The invitation is of no use to anybody else.
            role: what they become; by a link at most "inviter".
            lifetime: how long the membership lasts. One of a day or more is renewed by whoever may before it ends;
                a shorter one is not, and ends then unless a person renews it. None: as long as one's own.
            name: what an identity known by id only is called, at most 255 bytes.
            uses: how many may come by a link.
            valid: how long a link can be used.
            admitters: who may let people in by a link, at most 16; none: every inviter, admin and owner.

        Raises:
            NotAuthorizedError: the role is above one's own, or this identity may not let in.
            InvalidPeriodError: it would outlast one's own membership.
            InvalidArgumentError, TooLargeError, ChainTooLongError, CircularChainError, NotAMemberError, StorageError,
            ClosedError.

        Example::

            invitation = await group.invite(role="member")
            print(invitation)            # to be sent
            print(invitation.qr_text())  # to be scanned
        """
        wanted = str(role)
        if whom is None:
            return await self._native.invite_link(wanted, uses, valid, lifetime, several("admitters", admitters, PeerId))
        if isinstance(whom, PeerId):
            return await self._native.invite_peer(whom, name, wanted, lifetime)
        description = IdentityDescription(whom) if isinstance(whom, str) else whom
        return await self._native.invite_identity(description, wanted, lifetime)

    @call
    async def set_password(
        self, password: str, *, role: Role | str = Role.MEMBER, lifetime: timedelta | None = None
    ) -> Invitation:
        """Lets in whoever has this invitation and knows the password; replaces an earlier one.

        Args:
            password: 8 characters at least.
            role: "member" or "reader".
            lifetime: how long a membership lasts unless renewed. Default: a day.

        Raises:
            InvalidArgumentError: the password is too short.
            NotAuthorizedError, StorageError, ClosedError.
        """
        return await self._native.set_password(password, str(role), lifetime)

    @call
    async def clear_password(self) -> None:
        """Lets nobody in by password any more. Raises NotAuthorizedError, StorageError, ClosedError."""
        await self._native.clear_password()

    @call
    async def invitations(self) -> list[OpenInvitation]:
        """The links that can still be used. A snapshot. Raises ClosedError."""
        return await self._native.invitations()

    @call
    async def revoke_invitation(self, key: PeerId | OpenInvitation) -> None:
        """Takes a link back. Raises NotFoundError, NotAuthorizedError, ClosedError."""
        await self._native.revoke_invitation(key.key if isinstance(key, OpenInvitation) else key)

    @call
    async def renew(self, peer: PeerId, lifetime: timedelta | None = MONTH) -> None:
        """Gives a membership anew, for another time. One of a day or more renews itself from then on, as by `invite`.

        Raises as `invite`, and NotFoundError.
        """
        await self._native.renew(peer, lifetime)

    @call
    async def set_name(self, name: str) -> None:
        """Changes the friendly name that this identity goes by in the group, at most 255 bytes. An empty one resets it to
        the one its invitation gave it. The others are told by `MemberChanged`.

        Raises:
            TooLargeError: a longer one.
            InvalidArgumentError: it has control characters, or looks like an id.
            NotAMemberError, RemovedError, NeverSynchronizedError, StorageError, ClosedError.
        """
        await self._native.set_name(name)

    @call
    async def set_role(self, peer: PeerId, role: Role | str) -> None:
        """Gives a member another role, at once. Raises NotAuthorizedError, NotAMemberError, StorageError, ClosedError."""
        await self._native.set_role(peer, str(role))

    @call
    async def remove(
        self,
        peer: PeerId,
        *,
        reason: str = "",
        keep_records: bool = True,
        with_branch: bool = False,
        undo: bool = False,
    ) -> None:
        """Removes a member: its links end, and whatever comes from it later counts nowhere, however it is dated. What it
        did as a member and is known here stands: those whom it let in, and removed.

        Args:
            peer: who.
            reason: for the others to read; at most 255 bytes.
            keep_records: keep the records of theirs that are here now.
            with_branch: remove those too who are members by their word.
            undo: undo as well all that they did as members: whom they let in, gave a role or removed, invitations, refused
                devices. With it, somebody can be removed who was already. Their records are for `keep_records` to say;
                records of whoever is a member by nothing else any more go.

        Raises:
            InvalidArgumentError: it is this identity itself; see `leave`.
            NotAMemberError: it is no member; with `undo`, there is nothing to undo either.
            NotAuthorizedError, TooLargeError, StorageError, ClosedError.
        """
        await self._native.remove(peer, reason, keep_records, with_branch, undo)

    @call
    async def revoke_device(self, peer: PeerId, node: NodeId) -> None:
        """Refuses one device of an identity: its node is not let in any more, and its links end. An admin can take that
        back with `restore_device`; what an identity refuses of its own devices is refused for good.

        Raises:
            NotAuthorizedError: it is another's, and this identity is no admin who is senior to it.
            NotAMemberError: the other identity is none here: nobody let it in yet, it left, or it was removed
                (whose membership is over by time is still one).
                Also this, RemovedError or InvitationExpiredError if this identity is none itself.
            StorageError, ClosedError.
        """
        await self._native.revoke_device(peer, node)

    @call
    async def restore_device(self, peer: PeerId, node: NodeId) -> None:
        """Takes back that a device is refused: its node is let in again.

        Raises:
            NotFoundError: it is not refused.
            NotAuthorizedError: its own identity refused it; or this identity is no admin, or neither refused it itself nor
                ranks above those who did.
            NotAMemberError, StorageError, ClosedError.
        """
        await self._native.restore_device(peer, node)

    @call
    async def revoked_devices(self, peer: PeerId) -> list[RevokedDevice]:
        """The devices of an identity that are refused. A snapshot. Raises ClosedError."""
        return await self._native.revoked_devices(peer)

    @call
    async def leave(self) -> None:
        """Leaves the group for good, and closes it. Raises NotAuthorizedError for the creator, StorageError."""
        await self._native.leave()

    @call
    async def credentials(self) -> list[bytes]:
        """All grants, invitations and removals as signed records. Raises StorageError, ClosedError."""
        return await self._native.credentials()

    @call
    async def credentials_of(self, peer: PeerId) -> list[bytes]:
        """The grants of one member, from the creator's down, as signed records. Raises NotFoundError, ClosedError."""
        return await self._native.credentials_of(peer)

    @call
    async def renew_body_key(self) -> None:
        """In a group with encrypted bodies: encrypts what follows under a new key, which those who are members now get.
        For when a key may have got out; removals do it by themselves.

        Raises:
            NotAuthorizedError: below admin.
            InvalidArgumentError: the group's bodies are not encrypted.
            NotAMemberError, StorageError, ClosedError.
        """
        await self._native.renew_body_key()

    @call
    async def export_membership(self, password: str) -> str:
        """This membership as text that only the password (8 characters at least) opens, for `Node.import_membership`.

        Raises:
            InvalidArgumentError, NotAMemberError, RemovedError, IdentityDeletedError, NeverSynchronizedError, ClosedError.
        """
        return await self._native.export_membership(password)
