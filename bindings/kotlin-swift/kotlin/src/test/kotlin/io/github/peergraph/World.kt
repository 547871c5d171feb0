package io.github.peergraph

import java.nio.file.Files
import java.nio.file.Path
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.flow.toList

fun joined(items: Iterable<Any?>): String = items.joinToString(",")

fun sorted(items: Iterable<Any?>): String = items.map { "$it" }.sorted().joinToString(",")

fun orNone(value: Any?): String = value?.toString() ?: "none"

fun snake(value: Enum<*>): String = value.name.lowercase()

fun facts(vararg facts: Pair<String, Any?>): Facts = facts.associate { it.first to "${it.second}" }

fun span(text: String): Duration = text.toDoubleOrNull()?.seconds ?: wrong("$text is no number of seconds")

/** What a join with progress=true was told last. */
class Watch private constructor(private val wanted: Boolean) {
    @Volatile
    private var last: SyncProgress? = null

    val callback: ((SyncProgress) -> Unit)? = if (wanted) { now -> last = now } else null

    fun facts(): Facts = when (val now = last) {
        null -> if (wanted) facts("told" to false) else emptyMap()
        else -> facts("told" to true, "whole" to (now.records > 0u && now.records == now.recordsExpected))
    }

    companion object {
        fun of(step: Step) = Watch(step.flag("progress") ?: false)
    }
}

/** Everything that the steps of one scenario made, and the verbs for nodes, identities and graphs. */
class World(val patience: Duration) {
    private val dir: Path = Files.createTempDirectory("peergraph")
    private val nodes = mutableMapOf<String, Node>()
    private val graphs = mutableMapOf<String, Graph>()
    private val identities = mutableMapOf<String, Identity>()
    val streams = mutableMapOf<String, EventSubscription>()
    val conflicts = mutableMapOf<String, List<Conflict>>()

    fun node(name: String) = nodes[name] ?: wrong("no node is called $name")

    fun graph(name: String) = graphs[name] ?: wrong("no graph is called $name")

    fun group(name: String) = graphs[name] as? Group ?: wrong("no group is called $name")

    fun identity(name: String) = identities[name] ?: wrong("no identity is called $name")

    fun path(step: Step): Path = dir.resolve(step.need("file"))

    suspend fun end() {
        nodes.values.forEach { it.shutdown() }
        dir.toFile().deleteRecursively()
    }

    suspend fun step(step: Step): Facts = when (step.verb) {
        "node" -> start(step)
        "shutdown" -> node(step.names[0]).shutdown().let { facts() }
        "stored" -> node(step.names[0]).let {
            facts("graphs" to it.storedGraphs().size, "groups" to it.storedGroups().size, "open" to it.openGraphs().size)
        }
        "identity", "default-identity", "find-identity", "import-identity" -> getIdentity(step)
        "set-default" -> node(step.names[0]).identities.setDefault(Texts.peerName(step.need("peer_name"))).let { facts() }
        "identities" -> node(step.names[0]).identities.list().let {
            facts("count" to it.size, "names" to sorted(it.map(Identity::name)))
        }
        "rename", "describe", "export-identity", "sign", "groups-of", "delete-identity" -> useIdentity(step)
        "verify" -> PeerId.parse(step.need("peer"))
            .verify(step.need("message").encodeToByteArray(), step.need("signature").hexToByteArray())
            .let { facts("valid" to it) }
        "alter" -> alter(step)
        "graph", "join", "open" -> getGraph(step)
        "delete-graph" -> node(step.names[0]).deleteGraph(GraphId.parse(step.need("id"))).let { facts() }
        "ticket" -> graph(step.names[1]).ticket().let {
            facts("text" to it.text, "graph" to it.graph, "nodes" to it.nodes.size)
        }
        "close", "listen", "status", "sync-progress", "genesis", "properties", "set-properties", "same", "nodes", "node-info",
        "set-attributes", "force-presence", "contacts" -> useGraph(step, graph(step.names[0]))
        else -> connections(step) ?: records(step) ?: events(step) ?: groups(step)
            ?: wrong("the interpreter does not know the verb ${step.verb}")
    }

    private suspend fun start(step: Step): Facts {
        var config = NodeConfig.loopback().copy(encryptDatabase = step.flag("encrypt") ?: false)
        step.opt("dir")?.let { config = config.copy(dataDir = dir.resolve(it)) }
        step.opt("passphrase")?.let { config = config.copy(keyProtection = KeyProtection.Passphrase(it)) }
        step.opt("version")?.let { text ->
            val (major, minor) = text.split('.').map(String::toInt)
            config = config.copy(version = ApiVersion(major, minor))
        }
        val node = Node.start(config)
        nodes[step.names[0]] = node
        return facts("id" to node.id, "peer" to node.peerId, "addr" to node.bound[0])
    }

    private suspend fun getIdentity(step: Step): Facts {
        val all = node(step.names[1]).identities
        val identity = when (step.verb) {
            "identity" -> all.create(step.opt("name"), step.opt("classifier"))
            "default-identity" -> all.default()
            "find-identity" -> all.get(Texts.peerName(step.need("peer_name")))
            else -> all.import(step.need("text"), step.need("password"))
        }
        identities[step.names[0]] = identity
        return facts("peer" to identity.peerId, "peer_name" to identity.peerName.text, "name" to identity.name)
    }

    private suspend fun useIdentity(step: Step): Facts {
        val identity = identity(step.names[0])
        return when (step.verb) {
            "rename" -> identity.rename(step.opt("name")).let { facts("name" to identity.name) }
            "describe" -> identity.describe().let { facts("text" to it.text, "peer" to it.peerId, "name" to it.name) }
            "export-identity" -> facts("text" to identity.export(step.need("password")))
            "sign" -> facts("signature" to identity.sign(step.need("message").encodeToByteArray()).toHexString())
            "groups-of" -> facts("count" to identity.groups().size)
            else -> identity.delete().let { facts() }
        }
    }

    private fun alter(step: Step): Facts {
        val text = step.need("text")
        val middle = text.length / 2
        if (step.flag("cut") == true) return facts("text" to text.take(middle))
        val other = if (text[middle] == 'a') 'b' else 'a'
        return facts("text" to text.take(middle) + other + text.drop(middle + 1))
    }

    fun added(name: String, graph: Graph): Facts {
        graphs[name] = graph
        return facts("id" to graph.id, "outcome" to snake(if (graph is Group) graph.joinOutcome else graph.openOutcome))
    }

    private suspend fun getGraph(step: Step): Facts {
        val node = node(step.names[1])
        val precedence = step.words("precedence")
        val offline = step.flag("offline") ?: false
        val watch = Watch.of(step)
        val graph = when (step.verb) {
            "graph" -> node.createGraph(
                graphProperties(step.opt("name") ?: "", step.opt("comment") ?: ""),
                step.int("max_record") ?: Node.MAX_RECORD,
                step.int("seed")?.let { seed -> ByteArray(32) { seed.toByte() } },
                precedence,
            )
            "join" -> node.join(step.need("ticket"), onProgress = watch.callback)
            else -> step.need("graph").let { which ->
                if (':' in which) node.openGraph(Texts.ticket(which), precedence, offline)
                else node.openGraph(GraphId.parse(which), precedence, offline)
            }
        }
        return added(step.names[0], graph) + watch.facts()
    }

    private suspend fun useGraph(step: Step, graph: Graph): Facts = when (step.verb) {
        "close" -> graph.close().let { facts() }
        "listen" -> facts("outcome" to snake(graph.listen()))
        "status" -> graph.status().let {
            facts("listening" to it.listening, "connections" to it.hasConnections, "synchronized" to it.synchronized)
        }
        "sync-progress" -> graph.syncProgress().let {
            facts("records" to orNone(it?.records), "expected" to orNone(it?.recordsExpected))
        }
        "genesis" -> graph.genesis().let {
            facts("creator" to it.creator, "max_record" to it.maxRecord, "group" to (it.rules != null))
        }
        "properties" -> properties(graph.properties())
        "set-properties" -> properties(
            graph.setProperties(
                step.opt("name"), step.opt("comment"), step.opt("presence_lifetime")?.let(::span),
                if (step.opt("presence_max") == "none") null else step.int("presence_max"),
                step.opt("presence_max") == "none", step.flag("defer_expiration"),
            ),
        )
        "same" -> graph.fingerprint().let { own ->
            val other = graph(step.names[1]).fingerprint()
            facts("equal" to (own.count == other.count && own.hash.contentEquals(other.hash)), "count" to own.count)
        }
        "nodes" -> (step.opt("peer")?.let { graph.nodesOf(PeerId.parse(it)) } ?: graph.nodes()).let { all ->
            facts("count" to all.size, "peers" to sorted(all.map { it.peer }))
        }
        "node-info" -> graph.nodeInfo(NodeId.parse(step.need("node"))).let {
            facts("node" to it.node, "peer" to it.peer, "attributes" to it.attributes)
        }
        "set-attributes" -> graph.setNodeAttributes(step.opt("text")).let { facts() }
        "force-presence" -> graph.forcePresence(step.flag("forced") ?: true).let { facts() }
        else -> facts("count" to graph.contacts().size)
    }
}

fun properties(now: GraphProperties): Facts = facts(
    "name" to now.name, "comment" to now.comment, "presence_lifetime" to now.presenceLifetime.inWholeSeconds,
    "presence_max" to orNone(now.presenceMax), "defer_expiration" to now.deferExpiration,
)

private fun target(step: Step): Target {
    step.opt("node")?.let { text ->
        val node = NodeId.parse(text)
        return step.opt("addr")?.let { Target(NodeAddr(node, listOf(it), null)) } ?: Target(node)
    }
    step.opt("peer")?.let { return Target(PeerId.parse(it)) }
    step.opt("ticket")?.let { return Target(Texts.ticket(it)) }
    wrong("no target")
}

private fun connection(info: ConnectionInfo) = facts(
    "connection" to info.connection, "link" to snake(info.kind), "node" to info.node, "peer" to info.peer,
)

private fun connections(all: List<ConnectionInfo>) = facts(
    "count" to all.size, "peers" to sorted(all.map { it.peer }), "connection" to orNone(all.firstOrNull()?.connection),
)

suspend fun World.connections(step: Step): Facts? = when (step.verb) {
    "connect" -> connection(
        graph(step.names[1]).connect(
            target(step), step.opt("expected_peer")?.let(PeerId::parse), step.opt("deadline")?.let(::span) ?: 1.minutes,
        ),
    )
    "enter" -> graph(step.names[0]).enter(target(step)).let { facts() }
    "direct" -> connection(graph(step.names[1]).openDirect(target(step)).info)
    "neighbors" -> connections(graph(step.names[0]).neighbors())
    "direct-connections" -> connections(graph(step.names[0]).directConnections())
    "disconnect" -> graph(step.names[0]).disconnect(step.number("connection") ?: 0u).let { facts() }
    "send" -> graph(step.names[0])
        .send(step.number("connection") ?: 0u, step.need("type"), (step.opt("data") ?: "").encodeToByteArray())
        .let { facts("delivered" to it.delivered()) }
    else -> null
}

private fun role(text: String) = Role.entries.find { snake(it) == text } ?: wrong("no role is called $text")

private fun lifetime(step: Step, default: Duration?): Duration? = when (val text = step.opt("lifetime")) {
    null -> default
    "none" -> null
    else -> span(text)
}

private fun told(invitation: Invitation) = facts(
    "text" to invitation.text, "kind" to snake(invitation.kind), "role" to snake(invitation.role),
    "group_name" to invitation.groupName, "issuer" to invitation.issuer, "issuer_name" to invitation.issuerName,
    "subject" to orNone(invitation.subject),
)

private suspend fun World.createGroup(step: Step): Facts {
    val rules = groupRules(
        minVersion = step.int("min_version") ?: 1,
        maxChain = step.int("max_chain") ?: 8,
        properties = step.opt("properties")?.let(::role) ?: Role.OWNER,
        encryptedBodies = step.flag("encrypted_bodies") ?: false,
        types = step.starting("rule.").map { (type, rule) ->
            val (publish, edit) = rule.split(',')
            TypeRule(type, role(publish), if (edit == "author") Who.Author else Who.AtLeast(role(edit)))
        },
    )
    val group = node(step.names[1]).createGroup(
        step.opt("name") ?: "", rules, step.int("max_record") ?: Node.MAX_RECORD,
        identity = step.opt("identity")?.let(::identity),
    )
    return added(step.names[0], group)
}

suspend fun World.groups(step: Step): Facts? {
    val name = step.names[0]
    suspend fun peer() = PeerId.parse(step.need("peer"))
    return when (step.verb) {
        "group" -> createGroup(step)
        "open-group" ->
            added(name, node(step.names[1]).openGroup(GraphId.parse(step.need("id")), offline = step.flag("offline") ?: false))
        "import-membership" ->
            added(name, node(step.names[1]).importMembership(step.need("text"), step.need("password")))
        "join-group" -> Watch.of(step).let { watch ->
            val joined = node(step.names[1]).joinGroup(
                step.need("invitation"), step.opt("name") ?: "", step.opt("identity")?.let(::identity),
                step.opt("password"), step.opt("deadline")?.let(::span) ?: 1.minutes, onProgress = watch.callback,
            )
            added(name, joined) + watch.facts()
        }
        "rules" -> group(name).rules().let { rules ->
            facts(
                "creator_name" to rules.creatorName, "max_chain" to rules.maxChain, "min_version" to rules.minVersion,
                "properties" to snake(rules.properties), "encrypted_bodies" to rules.encryptedBodies,
                "records_end_with_membership" to rules.recordsEndWithMembership,
                "types" to sorted(rules.types.map { it.recordType }),
            )
        }
        "role" -> facts("role" to orNone(group(name).role()?.let(::snake)))
        "members" -> group(name).members().let { all ->
            facts("count" to all.size, "names" to sorted(all.map { it.name }), "present" to all.count { it.isPresent })
        }
        "member" -> group(name).member(peer()).let {
            facts(
                "name" to it.name, "role" to orNone(it.role?.let(::snake)), "present" to it.isPresent,
                "issuer" to orNone(it.issuer),
            )
        }
        "credentials" -> facts("count" to group(name).credentials().size)
        "invitations" -> group(name).invitations().let { all ->
            val first = all.firstOrNull()
            facts(
                "count" to all.size, "key" to orNone(first?.key), "role" to orNone(first?.role?.let(::snake)),
                "uses" to orNone(first?.uses), "used" to orNone(first?.used),
            )
        }
        "link" -> told(
            group(step.names[1]).inviteLink(
                step.opt("role")?.let(::role) ?: Role.MEMBER, step.int("uses") ?: 1,
                step.opt("valid")?.let(::span) ?: 7.days, lifetime(step, 30.days),
                step.words("admitters").map(PeerId::parse),
            ),
        )
        "invite" -> {
            val role = step.opt("role")?.let(::role) ?: Role.MEMBER
            val group = group(step.names[1])
            val whom = step.opt("whom")
            told(
                if (whom != null) group.invite(Texts.description(whom), role, lifetime(step, 30.days))
                else group.invite(peer(), step.opt("name") ?: "", role, lifetime(step, 30.days)),
            )
        }
        "password" -> told(
            group(step.names[1]).setPassword(
                step.need("password"), step.opt("role")?.let(::role) ?: Role.MEMBER, lifetime(step, null),
            ),
        )
        "clear-password" -> group(name).clearPassword().let { facts() }
        "invitation" -> told(Texts.invitation(step.need("text")))
        "revoke-invitation" -> group(name).revokeInvitation(PeerId.parse(step.need("key"))).let { facts() }
        "renew" -> group(name).renew(peer(), lifetime(step, 30.days)).let { facts() }
        "set-name" -> group(name).setName(step.need("name")).let { facts() }
        "set-role" -> group(name).setRole(peer(), role(step.need("role"))).let { facts() }
        "remove" -> group(name).remove(
            peer(), step.opt("reason") ?: "", step.flag("keep_records") ?: true, step.flag("with_branch") ?: false,
            step.flag("undo") ?: false,
        ).let { facts() }
        "revoke-device" -> group(name).revokeDevice(peer(), NodeId.parse(step.need("node"))).let { facts() }
        "restore-device" -> group(name).restoreDevice(peer(), NodeId.parse(step.need("node"))).let { facts() }
        "revoked-devices" -> group(name).revokedDevices(peer()).let { all ->
            facts("count" to all.size, "node" to orNone(all.firstOrNull()?.node), "by" to orNone(all.firstOrNull()?.by))
        }
        "leave" -> group(name).leave().let { facts() }
        "export-database" -> facts("count" to graph(name).exportDatabase(path(step), step.opt("password")))
        "import-database" -> graph(name)
            .importDatabase(path(step), step.opt("password"), step.opt("exporter")?.let(PeerId::parse)).let {
                facts("added" to it.added, "known" to it.known, "refused" to it.refused, "waiting" to it.waiting)
            }
        "export-membership" -> facts("text" to group(name).exportMembership(step.need("password")))
        else -> null
    }
}
