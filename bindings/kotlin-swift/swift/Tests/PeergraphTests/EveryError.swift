import Peergraph

/// One error of each kind; the switch makes a new kind a compile error here.
let everyError: [PeergraphError] = {
    func same(_ error: PeergraphError) -> PeergraphError {
        switch error {
        case .InvalidArgument, .InvalidTicket, .InvalidId, .Reserved, .TooLarge, .InvalidExpiration,
            .UnsupportedVersion, .InvalidInvitation, .InvalidPeriod, .NotFound, .Deleted, .AlreadyExists,
            .VersionMismatch, .GraphInUse, .UnknownGraph, .GroupsExist, .IdentityDeleted, .Closed,
            .NeverSynchronized, .NotListening, .NotAuthorized, .WrongPassword, .InvitationExpired,
            .InvitationUsedUp, .InvitationRevoked, .InvitationNotForYou, .InvitationNotYetValid, .Throttled,
            .Removed, .ChainTooLong, .CircularChain, .NotAMember, .KeyMissing, .ConnectToSelf, .AlreadyNeighbor,
            .WrongGraph, .WrongPeer, .Refused, .Unreachable, .TimedOut, .Cancelled, .DirectNotAccepted,
            .NotConnected, .Network, .Paused, .Busy, .DirectoryInUse, .Storage, .Damaged, .NewerSchema, .KeyAccess,
            .Internal: error
        }
    }
    return [
        .InvalidArgument(message: "why"), .InvalidTicket(message: "why"), .InvalidId(message: "why"),
        .Reserved(message: "why"), .TooLarge(message: "why"), .InvalidExpiration(message: "why"),
        .UnsupportedVersion(message: "why"), .InvalidInvitation(message: "why"), .InvalidPeriod(message: "why"),
        .NotFound(message: "why"), .Deleted(message: "why"), .AlreadyExists(message: "why"),
        .VersionMismatch(message: "why"), .GraphInUse(message: "why"), .UnknownGraph(message: "why"),
        .GroupsExist(message: "why"), .IdentityDeleted(message: "why"), .Closed(message: "why"),
        .NeverSynchronized(message: "why"), .NotListening(message: "why"), .NotAuthorized(message: "why"),
        .WrongPassword(message: "why"), .InvitationExpired(message: "why"), .InvitationUsedUp(message: "why"),
        .InvitationRevoked(message: "why"), .InvitationNotForYou(message: "why"), .InvitationNotYetValid(message: "why"),
        .Throttled(message: "why"), .Removed(message: "why"), .ChainTooLong(message: "why"), .CircularChain(message: "why"),
        .NotAMember(message: "why"), .KeyMissing(message: "why"), .ConnectToSelf(message: "why"),
        .AlreadyNeighbor(message: "why"), .WrongGraph(message: "why"), .WrongPeer(message: "why"), .Refused(message: "why"),
        .Unreachable(message: "why"), .TimedOut(message: "why"), .Cancelled(message: "why"),
        .DirectNotAccepted(message: "why"), .NotConnected(message: "why"), .Network(message: "why"),
        .Paused(message: "why"), .Busy(message: "why"), .DirectoryInUse(message: "why"), .Storage(message: "why"), .Damaged(message: "why"),
        .NewerSchema(message: "why"), .KeyAccess(message: "why"), .Internal(message: "why"),
    ].map(same)
}()
