package io.github.peergraph

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.seconds

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
    fun `messages are for people`() = real {
        node().use { node ->
            val error = failing<PeergraphException.InvalidTicket> { node.join("hello") }
            assertTrue(error.message!!.contains("ticket"), error.message)
            failing<PeergraphException.InvalidInvitation> { node.joinGroup("hello") }
            failing<PeergraphException.InvalidId> { PeerId.parse("12") }
            failing<PeergraphException.InvalidId> { node.openGroup(GraphId(ByteArray(3))) }
            val graph = node.createGraph("errors")
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
