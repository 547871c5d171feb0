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
     * long the membership lasts; null: as long as the inviter's own. */
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

    /** Gives a membership anew, with the same role and name, for this long from now on; null: as long as one's own. */
    public suspend fun renew(peer: PeerId, lifetime: Duration? = 30.days): Unit = native.renew(peer, lifetime)

    /** Changes the friendly name that this identity goes by in the group, at most 255 bytes; an empty one resets it to the one
     * its invitation gave it. The others are told by [Event.MemberChanged]. */
    public suspend fun setName(name: String): Unit = native.setName(text("name", name))

    /** Gives a member another role, at once. What it wrote stays. */
    public suspend fun setRole(peer: PeerId, role: Role): Unit = native.setRole(peer, role)

    /** Removes a member: its links end, and whatever comes from it later counts nowhere, however it is dated. [withBranch]:
     * those too who are members by its word. */
    public suspend fun remove(
        peer: PeerId,
        reason: String = "",
        keepRecords: Boolean = true,
        withBranch: Boolean = false,
    ): Unit = native.remove(peer, text("reason", reason), keepRecords, withBranch)

    /** In a group with encrypted bodies: encrypts what follows under a new key, which those who are members now get. */
    public suspend fun renewBodyKey(): Unit = native.renewBodyKey()

    /** Takes one device of an identity back: its node is not let in any more. */
    public suspend fun revokeDevice(peer: PeerId, node: NodeId): Unit = native.revokeDevice(peer, node)

    /** Leaves the group for good, and closes it. What was written stays. */
    public suspend fun leave(): Unit = native.leave()

    /** All grants, invitations and removals as signed records. */
    public suspend fun credentials(): List<ByteArray> = native.credentials()

    /** What makes somebody a member, as signed records; empty for the creator. */
    public suspend fun credentialsOf(peer: PeerId): List<ByteArray> = native.credentialsOf(peer)

    /** This membership as text that only the password opens, for [Node.importMembership] on another machine. */
    public suspend fun exportMembership(password: String): String = native.exportMembership(text("password", password))
}
