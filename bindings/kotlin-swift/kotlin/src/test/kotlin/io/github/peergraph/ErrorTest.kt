package io.github.peergraph

import java.nio.file.Files
import java.nio.file.Path
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.seconds
import org.junit.jupiter.api.io.TempDir

class ErrorTest {
    @Test
    fun `every kind has its class, name and number`() {
        val kinds = nativeErrorKinds().map { it.split(' ') }
        assertTrue(kinds.size > 45)
        for ((name, code) in kinds) {
            val error = assertFailsWith<PeergraphException> { nativeRaise(name) }
            assertEquals(name, error.kind)
            assertEquals(code.toInt(), error.code)
            assertEquals(name, error.message)
        }
        val classes = PeergraphException::class.java.declaredClasses.count {
            PeergraphException::class.java.isAssignableFrom(it)
        }
        assertEquals(kinds.size, classes)
    }

    @Test
    fun `c28_k13_what the system said is told`(@TempDir dir: Path) = real {
        val file = Files.createFile(dir.resolve("file"))
        val error = failing<PeergraphException.Storage> { Node.open(file.resolve("data")) }
        assertEquals(20, error.osError, "ENOTDIR: ${error.message}")
        assertEquals(file.resolve("data"), error.path)
        assertNull(error.address)
        assertContains(error.message!!, "$file")
        assertFalse('\u0000' in error.message!!)
        node().use { node ->
            val taken = failing<PeergraphException.Network> { Node.start(NodeConfig.loopback().copy(bind = node.bound)) }
            assertEquals(node.bound.single(), taken.address)
            assertEquals(98, taken.osError, "EADDRINUSE: ${taken.message}")
            assertNull(taken.path)
            val other = failing<PeergraphException.InvalidTicket> { node.join("hello") }
            assertEquals(listOf(null, null, null), listOf(other.osError, other.path, other.address))
        }
    }

    @Test
    fun `messages are for people`() = real {
        node().use { node ->
            val error = failing<PeergraphException.InvalidTicket> { node.join("hello") }
            assertTrue(error.message!!.contains("ticket"), error.message)
            failing<PeergraphException.InvalidInvitation> { node.joinGroup("hello") }
            failing<PeergraphException.InvalidId> { PeerId.parse("12") }
            failing<PeergraphException.InvalidId> { node.openGroup(GraphId(ByteArray(3))) }
            val graph = node.createGraph("errors").kept()
            failing<PeergraphException.InvalidArgument> { graph.connect(Target(node.addr), deadline = (-1).seconds) }
            failing<PeergraphException.ConnectToSelf> { graph.connect(Target(node.addr)) }
            failing<PeergraphException.InvalidArgument> { graph.subscribe(EventFilter(recordTypes = listOf("a/b"))) }
            failing<PeergraphException.InvalidArgument> { graph.subscribe(start = Start.After(ByteArray(3))) }
            failing<PeergraphException.InvalidArgument> { node.createGraph("seed", seed = ByteArray(3)) }
            graph.close()
            failing<PeergraphException.Closed> { graph.listen() }
        }
    }
}
