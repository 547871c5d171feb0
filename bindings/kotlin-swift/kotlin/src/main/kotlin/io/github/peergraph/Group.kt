package io.github.peergraph

import kotlin.time.Duration
import kotlin.time.Duration.Companion.days

/** A group that is open in a node: a graph whose members are known by name and role, and can be invited and removed. */
public class Group internal constructor(native: NativeGraph) : Graph(native) {
    /** Whether this identity became a member when the group was opened, or was one. */
    public val joinOutcome: JoinOutcome get() = native.joinOutcome()

    /** What was fixed when the group was made: who may write what. */
    public suspend fun rules(): GroupRules = native.rules()

    /** What this identity may do; null if it is not, or no longer, a member. */
    public suspend fun role(): Role? = native.role()

    /** All members. A snapshot. */
    public suspend fun members(): List<MemberInfo> = native.members()

    /** The members that are here. A snapshot. */
    public suspend fun presentMembers(): List<MemberInfo> = native.presentMembers()

    /** One member. Throws [PeergraphException.NotFound]. */
    public suspend fun member(peer: PeerId): MemberInfo = native.member(peer)

    /** Invites one identity, known by its public description. The invitation is of no use to anybody else. [lifetime]: how
     * long the membership lasts. One of a day or more is renewed by whoever may before it ends; a shorter one is not, and ends then
     * unless a person renews it. null: as long as the inviter's own. */
    public suspend fun invite(
        whom: IdentityDescription,
        role: Role = Role.MEMBER,
        lifetime: Duration? = 30.days,
    ): Invitation = native.invite(text("whom", whom.text), role, lifetime)

    /** Invites one identity, known by its id. */
    public suspend fun invite(
        peer: PeerId,
        name: String,
        role: Role = Role.MEMBER,
        lifetime: Duration? = 30.days,
    ): Invitation = native.invitePeer(peer, text("name", name), role, lifetime)

    /** Makes a link (or a code to be scanned) for whoever has it. [uses]: how many may come. [valid]: how long the link can be
     * used. [admitters]: who may let people in by it; empty: every inviter, admin and owner. */
    public suspend fun inviteLink(
        role: Role = Role.MEMBER,
        uses: Int = 1,
        valid: Duration = 7.days,
        lifetime: Duration? = 30.days,
        admitters: List<PeerId> = emptyList(),
    ): Invitation = native.inviteLink(role, count(uses), valid, lifetime, admitters)

    /** Lets in whoever has this text and knows a password, which is told another way; replaces an earlier password.
     * [lifetime]: of a membership unless somebody renews it; null: a day. */
    public suspend fun setPassword(
        password: String,
        role: Role = Role.MEMBER,
        lifetime: Duration? = null,
    ): Invitation = native.setPassword(text("password", password), role, lifetime)

    /** Lets nobody in by password any more. */
    public suspend fun clearPassword(): Unit = native.clearPassword()

    /** The links that can still be used. A snapshot. */
    public suspend fun invitations(): List<OpenInvitation> = native.invitations()

    /** Takes a link back: nobody else comes by it. */
    public suspend fun revokeInvitation(key: PeerId): Unit = native.revokeInvitation(key)

    /** Gives a membership anew, with the same role and name, for this long from now on; null: as long as one's own. One of a day
     * or more is renewed by itself from then on, as by [invite]. */
    public suspend fun renew(peer: PeerId, lifetime: Duration? = 30.days): Unit = native.renew(peer, lifetime)

    /** Changes the friendly name that this identity goes by in the group, at most 255 bytes; an empty one resets it to the one
     * its invitation gave it. The others are told by [Event.MemberChanged]. */
    public suspend fun setName(name: String): Unit = native.setName(text("name", name))

    /** Gives a member another role, at once. What it wrote stays. */
    public suspend fun setRole(peer: PeerId, role: Role): Unit = native.setRole(peer, role)

    /**
     * Removes a member: its links end, and whatever comes from it later counts nowhere, however it is dated. What it did as a
     * member and is known here stands: those whom it let in, and removed.
     *
     * @param reason for the others to read; at most 255 bytes.
     * @param keepRecords keep the records of theirs that are here now.
     * @param withBranch remove those too who are members by its word.
     * @param undo undo as well all that they did as members: whom they let in, gave a role or removed, invitations, refused
     * devices. With it, somebody can be removed who was already. Their records are for [keepRecords] to say; records of whoever
     * is a member by nothing else any more go.
     * @throws PeergraphException.NotAMember if it is no member; with [undo], if there is nothing to undo either.
     */
    public suspend fun remove(
        peer: PeerId,
        reason: String = "",
        keepRecords: Boolean = true,
        withBranch: Boolean = false,
        undo: Boolean = false,
    ): Unit = native.remove(peer, text("reason", reason), keepRecords, withBranch, undo)

    /** In a group with encrypted bodies: encrypts what follows under a new key, which those who are members now get. */
    public suspend fun renewBodyKey(): Unit = native.renewBodyKey()

    /**
     * Refuses one device of an identity: its node is not let in any more, and its links end. An admin can take that back with
     * [restoreDevice]; what an identity refuses of its own devices is refused for good.
     *
     * @throws PeergraphException.NotAuthorized if it is another's and this identity is no admin who is senior to it.
     * @throws PeergraphException.NotAMember if the other identity is none here: nobody let it in yet, it left, or it was removed
     * (whose membership is over by time is still one). Also this, [PeergraphException.Removed] or
     * [PeergraphException.InvitationExpired] if this identity is none itself.
     */
    public suspend fun revokeDevice(peer: PeerId, node: NodeId): Unit = native.revokeDevice(peer, node)

    /**
     * Takes back that a device is refused: its node is let in again.
     *
     * @throws PeergraphException.NotFound if it is not refused.
     * @throws PeergraphException.NotAuthorized if its own identity refused it; or unless this identity is an admin, and refused it
     * itself or ranks above those who did.
     */
    public suspend fun restoreDevice(peer: PeerId, node: NodeId): Unit = native.restoreDevice(peer, node)

    /** The devices of an identity that are refused. A snapshot. */
    public suspend fun revokedDevices(peer: PeerId): List<RevokedDevice> = native.revokedDevices(peer)

    /** Leaves the group for good, and closes it. What was written stays. */
    public suspend fun leave(): Unit = native.leave()

    /** All grants, invitations and removals as signed records. */
    public suspend fun credentials(): List<ByteArray> = native.credentials()

    /** What makes somebody a member, as signed records; empty for the creator. */
    public suspend fun credentialsOf(peer: PeerId): List<ByteArray> = native.credentialsOf(peer)

    /** This membership as text that only the password opens, for [Node.importMembership] on another machine. */
    public suspend fun exportMembership(password: String): String = native.exportMembership(text("password", password))
}
