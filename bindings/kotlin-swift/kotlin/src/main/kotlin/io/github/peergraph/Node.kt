package io.github.peergraph

import java.nio.file.Path
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.withContext

/**
 * One running instance: an endpoint with its own key, acting for an identity. End it with [shutdown], or by [use].
 *
 * Every call may throw [PeergraphException]: a class for each kind of error.
 */
public class Node internal constructor(internal val native: NativeNode) {
    /** This node's id. */
    public val id: NodeId get() = native.id()

    /** The identity this node acts for. */
    public val peerId: PeerId get() = native.peerId()

    /** Where this node can be dialled. */
    public val addr: NodeAddr get() = native.addr()

    /** The UDP sockets that serve all graphs, with the ports that were picked. */
    public val bound: List<String> get() = native.bound()

    /** What this node has sent and received so far. */
    public val metrics: Metrics get() = native.metrics()

    /** The identities of this node: its own and those made or imported here. */
    public val identities: Identities = Identities(native)

    /** Makes a graph with a name: its id, its secret, its database, its properties. No traffic yet. */
    public suspend fun createGraph(
        name: String,
        maxRecord: Int = MAX_RECORD,
        seed: ByteArray? = null,
        precedence: List<String> = emptyList(),
    ): Graph = createGraph(graphProperties(name), maxRecord, seed, precedence)

    /**
     * Makes a graph. [maxRecord]: most bytes of body plus attributes of a record, for ever. [seed] (32 bytes) makes id and
     * secret follow from it and the identity; keep it as secret as a ticket. [precedence]: record types to synchronise first.
     */
    public suspend fun createGraph(
        properties: GraphProperties = graphProperties(),
        maxRecord: Int = MAX_RECORD,
        seed: ByteArray? = null,
        precedence: List<String> = emptyList(),
    ): Graph = Graph(native.createGraph(checked(properties), count(maxRecord), seed, texts("precedence", precedence)))

    /**
     * Opens a graph that is here, which is how one comes back to it after a restart. It is online at once: it listens and dials
     * the nodes it knows in the background, and waits for nobody. [offline]: no traffic until [Graph.connect] or [Graph.listen].
     */
    public suspend fun openGraph(id: GraphId, precedence: List<String> = emptyList(), offline: Boolean = false): Graph =
        Graph(native.openGraph(id, texts("precedence", precedence), offline))

    /** Opens a graph that a ticket leads to. If it was here before, as by its id; else no traffic yet: see [join]. */
    public suspend fun openGraph(ticket: Ticket, precedence: List<String> = emptyList(), offline: Boolean = false): Graph =
        Graph(native.openTicket(text("ticket", ticket.text), texts("precedence", precedence), offline))

    /** Joins the graph of a ticket: connects, waits until its database is here, and listens. See the same by a ticket's text. */
    public suspend fun join(
        ticket: Ticket,
        deadline: Duration = 1.minutes,
        onProgress: ((SyncProgress) -> Unit)? = null,
    ): Graph = join(ticket.text, deadline, onProgress)

    /**
     * Joins the graph of a ticket: connects, waits until its database is here, and listens. [deadline]: for reaching somebody;
     * then there is no limit on the whole, only on 30 s without progress ([PeergraphException.TimedOut]; what came is kept, and
     * the next try goes on from there). [onProgress] is told a few times a second and once in the end, on a thread of the
     * library; it must not block. Cancelling gives the join up.
     */
    public suspend fun join(
        ticket: String,
        deadline: Duration = 1.minutes,
        onProgress: ((SyncProgress) -> Unit)? = null,
    ): Graph = Graph(native.join(text("ticket", ticket), deadline, onProgress?.let(::Told), null))

    /** Makes a group with a name. The identity is its creator: owner without end. It is reachable when this returns.
     * Cancelled, it leaves nothing behind, or the whole group. */
    public suspend fun createGroup(
        name: String,
        rules: GroupRules = groupRules(),
        maxRecord: Int = MAX_RECORD,
        precedence: List<String> = emptyList(),
        identity: Identity? = null,
    ): Group = createGroup(graphProperties(name), rules, maxRecord, precedence, identity)

    /** Makes a group. [identity]: who makes it; default: the node's default identity. */
    public suspend fun createGroup(
        properties: GraphProperties,
        rules: GroupRules = groupRules(),
        maxRecord: Int = MAX_RECORD,
        precedence: List<String> = emptyList(),
        identity: Identity? = null,
    ): Group = Group(
        native.createGroup(
            checked(properties), checked(rules), count(maxRecord), texts("precedence", precedence), identity?.native,
        ),
    )

    /**
     * Opens a group that is here, as the identity that is a member: how one comes back to it after a restart. It is online at
     * once: it listens and dials the nodes it knows in the background, and waits for nobody. [offline]: no traffic until
     * [Graph.connect] or [Graph.listen].
     */
    public suspend fun openGroup(id: GraphId, precedence: List<String> = emptyList(), offline: Boolean = false): Group =
        Group(native.openGroup(id, texts("precedence", precedence), offline))

    /**
     * Joins a group by an invitation: becomes a member, connects, waits until the database is here, and listens. [name]: the
     * friendly name to go by there, whatever the invitation says; default: the one it goes by there, or else the identity's. [deadline]: for being let in; then
     * there is no limit on the whole, only on 30 s without progress ([PeergraphException.TimedOut]; what came is kept, and the
     * next try goes on from there). [onProgress] is told a few times a second and once in the end, on a thread of the library;
     * it must not block. Cancelling gives the join up.
     */
    public suspend fun joinGroup(
        invitation: String,
        name: String = "",
        identity: Identity? = null,
        password: String? = null,
        deadline: Duration = 1.minutes,
        onProgress: ((SyncProgress) -> Unit)? = null,
    ): Group {
        val join = NativeJoin(
            text("invitation", invitation), text("name", name), identity?.native, password?.let { text("password", it) }, deadline,
        )
        return Group(native.joinGroup(join, onProgress?.let(::Told), null))
    }

    /** The same by an invitation that was read already. */
    public suspend fun joinGroup(
        invitation: Invitation,
        name: String = "",
        identity: Identity? = null,
        password: String? = null,
        deadline: Duration = 1.minutes,
        onProgress: ((SyncProgress) -> Unit)? = null,
    ): Group = joinGroup(invitation.text, name, identity, password, deadline, onProgress)

    /** Takes in a membership that [Group.exportMembership] wrote, and opens its group. No traffic yet,
     * so that a database can be imported first; see [Graph.listen] and [Graph.enter]. */
    public suspend fun importMembership(text: String, password: String): Group =
        Group(native.importMembership(text("text", text), text("password", password)))

    /** The graphs that are open in this node. */
    public fun openGraphs(): List<Graph> = native.openGraphs().map(::Graph)

    /** The graphs that have a database here, open or not. */
    public fun storedGraphs(): List<GraphId> = native.storedGraphs()

    /** The groups that have a database here, open or not. */
    public fun storedGroups(): List<GraphId> = native.storedGroups()

    /** Deletes a graph's database here. The graph lives on at the others. */
    public suspend fun deleteGraph(id: GraphId): Unit = native.deleteGraph(id)

    /**
     * For an application that is sent to the background: makes all data durable, says goodbye to all neighbors, and is quiet
     * from then on. When this returns, the system may stop or end the process at any moment. Reading and writing work as
     * always; connects fail with [PeergraphException.Paused].
     */
    public suspend fun pause(): Unit = native.pause()

    /** Ends a pause: the graphs listen again if they did, and the nodes that were neighbors are dialled at once. */
    public suspend fun resume(): Unit = native.resume()

    /** True between [pause] and [resume]. */
    public val isPaused: Boolean get() = native.isPaused()

    /** Tells the node that the system has another network than before, where the system says so. */
    public suspend fun networkChanged(): Unit = native.networkChanged()

    /** Closes all graphs with their goodbyes, makes everything durable, and lets go of the socket and the data directory. */
    public suspend fun shutdown(): Unit = native.shutdown()

    /** Does something with the node, then shuts it down, whatever came of it. */
    public suspend inline fun <R> use(block: (Node) -> R): R = try {
        block(this)
    } finally {
        withContext(NonCancellable) { shutdown() }
    }

    override fun toString(): String = "Node(${id.short})"

    public companion object {
        /** Most bytes of a record unless told otherwise: 1 MiB. */
        public const val MAX_RECORD: Int = 1 shl 20

        /** Opens a node on a data directory, which is made on first use with fresh keys. */
        public suspend fun open(dataDir: Path): Node = start(NodeConfig(dataDir = dataDir))

        /** Opens a node in memory: fresh keys, nothing is kept. */
        public suspend fun inMemory(): Node = start(NodeConfig())

        /** Opens a node. */
        public suspend fun start(config: NodeConfig): Node {
            Threads.keep()
            return Node(nativeStart(config.toNative()))
        }
    }
}
