package io.github.peergraph

/** Whom to reach. */
public sealed interface Target {
    /** Any of several addresses, tried in turn. */
    public data class Any(val addrs: List<NodeAddr>) : Target

    /** A node, wherever the graph knows it to be. */
    public data class Node(val node: NodeId) : Target

    /** Any node of an identity, wherever the graph knows one to be. */
    public data class Peer(val peer: PeerId) : Target

    /** Any node of a ticket. */
    public data class Of(val ticket: Ticket) : Target

    public companion object {
        /** A node at an address. */
        public operator fun invoke(addr: NodeAddr): Target = Any(listOf(addr))

        /** Any of several. */
        public operator fun invoke(addrs: List<NodeAddr>): Target = Any(addrs)

        /** A node. */
        public operator fun invoke(node: NodeId): Target = Node(node)

        /** Any node of an identity. */
        public operator fun invoke(peer: PeerId): Target = Peer(peer)

        /** Any node of a ticket. */
        public operator fun invoke(ticket: Ticket): Target = Of(ticket)
    }
}

internal fun Target.toNative(): NativeTarget = when (this) {
    is Target.Any -> NativeTarget.Any(addrs.map(::checked))
    is Target.Node -> NativeTarget.Node(node)
    is Target.Peer -> NativeTarget.Peer(peer)
    is Target.Of -> NativeTarget.Ticket(text("target", ticket.text))
}

/** A hop of a referral chain. */
public data class Progress(
    /** How many so far, counted from 1. */
    val hop: Int,
    /** The node tried next. */
    val next: NodeId,
)

/** What a callback of the application throws is an uncaught exception of its thread: it is none of the library's. */
private inline fun calling(call: () -> Unit) = try {
    call()
} catch (error: Throwable) {
    Thread.currentThread().let { it.uncaughtExceptionHandler.uncaughtException(it, error) }
}

internal class Hops(private val told: (Progress) -> Unit) : HopListener {
    override fun hop(hop: UInt, next: NodeId) = calling { told(Progress(hop.toInt(), next)) }
}

internal class Told(private val told: (SyncProgress) -> Unit) : ProgressListener {
    override fun progress(progress: SyncProgress) = calling { told(progress) }
}

/** A connection to one node for application data only; stays open until closed by either end. */
public class DirectConnection internal constructor(private val native: NativeDirect) {
    /** The other end, as it was when the connection was made. */
    public val info: ConnectionInfo = native.info()

    /** Its number on this node. */
    public val id: ULong get() = info.connection

    /** Sends data of a type. Returns when it is accepted for sending, in order; a slow reader makes this wait. Throws
     * [PeergraphException.TooLarge] above 16 MiB, [PeergraphException.InvalidArgument] for a type that is no name,
     * [PeergraphException.NotConnected] once closed. */
    public suspend fun send(dataType: String, data: ByteArray): SendReceipt =
        SendReceipt(native.send(text("dataType", dataType), message(data), null))

    /** Closes the connection for both ends. Throws [PeergraphException.NotConnected], [PeergraphException.Closed]. */
    public suspend fun close(): Unit = native.shut()
}

/** What became of sent data; can be asked once. */
public class SendReceipt internal constructor(private val native: NativeReceipt) {
    /** Waits until the receiving node has handed the data to a subscriber (true), or found that nobody there subscribes to
     * it (false). Throws [PeergraphException.NotConnected]. */
    public suspend fun delivered(): Boolean = native.delivered(null)
}
