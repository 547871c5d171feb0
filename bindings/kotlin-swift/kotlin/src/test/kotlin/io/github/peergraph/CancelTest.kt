package io.github.peergraph

import app.cash.turbine.test
import app.cash.turbine.turbineScope
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.Job
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.job
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.UnconfinedTestDispatcher
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.withContext

/** Structured concurrency: what is cancelled stops at once, in the library too, and loses nothing. */
@OptIn(ExperimentalCoroutinesApi::class)
class CancelTest {
    private val ofRecords = EventFilter(EventKind.RECORD_CHANGED)

    @Test
    fun `a flow tells all, in order, and completes when the graph closes`() = real {
        node().use { node ->
            val graph = node.createGraph("all").kept()
            repeat(3) { graph.publish("t", "$it") }
            graph.events(ofRecords, Start.Snapshot).map { it.text ?: it.kind }.test(timeout = patience) {
                assertEquals(listOf("0", "1", "2", "caught_up"), List(4) { awaitItem() })
                graph.publish("t", "live")
                assertEquals("live", awaitItem())
                expectNoEvents()
                graph.close()
                awaitComplete()
            }
        }
    }

    @Test
    fun `a flow that is cancelled unsubscribes, and one that has enough does too`() = real {
        nodes(2) { (node, other) ->
            val graph = node.createGraph("accepting").kept()
            graph.listen()
            val far = other.join(graph.ticket()).kept()
            // Who subscribes to these accepts them: so others can tell.
            val accepting = graph.events(EventFilter(EventKind.DIRECT_CONNECTION))
            turbineScope(timeout = patience) {
                val turbine = accepting.testIn(CoroutineScope(Dispatchers.Default + Job()))
                eventually("accepted") { runCatching { far.openDirect(Target(node.id)).close() }.isSuccess }
                turbine.cancelAndIgnoreRemainingEvents()
            }
            eventually("no longer accepted") { runCatching { far.openDirect(Target(node.id)) }.exceptionOrNull() is PeergraphException.DirectNotAccepted }
            accepting.take(1).test(timeout = patience) {
                eventually("accepted again") { runCatching { far.openDirect(Target(node.id)).close() }.isSuccess }
                awaitItem()
                awaitComplete()
            }
            eventually("no longer accepted") { runCatching { far.openDirect(Target(node.id)) }.exceptionOrNull() is PeergraphException.DirectNotAccepted }
        }
    }

    @Test
    fun `a scope that ends takes its readers along, and the next reader goes on where they were`() = runTest(timeout = 2.minutes) {
        withContext(Dispatchers.Default) { node() }.use { node ->
            val graph = node.createGraph("scopes").kept()
            val events = graph.subscribe(ofRecords)
            val seen = mutableListOf<String?>()
            val scope = CoroutineScope(UnconfinedTestDispatcher(testScheduler) + Job())
            scope.launch { for (event in events) seen += event.text }
            repeat(5) { graph.publish("t", "$it") }
            withContext(Dispatchers.Default) { eventually("read") { seen.size == 5 } }
            val took = measureTime { scope.coroutineContext.job.cancelAndJoin() }
            assertTrue(took < 1.seconds, "$took")
            for (turn in 5..<10) graph.publish("t", "$turn")
            withContext(Dispatchers.Default) { while (seen.size < 10) seen += soon(events).text }
            assertEquals<List<String?>>(List(10) { "$it" }, seen)
        }
    }

    @Test
    fun `flows of the same graph each tell all`() = runTest(timeout = 2.minutes) {
        withContext(Dispatchers.Default) { node() }.use { node ->
            val graph = node.createGraph("several").kept()
            turbineScope(timeout = patience) {
                val turbines = List(3) {
                    graph.events(ofRecords, Start.Snapshot).filterIsInstance<Event.RecordChanged>().testIn(backgroundScope)
                }
                repeat(20) { graph.publish("t", "$it") }
                for (turbine in turbines) {
                    assertEquals<List<String?>>(List(20) { "$it" }, List(20) { turbine.awaitItem().text })
                    turbine.cancel()
                }
            }
        }
    }

    /** Cancels a call once it is under way; what it was to do must not be done. */
    private suspend fun cancelled(call: suspend () -> Unit) = coroutineScope {
        var ended: Throwable? = null
        val calling = launch(Dispatchers.Default) {
            try {
                call()
            } catch (error: Throwable) {
                ended = error
                throw error
            }
        }
        delay(50.milliseconds)
        val took = measureTime { calling.cancelAndJoin() }
        assertTrue(took < 1.seconds, "$took")
        assertIs<CancellationException>(ended)
    }

    @Test
    fun `joins, connects and opens that hang end when they are cancelled`() = real {
        nodes(3) { (node, late, gone) ->
            val link = node.createGroup("gone").kept().inviteLink()
            val graph = late.createGraph("mine").kept()
            val nobody = NodeAddr(gone.id, listOf("127.0.0.1:9"), null)
            gone.shutdown()
            node.shutdown()
            val failures = graph.subscribe(EventFilter(EventKind.NEIGHBOR_CONNECTION))
            cancelled { late.joinGroup(link, deadline = 10.minutes) }
            eventually("nothing is left of it") { late.openGraphs().map { it.id } == listOf(graph.id) && late.storedGroups().isEmpty() }
            cancelled { graph.connect(Target(nobody), deadline = 10.minutes) }
            assertIs<ConnectionChange.Failed>(assertIs<Event.NeighborConnection>(soon(failures)).change)
            cancelled { graph.enter(Target(nobody)) }
            assertIs<ConnectionChange.Failed>(assertIs<Event.NeighborConnection>(soon(failures)).change)
            assertEquals(listOf(), graph.neighbors())
        }
    }
}
