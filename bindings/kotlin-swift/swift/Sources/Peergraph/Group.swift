import Foundation
import PeergraphCore

extension Duration {
    /// So many days of 24 hours.
    public static func days(_ count: Int64) -> Duration { .seconds(count * 86_400) }
}

/// A group that is open in a node: a graph whose members are known by name and role, and can be invited and removed.
public final class Group: Graph, @unchecked Sendable {
    /// Whether this identity became a member when the group was opened, or was one.
    public var joinOutcome: JoinOutcome { (try? native.joinOutcome()) ?? .alreadyMember }

    /// What was fixed when the group was made: who may write what.
    public func rules(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> GroupRules {
        let placed = native.placed()
        return try await call { try await placed.rules() }
    }

    /// What this identity may do; nil if it is not, or no longer, a member.
    public func role(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> Role? {
        let placed = native.placed()
        return try await call { try await placed.role() }
    }

    /// All members. A snapshot.
    public func members(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> [MemberInfo] {
        let placed = native.placed()
        return try await call { try await placed.members() }
    }

    /// The members that are here. A snapshot.
    public func presentMembers(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> [MemberInfo] {
        let placed = native.placed()
        return try await call { try await placed.presentMembers() }
    }

    /// One member. Throws `NotFound`.
    public func member(
        _ peer: PeerId,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> MemberInfo {
        let placed = native.placed()
        return try await call { try await placed.member(peer: peer) }
    }

    /// Invites one identity, known by its public description. The invitation is of no use to anybody else. `lifetime`: how
    /// long the membership lasts. One of a day or more is renewed by whoever may before it ends; a shorter one is not, and ends then
    /// unless a person renews it. nil: as long as the inviter's own.
    public func invite(
        _ whom: IdentityDescription, role: Role = .member, lifetime: Duration? = .days(30),
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Invitation {
        let placed = native.placed()
        return try await call { try await placed.invite(whom: whom.text, role: role, lifetime: lifetime) }
    }

    /// Invites one identity, known by its id.
    public func invite(
        _ peer: PeerId, name: String, role: Role = .member, lifetime: Duration? = .days(30),
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Invitation {
        let placed = native.placed()
        return try await call { try await placed.invitePeer(peer: peer, name: name, role: role, lifetime: lifetime) }
    }

    /// Makes a link (or a code to be scanned) for whoever has it. `uses`: how many may come. `valid`: how long the link can be
    /// used. `admitters`: who may let people in by it; empty: every inviter, admin and owner.
    public func inviteLink(
        role: Role = .member, uses: UInt32 = 1, valid: Duration = .days(7), lifetime: Duration? = .days(30),
        admitters: [PeerId] = [],
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Invitation {
        let placed = native.placed()
        return try await call {
            try await placed.inviteLink(
                role: role, uses: uses, valid: valid, lifetime: lifetime, admitters: admitters)
        }
    }

    /// Lets in whoever has this text and knows a password, which is told another way; replaces an earlier password.
    /// `lifetime`: of a membership unless somebody renews it; nil: a day.
    public func setPassword(
        _ password: String, role: Role = .member, lifetime: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Invitation {
        let placed = native.placed()
        return try await call { try await placed.setPassword(password: password, role: role, lifetime: lifetime) }
    }

    /// Lets nobody in by password any more.
    public func clearPassword(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.clearPassword() }
    }

    /// The links that can still be used. A snapshot.
    public func invitations(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> [OpenInvitation] {
        let placed = native.placed()
        return try await call { try await placed.invitations() }
    }

    /// Takes a link back: nobody else comes by it.
    public func revokeInvitation(
        _ key: PeerId,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.revokeInvitation(key: key) }
    }

    /// Gives a membership anew, with the same role and name, for this long from now on; nil: as long as one's own. One of a day or
    /// more is renewed by itself from then on, as by `invite`.
    public func renew(
        _ peer: PeerId, lifetime: Duration? = .days(30),
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.renew(peer: peer, lifetime: lifetime) }
    }

    /// Changes the friendly name that this identity goes by in the group, at most 255 bytes; an empty one resets it to the one
    /// its invitation gave it. The others are told by `memberChanged`.
    public func setName(
        _ name: String,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.setName(name: name) }
    }

    /// Gives a member another role, at once. What it wrote stays.
    public func setRole(
        _ peer: PeerId, _ role: Role,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.setRole(peer: peer, role: role) }
    }

    /// Removes a member: its links end, and whatever comes from it later counts nowhere, however it is dated. What it did as a
    /// member and is known here stands: those whom it let in, and removed.
    ///
    /// - Parameters:
    ///   - reason: for the others to read; at most 255 bytes.
    ///   - keepRecords: keep the records of theirs that are here now.
    ///   - withBranch: remove those too who are members by its word.
    ///   - undo: undo as well all that they did as members: whom they let in, gave a role or removed, invitations, refused
    ///     devices. With it, somebody can be removed who was already. Their records are for `keepRecords` to say; records of
    ///     whoever is a member by nothing else any more go.
    /// - Throws: `notAMember` if it is no member; with `undo`, if there is nothing to undo either.
    public func remove(
        _ peer: PeerId, reason: String = "", keepRecords: Bool = true, withBranch: Bool = false, undo: Bool = false,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call {
            try await placed.remove(
                peer: peer, reason: reason, keepRecords: keepRecords, withBranch: withBranch, undo: undo)
        }
    }

    /// In a group with encrypted bodies: encrypts what follows under a new key, which those who are members now get.
    public func renewBodyKey(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.renewBodyKey() }
    }

    /// Refuses one device of an identity: its node is not let in any more, and its links end. An admin can take that back with
    /// ``restoreDevice(_:_:isolation:)``; what an identity refuses of its own devices is refused for good.
    ///
    /// Throws `notAuthorized` if it is another's and this identity is no admin who is senior to it; `notAMember` if the other
    /// identity is none here: nobody let it in yet, it left, or it was removed (whose membership is over by time is still one). Also
    /// `notAMember`, `removed` or `invitationExpired` if this identity is none itself.
    public func revokeDevice(
        _ peer: PeerId, _ node: NodeId,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.revokeDevice(peer: peer, node: node) }
    }

    /// Takes back that a device is refused: its node is let in again.
    ///
    /// - Throws: `notFound` if it is not refused; `notAuthorized` if its own identity refused it, or unless this identity is an
    ///   admin, and refused it itself or ranks above those who did.
    public func restoreDevice(
        _ peer: PeerId, _ node: NodeId,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.restoreDevice(peer: peer, node: node) }
    }

    /// The devices of an identity that are refused. A snapshot.
    public func revokedDevices(
        _ peer: PeerId,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> [RevokedDevice] {
        let placed = native.placed()
        return try await call { try await placed.revokedDevices(peer: peer) }
    }

    /// Leaves the group for good, and closes it. What was written stays.
    public func leave(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.leave() }
    }

    /// All grants, invitations and removals as signed records.
    public func credentials(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> [Data] {
        let placed = native.placed()
        return try await call { try await placed.credentials() }
    }

    /// What makes somebody a member, as signed records; empty for the creator.
    public func credentials(
        of peer: PeerId,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> [Data] {
        let placed = native.placed()
        return try await call { try await placed.credentialsOf(peer: peer) }
    }

    /// This membership as text that only the password opens, for `Node.importMembership` on another machine.
    public func exportMembership(
        password: String,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> String {
        let placed = native.placed()
        return try await call { try await placed.exportMembership(password: password) }
    }
}
