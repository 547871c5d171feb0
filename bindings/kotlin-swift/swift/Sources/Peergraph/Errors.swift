import PeergraphCore

extension PeergraphError {
    /// The stable name, stable number, and message.
    private var parts: (String, UInt32, String) {
        switch self {
        case .InvalidArgument(let message): ("InvalidArgument", 1, message)
        case .InvalidTicket(let message): ("InvalidTicket", 2, message)
        case .InvalidId(let message): ("InvalidId", 3, message)
        case .Reserved(let message): ("Reserved", 4, message)
        case .TooLarge(let message): ("TooLarge", 5, message)
        case .InvalidExpiration(let message): ("InvalidExpiration", 6, message)
        case .UnsupportedVersion(let message): ("UnsupportedVersion", 7, message)
        case .InvalidInvitation(let message): ("InvalidInvitation", 8, message)
        case .InvalidPeriod(let message): ("InvalidPeriod", 9, message)
        case .NotFound(let message): ("NotFound", 20, message)
        case .Deleted(let message): ("Deleted", 21, message)
        case .AlreadyExists(let message): ("AlreadyExists", 22, message)
        case .VersionMismatch(let message): ("VersionMismatch", 23, message)
        case .GraphInUse(let message): ("GraphInUse", 24, message)
        case .UnknownGraph(let message): ("UnknownGraph", 25, message)
        case .GroupsExist(let message): ("GroupsExist", 26, message)
        case .IdentityDeleted(let message): ("IdentityDeleted", 27, message)
        case .Closed(let message): ("Closed", 40, message)
        case .NeverSynchronized(let message): ("NeverSynchronized", 41, message)
        case .NotListening(let message): ("NotListening", 42, message)
        case .NotAuthorized(let message): ("NotAuthorized", 43, message)
        case .WrongPassword(let message): ("WrongPassword", 44, message)
        case .InvitationExpired(let message): ("InvitationExpired", 45, message)
        case .InvitationUsedUp(let message): ("InvitationUsedUp", 46, message)
        case .InvitationRevoked(let message): ("InvitationRevoked", 47, message)
        case .InvitationNotForYou(let message): ("InvitationNotForYou", 48, message)
        case .InvitationNotYetValid(let message): ("InvitationNotYetValid", 49, message)
        case .Throttled(let message): ("Throttled", 50, message)
        case .Removed(let message): ("Removed", 51, message)
        case .ChainTooLong(let message): ("ChainTooLong", 52, message)
        case .CircularChain(let message): ("CircularChain", 53, message)
        case .NotAMember(let message): ("NotAMember", 54, message)
        case .KeyMissing(let message): ("KeyMissing", 55, message)
        case .ConnectToSelf(let message): ("ConnectToSelf", 60, message)
        case .AlreadyNeighbor(let message): ("AlreadyNeighbor", 61, message)
        case .WrongGraph(let message): ("WrongGraph", 62, message)
        case .WrongPeer(let message): ("WrongPeer", 63, message)
        case .Refused(let message): ("Refused", 64, message)
        case .Unreachable(let message): ("Unreachable", 65, message)
        case .TimedOut(let message): ("TimedOut", 66, message)
        case .Cancelled(let message): ("Cancelled", 67, message)
        case .DirectNotAccepted(let message): ("DirectNotAccepted", 68, message)
        case .NotConnected(let message): ("NotConnected", 69, message)
        case .Network(let message): ("Network", 70, message)
        case .Paused(let message): ("Paused", 71, message)
        case .Busy(let message): ("Busy", 72, message)
        case .DirectoryInUse(let message): ("DirectoryInUse", 80, message)
        case .Storage(let message): ("Storage", 81, message)
        case .Damaged(let message): ("Damaged", 82, message)
        case .NewerSchema(let message): ("NewerSchema", 83, message)
        case .KeyAccess(let message): ("KeyAccess", 84, message)
        case .Internal(let message): ("Internal", 99, message)
        }
    }

    /// The stable name of the kind, the same in all languages.
    public var kind: String { parts.0 }

    /// The stable number of the kind; it never changes.
    public var code: UInt32 { parts.1 }

    /// The message, and behind it what the system said, as the native library writes it.
    private var told: [Substring] { parts.2.split(separator: "\0", omittingEmptySubsequences: false) }

    private func told(_ at: Int) -> String? {
        let told = told
        return told.indices.contains(at) && !told[at].isEmpty ? String(told[at]) : nil
    }

    /// What went wrong, for people. Of a failed system call it has the system's reason too.
    public var message: String { told(0) ?? "" }

    /// The operating system's number of the error, such as 13 (`EACCES`) or 28 (`ENOSPC`) on Linux; nil if no system call
    /// failed.
    public var osError: Int32? { told(1).flatMap { Int32($0) } }

    /// The file or directory that could not be used, if the error is about one.
    public var path: String? { told(2) }

    /// The socket address that could not be bound, if the error is about one.
    public var address: String? { told(3) }
}

extension PeergraphError: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String { "\(kind): \(message)" }
    public var debugDescription: String { description }
}
