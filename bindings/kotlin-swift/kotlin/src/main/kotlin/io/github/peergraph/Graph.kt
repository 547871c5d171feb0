package io.github.peergraph

import java.nio.file.Path
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Instant
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext

/**
 * A graph that is open in a node. Stays open until [close], the node's end, or until the application has nothing of it any more:
 * no handle, subscription or direct connection. So keep it, as in a property, for as long as it should be online.
 *
 * **Order**: calls take effect in the order in which they begin, whether or not their results are awaited; [close] and
 * [Node.shutdown] come after them. A suspending function begins on its caller's thread, so coroutines of one thread, or those
 * launched with `UNDISPATCHED`, are in order; coroutines on several threads are in none.
 *
 * **Cancelling** stops the waiting, and no more than that: what was called may still happen, or may not. It does not disturb the
 * calls after it. Only connects and joins are given up.
 */
public open class Graph internal constructor(internal val native: NativeGraph) {
    /** The graph's id. */
    public val id: GraphId get() = native.id()

    /** Whether its database was found or made when it was opened. */
    public val openOutcome: OpenOutcome get() = native.openOutcome()

    /** A ticket with this node, if it listens, and some of its neighbors. Whoever has it can join. */
    public suspend fun ticket(): Ticket = native.ticket()

    /** Lets others connect to this node. */
    public suspend fun listen(): ListenOutcome = native.listen()

    /**
     * Connects to a neighbor: exactly one outcome, after following referrals. Cancelling the coroutine cancels the connect.
     * [expectedPeer]: fail with [PeergraphException.WrongPeer] if somebody else answers. [progress] is told of each referral,
     * on a thread of the library.
     */
    public suspend fun connect(
        target: Target,
        expectedPeer: PeerId? = null,
        deadline: Duration = 1.minutes,
        progress: ((Progress) -> Unit)? = null,
    ): ConnectionInfo = native.connect(target.toNative(), expectedPeer, deadline, progress?.let(::Hops), null)

    /** Connects, waits until this node is synchronised, and listens. Not needed after [Node.openGroup] or [Node.openGraph], which
     * are online by themselves. */
    public suspend fun enter(target: Target): Unit = native.enter(target.toNative(), null)

    /** Listening, connected, synchronised. */
    public suspend fun status(): Status = native.status()

    /** How far the database is on its way here; null while nothing is known to be missing. As an event: [Event.SyncProgress]. */
    public suspend fun syncProgress(): SyncProgress? = native.syncProgress()

    /** What cannot change: creator and record limit. */
    public suspend fun genesis(): Genesis = native.genesis()

    /** What may change. */
    public suspend fun properties(): GraphProperties = native.properties()

    /** Changes properties, for all nodes; gives the new ones. What is null stays. [everybody]: all publish their presence. */
    public suspend fun setProperties(
        name: String? = null,
        comment: String? = null,
        presenceLifetime: Duration? = null,
        presenceMax: Int? = null,
        everybody: Boolean = false,
        deferExpiration: Boolean? = null,
    ): GraphProperties = native.setProperties(
        NativePropertiesUpdate(
            name?.let { text("name", it) }, comment?.let { text("comment", it) }, presenceLifetime, presenceMax?.let(::count), everybody, deferExpiration,
        ),
    )

    /** The nodes that are here: this one first, then those whose presence is known. A snapshot. */
    public suspend fun nodes(): List<NodeInfo> = native.nodes()

    /** The nodes of one identity that are here. */
    public suspend fun nodesOf(peer: PeerId): List<NodeInfo> = native.nodesOf(peer)

    /** What is known of one node. Throws [PeergraphException.NotFound]. */
    public suspend fun nodeInfo(node: NodeId): NodeInfo = native.nodeInfo(node)

    /** Sets the text that others read beside this node, at most 1,024 bytes; null clears it. */
    public suspend fun setNodeAttributes(text: String?): Unit = native.setNodeAttributes(text?.let { text("text", it) })

    /** Publishes this node's presence whatever the graph's policy says, or leaves it to the policy again. */
    public suspend fun forcePresence(forced: Boolean): Unit = native.forcePresence(forced)

    /** The neighbors. A snapshot. */
    public suspend fun neighbors(): List<ConnectionInfo> = native.neighbors()

    /** The direct connections. A snapshot. */
    public suspend fun directConnections(): List<ConnectionInfo> = native.directConnections()

    /** Opens a direct connection. The other end must have subscribed to [EventKind.DIRECT_CONNECTION]. */
    public suspend fun openDirect(target: Target): DirectConnection =
        DirectConnection(native.openDirect(target.toNative(), null))

    /** A direct connection by its number, as an event gave it. */
    public suspend fun directConnection(connection: ULong): DirectConnection =
        DirectConnection(native.directConnection(connection))

    /** Closes one neighbor link or direct connection. Throws [PeergraphException.NotConnected]. */
    public suspend fun disconnect(connection: ULong): Unit = native.disconnect(connection)

    /** Sends data of a type on a neighbor link or direct connection; see [DirectConnection.send]. */
    public suspend fun send(connection: ULong, dataType: String, data: ByteArray): SendReceipt =
        SendReceipt(native.send(connection, text("dataType", dataType), message(data), null))

    /** Where nodes of this graph can be dialled, as far as known here, those of earlier times too. A snapshot. */
    public suspend fun contacts(): List<NodeAddr> = native.contacts()

    /** The clock this graph agrees on, now. */
    public suspend fun peerTime(): Instant = native.peerTime()

    /** A moment of this machine's clock as the graph would name it. */
    public suspend fun toPeerTime(local: Instant): Instant = native.toPeerTime(clock("local", local))

    /** A moment of the graph's clock as this machine would name it. */
    public suspend fun toLocalTime(peer: Instant): Instant = native.toLocalTime(clock("peer", peer))

    /** How many records the database has, and the fingerprint of their set. */
    public suspend fun fingerprint(): Fingerprint = native.fingerprint()

    /** Publishes a record: signs it, makes it durable, sends it to the neighbors. Returns when it is durable here.
     * Attributes are text, numbers, booleans, moments, bytes, and lists of these. Who is no member of the group any more is told
     * why: [PeergraphException.Removed], [PeergraphException.NotAMember] after leaving, [PeergraphException.InvitationExpired] if
     * its time is over, [PeergraphException.InvitationUsedUp] if its place went to another by the same invitation. */
    public suspend fun publish(
        recordType: String,
        body: ByteArray,
        attributes: Map<String, Any> = emptyMap(),
        expires: Instant? = null,
    ): Record = native.publish(text("recordType", recordType), body(body), valuesOf(attributes), expires?.let { clock("expires", it) })

    /** Publishes a record with a text. */
    public suspend fun publish(
        recordType: String,
        body: String = "",
        attributes: Map<String, Any> = emptyMap(),
        expires: Instant? = null,
    ): Record = publish(recordType, body(body), attributes, expires)

    /** Publishes a new version of a record; what is null stays. With [expectedVersion], only if nobody was faster here. */
    public suspend fun update(
        id: RecordId,
        body: ByteArray? = null,
        attributes: Map<String, Any>? = null,
        expires: Instant? = null,
        expectedVersion: ULong? = null,
    ): Record = native.update(
        id, body?.let(::body), attributes?.let(::valuesOf), expires?.let { clock("expires", it) }, expectedVersion,
    )

    /** Publishes a new version with another text. */
    public suspend fun update(
        id: RecordId,
        body: String,
        attributes: Map<String, Any>? = null,
        expires: Instant? = null,
        expectedVersion: ULong? = null,
    ): Record = update(id, body(body), attributes, expires, expectedVersion)

    /** Deletes a record everywhere; gives the version of what is left. It cannot come back under its id. */
    public suspend fun delete(id: RecordId): ULong = native.delete(id)

    /** The current version of a record; null if there is none, or it is deleted or expired. */
    public suspend fun get(id: RecordId): Record? = native.get(id)

    /** One page of records. */
    public suspend fun list(query: ListQuery = ListQuery()): RecordPage = native.list(checked(query))

    /**
     * One page of conflicts: versions that lost against others of which their authors had not known, with what won. Each is kept
     * until it is [acknowledged][acknowledgeConflict], or as long as a delete is remembered. [record]: only of this one. [after]:
     * the `next` of the page before. [limit]: at most so many; 0: as many as a page may have.
     */
    public suspend fun conflicts(record: RecordId? = null, after: ULong? = null, limit: Int = 0): ConflictPage =
        native.conflicts(record, after, count(limit))

    /** Drops a version that lost, as [conflicts] or [Event.RecordChanged] gave it; other nodes keep it until they acknowledge
     * it themselves. False if it is not here. */
    public suspend fun acknowledgeConflict(loser: Record): Boolean = native.acknowledgeConflict(loser.element)

    /** All records of a query, page by page, as they were at the first page. */
    public fun pages(query: ListQuery = ListQuery()): Flow<List<Record>> = flow {
        var next: ListQuery? = query
        while (true) {
            val asked = next ?: break
            val page = list(asked)
            if (page.items.isNotEmpty()) emit(page.items)
            next = page.next?.let { asked.copy(after = it, through = page.through) }
        }
    }

    /** All records of a query, as they were at the first page. */
    public fun records(query: ListQuery = ListQuery()): Flow<Record> =
        flow { pages(query).collect { page -> page.forEach { emit(it) } } }

    /** Subscribes at once: nothing that happens after this returns is missed. [capacity]: record changes kept in memory,
     * default and at most 1,024. */
    public fun subscribe(
        filter: EventFilter = EventFilter(),
        start: Start = Start.Now,
        capacity: Int? = null,
    ): EventSubscription = EventSubscription(native.subscribe(checked(filter), start, capacity?.let(::count)))

    /** Events as a cold flow: subscribes when it is collected, and unsubscribes when that ends. What must not miss what
     * happens between takes [subscribe]. */
    public fun events(
        filter: EventFilter = EventFilter(),
        start: Start = Start.Now,
        capacity: Int? = null,
    ): Flow<Event> = flow {
        subscribe(filter, start, capacity).use { events -> for (event in events) emit(event) }
    }

    /** Keeps a cursor under a name, in this database, to go on from after a restart. */
    public suspend fun saveCursor(name: String, cursor: ByteArray): Unit = native.saveCursor(text("name", name), cursor)

    /** A cursor kept under a name. */
    public suspend fun loadCursor(name: String): ByteArray? = native.loadCursor(text("name", name))

    /** Writes all records to a new file, sealed if there is a password; gives how many there are. */
    public suspend fun exportDatabase(path: Path, password: String? = null): ULong =
        native.exportDatabase(path("path", path), password?.let { text("password", it) }, null)

    /** Takes in the records of a file that [exportDatabase] wrote, before the graph connects or listens. [exporter]: whose
     * export it must be; default: of the identity that this graph is open as. Calls made after this one wait until it is over. */
    public suspend fun importDatabase(
        path: Path,
        password: String? = null,
        exporter: PeerId? = null,
    ): ImportCount = native.importDatabase(path("path", path), password?.let { text("password", it) }, exporter, null)

    /** Says goodbye to the neighbors, makes everything durable, closes the database, ends all event streams. Of a group,
     * gives up this handle; the group closes when all who opened it have. */
    public suspend fun close(): Unit = native.shut()

    /** Does something with the graph, then closes it, whatever came of it. */
    public suspend inline fun <R> use(block: (Graph) -> R): R = try {
        block(this)
    } finally {
        withContext(NonCancellable) { close() }
    }

    override fun toString(): String = "${if (this is Group) "Group" else "Graph"}(${id.short})"
}
