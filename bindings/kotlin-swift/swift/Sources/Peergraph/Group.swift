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
    public func rules() async throws(PeergraphError) -> GroupRules {
        try await call { try await native.rules() }
    }

    /// What this identity may do; nil if it is not, or no longer, a member.
    public func role() async throws(PeergraphError) -> Role? {
        try await call { try await native.role() }
    }

    /// All members. A snapshot.
    public func members() async throws(PeergraphError) -> [MemberInfo] {
        try await call { try await native.members() }
    }

    /// The members that are here. A snapshot.
    public func presentMembers() async throws(PeergraphError) -> [MemberInfo] {
        try await call { try await native.presentMembers() }
    }

    /// One member. Throws `NotFound`.
    public func member(_ peer: PeerId) async throws(PeergraphError) -> MemberInfo {
        try await call { try await native.member(peer: peer) }
    }

    /// Invites one identity, known by its public description. The invitation is of no use to anybody else. `lifetime`: how
    /// long the membership lasts; nil: as long as the inviter's own.
    public func invite(
        _ whom: IdentityDescription, role: Role = .member, lifetime: Duration? = .days(30)
    ) async throws(PeergraphError) -> Invitation {
        try await call { try await native.invite(whom: whom.text, role: role, lifetime: lifetime) }
    }

    /// Invites one identity, known by its id.
    public func invite(
        _ peer: PeerId, name: String, role: Role = .member, lifetime: Duration? = .days(30)
    ) async throws(PeergraphError) -> Invitation {
        try await call { try await native.invitePeer(peer: peer, name: name, role: role, lifetime: lifetime) }
    }

    /// Makes a link (or a code to be scanned) for whoever has it. `uses`: how many may come. `valid`: how long the link can be
    /// used. `admitters`: who may let people in by it; empty: every inviter, admin and owner.
    public func inviteLink(
        role: Role = .member, uses: UInt32 = 1, valid: Duration = .days(7), lifetime: Duration? = .days(30),
        admitters: [PeerId] = []
    ) async throws(PeergraphError) -> Invitation {
        try await call {
            try await native.inviteLink(
                role: role, uses: uses, valid: valid, lifetime: lifetime, admitters: admitters)
        }
    }

    /// Lets in whoever has this text and knows a password, which is told another way; replaces an earlier password.
    /// `lifetime`: of a membership unless somebody renews it; nil: a day.
    public func setPassword(
        _ password: String, role: Role = .member, lifetime: Duration? = nil
    ) async throws(PeergraphError) -> Invitation {
        try await call { try await native.setPassword(password: password, role: role, lifetime: lifetime) }
    }

    /// Lets nobody in by password any more.
    public func clearPassword() async throws(PeergraphError) {
        try await call { try await native.clearPassword() }
    }

    /// The links that can still be used. A snapshot.
    public func invitations() async throws(PeergraphError) -> [OpenInvitation] {
        try await call { try await native.invitations() }
    }

    /// Takes a link back: nobody else comes by it.
    public func revokeInvitation(_ key: PeerId) async throws(PeergraphError) {
        try await call { try await native.revokeInvitation(key: key) }
    }

    /// Gives a membership anew, with the same role and name, for this long from now on; nil: as long as one's own.
    public func renew(_ peer: PeerId, lifetime: Duration? = .days(30)) async throws(PeergraphError) {
        try await call { try await native.renew(peer: peer, lifetime: lifetime) }
    }

    /// Gives a member another role, at once. What it wrote stays.
    public func setRole(_ peer: PeerId, _ role: Role) async throws(PeergraphError) {
        try await call { try await native.setRole(peer: peer, role: role) }
    }

    /// Removes a member: its links end, and whatever comes from it later counts nowhere, however it is dated. `withBranch`:
    /// those too who are members by its word.
    public func remove(
        _ peer: PeerId, reason: String = "", keepRecords: Bool = true, withBranch: Bool = false
    ) async throws(PeergraphError) {
        try await call {
            try await native.remove(peer: peer, reason: reason, keepRecords: keepRecords, withBranch: withBranch)
        }
    }

    /// In a group with encrypted bodies: encrypts what follows under a new key, which those who are members now get.
    public func renewBodyKey() async throws(PeergraphError) {
        try await call { try await native.renewBodyKey() }
    }

    /// Takes one device of an identity back: its node is not let in any more.
    public func revokeDevice(_ peer: PeerId, _ node: NodeId) async throws(PeergraphError) {
        try await call { try await native.revokeDevice(peer: peer, node: node) }
    }

    /// Leaves the group for good, and closes it. What was written stays.
    public func leave() async throws(PeergraphError) {
        try await call { try await native.leave() }
    }

    /// All grants, invitations and removals as signed records.
    public func credentials() async throws(PeergraphError) -> [Data] {
        try await call { try await native.credentials() }
    }

    /// What makes somebody a member, as signed records; empty for the creator.
    public func credentials(of peer: PeerId) async throws(PeergraphError) -> [Data] {
        try await call { try await native.credentialsOf(peer: peer) }
    }

    /// This membership as text that only the password opens, for `Node.importMembership` on another machine.
    public func exportMembership(password: String) async throws(PeergraphError) -> String {
        try await call { try await native.exportMembership(password: password) }
    }
}
