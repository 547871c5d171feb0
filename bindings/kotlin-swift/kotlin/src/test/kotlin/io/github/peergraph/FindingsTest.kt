package io.github.peergraph

import java.net.URI
import java.nio.file.FileSystems
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.exists
import kotlin.reflect.KClass
import kotlin.reflect.KFunction
import kotlin.reflect.KParameter
import kotlin.reflect.KVisibility
import kotlin.reflect.full.callSuspendBy
import kotlin.reflect.full.declaredMemberFunctions
import kotlin.reflect.full.instanceParameter
import kotlin.reflect.full.valueParameters
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import kotlin.test.fail
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.Instant
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeoutOrNull
import org.junit.jupiter.api.io.TempDir

/** What was found by using the library, each under its number: `k` are the findings here, `p` and `n` those of Python and Node. */
class FindingsTest {
    // What is no attribute is the only wrong type that the compiler lets through: `Map<String, Any>` takes all.
    @Test
    fun `p1_what is no attribute is refused by its name`() = real {
        node().use { node ->
            val graph = node.createGraph("types").kept()
            for (wrong in listOf(intArrayOf(1), arrayOf("a"), setOf(1), 'x', java.util.Date(), java.time.Instant.EPOCH, Any(), listOf(listOf(1)), 1.toBigInteger())) {
                val error = failing<PeergraphException.InvalidArgument> { graph.publish("t", "", mapOf("fine" to 1, "wrong" to wrong)) }
                assertContains(error.message!!, "wrong")
            }
            failing<PeergraphException.InvalidArgument> { graph.publish("t", "", mapOf("x" to Double.NaN)) }
            // Bodies are bytes or text, and nothing else compiles.
            val bodies = Graph::class.declaredMemberFunctions.filter { it.name == "publish" }
                .map { publish -> publish.valueParameters.first { it.name == "body" }.type.classifier }
            assertEquals(setOf<Any?>(ByteArray::class, String::class), bodies.toSet())
            assertEquals(0, graph.list(ListQuery(recordType = "t")).items.size)
        }
    }

    @Test
    fun `p2_n6_a data directory that is empty or elsewhere is refused`(@TempDir dir: Path) = real {
        assertFalse(Node.Companion::class.declaredMemberFunctions.first { it.name == "open" }.valueParameters.single().type.isMarkedNullable)
        val empty = failing<PeergraphException.InvalidArgument> { Node.open(Path.of("")) }
        assertContains(empty.message!!, "dataDir")
        FileSystems.newFileSystem(URI("jar:${dir.resolve("a.zip").toUri()}"), mapOf("create" to "true")).use { archive ->
            val elsewhere = failing<PeergraphException.InvalidArgument> { Node.open(archive.getPath("/peergraph-p2")) }
            assertContains(elsewhere.message!!, "dataDir")
            node().use { node ->
                val graph = node.createGraph("files").kept()
                failing<PeergraphException.InvalidArgument> { graph.exportDatabase(archive.getPath("/peergraph-p2")) }
                failing<PeergraphException.InvalidArgument> { graph.importDatabase(archive.getPath("/peergraph-p2")) }
            }
        }
        assertFalse(Path.of("/peergraph-p2").exists())
    }

    @Test
    fun `p3_k12_no secret is in a text for people`() = real {
        val (word, key) = "correct horse" to ByteArray(32) { 77 }
        val secrets = listOf(word, "77, 77", "4d4d4d")
        val configs = listOf(
            NodeConfig(identity = key, keyProtection = KeyProtection.Passphrase(word)),
            NodeConfig(keyProtection = KeyProtection.Key(key), keySource = { key }),
        )
        val texts = configs.flatMap { listOf("$it", "${it.keyProtection}", "${it.toNativePlain()}") } +
            NativeJoin("peergraph-invitation:$word", "Ben", null, word, 1.seconds).toString()
        for (text in texts) for (secret in secrets) assertFalse(secret in text, text)
        assertContains("${configs[0]}", "identity=(hidden)")
        assertContains("${NodeConfig()}", "identity=null")
        assertContains("${configs[1]}", "Key(..)")
        assertEquals("Plain", "${KeyProtection.Plain}")
        node().use { node ->
            val graph = node.createGraph("secret").kept()
            graph.listen()
            val (ticket, link) = graph.ticket() to node.createGroup("club").inviteLink()
            val shown = listOf("$ticket", "${Target(ticket)}", "${Target(ticket).toNative()}", "$link", "${link.copy(groupName = "x")}")
            for (text in shown) for (secret in listOf(ticket.text, link.text)) {
                assertFalse(secret.substringAfter(':').take(20) in text, text)
            }
            assertContains("$link", "club")
        }
    }

    private fun NodeConfig.toNativePlain() = nativeDefaultConfig(false).copy(identity = identity, keyProtection = keyProtection)

    @Test
    fun `p4_roles are ordered by rank`() {
        assertTrue(Role.OWNER > Role.ADMIN && Role.ADMIN > Role.INVITER && Role.INVITER > Role.MEMBER && Role.MEMBER > Role.READER)
        assertEquals(Role.OWNER, Role.entries.max())
        assertEquals(Role.READER, Role.entries.min())
    }

    /** Each of [count] goes to exactly one of the readers that a function starts. */
    private suspend fun shared(count: Int, read: suspend (EventSubscription, MutableList<String?>) -> Unit) {
        node().use { node ->
            val graph = node.createGraph("shared").kept()
            val events = graph.subscribe(EventFilter(kinds = listOf(EventKind.RECORD_CHANGED), recordTypes = listOf("t")))
            val seen = coroutineScope {
                val readers = List(4) { async(Dispatchers.Default) { mutableListOf<String?>().also { read(events, it) } } }
                List(8) { producer ->
                    launch(Dispatchers.Default) { repeat(count / 8) { graph.publish("t", "${producer * (count / 8) + it}") } }
                }.forEach { it.join() }
                // The end of the stream ends all readers.
                graph.close()
                readers.awaitAll()
            }
            assertEquals((0..<count).toList(), seen.flatten().map { it!!.toInt() }.sorted())
        }
    }

    @Test
    fun `k28_p5_several loops share the events of a subscription`() = real { shared(4_000) { events, seen -> for (event in events) seen += event.text } }

    @Test
    fun `k28_p5_several flows share the events of a subscription`() = real { shared(2_000) { events, seen -> events.asFlow().collect { seen += it.text } } }

    @Test
    fun `k28_p5_several receivers share the events of a subscription`() = real {
        shared(2_000) { events, seen -> while (true) seen += (events.receive() ?: break).text }
    }

    @Test
    fun `k28_p5_a reader that is cancelled passes the events on`() = real {
        node().use { node ->
            val graph = node.createGraph("passed on").kept()
            repeat(50) { turn ->
                val events = graph.subscribe(EventFilter(EventKind.RECORD_CHANGED))
                coroutineScope {
                    val stays = async(Dispatchers.Default) { events.receive() }
                    val goes = launch(Dispatchers.Default) { events.hasNext() }
                    launch(Dispatchers.Default) { goes.cancel() }
                    graph.publish("t", "$turn")
                    val event = withTimeoutOrNull(patience) { stays.await() } ?: fail("the reader that stays is not woken")
                    assertEquals("$turn", event.text)
                }
                events.close()
            }
        }
    }

    @Test
    fun `p21_what is far too large is refused before it is copied`() = real {
        node().use { node ->
            val graph = node.createGraph("large").kept()
            val far = nativeLimits()
            val body = ByteArray(far.maxRecord.toInt() + 1)
            val error = failing<PeergraphException.TooLarge> { graph.publish("t", body) }
            assertContains(error.message!!, "body")
            failing<PeergraphException.TooLarge> { graph.publish("t", "x".repeat(body.size)) }
            failing<PeergraphException.TooLarge> { graph.update(RecordId(ByteArray(16)), body) }
            failing<PeergraphException.TooLarge> { graph.publish("t", "", mapOf("x" to ByteArray(far.maxAttributes.toInt() + 1))) }
            failing<PeergraphException.TooLarge> { graph.publish("t", "", mapOf("x" to listOf("x".repeat(far.maxAttributes.toInt() + 1)))) }
            failing<PeergraphException.TooLarge> { graph.send(1uL, "t", ByteArray(far.maxData.toInt() + 1)) }
            // What this graph takes at most is the core's to say.
            failing<PeergraphException.TooLarge> { graph.publish("t", ByteArray(Node.MAX_RECORD + 1)) }
            assertEquals(Node.MAX_RECORD, graph.publish("t", ByteArray(Node.MAX_RECORD)).body.size)
        }
    }

    @Test
    fun `n4_bytes that change after the call are stored as they were`() = real {
        node().use { node ->
            val graph = node.createGraph("bytes").kept()
            coroutineScope {
                val (body, attribute) = ByteArray(1_000) { 1 } to ByteArray(10) { 1 }
                val attributes = mutableMapOf<String, Any>("a" to attribute)
                val publishing = async(start = CoroutineStart.UNDISPATCHED) { graph.publish("t", body, attributes) }
                body.fill(2)
                attribute.fill(2)
                attributes.clear()
                val record = publishing.await()
                assertContentEquals(ByteArray(1_000) { 1 }, graph.get(record.id)!!.body)
                assertContentEquals(ByteArray(10) { 1 }, record["a"] as ByteArray)
                body.fill(3)
                val updating = async(start = CoroutineStart.UNDISPATCHED) { graph.update(record.id, body) }
                body.fill(4)
                assertContentEquals(ByteArray(1_000) { 3 }, updating.await().body)
            }
            val raw = ByteArray(32) { 5 }
            val ids = listOf(PeerId(raw), NodeId(raw), GraphId(raw), RecordId(raw.copyOf(16)))
            raw.fill(6)
            for (id in ids.take(3)) assertEquals("05".repeat(32), "$id")
            ids[0].toBytes().fill(7)
            assertEquals("05".repeat(32), "${ids[0]}")
        }
        // The source of the key takes its time, and the key of the identity is the caller's array.
        val key = ByteArray(32) { 9 }
        val wanted = Node.start(NodeConfig.loopback().copy(identity = key.copyOf())).use { it.peerId }
        val dir = Files.createTempDirectory("peergraph-n4")
        val config = NodeConfig.loopback().copy(dataDir = dir, identity = key, keySource = { key.fill(0); ByteArray(32) { 1 } })
        assertEquals(wanted, Node.start(config).use { it.peerId })
        dir.toFile().deleteRecursively()
    }

    @Test
    fun `n6_empty and wrong words are refused`() = real {
        node().use { node ->
            val graph = node.createGroup("words").kept()
            failing<PeergraphException.InvalidArgument> { graph.publish("", "x") }
            failing<PeergraphException.InvalidArgument> { graph.publish("t", "x", mapOf("" to 1)) }
            failing<PeergraphException.InvalidArgument> { graph.list(ListQuery(recordType = "")) }
            failing<PeergraphException.InvalidArgument> { graph.subscribe(EventFilter(recordTypes = listOf(""))) }
            failing<PeergraphException.InvalidArgument> { graph.subscribe(EventFilter(dataTypes = listOf(""))) }
            failing<PeergraphException.InvalidArgument> { graph.saveCursor("", graph.subscribe().cursor) }
            failing<PeergraphException.InvalidArgument> { node.createGraph("x", precedence = listOf("")) }
            failing<PeergraphException.InvalidTicket> { node.join("") }
            failing<PeergraphException.InvalidInvitation> { node.joinGroup("") }
            failing<PeergraphException> { node.importMembership("", "password") }
            failing<PeergraphException> { node.identities.import("", "password") }
            failing<PeergraphException> { graph.setPassword("") }
            failing<PeergraphException> { graph.exportMembership("") }
            failing<PeergraphException> { graph.exportDatabase(Files.createTempDirectory("peergraph-n6").resolve("x"), password = "") }
            failing<PeergraphException> { graph.importDatabase(Path.of("")) }
            failing<PeergraphException.InvalidId> { PeerId.parse("") }
            for (config in listOf(
                NodeConfig.loopback().copy(bind = listOf("")),
                NodeConfig.loopback().copy(bind = listOf("localhost")),
                NodeConfig.loopback().copy(network = NetworkMode.Custom(listOf("nonsense"), null)),
                NodeConfig.loopback().copy(network = NetworkMode.Custom(listOf(), "nonsense")),
                NodeConfig.loopback().copy(identity = ByteArray(3)),
                NodeConfig.loopback().copy(targetNeighbors = -1),
            )) failing<PeergraphException> { Node.start(config) }
        }
    }

    private lateinit var link: Invitation

    /** A value for a parameter that is not under test. */
    private fun filler(parameter: KParameter, node: Node): Any? = when (parameter.type.classifier) {
        String::class -> "x"
        ByteArray::class -> ByteArray(32)
        Boolean::class -> false
        ULong::class -> 1uL
        Int::class -> 1
        Role::class -> Role.MEMBER
        PeerId::class -> node.peerId
        NodeId::class -> node.id
        GraphId::class -> GraphId(ByteArray(32))
        RecordId::class -> RecordId(ByteArray(16))
        Target::class -> Target(node.id)
        Duration::class -> 1.seconds
        GraphProperties::class -> graphProperties()
        EventFilter::class -> EventFilter()
        Path::class -> Path.of("x")
        Instant::class -> Instant.fromEpochMilliseconds(0)
        IdentityDescription::class -> node.identities.list().first().describe()
        Invitation::class -> link
        Ticket::class -> Ticket("x", GraphId(ByteArray(32)), listOf())
        PeerName::class -> node.identities.list().first().peerName
        else -> if (parameter.isOptional || parameter.type.isMarkedNullable) null else fail("no value for $parameter")
    }

    /** Values that hold a text, with the name that the error must give. */
    private fun poisoned(parameter: KParameter, node: Node, half: String): List<Pair<String, Any>> = when (parameter.type.classifier) {
        String::class -> listOf(parameter.name!! to half)
        List::class -> if (parameter.type.arguments.single().type!!.classifier == String::class) listOf(parameter.name!! to listOf(half)) else listOf()
        Map::class -> listOf(half, listOf(half), Value.Text(half), Value.Several(listOf(Value.Text(half)))).map { "\"k\"" to mapOf("k" to it) } +
            listOf("attributes" to mapOf(half to 1))
        GraphProperties::class -> listOf("name" to graphProperties(name = half), "comment" to graphProperties(comment = half))
        GroupRules::class -> listOf(
            "creatorName" to groupRules(creatorName = half),
            "recordType" to groupRules(types = listOf(TypeRule(half, Role.MEMBER, Who.Author))),
        )
        EventFilter::class -> listOf("recordTypes" to EventFilter(recordTypes = listOf(half)), "dataTypes" to EventFilter(dataTypes = listOf(half)))
        ListQuery::class -> listOf("recordType" to ListQuery(recordType = half))
        Target::class -> listOf("addrs" to NodeAddr(node.id, listOf(half), null), "relay" to NodeAddr(node.id, listOf(), half))
            .map { (name, addr) -> name to Target(addr) } + ("target" to Target(Ticket(half, GraphId(ByteArray(32)), listOf())))
        Ticket::class -> listOf("ticket" to Ticket(half, GraphId(ByteArray(32)), listOf()))
        Invitation::class -> listOf("invitation" to link.copy(text = half))
        IdentityDescription::class -> listOf("whom" to node.identities.list().first().describe().copy(text = half))
        PeerName::class -> listOf("name" to node.identities.list().first().peerName.copy(text = half))
        else -> listOf()
    }

    private val inherited = setOf("equals", "hashCode", "toString", "use")

    private suspend fun halves(kind: KClass<*>, handle: Any, node: Node): Int {
        var tried = 0
        for (half in listOf("hi 😀".take(4), "\uDE00x")) {
            for (call in kind.declaredMemberFunctions.filter { it.visibility == KVisibility.PUBLIC && it.name !in inherited }) {
                for (parameter in call.valueParameters) for ((name, value) in poisoned(parameter, node, half)) {
                    val given = call.valueParameters.filter { it != parameter && !it.isOptional }.associateWith { filler(it, node) } +
                        (parameter to value) + (call.instanceParameter!! to handle)
                    assertNames(call, name, given)
                    tried += 1
                }
            }
        }
        return tried
    }

    private suspend fun assertNames(call: KFunction<*>, name: String, given: Map<KParameter, Any?>) {
        try {
            val result = call.callSuspendBy(given)
            // A cold flow begins when it is collected.
            if (result is Flow<*>) result.first()
            fail("${call.name}($name) has not failed: $result")
        } catch (error: Throwable) {
            val cause = if (error is java.lang.reflect.InvocationTargetException) error.targetException else error
            if (cause !is PeergraphException.InvalidArgument || name !in cause.message!! || "surrogate" !in cause.message!!) {
                throw AssertionError("${call.name}($name): $cause", cause)
            }
        }
    }

    @Test
    fun `k10_half a surrogate pair is refused by name in every call`() = real {
        node().use { node ->
            val group = node.createGroup("halves").kept()
            val identity = node.identities.create("Ann")
            link = group.inviteLink()
            val tried = listOf(
                Node::class to node, Graph::class to group, Group::class to group, Identities::class to node.identities, Identity::class to identity,
                Texts::class to Texts,
            ).associate { (kind, handle) -> kind.simpleName to halves(kind, handle, node) }
            assertTrue(tried.values.sum() > 100 && tried.values.all { it > 0 }, "$tried")
            val half = "hi 😀".take(4)
            for (call in listOf<() -> Any>(
                { PeerId.parse(half) }, { NodeId.parse(half) }, { GraphId.parse(half) }, { RecordId.parse(half) },
                { unsecuredName(half) }, { securedName(node.peerId, half) }, { identity.peerName.derive(half) },
            )) assertContains(assertFailsWith<PeergraphException.InvalidArgument> { call() }.message!!, "surrogate")
            for (config in listOf(
                NodeConfig.loopback().copy(bind = listOf(half)), NodeConfig.loopback().copy(network = NetworkMode.Custom(listOf(half), null)),
                NodeConfig.loopback().copy(network = NetworkMode.Custom(listOf(), half)),
                NodeConfig.loopback().copy(keyProtection = KeyProtection.Passphrase(half)),
            )) assertContains(failing<PeergraphException.InvalidArgument> { Node.start(config) }.message!!, "surrogate")
            // Whole pairs are as good as any other character.
            assertEquals("hi 😀", assertNotNull(group.get(group.publish("t", "hi 😀", mapOf("face" to "😀")).id)).bodyText)
        }
    }

    @Test
    fun `c43_calls that begin in order take effect in order`() = real {
        node().use { node ->
            for (start in listOf(CoroutineStart.DEFAULT, CoroutineStart.UNDISPATCHED)) repeat(10) {
                val graph = node.createGraph("order").kept()
                val record = graph.publish("u", "0")
                // Coroutines of one thread begin in the order in which they are launched.
                coroutineScope {
                    val (publishes, updates) = mutableListOf<Deferred<Record>>() to mutableListOf<Deferred<Record>>()
                    repeat(50) { number ->
                        publishes += async(start = start) { graph.publish("t", "$number") }
                        updates += async(start = start) { graph.update(record.id, "$number") }
                    }
                    // What is asked next comes after them, and so does the end.
                    val listing = async(start = start) { graph.list(ListQuery(recordType = "t")) }
                    val closing = launch(start = start) { graph.close() }
                    assertEquals(List(50) { "$it" }, listing.await().items.map { it.bodyText!! })
                    assertEquals(List(50) { (it + 2).toULong() }, updates.awaitAll().map { it.version })
                    publishes.awaitAll()
                    closing.join()
                }
            }
        }
    }

    @Test
    fun `c43_files are written and read in the order of the calls`() = real {
        nodes(2) { (node, other) ->
            val dir = Files.createTempDirectory("peergraph-c43")
            val graph = node.createGraph("order")
            graph.listen()
            val ticket = graph.ticket()
            var before = graph.exportDatabase(dir.resolve("none"))
            for (start in listOf(CoroutineStart.DEFAULT, CoroutineStart.UNDISPATCHED)) repeat(5) { turn ->
                val file = dir.resolve("$start $turn")
                coroutineScope {
                    val publishes = List(50) { number -> async(start = start) { graph.publish("t", "$number") } }
                    val count = async(start = start) { graph.exportDatabase(file) }.await()
                    assertEquals(before + 50u, count)
                    before = count
                    publishes.awaitAll()
                    val copy = other.openGraph(ticket, offline = true)
                    val importing = async(start = start) { copy.importDatabase(file, exporter = node.peerId) }
                    val publishing = async(start = start) { copy.publish("u", "after") }
                    val listening = async(start = start) { copy.listen() }
                    val closing = launch(start = start) { copy.close() }
                    val opening = async(start = start) { other.openGraph(ticket, offline = true) }
                    assertEquals(0uL, importing.await().refused)
                    publishing.await()
                    listening.await()
                    closing.join()
                    val opened = opening.await()
                    opened.status()
                    opened.close()
                    val own = node.identities.default()
                    val renaming = async(start = start) { own.rename("before $turn") }
                    val exporting = async(start = start) { own.export("open sesame") }
                    val again = launch(start = start) { own.rename("after $turn") }
                    val imported = other.identities.import(exporting.await(), "open sesame")
                    renaming.await()
                    again.join()
                    assertEquals("before $turn", imported.name)
                    imported.delete()
                }
            }
        }
    }

    @Test
    fun `k21_moments before 1970 are kept`() = real {
        node().use { node ->
            val graph = node.createGraph("born")
            val moments = listOf(Instant.parse("1965-04-03T02:01:00.123Z"), Instant.fromEpochMilliseconds(-1), Instant.parse("0001-01-01T00:00:00Z"), Instant.parse("9999-12-31T23:59:59.999Z"))
            for (born in moments) assertEquals(born, graph.get(graph.publish("t", "", mapOf("born" to born)).id)!!["born"])
            for (far in listOf(moments[2] - 1.milliseconds, moments[3] + 1.milliseconds)) {
                assertContains(failing<PeergraphException.InvalidArgument> { graph.publish("t", "", mapOf("born" to far)) }.message!!, "born")
            }
        }
    }

    @Test
    fun `c42_a version that lost is listed until it is acknowledged`() = real {
        nodes(2) { (one, two) ->
            val here = one.createGraph("conflicts")
            here.listen()
            val record = here.publish("t", "first")
            val ticket = here.ticket()
            val there = two.join(ticket)
            val id = record.id
            // Apart, each changes it.
            two.pause()
            eventually("apart") { here.neighbors().isEmpty() }
            here.update(id, "here")
            there.update(id, "there")
            two.resume()
            for (graph in listOf(here, there)) {
                eventually("the conflict is known") { graph.conflicts().items.size == 1 }
                val conflict = graph.conflicts(record = id).items.single()
                assertEquals(setOf("here", "there"), setOf(conflict.winner.bodyText, conflict.loser.bodyText))
                assertEquals(graph.get(id)!!.bodyText, conflict.winner.bodyText)
                assertEquals(0, graph.conflicts(record = RecordId(ByteArray(16))).items.size)
                val told = find(graph.subscribe(EventFilter(EventKind.RECORD_CHANGED), Start.Snapshot)) { (it as? Event.RecordChanged)?.conflict }
                assertEquals(conflict.loser.bodyText, told.bodyText)
                assertTrue(graph.acknowledgeConflict(told))
                assertFalse(graph.acknowledgeConflict(conflict.loser))
                assertEquals(0, graph.conflicts().items.size)
            }
        }
    }

    @Test
    fun `c34_what is here is opened online, and offline if so wanted`(@TempDir dir: Path) = real {
        node().use { there ->
            val config = NodeConfig.loopback().copy(dataDir = dir)
            val club = there.createGroup("club").kept()
            Node.start(config).use { it.joinGroup(club.inviteLink()) }
            eventually("alone") { club.neighbors().isEmpty() }
            Node.start(config).use { node ->
                val group = node.openGroup(club.id).kept()
                val sent = club.publish("t", "meanwhile")
                eventually("online by itself") { group.get(sent.id) != null }
                assertTrue(group.status().listening)
                group.close()
                eventually("alone again") { club.neighbors().isEmpty() }
                val silent = node.openGroup(club.id, offline = true).kept()
                assertEquals(Status(listening = false, hasConnections = false, synchronized = false), silent.status())
            }
        }
    }

    @Test
    fun `c7_a join tells how far it is`() = real {
        nodes(2) { (one, two) ->
            val (count, here) = 3_000 to one.createGroup("large")
            coroutineScope { repeat(count) { launch { here.publish("t", "$it") } } }
            val told = java.util.concurrent.ConcurrentLinkedQueue<SyncProgress>()
            val there = two.joinGroup(here.inviteLink(), onProgress = { told += it }).kept()
            val seen = told.toList()
            assertTrue(seen.last().records >= count.toULong(), "$seen")
            assertEquals(seen.last().recordsExpected, seen.last().records)
            assertEquals(seen.map { it.records }.sorted(), seen.map { it.records })
            assertEquals(null, there.syncProgress())
            assertEquals(count, there.records(ListQuery(recordType = "t")).toList().size)
            assertEquals(null, there.status().clockSkewMs)
            assertFalse(there.publish("t", "now").held)
        }
    }

    /** What a callback throws is no error of the call. */
    @Test
    fun `c7_a callback that throws is its thread's, and the join goes on`() = real {
        nodes(2) { (one, two) ->
            val here = one.createGraph("callback").kept()
            here.listen()
            here.publish("t", "x")
            val before = Thread.getDefaultUncaughtExceptionHandler()
            val thrown = java.util.concurrent.ConcurrentLinkedQueue<Throwable>()
            Thread.setDefaultUncaughtExceptionHandler { _, error -> thrown += error }
            try {
                two.join(here.ticket(), onProgress = { throw IllegalStateException("no bar") }).kept()
            } finally {
                Thread.setDefaultUncaughtExceptionHandler(before)
            }
            assertTrue(thrown.isNotEmpty() && thrown.all { it.message == "no bar" }, "$thrown")
        }
    }

    @Test
    fun `k20_moments that cannot be kept are refused by name`() = real {
        node().use { node ->
            val graph = node.createGraph("far").kept()
            val before = Instant.fromEpochMilliseconds(-1)
            assertContains(failing<PeergraphException.InvalidArgument> { graph.publish("t", "", expires = before) }.message!!, "expires")
            failing<PeergraphException.InvalidArgument> { graph.toPeerTime(before) }
            failing<PeergraphException.InvalidArgument> { graph.toLocalTime(before) }
            for (far in listOf(Instant.fromEpochSeconds(Long.MAX_VALUE), Instant.fromEpochSeconds(Long.MIN_VALUE), Instant.fromEpochSeconds(Long.MAX_VALUE / 900))) {
                for (attribute in listOf(far, Value.Time(far), listOf(far))) {
                    assertContains(failing<PeergraphException.InvalidArgument> { graph.publish("t", "", mapOf("born" to attribute)) }.message!!, "born")
                }
                assertContains(failing<PeergraphException.InvalidArgument> { graph.publish("t", "", expires = far) }.message!!, "expires")
                failing<PeergraphException.InvalidArgument> { graph.update(RecordId(ByteArray(16)), expires = far) }
                failing<PeergraphException.InvalidArgument> { graph.toPeerTime(far) }
                failing<PeergraphException.InvalidArgument> { graph.toLocalTime(far) }
            }
        }
    }
}
