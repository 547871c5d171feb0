package io.github.peergraph

import java.nio.file.Path
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.test.fail
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import org.junit.jupiter.api.io.TempDir

/** Paths and values of Rust, names as Python writes them, and what Rust makes of a value for a programmer. */
private val FOREIGN = Regex(
    """::|\b(Some|None|Ok|Err)\b|\b(Vec|Option|Result)<|\bDuration\b|&str|\b[iu](8|16|32|64|size)\b|[a-z]_[a-z]|\{\w*:?\??}""",
)

/** C48: a message names nothing that only another language has. What was given is repeated in quotes, and files as they are. */
fun isForeign(message: String): Boolean = FOREIGN.containsMatchIn(message.replace(Regex("\"[^\"]*\"|'[^']*'|/\\S+"), ""))

/** Findings of the core and of other languages, as they show here: `c` of the core, `n` of Node. */
class SiblingTest {
    /** How many graphs are open; what is asked for this is not kept. */
    private fun opened(node: Node): Int = node.openGraphs().onEach { it.native.close() }.size

    private suspend fun comesTo(node: Node, count: Int, what: String) = eventually(what) {
        System.gc()
        opened(node) == count
    }

    private suspend fun grouped(node: Node): Pair<GraphId, EventSubscription> {
        val group = node.createGroup("dropped")
        val other = node.openGroup(group.id)
        val events = other.subscribe(EventFilter(EventKind.RECORD_CHANGED))
        other.publish("t", "one")
        return group.id to events
    }

    private suspend fun texts(node: Node, id: GraphId): List<String?> =
        node.openGroup(id).list(ListQuery(recordType = "t")).items.map { it.bodyText }

    private suspend fun heard(node: Node): GraphId {
        val (id, events) = grouped(node)
        repeat(3) {
            System.gc()
            node.networkChanged()
            assertEquals(1, opened(node), "a subscription keeps it open")
        }
        assertEquals("one", soon(events).text)
        return id
    }

    @Test
    fun `k7_a group that nobody has is closed and opens again`(@TempDir dir: Path) = real {
        Node.start(NodeConfig.loopback().copy(dataDir = dir)).use { node ->
            val id = heard(node)
            comesTo(node, 0, "it is closed")
            repeat(3) { assertEquals(listOf<String?>("one"), texts(node, id)) }
            comesTo(node, 0, "it is closed again")
            // Opening that is given up.
            coroutineScope {
                repeat(5) {
                    val opening = launch(Dispatchers.Default, CoroutineStart.UNDISPATCHED) { node.openGroup(id) }
                    opening.cancelAndJoin()
                }
            }
            comesTo(node, 0, "none stays open")
        }
    }

    @Test
    fun `c6_a page ends at a size, and is counted when it is asked for`() = real {
        node().use { node ->
            val graph = node.createGraph("pages").kept()
            repeat(12) { graph.publish("t", ByteArray(900_000) { _ -> it.toByte() }) }
            val pages = graph.pages(ListQuery(recordType = "t")).toList()
            assertTrue(pages.size > 1 && pages.all { page -> page.sumOf { it.body.size } <= 5 shl 20 }, "${pages.map { it.size }}")
            assertEquals(List(12) { it.toByte() }, pages.flatten().map { it.body[0] })
            // Counting all of them again for each page is what made a page of a large database slow.
            assertNull(graph.list(ListQuery(recordType = "t")).total)
            assertEquals(12uL, graph.list(ListQuery(recordType = "t", limit = 1u, count = true)).total)
            assertEquals(0uL, graph.list(ListQuery(recordType = "none", count = true)).total)
        }
    }

    @Test
    fun `n12_cancelling ends the wait for the source of a key`(@TempDir dir: Path) = real {
        val asked = CompletableDeferred<Unit>()
        val stopped = CompletableDeferred<Unit>()
        val config = NodeConfig.loopback().copy(dataDir = dir, keySource = {
            asked.complete(Unit)
            try {
                awaitCancellation()
            } finally {
                stopped.complete(Unit)
            }
        })
        coroutineScope {
            var ended: Throwable? = null
            val opening = launch {
                try {
                    Node.start(config)
                } catch (error: Throwable) {
                    ended = error
                    throw error
                }
            }
            asked.await()
            opening.cancelAndJoin()
            assertIs<CancellationException>(ended)
        }
        stopped.await()
        // Nothing began: the folder is free.
        Node.start(config.copy(keySource = null)).use { assertEquals(listOf(), it.storedGroups()) }
    }

    @Test
    fun `c48_messages name nothing of other languages`(@TempDir dir: Path) = real {
        val sealed = NodeConfig.loopback().copy(dataDir = dir, keyProtection = KeyProtection.Key(ByteArray(32) { 1 }))
        Node.start(sealed).use {}
        node().use { node ->
            val (graph, group) = node.createGraph("words").kept() to node.createGroup("words").kept()
            val note = graph.publish("t", "")
            val calls = listOf<suspend () -> Any?>(
                { Node.start(sealed.copy(keyProtection = KeyProtection.Plain)) },
                { Node.start(sealed.copy(keyProtection = KeyProtection.Passphrase("other"))) },
                { Node.start(sealed.copy(keyProtection = KeyProtection.Key(ByteArray(3)))) },
                { Node.start(NodeConfig.loopback().copy(bind = listOf("nowhere"))) },
                { Node.start(sealed.copy(keySource = { ByteArray(32) })) },
                { graph.publish("bad type", "") },
                { graph.publish("peergraph.x", "") },
                { graph.publish("t", "", mapOf("a b" to 1)) },
                { graph.publish("t", "", mapOf("a" to Double.NaN)) },
                { graph.publish("t", ByteArray((1 shl 20) + 1)) },
                { graph.update(note.id, "", expectedVersion = 9uL) },
                { graph.update(RecordId(ByteArray(16)), "") },
                { graph.subscribe(EventFilter(recordTypes = listOf("a/b"))) },
                { graph.subscribe(start = Start.After(ByteArray(3))) },
                { graph.saveCursor("x", ByteArray(3)) },
                { graph.disconnect(7uL) },
                { graph.connect(Target(node.addr)) },
                { graph.importDatabase(dir.resolve("none")) },
                { node.join("hello") },
                { node.joinGroup("hello", "Ben") },
                { node.openGraph(GraphId(ByteArray(32))) },
                { node.deleteGraph(graph.id) },
                { node.createGraph("seed", seed = ByteArray(3)) },
                { node.createGroup("rules", groupRules(maxChain = 99)) },
                { group.inviteLink(uses = 0) },
                { group.setPassword("x") },
                { group.setRole(node.peerId, Role.MEMBER) },
                { group.remove(node.peerId) },
                { node.importMembership("hello", "password") },
                { PeerId.parse("12") },
                { GraphId.parse("x") },
            )
            val told = calls.mapIndexed { at, call ->
                try {
                    fail("$at was not refused: ${call()}")
                } catch (error: PeergraphException) {
                    error.message!!
                }
            }
            assertEquals(listOf(), told.filter(::isForeign))
            assertTrue(isForeign("give it with NodeConfig::keys") && isForeign("max_record") && !isForeign("the \"a_b\" of /tmp/a_b"))
        }
    }
}
