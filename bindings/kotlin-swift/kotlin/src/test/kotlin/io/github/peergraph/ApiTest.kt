package io.github.peergraph

import app.cash.turbine.test
import java.nio.file.Files
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNotEquals
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Clock
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import kotlin.time.Instant
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.test.runTest

class ApiTest {
    @Test
    fun `a group is made, joined by a link, and written in`() = real {
        node().use { ann ->
            node().use { ben ->
                val club = ann.createGroup("club").kept()
                val invitation = club.inviteLink()
                assertEquals(InvitationKind.LINK, invitation.kind)
                assertEquals("club", Texts.invitation(invitation.text).groupName)
                assertTrue(invitation.qrSvg().startsWith("<?xml") || invitation.qrSvg().contains("<svg"))
                val members = club.subscribe(EventFilter(EventKind.MEMBER_CHANGED))
                val joined = ben.joinGroup(invitation, name = "Ben").kept()
                assertEquals(JoinOutcome.JOINED, joined.joinOutcome)
                val event = assertIs<Event.MemberChanged>(members.receive())
                assertEquals("Ben", event.member.name)
                val changes = club.subscribe(EventFilter(EventKind.RECORD_CHANGED))
                val sent = joined.publish("chat.message", "hello", mapOf("room" to "main"))
                val heard = assertIs<Event.RecordChanged>(changes.receive())
                assertEquals(sent.id, heard.record.id)
                assertEquals("hello", heard.record.bodyText)
                assertEquals("main", heard.record["room"])
                assertEquals(ben.peerId, heard.record.author)
                assertEquals(ChangeOrigin.FLOOD, heard.origin)
                assertEquals(Role.MEMBER, joined.role())
            }
        }
    }

    @Test
    fun `values of every type come back as they were`() = real {
        node().use { node ->
            val graph = node.createGraph("values").kept()
            val at = Instant.fromEpochMilliseconds(1_700_000_000_123)
            val given = mapOf(
                "text" to "ä", "int" to -5L, "float" to 2.5, "flag" to true, "at" to at, "bytes" to byteArrayOf(1, 2),
                "list" to listOf("a", 1L),
            )
            val record = graph.publish("t", byteArrayOf(0, -1), given, expires = Clock.System.now() + 1.hours)
            val found = graph.get(record.id)!!
            assertContentEquals(byteArrayOf(0, -1), found.body)
            assertNull(found.bodyText)
            for ((name, value) in given) {
                if (value is ByteArray) assertContentEquals(value, found[name] as ByteArray) else assertEquals(value, found[name])
            }
            assertEquals(node.peerId, found.creator)
            assertTrue(found.expires!! > Clock.System.now() + 59.minutes)
            assertTrue((Clock.System.now() - found.created).absoluteValue < 1.minutes)
            failing<PeergraphException.InvalidArgument> { graph.publish("t", "", mapOf("x" to Any())) }
            failing<PeergraphException.InvalidArgument> { graph.publish("t", "", mapOf("x" to Double.NaN)) }
        }
    }

    @Test
    fun `records are listed in pages as they were at the first`() = real {
        node().use { node ->
            val graph = node.createGraph("lists").kept()
            repeat(25) { graph.publish("t", "$it") }
            val pages = graph.pages(ListQuery(recordType = "t", limit = 10u)).toList()
            assertEquals(listOf(10, 10, 5), pages.map { it.size })
            val all = graph.records(ListQuery(recordType = "t")).toList()
            assertEquals((0..24).map { "$it" }, all.map { it.bodyText })
            assertEquals(25uL, graph.list(ListQuery(recordType = "t", limit = 1u, count = true)).total)
            assertNull(graph.list(ListQuery(recordType = "t", limit = 1u)).total)
        }
    }

    @Test
    fun `a cold flow subscribes when collected and a hot subscription at once`() = real {
        node().use { node ->
            val graph = node.createGraph("flows").kept()
            val cold = graph.events(EventFilter(EventKind.RECORD_CHANGED)).filterIsInstance<Event.RecordChanged>()
            val hot = graph.subscribe(EventFilter(EventKind.RECORD_CHANGED))
            graph.publish("t", "before")
            cold.test(timeout = patience) {
                // Turbine collects at once, but on another coroutine.
                eventually("the collection") {
                    graph.publish("t", "after")
                    kotlin.runCatching { expectMostRecentItem() }.getOrNull()?.record?.bodyText == "after"
                }
                cancelAndIgnoreRemainingEvents()
            }
            assertEquals("before", assertIs<Event.RecordChanged>(hot.receive()).record.bodyText)
            hot.close()
            assertNull(hot.receive())
        }
    }

    @Test
    fun `a cursor is of what was handed out, not of what was fetched`() = real {
        node().use { node ->
            val graph = node.createGraph("cursors").kept()
            val events = graph.subscribe(EventFilter(EventKind.RECORD_CHANGED))
            repeat(10) { graph.publish("t", "$it") }
            val taken = List(3) { assertIs<Event.RecordChanged>(events.receive()) }
            graph.saveCursor("reader", events.cursor)
            assertContentEquals(taken.last().cursor, events.cursor)
            val later = graph.subscribe(
                EventFilter(EventKind.RECORD_CHANGED), Start.After(graph.loadCursor("reader")!!),
            )
            assertEquals("3", assertIs<Event.RecordChanged>(later.receive()).record.bodyText)
            val start = graph.subscribe(EventFilter(EventKind.RECORD_CHANGED), Start.Snapshot)
            val begin = start.cursor
            assertEquals("0", assertIs<Event.RecordChanged>(start.receive()).record.bodyText)
            assertFalse(begin.contentEquals(start.cursor))
            assertNull(graph.loadCursor("nobody"))
        }
    }

    @Test
    fun `data goes over a direct connection`() = real {
        node().use { a ->
            node().use { b ->
                val here = a.createGraph("data").kept()
                here.listen()
                val incoming = here.subscribe(EventFilter(EventKind.DIRECT_CONNECTION, EventKind.INCOMING_DATA))
                val there = b.join(here.ticket()).kept()
                val direct = there.openDirect(Target(a.id))
                assertEquals(ConnectionKind.DIRECT, direct.info.kind)
                val receipt = direct.send("file", ByteArray(100_000) { it.toByte() })
                val up = assertIs<Event.DirectConnection>(incoming.receive())
                assertEquals(ConnectionChange.Connected, up.change)
                val data = assertIs<Event.IncomingData>(incoming.receive())
                assertEquals(100_000, data.data.size)
                assertEquals(b.peerId, data.peer)
                assertTrue(receipt.delivered())
                failing<PeergraphException.InvalidArgument> { receipt.delivered() }
                direct.close()
                failing<PeergraphException.NotConnected> { direct.send("file", ByteArray(1)) }
            }
        }
    }

    @Test
    fun `a node that was paused is back with what happened meanwhile`() = real {
        node().use { a ->
            node().use { b ->
                val here = a.createGraph("mobile").kept()
                here.listen()
                val there = b.join(here.ticket()).kept()
                b.pause()
                assertTrue(b.isPaused)
                eventually("the goodbye") { here.neighbors().isEmpty() }
                val missed = here.publish("t", "meanwhile")
                val own = there.publish("t", "in the background")
                failing<PeergraphException.Paused> { there.connect(Target(a.addr)) }
                b.resume()
                b.networkChanged()
                eventually("what was missed") { there.get(missed.id) != null }
                eventually("what was written") { here.get(own.id) != null }
                assertFalse(b.isPaused)
            }
        }
    }

    @Test
    fun `a node on disk is the same again, with keys from a key store`() = real {
        val dir = Files.createTempDirectory("peergraph")
        try {
            var asked = 0
            val config = NodeConfig.loopback().copy(
                dataDir = dir, encryptDatabase = true, keySource = { asked += 1; ByteArray(32) { 7 } },
            )
            val (id, graph) = Node.start(config).use { node ->
                val graph = node.createGroup("kept").kept()
                graph.publish("t", "kept")
                node.peerId to graph.id
            }
            failing<PeergraphException.KeyAccess> { Node.start(NodeConfig.loopback().copy(dataDir = dir)) }
            Node.start(config).use { node ->
                assertEquals(id, node.peerId)
                assertEquals(listOf(graph), node.storedGroups())
                assertEquals("kept", node.openGroup(graph).records(ListQuery(recordType = "t")).first().bodyText)
            }
            assertEquals(2, asked)
            failing<PeergraphException.KeyAccess> { Node.start(config.copy(keySource = { ByteArray(32) })) }
            failing<PeergraphException.InvalidArgument> { Node.start(config.copy(keySource = { ByteArray(31) })) }
            failing<PeergraphException.InvalidArgument> { Node.start(config.copy(keyProtection = KeyProtection.Passphrase("sesame"))) }
            val locked: suspend () -> ByteArray = { throw IllegalStateException("the screen is locked") }
            assertFailsWith<IllegalStateException> { Node.start(config.copy(keySource = locked)) }
            // In memory nothing is sealed.
            Node.start(NodeConfig.loopback().copy(keySource = locked)).shutdown()
        } finally {
            dir.toFile().deleteRecursively()
        }
    }

    @Test
    fun `identities are made, described, and sign`() = real {
        node().use { node ->
            val ann = node.identities.create("Ann", classifier = "work")
            assertEquals("Ann", ann.name)
            assertEquals("work", ann.peerName.classifier)
            assertEquals(ann.peerId, Texts.description(ann.describe().text).peerId)
            val signature = ann.sign("yes".encodeToByteArray())
            assertTrue(ann.peerId.verify("yes".encodeToByteArray(), signature))
            assertFalse(ann.peerId.verify("no".encodeToByteArray(), signature))
            assertEquals(ann.peerId, PeerId.parse(ann.peerId.toString()))
            assertNotEquals(node.peerId, ann.peerId)
            node.identities.setDefault(ann.peerName)
            assertEquals(ann.peerId, node.identities.default().peerId)
            assertEquals(2, node.identities.list().size)
            ann.delete()
            failing<PeergraphException.IdentityDeleted> { ann.describe() }
        }
    }

    @Test
    fun `defaults are the core's`() = runTest {
        val config = NodeConfig()
        assertEquals(1.seconds, config.pingInterval)
        assertEquals(30.days, config.tombstoneLifetime)
        assertEquals(listOf(5, 8, 3), listOf(config.targetNeighbors, config.maxNeighbors, config.minNeighbors))
        assertEquals(Durability.SYNCED, config.durability)
        assertEquals(ApiVersion(0, 1), config.version)
        assertEquals(listOf(2, 4, 1), config.lowPower().run { listOf(targetNeighbors, maxNeighbors, minNeighbors) })
        assertEquals(5.minutes, graphProperties().presenceLifetime)
        assertEquals(Role.OWNER, groupRules().properties)
        assertEquals(8u.toUByte(), groupRules().maxChain)
        failing<PeergraphException.InvalidArgument> { groupRules(maxChain = 300) }
    }

    @Test
    fun `a scope that is cancelled ends its calls`() = real {
        node().use { node ->
            val graph = node.createGraph("scope").kept()
            val nobody = NodeAddr(NodeId(ByteArray(32) { 9 }), listOf("127.0.0.1:9"), null)
            val failures = graph.subscribe(EventFilter(EventKind.NEIGHBOR_CONNECTION))
            coroutineScope {
                val connecting = launch { graph.connect(Target(nobody), deadline = 10.minutes) }
                kotlinx.coroutines.delay(50.milliseconds)
                connecting.cancel()
            }
            val failed = assertIs<Event.NeighborConnection>(failures.receive())
            assertIs<ConnectionChange.Failed>(failed.change)
        }
    }
}
