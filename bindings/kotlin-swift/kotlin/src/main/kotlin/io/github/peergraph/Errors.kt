package io.github.peergraph

import java.nio.file.Path
import kotlin.io.path.Path

/** What every [PeergraphException] tells besides its kind. Of a failed system call, the message has the system's reason too. */
public abstract class PeergraphFailure internal constructor(parts: List<String>) : Exception(parts[0]) {
    /** As the native library writes it: the message, and what the system said behind it. */
    internal constructor(text: String) : this(text.split('\u0000'))

    /** The operating system's number of the error, such as 13 (`EACCES`) or 28 (`ENOSPC`) on Linux; null if no system call failed. */
    public val osError: Int? = parts.getOrNull(1)?.toIntOrNull()

    /** The file or directory that could not be used, if the error is about one. */
    public val path: Path? = parts.getOrNull(2)?.takeIf { it.isNotEmpty() }?.let(::Path)

    /** The socket address that could not be bound, if the error is about one. */
    public val address: String? = parts.getOrNull(3)?.takeIf { it.isNotEmpty() }
}

/** The stable number of the kind; it never changes. */
public val PeergraphException.code: Int
    get() = when (this) {
        is PeergraphException.InvalidArgument -> 1
        is PeergraphException.InvalidTicket -> 2
        is PeergraphException.InvalidId -> 3
        is PeergraphException.Reserved -> 4
        is PeergraphException.TooLarge -> 5
        is PeergraphException.InvalidExpiration -> 6
        is PeergraphException.UnsupportedVersion -> 7
        is PeergraphException.InvalidInvitation -> 8
        is PeergraphException.InvalidPeriod -> 9
        is PeergraphException.NotFound -> 20
        is PeergraphException.Deleted -> 21
        is PeergraphException.AlreadyExists -> 22
        is PeergraphException.VersionMismatch -> 23
        is PeergraphException.GraphInUse -> 24
        is PeergraphException.UnknownGraph -> 25
        is PeergraphException.GroupsExist -> 26
        is PeergraphException.IdentityDeleted -> 27
        is PeergraphException.Closed -> 40
        is PeergraphException.NeverSynchronized -> 41
        is PeergraphException.NotListening -> 42
        is PeergraphException.NotAuthorized -> 43
        is PeergraphException.WrongPassword -> 44
        is PeergraphException.InvitationExpired -> 45
        is PeergraphException.InvitationUsedUp -> 46
        is PeergraphException.InvitationRevoked -> 47
        is PeergraphException.InvitationNotForYou -> 48
        is PeergraphException.InvitationNotYetValid -> 49
        is PeergraphException.Throttled -> 50
        is PeergraphException.Removed -> 51
        is PeergraphException.ChainTooLong -> 52
        is PeergraphException.CircularChain -> 53
        is PeergraphException.NotAMember -> 54
        is PeergraphException.KeyMissing -> 55
        is PeergraphException.ConnectToSelf -> 60
        is PeergraphException.AlreadyNeighbor -> 61
        is PeergraphException.WrongGraph -> 62
        is PeergraphException.WrongPeer -> 63
        is PeergraphException.Refused -> 64
        is PeergraphException.Unreachable -> 65
        is PeergraphException.TimedOut -> 66
        is PeergraphException.Cancelled -> 67
        is PeergraphException.DirectNotAccepted -> 68
        is PeergraphException.NotConnected -> 69
        is PeergraphException.Network -> 70
        is PeergraphException.Paused -> 71
        is PeergraphException.Busy -> 72
        is PeergraphException.DirectoryInUse -> 80
        is PeergraphException.Storage -> 81
        is PeergraphException.Damaged -> 82
        is PeergraphException.NewerSchema -> 83
        is PeergraphException.KeyAccess -> 84
        is PeergraphException.Internal -> 99
    }

/** The stable name of the kind, the same in all languages. */
public val PeergraphException.kind: String get() = this::class.java.simpleName
